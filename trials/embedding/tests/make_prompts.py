"""Makes `fixtures/prompts.json`: what sentence-transformers computes behind prompts with the models of `make_fixtures.py`.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.23.0 sentence-transformers==6.2.0
    venv/bin/python trials/embedding/tests/make_prompts.py

Of each case: the fixture, its `config_sentence_transformers.json`, `include_prompt` of its pooling, and the embeddings of the fixture's
texts by `encode`, `encode_query` and `encode_document`. The same versions make the same file.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

FIXTURES = Path(__file__).parent / "fixtures"

# A blank at the end of a prompt is part of the text's first token for all but the tokenizers of BERT, and sentence-transformers 6 counts
# it as one of the prompt's.
BERT = {"query": "the cat: ", "document": "a mat in the sun ", "other": "Eating "}
OTHERS = {"query": "the cat:", "document": "on a mat,", "other": "is!"}
# Longer than the texts may be together with it.
LONG = {"query": "the cat sat on the mat, ", "document": "is a crime "}


def embeddings(name: str, config: dict, include_prompt: bool) -> dict:
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary) / "model"
        shutil.copytree(FIXTURES / name, directory)
        (directory / "config_sentence_transformers.json").write_text(json.dumps(config))
        if not include_prompt:
            path = directory / "1_Pooling" / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"include_prompt": False}))
        model = SentenceTransformer(str(directory), device="cpu", model_kwargs={"dtype": torch.float32})
    reference = json.loads((FIXTURES / name / "reference.json").read_text())
    model.max_seq_length = reference["max_length"]
    model.eval()
    ways = {"encode": model.encode, "query": model.encode_query, "document": model.encode_document}
    rows = {way: encode(reference["texts"], batch_size=5).tolist() for way, encode in ways.items()}
    return {way: [[float(f"{number:.7g}") for number in row] for row in found] for way, found in rows.items()}


def main() -> None:
    cases = []
    for name, prompts, poolings in [
        ("bert-mean", BERT, [True, False]),
        ("bert-mean", LONG, [False]),
        ("bert-cls", BERT, [True, False]),
        ("roberta", OTHERS, [True]),
        ("camembert-max", OTHERS, [True, False]),
    ]:
        for include_prompt in poolings:
            for default in [None, "other"] if "other" in prompts else [None]:
                config = {"prompts": prompts, "default_prompt_name": default, "similarity_fn_name": "cosine"}
                found = embeddings(name, config, include_prompt)
                cases.append({"fixture": name, "config": config, "include_prompt": include_prompt} | found)
    lines = [f" {json.dumps(case)}" for case in cases]
    (FIXTURES / "prompts.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()

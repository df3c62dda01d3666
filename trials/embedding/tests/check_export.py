"""Compares an exported directory, loaded by sentence-transformers, with the embeddings of the trainer itself.

    pip install sentence-transformers
    python trials/embedding/tests/check_export.py EXPORTED_DIRECTORY...

Prints the largest absolute difference of each, and fails if one is above 1e-5. The tests of `families.rs` leave exported
directories of every family and head in `target/tmp/embedding-export-*`.

all-mpnet-base-v2 is too large for the tests. It is checked with 4 GB of memory and in some minutes like this: put its
directory (config.json, model.safetensors, tokenizer.json, modules.json ...) at `mpnet/model`, and after `make setup` write
`mpnet/check.toml`:

    [study]
    trials = 1

    [policy]
    type = "none"
    resource = "steps"
    max_resource = 8
    report_every = 8

    [trial]
    model = "model"
    train = "../.cache/data/wordnet/test.jsonl"
    validation = "../.cache/data/wordnet/validation.jsonl"
    max_length = 64

    [space]
    learning_rate = 2e-5

Then `cd mpnet && hpo search check.toml`: the validation loss falls, and

    python trials/embedding/tests/check_export.py mpnet/model mpnet/studies/check/best-model

finds the same embeddings before and after.
"""

import json
import subprocess
import sys

from sentence_transformers import SentenceTransformer

TEXTS = [
    "A man is eating food.",
    "the stealing of cattle",
    "naïve café, 東京!",
    "a " * 40 + "long one",
]


def difference(directory: str) -> float:
    model = SentenceTransformer(directory, device="cpu")
    model.max_seq_length = min(model.max_seq_length, 128)
    ways = {"": model.encode}
    if model.default_prompt_name is None:
        ways |= {"query": model.encode_query, "document": model.encode_document}
    return max(of_one_way(directory, model.max_seq_length, way, encode) for way, encode in ways.items())


def of_one_way(directory: str, max_length: int, way: str, encode) -> float:
    theirs = encode(TEXTS).tolist()
    command = ["cargo", "run", "--release", "-q", "-p", "hpo-trial-embedding", "--example", "embed", "--"]
    command += [directory, str(max_length), *way.split()]
    output = subprocess.run(command, input="\n".join(TEXTS), capture_output=True, text=True, check=True).stdout
    ours = [json.loads(line) for line in output.splitlines()]
    pairs = (pair for rows in zip(ours, theirs, strict=True) for pair in zip(*rows, strict=True))
    return max(abs(a - b) for a, b in pairs)


def main(directories: list[str]) -> None:
    differences = {directory: difference(directory) for directory in directories}
    for directory, found in differences.items():
        print(f"{directory}: largest absolute difference {found:.2e}")
    if not differences or max(differences.values()) > 1e-5:
        sys.exit("the exported model is not what was trained")


if __name__ == "__main__":
    main(sys.argv[1:])

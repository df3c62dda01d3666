"""Compares the trainer's tokens with those of Transformers and sentence-transformers, and makes `fixtures/tokens.json`.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.23.0 sentence-transformers==6.2.0
    cargo build --release -p hpo-trial-embedding --example tokens
    venv/bin/python trials/embedding/tests/make_tokens.py target/release/examples/tokens

Every tokenizer class that a supported model may name is made from the models in `fixtures/`, with every override of
its files that might change tokens. `AutoTokenizer` and `SentenceTransformer` load each directory; where both do, and no
setting of sentence-transformers is involved, they must agree with each other too. The trainer must give their tokens, or refuse the
directory. All differences are printed, and so is what is refused. Without the path of the program only the fixture is made.
"""

import copy
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402, F401
import transformers  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

FIXTURES = Path(__file__).parent / "fixtures"
LENGTHS = [5, 16]

TEXTS = [
    "the cat sat on the mat",
    "",
    " ",
    "  The  Cat\tSAT \n on a mat  ",
    "naïve CAFÉ, NAI\u0308VE cafe\u0301",
    "東京 and 京都tower ａ\u3000ｃat！",
    "🐈 sat\u0000 \u0007on\u200b ß, Ω, İ and \ufffd",
    "[CLS] cat [SEP] sat [PAD] mat [MASK] [UNK] cat[MASK]dog",
    "<s> cat </s> sat <pad> mat <mask> <unk> cat <mask>dog",
    "EXTRA cat extra  EXTRA sat ünit Ünit <s>NOTUSED cat",
    "a cat, cattle! is it? " * 8,
    "c" * 120,
    "!",
    " dog",
    "cat ",
]

BERT = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "LayoutLMTokenizer", "LxmertTokenizer"]
BERT += ["MobileBertTokenizer", "SqueezeBertTokenizer"]
ROBERTA = ["RobertaTokenizer", "BartTokenizer", "LEDTokenizer", "LongformerTokenizer", "MvpTokenizer"]
WHOLE = ["TokenizersBackend", "PreTrainedTokenizer"]
# Transformers has another class under these names, which is there with all overrides.
ALIASES = {*BERT[2:], *ROBERTA[1:], "PreTrainedTokenizer"}
# A directory to begin with, and the classes that its `tokenizer.json` suits.
BASES = {
    "bert-mean": [*BERT, "MPNetTokenizer", *WHOLE],
    "bert-cls": ["BertTokenizer", "TokenizersBackend"],
    "distilbert": ["DistilBertTokenizer", "BertTokenizer", "TokenizersBackend"],
    "mpnet": ["MPNetTokenizer", "BertTokenizer", "TokenizersBackend"],
    "roberta": [*ROBERTA, *WHOLE],
    "xlm-roberta": ["XLMRobertaTokenizer", "CamembertTokenizer", *WHOLE],
    "camembert-max": ["CamembertTokenizer", "XLMRobertaTokenizer", "TokenizersBackend"],
}
# Not built by the trainer: refused.
OTHERS = ["AlbertTokenizer", "BertJapaneseTokenizer", "BertweetTokenizer", "PhobertTokenizer", "GPT2Tokenizer"]
OTHERS += ["DebertaV2Tokenizer", "LlamaTokenizer", "T5Tokenizer", "FunnelTokenizer", "NoSuchTokenizer", "ConvBertTokenizer"]

SETTINGS, SPECIAL, ADDED, TOKENIZER = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
)
SENTENCE = "sentence_bert_config.json"


def added(content, **more):
    return dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) | more


def edit(file, *path, **value):
    """What to write at a place in a file; an empty path is the file, and no value removes what is there."""
    return {"file": file, "path": list(path), **value}


def settings(key, value):
    return [edit(SETTINGS, key, value=value)]


def old_style(tokenizer) -> list:
    """The files that Transformers 4 wrote beside `tokenizer.json`."""
    named = {key: str(value) for key, value in tokenizer.special_tokens_map.items() if key.endswith("_token")}
    decoder = {str(id): json.loads(json.dumps(token.__getstate__())) for id, token in tokenizer.added_tokens_decoder.items()}
    name = type(tokenizer).__name__
    config = {"added_tokens_decoder": decoder, "clean_up_tokenization_spaces": True, **named}
    config |= {"model_max_length": 16, "tokenizer_class": name, "from_slow": True, "legacy": False}
    config |= {"do_basic_tokenize": True, "never_split": None, "name_or_path": "x", "special_tokens_map_file": None}
    return [edit(SETTINGS, value=config), edit(SPECIAL, value=named)]


def overrides(tokenizer) -> dict[str, list]:
    """Every override by its name."""
    all = {"plain": []}
    for key in ["do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space", "trim_offsets"]:
        for value in [True, False]:
            all[f"{key} {value}"] = settings(key, value)
    for key in ["split_special_tokens", "add_bos_token", "add_eos_token", "clean_up_tokenization_spaces", "from_slow", "legacy"]:
        for value in [True, False]:
            all[f"{key} {value}"] = settings(key, value)
    all["strip_accents null"] = settings("strip_accents", None)
    all["cased, accents stripped"] = settings("do_lower_case", False) + settings("strip_accents", True)
    all["model_max_length"] = settings("model_max_length", 7)
    for side in ["left", "right"]:
        all[f"truncation_side {side}"] = settings("truncation_side", side)
        all[f"padding_side {side}"] = settings("padding_side", side)
    all["wordpieces_prefix"] = settings("wordpieces_prefix", "@@")
    all["do_basic_tokenize"] = settings("do_basic_tokenize", False)
    all["never_split"] = settings("never_split", ["cat"])
    all["unk_id"] = settings("unk_id", 1)
    tokens = list(tokenizer.get_vocab())
    word = next(token for token in tokens if token.strip("▁Ġ") in ("cat", "c"))
    for key in ["unk_token", "cls_token", "sep_token", "bos_token", "eos_token", "mask_token", "pad_token"]:
        all[f"{key} known"] = settings(key, word)
        all[f"{key} new"] = settings(key, "EXTRA")
        all[f"{key} object"] = settings(key, {"__type": "AddedToken", **added("EXTRA", lstrip=True, normalized=True)})
    for key in ["additional_special_tokens", "extra_special_tokens"]:
        all[f"{key}"] = settings(key, ["EXTRA", "ünit"])
        all[f"{key} object"] = settings(key, [{"__type": "AddedToken", **added("EXTRA", rstrip=True, normalized=True)}])
        all[f"{key} null"] = settings(key, None)
        all[f"{key} empty"] = settings(key, [])
    all["extra_special_tokens named"] = settings("extra_special_tokens", {"unit_token": "ünit"})
    all["own named token"] = settings("unit_token", "EXTRA")
    decoder = {str(id): token.__getstate__() for id, token in tokenizer.added_tokens_decoder.items()}
    decoder = json.loads(json.dumps(decoder))
    all["added_tokens_decoder"] = settings("added_tokens_decoder", decoder)
    all["added_tokens_decoder more"] = settings("added_tokens_decoder", decoder | {"900": added("EXTRA", lstrip=True)})
    text = added("EXTRA", special=False, normalized=True)
    all["added_tokens_decoder text"] = settings("added_tokens_decoder", decoder | {"900": text})
    turned = {id: token | {"lstrip": True, "rstrip": True} for id, token in decoder.items()}
    all["added_tokens_decoder turned"] = settings("added_tokens_decoder", turned)
    all["added_tokens_decoder few"] = settings("added_tokens_decoder", dict(list(decoder.items())[:1]))
    all["special_tokens_map"] = [edit(SPECIAL, value={"mask_token": "EXTRA"})]
    all["special_tokens_map object"] = [edit(SPECIAL, value={"mask_token": added("<mask>", lstrip=True)})]
    all["special_tokens_map more"] = [edit(SPECIAL, value={"additional_special_tokens": ["EXTRA"]})]
    all["special_tokens_map extra"] = [edit(SPECIAL, value={"extra_special_tokens": ["EXTRA", added("ünit")]})]
    all["special_tokens_map ends"] = [edit(SPECIAL, value={"cls_token": "EXTRA", "bos_token": "EXTRA"})]
    all["special_tokens_map beside decoder"] = all["special_tokens_map"] + all["added_tokens_decoder"]
    all["added_tokens"] = [edit(ADDED, value={"EXTRA": 900, "ünit": 901})]
    all["added_tokens special"] = all["added_tokens"] + settings("extra_special_tokens", ["EXTRA"])
    all["old files"] = old_style(tokenizer)
    all["old files, cased"] = all["old files"] + settings("do_lower_case", False)
    all["old files, additional"] = all["old files"] + settings("additional_special_tokens", ["EXTRA"])
    all["no settings"] = [edit(SETTINGS)]
    all["no class"] = [edit(SETTINGS, "tokenizer_class")]
    name = type(tokenizer).__name__
    all["class of config"] = [edit(SETTINGS, "tokenizer_class"), edit("config.json", "tokenizer_class", value=name)]
    all["class Fast"] = settings("tokenizer_class", name + "Fast")
    for side in ["Left", "Right"]:
        cut = {"direction": side, "max_length": 4, "strategy": "LongestFirst", "stride": 0}
        all[f"truncation {side}"] = [edit(TOKENIZER, "truncation", value=cut)]
        all[f"truncation {side}, settings"] = all[f"truncation {side}"] + settings("truncation_side", "right")
        pad = {"strategy": {"Fixed": 9}, "direction": side, "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0}
        all[f"padding {side}"] = [edit(TOKENIZER, "padding", value=pad | {"pad_token": "EXTRA"})]
    all["no normalizer"] = [edit(TOKENIZER, "normalizer", value=None)]
    all["normalizer"] = [edit(TOKENIZER, "normalizer", value={"type": "Lowercase"})]
    all["pre_tokenizer"] = [edit(TOKENIZER, "pre_tokenizer", value={"type": "Whitespace"})]
    all["no post_processor"] = [edit(TOKENIZER, "post_processor", value=None)]
    all["no added_tokens"] = [edit(TOKENIZER, "added_tokens", value=[])]
    more = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = more["added_tokens"] + [{"id": len(tokenizer), **added("EXTRA", special=False)}]
    all["more added_tokens"] = [edit(TOKENIZER, "added_tokens", value=tokens)]
    if more["model"]["type"] == "WordPiece":
        all["prefix"] = [edit(TOKENIZER, "model", "continuing_subword_prefix", value="@")]
        all["longest word"] = [edit(TOKENIZER, "model", "max_input_chars_per_word", value=4)]
        all["unknown"] = [edit(TOKENIZER, "model", "unk_token", value="cat")]
    if more["model"]["type"] == "BPE":
        all["ignore_merges"] = [edit(TOKENIZER, "model", "ignore_merges", value=True)]
        all["unknown"] = [edit(TOKENIZER, "model", "unk_token", value="<unk>")]
        all["merges as texts"] = [edit(TOKENIZER, "model", "merges", value=[" ".join(m) for m in more["model"]["merges"]])]
    if more["model"]["type"] == "Unigram":
        all["unknown"] = [edit(TOKENIZER, "model", "unk_id", value=0)]
        all["byte_fallback"] = [edit(TOKENIZER, "model", "byte_fallback", value=True)]
    for value in [True, False]:
        all[f"sentence do_lower_case {value}"] = [edit(SENTENCE, "do_lower_case", value=value)]
    all["sentence, Lowercase there"] = all["sentence do_lower_case True"] + all["normalizer"]
    all["sentence max_seq_length"] = [edit(SENTENCE, "max_seq_length", value=9)]
    for key in ["tokenizer_args", "processor_kwargs"]:
        for given in [{"do_lower_case": False}, {"add_prefix_space": True}, {"mask_token": "EXTRA"}, {"add_eos_token": True}]:
            all[f"sentence {key} {given}"] = [edit(SENTENCE, key, value=given)]
    all["sentence args over map"] = all["special_tokens_map"] + [edit(SENTENCE, "tokenizer_args", value={"mask_token": "ünit"})]
    all["sentence settings without modules"] = all["sentence do_lower_case True"] + [edit("modules.json")]
    all["fast_tokenizer_files"] = settings("fast_tokenizer_files", ["tokenizer.json"])
    all["fast_tokenizer_files other"] = settings("fast_tokenizer_files", ["tokenizer.4.0.json"])
    return all


def apply(directory: Path, edits: list) -> None:
    for change in edits:
        path, keys = directory / change["file"], change["path"]
        if not keys and "value" not in change:
            path.unlink(missing_ok=True)
            continue
        document = json.loads(path.read_text()) if path.exists() else {}
        if not keys:
            document = copy.deepcopy(change["value"])
        else:
            place = document
            for key in keys[:-1]:
                place = place[key]
            if "value" in change:
                place[keys[-1]] = change["value"]
            else:
                place.pop(keys[-1], None)
        path.write_text(json.dumps(document, ensure_ascii=False))


def by_transformers(directory: Path, length: int):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return [tokenizer(text, truncation=True, max_length=length)["input_ids"] for text in TEXTS]


def by_sentence_transformers(directory: Path):
    model = SentenceTransformer(str(directory), device="cpu")
    found = []
    for length in LENGTHS:
        model.max_seq_length = length
        # One at a time: there is nothing to pad.
        found.append([model.preprocess([text])["input_ids"][0].tolist() for text in TEXTS])
    return found


def tried(make, *arguments):
    try:
        return make(*arguments)
    except BaseException as error:  # noqa: BLE001 (pyo3 panics are no exceptions)
        return f"{type(error).__name__}: {error}".splitlines()[0]


def cases(scratch: Path):
    for base, classes in BASES.items():
        for name in classes:
            directory = scratch / "plain"
            shutil.rmtree(directory, ignore_errors=True)
            shutil.copytree(FIXTURES / base, directory)
            as_class = settings("tokenizer_class", name)
            if base == "camembert-max":
                # Its own lower-casing would hide much.
                as_class = as_class + [edit(SENTENCE, "do_lower_case", value=False)]
            apply(directory, as_class)
            for override, edits in overrides(AutoTokenizer.from_pretrained(directory)).items():
                if name in ALIASES and override not in ("plain", "class Fast", "do_lower_case False", "add_prefix_space True"):
                    continue
                yield base, name, override, as_class + edits
        for name in OTHERS:
            yield base, name, "plain", settings("tokenizer_class", name)


def trainer(program: str, jobs: list) -> list:
    lines = "".join(json.dumps(job) + "\n" for job in jobs)
    out = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    # By line feeds only: the texts of errors may hold other separators.
    return [json.loads(line) for line in out.stdout.split("\n") if line]


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    program = sys.argv[1] if len(sys.argv) > 1 else None
    scratch = Path(tempfile.mkdtemp())
    found, disagree = [], 0
    for number, (base, name, override, edits) in enumerate(cases(scratch)):
        directory = scratch / str(number)
        shutil.copytree(FIXTURES / base, directory)
        apply(directory, edits)
        theirs = tried(by_sentence_transformers, directory)
        auto = [tried(by_transformers, directory, length) for length in LENGTHS]
        if isinstance(auto[0], str):
            theirs = auto[0]
        elif not any(change["file"] == SENTENCE for change in edits) and base != "camembert-max" and theirs != auto:
            disagree += 1
            print(f"AutoTokenizer and SentenceTransformer disagree: {base} {name} {override}")
        found.append((base, name, override, edits, directory, theirs))
    print(f"{len(found)} directories, {len(TEXTS)} texts at {len(LENGTHS)} lengths; {disagree} on which the references disagree")
    fixture(found)
    if program is None:
        return
    jobs = [
        {"directory": str(directory), "max_length": length, "texts": TEXTS}
        for *_, directory, _ in found
        for length in LENGTHS
    ]
    ours = trainer(program, jobs)
    counts = {"equal": 0, "refused": 0, "not loaded by Transformers either": 0, "different": 0}
    for number, (base, name, override, _, _, theirs) in enumerate(found):
        mine = ours[len(LENGTHS) * number : len(LENGTHS) * (number + 1)]
        if isinstance(theirs, str):
            kind = "not loaded by Transformers either"
            if not isinstance(mine[0], str):
                print(f"not loaded by Transformers only: {base} {name} {override}: {theirs}")
        elif isinstance(mine[0], str):
            kind = "refused"
            print(f"refused: {base} {name} {override}: {mine[0].split('/')[-1]}")
        elif mine == theirs:
            kind = "equal"
        else:
            kind = "different"
            at = [(a, b, text) for m, t in zip(mine, theirs) for a, b, text in zip(m, t, TEXTS) if a != b]
            print(f"DIFFERENT: {base} {name} {override}: {len(at)} texts, {at[0]}")
        counts[kind] += 1
    print(counts)
    shutil.rmtree(scratch)
    if counts["different"]:
        sys.exit(1)


# What the fixture has of `BASES`: each class once.
KEPT = [
    ("bert-mean", "BertTokenizer"),
    ("bert-mean", "TokenizersBackend"),
    ("mpnet", "MPNetTokenizer"),
    ("roberta", "RobertaTokenizer"),
    ("xlm-roberta", "XLMRobertaTokenizer"),
    ("xlm-roberta", "CamembertTokenizer"),
]


def fixture(found: list) -> None:
    """Writes the cases of each class that have tokens of their own: those texts of them that the first case has otherwise."""
    kept, seen, firsts = [], set(), {}
    for base, name, override, edits, _, theirs in found:
        # A text without any token has no embedding: the trainer refuses it.
        if isinstance(theirs, str) or (base, name) not in KEPT or not all(theirs[-1]):
            continue
        ids = theirs[-1]
        first = firsts.setdefault((base, name), ids)
        differ = {str(place): text for place, text in enumerate(ids) if first is ids or text != first[place]}
        signature = (base, name, json.dumps(ids))
        if signature in seen and override != "old files":
            continue
        seen.add(signature)
        kept.append({"base": base, "override": override, "edits": edits, "ids": differ})
    lines = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in kept)
    texts = json.dumps(TEXTS, ensure_ascii=False)
    text = f'{{\n "max_length": {LENGTHS[-1]},\n "texts": {texts},\n "cases": [\n{lines}\n ]\n}}\n'
    (FIXTURES / "tokens.json").write_text(text, encoding="utf-8")
    print(f"tokens.json: {len(kept)} cases, {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()

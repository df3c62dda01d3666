#!/usr/bin/env python3
"""Measures which validation loss foretells how good a model of triplets is: `make bench-validation`.

    python3 benches/validation_losses.py --trainer PATH [--configurations 30] [--python PATH]

Trains all-MiniLM-L6-v2 with random configurations for four epochs each, on a reverse dictionary (WordNet, what `make demo` has) and
on LibreOffice's help (tools/help_pairs.py) in turns, one process with one thread. After epochs 1, 2 and 4 it computes many
losses on the validation data, and ranking metrics on the test data. The tables (benches/validation_losses_table.py) have the rank
correlation of each loss with each metric over the configurations.

Embeddings are kept in `.cache/bench/validation-losses`, so that a run that was ended goes on where it was, and `--configurations 0`
shows the tables of what is there. `nice -n 15` leaves the machine to others.
"""
import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import help_pairs  # noqa: E402, F401
import setup  # noqa: E402
from environment import python_of  # noqa: E402

CACHE = ROOT / ".cache"
RESULTS = CACHE / "bench/validation-losses"
PINS = ROOT / "benches/validation-losses-requirements.txt"
EPOCHS = [0, 1, 2, 4]
# Directory of the data in the cache; rows that are trained with in an epoch; tokens per text.
DATA = {"wordnet": ("data/wordnet", 320, 64), "help": ("data/libreoffice-help", 240, 48)}


def configuration(number):
    """The parameters of a configuration: what people search for triplets, from too little to too much."""
    draw = random.Random(f"configuration {number}")

    def log_uniform(low, high):
        return math.exp(draw.uniform(math.log(low), math.log(high)))

    common = {
        "learning_rate": log_uniform(1e-5, 3e-4),
        "batch_size": draw.choice([8, 16, 32]),
        "dropout": draw.uniform(0, 0.3),
        "weight_decay": log_uniform(1e-4, 1e-1),
        "schedule": draw.choice(["constant", "linear"]),
    }
    # Every third one.
    if number % 3 == 2:
        return common | {"loss": "multiple_negatives", "temperature": log_uniform(0.01, 0.2)}
    margin, batch_negatives = draw.uniform(0.1, 1.0), draw.choice([0.0, 1.0, 3.0])
    return common | {"loss": "triplet", "margin": margin, "batch_negatives": batch_negatives}


def train(options, name, number):
    """Trains a configuration on some data, unless that has been done. Its results appear all at once."""
    directory, rows, max_length = DATA[name]
    target = RESULTS / name / f"{number:03}"
    if target.exists():
        return
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    lines = (CACHE / directory / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (unfinished / "train.jsonl").write_text("".join(lines[:rows]), encoding="utf-8")
    settings = {
        "model": str(CACHE / "model/all-MiniLM-L6-v2"),
        "train": str(unfinished / "train.jsonl"),
        "validation": str(CACHE / directory / "validation.jsonl"),
        "test": str(CACHE / directory / "test.jsonl"),
        "max_length": max_length,
    }
    start = {"protocol": 1, "study": name, "threads": 1, "settings": settings, "cache": str(RESULTS / "tokens")}
    task = {
        "start": start,
        "parameters": configuration(number),
        "seed": number,
        # The untrained model is the same for all.
        "epochs": EPOCHS if number == 0 else EPOCHS[1:],
        "output": str(unfinished),
    }
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [options.trainer], input=json.dumps(task), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    if done.returncode != 0:
        sys.exit(f"configuration {number} on {name} failed:\n{done.stderr[-2000:]}")
    (unfinished / "reports.jsonl").write_text(done.stdout)
    (unfinished / "parameters.json").write_text(json.dumps(task["parameters"]))
    (unfinished / "train.jsonl").unlink()
    unfinished.rename(target)
    last = json.loads(done.stdout.splitlines()[-1])
    ndcg = last["test"]["metrics"]["ndcg@10"] if "test" in last else math.nan
    print(f"configuration {number} on {name}: nDCG@10 {ndcg:.4f} on the test data", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainer", required=True, type=Path, help="the built example `embeddings_by_epoch`")
    parser.add_argument("--configurations", type=int, default=30, help="on each of the data [default: %(default)s]")
    parser.add_argument("--python", type=Path, help="a Python that has numpy")
    options = parser.parse_args()
    try:
        setup.provide_all(["model", "data", "help"], CACHE)
        python = options.python or python_of(CACHE / "bench/validation-losses-environment", PINS)
        for number in range(options.configurations):
            for name in DATA:
                train(options, name, number)
    except (setup.SetupError, OSError) as error:
        sys.exit(f"cannot measure: {error}")
    sys.exit(subprocess.run([python, ROOT / "benches/validation_losses_table.py", RESULTS]).returncode)


if __name__ == "__main__":
    main()

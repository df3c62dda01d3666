#!/usr/bin/env python3
"""Compares what hpo and other tools find with equal epochs on surfaces that nobody has tuned them on: part of `make bench-quality`.

    python3 benches/quality_surfaces.py --hpo PATH [--surfaces 0:208:2] [--only TEXT …] [--results FILE] [--python PATH]

Each tool searches each surface of benches/surfaces.py once, one trial at a time, until all its trials together have been trained for 2000
epochs, with rungs at 1, 3, 9 and 27 epochs. Even seeds are for development; odd ones (1:209:2) are looked at for the published figures only.

The regret is how much higher the loss of the best trial's configuration is after the last epoch, without noise, than the lowest possible,
as a share of that of a configuration in the middle of the space's; below a thousandth it counts as a thousandth. Its geometric mean is
printed by class, with 90 % intervals from resampling the surfaces, and on how many of them each tool is within a factor of the best. How
many seconds of processor time a search has taken, all included, is printed too.

Results are kept in a file of JSON lines, so that it can be stopped and goes on where it was, and what is in it is not measured again as
long as the surfaces and the tool are the same. The other tools are installed once into environments in `.cache` (benches/peers/__init__.py),
unless --python names a Python that has those to be measured.
"""
import argparse
import hashlib
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import setup  # noqa: E402
from environment import add_pytorch, python_of  # noqa: E402
from peers import ENVIRONMENTS, Task, imports_pytorch, module_of, requirements_of, tuner_of  # noqa: E402
from quality import ONE_THREAD  # noqa: E402
from quality_peers import at, quietly, run  # noqa: E402
from surfaces import CLASSES, END, Surface, class_of  # noqa: E402

BENCHES = ROOT / "benches"
RESULTS = ROOT / ".cache/bench/surfaces.jsonl"

BUDGETS = (125, 250, 500, 1000, 2000)
LEAST = 1e-3
# Name; policy and sampler as a study's file has them.
OURS = (("hpo by default", "", ""), ("hpo, tpe", "", 'type = "tpe"'))
# Name, tool, policy, sampler.
PEERS = (
    ("Optuna, SHA, TPE", "optuna", "sha", "tpe"),
    ("Optuna, Hyperband, TPE", "optuna", "hyperband", "tpe"),
    ("Optuna, no pruning, TPE", "optuna", "none", "tpe"),
    ("Optuna, no pruning, GP", "optuna", "none", "gp"),
    ("Optuna, SHA, random", "optuna", "sha", "random"),
    ("Rustuna, no pruning, TPE", "rustuna", "none", "tpe"),
    ("Syne Tune, ASHA, random", "syne-tune", "asha", "random"),
    ("Syne Tune, BOHB", "syne-tune", "asha", "kde"),
    ("Syne Tune, ASHA, CQR", "syne-tune", "asha", "cqr"),
    ("Syne Tune, no pruning, CQR", "syne-tune", "none", "cqr"),
    ("SMAC, Hyperband", "smac", "hyperband", "forest"),
    ("NePS, Hyperband, random", "neps", "hyperband", "random"),
    ("NePS, PriorBand", "neps", "hyperband", "incumbent"),
    ("NePS, no pruning, GP", "neps", "none", "gp"),
    ("HEBO, no pruning", "hebo", "none", "gp"),
)


class Searched:
    """A surface as quality_peers.run sees it."""

    end = END

    def __init__(self, seed):
        self.surface = Surface(seed)
        self.space = {name: (parameter.kind, *parameter.how) for name, parameter in self.surface.parameters.items()}
        self.conditions = {name: parameter.when for name, parameter in self.surface.parameters.items() if parameter.when}

    def curve(self, values, seed, trial):
        losses, seconds, regret = self.surface.curve(self.surface.only_active(values), f"{seed} {trial}")
        return lambda t: losses[t - 1], regret, seconds


def digest(*parts):
    return hashlib.sha256(b"\n".join(part.read_bytes() if isinstance(part, Path) else part.encode() for part in parts)).hexdigest()[:16]


def timed(command, environment):
    """What a command prints, and the seconds of processor time that it and all that it starts have taken."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed, usage.ru_utime + usage.ru_stime


def ours(hpo, surface, policy, sampler, budget):
    """The best trial whenever it changes: epochs, virtual seconds, regret; and the seconds that the search took."""
    study = (
        f"[study]\ntrials = {budget}\nseed = 0\n[policy]\nmax_resource = {END}\n{policy}\n"
        + (f"[sampler]\n{sampler}\n" if sampler else "")
        + f'[trial]\ncommand = ["none"]\n[space]\n{Surface(surface).space()}'
    )
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "study.toml")
        file.write_text(study)
        evaluator = f"{sys.executable} {BENCHES / 'surfaces.py'} {surface}"
        command = [hpo, "simulate", file, "--json", "--slots", "1", "--spread", "0", "--budgets", str(budget), "--evaluator", evaluator]
        printed, seconds = timed(command, os.environ)
    return [(one["epochs"], one["seconds"], one["regret"]) for one in json.loads(printed)[0]["moments"]], seconds


def theirs(python, surface, tool, policy, sampler, budget):
    """The same, in a process of the tool's own environment."""
    asked = json.dumps({"tool": tool, "policy": policy, "sampler": sampler, "surface": surface, "budget": budget})
    # NePS draws from choices in the order of a set.
    environment = {**ONE_THREAD, "PYTHONHASHSEED": "0"}
    printed, seconds = timed([python, __file__, "--hpo", "none", "--search", asked], environment)
    return json.loads(printed.splitlines()[-1]), seconds


def environment_of(tool, sampler):
    """The Python of the environment that a tool needs."""
    python = python_of(ROOT / f".cache/bench/{ENVIRONMENTS[tool]}-environment", requirements_of(tool))
    if imports_pytorch(tool, sampler):
        add_pytorch(python)
    return python


def version_of(tool, surface_digest):
    return digest(requirements_of(tool), BENCHES / "peers/__init__.py", module_of(tool), BENCHES / "quality_peers.py", surface_digest)


def search(asked):
    """What that process does."""
    quietly()
    objective = Searched(asked["surface"])
    seed, budget = asked["surface"], asked["budget"]
    task = Task(objective.space, objective.conditions, END, asked["policy"], asked["sampler"], seed, budget)
    print(json.dumps(run(tuner_of(asked["tool"], task), objective, seed, budget)))


class Results:
    """What has been measured, in a file."""

    def __init__(self, path):
        self.path, self.known = path, {}
        if path.exists():
            for line in path.read_text().splitlines():
                one = json.loads(line)
                self.known[one["tool"], one["version"], one["surface"], one["budget"]] = one["moments"], one.get("processor_seconds")

    def add(self, tool, version, surface, budget, moments, seconds):
        self.known[tool, version, surface, budget] = moments, seconds
        with self.path.open("a") as file:
            one = {"tool": tool, "version": version, "surface": surface, "budget": budget, "moments": moments, "processor_seconds": seconds}
            file.write(json.dumps(one) + "\n")


def height(moments, surface, budget):
    """The logarithm of the normalised regret."""
    return math.log(max(LEAST, at(moments, budget) / surface.usual))


def interval(numbers):
    """The mean, and a 90 % interval of it by resampling."""
    rng = random.Random(1)
    means = sorted(statistics.fmean(rng.choices(numbers, k=len(numbers))) for _ in range(1000))
    return statistics.fmean(numbers), means[50], means[949]


def number(x):
    return f"{x:.4f}".removeprefix("0")


def report(found, seeds, budgets):
    """Prints tables of `found`: by tool, what was found on each surface."""
    heights = {
        tool: {seed: [height(searches[seed][0], surface, budget) for budget in budgets] for seed, surface in seeds.items()}
        for tool, searches in found.items()
    }
    for kind in ("all", *CLASSES):
        those = [seed for seed in seeds if kind in ("all", class_of(seed))]
        if not those:
            continue
        print(f"\n{kind}: normalised regret, geometric mean (90 % interval) of {len(those)} surfaces")
        print(" " * 28 + "".join(f"{f'{budget} epochs':>24}" for budget in budgets))
        for tool, own in heights.items():
            means = [[math.exp(x) for x in interval([own[seed][place] for seed in those])] for place in range(len(budgets))]
            print(f"{tool:28}" + "".join(f"{f'{number(mean)} ({number(low)} to {number(high)})':>24}" for mean, low, high in means))
    print("\nseconds of processor time of a search: median, longest")
    for tool, searches in found.items():
        # Older results don't say it.
        seconds = [seconds for _, seconds in searches.values() if seconds is not None]
        if seconds:
            print(f"{tool:28}{statistics.median(seconds):10.1f}{max(seconds):10.1f}")
    if len(heights) < 2:
        return
    print("\nshare of the surfaces within 1.5, 2 and 4 times the best of all")
    print(" " * 28 + "".join(f"{f'{budget} epochs':>24}" for budget in budgets))
    for tool, own in heights.items():
        cells = []
        for place in range(len(budgets)):
            behind = [own[seed][place] - min(other[seed][place] for other in heights.values()) for seed in seeds]
            shares = [sum(one <= math.log(factor) + 1e-9 for one in behind) / len(behind) for factor in (1.5, 2, 4)]
            cells.append(" ".join(f"{100 * share:3.0f} %" for share in shares))
        print(f"{tool:28}" + "".join(f"{cell:>24}" for cell in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hpo", required=True, type=Path, help="the built hpo")
    parser.add_argument("--surfaces", default="0:208:2", metavar="FIRST:END:STEP", help="their seeds")
    parser.add_argument("--budget", type=int, default=BUDGETS[-1], help="epochs of all trials together")
    parser.add_argument("--only", nargs="*", default=[""], metavar="TEXT", help="only those whose name has one of these, such as hpo")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what has been measured, as JSON lines")
    parser.add_argument("--python", type=Path, help="a Python that has the other tools installed")
    parser.add_argument("--jobs", type=int, default=2, help="how many searches run at once")
    parser.add_argument("--search", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        return search(options.search)
    seeds = list(range(*map(int, options.surfaces.split(":"))))
    those = [one for one in (*OURS, *PEERS) if any(some in one[0] for some in options.only)]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    results = Results(options.results)
    surface_digest = digest(BENCHES / "surfaces.py")
    own, pythons = digest(options.hpo, surface_digest), {}
    try:
        for name, tool, _, sampler in (one for one in those if one in PEERS):
            pythons[name] = options.python or environment_of(tool, sampler)
    except (setup.SetupError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"cannot prepare the benchmark: {error}")
    failed = []

    def measure(one, seed):
        name, *how = one
        if one in OURS:
            version, made = own, lambda: ours(options.hpo, seed, *how, options.budget)
        else:
            version, made = version_of(how[0], surface_digest), lambda: theirs(pythons[name], seed, *how, options.budget)
        if (name, version, seed, options.budget) not in results.known:
            try:
                results.add(name, version, seed, options.budget, *made())
            except subprocess.CalledProcessError as error:
                # The others have taken hours, or will.
                failed.append(f"{name} on surface {seed}: exit status {error.returncode}")
                return None
        return results.known[name, version, seed, options.budget]

    found = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for one in those:
            searches = dict(zip(seeds, pool.map(lambda seed, one=one: measure(one, seed), seeds)))
            if None not in searches.values():
                found[one[0]] = searches
            print(f"measured: {one[0]}", flush=True)
    report(found, {seed: Surface(seed) for seed in seeds}, [budget for budget in BUDGETS if budget <= options.budget])
    if failed:
        sys.exit("\n".join(["without a result:", *failed]))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Measures what a trial costs beside its process, of a script that prints one number: `make bench-script`.

    python3 benches/script.py --hpo PATH [--rounds 3] [--trials 200] [--python PATH] [--only hpo]

One trial runs at a time. Each tool runs two studies, of few and of many trials: the difference is what the trials take, without the
start of the tool. The tools take turns within a round. The peers are installed once into an environment of their own in
`.cache`, unless --python names one that has them.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "benches/script-requirements.txt"
PEERS = ROOT / "benches/script_peers.py"
BENCH = ROOT / ".cache/bench/script"
SCRIPT = 'echo "loss=0.$1"\n'
STUDY = """[study]
trials = {trials}
[policy]
type = "none"
max_resource = 1
[sampler]
type = "random"
[slots]
devices = "cpu"
trials_per_device = 1
threads_per_trial = 1
[trial]
command = ["sh", "script.sh", "{{x}}"]
metrics = {{ loss = 'loss=([0-9.]+)' }}
[space]
x = {{ type = "integer", low = 1, high = 1000000 }}
"""


def bare(place, trials, options):
    """The processes alone, one after the other, and what they print."""
    script = str(place / "script.sh")
    for trial in range(trials):
        ours, theirs = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, theirs, 1), (os.POSIX_SPAWN_CLOSE, ours)]
        process = os.posix_spawnp("sh", ["sh", script, str(trial)], os.environ, file_actions=actions)
        os.close(theirs)
        while os.read(ours, 4096):
            pass
        os.close(ours)
        os.waitpid(process, 0)


def hpo(place, trials, options):
    file = place / "study.toml"
    file.write_text(STUDY.format(trials=trials))
    command = [options.hpo, "search", file, "--studies", place / f"studies-{time.monotonic_ns()}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def peer(name):
    def run(place, trials, options):
        command = [options.python, PEERS, name, place, str(trials)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


# Name, how it runs, and by how much fewer trials it has than others: those of Ray take seconds.
TOOLS = (
    ("the processes alone", bare, 1),
    ("hpo", hpo, 1),
    ("Optuna, in memory", peer("optuna-memory"), 1),
    ("Optuna, journal file", peer("optuna-journal"), 1),
    ("Optuna, SQLite", peer("optuna-sqlite"), 4),
    ("Ray Tune", peer("ray"), 10),
)


def make_environment():
    python = BENCH / "bin/python"
    if not python.exists():
        venv.create(BENCH, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", PINS], check=True)
    return python


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hpo", required=True, type=Path, help="the built hpo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--python", type=Path, help="a Python that has the peers installed")
    parser.add_argument("--only", nargs="*", default=[""], metavar="TEXT", help="only those whose name has one of these, such as hpo")
    options = parser.parse_args()
    options.hpo = options.hpo.resolve()
    tools = [tool for tool in TOOLS if tool[1] is bare or any(some in tool[0] for some in options.only)]
    if options.python is None and any(run not in (bare, hpo) for _, run, _ in tools):
        options.python = make_environment()
    times = {name: [] for name, *_ in tools}
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "script.sh").write_text(SCRIPT)
        for _ in range(options.rounds):
            for name, run, fewer in tools:
                took = []
                few, many = options.trials // fewer // 4, options.trials // fewer
                for trials in (few, many):
                    began = time.monotonic()
                    run(place, trials, options)
                    took.append(time.monotonic() - began)
                times[name].append((took[1] - took[0]) / (many - few) * 1000)
    floor = statistics.median(times[TOOLS[0][0]])
    print(f"{'one slot, a shell script that prints one number':50}{'ms a trial':>12}{'beside its process':>20}")
    for name, each in times.items():
        median = statistics.median(each)
        beside = "" if name == TOOLS[0][0] else f"{median - floor:.1f}"
        print(f"{name:50}{median:>12.1f}{beside:>20}")


if __name__ == "__main__":
    sys.exit(main())

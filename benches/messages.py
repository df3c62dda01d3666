#!/usr/bin/env python3
"""Measures how many reports of workers one scheduler takes: `make bench-messages`.

    python3 benches/messages.py --hpo PATH [--rounds 3] [--trials 64] [--workers 1 8 64 256]

Workers that train nothing report as fast as they can, so that all of them wait for the one `hpo`, which reads, checks and decides about each
report and writes it to the journal, as always. Three kinds: scripts here, whose reports have no checkpoints but the last; the same
behind a launch command, each with an agent; and trainers of the worker protocol, each of whose reports has a checkpoint of 100 bytes, which
is made durable and digested. A trial has 500 reports, or 50. The time is that from the first report in the journal to the last. The workers run on the same
cores: what `hpo` itself would take with a core of its own is the number of reports by its own processor time.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPORT = r'"loss":0.5,"metrics":{"accuracy":0.25,"train_loss":0.75,"mrr@10":0.5}}\n'
SCRIPT = f"""
import os, sys
begin, end = int(os.environ["HPO_FROM"]), int(os.environ["HPO_RESOURCE"])
for at in range(begin, end, 100):
    sys.stdout.write('{{"type":"report",{REPORT}' * min(100, end - at))
"""
TRAINER = f"""
import json, sys
for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        print('{{"type":"ready","protocol":1,"trainer":"none"}}', flush=True)
    elif order["type"] == "run":
        about = f'"trial":{{order["trial"]}},"attempt":{{order["attempt"]}}'
        for at in range(order["from"] + 1, order["to"] + 1):
            path = f'{{order["checkpoints"]}}/a{{order["attempt"]}}-{{at}}'
            with open(path, "w") as file:
                file.write("x" * 100)
            print('{{"type":"report",' + about + f',"resource":{{at}},"checkpoint":"{{path}}",' + '{REPORT}', end="", flush=True)
        print('{{"type":"done",' + about + "}}", flush=True)
"""
STUDY = """[study]
trials = {trials}
[policy]
type = "none"
resource = "steps"
max_resource = {reports}
report_every = 1
[sampler]
type = "random"
[[slots]]
{launch}devices = "cpu"
trials_per_device = {workers}
threads_per_trial = 1
[trial]
command = ["python3", "worker.py"]
{script}[space]
x = {{ type = "uniform", low = 0.0, high = 1.0 }}
"""
# Name, the worker, whether it is a script, whether it is behind an agent, and the reports of a trial.
KINDS = (
    ("scripts", SCRIPT, True, False, 500),
    ("scripts elsewhere", SCRIPT, True, True, 500),
    ("trainers", TRAINER, False, False, 50),
)


def own_seconds(pid):
    """The processor time of a process without that of those that it has started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def search(hpo, place, kind, workers, trials):
    """The number of reports, the seconds from the first to the last, and the processor time of hpo."""
    _, worker, is_script, is_remote, reports = kind
    launch = f'launch = ["env"]\nhpo = "{hpo}"\n' if is_remote else ""
    name = f"s-{time.monotonic_ns()}"
    (place / "worker.py").write_text(worker)
    script = "script = true\n" if is_script else ""
    (place / f"{name}.toml").write_text(STUDY.format(trials=trials, workers=workers, reports=reports, launch=launch, script=script))
    with open(place / f"{name}.log", "w") as log:
        running = subprocess.Popen([hpo, "search", f"{name}.toml"], cwd=place, stdout=log, stderr=log)
    own = 0.0
    while running.poll() is None:
        own = max(own, own_seconds(running.pid))
        time.sleep(0.05)
    if running.returncode:
        sys.exit(f"the search has failed:\n{(place / f'{name}.log').read_text()[-2000:]}")
    lines = (place / "studies" / name / "journal.jsonl").read_text().splitlines()
    times = [int(line.split('"at":', 1)[1].split(",", 1)[0]) for line in lines if '"fact":{"type":"reported"' in line]
    assert len(times) == trials * reports, (len(times), trials, reports)
    return len(times), (times[-1] - times[0]) / 1000, own


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hpo", required=True, type=Path, help="the built hpo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=64, help="at least, and one for each worker")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64, 256])
    options = parser.parse_args()
    hpo = options.hpo.resolve()
    taken = {(kind, workers): [] for kind in KINDS for workers in options.workers}
    for _ in range(options.rounds):
        for (kind, workers), each in taken.items():
            with tempfile.TemporaryDirectory() as place:
                reports, seconds, own = search(hpo, Path(place), kind, workers, max(workers, options.trials))
            each.append((reports / seconds, own / reports * 1e6))
    print(f"{'':20}{'workers':>8}{'reports/s':>12}{'µs of hpo each':>17}{'with a core of its own':>25}")
    for ((name, *_), workers), each in taken.items():
        rate, cost = (statistics.median(values) for values in zip(*each))
        print(f"{name:20}{workers:>8}{rate:>12,.0f}{cost:>17.0f}{1e6 / cost:>25,.0f}")


if __name__ == "__main__":
    main()

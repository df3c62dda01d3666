#!/usr/bin/env python3
"""Writes large studies, looks at them with `hpo status` and opens them as `hpo resume` does, and prints the time and the
peak memory of each: `make bench-store`."""
import argparse, os, subprocess, tempfile, time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--hpo", required=True)
parser.add_argument("--generate", required=True)
parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000, 100_000])
parser.add_argument("--reports", type=int, default=10)
arguments = parser.parse_args()


def measure(*command):
    """Seconds, seconds of CPU time and MB at the peak of a command that must succeed."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


with tempfile.TemporaryDirectory() as place:
    print(f"{'trials':>8} {'journal':>9}  {'command':30} {'seconds':>8} {'CPU':>8} {'peak':>8}")
    for trials in arguments.trials:
        study = os.path.join(place, str(trials))
        measure(arguments.generate, study, str(trials), str(arguments.reports))
        size = os.path.getsize(os.path.join(study, "journal.jsonl")) / 1e6
        steps = [
            ("hpo status", ["status", study]),
            ("hpo fsck --repair, no database", ["fsck", study, "--repair"]),
            ("hpo fsck --repair, all whole", ["fsck", study, "--repair"]),
        ]
        for what, command in steps:
            seconds, cpu, peak = min(measure(arguments.hpo, *command) for _ in range(3 if command[0] == "status" else 1))
            print(f"{trials:8} {size:6.0f} MB  {what:30} {seconds:8.2f} {cpu:8.2f} {peak:5.0f} MB", flush=True)

#!/usr/bin/env python3
"""Writes large studies, inspects, checks and resumes them, and prints the time and the peak memory of each:
`make bench-store`. CPU time and memory are those of the whole command; `hpo resume` trains while it compares the second copy of the
journal. Every query is measured twice: before there is a database, so that the journal answers it, and after."""
import argparse, os, subprocess, tempfile, time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--hpo", required=True)
parser.add_argument("--generate", required=True)
parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000, 100_000])
parser.add_argument("--reports", type=int, default=10)
arguments = parser.parse_args()


def measure(*command, until=None):
    """Seconds, seconds of CPU time and MB at the peak of a command that must succeed; seconds are counted only until a line of its
    standard error contains that text."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = None
    for line in child.stderr:
        if until and until in line:
            seconds = time.perf_counter() - began
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0 and bool(seconds) == bool(until), command
    seconds = seconds or time.perf_counter() - began
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


with tempfile.TemporaryDirectory() as place:
    print(f"{'trials':>8} {'journal':>9}  {'command':43} {'seconds':>8} {'CPU':>8} {'peak':>8}")
    for trials in arguments.trials:
        study = os.path.join(place, str(trials))
        measure(arguments.generate, study, str(trials), str(arguments.reports))
        size = os.path.getsize(os.path.join(study, "journal.jsonl")) / 1e6
        questions = [
            ("status", ["status", study]),
            ("trials --sort loss --limit 20", ["trials", study, "--sort", "loss", "--limit", "20"]),
            ("trials --where 'dropout<1e-5'", ["trials", study, "--where", "dropout<1e-5"]),
            ("show 5", ["show", "5", study]),
            ("export", ["export", study]),
        ]
        ask = lambda source: [(f"hpo {what}, {source}", 3, command, None) for what, command in questions]
        steps = [
            *ask("journal"),
            ("hpo fsck --repair, no database", 1, ["fsck", study, "--repair"], None),
            ("hpo fsck --repair, all whole", 1, ["fsck", study, "--repair"], None),
            *ask("database"),
            ("hpo resume, until it resumes", 1, ["resume", study], " resumes in "),
        ]
        for what, times, command, until in steps:
            seconds, cpu, peak = min(measure(arguments.hpo, *command, until=until) for _ in range(times))
            print(f"{trials:8} {size:6.0f} MB  {what:43} {seconds:8.2f} {cpu:8.2f} {peak:5.0f} MB", flush=True)

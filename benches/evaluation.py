#!/usr/bin/env python3
"""Measures the untrained model on a made-up corpus, and prints the time and the peak memory of the worker: `make bench-evaluation`.
The difference to the first line, of a corpus of 1000 documents, is what the documents take. CPU time says more than time on a machine that
has other work."""
import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

WORDS = ("one trial paused model loss rung worker slot journal checkpoint epoch batch learning rate seed text vector query answer "
         "corpus document index search fast slow large small memory cache disk file line error fix user").split()

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--worker", required=True)
parser.add_argument("--model", default=".cache/model/all-MiniLM-L6-v2")
parser.add_argument("--documents", type=int, nargs="+", default=[1_000, 100_000])
parser.add_argument("--queries", type=int, default=1_000)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--max-length", type=int, default=128)
arguments = parser.parse_args()


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def peak(worker):
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def cpu(worker):
    """Seconds of CPU time so far."""
    fields = Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    print(f"{'documents':>9} {'ready, s':>9} {'again, s':>9} {'measured, s':>11} {'of CPU, s':>9} {'peak, MiB':>9}")
    for documents in arguments.documents:
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            draw = random.Random(1)
            text = lambda words: " ".join(draw.choices(WORDS, k=words))
            rows = [{"anchor": f"{text(3)} {row}", "positive": f"{text(5)} {row}"} for row in range(200)]
            write(place / "train.jsonl", rows)
            write(place / "corpus.jsonl", ({"_id": f"d{row}", "text": f"{text(20)} {row}"} for row in range(documents)))
            queries = min(arguments.queries, documents)
            write(place / "queries.jsonl", ({"_id": f"q{row}", "text": f"{text(6)} {row}"} for row in range(queries)))
            qrels = "".join(f"q{row}\td{row}\t1\n" for row in range(queries))
            (place / "qrels.tsv").write_text(qrels)
            table = {"type": "retrieval"} | {
                key: str(place / file)
                for key, file in [("corpus", "corpus.jsonl"), ("queries", "queries.jsonl"), ("qrels", "qrels.tsv")]
            }
            start = {
                "type": "start", "protocol": 1, "study": "bench", "threads": arguments.threads, "cache": str(place / "cache"),
                "settings": {"model": str(Path(arguments.model).resolve()), "train": str(place / "train.jsonl"),
                             "max_length": arguments.max_length, "evaluations": {"docs": table}},
            }
            seconds = []
            # The second worker takes the tokens that the first has kept.
            for _ in range(2):
                worker = subprocess.Popen([arguments.worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL, text=True)
                began = time.perf_counter()

                def answer(line):
                    worker.stdin.write(json.dumps(line) + "\n")
                    worker.stdin.flush()
                    return json.loads(worker.stdout.readline())

                ready = answer(start)
                assert ready["type"] == "ready", ready
                seconds.append(time.perf_counter() - began)
                if len(seconds) == 2:
                    began, before = time.perf_counter(), cpu(worker)
                    evaluated = answer({"type": "evaluate"})
                    assert "docs.ndcg@10" in evaluated["metrics"], evaluated
                    seconds.append(time.perf_counter() - began)
                    used, busy = peak(worker), cpu(worker) - before
                worker.stdin.close()
                worker.wait()
            print(f"{documents:9} {seconds[0]:9.1f} {seconds[1]:9.1f} {seconds[2]:11.1f} {busy:9.1f} {used:9.0f}", flush=True)


if __name__ == "__main__":
    main()

"""Compares an exported directory, loaded by sentence-transformers, with the embeddings of the trainer itself.

    pip install sentence-transformers
    python trials/embedding/tests/check_export.py EXPORTED_DIRECTORY

Prints the largest absolute difference, and fails if it is above 1e-5.
"""

import json
import subprocess
import sys

from sentence_transformers import SentenceTransformer

TEXTS = [
    "A man is eating food.",
    "the stealing of cattle",
    "naïve café, 東京!",
    "a " * 40 + "long one",
]


def main(directory: str) -> None:
    model = SentenceTransformer(directory, device="cpu")
    model.max_seq_length = 128
    theirs = model.encode(TEXTS).tolist()
    command = ["cargo", "run", "--release", "-q", "-p", "hpo-trial-embedding", "--example", "embed", "--", directory]
    output = subprocess.run(command, input="\n".join(TEXTS), capture_output=True, text=True, check=True).stdout
    ours = [json.loads(line) for line in output.splitlines()]
    difference = max(abs(a - b) for left, right in zip(ours, theirs, strict=True) for a, b in zip(left, right, strict=True))
    print(f"largest absolute difference: {difference:.2e}")
    if difference > 1e-5:
        sys.exit("the exported model is not what was trained")


if __name__ == "__main__":
    main(*sys.argv[1:])

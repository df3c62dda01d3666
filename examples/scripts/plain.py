"""Logistic regression by stochastic gradient descent, in Python alone. It goes on from what it has left in --out."""

import argparse
import json
import math
import random
from pathlib import Path


def rows(seed, count):
    """Points of two classes that overlap."""
    draw = random.Random(seed)
    points = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(count)]
    return [(x, y, int(x + 0.5 * y + draw.gauss(0, 0.5) > 0)) for x, y in points]


def probability(weights, x, y):
    score = weights[0] + weights[1] * x + weights[2] * y
    return 1 / (1 + math.exp(-max(-30, min(30, score))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--decay", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()

    training, validation = rows(1, 200), rows(2, 100)
    state = options.out / "model.json"
    weights, done = [0.0, 0.0, 0.0], 0
    if state.exists():
        weights, done = json.loads(state.read_text())
    for epoch in range(done + 1, options.epochs + 1):
        random.Random(options.seed + epoch).shuffle(training)
        for x, y, label in training:
            error = probability(weights, x, y) - label
            gradient = [error, error * x, error * y]
            weights = [w - options.lr * (g + options.decay * w) for w, g in zip(weights, gradient)]
        right = [probability(weights, x, y) if label else 1 - probability(weights, x, y) for x, y, label in validation]
        loss = -sum(math.log(max(p, 1e-12)) for p in right) / len(right)
        accuracy = sum(p > 0.5 for p in right) / len(right)
        options.out.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps([weights, epoch]))
        print(f"epoch {epoch}: val_loss={loss:.5f} acc={accuracy:.3f}")


main()

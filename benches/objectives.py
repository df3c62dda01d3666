"""What benches/quality.py searches: spaces, and the learning curves of `hpo simulate` for tools in Python.

A space names for each parameter ("uniform" or "log_uniform", low, high), or ("choice", values). Values that are all numbers are
ordered; each tool is configured accordingly.
"""
import json
import math
import random
import statistics
import struct

MASK = (1 << 64) - 1
OPTIMA = {"curve": 0.2095635877, "hartmann3": -3.862779786, "hartmann6": -3.322368011}
HEIGHTS = (1.0, 1.2, 3.0, 3.2)
HARTMANN = {
    "hartmann3": (
        ((3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35)),
        ((0.3689, 0.1170, 0.2673), (0.4699, 0.4387, 0.7470), (0.1091, 0.8732, 0.5547), (0.0381, 0.5743, 0.8828)),
    ),
    "hartmann6": (
        ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14)),
        (
            (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
            (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
            (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
            (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
        ),
    ),
}


def cube(dimensions):
    return {f"x{d + 1}": ("uniform", 0.0, 1.0) for d in range(dimensions)}


SPACES = {
    "curve": {
        "learning_rate": ("log_uniform", 1e-6, 1e-3),
        "batch_size": ("choice", [16, 32, 64, 128]),
        "dropout": ("uniform", 0.0, 0.5),
        "weight_decay": ("log_uniform", 1e-6, 1e-1),
        "margin": ("uniform", 0.05, 1.0),
    },
    "hartmann3": cube(3),
    "hartmann6": cube(6),
}


def toml(space):
    """The parameters as a study's file has them."""
    lines = []
    for name, (kind, *how) in space.items():
        rest = f"values = {json.dumps(*how)}" if kind == "choice" else f"low = {how[0]!r}, high = {how[1]!r}"
        lines.append(f'{name} = {{ type = "{kind}", {rest} }}\n')
    return "".join(lines)


def is_ordered(values):
    return all(isinstance(value, (int, float)) for value in values)


class Formula:
    """The same as src/simulate/formula.rs."""

    def __init__(self, name):
        self.name, self.space, self.end = name, SPACES[name], 27

    def curve(self, values, seed, _trial):
        """The losses by epoch, the regret, and the duration of an epoch."""
        numbers = [float(values[name]) for name in self.space]
        noise = 0x68706F2D63757276 if self.name == "curve" else seed
        for number in numbers:
            noise = mix(noise ^ struct.unpack("<Q", struct.pack("<d", number))[0])
        return lambda t: self.loss(numbers, noise, t), self.clean(numbers, self.end) - OPTIMA[self.name], 60.0

    def loss(self, numbers, noise, t):
        scale = 0.002 + 0.008 / math.sqrt(t) if self.name == "curve" else 0.02
        z, total = noise ^ (t * 0xD1342543DE82EF95 & MASK), 0.0
        for _ in range(4):
            z = mix(z)
            total += (z >> 11) / 2.0**53
        return self.clean(numbers, t) + scale * (total - 2) * math.sqrt(3)

    def clean(self, numbers, t):
        return encoder(*numbers, t) if self.name == "curve" else hartmann(*HARTMANN[self.name], numbers, t / self.end)


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def hartmann(scales, centres, numbers, fidelity):
    missing = 0.5 * (1 + math.cos(math.pi * fidelity))
    total = 0.0
    for number, (scale, centre) in enumerate(zip(scales, centres)):
        shift = 0.3 * missing * (1 if number % 2 == 0 else -1)
        distance = sum(s * (x - c) ** 2 for s, c, x in zip(scale, centre, numbers))
        total += (HEIGHTS[number] * (1 - 0.3 * missing) + shift) * math.exp(-distance)
    return -total


def encoder(rate, batch, dropout, decay, margin, t):
    b = math.log2(batch / 32)
    u = math.log10(rate) - 0.15 * b
    x, w = u + 4.4, math.log10(decay)
    floor = 0.20 + 0.060 * x * x + 0.60 * (dropout - 0.18) ** 2 + 0.006 * (w + 2.6) ** 2
    floor += 0.12 * (margin - 0.35 - 0.08 * x) ** 2 - 0.008 * b
    speed = 0.9 * 10 ** (0.7 * x) * (1 - 0.8 * dropout) * 2 ** (-0.25 * b)
    overfit = 0.12 * math.exp(-dropout / 0.10) / (1 + math.sqrt(decay / 1e-3)) * (t / 27) ** 2
    good = floor + (1 - floor) * (1 + speed * t) ** -1.3 + overfit
    gate = 1 / (1 + math.exp(-10 * (u + 3.45 + 0.05 * b)))
    return (1 - gate) * good + gate * (1 + 0.02 * t)


class Table:
    """A table of docs/simulation.md that has a row for every configuration of the space and no run that has diverged."""

    def __init__(self, path, space, end):
        self.space, self.end, self.rows = space, end, {}
        with open(path) as file:
            for line in file:
                row = json.loads(line)
                self.rows.setdefault(self.key(row["parameters"]), []).append(row["losses"])
        self.best = min(self.last(runs) for runs in self.rows.values())

    def key(self, values):
        return tuple(values[name] for name in self.space)

    def last(self, runs):
        return statistics.fmean(losses[self.end - 1] for losses in runs)

    def curve(self, values, seed, trial):
        runs = self.rows[self.key(values)]
        losses = runs[random.Random(f"{seed} {trial}").randrange(len(runs))]
        return lambda t: losses[t - 1], self.last(runs) - self.best, 60.0


def space_of(path):
    """The space of a table that lists every combination: its values in their order."""
    values = {}
    with open(path) as file:
        for line in file:
            for name, value in json.loads(line)["parameters"].items():
                values.setdefault(name, set()).add(value)
    return {name: ("choice", sorted(found)) for name, found in values.items()}

#!/usr/bin/env python3
"""Surfaces to search that nobody has tuned a search on: spaces and learning curves drawn by a seed, for benches/surface_quality.py.

    python3 benches/surfaces.py 17 < REQUESTS     answers `hpo simulate --evaluator` (docs/simulation.md)
    python3 benches/surfaces.py --describe 0:16   prints what surfaces are like: a line for each

What a configuration comes to after the last epoch is a sum of terms of 0 or more, each of which is 0 at the best configuration, so
that the lowest possible loss is known. How fast it comes there, and what happens on the way, are drawn apart.
"""
import argparse
import hashlib
import json
import math
import random
import statistics
import sys

END = 27
# What sets a surface apart; everything else varies within all of them.
CLASSES = ("tame", "crossing", "misleading", "noisy", "many parameters", "conditional", "few configurations", "costly")
SECONDS = 60.0


def class_of(seed):
    """Even and odd seeds have each class equally often."""
    return CLASSES[seed // 2 % len(CLASSES)]


class Parameter:
    """One parameter: its type and range as in objectives.py, and how what it is set to counts."""

    def __init__(self, rng, kind, values=None):
        self.kind, self.values, self.when = kind, values, None
        if kind == "uniform":
            low = rng.choice([0.0, 0.0, -1.0])
            self.how = (low, low + rng.choice([0.5, 1.0, 10.0]))
        elif kind == "log_uniform":
            low = 10.0 ** rng.randint(-7, -1)
            self.how = (low, low * 10.0 ** rng.randint(1, 5))
        elif kind == "integer":
            self.how = (1, rng.choice([4, 8, 20, 100]))
        elif kind == "log_integer":
            self.how = (rng.choice([1, 8]), rng.choice([128, 1024]))
        else:
            self.how = (values,)
        self.best = self.on_grid(rng.uniform(0.12, 0.88))
        self.weight = math.exp(rng.uniform(math.log(0.05), math.log(3.0)))
        # What each value of a choice without an order costs; the best costs nothing.
        self.offsets = []
        if self.is_unordered():
            best = rng.randrange(len(values))
            self.offsets = [0.0 if place == best else rng.uniform(0.05, 0.8) for place in range(len(values))]

    def is_unordered(self):
        return self.kind == "choice" and not all(isinstance(value, (int, float)) for value in self.values)

    def unit(self, value):
        """Where a value lies, 0 to 1, on the parameter's scale."""
        if self.kind == "choice":
            return self.values.index(value) / (len(self.values) - 1)
        low, high = self.how
        if self.kind.startswith("log"):
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def value(self, share):
        """The value at a place from 0 to 1: uniform places draw from the parameter."""
        if self.kind == "choice":
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        low, high = self.how
        whole = self.kind.endswith("integer")
        low, high = (low - 0.5, high + 0.5) if whole else (low, high)
        value = low * (high / low) ** share if self.kind.startswith("log") else low + share * (high - low)
        return max(self.how[0], min(self.how[1], round(value))) if whole else value

    def on_grid(self, share):
        return self.unit(self.value(share))


def log_between(rng, low, high):
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def is_active(parameter, configuration, parameters):
    """Whether a configuration has a parameter."""
    if parameter.when is None:
        return True
    name, values = parameter.when
    return is_active(parameters[name], configuration, parameters) and configuration.get(name) in values


class Surface:
    """A space with a learning curve for each of its configurations."""

    def __init__(self, seed):
        self.seed, self.kind, self.start = seed, class_of(seed), 1.0
        rng = random.Random(f"surface {seed}")
        self.parameters = self.draw_parameters(rng)
        self.numeric = [name for name, parameter in self.parameters.items() if not parameter.offsets]
        self.draw_final(rng)
        self.draw_progress(rng)
        self.noise = log_between(rng, 0.02, 0.05) if self.kind == "noisy" else log_between(rng, 0.002, 0.01)
        self.noise_shrinks = rng.random() < 0.6
        self.costly = None
        if self.kind == "costly":
            # Whether the costly end is that of the better configurations is chance.
            self.costly = (rng.choice(self.numeric), rng.choice([-1, 1]) * log_between(rng, 3.0, 30.0))
        drawn = [self.sample(rng) for _ in range(1000)]
        self.height /= statistics.median(map(self.total, drawn))
        self.usual = statistics.median(map(self.quality, drawn))

    def draw_parameters(self, rng):
        """The parameters by name, in order."""
        kinds = ["uniform", "log_uniform", "log_uniform", "integer", "log_integer"]
        least, most = {"many parameters": (9, 12), "few configurations": (2, 4), "conditional": (5, 8)}.get(self.kind, (2, 8))
        count = rng.randint(least, most)
        parameters = {}
        for number in range(count):
            name = f"p{number + 1}"
            if self.kind == "few configurations" or (number > 0 and rng.random() < 0.3):
                size = rng.randint(2, 5)
                texts = self.kind == "conditional" or rng.random() < 0.5
                values = [f"v{place}" for place in range(size)] if texts else [2**place for place in range(size)]
                parameters[name] = Parameter(rng, "choice", values)
            else:
                parameters[name] = Parameter(rng, rng.choice(kinds))
        if self.kind == "conditional":
            self.add_conditions(rng, parameters)
        return parameters

    @staticmethod
    def add_conditions(rng, parameters):
        """The second parameter becomes a choice on which some of those after it depend."""
        values = [f"method{place}" for place in range(rng.randint(2, 4))]
        names = list(parameters)
        parameters[names[1]] = Parameter(rng, "choice", values)
        for name in names[2:]:
            if rng.random() < 0.75:
                few = rng.sample(values, rng.randint(1, len(values) - 1))
                parameters[name].when = (names[1], sorted(few))

    def draw_final(self, rng):
        """What decides the loss after the last epoch."""
        names = self.numeric
        # The height is that of a configuration in the middle, once that is known.
        self.floor, self.height = rng.uniform(0.1, 0.4), log_between(rng, 0.08, 0.4)
        self.shape = rng.choice(["bowl", "bowl", "sharp", "plateau"])
        # Narrow, curved valleys along which two parameters must move together.
        self.valleys = []
        for _ in range(rng.randint(0, len(names)) if len(names) > 1 else 0):
            one, other = rng.sample(names, 2)
            self.valleys.append((one, other, rng.uniform(-1.5, 1.5), rng.uniform(-1, 1), log_between(rng, 0.3, 4.0)))
        self.ripples = {name: (rng.uniform(0.01, 0.06), rng.uniform(2, 6)) for name in names if rng.random() < 0.25}
        # With another value of a choice, the best value of a number is elsewhere.
        self.shifts = []
        for choice in (name for name in self.parameters if name not in names):
            parameter = self.parameters[choice]
            for name in rng.sample(names, min(len(names), rng.randint(0, 2))):
                by = [0.0 if offset == 0.0 else rng.uniform(-0.3, 0.3) for offset in parameter.offsets]
                self.shifts.append((choice, name, by))

    def draw_progress(self, rng):
        """How losses come to where they end."""
        names = list(self.numeric) or list(self.parameters)
        strength = {"tame": (0.0, 0.4), "crossing": (2.0, 4.0), "misleading": (3.0, 5.0)}.get(self.kind, (0.0, 1.2))
        self.power = rng.uniform(0.6, 1.5)
        strength = rng.uniform(*strength)
        direction = {name: rng.gauss(0, 1) for name in names}
        self.pace = log_between(rng, 0.15, 1.0)
        if self.kind == "misleading":
            # What learns fast at first is not the best in the end: past the best value of the parameter that matters most.
            first = max(self.numeric, key=lambda name: self.parameters[name].weight) if self.numeric else names[0]
            direction = {name: 0.15 * direction[name] for name in names}
            direction[first] = 1.0 if self.parameters[first].best < 0.5 else -1.0
            self.pace = log_between(rng, 0.05, 0.2)
        length = math.sqrt(sum(part * part for part in direction.values())) or 1.0
        self.speeds = {name: strength * part / length for name, part in direction.items()}
        self.overfit = rng.uniform(0.02, 0.12) if rng.random() < 0.35 else 0.0
        self.overfits = rng.choice(names)
        self.diverges = None
        low = [name for name in self.numeric if self.parameters[name].best < 0.9]
        if low and rng.random() < 0.4:
            name = rng.choice(low)
            self.diverges = (name, rng.uniform(max(0.75, self.parameters[name].best + 0.05), 0.97))

    def sample(self, rng):
        """A configuration drawn from the space."""
        drawn = {name: parameter.value(rng.random()) for name, parameter in self.parameters.items()}
        return self.only_active(drawn)

    def only_active(self, drawn):
        return {name: value for name, value in drawn.items() if is_active(self.parameters[name], drawn, self.parameters)}

    def best(self):
        """A configuration that nothing is better than."""
        chosen = {}
        for name, parameter in self.parameters.items():
            if parameter.offsets:
                chosen[name] = parameter.values[parameter.offsets.index(0.0)]
            else:
                places = len(parameter.values) - 1 if parameter.kind == "choice" else None
                chosen[name] = parameter.values[round(parameter.best * places)] if places else self.from_unit(parameter)
        return self.only_active(chosen)

    @staticmethod
    def from_unit(parameter):
        low, high = parameter.how
        share = parameter.best
        value = low * (high / low) ** share if parameter.kind.startswith("log") else low + share * (high - low)
        return round(value) if parameter.kind.endswith("integer") else value

    def offsets_of(self, configuration):
        """How far each number that the configuration has is from where it is best."""
        away = {name: self.parameters[name].unit(configuration[name]) - self.parameters[name].best
                for name in self.numeric if name in configuration}
        for choice, name, by in self.shifts:
            if choice in configuration and name in away:
                away[name] -= by[self.parameters[choice].values.index(configuration[choice])]
        return away

    def total(self, configuration):
        """How far it is from the best in all, in no unit."""
        away = self.offsets_of(configuration)
        total = sum(self.parameters[name].weight * d * d for name, d in away.items())
        for one, other, slope, bend, weight in self.valleys:
            if one in away and other in away:
                total += weight * (away[one] + slope * away[other] + bend * away[other] ** 2) ** 2
        for name, (height, frequency) in self.ripples.items():
            if name in away:
                total += height * (1 - math.cos(2 * math.pi * frequency * away[name])) / 2
        for name, parameter in self.parameters.items():
            if parameter.offsets and name in configuration:
                total += 0.3 * parameter.offsets[parameter.values.index(configuration[name])]
        if self.shape == "sharp":
            return math.sqrt(total + 0.01) - 0.1
        if self.shape == "plateau":
            return 1 - math.exp(-2.5 * total)
        return total

    def quality(self, configuration):
        """How much higher its loss after the last epoch is than the lowest possible: never above that at the start."""
        most = self.start - self.floor
        return most * (1 - math.exp(-self.height * self.total(configuration) / most))

    def curve(self, configuration, seed):
        """The loss after each epoch, the duration of an epoch in seconds, and the regret."""
        places = {name: self.parameters[name].unit(configuration[name]) - 0.5 for name in self.parameters if name in configuration}
        regret = self.quality(configuration)
        final = self.floor + regret
        speed = self.pace * math.exp(sum(self.speeds.get(name, 0.0) * 2 * place for name, place in places.items()))
        rest = (1 + speed * END) ** -self.power
        dip = self.overfit * max(0.0, 2 * places.get(self.overfits, -0.5))
        diverges = self.diverges and self.diverges[0] in places and places[self.diverges[0]] + 0.5 > self.diverges[1]
        digest = hashlib.blake2b(f"{self.seed} {seed} {json.dumps(configuration, sort_keys=True)}".encode(), digest_size=8).digest()
        rng = random.Random(int.from_bytes(digest, "big"))
        losses = []
        for t in range(1, END + 1):
            if diverges:
                loss = self.start * (1 + 0.02 * t)
            else:
                left = ((1 + speed * t) ** -self.power - rest) / (1 - rest)
                loss = final + (self.start - final) * left - dip * 4 * t / END * (1 - t / END)
            losses.append(loss + self.noise * rng.gauss(0, 1) / (math.sqrt(t) if self.noise_shrinks else 1.0))
        if diverges:
            regret = self.start * (1 + 0.02 * END) - self.floor
        seconds = SECONDS
        if self.costly and self.costly[0] in places:
            factor = self.costly[1]
            seconds *= abs(factor) ** (places[self.costly[0]] * math.copysign(1, factor))
        return losses, seconds, regret

    def space(self):
        """The parameters as a study's file has them."""
        lines = []
        for name, parameter in self.parameters.items():
            if parameter.kind == "choice":
                rest = f"values = {json.dumps(parameter.values)}"
            else:
                rest = f"low = {parameter.how[0]!r}, high = {parameter.how[1]!r}"
            when = f", when = {{ {parameter.when[0]} = {json.dumps(parameter.when[1])} }}" if parameter.when else ""
            lines.append(f'{name} = {{ type = "{parameter.kind}", {rest}{when} }}\n')
        return "".join(lines)


def ranks(numbers):
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    places = [0] * len(numbers)
    for rank, place in enumerate(order):
        places[place] = rank
    return places


def describe(seed):
    """Its class, its size, and how well losses after 1, 3 and 9 epochs rank what comes out in the end: all, and the best third."""
    surface, rng = Surface(seed), random.Random(1)
    drawn = []
    for _ in range(600):
        losses, _, regret = surface.curve(surface.sample(rng), rng.random())
        drawn.append((regret, losses))
    drawn.sort(key=lambda one: one[0])

    def agreement(some, t):
        return statistics.correlation(ranks([losses[t - 1] for _, losses in some]), ranks([regret for regret, _ in some]))

    all_of_them = " ".join(f"{agreement(drawn, t):5.2f}" for t in (1, 3, 9))
    third = " ".join(f"{agreement(drawn[:200], t):5.2f}" for t in (1, 3, 9))
    best = surface.curve(surface.best(), 0)[2]
    print(f"{seed:4} {surface.kind:19} {len(surface.parameters):2} parameters  all {all_of_them}  best third {third}  "
          f"usual {surface.usual:.3f}  best of 600 {drawn[0][0] / surface.usual:.3f}  noise {surface.noise:.3f}  {best:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--describe", metavar="FIRST:END")
    options = parser.parse_args()
    if options.describe:
        for seed in range(*map(int, options.describe.split(":"))):
            describe(seed)
        return
    surface = Surface(options.seed)
    for line in sys.stdin:
        asked = json.loads(line)
        losses, seconds, regret = surface.curve(asked["parameters"], asked["seed"])
        print(json.dumps({"losses": losses, "seconds": seconds, "regret": regret}), flush=True)


if __name__ == "__main__":
    main()

"""Optuna over the learning curves of `hpo simulate`, for benches/quality.py: prints a JSON line for each study.

    python quality_peers.py OBJECTIVE PRUNER SAMPLER SEEDS BUDGETS
"""
import json
import math
import struct
import sys

import optuna

MASK = (1 << 64) - 1
END = 27
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


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Curve:
    """The same as src/simulate/objective.rs."""

    def __init__(self, objective, numbers, seed):
        self.objective, self.numbers = objective, numbers
        self.hash = 0x68706F2D63757276 if objective == "curve" else seed
        for number in numbers:
            self.hash = mix(self.hash ^ struct.unpack("<Q", struct.pack("<d", number))[0])

    def loss(self, t):
        scale = 0.002 + 0.008 / math.sqrt(t) if self.objective == "curve" else 0.02
        z, total = self.hash ^ (t * 0xD1342543DE82EF95 & MASK), 0.0
        for _ in range(4):
            z = mix(z)
            total += (z >> 11) / 2.0**53
        return self.clean(t) + scale * (total - 2) * math.sqrt(3)

    def regret(self):
        return self.clean(END) - OPTIMA[self.objective]

    def clean(self, t):
        return encoder(*self.numbers, t) if self.objective == "curve" else self.hartmann(t / END)

    def hartmann(self, fidelity):
        scales, centres = HARTMANN[self.objective]
        missing = 0.5 * (1 + math.cos(math.pi * fidelity))
        total = 0.0
        for number, (scale, centre) in enumerate(zip(scales, centres)):
            shift = 0.3 * missing * (1 if number % 2 == 0 else -1)
            distance = sum(s * (x - c) ** 2 for s, c, x in zip(scale, centre, self.numbers))
            total += (HEIGHTS[number] * (1 - 0.3 * missing) + shift) * math.exp(-distance)
        return -total


def encoder(rate, batch, dropout, decay, margin, t):
    b = math.log2(batch / 32)
    u = math.log10(rate) - 0.15 * b
    x, w = u + 4.4, math.log10(decay)
    floor = 0.20 + 0.060 * x * x + 0.60 * (dropout - 0.18) ** 2 + 0.006 * (w + 2.6) ** 2
    floor += 0.12 * (margin - 0.35 - 0.08 * x) ** 2 - 0.008 * b
    speed = 0.9 * 10 ** (0.7 * x) * (1 - 0.8 * dropout) * 2 ** (-0.25 * b)
    overfit = 0.12 * math.exp(-dropout / 0.10) / (1 + math.sqrt(decay / 1e-3)) * (t / END) ** 2
    good = floor + (1 - floor) * (1 + speed * t) ** -1.3 + overfit
    gate = 1 / (1 + math.exp(-10 * (u + 3.45 + 0.05 * b)))
    return (1 - gate) * good + gate * (1 + 0.02 * t)


def suggest(trial, objective):
    if objective != "curve":
        return [trial.suggest_float(f"x{d + 1}", 0, 1) for d in range(int(objective[-1]))]
    return [
        trial.suggest_float("learning_rate", 1e-6, 1e-3, log=True),
        float(trial.suggest_categorical("batch_size", [16, 32, 64, 128])),
        trial.suggest_float("dropout", 0, 0.5),
        trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
        trial.suggest_float("margin", 0.05, 1.0),
    ]


def run(objective, pruner, sampler, seed, budgets):
    pruners = {
        "sha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=END, reduction_factor=3),
        "none": optuna.pruners.NopPruner,
    }
    samplers = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True),
    }
    study = optuna.create_study(sampler=samplers[sampler](), pruner=pruners[pruner]())
    epochs, best, found = 0, None, {}
    while epochs < max(budgets):
        trial = study.ask()
        curve = Curve(objective, suggest(trial, objective), seed)
        value = None
        for t in range(1, END + 1):
            value = curve.loss(t)
            epochs += 1
            standing = (t < END, value)
            if best is None or standing < best[0]:
                best = (standing, curve.regret())
            for budget in budgets:
                if epochs <= budget:
                    found[budget] = best[1]
            trial.report(value, t)
            if t < END and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
    return [found[budget] for budget in budgets]


def main():
    objective, pruner, sampler, seeds, budgets = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    budgets = [int(budget) for budget in budgets.split(",")]
    for seed in range(int(seeds)):
        print(json.dumps(run(objective, pruner, sampler, seed, budgets)), flush=True)


if __name__ == "__main__":
    main()

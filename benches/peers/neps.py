"""NePS (peers/__init__.py)."""
import random

import neps
import numpy
import torch

from objectives import is_ordered

FIDELITY = "epochs"


def parameter(kind, *how):
    if kind == "choice":
        (values,) = how
        return neps.Integer(0, len(values) - 1) if is_ordered(values) else neps.Categorical(values)
    return (neps.Integer if kind.endswith("integer") else neps.Float)(*how, log=kind.startswith("log"))


class Tuner:
    """Hyperband, which it chooses by itself if there are no priors; PriorBand, which without priors draws at random and near the best; or a
    Gaussian process without a pruner. None of its models knows conditions: what a configuration does not have is drawn, and ignored.
    """

    def __init__(self, task):
        random.seed(task.seed)
        numpy.random.seed(task.seed)
        torch.manual_seed(task.seed)
        self.task, self.asked = task, {}
        parameters = {name: parameter(*how) for name, how in task.space.items()}
        if task.policy != "none":
            parameters[FIDELITY] = neps.IntegerFidelity(1, task.end)
        space = type("Space", (neps.PipelineSpace,), parameters)()
        optimizer = {
            "random": lambda: neps.algorithms.hyperband(space),
            "incumbent": lambda: neps.algorithms.priorband(space),
            "gp": lambda: neps.algorithms.bayesian_optimization(space),
        }[task.sampler]()
        self.tool = neps.AskAndTell(optimizer)

    def ask(self):
        trial = self.tool.ask()
        number = trial.metadata.id.partition("_")[0]
        self.asked[number] = trial
        return number, {name: self.value(name, trial.config[name]) for name in self.task.space}

    def value(self, name, value):
        kind, *how = self.task.space[name]
        return how[0][value] if kind == "choice" and is_ordered(*how) else value

    def report(self, number, t, loss):
        if t < self.asked[number].config.get(FIDELITY, self.task.end):
            return True
        self.tool.tell(self.asked.pop(number), loss)
        return False

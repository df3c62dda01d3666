"""HEBO (peers/__init__.py)."""
import numpy
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from objectives import is_ordered

KINDS = {"uniform": "num", "log_uniform": "pow", "integer": "int", "log_integer": "pow_int"}


def parameter(name, kind, *how):
    if kind == "choice":
        (values,) = how
        if is_ordered(values):
            return {"name": name, "type": "int", "lb": 0, "ub": len(values) - 1}
        return {"name": name, "type": "cat", "categories": values}
    return {"name": name, "type": KINDS[kind], "lb": how[0], "ub": how[1]}


class Tuner:
    """It has no pruner, and knows no conditions: what a configuration does not have is drawn, and ignored."""

    def __init__(self, task):
        numpy.random.seed(task.seed)
        torch.manual_seed(task.seed)
        self.task, self.asked = task, []
        self.tool = HEBO(DesignSpace().parse([parameter(name, *how) for name, how in task.space.items()]), scramble_seed=task.seed)

    def ask(self):
        asked = self.tool.suggest()
        self.asked.append(asked)
        return len(self.asked) - 1, {name: self.value(asked[name].iloc[0], *how) for name, how in self.task.space.items()}

    @staticmethod
    def value(value, kind, *how):
        if kind == "choice":
            return how[0][int(value)] if is_ordered(*how) else value
        # A logarithm and back may end beyond the range.
        return min(max(int(value) if kind.endswith("integer") else float(value), how[0]), how[1])

    def report(self, number, t, loss):
        if t == self.task.end:
            self.tool.observe(self.asked[number], numpy.array([[loss]]))
        return t < self.task.end

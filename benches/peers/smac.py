"""SMAC (peers/__init__.py)."""
import tempfile

import numpy
from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, Float, InCondition, Integer, OrdinalHyperparameter
from smac import MultiFidelityFacade, Scenario
from smac.intensifier.hyperband_utils import get_n_trials_for_hyperband_multifidelity
from smac.main.exceptions import ConfigurationSpaceExhaustedException
from smac.runhistory.dataclasses import TrialValue

from objectives import is_ordered


def parameter(name, kind, *how):
    if kind == "choice":
        return (OrdinalHyperparameter if is_ordered(*how) else CategoricalHyperparameter)(name, *how)
    return (Integer if kind.endswith("integer") else Float)(name, how, log=kind.startswith("log"))


def plain(value):
    return value.item() if isinstance(value, numpy.generic) else value


class Tuner:
    """Hyperband with a random forest, which is what its facade for several fidelities consists of. In a small space it soon finds nothing new
    to try.
    """

    def __init__(self, task):
        space = ConfigurationSpace(seed=task.seed)
        space.add([parameter(name, *how) for name, how in task.space.items()])
        space.add([InCondition(space[name], space[parent], needed) for name, (parent, needed) in task.conditions.items()])
        self.directory = tempfile.TemporaryDirectory()
        scenario = Scenario(
            space,
            # On which the size of its initial design depends.
            n_trials=get_n_trials_for_hyperband_multifidelity(task.budget, 1, task.end, print_summary=False),
            min_budget=1,
            max_budget=task.end,
            deterministic=True,
            seed=task.seed,
            output_directory=self.directory.name,
        )
        self.facade = MultiFidelityFacade(scenario, logging_level=False)
        self.asked = {}

    def ask(self):
        try:
            asked = self.facade.ask()
        except (StopIteration, ConfigurationSpaceExhaustedException):
            return None
        self.asked[asked.config] = asked
        return asked.config, {name: plain(value) for name, value in asked.config.items()}

    def report(self, config, t, loss):
        if t < round(self.asked[config].budget):
            return True
        self.facade.tell(self.asked.pop(config), TrialValue(cost=loss), save=False)
        return False

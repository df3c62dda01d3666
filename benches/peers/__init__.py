"""Other tools, asked for one configuration after the other and told how it does, for quality_peers.py.

Each has a module of its own with a `Tuner`, which is made for a task. Its `ask` gives a trial and its configuration, several of which may be
under way at once; or a trial that it has stopped before, to be trained further; or nothing if there is nothing left to try. `report` says
whether the trial continues after an epoch.
"""
import importlib
from pathlib import Path
from typing import NamedTuple

from objectives import is_ordered

BENCHES = Path(__file__).resolve().parent.parent

# The environment of each, which benches/ENVIRONMENT-requirements.txt lists: some of their dependencies exclude each other.
ENVIRONMENTS = {"optuna": "quality", "syne-tune": "quality", "rustuna": "quality", "smac": "smac", "neps": "neps", "hebo": "hebo"}


class Task(NamedTuple):
    """What is to be searched and how."""

    #: The type and range of each parameter as in objectives.py.
    space: dict
    #: For parameters that only some configurations have: another parameter, and the values of it with which they do.
    conditions: dict
    #: The last epoch.
    end: int
    policy: str
    sampler: str
    seed: int
    #: The epochs of all trials together.
    budget: int


def requirements_of(tool):
    return BENCHES / f"{ENVIRONMENTS[tool]}-requirements.txt"


def imports_pytorch(tool, sampler):
    return tool in ("neps", "hebo") or sampler == "gp"


def module_of(tool):
    return BENCHES / f"peers/{tool.replace('-', '_')}.py"


def tuner_of(tool, task):
    """Needs the tool's environment."""
    return importlib.import_module(f"peers.{module_of(tool).stem}").Tuner(task)


def suggest(trial, task):
    """A configuration from a trial of Optuna's interface."""
    values = {}
    for name, (kind, *how) in task.space.items():
        parent, needed = task.conditions.get(name, (None, ()))
        if parent is not None and values.get(parent) not in needed:
            continue
        if kind != "choice":
            draw = trial.suggest_int if kind.endswith("integer") else trial.suggest_float
            values[name] = draw(name, *how, log=kind.startswith("log"))
        elif is_ordered(*how):
            values[name] = how[0][trial.suggest_int(name, 0, len(how[0]) - 1)]
        else:
            values[name] = trial.suggest_categorical(name, *how)
    return values

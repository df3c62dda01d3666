"""Syne Tune (peers/__init__.py)."""
import datetime

import numpy
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer import baselines

from objectives import is_ordered

KINDS = {
    "uniform": config_space.uniform,
    "log_uniform": config_space.loguniform,
    "integer": config_space.randint,
    "log_integer": config_space.lograndint,
}


def domain(kind, *how):
    if kind == "choice":
        (values,) = how
        return config_space.ordinal(values, kind="equal") if is_ordered(values) else config_space.choice(values)
    return KINDS[kind](*how)


class Tuner:
    """It knows no conditions: what a configuration does not have is drawn, and ignored."""

    def __init__(self, task):
        # It also draws from numpy's global generator.
        numpy.random.seed(task.seed)
        self.end, self.trials = task.end, []
        self.single = task.policy == "none"
        space = {name: domain(*how) for name, how in task.space.items()}
        if self.single:
            found = {"cqr": baselines.CQR, "bore": baselines.BORE, "tpe": baselines.TPE}[task.sampler]
            self.scheduler = found(space, metric="loss", random_seed=task.seed)
        else:
            found = {"random": baselines.ASHA, "kde": baselines.BOHB, "bore": baselines.ASHABORE, "cqr": baselines.ASHACQR}[task.sampler]
            self.scheduler = found(space, metric="loss", time_attr="epoch", max_t=task.end, grace_period=1, random_seed=task.seed)

    def ask(self):
        config = self.scheduler.suggest().config
        trial = Trial(trial_id=len(self.trials), config=config, creation_time=datetime.datetime.now())
        self.scheduler.on_trial_add(trial)
        self.trials.append(trial)
        return trial.trial_id, config

    def report(self, number, t, loss):
        trial, result = self.trials[number], {"loss": loss, "epoch": t}
        if self.single:
            if t == self.end:
                self.scheduler.on_trial_complete(trial, result)
            return t < self.end
        continues = self.scheduler.on_trial_result(trial, result) == "CONTINUE" and t < self.end
        if not continues:
            self.scheduler.on_trial_remove(trial)
        return continues

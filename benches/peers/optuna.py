"""Optuna (peers/__init__.py)."""
import optuna

from peers import suggest


class Tuner:
    """TPE with the conditions of the space, its parameters modelled jointly; or a Gaussian process.

    The Gaussian process learns from the trials that are trained to the end only, and a parameter that some configurations don't have
    is drawn at random: so it is given all parameters, and what a configuration does not have is ignored.
    """

    def __init__(self, task):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner = {
            "sha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=task.end, reduction_factor=3),
            "none": optuna.pruners.NopPruner,
        }[task.policy]()
        sampler = {
            "random": lambda: optuna.samplers.RandomSampler(seed=task.seed),
            "tpe": lambda: optuna.samplers.TPESampler(seed=task.seed, multivariate=True, group=bool(task.conditions)),
            "gp": lambda: optuna.samplers.GPSampler(seed=task.seed),
        }[task.sampler]()
        self.task = task._replace(conditions={}) if task.sampler == "gp" else task
        self.study = optuna.create_study(sampler=sampler, pruner=pruner)

    def ask(self):
        trial = self.study.ask()
        return trial, suggest(trial, self.task)

    def report(self, trial, t, loss):
        trial.report(loss, t)
        if t == self.task.end:
            self.study.tell(trial, loss)
        elif trial.should_prune():
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return False
        return t < self.task.end

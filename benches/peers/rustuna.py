"""Rustuna (peers/__init__.py)."""
import rustuna

from peers import suggest


class Tuner:
    """TPE; it has no pruner. Parameters that all configurations have are modelled jointly, the others one by one."""

    def __init__(self, task):
        self.task = task
        self.study = rustuna.create_study(sampler=rustuna.samplers.TPESampler(seed=task.seed))

    def ask(self):
        trial = self.study.ask()
        return trial.number, suggest(trial, self.task)

    def report(self, number, t, loss):
        if t == self.task.end:
            self.study.tell(number, loss)
        return t < self.task.end

"""Other tools over the learning curves of `hpo simulate`, for benches/quality.py: prints a JSON line for each study.

    python quality_peers.py '{"tool": …, "policy": …, "sampler": …, "objective": …, "table": …, "space": …, "end": …}' SEEDS BUDGETS

SEEDS are FIRST:END. One trial runs at a time; rungs are at 1, 3, 9 … epochs.
"""
import datetime
import json
import logging
import sys
import warnings

from objectives import Formula, Table, is_ordered


class Optuna:
    def __init__(self, space, end, policy, sampler, seed):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.pruned = optuna.trial.TrialState.PRUNED
        pruner = {
            "sha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=end, reduction_factor=3),
            "none": optuna.pruners.NopPruner,
        }[policy]()
        sampler = {
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True),
        }[sampler]()
        self.space, self.end = space, end
        self.study = optuna.create_study(sampler=sampler, pruner=pruner)

    def ask(self):
        self.trial = self.study.ask()
        return {name: self.suggest(name, *how) for name, how in self.space.items()}

    def suggest(self, name, kind, *how):
        if kind == "choice":
            (values,) = how
            if is_ordered(values):
                return values[self.trial.suggest_int(name, 0, len(values) - 1)]
            return self.trial.suggest_categorical(name, values)
        return self.trial.suggest_float(name, *how, log=kind == "log_uniform")

    def report(self, t, loss):
        """Whether the trial continues."""
        self.trial.report(loss, t)
        if t == self.end:
            self.study.tell(self.trial, loss)
        elif self.trial.should_prune():
            self.study.tell(self.trial, state=self.pruned)
            return False
        return t < self.end


class SyneTune:
    def __init__(self, space, end, policy, sampler, seed):
        import numpy
        from syne_tune import config_space
        from syne_tune.backend.trial_status import Trial
        from syne_tune.optimizer import baselines

        # It also draws from numpy's global generator.
        numpy.random.seed(seed)
        self.make_trial, self.end, self.number = Trial, end, -1
        self.single = policy == "none"

        def domain(kind, *how):
            if kind == "choice":
                (values,) = how
                return config_space.ordinal(values, kind="equal") if is_ordered(values) else config_space.choice(values)
            return {"uniform": config_space.uniform, "log_uniform": config_space.loguniform}[kind](*how)

        space = {name: domain(*how) for name, how in space.items()}
        if self.single:
            found = {"cqr": baselines.CQR, "bore": baselines.BORE, "tpe": baselines.TPE}[sampler]
            self.scheduler = found(space, metric="loss", random_seed=seed)
        else:
            found = {"random": baselines.ASHA, "kde": baselines.BOHB, "bore": baselines.ASHABORE, "cqr": baselines.ASHACQR}[sampler]
            self.scheduler = found(space, metric="loss", time_attr="epoch", max_t=end, grace_period=1, random_seed=seed)

    def ask(self):
        self.number += 1
        config = self.scheduler.suggest().config
        self.trial = self.make_trial(trial_id=self.number, config=config, creation_time=datetime.datetime.now())
        self.scheduler.on_trial_add(self.trial)
        return config

    def report(self, t, loss):
        """Whether the trial continues."""
        result = {"loss": loss, "epoch": t}
        if self.single:
            if t == self.end:
                self.scheduler.on_trial_complete(self.trial, result)
            return t < self.end
        continues = self.scheduler.on_trial_result(self.trial, result) == "CONTINUE" and t < self.end
        if not continues:
            self.scheduler.on_trial_remove(self.trial)
        return continues


def run(tuner, objective, seed, budgets):
    """The regret at each budget."""
    epochs, trials, best, found = 0, 0, None, {}
    while epochs < max(budgets):
        loss, regret = objective.curve(tuner.ask(), seed, trials)
        trials += 1
        for t in range(1, objective.end + 1):
            value = loss(t)
            epochs += 1
            standing = (t < objective.end, value)
            if best is None or standing < best[0]:
                best = (standing, regret)
            for budget in budgets:
                if epochs <= budget:
                    found[budget] = best[1]
            if not tuner.report(t, value):
                break
    return [found[budget] for budget in budgets]


def main():
    asked, seeds, budgets = sys.argv[1:]
    asked = json.loads(asked)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    budgets = [int(budget) for budget in budgets.split(",")]
    if asked["table"]:
        objective = Table(asked["table"], asked["space"], asked["end"])
    else:
        objective = Formula(asked["objective"])
    tool = {"optuna": Optuna, "syne-tune": SyneTune}[asked["tool"]]
    for seed in range(*map(int, seeds.split(":"))):
        tuner = tool(objective.space, objective.end, asked["policy"], asked["sampler"], seed)
        print(json.dumps(run(tuner, objective, seed, budgets)), flush=True)


if __name__ == "__main__":
    main()

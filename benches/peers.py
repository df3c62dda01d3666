"""Other tools, asked for one configuration after the other and told how it does, for quality_peers.py.

Each is made for a space: for each parameter its type and range as in objectives.py, and for those that only some configurations have, the
values of another parameter with which they do. `ask` gives a trial and its configuration, several of which may be under way at once, and
`report` says whether the trial continues after an epoch.
"""
import datetime

from objectives import is_ordered


class Optuna:
    """TPE with the conditions of the space, its parameters modelled jointly."""

    def __init__(self, space, conditions, end, policy, sampler, seed):
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
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=bool(conditions)),
        }[sampler]()
        self.space, self.conditions, self.end = space, conditions, end
        self.study = optuna.create_study(sampler=sampler, pruner=pruner)

    def ask(self):
        trial, values = self.study.ask(), {}
        for name, how in self.space.items():
            parent, needed = self.conditions.get(name, (None, ()))
            if parent is None or values.get(parent) in needed:
                values[name] = self.suggest(trial, name, *how)
        return trial, values

    @staticmethod
    def suggest(trial, name, kind, *how):
        if kind == "choice":
            (values,) = how
            if is_ordered(values):
                return values[trial.suggest_int(name, 0, len(values) - 1)]
            return trial.suggest_categorical(name, values)
        draw = trial.suggest_int if kind.endswith("integer") else trial.suggest_float
        return draw(name, *how, log=kind.startswith("log"))

    def report(self, trial, t, loss):
        trial.report(loss, t)
        if t == self.end:
            self.study.tell(trial, loss)
        elif trial.should_prune():
            self.study.tell(trial, state=self.pruned)
            return False
        return t < self.end


class SyneTune:
    """It knows no conditions: what a configuration does not have is drawn, and ignored."""

    def __init__(self, space, _conditions, end, policy, sampler, seed):
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
            kinds = {
                "uniform": config_space.uniform,
                "log_uniform": config_space.loguniform,
                "integer": config_space.randint,
                "log_integer": config_space.lograndint,
            }
            return kinds[kind](*how)

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
        trial = self.make_trial(trial_id=self.number, config=config, creation_time=datetime.datetime.now())
        self.scheduler.on_trial_add(trial)
        return trial, config

    def report(self, trial, t, loss):
        result = {"loss": loss, "epoch": t}
        if self.single:
            if t == self.end:
                self.scheduler.on_trial_complete(trial, result)
            return t < self.end
        continues = self.scheduler.on_trial_result(trial, result) == "CONTINUE" and t < self.end
        if not continues:
            self.scheduler.on_trial_remove(trial)
        return continues


TOOLS = {"optuna": Optuna, "syne-tune": SyneTune}

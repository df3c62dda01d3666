"""A study of another tool whose trials are processes, for benches/script.py: python script_peers.py TOOL PLACE TRIALS."""
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

LOSS = re.compile(r"loss=([0-9.]+)")


def train(script, x):
    printed = subprocess.run(["sh", script, str(x)], check=True, capture_output=True, text=True).stdout
    return float(LOSS.search(printed)[1])


def optuna(place, trials, storage):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    script = str(place / "script.sh")
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: train(script, trial.suggest_int("x", 1, 1_000_000)), n_trials=trials)


def optuna_journal(place, trials):
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna(place, trials, JournalStorage(JournalFileBackend(str(place / f"journal-{time.monotonic_ns()}"))))


def ray(place, trials):
    from ray import init, tune

    init(num_cpus=1, include_dashboard=False, logging_level=logging.ERROR)
    script = str(place / "script.sh")
    tuner = tune.Tuner(
        lambda config: tune.report({"loss": train(script, config["x"])}),
        param_space={"x": tune.randint(1, 1_000_000)},
        tune_config=tune.TuneConfig(num_samples=trials, metric="loss", mode="min", max_concurrent_trials=1),
        run_config=tune.RunConfig(storage_path=str(place / f"ray-{time.monotonic_ns()}"), verbose=0),
    )
    tuner.fit()


def main():
    tool, place, trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    match tool:
        case "optuna-memory":
            optuna(place, trials, None)
        case "optuna-journal":
            optuna_journal(place, trials)
        case "optuna-sqlite":
            optuna(place, trials, f"sqlite:///{place}/study-{time.monotonic_ns()}.db")
        case "ray":
            ray(place, trials)


main()

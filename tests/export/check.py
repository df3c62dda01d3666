"""Reads what `hpo export --trials` writes with the packages that it is written for, and compares it with `hpo trials --json`.

    check.py HPO PACKAGE ...

runs the search of study.toml with the program HPO in a temporary directory and checks these packages: optuna, pandas, polars,
tensorboard, mlflow (which starts a tracking server on this machine). make check-exports does it for all of them.
"""
import json, math, os, pathlib, shutil, socket, subprocess, sys, tempfile, time, urllib.request

HERE = pathlib.Path(__file__).parent
HPO = str(pathlib.Path(sys.argv[1]).resolve())
NAME = "every-kind.1"
OBJECTIVE = "ndcg@10"


def hpo(*arguments, **options):
    return subprocess.run([HPO, *arguments], check=True, capture_output=True, text=True, **options).stdout


def export(form, target, *more):
    hpo("export", NAME, "--trials", form, "-o", target, *more)


def near(a, b):
    return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)


def check_optuna(rows):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    export("optuna", "optuna.log")
    study = optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend("optuna.log")))
    assert study.direction.name == "MAXIMIZE" and study.metric_names == [OBJECTIVE]
    assert len(study.trials) == len(rows)
    states = {
        "completed": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "diverged": TrialState.FAIL,
        "failed": TrialState.FAIL,
        "running": TrialState.RUNNING,
        "paused": TrialState.RUNNING,
        "waiting": TrialState.WAITING,
    }
    for trial, row in zip(study.trials, rows):
        assert trial.number == row["trial"]
        assert trial.params == row["parameters"], (trial.params, row["parameters"])
        assert {name: type(value) for name, value in trial.params.items()} == {
            name: type(value) for name, value in row["parameters"].items()
        }
        assert trial.state == states[row["state"]] or row["state"] == "waiting" and row["attempts"]
        assert trial.intermediate_values == {
            report["resource"]: report["objective"] for report in row["reports"] if report["objective"] is not None
        }
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            assert trial.value == row["objective"]
        for name, distribution in trial.distributions.items():
            assert distribution._contains(distribution.to_internal_repr(trial.params[name])), (name, distribution)
        if trial.state.is_finished():
            assert trial.user_attrs["state"] == row["state"] and trial.duration.total_seconds() >= 0
            trial._validate() if trial.state != TrialState.FAIL else None
    best = json.loads(hpo("export", NAME, "--format", "json"))
    if any(row["state"] == "completed" for row in rows):
        assert study.best_trial.number == best["trial"] and study.best_value == best["objective"]
    assert study.user_attrs["best_trial"] == best["trial"]
    study.trials_dataframe()
    distributions = study.trials[0].distributions
    assert distributions["learning_rate"].log and distributions["hidden"].log
    assert (distributions["layers"].high, distributions["layers"].step) == (11, 3)
    assert distributions["dropout"].step == 0.1 and near(distributions["dropout"].high, 0.5)
    assert distributions["optimizer"].choices[2] == "你好"
    # Optuna itself goes on with it.
    study.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True), n_trials=2)
    assert study.trials[-1].state == TrialState.COMPLETE
    for plot in ("plot_optimization_history", "plot_intermediate_values", "plot_slice", "plot_parallel_coordinate", "plot_timeline"):
        getattr(optuna.visualization, plot)(study)


def check_tables(rows, read_csv, read_parquet):
    export("csv", "trials.csv", "--force")
    export("csv", "reports.csv", "--reports", "--force")
    export("parquet", "trials.parquet", "--force")
    export("parquet", "reports.parquet", "--reports", "--force")
    for trials, reports in [
        (read_csv("trials.csv"), read_csv("reports.csv")),
        (read_parquet("trials.parquet"), read_parquet("reports.parquet")),
    ]:
        assert len(trials) == len(rows)
        for found, row in zip(trials, rows):
            for name in ("trial", "state", "objective", "loss", "best_at", "seed", "message", "attempts"):
                assert found[name] == row.get(name), (name, found[name], row.get(name))
            for name in ("learning_rate", "layers", "dropout", "Weight.decay-x", "optimizer", "momentum", "flag", "fixed", "kind"):
                assert found[f"parameters.{name}"] == row["parameters"].get(name), name
            assert str(found["parameters.mixed"]).lower() == str(row["parameters"]["mixed"]).lower()
            assert found[f"metrics.{OBJECTIVE}"] == row["metrics"].get(OBJECTIVE)
        wanted = [(row["trial"], report) for row in rows for report in row["reports"]]
        assert len(reports) == len(wanted)
        for found, (trial, report) in zip(reports, wanted):
            assert (found["trial"], found["resource"]) == (trial, report["resource"])
            assert (found["objective"], found["loss"]) == (report["objective"], report["loss"])


def check_pandas(rows):
    import pandas

    def records(frame):
        assert "datetime64" in str(frame[[name for name in frame if name in ("created", "reported")][0]].dtype)
        frame = frame.astype(object)
        return frame.where(frame.notna(), None).to_dict("records")

    def read_csv(path):
        times = ["created", "started", "ended"] if path == "trials.csv" else ["reported"]
        return records(pandas.read_csv(path, parse_dates=times))

    check_tables(rows, read_csv, lambda path: records(pandas.read_parquet(path)))


def check_polars(rows):
    import polars

    def read_csv(path):
        return polars.read_csv(path, try_parse_dates=True, infer_schema_length=None).to_dicts()

    check_tables(rows, read_csv, lambda path: polars.read_parquet(path).to_dicts())


def check_tensorboard(rows):
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.plugins.hparams import metadata

    export("tensorboard", "tb")
    begun = [row for row in rows if row["attempts"]]
    assert sorted(os.listdir("tb")) == [f"trial-{row['trial']:04}" for row in begun]
    for row in begun:
        run = f"tb/trial-{row['trial']:04}"
        events = event_accumulator.EventAccumulator(run)
        events.Reload()
        values = [(event.step, event.value) for event in events.Scalars(OBJECTIVE)] if row["best_at"] else []
        wanted = [(report["resource"], report["objective"]) for report in row["reports"] if report["objective"] is not None]
        assert len(values) == len(wanted) and all(a[0] == b[0] and near(a[1], b[1]) for a, b in zip(values, wanted))
        if wanted:
            assert near(events.Scalars(f"best/{OBJECTIVE}")[-1].value, max(value for _, value in wanted))
        content = events.PluginTagToContent(metadata.PLUGIN_NAME)
        start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
        for name, value in row["parameters"].items():
            kind = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
            assert getattr(start.hparams[name], kind) == value, name
        if row["state"] in ("completed", "pruned", "failed", "diverged"):
            end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
            assert end.status == (1 if row["state"] in ("completed", "pruned") else 2)
        for file in os.listdir(run):
            assert sum(1 for _ in EventFileLoader(f"{run}/{file}").Load()) >= 2
    check_hparams_page(begun)


def check_hparams_page(begun):
    """What the page of hyperparameters shows, asked of a real server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "tb", "--port", str(port), "--load_fast=false"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}/data/plugin/hparams/session_groups"
            query = {"startIndex": 0, "sliceSize": 100, "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]}

            def ask():
                request = urllib.request.Request(url, json.dumps(query).encode(), {"Content-Type": "application/json"})
                groups = json.load(urllib.request.urlopen(request)).get("sessionGroups", [])
                return groups if len(groups) == len(begun) else None

            groups = until(ask)
            names = {group["name"] for group in groups}
            assert names == {f"trial-{row['trial']:04}" for row in begun}, names
            some = next(group for group in groups if group["name"] == "trial-0000")
            assert near(some["hparams"]["learning_rate"], begun[0]["parameters"]["learning_rate"])
            assert any(metric["name"]["tag"] == OBJECTIVE for metric in some["metricValues"])
        finally:
            server.terminate()


def until(ask):
    """What is asked for, once it is there; a server takes a while to start."""
    for _ in range(600):
        try:
            if (answer := ask()) is not None:
                return answer
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError("it has not come")


def check_mlflow(rows):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--backend-store-uri", "sqlite:///mlflow.db"]
    command += ["--artifacts-destination", "./artifacts", "--workers", "1"]
    with open("server.log", "w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            until(lambda: urllib.request.urlopen(f"{address}/health").read())
            check_runs(rows, address)
        finally:
            server.terminate()


def check_runs(rows, address):
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    import mlflow

    export("mlflow", address)
    again = subprocess.run([HPO, "export", NAME, "--trials", "mlflow", "-o", address], capture_output=True, text=True)
    assert again.returncode == 2 and "--force" in again.stderr, again.stderr
    export("mlflow", address, "--force")
    client = mlflow.MlflowClient(address)
    experiment = client.get_experiment_by_name(NAME)
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert len(runs) == len(rows) + 1
    (study,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    best = json.loads(hpo("export", NAME, "--format", "json"))
    assert study.data.tags["hpo.best_trial"] == str(best["trial"]) and study.info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(study.info.run_id)] == ["best.toml"]
    states = {"completed": "FINISHED", "pruned": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
    for run in runs:
        if run is study:
            continue
        row = rows[int(run.data.tags["hpo.trial"])]
        assert run.info.status == states[row["state"]] and run.data.tags["hpo.state"] == row["state"]
        assert run.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert run.info.end_time >= run.info.start_time
        shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in row["parameters"].items()}
        assert run.data.params.keys() == shown.keys()
        for name, value in shown.items():
            assert run.data.params[name] == value or float(run.data.params[name]) == float(value), name
        history = client.get_metric_history(run.info.run_id, "ndcg_10") if row["best_at"] else []
        wanted = [(report["resource"], report["objective"]) for report in row["reports"] if report["objective"] is not None]
        assert [(metric.step, metric.value) for metric in history] == wanted
        if wanted:
            assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["configuration.toml"]
            place = client.download_artifacts(run.info.run_id, "configuration.toml", ".")
            assert "[space]" in open(place).read()


def check_follow():
    """A file that is followed while the search runs: Optuna sees the trials come, in one storage object."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    shutil.rmtree("studies")
    os.mkfifo("hold")
    search = subprocess.Popen([HPO, "search", "study.toml"], env={**os.environ, "HPO_TEST_HOLD": "hold"}, stderr=subprocess.PIPE, text=True)
    assert any("trial 7: epoch 0" in line for line in search.stderr)
    follow = subprocess.Popen([HPO, "export", NAME, "--trials", "optuna", "-o", "live.log", "--follow"])
    until(lambda: os.path.exists("live.log") or None)
    study = optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend("live.log")))
    seen = study.get_trials()
    assert seen[7].state == optuna.trial.TrialState.RUNNING and not seen[7].intermediate_values
    open("hold", "w").close()
    search.stderr.read()
    assert search.wait() == 0 and follow.wait() == 0
    assert study.get_trials()[7].intermediate_values and len(study.get_trials()) == 12
    assert not [trial for trial in study.get_trials() if not trial.state.is_finished()]
    export("optuna", "after.log")
    whole = optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend("after.log")))
    assert [trial.params for trial in whole.trials] == [trial.params for trial in study.get_trials()]
    assert whole.best_trial.number == study.best_trial.number


def check_import():
    """A study in a database, which Optuna itself reads for hpo."""
    import optuna

    theirs = optuna.create_study(storage="sqlite:///optuna.db", study_name="theirs")
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    with open("mine.toml", "w") as file:
        file.write('[study]\ntrials = 3\n[policy]\nmax_resource = 1\n[trial]\ncommand = ["true"]\n[space]\nx = { type = "uniform", low = 0, high = 1 }\n')
    path = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    hpo("import", "optuna", "sqlite:///optuna.db", "mine.toml", env=path)
    facts = map(json.loads, open("studies/mine/journal.jsonl"))
    known = [line["fact"]["parameters"] for line in facts if line["fact"]["type"] == "earlier_result"]
    assert known == [trial.params for trial in theirs.trials], known


def main():
    packages = sys.argv[2:]
    checks = {"optuna": check_optuna, "pandas": check_pandas, "polars": check_polars, "tensorboard": check_tensorboard, "mlflow": check_mlflow}
    with tempfile.TemporaryDirectory() as place:
        for name in ("study.toml", "trainer.py"):
            shutil.copy(HERE / name, place)
        os.chdir(place)
        hpo("search", "study.toml")
        rows = json.loads(hpo("export", NAME, "--trials", "json"))
        assert {row["state"] for row in rows} == {"completed", "pruned", "diverged", "failed"}
        for package in packages:
            began = time.monotonic()
            checks[package](rows)
            print(f"{package}: as hpo has it ({time.monotonic() - began:.1f} s)", flush=True)
        if "optuna" in packages:
            check_follow()
            print("optuna: followed", flush=True)
            check_import()
            print("optuna: imported", flush=True)


main()

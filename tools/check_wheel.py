#!/usr/bin/env python3
"""Checks the installed package against the real sentence-transformers: a search over a script whose `Trainer` has the callback.

    make check-wheel

installs it beside that and runs this, which takes about a minute. CI does not, since it needs 5 GB of packages.
"""
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import hpo

TINY = Path(__file__).resolve().parent.parent / "trials/embedding/tests/fixtures/bert-mean"

SCRIPT = '''
import sys

import hpo
from datasets import Dataset
from hpo.transformers import ReportCallback
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.evaluation import TripletEvaluator
from sentence_transformers.losses import TripletLoss
from transformers.trainer_utils import get_last_checkpoint

config = hpo.config()
model = SentenceTransformer(sys.argv[1], device="cpu")
rows = [{"anchor": f"number {n}", "positive": f"the {n}", "negative": f"a {n + 1}"} for n in range(24)]
held_out = Dataset.from_list(rows[16:])
trainer = SentenceTransformerTrainer(
    model=model,
    args=SentenceTransformerTrainingArguments(
        output_dir=str(config.checkpoint_dir),
        num_train_epochs=config.resource,
        learning_rate=config["learning_rate"],
        per_device_train_batch_size=8,
        lr_scheduler_type="constant",
        eval_strategy="epoch",
        save_strategy="epoch",
        seed=config.seed % 2**32,
        use_cpu=True,
        report_to=[],
    ),
    train_dataset=Dataset.from_list(rows[:16]),
    eval_dataset=held_out,
    loss=TripletLoss(model, triplet_margin=0.5),
    evaluator=TripletEvaluator(held_out["anchor"], held_out["positive"], held_out["negative"], name="held_out"),
    callbacks=[ReportCallback()],
)
trainer.train(resume_from_checkpoint=get_last_checkpoint(str(config.checkpoint_dir)))
model.save_pretrained(str(config.checkpoint_dir / "model"))
'''

STUDY = """
[study]
trials = 4
[policy]
max_resource = 3
reduction_factor = 3
[trial]
command = [{python}, "train.py", {model}, "{{checkpoint_dir}}"]
[slots]
devices = "cpu"
[space]
learning_rate = {{ type = "log_uniform", low = 1e-4, high = 1e-2 }}
"""


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} has failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main():
    program = str(Path(sys.executable).parent / "hpo")
    version = run(program, "--version").split()[1]
    assert version == importlib.metadata.version("hpo"), version
    assert run(sys.executable, "-m", "hpo", "--version") == run(program, "--version")
    assert Path(hpo.__file__).is_relative_to(sys.prefix), f"{hpo.__file__} is not the installed package"
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        Path("train.py").write_text(SCRIPT)
        Path("s.toml").write_text(STUDY.format(python=json.dumps(sys.executable), model=json.dumps(str(TINY))))
        run(program, "search", "s.toml")
        trials = json.loads(run(program, "trials", "s", "--json"))
        assert [trial["state"] for trial in trials].count("completed") >= 1, trials
        assert all("held_out_cosine_accuracy" in trial["metrics"] for trial in trials), trials
        assert any(trial["resource"] == 3 for trial in trials), trials
        study = hpo.Study(
            {
                "study": {"name": "asked", "trials": 5},
                "policy": {"max_resource": 1},
                "space": {"x": {"type": "uniform", "low": 0.0, "high": 1.0}},
            }
        )
        with study:
            for trial in study:
                study.tell(trial, loss=trial["x"])
        best = json.loads(run(program, "trials", "asked", "--json", "--sort", "loss"))[0]
        assert best["trial"] == study.best["trial"], study.best
    print(f"hpo {version}: the program, the module and the callback work")


if __name__ == "__main__":
    main()

"""Searches with examples of scripts as a user would, with the packages of the Python that runs this.

    check.py HPO NAME…

runs the program HPO on copies of examples/scripts/NAME.toml, in a temporary directory.
"""
import json, os, pathlib, re, shutil, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
#: A model with random weights.
MODEL = ROOT / "trials/embedding/tests/fixtures/bert-mean"


def give_model_and_data(place):
    """What the example with sentence-transformers leaves to the user."""
    rows = [{"anchor": f"number {n}", "positive": f"the {n}", "negative": f"a {n + 1}"} for n in range(24)]
    for name, part in ("train", rows[:16]), ("validation", rows[16:]):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    study = place / "sentence_transformers_triplets.toml"
    text = study.read_text()
    assert '"MODEL"' in text
    study.write_text(text.replace('"MODEL"', json.dumps(str(MODEL))))


def make_small(study):
    """As few trials and rungs as it takes to see one trial go on: each start of a program imports much."""
    text = study.read_text()
    assert "trials = 9" in text, study
    text, limits = re.subn(
        r"max_resource = (\d+)",
        lambda limit: f"max_resource = {int(limit[1]) // 9 * 2}\nreduction_factor = 2\nspeculation = false",
        text,
    )
    assert limits == 1, study
    study.write_text(text.replace("trials = 9", "trials = 2"))


def main():
    hpo, *names = sys.argv[1:]
    hpo = str(pathlib.Path(hpo).resolve())
    # The examples say `python3`.
    paths = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths, "HF_HUB_OFFLINE": "1"}
    environment.pop("HPO_STUDIES", None)
    # Compiling what is imported takes longer than all else about these searches: once is enough.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place, "scripts")
        shutil.copytree(ROOT / "examples/scripts", place)
        give_model_and_data(place)

        def run(*words):
            done = subprocess.run([hpo, *words], cwd=place, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"hpo {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
            return done.stdout

        for name in names:
            make_small(place / f"{name}.toml")
            run("search", f"{name}.toml", "--quiet")
            trials = json.loads(run("trials", name, "--json"))
            states = {trial["state"] for trial in trials}
            assert "completed" in states and states <= {"completed", "pruned", "diverged"}, trials
            resources = sorted(trial["resource"] for trial in trials)
            assert len(trials) == 2 and resources[0] < resources[-1], trials
            assert all(trial["objective"] is not None for trial in trials if trial["state"] == "completed"), trials
            print(f"{name}: {len(trials)} trials")


main()

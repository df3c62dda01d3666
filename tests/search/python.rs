//! The Python module: searches that a program drives, and what scripts say and are told.

use hpo_test_support::{EXAMPLE, Place, Run, repository};

/// A program that trains a study of 9 trials, up to so many of its stretches.
const DRIVES: &str = r#"
import hpo, os, sys

tables = {
    "study": {"name": "s", "trials": 9},
    "policy": {"max_resource": 9},
    "space": {"x": {"type": "uniform", "low": -1.0, "high": 1.0}, "depth": {"type": "choice", "values": [1, 2]}},
}
stretches = int(sys.argv[1])
with hpo.Study(tables) as study:
    for trial in study:
        stretches -= 1
        if stretches < 0:
            os.kill(os.getpid(), 9)
        done = int(trial.state or 0)
        assert done == trial.start, (done, trial)
        for epoch in trial:
            trial.report(loss=trial["x"] ** 2 + trial["depth"] + 1 / epoch, metrics={"acc@1": epoch}, state=str(epoch).encode())
    print("best", study.best["parameters"], len(study.trials))
"#;

fn python(place: &Place, program: &str, arguments: &str) -> Run {
    std::fs::write(place.path("program.py"), program).unwrap();
    let module = repository().join("python");
    place.shell(&format!(
        "PYTHONPATH='{}' python3 program.py {arguments}",
        module.display()
    ))
}

#[test]
fn a_program_drives_a_search_and_goes_on_with_it_after_it_was_killed() {
    let whole = python(&Place::new(), DRIVES, "1000").ok().stdout();
    assert!(whole.contains("best {") && whole.ends_with(" 9\n"), "{whole}");
    let place = Place::new();
    for _ in 0..2 {
        let killed = python(&place, DRIVES, "5");
        assert!(
            killed.0.status.code().is_none() || !killed.0.status.success(),
            "{}",
            killed.stderr()
        );
    }
    assert_eq!(python(&place, DRIVES, "1000").ok().stdout(), whole);
    let stdout = place.shell("hpo status s").ok().stdout();
    assert!(stdout.contains("9 of 9 trials"), "{stdout}");
}

#[test]
fn as_many_trials_can_be_out_as_there_are_slots_and_a_pruned_one_shall_stop() {
    let program = r#"
import hpo, threading

tables = {
    "study": {"name": "s", "trials": 6},
    "policy": {"type": "none", "max_resource": 1},
    "slots": {"trials_per_device": 3, "devices": "cpu"},
    "try_first": [{"x": 0.25}, {"x": 0.75}],
    "space": {"x": {"type": "uniform", "low": 0.0, "high": 1.0}},
}
study = hpo.Study(tables)
out = [study.ask() for _ in range(3)]
assert len({trial.number for trial in out}) == 3
assert {0.25, 0.75} < {trial["x"] for trial in out}, out
out[2].fail("it was too hot")
for trial in out[:2]:
    study.tell(trial, loss=trial["x"])
    try:
        study.tell(trial, loss=trial["x"])
        raise SystemExit("twice")
    except RuntimeError as error:
        assert "no report is due" in str(error), error
for trial in study:
    trial.report(trial["x"], {"a": 1}, b=2)
assert study.ask() is None and study.ask() is None
rows = study.trials
assert [row["state"] for row in rows] == ["completed"] * 6, rows
study.close()
study.close()
"#;
    python(&Place::new(), program, "").ok();
}

#[test]
fn what_is_wrong_with_a_study_is_an_error_of_the_program() {
    let place = Place::new();
    let program = r#"
import hpo

for tables, expected in [
    ({"study": {"name": "a"}, "policy": {"max_resource": 1}, "space": {"x": {"type": "unifrom", "low": 0, "high": 1}}}, 'did you mean `uniform`'),
    ({"study": {"name": "a/b"}}, "a file name"),
    ({"study": {"name": "a"}, "space": {"x": {"type": "choice", "values": [None]}}}, "space.x.values"),
]:
    try:
        hpo.Study(tables).ask()
    except (hpo.StudyError, ValueError, TypeError) as error:
        assert expected in str(error), error
    else:
        raise SystemExit(f"not refused: {tables}")
space = {"x": {"type": "uniform", "low": 0.0, "high": 1.0}}
with hpo.Study({"study": {"name": "b", "trials": 1}, "policy": {"type": "none", "max_resource": 1}, "space": space}) as study:
    trial = study.ask()
    try:
        trial.report(loss=1.0, state={"epoch": 1})
    except TypeError as error:
        assert "state must be bytes" in str(error), error
    else:
        raise SystemExit("not refused: a state that is not bytes")
    trial.report(loss=1.0)
"#;
    python(&place, program, "").ok();
}

#[test]
fn a_study_that_a_program_drives_says_so_if_it_is_searched_without_it() {
    let place = Place::new();
    python(&place, DRIVES, "0");
    let module = repository().join("python");
    // The search of the program that was killed takes a moment to end.
    let search = format!(
        "export PYTHONPATH='{}'; while hpo search s.toml 2> said; code=$?; grep -q 'is in use' said; do :; done; cat said >&2; exit $code",
        module.display()
    );
    place
        .shell(&search)
        .fails(1, &["driven by a Python program", "instead of `hpo search`"]);
}

#[test]
fn a_script_asks_what_to_do_and_reports_as_it_likes() {
    let place = Place::new();
    let study = r#"
[study]
trials = 4
objective = "acc@1"
direction = "maximize"
[policy]
max_resource = 3
[trial]
command = ["python3", "program.py"]
[slots]
devices = "cpu"
[space]
x = { type = "uniform", low = 0.0, high = 1.0 }
"#;
    std::fs::write(place.path("t.toml"), study).unwrap();
    let program = r#"
import copy, hpo, math, sys

config = hpo.config(x=0.5, momentum=0.9)
assert config["momentum"] == 0.9 and config.get("none") is None
try:
    config["nothing"]
except KeyError as error:
    assert "momentum, x" in str(error), error
try:
    config.momentum
except AttributeError as error:
    assert "the parameter momentum is config['momentum']" in str(error), error
else:
    raise SystemExit("an attribute")
assert not hasattr(config, "nothing") and copy.copy(config)["momentum"] == 0.9
if config.trial is None:
    assert config["x"] == 0.5 and config.resource is None
else:
    assert config.checkpoint_dir.is_dir() and config.max == 3 and config.seed > 0
state = config.resume_from and config.resume_from / "epoch"
assert config.start == int(state.read_text() if state else 0), config
for epoch in range(config.start + 1, (config.resource or 1) + 1):
    print("50 %|###", end="")

    class Tensor:
        def __float__(self):
            return config["x"] / epoch

    hpo.report(metrics={"acc@1": Tensor()}, other=math.inf)
    if config.checkpoint_dir:
        (config.checkpoint_dir / "epoch").write_text(str(epoch))
for wrong in [{}, {"loss": "low"}, {"metrics": {"loss": 1}, "loss": 2}]:
    try:
        hpo.report(**wrong)
    except (TypeError, ValueError):
        pass
    else:
        raise SystemExit(f"not refused: {wrong}")
assert not hpo.should_stop()
"#;
    assert_eq!(python(&place, program, "").ok().stdout(), "50 %|###");
    let module = repository().join("python");
    let search = format!("PYTHONPATH='{}' hpo search t.toml", module.display());
    place.shell(&search).fails(
        1,
        &["uses the Python module `hpo`: write `script = true` under [trial]"],
    );
    std::fs::write(place.path("t.toml"), study.replace("[slots]", "script = true\n[slots]")).unwrap();
    place.shell(&search).ok();
    let rows = place.shell("hpo trials t --json").ok().json();
    let best = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["state"] == "completed");
    assert!(best.count() >= 1, "{rows}");
}

/// What `hpo.ray` uses of Ray, within its process. What Ray prints goes to standard output.
const RAY: &str = r#"
import concurrent.futures as futures, types

pool = futures.ThreadPoolExecutor()

class exceptions:
    class RayError(Exception):
        pass

def init(**options):
    print("Ray has started", options["address"])

def remote(actor):
    def new(**options):
        assert options["num_cpus"] == 0.5 and options["resources"] == {"big": 1}, options
        return types.SimpleNamespace(remote=lambda command: Handle(actor(command)))
    return types.SimpleNamespace(options=new)

class Handle:
    def __init__(self, keeper):
        self.keeper = keeper

    def __getattr__(self, name):
        call = getattr(self.keeper, name, None)
        return types.SimpleNamespace(remote=lambda *words: pool.submit(call, *words))

def wait(refs, timeout):
    return [list(each) for each in futures.wait(refs, timeout)]

def get(ref):
    return ref.result()

def shutdown():
    print("Ray has ended")
"#;

#[test]
fn a_launcher_for_ray_passes_streams_and_the_exit_code_on() {
    let place = Place::new();
    std::fs::write(place.path("ray.py"), RAY).unwrap();
    let path = format!(
        "PYTHONPATH={}:{}",
        place.path("").display(),
        repository().join("python").display()
    );
    let launch = [
        "env",
        &path,
        "python3",
        "-m",
        "hpo.ray",
        "--num-cpus",
        "0.5",
        "--resources",
        r#"{"big": 1}"#,
        "--",
    ];
    let by_hand = |script: &str| {
        let words = launch.map(|word| format!("'{word}'")).join(" ");
        place.shell(&format!("{words} sh -c '{script}'"))
    };
    let whole = by_hand("head -c 300000 /dev/zero; cat >&2; exit 7");
    assert_eq!((whole.0.status.code(), whole.0.stdout.len()), (Some(7), 300_000));
    let killed = by_hand("cat; kill -9 $$");
    assert_eq!((killed.0.status.code(), killed.stdout()), (Some(137), String::new()));
    assert!(killed.stderr().contains("Ray has started auto"), "{}", killed.stderr());
    // What it leaves running holds its streams open, and is ended.
    assert_eq!(by_hand("sleep 600 & exit 3").0.status.code(), Some(3));

    place.search(&place.space("here", 4, 1, EXAMPLE, "")).ok();
    place
        .search(&place.space_on("there", 4, &place.machine(&launch), EXAMPLE, ""))
        .ok();
    assert_eq!(place.answer("here"), place.answer("there"));
}

#[test]
fn a_launcher_for_ray_says_what_it_needs() {
    let place = Place::new();
    std::fs::write(place.path("ray.py"), "raise ImportError('none')").unwrap();
    let path = format!("{}:{}", place.path("").display(), repository().join("python").display());
    let run = |words: &str| place.shell(&format!("PYTHONPATH='{path}' python3 -m hpo.ray {words}"));
    run("-- true").fails(1, &["hpo.ray needs Ray", "pip install ray"]);
    run("--num-gpus 1").fails(2, &["write -- and the command"]);
}

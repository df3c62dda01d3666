//! Trainers as they are found: what they print beside their messages, numbers that are not finite, programs of another kind.

use std::path::{Path, PathBuf};

use hpo_test_support::{Place, WILD};
use rustix::process::Signal;

/// The file of a study whose trainer is this program.
fn with_program(place: &Place, name: &str, program: &str) -> PathBuf {
    let script = place.path(&format!("{name}.py"));
    std::fs::write(&script, program).unwrap();
    place.space(name, 3, 1, script.to_str().unwrap(), "")
}

fn log(place: &Place, study: &str, name: &str) -> String {
    let log = place.study(study).join("logs").join(name);
    String::from_utf8(std::fs::read(log).unwrap()).unwrap()
}

#[test]
fn a_message_is_understood_whatever_stands_beside_it() {
    let place = Place::new();
    place.search(&place.space("plain", 9, 2, WILD, "")).ok();
    for (n, how) in [
        "a bar before",
        "a long bar before",
        "colours",
        "a sentence before",
        "carriage returns",
        "dictionaries between",
        "two on a line",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("wild-{n}");
        place
            .search(&place.space(&name, 9, 2, WILD, &format!("how = {how:?}")))
            .ok();
        assert_eq!(place.answer(&name), place.answer("plain"), "{how}");
        assert!(place.facts(&name, "segment_failed").is_empty(), "{how}");
    }
    let bar = log(&place, "wild-0", "trial-0000.log");
    assert!(
        bar.starts_with("\rtraining:   0%|          |\rtraining:  50%|#####     |\rtraining: 100%|"),
        "{bar}"
    );
    assert!(log(&place, "wild-5", "trial-0000.log").contains("{'loss': 0.69, 'grad_norm': nan"));
}

/// Python keeps what it prints to a pipe in a buffer, unless it is asked not to. Who has asked for either gets it.
#[test]
fn a_python_trainer_need_not_flush() {
    let place = Place::new();
    let file = place.space("s", 3, 1, WILD, "how = \"no flush\"");
    let search = || place.hpo(&["search".as_ref(), file.as_os_str()]);
    let ended = search().env_remove("PYTHONUNBUFFERED").output().unwrap();
    hpo_test_support::Run(ended).ok();
    let set = with_program(
        &place,
        "set",
        "import json, os\ninput()\nprint(json.dumps({'type': 'fatal', 'message': os.environ['PYTHONUNBUFFERED'] + '!'}), flush=True)\ninput()",
    );
    let mut search = place.hpo(&["search".as_ref(), set.as_os_str()]);
    let ended = search.env("PYTHONUNBUFFERED", "0").output().unwrap();
    hpo_test_support::Run(ended).fails(1, &["no trial can run: 0!"]);
}

#[test]
fn a_loss_that_is_not_finite_ends_its_trial_once_however_it_is_written() {
    let place = Place::new();
    for (n, word) in ["NaN", "nan", "-Infinity", "inf", "null", "1e999", "\"NaN\""]
        .into_iter()
        .enumerate()
    {
        let name = format!("s{n}");
        let loss = format!("loss = '\"loss\": {word}'");
        let stderr = place.search(&place.space(&name, 9, 1, WILD, &loss)).ok().stderr();
        assert_eq!(
            stderr.matches("trial 1: diverged at epoch 1").count(),
            1,
            "{word}: {stderr}"
        );
        assert!(place.facts(&name, "segment_failed").is_empty(), "{word}: {stderr}");
        let trials = place.run(&["trials", &name, "--json"]).json();
        assert_eq!(
            (&trials[1]["state"], &trials[1]["attempts"]),
            (&"diverged".into(), &1.into()),
            "{word}"
        );
    }
}

#[test]
fn a_metric_that_is_not_finite_is_left_out_and_reported_once() {
    let place = Place::new();
    for (n, word) in ["NaN", "nan", "Infinity", "-inf", "null", "-1e999"]
        .into_iter()
        .enumerate()
    {
        let name = format!("s{n}");
        let metric = format!("metric = '{word}'\nloss = '\"loss\": 0.001'");
        let stderr = place.search(&place.space(&name, 9, 1, WILD, &metric)).ok().stderr();
        assert_eq!(stderr.matches("special is not finite").count(), 1, "{word}: {stderr}");
        let trials = place.run(&["trials", &name, "--json"]).json();
        assert_eq!(trials[1]["state"], "completed", "{word}");
        assert_eq!(trials[1]["metrics"], serde_json::json!({ "accuracy": 0.5 }), "{word}");
        assert_eq!(trials[0]["metrics"]["special"], 0.25, "{word}");
    }
}

#[test]
fn an_objective_that_is_not_finite_ends_its_trial() {
    let place = Place::new();
    let file = place.space("s", 9, 1, WILD, "metric = 'NaN'");
    let text = std::fs::read_to_string(&file).unwrap();
    let objective = "[study]\nobjective = \"special\"\ndirection = \"maximize\"";
    std::fs::write(&file, text.replace("[study]", objective)).unwrap();
    let stderr = place.search(&file).ok().stderr();
    assert_eq!(stderr.matches("trial 1: diverged at epoch 1").count(), 1, "{stderr}");
    assert!(!stderr.contains("left out"), "{stderr}");
    let trial = &place.run(&["trials", "s", "--json"]).json()[1];
    assert_eq!((&trial["state"], &trial["failures"]), (&"diverged".into(), &0.into()));
}

#[test]
fn a_loss_among_the_metrics_is_left_out_and_reported_once() {
    let place = Place::new();
    let file = place.space("s", 9, 1, WILD, "metric = '0.5, \"loss\": 7.0'");
    let stderr = place.search(&file).ok().stderr();
    assert_eq!(stderr.matches("a `loss` among its metrics").count(), 1, "{stderr}");
    assert!(!stderr.contains("7.0"), "{stderr}");
    let trial = &place.run(&["trials", "s", "--json"]).json()[1];
    assert_eq!(trial["metrics"], serde_json::json!({ "accuracy": 0.5, "special": 0.5 }));
}

#[test]
fn trials_that_are_all_alike_are_called_that() {
    let place = Place::new();
    let constant = "import json, os, sys\n\
                    for line in sys.stdin:\n    o = json.loads(line)\n    \
                    if o['type'] == 'start':\n        print(json.dumps({'type': 'ready', 'protocol': 1, 'trainer': 't'}))\n        continue\n    \
                    s = {'trial': o['trial'], 'attempt': o['attempt']}\n    \
                    for e in range(o['from'] + 1, o['to'] + 1):\n        c = os.path.join(o['checkpoints'], f\"{o['attempt']}-{e}\")\n        \
                    open(c, 'w').close()\n        print(json.dumps({'type': 'report', 'resource': float(e), 'loss': 0.5, 'checkpoint': c, **s}))\n    \
                    print(json.dumps({'type': 'done', **s}))\n";
    let stdout = place.search(&with_program(&place, "s", constant)).ok().stdout();
    let said = "all 3 trials have the same loss, 0.5000: it depends on nothing that was searched";
    assert!(stdout.starts_with(said), "{stdout}");
    assert!(place.run(&["status", "s"]).ok().stdout().starts_with(said));
}

#[test]
fn a_report_that_never_came_is_named_with_what_came_instead() {
    let place = Place::new();
    let pretty = "import json, sys\n\
                  for line in sys.stdin:\n    o = json.loads(line)\n    \
                  if o['type'] == 'start':\n        print(json.dumps({'type': 'ready', 'protocol': 1, 'trainer': 't'}))\n        continue\n    \
                  s = {'trial': o['trial'], 'attempt': o['attempt']}\n    \
                  print(json.dumps({'type': 'report', 'resource': 1, 'loss': 0.5, **s}, indent=1))\n    \
                  print(json.dumps({'type': 'done', **s}))\n";
    let said = ["sent `done` without a report of resource 1", "\"type\": \"report\""];
    place.search(&with_program(&place, "s", pretty)).fails(1, &said);
}

#[test]
fn a_report_without_a_loss_is_the_trainers_mistake() {
    let place = Place::new();
    let stderr = place
        .search(&place.space("s", 9, 1, WILD, "loss = '\"val_loss\": 0.5'"))
        .ok()
        .stderr();
    let said = "trial 1: failed and is given up: the report at resource 1 lacks `loss`, the study's objective: it has accuracy, special";
    assert!(stderr.contains(said), "{stderr}");
    assert_eq!(place.run(&["trials", "s", "--json"]).json()[1]["state"], "failed");
}

#[test]
fn a_program_that_does_not_speak_the_protocol_is_reported_at_once() {
    let place = Place::new();
    for (name, program) in [
        ("prints", "for epoch in range(3): print('epoch', epoch, 'loss', 0.5)"),
        ("silent", ""),
        ("lines", "import json\nprint(json.dumps({'epoch': 1, 'loss': 0.5}))"),
    ] {
        let stderr = place
            .search(&with_program(&place, name, program))
            .fails(
                1,
                &[
                    "no trial can run",
                    "does not speak the worker protocol",
                    "docs/trainers.md",
                ],
            )
            .stderr();
        assert_eq!(stderr.matches("worker protocol").count(), 1, "{stderr}");
        assert_eq!(stderr.contains("epoch 2 loss 0.5"), name == "prints", "{stderr}");
    }
    let repr = "input()\nprint({'type': 'ready', 'protocol': 1, 'trainer': 't'})\ninput()";
    let said = ["no message of the protocol", "key must be a string", "{'type': 'ready'"];
    place.search(&with_program(&place, "repr", repr)).fails(1, &said);
}

fn remark(place: &Place, file: &Path, said: &[&str]) {
    let mut running = place.start(file);
    let line = running.next_line("has not sent `ready` for 5 seconds").unwrap();
    for said in said {
        assert!(line.contains(said), "{line}");
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait().0, 130);
}

#[test]
fn a_worker_that_sends_nothing_is_remarked_on_soon() {
    let place = Place::new();
    let runs_on = "import time\nprint('epoch 1: loss 0.5')\ntime.sleep(600)";
    remark(
        &place,
        &with_program(&place, "text", runs_on),
        &["What it has printed is no message", "docs/trainers.md"],
    );
    let buffers = "import sys, time\ninput()\nsys.stdout = open(1, 'w', buffering=9999)\nprint('{\"type\": \"ready\"}')\ntime.sleep(600)";
    remark(
        &place,
        &with_program(&place, "kept", buffers),
        &["It has printed nothing", "flush standard output"],
    );
    let endless =
        "import sys, time\ninput()\nsys.stdout.write('{\"type\": \"ready\"}')\nsys.stdout.flush()\ntime.sleep(600)";
    remark(
        &place,
        &with_program(&place, "endless", endless),
        &["end the message with a newline"],
    );
}

/// As `nohup`, shells without job control and supervisors have it: the search goes on, and its workers can still be ended.
#[test]
fn signals_that_hpo_was_started_to_ignore_stay_ignored() {
    let place = Place::new();
    let fifo = place.pipe("fifo");
    let file = place.space("s", 1, 1, WILD, &format!("how = \"signals\"\nfifo = {fifo:?}"));
    let mut running = place.start_ignoring(&file, "HUP INT TERM");
    assert!(running.wait_for("trial 0: epoch 0 to 1", 1));
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        running.signal(signal);
    }
    // It is opened for each segment.
    let opened = std::thread::spawn(move || while std::fs::write(&fifo, "").is_ok() {});
    let (code, stderr) = running.wait();
    drop(opened);
    assert_eq!(code, 0, "{stderr}");
    let trial = &place.run(&["trials", "s", "--json"]).json()[0];
    assert_eq!(trial["metrics"], serde_json::json!({ "hup": 0.0, "term": 1.0 }));

    let file = place.space("one", 3, 1, WILD, &format!("fifo = {:?}", place.pipe("other")));
    let mut running = place.start_ignoring(&file, "INT");
    assert!(running.wait_for("trial 0: epoch 0 to 1", 1));
    running.signal(Signal::INT);
    running.signal(Signal::HUP);
    assert!(running.wait_for("stopping", 1));
    running.signal(Signal::TERM);
    assert_eq!(running.wait().0, 130);
}

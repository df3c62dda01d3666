//! All trials of a study, as they are written for other tools. `tests/export/check.py` reads them with those tools.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use hpo_test_support::{Place, repository};
use serde_json::{Value, json};

/// The name of the study in `tests/export`.
const NAME: &str = "every-kind.1";

/// A place with the study of every kind of parameter, state and name, which has not been searched.
fn place() -> Place {
    let place = Place::new();
    for file in ["study.toml", "trainer.py"] {
        fs::copy(repository().join("tests/export").join(file), place.path(file)).unwrap();
    }
    place
}

fn searched() -> Place {
    let place = place();
    place.search(&place.path("study.toml")).ok();
    place
}

/// The rows of a table of CSV by their columns, read by Python.
fn rows_of_csv(place: &Place, options: &str) -> Vec<BTreeMap<String, String>> {
    let read = "import csv, json, sys; print(json.dumps(list(csv.DictReader(sys.stdin, strict=True))))";
    let rows = place.shell(&format!(
        "hpo export 'studies/{NAME}' --trials csv {options} | python3 -c '{read}'"
    ));
    serde_json::from_value(rows.json()).unwrap()
}

/// A value as CSV has it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[test]
fn tables_and_lists_have_every_trial_and_every_report() {
    let place = searched();
    let listed = place.run(&["trials", NAME, "--json"]).json();
    let trials = place.run(&["export", NAME, "--trials", "json"]).json();
    let (listed, trials) = (listed.as_array().unwrap(), trials.as_array().unwrap());
    let rows = rows_of_csv(&place, "");
    assert_eq!((rows.len(), trials.len(), listed.len()), (12, 12, 12));
    for ((row, trial), summary) in rows.iter().zip(trials).zip(listed) {
        for (key, value) in summary.as_object().unwrap() {
            assert_eq!(trial[key], *value, "{key}");
            match value.as_object() {
                Some(values) => {
                    for (name, value) in values {
                        assert_eq!(row[&format!("{key}.{name}")], cell(value), "{key}.{name}");
                    }
                }
                None => assert_eq!(row[key], cell(value), "{key}"),
            }
        }
        assert_eq!(row["ended"], cell(&trial["ended"]));
        let moments = ["created", "started", "ended"].map(|key| trial[key].as_str().unwrap());
        assert!(moments.is_sorted() && moments[0].ends_with('Z'), "{moments:?}");
        let has_momentum = summary["parameters"]["optimizer"] == "sgd, \"plain\"";
        assert_eq!(row["parameters.momentum"].is_empty(), !has_momentum);
    }
    let failed: Vec<&str> = rows
        .iter()
        .map(|row| row["message"].as_str())
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(failed, ["out of \"luck\",\nand of time"; 2]);

    let mut reports = rows_of_csv(&place, "--reports").into_iter();
    for trial in trials {
        for report in trial["reports"].as_array().unwrap() {
            let row = reports.next().unwrap();
            assert_eq!(row["trial"], cell(&trial["trial"]));
            for key in ["resource", "reported", "objective", "loss"] {
                assert_eq!(row[key], cell(&report[key]), "{key}");
            }
            assert_eq!(row["metrics.genauigkeit ß"], "0.5");
        }
    }
    assert!(reports.next().is_none());
    // The second report of trial 1 is not finite.
    assert_eq!(trials[1]["reports"][1]["objective"], Value::Null);
}

#[test]
fn the_journal_for_optuna_has_what_its_storage_replays() {
    let place = searched();
    let file = place.path("optuna.log");
    place
        .run(&["export", NAME, "--trials", "optuna", "-o", file.to_str().unwrap()])
        .ok();
    let text = fs::read_to_string(&file).unwrap();
    let operations: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (
            &operations[0]["op_code"],
            &operations[0]["study_name"],
            &operations[0]["directions"]
        ),
        (&json!(0), &json!(NAME), &json!([2]))
    );
    let of = |code: u64| operations.iter().filter(move |operation| operation["op_code"] == code);
    let trials = place.run(&["export", NAME, "--trials", "json"]).json();
    let created: Vec<&Value> = of(4).collect();
    assert_eq!(created.len(), 12);
    for (created, trial) in created.iter().zip(trials.as_array().unwrap()) {
        for (name, value) in trial["parameters"].as_object().unwrap() {
            let text = created["distributions"][name].as_str().unwrap();
            let distribution: Value = serde_json::from_str(text).unwrap();
            let internal = &created["params"][name];
            match distribution["attributes"]["choices"].as_array() {
                Some(choices) => assert_eq!(choices[internal.as_u64().unwrap() as usize], *value, "{name}"),
                None => assert_eq!(internal, value, "{name}"),
            }
        }
        assert_eq!(
            created["params"].as_object().unwrap().len(),
            trial["parameters"].as_object().unwrap().len()
        );
        let id = &trial["trial"];
        let last = of(6).rfind(|operation| operation["trial_id"] == *id).unwrap();
        let (state, values) = match trial["state"].as_str().unwrap() {
            "completed" => (1, json!([trial["objective"]])),
            "pruned" => (2, json!([trial["objective"]])),
            _ => (3, Value::Null),
        };
        assert_eq!((&last["state"], &last["values"]), (&json!(state), &values));
        let steps = of(7).filter(|operation| operation["trial_id"] == *id).count();
        let reports = trial["reports"].as_array().unwrap();
        assert_eq!(
            steps,
            reports.iter().filter(|report| !report["objective"].is_null()).count()
        );
    }
    let best = of(2)
        .filter_map(|operation| operation["user_attr"].get("best_trial"))
        .next_back()
        .unwrap();
    assert_eq!(*best, place.run(&["export", NAME, "--format", "json"]).json()["trial"]);
}

#[test]
fn what_is_followed_has_in_the_end_what_is_written_afterwards() {
    let place = place();
    let hold = place.pipe("hold");
    let hold_name = [("HPO_TEST_HOLD", hold.to_str().unwrap())];
    let mut search = place.start_with(&place.path("study.toml"), &hold_name);
    assert!(search.wait_for("trial 7: epoch 0", 1));
    let formats = ["csv", "json", "parquet", "optuna", "tensorboard"];
    let followed = formats.map(|format| {
        let target = place.path(&format!("{format}-live"));
        let target = target.to_str().unwrap();
        let mut follow = place.start_hpo(&["export", NAME, "--trials", format, "-o", target, "--follow"], &[]);
        assert!(follow.wait_for("what is new follows", 1));
        follow
    });
    assert!(!place.path("tensorboard-live/trial-0008").exists());
    fs::write(&hold, "").unwrap();
    assert_eq!(search.wait().0, 0);
    for follow in followed {
        let (code, stderr) = follow.wait();
        assert_eq!((code, stderr.as_str()), (0, ""));
    }
    for format in formats {
        let target = place.path(format);
        place
            .run(&["export", NAME, "--trials", format, "-o", target.to_str().unwrap()])
            .ok();
        let live = place.path(&format!("{format}-live"));
        match format {
            // What is appended comes in another order.
            "optuna" => assert_eq!(sorted_lines(&live), sorted_lines(&target)),
            "tensorboard" => {
                let same = format!("diff -r {} {}", live.display(), target.display());
                place.shell(&same).ok();
            }
            _ => assert_eq!(fs::read(&live).unwrap(), fs::read(&target).unwrap(), "{format}"),
        }
    }
    let left: Vec<_> = fs::read_dir(place.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().contains("partial")),
        "{left:?}"
    );
}

/// The operations that a trial ends up with: those that say that it has not begun, or which was the best before, are left out.
fn sorted_lines(file: &std::path::Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.contains("best_trial") && !line.contains("datetime_start"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// A server that takes whatever it is sent, and passes it on: the method, the path and the body.
fn tracking_server() -> (String, Receiver<(String, String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        let mut runs = 0;
        for stream in listener.incoming() {
            let request = read_request(&stream.as_ref().unwrap().try_clone().unwrap());
            let path = request.1.rsplit("mlflow/").next().unwrap().to_owned();
            runs += u32::from(path == "runs/create");
            let (status, answer) = match path.split('?').next().unwrap() {
                "experiments/get-by-name" => ("404 Not Found", json!({ "message": "there is none" })),
                "experiments/create" => ("200 OK", json!({ "experiment_id": "7" })),
                "runs/create" => {
                    let artifacts = format!("mlflow-artifacts:/7/r{runs}/artifacts");
                    let info = json!({ "run_id": format!("r{runs}"), "artifact_uri": artifacts });
                    ("200 OK", json!({ "run": { "info": info } }))
                }
                _ => ("200 OK", json!({})),
            };
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            stream.unwrap().write_all((head + &answer).as_bytes()).unwrap();
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

fn read_request(mut stream: &TcpStream) -> (String, String, Value) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
            let length = length.map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                let mut words = head.split(' ');
                let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
                return (method, path, serde_json::from_str(body).unwrap_or_else(|_| json!(body)));
            }
        }
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "a request has no end: {text}");
        bytes.extend_from_slice(&chunk[..read]);
    }
}

#[test]
fn a_tracking_server_is_sent_a_run_for_each_trial_below_that_of_the_study() {
    let place = searched();
    let (address, requests) = tracking_server();
    place.run(&["export", NAME, "--trials", "mlflow", "-o", &address]).ok();
    let sent: Vec<(String, String, Value)> = requests.try_iter().collect();
    let of = |call: &'static str| {
        sent.iter()
            .filter(move |(_, path, _)| path.ends_with(call))
            .map(|(_, _, body)| body)
    };
    assert_eq!(of("experiments/create").next().unwrap()["name"], NAME);
    let names: Vec<&str> = of("runs/create").map(|run| run["run_name"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[0], names[12]), (13, NAME, "trial-0011"));
    let has_parent = |run: &&Value| run["tags"][0] == json!({ "key": "mlflow.parentRunId", "value": "r1" });
    assert_eq!(of("runs/create").filter(has_parent).count(), 12);
    let logged = |kind: &'static str, key: &'static str| {
        of("runs/log-batch")
            .flat_map(move |batch| batch[kind].as_array().cloned().unwrap_or_default())
            .filter(move |value| value["key"] == key)
            .count()
    };
    let trials = place.run(&["export", NAME, "--trials", "json"]).json();
    let reports = trials
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|trial| trial["reports"].as_array().unwrap());
    let finite = reports.filter(|report| !report["objective"].is_null()).count();
    assert_eq!(logged("metrics", "ndcg_10"), finite);
    assert_eq!(
        (logged("params", "Weight.decay-x"), logged("params", "optimizer")),
        (12, 12)
    );
    let ended: Vec<&str> = of("runs/update")
        .map(|update| update["status"].as_str().unwrap())
        .collect();
    assert_eq!(ended.iter().filter(|status| **status == "FAILED").count(), 3);
    let files: Vec<&String> = sent
        .iter()
        .filter(|(method, _, _)| method == "PUT")
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(
        files.last().unwrap().as_str(),
        "/api/2.0/mlflow-artifacts/artifacts/7/r1/artifacts/best.toml"
    );
}

#[test]
fn nothing_is_overwritten_or_written_where_it_can_not_be() {
    let place = searched();
    let study = format!("'studies/{NAME}'");
    for (options, parts) in [
        ("--trials parquet", ["--trials parquet needs a file", "--output"]),
        ("--trials optuna", ["--trials optuna needs a file", "--output"]),
        (
            "--trials tensorboard",
            ["--trials tensorboard needs a directory", "--output"],
        ),
        ("--trials json --reports", ["json is none", "csv or parquet"]),
        ("--trials csv -o trainer.py", ["trainer.py already exists", "--force"]),
        (
            "--trials tensorboard -o studies",
            ["studies already exists", "does not exist"],
        ),
        (
            "--trials mlflow",
            ["needs the address of a tracking server", "mlflow server"],
        ),
        (
            "--trials mlflow -o runs",
            ["`runs` is not the address", "http://localhost:5000"],
        ),
        ("--trials csv --follow", ["--output", "required"]),
        ("--reports", ["--trials", "required"]),
        ("--trials csv --format json", ["--trials", "--format"]),
        ("--trials excel", ["excel", "tensorboard"]),
    ] {
        place
            .shell(&format!("unset MLFLOW_TRACKING_URI; hpo export {study} {options}"))
            .fails(2, &parts);
    }
    let closed = format!("hpo export {study} --trials mlflow -o http://127.0.0.1:1");
    place.shell(&closed).fails(1, &["http://127.0.0.1:1: "]);
    place
        .shell(&format!("hpo export {study} --trials csv -o t.csv && echo > t.csv"))
        .ok();
    place.shell(&format!("hpo export {study} --trials csv -o t.csv --force && test -s t.csv && hpo export {study} --trials csv | diff - t.csv")).ok();
    place
        .shell(&format!(
            "hpo export {study} --trials csv | head -1 && hpo export {study} --trials csv -o /dev/stdout | head -1"
        ))
        .ok();
}

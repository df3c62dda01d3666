//! Results of other tools, as what a new study knows.

use std::fs;

use hpo_test_support::{Place, WHOLE};
use serde_json::{Value, json};

/// A study of a parameter `x`, a choice and one that depends on it, with rungs at 1, 3 and 9.
fn place() -> Place {
    let place = Place::new();
    let file = place.space("s", 9, 1, WHOLE, "");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("type = \"random\"", "type = \"tpe\"");
    let more = "kind = { type = \"choice\", values = [\"a\", true, 3] }\n\
                depth = { type = \"integer\", low = 1, high = 8, when = { kind = \"a\" } }\n";
    fs::write(file, text + more).unwrap();
    place
}

fn results(place: &Place) -> Vec<Value> {
    place.facts("s", "earlier_result")
}

#[test]
fn rows_of_a_table_are_known_at_the_rungs_they_came_to() {
    let place = place();
    let table = "params_x,kind,depth,epochs,state,loss,note\n\
                 0.25,a,4,9,completed,0.5,\"fine, so far\"\n\
                 0.5,True,,3,pruned,0.75,\n\
                 0.75,3,,1,diverged,nan,\n\
                 0.125,3.0,,4,pruned,0.9,\n\
                 0.5,a,4,9,failed,,\n\
                 7,a,4,9,completed,0.1,\n\
                 0.3,b,,9,completed,0.1,\n";
    fs::write(place.path("t.csv"), table).unwrap();
    let run = place.shell("hpo import csv t.csv s.toml").ok();
    for part in [
        "t.csv: 3 of 7 trials taken, which the sampler knows",
        "1 that have failed",
        "1 without a result at a rung",
        "with `x` outside 0 to 1",
        "with `kind` other than a, true, 3",
        "assumed: `loss` has the study's objective, `loss`",
        "the columns note do not matter",
        "search with:\n  hpo search s.toml",
    ] {
        assert!(run.stderr().contains(part), "no {part:?} in {}", run.stderr());
    }
    let known: Vec<(Value, Value, Value)> = results(&place)
        .iter()
        .map(|result| {
            (
                result["number"].clone(),
                result["parameters"].clone(),
                result["values"].clone(),
            )
        })
        .collect();
    assert_eq!(
        known,
        [
            (
                json!(0),
                json!({ "x": 0.25, "kind": "a", "depth": 4 }),
                json!([[9, 0.5]])
            ),
            (json!(1), json!({ "x": 0.5, "kind": true }), json!([[3, 0.75]])),
            (json!(2), json!({ "x": 0.75, "kind": 3 }), json!([])),
        ]
    );
    place.shell("hpo search s.toml").ok();
    let trials = place.run(&["trials", "s", "--json"]).json();
    assert_eq!(
        (&trials[0]["parameters"]["x"], trials.as_array().unwrap().len()),
        (&json!(0.25), 9)
    );
    place
        .shell("hpo import csv t.csv s.toml")
        .fails(2, &["the study s is there already", "another `name`"]);
}

#[test]
fn what_was_exported_can_be_imported() {
    let place = place();
    place
        .shell("hpo search s.toml && hpo export s --trials csv -o t.csv && hpo export s --trials optuna -o t.log")
        .ok();
    let text = fs::read_to_string(place.path("s.toml")).unwrap();
    for (name, command) in [("c", "csv t.csv c.toml"), ("o", "optuna t.log o.toml")] {
        fs::write(place.path(&format!("{name}.toml")), &text).unwrap();
        let run = place
            .shell(&format!("hpo import {command} && hpo search {name}.toml"))
            .ok();
        assert!(run.stderr().contains("9 of 9 trials taken"), "{}", run.stderr());
        assert!(!run.stderr().contains("do not matter"), "{}", run.stderr());
        let trials = place.run(&["trials", "s", "--json"]).json();
        let known = place.facts(name, "earlier_result");
        for (result, trial) in known.iter().zip(trials.as_array().unwrap()) {
            assert_eq!(result["parameters"], trial["parameters"]);
            let last = result["values"].as_array().unwrap().last().unwrap();
            assert_eq!(
                (&last[0], &last[1]),
                (&trial["resource"], &trial["objective"]),
                "{name}"
            );
        }
        // Optuna has the values at all rungs, the table that at the last one.
        let rungs: usize = known
            .iter()
            .map(|result| result["values"].as_array().unwrap().len())
            .sum();
        assert_eq!(rungs, if name == "o" { 9 + 3 + 1 } else { 9 });
    }
}

#[test]
fn of_an_exported_table_only_what_matters_here_is_said() {
    let place = place();
    let table = "trial,state,confirms,resource,resource_unit,objective,seed,created,parameters.x,parameters.kind,parameters.y,metrics.accuracy\n\
                 0,completed,,9,epochs,0.5,1,2026-01-01T00:00:00Z,0.25,3,1,0.75\n\
                 1,completed,0,9,epochs,0.75,2,2026-01-01T00:00:00Z,0.25,3,1,0.5\n";
    fs::write(place.path("t.csv"), table).unwrap();
    let text = fs::read_to_string(place.path("s.toml")).unwrap();
    let objective = "[study]\nobjective = \"accuracy\"\ndirection = \"maximize\"";
    fs::write(place.path("a.toml"), text.replace("[study]", objective)).unwrap();
    let said = place.shell("hpo import csv t.csv a.toml").ok().stderr();
    for part in [
        "1 of 2 trials taken",
        "1 that confirm others",
        "`metrics.accuracy` has the study's objective, `accuracy`",
        "the columns parameters.y do not matter",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert_eq!(place.facts("a", "earlier_result")[0]["values"], json!([[9, 0.75]]));
    fs::write(place.path("t.csv"), table.replace("epochs", "steps")).unwrap();
    place.shell("hpo import csv t.csv s.toml").fails(
        2,
        &["`steps` is not what this study's resource counts, which is epochs"],
    );
}

#[test]
fn a_journal_of_optuna_is_read_as_optuna_replays_it() {
    let place = place();
    // What is used of Optuna for other storages.
    fs::create_dir_all(place.path("stub/optuna/storages/journal")).unwrap();
    let stub = "import shutil\n\
                class logging:\n    ERROR = 0\n    set_verbosity = staticmethod(lambda level: None)\n\
                def get_all_study_names(storage):\n    return ['mine', storage]\n\
                def copy_study(from_study_name, from_storage, to_storage):\n    shutil.copy('o.log', to_storage)\n";
    fs::write(place.path("stub/optuna/__init__.py"), stub).unwrap();
    fs::write(place.path("stub/optuna/storages/__init__.py"), "JournalStorage = str\n").unwrap();
    let backend = place.path("stub/optuna/storages/journal/__init__.py");
    fs::write(backend, "JournalFileBackend = str\n").unwrap();
    let float =
        r#"{\"name\":\"FloatDistribution\",\"attributes\":{\"step\":null,\"low\":0.0,\"high\":1.0,\"log\":false}}"#;
    let choice = r#"{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":[\"a\",true,3]}}"#;
    let int = r#"{\"name\":\"IntDistribution\",\"attributes\":{\"log\":false,\"step\":1,\"low\":1,\"high\":8}}"#;
    let parameter = |trial: u32, name: &str, internal: &str, distribution: &str| {
        format!(
            "{{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":{trial},\"param_name\":\"{name}\",\"param_value_internal\":{internal},\
             \"distribution\":\"{distribution}\"}}"
        )
    };
    let step = |trial: u32, step: u32, value: &str| {
        format!(
            "{{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":{trial},\"step\":{step},\"intermediate_value\":{value}}}"
        )
    };
    let end = |trial: u32, state: u32, values: &str| {
        format!(
            "{{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":{trial},\"state\":{state},\"values\":{values},\
             \"datetime_complete\":\"2026-01-01T00:00:00\"}}"
        )
    };
    let begin = r#"{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":"2026-01-01T00:00:00"}"#;
    let lines = [
        r#"{"op_code":0,"worker_id":"w","study_name":"mine","directions":[1]}"#.to_owned(),
        begin.into(),
        parameter(0, "x", "0.25", float),
        parameter(0, "kind", "0", choice),
        parameter(0, "depth", "4.0", int),
        step(0, 0, "0.9"),
        step(0, 2, "0.5"),
        step(0, 8, "0.7"),
        end(0, 1, "[0.7]"),
        // It has ended, so this changes nothing.
        step(0, 0, "0.1"),
        begin.into(),
        parameter(1, "x", "0.5", float),
        parameter(1, "kind", "1", choice),
        step(1, 0, "NaN"),
        step(1, 2, "0.75"),
        end(1, 2, "[0.75]"),
        begin.into(),
        parameter(2, "x", "0.75", float),
        parameter(2, "kind", "2", choice),
        end(2, 3, "null"),
        // Being written.
        "{\"op_code\":7,\"work".into(),
    ];
    fs::write(place.path("o.log"), lines.join("\n")).unwrap();
    let run = place.shell("hpo import optuna o.log s.toml").ok();
    assert!(
        run.stderr().contains("2 of 3 trials taken") && run.stderr().contains("the first of which, 0, is 1 here"),
        "{}",
        run.stderr()
    );
    let known: Vec<(Value, Value)> = results(&place)
        .iter()
        .map(|result| (result["parameters"].clone(), result["values"].clone()))
        .collect();
    assert_eq!(
        known,
        [
            (
                json!({ "x": 0.25, "kind": "a", "depth": 4 }),
                json!([[1, 0.9], [3, 0.5], [9, 0.5]])
            ),
            (json!({ "x": 0.5, "kind": true }), json!([[3, 0.75]])),
        ]
    );
    fs::remove_dir_all(place.study("s")).unwrap();
    let other = "PYTHONPATH=stub hpo import optuna postgresql://host/db s.toml";
    place
        .shell(other)
        .fails(2, &["has 2 studies: name one with --study: mine, postgresql://host/db"]);
    place.shell(&format!("{other} --study mine")).ok();
    assert_eq!(results(&place).len(), known.len());
}

#[test]
fn what_can_not_be_taken_is_refused_with_the_place_and_the_fix() {
    let place = place();
    let study = |name: &str, direction: u32| {
        format!("{{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"{name}\",\"directions\":[{direction}]}}\n")
    };
    for (kind, text, options, parts) in [
        (
            "csv",
            "y,loss\n1,2\n".to_owned(),
            "",
            &["t, line 1: no column has the name of a parameter", "x, kind, depth"][..],
        ),
        (
            "csv",
            "x,accuracy\n1,2\n".into(),
            "",
            &["there is no column `loss`", "--objective", "x, accuracy"],
        ),
        (
            "csv",
            "x,loss\n1,2\n".into(),
            "--objective auc",
            &["there is no column `auc`"],
        ),
        (
            "csv",
            "x,loss\n0.5,low\n".into(),
            "",
            &["t, line 2: `low` is not a number"],
        ),
        (
            "csv",
            "x,loss,epochs\n0.5,1,2.5\n".into(),
            "",
            &["t, line 2: `2.5` is not a resource"],
        ),
        (
            "csv",
            "x,loss\n0.5\n".into(),
            "",
            &["t, line 2: the row has 1 cells, the header has 2"],
        ),
        ("csv", "x,x,loss\n0.5,1,1\n".into(), "", &["two columns `x`"]),
        (
            "csv",
            "x,loss\n0.5,\n".into(),
            "",
            &["no trial of the study t can be taken"],
        ),
        (
            "optuna",
            "x,loss\n".into(),
            "",
            &["t, line 1: is not an operation of Optuna's journal", "hpo import csv"],
        ),
        (
            "optuna",
            "SQLite format 3\0…".into(),
            "",
            &["t: ", "copy_study", "sqlite:///t"],
        ),
        (
            "optuna",
            study("a", 1) + &study("b", 1),
            "",
            &["t: has 2 studies", "--study: a, b"],
        ),
        ("optuna", study("a", 1), "--study c", &["has no study `c`", "a"]),
        ("optuna", study("a", 2), "", &["the other direction", "`direction`"]),
    ] {
        fs::write(place.path("t"), text).unwrap();
        place
            .shell(&format!("hpo import {kind} t s.toml {options}"))
            .fails(2, parts);
        assert!(!place.study("s").exists());
    }
    place
        .shell("hpo import csv none.csv s.toml")
        .fails(2, &["can't read none.csv"]);
    place
        .shell("hpo import optuna postgresql://host/db s.toml")
        .fails(2, &["copy_study", "from_storage='postgresql://host/db'"]);
}

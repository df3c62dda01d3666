//! Studies on virtual time, through the real binary.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const STUDY: &str = r#"
[study]
trials = 60
seed = 4
[policy]
max_resource = 27
[sampler]
type = "random"
[trial]
command = ["true"]
[space]
learning_rate = { type = "log_uniform", low = 1e-6, high = 1e-3 }
batch_size = { type = "choice", values = [16, 32, 64, 128] }
dropout = { type = "uniform", low = 0.0, high = 0.5 }
weight_decay = { type = "log_uniform", low = 1e-6, high = 1e-1 }
margin = { type = "uniform", low = 0.05, high = 1.0 }
"#;

fn hpo(directory: &Path, study: &str, arguments: &[&str]) -> Output {
    std::fs::write(directory.join("s.toml"), study).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpo"));
    command
        .current_dir(directory)
        .args(["simulate", "s.toml"])
        .args(arguments);
    command.output().unwrap()
}

fn json(study: &str, arguments: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let output = hpo(directory.path(), study, &[&["--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        1,
        "nothing is written"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_answer_of_a_synchronous_study_depends_on_no_slots_failures_and_lost_connections() {
    let one = json(STUDY, &["--slots", "1"]);
    let mishaps = ["--failures", "0.05", "--outages", "0.2", "--spread", "0.9"];
    let many = json(STUDY, &[&["--slots", "50"][..], &mishaps].concat());
    for key in ["seed", "trials", "counted_epochs", "best", "loss", "regret"] {
        assert_eq!(one[0][key], many[0][key], "{key}");
    }
    assert!(many[0]["seconds"].as_f64() < one[0]["seconds"].as_f64());
    assert_eq!(one[0]["epochs"], one[0]["counted_epochs"], "one slot never runs ahead");
}

/// The losses of a configuration differ from run to run, as its seeds do.
#[test]
fn confirmation_is_simulated_with_the_noise_of_each_run() {
    let study = STUDY.to_owned() + "[confirmation]\nconfigurations = 3\nseeds = 4\n";
    let one = json(&study, &["--slots", "1"]);
    let many = json(&study, &["--slots", "50", "--failures", "0.05", "--spread", "0.9"]);
    for key in ["trials", "counted_epochs", "best", "loss", "regret", "confirmation"] {
        assert_eq!(one[0][key], many[0][key], "{key}");
    }
    let plain = json(STUDY, &["--slots", "1"]);
    assert_eq!(one[0]["trials"], plain[0]["trials"]);
    let epochs = |results: &Value| results[0]["epochs"].as_u64().unwrap();
    assert_eq!(epochs(&one), epochs(&plain) + 3 * 4 * 27);
    for confirmed in one[0]["confirmation"]["configurations"].as_array().unwrap() {
        let losses: Vec<f64> = confirmed["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|loss| loss.as_f64().unwrap())
            .collect();
        let (low, high) = losses.iter().fold((f64::MAX, f64::MIN), |(low, high), &loss| {
            (low.min(loss), high.max(loss))
        });
        assert!(losses.len() == 4 && high > low && high - low < 0.02, "{losses:?}");
    }
}

/// A study of steps is the study of epochs with another name for each resource, if both go to the curves' end.
#[test]
fn steps_are_a_share_of_the_curve() {
    let steps = |every: &str| {
        STUDY.replace(
            "max_resource = 27",
            &format!("resource = \"steps\"\nmin_resource = 100\nmax_resource = 2700\n{every}"),
        )
    };
    let (epochs, sparse, dense) = (
        json(STUDY, &[]),
        json(&steps(""), &[]),
        json(&steps("report_every = 10"), &[]),
    );
    assert_eq!(
        (&epochs[0]["resource_unit"], &sparse[0]["resource_unit"]),
        (&"epochs".into(), &"steps".into())
    );
    let trained = |results: &Value, key: &str| results[0][key].as_u64().unwrap();
    // The noise is another at each resource, so other trials may go on, but as many.
    assert_eq!(
        trained(&sparse, "counted_steps"),
        100 * trained(&epochs, "counted_epochs")
    );
    assert_eq!(trained(&dense, "counted_steps"), trained(&sparse, "counted_steps"));
    let seconds = |results: &Value| results[0]["seconds"].as_f64().unwrap();
    assert!(
        (seconds(&sparse) / seconds(&epochs) - 1.0).abs() < 0.2,
        "{sparse} {epochs}"
    );
    assert!(
        epochs[0]["regret"].as_f64() < Some(0.05) && sparse[0]["regret"].as_f64() < Some(0.05),
        "{sparse} {epochs}"
    );
    assert!(sparse[0].get("epochs").is_none());

    let directory = tempfile::tempdir().unwrap();
    let results = hpo(directory.path(), &steps(""), &["--budgets", "20000,60000"]);
    let results = String::from_utf8(results.stdout).unwrap();
    assert!(
        results.contains("steps  regret") && !results.contains("epoch"),
        "{results}"
    );
    assert_eq!(
        results
            .lines()
            .filter(|line| line.starts_with(" 20000 ") || line.starts_with(" 60000 "))
            .count(),
        2,
        "{results}"
    );
}

#[test]
fn every_policy_comes_to_an_end() {
    let types = [
        "hyperband",
        "asha",
        "async_hyperband",
        "pasha",
        "median_stopping",
        "none",
    ];
    for policy in types {
        let study = STUDY.replace("max_resource", &format!("type = \"{policy}\"\nmax_resource"));
        let results = json(&study, &["--slots", "7", "--failures", "0.02", "--outages", "0.05"]);
        assert_eq!(results[0]["trials"], 60, "{policy}");
        assert!(results[0]["regret"].as_f64().unwrap() < 1.0, "{policy}");
    }
}

/// Where synchronous halving leaves slots idle, they run ahead: brackets of 9 on 8 slots.
#[test]
fn slots_that_run_ahead_are_busier_and_change_no_decision() {
    let brackets = STUDY
        .replace("max_resource", "bracket_size = 9\nmax_resource")
        .replace("trials = 60", "trials = 9");
    let with = json(&brackets, &["--slots", "5", "--repeat", "5"]);
    let without = json(
        &brackets.replace("bracket_size", "speculation = false\nbracket_size"),
        &["--slots", "5", "--repeat", "5"],
    );
    for (with, without) in with.as_array().unwrap().iter().zip(without.as_array().unwrap()) {
        assert_eq!((&with["best"], &with["loss"]), (&without["best"], &without["loss"]));
        assert_eq!(with["counted_epochs"], without["counted_epochs"]);
        assert!(with["seconds"].as_f64() <= without["seconds"].as_f64());
    }
    let sum = |results: &Value| {
        results
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["epochs"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert!(sum(&with) > sum(&without), "nobody ran ahead");
}

/// A winner that came to the last rung ahead of its decision is reported like any other.
#[test]
fn the_answer_is_the_same_on_any_number_of_slots_with_and_without_running_ahead() {
    let hartmann = "[study]\nseed = 61\n[policy]\ntype = \"hyperband\"\nresource = \"examples\"\nmax_resource = 20\n\
                    min_resource = 10\nreport_every = 10\nreduction_factor = 4\nparallel_brackets = 1\n[sampler]\n\
                    type = \"sobol\"\n[trial]\ncommand = [\"none\"]\n[space]\n\
                    x1 = { type = \"uniform\", low = 0, high = 1 }\nx2 = { type = \"uniform\", low = 0, high = 1 }\n\
                    x3 = { type = \"uniform\", low = 0, high = 1 }\n";
    let of_default = |policy: &str| {
        let study = STUDY.replace("type = \"random\"", "type = \"tpe\"");
        let policy = format!("type = \"{policy}\"\nparallel_brackets = 2\nmax_resource");
        study.replace("max_resource", &policy)
    };
    let studies = [
        (hartmann.to_owned(), "hartmann3", "40"),
        (of_default("hyperband"), "curve", "4"),
        (
            of_default("successive_halving").replace("max_resource", "bracket_size = 9\nmax_resource"),
            "curve",
            "4",
        ),
    ];
    let end = u64::MAX.to_string();
    for (study, objective, repeat) in studies {
        let careful = study.replace("[policy]\n", "[policy]\nspeculation = false\n");
        let simulate = |study: &str, slots: &str| {
            let slots = ["--slots", slots, "--objective", objective];
            json(study, &[&slots[..], &["--repeat", repeat, "--budgets", &end]].concat())
        };
        let expected = simulate(&careful, "1");
        for (study, slots) in [&study, &careful]
            .into_iter()
            .flat_map(|study| ["1", "2", "3", "8"].map(|slots| (study, slots)))
        {
            let found = simulate(study, slots);
            for (expected, found) in expected.as_array().unwrap().iter().zip(found.as_array().unwrap()) {
                for key in ["seed", "best", "loss", "regret", "budgets"] {
                    assert_eq!(expected[key], found[key], "{key} on {slots} slots: {found}\n{study}");
                }
            }
        }
    }
}

/// Without a word about policy and sampler, a study is brackets of successive halving, as many of them at once as there are slots.
#[test]
fn by_default_a_study_learns_and_many_slots_have_work() {
    let study = STUDY
        .replace("[sampler]\ntype = \"random\"\n", "")
        .replace("trials = 60", "trials = 70");
    let few = json(&study, &["--slots", "1"]);
    let many = json(&study, &["--slots", "12"]);
    let number = |results: &Value, key: &str| results[0][key].as_f64().unwrap();
    assert!(
        number(&few, "regret") < 0.03 && number(&many, "regret") < 0.03,
        "{few} {many}"
    );
    let one_by_one = study.replace("max_resource", "parallel_brackets = 1\nmax_resource");
    let (few, idle) = (
        json(&one_by_one, &["--slots", "1"]),
        json(&one_by_one, &["--slots", "12"]),
    );
    assert!(
        number(&many, "seconds") < 0.8 * number(&idle, "seconds"),
        "{many} {idle}"
    );
    for key in ["trials", "counted_epochs", "best", "loss"] {
        assert_eq!(few[0][key], idle[0][key], "{key}");
    }
}

/// The share of the time that slots have work while there are trials to begin, on average over some seeds.
#[test]
fn by_default_slots_are_busy_where_one_bracket_after_the_other_leaves_them_idle() {
    let study = STUDY
        .replace("[sampler]\ntype = \"random\"\n", "")
        .replace("trials = 60", "trials = 100");
    let one_by_one = study.replace(
        "max_resource",
        "parallel_brackets = 1\nspeculation = false\nmax_resource",
    );
    let busy = |study: &str, slots: &str, repeat: &str| {
        let results = json(study, &["--slots", slots, "--repeat", repeat]);
        let all: Vec<f64> = results
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["utilisation_until_last_trial"].as_f64().unwrap())
            .collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    let by_default = [busy(&study, "4", "2"), busy(&study, "16", "2")];
    assert!(by_default.iter().all(|&share| share >= 0.98), "{by_default:?}");
    let idle = busy(&one_by_one, "8", "1");
    assert!(idle < 0.5, "{idle}");
}

#[test]
fn thousands_of_trials_on_hundreds_of_slots() {
    let results = json(&STUDY.replace("trials = 60", "trials = 2000"), &["--slots", "200"]);
    assert_eq!(results[0]["trials"], 2000);
    assert!(results[0]["regret"].as_f64().unwrap() < 0.05);
}

#[test]
fn what_cannot_be_simulated_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let simulate = |study: &str, arguments: &[&str]| {
        let output = hpo(directory.path(), study, arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = simulate(STUDY, &["--objective", "hartmann3"]);
    assert!(
        missing.contains("needs a number for the parameter `x1`") && missing.contains("--objective"),
        "{missing}"
    );
    let nothing = STUDY.split("[space]").next().unwrap().to_owned() + "[space]\nx = 1\n";
    assert!(simulate(&nothing, &[]).contains("needs a number for the parameter `learning_rate`"));
    assert!(simulate(STUDY, &["--failures", "1"]).contains("from 0 to below 1"));
    assert!(simulate(STUDY, &["--slots", "0"]).contains("--slots"));
}

/// The README's own study has no weight decay.
#[test]
fn a_study_of_the_embedding_trainer_is_simulated_as_it_is() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let studies = readme.split("```toml\n").skip(1);
    let study = studies
        .map(|text| text.split("```").next().unwrap())
        .find(|text| text.contains("[space]"));
    let directory = tempfile::tempdir().unwrap();
    let output = hpo(directory.path(), study.unwrap(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Curves that a user wrote down: what is found is what the table says, in the time that its epochs took.
#[test]
fn a_table_of_measured_curves_is_searched() {
    let directory = tempfile::tempdir().unwrap();
    let mut rows = String::new();
    for batch in [16, 32] {
        for step in 0..20 {
            let rate = 1e-6 * 1.5f64.powi(step);
            for seed in 0..2 {
                // The best is the last but one of the rates, with batches of 32, on average over both seeds.
                let floor = f64::from((18 - step).abs()) + f64::from(u8::from(batch == 16)) + f64::from(seed) / 4.0;
                let losses: Vec<f64> = (1..=9).map(|epoch| floor + 1.0 / f64::from(epoch)).collect();
                rows += &format!(
                    "{{\"parameters\": {{\"rate\": {rate}, \"batch\": {batch}}}, \"losses\": {losses:?}, \"seed\": {seed}, \
                     \"seconds\": 10}}\n"
                );
            }
        }
    }
    std::fs::write(directory.path().join("t.jsonl"), &rows).unwrap();
    let study = "[study]\ntrials = 60\n[policy]\nmax_resource = 9\n[sampler]\ntype = \"random\"\n[trial]\ncommand = [\"none\"]\n[space]\n\
                 rate = { type = \"log_uniform\", low = 1e-6, high = 1e-2 }\nbatch = { type = \"choice\", values = [16, 32] }\n";
    let arguments = ["--table", "t.jsonl", "--slots", "1", "--spread", "0"];
    let output = hpo(directory.path(), study, &[&arguments[..], &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&results[0]["trials"], &results[0]["regret"]),
        (&60.into(), &0.0.into())
    );
    assert!(
        [1.0 / 9.0, 0.25 + 1.0 / 9.0].contains(&results[0]["loss"].as_f64().unwrap()),
        "{results}"
    );
    assert_eq!(
        results[0]["seconds"].as_f64(),
        results[0]["epochs"].as_f64().map(|epochs| 10.0 * epochs)
    );

    let said = |study: &str, arguments: &[&str]| {
        let output = hpo(directory.path(), study, arguments);
        let (out, err) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        (output.status.code(), out + &err)
    };
    let (code, text) = said(&study.replace("[16, 32]", "[32]"), &arguments);
    assert!(
        code == Some(0) && text.contains("40 measured configurations, 20 of them in the space"),
        "{text}"
    );
    let (code, text) = said(&study.replace("= 9", "= 27"), &arguments);
    assert!(
        code == Some(2) && text.contains("t.jsonl:1:") && text.contains("set `max_resource`"),
        "{text}"
    );
    let (code, text) = said(study, &["--table", "t.jsonl", "--objective", "curve"]);
    assert!(code == Some(2) && text.contains("cannot be used with"), "{text}");
    std::fs::write(
        directory.path().join("t.jsonl"),
        rows + "{\"parameters\": {\"rate\": 1}, \"losses\": [NaN]}",
    )
    .unwrap();
    let (code, text) = said(study, &arguments);
    assert!(
        code == Some(2) && text.contains("t.jsonl:81:") && text.contains("write null"),
        "{text}"
    );
}

/// A program that answers with the curve of each configuration takes the place of a table: the same losses give the same study.
#[test]
fn a_program_can_answer_with_the_curves() {
    let directory = tempfile::tempdir().unwrap();
    let program = "import json, sys\n\
                   for line in sys.stdin:\n\
                   \x20   asked = json.loads(line)\n\
                   \x20   away = abs(asked['parameters']['x'] - 3)\n\
                   \x20   losses = [None if away > 5 and t > 2 else away + 0.5 ** t for t in range(1, 10)]\n\
                   \x20   print(json.dumps({'losses': losses, 'regret': away, 'seconds': 10 + away}), flush=True)\n";
    std::fs::write(directory.path().join("curves.py"), program).unwrap();
    let row = |x: i32| {
        let away = f64::from((x - 3).abs());
        let loss = |t: i32| (away <= 5.0 || t <= 2).then_some(away + 0.5f64.powi(t));
        let losses: Vec<_> = (1..=9).map(loss).collect();
        let row = serde_json::json!({ "parameters": { "x": x }, "losses": losses, "seconds": 10.0 + away });
        format!("{row}\n")
    };
    std::fs::write(directory.path().join("t.jsonl"), (1..=9).map(row).collect::<String>()).unwrap();
    let study = "[study]\ntrials = 12\n[policy]\nmax_resource = 9\n[trial]\ncommand = [\"none\"]\n[space]\n\
                 x = { type = \"integer\", low = 1, high = 9 }\n";
    let run = |study: &str, arguments: &[&str]| {
        let output = hpo(directory.path(), study, arguments);
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), text.concat())
    };
    let arguments = ["--spread", "0", "--slots", "2", "--repeat", "3", "--json"];
    let asked = run(study, &[&arguments[..], &["--evaluator", "python3 curves.py"]].concat());
    assert_eq!(asked, run(study, &[&arguments[..], &["--table", "t.jsonl"]].concat()));
    let studies: Value = serde_json::from_str(&asked.1).unwrap();
    let moments = studies[0]["moments"].as_array().unwrap();
    assert_eq!(moments.last().unwrap()["regret"], studies[0]["regret"]);

    let refused = |study: &str, command: &str, expected: &[&str]| {
        let (code, text) = run(study, &["--evaluator", command]);
        assert_eq!(code, Some(2), "{text}");
        for part in expected {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    refused(
        study,
        "read question",
        &["the evaluator `read question` has ended before its answer to {\"parameters\":"],
    );
    refused(study, "cat", &["unknown field `parameters`", "docs/simulation.md"]);
    refused(
        study,
        "while read question; do echo '{\"losses\": [1], \"regret\": 0}'; done",
        &["1 losses for 9 epochs"],
    );
    let late = "while read question; do echo '{\"losses\": [1,1,1,1,1,1,1,null,1], \"regret\": 0}'; done";
    refused(study, late, &["a loss follows a null"]);
    let steps = study.replace("max_resource", "resource = \"steps\"\nmin_resource = 1\nmax_resource");
    refused(&steps, "cat", &["its resource is steps, but an evaluator gives epochs"]);
    let (code, text) = run(study, &["--evaluator", "cat", "--table", "t.jsonl"]);
    assert!(code == Some(2) && text.contains("cannot be used with"), "{text}");
}

/// As many studies as there are cores run at once: nothing of one shows in another.
#[test]
fn each_of_many_studies_is_what_it_is_alone() {
    let many = json(STUDY, &["--repeat", "7", "--slots", "3"]);
    for (seed, one) in (4..).zip(many.as_array().unwrap()) {
        let alone = json(&STUDY.replace("seed = 4", &format!("seed = {seed}")), &["--slots", "3"]);
        assert_eq!(*one, alone[0]);
    }
}

/// `hpo space check` shows the configurations with which the search begins.
#[test]
fn a_space_is_shown_with_its_size_and_the_first_configurations() {
    let directory = tempfile::tempdir().unwrap();
    let study = STUDY
        .replace(
            "0.5 }\nweight",
            "0.5, step = 0.25, prior = 0.25, prior_confidence = \"low\" }\nweight",
        )
        .replace(
            "[study]\n",
            "[study]\nconstraints = [\"batch_size != 64 or margin < 0.5\", \"momentum > 0.6\"]\n",
        )
        .replace("\"random\"", "\"tpe\"")
        + "momentum = { type = \"uniform\", low = 0.5, high = 0.9, when = { batch_size = [16, 32] } }\n\
           [[try_first]]\nbatch_size = 128\ndropout = 0.25\n";
    std::fs::write(directory.path().join("s.toml"), study).unwrap();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hpo"));
        let output = command
            .current_dir(directory.path())
            .args(["space", "check", "s.toml"])
            .args(arguments)
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let results = check(&[]);
    for part in [
        "6 parameters, 6 of them searched",
        "1.00e-6 to 0.001, logarithmic",
        "0 to 0.5, in steps of 0.25",
        "batch_size is 16 or 32",
        "at most 12 combinations of steps and choices, times 4 continuous parameters",
        "0 to 0.5, in steps of 0.25; best at 0.25? (low confidence)",
        "always: batch_size != 64 or margin < 0.5",
        "tried first: 1 given by the file",
    ] {
        assert!(results.contains(part), "{part}\n{results}");
    }
    let results: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let samples = results["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 5);
    assert_eq!(
        (&samples[0]["batch_size"], &samples[0]["dropout"]),
        (&128.into(), &0.25.into())
    );
    for sample in samples {
        let few = sample["batch_size"].as_u64().unwrap() < 64;
        assert_eq!(sample.get("momentum").is_some(), few, "{sample}");
        let allowed = sample["batch_size"] != 64 || sample["margin"].as_f64() < Some(0.5);
        assert!(allowed && (!few || sample["momentum"].as_f64() > Some(0.6)), "{sample}");
    }
}

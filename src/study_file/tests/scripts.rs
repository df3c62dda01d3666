//! Commands that are scripts.

use super::*;

/// A file with these lines under `[trial]` and `[space]`.
fn file(trial: &str, space: &str) -> String {
    format!("[study]\ntrials = 9\n[policy]\nmax_resource = 9\n[trial]\n{trial}\n[space]\n{space}\n")
}

const SPACE: &str = "lr = { type = \"uniform\", low = 0.0, high = 1.0 }\nkind = { type = \"choice\", values = [\"a\", \"b\"] }\n\
                     beta = { type = \"uniform\", low = 0.0, high = 1.0, when = { kind = \"a\" } }";

fn trainer(trial: &str) -> Trainer {
    parse_at(&file(trial, SPACE)).unwrap().study.trainer
}

#[test]
fn a_command_is_a_script_by_what_it_is_passed_and_by_what_the_file_says() {
    let script = trainer("command = [\"sh\", \"t.sh\", \"{lr}\"]\nseed = 3");
    assert!(script.script && script.seed == Some(3));
    assert_eq!(
        serde_json::json!(script.settings),
        serde_json::json!({ "grace_seconds": 10.0, "resume": true, "stops_early": false })
    );
    let metrics = trainer("command = [\"sh\"]\nmetrics = { loss = 'loss=(\\S+)' }\nresume = false\ngrace_seconds = 3");
    assert_eq!(
        metrics.settings["metrics"],
        serde_json::json!({ "loss": r"loss=(\S+)" })
    );
    assert_eq!(
        (&metrics.settings["resume"], &metrics.settings["grace_seconds"]),
        (&false.into(), &3.0.into())
    );
    for trial in [
        "command = [\"sh\"]\nscript = true",
        "command = [\"sh\"]\nenvironment = { LR = \"{lr}\" }",
    ] {
        let asks = trainer(trial);
        assert!(asks.script && !asks.settings.contains_key("script"), "{trial}");
    }
    let told = trainer("command = [\"sh\", \"{lr}\"]\nscript = false\nresume = 1");
    assert_eq!(
        (told.script, serde_json::json!(told.settings)),
        (false, serde_json::json!({ "resume": 1 }))
    );
    // Braces alone make none: a trainer may be a shell that has functions.
    for command in [
        "[\"sh\", \"-c\", \"f() { echo; }; f\"]",
        "[\"awk\", \"{print}\"]",
        "[\"sh\", \"-c\", \"echo ${lr}\"]",
    ] {
        let other = trainer(&format!("command = {command}\nresume = 1\nscript = \"train.py\""));
        assert!(!other.script && other.settings["resume"] == 1, "{command}");
        assert_eq!(other.settings["script"], "train.py");
    }
}

#[test]
fn all_mistakes_of_a_script_are_reported_at_their_places() {
    let trial = r#"command = ["sh", "{lr_}", "{", "-b{beta}", "--beta={beta}", "run {resume_from}", "{what}"]
metrics = { acc = 'acc', f1 = '(', resource = '(\d+) of (\d+)', loss = 7 }
environment = { HPO_X = "1", B = "}", C = 1, D = "{dr}" }
grace_seconds = -1
resume = "no"
metric = 1"#;
    let space = format!("{SPACE}\nseed = 1\nlr-x = 1\n\"lr.x\" = 2\nstudies = 1");
    let errors = parse_at(&file(trial, &space)).unwrap_err().0.into_iter();
    let reported: Vec<String> = errors
        .map(|error| {
            let (line, column) = error.line_column().unwrap();
            format!(
                "{line}:{column} {}\n= {}",
                error.message,
                error.help.unwrap_or_default()
            )
        })
        .collect();
    let expected = include_str!("scripts.txt");
    assert_eq!(reported.join("\n"), expected.trim_end(), "{}", reported.join("\n"));
}

#[test]
fn the_program_has_no_placeholders_and_files_are_of_the_trial() {
    let message = |trial: &str| parse_at(&file(trial, SPACE)).unwrap_err().0.remove(0).message;
    assert_eq!(
        message("command = [\"{lr}\"]"),
        "`trial.command[0]` is the program, and has a placeholder"
    );
    let elsewhere = message("command = [\"sh\", \"{lr}\"]\nmetrics_file = \"m.csv\"");
    assert!(
        elsewhere.contains("is not in the script's own directory, `{checkpoint_dir}`"),
        "{elsewhere}"
    );
    let lacking = message("command = [\"sh\"]\nmetrics = { acc = '(.)' }");
    assert_eq!(
        lacking,
        "`trial.metrics` has no pattern for `loss`, by which trials are compared"
    );
    let column = message("command = [\"sh\"]\nmetrics_file = \"{checkpoint_dir}/m.csv\"\nmetrics = { acc = 'a' }");
    assert!(column.contains("has no column for `loss`"), "{column}");
}

#[test]
fn files_that_a_script_names_are_inputs() {
    let place = tempfile::tempdir().unwrap();
    for name in ["train.py", "data.csv", "words.txt"] {
        std::fs::write(place.path().join(name), name).unwrap();
    }
    let trial = "command = [\"python3\", \"train.py\", \"{lr}\", \"--data=data.csv\", \"--out\", \"new\"]\nenvironment = { WORDS = \"words.txt\" }";
    let path = place.path().join("s.toml");
    let text = file(trial, SPACE);
    let trainer = parse(&text, &path).unwrap().study.trainer;
    let named = named_inputs(&trainer);
    let read = named.iter().filter(|named| named.read().is_ok());
    let read: Vec<(&str, bool)> = read.map(|named| (named.role.as_str(), named.is_program)).collect();
    assert_eq!(
        read,
        [
            ("command[1]", true),
            ("command[3]", false),
            ("environment[WORDS]", false)
        ]
    );
    let file = parse(&text, &path).unwrap();
    let places = named.iter().filter(|named| named.read().is_ok()).map(|named| {
        let about = about_input(&file, named, "m".into(), "h");
        let span = about.source.unwrap().span;
        text[span].to_owned()
    });
    assert_eq!(
        places.collect::<Vec<_>>(),
        ["\"train.py\"", "\"--data=data.csv\"", "\"words.txt\""]
    );
}

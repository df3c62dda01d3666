//! Spaces through the real binary: what cannot be searched is reported at once, and everything drawn lies in the space.

use hpo_test_support::{Place, Run, WHOLE};

const STUDY: &str = r#"[study]
trials = 27

[policy]
max_resource = 9

[trial]
command = ["true"]

"#;

/// Writes a study with this end, of which `head` is put under `[study]`.
fn written(place: &Place, head: &str, end: &str) -> std::path::PathBuf {
    let path = place.path("s.toml");
    let text = STUDY.replace("trials = 27\n", &format!("trials = 27\n{head}\n")) + end;
    std::fs::write(&path, text).unwrap();
    path
}

fn check(head: &str, end: &str) -> Run {
    let place = Place::new();
    let path = written(&place, head, end);
    place.run(&["space".as_ref(), "check".as_ref(), path.as_os_str()])
}

/// Both the check and the search refuse it with these words, and nothing is written.
#[track_caller]
fn refused(head: &str, end: &str, words: &[&str]) {
    let place = Place::new();
    let path = written(&place, head, end);
    for verb in [&["space", "check"][..], &["search"]] {
        let mut arguments: Vec<&std::ffi::OsStr> = verb.iter().map(|word| word.as_ref()).collect();
        arguments.push(path.as_os_str());
        let run = place.run(&arguments);
        assert_eq!(run.0.status.code(), Some(2), "{}", run.stderr());
        for word in words {
            assert!(run.stderr().contains(word), "{word:?} is not in\n{}", run.stderr());
        }
    }
    assert!(!place.path("studies").exists(), "something was written");
}

#[test]
fn a_first_configuration_that_the_constraints_forbid_is_reported_at_its_table() {
    let end = "[space]\na = { type = \"uniform\", low = 0.0, high = 1.0 }\nb = { type = \"uniform\", low = 0.5, high = 1.0 }\n\
               [[try_first]]\na = 0.2\n[[try_first]]\na = 0.9\n";
    let words = [
        "s.toml:16:1",
        "none of 20000 drawn configurations with these values fulfils the constraints",
        "help: ",
    ];
    refused("constraints = [\"a + b < 1\"]", end, &words);
}

#[test]
fn a_grid_that_nobody_can_count_is_reported() {
    let end = "[sampler]\ntype = \"grid\"\n[space]\na = { type = \"integer\", low = 1, high = 10_000_000_000 }\n\
               b = { type = \"integer\", low = 1, high = 10_000_000_000 }\n";
    refused("", end, &["s.toml:12:8", "more than 2^64 configurations", "help: "]);
}

#[test]
fn a_grid_of_mostly_conditional_parameters_is_drawn_at_once() {
    let mut end =
        "[sampler]\ntype = \"grid\"\n[space]\nkind = { type = \"choice\", values = [0, 1, 2, 3] }\n".to_owned();
    for kind in 0..4 {
        for name in ["a", "b"] {
            let of = "type = \"integer\", low = 1, high = 100";
            end += &format!("{name}{kind} = {{ {of}, when = {{ kind = {kind} }} }}\n");
        }
    }
    let shown = check("", &end).stdout();
    assert!(shown.contains("\n40000 configurations\n"), "{shown}");
    assert!(shown.contains("the first 5 configurations"), "{shown}");
}

#[test]
fn numbers_are_drawn_from_the_tail_of_a_bell() {
    let end = "[space]\na = { type = \"normal\", mean = 0.0, std = 1.0, low = 9.0, high = 10.0 }\n";
    let place = Place::new();
    let path = written(&place, "", end);
    let output = place.run(&["space".as_ref(), "check".as_ref(), path.as_os_str(), "--json".as_ref()]);
    let drawn: Vec<f64> = (output.json()["samples"].as_array().unwrap().iter())
        .map(|sample| sample["a"].as_f64().unwrap())
        .collect();
    assert!(drawn.iter().all(|x| *x > 9.0 && *x < 10.0), "{drawn:?}");
}

#[test]
fn a_sampler_without_a_type_is_the_usual_one() {
    let end = "[sampler]\nstartup_trials = 9\n[space]\na = { type = \"uniform\", low = 0.0, high = 1.0 }\n";
    assert!(check("", end).stdout().contains("the first 5 configurations"));
}

#[test]
fn a_parameter_that_no_configuration_has_is_reported_at_its_condition() {
    let end = "[space]\nb = { type = \"choice\", values = [1, 2] }\n\
               c = { type = \"uniform\", low = 0.0, high = 1.0, step = 0.5, when = { b = 1 } }\n\
               d = { type = \"uniform\", low = 0.0, high = 1.0, when = { c = 0.5, b = 2 } }\n";
    let words = ["s.toml:14:55", "no configuration has `d`", "`b`", "help: "];
    refused("", end, &words);
}

#[test]
fn a_long_list_of_choices_is_cut_short() {
    let values: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    let end = format!(
        "[space]\na = {{ type = \"choice\", values = [{}] }}\n",
        values.join(", ")
    );
    let shown = check("", &end).stdout();
    assert!(
        shown.contains("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (20000 values)"),
        "{shown}"
    );
    assert!(shown.len() < 2000, "{}", shown.len());
}

#[test]
fn a_file_that_is_too_large_is_refused_with_the_limit() {
    let place = Place::new();
    let path = written(&place, "", &"#".repeat(1 << 20));
    let run = place.run(&["space".as_ref(), "check".as_ref(), path.as_os_str()]);
    assert!(run.stderr().contains("larger than 1 MiB"), "{}", run.stderr());
}

#[test]
fn one_is_no_plural() {
    let shown = check("", "[space]\na = { type = \"choice\", values = [1] }\nb = 3\n").stdout();
    assert!(
        shown.contains("space of the study s: 2 parameters, 1 of them searched"),
        "{shown}"
    );
    assert!(shown.contains("\n1 configuration\n"), "{shown}");
    let end = "[space]\na = { type = \"uniform\", low = 0.0, high = 1.0 }\n";
    let shown = check("", end).stdout();
    assert!(shown.contains(": 1 parameter, 1 of them searched"), "{shown}");
    assert!(shown.contains("\n1 continuous parameter\n"), "{shown}");
    let end =
        "[space]\na = { type = \"uniform\", low = 0.0, high = 1.0 }\nb = { type = \"choice\", values = [1, 2] }\n";
    let shown = check("", end).stdout();
    let words = "\n2 combinations of steps and choices, times 1 continuous parameter\n";
    assert!(shown.contains(words), "{shown}");
}

#[test]
fn an_impossible_number_is_reported_with_those_that_are_possible() {
    let place = Place::new();
    let end = "[space]\na = { type = \"uniform\", low = 0.0, high = 1.0 }\n";
    let path = written(&place, "", end);
    let file = path.to_str().unwrap();
    for (arguments, said) in [
        (
            &["simulate", file, "--slots", "-1"][..],
            "'-1' for '--slots <SLOTS>': it must be a whole number from 1 to 1000000",
        ),
        (
            &["simulate", file, "--slots", "x"],
            "'x' for '--slots <SLOTS>': it must be a whole number from 1 to 1000000",
        ),
        (
            &["simulate", file, "--repeat", "0"],
            "it must be a whole number from 1 to 100000",
        ),
        (
            &["simulate", file, "--budgets", "9,0"],
            "'0' for '--budgets <RESOURCES>': it must be a whole number of at least 1",
        ),
        (
            &["simulate", file, "--failures", "-0.5"],
            "'-0.5' for '--failures <FAILURES>': it must be a number from 0 to below 1",
        ),
        (
            &["trials", "--limit", "-1"],
            "'-1' for '--limit <COUNT>': it must be a whole number of at least 0",
        ),
        (&["show", "-1"], "`-1` is not the number of a trial"),
        (&["explain", "dict"], "`dict` is not the number of a trial"),
        (&["stop", "dict", "1.5"], "`1.5` is not the number of a trial"),
        (&["retry", "dict", "0", "all"], "`all` is not the number of a trial"),
        (
            &["export", "--trial", "1.5"],
            "'1.5' for '--trial <TRIAL>': it must be a whole number of at least 0",
        ),
        (
            &["search", file, "--devices", "-1"],
            "'-1' for '--devices <DEVICES>': write \"auto\", \"cpu\" or the numbers of GPUs",
        ),
    ] {
        place.run(arguments).fails(2, &[said]);
    }
}

#[test]
fn the_schema_that_editors_read_is_json() {
    let schema = Place::new().run(&["schema"]).ok().json();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["properties"]["policy"]["properties"]["max_resource"]["description"].is_string());
}

#[test]
fn the_configurations_that_are_shown_are_those_that_the_search_begins_with() {
    let uniform = "{ type = \"uniform\", low = 0.0, high = 1.0 }";
    for (policy, sampler, at_least) in [
        ("hyperband", "gaussian_process", 5),
        ("successive_halving", "tpe", 5),
        ("asha", "sobol", 5),
        ("asha", "tpe", 2),
        ("async_hyperband", "random", 5),
        ("median_stopping", "gaussian_process", 2),
        ("none", "gaussian_process", 4),
        ("pasha", "grid", 5),
    ] {
        let place = Place::new();
        let file = place.space("s", 7, 2, WHOLE, "");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace("[policy]", &format!("[policy]\ntype = \"{policy}\""));
        let text = text.replace("\"random\"", &format!("\"{sampler}\""));
        let text = match sampler {
            "grid" => text.replace(uniform, "{ type = \"integer\", low = 0, high = 30 }"),
            _ => text,
        };
        std::fs::write(&file, text).unwrap();
        let shown = place.shell("hpo space check s.toml --json").json();
        place.search(&file).ok();
        let trials = place.run(&["trials", "s", "--json"]).json();
        let shown = shown["samples"].as_array().unwrap();
        assert!(shown.len() >= at_least, "{policy} {sampler}: {shown:?}");
        for (shown, trial) in shown.iter().zip(trials.as_array().unwrap()) {
            assert_eq!(*shown, trial["parameters"], "{policy} {sampler}");
        }
    }
}

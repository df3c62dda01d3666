//! Searches with several objectives, through the real binary.

use std::path::PathBuf;

use hpo_test_support::{Place, WHOLE};
use serde_json::{Value, json};

/// A study's file whose trainer reports ten times `x` as `ms`, while the lowest losses are around 0.3.
fn study(place: &Place, name: &str, trials: u64, lines: &str) -> PathBuf {
    let file = place.space(name, trials, 2, WHOLE, "ms = 10.0");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("[study]\n", &format!("[study]\n{lines}\n"), 1)).unwrap();
    file
}

const BOTH: &str = "objective = [\"loss\", \"ms\"]\ndirection = [\"minimize\", \"minimize\"]";

fn values(row: &Value) -> [f64; 2] {
    ["loss", "ms"].map(|name| row["objectives"][name].as_f64().unwrap())
}

fn dominates(one: [f64; 2], other: [f64; 2]) -> bool {
    one != other && one[0] <= other[0] && one[1] <= other[1]
}

#[test]
fn the_trials_that_no_other_dominates_are_shown_and_any_of_them_is_exported() {
    let place = Place::new();
    let file = study(&place, "s", 27, BOTH);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("type = \"random\"", "type = \"gaussian_process\"")).unwrap();
    let output = place.search(&file).ok().stdout();
    let rows = place.run(&["trials", "s", "--json"]).json();
    let completed = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["state"] == "completed");
    let completed: Vec<&Value> = completed.collect();
    let mut front: Vec<&Value> = completed.clone();
    front.retain(|row| !completed.iter().any(|other| dominates(values(other), values(row))));
    front.sort_by(|a, b| values(a)[0].total_cmp(&values(b)[0]));
    let status = place.run(&["status", "s", "--json"]).json();
    let numbers = |rows: &[&Value]| rows.iter().map(|row| row["trial"].clone()).collect::<Vec<_>>();
    let shown: Vec<&Value> = status["non_dominated"].as_array().unwrap().iter().collect();
    assert_eq!(numbers(&shown), numbers(&front), "{rows}");
    assert_eq!(
        status["further_objectives"],
        json!([{ "metric": "ms", "direction": "minimize" }])
    );
    assert!(front.len() > 1, "{front:?}");
    assert_eq!(
        place
            .run(&["trials", "s", "--non-dominated", "--json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        front.len()
    );
    for text in [&output, &place.run(&["status", "s"]).ok().stdout()] {
        let line = format!("{} trials are not dominated\n", front.len());
        assert!(
            text.contains("better by one of loss (minimize) and ms (minimize)") && text.contains(&line),
            "{text}"
        );
        assert!(text.contains("best by loss: trial "), "{text}");
    }

    // Which of them is exported has to be said.
    place.run(&["export", "s"]).fails(
        2,
        &["of which none dominates another: ", "--trial N", "--prefer METRIC"],
    );
    let prefer = |metric: &str| {
        place
            .run(&["export", "s", "--prefer", metric, "--format", "json"])
            .json()["trial"]
            .clone()
    };
    assert_eq!(prefer("loss"), front[0]["trial"]);
    assert_eq!(prefer("ms"), front[front.len() - 1]["trial"]);
    place
        .run(&["export", "s", "--prefer", "far"])
        .fails(2, &["`far` is no objective", "its objectives: loss, ms"]);
    let model = place.path("model");
    place
        .run(&["export", "s", "--prefer", "ms", "--model", model.to_str().unwrap()])
        .ok();
    let text = std::fs::read_to_string(model.join("model")).unwrap();
    assert!(
        text.starts_with(&format!("{} ", front[front.len() - 1]["trial"])),
        "{text}"
    );

    // Decisions are taken again as they were, and explained.
    let audit = place.run(&["audit", "s", "--json"]).json();
    assert_eq!(audit["decisions"], audit["agree"], "{audit}");
    let last = rows.as_array().unwrap().last().unwrap()["trial"].to_string();
    let why = place.run(&["explain", &last, "s"]).ok().stdout();
    assert!(why.contains("as shares of their ranges, weighed: loss by "), "{why}");
    let pruned = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["state"] == "pruned")
        .unwrap();
    let why = place.run(&["explain", &pruned["trial"].to_string(), "s"]).ok().stdout();
    assert!(
        why.contains("in the order of non-dominated sorting and crowding"),
        "{why}"
    );
    let report = place.path("report.md");
    place.run(&["report", "s", "--output", report.to_str().unwrap()]).ok();
    assert!(
        std::fs::read_to_string(report)
            .unwrap()
            .contains("without being worse by another")
    );
}

/// How many marks, or parts of lines, of a class a picture has.
fn marks(svg: &str, class: &str) -> usize {
    svg.matches(&format!("class=\"{class}\"")).count()
}

#[test]
fn pictures_show_the_trials_that_no_other_dominates_and_each_objective() {
    let place = Place::new();
    place.search(&study(&place, "s", 27, BOTH)).ok();
    let status = place.run(&["status", "s", "--json"]).json();
    let front = status["non_dominated"].as_array().unwrap();
    let plot = |words: &[&str]| place.run(&[&["plot", "s"], words].concat()).ok().stdout();
    let trade_off = plot(&["trade-off"]);
    // The legend has a mark too.
    assert_eq!(marks(&trade_off, "dot best"), front.len() + 1, "{trade_off}");
    assert_eq!(marks(&trade_off, "line wide best"), 1);
    let said = format!("{} trials are not dominated", front.len());
    assert!(trade_off.contains(&said) && trade_off.contains(">ms<"), "{trade_off}");
    let parallel = plot(&["parallel"]);
    assert!(
        parallel.contains(">validation loss<") && parallel.contains(">ms<"),
        "{parallel}"
    );
    for kind in ["curves", "best", "slices", "importance"] {
        assert!(plot(&[kind]).contains("validation loss"), "{kind}");
        let of_ms = plot(&[kind, "--objective", "ms"]);
        assert!(
            of_ms.contains("<title id=\"") && of_ms.contains(": ms</title>") && !of_ms.contains("validation loss"),
            "{of_ms}"
        );
    }
    assert!(plot(&["best", "--objective", "ms"]).contains("The best ms that any trial"));
    place
        .run(&["plot", "s", "curves", "--objective", "far"])
        .fails(2, &["`far` is no objective", "its objectives: loss, ms"]);

    // A report has the pictures of each.
    let report = place.path("report.md");
    place.run(&["report", "s", "--output", report.to_str().unwrap()]).ok();
    let text = std::fs::read_to_string(report).unwrap();
    for picture in [
        "![Slices: loss](report-pictures/slices.svg)",
        "![Slices: ms](report-pictures/slices-2.svg)",
        "![Trade-off](report-pictures/trade-off.svg)",
        "![Parallel coordinates](report-pictures/parallel.svg)",
    ] {
        assert!(text.contains(picture), "{text}");
    }
    assert!(place.path("report-pictures").join("slices-2.svg").is_file());
}

#[test]
fn with_a_bound_beside_them_only_what_keeps_to_it_is_among_the_best() {
    let place = Place::new();
    place
        .search(&study(&place, "s", 9, &format!("{BOTH}\nrequire = \"ms >= 2\"")))
        .ok();
    let rows = place.run(&["trials", "s", "--json"]).json();
    let infeasible = rows.as_array().unwrap().iter().filter(|row| row["feasible"] == false);
    let trade_off = place.run(&["plot", "s", "trade-off"]).ok().stdout();
    assert_eq!(
        marks(&trade_off, "mark infeasible"),
        infeasible.count() + 1,
        "{trade_off}"
    );
    let front = place.run(&["status", "s", "--json"]).json()["non_dominated"].clone();
    assert!(
        front
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["feasible"] == true && values(row)[1] >= 2.0),
        "{front}"
    );
}

#[test]
fn what_several_objectives_cannot_be_combined_with_is_refused_at_its_place() {
    let place = Place::new();
    for (lines, expected) in [
        (
            "objective = [\"loss\", \"ms\"]",
            "such as `direction = [\"maximize\", \"minimize\"]`",
        ),
        (
            "objective = [\"loss\", \"ms\"]\ndirection = \"maximize\"",
            "is the wrong direction for `loss`",
        ),
        (
            "objective = [\"ms\", \"ms\"]\ndirection = \"minimize\"",
            "`ms` is an objective twice",
        ),
        (
            "objective = [\"loss\", \"ms\"]\ndirection = [\"minimize\", \"minimize\", \"minimize\"]",
            "has 3 directions for 2 objectives",
        ),
        ("objective = []", "is empty"),
        (
            "objective = 7",
            "must be a string, or an array of strings, not a whole number",
        ),
        (
            "objective = [\"loss\", 3]\ndirection = \"minimize\"",
            "must be a string",
        ),
        (
            "objective = [\"loss\", \"ms\"]\ndirection = [\"minimize\", \"low\"]",
            "use one of `minimize` or `maximize`",
        ),
    ] {
        place.search(&study(&place, "new", 9, lines)).fails(2, &[expected]);
    }
    let file = study(&place, "new", 9, BOTH);
    let text = std::fs::read_to_string(&file).unwrap();
    for (text, expected) in [
        (
            text.replace("[policy]", "[policy]\ntype = \"median_stopping\""),
            "`median_stopping` compares trials by one objective",
        ),
        (
            format!("{text}\n[confirmation]\n"),
            "`[confirmation]` compares means of one objective",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        place.search(&file).fails(2, &[expected]);
    }
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    place
        .run(&["simulate", file])
        .fails(2, &["a simulation knows one objective"]);
    assert!(!place.study("new").exists());
    place.search(&study(&place, "one", 3, "")).ok();
    place
        .run(&["trials", "one", "--non-dominated"])
        .fails(2, &["has one objective, loss"]);
    place
        .run(&["export", "one", "--prefer", "loss"])
        .fails(2, &["has one objective, loss"]);
    place
        .run(&["search", file, "--from", "one"])
        .fails(2, &["what a study passes on has values of one"]);
}

#[test]
fn an_objective_that_is_never_reported_is_named() {
    let place = Place::new();
    let lines = "objective = [\"loss\", \"embed_ms\"]\ndirection = \"minimize\"\nretries = 0";
    place.search(&study(&place, "s", 3, lines)).fails(
        1,
        &["lacks `embed_ms`, the study's objective: it has loss, accuracy, ms"],
    );
}

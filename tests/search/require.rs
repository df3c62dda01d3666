//! What a study requires of models beside being good, through the real binary.

use std::path::PathBuf;

use hpo_test_support::{Place, WHOLE};
use serde_json::{Value, json};

/// A study's file that requires something, whose trainer reports ten times `x` as `ms`; the lowest losses are around 0.3.
fn study(place: &Place, name: &str, require: &str) -> PathBuf {
    let file = place.space(name, 9, 2, WHOLE, "ms = 10.0");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replacen("[study]\n", &format!("[study]\nrequire = {require}\n"), 1);
    std::fs::write(&file, text).unwrap();
    file
}

fn x(row: &Value) -> f64 {
    row["parameters"]["x"].as_f64().unwrap()
}

#[test]
fn a_trial_that_breaks_what_is_required_is_not_the_best_and_everything_says_so() {
    let place = Place::new();
    let output = place
        .search(&study(&place, "s", "[\"ms >= 6\", \"loss < 100\"]"))
        .ok()
        .stdout();
    let rows = place.run(&["trials", "s", "--json"]).json();
    let rows = rows.as_array().unwrap();
    for row in rows {
        assert_eq!(row["feasible"], x(row) >= 0.6, "{row}");
        assert_eq!(row["breaks"].as_array().map_or(0, Vec::len), usize::from(x(row) < 0.6));
    }
    let feasible: Vec<&Value> = rows.iter().filter(|row| x(row) >= 0.6).collect();
    let nearest = feasible.iter().map(|row| x(row)).fold(1.0, f64::min);
    assert!((1..9).contains(&feasible.len()), "{rows:?}");

    // Of nine trials three go on, the feasible before all others, and the best is the best of these.
    let went_on = rows.iter().filter(|row| row["resource"].as_u64().unwrap() > 1);
    let went_on = went_on.filter(|row| x(row) >= 0.6).count();
    assert_eq!(went_on, feasible.len().min(3));
    let status = place.run(&["status", "s", "--json"]).json();
    assert_eq!(x(&status["best"]), nearest);
    assert_eq!(status["best"]["feasible"], true);
    assert_eq!(status["required"][0]["require"], "ms >= 6");
    assert_eq!(status["required"][0]["fulfilled"], feasible.len());
    let line = format!("required: ms >= 6: {} of 9 trials with a result fulfil", feasible.len());
    for text in [&output, &place.run(&["status", "s"]).ok().stdout()] {
        assert!(text.contains(&line) && !text.contains("no trial fulfils"), "{text}");
    }
    let table = place.run(&["trials", "s", "--where", "feasible=true", "--json"]).json();
    assert_eq!(table.as_array().unwrap().len(), feasible.len());
    let head = place.run(&["trials", "s", "--wide"]).ok().stdout();
    assert!(head.lines().next().unwrap().contains(" feasible "), "{head}");

    let broken = rows.iter().find(|row| x(row) < 0.6).unwrap();
    let shown = place.run(&["show", &broken["trial"].to_string(), "s"]).ok().stdout();
    assert!(
        shown.contains("  ms >= 6: broken, with ") && shown.contains("  loss < 100: fulfilled, with "),
        "{shown}"
    );
    let csv = place.run(&["export", "s", "--trials", "csv"]).ok().stdout();
    assert!(csv.lines().next().unwrap().contains(",feasible,"), "{csv}");
    let report = place.path("report.html");
    place.run(&["report", "s", "--output", report.to_str().unwrap()]).ok();
    assert!(
        std::fs::read_to_string(report)
            .unwrap()
            .contains("Required: ms &gt;= 6:")
    );

    // Decisions are taken again as they were, and explained by it.
    place.run(&["audit", "s"]).ok();
    let pruned = rows.iter().find(|row| row["resource"] == 1 && x(row) < 0.6).unwrap();
    let why = place.run(&["explain", &pruned["trial"].to_string(), "s"]).ok().stdout();
    assert!(why.contains(" (infeasible)"), "{why}");
    let exported = place.run(&["export", "s", "--format", "json"]).json();
    assert_eq!(exported["trial"], status["best"]["trial"]);
}

#[test]
fn pictures_tell_what_is_infeasible_from_the_rest_and_never_call_it_the_best() {
    let place = Place::new();
    // The loss is lowest where `x` is small, which is not allowed.
    let file = study(&place, "s", "[\"ms >= 6\"]");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[policy]\n", "[policy]\ntype = \"none\"\n")).unwrap();
    place.search(&file).ok();
    let rows = place.run(&["trials", "s", "--json"]).json();
    let (feasible, infeasible): (Vec<&Value>, Vec<&Value>) =
        rows.as_array().unwrap().iter().partition(|row| row["feasible"] == true);
    let lowest = |rows: &[&Value]| {
        rows.iter()
            .map(|row| row["objective"].as_f64().unwrap())
            .fold(f64::MAX, f64::min)
    };
    assert!(lowest(&infeasible) < lowest(&feasible), "{rows}");
    let best = place.run(&["status", "s", "--json"]).json()["best"]["trial"].clone();
    let plot = |kind: &str| place.run(&["plot", "s", kind]).ok().stdout();
    let infeasible_marks = |svg: &str| svg.matches("class=\"mark infeasible\"").count();
    for (kind, most) in [
        ("slices", infeasible.len()),
        ("curves", infeasible.len()),
        ("best", usize::MAX),
    ] {
        let svg = plot(kind);
        // One is in the legend.
        let marks = infeasible_marks(&svg) - 1;
        assert!(
            (infeasible.len()..=most).contains(&marks),
            "{kind}: {marks} of {}\n{svg}",
            infeasible.len()
        );
        let title = svg.split("class=\"dot best\"").nth(2).unwrap();
        let title = title.split("<title>").nth(1).unwrap();
        assert!(!title.contains("infeasible"), "{kind}: {title:.100}");
    }
    assert!(plot("slices").contains(&format!("best: trial {best}<")));
    assert!(plot("slices").contains("; infeasible: breaks `ms &gt;= 6` with "));
    assert_eq!(
        plot("parallel").matches("class=\"line thin infeasible\"").count(),
        infeasible.len()
    );
    assert!(plot("best").contains("and that fulfils what the study requires, above"));

    let nothing = Place::new();
    nothing.search(&study(&nothing, "s", "\"ms >= 100\"")).ok();
    for kind in ["slices", "curves", "parallel", "best"] {
        let svg = nothing.run(&["plot", "s", kind]).ok().stdout();
        assert!(
            !svg.contains("best: trial") && !svg.contains("class=\"dot best\""),
            "{kind}: {svg}"
        );
    }
}

#[test]
fn a_study_of_which_nothing_fulfils_what_is_required_says_so_first_and_exports_with_force_only() {
    let place = Place::new();
    let output = place.search(&study(&place, "s", "\"ms >= 100\"")).ok().stdout();
    let status = place.run(&["status", "s"]).ok().stdout();
    for text in [output, status] {
        let first = text.lines().find(|line| !line.is_empty()).unwrap();
        assert!(
            first.starts_with("no trial fulfils what the study requires: the best, trial "),
            "{text}"
        );
        assert!(first.contains(" breaks `ms >= 100` with "), "{text}");
        assert!(
            text.contains("required: ms >= 100: 0 of 9 trials with a result fulfil it\n"),
            "{text}"
        );
    }
    // The one that breaks it least is the best.
    let rows = place.run(&["trials", "s", "--json"]).json();
    let largest = rows.as_array().unwrap().iter().map(x).fold(0.0, f64::max);
    assert_eq!(x(&place.run(&["status", "s", "--json"]).json()["best"]), largest);
    let model = place.path("model");
    let export = ["export", "s", "--model", model.to_str().unwrap()];
    place
        .run(&export)
        .fails(2, &["no trial fulfils what the study requires", "--force"]);
    place.run(&[&export[..], &["--force"]].concat()).ok();
    assert!(model.join("model").is_file());
}

#[test]
fn a_metric_that_no_trial_reports_is_named_beside_those_that_there_are() {
    let place = Place::new();
    let output = place.search(&study(&place, "s", "\"embed_ms <= 5\"")).ok().stdout();
    let line = output.lines().find(|line| line.starts_with("required: ")).unwrap();
    assert!(
        line.contains("0 of 9 ") && line.contains("9 of them have not reported `embed_ms`"),
        "{line}"
    );
    assert!(line.ends_with(": the best one has loss, accuracy, ms"), "{line}");
    let row = &place.run(&["status", "s", "--json"]).json()["best"];
    assert_eq!(
        (&row["feasible"], &row["breaks"]),
        (&json!(false), &json!([{ "require": "embed_ms <= 5", "value": null }]))
    );
    assert_eq!(
        place
            .run(&["trials", "s", "--wide"])
            .ok()
            .stdout()
            .matches(" unknown ")
            .count(),
        9
    );
}

#[test]
fn requirements_are_part_of_the_study() {
    let place = Place::new();
    place.search(&study(&place, "s", "\"ms <= 4\"")).ok();
    place
        .search(&study(&place, "s", "\"ms <= 5\""))
        .fails(2, &["[study] require: was [\"ms <= 4\"], is [\"ms <= 5\"]"]);
    for (require, expected) in [
        ("\"ms = 4\"", "a metric is not compared by `=`"),
        ("\"4 <= ms\"", "write `ms >= 4`"),
        (
            "[\"ms < 4\", \"ms >= 4\"]",
            "no value fulfils both `ms < 4` and `ms >= 4`",
        ),
        ("7", "must be a string, or an array of strings, not a whole number"),
        ("[]", "`study.require` is empty"),
        ("[7]", "`study.require[0]` must be a string, not a whole number"),
    ] {
        place.search(&study(&place, "new", require)).fails(2, &[expected]);
    }
}

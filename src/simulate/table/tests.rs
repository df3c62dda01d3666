use std::io::Write;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diagnostic::Diagnostic;

fn space() -> SearchSpace {
    serde_json::from_value(json!({ "parameters": [
        {"name": "rate", "distribution": {"type": "log_uniform", "low": 1e-6, "high": 1e-2}},
        {"name": "batch", "distribution": {"type": "choice", "values": [16, 32]}},
        {"name": "decay", "distribution": {"type": "uniform", "low": 0, "high": 1}, "when": [{"parameter": "batch", "values": [32]}]},
        {"name": "margin", "distribution": {"type": "fixed", "value": 0.5}},
    ]}))
    .unwrap()
}

fn read_bytes(text: &[u8], max_resource: u64) -> Result<Arc<Table>, Diagnostic> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    Table::read(file.path(), &space(), max_resource, &Objective::default()).map(Arc::new)
}

fn read(rows: &[Value], max_resource: u64) -> Result<Arc<Table>, Diagnostic> {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    read_bytes(lines.join("\n").as_bytes(), max_resource)
}

fn row(rate: f64, batch: f64, losses: &[f64]) -> Value {
    let decay = if batch == 32.0 { json!(0.5) } else { Value::Null };
    json!({ "parameters": {"rate": rate, "batch": batch, "decay": decay}, "losses": losses })
}

fn follow(table: &Arc<Table>, configuration: Value, seed: u64) -> MeasuredCurve {
    Table::curve(table, &serde_json::from_value(configuration).unwrap(), seed)
}

#[test]
fn a_configuration_has_the_curve_of_its_row_or_of_the_nearest_on_the_scale_of_the_space() {
    let rows = [
        row(1e-6, 16.0, &[0.9, 0.8]),
        row(1e-4, 16.0, &[0.5, 0.4]),
        row(1e-2, 16.0, &[0.7, 0.6]),
        row(1e-2, 32.0, &[0.3, 0.2]),
    ];
    let table = read(&rows, 2).unwrap();
    let loss = |rate: f64, batch: u64| {
        let decay = if batch == 32 { json!(0.5) } else { json!(null) };
        let mut values = json!({"rate": rate, "batch": batch, "decay": decay, "margin": 0.5});
        values.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        follow(&table, values, 7).cost(2)
    };
    assert_eq!((loss(1e-6, 16), loss(1e-4, 16), loss(1e-2, 16)), (0.8, 0.4, 0.6));
    // In plain numbers 1e-6 would be nearer than 1e-4, and 1e-4 nearer than 1e-2.
    assert_eq!((loss(1.1e-5, 16), loss(1.1e-3, 16)), (0.4, 0.6));
    // A listed value counts more than any distance of a number.
    assert_eq!(loss(2e-6, 32), 0.2);
    assert_eq!((table.configurations(), table.allowed(), table.best()), (4, 4, 0.2));
}

#[test]
fn several_seeds_are_runs_of_one_configuration() {
    let run = |seed: u64, losses: Value| json!({"parameters": {"rate": 1e-4, "batch": 16}, "losses": losses, "seed": seed, "seconds": 2.5});
    let rows = [
        run(0, json!([0.5, 0.25])),
        run(1, json!([0.5, 0.75])),
        run(2, json!([0.5, null])),
        row(1e-6, 16.0, &[0.9, 1.25]),
    ];
    let table = read(&rows, 2).unwrap();
    let at = |seed: u64| follow(&table, json!({"rate": 1e-4, "batch": 16, "margin": 0.5}), seed);
    let mut seen: Vec<f64> = (0..3).map(|seed| at(seed).cost(2)).collect();
    seen.sort_by(f64::total_cmp);
    assert_eq!(seen[..2], [0.25, 0.75]);
    assert!(seen[2].is_nan(), "diverged");
    // The run that has diverged counts as the worst of the table.
    assert_eq!((table.best(), at(0).regret(), at(2).regret()), (0.75, 0.0, 0.0));
    assert_eq!(at(1).seconds(), Some(2.5));
    let other = follow(&table, json!({"rate": 1e-6, "batch": 16, "margin": 0.5}), 0);
    assert_eq!((other.regret(), other.seconds()), (0.5, None));
}

/// What the space leaves out can't be found, but it counts as what could have been found.
#[test]
fn rows_outside_the_space_are_no_ones_nearest() {
    let rows = [row(1e-4, 64.0, &[0.1]), row(0.5, 16.0, &[0.2]), row(1e-6, 16.0, &[0.5])];
    let table = read(&rows, 1).unwrap();
    assert_eq!((table.configurations(), table.allowed(), table.best()), (3, 1, 0.1));
    let found = follow(&table, json!({"rate": 1e-2, "batch": 16, "margin": 0.5}), 0);
    assert_eq!((found.cost(1), found.regret()), (0.5, 0.4));
    let message = read(&rows[..2], 1).unwrap_err().to_string();
    assert!(
        message.contains("allows no row") && message.contains("line 1: `batch` is never 64.0"),
        "{message}"
    );
}

#[test]
fn what_is_wrong_is_reported_with_its_line_and_the_fix() {
    let good = row(1e-4, 16.0, &[0.5, 0.4]).to_string();
    let message = |line: &str| {
        let message = read_bytes(format!("{good}\n\n{line}\n").as_bytes(), 2)
            .unwrap_err()
            .to_string();
        assert!(message.contains(":3:") && message.contains("help: "), "{message}");
        message
    };
    let with =
        |parameters: &str, losses: &str| message(&format!(r#"{{"parameters": {{{parameters}}}, "losses": {losses}}}"#));
    let cases = [
        (with(r#""batch": 16"#, "[1, 2]"), ["no value for `rate`", "plain value"]),
        (
            with(r#""rate": 1e-5, "batch": 32"#, "[1, 2]"),
            ["no value for `decay`", "plain value"],
        ),
        (
            with(r#""rate": 1e-5, "batch": 16, "heads": 4"#, "[1, 2]"),
            ["no parameter `heads`", "`[space]`"],
        ),
        (
            with(r#""rate": "1e-5", "batch": 16"#, "[1, 2]"),
            ["`rate` is a number in the study", "quotes"],
        ),
        (
            with(r#""rate": [1], "batch": 16"#, "[1, 2]"),
            ["`rate` is neither", "quotes"],
        ),
        (
            with(r#""rate": 1e-5, "batch": 16"#, "[1, 2, 3]"),
            ["3 losses, but that of line 1 has 2", "null"],
        ),
        (
            with(r#""rate": 1e-5, "batch": 16"#, "[1, NaN]"),
            ["not a row of a table", "write null"],
        ),
        (
            with(r#""rate": 1e-5, "batch": 16"#, r#"[1, "x"]"#),
            ["invalid type: string", "\"losses\": [0.51"],
        ),
        (
            with(r#""rate": 1e-5, "batch": 16"#, "[1, 1e999]"),
            ["out of range", "\"losses\": [0.51"],
        ),
        (
            with(r#""rate": 1e-5, "batch": 16"#, "[null, 1]"),
            ["follows the null of epoch 1", "repeat"],
        ),
        (
            with(r#""rate": 1e-5, "batch": 16"#, "[]"),
            ["no losses", "\"losses\": [0.51"],
        ),
        (message(r#"{"parameters": {}}"#), ["missing field `losses`", "a row is"]),
        (
            message(r#"{"parameters": {}, "losses": [1, 2], "sead": 3}"#),
            ["unknown field `sead`", "a row is"],
        ),
        (
            message(&good),
            ["line 1 has the same configuration", "another \"seed\""],
        ),
        (message("rate,batch,loss"), ["not a row of a table", "a row is"]),
        (
            message(r#"{"parameters": {"rate": 1e-5, "batch": 16}, "losses": [1, 2], "seconds": -1}"#),
            ["so long", "seconds"],
        ),
    ];
    for (message, parts) in cases {
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    }
    let message = read_bytes(good.as_bytes(), 3).unwrap_err().to_string();
    assert!(
        message.contains("ends at epoch 2, but the study trains to epoch 3") && message.contains("max_resource"),
        "{message}"
    );
    let message = read_bytes(b"\n \n", 3).unwrap_err().to_string();
    assert!(message.contains("no rows"), "{message}");
    let message = read(
        &[json!({"parameters": {"rate": 1e-4, "batch": 16}, "losses": [1, null]})],
        2,
    )
    .unwrap_err();
    assert!(
        message.to_string().contains("every run has diverged by epoch 2"),
        "{message}"
    );
}

#[test]
fn a_file_that_never_ends_is_not_read_to_its_end() {
    for (path, part) in [
        ("/dev/zero", "longer than 1 MiB"),
        ("/", "is a directory"),
        ("/nowhere.jsonl", "cannot read"),
    ] {
        let message = Table::read(std::path::Path::new(path), &space(), 2, &Objective::default())
            .unwrap_err()
            .to_string();
        assert!(message.contains(part) && message.len() < 1000, "{message}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
        let good = row(1e-4, 32.0, &[0.5, 0.4]).to_string();
        for bytes in [text.as_bytes(), &bytes, &good.as_bytes()[..cut.min(good.len())], &[good.as_bytes(), &bytes].concat()] {
            if let Err(error) = read_bytes(bytes, 2) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

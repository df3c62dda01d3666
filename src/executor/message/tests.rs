//! Lines as trainers write them.

use super::*;

/// The parts of a line in short.
fn short(line: &str) -> Vec<String> {
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let measured = |loss: Option<f64>, metrics: &Metrics| {
        let metrics: Vec<String> = metrics.iter().map(|(name, value)| format!(" {name} {value}")).collect();
        loss.map_or(String::new(), |loss| format!(" loss {loss}")) + &metrics.concat()
    };
    let part = |part: Part<'_>| match part {
        Part::Message(FromWorker::Done { .. }) => "<done>".into(),
        Part::Message(FromWorker::Report { loss, metrics, .. }) => format!("<report{}>", measured(loss, &metrics)),
        Part::Message(FromWorker::Evaluated(of)) => {
            let each = of.each().into_iter();
            let each = each.map(|(model, of)| model.unwrap_or_default().to_owned() + &measured(of.loss, &of.metrics));
            format!("<evaluated{}>", each.collect::<Vec<_>>().join(";"))
        }
        Part::Message(FromWorker::Exported { test: Some(of), .. }) => {
            format!("<exported{}>", measured(of.loss, &of.metrics))
        }
        Part::Message(FromWorker::Remark { text, .. }) => format!("<remark {text}>"),
        Part::Message(other) => panic!("{other:?}"),
        Part::Print(print) => text(print),
        Part::Invalid(failure) => format!("! {failure}"),
    };
    parts(line.as_bytes()).into_iter().map(part).collect()
}

const DONE: &str = r#"{"type": "done", "trial": 4, "attempt": 1}"#;

fn report(rest: &str) -> String {
    format!(r#"{{"type":"report","trial":4,"attempt":1,"resource":1,"checkpoint":null,{rest}}}"#)
}

#[test]
fn a_message_is_found_beside_what_is_printed() {
    assert_eq!(short(DONE), ["<done>"]);
    for before in [
        "training: 100%|####| 3/3 [00:01]",
        "Loading model ... ",
        "INFO:root:",
        "{1, 2} {'a': 3} ",
        "{\"a\" ",
    ] {
        assert_eq!(short(&format!("{before}{DONE}")), [before, "<done>"], "{before}");
    }
    for blank in [
        "\x1b[0m",
        "\x1b[1;32m \x1b[K",
        "\t ",
        "\u{feff}",
        "\x1b]0;title\x07",
        "\x1b7",
    ] {
        assert_eq!(short(&format!("{blank}{DONE}")), ["<done>"], "{blank:?}");
    }
    assert_eq!(short(&format!("{DONE} \x1b[0m")), ["<done>"]);
    assert_eq!(
        short(&format!("a {DONE}{DONE} {DONE}\x1b[0m b")),
        ["a ", "<done>", "<done>", "<done>", "\x1b[0m b"]
    );
}

#[test]
fn what_was_not_meant_as_a_message_is_a_print() {
    for print in [
        "",
        "epoch 1 of 3",
        "{'loss': 0.69, 'grad_norm': nan, 'epoch': 1.0}",
        r#"{"loss": NaN, "step": 10}"#,
        r#"{"level":"info","type":"log","text":"a"}"#,
        r#"{"type":"log","loss":3}"#,
        r#"{"type": "metric", "value": {"type": "float"}}"#,
        r#"{"type": null}"#,
        r#"{"type":3}"#,
        "{'type': 'event'}",
        &format!("the answer is {DONE}, it says"),
        &format!("'{DONE}'"),
        "{{{{ type ",
        "type: {",
    ] {
        assert_eq!(short(print), [print]);
    }
}

#[test]
fn what_was_meant_as_a_message_is_refused() {
    for (line, said) in [
        (r#"{"type": "report", "loss": NaN"#, "EOF while parsing"),
        (r#"Loading ... {"type": "ready", "protocol": 1"#, "EOF while parsing"),
        (
            r#"{"trial": 1, "metrics": {"a": 1}, "type": "report", "lo"#,
            "EOF while parsing",
        ),
        (
            r#"{"type": "report", "loss": 1, "attempt": 1}"#,
            "a report that does not say of which `trial` and `attempt` it is: {\"type\": \"report\"",
        ),
        (r#"{"type": "reports"}"#, "unknown variant `reports`"),
        (r#"{"type": "Report", "trial": 4}"#, "unknown variant `Report`"),
        (r#"{"type": "done", "trial": 4}"#, "missing field `attempt`"),
        (
            r#"{"type": "done", "trial": 4, "trial": 5, "attempt": 1}"#,
            "duplicate field `trial`",
        ),
        ("{'type': 'ready', 'protocol': 1}", "key must be a string"),
        ("now {'type': 'ready', 'protocol': 1}", "key must be a string"),
        (&format!("{DONE} at last"), "trailing characters"),
        (&r#"{"type":"#.repeat(10_000), "expected variant identifier"),
        (&report(r#""loss":"0.5""#), "\"0.5\" as `loss`, which must be a number"),
        (
            &report(r#""loss":0.5,"metrics":{"a":1,"b":[2]}"#),
            "[2] as `b`, which must be a number",
        ),
    ] {
        let parts = short(line);
        let [refused] = &parts[..] else { panic!("{parts:?}") };
        assert!(
            refused.starts_with("! the worker sent") && refused.contains(said),
            "{refused}"
        );
    }
    assert!(matches!(parts(b"{\"type\": \"\xff\xfe\"}")[..], [Part::Invalid(_)]));
}

#[test]
fn a_number_that_is_not_finite_is_understood_however_it_is_written() {
    for word in [
        "NaN",
        "nan",
        "-nan",
        "Infinity",
        "-Infinity",
        "inf",
        "-inf",
        "1e999",
        "-1e999",
        "null",
        "\"NaN\"",
        "\"-Infinity\"",
    ] {
        let line = report(&format!(
            r#""loss":{word},"metrics":{{"a":{word},"nan":0.5,"b":{word}}}"#
        ));
        assert_eq!(short(&line), ["<report loss NaN a NaN b NaN nan 0.5>"], "{word}");
    }
    let text = report(r#""loss":0.5,"metrics":{"a NaN":1.0},"note":"NaN \" NaN""#);
    assert_eq!(short(&text), ["<report loss 0.5 a NaN 1>"]);
    assert_eq!(short(&report(r#""loss":0.5,"metrics":null"#)), ["<report loss 0.5>"]);
    assert_eq!(
        short(&report(r#""metrics":{"a":1}"#)),
        ["<report a 1>"],
        "it has no loss"
    );
    let untrained = r#"{"type":"evaluated","loss":nan,"metrics":{"a":1e999}}"#;
    assert_eq!(short(untrained), ["<evaluated loss NaN a NaN>"]);
    let several = r#"{"type":"evaluated","models":{"x":{"loss":nan,"metrics":{"a":1}},"y":{"loss":2,"metrics":null}}}"#;
    assert_eq!(short(several), ["<evaluatedx loss NaN a 1;y loss 2>"]);
    let tested = r#"{"type":"exported","directory":"/m","test":{"loss":0.5,"metrics":{"a":NaN}}}"#;
    assert_eq!(short(tested), ["<exported loss 0.5 a NaN>"]);
}

#[test]
fn what_counts_nothing_may_be_no_number_and_epochs_may_be_written_with_a_point() {
    let progress = |resource: &str| {
        let line =
            format!(r#"{{"type":"progress","trial":4,"attempt":1,"resource":{resource},"examples_per_second":inf}}"#);
        match &parts(line.as_bytes())[..] {
            [
                Part::Message(FromWorker::Progress {
                    resource,
                    examples_per_second: None,
                    ..
                }),
            ] => *resource,
            other => panic!("{other:?}"),
        }
    };
    assert!(progress("NaN").is_nan() && progress("null").is_nan());
    assert_eq!(progress("0.5"), 0.5);
    let resource = |resource: &str| {
        let line = report(r#""loss":0.5"#).replace("\"resource\":1", &format!("\"resource\":{resource}"));
        match parts(line.as_bytes()).remove(0) {
            Part::Message(FromWorker::Report { resource, .. }) => Ok(resource),
            Part::Invalid(failure) => Err(failure.to_string()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        (
            resource("3.0").unwrap(),
            resource("3e0").unwrap(),
            resource("3").unwrap()
        ),
        (3, 3, 3)
    );
    for wrong in ["1.5", "-1.0", "\"1\"", "1e300"] {
        assert!(resource(wrong).is_err(), "{wrong}");
    }
}

/// However often it could begin, a line is read in a time that grows with its length.
#[test]
fn no_line_takes_long() {
    for piece in ["{", "{\"", "{\"type\":", "{\"}", "{}", "'type'", "\"type\":\"done\"{"] {
        parts(piece.repeat((1 << 20) / piece.len()).as_bytes());
    }
}

#[test]
fn a_metric_that_is_reported_twice_is_remarked_on() {
    for (metrics, value) in [
        (r#""acc": 0.5, "acc": 0.7"#, "0.7"),
        (r#""acc": 0.5, "acc": NaN"#, "NaN"),
    ] {
        let parts = short(&report(&format!(r#""loss":1,"metrics":{{{metrics}}}"#)));
        assert_eq!(parts.len(), 2, "{parts:?}");
        assert!(
            parts[0].starts_with("<remark the trainer reports `acc` twice in one message"),
            "{parts:?}"
        );
        assert_eq!(parts[1], format!("<report loss 1 acc {value}>"));
    }
}

//! The lines of the protocol as they are written.

use super::*;

#[test]
fn a_line_is_what_the_documentation_shows() {
    let segment = SegmentId {
        trial: TrialId(3),
        attempt: 2,
    };
    let stop = ToWorker::Stop { segment, save: true };
    assert_eq!(
        serde_json::to_string(&stop).unwrap(),
        r#"{"type":"stop","trial":3,"attempt":2,"save":true}"#
    );
    let mut export = ToWorker::Export {
        checkpoint: "/c".into(),
        directory: "/d".into(),
        known: Evaluated::default(),
    };
    let line = r#"{"type":"export","checkpoint":"/c","directory":"/d"}"#;
    assert_eq!(serde_json::to_string(&export).unwrap(), line);
    if let ToWorker::Export { known, .. } = &mut export {
        known.untrained_evaluations = [("docs.map@100".to_owned(), 1.0)].into();
    }
    let line = serde_json::to_string(&export).unwrap();
    assert!(
        line.ends_with(r#","untrained_evaluations":{"docs.map@100":1.0}}"#),
        "{line}"
    );
    assert_eq!(serde_json::from_str::<ToWorker>(&line).unwrap(), export);
    let report: FromWorker = serde_json::from_str(
        r#"{"type":"report","trial":3,"attempt":2,"resource":1,"loss":null,"checkpoint":null,"new":1}"#,
    )
    .unwrap();
    assert!(matches!(report, FromWorker::Report { loss: None, .. }));
}

/// Workers in other languages read and write these lines, and a trial may be named twice only by mistake.
#[test]
fn the_numbers_of_a_segment_stand_beside_the_other_fields() {
    let lines = [
        r#"{"type":"progress","trial":18446744073709551615,"attempt":4294967295,"resource":1.25,"examples_per_second":20.5}"#,
        r#"{"type":"report","trial":4,"attempt":1,"resource":1,"loss":0.31,"metrics":{"accuracy":0.8},"checkpoint":"/c","last":true}"#,
        r#"{"type":"done","trial":4,"attempt":1}"#,
        r#"{"type":"stopped","trial":4,"attempt":1,"checkpoint":null}"#,
        r#"{"type":"failed","trial":4,"attempt":1,"message":"m"}"#,
    ];
    for line in lines {
        let message: FromWorker = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), line);
    }
    let run = r#"{"type":"run","trial":4,"attempt":1,"seed":7,"parameters":{"lr":0.25},"unit":"steps","report_every":2,"from":0,"to":3,"max":9,"checkpoint":null,"checkpoints":"/c"}"#;
    let message: ToWorker = serde_json::from_str(run).unwrap();
    assert_eq!(serde_json::to_string(&message).unwrap(), run);
    let refused = [
        (r#"{"type":"done","trial":4}"#, "missing field `attempt`"),
        (
            r#"{"type":"done","trial":4,"trial":5,"attempt":1}"#,
            "duplicate field `trial`",
        ),
        (r#"{"type":"done","trial":-4,"attempt":1}"#, "expected u64"),
        (r#"{"type":"done","trial":4,"attempt":4294967296}"#, "expected u32"),
    ];
    for (line, expected) in refused {
        let error = serde_json::from_str::<FromWorker>(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn untrained_models_are_one_or_several() {
    let one = r#"{"type":"evaluated","loss":0.5,"metrics":{"ndcg@10":0.25}}"#;
    let several = r#"{"type":"evaluated","models":{"a":{"loss":0.5,"metrics":{}},"b":{"loss":0.25,"metrics":{}}}}"#;
    let loss = |line: &str, model: &str| {
        let message: FromWorker = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), line);
        let FromWorker::Evaluated(baseline) = message else {
            panic!("{line}")
        };
        let parameters = Values::from([(BASE_MODEL.to_owned(), Value::from(model))]);
        baseline.of(&parameters).and_then(|measured| measured.loss)
    };
    assert_eq!((loss(one, "a"), loss(one, "b")), (Some(0.5), Some(0.5)));
    assert_eq!((loss(several, "b"), loss(several, "c")), (Some(0.25), None));
}

#[test]
fn the_types_are_those_of_the_messages() {
    let unknown = serde_json::from_str::<FromWorker>(r#"{"type":"?"}"#)
        .unwrap_err()
        .to_string();
    let listed = FromWorker::TYPES.map(|name| format!("`{name}`")).join(", ");
    assert!(unknown.contains(&format!("expected one of {listed} at")), "{unknown}");
}

#[test]
fn reports_are_due_at_multiples_and_at_the_end() {
    let due = |every, from, to| {
        let next = |&at: &u64| (at < to).then(|| next_report(every, at, to));
        std::iter::successors(Some(from), next).skip(1).collect::<Vec<_>>()
    };
    assert_eq!(due(1, 0, 3), [1, 2, 3]);
    assert_eq!(due(100, 0, 250), [100, 200, 250]);
    assert_eq!(due(100, 100, 300), [200, 300]);
    assert_eq!(due(100, 250, 320), [300, 320], "multiples are counted from 0");
    assert_eq!(due(u64::MAX, 1, u64::MAX - 1), [u64::MAX - 1]);
    assert_eq!(due(3, u64::MAX - 1, u64::MAX), [u64::MAX]);
}

#[test]
fn a_segment_of_hpo_that_knows_only_epochs_is_understood() {
    let line = r#"{"trial":4,"attempt":1,"seed":7,"parameters":{},"from":0,"to":3,"max":9,"checkpoint":null,"checkpoints":"/c"}"#;
    let run: Run = serde_json::from_str(line).unwrap();
    assert_eq!((run.unit, run.report_every), (Unit::Epochs, 1));
}

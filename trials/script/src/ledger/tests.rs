//! Where reports are placed.

use super::*;

fn due(from: u64, to: u64) -> Due {
    Due {
        unit: Unit::Epochs,
        from,
        to,
        every: 1,
    }
}

fn ledger(due: Due, stops_early: bool) -> Ledger {
    let known = BTreeMap::from([(1, 1.0), (2, 2.0), (3, 3.0)]);
    Ledger::new("loss", due, stops_early, false, known)
}

fn collected(resource: Option<f64>, value: f64) -> Collected {
    Collected {
        resource,
        values: BTreeMap::from([("loss".to_owned(), value)]),
        last: false,
    }
}

fn words(reports: Vec<Report>) -> Vec<String> {
    let last = |last: bool| if last { "!" } else { "" };
    let word = |report: &Report| format!("{}:{}{}", report.resource, report.values["loss"], last(report.last));
    reports.iter().map(word).collect()
}

/// Which reports are sent before the end, and which then.
fn run(mut ledger: Ledger, reports: Vec<Collected>) -> Result<(Vec<String>, Vec<String>), String> {
    let mut early = Vec::new();
    for report in reports {
        early.extend(words(ledger.take(report).map_err(|error| error.to_string())?));
    }
    let end = ledger.finish().map_err(|error| error.to_string())?;
    Ok((early, words(end)))
}

fn counted(values: &[f64]) -> Vec<Collected> {
    values.iter().map(|&value| collected(None, value)).collect()
}

fn placed(values: &[(f64, f64)]) -> Vec<Collected> {
    values.iter().map(|&(at, value)| collected(Some(at), value)).collect()
}

fn sent(early: &[&str], end: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
    let own = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
    Ok((own(early), own(end)))
}

#[test]
fn counted_reports_of_a_new_trial_have_their_places_from_the_second_on() {
    let run = |values: &[f64]| run(ledger(due(0, 3), false), counted(values));
    assert_eq!(run(&[1.0, 2.0, 3.0]), sent(&["1:1", "2:2"], &["3:3"]));
    assert_eq!(run(&[3.0]), sent(&[], &["3:3"]), "one is that of the end");
    let error = run(&[1.0, 2.0]).unwrap_err();
    assert!(
        error.contains("after 2 reports of `loss`, but 3 are due, one each epoch after 0 up to 3"),
        "{error}"
    );
    let error = run(&[1.0, 2.0, 3.0, 4.0]).unwrap_err();
    assert!(error.contains("`loss` more often than it can: 3 are due"), "{error}");
}

#[test]
fn counted_reports_of_a_trial_that_is_known_begin_where_their_number_says() {
    let of = |from, to, values: &[f64]| run(ledger(due(from, to), false), counted(values));
    assert_eq!(of(1, 3, &[2.0, 3.0]), sent(&[], &["2:2", "3:3"]), "it has gone on");
    assert_eq!(
        of(1, 3, &[1.0, 2.0, 3.0]),
        sent(&[], &["2:2", "3:3"]),
        "it has begun anew"
    );
    assert_eq!(of(1, 3, &[3.0]), sent(&[], &["3:3"]));
    let error = of(3, 9, &[1.0, 2.0]).unwrap_err();
    assert!(
        error.contains("6 are due, one each epoch after 3 up to 9, or, if it begins anew, 9 are due"),
        "{error}"
    );
    let steps = Due {
        every: 100,
        ..due(300, 850)
    };
    let values: Vec<f64> = (1..=6).map(f64::from).collect();
    let all = ["400:1", "500:2", "600:3", "700:4", "800:5", "850:6"];
    assert_eq!(run(ledger(steps, false), counted(&values)), sent(&[], &all));
}

#[test]
fn what_was_known_is_compared() {
    let of = |values: &[f64]| {
        let mut ledger = ledger(due(2, 3), false);
        counted(values)
            .into_iter()
            .for_each(|one| drop(ledger.take(one).unwrap()));
        ledger.finish().unwrap();
        ledger.differs().map(str::to_owned)
    };
    assert_eq!(of(&[1.0, 2.001, 3.0]), None);
    let differs = of(&[1.0, 2.1, 3.0]).unwrap();
    assert!(differs.contains("`loss` at epoch 2 was 2, and 2.1 when"), "{differs}");
}

#[test]
fn placed_reports_are_where_they_say() {
    let of = |from, to, reports: &[(f64, f64)]| run(ledger(due(from, to), false), placed(reports));
    assert_eq!(
        of(0, 3, &[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]),
        sent(&["1:1", "2:2"], &["3:3"])
    );
    assert_eq!(
        of(1, 3, &[(0.0, 9.0), (1.0, 1.0), (1.5, 5.0), (3.0, 3.0)]),
        sent(&[], &["3:3"])
    );
    for (reports, expected) in [
        (&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)][..], "it counts from 0"),
        (&[(1.0, 1.0)], "it came to epoch 1 instead of epoch 3"),
        (&[(4.0, 1.0)], "epoch 4, beyond 3"),
    ] {
        let error = of(0, 3, reports).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let mixed = [placed(&[(1.0, 1.0)]), counted(&[1.0])].concat();
    assert!(
        run(ledger(due(0, 3), false), mixed)
            .unwrap_err()
            .contains("some do not")
    );
}

#[test]
fn one_that_stops_early_ends_with_its_last_report() {
    let of = |from, reports| run(ledger(due(from, 9), true), reports);
    assert_eq!(of(0, counted(&[1.0, 2.0])), sent(&["1:1"], &["2:2!"]));
    assert_eq!(of(0, counted(&[1.0])), sent(&[], &["1:1!"]));
    assert_eq!(of(1, counted(&[1.0, 2.0, 3.0])), sent(&[], &["2:2", "3:3!"]));
    assert_eq!(of(0, placed(&[(1.0, 1.0), (4.0, 4.0)])), sent(&["1:1"], &["4:4!"]));
    let said = Collected {
        last: true,
        ..collected(None, 2.0)
    };
    let reports = [counted(&[1.0]), vec![said]].concat();
    assert_eq!(run(ledger(due(0, 9), false), reports), sent(&["1:1"], &["2:2!"]));
}

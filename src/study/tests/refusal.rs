//! What the core refuses: reports that are not due, messages that come late, and records that do not fit.

use super::super::*;
use super::{Core, at, checkpoint, sparse, spec};
use crate::ids::SlotId;

#[test]
fn a_worker_that_lies_is_replaced_and_its_report_not_recorded() {
    let honest = Some(checkpoint(TrialId(0), "x"));
    for (resource, loss, checkpoint) in [
        (2, Some(0.1), honest.clone()),
        (0, Some(0.1), honest),
        (1, Some(0.1), None),
    ] {
        let mut core = Core::new(spec(3, 9, 3), 1);
        let report = core.reported(TrialId(0), resource, loss, checkpoint.clone());
        let step = core.send(Event::Reported(report));
        let delete = checkpoint.map(|checkpoint| Command::Delete {
            files: vec![checkpoint.file],
        });
        let expected: Vec<_> = [Command::Replace { slot: SlotId(0) }]
            .into_iter()
            .chain(delete)
            .collect();
        assert_eq!(step.commands, expected);
        assert!(matches!(
            &step.records[..],
            [Record {
                fact: Fact::SegmentFailed { retry: true, .. },
                ..
            }]
        ));
    }
}

#[test]
fn a_report_before_or_after_the_one_that_is_due_is_refused_with_what_was() {
    let spec = sparse(spec(3, 250, 3), 100, 1);
    for resource in [1, 99, 101, 200] {
        let mut core = Core::new(spec.clone(), 1);
        let written = checkpoint(TrialId(0), "x");
        let report = core.reported(TrialId(0), resource, Some(0.1), Some(written.clone()));
        let step = core.send(Event::Reported(report));
        let files = vec![written.file];
        assert_eq!(
            step.commands,
            [Command::Replace { slot: SlotId(0) }, Command::Delete { files }]
        );
        let [
            Record {
                fact: Fact::SegmentFailed { message, .. },
                ..
            },
        ] = &step.records[..]
        else {
            panic!("{:?}", step.records);
        };
        let due = format!("the worker reported resource {resource}, but 100 of a segment to 100 was due");
        assert_eq!(*message, due);
    }
}

#[test]
fn a_message_of_an_older_attempt_is_ignored() {
    let mut core = Core::new(spec(3, 9, 3), 1);
    let late = core.reported(TrialId(0), 1, Some(0.0), Some(checkpoint(TrialId(0), "late")));
    core.restart(core.records.len());
    core.open(3, 1);
    let step = core.send(Event::Reported(late));
    assert_eq!(step.records, []);
    let files = vec!["0/late".to_owned()];
    assert_eq!(
        step.commands,
        [Command::Delete { files }],
        "nobody else knows of its file"
    );
}

#[test]
fn a_record_that_confirms_what_is_not_there_is_refused() {
    let mut study = Study::new(spec(3, 9, 3));
    let (trial, confirms, seed) = (TrialId(0), TrialId(0), 1);
    let fact = Fact::ConfirmationCreated { trial, confirms, seed };
    assert!(study.follow(&at(fact)).is_err());
}

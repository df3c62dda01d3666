//! What the core refuses: reports that are not due, messages that come late, and records that do not fit.

use proptest::prelude::*;

use super::super::*;
use super::{Core, at, checkpoint, sparse, spec, with};
use crate::ids::SlotId;
use crate::study::{Asha, MedianStopping, SuccessiveHalving};

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

/// A fact about one of few trials, that may be true of it or not.
fn fact() -> impl Strategy<Value = Fact> {
    let trial = || (0u64..4).prop_map(TrialId);
    let rung = || prop::sample::select(&[1u64, 3, 9][..]);
    let (slot, attempt) = (SlotId(0), 1);
    let written = || prop::option::of((0..3).prop_map(|name| checkpoint(TrialId(0), &format!("{name}"))));
    let report = (
        trial(),
        1u64..10,
        prop::option::weighted(0.8, 0.0..1.0),
        written(),
        prop::bool::weighted(0.2),
    );
    let report = report.prop_map(move |(trial, resource, loss, checkpoint, last)| {
        Fact::Reported(Reported {
            diverged: false,
            trial,
            attempt,
            resource,
            loss,
            metrics: Measures::default(),
            checkpoint,
            last,
        })
    });
    let start = (trial(), 0u64..9, rung(), any::<bool>());
    let start = start.prop_map(move |(trial, from, to, ahead)| Fact::SegmentStarted {
        trial,
        attempt,
        slot,
        from,
        to,
        ahead,
    });
    let failure = (trial(), any::<bool>(), any::<bool>());
    let failure = failure.prop_map(move |(trial, checkpoint_lost, retry)| Fact::SegmentFailed {
        trial,
        attempt,
        message: String::new(),
        checkpoint_lost,
        retry,
    });
    let stop = (trial(), written());
    prop_oneof![
        6 => report,
        6 => start,
        1 => failure,
        1 => stop.prop_map(move |(trial, checkpoint)| Fact::SegmentStopped { trial, attempt, checkpoint }),
        1 => trial().prop_map(move |trial| Fact::SegmentPreempted { trial, attempt }),
        3 => (trial(), rung(), rung()).prop_map(|(trial, rung, to)| Fact::TrialPromoted { trial, rung, to }),
        1 => (trial(), rung()).prop_map(|(trial, rung)| Fact::TrialPruned { trial, rung }),
        1 => (trial(), rung()).prop_map(|(trial, rung)| Fact::TrialCompleted { trial, rung }),
        1 => trial().prop_map(|trial| Fact::TrialStopped { trial }),
        1 => trial().prop_map(|trial| Fact::TrialRetried { trial }),
        1 => (0..3).prop_map(|name| Fact::CheckpointLost { trial: TrialId(0), file: format!("0/{name}") }),
        1 => Just(Fact::SchedulerStarted { process: 1, slots: Vec::new() }),
        1 => Just(Fact::StudyFinished { best: Some(TrialId(0)) }),
        1 => (trial(), trial()).prop_map(|(trial, confirms)| Fact::ConfirmationCreated { trial, confirms, seed: 0 }),
    ]
}

fn kind() -> impl Strategy<Value = PolicyKind> {
    prop_oneof![
        Just(PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: None,
            small_brackets: false
        })),
        Just(PolicyKind::Asha(Asha {
            variant: AshaVariant::Promotion
        })),
        Just(PolicyKind::Asha(Asha {
            variant: AshaVariant::Stopping
        })),
        Just(PolicyKind::MedianStopping(MedianStopping {
            percentile: 50,
            startup_trials: 1
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What was not refused can be taken in, and leaves a study that agrees with itself about where its trials are.
    #[test]
    fn whoever_wrote_a_record_it_is_refused_or_makes_sense(kind in kind(), facts in prop::collection::vec(fact(), 0..200)) {
        let mut study = Study::new(with(kind, 3, 9, 3));
        let trials = if study.spec.policy.is_synchronous() { 3 } else { 0 };
        study.follow(&at(Fact::BracketOpened { first: 0, trials, rungs: vec![1, 3, 9] })).unwrap();
        for trial in (0..3).map(TrialId) {
            let parameters = [("x".to_owned(), serde_json::json!(0.5))].into_iter().collect();
            study.follow(&at(Fact::TrialCreated { trial, bracket: 0, parameters, seed: 0 })).unwrap();
        }
        for fact in facts {
            let _ = study.follow(&at(fact));
            prop_assert_eq!(study.check_sets(), Ok(()));
        }
    }
}

//! What a study takes up again: after a crash between two records, after a checkpoint was lost, after it was raised, and where a
//! trial has ended by itself.

use super::super::*;
use super::{Core, checkpoint, spec, with};
use crate::study::{Asha, SuccessiveHalving};

const STOPPING: PolicyKind = PolicyKind::Asha(Asha {
    variant: AshaVariant::Stopping,
});

#[test]
fn a_trial_that_was_to_be_pruned_when_the_scheduler_died_is_not_begun_again() {
    let mut core = Core::new(with(STOPPING, 3, 4, 2), 2);
    core.report(TrialId(0), 1, 0.1);
    let records = core.report(TrialId(1), 1, 0.2);
    let pruned = Fact::TrialPruned {
        trial: TrialId(1),
        rung: 1,
    };
    assert_eq!(records.last().unwrap().fact, pruned);
    // The last record of the batch did not become durable.
    core.restart(core.records.len() - 1);
    core.open(3, 2);
    assert_eq!(*core.state(TrialId(1)), TrialState::Pruned { rung: 1 });
    assert!(core.study.waiting.is_empty());
}

#[test]
fn a_trial_that_goes_back_behind_a_rung_stands_there_once() {
    let mut core = Core::new(with(STOPPING, 4, 4, 2), 2);
    core.report(TrialId(0), 1, 0.1);
    core.fail(TrialId(0), true);
    core.idle(0..1);
    core.report(TrialId(0), 1, 0.1);
    // Of two at least one may go on, but 1 is not the best of two, nor 2 of three.
    let records = core.report(TrialId(1), 1, 0.05);
    assert_eq!(records.len(), 1, "1 is the best of two: {records:?}");
    core.idle(2..3);
    let records = core.report(TrialId(2), 1, 0.07);
    let pruned = Fact::TrialPruned {
        trial: TrialId(2),
        rung: 1,
    };
    assert_eq!(records.last().unwrap().fact, pruned, "of three one goes on");
}

#[test]
fn a_trial_that_fails_behind_a_rung_is_not_counted_there_again() {
    let mut core = Core::new(with(STOPPING, 4, 4, 2), 2);
    core.report(TrialId(0), 1, 0.1);
    for _ in 0..3 {
        core.fail(TrialId(0), false);
        core.idle(0..1);
    }
    assert_eq!(core.state(TrialId(0)).word(), "failed");
    core.report(TrialId(1), 1, 0.05);
    let records = core.report(TrialId(2), 1, 0.07);
    let pruned = Fact::TrialPruned {
        trial: TrialId(2),
        rung: 1,
    };
    assert_eq!(records.last().unwrap().fact, pruned, "of three one goes on");
}

#[test]
fn what_was_pruned_stays_so_when_the_study_is_raised() {
    let promotion = PolicyKind::Asha(Asha {
        variant: AshaVariant::Promotion,
    });
    let mut core = Core::new(with(promotion, 3, 2, 2), 3);
    for (trial, loss) in [(0, 0.1), (1, 0.2), (2, 0.3)] {
        core.report(TrialId(trial), 1, loss);
    }
    core.idle(0..1);
    core.report(TrialId(0), 2, 0.1);
    assert!(core.study.is_finished());
    assert_eq!(*core.state(TrialId(1)), TrialState::Pruned { rung: 1 });
    core.open(4, 1);
    core.report(TrialId(3), 1, 0.4);
    // Of four two may go on: 0, which has, and 1, which has ended.
    core.idle(0..1);
    assert_eq!(*core.state(TrialId(1)), TrialState::Pruned { rung: 1 });
    assert!(core.study.is_finished());
}

#[test]
fn a_trial_that_went_back_and_was_stopped_goes_on_from_where_it_was_stopped() {
    let mut core = Core::new(with(PolicyKind::None, 1, 4, 2), 1);
    for resource in 1..=3 {
        core.report(TrialId(0), resource, 1.0 / resource as f64);
    }
    // Only the latest is kept, which is the best.
    core.fail(TrialId(0), true);
    core.idle(0..1);
    core.report(TrialId(0), 1, 1.0);
    let segment = core.segment(TrialId(0));
    let stopped = checkpoint(TrialId(0), "stopped");
    core.send(Event::Stopped {
        segment,
        checkpoint: Some(stopped.clone()),
    });
    let commands = core.idle(0..1).commands;
    let goes_on = |command: &Command| matches!(command, Command::Run { from: 1, checkpoint, .. } if checkpoint.as_ref() == Some(&stopped));
    assert!(commands.iter().any(goes_on), "{commands:?}");
}

/// A sampler that learns looks at what it has just drawn, too.
#[test]
fn a_bracket_that_was_half_recorded_gets_the_configurations_it_was_to_have() {
    let kind = PolicyKind::SuccessiveHalving(SuccessiveHalving {
        bracket_size: Some(4),
        small_brackets: false,
    });
    let mut spec = with(kind, 8, 1, 2);
    spec.sampler = SamplerSpec::Tpe(Tpe {
        startup_trials: Some(2),
        random_share: 0.0,
        ..Tpe::default()
    });
    let mut core = Core::new(spec, 4);
    for trial in 0..4 {
        core.report(TrialId(trial), 1, 0.1 * trial as f64);
    }
    let whole: Vec<_> = core
        .study
        .trials()
        .iter()
        .map(|trial| trial.parameters.clone())
        .collect();
    assert_eq!(whole.len(), 8);
    let last = core
        .records
        .iter()
        .rposition(|record| matches!(record.fact, Fact::TrialCreated { trial: TrialId(5), .. }));
    core.restart(last.unwrap());
    assert_eq!(core.study.trials().len(), 5);
    core.open(8, 1);
    let completed: Vec<_> = core
        .study
        .trials()
        .iter()
        .map(|trial| trial.parameters.clone())
        .collect();
    assert_eq!(completed, whole);
}

#[test]
fn a_trial_that_ends_by_itself_stands_at_the_rungs_above_without_more_training() {
    let mut core = Core::new(spec(3, 9, 3), 1);
    for trial in (0..3).map(TrialId) {
        let written = checkpoint(trial, "1-1");
        let report = core.reported(trial, 1, Some(3.0 - trial.0 as f64), Some(written));
        core.send(Event::Reported(Reported { last: true, ..report }));
        core.idle(0..1);
    }
    assert!(core.study.is_finished());
    let begun = core
        .records
        .iter()
        .filter(|record| matches!(record.fact, Fact::SegmentStarted { .. }));
    assert_eq!(begun.count(), 3);
    let best = core.study.best().unwrap();
    assert_eq!(
        (best.id, &best.state, best.resource()),
        (TrialId(2), &TrialState::Completed, 1)
    );
}

//! What a study takes up again: after a crash between two records, after a checkpoint was lost, and after it was raised.

use super::super::*;
use super::{checkpoint, with};
use crate::ids::SlotId;

/// A study on slots that do as they are told.
struct Table {
    study: Study,
    records: Vec<Record>,
}

impl Table {
    fn new(kind: PolicyKind, trials: u64, max_resource: u64, slots: u32) -> Self {
        let mut table = Self {
            study: Study::new(with(kind, trials, max_resource, 2)),
            records: Vec::new(),
        };
        table.open(trials, slots);
        table
    }

    fn send(&mut self, event: Event) -> Step {
        let step = self.study.handle(Timestamp(0), event);
        self.records.extend(step.records.clone());
        step
    }

    fn open(&mut self, trials: u64, slots: u32) {
        let limits = Limits {
            trials,
            confirmation: None,
        };
        self.send(Event::Opened {
            process: 1,
            slots: Vec::new(),
            limits,
        });
        let slots = (0..slots).map(SlotId).collect();
        self.send(Event::Idle { slots });
    }

    fn idle(&mut self) -> Step {
        self.send(Event::Idle { slots: vec![SlotId(0)] })
    }

    fn report(&mut self, trial: TrialId, resource: u64, loss: f64) -> Vec<Record> {
        let attempt = self.study.trial(trial).unwrap().attempts;
        let reported = Event::Reported(Reported {
            trial,
            attempt,
            resource,
            loss: Some(loss),
            metrics: Measures::default(),
            checkpoint: Some(checkpoint(trial, &format!("{attempt}-{resource}"))),
            last: false,
        });
        self.send(reported).records
    }

    fn fail(&mut self, trial: TrialId, checkpoint_lost: bool) {
        let segment = self.study.trial(trial).unwrap().last_segment();
        self.send(Event::Failed {
            segment,
            message: "out of luck".into(),
            checkpoint_lost,
        });
    }

    fn state(&self, trial: TrialId) -> &TrialState {
        &self.study.trial(trial).unwrap().state
    }
}

const STOPPING: PolicyKind = PolicyKind::Asha {
    variant: AshaVariant::Stopping,
};

#[test]
fn a_trial_that_was_to_be_pruned_when_the_scheduler_died_is_not_begun_again() {
    let mut table = Table::new(STOPPING, 3, 4, 2);
    table.report(TrialId(0), 1, 0.1);
    let records = table.report(TrialId(1), 1, 0.2);
    let pruned = Fact::TrialPruned {
        trial: TrialId(1),
        rung: 1,
    };
    assert_eq!(records.last().unwrap().fact, pruned);
    // The last record of the batch did not become durable.
    table.records.pop();
    table.study = Study::restore(table.study.spec().clone(), &table.records).unwrap();
    table.open(3, 2);
    assert_eq!(*table.state(TrialId(1)), TrialState::Pruned { rung: 1 });
    assert!(table.study.waiting.is_empty());
}

#[test]
fn a_trial_that_goes_back_behind_a_rung_stands_there_once() {
    let mut table = Table::new(STOPPING, 4, 4, 2);
    table.report(TrialId(0), 1, 0.1);
    table.fail(TrialId(0), true);
    table.idle();
    table.report(TrialId(0), 1, 0.1);
    // Of two at least one may go on, but 1 is not the best of two, nor 2 of three.
    let records = table.report(TrialId(1), 1, 0.05);
    assert_eq!(records.len(), 1, "1 is the best of two: {records:?}");
    table.send(Event::Idle { slots: vec![SlotId(2)] });
    let records = table.report(TrialId(2), 1, 0.07);
    let pruned = Fact::TrialPruned {
        trial: TrialId(2),
        rung: 1,
    };
    assert_eq!(records.last().unwrap().fact, pruned, "of three one goes on");
}

#[test]
fn a_trial_that_fails_behind_a_rung_is_not_counted_there_again() {
    let mut table = Table::new(STOPPING, 4, 4, 2);
    table.report(TrialId(0), 1, 0.1);
    for _ in 0..3 {
        table.fail(TrialId(0), false);
        table.idle();
    }
    assert_eq!(table.state(TrialId(0)).word(), "failed");
    table.report(TrialId(1), 1, 0.05);
    let records = table.report(TrialId(2), 1, 0.07);
    let pruned = Fact::TrialPruned {
        trial: TrialId(2),
        rung: 1,
    };
    assert_eq!(records.last().unwrap().fact, pruned, "of three one goes on");
}

#[test]
fn what_was_pruned_stays_so_when_the_study_is_raised() {
    let promotion = PolicyKind::Asha {
        variant: AshaVariant::Promotion,
    };
    let mut table = Table::new(promotion, 3, 2, 3);
    for (trial, loss) in [(0, 0.1), (1, 0.2), (2, 0.3)] {
        table.report(TrialId(trial), 1, loss);
    }
    table.idle();
    table.report(TrialId(0), 2, 0.1);
    assert!(table.study.is_finished());
    assert_eq!(*table.state(TrialId(1)), TrialState::Pruned { rung: 1 });
    table.open(4, 1);
    table.report(TrialId(3), 1, 0.4);
    // Of four two may go on: 0, which has, and 1, which has ended.
    table.idle();
    assert_eq!(*table.state(TrialId(1)), TrialState::Pruned { rung: 1 });
    assert!(table.study.is_finished());
}

#[test]
fn a_trial_that_went_back_and_was_stopped_goes_on_from_where_it_was_stopped() {
    let mut table = Table::new(PolicyKind::None, 1, 4, 1);
    for resource in 1..=3 {
        table.report(TrialId(0), resource, 1.0 / resource as f64);
    }
    // Only the latest is kept, which is the best.
    table.fail(TrialId(0), true);
    table.idle();
    table.report(TrialId(0), 1, 1.0);
    let segment = table.study.trial(TrialId(0)).unwrap().last_segment();
    let stopped = checkpoint(TrialId(0), "stopped");
    table.send(Event::Stopped {
        segment,
        checkpoint: Some(stopped.clone()),
    });
    let commands = table.idle().commands;
    let goes_on = |command: &Command| matches!(command, Command::Run { from: 1, checkpoint, .. } if checkpoint.as_ref() == Some(&stopped));
    assert!(commands.iter().any(goes_on), "{commands:?}");
}

/// A sampler that learns looks at what it has just drawn, too.
#[test]
fn a_bracket_that_was_half_recorded_gets_the_configurations_it_was_to_have() {
    let kind = PolicyKind::SuccessiveHalving {
        bracket_size: Some(4),
        small_brackets: false,
    };
    let mut table = Table::new(kind, 8, 1, 4);
    table.study.spec.sampler = SamplerSpec::Tpe(Tpe {
        startup_trials: Some(2),
        random_share: 0.0,
    });
    for trial in 0..4 {
        table.report(TrialId(trial), 1, 0.1 * trial as f64);
    }
    let whole: Vec<_> = table
        .study
        .trials()
        .iter()
        .map(|trial| trial.parameters.clone())
        .collect();
    assert_eq!(whole.len(), 8);
    let last = table
        .records
        .iter()
        .rposition(|record| matches!(record.fact, Fact::TrialCreated { trial: TrialId(5), .. }));
    table.records.truncate(last.unwrap());
    table.study = Study::restore(table.study.spec().clone(), &table.records).unwrap();
    assert_eq!(table.study.trials().len(), 5);
    table.open(8, 1);
    let completed: Vec<_> = table
        .study
        .trials()
        .iter()
        .map(|trial| trial.parameters.clone())
        .collect();
    assert_eq!(completed, whole);
}

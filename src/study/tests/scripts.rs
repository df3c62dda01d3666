//! Scripts have a checkpoint only where a segment ends, and may report less often than is due.

use super::*;

fn script() -> StudySpec {
    let mut spec = spec(3, 9, 3);
    spec.trainer.command = Some(vec!["script".into()]);
    spec.trainer.script = true;
    spec
}

impl Core {
    fn report_without_checkpoint(&mut self, trial: u64, resource: u64, loss: f64) -> Vec<Record> {
        let reported = self.reported(TrialId(trial), resource, Some(loss), None);
        self.send(Event::Reported(reported)).records
    }

    /// Brings trial 0 to the second rung.
    fn promoted() -> Self {
        let mut core = Self::new(script(), 3);
        for trial in 0..3 {
            core.report(TrialId(trial), 1, 0.5 + trial as f64);
        }
        core.idle(0..3);
        core
    }
}

#[test]
fn a_script_goes_on_from_the_end_of_its_last_segment() {
    let mut core = Core::promoted();
    core.report_without_checkpoint(0, 2, 0.4);
    let from = |core: &Core| core.study.trial(TrialId(0)).unwrap().resume_point().0;
    assert_eq!(from(&core), 1);
    core.fail(TrialId(0), false);
    core.idle(0..1);
    // It comes by the same resource again.
    core.report_without_checkpoint(0, 2, 0.4);
    core.report(TrialId(0), 3, 0.6);
    assert_eq!(from(&core), 3);
}

#[test]
fn the_checkpoint_of_the_best_validation_is_the_next_one_that_was_written() {
    let mut core = Core::promoted();
    core.report_without_checkpoint(0, 2, 0.1);
    core.report(TrialId(0), 3, 0.6);
    core.idle(0..1);
    let best = |core: &Core| {
        core.study
            .best()
            .unwrap()
            .best_checkpoint()
            .map(|kept| kept.file.clone())
    };
    assert_eq!(best(&core).as_deref(), Some("0/2-3"));
    core.report(TrialId(0), 9, 0.2);
    assert!(core.study.is_finished());
    assert_eq!(
        best(&core).as_deref(),
        Some("0/2-3"),
        "of the trial at epoch 2, not of the one at epoch 9"
    );
}

#[test]
fn a_script_may_leave_reports_out_but_not_the_checkpoint_from_which_it_may_go_on() {
    let mut core = Core::promoted();
    core.report(TrialId(0), 3, 0.4);
    assert_eq!(core.study.trial(TrialId(0)).unwrap().resource(), 3);
    core.idle(0..1);
    let failed = |records: Vec<Record>| {
        let message = records.into_iter().find_map(|record| match record.fact {
            Fact::SegmentFailed { message, .. } => Some(message),
            _ => None,
        });
        message.unwrap_or_default()
    };
    assert!(failed(core.report(TrialId(0), 3, 0.3)).contains("resource 3, but 4"));
    core.idle(0..1);
    assert_eq!(
        failed(core.report_without_checkpoint(0, 9, 0.3)),
        "",
        "it can't go on from the maximum"
    );
    // Others may do neither.
    let mut core = Core::new(spec(3, 9, 3), 3);
    assert!(failed(core.report_without_checkpoint(0, 1, 0.3)).contains("without a checkpoint"));
}

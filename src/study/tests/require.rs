//! Trials that break what a study requires rank behind all that fulfil it.

use proptest::prelude::*;

use super::*;
use crate::study::{Requirement, Tpe};

const MS: &str = "ms";

fn requiring(spec: StudySpec) -> StudySpec {
    let require: Requirement = format!("{MS} <= 5").try_into().unwrap();
    StudySpec {
        require: vec![require],
        ..spec
    }
}

impl Core {
    fn report_ms(&mut self, trial: u64, resource: u64, loss: f64, ms: Option<f64>) -> Step {
        let trial = TrialId(trial);
        let written = format!("{}-{resource}", self.segment(trial).attempt);
        let mut reported = self.reported(trial, resource, Some(loss), Some(checkpoint(trial, &written)));
        reported.metrics = ms.map(|ms| (MS.to_owned(), ms)).into_iter().collect();
        self.send(Event::Reported(reported))
    }

    fn is_pruned(&self, trial: u64) -> bool {
        matches!(self.state(TrialId(trial)), TrialState::Pruned { .. })
    }

    fn best(&self) -> Option<u64> {
        self.study.best().map(|best| best.id.0)
    }
}

#[test]
fn the_feasible_go_on_and_then_those_that_break_it_least() {
    let mut core = Core::new(requiring(spec(9, 3, 3)), 9);
    for (trial, loss, ms) in [
        (0, 0.1, Some(6.0)),
        (1, 0.9, Some(5.0)),
        (2, 0.2, Some(5.5)),
        (3, 0.8, Some(4.0)),
        (4, 0.05, None),
        (5, 0.3, Some(9.0)),
        (6, 0.3, Some(9.0)),
        (7, 0.3, Some(9.0)),
        (8, 0.3, Some(9.0)),
    ] {
        core.report_ms(trial, 1, loss, ms);
    }
    let on: Vec<u64> = (0..9).filter(|&trial| !core.is_pruned(trial)).collect();
    assert_eq!(on, [1, 2, 3]);
    assert_eq!(core.best(), Some(3));
    let standing = core.study.standing(TrialId(3), 1, &[]).unwrap();
    let order: Vec<u64> = standing.ranked.iter().map(|(trial, _)| trial.0).collect();
    assert_eq!(order, [3, 1, 2, 0, 5, 6, 7, 8, 4]);
}

#[test]
fn a_value_that_was_reported_before_holds_until_another_is() {
    let mut core = Core::new(requiring(with(PolicyKind::None, 1, 4, 2)), 1);
    core.report_ms(0, 1, 0.9, None);
    core.report_ms(0, 2, 0.7, Some(4.0));
    core.report_ms(0, 3, 0.5, None);
    core.report_ms(0, 4, 0.1, Some(6.0));
    let trial = core.study.trial(TrialId(0)).unwrap();
    let violations: Vec<f64> = trial.reports.values().map(|report| report.violation).collect();
    assert_eq!(violations[..3], [f64::INFINITY, 0.0, 0.0]);
    assert!((violations[3] - 0.2).abs() < 1e-12);
    // The best model is the best of those that fulfil it, and is kept.
    assert_eq!(trial.best(), Some((3, 0.5)));
    assert!(trial.best_checkpoint().is_some_and(|kept| kept.file.ends_with("-3")));
    let row = core.study.summary(trial);
    assert_eq!((row.feasible, row.breaks.len()), (Some(true), 0));
}

#[test]
fn one_that_was_stopped_is_the_best_if_no_completed_one_fulfils_what_is_required() {
    let mut core = Core::new(requiring(spec(3, 3, 3)), 3);
    for (trial, loss, ms) in [(0, 0.5, 4.0), (1, 0.4, 4.0), (2, 0.3, 6.0)] {
        core.report_ms(trial, 1, loss, Some(ms));
    }
    assert!(core.is_pruned(0) && core.is_pruned(2));
    core.idle(0..3);
    // It lasts longer once it is trained further, and what it was before is forgotten with a lost checkpoint.
    core.report_ms(1, 2, 0.3, Some(7.0));
    assert_eq!(core.best(), Some(1), "its first report fulfils it");
    for _ in 0..2 {
        core.fail(TrialId(1), true);
        core.idle(0..3);
    }
    core.report_ms(1, 1, 0.4, Some(8.0));
    assert_eq!(core.best(), Some(0));
    core.report_ms(1, 2, 0.3, Some(8.0));
    core.report_ms(1, 3, 0.2, Some(8.0));
    assert!(core.study.is_finished());
    assert_eq!(core.best(), Some(0));
    assert!(core.study.best().unwrap().best_checkpoint().is_some());
}

#[test]
fn without_the_metric_configurations_are_drawn_by_the_objective_alone() {
    let run = |spec: StudySpec| {
        let mut core = Core::new(spec, 1);
        for trial in 0..12 {
            let x = core.study.trial(TrialId(trial)).unwrap().parameters["x"].as_f64();
            core.report_ms(trial, 1, (x.unwrap() - 0.3).abs(), None);
            core.idle(0..1);
        }
        core.study
            .trials()
            .iter()
            .map(|trial| trial.parameters.clone())
            .collect::<Vec<_>>()
    };
    let asha = PolicyKind::Asha(Asha {
        variant: AshaVariant::Stopping,
    });
    let spec = StudySpec {
        sampler: SamplerSpec::Tpe(Tpe::default()),
        ..with(asha, 12, 1, 3)
    };
    assert_eq!(run(requiring(spec.clone())), run(spec));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_no_infeasible_trial_is_the_best_beside_a_feasible_one(
        values in prop::collection::vec(prop::collection::vec((0u8..8, prop::option::weighted(0.8, 0u8..10)), 9), 9),
        kind in prop_oneof![
            Just(PolicyKind::None),
            Just(PolicyKind::Asha(Asha { variant: AshaVariant::Stopping })),
            Just(PolicyKind::Asha(Asha { variant: AshaVariant::Promotion })),
            Just(PolicyKind::Pasha),
            Just(PolicyKind::MedianStopping(MedianStopping { percentile: 50, startup_trials: 2 })),
        ],
        slots in 1..4u32,
    ) {
        let mut core = Core::new(requiring(with(kind, 9, 9, 3)), slots);
        loop {
            let running = core.study.running().find_map(|trial| match trial.state {
                TrialState::Running { at, .. } => Some((trial.id, at)),
                _ => None,
            });
            let Some((id, at)) = running else { break };
            let (loss, ms) = values[id.0 as usize][at as usize];
            core.report_ms(id.0, at + 1, f64::from(loss), ms.map(f64::from));
            let best = core.study.best().unwrap();
            let any = core.study.search_trials().any(Trial::is_feasible);
            prop_assert_eq!(best.is_feasible(), any);
            let at = best.best().unwrap().0;
            prop_assert_eq!(core.study.spec().broken(best, at).is_empty(), any);
            let busy: Vec<Option<SlotId>> = core.study.running().map(Trial::slot).collect();
            let free = (0..slots).map(SlotId).filter(|slot| !busy.contains(&Some(*slot)));
            core.send(Event::Idle { slots: free.collect() });
        }
        prop_assert!(core.study.is_finished());
        let kept = core.study.best().is_some_and(|best| best.best_checkpoint().is_some());
        prop_assert!(kept);
    }
}

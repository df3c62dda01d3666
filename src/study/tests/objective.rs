//! Trials are compared by what the study names.

use serde_json::json;

use super::*;
use crate::study::{Direction, Objective};

const ACCURACY: &str = "accuracy";

fn by_accuracy(trials: u64, max_resource: u64) -> StudySpec {
    StudySpec {
        objective: Objective {
            metric: ACCURACY.into(),
            direction: Direction::Maximize,
        },
        ..spec(trials, max_resource, 3)
    }
}

impl Core {
    /// A report whose loss says the opposite of its accuracy, or nothing.
    fn report_accuracy(&mut self, trial: TrialId, resource: u64, accuracy: f64, loss: Option<f64>) -> Step {
        let written = format!("{}-{resource}", self.segment(trial).attempt);
        let mut reported = self.reported(trial, resource, loss, Some(checkpoint(trial, &written)));
        reported.metrics = [(ACCURACY.to_owned(), accuracy)].into_iter().collect();
        self.send(Event::Reported(reported))
    }
}

#[test]
fn the_higher_accuracy_goes_on_whatever_the_loss_says() {
    let mut core = Core::new(by_accuracy(3, 3), 3);
    for (trial, accuracy) in [(0, 0.5), (1, 0.9), (2, 0.7)] {
        // The worst model has the lowest loss, and one has none.
        let loss = Some(accuracy).filter(|_| trial != 1);
        core.report_accuracy(TrialId(trial), 1, accuracy, loss);
    }
    let pruned = |trial| matches!(core.state(TrialId(trial)), TrialState::Pruned { rung: 1 });
    assert!(pruned(0) && pruned(2) && !pruned(1), "{:?}", core.study.trials());
    core.idle(0..3);
    core.report_accuracy(TrialId(1), 2, 0.95, None);
    core.report_accuracy(TrialId(1), 3, 0.93, Some(0.1));
    assert!(core.study.is_finished());
    let best = core.study.best().unwrap();
    assert_eq!(
        (best.id, best.best().unwrap().0),
        (TrialId(1), 2),
        "the best report is that of the highest accuracy"
    );
    let row = core.study.summary(best);
    assert_eq!((row.objective, row.loss, row.best_at), (Some(0.95), None, Some(2)));
    assert!(
        best.best_checkpoint().is_some_and(|kept| kept.file.ends_with("-2")),
        "{best:?}"
    );
}

#[test]
fn what_evaluations_have_measured_is_known_when_a_model_is_exported() {
    let mut study = by_accuracy(1, 2);
    let docs = json!({ "type": "triplets", "data": "/rows.jsonl" });
    study
        .trainer
        .settings
        .insert("evaluations".to_owned(), json!({ "docs": docs, "far": docs }));
    let mut core = Core::new(study, 1);
    let metrics = |accuracy: f64, docs: f64| [(ACCURACY, accuracy), ("docs.accuracy", docs), ("docs.other", 1.0)];
    let named = |values: &[(&str, f64)]| {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect()
    };
    let untrained = Measurement {
        loss: None,
        metrics: named(&metrics(0.5, 0.25)),
    };
    core.send(Event::Evaluated(Baseline::One(untrained)));
    for (resource, accuracy, docs) in [(1, 0.9, 0.75), (2, 0.8, 0.875)] {
        let mut reported = core.reported(TrialId(0), resource, None, Some(checkpoint(TrialId(0), "a")));
        let all: Metrics = named(&metrics(accuracy, docs));
        reported.metrics = Measures::from(&all);
        core.send(Event::Reported(reported));
    }
    // Of the report whose model is kept.
    let expected = Evaluated {
        evaluations: named(&[("docs.accuracy", 0.75)]),
        untrained_evaluations: named(&[("docs.accuracy", 0.25)]),
    };
    assert_eq!(core.study.evaluated(core.study.best().unwrap()), expected);
}

#[test]
fn a_report_without_the_objective_fails_and_names_what_there_is() {
    let mut core = Core::new(by_accuracy(3, 3), 1);
    let mut reported = core.reported(TrialId(0), 1, Some(0.4), Some(checkpoint(TrialId(0), "a")));
    reported.metrics = [("f1".to_owned(), 0.5)].into_iter().collect();
    let step = core.send(Event::Reported(reported));
    let Some(Fact::SegmentFailed { message, .. }) = step.records.first().map(|record| &record.fact) else {
        panic!("{step:?}");
    };
    assert_eq!(
        message,
        "the report at resource 1 lacks `accuracy`, the study's objective: it has loss, f1"
    );
}

#[test]
fn an_objective_that_is_not_finite_ends_the_trial_and_stops_its_trainer() {
    for (value, loss) in [
        (f64::NAN, Some(0.4)),
        (f64::INFINITY, None),
        (f64::NEG_INFINITY, Some(0.1)),
    ] {
        let mut core = Core::new(by_accuracy(3, 3), 1);
        let segment = core.segment(TrialId(0));
        let step = core.report_accuracy(TrialId(0), 1, value, loss);
        assert_eq!(core.state(TrialId(0)), &TrialState::Diverged { resource: 1 });
        let stopped = |command: &Command| matches!(command, Command::Stop { segment: of, .. } if *of == segment);
        assert!(step.commands.iter().any(stopped), "{step:?}");
    }
}

#[test]
fn a_metric_beside_the_objective_that_is_not_finite_is_left_out() {
    let mut core = Core::new(by_accuracy(3, 3), 1);
    let mut reported = core.reported(TrialId(0), 1, Some(f64::NAN), Some(checkpoint(TrialId(0), "a")));
    reported.metrics = [(ACCURACY.to_owned(), 0.5), ("f1".to_owned(), f64::NAN)]
        .into_iter()
        .collect();
    core.send(Event::Reported(reported));
    let report = &core.study.trial(TrialId(0)).unwrap().reports[&1];
    assert_eq!(
        (report.cost, report.loss, report.metrics.get("f1")),
        (Some(-0.5), None, None)
    );
}

/// The same search by a loss, and by its negative, which is to be maximized.
#[test]
fn a_search_takes_the_same_decisions_by_a_loss_and_by_a_score() {
    let value = |trial: TrialId, resource: u64| ((trial.0 * 7919 + resource * 104_729) % 97) as f64 / 97.0;
    let run = |spec: StudySpec| {
        let mut core = Core::new(spec, 1);
        while !core.study.is_finished() {
            let running = core.study.running().map(|trial| trial.id).next();
            let Some(trial) = running else {
                core.idle(0..1);
                continue;
            };
            let resource = core.study.trial(trial).unwrap().resource() + 1;
            let value = value(trial, resource);
            match core.spec.objective.is_loss() {
                true => drop(core.report(trial, resource, value)),
                false => drop(core.report_accuracy(trial, resource, -value, None)),
            }
        }
        let states = core.study.trials().iter();
        let states: Vec<_> = states
            .map(|trial| (trial.parameters.clone(), trial.state.clone()))
            .collect();
        (states, core.study.best().unwrap().id)
    };
    for sampler in [SamplerSpec::Random, SamplerSpec::GaussianProcess(Default::default())] {
        let with = |spec: StudySpec| StudySpec {
            sampler: sampler.clone(),
            ..spec
        };
        let by_loss = run(with(StudySpec {
            policy: PolicySpec {
                speculation: false,
                ..spec(12, 3, 3).policy
            },
            ..spec(12, 3, 3)
        }));
        let by_score = run(with(StudySpec {
            policy: PolicySpec {
                speculation: false,
                ..spec(12, 3, 3).policy
            },
            ..by_accuracy(12, 3)
        }));
        assert_eq!(by_loss, by_score);
    }
}

#[test]
fn as_many_models_are_kept_as_the_study_asks_for() {
    for keep in [1, 2, 3, 9] {
        let spec = StudySpec {
            keep_checkpoints: keep,
            ..spec(5, 3, 3)
        };
        let mut core = Core::new(spec, 5);
        for (trial, loss) in [(0, 0.5), (1, 0.2), (2, 0.4), (3, 0.3), (4, 0.6)] {
            core.report(TrialId(trial), 1, loss);
        }
        core.idle(0..5);
        core.report(TrialId(1), 2, 0.25);
        core.report(TrialId(1), 3, 0.26);
        assert!(core.study.is_finished());
        let kept = |trial: &&Trial| trial.best_checkpoint().is_some();
        let kept: Vec<u64> = core
            .study
            .trials()
            .iter()
            .filter(kept)
            .map(|trial| trial.id.0)
            .collect();
        let mut expected = [1, 3, 2, 0, 4][..(keep as usize).min(5)].to_vec();
        expected.sort_unstable();
        assert_eq!(
            kept, expected,
            "the completed one and the best of those that were pruned"
        );
    }
}

//! Trials are compared by several objectives.

use proptest::prelude::*;

use super::*;
use crate::space::{Distribution, Parameter};
use crate::study::{Direction, GaussianProcess, Objective, Tpe};

const MS: &str = "ms";

fn by_both(spec: StudySpec) -> StudySpec {
    StudySpec {
        further: vec![Objective {
            metric: MS.into(),
            direction: Direction::Minimize,
        }],
        ..spec
    }
}

impl Core {
    fn report_both(&mut self, trial: TrialId, resource: u64, loss: f64, ms: f64) -> Step {
        let written = format!("{}-{resource}", self.segment(trial).attempt);
        let mut reported = self.reported(trial, resource, Some(loss), Some(checkpoint(trial, &written)));
        reported.metrics = [(MS.to_owned(), ms)].into_iter().collect();
        self.send(Event::Reported(reported))
    }

    /// The trial that is on its way on the only slot, and the resource that it has come to.
    fn on_its_way(&self) -> Option<(TrialId, u64)> {
        self.study.running().find_map(|trial| match trial.state {
            TrialState::Running { at, .. } => Some((trial.id, at)),
            _ => None,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_front_is_that_of_the_definition_and_its_models_are_kept(
        values in prop::collection::vec(prop::array::uniform2(0u8..6), 9),
        kind in prop_oneof![
            Just(PolicyKind::None),
            Just(spec(9, 9, 3).policy.kind),
            Just(PolicyKind::Asha(Asha { variant: AshaVariant::Promotion })),
            Just(PolicyKind::Asha(Asha { variant: AshaVariant::Stopping })),
        ],
    ) {
        let mut core = Core::new(by_both(with(kind, 9, 9, 3)), 1);
        while let Some((id, at)) = core.on_its_way() {
            let [loss, ms] = values[id.0 as usize].map(f64::from);
            core.report_both(id, at + 1, loss, ms);
            if core.study.running().next().is_none() {
                core.idle(0..1);
            }
        }
        prop_assert!(core.study.is_finished());
        let completed: Vec<&Trial> = core.study.search_trials().filter(|trial| trial.state == TrialState::Completed).collect();
        let dominated = |one: &Trial| completed.iter().any(|other| {
            let [a, b] = [one, other].map(|trial| values[trial.id.0 as usize]);
            a != b && b[0] <= a[0] && b[1] <= a[1]
        });
        let mut expected: Vec<TrialId> = completed.iter().filter(|trial| !dominated(trial)).map(|trial| trial.id).collect();
        expected.sort_by_key(|trial| (values[trial.0 as usize], *trial));
        let front: Vec<TrialId> = core.study.front().iter().map(|trial| trial.id).collect();
        prop_assert_eq!(&front, &expected);
        prop_assert_eq!(core.study.best().map(|best| best.id), expected.first().copied());
        let kept = core.study.front().iter().all(|trial| trial.best_checkpoint().is_some());
        prop_assert!(kept);
    }
}

#[test]
fn a_report_without_one_of_the_objectives_fails_unless_it_was_reported_before() {
    let mut core = Core::new(by_both(with(PolicyKind::None, 1, 3, 2)), 1);
    core.report_both(TrialId(0), 1, 0.5, 4.0);
    core.report(TrialId(0), 2, 0.25);
    let trial = core.study.trial(TrialId(0)).unwrap();
    let point = core.study.spec().point(trial, 3).unwrap();
    assert_eq!(point.costs, [0.25, 4.0]);
    let mut core = Core::new(by_both(with(PolicyKind::None, 1, 3, 2)), 1);
    core.report(TrialId(0), 1, 0.5);
    let trial = core.study.trial(TrialId(0)).unwrap();
    assert_eq!((trial.failures, trial.resource()), (1, 0));
}

/// The area that lies above the front, up to 2 by either objective.
fn hypervolume(study: &Study) -> f64 {
    let points = study
        .front()
        .into_iter()
        .filter_map(|trial| study.spec().point(trial, u64::MAX));
    let (mut area, mut above) = (0.0, 2.0);
    for point in points {
        area += f64::max(0.0, 2.0 - point.costs[0]) * f64::max(0.0, above - point.costs[1]);
        above = above.min(point.costs[1]);
    }
    area
}

#[test]
fn samplers_that_learn_find_more_of_the_front_than_chance() {
    let parameter = |name: &str| Parameter {
        name: name.into(),
        distribution: Distribution::Uniform {
            low: 0.0,
            high: 1.0,
            step: None,
        },
        when: Vec::new(),
        prior: None,
    };
    let run = |sampler: SamplerSpec, seed: u64| {
        let asha = PolicyKind::Asha(Asha {
            variant: AshaVariant::Stopping,
        });
        let mut spec = by_both(with(asha, 32, 1, 2));
        spec.seed = seed;
        spec.space.parameters = ["x", "y", "z"].map(parameter).into();
        spec.sampler = sampler;
        let mut core = Core::new(spec, 1);
        while let Some((id, _)) = core.on_its_way() {
            let [x, y, z] = ["x", "y", "z"].map(|name| {
                let value = &core.study.trial(id).unwrap().parameters[name];
                value.as_f64().unwrap()
            });
            // Only y = 0.25 and z = 0.75 are on the front, with any x.
            let away = (y - 0.25).abs() + (z - 0.75).abs();
            core.report_both(id, 1, x * x + away, (1.0 - x).powi(2) + away);
            core.idle(0..1);
        }
        hypervolume(&core.study)
    };
    let mean = |sampler: &SamplerSpec| (0..3).map(|seed| run(sampler.clone(), seed)).sum::<f64>() / 3.0;
    let chance = mean(&SamplerSpec::Random);
    let process = mean(&SamplerSpec::GaussianProcess(GaussianProcess::default()));
    let estimator = mean(&SamplerSpec::Tpe(Tpe::default()));
    // All of the front comes to 3.83.
    assert!(
        process > chance + 0.25 && estimator > chance + 0.1,
        "{chance} {process} {estimator}"
    );
}

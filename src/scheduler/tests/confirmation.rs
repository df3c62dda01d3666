//! What is trained after the search, and what is chosen by it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::study::SuccessiveHalving;
use crate::study::{Record, RungProgress, StudySpec};

fn confirming(trials: u64, configurations: u64, seeds: u64) -> StudySpec {
    StudySpec {
        confirmation: Some(ConfirmationSpec { configurations, seeds }),
        ..spec(trials, 9, 3)
    }
}

/// A study as it is specified, in which every trial is trained to the end.
fn all_trained(trials: u64, trainer: impl Fn(&Trial, u64) -> Training + 'static) -> World {
    let mut spec = confirming(trials, 3, 3);
    spec.policy.kind = PolicyKind::None;
    World::new(spec, 1, 0).trained(trainer).run()
}

/// The configurations in the order of the confirmation, and the probability that the first is better.
fn ranked(study: &Study) -> (Vec<TrialId>, Option<f64>) {
    let confirmation = study.confirmation().unwrap();
    let ids = confirmation.configurations.iter().map(|one| one.trial);
    (ids.collect(), confirmation.first_is_better)
}

fn loss(loss: f64) -> Training {
    Training::Reports {
        loss: Some(loss),
        last: false,
    }
}

const DIVERGES: Training = Training::Reports {
    loss: None,
    last: false,
};

/// How many runs of the same configuration come before a trial.
fn number(trial: &Trial) -> f64 {
    (trial.id.0 % 7) as f64
}

#[test]
fn the_best_are_trained_again_to_the_end_with_seeds_of_their_own() {
    let mut fixed = confirming(9, 2, 3);
    fixed.trainer.seed = Some(7);
    for spec in [confirming(9, 2, 3), fixed] {
        let world = World::new(spec.clone(), 2, 1).run();
        let study = &world.study;
        let runs: Vec<&Trial> = study.trials()[9..].iter().collect();
        assert_eq!((study.search_trials().count(), runs.len()), (9, 6));
        let mut seeds: BTreeSet<u64> = runs.iter().map(|run| run.seed).collect();
        for run in &runs {
            let original = study.trial(run.confirms().unwrap()).unwrap();
            assert_eq!(run.parameters, original.parameters);
            seeds.insert(original.seed);
            assert!(
                run.state == TrialState::Completed || run.state.word() == "diverged",
                "{run:?}"
            );
        }
        let originals = if spec.trainer.seed.is_some() { 1 } else { 2 };
        assert_eq!(seeds.len(), 6 + originals, "all seeds are different");
        let [.., last, closed] = &world.journal[..] else {
            panic!("{:?}", world.journal);
        };
        assert!(matches!(last.fact, Fact::StudyFinished { best } if best == study.best().map(|best| best.id)));
        assert_eq!(closed.fact, Fact::SchedulerStopped);
        assert_eq!(study.checkpoint_files().len(), 1, "only the chosen one's is kept");
    }
}

#[test]
fn one_lucky_loss_does_not_decide() {
    // Trial 2 was lucky in the search; on average trial 1 is better, and trial 3 a little worse than that.
    let world = all_trained(6, |trial, resource| {
        let usual = [0.9, 0.20, 0.30, 0.21, 0.8, 0.7][trial.original().0 as usize];
        let luck = if trial.id == TrialId(2) {
            -0.25
        } else {
            0.001 * number(trial)
        };
        loss(usual + luck + 0.1 / resource as f64)
    });
    let (ranked, probability) = ranked(&world.study);
    assert_eq!(ranked, [1, 3, 2].map(TrialId));
    assert!(probability.unwrap() > 0.9, "{probability:?}");
    let best = world.study.best().unwrap();
    assert_eq!(best.original(), TrialId(1));
    let of_one = world
        .study
        .trials()
        .iter()
        .filter(|trial| trial.original() == TrialId(1));
    let lowest = of_one
        .map(|trial| trial.best().unwrap().1)
        .fold(f64::INFINITY, f64::min);
    assert_eq!(best.best().unwrap().1, lowest);
    assert!(best.best_checkpoint().is_some() && world.study.checkpoint_files().len() == 1);
    let confirmed = &world.study.confirmation().unwrap().configurations[2];
    assert!(
        confirmed.mean.unwrap() > 0.3 && confirmed.search_value.unwrap() < 0.1,
        "{confirmed:?}"
    );
}

#[test]
fn the_run_of_the_search_is_kept_until_the_choice_and_may_be_chosen() {
    let world = all_trained(4, |trial, _| {
        let fresh = if trial.confirms().is_some() { 0.05 } else { 0.0 };
        loss([0.4, 0.2, 0.3, 0.25][trial.original().0 as usize] + fresh)
    });
    let best = world.study.best().unwrap();
    assert_eq!((best.id, best.best_checkpoint().is_some()), (TrialId(1), true));
}

#[test]
fn a_configuration_that_diverges_ranks_last_and_one_that_fails_blocks_nobody() {
    let world = all_trained(3, |trial, resource| match (trial.original(), trial.confirms()) {
        (TrialId(0), Some(_)) if trial.id == TrialId(3) && resource == 5 => DIVERGES,
        (TrialId(1), Some(_)) if trial.id == TrialId(4) => Training::Fails,
        (original, _) => loss([0.1, 0.2, 0.3][original.0 as usize] + 0.001 * number(trial)),
    });
    let confirmation = world.study.confirmation().unwrap();
    let configurations = confirmation.configurations.iter();
    let configurations: Vec<_> = configurations
        .map(|one| (one.trial, one.values.len(), one.diverged, one.failed))
        .collect();
    assert_eq!(
        configurations,
        [(TrialId(1), 2, 0, 1), (TrialId(2), 3, 0, 0), (TrialId(0), 2, 1, 0)]
    );
    assert_eq!((confirmation.runs, confirmation.over), (9, 9));
    assert_eq!(world.study.best().unwrap().original(), TrialId(1));

    let lonely = all_trained(3, |trial, _| match (trial.original(), trial.confirms()) {
        (TrialId(1), Some(_)) if trial.id != TrialId(4) => Training::Fails,
        (original, _) => loss([0.3, 0.1, 0.2][original.0 as usize] + 0.001 * number(trial)),
    });
    assert_eq!(
        ranked(&lonely.study).0,
        [2, 0, 1].map(TrialId),
        "one run may have been lucky"
    );

    let hopeless = all_trained(3, |trial, _| match trial.confirms() {
        Some(_) => DIVERGES,
        None => loss(trial.id.0 as f64),
    });
    assert_eq!(
        hopeless.study.best().unwrap().id,
        TrialId(0),
        "then the search alone decides"
    );
    assert_eq!(ranked(&hopeless.study).1, None);
    assert!(hopeless.study.best().unwrap().best_checkpoint().is_some());
}

#[test]
fn where_few_were_completed_those_that_came_farthest_are_confirmed_too() {
    let spec = confirming(9, 4, 2);
    // Successive halving leaves 9, 3 and 1; the lower the number, the better.
    let world = World::new(spec, 1, 0)
        .trained(|trial, _| loss(0.1 * (1.0 + trial.original().0 as f64)))
        .run();
    let (mut confirmed, _) = ranked(&world.study);
    confirmed.sort_unstable();
    assert_eq!(confirmed, [0, 1, 2, 3].map(TrialId));

    let nobody = World::new(confirming(9, 4, 2), 1, 0).trained(|_, _| DIVERGES).run();
    assert_eq!(nobody.study.confirmation(), None);
}

#[test]
fn the_same_configuration_is_not_confirmed_twice() {
    let mut spec = confirming(4, 3, 2);
    spec.policy.kind = PolicyKind::None;
    let value = serde_json::json!(0.5);
    spec.space.parameters[0].distribution = crate::space::Distribution::Fixed { value };
    let world = World::new(spec, 1, 0).trained(|trial, _| loss(trial.id.0 as f64)).run();
    assert_eq!(ranked(&world.study).0, [TrialId(0)]);
    assert_eq!(world.study.trials().len(), 4 + 2);
}

#[test]
fn confirmation_can_be_asked_for_and_raised_afterwards() {
    let outcome = |trial: &Trial, resource: u64| {
        loss(0.1 * (trial.original().0 as f64) + 0.01 * number(trial) + 0.1 / resource as f64)
    };
    let mut spec = confirming(6, 2, 2);
    spec.policy.kind = PolicyKind::None;
    let asked = spec.limits();
    spec.confirmation = None;
    let mut world = World::new(spec.clone(), 1, 0).trained(outcome).run();
    assert_eq!(world.study.confirmation(), None);
    let mut counts = Vec::new();
    let more = |configurations, seeds, trials| Limits {
        trials,
        confirmation: Some(ConfirmationSpec { configurations, seeds }),
        stop: Default::default(),
    };
    for limits in [asked, more(2, 3, 6), more(3, 3, 6), more(3, 3, 8), asked] {
        world = world.run_to(limits);
        counts.push((
            world.study.search_trials().count(),
            world.study.confirmation().unwrap().runs,
        ));
        let best = world.study.best().unwrap();
        assert!(best.best_checkpoint().is_some(), "{best:?}");
    }
    assert_eq!(
        counts,
        [(6, 4), (6, 6), (6, 9), (8, 9), (8, 9)],
        "only what is missing is trained"
    );
    let restored = Study::restore(spec, &world.journal).unwrap();
    assert_eq!(restored, world.study);
}

/// The search that goes on after a confirmation is the one that goes on without.
#[test]
fn samplers_learn_nothing_from_what_confirms() {
    let learns = SamplerSpec::GaussianProcess(GaussianProcess {
        startup_trials: Some(4),
        random_share: 0.2,
        ..GaussianProcess::default()
    });
    for sampler in [learns, SamplerSpec::Sobol] {
        let raised = |confirmation: Option<ConfirmationSpec>| {
            let kind = PolicyKind::SuccessiveHalving(SuccessiveHalving {
                bracket_size: Some(6),
                small_brackets: false,
            });
            let mut spec = with(kind, 12, 9, 3);
            spec.sampler = sampler.clone();
            spec.confirmation = confirmation;
            let raised = Limits {
                trials: 20,
                ..spec.limits()
            };
            let outcome = |trial: &Trial, resource: u64| {
                let x = trial.parameters["x"].as_f64().unwrap();
                loss((x - 0.3).powi(2) + 0.1 / resource as f64)
            };
            let world = World::new(spec, 1, 0).trained(move |trial, resource| match trial.confirms() {
                Some(_) => DIVERGES,
                None => outcome(trial, resource),
            });
            let world = world.run().trained(outcome).run_to(raised);
            let trials = world.study.search_trials();
            let configurations: Vec<_> = trials.map(|trial| (trial.parameters.clone(), trial.seed)).collect();
            (
                configurations,
                crate::analysis::importance(&world.study, &world.study.spec().objective),
            )
        };
        let with = raised(Some(ConfirmationSpec {
            configurations: 3,
            seeds: 3,
        }));
        let without = raised(None);
        assert_eq!(with.0.len(), 20);
        assert!(with.1.is_some(), "there is something to learn");
        assert_eq!(with, without);
    }
}

#[test]
fn the_plan_counts_what_confirms() {
    let mut spec = confirming(9, 2, 3);
    spec.policy.speculation = false;
    let planned = Study::new(spec.clone()).planned_resource();
    assert_eq!(planned, Some(9 + 3 * 2 + 6 + 2 * 3 * 9));
    let world =
        World::new(spec, 1, 0).trained(|trial, resource| loss(trial.original().0 as f64 + 1.0 / resource as f64));
    let world = world.run();
    assert_eq!(Some(world.study.trained_resource()), planned);
    assert_eq!(world.study.planned_resource(), planned);
    let rungs = world.study.rungs();
    assert_eq!(
        rungs,
        [(1, 9, 3), (3, 3, 1), (9, 1, 0)].map(|(resource, reached, promoted)| RungProgress {
            resource,
            reached,
            promoted,
            planned: Some(reached)
        }),
        "rungs are the search's"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The runs are created in one batch, of which a death can leave any part.
    #[test]
    fn a_torn_batch_of_confirmations_is_completed(seed: u64, torn in 0usize..8) {
        let spec = confirming(9, 3, 2);
        let plain = World::new(spec.clone(), 1, 0).run();
        let mut has_died = false;
        let rough = World::new(spec, 2, seed).in_trouble(0.05, 0.0).dying(move |rng, records| {
            if has_died {
                return (rng.random::<f64>() < 0.1).then_some(0);
            }
            let creates = |record: &Record| matches!(record.fact, Fact::ConfirmationCreated { .. });
            let first = records.iter().position(creates)?;
            assert_eq!(records.iter().filter(|record| creates(record)).count(), 6);
            has_died = true;
            Some(first + 6 - torn.min(6))
        });
        let rough = rough.run();
        let schedulers = rough.journal.iter().filter(|record| matches!(record.fact, Fact::SchedulerStarted { .. }));
        prop_assert!(schedulers.count() > 1, "the first one has died");
        prop_assert_eq!(answer(&plain.study), answer(&rough.study));
    }
}

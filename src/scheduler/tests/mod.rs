//! Whole studies in memory: random slots, durations, failures and deaths must not change the answer.

mod confirmation;
mod world;

use std::collections::BTreeSet;

use hpo_protocol::Values;
use proptest::prelude::*;

use super::*;
use crate::study::tests::{sparse, spec, with};
use crate::study::{Asha, AsyncHyperband, Hyperband, MedianStopping, SuccessiveHalving};
use crate::study::{AshaVariant, ConfirmationSpec, GaussianProcess, PolicyKind, Reported, SamplerSpec, TrialState};
use world::{Training, World, usual};

/// Role, configuration, seed, state and losses of a trial.
type Configuration = (Option<TrialId>, Values, u64, TrialState, Vec<Option<f64>>);

/// What must not depend on slots, timing and deaths: the best trial, and all there are.
fn answer(study: &Study) -> (Option<TrialId>, Vec<Configuration>) {
    let trials = study.trials().iter().map(|trial| {
        let losses = trial.reports.values().map(|report| report.loss).collect();
        let parameters = trial.parameters.clone();
        (trial.confirms(), parameters, trial.seed, trial.state.clone(), losses)
    });
    (study.best().map(|best| best.id), trials.collect())
}

fn confirmed() -> impl Strategy<Value = Option<ConfirmationSpec>> {
    let spec = (1u64..5, 2u64..4).prop_map(|(configurations, seeds)| ConfirmationSpec { configurations, seeds });
    prop::option::of(spec)
}

fn synchronous() -> impl Strategy<Value = PolicyKind> {
    prop_oneof![
        prop::option::of(1u64..12).prop_map(|bracket_size| PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size,
            small_brackets: false
        })),
        Just(PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: None,
            small_brackets: true
        })),
        any::<bool>().prop_map(|small_brackets| PolicyKind::Hyperband(Hyperband { small_brackets })),
        Just(PolicyKind::None),
    ]
}

fn asynchronous() -> impl Strategy<Value = PolicyKind> {
    let variant = prop_oneof![Just(AshaVariant::Promotion), Just(AshaVariant::Stopping)];
    prop_oneof![
        variant.clone().prop_map(|variant| PolicyKind::Asha(Asha { variant })),
        variant.prop_map(|variant| PolicyKind::AsyncHyperband(AsyncHyperband { variant })),
        Just(PolicyKind::Pasha),
        (1u64..100, 1u64..5).prop_map(
            |(percentile, startup_trials)| PolicyKind::MedianStopping(MedianStopping {
                percentile,
                startup_trials
            })
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_asynchronous_study_comes_to_its_end_whatever_happens(
        kind in asynchronous(), trials in 1u64..30, max_resource in 1u64..14, eta in 2u64..5, slots in 1u32..8, seed: u64,
        confirmation in confirmed(), (every, first) in (1u64..5, 1u64..3),
    ) {
        let mut spec = sparse(with(kind, trials, max_resource, eta), every, first);
        spec.confirmation = confirmation;
        let world = World::new(spec, slots, seed).in_trouble(0.05, 0.03).run();
        prop_assert_eq!(world.study.search_trials().count() as u64, trials);
        prop_assert!(world.study.trials().iter().all(|trial| trial.state.is_final()));
        let with_loss = world.study.trials().iter().any(|trial| trial.state == TrialState::Completed);
        let lost = |trial: &Trial| matches!(trial.state, TrialState::Diverged { .. } | TrialState::Failed { .. });
        prop_assert!(with_loss || world.study.trials().iter().any(lost));
        world.reports_are_where_they_are_due();
    }

    #[test]
    fn a_study_comes_to_its_end_whatever_the_user_ends_and_tries_again(
        kind in prop_oneof![synchronous(), asynchronous()], trials in 1u64..20, max_resource in 1u64..14, eta in 2u64..5,
        slots in 1u32..8, seed: u64, confirmation in confirmed(), retries in 0u32..2,
    ) {
        let mut spec = with(kind, trials, max_resource, eta);
        spec.confirmation = confirmation;
        spec.retries = retries;
        let fails = move |trial: &Trial, resource| match (trial.id.0 + u64::from(trial.attempts)).is_multiple_of(4) {
            true => Training::Fails,
            false => usual(trial, resource),
        };
        let world = World::new(spec, slots, seed).trained(fails).in_trouble(0.02, 0.02).by_hand(0.1).run();
        prop_assert!(world.study.trials().iter().all(|trial| trial.state.is_final()));
        prop_assert_eq!(world.study.check(), Ok(()));
    }

    #[test]
    fn slots_timing_speculation_failures_and_kills_do_not_change_the_answer(
        kind in synchronous(), trials in 1u64..30, max_resource in 1u64..14, eta in 2u64..5, slots in 1u32..12, seed: u64,
        confirmation in confirmed(), (every, first) in (1u64..5, 1u64..3),
    ) {
        let mut spec = sparse(with(kind, trials, max_resource, eta), every, first);
        spec.confirmation = confirmation;
        let mut plain = spec.clone();
        plain.policy.speculation = false;
        let plain = World::new(plain, 1, 0).run();
        let rough = World::new(spec, slots, seed).in_trouble(0.05, 0.03).run();
        prop_assert_eq!(answer(&plain.study), answer(&rough.study));
        prop_assert_eq!(plain.study.confirmation(), rough.study.confirmation());
        rough.reports_are_where_they_are_due();
    }

    #[test]
    fn a_slot_that_is_back_before_its_segment_comes_to_it_gets_no_second_one(kind in synchronous(), slots in 1u32..6, seed: u64) {
        let spec = with(kind, 12, 9, 3);
        let plain = World::new(spec.clone(), 1, 0).run();
        let rough = World::new(spec, slots, seed).cut_off(0.3).in_trouble(0.05, 0.0).run();
        prop_assert_eq!(answer(&plain.study), answer(&rough.study));
    }

    #[test]
    fn a_torn_last_batch_does_no_harm(seed: u64, dies_at in 1usize..40, torn in 0usize..12) {
        let spec = spec(9, 9, 3);
        let plain = World::new(spec.clone(), 1, 0).run();
        let mut batches = 0;
        let rough = World::new(spec, 2, seed).dying(move |_, records| {
            batches += 1;
            (batches == dies_at).then(|| records.len().saturating_sub(torn))
        });
        prop_assert_eq!(answer(&plain.study), answer(&rough.run().study));
    }

    #[test]
    fn no_resource_is_trained_twice_when_nothing_goes_wrong(slots in 1u32..6, seed: u64) {
        let world = World::new(spec(20, 9, 3), slots, seed).in_trouble(0.0, 0.05).run();
        let mut seen = BTreeSet::new();
        for record in &world.journal {
            if let Fact::Reported(Reported { trial, resource, .. }) = record.fact {
                prop_assert!(seen.insert((trial, resource)), "trial {trial} was trained twice at {resource}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn nor_do_they_change_the_answer_of_a_sampler_that_learns(
        hyperband: bool, small_brackets: bool, parallel_brackets in 1u64..4, trials in 8u64..25, slots in 1u32..8, seed: u64,
    ) {
        let kind = match hyperband {
            true => PolicyKind::Hyperband(Hyperband { small_brackets }),
            false => PolicyKind::SuccessiveHalving(SuccessiveHalving { bracket_size: (!small_brackets).then_some(6), small_brackets }),
        };
        let mut spec = with(kind, trials, 9, 3);
        spec.policy.parallel_brackets = parallel_brackets;
        spec.confirmation = Some(ConfirmationSpec { configurations: 2, seeds: 2 });
        spec.sampler = SamplerSpec::GaussianProcess(GaussianProcess { startup_trials: Some(4), random_share: 0.2, ..GaussianProcess::default() });
        let mut plain = spec.clone();
        plain.policy.speculation = false;
        let plain = World::new(plain, 1, 0).run();
        let rough = World::new(spec, slots, seed).in_trouble(0.05, 0.03).run();
        prop_assert_eq!(answer(&plain.study), answer(&rough.study));
    }
}

#[test]
fn a_raised_limit_opens_another_bracket_and_keeps_the_first() {
    let spec = spec(9, 9, 3);
    let raised = Limits {
        trials: 15,
        ..spec.limits()
    };
    let world = World::new(spec, 2, 1).run();
    let before = answer(&world.study).1;
    let after = answer(&world.run_to(raised).study).1;
    assert_eq!(after.len(), 15);
    assert_eq!(after[..9], before[..]);
}

#[test]
fn a_trial_that_always_fails_ends_as_failed_and_blocks_nobody() {
    let world = World::new(spec(3, 3, 3), 1, 1).trained(|trial, resource| match trial.id {
        TrialId(0) => Training::Fails,
        _ => usual(trial, resource),
    });
    let study = world.run().study;
    assert!(study.is_finished());
    assert_eq!(study.trial(TrialId(0)).unwrap().attempts, 3);
    assert!(
        matches!(&study.trial(TrialId(0)).unwrap().state, TrialState::Failed { message } if message == "out of luck")
    );
}

#[test]
fn slots_give_back_what_others_can_use_for_as_long_as_there_is_nothing_for_them() {
    let moves = |trials, slots| World::new(with(PolicyKind::None, trials, 9, 3), slots, 1).run().moves;
    assert_eq!(moves(1, 1), (0, 0));
    assert_eq!(moves(1, 3), (2, 0), "one trial needs one of three");
    // Somebody has trials that have failed tried again.
    let again = (0..20).map(|seed| {
        let mut spec = with(PolicyKind::None, 8, 4, 3);
        spec.retries = 0;
        let fails = |trial: &Trial, resource| match trial.attempts < 2 {
            true => Training::Fails,
            false => usual(trial, resource),
        };
        World::new(spec, 6, seed).trained(fails).by_hand(0.2).run().moves
    });
    let (given_back, came_back) = again.fold((0, 0), |(all, back), moves| (all + moves.0, back + moves.1));
    assert!(came_back > 0 && given_back > came_back, "{given_back}, {came_back}");
}

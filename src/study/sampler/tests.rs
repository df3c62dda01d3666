//! What holds for every sampler that learns.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::space::SearchSpace;

const RUNGS: [u64; 3] = [1, 3, 9];

fn learning() -> Vec<SamplerSpec> {
    let settings = |value| serde_json::from_value(value).unwrap();
    vec![
        settings(json!({"type": "gaussian_process", "startup_trials": 4, "random_share": 0.1})),
        settings(json!({"type": "tpe", "startup_trials": 4, "random_share": 0.1})),
        SamplerSpec::PriorBand,
    ]
}

fn space() -> SearchSpace {
    serde_json::from_value(json!({
        "parameters": [
            {"name": "rate", "distribution": {"type": "log_uniform", "low": 1e-6, "high": 1e-3},
             "prior": {"value": 2e-5, "confidence": "high"}},
            {"name": "batch", "distribution": {"type": "choice", "values": [16, 64, 32]}},
            {"name": "kind", "distribution": {"type": "choice", "values": ["a", "b", true]},
             "prior": {"value": "b", "confidence": "low"}},
            {"name": "layers", "distribution": {"type": "integer", "low": 0, "high": 6},
             "when": [{"parameter": "kind", "values": ["a"]}]},
            {"name": "fixed", "distribution": {"type": "fixed", "value": 3}},
        ],
        "constraints": ["batch > 16 or rate < 1e-4"],
    }))
    .unwrap()
}

fn cost() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -1.0..1.0f64, 1 => Just(0.0), 1 => prop_oneof![Just(1e300), Just(-1e300), Just(1e-300)]]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_has_been_seen_draws_lie_in_the_space_and_are_the_same_again(
        seed in 0..1u64 << 50, count in 1..6u64, start in 0..3usize,
        seen in prop::collection::vec((prop::collection::vec(cost(), 0..4), any::<bool>(), any::<bool>()), 0..20),
    ) {
        let space = space();
        let mut random = generator(seed, 0, Purpose::Training);
        let mut configurations: Vec<Values> = seen.iter().map(|_| space.sample(&mut random)).collect();
        for (place, (_, _, again)) in seen.iter().enumerate() {
            // The same configuration may have been seen with other costs.
            if *again { configurations[place] = configurations[0].clone(); }
        }
        let observations = seen.iter().zip(&configurations);
        let observations: Vec<Observation> = observations.map(|((costs, failed, _), parameters)| Observation {
            parameters,
            costs: RUNGS.into_iter().zip(costs.iter().copied()).collect(),
            failed: *failed,
        }).collect();
        let request = Request { history: History { space: &space, rungs: &RUNGS, observations: &observations }, seed, start, first: seen.len() as u64, count };
        for sampler in learning() {
            let drawn = sampler.draw(&request);
            prop_assert_eq!(drawn.len() as u64, count);
            prop_assert_eq!(&drawn, &sampler.draw(&request));
            for configuration in &drawn {
                let active = space.point(configuration).iter().filter(|coordinate| coordinate.is_some()).count();
                prop_assert!(active == configuration.len() && active >= 4, "{:?}", configuration);
                prop_assert!(space.allows(configuration));
            }
        }
    }
}

/// How far above the lowest cost there is the best configuration lies, after some brackets of 6 whose costs at lower rungs mislead.
fn regret(sampler: &SamplerSpec, seed: u64, brackets: u64, guess: Option<f64>) -> f64 {
    let prior = guess.map(|value| json!({"value": value, "confidence": "medium"}));
    let space: SearchSpace = serde_json::from_value(json!({ "parameters": [
        {"name": "x", "distribution": {"type": "uniform", "low": 0.0, "high": 1.0}, "prior": prior},
        {"name": "y", "distribution": {"type": "log_uniform", "low": 1e-4, "high": 1.0}},
        {"name": "z", "distribution": {"type": "choice", "values": ["good", "bad", "worse"]}},
    ]}))
    .unwrap();
    let cost = |values: &Values, rung: usize| {
        let number = |name: &str| values[name].as_f64().unwrap();
        let (x, y) = (number("x"), number("y").log10() / 4.0 + 1.0);
        let z = match values["z"].as_str() {
            Some("good") => 0.0,
            Some("bad") => 0.1,
            _ => 0.2,
        };
        (x - 0.3).powi(2) + (y - 0.6 - 0.1 * (2 - rung) as f64).powi(2) + z + (2 - rung) as f64
    };
    let mut all: Vec<Values> = Vec::new();
    for _ in 0..brackets {
        let observations = all.iter().enumerate().map(|(trial, parameters)| {
            let reached = if trial % 2 == 0 { 3 } else { 1 };
            Observation {
                parameters,
                costs: (0..reached).map(|rung| (RUNGS[rung], cost(parameters, rung))).collect(),
                failed: false,
            }
        });
        let observations: Vec<Observation> = observations.collect();
        let next = sampler.draw(&Request {
            history: History {
                space: &space,
                rungs: &RUNGS,
                observations: &observations,
            },
            seed,
            start: 1,
            first: all.len() as u64,
            count: 6,
        });
        all.extend(next);
    }
    all.iter().map(|values| cost(values, 2)).fold(f64::INFINITY, f64::min)
}

fn mean_regret(sampler: &SamplerSpec, brackets: u64, guess: Option<f64>) -> f64 {
    (0..6).map(|seed| regret(sampler, seed, brackets, guess)).sum::<f64>() / 6.0
}

#[test]
fn they_find_what_chance_does_not() {
    let by_chance = mean_regret(&SamplerSpec::Random, 6, None);
    for sampler in learning() {
        let learned = mean_regret(&sampler, 6, None);
        assert!(
            learned < by_chance / 1.5,
            "{sampler:?}: {learned}, by chance {by_chance}"
        );
    }
}

#[test]
fn a_good_guess_helps_and_a_bad_one_does_little_harm() {
    let by_chance = mean_regret(&SamplerSpec::Random, 3, None);
    for sampler in learning() {
        let (good, bad) = (
            mean_regret(&sampler, 3, Some(0.3)),
            mean_regret(&sampler, 3, Some(0.95)),
        );
        assert!(
            good < bad && bad < 1.5 * by_chance,
            "{sampler:?}: {good} {bad}, by chance {by_chance}"
        );
    }
}

#[test]
fn nothing_is_drawn_twice_while_there_is_something_else() {
    let space: SearchSpace = serde_json::from_value(json!({ "parameters": [
        {"name": "a", "distribution": {"type": "integer", "low": 0, "high": 3}},
        {"name": "b", "distribution": {"type": "choice", "values": ["x", "y"]}},
    ]}))
    .unwrap();
    for sampler in learning() {
        let mut all: Vec<Values> = Vec::new();
        while all.len() < 8 {
            let observations = all.iter().enumerate().map(|(trial, parameters)| Observation {
                parameters,
                costs: vec![(9, trial as f64)],
                failed: false,
            });
            let observations: Vec<Observation> = observations.collect();
            let next = sampler.draw(&Request {
                history: History {
                    space: &space,
                    rungs: &RUNGS,
                    observations: &observations,
                },
                seed: 3,
                start: 0,
                first: all.len() as u64,
                count: 2,
            });
            all.extend(next);
        }
        let different: HashSet<&Values> = all.iter().collect();
        assert_eq!(different.len(), 8, "{sampler:?}: {all:?}");
    }
}

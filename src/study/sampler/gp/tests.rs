use std::collections::{BTreeSet, HashSet};

use serde_json::json;

use super::*;
use crate::space::SearchSpace;
use crate::study::{Observation, SamplerSpec};

fn space(distributions: serde_json::Value) -> SearchSpace {
    let named = distributions.as_object().unwrap().iter();
    let parameters = named.map(|(name, distribution)| json!({"name": name, "distribution": distribution}));
    serde_json::from_value(json!({ "parameters": parameters.collect::<Vec<_>>() })).unwrap()
}

const RUNGS: [u64; 3] = [1, 3, 9];

fn draw(space: &SearchSpace, seed: u64, count: u64, observations: &[Observation<'_>]) -> Vec<Values> {
    let settings = GaussianProcess {
        startup_trials: Some(4),
        random_share: 0.1,
        ..GaussianProcess::default()
    };
    SamplerSpec::GaussianProcess(settings).draw(&Request {
        history: History {
            space,
            rungs: &RUNGS,
            observations,
        },
        seed,
        start: 0,
        first: observations.len() as u64,
        count,
    })
}

/// The regret of the best of 24 configurations, in brackets of 6 whose costs at lower rungs mislead.
fn regret(adaptive: bool, seed: u64) -> f64 {
    let space = space(json!({
        "x": {"type": "uniform", "low": 0, "high": 1},
        "y": {"type": "log_uniform", "low": 1e-4, "high": 1.0},
    }));
    let number = |values: &Values, name: &str| values[name].as_f64().unwrap();
    let cost = |values: &Values, rung: usize| {
        let (x, y) = (number(values, "x"), number(values, "y").log10() / 4.0 + 1.0);
        (x - 0.3).powi(2) + (y - 0.6 - 0.1 * (2 - rung) as f64).powi(2) + (2 - rung) as f64
    };
    let mut all: Vec<Values> = Vec::new();
    for _ in 0..4 {
        let observations = all.iter().enumerate().map(|(trial, parameters)| {
            let reached = if trial % 3 == 0 { 3 } else { 1 };
            Observation {
                parameters,
                costs: (0..reached).map(|rung| (RUNGS[rung], cost(parameters, rung))).collect(),
                failed: false,
            }
        });
        let observations: Vec<Observation> = observations.collect();
        let next = if adaptive {
            draw(&space, seed, 6, &observations)
        } else {
            (0..6)
                .map(|trial| space.sample(&mut generator(seed, all.len() as u64 + trial, Purpose::Configuration)))
                .collect()
        };
        all.extend(next);
    }
    all.iter().map(|values| cost(values, 2)).fold(f64::INFINITY, f64::min)
}

#[test]
fn it_finds_what_chance_does_not() {
    let sum = |adaptive| (0..6).map(|seed| regret(adaptive, seed)).sum::<f64>();
    let (by_model, by_chance) = (sum(true), sum(false));
    assert!(by_model < by_chance / 4.0, "{by_model} {by_chance}");
}

#[test]
fn the_first_four_are_spread_and_the_fifth_is_drawn_by_the_model() {
    let space = space(json!({
        "x": {"type": "uniform", "low": 0, "high": 1},
        "y": {"type": "choice", "values": ["a", "b", "c", "d"]},
    }));
    let after = |seed, all: &[Values], cost: fn(usize) -> f64| {
        let observations = all.iter().enumerate().map(|(trial, parameters)| Observation {
            parameters,
            costs: vec![(9, cost(trial))],
            failed: false,
        });
        let observations: Vec<Observation> = observations.collect();
        let request = Request {
            history: History {
                space: &space,
                rungs: &RUNGS,
                observations: &observations,
            },
            seed,
            start: 2,
            first: all.len() as u64,
            count: 1,
        };
        SamplerSpec::GaussianProcess(GaussianProcess::default()).draw(&request)
    };
    let (rising, falling) = (|trial| trial as f64, |trial| 9.0 - trial as f64);
    let mut learned = 0;
    for seed in 0..20 {
        let mut all: Vec<Values> = Vec::new();
        for _ in 0..4 {
            let next = after(seed, &all, rising);
            assert_eq!(next, after(seed, &all, falling), "nothing is learned yet");
            all.extend(next);
        }
        let mut quarters: Vec<u32> = all
            .iter()
            .map(|one| (one["x"].as_f64().unwrap() * 4.0) as u32)
            .collect();
        quarters.sort_unstable();
        assert_eq!(quarters, [0, 1, 2, 3], "seed {seed}");
        let kinds: HashSet<_> = all.iter().map(|one| one["y"].as_str()).collect();
        assert_eq!(kinds.len(), 4, "seed {seed}");
        learned += u32::from(after(seed, &all, rising) != after(seed, &all, falling));
    }
    // One in ten is drawn at random all the same.
    assert!(learned > 12, "{learned} of 20");
}

/// Draws for a study whose trials all have the first of eight values of a choice, by a revision.
fn after_one_value<T>(revision: u32, with: impl FnOnce(&Request<'_>, &Learned) -> T) -> T {
    let space = space(json!({
        "x": {"type": "integer", "low": 0, "high": 1_000_000},
        "y": {"type": "choice", "values": ["a", "b", "c", "d", "e", "f", "g", "h"]},
    }));
    let seen: Vec<Values> = (0..12)
        .map(|trial| serde_json::from_value(json!({"x": 83_337 * trial + 1, "y": "a"})).unwrap())
        .collect();
    let observations = seen.iter().enumerate().map(|(trial, parameters)| Observation {
        parameters,
        costs: vec![(9, trial.abs_diff(4) as f64)],
        failed: false,
    });
    let observations: Vec<Observation> = observations.collect();
    let history = History {
        space: &space,
        rungs: &RUNGS,
        observations: &observations,
    };
    let settings = GaussianProcess {
        revision,
        ..GaussianProcess::default()
    };
    let request = Request {
        history,
        seed: 3,
        start: 2,
        first: 12,
        count: 4,
    };
    let learned = Learned::new(settings, &request.history).unwrap();
    with(&request, &learned)
}

#[test]
fn any_value_of_an_unordered_choice_is_near_the_best_from_the_second_revision_on() {
    let with_a_number_that_was_seen = |revision| {
        after_one_value(revision, |request, learned| {
            let mut random = generator(request.seed, request.first, Purpose::Model);
            let candidates = Candidates::new(request, learned, &mut random).unwrap();
            let was_seen = |one: &&Values| one["x"].as_u64().unwrap() % 83_337 == 1;
            let those = candidates.configurations.iter().filter(was_seen);
            those
                .map(|one| one["y"].as_str().unwrap().to_owned())
                .collect::<BTreeSet<_>>()
        })
    };
    let values = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(with_a_number_that_was_seen(1), values("a b c d"));
    assert_eq!(with_a_number_that_was_seen(2), values("a b c d e f g h"));
}

#[test]
fn a_study_of_the_first_revision_draws_as_it_always_did() {
    let drawn = |revision| {
        after_one_value(revision, |request, learned| {
            let settings = GaussianProcess {
                revision,
                ..GaussianProcess::default()
            };
            let drawn = super::draw(settings, request, Some(learned)).into_iter();
            drawn.map(|one| json!(one.parameters).to_string()).collect::<Vec<_>>()
        })
    };
    let expected = [
        r#"{"x":324805,"y":"f"}"#,
        r#"{"x":324468,"y":"d"}"#,
        r#"{"x":329620,"y":"e"}"#,
        r#"{"x":323841,"y":"h"}"#,
    ];
    assert_eq!(drawn(1), expected);
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn once_enough_have_come_to_the_end_lower_rungs_do_not_hide_how_these_differ() {
    let space = space(json!({
        "x": {"type": "uniform", "low": 0, "high": 1},
        "y": {"type": "uniform", "low": 0, "high": 1},
    }));
    // At the first rung everything else is drowned in ripples.
    let all: Vec<Values> = (0..90).map(|trial| sobol::configuration(&space, 1, trial)).collect();
    let number = |values: &Values, name: &str| values[name].as_f64().unwrap();
    let last = |values: &Values| (number(values, "x") - 0.2).powi(2) + (number(values, "y") - 0.7).powi(2);
    let first =
        |values: &Values| last(values) + 0.3 * (60.0 * number(values, "x")).sin() * (60.0 * number(values, "y")).sin();
    let drawn = |revision, to_the_end: usize| {
        let observations = all.iter().enumerate().map(|(trial, parameters)| Observation {
            parameters,
            costs: match trial < to_the_end {
                true => vec![(1, first(parameters)), (9, last(parameters))],
                false => vec![(1, first(parameters))],
            },
            failed: false,
        });
        let observations: Vec<Observation> = observations.collect();
        let settings = SamplerSpec::GaussianProcess(GaussianProcess {
            revision,
            random_share: 0.0,
            ..GaussianProcess::default()
        });
        let one = |seed| {
            let history = History {
                space: &space,
                rungs: &RUNGS,
                observations: &observations,
            };
            settings.draw(&Request {
                history,
                seed,
                start: 0,
                first: all.len() as u64,
                count: 1,
            })
        };
        (0..5).flat_map(one).collect::<Vec<Values>>()
    };
    assert_eq!(drawn(3, 11), drawn(2, 11));
    assert!(drawn(2, 12).iter().all(|one| last(one).sqrt() > 0.1));
    assert!(drawn(3, 12).iter().all(|one| last(one).sqrt() < 0.05));
}

#[test]
fn what_has_failed_on_the_way_to_the_end_is_not_forgotten() {
    let space = space(json!({"x": {"type": "uniform", "low": 0, "high": 1}}));
    let at = |x: f64| Values::from_iter([("x".to_owned(), json!(x))]);
    let all: Vec<Values> = (0..24).map(|trial| at(f64::from(trial) / 24.0)).collect();
    // The better the farther up, but what lies above a half fails at the first rung.
    let observations = all.iter().enumerate().map(|(trial, parameters)| Observation {
        parameters,
        costs: match trial < 12 {
            true => vec![(9, 1.0 - trial as f64 / 24.0)],
            false => Vec::new(),
        },
        failed: trial >= 12,
    });
    let observations: Vec<Observation> = observations.collect();
    let drawn = (0..20).flat_map(|seed| draw(&space, seed, 1, &observations));
    let beyond = drawn.filter(|one| one["x"].as_f64().unwrap() > 0.6).count();
    // One in ten is drawn at random all the same.
    assert!(beyond < 5, "{beyond} of 20");
}

#[test]
fn a_configuration_that_was_tried_is_not_drawn_again_with_another_last_bit() {
    let space = space(json!({
        "x": {"type": "log_uniform", "low": 1e-6, "high": 1e-2},
        "y": {"type": "choice", "values": [16, 32]},
    }));
    let cost = |values: &Values| (values["x"].as_f64().unwrap() / 7e-4).ln().abs();
    for seed in 0..20 {
        let mut seen = draw(&space, seed, 4, &[]);
        while seen.len() < 16 {
            let observations = seen.iter().map(|parameters| Observation {
                parameters,
                costs: vec![(9, cost(parameters))],
                failed: false,
            });
            let observations: Vec<Observation> = observations.collect();
            let next = draw(&space, seed, 1, &observations);
            for (a, b) in next.iter().flat_map(|a| seen.iter().map(move |b| (a, b))) {
                let apart = (a["x"].as_f64().unwrap() / b["x"].as_f64().unwrap() - 1.0).abs();
                assert!(apart > 1e-9 || a["y"] != b["y"], "{a:?} {b:?}");
            }
            seen.extend(next);
        }
    }
}

#[test]
fn where_all_has_been_tried_the_most_promising_is_trained_further() {
    let space = space(json!({"x": {"type": "integer", "low": 0, "high": 9}}));
    let all: Vec<Values> = (0..10)
        .map(|x| Values::from_iter([("x".to_owned(), json!(x))]))
        .collect();
    // 3 has the lowest cost, but has come to the end already.
    let observations = all.iter().enumerate().map(|(x, parameters)| Observation {
        parameters,
        costs: RUNGS[..if x == 3 { 3 } else { 1 }]
            .iter()
            .map(|rung| (*rung, x.abs_diff(3) as f64))
            .collect(),
        failed: false,
    });
    let observations: Vec<Observation> = observations.collect();
    let drawn: Vec<_> = (0..20)
        .map(|seed| draw(&space, seed, 1, &observations)[0]["x"].as_u64().unwrap())
        .collect();
    let promising = drawn.iter().filter(|x| [2, 4].contains(*x)).count();
    // One in ten is drawn at random all the same.
    assert!(promising > 12, "{drawn:?}");
}

#[test]
fn expected_improvement_goes_on_where_rounding_would_end_it() {
    assert!((improvement(0.0, 0.0, 1.0) - (1.0 / (2.0 * std::f64::consts::PI).sqrt()).ln()).abs() < 1e-9);
    let values: Vec<f64> = (0..60).map(|mean| improvement(0.0, f64::from(mean), 1.0)).collect();
    assert!(values.windows(2).all(|pair| pair[1] < pair[0]), "{values:?}");
    assert!(improvement(0.0, 1.0, 0.0).is_finite() || improvement(0.0, 1.0, 0.0) < -1e6);
}

use super::*;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn any() -> impl Strategy<Value = Distribution> {
    let step = || prop::option::of(0.01..1.0f64);
    prop_oneof![
        (-1e9..1e9f64, 1e-3..1e9f64, step()).prop_map(|(low, width, step)| Distribution::Uniform {
            low,
            high: low + width,
            step: step.map(|share| share * width),
        }),
        (1e-9..1e3f64, 1.01..1e6f64, step()).prop_map(|(low, factor, step)| Distribution::LogUniform {
            low,
            high: low * factor,
            step: step.map(|share| share * low * (factor - 1.0)),
        }),
        (-1000..1000i64, 1..1000i64, 1..5u64).prop_map(|(low, width, step)| Distribution::Integer {
            low,
            high: low + width,
            step: step.min(width as u64),
        }),
        (1..1000i64, 1..100_000i64, 1..5u64).prop_map(|(low, width, step)| Distribution::LogInteger {
            low,
            high: low + width,
            step: step.min(width as u64),
        }),
        (-10.0..10.0f64, 0.01..10.0f64, prop::option::of(0.0..3.0f64), step()).prop_map(|(mean, std, cut, step)| {
            Distribution::Normal {
                mean,
                std,
                low: cut.map(|cut| mean - cut * std),
                high: cut.map(|cut| mean + (cut + 0.1) * std),
                step: step.map(|share| share * 0.1 * std),
            }
        }),
        (-10.0..1.0f64, 0.01..3.0f64, prop::option::of(0.0..3.0f64)).prop_map(|(mean, std, cut)| {
            Distribution::LogNormal {
                mean,
                std,
                low: cut.map(|cut| (mean - cut * std).exp()),
                high: cut.map(|cut| (mean + (cut + 0.1) * std).exp()),
                step: None,
            }
        }),
        prop::collection::hash_set(-20..20i64, 1..8).prop_map(|values| Distribution::Choice {
            values: values.into_iter().map(Value::from).collect()
        }),
    ]
}

proptest! {
    #[test]
    fn a_value_has_a_share_at_which_it_comes_again(distribution in any(), share in 0.0..=1.0f64) {
        let value = distribution.quantile(share);
        let again = distribution.share(&value).map(|share| distribution.quantile(share));
        let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= 1e-6 * a.as_f64().unwrap().abs() + 1e-12;
        prop_assert!(again.as_ref().is_some_and(|again| near(&value, again)), "{distribution:?}: {value} {again:?}");
    }

    #[test]
    fn draws_lie_within_the_bounds_and_on_steps(distribution in any(), share in 0.0..=1.0f64) {
        let value = distribution.quantile(share);
        let (low, high, step) = distribution.range();
        if let (Some(x), false) = (value.as_f64(), matches!(distribution, Distribution::Choice { .. })) {
            prop_assert!(low <= x && x <= high, "{distribution:?} gave {x}");
            if let Some(step) = step {
                let steps = (x - if low.is_finite() { low } else { 0.0 }) / step;
                prop_assert!((steps - steps.round()).abs() < 1e-4, "{distribution:?} gave {x}");
            }
        }
        prop_assert!(matches!(value, Value::Number(_)));
    }

    #[test]
    fn a_place_has_a_value_that_has_this_place(distribution in any(), share in 0.0..1.0f64) {
        if let Some(count) = distribution.scale().count() {
            let place = (share * count as f64) as u64;
            let value = distribution.at(place);
            prop_assert_eq!(distribution.place(&value), Some(place), "{:?} {}", distribution, value);
            prop_assert_eq!(distribution.own(&value), Some(value));
        }
    }

    #[test]
    fn a_larger_share_has_no_smaller_number(distribution in any(), a in 0.0..=1.0f64, b in 0.0..=1.0f64) {
        if !matches!(distribution, Distribution::Choice { .. }) {
            let at = |share| distribution.quantile(share).as_f64().unwrap();
            prop_assert!(at(a.min(b)) <= at(a.max(b)));
        }
    }
}

/// How often each value is drawn, in thousandths.
fn counts(distribution: &Distribution, values: &[Value]) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut counts = vec![0; values.len()];
    for _ in 0..20_000 {
        let value = distribution.sample(&mut rng);
        counts[values.iter().position(|other| *other == value).unwrap()] += 1;
    }
    counts.iter().map(|count| (count + 10) / 20).collect()
}

#[test]
fn steps_and_choices_are_equally_likely_to_the_ends() {
    let values = |numbers: &[f64]| numbers.iter().copied().map(Value::from).collect::<Vec<_>>();
    let even = |counts: Vec<u32>| {
        assert!(
            counts.iter().all(|&n| n.abs_diff(1000 / counts.len() as u32) < 15),
            "{counts:?}"
        )
    };
    let uniform = Distribution::Uniform {
        low: 0.0,
        high: 0.35,
        step: Some(0.1),
    };
    even(counts(&uniform, &values(&[0.0, 0.1, 0.2, 0.3])));
    let whole: Vec<Value> = (3..=6).map(Value::from).collect();
    even(counts(
        &Distribution::Integer {
            low: 3,
            high: 6,
            step: 1,
        },
        &whole,
    ));
    let eights: Vec<Value> = [8, 16, 24].map(Value::from).to_vec();
    even(counts(
        &Distribution::Integer {
            low: 8,
            high: 31,
            step: 8,
        },
        &eights,
    ));
    let texts: Vec<Value> = ["a", "b", "c"].map(Value::from).to_vec();
    even(counts(&Distribution::Choice { values: texts.clone() }, &texts));
}

#[test]
fn a_log_uniform_draw_falls_into_each_decade_equally_often() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let floats = Distribution::LogUniform {
        low: 1e-6,
        high: 1e-2,
        step: None,
    };
    let whole = Distribution::LogInteger {
        low: 1_000,
        high: 10_000_000,
        step: 1,
    };
    for (distribution, lowest) in [(floats, -6.0), (whole, 3.0)] {
        let mut decades = [0u32; 4];
        for _ in 0..4000 {
            let x = distribution.sample(&mut rng).as_f64().unwrap();
            decades[((x.log10() - lowest) as usize).min(3)] += 1;
        }
        assert!(decades.iter().all(|&n| (850..1150).contains(&n)), "{decades:?}");
    }
}

#[test]
fn normal_draws_have_their_mean_and_deviation() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let moments = |draws: Vec<f64>| {
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        (mean, square.sqrt())
    };
    let normal = Distribution::Normal {
        mean: 3.0,
        std: 0.5,
        low: None,
        high: None,
        step: None,
    };
    let (mean, std) = moments((0..20_000).map(|_| normal.sample(&mut rng).as_f64().unwrap()).collect());
    assert!((mean - 3.0).abs() < 0.02 && (std - 0.5).abs() < 0.02, "{mean} {std}");
    let log = Distribution::LogNormal {
        mean: -4.0,
        std: 1.5,
        low: None,
        high: None,
        step: None,
    };
    let (mean, std) = moments(
        (0..20_000)
            .map(|_| log.sample(&mut rng).as_f64().unwrap().ln())
            .collect(),
    );
    assert!((mean + 4.0).abs() < 0.05 && (std - 1.5).abs() < 0.05, "{mean} {std}");
}

#[test]
fn a_value_of_another_distribution_has_no_share() {
    let choice = Distribution::Choice {
        values: vec![Value::from(1), Value::from("a")],
    };
    assert_eq!(
        (choice.share(&Value::from("a")), choice.share(&Value::from(2))),
        (Some(0.75), None)
    );
    let steps = Distribution::Uniform {
        low: 0.0,
        high: 1.0,
        step: Some(0.25),
    };
    assert_eq!(steps.share(&Value::from(0.3)), None);
    assert_eq!(steps.share(&Value::from(0.5)), Some(0.5));
    let log = Distribution::LogUniform {
        low: 1.0,
        high: 100.0,
        step: None,
    };
    assert!((log.share(&Value::from(10)).unwrap() - 0.5).abs() < 1e-12);
    assert_eq!(
        (log.share(&Value::from(101.0)), log.share(&Value::from("x"))),
        (None, None)
    );
}

#[test]
fn the_scale_tells_how_many_values_there_are() {
    let scale = |text: &str| serde_json::from_str::<Distribution>(text).unwrap().scale();
    assert_eq!(scale(r#"{"type": "uniform", "low": 0, "high": 1}"#), Scale::Continuous);
    assert_eq!(
        scale(r#"{"type": "uniform", "low": 0, "high": 0.3, "step": 0.1}"#),
        Scale::Steps(Some(4))
    );
    assert_eq!(
        scale(r#"{"type": "integer", "low": 0, "high": 10}"#),
        Scale::Steps(Some(11))
    );
    assert_eq!(
        scale(r#"{"type": "log_integer", "low": 1, "high": 10, "step": 4}"#),
        Scale::Steps(Some(3))
    );
    assert_eq!(
        scale(r#"{"type": "normal", "mean": 0, "std": 1, "step": 1}"#),
        Scale::Steps(None)
    );
    assert_eq!(scale(r#"{"type": "choice", "values": ["a", 1]}"#), Scale::Categories(2));
    assert_eq!(scale(r#"{"type": "fixed", "value": 1}"#), Scale::Constant);
}

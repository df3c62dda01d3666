use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::*;

fn usual() -> SearchSpace {
    let space = json!({ "parameters": [
        {"name": "rate", "distribution": {"type": "log_uniform", "low": 1e-6, "high": 1e-4}},
        {"name": "batch", "distribution": {"type": "choice", "values": [16, 32, 64]}},
        {"name": "loss", "distribution": {"type": "choice", "values": ["triplet", "ranking"]}},
        {"name": "margin", "distribution": {"type": "uniform", "low": 0.1, "high": 1.0},
         "when": [{"parameter": "loss", "values": ["triplet"]}]},
        {"name": "temperature", "distribution": {"type": "log_uniform", "low": 0.02, "high": 0.2},
         "when": [{"parameter": "loss", "values": ["ranking"]}]},
        {"name": "dropout", "distribution": {"type": "uniform", "low": 0.0, "high": 0.3}},
        {"name": "schedule", "distribution": {"type": "fixed", "value": "linear"}},
    ]});
    serde_json::from_value(space).unwrap()
}

/// A lesson of a study that had the usual space and tried each listed value so often.
fn lesson(study: &str, tried: u64, good: Vec<Values>) -> Lesson {
    let parameters = usual().parameters;
    let listed = parameters.iter().filter_map(|parameter| {
        let values = parameter
            .distribution
            .listed()?
            .iter()
            .map(|value| (value.clone(), tried));
        Some((parameter.name.clone(), values.collect()))
    });
    Lesson {
        study: study.to_owned(),
        tried: listed.collect(),
        good,
        parameters,
    }
}

fn values(value: Value) -> Values {
    serde_json::from_value(value).unwrap()
}

fn learn(lessons: &[Lesson]) -> Learned {
    Learned::of(&usual(), lessons, &|_, _| true)
}

fn one<'l>(learned: &'l Learned, name: &str) -> &'l LearnedParameter {
    let mut all = learned.parameters.iter();
    all.find(|one| one.parameter.name == name).unwrap()
}

fn bounds(learned: &Learned, name: &str) -> [f64; 2] {
    let (low, high, _) = one(learned, name).parameter.distribution.range();
    [low, high]
}

/// Good configurations with these rates, which have all else in the middle.
fn of_rates(rates: &[f64]) -> Vec<Values> {
    let configuration = |rate: &f64| {
        values(
            json!({"rate": rate, "batch": 32, "loss": "triplet", "margin": 0.5, "dropout": 0.15, "schedule": "linear"}),
        )
    };
    rates.iter().map(configuration).collect()
}

#[test]
fn without_lessons_all_is_as_usual() {
    assert_eq!(learn(&[]), Learned::usual(usual()));
}

#[test]
fn a_range_is_the_box_of_what_was_good_with_a_margin() {
    let lessons = [
        lesson("a", 9, of_rates(&[1e-5, 1.2e-5])),
        lesson("b", 9, of_rates(&[2e-5])),
        lesson("c", 9, of_rates(&[1.5e-5])),
    ];
    let learned = learn(&lessons);
    let [low, high] = bounds(&learned, "rate");
    assert!(
        (5e-6..9e-6).contains(&low) && (2.1e-5..4e-5).contains(&high),
        "{low} {high}"
    );
    assert_eq!(one(&learned, "rate").from, ["a", "b", "c"]);
    // What all had in common is not the only thing that may be good.
    let [low, high] = bounds(&learned, "dropout");
    assert!(
        high - low >= 0.3 * 0.3 - 1e-9 && low < 0.15 && 0.15 < high,
        "{low} {high}"
    );
    assert_eq!(learned.parameters.last().unwrap().from, [""; 0]);
}

#[test]
fn a_range_is_opened_beyond_the_end_at_which_the_best_lay() {
    let learned = learn(&[
        lesson("a", 9, of_rates(&[9.5e-5, 8e-5])),
        lesson("b", 9, of_rates(&[6e-5])),
    ]);
    let rate = one(&learned, "rate");
    assert_eq!(rate.opened, [false, true]);
    assert_eq!(bounds(&learned, "rate")[1], 1e-3);
    // Another study has been there, and found nothing better.
    let mut wider = lesson("b", 9, of_rates(&[1.5e-4, 1.2e-4]));
    wider.parameters[0].distribution = Distribution::LogUniform {
        low: 1e-6,
        high: 1e-3,
        step: None,
    };
    let learned = learn(&[lesson("a", 9, of_rates(&[9.5e-5, 8e-5])), wider]);
    assert_eq!(one(&learned, "rate").opened, [false, false]);
    assert!(bounds(&learned, "rate")[1] >= 1.5e-4);
    // The trainer does not take more.
    let most = |_: &str, value: &Value| value.as_f64().is_none_or(|x| x <= 1e-4);
    let learned = Learned::of(&usual(), &[lesson("a", 9, of_rates(&[9.5e-5, 8e-5]))], &most);
    assert_eq!(
        (one(&learned, "rate").opened[1], bounds(&learned, "rate")[1]),
        (false, 1e-4)
    );
    // What can't be negative stays so.
    let mut good = of_rates(&[1e-5, 1e-5]);
    good.iter_mut()
        .for_each(|good| drop(good.insert("dropout".into(), json!(0.001))));
    let learned = learn(&[lesson("a", 9, good)]);
    assert_eq!(
        (one(&learned, "dropout").opened, bounds(&learned, "dropout")[0]),
        ([false; 2], 0.0)
    );
}

#[test]
fn values_that_were_often_tried_and_never_good_are_left_out_with_what_depends_on_them() {
    let good = of_rates(&[1e-5, 2e-5, 3e-5]);
    let two = |tried, good: &[Values]| [lesson("a", tried, good.to_vec()), lesson("b", 0, good[..1].to_vec())];
    let learned = learn(&two(9, &good));
    let loss = &one(&learned, "loss").parameter.distribution;
    assert_eq!(
        *loss,
        Distribution::Fixed {
            value: json!("triplet")
        }
    );
    assert!(learned.parameters.iter().all(|one| one.parameter.name != "temperature"));
    assert_eq!(one(&learned, "margin").parameter.when, []);
    for lessons in [&two(2, &good)[..], &two(9, &good[..1]), &two(9, &good)[..1]] {
        let learned = learn(lessons);
        assert_eq!(
            learned.space().parameters[2],
            usual().parameters[2],
            "tried or good too seldom, or in one study only"
        );
        assert!(learned.parameters.iter().any(|one| one.parameter.name == "temperature"));
    }
    let mut large = good;
    large
        .iter_mut()
        .for_each(|good| drop(good.insert("batch".into(), json!(64))));
    let learned = learn(&two(9, &large));
    let batch = one(&learned, "batch");
    let values = vec![json!(64), json!(128)];
    assert_eq!(
        (&batch.parameter.distribution, batch.opened),
        (&Distribution::Choice { values }, [false, true])
    );
}

#[test]
fn a_parameter_is_learned_only_from_configurations_that_have_it_and_studies_that_searched_it() {
    let ranking = values(json!({"rate": 1e-5, "batch": 32, "loss": "ranking", "temperature": 0.05, "dropout": 0.1}));
    let mut fixed = lesson("b", 0, of_rates(&[1e-5, 2e-5]));
    fixed.parameters[3].distribution = Distribution::Fixed { value: json!(0.5) };
    let learned = learn(&[lesson("a", 1, vec![ranking; 2]), fixed]);
    assert_eq!(one(&learned, "margin").from, [""; 0]);
    assert_eq!(one(&learned, "temperature").from, ["a"]);
    assert_eq!(one(&learned, "rate").from, ["a", "b"]);
}

#[test]
fn it_begins_with_the_best_of_each_study_that_is_unlike_those_before() {
    let lessons = [
        lesson("a", 1, of_rates(&[1.2345e-5, 6e-5])),
        lesson("b", 1, of_rates(&[1.25e-5, 3e-5])),
    ];
    let learned = learn(&lessons);
    let first: Vec<_> = learned.first.iter().map(|first| (first.lesson, first.place)).collect();
    assert_eq!(first, [(0, 0), (0, 1), (1, 1)]);
    let values = values(json!({"rate": 1.23e-5, "batch": 32, "loss": "triplet", "margin": 0.5, "dropout": 0.15}));
    assert_eq!(learned.first[0].values, values);
}

proptest! {
    #[test]
    fn what_is_proposed_is_a_space_with_all_that_was_good(seed: u64, counts in prop::collection::vec(1..5usize, 1..5), tried in 0..9u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut wide = usual();
        wide.parameters[0].distribution = Distribution::LogUniform { low: 1e-7, high: 1e-2, step: None };
        let lessons: Vec<Lesson> = counts
            .iter()
            .map(|&count| lesson("s", tried, (0..count).map(|_| wide.sample(&mut rng)).collect()))
            .collect();
        let learned = learn(&lessons);
        let space = learned.space();
        prop_assert_eq!(learn(&lessons), learned.clone());
        for name in ["rate", "dropout"] {
            let (low, high, _) = one(&learned, name).usual.range();
            let [own_low, own_high] = bounds(&learned, name);
            let log = name == "rate";
            let at = |x: f64| if log { x.ln() } else { x };
            let width = at(high) - at(low);
            let least = if counts.len() < 2 { 1.0 } else { 0.3 };
            prop_assert!(at(own_high) - at(own_low) >= least * width - 1e-9);
            prop_assert!(at(own_low) >= at(low) - 0.6 * width && at(own_high) <= at(high) + 0.6 * width);
            let good = lessons.iter().flat_map(|lesson| &lesson.good).map(|good| good[name].as_f64().unwrap());
            for x in good.filter(|x| (low..=high).contains(x)) {
                prop_assert!((own_low..=own_high).contains(&x), "{} {:?}", x, [own_low, own_high]);
            }
        }
        for parameter in &space.parameters {
            for condition in &parameter.when {
                let decides = space.parameters.iter().find(|other| other.name == condition.parameter).unwrap();
                let possible = decides.distribution.listed().unwrap();
                prop_assert!(!condition.values.is_empty());
                prop_assert!(condition.values.iter().all(|value| possible.contains(value)));
            }
        }
        prop_assert!(learned.first.len() <= FIRST);
        for (place, first) in learned.first.iter().enumerate() {
            prop_assert!(space.can_have(&first.values));
            prop_assert!(!learned.first[..place].iter().any(|other| alike(&space, &first.values, &other.values)));
        }
        for _ in 0..20 {
            let drawn = space.sample(&mut rng);
            prop_assert!(space.contains(&drawn));
        }
    }
}

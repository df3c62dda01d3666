//! The space of a proposed study, and what it begins with.

use std::fmt::Write as _;

use hpo_protocol::embedding::Kind;
use serde_json::{Value, json};

use super::{Facts, SPARE};
use crate::diagnostic::visible;
use crate::space::{Condition, Distribution, Learned, LearnedParameter, Parameter, SearchSpace};
use crate::words::{quoted, studies};

/// Large models are harmed by rates that small ones need.
fn learning_rate(weights: u64) -> [f64; 2] {
    match weights {
        ..60_000_000 => [5e-6, 3e-4],
        60_000_000..250_000_000 => [2e-6, 1e-4],
        _ => [1e-6, 5e-5],
    }
}

/// Batch sizes, so that an epoch has some steps, and as many negatives as the memory allows.
fn batch_sizes(rows: u64, weights: u64, has_gpu: bool) -> Vec<u64> {
    let largest = match (has_gpu, weights) {
        (true, ..250_000_000) => 128,
        (true, _) | (false, ..60_000_000) => 64,
        (false, _) => 32,
    };
    let sizes = [2, 4, 8, 16, 32, 64, 128];
    let fit: Vec<u64> = sizes
        .into_iter()
        .filter(|&size| size <= largest && (size <= 4 || 16 * size <= rows))
        .collect();
    fit[fit.len().saturating_sub(3)..].to_vec()
}

/// What is searched for these facts if nothing is known of other studies.
pub fn usual(facts: &Facts) -> SearchSpace {
    let uniform = |low: f64, high: f64| Distribution::Uniform { low, high, step: None };
    let log_uniform = |low: f64, high: f64| Distribution::LogUniform { low, high, step: None };
    let choice = |values: Vec<Value>| Distribution::Choice { values };
    let mut parameters = Vec::new();
    let mut add = |name: &str, distribution: Distribution, loss: Option<&str>| {
        parameters.push(Parameter {
            name: name.to_owned(),
            distribution,
            when: Vec::from_iter(loss.map(|loss| Condition {
                parameter: "loss".to_owned(),
                values: vec![loss.into()],
            })),
            prior: None,
        });
    };
    let [low, high] = learning_rate(facts.weights);
    add("learning_rate", log_uniform(low, high), None);
    let sizes = batch_sizes(facts.rows, facts.weights, !facts.gpus.is_empty());
    add("batch_size", choice(sizes.into_iter().map(Value::from).collect()), None);
    let temperature = log_uniform(0.02, 0.2);
    match facts.kind {
        Kind::Triplets => {
            let [triplet, ranking] = ["triplet", "multiple_negatives"];
            add("loss", choice(vec![triplet.into(), ranking.into()]), None);
            add("margin", uniform(0.1, 1.0), Some(triplet));
            add("temperature", temperature, Some(ranking));
        }
        Kind::Pairs => add("temperature", temperature, None),
        Kind::Scored | Kind::Labelled => {}
    }
    add("weight_decay", log_uniform(1e-4, 1e-1), None);
    add("warmup_ratio", choice(vec![json!(0.0), json!(0.1)]), None);
    if facts.rows < 100_000 {
        add("dropout", uniform(0.0, 0.3), None);
    }
    if facts.rows < SPARE && facts.sizes.layers >= 4 {
        let half = facts.sizes.layers / 2;
        add("frozen_layers", choice(vec![json!(0), json!(half)]), None);
    }
    let value = "linear".into();
    add("schedule", Distribution::Fixed { value }, None);
    SearchSpace {
        parameters,
        ..SearchSpace::default()
    }
}

/// The table `[space]`.
pub(super) fn text(facts: &Facts, learned: &Learned) -> String {
    let mut text = "[space]\n".to_owned();
    for one in &learned.parameters {
        let parameter = &one.parameter;
        let _ = write!(text, "{} = {}", parameter.name, written(parameter));
        text += &match (one.from.is_empty(), parameter.name.as_str()) {
            (false, _) => format!("    # {}", origin(one)),
            (true, "frozen_layers") if facts.rows < SPARE => {
                "    # few rows: the lower layers may stay as they are".to_owned()
            }
            (true, _) => String::new(),
        };
        text.push('\n');
    }
    text
}

/// Where the values of a parameter come from, and what they would be else.
fn origin(one: &LearnedParameter) -> String {
    let from: Vec<String> = one.from.iter().map(|study| visible(study)).collect();
    let from = format!("from {}", studies(&from));
    let opened = match one.opened {
        [false, false] => "",
        [true, false] => ", opened below: the best values lay at the lower end",
        [false, true] => ", opened above: the best values lay at the upper end",
        [true, true] => ", opened on both sides: the best values lay at the ends",
    };
    match one.usual == one.parameter.distribution {
        true => format!("{from}: as usual"),
        false => format!("{from}{opened}; usually {}", in_words(&one.usual)),
    }
}

/// The configurations that are tried first.
pub(super) fn first(learned: &Learned, begins: &[String]) -> String {
    let mut text = String::new();
    for (first, begins) in learned.first.iter().zip(begins) {
        let _ = writeln!(text, "\n[[try_first]]    # {}", visible(begins));
        for parameter in learned.parameters.iter().map(|one| &one.parameter) {
            if let Some(given) = first.values.get(&parameter.name) {
                let _ = writeln!(text, "{} = {}", parameter.name, value(given));
            }
        }
    }
    text
}

/// A parameter as a study's file has it.
pub(super) fn written(parameter: &Parameter) -> String {
    let mut keys = match &parameter.distribution {
        Distribution::Fixed { value: fixed } => return value(fixed),
        Distribution::Choice { values } => {
            let values: Vec<String> = values.iter().map(value).collect();
            vec![
                ("type", quoted("choice")),
                ("values", format!("[{}]", values.join(", "))),
            ]
        }
        Distribution::Uniform { low, high, step } => range("uniform", [Some(*low), Some(*high), *step]),
        Distribution::LogUniform { low, high, step } => range("log_uniform", [Some(*low), Some(*high), *step]),
        Distribution::Integer { low, high, step } => whole("integer", *low, *high, *step),
        Distribution::LogInteger { low, high, step } => whole("log_integer", *low, *high, *step),
        Distribution::Normal {
            mean,
            std,
            low,
            high,
            step,
        } => bell("normal", [*mean, *std], [*low, *high, *step]),
        Distribution::LogNormal {
            mean,
            std,
            low,
            high,
            step,
        } => bell("log_normal", [*mean, *std], [*low, *high, *step]),
    };
    if !parameter.when.is_empty() {
        let conditions = parameter.when.iter().map(|condition| {
            let values: Vec<String> = condition.values.iter().map(value).collect();
            match values.as_slice() {
                [only] => format!("{} = {only}", condition.parameter),
                _ => format!("{} = [{}]", condition.parameter, values.join(", ")),
            }
        });
        keys.push(("when", format!("{{ {} }}", conditions.collect::<Vec<_>>().join(", "))));
    }
    let keys = keys.iter().map(|(key, value)| format!("{key} = {value}"));
    format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
}

fn range(name: &'static str, [low, high, step]: [Option<f64>; 3]) -> Vec<(&'static str, String)> {
    let given = [("low", low), ("high", high), ("step", step)];
    let given = given.into_iter().filter_map(|(key, x)| Some((key, number(x?))));
    [("type", quoted(name))].into_iter().chain(given).collect()
}

fn whole(name: &'static str, low: i64, high: i64, step: u64) -> Vec<(&'static str, String)> {
    let mut keys = vec![
        ("type", quoted(name)),
        ("low", low.to_string()),
        ("high", high.to_string()),
    ];
    if step != 1 {
        keys.push(("step", step.to_string()));
    }
    keys
}

fn bell(name: &'static str, [mean, std]: [f64; 2], bounds: [Option<f64>; 3]) -> Vec<(&'static str, String)> {
    let mut keys = range(name, bounds);
    keys.splice(1..1, [("mean", number(mean)), ("std", number(std))]);
    keys
}

/// A value as TOML.
fn value(value: &Value) -> String {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(x) => number(x),
        None => value.as_str().map_or_else(|| value.to_string(), quoted),
    }
}

/// A fraction as TOML.
fn number(x: f64) -> String {
    match x == 0.0 || (1e-3..1e6).contains(&x.abs()) {
        true => format!("{x:?}"),
        false => format!("{x:e}"),
    }
}

/// All values that a distribution has, in words.
pub(super) fn in_words(distribution: &Distribution) -> String {
    match distribution.listed() {
        Some(values) => values.iter().map(value).collect::<Vec<_>>().join(", "),
        None => {
            let (low, high, _) = distribution.range();
            format!("{} to {}", number(low), number(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_small_share_of_an_epoch() {
        assert_eq!(batch_sizes(10, 1, false), [2, 4]);
        assert_eq!(batch_sizes(300, 1, false), [4, 8, 16]);
        assert_eq!(batch_sizes(1_000_000, 1, true), [32, 64, 128]);
        assert_eq!(batch_sizes(1_000_000, 100_000_000, false), [8, 16, 32]);
    }

    #[test]
    fn numbers_are_written_as_a_person_would() {
        for (x, text) in [
            (5e-6, "5e-6"),
            (3e-4, "3e-4"),
            (0.1, "0.1"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (1.25e-5, "1.25e-5"),
        ] {
            assert_eq!(number(x), text);
        }
    }
}

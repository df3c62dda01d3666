//! A search space in words.

use comfy_table::{Table, presets};
use hpo_protocol::Values;

use super::format::{number, value};
use crate::space::{Condition, Confidence, Distribution, Parameter, Scale, SearchSpace};

/// The parameters of a space, how many configurations there are, and some of them.
pub fn space(study: &str, space: &SearchSpace, samples: &[Values]) -> String {
    let searched = space
        .parameters
        .iter()
        .filter(|parameter| !parameter.distribution.is_fixed());
    let searched: Vec<&Parameter> = searched.collect();
    let mut text = format!(
        "space of the study {study}: {} parameters, {} of them searched\n\n",
        space.parameters.len(),
        searched.len()
    );
    let mut table = table(["parameter", "values", "only when"]);
    for parameter in &space.parameters {
        let when: Vec<String> = parameter.when.iter().map(condition).collect();
        table.add_row([
            parameter.name.clone(),
            words(&parameter.distribution) + &prior(parameter),
            when.join(" and "),
        ]);
    }
    text += &format!("{table}\n\n{}\n", size(space, &searched));
    for constraint in &space.constraints {
        text += &format!("always: {}\n", constraint.text());
    }
    if !space.try_first.is_empty() {
        text += &format!("tried first: {} given by the file\n", space.try_first.len());
    }
    text += &format!("\nthe first {} configurations\n", samples.len());
    let names = || searched.iter().map(|parameter| parameter.name.clone());
    let mut table = self::table(std::iter::once("trial".to_owned()).chain(names()));
    for (trial, sample) in samples.iter().enumerate() {
        let cells = names().map(|name| sample.get(&name).map_or("-".to_owned(), value));
        table.add_row(std::iter::once(trial.to_string()).chain(cells));
    }
    text + &format!("{table}\n")
}

fn table<T: Into<comfy_table::Row>>(head: T) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    table
}

fn size(space: &SearchSpace, searched: &[&Parameter]) -> String {
    let conditional =
        space.parameters.iter().any(|parameter| !parameter.when.is_empty()) || !space.constraints.is_empty();
    let most = if conditional { "at most " } else { "" };
    if let Some(size) = space.size() {
        return format!("{most}{size} configurations");
    }
    let counts = searched
        .iter()
        .filter_map(|parameter| parameter.distribution.scale().count());
    let combinations = counts.fold(1u64, u64::saturating_mul);
    let continuous = searched
        .iter()
        .filter(|parameter| parameter.distribution.scale() == Scale::Continuous);
    format!(
        "{most}{combinations} combinations of steps and choices, times {} continuous parameters",
        continuous.count()
    )
}

fn prior(parameter: &Parameter) -> String {
    let Some(prior) = &parameter.prior else {
        return String::new();
    };
    let confidence = match prior.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    format!("; best at {}? ({confidence} confidence)", value(&prior.value))
}

fn condition(condition: &Condition) -> String {
    let values: Vec<String> = condition.values.iter().map(value).collect();
    format!("{} is {}", condition.parameter, values.join(" or "))
}

fn words(distribution: &Distribution) -> String {
    let steps = |step: &Option<f64>| step.map_or(String::new(), |step| format!(", in steps of {}", number(step)));
    let whole = |step: u64| {
        if step == 1 {
            String::new()
        } else {
            format!(", in steps of {step}")
        }
    };
    let bounds = |low: &Option<f64>, high: &Option<f64>| match (low, high) {
        (Some(low), Some(high)) => format!(", from {} to {}", number(*low), number(*high)),
        (Some(low), None) => format!(", from {}", number(*low)),
        (None, Some(high)) => format!(", to {}", number(*high)),
        (None, None) => String::new(),
    };
    match distribution {
        Distribution::Fixed { value: fixed } => value(fixed),
        Distribution::Uniform { low, high, step } => format!("{} to {}{}", number(*low), number(*high), steps(step)),
        Distribution::LogUniform { low, high, step } => {
            format!("{} to {}, logarithmic{}", number(*low), number(*high), steps(step))
        }
        Distribution::Integer { low, high, step } => format!("whole numbers from {low} to {high}{}", whole(*step)),
        Distribution::LogInteger { low, high, step } => {
            format!("whole numbers from {low} to {high}, logarithmic{}", whole(*step))
        }
        Distribution::Normal {
            mean,
            std,
            low,
            high,
            step,
        } => format!(
            "normal around {}, deviation {}{}{}",
            number(*mean),
            number(*std),
            bounds(low, high),
            steps(step)
        ),
        Distribution::LogNormal {
            mean,
            std,
            low,
            high,
            step,
        } => {
            let median = number(mean.exp());
            format!(
                "log-normal around {median}, deviation {}{}{}",
                number(*std),
                bounds(low, high),
                steps(step)
            )
        }
        Distribution::Choice { values } => values.iter().map(value).collect::<Vec<_>>().join(", "),
    }
}

//! A search space in words.

use hpo_protocol::{BASE_MODEL, Values};

use super::format::{number, short, value};
use super::sheet::Sheet;
use crate::space::{Condition, Confidence, Distribution, Parameter, Scale, SearchSpace};
use crate::study_file::{PromptOrigin, PromptsInUse};
use crate::words::{counted, listed};

/// The parameters of a space, how many configurations there are, what stands before the texts of these, and some of them.
pub fn space(study: &str, space: &SearchSpace, prompts: &[PromptsInUse], samples: &[Values]) -> String {
    let searched = space
        .parameters
        .iter()
        .filter(|parameter| !parameter.distribution.is_fixed());
    let searched: Vec<&Parameter> = searched.collect();
    let mut text = format!(
        "space of the study {study}: {}, {} of them searched\n\n",
        counted(space.parameters.len(), "parameter"),
        searched.len()
    );
    let rows = space.parameters.iter().map(|parameter| {
        let when: Vec<String> = parameter.when.iter().map(condition).collect();
        let values = words(parameter) + &prior(parameter);
        vec![parameter.name.clone(), values, when.join(" and ")]
    });
    let head = ["parameter", "values", "only when"].map(str::to_owned);
    text += &format!("{}\n{}\n", table(head.into(), rows.collect()), size(space, &searched));
    for constraint in &space.constraints {
        text += &format!("always: {}\n", constraint.text());
    }
    if !space.try_first.is_empty() {
        text += &format!("tried first: {} given by the file\n", space.try_first.len());
    }
    for prompts in prompts {
        text += &(self::prompts(space, prompts) + "\n");
    }
    text += &match samples.len() {
        1 => "\nthe first configuration\n".to_owned(),
        count => format!("\nthe first {count} configurations\n"),
    };
    let names = || searched.iter().map(|parameter| parameter.name.clone());
    let rows = samples.iter().enumerate().map(|(trial, sample)| {
        let cells = searched.iter().map(|parameter| {
            let drawn = sample.get(&parameter.name);
            drawn.map_or("-".to_owned(), |drawn| short(parameter, drawn))
        });
        std::iter::once(trial.to_string()).chain(cells).collect()
    });
    let head = std::iter::once("trial".to_owned()).chain(names());
    text + &table(head.collect(), rows.collect())
}

/// A set of prompts, and who says what they are.
fn prompts(space: &SearchSpace, prompts: &PromptsInUse) -> String {
    let mut parameters = space.parameters.iter();
    let parameter = parameters.find(|parameter| parameter.name == BASE_MODEL);
    let model = parameter.zip(prompts.model.as_deref());
    let model = model.map_or(String::new(), |(parameter, model)| {
        format!(" of {}", short(parameter, &model.into()))
    });
    let set = prompts.set.as_deref().map_or(String::new(), |set| format!(" {set}"));
    let text = |(role, prompt): &(&str, String)| match prompt.as_str() {
        "" => format!("{role} none"),
        prompt => format!("{role} {prompt:?}"),
    };
    let nothing = prompts.texts.iter().all(|(_, prompt)| prompt.is_empty());
    let texts = match nothing {
        true => "none".to_owned(),
        false => prompts.texts.iter().map(text).collect::<Vec<_>>().join(", "),
    };
    let from = match (prompts.from, nothing) {
        (PromptOrigin::File, _) => "by this file",
        (PromptOrigin::Model, false) => "by the model's directory",
        (PromptOrigin::Model, true) => "the model's directory names none",
    };
    format!("prompts{set}{model}: {texts} ({from})")
}

fn table(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let words = (0..head.len()).collect();
    Sheet { head, rows, words }.text(None).0
}

fn size(space: &SearchSpace, searched: &[&Parameter]) -> String {
    if let Some(size) = space.size() {
        let most = if space.constraints.is_empty() { "" } else { "at most " };
        return format!("{most}{}", counted(size, "configuration"));
    }
    let conditional =
        space.parameters.iter().any(|parameter| !parameter.when.is_empty()) || !space.constraints.is_empty();
    let most = if conditional { "at most " } else { "" };
    let scales = || searched.iter().map(|parameter| parameter.distribution.scale());
    let counts: Vec<u64> = scales().filter_map(Scale::count).filter(|count| *count > 1).collect();
    let product = counts
        .iter()
        .try_fold(1u64, |product, count| product.checked_mul(*count));
    let combinations = match product {
        Some(product) => format!("{most}{} of steps and choices", counted(product, "combination")),
        None => "more combinations of steps and choices than can be counted".to_owned(),
    };
    let endless: Vec<Scale> = scales().filter(|scale| scale.count().is_none()).collect();
    let kind = match endless.iter().all(|scale| *scale == Scale::Continuous) {
        true => "continuous parameter",
        false => "unbounded parameter",
    };
    match endless.len() {
        0 => combinations,
        number if counts.is_empty() => counted(number, kind),
        number => format!("{combinations}, times {}", counted(number, kind)),
    }
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
    let values = listed(condition.values.iter().map(value), " or ");
    format!("{} is {values}", condition.parameter)
}

fn words(parameter: &Parameter) -> String {
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
    match &parameter.distribution {
        Distribution::Fixed { value: fixed } => short(parameter, fixed),
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
        Distribution::Choice { values } => listed(values.iter().map(|value| short(parameter, value)), ", "),
    }
}

//! What options of training scripts are usually for, by their names.

use serde_json::Value;

use super::help::ScriptOption;
use crate::space::Distribution;

/// What is passed as an option's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    /// How far to train, in epochs.
    Epochs,
    /// How far to train, in steps.
    Steps,
    /// The script's directory.
    Directory,
    /// A seed.
    Seed,
    /// The threads of its slot.
    Threads,
    /// A parameter of the space.
    Parameter(Distribution),
}

/// Values within which a parameter is searched.
enum Range {
    /// Evenly, from the first to the second, but below the third.
    Even(f64, f64, f64),
    /// Evenly in their logarithm, from the first to the second, or so many times below and above the default.
    Log(f64, f64, f64),
    /// As many times the default, or these.
    Sizes([u64; 3]),
    /// These.
    Among(&'static [f64]),
    /// What the script lists.
    Listed,
    /// With it or without.
    Flag,
}

/// Of more values that a script lists, most are of no use.
const MOST: usize = 5;

const EPOCHS: &[&str] = &[
    "epochs",
    "num_epochs",
    "n_epochs",
    "nb_epochs",
    "max_epochs",
    "train_epochs",
    "num_train_epochs",
    "epoch",
    "max_epoch",
    "n_iter",
    "n_iters",
    "num_iter",
    "num_iters",
    "max_iter",
    "iters",
    "rounds",
    "num_rounds",
    "num_boost_round",
    "n_rounds",
];
const STEPS: &[&str] = &[
    "max_steps",
    "steps",
    "num_steps",
    "n_steps",
    "train_steps",
    "num_train_steps",
    "max_iters",
    "iterations",
    "num_iterations",
    "max_iterations",
    "total_steps",
];
const DIRECTORY: &[&str] = &[
    "checkpoint_dir",
    "ckpt_dir",
    "output_dir",
    "out_dir",
    "output",
    "out",
    "outdir",
    "save_dir",
    "save_path",
    "checkpoint_path",
];
const SEED: &[&str] = &["seed", "random_seed", "random_state"];
const THREADS: &[&str] = &["threads", "num_threads", "n_threads", "torch_threads"];

/// The names of parameters, without dashes, and what is usual for them. Those in one line are the same parameter. What is measured is not
/// among them: trials with different losses can't be compared by these.
const PARAMETERS: &[(&[&str], Range)] = &[
    (
        &["lr", "learning_rate", "learningrate", "base_lr", "eta", "eta0"],
        Range::Log(1e-5, 1e-1, 30.0),
    ),
    (
        &[
            "batch_size",
            "batchsize",
            "batch",
            "bs",
            "train_batch_size",
            "per_device_train_batch_size",
            "mini_batch_size",
        ],
        Range::Sizes([16, 32, 64]),
    ),
    (
        &["dropout", "dropout_rate", "hidden_dropout", "drop_rate"],
        Range::Even(0.0, 0.5, 1.0),
    ),
    (
        &["weight_decay", "wd", "weightdecay", "l2"],
        Range::Log(1e-5, 1e-1, 30.0),
    ),
    (&["momentum"], Range::Even(0.5, 0.99, 1.0)),
    (
        &["warmup_ratio", "warmup_proportion", "warmup_fraction"],
        Range::Among(&[0.0, 0.1]),
    ),
    (&["warmup_epochs"], Range::Among(&[0.0, 1.0])),
    (&["warmup_steps", "num_warmup_steps"], Range::Among(&[0.0, 100.0])),
    (&["temperature", "temp", "tau"], Range::Log(0.02, 0.2, 5.0)),
    (&["margin"], Range::Even(0.1, 1.0, f64::INFINITY)),
    (
        &["label_smoothing", "label_smoothing_factor"],
        Range::Even(0.0, 0.2, 1.0),
    ),
    (&["optimizer", "optim", "opt"], Range::Listed),
    (
        &[
            "scheduler",
            "lr_scheduler",
            "lr_scheduler_type",
            "lr_schedule",
            "schedule",
        ],
        Range::Listed,
    ),
    (&["activation"], Range::Listed),
    (&["pooling"], Range::Listed),
    (&["nesterov"], Range::Flag),
    (&["amsgrad"], Range::Flag),
];

/// Parameters on which the scale of a validation loss may depend.
const SCALES: &[&str] = &[
    "temperature",
    "temp",
    "tau",
    "margin",
    "label_smoothing",
    "label_smoothing_factor",
];

/// A name as scripts of any style have it.
pub(super) fn plain(name: &str) -> String {
    name.trim_start_matches('-').to_lowercase().replace(['-', '.'], "_")
}

/// The number of the parameter that an option is, which other options may be too.
pub(super) fn parameter(option: &ScriptOption) -> Option<usize> {
    let is_it = |names: &[&str]| option.names.iter().any(|name| names.contains(&plain(name).as_str()));
    PARAMETERS.iter().position(|(names, _)| is_it(names))
}

/// Whether an option may change what a validation loss comes to, whatever the model is worth.
pub(super) fn may_scale_loss(option: &ScriptOption) -> bool {
    option.names.iter().any(|name| SCALES.contains(&plain(name).as_str()))
}

impl Role {
    /// What an option is for; none if that is not known, or if it takes more than one value.
    pub fn of(option: &ScriptOption) -> Option<Self> {
        if option.takes_several {
            return None;
        }
        if let Some(place) = parameter(option) {
            return PARAMETERS[place].1.searched(option).map(Self::Parameter);
        }
        option.value.as_ref().filter(|_| option.choices.is_empty())?;
        let roles = [
            (EPOCHS, Self::Epochs),
            (STEPS, Self::Steps),
            (DIRECTORY, Self::Directory),
            (SEED, Self::Seed),
            (THREADS, Self::Threads),
        ];
        let is_it = |names: &[&str]| option.names.iter().any(|name| names.contains(&plain(name).as_str()));
        roles.into_iter().find_map(|(names, role)| is_it(names).then_some(role))
    }
}

impl Range {
    /// The values that are searched for an option, its default among them.
    fn searched(&self, option: &ScriptOption) -> Option<Distribution> {
        let is_flag = matches!(self, Self::Flag);
        if option.value.is_some() == is_flag {
            return None;
        }
        let default = option.default.as_ref().and_then(|default| default.parse::<f64>().ok());
        let default = default.filter(|default| default.is_finite() && *default > 0.0);
        let choices: Vec<Value> = option.choices.iter().map(|choice| number(choice)).collect();
        if !choices.is_empty() {
            return (choices.len() <= MOST).then_some(Distribution::Choice { values: choices });
        }
        Some(match *self {
            Self::Even(low, high, limit) => {
                let high = default
                    .filter(|default| *default > high)
                    .map_or(high, |default| 2.0 * default);
                let high = if high < limit {
                    high
                } else {
                    default.map_or(limit, |default| default.midpoint(limit))
                };
                let low = default.filter(|default| *default < low).map_or(low, |_| 0.0);
                Distribution::Uniform { low, high, step: None }
            }
            Self::Log(low, high, factor) => {
                let (low, high) = default.map_or((low, high), |default| {
                    // Nothing that is usually searched is above 1, if its default is not.
                    let most = if default < 1.0 { 1.0 } else { f64::INFINITY };
                    (default / factor, most.min(factor * default))
                });
                Distribution::LogUniform {
                    low: rounded(low),
                    high: rounded(high),
                    step: None,
                }
            }
            Self::Sizes(usual) => {
                let default = default.filter(|default| default.fract() == 0.0 && *default < 1e9);
                let around = |size: u64| match size {
                    1 => [1, 2, 4],
                    size => [size / 2, size, 2 * size],
                };
                let sizes = default.map_or(usual, |default| around(default as u64));
                Distribution::Choice {
                    values: sizes.into_iter().map(Value::from).collect(),
                }
            }
            Self::Among(usual) => {
                let mut values = usual.to_vec();
                if let (Some(default), Some(last)) = (default, values.last_mut()) {
                    *last = default;
                }
                let whole = values.iter().all(|value| value.fract() == 0.0);
                let value = |value: f64| {
                    if whole {
                        Value::from(value as i64)
                    } else {
                        Value::from(value)
                    }
                };
                Distribution::Choice {
                    values: values.into_iter().map(value).collect(),
                }
            }
            Self::Flag => Distribution::Choice {
                values: flag(&option.names),
            },
            Self::Listed => return None,
        })
    }
}

/// The default of an option as a value that is searched, if it is one.
pub(super) fn default_among(searched: &Distribution, option: &ScriptOption) -> Option<Value> {
    let default = option.default.as_deref();
    let as_number = default.and_then(|default| default.parse::<f64>().ok());
    match searched {
        Distribution::Uniform { low, high, .. } | Distribution::LogUniform { low, high, .. } => as_number
            .filter(|default| (*low..=*high).contains(default))
            .map(Value::from),
        Distribution::Choice { values } if option.value.is_none() => {
            let without = values.iter().find(|value| value.as_str() == Some(""));
            without
                .filter(|_| default.is_none_or(|default| default.eq_ignore_ascii_case("false")))
                .cloned()
        }
        Distribution::Choice { values } => {
            let is_it = |value: &&Value| match value.as_f64() {
                Some(number) => as_number == Some(number),
                None => value.as_str() == default,
            };
            values.iter().find(is_it).cloned()
        }
        Distribution::Integer { .. }
        | Distribution::LogInteger { .. }
        | Distribution::Normal { .. }
        | Distribution::LogNormal { .. }
        | Distribution::Fixed { .. } => None,
    }
}

/// What is written for an option without a value: it, and its opposite if it has one, or nothing.
fn flag(names: &[String]) -> Vec<Value> {
    let opposite = names.iter().find(|name| name.starts_with("--no-"));
    let itself = names
        .iter()
        .find(|name| name.starts_with("--") && Some(*name) != opposite);
    let itself = itself.or(names.first()).map_or("", String::as_str);
    vec![itself.into(), opposite.map_or("", String::as_str).into()]
}

/// A number with two digits.
fn rounded(x: f64) -> f64 {
    format!("{x:.1e}").parse().unwrap_or(x)
}

/// A value that a script lists.
fn number(text: &str) -> Value {
    let whole = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    whole.map_or_else(|| Value::from(text), Value::from)
}

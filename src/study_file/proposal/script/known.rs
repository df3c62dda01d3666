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
    /// Evenly in their logarithm.
    Log(f64, f64),
    /// As many times the default, or these.
    Sizes([u64; 3]),
    /// These.
    Among(&'static [f64]),
    /// What the script lists.
    Listed,
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

/// The names of parameters, without dashes, and what is usual for them.
const PARAMETERS: &[(&[&str], Range)] = &[
    (
        &["lr", "learning_rate", "learningrate", "base_lr", "eta", "eta0"],
        Range::Log(1e-5, 1e-1),
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
    (&["weight_decay", "wd", "weightdecay", "l2"], Range::Log(1e-5, 1e-1)),
    (&["momentum"], Range::Even(0.5, 0.99, 1.0)),
    (
        &["warmup_ratio", "warmup_proportion", "warmup_fraction"],
        Range::Among(&[0.0, 0.1]),
    ),
    (&["warmup_epochs"], Range::Among(&[0.0, 1.0])),
    (&["warmup_steps", "num_warmup_steps"], Range::Among(&[0.0, 100.0])),
    (&["temperature", "temp", "tau"], Range::Log(0.02, 0.2)),
    (&["margin"], Range::Even(0.1, 1.0, f64::INFINITY)),
    (
        &["label_smoothing", "label_smoothing_factor"],
        Range::Even(0.0, 0.2, 1.0),
    ),
    (
        &[
            "optimizer",
            "optim",
            "opt",
            "scheduler",
            "lr_scheduler",
            "lr_schedule",
            "schedule",
            "loss",
            "loss_fn",
            "activation",
            "pooling",
        ],
        Range::Listed,
    ),
];

/// A name as scripts of any style have it.
pub(super) fn plain(name: &str) -> String {
    name.trim_start_matches('-').to_lowercase().replace(['-', '.'], "_")
}

impl Role {
    /// What an option is for; none if that is not known.
    pub fn of(option: &ScriptOption) -> Option<Self> {
        option.value.as_ref()?;
        option.names.iter().find_map(|name| {
            let name = plain(name);
            let is_in = |names: &[&str]| names.contains(&name.as_str());
            let found = PARAMETERS.iter().find(|(names, _)| is_in(names));
            match found {
                Some((_, range)) => range.searched(option).map(Self::Parameter),
                None if !option.choices.is_empty() => None,
                None if is_in(EPOCHS) => Some(Self::Epochs),
                None if is_in(STEPS) => Some(Self::Steps),
                None if is_in(DIRECTORY) => Some(Self::Directory),
                None if is_in(SEED) => Some(Self::Seed),
                None => is_in(THREADS).then_some(Self::Threads),
            }
        })
    }
}

impl Range {
    /// The values that are searched for an option: where its default lies outside of what is usual, those around it.
    fn searched(&self, option: &ScriptOption) -> Option<Distribution> {
        let default: Option<f64> = option.default.as_ref().and_then(|default| default.parse().ok());
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
                let high = if high < limit { high } else { 0.95 * limit };
                let low = default.filter(|default| *default < low).map_or(low, |_| 0.0);
                Distribution::Uniform { low, high, step: None }
            }
            Self::Log(low, high) => {
                let around = |default: f64| (default / 10.0, default * 10.0);
                let outside = default.filter(|default| !(low..=high).contains(default));
                let (low, high) = outside.map_or((low, high), around);
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
            Self::Listed => return None,
        })
    }
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

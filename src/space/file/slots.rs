//! `[slots]`: where trials run.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Item, Problem, Result, Table};

pub(super) const KEYS: &[&str] = &["devices", "trials_per_device", "threads_per_trial", "silence_minutes"];

/// A year.
const MOST_MINUTES: f64 = 525_600.0;

/// Where trials run; not a part of what the study is, except that the threads per trial become one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotSettings {
    /// The devices.
    pub devices: Devices,
    /// How many trials share a device, at least 1; none to choose it.
    pub trials_per_device: Option<u32>,
    /// CPU threads per trial, at least 1; none to choose it.
    pub threads_per_trial: Option<usize>,
    /// How long a worker may be silent while it owes an answer; none to choose it.
    pub silence: Option<Duration>,
}

/// The devices that trials run on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Devices {
    /// All GPUs there are, or the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPUs with these numbers: at least one, all different.
    Gpus(Vec<u32>),
}

/// What is wrong with a text that should name devices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevicesError {
    /// Neither a word that is known nor numbers.
    #[error("write \"auto\", \"cpu\" or the numbers of GPUs such as \"0,1\"")]
    Unknown,
    /// A number that is there twice.
    #[error("GPU {0} is named twice; use trials_per_device to put several trials on one GPU")]
    Twice(u32),
}

impl FromStr for Devices {
    type Err = DevicesError;

    fn from_str(text: &str) -> std::result::Result<Self, DevicesError> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            numbers => Self::gpus(numbers.split(',').map(|number| number.trim().parse().ok())),
        }
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpus(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                f.write_str(&numbers.join(","))
            }
        }
    }
}

impl Devices {
    fn gpus(numbers: impl IntoIterator<Item = Option<u32>>) -> std::result::Result<Self, DevicesError> {
        let mut gpus = Vec::new();
        for number in numbers {
            let number = number.ok_or(DevicesError::Unknown)?;
            if gpus.contains(&number) {
                return Err(DevicesError::Twice(number));
            }
            gpus.push(number);
        }
        if gpus.is_empty() {
            Err(DevicesError::Unknown)
        } else {
            Ok(Self::Gpus(gpus))
        }
    }
}

pub(super) fn read(table: &Table) -> Result<SlotSettings> {
    let count = |key, most| table.get(key).map(|item| item.integer(1..=most)).transpose();
    Ok(SlotSettings {
        devices: table
            .get("devices")
            .map(|item| devices(&item))
            .transpose()?
            .unwrap_or_default(),
        trials_per_device: count("trials_per_device", 1024)?.map(|n| n as u32),
        threads_per_trial: count("threads_per_trial", 4096)?.map(|n| n as usize),
        silence: table.get("silence_minutes").map(|item| minutes(&item)).transpose()?,
    })
}

fn minutes(item: &Item) -> Result<Duration> {
    let minutes = item.number()?;
    if minutes > 0.0 && minutes <= MOST_MINUTES {
        return Ok(Duration::from_secs_f64(minutes * 60.0));
    }
    let help =
        "write minutes such as 90, or leave it out: then only workers that promise signs of life are held to them";
    Err(item.problem(
        "is not a time that a worker may be silent",
        "not above 0, or more than a year",
        help,
    ))
}

fn devices(item: &Item) -> Result<Devices> {
    let wrong =
        |error: DevicesError| -> Problem { item.problem("does not name devices", "not devices", error.to_string()) };
    match item.value {
        DeValue::String(text) => text.parse().map_err(wrong),
        DeValue::Array(_) => {
            let numbers: Vec<i64> = item
                .array("")?
                .iter()
                .map(|number| number.integer(0..=1023))
                .collect::<Result<_>>()?;
            Devices::gpus(numbers.into_iter().map(|n| u32::try_from(n).ok())).map_err(wrong)
        }
        _ => Err(item.wrong_type("a string or an array", DevicesError::Unknown.to_string())),
    }
}

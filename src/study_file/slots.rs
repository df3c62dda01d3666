//! `[slots]`: where trials run.

use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Item, Problem, Result, Table};
use crate::devices::{Devices, DevicesError, SlotSettings};

pub(super) const KEYS: &[&str] = &["devices", "trials_per_device", "threads_per_trial", "silence_minutes"];

/// A year.
const MOST_MINUTES: f64 = 525_600.0;

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

//! `[slots]`: where trials run.

use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Item, Problem, Result, Results, Table};
use super::settings;
use crate::devices::{Devices, DevicesError, SlotSettings};
use crate::keys::{Fallback, Interval, Key, Refusal, Takes};

const DEVICES: Key = Key {
    name: "devices",
    takes: Takes::Devices,
    default: Fallback::Word("auto"),
    about: "`\"auto\"`: all GPUs that NVML reports and `CUDA_VISIBLE_DEVICES` leaves, or the CPU; `\"cpu\"`; `\"0,1\"` or `[0, 1]`: GPUs \
            by number. `--devices` takes precedence",
};

const TRIALS_PER_DEVICE: Key = Key {
    name: "trials_per_device",
    takes: Takes::Integer { least: 1, most: 1024 },
    default: Fallback::Described("1 a GPU; on a CPU one a core, at most 4"),
    about: "how many trials run on one device at once",
};

const THREADS_PER_TRIAL: Key = Key {
    name: "threads_per_trial",
    takes: Takes::Integer { least: 1, most: 4096 },
    default: Fallback::Described("the cores divided among the slots"),
    about: "CPU threads of each worker. Another number gives other bits, so it is frozen when the study begins",
};

const SILENCE: Key = Key {
    name: "silence_minutes",
    takes: Takes::Number(
        Interval {
            // A year.
            high: 525_600.0,
            high_included: true,
            ..Interval::POSITIVE
        },
        Refusal {
            message: "is not a time that a worker may be silent",
            label: "not above 0, or more than a year",
            help: "write minutes such as 90, or leave it out: then only workers that promise signs of life are held to them",
        },
    ),
    default: Fallback::Described("see [trainers.md](trainers.md#when-a-worker-goes-wrong)"),
    about: "a worker that owes an answer and has given no sign of life for so long is replaced. A trainer of your own that prints \
            nothing while it trains must be given the time of its longest silence",
};

/// Its keys.
pub(super) const KEYS: &[Key] = &[DEVICES, TRIALS_PER_DEVICE, THREADS_PER_TRIAL, SILENCE];

pub(super) fn read(table: &Table) -> Results<SlotSettings> {
    let settings = settings::read(table, KEYS)?;
    let devices = table.get(DEVICES.name).map(|item| devices(&item)).transpose()?;
    Ok(SlotSettings {
        devices: devices.unwrap_or_default(),
        trials_per_device: settings.count_if_any(&TRIALS_PER_DEVICE).map(|n| n as u32),
        threads_per_trial: settings.count_if_any(&THREADS_PER_TRIAL).map(|n| n as usize),
        silence: settings
            .number_if_any(&SILENCE)
            .map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
    })
}

fn devices(item: &Item) -> Result<Devices> {
    let wrong =
        |error: DevicesError| -> Problem { item.problem("does not name devices", "not devices", error.to_string()) };
    if let DeValue::String(text) = item.value {
        return text.parse().map_err(wrong);
    }
    let DeValue::Array(_) = item.value else {
        return Err(item.wrong_type("a string or an array", DevicesError::Unknown.to_string()));
    };
    let numbers = item.array("")?.into_iter().map(|number| number.integer(0..=1023));
    let numbers: Vec<i64> = numbers.collect::<Result<_>>()?;
    Devices::gpus(numbers.into_iter().map(|n| u32::try_from(n).ok())).map_err(wrong)
}

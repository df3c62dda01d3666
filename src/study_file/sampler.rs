//! `[sampler]`: how configurations are drawn.

use super::reader::{Item, Problem, Result, Table, did_you_mean, shown};
use super::study::MAX_TRIALS;
use crate::study::{GaussianProcess, SamplerSpec, Tpe};

/// Every key that some sampler has.
pub(super) const KEYS: &[&str] = &["type", "startup_trials", "random_share"];

/// The samplers, and the keys that each has beside `type`.
const TYPES: &[(&str, &[&str])] = &[
    ("gaussian_process", &["startup_trials", "random_share"]),
    ("grid", &[]),
    ("prior_band", &[]),
    ("random", &[]),
    ("sobol", &[]),
    ("tpe", &["startup_trials", "random_share"]),
];

/// The `type` of a table that has none.
const USUAL: &str = "gaussian_process";

/// The sampler of a study whose file has no table.
pub(super) fn usual() -> SamplerSpec {
    SamplerSpec::GaussianProcess(GaussianProcess::default())
}

/// Reads the table.
pub(super) fn read(table: &Table) -> Result<SamplerSpec> {
    let kind = table.get("type");
    let name = kind.as_ref().map_or(Ok(USUAL), Item::string)?;
    let Some((_, keys)) = TYPES.iter().find(|(known, _)| *known == name) else {
        let message = format!("there is no sampler `{}`", shown(name));
        let help = did_you_mean(name, TYPES.iter().map(|(known, _)| *known));
        let place = kind.map_or(table.span.clone(), |kind| kind.span);
        return Err(Problem::new(place, message, "unknown sampler", help));
    };
    let strange = table
        .items()
        .find(|item| item.key != "type" && !keys.contains(&item.key));
    if let Some(item) = strange {
        let with = TYPES.iter().filter(|(_, keys)| keys.contains(&item.key));
        let with: Vec<String> = with.map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("`{}` has no effect with the sampler `{name}`", item.name);
        let help = format!("remove it, or choose a `type` that has it: {}", with.join(", "));
        return Err(Problem::new(item.key_span, message, "not of this sampler", help));
    }
    let startup = table.get("startup_trials").map(|item| item.integer(1..=MAX_TRIALS));
    let startup_trials = startup.transpose()?.map(|trials| trials as u64);
    let random_share = table.get("random_share").map(|item| share(&item)).transpose()?;
    Ok(match name {
        "random" => SamplerSpec::Random,
        "sobol" => SamplerSpec::Sobol,
        "grid" => SamplerSpec::Grid,
        "prior_band" => SamplerSpec::PriorBand,
        "tpe" => SamplerSpec::Tpe(Tpe {
            startup_trials,
            random_share: random_share.unwrap_or(Tpe::default().random_share),
        }),
        _ => SamplerSpec::GaussianProcess(GaussianProcess {
            startup_trials,
            random_share: random_share.unwrap_or(GaussianProcess::default().random_share),
        }),
    })
}

fn share(item: &Item) -> Result<f64> {
    let share = item.number()?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(item.problem(
            "must be from 0 to 1",
            "no share",
            "write a share of the trials, such as 0.1",
        ))
    }
}

//! What resources count, how far trials are trained, where they are compared first, and how often they are validated.

use hpo_protocol::Unit;

use super::reader::{Item, Problem, Result, Table};
use crate::keys::Settings;
use crate::study::policy_keys::{MAX, MIN, REPORT_EVERY, RESOURCE};

/// How often a trial can be validated: each time takes the time of a validation and writes a checkpoint.
const MAX_REPORTS: u64 = 100_000;

/// The resources of a policy, all at least 1.
pub(super) struct Resources {
    pub unit: Unit,
    pub min: u64,
    pub max: u64,
    /// A divisor of `min`, unless that is `max`: so there is a report wherever trials are compared.
    pub report_every: u64,
}

impl Resources {
    /// Checks the values of the table together; `has_rungs` if trials are compared before the end.
    pub fn read(table: &Table, settings: &Settings, has_rungs: bool) -> Result<Self> {
        let unit = settings.choice(&RESOURCE, &Unit::ALL);
        let example = match unit {
            Unit::Epochs => "max_resource = 9",
            Unit::Steps => "max_resource = 2700",
            Unit::Examples => "max_resource = 90000",
        };
        let max_item = table.required(MAX.name, example)?;
        let max = settings.count(&MAX);
        let min = settings.count_if_any(&MIN);
        if let Some(min) = min.filter(|min| max < *min) {
            return Err(max_item.problem(
                format_args!("is below `policy.min_resource`, which is {min}"),
                "too small",
                format!("write {min} or more, or lower `min_resource`"),
            ));
        }
        let every_item = table.get(REPORT_EVERY.name);
        let every = settings.count_if_any(&REPORT_EVERY);
        // One epoch is a measure for all data; one step or example is none.
        let known = if has_rungs { min } else { every };
        if unit != Unit::Epochs && known.is_none() {
            return Err(missing(table, unit, has_rungs, max));
        }
        let report_every = every.or(min.filter(|_| unit != Unit::Epochs)).unwrap_or(1);
        let min = min.unwrap_or(if has_rungs { 1 } else { report_every });
        if let Some(item) = &every_item {
            check_places(item, report_every, min, max)?;
        }
        check_count(every_item.as_ref().unwrap_or(&max_item), report_every, max)?;
        Ok(Self {
            unit,
            min,
            max,
            report_every,
        })
    }
}

/// What must be given where the resource is no epoch, for which there is a usual value.
fn missing(table: &Table, unit: Unit, has_rungs: bool, max: u64) -> Problem {
    let (key, what) = match has_rungs {
        true => ("min_resource", "after which trials are compared for the first time"),
        false => ("report_every", "from one validation to the next"),
    };
    let units = unit.many();
    let message = format!("`policy.{key}` is missing, which has no default in {units}");
    let help = format!(
        "add `{key} = {}`, or another number of {units} {what}",
        (max / 9).max(1)
    );
    Problem::missing(Some(table.span.clone()), message, help)
}

/// Checks that there is a report wherever trials are compared.
fn check_places(item: &Item, every: u64, min: u64, max: u64) -> Result<()> {
    if every > max {
        return Err(item.problem(
            format_args!("is beyond `policy.max_resource`, which is {max}"),
            "too large",
            format!("write {max} or less"),
        ));
    }
    if every > min {
        return Err(item.problem(
            format_args!("is beyond `policy.min_resource`, which is {min}: there trials are compared by a report"),
            "too large",
            format!("write {min} or less, or raise `min_resource`"),
        ));
    }
    if !min.is_multiple_of(every) && min < max {
        let near = divisor(min, every);
        return Err(item.problem(
            format_args!(
                "does not divide `policy.min_resource`, which is {min}: there trials are compared by a report"
            ),
            "no divisor",
            format!("write {near}, or make `min_resource` a multiple of {every}"),
        ));
    }
    Ok(())
}

/// Checks that there are not too many reports; `item` is what would fix it.
fn check_count(item: &Item, every: u64, max: u64) -> Result<()> {
    let reports = (max - 1) / every + 1;
    if reports <= MAX_REPORTS {
        return Ok(());
    }
    let least = (max - 1) / MAX_REPORTS + 1;
    let help = match item.key {
        "report_every" => format!("write {least} or more, or lower `max_resource`"),
        _ => format!("lower it, or let `report_every` be {least} or more"),
    };
    Err(item.problem(
        format_args!("has every trial validated {reports} times; the most is {MAX_REPORTS}"),
        "too many reports",
        help,
    ))
}

/// The largest divisor of `number` up to `most`; both are at least 1.
fn divisor(number: u64, most: u64) -> u64 {
    let small = (1..)
        .take_while(|low| low * low <= number)
        .filter(|low| number.is_multiple_of(*low));
    let all = small.flat_map(|low| [low, number / low]);
    all.filter(|&divisor| divisor <= most).max().unwrap_or(1)
}

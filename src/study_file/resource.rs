//! What resources count, how far trials are trained, where they are compared first, and how often they are validated.

use hpo_protocol::Unit;

use super::reader::{Item, Problem, Result, Table, did_you_mean};

const MAX_RESOURCE: i64 = 1_000_000_000_000;

/// How often a trial can be validated: each time takes the time of a validation and writes a checkpoint.
const MAX_REPORTS: i64 = 100_000;

/// The resources of a policy, all at least 1.
pub(super) struct Resources {
    pub unit: Unit,
    pub min: i64,
    pub max: i64,
    /// A divisor of `min`, unless that is `max`: so there is a report wherever trials are compared.
    pub report_every: i64,
}

impl Resources {
    /// Reads the keys of the table; `has_rungs` if trials are compared before the end.
    pub fn read(table: &Table, has_rungs: bool) -> Result<Self> {
        let unit = table.get("resource").map_or(Ok(Unit::Epochs), |item| unit(&item))?;
        let example = match unit {
            Unit::Epochs => "max_resource = 9",
            Unit::Steps => "max_resource = 2700",
            Unit::Examples => "max_resource = 90000",
        };
        let max_item = table.required("max_resource", example)?;
        let max = max_item.integer(1..=MAX_RESOURCE)?;
        let min = match table.get("min_resource") {
            Some(item) => Some(item.integer(1..=MAX_RESOURCE)?),
            None => None,
        };
        if let Some(min) = min.filter(|min| max < *min) {
            return Err(max_item.problem(
                format_args!("is below `policy.min_resource`, which is {min}"),
                "too small",
                format!("write {min} or more, or lower `min_resource`"),
            ));
        }
        let every_item = table.get("report_every");
        let every = match &every_item {
            Some(item) => Some(item.integer(1..=MAX_RESOURCE)?),
            None => None,
        };
        // One epoch is a measure for all data; one step or example is none.
        let told = if has_rungs { min } else { every };
        if unit != Unit::Epochs && told.is_none() {
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

fn unit(item: &Item) -> Result<Unit> {
    let name = item.string()?;
    let known = Unit::ALL.into_iter().find(|unit| unit.many() == name);
    known.ok_or_else(|| {
        let help = did_you_mean(name, Unit::ALL.map(Unit::many));
        item.problem("is none of `epochs`, `steps` and `examples`", "unknown resource", help)
    })
}

/// What must be said where the resource is no epoch, for which there is a usual value.
fn missing(table: &Table, unit: Unit, has_rungs: bool, max: i64) -> Problem {
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
fn check_places(item: &Item, every: i64, min: i64, max: i64) -> Result<()> {
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
    if min % every != 0 && min < max {
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

/// Checks that there are not too many reports; `item` is what would mend it.
fn check_count(item: &Item, every: i64, max: i64) -> Result<()> {
    // Neither number is negative, and the first of them fits when one is added.
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
fn divisor(number: i64, most: i64) -> i64 {
    let small = (1..)
        .take_while(|low| low * low <= number)
        .filter(|low| number % low == 0);
    let all = small.flat_map(|low| [low, number / low]);
    all.filter(|&divisor| divisor <= most).max().unwrap_or(1)
}

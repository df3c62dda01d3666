//! `[policy]`: how trials are stopped early.

use super::reader::{Item, Problem, Result, Table, did_you_mean, shown};
use super::resource::Resources;
use super::study::MAX_TRIALS;
use crate::study::{AshaVariant, PolicyKind, PolicySpec};

/// Every key that some policy has.
pub(super) const KEYS: &[&str] = &[
    "type",
    "resource",
    "max_resource",
    "min_resource",
    "report_every",
    "reduction_factor",
    "bracket_size",
    "small_brackets",
    "parallel_brackets",
    "speculation",
    "variant",
    "percentile",
    "startup_trials",
];

/// The keys that every policy has.
const COMMON: &[&str] = &["type", "resource", "max_resource", "report_every"];

/// The policies, and the keys that each has beside the common ones.
const TYPES: &[(&str, &[&str])] = &[
    (
        "successive_halving",
        &[
            "min_resource",
            "reduction_factor",
            "bracket_size",
            "parallel_brackets",
            "speculation",
        ],
    ),
    (
        "hyperband",
        &[
            "min_resource",
            "reduction_factor",
            "small_brackets",
            "parallel_brackets",
            "speculation",
        ],
    ),
    ("asha", &["min_resource", "reduction_factor", "variant"]),
    ("async_hyperband", &["min_resource", "reduction_factor", "variant"]),
    ("pasha", &["min_resource", "reduction_factor"]),
    ("median_stopping", &["min_resource", "percentile", "startup_trials"]),
    ("none", &[]),
];

const VARIANTS: &[&str] = &["promotion", "stopping"];
/// How many brackets can be under way at once; nobody has more slots.
const MAX_PARALLEL: i64 = 10_000;

/// Reads the table; `learns` if the sampler does. How many brackets are under way at once is none if the table does not say so.
pub(super) fn read(table: &Table, learns: bool) -> Result<(PolicySpec, Option<u64>)> {
    let name = kind(table, learns)?;
    let optional = |key, range, default: i64| match table.get(key) {
        Some(item) => item.integer(range),
        None => Ok(default),
    };
    let resources = Resources::read(table, name != "none")?;
    let variant = table
        .get("variant")
        .map_or(Ok(AshaVariant::Promotion), |item| variant(&item))?;
    let kind = match name {
        "hyperband" => PolicyKind::Hyperband {
            small_brackets: table.get("small_brackets").map_or(Ok(learns), |item| item.boolean())?,
        },
        "asha" => PolicyKind::Asha { variant },
        "async_hyperband" => PolicyKind::AsyncHyperband { variant },
        "pasha" => PolicyKind::Pasha,
        "median_stopping" => PolicyKind::MedianStopping {
            percentile: optional("percentile", 1..=99, 50)? as u64,
            startup_trials: optional("startup_trials", 1..=MAX_TRIALS, 5)? as u64,
        },
        "none" => PolicyKind::None,
        _ => PolicyKind::SuccessiveHalving {
            bracket_size: match table.get("bracket_size") {
                Some(item) => Some(item.integer(1..=MAX_TRIALS)? as u64),
                None => None,
            },
            small_brackets: false,
        },
    };
    let spec = PolicySpec {
        kind,
        unit: resources.unit,
        report_every: resources.report_every as u64,
        min_resource: resources.min as u64,
        max_resource: resources.max as u64,
        reduction_factor: optional("reduction_factor", 2..=MAX_TRIALS, 3)? as u64,
        speculation: table.get("speculation").map_or(Ok(true), |item| item.boolean())?,
        parallel_brackets: 1,
    };
    let parallel = table.get("parallel_brackets");
    let parallel = parallel.map(|item| item.integer(1..=MAX_PARALLEL)).transpose()?;
    let spec = PolicySpec {
        speculation: spec.speculation && spec.is_synchronous(),
        ..spec
    };
    let spec = if learns { spec.in_brackets() } else { spec };
    Ok((spec, parallel.map(|number| number as u64)))
}

/// The policy's name, which has all keys of the table.
fn kind<'a>(table: &Table<'a>, learns: bool) -> Result<&'a str> {
    let item = table.get("type");
    let name = item.as_ref().map_or(Ok("successive_halving"), Item::string)?;
    let Some((_, keys)) = TYPES.iter().find(|(known, _)| *known == name) else {
        let item = item.unwrap_or_else(|| unreachable!("the default is known"));
        let message = format!("there is no policy `{}`", shown(name));
        let help = did_you_mean(name, TYPES.iter().map(|(known, _)| *known));
        return Err(Problem::new(item.span, message, "unknown policy", help));
    };
    // Where all trials are trained to the end, a sampler that learns draws them in brackets all the same.
    let brackets = |key: &str| learns && name == "none" && key == "parallel_brackets";
    let known = |item: &Item| COMMON.contains(&item.key) || keys.contains(&item.key) || brackets(item.key);
    let strange = table.items().find(|item| !known(item));
    match strange {
        None => Ok(name),
        Some(item) => {
            let with = TYPES.iter().filter(|(_, keys)| keys.contains(&item.key));
            let with: Vec<String> = with.map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("`{}` has no effect with the policy `{name}`", item.name);
            let help = format!("remove it, or choose a `type` that has it: {}", with.join(", "));
            Err(Problem::new(item.key_span, message, "not of this policy", help))
        }
    }
}

fn variant(item: &Item) -> Result<AshaVariant> {
    match item.string()? {
        "promotion" => Ok(AshaVariant::Promotion),
        "stopping" => Ok(AshaVariant::Stopping),
        other => {
            let help = did_you_mean(other, VARIANTS.iter().copied());
            Err(item.problem("is neither `promotion` nor `stopping`", "unknown variant", help))
        }
    }
}

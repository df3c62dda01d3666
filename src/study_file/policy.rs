//! `[policy]`: how trials are stopped early.

use super::reader::{Results, Table};
use super::resource::Resources;
use super::settings;
use crate::keys::Key;
use crate::study::{COMMON_KEYS, PolicyKind, PolicySpec, PolicyTable, policy_keys};

/// Reads the table; `learns` if the sampler does. How many brackets are under way at once is none if the table does not set it.
pub(super) fn read(table: &Table, learns: bool) -> Results<(PolicySpec, Option<u64>)> {
    let kind = settings::kind(
        table,
        "policy",
        PolicyKind::KINDS,
        PolicyKind::USUAL,
        COMMON_KEYS,
        learns,
    )?;
    let keys: Vec<Key> = [COMMON_KEYS, kind.about.keys, kind.about.keys_if_learning].concat();
    let policy = PolicyTable {
        settings: settings::read(table, &keys)?,
        sampler_learns: learns,
    };
    let settings = &policy.settings;
    let has_rungs = keys.iter().any(|key| key.name == policy_keys::MIN.name);
    let resources = Resources::read(table, settings, has_rungs)?;
    let spec = PolicySpec {
        kind: (kind.read)(&policy),
        unit: resources.unit,
        report_every: resources.report_every,
        min_resource: resources.min,
        max_resource: resources.max,
        reduction_factor: settings.count(&policy_keys::REDUCTION_FACTOR),
        speculation: settings.flag(&policy_keys::SPECULATION),
        parallel_brackets: 1,
    };
    let spec = PolicySpec {
        speculation: spec.speculation && spec.is_synchronous(),
        ..spec
    };
    let spec = if learns { spec.in_brackets() } else { spec };
    Ok((spec, settings.count_if_any(&policy_keys::PARALLEL_BRACKETS)))
}

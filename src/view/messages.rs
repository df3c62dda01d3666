//! What whoever looks at a study should know before all else.

use super::earlier::earlier;
use super::report::limit_reached;
use super::untrained::found_nothing;
use crate::analysis::Overview;

/// Each in a sentence or two; empty if there is nothing.
pub fn messages(overview: &Overview) -> Vec<String> {
    let spec = &overview.spec;
    let mut messages: Vec<String> = found_nothing(overview).lines().map(str::to_owned).collect();
    messages.extend(overview.paused.as_ref().map(ToString::to_string));
    messages.extend(overview.halted.map(|limit| limit_reached(spec, limit)));
    messages.extend(
        overview
            .earlier
            .as_ref()
            .map(|known| earlier(spec, known).trim_end().to_owned()),
    );
    let misleading = overview.foresight.iter().filter(|rung| rung.misleads());
    messages.extend(misleading.map(|rung| rung.text(spec.policy.unit)));
    messages
}

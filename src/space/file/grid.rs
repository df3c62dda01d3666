//! What the sampler `grid` needs.

use super::reader::{Problem, Result, Table};
use crate::space::{Scale, SearchSpace};

/// Whether there are at least as many configurations as trials.
pub(super) fn check(root: &Table, space: &SearchSpace, trials: u64) -> Result<()> {
    let endless = space
        .parameters
        .iter()
        .find(|parameter| matches!(parameter.distribution.scale(), Scale::Continuous | Scale::Steps(None)));
    if let Some(parameter) = endless {
        let item = root
            .get("space")
            .and_then(|item| item.table().ok()?.get(&parameter.name));
        let message = format!("a grid has no end of values for `{}`", parameter.name);
        let help = "use `type = \"choice\"`, or add a `step` and both bounds";
        return Err(match item {
            Some(item) => Problem::new(item.span, message, "any number", help),
            None => Problem::missing(None, message, help),
        });
    }
    let given = root.get("study").and_then(|item| item.table().ok()?.get("trials"));
    match (space.size(), given) {
        (Some(size), Some(item)) if size.saturating_add(space.try_first.len() as u64) < trials => {
            let message = format_args!("is more than the {size} configurations of the grid");
            Err(item.problem(message, "too many", format!("write {size} or less")))
        }
        _ => Ok(()),
    }
}

//! What the sampler `grid` needs.

use hpo_protocol::Values;

use super::reader::{Problem, Result, Table};
use crate::space::{Cells, Scale, SearchSpace};
use crate::words::counted;

/// More configurations are not compared with the constraints one by one.
const COUNTED: u64 = 1 << 20;

/// All configurations of a space, constraints aside, if there are few enough to look through.
pub(super) fn all<'a>(cells: &'a Cells<'_>) -> Option<impl Iterator<Item = Values> + use<'a>> {
    let few = cells.count() <= COUNTED;
    few.then(|| (0..cells.count()).map(|number| cells.configuration(number)))
}

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
    let Some(cells) = Cells::of(space) else {
        let message = "the grid has more than 2^64 configurations, which nobody can count";
        let help = "use `type = \"sobol\"` or `\"random\"`, or fewer values";
        let kind = root.get("sampler").and_then(|item| item.table().ok()?.get("type"));
        return Err(match kind {
            Some(item) => Problem::new(item.span, message, "more than 2^64", help),
            None => Problem::missing(None, message, help),
        });
    };
    let size = match space.constraints.is_empty() {
        true => cells.count(),
        false => match all(&cells) {
            Some(all) => all.filter(|one| space.allows(one)).count() as u64,
            // Where there are many cells, that must do.
            None => cells.count(),
        },
    };
    let given = root.get("study").and_then(|item| item.table().ok()?.get("trials"));
    match given {
        Some(item) if size < trials => {
            let message = format!("is more than the {} of the grid", counted(size, "configuration"));
            Err(item.problem(message, "too many", format!("write {size} or less")))
        }
        _ => Ok(()),
    }
}

//! The word for the state of a study.

use crate::analysis::Overview;
use crate::study::Limit;

/// The state of a search that the user has paused.
pub(super) const PAUSED: &str = "paused";
/// The state of a study that a limit has ended.
pub(super) const LIMITED: &str = "at its limit";

/// [`state_of`] a study of which there is an overview.
pub(super) fn state(overview: &Overview, running: bool) -> &'static str {
    state_of(overview.finished, overview.held, overview.halted, running)
}

/// The word for the state of a study that has finished or not, that the user may have paused, that a limit may have ended, and that a
/// process may have.
pub fn state_of(finished: bool, held: bool, halted: Option<Limit>, running: bool) -> &'static str {
    match (running, finished) {
        (true, _) if held => PAUSED,
        (true, _) => "running",
        (false, true) => "finished",
        (false, false) if halted.is_some() => LIMITED,
        (false, false) => "stopped",
    }
}

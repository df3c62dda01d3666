//! What is at the other end of an output: a terminal that lines can be redrawn in, or something that keeps what it gets.

use std::env::var_os;
use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// The columns and rows of a terminal that does not say.
const USUAL: (usize, usize) = (80, 24);

/// Whether lines on standard error can be redrawn in place, and somebody may look at them.
pub(super) fn is_live() -> bool {
    stderr().is_terminal() && !is_dumb() && !is_set("CI")
}

/// Whether what goes to standard error may have colours.
pub fn has_colours() -> bool {
    colours(&is_set, stderr().is_terminal() && !is_dumb())
}

/// By the conventions of `NO_COLOR` (no-color.org) and `CLICOLOR_FORCE` (bixense.com/clicolors).
fn colours(is_set: &dyn Fn(&str) -> bool, terminal: bool) -> bool {
    !is_set("NO_COLOR") && (terminal || is_set("CLICOLOR_FORCE"))
}

/// The columns and rows of the terminal that an output is; `None` if it is none.
fn size(output: impl AsFd + IsTerminal) -> Option<(usize, usize)> {
    if !output.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(output).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    Some(
        size.filter(|(columns, rows)| *columns > 0 && *rows > 0)
            .unwrap_or(USUAL),
    )
}

/// The columns and rows of the terminal on standard error.
pub(super) fn size_of_stderr() -> (usize, usize) {
    size(stderr()).unwrap_or(USUAL)
}

/// Whether standard output is a terminal that lines can be redrawn in.
pub fn can_redraw() -> bool {
    stdout().is_terminal() && !is_dumb()
}

/// The columns and rows of the terminal on standard output; `None` if there is none, and lines may be of any length.
pub fn size_of_stdout() -> Option<(usize, usize)> {
    size(stdout())
}

fn is_dumb() -> bool {
    var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Whether a variable is there, and neither empty nor says no.
fn is_set(name: &str) -> bool {
    var_os(name).is_some_and(|value| !value.is_empty() && (name == "NO_COLOR" || (value != "0" && value != "false")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_a_variable_says_otherwise() {
        let with = |set: &'static [&str], terminal| colours(&|name| set.contains(&name), terminal);
        assert!(with(&[], true) && !with(&[], false));
        assert!(with(&["CLICOLOR_FORCE"], false) && !with(&["NO_COLOR"], true));
        assert!(!with(&["NO_COLOR", "CLICOLOR_FORCE"], true));
    }
}

//! Looking at a study again and again while it runs.

use std::time::{Duration, Instant};

use super::CliError;
use super::study::print;
use crate::signals::Signals;
use crate::view::{Redrawn, can_redraw};

/// What there is to see at a moment.
pub(super) struct Seen {
    /// As text.
    pub text: String,
    /// Whether a process may still change it.
    pub runs: bool,
}

/// The shortest time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// The largest share of its time that this looks.
const SHARE: u32 = 5;

/// Shows what `look` sees, in place, until nobody changes it any more, and then prints it.
///
/// # Errors
/// If standard output is no terminal, if `look` fails, or with [`CliError::Stopped`] at Ctrl-C.
pub(super) fn watch(look: impl Fn() -> Result<Seen, CliError>) -> Result<(), CliError> {
    if !can_redraw() {
        return Err(CliError::usage(
            "--watch needs a terminal to redraw the table in",
            "leave it out; `hpo export STUDY --trials FORMAT --follow` writes trials to a file while a search runs",
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = |source| CliError::Failed(format!("can't listen for signals: {source}"));
    let last = runtime.map_err(failed)?.block_on(async {
        let mut signals = Signals::listen().map_err(failed)?;
        let shown = Redrawn::default();
        loop {
            let began = Instant::now();
            let Seen { text, runs } = look()?;
            if !runs {
                return Ok(text);
            }
            shown.show(&text);
            tokio::select! {
                () = signals.received() => return Err(CliError::Stopped),
                () = tokio::time::sleep(INTERVAL.max(began.elapsed() * SHARE)) => {}
            }
        }
    })?;
    print(&last)
}

//! Keeps sled's panics, to which it is prone on damaged files, from ending the program and from reaching the terminal.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::error::DatabaseError;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and turns a panic in it into an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, DatabaseError>) -> Result<T, DatabaseError> {
    hide_guarded_panics();
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.unwrap_or(Err(DatabaseError::Panicked))
}

/// A guarded panic is told as an error, by whoever knows what it means.
fn hide_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let sled = std::thread::current()
                .name()
                .is_some_and(|name| name.starts_with("sled"));
            if GUARDED.get() || sled {
                tracing::debug!(%panic, "caught");
            } else {
                tell(panic);
            }
        }));
    });
}

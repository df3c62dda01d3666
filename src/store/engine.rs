//! sled, with its panics, to which it is prone on damaged files, kept from ending the program and from reaching the terminal.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use super::error::DatabaseError;
use crate::kill;

/// How often sled's lock is asked for once more, and how long it is waited for in between: sled gives it back only a moment after
/// it was dropped, and whoever looks at a study holds it for a moment.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

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

/// A guarded panic is reported as an error, by whoever knows what it means.
fn hide_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let sled = std::thread::current()
                .name()
                .is_some_and(|name| name.starts_with("sled"));
            if GUARDED.get() || sled {
                tracing::debug!(%panic, "caught");
            } else {
                report(panic);
            }
        }));
    });
}

/// Opens the database in a directory, or makes an empty one. [`DatabaseError::Busy`] if another process has it.
pub(super) fn open(path: &Path) -> Result<sled::Db, DatabaseError> {
    // sled takes much more than it may, and is no faster with it.
    let config = sled::Config::new().path(path).cache_capacity(8 << 20);
    config.open().map_err(|error| {
        let is_locked = matches!(&error, sled::Error::Io(io) if io.to_string().contains("acquire lock"));
        if is_locked {
            DatabaseError::Busy
        } else {
            DatabaseError::Sled(error)
        }
    })
}

/// The same, and waits for another process that has it.
pub(super) fn open_waiting(path: &Path) -> Result<sled::Db, DatabaseError> {
    for _ in 0..LOCK_TRIES {
        match open(path) {
            Err(DatabaseError::Busy) => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
    open(path)
}

/// Moves a database out of the way, to `aside`. Only the last one is kept there: the journal has all that was in it.
pub(super) fn set_aside(path: &Path, aside: &Path) -> Result<(), DatabaseError> {
    let cleared = match std::fs::symlink_metadata(aside) {
        Ok(there) if there.is_dir() => std::fs::remove_dir_all(aside),
        Ok(_) => std::fs::remove_file(aside),
        Err(_) => Ok(()),
    };
    kill::point("database.aside:before");
    let moved = cleared.and_then(|()| std::fs::rename(path, aside));
    kill::point("database.aside:moved");
    moved.map_err(|source| DatabaseError::Move {
        path: path.to_owned(),
        source,
    })
}

//! The limits that the system sets a process.

use std::fs::File;
use std::sync::Mutex;
use std::thread::{self, available_parallelism};

use super::CliError;

/// What a command needs at a time, beside what it has already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    files: usize,
    threads: usize,
}

impl Needs {
    /// Those of every command.
    pub fn least() -> Self {
        Self {
            files: 12,
            threads: cores() + 4,
        }
    }

    /// Those of a search on so many slots: its journal and database, the pipes of the workers, and these themselves.
    pub fn of_search(slots: usize) -> Self {
        Self {
            files: 20 + 4 * slots,
            threads: cores() + 12 + 2 * slots,
        }
    }

    /// Tries whether there can be so many. Where there can't, libraries panic or wait forever.
    ///
    /// # Errors
    /// If there can't, with the limit to raise.
    pub fn check(self) -> Result<(), CliError> {
        let Self { files, threads } = self;
        let opened: Result<Vec<File>, _> = (0..files).map(|_| File::open("/dev/null")).collect();
        drop(opened.map_err(|error| {
            let message = format!("{files} more files can't be open at a time, as is needed here: {error}");
            CliError::usage(message, "raise the limit, for example with `ulimit -n 1024`")
        })?);
        let gate = Mutex::new(());
        let started = thread::scope(|scope| {
            let held = gate.lock();
            let wait = || drop(gate.lock());
            let started = (0..threads).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, wait).map(drop));
            drop(held);
            started
        });
        started.map_err(|error| {
            let message = format!("{threads} more threads can't be started, as are needed here: {error}");
            CliError::usage(
                message,
                "end other processes, or raise the limit, for example with `ulimit -u 4096`",
            )
        })
    }
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

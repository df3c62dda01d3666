//! The worker: its answers to what is wrong, damaged or too large, and what it keeps.

// clippy knows test functions, but not their helpers.
#![allow(clippy::unwrap_used)]

mod cache;
mod evaluations;
mod hostile;
#[cfg(target_os = "linux")]
mod memory;
mod protocol;
#[path = "../common/study.rs"]
mod study;
#[path = "../common/tiny_model.rs"]
mod tiny_model;

use std::process::Command;

use study::Worker;

/// A worker that can have no more than so many KiB of address space.
fn with_memory(kilobytes: u64) -> Worker {
    let limited = format!("ulimit -v {kilobytes}; exec \"$0\"");
    Worker::start(Command::new("sh").args(["-c", &limited, env!("CARGO_BIN_EXE_hpo-trial-embedding")]))
}

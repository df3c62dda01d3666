//! The `hpo` command.

#![deny(clippy::wildcard_enum_match_arm, clippy::too_many_lines)]

use std::process::ExitCode;

fn main() -> ExitCode {
    share_memory();
    outlive_limits();
    hpo::cli::main(hpo::cli::Arguments::given())
}

/// Makes threads share the memory that they free. glibc allows eight heaps per core, in which the threads that have read a large
/// study would leave as much memory as the study takes.
fn share_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number, before there is any other thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Makes a file that grows beyond the limit for files an error like that of a full disk, and not the end of the process. Workers, which
/// inherit this, can report it.
fn outlive_limits() {
    // SAFETY: it installs no handler.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

//! The `hpo` command.

#![deny(clippy::wildcard_enum_match_arm, clippy::too_many_lines)]

use std::process::ExitCode;
use std::thread;

/// The stack of the main thread, in bytes, whatever `ulimit -s` allows the first one. As usual on Linux.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    share_memory();
    outlive_limits();
    let run = || hpo::cli::main(hpo::cli::Arguments::given());
    match thread::Builder::new()
        .name("main".to_owned())
        .stack_size(STACK)
        .spawn(run)
    {
        // The code of a panic, which has been printed.
        Ok(main) => main.join().unwrap_or(ExitCode::from(101)),
        // Where no thread can be started there is this one.
        Err(_) => run(),
    }
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

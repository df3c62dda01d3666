//! The local end of an agent: the process of a launch command.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::devices::LaunchSettings;
use crate::executor::launcher::LaunchError;

/// Starts an agent, in a session of its own and with its streams connected. It is killed when the process is dropped.
///
/// # Errors
/// If the launch command can't be started.
pub(in crate::executor) fn start(launch: &LaunchSettings) -> Result<Child, LaunchError> {
    let (program, arguments) = launch.command.split_first().ok_or(LaunchError::EmptyCommand)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args([launch.hpo.as_str(), "agent"])
        // ssh would ask for a password in a window, if there is a display.
        .env("SSH_ASKPASS_REQUIRE", "never")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // SAFETY: the closure makes system calls that are safe between fork and exec, and touches no memory.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGTERM, libc::SIG_DFL);
            // Without a terminal it can't wait for a password, and a Ctrl-C in hpo's terminal does not end it.
            rustix::process::setsid()?;
            #[cfg(target_os = "linux")]
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
    command.spawn().map_err(|source| LaunchError::Start {
        program: program.clone(),
        source,
    })
}

//! The local end of an agent: the process of a launch command.

use std::io;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::devices::LaunchSettings;
use crate::executor::launcher::LaunchError;

/// A launch command that runs, as the leader of a process group. Its group is asked to end when this is dropped: not killed, for it is
/// only then that `srun` ends what it has started elsewhere.
pub(in crate::executor) struct Process {
    child: Child,
    group: Pid,
    /// Whether it was waited for, after which its group's number is free.
    is_over: bool,
}

/// What goes to a process and comes from it.
pub(in crate::executor) struct Streams {
    /// What it reads.
    pub stdin: ChildStdin,
    /// What it prints.
    pub stdout: ChildStdout,
    /// Its errors.
    pub stderr: ChildStderr,
}

/// Starts an agent, in a session of its own and with its streams connected.
///
/// # Errors
/// If the launch command can't be started.
pub(in crate::executor) fn start(launch: &LaunchSettings) -> Result<(Process, Streams), LaunchError> {
    let (program, arguments) = launch.command.split_first().ok_or(LaunchError::EmptyCommand)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args([launch.hpo.as_str(), "agent"])
        // ssh would ask for a password in a window, if there is a display.
        .env("SSH_ASKPASS_REQUIRE", "never")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: the closure makes system calls that are safe between fork and exec, and touches no memory.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGTERM, libc::SIG_DFL);
            // Without a terminal it can't wait for a password, and a Ctrl-C in hpo's terminal does not end it.
            rustix::process::setsid()?;
            #[cfg(target_os = "linux")]
            rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(|source| LaunchError::Start {
        program: program.clone(),
        source,
    })?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(group), (Some(stdin), Some(stdout), Some(stderr))) = (group, streams) else {
        return Err(LaunchError::NoStreams);
    };
    let process = Process {
        child,
        group,
        is_over: false,
    };
    Ok((process, Streams { stdin, stdout, stderr }))
}

impl Process {
    /// Waits for its end, and kills what it has left in its group. May be cancelled and called again.
    ///
    /// # Errors
    /// If how it has ended can't be found out; it is over then too.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.signal(Signal::KILL);
        self.is_over = true;
        status
    }

    /// Sends a signal to its group, unless it is over.
    pub fn signal(&self, signal: Signal) {
        if !self.is_over {
            // It may have ended by itself.
            let _ = kill_process_group(self.group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

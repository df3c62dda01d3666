//! Workers as child processes on this machine.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use super::descendants::{self, Descendants, Mark};
use super::{Exit, ExitKind, Launch, LaunchError, Launched, Launcher, Leftovers, RunningWorker, Wait};

/// Whether Python writes what it prints at once. What the user has set stays.
const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// This machine.
///
/// On Linux the kernel kills a worker when the thread that launched it ends: launch from one that lasts as long as the
/// workers shall.
#[derive(Debug)]
pub struct LocalLauncher;

impl Launcher for LocalLauncher {
    fn launch(&self, launch: &Launch<'_>) -> Result<Launched, LaunchError> {
        let (mut worker, stdin) = start(launch, Stdio::piped)?;
        let (Some(stdout), Some(stderr)) = (worker.child.stdout.take(), worker.child.stderr.take()) else {
            return Err(LaunchError::NoStreams);
        };
        Ok(Launched {
            worker: Box::new(worker),
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            leaving: watch::channel(None).1,
        })
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn end_leftovers(&self, study: &Path, which: Leftovers) -> usize {
        let study = std::fs::canonicalize(study).unwrap_or_else(|_| study.to_owned());
        descendants::kill_leftovers(&study, which)
    }
}

/// Starts a worker whose output goes where `output` says, and returns what it reads.
///
/// # Errors
/// If it can't be started.
pub(in crate::executor) fn start(
    launch: &Launch<'_>,
    output: fn() -> Stdio,
) -> Result<(LocalWorker, ChildStdin), LaunchError> {
    let (program, arguments) = launch.command.split_first().ok_or(LaunchError::EmptyCommand)?;
    let mark = Mark::new(launch.study, launch.purpose);
    let mut command = Command::new(program);
    if std::env::var_os(UNBUFFERED).is_none() {
        command.env(UNBUFFERED, "1");
    }
    command
        .args(arguments)
        .current_dir(launch.directory)
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .env(Mark::VARIABLE, mark.as_str())
        .stdin(Stdio::piped())
        .stdout(output())
        .stderr(output())
        .kill_on_drop(true)
        // A Ctrl-C in the terminal is for hpo, which then stops its workers in good order.
        .process_group(0);
    // SAFETY: the closure makes system calls that are safe between fork and exec, and touches no memory.
    unsafe {
        command.pre_exec(|| {
            // What hpo was started to ignore its workers ignore too, but this is how they are asked to end.
            libc::signal(libc::SIGTERM, libc::SIG_DFL);
            #[cfg(target_os = "linux")]
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(|source| match launch.directory.is_dir() {
        true => LaunchError::Start {
            program: program.clone(),
            source,
        },
        false => LaunchError::NoDirectory(launch.directory.to_owned()),
    })?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let (Some(group), Some(stdin)) = (group, child.stdin.take()) else {
        return Err(LaunchError::NoStreams);
    };
    let worker = LocalWorker {
        child,
        descendants: Descendants::new(group, mark),
        is_over: false,
    };
    Ok((worker, stdin))
}

/// A worker on this machine.
pub(in crate::executor) struct LocalWorker {
    child: Child,
    descendants: Descendants,
    /// Whether it was waited for, and its descendants were killed.
    is_over: bool,
}

impl LocalWorker {
    /// As [`RunningWorker::wait`].
    ///
    /// # Errors
    /// If how it has ended can't be found out.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.kill();
        self.is_over = true;
        status
    }
}

impl RunningWorker for LocalWorker {
    fn wait(&mut self) -> Wait<'_> {
        Box::pin(async {
            let status = self.ended().await?;
            Ok(Exit {
                kind: match status.success() {
                    true => ExitKind::Success,
                    false => ExitKind::Failure,
                },
                description: hpo_script::describe(status),
            })
        })
    }

    fn terminate(&mut self) {
        if !self.is_over {
            self.descendants.terminate();
        }
    }

    fn kill(&mut self) {
        if !self.is_over {
            self.descendants.kill();
        }
    }
}

impl Drop for LocalWorker {
    fn drop(&mut self) {
        self.kill();
    }
}

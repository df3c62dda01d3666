//! Workers as child processes on this machine.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::Pid;
use tokio::process::{Child, Command};

use super::descendants::{self, Descendants, Mark};
use super::{Exit, Launch, LaunchError, Launched, Launcher, Leftovers, RunningWorker, Wait};

/// This machine.
///
/// On Linux the kernel kills a worker when the thread that launched it ends: launch from one that lasts as long as the
/// workers shall.
#[derive(Debug)]
pub struct LocalLauncher;

impl Launcher for LocalLauncher {
    fn launch(&self, launch: &Launch<'_>) -> Result<Launched, LaunchError> {
        let (program, arguments) = launch.command.split_first().ok_or(LaunchError::EmptyCommand)?;
        let mark = Mark::new(launch.study, launch.purpose);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(launch.directory)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .env(Mark::VARIABLE, mark.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
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
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(group), (Some(stdin), Some(stdout), Some(stderr))) = (group, streams) else {
            return Err(LaunchError::NoStreams);
        };
        Ok(Launched {
            worker: Box::new(LocalWorker {
                child,
                descendants: Descendants::new(group, mark),
                is_over: false,
            }),
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
        })
    }

    fn end_leftovers(&self, study: &Path, which: Leftovers) -> usize {
        descendants::kill_leftovers(study, which)
    }
}

struct LocalWorker {
    child: Child,
    descendants: Descendants,
    /// Whether it was waited for, and its descendants were killed.
    is_over: bool,
}

impl RunningWorker for LocalWorker {
    fn wait(&mut self) -> Wait<'_> {
        Box::pin(async {
            let status = self.child.wait().await;
            self.kill();
            self.is_over = true;
            status.map(describe)
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

fn describe(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    Exit {
        success: status.success(),
        description: match status.signal() {
            Some(9) => format!("{status}: killed, as the system does where memory is short"),
            _ => status.to_string(),
        },
    }
}

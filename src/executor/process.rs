//! A worker process: starting it, talking with it in JSON lines, and ending it with all its children.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hpo_protocol::{FromWorker, Start, ToWorker};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::log::{Line, WorkerLog, next_line};
use super::slots::Slot;

/// A message is longer than this only if something is wrong.
const LONGEST_LINE: u64 = 1 << 20;

/// A worker that talks faster than it is heard has to wait.
const MESSAGES_AHEAD: usize = 256;

/// How long a worker that has closed its standard output may take to exit.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// What a worker runs.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// What it is told first.
    pub start: Start,
}

/// A running worker. Its whole process group is killed with it.
pub(super) struct Process {
    child: Child,
    stdin: ChildStdin,
    messages: Receiver<Result<FromWorker, String>>,
}

impl Process {
    /// Starts the program on a slot; what it prints goes to `log`.
    ///
    /// # Errors
    /// If it can't be started at all, for the user.
    pub(super) fn spawn(program: &Program, slot: &Slot, log: &WorkerLog) -> Result<Self, String> {
        let (name, arguments) = program.command.split_first().ok_or("the command is empty")?;
        let mut command = Command::new(name);
        command
            .args(arguments)
            .current_dir(&program.directory)
            .envs(slot.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // A Ctrl-C in the terminal is for hpo, which then stops its workers in good order.
            .process_group(0);
        #[cfg(target_os = "linux")]
        // SAFETY: the closure makes one system call, which is safe between fork and exec, and touches no memory.
        unsafe {
            command.pre_exec(|| {
                let kill = Some(rustix::process::Signal::KILL);
                rustix::process::set_parent_process_death_signal(kill).map_err(Into::into)
            });
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("can't start `{name}`: {error}"))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the worker has no pipes".into());
        };
        let (sender, messages) = channel(MESSAGES_AHEAD);
        tokio::spawn(read_messages(BufReader::new(stdout), sender, log.clone()));
        tokio::spawn(read_log(BufReader::new(stderr), log.clone()));
        Ok(Self { child, stdin, messages })
    }

    /// The next message, or what is wrong with the line that should have been one; none once the worker has closed its
    /// standard output. Nothing is lost if the wait is cancelled.
    pub(super) async fn hear(&mut self) -> Option<Result<FromWorker, String>> {
        self.messages.recv().await
    }

    /// Sends a message; false if the worker does not listen any more.
    pub(super) async fn say(&mut self, message: &ToWorker) -> bool {
        let Ok(mut line) = serde_json::to_vec(message) else {
            return false;
        };
        line.push(b'\n');
        self.stdin.write_all(&line).await.is_ok()
    }

    /// What became of a worker that has closed its end.
    pub(super) async fn fate(&mut self) -> String {
        let status = match timeout(LAST_BREATH, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its standard output but did not exit".into(),
        };
        format!("the worker ended unasked ({status})")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(id) = self.child.id()
            && let Some(pid) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)
        {
            // It may have gone by itself.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Passes on what a worker says on its standard output.
async fn read_messages(mut pipe: BufReader<ChildStdout>, messages: Sender<Result<FromWorker, String>>, log: WorkerLog) {
    while let Ok(Some(line)) = next_line(&mut pipe, LONGEST_LINE).await {
        let said = match line {
            Line::TooLong(_) => Err(format!("the worker sent a line of more than {LONGEST_LINE} bytes")),
            Line::Whole(line) if !line.starts_with(b"{") => {
                log.line(&line);
                continue;
            }
            Line::Whole(line) => serde_json::from_slice(&line).map_err(|error| {
                let shown: String = String::from_utf8_lossy(&line).chars().take(200).collect();
                format!("the worker sent a line that is no message of the protocol ({error}): {shown}")
            }),
        };
        if messages.send(said).await.is_err() {
            return;
        }
    }
}

/// Keeps what a worker says on its standard error.
async fn read_log(mut pipe: BufReader<ChildStderr>, log: WorkerLog) {
    while let Ok(Some(Line::Whole(line) | Line::TooLong(line))) = next_line(&mut pipe, LONGEST_LINE).await {
        log.line(&line);
    }
}

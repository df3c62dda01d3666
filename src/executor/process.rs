//! A worker process: starting it, talking with it in JSON lines, and ending it with all its children.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hpo_protocol::{FromWorker, Start, ToWorker};
use rustix::process::Pid;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

use super::family::{self, Family, Role};
use super::log::{Line, WorkerLog, next_line};
use super::pulse::{Listened, Pulse};
use super::slots::Slot;
use crate::diagnostic::visible;

/// A message is longer than this only if something is wrong.
const LONGEST_LINE: u64 = 1 << 20;

/// How much is shown of a line that is no message, in characters.
const SHOWN: usize = 200;

/// A worker that talks faster than it is heard has to wait.
const MESSAGES_AHEAD: usize = 256;

/// How long a worker that has closed a pipe may take to exit, and what it printed last to arrive.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// How long a worker may take to end by itself: first for the end of its input, then for a SIGTERM.
const FAREWELL: Duration = Duration::from_secs(2);

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

/// A running worker. It is killed with all that it has started when this is dropped.
pub(super) struct Process {
    child: Child,
    family: Family,
    /// How the worker has ended, once it has. Its family has been killed then.
    ended: Option<std::io::Result<ExitStatus>>,
    /// What it has closed, once it has.
    closed: Option<&'static str>,
    orders: UnboundedSender<Vec<u8>>,
    writer: JoinHandle<()>,
    heard: Receiver<Heard>,
    logger: JoinHandle<()>,
    pulse: Pulse,
}

/// What comes from a worker.
enum Heard {
    Message(FromWorker),
    /// What is wrong with the line that should have been a message.
    Nonsense(String),
    /// It has closed this.
    Closed(&'static str),
}

impl Process {
    /// Starts the program on a slot, for the study in `study`; what it prints goes to `log`.
    ///
    /// # Errors
    /// If it can't be started at all, for the user.
    pub(super) fn spawn(
        program: &Program,
        slot: &Slot,
        role: Role,
        study: &Path,
        log: &WorkerLog,
    ) -> Result<Self, String> {
        let (name, arguments) = program.command.split_first().ok_or("the command is empty")?;
        let (mark_name, mark) = family::mark(study, role);
        let mut command = Command::new(name);
        command
            .args(arguments)
            .current_dir(&program.directory)
            .envs(slot.environment())
            .env(mark_name, &mark)
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
        let mut child = command.spawn().map_err(|error| match program.directory.is_dir() {
            true => format!("can't start `{name}`: {error}"),
            false => format!("there is no directory `{}` any more", program.directory.display()),
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(group), (Some(stdin), Some(stdout), Some(stderr))) = (group, pipes) else {
            return Err("the worker has no pipes".into());
        };
        let pulse = Pulse::new();
        let (sender, heard) = channel(MESSAGES_AHEAD);
        let (orders, queue) = unbounded_channel();
        let stdout = Listened::new(stdout, pulse.clone());
        let stderr = Listened::new(stderr, pulse.clone());
        let writer = tokio::spawn(write_orders(stdin, queue, sender.clone()));
        tokio::spawn(read_messages(BufReader::new(stdout), sender, log.clone()));
        let logger = tokio::spawn(read_log(BufReader::new(stderr), log.clone()));
        Ok(Self {
            child,
            family: Family::new(group, mark),
            ended: None,
            closed: None,
            orders,
            writer,
            heard,
            logger,
            pulse,
        })
    }

    /// When it was last heard of.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// The next message, or why there will be none. Nothing is lost if the wait is cancelled.
    pub(super) async fn hear(&mut self) -> Result<FromWorker, String> {
        while self.closed.is_none() {
            let ended = self.ended.is_some();
            let heard = tokio::select! {
                biased;
                heard = self.heard.recv() => heard,
                status = self.child.wait(), if !ended => {
                    // Its children may hold the pipes open, and would be waited for in vain.
                    self.end_with(status);
                    continue;
                }
                () = tokio::time::sleep(LAST_BREATH), if ended => None,
            };
            match heard {
                Some(Heard::Message(message)) => return Ok(message),
                Some(Heard::Nonsense(what)) => return Err(what),
                Some(Heard::Closed(what)) => self.closed = Some(what),
                None => self.closed = Some("its pipes"),
            }
        }
        Err(self.fate().await)
    }

    /// Has a message sent as soon as the worker takes it.
    ///
    /// # Errors
    /// If it can't be written as JSON, as a path that is not UTF-8 can't.
    pub(super) fn say(&self, message: &ToWorker) -> Result<(), serde_json::Error> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        // If it listens no more, `hear` tells.
        let _ = self.orders.send(line);
        Ok(())
    }

    /// Whether it has exited by itself, with 0.
    pub(super) fn has_left(&self) -> bool {
        matches!(&self.ended, Some(Ok(status)) if status.success())
    }

    /// What became of a worker that has closed a pipe.
    async fn fate(&mut self) -> String {
        if self.ended.is_none()
            && let Ok(status) = timeout(LAST_BREATH, self.child.wait()).await
        {
            self.end_with(status);
        }
        let how = match (&self.ended, self.closed) {
            (Some(Ok(status)), _) => describe(*status),
            (Some(Err(error)), _) => error.to_string(),
            (None, closed) => format!("it closed {} but did not exit", closed.unwrap_or("its pipes")),
        };
        if self.ended.is_some() {
            let _ = timeout(LAST_BREATH, &mut self.logger).await;
        }
        format!("the worker ended unasked ({how})")
    }

    fn end_with(&mut self, status: std::io::Result<ExitStatus>) {
        self.family.kill();
        self.ended = Some(status);
    }

    /// Ends the worker in good order: it sees the end of its input and, if that is not enough, a SIGTERM. Whatever is left is
    /// killed.
    pub(super) async fn end(mut self) {
        self.writer.abort();
        for last in [false, true] {
            if let Ok(status) = timeout(FAREWELL, self.child.wait()).await {
                return self.end_with(status);
            }
            if !last {
                self.family.terminate();
            }
        }
        self.family.kill();
        if let Ok(status) = timeout(LAST_BREATH, self.child.wait()).await {
            self.ended = Some(status);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.writer.abort();
        if self.ended.is_none() {
            self.family.kill();
        }
    }
}

/// How a process has ended, for the user.
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(9) => format!("{status}: killed, as the system does where memory is short"),
        _ => status.to_string(),
    }
}

/// Passes orders on, however slowly the worker reads.
async fn write_orders(mut pipe: ChildStdin, mut orders: UnboundedReceiver<Vec<u8>>, heard: Sender<Heard>) {
    while let Some(line) = orders.recv().await {
        if pipe.write_all(&line).await.is_err() {
            let _ = heard.send(Heard::Closed("its standard input")).await;
            return;
        }
    }
}

/// Passes on what a worker says on its standard output.
async fn read_messages(mut pipe: BufReader<Listened<ChildStdout>>, heard: Sender<Heard>, log: WorkerLog) {
    while let Ok(Some(line)) = next_line(&mut pipe, LONGEST_LINE).await {
        let said = match line {
            Line::TooLong(_) => Heard::Nonsense(format!("the worker sent a line of more than {LONGEST_LINE} bytes")),
            Line::Whole(line) if !line.starts_with(b"{") => {
                log.line(line);
                // There may be thousands of them in what was read at once.
                consume_budget().await;
                continue;
            }
            Line::Whole(line) => match serde_json::from_slice(&line) {
                Ok(message) => Heard::Message(message),
                Err(error) => {
                    let shown: String = String::from_utf8_lossy(&line).chars().take(SHOWN).collect();
                    let shown = visible(&shown);
                    Heard::Nonsense(format!(
                        "the worker sent a line that is no message of the protocol ({error}): {shown}"
                    ))
                }
            },
        };
        if heard.send(said).await.is_err() {
            return;
        }
    }
    let _ = heard.send(Heard::Closed("its standard output")).await;
}

/// Keeps what a worker says on its standard error.
async fn read_log(mut pipe: BufReader<Listened<ChildStderr>>, log: WorkerLog) {
    while let Ok(Some(Line::Whole(line) | Line::TooLong(line))) = next_line(&mut pipe, LONGEST_LINE).await {
        log.line(line);
        consume_budget().await;
    }
}

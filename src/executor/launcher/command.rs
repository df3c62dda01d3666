//! Workers on another machine, by a command that starts a program there with its standard streams connected.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::process::{Child, ChildStderr, ChildStdin};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{
    Exit, ExitKind, KEEPALIVE, Launch, LaunchError, Launched, Launcher, Leftovers, Purpose, RunningWorker, Wait,
};
use crate::devices::LaunchSettings;
use crate::executor::agent::{LaunchOrder, Note, Request, ask, start};
use crate::executor::log::{End, next_line};

/// So many bytes may be under way to the worker, or from it.
const UNDER_WAY: usize = 1 << 16;

/// A line of what a worker prints is passed on in pieces of so many bytes.
const LONGEST_LINE: usize = 1 << 20;

/// How long what the agent has said last may take to arrive once the command has ended. A connection that several share may hold the
/// pipe open for ever.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A machine that a command leads to. What ends there is ended by the agent, once its streams are closed.
#[derive(Debug)]
pub struct CommandLauncher {
    settings: LaunchSettings,
}

impl CommandLauncher {
    /// The machine that a command leads to.
    pub fn new(settings: LaunchSettings) -> Self {
        Self { settings }
    }
}

impl Launcher for CommandLauncher {
    fn launch(&self, launch: &Launch<'_>) -> Result<Launched, LaunchError> {
        let environment = launch.environment.iter();
        let request = Request::Launch(LaunchOrder {
            command: launch.command.to_vec(),
            own: launch.own,
            directory: launch.directory.to_owned(),
            environment: environment.cloned().collect(),
            study: launch.study.to_owned(),
            slot: match launch.purpose {
                Purpose::Slot(slot) => Some(slot),
                Purpose::Export(_) => None,
            },
        });
        let request = request.line().map_err(LaunchError::Request)?;
        let mut child = start(&self.settings)?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(group), (Some(input), Some(stdout), Some(output))) = (group, streams) else {
            return Err(LaunchError::NoStreams);
        };
        let ([stdin, orders], [prints, stderr]) =
            (<[_; 2]>::from(duplex(UNDER_WAY)), <[_; 2]>::from(duplex(UNDER_WAY)));
        let (says, last_word) = watch::channel(None);
        tokio::spawn(feed(request, orders, input));
        tokio::spawn(listen(output, prints, says));
        Ok(Launched {
            worker: Box::new(CommandWorker {
                child,
                group,
                is_over: false,
                last_word,
            }),
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
        })
    }

    fn end_leftovers(&self, study: &Path, which: Leftovers) -> usize {
        let study = std::fs::canonicalize(study).unwrap_or_else(|_| study.to_owned());
        let request = Request::EndLeftovers { study, which };
        // The caller may be within a runtime, which can't wait for another one on its own thread.
        let asked = std::thread::scope(|scope| {
            let asks = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .ok()?;
                let answer = runtime.block_on(ask(&self.settings, &request));
                runtime.shutdown_background();
                answer
                    .inspect_err(|error| tracing::warn!(%error, "can't end what was left"))
                    .ok()
            });
            asks.join().ok().flatten()
        });
        match asked.map(|answer| answer.note) {
            Some(Note::Ended { processes }) => processes,
            // Whatever is left there ends by itself, and a worker on the same slot ends it too.
            Some(Note::Hello(_) | Note::Busy | Note::Probed(_) | Note::Exited { .. }) | None => 0,
        }
    }
}

/// Sends the request, and then what comes for the worker; an empty line if nothing does, which shows both ends that the other is there.
async fn feed(request: Vec<u8>, mut orders: DuplexStream, mut to: ChildStdin) {
    if to.write_all(&request).await.is_err() {
        return;
    }
    let mut buffer = vec![0; UNDER_WAY];
    let mut whole = true;
    loop {
        let next: &[u8] = match timeout(KEEPALIVE, orders.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(read)) => {
                whole = buffer[read - 1] == b'\n';
                &buffer[..read]
            }
            Err(_) if whole => b"\n",
            Err(_) => continue,
        };
        if to.write_all(next).await.is_err() {
            return;
        }
    }
}

/// Passes on what is printed, but for what the agent says of the worker's end.
async fn listen(from: ChildStderr, mut to: DuplexStream, says: watch::Sender<Option<Exit>>) {
    let mut from = BufReader::new(from);
    while let Ok(Some((mut line, end))) = next_line(&mut from, LONGEST_LINE, |_| {}).await {
        match Note::parse(&line) {
            Some((Note::Exited { success, description }, printed)) => {
                let kind = if success { ExitKind::Success } else { ExitKind::Failure };
                says.send_replace(Some(Exit { kind, description }));
                line = printed.to_vec();
                if line.is_empty() {
                    continue;
                }
            }
            Some((Note::Hello(_) | Note::Busy | Note::Probed(_) | Note::Ended { .. }, _)) | None => {}
        }
        match end {
            End::Newline | End::Stream => line.push(b'\n'),
            End::Return => line.push(b'\r'),
            End::Limit => {}
        }
        // Nobody may read any more, but the worker's end matters still.
        let _ = to.write_all(&line).await;
    }
}

struct CommandWorker {
    child: Child,
    group: Pid,
    /// Whether the command was waited for, after which its group's number is free.
    is_over: bool,
    /// How the worker has ended, once the agent has said so.
    last_word: watch::Receiver<Option<Exit>>,
}

impl RunningWorker for CommandWorker {
    fn wait(&mut self) -> Wait<'_> {
        Box::pin(async {
            let status = self.child.wait().await?;
            self.kill();
            self.is_over = true;
            let last_word = timeout(LAST_WORD, self.last_word.wait_for(Option::is_some)).await;
            let said = last_word.ok().and_then(|said| said.ok()?.clone());
            Ok(said.unwrap_or_else(|| cut_off(status)))
        })
    }

    /// The agent does so by itself, some time after the end of its input. To end the command would end the connection, and what the
    /// worker says last would be lost.
    fn terminate(&mut self) {}

    fn kill(&mut self) {
        if !self.is_over {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }
}

impl Drop for CommandWorker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The command has ended, and nobody knows how the worker has.
fn cut_off(status: ExitStatus) -> Exit {
    Exit {
        kind: ExitKind::Disconnected,
        description: status.to_string(),
    }
}

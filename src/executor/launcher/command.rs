//! Workers on another machine, by a command that starts a program there with its standard streams connected.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::process::{ChildStderr, ChildStdin};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Exit, ExitKind, KEEPALIVE, Launch, LaunchError, Launched, Launcher, Leaving, Leftovers, Purpose, RunningWorker,
    SILENCE, Wait,
};
use crate::devices::LaunchSettings;
use crate::executor::agent::{LaunchOrder, Note, Process, Request, Streams, ask, start};
use crate::executor::log::{End, next_line};

/// So many bytes may be under way to the worker, or from it.
const UNDER_WAY: usize = 1 << 16;

/// A line of what a worker prints is passed on in pieces of so many bytes.
const LONGEST_LINE: usize = 1 << 20;

/// How long what the agent has said last may take to arrive once the command has ended. A connection that several share may hold the
/// pipe open for ever.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long a command may take to end that is asked to, before it is killed.
const LAST_BREATH: Duration = Duration::from_secs(1);

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
        let (process, streams) = start(&self.settings)?;
        let Streams {
            stdin: input,
            stdout,
            stderr: output,
        } = streams;
        let ([stdin, orders], [prints, stderr]) =
            (<[_; 2]>::from(duplex(UNDER_WAY)), <[_; 2]>::from(duplex(UNDER_WAY)));
        let (says, said) = Said::channels();
        let leaving = said.leaving.clone();
        tokio::spawn(feed(request, orders, input));
        tokio::spawn(listen(output, prints, says));
        Ok(Launched {
            worker: Box::new(CommandWorker {
                process,
                kill_at: None,
                silent: false,
                said,
            }),
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            leaving,
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
            Some(Note::Hello(_) | Note::Busy | Note::Probed(_) | Note::Exited { .. } | Note::Leaving { .. }) | None => {
                0
            }
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

/// What the agent says beside what its worker prints.
struct Said<S, E, L> {
    /// When it has last said or passed on anything.
    sign: S,
    /// How the worker has ended.
    end: E,
    /// Why the worker has to leave.
    leaving: L,
}

type Says = Said<watch::Sender<Option<Instant>>, watch::Sender<Option<Exit>>, watch::Sender<Option<Leaving>>>;
type Heard = Said<watch::Receiver<Option<Instant>>, watch::Receiver<Option<Exit>>, watch::Receiver<Option<Leaving>>>;

impl Says {
    fn channels() -> (Self, Heard) {
        let (sign, end, leaving) = (watch::channel(None), watch::channel(None), watch::channel(None));
        let says = Said {
            sign: sign.0,
            end: end.0,
            leaving: leaving.0,
        };
        let heard = Said {
            sign: sign.1,
            end: end.1,
            leaving: leaving.1,
        };
        (says, heard)
    }
}

/// Passes on what is printed, but for what the agent says itself.
async fn listen(from: ChildStderr, mut to: DuplexStream, says: Says) {
    let mut from = BufReader::new(from);
    while let Ok(Some((mut line, end))) = next_line(&mut from, LONGEST_LINE, |_| {}).await {
        let note = Note::parse(&line).map(|(note, printed)| (note, printed.to_vec()));
        if let Some((note, printed)) = note {
            says.sign.send_replace(Some(Instant::now()));
            match note {
                Note::Exited { success, description } => {
                    let kind = if success { ExitKind::Success } else { ExitKind::Failure };
                    says.end.send_replace(Some(Exit { kind, description }));
                }
                Note::Leaving { why } => {
                    says.leaving.send_replace(Some(why));
                }
                Note::Hello(_) | Note::Busy | Note::Probed(_) | Note::Ended { .. } => {}
            }
            line = printed;
            if line.is_empty() {
                continue;
            }
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
    process: Process,
    /// When the command is killed, which has been asked to end.
    kill_at: Option<Instant>,
    /// Whether it was ended because nothing comes from the agent any more.
    silent: bool,
    said: Heard,
}

impl RunningWorker for CommandWorker {
    fn wait(&mut self) -> Wait<'_> {
        Box::pin(async {
            let status = loop {
                let kill_at = self.kill_at;
                tokio::select! {
                    status = self.process.wait() => break status?,
                    () = silence(&self.said.sign), if kill_at.is_none() => {
                        self.silent = true;
                        self.kill();
                    }
                    () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                        self.process.signal(Signal::KILL);
                        self.kill_at = Some(Instant::now() + LAST_BREATH);
                    }
                }
            };
            let last_word = timeout(LAST_WORD, self.said.end.wait_for(Option::is_some)).await;
            let said = last_word.ok().and_then(|said| said.ok()?.clone());
            Ok(said.unwrap_or_else(|| cut_off(status, self.silent)))
        })
    }

    /// The agent does so by itself, some time after the end of its input. To end the command would end the connection, and what the
    /// worker says last would be lost.
    fn terminate(&mut self) {}

    fn kill(&mut self) {
        self.process.signal(Signal::TERM);
        self.kill_at = Some(Instant::now() + LAST_BREATH);
    }
}

/// Returns once an agent that has given signs of life gives none any more. One that has given none may be waiting for its machine.
async fn silence(sign: &watch::Receiver<Option<Instant>>) {
    let mut sign = sign.clone();
    loop {
        let last = *sign.borrow_and_update();
        let Some(last) = last else {
            if sign.changed().await.is_err() {
                return std::future::pending().await;
            }
            continue;
        };
        tokio::select! {
            () = sleep_until(last + SILENCE) => return,
            changed = sign.changed() => if changed.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// The command has ended, and nobody knows how the worker has: the command's own status says nothing, since `srun` ends with 0 when a node
/// is lost.
fn cut_off(status: ExitStatus, silent: bool) -> Exit {
    Exit {
        kind: ExitKind::Disconnected,
        description: match silent {
            true => format!("nothing has come from there for {} seconds", SILENCE.as_secs()),
            false => status.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_silent_once_its_signs_of_life_have_stopped() {
        let (says, heard) = Says::channels();
        let began = Instant::now();
        let waits = timeout(SILENCE * 100, silence(&heard.sign)).await;
        assert!(waits.is_err(), "it may be waiting for its machine");
        let signs = async {
            for _ in 0..5 {
                says.sign.send_replace(Some(Instant::now()));
                tokio::time::sleep(KEEPALIVE * 7).await;
            }
        };
        tokio::join!(signs, silence(&heard.sign));
        assert_eq!(began.elapsed(), SILENCE * 100 + KEEPALIVE * 28 + SILENCE);
    }
}

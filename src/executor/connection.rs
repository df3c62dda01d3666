//! Talking with a worker in JSON lines, until its end.

use std::io;
use std::time::Duration;

use hpo_protocol::{FromWorker, ToWorker};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

use super::failure::Failure;
use super::launcher::{Exit, ExitKind, Launched, Leaving, RunningWorker};
use super::liveness::{Liveness, Monitored};
use super::log::{End, WorkerLog, next_line};
use super::message::{Part, parts};

/// A message is longer than this only if something is wrong.
const LONGEST_LINE: usize = 1 << 20;

/// A worker that sends faster than its messages are handled has to wait.
const MESSAGES_AHEAD: usize = 256;

/// How long a worker that has closed a stream may take to exit, and what it printed last to arrive.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// How long a worker may take to end by itself: first for the end of its input, then for the request to terminate.
const FAREWELL: Duration = Duration::from_secs(2);

/// A running worker and what goes to and fro. The worker is killed with all that it has started when this is dropped.
pub(super) struct Connection {
    worker: Box<dyn RunningWorker>,
    /// How the worker has ended, once it has.
    exit: Option<io::Result<Exit>>,
    /// What it has closed, once nothing more comes from it.
    closed: Option<&'static str>,
    /// Whether it reads no more. What it has sent before may still be on its way, and say why.
    is_deaf: bool,
    outgoing: UnboundedSender<Vec<u8>>,
    writer: JoinHandle<()>,
    incoming: Receiver<Incoming>,
    logger: JoinHandle<()>,
    liveness: Liveness,
    leaving: watch::Receiver<Option<Leaving>>,
}

/// What comes from a worker.
enum Incoming {
    Message(FromWorker),
    /// A line that should have been a message.
    Invalid(Failure),
    /// It has closed this.
    Closed(Pipe),
}

enum Pipe {
    Input,
    Output,
}

impl Connection {
    /// Connects to a worker that was started; what it prints goes to `log`.
    pub(super) fn new(launched: Launched, log: &WorkerLog) -> Self {
        let liveness = Liveness::new();
        let (sender, incoming) = channel(MESSAGES_AHEAD);
        let (outgoing, queue) = unbounded_channel();
        let stdout = BufReader::new(Monitored::new(launched.stdout, liveness.clone()));
        let stderr = BufReader::new(Monitored::new(launched.stderr, liveness.clone()));
        let writer = tokio::spawn(write_lines(launched.stdin, queue, sender.clone()));
        tokio::spawn(read_messages(stdout, sender, log.clone()));
        let logger = tokio::spawn(read_log(stderr, log.clone()));
        Self {
            worker: launched.worker,
            exit: None,
            closed: None,
            is_deaf: false,
            outgoing,
            writer,
            incoming,
            logger,
            liveness,
            leaving: launched.leaving,
        }
    }

    /// When the worker has last given a sign of life.
    pub(super) fn liveness(&self) -> Liveness {
        self.liveness.clone()
    }

    /// Why it has to leave its place soon, once that is known.
    pub(super) fn leaving(&self) -> watch::Receiver<Option<Leaving>> {
        self.leaving.clone()
    }

    /// The next message. Nothing is lost if the wait is cancelled.
    ///
    /// # Errors
    /// Why there will be none: the worker has ended, has closed a stream, or has sent a line that is no message.
    pub(super) async fn receive(&mut self) -> Result<FromWorker, Failure> {
        while self.closed.is_none() {
            let exited = self.exit.is_some();
            let ends = exited || self.is_deaf;
            let next = tokio::select! {
                biased;
                next = self.incoming.recv() => next,
                exit = self.worker.wait(), if !exited => {
                    self.exit = Some(exit);
                    continue;
                }
                () = tokio::time::sleep(LAST_BREATH), if ends => None,
            };
            match next {
                Some(Incoming::Message(message)) => return Ok(message),
                Some(Incoming::Invalid(failure)) => return Err(failure),
                Some(Incoming::Closed(Pipe::Input)) => self.is_deaf = true,
                Some(Incoming::Closed(Pipe::Output)) => self.closed = Some("its standard output"),
                None if self.is_deaf => self.closed = Some("its standard input"),
                None => self.closed = Some("its pipes"),
            }
        }
        let how = self.describe_end().await;
        Err(
            match self.exit.as_ref().and_then(|exit| Some(exit.as_ref().ok()?.kind)) {
                Some(ExitKind::Success) => Failure::Left(how),
                Some(ExitKind::Disconnected) => Failure::Disconnected(how),
                Some(ExitKind::Failure) | None => Failure::Ended(how),
            },
        )
    }

    /// Has a message sent as soon as the worker reads it.
    ///
    /// # Errors
    /// If it can't be written as JSON, as a path that is not UTF-8 can't.
    pub(super) fn send(&self, message: &ToWorker) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(message).map_err(Failure::Unsendable)?;
        line.push(b'\n');
        // If it reads no more, `receive` says so.
        let _ = self.outgoing.send(line);
        Ok(())
    }

    /// Whether the worker has ended by itself, and with success.
    pub(super) fn has_left(&self) -> bool {
        matches!(&self.exit, Some(Ok(exit)) if exit.kind == ExitKind::Success)
    }

    /// What became of a worker that has closed a stream.
    async fn describe_end(&mut self) -> String {
        if self.exit.is_none() {
            self.exit = timeout(LAST_BREATH, self.worker.wait()).await.ok();
        }
        let how = match (&self.exit, self.closed) {
            (Some(Ok(exit)), _) => exit.description.clone(),
            (Some(Err(error)), _) => error.to_string(),
            (None, closed) => return format!("it closed {} but did not exit", closed.unwrap_or("its pipes")),
        };
        let _ = timeout(LAST_BREATH, &mut self.logger).await;
        how
    }

    /// Ends the worker in good order: it sees the end of its input and, if that is not enough, is asked to terminate. What is
    /// left then is killed.
    pub(super) async fn close(mut self) {
        self.writer.abort();
        if timeout(FAREWELL, self.worker.wait()).await.is_ok() {
            return;
        }
        self.worker.terminate();
        if timeout(FAREWELL, self.worker.wait()).await.is_ok() {
            return;
        }
        self.worker.kill();
        let _ = timeout(LAST_BREATH, self.worker.wait()).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// Writes lines, however slowly the worker reads.
async fn write_lines(
    mut stdin: impl AsyncWrite + Unpin,
    mut lines: UnboundedReceiver<Vec<u8>>,
    incoming: Sender<Incoming>,
) {
    while let Some(line) = lines.recv().await {
        let written = match stdin.write_all(&line).await {
            Ok(()) => stdin.flush().await,
            failed => failed,
        };
        if written.is_err() {
            let _ = incoming.send(Incoming::Closed(Pipe::Input)).await;
            return;
        }
    }
}

/// Passes on the messages that a worker writes to its standard output.
async fn read_messages(
    mut stdout: BufReader<Monitored<impl AsyncRead + Unpin>>,
    incoming: Sender<Incoming>,
    log: WorkerLog,
) {
    let unfinished = |line: &[u8]| log.unfinished(line);
    while let Ok(Some((line, end))) = next_line(&mut stdout, LONGEST_LINE, unfinished).await {
        if end == End::Limit {
            let _ = incoming.send(Incoming::Invalid(Failure::LongLine(LONGEST_LINE))).await;
            return;
        }
        log.unfinished(&[]);
        for part in parts(&line) {
            let next = match part {
                Part::Message(message) => Incoming::Message(message),
                // The beginning of a message: who sent it has ended, or the connection has, which is what matters.
                Part::Invalid(Failure::NotAMessage { source, .. }) if end == End::Stream && source.is_eof() => {
                    log.line(line.clone(), end);
                    continue;
                }
                Part::Invalid(failure) => Incoming::Invalid(failure),
                Part::Print(print) => {
                    log.line(print.to_vec(), end);
                    continue;
                }
            };
            if incoming.send(next).await.is_err() {
                return;
            }
        }
        // There may be thousands of them in what was read at once.
        consume_budget().await;
    }
    let _ = incoming.send(Incoming::Closed(Pipe::Output)).await;
}

/// Keeps what a worker prints on its standard error.
async fn read_log(mut stderr: BufReader<Monitored<impl AsyncRead + Unpin>>, log: WorkerLog) {
    while let Ok(Some((line, end))) = next_line(&mut stderr, LONGEST_LINE, |_| {}).await {
        log.line(line, end);
        consume_budget().await;
    }
}

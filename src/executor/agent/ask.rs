//! Asking an agent one thing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hpo_protocol::embedding::release;
use tokio::io::{AsyncBufRead, AsyncWriteExt, BufReader};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::message::{Hello, Note, Request};
use super::process::{self, Process, Streams};
use crate::clock::now;
use crate::devices::LaunchSettings;
use crate::diagnostic::visible;
use crate::executor::launcher::LaunchError;
use crate::executor::log::next_line;
use crate::ids::Timestamp;

/// How long an agent may take to answer, and then from one line to the next.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a command that has closed its streams may take to exit, and what it printed last to arrive.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// An answer has a line of more bytes only if something is wrong.
const LONGEST_LINE: usize = 16 << 20;

/// So many lines of what was printed instead of an answer are shown, with so many characters of each.
const SHOWN: (usize, usize) = (8, 300);

/// An answer.
pub(in crate::executor) struct Answer {
    /// Who answers.
    pub hello: Hello,
    /// When it was asked, and when it has said who it is, by the clock here.
    pub between: (Timestamp, Timestamp),
    /// The answer.
    pub note: Note,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::executor) enum AskError {
    /// The launch command can't be started, or can't be given the question.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It has ended.
    #[error("hpo does not answer there: the command ended ({how}){printed}")]
    Ended {
        /// How, in words.
        how: String,
        /// What it has printed, for the user.
        printed: String,
    },
    /// It takes too long.
    #[error("hpo has not answered there for {} seconds{printed}", PATIENCE.as_secs())]
    Silent {
        /// What it has printed, for the user.
        printed: String,
    },
    /// The two are not the same.
    #[error("hpo is version {there} there, and {} here", release())]
    Version {
        /// The version there.
        there: String,
    },
}

/// Starts an agent, and has it answer.
///
/// # Errors
/// If it does not answer, or is of another version.
pub(in crate::executor) async fn ask(launch: &LaunchSettings, request: &Request) -> Result<Answer, AskError> {
    let line = request.line().map_err(LaunchError::Request)?;
    let (mut process, streams) = process::start(launch)?;
    let Streams {
        mut stdin,
        stdout,
        stderr,
    } = streams;
    let printed = Printed::default();
    let errors = tokio::spawn({
        let (printed, mut stderr) = (printed.clone(), BufReader::new(stderr));
        async move { while printed.next(&mut stderr).await.is_some() {} }
    });
    let asked = now();
    // It may have ended already, and then says why.
    let _ = stdin.write_all(&line).await;
    let mut stdout = BufReader::new(stdout);
    let mut hello: Option<(Hello, Timestamp)> = None;
    loop {
        let Ok(next) = timeout(PATIENCE, printed.next(&mut stdout)).await else {
            let printed = printed.shown();
            return Err(AskError::Silent { printed });
        };
        match (next, &hello) {
            (None, _) => return Err(ended(process, &printed, errors).await),
            (Some(Some(Note::Hello(said))), _) if said.version != release() => {
                let there = visible(&said.version);
                return Err(AskError::Version { there });
            }
            (Some(Some(Note::Hello(said))), _) => hello = Some((said, now())),
            (Some(Some(note @ (Note::Probed(_) | Note::Ended { .. } | Note::Exited { .. }))), Some((hello, said))) => {
                // Nothing is left for it to do. To end it before it ends by itself could leave something there.
                let _ = timeout(LAST_BREATH, process.wait()).await;
                return Ok(Answer {
                    hello: hello.clone(),
                    between: (asked, *said),
                    note,
                });
            }
            // Whoever has not said who it is may be anything.
            (
                Some(
                    None
                    | Some(
                        Note::Busy | Note::Probed(_) | Note::Ended { .. } | Note::Exited { .. } | Note::Leaving { .. },
                    ),
                ),
                _,
            ) => {}
        }
    }
}

async fn ended(mut process: Process, printed: &Printed, errors: JoinHandle<()>) -> AskError {
    let how = match timeout(LAST_BREATH, process.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it closed its standard output".to_owned(),
    };
    // What it has left running may hold the pipe open.
    let _ = timeout(LAST_BREATH, errors).await;
    let printed = printed.shown();
    AskError::Ended { how, printed }
}

/// The last lines that were printed and are no notes. Clones keep the same ones.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<VecDeque<String>>>);

impl Printed {
    /// Reads a line: a note, or none if it is none, which is kept. Nothing at the end of the stream.
    async fn next(&self, stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Option<Note>> {
        let (line, _) = next_line(stream, LONGEST_LINE, |_| {}).await.ok().flatten()?;
        let note = Note::parse(&line).map(|(note, _)| note);
        if note.is_none() {
            self.keep(&line);
        }
        Some(note)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, line: &[u8]) {
        let (most, width) = SHOWN;
        let line: String = String::from_utf8_lossy(line).chars().take(width).collect();
        if line.trim().is_empty() {
            return;
        }
        let mut lines = self.lock();
        if lines.len() == most {
            lines.pop_front();
        }
        lines.push_back(visible(&line));
    }

    fn shown(&self) -> String {
        let lines: String = self.lock().iter().map(|line| format!("\n    {line}")).collect();
        match lines.is_empty() {
            true => lines,
            false => format!(", and has printed:{lines}"),
        }
    }
}

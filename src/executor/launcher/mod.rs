//! Where workers run: how one is started there, and ended with all that it has started.

mod command;
mod descendants;
mod local;
mod slurm;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::disk::has_ended;
use crate::executor::program::Own;
use crate::ids::SlotId;

pub use command::CommandLauncher;
pub(super) use descendants::{kill_leftovers, kill_workers};
pub use local::LocalLauncher;
pub(super) use local::{LocalWorker, start};
pub use slurm::{Look, SlurmError, SlurmLauncher, Unfit, step, would_take};

/// How often `hpo` and a worker elsewhere show each other that the connection stands.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(15);

/// After so long without a sign from the other end, the connection is taken to be dead.
pub(super) const SILENCE: Duration = KEEPALIVE.saturating_mul(8);

/// A place where workers can run. It may be another machine: nobody but the launcher knows by what a worker is found
/// there.
pub trait Launcher: fmt::Debug + Send + Sync {
    /// Looks whether there is a place for a worker of a study now, and sees to it that there will be one. It is asked before each worker is
    /// started.
    ///
    /// # Errors
    /// If there will never be one.
    fn place<'a>(&'a self, _study: &'a Path, _purpose: Purpose) -> Seek<'a> {
        Box::pin(std::future::ready(Ok(Place::There)))
    }

    /// Whether a worker without work keeps others from what it has.
    fn is_shared(&self) -> bool {
        true
    }

    /// Gives up the place for a purpose of a study, or those for all slots. There are no workers there any more.
    fn vacate(&self, _study: &Path, _purpose: Option<Purpose>) {}

    /// Starts a worker, and returns without waiting for what it answers.
    ///
    /// # Errors
    /// If it can't be started at all.
    fn launch(&self, launch: &Launch<'_>) -> Result<Launched, LaunchError>;

    /// Ends what earlier workers of a study have left running here, and returns how many processes it has ended.
    ///
    /// The caller has the right to write to the study, so nobody needs them any more.
    fn end_leftovers(&self, study: &Path, which: Leftovers) -> usize;
}

/// A place for a worker.
#[derive(Debug)]
pub enum Place {
    /// It is there.
    There,
    /// There is none yet.
    NotYet {
        /// Why not, for the user, unless that is of no interest.
        why: Option<String>,
        /// When to ask again.
        again: Duration,
    },
}

impl Place {
    fn not_yet(why: String, again: Duration) -> Self {
        Self::NotYet { why: Some(why), again }
    }
}

/// A look for a place.
pub type Seek<'a> = Pin<Box<dyn Future<Output = Result<Place, LaunchError>> + Send + 'a>>;

/// A worker to be started.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// Which of the programs that come with `hpo` it is, if any: another machine has it at a place of its own.
    pub own: Option<Own>,
    /// The directory to run in.
    pub directory: &'a Path,
    /// What its environment has beyond that of `hpo`.
    pub environment: Vec<(String, String)>,
    /// The study's directory, as [`std::fs::canonicalize`] gives it.
    pub study: &'a Path,
    /// What the worker is for.
    pub purpose: Purpose,
}

/// A worker that was started, and its standard streams.
pub struct Launched {
    /// The worker.
    pub worker: Box<dyn RunningWorker>,
    /// What it reads.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its messages.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its log.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Why it has to leave its place soon, once that is known.
    pub leaving: watch::Receiver<Option<Leaving>>,
}

/// Why a worker has to leave its place: it is no fault of what it trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Leaving {
    /// The time that it was given there is nearly over.
    #[error("the time limit of its job is near")]
    TimeLimit,
    /// It is asked to end there, as by a job that takes its place.
    #[error("it was asked to end there, as when a job is cancelled or pre-empted")]
    Asked,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").finish_non_exhaustive()
    }
}

/// A worker that runs. Dropping it kills it.
pub trait RunningWorker: Send + Sync {
    /// Waits for the end of the worker. What it has started and left running is killed then: it may hold the streams
    /// open. May be cancelled and called again.
    ///
    /// # Errors
    /// If how it has ended can't be found out; it is over then too.
    fn wait(&mut self) -> Wait<'_>;

    /// Asks the worker to end, and returns at once.
    fn terminate(&mut self);

    /// Kills the worker and everything it has started. They may take a moment to end, for which [`wait`](Self::wait)
    /// waits. Does nothing once the worker has been waited for.
    fn kill(&mut self);
}

/// The end of a worker to come.
pub type Wait<'a> = Pin<Box<dyn Future<Output = io::Result<Exit>> + Send + 'a>>;

/// How a worker has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// What kind of end it was.
    pub kind: ExitKind,
    /// The same in words, for the user.
    pub description: String,
}

/// Kinds of ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// It has reported success.
    Success,
    /// It has failed, or was killed.
    Failure,
    /// The connection to it has ended, whatever became of it.
    Disconnected,
}

/// Why a worker can't be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no program to start.
    #[error("the command is empty")]
    EmptyCommand,
    /// The directory to run in is gone.
    #[error("there is no directory `{}` any more", .0.display())]
    NoDirectory(PathBuf),
    /// The program can't be started.
    #[error("can't start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// What is to be started can't be written as JSON for another machine, as a path that is not UTF-8 can't.
    #[error("the order can't be sent there: {0}")]
    Request(serde_json::Error),
    /// Slurm gives no place for it; why, and what to do.
    #[error("{0}")]
    Slurm(String),
    /// It was started without its streams.
    #[error("the worker has no pipes")]
    NoStreams,
}

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The slot of a search, of which a study has one at a time.
    Slot(SlotId),
    /// One export, beside a search or other exports; distinguished by the process id of the `hpo` that asked for it.
    Export(u32),
}

/// What the name of an export has before its process id.
const EXPORT: &str = "export-";

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "{slot}"),
            Self::Export(process) => write!(f, "{EXPORT}{process}"),
        }
    }
}

impl Purpose {
    /// The purpose that is displayed like this.
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(EXPORT) {
            Some(process) => process.parse().ok().map(Self::Export),
            None => text.parse().ok().map(SlotId).map(Self::Slot),
        }
    }
}

/// Which of the workers that a study has left running are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leftovers {
    /// Those of searches, and of exports whose `hpo` has ended.
    All,
    /// Those of exports whose `hpo` has ended.
    Exports,
}

impl Leftovers {
    fn include(self, purpose: Purpose) -> bool {
        match (self, purpose) {
            (Self::All, Purpose::Slot(_)) => true,
            (Self::Exports, Purpose::Slot(_)) => false,
            (Self::All | Self::Exports, Purpose::Export(process)) => {
                let process = i32::try_from(process).ok().and_then(Pid::from_raw);
                process.is_some_and(has_ended)
            }
        }
    }
}

//! Why a worker is replaced, or a segment has failed.

use std::io;
use std::path::PathBuf;

use hpo_protocol::VERSION;
use tokio::task::JoinError;

use super::checkpoint::CheckpointError;
use super::launcher::{LaunchError, Leaving};
use super::liveness::Silence;
use super::sanitize::MetricsError;
use crate::disk::is_full;

/// What a trainer in any language prints about a full disk or quota, or the limit for the size of files: the system's own words, or its
/// numbers.
const FULL: [&str; 8] = [
    "No space left on device",
    "ENOSPC",
    "(os error 28)",
    "Disk quota exceeded",
    "EDQUOT",
    "File too large",
    "(os error 27)",
    "EFBIG",
];

/// What to do about a program that was started as a trainer and is none.
pub(super) const AS_A_SCRIPT: &str = "If it is a script that reads its environment (`HPO_…`) or asks `hpo.config()`, write `script = true` \
                                      under [trial]";

/// What has gone wrong with a worker or a segment.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The worker can't be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It has crashed, was killed, or has closed its pipes; how, in words.
    #[error("the worker ended unexpectedly ({0})")]
    Ended(String),
    /// It has ended with success while it owed an answer.
    #[error(
        "the worker ended by itself ({0}) before it was done: a worker trains one segment after another until its standard input ends"
    )]
    Left(String),
    /// It has ended with success and never sent a message.
    #[error(
        "the trainer ended ({0}) without a message, so it does not speak the worker protocol: a trainer reads orders from its standard \
         input and answers in JSON lines, see docs/trainers.md and examples/trainer.py. {AS_A_SCRIPT}"
    )]
    Mute(String),
    /// It reports before it was asked to train.
    #[error(
        "the trainer has sent a report before anything else, so it does not speak the worker protocol. {AS_A_SCRIPT}"
    )]
    Script,
    /// It has sent a report that does not say of which trial it is.
    #[error("the worker sent a report that does not say of which `trial` and `attempt` it is: {0}")]
    NoTrial(String),
    /// The connection to it has ended; how, in words.
    #[error("the connection to the worker is lost ({0})")]
    Disconnected(String),
    /// It had to leave its place.
    #[error("{0}")]
    Leaving(Leaving),
    /// It was silent for too long.
    #[error(transparent)]
    Silent(#[from] Silence),
    /// It speaks another version of the protocol.
    #[error("{trainer} speaks version {version} of the worker protocol, hpo speaks {VERSION}: update the older one")]
    Version {
        /// The trainer's name.
        trainer: String,
        /// The version it speaks.
        version: u32,
    },
    /// It came with another release of hpo.
    #[error(
        "{trainer} is of another release than hpo, and may not understand it: install both from one release, with `make install`{said}"
    )]
    Release {
        /// The trainer's program.
        trainer: String,
        /// What it says beside that, with what stands before it.
        said: String,
    },
    /// It has sent a line without end.
    #[error("the worker sent a line of more than {0} bytes")]
    LongLine(usize),
    /// It has sent something else than a message.
    #[error("the worker sent a line that is no message of the protocol ({source}): {line}")]
    NotAMessage {
        /// The beginning of the line, fit to be shown.
        line: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It has sent something else than a number.
    #[error("the worker sent {value} as `{key}`, which must be a number")]
    NotANumber {
        /// The loss or the metric, fit to be shown.
        key: String,
        /// What it has sent, fit to be shown.
        value: String,
    },
    /// It has answered what it was not asked; the name of the message.
    #[error("the worker sent `{0}` out of turn")]
    OutOfTurn(&'static str),
    /// It has sent metrics that can't be accepted.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// It has reported a checkpoint that can't be accepted.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It has said that it is done before it has reported the end of the segment: that resource.
    #[error("the worker sent `done` without a report of resource {0}, at which the segment ends")]
    EndedEarly(u64),
    /// What workers read is no longer what the study was created on; what has changed, in words.
    #[error("{0}")]
    Changed(String),
    /// What the trainer itself says has gone wrong, fit to be shown.
    #[error("{0}")]
    Trainer(String),
    /// The scheduler asked for another worker.
    #[error("the worker was replaced")]
    Replaced,
    /// A message can't be written as JSON, as a path that is not UTF-8 can't.
    #[error("the order can't be sent to the worker: {0}")]
    Unsendable(serde_json::Error),
    /// The directory for the trial's checkpoints can't be made.
    #[error("can't make {}: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no space for the directory of the trial's checkpoints.
    #[error("can't make {}: {source}", directory.display())]
    NoSpace {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The thread that reads and writes files has panicked.
    #[error(transparent)]
    Thread(#[from] JoinError),
}

impl Failure {
    /// The directory for a trial's checkpoints can't be made.
    pub(super) fn directory(directory: PathBuf, source: io::Error) -> Self {
        match is_full(source.kind()) {
            true => Self::NoSpace { directory, source },
            false => Self::Directory { directory, source },
        }
    }

    /// Whether it comes of a full disk or quota, rather than of the configuration: hpo's own errors say so by their
    /// kind, a trainer by its words.
    pub(super) fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace { .. } => true,
            Self::Checkpoint(error) => error.is_no_space(),
            Self::Trainer(text) | Self::NotAMessage { line: text, .. } | Self::NoTrial(text) => says_no_space(text),
            Self::Launch(_)
            | Self::Ended(_)
            | Self::Left(_)
            | Self::Mute(_)
            | Self::Script
            | Self::Disconnected(_)
            | Self::Leaving(_)
            | Self::Silent(_)
            | Self::Version { .. }
            | Self::Release { .. }
            | Self::LongLine(_)
            | Self::NotANumber { .. }
            | Self::OutOfTurn(_)
            | Self::Metrics(_)
            | Self::EndedEarly(_)
            | Self::Changed(_)
            | Self::Replaced
            | Self::Unsendable(_)
            | Self::Directory { .. }
            | Self::Thread(_) => false,
        }
    }
}

/// Whether what a trainer has printed says that the disk or its quota is full.
pub(super) fn says_no_space(text: &str) -> bool {
    FULL.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_of_hpos_own_is_known_by_its_kind_and_a_trainers_by_its_words() {
        let checkpoint = |kind: io::ErrorKind| Failure::from(CheckpointError::new("c".into(), kind.into()));
        assert!(checkpoint(io::ErrorKind::StorageFull).is_no_space());
        assert!(checkpoint(io::ErrorKind::QuotaExceeded).is_no_space());
        assert!(!checkpoint(io::ErrorKind::NotFound).is_no_space());
        let missing = CheckpointError::new("(os error 28)".into(), io::ErrorKind::NotFound.into());
        assert!(!Failure::from(missing).is_no_space(), "the name of a file says nothing");
        assert!(Failure::Trainer("OSError: [Errno 28] No space left on device".into()).is_no_space());
        assert!(!Failure::Trainer("the data ran away".into()).is_no_space());
    }
}

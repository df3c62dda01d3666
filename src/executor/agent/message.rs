//! What `hpo` and its agent on another machine say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::executor::launcher::{Leaving, Leftovers};
use crate::executor::program::Own;
use crate::executor::slots::Machine;
use crate::ids::{SlotId, Timestamp};
use crate::study::{Input, Trainer};

/// What a line begins with that is a [`Note`]. Whatever else a login shell or a worker prints is none.
const MARK: &str = "hpo-agent: ";

/// The line that is [`Request::Hold`].
pub(in crate::executor) const HOLD: &str = r#"{"order":"hold"}"#;

/// The first line that an agent reads: what it was started for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(in crate::executor) enum Request {
    /// Look around; answered by [`Note::Hello`] and [`Note::Probed`].
    Probe(ProbeOrder),
    /// Run a worker. What follows on standard input is the worker's, but for empty lines, which say that the connection stands; what
    /// the worker prints is printed. Answered on standard error: by [`Note::Busy`] now and then, and by [`Note::Exited`] at its end.
    Launch(LaunchOrder),
    /// Keep the job of Slurm that this runs in for the steps that are started beside it, for as long as there are any.
    Hold,
    /// End what earlier workers have left running; answered by [`Note::Hello`] and [`Note::Ended`].
    EndLeftovers {
        /// The study's directory, as its workers were given it.
        study: PathBuf,
        /// Which of them.
        which: Leftovers,
    },
}

/// What to look for.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::executor) struct ProbeOrder {
    /// A file that `hpo` has written where the study is or will be. The answer to it is to be written beside it.
    pub shared: PathBuf,
    /// The trainer.
    pub trainer: Trainer,
    /// Of the files that the trainer's settings name, those whose content matters, by their roles.
    pub roles: Vec<String>,
}

/// A worker to run.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::executor) struct LaunchOrder {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Which of the programs that come with `hpo` it is instead, if any.
    pub own: Option<Own>,
    /// The directory to run in.
    pub directory: PathBuf,
    /// What its environment has beyond that of the agent.
    pub environment: Vec<(String, String)>,
    /// The study's directory.
    pub study: PathBuf,
    /// The slot that it is for; none: an export.
    pub slot: Option<SlotId>,
}

/// What an agent answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub(in crate::executor) enum Note {
    /// It has read its request.
    Hello(Hello),
    /// It is at work still.
    Busy,
    /// What it has found.
    Probed(Box<Probed>),
    /// It has ended what was left.
    Ended {
        /// How many processes that were.
        processes: usize,
    },
    /// The worker has to leave this place soon.
    Leaving {
        /// Why.
        why: Leaving,
    },
    /// The worker has ended, or was never started.
    Exited {
        /// Whether it has reported success.
        success: bool,
        /// How it has ended, for the user.
        description: String,
    },
}

/// Who answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::executor) struct Hello {
    /// The release of `hpo`, which is another one if the settings of its trainer are others.
    pub version: String,
    /// The name of the machine.
    pub host: String,
    /// What time it is there.
    pub clock: Timestamp,
}

/// What an agent has found.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::executor) struct Probed {
    /// What the machine has.
    pub machine: Machine,
    /// What is in [`ProbeOrder::shared`], or why it can't be read.
    pub read: Result<String, String>,
    /// What was written beside it, or why it can't be.
    pub written: Result<String, String>,
    /// What the trainer that comes with `hpo` says of itself, and nothing of another one; or why the trainer can't run.
    pub trainer: Result<Option<String>, String>,
    /// What the files are, by their roles, or why they can't be read.
    pub inputs: Vec<(String, Result<Vec<Input>, String>)>,
}

impl Request {
    /// It as a line.
    ///
    /// # Errors
    /// If it has a path that is not UTF-8.
    pub fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

impl Note {
    /// It as a line.
    pub fn line(&self) -> String {
        // It has no maps but those with texts as keys, and no paths.
        format!("{MARK}{}\n", serde_json::to_string(self).unwrap_or_default())
    }

    /// The note that a line ends in, and what stands before it; none if there is no note.
    pub fn parse(line: &[u8]) -> Option<(Self, &[u8])> {
        let at = line.windows(MARK.len()).position(|part| part == MARK.as_bytes())?;
        let note = serde_json::from_slice(&line[at + MARK.len()..]).ok()?;
        Some((note, &line[..at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_by_which_a_job_is_kept_is_understood() {
        assert!(matches!(serde_json::from_str(HOLD), Ok(Request::Hold)));
    }

    #[test]
    fn a_note_is_found_behind_what_was_printed_without_a_newline() {
        let line = Note::Ended { processes: 3 }.line();
        let (note, before) = Note::parse(line.trim_end().as_bytes()).unwrap();
        assert!(matches!(note, Note::Ended { processes: 3 }) && before.is_empty());
        let behind = format!("50 %{}", line.trim_end());
        assert_eq!(Note::parse(behind.as_bytes()).unwrap().1, b"50 %");
        for other in [
            "",
            "Last login: yesterday",
            "hpo-agent: ",
            "hpo-agent: {\"note\":\"unknown\"}",
        ] {
            assert!(Note::parse(other.as_bytes()).is_none(), "{other}");
        }
    }
}

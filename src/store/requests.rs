//! What is asked of the process that has a study. Whoever asks leaves a file, and the process looks for such files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hpo_protocol::Values;
use serde::{Deserialize, Serialize};

use super::StudyDirectory;
use crate::disk::make_private;
use crate::ids::TrialId;
use crate::study::{Event, Limits};

/// Something to be done with a study that a process has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// To end the search in good order, if this process has it.
    Stop {
        /// The process id.
        process: u32,
    },
    /// To pause the search.
    Pause,
    /// To have a search that was paused go on.
    Resume,
    /// To go as far as these limits say.
    Limits {
        /// The limits.
        limits: Limits,
    },
    /// To try a configuration.
    Enqueue {
        /// Some or all of its values.
        parameters: Values,
    },
    /// To end a trial.
    StopTrial {
        /// The trial.
        trial: TrialId,
    },
    /// To give failed trials all their attempts again.
    Retry {
        /// The trials.
        trials: Vec<TrialId>,
    },
}

impl Request {
    /// Leaves the request for the process that has the study, which removes the file once the request is carried out. Returns the file.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn leave(&self, study: &StudyDirectory) -> io::Result<PathBuf> {
        let directory = study.requests();
        match make_private(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        // A process may ask for several things at a time.
        static LEFT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), LEFT.fetch_add(1, Ordering::Relaxed));
        let (partial, file) = (
            directory.join(format!("{name}.partial")),
            directory.join(format!("{name}.json")),
        );
        fs::write(&partial, serde_json::to_vec(self)?)?;
        fs::rename(partial, &file)?;
        Ok(file)
    }

    /// What happens to the study by it; none if it is only its process that does something.
    pub fn event(&self) -> Option<Event> {
        match self {
            Self::Stop { .. } => None,
            Self::Pause => Some(Event::Held),
            Self::Resume => Some(Event::Released),
            Self::Limits { limits } => Some(Event::LimitsSet(*limits)),
            Self::Enqueue { parameters } => Some(Event::Enqueued {
                parameters: parameters.clone(),
            }),
            Self::StopTrial { trial } => Some(Event::TrialStopped { trial: *trial }),
            Self::Retry { trials } => Some(Event::Retried { trials: trials.clone() }),
        }
    }

    /// Whether it makes sense only for a process that has the study.
    pub fn needs_process(&self) -> bool {
        match self {
            Self::Stop { .. } | Self::Pause | Self::Resume | Self::Limits { .. } => true,
            Self::Enqueue { .. } | Self::StopTrial { .. } | Self::Retry { .. } => false,
        }
    }

    /// The requests that have been left, each with its file.
    pub fn pending(study: &StudyDirectory) -> Vec<(PathBuf, Self)> {
        let files = fs::read_dir(study.requests()).into_iter().flatten().flatten();
        let files = files.map(|file| file.path());
        let request = |file: &Path| serde_json::from_slice(&fs::read(file).ok()?).ok();
        files
            .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|file| Some((file.clone(), request(&file)?)))
            .collect()
    }
}

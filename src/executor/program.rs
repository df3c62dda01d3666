//! What workers run.

use std::path::PathBuf;

use hpo_protocol::{Start, VERSION, Values};

/// The trainer of a study, and what all its workers have in common.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The directory it runs in.
    pub directory: PathBuf,
    /// The study's name, for messages.
    pub study: String,
    /// The trainer's own settings.
    pub settings: Values,
    /// Whether it is known to speak the protocol, so that one that takes its time only takes its time.
    pub is_own: bool,
    /// What it must say of its release, if it is a program of its own that comes with `hpo`.
    pub release: Option<String>,
    /// A directory, which need not exist, for what the workers of all studies can share.
    pub cache: Option<PathBuf>,
}

impl Program {
    /// The first message to a worker that may use so many CPU threads.
    pub(super) fn start(&self, threads: usize) -> Start {
        Start {
            protocol: VERSION,
            study: self.study.clone(),
            threads,
            settings: self.settings.clone(),
            cache: self.cache.clone(),
        }
    }
}

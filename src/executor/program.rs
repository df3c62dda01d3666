//! What workers run.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hpo_protocol::{Start, VERSION, Values};
use serde::{Deserialize, Serialize};

use crate::program::{is_program, on_path};

/// The verb of `hpo` that trains with a script, which is no command for people.
pub const SCRIPT_WORKER: &str = "script-worker";

/// A program that comes with `hpo`: each machine has it at a place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// The embedding trainer.
    Embedding,
    /// `hpo` itself, which trains with a script.
    Script,
}

impl Own {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "hpo-trial-embedding",
            Self::Script => "hpo",
        }
    }

    /// The command that starts it on this machine: it is beside `hpo`, or else on the `PATH`. None if it is neither.
    pub fn command(self) -> Option<Vec<String>> {
        let exe = std::env::current_exe().ok();
        let (program, verb) = match self {
            Self::Embedding => (exe.and_then(|exe| Some(exe.parent()?.join(self.name()))), None),
            Self::Script => (exe, Some(SCRIPT_WORKER)),
        };
        let program = program.filter(|program| is_program(program));
        let program = program.or_else(|| on_path(self.name()))?;
        let words = [program.to_string_lossy().into_owned()].into_iter();
        Some(words.chain(verb.map(str::to_owned)).collect())
    }
}

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
    /// Which of the programs that come with `hpo` it is, if any. These are known to speak the protocol, so that one that takes its time only
    /// takes its time.
    pub own: Option<Own>,
    /// What it must say of its release, if it is a program of its own that comes with `hpo`.
    pub release: Option<String>,
    /// A directory, which need not exist, for what the workers of all studies can share.
    pub cache: Option<PathBuf>,
    /// Whether what workers have read is what they should.
    pub inspection: Inspection,
}

/// Looks whether the files that workers read are what the study was created on. A study runs for long, and a worker that takes the
/// place of another reads them anew.
#[derive(Clone, Default)]
pub struct Inspection {
    ready: Option<Look>,
    later: Option<Look>,
}

/// Looks at files; an error says what has changed.
pub(super) type Look = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

impl Inspection {
    /// By what `look` does when a worker is ready.
    pub fn new(look: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self {
            ready: Some(Arc::new(look)),
            later: None,
        }
    }

    /// And by what this does whenever a worker has done something for which it may have read other files.
    pub fn and_later(self, look: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self {
            later: Some(Arc::new(look)),
            ..self
        }
    }

    /// What to look at once a worker is ready.
    pub(super) fn ready(&self) -> Option<Look> {
        self.ready.clone()
    }

    /// What to look at once it has worked.
    pub(super) fn later(&self) -> Option<Look> {
        self.later.clone()
    }
}

impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection")
            .field("ready", &self.ready.is_some())
            .field("later", &self.later.is_some())
            .finish()
    }
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

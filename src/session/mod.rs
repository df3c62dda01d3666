//! The library's entry point: runs a search in a study's directory, with any way to train.
//!
//! Nothing here touches signals, the umask, exit codes or the terminal: those are the caller's.
//!
//! ```no_run
//! # use hpo::session::{Cancellation, Function, Quiet, Session};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = hpo::study_file::read("study.toml".as_ref())?;
//! let session = Session::create("studies/mine", &file.study.spec(1, 1), &file.text)?;
//! let train = Function::new(2, |segment| {
//!     let rate = segment.parameters()["learning_rate"].as_f64().unwrap_or(0.0);
//!     while let Some(epoch) = segment.next_resource() {
//!         segment.report(rate / epoch as f64, b"")?;
//!     }
//!     Ok(())
//! });
//! let ended = session.run(train, None, &mut Quiet, &Cancellation::new())?;
//! println!("{:?}", ended.study.best());
//! # Ok(())
//! # }
//! ```

mod ask;
mod clock;
mod function;
mod requests;
mod segment;
mod storage;
mod workers;

use std::io;
use std::path::PathBuf;

use crate::clock::now;
use crate::scheduler::{self, Job, Slots, Storage, Waiting};
pub use crate::scheduler::{Cancellation, Observer, Outcome, SchedulerError};
use crate::store::{self, Database, Store, StoreError, StudyDirectory};
use crate::study::{Event, Limits, Study, StudySpec};

pub use ask::{Asked, Asking};
use clock::SystemClock;
pub use function::Function;
pub(crate) use requests::{Done, RequestError, carry_out, stop};
pub use segment::{Segment, SegmentError};
use storage::Directory;
pub use workers::WorkerProcesses;

/// A way to train: makes the slots that a search runs on.
pub trait Trainer {
    /// What carries out the orders.
    type Slots: Slots;

    /// Starts the slots of a study. It is called within a single-threaded tokio runtime.
    fn start(self, study: &StudyDirectory, observer: &mut dyn Observer) -> Self::Slots;
}

/// A study that is open for writing: no other process can run it.
pub struct Session {
    directory: StudyDirectory,
    store: Store,
}

/// Why a search could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The study can't be created or opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The event loop can't be started.
    #[error("can't start an event loop: {0}")]
    Runtime(io::Error),
    /// It can't continue. What was recorded is safe.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// Its thread has panicked. What was recorded is safe.
    #[error("the search has panicked")]
    Panicked,
}

/// The outcome of a search.
pub struct Ended {
    /// Whether it has finished or was stopped.
    pub outcome: Outcome,
    /// The study as recorded.
    pub study: Study,
    /// The trial database, unless it can't be used.
    pub database: Option<Database>,
    /// Where the best model was written, or why it was not, if the trainer can write one.
    pub model: Option<Result<PathBuf, String>>,
}

impl Session {
    /// Creates a study in a directory that does not exist, and opens it. `text` is what it was created from, for people.
    ///
    /// # Errors
    /// If the directory exists or can't be written.
    pub fn create(directory: impl Into<PathBuf>, spec: &StudySpec, text: &str) -> Result<Self, StoreError> {
        let directory = StudyDirectory::new(directory);
        store::create(&directory, spec, text, None, Vec::new(), now())?;
        Self::open(directory.root())
    }

    /// Opens a study to resume it.
    ///
    /// # Errors
    /// If there is none, it is in use by another process, or it is damaged.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = StudyDirectory::new(directory);
        let store = store::open(&directory)?;
        Ok(Self { directory, store })
    }

    /// A session of a study that was opened before.
    pub(crate) fn new(directory: StudyDirectory, store: Store) -> Self {
        Self { directory, store }
    }

    /// The study as it is.
    pub fn study(&self) -> &Study {
        &self.store.study
    }

    /// Records what follows from something that happens while nobody trains the study.
    ///
    /// # Errors
    /// If it can't be recorded.
    pub(crate) fn amend(self, event: Event) -> Result<(), SessionError> {
        let Self { directory, store } = self;
        let mut study = store.study;
        let step = study.handle(now(), event);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let mut storage = Directory::new(directory, store.committer);
        let waiting = Waiting {
            observer: &mut Quiet,
            cancellation: &mut Cancellation::new(),
            ends: true,
        };
        let committed =
            runtime
                .map_err(SessionError::Runtime)?
                .block_on(storage.commit(&study, &step.records, waiting));
        storage.close(&study, false);
        committed.map_err(|error| StoreError::from(error).into())
    }

    /// Runs the search until nothing is left to train or it is cancelled; `limits` set how far it goes, if farther than before.
    ///
    /// It blocks this thread; its worker processes end with the thread. It must not be called on a thread that runs a tokio runtime.
    ///
    /// # Errors
    /// If it can't continue. What was recorded is safe.
    pub fn run(
        self,
        trainer: impl Trainer,
        limits: Option<Limits>,
        observer: &mut dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<Ended, SessionError> {
        let Self { directory, store } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(SessionError::Runtime)?;
        let limits = limits.unwrap_or_else(|| store.study.filed_limits());
        let ended = runtime.block_on(async {
            let job = Job {
                study: store.study,
                slots: trainer.start(&directory, observer),
                storage: Directory::new(directory, store.committer),
                clock: SystemClock::start(),
            };
            scheduler::run(job, limits, observer, cancellation.clone()).await
        });
        // The digest of an endless file may still be in progress.
        runtime.shutdown_background();
        let hurry = !matches!(ended.outcome, Ok(Outcome::Finished));
        let (database, trouble) = ended.storage.close(&ended.study, hurry);
        if let Some(trouble) = trouble {
            observer.note(&format!("note: {}", trouble.report(database.is_some())));
        }
        Ok(Ended {
            outcome: ended.outcome?,
            study: ended.study,
            database,
            model: ended.model,
        })
    }
}

/// An observer that shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {}

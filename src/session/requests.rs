//! Having something done with a study, whether or not a process has it.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Session, SessionError};
use crate::store::{Request, StoreError, StudyDirectory, StudyLock, StudyReader};

/// How often it is looked whether a request has been taken.
pub(crate) const GLANCE: Duration = Duration::from_millis(100);

/// How long a process may take to do what it is asked: longer than one that saves its trials.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What has become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// The process that has the study has done it.
    ByItsProcess,
    /// It was recorded here: no process has the study.
    Here,
    /// It makes no sense without a process that has the study, and none has.
    NotRunning,
}

/// Why a request could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The study can't be opened or written.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The process that has the study does not take it.
    #[error("{0}, which does not answer")]
    Unanswered(StoreError),
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

/// Has a request carried out: by the process that has the study, or here if none has it. It blocks until then.
///
/// # Errors
/// If the study can't be opened or written, or its process does not answer.
pub(crate) fn carry_out(directory: &StudyDirectory, request: &Request) -> Result<Done, RequestError> {
    let Some(lock) = ask(directory, request)? else {
        return Ok(Done::ByItsProcess);
    };
    match request.event().filter(|_| !request.needs_process()) {
        None => Ok(Done::NotRunning),
        Some(event) => {
            let store = StudyReader::open(directory.clone())?.take_over(lock)?;
            Session::new(directory.clone(), store).amend(event)?;
            Ok(Done::Here)
        }
    }
}

/// Leaves a request with the process that has the study and waits until it has been taken; or gives the right to write to the study,
/// once no process has it.
///
/// # Errors
/// If it can't be left, or is not taken.
pub(crate) fn ask(directory: &StudyDirectory, request: &Request) -> Result<Option<StudyLock>, RequestError> {
    let began = Instant::now();
    let mut left: Option<PathBuf> = None;
    // It may have been taken in this moment.
    let take_back = |file: &PathBuf| drop(std::fs::remove_file(file));
    loop {
        let in_use = match directory.lock() {
            Ok(lock) => {
                left.iter().for_each(take_back);
                return Ok(Some(lock));
            }
            Err(error @ StoreError::InUse { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        match &left {
            None => {
                let written = request.leave(directory).map_err(|source| StoreError::Io {
                    path: directory.requests(),
                    source,
                });
                left = Some(written?);
            }
            Some(file) if !file.exists() => return Ok(None),
            Some(file) if began.elapsed() > PATIENCE => {
                take_back(file);
                return Err(RequestError::Unanswered(in_use));
            }
            Some(_) => sleep(GLANCE),
        }
    }
}

/// Ends the search that a process runs, in good order: once this returns it is ended, or will be soon; false if none runs.
///
/// # Errors
/// If the study can't be opened, or its process does not answer.
pub(crate) fn stop(directory: &StudyDirectory) -> Result<bool, RequestError> {
    let process = match directory.lock() {
        Err(StoreError::InUse { holder, .. }) => holder.unwrap_or_default(),
        Err(error) => return Err(error.into()),
        Ok(_) => return Ok(false),
    };
    if ask(directory, &Request::Stop { process })?.is_none() {
        // It saves first what it trains.
        let began = Instant::now();
        while directory.is_locked() && began.elapsed() < PATIENCE {
            sleep(GLANCE);
        }
    }
    Ok(true)
}

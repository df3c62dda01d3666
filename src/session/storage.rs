//! A study's directory, as the loop needs it.

use std::io;
use std::path::PathBuf;

use tokio::task::spawn_blocking;

use crate::disk::room;
use crate::executor::checkpoint;
use crate::export::{self, Card};
use crate::ids::TrialId;
use crate::scheduler::{Storage, Waiting};
use crate::store::{CommitError, Committer, Database, DatabaseError, Request, StudyDirectory};
use crate::study::{Record, Study, Trial};

pub(super) struct Directory {
    directory: StudyDirectory,
    committer: Committer,
    /// The files of the requests that are being carried out.
    asked: Vec<PathBuf>,
}

impl Directory {
    pub fn new(directory: StudyDirectory, committer: Committer) -> Self {
        Self {
            directory,
            committer,
            asked: Vec::new(),
        }
    }

    /// Ends once everything is written, and returns the database, or why there is none. With both, a part was rebuilt for that reason.
    /// `study` is as its last record leaves it. In a `hurry` the database need not catch up with the journal.
    pub fn close(self, study: &Study, hurry: bool) -> (Option<Database>, Option<DatabaseError>) {
        if hurry {
            self.committer.hurry();
        }
        self.committer.close(study)
    }
}

impl Storage for Directory {
    /// It waits as long as the disk is full, unless that is cancelled, or the records are the last ones.
    async fn commit(&mut self, _: &Study, records: &[Record], waiting: Waiting<'_>) -> Result<(), CommitError> {
        let committer = &self.committer;
        let mut blocked = committer.blocked();
        let commit = committer.commit(records.to_vec());
        tokio::pin!(commit);
        let (mut paused, mut cancelled) = (false, false);
        loop {
            tokio::select! {
                done = &mut commit => {
                    if paused && done.is_ok() {
                        waiting.observer.resumed();
                    }
                    return match done {
                        Err(_) if cancelled => Err(CommitError::Cancelled),
                        done => done,
                    };
                }
                Ok(()) = blocked.changed() => {
                    let full = *blocked.borrow_and_update();
                    if full.is_some() && waiting.ends {
                        cancelled = true;
                        committer.give_up();
                    } else if let Some(full) = full.filter(|_| !paused) {
                        paused = true;
                        waiting.observer.paused(&format!("the journal can't be written: {full}"));
                    }
                }
                () = waiting.cancellation.requested(), if paused => {
                    cancelled = true;
                    committer.give_up();
                }
            }
        }
    }

    async fn delete(&mut self, files: Vec<String>) {
        let root = self.directory.checkpoints();
        files.iter().for_each(|file| checkpoint::delete(&root, file));
    }

    fn sweep(&mut self, study: &Study, of: Option<TrialId>) {
        let kept = match of.and_then(|trial| study.trial(trial)) {
            Some(trial) => Trial::checkpoints(trial)
                .map(|checkpoint| checkpoint.file.as_str())
                .collect(),
            None => study.checkpoint_files(),
        };
        checkpoint::delete_unreferenced(&self.directory.checkpoints(), of, &kept);
    }

    fn requests(&mut self) -> Vec<Request> {
        let (files, requests) = Request::pending(&self.directory).into_iter().unzip();
        self.asked = files;
        requests
    }

    fn fulfilled(&mut self) {
        for file in self.asked.drain(..) {
            // Whoever asked may have taken it back.
            let _ = std::fs::remove_file(file);
        }
    }

    fn room(&self) -> Option<u64> {
        room(&self.directory.checkpoints())
    }

    fn model_directory(&mut self) -> PathBuf {
        let target = self.directory.best_model();
        export::clear(&target);
        export::partial(&target)
    }

    async fn place_model(&mut self, written: PathBuf, card: Option<Card>) -> io::Result<PathBuf> {
        let target = self.directory.best_model();
        let place = target.clone();
        let work = spawn_blocking(move || {
            let placed = card.map_or(Ok(()), |card| card.write(&written));
            let placed = placed
                .and_then(|()| export::replace(&written, &place))
                .and_then(|()| export::seal(&place));
            placed.inspect_err(|_| export::clear(&place))
        });
        let panicked = |_| io::Error::other("the thread that wrote it has panicked");
        work.await.map_err(panicked)?.map(|()| target)
    }

    fn discard_model(&mut self) {
        export::clear(&self.directory.best_model());
    }
}

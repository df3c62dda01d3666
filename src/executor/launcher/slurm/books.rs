//! Which jobs there are for what.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::super::{Leaving, Place, Purpose};
use super::client::Seen;

/// How long a look at the queue holds for all slots.
const RECENT: Duration = Duration::from_millis(300);

/// How long to wait before one looks again at a job that waits: a quarter of the time that it has waited, within these.
const AGAIN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(15));

/// A job that was submitted.
#[derive(Debug)]
pub(super) struct Job {
    /// Its number.
    pub(super) id: String,
    since: Instant,
    /// Whether its machine was looked at, and found fit.
    pub(super) reached: bool,
    /// How often that was tried in vain.
    pub(super) looks: u32,
    /// Why its last worker had to leave, if it had to: then the job ends soon.
    pub(super) leaving: Option<watch::Receiver<Option<Leaving>>>,
}

impl Job {
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            since: Instant::now(),
            reached: false,
            looks: 0,
            leaving: None,
        }
    }
}

/// What is known of jobs.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Those in use.
    pub(super) jobs: BTreeMap<Purpose, Job>,
    /// Those of an earlier run that may be used.
    pub(super) earlier: BTreeMap<Purpose, String>,
    /// How many jobs in a row have ended before anything was reached in them.
    pub(super) in_vain: BTreeMap<Purpose, u32>,
    /// Whether enough of them have run for the search to begin.
    pub(super) begun: bool,
    /// What the user should know.
    pub(super) notes: Vec<String>,
    /// What Slurm has said last, and when.
    seen: Option<(Instant, BTreeMap<String, Seen>)>,
}

impl Books {
    /// The number of a job that has to be given up since it ends soon, if this purpose has one.
    pub(super) fn left(&mut self, purpose: Purpose) -> Option<String> {
        let leaves = |job: &Job| job.leaving.as_ref().is_some_and(|why| why.borrow().is_some());
        match self.jobs.get(&purpose).is_some_and(leaves) {
            true => self.jobs.remove(&purpose).map(|job| job.id),
            false => None,
        }
    }

    /// The number of the job for this purpose, if there is one, or one of an earlier run.
    pub(super) fn take(&mut self, purpose: Purpose) -> Option<String> {
        if !self.jobs.contains_key(&purpose)
            && let Some(id) = self.earlier.remove(&purpose)
        {
            self.jobs.insert(purpose, Job::new(id));
        }
        self.jobs.get(&purpose).map(|job| job.id.clone())
    }

    /// A job was submitted, of which nothing can have been said before.
    pub(super) fn submitted(&mut self, purpose: Purpose, id: String) {
        self.jobs.insert(purpose, Job::new(id));
        self.seen = None;
    }

    /// What Slurm has said just now, if it was asked.
    pub(super) fn recent(&self) -> Option<BTreeMap<String, Seen>> {
        let (at, seen) = self.seen.as_ref()?;
        (at.elapsed() < RECENT).then(|| seen.clone())
    }

    pub(super) fn keep(&mut self, seen: BTreeMap<String, Seen>) -> BTreeMap<String, Seen> {
        self.seen = Some((Instant::now(), seen.clone()));
        seen
    }

    /// A job waits.
    pub(super) fn waits(&self, purpose: Purpose, why: Option<String>) -> Place {
        let waited = self
            .jobs
            .get(&purpose)
            .map_or(Duration::ZERO, |job| job.since.elapsed());
        let (least, most) = AGAIN;
        Place::NotYet {
            why,
            again: (waited / 4).clamp(least, most),
        }
    }

    /// Forgets the job for a purpose, or all, and returns their numbers.
    pub(super) fn give_up(&mut self, purpose: Option<Purpose>) -> Vec<String> {
        match purpose {
            Some(purpose) => {
                let job = self.jobs.remove(&purpose);
                job.map(|job| job.id)
                    .into_iter()
                    .chain(self.earlier.remove(&purpose))
                    .collect()
            }
            None => {
                let jobs = std::mem::take(&mut self.jobs).into_values().map(|job| job.id);
                jobs.chain(std::mem::take(&mut self.earlier).into_values()).collect()
            }
        }
    }
}

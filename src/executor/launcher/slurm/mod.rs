//! Slots that Slurm gives: each is a job that holds a place, and whose workers are steps of it.
//!
//! The job itself runs `hpo agent`, which does nothing but stay for as long as there are steps beside it. A step is started by `srun`,
//! which Slurm lets reach into the job from wherever jobs can be submitted: what the worker says comes back on a connection that Slurm has
//! made and authenticated, so `hpo` needs no port and no secret of its own. A worker that ends leaves the job its place in the cluster, and
//! an `hpo` that is started again finds its jobs by their names and goes on in them.

mod books;
mod client;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex as Turn;
use tokio::task::spawn_blocking;

use super::{CommandLauncher, Launch, LaunchError, Launched, Launcher, Leftovers, Place, Purpose, Seek};
use crate::devices::{LaunchSettings, SlurmSettings};
use crate::diagnostic::visible;
use crate::executor::agent::HOLD;
use crate::store::StudyDirectory;
use crate::words::counted;
use books::{Books, Job};
pub use client::SlurmError;
use client::{Seen, State};

/// So many jobs in a row that end before a worker was reached in them, or looks at a machine that fail, mean that none will do better.
const FUTILE: u32 = 3;

/// How long to wait before Slurm is asked again that does not answer.
const AWAY: Duration = Duration::from_secs(5);

/// How long to wait after a limit has kept a job from being submitted.
const LIMITED: Duration = Duration::from_secs(60);

/// Looks at the machine that a launch command leads to, which is known by another number than those that are looked at meanwhile. It
/// returns what the user should know of it.
pub type Look = dyn Fn(usize, &LaunchSettings) -> Result<Vec<String>, Unfit> + Send + Sync;

/// Why no worker can run on a machine.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unfit {
    /// What is wrong, and what to do about it.
    pub message: String,
    /// Whether it may answer another time, or another machine may do.
    pub again: bool,
}

/// Jobs of Slurm, one for each purpose.
pub struct SlurmLauncher {
    settings: SlurmSettings,
    look: Arc<Look>,
    /// The names of what all tables of the study's file ask for.
    known: Vec<String>,
    books: Mutex<Books>,
    /// One at a time asks Slurm: what it answers does for all.
    turn: Turn<()>,
}

impl fmt::Debug for SlurmLauncher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlurmLauncher")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A name for what a table asks for, the same each time.
fn name_of(value: &impl fmt::Debug) -> String {
    let digest = Sha256::digest(format!("{value:?}"));
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name for jobs like those that a table asks for, however many.
fn asked(settings: &SlurmSettings) -> String {
    name_of(&(client::arguments(settings), &settings.hpo))
}

/// Looks whether Slurm would take the jobs that a table asks for.
///
/// # Errors
/// If it would not, or does not answer.
pub fn would_take(settings: &SlurmSettings) -> Result<(), SlurmError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| SlurmError::Missing("sbatch", error))?;
    runtime.block_on(client::would_take(settings))
}

/// The command that starts a program as a step of the job in which this process runs.
pub fn step(settings: &SlurmSettings) -> LaunchSettings {
    let mut command = ["srun", "--nodes=1", "--ntasks=1", "--exact", "--mpi=none"]
        .map(str::to_owned)
        .to_vec();
    command.extend(client::resources(settings));
    LaunchSettings {
        command,
        hpo: settings.hpo.clone(),
    }
}

impl SlurmLauncher {
    /// Jobs as one of these tables asks for them, on machines that `look` finds fit.
    pub fn new(settings: SlurmSettings, tables: &[&SlurmSettings], look: Arc<Look>) -> Self {
        Self {
            known: tables.iter().map(|table| asked(table)).collect(),
            settings,
            look,
            books: Mutex::default(),
            turn: Turn::default(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the names of all jobs of a study begin with that this table asks for.
    fn prefix(&self, study: &Path) -> String {
        format!("{}{}-", of_study(study), asked(&self.settings))
    }

    /// The command that starts a program in a job.
    fn attach(&self, id: &str) -> LaunchSettings {
        let cpus = format!("--cpus-per-task={}", self.settings.cpus);
        let job = format!("--jobid={id}");
        let mut command = client::without_job();
        let words = [
            "srun",
            &job,
            "--overlap",
            "--nodes=1",
            "--ntasks=1",
            &cpus,
            "--mpi=none",
            "--chdir=/",
        ];
        command.extend(words.map(str::to_owned));
        LaunchSettings {
            command,
            hpo: self.settings.hpo.clone(),
        }
    }

    /// Submits a job for this purpose.
    async fn submit(&self, study: &Path, purpose: Purpose) -> Result<Place, LaunchError> {
        let name = format!("{}{purpose}", self.prefix(study));
        let log = log(study, purpose);
        let mut words = vec![
            "--parsable".to_owned(),
            format!("--job-name={name}"),
            // A percent sign would begin a placeholder.
            format!("--output={}", log.display().to_string().replace('%', "%%")),
            "--open-mode=append".to_owned(),
        ];
        words.extend(client::arguments(&self.settings));
        let script = format!("#!/bin/sh\nexec {} agent <<'END'\n{HOLD}\nEND\n", self.settings.hpo);
        match client::submit(&words, &script).await {
            Ok(id) => {
                tracing::info!(id, name, "job submitted");
                self.books().submitted(purpose, id);
                Ok(Place::NotYet {
                    why: None,
                    again: Duration::from_millis(200),
                })
            }
            Err(error) => later(error),
        }
    }

    /// What becomes of a job that has ended.
    fn ended(&self, study: &Path, purpose: Purpose, id: &str, state: &str) -> Result<Place, LaunchError> {
        let (how, fault) = words::end(state);
        let mut books = self.books();
        let in_vain = books.jobs.remove(&purpose).is_some_and(|job| !job.reached) && fault;
        let times = books.in_vain.entry(purpose).or_default();
        *times = if in_vain { *times + 1 } else { 0 };
        if *times == FUTILE {
            let log = log(study, purpose);
            let printed = std::fs::read_to_string(&log).unwrap_or_default();
            let last = printed.lines().rev().find(|line| !line.trim().is_empty());
            let last = last.map_or(String::new(), |line| {
                format!(", and has printed last: {}", visible(line))
            });
            return Err(LaunchError::Slurm(format!(
                "{FUTILE} jobs in a row have ended before hpo could start anything in them. Of the last one, {id}, {how}{last} (see {})",
                log.display()
            )));
        }
        Ok(Place::not_yet(
            format!("job {id} is over, and another one is submitted: {how}"),
            Duration::ZERO,
        ))
    }

    /// Looks at the machine that a job runs on, once for each job.
    async fn reach(&self, purpose: Purpose, id: &str) -> Result<Place, LaunchError> {
        let (look, attach, number) = (Arc::clone(&self.look), self.attach(id), id.parse().unwrap_or(0));
        let looked = spawn_blocking(move || look(number, &attach)).await;
        let mut books = self.books();
        let Some(job) = books.jobs.get_mut(&purpose) else {
            return Ok(Place::not_yet("its job was given up".to_owned(), Duration::ZERO));
        };
        match looked {
            Ok(Ok(remarks)) => {
                job.reached = true;
                books.in_vain.remove(&purpose);
                Ok(match remarks.is_empty() {
                    true => Place::There,
                    false => Place::not_yet(remarks.join("; "), Duration::ZERO),
                })
            }
            Ok(Err(unfit)) if unfit.again && job.looks < FUTILE => {
                job.looks += 1;
                let why = format!("job {id} can't be reached: {unfit}");
                Ok(Place::not_yet(why, Duration::from_secs(u64::from(job.looks))))
            }
            Ok(Err(unfit)) => Err(LaunchError::Slurm(format!("job {id} can't train: {unfit}"))),
            Err(panicked) => Err(LaunchError::Slurm(panicked.to_string())),
        }
    }

    /// Whether so many jobs run that the search may begin.
    fn may_begin(&self, seen: &BTreeMap<String, Seen>) -> Result<(), Place> {
        let mut books = self.books();
        let runs = |job: &&Job| matches!(seen.get(&job.id), Some(Seen { state: State::Runs, .. }));
        let (running, least) = (books.jobs.values().filter(runs).count(), self.settings.min_slots);
        books.begun |= running >= least as usize;
        match books.begun {
            true => Ok(()),
            false => Err(Place::not_yet(
                format!("{running} of {least} jobs run, before which nothing begins"),
                Duration::from_secs(1),
            )),
        }
    }

    async fn seek(&self, study: &Path, purpose: Purpose) -> Result<Place, LaunchError> {
        let turn = self.turn.lock().await;
        let (id, left) = {
            let mut books = self.books();
            if let Some(note) = books.notes.pop() {
                return Ok(Place::not_yet(note, Duration::ZERO));
            }
            let left = books.left(purpose);
            (books.take(purpose), left)
        };
        if let Some(left) = left {
            client::cancel(&[left]).await;
        }
        let Some(id) = id else {
            return self.submit(study, purpose).await;
        };
        let listed = self.books().recent();
        let seen = match listed {
            Some(seen) => seen,
            None => match client::list().await {
                Ok(seen) => self.books().keep(seen),
                Err(error) => return later(error),
            },
        };
        let state = seen
            .get(&id)
            .map_or(State::Ended(String::new()), |seen| seen.state.clone());
        match state {
            State::Ended(how) => self.ended(study, purpose, &id, &how),
            State::Pending(said) => {
                // One that Slurm has not looked at yet has no reason.
                if said == "None" {
                    return Ok(self.books().waits(purpose, None));
                }
                let reason = words::reason(&said);
                match reason.for_ever {
                    true => Err(LaunchError::Slurm(format!(
                        "job {id} would never start: {}",
                        reason.words
                    ))),
                    false => {
                        let why = format!("jobs wait in the queue: {}", reason.words);
                        Ok(self.books().waits(purpose, Some(why)))
                    }
                }
            }
            State::Suspended => Ok(self.books().waits(purpose, Some("jobs are suspended".to_owned()))),
            State::Runs => {
                if let Err(wait) = self.may_begin(&seen) {
                    return Ok(wait);
                }
                drop(turn);
                let reached = self.books().jobs.get(&purpose).is_some_and(|job| job.reached);
                match reached {
                    true => Ok(Place::There),
                    false => self.reach(purpose, &id).await,
                }
            }
        }
    }
}

/// Where what the jobs for a purpose print goes. What their workers print is in the logs of trials.
fn log(study: &Path, purpose: Purpose) -> PathBuf {
    StudyDirectory::new(study).logs().join(format!("slurm-{purpose}.log"))
}

/// What the names of all jobs of a study begin with.
fn of_study(study: &Path) -> String {
    format!("hpo-{}-", name_of(&study.as_os_str()))
}

/// What Slurm does not do now it may do later, but what it refuses it refuses again; a limit of what one user may have at once is none of
/// these.
fn later(error: SlurmError) -> Result<Place, LaunchError> {
    match error {
        SlurmError::Away(_) => Ok(Place::not_yet(error.to_string(), AWAY)),
        SlurmError::Refused { ref said, .. } if said.contains("policy") => {
            Ok(Place::not_yet(error.to_string(), LIMITED))
        }
        SlurmError::Refused { .. } | SlurmError::Missing(..) | SlurmError::TooLong { .. } => {
            Err(LaunchError::Slurm(format!("{error}; {}", error.help())))
        }
    }
}

impl Launcher for SlurmLauncher {
    fn place<'a>(&'a self, study: &'a Path, purpose: Purpose) -> Seek<'a> {
        Box::pin(self.seek(study, purpose))
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<Launched, LaunchError> {
        let id = self.books().jobs.get(&launch.purpose).map(|job| job.id.clone());
        let id = id.ok_or_else(|| LaunchError::Slurm("there is no job for it".to_owned()))?;
        let launched = CommandLauncher::new(self.attach(&id)).launch(launch)?;
        if let Some(job) = self.books().jobs.get_mut(&launch.purpose) {
            job.leaving = Some(launched.leaving.clone());
        }
        Ok(launched)
    }

    /// Jobs of an earlier run are taken over where they are what is asked for now, and cancelled otherwise. What ran in them ends by itself,
    /// at the latest when another worker takes its place.
    fn end_leftovers(&self, study: &Path, which: Leftovers) -> usize {
        if which == Leftovers::Exports {
            return 0;
        }
        let study = std::fs::canonicalize(study).unwrap_or_else(|_| study.to_owned());
        let listed = aside(client::list());
        let Some(Ok(seen)) = listed else { return 0 };
        let (of_study, own) = (of_study(&study), self.prefix(&study));
        let mut cancelled = Vec::new();
        let mut books = self.books();
        for (id, Seen { name, state }) in seen {
            let Some(rest) = name
                .strip_prefix(&of_study)
                .filter(|_| !matches!(state, State::Ended(_)))
            else {
                continue;
            };
            let (table, purpose) = rest.split_once('-').unwrap_or((rest, ""));
            match Purpose::parse(purpose) {
                Some(purpose @ Purpose::Slot(_)) if name.starts_with(&own) => drop(books.earlier.insert(purpose, id)),
                Some(Purpose::Slot(_)) if self.known.iter().any(|known| known == table) => {}
                Some(Purpose::Slot(_)) => cancelled.push(id),
                Some(Purpose::Export(_)) | None => {}
            }
        }
        let taken = books.earlier.len();
        for (count, what) in [(cancelled.len(), "cancelled"), (taken, "taken over")] {
            if count > 0 {
                books
                    .notes
                    .push(format!("{} of an earlier run {what}", counted(count, "job")));
            }
        }
        drop(books);
        aside(client::cancel(&cancelled));
        0
    }

    fn vacate(&self, study: &Path, purpose: Option<Purpose>) {
        let mut ids = self.books().give_up(purpose);
        if purpose.is_none() {
            // One may have been submitted whose number was never heard.
            let study = std::fs::canonicalize(study).unwrap_or_else(|_| study.to_owned());
            let prefix = self.prefix(&study);
            let of_slot = |name: &str| {
                name.strip_prefix(&prefix)
                    .is_some_and(|slot| slot.parse::<u32>().is_ok())
            };
            let listed = aside(client::list()).and_then(Result::ok).unwrap_or_default();
            let own = listed
                .into_iter()
                .filter(|(_, seen)| of_slot(&seen.name) && !matches!(seen.state, State::Ended(_)));
            ids.extend(own.map(|(id, _)| id));
            ids.sort();
            ids.dedup();
        }
        aside(client::cancel(&ids));
    }
}

/// Waits for something on a thread of its own: this one may be within a runtime, which can't wait for another one.
fn aside<T: Send>(what: impl Future<Output = T> + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.ok().map(|runtime| runtime.block_on(what))
        });
        waits.join().ok().flatten()
    })
}

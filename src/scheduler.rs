//! The loop: what slots tell goes into the core, its records to disk, and only then its commands to the slots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hpo_protocol::{Feature, Run};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::executor::{News, Order, Program, Slot, SlotNews, Worker};
use crate::export;
use crate::kill;
use crate::store::{CommitError, Database, Store, StudyDirectory};
use crate::study::{Command, Event, Fact, Limits, Record, SlotId, Step, Study, Timestamp, Trial, TrialId, TrialState};

/// How long workers may take to stop in good order.
const GRACE: Duration = Duration::from_secs(30);

/// How often a view is asked to draw itself anew.
const FRAME: Duration = Duration::from_millis(250);

/// The untrained model is measured again so often if the worker dies of it.
const EVALUATIONS: u32 = 2;

/// What looks on while a study runs.
pub trait Observer {
    /// Records have become durable; `study` is as they leave it.
    fn recorded(&mut self, study: &Study, records: &[Record]);

    /// A trial has come to `resource` on its way to the next whole one.
    fn progress(&mut self, trial: TrialId, resource: f64, examples_per_second: Option<f64>);

    /// The user has asked to stop; running segments are being saved.
    fn stopping(&mut self);

    /// Time has passed.
    fn tick(&mut self, study: &Study, now: Timestamp);
}

/// How a run of the scheduler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to train.
    Finished,
    /// The user has stopped it.
    Stopped,
}

/// Why the scheduler can't go on. What was recorded is safe.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// Records can't be made durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// No trial can run.
    #[error("no trial can run: {0}")]
    Fatal(String),
    /// The system gives no signals.
    #[error("can't listen for signals: {0}")]
    Signals(std::io::Error),
}

/// What a scheduler needs.
pub struct Job {
    /// Where the study lies.
    pub directory: StudyDirectory,
    /// The study, opened for writing.
    pub store: Store,
    /// Where trials run.
    pub slots: Vec<Slot>,
    /// What trains them.
    pub program: Program,
    /// How far the study shall go; not less than was recorded.
    pub limits: Limits,
}

/// What a scheduler leaves.
pub struct Ended {
    /// How it ended.
    pub outcome: Result<Outcome, SchedulerError>,
    /// The study as recorded.
    pub study: Study,
    /// The trial database, unless it can't be used.
    pub database: Option<Database>,
    /// Where the best model was written, or why not, if the trainer can write one.
    pub model: Option<Result<PathBuf, String>>,
}

/// Runs a study until nothing is left to train or the user stops it.
///
/// It must run on a single-threaded runtime: the kernel ends a worker with the thread that started it.
pub async fn run(job: Job, observer: &mut dyn Observer) -> Ended {
    let Job {
        directory,
        store,
        slots,
        program,
        limits,
    } = job;
    let (tell, news) = unbounded_channel();
    let names = slots.iter().map(Slot::name).collect();
    let workers = slots
        .into_iter()
        .map(|slot| (slot.id, Worker::start(slot, program.clone(), &directory, tell.clone())))
        .collect();
    let mut scheduler = Scheduler {
        directory,
        store,
        workers,
        news,
        idle: BTreeSet::new(),
        evaluations: 0,
        evaluating: None,
        export: Export::Unasked,
        can_export: true,
        stopping: None,
        observer,
    };
    let opened = Event::Opened {
        process: std::process::id(),
        slots: names,
        limits,
    };
    let outcome = scheduler.run(opened).await;
    let Scheduler {
        store, workers, export, ..
    } = scheduler;
    drop(workers);
    let (database, _) = store.committer.close();
    Ended {
        outcome,
        study: store.study,
        database,
        model: match export {
            Export::Done(directory) => Some(directory),
            Export::Unasked | Export::Asked(..) => None,
        },
    }
}

enum Export {
    Unasked,
    /// A slot is at it, with the model of a trial.
    Asked(SlotId, TrialId),
    Done(Result<PathBuf, String>),
}

struct Scheduler<'a> {
    directory: StudyDirectory,
    store: Store,
    workers: BTreeMap<SlotId, Worker>,
    news: UnboundedReceiver<SlotNews>,
    idle: BTreeSet<SlotId>,
    evaluations: u32,
    evaluating: Option<SlotId>,
    export: Export,
    /// Whether the workers can; assumed until one has said what it can do.
    can_export: bool,
    /// Until when running segments may save themselves.
    stopping: Option<Instant>,
    observer: &'a mut dyn Observer,
}

impl Scheduler<'_> {
    async fn run(&mut self, opened: Event) -> Result<Outcome, SchedulerError> {
        let listen = |kind| signal(kind).map_err(SchedulerError::Signals);
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hangup = listen(SignalKind::hangup())?;
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.delete_strays();
        let step = self.store.study.handle(now(), opened);
        self.carry_out(step).await?;
        while !self.is_over() {
            tokio::select! {
                Some(first) = self.news.recv() => {
                    let mut batch = vec![first];
                    while let Ok(more) = self.news.try_recv() {
                        batch.push(more);
                    }
                    self.take(batch).await?;
                }
                () = any(&mut interrupt, &mut terminate, &mut hangup) => {
                    if self.stopping.is_some() {
                        tracing::warn!("asked to stop a second time: not waiting for running segments");
                        break;
                    }
                    self.stop();
                }
                () = until(self.stopping) => {
                    tracing::warn!("some workers did not stop in time");
                    break;
                }
                _ = frames.tick() => self.observer.tick(&self.store.study, now()),
            }
        }
        // Workers go first: what one of them still writes would be left.
        self.workers.clear();
        tokio::task::yield_now().await;
        self.delete_strays();
        kill::point("scheduler.close:swept");
        let step = self.store.study.handle(now(), Event::Closed);
        self.carry_out(step).await?;
        let finished = self.store.study.is_finished();
        Ok(if finished { Outcome::Finished } else { Outcome::Stopped })
    }

    fn is_over(&self) -> bool {
        if !self.store.study.is_finished() {
            return self.stopping.is_some() && !self.store.study.trials().iter().any(is_running);
        }
        let model = self.store.study.best().and_then(Trial::best_checkpoint);
        matches!(self.export, Export::Done(_)) || !self.can_export || model.is_none()
    }

    /// Takes in what slots tell, has it recorded in one batch, and gives free slots work.
    async fn take(&mut self, batch: Vec<SlotNews>) -> Result<(), SchedulerError> {
        let mut step = Step::default();
        for SlotNews { slot, news } in batch {
            if let Some(event) = self.hear(slot, news)? {
                let next = self.store.study.handle(now(), event);
                step.records.extend(next.records);
                step.commands.extend(next.commands);
            }
        }
        if self.stopping.is_none() && self.evaluating.is_none() {
            let slots = self.idle.iter().copied().collect();
            let next = self.store.study.handle(now(), Event::Idle { slots });
            step.records.extend(next.records);
            step.commands.extend(next.commands);
        }
        self.carry_out(step).await?;
        self.export_best();
        Ok(())
    }

    /// What the core has to know of it.
    fn hear(&mut self, slot: SlotId, news: News) -> Result<Option<Event>, SchedulerError> {
        Ok(match news {
            News::Idle { features } => {
                let measure = features.contains(&Feature::Evaluate)
                    && self.store.study.baseline().is_none()
                    && self.evaluating.is_none_or(|busy| busy == slot)
                    && self.evaluations < EVALUATIONS;
                self.evaluating = self.evaluating.filter(|&busy| busy != slot);
                if measure {
                    self.evaluations += 1;
                    self.evaluating = Some(slot);
                    self.order(slot, Order::Evaluate);
                } else {
                    self.idle.insert(slot);
                }
                self.can_export = features.contains(&Feature::Export);
                if matches!(self.export, Export::Asked(busy, _) if busy == slot) {
                    self.export = Export::Done(Err("the worker died while it wrote the model".into()));
                }
                None
            }
            News::Evaluated { loss, metrics } => Some(Event::Evaluated { loss, metrics }),
            News::Progress {
                trial,
                resource,
                examples_per_second,
            } => {
                self.observer.progress(trial, resource, examples_per_second);
                None
            }
            News::Reported {
                trial,
                attempt,
                resource,
                loss,
                metrics,
                checkpoint,
                last,
            } => Some(Event::Reported {
                trial,
                attempt,
                resource,
                loss,
                metrics,
                checkpoint,
                last,
            }),
            News::Stopped {
                trial,
                attempt,
                checkpoint,
            } => Some(Event::Stopped {
                trial,
                attempt,
                checkpoint,
            }),
            News::Failed {
                trial,
                attempt,
                message,
                checkpoint_lost,
            } => Some(Event::Failed {
                trial,
                attempt,
                message,
                checkpoint_lost,
            }),
            News::Exported { directory, test } => {
                let trial = match self.export {
                    Export::Asked(_, trial) => Some(trial),
                    Export::Unasked | Export::Done(_) => None,
                };
                let target = self.directory.best_model();
                self.export = Export::Done(directory.and_then(|partial| {
                    let placed = export::place(&partial, &target).map(|()| target);
                    placed.map_err(|error| error.to_string())
                }));
                let tested = trial.zip(test);
                tested.map(|(trial, measurement)| Event::Tested { trial, measurement })
            }
            // All is trained: what can't be written any more takes nothing from the answer.
            News::Fatal { message } if self.store.study.is_finished() => {
                self.export = Export::Done(Err(message));
                None
            }
            News::Fatal { message } => return Err(SchedulerError::Fatal(message)),
        })
    }

    /// Makes the records of a step durable and then carries out its commands.
    async fn carry_out(&mut self, step: Step) -> Result<(), SchedulerError> {
        if !step.records.is_empty() {
            let touched: BTreeSet<TrialId> = step.records.iter().filter_map(|record| record.fact.trial()).collect();
            let study = &self.store.study;
            let rows = touched
                .iter()
                .filter_map(|&id| study.trial(id))
                .map(Into::into)
                .collect();
            self.store.committer.commit(step.records.clone(), rows).await?;
            for record in &step.records {
                tracing::info!(fact = ?record.fact, "recorded");
            }
            self.observer.recorded(study, &step.records);
            for record in &step.records {
                if let Fact::SegmentFailed { trial, .. } = record.fact {
                    self.delete_strays_of(trial);
                }
            }
        }
        for command in step.commands {
            kill::point("scheduler.command:before");
            match command {
                Command::Run {
                    slot,
                    trial,
                    attempt,
                    from,
                    to,
                    checkpoint,
                } => {
                    self.idle.remove(&slot);
                    let Some(state) = self.store.study.trial(trial) else {
                        continue;
                    };
                    let run = Run {
                        trial,
                        attempt,
                        seed: state.seed,
                        parameters: state.parameters.clone(),
                        from,
                        to,
                        max: self.store.study.spec().policy.max_resource,
                        checkpoint: None,
                        checkpoints: PathBuf::new(),
                    };
                    self.order(slot, Order::Run { run, checkpoint });
                }
                Command::Stop {
                    slot,
                    trial,
                    attempt,
                    save,
                } => self.order(slot, Order::Stop { trial, attempt, save }),
                Command::Replace { slot } => self.order(slot, Order::Replace),
                Command::Delete { files } => {
                    for file in files {
                        self.delete(&self.directory.checkpoints().join(file));
                    }
                }
            }
        }
        Ok(())
    }

    fn order(&self, slot: SlotId, order: Order) {
        if let Some(worker) = self.workers.get(&slot) {
            worker.order(order);
        }
    }

    fn stop(&mut self) {
        self.stopping = Some(Instant::now() + GRACE);
        self.observer.stopping();
        for trial in self.store.study.trials() {
            if let TrialState::Running { slot, .. } | TrialState::Ahead { slot, .. } = trial.state {
                let (trial, attempt, save) = (trial.id, trial.attempts, true);
                self.order(slot, Order::Stop { trial, attempt, save });
            }
        }
    }

    /// At the end of the study, has the best trial's model written.
    fn export_best(&mut self) {
        let asked = !matches!(self.export, Export::Unasked);
        if asked || !self.can_export || !self.store.study.is_finished() {
            return;
        }
        let best = self.store.study.best();
        let checkpoint = best.and_then(|trial| Some((trial.id, trial.best_checkpoint()?.clone())));
        if let (Some(&slot), Some((trial, checkpoint))) = (self.idle.first(), checkpoint) {
            let directory = export::partial(&self.directory.best_model());
            self.export = Export::Asked(slot, trial);
            self.order(slot, Order::Export { checkpoint, directory });
        }
    }

    /// Deletes checkpoints that nobody knows of: left by a scheduler or a worker that was killed.
    fn delete_strays(&self) {
        let kept = self.store.study.checkpoint_files();
        for trial in entries(&self.directory.checkpoints()) {
            self.delete_all_but(&kept, &trial);
        }
    }

    /// The same for a trial whose segment has failed.
    fn delete_strays_of(&self, trial: TrialId) {
        let checkpoints = self.store.study.trial(trial).into_iter().flat_map(Trial::checkpoints);
        let kept = checkpoints.map(|checkpoint| checkpoint.file.as_str()).collect();
        let directory = StudyDirectory::trial_checkpoints(trial);
        self.delete_all_but(&kept, &self.directory.checkpoints().join(directory));
    }

    fn delete_all_but(&self, kept: &BTreeSet<&str>, directory: &Path) {
        let root = self.directory.checkpoints();
        for path in entries(directory) {
            let known = path.strip_prefix(&root).ok().and_then(Path::to_str);
            if known.is_none_or(|name| !kept.contains(name)) {
                self.delete(&path);
            }
        }
    }

    fn delete(&self, checkpoint: &Path) {
        match std::fs::remove_file(checkpoint) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, file = %checkpoint.display(), "can't delete a checkpoint");
            }
            _ => {}
        }
        if let Some(directory) = checkpoint.parent() {
            // It stays for as long as the trial has other checkpoints.
            let _ = std::fs::remove_dir(directory);
        }
    }
}

/// What is in a directory; nothing if it can't be read.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn is_running(trial: &Trial) -> bool {
    matches!(trial.state, TrialState::Running { .. } | TrialState::Ahead { .. })
}

/// The time now.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

async fn any(a: &mut Signal, b: &mut Signal, c: &mut Signal) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
        _ = c.recv() => {}
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

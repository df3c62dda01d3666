//! The loop: what slots tell goes into the core, its records to disk, and only then its commands to the slots.

mod aside;
mod job;
mod pause;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use hpo_protocol::{Feature, Run, SegmentId};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::clock::now;
use crate::executor::{self, News, Order, Slot, SlotNews, Worker};
use crate::export;
use crate::ids::{SlotId, TrialId};
use crate::kill;
use crate::signals::Signals;
use crate::store::{Store, StudyDirectory};
use crate::study::{Command, Event, Fact, Step, Trial, TrialState};
use crate::words::counted;

use aside::Place;
pub use job::{Ended, Job, Observer, Outcome, SchedulerError};
use pause::Pause;

/// How long workers may take to stop in good order.
const GRACE: Duration = Duration::from_secs(30);

/// How often a view is asked to draw itself anew.
const FRAME: Duration = Duration::from_millis(250);

/// Slots that have more to tell wait: what they tell may not be recorded for as long as the disk is full.
const NEWS_AHEAD: usize = 64;

/// The untrained model is measured again so often if the worker dies of it.
const EVALUATIONS: u32 = 2;

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
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            let (database, database_trouble) = store.committer.close(&store.study);
            return Ended {
                outcome: Err(SchedulerError::Signals(error)),
                study: store.study,
                database,
                database_trouble,
                model: None,
            };
        }
    };
    // What a scheduler that was killed has left behind would take memory and cores from the new workers.
    let strays = executor::kill_strays(directory.root());
    if strays > 0 {
        observer.note(&format!(
            "note: ended {} that an earlier run had left behind",
            counted(strays, "process")
        ));
    }
    let (tell, news) = channel(NEWS_AHEAD);
    let names: Vec<String> = slots.iter().map(Slot::name).collect();
    let places = slots.iter().map(|slot| (slot.id, Place::new(slot))).collect();
    let workers = slots
        .into_iter()
        .map(|slot| (slot.id, Worker::start(slot, program.clone(), &directory, tell.clone())))
        .collect();
    let mut scheduler = Scheduler {
        directory,
        store,
        workers,
        places,
        news,
        idle: BTreeSet::new(),
        evaluations: 0,
        evaluating: None,
        export: Export::Unasked,
        export_failures: 0,
        can_export: true,
        stopping: None,
        hurried: false,
        full: Vec::new(),
        pause: None,
        paused_before: None,
        gave_up: false,
        signals,
        observer,
    };
    let opened = Event::Opened {
        process: std::process::id(),
        slots: names,
        limits,
    };
    let outcome = scheduler.run(opened).await;
    // What could not be recorded is forgotten, and the checkpoints from before it are needed again.
    let forgets = matches!(outcome, Err(SchedulerError::Commit(_)));
    let outcome = match outcome {
        // The user did not want to wait for space.
        Err(SchedulerError::Commit(_)) if scheduler.gave_up => Ok(Outcome::Stopped),
        outcome => outcome,
    };
    // Nobody listens any more, and nobody may wait for it.
    scheduler.news.close();
    let workers = std::mem::take(&mut scheduler.workers);
    if outcome.is_ok() && !scheduler.hurried {
        Worker::end_all(workers.into_values().collect()).await;
    } else {
        drop(workers);
        tokio::task::yield_now().await;
    }
    if !forgets {
        // Only now: what a worker still wrote would be left.
        scheduler.sweep(None);
    }
    kill::point("scheduler.close:swept");
    let Scheduler { store, export, .. } = scheduler;
    if !matches!(outcome, Ok(Outcome::Finished)) {
        store.committer.hurry();
    }
    let (database, database_trouble) = store.committer.close(&store.study);
    Ended {
        outcome,
        study: store.study,
        database,
        database_trouble,
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
    /// Of the slots that are not set aside.
    workers: BTreeMap<SlotId, Worker>,
    places: BTreeMap<SlotId, Place>,
    news: Receiver<SlotNews>,
    idle: BTreeSet<SlotId>,
    evaluations: u32,
    evaluating: Option<SlotId>,
    export: Export,
    /// How many workers have died of it.
    export_failures: u32,
    /// Whether the workers can; assumed until one has said what it can do.
    can_export: bool,
    /// Until when running segments may save themselves.
    stopping: Option<Instant>,
    /// Whether workers are not to be waited for.
    hurried: bool,
    /// Trials whose checkpoints the disk had no space for.
    full: Vec<TrialId>,
    /// No segments are started meanwhile.
    pause: Option<Pause>,
    /// The last pause, if nothing could be saved since.
    paused_before: Option<Pause>,
    /// Whether the user did not want to wait until records can be made durable.
    gave_up: bool,
    signals: Signals,
    observer: &'a mut dyn Observer,
}

impl Scheduler<'_> {
    async fn run(&mut self, opened: Event) -> Result<Outcome, SchedulerError> {
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.sweep(None);
        let step = self.store.study.handle(now(), opened);
        self.carry_out(step).await?;
        let ended = self.serve(&mut frames).await;
        if let Err(error @ SchedulerError::Commit(_)) = ended {
            return Err(error);
        }
        let step = self.store.study.handle(now(), Event::Closed);
        self.carry_out(step).await?;
        ended?;
        let finished = self.store.study.is_finished();
        Ok(if finished { Outcome::Finished } else { Outcome::Stopped })
    }

    async fn serve(&mut self, frames: &mut Interval) -> Result<(), SchedulerError> {
        while !self.is_over() {
            tokio::select! {
                Some(first) = self.news.recv() => {
                    let mut batch = vec![first];
                    while let Ok(more) = self.news.try_recv() {
                        batch.push(more);
                    }
                    self.take(batch).await?;
                }
                () = self.signals.received() => {
                    if self.stopping.is_some() {
                        tracing::warn!("asked to stop a second time: not waiting for running segments");
                        self.hurried = true;
                        break;
                    }
                    self.stop();
                }
                () = until(self.stopping) => {
                    tracing::warn!("some workers did not stop in time");
                    break;
                }
                _ = frames.tick() => {
                    self.observer.tick(&self.store.study, now());
                    if self.is_pause_over() {
                        self.take(Vec::new()).await?;
                    }
                }
            }
        }
        Ok(())
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
        let mut aside = Vec::new();
        for SlotNews { slot, news } in batch {
            if let News::Fatal { message } = news {
                aside.push((slot, message));
            } else if let Some(event) = self.hear(slot, news).await {
                let next = self.store.study.handle(now(), event);
                aside.extend(self.judge(slot, &next.records).map(|message| (slot, message)));
                step.records.extend(next.records);
                step.commands.extend(next.commands);
            }
        }
        let lost = aside.into_iter().try_for_each(|(slot, why)| self.set_aside(slot, why));
        if lost.is_err() {
            self.carry_out(step).await?;
            return lost;
        }
        if self.stopping.is_none() && self.evaluating.is_none() && self.pause.is_none() && self.full.is_empty() {
            let slots = self.idle.iter().copied().collect();
            let next = self.store.study.handle(now(), Event::Idle { slots });
            step.records.extend(next.records);
            step.commands.extend(next.commands);
        }
        self.carry_out(step).await?;
        self.pause_if_full();
        self.export_best();
        Ok(())
    }

    /// What the core has to know of it.
    async fn hear(&mut self, slot: SlotId, news: News) -> Option<Event> {
        match news {
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
                None
            }
            News::Happened(event) => {
                if matches!(event, Event::Reported(_)) {
                    self.paused_before = None;
                }
                Some(event)
            }
            News::Progress {
                trial,
                resource,
                examples_per_second,
            } => {
                self.observer.progress(trial, resource, examples_per_second);
                None
            }
            News::NoSpace {
                trial,
                attempt,
                message,
            } => {
                let what = message.lines().next().unwrap_or_default();
                self.observer.paused(&format!("trial {trial} can't be saved: {what}"));
                self.full.push(trial);
                let checkpoint = None;
                Some(Event::Stopped {
                    trial,
                    attempt,
                    checkpoint,
                })
            }
            News::Exported { directory, test } => {
                let trial = match self.export {
                    Export::Asked(_, trial) => Some(trial),
                    Export::Unasked | Export::Done(_) => None,
                };
                self.keep_model(directory).await;
                let tested = trial.zip(test);
                tested.map(|(trial, measurement)| Event::Tested { trial, measurement })
            }
            News::ExportFailed { message, again } => {
                match again {
                    true => self.export_failed(message),
                    false => self.export = Export::Done(Err(message)),
                }
                None
            }
            News::Fatal { .. } => None,
        }
    }

    /// Makes the records of a step durable and then carries out its commands.
    async fn carry_out(&mut self, step: Step) -> Result<(), SchedulerError> {
        if !step.records.is_empty() {
            self.commit(step.records.clone()).await?;
            for record in &step.records {
                tracing::info!(fact = ?record.fact, "recorded");
            }
            self.observer.recorded(&self.store.study, &step.records);
            for record in &step.records {
                if let Fact::SegmentFailed { trial, .. } = record.fact {
                    self.sweep(Some(trial));
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
                    let policy = &self.store.study.spec().policy;
                    let run = Run {
                        segment: SegmentId {
                            trial: hpo_protocol::TrialId(trial),
                            attempt,
                        },
                        seed: state.seed,
                        parameters: state.parameters.clone(),
                        unit: policy.unit,
                        report_every: policy.report_every,
                        from,
                        to,
                        max: policy.max_resource,
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
                    let root = self.directory.checkpoints();
                    files.iter().for_each(|file| executor::delete(&root, file));
                }
            }
            kill::point("scheduler.command:after");
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
        let Some((trial, checkpoint)) = checkpoint else {
            let lost = best.map(|trial| trial.id);
            self.export = match lost {
                Some(trial) => Export::Done(Err(format!(
                    "the checkpoint of trial {trial} is lost; hpo export writes its configuration, with which hpo train trains it again"
                ))),
                None => Export::Unasked,
            };
            return;
        };
        if let Some(&slot) = self.idle.first() {
            let target = self.directory.best_model();
            export::clear(&target);
            let directory = export::partial(&target);
            self.export = Export::Asked(slot, trial);
            self.order(slot, Order::Export { checkpoint, directory });
        }
    }

    /// Puts the model that was written in its place. It may be large: the user may stop that too.
    async fn keep_model(&mut self, written: PathBuf) {
        let target = self.directory.best_model();
        let place = target.clone();
        let work = spawn_blocking(move || {
            let placed = export::replace(&written, &place).and_then(|()| export::seal(&place));
            placed.inspect_err(|_| export::clear(&place))
        });
        let placed = tokio::select! {
            Ok(placed) = work => placed.map_err(|error| error.to_string()),
            () = self.signals.received() => {
                self.stopping = Some(Instant::now());
                self.hurried = true;
                Err("it was stopped".into())
            }
            else => Err("the thread that wrote it has panicked".into()),
        };
        self.export = Export::Done(placed.map(|()| target));
    }

    /// Has the model written once more, as often as a segment is tried again.
    fn export_failed(&mut self, why: String) {
        export::clear(&self.directory.best_model());
        self.export_failures += 1;
        let again = self.export_failures <= self.store.study.spec().retries;
        self.export = match again {
            true => Export::Unasked,
            false => Export::Done(Err(why)),
        };
    }

    /// Deletes checkpoints of one trial, or of all, that nobody knows of: left by a scheduler or a worker that was killed.
    fn sweep(&self, of: Option<TrialId>) {
        let study = &self.store.study;
        let kept = match of.and_then(|trial| study.trial(trial)) {
            Some(trial) => trial.checkpoints().map(|checkpoint| checkpoint.file.as_str()).collect(),
            None => study.checkpoint_files(),
        };
        executor::delete_strays(&self.directory.checkpoints(), of, &kept);
    }
}

fn is_running(trial: &Trial) -> bool {
    matches!(trial.state, TrialState::Running { .. } | TrialState::Ahead { .. })
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

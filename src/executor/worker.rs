//! A slot's worker: a process that is kept warm over many segments and replaced when it dies.

use std::path::PathBuf;
use std::time::Duration;

use hpo_protocol::{Feature, FromWorker, SegmentId, Start, ToWorker, VERSION};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::checkpoint;
use super::family::Role;
use super::log::WorkerLog;
use super::news::{News, Order, SlotNews};
use super::process::{Process, Program};
use super::said::{check, shown};
use super::slots::Slot;
use super::watch::{ANSWER, Task, patience, silence};
use crate::disk::{create_directories, is_short};
use crate::ids::TrialId;
use crate::store::StudyDirectory;
use crate::study::{Checkpoint, Event, Measures, Reported};

/// So many workers in a row that die before they are ready mean that none will ever be.
const FALSE_STARTS: u32 = 3;

/// How long workers are waited for at the end. It is longer than one takes that has to be killed.
const LAST_WAIT: Duration = Duration::from_secs(15);

/// How often the progress of a segment is passed on at most.
const PROGRESS: Duration = Duration::from_millis(100);

/// A slot at work. Dropping it kills its worker.
#[derive(Debug)]
pub struct Worker {
    orders: Option<UnboundedSender<Order>>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker on a slot. What it has to tell goes to `news`.
    pub fn start(slot: Slot, program: Program, study: &StudyDirectory, news: Sender<SlotNews>) -> Self {
        let role = Role::Slot(slot.id);
        Self::start_as(role, slot, program, study, news)
    }

    /// The same for any purpose.
    pub(super) fn start_as(
        role: Role,
        slot: Slot,
        program: Program,
        study: &StudyDirectory,
        news: Sender<SlotNews>,
    ) -> Self {
        let (orders, queue) = unbounded_channel();
        let root = study.root();
        let log = match role {
            Role::Slot(slot) => format!("slot-{slot}"),
            Role::Export(_) => "export".into(),
        };
        let keeper = Keeper {
            role,
            log: WorkerLog::new(study.logs(), log),
            checkpoints: std::path::absolute(study.checkpoints()).unwrap_or_else(|_| study.checkpoints()),
            study: std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()),
            slot,
            program,
            news,
            queue,
            task: Task::Starting,
            idle: false,
            held: None,
            served: false,
            given: None,
            told: None,
            features: Vec::new(),
        };
        Self {
            orders: Some(orders),
            task: tokio::spawn(keeper.keep()),
        }
    }

    /// Gives an order. A slot whose news was fatal takes no more.
    pub fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// Ends workers in good order, all at once: each may take a few seconds to leave by itself before it is killed.
    pub async fn end_all(mut workers: Vec<Self>) {
        for worker in &mut workers {
            worker.orders = None;
        }
        let ended = async {
            for worker in &mut workers {
                let _ = (&mut worker.task).await;
            }
        };
        // Whose slot is at a large file takes no notice.
        let _ = timeout(LAST_WAIT, ended).await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a worker is no more.
enum End {
    /// It was asked for, or follows from what it has told.
    Replaced,
    /// It died, or has to die for what it did.
    Died(String),
    /// No other would fare better on this slot.
    Fatal(String),
    /// The scheduler has gone.
    Closed,
}

struct Keeper {
    role: Role,
    slot: Slot,
    program: Program,
    study: PathBuf,
    checkpoints: PathBuf,
    log: WorkerLog,
    news: Sender<SlotNews>,
    queue: UnboundedReceiver<Order>,
    task: Task,
    /// Whether it has told that the slot is idle, and got nothing to do since. It tells so once, whatever becomes of the worker: who
    /// heard it twice would give the slot two segments.
    idle: bool,
    /// What was meant for a worker that has died meanwhile. The next one gets it once it is ready.
    held: Option<Order>,
    /// Whether this worker has answered anything but that it is ready.
    served: bool,
    /// What a worker that has served before got to do, until it says a word. If it was about to leave, the next one gets it.
    given: Option<Order>,
    /// When progress was last passed on.
    told: Option<Instant>,
    features: Vec<Feature>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut false_starts = 0;
        loop {
            (self.task, self.served, self.given) = (Task::Starting, false, None);
            let end = match Process::spawn(&self.program, &self.slot, self.role, &self.study, &self.log) {
                Ok(mut process) => {
                    let end = self.attend(&mut process).await;
                    match end {
                        End::Closed => process.end().await,
                        End::Died(_) if process.has_left() => self.pass_on(),
                        _ => {}
                    }
                    end
                }
                Err(message) => End::Fatal(message),
            };
            false_starts = if matches!(self.task, Task::Starting) {
                false_starts + 1
            } else {
                0
            };
            let (message, fatal) = match end {
                End::Closed => return,
                End::Replaced => ("the worker was replaced".to_owned(), false),
                End::Died(message) => (message + &self.log.tail(), false),
                End::Fatal(message) => (message, true),
            };
            tracing::warn!(slot = self.slot.id, message, "worker ended");
            match self.task {
                Task::Training { trial, attempt, .. } => self.fail(trial, attempt, message.clone(), false).await,
                Task::Exporting(_) => {
                    self.tell(News::ExportFailed {
                        message: message.clone(),
                        again: true,
                    })
                    .await
                }
                _ => {}
            }
            if fatal || false_starts == FALSE_STARTS {
                if let Some(Order::Run { run, .. }) = self.held.take() {
                    self.fail(run.segment.trial.0, run.segment.attempt, message.clone(), false)
                        .await;
                }
                self.tell(News::Fatal { message }).await;
                return;
            }
        }
    }

    /// Talks with a worker until its end.
    async fn attend(&mut self, process: &mut Process) -> End {
        let start = ToWorker::Start(Start {
            threads: self.slot.threads,
            ..self.program.start.clone()
        });
        if let Err(end) = say(process, &start) {
            return end;
        }
        let pulse = process.pulse();
        loop {
            let limit = patience(&self.task, self.slot.silence, &self.features);
            let said = tokio::select! {
                heard = process.hear() => match heard {
                    Ok(message) => self.hear(message).await,
                    Err(what) => Err(End::Died(what)),
                },
                order = self.queue.recv() => match order {
                    None => Err(End::Closed),
                    Some(order) => self.obey(process, order).await,
                },
                floods = pulse.silent_for(limit) => Err(End::Died(silence(limit, floods))),
            };
            if let Err(end) = said {
                return end;
            }
            if self.task == Task::Idle
                && let Some(order) = self.held.take()
                && let Err(end) = self.obey(process, order).await
            {
                return end;
            }
            // What the slot itself took is not held against the worker.
            pulse.beat();
        }
    }

    /// Keeps for the next worker what this one can't have begun: it has left in good order, without a word since it got it.
    fn pass_on(&mut self) {
        if !matches!(self.task, Task::Training { stopping: true, .. })
            && let Some(given) = self.given.take()
        {
            self.held = Some(given);
            self.task = Task::Idle;
        }
    }

    async fn tell(&self, news: News) {
        // Nobody listens any more once the scheduler has gone; then this task is about to be aborted.
        let slot = self.slot.id;
        let _ = self.news.send(SlotNews { slot, news }).await;
    }

    async fn happened(&self, event: Event) {
        self.tell(News::Happened(event)).await;
    }

    /// The task is over and the worker free.
    async fn idle(&mut self) {
        self.task = Task::Idle;
        if self.held.is_none() && !std::mem::replace(&mut self.idle, true) {
            self.tell(News::Idle {
                features: self.features.clone(),
            })
            .await;
        }
    }

    async fn obey(&mut self, process: &Process, order: Order) -> Result<(), End> {
        let takes_worker = matches!(order, Order::Evaluate | Order::Run { .. } | Order::Export { .. });
        if takes_worker {
            self.idle = false;
            self.given = self.served.then(|| order.clone());
        }
        match order {
            order if takes_worker && self.task == Task::Starting => {
                self.held = Some(order);
                Ok(())
            }
            Order::Stop { trial, attempt, .. } if self.holds(trial, attempt) => {
                self.held = None;
                self.happened(Event::Stopped {
                    trial,
                    attempt,
                    checkpoint: None,
                })
                .await;
                Ok(())
            }
            Order::Evaluate => {
                self.task = Task::Evaluating;
                say(process, &ToWorker::Evaluate)
            }
            Order::Replace => Err(End::Replaced),
            Order::Stop { trial, attempt, save } if self.task.is_segment(trial, attempt) => {
                if let Task::Training { stopping, .. } = &mut self.task {
                    *stopping = true;
                }
                let segment = SegmentId {
                    trial: hpo_protocol::TrialId(trial),
                    attempt,
                };
                say(process, &ToWorker::Stop { segment, save })
            }
            Order::Stop { .. } => Ok(()),
            Order::Export { checkpoint, directory } => {
                let root = self.checkpoints.clone();
                match blocking(move || checkpoint::verify(&root, &checkpoint)).await {
                    Ok(checkpoint) => {
                        self.task = Task::Exporting(directory.clone());
                        say(process, &ToWorker::Export { checkpoint, directory })
                    }
                    Err(message) => {
                        self.tell(News::ExportFailed { message, again: false }).await;
                        self.idle().await;
                        Ok(())
                    }
                }
            }
            Order::Run { mut run, checkpoint } => {
                let trial = run.segment.trial.0;
                self.log.switch(StudyDirectory::trial_checkpoints(trial));
                self.told = None;
                self.task = Task::Training {
                    trial,
                    attempt: run.segment.attempt,
                    to: run.to,
                    stopping: false,
                    over: false,
                };
                let root = self.checkpoints.clone();
                run.checkpoints = root.join(StudyDirectory::trial_checkpoints(trial));
                let own = run.checkpoints.clone();
                let prepared = blocking(move || {
                    let verified = checkpoint
                        .map(|checkpoint| checkpoint::verify(&root, &checkpoint))
                        .transpose();
                    create_directories(&own).map(|()| verified)
                })
                .await;
                match prepared {
                    Ok(Ok(file)) => {
                        run.checkpoint = file;
                        say(process, &ToWorker::Run(run))
                    }
                    Ok(Err(lost)) => {
                        self.fail(run.segment.trial.0, run.segment.attempt, lost.to_string(), true)
                            .await;
                        self.idle().await;
                        Ok(())
                    }
                    Err(error) => {
                        let message = format!("can't make {}: {error}", run.checkpoints.display());
                        self.fail(run.segment.trial.0, run.segment.attempt, message, false)
                            .await;
                        self.idle().await;
                        Ok(())
                    }
                }
            }
        }
    }

    /// Whether this segment waits for the worker to be ready.
    fn holds(&self, trial: TrialId, attempt: u32) -> bool {
        matches!(&self.held, Some(Order::Run { run, .. }) if (run.segment.trial.0, run.segment.attempt) == (trial, attempt))
    }

    async fn fail(&self, trial: TrialId, attempt: u32, message: String, checkpoint_lost: bool) {
        self.tell(if !checkpoint_lost && is_short(&self.checkpoints, &message) {
            News::NoSpace {
                trial,
                attempt,
                message,
            }
        } else {
            News::Happened(Event::Failed {
                trial,
                attempt,
                message,
                checkpoint_lost,
            })
        })
        .await;
    }

    async fn hear(&mut self, message: FromWorker) -> Result<(), End> {
        self.served = !matches!(message, FromWorker::Ready { .. });
        self.given = None;
        match message {
            FromWorker::Ready {
                protocol,
                trainer,
                features,
            } => {
                if protocol != VERSION {
                    return Err(End::Fatal(format!(
                        "{} speaks version {protocol} of the worker protocol, hpo speaks {VERSION}: update the older one",
                        shown(&trainer)
                    )));
                }
                if self.task != Task::Starting {
                    return Err(out_of_turn("ready"));
                }
                tracing::info!(slot = self.slot.id, trainer, ?features, "worker ready");
                self.features = features;
                self.idle().await;
            }
            FromWorker::Fatal { message } => return Err(End::Fatal(shown(&message))),
            FromWorker::Evaluated { loss, metrics } => {
                if self.task != Task::Evaluating {
                    return Err(out_of_turn("evaluated"));
                }
                check(&metrics).map_err(End::Died)?;
                self.happened(Event::Evaluated { loss, metrics }).await;
                self.idle().await;
            }
            FromWorker::Progress {
                segment,
                resource,
                examples_per_second,
            } if self.task.is_segment(segment.trial.0, segment.attempt) => {
                if self.told.is_none_or(|told| told.elapsed() >= PROGRESS) {
                    self.told = Some(Instant::now());
                    self.tell(News::Progress {
                        trial: segment.trial.0,
                        resource,
                        examples_per_second,
                    })
                    .await;
                }
            }
            FromWorker::Report {
                segment,
                resource,
                loss,
                metrics,
                checkpoint,
                last,
            } if self.task.is_segment(segment.trial.0, segment.attempt) => {
                check(&metrics).map_err(End::Died)?;
                let checkpoint = self.take_in(segment.trial.0, checkpoint).await?;
                let ends = last || loss.is_none();
                self.happened(Event::Reported(Reported {
                    trial: segment.trial.0,
                    attempt: segment.attempt,
                    resource,
                    loss,
                    metrics: Measures::from(&metrics),
                    checkpoint,
                    last,
                }))
                .await;
                if let Task::Training { to, over, .. } = &mut self.task {
                    *over = resource >= *to;
                }
                if ends {
                    self.idle().await;
                }
            }
            FromWorker::Stopped { segment, checkpoint } if self.task.is_segment(segment.trial.0, segment.attempt) => {
                if !matches!(self.task, Task::Training { stopping: true, .. }) {
                    return Err(out_of_turn("stopped"));
                }
                let checkpoint = self.take_in(segment.trial.0, checkpoint).await?;
                self.happened(Event::Stopped {
                    trial: segment.trial.0,
                    attempt: segment.attempt,
                    checkpoint,
                })
                .await;
                self.idle().await;
            }
            // If it has reported its rung, its segment is over for the core, and this changes nothing.
            FromWorker::Done { segment } if self.task.is_segment(segment.trial.0, segment.attempt) => {
                let message = "the worker ended the segment before its rung".into();
                self.fail(segment.trial.0, segment.attempt, message, false).await;
                self.idle().await;
            }
            FromWorker::Failed { segment, message } if self.task.is_segment(segment.trial.0, segment.attempt) => {
                self.fail(segment.trial.0, segment.attempt, shown(&message), false)
                    .await;
                // It may hold memory still, or a device that no longer works.
                self.task = Task::Idle;
                return Err(End::Replaced);
            }
            FromWorker::Exported { directory, test } => {
                if self.task != Task::Exporting(directory.clone()) {
                    return Err(out_of_turn("exported"));
                }
                if let Some(test) = &test {
                    check(&test.metrics).map_err(End::Died)?;
                }
                self.tell(News::Exported { directory, test }).await;
                self.idle().await;
            }
            late => tracing::debug!(slot = self.slot.id, ?late, "ignored: not of the running segment"),
        }
        Ok(())
    }

    async fn take_in(&self, trial: TrialId, file: Option<PathBuf>) -> Result<Option<Checkpoint>, End> {
        let Some(file) = file else {
            return Ok(None);
        };
        let root = self.checkpoints.clone();
        let own = StudyDirectory::trial_checkpoints(trial);
        let within = self.slot.silence.unwrap_or(ANSWER);
        let taken = blocking(move || checkpoint::take_in(&root, &own, &file, within)).await;
        taken.map(Some).map_err(End::Died)
    }
}

/// Runs work that waits for the disk.
async fn blocking<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn say(process: &Process, message: &ToWorker) -> Result<(), End> {
    let said = process.say(message);
    said.map_err(|error| End::Fatal(format!("the worker can't be told what to do: {error}")))
}

/// The end of a worker that answers what it was not asked.
fn out_of_turn(message: &str) -> End {
    End::Died(format!("the worker sent `{message}` out of turn"))
}

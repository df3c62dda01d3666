//! A slot's worker: a process that is kept warm over many segments and replaced when it dies.

use std::path::PathBuf;

use hpo_protocol::{Feature, FromWorker, Measurement, Metrics, Run, Start, ToWorker, VERSION};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};

use super::checkpoint;
use super::log::WorkerLog;
use super::process::{Process, Program};
use super::slots::Slot;
use crate::store::StudyDirectory;
use crate::study::{Checkpoint, SlotId, TrialId};

/// So many workers in a row that die before they are ready mean that none will ever be.
const FALSE_STARTS: u32 = 3;

/// What a slot is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Measure the untrained model.
    Evaluate,
    /// Train a segment. `run.checkpoint` and `run.checkpoints` are filled in by the slot.
    Run {
        /// The segment.
        run: Run,
        /// Where it goes on.
        checkpoint: Option<Checkpoint>,
    },
    /// End the running segment before its time.
    Stop {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// Whether it may go on later from where it is.
        save: bool,
    },
    /// Write the model of a checkpoint to a directory.
    Export {
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// The directory to make.
        directory: PathBuf,
    },
    /// End the worker and start another.
    Replace,
}

/// What a slot tells.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotNews {
    /// The slot.
    pub slot: SlotId,
    /// What it tells.
    pub news: News,
}

/// What a slot tells.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It has a worker and nothing to do.
    Idle {
        /// What the worker can do beyond training.
        features: Vec<Feature>,
    },
    /// The untrained model was measured.
    Evaluated {
        /// Validation loss.
        loss: f64,
        /// Metrics beside it.
        metrics: Metrics,
    },
    /// How far a segment is.
    Progress {
        /// The trial.
        trial: TrialId,
        /// The resource, with its fraction.
        resource: f64,
        /// The speed, if known.
        examples_per_second: Option<f64>,
    },
    /// A validation, its checkpoint verified and durable.
    Reported {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// The resource reached.
        resource: u64,
        /// Validation loss; none if not finite.
        loss: Option<f64>,
        /// Metrics beside it.
        metrics: Metrics,
        /// The checkpoint.
        checkpoint: Option<Checkpoint>,
        /// Whether the trial has ended by itself.
        last: bool,
    },
    /// The segment was stopped.
    Stopped {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// Where it can go on.
        checkpoint: Option<Checkpoint>,
    },
    /// The segment failed, or ended without reaching its rung.
    Failed {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: u32,
        /// What happened.
        message: String,
        /// Whether the checkpoint it should have gone on from can't be used.
        checkpoint_lost: bool,
    },
    /// The model was written.
    Exported {
        /// Where, or why not.
        directory: Result<PathBuf, String>,
        /// What it comes to on the test data, if there are any.
        test: Option<Measurement>,
    },
    /// No trial can run here nor on any other slot.
    Fatal {
        /// Why.
        message: String,
    },
}

/// A slot at work. Dropping it kills its worker.
#[derive(Debug)]
pub struct Worker {
    orders: UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker on a slot. What it has to tell goes to `news`.
    pub fn start(slot: Slot, program: Program, study: &StudyDirectory, news: UnboundedSender<SlotNews>) -> Self {
        let (orders, queue) = unbounded_channel();
        let keeper = Keeper {
            log: WorkerLog::new(study.logs(), format!("slot-{}", slot.id)),
            checkpoints: std::path::absolute(study.checkpoints()).unwrap_or_else(|_| study.checkpoints()),
            slot,
            program,
            news,
            queue,
            segment: None,
            idle: false,
            features: Vec::new(),
        };
        Self {
            orders,
            task: tokio::spawn(keeper.keep()),
        }
    }

    /// Gives an order. A slot whose news was fatal takes no more.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a worker is no more.
enum End {
    /// It was asked for.
    Replaced,
    /// It died, or has to die for what it did.
    Died(String),
    /// No other would fare better.
    Fatal(String),
    /// The scheduler has gone.
    Closed,
}

struct Keeper {
    slot: Slot,
    program: Program,
    checkpoints: PathBuf,
    log: WorkerLog,
    news: UnboundedSender<SlotNews>,
    queue: UnboundedReceiver<Order>,
    segment: Option<(TrialId, u32)>,
    /// Whether it was told that the slot is idle, and nothing was given to it since. It is told once, whatever becomes of the worker:
    /// who was told twice would give it two segments.
    idle: bool,
    features: Vec<Feature>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut false_starts = 0;
        loop {
            let mut ready = false;
            let end = match Process::spawn(&self.program, &self.slot, &self.log) {
                Ok(mut process) => self.attend(&mut process, &mut ready).await,
                Err(message) => End::Fatal(message),
            };
            false_starts = if ready { 0 } else { false_starts + 1 };
            let (message, fatal) = match end {
                End::Closed => return,
                End::Replaced => ("the worker was replaced".to_owned(), false),
                End::Died(message) => (message + &self.log.tail(), false),
                End::Fatal(message) => (message, true),
            };
            tracing::warn!(slot = self.slot.id, message, "worker ended");
            if let Some((trial, attempt)) = self.segment.take() {
                self.tell(News::Failed {
                    trial,
                    attempt,
                    message: message.clone(),
                    checkpoint_lost: false,
                });
            }
            if fatal || false_starts == FALSE_STARTS {
                self.tell(News::Fatal { message });
                return;
            }
        }
    }

    /// Talks with a worker until its end.
    async fn attend(&mut self, process: &mut Process, ready: &mut bool) -> End {
        let start = ToWorker::Start(Start {
            threads: self.slot.threads,
            ..self.program.start.clone()
        });
        if let Err(end) = say(process, &start).await {
            return end;
        }
        loop {
            let said = tokio::select! {
                heard = process.hear() => match heard {
                    Some(Ok(message)) => self.hear(message, ready).await,
                    Some(Err(what)) => Err(End::Died(what)),
                    None => Err(End::Died(process.fate().await)),
                },
                // What was meant for the worker before it waits until this one is ready.
                order = self.queue.recv(), if *ready => match order {
                    None => Err(End::Closed),
                    Some(order) => self.obey(process, order).await,
                },
            };
            if let Err(end) = said {
                return end;
            }
        }
    }

    fn tell(&self, news: News) {
        // Nobody listens any more once the scheduler has gone; then this task is about to be aborted.
        let _ = self.news.send(SlotNews {
            slot: self.slot.id,
            news,
        });
    }

    /// The segment is over and the worker free.
    fn idle(&mut self) {
        self.segment = None;
        if !self.idle {
            self.idle = true;
            self.tell(News::Idle {
                features: self.features.clone(),
            });
        }
    }

    async fn obey(&mut self, process: &mut Process, order: Order) -> Result<(), End> {
        match order {
            Order::Evaluate => {
                self.idle = false;
                say(process, &ToWorker::Evaluate).await
            }
            Order::Replace => Err(End::Replaced),
            Order::Stop { trial, attempt, save } if self.segment == Some((trial, attempt)) => {
                say(process, &ToWorker::Stop { trial, attempt, save }).await
            }
            Order::Stop { .. } => Ok(()),
            Order::Export { checkpoint, directory } => {
                self.idle = false;
                let root = self.checkpoints.clone();
                match blocking(move || checkpoint::verify(&root, &checkpoint)).await {
                    Ok(checkpoint) => say(process, &ToWorker::Export { checkpoint, directory }).await,
                    Err(error) => {
                        self.tell(News::Exported {
                            directory: Err(error),
                            test: None,
                        });
                        self.idle();
                        Ok(())
                    }
                }
            }
            Order::Run { mut run, checkpoint } => {
                self.idle = false;
                self.log.switch(StudyDirectory::trial_checkpoints(run.trial));
                self.segment = Some((run.trial, run.attempt));
                let root = self.checkpoints.clone();
                run.checkpoints = root.join(StudyDirectory::trial_checkpoints(run.trial));
                let own = run.checkpoints.clone();
                let prepared = blocking(move || {
                    let verified = checkpoint
                        .map(|checkpoint| checkpoint::verify(&root, &checkpoint))
                        .transpose();
                    std::fs::create_dir_all(&own).map(|()| verified)
                })
                .await;
                match prepared {
                    Ok(Ok(file)) => {
                        run.checkpoint = file;
                        say(process, &ToWorker::Run(run)).await
                    }
                    Ok(Err(lost)) => {
                        self.fail(run.trial, run.attempt, lost.to_string(), true);
                        Ok(())
                    }
                    Err(error) => {
                        let message = format!("can't make {}: {error}", run.checkpoints.display());
                        self.fail(run.trial, run.attempt, message, false);
                        Ok(())
                    }
                }
            }
        }
    }

    fn fail(&mut self, trial: TrialId, attempt: u32, message: String, checkpoint_lost: bool) {
        self.tell(News::Failed {
            trial,
            attempt,
            message,
            checkpoint_lost,
        });
        self.idle();
    }

    async fn hear(&mut self, message: FromWorker, ready: &mut bool) -> Result<(), End> {
        match message {
            FromWorker::Ready {
                protocol,
                trainer,
                features,
            } => {
                if protocol != VERSION {
                    return Err(End::Fatal(format!(
                        "{trainer} speaks version {protocol} of the worker protocol, hpo speaks {VERSION}: update the older one"
                    )));
                }
                tracing::info!(slot = self.slot.id, trainer, ?features, "worker ready");
                *ready = true;
                self.features = features;
                self.idle();
            }
            FromWorker::Fatal { message } => return Err(End::Fatal(message)),
            FromWorker::Evaluated { loss, metrics } => {
                self.tell(News::Evaluated { loss, metrics });
                self.idle();
            }
            FromWorker::Progress {
                trial,
                attempt,
                resource,
                examples_per_second,
            } if self.segment == Some((trial, attempt)) => self.tell(News::Progress {
                trial,
                resource,
                examples_per_second,
            }),
            FromWorker::Report {
                trial,
                attempt,
                resource,
                loss,
                metrics,
                checkpoint,
                last,
            } if self.segment == Some((trial, attempt)) => {
                let checkpoint = self.take_in(trial, checkpoint).await?;
                let ends = last || loss.is_none();
                self.tell(News::Reported {
                    trial,
                    attempt,
                    resource,
                    loss,
                    metrics,
                    checkpoint,
                    last,
                });
                if ends {
                    self.idle();
                }
            }
            FromWorker::Stopped {
                trial,
                attempt,
                checkpoint,
            } if self.segment == Some((trial, attempt)) => {
                let checkpoint = self.take_in(trial, checkpoint).await?;
                self.tell(News::Stopped {
                    trial,
                    attempt,
                    checkpoint,
                });
                self.idle();
            }
            // If it has reported its rung, its segment is over for the core, and this changes nothing.
            FromWorker::Done { trial, attempt } if self.segment == Some((trial, attempt)) => {
                self.fail(
                    trial,
                    attempt,
                    "the worker ended the segment before its rung".into(),
                    false,
                );
            }
            FromWorker::Failed {
                trial,
                attempt,
                message,
            } if self.segment == Some((trial, attempt)) => self.fail(trial, attempt, message, false),
            FromWorker::Exported { directory, test } => {
                self.tell(News::Exported {
                    directory: Ok(directory),
                    test,
                });
                self.idle();
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
        let taken = blocking(move || checkpoint::take_in(&root, &own, &file)).await;
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

async fn say(process: &mut Process, message: &ToWorker) -> Result<(), End> {
    if process.say(message).await {
        Ok(())
    } else {
        Err(End::Died(process.fate().await))
    }
}

/// Starts a worker for no other purpose than to write the model of a checkpoint to `directory`.
///
/// # Errors
/// Says why it could not be written.
pub async fn export_once(
    slot: Slot,
    program: Program,
    study: &StudyDirectory,
    checkpoint: Checkpoint,
    directory: PathBuf,
) -> Result<PathBuf, String> {
    let (tell, mut news) = unbounded_channel();
    let worker = Worker::start(slot, program, study, tell);
    let mut asked = false;
    while let Some(SlotNews { news, .. }) = news.recv().await {
        match news {
            News::Idle { features } if !features.contains(&Feature::Export) => {
                return Err(format!(
                    "this trainer writes no models; the checkpoint is {}",
                    checkpoint.file
                ));
            }
            News::Idle { .. } if asked => return Err("the worker died while it wrote it".into()),
            News::Idle { .. } => {
                asked = true;
                let (checkpoint, directory) = (checkpoint.clone(), directory.clone());
                worker.order(Order::Export { checkpoint, directory });
            }
            News::Exported { directory, .. } => return directory,
            News::Fatal { message } => return Err(message),
            _ => {}
        }
    }
    Err("the worker has gone".into())
}

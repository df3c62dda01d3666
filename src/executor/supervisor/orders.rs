//! What the scheduler orders.

use std::path::PathBuf;

use hpo_protocol::{Evaluated, Feature, Measure, ToWorker};

use super::remarks::Awaited;
use super::state::{Next, State, Task, Training, Work};
use super::{Attended, End, Supervisor, blocking};
use crate::executor::checkpoint;
use crate::executor::failure::Failure;
use crate::executor::news::{MeasureSpec, News, Order, SegmentSpec};
use crate::ids::SegmentId;
use crate::store::StudyDirectory;
use crate::study::{Checkpoint, Event};

impl Supervisor {
    pub(super) async fn handle_order(&mut self, worker: &mut Attended, order: Order) -> Result<(), End> {
        match order {
            Order::Evaluate => self.accept(worker, Work::Evaluate).await,
            Order::Run(spec) => self.accept(worker, Work::Train(spec)).await,
            Order::Measure(spec) => self.accept(worker, Work::Measure(spec)).await,
            Order::Export {
                checkpoint,
                directory,
                known,
            } => {
                let work = Work::Export {
                    checkpoint,
                    directory,
                    known,
                };
                self.accept(worker, work).await
            }
            Order::Stop { segment, save } => self.stop(worker, segment, save).await,
            Order::Replace => Err(End::Replaced(Failure::Replaced)),
            Order::GiveBack => Err(End::GivenBack),
            Order::ComeBack => Ok(()),
        }
    }

    /// Begins with the work, or keeps it for when the worker is ready.
    async fn accept(&mut self, worker: &mut Attended, work: Work) -> Result<(), End> {
        match &mut self.state {
            State::Starting(next) => {
                *next = Next::Begin(work);
                Ok(())
            }
            State::Idle | State::Busy { .. } => self.begin(worker, work).await,
        }
    }

    /// Has a worker that is ready do the work.
    pub(super) async fn begin(&mut self, worker: &mut Attended, work: Work) -> Result<(), End> {
        let unanswered = worker.has_served.then(|| work.clone());
        match work {
            Work::Evaluate => {
                self.state = State::Busy {
                    task: Task::Evaluating,
                    unanswered,
                };
                worker.send(&ToWorker::Evaluate)
            }
            Work::Train(spec) => self.train(worker, spec, unanswered).await,
            Work::Measure(spec) => self.measure(worker, spec, unanswered).await,
            Work::Export {
                checkpoint,
                directory,
                known,
            } => self.export(worker, checkpoint, (directory, known), unanswered).await,
        }
    }

    async fn train(&mut self, worker: &mut Attended, spec: SegmentSpec, unanswered: Option<Work>) -> Result<(), End> {
        let segment = spec.segment;
        let own = StudyDirectory::trial_checkpoints(segment.trial);
        self.log.switch(own.clone());
        self.state = State::Busy {
            task: Task::Training(Training::new(segment, spec.to)),
            unanswered,
        };
        let own = self.checkpoints.join(own);
        let directory = own.clone();
        // It is made durable with the first checkpoint in it.
        let made =
            blocking(move || std::fs::create_dir_all(&own).map_err(|source| Failure::directory(own, source))).await;
        if let Err(failure) = made {
            self.report_failure(segment, &failure, "").await;
            self.report_idle(worker).await;
            return Ok(());
        }
        let file = match &spec.checkpoint {
            None => None,
            Some(checkpoint) => match self.verify(checkpoint.clone()).await {
                Ok(file) => Some(file),
                Err(failure) => {
                    self.report_lost_checkpoint(segment, &failure).await;
                    self.report_idle(worker).await;
                    return Ok(());
                }
            },
        };
        worker.awaited = match worker.features.contains(&Feature::Heartbeats) {
            true => None,
            false => Awaited::Report(segment.trial).starting_now(),
        };
        worker.send(&ToWorker::Run(spec.message(file, directory)))
    }

    async fn measure(&mut self, worker: &Attended, spec: MeasureSpec, unanswered: Option<Work>) -> Result<(), End> {
        let MeasureSpec { segment, seconds } = spec;
        // Several slots may measure the same one.
        let own = self.checkpoints.join(format!("slot-{}", self.slot.id));
        let directory = own.clone();
        let made =
            blocking(move || std::fs::create_dir_all(&own).map_err(|source| Failure::directory(own, source))).await;
        if let Err(failure) = made {
            let (segment, message) = (segment.segment, failure.to_string());
            self.report(News::MeasureFailed { segment, message }).await;
            self.report_idle(worker).await;
            return Ok(());
        }
        self.state = State::Busy {
            task: Task::Measuring(segment.segment),
            unanswered,
        };
        let run = segment.message(None, directory);
        worker.send(&ToWorker::Measure(Measure { run, seconds }))
    }

    async fn export(
        &mut self,
        worker: &Attended,
        checkpoint: Checkpoint,
        (directory, known): (PathBuf, Evaluated),
        unanswered: Option<Work>,
    ) -> Result<(), End> {
        match self.verify(checkpoint).await {
            Ok(checkpoint) => {
                self.state = State::Busy {
                    task: Task::Exporting(directory.clone()),
                    unanswered,
                };
                worker.send(&ToWorker::Export {
                    checkpoint,
                    directory,
                    known,
                })
            }
            Err(failure) => {
                let message = failure.to_string();
                self.report(News::ExportFailed { message, again: false }).await;
                self.report_idle(worker).await;
                Ok(())
            }
        }
    }

    async fn stop(&mut self, worker: &Attended, segment: SegmentId, save: bool) -> Result<(), End> {
        if let Some(training) = self.state.training(segment) {
            training.stopping = true;
            return worker.send(&ToWorker::Stop { segment, save });
        }
        if let State::Starting(next) = &mut self.state
            && matches!(next, Next::Begin(Work::Train(held)) if held.segment == segment)
        {
            *next = Next::Announce;
            let checkpoint = None;
            self.report_event(Event::Stopped { segment, checkpoint }).await;
        }
        Ok(())
    }

    /// The file of a checkpoint, if it is still what was recorded.
    async fn verify(&self, checkpoint: Checkpoint) -> Result<PathBuf, Failure> {
        let root = self.checkpoints.clone();
        blocking(move || checkpoint::verify(&root, &checkpoint)).await
    }

    /// A segment could not be begun for want of the checkpoint that it goes on from.
    async fn report_lost_checkpoint(&self, segment: SegmentId, failure: &Failure) {
        self.report_event(Event::Failed {
            segment,
            message: failure.to_string(),
            checkpoint_lost: true,
        })
        .await;
    }
}

//! What the worker sends.

use std::path::PathBuf;
use std::time::Duration;

use hpo_protocol::{Baseline, Cost, Feature, FromWorker, Measurement, Metrics, VERSION};
use tokio::time::Instant;

use super::remarks::Awaited;
use super::state::{ANSWER, Next, State, Task, Training};
use super::{Attended, End, Supervisor, blocking};
use crate::executor::checkpoint;
use crate::executor::failure::Failure;
use crate::executor::news::News;
use crate::executor::program::Look;
use crate::executor::sanitize::{check, shown};
use crate::ids::SegmentId;
use crate::store::StudyDirectory;
use crate::study::{Checkpoint, Event, LOSS, Measures, Reported, TestResults};

/// How often the progress of a segment is passed on at most.
const PROGRESS: Duration = Duration::from_millis(100);

impl Supervisor {
    pub(super) async fn handle_message(&mut self, worker: &mut Attended, message: FromWorker) -> Result<(), End> {
        worker.has_served = !matches!(message, FromWorker::Ready { .. });
        worker.has_spoken = true;
        worker.awaited = None;
        if let State::Busy { unanswered, .. } = &mut self.state {
            *unanswered = None;
        }
        match message {
            FromWorker::Ready {
                protocol,
                trainer,
                features,
                release,
            } => self.ready(worker, (protocol, release), &trainer, features).await,
            FromWorker::Fatal { message, release } => Err(self.fatal(&message, release)),
            FromWorker::Evaluated(baseline) => self.evaluated(worker, baseline).await,
            FromWorker::Progress {
                segment,
                resource,
                examples_per_second,
            } => {
                self.progress(segment, resource, examples_per_second).await;
                Ok(())
            }
            FromWorker::Report {
                segment,
                resource,
                loss,
                metrics,
                checkpoint,
                last,
            } => {
                if self.training(segment).is_none() {
                    return Ok(());
                }
                look(self.program.inspection.later()).await?;
                let metrics = self.measures(metrics).await?;
                let reported = Reported {
                    trial: segment.trial,
                    attempt: segment.attempt,
                    resource,
                    loss: loss.filter(|loss| loss.is_finite()),
                    metrics,
                    diverged: loss.is_some_and(|loss| !loss.is_finite()),
                    checkpoint: self.accept_checkpoint(segment, checkpoint).await?,
                    last,
                };
                self.reported(worker, segment, reported).await;
                Ok(())
            }
            FromWorker::Stopped { segment, checkpoint } => self.stopped(worker, segment, checkpoint).await,
            FromWorker::Done { segment } => self.done(worker, segment).await,
            FromWorker::Remark { about, text } => {
                self.remark(&shown(&about), shown(&text)).await;
                Ok(())
            }
            FromWorker::Failed { segment, message } => self.failed(segment, &message),
            FromWorker::Measured { segment, cost } => self.measured(worker, segment, cost).await,
            FromWorker::Exported {
                directory,
                test,
                untrained,
                evaluations,
                untrained_evaluations,
            } => {
                let evaluations = [evaluations, untrained_evaluations];
                self.exported(worker, directory, [test, untrained], evaluations).await
            }
        }
    }

    /// The metrics of a report. The loss has its own place.
    async fn measures(&self, mut metrics: Metrics) -> Result<Measures, End> {
        check(&metrics).map_err(died)?;
        if metrics.remove(LOSS).is_some() {
            let text = "the trainer reports a `loss` among its metrics: it is left out there, since the validation loss stands beside them; \
                        call another one otherwise, such as `train_loss`";
            self.remark("a loss among the metrics", text.to_owned()).await;
        }
        Ok(Measures::from(&metrics))
    }

    /// The segment that is being trained, if it is this one. What is sent of another one comes too late, and is ignored.
    fn training(&mut self, segment: SegmentId) -> Option<&mut Training> {
        let training = self.state.training(segment);
        if training.is_none() {
            tracing::debug!(
                slot = self.slot.id.0,
                ?segment,
                "message ignored: not of the running segment"
            );
        }
        training
    }

    /// What is wrong with the trainer that comes with hpo if it is of another release; `said` is what it says itself.
    fn other_release(&self, theirs: Option<String>, said: Option<&Failure>) -> Option<Failure> {
        let is_other = self.program.release.is_some() && theirs != self.program.release;
        let trainer = self.program.command.first().cloned().unwrap_or_default();
        let said = said.map_or(String::new(), |said| format!("; it says: {said}"));
        is_other.then_some(Failure::Release { trainer, said })
    }

    /// The end of a worker that says that no trial can run.
    fn fatal(&self, message: &str, release: Option<String>) -> End {
        let said = Failure::Trainer(shown(message));
        End::Fatal(self.other_release(release, Some(&said)).unwrap_or(said))
    }

    async fn ready(
        &mut self,
        worker: &mut Attended,
        (version, release): (u32, Option<String>),
        trainer: &str,
        features: Vec<Feature>,
    ) -> Result<(), End> {
        if version != VERSION {
            let trainer = shown(trainer);
            return Err(End::Fatal(Failure::Version { trainer, version }));
        }
        if let Some(other) = self.other_release(release, None) {
            return Err(End::Fatal(other));
        }
        if !matches!(self.state, State::Starting(_)) {
            return Err(out_of_turn("ready"));
        }
        // By now it has read all that it reads.
        look(self.program.inspection.ready()).await?;
        let State::Starting(next) = &mut self.state else {
            return Err(out_of_turn("ready"));
        };
        tracing::info!(slot = self.slot.id.0, trainer, ?features, "worker ready");
        worker.features = features;
        match std::mem::replace(next, Next::Announce) {
            Next::Announce => self.report_idle(worker).await,
            Next::Wait => self.state = State::Idle,
            Next::Begin(work) => return self.begin(worker, work).await,
        }
        Ok(())
    }

    async fn evaluated(&mut self, worker: &Attended, baseline: Baseline) -> Result<(), End> {
        if !self.is_at(&Task::Evaluating) {
            return Err(out_of_turn("evaluated"));
        }
        look(self.program.inspection.later()).await?;
        for (_, measurement) in baseline.each() {
            check(&measurement.metrics).map_err(died)?;
        }
        self.report_event(Event::Evaluated(baseline)).await;
        self.report_idle(worker).await;
        Ok(())
    }

    /// Passes progress on, unless it has just done so.
    async fn progress(&mut self, segment: SegmentId, resource: f64, examples_per_second: Option<f64>) {
        if let Some(training) = self.training(segment)
            && resource.is_finite()
            && training.passed_on.is_none_or(|last| last.elapsed() >= PROGRESS)
        {
            training.passed_on = Some(Instant::now());
            self.report(News::Progress {
                trial: segment.trial,
                resource,
                examples_per_second,
            })
            .await;
        }
    }

    async fn reported(&mut self, worker: &mut Attended, segment: SegmentId, reported: Reported) {
        let ends = reported.last || reported.diverged;
        if let Some(training) = self.state.training(segment) {
            training.over = reported.resource >= training.to;
            if training.over && !ends {
                worker.awaited = Awaited::Done(segment.trial).starting_now();
            }
        }
        self.report_event(Event::Reported(reported)).await;
        if ends {
            self.report_idle(worker).await;
        }
    }

    async fn stopped(&mut self, worker: &Attended, segment: SegmentId, file: Option<PathBuf>) -> Result<(), End> {
        match self.training(segment) {
            None => return Ok(()),
            Some(training) if !training.stopping => return Err(out_of_turn("stopped")),
            Some(_) => {}
        }
        let checkpoint = self.accept_checkpoint(segment, file).await?;
        self.report_event(Event::Stopped { segment, checkpoint }).await;
        self.report_idle(worker).await;
        Ok(())
    }

    /// If the worker has reported its rung, its segment is over for the core, and this changes nothing.
    async fn done(&mut self, worker: &Attended, segment: SegmentId) -> Result<(), End> {
        if let Some(to) = self.training(segment).map(|training| training.to) {
            let printed = self.log.tail();
            self.report_failure(segment, &Failure::EndedEarly(to), &printed).await;
            self.report_idle(worker).await;
        }
        Ok(())
    }

    /// The worker is replaced: it may hold memory still, or a device that no longer works.
    fn failed(&mut self, segment: SegmentId, message: &str) -> Result<(), End> {
        match self.is_at(&Task::Measuring(segment)) || self.training(segment).is_some() {
            true => Err(End::Replaced(Failure::Trainer(shown(message)))),
            false => Ok(()),
        }
    }

    async fn measured(&mut self, worker: &Attended, segment: SegmentId, cost: Cost) -> Result<(), End> {
        if !self.is_at(&Task::Measuring(segment)) {
            return Err(out_of_turn("measured"));
        }
        self.report(News::Measured { segment, cost }).await;
        self.report_idle(worker).await;
        Ok(())
    }

    async fn exported(
        &mut self,
        worker: &Attended,
        directory: PathBuf,
        [measurement, untrained]: [Option<Measurement>; 2],
        [evaluations, untrained_evaluations]: [Metrics; 2],
    ) -> Result<(), End> {
        if !self.is_at(&Task::Exporting(directory.clone())) {
            return Err(out_of_turn("exported"));
        }
        look(self.program.inspection.later()).await?;
        let measured = measurement.iter().chain(&untrained);
        let metrics = measured.map(|measurement| &measurement.metrics);
        for metrics in metrics.chain([&evaluations, &untrained_evaluations]) {
            check(metrics).map_err(died)?;
        }
        let results = TestResults {
            measurement,
            untrained,
            evaluations,
            untrained_evaluations,
        };
        self.report(News::Exported { directory, results }).await;
        self.report_idle(worker).await;
        Ok(())
    }

    fn is_at(&self, this: &Task) -> bool {
        matches!(&self.state, State::Busy { task, .. } if task == this)
    }

    /// The checkpoint that a worker says it has written, if any.
    async fn accept_checkpoint(&self, segment: SegmentId, file: Option<PathBuf>) -> Result<Option<Checkpoint>, End> {
        let Some(file) = file else {
            return Ok(None);
        };
        let root = self.checkpoints.clone();
        let own = StudyDirectory::trial_checkpoints(segment.trial);
        let within = self.slot.silence.unwrap_or(ANSWER);
        let accepted = blocking(move || checkpoint::accept(&root, &own, &file, within)).await;
        accepted.map(Some).map_err(End::Died)
    }
}

/// Looks whether the files are still what they were.
async fn look(look: Option<Look>) -> Result<(), End> {
    let Some(look) = look else { return Ok(()) };
    let looked = blocking(move || look().map_err(Failure::Changed)).await;
    looked.map_err(End::Fatal)
}

fn died(error: impl Into<Failure>) -> End {
    End::Died(error.into())
}

/// The end of a worker that answers what it was not asked.
fn out_of_turn(message: &'static str) -> End {
    End::Died(Failure::OutOfTurn(message))
}

//! Keeps a worker on a slot: one process that stays warm over many segments and is replaced when it ends.

mod leaving;
mod messages;
mod orders;
mod outage;
mod remarks;
mod state;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use hpo_protocol::{Feature, ToWorker};
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::connection::Connection;
use super::failure::{AS_A_SCRIPT, Failure, says_no_space};
use super::launcher::{Launch, LaunchError, Leaving, Purpose};
use super::log::WorkerLog;
use super::news::{News, Order, SlotNews};
use super::program::Program;
use super::slots::Slot;
use crate::disk::has_no_room;
use crate::ids::SegmentId;
use crate::store::StudyDirectory;
use crate::study::Event;

use leaving::{leaving, saved_too_late};
use remarks::{Awaited, long_awaited};
use state::{Next, State, Task, Work};

/// So many workers in a row that end before they are ready mean that none will ever be.
const FALSE_STARTS: u32 = 3;

/// Does what is ordered on one slot, and reports what comes of it.
pub(super) struct Supervisor {
    slot: Slot,
    purpose: Purpose,
    program: Program,
    study: PathBuf,
    checkpoints: PathBuf,
    log: WorkerLog,
    news: Sender<SlotNews>,
    orders: UnboundedReceiver<Order>,
    state: State,
}

/// The worker that runs, and what is known of it.
struct Attended {
    connection: Connection,
    features: Vec<Feature>,
    /// Whether it has sent anything but that it is ready.
    has_served: bool,
    /// Whether it has sent a message at all.
    has_spoken: bool,
    /// What is awaited from it, and when that is long enough for a remark.
    awaited: Option<(Awaited, Instant)>,
    /// Why it has to leave its place, and until when it may save what it trains.
    leaves: Option<(Leaving, Instant)>,
}

/// Why a worker is no more.
enum End {
    /// Another one has to take its place.
    Replaced(Failure),
    /// It has ended, or has to be ended for what it did; its log may say why.
    Died(Failure),
    /// No other would fare better on this slot.
    Fatal(Failure),
    /// Its place is needed elsewhere more than here.
    GivenBack,
    /// The scheduler has gone.
    Closed,
}

impl Supervisor {
    pub(super) fn new(
        purpose: Purpose,
        slot: Slot,
        program: Program,
        study: &StudyDirectory,
        news: Sender<SlotNews>,
        orders: UnboundedReceiver<Order>,
    ) -> Self {
        let root = study.root();
        let log = match purpose {
            Purpose::Slot(slot) => format!("slot-{slot}"),
            Purpose::Export(_) => "export".into(),
        };
        Self {
            log: WorkerLog::new(study.logs(), log),
            checkpoints: std::path::absolute(study.checkpoints()).unwrap_or_else(|_| study.checkpoints()),
            study: std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()),
            slot,
            purpose,
            program,
            news,
            orders,
            state: State::Starting(Next::Announce),
        }
    }

    /// Keeps workers on the slot, one after the other, until the scheduler has gone or no worker can run here.
    pub(super) async fn run(mut self) {
        let (mut false_starts, mut outages) = (0, 0);
        loop {
            let Some(found) = self.find_place().await else {
                return;
            };
            let (end, left, spoke) = match found.and_then(|()| self.launch()) {
                Ok(mut worker) => {
                    let end = self.attend(&mut worker).await;
                    match end {
                        End::Closed => return worker.connection.close().await,
                        End::GivenBack => match self.give_back(worker).await {
                            Some(()) => continue,
                            None => return,
                        },
                        end @ (End::Replaced(_) | End::Died(_) | End::Fatal(_)) => {
                            (end, worker.connection.has_left(), worker.has_spoken)
                        }
                    }
                }
                Err(error) => (End::Fatal(error.into()), false, false),
            };
            let (failure, printed, is_fatal, left) = match end {
                End::Closed | End::GivenBack => return,
                End::Died(failure @ (Failure::Disconnected(_) | Failure::Leaving(_))) => {
                    outages = if spoke { 0 } else { outages + 1 };
                    if self.lose_connection(&failure, outages).await.is_none() {
                        return;
                    }
                    continue;
                }
                End::Replaced(failure) => (failure, String::new(), false, false),
                // The next one would do no better: it is a program of another kind.
                End::Died(Failure::Left(how)) if !spoke => (Failure::Mute(how), self.log.tail(), true, false),
                End::Died(failure) => (failure, self.last_words(spoke), false, left),
                End::Fatal(failure) => (failure, String::new(), true, false),
            };
            tracing::warn!(slot = self.slot.id.0, %failure, printed, "worker ended");
            false_starts = match self.state {
                State::Starting(_) => false_starts + 1,
                State::Idle | State::Busy { .. } => 0,
            };
            self.lose_worker(left, &failure, &printed).await;
            if is_fatal || false_starts == FALSE_STARTS {
                return self.give_up(&failure, &printed).await;
            }
        }
    }

    fn launch(&self) -> Result<Attended, LaunchError> {
        self.log.begin();
        let launched = self.slot.launcher.launch(&Launch {
            command: &self.program.command,
            own: self.program.own,
            directory: &self.program.directory,
            environment: self.slot.environment(),
            study: &self.study,
            purpose: self.purpose,
        })?;
        Ok(Attended {
            connection: Connection::new(launched, &self.log),
            features: Vec::new(),
            has_served: false,
            has_spoken: false,
            awaited: Awaited::Ready.starting_now(),
            leaves: None,
        })
    }

    /// Talks with a worker until its end.
    async fn attend(&mut self, worker: &mut Attended) -> End {
        let start = ToWorker::Start(self.program.start(self.slot.threads));
        if let Err(end) = worker.send(&start) {
            return end;
        }
        let (liveness, mut leaves) = (worker.connection.liveness(), worker.connection.leaving());
        loop {
            let limit = self.state.patience(self.slot.silence, &worker.features);
            let handled = tokio::select! {
                received = worker.connection.receive() => match received {
                    Ok(message) => self.handle_message(worker, message).await,
                    Err(failure) => Err(self.without(worker.why(failure))),
                },
                order = self.orders.recv() => match order {
                    Some(order) => self.handle_order(worker, order).await,
                    None => Err(End::Closed),
                },
                silence = liveness.silent_for(limit) => Err(End::Died(silence.into())),
                why = leaving(&mut leaves), if worker.leaves.is_none() => self.leave(worker, why),
                why = saved_too_late(worker.leaves) => Err(End::Died(Failure::Leaving(why))),
                awaited = long_awaited(worker.awaited) => {
                    worker.awaited = None;
                    self.remark_on_silence(awaited).await;
                    continue;
                }
            };
            if let Err(end) = handled {
                return end;
            }
            if let Some((why, _)) = worker.leaves
                && !self.state.trains()
            {
                return End::Died(Failure::Leaving(why));
            }
            // The time that the slot itself took is not held against the worker.
            liveness.renew();
        }
    }

    /// The end of a worker from which nothing more will come.
    fn without(&self, failure: Failure) -> End {
        match (failure, &self.state) {
            (Failure::NoTrial(_), State::Starting(_)) => End::Fatal(Failure::Script),
            (failure, _) => End::Died(failure),
        }
    }

    /// What a worker has printed last, with what it shows of one that has never sent a message.
    fn last_words(&self, spoke: bool) -> String {
        let printed = self.log.tail();
        match !spoke && self.program.own.is_none() && printed.contains("HPO_") {
            true => format!("{printed}\n{AS_A_SCRIPT}"),
            false => printed,
        }
    }

    /// The worker has gone, `left` if by itself and in good order: what it was at has failed, and another one starts.
    async fn lose_worker(&mut self, left: bool, failure: &Failure, printed: &str) {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let (next, lost) = state.without_worker(left);
        self.state = State::Starting(next);
        match lost {
            Some(Task::Training(training)) => self.report_failure(training.segment, failure, printed).await,
            Some(Task::Measuring(segment)) => {
                let message = format!("{failure}{printed}");
                self.report(News::MeasureFailed { segment, message }).await;
            }
            Some(Task::Exporting(_)) => {
                let message = format!("{failure}{printed}");
                self.report(News::ExportFailed { message, again: true }).await;
            }
            Some(Task::Evaluating) => {
                let text = format!("the untrained model could not be measured: {failure}{printed}");
                self.remark("the untrained model", text).await;
            }
            None => {}
        }
    }

    /// No worker will run here: neither will what the next one should have begun.
    async fn give_up(self, failure: &Failure, printed: &str) {
        if let State::Starting(Next::Begin(Work::Train(spec))) = &self.state {
            self.report_failure(spec.segment, failure, printed).await;
        }
        let message = format!("{failure}{printed}");
        self.report(News::Fatal { message }).await;
    }

    async fn report(&self, news: News) {
        // Nobody listens any more once the scheduler has gone; then this task is about to be aborted.
        let slot = self.slot.id;
        let _ = self.news.send(SlotNews { slot, news }).await;
    }

    async fn report_event(&self, event: Event) {
        self.report(News::Happened(event)).await;
    }

    /// A segment has failed; `printed` is what the worker has printed last, if that may say why.
    async fn report_failure(&self, segment: SegmentId, failure: &Failure, printed: &str) {
        let message = format!("{failure}{printed}");
        let no_space = failure.is_no_space() || says_no_space(printed) || has_no_room(&self.checkpoints);
        self.report(match no_space {
            true => News::NoSpace { segment, message },
            false => News::Happened(Event::Failed {
                segment,
                message,
                checkpoint_lost: false,
            }),
        })
        .await;
    }

    /// The worker is free; but one that has to leave is given nothing more.
    async fn report_idle(&mut self, worker: &Attended) {
        self.state = State::Idle;
        if worker.leaves.is_some() {
            return;
        }
        let features = worker.features.clone();
        self.report(News::Idle { features }).await;
    }
}

impl Attended {
    /// Sends a message without which the worker is of no use.
    fn send(&self, message: &ToWorker) -> Result<(), End> {
        self.connection.send(message).map_err(End::Fatal)
    }
}

/// Runs work that waits for the disk.
///
/// # Errors
/// Those of the work, and if it panics.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    spawn_blocking(work).await?.map_err(Into::into)
}

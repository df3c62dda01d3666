//! The loop: what slots report goes into the core, its records into storage, and only then its commands to the slots.
//!
//! There is only one, whatever it runs on: a search, a simulation on virtual time, or a test in which everything goes wrong.

mod aside;
mod cancellation;
mod disconnected;
mod edge;
mod export;
mod given_back;
mod job;
mod pause;
mod remarks;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hpo_protocol::Feature;

use crate::executor::{News, Order, SegmentSpec, SlotNews};
use crate::ids::{SlotId, TrialId};
use crate::kill;
use crate::store::CommitError;
use crate::study::{Command, Event, Fact, Limits, Step, Study, Tested, Trial, named};

use aside::Place;
pub use cancellation::Cancellation;
pub use edge::{Clock, Slots, Storage, Waiting};
use export::Export;
pub use job::{Ended, Job, Observer, Outcome, SchedulerError};
use pause::Pause;

/// How long workers may take to stop gracefully.
const GRACE: Duration = Duration::from_secs(30);

/// How often measuring the untrained model is tried again if the worker dies.
const EVALUATIONS: u32 = 2;

/// Runs a study until nothing is left to train or it is cancelled.
pub async fn run<S: Slots, J: Storage, C: Clock>(
    job: Job<S, J, C>,
    limits: Limits,
    observer: &mut dyn Observer,
    cancellation: Cancellation,
) -> Ended<J> {
    let names = job.slots.names();
    let opened = Event::Opened {
        process: std::process::id(),
        slots: names.iter().map(|(_, name)| name.clone()).collect(),
        limits,
    };
    let shared = names.iter().map(|(slot, _)| *slot);
    let shared = shared.filter(|slot| job.slots.is_shared(*slot)).collect();
    let mut scheduler = Scheduler {
        study: job.study,
        storage: job.storage,
        slots: job.slots,
        clock: job.clock,
        places: names.into_iter().map(|(slot, name)| (slot, Place::new(name))).collect(),
        shared,
        idle: BTreeMap::new(),
        given_back: BTreeSet::new(),
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
        cancellation,
        observer,
        remarks: BTreeSet::new(),
        cut_off: BTreeMap::new(),
        unchecked: 0,
    };
    let outcome = scheduler.run(opened).await;
    scheduler.close(outcome).await
}

struct Scheduler<'a, S, J, C> {
    study: Study,
    storage: J,
    slots: S,
    clock: C,
    /// The slots, those that are set aside included.
    places: BTreeMap<SlotId, Place>,
    /// Those of them whose places others can use.
    shared: BTreeSet<SlotId>,
    /// Those that have nothing to do, with since when by the clock's elapsed time.
    idle: BTreeMap<SlotId, Duration>,
    /// Those whose places are given back.
    given_back: BTreeSet<SlotId>,
    evaluations: u32,
    evaluating: Option<SlotId>,
    export: Export,
    /// How many workers have died while measuring.
    export_failures: u32,
    /// Whether the workers can; assumed until one has announced its features.
    can_export: bool,
    /// Until when, by the clock's elapsed time, running segments may save themselves.
    stopping: Option<Duration>,
    /// Whether not to wait for workers.
    hurried: bool,
    /// Trials for whose checkpoints the disk had no space.
    full: Vec<TrialId>,
    /// No segments are started meanwhile.
    pause: Option<Pause>,
    /// The last pause, if nothing could be saved since.
    paused_before: Option<Pause>,
    cancellation: Cancellation,
    observer: &'a mut dyn Observer,
    /// What there were remarks about.
    remarks: BTreeSet<String>,
    /// How often the connections to slots were lost that trained a trial, since it has last reported.
    cut_off: BTreeMap<TrialId, u32>,
    /// How many events were handled since the study was last checked.
    unchecked: usize,
}

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    async fn run(&mut self, opened: Event) -> Result<Outcome, SchedulerError> {
        self.storage.sweep(&self.study, None);
        let step = self.handle(opened);
        self.carry_out(step).await?;
        let ended = self.serve().await;
        if let Err(error @ SchedulerError::Commit(_)) = ended {
            return Err(error);
        }
        let step = self.handle(Event::Closed);
        self.carry_out(step).await?;
        ended?;
        Ok(match self.study.halted() {
            _ if self.study.is_finished() => Outcome::Finished,
            Some(limit) if self.stopping.is_none() => Outcome::Limited(limit),
            _ => Outcome::Stopped,
        })
    }

    async fn close(mut self, outcome: Result<Outcome, SchedulerError>) -> Ended<J> {
        // What could not be recorded is discarded, and the checkpoints from before it are needed again.
        let forgets = matches!(outcome, Err(SchedulerError::Commit(_)));
        let outcome = match outcome {
            Err(SchedulerError::Commit(CommitError::Cancelled)) => Ok(Outcome::Stopped),
            outcome => outcome,
        };
        self.slots.end(outcome.is_ok() && !self.hurried).await;
        if !forgets {
            // Only now: what a worker wrote until its end would be left otherwise.
            self.storage.sweep(&self.study, None);
        }
        kill::point("scheduler.close:swept");
        Ended {
            outcome,
            study: self.study,
            storage: self.storage,
            model: self.export.result(),
        }
    }

    async fn serve(&mut self) -> Result<(), SchedulerError> {
        while !self.is_over() {
            tokio::select! {
                biased;
                () = self.cancellation.requested() => {
                    if self.stopping.is_some() {
                        tracing::warn!("asked to stop a second time: not waiting for running segments");
                        self.hurried = true;
                        break;
                    }
                    self.stop().await;
                }
                () = self.clock.tick() => {
                    if self.stopping.is_some_and(|until| self.clock.elapsed() >= until) {
                        tracing::warn!("some workers did not stop in time");
                        break;
                    }
                    self.observer.tick(&self.study, self.clock.now());
                    if self.study.spec().stop.time_ms.is_some() {
                        let step = self.handle(Event::Ticked);
                        self.carry_out(step).await?;
                        self.export_best().await;
                    }
                    if self.is_pause_over() {
                        self.take(Vec::new()).await?;
                    }
                    self.obey().await?;
                    self.adjust_places().await;
                }
                batch = self.slots.news() => self.take(batch).await?,
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let stops = self.stopping.is_some() && !self.study.is_finished();
        if !self.study.is_at_rest() || stops {
            return stops && self.study.running().next().is_none();
        }
        let model = self.study.exportable().and_then(Trial::best_checkpoint);
        self.export.is_done() || !self.can_export || model.is_none()
    }

    /// Has the core decide.
    fn handle(&mut self, event: Event) -> Step {
        let step = self.study.handle(self.clock.now(), event);
        if cfg!(debug_assertions) {
            // It takes time in proportion to the study's size, so a large study is not checked at every event.
            self.unchecked += 1;
            if self.unchecked * CHECKED_EACH_TIME >= self.study.trials().len() {
                self.unchecked = 0;
                let checked = self.study.check();
                assert!(checked.is_ok(), "the study contradicts itself: {checked:?}");
            }
        }
        step
    }

    /// Handles what slots report, has it recorded in one batch, and gives free slots work.
    async fn take(&mut self, batch: Vec<SlotNews>) -> Result<(), SchedulerError> {
        let mut step = Step::default();
        let mut aside = Vec::new();
        let mut lacking = None;
        for SlotNews { slot, news } in batch {
            // Late news of a slot that was set aside must not get it work.
            if self.is_aside(slot) {
                continue;
            }
            if let News::Fatal { message } = news {
                aside.push((slot, message));
            } else if let Some(event) = self.receive(slot, news).await {
                lacking = lacking.or(self.lacks_objective(&event));
                if lacking.is_some() {
                    continue;
                }
                let next = self.handle(event);
                aside.extend(self.judge(slot, &next.records).map(|message| (slot, message)));
                step.append(next);
            }
        }
        if let Some(pause) = self.study.pause() {
            let paused = SchedulerError::Paused(pause.clone());
            self.carry_out(step).await?;
            return Err(paused);
        }
        let lost = aside.into_iter().try_for_each(|(slot, why)| self.set_aside(slot, why));
        let lost = lacking.map_or(lost, |lacking| Err(SchedulerError::NoObjective(lacking)));
        if lost.is_err() {
            self.carry_out(step).await?;
            return lost;
        }
        if self.stopping.is_none() && self.evaluating.is_none() && self.pause.is_none() && self.full.is_empty() {
            let slots = self.idle.keys().copied().collect();
            step.append(self.handle(Event::Idle { slots }));
        }
        self.carry_out(step).await?;
        self.pause_if_full();
        self.export_best().await;
        self.adjust_places().await;
        Ok(())
    }

    /// What is said if the untrained model was measured without the objective: then no trial will have it either.
    fn lacks_objective(&self, event: &Event) -> Option<String> {
        let Event::Evaluated(baseline) = event else {
            return None;
        };
        let objective = &self.study.spec().objective;
        let mut each = baseline.each().into_iter().map(|(_, measurement)| measurement);
        let lacking = each.find(|measurement| objective.measured(measurement).is_none())?;
        let reported = named(lacking.loss.is_some(), lacking.metrics.keys());
        Some(objective.missing("the trainer's validation of the untrained model", &reported))
    }

    /// The event for the core, if any.
    async fn receive(&mut self, slot: SlotId, news: News) -> Option<Event> {
        match news {
            News::Idle { features } => {
                self.is_idle(slot, &features).await;
                None
            }
            News::Happened(mut event) => {
                if let Event::Reported(reported) = &event {
                    self.paused_before = None;
                    self.cut_off.remove(&reported.trial);
                }
                self.leave_out(&mut event).then_some(event)
            }
            News::Progress {
                trial,
                resource,
                examples_per_second,
            } => {
                self.observer.progress(trial, resource, examples_per_second);
                None
            }
            News::NoSpace { segment, message } => {
                let (trial, what) = (segment.trial, message.lines().next().unwrap_or_default());
                self.observer.paused(&format!("trial {trial} can't be saved: {what}"));
                self.full.push(trial);
                let checkpoint = None;
                Some(Event::Stopped { segment, checkpoint })
            }
            News::Disconnected {
                segment,
                message,
                excused,
            } => self.disconnected(slot, segment, message, excused),
            News::Exported { directory, mut results } => {
                let measured = results.measurement.iter_mut().chain(&mut results.untrained);
                measured.for_each(|measurement| self.leave_out_of(measurement));
                let trial = self.export.trial().filter(|_| !results.is_empty());
                self.keep_model(directory, &results).await;
                trial.map(|trial| Event::Tested(Tested { trial, results }))
            }
            News::ExportFailed { message, again } => {
                match again {
                    true => self.export_failed(message),
                    false => self.export = Export::Done(Err(message)),
                }
                None
            }
            News::Remark { about, text } => {
                self.remark(&about, &text);
                None
            }
            News::Measured { .. } | News::MeasureFailed { .. } | News::Fatal { .. } => None,
        }
    }

    /// A slot is idle. The first one measures the untrained model.
    async fn is_idle(&mut self, slot: SlotId, features: &[Feature]) {
        self.connected(slot);
        let measure = features.contains(&Feature::Evaluate)
            && self.study.baseline().is_none()
            && self.evaluating.is_none_or(|busy| busy == slot)
            && self.evaluations < EVALUATIONS;
        self.evaluating = self.evaluating.filter(|&busy| busy != slot);
        if measure {
            self.evaluations += 1;
            self.evaluating = Some(slot);
            self.slots.order(slot, Order::Evaluate).await;
        } else if !self.study.running().any(|trial| trial.slot() == Some(slot)) {
            // Else its connection was lost, and another made, before what it was given last came to it.
            self.idle.insert(slot, self.clock.elapsed());
        }
        self.can_export = features.contains(&Feature::Export);
    }

    /// Makes the records of a step durable and then carries out its commands.
    async fn carry_out(&mut self, step: Step) -> Result<(), SchedulerError> {
        let Step { records, commands } = step;
        if !records.is_empty() {
            let waiting = Waiting {
                observer: self.observer,
                cancellation: &mut self.cancellation,
                ends: self.stopping.is_some(),
            };
            self.storage.commit(&self.study, &records, waiting).await?;
            for record in &records {
                tracing::info!(fact = ?record.fact, "recorded");
            }
            self.observer.recorded(&self.study, &records);
            for record in &records {
                if let Fact::SegmentFailed { trial, .. } = record.fact {
                    self.storage.sweep(&self.study, Some(trial));
                }
            }
        }
        for command in commands {
            kill::point("scheduler.command:before");
            self.command(command).await;
            kill::point("scheduler.command:after");
        }
        Ok(())
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Run {
                slot,
                segment,
                from,
                to,
                checkpoint,
            } => {
                self.idle.remove(&slot);
                let Some(state) = self.study.trial(segment.trial) else {
                    return;
                };
                let policy = &self.study.spec().policy;
                let spec = SegmentSpec {
                    segment,
                    seed: state.seed,
                    parameters: state.parameters.clone(),
                    unit: policy.unit,
                    report_every: policy.report_every,
                    from,
                    to,
                    max: policy.max_resource,
                    checkpoint,
                };
                self.slots.order(slot, Order::Run(spec)).await;
            }
            Command::Stop { slot, segment, save } => self.slots.order(slot, Order::Stop { segment, save }).await,
            Command::Replace { slot } => self.slots.order(slot, Order::Replace).await,
            Command::Delete { files } => self.storage.delete(files).await,
        }
    }

    /// Has all running segments saved, and starts no others.
    async fn stop(&mut self) {
        self.stopping = Some(self.clock.elapsed() + GRACE);
        self.observer.stopping();
        let running = self.study.running();
        let running: Vec<_> = running
            .filter_map(|trial| Some((trial.slot()?, trial.last_segment())))
            .collect();
        for (slot, segment) in running {
            let save = true;
            self.slots.order(slot, Order::Stop { segment, save }).await;
        }
    }
}

/// The average number of trials that debug builds check for each event.
const CHECKED_EACH_TIME: usize = 64;

#[cfg(test)]
mod tests;

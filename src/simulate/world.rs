//! The slots of a simulated study.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use hpo_protocol::Unit;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::formula::{END, Missing};
use super::objective::{Curve, Objective};
use crate::ids::{SlotId, Timestamp, TrialId};
use crate::study::{Checkpoint, Command, Event, Measures, Reported, Study, StudySpec};

/// What a study is simulated under.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// The learning curves.
    pub objective: Objective,
    /// How many slots there are, at least 1.
    pub slots: u32,
    /// The seed of failures and durations.
    pub seed: u64,
    /// The probability that a segment fails, 0 to below 1.
    pub failures: f64,
    /// By how much the speed of training varies from trial to trial, as a share of the time it takes, 0 to below 1.
    pub spread: f64,
    /// The study ends as soon as all trials together have been trained so far.
    pub budget: Option<u64>,
}

/// The best trial at some moment of a study.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The resource that all trials together have been trained to by then, work thrown away included.
    pub resource: u64,
    /// Virtual time, in milliseconds.
    pub ms: u64,
    /// Of the trials at the maximum resource, the one with the lowest loss there; before there is one, of all trials that with
    /// the lowest loss anywhere; at the end, if the study confirms, the one that confirmation has chosen.
    pub best: TrialId,
    /// That loss.
    pub loss: f64,
    /// How much worse its configuration is than the best there is.
    pub regret: f64,
}

/// What became of a simulated study.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// The study.
    pub study: Study,
    /// The best trial, whenever it changed.
    pub moments: Vec<Moment>,
    /// The resource that all trials together were trained to, work thrown away included.
    pub resource: u64,
    /// Virtual time from beginning to end, in milliseconds.
    pub ms: u64,
    /// The share of it that slots were busy, 0 to 1.
    pub utilisation: f64,
    /// The same until the last trial of the search began: then there is not enough left to do for all slots.
    pub until_last_trial: f64,
}

impl Simulated {
    /// The best trial once all trials together had been trained so far.
    pub fn at(&self, resource: u64) -> Option<&Moment> {
        self.moments.iter().rev().find(|moment| moment.resource <= resource)
    }
}

/// A segment on a slot.
#[derive(Debug, Clone)]
struct Segment {
    trial: TrialId,
    attempt: u32,
    at: u64,
    to: u64,
    began: u64,
    /// Milliseconds that an epoch takes.
    epoch: f64,
    /// The report on the way to which it fails.
    fails: Option<u64>,
}

struct World {
    study: Study,
    conditions: Conditions,
    rng: ChaCha8Rng,
    now: u64,
    /// When the next report of a slot is due; the number tells of which segment.
    due: BinaryHeap<Reverse<(u64, SlotId, u64)>>,
    running: BTreeMap<SlotId, (u64, Segment)>,
    idle: BTreeSet<SlotId>,
    segments: u64,
    curves: BTreeMap<TrialId, Curve>,
    busy: f64,
    /// When the last trial of the search began, and how long slots had been busy by then, all together.
    last_trial: (u64, f64),
    resource: u64,
    moments: Vec<Moment>,
    /// The best trial: not at the maximum resource or at it, its loss, its number.
    best: Option<(bool, f64, TrialId)>,
}

/// Runs a study to its end, or until its budget is spent.
///
/// # Errors
/// If the objective needs a parameter that the space does not have.
pub fn simulate(spec: StudySpec, conditions: Conditions) -> Result<Simulated, Missing> {
    let limits = spec.limits();
    let slots = vec![String::new(); conditions.slots as usize];
    let mut world = World {
        rng: ChaCha8Rng::seed_from_u64(conditions.seed),
        study: Study::new(spec),
        now: 0,
        due: BinaryHeap::new(),
        running: BTreeMap::new(),
        idle: (0..conditions.slots).collect(),
        segments: 0,
        curves: BTreeMap::new(),
        busy: 0.0,
        last_trial: (0, 0.0),
        resource: 0,
        moments: Vec::new(),
        best: None,
        conditions,
    };
    let process = 0;
    world.tell(Event::Opened { process, slots, limits })?;
    world.give_work()?;
    while let Some(Reverse((ms, slot, number))) = world.due.pop() {
        if world.running.get(&slot).is_none_or(|(current, _)| *current != number) {
            continue;
        }
        world.now = ms;
        world.report(slot)?;
        if world.conditions.budget.is_some_and(|budget| world.resource >= budget) {
            break;
        }
        world.give_work()?;
    }
    world.confirmed();
    for (_, segment) in world.running.values() {
        world.busy += (world.now - segment.began) as f64;
    }
    let slots = f64::from(world.conditions.slots);
    let share = |busy: f64, ms: u64| if ms > 0 { busy / (ms as f64 * slots) } else { 1.0 };
    Ok(Simulated {
        study: world.study,
        moments: world.moments,
        resource: world.resource,
        ms: world.now,
        utilisation: share(world.busy, world.now),
        until_last_trial: share(world.last_trial.1, world.last_trial.0),
    })
}

impl World {
    fn give_work(&mut self) -> Result<(), Missing> {
        let slots = self.idle.iter().copied().collect();
        self.tell(Event::Idle { slots })
    }

    /// Has the core decide, and does what it says at once.
    fn tell(&mut self, event: Event) -> Result<(), Missing> {
        let step = self.study.handle(Timestamp(self.now), event);
        // Not only the trial that has reported: another may be promoted by it, and what that one came to ahead counts from now on.
        let touched: BTreeSet<TrialId> = step.records.iter().filter_map(|record| record.fact.trial()).collect();
        for trial in touched {
            self.observe(trial);
        }
        for command in step.commands {
            match command {
                Command::Run {
                    slot,
                    trial,
                    attempt,
                    from,
                    to,
                    ..
                } => self.start(slot, trial, attempt, from, to)?,
                Command::Stop { slot, save, .. } => self.stop(slot, save)?,
                Command::Replace { .. } | Command::Delete { .. } => {}
            }
        }
        Ok(())
    }

    fn start(&mut self, slot: SlotId, trial: TrialId, attempt: u32, from: u64, to: u64) -> Result<(), Missing> {
        if let (false, Some(state)) = (self.curves.contains_key(&trial), self.study.trial(trial)) {
            let curve = self.conditions.objective.curve(&state.parameters, state.seed)?;
            let curve = match state.confirms() {
                Some(_) => curve.with_noise_of(state.seed),
                None => curve,
            };
            if state.confirms().is_none() {
                let under_way = self
                    .running
                    .values()
                    .map(|(_, segment)| (self.now - segment.began) as f64);
                self.last_trial = (self.now, self.busy + under_way.sum::<f64>());
            }
            self.curves.insert(trial, curve);
        }
        let fails = self.rng.random::<f64>() < self.conditions.failures;
        let fails = fails.then(|| self.rng.random_range(from..to));
        let fails = fails.map(|at| self.study.spec().policy.next_report(at, to));
        // The same for all segments of a trial.
        let mut own = ChaCha8Rng::seed_from_u64(self.conditions.seed ^ trial.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let factor = 1.0 + self.conditions.spread * (2.0 * own.random::<f64>() - 1.0);
        let epoch = self.curves.get(&trial).map_or(0.0, |curve| 1000.0 * curve.seconds());
        self.idle.remove(&slot);
        self.segments += 1;
        let segment = Segment {
            trial,
            attempt,
            at: from,
            to,
            began: self.now,
            epoch: epoch * factor,
            fails,
        };
        self.schedule(slot, self.segments, &segment);
        self.running.insert(slot, (self.segments, segment));
        Ok(())
    }

    /// Where on the objective's curve a resource lies: steps and examples are as many epochs as make the maximum resource the
    /// curve's end.
    fn epochs(&self, resource: u64) -> f64 {
        let policy = &self.study.spec().policy;
        match policy.unit {
            Unit::Epochs => resource as f64,
            Unit::Steps | Unit::Examples => END * resource as f64 / policy.max_resource as f64,
        }
    }

    /// When the next report of a segment is due.
    fn due(&self, segment: &Segment) -> u64 {
        let next = self.study.spec().policy.next_report(segment.at, segment.to);
        self.now + (segment.epoch * (self.epochs(next) - self.epochs(segment.at))) as u64
    }

    fn schedule(&mut self, slot: SlotId, number: u64, segment: &Segment) {
        let due = self.due(segment);
        self.due.push(Reverse((due, slot, number)));
    }

    fn free(&mut self, slot: SlotId) {
        if let Some((_, segment)) = self.running.remove(&slot) {
            self.busy += (self.now - segment.began) as f64;
            self.idle.insert(slot);
        }
    }

    /// A slot comes to its next report, or fails on the way.
    fn report(&mut self, slot: SlotId) -> Result<(), Missing> {
        let policy = self.study.spec().policy;
        let Some((number, segment)) = self.running.get_mut(&slot) else {
            return Ok(());
        };
        let (trial, attempt) = (segment.trial, segment.attempt);
        let resource = policy.next_report(segment.at, segment.to);
        if segment.fails == Some(resource) {
            self.free(slot);
            return self.tell(Event::Failed {
                trial,
                attempt,
                message: "simulated".to_owned(),
                checkpoint_lost: false,
            });
        }
        self.resource += resource - segment.at;
        segment.at = resource;
        let (number, segment) = (*number, segment.clone());
        let at = self.epochs(resource);
        let loss = self
            .curves
            .get(&trial)
            .map_or(f64::NAN, |curve| curve.loss(resource, at));
        let loss = Some(loss).filter(|loss| loss.is_finite());
        if resource == segment.to || loss.is_none() {
            self.free(slot);
        } else {
            self.schedule(slot, number, &segment);
        }
        let checkpoint = Checkpoint {
            file: format!("{trial}/{attempt}-{resource}"),
            bytes: 0,
            sha256: String::new(),
        };
        self.tell(Event::Reported(Reported {
            trial,
            attempt,
            resource,
            loss,
            metrics: Measures::default(),
            checkpoint: loss.map(|_| checkpoint),
            last: false,
        }))
    }

    /// A segment is stopped at once. What it did since its last report is lost.
    fn stop(&mut self, slot: SlotId, save: bool) -> Result<(), Missing> {
        let Some((_, segment)) = self.running.get(&slot) else {
            return Ok(());
        };
        let (trial, attempt) = (segment.trial, segment.attempt);
        self.free(slot);
        // The trial may have been pruned meanwhile: the core takes no notice then.
        let checkpoint = None;
        if save {
            self.tell(Event::Stopped {
                trial,
                attempt,
                checkpoint,
            })
        } else {
            Ok(())
        }
    }

    /// Remembers whether a trial is the best now.
    fn observe(&mut self, trial: TrialId) {
        let max = self.study.spec().policy.max_resource;
        let Some(state) = self.study.trial(trial) else { return };
        // What confirms the search changes the best trial once only, when all of it is known.
        if state.confirms().is_some() {
            return;
        }
        // At the maximum resource the loss there counts, as for tools that know of no earlier checkpoint.
        let at_max = state.reports.get(&max).and_then(|report| report.loss);
        let loss = at_max.or(state.best().map(|(_, loss)| loss));
        let (Some(loss), Some(curve)) = (loss, self.curves.get(&trial)) else {
            return;
        };
        let now = (at_max.is_none(), loss, trial);
        if self.best.is_none_or(|best| now < best) {
            self.best = Some(now);
            let regret = curve.regret();
            self.moment(trial, loss, regret);
        }
    }

    /// Confirmation has chosen the best trial.
    fn confirmed(&mut self) {
        let study = &self.study;
        let chosen = study
            .best()
            .filter(|_| study.is_finished() && study.confirmation().is_some());
        let told = chosen.and_then(|trial| {
            let curve = self.curves.get(&trial.id)?;
            Some((trial.id, trial.best()?.1, curve.regret()))
        });
        if let Some((trial, loss, regret)) = told {
            self.moment(trial, loss, regret);
        }
    }

    fn moment(&mut self, best: TrialId, loss: f64, regret: f64) {
        self.moments.push(Moment {
            resource: self.resource,
            ms: self.now,
            best,
            loss,
            regret,
        });
    }
}

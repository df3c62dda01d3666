//! What happens on the slots of a simulated study, on virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::RangeInclusive;

use hpo_protocol::Unit;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::foreseen::Stretch;
use super::formula::END;
use super::objective::{Curve, NoCurve, Objective};
use crate::executor::{News, SegmentSpec, SlotNews};
use crate::ids::{SegmentId, SlotId, TrialId};
use crate::scheduler::Cancellation;
use crate::study::{self, Checkpoint, Event, Measures, PolicySpec, Reported, Study, StudySpec, Trial};

/// The conditions of a simulated study.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// The learning curves.
    pub objective: Objective,
    /// The number of slots, at least 1.
    pub slots: u32,
    /// The seed of failures, outages and durations.
    pub seed: u64,
    /// The probability that a segment fails, 0 to below 1.
    pub failures: f64,
    /// The probability that the connection to a slot is lost while a segment runs there, 0 to below 1.
    pub outages: f64,
    /// How much the speed of training varies from trial to trial, as a share of the time it takes, 0 to below 1.
    pub spread: f64,
    /// The resource of all trials together at which the study ends.
    pub budget: Option<u64>,
}

/// The best trial at some moment of a study.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The resource that all trials together have been trained to by then, discarded work included.
    pub resource: u64,
    /// Virtual time, in milliseconds.
    pub ms: u64,
    /// Of the trials at the maximum resource, the one with the best value there; before there is one, of all trials that with
    /// the best value anywhere; at the end, if the study confirms, the one that confirmation has chosen.
    pub best: TrialId,
    /// That value of the study's objective.
    pub value: f64,
    /// How much worse its configuration is than the best possible one.
    pub regret: f64,
}

/// How long a slot is away whose connection is lost, in milliseconds.
const OUTAGE: RangeInclusive<u64> = 60_000..=1_800_000;

/// What ends a segment before its time.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// It fails.
    Failure,
    /// The connection to its slot is lost.
    Outage,
}

/// A segment on a slot.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    id: SegmentId,
    from: u64,
    at: u64,
    to: u64,
    pub began: u64,
    /// Milliseconds that an epoch takes.
    epoch: f64,
    /// What happens to it, and before which report.
    mishap: Option<(u64, Mishap)>,
}

/// The state that slots, clock and observer of a simulated study share.
pub(super) struct World {
    policy: PolicySpec,
    metric: study::Objective,
    pub conditions: Conditions,
    rng: ChaCha8Rng,
    pub now: u64,
    /// When the next report of a slot is due, or when it is back; the number identifies the segment, or the outage.
    due: BinaryHeap<Reverse<(u64, SlotId, u64)>>,
    pub running: BTreeMap<SlotId, (u64, Segment)>,
    /// The outages of the slots that are away.
    away: BTreeMap<SlotId, u64>,
    numbers: u64,
    news: Vec<SlotNews>,
    curves: BTreeMap<TrialId, Curve>,
    /// Trials that confirm the search.
    confirming: BTreeSet<TrialId>,
    pub busy: f64,
    /// When the last trial of the search started, and how long all slots together had been busy by then.
    pub last_trial: (u64, f64),
    pub resource: u64,
    pub moments: Vec<Moment>,
    /// The best trial: not at the maximum resource or at it, its cost, its number.
    best: Option<(bool, f64, TrialId)>,
    pub no_curve: Option<NoCurve>,
    /// Asked to stop once the budget is spent, or the objective can't be computed.
    cancellation: Cancellation,
    ending: bool,
}

impl World {
    pub fn new(spec: &StudySpec, conditions: Conditions, cancellation: Cancellation) -> Self {
        Self {
            policy: spec.policy,
            metric: spec.objective.clone(),
            rng: ChaCha8Rng::seed_from_u64(conditions.seed),
            now: 0,
            due: BinaryHeap::new(),
            running: BTreeMap::new(),
            away: BTreeMap::new(),
            numbers: 0,
            news: (0..conditions.slots).map(SlotId).map(idle).collect(),
            curves: BTreeMap::new(),
            confirming: BTreeSet::new(),
            busy: 0.0,
            last_trial: (0, 0.0),
            resource: 0,
            moments: Vec::new(),
            best: None,
            no_curve: None,
            cancellation,
            ending: false,
            conditions,
        }
    }

    /// The news that is pending, or else the next; `None` once the loop was asked to stop.
    pub fn next_news(&mut self) -> Option<Vec<SlotNews>> {
        let spent = self.conditions.budget.is_some_and(|budget| self.resource >= budget);
        if self.no_curve.is_some() || (spent && self.news.is_empty()) {
            self.ending = true;
            self.cancellation.cancel();
            self.cancellation.cancel();
        }
        if self.ending {
            return None;
        }
        while self.news.is_empty() {
            let Reverse((ms, slot, number)) = self.due.pop()?;
            if self.running.get(&slot).is_some_and(|(current, _)| *current == number) {
                self.now = ms;
                self.report(slot);
            } else if self.away.get(&slot) == Some(&number) {
                self.now = ms;
                self.away.remove(&slot);
                self.news.push(idle(slot));
            }
        }
        Some(std::mem::take(&mut self.news))
    }

    pub fn start(&mut self, slot: SlotId, run: &SegmentSpec) {
        let trial = run.segment.trial;
        if self.ending || !self.has_curve(trial, run) {
            return;
        }
        let (from, to) = (run.from, run.to);
        let mishap = self.mishap().map(|mishap| {
            let at = self.rng.random_range(from..to);
            (self.policy.next_report(at, to), mishap)
        });
        // The same for all segments of a trial.
        let mut own = ChaCha8Rng::seed_from_u64(self.conditions.seed ^ trial.0.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let factor = 1.0 + self.conditions.spread * (2.0 * own.random::<f64>() - 1.0);
        let epoch = self.curves.get(&trial).map_or(0.0, |curve| 1000.0 * curve.seconds());
        let segment = Segment {
            id: run.segment,
            from,
            at: from,
            to,
            began: self.now,
            epoch: epoch * factor,
            mishap,
        };
        let number = self.number();
        self.schedule(slot, number, &segment);
        self.running.insert(slot, (number, segment));
    }

    fn mishap(&mut self) -> Option<Mishap> {
        let Conditions { failures, outages, .. } = self.conditions;
        if self.rng.random::<f64>() < failures {
            return Some(Mishap::Failure);
        }
        // Without outages, what happens is what happened before there were any.
        (outages > 0.0 && self.rng.random::<f64>() < outages).then_some(Mishap::Outage)
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Makes sure that a trial has a curve; false if it can't have one.
    fn has_curve(&mut self, trial: TrialId, run: &SegmentSpec) -> bool {
        if self.curves.contains_key(&trial) {
            return true;
        }
        let curve = match self.conditions.objective.curve(&run.parameters, run.seed) {
            Ok(curve) => curve,
            Err(error) => {
                self.no_curve = Some(error);
                return false;
            }
        };
        let confirms = self.confirming.contains(&trial);
        if !confirms {
            let under_way = self
                .running
                .values()
                .map(|(_, segment)| (self.now - segment.began) as f64);
            self.last_trial = (self.now, self.busy + under_way.sum::<f64>());
        }
        let curve = if confirms { curve.with_noise_of(run.seed) } else { curve };
        self.curves.insert(trial, curve);
        true
    }

    /// Where on the objective's curve a resource lies: steps and examples are as many epochs as make the maximum resource the
    /// curve's end.
    fn epochs(&self, resource: u64) -> f64 {
        match self.policy.unit {
            Unit::Epochs => resource as f64,
            Unit::Steps | Unit::Examples => END * resource as f64 / self.policy.max_resource as f64,
        }
    }

    /// Schedules a segment's next report.
    fn schedule(&mut self, slot: SlotId, number: u64, segment: &Segment) {
        let next = self.policy.next_report(segment.at, segment.to);
        let ms = match self.curves.get(&segment.id.trial) {
            Some(Curve::Costs(curve)) => {
                let stretch = Stretch {
                    resource: next - segment.at,
                    begins: segment.at == segment.from,
                    ends: next == segment.to,
                    is_last: next == self.policy.max_resource,
                };
                1000.0 * curve.seconds(slot, stretch)
            }
            Some(Curve::Formula(_) | Curve::Measured(_) | Curve::Evaluated(_)) | None => {
                segment.epoch * (self.epochs(next) - self.epochs(segment.at))
            }
        };
        let due = self.now + ms as u64;
        self.due.push(Reverse((due, slot, number)));
    }

    /// The segment on a slot is over. False if there was none.
    fn leave(&mut self, slot: SlotId) -> bool {
        let left = self.running.remove(&slot);
        self.busy += left
            .as_ref()
            .map_or(0.0, |(_, segment)| (self.now - segment.began) as f64);
        left.is_some()
    }

    fn free(&mut self, slot: SlotId) {
        if self.leave(slot) {
            self.news.push(idle(slot));
        }
    }

    /// The connection to a slot is lost, with what it was at.
    fn lose(&mut self, slot: SlotId, segment: SegmentId) {
        self.leave(slot);
        let news = News::Disconnected {
            segment: Some(segment),
            message: "simulated".to_owned(),
            excused: false,
        };
        self.news.push(SlotNews { slot, news });
        let number = self.number();
        self.away.insert(slot, number);
        let back = self.now + self.rng.random_range(OUTAGE);
        self.due.push(Reverse((back, slot, number)));
    }

    /// A slot reaches its next report, or fails on the way.
    fn report(&mut self, slot: SlotId) {
        let Some((number, mut segment)) = self.running.get(&slot).cloned() else {
            return;
        };
        let SegmentId { trial, attempt } = segment.id;
        let resource = self.policy.next_report(segment.at, segment.to);
        match segment.mishap.filter(|(at, _)| *at == resource) {
            Some((_, Mishap::Failure)) => {
                self.happened(
                    slot,
                    Event::Failed {
                        segment: segment.id,
                        message: "simulated".to_owned(),
                        checkpoint_lost: false,
                    },
                );
                return self.free(slot);
            }
            Some((_, Mishap::Outage)) => return self.lose(slot, segment.id),
            None => {}
        }
        self.resource += resource - segment.at;
        segment.at = resource;
        let at = self.epochs(resource);
        let curve = self.curves.get(&trial);
        let cost = curve.map_or(f64::NAN, |curve| curve.cost(resource, at));
        let value = Some(self.metric.signed(cost)).filter(|value| value.is_finite());
        let (loss, metrics) = match self.metric.is_loss() {
            true => (value, Measures::default()),
            false => {
                let name = |value| (self.metric.metric.clone(), value);
                (None, value.into_iter().map(name).collect())
            }
        };
        let checkpoint = Checkpoint {
            file: format!("{trial}/{attempt}-{resource}"),
            bytes: 0,
            sha256: String::new(),
        };
        self.happened(
            slot,
            Event::Reported(Reported {
                trial,
                attempt,
                resource,
                loss,
                metrics,
                diverged: value.is_none(),
                checkpoint: value.map(|_| checkpoint),
                last: false,
            }),
        );
        if resource == segment.to || value.is_none() {
            return self.free(slot);
        }
        self.schedule(slot, number, &segment);
        self.running.insert(slot, (number, segment));
    }

    /// A segment is stopped at once. What it did since its last report is lost.
    pub fn stop(&mut self, slot: SlotId, save: bool) {
        let Some((_, segment)) = self.running.get(&slot).filter(|_| !self.ending) else {
            return;
        };
        let stopped = Event::Stopped {
            segment: segment.id,
            checkpoint: None,
        };
        // The trial may have been pruned in the meantime: the core ignores the news then.
        if save {
            self.happened(slot, stopped);
        }
        self.free(slot);
    }

    fn happened(&mut self, slot: SlotId, event: Event) {
        let news = News::Happened(event);
        self.news.push(SlotNews { slot, news });
    }

    /// Records whether a trial is now the best.
    pub fn observe(&mut self, trial: &Trial) {
        // Confirmation changes the best trial only once, when all its results are known.
        if trial.confirms().is_some() {
            self.confirming.insert(trial.id);
            return;
        }
        // At the maximum resource the value there counts, as for tools that keep no earlier checkpoint.
        let at_max = trial
            .reports
            .get(&self.policy.max_resource)
            .and_then(|report| report.cost);
        let cost = at_max.or(trial.best().map(|(_, cost)| cost));
        let (Some(cost), Some(curve)) = (cost, self.curves.get(&trial.id)) else {
            return;
        };
        let now = (at_max.is_none(), cost, trial.id);
        if self.best.is_none_or(|best| now < best) {
            self.best = Some(now);
            let regret = curve.regret();
            self.moment(trial.id, cost, regret);
        }
    }

    /// Confirmation has chosen the best trial.
    pub fn confirmed(&mut self, study: &Study) {
        let chosen = study
            .best()
            .filter(|_| study.is_finished() && study.confirmation().is_some());
        let found = chosen.and_then(|trial| {
            let curve = self.curves.get(&trial.id)?;
            Some((trial.id, trial.best()?.1, curve.regret()))
        });
        if let Some((trial, cost, regret)) = found {
            self.moment(trial, cost, regret);
        }
    }

    fn moment(&mut self, best: TrialId, cost: f64, regret: f64) {
        self.moments.push(Moment {
            resource: self.resource,
            ms: self.now,
            best,
            value: self.metric.signed(cost),
            regret,
        });
    }
}

/// A slot is ready for work; it can neither measure the untrained model nor write models.
fn idle(slot: SlotId) -> SlotNews {
    let news = News::Idle { features: Vec::new() };
    SlotNews { slot, news }
}

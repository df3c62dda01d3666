//! A journal beside what this version would have recorded: each step of its decisions is taken again from the same event in the
//! same state.

mod same;

use super::event::{Event, Fact, Record};
use super::{Limits, Misfit, Study, StudySpec};
use crate::ids::{SegmentId, SlotId, TrialId};
use same::{is_about_the_same, is_same};

/// A place at which this version would record something else. Whatever follows is compared in the state that the journal has led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The number of the record, from 0.
    pub record: usize,
    /// What stands there, if it takes the place of what would; none if that is missing before it.
    pub stands: Option<Fact>,
    /// What would stand there; none if nothing would.
    pub would: Option<Fact>,
}

impl Difference {
    /// The trial that it is about, if it is about one.
    pub fn trial(&self) -> Option<TrialId> {
        let trial = |fact: &Option<Fact>| fact.as_ref().and_then(Fact::trial);
        trial(&self.stands).or_else(|| trial(&self.would))
    }

    /// Whether the same trial was drawn with other values.
    pub fn is_drawn_otherwise(&self) -> bool {
        matches!(
            (&self.stands, &self.would),
            (Some(Fact::TrialCreated { .. }), Some(Fact::TrialCreated { .. }))
        )
    }
}

/// A journal that is gone through.
#[derive(Debug)]
pub struct Replay<'a> {
    records: &'a [Record],
    /// How many of them are behind it.
    at: usize,
    /// The study after those: what decides.
    decider: Study,
    /// The study after the first `behind` records, of which the decider is made anew once it has decided otherwise.
    truth: Study,
    behind: usize,
    /// What would have been recorded before, and was not: it would be again each time.
    missed: Vec<Fact>,
    decisions: u64,
    agree: u64,
    differences: Vec<Difference>,
}

/// How what would be recorded agrees with what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Agreement {
    /// How many records of the journal are those that would be.
    same: usize,
    /// How many of those that would be were looked at.
    looked: usize,
    /// Whether the step agrees: as a whole, or up to where a process has ended before all of it was durable.
    whole: bool,
    /// Whether the decider is where the journal is.
    in_step: bool,
}

impl<'a> Replay<'a> {
    /// At the beginning of a study's records.
    pub fn new(spec: StudySpec, records: &'a [Record]) -> Self {
        let study = Study::new(spec);
        Self {
            records,
            at: 0,
            decider: study.clone(),
            truth: study,
            behind: 0,
            missed: Vec::new(),
            decisions: 0,
            agree: 0,
            differences: Vec::new(),
        }
    }

    /// How many records are behind it; after an error, those before the one that does not fit.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many decisions were found.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// How many of them this version would take too.
    pub fn agree(&self) -> u64 {
        self.agree
    }

    /// Where they differ, in order.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// The study as the journal has led to it.
    pub fn study(&self) -> &Study {
        &self.decider
    }

    /// Takes the next step; false at the end.
    ///
    /// # Errors
    /// If a record does not fit those before it.
    pub fn step(&mut self) -> Result<bool, Misfit> {
        let Some(record) = self.records.get(self.at) else {
            return Ok(false);
        };
        self.decider.fits(record)?;
        let mut nearest: Option<(Agreement, Vec<Record>)> = None;
        for event in self.events() {
            let would = self.decider.handle(record.at, event).records;
            let agreement = self.compare(&would);
            if agreement.whole {
                self.pass(agreement.same, true);
                if !agreement.in_step {
                    self.catch_up()?;
                }
                return Ok(true);
            }
            if !would.is_empty() {
                self.catch_up()?;
            }
            if nearest.as_ref().is_none_or(|(other, _)| other.same < agreement.same) {
                nearest = Some((agreement, would));
            }
        }
        match nearest {
            None if !is_decision(&record.fact) => {
                self.decider.apply(record);
                self.pass(1, true);
                return Ok(true);
            }
            None => self.differ(0, None),
            Some((agreement, would)) => {
                self.pass(agreement.same, true);
                self.differ(
                    agreement.same,
                    would.get(agreement.looked).map(|record| record.fact.clone()),
                );
            }
        }
        self.catch_up()?;
        Ok(true)
    }

    /// The next record differs, after so many of the same step that do not.
    fn differ(&mut self, same: usize, would: Option<Fact>) {
        let next = self.records.get(self.at);
        let stands = next.map(|record| &record.fact);
        let instead = match (&would, stands) {
            (Some(would), Some(stands)) => is_about_the_same(would, stands),
            _ => false,
        };
        // An event that stands where a decision would be has its own turn.
        let takes_place = same == 0 || stands.is_some_and(is_decision);
        self.differences.push(Difference {
            record: self.at,
            stands: stands.filter(|_| takes_place).cloned(),
            would: would.clone(),
        });
        if !instead {
            self.missed.extend(would);
        }
        if takes_place {
            self.pass(1, false);
        }
    }

    /// Counts records that are behind it now.
    fn pass(&mut self, count: usize, agree: bool) {
        for record in &self.records[self.at..self.at + count] {
            if is_decision(&record.fact) {
                self.decisions += 1;
                self.agree += u64::from(agree);
            }
        }
        self.at += count;
    }

    /// Brings the decider to where the journal is.
    fn catch_up(&mut self) -> Result<(), Misfit> {
        while self.behind < self.at {
            if let Err(misfit) = self.truth.follow(&self.records[self.behind]) {
                self.at = self.behind;
                return Err(misfit);
            }
            self.behind += 1;
        }
        self.decider = self.truth.clone();
        Ok(())
    }

    fn compare(&self, would: &[Record]) -> Agreement {
        let is = &self.records[self.at..];
        let (mut same, mut looked, mut skipped) = (0, 0, false);
        while let Some(one) = would.get(looked) {
            if is.get(same).is_some_and(|other| is_same(one, other)) {
                same += 1;
            } else if self.missed.contains(&one.fact) {
                skipped = true;
            } else {
                break;
            }
            looked += 1;
        }
        let all = looked == would.len();
        let ends = is.get(same).is_none_or(|_| is_takeover(&is[same..]));
        Agreement {
            same,
            looked,
            whole: same > 0 && (all || ends),
            in_step: all && !skipped,
        }
    }

    /// What may have happened where the next record stands, the most likely first; nothing if that is a fact that follows from no event.
    fn events(&self) -> Vec<Event> {
        let next = &self.records[self.at..];
        match &next[0].fact {
            Fact::StudyCreated { .. }
            | Fact::EarlierStudy(_)
            | Fact::EarlierResult(_)
            | Fact::TrialsRaised { by_hand: false, .. }
            | Fact::ConfirmationRaised { .. }
            | Fact::StopChanged { by_hand: false, .. }
            | Fact::CheckpointLost { .. }
            | Fact::StudyPaused(_) => Vec::new(),
            Fact::TrialsRaised { by_hand: true, .. } | Fact::StopChanged { by_hand: true, .. } => {
                vec![Event::LimitsSet(self.limits(next, true))]
            }
            Fact::SearchHeld => vec![Event::Held],
            Fact::SearchReleased => vec![Event::Released],
            Fact::Enqueued { parameters, .. } => {
                let parameters = parameters.clone();
                vec![Event::Enqueued { parameters }]
            }
            Fact::SchedulerStarted { .. } => self.opened(next).into_iter().collect(),
            Fact::TrialRetried { .. } => vec![self.retried(next)],
            Fact::SchedulerStopped => vec![Event::Closed],
            Fact::LimitReached { .. } => vec![Event::Ticked],
            Fact::BaselineMeasured(baseline) => vec![Event::Evaluated(baseline.clone())],
            Fact::ModelTested(tested) => vec![Event::Tested(tested.clone())],
            Fact::Reported(reported) => {
                let mut reported = reported.clone();
                // Older versions recorded no more than that it has no loss.
                reported.diverged |= reported.cost(&self.decider.spec.objective).is_none();
                vec![Event::Reported(reported)]
            }
            Fact::SegmentStopped {
                trial,
                attempt,
                checkpoint,
            } => vec![Event::Stopped {
                segment: SegmentId {
                    trial: *trial,
                    attempt: *attempt,
                },
                checkpoint: checkpoint.clone(),
            }],
            Fact::SegmentFailed {
                trial,
                attempt,
                message,
                checkpoint_lost,
                ..
            } => vec![Event::Failed {
                segment: SegmentId {
                    trial: *trial,
                    attempt: *attempt,
                },
                message: message.clone(),
                checkpoint_lost: *checkpoint_lost,
            }],
            &Fact::TrialStopped { trial } => vec![Event::TrialStopped { trial }],
            Fact::SegmentStarted { .. } | Fact::SegmentPreempted { .. } => vec![idle(next)],
            Fact::BracketOpened { .. }
            | Fact::TrialCreated { .. }
            | Fact::ConfirmationCreated { .. }
            | Fact::TrialPromoted { .. }
            | Fact::TrialPruned { .. }
            | Fact::TrialCompleted { .. }
            | Fact::StudyFinished { .. } => {
                // With nobody to retry, only what is due is decided.
                let trials = Vec::new();
                vec![Event::Retried { trials }, idle(next)]
            }
        }
    }

    /// That trials were given all their attempts again, by the user or by a scheduler that takes the study over.
    fn retried(&self, next: &[Record]) -> Event {
        let retried = |record: &Record| {
            let retried = matches!(record.fact, Fact::TrialRetried { .. });
            record.fact.trial().filter(|_| retried)
        };
        let trials: Vec<TrialId> = next.iter().map_while(retried).collect();
        let opened = self.opened(&next[trials.len()..]);
        let opened = opened.filter(|_| self.decider.wronged() == trials);
        opened.unwrap_or(Event::Retried { trials })
    }

    /// That a scheduler takes the study over, if it does, with the limits that follow.
    fn opened(&self, next: &[Record]) -> Option<Event> {
        let Fact::SchedulerStarted { process, slots } = &next.first()?.fact else {
            return None;
        };
        let limits = self.limits(&next[1..], false);
        let (process, slots) = (*process, slots.clone());
        Some(Event::Opened { process, slots, limits })
    }

    /// The limits that these records begin with, as somebody has set them while the search was under way, or the study's file has them.
    fn limits(&self, next: &[Record], hand: bool) -> Limits {
        let mut limits = self.decider.spec.limits();
        if !hand {
            limits.stop = self.decider.filed_limits().stop;
        }
        for record in next {
            if let Fact::TrialsRaised { trials, by_hand } = record.fact
                && by_hand == hand
            {
                limits.trials = trials;
            } else if let Fact::ConfirmationRaised { confirmation } = record.fact
                && !hand
            {
                limits.confirmation = Some(confirmation);
            } else if let Fact::StopChanged { stop, by_hand } = record.fact
                && by_hand == hand
            {
                limits.stop = stop;
            } else {
                break;
            }
        }
        limits
    }
}

/// That slots had nothing to do: those that are given work in the step that begins here.
fn idle(next: &[Record]) -> Event {
    let mut slots = Vec::new();
    let mut preempted = false;
    for record in next.iter().take_while(|record| record.at == next[0].at) {
        if let Fact::SegmentPreempted { .. } = record.fact {
            preempted = true;
        } else if preempted || !is_decision(&record.fact) {
            break;
        } else if let Fact::SegmentStarted { slot, .. } = record.fact {
            slots.push(slot);
        }
    }
    // One that gets nothing may still have had trials promoted that need no slot.
    if slots.is_empty() && !preempted {
        slots.push(SlotId(0));
    }
    Event::Idle { slots }
}

/// Whether a fact follows from those before it.
fn is_decision(fact: &Fact) -> bool {
    match fact {
        Fact::BracketOpened { .. }
        | Fact::TrialCreated { .. }
        | Fact::ConfirmationCreated { .. }
        | Fact::SegmentStarted { .. }
        | Fact::SegmentPreempted { .. }
        | Fact::TrialPromoted { .. }
        | Fact::TrialPruned { .. }
        | Fact::TrialCompleted { .. }
        | Fact::StudyPaused(_)
        | Fact::LimitReached { .. }
        | Fact::StudyFinished { .. } => true,
        Fact::StudyCreated { .. }
        | Fact::EarlierStudy(_)
        | Fact::EarlierResult(_)
        | Fact::SchedulerStarted { .. }
        | Fact::SchedulerStopped
        | Fact::TrialsRaised { .. }
        | Fact::ConfirmationRaised { .. }
        | Fact::StopChanged { .. }
        | Fact::SearchHeld
        | Fact::SearchReleased
        | Fact::Enqueued { .. }
        | Fact::BaselineMeasured(_)
        | Fact::ModelTested(_)
        | Fact::Reported(_)
        | Fact::SegmentStopped { .. }
        | Fact::SegmentFailed { .. }
        | Fact::CheckpointLost { .. }
        | Fact::TrialStopped { .. }
        | Fact::TrialRetried { .. } => false,
    }
}

/// Whether a scheduler takes the study over here: the one before it may have ended in the middle of a step.
fn is_takeover(next: &[Record]) -> bool {
    let first = next
        .iter()
        .find(|record| !matches!(record.fact, Fact::TrialRetried { .. }));
    first.is_some_and(|record| matches!(record.fact, Fact::SchedulerStarted { .. }))
}

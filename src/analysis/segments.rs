//! What ran on which slot and when, which a study does not keep: it is read from the records as they pass by.

use crate::ids::{SegmentId, SlotId, Timestamp, TrialId};
use crate::study::{Fact, Record, Study};

/// How a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has not, as far as the records go.
    Open,
    /// The trial came to the segment's end, or to its own.
    Done,
    /// It was stopped before that.
    Stopped,
    /// It failed, or was lost with the scheduler.
    Failed,
}

/// One stretch of a trial on a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// What ran.
    pub id: SegmentId,
    /// Where.
    pub slot: SlotId,
    /// The resource where it began.
    pub from: u64,
    /// The resource where it was to end.
    pub to: u64,
    /// Whether it ran ahead of the decision whether the trial may go on.
    pub ahead: bool,
    /// When it began.
    pub began: Timestamp,
    /// When it ended, or when the last record was made.
    pub until: Timestamp,
    /// How it ended.
    pub ending: Ending,
}

/// A time in which a scheduler had the study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// From when.
    pub from: Timestamp,
    /// Until when: its last record.
    pub to: Timestamp,
    /// The names of its slots; none if it did not say.
    pub slots: Vec<String>,
    closed: bool,
}

/// All segments of a study, in the order in which they began, and the runs of its schedulers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments {
    segments: Vec<Segment>,
    /// The places of those that run.
    open: Vec<usize>,
    runs: Vec<Run>,
}

impl Segments {
    /// Takes in a record of a study.
    pub fn observe(&mut self, study: &Study, record: &Record) {
        let at = record.at;
        if let Fact::SchedulerStarted { slots, .. } = &record.fact {
            // What still ran was lost, at the latest when the last record had been made.
            let last = self.runs.last().map_or(at, |run| run.to);
            self.end(|_| true, last, Ending::Failed);
            return self.begin(at, slots.clone());
        }
        match self.runs.last_mut().filter(|run| !run.closed) {
            Some(run) => run.to = run.to.max(at),
            None => self.begin(at, Vec::new()),
        }
        self.take_in(study, at, &record.fact);
        for &place in &self.open {
            self.segments[place].until = at;
        }
    }

    /// Takes in what a record says of segments.
    fn take_in(&mut self, study: &Study, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::SegmentStarted {
                trial,
                attempt,
                slot,
                from,
                to,
                ahead,
            } => {
                self.end(|running| running.slot == *slot, at, Ending::Stopped);
                self.open.push(self.segments.len());
                self.segments.push(Segment {
                    id: SegmentId {
                        trial: *trial,
                        attempt: *attempt,
                    },
                    slot: *slot,
                    from: *from,
                    to: *to,
                    ahead: *ahead,
                    began: at,
                    until: at,
                    ending: Ending::Open,
                });
            }
            Fact::Reported(report) => {
                let id = report.segment();
                let is_last = report.last || study.diverges(report);
                self.end(
                    |running| running.id == id && (is_last || report.resource >= running.to),
                    at,
                    Ending::Done,
                );
            }
            Fact::SegmentStopped { trial, attempt, .. } => {
                self.end(of(*trial, *attempt), at, Ending::Stopped);
            }
            Fact::SegmentFailed { trial, attempt, .. } => self.end(of(*trial, *attempt), at, Ending::Failed),
            Fact::TrialStopped { trial } => self.end(|running| running.id.trial == *trial, at, Ending::Stopped),
            Fact::SchedulerStopped | Fact::StudyFinished { .. } => {
                self.end(|_| true, at, Ending::Stopped);
                if let (Fact::SchedulerStopped, Some(run)) = (fact, self.runs.last_mut()) {
                    run.closed = true;
                }
            }
            Fact::StudyCreated { .. }
            | Fact::EarlierStudy(_)
            | Fact::EarlierResult(_)
            | Fact::SchedulerStarted { .. }
            | Fact::TrialsRaised { .. }
            | Fact::ConfirmationRaised { .. }
            | Fact::StopChanged { .. }
            | Fact::LimitReached { .. }
            | Fact::BaselineMeasured(_)
            | Fact::ModelTested(_)
            | Fact::BracketOpened { .. }
            | Fact::TrialCreated { .. }
            | Fact::ConfirmationCreated { .. }
            | Fact::SegmentPreempted { .. }
            | Fact::CheckpointLost { .. }
            | Fact::TrialPromoted { .. }
            | Fact::TrialPruned { .. }
            | Fact::TrialCompleted { .. }
            | Fact::TrialRetried { .. }
            | Fact::SearchHeld
            | Fact::SearchReleased
            | Fact::Enqueued { .. }
            | Fact::StudyPaused(_) => {}
        }
    }

    /// All segments, in the order in which they began.
    pub fn all(&self) -> &[Segment] {
        &self.segments
    }

    /// The places among all of those that run.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        self.open.iter().copied()
    }

    /// The runs of schedulers, one after the other.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// For how many milliseconds schedulers had the study up to a moment: the time between their runs does not count.
    pub fn active_ms(&self, at: Timestamp) -> u64 {
        let until = |run: &Run| run.to.min(at).since(run.from);
        self.runs.iter().map(until).sum()
    }

    fn begin(&mut self, at: Timestamp, slots: Vec<String>) {
        self.runs.push(Run {
            from: at,
            to: at,
            slots,
            closed: false,
        });
    }

    fn end(&mut self, ends: impl Fn(&Segment) -> bool, at: Timestamp, ending: Ending) {
        let segments = &mut self.segments;
        self.open.retain(|&place| {
            let segment = &mut segments[place];
            let ended = ends(segment);
            if ended {
                segment.until = at.max(segment.began);
                segment.ending = ending;
            }
            !ended
        });
    }
}

fn of(trial: TrialId, attempt: u32) -> impl Fn(&Segment) -> bool {
    let id = SegmentId { trial, attempt };
    move |running| running.id == id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Reported;
    use crate::study::tests::spec;

    fn observed(facts: Vec<(u64, Fact)>) -> Segments {
        let (mut segments, study) = (Segments::default(), Study::new(spec(1, 9, 3)));
        for (at, fact) in facts {
            let at = Timestamp(at);
            segments.observe(&study, &Record { at, fact });
        }
        segments
    }

    fn started(process: u32) -> Fact {
        let slots = vec!["CPU".to_owned()];
        Fact::SchedulerStarted { process, slots }
    }

    fn begun(trial: u64, attempt: u32, slot: u32) -> Fact {
        Fact::SegmentStarted {
            trial: TrialId(trial),
            attempt,
            slot: SlotId(slot),
            from: 0,
            to: 2,
            ahead: false,
        }
    }

    fn reported(trial: u64, resource: u64) -> Fact {
        Fact::Reported(Reported {
            trial: TrialId(trial),
            attempt: 1,
            resource,
            loss: Some(0.5),
            metrics: Default::default(),
            diverged: false,
            checkpoint: None,
            last: false,
        })
    }

    #[test]
    fn segments_end_as_the_records_say_and_what_a_scheduler_loses_ends_with_it() {
        let failed = Fact::SegmentFailed {
            trial: TrialId(1),
            attempt: 1,
            message: "no".into(),
            checkpoint_lost: false,
            retry: true,
        };
        let segments = observed(vec![
            (100, started(1)),
            (110, begun(0, 1, 0)),
            (110, begun(1, 1, 1)),
            (120, reported(0, 1)),
            (130, failed),
            (140, reported(0, 2)),
            (150, begun(2, 1, 0)),
            (160, begun(1, 2, 1)),
            (1000, started(2)),
            (1010, begun(2, 2, 0)),
            (1050, reported(9, 1)),
        ]);
        let seen: Vec<_> = segments
            .all()
            .iter()
            .map(|one| (one.id.trial.0, one.until.0, one.ending))
            .collect();
        let expected = [
            (0, 140, Ending::Done),
            (1, 130, Ending::Failed),
            (2, 160, Ending::Failed),
            (1, 160, Ending::Failed),
            (2, 1050, Ending::Open),
        ];
        assert_eq!(seen, expected);
        let active = [100, 140, 500, 1000, 1020, 9999].map(|at| segments.active_ms(Timestamp(at)));
        assert_eq!(active, [0, 40, 60, 60, 80, 110]);
    }

    #[test]
    fn a_study_without_a_scheduler_begins_with_its_first_record() {
        let segments = observed(vec![
            (100, begun(0, 1, 0)),
            (130, Fact::SchedulerStopped),
            (500, reported(0, 1)),
        ]);
        assert_eq!(segments.all()[0].ending, Ending::Stopped);
        assert_eq!(segments.runs().len(), 2);
        assert_eq!(segments.active_ms(Timestamp(600)), 30);
    }
}

//! A study as its records pass by, and what of it has changed since it was last published.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::published::{Part, Published};
use super::rows::{self, Columns, Decision, Source, Verdict};
use super::whole::{Circumstances, whole};
use crate::analysis::{Overview, Segments};
use crate::ids::TrialId;
use crate::study::{Fact, Record, Reported, Study, Trial, TrialState};

/// What is kept of a study beside its fold.
#[derive(Debug)]
pub(super) struct Live {
    segments: Segments,
    columns: Columns,
    sources: Vec<Source>,
    decisions: Vec<Decision>,
    /// The trials that records have been about since the last publication.
    touched: BTreeSet<TrialId>,
    /// Those that were on slots then.
    running: BTreeSet<TrialId>,
    /// The segments that had not ended then.
    open: Vec<usize>,
    published: Arc<Published>,
}

impl Live {
    /// A study of which no record was seen; its revisions begin above `first`.
    pub fn new(first: u64) -> Self {
        Self {
            segments: Segments::default(),
            columns: Columns::default(),
            sources: Vec::new(),
            decisions: Vec::new(),
            touched: BTreeSet::new(),
            running: BTreeSet::new(),
            open: Vec::new(),
            published: Arc::new(Published {
                revision: first,
                first: first + 1,
                before: first,
                ..Published::default()
            }),
        }
    }

    /// Takes in a record, with the study as that leaves it.
    pub fn observe(&mut self, study: &Study, record: &Record) {
        self.segments.observe(study, record);
        if self.columns.metrics.is_empty() {
            self.columns = Columns::of(study);
        }
        let Some(trial) = record.fact.trial().and_then(|id| study.trial(id)) else {
            return;
        };
        self.touched.insert(trial.id);
        if self.sources.len() < study.trials().len() {
            self.sources.push(source(study, trial));
        }
        if let Fact::Reported(report) = &record.fact
            && let Some(kept) = trial
                .reports
                .get(&report.resource)
                .or(trial.ahead.reports.get(&report.resource))
        {
            self.columns.take_in(kept);
        }
        let decided = decision(study, trial, &record.fact);
        self.decisions.extend(decided.map(|(what, rung, to)| Decision {
            at: record.at,
            trial: trial.id,
            rung,
            what,
            to,
        }));
    }

    /// How the configuration of a trial came about.
    pub fn source(&self, trial: TrialId) -> Source {
        self.sources.get(trial.0 as usize).copied().unwrap_or(Source::Drawn)
    }

    /// A trial as it is, as JSON.
    pub fn trial(&self, study: &Study, trial: &Trial) -> String {
        rows::trial(study, trial, &self.columns, self.source(trial.id))
    }

    /// The study as it is. It has a revision of its own if anything in it has changed.
    pub fn publish(&mut self, study: &Study, of: Circumstances<'_>, overview: Option<&Overview>) -> Arc<Published> {
        if self.columns.metrics.is_empty() {
            self.columns = Columns::of(study);
        }
        let before = &self.published;
        let revision = before.revision + 1;
        let running: BTreeSet<TrialId> = study.running().map(|trial| trial.id).collect();
        let mut changed = std::mem::take(&mut self.touched);
        changed.extend(self.running.iter().chain(&running));
        let mut trials = before.trials.clone();
        let mut any = false;
        for trial in changed.into_iter().filter_map(|id| study.trial(id)) {
            let place = trial.id.0 as usize;
            any |= put(&mut trials, place, revision, self.trial(study, trial));
        }
        let mut segments = before.segments.clone();
        let all = self.segments.all();
        let places = self.open.iter().copied().chain(segments.len()..all.len());
        for place in places.collect::<Vec<_>>() {
            any |= put(&mut segments, place, revision, rows::segment(place, &all[place]));
        }
        let mut decisions = before.decisions.clone();
        for (place, decision) in self.decisions.iter().enumerate().skip(decisions.len()) {
            any |= put(&mut decisions, place, revision, rows::json(decision));
        }
        let whole: Value = whole(study, &self.segments, &self.columns, of, overview);
        let whole: Arc<str> = rows::json(&whole).into();
        self.running = running;
        self.open = self.segments.running().collect();
        if any || whole != before.study {
            self.published = Arc::new(Published {
                revision,
                first: before.first,
                before: before.revision,
                study: whole,
                trials,
                segments,
                decisions,
                ..Published::default()
            });
        }
        self.published.clone()
    }
}

/// Puts a part in its place; whether it is another one than before.
fn put(parts: &mut Vec<Part>, place: usize, revision: u64, json: String) -> bool {
    let json: Arc<str> = json.into();
    let part = Part { revision, json };
    match parts.get_mut(place) {
        Some(known) if known.json == part.json => return false,
        Some(known) => *known = part,
        None => parts.push(part),
    }
    true
}

/// How the configuration of a trial that was just created came about.
fn source(study: &Study, trial: &Trial) -> Source {
    // It is the last one.
    let number = study.drawn().saturating_sub(1);
    match trial.confirms() {
        Some(_) => Source::Confirmation,
        None if study.is_enqueued(number) => Source::Enqueued,
        None if number < study.spec().space.try_first.len() as u64 => Source::First,
        None => Source::Drawn,
    }
}

/// What a record decides about its trial, or says has become of it; at which resource; and the rung that it goes on to.
fn decision(study: &Study, trial: &Trial, fact: &Fact) -> Option<(Verdict, u64, Option<u64>)> {
    Some(match fact {
        Fact::TrialPromoted { rung, to, .. } => (Verdict::Promoted, *rung, Some(*to)),
        Fact::TrialPruned { rung, .. } => (Verdict::Pruned, *rung, None),
        Fact::TrialCompleted { rung, .. } => (Verdict::Completed, *rung, None),
        Fact::TrialStopped { .. } => (Verdict::Stopped, trial.resource(), None),
        Fact::TrialRetried { .. } => (Verdict::Retried, trial.resource(), None),
        Fact::SegmentFailed { retry: false, .. } if trial.state.failure().is_some() => {
            (Verdict::Failed, trial.resource(), None)
        }
        Fact::Reported(report) => return ended(study, trial, report),
        Fact::StudyCreated { .. }
        | Fact::EarlierStudy(_)
        | Fact::EarlierResult(_)
        | Fact::SchedulerStarted { .. }
        | Fact::SchedulerStopped
        | Fact::TrialsRaised { .. }
        | Fact::ConfirmationRaised { .. }
        | Fact::StopChanged { .. }
        | Fact::LimitReached { .. }
        | Fact::BaselineMeasured(_)
        | Fact::ModelTested(_)
        | Fact::BracketOpened { .. }
        | Fact::TrialCreated { .. }
        | Fact::ConfirmationCreated { .. }
        | Fact::SegmentStarted { .. }
        | Fact::SegmentPreempted { .. }
        | Fact::SegmentStopped { .. }
        | Fact::SegmentFailed { .. }
        | Fact::CheckpointLost { .. }
        | Fact::SearchHeld
        | Fact::SearchReleased
        | Fact::Enqueued { .. }
        | Fact::StudyPaused(_)
        | Fact::StudyFinished { .. } => return None,
    })
}

/// That a report has ended its trial.
fn ended(study: &Study, trial: &Trial, report: &Reported) -> Option<(Verdict, u64, Option<u64>)> {
    let what = match trial.state {
        TrialState::Completed => Verdict::Completed,
        TrialState::Diverged { .. } if study.diverges(report) => Verdict::Diverged,
        TrialState::Diverged { .. }
        | TrialState::Waiting { .. }
        | TrialState::Running { .. }
        | TrialState::Paused { .. }
        | TrialState::Ahead { .. }
        | TrialState::Pruned { .. }
        | TrialState::Failed { .. } => return None,
    };
    Some((what, report.resource, None))
}

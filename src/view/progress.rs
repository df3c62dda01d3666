//! Progress while a study runs: live lines in a terminal, plain lines elsewhere.

use std::collections::BTreeMap;

use hpo_protocol::{Baseline, Measurement, Unit};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format::{duration, metric, notify};
use super::table::minor;
use crate::analysis::remaining;
use crate::clock::now;
use crate::disk::what_is_full;
use crate::ids::{SlotId, Timestamp, TrialId};
use crate::scheduler::Observer;
use crate::study::{Fact, Record, Reported, Study, Tested, Trial, TrialState};
use crate::words::counted;

/// The interval of status lines if there is no terminal for live lines, in milliseconds.
const PLAIN_INTERVAL: u64 = 30_000;

/// Shows what happens on standard error.
pub struct Progress {
    started: Timestamp,
    /// When the last status line was printed.
    last_status: Timestamp,
    slots: usize,
    lines: Option<Lines>,
    running: BTreeMap<TrialId, (f64, Option<f64>)>,
    pace: Pace,
    /// The lowest cost of any trial so far: it may not have been trained to the end.
    best: Option<f64>,
}

/// The lines at the bottom of a terminal: one for the study, one for each slot.
struct Lines {
    all: MultiProgress,
    study: ProgressBar,
    slots: Vec<ProgressBar>,
}

impl Progress {
    /// Live lines if standard error is a terminal, plain ones otherwise.
    pub fn new(slots: usize) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let lines = (!all.is_hidden()).then(|| {
            let line = || {
                let bar = all.add(ProgressBar::new_spinner());
                // The template is a constant without placeholders that could be wrong.
                bar.set_style(
                    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
                );
                bar
            };
            let slots = (0..slots).map(|_| line()).collect();
            Lines {
                slots,
                study: line(),
                all: all.clone(),
            }
        });
        Self {
            started: now(),
            last_status: now(),
            slots: slots.max(1),
            lines,
            running: BTreeMap::new(),
            pace: Pace::default(),
            best: None,
        }
    }

    /// Removes the live lines.
    pub fn finish(&self) {
        if let Some(lines) = &self.lines {
            let _ = lines.all.clear();
        }
    }

    fn say(&self, at: Timestamp, text: &str) {
        let line = format!("[{:>7}] {text}", duration(at.since(self.started)));
        match &self.lines {
            // A terminal that is gone is no reason to stop training.
            Some(lines) => drop(lines.all.println(line)),
            None => notify(&line),
        }
    }

    /// What a slot is doing.
    fn slot(&self, study: &Study, slot: SlotId) -> String {
        let Some(trial) = study.running().find(|trial| trial.slot() == Some(slot)) else {
            return "-".into();
        };
        let (at, to, ahead) = match trial.state {
            TrialState::Running { at, to, .. } => (at, to, ""),
            TrialState::Ahead { at, to, .. } => (at, to, " ahead of the decision"),
            // Only the others are on a slot.
            TrialState::Waiting { .. }
            | TrialState::Paused { .. }
            | TrialState::Pruned { .. }
            | TrialState::Completed
            | TrialState::Diverged { .. }
            | TrialState::Failed { .. } => (0, 0, ""),
        };
        let (at, speed) = self.running.get(&trial.id).copied().unwrap_or((at as f64, None));
        let speed = speed.map_or(String::new(), |speed| format!("  {speed:.1} examples/s"));
        let unit = study.spec().policy.unit;
        let decimals = if unit == Unit::Epochs { 2 } else { 0 };
        let unit = unit.one();
        format!("trial {:<4} {unit} {at:.decimals$} of {to}{ahead}{speed}", trial.id)
    }

    /// How far the study is.
    fn whole(&self, study: &Study, now: Timestamp) -> String {
        let over = study.search_trials().filter(|trial| trial.state.is_final()).count();
        let confirmed = study.confirmation().map_or(String::new(), |confirmation| {
            format!("  confirmed {}/{}", confirmation.over, confirmation.runs)
        });
        let objective = &study.spec().objective;
        let best = self.best.map_or(String::new(), |cost| {
            format!("  best {} {}", objective.metric, metric(objective.signed(cost)))
        });
        let speed: f64 = self.running.values().filter_map(|(_, speed)| *speed).sum();
        let speed = if speed > 0.0 {
            format!("  {speed:.1} examples/s")
        } else {
            String::new()
        };
        let left = match study.is_at_rest() {
            true => "  writing the best model".into(),
            false => {
                let left = self.remaining(study);
                left.map_or(String::new(), |ms| format!("  about {} left", duration(ms)))
            }
        };
        let rungs = study.rungs().into_iter();
        let rungs: Vec<String> = rungs
            .filter(|rung| rung.reached > 0 || rung.planned.is_some())
            .map(|rung| match rung.planned {
                Some(planned) => format!("{}: {}/{planned}", rung.resource, rung.reached),
                None => format!("{}: {}", rung.resource, rung.reached),
            })
            .collect();
        let planned = study.planned_resource();
        let planned = planned.map_or(String::new(), |planned| format!(" of {planned}"));
        let units = study.spec().policy.unit.many();
        format!(
            "{over} of {} decided  rungs {}{confirmed}  {}{planned} {units}{best}{speed}  {} gone{left}",
            counted(study.spec().trials, "trial"),
            rungs.join(" "),
            study.trained_resource(),
            duration(now.since(self.started)),
        )
    }

    /// Milliseconds still to go, once the time that a resource takes is known.
    fn remaining(&self, study: &Study) -> Option<u64> {
        let trained = study.trained_resource();
        let spent: u64 = study.trials().iter().map(|trial| trial.trained_ms).sum();
        let before = (trained > 0).then(|| spent as f64 / trained as f64);
        let each = self.pace.each().or(before)?;
        let at = |trial| self.running.get(&trial).map(|(at, _)| *at);
        Some((remaining(study, self.slots, &at)? * each) as u64)
    }
}

/// How long a resource takes on a slot. What trials train ahead of a decision counts, even if it is discarded.
#[derive(Debug, Default)]
struct Pace {
    ms: u64,
    resource: u64,
    /// The last moment of each trial on a slot, and its resource.
    since: BTreeMap<TrialId, (Timestamp, u64)>,
}

impl Pace {
    fn observe(&mut self, record: &Record) {
        let at = record.at;
        if let &Fact::SegmentStarted { trial, from, .. } = &record.fact {
            self.since.insert(trial, (at, from));
        } else if let Fact::Reported(report) = &record.fact
            && let Some((before, from)) = self.since.insert(report.trial, (at, report.resource))
        {
            self.ms += at.since(before);
            self.resource += report.resource.saturating_sub(from);
        }
    }

    fn each(&self) -> Option<f64> {
        (self.resource > 0).then(|| self.ms as f64 / self.resource as f64)
    }
}

impl Observer for Progress {
    fn recorded(&mut self, study: &Study, records: &[Record]) {
        let lowest = |trial: &Trial| trial.best().map(|(_, cost)| cost);
        // The first records may follow those of an earlier scheduler.
        let news: Vec<&Trial> = match self.best {
            None => study.trials().iter().collect(),
            Some(_) => records
                .iter()
                .filter_map(|record| study.trial(record.fact.trial()?))
                .collect(),
        };
        let costs = news.into_iter().filter_map(lowest);
        self.best = costs.chain(self.best).reduce(f64::min);
        for record in records {
            self.pace.observe(record);
            if let Some(text) = line(study, &record.fact) {
                self.say(record.at, &text);
            }
            if let Some(id) = record.fact.trial()
                && study.trial(id).and_then(Trial::slot).is_none()
            {
                self.running.remove(&id);
            }
        }
    }

    fn progress(&mut self, trial: TrialId, resource: f64, examples_per_second: Option<f64>) {
        self.running.insert(trial, (resource, examples_per_second));
    }

    fn stopping(&mut self) {
        self.say(
            now(),
            "stopping: running trials save their state (press Ctrl-C again to stop at once)",
        );
    }

    fn note(&mut self, text: &str) {
        self.say(now(), text);
    }

    fn paused(&mut self, why: &str) {
        let what = what_is_full(why);
        let text = format!(
            "{what}: {why}\n  the study pauses, nothing is lost, and it continues by itself once there is space"
        );
        self.say(now(), &text);
    }

    fn resumed(&mut self) {
        self.say(now(), "the study continues");
    }

    fn tick(&mut self, study: &Study, now: Timestamp) {
        match &self.lines {
            Some(lines) => {
                for (slot, line) in (0..).zip(&lines.slots) {
                    line.set_message(format!("slot {slot}  {}", self.slot(study, SlotId(slot))));
                }
                lines
                    .study
                    .set_message(format!("{}  {}", study.spec().name, self.whole(study, now)));
                lines.study.tick();
            }
            None if now.since(self.last_status) >= PLAIN_INTERVAL && !self.running.is_empty() => {
                self.last_status = now;
                self.say(now, &self.whole(study, now));
            }
            None => {}
        }
    }
}

/// A loss and metrics, each with its name, as far as there is room for them.
fn values<'a>(study: &Study, loss: Option<f64>, metrics: impl IntoIterator<Item = (&'a String, &'a f64)>) -> String {
    let minor = minor(study.spec());
    let loss = loss.map_or(String::new(), |loss| format!(" loss {}", metric(loss)));
    let metrics = metrics.into_iter().filter(|(name, _)| !minor.contains(*name));
    let metrics = metrics.map(|(name, m)| format!("  {name} {}", metric(*m)));
    loss + &metrics.collect::<String>()
}

/// A line for each untrained model.
fn untrained(study: &Study, baseline: &Baseline) -> String {
    let each = baseline.each().into_iter();
    let lines = each.map(|(model, Measurement { loss, metrics })| {
        let name = model.map_or(String::new(), |model| format!(" {model}"));
        format!("untrained{name}:{}", values(study, *loss, metrics))
    });
    lines.collect::<Vec<_>>().join("\n          ")
}

/// The line for a record, if it is of interest to people.
fn line(study: &Study, fact: &Fact) -> Option<String> {
    let unit = study.spec().policy.unit.one();
    Some(match fact {
        Fact::ModelTested(tested) => exported(study, tested),
        Fact::BaselineMeasured(baseline) => untrained(study, baseline),
        Fact::ConfirmationRaised { confirmation } => format!(
            "to be confirmed: the best {} with {} each",
            confirmation.configurations,
            counted(confirmation.seeds, "seed")
        ),
        Fact::ConfirmationCreated { trial, confirms, .. } => {
            format!("trial {trial}: confirms trial {confirms} with another seed")
        }
        Fact::StopChanged { by_hand: true, .. } => "the user has changed the limits at which the search ends".to_owned(),
        Fact::SearchHeld => "paused by the user: what was being trained is saved".to_owned(),
        Fact::SearchReleased => "goes on".to_owned(),
        Fact::Enqueued { number, .. } => format!("enqueued by the user: configuration {number}"),
        Fact::TrialsRaised { trials, .. } => format!("the study now has {trials} trials"),
        Fact::SegmentStarted {
            trial,
            slot,
            from,
            to,
            ahead,
            ..
        } => {
            let ahead = if *ahead { ", ahead of its decision" } else { "" };
            format!("trial {trial}: {unit} {from} to {to} on slot {slot}{ahead}")
        }
        Fact::SegmentPreempted { trial, .. } => format!("trial {trial}: makes room"),
        Fact::Reported(report) if study.diverges(report) => {
            let (trial, resource) = (report.trial, report.resource);
            let metric = &study.spec().objective.metric;
            format!("trial {trial}: diverged at {unit} {resource}, its {metric} is not finite")
        }
        Fact::Reported(Reported {
            trial,
            resource,
            loss,
            metrics: of,
            ..
        }) => format!("trial {trial}: {unit} {resource} {}", values(study, *loss, of)),
        Fact::SegmentStopped { trial, checkpoint, .. } => match checkpoint {
            Some(_) => format!("trial {trial}: stopped and saved"),
            None => format!("trial {trial}: stopped"),
        },
        Fact::SegmentFailed {
            trial, message, retry, ..
        } => {
            let next = if *retry { "tried again" } else { "given up" };
            format!("trial {trial}: failed and is {next}: {message}")
        }
        Fact::TrialPromoted { trial, to, .. } => format!("trial {trial}: promoted to {unit} {to}"),
        Fact::TrialStopped { trial } => format!("trial {trial}: ended by hand"),
        Fact::TrialRetried { trial } => format!("trial {trial}: has all its attempts again"),
        Fact::TrialPruned { trial, rung } => format!("trial {trial}: pruned at {unit} {rung}"),
        Fact::CheckpointLost { trial, file } => format!("trial {trial}: its checkpoint {file} is lost"),
        Fact::StudyFinished { .. } => finished(study),
        Fact::StudyCreated { .. }
        // It is said when they are taken.
        | Fact::EarlierStudy(_)
        | Fact::EarlierResult(_)
        | Fact::SchedulerStarted { .. }
        | Fact::SchedulerStopped
        | Fact::StopChanged { .. }
        | Fact::LimitReached { .. }
        | Fact::BracketOpened { .. }
        | Fact::TrialCreated { .. }
        // The search ends with it, and says why.
        | Fact::StudyPaused(_)
        | Fact::TrialCompleted { .. } => return None,
    })
}

/// What the exported model comes to.
fn exported(study: &Study, Tested { trial, results }: &Tested) -> String {
    let test = results.measurement.as_ref();
    let test = test.map(|test| format!("on the test data:{}", values(study, test.loss, &test.metrics)));
    let evaluated = values(study, None, &results.evaluations);
    let evaluated = (!evaluated.is_empty()).then(|| format!("as exported:{evaluated}"));
    let parts: Vec<String> = test.into_iter().chain(evaluated).collect();
    format!("trial {trial}: {}", parts.join("; "))
}

fn finished(study: &Study) -> String {
    let searched = study.search_trials().count();
    let confirming = study.trials().len() - searched;
    let searched = counted(searched, "trial");
    match confirming {
        0 => format!("finished: {searched}"),
        runs => format!("finished: {searched}, and {runs} that confirm"),
    }
}

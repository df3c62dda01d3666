//! Progress while a study runs: live lines in a terminal, plain lines elsewhere.

mod events;
mod frame;
mod gauges;

use std::collections::BTreeMap;
use std::io::stderr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::format::{duration, notify};
use super::line::Style;
use super::screen::Screen;
use super::terminal::{has_colours, is_live, size_of_stderr};
use crate::analysis::{remaining_ms, spared};
use crate::clock::now;
use crate::disk::what_is_full;
use crate::ids::{SlotId, Timestamp, TrialId};
use crate::scheduler::Observer;
use crate::study::{Record, RungProgress, Study, Trial, TrialState};

pub use events::Verbosity;
use frame::{Best, Frame, Running, compose, one_line};
use gauges::Gauges;

/// The interval of status lines if there is no terminal for live lines, in milliseconds.
const PLAIN_INTERVAL: u64 = 30_000;

/// The time left is estimated in at most one part in so many of the time.
const ESTIMATE_SHARE: u64 = 50;

/// Shows what happens on standard error.
pub struct Progress {
    verbosity: Verbosity,
    colours: bool,
    started: Timestamp,
    /// When the last status line was printed.
    last_status: Timestamp,
    slots: usize,
    live: Option<Live>,
    running: BTreeMap<TrialId, (f64, Option<f64>)>,
    /// What can only change with a record.
    standing: Option<Standing>,
    notice: Option<String>,
    left: Left,
}

/// The time left as it was last estimated, which takes a while for a large study.
#[derive(Default)]
struct Left {
    ms: Option<u64>,
    /// When that was.
    at: Timestamp,
    /// Before this it is not estimated again.
    until: Timestamp,
}

/// The live lines.
struct Live {
    screen: Screen,
    gauges: Arc<Mutex<Gauges>>,
    /// The columns and rows for which the lines were composed.
    size: (usize, usize),
}

/// What of a frame can only change with a record, and takes time in proportion to the study's size.
#[derive(Clone)]
struct Standing {
    decided: u64,
    rungs: Vec<RungProgress>,
    brackets: [usize; 3],
    planned: Option<u64>,
    saved: Option<[u64; 2]>,
    best: Option<Best>,
}

/// The terminal with live lines, which can be told to make room for another program.
#[derive(Clone)]
pub struct Suspension(Option<Screen>);

impl Suspension {
    /// Removes the live lines until they are drawn again.
    pub fn clear(&self) {
        self.0.iter().for_each(Screen::clear);
    }
}

impl Progress {
    /// Live lines if standard error is a terminal, plain ones otherwise; of a study in this directory on so many slots.
    pub fn new(verbosity: Verbosity, directory: &Path, slots: usize) -> Self {
        let live = (verbosity > Verbosity::Quiet && is_live()).then(|| {
            let screen = Screen::new(stderr());
            screen.clear_at_panics();
            let gauges = gauges::watch(directory.to_owned());
            let size = size_of_stderr();
            Live { screen, gauges, size }
        });
        Self {
            verbosity,
            colours: has_colours(),
            started: now(),
            last_status: now(),
            slots: slots.max(1),
            live,
            running: BTreeMap::new(),
            standing: None,
            notice: None,
            left: Left::default(),
        }
    }

    /// What removes the live lines from elsewhere.
    pub fn suspension(&self) -> Suspension {
        Suspension(self.live.as_ref().map(|live| live.screen.clone()))
    }

    /// Removes the live lines.
    pub fn finish(&self) {
        self.suspension().clear();
    }

    fn line(&self, at: Timestamp, style: Style, text: &str) -> String {
        let time = format!("[{:>7}]", duration(at.since(self.started)));
        let text = text.lines().map(|line| style.paint(line, self.colours));
        let text = text.collect::<Vec<_>>().join("\n");
        format!("{} {text}", Style::Dim.paint(&time, self.colours))
    }

    fn say(&self, at: Timestamp, style: Style, text: &str) {
        self.print(&self.line(at, style, text));
    }

    fn print(&self, lines: &str) {
        match &self.live {
            Some(live) if size_of_stderr() == live.size => live.screen.print(lines),
            // They would not fit, and are composed anew at the next tick.
            Some(live) => live.screen.draw(lines, Vec::new()),
            None => notify(lines),
        }
    }

    /// How the study stands at this moment.
    fn frame(&mut self, study: &Study, now: Timestamp) -> Frame {
        let spec = study.spec();
        let standing = self.standing.get_or_insert_with(|| standing(study)).clone();
        let slots = (0..self.slots).map(|slot| {
            let slot = SlotId(u32::try_from(slot).unwrap_or(u32::MAX));
            let trial = study.running().find(|trial| trial.slot() == Some(slot))?;
            self.trial(trial)
        });
        let slots: Vec<_> = slots.collect();
        let under_way = study.running().filter_map(|trial| {
            let TrialState::Running { at, .. } = trial.state else {
                return None;
            };
            let (resource, _) = self.running.get(&trial.id)?;
            Some((resource - at as f64).max(0.0))
        });
        let trained = study.trained_resource() as f64 + under_way.sum::<f64>();
        let share = match standing.planned {
            Some(planned) => trained / planned.max(1) as f64,
            None => standing.decided as f64 / spec.trials.max(1) as f64,
        };
        let confirmation = study.confirmation();
        let left_ms = self.remaining(study, now);
        Frame {
            study: spec.name.clone(),
            notice: self.notice.clone(),
            share: share.min(1.0),
            gone_ms: now.since(self.started),
            left_ms,
            exporting: study.is_at_rest(),
            decided: [standing.decided, spec.trials],
            confirmed: confirmation.map(|confirmation| [confirmation.over, confirmation.runs]),
            brackets: standing.brackets,
            rungs: standing.rungs,
            unit: spec.policy.unit,
            trained: [Some(study.trained_resource()), standing.planned],
            best: standing.best,
            saved: standing.saved,
            speed: self.running.values().filter_map(|(_, speed)| *speed).sum(),
            gauges: self.live.as_ref().map_or_else(Gauges::default, Live::gauges),
            slots,
        }
    }

    /// A trial that is on a slot.
    fn trial(&self, trial: &Trial) -> Option<Running> {
        let (at, to, ahead) = match trial.state {
            TrialState::Running { at, to, .. } => (at, to, false),
            TrialState::Ahead { at, to, .. } => (at, to, true),
            // Only the others are on a slot.
            TrialState::Waiting { .. }
            | TrialState::Paused { .. }
            | TrialState::Pruned { .. }
            | TrialState::Completed
            | TrialState::Diverged { .. }
            | TrialState::Failed { .. } => return None,
        };
        let (at, speed) = self.running.get(&trial.id).copied().unwrap_or((at as f64, None));
        Some(Running {
            trial: trial.id,
            at,
            to,
            ahead,
            speed,
        })
    }

    /// Milliseconds still to go, once anything is known of how long training takes.
    fn remaining(&mut self, study: &Study, now: Timestamp) -> Option<u64> {
        if now.0 >= self.left.until.0 {
            let began = Instant::now();
            let at = |trial| self.running.get(&trial).map(|(at, _)| *at);
            let ms = remaining_ms(study, now, self.slots, &at);
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let until = Timestamp(now.0.saturating_add(took.saturating_mul(ESTIMATE_SHARE)));
            self.left = Left { ms, at: now, until };
        }
        let gone = now.since(self.left.at);
        self.left.ms.map(|ms| ms.saturating_sub(gone))
    }
}

impl Live {
    fn gauges(&self) -> Gauges {
        *self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the study stands after its last record.
fn standing(study: &Study) -> Standing {
    let objective = &study.spec().objective;
    let (mut decided, mut without, mut saved) = (0, 0, 0);
    for trial in study.search_trials().filter(|trial| trial.state.is_final()) {
        decided += 1;
        let spared = spared(study, trial);
        without += trial.resource() + spared;
        saved += spared;
    }
    let best = study.best().and_then(|trial| {
        let (at, cost) = trial.best()?;
        let costs = trial.reports.values().filter_map(|report| report.cost);
        Some(Best {
            trial: trial.id,
            metric: objective.metric.clone(),
            value: objective.signed(cost),
            at,
            untrained: study
                .untrained(trial)
                .and_then(|untrained| objective.measured(untrained)),
            curve: costs.map(|cost| objective.signed(cost)).collect(),
        })
    });
    Standing {
        decided,
        rungs: study.rungs(),
        brackets: study.brackets(),
        planned: study.planned_resource(),
        saved: (without > 0).then_some([without, saved]),
        best,
    }
}

impl Observer for Progress {
    fn recorded(&mut self, study: &Study, records: &[Record]) {
        self.standing = None;
        let mut lines = Vec::new();
        for record in records {
            let (least, style) = events::manner(study, &record.fact);
            if let Some(text) = events::text(study, &record.fact).filter(|_| least <= self.verbosity) {
                lines.push(self.line(record.at, style, &text));
            }
            if let Some(id) = record.fact.trial()
                && study.trial(id).and_then(Trial::slot).is_none()
            {
                self.running.remove(&id);
            }
        }
        if !lines.is_empty() {
            self.print(&lines.join("\n"));
        }
    }

    fn progress(&mut self, trial: TrialId, resource: f64, examples_per_second: Option<f64>) {
        self.running.insert(trial, (resource, examples_per_second));
    }

    fn stopping(&mut self) {
        self.notice = Some("stopping".into());
        let text = "stopping: running trials save their state (press Ctrl-C again to stop at once)";
        self.say(now(), Style::Bold, text);
    }

    fn note(&mut self, text: &str) {
        self.say(now(), Style::Warning, text);
    }

    fn paused(&mut self, why: &str) {
        let what = what_is_full(why);
        self.notice = Some(format!("paused: {what}"));
        let text = format!(
            "{what}: {why}\n  the study pauses, nothing is lost, and it continues by itself once there is space"
        );
        self.say(now(), Style::Warning, &text);
    }

    fn resumed(&mut self) {
        self.notice = None;
        self.say(now(), Style::Plain, "the study continues");
    }

    fn tick(&mut self, study: &Study, now: Timestamp) {
        if self.live.is_none() && (self.verbosity == Verbosity::Quiet || self.running.is_empty()) {
            return;
        }
        if self.live.is_some() {
            let (frame, size) = (self.frame(study, now), size_of_stderr());
            if let Some(live) = &mut self.live {
                live.size = size;
                live.screen.draw("", compose(&frame, size, self.colours));
            }
        } else if now.since(self.last_status) >= PLAIN_INTERVAL {
            self.last_status = now;
            let frame = self.frame(study, now);
            self.say(now, Style::Plain, &one_line(&frame));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

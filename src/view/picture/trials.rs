//! How trials look in all pictures: by their state, and where they are better than the rest.

use hpo_protocol::Unit;

use super::panel::{Panel, Shape};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, width_of};
use crate::study::{Direction, Objective, Study, Trial, TrialStatus};
use crate::view::format::metric;

/// The width of a picture.
pub(super) const WIDTH: f64 = 720.0;
/// The room left of a panel for the numbers and the name of its axis.
pub(super) const LEFT: f64 = 66.0;
/// The room right of a panel.
pub(super) const RIGHT: f64 = 18.0;

/// The layer, the class and the shape of a mark.
pub(super) type Look = (u8, &'static str, Shape);

/// The best trial.
pub(super) const BEST: Look = (9, "best", Shape::Dot);

/// How a trial in a state looks.
pub(super) fn look(status: TrialStatus) -> Look {
    match status {
        TrialStatus::Pruned => (1, "pruned", Shape::Dot),
        TrialStatus::Waiting | TrialStatus::Running | TrialStatus::Paused => (2, "open", Shape::Diamond),
        TrialStatus::Completed => (3, "completed", Shape::Dot),
        TrialStatus::Failed => (4, "failed", Shape::Cross),
        TrialStatus::Diverged => (5, "diverged", Shape::Cross),
    }
}

/// What stands beside it in the legend.
fn called(status: TrialStatus) -> &'static str {
    match status {
        TrialStatus::Waiting | TrialStatus::Running | TrialStatus::Paused => "not decided yet",
        TrialStatus::Pruned | TrialStatus::Completed | TrialStatus::Failed | TrialStatus::Diverged => status.word(),
    }
}

/// The name of the objective on an axis.
pub(super) fn objective_name(objective: &Objective) -> &str {
    match objective.is_loss() {
        true => "validation loss",
        false => &objective.metric,
    }
}

/// Whether a high value of the objective is a bad one.
pub(super) fn high_is_worse(study: &Study) -> bool {
    study.spec().objective.direction == Direction::Minimize
}

/// The best value that a trial had; none if it has none.
pub(super) fn value_of(study: &Study, trial: &Trial) -> Option<f64> {
    Some(study.spec().objective.signed(trial.best()?.1))
}

/// The value of the best untrained model.
pub(super) fn untrained(study: &Study) -> Option<f64> {
    let (_, value) = study.spec().objective.best_of(study.baseline()?)?;
    Some(value).filter(|value| value.is_finite())
}

/// A scale for values of the objective, with the untrained model's if that is not far off.
pub(super) fn objective_scale(study: &Study, values: &[f64]) -> Scale {
    let scale = Scale::of_values(values);
    let Some(value) = untrained(study) else { return scale };
    match (values.is_empty(), scale.share(value)) {
        (true, _) => Scale::new(value, value, false),
        (false, share) if (0.0..=1.0).contains(&share) || !(-1.0..2.0).contains(&share) => scale,
        (false, _) => Scale::new(scale.low.min(value), scale.high.max(value), scale.logarithmic).with_room(),
    }
}

/// A line at the untrained model's value across a panel.
pub(super) fn untrained_line(study: &Study, panel: &Panel, drawing: &mut Drawing) {
    if let Some(value) = untrained(study).filter(|value| (0.0..=1.0).contains(&panel.upwards.share(*value))) {
        let y = panel.y(value);
        drawing.line("untrained", (panel.left, y), (panel.right(), y));
    }
}

/// Writes beside that line what it is, on top of what lies there.
pub(super) fn untrained_label(study: &Study, panel: &Panel, drawing: &mut Drawing) {
    if let Some(value) = untrained(study).filter(|value| (0.0..=1.0).contains(&panel.upwards.share(*value))) {
        let y = panel.y(value);
        let below = if y < panel.top + 18.0 { 13.0 } else { -5.0 };
        let label = format!("untrained {}", metric(value));
        drawing.text((panel.right() - 5.0, y + below), Anchor::End, "ink label", &label);
    }
}

/// What is shown to whoever points at a trial.
pub(super) fn told(study: &Study, trial: &Trial) -> String {
    let unit = study.spec().policy.unit.one();
    let reached = match trial.best() {
        Some((at, cost)) => format!("{} at {unit} {at}", metric(study.spec().objective.signed(cost))),
        None => "no value".to_owned(),
    };
    format!("trial {}: {}, {reached}", trial.id, trial.state.word())
}

/// How many trials are in each state, in words, and how many have no value.
pub(super) fn counted_states<'t>(trials: impl Iterator<Item = &'t Trial>) -> String {
    let mut counts = TrialStatus::ALL.map(|status| (status, 0));
    for trial in trials {
        let status = trial.state.status();
        if let Some((_, count)) = counts.iter_mut().find(|(of, _)| *of == status) {
            *count += 1;
        }
    }
    let words = counts.iter().filter(|(_, count)| *count > 0);
    let words: Vec<String> = words
        .map(|(status, count)| format!("{count} {}", status.word()))
        .collect();
    match words.is_empty() {
        true => "no trials yet".to_owned(),
        false => words.join(", "),
    }
}

/// A resource with its unit.
pub(super) fn resource(amount: u64, unit: Unit) -> String {
    format!("{amount} {}", if amount == 1 { unit.one() } else { unit.many() })
}

/// An entry of a legend: how it looks, and what it is.
pub(super) enum Entry {
    Mark(Look, String),
    Line(&'static str, String),
}

/// The entries for the states that occur, and for the best trial.
pub(super) fn entries<'t>(study: &Study, trials: impl Iterator<Item = &'t Trial>) -> Vec<Entry> {
    let mut looks: Vec<(Look, &str)> = Vec::new();
    for trial in trials {
        let status = trial.state.status();
        let entry = (look(status), called(status));
        if !looks.contains(&entry) {
            looks.push(entry);
        }
    }
    looks.sort_unstable();
    let entries = looks.into_iter().map(|(look, text)| Entry::Mark(look, text.to_owned()));
    let mut entries: Vec<Entry> = entries.collect();
    if let Some(best) = study.best() {
        entries.push(Entry::Mark(BEST, format!("best: trial {}", best.id)));
    }
    entries
}

/// Writes the entries in a row at the top, or several; returns the height that they take.
pub(super) fn legend(drawing: &mut Drawing, entries: &[Entry]) -> f64 {
    let (mut x, mut y) = (LEFT, 12.0);
    for entry in entries {
        let text = match entry {
            Entry::Mark(_, text) | Entry::Line(_, text) => text,
        };
        let width = 26.0 + width_of(text).min(420.0);
        if x + width > drawing.width - RIGHT && x > LEFT {
            (x, y) = (LEFT, y + 17.0);
        }
        match entry {
            Entry::Mark((_, class, shape), _) => {
                let pen = if *shape == Shape::Dot { "dot" } else { "mark" };
                drawing.path(&format!("{pen} {class}"), &shape.path(x + 5.0, y - 4.0), None);
            }
            Entry::Line(class, _) => drawing.line(class, (x - 4.0, y - 4.0), (x + 12.0, y - 4.0)),
        }
        drawing.cut_text((x + 16.0, y), Anchor::Start, "ink", text, 420.0);
        x += width;
    }
    y + 12.0
}

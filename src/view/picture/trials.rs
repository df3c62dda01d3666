//! How trials look in all pictures: by their state, and where they are better than the rest.

use std::collections::BTreeSet;

use hpo_protocol::Unit;

use super::Scene;
use super::panel::{Panel, Shape};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, width_of};
use crate::ids::TrialId;
use crate::study::{Direction, Objective, Report, Study, Trial, TrialStatus};
use crate::view::format::metric;
use crate::view::required::breaks;
use crate::words::counted;

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

/// A trial, or a report, that breaks what the study requires.
pub(super) const INFEASIBLE: Look = (0, "infeasible", Shape::Square);

/// How a trial looks that is not one of the best: what is required goes before the state.
pub(super) fn look_of(study: &Study, trial: &Trial) -> Look {
    match is_infeasible(study, trial) {
        true => INFEASIBLE,
        false => look(trial.state.status()),
    }
}

/// Whether the best report of a trial breaks what the study requires.
pub(super) fn is_infeasible(study: &Study, trial: &Trial) -> bool {
    !study.spec().require.is_empty() && trial.best().is_some() && !trial.is_feasible()
}

/// The trials that are set apart as the best: the one, or with several objectives those that no other dominates. None if none is feasible.
pub(super) fn best(study: &Study) -> Vec<&Trial> {
    let front = study.front();
    let all = if front.is_empty() {
        study.best().into_iter().collect()
    } else {
        front
    };
    all.into_iter().filter(|trial| !is_infeasible(study, trial)).collect()
}

/// The trials of the search that have the configurations of these.
pub(super) fn best_of_search(study: &Study) -> BTreeSet<TrialId> {
    best(study).into_iter().map(Trial::original).collect()
}

/// The values of an objective that a trial has reported, by their resources; none where they were not finite.
pub(super) fn reported<'t>(
    trial: &'t Trial,
    objective: &'t Objective,
) -> impl DoubleEndedIterator<Item = (u64, &'t Report, Option<f64>)> {
    trial.reports.iter().filter_map(|(&at, report)| match report.cost {
        Some(_) => Some((at, report, Some(report.value(&objective.metric)?))),
        None => Some((at, report, None)),
    })
}

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

/// Whether a high value of an objective is a bad one.
pub(super) fn high_is_worse(objective: &Objective) -> bool {
    objective.direction == Direction::Minimize
}

/// The value of an objective that a trial had when it was best; none if it has none.
pub(super) fn value_of(objective: &Objective, trial: &Trial) -> Option<f64> {
    trial.value_by(objective, u64::MAX)
}

/// The value of the best untrained model.
fn untrained(scene: &Scene<'_>) -> Option<f64> {
    let spec = scene.study.spec();
    let value = spec.best_untrained_by(scene.objective, scene.study.baseline()?)?.value;
    Some(value).filter(|value| value.is_finite())
}

/// A scale for values of the objective, with the untrained model's if that is not far off.
pub(super) fn objective_scale(scene: &Scene<'_>, values: &[f64]) -> Scale {
    let scale = Scale::of_values(values);
    let Some(value) = untrained(scene) else { return scale };
    match (values.is_empty(), scale.share(value)) {
        (true, _) => Scale::new(value, value, false),
        (false, share) if (0.0..=1.0).contains(&share) || !(-1.0..2.0).contains(&share) => scale,
        (false, _) => Scale::new(scale.low.min(value), scale.high.max(value), scale.logarithmic).with_room(),
    }
}

/// A line at the untrained model's value across a panel.
pub(super) fn untrained_line(scene: &Scene<'_>, panel: &Panel, drawing: &mut Drawing) {
    if let Some(value) = untrained(scene).filter(|value| (0.0..=1.0).contains(&panel.upwards.share(*value))) {
        let y = panel.y(value);
        drawing.line("untrained", (panel.left, y), (panel.right(), y));
    }
}

/// Writes beside that line what it is, on top of what lies there.
pub(super) fn untrained_label(scene: &Scene<'_>, panel: &Panel, drawing: &mut Drawing) {
    if let Some(value) = untrained(scene).filter(|value| (0.0..=1.0).contains(&panel.upwards.share(*value))) {
        let y = panel.y(value);
        let below = if y < panel.top + 18.0 { 13.0 } else { -5.0 };
        let label = format!("untrained {}", metric(value));
        drawing.text((panel.right() - 5.0, y + below), Anchor::End, "ink label", &label);
    }
}

/// What is shown to whoever points at a trial.
pub(super) fn told(study: &Study, trial: &Trial) -> String {
    let (spec, unit) = (study.spec(), study.spec().policy.unit.one());
    let value = |objective: &Objective| {
        let value = value_of(objective, trial).map_or_else(|| "-".to_owned(), metric);
        match spec.has_several() {
            true => format!("{} {value}", objective.metric),
            false => value,
        }
    };
    let reached = match trial.best() {
        Some((at, _)) => {
            let values: Vec<String> = spec.objectives().map(value).collect();
            format!("{} at {unit} {at}", values.join(", "))
        }
        None => "no value".to_owned(),
    };
    let breaks = breaks(&study.summary(trial)).map_or_else(String::new, |breaks| format!("; infeasible: {breaks}"));
    format!("trial {}: {}, {reached}{breaks}", trial.id, trial.state.word())
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
        let entry = match look_of(study, trial) {
            INFEASIBLE => (INFEASIBLE, INFEASIBLE.1),
            look => (look, called(status)),
        };
        if !looks.contains(&entry) {
            looks.push(entry);
        }
    }
    looks.sort_unstable();
    let entries = looks.into_iter().map(|(look, text)| Entry::Mark(look, text.to_owned()));
    let mut entries: Vec<Entry> = entries.collect();
    entries.extend(best_called(study).map(|text| Entry::Mark(BEST, text)));
    entries
}

/// What stands beside the best in the legend; none if there is none.
pub(super) fn best_called(study: &Study) -> Option<String> {
    let best = best(study);
    Some(match (study.spec().has_several(), best.as_slice()) {
        (_, []) => return None,
        (true, all) => format!("not dominated: {}", counted(all.len(), "trial")),
        (false, [best, ..]) => format!("best: trial {}", best.id),
    })
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

//! The objective against the value of each parameter.

use super::Scene;
use super::panel::{Axis, Marks, Panel};
use super::parameters::{Searched, spread};
use super::svg::{Anchor, Drawing};
use super::trials::{
    BEST, Entry, LEFT, RIGHT, WIDTH, best_of_search, counted_states, entries, high_is_worse, legend, look_of,
    objective_name, objective_scale, told, value_of,
};
use crate::study::{Study, Trial, TrialStatus};
use crate::words::counted;

const COLUMNS: usize = 2;
const HEIGHT: f64 = 170.0;
/// The height of a panel with its names.
const CELL: f64 = HEIGHT + 52.0;
/// The room beside a panel for trials that do not have its parameter.
const ABSENT: f64 = 44.0;
/// So many marks are drawn in all, or a little more.
const MARKS: usize = 60_000;

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let (study, name) = (scene.study, objective_name(scene.objective));
    let trials: Vec<&Trial> = study.search_trials().filter(|trial| is_drawn(trial)).collect();
    let searched = Searched::all(study, &trials);
    let drawn = sampled(study, &trials, MARKS / searched.len().max(1));
    let mut drawing = Drawing::new(WIDTH, 0.0);
    let mut all = entries(study, trials.iter().copied());
    if drawn.len() < trials.len() {
        all.push(Entry::Line(
            "rung",
            format!("{} of {} trials: a sample", drawn.len(), trials.len()),
        ));
    }
    let top = legend(&mut drawing, &all);
    let values: Vec<f64> = trials
        .iter()
        .filter_map(|trial| value_of(scene.objective, trial))
        .collect();
    let upwards = objective_scale(scene, &values);
    for (place, one) in searched.iter().enumerate() {
        let (column, row) = (place % COLUMNS, place / COLUMNS);
        let cell = (WIDTH - RIGHT + 12.0) / COLUMNS as f64;
        let room = if one.is_everywhere() { 0.0 } else { ABSENT };
        let panel = Panel {
            left: LEFT + column as f64 * cell,
            top: top + row as f64 * CELL,
            width: cell - LEFT - 12.0 - room,
            height: HEIGHT,
            across: one.axis.clone(),
            upwards,
        };
        panel.frame(&mut drawing, &one.parameter.name, if column == 0 { name } else { "" });
        slice(scene, &drawn, one, &panel, &mut drawing);
    }
    if searched.is_empty() {
        drawing.text((LEFT, top + 20.0), Anchor::Start, "ink", "no parameter is searched");
    }
    drawing.height = top + CELL * searched.len().div_ceil(COLUMNS).max(1) as f64;
    let description = format!(
        "The {name} of each of {}, when it was best ({}), against the value of each parameter. Pruned trials were \
         trained for less, so their values are not \
         quite comparable. Arrows and crosses at the edge are values beyond it, or trials without a value; beside the panel of a \
         parameter that only some configurations have are the trials without it.",
        counted(trials.len(), "trial"),
        counted_states(study.search_trials()),
    );
    (drawing, description)
}

/// Whether there is something to show of a trial: a value, or that it never had one.
fn is_drawn(trial: &Trial) -> bool {
    let lost = matches!(trial.state.status(), TrialStatus::Diverged | TrialStatus::Failed);
    trial.best().is_some() || lost
}

/// At most so many, evenly chosen, and the best.
fn sampled<'t>(study: &Study, trials: &[&'t Trial], most: usize) -> Vec<&'t Trial> {
    let every = trials.len().div_ceil(most.max(1)).max(1);
    let best = best_of_search(study);
    let kept = trials
        .iter()
        .enumerate()
        .filter(|(place, trial)| place.is_multiple_of(every) || best.contains(&trial.id));
    kept.map(|(_, trial)| *trial).collect()
}

fn slice(scene: &Scene<'_>, trials: &[&Trial], one: &Searched<'_>, panel: &Panel, drawing: &mut Drawing) {
    let study = scene.study;
    let best = best_of_search(study);
    let mut marks = Marks::new(trials.len());
    for trial in trials {
        let (mut layer, mut class, mut shape) = look_of(study, trial);
        let y = match value_of(scene.objective, trial) {
            Some(value) => {
                let place = panel.place(value);
                shape = place.shape.unwrap_or(shape);
                place.at
            }
            None => panel.worst(high_is_worse(scene.objective)),
        };
        if best.contains(&trial.id) {
            (layer, class, shape) = BEST;
        }
        let x = match (one.of(trial), &panel.across) {
            (Some(x), Axis::Numbers(_)) => panel.x(x),
            (Some(band), Axis::Bands(_)) => panel.x(band + 0.3 * spread(trial)),
            (None, _) => panel.right() + ABSENT / 2.0 + 4.0 + 10.0 * spread(trial),
        };
        marks.add((layer, class, shape), (x, y), || {
            match trial.parameters.get(&one.parameter.name) {
                Some(value) => format!("{}; {} {value}", told(study, trial), one.parameter.name),
                None => format!("{}; without {}", told(study, trial), one.parameter.name),
            }
        });
    }
    marks.draw(drawing);
    if !one.is_everywhere() {
        let x = panel.right() + 8.0;
        drawing.line("rung", (x, panel.top), (x, panel.bottom()));
        drawing.text(
            (x + ABSENT / 2.0 - 4.0, panel.bottom() + 15.0),
            Anchor::Middle,
            "faint",
            "absent",
        );
    }
}

//! Two objectives against each other, with the trials that no other dominates.

use super::Scene;
use super::panel::{Axis, Marks, Panel};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, polyline};
use super::trials::{
    BEST, LEFT, RIGHT, WIDTH, best, counted_states, entries, legend, look_of, objective_name, told, value_of,
};
use crate::study::{Objective, Study, Trial};
use crate::words::{counted, listed};

/// The height of a panel.
const HEIGHT: f64 = 300.0;
/// The room below a panel for the numbers and the name of its axis.
const BELOW: f64 = 52.0;
/// So many of the trials that are not dominated are named.
const NAMED: usize = 20;

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let study = scene.study;
    let objectives: Vec<&Objective> = study.spec().objectives().collect();
    let trials: Vec<&Trial> = study.search_trials().filter(|trial| trial.best().is_some()).collect();
    let mut drawing = Drawing::new(WIDTH, 0.0);
    let top = legend(&mut drawing, &entries(study, trials.iter().copied()));
    let pairs = (0..objectives.len()).flat_map(|one| (one + 1..objectives.len()).map(move |other| (one, other)));
    let mut panels = 0;
    for (place, (one, other)) in pairs.enumerate() {
        let pair = [objectives[one], objectives[other]];
        let [across, upwards] = pair.map(|objective| scale(objective, &trials));
        let panel = Panel {
            left: LEFT,
            top: top + place as f64 * (HEIGHT + BELOW),
            width: WIDTH - LEFT - RIGHT,
            height: HEIGHT,
            across: Axis::Numbers(across),
            upwards,
        };
        panel.frame(&mut drawing, objective_name(pair[0]), objective_name(pair[1]));
        scatter(study, pair, &trials, &panel, &mut drawing);
        panels += 1;
    }
    if trials.is_empty() {
        drawing.text((WIDTH / 2.0, top + 40.0), Anchor::Middle, "ink", "no reports yet");
    }
    drawing.height = top + f64::from(panels) * (HEIGHT + BELOW);
    (drawing, description(study, &objectives, &trials))
}

fn scale(objective: &Objective, trials: &[&Trial]) -> Scale {
    let values: Vec<f64> = trials.iter().filter_map(|trial| value_of(objective, trial)).collect();
    Scale::of_values(&values)
}

fn scatter(study: &Study, pair: [&Objective; 2], trials: &[&Trial], panel: &Panel, drawing: &mut Drawing) {
    let at = |trial: &Trial| {
        let [x, y] = pair.map(|objective| value_of(objective, trial));
        Some((panel.x(x?), panel.place(y?)))
    };
    let best = best(study);
    let mut marks = Marks::new(trials.len());
    for trial in trials {
        let is_best = best.iter().any(|best| best.id == trial.id);
        let (layer, class, shape) = if is_best { BEST } else { look_of(study, trial) };
        if let Some((x, y)) = at(trial) {
            marks.add((layer, class, y.shape.unwrap_or(shape)), (x, y.at), || {
                told(study, trial)
            });
        }
    }
    // Seen by two of more objectives, those that are not dominated are no line.
    if study.spec().objectives().count() == 2 {
        let mut steps: Vec<(f64, f64)> = Vec::new();
        for (x, y) in best.iter().filter_map(|trial| at(trial)) {
            steps.extend(steps.last().map(|&(_, before)| (x, before)));
            steps.push((x, y.at));
        }
        drawing.path("line wide best", &polyline(&steps), None);
    }
    marks.draw(drawing);
}

fn description(study: &Study, objectives: &[&Objective], trials: &[&Trial]) -> String {
    let names = objectives
        .iter()
        .map(|objective| format!("{} ({})", objective_name(objective), objective.direction.name()));
    let best = best(study);
    let numbers = best.iter().take(NAMED).map(|trial| trial.id.to_string());
    let more = best.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let front = match best.as_slice() {
        [] => "None is feasible.".to_owned(),
        all => format!(
            "{} not dominated: no other that was trained for as long is better by one objective without being worse by another ({}{more}).",
            match all.len() {
                1 => "1 trial is".to_owned(),
                several => format!("{several} trials are"),
            },
            listed(numbers, ", "),
        ),
    };
    format!(
        "{} against each other, of {} ({}), each with its best report. {front}",
        listed(names, " and "),
        counted(trials.len(), "trial"),
        counted_states(trials.iter().copied()),
    )
}

//! The learning curves of all trials, with the rungs at which they were pruned or promoted.

use std::collections::BTreeSet;

use super::Scene;
use super::panel::{Axis, Marks, Panel, Shape};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, polyline, width_of};
use super::trials::{
    BEST, Entry, LEFT, RIGHT, WIDTH, best, counted_states, entries, high_is_worse, legend, look, look_of,
    objective_name, objective_scale, reported, told, untrained_label, untrained_line,
};
use crate::ids::TrialId;
use crate::study::{Objective, Study, Trial, TrialStatus};
use crate::words::counted;

/// More curves than this can't be told apart, and would make the file large: the best half and a sample of the others are drawn.
const CURVES: usize = 600;
/// So many points are drawn in all, or a little more.
const POINTS: usize = 40_000;
/// From the first rung to the last by this factor or more, resources are shown by their logarithm.
const LARGE: u64 = 16;

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let (study, name) = (scene.study, objective_name(scene.objective));
    let mut drawing = Drawing::new(WIDTH, 0.0);
    let trials: Vec<&Trial> = study
        .trials()
        .iter()
        .filter(|trial| reported(trial, scene.objective).next().is_some())
        .collect();
    let drawn = selected(&trials);
    let mut all = entries(study, trials.iter().copied());
    if drawn.len() < trials.len() {
        let text = format!(
            "{} of {} curves: the best, and a sample of the others",
            drawn.len(),
            trials.len()
        );
        all.push(Entry::Line("rung", text));
    }
    let top = legend(&mut drawing, &all) + 14.0;
    let panel = panel(scene, &trials, top);
    panel.frame(&mut drawing, study.spec().policy.unit.many(), name);
    rungs(study, &panel, &mut drawing);
    untrained_line(scene, &panel, &mut drawing);
    let best: BTreeSet<TrialId> = best(study).iter().map(|trial| trial.id).collect();
    let mut marks = Marks::new(drawn.len());
    let points = POINTS / drawn.len().max(1);
    let mut in_layers = drawn.clone();
    in_layers.sort_by_key(|trial| (best.contains(&trial.id), look_of(study, trial).0, trial.id));
    for trial in in_layers {
        let is_best = best.contains(&trial.id);
        let curve = curve(scene.objective, trial, &panel, points.max(16));
        let class = if is_best {
            "line wide best".to_owned()
        } else {
            format!("line thin {}", look_of(study, trial).1)
        };
        if curve.len() > 1 {
            let title = (drawn.len() <= CURVES / 2).then(|| told(study, trial));
            drawing.path(&class, &polyline(&curve), title.as_deref());
        }
        end(scene, trial, &panel, is_best, &mut marks);
    }
    marks.draw(&mut drawing);
    untrained_label(scene, &panel, &mut drawing);
    if trials.is_empty() {
        drawing.text(
            (panel.left + panel.width / 2.0, panel.top + 40.0),
            Anchor::Middle,
            "ink",
            "no reports yet",
        );
    }
    drawing.height = panel.bottom() + 42.0;
    let description = format!(
        "The {name} of {} at each report ({}). Dotted lines are rungs: a curve that ends at one was pruned there, one that goes on was promoted. \
         An arrow or a cross at the edge is a value that lies beyond it, or that is not finite.",
        counted(trials.len(), "trial"),
        counted_states(study.trials().iter()),
    );
    (drawing, description)
}

/// Those whose curves are drawn, by their numbers.
fn selected<'t>(trials: &[&'t Trial]) -> Vec<&'t Trial> {
    if trials.len() <= CURVES {
        return trials.to_vec();
    }
    let mut ranked: Vec<&Trial> = trials.to_vec();
    let cost = |trial: &Trial| trial.best().map_or(f64::INFINITY, |best| best.1);
    // Those that were trained for longer are the ones that others were compared with.
    ranked.sort_by(|a, b| {
        b.resource()
            .cmp(&a.resource())
            .then(cost(a).total_cmp(&cost(b)))
            .then(a.id.cmp(&b.id))
    });
    let (best, others) = ranked.split_at(CURVES / 2);
    let every = others.len().div_ceil(CURVES / 2).max(1);
    let mut kept: BTreeSet<TrialId> = best.iter().map(|trial| trial.id).collect();
    kept.extend(others.iter().step_by(every).map(|trial| trial.id));
    trials
        .iter()
        .copied()
        .filter(|trial| kept.contains(&trial.id))
        .collect()
}

fn panel(scene: &Scene<'_>, trials: &[&Trial], top: f64) -> Panel {
    let spec = scene.study.spec();
    let values = trials
        .iter()
        .flat_map(|trial| reported(trial, scene.objective).filter_map(|(.., value)| value));
    let values: Vec<f64> = values.collect();
    let rungs = spec.policy.rungs();
    let first = rungs.first().copied().unwrap_or(1).max(1);
    let last = trials.iter().map(|trial| trial.resource()).max();
    let last = last.unwrap_or(spec.policy.max_resource).max(1);
    let logarithmic = last / first >= LARGE;
    let earliest = trials.iter().filter_map(|trial| trial.reports.keys().next()).min();
    let low = match logarithmic {
        true => earliest.map_or(1, |earliest| (*earliest).max(1)) as f64,
        false => 0.0,
    };
    Panel {
        left: LEFT,
        top,
        width: WIDTH - LEFT - RIGHT,
        height: 340.0,
        across: Axis::Numbers(Scale::new(low, last as f64, logarithmic).whole()),
        upwards: objective_scale(scene, &values),
    }
}

fn rungs(study: &Study, panel: &Panel, drawing: &mut Drawing) {
    let mut free = panel.left;
    for rung in study.spec().policy.rungs() {
        if let Axis::Numbers(scale) = &panel.across
            && scale.share(rung as f64) > 1.0
        {
            continue;
        }
        let x = panel.x(rung as f64);
        drawing.line("rung", (x, panel.top), (x, panel.bottom()));
        if x >= free {
            let label = format!("rung {rung}");
            let half = width_of(&label) / 2.0;
            // The last one stands at the right edge, beside which there is no room.
            let middle = x.min(WIDTH - half - 2.0);
            drawing.text((middle, panel.top - 4.0), Anchor::Middle, "faint", &label);
            free = x + 2.0 * half + 10.0;
        }
    }
}

/// The points of a curve; of many, the first, the lowest, the highest and the last in each of some columns.
fn curve(objective: &Objective, trial: &Trial, panel: &Panel, points: usize) -> Vec<(f64, f64)> {
    let finite = reported(trial, objective).filter_map(|(at, _, value)| Some((at, value?)));
    let all: Vec<(f64, f64)> = finite.map(|(at, value)| (panel.x(at as f64), panel.y(value))).collect();
    if all.len() <= points {
        return all;
    }
    let size = all.len().div_ceil(points / 4).max(1);
    let thinned = all.chunks(size).flat_map(|column| {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let of = [
            column.first(),
            column.iter().min_by(by_height),
            column.iter().max_by(by_height),
            column.last(),
        ];
        let mut kept: Vec<(f64, f64)> = of.into_iter().flatten().copied().collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.dedup();
        kept
    });
    thinned.collect()
}

/// The mark at the end of a curve, and at the edge where it leaves the picture.
fn end(scene: &Scene<'_>, trial: &Trial, panel: &Panel, is_best: bool, marks: &mut Marks) {
    let (study, objective) = (scene.study, scene.objective);
    let status = trial.state.status();
    let (layer, class, shape) = look_of(study, trial);
    let Some((at, _, value)) = reported(trial, objective).next_back() else {
        return;
    };
    let x = panel.x(at as f64);
    match value {
        Some(value) => {
            let place = panel.place(value);
            let shape = place
                .shape
                .unwrap_or(if status == TrialStatus::Diverged && shape == Shape::Cross {
                    look(TrialStatus::Pruned).2
                } else {
                    shape
                });
            marks.add((layer, class, shape), (x, place.at), || told(study, trial));
        }
        None => {
            let diverged = look(TrialStatus::Diverged);
            marks.add(diverged, (x, panel.worst(high_is_worse(objective))), || {
                told(study, trial)
            });
        }
    }
    if let (true, Some((at, _)), Some(value)) = (is_best, trial.best(), trial.value_by(objective, u64::MAX)) {
        let place = (panel.x(at as f64), panel.y(value));
        marks.add(BEST, place, || told(study, trial));
    }
}

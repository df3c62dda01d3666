//! The best value so far, over time and over what was trained for it.

use super::panel::{Axis, Marks, Panel, Shape};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, polyline};
use super::trials::{
    BEST, Entry, LEFT, RIGHT, WIDTH, high_is_worse, legend, objective_name, objective_scale, resource, untrained_label,
    untrained_line,
};
use super::{Scene, time};
use crate::ids::{Timestamp, TrialId};
use crate::study::Study;
use crate::view::format::metric;

/// The height of a panel.
const HEIGHT: f64 = 180.0;

/// A report as it counts here.
struct Step {
    at: Timestamp,
    trial: TrialId,
    resource: u64,
    cost: Option<f64>,
    /// The resource that all trials together had been trained to.
    trained: u64,
}

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let (study, spec) = (scene.study, scene.study.spec());
    let (name, unit) = (objective_name(&spec.objective), spec.policy.unit);
    let steps = steps(study);
    let values: Vec<f64> = steps
        .iter()
        .filter_map(|step| Some(spec.objective.signed(step.cost?)))
        .collect();
    let mut drawing = Drawing::new(WIDTH, 0.0);
    let entries = [
        Entry::Line("best wide", "best so far".to_owned()),
        Entry::Mark((0, "pruned", Shape::Dot), "a report".to_owned()),
        Entry::Mark((0, "diverged", Shape::Cross), "not finite, at the edge".to_owned()),
    ];
    let finite = steps.iter().all(|step| step.cost.is_some());
    let top = legend(&mut drawing, &entries[..if finite { 2 } else { 3 }]);
    let upwards = objective_scale(study, &values);
    let active = |step: &Step| scene.segments.active_ms(step.at);
    let (per, of_time) = time::unit(steps.last().map_or(0, active));
    let most = |of: f64| Axis::Numbers(Scale::new(0.0, of.max(f64::MIN_POSITIVE), false));
    let panel = |place: f64, across: Axis| Panel {
        left: LEFT,
        top: top + place * (HEIGHT + 52.0),
        width: WIDTH - LEFT - RIGHT,
        height: HEIGHT,
        across,
        upwards,
    };
    let last = steps
        .last()
        .map_or((1.0, 1.0), |step| (active(step) as f64 / per, step.trained as f64));
    let over_time = panel(0.0, most(last.0));
    let trained = Scale::new(0.0, last.1.max(1.0), false).whole();
    let over_resource = panel(1.0, Axis::Numbers(trained));
    over_time.frame(&mut drawing, &format!("{of_time} of searching"), name);
    line(study, &steps, &over_time, &mut drawing, |step| {
        active(step) as f64 / per
    });
    let trained = format!("{} trained by all trials together", unit.many());
    over_resource.frame(&mut drawing, &trained, name);
    line(study, &steps, &over_resource, &mut drawing, |step| step.trained as f64);
    if steps.is_empty() {
        drawing.text(
            (WIDTH / 2.0, over_time.top + 40.0),
            Anchor::Middle,
            "ink",
            "no reports yet",
        );
    }
    drawing.height = over_resource.bottom() + 42.0;
    let spent = steps.last().map_or(0, |step| step.trained);
    let description = format!(
        "The best {name} that any trial of the search had come to, above over the time in which a scheduler had the study, below over \
         the resource: {} in all. Dots are the reports of all trials.",
        resource(spent, unit)
    );
    (drawing, description)
}

/// All reports of the search in the order in which they came.
fn steps(study: &Study) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for trial in study.search_trials() {
        let mut before = 0;
        for (&resource, report) in trial.reports.iter() {
            steps.push(Step {
                at: report.at,
                trial: trial.id,
                resource,
                cost: report.cost,
                trained: resource - before,
            });
            before = resource;
        }
    }
    steps.sort_by_key(|step| (step.at, step.trial, step.resource));
    let mut trained = 0;
    for step in &mut steps {
        trained += step.trained;
        step.trained = trained;
    }
    steps
}

fn line(study: &Study, steps: &[Step], panel: &Panel, drawing: &mut Drawing, across: impl Fn(&Step) -> f64) {
    let objective = &study.spec().objective;
    let unit = study.spec().policy.unit.one();
    untrained_line(study, panel, drawing);
    let mut marks = Marks::new(steps.len());
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut best: Option<f64> = None;
    for step in steps {
        let x = panel.x(across(step));
        let Some(cost) = step.cost else {
            let told = || format!("trial {}: not finite at {unit} {}", step.trial, step.resource);
            marks.add(
                (1, "diverged", Shape::Cross),
                (x, panel.worst(high_is_worse(study))),
                told,
            );
            continue;
        };
        let value = objective.signed(cost);
        let place = panel.place(value);
        let told = || format!("trial {}: {} at {unit} {}", step.trial, metric(value), step.resource);
        let is_better = best.is_none_or(|best| cost < best);
        let look = if is_better { BEST } else { (0, "pruned", Shape::Dot) };
        marks.add((look.0, look.1, place.shape.unwrap_or(look.2)), (x, place.at), told);
        if is_better {
            points.extend(points.last().map(|&(_, y)| (x, y)));
            points.push((x, place.at));
            best = Some(cost);
        }
    }
    points.extend(points.last().map(|&(_, y)| (panel.right(), y)));
    marks.draw(drawing);
    drawing.path("line wide best", &polyline(&points), None);
    untrained_label(study, panel, drawing);
}

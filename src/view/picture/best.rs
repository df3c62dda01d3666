//! The best value so far, over time and over what was trained for it.

use super::panel::{Axis, Marks, Panel, Shape};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, polyline};
use super::trials::{
    BEST, Entry, INFEASIBLE, LEFT, Look, RIGHT, WIDTH, high_is_worse, legend, objective_name, objective_scale,
    reported, resource, untrained_label, untrained_line,
};
use super::{Scene, time};
use crate::ids::{Timestamp, TrialId};
use crate::study::Score;
use crate::view::format::metric;

/// The height of a panel.
const HEIGHT: f64 = 180.0;
/// A report that is no better than those before it.
const REPORT: Look = (1, "pruned", Shape::Dot);
/// One that is not finite.
const DIVERGED: Look = (2, "diverged", Shape::Cross);

/// A report as it counts here.
struct Step {
    at: Timestamp,
    trial: TrialId,
    resource: u64,
    value: Option<f64>,
    /// Whether all that the study requires is fulfilled.
    feasible: bool,
    /// The resource that all trials together had been trained to.
    trained: u64,
}

impl Step {
    fn is_infeasible(&self) -> bool {
        self.value.is_some() && !self.feasible
    }
}

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let spec = scene.study.spec();
    let (name, unit) = (objective_name(scene.objective), spec.policy.unit);
    let steps = steps(scene);
    let values: Vec<f64> = steps.iter().filter_map(|step| step.value).collect();
    let mut drawing = Drawing::new(WIDTH, 0.0);
    let mut entries = vec![
        Entry::Line("best wide", "best so far".to_owned()),
        Entry::Mark(REPORT, "a report".to_owned()),
    ];
    if steps.iter().any(Step::is_infeasible) {
        entries.push(Entry::Mark(INFEASIBLE, "an infeasible one".to_owned()));
    }
    if steps.iter().any(|step| step.value.is_none()) {
        entries.push(Entry::Mark(DIVERGED, "not finite, at the edge".to_owned()));
    }
    let top = legend(&mut drawing, &entries);
    let upwards = objective_scale(scene, &values);
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
    line(scene, &steps, &over_time, &mut drawing, |step| {
        active(step) as f64 / per
    });
    let trained = format!("{} trained by all trials together", unit.many());
    over_resource.frame(&mut drawing, &trained, name);
    line(scene, &steps, &over_resource, &mut drawing, |step| step.trained as f64);
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
    let required = match (spec.require.is_empty(), steps.iter().any(|step| step.feasible)) {
        (true, _) => "",
        (false, true) => " and that fulfils what the study requires",
        (false, false) => " and that fulfils what the study requires, which none does",
    };
    let others = match spec.has_several() {
        true => " It is one end of the trade-off between the objectives.",
        false => "",
    };
    let description = format!(
        "The best {name} that any trial of the search had come to{required}, above over the time in which a scheduler had the study, below over \
         the resource: {} in all. Marks are the reports of all trials.{others}",
        resource(spent, unit)
    );
    (drawing, description)
}

/// All reports of the search in the order in which they came.
fn steps(scene: &Scene<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for trial in scene.study.search_trials() {
        let mut before = 0;
        for (resource, report, value) in reported(trial, scene.objective) {
            steps.push(Step {
                at: report.at,
                trial: trial.id,
                resource,
                value,
                feasible: report.score().is_some_and(Score::is_feasible),
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

fn line(scene: &Scene<'_>, steps: &[Step], panel: &Panel, drawing: &mut Drawing, across: impl Fn(&Step) -> f64) {
    let objective = scene.objective;
    let unit = scene.study.spec().policy.unit.one();
    untrained_line(scene, panel, drawing);
    let mut marks = Marks::new(steps.len());
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut best: Option<f64> = None;
    for step in steps {
        let x = panel.x(across(step));
        let Some(value) = step.value else {
            let told = || format!("trial {}: not finite at {unit} {}", step.trial, step.resource);
            marks.add(DIVERGED, (x, panel.worst(high_is_worse(objective))), told);
            continue;
        };
        let place = panel.place(value);
        let infeasible = if step.is_infeasible() { ", infeasible" } else { "" };
        let told = || {
            format!(
                "trial {}: {} at {unit} {}{infeasible}",
                step.trial,
                metric(value),
                step.resource
            )
        };
        let is_better = step.feasible && best.is_none_or(|best| objective.is_better(value, best));
        let look = match (is_better, step.feasible) {
            (true, _) => BEST,
            (false, true) => REPORT,
            (false, false) => INFEASIBLE,
        };
        marks.add((look.0, look.1, place.shape.unwrap_or(look.2)), (x, place.at), told);
        if is_better {
            points.extend(points.last().map(|&(_, y)| (x, y)));
            points.push((x, place.at));
            best = Some(value);
        }
    }
    points.extend(points.last().map(|&(_, y)| (panel.right(), y)));
    marks.draw(drawing);
    drawing.path("line wide best", &polyline(&points), None);
    untrained_label(scene, panel, drawing);
}

//! Parallel coordinates: each trial is a line across the axes of all parameters to that of the objective.

use super::Scene;
use super::panel::Axis;
use super::parameters::{Searched, spread};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, polyline};
use super::trials::{
    BEST, Entry, WIDTH, best_called, best_of_search, high_is_worse, is_infeasible, legend, objective_name,
    objective_scale, told, value_of,
};
use crate::study::{Objective, Trial, TrialStatus};
use crate::words::{counted, listed};

const HEIGHT: f64 = 320.0;
/// The distance of neighbouring axes at least.
const BETWEEN: f64 = 92.0;
/// The room beside the outer axes.
const SIDE: f64 = 56.0;
/// Below the axes lie trials that do not have the parameter.
const ABSENT: f64 = 26.0;
/// More lines than this can't be told apart.
const LINES: usize = 500;
/// So many of them are those of the best.
const FIRST: usize = 60;

/// The axes, and where they stand.
struct Axes<'s> {
    searched: Vec<Searched<'s>>,
    objectives: Vec<(&'s Objective, Scale)>,
    top: f64,
    between: f64,
}

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let study = scene.study;
    let trials: Vec<&Trial> = study.search_trials().filter(|trial| has_result(trial)).collect();
    let searched = Searched::all(study, &trials);
    let objectives: Vec<(&Objective, Scale)> = study
        .spec()
        .objectives()
        .map(|objective| {
            let values: Vec<f64> = trials.iter().filter_map(|trial| value_of(objective, trial)).collect();
            (objective, objective_scale(&Scene { objective, ..*scene }, &values))
        })
        .collect();
    let between = searched.len() + objectives.len() - 1;
    let width = (2.0 * SIDE + BETWEEN * between as f64).max(WIDTH);
    let mut drawing = Drawing::new(width, 0.0);
    let ranked = ranked(scene, &trials);
    let tenth = ranked.len().div_ceil(10);
    let mut entries = vec![
        Entry::Line("completed wide", "best tenth".to_owned()),
        Entry::Line("pruned", "others".to_owned()),
    ];
    if let Some(text) = best_called(study) {
        entries.insert(0, Entry::Line("best wide", text));
    }
    if ranked.iter().any(|trial| is_infeasible(study, trial)) {
        entries.push(Entry::Line("line infeasible", "infeasible".to_owned()));
    }
    if ranked.iter().any(|trial| trial.best().is_none()) {
        entries.push(Entry::Line("diverged", "without a value".to_owned()));
    }
    if ranked.len() > LINES {
        let text = format!(
            "{LINES} of {} trials: the best, and a sample of the others",
            ranked.len()
        );
        entries.push(Entry::Line("rung", text));
    }
    let axes = Axes {
        top: legend(&mut drawing, &entries) + 22.0,
        between: (width - 2.0 * SIDE) / between.max(1) as f64,
        objectives,
        searched,
    };
    lines(scene, &axes, &ranked, tenth, &mut drawing);
    axes.draw(&mut drawing);
    drawing.height = axes.top + HEIGHT + ABSENT + 14.0;
    let description = format!(
        "Each of {} is a line from the value of its first parameter to its {} at the right. The best tenth by {} is drawn in front of the \
         others, and infeasible ones behind them. Below an axis are the trials that do not have its parameter; a line to the edge of the \
         last axis may lie beyond it.",
        counted(trials.len(), "trial"),
        listed(
            axes.objectives.iter().map(|(one, _)| objective_name(one).to_owned()),
            " and "
        ),
        objective_name(scene.objective),
    );
    (drawing, description)
}

fn has_result(trial: &Trial) -> bool {
    let lost = matches!(trial.state.status(), TrialStatus::Diverged | TrialStatus::Failed);
    trial.best().is_some() || lost
}

/// The best first, those that are infeasible behind all others with a value, and those without a value last.
fn ranked<'t>(scene: &Scene<'_>, trials: &[&'t Trial]) -> Vec<&'t Trial> {
    let rank = |trial: &Trial| {
        let value = value_of(scene.objective, trial);
        let cost = value.map_or(f64::INFINITY, |value| scene.objective.signed(value));
        (value.is_none(), is_infeasible(scene.study, trial), cost)
    };
    let mut ranked: Vec<((bool, bool, f64), &Trial)> = trials.iter().map(|trial| (rank(trial), *trial)).collect();
    ranked.sort_by(|(a, one), (b, other)| {
        let by_class = (a.0, a.1).cmp(&(b.0, b.1));
        by_class.then(a.2.total_cmp(&b.2)).then(one.id.cmp(&other.id))
    });
    ranked.into_iter().map(|(_, trial)| trial).collect()
}

/// The worst first, so that the best lie on top.
fn lines(scene: &Scene<'_>, axes: &Axes<'_>, ranked: &[&Trial], tenth: usize, drawing: &mut Drawing) {
    let study = scene.study;
    let best = best_of_search(study);
    let every = ranked.len().saturating_sub(FIRST).div_ceil(LINES - FIRST).max(1);
    let drawn = ranked.iter().enumerate().filter(|(rank, trial)| {
        let is_sample = ranked.len() <= LINES || *rank < FIRST || (rank - FIRST).is_multiple_of(every);
        is_sample || best.contains(&trial.id)
    });
    let mut drawn: Vec<(usize, &&Trial)> = drawn.collect();
    drawn.sort_by_key(|(rank, trial)| (best.contains(&trial.id), std::cmp::Reverse(*rank)));
    for (rank, trial) in drawn {
        let is_best = best.contains(&trial.id);
        let class = match (is_best, trial.best()) {
            (true, _) => "line wide best",
            (false, None) => "line thin diverged",
            (false, Some(_)) if is_infeasible(study, trial) => "line thin infeasible",
            (false, Some(_)) if rank < tenth => "line thin completed",
            (false, Some(_)) => "line thin pruned",
        };
        drawing.path(class, &polyline(&axes.line(trial)), Some(&told(study, trial)));
        if is_best && let Some(&(x, y)) = axes.line(trial).last() {
            drawing.path("dot best", &BEST.2.path(x, y), None);
        }
    }
}

impl Axes<'_> {
    fn x(&self, place: usize) -> f64 {
        SIDE + self.between * place as f64
    }

    fn y(&self, share: f64) -> f64 {
        self.top + (1.0 - share.clamp(0.0, 1.0)) * HEIGHT
    }

    /// The place of a value on an axis.
    fn on(&self, axis: &Axis, value: f64, spread: f64) -> f64 {
        match axis {
            Axis::Numbers(scale) => self.y(scale.share(value)),
            Axis::Bands(bands) => self.y((value + 0.5 + 0.3 * spread) / bands.len().max(1) as f64),
        }
    }

    fn line(&self, trial: &Trial) -> Vec<(f64, f64)> {
        let absent = self.top + HEIGHT + ABSENT - 8.0 + 4.0 * spread(trial);
        let parameters = self.searched.iter().enumerate().map(|(place, one)| {
            let y = one
                .of(trial)
                .map_or(absent, |value| self.on(&one.axis, value, spread(trial)));
            (self.x(place), y)
        });
        let objectives = self.objectives.iter().enumerate().map(|(place, (objective, scale))| {
            let worst = if high_is_worse(objective) { 1.0 } else { 0.0 };
            let share = value_of(objective, trial).map_or(worst, |value| scale.share(value));
            (self.x(self.searched.len() + place), self.y(share))
        });
        parameters.chain(objectives).collect()
    }

    fn draw(&self, drawing: &mut Drawing) {
        let scales = self.objectives.iter();
        let scales: Vec<(&str, Axis)> = scales
            .map(|(objective, scale)| (objective_name(objective), Axis::Numbers(*scale)))
            .collect();
        let named = self
            .searched
            .iter()
            .map(|one| (one.parameter.name.as_str(), &one.axis, one.is_everywhere()));
        let all = named.chain(scales.iter().map(|(name, axis)| (*name, axis, true)));
        for (place, (name, axis, is_everywhere)) in all.enumerate() {
            let x = self.x(place);
            drawing.line("ink", (x, self.top), (x, self.top + HEIGHT));
            drawing.cut_text(
                (x, self.top - 10.0),
                Anchor::Middle,
                "ink heading",
                name,
                self.between - 4.0,
            );
            let mut label = |y: f64, text: &str| {
                drawing.line("ink", (x - 3.0, y), (x, y));
                drawing.cut_text(
                    (x - 5.0, y + 4.0),
                    Anchor::End,
                    "faint",
                    text,
                    self.between.min(SIDE) - 10.0,
                );
            };
            match axis {
                Axis::Numbers(scale) => {
                    for (number, text) in scale.ticks(7) {
                        label(self.y(scale.share(number)), &text);
                    }
                }
                Axis::Bands(bands) => {
                    let every = (bands.len() as f64 * 14.0 / HEIGHT).ceil().max(1.0) as usize;
                    for (place, text) in bands.iter().enumerate().step_by(every) {
                        label(self.on(axis, place as f64, 0.0), text);
                    }
                }
            }
            if !is_everywhere {
                drawing.text((x, self.top + HEIGHT + ABSENT + 8.0), Anchor::Middle, "faint", "absent");
            }
        }
    }
}

//! What was decided at a rung, and why, in words.

use super::metric;
use crate::analysis::{Decided, Outcome};
use crate::ids::TrialId;
use crate::study::{Rule, StudySpec};
use crate::words::there_are;

/// So many neighbours of a trial are named on either side.
const NEIGHBOURS: usize = 2;

/// What was decided about a trial, its place, and those before and behind it.
pub(super) fn in_words(spec: &StudySpec, trial: TrialId, decided: &Decided) -> String {
    let one = spec.policy.unit.one();
    let rung = decided.rung;
    let outcome = match decided.outcome {
        Outcome::Promoted { to } => format!("promoted from {one} {rung} to {to}"),
        Outcome::Passed => format!("goes on past {one} {rung}"),
        Outcome::Pruned => format!("stopped at {one} {rung}"),
        Outcome::Completed => format!("completed at {one} {rung}: the rung has turned out to be the last"),
    };
    let why = match (&decided.rule, decided.place) {
        (Some(rule), Some(place)) => because(spec, decided, rule, place),
        (_, None) => "it has no value there".to_owned(),
        (None, Some(place)) => format!("{} of {}", ordinal(place), decided.ranked.len()),
    };
    let mut text = format!("{outcome}: {why}");
    if !decided.lost.is_empty() {
        text += &format!("; {} lost on the way there", there_are(decided.lost.len(), "other"));
    }
    text + "\n" + &neighbours(spec, trial, decided)
}

fn because(spec: &StudySpec, decided: &Decided, rule: &Rule, place: usize) -> String {
    let known = decided.ranked.len();
    let nth = ordinal(place);
    match *rule {
        Rule::Fixed {
            came,
            missing,
            promoted,
        } => {
            let all = came + missing;
            let best = best(promoted);
            match (missing, place as u64 <= promoted) {
                (0, true) => format!("{nth} of {all}, of which {best} on"),
                (0, false) => format!("{nth} of {all}, of which only {best} on"),
                (_, true) => format!(
                    "{nth} of the {known} that had come; of {all} {best} on, and the {missing} still missing could not change that"
                ),
                (_, false) => format!(
                    "{nth} of the {known} that had come; of {all} only {best} on, whatever the {missing} still missing come to"
                ),
            }
        }
        Rule::SoFar { came, promoted, stops } => {
            let best = best(promoted);
            match (decided.outcome, place as u64 <= promoted) {
                (Outcome::Completed, _) => {
                    format!("{nth} of {came}: the ranking has not changed since the rung below, so nobody goes further")
                }
                (Outcome::Passed, false) => format!("{nth} of {came} so far, too few to stop any"),
                (_, true) => format!("{nth} of {came} so far, of which {best} on"),
                (Outcome::Pruned, false) if stops => format!("{nth} of {came} so far, of which only {best} on"),
                (Outcome::Promoted { .. }, false) => {
                    format!("{nth} of {came}: nobody else could come, and no trial had come to the last rung")
                }
                (Outcome::Pruned, false) => {
                    format!("{nth} of {came}, of which only {best} on, and nobody else could come")
                }
            }
        }
        Rule::Percentile {
            others,
            startup,
            percentile,
            limit,
        } => match limit {
            Some(limit) if limit.is_infinite() => {
                format!(
                    "more than {:.0} % of the {others} others up to there break what the study requires",
                    100.0 - percentile
                )
            }
            Some(limit) => {
                let verdict = match decided.outcome {
                    Outcome::Pruned => "worse than",
                    Outcome::Promoted { .. } | Outcome::Passed | Outcome::Completed => "no worse than",
                };
                let own = decided.ranked.get(place - 1).map_or(f64::NAN, |(_, value)| *value);
                format!(
                    "its best, {}, is {verdict} {}, the {percentile:.0}th percentile of the mean {} of the {others} others up to there",
                    metric(own),
                    metric(limit),
                    spec.objective.metric
                )
            }
            None => format!("{others} others had come as far, and none is stopped before there are {startup}"),
        },
    }
}

/// "the best 3 go", "the best goes".
fn best(promoted: u64) -> String {
    match promoted {
        0 => "none go".to_owned(),
        1 => "the best goes".to_owned(),
        several => format!("the best {several} go"),
    }
}

/// The trials around one, with their values, and the best of all.
fn neighbours(spec: &StudySpec, trial: TrialId, decided: &Decided) -> String {
    let Some(place) = decided.place else {
        return String::new();
    };
    let at = place - 1;
    let (from, to) = (
        at.saturating_sub(NEIGHBOURS),
        (at + NEIGHBOURS + 1).min(decided.ranked.len()),
    );
    let mut shown: Vec<String> = Vec::new();
    let show = |place: usize| {
        let (other, value) = decided.ranked[place];
        let own = if other == trial {
            "this one"
        } else {
            &format!("trial {other}")
        };
        let infeasible = if decided.infeasible.contains(&other) {
            " (infeasible)"
        } else {
            ""
        };
        let further = decided.further.get(place).into_iter().flatten();
        let further: String = further.map(|value| format!(" and {}", metric(*value))).collect();
        format!("{own} {}{further}{infeasible}", metric(value))
    };
    if from > 0 {
        shown.push(show(0));
    }
    if from > 1 {
        shown.push("…".to_owned());
    }
    shown.extend((from..to).map(show));
    if to < decided.ranked.len() {
        shown.push("…".to_owned());
    }
    let names: Vec<&str> = spec.objectives().map(|objective| objective.metric.as_str()).collect();
    let order = match spec.has_several() {
        true => "in the order of non-dominated sorting and crowding",
        false => "the best first",
    };
    format!("{} there, {order}: {}", names.join(" and "), shown.join(", "))
}

const ORDINALS: [&str; 10] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
];

/// A place, from 1.
fn ordinal(place: usize) -> String {
    match place.checked_sub(1).and_then(|place| ORDINALS.get(place)) {
        Some(word) => (*word).to_owned(),
        None => format!("number {place}"),
    }
}

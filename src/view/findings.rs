//! What the records of a study show, in words.

use std::path::Path;

use hpo_protocol::Unit;
use serde_json::{Value, json};

use super::format::metric;
use crate::analysis::Foresight;
use crate::analysis::diagnosis::{Finding, Level, Separation, Side, Summary};
use crate::ids::TrialId;
use crate::shell::about;
use crate::study::{Direction, Objective, StudySpec};

/// More trials than this are only counted.
const LISTED: usize = 8;

impl Finding {
    /// The numbers behind it, in a sentence without a full stop.
    pub fn text(&self, unit: Unit, objective: &Objective) -> String {
        let unit = unit.one();
        let words = Words::of(objective);
        let Words {
            name, worse, better, ..
        } = words;
        let (change, changing) = (words.change, words.changing);
        match self {
            Self::Divergence { at, value, untrained } => divergence(&words, unit, *at, *value, *untrained),
            Self::Collapse {
                since,
                at,
                mean_cosine,
                untrained,
            } => collapse(unit, (*since, *at), *mean_cosine, *untrained),
            Self::Overfitting {
                best_at,
                best_value,
                best_train_loss,
                at,
                value,
                train_loss,
            } => format!(
                "from {unit} {best_at} to {at} {name} {worse} from {} to {} while the training loss fell from {} to {}",
                metric(*best_value),
                metric(*value),
                metric(*best_train_loss),
                metric(*train_loss)
            ),
            Self::RankingDecline {
                metric: ranking,
                since,
                value_before,
                metric_before,
                at,
                value,
                metric_after,
            } => format!(
                "from {} to {unit} {at} {name} {better} from {} to {}, but {ranking} fell from {} to {}",
                report(unit, *since),
                metric(*value_before),
                metric(*value),
                metric(*metric_before),
                metric(*metric_after)
            ),
            Self::SlowConvergence {
                since,
                value_before,
                at,
                value,
                share,
            } => format!(
                "{name} was still {changing} at the end, from {} at {unit} {since} to {} at {unit} {at}: {:.0} % of its whole {change}",
                metric(*value_before),
                metric(*value),
                100.0 * share,
            ),
            Self::Plateau {
                since,
                at,
                lowest,
                highest,
                level,
            } => format!(
                "from {unit} {since} to {at} {name} stayed between {} and {}{}",
                metric(*lowest),
                metric(*highest),
                beside_the_beginning(*level)
            ),
        }
    }

    /// The finding for programs: its kind, its numbers, and the text for people.
    pub fn json(&self, spec: &StudySpec) -> Value {
        json!({ "finding": self.kind(), "numbers": self, "text": self.text(spec.policy.unit, &spec.objective), "advice": self.advice() })
    }
}

/// How an objective is spoken of.
struct Words<'a> {
    name: &'a str,
    /// What it did if it got worse.
    worse: &'static str,
    better: &'static str,
    /// A change for the better, and what it is doing meanwhile.
    change: &'static str,
    changing: &'static str,
    /// What it does as it gets worse, and where it then is.
    worsens: [&'static str; 2],
}

impl<'a> Words<'a> {
    fn of(objective: &'a Objective) -> Self {
        let name = match objective.is_loss() {
            true => "the validation loss",
            false => objective.metric.as_str(),
        };
        match objective.direction {
            Direction::Minimize => Self {
                name,
                worse: "rose",
                better: "fell",
                change: "fall",
                changing: "falling",
                worsens: ["rises", "above"],
            },
            Direction::Maximize => Self {
                name,
                worse: "fell",
                better: "rose",
                change: "rise",
                changing: "rising",
                worsens: ["falls", "below"],
            },
        }
    }
}

fn divergence(words: &Words<'_>, unit: &str, at: u64, value: Option<f64>, untrained: Option<f64>) -> String {
    let Words { name, worsens, .. } = words;
    let Some(value) = value else {
        return format!("{name} was not finite at {unit} {at}");
    };
    let untrained = untrained.map_or(String::new(), |value| format!(" {}", metric(value)));
    format!(
        "{name} {}, {} at {unit} {at}, {} the untrained model's{untrained}",
        worsens[0],
        metric(value),
        worsens[1]
    )
}

fn collapse(unit: &str, (since, at): (u64, u64), mean_cosine: f64, untrained: Option<f64>) -> String {
    let before = untrained.map_or(String::new(), |before| format!(" (untrained {before:.3})"));
    format!("all embeddings are nearly alike since {unit} {since}: mean cosine {mean_cosine:.3} at {unit} {at}{before}")
}

fn report(unit: &str, at: u64) -> String {
    match at {
        0 => "the untrained model".to_owned(),
        at => format!("{unit} {at}"),
    }
}

fn beside_the_beginning(level: Level) -> &'static str {
    match level {
        Level::Better => "",
        Level::Same => ", where it was at the beginning",
        Level::Worse => ", worse than at the beginning",
    }
}

impl Summary {
    /// A line for people, without the newline and the advice; `study` is the directory of the study.
    pub fn text(&self, study: &Path) -> String {
        let noun = if self.of == 1 { "trial" } else { "trials" };
        let mut text = format!("{} of {} {noun} {}", self.trials.len(), self.of, self.finding.verb());
        if let Some(Separation { parameter, side, value }) = &self.separated {
            let side = match side {
                Side::Above => "above",
                Side::Below => "below",
            };
            text += &format!(" (all those with {parameter} {side} {}, no others)", short(*value));
        }
        if self.trials.len() <= LISTED {
            let mut trials = self.trials.iter().map(TrialId::to_string);
            let first = trials.next().unwrap_or_default();
            text += &format!(", see {} {first}", about(study, ["show"]));
            let others: Vec<String> = trials.collect();
            if !others.is_empty() {
                text += &format!(" and likewise {}", others.join(", "));
            }
        }
        text
    }
}

impl Foresight {
    /// It in words, with the unit of resources.
    pub fn text(&self, unit: Unit) -> String {
        let Self {
            rung,
            next,
            trials,
            correlation,
            begins,
        } = self;
        let unit = unit.one();
        let mut text = format!(
            "{unit} {rung} predicts {unit} {next} with a rank correlation of {correlation:.2} ({trials} trials)"
        );
        match begins {
            _ if !self.misleads() => {}
            Some(begins) => text += &format!(": too low to prune by; brackets begin at {unit} {begins} now"),
            None => text += ": too low to prune by; raise `min_resource`, or use `hyperband`",
        }
        text
    }
}

/// A number with all its digits.
fn short(x: f64) -> String {
    match x.abs() {
        size if size == 0.0 || (1e-3..1e5).contains(&size) => x.to_string(),
        _ => format!("{x:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_number_has_all_its_digits() {
        assert_eq!([8e-5, 0.123455, 20.0, 0.0].map(short), ["8e-5", "0.123455", "20", "0"]);
    }

    #[test]
    fn a_rung_that_predicts_little_is_reported_with_the_fix() {
        let text = |correlation, begins| {
            let foresight = Foresight {
                rung: 1,
                next: 3,
                trials: 9,
                correlation,
                begins,
            };
            foresight.text(Unit::Epochs)
        };
        assert_eq!(
            text(0.834, Some(9)),
            "epoch 1 predicts epoch 3 with a rank correlation of 0.83 (9 trials)"
        );
        assert!(text(0.1, None).ends_with("too low to prune by; raise `min_resource`, or use `hyperband`"));
        assert!(text(0.1, Some(9)).ends_with("too low to prune by; brackets begin at epoch 9 now"));
    }
}

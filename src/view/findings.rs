//! What the records of a study show, in words.

use std::path::Path;

use hpo_protocol::Unit;
use serde_json::{Value, json};

use super::format::metric;
use crate::analysis::Foresight;
use crate::analysis::diagnosis::{Finding, Level, Separation, Side, Summary};
use crate::ids::TrialId;
use crate::shell::about;

/// More trials than this are only counted.
const LISTED: usize = 8;

impl Finding {
    /// The numbers behind it, in a sentence without a full stop, with the unit of resources.
    pub fn text(&self, unit: Unit) -> String {
        let unit = unit.one();
        match self {
            Self::Divergence { at, loss, untrained } => divergence(unit, *at, *loss, *untrained),
            Self::Collapse {
                since,
                at,
                mean_cosine,
                untrained,
            } => {
                let before = untrained.map_or(String::new(), |before| format!(" (untrained {before:.3})"));
                format!(
                    "all embeddings are nearly alike since {unit} {since}: mean cosine {mean_cosine:.3} at {unit} {at}{before}"
                )
            }
            Self::Overfitting {
                best_at,
                best_loss,
                best_train_loss,
                at,
                loss,
                train_loss,
            } => format!(
                "from {unit} {best_at} to {at} the validation loss rose from {} to {} while the training loss fell from {} to {}",
                metric(*best_loss),
                metric(*loss),
                metric(*best_train_loss),
                metric(*train_loss)
            ),
            Self::RankingDecline {
                metric: name,
                since,
                loss_before,
                metric_before,
                at,
                loss,
                metric_after,
            } => format!(
                "from {} to {unit} {at} the validation loss fell from {} to {}, but {name} from {} to {} too",
                report(unit, *since),
                metric(*loss_before),
                metric(*loss),
                metric(*metric_before),
                metric(*metric_after)
            ),
            Self::SlowConvergence {
                since,
                loss_before,
                at,
                loss,
                share,
            } => format!(
                "the validation loss was still falling at the end, from {} at {unit} {since} to {} at {unit} {at}: {:.0} % of its whole fall",
                metric(*loss_before),
                metric(*loss),
                100.0 * share
            ),
            Self::Plateau {
                since,
                at,
                lowest,
                highest,
                level,
            } => format!(
                "from {unit} {since} to {at} the validation loss stayed between {} and {}{}",
                metric(*lowest),
                metric(*highest),
                beside_the_beginning(*level)
            ),
        }
    }

    /// The finding for programs: its kind, its numbers, and the text for people, with the unit of resources.
    pub fn json(&self, unit: Unit) -> Value {
        json!({ "finding": self.kind(), "numbers": self, "text": self.text(unit), "advice": self.advice() })
    }
}

fn divergence(unit: &str, at: u64, loss: Option<f64>, untrained: Option<f64>) -> String {
    let Some(loss) = loss else {
        return format!("the validation loss was not finite at {unit} {at}");
    };
    let untrained = untrained.map_or(String::new(), |loss| format!(" {}", metric(loss)));
    format!(
        "the validation loss rises, {} at {unit} {at}, above the untrained model's{untrained}",
        metric(loss)
    )
}

fn report(unit: &str, at: u64) -> String {
    match at {
        0 => "the untrained model".to_owned(),
        at => format!("{unit} {at}"),
    }
}

fn beside_the_beginning(level: Level) -> &'static str {
    match level {
        Level::Below => "",
        Level::Same => ", where it was at the beginning",
        Level::Above => ", above where it began",
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
            let mut shows = self
                .trials
                .iter()
                .map(|trial| about(study, ["show", trial.to_string().as_str()]));
            text += &format!(", see {}", shows.next().unwrap_or_default());
            let others: Vec<String> = self.trials.iter().skip(1).map(TrialId::to_string).collect();
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
        } = self;
        let unit = unit.one();
        let mut text = format!(
            "{unit} {rung} predicts {unit} {next} with a rank correlation of {correlation:.2} ({trials} trials)"
        );
        if self.misleads() {
            text += ": too low to prune by; raise `min_resource`, or use `hyperband`";
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
        let text = |correlation| {
            let foresight = Foresight {
                rung: 1,
                next: 3,
                trials: 9,
                correlation,
            };
            foresight.text(Unit::Epochs)
        };
        assert_eq!(
            text(0.834),
            "epoch 1 predicts epoch 3 with a rank correlation of 0.83 (9 trials)"
        );
        assert!(text(0.1).ends_with("too low to prune by; raise `min_resource`, or use `hyperband`"));
    }
}

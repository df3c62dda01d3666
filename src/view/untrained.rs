//! That a study has found nothing: nothing better than what was there before, or no trial better than another.

use hpo_protocol::{BASE_MODEL, Baseline};
use serde_json::Value;

use super::format::metric;
use crate::analysis::Overview;
use crate::study::{Objective, TrialSummary};

/// What is said of a study before all else, if it has found nothing.
pub(super) fn found_nothing(overview: &Overview) -> String {
    let alike = overview.alike.zip(overview.best.as_ref());
    let alike = alike.and_then(|(count, best)| {
        let (name, value) = (&overview.spec.objective.metric, metric(best.objective?));
        Some(format!(
            "all {count} trials have the same {name}, {value}: it depends on nothing that was searched; check the data, and what the \
             trainer reports\n"
        ))
    });
    alike.unwrap_or_default() + &not_better(overview)
}

/// What is said of a study whose best trial is not better than the best model without training; empty if it is, or if that is not
/// known.
fn not_better(overview: &Overview) -> String {
    let so_far = if overview.finished {
        "no trial is"
    } else {
        "no trial is yet"
    };
    let values = overview.best.as_ref().zip(overview.baseline.as_ref());
    let values = values.and_then(|(best, untrained)| no_better_than(&overview.spec.objective, best, untrained));
    values.map_or(String::new(), |values| format!("{so_far} better than {values}\n"))
}

/// The best untrained model, and what it and the best trial come to, as the end of a sentence; `None` if the trial is better, or if
/// that is not known. If the trial began with another model, that one is named too.
pub fn no_better_than(objective: &Objective, best: &TrialSummary, untrained: &Baseline) -> Option<String> {
    let (model, value) = objective.best_of(untrained)?;
    let reached = best.objective.filter(|reached| !objective.is_better(*reached, value))?;
    let name = model.map_or(String::new(), |model| format!(" {model}"));
    let mut text = format!(
        "the untrained model{name}: best {} {}, untrained {}",
        objective.metric,
        metric(reached),
        metric(value)
    );
    let own = best.parameters.get(BASE_MODEL).and_then(Value::as_str);
    if let Some(own) = own.filter(|own| model.is_some_and(|model| model != *own)) {
        let before = untrained.of(&best.parameters).and_then(|own| objective.measured(own));
        text += &format!("; the best trial's own, {own}, {}", before.map_or("-".into(), metric));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use hpo_protocol::Measurement;
    use serde_json::json;

    use super::*;
    use crate::study::{Direction, tests::finished};

    #[test]
    fn the_best_untrained_model_is_named_and_that_of_the_best_trial_if_it_is_another() {
        let objective = Objective {
            metric: "ndcg".to_owned(),
            direction: Direction::Maximize,
        };
        let untrained = |ndcg: f64| Measurement {
            loss: None,
            metrics: [("ndcg".to_owned(), ndcg)].into(),
        };
        let study = finished();
        let said = |value: f64, own: Option<&str>, baseline: &Baseline| {
            let mut best = study.summary(study.best().unwrap());
            best.objective = Some(value);
            best.parameters
                .extend(own.map(|own| (BASE_MODEL.to_owned(), json!(own))));
            no_better_than(&objective, &best, baseline)
        };
        let models = [("a".to_owned(), untrained(0.5)), ("b".to_owned(), untrained(0.75))];
        let several = Baseline::Models { models: models.into() };
        let of_b = "the untrained model b: best ndcg 0.6250, untrained 0.7500";
        assert_eq!(
            said(0.625, Some("a"), &several),
            Some(format!("{of_b}; the best trial's own, a, 0.5000"))
        );
        assert_eq!(said(0.625, Some("b"), &several).as_deref(), Some(of_b));
        assert_eq!(
            said(0.625, Some("c"), &several),
            Some(format!("{of_b}; the best trial's own, c, -"))
        );
        assert_eq!(said(0.8125, Some("a"), &several), None);
        let one = Baseline::One(untrained(0.625));
        let alike = "the untrained model: best ndcg 0.6250, untrained 0.6250";
        assert_eq!(said(0.625, None, &one).as_deref(), Some(alike));
    }
}

//! That a study has found nothing: nothing better than what was there before, or no trial better than another.

use hpo_protocol::{BASE_MODEL, Baseline};
use serde_json::Value;

use super::format::metric;
use crate::analysis::Overview;
use crate::study::{StudySpec, TrialSummary, Untrained};

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
    let values = values.and_then(|(best, untrained)| no_better_than(&overview.spec, best, untrained));
    values.map_or(String::new(), |values| format!("{so_far} better than {values}\n"))
}

/// The best untrained model, and what it and the best trial come to, as the end of a sentence; `None` if the trial is better, or if
/// that is not known. If the trial began with another model, that one is named too.
pub fn no_better_than(spec: &StudySpec, best: &TrialSummary, untrained: &Baseline) -> Option<String> {
    let objective = &spec.objective;
    let of_all = spec.best_untrained(untrained)?;
    let Untrained {
        model, value, score, ..
    } = of_all;
    let reached = best.objective.filter(|_| spec.improves(best, &of_all) == Some(false))?;
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
    if objective.is_better(reached, value) {
        text += match score.is_feasible() {
            true => "; the untrained one fulfils what the study requires",
            false => "; the untrained one breaks what the study requires by less",
        };
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use hpo_protocol::Measurement;
    use serde_json::json;

    use super::*;
    use crate::study::{Broken, Direction, Objective, Requirement, tests::finished};

    #[test]
    fn the_best_untrained_model_is_named_and_that_of_the_best_trial_if_it_is_another() {
        let untrained = |ndcg: f64| Measurement {
            loss: None,
            metrics: [("ndcg".to_owned(), ndcg)].into(),
        };
        let study = finished();
        let spec = StudySpec {
            objective: Objective {
                metric: "ndcg".to_owned(),
                direction: Direction::Maximize,
            },
            ..study.spec().clone()
        };
        let said = |value: f64, own: Option<&str>, baseline: &Baseline| {
            let mut best = study.summary(study.best().unwrap());
            best.objective = Some(value);
            best.parameters
                .extend(own.map(|own| (BASE_MODEL.to_owned(), json!(own))));
            no_better_than(&spec, &best, baseline)
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

    #[test]
    fn what_the_study_requires_counts_for_untrained_models_too() {
        let study = finished();
        let require: Requirement = "ms <= 5".to_owned().try_into().unwrap();
        let spec = StudySpec {
            require: vec![require.clone()],
            ..study.spec().clone()
        };
        let untrained = |loss: f64, ms: Option<f64>| Measurement {
            loss: Some(loss),
            metrics: ms.map(|ms| ("ms".to_owned(), ms)).into_iter().collect(),
        };
        let said = |ms: f64, baseline: Baseline| {
            let mut best = study.summary(study.best().unwrap());
            best.objective = Some(0.5);
            best.breaks = (ms > 5.0)
                .then(|| Broken {
                    require: require.clone(),
                    value: Some(ms),
                })
                .into_iter()
                .collect();
            no_better_than(&spec, &best, &baseline)
        };
        let one = |loss, ms| Baseline::One(untrained(loss, ms));
        // One that breaks it is no reason to call a trial that does not a failure, however low its loss.
        assert_eq!(said(4.0, one(0.25, Some(6.0))), None);
        let values = "the untrained model: best loss 0.5000, untrained 0.2500";
        assert_eq!(said(4.0, one(0.25, Some(5.0))).as_deref(), Some(values));
        // What was not measured of it is not held against it.
        assert_eq!(said(4.0, one(0.25, None)).as_deref(), Some(values));
        let values = "the untrained model: best loss 0.5000, untrained 0.7500; the untrained one";
        assert_eq!(
            said(6.0, one(0.75, Some(5.0))),
            Some(format!("{values} fulfils what the study requires"))
        );
        assert_eq!(
            said(7.0, one(0.75, Some(6.0))),
            Some(format!("{values} breaks what the study requires by less"))
        );
        assert_eq!(said(6.0, one(0.75, Some(7.0))), None);
        // Of several the best is one that fulfils it.
        let models = [
            ("a".to_owned(), untrained(0.25, Some(9.0))),
            ("b".to_owned(), untrained(0.375, Some(3.0))),
        ];
        assert_eq!(
            said(4.0, Baseline::Models { models: models.into() }).as_deref(),
            Some("the untrained model b: best loss 0.5000, untrained 0.3750")
        );
    }
}

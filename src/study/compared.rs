//! What reports say of a trial by all that the study compares: its objectives, and what it requires.

use super::Study;
use super::event::Reported;
use super::objective::{LOSS, Objective, named};
use super::pareto::Point;
use super::requirement::Broken;
use super::spec::StudySpec;
use super::trial::{Report, Trial};

impl Report {
    /// The value of a metric, or of the loss.
    pub fn value(&self, name: &str) -> Option<f64> {
        match name {
            LOSS => self.loss,
            name => self.metrics.get(name).copied(),
        }
    }
}

impl Trial {
    /// The last value of a metric, or of the loss, that was reported up to and including a resource: not every report has all.
    pub fn value_up_to(&self, resource: u64, name: &str) -> Option<f64> {
        let reports = self.reports.range(..=resource).rev();
        reports.map(|(_, report)| report).find_map(|report| report.value(name))
    }

    /// The value of one of the study's objectives with the best report up to and including a resource.
    pub fn value_by(&self, objective: &Objective, resource: u64) -> Option<f64> {
        let (at, _) = self.scored_up_to(resource)?;
        self.value_up_to(at, &objective.metric)
    }

    /// The last value of a metric, or of the loss, that was reported before a resource, ahead of a decision or not.
    pub(super) fn value_before(&self, resource: u64, name: &str) -> Option<f64> {
        let mut ahead = self.ahead.reports.range(..resource).rev();
        let ahead = ahead.find_map(|(_, report)| report.value(name));
        ahead.or_else(|| self.value_up_to(resource.saturating_sub(1), name))
    }
}

impl StudySpec {
    /// By how much all requirements together are broken by values of metrics: the sum over them of the share of the limit by which a
    /// value lies beyond it; 0 if they are fulfilled, and infinite if one of the values is not known.
    pub fn violation(&self, value: impl Fn(&str) -> Option<f64>) -> f64 {
        let each = self.require.iter().map(|one| one.violation(value(&one.metric)));
        let all: Vec<f64> = each.collect();
        let sum = all.iter().sum::<f64>();
        if all.contains(&f64::INFINITY) {
            sum
        } else {
            sum.min(f64::MAX)
        }
    }

    /// What a trial comes to by all objectives with its best report up to and including a resource; none without one. A further objective
    /// that was not reported up to there is as bad as can be.
    pub fn point(&self, trial: &Trial, resource: u64) -> Option<Point> {
        let (at, score) = trial.scored_up_to(resource)?;
        let further = self.further.iter().map(|objective| {
            let value = trial.value_up_to(at, &objective.metric);
            value.map_or(f64::INFINITY, |value| objective.signed(value))
        });
        Some(Point {
            violation: score.violation,
            costs: [score.cost].into_iter().chain(further).collect(),
        })
    }

    /// The requirements that a trial's model of a resource does not fulfil.
    pub fn broken(&self, trial: &Trial, resource: u64) -> Vec<Broken> {
        let each = self.require.iter().filter_map(|require| {
            let value = trial.value_up_to(resource, &require.metric);
            let broken = value.is_none_or(|value| !require.allows(value));
            broken.then(|| Broken {
                require: require.clone(),
                value,
            })
        });
        each.collect()
    }
}

/// What is said of a report without the value of an objective.
pub(super) fn missing(objective: &Objective, report: &Reported) -> String {
    let reported = named(report.loss.is_some(), report.metrics.keys());
    objective.missing(&format!("the report at resource {}", report.resource), &reported)
}

impl Study {
    /// What is said of a report if one of the further objectives has not been reported up to there.
    pub(super) fn lacking(&self, report: &Reported) -> Option<String> {
        let trial = self.trial(report.trial).filter(|_| !report.diverged)?;
        let known = |name: &str| {
            report
                .value(name)
                .or_else(|| trial.value_before(report.resource, name))
                .is_some()
        };
        let lacking = self.spec.further.iter().find(|objective| !known(&objective.metric))?;
        Some(missing(lacking, report))
    }
}

//! What the curves of a trial show, and what all trials of a study show together: pure functions of the records.
//!
//! A finding needs enough reports, and a change counts only if it is larger than the noise of the curve: no finding is
//! better than a guess. Reports are equally spaced, as the worker protocol requires; only the last may come sooner.

mod curve;
mod finding;
mod summary;

use hpo_protocol::Measurement;

pub use finding::{Finding, Kind, Level};
pub use summary::{Separation, Side, Summary, summarise};

use crate::study::{Measures, Objective, Trial, TrialState};
use curve::{falls, low, lowest, range, rises, slope, spread};

/// The metric of the training loss. Its scale is the trial's own, so only its direction counts.
const TRAIN_LOSS: &str = "train_loss";
/// The metric of the mean cosine between the embeddings of different validation texts.
const MEAN_COSINE: &str = "mean_cosine";
/// How the names of ranking metrics begin; higher is better.
const RANKING: [&str; 3] = ["mrr@", "recall@", "ndcg@"];
/// How the names of those of evaluations end. The others of an evaluation are coarser, and say the same.
const EVALUATED: [&str; 2] = [".ndcg@10", ".map"];

/// A change of less than three standard deviations of the noise does not count.
const NOISE: f64 = 3.0;
/// Nor does one of less than a twentieth of the objective's total range, the untrained model included.
const SMALL_SHARE: f64 = 0.05;
/// Nor one of half a per cent of the objective itself: with a few hundred validation triplets another sample of them
/// changes it by more.
const SMALL_VALUE: f64 = 0.005;
/// Nor one of 2 % of a ranking metric, for the same reason; it depends on ranks, not distances, so it is coarser.
const SMALL_RANKING: f64 = 0.02;
/// A rise that goes on from report to report counts from so many standard deviations of the noise on: over many reports chance alone
/// makes one of half as much.
const TREND: f64 = 2.0;
/// A cost half as high again as the untrained model's is not noise, however few the reports.
const FAR_ABOVE: f64 = 1.5;
/// The mean cosine from which on embeddings count as alike: the angle between two texts is 18 degrees on average.
const ALIKE: f64 = 0.95;
/// Some models have all embeddings in a narrow cone before any training and rank well. They have collapsed only if the
/// distance from 1 has shrunk to this share of the untrained model's.
const SHRUNK: f64 = 0.25;
/// A cost that falls evenly has a third of its fall in the last third of the reports; one that has converged (exponentially, five
/// time constants) by 3 %. From this share on it counts as falling.
const STILL_FALLING: f64 = 0.15;

/// A lowest level needs three reports, and the last two must lie above it: one of them may be among the three.
const OVERFITTING_REPORTS: usize = 5;
/// Two steps upwards.
const DIVERGENCE_REPORTS: usize = 3;
/// The last two must agree, and a spread needs at least three.
const RANKING_REPORTS: usize = 3;
/// Four reports at the end, and one to compare them with.
const END_REPORTS: usize = 5;
/// The fewest steps that count as the end of a curve; of long curves it is the last third.
const END_STEPS: usize = 3;

/// What the curves of a trial show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Diagnosis {
    /// The findings, the gravest first.
    pub findings: Vec<Finding>,
    /// The kinds that could be checked, whether found or not: for the others there are too few reports, or a metric is missing.
    pub checked: Vec<Kind>,
}

impl Diagnosis {
    /// The kinds that cannot be checked, or not yet.
    pub fn unknown(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| !self.checked.contains(kind))
    }
}

/// Reads a trial's curves; `untrained` has the loss and metrics of the untrained model, if they were measured.
pub fn diagnose(trial: &Trial, untrained: Option<&Measurement>, objective: &Objective) -> Diagnosis {
    let curves = Curves::new(trial, untrained, objective);
    let mut diagnosis = Diagnosis::default();
    for kind in Kind::ALL {
        if !curves.can_check(kind) {
            continue;
        }
        diagnosis.checked.push(kind);
        let finding = match kind {
            Kind::Divergence => curves.divergence(),
            Kind::Collapse => curves.collapse(),
            Kind::Overfitting => curves.overfitting(),
            Kind::RankingDecline => curves.ranking_decline(),
            Kind::SlowConvergence => curves.slow_convergence(),
            // Any other finding explains the plateau.
            Kind::Plateau if diagnosis.findings.is_empty() => curves.plateau(),
            Kind::Plateau => None,
        };
        diagnosis.findings.extend(finding);
    }
    diagnosis
}

/// The finite reports of a trial in order, and what they are compared with.
struct Curves<'a> {
    trial: &'a Trial,
    untrained: Option<&'a Measurement>,
    objective: &'a Objective,
    resources: Vec<u64>,
    costs: Vec<f64>,
    metrics: Vec<&'a Measures>,
    /// A change of the cost by more than this counts.
    counts: f64,
    /// [`counts`](Self::counts) without the noise.
    small: f64,
}

impl<'a> Curves<'a> {
    fn new(trial: &'a Trial, untrained: Option<&'a Measurement>, objective: &'a Objective) -> Self {
        let finite = trial
            .reports
            .iter()
            .filter_map(|(&resource, report)| Some((resource, report.cost?, &report.metrics)));
        let mut curves = Self {
            trial,
            untrained,
            objective,
            resources: Vec::new(),
            costs: Vec::new(),
            metrics: Vec::new(),
            counts: 0.0,
            small: 0.0,
        };
        for (resource, cost, metrics) in finite {
            curves.resources.push(resource);
            curves.costs.push(cost);
            curves.metrics.push(metrics);
        }
        let all = curves.costs.iter().copied().chain(curves.untrained_cost());
        let size = lowest(&curves.costs).map_or(0.0, |at| curves.costs[at].abs());
        curves.small = (SMALL_SHARE * range(all)).max(SMALL_VALUE * size);
        curves.counts = curves.small.max(NOISE * spread(&curves.costs));
        curves
    }

    fn untrained_cost(&self) -> Option<f64> {
        let value = self.objective.measured(self.untrained?)?;
        Some(self.objective.signed(value)).filter(|cost| cost.is_finite())
    }

    /// The value of the objective that a cost stands for.
    fn value(&self, cost: f64) -> f64 {
        self.objective.signed(cost)
    }

    /// The values of a metric, if every report has it.
    fn metric(&self, name: &str) -> Option<Vec<f64>> {
        Measures::series(&self.metrics, name)
            .map(|value| finite(value.as_ref()))
            .collect()
    }

    /// The ranking metrics of the last report.
    fn rankings(&self) -> impl Iterator<Item = &'a str> {
        let names = self.metrics.last().into_iter().flat_map(|metrics| metrics.keys());
        names.map(String::as_str).filter(|name| {
            let evaluated = EVALUATED.iter().any(|end| name.ends_with(end));
            evaluated || RANKING.iter().any(|begin| name.starts_with(begin))
        })
    }

    /// How many steps at the end are considered.
    fn end(&self) -> usize {
        (self.costs.len() / 3).max(END_STEPS)
    }

    fn can_check(&self, kind: Kind) -> bool {
        let reports = self.costs.len();
        match kind {
            Kind::Divergence => !self.trial.reports.is_empty(),
            Kind::Collapse => self
                .metrics
                .last()
                .is_some_and(|last| finite(last.get(MEAN_COSINE)).is_some()),
            Kind::Overfitting => reports >= OVERFITTING_REPORTS && self.metric(TRAIN_LOSS).is_some(),
            Kind::RankingDecline => {
                reports >= RANKING_REPORTS && self.rankings().any(|name| self.metric(name).is_some())
            }
            Kind::SlowConvergence => reports >= END_REPORTS && self.trial.state == TrialState::Completed,
            Kind::Plateau => reports >= END_REPORTS,
        }
    }

    fn divergence(&self) -> Option<Finding> {
        let untrained = self.untrained_cost().map(|cost| self.value(cost));
        if let TrialState::Diverged { resource } = self.trial.state {
            let (at, value) = (resource, None);
            return Some(Finding::Divergence { at, value, untrained });
        }
        let above = self.untrained_cost()?;
        let [.., first, second, last] = self.costs[..] else {
            return None;
        };
        if self.costs.len() < DIVERGENCE_REPORTS || !(first < second && second < last && second > above) {
            return None;
        }
        let learned = lowest(&self.costs).filter(|&at| self.costs[at] < above);
        if let (Some(best), Some(training)) = (learned, self.metric(TRAIN_LOSS))
            && falls(&training[best..])
        {
            return None;
        }
        let far = above > 0.0 && last > FAR_ABOVE * above;
        (far || last - first > self.counts).then_some(Finding::Divergence {
            at: *self.resources.last()?,
            value: Some(self.value(last)),
            untrained,
        })
    }

    fn collapse(&self) -> Option<Finding> {
        let untrained = self
            .untrained
            .and_then(|before| finite(before.metrics.get(MEAN_COSINE)));
        let alike = untrained.map_or(ALIKE, |before| ALIKE.max(1.0 - SHRUNK * (1.0 - before)));
        let held = self.metrics.iter().rev().map_while(|metrics| {
            let cosine = finite(metrics.get(MEAN_COSINE))?;
            (cosine >= alike).then_some(cosine)
        });
        let held: Vec<f64> = held.collect();
        Some(Finding::Collapse {
            since: self.resources[self.resources.len() - held.len()..].first().copied()?,
            at: *self.resources.last()?,
            mean_cosine: *held.first()?,
            untrained,
        })
    }

    fn overfitting(&self) -> Option<Finding> {
        let best = lowest(&self.costs)?;
        let low = low(&self.costs)?;
        let [.., before, cost] = self.costs[..] else {
            return None;
        };
        let learned = self.untrained_cost().is_none_or(|untrained| low < untrained);
        let after = &self.costs[best + 1..];
        // A rise that goes on is one even where each step is within the noise.
        let trend = slope(after).map_or(0.0, |slope| slope * (after.len() - 1) as f64);
        let least = self.small.max(TREND * spread(&self.costs));
        let above = before.min(cost) - low;
        let rose = above > self.counts || (above > self.small && trend > least && rises(after));
        let training = self.metric(TRAIN_LOSS)?;
        (learned && rose && best + 2 < self.costs.len() && falls(&training[best..])).then_some(Finding::Overfitting {
            best_at: self.resources[best],
            best_value: self.value(self.costs[best]),
            best_train_loss: training[best],
            at: *self.resources.last()?,
            value: self.value(cost),
            train_loss: *training.last()?,
        })
    }

    fn ranking_decline(&self) -> Option<Finding> {
        self.rankings().find_map(|name| self.worse(name))
    }

    /// Whether a ranking metric got worse while the objective got better: since the untrained model, or else since its own best.
    fn worse(&self, name: &str) -> Option<Finding> {
        let values = self.metric(name)?;
        let ends = (values.len().checked_sub(2)?, values.len() - 1);
        let noise = NOISE * spread(&values);
        let found = |since: u64, cost_before: f64, metric_before: f64, level: f64| {
            let counts = noise.max(SMALL_RANKING * level.abs());
            let apart = |at: usize| level - values[at] > counts && cost_before - self.costs[at] > self.counts;
            (apart(ends.0) && apart(ends.1)).then(|| Finding::RankingDecline {
                metric: name.to_owned(),
                since,
                value_before: self.value(cost_before),
                metric_before,
                at: self.resources[ends.1],
                value: self.value(self.costs[ends.1]),
                metric_after: values[ends.1],
            })
        };
        let untrained = self
            .untrained
            .and_then(|before| Some((self.untrained_cost()?, finite(before.metrics.get(name))?)));
        let since_untrained = untrained.and_then(|(cost, value)| found(0, cost, value, value));
        since_untrained.or_else(|| {
            let worst_first: Vec<f64> = values.iter().map(|value| -value).collect();
            let (best, level) = (lowest(&worst_first)?, -low(&worst_first)?);
            found(self.resources[best], self.costs[best], values[best], level)
        })
    }

    fn slow_convergence(&self) -> Option<Finding> {
        let steps = self.end();
        let since = self.costs.len().checked_sub(steps + 1)?;
        let (end, last) = (&self.costs[since..], *self.costs.last()?);
        let fell = -slope(end)? * steps as f64;
        let whole = self.untrained_cost().unwrap_or(self.costs[0]) - last;
        let share = fell / whole;
        let at_its_best = last - self.costs[lowest(&self.costs)?] <= spread(&self.costs);
        let by_itself = self.trial.exhausted;
        (!by_itself && fell > self.counts && at_its_best && (STILL_FALLING..).contains(&share) && share.is_finite())
            .then(|| Finding::SlowConvergence {
                since: self.resources[since],
                value_before: self.value(end[0]),
                at: self.resources[since + steps],
                value: self.value(last),
                share: share.min(1.0),
            })
    }

    fn plateau(&self) -> Option<Finding> {
        let steps = self.end();
        let since = self.costs.len().checked_sub(steps + 1)?;
        let end = &self.costs[since..];
        let trend = slope(end)? * steps as f64;
        // With more noise than that it is unknown whether the curve is flat.
        if !(trend.abs() <= self.small && spread(&self.costs) <= self.small) {
            return None;
        }
        let begin = self.untrained_cost().unwrap_or(self.costs[0]);
        let (lowest, highest) = (
            end.iter().copied().fold(end[0], f64::min),
            end.iter().copied().fold(end[0], f64::max),
        );
        let level = if highest < begin - self.small {
            Level::Better
        } else if lowest > begin + self.small {
            Level::Worse
        } else {
            Level::Same
        };
        Some(Finding::Plateau {
            since: self.resources[since],
            at: self.resources[since + steps],
            lowest: self.value(lowest).min(self.value(highest)),
            highest: self.value(lowest).max(self.value(highest)),
            level,
        })
    }
}

fn finite(value: Option<&f64>) -> Option<f64> {
    value.copied().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests;

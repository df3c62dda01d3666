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

use crate::study::{Measures, Trial, TrialState};
use curve::{falls, low, lowest, range, slope, spread};

/// The metric of the training loss. Its scale is the trial's own, so only its direction counts.
const TRAIN_LOSS: &str = "train_loss";
/// The metric of the mean cosine between the embeddings of different validation texts.
const MEAN_COSINE: &str = "mean_cosine";
/// How the names of ranking metrics begin; higher is better.
const RANKING: [&str; 3] = ["mrr@", "recall@", "ndcg@"];

/// A change of less than three standard deviations of the noise does not count.
const NOISE: f64 = 3.0;
/// Nor does one of less than a twentieth of the loss's total range, the untrained model included.
const SMALL_SHARE: f64 = 0.05;
/// Nor one of half a per cent of the loss itself: with a few hundred validation triplets another sample of them
/// changes the loss by more.
const SMALL_LOSS: f64 = 0.005;
/// Nor one of 2 % of a ranking metric, for the same reason; it depends on ranks, not distances, so it is coarser.
const SMALL_RANKING: f64 = 0.02;
/// A loss half as high again as the untrained model's is not noise, however few the reports.
const FAR_ABOVE: f64 = 1.5;
/// The mean cosine from which on embeddings count as alike: the angle between two texts is 18 degrees on average.
const ALIKE: f64 = 0.95;
/// Some models have all embeddings in a narrow cone before any training and rank well. They have collapsed only if the
/// distance from 1 has shrunk to this share of the untrained model's.
const SHRUNK: f64 = 0.25;
/// A loss that falls evenly has a third of its fall in the last third of the reports; one that has converged (exponentially, five
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
pub fn diagnose(trial: &Trial, untrained: Option<&Measurement>) -> Diagnosis {
    let curves = Curves::new(trial, untrained);
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
    resources: Vec<u64>,
    losses: Vec<f64>,
    metrics: Vec<&'a Measures>,
    /// A change of the loss by more than this counts.
    counts: f64,
    /// [`counts`](Self::counts) without the noise.
    small: f64,
}

impl<'a> Curves<'a> {
    fn new(trial: &'a Trial, untrained: Option<&'a Measurement>) -> Self {
        let finite = trial.reports.iter().filter_map(|(&resource, report)| {
            let loss = report.loss.filter(|loss| loss.is_finite())?;
            Some((resource, loss, &report.metrics))
        });
        let mut curves = Self {
            trial,
            untrained: untrained.filter(|untrained| untrained.loss.is_finite()),
            resources: Vec::new(),
            losses: Vec::new(),
            metrics: Vec::new(),
            counts: 0.0,
            small: 0.0,
        };
        for (resource, loss, metrics) in finite {
            curves.resources.push(resource);
            curves.losses.push(loss);
            curves.metrics.push(metrics);
        }
        let all = curves.losses.iter().copied().chain(curves.untrained_loss());
        let size = lowest(&curves.losses).map_or(0.0, |at| curves.losses[at].abs());
        curves.small = (SMALL_SHARE * range(all)).max(SMALL_LOSS * size);
        curves.counts = curves.small.max(NOISE * spread(&curves.losses));
        curves
    }

    fn untrained_loss(&self) -> Option<f64> {
        self.untrained.map(|untrained| untrained.loss)
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
        names
            .map(String::as_str)
            .filter(|name| RANKING.iter().any(|begin| name.starts_with(begin)))
    }

    /// How many steps at the end are considered.
    fn end(&self) -> usize {
        (self.losses.len() / 3).max(END_STEPS)
    }

    fn can_check(&self, kind: Kind) -> bool {
        let reports = self.losses.len();
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
        let untrained = self.untrained_loss();
        if let TrialState::Diverged { resource } = self.trial.state {
            let (at, loss) = (resource, None);
            return Some(Finding::Divergence { at, loss, untrained });
        }
        let above = untrained?;
        let [.., first, second, last] = self.losses[..] else {
            return None;
        };
        if self.losses.len() < DIVERGENCE_REPORTS || !(first < second && second < last && second > above) {
            return None;
        }
        let learned = lowest(&self.losses).filter(|&at| self.losses[at] < above);
        if let (Some(best), Some(training)) = (learned, self.metric(TRAIN_LOSS))
            && falls(&training[best..])
        {
            return None;
        }
        let far = above > 0.0 && last > FAR_ABOVE * above;
        (far || last - first > self.counts).then_some(Finding::Divergence {
            at: *self.resources.last()?,
            loss: Some(last),
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
        let best = lowest(&self.losses)?;
        let low = low(&self.losses)?;
        let [.., before, loss] = self.losses[..] else {
            return None;
        };
        let learned = self.untrained_loss().is_none_or(|untrained| low < untrained);
        let rose = before.min(loss) - low > self.counts;
        let training = self.metric(TRAIN_LOSS)?;
        (learned && rose && best + 2 < self.losses.len() && falls(&training[best..])).then_some(Finding::Overfitting {
            best_at: self.resources[best],
            best_loss: self.losses[best],
            best_train_loss: training[best],
            at: *self.resources.last()?,
            loss,
            train_loss: *training.last()?,
        })
    }

    fn ranking_decline(&self) -> Option<Finding> {
        self.rankings().find_map(|name| self.worse(name))
    }

    /// Whether a ranking metric got worse while the loss fell: since the untrained model, or else since its own best.
    fn worse(&self, name: &str) -> Option<Finding> {
        let values = self.metric(name)?;
        let ends = (values.len().checked_sub(2)?, values.len() - 1);
        let noise = NOISE * spread(&values);
        let found = |since: u64, loss_before: f64, metric_before: f64, level: f64| {
            let counts = noise.max(SMALL_RANKING * level.abs());
            let apart = |at: usize| level - values[at] > counts && loss_before - self.losses[at] > self.counts;
            (apart(ends.0) && apart(ends.1)).then(|| Finding::RankingDecline {
                metric: name.to_owned(),
                since,
                loss_before,
                metric_before,
                at: self.resources[ends.1],
                loss: self.losses[ends.1],
                metric_after: values[ends.1],
            })
        };
        let untrained = self
            .untrained
            .and_then(|before| Some((before.loss, finite(before.metrics.get(name))?)));
        let since_untrained = untrained.and_then(|(loss, value)| found(0, loss, value, value));
        since_untrained.or_else(|| {
            let worst_first: Vec<f64> = values.iter().map(|value| -value).collect();
            let (best, level) = (lowest(&worst_first)?, -low(&worst_first)?);
            found(self.resources[best], self.losses[best], values[best], level)
        })
    }

    fn slow_convergence(&self) -> Option<Finding> {
        let steps = self.end();
        let since = self.losses.len().checked_sub(steps + 1)?;
        let (end, last) = (&self.losses[since..], *self.losses.last()?);
        let fell = -slope(end)? * steps as f64;
        let whole = self.untrained_loss().unwrap_or(self.losses[0]) - last;
        let share = fell / whole;
        let at_its_best = last - self.losses[lowest(&self.losses)?] <= spread(&self.losses);
        let by_itself = self.trial.exhausted;
        (!by_itself && fell > self.counts && at_its_best && (STILL_FALLING..).contains(&share) && share.is_finite())
            .then(|| Finding::SlowConvergence {
                since: self.resources[since],
                loss_before: end[0],
                at: self.resources[since + steps],
                loss: last,
                share: share.min(1.0),
            })
    }

    fn plateau(&self) -> Option<Finding> {
        let steps = self.end();
        let since = self.losses.len().checked_sub(steps + 1)?;
        let end = &self.losses[since..];
        let trend = slope(end)? * steps as f64;
        // With more noise than that it is unknown whether the curve is flat.
        if !(trend.abs() <= self.small && spread(&self.losses) <= self.small) {
            return None;
        }
        let begin = self.untrained_loss().unwrap_or(self.losses[0]);
        let (lowest, highest) = (
            end.iter().copied().fold(end[0], f64::min),
            end.iter().copied().fold(end[0], f64::max),
        );
        let level = if highest < begin - self.small {
            Level::Below
        } else if lowest > begin + self.small {
            Level::Above
        } else {
            Level::Same
        };
        Some(Finding::Plateau {
            since: self.resources[since],
            at: self.resources[since + steps],
            lowest,
            highest,
            level,
        })
    }
}

fn finite(value: Option<&f64>) -> Option<f64> {
    value.copied().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests;

//! The reports of a trial: what is asked of them at each new one is known without looking at all of them. They are stored with the names
//! of the metrics once, and then one short row a report.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Checkpoint, Measures, Report, Score};
use crate::ids::Timestamp;

/// Reports by resource.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reports {
    all: BTreeMap<u64, Report>,
    /// The resources of those that have a checkpoint, ascending. There are hardly ever more than three.
    with_checkpoint: Vec<u64>,
    /// The resource and the score of the one with the lowest score, the earliest of equals.
    lowest: Option<(u64, Score)>,
}

impl Deref for Reports {
    type Target = BTreeMap<u64, Report>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl FromIterator<(u64, Report)> for Reports {
    fn from_iter<I: IntoIterator<Item = (u64, Report)>>(reports: I) -> Self {
        let all: BTreeMap<u64, Report> = reports.into_iter().collect();
        let holding = all.iter().filter(|(_, report)| report.checkpoint.is_some());
        Self {
            with_checkpoint: holding.map(|(&resource, _)| resource).collect(),
            lowest: lowest(&all, u64::MAX),
            all,
        }
    }
}

impl IntoIterator for Reports {
    type Item = (u64, Report);
    type IntoIter = IntoIter<u64, Report>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

/// The resource and the score of the lowest of those up to and including `resource`, the earliest of equals.
fn lowest(reports: &BTreeMap<u64, Report>, resource: u64) -> Option<(u64, Score)> {
    let scores = reports.range(..=resource);
    let scores = scores.filter_map(|(&at, report)| Some((at, report.score()?)));
    scores.reduce(|best, next| if next.1 < best.1 { next } else { best })
}

impl Reports {
    /// Adds a report, and returns the one that it replaces.
    pub(in crate::study) fn insert(&mut self, resource: u64, report: Report) -> Option<Report> {
        let (score, holds) = (report.score(), report.checkpoint.is_some());
        let replaced = self.all.insert(resource, report);
        match (self.with_checkpoint.binary_search(&resource), holds) {
            (Err(place), true) => self.with_checkpoint.insert(place, resource),
            (Ok(place), false) => drop(self.with_checkpoint.remove(place)),
            (Ok(_), true) | (Err(_), false) => {}
        }
        if replaced.is_some() {
            self.lowest = lowest(&self.all, u64::MAX);
        } else if let Some(score) = score
            && self.lowest.is_none_or(|(at, least)| (score, resource) < (least, at))
        {
            self.lowest = Some((resource, score));
        }
        replaced
    }

    /// Forgets the checkpoints of which `keep` says, given their resource, that they are not kept.
    pub(super) fn retain_checkpoints(&mut self, mut keep: impl FnMut(u64, &Checkpoint) -> bool) {
        let all = &mut self.all;
        self.with_checkpoint.retain(|resource| {
            let checkpoint = all.get_mut(resource).map(|report| &mut report.checkpoint);
            checkpoint.is_some_and(|checkpoint| {
                checkpoint.take_if(|checkpoint| !keep(*resource, checkpoint));
                checkpoint.is_some()
            })
        });
        if self.with_checkpoint.is_empty() {
            // A large study has many trials that are over.
            self.with_checkpoint.shrink_to_fit();
        }
    }

    /// The checkpoints that are still kept, with their resources, ascending.
    pub(super) fn checkpoints(&self) -> impl DoubleEndedIterator<Item = (u64, &Checkpoint)> {
        let with = self.with_checkpoint.iter();
        with.filter_map(|resource| Some((*resource, self.all.get(resource)?.checkpoint.as_deref()?)))
    }

    /// The resource and the score of the lowest up to and including `resource`, the earliest of equals.
    pub(super) fn lowest_up_to(&self, resource: u64) -> Option<(u64, Score)> {
        match self.lowest {
            Some((at, _)) if at > resource => lowest(&self.all, resource),
            lowest => lowest,
        }
    }
}

#[derive(Serialize)]
struct Out<'a> {
    names: Vec<&'a [String]>,
    rows: Vec<RowOut<'a>>,
}

/// Resource, time, cost, loss, place of the metrics' names, values of the metrics, checkpoint, violation: null if it is infinite, which
/// JSON does not have.
type RowOut<'a> = (
    u64,
    Timestamp,
    Option<f64>,
    Option<f64>,
    usize,
    &'a [f64],
    Option<&'a Checkpoint>,
    Option<f64>,
);

#[derive(Deserialize)]
struct In {
    names: Vec<Box<[String]>>,
    rows: Vec<RowIn>,
}

type RowIn = (
    u64,
    Timestamp,
    Option<f64>,
    Option<f64>,
    usize,
    Box<[f64]>,
    Option<Box<Checkpoint>>,
    Option<f64>,
);

impl Serialize for Reports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names: Vec<&[String]> = Vec::new();
        let rows = self.all.iter().map(|(&resource, report)| {
            let (own, values) = report.metrics.parts();
            let known = names.iter().position(|known| *known == own);
            let place = known.unwrap_or_else(|| {
                names.push(own);
                names.len() - 1
            });
            let checkpoint = report.checkpoint.as_deref();
            let violation = Some(report.violation).filter(|violation| violation.is_finite());
            (
                resource,
                report.at,
                report.cost,
                report.loss,
                place,
                values,
                checkpoint,
                violation,
            )
        });
        let rows = rows.collect();
        Out { names, rows }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let In { names, rows } = In::deserialize(deserializer)?;
        let names: Vec<Arc<Box<[String]>>> = names.into_iter().map(Arc::new).collect();
        let report = |(resource, at, cost, loss, place, values, checkpoint, violation): RowIn| {
            let names = names.get(place).filter(|names| names.len() == values.len());
            let names = names.ok_or_else(|| D::Error::custom("a report has other metrics than it says"))?;
            let metrics = Measures::from_parts(names.clone(), values);
            let report = Report {
                at,
                cost,
                violation: violation.unwrap_or(f64::INFINITY),
                loss,
                metrics,
                checkpoint,
            };
            Ok((resource, report))
        };
        rows.into_iter().map(report).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{SlotId, TrialId};
    use crate::study::{Role, Trial, TrialState};

    #[test]
    fn a_trial_is_read_as_it_was_written() {
        let metrics = |pairs: &[(&str, f64)]| pairs.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        let checkpoint = Checkpoint {
            file: "trial-0007/a1-e3".into(),
            bytes: 9,
            sha256: "ab".into(),
        };
        let mut trial = Trial::new(
            TrialId(7),
            Role::Confirmation { of: TrialId(2) },
            Default::default(),
            (1 << 53) - 1,
            3,
        );
        trial.parameters = [("rate".to_owned(), 3e-7.into()), ("size".to_owned(), 16.into())].into();
        trial.state = TrialState::Failed { message: "no".into() };
        trial.failed_on = [SlotId(1), SlotId(4)].into();
        trial.stopped_at = Some((2, Box::new(checkpoint.clone())));
        for (resource, loss, pairs) in [
            (1, Some(0.1 + 0.2), &[("a", -0.0), ("b", 1.0 / 3.0)][..]),
            (2, Some(5e-324), &[("a", 1e300)]),
            (3, None, &[]),
        ] {
            let report = Report {
                at: Timestamp(resource),
                cost: loss.map(|loss| -loss),
                violation: [0.0, 0.25, f64::INFINITY][resource as usize - 1],
                loss,
                metrics: metrics(pairs),
                checkpoint: loss.map(|_| Box::new(checkpoint.clone())),
            };
            trial.reports.insert(resource, report.clone());
            trial.ahead.reports.insert(resource + 3, report);
        }
        let text = serde_json::to_vec(&trial).unwrap();
        let read: Trial = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, trial);
        assert_eq!(serde_json::to_vec(&read).unwrap(), text);
        let (one, two) = (&read.reports[&1].metrics, &read.reports[&2].metrics);
        assert_eq!((one.get("b"), two.get("b")), (Some(&(1.0 / 3.0)), None));
    }

    #[test]
    fn what_is_known_without_looking_is_what_looking_finds() {
        let report = |cost: Option<f64>, file: Option<&str>| Report {
            at: Timestamp(0),
            cost,
            violation: 0.0,
            loss: cost,
            metrics: Default::default(),
            checkpoint: file.map(|file| {
                Box::new(Checkpoint {
                    file: file.into(),
                    bytes: 1,
                    sha256: String::new(),
                })
            }),
        };
        let mut reports = Reports::default();
        for (resource, cost, file, lowest) in [
            (3, Some(2.0), Some("a"), Some((3, 2.0))),
            (5, Some(2.0), None, Some((3, 2.0))),
            (6, None, Some("b"), Some((3, 2.0))),
            (2, Some(2.0), Some("c"), Some((2, 2.0))),
            (7, Some(1.0), Some("d"), Some((7, 1.0))),
            // A trial that has gone back comes by again.
            (7, Some(3.0), None, Some((2, 2.0))),
            (2, Some(4.0), Some("e"), Some((3, 2.0))),
        ] {
            reports.insert(resource, report(cost, file));
            assert_eq!(
                reports.lowest_up_to(u64::MAX),
                lowest.map(|(at, cost)| (at, cost.into()))
            );
            assert_eq!(reports, reports.all.clone().into_iter().collect());
        }
        assert_eq!(reports.lowest_up_to(2), Some((2, 4.0.into())));
        let kept = |reports: &Reports| -> Vec<(u64, String)> {
            let kept = reports.checkpoints();
            kept.map(|(resource, checkpoint)| (resource, checkpoint.file.clone()))
                .collect()
        };
        assert_eq!(kept(&reports), [(2, "e".into()), (3, "a".into()), (6, "b".into())]);
        reports.retain_checkpoints(|resource, checkpoint| resource == 3 || checkpoint.file == "b");
        assert_eq!(kept(&reports), [(3, "a".into()), (6, "b".into())]);
        assert_eq!(reports, reports.all.clone().into_iter().collect());
    }

    #[test]
    fn values_without_names_are_refused() {
        let trial = Trial::new(TrialId(0), Role::Search { bracket: 0 }, Default::default(), 1, 1);
        let mut value = serde_json::to_value(&trial).unwrap();
        value["reports"] =
            serde_json::json!({ "names": [["a"]], "rows": [[1, 1, 0.5, 0.5, 0, [1.0, 2.0], null, 0.0]] });
        assert!(serde_json::from_value::<Trial>(value.clone()).is_err());
        value["reports"]["rows"][0][5] = serde_json::json!([1.0]);
        assert!(serde_json::from_value::<Trial>(value).is_ok());
    }
}

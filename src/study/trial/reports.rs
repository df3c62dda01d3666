//! The reports of a trial as they are stored: the names of the metrics once, then one short row a report.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Checkpoint, Measures, Report};
use crate::ids::Timestamp;

/// Reports by resource.
type Reports = BTreeMap<u64, Report>;

#[derive(Serialize)]
struct Out<'a> {
    names: Vec<&'a [String]>,
    rows: Vec<RowOut<'a>>,
}

/// Resource, time, cost, loss, place of the metrics' names, values of the metrics, checkpoint.
type RowOut<'a> = (
    u64,
    Timestamp,
    Option<f64>,
    Option<f64>,
    usize,
    &'a [f64],
    Option<&'a Checkpoint>,
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
);

pub(super) fn serialize<S: Serializer>(reports: &Reports, serializer: S) -> Result<S::Ok, S::Error> {
    let mut names: Vec<&[String]> = Vec::new();
    let rows = reports.iter().map(|(&resource, report)| {
        let (own, values) = report.metrics.parts();
        let known = names.iter().position(|known| *known == own);
        let place = known.unwrap_or_else(|| {
            names.push(own);
            names.len() - 1
        });
        let checkpoint = report.checkpoint.as_deref();
        (resource, report.at, report.cost, report.loss, place, values, checkpoint)
    });
    let rows = rows.collect();
    Out { names, rows }.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reports, D::Error> {
    let In { names, rows } = In::deserialize(deserializer)?;
    let names: Vec<Arc<Box<[String]>>> = names.into_iter().map(Arc::new).collect();
    let report = |(resource, at, cost, loss, place, values, checkpoint): RowIn| {
        let names = names.get(place).filter(|names| names.len() == values.len());
        let names = names.ok_or_else(|| D::Error::custom("a report has other metrics than it says"))?;
        let metrics = Measures::from_parts(names.clone(), values);
        let report = Report {
            at,
            cost,
            loss,
            metrics,
            checkpoint,
        };
        Ok((resource, report))
    };
    rows.into_iter().map(report).collect()
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
    fn values_without_names_are_refused() {
        let trial = Trial::new(TrialId(0), Role::Search { bracket: 0 }, Default::default(), 1, 1);
        let mut value = serde_json::to_value(&trial).unwrap();
        value["reports"] = serde_json::json!({ "names": [["a"]], "rows": [[1, 1, 0.5, 0.5, 0, [1.0, 2.0], null]] });
        assert!(serde_json::from_value::<Trial>(value.clone()).is_err());
        value["reports"]["rows"][0][5] = serde_json::json!([1.0]);
        assert!(serde_json::from_value::<Trial>(value).is_ok());
    }
}

//! From values, which come one by one, to reports of all metrics at one resource.

use std::collections::BTreeMap;

use hpo_protocol::Unit;

/// What a line of the output, a row of a file, or a message says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Record {
    /// The resource that it is about, if it says so.
    pub resource: Option<f64>,
    /// The metrics in their order.
    pub values: Vec<(String, f64)>,
    /// Whether it has all metrics of its resource, if it has the objective.
    pub whole: bool,
    /// Whether it says that more training would not make the trial better.
    pub last: bool,
}

/// All that is known at one resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Collected {
    /// The resource, if the script has said so.
    pub resource: Option<f64>,
    /// The metrics, the objective among them.
    pub values: BTreeMap<String, f64>,
    /// As in [`Record`].
    pub last: bool,
}

/// What can't be understood.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Unclear {
    /// A metric came before any resource.
    #[error(
        "`{0}` came before any `{resource}`: the pattern of `{resource}` must match on the same line, or on one before it; without \
         `{resource}` under `metrics`, reports are counted",
        resource = crate::settings::RESOURCE
    )]
    Unplaced(String),
    /// A metric has two values at one resource.
    #[error("`{name}` came twice at {} {resource}: {was}, then {is}; what finds it must find it once", unit.one())]
    Repeated {
        /// The metric.
        name: String,
        /// What the resource counts.
        unit: Unit,
        /// The resource.
        resource: f64,
        /// The first value.
        was: f64,
        /// The second value.
        is: f64,
    },
    /// The resource fell.
    #[error("{} {now} came after {} {before}", unit.one(), unit.one())]
    Backwards {
        /// What the resource counts.
        unit: Unit,
        /// The resource before.
        before: f64,
        /// The one after it.
        now: f64,
    },
}

/// Collects the values of one segment.
#[derive(Debug)]
pub(crate) struct Collector {
    objective: String,
    unit: Unit,
    /// The metrics that belong to a report; none if each record has its own.
    known: Vec<String>,
    /// Whether every value belongs to a resource that the script says.
    by_resource: bool,
    current: Option<f64>,
    pending: BTreeMap<String, f64>,
    /// The report of the current resource, once it was made.
    made: BTreeMap<String, f64>,
}

fn same(one: f64, other: f64) -> bool {
    one == other || (one.is_nan() && other.is_nan())
}

impl Collector {
    /// A collector of reports that have `known` metrics, the objective among them.
    pub fn new(objective: &str, unit: Unit, known: Vec<String>, by_resource: bool) -> Self {
        Self {
            objective: objective.to_owned(),
            unit,
            known,
            by_resource,
            current: None,
            pending: BTreeMap::new(),
            made: BTreeMap::new(),
        }
    }

    /// Takes in a record, and returns the reports that it completes.
    ///
    /// # Errors
    /// If it contradicts what came before.
    pub fn take(&mut self, record: Record) -> Result<Vec<Collected>, Unclear> {
        let mut complete = Vec::new();
        if let Some(now) = record.resource
            && self.current != Some(now)
        {
            complete.extend(self.close());
            self.made.clear();
            if let Some(before) = self.current.filter(|before| now < *before) {
                let unit = self.unit;
                return Err(Unclear::Backwards { unit, before, now });
            }
            self.current = Some(now);
        }
        if record.whole && !record.values.iter().any(|(name, _)| *name == self.objective) {
            return Ok(complete);
        }
        for (name, value) in record.values {
            if let Some(resource) = self.current.filter(|_| self.by_resource || record.resource.is_some()) {
                match self.made.get(&name).or(self.pending.get(&name)) {
                    Some(&was) if !same(was, value) => {
                        let (unit, is) = (self.unit, value);
                        return Err(Unclear::Repeated {
                            name,
                            unit,
                            resource,
                            was,
                            is,
                        });
                    }
                    Some(_) => continue,
                    None => {}
                }
            } else if self.by_resource {
                return Err(Unclear::Unplaced(name));
            } else if self.pending.contains_key(&name) && self.pending.contains_key(&self.objective) {
                complete.extend(self.close());
            }
            self.pending.insert(name, value);
            if !record.whole && self.known.iter().all(|known| self.pending.contains_key(known)) {
                complete.extend(self.close());
            }
        }
        if record.whole {
            complete.extend(self.close());
        }
        if let Some(newest) = complete.last_mut() {
            newest.last |= record.last;
        }
        Ok(complete)
    }

    /// The report of what has come since the last one, if the objective is among it.
    pub fn close(&mut self) -> Option<Collected> {
        let values = std::mem::take(&mut self.pending);
        values.contains_key(&self.objective).then(|| {
            self.made.clone_from(&values);
            Collected {
                resource: self.current,
                values,
                last: false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(resource: Option<u32>, values: &[(&str, f64)]) -> Record {
        Record {
            resource: resource.map(f64::from),
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            ..Record::default()
        }
    }

    /// The reports of records, and of their end.
    fn reports(known: &[&str], by_resource: bool, records: Vec<Record>) -> Result<Vec<String>, String> {
        let known = known.iter().map(|&name| name.to_owned()).collect();
        let mut collector = Collector::new("loss", Unit::Epochs, known, by_resource);
        let mut all = Vec::new();
        for record in records {
            all.extend(collector.take(record).map_err(|unclear| unclear.to_string())?);
        }
        all.extend(collector.close());
        let words = |of: &Collected| {
            let values: Vec<String> = of
                .values
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let at = of.resource.map_or(String::new(), |at| format!("{at}: "));
            at + &values.join(" ")
        };
        Ok(all.iter().map(words).collect())
    }

    #[test]
    fn counted_reports_are_complete_once_all_metrics_have_come() {
        let lines = || {
            vec![
                record(None, &[("acc", 0.1)]),
                record(None, &[("loss", 3.0)]),
                record(None, &[("loss", 2.0), ("acc", 0.2)]),
                record(None, &[("loss", 1.0)]),
                record(None, &[("loss", 0.5)]),
                record(None, &[("acc", 0.4)]),
            ]
        };
        let expected = ["acc=0.1 loss=3", "acc=0.2 loss=2", "loss=1", "acc=0.4 loss=0.5"];
        assert_eq!(reports(&["loss", "acc"], false, lines()).unwrap(), expected);
    }

    #[test]
    fn values_belong_to_the_resource_of_their_line_or_the_last_one() {
        let lines = vec![
            record(Some(1), &[]),
            record(None, &[("loss", 3.0)]),
            record(None, &[("acc", 0.1)]),
            record(None, &[("acc", 0.1)]),
            record(Some(2), &[("loss", 2.0)]),
            record(Some(3), &[("acc", 0.3), ("loss", 1.0)]),
        ];
        let expected = ["1: acc=0.1 loss=3", "2: loss=2", "3: acc=0.3 loss=1"];
        assert_eq!(reports(&["loss", "acc"], true, lines).unwrap(), expected);
        let early = vec![record(None, &[("loss", 3.0)]), record(Some(1), &[])];
        let error = reports(&["loss"], true, early).unwrap_err();
        assert!(error.starts_with("`loss` came before any `resource`"), "{error}");
        let twice = vec![record(Some(1), &[("loss", 3.0)]), record(None, &[("loss", 2.0)])];
        let error = reports(&["loss"], true, twice).unwrap_err();
        assert!(error.starts_with("`loss` came twice at epoch 1: 3, then 2"), "{error}");
        let back = vec![record(Some(2), &[("loss", 3.0)]), record(Some(1), &[("loss", 2.0)])];
        assert_eq!(
            reports(&["loss"], true, back).unwrap_err(),
            "epoch 1 came after epoch 2"
        );
    }

    #[test]
    fn whole_records_are_reports_of_their_own() {
        let whole = |resource, values: &[(&str, f64)]| Record {
            whole: true,
            ..record(resource, values)
        };
        let rows = vec![
            whole(None, &[("train", 9.0)]),
            whole(None, &[("loss", 3.0), ("acc", 0.1)]),
            whole(None, &[("loss", 2.0)]),
        ];
        assert_eq!(reports(&[], false, rows).unwrap(), ["acc=0.1 loss=3", "loss=2"]);
        let rows = vec![
            whole(Some(1), &[("loss", 3.0)]),
            whole(Some(1), &[("loss", 3.0), ("acc", 0.5)]),
            whole(Some(2), &[("loss", f64::NAN)]),
        ];
        assert_eq!(reports(&[], false, rows).unwrap(), ["1: loss=3", "2: loss=NaN"]);
        let rows = vec![whole(Some(1), &[("loss", 3.0)]), whole(Some(1), &[("loss", 4.0)])];
        assert!(reports(&[], false, rows).unwrap_err().contains("twice at epoch 1"));
    }
}

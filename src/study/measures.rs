//! The metrics of a report, kept small: a study may have a million reports, and they all have the same names.

use std::sync::Arc;

use hpo_protocol::Metrics;
use serde::{Serialize, Serializer};

/// Metrics by name, in the order of the names. The names are shared with other reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    names: Arc<[String]>,
    values: Box<[f64]>,
}

/// All sets of names that reports of a study have had.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Names(Vec<Arc<[String]>>);

impl Names {
    /// The same metrics, with shared names.
    pub(super) fn share(&mut self, metrics: &Metrics) -> Measures {
        let known = self.0.iter().rev().find(|names| names.iter().eq(metrics.keys()));
        let names = match known {
            Some(names) => names.clone(),
            None => {
                let names: Arc<[String]> = metrics.keys().cloned().collect();
                self.0.push(names.clone());
                names
            }
        };
        Measures {
            names,
            values: metrics.values().copied().collect(),
        }
    }
}

impl Measures {
    /// The value of a metric.
    pub fn get(&self, name: &str) -> Option<&f64> {
        self.values.get(self.place(name)?)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).ok()
    }

    /// The values of a metric, one for each of `all`.
    pub fn series<'a>(all: &'a [&Self], name: &'a str) -> impl Iterator<Item = Option<f64>> + 'a {
        // Nearly always they share their names, which then are not compared again.
        let first = all.first().map(|first| (&first.names, first.place(name)));
        all.iter().map(move |measures| match &first {
            Some((names, place)) if Arc::ptr_eq(names, &measures.names) => measures.values.get((*place)?).copied(),
            _ => measures.get(name).copied(),
        })
    }

    /// The names, in order.
    pub fn keys(&self) -> std::slice::Iter<'_, String> {
        self.names.iter()
    }

    /// The metrics, in the order of their names.
    pub fn iter(&self) -> std::iter::Zip<std::slice::Iter<'_, String>, std::slice::Iter<'_, f64>> {
        self.names.iter().zip(&self.values)
    }

    /// The same with names of its own.
    pub fn to_metrics(&self) -> Metrics {
        self.iter().map(|(name, &value)| (name.clone(), value)).collect()
    }
}

impl<'a> IntoIterator for &'a Measures {
    type Item = (&'a String, &'a f64);
    type IntoIter = std::iter::Zip<std::slice::Iter<'a, String>, std::slice::Iter<'a, f64>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<&Metrics> for Measures {
    fn from(metrics: &Metrics) -> Self {
        Names::default().share(metrics)
    }
}

impl FromIterator<(String, f64)> for Measures {
    fn from_iter<I: IntoIterator<Item = (String, f64)>>(metrics: I) -> Self {
        Self::from(&metrics.into_iter().collect::<Metrics>())
    }
}

impl Default for Measures {
    fn default() -> Self {
        Self::from(&Metrics::new())
    }
}

impl Serialize for Measures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_metrics_and_share_their_names() {
        let metrics: Metrics = [("mrr@10".to_owned(), 0.5), ("accuracy".to_owned(), 0.25)].into();
        let mut names = Names::default();
        let (one, two) = (names.share(&metrics), names.share(&metrics));
        assert!(Arc::ptr_eq(&one.names, &two.names));
        assert_eq!(one.to_metrics(), metrics);
        assert_eq!((one.get("accuracy"), one.get("recall@10")), (Some(&0.25), None));
        assert_eq!(
            serde_json::to_string(&one).unwrap(),
            r#"{"accuracy":0.25,"mrr@10":0.5}"#
        );
        let others: Metrics = [("accuracy".to_owned(), 0.5)].into();
        assert_eq!(names.share(&others).to_metrics(), others);
        assert_eq!(names.0.len(), 2);
    }
}

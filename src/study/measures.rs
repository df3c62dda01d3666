//! The metrics of a report, kept small: a study may have a million reports, and they all have the same names.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use hpo_protocol::Metrics;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Metrics by name, in the order of the names. The names are shared with other reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    // A thin pointer: this is one of a million.
    names: Arc<Box<[String]>>,
    values: Box<[f64]>,
}

/// All sets of names that reports of a study have had.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Names(Vec<Arc<Box<[String]>>>);

impl Names {
    /// The same metrics, with shared names.
    pub(super) fn share(&mut self, metrics: &Measures) -> Measures {
        let own = &metrics.names;
        let known = self
            .0
            .iter()
            .rev()
            .find(|names| Arc::ptr_eq(names, own) || *names == own);
        let names = known.unwrap_or(own).clone();
        if known.is_none() {
            self.0.push(names.clone());
        }
        let values = metrics.values.clone();
        Measures { names, values }
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

    /// The names, in order, and the value of each.
    pub(in crate::study) fn parts(&self) -> (&[String], &[f64]) {
        (&self.names, &self.values)
    }

    /// The metrics with these names, in order, each of which has its value.
    pub(in crate::study) fn from_parts(names: Arc<Box<[String]>>, values: Box<[f64]>) -> Self {
        Self { names, values }
    }

    /// The names, in order.
    pub fn keys(&self) -> std::slice::Iter<'_, String> {
        self.names.iter()
    }

    /// The metrics, in the order of their names.
    pub fn iter(&self) -> std::iter::Zip<std::slice::Iter<'_, String>, std::slice::Iter<'_, f64>> {
        self.names.iter().zip(self.values.iter())
    }

    /// The same with names of its own.
    pub fn to_metrics(&self) -> Metrics {
        self.iter().map(|(name, &value)| (name.clone(), value)).collect()
    }

    /// The same, and of metrics that it does not have the values of the first of `others` that has them.
    pub fn or<'a>(&'a self, others: impl Iterator<Item = &'a Self>) -> Metrics {
        let mut all = self.to_metrics();
        // Of those with the same names only the first can have anything to add.
        let mut seen = vec![&self.names];
        for other in others {
            if !seen.iter().any(|names| Arc::ptr_eq(names, &other.names)) {
                seen.push(&other.names);
                for (name, &value) in other {
                    all.entry(name.clone()).or_insert(value);
                }
            }
        }
        all
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
        Self {
            names: Arc::new(metrics.keys().cloned().collect()),
            values: metrics.values().copied().collect(),
        }
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

thread_local! {
    /// The names of what was read last on this thread: those of the next are most likely the same, and need no memory of their own.
    static LAST: RefCell<Arc<Box<[String]>>> = RefCell::default();
}

impl<'de> Deserialize<'de> for Measures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Measures;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of metrics")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Measures, M::Error> {
        let names = LAST.with_borrow(Arc::clone);
        let mut values = Vec::with_capacity(names.len());
        let mut other = None;
        while other.is_none()
            && let Some(name) = map.next_key_seed(Name(names.get(values.len())))?
        {
            let value = map.next_value()?;
            match name {
                None => values.push(value),
                Some(name) => other = Some((name, value)),
            }
        }
        if other.is_none() && values.len() == names.len() {
            let values = values.into();
            return Ok(Measures { names, values });
        }
        let mut metrics: Metrics = names.iter().cloned().zip(values).chain(other).collect();
        while let Some((name, value)) = map.next_entry()? {
            metrics.insert(name, value);
        }
        let measures = Measures::from(&metrics);
        LAST.set(measures.names.clone());
        Ok(measures)
    }
}

/// Reads a name; none if it is the expected one.
struct Name<'a>(Option<&'a String>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a metric")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok((self.0.map(String::as_str) != Some(name)).then(|| name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_metrics_and_share_their_names() {
        let metrics: Metrics = [("mrr@10".to_owned(), 0.5), ("accuracy".to_owned(), 0.25)].into();
        let mut names = Names::default();
        let (one, two) = (names.share(&(&metrics).into()), names.share(&(&metrics).into()));
        assert!(Arc::ptr_eq(&one.names, &two.names));
        assert_eq!(one.to_metrics(), metrics);
        assert_eq!((one.get("accuracy"), one.get("recall@10")), (Some(&0.25), None));
        assert_eq!(
            serde_json::to_string(&one).unwrap(),
            r#"{"accuracy":0.25,"mrr@10":0.5}"#
        );
        let others: Metrics = [("accuracy".to_owned(), 0.5)].into();
        assert_eq!(names.share(&(&others).into()).to_metrics(), others);
        assert_eq!(names.0.len(), 2);
    }

    #[test]
    fn a_metric_that_is_not_there_has_the_first_value_of_others() {
        let mut names = Names::default();
        let mut make = |pairs: &[(&str, f64)]| {
            let measures: Measures = pairs.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
            names.share(&measures)
        };
        let own = make(&[("a", 1.0), ("b", 2.0)]);
        let others = [
            make(&[("a", 3.0), ("b", 4.0)]),
            make(&[("a", 5.0), ("c", 6.0)]),
            make(&[("a", 7.0), ("c", 8.0)]),
            make(&[("d", 9.0)]),
        ];
        let expected = [("a", 1.0), ("b", 2.0), ("c", 6.0), ("d", 9.0)].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(own.or(others.iter()), expected.into());
    }

    #[test]
    fn whatever_was_read_before_they_are_read_as_metrics() {
        let texts = [
            r#"{"a":1,"b":2}"#,
            r#"{"a":3,"b":4}"#,
            r#"{"a":5}"#,
            r#"{}"#,
            r#"{"b":6,"a":7,"c":8}"#,
            r#"{"a":7,"b":6,"c":8,"d":9}"#,
            r#"{"a":7,"b":6,"c":8,"d":9,"a":10}"#,
            r#"{"a":7,"b":6,"x":8}"#,
            r#"{"\u0061":1,"b":2,"x":3}"#,
        ];
        for before in texts {
            for text in texts {
                serde_json::from_str::<Measures>(before).unwrap();
                let read: Measures = serde_json::from_str(text).unwrap();
                assert_eq!(
                    read.to_metrics(),
                    serde_json::from_str::<Metrics>(text).unwrap(),
                    "{before} {text}"
                );
            }
        }
        let [one, two] = [0, 1].map(|at| serde_json::from_str::<Measures>(texts[at]).unwrap());
        assert!(Arc::ptr_eq(&one.names, &two.names));
        for wrong in [r#"{"a":"x"}"#, r#"{"a":null}"#, "[1]", r#"{"a":1"#] {
            assert!(serde_json::from_str::<Measures>(wrong).is_err(), "{wrong}");
        }
    }
}

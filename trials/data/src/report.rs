//! What was read and what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Kind;
use crate::columns::list;
use crate::evaluation::EvaluationReport;

/// What was read and what was dropped; its `Display` is a few plain lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What the rows are.
    pub kind: Kind,
    /// Of the training data.
    pub train: SetReport,
    /// Of the validation data.
    pub validation: SetReport,
    /// Of the test data.
    pub test: Option<SetReport>,
    /// Labels that are written in several ways and count as one, each with two of them; only the first.
    pub rewritten: Vec<[String; 2]>,
    /// What the user should know of data that are taken all the same.
    pub warnings: Vec<String>,
    /// What evaluations have, by name.
    pub evaluations: BTreeMap<String, EvaluationReport>,
}

/// What became of one set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReport {
    /// Rows that are used.
    pub rows: usize,
    /// Distinct texts in them.
    pub texts: usize,
    /// The file; none if the rows were split off the training data.
    pub read: Option<Read>,
}

/// What was read from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The file.
    pub file: PathBuf,
    /// The columns, anchor first.
    pub columns: Vec<String>,
    /// Columns that are not read, unless the study names those that are.
    #[serde(default)]
    pub others: Vec<String>,
    /// Rows in it; a record that lists texts counts once for each row that it makes.
    pub rows: usize,
    /// Texts with blanks around them, which were cut off.
    pub trimmed: usize,
    /// Rows that are not used.
    pub dropped: Dropped,
}

/// Rows that were dropped. Each is counted once, under the first that holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Without a text, score or label.
    pub empty: usize,
    /// The same as an earlier row.
    pub duplicates: usize,
    /// With the same text twice.
    pub equal: usize,
    /// Contradicted by another row, which is dropped too.
    pub conflicts: usize,
    /// With an anchor of the rows that it will be judged by.
    pub leaked: usize,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> usize {
        self.empty + self.duplicates + self.equal + self.conflicts + self.leaked
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.empty, "empty"),
            (self.duplicates, "duplicate"),
            (self.equal, "with the same text twice"),
            (self.conflicts, "contradictory"),
            (self.leaked, "that leak into held-out rows"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

impl Report {
    /// What may be wrong with the data, evaluations included, a sentence each.
    pub fn all_warnings(&self) -> impl Iterator<Item = &String> {
        let of_evaluations = self.evaluations.values().flat_map(|report| &report.warnings);
        self.warnings.iter().chain(of_evaluations)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sets = [
            ("training", Some(&self.train)),
            ("validation", Some(&self.validation)),
            ("test", self.test.as_ref()),
        ];
        let train = self.train.read.as_ref();
        let columns = train.map_or(&[][..], |read| &read.columns);
        write!(f, "data: {} ({})", self.kind, columns.join(", "))?;
        let others: Vec<&str> = train.iter().flat_map(|read| &read.others).map(String::as_str).collect();
        if !others.is_empty() {
            write!(f, "; columns that are not read: {}", list(&others))?;
        }
        for (name, set) in sets {
            let Some(set) = set else { continue };
            let rows = if set.rows == 1 { "row" } else { "rows" };
            write!(f, "\n  {name}: {} {rows}, {} texts", set.rows, set.texts)?;
            let Some(read) = &set.read else {
                f.write_str(", split off the training data")?;
                continue;
            };
            if read.dropped.total() > 0 {
                write!(f, "; of {} dropped {}", read.rows, read.dropped)?;
            }
            if read.trimmed > 0 {
                let plural = if read.trimmed == 1 { "" } else { "s" };
                write!(f, "; blanks cut off {} text{plural}", read.trimmed)?;
            }
        }
        for [one, other] in &self.rewritten {
            write!(
                f,
                "\nnote: the labels `{one}` and `{other}` are the same value, and count as one"
            )?;
        }
        for (name, report) in &self.evaluations {
            write!(f, "\nevaluation {name}: {}, {}", report.kind, report.summary)?;
        }
        self.all_warnings()
            .try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

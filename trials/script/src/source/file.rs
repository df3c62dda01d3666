//! Values in a file that grows while the script runs: JSON lines, or CSV or TSV with a header.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use hpo_protocol::lenient;
use serde_json::Value;

use super::{ValueError, number, shown};
use crate::collect::Record;
use crate::settings::{Metrics, RESOURCE};

/// A file of metrics is not larger.
const LARGEST: u64 = 64 << 20;

/// Why a file of metrics can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    /// It can't be read.
    #[error("can't read the metrics in {}: {message}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A line is neither JSON nor CSV.
    #[error("line {line} of {} is {what}: a metrics file is JSON lines, or CSV with a header", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// It is not what it was before, with something added.
    #[error("{} was written anew while its values were read: a metrics file only grows", .0.display())]
    Rewritten(PathBuf),
}

/// A file of metrics, as far as it was read.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    path: PathBuf,
    /// The columns by the names of metrics; none: each column is a metric of its name.
    columns: Metrics,
    objective: String,
    /// What was read of it.
    read: Vec<u8>,
    lines: usize,
    /// The header of CSV; none of JSON lines, or before the first line.
    header: Option<Vec<String>>,
    /// Its size and time when it was last looked at.
    seen: Option<(u64, Option<SystemTime>)>,
    /// Whether anything was read that the script has written in this segment.
    has_begun: bool,
    names: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl MetricsFile {
    /// A file with these columns. What is in it now was there before the script, and counts no more.
    pub fn new(path: PathBuf, columns: Metrics, objective: &str) -> Self {
        let mut file = Self {
            path,
            columns,
            objective: objective.to_owned(),
            read: Vec::new(),
            lines: 0,
            header: None,
            seen: None,
            has_begun: false,
            names: BTreeSet::new(),
            found: BTreeSet::new(),
        };
        let before = std::fs::read(&file.path).unwrap_or_default();
        let whole = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in before[..whole].split_inclusive(|byte| *byte == b'\n') {
            // What is wrong with it was reported then.
            let _ = file.line(line);
        }
        file.read = before[..whole].to_vec();
        file.names.clear();
        file.found.clear();
        file
    }

    /// What was added to it; at the `end`, a last line without an end too.
    ///
    /// # Errors
    /// If it can't be understood.
    pub fn read(&mut self, end: bool) -> Result<Vec<Record>, ValueError> {
        let Some(content) = self.content(end)? else {
            return Ok(Vec::new());
        };
        if !content.starts_with(&self.read) {
            if self.has_begun {
                // It may be on its way to what it was.
                return match self.read.starts_with(&content) {
                    true => Ok(Vec::new()),
                    false => Err(FileError::Rewritten(self.path.clone()).into()),
                };
            }
            self.read.clear();
            self.lines = 0;
            self.header = None;
        }
        let added = &content[self.read.len()..];
        let whole = match end {
            true => added.len(),
            false => added.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
        };
        let added = added[..whole].to_vec();
        let mut records = Vec::new();
        for line in added.split_inclusive(|byte| *byte == b'\n') {
            records.extend(self.line(line)?);
        }
        self.has_begun |= !records.is_empty();
        self.read.extend(added);
        Ok(records)
    }

    /// All that is in the file; none if nothing has come.
    fn content(&mut self, end: bool) -> Result<Option<Vec<u8>>, FileError> {
        let failed = |error: io::Error| FileError::Io {
            path: self.path.clone(),
            message: error.to_string(),
        };
        let found = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(failed)?,
        };
        let seen = Some((found.len(), found.modified().ok()));
        if !found.is_file() || found.len() > LARGEST {
            return Err(failed(io::Error::other("it is no file, or has more than 64 MiB")));
        }
        if seen == self.seen && !end {
            return Ok(None);
        }
        let content = std::fs::read(&self.path).map_err(failed)?;
        self.seen = seen;
        Ok(Some(content))
    }

    /// What a line says.
    fn line(&mut self, line: &[u8]) -> Result<Option<Record>, ValueError> {
        self.lines += 1;
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let cells = match (&self.header, line[0]) {
            (None, b'{') => self.json(line)?,
            (None, _) => {
                let header = self.cells(line)?;
                self.names.extend(header.iter().cloned());
                self.header = Some(header);
                return Ok(None);
            }
            (Some(header), _) => {
                let header = header.clone();
                header.into_iter().zip(self.cells(line)?).collect()
            }
        };
        self.record(&cells)
    }

    fn wrong(&self, what: impl Into<String>) -> FileError {
        FileError::Line {
            path: self.path.clone(),
            line: self.lines,
            what: what.into(),
        }
    }

    /// The cells of a line of CSV.
    fn cells(&self, line: &[u8]) -> Result<Vec<String>, FileError> {
        let tabs = self.path.extension().is_some_and(|end| end == "tsv");
        let mut reader = csv::ReaderBuilder::new();
        reader.has_headers(false).flexible(true).trim(csv::Trim::All);
        reader.delimiter(if tabs { b'\t' } else { b',' });
        let row = reader.from_reader(line).byte_records().next();
        let row = row.and_then(Result::ok).ok_or_else(|| self.wrong("no CSV"))?;
        Ok(row
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).into_owned())
            .collect())
    }

    /// The members of a JSON object that are numbers or texts.
    fn json(&mut self, line: &[u8]) -> Result<Vec<(String, String)>, ValueError> {
        let (json, length) = lenient::object(line, b"\"NaN\"").map_err(|_| self.wrong("no whole JSON object"))?;
        if !line[length..].trim_ascii().is_empty() {
            return Err(self.wrong("more than one JSON object").into());
        }
        let row = match serde_json::from_slice(&json) {
            Ok(Value::Object(row)) => row,
            Ok(_) => return Err(self.wrong("no JSON object").into()),
            Err(error) => return Err(self.wrong(format!("no JSON ({error})")).into()),
        };
        if let Some(name) = lenient::twice(&json).filter(|name| row.contains_key(name)) {
            return Err(self.twice(&name));
        }
        self.names.extend(row.keys().cloned());
        let scalars = row.into_iter().filter_map(|(name, value)| match value {
            Value::Number(number) => Some((name, number.to_string())),
            Value::String(text) => Some((name, text)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        Ok(scalars.collect())
    }

    fn twice(&self, name: &str) -> ValueError {
        ValueError::Twice {
            name: shown(name),
            place: self.place(),
        }
    }

    /// The line that was read last, in words.
    fn place(&self) -> String {
        format!("line {} of {}", self.lines, self.path.display())
    }

    fn record(&mut self, cells: &[(String, String)]) -> Result<Option<Record>, ValueError> {
        let get = |column: &str| {
            let mut named = cells.iter().filter(|(name, cell)| name == column && !cell.is_empty());
            match (named.next(), named.next()) {
                (_, Some(_)) => Err(self.twice(column)),
                (first, None) => Ok(first),
            }
        };
        let read = |metric: &str, cell: &str| {
            number(cell).ok_or_else(|| ValueError::Said {
                name: metric.to_owned(),
                found: shown(cell),
                place: self.place(),
            })
        };
        let mut values = Vec::new();
        if self.columns.is_empty() {
            for (name, cell) in cells.iter().filter(|(name, cell)| name != RESOURCE && !cell.is_empty()) {
                match number(cell) {
                    Some(value) => {
                        get(name)?;
                        values.push((name.clone(), value));
                    }
                    None if *name == self.objective => drop(read(name, cell)?),
                    None => {}
                }
            }
        } else {
            for (metric, column) in self.columns.iter().filter(|(metric, _)| *metric != RESOURCE) {
                if let Some((_, cell)) = get(column)? {
                    values.push((metric.clone(), read(metric, cell)?));
                }
            }
        }
        let column = self.columns.get(RESOURCE).map_or(RESOURCE, String::as_str);
        let resource = get(column)?.map(|(_, cell)| read(RESOURCE, cell)).transpose()?;
        self.found.extend(values.iter().map(|(name, _)| name.clone()));
        Ok((!values.is_empty()).then_some(Record {
            resource,
            values,
            whole: self.columns.is_empty(),
            last: false,
        }))
    }

    pub fn never_found(&self) -> Vec<String> {
        let metrics = self.columns.iter().filter(|(metric, _)| *metric != RESOURCE);
        let idle = metrics.filter(|(metric, _)| !self.found.contains(*metric));
        idle.map(|(metric, column)| format!("the metrics file has no values of `{metric}` in a column `{column}`"))
            .collect()
    }

    pub fn nothing(&self, objective: &str) -> String {
        let path = self.path.display();
        let column = self.columns.get(objective).map_or(objective, String::as_str);
        if self.names.is_empty() {
            return format!("the script ended with success, but has written no metrics to {path}");
        }
        let names: Vec<String> = self.names.iter().map(|name| format!("`{}`", shown(name))).collect();
        format!(
            "the script ended with success, but {path} has no values of `{objective}` in a column `{column}`; its columns are {}",
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    struct Growing {
        directory: tempfile::TempDir,
        name: &'static str,
    }

    impl Growing {
        fn new(name: &'static str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            Self { directory, name }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join(self.name)
        }

        fn open(&self, columns: &[(&str, &str)]) -> MetricsFile {
            let columns = columns
                .iter()
                .map(|(name, column)| ((*name).into(), (*column).into()))
                .collect();
            MetricsFile::new(self.path(), columns, "loss")
        }

        fn add(&self, text: &str) {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.path())
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    fn words(records: Vec<Record>) -> Vec<String> {
        let word = |record: &Record| {
            let values: Vec<String> = record
                .values
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            record.resource.map_or(String::new(), |at| format!("{at}: ")) + &values.join(" ")
        };
        records.iter().map(word).collect()
    }

    #[test]
    fn csv_is_read_as_it_grows() {
        let file = Growing::new("metrics.csv");
        let mut metrics = file.open(&[]);
        assert!(metrics.read(false).unwrap().is_empty());
        assert!(metrics.nothing("loss").contains("has written no metrics to"));
        file.add("epoch,loss,when\n1,0.5,");
        assert!(metrics.read(false).unwrap().is_empty());
        file.add("\"today, now\"\n2,,\n3,nan,x\n4,0.25");
        assert_eq!(
            words(metrics.read(false).unwrap()),
            ["epoch=1 loss=0.5", "epoch=2", "epoch=3 loss=NaN"]
        );
        assert_eq!(words(metrics.read(true).unwrap()), ["epoch=4 loss=0.25"]);
        file.add("\n5,low,\n");
        let error = metrics.read(true).unwrap_err().to_string();
        assert!(
            error.starts_with("`loss` is no number: line 7 of") || error.contains("has `low`"),
            "{error}"
        );
    }

    #[test]
    fn columns_have_the_names_that_the_study_gives_them() {
        let file = Growing::new("metrics.jsonl");
        let mut metrics = file.open(&[("loss", "eval_loss"), ("resource", "epoch"), ("f1", "eval_f1")]);
        file.add("{\"epoch\": 1.0, \"eval_loss\": NaN, \"note\": null}\n\n{\"epoch\": 2, \"train_loss\": 3}\n");
        assert_eq!(words(metrics.read(false).unwrap()), ["1: loss=NaN"]);
        assert_eq!(
            metrics.never_found(),
            ["the metrics file has no values of `f1` in a column `eval_f1`"]
        );
        assert!(
            metrics
                .nothing("f1")
                .ends_with("its columns are `epoch`, `eval_loss`, `note`, `train_loss`")
        );
        file.add("{\"epoch\": 3\n");
        let error = metrics.read(false).unwrap_err().to_string();
        assert!(
            error.contains("line 4 of") && error.contains("no whole JSON object"),
            "{error}"
        );
    }

    #[test]
    fn a_metric_that_stands_twice_in_a_row_is_refused_if_it_is_used() {
        for (name, text, columns) in [
            ("m.csv", "loss,acc,acc\n1,2,3\n", &[][..]),
            ("m.csv", "loss,a,a\n1,2,2\n", &[("acc", "a")]),
            ("m.jsonl", "\n{\"loss\": 1, \"acc\": 2, \"acc\": 3}\n", &[]),
        ] {
            let file = Growing::new(name);
            let mut metrics = file.open(columns);
            file.add(text);
            let error = metrics.read(true).unwrap_err().to_string();
            assert!(error.contains("stands twice in line 2 of"), "{error}");
        }
        let file = Growing::new("m.csv");
        let mut metrics = file.open(&[("loss", "loss")]);
        file.add("loss,a,a\n1,2,3\n");
        assert_eq!(words(metrics.read(true).unwrap()), ["loss=1"]);
    }

    #[test]
    fn what_was_there_before_counts_no_more() {
        let file = Growing::new("metrics.csv");
        file.add("loss\n3\n2\n");
        let mut metrics = file.open(&[]);
        file.add("1\n");
        assert_eq!(words(metrics.read(false).unwrap()), ["loss=1"]);
        let mut metrics = file.open(&[]);
        std::fs::write(file.path(), "acc,loss\n0.5,9\n").unwrap();
        assert_eq!(
            words(metrics.read(false).unwrap()),
            ["acc=0.5 loss=9"],
            "it was written anew"
        );
        std::fs::write(file.path(), "acc,loss\n0.5,9\n0.6,8\n").unwrap();
        assert_eq!(
            words(metrics.read(false).unwrap()),
            ["acc=0.6 loss=8"],
            "whole, but with more at its end"
        );
        std::fs::write(file.path(), "acc,loss\n0.5,7\n").unwrap();
        assert!(metrics.read(true).unwrap_err().to_string().contains("was written anew"));
    }
}

//! From settings to data: the order in which files are read, cleaned and split.

use std::path::Path;

use hpo_protocol::embedding::Settings;
use indexmap::IndexSet;

use crate::columns::{Layout, Role};
use crate::error::{DataError, shown};
use crate::report::{Dropped, Read, Report, SetReport};
use crate::rows::{Example, FileRows, Flaw, Pool, Reader, Record, Row};
use crate::source::{self, Sink};
use crate::{Data, Kind, Rows, Sets};

/// Reads, checks, cleans and splits the data of a study.
///
/// The answer depends on the settings and the files alone. An error names the file, in it the place, and the mend.
pub fn load(settings: &Settings) -> Result<Sets, DataError> {
    let mut pool = Pool::default();
    let mut read = |file: &Path| read(file, settings, &mut pool);
    let train = read(&settings.train)?;
    let validation = settings.validation.as_deref().map(&mut read).transpose()?;
    let test = settings.test.as_deref().map(&mut read).transpose()?;
    for other in [&validation, &test].into_iter().flatten() {
        same_kind(&train, other)?;
    }
    let Some(validation) = validation else {
        let message = format!("`{}` has no validation data beside it", train.file.display());
        return Err(DataError::whole(&train.file, message, "give a file with `validation`"));
    };
    let labels = labels(&train, &pool);
    let finish = |set: &FileRows| -> Result<(Data, SetReport), DataError> {
        let data = data(set, &pool, &labels, settings)?;
        let report = SetReport {
            rows: data.rows.len(),
            texts: data.texts.len(),
            read: Some(report(set)),
        };
        Ok((data, report))
    };
    let (train_data, train_report) = finish(&train)?;
    let (validation_data, validation_report) = finish(&validation)?;
    let (test_data, test_report) = test.as_ref().map(finish).transpose()?.unzip();
    Ok(Sets {
        train: train_data,
        validation: validation_data,
        test: test_data,
        report: Report {
            kind: train.layout.kind,
            train: train_report,
            validation: validation_report,
            test: test_report,
        },
    })
}

/// Collects the rows of a file.
struct Collect<'a> {
    reader: Reader<'a>,
    file: &'a Path,
    rows: Option<FileRows>,
}

impl Sink for Collect<'_> {
    fn begin(&mut self, layout: Layout) {
        self.rows = Some(FileRows::new(self.file, layout));
    }

    fn take(&mut self, record: &Record) -> Result<(), Flaw> {
        match &mut self.rows {
            Some(rows) => self.reader.take(rows, record),
            None => Ok(()),
        }
    }
}

fn read(file: &Path, settings: &Settings, pool: &mut Pool) -> Result<FileRows, DataError> {
    let reader = Reader { settings, pool };
    let mut collect = Collect {
        reader,
        file,
        rows: None,
    };
    source::read(file, settings.columns.as_ref(), &mut collect)?;
    collect.rows.filter(|rows| !rows.rows.is_empty()).ok_or_else(|| {
        let message = format!("all rows of `{}` are empty", file.display());
        DataError::whole(file, message, "give it texts")
    })
}

fn same_kind(train: &FileRows, other: &FileRows) -> Result<(), DataError> {
    if train.layout.kind == other.layout.kind {
        return Ok(());
    }
    let message = format!(
        "`{}` has {}, but the training data are {}",
        other.file.display(),
        other.layout.kind,
        train.layout.kind
    );
    let help = "give the files the same columns, or name those to read with `columns` under `[trial]`";
    Err(DataError::whole(&other.file, message, help))
}

/// The labels of the training data, sorted.
fn labels(train: &FileRows, pool: &Pool) -> IndexSet<String> {
    let used: IndexSet<u32> = train.rows.iter().filter_map(|row| row.example.label()).collect();
    let mut labels: IndexSet<String> = used
        .into_iter()
        .filter_map(|label| pool.labels.get_index(label as usize).cloned())
        .collect();
    labels.sort();
    labels
}

/// The rows with texts and labels numbered anew. An unknown label is an error.
fn data(set: &FileRows, pool: &Pool, labels: &IndexSet<String>, settings: &Settings) -> Result<Data, DataError> {
    let mut used: IndexSet<u32> = IndexSet::new();
    let mut text = |old: u32| used.insert_full(old).0 as u32;
    let mut rows = match set.layout.kind {
        Kind::Triplets => Rows::Triplets(Vec::new()),
        Kind::Pairs => Rows::Pairs(Vec::new()),
        Kind::Scored => Rows::Scored(Vec::new()),
        Kind::Labelled => Rows::Labelled(Vec::new()),
    };
    for row in &set.rows {
        match (&mut rows, row.example) {
            (Rows::Triplets(rows), Example::Triplet(texts)) => rows.push(texts.map(&mut text)),
            (Rows::Pairs(rows), Example::Pair(texts)) => rows.push(texts.map(&mut text)),
            (Rows::Scored(rows), Example::Scored(texts, score)) => rows.push((texts.map(&mut text), score)),
            (Rows::Labelled(rows), Example::Labelled(old, label)) => {
                let name = pool.labels.get_index(label as usize).map_or("", String::as_str);
                let label = labels
                    .get_index_of(name)
                    .ok_or_else(|| unseen_label(set, row, name, settings))?;
                rows.push((text(old), label as u32));
            }
            // A file has rows of one kind.
            _ => {}
        }
    }
    let texts = used
        .iter()
        .filter_map(|&old| pool.texts.get_index(old as usize).cloned());
    Ok(Data {
        texts: texts.collect(),
        rows,
        labels: labels.iter().cloned().collect(),
    })
}

/// Finds the record of a row again, to tell its place.
struct Find<'a> {
    number: u64,
    message: &'a str,
    help: &'a str,
    column: usize,
}

impl Sink for Find<'_> {
    fn begin(&mut self, layout: Layout) {
        let of = |(_, role): &(String, Role)| *role == Role::Label;
        self.column = layout.columns.iter().position(of).unwrap_or(0);
    }

    fn take(&mut self, record: &Record) -> Result<(), Flaw> {
        if record.number != self.number {
            return Ok(());
        }
        Err(Flaw {
            column: self.column,
            message: self.message.to_owned(),
            help: self.help.to_owned(),
        })
    }
}

fn unseen_label(set: &FileRows, row: &Row, label: &str, settings: &Settings) -> DataError {
    let message = format!("no training row has the label `{}`", shown(label));
    let mut find = Find {
        number: row.number,
        message: &message,
        help: "remove the row, or train with this label too",
        column: 0,
    };
    match source::read(&set.file, settings.columns.as_ref(), &mut find) {
        Err(error) => error,
        Ok(()) => DataError::whole(&set.file, format!("`{}`: {message}", set.file.display()), find.help),
    }
}

fn report(set: &FileRows) -> Read {
    Read {
        file: set.file.clone(),
        columns: set.layout.columns.iter().map(|(name, _)| shown(name)).collect(),
        rows: set.read,
        trimmed: set.trimmed,
        dropped: Dropped {
            empty: set.empty,
            ..Dropped::default()
        },
    }
}

//! From settings to data: the order in which files are read, cleaned and split.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hpo_protocol::embedding::{Columns, Negatives, Settings};
use indexmap::IndexSet;

use crate::clean;
use crate::columns::{Layout, Role, Unclear};
use crate::error::{DataError, Mistakes, shown};
use crate::example::{Example, Row};
use crate::informative;
use crate::labels;
use crate::negatives;
use crate::pool::Pool;
use crate::report::{Read, Report, SetReport};
use crate::rows::{FileRows, Flaw, Reader, Record};
use crate::source::{self, Sink};
use crate::split::{self, Unsplittable};
use crate::synonyms::Synonyms;
use crate::{Data, Kind, Rows, Sets, Triplet};

/// Reads, checks, cleans and splits the data of a study.
///
/// The answer depends on the settings and the files alone. An error names the file, in it the place, and the fix, and has the other ones
/// that were found beside it.
pub fn load(settings: &Settings) -> Result<Sets, DataError> {
    let mut mistakes = Mistakes::of_all();
    mistakes.keep(check_score_range(settings));
    let synonyms = settings.synonyms.as_deref().map(Synonyms::read).transpose();
    let synonyms = mistakes.keep(synonyms);
    let mut pool = Pool::default();
    let mut read = |file: &Path| read(file, settings, &mut pool);
    let train = mistakes.keep(read(&settings.train));
    let mut held_out = |file: &Option<PathBuf>| mistakes.keep(file.as_deref().map(&mut read).transpose()).flatten();
    let (mut validation, mut test) = (held_out(&settings.validation), held_out(&settings.test));
    if let Some(train) = &train {
        for other in [&validation, &test].into_iter().flatten() {
            mistakes.keep(same_kind(train, other));
        }
        mistakes.keep(has_scores(train, settings));
    }
    mistakes.end()?;
    let (Some(mut train), Some(synonyms)) = (train, synonyms) else {
        unreachable!("what could not be read is a mistake");
    };
    if settings.clean {
        let sets = [Some(&mut train), validation.as_mut(), test.as_mut()];
        for set in sets.into_iter().flatten() {
            clean::clean(&mut set.rows, &mut set.dropped);
        }
        drop_leaks(&mut train, validation.as_mut(), test.as_ref());
    }
    if settings.negatives == Some(Negatives::Together) {
        let sets = [Some(&mut train), validation.as_mut(), test.as_mut()];
        for set in sets.into_iter().flatten() {
            negatives::together(&mut set.rows, &mut pool);
        }
    }
    let mut mistakes = Mistakes::of_all();
    for set in [Some(&train), validation.as_ref(), test.as_ref()].into_iter().flatten() {
        mistakes.keep(something_remains(set));
    }
    mistakes.end()?;
    is_informative(&train, "training", &pool)?;

    // Shares are of what there is before any of it is split off.
    let rows = train.rows.len() as f64;
    let seed = settings.split_seed.unwrap_or(0);
    let mut split = |what, share: f64| split_off(&mut train, what, (share * rows).round() as usize, seed, &pool);
    if let Some(share) = settings.test_share.filter(|share| *share > 0.0 && test.is_none()) {
        test = Some(split("test", share)?);
    }
    let share = settings.validation_share.unwrap_or(Settings::VALIDATION_SHARE);
    let mut validation = match validation {
        Some(validation) => validation,
        None => split("validation", share)?,
    };
    if settings.clean {
        // Groups may share texts.
        drop_leaks(&mut train, Some(&mut validation), test.as_ref());
    }

    finish(train, validation, test, synonyms, &pool, settings)
}

/// Makes data of what is left of the rows.
fn finish(
    train: FileRows,
    validation: FileRows,
    test: Option<FileRows>,
    synonyms: Option<Synonyms>,
    pool: &Pool,
    settings: &Settings,
) -> Result<Sets, DataError> {
    let labels = labels::of(&train.rows, pool);
    let mut warnings = labels::doubtful(&labels);
    warnings.extend(informative::scarcity(&train.rows));
    let mut finish = |set: &FileRows, what: &str| -> Result<(Data, SetReport), DataError> {
        something_remains(set)?;
        is_informative(set, what, pool)?;
        if what != "training" {
            warnings.extend(informative::uncertainty(&set.rows, set.layout.kind, what));
            warnings.extend(informative::few_answers(&set.rows, pool, what));
        }
        let data = data(set, pool, &labels, settings)?;
        let report = SetReport {
            rows: data.rows.len(),
            texts: data.texts.len(),
            read: (!set.split_off).then(|| report(set)),
        };
        Ok((data, report))
    };
    // What a split could not give the one part may be what the other lacks, and is the better reason.
    let (validation_data, validation_report) = finish(&validation, "validation")?;
    let test = test.as_ref().map(|test| finish(test, "test")).transpose()?;
    let (train_data, train_report) = finish(&train, "training")?;
    let (test_data, test_report) = test.unzip();
    Ok(Sets {
        train: train_data,
        validation: validation_data,
        test: test_data,
        synonyms,
        report: Report {
            kind: train.layout.kind,
            train: train_report,
            validation: validation_report,
            test: test_report,
            rewritten: pool.rewritten(),
            warnings,
            evaluations: BTreeMap::new(),
        },
    })
}

/// Drops what leaks into the rows that it will be judged by.
fn drop_leaks(train: &mut FileRows, mut validation: Option<&mut FileRows>, test: Option<&FileRows>) {
    let tested = || test.iter().flat_map(|set| &set.rows);
    if let Some(validation) = &mut validation {
        clean::drop_leaks(&mut validation.rows, tested(), &mut validation.dropped);
    }
    let held_out = validation.iter().flat_map(|set| &set.rows).chain(tested());
    clean::drop_leaks(&mut train.rows, held_out, &mut train.dropped);
}

fn something_remains(set: &FileRows) -> Result<(), DataError> {
    if !set.rows.is_empty() {
        return Ok(());
    }
    let dropped = set.dropped;
    let message = format!(
        "no rows of `{}` remain: of {} dropped {dropped}",
        set.file.display(),
        set.read
    );
    // Without cleaning these would be refused, too.
    let help = if dropped.leaked + dropped.duplicates == set.read {
        "give `train`, `validation` and `test` different rows, or leave `validation` out, and a share of the training rows is split off"
    } else if dropped.empty + dropped.equal + dropped.duplicates == set.read {
        "fix the file: give each row texts that differ, or check what its columns are for (`columns` under `[trial]`)"
    } else {
        "fix the file, or keep all rows but empty ones with `clean = false` under `[trial]`"
    };
    Err(DataError::whole(&set.file, message, help))
}

/// Refuses rows on which all models are equally good; `what` is the set that they are.
fn is_informative(set: &FileRows, what: &str, pool: &Pool) -> Result<(), DataError> {
    let Some(common) = informative::in_common(&set.rows, set.layout.kind, pool) else {
        return Ok(());
    };
    let file = set.file.display();
    let origin = if set.split_off { "split off" } else { "of" };
    let consequence = match what {
        "training" => "there is nothing to learn",
        _ => "no model is better there than another",
    };
    let message = match set.rows.len() {
        1 => format!("there is one {what} row {origin} `{file}`: {consequence}"),
        count => format!("all {count} {what} rows {origin} `{file}` {common}: {consequence}"),
    };
    let help = match (what, set.split_off) {
        (_, true) => format!(
            "give a file with `{what} = \"…\"`, or more rows, or a column `group` that says which rows belong together: without \
             it, those that share texts do"
        ),
        ("validation", false) => {
            "add rows that differ, or leave `validation` out, and a share of the training rows is split off".to_owned()
        }
        _ => "add rows that differ, or check what the columns are for (`columns` under `[trial]`)".to_owned(),
    };
    Err(DataError::whole(&set.file, message, help))
}

/// Splits about `wanted` rows off the training rows; `what` is the setting that would name a file of them.
fn split_off(train: &mut FileRows, what: &str, wanted: usize, seed: u64, pool: &Pool) -> Result<FileRows, DataError> {
    let (wanted, rows) = (wanted.max(1), train.rows.len());
    if rows == 1 {
        let dropped = match train.dropped.total() {
            0 => String::new(),
            _ => format!(" (of {} dropped {})", train.read, train.dropped),
        };
        let message = format!(
            "`{}` has a single row{dropped}: none can be split off to be {what} data",
            train.file.display()
        );
        let help = format!("add rows that differ, or give a file with `{what} = \"…\"`");
        return Err(DataError::whole(&train.file, message, help));
    }
    let part = split::split_off(&mut train.rows, wanted, seed, pool).map_err(|problem| {
        let why = match problem {
            Unsplittable::Together { largest } => {
                format!("{largest} of its {rows} rows belong together, since they share texts or a group")
            }
            Unsplittable::Labels => "too many labels have a single row, which training needs".to_owned(),
        };
        let file = train.file.display();
        let message = format!("cannot split {wanted} {what} rows off `{file}`: {why}");
        let help =
            format!("give a file with `{what} = \"…\"`, or a column `group` that says which rows belong together");
        DataError::whole(&train.file, message, help)
    })?;
    Ok(FileRows {
        rows: part,
        split_off: true,
        ..FileRows::new(&train.file, Rc::clone(&train.layout))
    })
}

fn check_score_range(settings: &Settings) -> Result<(), DataError> {
    match settings.score_range {
        Some([low, high]) if !(low < high && (high - low).is_finite()) => {
            let message = format!("`score_range` is {low} to {high}, which is not a range");
            let help = "write the lower end first, such as `score_range = [0, 5]`";
            Err(DataError::whole(&settings.train, message, help))
        }
        _ => Ok(()),
    }
}

fn has_scores(train: &FileRows, settings: &Settings) -> Result<(), DataError> {
    let kind = train.layout.kind;
    if settings.score_range.is_none() || kind == Kind::Scored {
        return Ok(());
    }
    let file = train.file.display();
    let message = format!("`score_range` is set, but `{file}` has {kind}, which have no scores");
    Err(DataError::whole(&train.file, message, "remove `score_range`"))
}

/// Collects the rows of a file.
struct Collect<'a> {
    reader: Reader<'a>,
    file: &'a Path,
    rows: Option<FileRows>,
}

impl Sink for Collect<'_> {
    fn begin(&mut self, names: &[&str]) -> Result<Layout, Unclear> {
        let layout = Layout::of(names, self.reader.settings.columns.as_ref())?;
        self.rows = Some(FileRows::new(self.file, Rc::new(layout.clone())));
        Ok(layout)
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
    source::read(file, &mut collect)?;
    // A source reads at least one record, and begins before it.
    let rows = collect
        .rows
        .ok_or_else(|| DataError::whole(file, format!("`{}` has no rows", file.display()), "write rows into it"))?;
    rows.lists.check(file, &rows.layout)?;
    Ok(rows)
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

/// The rows with texts and labels renumbered. An unknown label is an error.
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
            (Rows::Triplets(rows), Example::Triplet(texts)) => {
                let mut triplet = Triplet::from(texts.map(&mut text));
                let others = negatives::others(row, pool).iter();
                triplet.negatives.extend(others.map(|&other| text(other)));
                rows.push(triplet);
            }
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

/// Finds the record of a row again, to report its place.
struct Find<'a> {
    columns: Option<&'a Columns>,
    number: u64,
    message: &'a str,
    help: &'a str,
    column: usize,
}

impl Sink for Find<'_> {
    fn begin(&mut self, names: &[&str]) -> Result<Layout, Unclear> {
        let layout = Layout::of(names, self.columns)?;
        let of = |(_, role): &(String, Role)| *role == Role::Label;
        self.column = layout.columns.iter().position(of).unwrap_or(0);
        Ok(layout)
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
        columns: settings.columns.as_ref(),
        number: row.number,
        message: &message,
        help: "remove the row, or train with this label too",
        column: 0,
    };
    match source::read(&set.file, &mut find) {
        Err(error) => error,
        Ok(()) => DataError::whole(&set.file, format!("`{}`: {message}", set.file.display()), find.help),
    }
}

fn report(set: &FileRows) -> Read {
    Read {
        file: set.file.clone(),
        columns: set.layout.columns.iter().map(|(name, _)| shown(name)).collect(),
        others: set.layout.others.iter().flatten().map(|name| shown(name)).collect(),
        rows: set.read,
        trimmed: set.trimmed,
        dropped: set.dropped,
    }
}

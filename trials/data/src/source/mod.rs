//! The formats that data comes in.

mod convert;
mod explain;
mod fields;
mod jsonl;
pub(crate) mod lines;
mod magic;
mod parquet;
mod quotes;
mod table;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::columns::{Layout, Unclear};
use crate::error::DataError;
use crate::rows::{Flaw, Record};

/// Longer lines, rows and values are an error, so that a damaged file does not fill the memory.
pub(crate) const MAX_LINE: usize = 16 << 20;

/// The helps of errors that say how the rows of training data are written.
pub(crate) const HELPS: [&str; 2] = [explain::FORM, table::HEADER];

/// What becomes of the records of a file.
pub(crate) trait Sink {
    /// What the columns with these names are for, before the first record.
    fn begin(&mut self, names: &[&str]) -> Result<Layout, Unclear>;

    /// The names of a table's columns, if what stands in its first row are not these, but a record.
    fn names(&self, _first: &[&str]) -> Option<&'static [&'static str]> {
        None
    }

    /// A record of the columns that [`begin`](Self::begin) has chosen.
    fn take(&mut self, record: &Record) -> Result<(), Flaw>;
}

/// A format of data.
struct Format {
    /// How the names of its files end, in lower case; the first is its own name.
    endings: &'static [&'static str],
    read: ReadFile,
}

/// Reads a file, at least one record of it.
type ReadFile = fn(&Path, File, &mut dyn Sink) -> Result<(), DataError>;

/// All formats.
const FORMATS: [Format; 4] = [jsonl::JSONL, table::CSV, table::TSV, parquet::PARQUET];

/// Reads a file of any format, at least one record of it.
pub(crate) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), DataError> {
    let file = open(path)?;
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match FORMATS.iter().find(|format| format.endings.contains(&ending.as_str())) {
        Some(format) => (format.read)(path, file, sink),
        None => {
            let message = format!("the name of `{}` does not say its format", path.display());
            let mut names = FORMATS.map(|format| format!(".{}", format.endings[0])).to_vec();
            let last = names.pop().unwrap_or_default();
            let help = format!("give it the ending {} or {last}", names.join(", "));
            Err(DataError::whole(path, message, help))
        }
    }
}

/// Opens a file, which a directory is not, nor a pipe, which could be read only once.
pub(crate) fn open(path: &Path) -> Result<File, DataError> {
    let unreadable = |error| unreadable(path, &error);
    // Opening a pipe may block forever.
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        let what = if about.is_dir() { "a directory" } else { "not a file" };
        let message = format!("`{}` is {what}", path.display());
        return Err(DataError::whole(path, message, "name the file itself"));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut begin = Vec::new();
    file.by_ref()
        .take(magic::LENGTH)
        .read_to_end(&mut begin)
        .map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    match magic::foreign(path, &begin) {
        Some(error) => Err(error),
        None => Ok(file),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> DataError {
    DataError::whole(
        path,
        format!("cannot read `{}`: {error}", path.display()),
        "check the path and its permissions",
    )
}

fn no_rows(path: &Path, help: &str) -> DataError {
    DataError::whole(path, format!("`{}` has no rows", path.display()), help)
}

//! The formats that data comes in.

mod explain;
mod jsonl;
pub(crate) mod lines;
mod parquet;
mod table;

use std::fs::File;
use std::path::Path;

use hpo_protocol::embedding::Columns;

use crate::columns::Layout;
use crate::error::DataError;
use crate::rows::{Flaw, Record};

/// Longer lines, rows and values are an error, so that a damaged file does not fill the memory.
pub(crate) const MAX_LINE: usize = 16 << 20;

/// What becomes of the records of a file.
pub(crate) trait Sink {
    /// The columns, before the first record.
    fn begin(&mut self, layout: Layout);

    /// A record of the columns given to [`begin`](Self::begin).
    fn take(&mut self, record: &Record) -> Result<(), Flaw>;
}

/// Reads a file, at least one record of it.
pub(crate) fn read(path: &Path, mapping: Option<&Columns>, sink: &mut dyn Sink) -> Result<(), DataError> {
    let shown = path.display();
    let file = open(path)?;
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match ending.as_str() {
        "jsonl" | "json" | "ndjson" => jsonl::read(path, file, mapping, sink),
        "csv" => table::read(path, file, b',', mapping, sink),
        "tsv" => table::read(path, file, b'\t', mapping, sink),
        "parquet" => parquet::read(path, file, mapping, sink),
        _ => {
            let message = format!("the name of `{shown}` does not tell its format");
            let help = "give it the ending .jsonl, .csv, .tsv or .parquet";
            Err(DataError::whole(path, message, help))
        }
    }
}

/// Opens a file, which a directory is not.
pub(crate) fn open(path: &Path) -> Result<File, DataError> {
    let unreadable = |error| unreadable(path, &error);
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        let message = format!("`{}` is a directory", path.display());
        return Err(DataError::whole(path, message, "name the file itself"));
    }
    Ok(file)
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

//! CSV and TSV: a header, then a record a row. In CSV, texts in double quotes may span lines; TSV may be written either way.

use std::fs::File;
use std::path::Path;

use super::fields::{Dialect, Rows};
use super::lines::{CARRIAGE_RETURNS, LINE_ENDS};
use super::quotes::quotes;
use super::{Format, Sink, no_rows};
use crate::error::{DataError, Mistakes};
use crate::rows::{Flaw, Record, Storage};
use crate::value::Cell;

pub(super) const HEADER: &str = "begin with a line of column names, such as `anchor`, `positive`, `negative`";
const SEPARATORS: &str = "separate the columns by commas, or by tabs in a file that ends in .tsv";

pub(super) const CSV: Format = Format {
    endings: &["csv"],
    read: |path, file, sink| {
        let dialect = Dialect {
            separator: ',',
            quotes: true,
        };
        read(path, file, dialect, sink)
    },
};

pub(super) const TSV: Format = Format {
    endings: &["tsv"],
    read: |path, file, sink| {
        let dialect = Dialect {
            separator: '\t',
            quotes: quotes(path, &|first| {
                let names: Vec<&str> = first.iter().map(|name| name.trim_matches('"')).collect();
                sink.names(&names).is_none()
            })?,
        };
        read(path, file, dialect, sink)
    },
};

const STORAGE: Storage = Storage {
    record: "row",
    as_text: "put the text in quotes",
};

fn read(path: &Path, file: File, dialect: Dialect, sink: &mut dyn Sink) -> Result<(), DataError> {
    let mut rows = Rows::new(path, file, dialect);
    if !rows.next()? {
        return Err(no_rows(path, HEADER));
    }
    let count = rows.fields.len();
    let carriage_return = rows.text.trim_end().find('\r');
    let of_carriage_returns = carriage_return.map(|at| rows.error(0..at, CARRIAGE_RETURNS, LINE_ENDS));
    let Header { is_record, fields } =
        header(&rows, sink).map_err(|error| of_carriage_returns.clone().unwrap_or(error))?;

    let mut cells = Vec::new();
    let mut is_empty = true;
    let mut mistakes = Mistakes::of_a_file();
    while (is_record && is_empty) || mistakes.keep(rows.next()).unwrap_or(false) {
        is_empty = false;
        if mistakes.keep(rows.check_count(count)).is_none() {
            continue;
        }
        cells.clear();
        cells.extend(fields.iter().map(|&field| {
            let text = rows.value(field?);
            Some(if text.is_empty() { Cell::Null } else { Cell::Text(text) })
        }));
        let record = Record {
            cells: &cells,
            number: rows.line as u64,
            storage: STORAGE,
        };
        let taken = sink.take(&record);
        mistakes.keep(
            taken.map_err(|Flaw { column, message, help }| rows.error_at(fields[column].unwrap_or(0), message, help)),
        );
    }
    mistakes.end_of(path)?;
    if is_empty {
        return Err(of_carriage_returns.unwrap_or_else(|| no_rows(path, "write rows below the header")));
    }
    Ok(())
}

/// The first row of a table.
struct Header {
    /// Whether it is a record, since there is no header.
    is_record: bool,
    /// The field of each column of the layout; none for optional ones that are not there.
    fields: Vec<Option<usize>>,
}

fn header(rows: &Rows, sink: &mut dyn Sink) -> Result<Header, DataError> {
    let first: Vec<String> = (0..rows.fields.len()).map(|field| rows.value(field)).collect();
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let known = sink.names(&first);
    let names = known.unwrap_or(&first);
    let layout = sink.begin(names).map_err(|unclear| {
        let other = matches!(names, [name] if name.contains([';', '|', '\t', ',']));
        let help = if other { SEPARATORS } else { &unclear.help };
        rows.error_at(unclear.at.unwrap_or(0), unclear.message, help)
    })?;
    let field = |(column, _): &(String, _)| names.iter().position(|name| name == column);
    Ok(Header {
        is_record: known.is_some(),
        fields: layout.columns.iter().map(field).collect(),
    })
}

//! CSV (RFC 4180), with a newline after each row and an empty cell where there is no value.

use super::table::{Cells, Column, WholeFile, columns};
use super::{ExportError, Output, Sink, Trials};
use crate::clock::utc;

pub(super) fn begin(output: Output) -> Result<Box<dyn Sink>, ExportError> {
    Ok(WholeFile::begin(output, render))
}

fn render(trials: Trials<'_>, reports: bool) -> Result<Vec<u8>, ExportError> {
    let columns = columns(trials, reports);
    let mut text = line(columns.iter().map(|column| quoted(&column.name)));
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        text += &line(columns.iter().map(|column| cell(column, row)));
    }
    Ok(text.into_bytes())
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(",") + "\n"
}

fn cell(column: &Column, row: usize) -> String {
    let cell = match &column.cells {
        Cells::Bools(values) => values[row].map(|value| value.to_string()),
        Cells::Integers(values) => values[row].map(|value| value.to_string()),
        // As JSON has them: short, and the same number when it is read.
        Cells::Floats(values) => values[row].map(|value| serde_json::Value::from(value).to_string()),
        Cells::Moments(values) => values[row].map(utc),
        Cells::Texts(values) => values[row].as_deref().map(quoted),
    };
    cell.unwrap_or_default()
}

/// A text in quotes if it needs them; the empty one too, which would otherwise be no value.
fn quoted(text: &str) -> String {
    match text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

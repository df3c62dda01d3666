//! CSV and TSV: a header, then a record a row. Texts in double quotes may span lines.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, Position, Reader, ReaderBuilder};
use hpo_protocol::embedding::Columns;
use serde_json::Value;

use super::{Format, MAX_LINE, Sink, no_rows, unreadable};
use crate::columns::Layout;
use crate::error::{DataError, Place, shown};
use crate::rows::{Flaw, Numbers, Record, Storage};

const QUOTES: &str =
    "put texts that hold separators, quotes or line ends in double quotes, and double the quotes in them";
const HEADER: &str = "begin with a line of column names, such as `anchor`, `positive`, `negative`";
const SEPARATORS: &str = "separate the columns by commas, or by tabs in a file that ends in .tsv";

pub(super) const CSV: Format = Format {
    endings: &["csv"],
    read: |path, file, mapping, sink| read(path, file, b',', mapping, sink),
};

pub(super) const TSV: Format = Format {
    endings: &["tsv"],
    read: |path, file, mapping, sink| read(path, file, b'\t', mapping, sink),
};

const STORAGE: Storage = Storage {
    record: "row",
    as_text: "put the text in quotes",
    numbers: Numbers::Text,
};

fn read(
    path: &Path,
    file: File,
    delimiter: u8,
    mapping: Option<&Columns>,
    sink: &mut dyn Sink,
) -> Result<(), DataError> {
    let mut table = Table::new(path, file, delimiter);
    let Some(from) = table.next()? else {
        return Err(no_rows(path, HEADER));
    };
    let (layout, fields) = table.header(&from, mapping)?;
    sink.begin(layout.clone());

    let mut cells = Vec::new();
    let mut last = None;
    while let Some(from) = table.next()? {
        table.cells(&from, &layout, &fields, &mut cells)?;
        let record = Record {
            cells: &cells,
            number: from.line(),
            storage: STORAGE,
        };
        sink.take(&record)
            .map_err(|Flaw { column, message, help }| table.error(&from, fields[column], message, &help))?;
        last = Some(from);
    }
    let Some(last) = last else {
        return Err(no_rows(path, "write rows below the header"));
    };
    // The end of the file closes quotes, so that a forgotten one swallows the rows to the end without a trace.
    let spot = Spot::find(path, &last, delimiter, None);
    if spot.open {
        return Err(DataError::at(path, spot.place, "these quotes are never closed", QUOTES));
    }
    Ok(())
}

/// A table that is being read.
struct Table<'a> {
    path: &'a Path,
    delimiter: u8,
    reader: Reader<Limited>,
    /// How many bytes the next record may have.
    left: Rc<Cell<usize>>,
    /// The last record read.
    record: ByteRecord,
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, file: File, delimiter: u8) -> Self {
        let left = Rc::new(Cell::new(MAX_LINE));
        let input = Limited {
            file,
            left: Rc::clone(&left),
        };
        let mut builder = ReaderBuilder::new();
        Self {
            path,
            delimiter,
            reader: builder.delimiter(delimiter).has_headers(false).from_reader(input),
            left,
            record: ByteRecord::new(),
        }
    }

    /// Reads a record; where it begins, or nothing at the end of the file.
    fn next(&mut self) -> Result<Option<Position>, DataError> {
        self.left.set(MAX_LINE);
        let from = self.reader.position().clone();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(more) => Ok(more.then_some(from)),
            Err(error) => Err(self.unreadable(&from, &error)),
        }
    }

    fn unreadable(&self, from: &Position, error: &csv::Error) -> DataError {
        if let ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
            let message = format!("the row has {len} fields, but the header has {expected_len}");
            return self.error(from, 0, message, QUOTES);
        }
        let ErrorKind::Io(error) = error.kind() else {
            let message = format!("cannot read `{}`: {error}", self.path.display());
            return DataError::whole(self.path, message, QUOTES);
        };
        if self.left.get() > 0 {
            return unreadable(self.path, error);
        }
        let message = format!("the row is longer than {} MiB", MAX_LINE >> 20);
        self.error(from, 0, message, "close the quotes that are open here")
    }

    /// The error about a field of the record that begins at `from`.
    fn error(&self, from: &Position, field: usize, message: String, help: &str) -> DataError {
        let place = Spot::find(self.path, from, self.delimiter, Some(field)).place;
        DataError::at(self.path, place, message, help)
    }

    /// What the columns are for, and the field of each.
    fn header(&self, from: &Position, mapping: Option<&Columns>) -> Result<(Layout, Vec<usize>), DataError> {
        let is_utf16 = |name: &[u8]| name.starts_with(b"\xff\xfe") || name.starts_with(b"\xfe\xff");
        if self.record.get(0).is_some_and(is_utf16) {
            let message = format!("`{}` is UTF-16", self.path.display());
            return Err(DataError::whole(self.path, message, "save it as UTF-8"));
        }
        let header: Vec<_> = self.record.iter().map(String::from_utf8_lossy).collect();
        let names: Vec<&str> = header.iter().map(AsRef::as_ref).collect();
        let layout = Layout::of(&names, mapping).map_err(|unclear| {
            let other = matches!(names.as_slice(), [name] if name.contains([';', '\t', ',']));
            let help = if other { SEPARATORS } else { &unclear.help };
            self.error(from, 0, unclear.message, help)
        })?;
        let mut fields = Vec::new();
        for (column, _) in &layout.columns {
            let mut same = (0..names.len()).filter(|&field| names[field] == column);
            let (first, second) = (same.next(), same.next());
            if let Some(second) = second {
                let message = format!("the column `{}` appears twice", shown(column));
                return Err(self.error(from, second, message, "rename one of the two"));
            }
            // A layout names columns of the header only.
            fields.push(first.unwrap_or_default());
        }
        Ok((layout, fields))
    }

    /// The values of the layout's columns, from their fields.
    fn cells(
        &self,
        from: &Position,
        layout: &Layout,
        fields: &[usize],
        cells: &mut Vec<Option<Value>>,
    ) -> Result<(), DataError> {
        cells.clear();
        for (&field, (name, _)) in fields.iter().zip(&layout.columns) {
            let bytes = self.record.get(field).unwrap_or_default();
            let text = std::str::from_utf8(bytes).map_err(|_| {
                let message = format!("`{}` is not UTF-8", shown(name));
                self.error(from, field, message, "save the file as UTF-8")
            })?;
            cells.push(Some(Value::from(text)));
        }
        Ok(())
    }
}

/// A file of which only so many bytes are read before somebody allows more.
struct Limited {
    file: File,
    left: Rc<Cell<usize>>,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("the row is too long"));
        }
        let read = self.file.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read));
        Ok(read)
    }
}

/// A field found again in the file.
struct Spot {
    place: Place,
    /// Whether it ends in quotes that are never closed.
    open: bool,
}

impl Spot {
    /// Finds a field of the record that begins at `from`, or else its last field.
    fn find(path: &Path, from: &Position, delimiter: u8, field: Option<usize>) -> Self {
        let mut bytes = Vec::new();
        // What can't be read again has no text to show.
        let _ = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(from.byte()))?;
            file.take(MAX_LINE as u64).read_to_end(&mut bytes)
        });
        let begin = |bytes: &[u8]| bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let bom = if from.byte() == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let mut start = bom + begin(&bytes[bom..]);
        let mut number = 0;
        loop {
            let (end, open) = end_of_field(&bytes, start, delimiter);
            let more = bytes.get(end) == Some(&delimiter);
            if field == Some(number) || !more {
                return Self {
                    place: place(&bytes[bom..], from.line() as usize, start - bom, end - bom),
                    open,
                };
            }
            start = end + 1;
            number += 1;
        }
    }
}

/// Where a field ends, and whether it has quotes that are never closed.
fn end_of_field(bytes: &[u8], start: usize, delimiter: u8) -> (usize, bool) {
    let mut quoted = bytes.get(start) == Some(&b'"');
    let mut at = start + usize::from(quoted);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' if quoted && bytes.get(at + 1) == Some(&b'"') => at += 1,
            b'"' if quoted => quoted = false,
            b'\r' | b'\n' if !quoted => break,
            byte if byte == delimiter && !quoted => break,
            _ => {}
        }
        at += 1;
    }
    (at.min(bytes.len()), quoted)
}

/// A span of the bytes, cut to its first line. They begin in line `line`.
fn place(bytes: &[u8], line: usize, start: usize, end: usize) -> Place {
    let lines = bytes[..start].iter().filter(|byte| **byte == b'\n').count();
    let from = bytes[..start]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let rest = &bytes[start..];
    let length = rest
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .unwrap_or(rest.len());
    let text = |range: std::ops::Range<usize>| String::from_utf8_lossy(&bytes[range]).into_owned();
    let (before, marked) = (text(from..start), text(start..end.min(start + length)));
    let span = before.len()..before.len() + marked.len();
    let after = text(end.min(start + length)..start + length);
    Place {
        line: line + lines,
        text: before + &marked + &after,
        span,
    }
}

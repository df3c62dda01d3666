//! CSV and TSV: a header, then a record a row. Texts in double quotes may span lines.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, Position, ReaderBuilder};
use hpo_protocol::embedding::Columns;
use serde_json::Value;

use super::{MAX_LINE, Sink, no_rows, unreadable};
use crate::columns::Layout;
use crate::error::{DataError, Place, shown};
use crate::rows::{Flaw, Format, Record};

const QUOTES: &str =
    "put texts that hold separators, quotes or line ends in double quotes, and double the quotes in them";
const SEPARATORS: &str = "separate the columns by commas, or by tabs in a file that ends in .tsv";

pub(super) fn read(
    path: &Path,
    file: File,
    delimiter: u8,
    mapping: Option<&Columns>,
    sink: &mut dyn Sink,
) -> Result<(), DataError> {
    let left = Rc::new(Cell::new(MAX_LINE));
    let input = Limited {
        file,
        left: Rc::clone(&left),
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .from_reader(input);
    let at = |from: &Position, field: usize, message: String, help: &str| {
        let place = Spot::find(path, from, delimiter, Some(field)).place;
        DataError::at(path, place, message, help)
    };
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| -> Result<Option<Position>, DataError> {
        left.set(MAX_LINE);
        let from = reader.position().clone();
        let more = reader.read_byte_record(record).map_err(|error| match error.kind() {
            ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let message = format!("the row has {len} fields, but the header has {expected_len}");
                at(&from, 0, message, QUOTES)
            }
            ErrorKind::Io(_) if left.get() == 0 => {
                let message = format!("the row is longer than {} MiB", MAX_LINE >> 20);
                at(&from, 0, message, "close the quotes that are open here")
            }
            ErrorKind::Io(error) => unreadable(path, error),
            _ => DataError::whole(path, format!("cannot read `{}`: {error}", path.display()), QUOTES),
        })?;
        Ok(more.then_some(from))
    };

    const HEADER: &str = "begin with a line of column names, such as `anchor`, `positive`, `negative`";
    let Some(mut last) = next(&mut record)? else {
        return Err(no_rows(path, HEADER));
    };
    let header: Vec<String> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    if record
        .get(0)
        .is_some_and(|name| name.starts_with(b"\xff\xfe") || name.starts_with(b"\xfe\xff"))
    {
        let message = format!("`{}` is UTF-16", path.display());
        return Err(DataError::whole(path, message, "save it as UTF-8"));
    }
    let layout = Layout::of(&names, mapping).map_err(|unclear| {
        let other = matches!(names.as_slice(), [name] if name.contains([';', '\t', ',']));
        let help = if other { SEPARATORS } else { &unclear.help };
        at(&last, 0, unclear.message, help)
    })?;
    let mut fields = Vec::new();
    for (column, _) in &layout.columns {
        let mut same = (0..names.len()).filter(|&field| names[field] == column);
        let (first, second) = (same.next(), same.next());
        if let Some(second) = second {
            let message = format!("the column `{}` is there twice", shown(column));
            return Err(at(&last, second, message, "rename one of the two"));
        }
        // A layout names columns of the header only.
        fields.push(first.unwrap_or_default());
    }
    sink.begin(layout.clone());

    let mut cells = Vec::new();
    let mut any = false;
    while let Some(from) = next(&mut record)? {
        any = true;
        last = from;
        cells.clear();
        for (&field, (name, _)) in fields.iter().zip(&layout.columns) {
            let bytes = record.get(field).unwrap_or_default();
            let text = std::str::from_utf8(bytes).map_err(|_| {
                let message = format!("`{}` is not UTF-8", shown(name));
                at(&last, field, message, "save the file as UTF-8")
            })?;
            cells.push(Some(Value::from(text)));
        }
        let row = Record {
            cells: &cells,
            number: last.line(),
            format: Format::Table,
        };
        sink.take(&row)
            .map_err(|Flaw { column, message, help }| at(&last, fields[column], message, &help))?;
    }
    if !any {
        return Err(no_rows(path, "write rows below the header"));
    }
    // The end of the file closes quotes, so that a forgotten one swallows the rows to the end without a trace.
    let spot = Spot::find(path, &last, delimiter, None);
    if spot.open {
        return Err(DataError::at(path, spot.place, "these quotes are never closed", QUOTES));
    }
    Ok(())
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

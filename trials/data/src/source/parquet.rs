//! Parquet: flat columns, and lists of texts.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use hpo_protocol::embedding::Columns;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use serde_json::{Map, Number, Value};

use super::{Format, MAX_LINE, Sink, no_rows};
use crate::columns::Layout;
use crate::error::{DataError, shown};
use crate::rows::{Flaw, NOT_FINITE, Numbers, Record, Storage};

const AGAIN: &str = "write it again, with snappy, gzip, zstd or no compression";

pub(super) const PARQUET: Format = Format {
    endings: &["parquet"],
    read,
};

const STORAGE: Storage = Storage {
    record: "row",
    as_text: "store it as text",
    numbers: Numbers::Float,
};

/// Reads a file. The library asserts what only a sound file keeps: its panic is an error here.
fn read(path: &Path, file: File, mapping: Option<&Columns>, sink: &mut dyn Sink) -> Result<(), DataError> {
    catch_unwind(AssertUnwindSafe(|| read_sound(path, file, mapping, sink))).unwrap_or_else(|_| Err(damaged(path)))
}

fn damaged(path: &Path) -> DataError {
    DataError::whole(path, format!("`{}` is damaged", path.display()), AGAIN)
}

fn read_sound(path: &Path, file: File, mapping: Option<&Columns>, sink: &mut dyn Sink) -> Result<(), DataError> {
    let refused = |error: ParquetError| {
        let message = format!("cannot read `{}`: {}", path.display(), shown_error(&error));
        DataError::whole(path, message, AGAIN)
    };
    let length = file.metadata().map_or(u64::MAX, |metadata| metadata.len());
    let reader = SerializedFileReader::new(file).map_err(refused)?;
    let chunks = reader.metadata().row_groups().iter().flat_map(|group| group.columns());
    for chunk in chunks {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let end = u64::try_from(start)
            .ok()
            .zip(u64::try_from(chunk.compressed_size()).ok());
        if end
            .and_then(|(start, size)| start.checked_add(size))
            .is_none_or(|end| end > length)
        {
            return Err(damaged(path));
        }
    }
    let schema = reader.metadata().file_metadata().schema();
    let names: Vec<&str> = schema.get_fields().iter().map(|field| field.name()).collect();
    let layout = Layout::of(&names, mapping).map_err(|unclear| {
        let message = format!("`{}`: {}", path.display(), unclear.message);
        DataError::whole(path, message, unclear.help)
    })?;
    // The others are not even unpacked.
    let fields = schema.get_fields().iter();
    let used = fields.filter(|field| layout.position(field.name()).is_some());
    let projection = Type::group_type_builder(schema.name())
        .with_fields(used.map(Arc::clone).collect())
        .build()
        .map_err(refused)?;
    sink.begin(layout.clone());

    let mut cells = Vec::new();
    let mut number = 0;
    for row in reader.get_row_iter(Some(projection)).map_err(refused)? {
        let row = row.map_err(refused)?;
        number += 1;
        let wrong = |Flaw {
                         column: _,
                         message,
                         help,
                     }| {
            let message = format!("`{}`, row {number}: {message}", path.display());
            DataError::whole(path, message, help)
        };
        cells.clear();
        cells.resize(layout.columns.len(), None);
        for (name, field) in row.get_column_iter() {
            let Some(column) = layout.position(name) else { continue };
            cells[column] = Some(value(field).map_err(|what| {
                let message = format!("`{}` {what}", shown(name));
                let help = "fix the row, or write the file again".to_owned();
                wrong(Flaw { column, message, help })
            })?);
        }
        let record = Record {
            cells: &cells,
            number,
            storage: STORAGE,
        };
        sink.take(&record).map_err(wrong)?;
    }
    if number == 0 {
        return Err(no_rows(path, "write rows into it"));
    }
    Ok(())
}

/// A value as JSON has it; those that nothing is made of become empty objects.
fn value(field: &Field) -> Result<Value, &'static str> {
    let text = |text: &str| match text.len() {
        0..=MAX_LINE => Ok(Value::from(text)),
        _ => Err("is longer than 16 MiB"),
    };
    let float = |number: f64| Number::from_f64(number).map_or(Value::from(NOT_FINITE), Value::Number);
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Byte(value) => Value::from(*value),
        Field::Short(value) => Value::from(*value),
        Field::Int(value) => Value::from(*value),
        Field::Long(value) => Value::from(*value),
        Field::UByte(value) => Value::from(*value),
        Field::UShort(value) => Value::from(*value),
        Field::UInt(value) => Value::from(*value),
        Field::ULong(value) => Value::from(*value),
        Field::Float16(value) => float(f64::from(*value)),
        Field::Float(value) => float(f64::from(*value)),
        Field::Double(value) => float(*value),
        Field::Str(value) => text(value)?,
        Field::Bytes(bytes) => text(std::str::from_utf8(bytes.data()).map_err(|_| "is not UTF-8")?)?,
        Field::ListInternal(list) => list.elements().iter().map(value).collect::<Result<_, _>>()?,
        Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_)
        | Field::Group(_)
        | Field::MapInternal(_) => Value::Object(Map::new()),
    })
}

/// The first line of a message, which may quote the file.
fn shown_error(error: &ParquetError) -> String {
    let message = error.to_string();
    shown(message.lines().next().unwrap_or_default())
}

//! Parquet: flat columns, and lists of texts.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::{Format, MAX_LINE, Sink, no_rows};
use crate::error::{DataError, Mistakes, shown};
use crate::moment;
use crate::rows::{Flaw, Record, Storage};
use crate::value::{Cell, decimal, shortest};

const AGAIN: &str = "write it again, with snappy, gzip, zstd or no compression";

pub(super) const PARQUET: Format = Format {
    endings: &["parquet"],
    read,
};

const STORAGE: Storage = Storage {
    record: "row",
    as_text: "store it as text",
};

/// Reads a file. The library asserts what only a sound file keeps: its panic is an error here.
fn read(path: &Path, file: File, sink: &mut dyn Sink) -> Result<(), DataError> {
    catch_unwind(AssertUnwindSafe(|| read_sound(path, file, sink))).unwrap_or_else(|_| Err(damaged(path)))
}

fn damaged(path: &Path) -> DataError {
    DataError::whole(path, format!("`{}` is damaged", path.display()), AGAIN)
}

fn read_sound(path: &Path, file: File, sink: &mut dyn Sink) -> Result<(), DataError> {
    let refused = |error: ParquetError| {
        let message = format!("cannot read `{}`: {}", path.display(), shown_error(&error));
        DataError::whole(path, message, AGAIN)
    };
    let length = file.metadata().map_or(u64::MAX, |metadata| metadata.len());
    let reader = SerializedFileReader::new(file).map_err(refused)?;
    if !lies_within(reader.metadata(), length) {
        return Err(damaged(path));
    }
    let schema = reader.metadata().file_metadata().schema();
    let names: Vec<&str> = schema.get_fields().iter().map(|field| field.name()).collect();
    let layout = sink.begin(&names).map_err(|unclear| {
        let message = format!("`{}`: {}", path.display(), unclear.message);
        DataError::whole(path, message, unclear.help)
    })?;
    // The others are not even unpacked.
    let fields = schema.get_fields().iter();
    let used: Vec<_> = fields.filter(|field| layout.position(field.name()).is_some()).collect();
    let mut units = vec![None; layout.columns.len()];
    for field in &used {
        let unit = nanoseconds(field).map_err(|what| {
            let message = format!("`{}`: the column `{}` has {what}", path.display(), shown(field.name()));
            DataError::whole(path, message, STORAGE.as_text)
        })?;
        units[layout.position(field.name()).unwrap_or(0)] = unit;
    }
    let projection = Type::group_type_builder(schema.name())
        .with_fields(used.into_iter().map(Arc::clone).collect())
        .build()
        .map_err(refused)?;

    let mut cells = Vec::new();
    let mut number = 0;
    let mut mistakes = Mistakes::of_a_file();
    'rows: for row in reader.get_row_iter(Some(projection)).map_err(refused)? {
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
            let read = value(field, units[column]).map_err(|what| {
                let message = format!("`{}` {what}", shown(name));
                let help = "fix the row, or write the file again".to_owned();
                wrong(Flaw { column, message, help })
            });
            let Some(read) = mistakes.keep(read) else {
                continue 'rows;
            };
            cells[column] = Some(read);
        }
        let record = Record {
            cells: &cells,
            number,
            storage: STORAGE,
        };
        mistakes.keep(sink.take(&record).map_err(wrong));
    }
    mistakes.end_of(path)?;
    if number == 0 {
        return Err(no_rows(path, "write rows into it"));
    }
    Ok(())
}

/// Whether all that the file is said to hold lies within its length.
fn lies_within(metadata: &ParquetMetaData, length: u64) -> bool {
    let mut chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    chunks.all(|chunk| {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let end = u64::try_from(start)
            .ok()
            .zip(u64::try_from(chunk.compressed_size()).ok());
        let end = end.and_then(|(start, size)| start.checked_add(size));
        end.is_some_and(|end| end <= length)
    })
}

/// What 64 bits of nanoseconds are, which the library takes for a plain number.
#[derive(Debug, Clone, Copy)]
enum Nanoseconds {
    /// A time of day, from midnight on.
    Time,
    /// A moment, from the beginning of 1970 on.
    Moment,
}

/// What the numbers of a column are if they are nanoseconds.
///
/// # Errors
/// The name of a type that nothing can be made of.
fn nanoseconds(field: &Type) -> Result<Option<Nanoseconds>, &'static str> {
    let about = field.get_basic_info();
    if about.converted_type() == ConvertedType::INTERVAL {
        return Err("intervals");
    }
    Ok(match about.logical_type_ref() {
        Some(LogicalType::Uuid) => return Err("UUIDs"),
        Some(LogicalType::Time(of)) if of.unit == TimeUnit::NANOS => Some(Nanoseconds::Time),
        Some(LogicalType::Timestamp(of)) if of.unit == TimeUnit::NANOS => Some(Nanoseconds::Moment),
        _ => None,
    })
}

/// A value as the other formats have it. Dates and times are texts there.
fn value(field: &Field, nanoseconds: Option<Nanoseconds>) -> Result<Cell, &'static str> {
    let text = |text: &str| match text.len() {
        0..=MAX_LINE => Ok(Cell::Text(text.to_owned())),
        _ => Err("is longer than 16 MiB"),
    };
    let number = |number: i128| Cell::Number(number.to_string());
    let float = |written: String| Cell::Number(decimal(&written).unwrap_or(written));
    let since = |count: i64, unit: i128| i128::from(count) * unit;
    Ok(match field {
        Field::Null => Cell::Null,
        Field::Bool(value) => Cell::Bool(*value),
        Field::Byte(value) => number((*value).into()),
        Field::Short(value) => number((*value).into()),
        Field::Int(value) => number((*value).into()),
        Field::Long(value) => match nanoseconds {
            Some(Nanoseconds::Time) => Cell::Text(moment::time((*value).into())),
            Some(Nanoseconds::Moment) => Cell::Text(moment::moment((*value).into())),
            None => number((*value).into()),
        },
        Field::UByte(value) => number((*value).into()),
        Field::UShort(value) => number((*value).into()),
        Field::UInt(value) => number((*value).into()),
        Field::ULong(value) => number((*value).into()),
        Field::Float16(value) => float(shortest(*value)),
        Field::Float(value) => float(shortest(*value)),
        Field::Double(value) => float(shortest(*value)),
        // Without decimals it ends in a point.
        Field::Decimal(_) => Cell::Number(field.to_string().trim_end_matches('.').to_owned()),
        Field::Str(value) => text(value)?,
        Field::Bytes(bytes) => text(std::str::from_utf8(bytes.data()).map_err(|_| "is not UTF-8")?)?,
        Field::Date(days) => Cell::Text(moment::date((*days).into())),
        Field::TimeMillis(count) => Cell::Text(moment::time(since((*count).into(), 1_000_000))),
        Field::TimeMicros(count) => Cell::Text(moment::time(since(*count, 1_000))),
        Field::TimestampMillis(count) => Cell::Text(moment::moment(since(*count, 1_000_000))),
        Field::TimestampMicros(count) => Cell::Text(moment::moment(since(*count, 1_000))),
        Field::ListInternal(list) => {
            let elements = list.elements().iter();
            Cell::List(elements.map(|element| value(element, None)).collect::<Result<_, _>>()?)
        }
        Field::Group(_) | Field::MapInternal(_) => Cell::Other("an object"),
    })
}

/// The first line of a message, which may quote the file.
fn shown_error(error: &ParquetError) -> String {
    let message = error.to_string();
    shown(message.lines().next().unwrap_or_default())
}

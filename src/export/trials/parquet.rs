//! Parquet.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::table::{Cells, Column, WholeFile, columns};
use super::{ExportError, Output, Sink, Trials};

pub(super) fn begin(output: Output) -> Result<Box<dyn Sink>, ExportError> {
    output.required("parquet", "a file")?;
    Ok(WholeFile::begin(output, render))
}

fn render(trials: Trials<'_>, reports: bool) -> Result<Vec<u8>, ExportError> {
    write(&columns(trials, reports)).map_err(|error| ExportError::Unwritable(error.to_string()))
}

/// One row group: it is in memory anyway.
fn write(columns: &[Column]) -> Result<Vec<u8>, ParquetError> {
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties.build()))?;
    let mut group = writer.next_row_group()?;
    for column in columns {
        match &column.cells {
            Cells::Bools(values) => put::<BoolType, _>(&mut group, values, |value| *value)?,
            Cells::Integers(values) => put::<Int64Type, _>(&mut group, values, |value| *value)?,
            Cells::Floats(values) => put::<DoubleType, _>(&mut group, values, |value| *value)?,
            Cells::Texts(values) => put::<ByteArrayType, _>(&mut group, values, |text| ByteArray::from(text.as_str()))?,
            // There are more than 200 million years before it overflows.
            Cells::Moments(values) => put::<Int64Type, _>(&mut group, values, |at| at.0 as i64)?,
        }
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.cells {
        Cells::Bools(_) => (Physical::BOOLEAN, None),
        Cells::Integers(_) => (Physical::INT64, None),
        Cells::Floats(_) => (Physical::DOUBLE, None),
        Cells::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Cells::Moments(_) => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
    };
    let field = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    Ok(Arc::new(field.build()?))
}

fn put<T: DataType, C>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    cells: &[Option<C>],
    value: impl Fn(&C) -> T::T,
) -> Result<(), ParquetError> {
    // The schema has a column for each.
    let Some(mut out) = group.next_column()? else {
        return Ok(());
    };
    let present: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.iter().flatten().map(value).collect();
    out.typed::<T>().write_batch(&values, Some(&present), None)?;
    out.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::SerializedFileReader;

    use super::*;
    use crate::ids::Timestamp;

    #[test]
    fn columns_of_all_types_are_read_as_they_were_written() {
        let column = |name: &str, cells| Column {
            name: name.into(),
            cells,
        };
        let columns = [
            column("größe.x", Cells::Integers(vec![Some(-3), None])),
            column("b", Cells::Bools(vec![None, Some(true)])),
            column("f", Cells::Floats(vec![Some(1e-300), None])),
            column("t", Cells::Texts(vec![Some(String::new()), Some("你好".into())])),
            column("m", Cells::Moments(vec![Some(Timestamp(1_262_391_174_015)), None])),
        ];
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &write(&columns).unwrap()).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows: Vec<String> = reader.into_iter().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(
            rows,
            [
                "{größe.x: -3, b: null, f: 1E-300, t: \"\", m: 2010-01-02 00:12:54.015 +00:00}",
                "{größe.x: null, b: true, f: null, t: \"你好\", m: null}",
            ]
        );
        assert!(write(&[]).is_ok());
    }
}

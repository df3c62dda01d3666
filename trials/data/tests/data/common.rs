//! Files of data in all formats, and settings that name them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hpo_data::{DataError, Sets, load};
use hpo_protocol::embedding::Settings;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory of data.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Loads with the settings, in which `train`, `validation` and `test` are names of files here.
    pub fn load(&self, mut settings: Value) -> Result<Sets, DataError> {
        settings["model"] = json!("model");
        for key in ["train", "validation", "test"] {
            if let Some(name) = settings[key].as_str() {
                settings[key] = json!(self.path(name));
            } else {
                settings.as_object_mut().unwrap().remove(key);
            }
        }
        load(&serde_json::from_value::<Settings>(settings).unwrap())
    }

    /// The error of loading, with the directory left out, what it points at, and its help.
    pub fn refused(&self, settings: Value) -> (String, String, String) {
        let error = self.load(settings).map(|sets| sets.report.to_string()).unwrap_err();
        let here = format!("{}/", self.0.path().display());
        let pointed = error
            .place
            .as_ref()
            .map(|place| place.text[place.span.clone()].to_owned());
        (
            error.to_string().replace(&here, ""),
            pointed.unwrap_or_default(),
            error.help.replace(&here, ""),
        )
    }
}

/// Rows with the same columns in all formats: values are strings, whole numbers, numbers with a fraction, booleans or null.
pub fn write_all(place: &Place, name: &str, columns: &[&str], rows: &[Vec<Value>]) {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| json!(std::iter::zip(columns, row).collect::<std::collections::BTreeMap<_, _>>()).to_string())
        .collect();
    place.write(&format!("{name}.jsonl"), lines.join("\n"));
    for (ending, delimiter) in [("csv", b','), ("tsv", b'\t')] {
        let path = place.path(&format!("{name}.{ending}"));
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_path(path).unwrap();
        writer.write_record(columns).unwrap();
        for row in rows {
            let cell = |value: &Value| match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            writer.write_record(row.iter().map(cell)).unwrap();
        }
        writer.flush().unwrap();
    }
    let path = place.path(&format!("{name}.parquet"));
    write_parquet(&path, columns, rows, Compression::ZSTD(ZstdLevel::default()));
}

/// Writes Parquet with optional columns, each of the type of its first value.
pub fn write_parquet(path: &Path, columns: &[&str], rows: &[Vec<Value>], compression: Compression) {
    let column = |at: usize| rows.iter().map(move |row| &row[at]);
    let physical = |at: usize| match column(at).find(|value| !value.is_null()) {
        Some(Value::Number(number)) if number.is_f64() => Physical::DOUBLE,
        Some(Value::Number(_)) => Physical::INT64,
        Some(Value::Bool(_)) => Physical::BOOLEAN,
        _ => Physical::BYTE_ARRAY,
    };
    let field = |at: usize| {
        let kind = physical(at);
        let text = (kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let builder = Type::primitive_type_builder(columns[at], kind).with_logical_type(text);
        Arc::new(builder.with_repetition(Repetition::OPTIONAL).build().unwrap())
    };
    let fields = (0..columns.len()).map(field).collect();
    let schema = Type::group_type_builder("schema").with_fields(fields).build().unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for at in 0..columns.len() {
        let mut out = group.next_column().unwrap().unwrap();
        let levels: Vec<i16> = column(at).map(|value| i16::from(!value.is_null())).collect();
        let present = column(at).filter(|value| !value.is_null());
        match physical(at) {
            Physical::DOUBLE => {
                let values: Vec<f64> = present.map(|value| value.as_f64().unwrap()).collect();
                out.typed::<DoubleType>()
                    .write_batch(&values, Some(&levels), None)
                    .unwrap();
            }
            Physical::INT64 => {
                let values: Vec<i64> = present.map(|value| value.as_i64().unwrap()).collect();
                out.typed::<Int64Type>()
                    .write_batch(&values, Some(&levels), None)
                    .unwrap();
            }
            Physical::BOOLEAN => {
                let values: Vec<bool> = present.map(|value| value.as_bool().unwrap()).collect();
                out.typed::<BoolType>()
                    .write_batch(&values, Some(&levels), None)
                    .unwrap();
            }
            _ => {
                let values: Vec<ByteArray> = present.map(|value| value.as_str().unwrap().into()).collect();
                out.typed::<ByteArrayType>()
                    .write_batch(&values, Some(&levels), None)
                    .unwrap();
            }
        }
        out.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

/// Values of a required column of Parquet, and what they stand for.
pub enum Column {
    Text(Vec<&'static str>),
    Bool(Vec<bool>),
    Int32(Vec<i32>, Option<LogicalType>),
    Int64(Vec<i64>, Option<LogicalType>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Fixed(Vec<&'static [u8]>, Option<LogicalType>),
    /// Twelve bytes each: months, days and milliseconds.
    Intervals(usize),
}

/// Writes Parquet with required columns of any type.
pub fn write_typed(path: &Path, columns: &[(&str, Column)]) {
    fn write<T: DataType>(group: &mut SerializedRowGroupWriter<'_, File>, values: &[T::T]) {
        let mut out = group.next_column().unwrap().unwrap();
        out.typed::<T>().write_batch(values, None, None).unwrap();
        out.close().unwrap();
    }
    let bytes = |values: &[&[u8]]| -> Vec<_> {
        values
            .iter()
            .map(|value| ByteArray::from(value.to_vec()).into())
            .collect()
    };
    let field = |(name, column): &(&str, Column)| {
        let (kind, logical) = match column {
            Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Bool(_) => (Physical::BOOLEAN, None),
            Column::Int32(_, logical) => (Physical::INT32, logical.clone()),
            Column::Int64(_, logical) => (Physical::INT64, logical.clone()),
            Column::Float(_) => (Physical::FLOAT, None),
            Column::Double(_) => (Physical::DOUBLE, None),
            Column::Fixed(_, logical) => (Physical::FIXED_LEN_BYTE_ARRAY, logical.clone()),
            Column::Intervals(_) => (Physical::FIXED_LEN_BYTE_ARRAY, None),
        };
        let builder = Type::primitive_type_builder(name, kind).with_repetition(Repetition::REQUIRED);
        let builder = match (&logical, column) {
            (Some(LogicalType::Decimal(of)), _) => builder.with_precision(of.precision).with_scale(of.scale),
            (_, Column::Intervals(_)) => builder.with_converted_type(ConvertedType::INTERVAL),
            _ => builder,
        };
        let length = match column {
            Column::Fixed(values, _) => values[0].len() as i32,
            Column::Intervals(_) => 12,
            _ => -1,
        };
        Arc::new(builder.with_length(length).with_logical_type(logical).build().unwrap())
    };
    let fields = columns.iter().map(field).collect();
    let schema = Type::group_type_builder("schema").with_fields(fields).build().unwrap();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, column) in columns {
        match column {
            Column::Text(values) => {
                let values: Vec<ByteArray> = values.iter().map(|value| (*value).into()).collect();
                write::<ByteArrayType>(&mut group, &values);
            }
            Column::Bool(values) => write::<BoolType>(&mut group, values),
            Column::Int32(values, _) => write::<Int32Type>(&mut group, values),
            Column::Int64(values, _) => write::<Int64Type>(&mut group, values),
            Column::Float(values) => write::<FloatType>(&mut group, values),
            Column::Double(values) => write::<DoubleType>(&mut group, values),
            Column::Fixed(values, _) => write::<FixedLenByteArrayType>(&mut group, &bytes(values)),
            Column::Intervals(count) => write::<FixedLenByteArrayType>(&mut group, &bytes(&vec![&[0; 12][..]; *count])),
        }
    }
    group.close().unwrap();
    writer.close().unwrap();
}

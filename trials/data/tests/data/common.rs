//! Files of data in all formats, and settings that name them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hpo_data::{DataError, Sets, load};
use hpo_protocol::embedding::Settings;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
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
            error.help,
        )
    }
}

/// Rows with the same columns in all formats: values are strings, whole numbers, numbers with a fraction or null.
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

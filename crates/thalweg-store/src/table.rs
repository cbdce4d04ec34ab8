//! Tables that other programs open: columns of a parquet file.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::write;
use thalweg::analysis::columns::Column;
use thalweg::error::Error;

/// Writes columns of equal length as a parquet file.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Damaged`] if the columns cannot be encoded.
pub fn write_table(path: &Path, columns: &[(String, Column)]) -> Result<(), Error> {
    let bytes = encode_table(columns).map_err(|e| Error::Damaged {
        path: path.to_path_buf(),
        message: format!("could not be encoded: {e}"),
        hint: "this is a mistake of the program: please report it".into(),
    })?;
    write(path, &bytes)
}

fn encode_table(columns: &[(String, Column)]) -> Result<Vec<u8>, parquet::errors::ParquetError> {
    use parquet::schema::types::Type;
    let fields: Result<Vec<_>, _> = columns
        .iter()
        .map(|(name, column)| {
            use parquet::basic::{LogicalType, Repetition, Type as Physical};
            let physical = match column {
                Column::Int(_) => Physical::INT64,
                Column::Float(_) => Physical::DOUBLE,
                Column::Text(_) => Physical::BYTE_ARRAY,
            };
            let logical = matches!(column, Column::Text(_)).then_some(LogicalType::String);
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map(Arc::new)
        })
        .collect();
    let schema = Arc::new(
        Type::group_type_builder("table")
            .with_fields(fields?)
            .build()?,
    );
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, column) in columns {
        let Some(mut to) = group.next_column()? else {
            break;
        };
        match column {
            Column::Int(v) => {
                let (values, levels) = split(v);
                to.typed::<Int64Type>()
                    .write_batch(&values, Some(&levels), None)?;
            }
            Column::Float(v) => {
                let (values, levels) = split(v);
                to.typed::<DoubleType>()
                    .write_batch(&values, Some(&levels), None)?;
            }
            Column::Text(v) => {
                let (values, levels) = split(v);
                let values: Vec<ByteArray> = values.iter().map(|s| s.as_str().into()).collect();
                to.typed::<ByteArrayType>()
                    .write_batch(&values, Some(&levels), None)?;
            }
        }
        to.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

/// The values that are there, and parquet's definition level of each row.
fn split<T: Clone>(column: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    let levels = column.iter().map(|v| i16::from(v.is_some())).collect();
    (column.iter().flatten().cloned().collect(), levels)
}

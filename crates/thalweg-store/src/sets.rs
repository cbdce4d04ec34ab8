//! Training sets and inputs from files: csv, parquet, npy and npz, by the file's extension.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use parquet::basic::Compression;
use parquet::column::page::Page;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field as Value;

use super::arrays::{Named, Numbers, read_npy, read_npz};
use super::open_file;
use super::text::read_csv;
use super::thrift::walk;
use thalweg::error::Error;
use thalweg::inputs::{Field, Table};

/// Rows of a parquet file that are read; a study has no more training points.
const MOST_ROWS: i64 = 100_000;

/// The thread that reads parquet files. Its reader panics on some that are damaged; the panic ends
/// this thread alone, and a program can tell it by this name from its own.
pub const PARQUET_THREAD: &str = "parquet reader";

/// The kind of a file.
#[derive(Clone, Copy)]
enum Kind {
    Csv,
    Parquet,
    Npy,
    Npz,
}

fn kind(path: &Path) -> Result<Kind, String> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    match extension.to_lowercase().as_str() {
        "csv" | "tsv" | "txt" | "dat" => Ok(Kind::Csv),
        "parquet" => Ok(Kind::Parquet),
        "npy" => Ok(Kind::Npy),
        "npz" => Ok(Kind::Npz),
        other => Err(format!(
            "has the unknown extension `{other}`: csv, tsv, txt, dat, parquet, npy and npz are read"
        )),
    }
}

/// Reads a table: the columns of a csv or parquet file, the arrays of an npz file, or the columns
/// of an npy array, `x0`, `x1`, … and the last one `y`.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be opened, [`Error::Damaged`] if it is none.
pub fn read_table(path: &Path) -> Result<Table, Error> {
    let bad = |message: String| Error::Damaged {
        path: path.to_path_buf(),
        message,
        hint: "a training set has the columns `x0`, `x1`, …, and `y`, all finite numbers; others \
               are named by `data.columns`"
            .into(),
    };
    let kind = kind(path).map_err(bad)?;
    let file = open_file(path)?;
    match kind {
        Kind::Csv => read_csv(file),
        Kind::Parquet => read_parquet(file),
        Kind::Npy => read_npy(file).and_then(table_of_array),
        Kind::Npz => read_npz(file).and_then(table_of_arrays),
    }
    .map_err(bad)
}

/// The columns of an array [N, d + 1], or [R, N, d + 1] of R training sets.
fn table_of_array(array: Numbers) -> Result<Table, String> {
    let sets = match array.shape[..] {
        [sets, _, _] if sets > 0 => sets,
        _ => 1,
    };
    let columns = match array.shape[..] {
        // The other axis of an array without points may be of any length.
        _ if array.values.is_empty() => return Err("has no column `x0` or no row".into()),
        [_, columns] | [_, _, columns] if columns >= 2 => columns,
        [_, _] | [_, _, _] => return Err("has no column `x0` or no row".into()),
        _ => {
            return Err(format!(
                "holds an array of {} axes, not 2 or 3",
                array.shape.len()
            ));
        }
    };
    let field = |j: usize| Field {
        name: if j + 1 == columns {
            "y".into()
        } else {
            format!("x{j}")
        },
        width: 1,
        values: Ok(array
            .values
            .iter()
            .skip(j)
            .step_by(columns)
            .copied()
            .collect()),
    };
    Ok(Table {
        rows: array.values.len() / columns,
        sets,
        fields: (0..columns).map(field).collect(),
    })
}

/// The arrays of an archive, [N] or [N, d] each, where N is that of `y`, or else of the first; with
/// an array of three axes, [R, N] or [R, N, d] each, R training sets.
fn table_of_arrays(arrays: Vec<Named>) -> Result<Table, String> {
    let known = |(_, array): &&Named| array.is_ok();
    let shape_of = |(_, array): &Named| Some(array.as_ref().ok()?.shape.clone());
    let stacked = arrays.iter().find_map(|(_, array)| {
        let array = array.as_ref().ok()?;
        match array.shape[..] {
            // The other axes of an array without numbers may be of any length.
            [sets, points, _] if !array.values.is_empty() => Some(vec![sets, points]),
            _ => None,
        }
    });
    // The axes that all of them begin with.
    let axes = stacked.or_else(|| {
        let of_y = arrays.iter().find(|(name, _)| name == "y").filter(known);
        let first = |array: &Named| Some(vec![*shape_of(array)?.first()?]);
        of_y.and_then(first)
            .or_else(|| arrays.iter().find_map(first))
    });
    let axes = axes.ok_or("has no array of numbers")?;
    let targets = match axes[..] {
        [sets, points] => format!("{sets} training sets of {points} points"),
        _ => format!("{} targets", axes[0]),
    };
    let field = |(name, array): Named| {
        let (width, values) = match array {
            Err(why) => (1, Err(why)),
            Ok(array) => match array.shape.strip_prefix(&axes[..]) {
                Some([]) => (1, Ok(array.values)),
                Some(&[width]) => (width, Ok(array.values)),
                _ => {
                    let shape = array.shape;
                    (
                        1,
                        Err(format!("has `{name}` of shape {shape:?} and {targets}")),
                    )
                }
            },
        };
        Field {
            name,
            width,
            values,
        }
    };
    Ok(Table {
        rows: axes.iter().product(),
        sets: if axes.len() == 2 { axes[0] } else { 1 },
        fields: arrays.into_iter().map(field).collect(),
    })
}

/// Reads inputs [N, d] and their dimension d: the columns `x0`, `x1`, … of a csv or parquet file,
/// an npy array, or the array `x` of an npz file.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be opened, [`Error::Damaged`] if there is no column or row, or a
/// value is not a finite number.
pub fn read_points(path: &Path) -> Result<(Vec<f64>, usize), Error> {
    let bad = |message: String| Error::Damaged {
        path: path.to_path_buf(),
        message,
        hint: "inputs are the columns `x0`, `x1`, … of a csv or parquet file, an npy array \
               [N, d], or the array `x` of an npz file"
            .into(),
    };
    let kind = kind(path).map_err(bad)?;
    let file = open_file(path)?;
    let of_array = |array: Numbers| match array.shape[..] {
        [_] => Ok((array.values, 1)),
        [_, d] if d > 0 => Ok((array.values, d)),
        _ => Err(format!(
            "holds an array of shape {:?}, not [N, d]",
            array.shape
        )),
    };
    let (x, d) = match kind {
        Kind::Csv => read_csv(file).and_then(|table| inputs(&table)),
        Kind::Parquet => read_parquet(file).and_then(|table| inputs(&table)),
        Kind::Npy => read_npy(file).and_then(of_array),
        Kind::Npz => read_npz(file).and_then(|arrays| {
            let x = arrays.into_iter().find(|(name, _)| name == "x");
            of_array(x.ok_or("has no array `x`")?.1?)
        }),
    }
    .map_err(bad)?;
    if x.is_empty() {
        return Err(bad("has no row".into()));
    }
    if let Some(row) = x
        .chunks_exact(d)
        .position(|row| row.iter().any(|v| !v.is_finite()))
    {
        let row = row + 1;
        return Err(bad(format!(
            "holds a value that is not a finite number in row {row}"
        )));
    }
    Ok((x, d))
}

/// The columns `x0`, `x1`, … of a table, row by row, and how many they are.
fn inputs(table: &Table) -> Result<(Vec<f64>, usize), String> {
    let field = |j: usize| table.fields.iter().find(|f| f.name == format!("x{j}"));
    let mut columns: Vec<&Vec<f64>> = Vec::new();
    for field in (0..).map_while(field) {
        columns.push(field.values.as_ref().map_err(String::clone)?);
    }
    if columns.is_empty() {
        let names: Vec<&String> = table.fields.iter().map(|f| &f.name).collect();
        return Err(format!("has no column `x0` but {names:?}"));
    }
    let rows = 0..table.rows;
    let x = rows
        .flat_map(|i| columns.iter().map(move |c| c[i]))
        .collect();
    Ok((x, columns.len()))
}

fn read_parquet(file: File) -> Result<Table, String> {
    let reader = std::thread::Builder::new()
        .name(PARQUET_THREAD.into())
        .spawn(move || read_parquet_rows(file))
        .map_err(|e| format!("cannot be read: {e}"))?;
    reader
        .join()
        .unwrap_or_else(|_| Err("is damaged: its parquet reader gave up".into()))
}

fn read_parquet_rows(mut file: File) -> Result<Table, String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|e| format!("cannot be read: {e}"))?;
    check_footer(&bytes)?;
    let damaged = |e: ParquetError| format!("is damaged: {e}");
    let reader = SerializedFileReader::new(file).map_err(|e| format!("is no parquet file: {e}"))?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let names: Vec<String> = schema
        .columns()
        .iter()
        .map(|c| c.name().to_string())
        .collect();
    let rows = metadata.row_groups().iter().map(|g| g.num_rows());
    let rows = rows.fold(0i64, i64::saturating_add);
    if !(0..=MOST_ROWS).contains(&rows) {
        return Err(format!("has {rows} rows, more than {MOST_ROWS}"));
    }
    check_compression(metadata)?;
    check_headers(&bytes, metadata)?;
    check_pages(&reader).map_err(damaged)??;
    let mut fields: Vec<Field> = (names.into_iter())
        .map(|name| Field {
            name,
            width: 1,
            values: Ok(Vec::new()),
        })
        .collect();
    let mut rows = 0;
    for row in reader.get_row_iter(None).map_err(damaged)? {
        let row = row.map_err(damaged)?;
        rows += 1;
        if row.len() != fields.len() {
            return Err(format!(
                "is not a flat table: {} values in row {rows}",
                row.len()
            ));
        }
        for ((name, value), field) in row.get_column_iter().zip(&mut fields) {
            // Of a column that is no numbers the first that is none is told, if it is asked for.
            if let Ok(values) = &mut field.values {
                match number(value) {
                    Ok(number) => values.push(number),
                    Err(what) => {
                        field.values = Err(format!("{what} in column `{name}` in row {rows}"));
                    }
                }
            }
        }
    }
    Ok(Table {
        rows,
        sets: 1,
        fields,
    })
}

/// A value of a parquet file as a number; the error is what it is instead.
fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Double(v) => Ok(*v),
        Value::Float(v) => Ok(f64::from(*v)),
        Value::Float16(v) => Ok(v.to_f64()),
        Value::Byte(v) => Ok(f64::from(*v)),
        Value::Short(v) => Ok(f64::from(*v)),
        Value::Int(v) => Ok(f64::from(*v)),
        Value::Long(v) => Ok(*v as f64),
        Value::UByte(v) => Ok(f64::from(*v)),
        Value::UShort(v) => Ok(f64::from(*v)),
        Value::UInt(v) => Ok(f64::from(*v)),
        Value::ULong(v) => Ok(*v as f64),
        Value::Bool(v) => Ok(f64::from(u8::from(*v))),
        // Written with its decimal point.
        Value::Decimal(_) => (value.to_string().parse())
            .map_err(|_| format!("holds `{value}`, which is not a number,")),
        Value::Null => Err("has nothing".into()),
        other => {
            let shown: String = other.to_string().chars().take(30).collect();
            Err(format!("holds `{shown}`, which is not a number,"))
        }
    }
}

/// That its columns are compressed in a way that is read, or not.
fn check_compression(metadata: &ParquetMetaData) -> Result<(), String> {
    let groups = metadata.row_groups().iter();
    for column in groups.flat_map(|group| group.columns()) {
        match column.compression() {
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::LZ4
            | Compression::LZ4_RAW => {}
            other => {
                let name = format!("{other}");
                let name = name.split('(').next().unwrap_or_default().to_lowercase();
                return Err(format!(
                    "is compressed with {name}, which is not read: write it with \
                     `compression=\"snappy\"`"
                ));
            }
        }
    }
    Ok(())
}

/// That no page claims more values than its column has rows, or than it has bytes: the reader makes
/// room for what is claimed. The inner error is what is wrong with the file.
fn check_pages(reader: &SerializedFileReader<File>) -> Result<Result<(), String>, ParquetError> {
    for g in 0..reader.num_row_groups() {
        let group = reader.get_row_group(g)?;
        let rows = group.metadata().num_rows();
        for column in 0..group.num_columns() {
            let mut held = 0i64;
            let mut pages = group.get_column_page_reader(column)?;
            while let Some(page) = pages.get_next_page()? {
                let values = i64::from(page.num_values());
                match page {
                    Page::DictionaryPage { buf, .. } if values > buf.len() as i64 => {
                        return Ok(Err(format!("is damaged: a page claims {values} values")));
                    }
                    Page::DictionaryPage { .. } => {}
                    Page::DataPage { .. } | Page::DataPageV2 { .. } => held += values,
                }
            }
            if held != rows {
                return Ok(Err(format!(
                    "is damaged, or not a flat table: {held} values in {rows} rows"
                )));
            }
        }
    }
    Ok(Ok(()))
}

/// That the description of the file, before its last eight bytes, claims no more than it holds.
fn check_footer(bytes: &[u8]) -> Result<(), String> {
    let wrong = || "is no parquet file, or damaged: its end does not describe it".to_string();
    let rest = bytes.strip_suffix(b"PAR1").ok_or_else(wrong)?;
    let (rest, length) = rest.split_last_chunk::<4>().ok_or_else(wrong)?;
    let start = rest.len().checked_sub(u32::from_le_bytes(*length) as usize);
    walk(&rest[start.ok_or_else(wrong)?..]).ok_or_else(wrong)?;
    Ok(())
}

/// That the header of every page claims no more than the file holds.
fn check_headers(bytes: &[u8], metadata: &ParquetMetaData) -> Result<(), String> {
    let wrong = || "is damaged: the header of a page does not describe it".to_string();
    for column in metadata.row_groups().iter().flat_map(|g| g.columns()) {
        let (start, length) = column.byte_range();
        let end = start.checked_add(length).ok_or_else(wrong)?;
        let mut rest = (bytes.get(start as usize..end as usize)).ok_or_else(wrong)?;
        while !rest.is_empty() {
            let (header, size) = walk(rest).ok_or_else(wrong)?;
            let page = size.and_then(|size| header.checked_add(size));
            rest = page.and_then(|page| rest.get(page..)).ok_or_else(wrong)?;
        }
    }
    Ok(())
}

//! Training sets and inputs from files: csv, parquet, npy and npz, by the file's extension.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use parquet::basic::Compression;
use parquet::column::page::Page;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::arrays::{read_npy, read_npz};
use super::io;
use super::text::read_csv;
use super::thrift::walk;
use thalweg::data::Set;
use thalweg::error::Error;

/// Rows of a parquet file that are read; a study has no more training points.
const MOST_ROWS: i64 = 100_000;

/// The thread that reads parquet files. Its reader panics on some that are damaged; the panic ends
/// this thread alone, and a program can tell it by this name from its own.
pub const PARQUET_THREAD: &str = "parquet reader";

/// Named columns, and rows of as many numbers.
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<f64>>,
}

impl Columns {
    /// The places of `x0`, `x1`, … as far as they go.
    fn inputs(&self) -> Vec<usize> {
        (0..).map_while(|j| self.place(&format!("x{j}"))).collect()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }
}

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

/// Reads a training set: columns `x0`, `x1`, … and `y` of a csv or parquet file, an npy array whose
/// last column is y, or the arrays `x` and `y` of an npz file.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be opened, [`Error::Damaged`] if a column is missing, a value is not
/// a finite number, or there is no row.
pub fn read_set(path: &Path) -> Result<Set, Error> {
    let bad = |message: String| Error::Damaged {
        path: path.to_path_buf(),
        message,
        hint: "a training set has the columns `x0`, `x1`, …, and `y`, all finite numbers".into(),
    };
    let kind = kind(path).map_err(bad)?;
    let file = File::open(path).map_err(io("read", path))?;
    let set = match kind {
        Kind::Csv => read_csv(file).and_then(set_of_columns),
        Kind::Parquet => read_parquet(file).and_then(set_of_columns),
        Kind::Npy => read_npy(file).and_then(|array| match array.shape[..] {
            // The other axis of an array without points may be of any length.
            _ if array.values.is_empty() => Err("has no column `x0` or no row".into()),
            [_, columns] if columns >= 2 => Ok(set_of_rows(
                array.values.chunks_exact(columns),
                &Vec::from_iter(0..columns - 1),
                columns - 1,
            )),
            [_, _] => Err("has no column `x0` or no row".into()),
            _ => Err(format!(
                "holds an array of {} axes, not 2",
                array.shape.len()
            )),
        }),
        Kind::Npz => read_npz(file, ["x", "y"]).and_then(|[x, y]| {
            let points = y.values.len();
            match y.shape[..] {
                [_] | [_, 1] => {}
                [_, k] => {
                    return Err(format!(
                        "has {k} targets a point, y of shape {:?}: one is trained",
                        y.shape
                    ));
                }
                _ => return Err(format!("has y of shape {:?}, not [N] or [N, 1]", y.shape)),
            }
            if x.shape.first() != Some(&points) || x.shape.len() > 2 {
                return Err(format!("has x of shape {:?} and {points} targets", x.shape));
            }
            Ok(Set {
                points,
                x: x.values,
                y: y.values,
            })
        }),
    };
    let set = set.map_err(bad)?;
    if set.x.is_empty() || set.y.is_empty() {
        return Err(bad("has no column `x0` or no row".into()));
    }
    let d = set.x.len() / set.y.len();
    finite(
        set.x
            .chunks_exact(d)
            .zip(&set.y)
            .map(|(x, y)| x.iter().chain([y])),
    )
    .map_err(bad)?;
    Ok(set)
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
    let file = File::open(path).map_err(io("read", path))?;
    let of_columns = |columns: Columns| {
        let at = columns.inputs();
        if at.is_empty() {
            return Err(format!("has no column `x0` but {:?}", columns.names));
        }
        let rows = columns.rows.iter();
        Ok((
            rows.flat_map(|row| at.iter().map(|&j| row[j])).collect(),
            at.len(),
        ))
    };
    let of_array = |array: super::arrays::Numbers| match array.shape[..] {
        [_] => Ok((array.values, 1)),
        [_, d] if d > 0 => Ok((array.values, d)),
        _ => Err(format!(
            "holds an array of shape {:?}, not [N, d]",
            array.shape
        )),
    };
    let (x, d): (Vec<f64>, usize) = match kind {
        Kind::Csv => read_csv(file).and_then(of_columns),
        Kind::Parquet => read_parquet(file).and_then(of_columns),
        Kind::Npy => read_npy(file).and_then(of_array),
        Kind::Npz => read_npz(file, ["x"]).and_then(|[x]| of_array(x)),
    }
    .map_err(bad)?;
    if x.is_empty() {
        return Err(bad("has no row".into()));
    }
    finite(x.chunks_exact(d).map(<[f64]>::iter)).map_err(bad)?;
    Ok((x, d))
}

/// That all numbers of all rows are finite.
fn finite<'a, R: Iterator<Item = &'a f64>>(
    mut rows: impl Iterator<Item = R>,
) -> Result<(), String> {
    match rows.position(|mut row| row.any(|v| !v.is_finite())) {
        Some(row) => Err(format!(
            "holds a value that is not a finite number in row {}",
            row + 1
        )),
        None => Ok(()),
    }
}

fn set_of_columns(columns: Columns) -> Result<Set, String> {
    let names = &columns.names;
    let y = columns
        .place("y")
        .ok_or_else(|| format!("has no column `y` but {names:?}"))?;
    let x = columns.inputs();
    if x.is_empty() || columns.rows.is_empty() {
        return Err("has no column `x0` or no row".into());
    }
    if x.len() + 1 != names.len() {
        return Err(format!("has other columns than x0, x1, … and y: {names:?}"));
    }
    Ok(set_of_rows(columns.rows.iter().map(Vec::as_slice), &x, y))
}

/// The set whose inputs and target stand at these places of each row.
fn set_of_rows<'a>(rows: impl Iterator<Item = &'a [f64]>, x: &[usize], y: usize) -> Set {
    let mut set = Set {
        points: 0,
        x: Vec::new(),
        y: Vec::new(),
    };
    for row in rows {
        set.x.extend(x.iter().map(|&j| row[j]));
        set.y.push(row[y]);
        set.points += 1;
    }
    set
}

fn read_parquet(file: File) -> Result<Columns, String> {
    let reader = std::thread::Builder::new()
        .name(PARQUET_THREAD.into())
        .spawn(move || read_parquet_rows(file))
        .map_err(|e| format!("cannot be read: {e}"))?;
    reader
        .join()
        .unwrap_or_else(|_| Err("is damaged: its parquet reader gave up".into()))
}

fn read_parquet_rows(mut file: File) -> Result<Columns, String> {
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
    let mut all = Vec::new();
    for row in reader.get_row_iter(None).map_err(damaged)? {
        let row = row.map_err(damaged)?;
        let place = all.len() + 1;
        let values: Result<Vec<f64>, String> = row
            .get_column_iter()
            .map(|(name, field)| match field {
                Field::Double(v) => Ok(*v),
                Field::Float(v) => Ok(f64::from(*v)),
                Field::Float16(v) => Ok(v.to_f64()),
                Field::Byte(v) => Ok(f64::from(*v)),
                Field::Short(v) => Ok(f64::from(*v)),
                Field::Int(v) => Ok(f64::from(*v)),
                Field::Long(v) => Ok(*v as f64),
                Field::UByte(v) => Ok(f64::from(*v)),
                Field::UShort(v) => Ok(f64::from(*v)),
                Field::UInt(v) => Ok(f64::from(*v)),
                Field::ULong(v) => Ok(*v as f64),
                Field::Bool(v) => Ok(f64::from(u8::from(*v))),
                Field::Null => Err(format!("has nothing in column `{name}` in row {place}")),
                other => Err(format!(
                    "holds `{other}`, which is not a number, in column `{name}`"
                )),
            })
            .collect();
        let values = values?;
        if values.len() != names.len() {
            return Err(format!(
                "is not a flat table: {} values in row {place}",
                values.len()
            ));
        }
        all.push(values);
    }
    Ok(Columns { names, rows: all })
}

/// That its columns are compressed with snappy, or not.
fn check_compression(metadata: &ParquetMetaData) -> Result<(), String> {
    let groups = metadata.row_groups().iter();
    for column in groups.flat_map(|group| group.columns()) {
        match column.compression() {
            Compression::UNCOMPRESSED | Compression::SNAPPY => {}
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

//! The run folder: records that survive anything, and tables that other programs open.
//!
//! Every file is written to a sibling and renamed, so a reader sees all of it or nothing. A cell is
//! finished when its record file is there; the file's name is the content hash of the cell and the
//! engine, so a changed study never takes up a cell that differs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::analysis::columns::Column;
use crate::descent::Precision;
use crate::error::Error;
use crate::inputs::{Array, Inputs, Names};
use crate::plan::{Cell, Plan};
use crate::record::{Kept, Record};
use crate::study::{Source, Study};

const MAGIC: &[u8; 8] = b"thalweg1";

/// Writes a whole file, or none of it.
///
/// # Errors
///
/// [`Error::Io`], a full disk for instance; what was there before is still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let attempt = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        // Temporary files are private; what a run leaves behind is not.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file()
                .set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path)?;
        Ok(())
    };
    attempt().map_err(Error::io("write", path))
}

/// Writes named arrays (name, shape, values in C order) as an npz file for `numpy.load`.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_arrays(path: &Path, arrays: &[(&str, &[usize], &[f64])]) -> Result<(), Error> {
    use npyz::WriterBuilder;
    let attempt = || -> std::io::Result<Vec<u8>> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut archive = npyz::npz::NpzWriter::new(&mut bytes);
        for (name, shape, values) in arrays {
            let shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
            let mut writer = archive
                .array(name, Default::default())?
                .default_dtype()
                .shape(&shape)
                .begin_nd()?;
            writer.extend(values.iter().copied())?;
            writer.finish()?;
        }
        drop(archive);
        Ok(bytes.into_inner())
    };
    write(path, &attempt().map_err(Error::io("write", path))?)
}

/// The file of a cell's record.
pub fn record_path(folder: &Path, cell: &Cell, engine: &str) -> PathBuf {
    folder
        .join("cells")
        .join(format!("{}-{engine}.record", cell.hash))
}

/// Keeps a finished cell.
///
/// # Errors
///
/// [`Error::Io`].
pub fn save(folder: &Path, cell: &Cell, record: &Record) -> Result<(), Error> {
    let path = record_path(folder, cell, &record.engine);
    let body = rmp_serde::to_vec_named(record).map_err(|e| Error::Damaged {
        path: path.clone(),
        message: format!("could not be encoded: {e}"),
        hint: "this is a mistake of the program: please report it".into(),
    })?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(blake3::hash(&body).as_bytes());
    bytes.extend_from_slice(&body);
    write(&path, &bytes)
}

/// The record of a cell, if it is finished.
///
/// # Errors
///
/// [`Error::Damaged`] if the file is not what was written; [`Error::Io`].
pub fn load(folder: &Path, cell: &Cell, engine: &str) -> Result<Option<Record>, Error> {
    let path = record_path(folder, cell, engine);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", path)(e)),
    };
    let damaged = |message: &str| Error::Damaged {
        path: path.clone(),
        message: message.into(),
        hint: "delete it: the same command trains this cell again and keeps the others".into(),
    };
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| damaged("is no record of this version of the program"))?;
    if rest.len() < 32 || blake3::hash(&rest[32..]).as_bytes()[..] != rest[..32] {
        return Err(damaged(
            "is damaged: its checksum does not match its content",
        ));
    }
    let record: Record =
        rmp_serde::from_slice(&rest[32..]).map_err(|e| damaged(&format!("cannot be read: {e}")))?;
    Ok(Some(record))
}

/// The study of a run folder.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Damaged`] if it is no run folder.
pub fn load_source(folder: &Path) -> Result<Source, Error> {
    let path = folder.join("study.toml");
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    // Files that the study names are relative to where it was read from.
    let home = fs::read_to_string(folder.join("cells").join("home")).unwrap_or_default();
    let home = if home.is_empty() {
        folder.to_path_buf()
    } else {
        PathBuf::from(home.trim())
    };
    Ok(Source {
        name: path.display().to_string(),
        text,
        folder: home,
    })
}

/// Removes the records of a plan's cells, so that all of them are trained again.
///
/// # Errors
///
/// [`Error::Io`].
pub fn forget(folder: &Path, plan: &Plan, engine: &str) -> Result<(), Error> {
    for cell in &plan.cells {
        let path = record_path(folder, cell, engine);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", path)(e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes what is known before anything runs: `study.toml` and `plan.json`.
///
/// # Errors
///
/// [`Error::Io`].
pub fn begin(folder: &Path, source: &Source, plan: &Plan) -> Result<(), Error> {
    write(&folder.join("study.toml"), source.text.as_bytes())?;
    let home = fs::canonicalize(&source.folder).unwrap_or_else(|_| source.folder.clone());
    write(
        &folder.join("cells").join("home"),
        home.display().to_string().as_bytes(),
    )?;
    let json = serde_json::to_string_pretty(plan).unwrap_or_default();
    write(&folder.join("plan.json"), json.as_bytes())
}

// ---------------------------------------------------------------------------------------------
// Inputs

/// The plan of a study that was read, with the files that it names, relative to its folder.
///
/// # Errors
///
/// [`Error::Study`] with line and column; what [`read_inputs`] finds.
pub fn plan(source: &Source) -> Result<Plan, Error> {
    source.plan(&read_inputs(&source.study()?, &source.folder)?)
}

/// The data sets and weights that a study names, from files relative to `folder`.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Damaged`] for the first that cannot be read.
pub fn read_inputs(study: &Study, folder: &Path) -> Result<Inputs, Error> {
    let names = Names::of(study);
    let mut inputs = Inputs::default();
    for name in names.data {
        inputs = inputs.with_data(&name, crate::data::read(&folder.join(&name))?)?;
    }
    for name in names.weights {
        inputs = inputs.with_weights(&name, read_tensors(&folder.join(&name))?)?;
    }
    Ok(inputs)
}

// ---------------------------------------------------------------------------------------------
// Tables

/// Writes columns of equal length as a parquet file (zstd).
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
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
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

// ---------------------------------------------------------------------------------------------
// Weights

/// Writes the weights of a kept replicate in the names and shapes of PyTorch's `state_dict`, and
/// beside them its training set and the network's outputs on it (`….data.safetensors`).
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_weights(folder: &Path, cell: &Cell, kept: &Kept) -> Result<PathBuf, Error> {
    let stem = format!("cell-{:03}-replicate-{:03}", cell.number, kept.replicate);
    let path = folder.join("weights").join(format!("{stem}.safetensors"));
    let problem = cell.problem();
    let precision = cell.setting.descent.precision;
    let tensors = problem
        .tensors
        .iter()
        .map(|t| Array {
            name: t.name.clone(),
            shape: t.shape.clone(),
            values: kept.weights[t.range()].to_vec(),
        })
        .collect();
    let about = [
        ("step", kept.step.to_string()),
        ("loss", format!("{:e}", kept.loss)),
        ("cell", cell.number.to_string()),
        ("replicate", kept.replicate.to_string()),
        (
            "net",
            serde_json::to_string(&cell.setting.net).unwrap_or_default(),
        ),
    ];
    write(&path, &encode_tensors(&path, tensors, precision, &about)?)?;
    let data = folder
        .join("weights")
        .join(format!("{stem}.data.safetensors"));
    let n = kept.y.len();
    let array = |name: &str, shape: Vec<usize>, values: &[f64]| Array {
        name: name.into(),
        shape,
        values: values.to_vec(),
    };
    let tensors = vec![
        array("x", vec![n, kept.x.len() / n.max(1)], &kept.x),
        array("y", vec![n], &kept.y),
        array("outputs", vec![n], &kept.outputs),
    ];
    write(&data, &encode_tensors(&data, tensors, precision, &[])?)?;
    Ok(path)
}

fn encode_tensors(
    path: &Path,
    tensors: Vec<Array>,
    precision: Precision,
    about: &[(&str, String)],
) -> Result<Vec<u8>, Error> {
    let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(
            |Array {
                 name,
                 shape,
                 values,
             }| match precision {
                Precision::F32 => {
                    let bytes = values
                        .iter()
                        .flat_map(|v| (*v as f32).to_le_bytes())
                        .collect();
                    (name, Dtype::F32, shape, bytes)
                }
                Precision::F64 => (
                    name,
                    Dtype::F64,
                    shape,
                    values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                ),
            },
        )
        .collect();
    let encode = || {
        let views: Result<Vec<(String, TensorView<'_>)>, safetensors::SafeTensorError> = bytes
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                Ok((name.clone(), TensorView::new(*dtype, shape.clone(), bytes)?))
            })
            .collect();
        let about = about
            .iter()
            .map(|(k, v)| (k.to_string(), v.clone()))
            .collect();
        safetensors::serialize(views?, Some(about))
    };
    encode().map_err(|e: safetensors::SafeTensorError| Error::Damaged {
        path: path.to_path_buf(),
        message: format!("could not be encoded: {e}"),
        hint: "this is a mistake of the program: please report it".into(),
    })
}

/// All tensors of a safetensors file, by name, as doubles; f32 and f64 are read.
///
/// # Errors
///
/// [`Error::Damaged`] for anything else, with a hint how to convert a PyTorch pickle.
pub fn read_tensors(path: &Path) -> Result<Vec<Array>, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let convert = "convert it in Python: `import torch, safetensors.torch as s; \
                   s.save_file(torch.load(\"model.pth\", weights_only=True), \"model.safetensors\")`";
    let damaged = |message: String, hint: &str| Error::Damaged {
        path: path.to_path_buf(),
        message,
        hint: hint.into(),
    };
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    if bytes.starts_with(b"PK")
        || bytes.starts_with(&[0x80])
        || ["pth", "pt", "pkl"].contains(&extension)
    {
        return Err(damaged(
            "is a Python pickle, which can run code and is not read".into(),
            convert,
        ));
    }
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| damaged(format!("is no safetensors file: {e}"), convert))?;
    let mut all = Vec::new();
    for (name, view) in file.tensors() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                .collect(),
            Dtype::F64 => data
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
                .collect(),
            other => {
                return Err(damaged(
                    format!("holds `{name}` as {other:?}"),
                    "save it as float32 or float64: `tensor.double()`",
                ));
            }
        };
        all.push(Array {
            name,
            shape: view.shape().to_vec(),
            values,
        });
    }
    // 0.weight before 0.bias before 2.weight before 10.weight, as PyTorch lists them.
    all.sort_by_key(|Array { name, .. }| {
        let (module, kind) = name.split_once('.').unwrap_or(("", name));
        (
            module.parse::<u64>().unwrap_or(u64::MAX),
            kind != "weight",
            name.clone(),
        )
    });
    Ok(all)
}

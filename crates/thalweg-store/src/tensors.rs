//! Weights as safetensors, with the names and shapes of PyTorch's `state_dict`.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors};

use super::arrays::{Named, Numbers, read_npz};
use super::{open_file, read, write};
use thalweg::descent::Precision;
use thalweg::error::Error;
use thalweg::inputs::Array;
use thalweg::plan::Cell;
use thalweg::record::Kept;

/// The files of a kept replicate: its weights, and the data beside them.
pub fn weights_of(folder: &Path, cell: &Cell, replicate: u64) -> [PathBuf; 2] {
    let stem = format!("cell-{:03}-replicate-{replicate:03}", cell.listed);
    let folder = folder.join("weights");
    [
        folder.join(format!("{stem}.safetensors")),
        folder.join(format!("{stem}.data.safetensors")),
    ]
}

/// Writes the weights of a kept replicate in the names and shapes of PyTorch's `state_dict`, and
/// beside them its training set and the network's outputs on it (`….data.safetensors`).
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_weights(folder: &Path, cell: &Cell, kept: &Kept) -> Result<PathBuf, Error> {
    let [path, data] = weights_of(folder, cell, kept.replicate);
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
        ("cell", cell.listed.to_string()),
        ("replicate", kept.replicate.to_string()),
        (
            "net",
            serde_json::to_string(&cell.setting.net).unwrap_or_default(),
        ),
    ];
    write(&path, &encode_tensors(&path, tensors, precision, &about)?)?;
    let (n, k) = (problem.points, problem.outputs());
    let of_outputs = match k {
        1 => vec![n],
        _ => vec![n, k],
    };
    let array = |name: &str, shape: Vec<usize>, values: &[f64]| Array {
        name: name.into(),
        shape,
        values: values.to_vec(),
    };
    let mut tensors = vec![
        array("x", vec![n, kept.x.len() / n.max(1)], &kept.x),
        array("y", of_outputs.clone(), &kept.y),
        array("outputs", of_outputs.clone(), &kept.outputs),
    ];
    let outputs_test = kept.test_outputs.as_ref();
    if let Some((set, outputs)) = cell.test_set(kept.replicate).zip(outputs_test) {
        let m = set.points;
        let of_test = match k {
            1 => vec![m],
            _ => vec![m, k],
        };
        tensors.push(array("x_test", vec![m, cell.dim()], &set.x));
        if let Some(y) = &set.y {
            tensors.push(array("y_test", of_test.clone(), y));
        }
        tensors.push(array("outputs_test", of_test.clone(), outputs));
        if let Some(scaling) = cell.scaling(kept.replicate) {
            let mut original = outputs.clone();
            scaling.original_outputs(&mut original);
            tensors.push(array("outputs_test_original", of_test, &original));
        }
    }
    if let Some(scaling) = cell.scaling(kept.replicate) {
        let mut original = kept.outputs.clone();
        scaling.original_outputs(&mut original);
        tensors.push(array("outputs_original", of_outputs, &original));
        for (name, values) in [
            ("x_mean", &scaling.x_mean),
            ("x_std", &scaling.x_std),
            ("y_mean", &scaling.y_mean),
            ("y_std", &scaling.y_std),
        ] {
            tensors.push(array(name, vec![values.len()], values));
        }
    }
    write(&data, &encode_tensors(&data, tensors, precision, &[])?)?;
    Ok(path)
}

fn encode_tensors(
    path: &Path,
    tensors: Vec<Array>,
    precision: Precision,
    about: &[(&str, String)],
) -> Result<Vec<u8>, Error> {
    // Written here: the library's own writer takes the texts in no order, and so gives the same
    // weights other bytes from run to run.
    let mut header = serde_json::Map::new();
    if !about.is_empty() {
        let about = about
            .iter()
            .map(|(key, text)| (key.to_string(), text.clone().into()));
        let about: serde_json::Map<String, serde_json::Value> = about.collect();
        header.insert("__metadata__".into(), about.into());
    }
    let mut data: Vec<u8> = Vec::new();
    for tensor in tensors {
        let begun = data.len();
        let dtype = match precision {
            Precision::F32 => {
                let numbers = tensor.values.iter().flat_map(|v| (*v as f32).to_le_bytes());
                data.extend(numbers);
                "F32"
            }
            Precision::F64 => {
                data.extend(tensor.values.iter().flat_map(|v| v.to_le_bytes()));
                "F64"
            }
        };
        let entry = serde_json::json!({
            "dtype": dtype,
            "shape": tensor.shape,
            "data_offsets": [begun, data.len()],
        });
        header.insert(tensor.name, entry);
    }
    let mut text = serde_json::to_string(&header).map_err(|e| Error::Damaged {
        path: path.to_path_buf(),
        message: format!("could not be encoded: {e}"),
        hint: "this is a mistake of the program: please report it".into(),
    })?;
    // The numbers begin at a multiple of eight.
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(&data);
    Ok(bytes)
}

/// Whether the first eight bytes are the length of a header of safetensors: the first of them may
/// be any, that of a pickle too.
fn has_header(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    let length = u64::from_le_bytes(*length);
    length <= rest.len() as u64 && rest.first() == Some(&b'{')
}

/// All tensors of a safetensors file, by name, as doubles: floats of 16 (also bfloat), 32 and 64
/// bits, integers, bools; or the arrays of an npz file.
///
/// # Errors
///
/// [`Error::Damaged`] for anything else, with a hint how to convert a PyTorch pickle.
pub fn read_tensors(path: &Path) -> Result<Vec<Array>, Error> {
    let bytes = read(path)?;
    let convert = "convert it in Python: `import torch, safetensors.torch as s; \
                   s.save_file(torch.load(\"model.pth\", \
                   weights_only=True), \"model.safetensors\")`";
    let damaged = |message: String, hint: &str| Error::Damaged {
        path: path.to_path_buf(),
        message,
        hint: hint.into(),
    };
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    if extension == "npz" {
        let why = |message: String| damaged(message, "arrays of numbers, by their names");
        let read = |(name, array): Named| {
            let Numbers { shape, values } = array.map_err(why)?;
            Ok(Array {
                name,
                shape,
                values,
            })
        };
        let arrays = read_npz(open_file(path)?).map_err(why)?;
        return arrays.into_iter().map(read).collect();
    }
    if bytes.starts_with(b"PK")
        || (matches!(bytes[..], [0x80, 2..=5, ..]) && !has_header(&bytes))
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
            Dtype::F16 => data
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f64())
                .collect(),
            Dtype::BF16 => data
                .chunks_exact(2)
                .map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f64())
                .collect(),
            // Counters of batches and masks, which `thalweg weights` shows.
            Dtype::BOOL | Dtype::U8 => data.iter().map(|b| f64::from(*b)).collect(),
            Dtype::I8 => data
                .iter()
                .map(|b| f64::from(i8::from_le_bytes([*b])))
                .collect(),
            Dtype::I16 => data
                .chunks_exact(2)
                .map(|b| f64::from(i16::from_le_bytes([b[0], b[1]])))
                .collect(),
            Dtype::U16 => data
                .chunks_exact(2)
                .map(|b| f64::from(u16::from_le_bytes([b[0], b[1]])))
                .collect(),
            Dtype::I32 => data
                .chunks_exact(4)
                .map(|b| f64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                .collect(),
            Dtype::U32 => data
                .chunks_exact(4)
                .map(|b| f64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                .collect(),
            Dtype::I64 => data
                .chunks_exact(8)
                .map(|b| {
                    i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f64
                })
                .collect(),
            Dtype::U64 => data
                .chunks_exact(8)
                .map(|b| {
                    u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f64
                })
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

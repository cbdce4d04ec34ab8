//! The native half of the Python package `thalweg`: studies as text, data as arrays, results as
//! arrays, tables and JSON. What is comfortable is written in Python, beside it.

mod arrow;
mod run;
mod theory;

use std::ffi::OsString;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PyOSError, PyValueError};
use pyo3::prelude::*;
use thalweg::Error;

create_exception!(
    thalweg._thalweg,
    StudyError,
    PyValueError,
    "A study says something impossible."
);
create_exception!(
    thalweg._thalweg,
    NoTheoryError,
    PyValueError,
    "Theory says nothing of this network or descent."
);
create_exception!(
    thalweg._thalweg,
    ThalwegError,
    PyException,
    "What else went wrong."
);

/// An error as an exception of Python, with its place and its hint.
fn raised(error: Error) -> PyErr {
    let text = match error.hint() {
        Some(hint) => format!("{error}\n\nhint: {hint}"),
        None => error.to_string(),
    };
    match error {
        Error::Study { .. }
        | Error::Unknown { .. }
        | Error::NoSuchCell { .. }
        | Error::NoSuchReplicate { .. } => StudyError::new_err(text),
        Error::NoTheory(_) => NoTheoryError::new_err(text),
        Error::Io { .. } => PyOSError::new_err(text),
        Error::Stopped { .. } => PyKeyboardInterrupt::new_err(text),
        Error::Damaged { .. } | Error::Certificate { .. } | Error::Engine(_) => {
            ThalwegError::new_err(text)
        }
    }
}

/// What can be written as JSON, for Python to read.
fn json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|e| ThalwegError::new_err(e.to_string()))
}

/// The whole key that a name means, as `points` means `data.points`; none if it means none.
#[pyfunction]
fn key(name: &str) -> Option<String> {
    thalweg::study::key_meant(name)
}

/// Whether JSON is a law of initial weights, such as `{"weight_std": [1.5, 1.5, 1.0]}`.
#[pyfunction]
fn is_init(json: &str) -> bool {
    serde_json::from_str::<thalweg::net::Init>(json).is_ok()
}

/// A study given as JSON in the words of a study file.
#[pyfunction]
fn toml_of(json: &str) -> PyResult<String> {
    let table: toml::Table =
        serde_json::from_str(json).map_err(|e| StudyError::new_err(e.to_string()))?;
    toml::to_string(&table).map_err(|e| StudyError::new_err(e.to_string()))
}

/// The text of a built-in study, or of a study file.
#[pyfunction]
fn text_of(name: &str) -> PyResult<(String, String)> {
    let source = thalweg_store::open(name).map_err(raised)?;
    let folder = source.folder.to_string_lossy().into_owned();
    Ok((source.text, folder))
}

/// The stem of the files of a comparison.
#[pyfunction]
fn stem(name: &str) -> String {
    thalweg_report::slug(name)
}

/// The program `thalweg` with these arguments, its own name first; its exit code.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<String>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
    py.detach(|| thalweg_cli::main(&arguments).code())
}

#[pymodule]
mod _thalweg {
    #[pymodule_export]
    use super::run::{Plan, Run, Table};
    #[pymodule_export]
    use super::theory::{curvature, empirical, kernels, largest_stable_rate, phase, predict};
    #[pymodule_export]
    use super::{
        NoTheoryError, StudyError, ThalwegError, is_init, key, main, stem, text_of, toml_of,
    };
}

//! The study that the arguments name, and what will be run of it.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use thalweg::{Error, Plan, Source};

use crate::args::StudyArgs;

/// What is wrong with a study, be it in its text or in a file that it names.
#[derive(Debug)]
pub(crate) struct BadStudy(pub(crate) Error);

impl fmt::Display for BadStudy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BadStudy {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

/// The study that the arguments name, changed as they say.
///
/// # Errors
///
/// [`BadStudy`] if there is none, or it cannot be changed so.
pub(crate) fn open(args: &StudyArgs) -> Result<Source> {
    let opened = || -> std::result::Result<Source, Error> {
        let mut source = thalweg::store::open(&args.study)?;
        for assignment in &args.set {
            source.set(assignment)?;
        }
        if let Some(n) = args.replicates {
            source.set(&format!("replicates={n}"))?;
        }
        Ok(source)
    };
    Ok(opened().map_err(BadStudy)?)
}

/// The plan of a study.
///
/// # Errors
///
/// [`BadStudy`] if it says something impossible, or names a file that is missing or wrong.
pub(crate) fn plan(source: &Source) -> Result<Plan> {
    Ok(thalweg::store::plan(source).map_err(BadStudy)?)
}

/// The study that the arguments name, and its plan.
///
/// # Errors
///
/// [`BadStudy`], as [`open`] and [`plan`].
pub(crate) fn planned(args: &StudyArgs) -> Result<(Source, Plan)> {
    let source = open(args)?;
    let plan = plan(&source)?;
    Ok((source, plan))
}

/// The default run folder of a study: `runs/<file stem>`.
pub(crate) fn folder(source: &Source) -> PathBuf {
    let stem = Path::new(&source.name)
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or("study");
    Path::new("runs").join(stem)
}

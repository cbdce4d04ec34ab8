//! The study that the arguments name, and what will be run of it.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use thalweg::net::Init;
use thalweg::plan::Cell;
use thalweg::study::Space;
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
    Ok(changed(args).map_err(BadStudy)?)
}

fn changed(args: &StudyArgs) -> std::result::Result<Source, Error> {
    let mut source = thalweg_store::open(&args.study)?;
    let mut said: Vec<(String, String)> = Vec::new();
    for assignment in &args.set {
        said.push((format!("--set {assignment}"), assignment.clone()));
    }
    if let Some(n) = args.replicates {
        said.push((format!("--replicates {n}"), format!("replicates={n}")));
    }
    // The last argument after which the study was one for the last time is to blame.
    let mut blamed: Option<(&str, Error)> = None;
    let mut good = source.study().is_ok();
    for (argument, assignment) in &said {
        source.set(assignment)?;
        match source.study() {
            Ok(_) => (good, blamed) = (true, None),
            Err(error) if good => (good, blamed) = (false, Some((argument.as_str(), error))),
            Err(_) => {}
        }
    }
    match blamed {
        Some((argument, error)) => Err(in_argument(argument, error)),
        None => Ok(source),
    }
}

/// A mistake of an argument: the line of the changed text that it led to is in no file.
fn in_argument(argument: &str, error: Error) -> Error {
    match error {
        Error::Study { message, hint, .. } => Error::Study {
            message: format!("in `{argument}`: {message}"),
            hint,
            place: None,
        },
        other => other,
    }
}

/// The plan of a study.
///
/// # Errors
///
/// [`BadStudy`] if it says something impossible, or names a file that is missing or wrong.
pub(crate) fn plan(source: &Source) -> Result<Plan> {
    Ok(thalweg_store::plan(source).map_err(BadStudy)?)
}

/// The base cell of a study.
///
/// # Errors
///
/// [`BadStudy`], as [`plan`].
pub(crate) fn base(source: &Source) -> Result<Cell> {
    Ok(thalweg_store::base(source).map_err(BadStudy)?)
}

/// What a study may choose from, and its plans for each condition.
///
/// # Errors
///
/// [`BadStudy`] if it has no space, or says something impossible.
pub(crate) fn spaces(source: &Source) -> Result<(Space, Vec<(String, Plan)>)> {
    let all = || {
        let study = source.study()?;
        let inputs = thalweg_store::inputs_of(source)?;
        // Without a space this says so.
        let plans = source.choices(&inputs)?;
        Ok(study.space.map(|space| (space, plans)))
    };
    let found = all().map_err(BadStudy)?;
    found.ok_or_else(|| anyhow::anyhow!("the study has no `[space]` to choose from"))
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

/// Which arrays of weight files are taken for which tensors, a line a file; where they have the
/// tensors' own names there is nothing to say.
pub(crate) fn renamed_weights(plan: &Plan) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for cell in &plan.cells {
        let renamed = cell.renamed_weights();
        if let (Init::File(file), false) = (&cell.setting.net.init, renamed.is_empty()) {
            let pairs: Vec<String> = (renamed.iter())
                .map(|(array, tensor)| format!("`{array}` as `{tensor}`"))
                .collect();
            let line = format!("weights of `{file}`: {}", pairs.join(", "));
            if !all.contains(&line) {
                all.push(line);
            }
        }
    }
    all
}

/// The default run folder of a study: `runs/<file stem>`, and of the study of a run folder that
/// one.
pub(crate) fn folder(source: &Source) -> PathBuf {
    if Path::new(&source.name).ends_with("study.toml") && source.folder.join("plan.json").exists() {
        return source.folder.clone();
    }
    let stem = Path::new(&source.name)
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or("study");
    Path::new("runs").join(stem)
}

//! The run folder: records that survive anything, and tables that other programs open.
//!
//! Every file is written to a sibling and renamed, so a reader sees all of it or nothing. A cell is
//! finished when its record file is there; the file's name is the content hash of the cell and the
//! engine, so a changed study never takes up a cell that differs.

mod arrays;
mod sets;
mod table;
mod tensors;
mod text;
mod thrift;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use thalweg::decide::{Certificate, Choice};
use thalweg::error::Error;
use thalweg::inputs::{Inputs, Names};
use thalweg::lab::Keeper;
use thalweg::plan::{Cell, Plan};
use thalweg::record::Record;
use thalweg::study::{Source, Study};

pub use arrays::write_arrays;
pub use sets::{PARQUET_THREAD, read_points, read_set};
pub use table::write_table;
pub use tensors::{read_tensors, write_weights};

const MAGIC: &[u8; 8] = b"thalweg1";

/// The error of the system at a path.
fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}

/// The folder that a path lies in; a bare name lies in the current one.
fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Writes a whole file, or none of it.
///
/// # Errors
///
/// [`Error::Io`], a full disk for instance; what was there before is still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(io("create", folder))?;
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
    attempt().map_err(io("write", path))
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
/// [`Error::Damaged`] if the file is not what was written, or holds another cell; [`Error::Io`].
pub fn load(folder: &Path, cell: &Cell, engine: &str) -> Result<Option<Record>, Error> {
    let path = record_path(folder, cell, engine);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io("read", &path)(e)),
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
    if record.hash != cell.hash || record.engine != engine {
        return Err(damaged(&format!(
            "holds the cell {} of the engine `{}`, not {} of `{engine}`",
            record.hash, record.engine, cell.hash
        )));
    }
    Ok(Some(record))
}

/// Keeps the records of one engine in a run folder.
#[derive(Debug, Clone, Copy)]
pub struct Folder<'a> {
    /// The run folder.
    pub path: &'a Path,
    /// The engine's name.
    pub engine: &'a str,
}

impl Keeper for Folder<'_> {
    fn found(&self, cell: &Cell) -> Result<Option<Record>, Error> {
        load(self.path, cell, self.engine)
    }

    fn keep(&self, cell: &Cell, record: &Record) -> Result<(), Error> {
        save(self.path, cell, record)
    }
}

/// The study of a run folder.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Damaged`] if it is no run folder.
pub fn load_source(folder: &Path) -> Result<Source, Error> {
    let path = folder.join("study.toml");
    let text = fs::read_to_string(&path).map_err(io("read", &path))?;
    // Files that the study names are relative to where it was read from.
    let home = fs::read_to_string(folder.join("cells").join("home")).unwrap_or_default();
    let home = match home.trim() {
        "" => folder.to_path_buf(),
        home => PathBuf::from(home),
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
                return Err(io("remove", &path)(e));
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
    let home = if source.folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        &source.folder
    };
    let home = fs::canonicalize(home).map_err(io("find", home))?;
    write(
        &folder.join("cells").join("home"),
        home.display().to_string().as_bytes(),
    )?;
    let json = serde_json::to_string_pretty(plan).unwrap_or_default();
    write(&folder.join("plan.json"), json.as_bytes())
}

/// The hashes of the cells that a run folder was last planned with; empty where it is none.
pub fn planned_hashes(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("plan.json")).unwrap_or_default();
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let cells = plan["cells"].as_array().into_iter().flatten();
    let hashes = cells.filter_map(|cell| cell["hash"].as_str());
    hashes.map(str::to_string).collect()
}

/// The weights in a run folder, by cell and replicate.
///
/// # Errors
///
/// [`Error::Io`] if there is no such folder.
pub fn weights_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = folder.join("weights");
    let entries = fs::read_dir(&folder).map_err(io("read", &folder))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        // Beside each lie the data that it was trained on.
        .filter(|path| {
            let name = path.file_name().map(|n| n.to_string_lossy());
            name.is_some_and(|n| n.ends_with(".safetensors") && !n.ends_with(".data.safetensors"))
        })
        .collect();
    all.sort();
    Ok(all)
}

// ---------------------------------------------------------------------------------------------
// Inputs

/// A built-in study, or a study file.
///
/// # Errors
///
/// [`Error::Unknown`] if there is no such file nor a built-in study of that name; [`Error::Io`] if
/// the file cannot be read, [`Error::Damaged`] if it is no text.
pub fn open(name: &str) -> Result<Source, Error> {
    let unknown = match Source::built_in(name) {
        Ok(source) => return Ok(source),
        Err(unknown) => unknown,
    };
    let path = Path::new(name);
    if !path.exists() {
        return Err(Error::Unknown {
            message: format!("there is no file `{name}` and no built-in study of that name"),
            hint: unknown.hint().unwrap_or_default(),
        });
    }
    let bytes = fs::read(path).map_err(io("read", path))?;
    let text = String::from_utf8(bytes).map_err(|_| Error::Damaged {
        path: path.to_path_buf(),
        message: "is not text in UTF-8".into(),
        hint: "a study is a TOML file; `thalweg studies show assignment` prints one".into(),
    })?;
    Ok(Source {
        name: name.into(),
        text,
        folder: parent(path).to_path_buf(),
    })
}

/// The plan of a study that was read, with the files that it names, relative to its folder.
///
/// # Errors
///
/// [`Error::Study`] with line and column; what [`read_inputs`] finds.
pub fn plan(source: &Source) -> Result<Plan, Error> {
    source.plan(&read_inputs(&source.study()?, &source.folder)?)
}

/// The base cell of a study that was read, as [`plan`].
///
/// # Errors
///
/// As [`plan`], but for mistakes of its comparisons and claims.
pub fn base(source: &Source) -> Result<Cell, Error> {
    source.base(&read_inputs(&source.study()?, &source.folder)?)
}

/// The data sets and weights that a study names, from files relative to `folder`.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Damaged`] for the first that cannot be read.
pub fn read_inputs(study: &Study, folder: &Path) -> Result<Inputs, Error> {
    let names = Names::of(study);
    // A bare name stays one, in messages too.
    let at = |name: &str| match folder {
        here if here == Path::new(".") => PathBuf::from(name),
        elsewhere => elsewhere.join(name),
    };
    let mut inputs = Inputs::default();
    for name in names.data {
        inputs = inputs.with_data(&name, read_set(&at(&name))?)?;
    }
    for name in names.weights {
        inputs = inputs.with_weights(&name, read_tensors(&at(&name))?)?;
    }
    Ok(inputs)
}

// ---------------------------------------------------------------------------------------------
// Decisions

/// Writes a certificate.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_certificate(path: &Path, certificate: &Certificate) -> Result<(), Error> {
    write(path, certificate.text()?.as_bytes())
}

/// Reads a certificate, if its content is what its first line says.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Certificate`] if it was changed or is none.
pub fn read_certificate(path: &Path) -> Result<Certificate, Error> {
    let bytes = fs::read(path).map_err(io("read", path))?;
    let text = String::from_utf8(bytes).map_err(|_| Error::Certificate {
        message: "is none: not text".into(),
        hint: "`thalweg certify STUDY` writes one".into(),
    })?;
    Certificate::parse(&text)
}

/// The file of a run folder that [`write_choices`] makes and [`read_choices`] finds.
const CHOICES: &str = "choice.json";

/// Writes the choices into a run folder, as `choice.json`.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_choices(folder: &Path, choices: &[Choice]) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(choices).unwrap_or_default();
    write(&folder.join(CHOICES), json.as_bytes())
}

/// The choices that were written into a run folder for the question that `cell` asks; none if there
/// are none.
///
/// # Errors
///
/// [`Error::Io`] if the file is there and cannot be read, [`Error::Damaged`] if it is not what was
/// written.
pub fn read_choices(folder: &Path, cell: &Cell) -> Result<Vec<Choice>, Error> {
    let file = folder.join(CHOICES);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io("read", &file)(e)),
    };
    let mut all: Vec<Choice> = serde_json::from_str(&text).map_err(|e| Error::Damaged {
        path: file.clone(),
        message: e.to_string(),
        hint: "delete it, or let `thalweg choose` write it again".into(),
    })?;
    all.retain(|choice| choice.answers(cell));
    Ok(all)
}

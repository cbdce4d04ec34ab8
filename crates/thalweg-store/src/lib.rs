//! The run folder: records that survive anything, and tables that other programs open.
//!
//! Every file is written to a sibling and renamed, so a reader sees all of it or nothing. A cell is
//! finished when its record file is there; the file's name is the content hash of the cell and the
//! engine, so a changed study never takes up a cell that differs.

mod arrays;
mod pieces;
mod pixels;
mod sets;
mod table;
mod tensors;
mod text;
mod thrift;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thalweg::decide::{Certificate, Choice};
use thalweg::engine::with_same_bits;
use thalweg::error::Error;
use thalweg::inputs::{Inputs, Names};
use thalweg::lab::{Keeper, Piece};
use thalweg::plan::{Cell, Plan, Sheet};
use thalweg::record::Record;
use thalweg::study::{Source, Study};

pub use arrays::write_arrays;
pub use pieces::{copy_pieces, decode_piece, encode_piece, load_pieces, piece_path, save_piece};
pub use pixels::{forget_maps, write_map};
pub use sets::{PARQUET_THREAD, read_points, read_table};
pub use table::write_table;
pub use tensors::{read_tensors, weights_of, write_weights};

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

/// More bytes of a file are not read into memory.
const MOST_BYTES: u64 = 1 << 32;

/// Opens a regular file of bounded size: what else has a name, as a pipe or a device, may never
/// end.
pub(crate) fn open_file(path: &Path) -> Result<File, Error> {
    let about = fs::metadata(path).map_err(io("read", path))?;
    let wrong = |message: &str, hint: &str| Error::Damaged {
        path: path.to_path_buf(),
        message: message.into(),
        hint: hint.into(),
    };
    if about.is_dir() {
        return Err(wrong("is a folder", "name a file in it"));
    }
    if !about.is_file() {
        let hint = "copy what comes out of it into a file";
        return Err(wrong("is no file, but a pipe or a device", hint));
    }
    if about.len() > MOST_BYTES {
        return Err(wrong("is larger than 4 GB", "take a part of it"));
    }
    File::open(path).map_err(io("read", path))
}

/// All bytes of a regular file.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Damaged`] if it is a pipe, a device or a folder, or larger than 4 GB.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut file = open_file(path)?;
    file.read_to_end(&mut bytes).map_err(io("read", path))?;
    Ok(bytes)
}

/// The text of a regular file.
///
/// # Errors
///
/// As [`read`], and if it is not text in UTF-8.
pub fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path)?).map_err(|_| Error::Damaged {
        path: path.to_path_buf(),
        message: "is not text in UTF-8".into(),
        hint: "a study is a TOML file; `thalweg studies show assignment` prints one".into(),
    })
}

/// Takes a run folder for one process, as long as the result lives, and removes what one that was
/// killed left half written.
///
/// # Errors
///
/// [`Error::Unknown`] if another process has it; [`Error::Io`].
pub fn lock(folder: &Path) -> Result<File, Error> {
    let file = locked(folder, File::try_lock)?;
    let inside = |part: &str| fs::read_dir(folder.join(part)).into_iter().flatten();
    let pieces = inside("pieces").chain(inside("map"));
    let pieces = pieces.flatten().map(|entry| entry.path());
    let parts = ["", "cells", "figures", "tables", "weights", "inputs"];
    let parts = parts.map(|part| folder.join(part));
    for part in pieces.chain(parts) {
        let entries = fs::read_dir(part).into_iter().flatten();
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(".tmp") {
                // Litter that stays is litter, and no reason to stop.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
    Ok(file)
}

/// Takes a run folder for this process and others that train pieces of the same run, as long as
/// the result lives.
///
/// # Errors
///
/// [`Error::Unknown`] if a process has it for itself; [`Error::Io`].
pub fn share(folder: &Path) -> Result<File, Error> {
    locked(folder, File::try_lock_shared)
}

fn locked(
    folder: &Path,
    lock: impl Fn(&File) -> Result<(), fs::TryLockError>,
) -> Result<File, Error> {
    fs::create_dir_all(folder).map_err(io("create", folder))?;
    // The folder itself, so that nothing is left in it.
    let file = File::open(folder).map_err(io("read", folder))?;
    if let Err(fs::TryLockError::WouldBlock) = lock(&file) {
        return Err(Error::Unknown {
            message: format!("another run is at work in `{}`", folder.display()),
            hint: "wait until it has ended, or take another folder: `--out DIR`".into(),
        });
    }
    Ok(file)
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
    write(&path, &seal(&path, record)?)
}

/// The files in a folder, sorted, that an engine, or one with the same bits, made: their names end
/// with its own and this extension.
fn engine_files(folder: &Path, engine: &str, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io("read", folder)(e)),
    };
    let ends: Vec<String> = with_same_bits(engine)
        .iter()
        .map(|engine| format!("-{engine}.{extension}"))
        .collect();
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.map_err(io("read", folder))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        if name.is_some_and(|name| ends.iter().any(|end| name.ends_with(end))) {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// What is kept of a run as bytes, with a checksum.
fn seal<T: Serialize>(path: &Path, content: &T) -> Result<Vec<u8>, Error> {
    let body = rmp_serde::to_vec_named(content).map_err(|e| Error::Damaged {
        path: path.to_path_buf(),
        message: format!("could not be encoded: {e}"),
        hint: "this is a mistake of the program: please report it".into(),
    })?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(blake3::hash(&body).as_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// What [`seal`] made bytes of.
fn unseal<T: DeserializeOwned>(path: &Path, bytes: &[u8], hint: &str) -> Result<T, Error> {
    let damaged = |message: &str| Error::Damaged {
        path: path.to_path_buf(),
        message: message.into(),
        hint: hint.into(),
    };
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| damaged("is no record of this version of the program"))?;
    if rest.len() < 32 || blake3::hash(&rest[32..]).as_bytes()[..] != rest[..32] {
        return Err(damaged(
            "is damaged: its checksum does not match its content",
        ));
    }
    rmp_serde::from_slice(&rest[32..]).map_err(|e| damaged(&format!("cannot be read: {e}")))
}

/// Whether a cell is finished, by an engine of that name or one with the same bits.
pub fn is_finished(folder: &Path, cell: &Cell, engine: &str) -> bool {
    let mut engines = with_same_bits(engine).into_iter();
    engines.any(|engine| record_path(folder, cell, engine).exists())
}

/// The record of a cell, if it is finished: of that engine, or of one with the same bits.
///
/// # Errors
///
/// [`Error::Damaged`] if the file is not what was written, or holds another cell; [`Error::Io`].
pub fn load(folder: &Path, cell: &Cell, engine: &str) -> Result<Option<Record>, Error> {
    for engine in with_same_bits(engine) {
        if let Some(record) = load_of(folder, cell, engine)? {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

fn load_of(folder: &Path, cell: &Cell, engine: &str) -> Result<Option<Record>, Error> {
    let path = record_path(folder, cell, engine);
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let hint = "delete it: the same command trains this cell again and keeps the others";
    let record: Record = unseal(&path, &bytes, hint)?;
    if record.hash != cell.hash || record.engine != engine {
        return Err(Error::Damaged {
            message: format!(
                "holds the cell {} of the engine `{}`, not {} of `{engine}`",
                record.hash, record.engine, cell.hash
            ),
            hint: hint.into(),
            path,
        });
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

    fn pieces(&self, cell: &Cell) -> Result<Vec<Piece>, Error> {
        load_pieces(self.path, cell, self.engine)
    }

    fn keep(&self, cell: &Cell, record: &Record) -> Result<(), Error> {
        save(self.path, cell, record)?;
        pieces::remove_pieces(self.path, cell, self.engine)
    }
}

/// The study of a run folder, which keeps the files that it names.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Damaged`] if it is no run folder.
pub fn load_source(folder: &Path) -> Result<Source, Error> {
    let path = folder.join("study.toml");
    Ok(Source {
        name: path.display().to_string(),
        text: read_text(&path)?,
        folder: folder.to_path_buf(),
    })
}

/// What came of removing a path that need not be there.
fn removed(path: &Path, result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes the records of a plan's cells and their pieces, so that all of them are trained again.
///
/// # Errors
///
/// [`Error::Io`].
pub fn forget(folder: &Path, plan: &Plan, engine: &str) -> Result<(), Error> {
    for cell in &plan.cells {
        pieces::remove_pieces(folder, cell, engine)?;
        for engine in with_same_bits(engine) {
            let path = record_path(folder, cell, engine);
            removed(&path, fs::remove_file(&path))?;
        }
    }
    Ok(())
}

/// Writes what is known before anything runs: `study.toml`, the files that it names, and
/// `plan.json`.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Unknown`] if somebody else's `study.toml` is there.
pub fn begin(folder: &Path, source: &Source, plan: &Plan) -> Result<(), Error> {
    begin_with(folder, source, plan, &[])
}

/// The same of a study to which arrays were given under some of its names: they are kept in the
/// folder as files of these names.
///
/// # Errors
///
/// As [`begin`].
pub fn begin_with(
    folder: &Path,
    source: &Source,
    plan: &Plan,
    given: &[Given<'_>],
) -> Result<(), Error> {
    let (study, known) = (folder.join("study.toml"), folder.join("plan.json"));
    if study.exists() && !known.exists() {
        return Err(Error::Unknown {
            message: format!(
                "`{}` is there, and is not that of a run: it would be replaced",
                study.display()
            ),
            hint: "a folder for the run alone: `--out runs/mine`".into(),
        });
    }
    keep_given(folder, given)?;
    let given: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    keep_inputs_but(folder, source, &given)?;
    // In this order: who is killed between the two leaves a folder of a run.
    let json = serde_json::to_string_pretty(plan).unwrap_or_default();
    write(&known, json.as_bytes())?;
    write(&study, source.text.as_bytes())
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
    Ok(Source {
        name: name.into(),
        text: read_text(path)?,
        folder: parent(path).to_path_buf(),
    })
}

/// The plan of a study that was read, with the files that it names, relative to its folder.
///
/// # Errors
///
/// [`Error::Study`] with line and column; what [`read_inputs`] finds.
pub fn plan(source: &Source) -> Result<Plan, Error> {
    source.plan(&inputs_of(source)?)
}

/// The files that a study names; what is wrong with one is told where it is named.
///
/// # Errors
///
/// [`Error::Study`] with line and column.
pub fn inputs_of(source: &Source) -> Result<Inputs, Error> {
    let study = source.study()?;
    read_inputs(&study, &source.folder).map_err(|error| {
        let (Error::Io { path, .. } | Error::Damaged { path, .. }) = &error else {
            return error;
        };
        let names = Names::of(&study);
        let kept = kept(&source.folder);
        let mut all = names.data.iter().chain(&names.weights);
        let named = all.find(|name| locate(&kept, &source.folder, name) == *path);
        match named {
            Some(name) => source.at_its_name(name, &error),
            None => error,
        }
    })
}

/// The maps of a study that was read, as [`plan`].
///
/// # Errors
///
/// As [`plan`].
pub fn sheets(source: &Source) -> Result<Vec<Sheet>, Error> {
    source.sheets(&inputs_of(source)?)
}

/// The base cell of a study that was read, as [`plan`].
///
/// # Errors
///
/// As [`plan`], but for mistakes of its comparisons and claims.
pub fn base(source: &Source) -> Result<Cell, Error> {
    source.base(&inputs_of(source)?)
}

/// Where a folder keeps the files of its study, and which copy is which.
const KEPT: &str = "inputs";
const KEPT_NAMES: &str = "inputs/names.json";

/// The copies that a folder keeps, by the names that its study gives them.
fn kept(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join(KEPT_NAMES)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Where the file is that a study in `folder` calls by this name: the copy that the folder keeps,
/// or else relative to it.
fn locate(kept: &BTreeMap<String, String>, folder: &Path, name: &str) -> PathBuf {
    match (kept.get(name), folder) {
        (Some(copy), folder) => folder.join(KEPT).join(copy),
        // A bare name stays one, in messages too.
        (None, here) if here == Path::new(".") => PathBuf::from(name),
        (None, elsewhere) => elsewhere.join(name),
    }
}

/// Keeps copies of the files that a study names in a folder, so that the folder can be moved and
/// the originals may change or go. What lies in the folder already stays where it is.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::Study`] if it is no study.
pub fn keep_inputs(folder: &Path, source: &Source) -> Result<(), Error> {
    keep_inputs_but(folder, source, &[])
}

/// Arrays that were given under a name: their names, shapes and numbers.
pub type Given<'a> = (&'a str, Vec<(&'a str, &'a [usize], &'a [f64])>);

/// Keeps arrays in a folder as files of the names that a study gives them.
fn keep_given(folder: &Path, given: &[Given<'_>]) -> Result<(), Error> {
    if given.is_empty() {
        return Ok(());
    }
    let mut all = kept(folder);
    for (i, (name, arrays)) in given.iter().enumerate() {
        let copy = format!("given-{i}.npz");
        write_arrays(&folder.join(KEPT).join(&copy), arrays)?;
        all.insert((*name).to_string(), copy);
    }
    let json = serde_json::to_string_pretty(&all).unwrap_or_default();
    write(&folder.join(KEPT_NAMES), json.as_bytes())
}

fn keep_inputs_but(folder: &Path, source: &Source, known: &[&str]) -> Result<(), Error> {
    let names = Names::of(&source.study()?);
    let names = names.data.into_iter().chain(names.weights);
    let names: Vec<String> = names
        .filter(|name| !known.contains(&name.as_str()))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(io("create", folder))?;
    let home = fs::canonicalize(folder).map_err(io("find", folder))?;
    let from = kept(&source.folder);
    // Copies of other studies, certificates for instance, stay known.
    let mut all = kept(folder);
    for name in names {
        let path = locate(&from, &source.folder, &name);
        let original = fs::canonicalize(&path).map_err(io("find", &path))?;
        if original.starts_with(home.join(KEPT)) {
            continue;
        }
        let is_here = fs::canonicalize(folder.join(&name)).is_ok_and(|here| here == original);
        if is_here && original.starts_with(&home) {
            all.remove(&name);
            continue;
        }
        let bytes = read(&original)?;
        let copy = free_name(folder, &all, &name, &original, &bytes);
        write(&folder.join(KEPT).join(&copy), &bytes)?;
        all.insert(name, copy);
    }
    let json = serde_json::to_string_pretty(&all).unwrap_or_default();
    write(&folder.join(KEPT_NAMES), json.as_bytes())
}

/// The files that a study names, by their names, but for those that are known already.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Damaged`] for the first that cannot be read; [`Error::Study`] if it is
/// no study.
pub fn pack_inputs(source: &Source, known: &[String]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let names = Names::of(&source.study()?);
    let kept = kept(&source.folder);
    let names = names.data.into_iter().chain(names.weights);
    names
        .filter(|name| !known.contains(name))
        .map(|name| {
            let bytes = read(&locate(&kept, &source.folder, &name))?;
            Ok((name, bytes))
        })
        .collect()
}

/// Writes what [`pack_inputs`] gave into a folder, of which [`read_inputs`] reads it.
///
/// # Errors
///
/// [`Error::Io`].
pub fn unpack_inputs(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    let mut all = BTreeMap::new();
    for (i, (name, bytes)) in files.iter().enumerate() {
        // What a file holds is known by its extension.
        let extension = Path::new(name).extension().unwrap_or_default();
        let copy = format!("{i}.{}", extension.to_string_lossy());
        write(&folder.join(KEPT).join(&copy), bytes)?;
        all.insert(name, copy);
    }
    let json = serde_json::to_string_pretty(&all).unwrap_or_default();
    write(&folder.join(KEPT_NAMES), json.as_bytes())
}

/// A name for the copy of a file that no other file of the folder has: its own, or with a number
/// before its extension.
fn free_name(
    folder: &Path,
    all: &BTreeMap<String, String>,
    name: &str,
    original: &Path,
    bytes: &[u8],
) -> String {
    let part = |part: Option<&std::ffi::OsStr>| {
        let part = part.unwrap_or_default().to_string_lossy();
        part.into_owned()
    };
    let (stem, extension) = (part(original.file_stem()), part(original.extension()));
    let numbered = |i: usize| match (i, extension.as_str()) {
        (1, "") => stem.clone(),
        (1, e) => format!("{stem}.{e}"),
        (i, "") => format!("{stem}-{i}"),
        (i, e) => format!("{stem}-{i}.{e}"),
    };
    // The copy of this name may be replaced; of another one, only if it is the same.
    let free = |copy: &String| {
        let own = all.get(name) == Some(copy) && all.values().filter(|c| *c == copy).count() == 1;
        let there = folder.join(KEPT).join(copy);
        let reserved = there == folder.join(KEPT_NAMES);
        !reserved && (own || !there.exists() || fs::read(&there).is_ok_and(|old| old == bytes))
    };
    let mut numbers = (1..).map(numbered);
    numbers.find(free).unwrap_or_default()
}

/// The data sets and weights that a study names, from the copies that `folder` keeps, or from files
/// relative to it.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Damaged`] for the first that cannot be read.
pub fn read_inputs(study: &Study, folder: &Path) -> Result<Inputs, Error> {
    read_more_inputs(study, folder, Inputs::default(), &[])
}

/// The same of a study of which some are there already, by these names.
///
/// # Errors
///
/// As [`read_inputs`].
pub fn read_more_inputs(
    study: &Study,
    folder: &Path,
    mut inputs: Inputs,
    known: &[String],
) -> Result<Inputs, Error> {
    let mut names = Names::of(study);
    for name in known {
        names.data.remove(name);
        names.weights.remove(name);
    }
    let kept = kept(folder);
    let at = |name: &str| locate(&kept, folder, name);
    for name in names.data {
        inputs = inputs.with_table(&name, read_table(&at(&name))?);
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
    let bytes = read(path)?;
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

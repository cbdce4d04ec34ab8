//! Pieces of a run, in `pieces/<hash of the cell>/` of a run folder or on their way between
//! machines, until the cell's record is there.

use std::fs;
use std::path::{Path, PathBuf};

use thalweg::error::Error;
use thalweg::lab::Piece;
use thalweg::plan::{Cell, Plan};

use super::{engine_files, read, removed, seal, unseal, write};

fn folder_of(folder: &Path, hash: &str) -> PathBuf {
    folder.join("pieces").join(hash)
}

/// Where a run folder keeps a piece, relative to it.
pub fn piece_path(piece: &Piece) -> PathBuf {
    let Piece {
        from,
        until,
        engine,
        ..
    } = piece;
    folder_of(Path::new(""), &piece.hash).join(format!("{from}-{until}-{engine}.piece"))
}

/// A piece as bytes, with a checksum.
///
/// # Errors
///
/// [`Error::Damaged`] if it cannot be encoded.
pub fn encode_piece(piece: &Piece) -> Result<Vec<u8>, Error> {
    seal(Path::new("a piece of a run"), piece)
}

/// The piece of which these are the bytes.
///
/// # Errors
///
/// [`Error::Damaged`] if they are not what [`encode_piece`] made.
pub fn decode_piece(bytes: &[u8]) -> Result<Piece, Error> {
    let hint = "have it trained again";
    unseal(Path::new("a piece of a run"), bytes, hint)
}

/// Keeps a piece in a run folder.
///
/// # Errors
///
/// [`Error::Io`].
pub fn save_piece(folder: &Path, piece: &Piece) -> Result<(), Error> {
    write(&folder.join(piece_path(piece)), &encode_piece(piece)?)
}

/// The files of a cell's pieces that an engine, or one with the same bits, made.
fn files(folder: &Path, cell: &Cell, engine: &str) -> Result<Vec<PathBuf>, Error> {
    engine_files(&folder_of(folder, &cell.hash), engine, "piece")
}

/// The pieces of a cell in a run folder.
///
/// # Errors
///
/// [`Error::Damaged`] if a file is not what was written, or holds those of another cell;
/// [`Error::Io`].
pub fn load_pieces(folder: &Path, cell: &Cell, engine: &str) -> Result<Vec<Piece>, Error> {
    let load = |path: PathBuf| {
        let hint = "delete it: the same command trains these replicates again and keeps the others";
        let piece: Piece = unseal(&path, &read(&path)?, hint)?;
        if piece.hash != cell.hash {
            return Err(Error::Damaged {
                path,
                message: format!("holds the cell {}, not {}", piece.hash, cell.hash),
                hint: hint.into(),
            });
        }
        Ok(piece)
    };
    files(folder, cell, engine)?.into_iter().map(load).collect()
}

/// Copies the pieces and records of a plan's cells from one run folder into another; how many there
/// were.
///
/// # Errors
///
/// [`Error::Damaged`] if one is not what was written; [`Error::Io`].
pub fn copy_pieces(plan: &Plan, from: &Path, to: &Path, engine: &str) -> Result<usize, Error> {
    let mut found = 0;
    for cell in &plan.cells {
        for piece in load_pieces(from, cell, engine)? {
            save_piece(to, &piece)?;
            found += 1;
        }
        if let Some(record) = super::load(from, cell, engine)? {
            super::save(to, cell, &record)?;
            found += 1;
        }
    }
    Ok(found)
}

/// Removes the pieces of a cell, whose record is there or which shall be trained again.
pub(super) fn remove_pieces(folder: &Path, cell: &Cell, engine: &str) -> Result<(), Error> {
    for path in files(folder, cell, engine)? {
        removed(&path, fs::remove_file(&path))?;
    }
    // Empty folders go; one that is not holds what another engine trained.
    let _ = fs::remove_dir(folder_of(folder, &cell.hash));
    let _ = fs::remove_dir(folder.join("pieces"));
    Ok(())
}

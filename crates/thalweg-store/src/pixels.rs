//! Finished pixels of maps, in `map/<hash>/` of a run folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thalweg::error::Error;
use thalweg::maps::{Pixel, PixelKeeper};
use thalweg::plan::Sheet;

use super::{Folder, arrays::write_arrays, engine_files, read, removed, seal, unseal, write};
use thalweg::maps::Picture;

/// Pixels by columns: names are written once.
#[derive(Serialize, Deserialize)]
struct Tile {
    hash: String,
    places: Vec<usize>,
    replicates: Vec<u64>,
    below: Vec<u64>,
    diverged: Vec<u64>,
    steps: Vec<f64>,
    loss: Vec<f64>,
    diverged_at: Vec<f64>,
    predicted: Vec<f64>,
}

impl Tile {
    fn of(sheet: &Sheet, pixels: &[(usize, Pixel)]) -> Tile {
        let whole = |of: fn(&Pixel) -> u64| pixels.iter().map(|(_, p)| of(p)).collect();
        let real = |of: fn(&Pixel) -> f64| pixels.iter().map(|(_, p)| of(p)).collect();
        Tile {
            hash: sheet.hash.clone(),
            places: pixels.iter().map(|(place, _)| *place).collect(),
            replicates: whole(|p| p.replicates),
            below: whole(|p| p.below),
            diverged: whole(|p| p.diverged),
            steps: real(|p| p.steps),
            loss: real(|p| p.loss),
            diverged_at: real(|p| p.diverged_at),
            predicted: real(|p| p.predicted),
        }
    }

    /// Its pixels; none if its columns have not one length.
    fn pixels(&self) -> Option<Vec<(usize, Pixel)>> {
        let pixel = |i: usize| {
            let pixel = Pixel {
                replicates: *self.replicates.get(i)?,
                below: *self.below.get(i)?,
                diverged: *self.diverged.get(i)?,
                steps: *self.steps.get(i)?,
                loss: *self.loss.get(i)?,
                diverged_at: *self.diverged_at.get(i)?,
                predicted: *self.predicted.get(i)?,
            };
            Some((self.places[i], pixel))
        };
        (0..self.places.len()).map(pixel).collect()
    }
}

fn map_folder(folder: &Path, sheet: &Sheet) -> PathBuf {
    folder.join("map").join(&sheet.hash)
}

impl PixelKeeper for Folder<'_> {
    fn found(&self, sheet: &Sheet) -> Result<Vec<(usize, Pixel)>, Error> {
        let mut all = Vec::new();
        for path in engine_files(&map_folder(self.path, sheet), self.engine, "tile")? {
            let hint = "delete it: the same command trains these pixels again";
            let tile: Tile = unseal(&path, &read(&path)?, hint)?;
            let pixels = tile.pixels().filter(|_| tile.hash == sheet.hash);
            all.extend(pixels.ok_or_else(|| Error::Damaged {
                path,
                message: "holds pixels of another map".into(),
                hint: hint.into(),
            })?);
        }
        Ok(all)
    }

    fn keep(&self, sheet: &Sheet, pixels: &[(usize, Pixel)]) -> Result<(), Error> {
        let Some((first, _)) = pixels.first() else {
            return Ok(());
        };
        let name = format!("{first}-{}-{}.tile", pixels.len(), self.engine);
        let path = map_folder(self.path, sheet).join(name);
        write(&path, &seal(&path, &Tile::of(sheet, pixels))?)
    }
}

/// Writes a map as `map/<name>.npz`: the values of the axes `x` (W) and `y` (H), and H × W each,
/// from the bottom up, `trained` (1 where a pixel was trained, 0 where its neighbour stands for
/// it), `replicates`, `below`, `success`, `low` and `high` (95 %), `diverged`, `steps`, `loss`,
/// `diverged_at`, `predicted`.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write_map(path: &Path, picture: &Picture) -> Result<(), Error> {
    let (x, y) = (&picture.x.values, &picture.y.values);
    let count = x.len() * y.len();
    let of = |value: &dyn Fn(&Pixel) -> f64| -> Vec<f64> {
        let at = |place| picture.at(place).map_or(f64::NAN, value);
        (0..count).map(at).collect()
    };
    let trained: Vec<f64> = (0..count)
        .map(|place| f64::from(u8::from(picture.pixels[place].is_some())))
        .collect();
    let columns = [
        ("trained", trained),
        ("replicates", of(&|p| p.replicates as f64)),
        ("below", of(&|p| p.below as f64)),
        ("success", of(&Pixel::share)),
        ("low", of(&|p| picture.interval(p).low)),
        ("high", of(&|p| picture.interval(p).high)),
        ("diverged", of(&|p| p.diverged as f64)),
        ("steps", of(&|p| p.steps)),
        ("loss", of(&|p| p.loss)),
        ("diverged_at", of(&|p| p.diverged_at)),
        ("predicted", of(&|p| p.predicted)),
    ];
    let (width, height) = ([x.len()], [y.len()]);
    let both = [y.len(), x.len()];
    let mut arrays: Vec<(&str, &[usize], &[f64])> = vec![("x", &width, x), ("y", &height, y)];
    arrays.extend(
        columns
            .iter()
            .map(|(name, values)| (*name, &both[..], &values[..])),
    );
    write_arrays(path, &arrays)
}

/// Removes the pixels of these maps, so that all of them are trained again.
///
/// # Errors
///
/// [`Error::Io`].
pub fn forget_maps(folder: &Path, sheets: &[Sheet]) -> Result<(), Error> {
    for sheet in sheets {
        let path = map_folder(folder, sheet);
        removed(&path, fs::remove_dir_all(&path))?;
    }
    Ok(())
}

//! The maps of a study: trained into a run folder, and read from it again.

use std::path::Path;

use anyhow::Result;
use thalweg::engine::Engine;
use thalweg::lab::Control;
use thalweg::maps::{Picture, compute};
use thalweg::plan::Sheet;
use thalweg::{Error, Source};
use thalweg_report::{File, map};
use thalweg_store::Folder;

/// Trains the pixels of every map that the folder does not hold; the maps.
///
/// # Errors
///
/// What [`compute`] says.
pub fn train_maps(
    folder: &Path,
    sheets: &[Sheet],
    (engine, threads): (&dyn Engine, usize),
    control: &Control<'_>,
) -> Result<Vec<Picture>, Error> {
    let keeper = Folder {
        path: folder,
        engine: engine.name(),
    };
    let mut all = Vec::new();
    for sheet in sheets {
        all.push(compute(sheet, engine, threads, &keeper, control)?);
    }
    Ok(all)
}

/// The maps of a run folder whose pixels are all there.
pub(crate) fn kept(
    folder: &Path,
    source: &Source,
    engine: &str,
    threads: usize,
) -> Result<Vec<Picture>> {
    let sheets = thalweg_store::sheets(source)?;
    let engine = thalweg_gpu::without_device(engine).map_err(Error::from)?;
    let keeper = Folder {
        path: folder,
        engine: engine.name(),
    };
    // Nothing is trained here: a map of which something is missing says that it was stopped.
    let control = Control {
        stopped: &|| true,
        ..Control::default()
    };
    let mut all = Vec::new();
    for sheet in &sheets {
        match compute(sheet, engine.as_ref(), threads, &keeper, &control) {
            Ok(picture) => all.push(picture),
            Err(Error::Stopped { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(all)
}

/// The numbers and the pixels of maps: `map/…`.
pub(crate) fn write(folder: &Path, pictures: &[Picture]) -> Result<()> {
    for (place, picture) in pictures.iter().enumerate() {
        let name = map::name(place, pictures.len());
        thalweg_store::write_map(&folder.join(format!("map/{name}.npz")), picture)?;
    }
    for File { path, bytes } in map::pixels(pictures).map_err(anyhow::Error::msg)? {
        thalweg_store::write(&folder.join(path), &bytes)?;
    }
    Ok(())
}

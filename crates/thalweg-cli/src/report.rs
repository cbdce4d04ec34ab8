//! `thalweg report`, and what of a report `thalweg run` writes.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use thalweg::analysis::Analysis;
use thalweg::maps::Picture;
use thalweg::record::Record;
use thalweg::{Error, Plan};
use thalweg_report::page::Page;
use thalweg_report::words::brief::partial;
use thalweg_report::{File, Only, Part};

use crate::ExitCode;
use crate::args;
use crate::maps;
use crate::open::open;
use crate::screen::Screen;
use crate::source::plan;
use crate::terminal::{print, quoted, say, send};

/// How commands name a run folder: by its last part, which says nothing of the machine.
fn named(folder: &Path) -> String {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.unwrap_or("run").to_string()
}

fn provenance(name: &str, records: &[Record]) -> Vec<String> {
    // Those that trained: cells of one with the same bits may have been there.
    let engines: BTreeSet<String> = records.iter().map(|r| format!("`{}`", r.engine)).collect();
    let several = if engines.len() == 1 { "" } else { "s" };
    let engines: Vec<String> = engines.into_iter().collect();
    vec![
        format!(
            "thalweg {}, engine{several} {}",
            env!("CARGO_PKG_VERSION"),
            engines.join(", ")
        ),
        format!(
            "Run again: `thalweg run {}`, from where the folder `{name}` is",
            quoted(&format!("{name}/study.toml"))
        ),
        format!(
            "One replicate: `thalweg explain {} --cell 0 --replicate 0`",
            quoted(name)
        ),
    ]
}

/// The page of a run, with what `thalweg choose` decided in the same folder.
pub(crate) fn page(
    folder: &Path,
    plan: &Plan,
    records: &[Record],
    analysis: &Analysis,
    part: Option<Part>,
    maps: &[Picture],
) -> Result<Page> {
    let choices = thalweg_store::read_choices(folder, &plan.cells[0])?;
    let name = named(folder);
    let page = thalweg_report::page(&name, analysis, &choices, &provenance(&name, records));
    let mut page = Page {
        study: thalweg_store::load_source(folder)?.text,
        ..page
    };
    if !maps.is_empty() {
        // A study with a map is about it: before the other pictures.
        page.sections.insert(0, thalweg_report::map::section(maps));
        page.more.splice(0..0, thalweg_report::map::words(maps));
    }
    Ok(match part {
        Some(part) => thalweg_report::partial(page, part),
        None => page,
    })
}

fn write_files(folder: &Path, files: &[File]) -> Result<()> {
    for file in files {
        thalweg_store::write(&folder.join(&file.path), &file.bytes)?;
    }
    Ok(())
}

/// The page, its figures and its tables.
pub(crate) fn write_report(folder: &Path, page: &Page, only: Only) -> Result<()> {
    write_files(folder, &thalweg_report::files(page, only))
}

/// `replicates.parquet`, `curves.parquet`, `looks.parquet` and `cells.parquet`.
pub(crate) fn write_tables(
    folder: &Path,
    analysis: &Analysis,
    plan: &Plan,
    records: &[Record],
) -> Result<()> {
    for (name, columns) in thalweg::analysis::columns::tables(analysis, plan, records) {
        let path = folder.join(name).with_extension("parquet");
        thalweg_store::write_table(&path, &columns)?;
    }
    Ok(())
}

/// The weights of the kept replicates.
pub(crate) fn write_weights(folder: &Path, plan: &Plan, records: &[Record]) -> Result<()> {
    for (cell, record) in plan.cells.iter().zip(records) {
        for kept in &record.kept {
            thalweg_store::write_weights(folder, cell, kept)?;
        }
    }
    Ok(())
}

/// Writes page, figures, tables, weights and maps of a run into its folder, as `thalweg run` does;
/// the page.
///
/// # Errors
///
/// What cannot be written, or read of what was chosen in that folder.
pub fn write_run(
    folder: &Path,
    plan: &Plan,
    records: &[Record],
    analysis: &Analysis,
    maps: &[Picture],
) -> Result<Page> {
    let page = page(folder, plan, records, analysis, None, maps)?;
    let files = thalweg_report::files(&page, Only::All);
    write_files(folder, &files)?;
    write_tables(folder, analysis, plan, records)?;
    write_weights(folder, plan, records)?;
    maps::write(folder, maps)?;
    remove_others(folder, &files, plan, records);
    Ok(page)
}

/// The maps of a run folder whose pixels are all there, of the engine that trained its cells or one
/// with the same bits.
///
/// # Errors
///
/// What cannot be read.
pub fn maps_of(folder: &Path, records: &[Record], threads: usize) -> Result<Vec<Picture>> {
    let engine = records.first().map_or("cpu", |record| &record.engine);
    maps::kept(
        folder,
        &thalweg_store::load_source(folder)?,
        engine,
        threads,
    )
}

/// Removes figures, tables and weights of another study that the folder held before.
fn remove_others(folder: &Path, files: &[File], plan: &Plan, records: &[Record]) {
    let mut ours: HashSet<PathBuf> = files.iter().map(|file| folder.join(&file.path)).collect();
    for (cell, record) in plan.cells.iter().zip(records) {
        for kept in &record.kept {
            ours.extend(thalweg_store::weights_of(folder, cell, kept.replicate));
        }
    }
    for (part, extensions) in [
        ("figures", &["svg", "png"][..]),
        ("tables", &["csv", "tex"]),
        ("weights", &["safetensors"]),
    ] {
        let entries = std::fs::read_dir(folder.join(part)).into_iter().flatten();
        for path in entries.flatten().map(|entry| entry.path()) {
            let extension = path.extension().and_then(|e| e.to_str());
            let made = extension.is_some_and(|e| extensions.contains(&e));
            // A PNG is that of the figure of its name, which `report --png` made.
            let figure = path.with_extension("svg");
            if made && !ours.contains(&path) && !ours.contains(&figure) {
                // What stays is of no study, and no reason to fail.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Shows again what a finished run found.
pub(crate) fn report(args: &args::Report) -> Result<ExitCode> {
    let only = match args.only {
        None => Only::All,
        Some(args::Only::Figures) => Only::Figures,
        Some(args::Only::Tables) => Only::Tables,
        Some(args::Only::Page) => Only::Page,
    };
    if args.png && matches!(only, Only::Tables | Only::Page) {
        return Err(Error::Unknown {
            message: "`--png` is about figures, and `--only` leaves them out".into(),
            hint: "`--only figures --png`".into(),
        }
        .into());
    }
    if args.gallery.is_none() && args.runs.len() > 1 {
        return Err(Error::Unknown {
            message: "`report` takes one run".into(),
            hint: "`--gallery DIR` links the reports of several".into(),
        }
        .into());
    }
    let mut pages = Vec::new();
    for run in &args.runs {
        let plan = plan(&thalweg_store::load_source(run)?)?;
        let (plan, records, part) = finished(run, plan, &args.engine)?;
        if let Some(part) = part.filter(|_| !args.json) {
            say(&format!("{}: {}", run.display(), partial(part)), 0)?;
        }
        let analysis = Analysis::of(&plan, &records, args.threads.count());
        let maps = maps_of(run, &records, args.threads.count())?;
        let page = page(run, &plan, &records, &analysis, part, &maps)?;
        if args.gallery.is_none() {
            write_report(run, &page, only)?;
            if matches!(only, Only::All | Only::Tables) {
                write_tables(run, &analysis, &plan, &records)?;
            }
            if only == Only::All {
                write_weights(run, &plan, &records)?;
                maps::write(run, &maps)?;
            }
        }
        if args.png {
            let files = thalweg_report::png::files(&page).map_err(anyhow::Error::msg)?;
            write_files(run, &files)?;
        }
        pages.push((run.clone(), page));
    }
    if let Some(folder) = &args.gallery {
        let named = pages.into_iter().map(|(run, page)| {
            let name = run.file_name();
            let name = name.map_or("run".into(), |n| n.to_string_lossy().into_owned());
            (name, page)
        });
        write_files(folder, &thalweg_report::gallery::files(named.collect()))?;
        print(&format!("Gallery: {}", folder.join("index.html").display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (run, page) in &pages {
        if args.json {
            print(&serde_json::to_string_pretty(&page.json())?)?;
            continue;
        }
        let (name, file) = match only {
            Only::All | Only::Page => ("Report", "report.html"),
            Only::Figures => ("Figures", "figures"),
            Only::Tables => ("Tables", "tables"),
        };
        let path = run.join(file);
        send(&format!("{name}: {}", Screen::here().path(&path)))?;
        if args.open {
            open(&path);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The cells of a run that are finished, with their records, and how many these are if they are
/// not all; the base cell must be one of them.
fn finished(run: &Path, plan: Plan, engine: &str) -> Result<(Plan, Vec<Record>, Option<Part>)> {
    let (mut kept, mut records) = (Vec::new(), Vec::new());
    for cell in &plan.cells {
        if let Some(record) = thalweg_store::load(run, cell, engine)? {
            kept.push(cell.number);
            records.push(record);
        }
    }
    let cells = plan.cells.len();
    if kept.len() == cells {
        return Ok((plan, records, None));
    }
    let finished = kept.len();
    let part = plan.part(&kept).ok_or_else(|| Error::Unknown {
        message: "the base cell is not finished, and a report is about it".into(),
        hint: format!("`thalweg run {}` goes on", run.join("study.toml").display()),
    })?;
    Ok((part, records, Some(Part { finished, cells })))
}

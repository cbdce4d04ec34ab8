//! `thalweg run`: the study is trained, analysed and answered.

use std::path::Path;

use anyhow::{Result, bail};
use thalweg::analysis::Analysis;
use thalweg::engine::Engine;
use thalweg::lab::Event;
use thalweg::maps::Picture;
use thalweg::plan::{Cell, Plan, Sheet};
use thalweg::record::Record;
use thalweg::{Error, Source};
use thalweg_report::words::decision::chosen;

use crate::ExitCode;
use crate::answer::{answer, picture};
use crate::args;
use crate::choose::choose_besides;
use crate::history::History;
use crate::interrupt::{Training, control};
use crate::maps::train_maps;
use crate::memory;
use crate::open::open;
use crate::progress::Progress;
use crate::report::write_run;
use crate::shard;
use crate::source::{folder, planned, renamed_weights};
use crate::terminal::{complain, print, say};

/// Trains what is not finished, analyses, writes the report, and answers.
pub(crate) fn run(args: args::Run) -> Result<ExitCode> {
    let (mut source, mut plan) = planned(&args.study)?;
    if let Some(zoom) = args.zoom {
        zoom_in(&mut source, zoom)?;
        plan = crate::source::plan(&source)?;
    }
    let sheets = thalweg_store::sheets(&source)?;
    sheets.iter().try_for_each(thalweg::maps::check)?;
    let out = args.out.clone().unwrap_or_else(|| folder(&source));
    if let Some(shard) = args.shard {
        return shard::train((&source, &plan), shard, &args.engine, &out);
    }
    let without_device = args.engine.engine_of_one()?;
    let found = |cell: &Cell| thalweg_store::is_finished(&out, cell, without_device.name());
    // A finished run needs no card.
    let engine = match !args.fresh && plan.cells.iter().all(found) {
        true => without_device,
        false => args.engine.engine()?,
    };
    let threads = args.engine.threads.count();
    note_what_is_replaced(&out, &plan);
    for line in renamed_weights(&plan) {
        complain(&format!("note: {line}"));
    }
    memory::check(&plan, engine.as_ref(), threads)?;
    let _lock = thalweg_store::lock(&out)?;
    thalweg_store::begin(&out, &source, &plan)?;
    if args.fresh {
        thalweg_store::forget(&out, &plan, engine.name())?;
        thalweg_store::forget_maps(&out, &sheets)?;
    }
    let replicates = plan.cells.iter().map(|c| c.setting.replicates.at_most());
    let progress = Progress::new(&plan, replicates.sum(), Some(&out));
    let history = History::default();
    let tell = |event: Event<'_>| {
        progress.tell(event);
        if !args.shown.json
            && let Some(lines) = history.tell(event)
        {
            // A closed pipe ends the program; what else may fail is told at the end.
            let _ = progress.suspend(|| print(&lines));
        }
    };
    let keeper = thalweg_store::Folder {
        path: &out,
        engine: engine.name(),
    };
    let training = Training::begin();
    let control = control(&tell);
    let records = thalweg::lab::run(&plan, engine.as_ref(), threads, &keeper, &control);
    progress.finish(records.is_ok());
    drop(training);
    let records = records?;
    let maps = draw_maps(&out, &plan, &sheets, (engine.as_ref(), threads))?;
    let has_space = source.study()?.space.is_some();
    if has_space && !args.no_choose && thalweg_store::read_choices(&out, &plan.cells[0])?.is_empty()
    {
        let trained = records.iter().map(|record| record.seconds).sum();
        let engine = (engine.as_ref(), threads);
        if let Some(left_out) = choose_besides(&source, &out, engine, trained)? {
            complain(&left_out);
        }
    }
    let analysis = Analysis::of(&plan, &records, threads);
    show(&out, &plan, &records, &analysis, &maps, &args.shown)
}

/// The map of a part of it.
fn zoom_in(source: &mut Source, zoom: args::Zoom) -> Result<()> {
    if source.study()?.map.is_none() {
        return Err(Error::Unknown {
            message: "`--zoom` is about a map, and the study has none".into(),
            hint: "`thalweg studies show trainability` has a `[map]`".into(),
        }
        .into());
    }
    let ends = ["x.from", "x.to", "y.from", "y.to"];
    for (end, value) in ends.iter().zip(zoom.0) {
        source.set(&format!("map.{end}={value:?}"))?;
    }
    Ok(())
}

/// Trains the pixels that are missing.
fn draw_maps(
    out: &Path,
    plan: &Plan,
    sheets: &[Sheet],
    engine: (&dyn Engine, usize),
) -> Result<Vec<Picture>> {
    if sheets.is_empty() {
        return Ok(Vec::new());
    }
    let of = |sheet: &Sheet| {
        let (width, height) = sheet.size();
        let replicates = sheet.cell(0).map_or(1, |c| c.setting.replicates.at_most());
        (width * height).min(sheet.budget) as u64 * replicates
    };
    let progress = Progress::new(plan, sheets.iter().map(of).sum(), None);
    let tell = |event: Event<'_>| progress.tell(event);
    let training = Training::begin();
    let drawn = train_maps(out, sheets, engine, &control(&tell));
    progress.finish(drawn.is_ok());
    drop(training);
    match drawn {
        Err(Error::Stopped { .. }) => {
            bail!("stopped: all cells and some pixels are kept; the same command goes on")
        }
        other => Ok(other?),
    }
}

/// Writes the report of a run, and answers.
pub(crate) fn show(
    out: &Path,
    plan: &Plan,
    records: &[Record],
    analysis: &Analysis,
    maps: &[Picture],
    shown: &args::Shown,
) -> Result<ExitCode> {
    let page = write_run(out, plan, records, analysis, maps)?;
    if shown.json {
        print(&serde_json::to_string_pretty(&page.json())?)?;
    } else {
        if analysis.single.is_some() {
            picture(analysis)?;
        }
        let choices = thalweg_store::read_choices(out, &plan.cells[0])?;
        let chosen = chosen(&plan.cells[0].setting, &choices);
        answer(out, analysis, &chosen, shown.cells)?;
        for line in thalweg_report::map::words(maps) {
            say(&line, 2)?;
        }
    }
    if shown.open {
        open(&out.join("report.html"));
    }
    let base = analysis.base();
    let reached = base.share >= base.setting.success.share;
    Ok(if shown.check && !reached {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// Says that the page of another setting is about to be replaced: its cells stay, its page does
/// not.
fn note_what_is_replaced(out: &Path, plan: &Plan) {
    let known = |hash: &String| plan.cells.iter().any(|c| c.hash == *hash);
    let before = thalweg_store::planned_hashes(out);
    if out.join("report.html").exists() && !before.iter().all(known) {
        complain(&format!(
            "note: `{0}` holds the report of another setting: report, tables and weights are \
             replaced, finished cells stay; `--out DIR` keeps both",
            out.display()
        ));
    }
}

//! `thalweg run --shard K/N` and `thalweg merge`: one run on several machines.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use thalweg::lab::{self, Event, Span};
use thalweg::plan::Cell;
use thalweg::study::Replicates;
use thalweg::{Analysis, Error, Plan, Source};
use thalweg_report::words::numbers::many;
use thalweg_store::Folder;

use crate::ExitCode;
use crate::args;
use crate::interrupt::{Training, control};
use crate::memory;
use crate::progress::Progress;
use crate::report::maps_of;
use crate::run::show;
use crate::screen::Screen;
use crate::source::plan;
use crate::terminal::{quoted, say};

/// Trains the replicates of one shard and keeps them in the folder for `merge`.
pub(crate) fn train(
    (source, plan): (&Source, &Plan),
    shard: args::Shard,
    engine: &args::EngineArgs,
    out: &Path,
) -> Result<ExitCode> {
    let threads = engine.threads.count();
    let engine = engine.engine()?;
    memory::check(plan, engine.as_ref(), threads)?;
    // Other shards may be at work in the same folder.
    let _lock = thalweg_store::share(out)?;
    let hashes = thalweg_store::planned_hashes(out);
    let ours = plan.cells.iter().map(|cell| &cell.hash);
    if !hashes.is_empty() && !hashes.iter().eq(ours) {
        return Err(Error::Unknown {
            message: format!("`{}` is a run of another study or setting", out.display()),
            hint: "all shards in a folder are of one study: another folder, `--out DIR`".into(),
        }
        .into());
    }
    thalweg_store::begin(out, source, plan)?;
    let keeper = Folder {
        path: out,
        engine: engine.name(),
    };
    let all = lab::shard(plan, shard.number - 1, shard.of);
    let left = lab::unfinished(plan, &all, &keeper)?;
    let replicates = left.iter().map(|span| span.until - span.from).sum();
    let progress = Progress::new(plan, replicates, None);
    let finished = AtomicUsize::new(0);
    let keep = |span: Span, piece: lab::Piece| {
        thalweg_store::save_piece(out, &piece)?;
        finished.fetch_add(1, Ordering::Relaxed);
        progress.finish_piece(&plan.cells[span.cell]);
        Ok(())
    };
    let tell = |event: Event<'_>| progress.tell(event);
    let training = Training::begin();
    let ended = lab::train_spans(
        plan,
        &left,
        engine.as_ref(),
        threads,
        &keep,
        &control(&tell),
    );
    progress.finish(matches!(ended, Ok(true)));
    drop(training);
    if !ended? {
        bail!(
            "stopped: {} of {} of shard {shard} are finished and kept; the same command goes on",
            finished.into_inner(),
            many(left.len(), "piece", "pieces"),
        );
    }
    let replicates: u64 = all.iter().map(|span| span.until - span.from).sum();
    let cells = all.iter().map(|span| &plan.cells[span.cell]);
    let decided = |cell: &Cell| matches!(cell.setting.replicates, Replicates::UntilDecided { .. });
    let at_most = if cells.clone().any(decided) {
        "at most "
    } else {
        ""
    };
    let what = match replicates {
        0 => "nothing to train".into(),
        n => format!(
            "{at_most}{} of {} in {}",
            many(n as usize, "replicate", "replicates"),
            many(all.len(), "cell", "cells"),
            out.display()
        ),
    };
    say(&format!("Shard {shard}: {what}"), 0)?;
    let by = match engine.name() {
        "reference" => " --engine reference",
        _ => "",
    };
    let merge = format!("thalweg merge {}{by}", quoted(&out.display().to_string()));
    say(&format!("When all {} are there: `{merge}`", shard.of), 0)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the records of a run of its pieces, which other folders may hold too, and shows it as
/// `run` does; nothing is trained.
pub(crate) fn merge(args: args::Merge) -> Result<ExitCode> {
    let (out, others) = args.runs.split_first().ok_or_else(|| Error::Unknown {
        message: "`merge` takes run folders".into(),
        hint: "`thalweg merge runs/all part1 part2`".into(),
    })?;
    let is_run = out.join("study.toml").exists();
    let source = thalweg_store::load_source(match others.first() {
        Some(first) if !is_run => first,
        _ => out,
    })?;
    let plan = plan(&source)?;
    let engine = thalweg_gpu::without_device(&args.engine).map_err(Error::from)?;
    let _lock = thalweg_store::lock(out)?;
    thalweg_store::begin(out, &source, &plan)?;
    for other in others {
        if !other.is_dir() {
            return Err(Error::Unknown {
                message: format!("there is no run folder `{}`", other.display()),
                hint: "folders that `thalweg run --shard` filled".into(),
            }
            .into());
        }
        if thalweg_store::copy_pieces(&plan, other, out, engine.name())? == 0 {
            return Err(Error::Unknown {
                message: format!("`{}` has nothing of this study", other.display()),
                hint: "all shards are of one study, with the same `--set`".into(),
            }
            .into());
        }
    }
    let keeper = Folder {
        path: out,
        engine: engine.name(),
    };
    complete(&keeper, &plan, out)?;
    let threads = args.threads.count();
    let tell = |_: Event<'_>| {};
    let records = lab::run(&plan, engine.as_ref(), threads, &keeper, &control(&tell))?;
    let analysis = Analysis::of(&plan, &records, threads);
    let maps = maps_of(out, &records, threads)?;
    let code = show(out, &plan, &records, &analysis, &maps, &args.shown)?;
    if !args.shown.json && maps.len() < thalweg_store::sheets(&source)?.len() {
        let study = quoted(&out.join("study.toml").display().to_string());
        say(
            &format!("Its map is not trained: `thalweg run {study}` does"),
            2,
        )?;
    }
    Ok(code)
}

/// That no replicate is missing.
fn complete(keeper: &Folder<'_>, plan: &Plan, out: &Path) -> Result<()> {
    let all: Vec<Span> = plan.cells.iter().map(Span::whole).collect();
    let missing = lab::unfinished(plan, &all, keeper)?;
    let named = |gap: &Span| format!("{} to {} of cell {}", gap.from, gap.until - 1, gap.cell);
    let mut missing: Vec<String> = missing.iter().map(named).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let more = match missing.len() {
        0..=3 => String::new(),
        n => format!(", and {} more ranges", n - 3),
    };
    missing.truncate(3);
    let study: PathBuf = out.join("study.toml");
    let study = quoted(&Screen::here().path(&study));
    Err(Error::Unknown {
        message: format!("replicates {}{more} are not there", missing.join(", ")),
        hint: format!(
            "run the shards that did not end again, with the same command; or `thalweg run \
             {study}` trains what is missing, here"
        ),
    }
    .into())
}

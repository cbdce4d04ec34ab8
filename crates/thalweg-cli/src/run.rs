//! `thalweg run`: the study is trained, analysed and answered.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use thalweg::analysis::Analysis;
use thalweg::analysis::replicate::Replicate;
use thalweg::lab::Event;
use thalweg_report::Only;

use crate::args;
use crate::interrupt::{Training, control};
use crate::progress::Progress;
use crate::report::{page, write_report, write_tables, write_weights};
use crate::source::{folder, planned};
use crate::terminal::{print, shorten, wrap};

/// Trains what is not finished, analyses, writes the report, and answers.
pub(crate) fn run(args: args::Run) -> Result<ExitCode> {
    let (source, plan) = planned(&args.study)?;
    let engine = args.engine.engine()?;
    let threads = args.engine.threads.count();
    let out = args.out.clone().unwrap_or_else(|| folder(&source));
    thalweg_store::begin(&out, &source, &plan)?;
    if args.fresh {
        thalweg_store::forget(&out, &plan, engine.name())?;
    }
    let progress = Progress::new(&plan, &out);
    let tell = |event: Event<'_>| progress.tell(event);
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
    let analysis = Analysis::of(&plan, &records, threads);
    let page = page(&out, &plan, &analysis, engine.name())?;
    write_report(&out, &page, Only::All)?;
    write_tables(&out, &analysis, &plan, &records)?;
    write_weights(&out, &plan, &records)?;
    if args.json {
        print(&serde_json::to_string_pretty(&page.json())?)?;
    } else {
        answer(&out, &analysis)?;
    }
    let base = analysis.base();
    let reached = base.share >= base.setting.success.share;
    Ok(if args.check && !reached {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// Most characters of a column of the table.
const WIDEST: usize = 52;

/// The answer in a few lines, the cells in a table, and where the page is.
fn answer(out: &Path, analysis: &Analysis) -> Result<()> {
    print(&analysis.title)?;
    for line in thalweg_report::words::answer(analysis) {
        print(&format!("\n{}", wrap(&line, 100)))?;
    }
    print("")?;
    let heads = ["cell", "success", "95 % interval", "median steps", "loss"];
    let mut rows = vec![heads.map(String::from)];
    for row in thalweg_report::overview(analysis) {
        rows.push([row.name, row.success, row.interval, row.steps, row.loss]);
    }
    let width = |i: usize| {
        let widths = rows.iter().map(|r| r[i].chars().count());
        widths.max().unwrap_or(0).min(WIDEST)
    };
    for row in &rows {
        let pad = |i: usize| {
            let text = shorten(&row[i], WIDEST);
            let gap = " ".repeat(width(i).saturating_sub(text.chars().count()));
            // Names and sparklines begin on the left, numbers end on the right.
            if i == 0 || i + 1 == row.len() {
                format!("{text}{gap}")
            } else {
                format!("{gap}{text}")
            }
        };
        let cells: Vec<String> = (0..row.len()).map(pad).collect();
        print(format!("  {}", cells.join("  ")).trim_end())?;
    }
    for cell in &analysis.cells {
        for replicate in &cell.shown {
            history(cell.describe(), replicate)?;
        }
    }
    print(&format!("\nReport: {}", out.join("report.html").display()))?;
    Ok(())
}

/// What a notebook prints of a run whose every loss is kept: the loss now and then, the first step
/// below.
fn history(cell: &str, replicate: &Replicate) -> Result<()> {
    let Some(milestones) = &replicate.milestones else {
        return Ok(());
    };
    print(&format!("\n{cell}, replicate {}:", replicate.replicate))?;
    for (step, loss) in milestones {
        print(&format!("  step {step:>8}  loss {loss:.6e}"))?;
    }
    match replicate.first_below {
        Some(step) => print(&format!(
            "  below {:e} first at step {step}: yeah!",
            replicate.loss_below
        )),
        None => print(&format!(
            "  never below {:e}; best loss {:.6e}",
            replicate.loss_below, replicate.best_loss
        )),
    }
}

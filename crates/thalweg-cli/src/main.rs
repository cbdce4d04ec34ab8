//! The program `thalweg`.

mod args;
mod progress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::Parser;

use args::{Cli, Command, EngineArgs, StudyArgs};
use progress::Progress;
use thalweg::engine::by_name;
use thalweg::run::{Control, run};
use thalweg::{Error, Plan, Source};

static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Without a handler Ctrl-C ends the process at once, which loses the running cell only.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            let known = error.downcast_ref::<Error>();
            if let Some(hint) = known.and_then(Error::hint) {
                eprintln!("\nhint: {hint}");
            }
            match known {
                Some(Error::Study { .. } | Error::Unknown { .. }) => ExitCode::from(2),
                _ => ExitCode::from(1),
            }
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let default = || {
        let Cli { command } = Cli::parse_from(["thalweg", "run"]);
        command
    };
    match cli.command.or_else(default) {
        Some(Command::Run(args)) => train(args),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The study that the arguments name, changed as they say.
fn open(args: &StudyArgs) -> Result<Source> {
    let mut source = Source::open(&args.study)?;
    for assignment in &args.set {
        source.set(assignment)?;
    }
    if let Some(n) = args.replicates {
        source.set(&format!("replicates={n}"))?;
    }
    Ok(source)
}

fn threads(args: &EngineArgs) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    args.threads.map_or_else(all, usize::from)
}

/// The default run folder of a study: `runs/<file stem>`.
fn folder(source: &Source) -> PathBuf {
    let stem = Path::new(&source.name).file_stem().and_then(|s| s.to_str()).unwrap_or("study");
    Path::new("runs").join(stem)
}

#[allow(clippy::print_stdout, reason = "the answer goes to standard output")]
fn train(args: args::Run) -> Result<ExitCode> {
    let source = open(&args.study)?;
    let engine = by_name(&args.engine.engine)?;
    let plan = Plan::new(&source)?;
    let out = args.out.clone().unwrap_or_else(|| folder(&source));
    thalweg::store::begin(&out, &source, &plan)?;
    let progress = Progress::new(&plan);
    let tell = |event: thalweg::run::Event<'_>| progress.tell(event);
    let control = Control { stop: &STOP, tell: &tell };
    let records = run(&plan, engine.as_ref(), threads(&args.engine), &out, &control)?;
    progress.finish();
    for (cell, record) in plan.cells.iter().zip(&records) {
        let s = thalweg::confront::summarize(cell, record);
        println!("{:60} {}/{} {:?} {:.2}s {:.0}k/s {:?} {:?} {:.2} {:?}", cell.describe(), s.successes, s.replicates, s.steps, record.seconds, record.steps() as f64/record.seconds/1e3, s.causes, s.looked.as_ref().map(|l| (l.start, l.edge)), s.looked.as_ref().map_or(0.0, |l| l.kernel_moved), s.looked.and_then(|l| l.by_start).map(|f| (f.steps, f.success, f.ratio)));
    }
    Ok(ExitCode::SUCCESS)
}

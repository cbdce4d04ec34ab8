//! The program `thalweg`, as a function: its own binary and the Python package are both it.

mod answer;
mod args;
mod bench;
mod certify;
mod choose;
mod curve;
mod devices;
mod explain;
mod history;
mod interrupt;
mod layout;
mod maps;
mod memory;
mod open;
mod plan;
mod progress;
mod report;
mod run;
mod screen;
mod shard;
mod source;
mod status;
mod terminal;
mod theory;
mod usage;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use thalweg::engine;
use thalweg::{Error, Source, Study};

use args::{Cli, Command};
use screen::Screen;
use source::BadStudy;
use terminal::{complain, print, say};

/// What a bare `thalweg` says.
const WELCOME: &str = "\
A laboratory for gradient descent on small networks: train thousands of them at once, see with
error bars whether they converge, when, and why not.

To begin with:
  thalweg run       train the built-in study `assignment`; its report is a web page
  thalweg plan      what that would cost and what theory expects; trains nothing
  thalweg explain runs/assignment --replicate 3
                    replay one network of the run, and say why it ended as it did
  thalweg studies   other built-in studies; `thalweg studies show NAME > my.toml` copies one
                    to change, and `thalweg run my.toml` runs it

`thalweg --help` lists all commands, `thalweg COMMAND --help` explains one.";

pub use maps::train_maps;
pub use report::{maps_of, write_run};

/// How the program ends: 0 if all went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// All went well.
    pub const SUCCESS: ExitCode = ExitCode(0);

    /// As the system takes it.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> ExitCode {
        ExitCode(code)
    }
}

/// The program, with its own name first among the arguments. It takes over Ctrl-C and the like, and
/// may end the process by itself.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::tell(&error, arguments),
    };
    // The parquet reader panics on some damaged files: it ends its thread, and is told as an error.
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(thalweg_store::PARQUET_THREAD) {
            tell(panic);
        }
    }));
    interrupt::install();
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            let study = error.downcast_ref::<BadStudy>().map(|BadStudy(e)| e);
            let known = study.or_else(|| error.downcast_ref::<Error>());
            if let Some(hint) = known.and_then(Error::hint) {
                complain(&format!("\nhint: {hint}"));
            }
            let mistaken = match known {
                Some(
                    Error::Study { .. }
                    | Error::NoSuchCell { .. }
                    | Error::NoSuchReplicate { .. }
                    | Error::NoTheory(_)
                    | Error::Unknown { .. },
                ) => true,
                Some(Error::Engine(e)) => matches!(e, engine::Error::NoSuchEngine(_)),
                Some(
                    Error::Io { .. }
                    | Error::Damaged { .. }
                    | Error::Certificate { .. }
                    | Error::Stopped { .. },
                )
                | None => false,
            };
            ExitCode::from(if study.is_some() || mistaken { 2 } else { 1 })
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let Some(command) = cli.command else {
        print(WELCOME)?;
        return Ok(ExitCode::SUCCESS);
    };
    match command {
        Command::Run(args) => run::run(args),
        Command::Merge(args) => shard::merge(args),
        Command::Plan(args) => plan::price(args),
        Command::Explain(args) => explain::explain(args),
        Command::Certify(args) => certify::certify(args),
        Command::Verify(args) => certify::verify(args),
        Command::Choose(args) => choose::choose(args),
        Command::Report(args) => report::report(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Studies { what } => studies(what),
        Command::Weights(args) => weights(args),
        Command::Devices(args) => devices::devices(args.json),
        Command::Bench(args) => bench::bench(args),
        Command::Theory { what } => theory::theory(what),
    }
}

fn studies(what: Option<args::Studies>) -> Result<ExitCode> {
    match what.unwrap_or(args::Studies::List) {
        args::Studies::List => {
            let names = thalweg::study::BUILT_IN.map(|(name, _)| name.len());
            let width = names.into_iter().max().unwrap_or(0);
            for (name, text) in thalweg::study::BUILT_IN {
                let study: Study = Source {
                    name: name.into(),
                    text: text.into(),
                    folder: ".".into(),
                }
                .study()?;
                say(&format!("{name:width$}  {}", study.title), width + 2)?;
            }
        }
        args::Studies::Show { name } => {
            let known = thalweg::study::BUILT_IN.iter().find(|(n, _)| *n == name);
            let (_, text) = known.ok_or_else(|| Error::Unknown {
                message: format!("there is no built-in study `{name}`"),
                hint: format!(
                    "built-in studies: {}",
                    thalweg::study::BUILT_IN.map(|(n, _)| n).join(", ")
                ),
            })?;
            print(text.trim_end())?;
        }
        args::Studies::Schema => print(&serde_json::to_string_pretty(&thalweg::study::schema())?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A safetensors file, be it named itself or as the first of a run folder, and how many others are
/// beside it.
fn weights_file(path: &Path) -> Result<(PathBuf, usize)> {
    if !path.is_dir() {
        return Ok((path.to_path_buf(), 0));
    }
    let mut all = thalweg_store::weights_files(path)?;
    if all.is_empty() {
        return Err(Error::Unknown {
            message: format!("`{}` keeps no weights", path.display()),
            hint: "`[keep] replicates = 1` in the study keeps those of the first replicate".into(),
        }
        .into());
    }
    let first = all.swap_remove(0);
    Ok((first, all.len()))
}

/// A row of a matrix in as many lines as it takes: columns stay below each other.
fn row_of(numbers: &[String]) -> Result<()> {
    let room = Screen::here().width.saturating_sub(4);
    let each = numbers.iter().map(|n| n.chars().count() + 1).max();
    let columns = (room / each.unwrap_or(1)).max(1);
    for (i, part) in numbers.chunks(columns).enumerate() {
        let margin = if i == 0 { "  " } else { "    " };
        print(&format!("{margin}{}", part.join(" ")))?;
    }
    Ok(())
}

fn weights(args: args::Weights) -> Result<ExitCode> {
    let (file, others) = weights_file(&args.file)?;
    let tensors = thalweg_store::read_tensors(&file)?;
    if args.json {
        let all: serde_json::Map<String, serde_json::Value> = tensors
            .iter()
            .map(|t| {
                (
                    t.name.clone(),
                    serde_json::json!({ "shape": t.shape, "values": t.values }),
                )
            })
            .collect();
        print(&serde_json::to_string_pretty(&all)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if others > 0 {
        let file = file.display();
        say(&format!("{file}, and {others} more beside it"), 2)?;
    }
    for tensor in &tensors {
        let shape = &tensor.shape;
        print(&format!("{} {shape:?}", tensor.name))?;
        let columns = shape.last().copied().unwrap_or(1).max(1);
        for row in tensor.values.chunks(columns) {
            let numbers: Vec<String> = row.iter().map(|v| format!("{v:>12.8}")).collect();
            row_of(&numbers)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

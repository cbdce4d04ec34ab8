//! The command line, as written.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A laboratory for gradient descent on small networks.
#[derive(Debug, Parser)]
#[command(name = "thalweg", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Without a command: `run`, the built-in study `assignment`.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a study's cells, predict, confront, and write the report.
    Run(Run),
    /// Say what a study would run, what it would cost and what theory expects; train nothing.
    Plan(PlanArgs),
    /// Replay one replicate of a run bit for bit and say why it ended as it did.
    Explain(Explain),
    /// Write the report of a run again, or link the reports of several.
    Report(Report),
    /// Show how far a running study is.
    Watch(Watch),
    /// List or show the built-in studies, or print the JSON schema of study files.
    Studies {
        #[command(subcommand)]
        what: Option<Studies>,
    },
    /// Print the named parameters of a safetensors file.
    Weights(Weights),
}

/// A study, and how it is changed for this run.
#[derive(Debug, Args)]
pub(crate) struct StudyArgs {
    /// A study file, or the name of a built-in study.
    #[arg(default_value = "assignment")]
    pub(crate) study: String,
    /// Change a key of the study, as `data.dim=5`. May be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Replicates of each cell: short for `--set replicates=N`.
    #[arg(long, value_name = "N")]
    pub(crate) replicates: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// Threads [default: all processors].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// `cpu`, or `reference`: slow, plain, double precision.
    #[arg(long, default_value = "cpu")]
    pub(crate) engine: String,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// The run folder [default: runs/<study>].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Go on with the finished cells of the folder. This is the default.
    #[arg(long, overrides_with = "fresh")]
    pub(crate) resume: bool,
    /// Train every cell again.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Exit with 3 if the base cell does not reach the study's success share.
    #[arg(long)]
    pub(crate) check: bool,
    /// Print the report's data as JSON instead of the answer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The run folder.
    pub(crate) run: PathBuf,
    /// The cell.
    #[arg(long, default_value_t = 0)]
    pub(crate) cell: usize,
    /// The replicate.
    #[arg(long, default_value_t = 0)]
    pub(crate) replicate: u64,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run folder; several with `--gallery`.
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Write the figures, the tables or the page alone.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) only: Option<Only>,
    /// Write a page into this folder that links copies of the runs' reports.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["only", "json"])]
    pub(crate) gallery: Option<PathBuf>,
    /// `cpu` or `reference`: whose records.
    #[arg(long, default_value = "cpu")]
    pub(crate) engine: String,
    /// Print the report's data as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What of a report is written.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Only {
    /// `figures/*.svg`, as wide as a paper's column.
    Figures,
    /// `tables/*.csv`, `tables/*.tex` and the parquet tables.
    Tables,
    /// `report.html`.
    Page,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The run folder.
    pub(crate) run: PathBuf,
    /// Say it once instead of until the run ends. Always so if the output is no terminal.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the state as JSON, once.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Studies {
    /// List the built-in studies.
    List,
    /// Print a built-in study, ready to be saved and changed.
    Show {
        /// Its name.
        name: String,
    },
    /// Print the JSON schema of study files.
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Weights {
    /// A safetensors file.
    pub(crate) file: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

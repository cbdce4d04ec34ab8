//! The command line, as written.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use thalweg::Error;
use thalweg::engine::Engine;

/// A laboratory for gradient descent on small networks.
#[derive(Debug, Parser)]
#[command(name = "thalweg", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a study's cells, predict, confront, and write the report.
    Run(Run),
    /// Say what a study would run, what it would cost and what theory expects; train nothing.
    Plan(PlanArgs),
    /// Put the shards of a run together, be they in one folder or several, and write the report.
    Merge(Merge),
    /// Replay one replicate of a run bit for bit and say why it ended as it did.
    Explain(Explain),
    /// Write the report of a run again, or link the reports of several.
    Report(Report),
    /// Show how far a running study is.
    Watch(Watch),
    /// Decide whether a study's base cell reaches the loss on its share of training sets, and write
    /// a certificate. Exit code 0: yes, 3: no, 4: undecided.
    Certify(Certify),
    /// Check a certificate: its content, its decision, and some of its replicates bit by bit.
    Verify(Verify),
    /// Choose the cheapest setting of a study's `[space]` that can be certified.
    Choose(Choose),
    /// List or show the built-in studies, or print the JSON schema of study files.
    Studies {
        #[command(subcommand)]
        what: Option<Studies>,
    },
    /// Print the named parameters of a safetensors file.
    Weights(Weights),
    /// List the graphics cards that `--engine gpu` can train on, and what they can do.
    Devices(Devices),
    /// Measure how fast this machine trains, against what its processor can do. Exit with 1 below
    /// the floors.
    Bench(Bench),
    /// Ask the theory of infinitely wide networks; train nothing.
    Theory {
        #[command(subcommand)]
        what: Theory,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Devices {
    /// Print the list as JSON.
    #[arg(long)]
    pub(crate) json: bool,
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

/// How many threads compute.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Threads {
    /// Threads [default: all processors].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl Threads {
    /// The number asked for, or that of the processors.
    pub(crate) fn count(self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}

#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// `cpu`; `gpu`, a graphics card with the same bits (`gpu:cuda`, `gpu:opencl`; `gpu:1` is the
    /// second one, counted from 0: see `thalweg devices`); `auto`, the faster of the two;
    /// `reference`: slow, plain, double precision.
    #[arg(long, default_value = "cpu")]
    engine: String,
}

impl EngineArgs {
    /// The engine of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] if there is none.
    pub(crate) fn engine(&self) -> Result<Box<dyn Engine>, Error> {
        Ok(thalweg_gpu::by_name(&self.engine)?)
    }

    /// One of the same bits that needs no device: for a single replicate.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] if there is none of that name.
    pub(crate) fn engine_of_one(&self) -> Result<Box<dyn Engine>, Error> {
        Ok(thalweg_gpu::without_device(&self.engine)?)
    }
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
    /// Choose nothing from the study's `[space]`. Else a choice is made as far as it is cheap.
    #[arg(long)]
    pub(crate) no_choose: bool,
    /// Train a part of the replicates alone, the 3rd of 16 with `3/16`: the others are trained by
    /// other processes or machines, and `thalweg merge` puts them together.
    #[arg(
        long,
        value_name = "K/N",
        conflicts_with_all = ["fresh", "resume", "cells", "open", "check", "json"]
    )]
    pub(crate) shard: Option<Shard>,
    /// Draw the study's map between these values alone, X0 to X1 and Y0 to Y1, in as many pixels.
    #[arg(
        long,
        value_name = "X0,X1,Y0,Y1",
        conflicts_with = "shard",
        allow_hyphen_values = true
    )]
    pub(crate) zoom: Option<Zoom>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// A part of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zoom(pub(crate) [f64; 4]);

impl std::str::FromStr for Zoom {
    type Err = String;

    fn from_str(text: &str) -> Result<Zoom, String> {
        let numbers: Vec<f64> = (text.split(',').map(str::trim))
            .filter_map(|n| n.parse().ok())
            .collect();
        match <[f64; 4]>::try_from(numbers) {
            Ok(ends) if text.split(',').count() == 4 && ends.iter().all(|v| v.is_finite()) => {
                Ok(Zoom(ends))
            }
            _ => Err("four numbers, as 0.01,0.1,1,10".into()),
        }
    }
}

/// One of several parts of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shard {
    /// From 1.
    pub(crate) number: u64,
    /// How many there are.
    pub(crate) of: u64,
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            Some(Shard {
                number: number.parse().ok()?,
                of: of.parse().ok()?,
            })
        });
        match parsed {
            Some(shard) if (1..=shard.of).contains(&shard.number) && shard.of <= 1_000_000 => {
                Ok(shard)
            }
            _ => Err("a shard is K/N, the K-th of N with K from 1 to N, as 3/16".into()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// The run folder that is made whole; then folders that hold shards of the same study, if they
    /// are not in the first.
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// `cpu` or `reference`: whose shards. Those of a card are of `cpu`.
    #[arg(long, default_value = "cpu")]
    pub(crate) engine: String,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// How a finished run is shown.
#[derive(Debug, Args)]
pub(crate) struct Shown {
    /// Print the table of all cells before the answer.
    #[arg(long, conflicts_with = "json")]
    pub(crate) cells: bool,
    /// Show the report in the system's browser.
    #[arg(long)]
    pub(crate) open: bool,
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
    /// Every cell, not the dearest ten alone.
    #[arg(long, conflicts_with = "json")]
    pub(crate) cells: bool,
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
    /// Write the figures as PNG too, 300 dots an inch.
    #[arg(long)]
    pub(crate) png: bool,
    /// Write a page into this folder that links copies of the runs' reports.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["only", "json", "png"])]
    pub(crate) gallery: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// `cpu` or `reference`: whose records.
    #[arg(long, default_value = "cpu")]
    pub(crate) engine: String,
    /// Print the report's data as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the report in the system's browser.
    #[arg(long, conflicts_with = "json")]
    pub(crate) open: bool,
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

#[derive(Debug, Args)]
pub(crate) struct Certify {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// Level of the decision, both ways [default: the study's `until_decided`, else 0.95].
    #[arg(long, value_name = "P")]
    pub(crate) level: Option<f64>,
    /// Give up after so many replicates [default: the study's `until_decided`, else 10000].
    #[arg(long, value_name = "N")]
    pub(crate) at_most: Option<u64>,
    /// Rest on replicates 0, 1, … of the study, which its report has seen, instead of on fresh
    /// ones.
    #[arg(long)]
    pub(crate) own_draws: bool,
    /// The certificate [default: runs/<study>/certificate.toml, with what was set in its name].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Print the certificate as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A certificate.
    pub(crate) file: PathBuf,
    /// How many replicates to train again.
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all")]
    pub(crate) count: u64,
    /// Train all of them again.
    #[arg(long)]
    pub(crate) all: bool,
    /// Choose the replicates of an earlier check again.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) choice: Option<u64>,
    /// Where files that the study names are [default: beside the certificate].
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print what was found as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Choose {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// Where `choice.json`, certificates and figures go [default: runs/<study>].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Print the choice as JSON.
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
    /// A safetensors file, or a run folder: its first weights.
    pub(crate) file: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Rounds; figures are medians over them.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) rounds: u16,
    /// About so many seconds for each row and round.
    #[arg(long, value_name = "S", default_value_t = 0.3, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= 60.0 => Ok(seconds),
        _ => Err("a number of seconds, above 0 and up to 60".into()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Theory {
    /// The Gaussian process (NNGP) and tangent kernel (NTK) of a study's network on given inputs.
    Kernel(Kernel),
    /// Order, chaos and the critical line of its activation, and where its layers start.
    Phase(Phase),
    /// Steps to the loss and probability of success over random training sets.
    Steps(Steps),
    /// Mean and standard deviation of its outputs at new inputs, after training: NTK and NNGP.
    Predict(Predict),
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// New inputs: csv or parquet with columns x0, x1, …, npy [M, d], or npz with `x` [default: the
    /// `[test]` points of the study].
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Option<PathBuf>,
    /// The replicate whose training set it is.
    #[arg(long, default_value_t = 0)]
    pub(crate) replicate: u64,
    /// Steps of gradient descent, at the rate of the study [default: those of the study].
    #[arg(long, value_name = "T")]
    pub(crate) steps: Option<f64>,
    /// Added to the diagonal of both kernels for regression [default: `test.ridge` of the study].
    #[arg(long, value_name = "λ")]
    pub(crate) ridge: Option<f64>,
    /// Write all: .npz (arrays `x`, `ntk_mean`, `ntk_std`, …), .csv (a line an input) or .json.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Kernel {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// Inputs: csv or parquet with columns x0, x1, …, npy [N, d], or npz with `x` [default: those
    /// of the study's replicate 0].
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Option<PathBuf>,
    /// Second inputs: the kernels between both lists.
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Option<PathBuf>,
    /// The replicate whose inputs are taken without `--inputs`.
    #[arg(long, default_value_t = 0, conflicts_with = "inputs")]
    pub(crate) replicate: u64,
    /// Write both matrices: .npz (arrays `x`, `nngp`, `ntk`), .csv (a line a pair) or .json.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Phase {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// Largest σw² of the map [default: so that the network and the critical line are on it].
    #[arg(long, value_name = "σw²")]
    pub(crate) weights: Option<f64>,
    /// Largest σb² of the map.
    #[arg(long, value_name = "σb²")]
    pub(crate) biases: Option<f64>,
    /// Columns and rows of the map.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 48,
        value_parser = clap::value_parser!(u16).range(2..=400)
    )]
    pub(crate) points: u16,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Write the map as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print it as JSON, the map included.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Steps {
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// Input dimensions instead of the study's, as `15,5,2`.
    #[arg(long, value_name = "D,…", value_delimiter = ',')]
    pub(crate) dim: Vec<usize>,
    /// Every cell of the study, not the base cell alone.
    #[arg(long, conflicts_with = "dim")]
    pub(crate) cells: bool,
    /// Random training sets.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 400,
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub(crate) sets: u64,
    #[command(flatten)]
    pub(crate) threads: Threads,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

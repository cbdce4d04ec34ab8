//! A laboratory for gradient descent on small networks: it trains thousands of them, predicts when
//! they get there, and says why some do not.
//!
//! A study is a value: one setting of data, network and descent, and what is to be compared with
//! it. Every replicate draws its own training set and its own initial weights, from a seed and its
//! number alone. What was measured is held against what theory says, with error bars.
//!
//! ```
//! use thalweg::data::Data;
//! use thalweg::descent::{Descent, Rate};
//! use thalweg::net::Net;
//! use thalweg::study::Replicates;
//! use thalweg::{Analysis, Control, Cpu, InMemory, Inputs, Plan, Setting, Study, lab};
//!
//! let threads = 2;
//! let study = Study::of(Setting {
//!     replicates: Replicates::Fixed(50),
//!     data: Data { points: 8, dim: 4, ..Data::default() },
//!     net: Net { hidden: vec![32], ..Net::default() },
//!     descent: Descent { rate: Rate::OfLimit(0.5), steps: 2000, ..Descent::default() },
//!     ..Setting::default()
//! });
//! let plan = Plan::new(&study, &Inputs::default())?;
//! let records = lab::run(&plan, &Cpu::detect(), threads, &InMemory, &Control::default())?;
//! let analysis = Analysis::of(&plan, &records, threads);
//!
//! let cell = analysis.base();
//! println!("{} of {} replicates get below 1e-8", cell.successes, cell.replicates);
//! println!("probability of success: {}", cell.success);
//! println!("median step, with its interval: {}", cell.steps.median);
//! if let Some(forecast) = cell.by_start() {
//!     println!("median step that the initial kernels predict: {}", forecast.median);
//! }
//! if let Some((failure, of)) = cell.main_failure() {
//!     println!("{} of {of} failures: {}", failure.replicates, failure.cause);
//! }
//! # assert!(cell.success.low <= cell.share && cell.share <= cell.success.high);
//! # assert!(cell.by_start().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! | | |
//! |---|---|
//! | [`study`] | what to do: [`net`], [`data`], [`descent`], comparisons, [claims](claim) |
//! | [`inputs`] | training sets and initial weights of your own, by name |
//! | [`plan`] | what will be run: cells, each fully specified; draws of every replicate |
//! | [`price`] | what it will cost |
//! | [`lab`] | trains a plan; trains one replicate again, to the same bits |
//! | [`record`] | what a finished cell leaves behind |
//! | [`analysis`] | every number and judgement about a run: causes, comparisons, findings |
//! | [`mod@explain`] | one replicate: its loss, its slowest mode, its curvature, its cause |
//! | [`theory`] | predictions: linearised descent, infinitely wide networks, order and chaos |
//! | [`observe`] | tangent kernels and curvature of a network as it is |
//! | [`stats`] | intervals, tests, quantiles |
//! | [`decide`] | is a share reached? which setting is the cheapest that reaches it? |
//! | [`engine`], [`seed`] | what trains, and where random numbers come from |
//!
//! Nothing here prints, opens a file or asks a clock: `thalweg-store` keeps runs in folders,
//! `thalweg-report` makes pages and figures. Outcomes are data: a replicate that diverges is a
//! result. Errors are an [`Error`], a sentence for people and a variant for programs.

pub mod analysis;
pub mod decide;
pub mod error;
pub mod explain;
pub mod inputs;
pub mod lab;
pub mod linalg;
pub mod maps;
pub mod observe;
pub mod plan;
pub mod price;
pub mod record;
pub mod stats;
pub mod study;
pub mod theory;
mod threads;

pub use thalweg_engine::{self as engine, seed};

pub use analysis::Analysis;
pub use engine::cpu::Cpu;
pub use error::{Error, NoTheory};
pub use explain::explain;
pub use inputs::Inputs;
pub use lab::{Control, InMemory};
pub use plan::Plan;
pub use record::{Outcome, Record};
pub use study::{Mistake, Setting, Source, Study, claim, data, descent, net};

/// The program of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

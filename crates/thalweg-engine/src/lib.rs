//! The engine seam: train a stream of replicates of one problem.

mod activation;
pub mod cpu;
mod layout;
mod method;
mod outcome;
pub mod reference;
pub mod seed;

pub use activation::Activation;
pub use layout::Tensor;
pub use method::{Loss, Method, Precision};
pub use outcome::Outcome;

use std::sync::Arc;

/// What all replicates of a cell have in common, as engines need it.
///
/// Weights are *effective*, z = W a + b. A tensor whose trainable numbers enter multiplied by m
/// moves by m times what the update rule says for the gradient m · ∂L/∂W.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Units of every layer: `[d, hidden…, 1]`.
    pub sizes: Vec<usize>,
    /// The layout of the flat parameters.
    pub tensors: Vec<Tensor>,
    /// Factor on the rate of each tensor.
    pub rate_factors: Vec<f64>,
    /// m of each tensor.
    pub multipliers: Vec<f64>,
    /// φ of the hidden layers.
    pub activation: Activation,
    /// Whether layers have biases.
    pub bias: bool,
    /// N.
    pub points: usize,
    /// The update rule.
    pub method: Method,
    /// The loss.
    pub loss: Loss,
    /// The budget.
    pub steps: u64,
    /// Go on below the threshold.
    pub run_all: bool,
    /// ε.
    pub loss_below: f64,
    /// The arithmetic.
    pub precision: Precision,
    /// The steps at which every replicate's loss is recorded: increasing, from 0 to `steps`.
    pub grid: Arc<[u64]>,
}

/// Loss above which a replicate has diverged, as a multiple of max(initial loss, 1). Catapults climb
/// high and come back.
pub(crate) const DIVERGED: f64 = 1e12;

/// A replicate about to be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Its number.
    pub replicate: u64,
    /// Inputs [N, d].
    pub x: Vec<f64>,
    /// Targets `[N]`.
    pub y: Vec<f64>,
    /// Effective weights, flat.
    pub weights: Vec<f64>,
    /// η.
    pub rate: f64,
    /// Seed of the mini-batches, with the replicate's number.
    pub seed: u64,
    /// Steps at which the weights are handed back, increasing.
    pub snapshots: Vec<u64>,
    /// Keep the weights with the smallest loss.
    pub keep_best: bool,
    /// Keep the loss of every step.
    pub keep_losses: bool,
}

/// Weights of a replicate at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The step.
    pub step: u64,
    /// The loss there.
    pub loss: f64,
    /// Effective weights, flat.
    pub weights: Vec<f64>,
}

/// A replicate that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Its number.
    pub replicate: u64,
    /// η.
    pub rate: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// The first step whose loss was below ε.
    pub first_below: Option<u64>,
    /// The smallest loss.
    pub best_loss: f64,
    /// Losses on [`Problem::grid`], up to the end.
    pub losses: Vec<f64>,
    /// Losses of every step, if they were to be kept.
    pub all_losses: Vec<f64>,
    /// The weights with the smallest loss, if they were to be kept.
    pub best: Option<Snapshot>,
    /// The last weights.
    pub last: Snapshot,
    /// What was asked for on the way.
    pub snapshots: Vec<Snapshot>,
}

/// Where replicates come from and go to. Called from the engine's threads.
pub trait Supply: Sync {
    /// The next replicate to train; none if there is no more or the run was stopped.
    fn next(&self) -> Option<Start>;
    /// Takes one that ended.
    fn done(&self, end: End);
    /// How many are left to hand out.
    fn left(&self) -> u64;
    /// Told now and then how many replicate-steps were made, and for how many there was room;
    /// false to stop at once.
    fn go_on(&self, steps: u64, room: u64) -> bool;
}

/// Something that can train a stream of replicates.
///
/// The unit of work is whole replicates, never a tensor operation: nothing above this line is
/// generic, and an engine may lay weights out as its hardware likes.
pub trait Engine: Sync {
    /// The name accepted by `--engine` and written in every record.
    fn name(&self) -> &'static str;

    /// Trains until the supply is empty, on that many threads. The bits of a replicate depend on
    /// the problem and the replicate alone.
    fn train(&self, problem: &Problem, supply: &dyn Supply, threads: usize);
}

/// Why an engine does not train. A replicate that diverges is an [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that is not in [`by_name`].
    #[error("there is no engine `{0}`")]
    NoSuchEngine(String),
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::NoSuchEngine(_) => "engines: cpu, reference",
        }
    }
}

/// The engine of that name.
///
/// # Errors
///
/// [`Error::NoSuchEngine`].
pub fn by_name(name: &str) -> Result<Box<dyn Engine>, Error> {
    match name {
        "cpu" => Ok(Box::new(cpu::Cpu::detect())),
        "reference" => Ok(Box::new(reference::Reference)),
        _ => Err(Error::NoSuchEngine(name.to_string())),
    }
}

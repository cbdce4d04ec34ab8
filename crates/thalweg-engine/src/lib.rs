//! Trains many small networks at once, to bits that depend on nothing but the network.
//!
//! An [`Engine`] pulls [`Job`]s of one [`Problem`] from a [`Queue`] and hands each back as
//! [`Trained`]. A problem says what all replicates have in common; a job brings its training set,
//! its initial weights and its rate. Nothing is drawn here but the order of mini-batches, and
//! nothing is measured but the loss.
//!
//! Two replicates by hand: y = w x through two points, where gradient descent multiplies w − 2 by
//! 1 − 10 η at every step.
//!
//! ```
//! use std::sync::Mutex;
//!
//! use thalweg_engine::cpu::Cpu;
//! use thalweg_engine::{Activation, Engine, Job, Outcome, Problem, Queue, Trained};
//!
//! #[derive(Default)]
//! struct Jobs {
//!     waiting: Mutex<Vec<Job>>,
//!     trained: Mutex<Vec<Trained>>,
//! }
//!
//! impl Queue for Jobs {
//!     fn next(&self) -> Option<Job> {
//!         self.waiting.lock().unwrap().pop()
//!     }
//!     fn finish(&self, trained: Trained) {
//!         self.trained.lock().unwrap().push(trained);
//!     }
//!     fn remaining(&self) -> u64 {
//!         self.waiting.lock().unwrap().len() as u64
//!     }
//!     fn progress(&self, _steps: u64, _room: u64) -> bool {
//!         true
//!     }
//! }
//!
//! let problem = Problem {
//!     activation: Activation::Identity,
//!     grid: [0, 1, 10, 100, 1000].into(),
//!     ..Problem::descent(vec![1, 1], false, 2, 1000)
//! };
//! let job = |replicate, rate| Job {
//!     replicate,
//!     tag: 0,
//!     x: vec![1.0, 2.0],
//!     y: vec![2.0, 4.0],
//!     weights: vec![0.0],
//!     rate,
//!     seed: 1,
//!     snapshots: Vec::new(),
//!     keep_best: false,
//!     keep_losses: false,
//!     watch: Vec::new(),
//!     cuts: Vec::new(),
//! };
//! let jobs = Jobs::default();
//! jobs.waiting.lock().unwrap().extend([job(0, 0.05), job(1, 0.3)]);
//! Cpu::detect().train(&problem, &jobs, 1)?;
//!
//! let mut trained = jobs.trained.into_inner().unwrap();
//! trained.sort_by_key(|end| end.replicate);
//! // The loss is 20 · 4⁻ᵗ, below 1e-8 from step 16 on; above η = 1/5 it grows.
//! assert_eq!(trained[0].outcome, Outcome::Below { step: 16 });
//! assert!(matches!(trained[1].outcome, Outcome::Diverged { .. }));
//! # Ok::<(), thalweg_engine::Error>(())
//! ```
//!
//! [`mod@reference`] is plain f64 loops, one network at a time: what every other engine is tested
//! against. [`cpu`] trains a replicate in each lane of the vectors. [`seed`] is where random
//! numbers come from, [`activation`] the functions that training uses.

pub mod activation;
pub mod cpu;
mod layout;
mod method;
mod outcome;
pub mod reference;
pub mod seed;
pub mod threads;

pub use activation::Activation;
pub use layout::Tensor;
pub use method::{Batch, Clip, Criterion, Loss, Method, Milestone, Output, Precision, class_sign};
pub use outcome::Outcome;

use std::sync::Arc;

/// What all replicates of a cell have in common, as engines need it.
///
/// Weights are *effective*, z = W a + b. A tensor whose trainable numbers enter multiplied by m
/// moves by m times what the update rule says for the gradient m · ∂L/∂W.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Units of every layer: `[d, hidden…, k]` for k outputs.
    pub sizes: Vec<usize>,
    /// The layout of the flat parameters.
    pub tensors: Vec<Tensor>,
    /// Factor on the rate of each tensor.
    pub rate_factors: Vec<f64>,
    /// m of each tensor.
    pub multipliers: Vec<f64>,
    /// φ of the hidden layers.
    pub activation: Activation,
    /// h of the output layer.
    pub output: Output,
    /// Whether layers have biases.
    pub bias: bool,
    /// N.
    pub points: usize,
    /// The update rule.
    pub method: Method,
    /// The points of a step's gradient; all of them if none.
    pub batch: Option<Batch>,
    /// λ: λ θ is added to the gradient g of the trainable numbers θ, after clipping; decoupled from
    /// it for [`Method::AdamW`]. The loss is that of the data alone.
    pub weight_decay: f64,
    /// What the gradient of the trainable numbers is clipped to.
    pub clip: Option<Clip>,
    /// The changes of every job's rate, at increasing steps; none if it is constant.
    pub schedule: Arc<[Milestone]>,
    /// The loss.
    pub loss: Loss,
    /// The budget.
    pub steps: u64,
    /// Go on below the threshold.
    pub run_all: bool,
    /// When a replicate has succeeded.
    pub success: Criterion,
    /// The arithmetic.
    pub precision: Precision,
    /// The steps at which every replicate's loss is recorded: increasing, from 0 to `steps`.
    pub grid: Arc<[u64]>,
}

impl Problem {
    /// Gradient descent on Σ r² to the last of so many steps, of a ReLU net of such
    /// layers, in double precision: what is to be different is said beside it.
    pub fn descent(sizes: Vec<usize>, bias: bool, points: usize, steps: u64) -> Problem {
        let tensors = Tensor::of_layers(&sizes, bias);
        Problem {
            sizes,
            rate_factors: vec![1.0; tensors.len()],
            multipliers: vec![1.0; tensors.len()],
            tensors,
            activation: Activation::Relu,
            output: Output::Identity,
            bias,
            points,
            method: Method::Gd,
            batch: None,
            weight_decay: 0.0,
            clip: None,
            schedule: [].into(),
            loss: Loss::Sum,
            steps,
            run_all: false,
            success: Criterion::Loss { below: 1e-8 },
            precision: Precision::F64,
            grid: [0, steps].into(),
        }
    }

    /// k.
    pub fn outputs(&self) -> usize {
        self.sizes.last().copied().unwrap_or(1)
    }

    /// N k.
    pub fn targets(&self) -> usize {
        self.points * self.outputs()
    }

    /// s of the loss.
    pub fn loss_factor(&self) -> f64 {
        self.loss.factor(self.targets())
    }

    /// Numbers in all tensors.
    pub fn parameters(&self) -> usize {
        self.tensors.last().map_or(0, |t| t.range().end)
    }

    /// What a step at a rate adds of the gradient over 2 s to a tensor, or of Adam's direction.
    pub fn step_size(&self, tensor: usize, rate: f64) -> f64 {
        let (m, factor) = (self.multipliers[tensor], self.rate_factors[tensor]);
        match self.method {
            Method::Adam { .. } | Method::AdamW { .. } => -(rate * factor * m),
            Method::Gd | Method::Momentum { .. } | Method::Nesterov { .. } => {
                -(rate * factor * m * m * 2.0 * self.loss_factor())
            }
        }
    }

    /// What it adds of the tensor itself where the weight decay is decoupled.
    pub fn shrink(&self, tensor: usize, rate: f64) -> f64 {
        -(rate * self.rate_factors[tensor] * self.weight_decay)
    }

    /// Whether a step is θ ← θ − η g, g the gradient of the loss on all points, and nothing else.
    pub fn is_plain_descent(&self) -> bool {
        self.method == Method::Gd && self.batch.is_none() && !self.changes_gradient()
    }

    /// Whether the update rule has something else than the gradient of the loss: a clipped one, or
    /// one with weight decay in it.
    pub(crate) fn changes_gradient(&self) -> bool {
        self.clip.is_some() || self.weight_decay > 0.0
    }

    /// Whether its parts fit each other: what every engine asks before it trains.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], with the first part that does not fit.
    pub fn check(&self) -> Result<(), Error> {
        let refused = |why: &str| Err(Error::Refused(why.into()));
        if self.sizes.len() < 2 || self.sizes.contains(&0) {
            return refused("`sizes` are not inputs, hidden layers and outputs");
        }
        if self.points == 0 {
            return refused("there are no points");
        }
        let per_layer = if self.bias { 2 } else { 1 };
        let count = per_layer * (self.sizes.len() - 1);
        if [&self.rate_factors, &self.multipliers]
            .iter()
            .any(|v| v.len() != count)
        {
            return refused("not every tensor has its rate factor and multiplier");
        }
        let mut start = 0;
        for (i, tensor) in self.tensors.iter().enumerate() {
            let (layer, is_bias) = (i / per_layer, i % per_layer == 1);
            let Some(&[fan_in, fan_out]) = self.sizes.get(layer..layer + 2) else {
                return refused("there are more tensors than layers");
            };
            let fits = match tensor.shape[..] {
                [out] => is_bias && out == fan_out,
                [out, input] => !is_bias && (out, input) == (fan_out, fan_in),
                _ => false,
            };
            let in_place = tensor.start == start && tensor.layer == layer;
            if !fits || !in_place || tensor.is_bias != is_bias {
                return refused(&format!("tensor `{}` does not fit its layer", tensor.name));
            }
            start = tensor.range().end;
        }
        if self.tensors.len() != count {
            return refused("there are fewer tensors than layers");
        }
        if !self.grid.is_sorted_by(|a, b| a < b) {
            return refused("the steps of `grid` do not increase");
        }
        if !self.schedule.is_sorted_by(|a, b| a.step < b.step) {
            return refused("the steps of `schedule` do not increase");
        }
        if !self.loss.is_squared() && self.output != Output::Identity {
            return refused("the logistic loss has its own function of the output");
        }
        if !self.loss.is_squared() && matches!(self.success, Criterion::Error { .. }) {
            return refused("a logistic loss brings no output near its target");
        }
        if (self.batch).is_some_and(|batch| !(1..=self.points).contains(&batch.size)) {
            return refused("mini-batches are empty, or larger than the training set");
        }
        let positive = |v: f64| v > 0.0 && v.is_finite();
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return refused("the weight decay is negative or not finite");
        }
        if self.clip.is_some_and(|clip| !positive(clip.bound())) {
            return refused("what gradients are clipped to is not positive and finite");
        }
        if self.changes_gradient() && !self.multipliers.iter().all(|m| positive(*m)) {
            return refused("multipliers that are not positive have no trainable numbers");
        }
        Ok(())
    }
}

/// Loss above which a replicate has diverged, as a multiple of max(initial loss, 1). Catapults
/// climb high and come back.
pub(crate) const DIVERGED: f64 = 1e12;

/// A replicate about to be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its number.
    pub replicate: u64,
    /// The queue's own mark, handed back: which of several cells it is of.
    pub tag: u64,
    /// Inputs [N, d].
    pub x: Vec<f64>,
    /// Targets [N, k].
    pub y: Vec<f64>,
    /// Effective weights, flat.
    pub weights: Vec<f64>,
    /// η at the start.
    pub rate: f64,
    /// Seed of the mini-batches, with the replicate's number.
    pub seed: u64,
    /// Steps at which the weights are handed back, increasing.
    pub snapshots: Vec<u64>,
    /// Keep the weights with the smallest loss.
    pub keep_best: bool,
    /// Keep the loss of every step.
    pub keep_losses: bool,
    /// Steps, increasing, whose loss is handed back besides those of [`Problem::grid`].
    pub watch: Vec<u64>,
    /// Steps before the budget, increasing, at which the replicate is handed back as if its budget
    /// were over there, and goes on ([`Queue::cut`]): by engines that do so ([`Engine::cuts`]).
    pub cuts: Vec<u64>,
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
pub struct Trained {
    /// Its number.
    pub replicate: u64,
    /// The mark of its job.
    pub tag: u64,
    /// η at the start.
    pub rate: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// The first step at which it had succeeded.
    pub first_below: Option<u64>,
    /// What success is judged by, at the end, where it is not the loss: the largest error, or how
    /// many points were wrong.
    pub judged: Option<f64>,
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
    /// The losses of the steps of [`Job::watch`] that were made.
    pub watched: Vec<f64>,
}

impl Trained {
    /// Of a job, before its first step.
    pub fn before(job: &Job) -> Trained {
        Trained {
            replicate: job.replicate,
            tag: job.tag,
            rate: job.rate,
            outcome: Outcome::Spent,
            first_below: None,
            judged: None,
            best_loss: f64::INFINITY,
            losses: Vec::new(),
            all_losses: Vec::new(),
            best: None,
            last: Snapshot {
                step: 0,
                loss: f64::NAN,
                weights: Vec::new(),
            },
            snapshots: Vec::new(),
            watched: Vec::new(),
        }
    }

    /// Whether it succeeded.
    pub fn reached(&self) -> bool {
        matches!(self.outcome, Outcome::Below { .. })
    }
}

/// Where replicates come from and go to. Called from the engine's threads.
pub trait Queue: Sync {
    /// The next replicate to train; none if there is none now, or the run was stopped.
    fn next(&self) -> Option<Job>;
    /// Takes one that ended.
    fn finish(&self, trained: Trained);
    /// Takes one as it is at one of [`Job::cuts`], while it goes on.
    fn cut(&self, trained: Trained) {
        let _ = trained;
    }
    /// How many are left to hand out, at most.
    fn remaining(&self) -> u64;
    /// Called now and then with how many replicate-steps were made, and for how many there was
    /// room; false to stop at once. With none, before the first step, by an engine that had to get
    /// ready until then.
    fn progress(&self, steps: u64, room: u64) -> bool;
    /// Called at every step of a replicate that keeps the loss of every step
    /// ([`Job::keep_losses`]), while it is trained, with its mark and number.
    fn follow(&self, tag: u64, replicate: u64, step: u64, loss: f64) {
        let _ = (tag, replicate, step, loss);
    }
    /// Called by a thread that has nothing to train: waits until there may be another replicate;
    /// false if there will be none.
    fn wait(&self) -> bool {
        false
    }
}

/// Something that can train a stream of replicates.
///
/// The unit of work is whole replicates, never a tensor operation: nothing above this line is
/// generic, and an engine may lay weights out as its hardware likes.
pub trait Engine: Sync {
    /// The name accepted by `--engine` and written in every record.
    fn name(&self) -> &'static str;

    /// Replicates of a problem that so many threads train at the same time: fewer leave room empty.
    fn in_flight(&self, problem: &Problem, threads: usize) -> u64;

    /// Whether it cuts replicates ([`Job::cuts`]).
    fn cuts(&self) -> bool {
        false
    }

    /// Makes beforehand what training these problems takes once, such as a kernel, on that many
    /// threads: then a measurement of its speed need not count it.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::train`].
    fn prepare(&self, problems: &[Problem], threads: usize) -> Result<(), Error> {
        let _ = threads;
        problems.iter().try_for_each(Problem::check)
    }

    /// Trains until the queue is empty, on that many threads, the caller's among them; with one
    /// thread none is started. The bits of a replicate depend on the problem and the replicate
    /// alone.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for a problem that makes no sense, before anything is trained;
    /// [`Error::Device`].
    fn train(&self, problem: &Problem, queue: &dyn Queue, threads: usize) -> Result<(), Error>;
}

/// Why an engine does not train. A replicate that diverges is an [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that is not in [`by_name`].
    #[error("there is no engine `{0}`")]
    NoSuchEngine(String),
    /// A problem that cannot be trained, and why.
    #[error("the engine refuses the problem: {0}")]
    Refused(String),
    /// A device that is not there, lacks something, failed, or does not compute what the processor
    /// does.
    #[error("{what}")]
    Device {
        /// What is the matter.
        what: String,
        /// What to do about it.
        hint: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Error::NoSuchEngine(_) => {
                "engines: cpu, gpu (or gpu:cuda, gpu:opencl, gpu:1), auto, reference"
            }
            Error::Refused(_) => "a problem that a plan makes of a study always fits",
            Error::Device { hint, .. } => hint,
        }
    }
}

/// The engines that train the bits of an engine, so that a record of one is as good as the
/// other's: itself first.
pub fn with_same_bits(engine: &str) -> Vec<&str> {
    const EXACT: [&str; 2] = ["cpu", "gpu"];
    let mut all = vec![engine];
    if EXACT.contains(&engine) {
        all.extend(EXACT.into_iter().filter(|name| *name != engine));
    }
    all
}

/// The engine of that name, of those that need nothing but a processor.
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

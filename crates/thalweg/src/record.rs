//! The record: everything a finished cell leaves behind, as plain data.

use serde::{Deserialize, Serialize};

pub use thalweg_engine::Outcome;

/// One replicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number.
    pub replicate: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Steps made.
    pub steps: u64,
    /// The first step whose loss was below ε.
    pub first_below: Option<u64>,
    /// η.
    pub rate: f64,
    /// The loss at step 0.
    pub initial_loss: f64,
    /// The smallest loss.
    pub best_loss: f64,
    /// The loss at the end.
    pub final_loss: f64,
    /// What success is judged by at the end where it is not the loss: the largest error, or how
    /// many points are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<f64>,
    /// The loss of the test points with the weights of the end, as if there were N of them:
    /// infinite where it diverged. None without test points that have targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<f64>,
    /// The share of test points on the side of their target, where there are two classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
}

impl Row {
    /// Whether it succeeded.
    pub fn reached(&self) -> bool {
        matches!(self.outcome, Outcome::Below { .. })
    }

    /// The hitting time, none where censored.
    pub fn hit(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Below { step } => Some(step),
            Outcome::Spent | Outcome::Diverged { .. } | Outcome::Fixed { .. } => None,
        }
    }
}

/// Replicates of a cell, the first ones, of which each has a [`Row`]; the others are counted in the
/// [`Tally`], so that memory does not grow with them.
pub const ROWS: u64 = 100_000;

/// Replicates of a cell, the first ones, that enter the quantiles of its loss curve.
pub const BANDS: u64 = 10_000;

/// How many replicates ended in each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// Below the loss asked for.
    pub below: u64,
    /// Made all their steps.
    pub spent: u64,
    /// The loss was not finite, or far above the first one.
    pub diverged: u64,
    /// At rest: a step changed no bit of the weights.
    pub fixed: u64,
}

impl OutcomeCounts {
    /// Replicates.
    pub fn sum(&self) -> u64 {
        let OutcomeCounts {
            below,
            spent,
            diverged,
            fixed,
        } = self;
        below + spent + diverged + fixed
    }
}

/// All replicates of a cell, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Replicates.
    pub replicates: u64,
    /// How they ended.
    pub outcomes: OutcomeCounts,
    /// Replicate-steps made.
    pub steps: u64,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, row: &Row) {
        let kind = match row.outcome {
            Outcome::Below { .. } => &mut self.outcomes.below,
            Outcome::Spent => &mut self.outcomes.spent,
            Outcome::Diverged { .. } => &mut self.outcomes.diverged,
            Outcome::Fixed { .. } => &mut self.outcomes.fixed,
        };
        *kind += 1;
        self.replicates += 1;
        self.steps += row.steps;
    }

    /// Counts all that another has counted.
    pub fn add(&mut self, other: &Tally) {
        let OutcomeCounts {
            below,
            spent,
            diverged,
            fixed,
        } = other.outcomes;
        self.outcomes.below += below;
        self.outcomes.spent += spent;
        self.outcomes.diverged += diverged;
        self.outcomes.fixed += fixed;
        self.replicates += other.replicates;
        self.steps += other.steps;
    }
}

/// What is left of the tangent kernel without one training point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Without {
    /// The point left out.
    pub point: usize,
    /// Eigenvalues of Θ without its rows and columns [(N − 1) k], increasing.
    pub eigenvalues: Vec<f64>,
    /// The other residuals in that eigenbasis [(N − 1) k].
    pub coefficients: Vec<f64>,
}

/// What was measured on the weights of one replicate at one step. Asked-for observables only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// The replicate.
    pub replicate: u64,
    /// The step.
    pub step: u64,
    /// The loss there, in double precision.
    pub loss: f64,
    /// Eigenvalues of Θ = J Jᵀ [N k], increasing; each tensor weighted with its rate factor.
    pub eigenvalues: Option<Vec<f64>>,
    /// An upper bound on the smallest of them by two points: ½ min Θᵢᵢ + Θⱼⱼ − 2 Θᵢⱼ.
    pub two_point_bound: Option<f64>,
    /// The residual r = f − y in the eigenbasis of Θ [N k].
    pub coefficients: Option<Vec<f64>>,
    /// The residual of the start in the eigenbasis of this Θ [N k].
    pub start_coefficients: Option<Vec<f64>>,
    /// ‖Θ − Θ₀‖/‖Θ₀‖ (Frobenius).
    pub kernel_moved: Option<f64>,
    /// λmax of the Hessian of the loss.
    pub sharpness: Option<f64>,
    /// ‖W − W₀‖/‖W₀‖ of each weight layer.
    pub weights_moved: Option<Vec<f64>>,
    /// The length of the way from look to look so far, at most that of the path: Σ ‖u − u'‖ in the
    /// numbers u in which all layers have one rate.
    pub path_length: Option<f64>,
    /// Hidden units with φ' = 0 on every training point.
    pub dead_units: Option<u64>,
    /// ‖∇L‖ in all parameters, those of frozen layers included.
    pub gradient_norm: Option<f64>,
    /// Share of the trace of Θ that each weight layer with its bias has; they add up to 1.
    pub layer_shares: Option<Vec<f64>>,
    /// Squared entries of the eigenvector of λmin `[N]`, which add up to 1: the points that carry
    /// the slowest mode.
    pub slow_points: Option<Vec<f64>>,
    /// Θ without the point that carries most of the slowest mode; at the last look only.
    pub without: Option<Without>,
    /// λmin of the Hessian of the loss; at the last look of a replicate that is not below.
    pub lowest_curvature: Option<f64>,
    /// Hidden units with |φ'| below a thousandth of its largest value on every training point, dead
    /// ones included.
    pub saturated_units: Option<u64>,
    /// Share of the parameters with a gradient that a step of gradient descent would not change:
    /// the update is lost to rounding in the cell's precision.
    pub lost_updates: Option<f64>,
    /// Units of each hidden layer with φ' = 0 on every training point.
    pub dead: Option<Vec<u64>>,
    /// Share of the units of each hidden layer with |φ'| below a thousandth of its largest value,
    /// over all training points.
    pub saturation: Option<Vec<f64>>,
    /// Σ (f − f̄)² over Σ (y − ȳ)²: 0 is an output that is the same for every input. None where all
    /// targets are the same.
    pub output_spread: Option<f64>,
    /// What the loss did on the way; at the last look only.
    pub course: Option<Course>,
    /// The loss of the test points, as in [`Row::test_loss`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<f64>,
}

impl Observation {
    /// The number of eigenvalues of Θ above round-off, N ε λmax: the rank of J.
    pub fn rank(&self) -> Option<usize> {
        let values = self.eigenvalues.as_ref()?;
        let noise = values.last()? * values.len() as f64 * f64::EPSILON;
        Some(values.iter().filter(|l| **l > noise).count())
    }

    /// s Σ c² over the modes of Θ that are round-off: the loss that no parameter moves to first
    /// order.
    pub fn unreachable(&self, s: f64) -> Option<f64> {
        let gone = self.eigenvalues.as_ref()?.len() - self.rank()?;
        let r = self.coefficients.as_ref()?;
        Some(s * r[..gone].iter().map(|c| c * c).sum::<f64>())
    }

    /// How far the parameters have still to go, as a share of how far they may for the kernel to
    /// stay: √(Σ c²/λ) √(λmax/λmin).
    ///
    /// √(Σ c²/λ) = ‖J⁺r‖ is the shortest way to zero residuals. J changes along it by no more than
    /// in proportion, and λmin keeps its size as long as that change is small beside √λmin (Chizat,
    /// Oyallon, Bach 2019, arXiv:1812.07956); √λmax stands for the constant, weights being of the
    /// order of 1. Infinite where J has not rank N.
    pub fn to_go(&self) -> Option<f64> {
        let (values, r) = (self.eigenvalues.as_ref()?, self.coefficients.as_ref()?);
        if self.rank()? < values.len() {
            return Some(f64::INFINITY);
        }
        let (low, high) = (values.first()?, values.last()?);
        let way: f64 = values.iter().zip(r).map(|(l, c)| c * c / l).sum();
        Some(way.sqrt() * (high / low).sqrt())
    }

    /// rᵀΘr/rᵀr, between λmin and λmax. With L = s Σ r², ‖∇L‖² = 4 s · this · L, so 2 s · this is
    /// the μ of ‖∇L‖² = 2 μ L, the constant of the Polyak–Łojasiewicz inequality here (Liu, Zhu,
    /// Belkin 2020, arXiv:2003.00307).
    pub fn rayleigh(&self) -> Option<f64> {
        let (values, r) = (self.eigenvalues.as_ref()?, self.coefficients.as_ref()?);
        let moved: f64 = values.iter().zip(r).map(|(l, c)| l * c * c).sum();
        // Eigenvalues that are negative by rounding pull at nothing.
        Some((moved / r.iter().map(|c| c * c).sum::<f64>()).max(0.0))
    }
}

/// What the loss of a replicate did on the way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Whether it was higher at some step of the grid than at the one before, beyond rounding.
    pub rose: bool,
    /// The end of the way, of a run that made all its steps.
    pub tail: Option<Tail>,
    /// The last loss of the grid that is a little before the end.
    pub late: Option<LateLoss>,
}

/// A loss near the end of a replicate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LateLoss {
    /// The step.
    pub step: u64,
    /// The loss there.
    pub loss: f64,
}

/// What the loss of a replicate did in the last half of its budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// The step at which the last half begins.
    pub from: u64,
    /// The loss there.
    pub loss_from: f64,
    /// The loss at the end.
    pub loss_to: f64,
    /// The smallest recorded loss of the last half.
    pub lowest: f64,
    /// The largest.
    pub highest: f64,
    /// Steps at the very end whose loss was compared with that of the step before.
    pub compared: u64,
    /// How many of them raised it, beyond rounding.
    pub rises: u64,
}

impl Tail {
    /// Whether the loss rose again in the last half.
    pub fn rose(&self) -> bool {
        self.rises > 0 || self.highest > self.loss_from * (1.0 + 1e-5)
    }

    /// The loss at half of the budget over that at the end; none if it did not fall.
    pub fn fell(&self) -> Option<f64> {
        let fell = self.loss_from / self.loss_to;
        (fell.is_finite() && fell > 1.0).then_some(fell)
    }
}

/// Losses of a kept replicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The replicate.
    pub replicate: u64,
    /// Steps.
    pub steps: Vec<u64>,
    /// The loss at each.
    pub losses: Vec<f64>,
}

/// Weights of a kept replicate, with its training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The replicate.
    pub replicate: u64,
    /// The step of the weights.
    pub step: u64,
    /// The loss there.
    pub loss: f64,
    /// Effective weights, flat.
    pub weights: Vec<f64>,
    /// Inputs [N, d].
    pub x: Vec<f64>,
    /// Targets [N, k].
    pub y: Vec<f64>,
    /// Outputs of the network with these weights [N, k].
    pub outputs: Vec<f64>,
    /// Its outputs at the test points [M, k].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_outputs: Option<Vec<f64>>,
}

/// Everything about a finished cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Content hash of the cell.
    pub hash: String,
    /// The engine.
    pub engine: String,
    /// Seconds of wall time it took.
    pub seconds: f64,
    /// All replicates, counted.
    pub tally: Tally,
    /// The first [`ROWS`] replicates, by number.
    pub rows: Vec<Row>,
    /// Looks, by replicate, then step.
    pub looks: Vec<Observation>,
    /// Steps of the loss quantiles.
    pub grid: Vec<u64>,
    /// 10, 50 and 90 % quantiles of the loss over the first [`BANDS`] replicates at each step of
    /// the grid; ended replicates count with their last loss, diverged ones as infinite.
    pub quantiles: Vec<[f64; 3]>,
    /// Loss curves of the kept replicates.
    pub curves: Vec<Curve>,
    /// Weights of the kept replicates.
    pub kept: Vec<Kept>,
}

impl Record {
    /// Replicates: all of them, also those without a row.
    pub fn replicates(&self) -> u64 {
        self.tally.replicates
    }

    /// Successes, among all replicates.
    pub fn successes(&self) -> u64 {
        self.tally.outcomes.below
    }

    /// Hitting times by replicate, of those that have a row; none where censored.
    pub fn hits(&self) -> Vec<Option<u64>> {
        self.rows.iter().map(Row::hit).collect()
    }

    /// Replicate-steps made.
    pub fn steps(&self) -> u64 {
        self.tally.steps
    }

    /// All looks at a replicate, by step.
    pub fn looks_at(&self, replicate: u64) -> &[Observation] {
        let start = self.looks.partition_point(|l| l.replicate < replicate);
        let end = self.looks.partition_point(|l| l.replicate <= replicate);
        &self.looks[start..end]
    }

    /// The first look at each replicate that was looked at at the start, and the last one.
    pub fn first_and_last_looks(&self) -> Vec<(&Observation, &Observation)> {
        self.looks
            .chunk_by(|a, b| a.replicate == b.replicate)
            .filter_map(|c| Some((c.first().filter(|l| l.step == 0)?, c.last()?)))
            .collect()
    }
}

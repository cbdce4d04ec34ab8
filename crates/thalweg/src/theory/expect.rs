//! What the infinitely wide network says about a cell before any training, as a distribution over
//! random training sets: spectrum, steps to the loss, probability of success within the budget.
//!
//! For each training set of the cell's law: Θ and K of [`super::ntk`], an initial output f₀ ~ N(0,
//! K), and exact discrete descent of the residual f₀ − y on the linearised network
//! ([`super::linear`]). Wide networks follow it while their kernel stays (Lee et al. 2019,
//! arXiv:1902.06720); at small d the kernel moves before slow modes are learned, and real networks
//! are faster than this.

use serde::Serialize;

use super::first::FirstLayer;
use super::linear::{Linear, Rule, Steps};
use super::ntk::Wide;
use crate::data::{Draw, Set};
use crate::descent::Rate;
use crate::error::{Error, NoTheory};
use crate::linalg::{Eigen, eigen};
use crate::plan::Cell;
use crate::seed::{Purpose, stream};
use crate::stats::{Interval, quantile_of, wilson};
use crate::threads;

/// The part of the stream of initial weights that f₀ of the first output is drawn from, those of
/// the others before it: no tensor has these numbers.
const OUTPUTS: u64 = u64::MAX;

/// One training set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// The number of the replicate whose training set it is.
    pub replicate: u64,
    /// Eigenvalues of Θ of all outputs, increasing [N k].
    pub eigenvalues: Vec<f64>,
    /// η.
    pub rate: f64,
    /// η over the largest stable rate.
    pub over_limit: f64,
    /// The loss of f₀.
    pub initial_loss: f64,
    /// The first step below the loss; infinite if it is never reached or the rate is unstable.
    pub steps: f64,
    /// How the linearised network ends.
    #[serde(skip)]
    pub end: Steps,
    /// How the first hidden layer's kernel came about.
    pub first_layer: FirstLayer,
}

impl Expected {
    /// λmin.
    pub fn smallest(&self) -> f64 {
        self.eigenvalues.first().copied().unwrap_or(f64::NAN)
    }

    /// λmax.
    pub fn largest(&self) -> f64 {
        self.eigenvalues.last().copied().unwrap_or(f64::NAN)
    }

    /// κ = λmax/λmin; infinite if λmin is 0 to round-off.
    pub fn condition(&self) -> f64 {
        let noise = self.largest() * self.eigenvalues.len() as f64 * f64::EPSILON;
        if self.smallest() > noise {
            self.largest() / self.smallest()
        } else {
            f64::INFINITY
        }
    }
}

/// The 10, 50, 80 and 90 % quantiles of something over training sets (inverses of the empirical
/// distribution function).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// 10 %.
    pub q10: f64,
    /// The median.
    pub q50: f64,
    /// 80 %.
    pub q80: f64,
    /// 90 %.
    pub q90: f64,
}

impl Quantiles {
    /// Of these values.
    pub fn of(values: &[f64]) -> Quantiles {
        let q = |q| quantile_of(values, q);
        Quantiles {
            q10: q(0.1),
            q50: q(0.5),
            q80: q(0.8),
            q90: q(0.9),
        }
    }
}

/// The distribution over training sets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    /// Training sets.
    pub sets: u64,
    /// λmin of Θ.
    pub smallest: Quantiles,
    /// λmax of Θ.
    pub largest: Quantiles,
    /// κ.
    pub condition: Quantiles,
    /// η over the largest stable rate.
    pub over_limit: Quantiles,
    /// The first step below the loss.
    pub steps: Quantiles,
    /// The budget.
    pub budget: u64,
    /// Training sets on which the loss is reached within the budget.
    pub successes: u64,
    /// Wilson's 95 % interval of the probability of that.
    pub success: Interval,
    /// Training sets on which the rate is unstable.
    pub unstable: u64,
    /// Training sets on which Θ is singular to round-off and holds the loss above the threshold.
    pub never: u64,
    /// How the first hidden layer's kernel came about, where it is farthest from its own law's.
    pub first_layer: FirstLayer,
}

impl Outlook {
    /// The summary of these training sets, for a budget of so many steps.
    pub fn new(all: &[Expected], budget: u64) -> Outlook {
        let of =
            |f: &dyn Fn(&Expected) -> f64| Quantiles::of(&all.iter().map(f).collect::<Vec<f64>>());
        let count = |f: &dyn Fn(&Expected) -> bool| all.iter().filter(|e| f(e)).count() as u64;
        let successes = count(&|e| e.steps <= budget as f64);
        Outlook {
            sets: all.len() as u64,
            smallest: of(&Expected::smallest),
            largest: of(&Expected::largest),
            condition: of(&Expected::condition),
            over_limit: of(&|e| e.over_limit),
            steps: of(&|e| e.steps),
            budget,
            successes,
            success: wilson(successes, all.len() as u64, 0.95),
            unstable: count(&|e| e.end == Steps::Unstable),
            never: count(&|e| matches!(e.end, Steps::Never { .. })),
            first_layer: (all.iter().map(|e| e.first_layer))
                .fold(FirstLayer::Normal, FirstLayer::worse),
        }
    }

    /// The predicted probability of success.
    pub fn share(&self) -> f64 {
        self.successes as f64 / self.sets as f64
    }
}

/// What the infinitely wide network of a cell does on the training sets of its first `sets`
/// replicates (fewer if fewer were given), in their order, computed on so many threads.
///
/// # Errors
///
/// [`Error::NoTheory`] if the cell has no such network (weights from a file), no linear theory
/// (Adam, mini-batches, weight decay, clipping, the logistic loss) or another success than a loss,
/// or if a kernel of its inputs is beyond the range of f64.
pub fn expect(cell: &Cell, sets: u64, threads: usize) -> Result<Vec<Expected>, Error> {
    let setting = &cell.setting;
    let rates = setting.descent.layer_rates.as_deref();
    let wide = Wide::new(&setting.net, cell.dim(), cell.outputs(), rates)?;
    let rule = Rule::of(&setting.descent).ok_or(NoTheory::NoLinearRule)?;
    let below = setting.success.by_loss().ok_or(NoTheory::NotByLoss)?;
    let sets = cell.given().map_or(sets, |given| sets.min(given));
    // One training set for all needs one kernel.
    let once = setting.data.draw == Draw::Once;
    let shared = once.then(|| spectra(&wide, &cell.set(0), cell.dim()));
    let shared = shared.transpose()?;
    let one = |replicate: u64| {
        let set = cell.set(replicate);
        let spectra = match &shared {
            Some(spectra) => spectra,
            None => &spectra(&wide, &set, cell.dim())?,
        };
        Ok(descend(cell, (rule, below), replicate, &set, spectra))
    };
    threads::map(threads, sets as usize, |replicate| one(replicate as u64))
        .into_iter()
        .collect()
}

/// The eigenproblems of a training set.
struct Spectra {
    /// Of Θ.
    theta: Eigen,
    /// Of K.
    process: Eigen,
    first_layer: FirstLayer,
}

fn spectra(wide: &Wide, set: &Set, dim: usize) -> Result<Spectra, Error> {
    let kernels = wide.kernels(&set.x, dim).finite()?;
    let n = kernels.rows;
    Ok(Spectra {
        theta: eigen(&kernels.ntk, n),
        process: eigen(&kernels.nngp, n),
        first_layer: kernels.first_layer,
    })
}

fn descend(
    cell: &Cell,
    (rule, below): (Rule, f64),
    replicate: u64,
    set: &Set,
    spectra: &Spectra,
) -> Expected {
    let Spectra {
        theta,
        process,
        first_layer,
    } = spectra;
    let descent = &cell.setting.descent;
    let (n, k) = (set.points, set.outputs());
    // Outputs are independent, and each mode of Θ is one of every output.
    let mut coefficients = vec![0.0; n * k];
    let mut initial = 0.0;
    for output in 0..k {
        // f₀ = Σ √λ_k z_k v_k.
        let part = OUTPUTS - output as u64;
        let mut random = stream(cell.setting.seed, replicate, Purpose::Init, part);
        let mut residual: Vec<f64> = set.y.iter().skip(output).step_by(k).map(|y| -y).collect();
        for (value, vector) in process.values.iter().zip(process.vectors.chunks_exact(n)) {
            let z = value.max(0.0).sqrt() * random.normal();
            residual
                .iter_mut()
                .zip(vector)
                .for_each(|(r, v)| *r += z * v);
        }
        for (mode, vector) in theta.vectors.chunks_exact(n).enumerate() {
            let c = vector.iter().zip(&residual).map(|(v, r)| v * r).sum();
            coefficients[mode * k + output] = c;
        }
        initial += residual.iter().map(|r| r * r).sum::<f64>();
    }
    let repeated = theta.values.iter().flat_map(|l| std::iter::repeat_n(*l, k));
    let eigenvalues: Vec<f64> = repeated.collect();
    let loss_factor = cell.loss_factor();
    let largest = theta.values.last().copied().unwrap_or(f64::NAN);
    let rate = match descent.rate {
        Rate::Absolute(rate) => rate,
        Rate::OfLimit(share) => share * rule.largest_stable_rate(loss_factor, largest),
    };
    let linear = Linear {
        rule,
        loss_factor,
        rate,
        schedule: descent.schedule.milestones(descent.steps),
        eigenvalues: &eigenvalues,
        coefficients: &coefficients,
    };
    let end = linear.steps_below(below);
    Expected {
        replicate,
        rate,
        over_limit: rate / linear.largest_stable_rate(),
        initial_loss: loss_factor * initial,
        steps: end.as_number(),
        end,
        first_layer: *first_layer,
        eigenvalues,
    }
}

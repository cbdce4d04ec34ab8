//! What infinitely wide networks predict at new inputs: kernel regression with the NNGP, and
//! gradient descent with the NTK, in discrete time, continuous time and for ever.
//!
//! With residual r, loss s Σ r² and kernel Θ on the training set, t steps of rate η turn a network
//! that starts as a Gaussian process with covariance K into one with mean Θ* A y and covariance K**
//! − Θ* A K* − (…)ᵀ + Θ* A K A Θ*ᵀ, where A = Θ⁻¹ (1 − (1 − 2 s η Θ)ᵗ): the trained ensemble of Lee
//! et al. 2019 (arXiv:1902.06720), with the discrete propagator in place of e^(−η Θ t).

use crate::linalg::{Eigen, eigen};

use super::ntk::Kernels;
use super::spectrum::round_off;

/// How long, and how, the network is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Training {
    /// So many steps of gradient descent on s Σ r².
    Steps {
        /// s of the loss.
        loss_factor: f64,
        /// η.
        rate: f64,
        /// Steps; need not be whole.
        steps: f64,
    },
    /// Gradient flow: dθ/dt = −∇L for the time t = η · steps.
    Flow {
        /// s of the loss.
        loss_factor: f64,
        /// t.
        time: f64,
    },
    /// Until nothing moves any more.
    Forever,
    /// Until nothing moves any more, with this penalty λ on the squared distance from the start:
    /// kernel ridge regression.
    Ridge {
        /// λ.
        penalty: f64,
    },
}

impl Training {
    /// (1 − p)/λ for the propagator p of the mode λ: what A does to it.
    fn gain(self, lambda: f64, noise: f64) -> f64 {
        match self {
            Training::Steps {
                loss_factor,
                rate,
                steps,
            } => {
                let x = 2.0 * loss_factor * rate * lambda;
                if lambda.abs() <= noise {
                    2.0 * loss_factor * rate * steps
                } else if x < 1.0 {
                    // 1 − (1 − x)^t without cancellation.
                    -libm::expm1(steps * libm::log1p(-x)) / lambda
                } else {
                    (1.0 - (1.0 - x).signum().powi(parity(steps))
                        * libm::pow((1.0 - x).abs(), steps))
                        / lambda
                }
            }
            Training::Flow { loss_factor, time } => {
                let x = 2.0 * loss_factor * time;
                if lambda.abs() <= noise {
                    x
                } else {
                    -libm::expm1(-x * lambda) / lambda
                }
            }
            // What is not learned is not extrapolated: the pseudo-inverse.
            Training::Forever if lambda.abs() <= noise => 0.0,
            Training::Forever => 1.0 / lambda,
            Training::Ridge { penalty } if lambda + penalty <= noise => 0.0,
            Training::Ridge { penalty } => 1.0 / (lambda + penalty),
        }
    }
}

/// 1 for an odd number of steps, 0 for an even one.
fn parity(steps: f64) -> i32 {
    i32::from(libm::fmod(libm::round(steps), 2.0) >= 1.0)
}

/// Mean and covariance of the outputs at new inputs over all initial weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Posterior {
    /// Mean `[M]`.
    pub mean: Vec<f64>,
    /// Covariance [M, M].
    pub covariance: Vec<f64>,
}

/// Mean and variance of each output at new inputs over all initial weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Marginals {
    /// Mean [M, k].
    pub mean: Vec<f64>,
    /// Variance `[M]`, the same of every output; that of what is left, so that it is never below 0
    /// by more than rounding.
    pub variance: Vec<f64>,
}

impl Marginals {
    /// Standard deviations `[M]`.
    pub fn deviation(&self) -> Vec<f64> {
        self.variance.iter().map(|v| v.max(0.0).sqrt()).collect()
    }

    /// The expected mean of (f − y)² over points and outputs, for targets y [M, k].
    pub fn expected_square(&self, y: &[f64]) -> f64 {
        let k = y.len() / self.variance.len().max(1);
        let each = y.iter().zip(&self.mean).enumerate();
        let sum: f64 = each
            .map(|(at, (y, mean))| (mean - y) * (mean - y) + self.variance[at / k].max(0.0))
            .sum();
        sum / y.len() as f64
    }
}

/// V f(Λ) Vᵀ.
fn function_of(e: &Eigen, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let n = e.values.len();
    let mut out = vec![0.0; n * n];
    for (value, v) in e.values.iter().zip(e.vectors.chunks_exact(n.max(1))) {
        let f = f(*value);
        for i in 0..n {
            for j in 0..n {
                out[i * n + j] += f * v[i] * v[j];
            }
        }
    }
    out
}

/// A of a kernel [n, n]: what training makes of the targets.
fn solved(kernel: &[f64], n: usize, training: Training) -> Vec<f64> {
    let e = eigen(kernel, n);
    let least = round_off(&e.values);
    function_of(&e, |l| training.gain(l, least))
}

/// (K + σ²)⁻¹ of the Gaussian process; what is not above round-off is not extrapolated.
fn noisy(train: &Kernels, noise_variance: f64) -> Vec<f64> {
    let penalty = noise_variance;
    solved(&train.nngp, train.rows, Training::Ridge { penalty })
}

/// A B of A [n, k] and B [k, m].
fn product(a: &[f64], b: &[f64], k: usize, m: usize) -> Vec<f64> {
    let n = a.len() / k.max(1);
    let mut out = vec![0.0; n * m];
    for i in 0..n {
        for l in 0..k {
            let x = a[i * k + l];
            for j in 0..m {
                out[i * m + j] += x * b[l * m + j];
            }
        }
    }
    out
}

fn transposed(a: &[f64], columns: usize) -> Vec<f64> {
    let rows = a.len() / columns.max(1);
    (0..columns)
        .flat_map(|j| (0..rows).map(move |i| (i, j)))
        .map(|(i, j)| a[i * columns + j])
        .collect()
}

/// The ensemble of networks after training: `train` are the kernels of the training inputs with
/// themselves, `cross` those of the new inputs `[M, d]` with the training inputs, `new` those of
/// the new inputs with themselves; `y` are the targets `[N]`.
///
/// # Panics
///
/// If the shapes do not fit together.
pub fn descended(
    train: &Kernels,
    cross: &Kernels,
    new: &Kernels,
    y: &[f64],
    training: Training,
) -> Posterior {
    let (n, m) = (y.len(), cross.rows);
    assert!(
        train.rows == n && cross.columns == n && new.rows == m,
        "kernels of other inputs"
    );
    let a = solved(&train.ntk, n, training);
    // B = Θ* A [M, N].
    let b = product(&cross.ntk, &a, n, n);
    let mean = product(&b, y, n, 1);
    let mixed = product(&b, &transposed(&cross.nngp, n), n, m);
    let inner = product(&product(&b, &train.nngp, n, n), &transposed(&b, n), n, m);
    let covariance = (0..m * m)
        .map(|at| {
            let (i, j) = (at / m, at % m);
            new.nngp[at] - mixed[at] - mixed[j * m + i] + inner[at]
        })
        .collect();
    Posterior { mean, covariance }
}

/// The posterior of the Gaussian process K with observation noise of variance `noise_variance`: an
/// infinitely wide network of which only the last layer is trained, for ever (Lee et al. 2018,
/// arXiv:1711.00165). Arguments as those of [`descended`].
///
/// # Panics
///
/// If the shapes do not fit together.
pub fn conditioned(
    train: &Kernels,
    cross: &Kernels,
    new: &Kernels,
    y: &[f64],
    noise_variance: f64,
) -> Posterior {
    let (n, m) = (y.len(), cross.rows);
    assert!(
        train.rows == n && cross.columns == n && new.rows == m,
        "kernels of other inputs"
    );
    let b = product(&cross.nngp, &noisy(train, noise_variance), n, n);
    let explained = product(&b, &transposed(&cross.nngp, n), n, m);
    Posterior {
        mean: product(&b, y, n, 1),
        covariance: new
            .nngp
            .iter()
            .zip(&explained)
            .map(|(k, e)| k - e)
            .collect(),
    }
}

/// What [`descended`] says of one new input at a time, of several outputs: `y` are the targets [N,
/// k], each of which has the same kernels.
///
/// # Panics
///
/// If the shapes do not fit together.
pub fn descended_at(train: &Kernels, cross: &Kernels, y: &[f64], training: Training) -> Marginals {
    let n = train.rows;
    let a = solved(&train.ntk, n, training);
    // B = Θ* A [M, N].
    let b = product(&cross.ntk, &a, n, n);
    let inner = product(&b, &train.nngp, n, n);
    let (b_of, inner_of) = (row_of(&b, n), row_of(&inner, n));
    marginals(train, cross, y, &b, |i, covariance| {
        dot(inner_of(i), b_of(i)) - 2.0 * dot(b_of(i), covariance)
    })
}

/// What [`conditioned`] says of one new input at a time, of several outputs.
///
/// # Panics
///
/// If the shapes do not fit together.
pub fn conditioned_at(
    train: &Kernels,
    cross: &Kernels,
    y: &[f64],
    noise_variance: f64,
) -> Marginals {
    let n = train.rows;
    let b = product(&cross.nngp, &noisy(train, noise_variance), n, n);
    let b_of = row_of(&b, n);
    marginals(train, cross, y, &b, |i, covariance| {
        -dot(b_of(i), covariance)
    })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The rows of a matrix of n columns.
fn row_of<'a>(matrix: &'a [f64], n: usize) -> impl Fn(usize) -> &'a [f64] {
    move |i| &matrix[i * n..(i + 1) * n]
}

/// Mean B y, and the variance at each new input: that of the start, and what is `learned` of the
/// input of this number, whose covariances with the training set are given.
fn marginals(
    train: &Kernels,
    cross: &Kernels,
    y: &[f64],
    b: &[f64],
    learned: impl Fn(usize, &[f64]) -> f64,
) -> Marginals {
    let n = train.rows;
    assert!(
        cross.columns == n && y.len().is_multiple_of(n.max(1)),
        "kernels of other inputs"
    );
    let covariance_of = row_of(&cross.nngp, n);
    Marginals {
        mean: product(b, y, n, y.len() / n),
        variance: (cross.variances.iter().enumerate())
            .map(|(i, start)| start + learned(i, covariance_of(i)))
            .collect(),
    }
}

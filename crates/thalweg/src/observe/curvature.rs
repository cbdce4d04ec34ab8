//! Curvature of the actual loss: Hessian-vector products and the sharpness.

use serde::Serialize;

use super::tangent::{Tangent, layer, sums, times, times_transposed};
use crate::descent::Precision;
use crate::engine::{Activation, Output, Problem, activation};
use crate::linalg::{eigen, largest_eigenvalue};

/// Half the second derivative of the loss over s in an output f, beside its [`pull`]; and that in
/// the sum z behind f, over 2 s: of squares h'² + r h''.
///
/// [`pull`]: super::pull
fn bends(problem: &Problem, f: f64, r: f64) -> (f64, f64) {
    if !problem.loss.is_squared() {
        let (_, sigmoid) = activation::value_and_slope(Activation::Softplus, f);
        let bend = 0.5 * sigmoid * (1.0 - sigmoid);
        return (bend, bend);
    }
    let (slope, bend) = output_slopes(problem.output, f);
    (1.0, slope * slope + r * bend)
}

/// h' and h'' of the output function where it has the value f.
fn output_slopes(output: Output, f: f64) -> (f64, f64) {
    match output {
        Output::Identity => (1.0, 0.0),
        Output::Sigmoid => (f * (1.0 - f), f * (1.0 - f) * (1.0 - 2.0 * f)),
        Output::Tanh => (1.0 - f * f, -2.0 * f * (1.0 - f * f)),
    }
}

/// H v for the Hessian H of the loss in the effective weights, exactly, by differentiating the
/// backward pass along v (Pearlmutter 1994). `r` is the [`pull`](super::pull) of the outputs [N,
/// k], for squares their residuals; `v` is flat.
pub fn hessian_times(
    problem: &Problem,
    weights: &[f64],
    at: &Tangent,
    r: &[f64],
    v: &[f64],
) -> Vec<f64> {
    let layers = problem.sizes.len() - 1;
    let n = r.len() / problem.outputs();
    let two_s = 2.0 * problem.loss_factor();
    // Derivatives along v of pre-activations and activations.
    let (mut dz_all, mut da_all) = (Vec::new(), vec![vec![0.0; at.inputs[0].len()]]);
    for l in 0..layers {
        let (w, _) = layer(problem, weights, l);
        let mut dz = sums(problem, v, l, &at.inputs[l]);
        if l > 0 {
            times_transposed(&da_all[l], w, problem.sizes[l], &mut dz);
        }
        if l + 1 < layers {
            da_all.push(dz.iter().zip(&at.slopes[l]).map(|(z, s)| z * s).collect());
        }
        dz_all.push(dz);
    }
    // ∂L/∂z and its derivative along v, from the output down.
    let of_outputs = || at.outputs.iter().zip(r);
    let mut delta: Vec<f64> = (of_outputs())
        .map(|(f, r)| two_s * r * output_slopes(problem.output, *f).0)
        .collect();
    let mut d_delta: Vec<f64> = (of_outputs().zip(&dz_all[layers - 1]))
        .map(|((f, r), dz)| two_s * bends(problem, *f, *r).1 * dz)
        .collect();
    let mut out = vec![0.0; weights.len()];
    let per_layer = if problem.bias { 2 } else { 1 };
    for l in (0..layers).rev() {
        let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
        let range = problem.tensors[per_layer * l].range();
        let gradient = &mut out[range];
        for p in 0..n {
            let (a, da) = (
                &at.inputs[l][p * fan_in..][..fan_in],
                &da_all[l][p * fan_in..][..fan_in],
            );
            for (j, row) in gradient.chunks_exact_mut(fan_in).enumerate() {
                let (d, dd) = (delta[p * fan_out + j], d_delta[p * fan_out + j]);
                row.iter_mut()
                    .zip(a)
                    .zip(da)
                    .for_each(|((g, a), da)| *g += dd * a + d * da);
            }
        }
        if problem.bias {
            let range = problem.tensors[per_layer * l + 1].range();
            for row in d_delta.chunks_exact(fan_out) {
                out[range.clone()]
                    .iter_mut()
                    .zip(row)
                    .for_each(|(g, d)| *g += d);
            }
        }
        if l > 0 {
            let (w, _) = layer(problem, weights, l);
            let (vw, _) = layer(problem, v, l);
            let (mut back, mut d_back) = (vec![0.0; n * fan_in], vec![0.0; n * fan_in]);
            times(&delta, w, fan_in, &mut back);
            times(&d_delta, w, fan_in, &mut d_back);
            times(&delta, vw, fan_in, &mut d_back);
            for i in 0..n * fan_in {
                let bend =
                    activation::curvature(problem.activation, at.z[l - 1][i]) * dz_all[l - 1][i];
                d_back[i] = d_back[i] * at.slopes[l - 1][i] + back[i] * bend;
                back[i] *= at.slopes[l - 1][i];
            }
            delta = back;
            d_delta = d_back;
        }
    }
    out
}

/// H v in the coordinates in which all layers have one rate, D^½ H D^½: a weight that enters
/// multiplied by m and whose layer has the rate factor r has its row and column multiplied by m √r.
/// A frozen layer has none.
fn apply(
    problem: &Problem,
    weights: &[f64],
    at: &Tangent,
    r: &[f64],
    scale: &[f64],
    v: &[f64],
) -> Vec<f64> {
    let scaled: Vec<f64> = v.iter().zip(scale).map(|(v, m)| v * m).collect();
    let mut h = hessian_times(problem, weights, at, r, &scaled);
    h.iter_mut().zip(scale).for_each(|(h, m)| *h *= m);
    h
}

/// m √r of each parameter, flat: its multiplier and the rate factor of its layer.
fn scale(problem: &Problem, parameters: usize) -> Vec<f64> {
    let mut scale = vec![1.0; parameters];
    let factors = problem.multipliers.iter().zip(&problem.rate_factors);
    for (tensor, (m, r)) in problem.tensors.iter().zip(factors) {
        scale[tensor.range()].fill(m * r.sqrt());
    }
    scale
}

/// `start` with a little of everything mixed in: a start orthogonal to the eigenvector would miss
/// it.
pub(super) fn mixed(start: &[f64]) -> Vec<f64> {
    let size = start.iter().map(|s| s * s).sum::<f64>().sqrt() / (start.len() as f64).sqrt();
    // Where the gradient of every output vanishes there is nothing to begin with.
    let size = if size > 1e-150 { size } else { 1.0 };
    start
        .iter()
        .enumerate()
        .map(|(i, s)| s + 1e-2 * size * libm::sin(1.0 + i as f64))
        .collect()
}

/// λmax of D^½ H D^½ (the Hessian in the trainable parameters, D the layer rates), by Lanczos from
/// `start` (flat; the gradient of the top kernel mode is a good one).
pub fn sharpness(
    problem: &Problem,
    weights: &[f64],
    at: &Tangent,
    r: &[f64],
    start: &[f64],
) -> f64 {
    let scale = scale(problem, weights.len());
    let h = |v: &[f64]| apply(problem, weights, at, r, &scale, v);
    largest_eigenvalue(h, &mixed(start), 100)
}

/// λmin of D^½ H D^½, by Lanczos on λmax − H; from above, and right to
/// about 1e-4 of the sharpness `top` where eigenvalues crowd around 0.
pub fn lowest_curvature(
    problem: &Problem,
    weights: &[f64],
    at: &Tangent,
    r: &[f64],
    top: f64,
) -> f64 {
    let scale = scale(problem, weights.len());
    let shifted = |v: &[f64]| {
        let h = apply(problem, weights, at, r, &scale, v);
        v.iter().zip(h).map(|(v, h)| top * v - h).collect()
    };
    top - largest_eigenvalue(shifted, &mixed(&vec![1.0; weights.len()]), 60)
}

/// The curvature of the loss at given weights, whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curvature {
    /// Eigenvalues of the Hessian `[P]`, increasing.
    pub eigenvalues: Vec<f64>,
    /// λmax of its Gauss–Newton part, for squares 2 s JᵀJ.
    pub gauss_newton: f64,
    /// Largest |eigenvalue| of the other part, for squares 2 s Σ r ∇²f: 0 where the loss is.
    pub residual: f64,
    /// Eigenvalues up to this size are not told from 0.
    pub noise: f64,
}

impl Curvature {
    /// How many eigenvalues are negative.
    pub fn negative(&self) -> usize {
        (self.eigenvalues.iter())
            .filter(|l| **l < -self.noise)
            .count()
    }

    /// How many are told from 0.
    pub fn rank(&self) -> usize {
        (self.eigenvalues.iter())
            .filter(|l| l.abs() > self.noise)
            .count()
    }
}

/// All eigenvalues of D^½ H D^½, and of its two parts; O(P³) for P
/// parameters, seconds for a thousand.
pub fn curvature(problem: &Problem, weights: &[f64], at: &Tangent, r: &[f64]) -> Curvature {
    let p = weights.len();
    let scale = scale(problem, p);
    let two_s = 2.0 * problem.loss_factor();
    let mut unit = vec![0.0; p];
    let mut rows = |of: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
        (0..p)
            .flat_map(|i| {
                unit[i] = 1.0;
                let row = of(&unit);
                unit[i] = 0.0;
                row
            })
            .collect()
    };
    let whole = rows(&|v| apply(problem, weights, at, r, &scale, v));
    let jacobian: Vec<Vec<f64>> = (0..r.len())
        .map(|i| {
            let mut point = vec![0.0; r.len()];
            point[i] = 1.0;
            let g = at.pull_back(problem, &point);
            let root = bends(problem, at.outputs[i], r[i]).0.sqrt();
            g.iter().zip(&scale).map(|(g, m)| root * g * m).collect()
        })
        .collect();
    let mut rest = whole.clone();
    let mut gram = vec![0.0; r.len() * r.len()];
    for (i, a) in jacobian.iter().enumerate() {
        for (j, b) in jacobian.iter().enumerate() {
            gram[i * r.len() + j] = a.iter().zip(b).map(|(a, b)| a * b).sum();
        }
        for (k, ak) in a.iter().enumerate() {
            let row = &mut rest[k * p..(k + 1) * p];
            row.iter_mut()
                .zip(a)
                .for_each(|(h, al)| *h -= two_s * ak * al);
        }
    }
    let others = eigen(&rest, p).values;
    let eigenvalues = eigen(&whole, p).values;
    // Sums that cancel at a minimum leave more than the rounding of the largest; and at weights of
    // single precision a minimum is met to so much only.
    let resolution = match problem.precision {
        Precision::F32 => 1e-6,
        Precision::F64 => 1e-10,
    };
    let size = eigenvalues.iter().fold(0.0f64, |m, l| m.max(l.abs()));
    Curvature {
        eigenvalues,
        noise: resolution * size,
        gauss_newton: two_s * eigen(&gram, r.len()).values[r.len() - 1],
        residual: others.iter().fold(0.0, |m, l| m.max(l.abs())),
    }
}

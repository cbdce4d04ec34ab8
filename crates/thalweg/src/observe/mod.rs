//! What is measured on weights: the empirical tangent kernel, curvature, motion. Always in double
//! precision.

mod curvature;
mod tangent;

pub use curvature::{hessian_times, sharpness};
pub use tangent::Tangent;

use crate::data::Set;
use crate::engine::{Problem, Snapshot};
use crate::linalg::{Eigen, eigen};
use crate::record::Look;
use crate::study::Observable;

/// Θ = J Jᵀ [N, N] with each tensor weighted as the descent moves it: rate factor · multiplier².
pub fn kernel(problem: &Problem, tangent: &Tangent) -> Vec<f64> {
    let pairs = problem.rate_factors.iter().zip(&problem.multipliers);
    let weights: Vec<f64> = pairs.map(|(r, m)| r * m * m).collect();
    tangent.kernel(problem, &weights)
}

/// 1/(s λmax(Θ)): the largest stable rate of gradient descent on the network linearised at `weights`.
pub fn largest_stable_rate(problem: &Problem, weights: &[f64], x: &[f64]) -> f64 {
    let kernel = kernel(problem, &Tangent::new(problem, weights, x));
    let top = eigen(&kernel, problem.points).values[problem.points - 1];
    1.0 / (problem.loss.factor(problem.points) * top)
}

/// Looks at one replicate at several steps, the first of which is its start.
pub fn look(
    problem: &Problem,
    wanted: &[Observable],
    replicate: u64,
    set: &Set,
    path: &[Snapshot],
) -> Vec<Look> {
    let (mut first_kernel, mut first_residual): (Option<Vec<f64>>, Option<Vec<f64>>) = (None, None);
    let Some(start) = path.first() else {
        return Vec::new();
    };
    let s = problem.loss.factor(problem.points);
    path.iter()
        .map(|here| {
            let tangent = Tangent::new(problem, &here.weights, &set.x);
            let r: Vec<f64> = tangent
                .outputs
                .iter()
                .zip(&set.y)
                .map(|(f, y)| f - y)
                .collect();
            let mut look = Look {
                replicate,
                step: here.step,
                loss: s * r.iter().map(|r| r * r).sum::<f64>(),
                eigenvalues: None,
                coefficients: None,
                start_coefficients: None,
                kernel_moved: None,
                sharpness: None,
                weights_moved: None,
                dead_units: None,
                gradient_norm: None,
            };
            let mut spectrum: Option<Eigen> = None;
            for observable in wanted {
                match observable {
                    Observable::Ntk => {
                        let theta = kernel(problem, &tangent);
                        let e = spectrum.insert(eigen(&theta, problem.points));
                        look.coefficients = Some(modes(e, &r));
                        look.start_coefficients =
                            Some(modes(e, first_residual.get_or_insert_with(|| r.clone())));
                        look.eigenvalues = Some(e.values.clone());
                        let first = first_kernel.get_or_insert_with(|| theta.clone());
                        let moved = theta
                            .iter()
                            .zip(first.iter())
                            .map(|(a, b)| (a - b) * (a - b));
                        let size: f64 = first.iter().map(|b| b * b).sum();
                        look.kernel_moved = Some((moved.sum::<f64>() / size).sqrt());
                    }
                    Observable::Hessian => {
                        let n = problem.points;
                        let e = match &spectrum {
                            Some(e) => e,
                            None => spectrum.insert(eigen(&kernel(problem, &tangent), n)),
                        };
                        let top = &e.vectors[(n - 1) * n..];
                        let guess = tangent.pull_back(problem, top);
                        look.sharpness =
                            Some(sharpness(problem, &here.weights, &tangent, &r, &guess));
                    }
                    Observable::WeightsMoved => {
                        look.weights_moved = Some(moved(problem, &here.weights, &start.weights));
                    }
                    Observable::DeadUnits => look.dead_units = Some(tangent.dead_units(problem)),
                    Observable::GradientNorm => {
                        let g = tangent.kernel(
                            problem,
                            &problem
                                .multipliers
                                .iter()
                                .map(|m| m * m)
                                .collect::<Vec<_>>(),
                        );
                        // ‖∇L‖² = (2 s)² rᵀ J Jᵀ r.
                        let quadratic: f64 = g
                            .chunks_exact(r.len())
                            .zip(&r)
                            .map(|(row, ri)| {
                                ri * row.iter().zip(&r).map(|(g, r)| g * r).sum::<f64>()
                            })
                            .sum();
                        look.gradient_norm = Some(2.0 * s * quadratic.max(0.0).sqrt());
                    }
                }
            }
            look
        })
        .collect()
}

/// The residual in the eigenbasis of a kernel `[N]`.
pub fn modes(e: &Eigen, r: &[f64]) -> Vec<f64> {
    e.vectors
        .chunks_exact(r.len())
        .map(|v| v.iter().zip(r).map(|(v, r)| v * r).sum())
        .collect()
}

/// ‖W − W₀‖/‖W₀‖ of each weight layer.
fn moved(problem: &Problem, now: &[f64], start: &[f64]) -> Vec<f64> {
    let of = |range: std::ops::Range<usize>| {
        let far: f64 = range
            .clone()
            .map(|i| (now[i] - start[i]) * (now[i] - start[i]))
            .sum();
        let size: f64 = range.map(|i| start[i] * start[i]).sum();
        (far / size).sqrt()
    };
    problem
        .tensors
        .iter()
        .filter(|t| !t.is_bias)
        .map(|t| of(t.range()))
        .collect()
}

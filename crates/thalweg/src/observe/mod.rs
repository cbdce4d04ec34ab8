//! What is measured on weights: the empirical tangent kernel, curvature, motion. Always in double
//! precision.

mod course;
mod curvature;
mod tangent;

pub use course::course;
pub use curvature::{Curvature, curvature, hessian_times, lowest_curvature, sharpness};
pub use tangent::Tangent;

use crate::data::{MANY_TARGETS, Set};
use crate::descent::Precision;
use crate::engine::activation::{lipschitz, value_and_slope};
use crate::engine::{Activation, Problem, Snapshot, Tensor, class_sign, reference};
use crate::linalg::{Eigen, eigen, largest_eigenvalue, two_point_bound};
use crate::record::{Observation, Without};
use crate::study::Observable;
use crate::theory::linear::Rule;
use curvature::mixed;
use tangent::dot;

/// Rate factor · multiplier² of each tensor: as the descent moves it.
fn weighting(problem: &Problem) -> Vec<f64> {
    let pairs = problem.rate_factors.iter().zip(&problem.multipliers);
    pairs.map(|(r, m)| r * m * m).collect()
}

/// Θ = J Jᵀ [N k, N k] with each tensor weighted as the descent moves it: rate factor ·
/// multiplier².
pub fn kernel(problem: &Problem, tangent: &Tangent) -> Vec<f64> {
    tangent.kernel(problem, &weighting(problem))
}

/// What the outputs pull with [N, k], ∂L/∂f over 2 s: of a squared loss the residuals f − y.
pub fn pull(problem: &Problem, outputs: &[f64], y: &[f64]) -> Vec<f64> {
    let each = outputs.iter().zip(y);
    if problem.loss.is_squared() {
        return each.map(|(f, y)| f - y).collect();
    }
    each.map(|(f, y)| {
        let sign = class_sign(*y);
        -0.5 * sign * value_and_slope(Activation::Softplus, -sign * f).1
    })
    .collect()
}

/// The loss of outputs [N, k].
pub fn loss(problem: &Problem, outputs: &[f64], y: &[f64]) -> f64 {
    let each = outputs.iter().zip(y);
    let terms: f64 = if problem.loss.is_squared() {
        each.map(|(f, y)| (f - y) * (f - y)).sum()
    } else {
        let of = |f: f64, y: f64| value_and_slope(Activation::Softplus, -class_sign(y) * f).0;
        each.map(|(f, y)| of(*f, *y)).sum()
    };
    problem.loss_factor() * terms
}

/// The loss of test points with these outputs and targets [M, k], as if there were as many of them
/// as training points: of the same size as the loss that is trained.
pub fn test_loss(problem: &Problem, outputs: &[f64], y: &[f64]) -> f64 {
    loss(problem, outputs, y) * problem.targets() as f64 / y.len() as f64
}

/// The share of points whose outputs [M, k] are all on the side of their targets; `boundary` is
/// what lies between the two classes of the targets.
pub fn accuracy(problem: &Problem, outputs: &[f64], y: &[f64], boundary: f64) -> f64 {
    let k = problem.outputs();
    // The outputs of a logistic loss are logits.
    let of_outputs = if problem.loss.is_squared() {
        boundary
    } else {
        0.0
    };
    let right = |(f, y): (&f64, &f64)| (f - of_outputs) * (y - boundary) > 0.0;
    let points = outputs.chunks_exact(k).zip(y.chunks_exact(k));
    let count = points.filter(|(f, y)| f.iter().zip(*y).all(right)).count();
    count as f64 / (y.len() / k) as f64
}

/// Whether outputs [N, k] succeed; `loss` is theirs.
fn succeeds(problem: &Problem, outputs: &[f64], y: &[f64], loss: f64) -> bool {
    reference::judged(problem, outputs, y, loss) < problem.success.below(problem.points)
}

/// The kernel without the point that weighs most in `slow` `[N]`; none for a single point.
fn without(theta: &[f64], r: &[f64], slow: &[f64]) -> Option<Without> {
    let (n, k) = (r.len(), r.len() / slow.len());
    let point = (0..slow.len()).max_by(|a, b| slow[*a].total_cmp(&slow[*b]))?;
    if slow.len() < 2 {
        return None;
    }
    let others: Vec<usize> = (0..n).filter(|i| i / k != point).collect();
    let rest: Vec<f64> = (others.iter())
        .flat_map(|&i| others.iter().map(move |&j| theta[i * n + j]))
        .collect();
    let e = eigen(&rest, others.len());
    let r: Vec<f64> = others.iter().map(|i| r[*i]).collect();
    Some(Without {
        point,
        coefficients: modes(&e, &r),
        eigenvalues: e.values,
    })
}

/// Share of the parameters with a gradient that a step of gradient descent leaves as they are.
fn lost_updates(
    problem: &Problem,
    weights: &[f64],
    rate: f64,
    tangent: &Tangent,
    r: &[f64],
) -> f64 {
    let two_s = 2.0 * problem.loss_factor();
    let v: Vec<f64> = r.iter().map(|r| two_s * r).collect();
    let gradient = tangent.pull_back(problem, &v);
    let (mut moved, mut lost) = (0u64, 0u64);
    for (tensor, factor) in problem.tensors.iter().zip(weighting(problem)) {
        for i in tensor.range() {
            let step = rate * factor * gradient[i];
            if !(step.abs() > 0.0) {
                continue;
            }
            moved += 1;
            let now = weights[i];
            let same = match problem.precision {
                Precision::F32 => ((now - step) as f32).to_bits() == (now as f32).to_bits(),
                Precision::F64 => (now - step).to_bits() == now.to_bits(),
            };
            lost += u64::from(same);
        }
    }
    lost as f64 / moved.max(1) as f64
}

/// The largest stable rate of a rule on the network linearised at `weights`
/// ([`Rule::largest_stable_rate`]).
pub fn largest_stable_rate(rule: Rule, problem: &Problem, weights: &[f64], x: &[f64]) -> f64 {
    let kernel = kernel(problem, &Tangent::new(problem, weights, x));
    let targets = problem.targets();
    let top = if targets <= MANY_TARGETS {
        eigen(&kernel, targets).values[targets - 1]
    } else {
        let times = |v: &[f64]| {
            kernel
                .chunks_exact(targets)
                .map(|row| dot(row, v))
                .collect()
        };
        largest_eigenvalue(times, &mixed(&vec![1.0; targets]), 200)
    };
    rule.largest_stable_rate(problem.loss_factor(), top)
}

/// Looks at one replicate, trained with `rate`, at several steps, the first of which is its start.
pub fn look(
    problem: &Problem,
    wanted: &[Observable],
    replicate: u64,
    rate: f64,
    set: &Set,
    path: &[Snapshot],
) -> Vec<Observation> {
    let Some(start) = path.first() else {
        return Vec::new();
    };
    let (mut first_kernel, mut first_residual) = (None, None);
    let mut length = 0.0;
    let one = |(at, here): (usize, &Snapshot)| {
        let tangent = Tangent::new(problem, &here.weights, &set.x);
        let residual = pull(problem, &tangent.outputs, &set.y);
        let mut look = Observation {
            replicate,
            step: here.step,
            loss: loss(problem, &tangent.outputs, &set.y),
            ..Observation::default()
        };
        let here = Here {
            problem,
            weights: &here.weights,
            tangent,
            residual,
            y: &set.y,
            is_last: at + 1 == path.len(),
        };
        let mut spectrum: Option<Eigen> = None;
        for observable in wanted {
            match observable {
                Observable::Ntk => {
                    let theta = kernel(problem, &here.tangent);
                    let e = spectrum.insert(eigen(&theta, problem.targets()));
                    let r = first_residual.get_or_insert_with(|| here.residual.clone());
                    look.start_coefficients = Some(modes(e, r));
                    let first = first_kernel.get_or_insert_with(|| theta.clone());
                    here.kernel(&mut look, &theta, e, first);
                }
                Observable::Hessian => {
                    let e = spectrum.get_or_insert_with(|| {
                        eigen(&kernel(problem, &here.tangent), problem.targets())
                    });
                    here.hessian(&mut look, e);
                }
                Observable::WeightsMoved => {
                    look.weights_moved = Some(moved(problem, here.weights, &start.weights));
                    let before = &path[at.saturating_sub(1)].weights;
                    length += distance(problem, here.weights, before);
                    look.path_length = Some(length);
                }
                Observable::DeadUnits => here.units(&mut look),
                Observable::GradientNorm => {
                    let change = problem.schedule.iter().rfind(|m| m.step <= look.step);
                    let rate = rate * change.map_or(1.0, |m| m.factor);
                    here.gradient(&mut look, rate);
                }
            }
        }
        look
    };
    path.iter().enumerate().map(one).collect()
}

/// A replicate at a step, and what its looks have in common.
struct Here<'a> {
    problem: &'a Problem,
    weights: &'a [f64],
    tangent: Tangent,
    /// [`pull`] [N, k], of squares r = f − y.
    residual: Vec<f64>,
    y: &'a [f64],
    is_last: bool,
}

impl Here<'_> {
    /// What its kernel Θ says, and how far that is from the first.
    fn kernel(&self, look: &mut Observation, theta: &[f64], e: &Eigen, first: &[f64]) {
        let r = &self.residual;
        look.coefficients = Some(modes(e, r));
        look.eigenvalues = Some(e.values.clone());
        look.two_point_bound = two_point_bound(theta, r.len());
        let moved = theta
            .iter()
            .zip(first.iter())
            .map(|(a, b)| (a - b) * (a - b));
        let size: f64 = first.iter().map(|b| b * b).sum();
        // Of a kernel that was zero, and of one that overflowed, there is no share.
        let moved = (moved.sum::<f64>() / size).sqrt();
        look.kernel_moved = Some(moved).filter(|moved| moved.is_finite());
        let weighting = weighting(self.problem);
        let shares = self.tangent.layer_shares(self.problem, &weighting);
        look.layer_shares = Some(shares).filter(|all| all.iter().all(|share| share.is_finite()));
        if has_slowest(e) {
            let slow: Vec<f64> = (e.vectors[..r.len()].chunks_exact(self.problem.outputs()))
                .map(|v| v.iter().map(|v| v * v).sum())
                .collect();
            if self.is_last {
                look.without = without(theta, r, &slow);
            }
            look.slow_points = Some(slow);
        }
    }

    /// The ends of the Hessian's spectrum; the largest mode of the kernel is near its first vector.
    fn hessian(&self, look: &mut Observation, e: &Eigen) {
        let (problem, weights, r) = (self.problem, self.weights, &self.residual);
        let top = &e.vectors[(r.len() - 1) * r.len()..];
        let guess = self.tangent.pull_back(problem, top);
        let top = sharpness(problem, weights, &self.tangent, r, &guess);
        look.sharpness = Some(top);
        // Only a run that did not arrive is asked whether it sits at a saddle; one that never moved
        // has a single look.
        let arrived = succeeds(problem, &self.tangent.outputs, self.y, look.loss);
        if self.is_last && !arrived {
            let lowest = lowest_curvature(problem, weights, &self.tangent, r, top);
            look.lowest_curvature = Some(lowest);
        }
    }

    /// Units that are dead or saturated, and whether the output says anything about its input.
    fn units(&self, look: &mut Observation) {
        let (problem, at) = (self.problem, &self.tangent);
        let small = 1e-3 * lipschitz(problem.activation);
        look.dead = Some(at.flat_units(problem, 0.0));
        look.dead_units = look.dead.as_ref().map(|units| units.iter().sum());
        look.saturated_units = Some(at.flat_units(problem, small).iter().sum());
        look.saturation = Some(at.flat_share(small));
        let k = problem.outputs();
        let spread = spread(&at.outputs, k) / spread(self.y, k);
        look.output_spread = Some(spread).filter(|spread| spread.is_finite());
    }

    /// ‖∇L‖, and which updates rounding takes.
    fn gradient(&self, look: &mut Observation, rate: f64) {
        let (problem, r) = (self.problem, &self.residual);
        let squares: Vec<f64> = problem.multipliers.iter().map(|m| m * m).collect();
        let g = self.tangent.kernel(problem, &squares);
        // ‖∇L‖² = (2 s)² rᵀ J Jᵀ r.
        let quadratic: f64 = g
            .chunks_exact(r.len())
            .zip(r)
            .map(|(row, ri)| ri * row.iter().zip(r).map(|(g, r)| g * r).sum::<f64>())
            .sum();
        let s = problem.loss_factor();
        look.gradient_norm = Some(2.0 * s * quadratic.max(0.0).sqrt());
        let lost = lost_updates(problem, self.weights, rate, &self.tangent, r);
        look.lost_updates = Some(lost);
    }
}

/// Whether the smallest eigenvalue of a kernel has one eigenvector: the vectors of a space of
/// several, a null space above all, are arbitrary.
pub fn has_slowest(e: &Eigen) -> bool {
    let noise = e.values.len() as f64 * f64::EPSILON * e.values.last().copied().unwrap_or(0.0);
    match e.values[..] {
        [low, next, ..] => next - low > noise,
        [only] => only.is_finite(),
        [] => false,
    }
}

/// Σ (v − v̄)² of each of the columns of v [N, k], together.
fn spread(v: &[f64], k: usize) -> f64 {
    let of_column = |column: usize| {
        let values = || v.iter().skip(column).step_by(k);
        let mean = values().sum::<f64>() / (v.len() / k) as f64;
        values().map(|v| (v - mean) * (v - mean)).sum::<f64>()
    };
    (0..k).map(of_column).sum()
}

/// The residual in the eigenbasis of a kernel [N k].
pub fn modes(e: &Eigen, r: &[f64]) -> Vec<f64> {
    e.vectors
        .chunks_exact(r.len())
        .map(|v| v.iter().zip(r).map(|(v, r)| v * r).sum())
        .collect()
}

/// ‖u − u'‖ in the numbers u in which all layers have one rate, w = m √ρ u; what is frozen does not
/// count.
fn distance(problem: &Problem, now: &[f64], before: &[f64]) -> f64 {
    let tensors = problem.tensors.iter().zip(weighting(problem));
    let square = |(tensor, factor): (&Tensor, f64)| -> f64 {
        let moved: f64 = tensor.range().map(|i| (now[i] - before[i]).powi(2)).sum();
        if factor > 0.0 { moved / factor } else { 0.0 }
    };
    tensors.map(square).sum::<f64>().sqrt()
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

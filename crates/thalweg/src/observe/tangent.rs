//! The empirical tangent kernel of a network with given weights, and its gradient.

use crate::engine::Problem;
use crate::engine::activation::value_and_slope;

/// A network of k outputs linearised at its weights on N inputs: f(θ + δ) ≈ f(θ) + J δ.
#[derive(Debug, Clone)]
pub struct Tangent {
    /// Outputs [N, k].
    pub outputs: Vec<f64>,
    /// Input of every weight layer [N, fan_in].
    pub inputs: Vec<Vec<f64>>,
    /// Pre-activations of every hidden layer [N, fan_out].
    pub z: Vec<Vec<f64>>,
    /// φ' of every hidden layer [N, fan_out].
    pub slopes: Vec<Vec<f64>>,
    /// ∂f/∂z of every weight layer [N, k, fan_out].
    pub deltas: Vec<Vec<f64>>,
}

/// Weights and biases of layer `l` in the flat parameters.
pub(super) fn layer<'a>(problem: &Problem, weights: &'a [f64], l: usize) -> (&'a [f64], &'a [f64]) {
    let per_layer = if problem.bias { 2 } else { 1 };
    let w = &weights[problem.tensors[per_layer * l].range()];
    let b = if problem.bias {
        &weights[problem.tensors[per_layer * l + 1].range()]
    } else {
        &[][..]
    };
    (w, b)
}

/// out[n, j] += Σ_k a[n, k] w[j, k].
pub(super) fn times_transposed(a: &[f64], w: &[f64], fan_in: usize, out: &mut [f64]) {
    let fan_out = w.len() / fan_in;
    for (a, out) in a.chunks_exact(fan_in).zip(out.chunks_exact_mut(fan_out)) {
        for (w, out) in w.chunks_exact(fan_in).zip(out) {
            *out += dot(a, w);
        }
    }
}

/// out[n, k] += Σ_j d[n, j] w[j, k].
pub(super) fn times(d: &[f64], w: &[f64], fan_in: usize, out: &mut [f64]) {
    let fan_out = w.len() / fan_in;
    for (d, out) in d.chunks_exact(fan_out).zip(out.chunks_exact_mut(fan_in)) {
        for (d, w) in d.iter().zip(w.chunks_exact(fan_in)) {
            out.iter_mut().zip(w).for_each(|(o, w)| *o += d * w);
        }
    }
}

/// Inner product, in eight interleaved sums so that the compiler can use vectors.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// a Wᵀ + b of layer l, of the activations a [N, fan_in] of the layer below: [N, fan_out].
pub(super) fn sums(problem: &Problem, weights: &[f64], l: usize, a: &[f64]) -> Vec<f64> {
    let (w, b) = layer(problem, weights, l);
    let fan_in = problem.sizes[l];
    let n = a.len() / fan_in;
    let mut z = if b.is_empty() {
        vec![0.0; n * problem.sizes[l + 1]]
    } else {
        b.repeat(n)
    };
    times_transposed(a, w, fan_in, &mut z);
    z
}

impl Tangent {
    /// At flat effective `weights`, on inputs `x` [N, d].
    pub fn new(problem: &Problem, weights: &[f64], x: &[f64]) -> Tangent {
        let layers = problem.sizes.len() - 1;
        let n = x.len() / problem.sizes[0];
        let k = problem.outputs();
        let (mut inputs, mut all_z, mut slopes) = (vec![x.to_vec()], Vec::new(), Vec::new());
        let (mut outputs, mut output_slopes) = (Vec::new(), Vec::new());
        for l in 0..layers {
            let z = sums(problem, weights, l, &inputs[l]);
            if l + 1 == layers {
                let h = problem.output.activation();
                let both = z.iter().map(|&z| value_and_slope(h, z));
                (outputs, output_slopes) = both.unzip();
            } else {
                let both = z.iter().map(|&z| value_and_slope(problem.activation, z));
                let (a, slope): (Vec<f64>, Vec<f64>) = both.unzip();
                inputs.push(a);
                slopes.push(slope);
                all_z.push(z);
            }
        }
        // Of each output of a point with the sums of all.
        let mut last = vec![0.0; n * k * k];
        for (at, slope) in output_slopes.iter().enumerate() {
            last[at * k + at % k] = *slope;
        }
        let mut deltas = vec![last];
        for l in (1..layers).rev() {
            let width = problem.sizes[l];
            let mut below = vec![0.0; n * k * width];
            times(
                &deltas[layers - 1 - l],
                layer(problem, weights, l).0,
                problem.sizes[l],
                &mut below,
            );
            for (rows, slopes) in
                (below.chunks_exact_mut(k * width)).zip(slopes[l - 1].chunks_exact(width))
            {
                for row in rows.chunks_exact_mut(width) {
                    row.iter_mut().zip(slopes).for_each(|(d, s)| *d *= s);
                }
            }
            deltas.push(below);
        }
        deltas.reverse();
        Tangent {
            outputs,
            inputs,
            z: all_z,
            slopes,
            deltas,
        }
    }

    /// Outputs [M, k] at inputs `x` [M, d], and nothing else.
    pub fn outputs(problem: &Problem, weights: &[f64], x: &[f64]) -> Vec<f64> {
        let layers = problem.sizes.len() - 1;
        let mut values = x.to_vec();
        for l in 0..layers {
            let function = if l + 1 == layers {
                problem.output.activation()
            } else {
                problem.activation
            };
            values = sums(problem, weights, l, &values);
            values
                .iter_mut()
                .for_each(|z| *z = value_and_slope(function, *z).0);
        }
        values
    }

    /// Θ = Σ over parameters of weight · ∂f_i/∂θ ∂f_j/∂θ [N k, N k], the outputs of a point side by
    /// side; one weight for each tensor.
    pub fn kernel(&self, problem: &Problem, of_tensor: &[f64]) -> Vec<f64> {
        let (n, k) = (self.outputs.len(), problem.outputs());
        let per_layer = if problem.bias { 2 } else { 1 };
        let mut kernel = vec![0.0; n * n];
        for (l, (input, delta)) in self.inputs.iter().zip(&self.deltas).enumerate() {
            let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
            let of_weights = of_tensor[per_layer * l];
            let of_bias = if problem.bias {
                of_tensor[per_layer * l + 1]
            } else {
                0.0
            };
            for i in 0..n {
                for j in 0..=i {
                    let aa = dot(
                        &input[i / k * fan_in..][..fan_in],
                        &input[j / k * fan_in..][..fan_in],
                    );
                    let dd = dot(
                        &delta[i * fan_out..][..fan_out],
                        &delta[j * fan_out..][..fan_out],
                    );
                    kernel[i * n + j] += dd * (of_weights * aa + of_bias);
                }
            }
        }
        for i in 0..n {
            for j in 0..i {
                kernel[j * n + i] = kernel[i * n + j];
            }
        }
        kernel
    }

    /// Jᵀ v for a vector v [N, k] over the outputs, flat.
    pub fn pull_back(&self, problem: &Problem, v: &[f64]) -> Vec<f64> {
        let k = problem.outputs();
        let mut flat = Vec::new();
        for (l, (input, delta)) in self.inputs.iter().zip(&self.deltas).enumerate() {
            let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
            let mut w = vec![0.0; fan_in * fan_out];
            let mut b = vec![0.0; if problem.bias { fan_out } else { 0 }];
            for (i, (v, d)) in v.iter().zip(delta.chunks_exact(fan_out)).enumerate() {
                let a = &input[i / k * fan_in..][..fan_in];
                for (d, w) in d.iter().zip(w.chunks_exact_mut(fan_in)) {
                    w.iter_mut().zip(a).for_each(|(w, a)| *w += v * d * a);
                }
                b.iter_mut().zip(d).for_each(|(b, d)| *b += v * d);
            }
            flat.append(&mut w);
            flat.append(&mut b);
        }
        flat
    }

    /// Units of each hidden layer with |φ'| at most `flat` on every point.
    pub fn flat_units(&self, problem: &Problem, flat: f64) -> Vec<u64> {
        let units = |(l, slope): (usize, &Vec<f64>)| {
            let width = problem.sizes[l + 1];
            (0..width)
                .filter(|j| slope[*j..].iter().step_by(width).all(|s| s.abs() <= flat))
                .count() as u64
        };
        self.slopes.iter().enumerate().map(units).collect()
    }

    /// Share of the units of each hidden layer with |φ'| at most `flat`, over all points.
    pub fn flat_share(&self, flat: f64) -> Vec<f64> {
        let share = |slope: &Vec<f64>| {
            let small = slope.iter().filter(|s| s.abs() <= flat).count();
            small as f64 / slope.len() as f64
        };
        self.slopes.iter().map(share).collect()
    }

    /// Share of the trace of Θ that each weight layer with its bias has; one weight for each
    /// tensor.
    pub fn layer_shares(&self, problem: &Problem, of_tensor: &[f64]) -> Vec<f64> {
        let per_layer = if problem.bias { 2 } else { 1 };
        let traces = self.inputs.iter().zip(&self.deltas).enumerate();
        let traces: Vec<f64> = traces
            .map(|(l, (input, delta))| {
                let k = problem.outputs();
                let points = input
                    .chunks_exact(problem.sizes[l])
                    .flat_map(|a| std::iter::repeat_n(a, k))
                    .zip(delta.chunks_exact(problem.sizes[l + 1]));
                let bias = if problem.bias {
                    of_tensor[2 * l + 1]
                } else {
                    0.0
                };
                points
                    .map(|(a, d)| dot(d, d) * (of_tensor[per_layer * l] * dot(a, a) + bias))
                    .sum()
            })
            .collect();
        let all: f64 = traces.iter().sum();
        traces.iter().map(|t| t / all).collect()
    }
}

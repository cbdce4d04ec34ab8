//! Curvature of the actual loss: Hessian-vector products and the sharpness.

use super::tangent::{Tangent, layer, times, times_transposed};
use crate::engine::Problem;
use crate::linalg::largest_eigenvalue;

/// H v for the Hessian H of L = s Σ r² in the effective weights, exactly, by differentiating the
/// backward pass along v (Pearlmutter 1994). `r` are the residuals `[N]`, `v` is flat.
pub fn hessian_times(
    problem: &Problem,
    weights: &[f64],
    at: &Tangent,
    r: &[f64],
    v: &[f64],
) -> Vec<f64> {
    let layers = problem.sizes.len() - 1;
    let n = r.len();
    let two_s = 2.0 * problem.loss.factor(n);
    // Derivatives along v of pre-activations and activations.
    let (mut dz_all, mut da_all) = (Vec::new(), vec![vec![0.0; at.inputs[0].len()]]);
    for l in 0..layers {
        let (w, _) = layer(problem, weights, l);
        let (vw, vb) = layer(problem, v, l);
        let mut dz = if vb.is_empty() {
            vec![0.0; n * problem.sizes[l + 1]]
        } else {
            vb.repeat(n)
        };
        times_transposed(&at.inputs[l], vw, problem.sizes[l], &mut dz);
        if l > 0 {
            times_transposed(&da_all[l], w, problem.sizes[l], &mut dz);
        }
        if l + 1 < layers {
            da_all.push(dz.iter().zip(&at.slopes[l]).map(|(z, s)| z * s).collect());
        }
        dz_all.push(dz);
    }
    // ∂L/∂z and its derivative along v, from the output down.
    let mut delta: Vec<f64> = r.iter().map(|r| two_s * r).collect();
    let mut d_delta: Vec<f64> = dz_all[layers - 1].iter().map(|f| two_s * f).collect();
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
                let bend = problem.activation.curvature(at.z[l - 1][i]) * dz_all[l - 1][i];
                d_back[i] = d_back[i] * at.slopes[l - 1][i] + back[i] * bend;
                back[i] *= at.slopes[l - 1][i];
            }
            delta = back;
            d_delta = d_back;
        }
    }
    out
}

/// λmax of the Hessian in the trainable parameters, by Lanczos from `start` (flat; the gradient of
/// the top kernel mode is a good one).
pub fn sharpness(
    problem: &Problem,
    weights: &[f64],
    at: &Tangent,
    r: &[f64],
    start: &[f64],
) -> f64 {
    let mut scale = vec![1.0; weights.len()];
    for (tensor, m) in problem.tensors.iter().zip(&problem.multipliers) {
        scale[tensor.range()].fill(*m);
    }
    let apply = |v: &[f64]| {
        let scaled: Vec<f64> = v.iter().zip(&scale).map(|(v, m)| v * m).collect();
        let mut h = hessian_times(problem, weights, at, r, &scaled);
        h.iter_mut().zip(&scale).for_each(|(h, m)| *h *= m);
        h
    };
    // A start orthogonal to the top eigenvector would miss it; no structured start can do harm with
    // a little of everything mixed in.
    let size = start.iter().map(|s| s * s).sum::<f64>().sqrt() / (start.len() as f64).sqrt();
    let mixed: Vec<f64> = start
        .iter()
        .enumerate()
        .map(|(i, s)| s + 1e-2 * size.max(1e-300) * libm::sin(1.0 + i as f64))
        .collect();
    largest_eigenvalue(apply, &mixed, 100)
}

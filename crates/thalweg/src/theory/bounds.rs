//! What theorems of convergence ask for, with their constants: widths, paths, dead layers.
//!
//! They are evaluated, not believed: most are vacuous for small networks, and by how much is the
//! interesting number.

use std::f64::consts::TAU;

use crate::linalg::eigen;

/// λ₀ = λmin(H), H_ij = x_i·x_j P(w·x_i ≥ 0, w·x_j ≥ 0) over normal w: the kernel of the first
/// layer
/// of a ReLU network, for inputs `x` [N, dim] scaled to length 1 (Du, Zhai, Poczos & Singh 2019,
/// arXiv:1810.02054, assumption 3.1). 0, to round-off, if two inputs are parallel; NaN if one is 0.
pub fn relu_gram_smallest(x: &[f64], dim: usize) -> f64 {
    let unit = |row: &[f64]| -> Vec<f64> {
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter().map(|v| v / norm).collect()
    };
    let rows: Vec<Vec<f64>> = x.chunks_exact(dim.max(1)).map(unit).collect();
    let n = rows.len();
    let entry = |u: &[f64], v: &[f64]| {
        let norm = |sign: f64| {
            let squares = u.iter().zip(v).map(|(u, v)| (u + sign * v).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let angle = 2.0 * libm::atan2(norm(-1.0), norm(1.0));
        libm::cos(angle) * (0.5 - angle / TAU)
    };
    let gram: Vec<f64> = (0..n * n)
        .map(|at| entry(&rows[at / n], &rows[at % n]))
        .collect();
    if gram.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    eigen(&gram, n).values.first().copied().unwrap_or(f64::NAN)
}

/// n⁶/(λ₀⁴ δ³): the width from which on gradient descent on one hidden layer of ReLU converges with
/// probability 1 − δ (Du, Zhai, Poczos & Singh 2019, arXiv:1810.02054, theorem 4.1), up to a
/// constant
/// that the theorem leaves open and that is 1 here. Infinite for λ₀ ≤ 0.
pub fn width_asked(points: usize, gram_smallest: f64, delta: f64) -> f64 {
    if gram_smallest <= 0.0 {
        return f64::INFINITY;
    }
    let n = points as f64;
    n.powi(6) / (gram_smallest.powi(4) * delta.powi(3))
}

/// ‖r₀‖/√λ: no path of gradient flow is longer on which rᵀΘr ≥ λ rᵀr, whatever the loss factor.
///
/// That is the Polyak–Łojasiewicz inequality ½‖∇L‖² ≥ μ L with μ = 2 s λ, and d√L/dt ≤ −√(μ/2) ‖ẇ‖
/// gives a length of at most √(2 L₀/μ) (Liu, Zhu & Belkin 2020, arXiv:2003.00307, theorem 4, for
/// flow; there with a constant for steps). Lengths are in the coordinates in which all parameters
/// have one rate.
pub fn path_bound(residual: f64, smallest: f64) -> f64 {
    residual / smallest.max(0.0).sqrt()
}

/// √(Σ c_k²/λ_k): how far the linearised network goes, from the eigenvalues of its kernel and the
/// initial residual in its eigenbasis: the shortest way to weights that fit. At most
/// [`path_bound`], which is for a residual in the slowest mode alone.
pub fn linear_distance(eigenvalues: &[f64], coefficients: &[f64]) -> f64 {
    let modes = eigenvalues.iter().zip(coefficients);
    let squares = modes.filter(|(_, c)| c.abs() > 0.0);
    squares.map(|(l, c)| c * c / l.max(0.0)).sum::<f64>().sqrt()
}

/// 1 − Π (1 − 2^(−n)): the probability that some hidden layer of ReLU is 0 at a given input, for
/// weights and biases whose laws are symmetric and have no atoms but biases of 0 (Lu, Shin, Su &
/// Karniadakis 2020, arXiv:1903.06733).
///
/// Given a layer below that is not 0, each of n preactivations is negative with probability ½, on
/// its own. A network that is constant on all inputs from its start is so at one, so this
/// bounds how
/// often networks are born dead.
pub fn dead_layer(hidden: &[usize]) -> f64 {
    let alive = |n: &usize| libm::log1p(-libm::pow(0.5, *n as f64));
    -libm::expm1(hidden.iter().map(alive).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two inputs at an angle θ: H = [[½, h], [h, ½]] with h = cos θ (π − θ)/2π.
    #[test]
    fn two_inputs_have_the_known_gram_matrix() {
        for angle in [0.1f64, 1.0, 2.5] {
            let x = [3.0, 0.0, 0.5 * angle.cos(), 0.5 * angle.sin()];
            let h = angle.cos() * (0.5 - angle / TAU);
            assert!((relu_gram_smallest(&x, 2) - (0.5 - h.abs())).abs() < 1e-14);
        }
        assert!(relu_gram_smallest(&[1.0, 2.0, 2.0, 4.0], 2).abs() < 1e-15);
        assert!(relu_gram_smallest(&[0.0, 0.0, 2.0, 4.0], 2).is_nan());
        assert!(width_asked(2, 0.0, 0.2).is_infinite());
        // 20⁶/(0.1⁴ 0.2³) = 6.4e7/8e-7.
        assert!((width_asked(20, 0.1, 0.2) / 8e13 - 1.0).abs() < 1e-12);
    }

    /// The linearised flow w' = −2 s Jᵀ r followed to its end: it goes as far as its modes say, its
    /// path is longer, and the bound is longer still; all three agree for the slowest mode alone.
    #[test]
    fn paths_are_as_long_as_said() {
        let eigenvalues: [f64; 3] = [0.1, 1.0, 4.0];
        for c in [[1.0, 0.5, -2.0], [1.0, 0.0, 0.0], [0.0, 1.0, 3.0]] {
            // In the eigenbasis J is diagonal, √λ; s = ½.
            let (mut r, mut w, mut length) = (c, [0.0; 3], 0.0);
            let step = 1e-3;
            for _ in 0..200_000 {
                let mut square = 0.0;
                for k in 0..3 {
                    let by = step * eigenvalues[k].sqrt() * r[k];
                    w[k] -= by;
                    r[k] -= eigenvalues[k].sqrt() * by;
                    square += by * by;
                }
                length += f64::sqrt(square);
            }
            let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            let (distance, bound) = (linear_distance(&eigenvalues, &c), path_bound(norm(&c), 0.1));
            assert!((norm(&w) / distance - 1.0).abs() < 1e-6, "{c:?}");
            assert!(distance <= length * (1.0 + 1e-6) && length <= bound * (1.0 + 1e-6));
            if c[1].abs() <= 0.0 {
                assert!((length / bound - 1.0).abs() < 1e-6);
            }
        }
        assert!(linear_distance(&[0.0, 1.0], &[1.0, 1.0]).is_infinite());
    }

    /// A single layer of n units is 0 with probability 2^(−n).
    #[test]
    fn dead_layers_are_counted() {
        assert!((dead_layer(&[1]) - 0.5).abs() < 1e-15);
        assert!((dead_layer(&[2, 2]) - 7.0 / 16.0).abs() < 1e-15);
        assert!((dead_layer(&[60]) * 2f64.powi(60) - 1.0).abs() < 1e-12);
        assert!(dead_layer(&[]).abs() <= 0.0);
    }
}

//! The few calls into `faer`: symmetric eigenproblems.

use faer::{Mat, Side};

/// Eigenvalues (increasing) and eigenvectors of a symmetric matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, increasing.
    pub values: Vec<f64>,
    /// The unit eigenvector of each, [n, n]: one row for each eigenvalue.
    pub vectors: Vec<f64>,
}

/// Eigenvalues and eigenvectors of the symmetric `matrix` [n, n]; NaN if it is not finite.
pub fn eigen(matrix: &[f64], n: usize) -> Eigen {
    let broken = || Eigen {
        values: vec![f64::NAN; n],
        vectors: vec![f64::NAN; n * n],
    };
    if matrix.iter().any(|v| !v.is_finite()) {
        return broken();
    }
    let dense = Mat::from_fn(n, n, |i, j| matrix[i * n + j]);
    match dense.self_adjoint_eigen(Side::Lower) {
        Err(_) => broken(),
        Ok(e) => {
            let values: Vec<f64> = (0..n).map(|k| e.S()[k]).collect();
            let vectors = (0..n).flat_map(|k| (0..n).map(move |i| (k, i)));
            Eigen {
                values,
                vectors: vectors.map(|(k, i)| e.U()[(i, k)]).collect(),
            }
        }
    }
}

/// An upper bound on the smallest eigenvalue of the symmetric `matrix` T [n, n] by its nearest two
/// points: ½ min over i < j of Tᵢᵢ + Tⱼⱼ − 2 Tᵢⱼ, the Rayleigh quotient of (eᵢ − eⱼ)/√2. None
/// below two points.
pub fn two_point_bound(matrix: &[f64], n: usize) -> Option<f64> {
    let at = |i: usize, j: usize| matrix[i * n + j];
    let pairs = (0..n).flat_map(|j| (0..j).map(move |i| (i, j)));
    let apart = pairs.map(|(i, j)| 0.5 * (at(i, i) + at(j, j) - 2.0 * at(i, j)));
    apart.min_by(f64::total_cmp)
}

/// The largest eigenvalue of a symmetric operator on R^n by Lanczos with full reorthogonalisation
/// from `start`, to a relative 1e-10 of the residual bound or `most` steps.
pub fn largest_eigenvalue(
    mut apply: impl FnMut(&[f64]) -> Vec<f64>,
    start: &[f64],
    most: usize,
) -> f64 {
    let n = start.len();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut q = start.to_vec();
    let first = norm(&q);
    if !first.is_finite() || first <= 0.0 {
        return f64::NAN;
    }
    q.iter_mut().for_each(|x| *x /= first);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut alpha, mut beta): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    loop {
        let mut next = apply(&q);
        alpha.push(next.iter().zip(&q).map(|(a, b)| a * b).sum());
        basis.push(q);
        for _ in 0..2 {
            for old in &basis {
                let dot: f64 = old.iter().zip(&next).map(|(a, b)| a * b).sum();
                next.iter_mut().zip(old).for_each(|(x, o)| *x -= dot * o);
            }
        }
        let rest = norm(&next);
        let k = alpha.len();
        let mut small = vec![0.0; k * k];
        for i in 0..k {
            small[i * k + i] = alpha[i];
            if i > 0 {
                small[i * k + i - 1] = beta[i - 1];
                small[(i - 1) * k + i] = beta[i - 1];
            }
        }
        let e = eigen(&small, k);
        let top = e.values[k - 1];
        // ‖A v − θ v‖ = β_k |last entry of the Ritz vector|; the error of θ is its square over a
        // gap.
        let bound = rest * e.vectors[(k - 1) * k + k - 1].abs();
        if !top.is_finite() || bound <= 1e-6 * top.abs() || k == most.min(n) || rest <= 1e-300 {
            return top;
        }
        beta.push(rest);
        next.iter_mut().for_each(|x| *x /= rest);
        q = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// λmin of [[a, b], [b, a]] is a − b for b ≥ 0: the bound is exact. Of a diagonal matrix it is
    /// the mean of the two smallest.
    #[test]
    fn two_points_bound_the_smallest_eigenvalue() {
        assert_eq!(two_point_bound(&[3.0, 2.5, 2.5, 3.0], 2), Some(0.5));
        let diagonal = [4.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0];
        assert_eq!(two_point_bound(&diagonal, 3), Some(1.5));
        assert_eq!(two_point_bound(&[1.0], 1), None);
    }

    /// The path graph's Laplacian on n vertices has eigenvalues 2 − 2 cos(π k/n).
    #[test]
    fn eigenvalues_of_the_path_graph() {
        let n = 12;
        let mut l = vec![0.0; n * n];
        for i in 0..n - 1 {
            l[i * n + i] += 1.0;
            l[(i + 1) * n + i + 1] += 1.0;
            l[i * n + i + 1] -= 1.0;
            l[(i + 1) * n + i] -= 1.0;
        }
        let e = eigen(&l, n);
        for (k, value) in e.values.iter().enumerate() {
            let exact = 2.0 - 2.0 * (std::f64::consts::PI * k as f64 / n as f64).cos();
            assert!((value - exact).abs() < 1e-13);
        }
        let apply = |v: &[f64]| -> Vec<f64> {
            l.chunks_exact(n)
                .map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
                .collect()
        };
        let start: Vec<f64> = (0..n).map(|i| 1.0 + i as f64).collect();
        assert!((largest_eigenvalue(apply, &start, n) - e.values[n - 1]).abs() < 1e-10);
    }
}

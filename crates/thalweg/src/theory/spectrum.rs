//! What the eigenvalues of a kernel say: its range, its condition, its rank.

use serde::Serialize;

use crate::linalg::eigen;

/// The spectrum of a symmetric matrix without negative eigenvalues, as Θ and K are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spectrum {
    /// Eigenvalues, increasing `[N]`.
    pub eigenvalues: Vec<f64>,
    /// λmin.
    pub smallest: f64,
    /// λmax.
    pub largest: f64,
    /// κ = λmax/λmin; infinite if λmin is 0 to round-off.
    pub condition: f64,
    /// Eigenvalues above round-off.
    pub rank: usize,
}

impl Spectrum {
    /// Of the symmetric `matrix` [N, N], row-major; without rows its range is not a number.
    ///
    /// # Panics
    ///
    /// If `matrix` has not `rows`² entries.
    pub fn of(matrix: &[f64], rows: usize) -> Spectrum {
        let eigenvalues = eigen(matrix, rows).values;
        let smallest = eigenvalues.first().copied().unwrap_or(f64::NAN);
        let largest = eigenvalues.last().copied().unwrap_or(f64::NAN);
        let noise = round_off(&eigenvalues);
        Spectrum {
            smallest,
            largest,
            condition: if smallest > noise {
                largest / smallest
            } else {
                f64::INFINITY
            },
            rank: eigenvalues.iter().filter(|l| **l > noise).count(),
            eigenvalues,
        }
    }
}

/// N ε λmax: eigenvalues (increasing) at and below this are not known to differ from 0.
pub fn round_off(eigenvalues: &[f64]) -> f64 {
    let top = eigenvalues.last().copied().unwrap_or(0.0);
    top * eigenvalues.len() as f64 * f64::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B Bᵀ of B [n, k] with entries that repeat nowhere.
    fn gram(n: usize, k: usize) -> Vec<f64> {
        // Of the square: a sine of a sum alone has rank two.
        let entry = |i: usize, l: usize| libm::sin(((1 + i * k + l) as f64).powi(2) * 0.7);
        let pair = |i, j| (0..k).map(|l| entry(i, l) * entry(j, l)).sum();
        (0..n * n).map(|at| pair(at / n, at % n)).collect()
    }

    #[test]
    fn a_gram_matrix_has_the_rank_of_its_factor() {
        for (n, k) in [(1, 1), (6, 1), (6, 3), (6, 6), (9, 4)] {
            let s = Spectrum::of(&gram(n, k), n);
            assert_eq!(s.rank, k, "{n} by {k}");
            assert_eq!(s.condition.is_infinite(), k < n, "{n} by {k}: {s:?}");
        }
    }

    #[test]
    fn eigenvalues_add_up_to_the_trace() {
        let (n, matrix) = (7, gram(7, 7));
        let trace: f64 = (0..n).map(|i| matrix[i * n + i]).sum();
        let s = Spectrum::of(&matrix, n);
        assert!((s.eigenvalues.iter().sum::<f64>() - trace).abs() < 1e-12 * trace);
        assert!(s.eigenvalues.is_sorted());
        assert!((s.condition * s.smallest / s.largest - 1.0).abs() < 1e-12);
    }

    /// A factor multiplies eigenvalues and leaves condition and rank.
    #[test]
    fn scale_changes_neither_condition_nor_rank() {
        let matrix = gram(5, 5);
        let scaled: Vec<f64> = matrix.iter().map(|v| 1024.0 * v).collect();
        let (a, b) = (Spectrum::of(&matrix, 5), Spectrum::of(&scaled, 5));
        assert!((b.largest / a.largest - 1024.0).abs() < 1e-9);
        assert!((b.condition / a.condition - 1.0).abs() < 1e-9);
        assert_eq!(a.rank, b.rank);
    }
}

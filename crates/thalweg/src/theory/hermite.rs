//! Duals of smooth activations for many pairs at once, by their Hermite series.
//!
//! With α_k(a) = E[φ(√a z) h_k(z)], h_k the orthonormal Hermite polynomials, Mehler's formula gives
//! E[φ(u) φ(v)] = Σ α_k(a) α_k(b) ρ^k and, with β_k from φ', E[φ'(u) φ'(v)] = Σ β_k(a) β_k(b) ρ^k
//! (Daniely, Frostig & Singer 2016, arXiv:1602.05897, section 4). The coefficients cost one
//! dimension of quadrature for each *point*; each of the many *pairs* is then a short sum. Every
//! partial sum is a sum of Schur products of positive semi-definite matrices, hence one itself.
//!
//! Σ α_k² = E φ(u)² tells how much is left out. The series is stopped when that is below round-off;
//! a pair for which it could not be, because the variance is large and |ρ| is nearly 1, or
//! because a
//! variance is beyond what a series can do, is integrated on panels instead ([`super::far`]).

use super::dual::{Dual, dual, jet, moments, nodes, spacing};
use super::far::FAR;
use crate::net::Activation;

/// Relative to E φ², this much of a series may be left out.
const REST: f64 = 1e-13;

/// What a pair may lose by a series that was cut, relative to √(E φ(u)² E φ(v)²).
const LOSS: f64 = 1e-12;

/// The most terms of a series.
const MOST: usize = 2048;

/// Terms between two looks at the rest.
const BLOCK: usize = 32;

/// The series of one function of one number.
#[derive(Debug, Clone, Default)]
struct Series {
    /// E f².
    square: f64,
    /// Coefficients.
    terms: Vec<f64>,
    /// E f² less the squares of the coefficients.
    rest: f64,
}

impl Series {
    fn done(&self) -> bool {
        self.rest <= REST * self.square
    }
}

/// φ and φ' of several normal numbers, in Hermite polynomials.
#[derive(Debug, Clone)]
pub(super) struct Expansion {
    activation: Activation,
    variances: Vec<f64>,
    values: Vec<Series>,
    slopes: Vec<Series>,
}

/// Σ x_i y_i in eight independent sums, which the processor adds at once.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (x8, y8) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = x8
        .remainder()
        .iter()
        .zip(y8.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in x8.zip(y8) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    rest + sums.iter().sum::<f64>()
}

impl Expansion {
    /// The series at each of several variances; none at all if one of them is far.
    pub(super) fn new(activation: Activation, variances: &[f64]) -> Expansion {
        let widest = variances.iter().fold(0.0f64, |m, v| m.max(*v)).sqrt();
        if !(widest * widest <= FAR) {
            let own = |v: &f64| {
                let at = moments(activation, *v);
                let alone = |square| Series {
                    square,
                    ..Series::default()
                };
                (alone(at.square), alone(at.slope_square))
            };
            let (values, slopes) = variances.iter().map(own).unzip();
            return Expansion {
                activation,
                variances: variances.to_vec(),
                values,
                slopes,
            };
        }
        // Half the nodes are enough: an even polynomial sees the even part of a function, an odd
        // one the odd part. The polynomials carry a factor e^(z²/4), so the range is wider
        // than REACH.
        let half: Vec<(f64, f64)> = nodes(spacing(widest), 12.5)
            .filter(|(z, _)| *z >= 0.0)
            // √w on each side of a product keeps everything in range.
            .map(|(z, w)| (z, if z > 0.0 { w } else { 0.5 * w }.sqrt()))
            .collect();
        let parts: Vec<[[Vec<f64>; 2]; 2]> = variances
            .iter()
            .map(|v| {
                let deviation = v.max(0.0).sqrt();
                let mut all = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
                for &(z, w) in &half {
                    let (plus, minus) = (
                        jet(activation, deviation * z),
                        jet(activation, -deviation * z),
                    );
                    for f in 0..2 {
                        all[f][0].push(w * (plus[f] + minus[f]));
                        all[f][1].push(w * (plus[f] - minus[f]));
                    }
                }
                all
            })
            .collect();
        let begin = |f: usize| -> Vec<Series> {
            let of = |p: &[[Vec<f64>; 2]; 2]| {
                let square = 0.5 * (dot(&p[f][0], &p[f][0]) + dot(&p[f][1], &p[f][1]));
                Series {
                    square,
                    terms: Vec::new(),
                    rest: square,
                }
            };
            parts.iter().map(of).collect()
        };
        let mut series = [begin(0), begin(1)];
        let mut before = vec![0.0; half.len()];
        let mut now: Vec<f64> = half.iter().map(|(_, w)| *w).collect();
        for k in 0..MOST {
            // All go on until all are done: a pair has as many terms as its shorter series. Looked
            // at between blocks only, because a symmetric function has every other term
            // 0.
            if k % BLOCK == 0 && series.iter().flatten().all(Series::done) {
                break;
            }
            for (f, of) in series.iter_mut().enumerate() {
                for (s, p) in of.iter_mut().zip(&parts) {
                    let term = dot(&p[f][k % 2], &now);
                    s.rest -= term * term;
                    s.terms.push(term);
                }
            }
            // √(k+1) h_{k+1} = z h_k − √k h_{k−1}.
            let (up, down) = (1.0 / ((k + 1) as f64).sqrt(), (k as f64).sqrt());
            for ((&(z, _), old), new) in half.iter().zip(&mut before).zip(&mut now) {
                let next = up * (z * *new - down * *old);
                *old = *new;
                *new = next;
            }
        }
        // Below 0 it is round-off.
        let floor = |s: &mut Series| s.rest = s.rest.max(f64::EPSILON * s.square);
        series.iter_mut().flatten().for_each(floor);
        let [values, slopes] = series;
        Expansion {
            activation,
            variances: variances.to_vec(),
            values,
            slopes,
        }
    }

    /// The dual of the number `i` with itself.
    pub(super) fn own(&self, i: usize) -> Dual {
        Dual {
            value: self.values[i].square,
            slope: self.slopes[i].square,
        }
    }

    /// The dual of the numbers `i` and `j` at covariance `c`.
    pub(super) fn pair(&self, i: usize, j: usize, c: f64) -> Dual {
        let scale = (self.variances[i] * self.variances[j]).sqrt();
        let rho = if scale > 0.0 {
            (c / scale).clamp(-1.0, 1.0)
        } else {
            0.0
        };
        let sum = |s: &[Series]| {
            let (x, y) = (&s[i], &s[j]);
            if x.terms.is_empty() {
                return None;
            }
            let left_out = (x.rest * y.rest).sqrt() * libm::pow(rho.abs(), x.terms.len() as f64);
            let enough = left_out <= LOSS * (x.square * y.square).sqrt();
            enough.then(|| {
                // Horner from the smallest term.
                let terms = x.terms.iter().zip(&y.terms).rev();
                terms.fold(0.0, |sum, (x, y)| sum * rho + x * y)
            })
        };
        match (sum(&self.values), sum(&self.slopes)) {
            (Some(value), Some(slope)) => Dual { value, slope },
            _ => dual(
                self.activation,
                self.variances[i],
                self.variances[j],
                rho * scale,
            ),
        }
    }
}

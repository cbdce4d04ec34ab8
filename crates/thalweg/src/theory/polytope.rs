//! Means over a cube of products of two functions with a kink, exactly.
//!
//! φ(z) φ(z') with z, z' linear in t ∈ [−1, 1]^D and φ linear but for a kink at 0 is a
//! polynomial on
//! each side of the planes z = 0 and z' = 0. Integrated over one coordinate between these
//! planes and
//! the walls it is, in the others, a polynomial between the planes on which two of those limits
//! meet; and so on. On every piece a Gauss rule of two or three nodes is exact.

use super::dual::Dual;
use super::legendre::legendre;

/// Most coordinates.
const MOST: usize = 3;

/// c₀ t₀ + c₁ t₁ + c₂ t₂ + c₃, whose zeros are a plane.
type Plane = [f64; MOST + 1];

/// A pair of preactivations Σ m_k t_k and Σ m'_k t_k of uniform t.
pub(super) struct PiecePair {
    alpha: f64,
    forms: [Plane; 2],
    /// E φ(z)² and E φ(z')².
    squares: (f64, f64),
    dims: usize,
    /// Where the integrand over the coordinates up to this one has kinks in it.
    planes: [Vec<Plane>; MOST],
    /// Nodes in (0, 1) and weights that add up to 1, exact to degree 5.
    rule: Vec<(f64, f64)>,
}

impl PiecePair {
    /// `factors` are m and m', `squares` E φ(z)² and E φ(z')², both positive.
    pub(super) fn new(alpha: f64, m: &[f64], other: &[f64], squares: (f64, f64)) -> PiecePair {
        let dims = m.len().clamp(1, MOST);
        let form = |m: &[f64]| {
            let mut plane = [0.0; MOST + 1];
            plane[..m.len()].copy_from_slice(m);
            plane
        };
        let forms = [form(m), form(other)];
        let mut planes: [Vec<Plane>; MOST] = Default::default();
        planes[dims - 1] = forms.to_vec();
        for last in (1..dims).rev() {
            planes[last - 1] = without(&planes[last], last);
        }
        PiecePair {
            alpha,
            forms,
            squares,
            dims,
            planes,
            rule: (legendre(3).into_iter())
                .map(|(x, w)| (0.5 + 0.5 * x, 0.5 * w))
                .collect(),
        }
    }

    /// The dual, and the angle between φ(z) and φ(z') as functions.
    pub(super) fn integrate(&self) -> (Dual, f64) {
        let mut sums = [0.0; 4];
        self.over(0, &mut [0.0; MOST], 1.0, &mut sums);
        let dual = Dual {
            value: sums[0],
            slope: sums[1],
        };
        (dual, 2.0 * libm::atan2(sums[2].sqrt(), sums[3].sqrt()))
    }

    /// Adds the integral over coordinate `k` and those after it, at those before it.
    fn over(&self, k: usize, t: &mut [f64; MOST], weight: f64, sums: &mut [f64; 4]) {
        let mut cuts = vec![-1.0, 1.0];
        for plane in &self.planes[k] {
            let rest: f64 = plane[MOST] + (0..k).map(|l| plane[l] * t[l]).sum::<f64>();
            let at = -rest / plane[k];
            if at > -1.0 && at < 1.0 {
                cuts.push(at);
            }
        }
        cuts.sort_by(f64::total_cmp);
        for piece in cuts.windows(2) {
            let length = piece[1] - piece[0];
            if !(length > 0.0) {
                continue;
            }
            for (x, w) in &self.rule {
                t[k] = piece[0] + length * x;
                // The density of a uniform number on ±1 is one half.
                let weight = 0.5 * weight * length * w;
                if k + 1 < self.dims {
                    self.over(k + 1, t, weight, sums);
                } else {
                    self.add(t, weight, sums);
                }
            }
        }
    }

    fn add(&self, t: &[f64; MOST], weight: f64, sums: &mut [f64; 4]) {
        let of = |form: &Plane| -> (f64, f64) {
            let z: f64 = form.iter().zip(t).map(|(m, t)| m * t).sum();
            if z > 0.0 {
                (z, 1.0)
            } else {
                (self.alpha * z, self.alpha)
            }
        };
        let [(f, slope), (g, other)] = [of(&self.forms[0]), of(&self.forms[1])];
        sums[0] += weight * f * g;
        sums[1] += weight * slope * other;
        let (f, g) = (f / self.squares.0.sqrt(), g / self.squares.1.sqrt());
        sums[2] += weight * (f - g) * (f - g);
        sums[3] += weight * (f + g) * (f + g);
    }
}

/// The planes on which two limits of coordinate `last` meet, among `planes` and the walls ±1, and
/// those planes that do not contain it.
fn without(planes: &[Plane], last: usize) -> Vec<Plane> {
    let mut all: Vec<Plane> = Vec::new();
    for (at, p) in planes.iter().enumerate() {
        if p[last].abs() <= 0.0 {
            all.push(*p);
            continue;
        }
        for wall in [-1.0, 1.0] {
            let mut met = *p;
            met[last] = 0.0;
            met[MOST] += wall * p[last];
            all.push(met);
        }
        for q in &planes[at + 1..] {
            if q[last].abs() > 0.0 {
                let mut met: Plane = std::array::from_fn(|l| p[l] * q[last] - q[l] * p[last]);
                met[last] = 0.0;
                all.push(met);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(alpha: f64, m: &[f64], other: &[f64]) -> (Dual, f64) {
        let half = 0.5 * (1.0 + alpha * alpha);
        let square = |m: &[f64]| half * m.iter().map(|m| m * m / 3.0).sum::<f64>();
        PiecePair::new(alpha, m, other, (square(m), square(other))).integrate()
    }

    /// One coordinate: u and v have the same sign, or never. Two axes: independent numbers.
    #[test]
    fn simple_pairs_have_their_means() {
        for alpha in [0.0, 0.01, -1.0] {
            let half = 0.5 * (1.0 + alpha * alpha);
            let (dual, angle) = pair(alpha, &[2.0], &[3.0]);
            assert!((dual.value - half * 2.0).abs() < 1e-14, "{dual:?}");
            assert!((dual.slope - half).abs() < 1e-15 && angle < 1e-15);
            let (dual, _) = pair(alpha, &[2.0], &[-3.0]);
            assert!((dual.value + alpha * 2.0).abs() < 1e-14);
            let (dual, _) = pair(alpha, &[2.0, 0.0], &[0.0, 3.0]);
            // E φ = (1 − α)/4 of the largest, E φ' = (1 + α)/2.
            let value = 2.0 * 3.0 * (0.25 * (1.0 - alpha)).powi(2);
            assert!((dual.value - value).abs() < 1e-14, "{dual:?}");
            assert!((dual.slope - 0.25 * (1.0 + alpha).powi(2)).abs() < 1e-15);
        }
    }

    /// K' of u = w + b and v = w (1 + δ) + b is half the cube but for a sliver of width δ, and its
    /// digits are there: P(sign u ≠ sign v) = δ/4 for small δ.
    #[test]
    fn slivers_keep_their_digits() {
        for delta in [1e-3, 1e-6, 1e-9] {
            let (dual, angle) = pair(0.0, &[1.0, 1.0], &[1.0 + delta, 1.0]);
            let sliver = (0.5 - dual.slope) / delta;
            assert!((sliver - 0.125).abs() < delta + 1e-15 / delta, "{sliver}");
            // The angle is of first order too.
            assert!(angle > 0.1 * delta && angle < delta, "{angle} at {delta}");
        }
    }

    /// Against the midpoint rule on a million cells.
    #[test]
    fn cubes_agree_with_sums_over_cells() {
        let (m, other) = ([0.7, -0.4, 0.5], [0.2, 0.9, 0.5]);
        for alpha in [0.0, -1.0] {
            let (dual, _) = pair(alpha, &m, &other);
            let n = 100;
            let at = |i: usize| (2 * i + 1) as f64 / n as f64 - 1.0;
            let (mut value, mut slope) = (0.0, 0.0);
            for cell in 0..n * n * n {
                let t = [at(cell % n), at(cell / n % n), at(cell / n / n)];
                let of = |m: &[f64; 3]| -> f64 { m.iter().zip(&t).map(|(m, t)| m * t).sum() };
                let (u, v) = (of(&m), of(&other));
                let leak = |z: f64| if z > 0.0 { z } else { alpha * z };
                let tilt = |z: f64| if z > 0.0 { 1.0 } else { alpha };
                value += leak(u) * leak(v) / 1e6;
                slope += tilt(u) * tilt(v) / 1e6;
            }
            assert!((dual.value - value).abs() < 1e-4, "{dual:?} {value}");
            assert!((dual.slope - slope).abs() < 2e-3, "{dual:?} {slope}");
        }
    }
}

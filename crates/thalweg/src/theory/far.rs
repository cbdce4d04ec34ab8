//! Duals at large variances, where an activation is nearly a step or a ramp.
//!
//! Seen from far, tanh is sign z, and its structure of width 1 falls between the nodes of any rule
//! that is spread over the normal density. Here φ = limit + rest: expectations of the limit are in
//! closed form, and the rest, which falls as e^(−|z|) or faster, is integrated where it lives, on
//! panels that double in length with the distance from 0. All means are 0, so whatever has
//! structure has it around 0, and a function whose singularities lie on the imaginary axis is
//! resolved by a fixed Gauss rule on every panel [V, 2V], however large V is.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use super::dual::{Dual, Moments, REACH, gram, jet, logistic, nodes};
use super::legendre::legendre;
use crate::net::Activation;

/// Variances from here on are far: Hermite series would need too many terms.
pub(super) const FAR: f64 = 1e4;

/// What an activation looks like from far.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// sign z.
    Sign,
    /// 1 for z > 0, else 0.
    Step,
    /// max(z, 0).
    Ramp,
}

/// The limit of a sigmoidal or ramp-like smooth activation; none for the others, which have closed
/// forms at every variance.
fn limit(activation: Activation) -> Option<Limit> {
    match activation {
        Activation::Tanh | Activation::Erf => Some(Limit::Sign),
        Activation::Sigmoid => Some(Limit::Step),
        Activation::Gelu | Activation::Silu | Activation::Softplus => Some(Limit::Ramp),
        Activation::Identity
        | Activation::Relu
        | Activation::LeakyRelu
        | Activation::Abs
        | Activation::Sin
        | Activation::Cos => None,
    }
}

/// φ − limit and φ' − limit' at z ≠ 0, without a difference of near numbers.
fn rest(activation: Activation, z: f64) -> [f64; 2] {
    let side = z.signum();
    let (up, down) = logistic(z.abs());
    match activation {
        Activation::Tanh => {
            let (up, down) = logistic(2.0 * z.abs());
            [-2.0 * side * down, 4.0 * up * down]
        }
        Activation::Sigmoid => [-side * down, up * down],
        Activation::Erf => [-side * libm::erfc(z.abs()), jet(activation, z)[1]],
        Activation::Silu => [-z.abs() * down, side * (z.abs() * up * down - down)],
        Activation::Softplus => [libm::log1p(libm::exp(-z.abs())), -side * down],
        Activation::Gelu => {
            let tail = 0.5 * libm::erfc(z.abs() * FRAC_1_SQRT_2);
            let pdf = libm::exp(-0.5 * z * z) / TAU.sqrt();
            [-z.abs() * tail, side * (z.abs() * pdf - tail)]
        }
        Activation::Identity
        | Activation::Relu
        | Activation::LeakyRelu
        | Activation::Abs
        | Activation::Sin
        | Activation::Cos => [0.0; 2],
    }
}

/// E limit(m + s z) and E limit'(m + s z) for s > 0. The slope is that beside the step: what
/// tanh' and sigmoid' are at the step is in their rest.
fn smoothed(limit: Limit, m: f64, s: f64) -> [f64; 2] {
    let t = m / s;
    let pdf = libm::exp(-0.5 * t * t) / TAU.sqrt();
    let cdf = 0.5 * libm::erfc(-t * FRAC_1_SQRT_2);
    match limit {
        Limit::Sign => [libm::erf(t * FRAC_1_SQRT_2), 0.0],
        Limit::Step => [cdf, 0.0],
        Limit::Ramp => [m * cdf + s * pdf, cdf],
    }
}

/// Nodes and weights on both sides of 0 up to `reach`, on panels [0, 1], [1, 2], [2, 4], …
fn panels(rule: &[(f64, f64)], reach: f64) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    let (mut from, mut to) = (0.0, 1.0f64.min(reach));
    loop {
        let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
        for (x, w) in rule {
            all.push((middle + half * x, half * w));
            all.push((-middle - half * x, half * w));
        }
        if to >= reach {
            return all;
        }
        (from, to) = (to, (2.0 * to).min(reach));
    }
}

/// The spacing at which the trapezoid rule resolves products of φ and of φ' at a small deviation:
/// tanh'² has poles of order four at ±iπ/2.
fn fine(deviation: f64) -> f64 {
    (0.2 / deviation).min(0.3)
}

/// Nodes and weights of E f(v), v ~ N(0, `deviation`²), for f with its structure around 0.
fn normal(rule: &[(f64, f64)], deviation: f64) -> Vec<(f64, f64)> {
    if deviation < 2.0 {
        let of = nodes(fine(deviation), REACH);
        return of.map(|(z, w)| (deviation * z, w)).collect();
    }
    let density = |(v, w): (f64, f64)| {
        let z = v / deviation;
        (v, w * libm::exp(-0.5 * z * z) / (TAU.sqrt() * deviation))
    };
    let reach = REACH * deviation;
    panels(rule, reach).into_iter().map(density).collect()
}

/// Beyond this the rest of every activation is below round-off.
const WINDOW: f64 = 40.0;

/// One activation, ready for expectations over normal numbers of any mean and deviation.
struct Smoother {
    activation: Activation,
    limit: Limit,
    /// z, and the weighted rest of φ and φ' there.
    rest: Vec<(f64, [f64; 2])>,
}

impl Smoother {
    fn new(activation: Activation, limit: Limit) -> Smoother {
        let of = |(z, w): (f64, f64)| (z, rest(activation, z).map(|r| w * r));
        Smoother {
            activation,
            limit,
            rest: panels(&legendre(16), WINDOW).into_iter().map(of).collect(),
        }
    }

    /// E φ(m + s z) and E φ'(m + s z).
    fn at(&self, m: f64, s: f64) -> [f64; 2] {
        if s <= 0.0 {
            let [value, slope, _] = jet(self.activation, m);
            return [value, slope];
        }
        if s < 3.0 {
            let mut sum = [0.0; 2];
            for (z, w) in nodes(fine(s), REACH) {
                let [value, slope, _] = jet(self.activation, m + s * z);
                sum[0] += w * value;
                sum[1] += w * slope;
            }
            return sum;
        }
        let mut sum = smoothed(self.limit, m, s);
        let scale = 1.0 / (TAU.sqrt() * s);
        for (z, rest) in &self.rest {
            let t = (z - m) / s;
            let density = scale * libm::exp(-0.5 * t * t);
            sum[0] += density * rest[0];
            sum[1] += density * rest[1];
        }
        sum
    }
}

/// The dual of an activation that has a limit, at any variances: right to about 1e-12 of
/// √(E φ(u)² E φ(v)²), and K' as much of √(E φ'(u)² E φ'(v)²) or better. `None` for the others.
///
/// The number of the larger variance, v, is integrated over; given v the other is normal with mean
/// (c/b) v, |c/b| ≤ 1, and variance a − c²/b.
pub(super) fn far(activation: Activation, a: f64, b: f64, c: f64) -> Option<Dual> {
    let smoother = Smoother::new(activation, limit(activation)?);
    let (a, b) = (a.min(b).max(0.0), a.max(b).max(0.0));
    let deviation = b.sqrt();
    let most = a.sqrt() * deviation;
    let c = c.clamp(-most, most);
    let (slope, own) = if b > 0.0 {
        (c / b, (gram(a, b, c) / b).sqrt())
    } else {
        (0.0, 0.0)
    };
    let mut dual = Dual {
        value: 0.0,
        slope: 0.0,
    };
    for (v, w) in normal(&legendre(20), deviation) {
        let [value, first, _] = jet(activation, v);
        let given = smoother.at(slope * v, own);
        dual.value += w * value * given[0];
        dual.slope += w * first * given[1];
    }
    Some(dual)
}

/// The moments of an activation that has a limit at variance `q`, as [`far`] has its duals.
pub(super) fn far_moments(activation: Activation, q: f64) -> Option<Moments> {
    limit(activation)?;
    let mut all = Moments {
        square: 0.0,
        slope_square: 0.0,
        growth: 0.0,
    };
    for (v, w) in normal(&legendre(20), q.max(0.0).sqrt()) {
        let [value, slope, bend] = jet(activation, v);
        all.square += w * value * value;
        all.slope_square += w * slope * slope;
        all.growth += w * (slope * slope + value * bend);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::super::dual::{closed, quadrature};
    use super::*;

    const LIMITED: [Activation; 6] = [
        Activation::Tanh,
        Activation::Erf,
        Activation::Sigmoid,
        Activation::Gelu,
        Activation::Silu,
        Activation::Softplus,
    ];

    fn close(a: f64, b: f64, scale: f64, tolerance: f64, what: &str) {
        assert!((a - b).abs() <= tolerance * scale, "{what}: {a} is not {b}");
    }

    /// φ is its limit and the rest, on both sides; far out the rest is nothing.
    #[test]
    fn limit_and_rest_add_up_to_the_activation() {
        for activation in LIMITED {
            let of = limit(activation).expect("it has one");
            for i in -60..=60 {
                let z = 0.5 * f64::from(i) + 0.1;
                let [value, slope, _] = jet(activation, z);
                let ends = match of {
                    Limit::Sign => [z.signum(), 0.0],
                    Limit::Step => [f64::from(u8::from(z > 0.0)), 0.0],
                    Limit::Ramp => [z.max(0.0), f64::from(u8::from(z > 0.0))],
                };
                let more = rest(activation, z);
                let what = format!("{activation:?} at {z}");
                close(ends[0] + more[0], value, 1.0 + z.abs(), 1e-15, &what);
                close(ends[1] + more[1], slope, 1.0, 1e-15, &what);
            }
            assert!(rest(activation, WINDOW)[0].abs() < 1e-15);
        }
    }

    /// At every variance that the two-dimensional trapezoid rule resolves, and at every
    /// correlation, panels and trapezoids agree.
    #[test]
    fn panels_agree_with_the_trapezoid_rule_at_moderate_variances() {
        for activation in LIMITED {
            for (a, b) in [
                (0.3, 0.3),
                (1.0, 7.0),
                (30.0, 2.0),
                (60.0, 60.0),
                (0.0, 5.0),
            ] {
                for rho in [-1.0, -0.7, 0.0, 0.4, 0.95, 1.0 - 1e-6, 1.0] {
                    let c: f64 = rho * f64::sqrt(a * b);
                    let new = far(activation, a, b, c).expect("it has a limit");
                    let old = quadrature(activation, a, b, c);
                    let what = format!("{activation:?} {a} {b} {rho}");
                    close(new.value, old.value, 1.0 + c.abs(), 2e-12, &what);
                    close(new.slope, old.slope, 1.0, 2e-12, &what);
                }
            }
        }
    }

    /// erf and GELU have closed forms at every variance.
    #[test]
    fn panels_agree_with_closed_forms_at_any_variance() {
        for activation in [Activation::Erf, Activation::Gelu] {
            for a in [1e4, 7.6e5, 5e11, 1e15] {
                for b in [0.5, 1e3, a] {
                    for rho in [-0.9, 0.0, 0.3, 0.99] {
                        let c = rho * f64::sqrt(a * b);
                        let new = far(activation, a, b, c).expect("it has a limit");
                        let exact = closed(activation, a, b, c);
                        let scale = 1.0 + closed(activation, a, a, a).value;
                        let what = format!("{activation:?} {a} {b} {rho}");
                        close(new.value, exact.value, scale, 1e-12, &what);
                        let scale = closed(activation, a, b, 0.0).slope.max(exact.slope);
                        close(new.slope, exact.slope, scale, 1e-11, &what);
                    }
                }
            }
        }
    }

    /// tanh of variance 7.6e5 was a third off, of 5e11 a thousand times: E tanh'² = (4/3)/√(2π q)
    /// to first order in 1/q (∫ sech⁴ = 4/3), sigmoid's is (1/6)/√(2π q), and the value goes to
    /// that of the sign, 2/π arc sin ρ, as 1/√q.
    #[test]
    fn a_saturated_tanh_is_a_sign() {
        for q in [1e6, 1e9, 5e11, 1e14] {
            let root = (TAU * q).sqrt();
            let of = |activation| far_moments(activation, q).expect("it has a limit");
            let tanh = of(Activation::Tanh).slope_square * root;
            close(tanh, 4.0 / 3.0, 1.0, 2.0 / q, "tanh'");
            let sigmoid = of(Activation::Sigmoid).slope_square * root;
            close(sigmoid, 1.0 / 6.0, 1.0, 2.0 / q, "sigmoid'");
            close(of(Activation::Tanh).square, 1.0, 1.0, 2.0 / root, "tanh²");
            for rho in [-0.5, 0.0, 0.2, 0.9] {
                let dual = far(Activation::Tanh, q, q, rho * q).expect("it has a limit");
                let sign = 2.0 / PI * libm::asin(rho);
                close(dual.value, sign, 1.0, 4.0 / root, "value");
                // E tanh'(u) tanh'(v) → 4 p(0, 0).
                let density = 1.0 / (TAU * q * (1.0 - rho * rho).sqrt());
                close(dual.slope / (4.0 * density), 1.0, 1.0, 60.0 / q, "slope");
            }
        }
    }

    /// A pair so nearly collinear that what tells its numbers apart is of the activation's own
    /// width: K' of u and u + s z falls from E φ'² as s grows past 1.
    #[test]
    fn near_collinear_pairs_are_resolved_too() {
        let q: f64 = 1e8;
        let alone = far_moments(Activation::Tanh, q)
            .expect("a limit")
            .slope_square;
        for s in [1e-3f64, 0.1, 1.0, 10.0] {
            // a = b = q with E (u − v)² = s².
            let c = q - 0.5 * s * s;
            let dual = far(Activation::Tanh, q, q, c).expect("it has a limit");
            // E φ'(u) φ'(u + d), d ~ N(0, s²): the density of u is flat over the width of sech².
            let overlap = |d: f64| -> f64 {
                let (h, range) = (0.01, 6000);
                (-range..=range)
                    .map(|i| h * f64::from(i))
                    .map(|u| h * jet(Activation::Tanh, u)[1] * jet(Activation::Tanh, u + d)[1])
                    .sum()
            };
            let expected: f64 = nodes(0.25 / s.max(1.0), 7.0)
                .map(|(z, w)| w * overlap(s * z))
                .sum();
            let ratio = dual.slope / alone;
            // c itself is known to 1e-8 of s² = 1e-6 … 1e2 only.
            let slack = 1e-6 + 3e-8 / (s * s).max(1e-3);
            close(
                ratio,
                expected / (4.0 / 3.0),
                1.0,
                slack,
                &format!("s = {s}"),
            );
        }
    }
}

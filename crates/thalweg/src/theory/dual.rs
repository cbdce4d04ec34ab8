//! Dual activations: what an activation does to the covariance of a pair of jointly normal numbers.
//!
//! For (u, v) ~ N(0, [[a, c], [c, b]]) the dual activation is K = E[φ(u) φ(v)] and its derivative
//! K' = dK/dc = E[φ'(u) φ'(v)] (Daniely, Frostig & Singer 2016, arXiv:1602.05897; the identity is
//! Price's theorem). Closed forms: the piecewise linear family by Cho & Saul 2009, erf by Williams
//! 1997, sin, cos and GELU by Gaussian integration (GELU also Tsuchida et al. 2021,
//! arXiv:2002.08517). The others are integrated by the trapezoid rule, which converges
//! double-exponentially here; Gauss-Hermite rules do not, because tanh has poles near the real
//! line.
//!
//! φ, φ' and φ'' are written out anew: this room shares no derivative with the engines.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI, TAU};

use super::far::{FAR, far, far_moments};
use crate::net::Activation;

/// How the dual of an activation is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// φ(z) = z for z > 0, α z else: determined by the angle between u and v.
    Piecewise(f64),
    /// An elementary function of a, b and c.
    Closed,
    /// By quadrature, or by its Hermite series.
    Smooth,
}

pub(super) fn kind(activation: Activation) -> Kind {
    match activation {
        Activation::Relu => Kind::Piecewise(0.0),
        Activation::LeakyRelu => Kind::Piecewise(0.01),
        Activation::Abs => Kind::Piecewise(-1.0),
        Activation::Identity
        | Activation::Erf
        | Activation::Gelu
        | Activation::Sin
        | Activation::Cos => Kind::Closed,
        Activation::Tanh | Activation::Sigmoid | Activation::Silu | Activation::Softplus => {
            Kind::Smooth
        }
    }
}

/// e^-|z|/(1 + e^-|z|) and its complement in the order (σ(z), σ(−z)): neither is a difference.
pub(super) fn logistic(z: f64) -> (f64, f64) {
    let small = libm::exp(-z.abs());
    let (less, more) = (small / (1.0 + small), 1.0 / (1.0 + small));
    if z >= 0.0 { (more, less) } else { (less, more) }
}

/// φ(z).
pub fn value(activation: Activation, z: f64) -> f64 {
    jet(activation, z)[0]
}

/// φ(z), φ'(z), φ''(z); the derivatives at a kink are 0 where the study file says so.
pub(super) fn jet(activation: Activation, z: f64) -> [f64; 3] {
    match activation {
        Activation::Identity => [z, 1.0, 0.0],
        Activation::Relu => [z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }, 0.0],
        Activation::LeakyRelu => [z.max(0.01 * z), if z > 0.0 { 1.0 } else { 0.01 }, 0.0],
        Activation::Abs => [
            z.abs(),
            f64::from(i8::from(z > 0.0) - i8::from(z < 0.0)),
            0.0,
        ],
        Activation::Tanh => {
            // tanh z = 2 σ(2z) − 1, and its slope is 4 σ(2z) σ(−2z).
            let (up, down) = logistic(2.0 * z);
            let (t, s) = (libm::tanh(z), 4.0 * up * down);
            [t, s, -2.0 * t * s]
        }
        Activation::Sigmoid => {
            let (up, down) = logistic(z);
            [up, up * down, up * down * (down - up)]
        }
        Activation::Erf => {
            let s = FRAC_2_SQRT_PI * libm::exp(-z * z);
            [libm::erf(z), s, -2.0 * z * s]
        }
        Activation::Gelu => {
            let (cdf, pdf) = (
                0.5 * libm::erfc(-z * FRAC_1_SQRT_2),
                libm::exp(-0.5 * z * z) / TAU.sqrt(),
            );
            [z * cdf, cdf + z * pdf, pdf * (2.0 - z * z)]
        }
        Activation::Silu => {
            let (up, down) = logistic(z);
            [
                z * up,
                up + z * up * down,
                up * down * (2.0 + z * (down - up)),
            ]
        }
        Activation::Softplus => {
            let (up, down) = logistic(z);
            [z.max(0.0) + libm::log1p(libm::exp(-z.abs())), up, up * down]
        }
        Activation::Sin => {
            let (s, c) = (libm::sin(z), libm::cos(z));
            [s, c, -s]
        }
        Activation::Cos => {
            let (s, c) = (libm::sin(z), libm::cos(z));
            [c, -s, -c]
        }
    }
}

/// K = E[φ(u) φ(v)] and K' = E[φ'(u) φ'(v)].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dual {
    /// E[φ(u) φ(v)].
    pub value: f64,
    /// E[φ'(u) φ'(v)] = d value/dc.
    pub slope: f64,
}

/// The dual activation at variances `a`, `b` and covariance `c` of u and v.
///
/// c beyond ±√(ab), by rounding, counts as ±√(ab). A variance of 0 means that the number is 0.
/// Right to about 1e-14 relative to √(E φ(u)² E φ(v)²), but for one thing that no function of
/// (a, b, c) can do better: K' of relu, leaky_relu and abs falls with the angle between u and v,
/// which c does not resolve below 1e-8. [`super::ntk::Wide`] follows the angle itself.
pub fn dual(activation: Activation, a: f64, b: f64, c: f64) -> Dual {
    let scale = (a * b).sqrt();
    let c = c.clamp(-scale, scale);
    match kind(activation) {
        Kind::Piecewise(alpha) => {
            let angle = libm::atan2(gram(a, b, c).sqrt(), c);
            piecewise(alpha, a, b, if scale > 0.0 { angle } else { 0.5 * PI }).0
        }
        Kind::Closed => closed(activation, a, b, c),
        Kind::Smooth => far(activation, a, b, c).unwrap_or_else(|| quadrature(activation, a, b, c)),
    }
}

/// The dual of φ(z) = z for z > 0, else α z, at an angle between u and v; and the angle between
/// φ(u) and φ(v).
///
/// With cos θ' = 1 − t the value is √(E φ(u)² E φ(v)²) (1 − t), E φ(u)² = a (1 + α²)/2. Written by
/// 1 − cos θ and sin θ − θ cos θ, nothing cancels when u and v are nearly the same.
pub(super) fn piecewise(alpha: f64, a: f64, b: f64, angle: f64) -> (Dual, f64) {
    let half = 0.5 * (1.0 + alpha * alpha);
    let bend = 0.5 * (1.0 - alpha) * (1.0 - alpha);
    if !(a > 0.0 && b > 0.0) {
        // φ'(0) is α, but for abs, where it is 0. The mean slope of a normal number is (1 + α)/2.
        let at_zero = if alpha < 0.0 { 0.0 } else { alpha };
        let mean = |v: f64| {
            if v > 0.0 {
                0.5 * (1.0 + alpha)
            } else {
                at_zero
            }
        };
        let slope = mean(a) * mean(b);
        return (Dual { value: 0.0, slope }, 0.5 * PI);
    }
    // |u| does not tell u from −u: measure from the nearer end.
    let folded = if alpha <= -1.0 {
        angle.min(PI - angle)
    } else {
        angle
    };
    let sine = libm::sin(0.5 * folded);
    let versine = 2.0 * sine * sine;
    let t = versine - bend * moon(folded) / (half * PI);
    let t = t.clamp(0.0, 2.0);
    let value = half * (a * b).sqrt() * (1.0 - t);
    let slope = alpha + bend * (PI - angle) / PI;
    let after = 2.0 * libm::asin((0.5 * t).sqrt().min(1.0));
    (Dual { value, slope }, after)
}

/// sin θ − θ cos θ for 0 ≤ θ ≤ π.
fn moon(angle: f64) -> f64 {
    if angle > 0.5 {
        return libm::sin(angle) - angle * libm::cos(angle);
    }
    // Σ_k (−1)^(k+1) 2k θ^(2k+1)/(2k+1)!
    let square = angle * angle;
    let mut power = angle;
    let mut sum = 0.0;
    for k in 1..10 {
        let k = f64::from(k);
        power *= -square / (2.0 * k * (2.0 * k + 1.0));
        sum -= 2.0 * k * power;
    }
    sum
}

/// The dual of identity, erf, gelu, sin or cos.
pub(super) fn closed(activation: Activation, a: f64, b: f64, c: f64) -> Dual {
    let (value, slope) = match activation {
        Activation::Identity => (c, 1.0),
        Activation::Erf => {
            // cos of the arc sine below, times (1 + 2a)(1 + 2b): 1 + 2a + 2b + 4 (ab − c²).
            let rest = 1.0 + 2.0 * (a + b) + 4.0 * gram(a, b, c);
            let root = rest.sqrt();
            (2.0 / PI * libm::atan2(2.0 * c, root), 4.0 / PI / root)
        }
        Activation::Gelu => {
            let product = (1.0 + a) * (1.0 + b);
            let rest = 1.0 + a + b + gram(a, b, c);
            let root = rest.sqrt();
            // P(…) = E[Φ(u) Φ(v)]; the rest by integration by parts, twice, in positive terms.
            let both = 0.25 + libm::atan2(c, root) / TAU;
            let (q, w) = (a * b * rest + c * c, 3.0 + a + b + c * c / rest);
            let value = c * both + q / (TAU * root * product);
            let slope = both + c * w / (TAU * root * product);
            (value, slope)
        }
        Activation::Sin => {
            let (sinh, cosh) = damped(a, b, c);
            (sinh, cosh)
        }
        Activation::Cos => {
            let (sinh, cosh) = damped(a, b, c);
            (cosh, sinh)
        }
        // Not closed: by their own ways.
        Activation::Relu
        | Activation::LeakyRelu
        | Activation::Abs
        | Activation::Tanh
        | Activation::Sigmoid
        | Activation::Silu
        | Activation::Softplus => return dual(activation, a, b, c),
    };
    Dual { value, slope }
}

/// a b − c², not below 0, right to the last bits (Kahan).
pub(super) fn gram(a: f64, b: f64, c: f64) -> f64 {
    let square = c * c;
    (libm::fma(a, b, -square) - libm::fma(c, c, -square)).max(0.0)
}

/// e^(−(a+b)/2) times sinh c and cosh c, without overflow.
fn damped(a: f64, b: f64, c: f64) -> (f64, f64) {
    let mean = 0.5 * (a + b);
    if c.abs() < 1.0 {
        let scale = libm::exp(-mean);
        return (scale * libm::sinh(c), scale * libm::cosh(c));
    }
    let (up, down) = (libm::exp(c - mean), libm::exp(-c - mean));
    (0.5 * (up - down), 0.5 * (up + down))
}

/// The spacing at which the trapezoid rule resolves φ(σ z) under the normal density to round-off:
/// its error is about e^(−2π·distance of the nearest pole/spacing), and tanh has poles at ±iπ/2.
pub(super) fn spacing(deviation: f64) -> f64 {
    // Below 1/500 the work would grow without bound; deviations above 100 are for `far`.
    (0.2 / deviation).clamp(0.002, 0.08)
}

/// Nodes and weights of the trapezoid rule for E f(z), z ~ N(0, 1), on ±`reach`.
pub(super) fn nodes(spacing: f64, reach: f64) -> impl Iterator<Item = (f64, f64)> + Clone {
    let half = (reach / spacing).ceil() as i64;
    (-half..=half).map(move |i| {
        let z = i as f64 * spacing;
        (z, spacing * libm::exp(-0.5 * z * z) / TAU.sqrt())
    })
}

/// Beyond ±9.5 the normal density holds 2e-21.
pub(super) const REACH: f64 = 9.5;

/// The dual of any activation by the trapezoid rule in two dimensions: for smooth ones right to
/// about 1e-13, for piecewise linear ones to the square of the spacing only.
///
/// u and v are split into what they share and what they do not, u = √a (√|ρ| s + √(1−|ρ|) z₁) and v
/// = ±√b (√|ρ| s + √(1−|ρ|) z₂), so that the integral over z₁ and z₂ factorises for each s and no
/// direction becomes narrow at ρ = ±1.
pub fn quadrature(activation: Activation, a: f64, b: f64, c: f64) -> Dual {
    let (sa, sb) = (a.max(0.0).sqrt(), b.max(0.0).sqrt());
    let rho = if sa * sb > 0.0 {
        (c / (sa * sb)).clamp(-1.0, 1.0)
    } else {
        0.0
    };
    let (shared, own) = (rho.abs().sqrt(), (1.0 - rho.abs()).sqrt());
    let widest = sa.max(sb);
    let inner: Vec<(f64, f64)> = if own > 0.0 {
        nodes(spacing(widest * own), REACH).collect()
    } else {
        vec![(0.0, 1.0)]
    };
    let smooth = |centre: f64, deviation: f64| {
        let mut sum = [0.0; 2];
        for &(z, w) in &inner {
            let [f, slope, _] = jet(activation, centre + deviation * z);
            sum[0] += w * f;
            sum[1] += w * slope;
        }
        sum
    };
    let outer: Vec<(f64, f64)> = if shared > 0.0 {
        nodes(spacing(widest * shared), REACH).collect()
    } else {
        vec![(0.0, 1.0)]
    };
    let (mut value, mut slope) = (0.0, 0.0);
    for &(s, w) in &outer {
        let left = smooth(sa * shared * s, sa * own);
        let right = smooth(sb * rho.signum() * shared * s, sb * own);
        value += w * left[0] * right[0];
        slope += w * left[1] * right[1];
    }
    Dual { value, slope }
}

/// Expectations over one normal number u ~ N(0, q).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// E φ(u)².
    pub square: f64,
    /// E φ'(u)².
    pub slope_square: f64,
    /// d E φ(u)²/dq = E[φ'(u)² + φ(u) φ''(u)].
    pub growth: f64,
}

/// Those expectations at variance `q`.
pub fn moments(activation: Activation, q: f64) -> Moments {
    let closed_form = |square: f64, slope_square: f64, growth: f64| Moments {
        square,
        slope_square,
        growth,
    };
    match kind(activation) {
        Kind::Piecewise(alpha) => {
            let half = 0.5 * (1.0 + alpha * alpha);
            closed_form(half * q, half, half)
        }
        Kind::Closed if activation == Activation::Identity => closed_form(q, 1.0, 1.0),
        Kind::Closed | Kind::Smooth if q > FAR => far_moments(activation, q).unwrap_or_else(|| {
            // Without a limit: sin and cos, whose squares have the mean 1/2 ∓ e^(−2q)/2.
            let own = closed(activation, q, q, q);
            closed_form(own.value, own.slope, 2.0 * own.slope - 1.0)
        }),
        Kind::Closed | Kind::Smooth => {
            let deviation = q.max(0.0).sqrt();
            let mut sum = [0.0; 3];
            for (z, w) in nodes(spacing(deviation), REACH) {
                let [f, slope, bend] = jet(activation, deviation * z);
                sum[0] += w * f * f;
                sum[1] += w * slope * slope;
                sum[2] += w * (slope * slope + f * bend);
            }
            closed_form(sum[0], sum[1], sum[2])
        }
    }
}

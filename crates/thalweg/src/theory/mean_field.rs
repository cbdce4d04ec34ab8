//! Mean field: where the variance and the correlation of preactivations go with depth, and how
//! fast.
//!
//! Poole et al. 2016 (arXiv:1606.05340) and Schoenholz et al. 2017 (arXiv:1611.01232): the variance
//! moves by V(q) = σw² E φ(√q z)² + σb² to q*, the correlation by R(c) = (σw² K(q*, q*, q* c) +
//! σb²)/q* to c*; χ₁ = σw² E φ'(√q* z)² = R'(1). χ₁ < 1 is order (c* = 1, gradients vanish), χ₁ > 1
//! chaos (gradients explode), χ₁ = 1 critical: signals go deepest.

use serde::Serialize;

use super::dual::{Kind, dual, kind, moments};
use super::hermite::Expansion;
use crate::net::Activation;
use crate::threads;

/// What depth does to a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// χ₁ < 1: all inputs become one, gradients vanish.
    Ordered,
    /// χ₁ = 1 to within 1e-9.
    Critical,
    /// χ₁ > 1: near inputs part, gradients explode.
    Chaotic,
    /// The variance grows without bound.
    Unbounded,
}

impl Phase {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Ordered => "ordered",
            Phase::Critical => "critical",
            Phase::Chaotic => "chaotic",
            Phase::Unbounded => "unbounded",
        }
    }
}

/// The fixed points of the maps at one (σw², σb²), and the rates at which they are reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanField {
    /// σw².
    pub weight_variance: f64,
    /// σb².
    pub bias_variance: f64,
    /// q*: where the variance goes; infinite if it grows for ever.
    pub q: f64,
    /// χ₁ at q*.
    pub chi: f64,
    /// c*: the stable correlation; NaN if q* is 0 or infinite.
    pub c: f64,
    /// ξq: layers in which |q − q*| falls by e; infinite if it does not fall exponentially.
    pub depth_q: f64,
    /// ξc: layers in which |c − c*| falls by e; infinite at criticality.
    pub depth_c: f64,
    /// The phase.
    pub phase: Phase,
}

/// −1/ln of a rate: layers per factor e. 0 for a rate of 0, infinite from 1 on.
fn depth(rate: f64) -> f64 {
    match rate.abs() {
        r if !(r < 1.0) => f64::INFINITY,
        r if r <= 0.0 => 0.0,
        r => -1.0 / libm::log(r),
    }
}

/// The mean-field theory of an activation at σw², σb², for inputs whose first preactivations have
/// variance `start` (it matters only where there are several fixed points, or none).
pub fn mean_field(activation: Activation, sw2: f64, sb2: f64, start: f64) -> MeanField {
    let q = fixed_variance(activation, sw2, sb2, start);
    let at = moments(activation, q.min(1e9));
    // Slopes tend to a limit: that of a function without scale is the same everywhere.
    let chi = sw2
        * match (straight(activation), q.is_finite()) {
            (Some(half), _) => half,
            (None, true) => at.slope_square,
            (None, false) => far_slope(activation).unwrap_or(f64::NAN),
        };
    let phase = match chi {
        _ if q.is_infinite() => Phase::Unbounded,
        chi if (chi - 1.0).abs() <= 1e-9 => Phase::Critical,
        chi if chi > 1.0 => Phase::Chaotic,
        _ => Phase::Ordered,
    };
    let (c, rate) = if q > 0.0 && q.is_finite() {
        fixed_correlation(activation, sw2, sb2, q, chi)
    } else {
        (f64::NAN, if q.is_finite() { chi } else { f64::NAN })
    };
    MeanField {
        weight_variance: sw2,
        bias_variance: sb2,
        q,
        chi,
        c,
        depth_q: if q.is_finite() {
            depth(sw2 * at.growth)
        } else {
            f64::INFINITY
        },
        depth_c: if rate.is_nan() { f64::NAN } else { depth(rate) },
        phase,
    }
}

/// E φ(u)²/q of a positively homogeneous activation, for which V is a straight line.
fn straight(activation: Activation) -> Option<f64> {
    match kind(activation) {
        Kind::Piecewise(alpha) => Some(0.5 * (1.0 + alpha * alpha)),
        Kind::Closed if activation == Activation::Identity => Some(1.0),
        Kind::Closed | Kind::Smooth => None,
    }
}

/// E φ'(u)² as the variance grows: half for functions that end as max(z, 0).
fn far_slope(activation: Activation) -> Option<f64> {
    match activation {
        Activation::Gelu | Activation::Silu | Activation::Softplus => Some(0.5),
        Activation::Identity
        | Activation::Relu
        | Activation::LeakyRelu
        | Activation::Abs
        | Activation::Tanh
        | Activation::Sigmoid
        | Activation::Erf
        | Activation::Sin
        | Activation::Cos => None,
    }
}

/// q*: the limit of q ← V(q) from `start`, infinite beyond 1e9.
fn fixed_variance(activation: Activation, sw2: f64, sb2: f64, start: f64) -> f64 {
    const FAR: f64 = 1e9;
    if let Some(half) = straight(activation) {
        let slope = sw2 * half;
        return if (slope - 1.0).abs() <= 1e-12 {
            if sb2 > 0.0 { f64::INFINITY } else { start }
        } else if slope > 1.0 {
            if sb2 > 0.0 || start > 0.0 {
                f64::INFINITY
            } else {
                0.0
            }
        } else {
            sb2 / (1.0 - slope)
        };
    }
    let mut q = start.max(0.0);
    let mut reach = f64::INFINITY;
    for _ in 0..4000 {
        let at = moments(activation, q);
        let gap = sw2 * at.square + sb2 - q;
        if gap.abs() <= 1e-15 * (1e-6 + q) {
            break;
        }
        if q > FAR {
            return f64::INFINITY;
        }
        // V itself is a safe step. Newton's is taken if it goes the same way, not much further than
        // the last one, and does not pass the fixed point.
        let slope = 1.0 - sw2 * at.growth;
        let mut by = gap;
        if slope > 0.0 {
            let newton = (gap / slope).clamp(-0.9 * q, 3.0 * q + 1.0);
            let newton = newton.signum() * newton.abs().min(2.0 * reach);
            if newton.abs() > gap.abs() {
                let there = sw2 * moments(activation, q + newton).square + sb2 - (q + newton);
                if there * gap >= 0.0 {
                    by = newton;
                }
            } else {
                // The map overshoots (V falls) or nearly so; Newton's shorter step does not.
                by = newton;
            }
        } else if gap > 0.0 && q > 1.0 {
            // Growing faster and faster.
            by = gap.max(0.5 * q);
        }
        reach = if reach.is_finite() {
            by.abs().max(0.5 * reach)
        } else {
            by.abs()
        };
        if q + by <= 1e-14 && sb2 <= 0.0 && by < 0.0 && moments(activation, 0.0).square <= 0.0 {
            return 0.0;
        }
        q = (q + by).max(0.0);
    }
    q
}

/// c* and R'(c*). R is a power series with coefficients that are not negative, so it is convex on
/// [0, 1] with R(1) = 1: for χ₁ ≤ 1 it meets the diagonal at 1 alone, for χ₁ > 1 once below 1, and
/// there it is stable.
fn fixed_correlation(activation: Activation, sw2: f64, sb2: f64, q: f64, chi: f64) -> (f64, f64) {
    if chi <= 1.0 + 1e-9 {
        return (1.0, chi);
    }
    let expansion = (kind(activation) == Kind::Smooth).then(|| Expansion::new(activation, &[q]));
    let at = |c: f64| {
        let d = match &expansion {
            Some(e) => e.pair(0, 0, q * c),
            None => dual(activation, q, q, q * c),
        };
        ((sw2 * d.value + sb2) / q, sw2 * d.slope)
    };
    // Newton from the left on a convex function that falls: it comes nearer from below,
    // monotonically.
    let mut c = 0.0;
    for _ in 0..200 {
        let (value, slope) = at(c);
        let (gap, down) = (value - c, 1.0 - slope);
        if gap <= 1e-16 || !(down > 0.0) {
            break;
        }
        let by = gap / down;
        c = (c + by).min(1.0);
        if by <= 1e-16 {
            break;
        }
    }
    (c, at(c).1)
}

/// A point of the critical line χ₁ = 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Critical {
    /// σw² = 1/E φ'(√q z)².
    pub weight_variance: f64,
    /// σb² = q − σw² E φ(√q z)².
    pub bias_variance: f64,
    /// q*; NaN where every variance is a fixed point (homogeneous activations).
    pub q: f64,
}

/// The point of the critical line whose fixed variance is `q` (Hayou, Doucet & Rousseau 2019,
/// arXiv:1902.06853); none if it needs a negative σb².
pub fn critical_at(activation: Activation, q: f64) -> Option<Critical> {
    if let Some(half) = straight(activation) {
        return Some(Critical {
            weight_variance: 1.0 / half,
            bias_variance: 0.0,
            q: f64::NAN,
        });
    }
    let m = moments(activation, q);
    let weight_variance = 1.0 / m.slope_square;
    let bias_variance = q - weight_variance * m.square;
    // At q = 0 the difference is round-off.
    (bias_variance >= 0.0 && weight_variance.is_finite()).then_some(Critical {
        weight_variance,
        bias_variance,
        q,
    })
}

/// All points of the critical line with this σb², in increasing q*; looked for between 1e-9 and
/// 1e4.
pub fn critical(activation: Activation, sb2: f64) -> Vec<Critical> {
    if straight(activation).is_some() {
        let point = critical_at(activation, 1.0).filter(|_| sb2 <= 0.0);
        return point.into_iter().collect();
    }
    let bias = |q: f64| {
        let m = moments(activation, q);
        q - m.square / m.slope_square - sb2
    };
    let mut all = Vec::new();
    let zero = moments(activation, 0.0);
    if sb2 <= 0.0 && zero.square <= 0.0 && zero.slope_square > 0.0 {
        // φ(0) = 0: the line begins on the axis, where the signal is lost.
        all.push(Critical {
            weight_variance: 1.0 / zero.slope_square,
            bias_variance: 0.0,
            q: 0.0,
        });
        if matches!(
            activation,
            Activation::Tanh | Activation::Erf | Activation::Sin
        ) {
            // Odd: σb² only grows from there.
            return all;
        }
    }
    let grid: Vec<f64> = (0..=260)
        .map(|i| libm::pow(10.0, -9.0 + f64::from(i) / 20.0))
        .collect();
    let mut left = (grid[0], bias(grid[0]));
    for &q in &grid[1..] {
        let right = (q, bias(q));
        if left.1 * right.1 < 0.0 {
            let (mut low, mut high) = (left, right);
            for _ in 0..200 {
                let middle = 0.5 * (low.0 + high.0);
                if middle <= low.0 || middle >= high.0 {
                    break;
                }
                let there = (middle, bias(middle));
                if there.1 * low.1 > 0.0 {
                    low = there;
                } else {
                    high = there;
                }
            }
            all.push(Critical {
                weight_variance: 1.0 / moments(activation, high.0).slope_square,
                bias_variance: sb2,
                q: high.0,
            });
        }
        left = right;
    }
    all
}

/// [`mean_field`] on a grid, σb² in the outer order: the order/chaos map, computed on so many
/// threads.
pub fn map(
    activation: Activation,
    sw2: &[f64],
    sb2: &[f64],
    start: f64,
    threads: usize,
) -> Vec<MeanField> {
    let row = |b: usize| -> Vec<MeanField> {
        let of = |w: &f64| mean_field(activation, *w, sb2[b], start);
        sw2.iter().map(of).collect()
    };
    let rows = threads::map(threads, sb2.len(), row);
    rows.into_iter().flatten().collect()
}

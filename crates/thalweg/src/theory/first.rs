//! The first hidden layer of an infinitely wide network, by the law of its own weights.
//!
//! A preactivation of the first layer is z = Σ W_j x_j + b with as many terms as there are inputs,
//! not as there are units: however wide the network, it is normal only if W and b are, or if the
//! inputs are many. Behind it the next layer sums over units, and is normal by the central limit
//! theorem. So K = E[φ(z) φ(z')] and K' = E[φ'(z) φ'(z')] of the first layer are expectations over
//! the law from which `init` draws, and everything above takes them as it takes the Gaussian ones.
//!
//! With z = Σ m_k t_k over D coordinates t_k (the inputs that are not all 0, and the bias), each
//! uniform on ±1 or standard normal:
//!
//! | activation | how |
//! |---|---|
//! | identity, or all normal | the Gaussian kernel: the covariance says all |
//! | sin, cos | the characteristic function, Π sin δ_k/δ_k or e^(−δ_k²/2), any D |
//! | relu, leaky_relu, abs; D ≤ 3, all uniform | polynomials on polytopes, piece by piece |
//! | tanh, sigmoid, erf, gelu, silu, softplus; D ≤ 3 | a product of Gauss and trapezoid rules |
//! | everything else | a lattice of points with random shifts, its error measured |
//!
//! A sum of many uniform numbers is nearly normal: where no preactivation has an excess kurtosis
//! beyond [`NEARLY`], it is taken for normal, and the excess is said.

use serde::Serialize;

use super::dual::{Dual, Kind, kind, piecewise};
use super::features::{Coordinate, POINTS, SHIFTS, Sums, lattices, product, rules};
use super::polytope::PiecePair;
use crate::net::Activation;

/// The law of a number whose mean is 0, its variance apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Normal.
    Normal,
    /// Uniform on an interval around 0.
    Uniform,
    /// The first coordinates of a unit vector in so many dimensions, uniform on the sphere: a row
    /// of a random matrix with orthonormal rows or columns, whose longer side this is. Normal as it
    /// grows; the excess kurtosis is −6/(m + 2), of the order of what infinite width leaves out
    /// everywhere.
    Sphere(usize),
}

/// The laws of the first layer's weights and biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Laws {
    /// Of a weight.
    pub weights: Law,
    /// Of a bias.
    pub biases: Law,
}

impl Laws {
    /// Of the network of Jacot, Gabriel & Hongler.
    pub const NORMAL: Laws = Laws {
        weights: Law::Normal,
        biases: Law::Normal,
    };
}

/// How the kernel of the first hidden layer came about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstLayer {
    /// Preactivations are normal, or the kernel depends on their covariance alone.
    Normal,
    /// They are not, and the kernel is that of their own law, to round-off.
    Exact,
    /// They are not, and the kernel is that of their own law, by points with random shifts.
    Sampled {
        /// The standard error of K and K', the larger, relative to their Frobenius norms.
        error: f64,
    },
    /// They are taken for normal.
    NearlyNormal {
        /// The excess kurtosis that is farthest from that of a normal number, which is 0.
        excess: f64,
    },
}

impl FirstLayer {
    /// The one of two that is farther from the kernel of its own law.
    pub fn worse(self, other: FirstLayer) -> FirstLayer {
        let off = |one: FirstLayer| match one {
            FirstLayer::Normal => (0, 0.0),
            FirstLayer::Exact => (1, 0.0),
            FirstLayer::Sampled { error } => (2, error),
            FirstLayer::NearlyNormal { excess } => (3, excess.abs()),
        };
        if off(other) > off(self) { other } else { self }
    }
}

/// Excess kurtoses nearer to 0 than this are taken for 0: K then differs by about a thousandth,
/// which is no more than a lattice would be off.
pub const NEARLY: f64 = 0.02;

/// Multiplications beyond which a kernel is not integrated over its own law: minutes.
const MOST_WORK: f64 = 4e10;

/// What a hidden layer does.
#[derive(Debug, Clone, Default)]
pub(super) struct Hidden {
    /// E φ(z)² of each point.
    pub(super) own: Vec<f64>,
    /// Of each pair.
    pub(super) duals: Vec<Dual>,
    /// The angle between φ(z) and φ(z') of each pair; only for piecewise linear activations.
    pub(super) angles: Vec<f64>,
}

/// The first layer of `activation` at `points`, for each of `pairs`; none where the Gaussian kernel
/// is meant to be used. The variances are those of an effective weight and bias.
pub(super) fn first_layer(
    activation: Activation,
    laws: Laws,
    (weight_variance, bias_variance): (f64, f64),
    points: &[&[f64]],
    pairs: &[(usize, usize)],
) -> (FirstLayer, Option<Hidden>) {
    let all = coordinates(laws, (weight_variance, bias_variance), points);
    let excess = excess(laws, (weight_variance, bias_variance), points);
    if activation == Activation::Identity || excess.abs() <= 0.0 {
        return (FirstLayer::Normal, None);
    }
    let finite = all.iter().all(|c| c.largest().is_finite());
    let spherical = matches!(laws.weights, Law::Sphere(_));
    let turned = spherical && bias_variance <= 0.0;
    let bent = matches!(kind(activation), Kind::Piecewise(_));
    if bent && turned {
        // Homogeneous: the length of a row enters by its square, and its direction is uniform.
        return (FirstLayer::Normal, None);
    }
    let nearly = (FirstLayer::NearlyNormal { excess }, None);
    if spherical || excess.abs() < NEARLY || !finite {
        return nearly;
    }
    let work = |nodes: f64| nodes * pairs.len() as f64 <= MOST_WORK;
    match (activation, kind(activation)) {
        (Activation::Sin | Activation::Cos, _) => {
            let even = activation == Activation::Cos;
            (FirstLayer::Exact, Some(waves(even, &all, points, pairs)))
        }
        (_, Kind::Piecewise(alpha)) if all.len() <= 3 && all.iter().all(|c| c.uniform) => {
            if !work(5e3) {
                return nearly;
            }
            (FirstLayer::Exact, Some(pieces(alpha, &all, points, pairs)))
        }
        (_, Kind::Closed | Kind::Smooth | Kind::Piecewise(_)) => {
            if let (false, Some(rules)) = (bent, rules(activation, &all)) {
                let nodes = rules.iter().map(|r| r.len() as f64).product();
                if work(nodes) {
                    let hidden = Sums::of(activation, &all, pairs, &[product(&rules)]).1;
                    return (FirstLayer::Exact, Some(hidden));
                }
            }
            if !work((SHIFTS as u64 * POINTS) as f64) {
                return nearly;
            }
            let (error, hidden) = Sums::of(activation, &all, pairs, &lattices(&all));
            (FirstLayer::Sampled { error }, Some(hidden))
        }
    }
}

/// The coordinates of which some point has a share.
fn coordinates(laws: Laws, (weight, bias): (f64, f64), points: &[&[f64]]) -> Vec<Coordinate> {
    let dim = points.first().map_or(0, |p| p.len());
    let scaled = |law: Law, variance: f64| match law {
        Law::Uniform => (true, (3.0 * variance).sqrt()),
        Law::Normal | Law::Sphere(_) => (false, variance.sqrt()),
    };
    let (uniform, scale) = scaled(laws.weights, weight);
    let of_input = |j: usize| Coordinate {
        uniform,
        factors: points.iter().map(|x| scale * x[j]).collect(),
    };
    let mut all: Vec<Coordinate> = (0..dim).map(of_input).collect();
    let (uniform, scale) = scaled(laws.biases, bias);
    all.push(Coordinate {
        uniform,
        factors: vec![scale; points.len()],
    });
    all.retain(|c| !(c.largest() <= 0.0));
    all
}

/// The excess kurtosis of a preactivation that is farthest from 0. Fourth cumulants add up: −6/5 of
/// the square of its variance for a uniform number; −6/(m + 2) of that of all of them for the
/// coordinates of a unit vector.
fn excess(laws: Laws, (weight, bias): (f64, f64), points: &[&[f64]]) -> f64 {
    let one = |law: Law| match law {
        Law::Normal => (0.0, 0.0),
        Law::Uniform => (-1.2, 0.0),
        Law::Sphere(of) => (0.0, -6.0 / (of as f64 + 2.0)),
    };
    let (each, together) = one(laws.weights);
    let of = |x: &&[f64]| {
        let terms = x.iter().map(|x| weight * x * x);
        let (sum, squares) = terms.fold((0.0, 0.0), |(s, q), t| (s + t, q + t * t));
        let variance = sum + bias;
        let cumulant = each * squares + together * sum * sum + one(laws.biases).0 * bias * bias;
        if variance > 0.0 {
            cumulant / (variance * variance)
        } else {
            0.0
        }
    };
    points.iter().map(of).fold(0.0, f64::min)
}

/// sin or cos: E cos of the difference and of the sum of two preactivations.
fn waves(even: bool, all: &[Coordinate], points: &[&[f64]], pairs: &[(usize, usize)]) -> Hidden {
    let mean = |i: usize, j: usize, sign: f64| -> f64 {
        let of = |c: &Coordinate| {
            let delta = c.factors[i] + sign * c.factors[j];
            if !c.uniform {
                libm::exp(-0.5 * delta * delta)
            } else if delta.abs() < 1e-4 {
                1.0 - delta * delta / 6.0
            } else {
                libm::sin(delta) / delta
            }
        };
        all.iter().map(of).product()
    };
    let dual = |i: usize, j: usize| {
        let (apart, together) = (mean(i, j, -1.0), mean(i, j, 1.0));
        let (sines, cosines) = (0.5 * (apart - together), 0.5 * (apart + together));
        let (value, slope) = if even {
            (cosines, sines)
        } else {
            (sines, cosines)
        };
        Dual { value, slope }
    };
    Hidden {
        own: (0..points.len()).map(|i| dual(i, i).value).collect(),
        duals: pairs.iter().map(|&(i, j)| dual(i, j)).collect(),
        angles: Vec::new(),
    }
}

/// A piecewise linear activation of up to three uniform numbers.
fn pieces(alpha: f64, all: &[Coordinate], points: &[&[f64]], pairs: &[(usize, usize)]) -> Hidden {
    let factors = |i: usize| -> Vec<f64> { all.iter().map(|c| c.factors[i]).collect() };
    // Preactivations are symmetric, so half of their square belongs to each side.
    let half = 0.5 * (1.0 + alpha * alpha);
    let variance = |i: usize| factors(i).iter().map(|m| m * m / 3.0).sum::<f64>();
    let variances: Vec<f64> = (0..points.len()).map(variance).collect();
    let of = |&(i, j): &(usize, usize)| {
        let (a, b) = (variances[i], variances[j]);
        if i == j || !(a > 0.0 && b > 0.0) {
            return piecewise(
                alpha,
                a,
                b,
                if i == j {
                    0.0
                } else {
                    0.5 * std::f64::consts::PI
                },
            );
        }
        PiecePair::new(alpha, &factors(i), &factors(j), (half * a, half * b)).integrate()
    };
    let (duals, angles) = pairs.iter().map(of).unzip();
    Hidden {
        own: variances.iter().map(|v| half * v).collect(),
        duals,
        angles,
    }
}

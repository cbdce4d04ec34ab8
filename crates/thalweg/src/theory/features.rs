//! Means over several numbers by products of rules and by lattices, from the features of a layer:
//! φ and φ' of every point at every node. Sums of their products are positive semi-definite.

use super::dual::{Dual, Kind, REACH, jet, kind, nodes};
use super::first::Hidden;
use super::legendre::legendre;
use crate::net::Activation;
use crate::seed::{Purpose, normal_quantile, stream};

/// Products of nodes of a quadrature, at most.
const MOST_NODES: usize = 1 << 16;

/// Points of the lattice, a prime.
pub(super) const POINTS: u64 = 4093;

/// Its generator, of Korobov's form (1, a, a², …): L'Ecuyer & Lemieux 2000, "Variance reduction via
/// lattice rules", table 1. Its quality is measured by the shifts, not presumed.
const GENERATOR: u64 = 1516;

/// Random shifts, whose spread is the error (Cranley & Patterson 1976).
pub(super) const SHIFTS: usize = 4;

/// The part of the stream of initial weights that shifts are drawn from: no tensor has this number.
const SHIFT_PART: u64 = u64::MAX - 1;

/// A coordinate that preactivations are made of.
pub(super) struct Coordinate {
    /// Uniform on ±1; else standard normal.
    pub(super) uniform: bool,
    /// m_k of each point.
    pub(super) factors: Vec<f64>,
}

impl Coordinate {
    pub(super) fn largest(&self) -> f64 {
        self.factors.iter().fold(0.0, |m, v| m.max(v.abs()))
    }
}

/// A rule for each of up to three coordinates that resolves the activation to round-off; none if
/// their product has too many nodes.
pub(super) fn rules(activation: Activation, all: &[Coordinate]) -> Option<Vec<Vec<(f64, f64)>>> {
    // How far from the real line φ is analytic, or does not grow yet.
    let strip = match activation {
        Activation::Tanh => 1.4,
        Activation::Erf => 2.0,
        Activation::Sigmoid | Activation::Silu | Activation::Softplus => 2.8,
        Activation::Gelu
        | Activation::Identity
        | Activation::Relu
        | Activation::LeakyRelu
        | Activation::Abs
        | Activation::Sin
        | Activation::Cos => 3.0,
    };
    let of = |c: &Coordinate| {
        let width = strip / c.largest();
        if c.uniform {
            // ρ of the ellipse whose short half axis is the width, and its power 2 n.
            let n = (19.0 / libm::asinh(width)).ceil();
            (n < 4.0 * MOST_NODES as f64)
                .then(|| legendre(n as usize + 4))
                .map(|rule| rule.into_iter().map(|(t, w)| (t, 0.5 * w)).collect())
        } else {
            // e^(−2π width/spacing) = 1e-15.
            let spacing = (0.18 * width).min(0.5);
            (REACH / spacing < MOST_NODES as f64).then(|| nodes(spacing, REACH).collect())
        }
    };
    if all.len() > 3 {
        return None;
    }
    let rules: Vec<Vec<(f64, f64)>> = all.iter().map(of).collect::<Option<_>>()?;
    let nodes: usize = rules.iter().map(Vec::len).product();
    (nodes <= MOST_NODES).then_some(rules)
}

/// Nodes [·, D] and weights.
pub(super) struct Nodes {
    at: Vec<f64>,
    weights: Vec<f64>,
}

/// The product of rules.
pub(super) fn product(rules: &[Vec<(f64, f64)>]) -> Nodes {
    let total = rules.iter().map(Vec::len).product();
    let (mut at, mut weights) = (Vec::with_capacity(total * rules.len()), Vec::new());
    for index in 0..total {
        let (mut rest, mut weight) = (index, 1.0);
        for rule in rules {
            let (t, w) = rule[rest % rule.len()];
            rest /= rule.len();
            at.push(t);
            weight *= w;
        }
        weights.push(weight);
    }
    Nodes { at, weights }
}

/// The lattice, shifted at random and folded, so that it is periodic (Hickernell 2002, "Obtaining
/// O(N^(−2+ε)) convergence for lattice quadrature rules").
pub(super) fn lattices(all: &[Coordinate]) -> Vec<Nodes> {
    let mut random = stream(0, 0, Purpose::Init, SHIFT_PART);
    let mut generator = vec![1u64; all.len()];
    for k in 1..all.len() {
        generator[k] = generator[k - 1] * GENERATOR % POINTS;
    }
    let one = |_| {
        let shifts: Vec<f64> = all.iter().map(|_| random.uniform()).collect();
        let mut at = Vec::with_capacity(POINTS as usize * all.len());
        for i in 0..POINTS {
            for (k, c) in all.iter().enumerate() {
                let u = (i * generator[k] % POINTS) as f64 / POINTS as f64 + shifts[k];
                let folded = (2.0 * u.fract() - 1.0).abs();
                at.push(if c.uniform {
                    2.0 * folded - 1.0
                } else {
                    normal_quantile(folded.clamp(1e-16, 1.0 - 1e-16))
                });
            }
        }
        Nodes {
            at,
            weights: vec![1.0 / POINTS as f64; POINTS as usize],
        }
    };
    (0..SHIFTS).map(one).collect()
}

/// Sums over the nodes of one rule.
pub(super) struct Sums {
    own: Vec<f64>,
    /// K, K' and the squares of the differences and sums of φ/√(E φ²), pair by pair.
    pairs: Vec<[f64; 4]>,
}

/// Nodes that are taken together, so that their features stay in the cache.
const CHUNK: usize = 256;

impl Sums {
    /// The layer by the mean of several rules, and the standard error of that mean.
    pub(super) fn of(
        activation: Activation,
        all: &[Coordinate],
        pairs: &[(usize, usize)],
        rules: &[Nodes],
    ) -> (f64, Hidden) {
        let bent = matches!(kind(activation), Kind::Piecewise(_));
        let sums: Vec<Sums> = rules
            .iter()
            .map(|nodes| Sums::over(activation, all, pairs, nodes, bent))
            .collect();
        let count = sums.len() as f64;
        let mean = |at: usize, k: usize| sums.iter().map(|s| s.pairs[at][k]).sum::<f64>() / count;
        let error = [0, 1].map(|k| {
            let (mut spread, mut size) = (0.0, 0.0);
            for at in 0..pairs.len() {
                let m = mean(at, k);
                size += m * m;
                let squares = sums.iter().map(|s| (s.pairs[at][k] - m).powi(2));
                spread += squares.sum::<f64>() / (count * (count - 1.0).max(1.0));
            }
            (spread / size).sqrt()
        });
        let angle = |at: usize| 2.0 * libm::atan2(mean(at, 2).sqrt(), mean(at, 3).sqrt());
        let dual = |at: usize| Dual {
            value: mean(at, 0),
            slope: mean(at, 1),
        };
        let points = all.first().map_or(0, |c| c.factors.len());
        let own = |i: usize| sums.iter().map(|s| s.own[i]).sum::<f64>() / count;
        let hidden = Hidden {
            own: (0..points).map(own).collect(),
            duals: (0..pairs.len()).map(dual).collect(),
            angles: if bent {
                (0..pairs.len()).map(angle).collect()
            } else {
                Vec::new()
            },
        };
        (error[0].max(error[1]), hidden)
    }

    fn over(
        activation: Activation,
        all: &[Coordinate],
        pairs: &[(usize, usize)],
        nodes: &Nodes,
        bent: bool,
    ) -> Sums {
        let points = all.first().map_or(0, |c| c.factors.len());
        let mut sums = Sums {
            own: vec![0.0; points],
            pairs: vec![[0.0; 4]; pairs.len()],
        };
        let mut features = Features {
            values: vec![[0.0; CHUNK]; points],
            slopes: vec![[0.0; CHUNK]; points],
        };
        let chunks = || {
            let at = nodes.at.chunks(CHUNK * all.len());
            at.zip(nodes.weights.chunks(CHUNK))
        };
        for (at, weights) in chunks() {
            features.fill(activation, all, at, weights);
            let Features { values, slopes } = &features;
            for (own, f) in sums.own.iter_mut().zip(values) {
                *own += dot(f, f);
            }
            for (sum, &(i, j)) in sums.pairs.iter_mut().zip(pairs) {
                sum[0] += dot(&values[i], &values[j]);
                sum[1] += dot(&slopes[i], &slopes[j]);
            }
        }
        if !bent {
            return sums;
        }
        // Angles from differences, which keep the digits of small ones, once the lengths are known.
        for (at, weights) in chunks() {
            features.fill(activation, all, at, weights);
            for (f, own) in features.values.iter_mut().zip(&sums.own) {
                let norm = own.sqrt();
                if norm > 0.0 {
                    f.iter_mut().for_each(|f| *f /= norm);
                }
            }
            for (sum, &(i, j)) in sums.pairs.iter_mut().zip(pairs) {
                for (u, v) in features.values[i].iter().zip(&features.values[j]) {
                    sum[2] += (u - v) * (u - v);
                    sum[3] += (u + v) * (u + v);
                }
            }
        }
        sums
    }
}

/// φ and φ' of every point at the nodes of a chunk, times the roots of their weights; 0 beyond.
struct Features {
    values: Vec<[f64; CHUNK]>,
    slopes: Vec<[f64; CHUNK]>,
}

impl Features {
    fn fill(&mut self, activation: Activation, all: &[Coordinate], at: &[f64], weights: &[f64]) {
        let both = self.values.iter_mut().zip(&mut self.slopes);
        for (i, (values, slopes)) in both.enumerate() {
            for (n, (t, w)) in at.chunks(all.len()).zip(weights).enumerate() {
                let z: f64 = all.iter().zip(t).map(|(c, t)| c.factors[i] * t).sum();
                let [value, slope, _] = jet(activation, z);
                let root = w.sqrt();
                (values[n], slopes[n]) = (root * value, root * slope);
            }
            values[weights.len()..].fill(0.0);
            slopes[weights.len()..].fill(0.0);
        }
    }
}

/// Σ x_i y_i in eight independent sums, which the processor adds at once.
fn dot(x: &[f64; CHUNK], y: &[f64; CHUNK]) -> f64 {
    let mut sums = [0.0; 8];
    for (x, y) in x.chunks_exact(8).zip(y.chunks_exact(8)) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum()
}

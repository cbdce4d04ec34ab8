//! The infinitely wide network: its Gaussian process (NNGP) and its tangent kernel (NTK), for any
//! depth, both parameterizations, every activation.
//!
//! With Σ⁰ = v₀ x·x'/d + σb₀² and T⁰ = ω₀ x·x'/d + β₀, each hidden layer takes the dual activation
//! (K, K') of Σ and gives Σ ← v K + σb², T ← ω K + β + v K' T (Jacot, Gabriel & Hongler 2018,
//! arXiv:1806.07572; Lee et al. 2019, arXiv:1902.06720). v/fan_in is the variance of an effective
//! weight; ω is the weight of ∂f/∂W in Θ = Σ (rate factor) m² ∂f ∂fᵀ times fan_in: v in the `ntk`
//! parameterization, fan_in itself in the `standard` one, where the widths therefore remain.
//!
//! The first hidden layer has as many weights a unit as there are inputs, so its K and K' are those
//! of its own law ([`super::first`]); the layers above it are normal by the central limit theorem.

use std::f64::consts::PI;

use super::dual::{Kind, closed, kind, piecewise};
use super::first::{FirstLayer, Hidden, Law, Laws, first_layer};
use super::hermite::Expansion;
use crate::error::{Error, NoTheory};
use crate::net::{Activation, BiasInit, Init, Net, Output, Parameterization, Uniform, sizes};

/// What an infinitely wide network keeps of one weight layer.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Layer {
    /// v: fan_in times the variance of an effective weight.
    pub weight_variance: f64,
    /// σb²: the variance of an effective bias; 0 without biases.
    pub bias_variance: f64,
    /// ω: what the weights' derivatives are multiplied with in Θ, times fan_in.
    pub weight_share: f64,
    /// β: the same of the biases; 0 if they do not train.
    pub bias_share: f64,
}

/// An infinitely wide network with one output.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Wide {
    /// φ of every hidden layer.
    pub activation: Activation,
    /// The laws of the first layer's weights and biases; in later layers variances say all.
    pub first: Laws,
    /// Every weight layer, from the inputs to the output; one more than there are hidden layers.
    pub layers: Vec<Layer>,
}

/// NNGP and NTK between two lists of inputs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Kernels {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// How the first hidden layer's share came about.
    pub first_layer: FirstLayer,
    /// Variance of the outputs of the initial network at the inputs of the rows.
    pub variances: Vec<f64>,
    /// Covariance of the outputs of the initial network [rows, columns].
    pub nngp: Vec<f64>,
    /// Θ [rows, columns].
    pub ntk: Vec<f64>,
}

/// A pair of inputs on its way through the layers.
#[derive(Debug, Clone, Copy)]
struct Pair {
    i: usize,
    j: usize,
    covariance: f64,
    /// Of the two preactivations, followed for piecewise linear activations.
    angle: f64,
    tangent: f64,
}

impl Wide {
    /// The infinitely wide network whose layers start and train as those of `net` do; `layer_rates`
    /// are the factors of `descent.layer_rates`. Several outputs are independent, each with these
    /// kernels: of all of them they are Θ ⊗ 1 and K ⊗ 1.
    ///
    /// Beyond the first layer a law of the initial weights enters by its variance alone: fan_in
    /// Var W is 1/3 for `pytorch`, 2 for `kaiming_*`, 1 for `lecun_normal`, 2 fan_in/(fan_in +
    /// fan_out) for `xavier_*`, fan_in times the variance of `uniform`, fan_in/max(fan_in,
    /// fan_out) for `orthogonal` (whose kernels agree with the Gaussian ones when wide: Huang, Du &
    /// Xu 2020, arXiv:2004.05867), each times the square of its gain.
    ///
    /// # Errors
    ///
    /// [`NoTheory::GivenWeights`] if the weights come from a file or are constant: one network has
    /// no law; [`NoTheory::NotCentred`] if weights or biases are uniform on an interval whose
    /// middle is not 0; [`NoTheory::NonlinearOutput`] if the outputs go through a function.
    pub fn new(
        net: &Net,
        dim: usize,
        outputs: usize,
        layer_rates: Option<&[f64]>,
    ) -> Result<Wide, Error> {
        if net.output != Output::Identity {
            return Err(NoTheory::NonlinearOutput.into());
        }
        let sizes = sizes(net, dim, outputs);
        let mut layers = Vec::new();
        for (l, pair) in sizes.windows(2).enumerate() {
            let (fan_in, fan_out) = (pair[0] as f64, pair[1] as f64);
            let centred = |law: Uniform| match law.is_centred() {
                true => Ok(law.variance()),
                false => Err(NoTheory::NotCentred),
            };
            let law = match net.init {
                Init::Pytorch => 1.0 / 3.0,
                Init::XavierUniform | Init::XavierNormal => 2.0 * fan_in / (fan_in + fan_out),
                Init::KaimingUniform | Init::KaimingNormal => 2.0,
                Init::LecunNormal => 1.0,
                Init::Orthogonal => fan_in / fan_in.max(fan_out),
                Init::Normal { variance } => variance,
                Init::WeightStd(ref all) => all[l] * all[l],
                Init::Uniform(law) => fan_in * centred(law)?,
                Init::Constant(_) | Init::File(_) => {
                    return Err(NoTheory::GivenWeights.into());
                }
            };
            let bias_law = match net.bias_law() {
                BiasInit::Pytorch => 1.0 / (3.0 * fan_in),
                BiasInit::Zeros => 0.0,
                BiasInit::Normal { std } => std * std,
                BiasInit::Uniform(_) if !net.bias => 0.0,
                BiasInit::Uniform(law) => centred(law)?,
            };
            let gain = net.gains.as_ref().map_or(1.0, |g| g[l]);
            let rate = layer_rates.map_or(1.0, |r| r[l]);
            // Not `net.multipliers`, with which engines train: a wrong one would agree with itself.
            let (weight_square, bias_square) = match net.parameterization {
                Parameterization::Standard => (fan_in, 1.0),
                // Without a law of their own, biases are trained as they are.
                Parameterization::Ntk if bias_law > 0.0 => (law, bias_law),
                Parameterization::Ntk => (law, 1.0),
            };
            layers.push(Layer {
                weight_variance: law * gain * gain,
                bias_variance: if net.bias { bias_law } else { 0.0 },
                weight_share: rate * weight_square,
                bias_share: if net.bias { rate * bias_square } else { 0.0 },
            });
        }
        Ok(Wide {
            activation: net.activation,
            first: laws(net, sizes[0].max(sizes[1])),
            layers,
        })
    }

    /// The kernels of the inputs `x` [N, dim] with themselves: symmetric [N, N].
    ///
    /// ```
    /// use thalweg::net::{Init, Net};
    /// use thalweg::theory::ntk::Wide;
    /// use thalweg::theory::spectrum::Spectrum;
    ///
    /// let net = Net { init: Init::LecunNormal, bias: false, ..Net::default() };
    /// let wide = Wide::new(&net, 2, 1, None)?;
    /// // Three points on the plane; two of them are near.
    /// let near = wide.kernels(&[1.0, 0.0, 1.0, 0.1, -1.0, 1.0], 2);
    /// let apart = wide.kernels(&[1.0, 0.0, 0.0, 1.0, -1.0, 1.0], 2);
    /// let slowest = |ntk: &[f64]| Spectrum::of(ntk, 3).smallest;
    /// assert!(slowest(&near.ntk) < 0.1 * slowest(&apart.ntk));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// Positive semi-definite to round-off, also where inputs are equal or nearly so. Inputs that
    /// are not finite, or whose squares are not, give entries that are not: see
    /// [`Kernels::finite`].
    pub fn kernels(&self, x: &[f64], dim: usize) -> Kernels {
        self.between(x, None, dim)
    }

    /// The kernels of the inputs `x` [N, dim] with the inputs `z` [M, dim]: [N, M].
    pub fn cross(&self, x: &[f64], z: &[f64], dim: usize) -> Kernels {
        self.between(x, Some(z), dim)
    }

    fn between(&self, x: &[f64], z: Option<&[f64]>, dim: usize) -> Kernels {
        let dim = dim.max(1);
        let rows = x.len() / dim;
        let points: Vec<&[f64]> = x
            .chunks_exact(dim)
            .chain(z.unwrap_or_default().chunks_exact(dim))
            .collect();
        let columns = if z.is_some() {
            points.len() - rows
        } else {
            rows
        };
        let Some((first, rest)) = self.layers.split_first() else {
            return Kernels {
                rows,
                columns,
                first_layer: FirstLayer::Normal,
                variances: vec![0.0; rows],
                nngp: vec![0.0; rows * columns],
                ntk: vec![0.0; rows * columns],
            };
        };
        let product = |i: usize, j: usize| -> f64 {
            let sum: f64 = points[i].iter().zip(points[j]).map(|(a, b)| a * b).sum();
            sum / dim as f64
        };
        let mut variances: Vec<f64> = (0..points.len())
            .map(|i| first.weight_variance * product(i, i) + first.bias_variance)
            .collect();
        let directions = self.directions(&points, dim);
        let start = |i: usize, j: usize| {
            let dot = product(i, j);
            Pair {
                i,
                j,
                covariance: first.weight_variance * dot + first.bias_variance,
                angle: directions.as_ref().map_or(0.0, |d| angle(&d[i], &d[j])),
                tangent: first.weight_share * dot + first.bias_share,
            }
        };
        let mut pairs: Vec<Pair> = if z.is_some() {
            let all = (0..rows).flat_map(|i| (rows..points.len()).map(move |j| (i, j)));
            all.map(|(i, j)| start(i, j)).collect()
        } else {
            let half = (0..rows).flat_map(|i| (0..=i).map(move |j| (i, j)));
            half.map(|(i, j)| start(i, j)).collect()
        };
        let mut how = FirstLayer::Normal;
        for (depth, layer) in rest.iter().enumerate() {
            let mut own_law = None;
            if depth == 0 {
                let laws = (first.weight_variance / dim as f64, first.bias_variance);
                let numbers: Vec<(usize, usize)> = pairs.iter().map(|p| (p.i, p.j)).collect();
                (how, own_law) = first_layer(self.activation, self.first, laws, &points, &numbers);
            }
            let hidden = own_law.unwrap_or_else(|| self.normal(&variances, &pairs));
            lift(layer, &hidden, &mut variances, &mut pairs);
        }
        variances.truncate(rows);
        let mut out = Kernels {
            rows,
            columns,
            first_layer: how,
            variances,
            nngp: vec![0.0; rows * columns],
            ntk: vec![0.0; rows * columns],
        };
        let first_column = if z.is_some() { rows } else { 0 };
        for p in pairs {
            let mut put = |i: usize, j: usize| {
                out.nngp[i * columns + j] = p.covariance;
                out.ntk[i * columns + j] = p.tangent;
            };
            put(p.i, p.j - first_column);
            if z.is_none() {
                put(p.j, p.i);
            }
        }
        out
    }

    /// Unit vectors along (√(v₀/d) x, σb₀), whose angles are those of the first preactivations;
    /// only for piecewise linear activations.
    fn directions(&self, points: &[&[f64]], dim: usize) -> Option<Vec<Vec<f64>>> {
        if !matches!(kind(self.activation), Kind::Piecewise(_)) {
            return None;
        }
        let first = self.layers.first()?;
        let scale = (first.weight_variance / dim as f64).sqrt();
        let unit = |x: &&[f64]| {
            let mut v: Vec<f64> = x.iter().map(|x| scale * x).collect();
            v.push(first.bias_variance.sqrt());
            let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
            if norm > 0.0 {
                v.iter_mut().for_each(|v| *v /= norm);
            }
            v
        };
        Some(points.iter().map(unit).collect())
    }

    /// A hidden layer whose preactivations are normal.
    fn normal(&self, variances: &[f64], pairs: &[Pair]) -> Hidden {
        let mut hidden = Hidden::default();
        match kind(self.activation) {
            Kind::Piecewise(alpha) => {
                let half = 0.5 * (1.0 + alpha * alpha);
                hidden.own = variances.iter().map(|a| half * a).collect();
                let of = |p: &Pair| piecewise(alpha, variances[p.i], variances[p.j], p.angle);
                (hidden.duals, hidden.angles) = pairs.iter().map(of).unzip();
            }
            Kind::Closed => {
                let own = |a: &f64| closed(self.activation, *a, *a, *a).value;
                hidden.own = variances.iter().map(own).collect();
                let of = |p: &Pair| {
                    let (a, b) = (variances[p.i], variances[p.j]);
                    closed(self.activation, a, b, p.covariance)
                };
                hidden.duals = pairs.iter().map(of).collect();
            }
            Kind::Smooth => {
                let expansion = Expansion::new(self.activation, variances);
                let own = |i: usize| expansion.own(i).value;
                hidden.own = (0..variances.len()).map(own).collect();
                let of = |p: &Pair| {
                    if p.i == p.j {
                        expansion.own(p.i)
                    } else {
                        expansion.pair(p.i, p.j, p.covariance)
                    }
                };
                hidden.duals = pairs.iter().map(of).collect();
            }
        }
        hidden
    }
}

/// The laws of the first layer of a network; `longer` is the longer side of its weights.
fn laws(net: &Net, longer: usize) -> Laws {
    Laws {
        weights: match net.init {
            Init::Pytorch | Init::XavierUniform | Init::KaimingUniform | Init::Uniform(_) => {
                Law::Uniform
            }
            Init::Orthogonal => Law::Sphere(longer),
            Init::XavierNormal
            | Init::KaimingNormal
            | Init::LecunNormal
            | Init::Normal { .. }
            | Init::WeightStd(_)
            | Init::Constant(_)
            | Init::File(_) => Law::Normal,
        },
        biases: match net.bias_law() {
            BiasInit::Pytorch | BiasInit::Uniform(_) => Law::Uniform,
            BiasInit::Zeros | BiasInit::Normal { .. } => Law::Normal,
        },
    }
}

/// The weights above a hidden layer.
fn lift(above: &Layer, hidden: &Hidden, variances: &mut [f64], pairs: &mut [Pair]) {
    let (v, s) = (above.weight_variance, above.bias_variance);
    for (pair, dual) in pairs.iter_mut().zip(&hidden.duals) {
        pair.covariance = v * dual.value + s;
        pair.tangent =
            above.weight_share * dual.value + above.bias_share + v * dual.slope * pair.tangent;
    }
    for (pair, after) in pairs.iter_mut().zip(&hidden.angles) {
        let (a, b) = (hidden.own[pair.i], hidden.own[pair.j]);
        pair.angle = lifted(v * a, v * b, *after, s);
    }
    for (variance, own) in variances.iter_mut().zip(&hidden.own) {
        *variance = v * own + s;
    }
}

impl Kernels {
    /// These kernels, if every entry is a finite number.
    ///
    /// # Errors
    ///
    /// [`NoTheory::TooLarge`] if one is not: squares of the inputs, or a variance, are beyond f64.
    pub fn finite(self) -> Result<Kernels, Error> {
        let all = self.nngp.iter().chain(&self.ntk);
        let mut all = all.chain(&self.variances);
        if all.all(|v| v.is_finite()) {
            Ok(self)
        } else {
            Err(NoTheory::TooLarge.into())
        }
    }
}

/// The angle between unit vectors, right to round-off also near 0 and π, where that by acos is
/// wrong in half the digits (Kahan 2006, "How futile are mindless assessments of roundoff"). π/2 if
/// one is 0.
fn angle(u: &[f64], v: &[f64]) -> f64 {
    let norm = |sign: f64| {
        let squares = u.iter().zip(v).map(|(u, v)| (u + sign * v).powi(2));
        squares.sum::<f64>().sqrt()
    };
    if u.iter().all(|u| *u == 0.0) || v.iter().all(|v| *v == 0.0) {
        return 0.5 * PI;
    }
    2.0 * libm::atan2(norm(-1.0), norm(1.0))
}

/// The angle between (x, σ) and (y, σ) from |x|² = a, |y|² = b, their angle, and σ² = s: only
/// positive terms, so small angles keep their digits.
fn lifted(a: f64, b: f64, angle: f64, s: f64) -> f64 {
    if s <= 0.0 {
        return angle;
    }
    let (sine, half) = (libm::sin(angle), libm::sin(0.5 * angle));
    let root = (a * b).sqrt();
    let apart = (a.sqrt() - b.sqrt()).powi(2) + 4.0 * root * half * half;
    let gram = a * b * sine * sine + s * apart;
    libm::atan2(gram.sqrt(), root * libm::cos(angle) + s)
}

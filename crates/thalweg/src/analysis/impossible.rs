//! Exact reasons why no weights get a replicate below the threshold.
//!
//! Most of them say that the outputs on the training set, whatever the weights, lie in a linear
//! space: then the distance of the targets from that space is a floor of the loss.

use serde::Serialize;

use crate::data::Set;
use crate::linalg::eigen;
use crate::net::{Activation, Net, tensors};
use crate::plan::Cell;
use crate::record::Observation;

/// Inputs that agree to so many units of rounding point in the same direction.
const SAME: f64 = 8.0 * f64::EPSILON;

/// An exact reason why no weights can get below the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Impossible {
    /// The network is linear in its input: least squares leaves this loss.
    Linear {
        /// The smallest loss.
        floor: f64,
    },
    /// Inputs that are the same have different targets: s Σ (y − ȳ)² over each group of equal
    /// inputs is left.
    EqualInputs {
        /// The smallest loss.
        floor: f64,
        /// Points whose input is that of another one.
        points: usize,
    },
    /// A network without biases of positively homogeneous activation is, on the line, two rays from
    /// the origin: least squares on them leaves this loss.
    TwoRays {
        /// The smallest loss.
        floor: f64,
    },
    /// A network without biases keeps a symmetry of its activation, or is homogeneous, and the
    /// training set has points of opposite or of the same direction, or the origin.
    Symmetry {
        /// What the network keeps.
        symmetry: Symmetry,
        /// The smallest loss.
        floor: f64,
    },
    /// Every layer but the last is frozen, so that training is least squares on features that stay.
    FixedFeatures {
        /// The smallest loss.
        floor: f64,
    },
    /// From the start on every unit of a layer of ReLU is dead on every point: the output is the
    /// same for every input, and no step revives the layer.
    DeadAtStart {
        /// The first such hidden layer, from 1.
        layer: usize,
        /// The smallest loss: that of the best constant, or of 0 without biases.
        floor: f64,
    },
    /// Fewer trainable parameters than points: the outputs form a set of smaller dimension than the
    /// targets'.
    FewParameters {
        /// Parameters.
        parameters: usize,
    },
}

/// What a network without biases keeps for all weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Symmetry {
    /// f(−x) = −f(x): odd activations, at any depth.
    Odd,
    /// f(−x) = f(x): even activations, at any depth.
    Even,
    /// f(x) − f(−x) is linear in x: one hidden layer of an activation with φ(z) − φ(−z) ∝ z.
    OddPartLinear,
    /// f(x) + f(−x) is constant: one hidden layer of an activation with φ(z) + φ(−z) constant.
    EvenPartConstant,
    /// f(c x) = c f(x) for c > 0: positively homogeneous activations, at any depth.
    Homogeneous,
}

impl Impossible {
    /// The loss below which no weights get; none where only the dimensions say no.
    pub fn floor(&self) -> Option<f64> {
        match self {
            Impossible::Linear { floor }
            | Impossible::EqualInputs { floor, .. }
            | Impossible::TwoRays { floor }
            | Impossible::Symmetry { floor, .. }
            | Impossible::FixedFeatures { floor }
            | Impossible::DeadAtStart { floor, .. } => Some(*floor),
            Impossible::FewParameters { .. } => None,
        }
    }
}

/// An exact reason why no weights get a replicate below the threshold: of those that are known the
/// one with the highest floor, of equals the simplest. `first` is its look at the start, without
/// which the reasons that depend on the initial weights are not known. None if none is known.
pub fn impossible(cell: &Cell, replicate: u64, first: Option<&Observation>) -> Option<Impossible> {
    if !cell.setting.descent.loss.is_squared() {
        return None;
    }
    let set = cell.set(replicate);
    let s = cell.loss_factor();
    let all = [
        linear_floor(cell, replicate).map(|floor| Impossible::Linear { floor }),
        equal_inputs(&set, cell.dim(), s),
        ray_floor(cell, replicate).map(|floor| Impossible::TwoRays { floor }),
        symmetry_floor(cell, replicate)
            .map(|(symmetry, floor)| Impossible::Symmetry { symmetry, floor }),
        fixed_features(cell, s, first),
        dead_at_start(cell, &set, first),
    ];
    let epsilon = cell.loss_at_most();
    let mut best: Option<(f64, Impossible)> = None;
    for reason in all.into_iter().flatten() {
        let floor = reason.floor().filter(|floor| *floor > epsilon);
        // One that is higher by rounding alone says nothing more.
        let before = best.map_or(0.0, |(before, _)| before * (1.0 + 1e-9));
        if let Some(floor) = floor.filter(|floor| *floor > before) {
            best = Some((floor, reason));
        }
    }
    let parameters = trainable(cell);
    let by_loss = cell.setting.success.by_loss().is_some();
    let few =
        (by_loss && parameters < set.y.len()).then_some(Impossible::FewParameters { parameters });
    best.map(|(_, reason)| reason).or(few)
}

/// The number of parameters that training moves: those of frozen layers are none.
pub fn trainable(cell: &Cell) -> usize {
    let rates = cell.setting.descent.layer_rates.as_ref();
    tensors(&cell.setting.net, cell.dim(), cell.outputs())
        .iter()
        .filter(|tensor| rates.is_none_or(|rates| rates[tensor.layer] > 0.0))
        .map(|tensor| tensor.range().len())
        .sum()
}

/// s Σ ‖y − P y‖² over the outputs, P onto the span of some vectors over the points `[N]`.
fn distance(columns: &[Vec<f64>], set: &Set, s: f64) -> f64 {
    let n = set.points;
    let size = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    // Of unit length, so that what is small is not taken for rounding.
    let units: Vec<Vec<f64>> = (columns.iter())
        .filter(|column| size(column) > 0.0)
        .map(|column| column.iter().map(|v| v / size(column)).collect())
        .collect();
    let gram: Vec<f64> = (0..n * n)
        .map(|at| units.iter().map(|u| u[at / n] * u[at % n]).sum())
        .collect();
    let e = eigen(&gram, n);
    let noise = e.values[n - 1] * n as f64 * f64::EPSILON;
    let outside = || (e.vectors.chunks_exact(n).zip(&e.values)).filter(|(_, l)| !(**l > noise));
    let lost = each_output(set).map(|y| {
        let parts = outside().map(|(v, _)| v.iter().zip(&y).map(|(v, y)| v * y).sum::<f64>());
        parts.map(|c| c * c).sum::<f64>()
    });
    s * lost.sum::<f64>()
}

/// The targets of each output, a vector over the points `[N]`.
fn each_output(set: &Set) -> impl Iterator<Item = Vec<f64>> {
    let k = set.outputs().max(1);
    (0..k).map(move |output| set.y.iter().skip(output).step_by(k).copied().collect())
}

/// The smallest loss of outputs that are the same for every input: those of the best constants, or
/// 0 without biases.
pub(super) fn constant_floor(cell: &Cell, set: &Set) -> f64 {
    let floor = |y: Vec<f64>| {
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let constant = if cell.setting.net.bias { mean } else { 0.0 };
        y.iter()
            .map(|y| (y - constant) * (y - constant))
            .sum::<f64>()
    };
    cell.loss_factor() * each_output(set).map(floor).sum::<f64>()
}

/// The coordinates of the inputs, a vector over the points each.
fn coordinates(set: &Set, dim: usize) -> impl Iterator<Item = Vec<f64>> {
    (0..dim).map(move |k| set.x.iter().skip(k).step_by(dim).copied().collect())
}

/// The smallest loss that a network linear in its input can have on a replicate's training set:
/// s ‖y − P y‖², P onto the span of the inputs (and of the constant, with biases). None for other
/// activations.
pub fn linear_floor(cell: &Cell, replicate: u64) -> Option<f64> {
    let net = &cell.setting.net;
    let linear = net.activation == Activation::Identity || net.hidden.is_empty();
    if !(linear && cell.is_regression()) {
        return None;
    }
    let set = cell.set(replicate);
    let mut columns: Vec<Vec<f64>> = coordinates(&set, cell.dim()).collect();
    if net.bias {
        columns.push(vec![1.0; set.points]);
    }
    Some(distance(&columns, &set, cell.loss_factor()))
}

/// What is left because equal inputs have different targets: s Σ (y − ȳ)² over each group.
fn equal_inputs(set: &Set, dim: usize, s: f64) -> Option<Impossible> {
    let rows: Vec<&[f64]> = set.x.chunks_exact(dim).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // Not `total_cmp`: 0 and −0 are the same input.
    let compare = |a: &usize, b: &usize| rows[*a].partial_cmp(rows[*b]);
    order.sort_by(|a, b| compare(a, b).unwrap_or(std::cmp::Ordering::Equal));
    let (mut floor, mut points) = (0.0, 0);
    for group in order.chunk_by(|a, b| rows[*a] == rows[*b]) {
        if group.len() > 1 {
            points += group.len();
            for targets in each_output(set) {
                let y = || group.iter().map(|i| targets[*i]);
                let mean = y().sum::<f64>() / group.len() as f64;
                floor += y().map(|y| (y - mean) * (y - mean)).sum::<f64>();
            }
        }
    }
    (points > 0).then_some(Impossible::EqualInputs {
        floor: s * floor,
        points,
    })
}

/// Whether φ(c z) = c φ(z) for c > 0.
fn homogeneous(activation: Activation) -> bool {
    match activation {
        Activation::Relu | Activation::LeakyRelu | Activation::Abs | Activation::Identity => true,
        Activation::Tanh
        | Activation::Sigmoid
        | Activation::Erf
        | Activation::Gelu
        | Activation::Silu
        | Activation::Softplus
        | Activation::Sin
        | Activation::Cos => false,
    }
}

/// The smallest loss of a ReLU-like network without biases at d = 1: f(c x) = c f(x) for c > 0, so
/// f is a x for x > 0 and b x for x < 0. None for other networks.
pub fn ray_floor(cell: &Cell, replicate: u64) -> Option<f64> {
    let net = &cell.setting.net;
    let linear = net.activation == Activation::Identity || net.hidden.is_empty();
    let other = net.bias || linear || !cell.is_regression();
    if other || !homogeneous(net.activation) || cell.dim() != 1 {
        return None;
    }
    let set = cell.set(replicate);
    let side = |y: &[f64], positive: bool| {
        let on = || (set.x.iter().zip(y)).filter(move |(x, _)| (**x > 0.0) == positive);
        let xx: f64 = on().map(|(x, _)| x * x).sum();
        let xy: f64 = on().map(|(x, y)| x * y).sum();
        let yy: f64 = on().map(|(_, y)| y * y).sum();
        if xx > 0.0 {
            (yy - xy * xy / xx).max(0.0)
        } else {
            yy
        }
    };
    let floor = |y: Vec<f64>| side(&y, true) + side(&y, false);
    Some(cell.loss_factor() * each_output(&set).map(floor).sum::<f64>())
}

/// What a network without biases of this activation keeps, and whether f(0) = 0; none if nothing is
/// known.
fn symmetry(net: &Net) -> Option<(Symmetry, bool)> {
    if net.bias || net.hidden.is_empty() {
        return None;
    }
    let one_layer = net.hidden.len() == 1;
    let kept = match net.activation {
        Activation::Tanh | Activation::Erf | Activation::Sin => (Symmetry::Odd, true),
        Activation::Abs => (Symmetry::Even, true),
        Activation::Cos => (Symmetry::Even, false),
        // φ(z) − φ(−z) is z, or (1 + α) z.
        Activation::Relu | Activation::LeakyRelu | Activation::Gelu | Activation::Silu
            if one_layer =>
        {
            (Symmetry::OddPartLinear, true)
        }
        Activation::Softplus if one_layer => (Symmetry::OddPartLinear, false),
        Activation::Sigmoid if one_layer => (Symmetry::EvenPartConstant, false),
        Activation::Relu | Activation::LeakyRelu => (Symmetry::Homogeneous, true),
        Activation::Gelu
        | Activation::Silu
        | Activation::Softplus
        | Activation::Sigmoid
        | Activation::Identity => return None,
    };
    Some(kept)
}

/// Lines through the origin (or, for a network that is not homogeneous, pairs of an input and its
/// opposite) with the points on each, and the signed place t of every point on its line: ±‖x‖ (or
/// ±1), 0 at the origin, which is a line of its own.
fn lines(set: &Set, dim: usize, homogeneous: bool) -> Vec<Vec<(usize, f64)>> {
    let rows: Vec<&[f64]> = set.x.chunks_exact(dim).collect();
    let norm = |i: usize| rows[i].iter().map(|x| x * x).sum::<f64>().sqrt();
    // x_i = sign · x_j, up to their lengths if the network is homogeneous.
    let along = |i: usize, j: usize, sign: f64| {
        let (a, b) = (norm(i), norm(j));
        rows[i].iter().zip(rows[j]).all(|(x, z)| {
            if homogeneous {
                (x * b - sign * z * a).abs() <= SAME * a * b
            } else {
                (*x - sign * z).abs() <= SAME * a
            }
        })
    };
    let mut all: Vec<Vec<(usize, f64)>> = Vec::new();
    for i in 0..rows.len() {
        let size = if homogeneous { norm(i) } else { 1.0 };
        if !(norm(i) > 0.0) {
            let origin = all.iter_mut().find(|line| line[0].1.abs() <= 0.0);
            match origin {
                Some(line) => line.push((i, 0.0)),
                None => all.push(vec![(i, 0.0)]),
            }
            continue;
        }
        let on = all
            .iter_mut()
            .filter(|line| line[0].1.abs() > 0.0)
            .find_map(|line| {
                let first = line[0].0;
                let sign = [1.0, -1.0]
                    .into_iter()
                    .find(|sign| along(i, first, *sign))?;
                Some((line, sign))
            });
        match on {
            Some((line, sign)) => line.push((i, sign * size)),
            None => all.push(vec![(i, size)]),
        }
    }
    all
}

/// The smallest loss that the symmetry of a network without biases leaves on a replicate's training
/// set; none for networks that keep none.
///
/// On a line through the origin a homogeneous network is c |t| + v t; the symmetry says which of
/// the two parts each line has for itself, and which all lines share. Other networks are looked at
/// on inputs and their opposites alone.
pub fn symmetry_floor(cell: &Cell, replicate: u64) -> Option<(Symmetry, f64)> {
    let net = &cell.setting.net;
    let (symmetry, zero) = symmetry(net).filter(|_| cell.is_regression())?;
    let set = cell.set(replicate);
    let (n, dim) = (set.points, cell.dim());
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for line in lines(&set, dim, homogeneous(net.activation)) {
        let mut part = |of: &dyn Fn(f64) -> f64| {
            let mut column = vec![0.0; n];
            line.iter().for_each(|(i, t)| column[*i] = of(*t));
            columns.push(column);
        };
        if line[0].1.abs() <= 0.0 {
            // At the origin: 0 with φ(0) = 0, the shared constant, or anything.
            if !zero && symmetry != Symmetry::EvenPartConstant {
                part(&|_| 1.0);
            }
            continue;
        }
        match symmetry {
            Symmetry::Odd | Symmetry::EvenPartConstant => part(&|t| t),
            Symmetry::Even | Symmetry::OddPartLinear => part(&f64::abs),
            Symmetry::Homogeneous => {
                part(&|t| t.max(0.0));
                part(&|t| t.min(0.0));
            }
        }
    }
    match symmetry {
        Symmetry::Odd | Symmetry::Even | Symmetry::Homogeneous => {}
        Symmetry::OddPartLinear => columns.extend(coordinates(&set, dim)),
        Symmetry::EvenPartConstant => columns.push(vec![1.0; n]),
    }
    Some((symmetry, distance(&columns, &set, cell.loss_factor())))
}

/// What least squares leaves on the features of the frozen layers: the residual of the start
/// outside the range of Θ, which does not move.
fn fixed_features(cell: &Cell, s: f64, first: Option<&Observation>) -> Option<Impossible> {
    let rates = cell.setting.descent.layer_rates.as_ref();
    let rates = rates.filter(|_| cell.is_regression())?;
    let (last, below) = rates.split_last()?;
    if below.is_empty() || below.iter().any(|rate| *rate > 0.0) || !(*last > 0.0) {
        return None;
    }
    let floor = first?.unreachable(s)?;
    Some(Impossible::FixedFeatures { floor })
}

/// The first hidden layer, from 1, whose units all have φ' = 0 on every point.
pub(super) fn whole_layer(look: &Observation, hidden: &[usize]) -> Option<usize> {
    let dead = look.dead.as_ref()?;
    let whole = dead
        .iter()
        .zip(hidden)
        .position(|(n, width)| *n == *width as u64);
    whole.map(|at| at + 1)
}

/// A whole layer of ReLU that is dead on every point at the start: its outputs are 0 and its
/// gradient is 0, so that neither it nor what is below moves, under any rule. Weight decay moves
/// what has no gradient.
fn dead_at_start(cell: &Cell, set: &Set, first: Option<&Observation>) -> Option<Impossible> {
    let net = &cell.setting.net;
    let still = cell.is_regression() && !(cell.setting.descent.weight_decay > 0.0);
    if net.activation != Activation::Relu || !still {
        return None;
    }
    let layer = whole_layer(first?, &net.hidden)?;
    Some(Impossible::DeadAtStart {
        layer,
        floor: constant_floor(cell, set),
    })
}

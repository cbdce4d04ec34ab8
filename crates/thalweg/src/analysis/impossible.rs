//! Exact reasons why no weights get a replicate below the threshold.

use serde::Serialize;

use crate::linalg::eigen;
use crate::net::{Activation, parameters};
use crate::plan::Cell;

/// An exact reason why no weights can get below the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Impossible {
    /// The network is linear in its input: least squares leaves this loss.
    Linear {
        /// The smallest loss.
        floor: f64,
    },
    /// A network without biases of positively homogeneous activation is, on the line, two rays from
    /// the origin: least squares on them leaves this loss.
    TwoRays {
        /// The smallest loss.
        floor: f64,
    },
    /// Fewer parameters than points: the outputs form a set of smaller dimension than the targets'.
    FewParameters {
        /// Parameters.
        parameters: usize,
    },
}

/// An exact reason why no weights get a replicate below the threshold; none if none is known.
pub fn impossible(cell: &Cell, replicate: u64) -> Option<Impossible> {
    let epsilon = cell.setting.success.loss_below;
    if let Some(floor) = linear_floor(cell, replicate).filter(|f| *f > epsilon) {
        return Some(Impossible::Linear { floor });
    }
    if let Some(floor) = ray_floor(cell, replicate).filter(|f| *f > epsilon) {
        return Some(Impossible::TwoRays { floor });
    }
    let parameters = parameters(&cell.setting.net, cell.dim());
    (parameters < cell.setting.data.points).then_some(Impossible::FewParameters { parameters })
}

/// The smallest loss that a network linear in its input can have on a replicate's training set:
/// s ‖y − P y‖², P onto the span of the inputs (and of the constant, with biases). None for other
/// activations.
pub fn linear_floor(cell: &Cell, replicate: u64) -> Option<f64> {
    let net = &cell.setting.net;
    if !(net.activation == Activation::Identity || net.hidden.is_empty()) {
        return None;
    }
    let set = cell.set(replicate);
    let (n, d) = (set.y.len(), cell.dim());
    let constant = f64::from(u8::from(net.bias));
    let row = |i: usize| &set.x[i * d..(i + 1) * d];
    let gram: Vec<f64> = (0..n * n)
        .map(|at| {
            let (a, b) = (row(at / n), row(at % n));
            constant + a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()
        })
        .collect();
    let e = eigen(&gram, n);
    let noise = e.values[n - 1] * n as f64 * f64::EPSILON;
    let outside = e
        .vectors
        .chunks_exact(n)
        .zip(&e.values)
        .filter(|(_, l)| **l <= noise);
    let lost = outside.map(|(v, _)| v.iter().zip(&set.y).map(|(v, y)| v * y).sum::<f64>());
    Some(cell.setting.descent.loss.factor(n) * lost.map(|c| c * c).sum::<f64>())
}

/// The smallest loss of a ReLU-like network without biases at d = 1: f(c x) = c f(x) for c > 0, so
/// f is a x for x > 0 and b x for x < 0. None for other networks.
pub fn ray_floor(cell: &Cell, replicate: u64) -> Option<f64> {
    let net = &cell.setting.net;
    let homogeneous = matches!(
        net.activation,
        Activation::Relu | Activation::LeakyRelu | Activation::Abs
    );
    if net.bias || !homogeneous || net.hidden.is_empty() || cell.dim() != 1 {
        return None;
    }
    let set = cell.set(replicate);
    let side = |positive: bool| {
        let on = || (set.x.iter().zip(&set.y)).filter(move |(x, _)| (**x > 0.0) == positive);
        let xx: f64 = on().map(|(x, _)| x * x).sum();
        let xy: f64 = on().map(|(x, y)| x * y).sum();
        let yy: f64 = on().map(|(_, y)| y * y).sum();
        if xx > 0.0 {
            (yy - xy * xy / xx).max(0.0)
        } else {
            yy
        }
    };
    let s = cell.setting.descent.loss.factor(set.y.len());
    Some(s * (side(true) + side(false)))
}

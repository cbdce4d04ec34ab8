//! What a kept network of one or two inputs has fitted: its outputs around its training points.

use serde::Serialize;

use super::points::Pair;
use super::tested::{Limit, asked, wide};
use crate::data::Set;
use crate::net;
use crate::plan::Cell;
use crate::record::{Kept, Record, Row};
use crate::theory::dual::value;

/// Places along each side of the square.
const SIDE: usize = 56;

/// Places along a line.
const LINE: usize = 400;

/// How far beyond the outermost point is looked, as a share of the points' width.
const AROUND: f64 = 0.12;

/// A function of one or two inputs, with the points that it was fitted to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// The replicate.
    pub replicate: u64,
    /// The step of the weights.
    pub step: u64,
    /// The places along the first input, increasing.
    pub first: Vec<f64>,
    /// The places along the second input, increasing; empty where there is one input.
    pub second: Vec<f64>,
    /// The outputs there, all of the first input for each place of the second.
    pub outputs: Vec<f64>,
    /// The training inputs; the second number is 0 where there is one input.
    pub points: Vec<[f64; 2]>,
    /// Their targets.
    pub targets: Vec<f64>,
    /// The two nearest points; none below two.
    pub nearest: Option<Pair>,
    /// What infinitely wide networks do at these places, where the study has test points.
    pub wide: Option<WideFit>,
}

/// Outputs of infinitely wide networks at the places of a [`Fitted`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WideFit {
    /// How they are trained.
    pub limit: Limit,
    /// Their mean over initial weights.
    pub mean: Vec<f64>,
    /// Their standard deviation.
    pub deviation: Vec<f64>,
}

/// What the first kept replicate of a cell has fitted; none without one, above two dimensions, and
/// of several outputs.
pub(super) fn fitted(cell: &Cell, record: &Record) -> Option<Fitted> {
    let kept = record.kept.iter().find(|kept| kept.replicate == 0)?;
    let finite = kept.weights.iter().all(|w| w.is_finite());
    match cell.dim() {
        1 | 2 if finite && cell.outputs() == 1 => {
            let row = record.rows.iter().find(|row| row.replicate == 0);
            Some(around(cell, kept, row))
        }
        _ => None,
    }
}

/// The training set of a kept replicate as it was before it was scaled.
fn original(cell: &Cell, kept: &Kept) -> Set {
    let (mut x, mut y) = (kept.x.clone(), kept.y.clone());
    if let Some(scaling) = cell.scaling(kept.replicate) {
        scaling.original_inputs(&mut x);
        scaling.original_outputs(&mut y);
    }
    Set {
        points: cell.setting.data.points,
        x,
        y,
    }
}

fn around(cell: &Cell, kept: &Kept, row: Option<&Row>) -> Fitted {
    let dim = cell.dim();
    let set = original(cell, kept);
    let coordinate = |k: usize| set.x.iter().skip(k).step_by(dim).copied();
    let places = |k: usize, n: usize| -> Vec<f64> {
        let low = coordinate(k).fold(f64::INFINITY, f64::min);
        let high = coordinate(k).fold(f64::NEG_INFINITY, f64::max);
        let width = if high > low { high - low } else { 2.0 };
        let (from, to) = (low - AROUND * width, high + AROUND * width);
        let share = |i: usize| i as f64 / (n - 1) as f64;
        (0..n).map(|i| from + share(i) * (to - from)).collect()
    };
    let (first, second) = if dim == 1 {
        (places(0, LINE), Vec::new())
    } else {
        (places(0, SIDE), places(1, SIDE))
    };
    let scaling = cell.scaling(kept.replicate);
    // The network takes what it was trained on; the figure shows what was measured.
    let output = |x: &[f64]| {
        let mut x = x.to_vec();
        if let Some(scaling) = &scaling {
            scaling.inputs(&mut x);
        }
        let mut f = [output(cell, &kept.weights, &x)];
        if let Some(scaling) = &scaling {
            scaling.original_outputs(&mut f);
        }
        f[0]
    };
    let places: Vec<f64> = if dim == 1 {
        first.clone()
    } else {
        let rows = second.iter();
        rows.flat_map(|y| first.iter().map(move |x| [*x, *y]))
            .flatten()
            .collect()
    };
    let outputs = places.chunks_exact(dim).map(output).collect();
    let row = row.filter(|_| cell.setting.test.is_some());
    Fitted {
        wide: row.and_then(|row| wide_fit(cell, kept, row, &places)),
        replicate: kept.replicate,
        step: kept.step,
        first,
        second,
        outputs,
        points: (set.x.chunks_exact(dim))
            .map(|x| [x[0], x.get(1).copied().unwrap_or(0.0)])
            .collect(),
        nearest: set.nearest_pair(),
        targets: set.y,
    }
}

/// What infinitely wide networks that are trained on the set of a kept replicate do at these places
/// [M, d]: by descent as long as its own, or until nothing moves where that is not known.
fn wide_fit(cell: &Cell, kept: &Kept, row: &Row, places: &[f64]) -> Option<WideFit> {
    let wide = wide(cell)?;
    let scaling = cell.scaling(kept.replicate);
    let mut x = places.to_vec();
    if let Some(scaling) = &scaling {
        scaling.inputs(&mut x);
    }
    let train = wide.kernels(&kept.x, cell.dim()).finite().ok()?;
    let cross = wide.cross(&x, &kept.x, cell.dim()).finite().ok()?;
    let of = |limit: Limit| {
        let found = limit.predict(cell, asked(cell, row), (&train, &cross), &kept.y)?;
        Some((limit, found))
    };
    let (limit, found) = of(Limit::Descent).or_else(|| of(Limit::Regression))?;
    let mut deviation = found.deviation();
    let mut mean = found.mean;
    if let Some(scaling) = &scaling {
        scaling.original_outputs(&mut mean);
        scaling.original_deviations(&mut deviation);
    }
    let finite = mean.iter().chain(&deviation).all(|v| v.is_finite());
    finite.then_some(WideFit {
        limit,
        mean,
        deviation,
    })
}

/// The output of a network with these effective weights, layer by layer: weights [fan_out, fan_in],
/// then biases.
fn output(cell: &Cell, weights: &[f64], x: &[f64]) -> f64 {
    let net = &cell.setting.net;
    let sizes = net::sizes(net, cell.dim(), cell.outputs());
    let (mut at, mut values) = (0, x.to_vec());
    for (l, pair) in sizes.windows(2).enumerate() {
        let (fan_in, fan_out) = (pair[0], pair[1]);
        let matrix = &weights[at..at + fan_in * fan_out];
        at += fan_in * fan_out;
        let biases = &weights[at..at + if net.bias { fan_out } else { 0 }];
        at += biases.len();
        let sums = matrix.chunks_exact(fan_in).enumerate().map(|(j, row)| {
            let sum: f64 = row.iter().zip(&values).map(|(w, v)| w * v).sum();
            sum + biases.get(j).copied().unwrap_or(0.0)
        });
        values = if l + 2 == sizes.len() {
            sums.map(|z| value(net.output.activation(), z)).collect()
        } else {
            sums.map(|z| value(net.activation, z)).collect()
        };
    }
    values[0]
}

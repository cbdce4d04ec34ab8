//! What theorems of convergence ask for of a cell, beside what it has and does.

use serde::Serialize;

use super::summary::Judged;
use crate::net::{Activation, BiasInit, Init, Net, tensors};
use crate::plan::Cell;
use crate::record::{Observation, Record};
use crate::stats::median;
use crate::theory::bounds::{
    dead_layer, linear_distance, path_bound, relu_gram_smallest, width_asked,
};

/// Training sets over which λ₀ is a median.
const SETS: usize = 40;

/// Training points up to which it is asked for: its eigenproblem grows as their cube.
const POINTS: usize = 100;

/// Theorems about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// Parameters for each target, of which a point has one for each output; below 1 no network of
    /// its size fits every target.
    pub parameters_a_target: f64,
    /// Units of its narrowest hidden layer; none without one.
    pub width: Option<usize>,
    /// The width that is asked for (Du et al. 2019), and λ₀, from which it comes; medians over
    /// training sets. None for many points.
    pub asked: Option<Asked>,
    /// How far weights went; none where none got below, or they were not looked at.
    pub path: Option<Path>,
    /// The probability that a hidden layer is 0 at a given input: of ReLU, where weights and biases
    /// are drawn from symmetric laws.
    pub dead: Option<f64>,
}

/// What the theorem about the width takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Asked {
    /// λ₀ of the inputs, scaled to length 1.
    pub gram_smallest: f64,
    /// [`width_asked`].
    pub width: f64,
    /// δ, the share of failures that the study allows.
    pub failures: f64,
}

/// Ways of replicates that got below, medians; in the coordinates in which all parameters have one
/// rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Path {
    /// How many.
    pub replicates: usize,
    /// ‖w − w₀‖ of the weights, biases left out.
    pub moved: f64,
    /// How far the network linearised at its start goes, biases included.
    pub linear: f64,
    /// ‖r₀‖/√λmin(Θ₀).
    pub bound: f64,
    /// ‖Θ − Θ₀‖/λmin(Θ₀) at the end (Frobenius). By Weyl's inequality λmin stays above half of what
    /// it was if this is at most ½, which is what proofs by a kernel that stays have to show.
    pub kernel_moved: f64,
}

/// What theorems say of a cell.
pub(super) fn bounds(
    cell: &Cell,
    record: &Record,
    looks: &[(&Observation, &Observation)],
    judged: &[Judged],
    parameters: usize,
) -> Bounds {
    let setting = &cell.setting;
    let targets = setting.data.targets_in_all();
    Bounds {
        parameters_a_target: parameters as f64 / targets as f64,
        width: setting.net.hidden.iter().copied().min(),
        asked: asked(cell, judged.len()),
        path: path(cell, record, looks),
        dead: symmetric(&setting.net).then(|| dead_layer(&setting.net.hidden)),
    }
}

fn asked(cell: &Cell, sets: usize) -> Option<Asked> {
    let points = cell.setting.data.points;
    // The theorem is of one linear output and squares.
    let plain = cell.outputs() == 1 && cell.is_regression();
    if points > POINTS || sets == 0 || !plain {
        return None;
    }
    let of = |r: usize| relu_gram_smallest(&cell.set(r as u64).x, cell.dim());
    let all: Vec<f64> = (0..sets.min(SETS)).map(of).collect();
    let gram_smallest = median(&all);
    let failures = 1.0 - cell.setting.success.share;
    // Eigenvalues at and below round-off are not known to differ from 0.
    let known = gram_smallest > points as f64 * f64::EPSILON;
    let smallest = if known { gram_smallest } else { 0.0 };
    (!gram_smallest.is_nan()).then(|| Asked {
        gram_smallest: smallest,
        width: width_asked(points, smallest, failures),
        failures,
    })
}

/// Whether a layer of ReLU is 0 with probability 2^(−n).
fn symmetric(net: &Net) -> bool {
    let weights = match net.init {
        Init::Pytorch
        | Init::XavierUniform
        | Init::XavierNormal
        | Init::KaimingUniform
        | Init::KaimingNormal
        | Init::LecunNormal
        | Init::Normal { .. }
        | Init::WeightStd(_) => true,
        Init::Uniform(law) => law.is_centred(),
        // Rows are not independent, constants have no law.
        Init::Orthogonal | Init::Constant(_) | Init::File(_) => false,
    };
    let biases = match net.bias_law() {
        BiasInit::Pytorch | BiasInit::Zeros | BiasInit::Normal { .. } => true,
        BiasInit::Uniform(law) => law.is_centred(),
    };
    let scaled = net.gains.iter().flatten().all(|g| g.abs() > 0.0);
    let relu = net.activation == Activation::Relu && !net.hidden.is_empty();
    weights && biases && scaled && relu
}

fn path(cell: &Cell, record: &Record, looks: &[(&Observation, &Observation)]) -> Option<Path> {
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let problem = cell.problem();
    let of = |(first, last): &(&Observation, &Observation)| {
        let row = record.rows.get(first.replicate as usize)?;
        if !row.reached() || !cell.is_regression() || last.step == first.step {
            return None;
        }
        let (values, c) = (first.eigenvalues.as_ref()?, first.coefficients.as_ref()?);
        let (moved, start) = (last.weights_moved.as_ref()?, cell.weights(row.replicate));
        let square: f64 = (tensors(&cell.setting.net, cell.dim(), cell.outputs())
            .iter()
            .enumerate())
        .filter(|(at, tensor)| !tensor.is_bias && problem.rate_factors[*at] > 0.0)
        .filter_map(|(at, tensor)| {
            let far = moved.get(tensor.layer)? * norm(&start[tensor.range()]);
            let scale = problem.rate_factors[at] * problem.multipliers[at].powi(2);
            Some(far * far / scale)
        })
        .sum();
        let smallest = values.first().copied()?;
        Some([
            square.sqrt(),
            linear_distance(values, c),
            path_bound(norm(c), smallest),
            last.kernel_moved? * norm(values) / smallest,
        ])
    };
    let all: Vec<[f64; 4]> = looks.iter().filter_map(of).collect();
    let middle = |k: usize| median(&all.iter().map(|p| p[k]).collect::<Vec<_>>());
    (!all.is_empty()).then(|| Path {
        replicates: all.len(),
        moved: middle(0),
        linear: middle(1),
        bound: middle(2),
        kernel_moved: middle(3),
    })
}

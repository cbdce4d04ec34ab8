//! Kernels, predictions and curvature as arrays.

use numpy::{PyReadonlyArray2, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use thalweg::Error;
use thalweg::descent::Method;
use thalweg::observe::{self, Tangent};
use thalweg::plan::Cell;
use thalweg::theory::linear::Rule;
use thalweg::theory::ntk::{Kernels, Wide};
use thalweg::theory::phase::{PhaseMap, Window};
use thalweg::theory::regression::{Training, conditioned, descended};
use thalweg_report::phase::phase_svg;

use crate::run::{Numbers, Plan, flat, shaped};
use crate::{json, raised};

/// The rows of a matrix, one after the other, and how long they are.
fn rows(matrix: &PyReadonlyArray2<'_, f64>) -> (Vec<f64>, usize) {
    let array = matrix.as_array();
    (array.iter().copied().collect(), array.ncols())
}

fn wide(cell: &Cell, dim: usize) -> PyResult<Wide> {
    let rates = cell.setting.descent.layer_rates.as_deref();
    Wide::new(&cell.setting.net, dim, cell.outputs(), rates).map_err(raised)
}

fn mistaken(message: String, hint: &str) -> PyErr {
    raised(Error::Unknown {
        message,
        hint: hint.into(),
    })
}

/// Two lists of inputs of one dimension.
fn alike(dim: usize, other: usize) -> PyResult<()> {
    if dim == other {
        return Ok(());
    }
    let message = format!("inputs of dimension {other} beside inputs of dimension {dim}");
    Err(mistaken(message, "both are [points, d] with the same d"))
}

/// As many targets as there are inputs and outputs, and some.
fn as_many(targets: usize, points: usize, outputs: usize) -> PyResult<()> {
    if targets == points * outputs && targets > 0 {
        return Ok(());
    }
    let message = format!("{targets} targets for {points} inputs");
    Err(mistaken(message, "y is [points] or [points, outputs]"))
}

/// NNGP and NTK of the infinitely wide network of a plan's base cell, of inputs with themselves, or
/// with others.
#[pyfunction]
#[pyo3(signature = (plan, x, z=None))]
pub(crate) fn kernels<'py>(
    py: Python<'py>,
    plan: &Plan,
    x: PyReadonlyArray2<'py, f64>,
    z: Option<PyReadonlyArray2<'py, f64>>,
) -> PyResult<(Numbers<'py>, Numbers<'py>)> {
    let (x, dim) = rows(&x);
    let z = z.as_ref().map(rows);
    if let Some((_, other)) = &z {
        alike(dim, *other)?;
    }
    let net = wide(plan.cell(0)?, dim)?;
    let found = py.detach(|| match &z {
        Some((z, _)) => net.cross(&x, z, dim).finite(),
        None => net.kernels(&x, dim).finite(),
    });
    let Kernels {
        rows,
        columns,
        nngp,
        ntk,
        ..
    } = found.map_err(raised)?;
    Ok((
        shaped(py, nngp, &[rows, columns])?,
        shaped(py, ntk, &[rows, columns])?,
    ))
}

/// The order/chaos map of a plan's base cell as JSON, and its picture: to these variances, so many
/// points each way.
#[pyfunction]
#[pyo3(signature = (plan, weights, biases, points))]
pub(crate) fn phase(
    py: Python<'_>,
    plan: &Plan,
    weights: Option<f64>,
    biases: Option<f64>,
    points: usize,
) -> PyResult<(String, String)> {
    if let Some(most) = [weights, biases]
        .into_iter()
        .flatten()
        .find(|v| !(0.0..1e6).contains(v))
    {
        let message = format!("a variance of {most} is no end of a map");
        return Err(mistaken(message, "a positive variance, as 4"));
    }
    let window = Window {
        weight_variance: weights,
        bias_variance: biases,
        points: points.min(1000),
    };
    let cell = plan.cell(0)?;
    let net = wide(cell, cell.dim())?;
    let map = py.detach(|| PhaseMap::new(&net, &cell.set(0).x, window, plan.threads()));
    let map = map.map_err(raised)?;
    Ok((json(&map)?, phase_svg(&map)))
}

/// Mean [M, k] and covariance [M, M] at new inputs of the infinitely wide network of a plan's base
/// cell: `how` is `"steps"` (t of them at the rate), `"flow"` (for the time t), `"forever"`,
/// `"ridge"` or `"nngp"`.
#[pyfunction]
#[pyo3(signature = (plan, x, y, x_new, how, t=0.0, rate=0.0, ridge=0.0))]
#[allow(
    clippy::too_many_arguments,
    reason = "the Python side names them, and has one function for each meaning"
)]
pub(crate) fn predict<'py>(
    py: Python<'py>,
    plan: &Plan,
    x: PyReadonlyArray2<'py, f64>,
    y: PyReadonlyArray2<'py, f64>,
    x_new: PyReadonlyArray2<'py, f64>,
    how: &str,
    t: f64,
    rate: f64,
    ridge: f64,
) -> PyResult<(Numbers<'py>, Numbers<'py>)> {
    let ((x, dim), (y, k), (new, other)) = (rows(&x), rows(&y), rows(&x_new));
    alike(dim, other)?;
    let (n, m) = (x.len() / dim.max(1), new.len() / dim.max(1));
    as_many(y.len(), n, k)?;
    let cell = plan.cell(0)?;
    let loss_factor = cell.setting.descent.loss.factor(n * k);
    let training = match how {
        "nngp" => None,
        "steps" => Some(Training::Steps {
            loss_factor,
            rate,
            steps: t,
        }),
        "flow" => Some(Training::Flow {
            loss_factor,
            time: t,
        }),
        "ridge" => Some(Training::Ridge { penalty: ridge }),
        _ => Some(Training::Forever),
    };
    let net = wide(cell, dim)?;
    let found = py.detach(|| {
        let train = net.kernels(&x, dim).finite()?;
        let cross = net.cross(&new, &x, dim).finite()?;
        let own = net.kernels(&new, dim).finite()?;
        let column =
            |output: usize| -> Vec<f64> { y.iter().skip(output).step_by(k).copied().collect() };
        let of = |y: &[f64]| match training {
            Some(training) => descended(&train, &cross, &own, y, training),
            None => conditioned(&train, &cross, &own, y, ridge),
        };
        let all: Vec<_> = (0..k).map(|output| of(&column(output))).collect();
        let means = (0..m).flat_map(|i| all.iter().map(move |p| p.mean[i]));
        Ok((means.collect::<Vec<f64>>(), all[0].covariance.clone()))
    });
    let (mean, covariance) = found.map_err(raised)?;
    Ok((shaped(py, mean, &[m, k])?, shaped(py, covariance, &[m, m])?))
}

/// Flat weights of a cell from arrays with the names of `nn.Sequential`.
fn weights(cell: &Cell, arrays: &Bound<'_, PyDict>) -> PyResult<Vec<f64>> {
    let mut all = Vec::new();
    for tensor in &cell.problem().tensors {
        let found = arrays.get_item(&tensor.name)?;
        let found = found.ok_or_else(|| {
            mistaken(
                format!("there is no tensor `{}`", tensor.name),
                "names and shapes are those of PyTorch's `state_dict` of `nn.Sequential`",
            )
        })?;
        let values: PyReadonlyArrayDyn<'_, f64> = found.extract()?;
        if values.as_array().shape() != tensor.shape {
            return Err(mistaken(
                format!(
                    "`{}` has the shape {:?}, not {:?}",
                    tensor.name,
                    values.as_array().shape(),
                    tensor.shape
                ),
                "[fan_out, fan_in], as PyTorch has it",
            ));
        }
        all.extend(flat(&values));
    }
    Ok(all)
}

/// The empirical tangent kernel J Jᵀ [N k, N k] of a network with these weights, and its outputs
/// [N, k].
#[pyfunction]
pub(crate) fn empirical<'py>(
    py: Python<'py>,
    plan: &Plan,
    arrays: &Bound<'py, PyDict>,
    x: PyReadonlyArray2<'py, f64>,
) -> PyResult<(Numbers<'py>, Numbers<'py>)> {
    let cell = plan.cell(0)?;
    let (x, dim) = rows(&x);
    alike(cell.dim(), dim)?;
    let weights = weights(cell, arrays)?;
    let problem = cell.problem();
    let (kernel, outputs) = py.detach(|| {
        let tangent = Tangent::new(&problem, &weights, &x);
        (observe::kernel(&problem, &tangent), tangent.outputs)
    });
    let (n, k) = (x.len() / dim, cell.outputs());
    Ok((
        shaped(py, kernel, &[n * k, n * k])?,
        shaped(py, outputs, &[n, k])?,
    ))
}

/// The eigenvalues [P] of the Hessian of the loss, increasing, in the numbers in which all layers
/// have one rate.
#[pyfunction]
pub(crate) fn curvature<'py>(
    py: Python<'py>,
    plan: &Plan,
    arrays: &Bound<'py, PyDict>,
    x: PyReadonlyArray2<'py, f64>,
    y: PyReadonlyArray2<'py, f64>,
) -> PyResult<Numbers<'py>> {
    let cell = plan.cell(0)?;
    let ((x, dim), (y, _)) = (rows(&x), rows(&y));
    alike(cell.dim(), dim)?;
    let points = x.len() / dim;
    as_many(y.len(), points, cell.outputs())?;
    let weights = weights(cell, arrays)?;
    let problem = thalweg::engine::Problem {
        points,
        ..cell.problem()
    };
    let found = py.detach(|| {
        let tangent = Tangent::new(&problem, &weights, &x);
        let residual = observe::pull(&problem, &tangent.outputs, &y);
        observe::curvature(&problem, &weights, &tangent, &residual).eigenvalues
    });
    let p = found.len();
    shaped(py, found, &[p])
}

/// The largest stable rate on a kernel with this largest eigenvalue, of the rule and the loss of a
/// plan's base cell on so many targets.
#[pyfunction]
pub(crate) fn largest_stable_rate(plan: &Plan, largest: f64, targets: usize) -> PyResult<f64> {
    let descent = &plan.cell(0)?.setting.descent;
    let rule = match descent.method {
        Method::Adam { .. } | Method::AdamW { .. } => None,
        Method::Gd | Method::Momentum { .. } | Method::Nesterov { .. } => Rule::of(descent),
    };
    let rule = rule.ok_or_else(|| raised(thalweg::NoTheory::NoLinearRule.into()))?;
    Ok(rule.largest_stable_rate(descent.loss.factor(targets), largest))
}

//! What a study would cost and what theory expects of it, before anything is trained.

use serde::Serialize;

use crate::analysis::forecast::{Prediction, predict};
use crate::descent::Rate;
use crate::engine::{Activation, Engine, Method, Precision, Problem, Snapshot};
use crate::error::Error;
use crate::lab::{Control, calibrate, job};
use crate::observe;
use crate::plan::{Cell, Plan};
use crate::stats::quantile_of;
use crate::study::Observable;

/// A cell before it is run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Price {
    /// The cell's number.
    pub cell: usize,
    /// What it is.
    pub label: String,
    /// Replicates, at most.
    pub replicates: u64,
    /// Number of parameters.
    pub parameters: usize,
    /// Replicate-steps a second on this machine, measured.
    pub rate: f64,
    /// Seconds if every replicate makes all its steps.
    pub at_most: f64,
    /// Seconds if every replicate ends where its initial kernel predicts, or at the budget.
    pub expected: Option<f64>,
    /// Median of the predicted step; infinite if never.
    pub predicted_median: Option<f64>,
    /// 80 % quantile of the same.
    pub predicted_q80: Option<f64>,
    /// Predicted share within the budget.
    pub predicted_success: Option<f64>,
    /// Median η over the largest stable rate.
    pub over_limit: Option<f64>,
}

/// What the time of a step depends on.
#[derive(PartialEq)]
struct StepWork {
    sizes: Vec<usize>,
    activation: Activation,
    method: Method,
    precision: Precision,
    points: usize,
    bias: bool,
}

impl StepWork {
    fn of(problem: &Problem) -> StepWork {
        StepWork {
            sizes: problem.sizes.clone(),
            activation: problem.activation,
            method: problem.method,
            precision: problem.precision,
            points: problem.points,
            bias: problem.bias,
        }
    }
}

/// Prices every cell: kernels of the first `draws` replicates, and a short calibration of the
/// engine for every different amount of work, by a clock in seconds.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub fn price(
    plan: &Plan,
    engine: &dyn Engine,
    threads: usize,
    draws: u64,
    clock: &(dyn Fn() -> f64 + Sync),
    control: &Control<'_>,
) -> Result<Vec<Price>, Error> {
    let mut measured: Vec<(StepWork, f64)> = Vec::new();
    plan.cells
        .iter()
        .map(|cell| {
            if (control.stopped)() {
                return Err(Error::Stopped {
                    done: 0,
                    cells: plan.cells.len(),
                });
            }
            let work = StepWork::of(&cell.problem());
            let known = measured
                .iter()
                .find(|(w, _)| *w == work)
                .map(|(_, rate)| *rate);
            let rate = match known {
                Some(rate) => rate,
                None => {
                    let rate = calibrate(cell, engine, threads, clock, 0.05)?;
                    measured.push((work, rate));
                    rate
                }
            };
            Ok(of_cell(cell, rate, draws))
        })
        .collect()
}

fn of_cell(cell: &Cell, rate: f64, draws: u64) -> Price {
    let replicates = cell.setting.replicates.at_most();
    let budget = cell.setting.descent.steps as f64;
    let predictions: Vec<(f64, Prediction)> = (0..replicates.min(draws))
        .filter_map(|r| {
            let problem = cell.problem();
            let start = job(cell, &problem, r);
            let here = Snapshot {
                step: 0,
                loss: f64::NAN,
                weights: start.weights,
            };
            let set = crate::data::Set {
                x: start.x,
                y: start.y,
            };
            let look =
                observe::look(&problem, &[Observable::Ntk], r, start.rate, &set, &[here]).pop()?;
            Some((start.rate, predict(cell, start.rate, &look)?))
        })
        .collect();
    let steps: Vec<f64> = predictions.iter().map(|(_, p)| p.as_number()).collect();
    let some = !steps.is_empty();
    let mean = steps.iter().map(|s| s.min(budget)).sum::<f64>() / steps.len().max(1) as f64;
    let over: Vec<f64> = predictions
        .iter()
        .map(|(rate, p)| rate / p.largest_stable_rate)
        .collect();
    Price {
        cell: cell.number,
        label: cell.describe(),
        replicates,
        parameters: crate::net::parameters(&cell.setting.net, cell.dim()),
        rate,
        at_most: replicates as f64 * budget / rate,
        expected: some.then(|| replicates as f64 * mean / rate),
        predicted_median: some.then(|| quantile_of(&steps, 0.5)),
        predicted_q80: some.then(|| quantile_of(&steps, 0.8)),
        predicted_success: some
            .then(|| steps.iter().filter(|s| **s <= budget).count() as f64 / steps.len() as f64),
        over_limit: match cell.setting.descent.rate {
            Rate::Absolute(_) | Rate::OfLimit(_) => some.then(|| quantile_of(&over, 0.5)),
        },
    }
}

//! The loss of a cell against the step, and where its first curve ends.

use serde::Serialize;

use super::forecast::linear;
use crate::plan::{Cell, log_steps};
use crate::record::{Observation, Outcome, Record};
use crate::stats::median;

/// Steps at the end of a kept curve whose losses are kept here.
const LAST: usize = 32;

/// The loss over all replicates against the step. Ended replicates count with their last loss,
/// diverged ones as infinite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossBand {
    /// Steps.
    pub steps: Vec<u64>,
    /// 10 % quantile at each.
    pub q10: Vec<f64>,
    /// Median at each.
    pub median: Vec<f64>,
    /// 90 % quantile at each.
    pub q90: Vec<f64>,
    /// `(step, loss)`: the median of what each network's own initial kernel predicts, to its own
    /// end: far below the threshold, or the budget. None without predictions.
    pub predicted: Option<Vec<(u64, f64)>>,
}

/// The end of a loss curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastLosses {
    /// The rate.
    pub rate: f64,
    /// The losses of the last steps.
    pub losses: Vec<f64>,
    /// Whether they differ by more than round-off.
    pub moving: bool,
}

/// The quantiles of the loss, beside the median of what the initial kernels predict.
pub(super) fn loss_band(
    cell: &Cell,
    record: &Record,
    looks: &[(&Observation, &Observation)],
) -> LossBand {
    // The grid of the record ends with its longest run, a prediction need not.
    let grid = log_steps(cell.setting.descent.steps, 20);
    let curves: Vec<Vec<f64>> = (looks.iter())
        .filter_map(|(first, _)| {
            let rate = record.rows.get(first.replicate as usize)?.rate;
            Some(linear(cell, rate, first)?.losses(&grid))
        })
        .collect();
    let middle = |i: usize| median(&curves.iter().map(|c| c[i]).collect::<Vec<_>>());
    let mut predicted: Vec<(u64, f64)> = Vec::new();
    for (i, step) in grid.iter().enumerate() {
        let loss = middle(i);
        predicted.push((*step, loss));
        if loss < 1e-3 * cell.loss_at_most() {
            break;
        }
    }
    let quantile = |k: usize| record.quantiles.iter().map(|q| q[k]).collect();
    LossBand {
        steps: record.grid.clone(),
        q10: quantile(0),
        median: quantile(1),
        q90: quantile(2),
        predicted: (!curves.is_empty()).then_some(predicted),
    }
}

/// The end of the first kept curve.
pub(super) fn last_losses(record: &Record) -> Option<LastLosses> {
    let row = record.rows.first()?;
    let curve = record.curves.first()?;
    // What escapes has no last losses.
    if let Outcome::Diverged { .. } = row.outcome {
        return None;
    }
    let (steps, losses) = (&curve.steps, &curve.losses);
    // Where descent soon changed no bit any more, the last one says it all.
    let first = (losses.len().checked_sub(LAST)).unwrap_or(losses.len().checked_sub(1)?);
    // Every one of the last steps is there.
    if steps[first] + (losses.len() - first) as u64 != steps.last()? + 1 {
        return None;
    }
    let last = &losses[first..];
    let low = last.iter().copied().fold(f64::INFINITY, f64::min);
    let high = last.iter().copied().fold(0.0, f64::max);
    Some(LastLosses {
        rate: row.rate,
        losses: last.to_vec(),
        moving: high.is_finite() && high > 1.001 * low && high > 1e-12 * losses[0],
    })
}

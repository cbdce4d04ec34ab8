//! When the replicates of a cell get below the loss: quantiles, and the share that still waits.

use std::fmt;

use serde::Serialize;

use super::LEVEL;
use crate::plan::Cell;
use crate::record::{Outcome, Record, Row};
use crate::stats::{Hit, Wait, kaplan_meier, quantile, quantile_interval};

/// Most points of a survival curve.
const SURVIVAL: usize = 200;

/// A quantile of hitting times over all replicates, with its interval; what is none lies beyond the
/// budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quantile {
    /// The quantile.
    pub step: Option<u64>,
    /// Lower end of its interval.
    pub low: Option<u64>,
    /// Upper end of its interval.
    pub high: Option<u64>,
}

/// The step with its interval, `175 [168, 184]`; what lies beyond the budget is `–`, and so is an
/// interval all of which does.
impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = |step: Option<u64>| step.map_or("–".to_string(), |step| step.to_string());
        if (self.step, self.low, self.high) == (None, None, None) {
            return f.write_str("–");
        }
        let (at, low, high) = (step(self.step), step(self.low), step(self.high));
        write!(f, "{at} [{low}, {high}]")
    }
}

impl Quantile {
    /// The q-quantile, with the interval of order statistics.
    pub(super) fn of(hits: &[Option<u64>], q: f64) -> Quantile {
        let (low, high) = quantile_interval(hits, q, LEVEL);
        Quantile {
            step: quantile(hits, q),
            low,
            high,
        }
    }
}

/// Quantiles of the hitting time over all replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HittingTimes {
    /// 50 %.
    pub median: Quantile,
    /// 80 %.
    pub q80: Quantile,
    /// 90 %.
    pub q90: Quantile,
}

/// When a replicate gets below the loss: one whose budget was over may still do so, one that
/// diverged or came to rest never will.
pub fn wait(row: &Row) -> Wait {
    match row.outcome {
        Outcome::Below { step } => Wait::Until(step as f64),
        Outcome::Spent => Wait::After(row.steps as f64),
        Outcome::Diverged { .. } | Outcome::Fixed { .. } => Wait::Never,
    }
}

/// The share of replicates that wait for the loss against the step, thinned, to the budget.
pub(super) fn survival(cell: &Cell, record: &Record) -> Vec<(f64, f64)> {
    let budget = cell.setting.descent.steps as f64;
    // A run that has diverged or stopped moving will never get below.
    let hits: Vec<Hit> = (record.rows.iter())
        .map(|row| Hit {
            time: row.hit().map_or(budget, |step| step as f64),
            censored: row.hit().is_none(),
        })
        .collect();
    let curve = kaplan_meier(&hits);
    let last = curve.last().map_or(1.0, |(_, share, _)| *share);
    let stride = curve.len().div_ceil(SURVIVAL).max(1);
    let kept = (0..curve.len()).filter(|i| i % stride == 0 || i + 1 == curve.len());
    kept.map(|i| (curve[i].0, curve[i].1))
        .chain([(budget, last)])
        .collect()
}

//! What the spread of the steps comes from in a crossed design: training sets or initial weights.

use serde::Serialize;

use super::LEVEL;
use crate::data::Draw;
use crate::plan::Cell;
use crate::record::{Record, Row};
use crate::stats::{self, Components};

/// The variance of the logarithm of the steps in a crossed design: of the training set, of the
/// initial weights, and of their combination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    /// Training sets.
    pub sets: u64,
    /// Initial weights of each.
    pub weights: u64,
    /// Of the steps, cut at the budget where the loss was not reached.
    pub steps: Option<Components>,
    /// The least and the largest share of success of a training set over all initial weights.
    pub by_set: [f64; 2],
    /// The same of initial weights over all training sets.
    pub by_weights: [f64; 2],
    /// Replicates that were cut.
    pub cut: u64,
    /// Independent trials with which the success probability would be as uncertain.
    pub trials: f64,
}

/// The split of a cell; none unless all of a crossed design was kept row by row.
pub(super) fn split(cell: &Cell, record: &Record) -> Option<Split> {
    let Draw::Crossed(of) = cell.setting.data.draw else {
        return None;
    };
    let (sets, weights) = (of.sets as usize, of.weights as usize);
    if record.rows.len() != sets * weights {
        return None;
    }
    // The training set varies fastest: [weights, sets].
    let table = |f: &dyn Fn(&Row) -> f64| {
        let values: Vec<f64> = record.rows.iter().map(f).collect();
        stats::components(&values, weights, sets, LEVEL)
    };
    let budget = cell.setting.descent.steps;
    let steps = table(&|row| (row.hit().unwrap_or(budget).max(1) as f64).ln());
    // In the order of the names: training set, initial weights, rest.
    let steps = steps.map(|c| Components {
        variances: [1, 0, 2].map(|k| c.variances[k]),
        shares: [1, 0, 2].map(|k| c.shares[k]),
        ..c
    });
    let n = record.rows.len() as f64;
    let p = record.successes() as f64 / n;
    let success = table(&|row| f64::from(u8::from(row.reached())));
    let ends = |count: usize, of: &dyn Fn(usize) -> usize| {
        let mut reached = vec![0u64; count];
        let hits = record.rows.iter().enumerate().filter(|(_, r)| r.reached());
        hits.for_each(|(i, _)| reached[of(i)] += 1);
        let ends = [reached.iter().min(), reached.iter().max()];
        ends.map(|end| end.map_or(f64::NAN, |hits| *hits as f64 * count as f64 / n))
    };
    let fewest = sets.min(weights) as f64;
    Some(Split {
        sets: of.sets,
        weights: of.weights,
        steps,
        by_set: ends(sets, &|i| i % sets),
        by_weights: ends(weights, &|i| i / sets),
        cut: record.rows.iter().filter(|r| r.hit().is_none()).count() as u64,
        // Where all ended alike nothing tells what they share, and the least is claimed.
        trials: success.map_or(fewest, |c| (p * (1.0 - p) / c.of_mean).clamp(fewest, n)),
    })
}

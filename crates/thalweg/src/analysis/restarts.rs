//! Whether giving a try up and beginning again is cheaper than going on, and which question that
//! answers.

use serde::Serialize;

use super::LEVEL;
use super::summary::Summary;
use crate::data::Draw;
use crate::plan::Cell;
use crate::record::{Record, Row};
use crate::stats::{Restart, RestartWithin, holm, restart, restart_within};

/// Below this adjusted p-value restarting counts as cheaper.
const ALPHA: f64 = 0.05;

/// What is drawn anew when a try is begun again. Someone who has one training set cannot draw
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Redrawn {
    /// Training set and initial weights.
    SetAndWeights,
    /// The training set, with the same weights.
    Set,
    /// Initial weights, on one and the same training set.
    Weights,
    /// Initial weights, on each of several training sets.
    WeightsOfEachSet,
    /// Mini-batches alone.
    Batches,
}

impl Redrawn {
    /// What the replicates of a cell differ in; none if in nothing.
    pub fn of(cell: &Cell) -> Option<Redrawn> {
        if matches!(cell.setting.data.draw, Draw::Crossed(_)) {
            return Some(Redrawn::WeightsOfEachSet);
        }
        let set = cell.set(0) != cell.set(1);
        let weights = cell.weights(0) != cell.weights(1);
        let batches = cell.setting.descent.batch.is_some();
        match (set, weights) {
            (true, true) => Some(Redrawn::SetAndWeights),
            (true, false) => Some(Redrawn::Set),
            (false, true) => Some(Redrawn::Weights),
            (false, false) => batches.then_some(Redrawn::Batches),
        }
    }
}

/// What giving tries up and beginning again would do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Restarts {
    /// What is drawn anew.
    pub redrawn: Redrawn,
    /// What was found.
    pub evidence: Evidence,
    /// One-sided p of a gain of 1 or less.
    pub p: f64,
    /// The same, adjusted by Holm's procedure for all cells of the run of which it was asked.
    pub p_adjusted: f64,
}

/// On what a restart is judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Independent tries.
    Tries(Restart),
    /// Training sets, each with several weights.
    Sets(RestartWithin),
}

impl Restarts {
    /// Whether it is cheaper than going on, for all the cells that were asked.
    pub fn pays(&self) -> bool {
        self.p_adjusted < ALPHA
    }
}

/// What restarting does in a cell; the p-value is not yet adjusted.
pub(super) fn restarts(cell: &Cell, record: &Record) -> Option<Restarts> {
    let redrawn = Redrawn::of(cell)?;
    let budget = cell.setting.descent.steps;
    let evidence = match cell.setting.data.draw {
        Draw::Each | Draw::Once => Evidence::Tries(restart(&record.hits(), budget, LEVEL)?),
        Draw::Crossed(of) => {
            let whole = record.rows.len() as u64 == of.sets * of.weights;
            // The training set varies fastest.
            let set = |s: u64| {
                let rows = record
                    .rows
                    .iter()
                    .skip(s as usize)
                    .step_by(of.sets as usize);
                rows.map(Row::hit).collect::<Vec<_>>()
            };
            let sets: Vec<_> = (0..of.sets).filter(|_| whole).map(set).collect();
            Evidence::Sets(restart_within(&sets, budget)?)
        }
    };
    let p = match &evidence {
        Evidence::Tries(tries) => tries.p,
        Evidence::Sets(sets) => sets.p,
    };
    Some(Restarts {
        redrawn,
        evidence,
        p,
        p_adjusted: p,
    })
}

/// Adjusts the p-values of all cells together: a page that shows many of them would find some that
/// pay by chance.
pub(super) fn adjust(cells: &mut [Summary]) {
    let asked = || cells.iter().filter_map(|s| s.restarts.as_ref());
    let p: Vec<f64> = asked().map(|r| r.p).collect();
    let restarts = cells.iter_mut().filter_map(|s| s.restarts.as_mut());
    for (restarts, adjusted) in restarts.zip(holm(&p)) {
        restarts.p_adjusted = adjusted;
    }
}

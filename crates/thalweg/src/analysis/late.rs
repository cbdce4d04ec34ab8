//! How fast the loss falls late in training, beside what the kernels of the start and of the end
//! say of it.

use serde::Serialize;

use super::along::Along;
use super::forecast::{linear, rate_at};
use super::summary::Summary;
use crate::plan::Cell;
use crate::record::{Observation, Row};
use crate::stats::median;

/// Late in the training of one replicate: −d ln L/dt, per step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LateDecay {
    /// The replicate.
    pub replicate: u64,
    /// From its last recorded losses.
    pub measured: f64,
    /// That of the slowest mode of its kernel at the start.
    pub by_start: f64,
    /// That of the slowest mode of its kernel at the end.
    pub by_end: f64,
}

/// The late decay of a replicate whose loss fell to its end; none where it did not, where the rate
/// changed just before, or where a kernel leaves a mode at rest.
pub(super) fn late_decay(
    cell: &Cell,
    row: &Row,
    first: &Observation,
    last: &Observation,
) -> Option<LateDecay> {
    let late = last.course?.late?;
    let same_rate = |step: u64| rate_at(cell, row.rate, step).to_bits();
    if !(0.0 < last.loss && last.loss < late.loss) || same_rate(late.step) != same_rate(last.step) {
        return None;
    }
    let slowest = |look: &Observation| {
        let full = look.rank()? == cell.setting.data.targets_in_all();
        let linear = linear(cell, row.rate, look)?;
        let stable = linear.rate < linear.largest_stable_rate();
        (full && stable).then(|| linear.slowest_decay())
    };
    Some(LateDecay {
        replicate: row.replicate,
        measured: (late.loss / last.loss).ln() / (last.step - late.step) as f64,
        by_start: slowest(first)?,
        by_end: slowest(last)?,
    })
}

/// The late decays of the cells that a study leads with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Late {
    /// Median of the measured decay over that of the slowest mode of the kernel at the end.
    pub ratio: f64,
    /// Replicates whose ratio is within 1 % of 1.
    pub near: usize,
    /// By which factor the kernel at the start is off, in the median.
    pub start_off: f64,
    /// Every replicate.
    pub decays: Vec<LateDecay>,
}

/// The late decays of the cells along the leading number, or of all cells without one; none without
/// any.
pub(super) fn late(cells: &[Summary], along: Option<&Along>) -> Option<Late> {
    let leads = |s: &&Summary| {
        along.is_none_or(|along| along.members.iter().any(|(_, cell)| *cell == s.cell))
    };
    let decays: Vec<LateDecay> = (cells.iter().filter(leads))
        .filter_map(|s| s.looked.as_ref())
        .flat_map(|looked| looked.late.iter().copied())
        .collect();
    let by_end: Vec<f64> = decays.iter().map(|l| l.measured / l.by_end).collect();
    let by_start = decays.iter().map(|l| l.measured / l.by_start);
    let off: Vec<f64> = by_start.map(|ratio| ratio.ln().abs().exp()).collect();
    (!decays.is_empty()).then(|| Late {
        ratio: median(&by_end),
        near: by_end.iter().filter(|r| (*r - 1.0).abs() <= 0.01).count(),
        start_off: median(&off),
        decays,
    })
}

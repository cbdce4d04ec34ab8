//! What is said of all cells together: where the base cell stands, what one would not have
//! expected, how far theory carried.

use serde::Serialize;

use super::along::Along;
use super::findings::{Finding, Verdict};
use super::forecast::Forecast;
use super::late::{Late, late};
use super::restarts::Restarts;
use super::summary::{Reaches, Summary};
use crate::stats::median;

/// Fewest settings on the same data among which the base cell has a standing.
const PEERS: usize = 3;

/// ‖Θ − Θ₀‖/‖Θ₀‖ from which on a network counts as rich.
const RICH: f64 = 0.5;

/// Where the base cell stands among all cells on data of the same law.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Cells on data of the same law with the same success asked for, the base cell among them.
    pub peers: Vec<usize>,
    /// Cells whose whole interval reaches the share, by increasing cost ([`Summary::cost`]).
    pub reliable: Vec<usize>,
    /// How many miss it with their whole interval.
    pub failing: usize,
    /// The place of the base cell among the reliable, from 0; none if it is not.
    pub rank: Option<usize>,
    /// The reliable cell with the smallest median of steps.
    pub fastest: Option<usize>,
}

/// The standing of the base cell; none among fewer than three settings.
pub(super) fn standing(cells: &[Summary]) -> Option<Standing> {
    let base = cells.first()?;
    let peers: Vec<&Summary> = cells
        .iter()
        .filter(|s| {
            s.setting.data == base.setting.data && s.setting.success == base.setting.success
        })
        .collect();
    if peers.len() < PEERS {
        return None;
    }
    let mut reliable: Vec<&Summary> = peers.iter().copied().filter(|s| reliable(s)).collect();
    let fastest = reliable.iter().min_by_key(|s| median_step(s));
    let fastest = fastest.map(|s| s.cell);
    reliable.sort_by(|a, b| a.cost().total_cmp(&b.cost()));
    Some(Standing {
        peers: peers.iter().map(|s| s.cell).collect(),
        failing: peers.iter().filter(|s| s.reaches == Reaches::No).count(),
        rank: reliable.iter().position(|s| s.cell == base.cell),
        fastest,
        reliable: reliable.iter().map(|s| s.cell).collect(),
    })
}

fn reliable(s: &Summary) -> bool {
    s.reaches == Reaches::Yes
}

fn median_step(s: &Summary) -> u64 {
    s.steps.median.step.unwrap_or(u64::MAX)
}

/// What one would not have expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surprise {
    /// These are reliable above the largest stable rate of their initial kernels.
    ReliableAboveLimit(Vec<usize>),
    /// These are reliable although their initial kernels predict less than the share.
    BetterThanPredicted(Vec<usize>),
    /// These are cheaper to give up and begin again than to go on ([`Restarts::pays`]).
    Restart(Vec<usize>),
    /// These are not reliable although their initial kernels predict the share.
    WorseThanPredicted(Vec<usize>),
    /// Along the leading number these neighbours are in the other order; places in
    /// [`Along::reversals`].
    Reversals(Vec<usize>),
}

/// Everything unexpected, in the order in which it is told.
pub(super) fn surprises(cells: &[Summary], along: Option<&Along>) -> Vec<Surprise> {
    let share = cells.first().map_or(f64::NAN, |s| s.setting.success.share);
    let which = |test: &dyn Fn(&Summary) -> bool| -> Vec<usize> {
        cells.iter().filter(|s| test(s)).map(|s| s.cell).collect()
    };
    let over = |s: &Summary| s.looked.as_ref().map_or(f64::NAN, |l| l.over_limit_start);
    let predicted = |s: &Summary| s.by_start().map_or(f64::NAN, |f| f.success);
    let reversals = along.map_or(0, |a| a.reversals.len());
    let all = [
        Surprise::ReliableAboveLimit(which(&|s| over(s) > 1.0 && reliable(s))),
        Surprise::BetterThanPredicted(which(&|s| {
            predicted(s) < share && over(s) <= 1.0 && reliable(s)
        })),
        Surprise::Restart(which(&|s| {
            s.cell > 0 && s.restarts.as_ref().is_some_and(Restarts::pays)
        })),
        Surprise::WorseThanPredicted(which(&|s| {
            predicted(s) >= share && s.reaches == Reaches::No
        })),
        Surprise::Reversals((0..reversals).collect()),
    ];
    all.into_iter().filter(|s| !s.which().is_empty()).collect()
}

impl Surprise {
    /// The cells, or reversals, that it is about.
    pub fn which(&self) -> &[usize] {
        match self {
            Surprise::ReliableAboveLimit(which)
            | Surprise::BetterThanPredicted(which)
            | Surprise::Restart(which)
            | Surprise::WorseThanPredicted(which)
            | Surprise::Reversals(which) => which,
        }
    }
}

/// How far theory carried, over all cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Carried {
    /// Shares of success by the networks' own initial kernels against those observed; none with
    /// fewer than two cells.
    pub by_start: Option<Calibration>,
    /// The same by infinitely wide networks.
    pub by_infinite: Option<Calibration>,
    /// Where kernels hardly move against where they move far; none without both.
    pub regimes: Option<Regimes>,
    /// How fast the loss falls late in training; none where it was not seen.
    pub late: Option<Late>,
    /// By which factor the measurement is off, in the median of the predictions that fail; none if
    /// none does.
    pub failing_off: Option<f64>,
}

/// Predicted shares of success against observed ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Calibration {
    /// Cells.
    pub cells: usize,
    /// Mean absolute difference.
    pub off: f64,
    /// Mean of predicted − observed.
    pub bias: f64,
}

/// By which factor the initial kernel's step is off in the median cell, lazy and rich.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Regimes {
    /// Cells whose kernel moves by less than half of its norm.
    pub lazy: usize,
    /// The factor there.
    pub lazy_off: f64,
    /// Cells whose kernel moves more.
    pub rich: usize,
    /// The factor there.
    pub rich_off: f64,
}

pub(super) fn carried(cells: &[Summary], findings: &[Finding], along: Option<&Along>) -> Carried {
    let failing: Vec<f64> = findings
        .iter()
        .filter(|f| !f.published() && f.verdict == Verdict::Fails)
        .map(|f| f.measured / f.predicted)
        .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
        .map(|ratio| ratio.ln().abs().exp())
        .collect();
    Carried {
        failing_off: (!failing.is_empty()).then(|| median(&failing)),
        by_start: calibration(cells, Summary::by_start),
        by_infinite: calibration(cells, Summary::by_infinite),
        regimes: regimes(cells),
        late: late(cells, along),
    }
}

fn calibration(
    cells: &[Summary],
    of: impl Fn(&Summary) -> Option<&Forecast>,
) -> Option<Calibration> {
    let all: Vec<f64> = (cells.iter())
        .filter_map(|s| Some(of(s)?.success - s.share))
        .collect();
    let n = all.len() as f64;
    (all.len() > 1).then(|| Calibration {
        cells: all.len(),
        off: all.iter().map(|d| d.abs()).sum::<f64>() / n,
        bias: all.iter().sum::<f64>() / n,
    })
}

fn regimes(cells: &[Summary]) -> Option<Regimes> {
    let ratios: Vec<(f64, f64)> = (cells.iter())
        .filter_map(|s| {
            let moved = s.looked.as_ref()?.kernel_moved;
            let ratio = s.by_start()?.ratio?.identified()?;
            (ratio > 0.0 && ratio.is_finite() && moved.is_finite())
                .then(|| (moved, ratio.ln().abs().exp()))
        })
        .collect();
    let (lazy, rich): (Vec<_>, Vec<_>) = ratios.iter().partition(|(moved, _)| *moved < RICH);
    let middle = |v: &[(f64, f64)]| median(&v.iter().map(|(_, r)| *r).collect::<Vec<_>>());
    (!lazy.is_empty() && !rich.is_empty()).then(|| Regimes {
        lazy: lazy.len(),
        lazy_off: middle(&lazy),
        rich: rich.len(),
        rich_off: middle(&rich),
    })
}

//! A cell in numbers: how often and when its replicates get below the loss, why not, and what its
//! kernels say.

use std::fmt;

use serde::Serialize;

use super::LEVEL;
use super::bounds::{Bounds, bounds};
use super::cause::{CauseCount, CauseKind, cause};
use super::fitted::{Fitted, fitted};
use super::followed::{Followed, followed};
use super::forecast::{Forecast, Prediction, predict};
use super::hitting_times::{HittingTimes, Quantile, survival};
use super::looked::{Looked, looked};
use super::losses::{LastLosses, LossBand, last_losses, loss_band};
use super::replicate::{self, Replicate};
use super::restarts::{Restarts, restarts};
use super::split::{Split, split};
use super::tested::{Tested, tested};
use crate::data::Draw;
use crate::plan::Cell;
use crate::record::{Observation, Record, Row, Tally};
use crate::stats::{Interval, anytime_bounds, median, wilson, wilson_share};
use crate::study::{Replicates, Setting};

/// Training sets over which the distance of the nearest pair is a median.
const PAIRS: u64 = 400;

/// Differences of coordinates that are taken for it, at most (but for one training set).
const DISTANCES: u64 = 50_000_000;

/// Replicates of a cell that are analysed one by one.
const SHOWN: usize = 8;

/// Which interval a share of successes has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalKind {
    /// Wilson's, for a number of replicates fixed beforehand.
    Wilson,
    /// Wilson's with the effective number of trials of a crossed design.
    Crossed,
    /// Two bounds that hold although the number of replicates depended on the outcomes, each at
    /// this level.
    Anytime(f64),
}

/// On which side of the asked share the probability of success lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaches {
    /// The whole interval is at or above it.
    Yes,
    /// The whole interval is below it.
    No,
    /// The interval holds it.
    Undecided,
}

impl fmt::Display for Reaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reaches::Yes => "yes",
            Reaches::No => "no",
            Reaches::Undecided => "undecided",
        })
    }
}

/// What was found of a replicate that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Judged {
    /// Its number.
    pub replicate: u64,
    /// Why it ended as it did.
    pub cause: CauseKind,
    /// What its kernel at the start predicts.
    pub predicted: Option<Prediction>,
}

/// A cell in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The cell's number.
    pub cell: usize,
    /// Its number in the study, by which files and commands know it.
    pub listed: usize,
    /// What tells it from the base cell; empty for the base cell.
    pub label: String,
    /// Its setting.
    pub setting: Setting,
    /// All replicates, counted by outcome.
    pub tally: Tally,
    /// Replicates.
    pub replicates: u64,
    /// Successes.
    pub successes: u64,
    /// Replicates with a row that were below on the way, and above again at the end.
    pub left: u64,
    /// Successes over replicates.
    pub share: f64,
    /// Interval of the success probability.
    pub success: Interval,
    /// Which interval that is.
    pub interval_kind: IntervalKind,
    /// On which side of the asked share that interval lies.
    pub reaches: Reaches,
    /// Quantiles of the hitting time.
    pub steps: HittingTimes,
    /// `(step, share from this step on)` of replicates not yet below the loss (Kaplan–Meier), at a
    /// few hundred steps; a replicate that never gets below waits as long as the budget.
    pub survival: Vec<(f64, f64)>,
    /// What giving tries up at a cutoff and beginning again would do; none where too few succeeded.
    pub restarts: Option<Restarts>,
    /// Multiply-adds of one step: 3 N × weights (less the input layer's backward product).
    pub work: f64,
    /// Number of parameters.
    pub parameters: usize,
    /// Median rate.
    pub rate: f64,
    /// Median final loss.
    pub final_loss: f64,
    /// Seconds of wall time that training took.
    pub seconds: f64,
    /// The loss against the step.
    pub loss: LossBand,
    /// Median over training sets of the distance of the two nearest inputs; none below two points.
    pub nearest_pair: Option<f64>,
    /// What the first kept replicate has fitted, of one or two inputs; long, so not written.
    #[serde(skip)]
    pub fitted: Option<Fitted>,
    /// How its networks do at test points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
    /// The first replicates that were followed, look by look.
    pub followed: Vec<Followed>,
    /// What was seen on the replicates that were looked at.
    pub looked: Option<Looked>,
    /// What theorems of convergence ask for.
    pub bounds: Bounds,
    /// Every replicate that was looked at, by number; not written with the rest, being long.
    #[serde(skip)]
    pub judged: Vec<Judged>,
    /// Replicates by cause, largest first: all that got below, and the failures that were looked
    /// at.
    pub causes: Vec<CauseCount>,
    /// The same of the replicates looked at alone; empty if none was.
    pub causes_looked_at: Vec<CauseCount>,
    /// What the spread of the steps comes from, in a crossed design.
    pub split: Option<Split>,
    /// The first replicates, one by one.
    pub shown: Vec<Replicate>,
    /// The losses of the last steps of the first replicate that was kept step by step; none if it
    /// diverged or its losses were not all kept.
    pub last_losses: Option<LastLosses>,
}

impl Summary {
    /// What the cell is, in a word or two.
    pub fn describe(&self) -> &str {
        if self.label.is_empty() {
            "base"
        } else {
            &self.label
        }
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.setting.data.dim
    }

    /// On which side of any share the interval of success lies.
    pub fn reaches_share(&self, asked: f64) -> Reaches {
        if self.success.low >= asked {
            Reaches::Yes
        } else if self.success.high < asked {
            Reaches::No
        } else {
            Reaches::Undecided
        }
    }

    /// The budget in steps.
    pub fn budget(&self) -> u64 {
        self.setting.descent.steps
    }

    /// The forecast by the networks' own initial kernels.
    pub fn by_start(&self) -> Option<&Forecast> {
        self.looked.as_ref()?.by_start.as_ref()
    }

    /// The forecast by infinitely wide networks on the same training sets.
    pub fn by_infinite(&self) -> Option<&Forecast> {
        self.looked.as_ref()?.by_infinite.as_ref()
    }

    /// The most frequent cause among the failures looked at, and how many of these there are.
    pub fn main_failure(&self) -> Option<(CauseCount, u64)> {
        let failures = || self.causes.iter().filter(|c| !c.cause.reached());
        let all = failures().map(|c| c.replicates).sum();
        failures().next().map(|first| (*first, all))
    }

    /// Multiply-adds that bring 80 % of the replicates below the loss; infinite beyond the budget.
    pub fn cost(&self) -> f64 {
        let steps = self.steps.q80.step;
        steps.map_or(f64::INFINITY, |t| t as f64 * self.work)
    }
}

/// Which interval the shares of a cell have; `trials` are the effective ones of a crossed design.
fn interval_of(cell: &Cell, k: u64, n: u64, trials: Option<f64>) -> (IntervalKind, Interval) {
    match (cell.setting.replicates, trials) {
        (_, Some(trials)) => {
            let share = k as f64 / n as f64;
            (IntervalKind::Crossed, wilson_share(share, trials, LEVEL))
        }
        (Replicates::Fixed(_), None) => (IntervalKind::Wilson, wilson(k, n, LEVEL)),
        (Replicates::UntilDecided { level, .. }, None) => {
            (IntervalKind::Anytime(level), anytime_bounds(k, n, level))
        }
    }
}

/// The interval of a share of a cell's replicates, k of n, as its design asks for.
pub(super) fn share_interval(cell: &Cell, k: u64, n: u64) -> Interval {
    interval_of(cell, k, n, None).1
}

/// The numbers of a cell, on so many threads.
pub fn summarize(cell: &Cell, record: &Record, threads: usize) -> Summary {
    let hits = record.hits();
    let replicates = record.tally.replicates;
    let successes = record.successes();
    let share = successes as f64 / replicates as f64;
    let looks = record.first_and_last_looks();
    let judged = judge(cell, record, &looks);
    let split = split(cell, record);
    let trials = split.as_ref().map(|split| split.trials);
    let (interval_kind, success) = interval_of(cell, successes, replicates, trials);
    let left = (record.rows.iter()).filter(|row| !row.reached() && row.first_below.is_some());
    let parameters = cell.parameters();
    let of_rows = |f: &dyn Fn(&Row) -> f64| median(&record.rows.iter().map(f).collect::<Vec<_>>());
    let mut summary = Summary {
        cell: cell.number,
        listed: cell.listed,
        label: cell.label.clone(),
        setting: cell.setting.clone(),
        tally: record.tally,
        replicates,
        successes,
        left: left.count() as u64,
        share,
        success,
        interval_kind,
        reaches: Reaches::Undecided,
        steps: HittingTimes {
            median: Quantile::of(&hits, 0.5),
            q80: Quantile::of(&hits, 0.8),
            q90: Quantile::of(&hits, 0.9),
        },
        survival: survival(cell, record),
        restarts: restarts(cell, record),
        work: cell.step_work(),
        parameters,
        rate: of_rows(&|row| row.rate),
        final_loss: of_rows(&|row| row.final_loss),
        seconds: record.seconds,
        loss: loss_band(cell, record, &looks),
        nearest_pair: nearest_pair(cell, replicates),
        fitted: fitted(cell, record),
        tested: tested(cell, record, threads),
        followed: followed(cell, record),
        looked: looked(cell, record, &looks, &judged, threads),
        bounds: bounds(cell, record, &looks, &judged, parameters),
        causes: count_causes(record, &judged, true),
        causes_looked_at: count_causes(record, &judged, false),
        judged,
        split,
        shown: (record.rows.iter().take(SHOWN))
            .map(|row| {
                let looks = record.looks_at(row.replicate);
                replicate::Replicate::of(cell, record, row, looks)
            })
            .collect(),
        last_losses: last_losses(record),
    };
    summary.reaches = summary.reaches_share(cell.setting.success.share);
    summary
}

/// The replicates that were looked at.
fn judge(cell: &Cell, record: &Record, looks: &[(&Observation, &Observation)]) -> Vec<Judged> {
    let of = |(first, last): &(&Observation, &Observation)| {
        let row = record.rows.get(first.replicate as usize)?;
        Some(Judged {
            replicate: row.replicate,
            cause: cause(cell, row, Some((first, last))).kind(),
            predicted: predict(cell, row.rate, first),
        })
    };
    looks.iter().filter_map(of).collect()
}

/// Replicates by cause, largest first: of those looked at, and if `all`, of the others that got
/// below.
fn count_causes(record: &Record, judged: &[Judged], all: bool) -> Vec<CauseCount> {
    let reached = || record.rows.iter().filter(|row| row.reached());
    let seen = |row: &Row| {
        let found = judged.binary_search_by_key(&row.replicate, |j| j.replicate);
        found.is_ok()
    };
    let unseen = reached().filter(|row| all && !seen(row)).count();
    let unseen = std::iter::repeat_n(CauseKind::Reached, unseen);
    CauseCount::of(judged.iter().map(|j| j.cause).chain(unseen))
}

/// Median over training sets of the smallest distance between two inputs.
fn nearest_pair(cell: &Cell, replicates: u64) -> Option<f64> {
    // One training set for all, or for many.
    let sets = match cell.setting.data.draw {
        Draw::Each => replicates,
        Draw::Once => 1,
        Draw::Crossed(of) => of.sets,
    };
    // Of thousands of points one training set says as much.
    let size = (cell.setting.data.points as u64).pow(2) * cell.dim() as u64;
    let affordable = (DISTANCES / size.max(1)).clamp(1, PAIRS);
    let all: Vec<f64> = (0..sets.min(affordable))
        .filter_map(|r| Some(cell.set(r).nearest_pair()?.distance))
        .collect();
    (!all.is_empty()).then(|| median(&all))
}

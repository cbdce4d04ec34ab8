//! A cell in numbers: how often and when its replicates get below the loss, why not, and what its
//! kernels say.

use serde::Serialize;

use super::LEVEL;
use super::cause::{CauseCount, CauseKind, cause};
use super::forecast::{Forecast, Prediction, by_end, edge, forecast, linear, over_limit, predict};
use super::points;
use super::replicate::{self, Replicate};
use crate::data::Draw;
use crate::net::parameters;
use crate::plan::Cell;
use crate::record::{Look, Outcome, Record, Row, Tally};
use crate::stats::{
    self, Components, Hit, Interval, Restart, kaplan_meier, median, quantile, quantile_interval,
    restart, wilson, wilson_share,
};
use crate::study::Setting;
use crate::theory::expect::{Expected, expect};

/// Replicates of a cell for which the infinitely wide network is asked.
const WIDE: u64 = 40;

/// Training points up to which it is: its kernel takes time that grows as their square, and cube.
const WIDE_POINTS: usize = 100;

/// Training sets over which the distance of the nearest pair is a median.
const PAIRS: u64 = 400;

/// Differences of coordinates that are taken for it, at most (but for one training set).
const DISTANCES: u64 = 50_000_000;

/// Replicates of a cell that are analysed one by one.
const SHOWN: usize = 8;

/// Steps at the end of a kept curve whose losses are kept here.
const LAST: usize = 32;

/// Most points of a survival curve.
const SURVIVAL: usize = 200;

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

impl Quantile {
    /// The q-quantile, with the interval of order statistics.
    fn of(hits: &[Option<u64>], q: f64) -> Quantile {
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
    /// The median of what each network's own initial kernel predicts; none without predictions.
    pub predicted: Option<Vec<f64>>,
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
    /// Successes over replicates.
    pub share: f64,
    /// Interval of the success probability: Wilson's, with the effective number of trials in a crossed
    /// design.
    pub success: Interval,
    /// On which side of the asked share that interval lies.
    pub reaches: Reaches,
    /// Quantiles of the hitting time.
    pub steps: HittingTimes,
    /// `(step, share from this step on)` of replicates not yet below the loss (Kaplan–Meier), at a
    /// few hundred steps; a replicate that never gets below waits as long as the budget.
    pub survival: Vec<(f64, f64)>,
    /// The expected number of steps until success if tries are given up at a cutoff and begun again, at
    /// its best cutoff; none if nothing succeeded.
    pub restart: Option<Restart>,
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
    /// What was seen on the replicates that were looked at.
    pub looked: Option<Looked>,
    /// Every replicate that was looked at, by number; not written with the rest, being long.
    #[serde(skip)]
    pub judged: Vec<Judged>,
    /// Replicates by cause, largest first: all that got below, and the failures that were looked at.
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

/// The variance of the logarithm of the steps in a crossed design: of the training set, of the initial
/// weights, and of their combination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    /// Training sets.
    pub sets: u64,
    /// Initial weights of each.
    pub weights: u64,
    /// Of the steps, cut at the budget where the loss was not reached.
    pub steps: Option<Components>,
    /// Replicates that were cut.
    pub cut: u64,
    /// Independent trials with which the success probability would be as uncertain.
    pub trials: f64,
}

/// Ends of the spectrum of Θ, medians over replicates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Extremes {
    /// λmin.
    pub smallest: f64,
    /// λmax.
    pub largest: f64,
    /// λmax/λmin.
    pub condition: f64,
}

/// Medians over the replicates looked at (those with a kernel at start and end).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Looked {
    /// How many.
    pub replicates: usize,
    /// How many of them were looked at at an end too: those that did not diverge.
    pub ended: usize,
    /// Θ at the start.
    pub start: Extremes,
    /// Θ at the end; NaN where none has an end.
    pub end: Extremes,
    /// Every eigenvalue of Θ at the start, largest first `[N]`.
    pub start_spectrum: Vec<f64>,
    /// Every eigenvalue at the end, largest first `[N]`.
    pub end_spectrum: Vec<f64>,
    /// ‖Θ − Θ₀‖/‖Θ₀‖ at the end.
    pub kernel_moved: f64,
    /// η over the largest stable rate of the kernel at the start.
    pub over_limit_start: f64,
    /// The same at the end.
    pub over_limit_end: f64,
    /// The rate over the largest that is stable at the sharpness of the end: 1 is the edge of
    /// stability. NaN without a linear theory of the rule.
    pub edge: f64,
    /// Prediction by the kernel at the start.
    pub by_start: Option<Forecast>,
    /// Prediction by the kernel at the end and the residual at the start: known only afterwards.
    pub by_end: Option<Forecast>,
    /// Prediction by the infinitely wide network on the same training sets, of the first replicates:
    /// known before any weight is drawn.
    pub by_infinite: Option<Forecast>,
    /// Trace of Θ at the start over that of the infinitely wide network, replicate by replicate.
    pub trace_over_infinite: Vec<f64>,
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
    let success = match &split {
        Some(split) => wilson_share(share, split.trials, LEVEL),
        None => wilson(successes, replicates, LEVEL),
    };
    let asked = cell.setting.success.share;
    let of_rows = |f: &dyn Fn(&Row) -> f64| median(&record.rows.iter().map(f).collect::<Vec<_>>());
    Summary {
        cell: cell.number,
        label: cell.label.clone(),
        setting: cell.setting.clone(),
        tally: record.tally,
        replicates,
        successes,
        share,
        success,
        reaches: if success.low >= asked {
            Reaches::Yes
        } else if success.high < asked {
            Reaches::No
        } else {
            Reaches::Undecided
        },
        steps: HittingTimes {
            median: Quantile::of(&hits, 0.5),
            q80: Quantile::of(&hits, 0.8),
            q90: Quantile::of(&hits, 0.9),
        },
        survival: survival(cell, record),
        restart: restart(&hits, cell.setting.descent.steps, LEVEL),
        work: cell.step_work(),
        parameters: parameters(&cell.setting.net, cell.dim()),
        rate: of_rows(&|row| row.rate),
        final_loss: of_rows(&|row| row.final_loss),
        seconds: record.seconds,
        loss: loss_band(cell, record, &looks),
        nearest_pair: nearest_pair(cell, replicates),
        looked: looked(cell, record, &looks, &judged, threads),
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
    }
}

/// The replicates that were looked at.
fn judge(cell: &Cell, record: &Record, looks: &[(&Look, &Look)]) -> Vec<Judged> {
    let of = |(first, last): &(&Look, &Look)| {
        let row = record.rows.get(first.replicate as usize)?;
        Some(Judged {
            replicate: row.replicate,
            cause: cause(cell, row, Some((first, last))).kind(),
            predicted: predict(cell, row.rate, first),
        })
    };
    looks.iter().filter_map(of).collect()
}

/// Replicates by cause, largest first: of those looked at, and if `all`, of the others that got below.
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

/// The share of replicates that wait for the loss against the step, thinned, to the budget.
fn survival(cell: &Cell, record: &Record) -> Vec<(f64, f64)> {
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

/// The quantiles of the loss, beside the median of what the initial kernels predict.
fn loss_band(cell: &Cell, record: &Record, looks: &[(&Look, &Look)]) -> LossBand {
    let curves: Vec<Vec<f64>> = (looks.iter())
        .filter_map(|(first, _)| {
            let rate = record.rows.get(first.replicate as usize)?.rate;
            Some(linear(cell, rate, first)?.losses(&record.grid))
        })
        .collect();
    let predicted = (0..record.grid.len())
        .map(|i| median(&curves.iter().map(|c| c[i]).collect::<Vec<_>>()))
        .collect();
    let quantile = |k: usize| record.quantiles.iter().map(|q| q[k]).collect();
    LossBand {
        steps: record.grid.clone(),
        q10: quantile(0),
        median: quantile(1),
        q90: quantile(2),
        predicted: (!curves.is_empty()).then_some(predicted),
    }
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
        .filter_map(|r| Some(points::nearest(&cell.set(r))?.distance))
        .collect();
    (!all.is_empty()).then(|| median(&all))
}

/// The end of the first kept curve.
fn last_losses(record: &Record) -> Option<LastLosses> {
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

/// The split of a cell; none unless all of a crossed design was kept row by row.
fn split(cell: &Cell, record: &Record) -> Option<Split> {
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
    let fewest = sets.min(weights) as f64;
    Some(Split {
        sets: of.sets,
        weights: of.weights,
        steps,
        cut: record.rows.iter().filter(|r| r.hit().is_none()).count() as u64,
        // Where all ended alike nothing tells what they share, and the least is claimed.
        trials: success.map_or(fewest, |c| (p * (1.0 - p) / c.of_mean).clamp(fewest, n)),
    })
}

/// What the infinitely wide network does on the training sets of the first replicates; none if the cell has
/// no such network, or no theory of its steps.
fn infinite(cell: &Cell, replicates: usize, threads: usize) -> Vec<Expected> {
    if cell.setting.data.points > WIDE_POINTS || cell.setting.net.hidden.is_empty() {
        return Vec::new();
    }
    expect(cell, WIDE.min(replicates as u64), threads).unwrap_or_default()
}

/// A replicate, its first look, and its last one; none if it diverged, which has no end to look at, or
/// was looked at at its start alone.
struct Seen<'a> {
    row: &'a Row,
    first: &'a Look,
    last: Option<&'a Look>,
}

fn looked(
    cell: &Cell,
    record: &Record,
    looks: &[(&Look, &Look)],
    judged: &[Judged],
    threads: usize,
) -> Option<Looked> {
    let seen: Vec<Seen<'_>> = looks
        .iter()
        .filter(|(a, b)| a.eigenvalues.is_some() && b.eigenvalues.is_some())
        .filter_map(|(a, b)| {
            let row = record.rows.get(a.replicate as usize)?;
            let diverged = matches!(row.outcome, Outcome::Diverged { .. });
            Some(Seen {
                row,
                first: a,
                last: (!diverged && b.step > a.step).then_some(*b),
            })
        })
        .collect();
    if seen.is_empty() {
        return None;
    }
    let of_start = |f: &dyn Fn(&Row, &Look) -> Option<f64>| {
        let all = seen.iter().filter_map(|s| f(s.row, s.first));
        median(&all.collect::<Vec<_>>())
    };
    let of_end = |f: &dyn Fn(&Row, &Look) -> Option<f64>| {
        let all = seen.iter().filter_map(|s| f(s.row, s.last?));
        median(&all.collect::<Vec<_>>())
    };
    let extremes = |of: &dyn Fn(&dyn Fn(&Row, &Look) -> Option<f64>) -> f64| Extremes {
        smallest: of(&|_, look| look.eigenvalues.as_ref()?.first().copied()),
        largest: of(&|_, look| look.eigenvalues.as_ref()?.last().copied()),
        condition: of(&|_, look| condition(look.eigenvalues.as_deref()?)),
    };
    let over = |row: &Row, look: &Look| Some(over_limit(cell, row.rate, look));
    let predictions = |f: &dyn Fn(&Seen<'_>) -> Option<f64>| {
        let all: Vec<(&Row, f64)> = seen.iter().filter_map(|s| Some((s.row, f(s)?))).collect();
        forecast(cell, &all)
    };
    let wide = infinite(cell, record.rows.len(), threads);
    let of_wide: Vec<(&Row, f64)> = (wide.iter())
        .filter_map(|e| Some((record.rows.get(e.replicate as usize)?, e.steps)))
        .collect();
    let trace = |e: &[f64]| e.iter().sum::<f64>();
    let over_infinite = |s: &Seen<'_>| {
        let of_set = wide.iter().find(|e| e.replicate == s.row.replicate)?;
        Some(trace(s.first.eigenvalues.as_ref()?) / trace(&of_set.eigenvalues))
    };
    Some(Looked {
        replicates: seen.len(),
        ended: seen.iter().filter(|s| s.last.is_some()).count(),
        start: extremes(&of_start),
        end: extremes(&of_end),
        start_spectrum: spectrum(seen.iter().map(|s| s.first)),
        end_spectrum: spectrum(seen.iter().filter_map(|s| s.last)),
        kernel_moved: of_end(&|_, look| look.kernel_moved),
        over_limit_start: of_start(&over),
        over_limit_end: of_end(&over),
        edge: of_end(&|row, look| edge(cell, row.rate, look)),
        by_start: predictions(&|s| {
            let found = judged.binary_search_by_key(&s.row.replicate, |j| j.replicate);
            Some(judged[found.ok()?].predicted?.as_number())
        }),
        by_end: predictions(&|s| Some(by_end(cell, s.row, s.last?)?.as_number())),
        by_infinite: forecast(cell, &of_wide),
        trace_over_infinite: seen.iter().filter_map(over_infinite).collect(),
    })
}

/// λmax/λmin. Eigenvalues below round-off are that: the condition number is then at least 1/ε.
fn condition(values: &[f64]) -> Option<f64> {
    let (low, high) = (*values.first()?, *values.last()?);
    Some(high / low.max(high * f64::EPSILON))
}

/// Medians of all eigenvalues, the largest first.
fn spectrum<'a>(looks: impl Iterator<Item = &'a Look>) -> Vec<f64> {
    let all: Vec<&Vec<f64>> = looks.filter_map(|l| l.eigenvalues.as_ref()).collect();
    let n = all.iter().map(|e| e.len()).min().unwrap_or(0);
    (0..n)
        .map(|k| median(&all.iter().map(|e| e[e.len() - 1 - k]).collect::<Vec<_>>()))
        .collect()
}

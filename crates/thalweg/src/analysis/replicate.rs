//! One replicate: how it ended and why, with everything that its looks say about it.

use serde::Serialize;

use super::cause::{Cause, cause};
use super::forecast::{edge, largest_stable_rate, linear, predict, rate_at};
use super::impossible::{Impossible, impossible};
use super::points::Pair;
use super::trajectory::{LeaveOneOut, Trajectory, leave_one_out, trajectory};
use crate::plan::Cell;
use crate::record::{Observation, Outcome, Record, Row};
use crate::study::{Losses, Success};
use crate::theory::linear::Steps;

/// Most points of a loss curve.
const POINTS: usize = 40;

/// Points of the slowest mode that are named.
const HEAVY: usize = 3;

/// Σ (f − f̄)² over Σ (y − ȳ)² below which an output is the same for every input.
const CONSTANT: f64 = 1e-6;

/// Replicates of a cell up to which the losses of each are told step by step.
const FEW: u64 = 10;

/// A replicate, analysed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replicate {
    /// The cell.
    pub cell: usize,
    /// Its number.
    pub replicate: u64,
    /// N.
    pub points: usize,
    /// What was asked for.
    pub success: Success,
    /// How it ended.
    pub outcome: Outcome,
    /// Steps made.
    pub steps: u64,
    /// The first step whose loss was below ε.
    pub first_below: Option<u64>,
    /// η at the start.
    pub rate: f64,
    /// η in force at the end.
    pub rate_end: f64,
    /// The smallest loss.
    pub best_loss: f64,
    /// The loss at the end.
    pub final_loss: f64,
    /// What success is judged by at the end, where it is not the loss.
    pub judged: Option<f64>,
    /// The loss of the test points at the end, as if there were N of them.
    pub test_loss: Option<f64>,
    /// Why it ended so.
    pub cause: Cause,
    /// An exact reason why no weights get it below ε; none if it got there, or none is known.
    pub impossible: Option<Impossible>,
    /// What its kernel at the start predicts; none without a look or a linear theory.
    pub predicted: Option<Steps>,
    /// The largest stable rate of the kernel at the start.
    pub largest_stable_rate_start: Option<f64>,
    /// The same at the end; none if it diverged.
    pub largest_stable_rate_end: Option<f64>,
    /// The rate over the largest that is stable at the sharpness of the end: 1 is the edge of
    /// stability. None if it diverged, and without a linear theory.
    pub edge: Option<f64>,
    /// ‖Θ − Θ₀‖/‖Θ₀‖ at the end.
    pub kernel_moved: Option<f64>,
    /// Hidden units with φ' = 0 on every point at the end.
    pub dead_units: Option<u64>,
    /// Hidden units whose |φ'| is small on every point at the end, dead ones included.
    pub saturated_units: Option<u64>,
    /// Whether the output at the end is the same for every input, to a thousandth of the targets'
    /// standard deviation.
    pub constant_output: bool,
    /// Share of the trace of Θ at the end that each weight layer has.
    pub layer_shares: Option<Vec<f64>>,
    /// Its way, if it was followed.
    pub trajectory: Option<Trajectory>,
    /// What the costliest point costs.
    pub leave_one_out: Option<LeaveOneOut>,
    /// Eigenvalues of Θ at the start and at the end, increasing.
    pub spectra: Option<Spectra>,
    /// The two nearest inputs.
    pub nearest_pair: Option<Pair>,
    /// The points that carry the slowest mode at the end, heaviest first, with their weight in it
    /// (all weights add up to 1).
    pub slow_points: Option<Vec<(usize, f64)>>,
    /// Its loss; none if it was not kept.
    pub curve: Option<LossCurve>,
    /// Its loss at every [`printed_every`] steps, where the losses of all steps were kept of a few
    /// replicates.
    pub milestones: Option<Vec<(u64, f64)>>,
}

/// Eigenvalues of Θ, increasing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spectra {
    /// At the start `[N]`.
    pub start: Vec<f64>,
    /// At the end `[N]`.
    pub end: Vec<f64>,
}

/// A loss curve beside its prediction, thinned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossCurve {
    /// Steps.
    pub steps: Vec<u64>,
    /// The loss at each.
    pub losses: Vec<f64>,
    /// Steps of the prediction; empty without one.
    pub predicted_steps: Vec<u64>,
    /// The loss that the network linearised at its start has there.
    pub predicted: Vec<f64>,
}

/// The steps between two losses that are told of a budget: ten thousand, as in a notebook; half
/// of a budget that is below two of them, and of a long one a twentieth at least, as 1, 2 or 5
/// times a power of ten.
pub fn printed_every(budget: u64) -> u64 {
    let round = [1, 2, 5].map(|m| (0..18).map(move |k| m * 10u64.pow(k)));
    let at_least = budget.div_ceil(20);
    let long = round
        .into_iter()
        .flatten()
        .filter(|every| *every >= at_least);
    match budget {
        0..20_000 => (budget / 2).max(1),
        20_000..=200_000 => 10_000,
        _ => long.min().unwrap_or(at_least),
    }
}

impl Replicate {
    /// Whether the losses of a cell's replicates are told step by step
    /// ([`milestones`](Self::milestones)).
    pub fn printed(cell: &Cell) -> bool {
        cell.setting.keep.losses == Losses::All && cell.setting.replicates.at_most() <= FEW
    }

    /// A replicate of a record; `looks` are all looks at it, by step.
    pub fn of(cell: &Cell, record: &Record, row: &Row, looks: &[Observation]) -> Replicate {
        let first = looks.first().filter(|look| look.step == 0);
        let curve = record.curves.iter().find(|c| c.replicate == row.replicate);
        let whole = Replicate::printed(cell);
        let every = printed_every(cell.setting.descent.steps);
        Replicate {
            curve: curve.map(|curve| {
                let kept = (&curve.steps[..], &curve.losses[..]);
                let end = cell.setting.success.by_loss().unwrap_or(0.0);
                let linear = first.and_then(|look| linear(cell, row.rate, look));
                let predicted = linear.map(|l| move |grid: &[u64]| l.losses(grid));
                thinned(&record.grid, kept, predicted, end)
            }),
            milestones: curve.filter(|_| whole).map(|curve| {
                let all = curve
                    .steps
                    .iter()
                    .copied()
                    .zip(curve.losses.iter().copied());
                all.filter(|(step, _)| *step > 0 && step % every == 0)
                    .collect()
            }),
            ..Replicate::without_curve(cell, row, looks)
        }
    }

    /// The same without its losses.
    pub(crate) fn without_curve(cell: &Cell, row: &Row, looks: &[Observation]) -> Replicate {
        let first = looks.first().filter(|look| look.step == 0);
        let last = first.and(looks.last());
        let diverged = matches!(row.outcome, Outcome::Diverged { .. });
        let end = last.filter(|look| !diverged && look.step > 0);
        let cause = cause(cell, row, first.zip(last));
        let limit = |look: Option<&Observation>| largest_stable_rate(cell, row.rate, look?);
        let set = cell.set(row.replicate);
        Replicate {
            cell: cell.number,
            replicate: row.replicate,
            points: cell.setting.data.points,
            success: cell.setting.success,
            outcome: row.outcome,
            steps: row.steps,
            first_below: row.first_below,
            rate: row.rate,
            rate_end: rate_at(cell, row.rate, row.steps),
            best_loss: row.best_loss,
            final_loss: row.final_loss,
            judged: row.judged,
            test_loss: row.test_loss,
            impossible: (!cause.reached())
                .then(|| impossible(cell, row.replicate, first))
                .flatten(),
            cause,
            predicted: first.and_then(|look| Some(predict(cell, row.rate, look)?.steps)),
            largest_stable_rate_start: limit(first),
            largest_stable_rate_end: limit(end),
            edge: end
                .and_then(|look| edge(cell, row.rate, look))
                .filter(|edge| edge.is_finite()),
            kernel_moved: end.and_then(|look| look.kernel_moved),
            dead_units: last.and_then(|look| look.dead_units),
            saturated_units: last.and_then(|look| look.saturated_units),
            constant_output: end
                .and_then(|look| look.output_spread)
                .is_some_and(|spread| spread < CONSTANT),
            layer_shares: end.and_then(|look| look.layer_shares.clone()),
            trajectory: trajectory(cell, row, looks),
            leave_one_out: end.and_then(|look| leave_one_out(cell, row, look)),
            spectra: first.zip(last).and_then(|(a, b)| {
                Some(Spectra {
                    start: a.eigenvalues.clone()?,
                    end: b.eigenvalues.clone()?,
                })
            }),
            nearest_pair: set.nearest_pair(),
            slow_points: last.and_then(|look| {
                let weights = look.slow_points.as_ref()?;
                let mut heavy: Vec<(usize, f64)> = weights.iter().copied().enumerate().collect();
                heavy.sort_by(|a, b| b.1.total_cmp(&a.1));
                heavy.truncate(HEAVY);
                Some(heavy)
            }),
            curve: None,
            milestones: None,
        }
    }
}

/// At most so many of `n` places, evenly, both ends among them.
fn places(n: usize, most: usize) -> impl Iterator<Item = usize> {
    let stride = n.saturating_sub(1).div_ceil(most.max(2) - 1).max(1);
    (0..n).filter(move |i| i % stride == 0 || i + 1 == n)
}

/// A curve of (steps, losses) at about [`POINTS`] places, even in log steps as `grid` is, beside
/// its prediction until that is far below the threshold, where it says nothing more.
fn thinned(
    grid: &[u64],
    (steps, losses): (&[u64], &[f64]),
    predicted: Option<impl Fn(&[u64]) -> Vec<f64>>,
    threshold: f64,
) -> LossCurve {
    let on_grid = steps.len() <= grid.len() + 1;
    let kept: Vec<usize> = if on_grid {
        places(steps.len(), POINTS).collect()
    } else {
        let of_grid = grid.iter().filter_map(|s| steps.binary_search(s).ok());
        let mut kept: Vec<usize> = of_grid.chain(steps.len().checked_sub(1)).collect();
        kept.dedup();
        kept
    };
    let (mut predicted_steps, mut of_theory) = (Vec::new(), Vec::new());
    if let Some(predict) = predicted {
        predicted_steps = places(grid.len(), POINTS).map(|i| grid[i]).collect();
        of_theory = predict(&predicted_steps);
        let end = of_theory.iter().position(|l| *l < 1e-3 * threshold);
        let length = end.map_or(of_theory.len(), |end| end + 1);
        predicted_steps.truncate(length);
        of_theory.truncate(length);
    }
    LossCurve {
        steps: kept.iter().map(|&i| steps[i]).collect(),
        losses: kept.iter().map(|&i| losses[i]).collect(),
        predicted_steps,
        predicted: of_theory,
    }
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn thinning_keeps_both_ends_and_no_more_than_asked() {
        for n in 0..500 {
            for most in [2, 3, 10, 60] {
                let kept: Vec<usize> = places(n, most).collect();
                assert!(kept.len() <= most + 1, "{n} {most}");
                assert_eq!(kept.first().copied(), (n > 0).then_some(0));
                assert_eq!(kept.last().copied(), n.checked_sub(1));
            }
        }
    }
}

//! What trained networks do at inputs that they were not trained on, and what infinitely wide ones
//! do there.

use serde::Serialize;

use super::LEVEL;
use crate::descent::Schedule;
use crate::plan::Cell;
use crate::record::{Outcome, Record, Row};
use crate::stats::{Interval, median, median_interval, quantile_of};
use crate::theory::linear::Rule;
use crate::theory::ntk::{Kernels, Wide};
use crate::theory::regression::{Marginals, Training, conditioned_at, descended_at};
use crate::threads;

/// Training sets of a cell at whose test points infinitely wide networks are asked.
const SETS: usize = 24;

/// Pairs of inputs whose kernel is computed for that, of all training sets together: more take
/// longer than a look.
const PAIRS: usize = 400_000;

/// Training points up to which they are asked: the spectrum takes the cube.
const POINTS: usize = 500;

/// Training sets whose mean target is held against the network.
const MEANS: usize = 400;

/// Ratios below which their median has no interval.
const LEAST: usize = 6;

/// Looks that a course of the test loss has at least.
const COURSE: usize = 3;

/// What an infinitely wide network is asked at the test points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Gradient descent on all layers for as many steps as the replicate made, by the NTK.
    Descent,
    /// The same until nothing moves any more, with the ridge of the study: kernel regression.
    Regression,
    /// Only the last layer trained: the posterior of the Gaussian process (NNGP), whose noise has
    /// the ridge of the study as variance.
    Process,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 3] = [Limit::Descent, Limit::Regression, Limit::Process];

    /// What it says at new inputs, after so many steps of this rate and with this ridge; none where
    /// it says nothing of the cell's rule. `y` are the targets of the training set.
    pub fn predict(
        self,
        cell: &Cell,
        (rate, steps, ridge): (f64, f64, f64),
        (train, cross): (&Kernels, &Kernels),
        y: &[f64],
    ) -> Option<Marginals> {
        let descent = &cell.setting.descent;
        let training = match self {
            Limit::Process => return Some(conditioned_at(train, cross, y, ridge)),
            Limit::Regression if ridge > 0.0 => Training::Ridge { penalty: ridge },
            Limit::Regression => Training::Forever,
            Limit::Descent
                if Rule::of(descent) == Some(Rule::Descent)
                    && descent.schedule == Schedule::Constant =>
            {
                Training::Steps {
                    loss_factor: cell.loss_factor(),
                    rate,
                    steps,
                }
            }
            Limit::Descent => return None,
        };
        Some(descended_at(train, cross, y, training))
    }
}

/// What an infinitely wide network does at the test points of the first training sets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtLimit {
    /// How it is trained.
    pub limit: Limit,
    /// Median over training sets of its test loss, expected over initial weights.
    pub expected: f64,
    /// Median of the observed test loss over it, replicate by replicate, and its interval; none
    /// below six.
    pub ratio: Option<(f64, Interval)>,
    /// (expected, observed) of each replicate.
    pub pairs: Vec<(f64, f64)>,
}

/// How the networks of a cell do at test points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tested {
    /// M.
    pub points: usize,
    /// Replicates with a test loss.
    pub replicates: usize,
    /// The 10, 50 and 90 % quantiles of the test loss at the end; infinite where it diverged.
    pub loss: [f64; 3],
    /// Interval of its median.
    pub median: Interval,
    /// Median share of test points on the side of their targets, where there are two classes.
    pub accuracy: Option<f64>,
    /// Median of the training loss at the end.
    pub training: f64,
    /// Median over training sets of the test loss of the mean of the training targets, which knows
    /// nothing of the inputs.
    pub constant: f64,
    /// Median of the test loss over that of the mean of the training targets, replicate by
    /// replicate, and its interval; none below six.
    pub over_constant: Option<(f64, Interval)>,
    /// Median test loss at the steps at which at least half of those that are looked at were:
    /// (step, test loss, training loss).
    pub course: Vec<(u64, f64, f64)>,
    /// Infinitely wide networks on the same training sets.
    pub limits: Vec<AtLimit>,
}

/// What is known at the test points of a cell; none where no replicate has a test loss.
pub(super) fn tested(cell: &Cell, record: &Record, threads: usize) -> Option<Tested> {
    let of = |row: &Row| row.test_loss;
    let losses: Vec<f64> = record.rows.iter().filter_map(of).collect();
    if losses.is_empty() {
        return None;
    }
    let accuracies: Vec<f64> = (record.rows.iter())
        .filter_map(|row| row.test_accuracy)
        .collect();
    let final_losses: Vec<f64> = record.rows.iter().map(|row| row.final_loss).collect();
    let constants = constants(cell, record);
    let ratios: Vec<f64> = constants.iter().map(|(c, loss)| loss / c).collect();
    Some(Tested {
        points: cell.test_points(),
        replicates: losses.len(),
        loss: [0.1, 0.5, 0.9].map(|q| quantile_of(&losses, q)),
        median: median_interval(&losses, LEVEL),
        accuracy: (!accuracies.is_empty()).then(|| median(&accuracies)),
        training: median(&final_losses),
        constant: median(&constants.iter().map(|c| c.0).collect::<Vec<_>>()),
        over_constant: (ratios.len() >= LEAST)
            .then(|| (median(&ratios), median_interval(&ratios, LEVEL))),
        course: course(record),
        limits: limits(cell, record, threads),
    })
}

/// The test loss of the mean of the training targets, and that of the network, of the first
/// training sets.
fn constants(cell: &Cell, record: &Record) -> Vec<(f64, f64)> {
    // Logits of a constant are another matter.
    if !cell.setting.descent.loss.is_squared() {
        return Vec::new();
    }
    let k = cell.outputs();
    let of = |row: &Row| {
        let (set, test) = (cell.set(row.replicate), cell.test_set(row.replicate)?);
        let y = test.y?;
        let mean =
            |output: usize| set.y.iter().skip(output).step_by(k).sum::<f64>() / set.points as f64;
        let means: Vec<f64> = (0..k).map(mean).collect();
        let squares = y.iter().zip(means.iter().cycle());
        let squares: f64 = squares.map(|(y, mean)| (mean - y) * (mean - y)).sum();
        let n = cell.setting.data.targets_in_all() as f64;
        let constant = cell.loss_factor() * n * squares / y.len() as f64;
        Some((constant, row.test_loss?))
    };
    let all = record.rows.iter().take(MEANS).filter_map(of);
    // Where the mean is exact there is nothing to be better than.
    all.filter(|(constant, _)| *constant > 0.0).collect()
}

fn course(record: &Record) -> Vec<(u64, f64, f64)> {
    let mut at: std::collections::BTreeMap<u64, Vec<(f64, f64)>> = Default::default();
    let mut looked: Vec<u64> = Vec::new();
    for look in &record.looks {
        if let Some(test) = look.test_loss {
            at.entry(look.step).or_default().push((test, look.loss));
            if looked.last() != Some(&look.replicate) {
                looked.push(look.replicate);
            }
        }
    }
    let all: Vec<(u64, f64, f64)> = (at.into_iter())
        .filter(|(_, losses)| 2 * losses.len() >= looked.len())
        .map(|(step, losses)| {
            let of = |f: fn(&(f64, f64)) -> f64| median(&losses.iter().map(f).collect::<Vec<_>>());
            (step, of(|l| l.0), of(|l| l.1))
        })
        .collect();
    if all.len() < COURSE { Vec::new() } else { all }
}

/// The infinitely wide network of a cell, where it has one that is asked.
pub(super) fn wide(cell: &Cell) -> Option<Wide> {
    if cell.setting.data.points > POINTS || !cell.setting.descent.loss.is_squared() {
        return None;
    }
    let rates = cell.setting.descent.layer_rates.as_deref();
    Wide::new(&cell.setting.net, cell.dim(), cell.outputs(), rates).ok()
}

/// Rate and steps of a replicate, and the ridge of its study, as [`Limit::predict`] takes them.
pub(super) fn asked(cell: &Cell, row: &Row) -> (f64, f64, f64) {
    let ridge = cell.setting.test.as_ref().map_or(0.0, |test| test.ridge);
    (row.rate, row.steps as f64, ridge)
}

fn limits(cell: &Cell, record: &Record, threads: usize) -> Vec<AtLimit> {
    let Some(wide) = wide(cell) else {
        return Vec::new();
    };
    let (n, m) = (cell.setting.data.points, cell.test_points());
    let sets = SETS.min(PAIRS / (n * (m + n)).max(1));
    let rows: Vec<&Row> = (record.rows.iter())
        .filter(|row| !matches!(row.outcome, Outcome::Diverged { .. }))
        .take(sets)
        .collect();
    let (dim, targets) = (cell.dim(), cell.setting.data.targets_in_all() as f64);
    let s = cell.loss_factor();
    // Of each replicate, its test loss and what each limit expects.
    let of = |at: usize| -> Option<(f64, [Option<f64>; 3])> {
        let row = rows[at];
        let (set, test) = (cell.set(row.replicate), cell.test_set(row.replicate)?);
        let y = test.y?;
        let train = wide.kernels(&set.x, dim).finite().ok()?;
        let cross = wide.cross(&test.x, &set.x, dim).finite().ok()?;
        let expected = Limit::ALL.map(|limit| {
            let found = limit.predict(cell, asked(cell, row), (&train, &cross), &set.y)?;
            Some(s * targets * found.expected_square(&y))
        });
        Some((row.test_loss?, expected))
    };
    let found = threads::map(threads, rows.len(), of);
    let limit = |at: usize| {
        let pairs: Vec<(f64, f64)> = (found.iter().flatten())
            .filter_map(|(observed, expected)| Some((expected[at]?, *observed)))
            .filter(|(expected, _)| expected.is_finite())
            .collect();
        if pairs.is_empty() {
            return None;
        }
        let expected: Vec<f64> = pairs.iter().map(|p| p.0).collect();
        let ratios: Vec<f64> = pairs.iter().map(|(e, o)| o / e).collect();
        Some(AtLimit {
            limit: Limit::ALL[at],
            expected: median(&expected),
            ratio: (ratios.len() >= LEAST)
                .then(|| (median(&ratios), median_interval(&ratios, LEVEL))),
            pairs,
        })
    };
    (0..Limit::ALL.len()).filter_map(limit).collect()
}

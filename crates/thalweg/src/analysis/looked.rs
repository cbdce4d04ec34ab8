//! What the kernels of a cell say: medians over the replicates that were looked at.

use serde::Serialize;

use super::LEVEL;
use super::forecast::{Forecast, by_end, edge, forecast, over_limit};
use super::late::{LateDecay, late_decay};
use super::summary::Judged;
use crate::plan::Cell;
use crate::record::{Observation, Outcome, Record, Row};
use crate::stats::{Interval, median, median_interval};
use crate::theory::expect::{Expected, expect};
use crate::theory::first::FirstLayer;

/// Replicates of a cell for which the infinitely wide network is asked.
const WIDE: u64 = 40;

/// Training points up to which it is: its kernel takes time that grows as their square, and cube.
const WIDE_POINTS: usize = 100;

/// Ends of the spectrum of Θ, medians over replicates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Extremes {
    /// λmin, or N ε λmax where it is below: rounding does not tell it from 0.
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
    /// Interval of the median of λmin at the start.
    pub smallest_start: Interval,
    /// Whether most λmin of the start are above round-off: else only that they are small is known.
    pub smallest_known: bool,
    /// Upper bound on λmin at the start by two points, [`two_point_bound`]; NaN where it was not
    /// measured.
    ///
    /// [`two_point_bound`]: crate::linalg::two_point_bound
    pub two_point_start: f64,
    /// Θ of the infinitely wide network on the training sets of the first replicates; none where it
    /// was not asked.
    pub infinite: Option<Extremes>,
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
    /// Prediction by the infinitely wide network on the same training sets, of the first
    /// replicates: known before any weight is drawn.
    pub by_infinite: Option<Forecast>,
    /// How that network's first layer was computed, where it is farthest from its own law's; none
    /// where it was not asked.
    pub first_layer: Option<FirstLayer>,
    /// How fast the loss falls late in training, replicate by replicate.
    pub late: Vec<LateDecay>,
    /// Trace of Θ at the start over that of the infinitely wide network, replicate by replicate.
    pub trace_over_infinite: Vec<f64>,
}

/// What the infinitely wide network does on the training sets of the first replicates; none if the
/// cell has no such network, or no theory of its steps.
fn infinite(cell: &Cell, replicates: usize, threads: usize) -> Vec<Expected> {
    if cell.setting.data.points > WIDE_POINTS || cell.setting.net.hidden.is_empty() {
        return Vec::new();
    }
    expect(cell, WIDE.min(replicates as u64), threads).unwrap_or_default()
}

/// A replicate, its first look, and its last one; none if it diverged, which has no end to look at,
/// or was looked at at its start alone.
struct Seen<'a> {
    row: &'a Row,
    first: &'a Observation,
    last: Option<&'a Observation>,
}

/// Medians over the replicates with a kernel at start and end; none if there is none.
pub(super) fn looked(
    cell: &Cell,
    record: &Record,
    looks: &[(&Observation, &Observation)],
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
    let of_start = |f: &dyn Fn(&Row, &Observation) -> Option<f64>| {
        let all = seen.iter().filter_map(|s| f(s.row, s.first));
        median(&all.collect::<Vec<_>>())
    };
    let of_end = |f: &dyn Fn(&Row, &Observation) -> Option<f64>| {
        let all = seen.iter().filter_map(|s| f(s.row, s.last?));
        median(&all.collect::<Vec<_>>())
    };
    let over = |row: &Row, look: &Observation| Some(over_limit(cell, row.rate, look));
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
        start: extremes(eigenvalues(seen.iter().map(|s| s.first))),
        smallest_start: smallest(&eigenvalues(seen.iter().map(|s| s.first))),
        smallest_known: smallest_known(&eigenvalues(seen.iter().map(|s| s.first))),
        two_point_start: of_start(&|_, look| look.two_point_bound),
        infinite: (!wide.is_empty())
            .then(|| extremes(wide.iter().map(|e| e.eigenvalues.as_slice()).collect())),
        end: extremes(eigenvalues(seen.iter().filter_map(|s| s.last))),
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
        first_layer: (wide.iter().map(|e| e.first_layer)).reduce(FirstLayer::worse),
        late: (seen.iter())
            .filter_map(|s| late_decay(cell, s.row, s.first, s.last?))
            .collect(),
        trace_over_infinite: seen.iter().filter_map(over_infinite).collect(),
    })
}

fn eigenvalues<'a>(looks: impl Iterator<Item = &'a Observation>) -> Vec<&'a [f64]> {
    looks.filter_map(|l| l.eigenvalues.as_deref()).collect()
}

/// λmin of an increasing spectrum, and the round-off that it cannot be told from below.
fn smallest_of(values: &[f64]) -> Option<(f64, f64)> {
    let (low, high) = (*values.first()?, *values.last()?);
    Some((low, high * values.len() as f64 * f64::EPSILON))
}

/// λmin, at least round-off.
fn at_least_round_off(values: &[f64]) -> Option<f64> {
    smallest_of(values).map(|(low, noise)| low.max(noise))
}

/// Interval of the median of λmin.
fn smallest(all: &[&[f64]]) -> Interval {
    let all: Vec<f64> = all.iter().filter_map(|e| at_least_round_off(e)).collect();
    median_interval(&all, LEVEL)
}

/// Whether most of them are above round-off.
fn smallest_known(all: &[&[f64]]) -> bool {
    let above = (all.iter()).filter(|e| smallest_of(e).is_some_and(|(low, noise)| low > noise));
    2 * above.count() > all.len()
}

/// Medians of the ends of spectra, each increasing.
fn extremes(all: Vec<&[f64]>) -> Extremes {
    let of =
        |f: fn(&[f64]) -> Option<f64>| median(&all.iter().filter_map(|e| f(e)).collect::<Vec<_>>());
    Extremes {
        smallest: of(at_least_round_off),
        largest: of(|e| e.last().copied()),
        condition: of(condition),
    }
}

/// λmax/λmin. Eigenvalues below round-off are that: the condition number is then at least 1/ε.
fn condition(values: &[f64]) -> Option<f64> {
    let (low, high) = (*values.first()?, *values.last()?);
    Some(high / low.max(high * f64::EPSILON))
}

/// Medians of all eigenvalues, the largest first.
fn spectrum<'a>(looks: impl Iterator<Item = &'a Observation>) -> Vec<f64> {
    let all: Vec<&Vec<f64>> = looks.filter_map(|l| l.eigenvalues.as_ref()).collect();
    let n = all.iter().map(|e| e.len()).min().unwrap_or(0);
    (0..n)
        .map(|k| median(&all.iter().map(|e| e[e.len() - 1 - k]).collect::<Vec<_>>()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An eigenvalue that rounding made negative is no measurement: neither its median nor the
    /// interval goes below round-off, and the median lies in the interval.
    #[test]
    fn a_smallest_eigenvalue_below_round_off_is_not_known() {
        let lost: Vec<[f64; 2]> = (0..9).map(|i| [-1e-18 * f64::from(i), 1.0]).collect();
        let lost: Vec<&[f64]> = lost.iter().map(|e| &e[..]).collect();
        let noise = 2.0 * f64::EPSILON;
        assert!(!smallest_known(&lost));
        assert!((extremes(lost.clone()).smallest - noise).abs() < 1e-20);
        let band = smallest(&lost);
        assert!(band.low >= noise && band.high <= noise, "{band:?}");
        let seen: Vec<[f64; 2]> = (1..10).map(|i| [1e-9 * f64::from(i), 1.0]).collect();
        let seen: Vec<&[f64]> = seen.iter().map(|e| &e[..]).collect();
        assert!(smallest_known(&seen));
        let (median, band) = (extremes(seen.clone()).smallest, smallest(&seen));
        assert!(band.low <= median && median <= band.high);
    }
}

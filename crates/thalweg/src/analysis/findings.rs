//! Predictions about cells, confronted with what the cells did.

use std::borrow::Cow;

use serde::Serialize;

use super::followed::FOLLOWED;
use super::forecast::{Forecast, edge};
use super::impossible::linear_floor;
use super::late::LateDecay;
use super::looked::Looked;
use super::summary::{Summary, share_interval};
use super::{LEVEL, chain};
use crate::descent::Precision;
use crate::plan::Cell;
use crate::record::{Observation, Outcome, Record};
use crate::stats::{Interval, mean_interval, median, median_interval};
use crate::theory::linear::Rule;

/// A prediction confronted with a measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What is predicted.
    pub question: Question,
    /// What is predicted, in words.
    pub name: String,
    /// The cell.
    pub cell: usize,
    /// What was measured.
    pub measured: f64,
    /// What theory says.
    pub predicted: f64,
    /// The measurement's interval.
    pub band: Interval,
    /// Where the measurement may lie for the prediction to hold.
    pub accepted: Interval,
    /// Whether they agree.
    pub verdict: Verdict,
    /// Whose theory, and where it applies; or who published the number.
    pub source: Cow<'static, str>,
}

impl Finding {
    /// Whether `predicted` is a published number rather than a theory's.
    pub fn published(&self) -> bool {
        self.question == Question::Published
    }
}

/// What a finding asks: findings of one question are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Do networks take the steps that their own initial kernels predict?
    StepsByInitialKernel,
    /// Do they take those of the infinitely wide network?
    StepsByInfiniteWidth,
    /// Has the initial kernel the trace of the infinitely wide network's?
    TraceOfInfiniteWidth,
    /// Does nothing converge where the output bias alone forbids it?
    OutputBias,
    /// Does everything diverge above the linear limit of stability?
    LinearStability,
    /// Does the sharpness stay at the edge of stability?
    EdgeOfStability,
    /// Does the loss fall late in training as the slowest mode of the kernel there?
    LateDecay,
    /// Is the exact floor of a linear network the least loss?
    LinearFloor,
    /// Does a chain take the steps of gradient flow?
    ChainSteps,
    /// Is a chain's distance from gradient flow of first order?
    ChainDistance,
    /// Has a chain's loss the predicted period?
    ChainPeriod,
    /// Has a chain the predicted Lyapunov exponent?
    ChainLyapunov,
    /// Does a chain escape where it is predicted to?
    ChainEscape,
    /// Is a published number found again?
    Published,
}

/// The outcome of a confrontation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval of the measurement is within the tolerance.
    Holds,
    /// The whole interval is outside.
    Fails,
    /// The interval reaches from within the tolerance to outside: it may hold or not.
    Open,
    /// The theory does not claim to apply.
    OutOfDomain,
    /// Too few measurements for an interval.
    Underpowered,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 5] = [
        Verdict::Holds,
        Verdict::Fails,
        Verdict::Open,
        Verdict::OutOfDomain,
        Verdict::Underpowered,
    ];

    /// What an interval says of a tolerance, of predictions and of published numbers alike. A
    /// measurement that is known without error has an interval of one point.
    pub fn of(band: Interval, accepted: Interval) -> Verdict {
        if band.low.is_nan() || band.high.is_nan() {
            Verdict::Underpowered
        } else if accepted.low <= band.low && band.high <= accepted.high {
            Verdict::Holds
        } else if band.high < accepted.low || accepted.high < band.low {
            Verdict::Fails
        } else {
            Verdict::Open
        }
    }

    /// Of a sentence about every replicate seen, which one that contradicts refutes.
    pub fn of_every(holds: bool) -> Verdict {
        if holds {
            Verdict::Holds
        } else {
            Verdict::Fails
        }
    }

    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Fails => "fails",
            Verdict::Open => "open",
            Verdict::OutOfDomain => "out of domain",
            Verdict::Underpowered => "underpowered",
        }
    }
}

/// Looks in the last quarter of training whose mean stands for it.
const LATE: usize = 4;

/// Whether the sharpness stays at the edge once it was there: the rate over the largest that is
/// stable at that sharpness, the mean over the last quarter of training, for each replicate that
/// reached 1 before. None if none did, if training was not followed, or for Nesterov's rule, of
/// which nothing was claimed.
fn edge_of_stability(cell: &Cell, record: &Record) -> Option<Finding> {
    match Rule::of(&cell.setting.descent)? {
        Rule::Descent | Rule::Momentum(_) => {}
        Rule::Nesterov(_) => return None,
    }
    let of_replicate = |looks: &[Observation]| {
        let row = record.rows.get(looks.first()?.replicate as usize)?;
        let over = |look: &Observation| edge(cell, row.rate, look);
        let late = |look: &&Observation| 4 * look.step > 3 * row.steps;
        let diverged = matches!(row.outcome, Outcome::Diverged { .. });
        let there = (looks.iter().filter(|l| !late(l))).any(|l| over(l).is_some_and(|o| o >= 1.0));
        // At the bottom there is no training late in training.
        let over_with = row.final_loss <= 1e-24 * row.initial_loss;
        if diverged || over_with || looks.len() < FOLLOWED || !there {
            return None;
        }
        let last: Vec<f64> = looks.iter().filter(late).filter_map(over).collect();
        (last.len() >= LATE).then(|| last.iter().sum::<f64>() / last.len() as f64)
    };
    let means: Vec<f64> = (record.looks.chunk_by(|a, b| a.replicate == b.replicate))
        .filter_map(of_replicate)
        .collect();
    let band = Interval {
        low: means.iter().copied().fold(f64::NAN, f64::min),
        high: means.iter().copied().fold(f64::NAN, f64::max),
    };
    let accepted = Interval {
        low: 0.95,
        high: 1.05,
    };
    (!means.is_empty()).then(|| Finding {
        question: Question::EdgeOfStability,
        name: "η·sharpness over the edge of stability late in training, where it had reached 1; \
               every replicate within 5 %"
            .into(),
        cell: cell.number,
        measured: median(&means),
        predicted: 1.0,
        verdict: Verdict::of_every(accepted.low <= band.low && band.high <= accepted.high),
        band,
        accepted,
        source: "edge of stability: Cohen et al. 2021, arXiv:2103.00065".into(),
    })
}

/// The decay of the loss late in training over that of the slowest mode of the kernel at the end:
/// the median must lie within 5 % of 1.
fn late_decay(cell: &Cell, late: &[LateDecay]) -> Option<Finding> {
    let ratios: Vec<f64> = late.iter().map(|l| l.measured / l.by_end).collect();
    if ratios.len() < 6 {
        return None;
    }
    let band = median_interval(&ratios, LEVEL);
    let accepted = Interval {
        low: 0.95,
        high: 1.05,
    };
    Some(Finding {
        question: Question::LateDecay,
        name: "decay of the loss late in training over that of the slowest mode of the kernel at \
               the end, median within 5 %"
            .into(),
        cell: cell.number,
        measured: median(&ratios),
        predicted: 1.0,
        verdict: Verdict::of(band, accepted),
        band,
        accepted,
        source: "Lee et al. 2019, arXiv:1902.06720, at the end: known only afterwards".into(),
    })
}

/// The median ratio of steps, which must lie in [1/1.25, 1.25]. It is NaN where censored replicates
/// leave it between two bounds.
fn steps(
    cell: &Cell,
    (question, name, source): (Question, &str, &'static str),
    forecast: &Forecast,
    looked: &Looked,
) -> Finding {
    let unknown = Interval {
        low: f64::NAN,
        high: f64::NAN,
    };
    let measured = forecast.ratio.and_then(|r| r.identified());
    let band = forecast.ratio.map_or(unknown, |r| r.interval);
    let accepted = Interval {
        low: 0.8,
        high: 1.25,
    };
    Finding {
        question,
        name: name.into(),
        cell: cell.number,
        measured: measured.unwrap_or(f64::NAN),
        predicted: 1.0,
        band,
        accepted,
        verdict: if looked.over_limit_start >= 1.0 {
            Verdict::OutOfDomain
        } else {
            Verdict::of(band, accepted)
        },
        source: source.into(),
    }
}

/// The mean trace of the kernel at the start against that of the infinitely wide network, which for
/// every width it is equal to in the mean for ReLU, and up to 1/width for others.
fn trace(cell: &Cell, ratios: &[f64]) -> Option<Finding> {
    if ratios.len() < 2 {
        return None;
    }
    let (mean, band) = mean_interval(ratios, LEVEL);
    let accepted = Interval {
        low: 0.9,
        high: 1.1,
    };
    Some(Finding {
        question: Question::TraceOfInfiniteWidth,
        name: "mean trace of the initial kernel over the infinitely wide network's, within 10 %"
            .into(),
        cell: cell.number,
        measured: mean,
        predicted: 1.0,
        accepted,
        verdict: Verdict::of(band, accepted),
        band,
        source:
            "Jacot et al. 2018, arXiv:1806.07572: the mean over initial weights, as widths grow"
                .into(),
    })
}

/// Every prediction about a cell against what it did.
pub(super) fn findings(cell: &Cell, record: &Record, summary: &Summary) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(looked) = &summary.looked {
        if let Some(forecast) = &looked.by_start {
            let about = (
                Question::StepsByInitialKernel,
                "hitting time over the linearised network's, within 25 %",
                "Lee et al. 2019, arXiv:1902.06720: wide networks; rate below the limit",
            );
            all.push(steps(cell, about, forecast, looked));
        }
        if let Some(forecast) = &looked.by_infinite {
            let about = (
                Question::StepsByInfiniteWidth,
                "hitting time over the infinitely wide network's, within 25 %",
                "Jacot et al. 2018, arXiv:1806.07572: infinite width; rate below the limit",
            );
            all.push(steps(cell, about, forecast, looked));
        }
        all.extend(trace(cell, &looked.trace_over_infinite));
        all.extend(unstable(cell, summary, looked));
    }
    all.extend(
        summary
            .looked
            .as_ref()
            .and_then(|looked| late_decay(cell, &looked.late)),
    );
    all.extend(edge_of_stability(cell, record));
    all.extend(linear_network(cell, record));
    all.extend(chain::findings(cell, record, summary));
    all
}

/// What happens at a rate that linear theory calls unstable; none below the limit.
fn unstable(cell: &Cell, summary: &Summary, looked: &Looked) -> Option<Finding> {
    let descent = &cell.setting.descent;
    if Rule::of(descent) != Some(Rule::Descent) || !looked.over_limit_start.is_finite() {
        return None;
    }
    let points = cell.setting.data.points as f64;
    let multipliers = cell.problem().multipliers;
    let plain = multipliers.last().is_some_and(|m| (m - 1.0).abs() <= 0.0);
    let plain = plain && cell.is_regression() && descent.layer_rates.is_none();
    let bias = cell.setting.net.bias && plain;
    let zero = Interval {
        low: 0.0,
        high: 0.0,
    };
    let one = Interval {
        low: 1.0,
        high: 1.0,
    };
    // At no rate that the schedule comes to.
    let changes = descent.schedule.milestones(descent.steps);
    let lowest = changes.iter().map(|m| m.factor).fold(1.0, f64::min);
    if bias && lowest * summary.rate * cell.loss_factor() * points >= 1.0 {
        return Some(Finding {
            question: Question::OutputBias,
            name: "no convergence: the output bias alone makes λmax(Θ) ≥ N, so η ≥ 1/(s N) is \
                   never stable"
                .into(),
            cell: cell.number,
            measured: summary.share,
            predicted: 0.0,
            band: summary.success,
            accepted: zero,
            verdict: Verdict::of_every(summary.successes == 0),
            source: "exact: Θ contains 1 1ᵀ".into(),
        });
    }
    let diverged = summary.tally.outcomes.diverged;
    (looked.over_limit_start > 1.0).then(|| Finding {
        question: Question::LinearStability,
        name: "share that diverges above the linear limit of stability".into(),
        cell: cell.number,
        measured: diverged as f64 / summary.replicates as f64,
        predicted: 1.0,
        band: share_interval(cell, diverged, summary.replicates),
        accepted: one,
        verdict: Verdict::OutOfDomain,
        source: "linear stability; catapults come back (Lewkowycz et al. 2020, arXiv:2003.02218)"
            .into(),
    })
}

/// Replicates of a linear network that are held against their exact floor.
const FLOORS: usize = 100;

/// The losses of a network that is linear in its input over their exact floors, where these lie
/// above the threshold.
fn linear_network(cell: &Cell, record: &Record) -> Option<Finding> {
    let ratios: Vec<f64> = (record.rows.iter())
        .filter(|row| !matches!(row.outcome, Outcome::Diverged { .. }))
        .take(FLOORS)
        .filter_map(|row| Some((linear_floor(cell, row.replicate)?, row.final_loss)))
        .filter(|(floor, _)| *floor > cell.loss_at_most())
        .map(|(floor, loss)| loss / floor)
        .collect();
    let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let slack = match cell.setting.descent.precision {
        Precision::F32 => 1e-4,
        Precision::F64 => 1e-9,
    };
    (!ratios.is_empty()).then(|| Finding {
        question: Question::LinearFloor,
        name: "a linear network's loss over its exact floor, smallest".into(),
        cell: cell.number,
        measured: smallest,
        predicted: 1.0,
        band: Interval {
            low: smallest,
            high: median(&ratios),
        },
        verdict: Verdict::of_every(smallest >= 1.0 - slack),
        accepted: Interval {
            low: 1.0 - slack,
            high: f64::INFINITY,
        },
        source: "exact: least squares".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interval from 0.549 to 0.819 was said to agree with 0.8 to 1.25.
    #[test]
    fn a_wide_interval_confirms_nothing() {
        let of = |low: f64, high: f64| Interval { low, high };
        let accepted = of(0.8, 1.25);
        for (band, verdict) in [
            (of(0.8, 1.25), Verdict::Holds),
            (of(1.0, 1.0), Verdict::Holds),
            (of(0.549, 0.819), Verdict::Open),
            (of(0.5, 2.0), Verdict::Open),
            (of(f64::NEG_INFINITY, f64::INFINITY), Verdict::Open),
            (of(1.2, 1.3), Verdict::Open),
            (of(0.27, 0.7), Verdict::Fails),
            (of(1.3, f64::INFINITY), Verdict::Fails),
            (of(f64::NAN, f64::NAN), Verdict::Underpowered),
        ] {
            assert_eq!(Verdict::of(band, accepted), verdict, "{band}");
        }
        // A wider interval never turns a verdict into the opposite one.
        for wider in [0.01, 0.1, 1.0] {
            let (holds, fails) = (of(1.0, 1.1), of(1.3, 1.4));
            let widened = |i: Interval| of(i.low - wider, i.high + wider);
            assert_ne!(Verdict::of(widened(holds), accepted), Verdict::Fails);
            assert_ne!(Verdict::of(widened(fails), accepted), Verdict::Holds);
        }
    }
}

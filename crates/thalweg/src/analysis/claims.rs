//! What others found, beside what this study found.

use serde::Serialize;

use super::findings::{Finding, Question, Verdict};
use super::forecast::{edge, predict};
use super::summary::Summary;
use super::{LEVEL, chain};
use crate::claim::Quantity;
use crate::plan::{Cell, ClaimTarget, Placed, Plan};
use crate::record::{Curve, Observation, Record, Row};
use crate::stats::{
    BinomialGroup, Interval, Logistic, NoFit, median, median_interval, normal_quantile,
};

/// Where the probability of success crosses a share along a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crossing {
    /// Whether success rises with the number.
    pub rises: bool,
    /// Where; none if it jumps from never to always somewhere in the interval.
    pub at: Option<f64>,
    /// 95 % interval; infinite ends lie beyond what was tried.
    pub interval: Interval,
}

/// Where success crosses `share` along the numbers of these cells, by a logistic fit in the number
/// (or its logarithm); none if it does not within what was tried, or not in one direction.
pub fn crossing(
    at: &[(f64, usize)],
    summaries: &[Summary],
    share: f64,
    logarithmic: bool,
) -> Option<Crossing> {
    let scale = |v: f64| if logarithmic { v.ln() } else { v };
    let back = |x: f64| if logarithmic { x.exp() } else { x };
    let groups: Vec<BinomialGroup> = (at.iter())
        .map(|(v, m)| BinomialGroup {
            x: scale(*v),
            successes: summaries[*m].successes,
            trials: summaries[*m].replicates,
        })
        .collect();
    let success: Vec<Interval> = at.iter().map(|(_, m)| summaries[*m].success).collect();
    let contradicts = |rises: bool| {
        success.iter().enumerate().any(|(i, a)| {
            (success[i + 1..].iter()).any(|b| {
                if rises {
                    a.low > b.high
                } else {
                    b.low > a.high
                }
            })
        })
    };
    match Logistic::fit(&groups) {
        Ok(fit) => {
            let rises = fit.slope > 0.0;
            let t = fit.threshold(share, LEVEL)?;
            let (low, high) = (groups.first()?.x, groups.last()?.x);
            (!contradicts(rises) && low <= t.at && t.at <= high).then(|| Crossing {
                rises,
                at: Some(back(t.at)),
                interval: Interval {
                    low: if t.interval.low.is_finite() {
                        back(t.interval.low)
                    } else {
                        f64::NEG_INFINITY
                    },
                    high: back(t.interval.high),
                },
            })
        }
        Err(NoFit::Separated(between)) => {
            let pure = |g: &BinomialGroup| g.successes == 0 || g.successes == g.trials;
            groups.iter().all(pure).then(|| Crossing {
                rises: groups.first().is_some_and(|g| g.successes == 0),
                at: None,
                interval: Interval {
                    low: back(between.low),
                    high: back(between.high),
                },
            })
        }
        Err(NoFit::TooFew | NoFit::OneOutcome) => None,
    }
}

/// A quantity of every replicate that has it, by number.
fn values(what: Quantity, cell: &Cell, record: &Record) -> Vec<(u64, f64)> {
    let rows = |f: &dyn Fn(&Row) -> f64| record.rows.iter().map(|r| (r.replicate, f(r))).collect();
    let looks = |f: &dyn Fn(&Row, &Observation, &Observation) -> Option<f64>| {
        let of = |(first, last): (&Observation, &Observation)| {
            let row = record.rows.get(first.replicate as usize)?;
            Some((row.replicate, f(row, first, last)?))
        };
        (record.first_and_last_looks().into_iter())
            .filter_map(of)
            .collect()
    };
    let curves = |f: &dyn Fn(&Curve) -> Option<f64>| {
        (record.curves.iter())
            .filter_map(|c| Some((c.replicate, f(c)?)))
            .collect()
    };
    let growth = |first: &Observation, last: &Observation, pick: fn(&[f64]) -> Option<&f64>| {
        let of = |look: &Observation| pick(look.eigenvalues.as_ref()?).copied();
        Some(of(last)? / of(first)?)
    };
    let predicted =
        |row: &Row, first: &Observation| Some(predict(cell, row.rate, first)?.as_number());
    match what {
        Quantity::Success => rows(&|r| f64::from(u8::from(r.reached()))),
        Quantity::Steps => rows(&|r| r.hit().map_or(f64::INFINITY, |h| h as f64)),
        Quantity::PredictedSteps => looks(&|row, first, _| predicted(row, first)),
        Quantity::StepsOverPredicted => looks(&|row, first, _| {
            let ratio = row.hit()? as f64 / predicted(row, first)?;
            (ratio.is_finite() && ratio > 0.0).then_some(ratio)
        }),
        Quantity::InitialLoss => rows(&|r| r.initial_loss),
        Quantity::FinalLoss => rows(&|r| r.final_loss),
        Quantity::Edge => looks(&|row, _, last| edge(cell, row.rate, last)),
        Quantity::KernelMoved => looks(&|_, _, last| last.kernel_moved),
        Quantity::WeightsMoved(layer) => looks(&|_, _, last| {
            last.weights_moved
                .as_ref()?
                .get(layer.checked_sub(1)?)
                .copied()
        }),
        Quantity::SmallestEigenvalueGrowth => looks(&|_, a, b| growth(a, b, |e| e.first())),
        Quantity::LargestEigenvalueGrowth => looks(&|_, a, b| growth(a, b, |e| e.last())),
        Quantity::Period => curves(&chain::loss_period),
        Quantity::FlowDistance => curves(&|c| chain::flow_distance(cell, c)),
        Quantity::Lyapunov => curves(&|c| chain::lyapunov(cell, record, c.replicate)),
    }
}

/// A measurement with its interval; none if nothing was measured.
type Measured = Option<(f64, Interval)>;

fn at_cell(what: Quantity, cell: &Cell, record: &Record, summary: &Summary) -> Measured {
    if what == Quantity::Success {
        return Some((summary.share, summary.success));
    }
    let all: Vec<f64> = (values(what, cell, record).into_iter())
        .map(|(_, v)| v)
        .collect();
    let middle = median(&all);
    // One run of what has no spread says all there is.
    let spread = all.iter().any(|v| v.to_bits() != all[0].to_bits());
    let band = if spread || all.len() == 1 && record.tally.replicates > 1 {
        median_interval(&all, LEVEL)
    } else {
        Interval {
            low: middle,
            high: middle,
        }
    };
    (!all.is_empty() && !middle.is_nan()).then_some((middle, band))
}

/// The slope of ln(quantity) against ln(number) by least squares for each replicate that has the
/// quantity at every number, and the mean over replicates with its normal interval.
fn slope(what: Quantity, at: &[(f64, usize)], plan: &Plan, records: &[Record]) -> Measured {
    let all: Vec<Vec<(u64, f64)>> = (at.iter())
        .map(|(_, m)| values(what, &plan.cells[*m], &records[*m]))
        .collect();
    let x: Vec<f64> = at.iter().map(|(v, _)| v.ln()).collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let centre = mean(&x);
    let spread: f64 = x.iter().map(|x| (x - centre).powi(2)).sum();
    let slopes: Vec<f64> = (all.first()?.iter())
        .filter_map(|(replicate, _)| {
            let of = |cell: &Vec<(u64, f64)>| {
                let found = cell.iter().find(|(r, _)| r == replicate)?;
                Some(found.1.ln()).filter(|v| v.is_finite())
            };
            let y: Option<Vec<f64>> = all.iter().map(of).collect();
            let y = y?;
            let dots = x.iter().zip(&y).map(|(x, y)| (x - centre) * y);
            Some(dots.sum::<f64>() / spread)
        })
        .collect();
    if slopes.is_empty() {
        return None;
    }
    let (n, middle) = (slopes.len() as f64, mean(&slopes));
    let square = slopes.iter().map(|s| (s - middle).powi(2)).sum::<f64>();
    let half = if slopes.len() > 1 {
        normal_quantile(0.5 + 0.5 * LEVEL) * (square / (n - 1.0) / n).sqrt()
    } else {
        0.0
    };
    let band = Interval {
        low: middle - half,
        high: middle + half,
    };
    Some((middle, band))
}

/// Every claim of the study beside what was found.
pub(super) fn findings(plan: &Plan, records: &[Record], summaries: &[Summary]) -> Vec<Finding> {
    (plan.claims.iter())
        .map(|placed| finding(placed, plan, records, summaries))
        .collect()
}

fn finding(placed: &Placed, plan: &Plan, records: &[Record], summaries: &[Summary]) -> Finding {
    let claim = &placed.claim;
    let (name, cell, measured) = match placed.place {
        ClaimTarget::Cell(m) => (
            claim.what.name(),
            m,
            at_cell(claim.what, &plan.cells[m], &records[m], &summaries[m]),
        ),
        ClaimTarget::Along(k) => {
            let comparison = &plan.comparisons[k];
            let at = comparison.numbers().unwrap_or_default();
            let first = at.first().map_or(0, |(_, m)| *m);
            if claim.what == Quantity::Success {
                let share = plan.cells[0].setting.success.share;
                let found = crossing(&at, summaries, share, false).map(|c| {
                    let middle = 0.5 * (c.interval.low + c.interval.high);
                    (c.at.unwrap_or(middle), c.interval)
                });
                let name = format!("success crosses {share} along `{}`", comparison.name);
                (name, first, found)
            } else {
                let name = format!("{}: slope along `{}`", claim.what.name(), comparison.name);
                (name, first, slope(claim.what, &at, plan, records))
            }
        }
    };
    let [low, high] = claim.between;
    let accepted = Interval { low, high };
    let unknown = Interval {
        low: f64::NAN,
        high: f64::NAN,
    };
    let (value, band) = measured.unwrap_or((f64::NAN, unknown));
    Finding {
        question: Question::Published,
        name,
        cell,
        measured: value,
        predicted: claim.value,
        verdict: judge(value, band, accepted),
        band,
        accepted,
        source: claim.source.clone().into(),
    }
}

/// A measurement inside the accepted range agrees; one whose whole interval is outside does not;
/// else it is too uncertain to tell.
fn judge(value: f64, band: Interval, accepted: Interval) -> Verdict {
    if accepted.low <= value && value <= accepted.high {
        Verdict::Holds
    } else if band.high < accepted.low || accepted.high < band.low {
        Verdict::Fails
    } else {
        Verdict::Underpowered
    }
}

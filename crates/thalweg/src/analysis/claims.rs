//! What others found, beside what this study found.

use super::comparison::varies;
use super::crossing::crossing;
use super::findings::{Finding, Question, Verdict};
use super::forecast::{edge, predict};
use super::hitting_times::wait;
use super::restarts::Redrawn;
use super::summary::Summary;
use super::{LEVEL, chain};
use crate::claim::Quantity;
use crate::plan::{Cell, ClaimTarget, Placed, Plan};
use crate::record::{Curve, Observation, Record, Row};
use crate::stats::{BoundedMedian, Interval, Wait, mean_interval, median};

/// A quantity of every replicate that has it, by number: between two bounds where it is censored.
fn values(what: Quantity, cell: &Cell, record: &Record) -> Vec<(u64, Interval)> {
    let exactly = |value: f64| match value.is_nan() {
        // Overflow: it may be anything.
        true => between(f64::NEG_INFINITY, f64::INFINITY),
        false => between(value, value),
    };
    let rows = |f: &dyn Fn(&Row) -> Interval| -> Vec<(u64, Interval)> {
        record.rows.iter().map(|r| (r.replicate, f(r))).collect()
    };
    let bounds = |f: &dyn Fn(&Row, &Observation) -> Option<Interval>| {
        let of = |(first, _): (&Observation, &Observation)| {
            let row = record.rows.get(first.replicate as usize)?;
            Some((row.replicate, f(row, first)?))
        };
        let looks = record.first_and_last_looks().into_iter();
        looks.filter_map(of).collect::<Vec<_>>()
    };
    let looks = |f: &dyn Fn(&Row, &Observation, &Observation) -> Option<f64>| {
        let of = |(first, last): (&Observation, &Observation)| {
            let row = record.rows.get(first.replicate as usize)?;
            Some((row.replicate, exactly(f(row, first, last)?)))
        };
        (record.first_and_last_looks().into_iter())
            .filter_map(of)
            .collect()
    };
    let curves = |f: &dyn Fn(&Curve) -> Option<f64>| {
        (record.curves.iter())
            .filter_map(|c| Some((c.replicate, exactly(f(c)?))))
            .collect()
    };
    let growth = |first: &Observation, last: &Observation, pick: fn(&[f64]) -> Option<&f64>| {
        let of = |look: &Observation| pick(look.eigenvalues.as_ref()?).copied();
        Some(of(last)? / of(first)?)
    };
    let budget = cell.setting.descent.steps as f64;
    let steps = |row: &Row| match wait(row) {
        Wait::Until(step) => between(step, step),
        Wait::After(step) => between(step, f64::INFINITY),
        Wait::Never => between(f64::INFINITY, f64::INFINITY),
    };
    // A prediction without a step says at least that it is not within the budget.
    let predicted = |row: &Row, first: &Observation| {
        let steps = predict(cell, row.rate, first)?.as_number();
        Some(between(
            if steps.is_finite() { steps } else { budget },
            steps,
        ))
    };
    match what {
        Quantity::Success => rows(&|r| exactly(f64::from(u8::from(r.reached())))),
        Quantity::Steps => rows(&steps),
        Quantity::PredictedSteps => bounds(&predicted),
        Quantity::StepsOverPredicted => bounds(&|row, first| {
            let (observed, expected) = (steps(row), predicted(row, first)?);
            let over = |a: f64, b: f64| {
                if a.to_bits() == b.to_bits() {
                    1.0
                } else {
                    a / b
                }
            };
            Some(
                match (observed.high.is_finite(), expected.high.is_finite()) {
                    (false, false) => between(0.0, f64::INFINITY),
                    (true, true) => exactly(over(observed.low, expected.low)),
                    (true, false) => between(0.0, over(observed.high, expected.low)),
                    (false, true) => between(over(observed.low, expected.high), f64::INFINITY),
                },
            )
        }),
        Quantity::InitialLoss => rows(&|r| exactly(r.initial_loss)),
        Quantity::FinalLoss => rows(&|r| exactly(r.final_loss)),
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

fn between(low: f64, high: f64) -> Interval {
    Interval { low, high }
}

/// A measurement with its interval; none if nothing was measured. It is NaN where censoring leaves
/// it between two bounds; the interval says what is known.
type Measured = Option<(f64, Interval)>;

fn at_cell(what: Quantity, cell: &Cell, record: &Record, summary: &Summary) -> Measured {
    match what {
        Quantity::Success => return Some((summary.share, summary.success)),
        // One interval for one median.
        Quantity::Steps => {
            let number = |step: Option<u64>| step.map_or(f64::INFINITY, |step| step as f64);
            let median = summary.steps.median;
            let at = number(median.step);
            let band = match Redrawn::of(cell) {
                None => between(at, at),
                Some(_) => between(number(median.low), number(median.high)),
            };
            return Some((at, band));
        }
        Quantity::StepsOverPredicted => {
            let ratio = summary.by_start()?.ratio?;
            return Some((ratio.identified().unwrap_or(f64::NAN), ratio.interval));
        }
        Quantity::PredictedSteps
        | Quantity::InitialLoss
        | Quantity::FinalLoss
        | Quantity::Edge
        | Quantity::KernelMoved
        | Quantity::WeightsMoved(_)
        | Quantity::SmallestEigenvalueGrowth
        | Quantity::LargestEigenvalueGrowth
        | Quantity::Period
        | Quantity::FlowDistance
        | Quantity::Lyapunov => {}
    }
    let all: Vec<Interval> = (values(what, cell, record).into_iter())
        .map(|(_, v)| v)
        .collect();
    let first = *all.first()?;
    if let Some(found) = BoundedMedian::of(&all, LEVEL) {
        return Some((found.identified().unwrap_or(f64::NAN), found.interval));
    }
    // Of fewer than six no order statistic is safe, unless nothing is random.
    let middle = median(
        &all.iter()
            .map(|v| 0.5 * (v.low + v.high))
            .collect::<Vec<_>>(),
    );
    let band = match Redrawn::of(cell) {
        None => first,
        Some(_) => between(f64::NEG_INFINITY, f64::INFINITY),
    };
    (!middle.is_nan()).then_some((middle, band))
}

/// The slope of ln(quantity) against ln(number) by least squares for each replicate that has the
/// quantity at every number, and the mean over replicates with Student's interval. Where some are
/// censored their slopes lie between bounds, and it is the median.
fn slope(what: Quantity, at: &[(f64, usize)], plan: &Plan, records: &[Record]) -> Measured {
    let all: Vec<Vec<(u64, Interval)>> = (at.iter())
        .map(|(_, m)| values(what, &plan.cells[*m], &records[*m]))
        .collect();
    let x: Vec<f64> = at.iter().map(|(v, _)| v.ln()).collect();
    let centre = x.iter().sum::<f64>() / x.len() as f64;
    let spread: f64 = x.iter().map(|x| (x - centre).powi(2)).sum();
    let slopes: Vec<Interval> = (all.first()?.iter())
        .filter_map(|(replicate, _)| {
            let of =
                |cell: &Vec<(u64, Interval)>| Some(cell.iter().find(|(r, _)| r == replicate)?.1);
            let y: Vec<Interval> = all.iter().map(of).collect::<Option<_>>()?;
            let mut slope = between(0.0, 0.0);
            for (x, y) in x.iter().zip(&y) {
                let weight = (x - centre) / spread;
                let (low, high) = (y.low.max(0.0).ln(), y.high.max(0.0).ln());
                // A larger value at a smaller number makes it flatter.
                let (low, high) = if weight > 0.0 {
                    (low, high)
                } else {
                    (high, low)
                };
                if weight.abs() > 0.0 {
                    slope = between(slope.low + weight * low, slope.high + weight * high);
                }
            }
            // An infinite quantity, or none at all, leaves the slope open.
            let known = |v: f64, open: f64| if v.is_nan() { open } else { v };
            let low = known(slope.low, f64::NEG_INFINITY);
            Some(between(low, known(slope.high, f64::INFINITY)))
        })
        .collect();
    let random = at
        .iter()
        .any(|(_, m)| Redrawn::of(&plan.cells[*m]).is_some());
    if slopes.iter().all(|s| s.low.is_finite() && s.low >= s.high) {
        let exact: Vec<f64> = slopes.iter().map(|s| s.low).collect();
        let (mean, band) = mean_interval(&exact, LEVEL);
        let band = if random { band } else { between(mean, mean) };
        return (!exact.is_empty()).then_some((mean, band));
    }
    let found = BoundedMedian::of(&slopes, LEVEL)?;
    Some((found.identified().unwrap_or(f64::NAN), found.interval))
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
                let key = (comparison.keys.iter().enumerate())
                    .find(|(k, _)| varies(comparison, *k))
                    .map_or("", |(_, key)| key.as_str());
                let found = crossing(&at, key, plan, (records, summaries), share);
                let found = found.map(|c| (0.5 * (c.at.low + c.at.high), c.interval));
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
        verdict: Verdict::of(band, accepted),
        band,
        accepted,
        source: claim.source.clone().into(),
    }
}

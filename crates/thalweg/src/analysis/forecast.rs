//! What a kernel says of a run, before it and after, and how that compares with what the run did.

use std::fmt;

use serde::Serialize;

use super::LEVEL;
use super::hitting_times::wait;
use crate::descent::Milestone;
use crate::plan::Cell;
use crate::record::{Observation, Row};
use crate::stats::{PairedRatio, Wait, paired_ratio, quantile_of, spearman};
use crate::theory::linear::{Linear, Rule, Steps};

/// What a kernel measured at one look implies for the rest of the replicate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prediction {
    /// The largest stable rate of the cell's rule for that kernel, `Rule::largest_stable_rate`.
    pub largest_stable_rate: f64,
    /// From the look on, to the success threshold.
    pub steps: Steps,
}

/// Its steps.
impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.fmt(f)
    }
}

impl Prediction {
    /// The step as a number: infinite if it is never reached or the rate is unstable.
    pub fn as_number(&self) -> f64 {
        self.steps.as_number()
    }
}

/// The rate in force at a step of a replicate that began with `rate`.
pub fn rate_at(cell: &Cell, rate: f64, step: u64) -> f64 {
    rate * cell.setting.descent.schedule.factor_at(step)
}

/// The network linearised at a look, from there on, of a replicate that began with `rate`; none
/// without a kernel, or for a rule without a linear theory.
pub fn linear<'a>(cell: &Cell, rate: f64, look: &'a Observation) -> Option<Linear<'a>> {
    let descent = &cell.setting.descent;
    let here = descent.schedule.factor_at(look.step);
    let later = descent.schedule.milestones(descent.steps);
    Some(Linear {
        rule: Rule::of(descent)?,
        loss_factor: cell.loss_factor(),
        rate: rate * here,
        schedule: (later.into_iter())
            .filter(|change| change.step > look.step)
            .map(|change| Milestone {
                step: change.step - look.step,
                factor: change.factor / here,
            })
            .collect(),
        eigenvalues: look.eigenvalues.as_deref()?,
        coefficients: look.coefficients.as_deref()?,
    })
}

/// The same, if all its numbers are finite.
fn finite<'a>(cell: &Cell, rate: f64, look: &'a Observation) -> Option<Linear<'a>> {
    linear(cell, rate, look).filter(|linear| {
        let mut numbers = linear.eigenvalues.iter().chain(linear.coefficients);
        numbers.all(|v| v.is_finite())
    })
}

/// Whether a kernel says anything of the steps of this cell.
pub fn has_theory(cell: &Cell) -> bool {
    cell.setting.success.by_loss().is_some() && Rule::of(&cell.setting.descent).is_some()
}

/// What the kernel at a look predicts; none where there is no kernel, no linear theory, a number
/// that is not finite, or where success is not judged by the loss.
pub fn predict(cell: &Cell, rate: f64, look: &Observation) -> Option<Prediction> {
    let below = cell.setting.success.by_loss()?;
    let linear = finite(cell, rate, look)?;
    Some(Prediction {
        largest_stable_rate: linear.largest_stable_rate(),
        steps: linear.steps_below(below),
    })
}

/// What the kernel of the end says about the whole run: its modes, the residual of the start.
pub(super) fn by_end(cell: &Cell, row: &Row, last: &Observation) -> Option<Prediction> {
    let whole = Observation {
        step: 0,
        coefficients: last.start_coefficients.clone(),
        ..last.clone()
    };
    predict(cell, row.rate, &whole)
}

/// The largest stable rate of the cell's rule for the kernel at a look; none where there is no
/// prediction either.
pub(super) fn largest_stable_rate(cell: &Cell, rate: f64, look: &Observation) -> Option<f64> {
    Some(finite(cell, rate, look)?.largest_stable_rate())
}

/// η over the largest stable rate of the kernel at a look; NaN where there is none.
pub(super) fn over_limit(cell: &Cell, rate: f64, look: &Observation) -> f64 {
    let rate_here = rate_at(cell, rate, look.step);
    largest_stable_rate(cell, rate, look).map_or(f64::NAN, |limit| rate_here / limit)
}

/// The rate over the largest that is stable at the sharpness of a look ([`Rule::edge`]): 1 is the
/// edge of stability. None without a sharpness, or for a rule without a linear theory.
pub fn edge(cell: &Cell, rate: f64, look: &Observation) -> Option<f64> {
    let rule = Rule::of(&cell.setting.descent)?;
    let rate = rate_at(cell, rate, look.step);
    look.sharpness.map(|sharpness| rule.edge(rate, sharpness))
}

/// Predicted hitting times of a cell's replicates against observed ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Median of the predicted step; infinite if never.
    pub median: f64,
    /// 80 % quantile of the same.
    pub q80: f64,
    /// Predicted share within the budget.
    pub success: f64,
    /// Median of observed/predicted over all of them; none for fewer than six.
    pub ratio: Option<PairedRatio>,
    /// Spearman's rank correlation over those of which both are finite.
    pub correlation: Option<f64>,
    /// (predicted, observed), finite ones.
    pub pairs: Vec<(f64, f64)>,
}

/// Predicted steps beside the rows they are about; none without any.
pub(super) fn forecast(cell: &Cell, of: &[(&Row, f64)]) -> Option<Forecast> {
    if of.is_empty() {
        return None;
    }
    let predicted: Vec<f64> = of.iter().map(|(_, p)| *p).collect();
    let budget = cell.setting.descent.steps as f64;
    let pairs: Vec<(f64, f64)> = of
        .iter()
        .filter(|(_, p)| p.is_finite() && *p > 0.0)
        .filter_map(|(row, p)| Some((*p, row.hit().filter(|&h| h > 0)? as f64)))
        .collect();
    let (p, o): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    // A prediction without a step says at least that it is not within the budget.
    let expected = |p: f64| match p.is_finite() {
        true => Wait::Until(p),
        false => Wait::After(budget),
    };
    let (expected, observed): (Vec<Wait>, Vec<Wait>) =
        of.iter().map(|(row, p)| (expected(*p), wait(row))).unzip();
    Some(Forecast {
        median: quantile_of(&predicted, 0.5),
        q80: quantile_of(&predicted, 0.8),
        success: predicted.iter().filter(|p| **p <= budget).count() as f64 / predicted.len() as f64,
        ratio: paired_ratio(&expected, &observed, LEVEL),
        correlation: spearman(&p, &o),
        pairs,
    })
}

//! Measurement beside theory: what a cell did, what its kernels said it would do, and whether they
//! agree.

mod chain;
mod claims;

use std::borrow::Cow;

use serde::Serialize;

use crate::data::Draw;
use crate::descent::{Method, Precision};
use crate::net::parameters;
use crate::plan::{Cell, Plan};
use crate::record::{Look, Outcome, OutcomeCounts, Record, Row};
use crate::stats::{
    self, Components, Hit, Interval, Restart, Signs, Survival, holm, mcnemar_exact, median,
    paired_ratio, quantile, quantile_interval, restart, sign_test, spearman, wilson, wilson_share,
};
use crate::theory::expect::{Expected, expect};
use crate::theory::linear::{Linear, Rule, Steps};
use crate::verdict::{cause, linear_floor};

/// The confidence level of every interval.
pub const LEVEL: f64 = 0.95;

/// What a kernel measured at one look implies for the rest of the replicate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// 1/(s λmax), with the factor of momentum.
    pub largest_stable_rate: f64,
    /// From the look on, to the success threshold.
    pub steps: Steps,
}

/// The linearised rule of a cell; none for rules without one (Adam, mini-batches).
pub fn rule(method: Method) -> Option<Rule> {
    match method {
        Method::Gd => Some(Rule::Descent),
        Method::Momentum { beta } => Some(Rule::Momentum(beta)),
        Method::Nesterov { beta } => Some(Rule::Nesterov(beta)),
        Method::Adam { .. } | Method::Sgd { .. } => None,
    }
}

/// The network linearised at a look; none without a kernel or a rule.
pub fn linear<'a>(cell: &Cell, rate: f64, look: &'a Look) -> Option<Linear<'a>> {
    Some(Linear {
        rule: rule(cell.setting.descent.method)?,
        loss_factor: cell.setting.descent.loss.factor(cell.setting.data.points),
        rate,
        eigenvalues: look.eigenvalues.as_deref()?,
        coefficients: look.coefficients.as_deref()?,
    })
}

/// What the kernel at a look predicts.
pub fn predict(cell: &Cell, rate: f64, look: &Look) -> Option<Prediction> {
    let linear = linear(cell, rate, look)?;
    if linear
        .eigenvalues
        .iter()
        .chain(linear.coefficients)
        .any(|v| !v.is_finite())
    {
        return None;
    }
    Some(Prediction {
        largest_stable_rate: linear.largest_stable_rate(),
        steps: linear.steps_below(cell.setting.success.loss_below, cell.setting.descent.steps),
    })
}

impl Prediction {
    /// The step as a number: infinite if it is never reached or the rate is unstable.
    pub fn as_number(&self) -> f64 {
        match self.steps {
            Steps::At(step) => step as f64,
            Steps::After(_) | Steps::Never { .. } | Steps::Unstable => f64::INFINITY,
        }
    }
}

/// A cell in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The cell's number.
    pub cell: usize,
    /// Replicates.
    pub replicates: u64,
    /// Successes.
    pub successes: u64,
    /// Wilson interval of the success probability.
    pub success: Interval,
    /// Replicates by outcome.
    pub outcomes: OutcomeCounts,
    /// 50, 80 and 90 % quantiles of the hitting time over all replicates; none beyond the budget.
    pub steps: [Option<u64>; 3],
    /// Interval of the median hitting time.
    pub median_steps: (Option<u64>, Option<u64>),
    /// Kaplan–Meier intervals of the same quantiles; an end that is none lies beyond the budget.
    pub steps_intervals: [(Option<f64>, Option<f64>); 3],
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
    /// What was seen on the replicates that were looked at.
    pub looked: Option<Looked>,
    /// Replicates by cause, largest first.
    pub causes: Vec<(&'static str, u64)>,
    /// What the spread of the steps comes from, in a crossed design.
    pub split: Option<Split>,
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

/// Medians over the replicates looked at (those with a kernel at start and end).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Looked {
    /// How many.
    pub replicates: usize,
    /// λmin, λmax and λmax/λmin of Θ at the start.
    pub start: [f64; 3],
    /// The same at the end.
    pub end: [f64; 3],
    /// ‖Θ − Θ₀‖/‖Θ₀‖ at the end.
    pub kernel_moved: f64,
    /// η over the largest stable rate at the start, and at the end.
    pub over_limit: [f64; 2],
    /// η · sharpness over 2 (2 (1 + β) for momentum) at the end: 1 is the edge of stability.
    pub edge: f64,
    /// Prediction by the kernel at the start.
    pub by_start: Option<Forecast>,
    /// Prediction by the kernel at the end and the residual at the start: known only afterwards.
    pub by_end: Option<Forecast>,
    /// Prediction by the infinitely wide network on the same training sets, of the first [`WIDE`] replicates:
    /// known before any weight is drawn.
    pub by_infinite: Option<Forecast>,
    /// Trace of Θ at the start over that of the infinitely wide network, replicate by replicate.
    pub trace_over_infinite: Vec<f64>,
}

/// Replicates of a cell for which the infinitely wide network is asked.
pub const WIDE: u64 = 40;

/// Training points up to which it is: its kernel takes time that grows as their square, and cube.
const WIDE_POINTS: usize = 100;

/// What the infinitely wide network does on the training sets of the first replicates; none if the cell has
/// no such network, or no theory of its steps.
fn infinite(cell: &Cell, replicates: usize) -> Vec<Expected> {
    if cell.setting.data.points > WIDE_POINTS || cell.setting.net.hidden.is_empty() {
        return Vec::new();
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    expect(cell, WIDE.min(replicates as u64), threads).unwrap_or_default()
}

/// Predicted hitting times against observed ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// 50 and 80 % quantiles of the predicted step; infinite if never.
    pub steps: [f64; 2],
    /// Predicted share within the budget.
    pub success: f64,
    /// Median of observed/predicted where both are finite, with its sign-test interval.
    pub ratio: Option<(f64, Interval)>,
    /// Spearman's rank correlation over the same replicates.
    pub correlation: Option<f64>,
    /// (predicted, observed), finite ones.
    pub pairs: Vec<(f64, f64)>,
}

/// What the kernel of the end says about the whole run: its modes, the residual of the start.
fn by_end(cell: &Cell, row: &Row, last: &Look) -> Option<Prediction> {
    let whole = Look {
        coefficients: last.start_coefficients.clone(),
        ..last.clone()
    };
    predict(cell, row.rate, &whole)
}

fn forecast(cell: &Cell, of: &[(&Row, f64)]) -> Option<Forecast> {
    if of.is_empty() {
        return None;
    }
    let predicted: Vec<f64> = of.iter().map(|(_, p)| *p).collect();
    let budget = cell.setting.descent.steps as f64;
    let pairs: Vec<(f64, f64)> = of
        .iter()
        .zip(&predicted)
        .filter(|(_, p)| p.is_finite() && **p > 0.0)
        .filter_map(|((row, _), p)| Some((*p, row.hit().filter(|&h| h > 0)? as f64)))
        .collect();
    let (p, o): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let whole = |v: &[f64]| v.iter().map(|v| Some(*v as u64)).collect::<Vec<_>>();
    Some(Forecast {
        steps: [
            stats::quantile_of(&predicted, 0.5),
            stats::quantile_of(&predicted, 0.8),
        ],
        success: predicted.iter().filter(|p| **p <= budget).count() as f64 / predicted.len() as f64,
        ratio: paired_ratio(&whole(&p), &whole(&o), LEVEL),
        correlation: spearman(&p, &o),
        pairs,
    })
}

/// The share of replicates still above the loss against the step, with its band: a replicate that never
/// gets below, however it ended, waits as long as the budget.
pub fn waiting(cell: &Cell, record: &Record) -> Survival {
    let budget = cell.setting.descent.steps as f64;
    let hits: Vec<Hit> = record
        .rows
        .iter()
        .map(|row| Hit {
            time: row.hit().map_or(budget, |step| step as f64),
            censored: row.hit().is_none(),
        })
        .collect();
    Survival::new(&hits, LEVEL)
}

/// The numbers of a cell.
pub fn summarize(cell: &Cell, record: &Record) -> Summary {
    let hits = record.hits();
    let n = record.tally.replicates;
    let successes = record.successes();
    let looks = record.first_and_last_looks();
    let of_row = |r: u64| looks.iter().find(|(l, _)| l.replicate == r).copied();
    let mut causes: Vec<(&'static str, u64)> = Vec::new();
    for row in &record.rows {
        let looked = of_row(row.replicate);
        if looked.is_none() && !row.reached() {
            continue;
        }
        let name = cause(cell, row, looked).name();
        match causes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => causes.push((name, 1)),
        }
    }
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let split = split(cell, record);
    let sizes = crate::net::sizes(&cell.setting.net, cell.dim());
    let products: Vec<usize> = sizes.windows(2).map(|p| p[0] * p[1]).collect();
    let work = 3 * products.iter().sum::<usize>() - products[0];
    Summary {
        cell: cell.number,
        replicates: n,
        successes,
        success: match &split {
            Some(split) => wilson_share(successes as f64 / n as f64, split.trials, LEVEL),
            None => wilson(successes, n, LEVEL),
        },
        outcomes: record.tally.outcomes,
        steps: [0.5, 0.8, 0.9].map(|q| quantile(&hits, q)),
        median_steps: quantile_interval(&hits, 0.5, LEVEL),
        steps_intervals: {
            let curve = waiting(cell, record);
            [0.5, 0.8, 0.9].map(|q| curve.quantile_interval(q))
        },
        restart: restart(&hits, cell.setting.descent.steps, LEVEL),
        work: (cell.setting.data.points * work) as f64,
        parameters: parameters(&cell.setting.net, cell.dim()),
        rate: median(&record.rows.iter().map(|r| r.rate).collect::<Vec<_>>()),
        final_loss: median(&record.rows.iter().map(|r| r.final_loss).collect::<Vec<_>>()),
        looked: looked(cell, record, &looks),
        causes,
        split,
    }
}

/// β of a rule with momentum, else 0.
fn beta(cell: &Cell) -> f64 {
    match cell.setting.descent.method {
        Method::Momentum { beta } | Method::Nesterov { beta } => beta,
        Method::Gd | Method::Adam { .. } | Method::Sgd { .. } => 0.0,
    }
}

/// The share that succeeded, with its interval.
fn summarize_success(summary: &Summary) -> (f64, Interval) {
    let share = summary.successes as f64 / summary.replicates as f64;
    (share, summary.success)
}

/// A replicate and its first and last look.
type Ends<'a> = (&'a Row, &'a Look, &'a Look);

fn looked(cell: &Cell, record: &Record, looks: &[(&Look, &Look)]) -> Option<Looked> {
    let rows: Vec<Ends<'_>> = looks
        .iter()
        .filter(|(a, b)| a.eigenvalues.is_some() && b.eigenvalues.is_some())
        .filter_map(|(a, b)| Some((record.rows.get(a.replicate as usize)?, *a, *b)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let of = |f: &dyn Fn(&Ends<'_>) -> Option<f64>| {
        median(&rows.iter().filter_map(f).collect::<Vec<_>>())
    };
    let spectrum = |look: &Look| {
        let e = look.eigenvalues.as_ref()?;
        let (low, high) = (*e.first()?, *e.last()?);
        // Negative eigenvalues are round-off: the condition number is then at least 1/ε.
        let floor = high * f64::EPSILON;
        Some([low, high, high / low.max(floor)])
    };
    let beta = beta(cell);
    let start_predictions: Vec<(&Row, f64)> = rows
        .iter()
        .filter_map(|(r, a, _)| Some((*r, predict(cell, r.rate, a)?.as_number())))
        .collect();
    let end_predictions: Vec<(&Row, f64)> = rows
        .iter()
        .filter_map(|(r, _, b)| Some((*r, by_end(cell, r, b)?.as_number())))
        .collect();
    let wide = infinite(cell, record.rows.len());
    let wide_predictions: Vec<(&Row, f64)> = (wide.iter())
        .filter_map(|e| Some((record.rows.get(e.replicate as usize)?, e.steps)))
        .collect();
    Some(Looked {
        replicates: rows.len(),
        start: [0, 1, 2].map(|i| of(&|(_, a, _)| spectrum(a).map(|s| s[i]))),
        end: [0, 1, 2].map(|i| of(&|(_, _, b)| spectrum(b).map(|s| s[i]))),
        kernel_moved: of(&|(_, _, b)| b.kernel_moved),
        over_limit: [
            of(&|(r, a, _)| predict(cell, r.rate, a).map(|p| r.rate / p.largest_stable_rate)),
            of(&|(r, _, b)| predict(cell, r.rate, b).map(|p| r.rate / p.largest_stable_rate)),
        ],
        edge: of(&|(r, _, b)| b.sharpness.map(|s| r.rate * s / (2.0 * (1.0 + beta)))),
        by_start: forecast(cell, &start_predictions),
        by_end: forecast(cell, &end_predictions),
        by_infinite: forecast(cell, &wide_predictions),
        trace_over_infinite: {
            let trace = |e: &[f64]| e.iter().sum::<f64>();
            let ratio = |(r, a, _): &Ends<'_>| {
                let of_set = wide.iter().find(|e| e.replicate == r.replicate)?;
                Some(trace(a.eigenvalues.as_ref()?) / trace(&of_set.eigenvalues))
            };
            rows.iter().filter_map(ratio).collect()
        },
    })
}

/// A cell against the base cell, replicate by replicate on common random draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paired {
    /// Replicates that only the base cell brings below, and that only this cell does.
    pub only: [u64; 2],
    /// McNemar's exact two-sided p for equal success.
    pub p: f64,
    /// Median of this cell's hitting time over the base cell's where both hit, with its interval.
    pub ratio: Option<(f64, Interval)>,
    /// Which of the two is faster on most replicates, the base cell first, censored ones included.
    pub faster: Signs,
}

/// The p-values of a family of comparisons, of success (McNemar) and of speed (sign test), adjusted
/// together by Holm's procedure: to call those below α different errs once or more with at most α.
pub fn adjusted(family: &[Paired]) -> Vec<[f64; 2]> {
    let p: Vec<f64> = family.iter().flat_map(|c| [c.p, c.faster.p]).collect();
    holm(&p).chunks_exact(2).map(|p| [p[0], p[1]]).collect()
}

/// Compares two cells on the replicates that both have.
pub fn pair(base: &Record, other: &Record) -> Paired {
    let both = || base.rows.iter().zip(&other.rows);
    let only_base = both().filter(|(a, b)| a.reached() && !b.reached()).count() as u64;
    let only_other = both().filter(|(a, b)| !a.reached() && b.reached()).count() as u64;
    let n = both().count();
    let (base, other) = (&base.hits()[..n], &other.hits()[..n]);
    Paired {
        only: [only_base, only_other],
        p: mcnemar_exact(only_base, only_other),
        ratio: paired_ratio(base, other, LEVEL),
        faster: sign_test(base, other),
    }
}

/// A prediction confronted with a measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
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
    /// Whether `predicted` is a published number rather than a theory's.
    pub published: bool,
}

/// The outcome of a confrontation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The prediction is within the tolerance of the measurement.
    Holds,
    /// It is not.
    Fails,
    /// The theory does not claim to apply.
    OutOfDomain,
    /// Too few measurements to tell.
    Underpowered,
}

impl Verdict {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Fails => "fails",
            Verdict::OutOfDomain => "out of domain",
            Verdict::Underpowered => "underpowered",
        }
    }
}

/// Looks at a replicate with which its training counts as followed.
const FOLLOWED: usize = 8;

/// Whether the sharpness stays at the edge once it was there: η · sharpness over 2 (2 (1 + β) with heavy
/// ball), the mean over the last quarter of training, for each replicate that reached 1 before. None if
/// none did, or if training was not followed.
fn edge(cell: &Cell, record: &Record) -> Option<Finding> {
    let beta = match cell.setting.descent.method {
        Method::Gd => 0.0,
        Method::Momentum { beta } => beta,
        Method::Nesterov { .. } | Method::Adam { .. } | Method::Sgd { .. } => return None,
    };
    let of_replicate = |looks: &[Look]| {
        let row = record.rows.get(looks.first()?.replicate as usize)?;
        let over = |look: &Look| Some(row.rate * look.sharpness? / (2.0 * (1.0 + beta)));
        let late = |look: &&Look| 4 * look.step > 3 * row.steps;
        let diverged = matches!(row.outcome, Outcome::Diverged { .. });
        let there = (looks.iter().filter(|l| !late(l))).any(|l| over(l).is_some_and(|o| o >= 1.0));
        // At the bottom there is no training late in training.
        let over_with = row.final_loss <= 1e-24 * row.initial_loss;
        if diverged || over_with || looks.len() < FOLLOWED || !there {
            return None;
        }
        let last: Vec<f64> = looks.iter().filter(late).filter_map(over).collect();
        (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64)
    };
    let means: Vec<f64> = (record.looks.chunk_by(|a, b| a.replicate == b.replicate))
        .filter_map(of_replicate)
        .collect();
    let band = Interval {
        low: means.iter().copied().fold(f64::NAN, f64::min),
        high: means.iter().copied().fold(f64::NAN, f64::max),
    };
    (!means.is_empty()).then(|| Finding {
        name: "η·sharpness/2 late in training where it had reached 1; every replicate within 5 %"
            .into(),
        cell: cell.number,
        measured: median(&means),
        predicted: 1.0,
        verdict: if band.low >= 0.95 && band.high <= 1.05 {
            Verdict::Holds
        } else {
            Verdict::Fails
        },
        band,
        accepted: Interval {
            low: 0.95,
            high: 1.05,
        },
        source: "edge of stability: Cohen et al. 2021, arXiv:2103.00065".into(),
        published: false,
    })
}

/// The interval of the median ratio of steps must meet [1/1.25, 1.25].
fn clock(
    cell: &Cell,
    name: &str,
    forecast: &Forecast,
    looked: &Looked,
    source: &'static str,
) -> Finding {
    let unknown = Interval {
        low: f64::NAN,
        high: f64::NAN,
    };
    let (measured, band) = forecast.ratio.unwrap_or((f64::NAN, unknown));
    Finding {
        name: name.into(),
        cell: cell.number,
        measured,
        predicted: 1.0,
        band,
        accepted: Interval {
            low: 0.8,
            high: 1.25,
        },
        verdict: if looked.over_limit[0] >= 1.0 {
            Verdict::OutOfDomain
        } else if forecast.ratio.is_none() {
            Verdict::Underpowered
        } else if band.low <= 1.25 && band.high >= 0.8 {
            Verdict::Holds
        } else {
            Verdict::Fails
        },
        source: source.into(),
        published: false,
    }
}

/// The mean trace of the kernel at the start against that of the infinitely wide network, which for every
/// width it is equal to in the mean for ReLU, and up to 1/width for others.
fn trace(cell: &Cell, ratios: &[f64]) -> Option<Finding> {
    if ratios.len() < 2 {
        return None;
    }
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let square: f64 = ratios.iter().map(|r| (r - mean).powi(2)).sum();
    let half = stats::normal_quantile(0.5 + 0.5 * LEVEL) * (square / (n - 1.0) / n).sqrt();
    let band = Interval {
        low: mean - half,
        high: mean + half,
    };
    Some(Finding {
        name: "mean trace of the initial kernel over the infinitely wide network's, within 10 %"
            .into(),
        cell: cell.number,
        measured: mean,
        predicted: 1.0,
        accepted: Interval {
            low: 0.9,
            high: 1.1,
        },
        verdict: if !mean.is_finite() || band.high - band.low > 0.4 {
            Verdict::Underpowered
        } else if band.low <= 1.1 && band.high >= 0.9 {
            Verdict::Holds
        } else {
            Verdict::Fails
        },
        band,
        source:
            "Jacot et al. 2018, arXiv:1806.07572: the mean over initial weights, as widths grow"
                .into(),
        published: false,
    })
}

/// Every prediction about a cell against what it did.
pub fn findings(cell: &Cell, record: &Record, summary: &Summary) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(looked) = &summary.looked {
        if let Some(forecast) = &looked.by_start {
            all.push(clock(
                cell,
                "hitting time over the linearised network's, within 25 %",
                forecast,
                looked,
                "Lee et al. 2019, arXiv:1902.06720: wide networks; rate below the limit",
            ));
        }
        if let Some(forecast) = &looked.by_infinite {
            all.push(clock(
                cell,
                "hitting time over the infinitely wide network's, within 25 %",
                forecast,
                looked,
                "Jacot et al. 2018, arXiv:1806.07572: infinite width; rate below the limit",
            ));
        }
        all.extend(trace(cell, &looked.trace_over_infinite));
        let descends = matches!(cell.setting.descent.method, Method::Gd);
        if descends && looked.over_limit[0].is_finite() {
            let diverged = summary.outcomes.diverged as f64 / summary.replicates as f64;
            let bias = cell.setting.net.bias
                && cell.setting.descent.layer_rates.is_none()
                && cell
                    .problem()
                    .multipliers
                    .last()
                    .is_some_and(|m| (m - 1.0).abs() <= 0.0);
            let hard = bias
                && summary.rate
                    * cell.setting.descent.loss.factor(cell.setting.data.points)
                    * cell.setting.data.points as f64
                    >= 1.0;
            if hard {
                all.push(Finding {
                    name: "no convergence: the output bias alone makes λmax(Θ) ≥ N, so η ≥ 1/(s N) is never stable".into(),
                    cell: cell.number,
                    measured: summary.successes as f64 / summary.replicates as f64,
                    predicted: 0.0,
                    band: summary.success,
                    accepted: Interval { low: 0.0, high: 0.0 },
                    verdict: if summary.successes == 0 { Verdict::Holds } else { Verdict::Fails },
                    source: "exact: Θ contains 1 1ᵀ".into(), published: false,
                });
            } else if looked.over_limit[0] > 1.0 {
                all.push(Finding {
                    name: "share that diverges above the linear limit of stability".into(),
                    cell: cell.number,
                    measured: diverged,
                    predicted: 1.0,
                    band: wilson(summary.outcomes.diverged, summary.replicates, LEVEL),
                    accepted: Interval {
                        low: 1.0,
                        high: 1.0,
                    },
                    verdict: Verdict::OutOfDomain,
                    source: "linear stability; catapults come back (Lewkowycz et al. 2020, arXiv:2003.02218)".into(), published: false,
                });
            }
        }
    }
    all.extend(edge(cell, record));
    let floors: Vec<(f64, f64)> = record
        .rows
        .iter()
        .filter(|r| !matches!(r.outcome, Outcome::Diverged { .. }))
        .take(100)
        .filter_map(|r| Some((linear_floor(cell, r.replicate)?, r.final_loss)))
        .filter(|(floor, _)| *floor > cell.setting.success.loss_below)
        .collect();
    if !floors.is_empty() {
        let ratios: Vec<f64> = floors.iter().map(|(floor, loss)| loss / floor).collect();
        let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let slack = match cell.setting.descent.precision {
            Precision::F32 => 1e-4,
            Precision::F64 => 1e-9,
        };
        all.push(Finding {
            name: "a linear network's loss over its exact floor, smallest".into(),
            cell: cell.number,
            measured: smallest,
            predicted: 1.0,
            band: Interval {
                low: smallest,
                high: median(&ratios),
            },
            verdict: if smallest >= 1.0 - slack {
                Verdict::Holds
            } else {
                Verdict::Fails
            },
            accepted: Interval {
                low: 1.0 - slack,
                high: f64::INFINITY,
            },
            source: "exact: least squares".into(),
            published: false,
        });
    }
    all.extend(chain::findings(cell, record, summary));
    all
}

pub use claims::{Crossing, crossing};

/// Every number that others published, as the study claims them, beside its own.
pub fn claimed(plan: &Plan, records: &[Record], summaries: &[Summary]) -> Vec<Finding> {
    claims::findings(plan, records, summaries)
}

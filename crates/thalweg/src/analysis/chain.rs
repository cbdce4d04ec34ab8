//! Cells that are chains of equal scalar weights, beside the theory that is exact for them.

use super::findings::{Finding, Question, Verdict};
use super::summary::Summary;
use crate::descent::{Rate, Schedule};
use crate::net::{Activation, Init, Parameterization};
use crate::plan::Cell;
use crate::record::{Curve, Record};
use crate::stats::Interval;
use crate::theory::chain::{Attractor, Chain, LONGEST, period};
use crate::theory::linear::Rule;

const SAXE: &str = "Saxe, McClelland, Ganguli 2013, arXiv:1312.6120: deep linear, equal weights";
const CUBIC: &str = "Chen, Balasubramanian, Ghosal, Agrawalla 2023, arXiv:2310.01687: a cubic map";
/// Stiffness below which a step counts as small.
const SMALL: f64 = 0.1;

/// The chain that a cell trains: one point in one dimension, one unit a layer, no bias, identity,
/// every weight the same at the start, plain descent. None if it is anything else.
fn chain(cell: &Cell) -> Option<Chain> {
    let s = &cell.setting;
    let (Init::Constant(start), Rate::Absolute(rate)) = (&s.net.init, s.descent.rate) else {
        return None;
    };
    let plain = s.net.activation == Activation::Identity
        && !s.net.bias
        && s.net.parameterization == Parameterization::Standard
        && s.net.gains.is_none()
        && s.net.hidden.iter().all(|&units| units == 1)
        && s.descent.layer_rates.is_none()
        && s.descent.schedule == Schedule::Constant
        && Rule::of(&s.descent) == Some(Rule::Descent)
        && (s.data.points, s.data.dim, s.data.outputs) == (1, 1, 1)
        && cell.is_regression();
    if !plain {
        return None;
    }
    let set = cell.set(0);
    let (x, y) = (*set.x.first()?, *set.y.first()?);
    let chain = Chain {
        depth: s.net.hidden.len() as u32 + 1,
        target: y / x,
        start: *start,
        step: 2.0 * s.descent.loss.factor(1) * rate * x * x,
    };
    (chain.target > 0.0 && chain.start > 0.0 && chain.target.is_finite()).then_some(chain)
}

/// The largest distance of the product from that of gradient flow, read from a curve of all losses;
/// none if descent oscillates, or came from above, so that the loss does not tell on which side it
/// is.
pub(super) fn flow_distance(cell: &Cell, curve: &Curve) -> Option<f64> {
    let chain = chain(cell)?;
    let whole = curve.steps.last() == Some(&(curve.steps.len() as u64 - 1));
    let below = chain.start.powi(chain.depth as i32) < chain.target;
    if !(whole && below && chain.stiffness() < 1.0) {
        return None;
    }
    let flow = chain.flow_path(curve.losses.len() - 1);
    let first = curve.losses.first()?;
    let gap = chain.target - flow[0];
    // The loss is a multiple of the squared distance to the target.
    let product = |loss: &f64| chain.target - gap * (loss / first).sqrt();
    let distances = curve.losses.iter().zip(&flow);
    Some(
        distances
            .map(|(l, u)| (product(l) - u).abs())
            .fold(0.0, f64::max),
    )
}

/// The Lyapunov exponent from Θ = 2 x² w² at every step of the last half of the looks.
pub(super) fn lyapunov(cell: &Cell, record: &Record, replicate: u64) -> Option<f64> {
    let chain = chain(cell).filter(|c| c.depth == 2)?;
    let set = cell.set(0);
    let looks: Vec<_> = (record.looks.iter())
        .filter(|l| l.replicate == replicate)
        .collect();
    let every = looks.windows(2).all(|p| p[1].step == p[0].step + 1);
    if !every || looks.len() < 2 {
        return None;
    }
    // Whole cycles, or their mean would be off by one of their steps.
    let half = looks.len() / 2;
    let whole = half - half % LONGEST;
    let late = &looks[looks.len() - if whole > 0 { whole } else { half }..];
    let log = |theta: f64| {
        let w = (theta / (2.0 * set.x[0] * set.x[0])).sqrt();
        libm::log(chain.slope(w).abs())
    };
    let all: Option<Vec<f64>> = late
        .iter()
        .map(|l| Some(log(*l.eigenvalues.as_ref()?.first()?)))
        .collect();
    let all = all?;
    Some(all.iter().sum::<f64>() / all.len() as f64)
}

/// After how many steps the losses of a curve repeat at the end; infinite if they do not.
pub(super) fn loss_period(curve: &Curve) -> Option<f64> {
    let whole = curve.steps.last() == Some(&(curve.steps.len() as u64 - 1));
    let first = curve.losses.first()?;
    // Descent that changed no bit any more has ended early.
    let still = matches!(curve.losses[..], [.., a, b] if a.to_bits() == b.to_bits());
    match (whole, curve.losses.len() < 2 * LONGEST) {
        (false, _) => None,
        (true, true) => still.then_some(1.0),
        (true, false) => {
            Some(period(&curve.losses, 1e-24 * first).map_or(f64::INFINITY, f64::from))
        }
    }
}

fn point(value: f64) -> Interval {
    Interval {
        low: value,
        high: value,
    }
}

/// What the theory of chains says of a cell, beside what it did.
pub(super) fn findings(cell: &Cell, record: &Record, summary: &Summary) -> Vec<Finding> {
    let Some(chain) = chain(cell) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut add = |(question, name): (Question, &str),
                   measured: f64,
                   predicted: f64,
                   accepted: Interval,
                   domain: bool,
                   source: &'static str| {
        all.push(Finding {
            question,
            name: name.into(),
            cell: cell.number,
            measured,
            predicted,
            band: point(measured),
            accepted,
            verdict: if !domain {
                Verdict::OutOfDomain
            } else {
                Verdict::of(point(measured), accepted)
            },
            source: source.into(),
        });
    };
    let within = |predicted: f64, share: f64| Interval {
        low: predicted * (1.0 - share),
        high: predicted * (1.0 + share),
    };
    let small = chain.stiffness() <= SMALL;
    let s = cell.setting.descent.loss.factor(1);
    let x = cell.set(0).x[0];
    let below = chain.target - (cell.loss_at_most() / (s * x * x)).sqrt();
    if let (Some(hit), Some(flow)) = (summary.steps.median.step, chain.flow_steps(below)) {
        let name = (
            Question::ChainSteps,
            "steps to the loss, as gradient flow takes",
        );
        add(name, hit as f64, flow, within(flow, 0.02), small, SAXE);
    }
    let end = chain.attractor(100_000);
    if let Some(curve) = record.curves.first() {
        if let Some(distance) = flow_distance(cell, curve) {
            let first = chain.first_order_distance();
            let name = (
                Question::ChainDistance,
                "largest distance from gradient flow, of first order in the rate",
            );
            add(name, distance, first, within(first, 0.05), small, SAXE);
        }
        let predicted = match end {
            Attractor::Cycle(n) => Some(f64::from(n)),
            Attractor::Long => Some(f64::INFINITY),
            Attractor::Escape => None,
        };
        if let (Some(measured), Some(predicted)) = (loss_period(curve), predicted) {
            // Within the budget it may not have settled.
            let settled = chain.attractor(curve.losses.len()) == end;
            let name = (Question::ChainPeriod, "period of the loss at the end");
            add(name, measured, predicted, point(predicted), settled, CUBIC);
        }
    }
    if let (Some(measured), false) = (lyapunov(cell, record, 0), end == Attractor::Escape) {
        let (predicted, spread) = chain.lyapunov_over(LONGEST * 7, 400);
        // Averages over chaos have wide tails.
        let off = (4.0 * spread).max(1e-3);
        let near = Interval {
            low: predicted - off,
            high: predicted + off,
        };
        let name = (Question::ChainLyapunov, "Lyapunov exponent");
        add(name, measured, predicted, near, true, CUBIC);
    }
    let escapes = f64::from(u8::from(end == Attractor::Escape));
    let diverged = summary.tally.outcomes.diverged as f64 / summary.replicates as f64;
    let name = (Question::ChainEscape, "share that escapes");
    add(name, diverged, escapes, point(escapes), true, CUBIC);
    all
}

//! Why a run neither got below nor exploded: the tests, in the order in which they are made.

use super::cause::{Cause, Critical};
use super::forecast::{edge, over_limit, predict, rate_at};
use super::impossible::{constant_floor, impossible, whole_layer};
use crate::net::Activation;
use crate::plan::Cell;
use crate::record::{Observation, Outcome, Row, Tail};
use crate::theory::linear::{Rule, Steps};

/// A run stands still if even at its kernel's largest stable rate the loss would lose less than
/// this share in as many steps as it has made: then the rate is not to blame.
const STILL: f64 = 1e-3;

/// A curvature is negative if it is below this share of the largest: Lanczos resolves no less.
const SADDLE: f64 = 1e-4;

/// The arithmetic stops a run if it loses more than this share of its updates.
const LOST: f64 = 0.5;

/// From this share of the limit on a run whose outputs bounce is at the edge.
const EDGE: f64 = 0.95;

/// On a plateau the loss falls by no more than this factor in the last half of the budget.
const LEVEL: f64 = 1.1;

/// A layer is saturated from this share of its units on, over all points.
const SATURATED: f64 = 0.5;

/// The outputs bounce if rᵀΘr/rᵀr is above this share of λmax: the residual lies in the modes whose
/// sign each step changes.
const BOUNCING: f64 = 0.5;

/// The kernel at the end is trusted with the rest of the way if [`Observation::to_go`] is at most
/// this: of 240 slow runs of five kinds it was then right to a factor of two in 117 of 120, and
/// beyond it in 41 of 120.
const FAR: f64 = 9.0;

/// What one unfinished run is judged by.
struct Run<'a> {
    cell: &'a Cell,
    row: &'a Row,
    first: &'a Observation,
    last: &'a Observation,
    /// η in force at the last look.
    rate: f64,
    /// λmax(Θ).
    top: f64,
    /// rᵀΘr/rᵀr.
    pull: f64,
    /// Rank of J.
    rank: usize,
    /// The loss where no parameter moves the outputs.
    floor: f64,
}

/// The cause of a run that neither got below nor exploded.
pub(super) fn unfinished(cell: &Cell, row: &Row, first: &Observation, last: &Observation) -> Cause {
    let s = cell.loss_factor();
    let kernel = || {
        let top = *last.eigenvalues.as_ref()?.last()?;
        let pull = last.rayleigh()?;
        let known = top.is_finite() && pull.is_finite();
        known.then_some((top, pull, last.rank()?, last.unreachable(s)?))
    };
    let Some((top, pull, rank, floor)) = kernel() else {
        return by_trend(row, last);
    };
    let run = Run {
        cell,
        row,
        first,
        last,
        rate: rate_at(cell, row.rate, last.step),
        top,
        pull,
        rank,
        floor,
    };
    // Weight decay balances a gradient that is not zero, and moves what has none: below it would be
    // taken for rounding, for a dead layer, or for a point where the gradient vanished.
    if cell.setting.descent.weight_decay > 0.0 {
        return run.exactly().unwrap_or_else(|| by_trend(row, last));
    }
    if !cell.setting.descent.loss.is_squared() {
        return run.of_classes();
    }
    run.dead()
        .or_else(|| run.no_rank())
        .or_else(|| run.lost())
        .or_else(|| run.standing())
        .or_else(|| run.plateau())
        .or_else(|| run.bouncing())
        .unwrap_or_else(|| run.slow())
}

impl Run<'_> {
    /// s of the loss s Σ r².
    fn loss_factor(&self) -> f64 {
        self.cell.loss_factor()
    }

    /// Of a logistic loss: its gradient is as the others', its modes say nothing of its steps.
    fn of_classes(&self) -> Cause {
        let standing = || {
            let other = || self.saturated().unwrap_or_else(|| self.stationary());
            self.no_gradient().then(other)
        };
        let found = self.lost().or_else(standing);
        found.unwrap_or_else(|| by_trend(self.row, self.last))
    }

    /// A whole layer of ReLU that is dead.
    fn dead(&self) -> Option<Cause> {
        let net = &self.cell.setting.net;
        if net.activation != Activation::Relu {
            return None;
        }
        let layer = whole_layer(self.last, &net.hidden)?;
        if !self.cell.is_regression() {
            return None;
        }
        let floor = constant_floor(self.cell, &self.cell.set(self.row.replicate));
        (floor > self.cell.loss_at_most()).then_some(Cause::Dead {
            layer,
            at_start: whole_layer(self.first, &net.hidden) == Some(layer),
            floor,
        })
    }

    /// Whether part of the residual that no parameter moves holds the loss above the threshold.
    fn deficient(&self) -> bool {
        let held = !(self.floor < self.cell.loss_at_most());
        held && self.rank < self.cell.setting.data.targets_in_all()
    }

    /// No weights at all could do better than some loss above the threshold.
    fn exactly(&self) -> Option<Cause> {
        let because = impossible(self.cell, self.row.replicate, Some(self.first))?;
        let known = because.floor();
        (self.deficient() || known.is_some()).then(|| Cause::RankDeficient {
            floor: known.map_or(self.floor, |known| known.max(self.floor)),
            rank: self.rank,
            because: Some(because),
        })
    }

    /// Part of the residual that no parameter moves holds the loss above the threshold.
    fn no_rank(&self) -> Option<Cause> {
        if let Some(exactly) = self.exactly() {
            return Some(exactly);
        }
        let deficient = self.deficient();
        // Most of the loss can still be moved: the end has another cause.
        if !deficient || self.floor < 0.5 * self.last.loss {
            return None;
        }
        // Nothing forbids other weights: the weights are the reason.
        let stuck = self.floor > (1.0 - STILL) * self.last.loss;
        let other = self.plateau().or_else(|| self.saturated());
        other
            .or_else(|| stuck.then(|| self.stationary()))
            .or(Some(Cause::RankDeficient {
                floor: self.floor,
                rank: self.rank,
                because: None,
            }))
    }

    /// Rounding takes the updates.
    fn lost(&self) -> Option<Cause> {
        let fixed = matches!(self.row.outcome, Outcome::Fixed { .. });
        let lost = self.last.lost_updates;
        let by_rounding = fixed || lost.is_some_and(|lost| lost > LOST);
        (by_rounding && !self.no_gradient()).then(|| {
            // Rounding takes what saturation has left.
            let other = self.saturated();
            other.unwrap_or_else(|| Cause::PrecisionFloor {
                lost,
                more: self.steps_at(self.rate).filter(|_| self.trusted()),
            })
        })
    }

    /// Whether the gradient is zero to rounding.
    fn no_gradient(&self) -> bool {
        !(self.pull > self.top * self.cell.setting.data.targets_in_all() as f64 * f64::EPSILON)
    }

    /// The gradient vanished, or is so small that no stable rate would have done more.
    fn standing(&self) -> Option<Cause> {
        if self.no_gradient() {
            return self.saturated().or_else(|| Some(self.stationary()));
        }
        // L(t + 1) ≈ L(t) (1 − 4 s η rᵀΘr/rᵀr), at η = 1/(s λmax).
        let fastest = 4.0 * self.pull / self.top * self.row.steps.max(1) as f64;
        let standing = fastest <= STILL;
        standing.then(|| {
            let other = self.plateau().or_else(|| self.saturated());
            other.unwrap_or_else(|| self.stationary())
        })
    }

    /// Most units of a layer are saturated on most points.
    fn saturated(&self) -> Option<Cause> {
        if !saturates(self.cell.setting.net.activation) {
            return None;
        }
        let shares = self.last.saturation.as_ref()?;
        let (layer, share) = (shares.iter().copied().enumerate())
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .filter(|(_, share)| *share >= SATURATED)?;
        let before = self.first.saturation.as_ref();
        Some(Cause::Saturated {
            layer: layer + 1,
            share,
            at_start: before.and_then(|shares| shares.get(layer).copied()),
            rank: self.rank,
        })
    }

    /// The lowest eigenvalue of the Hessian and its share of the largest, by size.
    fn lowest(&self) -> Option<(f64, f64)> {
        let low = self.last.lowest_curvature.filter(|low| low.is_finite())?;
        let size = self.last.sharpness?.abs().max(low.abs());
        (size > 0.0).then_some((low, low / size))
    }

    /// Steps in which a deviation along a negative curvature grows e-fold.
    fn grows_in(&self, low: f64) -> Option<f64> {
        let rule = Rule::of(&self.cell.setting.descent)?;
        Some(rule.steps_per_e_fold(self.rate, -low))
    }

    /// The negative curvature is faster than the gradient, and had time to act.
    fn plateau(&self) -> Option<Cause> {
        let (curvature, share) = self.lowest()?;
        let leaves_in = self.grows_in(curvature).filter(|_| share < -SADDLE)?;
        let s = self.loss_factor();
        // Speeds of the loss: 4 s η rᵀΘr/rᵀr by the gradient, 2 η |λ| by the curvature.
        let faster = -curvature >= 2.0 * s * self.pull;
        // Without a tail the present speed stands for it.
        let by_speed = || 1.0 / (1.0 - 2.0 * s * self.rate * self.pull * self.row.steps as f64);
        let fell = self
            .tail()
            .map_or_else(by_speed, |tail| tail.loss_from / tail.loss_to);
        let level = (0.0..=LEVEL).contains(&fell);
        let in_time = leaves_in <= self.row.steps as f64;
        let leaving = faster && level && in_time && !self.no_gradient();
        leaving.then_some(Cause::Plateau {
            curvature,
            leaves_in,
        })
    }

    fn stationary(&self) -> Cause {
        let flat = self.last.lowest_curvature.zip(self.last.sharpness);
        let degenerate = flat.is_some_and(|(low, top)| low.abs() + top.abs() <= 0.0);
        let point = match self.lowest() {
            Some((_, share)) if share < -SADDLE => Some(Critical::Saddle),
            Some(_) => Some(Critical::Minimum),
            None => degenerate.then_some(Critical::Degenerate),
        };
        let saddle = self.lowest().filter(|_| point == Some(Critical::Saddle));
        Cause::Stationary {
            point,
            leaves_in: saddle.and_then(|(low, _)| self.grows_in(low)),
            dead_units: self.last.dead_units,
        }
    }

    /// At the limit of stability: above it, or next to it with outputs that bounce.
    fn bouncing(&self) -> Option<Cause> {
        let over = over_limit(self.cell, self.row.rate, self.last);
        let sharp = edge(self.cell, self.row.rate, self.last).unwrap_or(over);
        let rises = self.tail().map(|tail| (tail.rises, tail.compared));
        let rose = self.tail().is_some_and(Tail::rose);
        let bounces = rose || self.pull > BOUNCING * self.top;
        let at_edge = over >= 1.0 || (over.max(sharp) >= EDGE && bounces);
        at_edge.then(|| {
            let limit = self.rate / over;
            Cause::AtTheEdge {
                over_limit: over,
                rises,
                at_half_limit: self.steps_at(0.5 * limit),
            }
        })
    }

    /// None of the others: too slow if the loss falls, or its kernel says that it will.
    fn slow(&self) -> Cause {
        let best = self.best_rate().and_then(|rate| self.steps_at(rate));
        if predict(self.cell, self.row.rate, self.last).is_none() {
            return by_trend(self.row, self.last);
        }
        Cause::TooSlow {
            more: self.steps_at(self.rate),
            holds: self.trusted(),
            at_best_rate: best.filter(|_| self.trusted()),
            fell: self.tail().and_then(Tail::fell),
        }
    }

    fn tail(&self) -> Option<&Tail> {
        self.last.course.as_ref()?.tail.as_ref()
    }

    /// Whether the kernel at the end stays what it is for the rest of the way.
    fn trusted(&self) -> bool {
        self.last.to_go().is_some_and(|to_go| to_go <= FAR)
    }

    /// Steps from the last look on at another rate, by its kernel.
    fn steps_at(&self, rate: f64) -> Option<u64> {
        let at_start = rate * self.row.rate / self.rate;
        match predict(self.cell, at_start, self.last)?.steps {
            Steps::At(steps) => Some(steps),
            Steps::After(_) | Steps::Never { .. } | Steps::Unstable => None,
        }
    }

    /// 1/(s (λmin + λmax)): 2/(μ + L) of the quadratic with curvatures 2 s λ (Polyak 1964).
    fn best_rate(&self) -> Option<f64> {
        if Rule::of(&self.cell.setting.descent) != Some(Rule::Descent) {
            return None;
        }
        let low = self.last.eigenvalues.as_ref()?.first()?;
        let s = self.loss_factor();
        Some(1.0 / (s * (low.max(0.0) + self.top)))
    }
}

/// What the losses of the last half of the budget alone say.
fn by_trend(row: &Row, last: &Observation) -> Cause {
    let Some(tail) = last.course.and_then(|course| course.tail) else {
        return Cause::Undecided;
    };
    let fell = tail.loss_from / row.final_loss;
    let falls = fell >= 2.0 || (fell > 1.0 + STILL && !tail.rose());
    if falls {
        Cause::TooSlow {
            more: None,
            holds: false,
            at_best_rate: None,
            fell: tail.fell(),
        }
    } else if tail.rises > 0 {
        Cause::Fluctuating {
            lowest: tail.lowest,
            highest: tail.highest,
            rises: (tail.rises, tail.compared),
        }
    } else {
        Cause::Undecided
    }
}

/// Whether an activation is flat where its argument is large, on one side at least, without being
/// exactly linear in pieces.
fn saturates(activation: Activation) -> bool {
    match activation {
        Activation::Tanh
        | Activation::Sigmoid
        | Activation::Erf
        | Activation::Gelu
        | Activation::Silu
        | Activation::Softplus => true,
        Activation::Identity
        | Activation::Relu
        | Activation::LeakyRelu
        | Activation::Abs
        | Activation::Sin
        | Activation::Cos => false,
    }
}

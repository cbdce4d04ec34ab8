//! Why a replicate ended as it did: one cause, with the numbers that it and its opposite rest on.
//!
//! Everything is computed from the replicate's row and its first and last looks; what cannot be
//! told from them is undecided.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::forecast::{largest_stable_rate, over_limit, predict};
use super::impossible::{Impossible, impossible};
use crate::descent::Method;
use crate::plan::Cell;
use crate::record::{Observation, Outcome, Row};
use crate::theory::linear::Steps;

/// A run stands still if at its present speed the loss would lose less than this share in as many
/// steps as it has made.
const STILL: f64 = 1e-3;

/// A curvature is negative if it is below this share of the sharpness: Lanczos resolves no less.
const SADDLE: f64 = 1e-4;

/// The arithmetic stops a run if it loses more than this share of its updates.
const LOST: f64 = 0.5;

/// Why a replicate ended as it did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It got below.
    Reached,
    /// It got below although its rate was above the largest stable one at the start: the kernel
    /// shrank until the rate was stable (Lewkowycz et al. 2020, arXiv:2003.02218).
    Catapulted {
        /// η over the limit at the start.
        over_limit_start: f64,
        /// η over the limit at the end.
        over_limit_end: f64,
    },
    /// The loss exploded.
    Diverged {
        /// η over the limit of the kernel at the start.
        over_limit_start: f64,
        /// The same at the last look before it diverged.
        over_limit_last: f64,
    },
    /// The kernel at the end would still get there.
    TooSlow {
        /// More steps at this rate.
        more: u64,
        /// More steps at the best constant rate for that kernel, 1/(s (λmin + λmax)); none if that
        /// rule has no such formula.
        at_best_rate: Option<u64>,
    },
    /// The rate is above the largest stable rate of the kernel at the end: the loss bounces.
    AtTheEdge {
        /// η over the limit at the end.
        over_limit: f64,
        /// Steps that the kernel at the end would need at half its limit.
        at_half_limit: Option<u64>,
    },
    /// The network cannot interpolate here: part of the residual lies where no parameter moves the
    /// outputs (Θ v = 0).
    RankDeficient {
        /// The loss that is left.
        floor: f64,
        /// Rank of J.
        rank: usize,
        /// Why no weights at all could do better than some loss above the threshold; none if it is
        /// a matter of these weights.
        because: Option<Impossible>,
    },
    /// The gradient vanished while the loss did not.
    Stationary {
        /// Whether the Hessian has a negative eigenvalue; none if it was not measured.
        saddle: Option<bool>,
        /// Steps in which the negative curvature would grow a deviation e-fold.
        leaves_in: Option<f64>,
        /// Hidden units with φ' = 0 on every point.
        dead_units: Option<u64>,
    },
    /// The arithmetic stopped it: rounding takes the updates.
    PrecisionFloor {
        /// Share of the updates that change no bit.
        lost: Option<f64>,
        /// Steps that the kernel there would need in exact arithmetic.
        more: Option<u64>,
    },
    /// Not looked at, or none of these.
    Undecided,
}

/// The kinds of [`Cause`], as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// It got below.
    Reached,
    /// It was catapulted and got below.
    Catapulted,
    /// The loss exploded.
    Diverged,
    /// The kernel at the end would still get there.
    TooSlow,
    /// It bounces at the edge of stability.
    AtTheEdge,
    /// No parameter moves the outputs where the residual lies.
    RankDeficient,
    /// The gradient vanished where the Hessian has a negative eigenvalue.
    Saddle,
    /// The gradient vanished, and no negative eigenvalue is known.
    Minimum,
    /// Rounding takes the updates.
    PrecisionFloor,
    /// Not looked at, or none of these.
    Undecided,
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Its kind; the evidence is in its fields.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

impl CauseKind {
    /// All of them, in the order in which figures stack them.
    pub const ALL: [CauseKind; 10] = [
        CauseKind::Reached,
        CauseKind::Catapulted,
        CauseKind::Diverged,
        CauseKind::TooSlow,
        CauseKind::AtTheEdge,
        CauseKind::RankDeficient,
        CauseKind::Saddle,
        CauseKind::Minimum,
        CauseKind::PrecisionFloor,
        CauseKind::Undecided,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            CauseKind::Reached => "reached",
            CauseKind::Catapulted => "catapulted and reached",
            CauseKind::Diverged => "diverged",
            CauseKind::TooSlow => "too slow",
            CauseKind::AtTheEdge => "bouncing at the edge",
            CauseKind::RankDeficient => "rank-deficient",
            CauseKind::Saddle => "stuck at a saddle",
            CauseKind::Minimum => "stuck at a minimum",
            CauseKind::PrecisionFloor => "precision floor",
            CauseKind::Undecided => "undecided",
        }
    }

    /// Whether the loss got below.
    pub fn reached(self) -> bool {
        match self {
            CauseKind::Reached | CauseKind::Catapulted => true,
            CauseKind::Diverged
            | CauseKind::TooSlow
            | CauseKind::AtTheEdge
            | CauseKind::RankDeficient
            | CauseKind::Saddle
            | CauseKind::Minimum
            | CauseKind::PrecisionFloor
            | CauseKind::Undecided => false,
        }
    }
}

/// How many replicates ended for one kind of cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseCount {
    /// The kind.
    pub cause: CauseKind,
    /// Replicates.
    pub replicates: u64,
}

impl CauseCount {
    /// Every kind among `all` with how often it is there, most frequent first; of equals, in the
    /// order of [`CauseKind::ALL`].
    pub fn of(all: impl Iterator<Item = CauseKind>) -> Vec<CauseCount> {
        let mut counts = CauseKind::ALL.map(|cause| CauseCount {
            cause,
            replicates: 0,
        });
        all.for_each(|kind| counts[kind as usize].replicates += 1);
        let mut counts = counts.to_vec();
        counts.retain(|count| count.replicates > 0);
        counts.sort_by_key(|count| std::cmp::Reverse(count.replicates));
        counts
    }
}

impl Cause {
    /// Its kind.
    pub fn kind(&self) -> CauseKind {
        match self {
            Cause::Reached => CauseKind::Reached,
            Cause::Catapulted { .. } => CauseKind::Catapulted,
            Cause::Diverged { .. } => CauseKind::Diverged,
            Cause::TooSlow { .. } => CauseKind::TooSlow,
            Cause::AtTheEdge { .. } => CauseKind::AtTheEdge,
            Cause::RankDeficient { .. } => CauseKind::RankDeficient,
            Cause::Stationary {
                saddle: Some(true), ..
            } => CauseKind::Saddle,
            Cause::Stationary {
                saddle: Some(false) | None,
                ..
            } => CauseKind::Minimum,
            Cause::PrecisionFloor { .. } => CauseKind::PrecisionFloor,
            Cause::Undecided => CauseKind::Undecided,
        }
    }

    /// Whether the loss got below.
    pub fn reached(&self) -> bool {
        self.kind().reached()
    }
}

/// The cause of a replicate's end, from its row and its first and last looks.
pub fn cause(cell: &Cell, row: &Row, looks: Option<(&Observation, &Observation)>) -> Cause {
    let over = |look: &Observation| over_limit(cell, row.rate, look);
    let Some((first, last)) = looks else {
        return match row.outcome {
            Outcome::Below { .. } => Cause::Reached,
            Outcome::Spent | Outcome::Diverged { .. } | Outcome::Fixed { .. } => Cause::Undecided,
        };
    };
    match row.outcome {
        Outcome::Below { .. } => {
            let (over_limit_start, over_limit_end) = (over(first), over(last));
            if over_limit_start > 1.0 && over_limit_end < 1.0 {
                Cause::Catapulted {
                    over_limit_start,
                    over_limit_end,
                }
            } else {
                Cause::Reached
            }
        }
        Outcome::Diverged { .. } => {
            let (over_limit_start, over_limit_last) = (over(first), over(last));
            if over_limit_start.is_nan() {
                Cause::Undecided
            } else {
                Cause::Diverged {
                    over_limit_start,
                    over_limit_last,
                }
            }
        }
        Outcome::Spent => unfinished(cell, row, last, false),
        Outcome::Fixed { .. } => unfinished(cell, row, last, true),
    }
}

/// The cause of a run that neither got below nor exploded; `fixed` if no bit of it moves any more.
fn unfinished(cell: &Cell, row: &Row, last: &Observation, fixed: bool) -> Cause {
    let (Some(rank), Some(pull)) = (last.rank(), last.polyak_lojasiewicz()) else {
        return Cause::Undecided;
    };
    let s = cell.setting.descent.loss.factor(cell.setting.data.points);
    let epsilon = cell.setting.success.loss_below;
    let top = last.eigenvalues.as_ref().and_then(|e| e.last().copied());
    let prediction = predict(cell, row.rate, last).map(|p| p.steps);
    let floor = still(last, s);
    if floor.is_some_and(|floor| !(floor < epsilon)) && rank < cell.setting.data.points {
        let floor = floor.unwrap_or(f64::NAN);
        let because = impossible(cell, row.replicate);
        // All of it stands still, and nothing forbids other weights: the weights are the reason.
        return if because.is_none() && floor > (1.0 - STILL) * last.loss {
            stationary(row, last)
        } else {
            Cause::RankDeficient {
                floor,
                rank,
                because,
            }
        };
    }
    let more = match prediction {
        Some(Steps::At(more) | Steps::After(more)) => Some(more),
        Some(Steps::Never { .. } | Steps::Unstable) | None => None,
    };
    // By L(t + 1) ≈ L(t) (1 − 4 s η rᵀΘr/rᵀr).
    let speed = 4.0 * s * row.rate * pull;
    let standing = speed * row.steps.max(1) as f64 <= STILL;
    let no_gradient = top.is_none_or(|top| !(pull > 0.0) || pull < top * f64::EPSILON);
    if no_gradient {
        return stationary(row, last);
    }
    if fixed || last.lost_updates.is_some_and(|lost| lost > LOST) {
        return Cause::PrecisionFloor {
            lost: last.lost_updates,
            more,
        };
    }
    if standing && !matches!(prediction, Some(Steps::Unstable)) {
        return stationary(row, last);
    }
    match prediction {
        Some(Steps::Unstable) => {
            let limit = largest_stable_rate(cell, row.rate, last).unwrap_or(f64::NAN);
            Cause::AtTheEdge {
                over_limit: row.rate / limit,
                at_half_limit: steps_at(cell, last, 0.5 * limit),
            }
        }
        Some(Steps::At(more) | Steps::After(more)) => Cause::TooSlow {
            more,
            at_best_rate: best_rate(cell, last).and_then(|rate| steps_at(cell, last, rate)),
        },
        Some(Steps::Never { .. }) | None => Cause::Undecided,
    }
}

/// The loss in the modes whose eigenvalue is round-off.
fn still(look: &Observation, s: f64) -> Option<f64> {
    let values = look.eigenvalues.as_ref()?;
    let gone = values.len() - look.rank()?;
    let r = look.coefficients.as_ref()?;
    Some(s * r[..gone].iter().map(|c| c * c).sum::<f64>())
}

fn stationary(row: &Row, last: &Observation) -> Cause {
    let lowest = last.lowest_curvature.filter(|l| l.is_finite());
    let saddle = lowest
        .zip(last.sharpness)
        .map(|(low, top)| low < -SADDLE * top.abs());
    Cause::Stationary {
        saddle,
        leaves_in: lowest
            .filter(|_| saddle == Some(true))
            .map(|low| 1.0 / (row.rate * -low)),
        dead_units: last.dead_units,
    }
}

/// Steps from a look on at another rate, by its kernel.
fn steps_at(cell: &Cell, look: &Observation, rate: f64) -> Option<u64> {
    match predict(cell, rate, look)?.steps {
        Steps::At(steps) => Some(steps),
        Steps::After(_) | Steps::Never { .. } | Steps::Unstable => None,
    }
}

/// 1/(s (λmin + λmax)): 2/(μ + L) of the quadratic with curvatures 2 s λ (Polyak 1964).
fn best_rate(cell: &Cell, look: &Observation) -> Option<f64> {
    if !matches!(cell.setting.descent.method, Method::Gd) {
        return None;
    }
    let values = look.eigenvalues.as_ref()?;
    let s = cell.setting.descent.loss.factor(cell.setting.data.points);
    Some(1.0 / (s * (values.first()? + values.last()?)))
}

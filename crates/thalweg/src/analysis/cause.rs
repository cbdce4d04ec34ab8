//! Why a replicate ended as it did: one cause, with the numbers that it and its opposite rest on.
//!
//! Everything is computed from the replicate's row and its first and last looks; what cannot be
//! told from them is undecided.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::forecast::over_limit;
use super::impossible::Impossible;
use super::unfinished::unfinished;
use crate::plan::Cell;
use crate::record::{Observation, Outcome, Row};

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
    /// With `stop = "never"` the loss got below, and was above again at the end.
    Left {
        /// The first step below.
        first_below: u64,
        /// The smallest loss.
        best_loss: f64,
    },
    /// The loss still falls, or the kernel at the end would still get there.
    TooSlow {
        /// More steps at this rate, if the kernel stays what it is at the end; none if it never
        /// gets there, or is unknown.
        more: Option<u64>,
        /// Whether the kernel can be trusted to stay ([`Observation::to_go`]).
        holds: bool,
        /// More steps at the best constant rate for that kernel, 1/(s (λmin + λmax)); none if that
        /// rule has no such formula, or
        /// the kernel will not stay.
        at_best_rate: Option<u64>,
        /// The loss at half of the budget over that at the end.
        fell: Option<f64>,
    },
    /// The rate is at the largest stable one of the kernel at the end: the outputs bounce.
    AtTheEdge {
        /// η over the limit at the end.
        over_limit: f64,
        /// How many of the last steps raised the loss, and of how many.
        rises: Option<(u64, u64)>,
        /// Steps that the kernel at the end would need at half its limit.
        at_half_limit: Option<u64>,
    },
    /// The loss goes up and down and no longer falls, under a rule without a linear theory.
    Fluctuating {
        /// The smallest loss of the last half of the budget.
        lowest: f64,
        /// The largest.
        highest: f64,
        /// How many of the last steps raised the loss, and of how many.
        rises: (u64, u64),
    },
    /// Near a saddle that it is leaving: a deviation along the negative curvature grows faster than
    /// the gradient lets the loss fall.
    Plateau {
        /// The lowest eigenvalue of the Hessian.
        curvature: f64,
        /// Steps in which a deviation along it grows e-fold.
        leaves_in: f64,
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
    /// Every unit of a hidden layer of ReLU is dead on every point: the output is the same for
    /// every input, and no step revives the layer.
    Dead {
        /// The first such layer, from 1.
        layer: usize,
        /// Whether it was so at the start.
        at_start: bool,
        /// The loss of the best output that is the same for every input.
        floor: f64,
    },
    /// Most units of a hidden layer are saturated on most points: |φ'| is below a thousandth of its
    /// largest value.
    Saturated {
        /// The layer where that is most so, from 1.
        layer: usize,
        /// Share of its units, over all points.
        share: f64,
        /// The same at the start.
        at_start: Option<f64>,
        /// Rank of J.
        rank: usize,
    },
    /// The gradient vanished while the loss did not.
    Stationary {
        /// What the Hessian says of the point; none if it was not measured.
        point: Option<Critical>,
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

/// What the Hessian says of a point where the gradient vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Critical {
    /// It has a negative eigenvalue.
    Saddle,
    /// It is zero: higher derivatives decide.
    Degenerate,
    /// It has none, as far as can be told.
    Minimum,
}

/// The kinds of [`Cause`], as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// It got below.
    Reached,
    /// It was catapulted and got below.
    Catapulted,
    /// It got below, and was above again at the end.
    Left,
    /// The loss exploded.
    Diverged,
    /// The loss still falls, or the kernel at the end would still get there.
    TooSlow,
    /// It bounces at the edge of stability.
    AtTheEdge,
    /// The loss goes up and down and no longer falls.
    Fluctuating,
    /// Near a saddle that it is leaving.
    Plateau,
    /// No parameter moves the outputs where the residual lies.
    RankDeficient,
    /// A whole layer is dead.
    Dead,
    /// Most of a layer is saturated.
    Saturated,
    /// The gradient vanished where the Hessian has a negative eigenvalue.
    Saddle,
    /// The gradient and the Hessian vanished.
    Degenerate,
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
    pub const ALL: [CauseKind; 16] = [
        CauseKind::Reached,
        CauseKind::Catapulted,
        CauseKind::Diverged,
        CauseKind::TooSlow,
        CauseKind::AtTheEdge,
        CauseKind::RankDeficient,
        CauseKind::Saddle,
        CauseKind::Minimum,
        CauseKind::PrecisionFloor,
        CauseKind::Left,
        CauseKind::Fluctuating,
        CauseKind::Plateau,
        CauseKind::Dead,
        CauseKind::Saturated,
        CauseKind::Degenerate,
        CauseKind::Undecided,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            CauseKind::Reached => "reached",
            CauseKind::Catapulted => "catapulted and reached",
            CauseKind::Left => "reached, then left",
            CauseKind::Diverged => "diverged",
            CauseKind::TooSlow => "too slow",
            CauseKind::AtTheEdge => "bouncing at the edge",
            CauseKind::Fluctuating => "fluctuating",
            CauseKind::Plateau => "on a plateau",
            CauseKind::RankDeficient => "rank-deficient",
            CauseKind::Dead => "dead layer",
            CauseKind::Saturated => "saturated",
            CauseKind::Saddle => "stuck at a saddle",
            CauseKind::Degenerate => "stuck at a degenerate point",
            CauseKind::Minimum => "stuck at a minimum",
            CauseKind::PrecisionFloor => "precision floor",
            CauseKind::Undecided => "undecided",
        }
    }

    /// Whether the loss ended below.
    pub fn reached(self) -> bool {
        match self {
            CauseKind::Reached | CauseKind::Catapulted => true,
            CauseKind::Left
            | CauseKind::Diverged
            | CauseKind::TooSlow
            | CauseKind::AtTheEdge
            | CauseKind::Fluctuating
            | CauseKind::Plateau
            | CauseKind::RankDeficient
            | CauseKind::Dead
            | CauseKind::Saturated
            | CauseKind::Saddle
            | CauseKind::Degenerate
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
        all.for_each(|kind| {
            let of = counts.iter_mut().filter(|count| count.cause == kind);
            of.for_each(|count| count.replicates += 1);
        });
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
            Cause::Left { .. } => CauseKind::Left,
            Cause::TooSlow { .. } => CauseKind::TooSlow,
            Cause::AtTheEdge { .. } => CauseKind::AtTheEdge,
            Cause::Fluctuating { .. } => CauseKind::Fluctuating,
            Cause::Plateau { .. } => CauseKind::Plateau,
            Cause::RankDeficient { .. } => CauseKind::RankDeficient,
            Cause::Dead { .. } => CauseKind::Dead,
            Cause::Saturated { .. } => CauseKind::Saturated,
            Cause::Stationary { point, .. } => match point {
                Some(Critical::Saddle) => CauseKind::Saddle,
                Some(Critical::Degenerate) => CauseKind::Degenerate,
                Some(Critical::Minimum) | None => CauseKind::Minimum,
            },
            Cause::PrecisionFloor { .. } => CauseKind::PrecisionFloor,
            Cause::Undecided => CauseKind::Undecided,
        }
    }

    /// Whether the loss ended below.
    pub fn reached(&self) -> bool {
        self.kind().reached()
    }
}

/// The cause of a replicate's end, from its row and its first and last looks.
pub fn cause(cell: &Cell, row: &Row, looks: Option<(&Observation, &Observation)>) -> Cause {
    let over = |look: &Observation| over_limit(cell, row.rate, look);
    match (row.outcome, looks) {
        (Outcome::Below { .. }, None) => Cause::Reached,
        (Outcome::Below { .. }, Some((first, last))) => {
            let (over_limit_start, over_limit_end) = (over(first), over(last));
            // A kernel that shrinks without the loss ever rising throws nothing.
            let thrown = last.course.is_none_or(|course| course.rose);
            if over_limit_start > 1.0 && over_limit_end < 1.0 && thrown {
                Cause::Catapulted {
                    over_limit_start,
                    over_limit_end,
                }
            } else {
                Cause::Reached
            }
        }
        (Outcome::Diverged { .. }, Some((first, last))) if over(first).is_finite() => {
            Cause::Diverged {
                over_limit_start: over(first),
                over_limit_last: over(last),
            }
        }
        (Outcome::Diverged { .. }, Some(_) | None) => Cause::Undecided,
        // Who has made no step is stuck at nothing.
        (Outcome::Spent, _) if row.steps == 0 => Cause::Undecided,
        (Outcome::Spent | Outcome::Fixed { .. }, looks) => match (row.first_below, looks) {
            (Some(first_below), _) => Cause::Left {
                first_below,
                best_loss: row.best_loss,
            },
            (None, Some((first, last))) => unfinished(cell, row, first, last),
            (None, None) => Cause::Undecided,
        },
    }
}

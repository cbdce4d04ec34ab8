//! What the loss of a replicate did on the way to its end.

use crate::descent::Precision;
use crate::engine::{Outcome, Problem, Trained};
use crate::record::{Course, LateLoss, Tail};

/// Whether a loss is above the one before it, beyond rounding.
fn above(problem: &Problem, before: f64, after: f64) -> bool {
    let rounding = match problem.precision {
        Precision::F32 => 1e-5,
        Precision::F64 => 1e-10,
    };
    after > before * (1.0 + rounding)
}

/// The course of a replicate that was trained with `watch` in its job.
pub fn course(problem: &Problem, watch: &[u64], trained: &Trained) -> Course {
    Course {
        rose: trained
            .losses
            .windows(2)
            .any(|pair| above(problem, pair[0], pair[1])),
        tail: match trained.outcome {
            Outcome::Diverged { .. } => None,
            Outcome::Below { .. } | Outcome::Spent | Outcome::Fixed { .. } => {
                tail(problem, watch, &trained.watched)
            }
        },
        late: late(problem, trained),
    }
}

/// The last loss of the grid that lies a twentieth of the way or more before the end; none of a run
/// that diverged or is too short.
fn late(problem: &Problem, trained: &Trained) -> Option<LateLoss> {
    let end = trained.last.step;
    let steps = problem.grid.iter().copied().zip(&trained.losses);
    let mut before = steps.filter(|(step, _)| *step > 0 && *step < end - end / 20);
    match trained.outcome {
        Outcome::Diverged { .. } => None,
        Outcome::Below { .. } | Outcome::Spent | Outcome::Fixed { .. } if end < 40 => None,
        Outcome::Below { .. } | Outcome::Spent | Outcome::Fixed { .. } => before
            .next_back()
            .map(|(step, loss)| LateLoss { step, loss: *loss }),
    }
}

/// The last half of a run that made all its steps; none of one that ended before, which has not all
/// of these losses, or of one with hardly any steps.
fn tail(problem: &Problem, watch: &[u64], losses: &[f64]) -> Option<Tail> {
    if losses.len() != watch.len() || losses.len() < 4 {
        return None;
    }
    let from = *watch.first()?;
    let pairs = || watch.windows(2).zip(losses.windows(2));
    let last = || pairs().filter(|(steps, _)| steps[1] == steps[0] + 1);
    Some(Tail {
        from,
        loss_from: losses[0],
        loss_to: losses[losses.len() - 1],
        lowest: losses.iter().copied().fold(f64::INFINITY, f64::min),
        highest: losses.iter().copied().fold(0.0, f64::max),
        compared: last().count() as u64,
        rises: last()
            .filter(|(_, of)| above(problem, of[0], of[1]))
            .count() as u64,
    })
}

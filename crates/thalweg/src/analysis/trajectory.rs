//! What a replicate that was followed tells of its way, and what its costliest point costs.

use serde::Serialize;

use super::forecast::{linear, over_limit};
use crate::plan::Cell;
use crate::record::{Observation, Row};
use crate::theory::linear::{Linear, Steps};

/// What several looks at one replicate tell of its way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trajectory {
    /// Looks.
    pub looks: usize,
    /// η over the largest stable rate of the kernel where it is largest, and the step.
    pub most: (f64, u64),
    /// The first look at which the rate is at or above the limit.
    pub first_over: Option<u64>,
    /// Looks at which it is within 5 % of the limit: the edge of stability.
    pub at_edge: usize,
    /// Looks at which the loss is higher than at the one before.
    pub rises: usize,
    /// The smallest 2 s rᵀΘr/rᵀr: ‖∇L‖² ≥ 2 · this · L held all along (Polyak–Łojasiewicz).
    pub pl_constant: f64,
}

/// What the looks at a replicate, at least four with kernels, tell of its way.
pub fn trajectory(cell: &Cell, row: &Row, looks: &[Observation]) -> Option<Trajectory> {
    let over = |look: &Observation| {
        let over = over_limit(cell, row.rate, look);
        over.is_finite().then_some((over, look.step))
    };
    let all: Vec<(f64, u64)> = looks.iter().filter_map(over).collect();
    if all.len() < 4 {
        return None;
    }
    let s = cell.loss_factor();
    let pulls = looks.iter().filter_map(Observation::rayleigh);
    Some(Trajectory {
        looks: all.len(),
        most: all.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0))?,
        first_over: all
            .iter()
            .find(|(over, _)| *over >= 1.0)
            .map(|(_, step)| *step),
        at_edge: all
            .iter()
            .filter(|(over, _)| (0.95..=1.05).contains(over))
            .count(),
        rises: looks.windows(2).filter(|p| p[1].loss > p[0].loss).count(),
        pl_constant: 2.0 * s * pulls.fold(f64::INFINITY, f64::min),
    })
}

/// What the point that carries most of the slowest mode costs, from the last look on, by its
/// kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LeaveOneOut {
    /// The point.
    pub point: usize,
    /// Steps that are left with it.
    pub with: u64,
    /// Steps that would be left without it.
    pub without: u64,
}

/// The cost of the point that carries most of the slowest mode; none where a number of steps is
/// unknown.
pub fn leave_one_out(cell: &Cell, row: &Row, last: &Observation) -> Option<LeaveOneOut> {
    let rest = last.without.as_ref()?;
    let whole = linear(cell, row.rate, last)?;
    let less = Linear {
        eigenvalues: &rest.eigenvalues,
        coefficients: &rest.coefficients,
        ..whole.clone()
    };
    let of = |l: &Linear<'_>| match l.steps_below(cell.loss_at_most()) {
        Steps::At(steps) => Some(steps),
        Steps::After(_) | Steps::Never { .. } | Steps::Unstable => None,
    };
    Some(LeaveOneOut {
        point: rest.point,
        with: of(&whole)?,
        without: of(&less)?,
    })
}

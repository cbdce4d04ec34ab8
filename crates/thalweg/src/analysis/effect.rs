//! The most that a comparison shows: what is told of it where there is one line.

use serde::Serialize;

use super::comparison::{Compared, Member, Paired};
use super::summary::Summary;

/// The most that a comparison shows, by places of its members.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Success differs significantly from the reference: the member that succeeds most often and
    /// the one that does so least often, of those that differ and the reference.
    Success {
        /// Succeeds most often.
        most: usize,
        /// Succeeds least often.
        least: usize,
        /// The difference of their shares.
        by: f64,
    },
    /// Success is not shown to differ, the number of steps is: the interval of a paired ratio
    /// leaves out 1.
    Steps {
        /// Has the smallest median.
        fastest: usize,
        /// Has the largest.
        slowest: usize,
        /// Its median over the smallest.
        times: f64,
    },
    /// Nothing is shown to differ.
    Nothing,
    /// There is nothing to test: one member, or a crossed design.
    NotTested,
}

impl Effect {
    /// How much it says, of two kinds: success first, then steps.
    fn size(&self) -> (u8, f64) {
        match self {
            Effect::Success { by, .. } => (3, *by),
            Effect::Steps { times, .. } => (2, *times),
            Effect::Nothing => (1, 0.0),
            Effect::NotTested => (0, 0.0),
        }
    }
}

/// The most that the members show; `base` is the place of the reference.
pub(super) fn effect(
    members: &[Member],
    base: usize,
    apart: &[usize],
    cells: &[Summary],
) -> Effect {
    if members.iter().all(|m| m.paired.is_none()) {
        return Effect::NotTested;
    }
    let share = |place: usize| cells[members[place].cell].share;
    if !apart.is_empty() {
        let all = || apart.iter().copied().chain([base]);
        let most = all().max_by(|a, b| share(*a).total_cmp(&share(*b)));
        let least = all().min_by(|a, b| share(*a).total_cmp(&share(*b)));
        let (most, least) = (most.unwrap_or(base), least.unwrap_or(base));
        return Effect::Success {
            most,
            least,
            by: share(most) - share(least),
        };
    }
    let step = |place: usize| cells[members[place].cell].steps.median.step;
    let slower = |m: &Member| m.paired.as_ref().is_some_and(takes_other_steps);
    let timed = || {
        let told = (0..members.len()).filter(|i| *i == base || slower(&members[*i]));
        told.filter_map(|i| Some((i, step(i)?)))
    };
    match (timed().min_by_key(|t| t.1), timed().max_by_key(|t| t.1)) {
        (Some((fastest, low)), Some((slowest, high))) if low < high => Effect::Steps {
            fastest,
            slowest,
            times: high as f64 / (low as f64).max(1.0),
        },
        (Some(_) | None, _) => Effect::Nothing,
    }
}

/// The same where each is held against a member of its own: the pair that differs most.
pub(super) fn effect_within(members: &[Member], apart: &[usize], cells: &[Summary]) -> Effect {
    if members.iter().all(|m| m.paired.is_none()) {
        return Effect::NotTested;
    }
    let share = |place: usize| cells[members[place].cell].share;
    let apart = apart.iter().map(|&i| (i, members[i].against));
    let by = |(i, j): (usize, usize)| (share(i) - share(j)).abs();
    if let Some((i, j)) = apart.max_by(|a, b| by(*a).total_cmp(&by(*b))) {
        let (most, least) = if share(i) > share(j) { (i, j) } else { (j, i) };
        return Effect::Success {
            most,
            least,
            by: by((i, j)),
        };
    }
    let step = |place: usize| cells[members[place].cell].steps.median.step;
    let other = |i: &usize| members[*i].paired.as_ref().is_some_and(takes_other_steps);
    let pairs = (0..members.len()).filter(other).filter_map(|i| {
        let (this, reference) = (step(i)?, step(members[i].against)?);
        let (fastest, slowest) = match this.cmp(&reference) {
            std::cmp::Ordering::Less => (i, members[i].against),
            std::cmp::Ordering::Greater => (members[i].against, i),
            std::cmp::Ordering::Equal => return None,
        };
        let times = this.max(reference) as f64 / this.min(reference).max(1) as f64;
        Some((fastest, slowest, times))
    });
    match pairs.max_by(|a, b| a.2.total_cmp(&b.2)) {
        Some((fastest, slowest, times)) => Effect::Steps {
            fastest,
            slowest,
            times,
        },
        None => Effect::Nothing,
    }
}

/// Whether the interval of the ratio leaves out 1.
fn takes_other_steps(paired: &Paired) -> bool {
    let ratio = paired.ratio.as_ref();
    ratio.is_some_and(|r| r.interval.low > 1.0 || r.interval.high < 1.0)
}

/// Places of comparisons, those that say most first; equal ones in the order of the study.
pub(super) fn strongest(comparisons: &[Compared]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..comparisons.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (comparisons[*a].effect.size(), comparisons[*b].effect.size());
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    order
}

//! What is said of the replicates of a cell that were followed.

use thalweg::analysis::Analysis;
use thalweg::analysis::followed::{Followed, Look};
use thalweg::analysis::summary::Summary;
use thalweg::analysis::trajectory::Trajectory;
use thalweg::stats::Interval;

use super::numbers::{count, factor, many, number, range};
use super::setting;

/// What the runs that were followed have in common; empty without any.
pub fn runs(run: &Analysis, s: &Summary) -> Vec<String> {
    let all = &s.followed;
    if all.is_empty() {
        return Vec::new();
    }
    let lead = format!(
        "{}: {} {} followed, with {} looks at the longest.",
        setting::cell(run, s.cell),
        many(all.len(), "replicate", "replicates"),
        if all.len() == 1 { "was" } else { "were" },
        count(all.iter().map(|f| f.looks.len()).max().unwrap_or(0) as u64)
    );
    let mut said = vec![lead];
    said.extend(edge(all));
    said.extend(pull(all));
    said.extend(way(all));
    said
}

/// The smallest and the largest of some numbers; none without any that is finite.
fn ends(values: impl Iterator<Item = f64>) -> Option<Interval> {
    let finite = values.filter(|v| v.is_finite());
    finite.fold(None, |all: Option<Interval>, v| {
        let all = all.unwrap_or(Interval { low: v, high: v });
        Some(Interval {
            low: all.low.min(v),
            high: all.high.max(v),
        })
    })
}

/// When the sharpness comes to the edge.
fn edge(all: &[Followed]) -> Option<String> {
    ends(all.iter().flat_map(|f| f.looks.iter().map(|l| l.edge)))?;
    let first = |f: &Followed| f.looks.iter().find(|l| l.edge >= 1.0).map(|l| l.step);
    let there: Vec<u64> = all.iter().filter_map(first).collect();
    let (Some(low), Some(high)) = (there.iter().min(), there.iter().max()) else {
        return Some("At no look is the sharpness at the edge of stability.".into());
    };
    let when = if low == high {
        format!("step {}", count(*low))
    } else {
        format!("steps {} to {}", count(*low), count(*high))
    };
    Some(format!(
        "{} of {} come to the edge of stability, first seen there at {when}.",
        count(there.len() as u64),
        count(all.len() as u64)
    ))
}

/// How the Polyak–Łojasiewicz constant changes.
fn pull(all: &[Followed]) -> Option<String> {
    let of = |look: fn(&Followed) -> Option<&Look>| {
        ends((all.iter()).filter_map(|f| Some(look(f)?.polyak_lojasiewicz)))
    };
    let (start, end) = (of(|f| f.looks.first())?, of(|f| f.looks.last())?);
    Some(format!(
        "The constant μ of ‖∇L‖² = 2 μ L is {} at the start and {} at the end.",
        range(start),
        range(end)
    ))
}

/// How long the way is.
fn way(all: &[Followed]) -> Option<String> {
    let length = ends((all.iter()).filter_map(|f| Some(f.looks.last()?.path_length)))?;
    Some(format!(
        "From look to look the weights go a way of {} in all.",
        range(length)
    ))
}

/// What several looks at one replicate tell of its way; `thrown` if it was catapulted.
pub(super) fn trajectory(way: &Trajectory, thrown: bool) -> String {
    let (most, step) = way.most;
    let edge = match way.first_over {
        None => format!(
            "the rate stayed below the largest stable one, at most {} times it (step {})",
            factor(most),
            count(step)
        ),
        Some(first) => format!(
            "the rate was above the largest stable one first at step {}, at most {} times it (step \
             {}), and within 5 % of it at {}",
            count(first),
            factor(most),
            count(step),
            many(way.at_edge, "look", "looks")
        ),
    };
    // A catapult is thrown between the looks, if at none of them.
    let rises = match way.rises {
        0 if thrown => String::new(),
        0 => "; at none of them was the loss higher than at the one before".into(),
        1 => "; the loss rose once from one to the next".into(),
        n => format!("; the loss rose {n} times from one to the next"),
    };
    format!(
        "Followed with {} looks: {edge}{rises}; ‖∇L‖² was at least 2 μ L with μ = {} \
         (Polyak–Łojasiewicz).",
        way.looks,
        number(way.pl_constant)
    )
}

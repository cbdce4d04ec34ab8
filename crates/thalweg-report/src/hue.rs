//! The colour of a setting: one and the same in every figure.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::Compared;

use super::page::Hue;

/// Where the told values of the leading number begin and end on the ramp; what lies beyond them is
/// darker and lighter still.
const TOLD: (f64, f64) = (0.12, 0.88);

/// The colour of a cell: that of its place along the leading number, if it has one.
pub(super) fn cell(run: &Analysis, cell: usize) -> Hue {
    let along = run.along.as_ref().map(|a| &run.comparisons[a.comparison]);
    let place = along.and_then(|c| Some((c, c.members.iter().position(|m| m.cell == cell)?)));
    place.map_or(Hue::Distinct(0), |(compared, at)| member(run, compared, at))
}

/// The colour of a member of a comparison. Numbers go from dark (the largest) to light; of the
/// leading number those that are told stand far apart. Anything else has distinct colours, the
/// reference the first of them.
pub(super) fn member(run: &Analysis, compared: &Compared, at: usize) -> Hue {
    let numbers = compared.numbers.as_deref().unwrap_or_default();
    let rank = |at: usize| numbers.iter().position(|(_, place)| *place == at);
    let Some(place) = rank(at) else {
        return Hue::Distinct(match at.cmp(&compared.base) {
            std::cmp::Ordering::Less => at + 1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => at,
        });
    };
    let last = numbers.len().saturating_sub(1);
    let fall = |rank: usize| (last - rank) as f64;
    let leading = run.along.as_ref();
    let leading = leading.filter(|a| run.comparisons[a.comparison].name == compared.name);
    let told = leading.iter().flat_map(|along| &along.told);
    let of = |cell: usize| compared.members.iter().position(|m| m.cell == cell);
    let mut told: Vec<f64> = told
        .filter_map(|t| Some(fall(rank(of(t.cell)?)?)))
        .collect();
    told.extend(leading.and_then(|_| rank(compared.base)).map(fall));
    told.sort_by(f64::total_cmp);
    told.dedup();
    Hue::Ordered(ramp(fall(place), last as f64, &told))
}

/// The place on the ramp of a rank among `0..=last`, with those that are told evenly apart.
fn ramp(rank: f64, last: f64, told: &[f64]) -> f64 {
    let n = told.len();
    if n < 2 {
        return rank / last.max(1.0);
    }
    let even = |i: usize| TOLD.0 + (TOLD.1 - TOLD.0) * i as f64 / (n - 1) as f64;
    let mut knots = vec![(-1e-9, 0.0)];
    knots.extend(told.iter().enumerate().map(|(i, rank)| (*rank, even(i))));
    knots.push((last + 1e-9, 1.0));
    let pair = knots.windows(2).find(|pair| rank <= pair[1].0);
    pair.map_or(1.0, |pair| {
        let ((a, from), (b, to)) = (pair[0], pair[1]);
        from + (to - from) * ((rank - a) / (b - a)).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::ramp;

    /// Whatever is told, the ramp rises with the rank from end to end, and what is told is apart.
    #[test]
    fn a_ramp_rises_and_sets_what_is_told_apart() {
        for last in 1..12u32 {
            for first in 0..last {
                for second in first + 1..=last {
                    let told = [f64::from(first), f64::from(second)];
                    let all: Vec<f64> = (0..=last)
                        .map(|rank| ramp(f64::from(rank), f64::from(last), &told))
                        .collect();
                    assert!(all.windows(2).all(|p| p[0] < p[1]), "{told:?}: {all:?}");
                    assert!(all.iter().all(|v| (0.0..=1.0).contains(v)));
                    assert!(all[second as usize] - all[first as usize] > 0.7);
                }
            }
        }
        assert!(ramp(0.0, 0.0, &[]).abs() < 1e-12);
    }
}

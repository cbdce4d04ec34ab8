//! Whether it is cheaper to give a try up and begin again than to go on.
//!
//! The best cutoff of a sample flatters itself: its own draws made it look best. So the cutoff is
//! chosen on one half of the draws and judged on the other.

use serde::{Deserialize, Serialize};

use super::{Interval, binomial_cdf, median, normal_cdf, normal_quantile, side};

/// Successes by a cutoff, among the draws that choose, below which it is not considered: the
/// normal law that judges it needs some.
const FEWEST: usize = 10;

/// What giving up at a cutoff and beginning again costs, judged on draws that did not choose the
/// cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Restart {
    /// The cutoff with the smallest expected time among the draws at even places.
    pub cutoff: f64,
    /// The expected time with it; infinite if none of the judging draws succeeded by then.
    pub expected: f64,
    /// The expected time when every try is given the whole budget.
    pub whole: f64,
    /// Share of tries that succeed by the cutoff.
    pub share: f64,
    /// How many times cheaper restarting at the cutoff is than giving every try the whole budget,
    /// with its interval.
    pub gain: (f64, Interval),
    /// One-sided p of a gain of 1 or less.
    pub p: f64,
    /// Draws that judged, those at odd places; all numbers but the cutoff are theirs.
    pub judged_on: u64,
}

/// The area under the survival up to the cutoff and the successes by then, of all tries together.
fn cost_at(hits: &[Option<u64>], cutoff: u64) -> (f64, f64) {
    let spent = |h: &Option<u64>| h.map_or(cutoff, |h| h.min(cutoff)) as f64;
    let reached = hits.iter().flatten().filter(|&&h| h <= cutoff).count();
    (hits.iter().map(spent).sum(), reached as f64)
}

/// The mean time until a success if every try ends at the cutoff; infinite without any.
fn expected_at(hits: &[Option<u64>], cutoff: u64) -> f64 {
    let (area, reached) = cost_at(hits, cutoff);
    if reached > 0.0 {
        area / reached
    } else {
        f64::INFINITY
    }
}

/// The p-value of as many successes by the cutoff among those within the budget, if they came at
/// one rate for every step waited, before the cutoff and after: exact for times without memory,
/// also where few or none came after it, of which the spread of means knows nothing.
fn of_counts(hits: &[Option<u64>], cutoff: u64, budget: u64) -> f64 {
    let ((early, by_then), (area, reached)) = (cost_at(hits, cutoff), cost_at(hits, budget));
    // P(X ≥ by then), X binomial: as few or fewer after the cutoff.
    let after = (reached - by_then) as u64;
    binomial_cdf(after, reached as u64, 1.0 - early / area)
}

/// The cutoff with the smallest expected time, among those by which enough have succeeded.
fn best_cutoff(hits: &[Option<u64>]) -> Option<u64> {
    let mut times: Vec<u64> = hits.iter().flatten().copied().collect();
    times.sort_unstable();
    let n = hits.len() as f64;
    // ∫ S up to each success, summed on the way: n S is the number still waiting.
    let (mut area, mut before, mut best) = (0.0, 0, None::<(f64, u64)>);
    for (i, &time) in times.iter().enumerate() {
        area += (n - i as f64) * (time - before) as f64;
        before = time;
        let expected = area / (i + 1) as f64;
        let last_of_ties = times.get(i + 1) != Some(&time);
        let enough = i + 1 >= FEWEST;
        if enough && last_of_ties && best.is_none_or(|(least, _)| expected < least) {
            best = Some((expected, time));
        }
    }
    Some(best?.1)
}

/// The expected time until success if every try is given up at a cutoff t and begun again with new
/// draws, E(t) = ∫₀ᵗ P(T > u) du / P(T ≤ t), at its best cutoff (Luby, Sinclair & Zuckerman 1993,
/// "Optimal speedup of Las Vegas algorithms"; with t the whole budget it is the expected running
/// time of Auger & Hansen 2005).
///
/// `hits` are independent: times of success, `None` for tries that did not succeed within the
/// budget or never would have; such a try costs the whole cutoff. Those at even places choose the
/// cutoff, those at odd places judge it, so the judgement does not know the choice; p and interval
/// are those of a ratio of means by the delta method, on the scale of its square root, p not below
/// that of the counts before and after the cutoff. None unless ten of those that choose have
/// succeeded, and one of those that judge.
pub fn restart(hits: &[Option<u64>], budget: u64, level: f64) -> Option<Restart> {
    let half =
        |from: usize| -> Vec<Option<u64>> { hits.iter().skip(from).step_by(2).copied().collect() };
    let cutoff = best_cutoff(&half(0))?;
    let judging = half(1);
    let last = judging.iter().flatten().copied().max()?;
    let budget = budget.max(last).max(cutoff);
    let n = judging.len() as f64;
    let (expected, whole) = (expected_at(&judging, cutoff), expected_at(&judging, budget));
    let share = |cutoff: u64| cost_at(&judging, cutoff).1 / n;
    // The influence of a try on log E(t): min(T, t)/area − 1{T ≤ t}/share.
    let influence = |hit: &Option<u64>, cutoff: u64, expected: f64| {
        let in_time = hit.filter(|&h| h <= cutoff);
        let spent = in_time.unwrap_or(cutoff) as f64;
        (spent / expected - f64::from(u8::from(in_time.is_some()))) / share(cutoff)
    };
    let z = -normal_quantile(side(level));
    let none = Interval {
        low: 0.0,
        high: f64::INFINITY,
    };
    let (gain, band, p) = if !expected.is_finite() {
        (0.0, none, 1.0)
    } else if expected <= 0.0 {
        // Every try succeeds at once.
        (1.0, none, 1.0)
    } else {
        let gain = whole / expected;
        let square = |h: &Option<u64>| {
            (influence(h, budget, whole) - influence(h, cutoff, expected)).powi(2)
        };
        let error = judging.iter().map(square).sum::<f64>().sqrt() / n;
        // The cost goes with one over a count of successes, and counts have an even spread on the
        // scale of their square root; on that of the logarithm far tails come too often.
        let end = |by: f64| gain * (1.0 + 0.5 * by * error).max(0.0).powi(2);
        let band = Interval {
            low: end(-z),
            high: end(z),
        };
        let p = if error > 0.0 {
            let of_means = normal_cdf(-2.0 * (1.0 - gain.sqrt().recip()) / error);
            of_means.max(of_counts(&judging, cutoff, budget))
        } else {
            1.0
        };
        (gain, band, p)
    };
    Some(Restart {
        cutoff: cutoff as f64,
        expected,
        whole,
        share: share(cutoff),
        gain: (gain, band),
        p,
        judged_on: judging.len() as u64,
    })
}

/// Whether beginning again with new weights on the *same* training set is cheaper, of training sets
/// each of which was tried with several weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RestartWithin {
    /// The cutoff with the smallest median cost, relative to the whole budget, among the sets at
    /// even places.
    pub cutoff: f64,
    /// Judging sets, those at odd places, on which giving up at the cutoff is cheaper.
    pub cheaper: u64,
    /// Judging sets on which it is costlier.
    pub costlier: u64,
    /// Judging sets of which no weights succeed by the cutoff.
    pub stuck: u64,
    /// Judging sets of which none succeed within the budget either; they say nothing.
    pub hopeless: u64,
    /// Judging sets.
    pub judged_on: u64,
    /// One-sided p of the sign test over the sets.
    pub p: f64,
}

/// [`RestartWithin`] of `sets`, each of which has the times of success of several weights.
///
/// The expected time of a set is that of [`restart`] over its own weights; it is infinite where
/// none succeeds by the cutoff. Sets are independent of each other, tries on a set are not, so the
/// test counts sets. None if no cutoff is cheaper on the median of the sets that choose, or fewer
/// than six judge.
pub fn restart_within(sets: &[Vec<Option<u64>>], budget: u64) -> Option<RestartWithin> {
    let half = |from: usize| sets.iter().skip(from).step_by(2);
    let relative = |set: &Vec<Option<u64>>, cutoff: u64| {
        let whole = expected_at(set, budget);
        // Of two infinite costs neither is the smaller.
        (whole.is_finite() && whole > 0.0).then(|| expected_at(set, cutoff) / whole)
    };
    let mut cutoffs: Vec<u64> = half(0).flatten().flatten().copied().collect();
    cutoffs.sort_unstable();
    cutoffs.dedup();
    let over_sets = |cutoff: &u64| {
        median(
            &half(0)
                .filter_map(|set| relative(set, *cutoff))
                .collect::<Vec<_>>(),
        )
    };
    let best = cutoffs.iter().map(|cutoff| (over_sets(cutoff), *cutoff));
    let (cost, cutoff) = best.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let judged_on = half(1).count() as u64;
    if !(cost < 1.0) || judged_on < 6 {
        return None;
    }
    let judged: Vec<Option<f64>> = half(1).map(|set| relative(set, cutoff)).collect();
    let count =
        |test: &dyn Fn(f64) -> bool| judged.iter().flatten().filter(|r| test(**r)).count() as u64;
    let (cheaper, costlier) = (count(&|r| r < 1.0), count(&|r| r > 1.0));
    let hopeless = judged.iter().filter(|r| r.is_none()).count() as u64;
    Some(RestartWithin {
        cutoff: cutoff as f64,
        cheaper,
        costlier,
        stuck: hopeless + count(&f64::is_infinite),
        hopeless,
        judged_on,
        // P(X ≥ cheaper) of a fair coin.
        p: binomial_cdf(costlier, cheaper + costlier, 0.5),
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;
    use crate::stats::holm;
    use crate::stats::support::{Draws, close};

    fn exponential(draws: &mut Draws, mean: f64, n: usize) -> Vec<Option<u64>> {
        let one = |_| Some((-libm::log(1.0 - draws.uniform()) * mean).ceil() as u64);
        (0..n).map(one).collect()
    }

    /// Half of the tries take 10 steps, half never end: restart at 10, E = 10/0.5 = 20.
    #[test]
    fn a_try_that_may_never_end_is_given_up_where_the_others_have_ended() {
        let hits: Vec<Option<u64>> = (0..400).map(|i| (i % 4 < 2).then_some(10)).collect();
        let best = restart(&hits, 1000, 0.95).expect("some succeed");
        assert_eq!((best.cutoff, best.share, best.judged_on), (10.0, 0.5, 200));
        close(best.expected, 20.0, 1e-14);
        // (10 + 1000)/2 a try, every second succeeds.
        close(best.whole, 1010.0, 1e-14);
        close(best.gain.0, 50.5, 1e-14);
        assert!(best.gain.1.low > 1.0 && best.p < 1e-6);
        assert_eq!(restart(&[None; 50], 10, 0.95), None);
        assert_eq!(restart(&[], 10, 0.95), None);
        // Nine successes among those that choose are too few.
        assert_eq!(restart(&[Some(3); 18], 10, 0.95), None);
        let at_once = restart(&[Some(0); 50], 10, 0.95).expect("all succeed");
        assert_eq!((at_once.expected, at_once.p), (0.0, 1.0));
        // Those that judge have none by the cutoff: it is no good.
        let late: Vec<Option<u64>> = (0..60)
            .map(|i| Some(if i % 2 == 0 { 5 } else { 9 }))
            .collect();
        let judged = restart(&late, 100, 0.95).expect("all succeed");
        assert_eq!((judged.gain.0, judged.p), (0.0, 1.0));
    }

    #[test]
    fn restarting_gains_nothing_where_all_is_certain() {
        let narrow: Vec<Option<u64>> = (0..1000).map(|i| Some(1000 + i % 50)).collect();
        let best = restart(&narrow, 5000, 0.95).expect("all succeed");
        close(best.gain.0, 1.0, 0.05);
        assert!(best.p > 0.05, "{best:?}");
    }

    /// For a waiting time without memory every cutoff costs the same. Pages of 80 cells, with all
    /// tries ending within the budget or a third of them cut: neither single cells nor, with Holm's
    /// correction, whole pages advise more often than they may.
    #[test]
    fn restarts_are_not_advised_where_nothing_is_gained() {
        let mut draws = Draws(8);
        for (n, budget) in [(100, 1e5), (200, 1e5), (400, 1e5), (200, 1100.0)] {
            let (mut cells, mut advised, mut wrong_pages, pages) = (0, 0, 0, 60);
            for _ in 0..pages {
                let p: Vec<f64> = (0..80)
                    .map(|_| {
                        let mut hits = exponential(&mut draws, 1000.0, n);
                        for hit in &mut hits {
                            *hit = hit.filter(|&h| h as f64 <= budget);
                        }
                        restart(&hits, budget as u64, 0.95).map_or(1.0, |r| r.p)
                    })
                    .collect();
                cells += p.len();
                advised += p.iter().filter(|p| **p < 0.05).count();
                wrong_pages += usize::from(holm(&p).iter().any(|p| *p < 0.05));
            }
            let share = advised as f64 / cells as f64;
            assert!(
                share <= 0.05 + 3.0 * f64::sqrt(0.05 * 0.95 / cells as f64),
                "{share}"
            );
            assert!(wrong_pages <= 9, "{wrong_pages} of {pages} pages");
        }
    }

    /// The interval of the gain at a cutoff that other draws chose covers the true gain.
    #[test]
    fn the_interval_of_a_gain_covers() {
        let mut draws = Draws(9);
        let (mut covered, trials) = (0, 800);
        for _ in 0..trials {
            let hits: Vec<Option<u64>> = (0..400)
                .map(|_| (draws.uniform() < 0.6).then_some(100))
                .collect();
            let best = restart(&hits, 1000, 0.95).expect("some succeed");
            // Whole: (0.6 · 100 + 0.4 · 1000)/0.6; at the cutoff: 100/0.6.
            let truth = 460.0 / 100.0;
            covered += u32::from((best.gain.1.low..=best.gain.1.high).contains(&truth));
        }
        let rate = f64::from(covered) / f64::from(trials);
        assert!((0.92..=0.98).contains(&rate), "{rate}");
    }

    /// Sets that differ in their pace, and on each of which nothing is remembered: pooled, slow
    /// sets look like tries to give up; set by set nothing is gained.
    #[test]
    fn new_weights_on_the_same_set_are_another_question_than_new_sets() {
        let mut draws = Draws(12);
        let mut crossed = || -> Vec<Vec<Option<u64>>> {
            let pace = |_| libm::exp(2.0 * crate::stats::normal_quantile(draws.uniform()));
            let paces: Vec<f64> = (0..20).map(pace).collect();
            let of = |pace: &f64| exponential(&mut draws, 1000.0 * pace, 20);
            paces.iter().map(of).collect()
        };
        let (mut pooled, mut within, tries) = (0, 0, 200);
        for _ in 0..tries {
            let sets = crossed();
            let flat: Vec<Option<u64>> = (0..400).map(|k| sets[k % 20][k / 20]).collect();
            pooled += u32::from(restart(&flat, 1 << 40, 0.95).is_some_and(|r| r.p < 0.05));
            within += u32::from(restart_within(&sets, 1 << 40).is_some_and(|r| r.p < 0.05));
        }
        assert!(pooled > tries / 2, "{pooled}");
        assert!(within <= 19, "{within}");
    }

    /// On every set half of the weights are quick and half never come: begin again.
    #[test]
    fn new_weights_are_advised_where_each_set_gains() {
        let set = |_| (0..20).map(|w| (w % 2 == 0).then_some(10)).collect();
        let mut sets: Vec<Vec<Option<u64>>> = (0..20).map(set).collect();
        let found = restart_within(&sets, 1000).expect("the sets agree");
        assert_eq!(
            (found.cheaper, found.costlier, found.judged_on),
            (10, 0, 10)
        );
        assert!(found.p < 0.001);
        // A set on which no weights ever come says nothing, and is told.
        sets[1] = vec![None; 20];
        let found = restart_within(&sets, 1000).expect("the sets agree");
        assert_eq!((found.cheaper, found.stuck, found.hopeless), (9, 1, 1));
        assert_eq!(restart_within(&sets[..10], 1000), None);
        assert_eq!(restart_within(&[], 1000), None);
    }
}

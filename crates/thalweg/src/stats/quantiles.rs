//! Medians and quantiles, of numbers and of hitting times of which some are censored.

use std::cmp::Ordering;

use super::{Interval, binomial_cdf, side};

/// Smallest k in 1..=n with k/n ≥ q; 0 for n = 0 or q NaN.
fn rank_of(n: usize, q: f64) -> usize {
    if n == 0 || q.is_nan() {
        return 0;
    }
    let enough = |k: usize| k as f64 / n as f64 >= q;
    let mut k = ((q.clamp(0.0, 1.0) * n as f64).ceil() as usize).clamp(1, n);
    // The product above is rounded: 0.55 · 100 is more than 55.
    while k > 1 && enough(k - 1) {
        k -= 1;
    }
    while k < n && !enough(k) {
        k += 1;
    }
    k
}

/// Ranks (l, u) with P(the l-th smallest ≤ q-quantile ≤ the u-th smallest) ≥ level, whatever the
/// distribution; l = 0 and u = n + 1 say that no order statistic of that side is safe.
pub(super) fn order_interval(n: usize, q: f64, level: f64) -> (usize, usize) {
    let alpha = side(level);
    if q.is_nan() {
        return (0, n + 1);
    }
    let q = q.clamp(0.0, 1.0);
    // Of n draws, B ~ binomial(n, q) lie at or below the quantile: l is the largest with
    // P(B < l) ≤ α/2, u the smallest with P(B ≥ u) ≤ α/2.
    let low = |l: usize| l == 0 || binomial_cdf(l as u64 - 1, n as u64, q) <= alpha;
    let high = |u: usize| u > n || binomial_cdf((n - u) as u64, n as u64, 1.0 - q) <= alpha;
    // Both are monotone: bisect.
    let (mut l, mut above) = (0, n + 1);
    while above - l > 1 {
        let middle = l.midpoint(above);
        if low(middle) {
            l = middle
        } else {
            above = middle
        }
    }
    let (mut below, mut u) = (0, n + 1);
    while u - below > 1 {
        let middle = below.midpoint(u);
        if high(middle) {
            u = middle
        } else {
            below = middle
        }
    }
    (l, u)
}

/// NaN after everything else, whatever its sign.
fn nan_last(a: &f64, b: &f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then_with(|| a.total_cmp(b))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(nan_last);
    values
}

fn sorted_hits(hits: &[Option<u64>]) -> Vec<Option<u64>> {
    let mut hits = hits.to_vec();
    hits.sort_unstable_by_key(|hit| (hit.is_none(), *hit));
    hits
}

/// The middle value, or the mean of the two middle ones; NaN for no values.
///
/// Infinities are values. A NaN counts as larger than any number, so the median is NaN only if
/// half of the values are.
pub fn median(values: &[f64]) -> f64 {
    let values = sorted(values);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => {
            let (low, high) = (values[n / 2 - 1], values[n / 2]);
            // Equal infinities have no difference.
            if low >= high {
                low
            } else {
                0.5 * low + 0.5 * high
            }
        }
    }
}

/// The q-quantile as the inverse of the empirical distribution function: the smallest value v with
/// at least a share q of all values at or below v (Hyndman & Fan 1996, type 1).
///
/// q is clamped to [0, 1]; infinities are values and NaN counts as larger than any number; NaN for
/// no values or q NaN.
pub fn quantile_of(values: &[f64], q: f64) -> f64 {
    match rank_of(values.len(), q) {
        0 => f64::NAN,
        k => sorted(values)[k - 1],
    }
}

/// The q-quantile of hitting times of which some (`None`) lie beyond the budget: the smallest time
/// t with at least a share q of all replicates at or below t.
///
/// `None` if the quantile is censored itself (more than a share 1 − q never hit), if there are no
/// replicates, or if q is NaN.
pub fn quantile(hits: &[Option<u64>], q: f64) -> Option<u64> {
    match rank_of(hits.len(), q) {
        0 => None,
        k => sorted_hits(hits)[k - 1],
    }
}

/// Interval for the median, whatever the law of the values, by order statistics; an end that so few
/// values do not have is infinite.
pub fn median_interval(values: &[f64], level: f64) -> Interval {
    let values = sorted(values);
    let (l, u) = order_interval(values.len(), 0.5, level);
    let at = |k: usize| k.checked_sub(1).and_then(|k| values.get(k)).copied();
    Interval {
        low: at(l).unwrap_or(f64::NEG_INFINITY),
        high: at(u).unwrap_or(f64::INFINITY),
    }
}

/// Interval for the q-quantile of hitting times, whatever their distribution, by order statistics
/// (Conover 1999, *Practical Nonparametric Statistics*, 3.2): it covers with at least `level`.
///
/// An end that is `None` lies beyond the budget. With too few replicates for a lower end it is 0,
/// the first time there is.
pub fn quantile_interval(hits: &[Option<u64>], q: f64, level: f64) -> (Option<u64>, Option<u64>) {
    let sorted = sorted_hits(hits);
    let (l, u) = order_interval(sorted.len(), q, level);
    let low = if l == 0 { Some(0) } else { sorted[l - 1] };
    (low, sorted.get(u - 1).copied().flatten())
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;
    use crate::stats::support::Draws;

    #[test]
    fn a_quantile_is_the_first_time_that_enough_replicates_have_reached() {
        let hits = [Some(40), None, Some(10), Some(30), Some(20)];
        assert_eq!(quantile(&hits, 0.5), Some(30));
        assert_eq!(quantile(&hits, 0.6), Some(30));
        assert_eq!(quantile(&hits, 0.8), Some(40));
        assert_eq!(quantile(&hits, 0.81), None);
        assert_eq!(quantile(&hits, 0.0), Some(10));
        assert_eq!(quantile(&hits, f64::NAN), None);
        assert_eq!(quantile(&[], 0.5), None);
        // numpy.quantile(v, q, method="inverted_cdf") for the law below
        let many: Vec<Option<u64>> = (1..=100).rev().map(Some).collect();
        for k in 1..=100u64 {
            assert_eq!(quantile(&many, k as f64 / 100.0), Some(k));
        }
    }

    #[test]
    fn quantile_intervals_are_those_of_scipy() {
        // scipy.stats.quantile_test(range(1, 101), q=0, p=q).confidence_interval(0.95)
        let hits: Vec<Option<u64>> = (1..=100).map(Some).collect();
        assert_eq!(quantile_interval(&hits, 0.5, 0.95), (Some(40), Some(61)));
        assert_eq!(quantile_interval(&hits, 0.8, 0.95), (Some(72), Some(89)));
        assert_eq!(quantile_interval(&hits, 0.9, 0.95), (Some(84), Some(96)));
        assert_eq!(
            quantile_interval(&hits[..20], 0.5, 0.95),
            (Some(6), Some(15))
        );
    }

    #[test]
    fn a_quantile_interval_ends_beyond_the_budget_when_too_few_hit() {
        let half: Vec<Option<u64>> = (0..100).map(|i| (i < 50).then_some(i)).collect();
        assert_eq!(quantile_interval(&half, 0.5, 0.95), (Some(39), None));
        assert_eq!(quantile_interval(&half, 0.9, 0.95), (None, None));
        assert_eq!(quantile_interval(&[Some(3)], 0.5, 0.95), (Some(0), None));
        assert_eq!(quantile_interval(&[], 0.5, 0.95), (Some(0), None));
        assert_eq!(
            quantile_interval(&half, f64::NAN, f64::NAN),
            (Some(0), None)
        );
    }

    /// Also with ties: times are rounded to tens.
    #[test]
    fn quantile_intervals_cover_at_least_as_often_as_they_say() {
        let mut draws = Draws(1);
        for q in [0.5, 0.8] {
            let (mut covered, trials) = (0, 3000);
            for _ in 0..trials {
                let hits: Vec<Option<u64>> = (0..60)
                    .map(|_| (draws.uniform() * 1000.0) as u64 / 10 * 10)
                    .map(|t| (t < 850).then_some(t))
                    .collect();
                let (low, high) = quantile_interval(&hits, q, 0.9);
                // P(t ≤ 490) = 0.5 and P(t ≤ 790) = 0.8
                let truth = (q * 1000.0) as u64 - 10;
                let in_time = high.is_none_or(|high| truth <= high);
                covered += usize::from(low.is_some_and(|low| low <= truth) && in_time);
            }
            let slack = 3.0 * (0.9 * 0.1 / f64::from(trials)).sqrt();
            assert!(
                covered as f64 / f64::from(trials) >= 0.9 - slack,
                "{covered}"
            );
        }
    }

    #[test]
    fn medians_and_quantiles_take_infinities_and_put_nan_last() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[1.0, inf, inf, inf]), inf);
        assert_eq!(median(&[-nan, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[f64::MAX, f64::MAX]), f64::MAX);
        assert!(median(&[]).is_nan());
        assert_eq!(quantile_of(&[4.0, 3.0, 2.0, 1.0], 0.5), 2.0);
        assert_eq!(quantile_of(&[4.0, nan, 2.0, -inf], 0.75), 4.0);
        assert_eq!(quantile_of(&[4.0, nan, 2.0, -inf], -1.0), -inf);
        assert!(quantile_of(&[4.0, nan, 2.0, -inf], 1.0).is_nan());
        assert!(quantile_of(&[], 0.5).is_nan());
        assert!(quantile_of(&[1.0], nan).is_nan());
    }
}

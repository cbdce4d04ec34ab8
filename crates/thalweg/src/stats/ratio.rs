//! How many times longer one of two settings takes on the same draws, where some times are
//! censored.

use serde::{Deserialize, Serialize};

use super::quantiles::order_interval;
use super::{Interval, median};

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wait {
    /// At this time.
    Until(f64),
    /// Later than this time, if ever: the budget was over.
    After(f64),
    /// Never: the run ended in a way that it does not come back from.
    Never,
}

/// The median of quantities of which some are known between two bounds only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundedMedian {
    /// Between which values the sample's median lies. The two are equal where the bounds do not
    /// matter: the median is then identified.
    pub median: Interval,
    /// Interval for the median of the law, whatever it is and whatever made the bounds.
    pub interval: Interval,
    /// Quantities.
    pub count: u64,
}

impl BoundedMedian {
    /// The median of quantities that lie within these bounds, both of which are values of an
    /// extended real line; none for fewer than six, the least for which an interval at 95 % can be
    /// had, or a bound that is NaN.
    ///
    /// The lower end of the interval is the order statistic of the lower bounds that inverts the
    /// sign test, the upper end that of the upper bounds. Each quantity is at least its lower
    /// bound, so each of their order statistics is too: the interval holds the interval that one
    /// would have without bounds, and covers at least as often (Manski 2003, *Partial
    /// Identification of Probability Distributions*, chapter 1).
    pub fn of(bounds: &[Interval], level: f64) -> Option<BoundedMedian> {
        let unknown = bounds.iter().any(|b| b.low.is_nan() || b.high.is_nan());
        if bounds.len() < 6 || unknown {
            return None;
        }
        let sorted = |of: fn(&Interval) -> f64| {
            let mut all: Vec<f64> = bounds.iter().map(of).collect();
            all.sort_unstable_by(f64::total_cmp);
            all
        };
        let (lows, highs) = (sorted(|b| b.low), sorted(|b| b.high));
        let (l, u) = order_interval(bounds.len(), 0.5, level);
        let low = l.checked_sub(1).and_then(|k| lows.get(k));
        Some(BoundedMedian {
            median: Interval {
                low: median(&lows),
                high: median(&highs),
            },
            interval: Interval {
                low: low.copied().unwrap_or(f64::NEG_INFINITY),
                high: highs.get(u - 1).copied().unwrap_or(f64::INFINITY),
            },
            count: bounds.len() as u64,
        })
    }

    /// The median, if the bounds identify it.
    pub fn identified(&self) -> Option<f64> {
        (self.median.low >= self.median.high).then_some(self.median.low)
    }
}

/// How many times longer `b` takes than `a`, over all pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedRatio {
    /// Between which values the median of b/a over all pairs lies; equal where it is identified.
    pub median: Interval,
    /// Interval for the median ratio.
    pub interval: Interval,
    /// Pairs, all of which count.
    pub pairs: u64,
    /// Pairs of which both sides hit.
    pub both: u64,
    /// Pairs of which one side alone does: the ratio is known from one side.
    pub one: u64,
    /// Pairs of which neither does: any ratio is possible.
    pub neither: u64,
}

impl PairedRatio {
    /// The median ratio, if the pairs identify it.
    pub fn identified(&self) -> Option<f64> {
        (self.median.low >= self.median.high).then_some(self.median.low)
    }
}

/// How many times longer `b` takes than `a`: the median of b/a over all pairs, with an interval
/// that covers with at least `level` whatever the laws of the times and of the censoring.
///
/// A pair is never left out. Of a time beyond its budget B it is known that it is more than B, so
/// if `b` alone is censored the ratio lies above B/a, if `a` alone is, below b/B, and if both are
/// it may be anything. A run that never hits has an infinite time: the ratio of a pair is then
/// exactly ∞ or 0, unless the other side does not hit either, which leaves it open. The medians of
/// lower and upper bounds enclose the sample's, and where they are equal the censored pairs do not
/// matter ([`BoundedMedian`]). Two times 0 have ratio 1. `None` for fewer than six pairs; an end
/// that even so few pairs cannot give is 0 or ∞.
pub fn paired_ratio(a: &[Wait], b: &[Wait], level: f64) -> Option<PairedRatio> {
    let bounds: Vec<Interval> = a.iter().zip(b).map(|(a, b)| log_ratio(*a, *b)).collect();
    let found = BoundedMedian::of(&bounds, level)?;
    let back = |i: Interval| Interval {
        low: libm::exp(i.low),
        high: libm::exp(i.high),
    };
    let hits = |wanted: u64| {
        let hit = |w: &Wait| u64::from(matches!(w, Wait::Until(_)));
        let pairs = a.iter().zip(b);
        pairs.filter(|(a, b)| hit(a) + hit(b) == wanted).count() as u64
    };
    Some(PairedRatio {
        median: back(found.median),
        interval: back(found.interval),
        pairs: found.count,
        both: hits(2),
        one: hits(1),
        neither: hits(0),
    })
}

/// Between which values log(b/a) lies.
fn log_ratio(a: Wait, b: Wait) -> Interval {
    const ALL: Interval = Interval {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };
    let log = |b: f64, a: f64| {
        // Two times 0, and two that rounding does not tell apart.
        if a.to_bits() == b.to_bits() {
            0.0
        } else {
            libm::log(b / a)
        }
    };
    let exactly = |value: f64| Interval {
        low: value,
        high: value,
    };
    match (a, b) {
        (Wait::Until(a), Wait::Until(b)) => exactly(log(b, a)),
        (Wait::Until(a), Wait::After(b)) => Interval {
            low: log(b, a),
            ..ALL
        },
        (Wait::After(a), Wait::Until(b)) => Interval {
            high: log(b, a),
            ..ALL
        },
        (Wait::Until(_), Wait::Never) => exactly(f64::INFINITY),
        (Wait::Never, Wait::Until(_)) => exactly(f64::NEG_INFINITY),
        (Wait::After(_) | Wait::Never, Wait::After(_) | Wait::Never) => ALL,
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;
    use crate::stats::normal_quantile;
    use crate::stats::support::{Draws, close};

    fn hits(times: &[f64]) -> Vec<Wait> {
        times.iter().copied().map(Wait::Until).collect()
    }

    #[test]
    fn a_paired_ratio_is_the_median_ratio_between_two_order_statistics() {
        // np.exp(np.median(np.log(b / a))); the second smallest and largest of eight ratios would
        // cover with 1 - 2 * binom.cdf(1, 8, .5) = 0.93 only, so the interval is the whole range.
        let a = hits(&[100.0, 120.0, 90.0, 200.0, 150.0, 80.0, 300.0, 110.0]);
        let b = hits(&[150.0, 110.0, 180.0, 260.0, 300.0, 100.0, 900.0, 111.0]);
        let found = paired_ratio(&a, &b, 0.95).unwrap();
        close(found.identified().unwrap(), 1.396424004376894, 1e-14);
        close(found.interval.low, 0.9166666666666666, 1e-14);
        close(found.interval.high, 3.0, 1e-14);
        assert_eq!((found.pairs, found.both), (8, 8));
        let found = paired_ratio(&a, &b, 0.9).unwrap();
        close(found.interval.low, 1.009090909090909, 1e-14);
        close(found.interval.high, 2.0, 1e-14);
        assert_eq!(paired_ratio(&a[..5], &b, 0.95), None);
        let found = paired_ratio(&a[..6], &b, 0.99).unwrap();
        assert_eq!(
            (found.interval.low, found.interval.high),
            (0.0, f64::INFINITY)
        );
        let (zero, one) = (hits(&[0.0; 6]), hits(&[1.0; 6]));
        assert_eq!(
            paired_ratio(&zero, &zero, 0.95).unwrap().identified(),
            Some(1.0)
        );
        let above = paired_ratio(&zero, &one, 0.95).unwrap();
        assert_eq!(above.identified(), Some(f64::INFINITY));
    }

    #[test]
    fn swapping_the_sides_inverts_a_paired_ratio() {
        let mut draws = Draws(3);
        let mut times = || {
            let one = |_| match draws.uniform() {
                u if u < 0.6 => Wait::Until((u * 1e5).floor() + 1.0),
                u if u < 0.9 => Wait::After(6e4),
                _ => Wait::Never,
            };
            (0..41).map(one).collect::<Vec<_>>()
        };
        let (a, b) = (times(), times());
        let there = paired_ratio(&a, &b, 0.95).unwrap();
        let back = paired_ratio(&b, &a, 0.95).unwrap();
        for (there, back) in [(there.median, back.median), (there.interval, back.interval)] {
            for (low, high) in [(there.low, back.high), (back.low, there.high)] {
                assert!(
                    low == 1.0 / high || (low * high - 1.0).abs() < 1e-12,
                    "{low} {high}"
                );
            }
        }
        assert_eq!(
            (there.both, there.one, there.neither),
            (back.both, back.one, back.neither)
        );
        assert_eq!(there.both + there.one + there.neither, there.pairs);
    }

    /// What is known of a pair: the fault was that one with a censored side was left out.
    #[test]
    fn a_censored_pair_counts_as_later_than_its_budget() {
        let a = hits(&[10.0; 9]);
        // Four take 2 times longer, five more than 5 times: the median is beyond 5.
        let mut b = hits(&[20.0; 9]);
        b[4..].fill(Wait::After(50.0));
        let found = paired_ratio(&a, &b, 0.95).unwrap();
        close(found.median.low, 5.0, 1e-14);
        assert_eq!(
            (found.median.high, found.interval.high),
            (f64::INFINITY, f64::INFINITY)
        );
        assert_eq!((found.both, found.one, found.identified()), (4, 5, None));
        // Five take 2 times longer: whatever the others do, so does the median.
        b[4] = Wait::Until(20.0);
        close(
            paired_ratio(&a, &b, 0.95).unwrap().identified().unwrap(),
            2.0,
            1e-14,
        );
        // The other way round a censored reference bounds from above.
        let found = paired_ratio(&[Wait::After(100.0); 9], &hits(&[20.0; 9]), 0.95).unwrap();
        assert_eq!(found.median.low, 0.0);
        close(found.median.high, 0.2, 1e-14);
        // Neither hits: anything is possible.
        let found = paired_ratio(&[Wait::After(9.0); 9], &[Wait::After(9.0); 9], 0.95).unwrap();
        assert_eq!((found.median.low, found.median.high), (0.0, f64::INFINITY));
        assert_eq!(found.neither, 9);
        let found = paired_ratio(&[Wait::Never; 9], &[Wait::After(9.0); 9], 0.95).unwrap();
        assert_eq!((found.median.low, found.median.high), (0.0, f64::INFINITY));
        // One that never comes is infinitely late, which is more than "later than the budget".
        let found = paired_ratio(&a, &[Wait::Never; 9], 0.95).unwrap();
        assert_eq!(found.identified(), Some(f64::INFINITY));
        assert_eq!(
            paired_ratio(&[Wait::Never; 9], &a, 0.95)
                .unwrap()
                .identified(),
            Some(0.0)
        );
    }

    /// Lognormal times with the median ratio 1.5 and a common budget that censors 0, 30 or 45 % of
    /// `b`: at every amount of censoring the interval covers the true ratio at least as often as it
    /// says, and the bounds hold the median that one would have had without a budget. Pairs of
    /// which both hit, the fault, are those that took long in `a` and not in `b`.
    #[test]
    fn intervals_of_paired_ratios_cover_whatever_is_censored() {
        let mut draws = Draws(41);
        let mut normal = move || normal_quantile(draws.uniform());
        for censored in [0.0, 0.3, 0.45] {
            // log b is normal with mean log 1.5 and variance 0.5² + 0.4².
            let spread = f64::sqrt(0.5f64.powi(2) + 0.4f64.powi(2));
            let budget = 1.5 * libm::exp(-spread * normal_quantile(censored));
            let (mut covered, mut of_both, trials) = (0, 0, 400);
            for _ in 0..trials {
                let (mut a, mut b, mut whole) = (Vec::new(), Vec::new(), Vec::new());
                let mut both = Vec::new();
                for _ in 0..100 {
                    let common = 0.5 * normal();
                    let x = libm::exp(common + 0.3 * normal());
                    let y = 1.5 * libm::exp(common + 0.4 * normal());
                    let cut = |t: f64| match t <= budget {
                        true => Wait::Until(t),
                        false => Wait::After(budget),
                    };
                    a.push(cut(x));
                    b.push(cut(y));
                    whole.push(libm::log(y / x));
                    both.extend((x.max(y) <= budget).then_some(y / x));
                }
                let found = paired_ratio(&a, &b, 0.95).unwrap();
                covered += u32::from(found.interval.low <= 1.5 && 1.5 <= found.interval.high);
                let plain = crate::stats::median_interval(&both, 0.95);
                of_both += u32::from(plain.low <= 1.5 && 1.5 <= plain.high);
                let truth = libm::exp(crate::stats::median(&whole));
                assert!(found.median.low <= 1.0001 * truth && truth <= 1.0001 * found.median.high);
            }
            let share = f64::from(covered) / f64::from(trials);
            let plain = f64::from(of_both) / f64::from(trials);
            assert!((plain >= 0.92) == (censored < 0.1), "{plain}");
            assert!(
                share >= 0.95 - 3.0 * f64::sqrt(0.95 * 0.05 / f64::from(trials)),
                "{share}"
            );
        }
    }

    #[test]
    fn a_median_of_bounds_is_the_median_where_they_agree() {
        let exactly = |v: f64| Interval { low: v, high: v };
        let values: Vec<Interval> = (1..=41).map(f64::from).map(exactly).collect();
        let found = BoundedMedian::of(&values, 0.95).unwrap();
        let plain: Vec<f64> = values.iter().map(|v| v.low).collect();
        assert_eq!(found.identified(), Some(21.0));
        assert_eq!(found.interval, crate::stats::median_interval(&plain, 0.95));
        assert_eq!(BoundedMedian::of(&values[..5], 0.95), None);
        let unknown = [exactly(f64::NAN); 9];
        assert_eq!(BoundedMedian::of(&unknown, 0.95), None);
    }
}

//! Intervals for a share of successes, for the difference of two, and for a mean.

use serde::{Deserialize, Serialize};

use super::distributions::student_quantile;
use super::{Interval, binomial_cdf, normal_quantile, side};

/// Wilson's score interval for a probability of which k successes in n were seen.
///
/// (k + z²/2 ± z √(k(n−k)/n + z²/4)) / (n + z²) with z = Φ⁻¹((1 + level)/2): the probabilities that
/// a score test would not reject (Wilson 1927, "Probable inference, the law of succession, and
/// statistical inference"). [0, 1] for n = 0; k above n counts as n.
///
/// ```
/// use thalweg::stats::wilson;
///
/// // All of 20: the probability may still be below 0.85.
/// assert_eq!(wilson(20, 20, 0.95).to_string(), "[0.839, 1]");
/// ```
pub fn wilson(k: u64, n: u64, level: f64) -> Interval {
    let k = k.min(n) as f64;
    wilson_share(k / n as f64, n as f64, level)
}

/// Wilson's interval for an observed share whose variance is that of so many independent trials,
/// which need not be a whole number; [0, 1] without any.
pub fn wilson_share(share: f64, trials: f64, level: f64) -> Interval {
    let whole = Interval {
        low: 0.0,
        high: 1.0,
    };
    let z = -normal_quantile(side(level));
    if !(trials > 0.0) || !z.is_finite() {
        return whole;
    }
    let (kf, nf, square) = (share * trials, trials, z * z);
    let centre = (kf + 0.5 * square) / (nf + square);
    let half = z * (kf * (nf - kf) / nf + 0.25 * square).sqrt() / (nf + square);
    Interval {
        low: if share <= 0.0 {
            0.0
        } else {
            (centre - half).max(0.0)
        },
        high: if share >= 1.0 {
            1.0
        } else {
            (centre + half).min(1.0)
        },
    }
}

/// Clopper and Pearson's exact interval for a probability of which k successes in n were seen: it
/// covers with at least `level` whatever the probability.
///
/// Its ends are the p with P(X ≥ k) = (1 − level)/2 and P(X ≤ k) = (1 − level)/2 (Clopper & Pearson
/// 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial"), found
/// by bisection on the binomial tails. [0, 1] for n = 0 or a senseless level; k above n counts as
/// n.
pub fn clopper_pearson(k: u64, n: u64, level: f64) -> Interval {
    let (k, alpha) = (k.min(n), side(level));
    if n == 0 || alpha <= 0.0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let seen = k as f64 / n as f64;
    // Both tails are written as lower ones, which keep their digits when they are small.
    let low = |p: f64| binomial_cdf(n - k, n, 1.0 - p) < alpha;
    let high = |p: f64| binomial_cdf(k, n, p) < alpha;
    let bisect = |mut outside: f64, mut inside: f64, is_outside: &dyn Fn(f64) -> bool| {
        for _ in 0..90 {
            let middle = outside.midpoint(inside);
            if is_outside(middle) {
                outside = middle;
            } else {
                inside = middle;
            }
        }
        outside
    };
    Interval {
        low: if k == 0 { 0.0 } else { bisect(0.0, seen, &low) },
        high: if k == n {
            1.0
        } else {
            bisect(1.0, seen, &high)
        },
    }
}

/// How two settings did on the same replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Replicates that both solve.
    pub both: u64,
    /// Replicates that the first alone solves.
    pub only_first: u64,
    /// Replicates that the second alone solves.
    pub only_second: u64,
    /// Replicates that neither does.
    pub neither: u64,
}

/// The second's share of successes less the first's, with Newcombe's interval for paired data:
/// Wilson's intervals of the two shares, squared and added, with their correlation (Newcombe 1998,
/// "Improved confidence intervals for the difference between binomial proportions based on paired
/// data", method 10). [−1, 1] without replicates.
pub fn difference_of_shares(of: Agreement, level: f64) -> (f64, Interval) {
    let whole = Interval {
        low: -1.0,
        high: 1.0,
    };
    let [both, first, second, neither] =
        [of.both, of.only_first, of.only_second, of.neither].map(|n| n as f64);
    let n = both + first + second + neither;
    if !(n > 0.0) {
        return (0.0, whole);
    }
    let (p, q) = ((both + second) / n, (both + first) / n);
    let (of_p, of_q) = (wilson_share(p, n, level), wilson_share(q, n, level));
    let margins = (both + first) * (second + neither) * (both + second) * (first + neither);
    let product = both * neither - first * second;
    // The correlation of the two outcomes, with a continuity correction if it is positive.
    let phi = if !(margins > 0.0) {
        0.0
    } else if product > 0.0 {
        (product - 0.5 * n).max(0.0) / margins.sqrt()
    } else {
        product / margins.sqrt()
    };
    let half = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
    let difference = p - q;
    let band = Interval {
        low: (difference - half(p - of_p.low, of_q.high - q)).max(-1.0),
        high: (difference + half(of_p.high - p, q - of_q.low)).min(1.0),
    };
    (difference, band)
}

/// The mean of values with Student's interval; infinite for fewer than two.
pub fn mean_interval(values: &[f64], level: f64) -> (f64, Interval) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let half = if values.len() > 1 {
        -student_quantile(side(level), n - 1.0) * (square / (n - 1.0) / n).sqrt()
    } else {
        f64::INFINITY
    };
    let band = Interval {
        low: mean - half,
        high: mean + half,
    };
    (mean, band)
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;
    use crate::stats::binomial_pmf;
    use crate::stats::support::{Draws, close};

    #[test]
    fn wilson_intervals_are_those_of_statsmodels() {
        // statsmodels.stats.proportion.proportion_confint(k, n, alpha=1 - level, method="wilson")
        for (k, n, level, low, high) in [
            (0, 10, 0.95, 0.0, 0.2775327998628892),
            (10, 10, 0.95, 0.7224672001371107, 1.0),
            (320, 400, 0.95, 0.758029683133299, 0.8362629402661231),
            (1, 400, 0.99, 0.0002935817387725581, 0.020941429503987388),
            (5, 7, 0.8, 0.47246281655659694, 0.8746640094625457),
            (3999, 4000, 0.95, 0.9985851689339011, 0.9999558674980424),
        ] {
            let ours = wilson(k, n, level);
            close(ours.low, low, 1e-12);
            close(ours.high, high, 1e-12);
        }
        assert_eq!(
            wilson(0, 0, 0.95),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
        assert_eq!(
            wilson(3, 5, f64::NAN),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
    }

    #[test]
    fn intervals_are_shown_to_three_digits_or_as_asked() {
        let interval = |low, high| Interval { low, high };
        assert_eq!(interval(0.758029, 0.8).to_string(), "[0.758, 0.8]");
        assert_eq!(interval(0.0, 12345.6).to_string(), "[0, 12300]");
        assert_eq!(interval(-1.234e-9, 1e9).to_string(), "[-1.23e-9, 1e9]");
        assert_eq!(interval(-f64::INFINITY, 2.0).to_string(), "[-inf, 2]");
        assert_eq!(format!("{:.1}", interval(0.25, 0.5)), "[0.2, 0.5]");
    }

    /// Exact, by summing over the binomial; at single p it oscillates, the mean over p does not.
    #[test]
    fn wilson_intervals_cover_as_often_as_they_say_on_average() {
        let n = 100;
        let (mut mean, count) = (0.0, 199);
        for i in 1..=count {
            let p = f64::from(i) / f64::from(count + 1);
            let covered: f64 = (0..=n)
                .filter(|&k| (wilson(k, n, 0.95).low..=wilson(k, n, 0.95).high).contains(&p))
                .map(|k| binomial_pmf(k, n, p))
                .sum();
            assert!(covered > 0.86, "{covered} at {p}");
            mean += covered / f64::from(count);
        }
        assert!((mean - 0.95).abs() < 0.006, "{mean}");
    }

    /// Exactly, by summing over the binomial, at every p; and the closed forms at the ends.
    #[test]
    fn clopper_pearson_intervals_never_cover_less_than_they_say() {
        for n in [1, 7, 60] {
            for i in 1..100 {
                let p = f64::from(i) / 100.0;
                let covered: f64 = (0..=n)
                    .filter(|&k| {
                        let interval = clopper_pearson(k, n, 0.9);
                        (interval.low..=interval.high).contains(&p)
                    })
                    .map(|k| binomial_pmf(k, n, p))
                    .sum();
                assert!(covered >= 0.9 - 1e-12, "{covered} at {p}, {n}");
            }
        }
        // All successes: pⁿ = (1 − level)/2.
        close(
            clopper_pearson(50, 50, 0.95).low,
            libm::pow(0.025, 0.02),
            1e-13,
        );
        assert_eq!(clopper_pearson(50, 50, 0.95).high, 1.0);
        let whole = Interval {
            low: 0.0,
            high: 1.0,
        };
        assert_eq!(clopper_pearson(0, 0, 0.95), whole);
        assert_eq!(clopper_pearson(3, 5, f64::NAN), whole);
        assert_eq!(clopper_pearson(3, 5, 1.0), whole);
    }

    /// Newcombe 1998, table II, method 10: 36/50 against 22/50 and 34/34 against 2 discordant; the
    /// opposite order has the opposite interval.
    #[test]
    fn differences_of_paired_shares_are_those_of_newcombe() {
        let of = |both, only_first, only_second, neither| Agreement {
            both,
            only_first,
            only_second,
            neither,
        };
        let (difference, band) = difference_of_shares(of(20, 2, 12, 16), 0.95);
        close(difference, 0.2, 1e-12);
        assert_eq!(format!("{band:.4}"), "[0.0562, 0.3292]");
        let (back, turned) = difference_of_shares(of(20, 12, 2, 16), 0.95);
        close(back, -0.2, 1e-12);
        close(turned.low, -band.high, 1e-12);
        // 36 of 40 against 40 of 40: a difference of none is inside.
        let (difference, band) = difference_of_shares(of(36, 0, 4, 0), 0.95);
        close(difference, 0.1, 1e-12);
        assert!(band.low < 0.0 && band.high > 0.2, "{band}");
        assert_eq!(
            difference_of_shares(of(0, 0, 0, 0), 0.95).1.to_string(),
            "[-1, 1]"
        );
    }

    #[test]
    fn differences_of_paired_shares_cover() {
        let (mut draws, mut covered, trials) = (Draws(6), 0, 2000);
        for _ in 0..trials {
            let mut seen = Agreement {
                both: 0,
                only_first: 0,
                only_second: 0,
                neither: 0,
            };
            for _ in 0..60 {
                let place = match draws.uniform() {
                    u if u < 0.7 => &mut seen.both,
                    u if u < 0.75 => &mut seen.only_first,
                    u if u < 0.9 => &mut seen.only_second,
                    _ => &mut seen.neither,
                };
                *place += 1;
            }
            let (_, band) = difference_of_shares(seen, 0.95);
            covered += u32::from(band.low <= 0.1 && 0.1 <= band.high);
        }
        let share = f64::from(covered) / f64::from(trials);
        assert!((0.93..=0.98).contains(&share), "{share}");
    }

    /// scipy.stats.t.interval(.95, 2, 2, scipy.stats.sem([1, 2, 3])); the normal law's interval of
    /// three values covers with 0.81 only.
    #[test]
    fn the_interval_of_a_mean_is_students() {
        let (mean, band) = mean_interval(&[1.0, 2.0, 3.0], 0.95);
        close(mean, 2.0, 1e-14);
        close(band.low, -0.484_137_711_719_517_7, 1e-9);
        assert!(mean_interval(&[1.0], 0.95).1.high.is_infinite());
        assert!(mean_interval(&[], 0.95).0.is_nan());
    }
}

//! Intervals for a share of successes.

use super::{Interval, normal_quantile, side};

/// Wilson's score interval for a probability of which k successes in n were seen.
///
/// (k + z²/2 ± z √(k(n−k)/n + z²/4)) / (n + z²) with z = Φ⁻¹((1 + level)/2): the probabilities that
/// a score test would not reject (Wilson 1927, "Probable inference, the law of succession, and
/// statistical inference"). [0, 1] for n = 0; k above n counts as n.
pub fn wilson(k: u64, n: u64, level: f64) -> Interval {
    let whole = Interval {
        low: 0.0,
        high: 1.0,
    };
    let z = -normal_quantile(side(level));
    if n == 0 || !z.is_finite() {
        return whole;
    }
    let (kf, nf, square) = (k.min(n) as f64, n as f64, z * z);
    let centre = (kf + 0.5 * square) / (nf + square);
    let half = z * (kf * (nf - kf) / nf + 0.25 * square).sqrt() / (nf + square);
    Interval {
        low: if k == 0 {
            0.0
        } else {
            (centre - half).max(0.0)
        },
        high: if k >= n {
            1.0
        } else {
            (centre + half).min(1.0)
        },
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;
    use crate::stats::binomial_pmf;
    use crate::stats::support::close;

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
}

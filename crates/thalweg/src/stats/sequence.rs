//! Looking after every draw, and stopping when it is decided.

use serde::{Deserialize, Serialize};

use super::{Interval, side};

/// On which side of a share the success probability lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The probability is above the share.
    Above,
    /// The probability is below the share.
    Below,
}

/// A confidence sequence for a success probability: an interval after every draw, all of which hold
/// the true probability together with probability at least `level`, so that one may look after
/// every draw and stop when one likes.
///
/// After s successes and f failures it is the set of p whose likelihood ratio against the
/// Beta(1/2, 1/2) mixture, B(s + 1/2, f + 1/2)/(π pˢ (1 − p)ᶠ), is below 1/(1 − level). At the true
/// p this ratio is a nonnegative martingale that starts at 1, and Ville's inequality bounds the
/// probability that it ever reaches 1/(1 − level) (Robbins 1970, "Statistical methods related to
/// the law of the iterated logarithm"). The state is the two counts, so their order is immaterial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceSequence {
    successes: u64,
    failures: u64,
    /// log 1/(1 − level)
    threshold: f64,
}

impl ConfidenceSequence {
    /// No draws yet. A level of 1 or more, or NaN, excludes nothing but the impossible.
    pub fn new(level: f64) -> ConfidenceSequence {
        ConfidenceSequence {
            successes: 0,
            failures: 0,
            threshold: -libm::log(2.0 * side(level)),
        }
    }

    /// One more draw.
    pub fn push(&mut self, success: bool) {
        let count = if success {
            &mut self.successes
        } else {
            &mut self.failures
        };
        *count = count.saturating_add(1);
    }

    /// The interval after the draws so far; [0, 1] before the first.
    pub fn interval(&self) -> Interval {
        let (s, f) = (self.successes as f64, self.failures as f64);
        if s + f < 1.0 {
            return Interval {
                low: 0.0,
                high: 1.0,
            };
        }
        // The ratio falls from p = 0 to the share seen, where it is at most 1, then rises.
        let mixture = self.log_mixture();
        let end = |mut outside: f64, mut inside: f64| {
            // Sixty halvings leave an error of 1e-18.
            for _ in 0..60 {
                let middle = outside.midpoint(inside);
                if mixture - self.log_likelihood(middle) < self.threshold {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            outside
        };
        let seen = s / (s + f);
        Interval {
            low: if s > 0.0 { end(0.0, seen) } else { 0.0 },
            high: if f > 0.0 { end(1.0, seen) } else { 1.0 },
        }
    }

    /// The side of `share` on which the probability lies, if the draws so far tell; `None` also for
    /// a NaN share.
    pub fn excludes(&self, share: f64) -> Option<Side> {
        if share.is_nan() {
            return None;
        }
        if share < 0.0 {
            return Some(Side::Above);
        }
        if share > 1.0 {
            return Some(Side::Below);
        }
        let (s, f) = (self.successes as f64, self.failures as f64);
        if self.log_mixture() - self.log_likelihood(share) < self.threshold {
            None
        } else if s > share * (s + f) {
            Some(Side::Above)
        } else if s < share * (s + f) {
            Some(Side::Below)
        } else {
            None
        }
    }

    /// log B(s + 1/2, f + 1/2) − log B(1/2, 1/2).
    fn log_mixture(&self) -> f64 {
        let (s, f) = (self.successes as f64, self.failures as f64);
        libm::lgamma(s + 0.5) + libm::lgamma(f + 0.5)
            - libm::lgamma(s + f + 1.0)
            - libm::log(std::f64::consts::PI)
    }

    /// log pˢ (1 − p)ᶠ with 0⁰ = 1.
    fn log_likelihood(&self, p: f64) -> f64 {
        let (s, f) = (self.successes as f64, self.failures as f64);
        let of_successes = if s > 0.0 { s * libm::log(p) } else { 0.0 };
        let of_failures = if f > 0.0 { f * libm::log1p(-p) } else { 0.0 };
        of_successes + of_failures
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;
    use crate::stats::support::{Draws, close};

    fn after(successes: u64, failures: u64, level: f64) -> ConfidenceSequence {
        ConfidenceSequence {
            successes,
            failures,
            ..ConfidenceSequence::new(level)
        }
    }

    #[test]
    fn confidence_sequences_end_where_the_mixture_ratio_crosses() {
        // scipy.optimize.brentq on scipy.special.betaln(s + .5, f + .5) - betaln(.5, .5)
        //     - xlogy(s, p) - xlogy(f, 1 - p) - log(1 / (1 - level))
        for (s, f, level, low, high) in [
            (80, 20, 0.95, 0.6483583961601775, 0.9089776689206757),
            (3, 0, 0.95, 0.25, 1.0),
            (330, 70, 0.99, 0.7419509463848123, 0.8913082812724648),
            (0, 50, 0.95, 0.0, 0.10464247710451557),
        ] {
            let interval = after(s, f, level).interval();
            close(interval.low, low, 1e-11);
            close(interval.high, high, 1e-11);
        }
        assert_eq!(
            after(0, 0, 0.95).interval(),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
    }

    #[test]
    fn a_confidence_sequence_excludes_what_lies_outside_its_interval() {
        for (s, f) in [(0, 0), (0, 9), (9, 0), (80, 20), (33, 67)] {
            let sequence = after(s, f, 0.95);
            let Interval { low, high } = sequence.interval();
            for i in 0..=100 {
                let share = f64::from(i) / 100.0;
                let side = if share < low {
                    Some(Side::Above)
                } else if share > high {
                    Some(Side::Below)
                } else {
                    None
                };
                // At 0 and 1 the ends may be equal to the share.
                if (share > 0.0 || s == 0) && (share < 1.0 || f == 0) {
                    assert_eq!(sequence.excludes(share), side, "{s} {f} {share}");
                }
            }
            assert_eq!(sequence.excludes(f64::NAN), None);
            assert_eq!(sequence.excludes(-0.1), Some(Side::Above));
            assert_eq!(sequence.excludes(1.1), Some(Side::Below));
        }
        assert_eq!(after(1, 0, 0.95).excludes(0.0), Some(Side::Above));
        assert_eq!(after(1000, 0, f64::NAN).excludes(0.5), None);
    }

    /// Ville's inequality by simulation: 2000 streams of 2000 draws at p = share, looked at after
    /// every draw.
    #[test]
    fn a_confidence_sequence_seldom_ever_excludes_the_truth() {
        let (level, streams) = (0.95, 2000);
        for share in [0.5, 0.8] {
            let mut draws = Draws(4);
            let mut wrong = 0;
            for _ in 0..streams {
                let mut sequence = ConfidenceSequence::new(level);
                wrong += u32::from((0..2000).any(|_| {
                    sequence.push(draws.uniform() < share);
                    sequence.excludes(share).is_some()
                }));
            }
            let slack = 3.0 * (level * (1.0 - level) / f64::from(streams)).sqrt();
            let rate = f64::from(wrong) / f64::from(streams);
            assert!(rate <= 1.0 - level + slack, "{rate}");
            assert!(rate > 0.005, "{rate}: so few that it decides nothing");
        }
    }

    #[test]
    fn a_confidence_sequence_decides_in_the_end() {
        let mut draws = Draws(5);
        for (p, side) in [(0.9, Side::Above), (0.7, Side::Below)] {
            let mut sequence = ConfidenceSequence::new(0.95);
            let decided = (0..4000).find_map(|_| {
                sequence.push(draws.uniform() < p);
                sequence.excludes(0.8)
            });
            assert_eq!(decided, Some(side));
        }
    }
}

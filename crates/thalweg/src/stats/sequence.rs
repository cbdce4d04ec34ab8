//! Looking after every draw, and stopping when it is decided.

use serde::{Deserialize, Serialize};

use super::distributions::log_lower_beta;
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

/// A test, after every draw, of whether a success probability lies above or below a share.
///
/// Against "at most the share" the evidence after s successes and f failures is the likelihood
/// averaged over the probabilities q above the share, by the share's own likelihood:
/// ∫ qˢ (1 − q)ᶠ w(q) dq / (shareˢ (1 − share)ᶠ); against "at least" it is the same with the q
/// below. For every probability on the tested side each likelihood ratio has an expected factor of
/// at most 1 a draw, so the evidence is a nonnegative supermartingale that starts at 1, and by
/// Ville's inequality it ever reaches 1/(1 − level) with probability at most 1 − level (Robbins &
/// Siegmund 1974, "The expected sample size of some tests of power one"). Hence at every true
/// probability the wrong side is ever decided with at most 1 − level, however often one looks.
///
/// The weight w is a Beta(a, b) density cut at the share and normalised on its side; its mean is
/// the share and the smaller of a, b is 1. That choice was measured: at level 0.95 and share 0.8
/// the mean number of draws is below that of the fixed-size test with 95 % power for every
/// probability from 0.5 to 0.98 (docs/deciding.md). At the share itself no test of power one ends
/// with certainty; a limit on the draws is the caller's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequentialTest {
    share: f64,
    successes: u64,
    failures: u64,
    /// log 1/(1 − level)
    threshold: f64,
    /// a and b of the weight.
    weight: [f64; 2],
    /// log of the weight's mass above and below the share, before it is normalised.
    mass: [f64; 2],
}

impl SequentialTest {
    /// No draws yet. A level of 1 or more or NaN, or a share that is not strictly between 0 and 1,
    /// never decides.
    pub fn new(share: f64, level: f64) -> SequentialTest {
        let inside = share > 0.0 && share < 1.0;
        let odds = share / (1.0 - share);
        let weight = if !inside {
            [1.0, 1.0]
        } else {
            [odds.max(1.0), odds.recip().max(1.0)]
        };
        let [a, b] = weight;
        SequentialTest {
            share,
            successes: 0,
            failures: 0,
            threshold: if inside {
                -libm::log(2.0 * side(level))
            } else {
                f64::INFINITY
            },
            weight,
            mass: [
                log_lower_beta(b, a, 1.0 - share),
                log_lower_beta(a, b, share),
            ],
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

    /// Successes and draws so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.successes, self.successes.saturating_add(self.failures))
    }

    /// log of the evidence that the probability lies on that side; 0 before the first draw. Its
    /// exponential is an e-value: to ask it of m settings at once, require log m more.
    pub fn evidence(&self, side: Side) -> f64 {
        let (s, f) = (self.successes as f64, self.failures as f64);
        let [a, b] = self.weight;
        let (average, mass) = match side {
            Side::Above => (log_lower_beta(b + f, a + s, 1.0 - self.share), self.mass[0]),
            Side::Below => (log_lower_beta(a + s, b + f, self.share), self.mass[1]),
        };
        average - mass - s * libm::log(self.share) - f * libm::log1p(-self.share)
    }

    /// The side on which the probability lies, if the draws so far tell. The guarantee is for the
    /// first answer: stop there.
    pub fn decision(&self) -> Option<Side> {
        [Side::Above, Side::Below]
            .into_iter()
            .find(|side| self.threshold.is_finite() && self.evidence(*side) >= self.threshold)
    }
}

/// The shares that the sequential test does not exclude after so many successes in so many draws.
///
/// Each end on its own is a confidence sequence at `level`: with at least that probability the
/// lower one is never above the true probability, and with at least that probability the upper one
/// is never below it, however long one looks and whatever made one stop. A share outside is what
/// [`SequentialTest`] decides on. [0, 1] before the first draw and for a senseless level.
pub fn anytime_bounds(successes: u64, draws: u64, level: f64) -> Interval {
    let successes = successes.min(draws);
    let seen = successes as f64 / draws.max(1) as f64;
    let excluded = |share: f64, side: Side| {
        let test = SequentialTest {
            successes,
            failures: draws - successes,
            ..SequentialTest::new(share, level)
        };
        test.threshold.is_finite() && test.evidence(side) >= test.threshold
    };
    let end = |mut outside: f64, mut inside: f64, side: Side| {
        for _ in 0..60 {
            let middle = outside.midpoint(inside);
            if excluded(middle, side) {
                outside = middle;
            } else {
                inside = middle;
            }
        }
        outside
    };
    Interval {
        low: if successes == 0 {
            0.0
        } else {
            end(0.0, seen, Side::Above)
        },
        high: if successes == draws {
            1.0
        } else {
            end(1.0, seen, Side::Below)
        },
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

    /// After how many successes, and after how few, the test first decides at each number of draws.
    fn boundary(share: f64, level: f64, draws: u64) -> Vec<(u64, Option<u64>)> {
        let at = |s: u64, n: u64| {
            SequentialTest {
                successes: s,
                failures: n - s,
                ..SequentialTest::new(share, level)
            }
            .decision()
        };
        // The evidence is monotone in the number of successes: bisect.
        (1..=draws)
            .map(|n| {
                let (mut open, mut above) = ((share * n as f64) as u64, n + 1);
                while above - open > 1 {
                    let middle = open.midpoint(above);
                    if at(middle, n) == Some(Side::Above) {
                        above = middle
                    } else {
                        open = middle
                    }
                }
                let mut below = None;
                let (mut low, mut high) = (0, (share * n as f64) as u64);
                if at(0, n) == Some(Side::Below) {
                    while high - low > 1 {
                        let middle = low.midpoint(high);
                        if at(middle, n) == Some(Side::Below) {
                            low = middle
                        } else {
                            high = middle
                        }
                    }
                    below = Some(low);
                }
                (above, below)
            })
            .collect()
    }

    /// P(above), P(below) and the mean number of draws at a true probability, exactly, stopping at
    /// the end of the boundary: the distribution of the successes is carried on draw by draw.
    fn exactly(boundary: &[(u64, Option<u64>)], p: f64) -> (f64, f64, f64) {
        let mut alive = vec![0.0; boundary.len() + 2];
        alive[0] = 1.0;
        let (mut above, mut below, mut mean) = (0.0, 0.0, 0.0);
        for (n, (high, low)) in boundary.iter().enumerate() {
            for s in (0..=n).rev() {
                mean += alive[s];
                let here = alive[s];
                alive[s + 1] += here * p;
                alive[s] = here * (1.0 - p);
            }
            for (s, here) in alive.iter_mut().enumerate().take(n + 2) {
                if s as u64 >= *high {
                    above += std::mem::take(here);
                } else if low.is_some_and(|low| s as u64 <= low) {
                    below += std::mem::take(here);
                }
            }
        }
        (above, below, mean)
    }

    /// The fewest draws with which a test of fixed size at 1 − level has this power at p.
    fn fixed_size(share: f64, p: f64, level: f64, power: f64) -> u64 {
        let (share, p) = if p < share {
            (1.0 - share, 1.0 - p)
        } else {
            (share, p)
        };
        let mut critical = 0;
        (1..)
            .find(|&n| {
                // P(X ≥ c) as a lower tail, of the failures.
                let tail = |c: u64, p: f64| {
                    if c > n {
                        0.0
                    } else {
                        crate::stats::binomial_cdf(n - c, n, 1.0 - p)
                    }
                };
                while tail(critical, share) > 1.0 - level {
                    critical += 1;
                }
                tail(critical, p) >= power
            })
            .expect("some size is enough")
    }

    /// Exactly, at many true probabilities around the share: the wrong side is decided with at most
    /// 1 − level, and away from the share the mean number of draws is at most 1.5 times that of the
    /// test of fixed size, against which it has at least as much power.
    #[test]
    fn a_sequential_test_errs_as_seldom_as_it_says_and_is_soon_done() {
        let (share, level, draws) = (0.8, 0.95, 2000);
        let boundary = boundary(share, level, draws);
        for i in 0..=16 {
            let p = 0.72 + 0.01 * f64::from(i);
            let (above, below, _) = exactly(&boundary, p);
            let wrong = if p < share - 1e-9 {
                above
            } else if p > share + 1e-9 {
                below
            } else {
                above.max(below)
            };
            assert!(wrong <= 1.0 - level, "{wrong} at {p}");
        }
        // Not so careful that it decides nothing.
        let (above, below, _) = exactly(&boundary, share);
        assert!(above > 0.03 && below > 0.03, "{above} {below}");
        for p in [0.5, 0.6, 0.7, 0.75, 0.85, 0.9, 0.95, 0.98, 1.0] {
            let (above, below, mean) = exactly(&boundary, p);
            let right = if p < share { below } else { above };
            assert!(right >= 0.95, "{right} at {p}");
            let ratio = mean / fixed_size(share, p, level, 0.95) as f64;
            assert!(ratio <= 1.5, "{ratio} at {p}");
            let ratio = mean / fixed_size(share, p, level, 0.8) as f64;
            assert!(ratio <= 1.5, "{ratio} at {p}, against 80 % power");
        }
    }

    /// The same by simulation through the public functions, also at other shares and levels.
    #[test]
    fn streams_are_seldom_decided_wrongly() {
        let mut random = Draws(6);
        for (share, level, p, streams) in [
            (0.8, 0.95, 0.8, 4000),
            (0.8, 0.95, 0.78, 2000),
            (0.8, 0.95, 0.82, 2000),
            (0.3, 0.9, 0.3, 2000),
        ] {
            let (mut above, mut below) = (0, 0);
            for _ in 0..streams {
                let mut test = SequentialTest::new(share, level);
                for _ in 0..300 {
                    test.push(random.uniform() < p);
                    match test.decision() {
                        Some(Side::Above) => above += 1,
                        Some(Side::Below) => below += 1,
                        None => continue,
                    }
                    break;
                }
            }
            let slack = 3.0 * (level * (1.0 - level) / f64::from(streams)).sqrt();
            for (wrong, side) in [(above, p <= share), (below, p >= share)] {
                let rate = f64::from(wrong) / f64::from(streams);
                assert!(!side || rate <= 1.0 - level + slack, "{rate} at {p}");
            }
            assert!(above + below > 0);
        }
    }

    /// At the share each evidence has mean 1 after any number of draws: it is a martingale.
    #[test]
    fn the_evidence_is_a_martingale() {
        for share in [0.2, 0.5, 0.8, 0.97] {
            for n in [1, 10, 200] {
                for side in [Side::Above, Side::Below] {
                    let mean: f64 = (0..=n)
                        .map(|s| {
                            let test = SequentialTest {
                                successes: s,
                                failures: n - s,
                                ..SequentialTest::new(share, 0.95)
                            };
                            crate::stats::binomial_pmf(s, n, share) * libm::exp(test.evidence(side))
                        })
                        .sum();
                    close(mean, 1.0, 1e-9);
                }
            }
        }
    }

    #[test]
    fn a_senseless_sequential_test_never_decides() {
        for (share, level) in [
            (0.8, f64::NAN),
            (0.8, 1.0),
            (0.0, 0.9),
            (1.0, 0.9),
            (f64::NAN, 0.9),
        ] {
            let mut test = SequentialTest::new(share, level);
            for _ in 0..500 {
                test.push(true);
            }
            assert_eq!(test.decision(), None, "{share} {level}");
            assert_eq!(test.counts(), (500, 500));
        }
    }

    /// The shares inside are those that the test leaves open, those outside the ones it excludes.
    #[test]
    fn anytime_bounds_are_where_the_test_decides() {
        for (s, f) in [(0, 0), (0, 9), (19, 0), (80, 20), (300, 60), (2, 70)] {
            let Interval { low, high } = anytime_bounds(s, s + f, 0.95);
            for i in 1..200 {
                let share = f64::from(i) / 200.0;
                let test = SequentialTest {
                    successes: s,
                    failures: f,
                    ..SequentialTest::new(share, 0.95)
                };
                let expected = if share < low {
                    Some(Side::Above)
                } else if share > high {
                    Some(Side::Below)
                } else {
                    None
                };
                assert_eq!(test.decision(), expected, "{s} {f} {share}");
            }
        }
        let whole = Interval {
            low: 0.0,
            high: 1.0,
        };
        assert_eq!(anytime_bounds(5, 9, f64::NAN), whole);
        assert_eq!(anytime_bounds(0, 0, 0.95), whole);
    }
}

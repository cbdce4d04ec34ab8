//! Hitting times as censored data.

use serde::{Deserialize, Serialize};

use super::{Interval, normal_quantile, side};

/// A time at which something happened, or until which it had not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The time of the event, or the last time at which it was still waited for.
    pub time: f64,
    /// Whether the wait ended without the event.
    pub censored: bool,
}

/// The Kaplan–Meier estimate of P(time > t): for each distinct time of an event, in order, the
/// time, the survival after it, and Greenwood's standard error.
///
/// S(t) = Π (1 − dᵢ/nᵢ), standard error S √(Σ dᵢ/(nᵢ(nᵢ − dᵢ))) over event times tᵢ ≤ t with dᵢ
/// events among nᵢ still waiting (Kaplan & Meier 1958; Greenwood 1926). Whoever is censored at the
/// time of an event still counts as waiting. The point (0, 1, 0) before the first event is left
/// out; the error is 0 once S is 0. A NaN time is left out, an infinite one counts as censored.
pub fn kaplan_meier(hits: &[Hit]) -> Vec<(f64, f64, f64)> {
    let mut hits: Vec<Hit> = hits
        .iter()
        .copied()
        .filter(|hit| !hit.time.is_nan())
        .collect();
    hits.sort_unstable_by(|a, b| a.time.total_cmp(&b.time));
    let (mut survival, mut sum, mut curve) = (1.0, 0.0, Vec::new());
    let mut waiting = hits.len() as f64;
    // −0 and 0 are one time, so ties are found by comparison and not by bits.
    for tied in hits.chunk_by(|a, b| a.time >= b.time) {
        let time = tied[0].time;
        let events = tied
            .iter()
            .filter(|hit| !hit.censored && time.is_finite())
            .count() as f64;
        if events > 0.0 {
            survival *= 1.0 - events / waiting;
            let left = waiting - events;
            let error = if left > 0.0 {
                sum += events / (waiting * left);
                survival * f64::sqrt(sum)
            } else {
                survival = 0.0;
                0.0
            };
            curve.push((time, survival, error));
        }
        waiting -= tied.len() as f64;
    }
    curve
}

/// One event time of a Kaplan–Meier curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drop {
    /// The time.
    pub time: f64,
    /// P(T > time).
    pub survival: f64,
    /// Greenwood's standard error of it.
    pub error: f64,
    /// Pointwise band of the survival, see [`Survival::new`].
    pub band: Interval,
}

/// A Kaplan–Meier curve with its band.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// Its event times, increasing; before the first the survival is 1.
    pub drops: Vec<Drop>,
    /// The last time of any hit, censored ones included: nothing is known after it.
    pub known: f64,
    /// The level of the band.
    pub level: f64,
}

impl Survival {
    /// The curve of these hits, with a pointwise band at `level`.
    ///
    /// The band is Greenwood's on the scale log(−log S): S^exp(±z √(Σ dᵢ/(nᵢ(nᵢ − dᵢ)))/log S),
    /// which stays within [0, 1] (Kalbfleisch & Prentice 1980, *The Statistical Analysis of Failure
    /// Time Data*, 1.3; the one of lifelines). Where the survival is 0 that scale ends: the band
    /// then goes from 0 to the upper end before it. NaN times are left out.
    pub fn new(hits: &[Hit], level: f64) -> Survival {
        let z = -normal_quantile(side(level));
        let mut drops: Vec<Drop> = Vec::new();
        for (time, survival, error) in kaplan_meier(hits) {
            let band = if survival > 0.0 {
                // Greenwood's sum Σ dᵢ/(nᵢ(nᵢ − dᵢ)) up to here.
                let sum = (error / survival) * (error / survival);
                let slope = z * sum.sqrt() / libm::log(survival);
                Interval {
                    low: libm::pow(survival, libm::exp(-slope)),
                    high: libm::pow(survival, libm::exp(slope)),
                }
            } else {
                let high = drops.last().map_or(1.0, |d| d.band.high);
                Interval { low: 0.0, high }
            };
            drops.push(Drop {
                time,
                survival,
                error,
                band,
            });
        }
        let times = hits.iter().map(|h| h.time).filter(|t| t.is_finite());
        Survival {
            drops,
            known: times.fold(0.0, f64::max),
            level,
        }
    }

    /// P(T > time); 1 before the first event. Of times after `known` nothing is known: the last
    /// value.
    pub fn at(&self, time: f64) -> f64 {
        let passed = self.drops.partition_point(|d| d.time <= time);
        passed
            .checked_sub(1)
            .map_or(1.0, |i| self.drops[i].survival)
    }

    /// The q-quantile of the time: the first with P(T > time) ≤ 1 − q. None beyond the last event.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        // The survival is a product of rounded factors: 1/2 may come out a little above.
        let reached = |d: &&Drop| d.survival <= 1.0 - q + 1e-12;
        self.drops.iter().find(reached).map(|d| d.time)
    }

    /// Interval of the q-quantile at the curve's level: the times at which the band holds 1 − q
    /// (Brookmeyer & Crowley 1982, "A confidence interval for the median survival time"). An end
    /// that is `None` lies beyond the last event.
    pub fn quantile_interval(&self, q: f64) -> (Option<f64>, Option<f64>) {
        let first = |end: &dyn Fn(&Drop) -> f64| {
            self.drops
                .iter()
                .find(|d| end(d) <= 1.0 - q)
                .map(|d| d.time)
        };
        (first(&|d| d.band.low), first(&|d| d.band.high))
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;
    use crate::stats::support::{Draws, close};

    #[test]
    fn kaplan_meier_is_that_of_statsmodels_and_lifelines() {
        // The 6-MP arm of Freireich et al. 1963: statsmodels SurvfuncRight(t, c).surv_prob and
        // .surv_prob_se; lifelines.KaplanMeierFitter().fit(t, c) gives the same survival.
        let events = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        let hits: Vec<Hit> = censored
            .iter()
            .map(|&t| Hit {
                time: f64::from(t),
                censored: true,
            })
            .chain(events.iter().map(|&t| Hit {
                time: f64::from(t),
                censored: false,
            }))
            .collect();
        let curve = kaplan_meier(&hits);
        let expected = [
            (6.0, 0.8571428571428572, 0.07636035483212125),
            (7.0, 0.8067226890756303, 0.0869352851800572),
            (10.0, 0.7529411764705883, 0.09634965299432052),
            (13.0, 0.6901960784313725, 0.10681470777500983),
            (16.0, 0.6274509803921567, 0.11405386525675254),
            (22.0, 0.5378151260504203, 0.12823375169303403),
            (23.0, 0.44817927170868355, 0.13459145675576048),
        ];
        assert_eq!(curve.len(), expected.len());
        for (ours, theirs) in curve.iter().zip(expected) {
            assert_eq!(ours.0, theirs.0);
            close(ours.1, theirs.1, 1e-13);
            close(ours.2, theirs.2, 1e-13);
        }
    }

    #[test]
    fn kaplan_meier_without_censoring_is_one_minus_the_empirical_distribution() {
        let mut draws = Draws(2);
        let hits: Vec<Hit> = (0..500)
            .map(|_| Hit {
                time: (draws.uniform() * 50.0).floor(),
                censored: false,
            })
            .collect();
        for (time, survival, error) in kaplan_meier(&hits) {
            let share = hits.iter().filter(|hit| hit.time > time).count() as f64 / 500.0;
            assert!((survival - share).abs() < 1e-12);
            // Greenwood's is then the binomial standard error.
            assert!((error - (share * (1.0 - share) / 500.0).sqrt()).abs() < 1e-12);
        }
        assert!(kaplan_meier(&[]).is_empty());
        let senseless = [f64::NAN, f64::INFINITY].map(|time| Hit {
            time,
            censored: false,
        });
        assert!(kaplan_meier(&senseless).is_empty());
    }

    fn events(times: &[f64]) -> Vec<Hit> {
        let hit = |&time: &f64| Hit {
            time,
            censored: false,
        };
        times.iter().map(hit).collect()
    }

    #[test]
    fn quantiles_of_a_curve_are_those_of_the_times() {
        let times: Vec<f64> = (1..=100).map(f64::from).collect();
        let curve = Survival::new(&events(&times), 0.95);
        for k in 1..100 {
            assert_eq!(curve.quantile(f64::from(k) / 100.0), Some(f64::from(k)));
        }
        let (low, high) = curve.quantile_interval(0.5);
        assert!(low < Some(50.0) && high > Some(50.0));
        let half: Vec<Hit> = (1..=100)
            .map(|i| Hit {
                time: f64::from(i.min(40)),
                censored: i > 40,
            })
            .collect();
        let curve = Survival::new(&half, 0.95);
        assert_eq!(curve.quantile(0.5), None);
        assert_eq!(curve.quantile_interval(0.8), (None, None));
        assert_eq!(curve.at(0.5), 1.0);
        close(curve.at(20.5), 0.8, 1e-12);
        assert_eq!(curve.known, 40.0);
    }
}

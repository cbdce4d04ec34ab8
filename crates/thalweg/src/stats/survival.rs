//! Hitting times as censored data.

use serde::{Deserialize, Serialize};

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
}

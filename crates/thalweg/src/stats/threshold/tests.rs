//! The fits of `threshold.rs`.

#![allow(clippy::float_cmp)]

use super::*;
use crate::stats::support::{Draws, close};

fn groups(of: &[(f64, u64, u64)]) -> Vec<BinomialGroup> {
    of.iter()
        .map(|&(x, successes, trials)| BinomialGroup {
            x,
            successes,
            trials,
        })
        .collect()
}

/// Two groups are fitted exactly: the curve passes through both shares.
#[test]
fn two_groups_are_fitted_exactly() {
    let fit = Logistic::fit(&groups(&[(1.0, 20, 100), (4.0, 70, 100)])).expect("it overlaps");
    close(fit.probability(1.0), 0.2, 1e-12);
    close(fit.probability(4.0), 0.7, 1e-12);
    let half = fit.threshold(0.5, 0.95).expect("it rises");
    close(fit.probability(half.at), 0.5, 1e-12);
    assert!(half.interval.low < half.at && half.at < half.interval.high);
}

/// Moving and stretching x moves and stretches threshold and interval.
#[test]
fn a_threshold_goes_with_its_axis() {
    let here = [(1.0, 2, 40), (2.0, 9, 40), (3.0, 25, 40), (5.0, 38, 40)];
    let there = here.map(|(x, k, n)| (1000.0 - 7.0 * x, k, n));
    let a = Logistic::fit(&groups(&here)).expect("it overlaps");
    let b = Logistic::fit(&groups(&there)).expect("it overlaps");
    let (a, b) = (
        a.threshold(0.8, 0.9).expect("it rises"),
        b.threshold(0.8, 0.9).expect("it falls"),
    );
    close(b.at, 1000.0 - 7.0 * a.at, 1e-10);
    close(b.interval.high, 1000.0 - 7.0 * a.interval.low, 1e-7);
    close(b.interval.low, 1000.0 - 7.0 * a.interval.high, 1e-7);
}

#[test]
fn a_fit_that_does_not_exist_says_why() {
    assert_eq!(Logistic::fit(&[]), Err(NoFit::TooFew));
    assert_eq!(Logistic::fit(&groups(&[(1.0, 3, 9)])), Err(NoFit::TooFew));
    assert_eq!(
        Logistic::fit(&groups(&[(1.0, 0, 9), (f64::NAN, 3, 9)])),
        Err(NoFit::TooFew)
    );
    assert_eq!(
        Logistic::fit(&groups(&[(1.0, 9, 9), (2.0, 5, 5)])),
        Err(NoFit::OneOutcome)
    );
    let separated = groups(&[(1.0, 0, 50), (2.0, 0, 50), (3.0, 50, 50), (4.0, 50, 50)]);
    let gap = Interval {
        low: 2.0,
        high: 3.0,
    };
    assert_eq!(Logistic::fit(&separated), Err(NoFit::Separated(gap)));
    let firth = Logistic::firth(&separated).expect("there are four values");
    let half = firth.threshold(0.5, 0.95).expect("it rises");
    close(half.at, 2.5, 1e-9);
    assert!(half.interval.low >= 1.9 && half.interval.high <= 3.1);
    // Touching at one value only: the slope is still infinite.
    let touching = groups(&[(1.0, 0, 9), (2.0, 4, 9), (3.0, 9, 9)]);
    assert!(matches!(Logistic::fit(&touching), Err(NoFit::Separated(_))));
}

#[test]
fn trials_that_do_not_bound_a_threshold_leave_it_open() {
    let flat = Logistic::fit(&groups(&[(1.0, 20, 40), (2.0, 22, 40), (3.0, 23, 40)]));
    let far = flat
        .expect("it overlaps")
        .threshold(0.8, 0.95)
        .expect("it rises a little");
    assert!(far.interval.high.is_infinite());
}

/// The profile interval covers the true threshold about as often as it says.
#[test]
fn profile_intervals_cover() {
    let (mut draws, mut covered, mut fitted) = (Draws(10), 0, 0);
    for _ in 0..250 {
        let trials: Vec<(f64, u64, u64)> = (1..=6)
            .map(|x| {
                let p = logistic(1.3 * (f64::from(x) - 3.2));
                let k = (0..40).filter(|_| draws.uniform() < p).count() as u64;
                (f64::from(x), k, 40)
            })
            .collect();
        let Ok(fit) = Logistic::fit(&groups(&trials)) else {
            continue;
        };
        let Some(half) = fit.threshold(0.5, 0.9) else {
            continue;
        };
        fitted += 1;
        covered += u32::from((half.interval.low..=half.interval.high).contains(&3.2));
    }
    let rate = f64::from(covered) / f64::from(fitted);
    assert!((0.84..=0.96).contains(&rate), "{covered} of {fitted}");
}

/// Nested groups, as budgets are: a replicate succeeds in every group from its own time on. The
/// interval that takes groups for independent covers far less often than it says; with replicates
/// as clusters it does not.
#[test]
fn groups_that_share_replicates_are_clustered() {
    let (mut draws, mut naive, mut clustered, mut fitted) = (Draws(17), 0, 0, 0);
    let truth = 3.2 + libm::log(4.0) / 1.3;
    for _ in 0..250 {
        let common: Vec<f64> = (0..100).map(|_| draws.uniform()).collect();
        let success = |u: f64, x: usize| u < logistic(1.3 * (x as f64 - 3.2));
        let trials: Vec<(f64, u64, u64)> = (1..=7)
            .map(|x| {
                let k = common.iter().filter(|u| success(**u, x)).count() as u64;
                (x as f64, k, 100)
            })
            .collect();
        let Ok(fit) = Logistic::fit(&groups(&trials)) else {
            continue;
        };
        let outcomes: Vec<Vec<(usize, bool)>> = (common.iter())
            .map(|u| (0..7).map(|g| (g, success(*u, g + 1))).collect())
            .collect();
        let holds = |t: Option<Threshold>| {
            t.is_some_and(|t| (t.interval.low..=t.interval.high).contains(&truth))
        };
        fitted += 1;
        naive += u32::from(holds(fit.threshold(0.8, 0.95)));
        clustered += u32::from(holds(fit.clustered_threshold(0.8, 0.95, &outcomes)));
    }
    let share = |n: u32| f64::from(n) / f64::from(fitted);
    assert!(share(naive) < 0.9, "{naive} of {fitted}");
    assert!(share(clustered) >= 0.91, "{clustered} of {fitted}");
}

/// A curve that far groups bend is found out: 2 failures in 400 far below, and a fall from 99 to 3
/// % within a tenth of it.
#[test]
fn a_curve_that_does_not_fit_is_found_out() {
    let x = [1e-4f64, 1e-3, 1e-2, 0.03, 0.036, 0.06].map(f64::ln);
    let k = [398, 400, 400, 390, 240, 0];
    let rows: Vec<(f64, u64, u64)> = x.iter().zip(k).map(|(x, k)| (*x, k, 400)).collect();
    let fit = Logistic::fit(&groups(&rows)).expect("it overlaps");
    assert!(fit.lack_of_fit() < 0.01, "{}", fit.lack_of_fit());
    let two = Logistic::fit(&groups(&[(1.0, 20, 100), (4.0, 70, 100)])).expect("it overlaps");
    close(two.lack_of_fit(), 1.0, 1e-15);
}

/// Of a curve that is right, lack of fit is found as rarely as the level says.
#[test]
fn a_curve_that_is_right_is_rarely_found_wanting() {
    let (mut draws, mut found, tries) = (Draws(23), 0, 600);
    for _ in 0..tries {
        let rows: Vec<(f64, u64, u64)> = (1..=5)
            .map(|x| {
                let p = logistic(0.8 * (f64::from(x) - 2.5));
                let k = (0..100).filter(|_| draws.uniform() < p).count() as u64;
                (f64::from(x), k, 100)
            })
            .collect();
        let fit = Logistic::fit(&groups(&rows)).expect("it overlaps");
        found += u32::from(fit.lack_of_fit() < 0.05);
    }
    assert!((10..=55).contains(&found), "{found} of {tries}");
}

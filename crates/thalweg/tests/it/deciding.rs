//! Statistics against SciPy, statsmodels and lifelines.

use serde_json::Value;
use thalweg::stats::{
    Group, Hit, Logistic, NoFit, SequentialTest, Side, Survival, clopper_pearson, holm, sign_test,
    wilson,
};

/// What the libraries say; `tests/stats/write_goldens.py` asked them.
fn goldens() -> Value {
    serde_json::from_str(include_str!("../../../../tests/stats/goldens.json")).expect("it is JSON")
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v} is a number"))
}

fn numbers(v: &Value) -> Vec<f64> {
    all(v).iter().map(number).collect()
}

fn all(v: &Value) -> &[Value] {
    v.as_array().unwrap_or_else(|| panic!("{v} is a list"))
}

#[track_caller]
fn close(ours: f64, theirs: &Value, relative: f64) {
    let theirs = number(theirs);
    assert!(
        (ours - theirs).abs() <= relative * theirs.abs().max(1e-300),
        "{ours:e} is not {theirs:e}"
    );
}

#[test]
fn intervals_are_those_of_scipy_and_statsmodels() {
    let goldens = goldens();
    for row in all(&goldens["intervals"]) {
        let (k, n) = (number(&row["k"]) as u64, number(&row["n"]) as u64);
        let level = number(&row["level"]);
        for (ours, theirs) in [
            (clopper_pearson(k, n, level), &row["exact"]),
            (wilson(k, n, level), &row["wilson"]),
        ] {
            close(ours.low, &theirs[0], 1e-9);
            close(ours.high, &theirs[1], 1e-9);
        }
    }
}

#[test]
fn the_evidence_of_a_sequential_test_is_its_integral() {
    let goldens = goldens();
    for row in all(&goldens["evidence"]) {
        let mut test = SequentialTest::new(number(&row["share"]), 0.95);
        for (key, success) in [("failures", false), ("successes", true)] {
            for _ in 0..number(&row[key]) as u64 {
                test.push(success);
            }
        }
        for (side, theirs) in [(Side::Above, &row["above"]), (Side::Below, &row["below"])] {
            let ours = test.evidence(side);
            assert!((ours - number(theirs)).abs() < 1e-7, "{ours} {theirs}");
        }
    }
}

#[test]
fn survival_curves_are_those_of_statsmodels_and_lifelines() {
    let goldens = goldens();
    for row in all(&goldens["survival"]) {
        let seen = numbers(&row["seen"]);
        let hits: Vec<Hit> = numbers(&row["times"])
            .into_iter()
            .zip(seen)
            .map(|(time, seen)| Hit {
                time,
                censored: seen < 0.5,
            })
            .collect();
        for band in all(&row["bands"]) {
            let curve = Survival::new(&hits, number(&band["level"]));
            let times = all(&band["times"]);
            assert_eq!(curve.drops.len(), times.len());
            for (i, drop) in curve.drops.iter().enumerate() {
                close(drop.time, &times[i], 0.0);
                close(drop.survival, &band["survival"][i], 1e-12);
                close(drop.error, &band["error"][i], 1e-12);
                close(drop.band.low, &band["low"][i], 1e-10);
                close(drop.band.high, &band["high"][i], 1e-10);
            }
        }
        for quantile in all(&row["quantiles"]) {
            let q = number(&quantile["q"]);
            let curve = Survival::new(&hits, number(&quantile["level"]));
            let (low, high) = curve.quantile_interval(q);
            for (ours, key) in [(curve.quantile(q), "value"), (low, "low"), (high, "high")] {
                assert_eq!(ours, quantile[key].as_f64(), "{key} of {quantile}");
            }
        }
        let curve = Survival::new(&hits, 0.95);
        for mean in all(&row["means"]) {
            close(
                curve.restricted_mean(number(&mean["until"])).0,
                &mean["mean"],
                1e-12,
            );
        }
    }
}

#[test]
fn logistic_thresholds_are_those_of_statsmodels_and_of_a_profile_by_scipy() {
    let goldens = goldens();
    for row in all(&goldens["logistic"]) {
        let (k, n) = (numbers(&row["successes"]), numbers(&row["trials"]));
        let groups: Vec<Group> = numbers(&row["x"])
            .iter()
            .zip(k.iter().zip(&n))
            .map(|(x, (k, n))| Group {
                x: *x,
                successes: *k as u64,
                trials: *n as u64,
            })
            .collect();
        let fit = Logistic::fit(&groups);
        match row.get("fit") {
            None => assert!(matches!(fit, Err(NoFit::Separated(_)))),
            Some(theirs) => {
                let fit = fit.expect("there is a maximum");
                close(fit.intercept, &theirs["params"][0], 1e-8);
                close(fit.slope, &theirs["params"][1], 1e-8);
                for (i, j) in [(0, 0), (0, 1), (1, 1)] {
                    close(fit.covariance[i][j], &theirs["covariance"][i][j], 1e-6);
                }
                for theirs in all(&theirs["thresholds"]) {
                    let ours = fit.threshold(number(&theirs["p"]), 0.95).expect("it rises");
                    close(ours.at, &theirs["at"], 1e-8);
                    close(ours.interval.low, &theirs["profile"][0], 1e-5);
                    close(ours.interval.high, &theirs["profile"][1], 1e-5);
                    close(ours.delta.low, &theirs["delta"][0], 1e-6);
                    close(ours.delta.high, &theirs["delta"][1], 1e-6);
                }
            }
        }
        let (firth, theirs) = (Logistic::firth(&groups).expect("two values"), &row["firth"]);
        close(firth.intercept, &theirs["params"][0], 1e-5);
        close(firth.slope, &theirs["params"][1], 1e-5);
        close(firth.log_likelihood, &theirs["log_likelihood"], 1e-9);
        let half = firth.threshold(0.5, 0.95).expect("it rises");
        close(half.interval.low, &theirs["half"]["profile"][0], 1e-4);
        close(half.interval.high, &theirs["half"]["profile"][1], 1e-4);
    }
}

#[test]
fn families_of_tests_are_those_of_scipy_and_statsmodels() {
    let goldens = &goldens()["families"];
    for (ours, theirs) in holm(&numbers(&goldens["p"]))
        .iter()
        .zip(all(&goldens["holm"]))
    {
        close(*ours, theirs, 1e-13);
    }
    let budget = number(&goldens["budget"]);
    let hits = |key: &str| -> Vec<Option<u64>> {
        let times = numbers(&goldens[key]);
        times
            .iter()
            .map(|&t| (t < budget).then_some(t as u64))
            .collect()
    };
    let signs = sign_test(&hits("a"), &hits("b"));
    close(signs.first as f64, &goldens["signs"][0], 0.0);
    close(signs.second as f64, &goldens["signs"][1], 0.0);
    close(signs.p, &goldens["signs"][2], 1e-12);
}

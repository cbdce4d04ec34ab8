//! Statistics against SciPy, statsmodels and lifelines; certificates and choices.

#![allow(clippy::float_cmp, reason = "what is written is read again to the bit")]

use serde_json::Value;
use thalweg::Inputs;
use thalweg::decide::{
    Certificate, Choice, Decision, Draws, Ending, FRESH_REPLICATES, Fate, OutcomeKind, Terms,
    certify, choose, fresh_seed, verify,
};
use thalweg::engine::Engine;
use thalweg::engine::cpu::Cpu;
use thalweg::stats::{
    BinomialGroup, Hit, Logistic, NoFit, SequentialTest, Side, Survival, clopper_pearson, holm,
    median, sign_test, wilson,
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
    }
}

#[test]
fn logistic_thresholds_are_those_of_statsmodels_and_of_a_profile_by_scipy() {
    let goldens = goldens();
    for row in all(&goldens["logistic"]) {
        let (k, n) = (numbers(&row["successes"]), numbers(&row["trials"]));
        let groups: Vec<BinomialGroup> = numbers(&row["x"])
            .iter()
            .zip(k.iter().zip(&n))
            .map(|(x, (k, n))| BinomialGroup {
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

// ---- Certificates ------------------------------------------------------------------------------

/// Networks that reach the loss on some training sets and not on others, in a moment.
const SOME: &str = r#"
seed = 11
replicates = { until_decided = { at_most = 3000, level = 0.9 } }
data = { points = 3, dim = 2 }
net = { hidden = [3], activation = "tanh", init = "xavier_normal" }
descent = { rate = 0.1, steps = 400 }
success = { loss_below = 1e-4, share = SHARE }
"#;

fn some(share: &str) -> thalweg::plan::Cell {
    crate::plan(&SOME.replace("SHARE", share)).cells.remove(0)
}

fn terms(level: f64, at_most: u64) -> Terms {
    Terms {
        level,
        at_most,
        draws: Draws::Own,
    }
}

fn certified(
    share: &str,
    level: f64,
    at_most: u64,
    engine: &dyn Engine,
    threads: usize,
) -> Certificate {
    certify(
        &some(share),
        "Some question",
        engine,
        threads,
        terms(level, at_most),
        &crate::control(),
    )
    .expect("nothing stops it")
}

fn checked(text: &str, count: u64) -> Result<thalweg::decide::Verified, thalweg::Error> {
    verify(
        Certificate::parse(text)?,
        &Inputs::default(),
        &Cpu::detect(),
        1,
        (count, 5),
        &crate::control(),
    )
}

/// The certificate and a study that runs until it is decided rest on the same test and the same
/// draws.
#[test]
fn a_certificate_says_what_a_run_until_decided_says() {
    for share in ["0.1", "0.95"] {
        let certificate = certified(share, 0.9, 3000, &Cpu::detect(), 2);
        let record = crate::record(&SOME.replace("SHARE", share), &Cpu::detect(), 1);
        assert_eq!(certificate.replicates, record.rows.len() as u64);
        assert_eq!(certificate.successes, record.successes());
        let ends: Vec<u64> = record.rows.iter().map(|r| r.final_loss.to_bits()).collect();
        for (ending, bits) in certificate.outcomes.iter().zip(ends) {
            assert_eq!(ending.loss_bits, bits);
        }
        let (low, high) = (certificate.anytime.low, certificate.anytime.high);
        match certificate.decision {
            Decision::Yes => assert!(low > certificate.share),
            Decision::No => assert!(high < certificate.share),
            Decision::Undecided => panic!("these shares are far from the truth"),
        }
        // Not on threads.
        assert_eq!(certificate, certified(share, 0.9, 3000, &Cpu::detect(), 1));
    }
}

#[test]
fn a_certificate_survives_its_file_and_is_verified() {
    // So high a level takes a dozen replicates at least.
    let certificate = certified("0.1", 0.999_999_999_999, 500, &Cpu::detect(), 1);
    let text = certificate.text().expect("it can be written");
    let read = Certificate::parse(&text).expect("it was written");
    assert_eq!(read, certificate);
    let found = checked(&text, 5).expect("it holds");
    assert_eq!(found.again.len(), 5);
    // Five of n: what would be missed with 5 % is 1 − 0.05^(1/5).
    assert!(
        (found.would_find - 0.4507).abs() < 1e-3,
        "{}",
        found.would_find
    );
    let all = checked(&text, u64::MAX).expect("it holds");
    assert_eq!(all.again.len() as u64, certificate.replicates);
    assert_eq!(all.would_find, 0.0);
}

/// A certificate rests on draws that no report has seen unless it says that it does not: it took
/// the replicates that a setting may have been chosen on.
#[test]
fn a_certificate_takes_fresh_draws_and_says_so() {
    assert_eq!(Terms::default().draws, Draws::Fresh);
    let cell = some("0.1");
    let of = |draws: Draws| {
        let terms = Terms {
            draws,
            ..terms(0.999_999_999_999, 500)
        };
        let (engine, control) = (Cpu::detect(), crate::control());
        certify(&cell, "Some question", &engine, 2, terms, &control).expect("nothing stops it")
    };
    let (own, fresh) = (of(Draws::Own), of(Draws::Fresh));
    assert_eq!((own.first(), fresh.first()), (0, FRESH_REPLICATES));
    assert_eq!((own.seed, &own.cell), (fresh.seed, &fresh.cell));
    // No study has so many replicates.
    let most = format!("replicates = {FRESH_REPLICATES}\n");
    assert!(crate::source(&most).plan(&Inputs::default()).is_err());
    let bits = |c: &Certificate| c.outcomes.iter().map(|e| e.loss_bits).collect::<Vec<_>>();
    let (a, b) = (bits(&own), bits(&fresh));
    assert!(a.iter().all(|bits| !b.contains(bits)));
    for certificate in [&own, &fresh] {
        assert_eq!(certificate.study.title, "Some question");
        let text = certificate.text().expect("it can be written");
        assert!(text.contains("draws = \"") && text.contains("title = \"Some question\""));
        checked(&text, 4).expect("it holds");
    }
}

/// One that was written before the draws were named: replicates 0, 1, … of its seed.
#[test]
fn a_certificate_of_the_format_before_still_verifies() {
    let mut old = certified("0.1", 0.999_999_999_999, 500, &Cpu::detect(), 1);
    old.format = "thalweg certificate 1".into();
    old.draws = None;
    old.study.title = "Certified setting".into();
    let text = old.text().expect("it can be written");
    assert!(!text.contains("draws = \""));
    checked(&text, u64::MAX).expect("it holds");
}

/// Every false statement is found: without the hash, and with a hash that was made to fit.
#[test]
fn a_certificate_that_was_changed_is_refused() {
    let honest = certified("0.1", 0.95, 500, &Cpu::detect(), 1);
    let refused = |text: &str, count: u64| match checked(text, count) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was accepted:\n{text}"),
    };
    let text = honest.text().expect("it can be written");
    assert!(refused(&text.replace("seed = 11", "seed = 12"), 5).contains("was changed after"));
    assert!(refused("hello\n", 5).contains("no certificate"));
    assert!(refused("", 5).contains("no certificate"));
    type Change = Box<dyn Fn(&mut Certificate)>;
    let lies: [(&str, Change); 10] = [
        ("trained again", Box::new(|c| c.draws = Some(Draws::Fresh))),
        ("has the format", Box::new(|c| c.draws = None)),
        ("claims", Box::new(|c| c.successes -= 1)),
        ("does not follow", Box::new(|c| c.exact.low += 0.01)),
        ("not its study's", Box::new(|c| c.share = 0.05)),
        ("do not decide", Box::new(|c| c.decision = Decision::No)),
        ("trained again", Box::new(|c| c.outcomes[2].loss_bits ^= 1)),
        (
            "decided before",
            Box::new(|c| {
                c.outcomes.extend_from_within(..);
                c.successes *= 2;
                c.replicates *= 2;
            }),
        ),
        (
            "now the cell",
            Box::new(|c| c.study.setting.descent.steps += 1),
        ),
        ("has the format", Box::new(|c| c.format = "other 2".into())),
    ];
    for (said, lie) in lies {
        let mut false_one = honest.clone();
        lie(&mut false_one);
        let message = refused(&false_one.text().expect("it can be written"), u64::MAX);
        assert!(message.contains(said), "{said}: {message}");
    }
}

/// The outcomes of a certificate were text that was split where they were used; what could not be
/// split counted as no steps and no success.
#[test]
fn an_ending_is_read_only_as_it_is_written() {
    let text = "below 7 3e44ab45395da2c5";
    let ending = Ending {
        outcome: OutcomeKind::Below,
        step: 7,
        loss_bits: 0x3e44_ab45_395d_a2c5,
    };
    assert_eq!(ending.to_string(), text);
    assert_eq!(text.parse(), Ok(ending));
    for outcome in OutcomeKind::ALL {
        let ending = Ending {
            outcome,
            step: u64::MAX,
            loss_bits: 0,
        };
        assert_eq!(ending.to_string().parse(), Ok(ending));
        assert_eq!(ending.reached(), outcome == OutcomeKind::Below);
    }
    for wrong in [
        "",
        "below",
        "below 7",
        "below 7 3e44ab45395da2c5 ",
        "below  7 3e44ab45395da2c5",
        "below 07 3e44ab45395da2c5",
        "below +7 3e44ab45395da2c5",
        "below 7 3E44AB45395DA2C5",
        "below 7 3e44ab45395da2c",
        "Below 7 3e44ab45395da2c5",
        "above 7 3e44ab45395da2c5",
    ] {
        let message = wrong.parse::<Ending>().expect_err(wrong);
        assert!(message.contains(&format!("`{wrong}`")), "{message}");
    }
    // With a hash that was made to fit.
    let honest = certified("0.1", 0.95, 500, &Cpu::detect(), 1);
    let written = honest.text().expect("it can be written");
    let (_, body) = written.split_once('\n').expect("a first line");
    let first = honest.outcomes[0].to_string();
    let body = body.replacen(&first, "below soon", 1);
    let hash = blake3::hash(body.as_bytes()).to_hex();
    let error = Certificate::parse(&format!("content = \"blake3:{hash}\"\n{body}"))
        .expect_err("its outcome is none")
        .to_string();
    assert!(error.contains("`below soon`"), "{error}");
}

#[test]
fn terms_that_make_no_sense_are_refused() {
    for (level, at_most) in [(0.4, 10), (1.0, 10), (f64::NAN, 10), (0.9, 0)] {
        assert!(terms(level, at_most).check().is_err(), "{level} {at_most}");
    }
    let undecided = certified("0.1", 0.95, 2, &Cpu::detect(), 1);
    assert_eq!(undecided.decision, Decision::Undecided);
    assert_eq!(
        (undecided.replicates, undecided.decision.exit_code()),
        (2, 4)
    );
}

/// The documented recipe, so that others can derive the seed: here by its definition.
#[test]
fn a_fresh_seed_is_what_its_documentation_says() {
    let mut text = b"thalweg fresh".to_vec();
    text.extend(2018u64.to_le_bytes());
    text.extend(1u64.to_le_bytes());
    let hash = blake3::hash(&text);
    let first: [u8; 8] = hash.as_bytes()[..8].try_into().expect("eight bytes");
    assert_eq!(fresh_seed(2018, 1), u64::from_le_bytes(first) >> 1);
    assert_ne!(fresh_seed(2018, 0), fresh_seed(2018, 1));
    assert!(i64::try_from(fresh_seed(7, 3)).is_ok());
}

// ---- Choosing ----------------------------------------------------------------------------------

const SPACE: &str = r#"
seed = 3
data = { points = 4, dim = 6 }
net = { hidden = [8], activation = "tanh", init = "xavier_normal" }
descent = { rate = { of_limit = 0.5 }, steps = 3000, precision = "f64" }
success = { loss_below = 1e-6, share = 0.8 }

[space]
cost = "parameter_steps"
race = 200
"net.hidden" = [[8], [24]]
"descent.rate" = [{ of_limit = 0.5 }, { of_limit = 0.02 }, { of_limit = 4.0 }]
"#;

fn choices(text: &str) -> Result<Vec<Choice>, thalweg::Error> {
    let source = crate::source(text);
    let plans = source.choices(&Inputs::default())?;
    let space = source.study()?.space.expect("it has one");
    choose(&space, &plans, &Cpu::detect(), 2, &crate::control())
}

/// The winner is the one that running every candidate at full size finds, it is certified on draws
/// that the race never saw, and every loser says why.
#[test]
fn a_race_finds_what_trying_everything_finds_with_less_work() {
    let choice = choices(SPACE).expect("the space is right").remove(0);
    // The study's own setting is one of the six points.
    assert_eq!(choice.candidates.len(), 6);
    let plan = crate::source(SPACE)
        .choices(&thalweg::Inputs::default())
        .expect("it is right")
        .remove(0)
        .1;
    let full = |cell: &thalweg::plan::Cell| {
        let mut cell = cell.clone();
        cell.setting.replicates = thalweg::study::Replicates::Fixed(200);
        cell.setting.look.replicates = 0;
        let record =
            thalweg::lab::train(&cell, &Cpu::detect(), 2, &crate::control()).expect("not stopped");
        let parameters = thalweg::net::parameters(&cell.setting.net, 6, 1) as f64;
        let cost = |h: &Option<u64>| parameters * h.unwrap_or(cell.setting.descent.steps) as f64;
        let costs: Vec<f64> = record.hits().iter().map(cost).collect();
        (record.successes(), median(&costs))
    };
    let best = plan
        .cells
        .iter()
        .map(|cell| (cell.hash.clone(), full(cell)))
        .filter(|(_, (k, _))| *k > 170)
        .min_by(|a, b| a.1.1.total_cmp(&b.1.1))
        .expect("some setting is good");
    let winner = &choice.candidates[choice.winner.expect("something was certified")];
    assert_eq!(winner.cell, best.0);
    assert_eq!(winner.fate, Fate::Chosen);

    let attempt = choice.attempts.last().expect("it was certified");
    assert_eq!(attempt.certificate.decision, Decision::Yes);
    assert_eq!(attempt.certificate.seed, fresh_seed(3, 0));
    assert!(attempt.level > choice.level);
    let text = attempt.certificate.text().expect("it can be written");
    checked(&text, 3).expect("it holds");

    assert!(choice.work.saved > 1.5, "{}", choice.work.saved);
    let mut seldom = 0;
    for loser in &choice.candidates {
        match &loser.fate {
            Fate::TooSeldom => {
                seldom += 1;
                let share = loser.successes as f64 / loser.replicates as f64;
                assert!(share < choice.success.share && !loser.causes.is_empty());
            }
            Fate::Costlier {
                cheaper_here,
                cheaper_there,
                ..
            } => assert!(cheaper_there > cheaper_here),
            Fate::Chosen | Fate::NotToldApart | Fate::Open | Fate::NotCertified => {}
        }
    }
    // Four times the largest stable rate reaches nothing.
    assert!(seldom >= 2, "{seldom}");
    // The front rises in cost and in success.
    let point = |&i: &usize| {
        let c = &choice.candidates[i];
        (c.median_cost, c.successes as f64 / c.replicates as f64)
    };
    let front: Vec<(f64, f64)> = choice.front.iter().map(point).collect();
    assert!(front.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 < p[1].1));
    // And it does not depend on threads or time.
    assert_eq!(choices(SPACE).expect("it is right")[0], choice);
}

/// A choice is made for each condition, and a space in which nothing works has no winner.
#[test]
fn a_choice_is_made_for_each_condition() {
    let each = format!("{SPACE}each = {{ \"success.loss_below\" = [1e-2, 1e-30] }}\n")
        .replace("race = 200", "race = 100\nat_most = 200")
        .replace("steps = 3000", "steps = 200");
    let all = choices(&each).expect("the space is right");
    assert_eq!(all.len(), 2);
    assert!(
        all[0].condition.contains("loss_below"),
        "{}",
        all[0].condition
    );
    assert!(all[0].winner.is_some());
    assert_eq!((all[1].winner, all[1].attempts.len()), (None, 0));
    assert!(all[1].candidates.iter().all(|c| c.fate == Fate::TooSeldom));
}

/// Mistakes in a space are pointed at.
#[test]
fn a_space_that_makes_no_sense_is_refused() {
    for (from, to, said) in [
        (
            "\"net.hidden\" = [[8], [24]]",
            "\"data.dim\" = [5]",
            "nothing that can be chosen",
        ),
        (
            "\"net.hidden\" = [[8], [24]]",
            "\"net.hidden\" = []",
            "has no values",
        ),
        (
            "\"net.hidden\" = [[8], [24]]",
            "\"net.hidden\" = [[0]]",
            "between 1 and 16384",
        ),
        (
            "\"net.hidden\" = [[8], [24]]",
            "\"net.hiden\" = [[8]]",
            "unknown field",
        ),
        ("race = 200", "race = 0", "between 1 and 1e6"),
        ("race = 200", "level = 0.3", "not between 0.5 and 1"),
        (
            "race = 200",
            "each = { \"net.hidden\" = [[4]] }",
            "chosen and is a condition",
        ),
        (
            "cost = \"parameter_steps\"",
            "cost = \"beauty\"",
            "unknown variant",
        ),
    ] {
        let error = choices(&SPACE.replace(from, to))
            .expect_err(said)
            .to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    let none = choices("[net]\nhidden = [4]\n")
        .expect_err("no space")
        .to_string();
    assert!(none.contains("no `[space]`"), "{none}");
}

/// Seconds are measured, so they differ from run to run, but each step of a candidate costs the
/// same time.
#[test]
fn seconds_price_a_step_by_its_measured_time() {
    let text = SPACE.replace("parameter_steps", "seconds");
    let choice = choices(&text).expect("the space is right").remove(0);
    for c in &choice.candidates {
        assert!(c.price > 0.0 && c.price < 1e-2, "{}", c.price);
        let steps = c.median_cost / c.price;
        assert!(steps <= 3000.0 * (1.0 + 1e-9), "{steps}");
    }
    assert!(choice.winner.is_some());
}

//! Spectra and steps over random training sets at infinite width, against tables and laws.

use thalweg::plan::Cell;
use thalweg::stats::wilson;
use thalweg::theory::expect::{Expected, Outlook, expect};
use thalweg::theory::linear::Steps;
use thalweg::{Error, NoTheory};

use crate::plan;

fn cell(text: &str) -> Cell {
    plan(text).cells.remove(0)
}

/// Twenty normal points, two hidden layers, loss Σ r²/(2N), half the largest stable rate, to 1e-8.
fn setting(name: &str, dim: usize) -> Cell {
    let he = "init = { normal = { variance = 2.0 } }";
    let net = match name {
        "R0" => format!("activation = \"relu\"\nparameterization = \"ntk\"\n{he}\nbias = false"),
        "R1" => format!(
            "activation = \"relu\"\nparameterization = \"ntk\"\n{he}\n\
             bias_init = {{ normal = {{ std = 0.1 }} }}"
        ),
        "R3" => format!("activation = \"relu\"\n{he}\nbias = false"),
        "R4" => format!("activation = \"relu\"\n{he}"),
        "R5" => "activation = \"relu\"\ninit = \"pytorch\"".into(),
        "E4" => "activation = \"erf\"\ninit = \"lecun_normal\"".into(),
        "T0" => "activation = \"tanh\"\nparameterization = \"ntk\"\ninit = \"lecun_normal\"\n\
             bias = false"
            .into(),
        "T4" => "activation = \"tanh\"\ninit = \"lecun_normal\"".to_string(),
        other => panic!("no row {other}"),
    };
    cell(&format!(
        "[data]\ndim = {dim}\n[net]\nhidden = [64, 64]\n{net}\n\
         [descent]\nloss = \"half_mean\"\nrate = {{ of_limit = 0.5 }}"
    ))
}

/// Published quantiles over 1000 training sets of independent draws (400 for tanh at d = 2).
struct Row {
    name: &'static str,
    dim: usize,
    /// λmin: 10, 50, 90 %.
    smallest: [f64; 3],
    /// λmax: 50 %.
    largest: f64,
    /// κ: 10, 50, 90 %.
    condition: [f64; 3],
    /// Steps: 10, 50, 80, 90 %.
    steps: [f64; 4],
    /// Share within 1e3, 1e4, 1e5, 1e6, 1e7 steps.
    shares: [f64; 5],
}

/// ReLU without biases (R0), with some (R1), He's in the standard parameterization (R4), PyTorch's
/// default (R5); erf (E4); tanh in both parameterizations (T0, T4).
const ROWS: [Row; 21] = [
    Row {
        name: "R0",
        dim: 2,
        smallest: [0.00051, 0.0042, 0.016],
        largest: 52.1,
        condition: [3182.0, 12000.0, 100000.0],
        steps: [21000.0, 84000.0, 320000.0, 690000.0],
        shares: [0.0, 0.011, 0.551, 0.929, 0.987],
    },
    Row {
        name: "R0",
        dim: 5,
        smallest: [0.139, 0.31, 0.537],
        largest: 39.3,
        condition: [75.9, 126.0, 273.0],
        steps: [507.0, 868.0, 1386.0, 1847.0],
        shares: [0.609, 0.999, 1.0, 1.0, 1.0],
    },
    Row {
        name: "R0",
        dim: 15,
        smallest: [1.0, 1.37, 1.73],
        largest: 34.6,
        condition: [20.3, 25.1, 33.7],
        steps: [140.0, 175.0, 213.0, 238.0],
        shares: [1.0, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "R1",
        dim: 2,
        smallest: [0.012, 0.03, 0.05],
        largest: 52.5,
        condition: [1032.0, 1784.0, 4472.0],
        steps: [6963.0, 12000.0, 20000.0, 30000.0],
        shares: [0.0, 0.337, 0.996, 1.0, 1.0],
    },
    Row {
        name: "R1",
        dim: 5,
        smallest: [0.165, 0.325, 0.544],
        largest: 40.1,
        condition: [75.9, 124.0, 242.0],
        steps: [515.0, 844.0, 1277.0, 1606.0],
        shares: [0.627, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "R1",
        dim: 15,
        smallest: [1.01, 1.38, 1.74],
        largest: 35.4,
        condition: [20.7, 25.5, 34.2],
        steps: [143.0, 180.0, 216.0, 242.0],
        shares: [1.0, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "R4",
        dim: 2,
        smallest: [0.061, 0.225, 0.486],
        largest: 1320.0,
        condition: [2722.0, 5781.0, 22000.0],
        steps: [18000.0, 39000.0, 86000.0, 150000.0],
        shares: [0.0, 0.004, 0.834, 0.996, 1.0],
    },
    Row {
        name: "R4",
        dim: 5,
        smallest: [3.0, 5.29, 8.62],
        largest: 1130.0,
        condition: [136.0, 211.0, 362.0],
        steps: [907.0, 1446.0, 2074.0, 2490.0],
        shares: [0.149, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "R4",
        dim: 15,
        smallest: [20.4, 27.4, 34.5],
        largest: 1067.0,
        condition: [31.5, 38.6, 50.8],
        steps: [219.0, 274.0, 327.0, 364.0],
        shares: [1.0, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "R5",
        dim: 2,
        smallest: [0.016, 0.04, 0.073],
        largest: 84.2,
        condition: [1229.0, 2156.0, 5179.0],
        steps: [8362.0, 15000.0, 24000.0, 34000.0],
        shares: [0.0, 0.208, 0.991, 1.0, 1.0],
    },
    Row {
        name: "R5",
        dim: 5,
        smallest: [0.137, 0.212, 0.291],
        largest: 64.8,
        condition: [226.0, 304.0, 470.0],
        steps: [1543.0, 2120.0, 2745.0, 3250.0],
        shares: [0.001, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "R5",
        dim: 15,
        smallest: [0.615, 0.798, 0.989],
        largest: 56.9,
        condition: [58.8, 71.2, 90.1],
        steps: [409.0, 497.0, 589.0, 649.0],
        shares: [0.999, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "E4",
        dim: 2,
        smallest: [9.6e-05, 0.0011, 0.0053],
        largest: 413.0,
        condition: [81000.0, 380000.0, 4300000.0],
        steps: [520000.0, 2600000.0, 11000000.0, 26000000.0],
        shares: [0.0, 0.0, 0.0, 0.241, 0.785],
    },
    Row {
        name: "E4",
        dim: 5,
        smallest: [0.327, 0.688, 1.14],
        largest: 254.0,
        condition: [222.0, 373.0, 789.0],
        steps: [1474.0, 2482.0, 3946.0, 5402.0],
        shares: [0.004, 0.981, 1.0, 1.0, 1.0],
    },
    Row {
        name: "E4",
        dim: 15,
        smallest: [4.55, 5.78, 6.98],
        largest: 162.0,
        condition: [22.6, 28.3, 36.8],
        steps: [155.0, 197.0, 238.0, 260.0],
        shares: [1.0, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "T0",
        dim: 2,
        smallest: [5.3e-08, 7.8e-07, 5.2e-06],
        largest: 7.31,
        condition: [1400000.0, 9400000.0, 130000000.0],
        steps: [9800000.0, 61000000.0, 280000000.0, 910000000.0],
        shares: [0.0, 0.0, 0.0, 0.0, 0.1],
    },
    Row {
        name: "T0",
        dim: 5,
        smallest: [0.0032, 0.0076, 0.014],
        largest: 4.35,
        condition: [308.0, 572.0, 1321.0],
        steps: [2055.0, 3861.0, 6869.0, 9405.0],
        shares: [0.002, 0.925, 1.0, 1.0, 1.0],
    },
    Row {
        name: "T0",
        dim: 15,
        smallest: [0.058, 0.078, 0.096],
        largest: 2.53,
        condition: [25.8, 33.1, 44.2],
        steps: [176.0, 228.0, 281.0, 314.0],
        shares: [1.0, 1.0, 1.0, 1.0, 1.0],
    },
    Row {
        name: "T4",
        dim: 2,
        smallest: [3e-05, 0.00036, 0.0018],
        largest: 302.0,
        condition: [160000.0, 890000.0, 9900000.0],
        steps: [1200000.0, 5700000.0, 24000000.0, 61000000.0],
        shares: [0.0, 0.0, 0.0, 0.075, 0.64],
    },
    Row {
        name: "T4",
        dim: 5,
        smallest: [0.157, 0.332, 0.559],
        largest: 189.0,
        condition: [339.0, 572.0, 1248.0],
        steps: [2240.0, 3883.0, 6170.0, 8522.0],
        shares: [0.0, 0.938, 1.0, 1.0, 1.0],
    },
    Row {
        name: "T4",
        dim: 15,
        smallest: [2.39, 3.07, 3.75],
        largest: 121.0,
        condition: [31.8, 40.0, 52.6],
        steps: [219.0, 279.0, 340.0, 373.0],
        shares: [1.0, 1.0, 1.0, 1.0, 1.0],
    },
];

/// Sampling error of a median over 1000 sets against another 1000 is 3, 6 and 18 % (three standard
/// errors) at d = 15, 5, 2, half as much again for other quantiles; with fewer sets it is larger by
/// √(½ + 500/sets). A fifth is added because eleven numbers are compared in each of many rows.
#[test]
fn spectra_and_steps_are_those_of_the_tables() {
    const SETS: u64 = 200;
    for row in &ROWS {
        let all = expect(&setting(row.name, row.dim), SETS, 2).expect("it has a theory");
        let outlook = Outlook::new(&all, 100_000);
        let base = match row.dim {
            15 => 0.03,
            5 => 0.06,
            _ => 0.18,
        };
        let slack = 1.2 * base * (0.5 + 500.0 / SETS as f64).sqrt();
        let near = |what: &str, ours: f64, known: f64, slack: f64| {
            let off = (ours / known).ln().abs();
            // Two digits are printed.
            assert!(
                off < slack + 0.02,
                "{} d = {} {what}: {ours} against {known}, {off:.3} > {slack:.3}",
                row.name,
                row.dim
            );
        };
        let tail = 1.5 * slack;
        let [s, k, t] = [outlook.smallest, outlook.condition, outlook.steps];
        for (i, ours) in [s.q10, s.q50, s.q90].into_iter().enumerate() {
            near(
                "λmin",
                ours,
                row.smallest[i],
                if i == 1 { slack } else { tail },
            );
        }
        near("λmax", outlook.largest.q50, row.largest, slack);
        for (i, ours) in [k.q10, k.q50, k.q90].into_iter().enumerate() {
            near(
                "κ",
                ours,
                row.condition[i],
                if i == 1 { slack } else { tail },
            );
        }
        for (i, ours) in [t.q10, t.q50, t.q80, t.q90].into_iter().enumerate() {
            near(
                "steps",
                ours,
                row.steps[i],
                if i == 1 { slack } else { tail },
            );
        }
        let budgets = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
        for (budget, known) in budgets.into_iter().zip(row.shares) {
            let ours = Outlook::new(&all, budget);
            let spread = 4.0 * (known * (1.0 - known) / SETS as f64).sqrt() + 0.02;
            assert!(
                (ours.share() - known).abs() < spread,
                "{} d = {} share within {budget}: {} against {known}",
                row.name,
                row.dim,
                ours.share()
            );
            assert_eq!(ours.success, wilson(ours.successes, SETS, 0.95));
        }
    }
}

/// The standard parameterization is not the other one scaled, and biases that train from zero are
/// not no biases: κ at d = 2.
#[test]
fn settings_that_are_often_confused_differ_at_small_dimension() {
    let kappa = |name| {
        let all = expect(&setting(name, 2), 200, 2).expect("it has a theory");
        Outlook::new(&all, 1).condition.q50
    };
    let r3 = kappa("R3");
    assert!(r3 > 1.5 * kappa("R0"), "{r3}");
    assert!(r3 > 3.0 * kappa("R4"), "{r3}");
    assert!(kappa("T0") > 4.0 * kappa("T4"));
}

fn first(text: &str, sets: u64) -> Vec<Expected> {
    expect(&cell(text), sets, 1).expect("it has a theory")
}

/// A linear net of d < N inputs cannot; a bias-free ReLU net at d = 1 cannot; a rate above the
/// limit does not; and each is counted as what it is.
#[test]
fn what_never_converges_is_said_to_never_converge() {
    let half = "[descent]\nrate = { of_limit = 0.5 }";
    for text in [
        "[data]\ndim = 5\n[net]\nactivation = \"identity\"",
        "[data]\ndim = 1\n[net]\nactivation = \"relu\"\ninit = \"kaiming_normal\"\nbias = false",
    ] {
        let outlook = Outlook::new(&first(&format!("{text}\n{half}"), 20), 1_000_000);
        assert_eq!((outlook.never, outlook.successes), (20, 0), "{text}");
        assert!(outlook.steps.q10.is_infinite());
    }
    let fast = "[descent]\nrate = { of_limit = 1.1 }";
    let outlook = Outlook::new(&first(fast, 20), 1_000_000);
    assert_eq!((outlook.unstable, outlook.successes), (20, 0));
    assert!((outlook.over_limit.q50 - 1.1).abs() < 1e-12);
    // A linear net with as many inputs as it needs.
    let enough = format!("[data]\ndim = 30\n[net]\nactivation = \"identity\"\n{half}");
    assert_eq!(Outlook::new(&first(&enough, 20), 1_000_000).successes, 20);
}

/// Threads change nothing, the first sets are the same however many follow, a loss with another
/// factor only rescales rate and threshold, and one training set for all has one spectrum.
#[test]
fn expectations_depend_on_the_setting_alone() {
    let cell = setting("T4", 5);
    let (one, four) = (
        expect(&cell, 8, 1).expect("it has a theory"),
        expect(&cell, 12, 4).expect("it has a theory"),
    );
    assert_eq!(one[..], four[..8]);
    let of = |loss: &str, rate: f64, below: f64| -> Vec<f64> {
        let text =
            format!("[descent]\nloss = \"{loss}\"\nrate = {rate}\n[success]\nloss_below = {below}");
        first(&text, 5).iter().map(|e| e.steps).collect()
    };
    assert_eq!(of("sum", 0.001, 1e-8), of("half_mean", 0.04, 0.25e-9));
    let once = first("[data]\ndraw = \"once\"", 6);
    assert!(once.iter().all(|e| e.eigenvalues == once[0].eigenvalues));
    assert!(
        once.iter()
            .any(|e| (e.initial_loss - once[0].initial_loss).abs() > 1e-3)
    );
    // Heavy ball is faster where the condition is bad.
    let hard = "[data]\ndim = 5\n[descent]\nrate = { of_limit = 0.5 }\n";
    let slow = first(hard, 5);
    let fast = first(
        &format!("{hard}method = {{ momentum = {{ beta = 0.9 }} }}"),
        5,
    );
    for (slow, fast) in slow.iter().zip(&fast) {
        assert!(
            fast.steps < 0.3 * slow.steps,
            "{} {}",
            fast.steps,
            slow.steps
        );
        assert!(matches!(fast.end, Steps::At(_)));
    }
    for text in [
        "[descent]\nmethod = { adam = {} }",
        "[descent]\nbatch = 5",
        "[descent]\nweight_decay = 0.1",
        "[descent]\nclip = { norm = 1.0 }",
        "[descent]\nmethod = { adamw = {} }",
    ] {
        let error = expect(&self::cell(text), 1, 1).expect_err("no linear theory");
        assert!(matches!(error, Error::NoTheory(NoTheory::NoLinearRule)));
        assert!(error.hint().is_some(), "{error}");
    }
    for net in [
        "init = { uniform = [-1.0, 0.5] }",
        "bias_init = { uniform = [0.0, 0.1] }",
    ] {
        let off = expect(&self::cell(&format!("[net]\n{net}")), 1, 1).expect_err(net);
        assert!(matches!(off, Error::NoTheory(NoTheory::NotCentred)));
        assert!(off.hint().is_some(), "{off}");
    }
    let given = expect(&self::cell("[net]\ninit = { constant = 0.1 }"), 1, 1);
    assert!(matches!(
        given,
        Err(Error::NoTheory(NoTheory::GivenWeights))
    ));
}

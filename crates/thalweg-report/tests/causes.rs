//! Each cause has its sentence, and its opposite has another: a replicate that was really trained,
//! with its cause exchanged.

use thalweg::analysis::Analysis;
use thalweg::analysis::cause::{Cause, Critical};
use thalweg::analysis::impossible::{Impossible, Symmetry};
use thalweg::analysis::replicate::Replicate;
use thalweg::engine::cpu::Cpu;
use thalweg::explain::Explanation;
use thalweg::lab::{Control, train};
use thalweg::{Inputs, Source, explain};
use thalweg_report::words::cell::{times, verdict};
use thalweg_report::words::replicate::{explanation, rates, sentences};

fn explained(text: &str) -> Explanation {
    let source = Source {
        name: "test.toml".into(),
        text: text.into(),
        folder: ".".into(),
    };
    let plan = source.plan(&Inputs::default()).expect("it is right");
    explain(&plan.cells[0], &Cpu::detect(), 0, None, &Control::default()).expect("nothing stops it")
}

fn slow() -> Replicate {
    explained(
        "replicates = 1\n[data]\npoints = 6\ndim = 4\n[net]\nhidden = [8]\n[descent]\n\
         precision = \"f64\"\nrate = 1e-4\nsteps = 60\n",
    )
    .replicate
}

#[track_caller]
fn says(cause: Cause, parts: &[&str], not: &[&str]) {
    let text = sentences(&Replicate { cause, ..slow() }).join("\n");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    for part in not {
        assert!(!text.contains(part), "{part:?} is in\n{text}");
    }
    assert!(!text.contains("NaN") && !text.contains("never"), "{text}");
}

#[test]
fn slow_runs_are_told_how_many_steps_only_where_the_kernel_holds() {
    let cause = |more, holds, fell| Cause::TooSlow {
        more,
        holds,
        at_best_rate: None,
        fell,
    };
    says(
        cause(Some(500), true, Some(3.0)),
        &[
            "the kernel there needs about 500 more at this rate.",
            "fell by a factor of 3.00",
        ],
        &["it will still move"],
    );
    says(
        cause(Some(500), false, None),
        &["would need about 500 more at this rate, but it will still move"],
        &["needs about 500", "It still fell"],
    );
    says(
        cause(Some(500), false, Some(1.001)),
        &["at this rate"],
        &["It still fell", "1.00"],
    );
    says(
        cause(None, false, Some(1.5)),
        &["It still fell by a factor of 1.50"],
        &["the kernel there"],
    );
}

#[test]
fn a_rate_that_fell_is_told_as_two_and_a_kernel_of_zero_allows_any() {
    let constant = slow();
    assert_eq!(rates(&constant)[0], "rate 1e-4");
    let fell = Replicate {
        rate_end: 2e-5,
        largest_stable_rate_start: Some(f64::INFINITY),
        largest_stable_rate_end: Some(0.02),
        ..constant
    };
    assert_eq!(
        rates(&fell),
        [
            "rate 1e-4 at the start, 2e-5 at the end",
            "largest stable rate any at the start, 0.02 at the end"
        ]
    );
}

#[test]
fn the_edge_says_how_often_the_loss_rose() {
    let cause = |rises| Cause::AtTheEdge {
        over_limit: 0.999,
        rises,
        at_half_limit: Some(1),
    };
    let bounces = "128 of the last 256 steps raised the loss";
    let half = "half the limit of that kernel, it would need about 1 step more.";
    says(cause(Some((128, 256))), &[bounces, half], &["1 steps"]);
    says(
        cause(Some((0, 256))),
        &["bounces at the edge"],
        &["raised the loss"],
    );
}

#[test]
fn losses_that_come_back_and_losses_that_go_up_and_down() {
    says(
        Cause::Left {
            first_below: 193,
            best_loss: 6e-12,
        },
        &[
            "reached the loss and left it again",
            "at step 193",
            "it would have ended at step 193",
        ],
        &["It reached the loss:"],
    );
    says(
        Cause::Reached,
        &["It reached the loss:"],
        &["left it again"],
    );
    says(
        Cause::Fluctuating {
            lowest: 0.1,
            highest: 0.4,
            rises: (100, 256),
        },
        &[
            "It fluctuates and no longer falls",
            "between 0.1 and 0.4",
            "100 of the last 256 steps",
        ],
        &["edge of stability with a loss"],
    );
}

#[test]
fn plateaus_saddles_and_minima_are_worded_apart() {
    let at = |point| Cause::Stationary {
        point,
        leaves_in: None,
        dead_units: Some(0),
    };
    says(
        at(Some(Critical::Saddle)),
        &["It is at a saddle"],
        &["minimum", "degenerate"],
    );
    says(
        at(Some(Critical::Minimum)),
        &["a local minimum"],
        &["saddle", "degenerate"],
    );
    says(
        at(Some(Critical::Degenerate)),
        &["a degenerate point"],
        &["saddle", "minimum"],
    );
    says(
        at(None),
        &["whose Hessian was not measured"],
        &["saddle", "minimum"],
    );
    says(
        Cause::Plateau {
            curvature: -0.14,
            leaves_in: 694.0,
        },
        &["On a plateau", "is leaving", "e-fold in 694 steps"],
        &["Stuck", "No number of steps"],
    );
}

#[test]
fn dead_and_saturated_layers_say_since_when() {
    let dead = |at_start| Cause::Dead {
        layer: 2,
        at_start,
        floor: 3.5,
    };
    let born = ", from the start on";
    says(
        dead(true),
        &["Dead: every unit of hidden layer 2", born, "leaves 3.5"],
        &[],
    );
    says(
        dead(false),
        &["Dead: every unit of hidden layer 2", "leaves 3.5"],
        &[born],
    );
    let saturated = |at_start| Cause::Saturated {
        layer: 1,
        share: 0.9,
        at_start,
        rank: 2,
    };
    says(
        saturated(Some(0.25)),
        &["Saturated: in hidden layer 1", "(25 % at the start)"],
        &[],
    );
    says(
        saturated(None),
        &["in 2 of 6 directions"],
        &["at the start)"],
    );
}

#[test]
fn exact_reasons_say_what_leaves_the_floor() {
    let because = |why| Cause::RankDeficient {
        floor: 2.0,
        rank: 5,
        because: Some(why),
    };
    let floor = 2.0;
    let reasons = [
        (Impossible::Linear { floor }, "linear in its input"),
        (
            Impossible::EqualInputs { floor, points: 2 },
            "Among 2 points that share their input",
        ),
        (Impossible::TwoRays { floor }, "two rays"),
        (
            Impossible::FixedFeatures { floor },
            "Only the last layer learns",
        ),
        (
            Impossible::DeadAtStart { layer: 1, floor },
            "dead on every training point from the start",
        ),
        (
            Impossible::FewParameters { parameters: 1 },
            "With 1 parameter that learns",
        ),
        (symmetric(Symmetry::Odd), "the network is odd"),
        (symmetric(Symmetry::Even), "the network is even"),
        (symmetric(Symmetry::OddPartLinear), "a linear odd part"),
        (
            symmetric(Symmetry::EvenPartConstant),
            "a constant even part",
        ),
        (symmetric(Symmetry::Homogeneous), "homogeneous"),
    ];
    for (i, (why, part)) in reasons.iter().enumerate() {
        let others = reasons.iter().enumerate().filter(|(j, _)| *j != i);
        let others: Vec<&str> = others.map(|(_, (_, part))| *part).collect();
        says(because(*why), &[part], &others);
    }
}

fn symmetric(symmetry: Symmetry) -> Impossible {
    Impossible::Symmetry {
        symmetry,
        floor: 2.0,
    }
}

/// Where nothing is defined nothing is said: weights that are all zero, a rate that overflows at
/// once, a kernel without rank.
#[test]
fn no_number_that_is_none_reaches_a_sentence() {
    for (net, descent) in [
        (
            "hidden = [6]\nbias = false\ninit = { constant = 0.0 }",
            "rate = 1e-3\nsteps = 50",
        ),
        (
            "hidden = [6, 6]\ninit = { constant = 0.0 }",
            "rate = 1e-3\nsteps = 50",
        ),
        (
            "hidden = [6]\nactivation = \"relu\"\ninit = { constant = -1.0 }",
            "steps = 50",
        ),
        ("hidden = [6]", "rate = 1e9\nsteps = 50"),
        ("hidden = []", "rate = { of_limit = 3.0 }\nsteps = 3000"),
        (
            "hidden = [6]",
            "method = { adam = {} }\nrate = 0.1\nsteps = 50",
        ),
        (
            "hidden = [2]",
            "layer_rates = [0.0, 1.0]\nrate = { of_limit = 0.9 }\nsteps = 4000",
        ),
    ] {
        let told = explained(&format!(
            "replicates = 1\n[data]\npoints = 8\ndim = 3\n[net]\n{net}\n[descent]\n\
             precision = \"f64\"\n{descent}\n"
        ));
        let text = explanation(&told).join("\n");
        let text = text
            .replace("Gauss–Newton", "")
            .replace("Polyak–Łojasiewicz", "");
        for part in ["NaN", "inf", "–"] {
            assert!(!text.contains(part), "{part:?} is in\n{text}");
        }
    }
}

/// "The loss never rose" and "catapulted" do not stand in one explanation.
#[test]
fn a_catapult_whose_looks_missed_the_rise_is_not_said_never_to_have_risen() {
    let mut told = explained(
        "replicates = 1\n[data]\npoints = 6\ndim = 12\n[net]\nhidden = [8]\n[descent]\n\
         precision = \"f64\"\nrate = { of_limit = 0.3 }\nsteps = 3000\n",
    )
    .replicate;
    let rose = "at none of them was the loss higher";
    assert!(sentences(&told).join("\n").contains(rose));
    told.cause = Cause::Catapulted {
        over_limit_start: 1.3,
        over_limit_end: 0.7,
    };
    assert!(!sentences(&told).join("\n").contains(rose));
}

/// A cell whose runs go on below the loss is asked where they end, and those that were below on the
/// way are not said never to have got there.
#[test]
fn a_cell_that_goes_on_is_asked_where_it_ends() {
    let told = |stop: &str, below: usize| {
        let text = format!(
            "replicates = 4\n[data]\npoints = 6\ndim = 4\n[net]\nhidden = [8]\n[descent]\n\
             rate = 1e-4\nsteps = 3\nstop = \"{stop}\"\n"
        );
        let source = Source {
            name: "test.toml".into(),
            text,
            folder: ".".into(),
        };
        let plan = source.plan(&Inputs::default()).expect("it is right");
        let record = train(&plan.cells[0], &Cpu::detect(), 1, &Control::default());
        let mut record = record.expect("nothing stops it");
        let first = record.rows.iter_mut().take(below);
        first.for_each(|row| row.first_below = Some(2));
        let run = Analysis::of(&plan, &[record], 1);
        format!("{} {}", verdict(run.base()), times(run.base()))
    };
    let left = told("never", 2);
    for part in [
        "0 of 4 replicates end below",
        "None is there after 3 steps",
        "2 replicates were",
    ] {
        assert!(left.contains(part), "{part:?} is not in {left}");
    }
    assert!(!told("never", 0).contains("on the way"));
    let stopped = told("below", 0);
    for part in [
        "0 of 4 replicates get below",
        "None gets there within 3 steps",
    ] {
        assert!(stopped.contains(part), "{part:?} is not in {stopped}");
    }
}

//! Runs whose cause of failure is known by construction get that cause; the measurements behind the
//! causes keep their laws.

use thalweg::analysis::cause::{Cause, cause};
use thalweg::analysis::impossible::Impossible;
use thalweg::analysis::trajectory::{leave_one_out, trajectory};
use thalweg::data::Set;
use thalweg::engine::Snapshot;
use thalweg::engine::cpu::Cpu;
use thalweg::observe::{self, Tangent, curvature, hessian_times};
use thalweg::plan::Cell;
use thalweg::record::{Observation, Outcome, Row};
use thalweg::study::Observable;
use thalweg::{Control, Error, explain, lab};

use crate::{control, plan, record};

/// The cause of each replicate looked at, with what it was computed from.
pub(crate) fn causes(text: &str) -> (Cell, Vec<(Row, Observation, Observation, Cause)>) {
    causes_of(plan(text).cells.remove(0))
}

/// The same of a cell.
pub(crate) fn causes_of(cell: Cell) -> (Cell, Vec<(Row, Observation, Observation, Cause)>) {
    let record = lab::train(&cell, &Cpu::detect(), 2, &control()).expect("nothing stops it");
    let all = record.first_and_last_looks().into_iter().map(|(a, b)| {
        let row = record.rows[a.replicate as usize].clone();
        let why = cause(&cell, &row, Some((a, b)));
        (row, a.clone(), b.clone(), why)
    });
    let all = all.collect();
    (cell, all)
}

pub(crate) fn study(net: &str, data: &str, descent: &str) -> String {
    format!(
        "replicates = 12\n[data]\npoints = 8\n{data}\n[net]\n{net}\n[descent]\n\
         precision = \"f64\"\n{descent}\n\
         [look]\nreplicates = 12\n[keep]\nreplicates = 0\n"
    )
}

pub(crate) const TANH: &str = "hidden = [12, 12]\nactivation = \"tanh\"\ninit = \"kaiming_normal\"";

#[test]
fn a_rate_far_above_the_limit_diverges_and_its_multiple_is_told() {
    let (_, all) = causes(&study(
        "hidden = []\n",
        "dim = 10",
        "rate = { of_limit = 3.0 }\nsteps = 4000",
    ));
    for (.., why) in &all {
        let Cause::Diverged {
            over_limit_start: start,
            over_limit_last: last,
        } = why
        else {
            panic!("{why:?}");
        };
        // A linear network's kernel stays.
        assert!(
            (start - 3.0).abs() < 1e-9 && (last - start).abs() < 1e-9,
            "{why:?}"
        );
    }
}

#[test]
fn a_catapult_is_told_from_a_plain_success() {
    let net = "hidden = [128, 128]\nactivation = \"tanh\"\nparameterization = \"ntk\"\n\
               init = { normal = { variance = 1.0 } }";
    let rate = |c: f64| format!("rate = {{ of_limit = {c} }}\nsteps = 20000");
    let (_, above) = causes(&study(net, "dim = 15", &rate(1.5)));
    let caught = above.iter().filter(|(row, _, _, why)| {
        let settled = match why {
            Cause::Catapulted {
                over_limit_start,
                over_limit_end,
            } => *over_limit_start > 1.0 && *over_limit_end < 1.0,
            _ => false,
        };
        row.reached() && settled
    });
    assert!(
        caught.count() >= 10,
        "{:?}",
        above.iter().map(|a| a.3).collect::<Vec<_>>()
    );
    let (_, below) = causes(&study(net, "dim = 15", &rate(0.3)));
    assert!(below.iter().all(|(.., why)| *why == Cause::Reached));
}

#[test]
fn identity_nets_are_rank_deficient_at_the_floor_of_least_squares() {
    let (_, all) = causes(&study(
        "hidden = [6]\nactivation = \"identity\"\ninit = \"orthogonal\"",
        "dim = 3",
        "rate = { of_limit = 0.3 }\nsteps = 20000",
    ));
    for (row, _, _, why) in &all {
        let Cause::RankDeficient {
            floor,
            rank,
            because: Some(Impossible::Linear { floor: exact }),
        } = why
        else {
            panic!("{why:?}");
        };
        assert_eq!(*rank, 4, "three inputs and the constant");
        assert!((floor - exact).abs() < 1e-6 * exact && row.final_loss >= exact * (1.0 - 1e-9));
    }
}

#[test]
fn relu_without_biases_on_the_line_is_two_rays() {
    let (_, all) = causes(&study(
        "hidden = [16, 16]\nactivation = \"relu\"\nbias = false\ninit = \"kaiming_normal\"",
        "dim = 1",
        "rate = { of_limit = 0.3 }\nsteps = 20000",
    ));
    for (row, _, _, why) in &all {
        let Cause::RankDeficient {
            because: Some(Impossible::TwoRays { floor }),
            rank,
            ..
        } = why
        else {
            panic!("{why:?}");
        };
        assert!(*rank <= 2);
        assert!(
            row.final_loss >= floor * (1.0 - 1e-9),
            "{} {floor}",
            row.final_loss
        );
    }
    // With targets that lie on two rays it is possible, and nobody is told otherwise.
    let (_, all) = causes(&study(
        "hidden = [16, 16]\nactivation = \"relu\"\nbias = false\ninit = \"kaiming_normal\"",
        "dim = 1\ntargets = { polynomial = [0.0, 0.5] }",
        "rate = { of_limit = 0.3 }\nsteps = 100",
    ));
    assert!(all.iter().all(|(.., why)| !matches!(
        why,
        Cause::RankDeficient {
            because: Some(_),
            ..
        }
    )));
}

#[test]
fn fewer_parameters_than_points_are_named() {
    let (_, all) = causes(&study(
        "hidden = [1]\nactivation = \"tanh\"",
        "dim = 2",
        "rate = { of_limit = 0.3 }\nsteps = 20000",
    ));
    for (.., why) in &all {
        assert!(
            matches!(
                why,
                Cause::RankDeficient {
                    because: Some(Impossible::FewParameters { parameters: 5 }),
                    rank: 0..=5,
                    ..
                }
            ),
            "{why:?}"
        );
    }
}

#[test]
fn a_rate_that_single_precision_cannot_follow_is_a_precision_floor() {
    let text = study(TANH, "dim = 8", "rate = 1e-9\nsteps = 300").replace("f64", "f32");
    let (_, all) = causes(&text);
    for (_, _, last, why) in &all {
        assert!(matches!(why, Cause::PrecisionFloor { .. }), "{why:?}");
        assert!(last.lost_updates > Some(0.5));
    }
    let (_, all) = causes(&study(TANH, "dim = 8", "rate = 1e-9\nsteps = 300"));
    for (_, _, last, why) in &all {
        assert!(matches!(why, Cause::TooSlow { .. }), "{why:?}");
        assert_eq!(last.lost_updates, Some(0.0));
    }
}

/// On small versions of the assignment's cells nearly every replicate has a cause.
#[test]
fn few_replicates_of_the_assignment_are_undecided() {
    let (mut undecided, mut all) = (0, 0);
    for (net, dim, steps) in [
        (
            "hidden = [8, 8]\nactivation = \"sin\"\ninit = \"kaiming_normal\"",
            15,
            200,
        ),
        (
            "hidden = [8, 8]\nactivation = \"sin\"\ninit = \"kaiming_normal\"",
            5,
            500,
        ),
        (
            "hidden = [8, 8]\nactivation = \"tanh\"\ninit = \"kaiming_normal\"",
            2,
            2000,
        ),
        (
            "hidden = [3, 3]\nactivation = \"relu\"\ninit = \"pytorch\"",
            15,
            20_000,
        ),
        (
            "hidden = [4, 4]\nactivation = \"relu\"\ninit = \"pytorch\"",
            2,
            20_000,
        ),
        ("hidden = [8, 8]\nactivation = \"identity\"", 5, 2000),
    ] {
        for rate in ["{ of_limit = 0.4 }", "{ of_limit = 1.5 }"] {
            let text = study(
                net,
                &format!("dim = {dim}"),
                &format!("rate = {rate}\nsteps = {steps}"),
            )
            .replace("points = 8", "points = 20");
            for (row, _, last, why) in causes(&text).1 {
                all += 1;
                undecided += u64::from(why == Cause::Undecided);
                let below = matches!(row.outcome, Outcome::Below { .. });
                assert_eq!(why.reached(), below, "{why:?}");
                // rᵀΘr/rᵀr is a mean of eigenvalues.
                let (pull, values) = (last.rayleigh(), last.eigenvalues.expect("asked for"));
                let pull = pull.expect("asked for");
                assert!(pull >= values[0] - 1e-9 * values[19] && pull <= values[19] * (1.0 + 1e-9));
            }
        }
    }
    assert!(50 * undecided < all, "{undecided} of {all}");
}

/// ‖∇L‖² = 4 s rᵀΘr/rᵀr L, exactly, and the layers share the kernel's trace.
#[test]
fn the_gradient_follows_from_the_kernel() {
    let (_, all) = causes(&study(
        TANH,
        "dim = 3",
        "loss = \"mean\"\nrate = 0.1\nsteps = 50",
    ));
    for (_, _, last, _) in &all {
        let g = last.gradient_norm.expect("asked for");
        let by_kernel = 4.0 / 8.0 * last.rayleigh().expect("asked for") * last.loss;
        assert!((g * g - by_kernel).abs() < 1e-9 * by_kernel);
        let shares = last.layer_shares.clone().expect("asked for");
        assert!(shares.len() == 3 && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let slow: f64 = last.slow_points.iter().flatten().sum();
        assert!((slow - 1.0).abs() < 1e-12);
    }
}

/// Leaving a point out never lowers λmin (Cauchy's interlacing), and the point left out is the
/// heaviest.
#[test]
fn without_a_point_the_slowest_mode_is_not_slower() {
    let (cell, all) = causes(&study(
        TANH,
        "dim = 2",
        "rate = { of_limit = 0.3 }\nsteps = 300",
    ));
    let mut told = 0;
    for (row, _, last, _) in &all {
        let without = last.without.as_ref().expect("the last look has it");
        let (values, slow) = (last.eigenvalues.as_ref(), last.slow_points.as_ref());
        let (values, slow) = (values.expect("asked for"), slow.expect("asked for"));
        assert!(without.eigenvalues[0] >= values[0] - 1e-12 * values[7]);
        assert!(slow.iter().all(|w| *w <= slow[without.point]));
        if let Some(one) = leave_one_out(&cell, row, last) {
            told += 1;
            assert_eq!(one.point, without.point);
        }
    }
    assert!(told > 0);
}

/// The Hessian column by column is the derivative of the gradient, its two parts add up to it, and
/// the part of the residuals vanishes with them.
#[test]
fn the_whole_hessian_is_the_derivative_of_the_gradient() {
    for parameterization in ["standard", "ntk"] {
        let text = study(
            &format!(
                "hidden = [4, 3]\nactivation = \"tanh\"\n\
                 parameterization = \"{parameterization}\"\n\
                 init = {{ normal = {{ variance = 1.0 }} }}"
            ),
            "dim = 2",
            "rate = 0.01\nsteps = 10",
        );
        let cell = plan(&text).cells.remove(0);
        let (problem, set, weights) = (cell.problem(), cell.set(3), cell.weights(3));
        let residual = |w: &[f64]| -> (Tangent, Vec<f64>) {
            let at = Tangent::new(&problem, w, &set.x);
            let r = at.outputs.iter().zip(&set.y).map(|(f, y)| f - y).collect();
            (at, r)
        };
        let gradient = |w: &[f64]| -> Vec<f64> {
            let (at, r) = residual(w);
            at.pull_back(&problem, &r.iter().map(|r| 2.0 * r).collect::<Vec<_>>())
        };
        let (at, r) = residual(&weights);
        let p = weights.len();
        for i in 0..p {
            let mut unit = vec![0.0; p];
            unit[i] = 1.0;
            let column = hessian_times(&problem, &weights, &at, &r, &unit);
            let (mut up, mut down) = (weights.clone(), weights.clone());
            up[i] += 1e-5;
            down[i] -= 1e-5;
            for ((a, b), exact) in gradient(&up).iter().zip(gradient(&down)).zip(&column) {
                assert!(
                    ((a - b) / 2e-5 - exact).abs() < 1e-7,
                    "{parameterization} {i}"
                );
            }
        }
        let whole = curvature(&problem, &weights, &at, &r);
        assert_eq!(whole.eigenvalues.len(), p);
        // Weyl: the eigenvalues of a sum lie within the norm of one part of those of the other.
        let top = whole.eigenvalues[p - 1];
        assert!((top - whole.gauss_newton).abs() <= whole.residual * (1.0 + 1e-9));
        let look = observe::look(
            &problem,
            &[Observable::Ntk, Observable::Hessian],
            3,
            0.01,
            &set,
            &[Snapshot {
                step: 0,
                loss: 0.0,
                weights: weights.clone(),
            }],
        );
        assert!((look[0].sharpness.expect("asked for") - top).abs() < 1e-6 * top);
        let lowest = observe::lowest_curvature(&problem, &weights, &at, &r, top);
        assert!(
            (lowest - whole.eigenvalues[0]).abs() < 1e-4 * top,
            "{lowest} {}",
            whole.eigenvalues[0]
        );
        // With targets that are met only the Gauss–Newton part is left.
        let met = Set {
            points: set.points,
            x: set.x.clone(),
            y: at.outputs.clone(),
        };
        let at = Tangent::new(&problem, &weights, &met.x);
        let none = curvature(&problem, &weights, &at, &vec![0.0; met.y.len()]);
        assert!(none.residual < 1e-9 * none.gauss_newton && none.negative() == 0);
        assert!((none.eigenvalues[p - 1] - none.gauss_newton).abs() < 1e-9 * none.gauss_newton);
    }
}

/// A catapulted network is above the limit first and below it at the end, its loss rises on the
/// way; a lazy one stays below, and its loss only falls.
#[test]
fn the_way_of_a_catapult_leads_over_the_limit() {
    let ways = |share: f64, most: usize| {
        let text = format!(
            "replicates = 8\n[data]\npoints = 8\ndim = 15\n[net]\nhidden = [64, 64]\n\
             activation = \"relu\"\n\
             init = \"kaiming_normal\"\n[descent]\nrate = {{ of_limit = {share} }}\nsteps = 4000\n\
             precision = \"f64\"\n\
             [look]\nat = [\"start\", {{ every = 1 }}, \"end\"]\nreplicates = 8\n"
        );
        let cell = plan(&text).cells.remove(0);
        let record = record(&text, &Cpu::detect(), 2);
        let all: Vec<_> = (record.rows.iter())
            .filter(|row| row.reached())
            .filter_map(|row| {
                let looks = record.looks_at(row.replicate);
                assert!(looks.iter().all(|l| l.replicate == row.replicate));
                trajectory(&cell, row, looks)
            })
            .collect();
        assert!(all.len() >= most, "{all:?}");
        all
    };
    for way in ways(1.5, 6) {
        assert_eq!(way.first_over, Some(0));
        assert!((way.most.0 - 1.5).abs() < 1e-6 || way.most.1 > 0, "{way:?}");
        assert!(way.rises > 0, "{way:?}");
    }
    for way in ways(0.3, 8) {
        assert_eq!((way.first_over, way.at_edge), (None, 0), "{way:?}");
        assert_eq!(way.rises, 0, "{way:?}");
        assert!(way.pl_constant > 0.0);
    }
}

/// A replicate that no run of the cell has is told apart from one that was not trained.
#[test]
fn a_replicate_that_the_cell_does_not_have_is_no_replicate() {
    let plan = plan("replicates = 3\n[data]\npoints = 2\ndim = 1\n[descent]\nsteps = 5");
    let ask = |number| {
        explain(
            &plan.cells[0],
            &Cpu::detect(),
            number,
            None,
            &Control::default(),
        )
    };
    assert!(ask(2).is_ok());
    assert!(matches!(
        ask(3),
        Err(Error::NoSuchReplicate {
            cell: 0,
            replicate: 3,
            replicates: 3
        })
    ));
}

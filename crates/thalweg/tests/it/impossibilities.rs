//! Exact floors: each against an independent computation, and no run gets below one.

use thalweg::analysis::cause::{Cause, CauseKind};
use thalweg::analysis::impossible::{Impossible, Symmetry, impossible};
use thalweg::data::Set;
use thalweg::plan::Cell;
use thalweg::seed::{Purpose, stream};
use thalweg::{Inputs, lab};

use crate::source;
use crate::verdicts::causes_of;

/// A cell of eight replicates on a training set of one's own.
fn own(set: Set, net: &str, descent: &str) -> Cell {
    let text = format!(
        "replicates = 8\n[data]\nfile = \"mine\"\n[net]\n{net}\n[descent]\n\
         precision = \"f64\"\n{descent}\n[look]\nreplicates = 8\n[keep]\nreplicates = 0\n"
    );
    let inputs = Inputs::default()
        .with_data("mine", set)
        .expect("it is a set");
    let plan = source(&text).plan(&inputs).expect("it is right");
    plan.cells[0].clone()
}

fn normals(part: u64, n: usize) -> Vec<f64> {
    let mut random = stream(11, part, Purpose::Data, 0);
    (0..n).map(|_| random.normal()).collect()
}

/// The least squares residual s ‖y − A w‖² by Gram–Schmidt on the columns, an independent way.
fn left(columns: &[Vec<f64>], y: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut rest = y.to_vec();
    for column in columns {
        let mut v = column.clone();
        let size = dot(&v, &v).sqrt();
        for _ in 0..2 {
            for q in &basis {
                let c = dot(q, &v);
                v.iter_mut().zip(q).for_each(|(v, q)| *v -= c * q);
            }
        }
        let norm = dot(&v, &v).sqrt();
        if norm > 1e-10 * size {
            v.iter_mut().for_each(|v| *v /= norm);
            let c = dot(&v, &rest);
            rest.iter_mut().zip(&v).for_each(|(r, v)| *r -= c * v);
            basis.push(v);
        }
    }
    dot(&rest, &rest)
}

/// Its reason, with a floor that no run gets below and that is the cause of each.
#[track_caller]
fn floor(cell: Cell, exact: f64) -> Impossible {
    let why = impossible(&cell, 0, None).expect("it is impossible");
    let floor = why.floor().expect("it has a floor");
    assert!(
        (floor - exact).abs() < 1e-9 * exact.max(1e-3),
        "{floor} is not {exact}: {why:?}"
    );
    for (row, _, _, cause) in causes_of(cell).1 {
        assert!(
            row.best_loss >= floor * (1.0 - 1e-9),
            "{} {floor}",
            row.best_loss
        );
        let Cause::RankDeficient { because, .. } = cause else {
            panic!("{cause:?}");
        };
        assert_eq!(because, Some(why));
    }
    why
}

const DESCENT: &str = "rate = { of_limit = 0.3 }\nsteps = 4000";

/// Equal inputs with different targets: half the square of their difference for a pair, the sum of
/// squares about the mean for three.
#[test]
fn equal_inputs_with_different_targets_leave_their_spread() {
    let mut x = normals(0, 8 * 3);
    let mut y = normals(1, 8);
    x.copy_within(0..3, 12);
    let pair = Set {
        points: y.len(),
        x: x.clone(),
        y: y.clone(),
    };
    let net = "hidden = [16, 16]\nactivation = \"tanh\"\ninit = \"kaiming_normal\"";
    let exact = 0.5 * (y[0] - y[4]) * (y[0] - y[4]);
    let why = floor(own(pair, net, DESCENT), exact);
    assert!(
        matches!(why, Impossible::EqualInputs { points: 2, .. }),
        "{why:?}"
    );

    x.copy_within(0..3, 18);
    // 0 and −0 are one input.
    (x[21], x[22], x[23]) = (0.0, 0.5, 1.0);
    (x[9], x[10], x[11]) = (-0.0, 0.5, 1.0);
    let mean = (y[0] + y[4] + y[6]) / 3.0;
    let three: f64 = [y[0], y[4], y[6]]
        .iter()
        .map(|y| (y - mean) * (y - mean))
        .sum();
    let exact = three + 0.5 * (y[3] - y[7]) * (y[3] - y[7]);
    let set = Set {
        points: y.len(),
        x: x.clone(),
        y: y.clone(),
    };
    let why = floor(own(set, net, &format!("loss = \"sum\"\n{DESCENT}")), exact);
    assert!(
        matches!(why, Impossible::EqualInputs { points: 5, .. }),
        "{why:?}"
    );

    // With equal targets it is possible, and nobody is told otherwise.
    (y[4], y[6], y[7]) = (y[0], y[0], y[3]);
    assert_eq!(
        impossible(
            &own(
                Set {
                    points: y.len(),
                    x,
                    y
                },
                net,
                DESCENT
            ),
            0,
            None
        ),
        None
    );
}

/// Opposite points, the origin and points on one ray, for every activation without biases: the
/// floor is the distance from what the algebra of the activation allows, written out here by hand.
#[test]
fn symmetries_of_networks_without_biases_leave_what_the_algebra_says() {
    let mut x = normals(2, 10 * 3);
    let y = normals(3, 10);
    for k in 0..3 {
        x[3 + k] = -x[k];
        x[9 + k] = -x[6 + k];
        x[15 + k] = -x[12 + k];
        x[21 + k] = -x[18 + k];
        // Points 8 and 9 are free.
    }
    let unit = |i: usize| {
        (0..10)
            .map(|j| f64::from(u8::from(i == j)))
            .collect::<Vec<f64>>()
    };
    let both = |i: usize, sign: f64| {
        let (mut a, b) = (unit(i), unit(i + 1));
        a.iter_mut().zip(b).for_each(|(a, b)| *a += sign * b);
        a
    };
    let pairs = |sign: f64| -> Vec<Vec<f64>> {
        let own = [0, 2, 4, 6].map(|i| both(i, sign));
        own.into_iter().chain([unit(8), unit(9)]).collect()
    };
    let coordinates = (0..3).map(|k| x.iter().skip(k).step_by(3).copied().collect::<Vec<f64>>());
    let linear: Vec<Vec<f64>> = pairs(1.0).into_iter().chain(coordinates).collect();
    let constant: Vec<Vec<f64>> = pairs(-1.0).into_iter().chain([vec![1.0; 10]]).collect();
    for (activation, hidden, allowed, symmetry) in [
        ("tanh", "[24]", pairs(-1.0), Symmetry::Odd),
        ("sin", "[12, 12]", pairs(-1.0), Symmetry::Odd),
        ("erf", "[24]", pairs(-1.0), Symmetry::Odd),
        ("abs", "[12, 12]", pairs(1.0), Symmetry::Even),
        ("cos", "[24]", pairs(1.0), Symmetry::Even),
        ("relu", "[24]", linear.clone(), Symmetry::OddPartLinear),
        (
            "leaky_relu",
            "[24]",
            linear.clone(),
            Symmetry::OddPartLinear,
        ),
        ("gelu", "[24]", linear.clone(), Symmetry::OddPartLinear),
        ("silu", "[24]", linear.clone(), Symmetry::OddPartLinear),
        ("softplus", "[24]", linear.clone(), Symmetry::OddPartLinear),
        ("sigmoid", "[24]", constant, Symmetry::EvenPartConstant),
    ] {
        let set = Set {
            points: y.len(),
            x: x.clone(),
            y: y.clone(),
        };
        let net = format!(
            "hidden = {hidden}\nactivation = \"{activation}\"\nbias = false\n\
             init = \"kaiming_normal\""
        );
        let why = floor(own(set.clone(), &net, DESCENT), left(&allowed, &y));
        assert!(
            matches!(why, Impossible::Symmetry { symmetry: kept, .. } if kept == symmetry),
            "{activation}: {why:?}"
        );
        // With biases none of it is impossible.
        let free = own(set, &net.replace("bias = false", "bias = true"), DESCENT);
        assert_eq!(impossible(&free, 0, None), None, "{activation}");
    }
    // Two layers of ReLU have no linear odd part.
    let net = "hidden = [12, 12]\nactivation = \"relu\"\nbias = false";
    let deep = own(
        Set {
            points: y.len(),
            x,
            y,
        },
        net,
        DESCENT,
    );
    let known = impossible(&deep, 0, None).and_then(|why| why.floor());
    assert!(known.is_none_or(|floor| floor < 1e-12), "{known:?}");
}

/// On a ray a homogeneous network of any depth is proportional to the length, and at the origin 0.
#[test]
fn points_on_a_ray_and_the_origin_bind_homogeneous_networks() {
    let (mut x, y) = (normals(4, 8 * 2), normals(5, 8));
    (x[2], x[3]) = (2.0 * x[0], 2.0 * x[1]);
    (x[4], x[5]) = (0.3 * x[0], 0.3 * x[1]);
    (x[6], x[7]) = (0.0, 0.0);
    // The other side of the ray is free of it.
    (x[8], x[9]) = (-x[0], -x[1]);
    let t = [1.0, 2.0, 0.3];
    let xy: f64 = t.iter().zip(&y).map(|(t, y)| t * y).sum();
    let xx: f64 = t.iter().map(|t| t * t).sum();
    let yy: f64 = y[..3].iter().map(|y| y * y).sum();
    let exact = yy - xy * xy / xx + y[3] * y[3];
    let net = "hidden = [16, 16]\nactivation = \"relu\"\nbias = false\ninit = \"kaiming_normal\"";
    let why = floor(
        own(
            Set {
                points: y.len(),
                x,
                y,
            },
            net,
            DESCENT,
        ),
        exact,
    );
    assert!(
        matches!(
            why,
            Impossible::Symmetry {
                symmetry: Symmetry::Homogeneous,
                ..
            }
        ),
        "{why:?}"
    );
}

/// cos 3θ on an even number of points of the circle is odd and has no linear part: a bias-free
/// layer of ReLU leaves all of it, N/2.
#[test]
fn an_odd_frequency_is_out_of_reach_of_one_layer_of_relu_without_biases() {
    let text = "replicates = 8\n[data]\npoints = 24\ndim = 2\ninputs = \"circle\"\n\
                targets = { cosine = 3 }\n[net]\nhidden = [40]\nactivation = \"relu\"\n\
                bias = false\n[descent]\nprecision = \"f64\"\nrate = { of_limit = 0.3 }\n\
                steps = 2000\n[look]\nreplicates = 8\n";
    let cell = crate::plan(text).cells.remove(0);
    let why = impossible(&cell, 0, None).expect("it is impossible");
    let floor = why.floor().expect("it has a floor");
    assert!((floor - 12.0).abs() < 1e-9, "{why:?}");
    for (row, _, _, _) in causes_of(cell).1 {
        assert!(row.best_loss >= floor * (1.0 - 1e-9));
    }
}

/// With every layer but the last frozen, least squares on the features of the start is the floor;
/// the problem is convex, so there is no saddle and no negative curvature.
#[test]
fn frozen_features_leave_what_least_squares_on_them_leaves() {
    let text = "replicates = 12\n[data]\npoints = 6\ndim = 2\n[net]\nhidden = [3]\n[descent]\n\
                precision = \"f64\"\nlayer_rates = [0.0, 1.0]\nrate = { of_limit = 0.9 }\n\
                steps = 20_000\n[look]\nreplicates = 12\n";
    let cell = crate::plan(text).cells.remove(0);
    let problem = cell.problem();
    for (row, first, last, why) in causes_of(cell.clone()).1 {
        let (weights, set) = (cell.weights(row.replicate), cell.set(row.replicate));
        let at = thalweg::observe::Tangent::new(&problem, &weights, &set.x);
        let features = (0..3).map(|k| at.inputs[1].iter().skip(k).step_by(3).copied().collect());
        let columns: Vec<Vec<f64>> = features.chain([vec![1.0; 6]]).collect();
        let exact = left(&columns, &set.y);
        let Cause::RankDeficient {
            because: Some(Impossible::FixedFeatures { floor }),
            rank,
            ..
        } = why
        else {
            panic!("{why:?} {exact}");
        };
        assert!(
            (floor - exact).abs() < 1e-9 * exact.max(1e-3),
            "{floor} {exact}"
        );
        assert!(rank <= 4 && row.best_loss >= floor * (1.0 - 1e-9));
        assert!(first.lowest_curvature.is_none());
        let lowest = last.lowest_curvature.expect("it did not arrive");
        assert!(
            lowest > -1e-4 * last.sharpness.expect("asked for"),
            "{lowest}"
        );
    }
}

/// A layer of ReLU that is dead at the start leaves the best constant, or with no biases 0; nothing
/// below it ever moves, under any rule.
#[test]
fn a_layer_that_is_dead_at_the_start_stays_dead() {
    for method in [
        "\"gd\"",
        "{ momentum = {} }",
        "{ adam = {} }",
        "\"gd\"\nbatch = 4",
    ] {
        let text = format!(
            "replicates = 40\n[data]\npoints = 8\ndim = 3\n[net]\nhidden = [2, 1, 3]\n\
             activation = \"relu\"\nbias_init = {{ normal = {{ std = 1.0 }} }}\n[descent]\n\
             precision = \"f64\"\nrate = 0.01\nmethod = {method}\nsteps = 2000\n\
             [look]\nreplicates = 40\n"
        );
        let (cell, all) = causes_of(crate::plan(&text).cells.remove(0));
        let mut born = 0;
        for (row, first, last, why) in &all {
            let Some(Impossible::DeadAtStart { layer, floor }) =
                impossible(&cell, row.replicate, Some(first))
            else {
                continue;
            };
            born += 1;
            let y = cell.set(row.replicate).y;
            let mean = y.iter().sum::<f64>() / 8.0;
            let spread: f64 = y.iter().map(|y| (y - mean) * (y - mean)).sum();
            assert!((floor - spread).abs() < 1e-12 * spread);
            assert!(row.best_loss >= floor * (1.0 - 1e-9), "{method}");
            assert_eq!(why.kind(), CauseKind::Dead, "{method} {why:?}");
            assert!(matches!(why, Cause::Dead { at_start: true, .. }));
            // Nothing at or below the dead layer has moved.
            let moved = last.weights_moved.as_ref().expect("asked for");
            assert!(
                moved[..layer].iter().all(|moved| *moved <= 0.0),
                "{moved:?}"
            );
            assert!(last.output_spread < Some(1e-20));
        }
        assert!(born >= 3, "{method}: {born}");
    }
}

/// Frozen layers' parameters are none that could meet a target.
#[test]
fn only_parameters_that_learn_are_counted() {
    let text = "[data]\npoints = 12\ndim = 5\n[net]\nhidden = [8, 1]\n[descent]\n\
                layer_rates = [0.0, 1.0, 1.0]\n";
    let cell = crate::plan(text).cells.remove(0);
    // 8 + 1 and 1 + 1.
    let why = impossible(&cell, 0, None);
    assert_eq!(why, Some(Impossible::FewParameters { parameters: 11 }));
    let free = crate::plan(&text.replace("[0.0, ", "[1.0, "))
        .cells
        .remove(0);
    assert_eq!(impossible(&free, 0, None), None);
    assert!(lab::job(&free, &free.problem(), 0).rate > 0.0);
}

//! Networks of several outputs, functions of the output, the logistic loss, and success that is not
//! judged by the loss.

use thalweg::analysis::cause::CauseKind;
use thalweg::analysis::forecast::predict;
use thalweg::analysis::impossible::linear_floor;
use thalweg::data::Set;
use thalweg::descent::Loss;
use thalweg::engine::cpu::Cpu;
use thalweg::engine::reference::{Reference, outputs};
use thalweg::engine::{Engine, Problem};
use thalweg::net::Output;
use thalweg::observe::{self, Tangent, curvature, hessian_times};
use thalweg::plan::{Cell, Plan};
use thalweg::record::Outcome;
use thalweg::theory::expect::expect;
use thalweg::theory::linear::Steps;
use thalweg::{Analysis, Inputs};

use crate::{control, plan, record, source};

fn cell(text: &str) -> Cell {
    plan(text).cells.remove(0)
}

/// Three outputs of a small network, behind each function and under each loss that goes with it.
fn every_end() -> impl Iterator<Item = Cell> {
    let pairs = Loss::ALL
        .into_iter()
        .flat_map(|loss| Output::ALL.map(|output| (loss, output)));
    let fit = pairs.filter(|(loss, output)| loss.is_squared() || *output == Output::Identity);
    fit.map(|(loss, output)| {
        cell(&format!(
            "[data]\npoints = 5\ndim = 3\noutputs = 3\ntargets = {{ signs = [1, 1] }}\n\
             [net]\nhidden = [4, 3]\nactivation = \"tanh\"\noutput = \"{}\"\n\
             parameterization = \"ntk\"\ninit = \"lecun_normal\"\n\
             [descent]\nloss = \"{}\"\nlayer_rates = [1.0, 0.5, 2.0]\n",
            output.name(),
            loss.name()
        ))
    })
}

fn moved(weights: &[f64], at: usize, by: f64) -> Vec<f64> {
    let mut weights = weights.to_vec();
    weights[at] += by;
    weights
}

fn largest(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |m, v| v.abs().max(m))
}

/// ∇L in the effective weights, from J and what the outputs pull with.
fn gradient(problem: &Problem, weights: &[f64], set: &Set) -> Vec<f64> {
    let at = Tangent::new(problem, weights, &set.x);
    let pull = observe::pull(problem, &at.outputs, &set.y);
    let scaled: Vec<f64> = pull
        .iter()
        .map(|r| 2.0 * problem.loss_factor() * r)
        .collect();
    at.pull_back(problem, &scaled)
}

/// Θ [N k, N k] is J Jᵀ by differences of the reference engine's outputs, the outputs of a point
/// side by side.
#[test]
fn the_kernel_of_several_outputs_is_the_jacobian_times_its_transpose() {
    for cell in every_end() {
        let (problem, weights, set) = (cell.problem(), cell.weights(1), cell.set(1));
        let at = Tangent::new(&problem, &weights, &set.x);
        for (ours, right) in at.outputs.iter().zip(outputs(&problem, &weights, &set.x)) {
            assert!((ours - right).abs() < 1e-13);
        }
        let kernel = observe::kernel(&problem, &at);
        assert_eq!(kernel.len(), 15 * 15);
        let columns: Vec<Vec<f64>> = (0..weights.len())
            .map(|p| {
                let of = |h: f64| outputs(&problem, &moved(&weights, p, h), &set.x);
                let tensor = problem.tensors.iter().position(|t| t.range().contains(&p));
                let tensor = tensor.expect("one has it");
                let root = problem.rate_factors[tensor].sqrt() * problem.multipliers[tensor];
                let differences = of(1e-5).into_iter().zip(of(-1e-5));
                differences.map(|(u, d)| root * (u - d) / 2e-5).collect()
            })
            .collect();
        let size = largest(&kernel);
        for (i, k) in kernel.iter().enumerate() {
            let sum: f64 = columns.iter().map(|c| c[i / 15] * c[i % 15]).sum();
            assert!((k - sum).abs() < 1e-6 * size, "{k} and {sum}");
        }
    }
}

/// The gradient is the derivative of the loss, H v that of the gradient, and the two parts of the
/// Hessian add up: for squares and for the logistic loss, whose Gauss–Newton part is its own.
#[test]
fn every_loss_has_its_own_gradient_and_hessian() {
    for cell in every_end() {
        let name = format!(
            "{:?} {:?}",
            cell.setting.descent.loss, cell.setting.net.output
        );
        let (problem, weights, set) = (cell.problem(), cell.weights(2), cell.set(2));
        let loss = |w: &[f64]| {
            let f = outputs(&problem, w, &set.x);
            observe::loss(&problem, &f, &set.y)
        };
        let at = Tangent::new(&problem, &weights, &set.x);
        let pull = observe::pull(&problem, &at.outputs, &set.y);
        let g = gradient(&problem, &weights, &set);
        for p in 0..weights.len() {
            let [up, down] = [1e-5, -1e-5].map(|h| moved(&weights, p, h));
            let slope = (loss(&up) - loss(&down)) / 2e-5;
            assert!((slope - g[p]).abs() < 1e-7 * largest(&g).max(1.0), "{name}");
            let mut unit = vec![0.0; weights.len()];
            unit[p] = 1.0;
            let column = hessian_times(&problem, &weights, &at, &pull, &unit);
            let (up, down) = (
                gradient(&problem, &up, &set),
                gradient(&problem, &down, &set),
            );
            for ((u, d), exact) in up.iter().zip(&down).zip(&column) {
                let quotient = (u - d) / 2e-5;
                assert!(
                    (quotient - exact).abs() < 1e-7 * largest(&column).max(1.0),
                    "{name}"
                );
            }
        }
        let whole = curvature(&problem, &weights, &at, &pull);
        let top = whole.eigenvalues[weights.len() - 1];
        // Weyl's inequality for the sum of the two parts.
        let apart = (top - whole.gauss_newton).abs();
        assert!(apart <= whole.residual * (1.0 + 1e-9), "{name}");
        if cell.setting.descent.loss.is_squared() && cell.setting.net.output == Output::Identity {
            continue;
        }
        // Linear outputs of no hidden layer leave nothing but the Gauss–Newton part.
        let mut convex = cell.clone();
        convex.setting.net.hidden.clear();
        convex.setting.net.output = Output::Identity;
        convex.setting.descent.layer_rates = None;
        let (problem, weights) = (convex.problem(), convex.weights(2));
        let at = Tangent::new(&problem, &weights, &set.x);
        let pull = observe::pull(&problem, &at.outputs, &set.y);
        let whole = curvature(&problem, &weights, &at, &pull);
        assert!(whole.residual < 1e-12 * whole.gauss_newton, "{name}");
    }
}

/// Of a linear network of several outputs the prediction by its kernel is exact, and what least
/// squares leaves of each output adds up to the loss that is left.
#[test]
fn a_linear_network_of_several_outputs_takes_the_steps_that_are_predicted() {
    let text = "replicates = 20\n[data]\npoints = 6\ndim = 9\noutputs = 3\n\
                [net]\nhidden = []\n[descent]\nrate = { of_limit = 0.7 }\nsteps = 100000\n\
                precision = \"f64\"\nloss = \"mean\"\n";
    let cell = cell(text);
    let record = record(text, &Cpu::detect(), 2);
    for (row, (first, _)) in record.rows.iter().zip(record.first_and_last_looks()) {
        let predicted = predict(&cell, row.rate, first)
            .expect("linear theory")
            .steps;
        let Steps::At(steps) = predicted else {
            panic!("{predicted:?}")
        };
        let hit = row.hit().expect("it gets there");
        assert!(hit.abs_diff(steps) <= 1, "{hit} {steps}");
    }
    let few = text
        .replace("dim = 9", "dim = 2")
        .replace("steps = 100000", "steps = 3000");
    let (cell, record) = (self::cell(&few), crate::record(&few, &Cpu::detect(), 2));
    for row in &record.rows {
        let floor = linear_floor(&cell, row.replicate).expect("it is linear");
        assert!((row.final_loss / floor - 1.0).abs() < 1e-9);
    }
}

/// Infinitely wide outputs are independent with one kernel: each eigenvalue is there once for each
/// output, and the first output is that of a network of one.
#[test]
fn an_infinitely_wide_network_has_its_kernel_once_for_each_output() {
    let of = |outputs: usize| {
        let text = format!(
            "[data]\npoints = 6\ndim = 4\noutputs = {outputs}\n\
             [net]\nhidden = [32, 32]\nactivation = \"erf\"\ninit = \"lecun_normal\"\n"
        );
        expect(&cell(&text), 400, 2).expect("it has a theory")
    };
    let (one, three) = (of(1), of(3));
    let mut losses = 0.0;
    for (one, three) in one.iter().zip(&three) {
        for (i, l) in three.eigenvalues.iter().enumerate() {
            assert!((l / one.eigenvalues[i / 3] - 1.0).abs() < 1e-12);
        }
        assert!(three.initial_loss > one.initial_loss);
        losses += three.initial_loss / one.initial_loss.max(1e-3);
    }
    // Three times the terms, of the same law.
    let all = |v: &[thalweg::theory::expect::Expected]| -> f64 {
        v.iter().map(|e| e.initial_loss).sum::<f64>()
    };
    let ratio = all(&three) / all(&one);
    assert!((2.8..3.2).contains(&ratio), "{ratio} {losses}");
}

/// Fewer outputs are the first of more: targets of the normal law, signs, and a teacher's.
#[test]
fn fewer_outputs_are_the_first_of_more() {
    for targets in [
        "\"gaussian\"",
        "{ signs = [1, 2] }",
        "{ teacher = { hidden = [8], activation = \"tanh\" } }",
    ] {
        let of = |outputs: usize| {
            let text = format!("[data]\noutputs = {outputs}\ntargets = {targets}\n");
            cell(&text).set(3)
        };
        let (one, four) = (of(1), of(4));
        assert_eq!((four.y.len(), four.outputs(), &four.x), (80, 4, &one.x));
        let first: Vec<f64> = four.y.iter().step_by(4).copied().collect();
        assert_eq!(first, one.y, "{targets}");
        assert_ne!(four.y[0].to_bits(), four.y[1].to_bits());
    }
}

/// The corners of a square and their parity, with these values for its two classes.
fn xor(low: f64, text: &str) -> Plan {
    let set = Set {
        points: 4,
        x: vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0],
        y: vec![low, 1.0, 1.0, low],
    };
    let inputs = Inputs::default()
        .with_data("xor", set)
        .expect("it is a set");
    let text = format!("replicates = 40\n[data]\nfile = \"xor\"\n{text}");
    source(&text).plan(&inputs).expect("the study is right")
}

/// What an engine calls a success is one: each final error and accuracy is that of the outputs of
/// the weights that are kept.
#[test]
fn success_is_judged_by_what_was_asked_for() {
    let net =
        "[net]\nhidden = [3]\nactivation = \"sigmoid\"\ninit = { normal = { variance = 4.0 } }";
    let kept = "[keep]\nreplicates = 40\nweights = \"final\"";
    for (low, output, loss, success) in [
        (0.0, "sigmoid", "sum", "error_below = 0.2"),
        (-1.0, "tanh", "sum", "error_below = 0.2"),
        (0.0, "identity", "logistic", "accuracy = 1.0"),
        (-1.0, "identity", "logistic", "accuracy = 0.75"),
        (0.0, "sigmoid", "mean", "accuracy = 1.0"),
    ] {
        let text = format!(
            "{net}\noutput = \"{output}\"\n[descent]\nloss = \"{loss}\"\nrate = 0.5\n\
             steps = 3000\nstop = \"never\"\n[success]\n{success}\n{kept}\n"
        );
        let cell = xor(low, &text).cells.remove(0);
        for engine in [&Cpu::detect() as &dyn Engine, &Reference] {
            let record = thalweg::lab::train(&cell, engine, 2, &control()).expect("it is trained");
            let mut seen = [0, 0];
            for (row, kept) in record.rows.iter().zip(&record.kept) {
                let wrong = |(f, y): (&f64, &f64)| match (loss, low < 0.0) {
                    ("logistic", _) => (*f > 0.0) != (*y > 0.5),
                    (_, true) => (*f > 0.0) != (*y > 0.5),
                    (_, false) => (*f > 0.5) != (*y > 0.5),
                };
                let both = || kept.outputs.iter().zip(&kept.y);
                let (judged, right) = if success.starts_with("error") {
                    let error = both().map(|(f, y)| (f - y).abs()).fold(0.0, f64::max);
                    (error, error < 0.2)
                } else {
                    let wrong = both().filter(|pair| wrong(*pair)).count();
                    let allowed = usize::from(success.ends_with("0.75"));
                    (wrong as f64, wrong <= allowed)
                };
                let ours = row.judged.expect("it is not the loss");
                assert!((ours - judged).abs() < 1e-5, "{text}: {ours} {judged}");
                assert_eq!(row.reached(), right, "{text}");
                assert_eq!(matches!(row.outcome, Outcome::Below { .. }), right);
                seen[usize::from(right)] += 1;
            }
            assert!(seen[1] > 0, "{text}: {seen:?}");
        }
    }
}

/// A loss of classes has no modes: no step is predicted, and no reason is taken from squares.
#[test]
fn nothing_is_predicted_of_a_logistic_loss() {
    let text = "replicates = 30\n[data]\npoints = 12\ndim = 2\ntargets = { signs = [1, 1] }\n\
                [net]\nhidden = [2]\nactivation = \"relu\"\n\
                [descent]\nloss = \"logistic\"\nrate = 0.05\nsteps = 400\n\
                [success]\naccuracy = 1.0\n";
    let plan = plan(text);
    let all = [record(text, &Cpu::detect(), 2)];
    let analysis = Analysis::of(&plan, &all, 2);
    let base = analysis.base();
    assert!(base.by_start().is_none() && base.by_infinite().is_none());
    assert!(
        base.successes < base.replicates,
        "some points cannot be told apart"
    );
    for judged in &base.judged {
        assert!(judged.predicted.is_none());
        assert!(
            !matches!(
                judged.cause,
                CauseKind::RankDeficient | CauseKind::AtTheEdge
            ),
            "{:?}",
            judged.cause
        );
    }
    for row in &all[0].rows {
        assert!(row.judged.is_some());
    }
}

/// Each mistake says what is wrong, and what to write instead.
#[test]
fn ends_that_do_not_go_together_are_mistakes() {
    let signs = "targets = { signs = [1, 1] }";
    for (text, words, hint) in [
        (
            "[data]\noutputs = 2\ntargets = { cosine = 2 }".to_string(),
            "the targets are one function, and there are 2 outputs",
            "teacher",
        ),
        ("[data]\noutputs = 0".into(), "0 outputs", ""),
        ("[data]\noutputs = 1001".into(), "1001 outputs", ""),
        (
            "[data]\npoints = 20000\noutputs = 10".into(),
            "200000 targets",
            "fewer points",
        ),
        (
            "[data]\npoints = 4\ndim = 2\ninputs = \"corners\"\ntargets = \"xor\"\nnoise = 0.1\n\
             [success]\naccuracy = 1.0"
                .into(),
            "an accuracy is of two classes",
            "signs",
        ),
        (
            "[descent]\nloss = \"logistic\"".into(),
            "is of two classes, and the targets are not",
            "signs = [1, 1]",
        ),
        (
            "[success]\naccuracy = 1.0".into(),
            "an accuracy is of two classes",
            "signs = [1, 1]",
        ),
        (
            format!("[data]\n{signs}\n[net]\noutput = \"tanh\"\n[descent]\nloss = \"logistic\""),
            "is of a linear output",
            "leave `net.output` out",
        ),
        (
            format!(
                "[data]\n{signs}\n[descent]\nloss = \"logistic\"\n[success]\nerror_below = 0.1"
            ),
            "are not near their targets",
            "accuracy",
        ),
        (
            format!("[data]\n{signs}\n[descent]\nloss = \"logistic\"\nrate = {{ of_limit = 0.5 }}"),
            "of a squared loss",
            "a rate of its own",
        ),
        (
            format!("[data]\n{signs}\n[success]\nerror_below = 0.1\naccuracy = 1.0"),
            "two criteria",
            "keep one",
        ),
        (
            "[success]\nerror_below = 0".into(),
            "must be positive",
            "0.05",
        ),
        (
            format!("[data]\n{signs}\n[success]\naccuracy = 1.5"),
            "not above 0 and at most 1",
            "1.0 asks for all",
        ),
    ] {
        let error = source(&text).plan(&Inputs::default()).expect_err(words);
        let told = format!("{error}");
        assert!(told.contains(words), "{text}: {told}");
        assert!(
            error.hint().unwrap_or_default().contains(hint),
            "{text}: {error:?}"
        );
    }
    let set = Set {
        points: 2,
        x: vec![1.0, 2.0],
        y: vec![0.0, 2.0],
    };
    let inputs = Inputs::default()
        .with_data("own", set)
        .expect("it is a set");
    let text = "[data]\nfile = \"own\"\n[descent]\nloss = \"logistic\"";
    let error = source(text).plan(&inputs).expect_err("no classes");
    assert!(error.to_string().contains("two classes"), "{error}");
}

//! What mathematics says about descent, held against the engines and the observables.

#![allow(clippy::needless_range_loop, reason = "loops over two arrays at once")]

use thalweg::analysis::forecast::{linear, predict};
use thalweg::analysis::impossible::linear_floor;
use thalweg::analysis::summary::summarize;
use thalweg::engine::cpu::Cpu;
use thalweg::engine::reference::{Reference, outputs};
use thalweg::engine::{Activation, Engine, Job, Problem};
use thalweg::lab;
use thalweg::linalg::eigen;
use thalweg::observe::{self, Tangent, hessian_times, sharpness};
use thalweg::plan::Cell;
use thalweg::record::Outcome;
use thalweg::stats::quantile;
use thalweg::theory::linear::{Rule, Steps};

use crate::{plan, record, train};

fn cell(text: &str) -> Cell {
    plan(text).cells.remove(0)
}

/// Cells of both parameterizations with this activation, and factors on the rates of layers.
fn curved(activation: &str) -> [Cell; 2] {
    ["standard", "ntk"].map(|parameterization| {
        cell(&format!(
            "[data]\npoints = 6\ndim = 3\n[net]\nhidden = [5, 4]\nactivation = \"{activation}\"\n\
             init = \"lecun_normal\"\nbias_init = {{ normal = {{ std = 0.5 }} }}\n\
             parameterization = \"{parameterization}\"\n[descent]\nloss = \"mean\"\n\
             layer_rates = [1.0, 0.5, 2.0]\n"
        ))
    })
}

/// v with the entries of each tensor multiplied by its number.
fn scaled(problem: &Problem, mut v: Vec<f64>, by: &[f64]) -> Vec<f64> {
    for (tensor, by) in problem.tensors.iter().zip(by) {
        v[tensor.range()].iter_mut().for_each(|v| *v *= by);
    }
    v
}

fn moved(weights: &[f64], along: &[f64], by: f64) -> Vec<f64> {
    weights.iter().zip(along).map(|(w, v)| w + by * v).collect()
}

fn largest(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |m, v| v.abs().max(m))
}

fn unit(n: usize, i: usize) -> Vec<f64> {
    (0..n).map(|j| f64::from(u8::from(i == j))).collect()
}

/// Θ_ij = Σ ρ m² ∂f_i/∂w ∂f_j/∂w for rate factors ρ and multipliers m; ∂f/∂w by central differences
/// of the reference engine's outputs.
#[test]
fn the_kernel_is_the_jacobian_times_its_transpose() {
    for (activation, cell) in Activation::ALL
        .into_iter()
        .flat_map(|a| curved(a.name()).map(|c| (a.name(), c)))
    {
        let (problem, weights, set) = (cell.problem(), cell.weights(1), cell.set(1));
        let (tangent, h) = (Tangent::new(&problem, &weights, &set.x), 1e-5);
        let columns: Vec<Vec<f64>> = (0..weights.len())
            .map(|p| {
                let e = unit(weights.len(), p);
                let [up, down] =
                    [h, -h].map(|h| outputs(&problem, &moved(&weights, &e, h), &set.x));
                let tensor = problem
                    .tensors
                    .iter()
                    .position(|t| t.range().contains(&p))
                    .expect("one has it");
                let root = problem.rate_factors[tensor].sqrt() * problem.multipliers[tensor];
                up.iter()
                    .zip(&down)
                    .map(|(u, d)| root * (u - d) / (2.0 * h))
                    .collect()
            })
            .collect();
        let kernel = observe::kernel(&problem, &tangent);
        let size = largest(&kernel);
        for (at, k) in kernel.iter().enumerate() {
            let sum: f64 = columns.iter().map(|c| c[at / 6] * c[at % 6]).sum();
            assert!((k - sum).abs() < 1e-6 * size, "{activation}: {k} and {sum}");
        }
    }
}

/// H v = d/dh ∇L(w + h v), ∇L = Jᵀ(2 s r); and λmax of the Hessian in the numbers u with
/// w = m √r u, r the rate factor of the layer, in which all layers have one rate: M H M.
#[test]
fn the_hessian_is_the_derivative_of_the_gradient() {
    for (activation, cell) in Activation::ALL
        .into_iter()
        .flat_map(|a| curved(a.name()).map(|c| (a.name(), c)))
    {
        let (problem, weights, set) = (cell.problem(), cell.weights(2), cell.set(2));
        let residual = |t: &Tangent| -> Vec<f64> {
            t.outputs.iter().zip(&set.y).map(|(f, y)| f - y).collect()
        };
        let gradient = |weights: &[f64]| {
            let tangent = Tangent::new(&problem, weights, &set.x);
            let two_s = 2.0 * problem.loss.factor(6);
            let v: Vec<f64> = residual(&tangent).iter().map(|r| two_s * r).collect();
            tangent.pull_back(&problem, &v)
        };
        let (tangent, h, n) = (
            Tangent::new(&problem, &weights, &set.x),
            1e-5,
            weights.len(),
        );
        let r = residual(&tangent);
        let v: Vec<f64> = (0..n).map(|i| libm::sin(1.0 + 3.0 * i as f64)).collect();
        let exact = hessian_times(&problem, &weights, &tangent, &r, &v);
        let [up, down] = [h, -h].map(|h| gradient(&moved(&weights, &v, h)));
        let size = largest(&exact);
        for ((u, d), e) in up.iter().zip(&down).zip(&exact) {
            let quotient = (u - d) / (2.0 * h);
            assert!(
                (quotient - e).abs() < 1e-6 * size,
                "{activation}: {quotient} and {e}"
            );
        }
        let factors = problem.multipliers.iter().zip(&problem.rate_factors);
        let m = &factors.map(|(m, r)| m * r.sqrt()).collect::<Vec<f64>>();
        let hessian: Vec<f64> = (0..n)
            .flat_map(|i| {
                let v = scaled(&problem, unit(n, i), m);
                scaled(
                    &problem,
                    hessian_times(&problem, &weights, &tangent, &r, &v),
                    m,
                )
            })
            .collect();
        let top = eigen(&hessian, n).values[n - 1];
        let found = sharpness(&problem, &weights, &tangent, &r, &v);
        assert!(
            (found / top - 1.0).abs() < 1e-6,
            "{activation}: {found} and {top}"
        );
    }
}

/// H = 2 s JᵀJ + Σ r ∂²f, and JᵀJ has the eigenvalues of J Jᵀ: without residual the sharpness is
/// 2 s λmax(Θ). Its second term is of the order of r, 1e-10 here.
#[test]
fn at_an_interpolation_the_sharpness_is_the_kernels() {
    for (activation, more) in [
        ("tanh", ""),
        ("gelu", "parameterization = \"ntk\"\n"),
        ("relu", ""),
    ] {
        let text = format!(
            "replicates = 4\n[data]\npoints = 5\ndim = 3\n[net]\nhidden = [16, 16]\n\
             activation = \"{activation}\"\n\
             init = \"kaiming_normal\"\n{more}[descent]\nrate = {{ of_limit = 0.5 }}\n\
             precision = \"f64\"\n\
             [success]\nloss_below = 1e-21"
        );
        let record = record(&text, &Cpu::detect(), 2);
        assert!(record.successes() >= 3, "{activation}: {:?}", record.rows);
        for look in record.looks.iter().filter(|l| l.step > 0 && l.loss < 1e-20) {
            let top = look
                .eigenvalues
                .as_ref()
                .and_then(|e| e.last())
                .expect("it was looked at");
            let ratio = look.sharpness.expect("it was looked at") / (2.0 * top);
            assert!((ratio - 1.0).abs() < 1e-6, "{activation}: {ratio}");
        }
    }
}

/// Linear regression is its own linearisation: the predicted step is the observed one.
#[test]
fn a_linear_model_takes_the_predicted_steps() {
    for (method, limit) in [
        ("\"gd\"", 0.9),
        ("{ momentum = { beta = 0.9 } }", 0.3),
        ("{ nesterov = { beta = 0.9 } }", 0.3),
    ] {
        let text = format!(
            "replicates = 20\n[data]\npoints = 10\ndim = 15\n[net]\nhidden = []\n[descent]\n\
             method = {method}\n\
             rate = {{ of_limit = {limit} }}\nprecision = \"f64\"\n[keep]\nreplicates = 20\n"
        );
        let (cell, record) = (cell(&text), record(&text, &Cpu::detect(), 2));
        let looks = record.first_and_last_looks();
        assert_eq!((looks.len(), record.successes()), (20, 20), "{method}");
        for ((row, (look, _)), curve) in record.rows.iter().zip(looks).zip(&record.curves) {
            let prediction = predict(&cell, row.rate, look).expect("the rule is known");
            assert_eq!(
                Some(prediction.steps),
                row.hit().map(Steps::At),
                "{method}: {row:?}"
            );
            let theory = linear(&cell, row.rate, look)
                .expect("the rule is known")
                .losses(&curve.steps);
            for ((step, ours), theirs) in curve.steps.iter().zip(&curve.losses).zip(theory) {
                assert!(
                    (ours / theirs - 1.0).abs() < 1e-9,
                    "{method}, step {step}: {ours:e} and {theirs:e}"
                );
            }
        }
    }
}

/// A share of the limit is one of the rule's own: just below 1 linear regression does not diverge,
/// just above it does. Nesterov at 0.95 diverged in every replicate when the limit was that of
/// plain descent.
#[test]
fn a_share_of_the_limit_is_of_the_rules_own() {
    for method in [
        "\"gd\"",
        "{ momentum = { beta = 0.9 } }",
        "{ nesterov = { beta = 0.9 } }",
        "{ nesterov = { beta = 0.5 } }",
    ] {
        for (limit, diverges) in [(0.97, false), (1.03, true)] {
            let text = format!(
                "replicates = 6\n[data]\npoints = 10\ndim = 15\n[net]\nhidden = []\n\
                 [descent]\nmethod = {method}\nrate = {{ of_limit = {limit} }}\n\
                 precision = \"f64\"\n"
            );
            let (cell, record) = (cell(&text), record(&text, &Cpu::detect(), 2));
            for (row, (look, _)) in record.rows.iter().zip(record.first_and_last_looks()) {
                let diverged = matches!(row.outcome, Outcome::Diverged { .. });
                assert_eq!(diverged, diverges, "{method} {limit}: {row:?}");
                let prediction = predict(&cell, row.rate, look).expect("the rule is known");
                let share = row.rate / prediction.largest_stable_rate;
                assert!((share - limit).abs() < 1e-9, "{method}: {share}");
            }
        }
    }
}

/// Gradient descent on a linear model ends at the nearest weights that fit: the distance
/// measured is
/// that of its modes, below the bound by its slowest mode, and its kernel does not move.
#[test]
fn a_linear_model_moves_as_far_as_its_modes_say() {
    for rates in ["", "layer_rates = [0.25]\n"] {
        let text = format!(
            "replicates = 10\n[data]\npoints = 6\ndim = 12\n[net]\nhidden = []\nbias = false\n\
             [descent]\nrate = {{ of_limit = 0.5 }}\nprecision = \"f64\"\n{rates}\
             [success]\nloss_below = 1e-20\n"
        );
        let record = record(&text, &Cpu::detect(), 2);
        let summary = summarize(&cell(&text), &record, 1);
        let path = summary.bounds.path.expect("all of them got below");
        assert_eq!(path.replicates, 10);
        assert!((path.moved / path.linear - 1.0).abs() < 1e-6, "{path:?}");
        assert!(
            path.linear < path.bound && path.kernel_moved < 1e-9,
            "{path:?}"
        );
        assert!((summary.bounds.parameters_a_target - 2.0).abs() < 1e-15);
        assert_eq!((summary.bounds.width, summary.bounds.dead), (None, None));
    }
}

/// Without biases the output is exactly 0 at an input where some layer is.
#[test]
fn dead_layers_are_as_frequent_as_said() {
    for hidden in ["[1, 3]", "[2, 2]", "[3]"] {
        let text = format!(
            "[data]\npoints = 1\ndim = 3\n[net]\nhidden = {hidden}\nactivation = \"relu\"\n\
             init = \"kaiming_uniform\"\nbias = false\n"
        );
        let cell = cell(&text);
        let problem = cell.problem();
        let nets = 4000u64;
        let dead = (0..nets)
            .filter(|r| outputs(&problem, &cell.weights(*r), &cell.set(*r).x)[0].abs() <= 0.0)
            .count() as f64;
        let said = thalweg::theory::bounds::dead_layer(&cell.setting.net.hidden);
        let error = (said * (1.0 - said) / nets as f64).sqrt();
        let share = dead / nets as f64;
        assert!(
            (share - said).abs() < 4.0 * error,
            "{hidden}: {share} {said}"
        );
    }
}

/// f = u v on x = 1 with target y, from u = v = w.
fn scalar(w: f64, y: f64, rate: f64, steps: u64) -> (Problem, Job) {
    let text = format!(
        "[data]\npoints = 1\ndim = 1\n[net]\nhidden = [1]\nactivation = \"identity\"\n\
         bias = false\n\
         [descent]\nloss = \"half_sum\"\nsteps = {steps}\nprecision = \"f64\"\nstop = \"never\"\n\
         [success]\nloss_below = 1e-300"
    );
    let job = lab::job(&cell(&text), &cell(&text).problem(), 0);
    let (x, y, weights) = (vec![1.0], vec![y], vec![w, w]);
    (
        cell(&text).problem(),
        Job {
            x,
            y,
            weights,
            rate,
            keep_losses: true,
            watch: Vec::new(),
            ..job
        },
    )
}

/// L = (u v − 1)²/2, u = v = w: w ← w (1 + η − η w²), whose 2-cycle for 1 < η < √5 − 1 is
/// w² = (a ± √(a² − 4))/(2 η), a = 1 + η.
#[test]
fn above_the_limit_two_scalars_settle_on_the_known_cycle() {
    for (rate, low, high) in [
        (1.05, 0.018140589569, 0.028344671202),
        (1.1, 0.030158834220, 0.056618025284),
        (1.2, 0.044565446563, 0.108212331215),
    ] {
        for engine in [&Reference as &dyn Engine, &Cpu::detect()] {
            let (problem, job) = scalar(0.9, 1.0, rate, 3000);
            let end = train(engine, &problem, vec![job], 1).remove(0);
            let mut last = [end.all_losses[2999], end.all_losses[3000]];
            last.sort_by(f64::total_cmp);
            assert!(
                (last[0] - low).abs() < 1e-9 && (last[1] - high).abs() < 1e-9,
                "{rate}: {last:?}"
            );
        }
    }
}

/// Saxe, McClelland & Ganguli 2013: with target 3 the product p = u v follows dp/dt = 2 p (3 − p),
/// p(t) = 3 e^{6t}/(e^{6t} − 1 + 3/p₀). Euler's error is first order, 6.707 η at most on t ≤ 2.
#[test]
fn descent_converges_to_the_flow_at_first_order() {
    let errors = [200, 2000, 4000, 20_000].map(|steps| {
        let rate = 2.0 / steps as f64;
        let (problem, job) = scalar(1e-3f64.sqrt(), 3.0, rate, steps);
        let end = train(&Cpu::detect(), &problem, vec![job], 1).remove(0);
        let error = |(step, loss): (usize, &f64)| {
            let e = libm::exp(6.0 * rate * step as f64);
            // The path comes from below and never crosses 3.
            (3.0 - (2.0 * loss).sqrt() - 3.0 * e / (e - 1.0 + 3000.0)).abs()
        };
        let worst = end
            .all_losses
            .iter()
            .enumerate()
            .map(error)
            .fold(0.0, f64::max);
        assert!(
            (worst / rate / 6.707 - 1.0).abs() < 5e-3,
            "{steps} steps: {}",
            worst / rate
        );
        worst
    });
    let slope = libm::log2(errors[1] / errors[2]);
    assert!((slope - 1.0).abs() < 0.1, "{slope}");
}

/// Half the rate and twice the steps: the distance to the flow halves, so successive differences
/// do.
#[test]
fn a_tanh_net_converges_to_its_flow_at_first_order() {
    let losses = [100, 200, 400, 800].map(|steps| {
        let text = format!(
            "replicates = 5\n[data]\npoints = 8\ndim = 3\n[net]\nhidden = [10]\n[descent]\n\
             loss = \"mean\"\n\
             rate = {:e}\nsteps = {steps}\nprecision = \"f64\"\nstop = \"never\"",
            10.0 / f64::from(steps)
        );
        record(&text, &Cpu::detect(), 2)
            .rows
            .iter()
            .map(|r| r.final_loss)
            .collect::<Vec<_>>()
    });
    for r in 0..5 {
        let slope = libm::log2((losses[1][r] - losses[2][r]) / (losses[2][r] - losses[3][r]));
        assert!((slope - 1.0).abs() < 0.1, "replicate {r}: {slope}");
    }
}

/// w = m u and u ← u − η m ∂L/∂w is w ← w − η m² ∂L/∂w: standard descent with the rate of each
/// layer multiplied by m² = σ²/fan_in.
#[test]
fn the_ntk_parameterization_is_a_rate_for_each_layer() {
    let with = |more: &str, rates: &str| {
        let text = format!(
            "replicates = 5\n[data]\ndim = 4\n[net]\nhidden = [8, 16]\nbias = false\n\
             init = {{ normal = {{ variance = 2.0 }} }}\n\
             {more}\n[descent]\nrate = 0.005\nsteps = 200\nprecision = \"f64\"\nstop = \"never\"\n\
             {rates}\n[keep]\nreplicates = 5\nlosses = \"all\"\n"
        );
        record(&text, &Cpu::detect(), 1)
            .curves
            .into_iter()
            .flat_map(|c| c.losses)
            .collect::<Vec<f64>>()
    };
    let ntk = with("parameterization = \"ntk\"", "");
    let layered = with("", "layer_rates = [0.5, 0.25, 0.125]");
    let standard = with("", "");
    assert!(
        ntk.iter()
            .zip(&layered)
            .all(|(a, b)| (a / b - 1.0).abs() < 1e-10)
    );
    for (a, b) in ntk.chunks_exact(201).zip(standard.chunks_exact(201)) {
        assert_eq!(a[0].to_bits(), b[0].to_bits());
        assert!(
            a[1..]
                .iter()
                .zip(&b[1..])
                .all(|(a, b)| (a / b - 1.0).abs() > 1e-6)
        );
    }
}

/// Least squares: no composition of linear maps is better, and the single map gets there.
#[test]
fn no_linear_net_is_below_the_floor() {
    for (hidden, reaches) in [
        ("[]", true),
        ("[12, 12]", false),
        ("[2, 3]", false),
        ("[1]", false),
    ] {
        for more in ["", "bias = false\n"] {
            let text = format!(
                "replicates = 20\n[data]\ndim = 6\n[net]\nhidden = {hidden}\n\
                 activation = \"identity\"\n{more}\
                 [descent]\nrate = {{ of_limit = 0.4 }}\nsteps = 3000\nprecision = \"f64\"\n\
                 [look]\nreplicates = 0"
            );
            let cell = cell(&text);
            for row in record(&text, &Cpu::detect(), 2).rows {
                let floor = linear_floor(&cell, row.replicate).expect("the net is linear");
                let ratio = row.best_loss / floor;
                assert!(
                    ratio > 1.0 - 1e-9 && (!reaches || ratio < 1.0 + 1e-6),
                    "{hidden} {more}: {ratio}"
                );
            }
        }
    }
}

/// σ² = 2, no bias, L hidden ReLU layers: E|φ(z)|²/n = E|a|²/n from layer to layer, so each of the
/// L + 1 weight layers adds 2 |x|²/d to E Θ(x, x), at every width (reference values, section 2).
#[test]
fn the_relu_kernel_has_its_mean_at_every_width() {
    for hidden in ["[40]", "[30, 20]", "[24, 24, 24]"] {
        let cell = cell(&format!(
            "[data]\npoints = 1\ndim = 5\ndraw = \"once\"\n[net]\nhidden = {hidden}\n\
             activation = \"relu\"\nbias = false\n\
             parameterization = \"ntk\"\ninit = {{ normal = {{ variance = 2.0 }} }}\n"
        ));
        let (problem, x) = (cell.problem(), cell.set(0).x);
        let exact =
            2.0 * (problem.sizes.len() - 1) as f64 * x.iter().map(|x| x * x).sum::<f64>() / 5.0;
        let all: Vec<f64> = (0..400)
            .map(|r| observe::kernel(&problem, &Tangent::new(&problem, &cell.weights(r), &x))[0])
            .collect();
        let mean = all.iter().sum::<f64>() / 400.0;
        let variance = all.iter().map(|k| (k - mean) * (k - mean)).sum::<f64>() / 399.0;
        let errors = (mean - exact) / (variance / 400.0).sqrt();
        assert!(
            errors.abs() < 4.0,
            "{hidden}: {mean}, {exact} expected, {errors} errors"
        );
    }
}

/// Reference values, section 2.3: ReLU, two layers of 64, η = N/λmax(Θ₀), 100 runs of another
/// program.
#[test]
fn a_relu_net_takes_the_steps_of_the_reference() {
    for (dim, median) in [(15, 460.0), (5, 1984.0)] {
        let text = format!(
            "replicates = 100\n[data]\ndim = {dim}\n[net]\nhidden = [64, 64]\n\
             activation = \"relu\"\ninit = \"kaiming_normal\"\n\
             [descent]\nloss = \"half_mean\"\nrate = {{ of_limit = 0.5 }}\nsteps = 20000\n\
             precision = \"f64\"\n[look]\nreplicates = 0"
        );
        let record = record(&text, &Cpu::detect(), 2);
        assert_eq!(record.successes(), 100, "dimension {dim}");
        let steps = quantile(&record.hits(), 0.5).expect("all succeed") as f64;
        assert!(
            (steps / median - 1.0).abs() < 0.25,
            "dimension {dim}: {steps} steps"
        );
    }
}

/// With many targets the largest eigenvalue is found without the others, and is the same.
#[test]
fn the_largest_stable_rate_of_many_points_needs_no_spectrum() {
    let cell = cell("[data]\npoints = 1100\ndim = 3\n[net]\nhidden = [8]\n");
    let (problem, weights, set) = (cell.problem(), cell.weights(0), cell.set(0));
    let rule = Rule::of(&cell.setting.descent).expect("plain descent");
    let found = observe::largest_stable_rate(rule, &problem, &weights, &set.x);
    let kernel = observe::kernel(&problem, &Tangent::new(&problem, &weights, &set.x));
    let top = eigen(&kernel, 1100).values[1099];
    let all = rule.largest_stable_rate(problem.loss_factor(), top);
    assert!((found / all - 1.0).abs() < 1e-10, "{found} {all}");
}

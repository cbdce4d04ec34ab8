//! Every engine against the reference, and every instruction set against every other.

use thalweg::engine::cpu::Cpu;
use thalweg::engine::reference::Reference;
use thalweg::engine::{Activation, Engine, Problem};
use thalweg::lab;
use thalweg::record::Outcome;

use crate::{jobs, plan, record, train};

const NETS: [&str; 12] = [
    "hidden = [7, 5]\nactivation = \"tanh\"",
    "hidden = [20]\nactivation = \"gelu\"",
    "hidden = []",
    "hidden = [3, 4, 5, 6]\nactivation = \"silu\"\ninit = \"orthogonal\"",
    "hidden = [9, 2]\nactivation = \"softplus\"\nbias = false",
    "hidden = [6, 6]\nactivation = \"sin\"\ngains = [5.0, 1.0, 1.0]",
    "hidden = [6, 6]\nactivation = \"erf\"\nparameterization = \"ntk\"\ninit = \"lecun_normal\"",
    "hidden = [5, 8]\nactivation = \"sigmoid\"\ninit = \"xavier_normal\"",
    "hidden = [11]\nactivation = \"cos\"\nbias_init = { normal = { std = 0.5 } }",
    "hidden = [8, 8]\nactivation = \"relu\"\ninit = \"kaiming_normal\"",
    "hidden = [8, 8]\nactivation = \"leaky_relu\"\ninit = \"kaiming_uniform\"",
    "hidden = [5, 5]\nactivation = \"abs\"",
];

const METHODS: [&str; 16] = [
    "\"gd\"",
    "{ momentum = { beta = 0.9 } }",
    "{ nesterov = { beta = 0.9 } }",
    "{ adam = {} }",
    "\"sgd\"\nbatch = 3",
    "\"sgd\"\nbatch = 7",
    "{ momentum = {} }\nbatch = 3\ndrop_last = true",
    "{ nesterov = {} }\nbatch = 2",
    "{ adam = {} }\nbatch = 4",
    "\"gd\"\nweight_decay = 0.3",
    "{ momentum = {} }\nweight_decay = 0.3\nclip = { norm = 0.5 }",
    "{ nesterov = {} }\nclip = { value = 0.1 }",
    "{ adam = {} }\nweight_decay = 0.3\nclip = { norm = 0.1 }",
    "{ adamw = {} }\nweight_decay = 0.3",
    "\"gd\"\nclip = { norm = 0.2 }\nbatch = 3",
    "\"gd\"\nclip = { value = 0.05 }\nweight_decay = 0.1",
];

fn cell(net: &str, method: &str, precision: &str, more: &str) -> thalweg::plan::Cell {
    let text = format!(
        "replicates = 37\n[data]\npoints = 7\ndim = 4\n[net]\n{net}\n[descent]\nmethod = {method}\n\
         rate = 0.002\nsteps = 60\nprecision = \"{precision}\"\n{more}"
    );
    plan(&text).cells.remove(0)
}

fn losses(engine: &dyn Engine, cell: &thalweg::plan::Cell, threads: usize) -> Vec<Vec<f64>> {
    let problem: Problem = cell.problem();
    let ends = train(engine, &problem, jobs(cell, 37), threads);
    ends.into_iter()
        .map(|e| [e.losses, e.last.weights, vec![e.best_loss]].concat())
        .collect()
}

/// An activation that is added is held against the reference.
#[test]
fn the_nets_of_these_tests_have_every_activation() {
    for activation in Activation::ALL {
        let name = format!("\"{}\"", activation.name());
        // The one without hidden layers applies none.
        let identity = activation == Activation::Identity;
        assert!(
            identity || NETS.iter().any(|net| net.contains(&name)),
            "{name}"
        );
    }
}

/// 37 replicates: no multiple of any lane count. Every net with gradient descent and every rule
/// with one net, each loss of the grid and each final weight.
#[test]
fn every_engine_agrees_with_the_reference() {
    let cases = NETS
        .iter()
        .map(|n| (*n, METHODS[0]))
        .chain(METHODS.iter().map(|m| (NETS[0], *m)));
    for (net, method) in cases.chain(METHODS.map(|method| (NETS[6], method))) {
        for loss in ["sum", "half_mean"] {
            let cell = cell(net, method, "f64", &format!("loss = \"{loss}\""));
            let right = losses(&Reference, &cell, 1);
            for (name, cpu) in Cpu::all() {
                for (r, (a, b)) in right.iter().zip(losses(&cpu, &cell, 1)).enumerate() {
                    for (a, b) in a.iter().zip(&b) {
                        let far = (a - b).abs() / a.abs().max(1e-3);
                        assert!(
                            far < 1e-10,
                            "{name}, {net}, {method}, replicate {r}: {a} {b}"
                        );
                    }
                }
            }
        }
    }
}

/// The arithmetic is defined, not left to the processor.
#[test]
fn every_instruction_set_gives_the_same_bits() {
    for precision in ["f32", "f64"] {
        for (net, method) in NETS
            .iter()
            .map(|n| (*n, METHODS[0]))
            .chain(METHODS.map(|m| (NETS[0], m)))
        {
            let cell = cell(net, method, precision, "");
            let all: Vec<_> = Cpu::all()
                .into_iter()
                .map(|(name, cpu)| (name, losses(&cpu, &cell, 1)))
                .collect();
            for (name, other) in &all[1..] {
                assert_eq!(all[0].1, *other, "{} and {name}: {net}, {method}", all[0].0);
            }
        }
    }
}

/// Lanes are replicates in a group and units in a network trained on its own; the sums are the
/// same.
#[test]
fn a_network_on_its_own_gives_the_bits_of_a_group() {
    let wide = "hidden = [67, 33]\nactivation = \"tanh\"";
    let three = "hidden = [16, 17, 32]\nactivation = \"cos\"";
    let more = [wide, three];
    let nets = NETS.iter().chain(&more).map(|n| (*n, METHODS[0]));
    for (net, method) in nets.chain(METHODS.map(|m| (three, m))) {
        for precision in ["f32", "f64"] {
            let cell = cell(net, method, precision, "stop = \"never\"");
            let problem = cell.problem();
            for (name, cpu) in Cpu::all() {
                let together = train(&cpu, &problem, jobs(&cell, 37), 1);
                for one in [0, 36] {
                    let alone = train(&cpu, &problem, vec![jobs(&cell, 37)[one].clone()], 1);
                    assert_eq!(together[one..=one], alone[..], "{name}, {net}, {method}");
                }
            }
        }
    }
}

/// More points and units than stay in the nearest cache at once: points and sums are then cut in
/// blocks, and a sum goes on where its last block left it.
#[test]
fn sums_cut_in_blocks_have_the_bits_of_whole_ones() {
    for (activation, precision) in [("relu", "f32"), ("tanh", "f64"), ("gelu", "f32")] {
        let text = format!(
            "replicates = 17\n[data]\npoints = 61\ndim = 27\n[net]\nhidden = [70, 37, 45]\n\
             activation = \"{activation}\"\n[descent]\nrate = 0.0001\nsteps = 8\n\
             precision = \"{precision}\"\nstop = \"never\""
        );
        let cell = plan(&text).cells.remove(0);
        let problem = cell.problem();
        for (name, cpu) in Cpu::all() {
            let together = train(&cpu, &problem, jobs(&cell, 17), 1);
            for one in [0, 16] {
                let alone = train(&cpu, &problem, vec![jobs(&cell, 17)[one].clone()], 1);
                assert_eq!(
                    together[one..=one],
                    alone[..],
                    "{name}, {activation}, {precision}"
                );
            }
        }
        if precision == "f64" {
            let ours = train(&Cpu::detect(), &problem, jobs(&cell, 17), 1);
            let theirs = train(&Reference, &problem, jobs(&cell, 2), 1);
            for (ours, theirs) in ours.iter().zip(&theirs) {
                for (a, b) in ours.last.weights.iter().zip(&theirs.last.weights) {
                    assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
                }
            }
        }
    }
}

/// Threads, the company in a group, the order of arrival: nothing but the cell and the number.
#[test]
fn a_replicate_does_not_feel_its_neighbours() {
    let cell = cell(
        NETS[0],
        METHODS[0],
        "f32",
        "stop = \"below\"\n[success]\nloss_below = 0.5",
    );
    let problem = cell.problem();
    let engine = Cpu::detect();
    let together = train(&engine, &problem, jobs(&cell, 37), 1);
    assert_eq!(together, train(&engine, &problem, jobs(&cell, 37), 3));
    let mut shuffled = jobs(&cell, 37);
    shuffled.rotate_left(11);
    assert_eq!(together, train(&engine, &problem, shuffled, 2));
    for one in [0, 17, 36] {
        let alone = train(&engine, &problem, vec![jobs(&cell, 37)[one].clone()], 1);
        assert_eq!(together[one..=one], alone[..]);
    }
}

/// Far above the limit of stability the loss explodes; the others are not disturbed.
#[test]
fn a_replicate_that_diverges_is_a_result() {
    let cell = cell(NETS[9], METHODS[0], "f32", "");
    let problem = cell.problem();
    let mut all = jobs(&cell, 20);
    all[5].rate = 1e3;
    for engine in [&Reference as &dyn Engine, &Cpu::detect()] {
        let ends = train(engine, &problem, all.clone(), 1);
        assert!(matches!(ends[5].outcome, Outcome::Diverged { step } if step < 60));
        assert!(
            ends.iter()
                .all(|e| e.replicate == 5 || e.outcome == Outcome::Spent)
        );
    }
}

/// With no hidden unit alive only the output bias learns, and it converges to the mean of y; then
/// no bit changes any more.
#[test]
fn a_dead_relu_net_is_fixed_not_spent() {
    let text = "replicates = 5\n[data]\npoints = 6\ndim = 2\n[net]\nhidden = [4]\n\
                activation = \"relu\"\n\
                [descent]\nrate = 0.05\nsteps = 100000";
    let cell = plan(text).cells.remove(0);
    let problem = cell.problem();
    let mut all = jobs(&cell, 5);
    for job in &mut all {
        // First-layer weights 0 and biases -1: every unit is off on every point.
        job.weights[..8].fill(0.0);
        job.weights[8..12].fill(-1.0);
    }
    // One at a time, and enough of them for a group.
    let many = all.iter().cycle().take(20).cloned().collect::<Vec<_>>();
    for (engine, jobs) in [
        (&Reference as &dyn Engine, &all),
        (&Cpu::detect(), &all),
        (&Cpu::detect(), &many),
    ] {
        for end in train(engine, &problem, jobs.clone(), 1) {
            assert!(
                matches!(end.outcome, Outcome::Fixed { step } if step < 2000),
                "{:?}",
                end.outcome
            );
            let y = &all[end.replicate as usize].y;
            let mean = y.iter().sum::<f64>() / 6.0;
            let floor: f64 = y.iter().map(|y| (y - mean) * (y - mean)).sum();
            assert!((end.last.loss / floor - 1.0).abs() < 1e-5);
        }
    }
}

/// `stop = "never"` makes every step and still knows when it was first below.
#[test]
fn a_run_to_the_end_knows_its_first_step_below() {
    let base = "replicates = 20\n[data]\npoints = 3\n[descent]\nrate = 0.02\nsteps = 3000\n";
    let stopped = record(base, &Cpu::detect(), 2);
    let whole = record(&format!("{base}stop = \"never\""), &Cpu::detect(), 2);
    for (a, b) in stopped.rows.iter().zip(&whole.rows) {
        assert_eq!((a.outcome, a.first_below), (b.outcome, b.first_below));
        assert!(a.reached() && a.steps < 3000 && b.best_loss <= a.final_loss);
    }
}

/// At half the limit measured on each replicate, a linear model's slowest stable mode decays; at
/// 1.05 times twice that it must diverge (reference values, trap 2: the factor of the loss).
#[test]
fn linear_regression_diverges_exactly_above_the_limit() {
    for loss in ["sum", "mean", "half_sum", "half_mean"] {
        for (of_limit, diverges) in [(0.98, false), (1.02, true)] {
            let text = format!(
                "replicates = 10\n[net]\nhidden = []\n[descent]\nloss = \"{loss}\"\n\
                 precision = \"f64\"\n\
                 rate = {{ of_limit = {of_limit} }}\nsteps = 20000\n"
            );
            for row in record(&text, &Cpu::detect(), 2).rows {
                let diverged = matches!(row.outcome, Outcome::Diverged { .. });
                assert_eq!(diverged, diverges, "{loss} {of_limit} {:?}", row.outcome);
            }
        }
    }
}

/// Seven units in lanes of eight or sixteen. Replicate 7 stands still after some 1200 steps; with
/// few replicates on one thread it is trained in the slot of one that overflowed.
#[test]
fn an_outcome_depends_neither_on_replicates_nor_on_threads() {
    let text = |replicates: u64| {
        format!(
            "replicates = {replicates}\n[data]\npoints = 3\ndim = 3\n[net]\n\
             hidden = [7, 7, 7, 7, 7, 7]\nactivation = \"leaky_relu\"\ninit = \"kaiming_normal\"\n\
             [descent]\nrate = 0.1\nsteps = 5000\n[success]\nloss_below = 1e-30\n\
             [look]\nreplicates = 0\n"
        )
    };
    let engine = Cpu::detect();
    let wanted = record(&text(40), &engine, 1).rows;
    assert!(
        matches!(wanted[7].outcome, Outcome::Fixed { step } if step < 2000),
        "{:?}",
        wanted[7]
    );
    for (replicates, threads) in [(8, 1), (8, 8), (40, 8)] {
        let rows = record(&text(replicates), &engine, threads).rows;
        assert_eq!(
            format!("{rows:?}"),
            format!("{:?}", &wanted[..replicates as usize]),
            "{replicates} replicates on {threads} threads"
        );
    }
    let cell = plan(&text(8)).cells.remove(0);
    let (_, again) = lab::replay(&cell, &engine, 7, &crate::control()).expect("nothing stops it");
    assert_eq!(again.outcome, wanted[7].outcome);
}

/// Without weight decay AdamW is Adam, a bound that no gradient reaches clips nothing, and momentum
/// without memory is descent.
#[test]
fn what_changes_nothing_changes_no_bit() {
    for (precision, more) in [("f32", ""), ("f64", "batch = 3\n")] {
        for (a, b) in [
            ("{ adamw = {} }", "{ adam = {} }"),
            (
                "{ nesterov = {} }\nclip = { norm = 1e9 }",
                "{ nesterov = {} }",
            ),
            ("{ adam = {} }\nclip = { value = 1e9 }", "{ adam = {} }"),
            (
                "{ momentum = { beta = 0.0 } }",
                "\"gd\"\nclip = { value = 1e9 }",
            ),
        ] {
            let of =
                |method: &str| losses(&Cpu::detect(), &cell(NETS[0], method, precision, more), 1);
            assert_eq!(of(a), of(b), "{precision}, {a}");
        }
    }
}

/// Gradient descent with weight decay ends where ∂L/∂θ = −λ θ, in either parameterization: there no
/// bit changes, and with a rule that remembers it is the same place.
#[test]
fn weight_decay_comes_to_rest_where_it_balances_the_gradient() {
    for net in ["", "parameterization = \"ntk\"\ninit = \"lecun_normal\""] {
        let text = |method: &str| {
            format!(
                "[data]\npoints = 4\ndim = 2\n[net]\nhidden = [3]\n{net}\n[descent]\n\
                 method = {method}\nweight_decay = 0.2\nrate = 0.01\nsteps = 200000\n\
                 precision = \"f64\""
            )
        };
        let cell = plan(&text("\"gd\"")).cells.remove(0);
        let problem = cell.problem();
        let all = jobs(&cell, 20);
        for engine in [&Reference as &dyn Engine, &Cpu::detect()] {
            let mut at_rest = 0;
            for end in train(engine, &problem, all.clone(), 1) {
                // A step of descent without decay from there goes by η λ θ.
                let free = Problem {
                    weight_decay: 0.0,
                    steps: 1,
                    ..problem.clone()
                };
                let job = thalweg::engine::Job {
                    weights: end.last.weights.clone(),
                    ..all[end.replicate as usize].clone()
                };
                let next = train(&Reference, &free, vec![job], 1).remove(0);
                let pairs = next.last.weights.iter().zip(&end.last.weights);
                let far = pairs.map(|(new, old)| (new - old - 0.01 * 0.2 * old).abs());
                let balanced = far.fold(0.0, f64::max) < 1e-12;
                assert!(
                    balanced || end.outcome == Outcome::Spent,
                    "{:?}",
                    end.outcome
                );
                at_rest += u64::from(balanced);
            }
            // Where a unit is about to vanish the last of the way is long.
            assert!(at_rest >= 15, "{at_rest} of 20");
        }
        let remembers = plan(&text("{ momentum = {} }")).cells.remove(0).problem();
        let ends = train(&Cpu::detect(), &problem, all.clone(), 1);
        let others = train(&Cpu::detect(), &remembers, all, 1);
        for (a, b) in ends.iter().zip(&others) {
            // Either may find another minimum; most do not.
            let same = (a.last.loss / b.last.loss - 1.0).abs() < 1e-9;
            assert!(
                same || a.last.loss > 1e-6,
                "{} {}",
                a.last.loss,
                b.last.loss
            );
        }
    }
}

/// No step along a gradient clipped to norm c is longer than η c; one clipped by value moves no
/// number by more than η c.
#[test]
fn a_clipped_step_is_no_longer_than_its_bound() {
    for (clip, bound) in [("{ norm = 0.3 }", 0.3), ("{ value = 0.02 }", 0.02)] {
        let cell = cell(NETS[0], &format!("\"gd\"\nclip = {clip}"), "f64", "");
        let problem = Problem {
            steps: 1,
            ..cell.problem()
        };
        let all = jobs(&cell, 20);
        let mut reached = 0;
        for end in train(&Cpu::detect(), &problem, all.clone(), 1) {
            let job = &all[end.replicate as usize];
            let moved = end
                .last
                .weights
                .iter()
                .zip(&job.weights)
                .map(|(a, b)| a - b);
            let size = if clip.contains("norm") {
                moved.map(|m| m * m).sum::<f64>().sqrt()
            } else {
                moved.map(f64::abs).fold(0.0, f64::max)
            };
            let share = size / (job.rate * bound);
            assert!(share <= 1.0 + 1e-9, "{share}");
            reached += u64::from(share > 0.999);
        }
        assert!(reached > 10, "{reached}");
    }
}

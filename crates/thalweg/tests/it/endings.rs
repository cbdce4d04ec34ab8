//! Runs whose end is known by construction are told apart: saddles, plateaus, dead and saturated
//! layers, losses that fluctuate or come back.

use thalweg::analysis::cause::{Cause, CauseKind, Critical};
use thalweg::data::Set;
use thalweg::descent::Stop;
use thalweg::engine::cpu::Cpu;
use thalweg::engine::{Job, Problem};
use thalweg::lab::{self, Control};
use thalweg::observe::{Tangent, curvature};
use thalweg::plan::Cell;
use thalweg::record::{Observation, Outcome, Tail};
use thalweg::seed::{Purpose, stream};
use thalweg::{Inputs, explain};

use crate::verdicts::{TANH, causes, causes_of, study};
use crate::{source, train};

/// A cell of so many replicates on twenty normal points in five dimensions.
fn plain(replicates: u64, net: &str, descent: &str) -> Cell {
    let mut random = stream(5, 0, Purpose::Data, 0);
    let mut normals = |n: usize| (0..n).map(|_| random.normal()).collect::<Vec<f64>>();
    let set = Set {
        points: 20,
        x: normals(100),
        y: normals(20),
    };
    let text = format!(
        "replicates = {replicates}\n[data]\nfile = \"mine\"\n[net]\n{net}\n[descent]\n\
         precision = \"f64\"\n{descent}\n[look]\nreplicates = {replicates}\n\
         [keep]\nreplicates = 0\n"
    );
    let inputs = Inputs::default()
        .with_data("mine", set)
        .expect("it is a set");
    let plan = source(&text).plan(&inputs).expect("it is right");
    plan.cells[0].clone()
}

/// One hidden layer at zero is a strict saddle: half of the directions that mix both layers go
/// down. Two layers at zero have no Hessian at all.
#[test]
fn zero_weights_are_a_saddle_with_one_layer_and_degenerate_with_two() {
    for (hidden, kind, point) in [
        ("[6]", CauseKind::Saddle, Critical::Saddle),
        ("[6, 6]", CauseKind::Degenerate, Critical::Degenerate),
    ] {
        let net = format!(
            "hidden = {hidden}\nactivation = \"tanh\"\nbias = false\ninit = {{ constant = 0.0 }}"
        );
        let cell = plain(1, &net, "rate = 0.001\nsteps = 2000");
        let told = explain(&cell, &Cpu::detect(), 0, None, &Control::default());
        let told = told.expect("nothing stops it");
        let Cause::Stationary {
            point: Some(found),
            leaves_in,
            ..
        } = told.replicate.cause
        else {
            panic!("{:?}", told.replicate.cause);
        };
        assert_eq!((found, told.replicate.cause.kind()), (point, kind));
        let whole = told.curvature.expect("it is small");
        assert_eq!(whole.negative() > 0, point == Critical::Saddle);
        // The kernel is zero: it has no slowest mode, and nothing is a share of it.
        assert!(told.slowest.is_none() && told.replicate.slow_points.is_none());
        assert!(told.replicate.kernel_moved.is_none() && told.replicate.layer_shares.is_none());
        if let Some(steps) = leaves_in {
            let exact = 1.0 / (-0.001 * whole.eigenvalues[0]).ln_1p();
            assert!((steps - exact).abs() < 1e-3 * exact, "{steps} {exact}");
        }
        let (_, all) = causes_of(cell);
        assert_eq!(all[0].3.kind(), kind, "the table says the same");
    }
}

/// A rate is to blame, and not a stationary point, for a run that hardly moved where the gradient
/// is as large as at the start; its steps are those of its kernel, in inverse proportion to the
/// rate.
#[test]
fn a_tiny_rate_is_too_slow_and_not_stuck() {
    let of = |rate: &str| {
        causes(&study(
            TANH,
            "dim = 8",
            &format!("rate = {rate}\nsteps = 500"),
        ))
        .1
    };
    for ((_, _, _, tiny), (_, _, _, small)) in of("1e-11").iter().zip(of("1e-8")) {
        let (Cause::TooSlow { more: Some(a), .. }, Cause::TooSlow { more: Some(b), .. }) =
            (tiny, &small)
        else {
            panic!("{tiny:?} {small:?}");
        };
        let ratio = *a as f64 / *b as f64;
        assert!((ratio / 1000.0 - 1.0).abs() < 0.01, "{ratio}");
    }
}

/// How much the gradient grows in the steps in which a deviation is said to grow e-fold.
fn growth(cell: &Cell, replicate: u64, last: &Observation, steps: f64) -> f64 {
    let problem = cell.problem();
    let (job, end) = lab::replay(cell, &Cpu::detect(), replicate, &Control::default())
        .expect("nothing stops it");
    let on = Problem {
        steps: steps as u64,
        // An engine ends a budget where its grid does.
        grid: vec![0, steps as u64].into(),
        ..problem.clone()
    };
    let job = Job {
        weights: end.last.weights,
        snapshots: Vec::new(),
        watch: Vec::new(),
        ..job
    };
    let set = cell.set(replicate);
    let later = train(&Cpu::detect(), &on, vec![job], 1).remove(0);
    let at = Tangent::new(&problem, &later.last.weights, &set.x);
    let residuals = at.outputs.iter().zip(&set.y);
    let r: Vec<f64> = residuals.map(|(f, y)| 2.0 * (f - y)).collect();
    let gradient = at.pull_back(&problem, &r);
    let now = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    now / last.gradient_norm.expect("asked for")
}

/// Tiny weights begin next to the saddle at zero and leave it: what looks like a kernel without
/// rank is a plateau, the gradient grows as the curvature says, and given the steps the runs
/// arrive.
#[test]
fn a_plateau_is_being_left_and_not_rank_deficient() {
    let e = std::f64::consts::E;
    for (hidden, rate, steps) in [("[16]", 1e-3, 100), ("[16, 16]", 0.01, 2000)] {
        let net = format!(
            "hidden = {hidden}\nactivation = \"tanh\"\nbias = false\n\
             init = {{ normal = {{ variance = 1e-6 }} }}"
        );
        let of = |steps: u64| plain(12, &net, &format!("rate = {rate}\nsteps = {steps}"));
        let (cell, all) = causes_of(of(steps));
        let mut grown = Vec::new();
        for (row, _, last, why) in &all {
            let Cause::Plateau {
                curvature,
                leaves_in,
            } = why
            else {
                panic!("{hidden}: {why:?} {:?}", last.course);
            };
            assert!(*curvature < 0.0 && *leaves_in <= steps as f64);
            grown.push(growth(&cell, row.replicate, last, *leaves_in));
        }
        let right = grown.iter().filter(|g| (0.5 * e..2.0 * e).contains(*g));
        assert!(right.count() >= 11, "{hidden}: {grown:?}");
        let (_, long) = causes_of(of(200_000));
        let there = long.iter().filter(|(row, ..)| row.reached()).count();
        assert!(there >= 11, "{hidden}: {there}");
    }
}

/// A run whose loss still falls is on no plateau, however negative a curvature: it is slow.
#[test]
fn a_run_that_still_falls_is_on_no_plateau() {
    for dim in [5, 15] {
        let text = study(
            "hidden = [8, 8]\nactivation = \"tanh\"\ninit = \"kaiming_normal\"",
            &format!("dim = {dim}"),
            "rate = 0.0005\nsteps = 200",
        );
        for (.., last, why) in causes(&text.replace("points = 8", "points = 20")).1 {
            let tail = last
                .course
                .and_then(|course| course.tail)
                .expect("it made all steps");
            assert!(tail.fell() > Some(1.1), "{tail:?}");
            assert_eq!(why.kind(), CauseKind::TooSlow, "{why:?}");
        }
    }
}

/// Every unit of a layer dead: named so at any width, whether born so or not, with the loss of the
/// best constant.
#[test]
fn dead_layers_are_named_whatever_the_width() {
    let mut found = 0;
    for (net, points) in [
        ("hidden = [2, 2]", 8),
        ("hidden = [1, 1]", 8),
        ("hidden = [2, 2]", 30),
        ("hidden = [4, 4]", 8),
    ] {
        let net =
            format!("{net}\nactivation = \"relu\"\nbias_init = {{ normal = {{ std = 30.0 }} }}");
        let text = study(&net, "dim = 9", "rate = 0.001\nsteps = 20000");
        let text = text.replace("points = 8", &format!("points = {points}"));
        let (cell, all) = causes(&text);
        for (row, _, last, why) in &all {
            let whole = last.dead.as_ref().expect("asked for");
            let layer = whole
                .iter()
                .zip(&cell.setting.net.hidden)
                .position(|(n, w)| *n == *w as u64);
            let Some(layer) = layer else {
                assert_ne!(why.kind(), CauseKind::Dead, "{why:?}");
                continue;
            };
            found += 1;
            let y = cell.set(row.replicate).y;
            let mean = y.iter().sum::<f64>() / y.len() as f64;
            let spread: f64 = y.iter().map(|y| (y - mean) * (y - mean)).sum();
            let Cause::Dead {
                layer: told, floor, ..
            } = why
            else {
                panic!("{why:?}");
            };
            assert_eq!(*told, layer + 1);
            assert!((floor - spread).abs() < 1e-12 * spread && row.final_loss >= floor * 0.999_999);
            assert!(last.output_spread < Some(1e-20));
        }
    }
    assert!(found >= 8, "{found}");
}

/// Weights so large that a sigmoid is flat: saturated. The same network with usual weights is not.
#[test]
fn saturated_layers_are_named() {
    let of = |variance: f64| {
        let net = format!(
            "hidden = [16, 16]\nactivation = \"sigmoid\"\n\
             init = {{ normal = {{ variance = {variance} }} }}"
        );
        causes_of(plain(8, &net, "rate = 1e-4\nsteps = 3000")).1
    };
    for (.., last, why) in of(1e6) {
        let Cause::Saturated {
            share, at_start, ..
        } = why
        else {
            panic!("{why:?} {:?}", last.saturation);
        };
        assert!(share > 0.9 && at_start > Some(0.9));
    }
    assert!(
        of(4.0)
            .iter()
            .all(|(.., why)| why.kind() != CauseKind::Saturated)
    );
}

/// With `stop = "never"` a run that was below and is above at the end reached the loss and left it,
/// and with `stop = "below"` it ends where it first was below.
#[test]
fn a_run_that_leaves_the_loss_again_reached_it() {
    let text = "replicates = 12\n[data]\npoints = 16\ndim = 100\n[net]\nhidden = []\n[descent]\n\
                method = { adam = {} }\nrate = 1e-2\nsteps = 3_000\nstop = \"never\"\n\
                precision = \"f32\"\n[success]\nloss_below = 1e-9\n[look]\nreplicates = 12\n";
    let (mut cell, all) = causes(text);
    cell.setting.descent.stop = Stop::Below;
    let (_, stopped) = causes_of(cell);
    let mut left = 0;
    for ((row, _, _, why), (early, ..)) in all.iter().zip(&stopped) {
        assert_eq!(
            why.kind() == CauseKind::Left,
            !row.reached() && row.first_below.is_some()
        );
        if let Cause::Left { first_below, .. } = why {
            left += 1;
            assert_eq!(early.outcome, Outcome::Below { step: *first_below });
        }
    }
    assert!(left >= 1, "{left}");
}

/// Under Adam and mini-batches a failed run that looks at all has a cause, and it is never the edge
/// of stability of plain descent: one that still halves its loss is slow, one that does not and
/// goes up and down fluctuates.
#[test]
fn rules_without_a_linear_theory_have_causes_too() {
    let (mut slow, mut fluctuating, mut undecided, mut all) = (0, 0, 0, 0);
    for descent in [
        "method = { adam = {} }\nrate = 0.1\nsteps = 2000",
        "method = { adam = {} }\nrate = 1e-5\nsteps = 500",
        "batch = 2\nrate = 0.02\nsteps = 2000",
        "batch = 2\nrate = 1e-5\nsteps = 2000",
    ] {
        for (row, _, last, why) in causes(&study(TANH, "dim = 2", descent)).1 {
            if row.reached() {
                continue;
            }
            all += 1;
            match why.kind() {
                CauseKind::TooSlow => slow += 1,
                CauseKind::Fluctuating => fluctuating += 1,
                CauseKind::Undecided => undecided += 1,
                CauseKind::AtTheEdge => panic!("{why:?}"),
                _ => {}
            }
            let tail = last.course.and_then(|course| course.tail);
            let Some(tail) = tail.filter(|_| row.outcome == Outcome::Spent) else {
                continue;
            };
            if let Cause::Fluctuating {
                lowest, highest, ..
            } = why
            {
                assert!(lowest <= row.final_loss && row.final_loss <= highest);
                assert!(tail.loss_from < 2.0 * row.final_loss && tail.rises > 0);
            }
        }
    }
    assert!(
        slow >= 12 && fluctuating >= 4,
        "{slow} {fluctuating} of {all}"
    );
    assert!(20 * undecided <= all, "{undecided} of {all}");
}

/// A kernel that shrinks below the limit without the loss ever rising throws nothing.
#[test]
fn nothing_is_catapulted_whose_loss_never_rose() {
    let net = "hidden = [64, 64]\nactivation = \"relu\"\ninit = \"kaiming_normal\"";
    let mut thrown = 0;
    for method in ["\"gd\"", "{ nesterov = { beta = 0.9 } }"] {
        let descent = format!("method = {method}\nrate = {{ of_limit = 1.3 }}\nsteps = 4000");
        for (.., last, why) in causes(&study(net, "dim = 15", &descent)).1 {
            let rose = last.course.expect("it is the last look").rose;
            let catapulted = why.kind() == CauseKind::Catapulted;
            assert!(rose || !catapulted, "{why:?}");
            thrown += u64::from(catapulted);
        }
    }
    assert!(thrown >= 6, "{thrown}");
}

/// The slowest mode is told where it is one: a null space of several dimensions has none.
#[test]
fn a_null_space_has_no_slowest_mode() {
    let tell = |dim: u64, points: u64| {
        let text = format!(
            "replicates = 1\n[data]\npoints = {points}\ndim = {dim}\n[net]\nhidden = []\n\
             [descent]\nprecision = \"f64\"\nrate = {{ of_limit = 0.5 }}\nsteps = 500\n"
        );
        let cell = crate::plan(&text).cells.remove(0);
        explain(&cell, &Cpu::detect(), 0, None, &Control::default()).expect("nothing stops it")
    };
    // Rank d + 1 of N: full, one short, two short.
    assert!(tell(7, 8).slowest.is_some());
    assert!(tell(6, 8).slowest.is_some());
    let several = tell(5, 8);
    assert!(several.slowest.is_none() && several.replicate.slow_points.is_none());
    assert!(several.replicate.leave_one_out.is_none());
}

/// At the minimum of a linear network its Hessian has no negative eigenvalue, whatever the size of
/// inputs and targets; the two that scaling one layer against the other leaves are zero.
#[test]
fn rounding_makes_no_negative_eigenvalue() {
    for (size, rate) in [(1.0, 1e-2), (100.0, 1e-4)] {
        let set = Set {
            points: 50,
            x: (0..50).map(|i| f64::from(i) / 24.5 - 1.0).collect(),
            y: (0..50).map(|i| size * f64::from(i * i) / 2500.0).collect(),
        };
        let inputs = Inputs::default()
            .with_data("mine", set)
            .expect("it is a set");
        let text = format!(
            "replicates = 4\n[data]\nfile = \"mine\"\n[net]\nhidden = [1]\n\
             activation = \"identity\"\ninit = \"xavier_uniform\"\n[descent]\n\
             precision = \"f64\"\nloss = \"mean\"\nrate = {rate}\nsteps = 400_000\n"
        );
        let cell = source(&text)
            .plan(&inputs)
            .expect("it is right")
            .cells
            .remove(0);
        let (job, end) =
            lab::replay(&cell, &Cpu::detect(), 1, &Control::default()).expect("nothing stops it");
        let problem = cell.problem();
        let at = Tangent::new(&problem, &end.last.weights, &job.x);
        let r: Vec<f64> = at.outputs.iter().zip(&job.y).map(|(f, y)| f - y).collect();
        let whole = curvature(&problem, &end.last.weights, &at, &r);
        assert_eq!(whole.negative(), 0, "{:?}", whole.eigenvalues);
        assert_eq!(whole.rank(), 2, "{:?}", whole.eigenvalues);
    }
}

/// A record of before has none of the later measurements, and is read all the same.
#[test]
fn a_look_without_the_later_measurements_is_read() {
    let look = Observation {
        step: 3,
        dead_units: Some(2),
        ..Observation::default()
    };
    let mut written = serde_json::to_value(&look).expect("it is plain data");
    let fields = written.as_object_mut().expect("it has fields");
    for later in ["dead", "saturation", "output_spread", "course"] {
        assert!(fields.remove(later).is_some(), "{later}");
    }
    let read: Observation = serde_json::from_value(written).expect("it is a look");
    assert_eq!(read, look);
}

/// A tail of losses that only fall never rose, and one that comes back did.
#[test]
fn a_tail_tells_whether_the_loss_rose() {
    let tail = Tail {
        from: 50,
        loss_from: 2.0,
        loss_to: 1.0,
        lowest: 1.0,
        highest: 2.0,
        compared: 50,
        rises: 0,
    };
    assert!(!tail.rose() && tail.fell() == Some(2.0));
    assert!(
        Tail { rises: 1, ..tail }.rose()
            && Tail {
                highest: 3.0,
                ..tail
            }
            .rose()
    );
    assert_eq!(
        Tail {
            loss_to: 2.5,
            ..tail
        }
        .fell(),
        None
    );
}

/// Where weight decay holds the loss up the gradient is balanced, not lost to rounding and not
/// zero; and a dead layer that decays may come back.
#[test]
fn what_weight_decay_holds_up_is_blamed_on_nothing_else() {
    let (mut held, mut all) = (0, 0);
    for method in ["\"gd\"", "{ momentum = {} }", "{ adamw = {} }"] {
        let descent = format!("method = {method}\nweight_decay = 0.3\nrate = 0.005\nsteps = 20000");
        for (row, _, last, why) in causes(&study(TANH, "dim = 2", &descent)).1 {
            if row.reached() {
                continue;
            }
            all += 1;
            held += u64::from(why.kind() != CauseKind::TooSlow);
            let allowed = matches!(
                why.kind(),
                CauseKind::TooSlow
                    | CauseKind::Fluctuating
                    | CauseKind::Undecided
                    | CauseKind::Diverged
            );
            assert!(allowed, "{method}: {why:?} at {}", last.loss);
        }
    }
    assert!(held > 10, "{held} of {all}");
}

//! A replicate that is trained where another one was before ends in the bits that it has alone.

use std::sync::Mutex;

use proptest::prelude::*;
use thalweg_engine::cpu::Cpu;
use thalweg_engine::reference::Reference;
use thalweg_engine::seed::{Purpose, stream};
use thalweg_engine::{
    Activation, Batch, Clip, Criterion, Engine, Error, Job, Loss, Method, Milestone, Outcome,
    Output, Precision, Problem, Queue, Trained,
};

/// Hands out jobs in order, and says that so many remain, whatever there are: an engine lays out
/// its lanes by that number.
struct Forced {
    jobs: Mutex<Vec<Job>>,
    trained: Mutex<Vec<Trained>>,
    remaining: u64,
}

impl Queue for Forced {
    fn next(&self) -> Option<Job> {
        self.jobs.lock().expect("no panic").pop()
    }
    fn finish(&self, trained: Trained) {
        self.trained.lock().expect("no panic").push(trained);
    }
    fn remaining(&self) -> u64 {
        self.remaining
    }
    fn progress(&self, _: u64, _: u64) -> bool {
        true
    }
}

/// Keeps what is cut too.
struct Cutting {
    inner: Forced,
    cuts: Mutex<Vec<Trained>>,
}

impl Queue for Cutting {
    fn next(&self) -> Option<Job> {
        self.inner.next()
    }
    fn finish(&self, trained: Trained) {
        self.inner.finish(trained);
    }
    fn cut(&self, trained: Trained) {
        self.cuts.lock().expect("no panic").push(trained);
    }
    fn remaining(&self) -> u64 {
        self.inner.remaining()
    }
    fn progress(&self, steps: u64, room: u64) -> bool {
        self.inner.progress(steps, room)
    }
}

/// Trains jobs one after the other in the layout of `remaining` replicates; the last one.
fn train_last(engine: &dyn Engine, problem: &Problem, jobs: &[Job], remaining: u64) -> Trained {
    let queue = Forced {
        jobs: Mutex::new(jobs.iter().rev().cloned().collect()),
        trained: Mutex::new(Vec::new()),
        remaining,
    };
    let done = engine.train(problem, &queue, 1);
    done.expect("the problem fits");
    let trained = queue.trained.into_inner().expect("no panic");
    let last = jobs.last().expect("there are jobs").replicate;
    let mut found = trained.into_iter().filter(|t| t.replicate == last);
    found.next().expect("every job ends")
}

/// All that must agree, NaN with NaN: outcome, steps, losses, weights.
fn bits(trained: &Trained) -> (String, u64, Vec<u64>) {
    let bits = |v: &f64| if v.is_nan() { u64::MAX } else { v.to_bits() };
    let numbers = [
        &trained.losses[..],
        &trained.all_losses[..],
        &trained.watched[..],
        &trained.last.weights[..],
        &[trained.best_loss, trained.last.loss],
    ];
    let numbers = numbers.concat().iter().map(bits).collect();
    (
        format!("{:?} {:?}", trained.outcome, trained.first_below),
        trained.last.step,
        numbers,
    )
}

/// A problem of these hidden layers and one output.
fn problem(hidden: &[usize], dim: usize, points: usize) -> Problem {
    with_outputs(hidden, dim, points, 1)
}

/// A problem of these hidden layers and so many outputs.
fn with_outputs(hidden: &[usize], dim: usize, points: usize, outputs: usize) -> Problem {
    let sizes = [&[dim], hidden, &[outputs]].concat();
    Problem {
        success: Criterion::Loss { below: 1e-20 },
        precision: Precision::F32,
        grid: vec![0, 1, 2, 5, 10, 30, 60].into(),
        ..Problem::descent(sizes, true, points, 60)
    }
}

/// A job with normal inputs and targets, and weights of this size.
fn job(problem: &Problem, replicate: u64, rate: f64, size: f64) -> Job {
    let mut random = stream(7, replicate, Purpose::Data, 0);
    let mut normals =
        |n: usize, size: f64| -> Vec<f64> { (0..n).map(|_| size * random.normal()).collect() };
    let parameters = problem.tensors.last().map_or(0, |t| t.range().end);
    Job {
        replicate,
        tag: 0,
        x: normals(problem.points * problem.sizes[0], 1.0),
        y: normals(problem.targets(), 1.0),
        weights: normals(parameters, size),
        rate,
        seed: 3,
        snapshots: Vec::new(),
        keep_best: false,
        keep_losses: true,
        watch: vec![0, 3, 4, 29, 60],
        cuts: Vec::new(),
    }
}

/// Outputs, losses and criteria of success that go together.
fn ends() -> impl Strategy<Value = (Output, Loss, Criterion)> {
    let success = [
        Criterion::Loss { below: 1e-20 },
        Criterion::Error { below: 0.1 },
        Criterion::Accuracy {
            least: 0.7,
            boundary: 0.0,
        },
    ];
    let all = (
        prop::sample::select(&Output::ALL[..]),
        prop::sample::select(&Loss::ALL[..]),
        prop::sample::select(success.to_vec()),
    );
    all.prop_map(|(output, loss, success)| match loss.is_squared() {
        true => (output, loss, success),
        false => match success {
            Criterion::Error { .. } => (Output::Identity, loss, Criterion::Loss { below: 1e-3 }),
            Criterion::Loss { .. } | Criterion::Accuracy { .. } => {
                (Output::Identity, loss, success)
            }
        },
    })
}

/// Gradient descent as often as all others together: only it can stand still.
fn methods() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::Gd), prop::sample::select(&Method::ALL[..])]
}

/// All points, or some of so many.
fn batches(points: usize) -> impl Strategy<Value = Option<Batch>> {
    let some = (1..=points, any::<bool>());
    prop::option::weighted(
        0.4,
        some.prop_map(|(size, drop_last)| Batch { size, drop_last }),
    )
}

/// No weight decay, and some that leaves little of a weight at once.
const DECAYS: [f64; 3] = [0.0, 0.1, 1e3];

/// The gradient as it is, clipped lightly and to next to nothing.
const CLIPS: [Option<Clip>; 5] = [
    None,
    Some(Clip::Norm(1.0)),
    Some(Clip::Norm(1e-3)),
    Some(Clip::Value(0.5)),
    Some(Clip::Value(1e-3)),
];

/// No change of the rate, a fall and a rise, and a rest that is followed by a start.
fn schedules() -> impl Strategy<Value = Vec<Milestone>> {
    let milestone = |(step, factor)| Milestone { step, factor };
    let of = move |changes: &[(u64, f64)]| Just(changes.iter().copied().map(milestone).collect());
    prop_oneof![
        3 => of(&[]),
        1 => of(&[(3, 0.1), (20, 2.0)]),
        1 => of(&[(0, 0.0), (7, 1.0), (8, 0.5), (9, 0.25)]),
    ]
}

/// Rates that leave all as it is, train, diverge, and overflow at once.
const RATES: [f64; 8] = [0.0, 1e-30, 0.01, 0.3, 1e6, 1e30, 1e300, f64::INFINITY];

/// Weights that are dead, usual, and overflow on the way.
const SIZES: [f64; 5] = [0.0, 0.5, 1e6, 1e15, 1e100];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// In the slot of one network, and in lanes of a group that are all filled anew.
    #[test]
    fn what_was_in_a_slot_before_changes_no_bit(
        activation in prop::sample::select(&Activation::ALL[..]),
        hidden in prop::collection::vec(1usize..20, 0..4),
        dim in 1usize..6,
        (points, batch) in (1usize..6).prop_flat_map(|n| (Just(n), batches(n))),
        method in methods(),
        weight_decay in prop::sample::select(&DECAYS[..]),
        clip in prop::sample::select(&CLIPS[..]),
        precision in prop::sample::select(&Precision::ALL[..]),
        rates in (prop::sample::select(&RATES[..]), prop::sample::select(&RATES[..])),
        sizes in (prop::sample::select(&SIZES[..]), prop::sample::select(&SIZES[..])),
        changes in schedules(),
        outputs in prop::sample::select(&[1usize, 1, 1, 2, 3, 4, 9, 17][..]),
        (output, loss, success) in ends(),
    ) {
        let problem = Problem {
            activation,
            output,
            loss,
            success,
            method,
            batch,
            weight_decay,
            clip,
            schedule: changes.into(),
            precision,
            ..with_outputs(&hidden, dim, points, outputs)
        };
        let first = job(&problem, 0, rates.0, sizes.0);
        let second = job(&problem, 1000, rates.1, sizes.1);
        let cpu = Cpu::detect();
        let lanes = cpu.lanes(problem.precision) as u64;
        let engines: [(&dyn Engine, u64, u64); 3] =
            [(&Reference, 1, 1), (&cpu, 1, 1), (&cpu, lanes, lanes)];
        for (engine, before, remaining) in engines {
            let alone = train_last(engine, &problem, std::slice::from_ref(&second), 1);
            let mut jobs: Vec<Job> = (0..before)
                .map(|replicate| Job { replicate, ..first.clone() })
                .collect();
            jobs.push(second.clone());
            let after = train_last(engine, &problem, &jobs, remaining);
            prop_assert_eq!(bits(&after), bits(&alone), "{}, {} lanes", engine.name(), remaining);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// A replicate is handed back at a cut as a budget of so many steps ends it.
    #[test]
    fn a_cut_is_the_end_of_a_shorter_budget(
        hidden in prop::collection::vec(1usize..20, 0..3),
        (points, batch) in (1usize..6).prop_flat_map(|n| (Just(n), batches(n))),
        method in methods(),
        precision in prop::sample::select(&Precision::ALL[..]),
        rate in prop::sample::select(&RATES[..]),
        size in prop::sample::select(&SIZES[..]),
        changes in schedules(),
        run_all in any::<bool>(),
        below in prop::sample::select(&[1e-20, 1e-1, 1.0][..]),
        (output, loss, success) in ends(),
    ) {
        let success = match success {
            Criterion::Loss { .. } => Criterion::Loss { below },
            other => other,
        };
        let whole = Problem {
            output,
            loss,
            success,
            method,
            batch,
            schedule: changes.into(),
            precision,
            run_all,
            ..problem(&hidden, 3, points)
        };
        let cuts = vec![1, 5, 29, 59];
        let cut = Job {
            keep_best: true,
            snapshots: vec![0, 5, 20],
            cuts: cuts.clone(),
            ..job(&whole, 0, rate, size)
        };
        let uncut = Job { cuts: Vec::new(), ..cut.clone() };
        let cpu = Cpu::detect();
        let lanes = cpu.lanes(precision) as u64;
        for (engine, remaining) in [(&Reference as &dyn Engine, 1), (&cpu, 1), (&cpu, lanes)] {
            let queue = Cutting {
                inner: Forced {
                    jobs: Mutex::new(vec![cut.clone()]),
                    trained: Mutex::new(Vec::new()),
                    remaining,
                },
                cuts: Mutex::new(Vec::new()),
            };
            engine.train(&whole, &queue, 1).expect("the problem fits");
            let handed_back = queue.cuts.into_inner().expect("no panic");
            let trained = queue.inner.trained.into_inner().expect("no panic").remove(0);
            let all = train_last(engine, &whole, std::slice::from_ref(&uncut), remaining);
            // As text NaN is NaN.
            prop_assert_eq!(format!("{trained:?}"), format!("{all:?}"), "{}", engine.name());
            for &steps in &cuts {
                let grid = whole.grid.iter().copied().filter(|step| *step <= steps);
                let short = Problem { steps, grid: grid.collect(), ..whole.clone() };
                let alone = train_last(engine, &short, std::slice::from_ref(&uncut), remaining);
                let found = handed_back.iter().find(|cut| cut.last.step == steps);
                let found = found.unwrap_or(&trained);
                prop_assert_eq!(format!("{found:?}"), format!("{alone:?}"), "{}", engine.name());
            }
        }
    }
}

/// The logistic loss of two steps by hand, with its derivative from differences: ln(1 + e^{−yz}).
#[test]
fn the_logistic_loss_is_that_of_its_formula() {
    let problem = Problem {
        loss: Loss::Logistic,
        precision: Precision::F64,
        steps: 1,
        grid: vec![0, 1].into(),
        ..problem(&[], 1, 2)
    };
    let loss = |w: &[f64]| -> f64 {
        let term = |x: f64, y: f64| libm::log1p(libm::exp(-y * (w[0] * x + w[1])));
        term(0.5, 1.0) + term(-2.0, -1.0)
    };
    let (w, rate, h) = ([0.3, -0.1], 0.25, 1e-6);
    let slope = |i: usize| {
        let moved = |by: f64| {
            let mut w = w;
            w[i] += by;
            loss(&w)
        };
        (moved(h) - moved(-h)) / (2.0 * h)
    };
    let stepped = [w[0] - rate * slope(0), w[1] - rate * slope(1)];
    let cpu = Cpu::detect();
    let lanes = cpu.lanes(Precision::F64) as u64;
    for (engine, remaining) in [(&Reference as &dyn Engine, 1), (&cpu, 1), (&cpu, lanes)] {
        // Classes of 0 and 1 are those of −1 and 1.
        for y in [vec![1.0, -1.0], vec![1.0, 0.0]] {
            let of = Job {
                x: vec![0.5, -2.0],
                y,
                weights: w.to_vec(),
                rate,
                ..job(&problem, 0, rate, 1.0)
            };
            let trained = train_last(engine, &problem, &[of], remaining);
            for (ours, right) in trained.losses.iter().zip([loss(&w), loss(&stepped)]) {
                assert!(
                    (ours - right).abs() < 1e-9,
                    "{} {ours} {right}",
                    engine.name()
                );
            }
        }
    }
}

/// The fast engine and the reference agree on several outputs, on functions of the output, on each
/// loss and on what success is judged by.
#[test]
fn every_end_is_that_of_the_reference() {
    let cpu = Cpu::detect();
    let lanes = cpu.lanes(Precision::F64) as u64;
    let criteria = [
        Criterion::Loss { below: 1e-20 },
        Criterion::Error { below: 1e-9 },
        Criterion::Accuracy {
            least: 1.0,
            boundary: 0.0,
        },
    ];
    for loss in Loss::ALL {
        for output in Output::ALL {
            for (outputs, success) in [1, 2, 3, 5, 9].into_iter().zip(criteria.iter().cycle()) {
                for hidden in [&[][..], &[6], &[6, 3]] {
                    let problem = Problem {
                        activation: Activation::Tanh,
                        output,
                        loss,
                        success: *success,
                        batch: (outputs % 2 == 1).then_some(Batch {
                            size: 2,
                            drop_last: false,
                        }),
                        precision: Precision::F64,
                        run_all: true,
                        ..with_outputs(hidden, 3, 5, outputs)
                    };
                    if problem.check().is_err() {
                        continue;
                    }
                    let jobs = [job(&problem, 0, 0.01, 0.5)];
                    let right = train_last(&Reference, &problem, &jobs, 1);
                    for remaining in [1, lanes] {
                        let ours = train_last(&cpu, &problem, &jobs, remaining);
                        let at = format!("{loss:?} {output:?} {outputs} {hidden:?} {remaining}");
                        assert_eq!(ours.outcome, right.outcome, "{at}");
                        assert_eq!(ours.judged.is_some(), right.judged.is_some(), "{at}");
                        let ours = ours.losses.iter().chain(&ours.judged);
                        for (a, b) in ours.zip(right.losses.iter().chain(&right.judged)) {
                            assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-3), "{at}: {a} {b}");
                        }
                    }
                }
            }
        }
    }
}

/// Several outputs share their hidden layers and nothing else: on frozen features each learns as it
/// would alone.
#[test]
fn outputs_on_frozen_features_do_not_know_of_each_other() {
    let cpu = Cpu::detect();
    let mut all = with_outputs(&[5], 3, 4, 3);
    all.rate_factors = vec![0.0, 0.0, 1.0, 1.0];
    all.precision = Precision::F64;
    let together = job(&all, 0, 0.02, 0.5);
    let trained = train_last(&cpu, &all, std::slice::from_ref(&together), 1);
    let mut sum = vec![0.0; trained.losses.len()];
    for output in 0..3 {
        let mut alone = problem(&[5], 3, 4);
        alone.rate_factors.clone_from(&all.rate_factors);
        alone.precision = Precision::F64;
        let mut weights = together.weights[..20].to_vec();
        weights.extend(&together.weights[20 + 5 * output..][..5]);
        weights.push(together.weights[35 + output]);
        let job = Job {
            y: together.y.iter().skip(output).step_by(3).copied().collect(),
            weights,
            ..together.clone()
        };
        let trained = train_last(&cpu, &alone, &[job], 1);
        (sum.iter_mut().zip(&trained.losses)).for_each(|(sum, loss)| *sum += loss);
    }
    for (whole, parts) in trained.losses.iter().zip(&sum) {
        assert!((whole - parts).abs() < 1e-12 * whole, "{whole} {parts}");
    }
}

/// Seven units in lanes of eight or sixteen: a predecessor that overflowed left NaN in the padding,
/// and a network that stood still seemed to move for ever.
#[test]
fn a_network_that_stands_still_is_seen_after_one_that_overflowed() {
    let problem = Problem {
        activation: Activation::LeakyRelu,
        ..problem(&[7, 7], 3, 3)
    };
    let cpu = Cpu::detect();
    let lanes = cpu.lanes(problem.precision) as u64;
    for count in [1, lanes] {
        let mut jobs: Vec<Job> = (0..count)
            .map(|r| job(&problem, r, f64::INFINITY, 0.5))
            .collect();
        jobs.push(job(&problem, count, 0.0, 0.5));
        let after = train_last(&cpu, &problem, &jobs, count);
        assert_eq!(after.outcome, Outcome::Fixed { step: 1 }, "{count} lanes");
    }
}

/// Descent has no memory but its weights: a run whose rate changes is the first part of one run and
/// then another one, at the new rate, from the weights where the first was cut.
#[test]
fn a_change_of_the_rate_is_a_cut_between_two_runs() {
    let cpu = Cpu::detect();
    for precision in Precision::ALL {
        let whole = Problem {
            schedule: [Milestone {
                step: 25,
                factor: 0.5,
            }]
            .into(),
            precision,
            ..problem(&[7, 5], 3, 4)
        };
        let constant = Problem {
            schedule: [].into(),
            ..whole.clone()
        };
        let lanes = cpu.lanes(precision) as u64;
        let engines: [(&dyn Engine, u64); 3] = [(&Reference, 1), (&cpu, 1), (&cpu, lanes)];
        for (engine, remaining) in engines {
            let all = job(&whole, 0, 0.02, 0.5);
            let trained = train_last(engine, &whole, std::slice::from_ref(&all), remaining);
            let cut = Job {
                snapshots: vec![25],
                ..all.clone()
            };
            let first = train_last(engine, &constant, &[cut], remaining);
            let rest = Job {
                weights: first.snapshots[0].weights.clone(),
                rate: 0.01,
                ..all
            };
            let rest = train_last(engine, &constant, &[rest], remaining);
            let losses = [&first.all_losses[..25], &rest.all_losses[..36]].concat();
            assert_eq!(trained.all_losses, losses, "{}, {remaining}", engine.name());
            assert_ne!(trained.all_losses, first.all_losses);
        }
    }
}

/// A run that rests at a rate of 0 is not over while its rate will change.
#[test]
fn a_run_that_rests_until_its_rate_rises_is_not_fixed() {
    let cpu = Cpu::detect();
    let lanes = cpu.lanes(Precision::F32) as u64;
    let milestone = |step, factor| Milestone { step, factor };
    let resting = Problem {
        schedule: [milestone(0, 0.0), milestone(30, 1.0)].into(),
        ..problem(&[7, 5], 3, 4)
    };
    let at_last = Problem {
        schedule: [milestone(30, 0.0)].into(),
        ..resting.clone()
    };
    let engines: [(&dyn Engine, u64); 3] = [(&Reference, 1), (&cpu, 1), (&cpu, lanes)];
    for (engine, remaining) in engines {
        let jobs = [job(&resting, 0, 0.02, 0.5)];
        let trained = train_last(engine, &resting, &jobs, remaining);
        assert_eq!(trained.outcome, Outcome::Spent);
        assert!(trained.last.loss < trained.all_losses[30]);
        let trained = train_last(engine, &at_last, &jobs, remaining);
        assert_eq!(
            trained.outcome,
            Outcome::Fixed { step: 31 },
            "{}",
            engine.name()
        );
    }
}

/// Problems whose parts do not fit are an error before anything is trained, not a panic.
#[test]
fn an_engine_refuses_a_problem_that_does_not_fit() {
    let good = problem(&[3, 2], 4, 5);
    assert_eq!(good.check(), Ok(()));
    type Change = fn(&mut Problem);
    let changes: [Change; 18] = [
        |p| p.weight_decay = -0.1,
        |p| p.weight_decay = f64::NAN,
        |p| p.clip = Some(Clip::Norm(0.0)),
        |p| p.clip = Some(Clip::Value(f64::INFINITY)),
        |p| {
            p.weight_decay = 0.1;
            p.multipliers[0] = 0.0;
        },
        |p| p.sizes.truncate(1),
        |p| p.sizes[1] = 0,
        |p| p.sizes[3] = 2,
        |p| p.points = 0,
        |p| p.bias = false,
        |p| p.tensors[2].shape.reverse(),
        |p| p.tensors[1].start += 1,
        |p| p.grid = vec![0, 3, 3].into(),
        |p| (p.loss, p.output) = (Loss::Logistic, Output::Sigmoid),
        |p| (p.loss, p.success) = (Loss::Logistic, Criterion::Error { below: 0.1 }),
        |p| {
            p.batch = Some(Batch {
                size: 0,
                drop_last: false,
            })
        },
        |p| {
            p.batch = Some(Batch {
                size: 6,
                drop_last: true,
            })
        },
        |p| {
            p.schedule = [Milestone {
                step: 3,
                factor: 0.5,
            }; 2]
                .into()
        },
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        for engine in [&Reference as &dyn Engine, &Cpu::detect()] {
            let queue = Forced {
                jobs: Mutex::new(vec![job(&good, 0, 0.1, 0.5)]),
                trained: Mutex::new(Vec::new()),
                remaining: 1,
            };
            let refused = engine.train(&bad, &queue, 1);
            assert!(matches!(refused, Err(Error::Refused(_))), "change {i}");
        }
    }
}

/// Takes what it is told of each step.
struct Following {
    inner: Forced,
    followed: Mutex<Vec<(u64, u64, u64, f64)>>,
}

impl Queue for Following {
    fn next(&self) -> Option<Job> {
        self.inner.next()
    }
    fn finish(&self, trained: Trained) {
        self.inner.finish(trained);
    }
    fn remaining(&self) -> u64 {
        self.inner.remaining()
    }
    fn progress(&self, steps: u64, room: u64) -> bool {
        self.inner.progress(steps, room)
    }
    fn follow(&self, tag: u64, replicate: u64, step: u64, loss: f64) {
        let mut followed = self.followed.lock().expect("no panic");
        followed.push((tag, replicate, step, loss));
    }
}

/// Every loss that is kept is told while it is trained, in order, and no other: in one network's
/// slot, in a group, and by the reference.
#[test]
fn a_replicate_that_keeps_its_losses_is_followed_step_by_step() {
    let problem = problem(&[5], 3, 4);
    let engines: [(&dyn Engine, u64); 3] =
        [(&Cpu::detect(), 1), (&Cpu::detect(), 100), (&Reference, 3)];
    for (engine, remaining) in engines {
        let mut jobs: Vec<Job> = (0..3).map(|i| job(&problem, i, 0.01, 0.5)).collect();
        jobs[1].keep_losses = false;
        jobs[2].tag = 5;
        let queue = Following {
            inner: Forced {
                jobs: Mutex::new(jobs),
                trained: Mutex::new(Vec::new()),
                remaining,
            },
            followed: Mutex::new(Vec::new()),
        };
        engine.train(&problem, &queue, 1).expect("the problem fits");
        let followed = queue.followed.into_inner().expect("no panic");
        for trained in queue.inner.trained.into_inner().expect("no panic") {
            let of = |f: &&(u64, u64, u64, f64)| (f.0, f.1) == (trained.tag, trained.replicate);
            let told: Vec<(u64, f64)> = followed.iter().filter(of).map(|f| (f.2, f.3)).collect();
            let kept = (0..).zip(trained.all_losses.iter().copied());
            assert_eq!(told, kept.collect::<Vec<_>>(), "{}", engine.name());
            assert_eq!(told.is_empty(), trained.replicate == 1);
        }
    }
}

//! On the device of OpenCL or CUDA that is there, every network ends in the processor's bits. A
//! processor with PoCL is such a device; without any the tests say so and pass.

use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use thalweg_engine::cpu::Cpu;
use thalweg_engine::seed::{Purpose, stream};
use thalweg_engine::{
    Activation, Batch, Clip, Criterion, Engine, Job, Loss, Method, Milestone, Output, Precision,
    Problem, Queue, Trained,
};
use thalweg_gpu::difference;

/// The engine of the environment's `THALWEG_TEST_ENGINE`, or of any device.
fn engine() -> Option<Box<dyn Engine>> {
    let name = std::env::var("THALWEG_TEST_ENGINE").unwrap_or_else(|_| "gpu".into());
    match thalweg_gpu::by_name(&name) {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

struct Jobs {
    waiting: Mutex<Vec<Job>>,
    trained: Mutex<Vec<Trained>>,
    followed: Mutex<Vec<(u64, u64, f64)>>,
}

impl Queue for Jobs {
    fn next(&self) -> Option<Job> {
        self.waiting.lock().expect("no panic").pop()
    }
    fn finish(&self, trained: Trained) {
        self.trained.lock().expect("no panic").push(trained);
    }
    fn remaining(&self) -> u64 {
        self.waiting.lock().expect("no panic").len() as u64
    }
    fn progress(&self, _: u64, _: u64) -> bool {
        true
    }
    fn follow(&self, _: u64, replicate: u64, step: u64, loss: f64) {
        let mut followed = self.followed.lock().expect("no panic");
        followed.push((replicate, step, loss));
    }
}

fn train(engine: &dyn Engine, problem: &Problem, jobs: &[Job]) -> Vec<Trained> {
    let queue = Jobs {
        waiting: Mutex::new(jobs.to_vec()),
        trained: Mutex::default(),
        followed: Mutex::default(),
    };
    engine.train(problem, &queue, 2).expect("the problem fits");
    let mut trained = queue.trained.into_inner().expect("no panic");
    trained.sort_by_key(|t| t.replicate);
    let followed = queue.followed.into_inner().expect("no panic");
    for trained in &trained {
        let of = |f: &&(u64, u64, f64)| f.0 == trained.replicate;
        let losses = followed.iter().filter(of).map(|f| f.2.to_bits());
        let kept = trained.all_losses.iter().map(|l| l.to_bits());
        assert!(losses.eq(kept), "followed is what is kept");
    }
    trained
}

fn problem(hidden: &[usize], dim: usize, points: usize, outputs: usize, bias: bool) -> Problem {
    let sizes = [&[dim], hidden, &[outputs]].concat();
    Problem {
        success: Criterion::Loss { below: 1e-20 },
        precision: Precision::F32,
        grid: vec![0, 1, 2, 5, 10, 30, 60].into(),
        ..Problem::descent(sizes, bias, points, 60)
    }
}

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
        snapshots: vec![0, 2, 3, 17],
        keep_best: true,
        keep_losses: replicate.is_multiple_of(2),
        watch: vec![0, 3, 4, 29, 60],
        cuts: Vec::new(),
    }
}

/// Every network of the jobs, on the device and on the processor.
fn agree(engine: &dyn Engine, problem: &Problem, jobs: &[Job]) -> Result<(), TestCaseError> {
    let ours = train(engine, problem, jobs);
    let right = train(&Cpu::detect(), problem, jobs);
    prop_assert_eq!(ours.len(), jobs.len());
    for (ours, right) in ours.iter().zip(&right) {
        let first = difference(ours, right);
        prop_assert!(first.is_none(), "replicate {}: {first:?}", ours.replicate);
    }
    Ok(())
}

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
    all.prop_map(
        |(output, loss, success)| match (loss.is_squared(), success) {
            (true, _) => (output, loss, success),
            (false, Criterion::Error { .. }) => {
                (Output::Identity, loss, Criterion::Loss { below: 1e-3 })
            }
            (false, _) => (Output::Identity, loss, success),
        },
    )
}

fn batches(points: usize) -> impl Strategy<Value = Option<Batch>> {
    let some = (1..=points, any::<bool>());
    prop::option::weighted(
        0.4,
        some.prop_map(|(size, drop_last)| Batch { size, drop_last }),
    )
}

const DECAYS: [f64; 3] = [0.0, 0.1, 1e3];

const CLIPS: [Option<Clip>; 5] = [
    None,
    Some(Clip::Norm(1.0)),
    Some(Clip::Norm(1e-3)),
    Some(Clip::Value(0.5)),
    Some(Clip::Value(1e-3)),
];

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

/// Networks of every kind that the engine knows, by chance: each compiles a kernel.
#[test]
fn every_kind_of_network_has_the_bits_of_the_processor() {
    let Some(engine) = engine() else { return };
    let kinds = (
        (
            prop::sample::select(&Activation::ALL[..]),
            prop::collection::vec(1usize..40, 0..4),
            1usize..12,
            (1usize..26).prop_flat_map(|n| (Just(n), batches(n))),
            prop_oneof![Just(Method::Gd), prop::sample::select(&Method::ALL[..])],
        ),
        (
            prop::sample::select(&DECAYS[..]),
            prop::sample::select(&CLIPS[..]),
            prop::sample::select(&Precision::ALL[..]),
            schedules(),
            prop::sample::select(&[1usize, 1, 1, 2, 3, 9][..]),
            ends(),
            any::<bool>(),
        ),
    );
    let cases = std::env::var("THALWEG_TEST_CASES").ok();
    let cases = cases.and_then(|c| c.parse().ok()).unwrap_or(24);
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        },
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let done = runner.run(&kinds, |(net, training)| {
        let (activation, hidden, dim, (points, batch), method) = net;
        let (weight_decay, clip, precision, changes, outputs, (output, loss, success), bias) =
            training;
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
            ..problem(&hidden, dim, points, outputs, bias)
        };
        let mut jobs = Vec::new();
        for rate in RATES {
            for size in SIZES {
                jobs.push(job(&problem, jobs.len() as u64, rate, size));
            }
        }
        agree(&*engine, &problem, &jobs)
    });
    done.expect("the bits are the same");
}

/// Each activation in both arithmetics, on arguments of every size.
#[test]
fn every_activation_has_the_bits_of_the_processor() {
    let Some(engine) = engine() else { return };
    for activation in Activation::ALL {
        for precision in Precision::ALL {
            let problem = Problem {
                activation,
                precision,
                steps: 3,
                grid: vec![0, 1, 2, 3].into(),
                ..problem(&[32, 8], 3, 8, 1, true)
            };
            let sizes = [1e-30, 1e-3, 0.5, 2.0, 8.0, 40.0, 300.0, 1e4];
            let each = (0..).zip(sizes.iter().cycle()).take(24);
            let jobs: Vec<Job> = each
                .map(|(r, size)| job(&problem, r, 1e-3, *size))
                .collect();
            let name = activation.name();
            agree(&*engine, &problem, &jobs).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// The assignment's network in both arithmetics, longer than a launch, more than the groups hold;
/// and what is told on the way of those that are followed.
#[test]
fn ensembles_of_many_have_the_bits_of_the_processor() {
    let Some(engine) = engine() else { return };
    for (activation, precision) in [
        (Activation::Relu, Precision::F32),
        (Activation::Tanh, Precision::F64),
    ] {
        let problem = Problem {
            activation,
            precision,
            steps: 700,
            grid: vec![0, 1, 10, 100, 700].into(),
            success: Criterion::Loss { below: 1e-3 },
            ..problem(&[20, 20], 15, 20, 1, true)
        };
        let few = |r: u64| Job {
            snapshots: if r < 3 {
                (0..700).step_by(9).collect()
            } else {
                Vec::new()
            },
            keep_best: r < 5,
            keep_losses: r < 2,
            watch: Vec::new(),
            ..job(&problem, r, 0.002 + 0.0001 * r as f64, 0.3)
        };
        let jobs: Vec<Job> = (0..100).map(few).collect();
        agree(&*engine, &problem, &jobs).expect("the bits are the same");
    }
}

/// Groups of several threads, which wait for each other, have the same bits: of all that a step may
/// consist of.
#[test]
fn groups_of_threads_have_the_bits_of_the_processor() {
    if engine().is_none() {
        return;
    }
    let opencl = thalweg_gpu::by_name("gpu:cuda").is_err();
    let base = Problem {
        activation: Activation::Sin,
        method: Method::ALL[4],
        weight_decay: 0.1,
        clip: Some(Clip::Norm(1.0)),
        batch: Some(Batch {
            size: 3,
            drop_last: false,
        }),
        schedule: [Milestone {
            step: 5,
            factor: 0.5,
        }]
        .into(),
        success: Criterion::Error { below: 0.1 },
        steps: 30,
        grid: vec![0, 30].into(),
        ..problem(&[6, 5, 7], 3, 8, 2, true)
    };
    let plain = Problem {
        steps: 30,
        grid: vec![0, 30].into(),
        ..problem(&[9, 6], 5, 7, 1, true)
    };
    for threads in [2, 4] {
        let engine = thalweg_gpu::Gpu::with_threads(opencl, 0, threads).expect("it was there");
        for problem in [&base, &plain] {
            let jobs = (0..6).map(|r| job(problem, r, if r == 3 { 0.0 } else { 0.01 }, 0.5));
            agree(&engine, problem, &jobs.collect::<Vec<_>>()).expect("the bits are the same");
        }
    }
}

/// What does not fit a group's own memory lies in the device's.
#[test]
fn networks_too_large_for_a_group_have_the_bits_of_the_processor() {
    let Some(engine) = engine() else { return };
    for (hidden, method) in [
        (vec![300, 1500], Method::Gd),
        (vec![100; 5], Method::ALL[3]),
        (vec![7000], Method::ALL[1]),
    ] {
        let problem = Problem {
            activation: Activation::Tanh,
            precision: Precision::F64,
            method,
            steps: 4,
            grid: vec![0, 4].into(),
            ..problem(&hidden, 5, 11, 1, true)
        };
        let jobs: Vec<Job> = (0..3).map(|r| job(&problem, r, 1e-4, 0.05)).collect();
        agree(&*engine, &problem, &jobs).unwrap_or_else(|e| panic!("{hidden:?}: {e}"));
    }
}

/// Layers alike are one text in a loop: the kernel of 30 of them took 29 seconds to compile by
/// PoCL. Of those too that lie in both memories, or end in as many outputs as they have units.
#[test]
fn deep_networks_have_the_bits_of_the_processor() {
    let Some(engine) = engine() else { return };
    for (hidden, outputs, method, clip) in [
        (vec![8; 30], 1, Method::Gd, None),
        (vec![7; 8], 7, Method::ALL[4], Some(Clip::Norm(1.0))),
        (
            [vec![5], vec![6; 9], vec![3; 8]].concat(),
            1,
            Method::ALL[1],
            None,
        ),
        (vec![120; 12], 2, Method::Gd, None),
    ] {
        let problem = Problem {
            activation: Activation::Softplus,
            precision: Precision::F64,
            method,
            clip,
            steps: 12,
            grid: vec![0, 12].into(),
            ..problem(&hidden, 6, 7, outputs, outputs < 7)
        };
        let jobs: Vec<Job> = (0..3).map(|r| job(&problem, r, 1e-3, 0.3)).collect();
        agree(&*engine, &problem, &jobs).unwrap_or_else(|e| panic!("{hidden:?}: {e}"));
    }
}

/// Of a network larger than the device it was said to run again.
#[test]
fn a_network_too_large_for_the_device_is_told_how_large_it_is() {
    let Some(engine) = engine() else { return };
    for precision in Precision::ALL {
        let problem = Problem {
            precision,
            ..problem(&[150_000, 150_000], 5, 11, 1, true)
        };
        let error = engine
            .prepare(&[problem], 1)
            .expect_err("nothing has so much memory");
        let (what, hint) = (error.to_string(), error.hint());
        assert!(
            what.starts_with("one network needs ") && what.contains(" GiB"),
            "{what}"
        );
        assert!(
            hint.contains("reduce `net.hidden` or `data.points`"),
            "{hint}"
        );
        assert_eq!(
            hint.contains("precision"),
            precision == Precision::F64,
            "{hint}"
        );
    }
}

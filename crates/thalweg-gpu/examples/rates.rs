//! Replicate-steps a second on a device, and whether a few networks have the processor's bits.
//!
//! `rates ENGINE|opencl:THREADS|cuda:THREADS CELL…`, a cell such as `20:tanh:f32` or
//! `256:relu:f64:10000:2:1000`: units of two hidden layers, activation, arithmetic, and if they are
//! said replicates, seconds, and steps of a replicate.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use thalweg_engine::seed::{Purpose, stream};
use thalweg_engine::{
    Activation, Criterion, Engine, Error, Job, Precision, Problem, Queue, Trained,
};
use thalweg_gpu::Gpu;

/// Replicates until the time is over.
struct Endless<'a> {
    problem: &'a Problem,
    drawn: Vec<Job>,
    next: AtomicU64,
    count: u64,
    steps: AtomicU64,
    begun: std::sync::Mutex<Option<(Instant, u64)>>,
    seconds: f64,
}

impl Queue for Endless<'_> {
    fn next(&self) -> Option<Job> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.count).then(|| Job {
            replicate: number,
            ..self.drawn[number as usize % self.drawn.len()].clone()
        })
    }
    fn finish(&self, _: Trained) {}
    fn remaining(&self) -> u64 {
        self.count
    }
    fn progress(&self, steps: u64, _: u64) -> bool {
        if steps == 0 {
            return true;
        }
        let mut begun = self.begun.lock().expect("no panic");
        let all = self.steps.fetch_add(steps, Ordering::Relaxed) + steps;
        // What comes before is compiling and drawing.
        let (since, _) = begun.get_or_insert((Instant::now(), all));
        since.elapsed().as_secs_f64() < self.seconds && self.problem.steps > 0
    }
}

fn problem(hidden: usize, activation: Activation, precision: Precision) -> Problem {
    let sizes = vec![15, hidden, hidden, 1];
    Problem {
        activation,
        run_all: true,
        success: Criterion::Loss { below: 0.0 },
        precision,
        grid: [0].into(),
        ..Problem::descent(sizes, true, 20, 1 << 40)
    }
}

fn job(problem: &Problem, replicate: u64) -> Job {
    let mut random = stream(7, replicate, Purpose::Data, 0);
    let mut normals = |n: usize| -> Vec<f64> { (0..n).map(|_| random.normal()).collect() };
    let (x, y) = (normals(problem.points * 15), normals(problem.points));
    let mut weights = Vec::new();
    for tensor in &problem.tensors {
        let fan_in = problem.sizes[tensor.layer] as f64;
        let of = normals(tensor.len());
        weights.extend(of.iter().map(|w| w / fan_in.sqrt()));
    }
    Job {
        replicate,
        tag: 0,
        x,
        y,
        weights,
        rate: 1e-4,
        seed: 1,
        snapshots: Vec::new(),
        keep_best: false,
        keep_losses: false,
        watch: Vec::new(),
        cuts: Vec::new(),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, cells @ ..] = &arguments[..] else {
        println!("rates ENGINE CELL…, such as `rates gpu 20:tanh:f32 64:relu:f32`");
        return;
    };
    let (kind, threads) = name.split_once(':').unwrap_or((name, ""));
    let engine: Result<Box<dyn Engine>, Error> = match threads.parse() {
        Ok(threads) if kind != "gpu" => {
            Gpu::with_threads(kind == "opencl", 0, threads).map(|gpu| Box::new(gpu) as _)
        }
        _ => thalweg_gpu::by_name(name),
    };
    let engine = match engine {
        Ok(engine) => engine,
        Err(error) => return println!("{error}\n{}", error.hint()),
    };
    for cell in cells {
        let parts: Vec<&str> = cell.split(':').collect();
        let hidden = parts[0].parse().expect("units");
        let activation = Activation::ALL.into_iter().find(|a| a.name() == parts[1]);
        let precision = Precision::ALL.into_iter().find(|p| p.name() == parts[2]);
        let count = parts
            .get(3)
            .map_or(u64::MAX, |c| c.parse().expect("replicates"));
        let seconds = parts.get(4).map_or(0.5, |c| c.parse().expect("seconds"));
        let problem = problem(
            hidden,
            activation.expect("a name"),
            precision.expect("a name"),
        );
        let steps = parts.get(5).map_or(1 << 40, |s| s.parse().expect("steps"));
        let problem = Problem { steps, ..problem };
        let drawn: Vec<Job> = (0..64).map(|r| job(&problem, r)).collect();
        let begun = Instant::now();
        if let Err(error) = engine.prepare(std::slice::from_ref(&problem), 1) {
            println!("{name} {cell}: {error}");
            continue;
        }
        let compiled = begun.elapsed().as_secs_f64();
        let queue = Endless {
            problem: &problem,
            drawn,
            next: AtomicU64::new(0),
            count,
            steps: AtomicU64::new(0),
            begun: std::sync::Mutex::new(None),
            seconds,
        };
        match engine.train(&problem, &queue, 2) {
            Err(error) => println!("{name} {cell}: {error}"),
            Ok(()) => {
                let steps = queue.steps.load(Ordering::Relaxed);
                let begun = queue.begun.into_inner().expect("no panic");
                let (since, before) = begun.expect("it made progress");
                let took = since.elapsed().as_secs_f64();
                let rate = (steps - before) as f64 / took;
                let flops =
                    2.0 * 20.0 * (2 * 15 * hidden + 3 * hidden * hidden + 3 * hidden) as f64;
                println!(
                    "{name} {cell}: {:.3} M steps/s, {:.2} TFLOP/s; compiled in {compiled:.2} s",
                    rate / 1e6,
                    rate * flops / 1e12
                );
            }
        }
    }
}

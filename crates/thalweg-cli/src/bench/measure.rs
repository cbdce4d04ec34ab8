//! How fast training runs on this machine, as shares of what its processor can do, in one run.
//!
//! A rate alone says little on a shared machine: every row is measured next to the peak of fused
//! multiply-adds, in processor time, and the rounds are interleaved.

use std::sync::Mutex;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use thalweg::descent::Precision;
use thalweg::engine::cpu::Cpu;
use thalweg::engine::reference::Reference;
use thalweg::engine::{Criterion, Engine, Job, Problem, Queue, Trained};
use thalweg::error::Error;
use thalweg::inputs::Inputs;
use thalweg::lab;
use thalweg::net::Activation;
use thalweg::stats::quantile_of;
use thalweg::study::Source;

/// Points and inputs of the training sets.
const POINTS: usize = 20;
const DIM: usize = 15;

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bench {
    /// The instruction set.
    pub(crate) instructions: String,
    /// Rounds; every figure is the median over them.
    pub(crate) rounds: usize,
    /// Fused multiply-adds in registers, GFLOP/s of one thread: f32, f64.
    pub(crate) peak: [f64; 2],
    /// The training rates.
    pub(crate) rows: Vec<Speed>,
    /// Lanes that are refilled at once against blocks that wait for their slowest lane.
    pub(crate) refill: Vec<Refill>,
    /// Wall time of one thread over that of two on the same work; none on one processor.
    pub(crate) two_threads: Option<f64>,
    /// What fell below its floor.
    pub(crate) failed: Vec<String>,
}

/// The rate of one setting: N = 20, d = 15, two hidden layers, gradient descent, one thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Speed {
    /// Units of both hidden layers.
    pub(crate) hidden: usize,
    /// The arithmetic.
    pub(crate) precision: Precision,
    /// φ.
    pub(crate) activation: Activation,
    /// Networks trained at once.
    pub(crate) replicates: u64,
    /// Replicate-steps a second of processor time.
    pub(crate) rate: f64,
    /// GFLOP/s, activations not counted: 4N(dH + H² + H) + 2N(H² + H) a step.
    pub(crate) gflops: f64,
    /// Share of the median peak measured next to it, round by round. Not the median of the shares:
    /// a share is as noisy as its peak.
    pub(crate) of_peak: f64,
    /// The share that the measured cost of the activation leaves; 1 for ReLU.
    pub(crate) ceiling: f64,
    /// The rate over that of the plain one-network engine.
    pub(crate) over_reference: f64,
}

/// A cell whose replicates end at very different steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Refill {
    /// What it is.
    pub(crate) name: String,
    /// Share of the lanes' steps that trained a replicate.
    pub(crate) occupancy: f64,
    /// The same for blocks that wait for their slowest lane.
    pub(crate) occupancy_in_blocks: f64,
    /// Processor time of the blocks over ours.
    pub(crate) gain: f64,
}

/// Shares of the peak that a rate must reach, by units of a hidden layer: about half of what was
/// measured, so that a lost vectorization fails and a busy neighbour does not.
fn floor(hidden: usize, replicates: u64) -> f64 {
    match (hidden, replicates) {
        (_, 1) => 0.12,
        (h, _) if h < 128 => 0.45,
        _ => 0.3,
    }
}

/// Training must be this many times faster than the plain engine.
const OVER_REFERENCE: f64 = 4.0;

/// Seconds that all threads of this process have computed.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Hands out prepared replicates; counts how full the lanes were.
struct List {
    jobs: Mutex<Vec<Job>>,
    count: Mutex<[u64; 2]>,
}

impl Queue for List {
    fn next(&self) -> Option<Job> {
        self.jobs.lock().unwrap_or_else(|e| e.into_inner()).pop()
    }
    fn finish(&self, _: Trained) {}
    fn remaining(&self) -> u64 {
        self.jobs.lock().unwrap_or_else(|e| e.into_inner()).len() as u64
    }
    fn progress(&self, steps: u64, room: u64) -> bool {
        let mut count = self.count.lock().unwrap_or_else(|e| e.into_inner());
        count[0] += steps;
        count[1] += room;
        true
    }
}

/// Processor time, steps made and steps for which there was room.
fn time(
    engine: &dyn Engine,
    problem: &Problem,
    jobs: &[Job],
    threads: usize,
) -> Result<(f64, [u64; 2]), Error> {
    let list = List {
        jobs: Mutex::new(jobs.iter().rev().cloned().collect()),
        count: Mutex::new([0; 2]),
    };
    let begun = processor_time();
    engine.train(problem, &list, threads)?;
    let count = list.count.into_inner().unwrap_or_else(|e| e.into_inner());
    Ok((processor_time() - begun, count))
}

fn cell(text: &str, replicates: u64) -> Result<(Problem, Vec<Job>), Error> {
    let source = Source {
        name: "bench.toml".into(),
        text: text.into(),
        folder: ".".into(),
    };
    let plan = source.plan(&Inputs::default())?;
    let cell = &plan.cells[0];
    let problem = cell.problem();
    let plain = |r| Job {
        snapshots: Vec::new(),
        keep_best: false,
        keep_losses: false,
        watch: Vec::new(),
        ..lab::job(cell, &problem, r)
    };
    let jobs = (0..replicates).map(plain).collect();
    Ok((problem, jobs))
}

/// Flops of a step of one network, activations not counted.
fn flops(hidden: usize) -> f64 {
    let (n, d, h) = (POINTS as f64, DIM as f64, hidden as f64);
    4.0 * n * (d * h + h * h + h) + 2.0 * n * (h * h + h)
}

/// One setting, its problem and its rounds so far.
struct Lap {
    hidden: usize,
    precision: Precision,
    activation: Activation,
    problem: Problem,
    jobs: Vec<Job>,
    reference: f64,
    rates: Vec<f64>,
    peaks: Vec<f64>,
    ceilings: Vec<f64>,
}

impl Lap {
    fn new(
        hidden: usize,
        precision: Precision,
        activation: Activation,
        replicates: u64,
        seconds: f64,
    ) -> Result<Lap, Error> {
        let text = format!(
            "replicates = {replicates}\n[data]\npoints = {POINTS}\ndim = {DIM}\n[net]\n\
             hidden = [{hidden}, {hidden}]\n\
             activation = \"{}\"\ninit = \"kaiming_normal\"\n[descent]\nrate = 1e-6\n\
             precision = \"{}\"\n",
            activation.name(),
            precision.name(),
        );
        let (mut problem, jobs) = cell(&text, replicates)?;
        problem.run_all = true;
        problem.success = Criterion::Loss { below: 0.0 };
        let budget = |problem: &mut Problem, steps: f64| {
            problem.steps = steps.max(2.0) as u64;
            problem.grid = vec![0, problem.steps].into();
        };
        // The plain engine tells how many steps fill the time; ours is some thirty times faster.
        budget(&mut problem, 4e7 / flops(hidden));
        let one = &jobs[..1];
        let reference = problem.steps as f64 / time(&Reference, &problem, one, 1)?.0;
        budget(&mut problem, 20.0 * reference * seconds / replicates as f64);
        Ok(Lap {
            hidden,
            precision,
            activation,
            problem,
            jobs,
            reference,
            rates: Vec::new(),
            peaks: Vec::new(),
            ceilings: Vec::new(),
        })
    }

    fn round(&mut self, cpu: &Cpu) -> Result<(), Error> {
        let replicates = self.jobs.len() as f64;
        let before = cpu.peak(self.precision, processor_time);
        let (seconds, _) = time(cpu, &self.problem, &self.jobs, 1)?;
        // Neighbours take from a peak, and never add to it.
        let peak = before.max(cpu.peak(self.precision, processor_time));
        let rate = replicates * self.problem.steps as f64 / seconds;
        self.rates.push(rate);
        self.peaks.push(peak);
        let activations = (2 * self.hidden * POINTS) as f64;
        let each = if self.activation == Activation::Tanh {
            cpu.tanh_seconds(self.precision, processor_time)
        } else {
            0.0
        };
        self.ceilings
            .push(1.0 / (1.0 + activations * each * peak / flops(self.hidden)));
        Ok(())
    }

    fn speed(&self) -> Speed {
        let rate = quantile_of(&self.rates, 0.5);
        Speed {
            hidden: self.hidden,
            precision: self.precision,
            activation: self.activation,
            replicates: self.jobs.len() as u64,
            rate,
            gflops: rate * flops(self.hidden) / 1e9,
            of_peak: rate * flops(self.hidden) / quantile_of(&self.peaks, 0.5),
            ceiling: quantile_of(&self.ceilings, 0.5),
            over_reference: rate / self.reference,
        }
    }
}

/// A cell with spread hitting times, its lanes refilled and in blocks.
fn refill(cpu: &Cpu, name: &str, text: &str, replicates: u64) -> Result<Refill, Error> {
    let (problem, jobs) = cell(text, replicates)?;
    let (ours, [steps, room]) = time(cpu, &problem, &jobs, 1)?;
    let (mut theirs, mut block_room) = (0.0, 0);
    for block in jobs.chunks(cpu.lanes(problem.precision)) {
        let (seconds, [_, room]) = time(cpu, &problem, block, 1)?;
        theirs += seconds;
        block_room += room;
    }
    Ok(Refill {
        name: name.into(),
        occupancy: steps as f64 / room as f64,
        occupancy_in_blocks: steps as f64 / block_room as f64,
        gain: theirs / ours,
    })
}

/// Measures; `tell` hears what is being measured.
///
/// # Errors
///
/// None that a user can cause.
pub(crate) fn bench(rounds: usize, seconds: f64, tell: &dyn Fn(&str)) -> Result<Bench, Error> {
    let cpu = Cpu::detect();
    let rounds = rounds.max(1);
    let mut laps = Vec::new();
    tell("preparing");
    for replicates in [16, 1] {
        for hidden in [20, 64, 256] {
            for precision in [Precision::F32, Precision::F64] {
                for activation in [Activation::Relu, Activation::Tanh] {
                    laps.push(Lap::new(
                        hidden, precision, activation, replicates, seconds,
                    )?);
                }
            }
        }
    }
    let mut peaks = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        tell(&format!("round {} of {rounds}", round + 1));
        for (peaks, precision) in peaks.iter_mut().zip([Precision::F32, Precision::F64]) {
            peaks.push(cpu.peak(precision, processor_time) / 1e9);
        }
        for lap in &mut laps {
            lap.round(&cpu)?;
        }
    }
    let rows: Vec<Speed> = laps.iter().map(Lap::speed).collect();
    tell("refilled lanes");
    let spread = "[data]\npoints = 20\ndim = 2\n[net]\nhidden = [16, 16]\nactivation = \"sin\"\n\
                  init = \"kaiming_normal\"\n\
                  [descent]\nrate = 0.005\nsteps = 20_000\nprecision = \"f64\"\n";
    let mixed = "[data]\npoints = 20\ndim = 15\n[net]\nhidden = [16, 16]\nactivation = \"relu\"\n\
                 init = \"kaiming_normal\"\n\
                 [descent]\nrate = 0.012\nsteps = 20_000\nprecision = \"f64\"\n";
    let refill = vec![
        refill(&cpu, "d = 2: hitting times spread over decades", spread, 96)?,
        refill(&cpu, "d = 15, a rate at which some diverge", mixed, 400)?,
    ];
    tell("two threads");
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
    let two_threads = if processors > 1 {
        let lap = &laps[0];
        let jobs = [lap.jobs.as_slice(); 4].concat();
        let wall = |threads| -> Result<f64, Error> {
            let begun = Instant::now();
            time(&cpu, &lap.problem, &jobs, threads)?;
            Ok(begun.elapsed().as_secs_f64())
        };
        let ratios = (0..rounds).map(|_| Ok(wall(1)? / wall(2)?));
        let ratios = ratios.collect::<Result<Vec<f64>, Error>>()?;
        Some(quantile_of(&ratios, 0.5))
    } else {
        None
    };
    let mut failed = Vec::new();
    for row in &rows {
        let name = format!(
            "{} {} {} × {}",
            row.hidden,
            row.precision.name(),
            row.activation.name(),
            row.replicates
        );
        // Against the wide vectors of the peak; the activation's own cost is allowed for.
        let wanted = floor(row.hidden, row.replicates) * row.ceiling;
        if row.of_peak < wanted {
            let share = row.of_peak;
            failed.push(format!("{name}: {share:.2} of the peak, floor {wanted:.2}"));
        }
        if row.over_reference < OVER_REFERENCE {
            let ratio = row.over_reference;
            failed.push(format!("{name}: {ratio:.1} times the plain engine"));
        }
    }
    Ok(Bench {
        instructions: cpu.instructions(),
        rounds,
        peak: peaks.map(|p| quantile_of(&p, 0.5)),
        rows,
        refill,
        two_threads,
        failed,
    })
}

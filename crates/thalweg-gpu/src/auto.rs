//! The engine that is faster for what is at hand: the bits are the same.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use thalweg_engine::cpu::Cpu;
use thalweg_engine::{Engine, Error, Job, Problem, Queue, Trained};

use crate::{Gpu, lock};

/// Seconds that each engine trains before the choice.
const TRIAL: f64 = 0.2;

/// Seconds that a card takes before it trains: a kernel is compiled, memory asked for.
const START: f64 = 2.0;

/// Chooses between processor and card for each problem, by a trial of both.
#[derive(Debug)]
pub(crate) struct Auto {
    cpu: Cpu,
    gpu: Gpu,
    /// The name of the engine that trains.
    chosen: Mutex<&'static str>,
}

/// A queue with some of its jobs drawn before.
struct Drawn<'a> {
    first: Mutex<VecDeque<Job>>,
    rest: &'a dyn Queue,
}

impl Queue for Drawn<'_> {
    fn next(&self) -> Option<Job> {
        let first = lock(&self.first).pop_front();
        first.or_else(|| self.rest.next())
    }
    fn finish(&self, trained: Trained) {
        self.rest.finish(trained);
    }
    fn cut(&self, trained: Trained) {
        self.rest.cut(trained);
    }
    fn remaining(&self) -> u64 {
        lock(&self.first).len() as u64 + self.rest.remaining()
    }
    fn progress(&self, steps: u64, room: u64) -> bool {
        self.rest.progress(steps, room)
    }
    fn follow(&self, tag: u64, replicate: u64, step: u64, loss: f64) {
        self.rest.follow(tag, replicate, step, loss);
    }
    fn wait(&self) -> bool {
        self.rest.wait()
    }
}

/// The same few jobs again and again, for a short while.
struct Trial<'a> {
    jobs: &'a VecDeque<Job>,
    at_most: u64,
    next: AtomicU64,
    /// When the first progress was told, and the steps made since.
    begun: Mutex<Option<Instant>>,
    steps: AtomicU64,
}

impl<'a> Trial<'a> {
    /// Replicate-steps a second of an engine.
    fn rate(
        engine: &dyn Engine,
        problem: &Problem,
        jobs: &'a VecDeque<Job>,
        at_most: u64,
        threads: usize,
    ) -> Result<f64, Error> {
        let trial = Trial {
            jobs,
            at_most: at_most.min(engine.in_flight(problem, threads)),
            next: AtomicU64::new(0),
            begun: Mutex::new(None),
            steps: AtomicU64::new(0),
        };
        let endless = Problem {
            steps: u64::MAX,
            run_all: true,
            schedule: [].into(),
            grid: [].into(),
            ..problem.clone()
        };
        engine.prepare(std::slice::from_ref(&endless), threads)?;
        engine.train(&endless, &trial, threads)?;
        let begun = *lock(&trial.begun);
        let seconds = begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        Ok(trial.steps.into_inner() as f64 / seconds.max(1e-9))
    }
}

impl Queue for Trial<'_> {
    fn next(&self) -> Option<Job> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let job = &self.jobs[number as usize % self.jobs.len()];
        (number < self.at_most).then(|| Job {
            snapshots: Vec::new(),
            keep_best: false,
            keep_losses: false,
            watch: Vec::new(),
            ..job.clone()
        })
    }
    fn finish(&self, _: Trained) {}
    fn remaining(&self) -> u64 {
        self.at_most
    }
    fn progress(&self, steps: u64, _: u64) -> bool {
        if steps == 0 {
            return true;
        }
        let mut begun = lock(&self.begun);
        match *begun {
            // What came before is no training.
            None => *begun = Some(Instant::now()),
            Some(begun) => {
                self.steps.fetch_add(steps, Ordering::Relaxed);
                return begun.elapsed().as_secs_f64() < TRIAL;
            }
        }
        true
    }
}

impl Auto {
    pub(crate) fn new(gpu: Gpu) -> Auto {
        Auto {
            cpu: Cpu::detect(),
            gpu,
            chosen: Mutex::new("cpu"),
        }
    }

    /// Whether the card would be done sooner.
    fn is_worth_it(
        &self,
        problem: &Problem,
        jobs: &VecDeque<Job>,
        left: u64,
        threads: usize,
    ) -> Result<bool, Error> {
        if jobs.is_empty() {
            return Ok(false);
        }
        let processor = Trial::rate(&self.cpu, problem, jobs, left, threads)?;
        let work = left as f64 * problem.steps as f64;
        if work / processor < START {
            return Ok(false);
        }
        // A card that cannot train this is no error here.
        let card = Trial::rate(&self.gpu, problem, jobs, left, threads).unwrap_or(0.0);
        Ok(START + work / card.max(1e-9) < work / processor)
    }
}

impl Engine for Auto {
    fn name(&self) -> &'static str {
        *lock(&self.chosen)
    }

    fn in_flight(&self, problem: &Problem, threads: usize) -> u64 {
        self.gpu.in_flight(problem, threads)
    }

    // Nothing is compiled beforehand: most problems are none for the card.
    fn train(&self, problem: &Problem, queue: &dyn Queue, threads: usize) -> Result<(), Error> {
        problem.check()?;
        let left = queue.remaining();
        let first: VecDeque<Job> = (0..16).map_while(|_| queue.next()).collect();
        let gpu = self.is_worth_it(problem, &first, left, threads)?;
        let engine: &dyn Engine = if gpu { &self.gpu } else { &self.cpu };
        *lock(&self.chosen) = engine.name();
        // The trials trained nothing that is kept.
        if !queue.progress(0, 0) {
            return Ok(());
        }
        let queue = Drawn {
            first: Mutex::new(first),
            rest: queue,
        };
        engine.train(problem, &queue, threads)
    }
}

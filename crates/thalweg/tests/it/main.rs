//! The laws that the library keeps.

mod arrows;
mod counterfactuals;
mod deciding;
mod endings;
mod engines;
mod expectations;
mod first_layer;
mod fitted;
mod impossibilities;
mod infinite;
mod laws;
mod mean_field;
mod outputs;
mod parity;
mod showcase;
mod statistics;
mod studies;
mod tested;
mod verdicts;

use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use thalweg::Inputs;
use thalweg::engine::{Engine, Job, Problem, Queue, Trained};
use thalweg::lab::{self, Control};
use thalweg::plan::{Cell, Plan};
use thalweg::record::Record;
use thalweg::study::Source;

/// A study from its text.
fn plan(text: &str) -> Plan {
    let plan = source(text).plan(&Inputs::default());
    plan.expect("the study of a test is right")
}

fn source(text: &str) -> Source {
    Source {
        name: "test.toml".into(),
        text: text.into(),
        folder: ".".into(),
    }
}

/// Nothing stops it, nobody listens, and there is a clock.
fn control() -> Control<'static> {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    Control {
        clock: Some(&|| BEGUN.elapsed().as_secs_f64()),
        ..Control::default()
    }
}

/// The record of a study's base cell.
fn record(text: &str, engine: &dyn Engine, threads: usize) -> Record {
    lab::train(&plan(text).cells[0], engine, threads, &control()).expect("nothing stops it")
}

/// Replicates handed out in order and taken back.
struct List {
    jobs: Mutex<Vec<Job>>,
    trained: Mutex<Vec<Trained>>,
}

impl Queue for List {
    fn next(&self) -> Option<Job> {
        self.jobs.lock().expect("no panic").pop()
    }
    fn finish(&self, trained: Trained) {
        self.trained.lock().expect("no panic").push(trained);
    }
    fn remaining(&self) -> u64 {
        self.jobs.lock().expect("no panic").len() as u64
    }
    fn progress(&self, _: u64, _: u64) -> bool {
        true
    }
}

/// Trains these replicates; how they ended, by number.
fn train(
    engine: &dyn Engine,
    problem: &Problem,
    mut jobs: Vec<Job>,
    threads: usize,
) -> Vec<Trained> {
    jobs.reverse();
    let list = List {
        jobs: Mutex::new(jobs),
        trained: Mutex::new(Vec::new()),
    };
    let done = engine.train(problem, &list, threads);
    done.expect("the problem fits");
    let mut trained = list.trained.into_inner().expect("no panic");
    trained.sort_by_key(|t| t.replicate);
    trained
}

/// The first replicates of a cell, ready to be trained.
fn jobs(cell: &Cell, count: u64) -> Vec<Job> {
    let problem = cell.problem();
    (0..count).map(|r| lab::job(cell, &problem, r)).collect()
}

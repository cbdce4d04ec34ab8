//! The laws that the library keeps.

mod arrows;
mod deciding;
mod engines;
mod expectations;
mod infinite;
mod inputs;
mod keeping;
mod laws;
mod mean_field;
mod parity;
mod showcase;
mod studies;
mod verdicts;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use thalweg::engine::{End, Engine, Problem, Start, Supply};
use thalweg::plan::{Cell, Plan};
use thalweg::record::Record;
use thalweg::run::{self, Control};
use thalweg::study::Source;

/// A study from its text.
fn plan(text: &str) -> Plan {
    thalweg::store::plan(&source(text)).expect("the study of a test is right")
}

fn source(text: &str) -> Source {
    Source {
        name: "test.toml".into(),
        text: text.into(),
        folder: ".".into(),
    }
}

/// The record of a study's base cell.
fn record(text: &str, engine: &dyn Engine, threads: usize) -> Record {
    let stop = AtomicBool::new(false);
    run::train(
        &plan(text).cells[0],
        engine,
        threads,
        &Control {
            stop: &stop,
            tell: &|_| {},
        },
    )
    .expect("nothing stops it")
}

/// Replicates handed out in order and taken back.
struct List {
    starts: Mutex<Vec<Start>>,
    ends: Mutex<Vec<End>>,
}

impl Supply for List {
    fn next(&self) -> Option<Start> {
        self.starts.lock().expect("no panic").pop()
    }
    fn done(&self, end: End) {
        self.ends.lock().expect("no panic").push(end);
    }
    fn left(&self) -> u64 {
        self.starts.lock().expect("no panic").len() as u64
    }
    fn go_on(&self, _: u64, _: u64) -> bool {
        true
    }
}

/// Trains these replicates; how they ended, by number.
fn train(
    engine: &dyn Engine,
    problem: &Problem,
    mut starts: Vec<Start>,
    threads: usize,
) -> Vec<End> {
    starts.reverse();
    let list = List {
        starts: Mutex::new(starts),
        ends: Mutex::new(Vec::new()),
    };
    engine.train(problem, &list, threads);
    let mut ends = list.ends.into_inner().expect("no panic");
    ends.sort_by_key(|e| e.replicate);
    ends
}

/// The first replicates of a cell, ready to be trained.
fn starts(cell: &Cell, count: u64) -> Vec<Start> {
    let problem = cell.problem();
    (0..count).map(|r| run::start(cell, &problem, r)).collect()
}

//! What is written of a run survives, and what people bring along is read or refused.

mod decisions;
mod inputs;
mod keeping;

use std::sync::LazyLock;
use std::time::Instant;

use thalweg::engine::Engine;
use thalweg::lab::{self, Control};
use thalweg::plan::Plan;
use thalweg::record::Record;
use thalweg::study::Source;

/// A study from its text.
fn plan(text: &str) -> Plan {
    thalweg_store::plan(&source(text)).expect("the study of a test is right")
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

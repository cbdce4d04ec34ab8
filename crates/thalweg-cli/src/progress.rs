//! Progress on a terminal: cells, replicates, rate, time left. Silent elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use thalweg::Plan;
use thalweg::run::Event;

pub(crate) struct Progress {
    bar: ProgressBar,
    cells: usize,
    begun: Instant,
    state: Mutex<(usize, String)>,
    steps: AtomicU64,
}

impl Progress {
    /// A bar over all replicates of the plan; hidden if standard error is no terminal.
    pub(crate) fn new(plan: &Plan) -> Progress {
        let total = plan
            .cells
            .iter()
            .map(|c| c.setting.replicates.at_most())
            .sum();
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:24} {pos}/{len} replicates  {prefix}  {msg}  {eta} left",
        ) {
            bar.set_style(style);
        }
        Progress {
            bar,
            cells: plan.cells.len(),
            begun: Instant::now(),
            state: Mutex::new((0, String::new())),
            steps: AtomicU64::new(0),
        }
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        match event {
            Event::Cell { cell, found } => {
                let n = cell.setting.replicates.at_most();
                if found {
                    // What was there already says nothing about the speed.
                    self.bar
                        .set_length(self.bar.length().unwrap_or(n).saturating_sub(n));
                }
                let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
                *state = (cell.number + 1, cell.describe());
                self.bar
                    .set_prefix(format!("cell {}/{}: {}", state.0, self.cells, state.1));
            }
            Event::Replicate => self.bar.inc(1),
            Event::Steps(n) => {
                let all = self.steps.fetch_add(n, Ordering::Relaxed) + n;
                let rate = all as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
                self.bar.set_message(format!("{} steps/s", si(rate)));
            }
            Event::Done(_) => {}
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Replicates and rate of something whose end is not known; hidden if standard error is no terminal.
pub(crate) struct Spinner {
    bar: ProgressBar,
    begun: Instant,
    steps: AtomicU64,
}

impl Spinner {
    pub(crate) fn new(what: &'static str) -> Spinner {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{prefix}: {pos} replicates  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        Spinner {
            bar,
            begun: Instant::now(),
            steps: AtomicU64::new(0),
        }
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        match event {
            Event::Replicate => self.bar.inc(1),
            Event::Steps(n) => {
                let all = self.steps.fetch_add(n, Ordering::Relaxed) + n;
                let rate = all as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
                self.bar.set_message(format!("{} steps/s", si(rate)));
            }
            Event::Cell { .. } | Event::Done(_) => {}
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A number with a metric prefix, three digits.
pub(crate) fn si(v: f64) -> String {
    let (scaled, prefix) = [(1e9, " G"), (1e6, " M"), (1e3, " k")]
        .iter()
        .find(|(unit, _)| v >= *unit)
        .map_or((v, " "), |(unit, prefix)| (v / unit, prefix));
    let digits = if scaled >= 100.0 { 0 } else { 1 };
    format!("{scaled:.digits$}{prefix}")
}

//! Progress of a run: a bar on a terminal, and a small file in the run folder that `watch` reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use thalweg::Plan;
use thalweg::lab::Event;

use crate::watch::{Part, State, Status, now};

/// The status file is written this often at most.
const OFTEN: Duration = Duration::from_secs(1);

pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    file: PathBuf,
    steps: AtomicU64,
    told: Mutex<Told>,
}

/// What has been told so far.
struct Told {
    status: Status,
    /// The cells that have begun and are not finished: several with the same problem run at a time.
    running: BTreeMap<usize, Part>,
    written: Option<Instant>,
}

impl Progress {
    /// A bar over all replicates of the plan, hidden if standard error is no terminal; the status goes
    /// into the run folder.
    pub(crate) fn new(plan: &Plan, folder: &Path) -> Progress {
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
            begun: Instant::now(),
            file: folder.join(Status::FILE),
            steps: AtomicU64::new(0),
            told: Mutex::new(Told {
                status: Status::new(&plan.title, plan.cells.len(), total),
                running: BTreeMap::new(),
                written: None,
            }),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        match event {
            Event::Cell { cell, found } => {
                let n = cell.setting.replicates.at_most();
                let mut told = self.told();
                if found {
                    // What was there already says nothing about the speed.
                    self.bar
                        .set_length(self.bar.length().unwrap_or(n).saturating_sub(n));
                    told.status.replicates = told.status.replicates.saturating_sub(n);
                }
                let part = Part {
                    cell: cell.number,
                    label: cell.describe(),
                    share: cell.setting.success.share,
                    at_most: n,
                    ended: 0,
                    reached: 0,
                };
                told.running.insert(cell.number, part);
                self.bar.set_prefix(format!(
                    "cell {}/{}: {}",
                    cell.number + 1,
                    told.status.cells,
                    cell.describe()
                ));
                self.write(&mut told, false);
            }
            Event::Replicate { cell, reached } => {
                self.bar.inc(1);
                let mut told = self.told();
                told.status.ended += 1;
                if let Some(now) = told.running.get_mut(&cell.number) {
                    now.ended += 1;
                    now.reached += u64::from(reached);
                }
                self.write(&mut told, false);
            }
            Event::Steps(n) => {
                let all = self.steps.fetch_add(n, Ordering::Relaxed) + n;
                let rate = all as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
                self.bar.set_message(format!("{} steps/s", si(rate)));
            }
            Event::Done { cell, record } => {
                let mut told = self.told();
                told.status.done += 1;
                if let Some(mut part) = told.running.remove(&cell.number) {
                    // A cell may have stopped early, or have been found: the record knows.
                    let most = part.at_most;
                    part.at_most = record.rows.len() as u64;
                    part.ended = part.at_most;
                    part.reached = record.successes();
                    if part.cell == 0 {
                        told.status.base = Some(part);
                    }
                    let spared = most.saturating_sub(record.rows.len() as u64);
                    told.status.replicates = told.status.replicates.saturating_sub(spared);
                }
                self.write(&mut told, false);
            }
        }
    }

    /// Keeps the status, if it is time. A status that cannot be written must not end a run: the records
    /// say so themselves if the disk is full.
    fn write(&self, told: &mut Told, at_once: bool) {
        if !at_once && told.written.is_some_and(|at| at.elapsed() < OFTEN) {
            return;
        }
        told.written = Some(Instant::now());
        told.status.now = told.running.values().next().cloned();
        told.status.updated = now();
        told.status.seconds = self.begun.elapsed().as_secs_f64();
        told.status.steps = self.steps.load(Ordering::Relaxed);
        let json = serde_json::to_string_pretty(&told.status).unwrap_or_default();
        let _ = thalweg::store::write(&self.file, json.as_bytes());
    }

    pub(crate) fn finish(&self, finished: bool) {
        self.bar.finish_and_clear();
        let mut told = self.told();
        told.status.state = if finished {
            State::Finished
        } else {
            State::Stopped
        };
        self.write(&mut told, true);
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
            Event::Replicate { .. } => self.bar.inc(1),
            Event::Steps(n) => {
                let all = self.steps.fetch_add(n, Ordering::Relaxed) + n;
                let rate = all as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
                self.bar.set_message(format!("{} steps/s", si(rate)));
            }
            Event::Cell { .. } | Event::Done { .. } => {}
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

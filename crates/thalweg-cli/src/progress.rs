//! Progress of a run: a bar on a terminal, and a small file in the run folder that `watch` reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use thalweg::Plan;
use thalweg::lab::Event;
use thalweg::study::Replicates;

use crate::interrupt::Training;
use crate::status::{CellStatus, State, Status, now};
use crate::terminal::plain;
use thalweg_report::words::numbers::si;

/// The status file is written this often at most.
const OFTEN: Duration = Duration::from_secs(1);

pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    file: PathBuf,
    steps: AtomicU64,
    latest: Mutex<LatestStatus>,
}

/// What the status file says, and when it was written.
struct LatestStatus {
    status: Status,
    /// The cells that have begun and are not finished: several with the same problem run at a time.
    running: BTreeMap<usize, CellStatus>,
    written: Option<Instant>,
}

impl Progress {
    /// A bar over all replicates of the plan, hidden if standard error is no terminal; the status
    /// goes into the run folder.
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
            latest: Mutex::new(LatestStatus {
                status: Status::new(&plan.title, plan.cells.len(), total),
                running: BTreeMap::new(),
                written: None,
            }),
        }
    }

    fn latest(&self) -> MutexGuard<'_, LatestStatus> {
        self.latest.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        match event {
            Event::Cell { cell, found } => {
                let n = cell.setting.replicates.at_most();
                let mut latest = self.latest();
                if found {
                    // What was there already says nothing about the speed.
                    self.bar
                        .set_length(self.bar.length().unwrap_or(n).saturating_sub(n));
                    latest.status.replicates = latest.status.replicates.saturating_sub(n);
                }
                let part = CellStatus {
                    cell: cell.number,
                    label: cell.describe(),
                    share: cell.setting.success.share,
                    sequential: matches!(cell.setting.replicates, Replicates::UntilDecided { .. }),
                    at_most: n,
                    ended: 0,
                    reached: 0,
                };
                latest.running.insert(cell.number, part);
                self.bar.set_prefix(format!(
                    "cell {}/{}: {}",
                    cell.number + 1,
                    latest.status.cells,
                    plain(&cell.describe())
                ));
                self.write(&mut latest, false);
            }
            Event::Replicate { cell, reached } => {
                self.bar.inc(1);
                let mut latest = self.latest();
                latest.status.ended += 1;
                if let Some(now) = latest.running.get_mut(&cell.number) {
                    now.ended += 1;
                    now.reached += u64::from(reached);
                }
                self.write(&mut latest, false);
            }
            Event::Steps(n) => {
                let all = self.steps.fetch_add(n, Ordering::Relaxed) + n;
                let rate = all as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
                self.bar.set_message(format!("{} steps/s", si(rate)));
            }
            Event::Done { cell, record } => {
                let mut latest = self.latest();
                let part = latest.running.remove(&cell.number);
                latest
                    .status
                    .finish_cell(part, record.replicates(), record.successes());
                self.write(&mut latest, false);
            }
        }
    }

    /// Keeps the status, if it is time. A status that cannot be written must not end a run: the
    /// records say so themselves if the disk is full.
    fn write(&self, latest: &mut LatestStatus, at_once: bool) {
        if !at_once && latest.written.is_some_and(|at| at.elapsed() < OFTEN) {
            return;
        }
        latest.written = Some(Instant::now());
        latest.status.now = latest.running.values().next().cloned();
        latest.status.updated = now();
        latest.status.seconds = self.begun.elapsed().as_secs_f64();
        latest.status.steps = self.steps.load(Ordering::Relaxed);
        let json = serde_json::to_string_pretty(&latest.status).unwrap_or_default();
        let _ = thalweg_store::write(&self.file, json.as_bytes());
    }

    pub(crate) fn finish(&self, finished: bool) {
        self.bar.finish_and_clear();
        let mut latest = self.latest();
        latest.status.state = if finished {
            State::Finished
        } else {
            State::Stopped
        };
        self.write(&mut latest, true);
    }
}

/// Replicates and rate of something whose end is not known; hidden if standard error is no
/// terminal.
pub(crate) struct Spinner {
    /// From the first replicate on; what is before it may be ended at once.
    training: OnceLock<Training>,
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
            training: OnceLock::new(),
            bar,
            begun: Instant::now(),
            steps: AtomicU64::new(0),
        }
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        self.training.get_or_init(Training::begin);
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

    /// The end, of training too.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg::Source;
    use thalweg::record::{OutcomeCounts, Record, Tally};

    /// Beyond the rows that a record keeps, replicates are counted only: the status is about all.
    #[test]
    fn status_counts_replicates_without_a_row() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = Source {
            name: "large.toml".into(),
            text: "replicates = 250000".into(),
            folder: folder.path().into(),
        };
        let plan = source.plan(&thalweg::Inputs::default()).expect("a study");
        let progress = Progress::new(&plan, folder.path());
        let cell = &plan.cells[0];
        progress.tell(Event::Cell { cell, found: false });
        let record = Record {
            hash: String::new(),
            engine: "cpu".into(),
            seconds: 1.0,
            tally: Tally {
                replicates: 250_000,
                outcomes: OutcomeCounts {
                    below: 240_000,
                    spent: 10_000,
                    diverged: 0,
                    fixed: 0,
                },
                steps: 1_000_000,
            },
            rows: Vec::new(),
            looks: Vec::new(),
            grid: Vec::new(),
            quantiles: Vec::new(),
            curves: Vec::new(),
            kept: Vec::new(),
        };
        progress.tell(Event::Done {
            cell,
            record: &record,
        });
        progress.finish(true);
        let text = std::fs::read_to_string(folder.path().join(Status::FILE)).expect("a status");
        let status: Status = serde_json::from_str(&text).expect("a status");
        let base = status.base.expect("the base cell is finished");
        assert_eq!(
            (base.ended, base.at_most, base.reached, status.replicates),
            (250_000, 250_000, 240_000, 250_000)
        );
    }
}

//! Progress of a run: a bar on a terminal, and a small file in the run folder that `watch` reads.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use thalweg::Plan;
use thalweg::lab::Event;
use thalweg::plan::Cell;
use thalweg::study::{Replicates, Setting};

use crate::interrupt::Training;
use crate::screen::size;
use crate::status::{CellStatus, State, Status, now};
use crate::terminal::{complain, plain};
use thalweg_report::words::numbers::si;
use thalweg_report::words::setting::short;

/// The status file is written this often at most.
const OFTEN: Duration = Duration::from_secs(1);

/// Without a terminal a run says this often how far it is.
const SELDOM: Duration = Duration::from_secs(10);

pub(crate) struct Progress {
    bar: ProgressBar,
    /// The base cell, beside which cells are named.
    base: Setting,
    /// Where standard error is no terminal.
    lines: Option<Lines>,
    begun: Instant,
    /// The status file, if there is one.
    file: Option<PathBuf>,
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
    /// A bar over so many replicates of the plan, hidden if standard error is no terminal; the
    /// status goes into the run folder if one is given.
    pub(crate) fn new(plan: &Plan, total: u64, folder: Option<&Path>) -> Progress {
        let bar = ProgressBar::new(total);
        let stderr = std::io::stderr().is_terminal();
        let (width, _) = size(stderr, &Term::stderr());
        if let Ok(style) = ProgressStyle::with_template(template(width)) {
            bar.set_style(style);
        }
        // Until the first cell begins: an engine may compile for some seconds.
        bar.set_message("getting ready");
        Progress {
            bar,
            base: plan.cells[0].setting.clone(),
            lines: (!stderr).then(Lines::default),
            begun: Instant::now(),
            file: folder.map(|folder| folder.join(Status::FILE)),
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
                let label = short(&self.base, &cell.setting);
                self.bar.set_message(format!(
                    "cell {}/{}: {}",
                    cell.number + 1,
                    latest.status.cells,
                    plain(&label)
                ));
                let part = CellStatus {
                    cell: cell.number,
                    label,
                    share: cell.setting.success.share,
                    sequential: matches!(cell.setting.replicates, Replicates::UntilDecided { .. }),
                    at_most: n,
                    ended: 0,
                    reached: 0,
                };
                latest.running.insert(cell.number, part);
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
                self.bar.set_prefix(format!("{} steps/s", si(rate)));
                self.line(false);
            }
            Event::Loss { .. } => {}
            Event::Done { cell, record } => {
                let mut latest = self.latest();
                let part = latest.running.remove(&cell.number);
                latest
                    .status
                    .finish_cell(part, record.replicates(), record.successes());
                self.write(&mut latest, false);
                drop(latest);
                self.line(true);
            }
        }
    }

    /// The piece of a cell that is trained here is finished.
    pub(crate) fn finish_piece(&self, cell: &Cell) {
        let mut latest = self.latest();
        latest.running.remove(&cell.number);
        latest.status.done += 1;
        drop(latest);
        self.line(true);
    }

    /// Tells how far the run is where there is no bar, if it is time.
    fn line(&self, cell: bool) {
        let Some(lines) = &self.lines else { return };
        if lines.due(self.begun.elapsed(), cell) {
            let status = {
                let mut latest = self.latest();
                self.refresh(&mut latest);
                latest.status.clone()
            };
            complain(&status.line());
        }
    }

    /// Runs something that prints while there may be a bar.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Keeps the status, if it is time. A status that cannot be written must not end a run: the
    /// records say so themselves if the disk is full.
    fn write(&self, latest: &mut LatestStatus, at_once: bool) {
        if !at_once && latest.written.is_some_and(|at| at.elapsed() < OFTEN) {
            return;
        }
        latest.written = Some(Instant::now());
        self.refresh(latest);
        if let Some(file) = &self.file {
            let json = serde_json::to_string_pretty(&latest.status).unwrap_or_default();
            let _ = thalweg_store::write(file, json.as_bytes());
        }
    }

    fn refresh(&self, latest: &mut LatestStatus) {
        latest.status.now = latest.running.values().next().cloned();
        latest.status.updated = now();
        latest.status.seconds = self.begun.elapsed().as_secs_f64();
        latest.status.steps = self.steps.load(Ordering::Relaxed);
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

/// What of a bar there is room for. The label comes last and is cut to the width.
fn template(width: usize) -> &'static str {
    match width {
        80.. => "{bar:24} {pos}/{len}  {prefix}  {eta} left  {wide_msg}",
        56.. => "{bar:10} {pos}/{len}  {prefix}  {eta} left  {wide_msg}",
        _ => "{pos}/{len}  {eta} left  {wide_msg}",
    }
}

/// When lines were told.
#[derive(Default)]
struct Lines(Mutex<Duration>);

impl Lines {
    /// Whether a line is due, and if so it is told: every ten seconds, and for a finished cell, but
    /// not twice in a second. A run of less than a second says nothing.
    fn due(&self, elapsed: Duration, cell: bool) -> bool {
        let mut told = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let wait = if cell { OFTEN } else { SELDOM };
        let due = elapsed >= *told + wait;
        if due {
            *told = elapsed;
        }
        due
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

/// A bar over cells that are priced, which ends at once when it is interrupted.
pub(crate) fn pricing(cells: usize) -> ProgressBar {
    let bar = ProgressBar::new(cells as u64);
    if let Ok(style) = ProgressStyle::with_template("pricing {wide_bar} {pos} of {len} cells") {
        bar.set_style(style);
    }
    bar
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
            Event::Cell { .. } | Event::Loss { .. } | Event::Done { .. } => {}
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
    use indicatif::{ProgressDrawTarget, TermLike};
    use std::sync::Arc;
    use thalweg::Source;
    use thalweg::record::{OutcomeCounts, Record, Tally};

    /// A window of some width that remembers what was written.
    #[derive(Debug, Clone)]
    struct Window(u16, Arc<Mutex<Vec<String>>>);

    impl TermLike for Window {
        fn width(&self) -> u16 {
            self.0
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.1.lock().expect("no panic").push(text.to_string());
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The bar went on in a second line, and left one behind at every redraw.
    #[test]
    fn the_bar_is_never_wider_than_the_window() {
        for width in [30, 56, 80, 100] {
            let window = Window(width, Arc::default());
            let target = ProgressDrawTarget::term_like(Box::new(window.clone()));
            let bar = ProgressBar::with_draw_target(Some(53_200), target);
            let style = ProgressStyle::with_template(template(width.into()));
            bar.set_style(style.expect("a template"));
            bar.set_prefix("284 k steps/s");
            bar.set_message("cell 132/133: dim = 2, method = adam, rate = 0.003, replicates = 200");
            bar.set_position(53_000);
            bar.tick();
            let written = window.1.lock().expect("no panic");
            let size = |text: &String| console::measure_text_width(text);
            let widest = written.iter().map(size).max().unwrap_or(0);
            assert!(widest <= width.into(), "{width}: {written:?}");
            assert!(
                written.iter().any(|t| t.contains("53000/53200")),
                "{written:?}"
            );
        }
    }

    /// Without a terminal a run of ten minutes did not say a word.
    #[test]
    fn without_a_terminal_there_is_a_line_now_and_then() {
        let lines = Lines::default();
        let at = |s: f64, cell: bool| lines.due(Duration::from_secs_f64(s), cell);
        assert!(!at(0.5, true), "a short run says nothing");
        assert!(at(1.5, true));
        assert!(!at(2.0, true) && !at(9.0, false));
        assert!(at(11.6, false));
        assert!(at(12.7, true));
    }

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
        let progress = Progress::new(&plan, 250_000, Some(folder.path()));
        // Kernels of a card were compiled behind a window that showed nothing.
        assert_eq!(progress.bar.message(), "getting ready");
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

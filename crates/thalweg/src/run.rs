//! Runs a plan: trains every cell that is not finished, looks at its replicates, keeps the record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::descent::Rate;
use crate::engine::{End, Engine, Problem, Snapshot, Start, Supply};
use crate::error::Error;
use crate::observe;
use crate::plan::{Cell, Plan};
use crate::record::{BANDS, Curve, Kept, Look, Outcome, ROWS, Record, Row, Tally};
use crate::stats::{SequentialTest, quantile_of};
use crate::store;
use crate::study::{At, Losses, Replicates, Weights};

/// Replicates of each cell whose loss on the grid of steps is kept in any case.
pub const CURVES: u64 = 8;

/// How a run is watched and stopped.
pub struct Control<'a> {
    /// Set from outside to stop; finished cells are kept.
    pub stop: &'a AtomicBool,
    /// Told what happens, from the engine's threads.
    pub tell: &'a (dyn Fn(Event<'_>) + Sync),
}

/// What happens in a run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A cell begins, or is found finished.
    Cell {
        /// The cell.
        cell: &'a Cell,
        /// Whether its record was there.
        found: bool,
    },
    /// A replicate of the running cell ended.
    Replicate {
        /// Whether it got below.
        reached: bool,
    },
    /// Replicate-steps were made since the last time.
    Steps(u64),
    /// The running cell is finished and kept.
    Done(&'a Record),
}

/// Trains all cells of a plan that are not finished in `folder`; all records, by cell.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped, [`Error::Io`] if a record cannot be kept,
/// [`Error::Damaged`] if one that is there cannot be read.
pub fn run(
    plan: &Plan,
    engine: &dyn Engine,
    threads: usize,
    folder: &Path,
    control: &Control<'_>,
) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for cell in &plan.cells {
        let found = store::load(folder, cell, engine.name())?;
        (control.tell)(Event::Cell {
            cell,
            found: found.is_some(),
        });
        let record = match found {
            Some(record) => record,
            None => {
                let stopped = Error::Stopped {
                    done: records.len(),
                    cells: plan.cells.len(),
                };
                let record = train(cell, engine, threads, control).ok_or(stopped)?;
                store::save(folder, cell, &record)?;
                record
            }
        };
        (control.tell)(Event::Done(&record));
        records.push(record);
    }
    Ok(records)
}

/// The record of one cell; none if it was stopped.
pub fn train(
    cell: &Cell,
    engine: &dyn Engine,
    threads: usize,
    control: &Control<'_>,
) -> Option<Record> {
    let begun = Instant::now();
    let problem = cell.problem();
    let supply = Cohort {
        cell,
        problem: &problem,
        control,
        next: AtomicU64::new(0),
        until: AtomicU64::new(0),
        in_order: matches!(cell.setting.replicates, Replicates::UntilDecided { .. }),
        ended: Mutex::new(Ends::default()),
    };
    let stopped = || control.stop.load(Ordering::Relaxed);
    match cell.setting.replicates {
        Replicates::Fixed(n) => {
            supply.until.store(n, Ordering::Relaxed);
            engine.train(&problem, &supply, threads);
        }
        Replicates::UntilDecided { at_most, level } => {
            let mut test = SequentialTest::new(cell.setting.success.share, level);
            let mut judged = 0;
            'more: while judged < at_most && !stopped() {
                // Blocks of 64 fill the lanes; what runs past the decision is dropped, so the
                // record depends on the draws alone.
                supply
                    .until
                    .store((judged + 64).min(at_most), Ordering::Relaxed);
                engine.train(&problem, &supply, threads);
                let mut ended = supply.ended.lock().unwrap_or_else(|e| e.into_inner());
                while let Some(one) = ended.kept.get(&judged) {
                    test.push(one.row.reached());
                    judged += 1;
                    if test.decision().is_some() {
                        ended.kept.split_off(&judged);
                        break 'more;
                    }
                }
                for (_, one) in ended.kept.split_off(&ROWS) {
                    ended.tally.count(&one.row);
                }
            }
        }
    }
    if stopped() {
        return None;
    }
    let ended = supply.ended.into_inner().unwrap_or_else(|e| e.into_inner());
    Some(gather(cell, &problem, engine.name(), ended, begun))
}

/// What is kept of a replicate that ended.
struct Ended {
    row: Row,
    losses: Vec<f64>,
    looks: Vec<Look>,
    curve: Option<Curve>,
    kept: Option<Kept>,
}

/// The replicates that ended: the first ones whole, the others counted.
#[derive(Default)]
struct Ends {
    kept: BTreeMap<u64, Ended>,
    tally: Tally,
}

/// The replicates of a cell: draws them, takes them back, looks at them.
struct Cohort<'a> {
    cell: &'a Cell,
    problem: &'a Problem,
    control: &'a Control<'a>,
    next: AtomicU64,
    until: AtomicU64,
    /// Every end is kept until it was judged in the order of the numbers.
    in_order: bool,
    ended: Mutex<Ends>,
}

/// The start of a replicate: its training set, initial weights and rate.
pub fn start(cell: &Cell, problem: &Problem, replicate: u64) -> Start {
    let set = cell.set(replicate);
    let weights = cell.weights(replicate);
    let rate = match cell.setting.descent.rate {
        Rate::Absolute(rate) => rate,
        Rate::OfLimit(c) => c * observe::largest_stable_rate(problem, &weights, &set.x),
    };
    let keep = cell.setting.keep;
    let kept = replicate < keep.replicates;
    Start {
        replicate,
        x: set.x,
        y: set.y,
        weights,
        rate,
        seed: cell.setting.seed,
        snapshots: if cell.looks_at(replicate) {
            cell.look_steps()
        } else {
            Vec::new()
        },
        keep_best: kept && keep.weights == Weights::Best,
        keep_losses: kept && keep.losses == Losses::All,
    }
}

impl Supply for Cohort<'_> {
    fn next(&self) -> Option<Start> {
        if self.control.stop.load(Ordering::Relaxed) {
            return None;
        }
        let until = self.until.load(Ordering::Relaxed);
        let claim = |n: u64| (n < until).then_some(n + 1);
        let replicate = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
            .ok()?;
        Some(start(self.cell, self.problem, replicate))
    }

    fn done(&self, end: End) {
        let replicate = end.replicate;
        let one = self.take(end);
        let reached = one.row.reached();
        let mut ended = self.ended.lock().unwrap_or_else(|e| e.into_inner());
        if self.in_order || replicate < ROWS {
            ended.kept.insert(replicate, one);
        } else {
            ended.tally.count(&one.row);
        }
        drop(ended);
        (self.control.tell)(Event::Replicate { reached });
    }

    fn left(&self) -> u64 {
        let until = self.until.load(Ordering::Relaxed);
        until.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    fn go_on(&self, steps: u64, _: u64) -> bool {
        (self.control.tell)(Event::Steps(steps));
        !self.control.stop.load(Ordering::Relaxed)
    }
}

impl Cohort<'_> {
    fn take(&self, end: End) -> Ended {
        let (cell, problem) = (self.cell, self.problem);
        let replicate = end.replicate;
        let keep = cell.setting.keep;
        let row = Row {
            replicate,
            outcome: end.outcome,
            steps: end.last.step,
            first_below: end.first_below,
            rate: end.rate,
            initial_loss: end.losses.first().copied().unwrap_or(f64::NAN),
            best_loss: end.best_loss,
            final_loss: end.last.loss,
        };
        let looked = cell.looks_at(replicate);
        let is_kept = replicate < keep.replicates;
        // The report shows the first few one by one; their losses on the grid cost next to nothing.
        let has_curve = is_kept || replicate < CURVES;
        if !looked && !has_curve {
            let losses = if replicate < BANDS {
                end.losses
            } else {
                Vec::new()
            };
            return Ended {
                row,
                losses,
                looks: Vec::new(),
                curve: None,
                kept: None,
            };
        }
        let set = cell.set(replicate);
        let looks = if looked {
            let at = &cell.setting.look.at;
            let mut path = Vec::new();
            if at.contains(&At::Start) {
                path.push(Snapshot {
                    step: 0,
                    loss: row.initial_loss,
                    weights: cell.weights(replicate),
                });
            }
            path.extend(end.snapshots);
            let diverged = matches!(end.outcome, Outcome::Diverged { .. });
            if at.contains(&At::End)
                && !diverged
                && path.last().is_none_or(|p| p.step < end.last.step)
            {
                path.push(end.last.clone());
            }
            observe::look(
                problem,
                &cell.setting.look.observables,
                replicate,
                row.rate,
                &set,
                &path,
            )
        } else {
            Vec::new()
        };
        let curve = has_curve.then(|| match keep.losses {
            Losses::All if is_kept => Curve {
                replicate,
                steps: (0..end.all_losses.len() as u64).collect(),
                losses: end.all_losses,
            },
            Losses::All | Losses::Log => {
                let on_grid = end.losses.len();
                let mut steps: Vec<u64> = problem.grid[..on_grid].to_vec();
                let mut losses = end.losses.clone();
                if steps.last() != Some(&row.steps) {
                    steps.push(row.steps);
                    losses.push(row.final_loss);
                }
                Curve {
                    replicate,
                    steps,
                    losses,
                }
            }
        });
        let weights = match keep.weights {
            Weights::Best => end.best,
            Weights::Final => Some(end.last),
            Weights::None => None,
        };
        let kept = weights.filter(|_| is_kept).map(|snapshot| Kept {
            replicate,
            step: snapshot.step,
            loss: snapshot.loss,
            outputs: observe::Tangent::new(problem, &snapshot.weights, &set.x).outputs,
            weights: snapshot.weights,
            x: set.x,
            y: set.y,
        });
        Ended {
            row,
            losses: end.losses,
            looks,
            curve,
            kept,
        }
    }
}

/// Puts the replicates together in the order of their numbers.
fn gather(cell: &Cell, problem: &Problem, engine: &str, ends: Ends, begun: Instant) -> Record {
    let Ends { kept, mut tally } = ends;
    let first = || kept.range(..BANDS).map(|(_, ended)| ended);
    let longest = first().map(|e| e.losses.len()).max().unwrap_or(0);
    let quantiles = (0..longest)
        .map(|i| {
            let at: Vec<f64> = first()
                .map(|e| match (e.losses.get(i), e.row.outcome) {
                    (_, Outcome::Diverged { step }) if problem.grid[i] >= step => f64::INFINITY,
                    (Some(loss), _) => *loss,
                    (None, _) => e.row.final_loss,
                })
                .collect();
            [0.1, 0.5, 0.9].map(|q| quantile_of(&at, q))
        })
        .collect();
    let mut record = Record {
        hash: cell.hash.clone(),
        engine: engine.to_string(),
        seconds: 0.0,
        tally,
        rows: Vec::new(),
        looks: Vec::new(),
        grid: problem.grid[..longest].to_vec(),
        quantiles,
        curves: Vec::new(),
        kept: Vec::new(),
    };
    for one in kept.into_values() {
        tally.count(&one.row);
        record.rows.push(one.row);
        record.looks.extend(one.looks);
        record.curves.extend(one.curve);
        record.kept.extend(one.kept);
    }
    record.tally = tally;
    record.seconds = begun.elapsed().as_secs_f64();
    record
}

/// One replicate on its own.
struct Single<'a> {
    start: Mutex<Option<Start>>,
    end: Mutex<Option<End>>,
    stop: &'a AtomicBool,
}

impl Supply for Single<'_> {
    fn next(&self) -> Option<Start> {
        self.start.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
    fn done(&self, end: End) {
        *self.end.lock().unwrap_or_else(|e| e.into_inner()) = Some(end);
    }
    fn left(&self) -> u64 {
        1
    }
    fn go_on(&self, _: u64, _: u64) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Trains one replicate of a cell again, to the same bits; none if it was stopped.
pub fn replay(
    cell: &Cell,
    engine: &dyn Engine,
    replicate: u64,
    stop: &AtomicBool,
) -> Option<(Start, End)> {
    let problem = cell.problem();
    let start = start(cell, &problem, replicate);
    let single = Single {
        start: Mutex::new(Some(start.clone())),
        end: Mutex::new(None),
        stop,
    };
    engine.train(&problem, &single, 1);
    let end = single.end.into_inner().unwrap_or_else(|e| e.into_inner())?;
    Some((start, end))
}

/// An endless supply that counts the steps of a short while.
struct Stopwatch<'a> {
    cell: &'a Cell,
    problem: &'a Problem,
    next: AtomicU64,
    steps: AtomicU64,
    begun: Instant,
    seconds: f64,
}

impl Supply for Stopwatch<'_> {
    fn next(&self) -> Option<Start> {
        let replicate = self.next.fetch_add(1, Ordering::Relaxed) % 64;
        let more = self.begun.elapsed().as_secs_f64() < self.seconds;
        more.then(|| Start {
            keep_best: false,
            keep_losses: false,
            snapshots: Vec::new(),
            ..start(self.cell, self.problem, replicate)
        })
    }
    fn done(&self, _: End) {}
    fn left(&self) -> u64 {
        u64::MAX
    }
    fn go_on(&self, steps: u64, _: u64) -> bool {
        self.steps.fetch_add(steps, Ordering::Relaxed);
        self.begun.elapsed().as_secs_f64() < self.seconds
    }
}

/// Replicate-steps a second of a cell on this machine, measured for about so many seconds.
pub fn calibrate(cell: &Cell, engine: &dyn Engine, threads: usize, seconds: f64) -> f64 {
    let problem = Problem {
        steps: u64::MAX,
        run_all: true,
        grid: Vec::new().into(),
        ..cell.problem()
    };
    let watch = Stopwatch {
        cell,
        problem: &problem,
        next: AtomicU64::new(0),
        steps: AtomicU64::new(0),
        begun: Instant::now(),
        seconds,
    };
    engine.train(&problem, &watch, threads);
    watch.steps.load(Ordering::Relaxed) as f64 / watch.begun.elapsed().as_secs_f64()
}

//! Trains the cells of a plan, looks at their replicates, hands finished cells over to be kept.
//!
//! No files and no clock: what a run needs of the world around it is given by the program, in a
//! [`Control`] and a [`Keeper`].

mod piece;
mod queue;
mod shared;
mod take;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::descent::Rate;
use crate::engine::{self, Engine, Job, Problem, Snapshot, Trained};
use crate::error::Error;
use crate::observe;
use crate::plan::{Cell, Plan};
use crate::record::{Record, Row};
use crate::study::Replicates;
use crate::theory::linear::Rule;

pub use piece::{Piece, Span, join, missing, shard, unfinished};
pub(crate) use queue::{Hooks, Judge, Numbers, Wanted, train as train_wanted};
use shared::{Wish, families, job_for};
pub(crate) use take::{Decision, tested_row};
use take::{Ends, take};

/// Problems that an engine is told of together, before the first of them is trained.
const PREPARED: usize = 32;

/// Replicates of each cell whose loss on the grid of steps is kept in any case.
pub const CURVES: u64 = 8;

/// How a run is watched and stopped. The default is not stopped, has no clock, and tells nobody.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Asked now and then, from the engine's threads; if true the run stops, and finished cells
    /// are kept.
    pub stopped: &'a (dyn Fn() -> bool + Sync),
    /// Seconds since any moment. Without it a record says that it took no time.
    pub clock: Option<&'a (dyn Fn() -> f64 + Sync)>,
    /// Called with what happens, from the engine's threads.
    pub listen: &'a (dyn Fn(Event<'_>) + Sync),
}

impl Default for Control<'_> {
    fn default() -> Self {
        Control {
            stopped: &|| false,
            clock: None,
            listen: &|_| {},
        }
    }
}

impl Control<'_> {
    fn seconds(&self) -> f64 {
        self.clock.map_or(0.0, |clock| clock())
    }
}

/// What happens in a run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A cell begins, or is found finished. Cells with the same problem are trained at the same
    /// time.
    Cell {
        /// The cell.
        cell: &'a Cell,
        /// Whether its record was there.
        found: bool,
    },
    /// A replicate ended.
    Replicate {
        /// Of this cell.
        cell: &'a Cell,
        /// Whether it got below.
        reached: bool,
    },
    /// A step of a replicate that keeps the loss of every step, while it is trained.
    Loss {
        /// Of this cell.
        cell: &'a Cell,
        /// Its number.
        replicate: u64,
        /// The step.
        step: u64,
        /// The loss there.
        loss: f64,
    },
    /// Replicate-steps were made since the last time.
    Steps(u64),
    /// A cell is finished and kept.
    Done {
        /// The cell.
        cell: &'a Cell,
        /// Its record.
        record: &'a Record,
    },
}

/// Where finished cells are kept. Called from the engine's threads.
pub trait Keeper: Sync {
    /// The record of a cell that was finished before.
    ///
    /// # Errors
    ///
    /// If there is something that cannot be read.
    fn found(&self, cell: &Cell) -> Result<Option<Record>, Error>;

    /// Pieces of a cell that is not finished, which other processes have trained.
    ///
    /// # Errors
    ///
    /// If there is something that cannot be read.
    fn pieces(&self, cell: &Cell) -> Result<Vec<Piece>, Error>;

    /// Keeps the record of a cell that is finished now.
    ///
    /// # Errors
    ///
    /// If it cannot be kept: then the run stops.
    fn keep(&self, cell: &Cell, record: &Record) -> Result<(), Error>;
}

/// Keeps nothing: a run that only returns its records.
#[derive(Debug, Clone, Copy)]
pub struct InMemory;

impl Keeper for InMemory {
    fn found(&self, _: &Cell) -> Result<Option<Record>, Error> {
        Ok(None)
    }
    fn pieces(&self, _: &Cell) -> Result<Vec<Piece>, Error> {
        Ok(Vec::new())
    }
    fn keep(&self, _: &Cell, _: &Record) -> Result<(), Error> {
        Ok(())
    }
}

/// Trains all cells of a plan that are not finished; all records, by cell. Each is kept as soon as
/// it is finished.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use thalweg::lab::{self, Event};
/// use thalweg::study::Replicates;
/// use thalweg::{Control, Cpu, InMemory, Inputs, Plan, Setting, Study, data};
///
/// let study = Study::of(Setting {
///     replicates: Replicates::Fixed(10),
///     data: data::Data { points: 4, dim: 3, ..data::Data::default() },
///     ..Setting::default()
/// });
/// let plan = Plan::new(&study, &Inputs::default())?;
/// let ended = AtomicU64::new(0);
/// let control = Control {
///     listen: &|event| {
///         if matches!(event, Event::Replicate { .. }) {
///             ended.fetch_add(1, Ordering::Relaxed);
///         }
///     },
///     ..Control::default()
/// };
/// let records = lab::run(&plan, &Cpu::detect(), 2, &InMemory, &control)?;
/// assert_eq!((records[0].replicates(), ended.into_inner()), (10, 10));
/// // Threads change no bit.
/// let again = lab::run(&plan, &Cpu::detect(), 1, &InMemory, &Control::default())?;
/// assert_eq!(again[0].rows, records[0].rows);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`]; what the keeper says.
pub fn run(
    plan: &Plan,
    engine: &dyn Engine,
    threads: usize,
    keeper: &dyn Keeper,
    control: &Control<'_>,
) -> Result<Vec<Record>, Error> {
    let mut records: Vec<Option<Record>> = Vec::with_capacity(plan.cells.len());
    let mut pieces: Vec<Vec<Piece>> = Vec::with_capacity(plan.cells.len());
    let mut spans = Vec::new();
    let done = |cell: &Cell, record: Record| -> Result<Option<Record>, Error> {
        keeper.keep(cell, &record)?;
        let told = &record;
        (control.listen)(Event::Done { cell, record: told });
        Ok(Some(record))
    };
    for cell in &plan.cells {
        let mut found = keeper.found(cell)?;
        if let Some(record) = &found {
            (control.listen)(Event::Cell { cell, found: true });
            (control.listen)(Event::Done { cell, record });
        }
        let mut parts = Vec::new();
        if found.is_none() {
            parts = keeper.pieces(cell)?;
            let left = missing(cell, &parts);
            if left.is_empty()
                && let Some(record) = join(cell, std::mem::take(&mut parts))
            {
                (control.listen)(Event::Cell { cell, found: true });
                found = done(cell, record)?;
            }
            spans.extend(left);
        }
        records.push(found);
        pieces.push(parts);
    }
    let state = Mutex::new((records, pieces));
    let keep = |span: Span, piece: Piece| -> Result<(), Error> {
        let cell = &plan.cells[span.cell];
        let parts = {
            let mut state = state.lock().unwrap_or_else(|e| e.into_inner());
            let parts = &mut state.1[span.cell];
            parts.push(piece);
            if !missing(cell, parts).is_empty() {
                return Ok(());
            }
            std::mem::take(parts)
        };
        let record = match join(cell, parts) {
            Some(record) => done(cell, record)?,
            None => None,
        };
        state.lock().unwrap_or_else(|e| e.into_inner()).0[span.cell] = record;
        Ok(())
    };
    train_spans(plan, &spans, engine, threads, &keep, control)?;
    let (records, _) = state.into_inner().unwrap_or_else(|e| e.into_inner());
    let (cells, done) = (records.len(), records.iter().flatten().count());
    let all: Option<Vec<Record>> = records.into_iter().collect();
    all.ok_or(Error::Stopped { done, cells })
}

/// Trains these replicates; each span is handed over as soon as it is finished. False if it was
/// stopped before all were.
///
/// # Errors
///
/// [`Error::Engine`]; what `keep` says.
pub fn train_spans(
    plan: &Plan,
    spans: &[Span],
    engine: &dyn Engine,
    threads: usize,
    keep: &(dyn Fn(Span, Piece) -> Result<(), Error> + Sync),
    control: &Control<'_>,
) -> Result<bool, Error> {
    let groups = alike(plan, spans, engine.cuts());
    for (i, families) in groups.iter().enumerate() {
        if i.is_multiple_of(PREPARED) && !(control.stopped)() {
            let next = groups.iter().skip(i).take(PREPARED);
            let problems: Vec<Problem> = next.map(|f| plan.cells[f[0][0].cell].problem()).collect();
            engine.prepare(&problems, threads)?;
        }
        let cells = |family: &Vec<Span>| {
            let spans = family.iter().map(|span| (&plan.cells[span.cell], *span));
            spans.collect()
        };
        let families = families.iter().map(cells).collect();
        if !train_alike(families, engine, threads, control, keep)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Spans in families that share their trainings, in groups that have their problem in common.
fn alike(plan: &Plan, spans: &[Span], cut: bool) -> Vec<Vec<Vec<Span>>> {
    let keyed = families(plan, spans, cut).into_iter().map(|family| {
        let problem = plan.cells[family[0].cell].problem();
        (problem_key(&problem), family)
    });
    grouped(keyed)
}

/// What problems have in common that are the same.
pub(crate) fn problem_key(problem: &Problem) -> blake3::Hash {
    // Debug text has every field, and every number with all its digits.
    blake3::hash(format!("{problem:?}").as_bytes())
}

/// Those with one key together, in the order in which they came.
pub(crate) fn grouped<K: Eq + Hash, T>(all: impl IntoIterator<Item = (K, T)>) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut known: HashMap<K, usize> = HashMap::new();
    for (key, one) in all {
        let group = *known.entry(key).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(one);
    }
    groups
}

/// The record of one cell.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub fn train(
    cell: &Cell,
    engine: &dyn Engine,
    threads: usize,
    control: &Control<'_>,
) -> Result<Record, Error> {
    let made = Mutex::new(None);
    let all = vec![(cell, Span::whole(cell))];
    train_alike(vec![all], engine, threads, control, &|_, piece| {
        *made.lock().unwrap_or_else(|e| e.into_inner()) = Some(piece);
        Ok(())
    })?;
    let piece = made.into_inner().unwrap_or_else(|e| e.into_inner());
    let record = piece.and_then(|piece| join(cell, vec![piece]));
    record.ok_or(Error::Stopped { done: 0, cells: 1 })
}

/// Trains spans of cells, in families that share their trainings and have the problem of their
/// first cell in common; false if it was stopped.
fn train_alike(
    families: Vec<Vec<(&Cell, Span)>>,
    engine: &dyn Engine,
    threads: usize,
    control: &Control<'_>,
    keep: &(dyn Fn(Span, Piece) -> Result<(), Error> + Sync),
) -> Result<bool, Error> {
    // A cell's own problem, by its budget: there they differ.
    let cells = families.iter().flatten().map(|(cell, _)| *cell);
    let problems: HashMap<u64, Problem> = cells
        .map(|cell| (cell.setting.descent.steps, cell.problem()))
        .collect();
    let own = |cell: &Cell| &problems[&cell.setting.descent.steps];
    let Some(&(first, _)) = families.first().and_then(|family| family.first()) else {
        return Ok(true);
    };
    let part = |(cell, span): (_, Span)| {
        let wanted = Wanted {
            cell,
            numbers: Numbers::Range(span.from, span.until),
            in_order: matches!(cell.setting.replicates, Replicates::UntilDecided { .. }),
            followed: true,
        };
        (wanted, (span, Ends::new(cell)))
    };
    let hooks = Hooks {
        take: &|cell, trained| take(cell, own(cell), trained),
        complete: &|cell, (span, ends), seconds| {
            let piece = Piece {
                hash: cell.hash.clone(),
                engine: engine.name().to_string(),
                from: span.from,
                until: span.until,
                seconds,
                ends,
            };
            keep(span, piece)
        },
    };
    let families = families.into_iter();
    let families = families.map(|family| family.into_iter().map(part).collect());
    let families = families.collect();
    train_wanted(own(first), (engine, threads), families, &hooks, control)
}

/// A replicate ready to be trained: its training set, initial weights and rate.
pub fn job(cell: &Cell, problem: &Problem, replicate: u64) -> Job {
    let followed = true;
    job_for(&[Wish { cell, followed }], problem, replicate)
}

/// A replicate of which nothing is kept on the way.
fn draw(cell: &Cell, problem: &Problem, replicate: u64) -> Job {
    let set = cell.set(replicate);
    let weights = cell.weights(replicate);
    let rate = match cell.setting.descent.rate {
        Rate::Absolute(rate) => rate,
        // A rule without a limit is refused before there is a plan.
        Rate::OfLimit(c) => Rule::of(&cell.setting.descent).map_or(f64::NAN, |rule| {
            c * observe::largest_stable_rate(rule, problem, &weights, &set.x)
        }),
    };
    Job {
        replicate,
        tag: 0,
        x: set.x,
        y: set.y,
        weights,
        rate,
        seed: cell.setting.seed,
        snapshots: Vec::new(),
        keep_best: false,
        keep_losses: false,
        watch: Vec::new(),
        cuts: Vec::new(),
    }
}

/// What a record says of a replicate that ended.
pub fn row(trained: &Trained) -> Row {
    Row {
        replicate: trained.replicate,
        outcome: trained.outcome,
        steps: trained.last.step,
        first_below: trained.first_below,
        rate: trained.rate,
        initial_loss: trained.losses.first().copied().unwrap_or(f64::NAN),
        best_loss: trained.best_loss,
        final_loss: trained.last.loss,
        judged: trained.judged,
        test_loss: None,
        test_accuracy: None,
    }
}

/// One replicate on its own.
struct Single<'a> {
    job: Mutex<Option<Job>>,
    trained: Mutex<Option<Trained>>,
    control: &'a Control<'a>,
}

impl engine::Queue for Single<'_> {
    fn next(&self) -> Option<Job> {
        self.job.lock().unwrap_or_else(|e| e.into_inner()).take()
    }
    fn finish(&self, trained: Trained) {
        *self.trained.lock().unwrap_or_else(|e| e.into_inner()) = Some(trained);
    }
    fn remaining(&self) -> u64 {
        1
    }
    fn progress(&self, steps: u64, _: u64) -> bool {
        (self.control.listen)(Event::Steps(steps));
        !(self.control.stopped)()
    }
}

/// Trains one replicate of a cell again, to the same bits.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub fn replay(
    cell: &Cell,
    engine: &dyn Engine,
    replicate: u64,
    control: &Control<'_>,
) -> Result<(Job, Trained), Error> {
    let problem = cell.problem();
    let job = job(cell, &problem, replicate);
    let trained = train_one(engine, &problem, job.clone(), control)?;
    Ok((job, trained))
}

/// Trains one job on its own.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub fn train_one(
    engine: &dyn Engine,
    problem: &Problem,
    job: Job,
    control: &Control<'_>,
) -> Result<Trained, Error> {
    let single = Single {
        job: Mutex::new(Some(job)),
        trained: Mutex::new(None),
        control,
    };
    engine.train(problem, &single, 1)?;
    let trained = single.trained.into_inner();
    let trained = trained.unwrap_or_else(|e| e.into_inner());
    trained.ok_or(Error::Stopped { done: 0, cells: 1 })
}

/// An endless queue that counts the steps of a short while.
struct Stopwatch<'a> {
    /// Replicates that ended before their budget, and the first of them.
    ended: AtomicU64,
    first: Mutex<Option<Trained>>,
    cell: &'a Cell,
    problem: &'a Problem,
    next: AtomicU64,
    /// Replicates that train at the same time.
    lanes: u64,
    steps: AtomicU64,
    clock: &'a (dyn Fn() -> f64 + Sync),
    until: f64,
}

impl engine::Queue for Stopwatch<'_> {
    fn next(&self) -> Option<Job> {
        let drawn = self.next.fetch_add(1, Ordering::Relaxed);
        let replicate = drawn % 64;
        // Every lane gets one, however long a busy machine takes to draw them.
        (drawn < self.lanes || (self.clock)() < self.until)
            .then(|| draw(self.cell, self.problem, replicate))
    }
    fn finish(&self, trained: Trained) {
        if trained.last.step < self.problem.steps {
            self.ended.fetch_add(1, Ordering::Relaxed);
            let mut first = self.first.lock().unwrap_or_else(|e| e.into_inner());
            first.get_or_insert(trained);
        }
    }
    fn remaining(&self) -> u64 {
        u64::MAX
    }
    fn progress(&self, steps: u64, _: u64) -> bool {
        self.steps.fetch_add(steps, Ordering::Relaxed);
        (self.clock)() < self.until
    }
}

/// Replicate-steps a second of a cell on this machine, measured for about so many seconds of a
/// clock.
///
/// # Errors
///
/// [`Error::Engine`].
pub fn calibrate(
    cell: &Cell,
    engine: &dyn Engine,
    threads: usize,
    clock: &(dyn Fn() -> f64 + Sync),
    seconds: f64,
) -> Result<f64, Error> {
    let problem = Problem {
        steps: u64::MAX,
        run_all: true,
        schedule: [].into(),
        grid: Vec::new().into(),
        ..cell.problem()
    };
    Ok(short(cell, &problem, (engine, threads), clock, seconds)?.rate)
}

/// What a short while of training says of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pilot {
    /// Replicate-steps a second.
    pub(crate) rate: f64,
    /// Replicate-steps made.
    pub(crate) steps: u64,
    /// Replicates that ended before their budget.
    pub(crate) ended: u64,
    /// Replicates that trained at the same time.
    pub(crate) lanes: u64,
    /// Number and end of one of those that ended.
    pub(crate) end: Option<(u64, Snapshot)>,
}

/// Trains the first replicates of a cell for about so many seconds of a clock, as a run would.
///
/// # Errors
///
/// [`Error::Engine`].
pub(crate) fn pilot(
    cell: &Cell,
    (engine, threads): (&dyn Engine, usize),
    clock: &(dyn Fn() -> f64 + Sync),
    seconds: f64,
) -> Result<Pilot, Error> {
    short(cell, &cell.problem(), (engine, threads), clock, seconds)
}

fn short(
    cell: &Cell,
    problem: &Problem,
    (engine, threads): (&dyn Engine, usize),
    clock: &(dyn Fn() -> f64 + Sync),
    seconds: f64,
) -> Result<Pilot, Error> {
    engine.prepare(std::slice::from_ref(problem), threads)?;
    let begun = clock();
    let watch = Stopwatch {
        ended: AtomicU64::new(0),
        first: Mutex::new(None),
        cell,
        problem,
        next: AtomicU64::new(0),
        lanes: engine.in_flight(problem, threads),
        steps: AtomicU64::new(0),
        clock,
        until: begun + seconds,
    };
    engine.train(problem, &watch, threads)?;
    let steps = watch.steps.load(Ordering::Relaxed).max(1);
    Ok(Pilot {
        rate: steps as f64 / (clock() - begun),
        steps,
        ended: watch.ended.load(Ordering::Relaxed),
        lanes: watch.lanes,
        end: watch
            .first
            .into_inner()
            .unwrap_or_else(|e| e.into_inner())
            .map(|trained| (trained.replicate, trained.last)),
    })
}

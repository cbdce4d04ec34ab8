//! Trains the cells of a plan, looks at their replicates, hands finished cells over to be kept.
//!
//! No files and no clock: what a run needs of the world around it is given by the program, in a
//! [`Control`] and a [`Keeper`].

mod queue;
mod take;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::descent::Rate;
use crate::engine::{self, Engine, Job, Problem, Snapshot, Trained};
use crate::error::Error;
use crate::observe;
use crate::plan::{Cell, Plan};
use crate::record::{Record, Row};
use crate::study::{Losses, Replicates, Weights};
use crate::theory::linear::Rule;

pub(crate) use queue::{Hooks, Judge, Numbers, Wanted, train as train_wanted};
pub(crate) use take::tested_row;
use take::{Ends, gather, take};

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
    for cell in &plan.cells {
        let found = keeper.found(cell)?;
        if let Some(record) = &found {
            (control.listen)(Event::Cell { cell, found: true });
            (control.listen)(Event::Done { cell, record });
        }
        records.push(found);
    }
    let unfinished: Vec<usize> = (0..records.len())
        .filter(|&i| records[i].is_none())
        .collect();
    let records = Mutex::new(records);
    let keep = |cell: &Cell, record: Record| -> Result<(), Error> {
        keeper.keep(cell, &record)?;
        let (told, place) = (&record, cell.number);
        (control.listen)(Event::Done { cell, record: told });
        records.lock().unwrap_or_else(|e| e.into_inner())[place] = Some(record);
        Ok(())
    };
    let groups = alike(plan, &unfinished);
    for (i, places) in groups.iter().enumerate() {
        if i.is_multiple_of(PREPARED) && !(control.stopped)() {
            let next = groups.iter().skip(i).take(PREPARED);
            let problems: Vec<Problem> = next.map(|p| plan.cells[p[0]].problem()).collect();
            engine.prepare(&problems, threads)?;
        }
        let cells = places.iter().map(|&place| &plan.cells[place]);
        if !train_cells(cells, engine, threads, control, &keep)? {
            break;
        }
    }
    let records = records.into_inner().unwrap_or_else(|e| e.into_inner());
    let (cells, done) = (records.len(), records.iter().flatten().count());
    let all: Option<Vec<Record>> = records.into_iter().collect();
    all.ok_or(Error::Stopped { done, cells })
}

/// The places of cells in groups that have their problem in common, each in the order of the plan.
fn alike(plan: &Plan, places: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<blake3::Hash, usize> = HashMap::new();
    for &place in places {
        // Debug text has every field, and every number with all its digits.
        let problem = format!("{:?}", plan.cells[place].problem());
        let group = *known
            .entry(blake3::hash(problem.as_bytes()))
            .or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(place);
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
    train_cells(
        std::iter::once(cell),
        engine,
        threads,
        control,
        &|_, record| {
            *made.lock().unwrap_or_else(|e| e.into_inner()) = Some(record);
            Ok(())
        },
    )?;
    let record = made.into_inner().unwrap_or_else(|e| e.into_inner());
    record.ok_or(Error::Stopped { done: 0, cells: 1 })
}

/// Trains cells that have their problem in common; false if it was stopped.
fn train_cells<'a>(
    cells: impl Iterator<Item = &'a Cell> + Clone,
    engine: &dyn Engine,
    threads: usize,
    control: &Control<'_>,
    keep: &(dyn Fn(&Cell, Record) -> Result<(), Error> + Sync),
) -> Result<bool, Error> {
    let Some(problem) = cells.clone().next().map(Cell::problem) else {
        return Ok(true);
    };
    let parts = cells.map(|cell| {
        let replicates = cell.setting.replicates;
        let wanted = Wanted {
            cell,
            numbers: Numbers::Range(0, replicates.at_most()),
            in_order: matches!(replicates, Replicates::UntilDecided { .. }),
            followed: true,
        };
        (wanted, Ends::new(cell))
    });
    let hooks = Hooks {
        take: &|cell, trained| take(cell, &problem, trained),
        complete: &|cell, ends: Ends, seconds| {
            keep(cell, gather(cell, &problem, engine.name(), ends, seconds))
        },
    };
    let parts = parts.collect();
    train_wanted(&problem, (engine, threads), parts, &hooks, control)
}

/// A replicate ready to be trained: its training set, initial weights and rate.
pub fn job(cell: &Cell, problem: &Problem, replicate: u64) -> Job {
    let set = cell.set(replicate);
    let weights = cell.weights(replicate);
    let rate = match cell.setting.descent.rate {
        Rate::Absolute(rate) => rate,
        // A rule without a limit is refused before there is a plan.
        Rate::OfLimit(c) => Rule::of(&cell.setting.descent).map_or(f64::NAN, |rule| {
            c * observe::largest_stable_rate(rule, problem, &weights, &set.x)
        }),
    };
    let keep = cell.setting.keep;
    let kept = replicate < keep.replicates;
    Job {
        replicate,
        tag: 0,
        x: set.x,
        y: set.y,
        weights,
        rate,
        seed: cell.setting.seed,
        snapshots: if cell.looks_at(replicate) {
            cell.look_steps(replicate)
        } else {
            Vec::new()
        },
        keep_best: kept && keep.weights == Weights::Best,
        keep_losses: kept && keep.losses == Losses::All,
        watch: if cell.looks_at(replicate) {
            cell.watch_steps()
        } else {
            Vec::new()
        },
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
        (drawn < self.lanes || (self.clock)() < self.until).then(|| Job {
            keep_best: false,
            keep_losses: false,
            watch: Vec::new(),
            snapshots: Vec::new(),
            ..job(self.cell, self.problem, replicate)
        })
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

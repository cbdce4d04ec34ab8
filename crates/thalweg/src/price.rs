//! What a study would cost and what theory expects of it, before anything is trained.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::analysis::forecast::{Prediction, has_theory, predict};
use crate::data::Set;
use crate::descent::{Rate, Stop};
use crate::engine::{self, Engine, Job, Problem, Queue, Snapshot, Trained};
use crate::error::Error;
use crate::lab::{Control, Event, Pilot, job, pilot};
use crate::observe::{self, Tangent};
use crate::plan::{Cell, Memory, Plan};
use crate::stats::quantile_of;
use crate::study::Observable;

/// A cell before it is run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Price {
    /// The cell's number.
    pub cell: usize,
    /// What it is.
    pub label: String,
    /// Replicates, at most.
    pub replicates: u64,
    /// Number of parameters.
    pub parameters: usize,
    /// Replicate-steps a second on this machine, measured.
    pub rate: f64,
    /// Seconds that training will take, as far as one can tell.
    pub estimate: f64,
    /// What tells that.
    pub basis: Basis,
    /// Bytes that it takes at one time while it is trained, on so many threads.
    pub memory: f64,
    /// Bytes that are kept of it besides until it is complete, at most.
    pub kept: f64,
    /// Seconds of it that the looks take, and the test points.
    pub looks: f64,
    /// Seconds if every replicate makes all its steps, looks included.
    pub at_most: f64,
    /// Seconds if every replicate ends where its initial kernel predicts, or at the budget.
    pub expected: Option<f64>,
    /// Median of the predicted step; infinite if never.
    pub predicted_median: Option<f64>,
    /// 80 % quantile of the same.
    pub predicted_q80: Option<f64>,
    /// Predicted share within the budget.
    pub predicted_success: Option<f64>,
    /// Median η over the largest stable rate.
    pub over_limit: Option<f64>,
}

/// What an estimate of a cell's time rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Replicates that ended in a short while of training.
    Pilot,
    /// None ended; the steps that the initial kernels predict.
    Kernels,
    /// The budget: every replicate makes all its steps, or nothing else is known.
    Budget,
}

/// Seconds that every cell is trained for to be priced.
const SHORT: f64 = 0.05;

/// Seconds that a cell is trained for if much hangs on it: this share of what it seems to take,
/// within these bounds.
const LONG: (f64, [f64; 2]) = (0.03, [0.3, 2.0]);

/// Much hangs on a cell that seems to take this share of the study.
const MUCH: f64 = 0.02;

/// Prices every cell: kernels of the first `draws` replicates, and a short while of training, whose
/// results are thrown away, by a clock in seconds; then the dearest cells, of which too few
/// replicates ended, by a longer while.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub fn price(
    plan: &Plan,
    engine: &dyn Engine,
    threads: usize,
    draws: u64,
    clock: &(dyn Fn() -> f64 + Sync),
    control: &Control<'_>,
) -> Result<Vec<Price>, Error> {
    let going = || {
        if (control.stopped)() {
            let cells = plan.cells.len();
            return Err(Error::Stopped { done: 0, cells });
        }
        Ok(())
    };
    let ready = Ready {
        engine,
        clock,
        spent: Mutex::new(0.0),
    };
    let of = |cell, seconds| pilot(cell, (&ready, threads), &|| ready.now(), seconds);
    let of_cell = |cell: &Cell, pilot, expected: &[(f64, Prediction)]| {
        let memory = memory(cell, engine, threads);
        of_cell(cell, pilot, expected, memory, threads, clock)
    };
    let mut prices = Vec::new();
    // Whether it pays to train a cell longer, and what its kernels predict.
    let mut known = Vec::new();
    for cell in &plan.cells {
        going()?;
        (control.listen)(Event::Cell { cell, found: false });
        let pilot = of(cell, SHORT)?;
        // A run that is not stopped below the loss ends with its budget.
        let open = pilot.ended < pilot.lanes && cell.setting.descent.stop == Stop::Below;
        let expected = expect(cell, draws, clock);
        prices.push(of_cell(cell, pilot, &expected));
        known.push((open, expected));
    }
    let all: f64 = prices.iter().map(|p| p.estimate).sum();
    for ((cell, price), (open, expected)) in plan.cells.iter().zip(&mut prices).zip(known) {
        going()?;
        let (share, [low, high]) = LONG;
        let seconds = (share * price.estimate).clamp(low, high);
        if open && price.estimate > MUCH * all && price.estimate > 2.0 * seconds {
            let pilot = of(cell, seconds)?;
            *price = of_cell(cell, pilot, &expected);
        }
    }
    Ok(prices)
}

/// An engine with a clock that leaves out what the engine takes to get ready for a problem: once in
/// a run of thousands of replicates, it would count many times in the rate of a short while.
struct Ready<'a> {
    engine: &'a dyn Engine,
    clock: &'a (dyn Fn() -> f64 + Sync),
    /// Seconds left out.
    spent: Mutex<f64>,
}

impl Ready<'_> {
    fn now(&self) -> f64 {
        (self.clock)() - *self.spent.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Engine for Ready<'_> {
    fn name(&self) -> &'static str {
        self.engine.name()
    }
    fn in_flight(&self, problem: &Problem, threads: usize) -> u64 {
        self.engine.in_flight(problem, threads)
    }
    fn prepare(&self, problems: &[Problem], threads: usize) -> Result<(), engine::Error> {
        self.engine.prepare(problems, threads)
    }
    fn train(
        &self,
        problem: &Problem,
        queue: &dyn Queue,
        threads: usize,
    ) -> Result<(), engine::Error> {
        let queue = GettingReady {
            queue,
            ready: self,
            since: self.now(),
            trains: AtomicBool::new(false),
        };
        self.engine.train(problem, &queue, threads)
    }
}

/// A queue that hears when an engine is ready.
struct GettingReady<'a> {
    queue: &'a dyn Queue,
    ready: &'a Ready<'a>,
    since: f64,
    trains: AtomicBool,
}

impl Queue for GettingReady<'_> {
    fn next(&self) -> Option<Job> {
        self.queue.next()
    }
    fn finish(&self, trained: Trained) {
        self.queue.finish(trained);
    }
    fn remaining(&self) -> u64 {
        self.queue.remaining()
    }
    fn progress(&self, steps: u64, room: u64) -> bool {
        if steps > 0 {
            self.trains.store(true, Ordering::Relaxed);
        } else if !self.trains.load(Ordering::Relaxed) {
            let more = self.ready.now() - self.since;
            *(self.ready.spent.lock()).unwrap_or_else(|e| e.into_inner()) += more;
        }
        self.queue.progress(steps, room)
    }
    fn follow(&self, tag: u64, replicate: u64, step: u64, loss: f64) {
        self.queue.follow(tag, replicate, step, loss);
    }
    fn wait(&self) -> bool {
        self.queue.wait()
    }
}

/// Mean steps of a replicate by a while of training: those that ended are taken to have ended at a
/// constant rate per step, so that those cut off count with the steps that they made.
fn mean_steps(pilot: &Pilot, budget: f64) -> Option<f64> {
    let mean = pilot.steps as f64 / (pilot.ended > 0).then_some(pilot.ended as f64)?;
    Some(mean * (1.0 - (-budget / mean).exp()))
}

/// Seconds that all looks of a cell take, by the time of one at the end of a replicate that ended,
/// which measures more, and of two at the start; those after so many steps are not made.
fn looks_of(
    cell: &Cell,
    end: Option<(u64, Snapshot)>,
    threads: usize,
    steps: f64,
    clock: &(dyn Fn() -> f64 + Sync),
) -> f64 {
    let replicates = cell.setting.replicates.at_most();
    let tests = tests_of(cell, clock) / threads.min(replicates as usize).max(1) as f64;
    if !cell.looks_at(0) {
        return replicates as f64 * tests;
    }
    let problem = cell.problem();
    let replicate = end.as_ref().map_or(0, |(replicate, _)| *replicate);
    let Start { rate, set, here } = start(cell, replicate);
    let end = end.map_or_else(|| here.clone(), |(_, end)| end);
    let observables = &cell.setting.look.observables;
    let mut path = vec![here; 2];
    path.push(end);
    let of_start = Look {
        problem: &problem,
        observables,
        rate,
        set: &set,
        clock,
    };
    let end = of_start.seconds(&path[2..]);
    let before = ((of_start.seconds(&path) - end) / 2.0).max(0.0);
    let all = replicates;
    let replicates = all.min(cell.setting.look.replicates);
    // The start and the end are looked at besides.
    let made = |r: &u64| {
        let all = cell.look_steps(*r);
        all.iter().filter(|step| **step as f64 <= steps).count() as u64 + 1
    };
    let looks: u64 = (0..replicates).map(|r| made(&r)).sum();
    (before * looks as f64 + end * replicates as f64)
        / threads.min(replicates as usize).max(1) as f64
        + (all + looks) as f64 * tests
}

/// Seconds that the test points of one replicate take: drawing them, and the outputs there.
fn tests_of(cell: &Cell, clock: &(dyn Fn() -> f64 + Sync)) -> f64 {
    let begun = clock();
    let Some(test) = cell.test_set(0) else {
        return 0.0;
    };
    let drawn = clock() - begun;
    // Outputs take as long as there are points.
    let few = test.points.min(FEWER);
    let (problem, weights) = (cell.problem(), cell.weights(0));
    let begun = clock();
    Tangent::outputs(&problem, &weights, &test.x[..few * cell.dim()]);
    drawn + (clock() - begun) * test.points as f64 / few.max(1) as f64
}

/// Seconds that a study would save without each comparison: those of the cells that are in no
/// other, by place, largest first; none of those that save nothing.
pub fn savings(plan: &Plan, prices: &[Price]) -> Vec<(usize, f64)> {
    let mut uses = vec![0u32; plan.cells.len()];
    for member in plan.comparisons.iter().flat_map(|c| &c.members) {
        uses[member.cell] += 1;
    }
    let alone = |cell: usize| cell > 0 && uses[cell] == 1;
    let saved = |c: &crate::plan::Comparison| -> f64 {
        let own = c.members.iter().filter(|m| alone(m.cell));
        own.map(|m| prices[m.cell].estimate).sum()
    };
    let mut all: Vec<(usize, f64)> = plan.comparisons.iter().map(saved).enumerate().collect();
    all.retain(|(_, seconds)| *seconds > 0.0);
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// A replicate before its first step.
struct Start {
    rate: f64,
    set: Set,
    here: Snapshot,
}

fn start(cell: &Cell, replicate: u64) -> Start {
    let start = job(cell, &cell.problem(), replicate);
    Start {
        rate: start.rate,
        set: Set {
            points: cell.setting.data.points,
            x: start.x,
            y: start.y,
        },
        here: Snapshot {
            step: 0,
            loss: f64::NAN,
            weights: start.weights,
        },
    }
}

/// A look at a replicate, to be timed.
struct Look<'a> {
    problem: &'a Problem,
    observables: &'a [Observable],
    rate: f64,
    set: &'a Set,
    clock: &'a (dyn Fn() -> f64 + Sync),
}

/// Targets of which looks are timed where a training set has more.
const FEWER: usize = 512;

impl Look<'_> {
    /// Seconds that looks along a path take; of many points by those of fewer, and the n³ of a
    /// spectrum.
    fn seconds(&self, path: &[Snapshot]) -> f64 {
        let all = self.problem.points;
        let few = all.min((FEWER / self.problem.outputs()).max(1));
        // The first call of all pays for what is made once.
        self.of_points(few.min(all / 2).max(1), path);
        self.of_points(few, path) * (all as f64 / few as f64).powi(3)
    }

    /// The same of the first so many points.
    fn of_points(&self, points: usize, path: &[Snapshot]) -> f64 {
        let problem = Problem {
            points,
            ..self.problem.clone()
        };
        let set = Set {
            points,
            x: self.set.x[..points * self.set.dim()].to_vec(),
            y: self.set.y[..points * self.set.outputs()].to_vec(),
        };
        let begun = (self.clock)();
        observe::look(&problem, self.observables, 0, self.rate, &set, path);
        (self.clock)() - begun
    }
}

/// Seconds that the predictions of a cell may take; those of its first replicate may take as long
/// in any case.
const PREDICTING: f64 = 2.0;

/// The rates of the first replicates, and what their initial kernels predict; as many as there is
/// time for, none where that of a single one would take too long, or the rule has no theory.
fn expect(cell: &Cell, draws: u64, clock: &(dyn Fn() -> f64 + Sync)) -> Vec<(f64, Prediction)> {
    if !has_theory(cell) {
        return Vec::new();
    }
    let problem = cell.problem();
    let begun = clock();
    let of = |r: u64| {
        if r > 0 && clock() - begun > PREDICTING {
            return None;
        }
        let Start { rate, set, here } = start(cell, r);
        let observables = &[Observable::Ntk];
        let path = [here];
        if r == 0 && problem.targets() > FEWER {
            let look = Look {
                problem: &problem,
                observables,
                rate,
                set: &set,
                clock,
            };
            if look.seconds(&path) > PREDICTING {
                return None;
            }
        }
        let look = observe::look(&problem, observables, r, rate, &set, &path).pop()?;
        Some((rate, predict(cell, rate, &look)?))
    };
    let replicates = 0..cell.setting.replicates.at_most().min(draws);
    replicates.map_while(of).collect()
}

/// Bytes that a cell takes while it is trained on so many threads.
pub fn memory(cell: &Cell, engine: &dyn Engine, threads: usize) -> f64 {
    let replicates = cell.setting.replicates.at_most();
    let training = engine.in_flight(&cell.problem(), threads).min(replicates);
    let looking = (threads as u64).min(replicates);
    let Memory {
        training: each,
        look,
        ..
    } = cell.memory();
    training as f64 * each + looking as f64 * look
}

fn of_cell(
    cell: &Cell,
    pilot: Pilot,
    predictions: &[(f64, Prediction)],
    memory: f64,
    threads: usize,
    clock: &(dyn Fn() -> f64 + Sync),
) -> Price {
    let rate = pilot.rate;
    let replicates = cell.setting.replicates.at_most();
    let budget = cell.setting.descent.steps as f64;
    let steps: Vec<f64> = predictions.iter().map(|(_, p)| p.as_number()).collect();
    let some = !steps.is_empty();
    let mean = steps.iter().map(|s| s.min(budget)).sum::<f64>() / steps.len().max(1) as f64;
    let over: Vec<f64> = predictions
        .iter()
        .map(|(rate, p)| rate / p.largest_stable_rate)
        .collect();
    let known = mean_steps(&pilot, budget);
    let (basis, steps_each) = match (cell.setting.descent.stop, known) {
        (Stop::Never, _) => (Basis::Budget, budget),
        (Stop::Below, Some(mean)) => (Basis::Pilot, mean),
        (Stop::Below, None) if some => (Basis::Kernels, mean),
        (Stop::Below, None) => (Basis::Budget, budget),
    };
    let looks = looks_of(cell, pilot.end, threads, steps_each, clock);
    Price {
        estimate: replicates as f64 * steps_each / rate + looks,
        basis,
        looks,
        memory,
        kept: cell.memory().kept + cell.memory().looks,
        cell: cell.number,
        label: cell.describe(),
        replicates,
        parameters: cell.parameters(),
        rate,
        at_most: replicates as f64 * budget / rate + looks,
        expected: some.then(|| replicates as f64 * mean / rate),
        predicted_median: some.then(|| quantile_of(&steps, 0.5)),
        predicted_q80: some.then(|| quantile_of(&steps, 0.8)),
        predicted_success: some
            .then(|| steps.iter().filter(|s| **s <= budget).count() as f64 / steps.len() as f64),
        over_limit: match cell.setting.descent.rate {
            Rate::Absolute(_) | Rate::OfLimit(_) => some.then(|| quantile_of(&over, 0.5)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::study::Compare;
    use crate::{Cpu, Inputs, Study};

    /// A study of two minutes was announced with hours: every replicate was taken to need as many
    /// steps as its initial kernel says, or all of them.
    #[test]
    fn steps_are_estimated_from_those_that_ended() {
        let of = |steps, ended| Pilot {
            rate: 1.0,
            steps,
            ended,
            lanes: 1,
            end: None,
        };
        assert_eq!(mean_steps(&of(1000, 0), 100.0), None);
        // Far below the budget: steps for each that ended.
        let mean = mean_steps(&of(1000, 10), 1e6).expect("some ended");
        assert!((mean - 100.0).abs() < 1e-6, "{mean}");
        // Never more than the budget, however seldom one ends.
        let mean = mean_steps(&of(1_000_000, 1), 100.0).expect("one ended");
        assert!(mean < 100.0 && mean > 99.0, "{mean}");
    }

    /// An engine that gets ready for a hundred seconds.
    struct Slow<'a>(&'a AtomicU64);

    impl Engine for Slow<'_> {
        fn name(&self) -> &'static str {
            "slow"
        }
        fn in_flight(&self, problem: &Problem, threads: usize) -> u64 {
            Cpu::detect().in_flight(problem, threads)
        }
        fn train(
            &self,
            problem: &Problem,
            queue: &dyn Queue,
            threads: usize,
        ) -> Result<(), engine::Error> {
            self.0.fetch_add(100_000, Ordering::Relaxed);
            queue.progress(0, 0);
            Cpu::detect().train(problem, queue, threads)
        }
    }

    /// What a card takes before its first step was taken for training, and so multiplied.
    #[test]
    fn an_engine_that_gets_ready_is_priced_by_what_it_trains() {
        let mut study = Study::default();
        study.setting.descent.steps = 2000;
        let plan = Plan::new(&study, &Inputs::default()).expect("a study");
        let milliseconds = AtomicU64::new(0);
        // A millisecond for every question.
        let clock = || milliseconds.fetch_add(1, Ordering::Relaxed) as f64 / 1000.0;
        let rate = |engine: &dyn Engine| {
            let prices = price(&plan, engine, 1, 1, &clock, &Control::default());
            prices.expect("it can be trained")[0].rate
        };
        let (plain, slow) = (rate(&Cpu::detect()), rate(&Slow(&milliseconds)));
        assert!((0.5..2.0).contains(&(slow / plain)), "{slow}, not {plain}");
    }

    /// `plan` took the looks of thousands of points to tell what they cost, and 30 times as long as
    /// it said the run would. They are told from fewer, as n³, and a rule without theory has no
    /// kernel looked at.
    #[test]
    fn looks_at_many_points_are_told_from_fewer() {
        let looks = |points: usize| {
            let mut study = Study::default();
            study.setting.replicates = crate::study::Replicates::Fixed(1);
            study.setting.data.points = points;
            study.setting.net.hidden = vec![2];
            study.setting.descent.steps = 5;
            study.setting.descent.method = crate::descent::Method::Adam {
                betas: [0.9, 0.999],
                eps: 1e-8,
            };
            study.setting.descent.rate = Rate::Absolute(1e-3);
            study.setting.look.observables = vec![Observable::Ntk];
            let plan = Plan::new(&study, &Inputs::default()).expect("a study");
            // A second for every question: whatever is timed takes one.
            let asked = AtomicU64::new(0);
            let clock = || asked.fetch_add(1, Ordering::Relaxed) as f64;
            let engine = Cpu::detect();
            let prices = price(&plan, &engine, 1, 20, &clock, &Control::default());
            let price = prices.expect("prices").remove(0);
            assert_eq!(price.expected, None);
            price.looks
        };
        let [few, more] = [1024, 4096].map(looks);
        assert!((more / few - 64.0).abs() < 1e-9, "{few} {more}");
    }

    /// What is shared saves nothing; what is left out saves what its own cells take.
    #[test]
    fn only_cells_of_their_own_are_saved() {
        let study = Study {
            compare: vec![
                Compare::new("rate").vary("descent.rate", [0.01, 0.02]),
                Compare::new("again").vary("descent.rate", [0.02]),
                Compare::new("points").vary("data.points", [3]),
            ],
            ..Study::default()
        };
        let mut study = study;
        study.setting.replicates = crate::study::Replicates::Fixed(4);
        study.setting.descent.steps = 50;
        let plan = Plan::new(&study, &Inputs::default()).expect("a study");
        let begun = std::time::Instant::now();
        let clock = || begun.elapsed().as_secs_f64();
        let engine = Cpu::detect();
        let prices = price(&plan, &engine, 1, 2, &clock, &Control::default()).expect("prices");
        assert!(prices.iter().all(|p| p.estimate > 0.0 && p.looks > 0.0));
        let rate = &plan.comparisons[0].members;
        let own = rate.iter().map(|m| m.cell).filter(|c| *c == 1).count();
        let saved = savings(&plan, &prices);
        let points = plan.comparisons[2].members[0].cell;
        let expected = prices[points].estimate;
        assert!(saved.contains(&(2, expected)), "{saved:?}");
        assert!(saved.iter().all(|(at, _)| *at != 1), "{saved:?} {own}");
    }
}

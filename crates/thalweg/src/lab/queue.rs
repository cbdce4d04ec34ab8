//! Replicates of cells that have their problem in common, handed to an engine and taken back: what
//! a run, a certificate and a race train from.
//!
//! Cells that differ only in rate, seed, initial scale or the law of their data share the lanes of
//! an engine, so many cells with a replicate each are trained as fast as one cell with many. Cells
//! that train the same networks share each training, which is cut where each of them ends. Where
//! the results decide how many are wanted, they are judged in the order of their numbers as they
//! come: what ran past the decision is dropped, and so the result depends on the draws alone.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Range, RangeInclusive};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::shared::{Wish, cuts, job_for};
use super::{Control, Event};
use crate::engine::{self, Engine, Job, Problem, Trained};
use crate::error::Error;
use crate::plan::Cell;

/// Takes the results of one cell.
pub(crate) trait Judge: Send {
    /// What is kept of a replicate that ended.
    type Ended: Send;
    /// Takes one more; false if no more are wanted.
    fn judge(&mut self, ended: Self::Ended) -> bool;
}

/// The replicates that are wanted of a cell.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) cell: &'a Cell,
    pub(crate) numbers: Numbers<'a>,
    /// Results are judged in the order of their numbers; else as they come.
    pub(crate) in_order: bool,
    /// Losses and weights are kept on the way, as the cell asks for.
    pub(crate) followed: bool,
}

/// Numbers of replicates, increasing.
#[derive(Clone, Copy)]
pub(crate) enum Numbers<'a> {
    /// From the first to before the second.
    Range(u64, u64),
    /// These.
    These(&'a [u64]),
}

impl Numbers<'_> {
    fn count(self) -> u64 {
        match self {
            Numbers::Range(from, until) => until.saturating_sub(from),
            Numbers::These(numbers) => numbers.len() as u64,
        }
    }

    fn at(self, place: u64) -> u64 {
        match self {
            Numbers::Range(from, _) => from + place,
            Numbers::These(numbers) => numbers[place as usize],
        }
    }

    fn contains(self, number: u64) -> bool {
        match self {
            Numbers::Range(from, until) => (from..until).contains(&number),
            Numbers::These(numbers) => numbers.binary_search(&number).is_ok(),
        }
    }

    fn place(self, number: u64) -> u64 {
        match self {
            Numbers::Range(from, _) => number - from,
            Numbers::These(numbers) => numbers.partition_point(|n| *n < number) as u64,
        }
    }
}

/// Called when a replicate ended, on the thread that trained it, and when a cell is complete.
/// Another thread for it would have to take its processor from training: as many are busy as were
/// asked for.
pub(crate) struct Hooks<'a, J: Judge> {
    /// What is kept of a replicate. Not asked of those that ran past a decision.
    pub(crate) take: &'a (dyn Fn(&Cell, Trained) -> J::Ended + Sync),
    /// Takes a cell that is complete, and its seconds.
    pub(crate) complete: &'a (dyn Fn(&Cell, J, f64) -> Result<(), Error> + Sync),
}

/// Trains what is wanted of cells with this problem; false if it was stopped before all were
/// complete. The cells of a family share their trainings: the problem is that of the first, which
/// wants all replicates that any of them wants.
///
/// # Errors
///
/// What the engine or a hook says.
pub(crate) fn train<J: Judge>(
    problem: &Problem,
    (engine, threads): (&dyn Engine, usize),
    families: Vec<Vec<(Wanted<'_>, J)>>,
    hooks: &Hooks<'_, J>,
    control: &Control<'_>,
) -> Result<bool, Error> {
    let mut ends = 0;
    let ranges = families.iter().map(|parts| {
        ends += parts.len();
        ends - parts.len()..ends
    });
    let ranges = ranges.collect();
    let (wanted, judges): (Vec<_>, Vec<_>) = families.into_iter().flatten().unzip();
    let parts = judges.into_iter().map(CellProgress::new).collect();
    let queue = Cells {
        problem,
        wanted,
        families: ranges,
        ahead: 4 * engine.in_flight(problem, threads),
        state: Mutex::new(State {
            parts,
            first: 0,
            cuts: HashMap::new(),
            complete_at: f64::NEG_INFINITY,
            failed: None,
        }),
        changed: Condvar::new(),
        hooks,
        control,
    };
    engine.train(problem, &queue, threads)?;
    let state = queue.state.into_inner().unwrap_or_else(|e| e.into_inner());
    match state.failed {
        Some(error) => Err(error),
        None => Ok(state.parts.iter().all(|part| part.judge.is_none())),
    }
}

/// A queue over cells.
struct Cells<'a, J: Judge> {
    problem: &'a Problem,
    wanted: Vec<Wanted<'a>>,
    /// The parts that share their trainings.
    families: Vec<Range<usize>>,
    /// At least so many replicates of a cell may be on their way or wait for their turn to be
    /// judged.
    ahead: u64,
    state: Mutex<State<J>>,
    /// Notified when there may be something new to hand out, or nothing more.
    changed: Condvar,
    hooks: &'a Hooks<'a, J>,
    control: &'a Control<'a>,
}

struct State<J: Judge> {
    parts: Vec<CellProgress<J>>,
    /// All families before this one have handed out everything.
    first: usize,
    /// The last cut of each training that is on its way and was cut, by family and number.
    cuts: HashMap<(usize, u64), u64>,
    /// When the last cell was complete.
    complete_at: f64,
    failed: Option<Error>,
}

/// How far a cell is.
struct CellProgress<J: Judge> {
    /// When its first replicate was handed out.
    begun: f64,
    handed_out: u64,
    judged: u64,
    /// Those that ended before their turn.
    waiting: BTreeMap<u64, J::Ended>,
    /// None when the cell is complete.
    judge: Option<J>,
}

impl<J: Judge> CellProgress<J> {
    fn new(judge: J) -> Self {
        CellProgress {
            begun: 0.0,
            handed_out: 0,
            judged: 0,
            waiting: BTreeMap::new(),
            judge: Some(judge),
        }
    }

    /// How many are left to hand out.
    fn remaining(&self, wanted: &Wanted<'_>) -> u64 {
        match self.judge {
            Some(_) => wanted.numbers.count() - self.handed_out,
            None => 0,
        }
    }
}

impl<J: Judge> State<J> {
    /// A family that can hand out a replicate now, as its first part says.
    fn ready(
        &mut self,
        wanted: &[Wanted<'_>],
        families: &[Range<usize>],
        ahead: u64,
    ) -> Option<usize> {
        let empty = |i: usize| self.parts[i].remaining(&wanted[i]) == 0;
        while self.first < families.len() && empty(families[self.first].start) {
            self.first += 1;
        }
        (self.first..families.len()).find(|&family| {
            let i = families[family].start;
            let part = &self.parts[i];
            // Handed out too far ahead, much would run past the decision: never more than as many
            // again as it rests on, or a few for every lane.
            let unjudged = part.handed_out - part.judged;
            let free = !wanted[i].in_order || unjudged < ahead.max(part.judged);
            free && part.remaining(&wanted[i]) > 0
        })
    }
}

impl<J: Judge> Cells<'_, J> {
    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The parts of a family that want a replicate, and their wishes.
    fn wishes(&self, family: usize, number: u64) -> impl Iterator<Item = (usize, Wish<'_>)> {
        let wanting = self.families[family]
            .clone()
            .filter(move |part| self.wanted[*part].numbers.contains(number));
        wanting.map(move |part| {
            let Wanted { cell, followed, .. } = self.wanted[part];
            (part, Wish { cell, followed })
        })
    }

    /// Gives those cells their share of a training whose budgets are within these.
    fn share(&self, trained: Trained, budgets: &RangeInclusive<u64>) {
        let (family, number) = (trained.tag as usize, trained.replicate);
        let (parts, wishes): (Vec<_>, Vec<_>) = self.wishes(family, number).unzip();
        if let [part] = parts[..] {
            self.take(part, trained);
            return;
        }
        for (part, wish) in parts.into_iter().zip(&wishes) {
            if budgets.contains(&wish.steps()) {
                self.take(part, wish.share(&wishes, self.problem, &trained));
            }
        }
    }

    /// Takes a replicate of a cell that ended.
    fn take(&self, part: usize, trained: Trained) {
        let (cell, number) = (self.wanted[part].cell, trained.replicate);
        let reached = trained.reached();
        if self.state().parts[part].judge.is_some() {
            let ended = (self.hooks.take)(cell, trained);
            (self.control.listen)(Event::Replicate { cell, reached });
            if let Some((judge, seconds)) = self.judge(part, number, ended)
                && let Err(error) = (self.hooks.complete)(cell, judge, seconds)
            {
                self.state().failed.get_or_insert(error);
            }
        }
    }

    fn stopped(&self, state: &State<J>) -> bool {
        state.failed.is_some() || (self.control.stopped)()
    }

    /// Judges one that ended, and those that waited for it; the judge and the cell's seconds, if it
    /// is complete now. Cells run at the same time: the seconds of all of them add up to those
    /// of the run.
    fn judge(&self, part: usize, number: u64, ended: J::Ended) -> Option<(J, f64)> {
        let wanted = &self.wanted[part];
        let mut state = self.state();
        let State {
            parts, complete_at, ..
        } = &mut *state;
        let part = &mut parts[part];
        let mut more = true;
        if wanted.in_order {
            part.waiting.insert(wanted.numbers.place(number), ended);
            while more && let Some(ended) = part.waiting.remove(&part.judged) {
                part.judged += 1;
                more = part.judge.as_mut()?.judge(ended);
            }
        } else {
            part.judged += 1;
            more = part.judge.as_mut()?.judge(ended);
        }
        if more && part.judged < wanted.numbers.count() {
            return None;
        }
        part.waiting.clear();
        let now = self.control.seconds();
        let seconds = now - part.begun.max(*complete_at);
        *complete_at = now;
        Some((part.judge.take()?, seconds))
    }
}

impl<J: Judge> engine::Queue for Cells<'_, J> {
    fn next(&self) -> Option<Job> {
        let (family, number, begun) = {
            let mut state = self.state();
            if self.stopped(&state) {
                return None;
            }
            let family = state.ready(&self.wanted, &self.families, self.ahead)?;
            let first = self.families[family].start;
            let place = state.parts[first].handed_out;
            let number = self.wanted[first].numbers.at(place);
            let mut begun = Vec::new();
            for (part, wish) in self.wishes(family, number) {
                let part = &mut state.parts[part];
                if part.handed_out == 0 {
                    part.begun = self.control.seconds();
                    begun.push(wish.cell);
                }
                part.handed_out += 1;
            }
            (family, number, begun)
        };
        for cell in begun {
            (self.control.listen)(Event::Cell { cell, found: false });
        }
        let wishes: Vec<Wish<'_>> = self.wishes(family, number).map(|(_, wish)| wish).collect();
        Some(Job {
            tag: family as u64,
            cuts: cuts(&wishes, self.problem),
            ..job_for(&wishes, self.problem, number)
        })
    }

    fn finish(&self, trained: Trained) {
        let training = (trained.tag as usize, trained.replicate);
        let cut = self.state().cuts.remove(&training);
        self.share(trained, &(cut.map_or(0, |step| step + 1)..=u64::MAX));
        self.changed.notify_all();
    }

    fn cut(&self, trained: Trained) {
        let training = (trained.tag as usize, trained.replicate);
        let step = trained.last.step;
        self.state().cuts.insert(training, step);
        self.share(trained, &(step..=step));
    }

    fn remaining(&self) -> u64 {
        let state = self.state();
        let firsts = self.families.iter().map(|family| family.start);
        firsts
            .map(|part| state.parts[part].remaining(&self.wanted[part]))
            .sum()
    }

    fn follow(&self, tag: u64, replicate: u64, step: u64, loss: f64) {
        for (_, wish) in self.wishes(tag as usize, replicate) {
            if wish.follows(replicate, step) {
                let cell = wish.cell;
                (self.control.listen)(Event::Loss {
                    cell,
                    replicate,
                    step,
                    loss,
                });
            }
        }
    }

    fn progress(&self, steps: u64, _: u64) -> bool {
        (self.control.listen)(Event::Steps(steps));
        let more = !self.stopped(&self.state());
        if !more {
            self.changed.notify_all();
        }
        more
    }

    fn wait(&self) -> bool {
        let mut state = self.state();
        loop {
            if self.stopped(&state) {
                return false;
            }
            if state
                .ready(&self.wanted, &self.families, self.ahead)
                .is_some()
            {
                return true;
            }
            if state.first == self.families.len() {
                return false;
            }
            // What is left waits for replicates that other threads train: they will tell.
            state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }
}

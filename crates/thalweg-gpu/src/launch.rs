//! From the queue to the card and back: the next networks are drawn, and the last ones handed
//! over, on the processor's threads while a launch runs.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use thalweg_engine::threads::on_threads;
use thalweg_engine::{Criterion, Job, Outcome, Precision, Problem, Queue, Snapshot, Trained};

use crate::device::{About, Compiled, Device, Memory};
use crate::layout::{Layout, memories};
use crate::source::{BEGINNING, HEAD, MARKS, TRACE_HEAD, TRACE_STEPS, WHOLE};
use crate::{Failure, lock};

/// Seconds that a launch should take: progress, Ctrl-C, and no watchdog of a screen's card.
const LAUNCH: f64 = 0.06;

/// Bytes of what the networks in training began with, at most.
const BEGINNINGS: usize = 2 << 30;

/// Bytes of the inbox and of traces at most.
const INBOX: usize = 192 << 20;
const TRACES: usize = 128 << 20;

/// Places in the integers of a network, and values of the second, as in the kernel.
const GRID_AT: usize = 6;
const ENDED: usize = 8;
const EMPTY: u64 = 1;
const DIVERGED: u64 = 3;
const FIXED: u64 = 4;
const GIVEN_BACK: u64 = 5;

/// A kernel for a problem on a device.
#[derive(Clone, Copy)]
pub(crate) struct Loaded<'a> {
    pub(crate) device: &'a dyn Device,
    pub(crate) kernel: Compiled,
    pub(crate) layout: &'a Layout,
}

/// Groups that train at the same time on a device.
pub(crate) fn groups(loaded: Loaded<'_>, problem: &Problem) -> usize {
    let layout = loaded.layout;
    let told = loaded.kernel.groups_a_unit;
    let unit = told.unwrap_or_else(|| layout.groups_a_unit(problem.precision));
    loaded.device.about().units.max(1) * unit
}

/// Lengths of what is allocated, in numbers and integers.
struct Sizes {
    groups: usize,
    /// Networks that the inbox holds.
    capacity: usize,
    traces: usize,
    beginning: usize,
    slot: usize,
    end: usize,
    grid: usize,
    far: usize,
    trace: usize,
    number: usize,
}

impl Sizes {
    /// Of one network at a time.
    fn of_one(problem: &Problem, layout: &Layout) -> Sizes {
        let (n, parameters) = (problem.points, problem.parameters());
        let rates = (problem.schedule.len() + 1) * 2 * problem.tensors.len();
        let beginning = n * problem.sizes[0] + problem.targets() + parameters + rates;
        Sizes {
            groups: 1,
            capacity: 1,
            traces: 1,
            beginning,
            slot: beginning + HEAD + memories(problem.method) * parameters,
            end: HEAD + parameters,
            grid: problem.grid.len(),
            far: layout.far,
            trace: TRACE_STEPS + parameters + MARKS * (parameters + 1),
            number: problem.precision.bytes(),
        }
    }

    fn of(loaded: Loaded<'_>, problem: &Problem, remaining: u64) -> Sizes {
        let about = loaded.device.about();
        let one = Sizes::of_one(problem, loaded.layout);
        let wanted = usize::try_from(remaining).unwrap_or(usize::MAX).max(1);
        // Half of the device's memory, in halves: what is in training, and what waits. No piece is
        // larger than both.
        let half = (about.bytes / 4).min(about.piece_bytes / 2) as usize;
        let most = half / (one.number * (one.slot + one.far + one.end + one.grid));
        // A rate that changes at every step makes a long beginning, which the processor holds too.
        let packed = BEGINNINGS / (one.number * one.beginning);
        let groups = groups(loaded, problem).min(wanted);
        let groups = groups.min(most).min(packed).max(1);
        let each = one.number * (one.beginning + one.end + one.grid);
        let capacity = (INBOX.min(half) / each)
            .clamp(1, wanted)
            .max(groups.min(wanted));
        Sizes {
            groups,
            capacity,
            traces: (TRACES / (one.number * one.trace)).clamp(1, wanted.min(64)),
            ..one
        }
    }

    /// Bytes of what is allocated, in the order of the kernel's arguments.
    fn bytes(&self, problem: &Problem) -> [usize; 16] {
        let ends = self.groups + self.capacity;
        let (real, whole) = (self.number, size_of::<u64>());
        [
            8 * whole,
            2 * real,
            self.grid * whole,
            problem.schedule.len() * whole,
            self.capacity * self.beginning * real,
            self.capacity * BEGINNING * whole,
            self.groups * self.slot * real,
            self.groups * WHOLE * whole,
            self.groups * self.grid * real,
            ends * self.end * real,
            ends * WHOLE * whole,
            ends * self.grid * real,
            (2 + self.groups) * size_of::<u32>(),
            self.traces * self.trace * real,
            self.traces * (TRACE_HEAD + MARKS) * whole,
            self.groups * self.far * real,
        ]
    }
}

/// That one network at a time fits a device.
///
/// # Errors
///
/// [`Failure::TooLarge`].
pub(crate) fn fits(about: &About, problem: &Problem, layout: &Layout) -> Result<(), Failure> {
    let bytes = Sizes::of_one(problem, layout).bytes(problem);
    let all: usize = bytes.iter().sum();
    let largest = bytes.into_iter().max().unwrap_or(0);
    // The kernel counts the numbers of a piece in 31 bits.
    let counted = i32::MAX as usize * problem.precision.bytes();
    let piece = about.piece_bytes.min(counted as u64);
    let too_large = |bytes: usize, has, in_one_piece| {
        Err(Failure::TooLarge {
            device: about.to_string(),
            bytes: bytes as u64,
            has,
            in_one_piece,
            precision: problem.precision,
        })
    };
    if all as u64 > about.bytes {
        return too_large(all, about.bytes, false);
    }
    if largest as u64 > piece {
        return too_large(largest, piece, true);
    }
    Ok(())
}

/// What is on the device.
struct Buffers<'a> {
    device: &'a dyn Device,
    all: Vec<Memory>,
}

// Places in `Buffers::all`, which are the kernel's arguments.
const NUMBERS: usize = 0;
const VALUES: usize = 1;
const GRID: usize = 2;
const SCHEDULE: usize = 3;
const INBOX_REALS: usize = 4;
const INBOX_WHOLE: usize = 5;
const SLOTS_WHOLE: usize = 7;
const OUTBOX: usize = 9;
const OUTBOX_WHOLE: usize = 10;
const OUTBOX_LOSSES: usize = 11;
const COUNTERS: usize = 12;
const TRACE_REALS: usize = 13;
const TRACE_WHOLE: usize = 14;

impl<'a> Buffers<'a> {
    fn new(loaded: Loaded<'a>, problem: &Problem, sizes: &Sizes) -> Result<Self, Failure> {
        let mut buffers = Buffers {
            device: loaded.device,
            all: Vec::new(),
        };
        for bytes in sizes.bytes(problem) {
            let memory = loaded.device.allocate(bytes)?;
            buffers.all.push(memory);
        }
        let schedule: Vec<u64> = problem.schedule.iter().map(|m| m.step).collect();
        buffers.write_whole(GRID, 0, &problem.grid)?;
        buffers.write_whole(SCHEDULE, 0, &schedule)?;
        let mut slots = vec![0; sizes.groups * WHOLE];
        slots.chunks_exact_mut(WHOLE).for_each(|s| s[ENDED] = EMPTY);
        buffers.write_whole(SLOTS_WHOLE, 0, &slots)?;
        Ok(buffers)
    }

    fn write_whole(&self, to: usize, at: usize, values: &[u64]) -> Result<(), Failure> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.device
            .write(self.all[to], at * size_of::<u64>(), &bytes)
    }

    fn read_whole(&self, from: usize, at: usize, count: usize) -> Result<Vec<u64>, Failure> {
        let mut bytes = vec![0; count * size_of::<u64>()];
        let at = at * size_of::<u64>();
        self.device.read(self.all[from], at, &mut bytes)?;
        let (each, _) = bytes.as_chunks();
        Ok(each.iter().map(|b| u64::from_le_bytes(*b)).collect())
    }

    fn read(&self, from: usize, at: usize, bytes: usize) -> Result<Vec<u8>, Failure> {
        let mut room = vec![0; bytes];
        self.device.read(self.all[from], at, &mut room)?;
        Ok(room)
    }
}

impl Drop for Buffers<'_> {
    fn drop(&mut self) {
        let _ = self.device.wait();
        for memory in self.all.drain(..) {
            self.device.free(memory);
        }
    }
}

/// Numbers in the arithmetic of a problem, as bytes.
fn put(precision: Precision, to: &mut Vec<u8>, values: impl IntoIterator<Item = f64>) {
    for v in values {
        match precision {
            Precision::F32 => to.extend((v as f32).to_le_bytes()),
            Precision::F64 => to.extend(v.to_le_bytes()),
        }
    }
}

fn get(precision: Precision, from: &[u8]) -> Vec<f64> {
    match precision {
        Precision::F32 => {
            let each = from.as_chunks().0.iter();
            each.map(|b| f64::from(f32::from_le_bytes(*b))).collect()
        }
        Precision::F64 => {
            let each = from.as_chunks().0.iter();
            each.map(|b| f64::from_le_bytes(*b)).collect()
        }
    }
}

/// The numbers that a network begins with: inputs, targets, weights, and what a step multiplies
/// gradients by, at the start and after each change of the rate.
fn beginning(problem: &Problem, job: &Job) -> Vec<u8> {
    let mut bytes = Vec::new();
    let precision = problem.precision;
    let targets = job.y.iter().map(|y| problem.loss.target(*y));
    put(precision, &mut bytes, job.x.iter().copied());
    put(precision, &mut bytes, targets);
    put(precision, &mut bytes, job.weights.iter().copied());
    let factors = problem.schedule.iter().map(|change| change.factor);
    for factor in std::iter::once(1.0).chain(factors) {
        let rate = job.rate * factor;
        let tensors = 0..problem.tensors.len();
        let step_sizes = tensors.clone().map(|t| problem.step_size(t, rate));
        put(precision, &mut bytes, step_sizes);
        put(
            precision,
            &mut bytes,
            tensors.map(|t| problem.shrink(t, rate)),
        );
    }
    bytes
}

/// A network on its way.
struct Flight {
    job: Job,
    trained: Trained,
    /// Its trace on the device.
    trace: Option<usize>,
    /// Steps whose losses were taken from the trace, and snapshots.
    followed: u64,
    snapshots: usize,
}

impl Flight {
    fn new(job: Job) -> Flight {
        let trained = Trained::before(&job);
        Flight {
            job,
            trained,
            trace: None,
            followed: 0,
            snapshots: 0,
        }
    }

    fn keeps_losses(&self) -> bool {
        self.job.keep_losses || !self.job.watch.is_empty()
    }

    fn is_traced(&self) -> bool {
        self.keeps_losses() || self.job.keep_best || !self.job.snapshots.is_empty()
    }

    /// Losses of the steps that follow those taken before.
    fn follow(&mut self, queue: &dyn Queue, losses: &[f64]) {
        for loss in losses {
            let step = self.followed;
            if self.job.keep_losses {
                self.trained.all_losses.push(*loss);
                queue.follow(self.job.tag, self.job.replicate, step, *loss);
            }
            let watched = self.trained.watched.len();
            if self.job.watch.get(watched) == Some(&step) {
                self.trained.watched.push(*loss);
            }
            self.followed += 1;
        }
    }
}

/// A network drawn and packed.
struct Drawn {
    flight: Flight,
    bytes: Vec<u8>,
}

/// How a network ended, as it came from the device.
struct End {
    flight: Flight,
    whole: Vec<u64>,
    numbers: Vec<f64>,
    losses: Vec<f64>,
    best_weights: Vec<f64>,
}

impl End {
    /// What it says; of a network that is to be trained elsewhere its job, and how many of its
    /// steps were told.
    fn trained(self, problem: &Problem) -> Result<Trained, Box<(Job, u64)>> {
        let [_, _, _, _, step, first_below, _, _, ended, best_step] = self.whole[..] else {
            unreachable!("an end has so many integers");
        };
        if ended == GIVEN_BACK {
            return Err(Box::new((self.flight.job, self.flight.followed)));
        }
        let Flight {
            job, mut trained, ..
        } = self.flight;
        let (loss, best, judged) = (self.numbers[0], self.numbers[2], self.numbers[4]);
        trained.losses = self.losses;
        trained.best_loss = best;
        trained.first_below = (first_below != u64::MAX).then_some(first_below);
        trained.last = Snapshot {
            step,
            loss,
            weights: self.numbers[HEAD..].to_vec(),
        };
        trained.judged = match problem.success {
            Criterion::Loss { .. } => None,
            Criterion::Error { .. } | Criterion::Accuracy { .. } => Some(judged),
        };
        let below = problem.success.below(problem.points);
        let below = match problem.precision {
            Precision::F32 => f64::from(below as f32),
            Precision::F64 => below,
        };
        trained.outcome = match trained.first_below {
            _ if ended == DIVERGED => Outcome::Diverged { step },
            Some(first) if judged < below => Outcome::Below { step: first },
            _ if ended == FIXED => Outcome::Fixed { step },
            _ => Outcome::Spent,
        };
        if job.keep_best && best < f64::INFINITY {
            trained.best = Some(Snapshot {
                step: best_step,
                loss: best,
                weights: self.best_weights,
            });
        }
        Ok(trained)
    }
}

/// What goes on beside a launch.
#[derive(Default)]
struct Beside {
    /// Packed, for the next launches.
    drawn: Vec<Drawn>,
    /// Ended in the last launch, not yet handed over.
    ended: Vec<End>,
}

/// Trains what the queue hands out. `again` trains a network that the device gave back, and
/// `probe` looks at the first one of each tag before it is trained.
pub(crate) fn train(
    loaded: Loaded<'_>,
    problem: &Problem,
    queue: &dyn Queue,
    threads: usize,
    again: &(dyn Fn(Job) -> Option<Trained> + Sync),
    probe: &mut dyn FnMut(&Job) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let sizes = Sizes::of(loaded, problem, queue.remaining());
    let buffers = Buffers::new(loaded, problem, &sizes)?;
    let mut run = Run {
        problem,
        queue,
        again,
        threads: threads.max(1),
        buffers,
        flights: Vec::new(),
        free: Vec::new(),
        traces: (0..sizes.traces).rev().collect(),
        held: VecDeque::new(),
        head: 0,
        waiting: 0,
        running: 0,
        wanted: sizes.groups.min(sizes.capacity),
        budget: 256,
        sizes,
    };
    let beside = Mutex::new(Beside::default());
    let mut begun_before = false;
    loop {
        run.fill()?;
        if run.running + run.waiting == 0 {
            // Nothing to train beside: hand over, and draw.
            run.beside(&beside, run.wanted);
            run.hold(&beside, probe)?;
            if run.held.is_empty() && !run.queue.wait() {
                return Ok(());
            }
            continue;
        }
        // What came before, from memory to the first look, is no training.
        if !begun_before && !run.queue.progress(0, 0) {
            return Ok(());
        }
        begun_before = true;
        let begun = Instant::now();
        run.launch(loaded.kernel)?;
        // As many as would be taken if the next launch took twice as many as the last one.
        let room = run.wanted.saturating_sub(run.waiting + run.held.len());
        run.beside(&beside, room);
        let waited = Instant::now();
        loaded.device.wait()?;
        let (seconds, waited) = (begun.elapsed(), waited.elapsed());
        let (ended, made) = run.collect()?;
        run.hold(&beside, probe)?;
        lock(&beside).ended.extend(ended);
        // A launch that was over before the processor was done took nobody knows how long.
        if waited.as_secs_f64() > 1e-4 {
            let factor = (LAUNCH / seconds.as_secs_f64().max(1e-6)).clamp(0.25, 8.0);
            run.budget = ((run.budget as f64 * factor) as u64).clamp(16, 1 << 24);
        } else if seconds.as_secs_f64() < LAUNCH {
            run.budget = (2 * run.budget).min(1 << 24);
        }
        let room = run.budget.saturating_mul(run.sizes.groups as u64);
        if !run.queue.progress(made, room.max(made)) {
            return Ok(());
        }
    }
}

struct Run<'a> {
    problem: &'a Problem,
    queue: &'a dyn Queue,
    again: &'a (dyn Fn(Job) -> Option<Trained> + Sync),
    threads: usize,
    buffers: Buffers<'a>,
    sizes: Sizes,
    /// By their number on the device.
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
    /// Traces that nothing uses.
    traces: Vec<usize>,
    /// Drawn, and not yet on the device.
    held: VecDeque<Drawn>,
    /// Where in the inbox the first one waits, how many there are, and how many are in training.
    head: usize,
    waiting: usize,
    running: usize,
    /// How many shall wait at the start of a launch.
    wanted: usize,
    budget: u64,
}

impl Run<'_> {
    /// Hands over what ended and draws up to so many, on the processor's threads.
    fn beside(&self, beside: &Mutex<Beside>, room: usize) {
        let left = Mutex::new(room);
        on_threads(self.threads, &|| {
            loop {
                let ended = lock(beside).ended.pop();
                let Some(end) = ended else { break };
                match end.trained(self.problem) {
                    Ok(trained) => self.queue.finish(trained),
                    Err(back) => {
                        let (job, followed) = *back;
                        let Some(trained) = (self.again)(job) else {
                            continue;
                        };
                        let losses = (0..).zip(&trained.all_losses);
                        for (step, loss) in losses.skip(followed as usize) {
                            let (tag, replicate) = (trained.tag, trained.replicate);
                            self.queue.follow(tag, replicate, step, *loss);
                        }
                        self.queue.finish(trained);
                    }
                }
            }
            loop {
                {
                    let mut left = lock(&left);
                    if *left == 0 {
                        return;
                    }
                    *left -= 1;
                }
                let Some(job) = self.queue.next() else { return };
                let bytes = beginning(self.problem, &job);
                let flight = Flight::new(job);
                lock(beside).drawn.push(Drawn { flight, bytes });
            }
        });
    }

    /// Takes what was drawn, and looks at it.
    fn hold(
        &mut self,
        beside: &Mutex<Beside>,
        probe: &mut dyn FnMut(&Job) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let drawn = std::mem::take(&mut lock(beside).drawn);
        drawn.iter().try_for_each(|one| probe(&one.flight.job))?;
        self.held.extend(drawn);
        Ok(())
    }

    /// Puts what was drawn into the inbox.
    fn fill(&mut self) -> Result<(), Failure> {
        let (capacity, beginning) = (self.sizes.capacity, self.sizes.beginning);
        let (mut bytes, mut whole) = (Vec::new(), Vec::new());
        let mut later = VecDeque::new();
        let first = (self.head + self.waiting) % capacity;
        let mut count = 0;
        while self.waiting + count < capacity
            && let Some(mut drawn) = self.held.pop_front()
        {
            if drawn.flight.is_traced() {
                let Some(trace) = self.traces.pop() else {
                    later.push_back(drawn);
                    continue;
                };
                drawn.flight.trace = Some(trace);
                self.ask(&drawn.flight, trace)?;
            }
            let id = self.free.pop().unwrap_or_else(|| {
                self.flights.push(None);
                self.flights.len() - 1
            });
            let trace = drawn.flight.trace.map_or(0, |t| t as u64 + 1);
            whole.extend([
                id as u64,
                drawn.flight.job.seed,
                drawn.flight.job.replicate,
                trace,
            ]);
            bytes.extend(drawn.bytes);
            self.flights[id] = Some(drawn.flight);
            count += 1;
        }
        later.extend(self.held.drain(..));
        self.held = later;
        // Around the end of the inbox in two pieces.
        let straight = count.min(capacity - first);
        let number = self.sizes.number * beginning;
        let (before, after) = bytes.split_at(straight * number);
        let device = self.buffers.device;
        device.write(self.buffers.all[INBOX_REALS], first * number, before)?;
        device.write(self.buffers.all[INBOX_REALS], 0, after)?;
        let (before, after) = whole.split_at(straight * BEGINNING);
        self.buffers
            .write_whole(INBOX_WHOLE, first * BEGINNING, before)?;
        self.buffers.write_whole(INBOX_WHOLE, 0, after)?;
        self.waiting += count;
        Ok(())
    }

    /// Tells a trace what is wanted of its network from now on.
    fn ask(&self, flight: &Flight, trace: usize) -> Result<(), Failure> {
        let wanted = &flight.job.snapshots[flight.snapshots..];
        let now = &wanted[..wanted.len().min(MARKS)];
        let mut whole = vec![
            0,
            0,
            now.len() as u64,
            u64::from(wanted.len() > MARKS),
            u64::from(flight.keeps_losses()),
            u64::from(flight.job.keep_best),
        ];
        whole.extend(now);
        whole.resize(TRACE_HEAD + MARKS, 0);
        self.buffers
            .write_whole(TRACE_WHOLE, trace * (TRACE_HEAD + MARKS), &whole)
    }

    /// Starts a launch, which may take all that waits in the inbox.
    fn launch(&self, kernel: Compiled) -> Result<(), Failure> {
        let problem = self.problem;
        let numbers = [
            problem.steps,
            self.budget,
            self.waiting as u64,
            self.head as u64,
            self.sizes.capacity as u64,
            self.sizes.grid as u64,
            problem.schedule.len() as u64,
            u64::from(problem.run_all),
        ];
        self.buffers.write_whole(NUMBERS, 0, &numbers)?;
        let mut values = Vec::new();
        let below = problem.success.below(problem.points);
        put(
            problem.precision,
            &mut values,
            [below, problem.loss_factor()],
        );
        let device = self.buffers.device;
        device.write(self.buffers.all[VALUES], 0, &values)?;
        let counters = vec![0; (2 + self.sizes.groups) * size_of::<u32>()];
        device.write(self.buffers.all[COUNTERS], 0, &counters)?;
        device.launch(kernel, self.sizes.groups, &self.buffers.all)
    }

    /// Takes what a launch left: the networks that ended, and how many steps were made.
    fn collect(&mut self) -> Result<(Vec<End>, u64), Failure> {
        let count = 2 + self.sizes.groups;
        let counters = self.buffers.read(COUNTERS, 0, count * size_of::<u32>())?;
        let counters: Vec<u32> = counters
            .as_chunks()
            .0
            .iter()
            .map(|b| u32::from_le_bytes(*b))
            .collect();
        let claimed = (counters[0] as usize).min(self.waiting);
        let ended = counters[1] as usize;
        let made = counters[2..].iter().map(|m| u64::from(*m)).sum();
        self.head = (self.head + claimed) % self.sizes.capacity;
        self.waiting -= claimed;
        self.running = self.running + claimed - ended;
        // The next launch may well take twice as many; never less than would fill every group.
        let wanted = (2 * claimed).max(self.sizes.groups);
        self.wanted = wanted.min(self.sizes.capacity);
        self.collect_traces()?;

        let precision = self.problem.precision;
        let (number, end, grid) = (self.sizes.number, self.sizes.end, self.sizes.grid);
        let whole = self.buffers.read_whole(OUTBOX_WHOLE, 0, ended * WHOLE)?;
        let numbers = self.buffers.read(OUTBOX, 0, ended * end * number)?;
        let losses = self.buffers.read(OUTBOX_LOSSES, 0, ended * grid * number)?;
        let mut ends = Vec::with_capacity(ended);
        for (i, whole) in whole.chunks_exact(WHOLE).enumerate() {
            let id = whole[0] as usize;
            let Some(flight) = self.flights.get_mut(id).and_then(Option::take) else {
                return Err(Failure::Device {
                    doing: "training",
                    why: format!("network {id} ended twice"),
                    out_of_memory: false,
                });
            };
            self.free.push(id);
            let mut best_weights = Vec::new();
            if let Some(trace) = flight.trace {
                if flight.job.keep_best {
                    let at = (trace * self.sizes.trace + TRACE_STEPS) * number;
                    let bytes = self.problem.parameters() * number;
                    let bytes = self.buffers.read(TRACE_REALS, at, bytes)?;
                    best_weights = get(precision, &bytes);
                }
                self.traces.push(trace);
            }
            let on_grid = whole[GRID_AT] as usize;
            ends.push(End {
                flight,
                whole: whole.to_vec(),
                numbers: get(precision, &numbers[i * end * number..][..end * number]),
                losses: get(precision, &losses[i * grid * number..][..on_grid * number]),
                best_weights,
            });
        }
        Ok((ends, made))
    }

    /// Takes losses and snapshots from the traces in use, and asks for what comes next.
    fn collect_traces(&mut self) -> Result<(), Failure> {
        let precision = self.problem.precision;
        let (number, trace_size) = (self.sizes.number, self.sizes.trace);
        let parameters = self.problem.parameters();
        let each = TRACE_HEAD + MARKS;
        if self.traces.len() == self.sizes.traces {
            return Ok(());
        }
        let whole = self
            .buffers
            .read_whole(TRACE_WHOLE, 0, self.sizes.traces * each)?;
        let mut flights = std::mem::take(&mut self.flights);
        for flight in flights.iter_mut().flatten() {
            let Some(trace) = flight.trace else { continue };
            let (written, taken) = (whole[trace * each], whole[trace * each + 1] as usize);
            let at = trace * trace_size * number;
            let losses = self
                .buffers
                .read(TRACE_REALS, at, written as usize * number)?;
            flight.follow(self.queue, &get(precision, &losses));
            if taken > 0 {
                let size = (parameters + 1) * number;
                let at = at + (TRACE_STEPS + parameters) * number;
                let bytes = self.buffers.read(TRACE_REALS, at, taken * size)?;
                for one in bytes.chunks_exact(size) {
                    let mut weights = get(precision, one);
                    let loss = weights.pop().unwrap_or(f64::NAN);
                    let step = flight.job.snapshots[flight.snapshots];
                    flight.trained.snapshots.push(Snapshot {
                        step,
                        loss,
                        weights,
                    });
                    flight.snapshots += 1;
                }
            }
            if written > 0 || taken > 0 {
                self.ask(flight, trace)?;
            }
        }
        self.flights = flights;
        Ok(())
    }
}

/// A queue of a few networks, for a comparison.
pub(crate) struct Few {
    jobs: Mutex<Vec<Job>>,
    trained: Mutex<Vec<Trained>>,
}

impl Few {
    pub(crate) fn of(jobs: Vec<Job>) -> Few {
        Few {
            jobs: Mutex::new(jobs),
            trained: Mutex::default(),
        }
    }

    pub(crate) fn trained(self) -> Vec<Trained> {
        self.trained.into_inner().unwrap_or_else(|e| e.into_inner())
    }
}

impl Queue for Few {
    fn next(&self) -> Option<Job> {
        lock(&self.jobs).pop()
    }
    fn finish(&self, trained: Trained) {
        lock(&self.trained).push(trained);
    }
    fn remaining(&self) -> u64 {
        lock(&self.jobs).len() as u64
    }
    fn progress(&self, _: u64, _: u64) -> bool {
        true
    }
}

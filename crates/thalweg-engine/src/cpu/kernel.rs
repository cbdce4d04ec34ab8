//! Which replicate has which lane, how long, and what its losses mean; the arithmetic is a
//! [`Kernel`]'s.
//!
//! When a replicate ends, the next one takes its slot at once.

use fearless_simd::{Select, Simd, SimdMask};

use super::lane::{Lane, Real};
use crate::Batch;
use crate::Outcome;
use crate::seed::{Purpose, stream};
use crate::{Criterion, DIVERGED, Job, Problem, Queue, Snapshot, Trained};

/// The networks in training: the arithmetic of a step. Slots are lanes of the loss.
pub(super) trait Kernel<S: Simd, V: Lane<S>> {
    /// Room for the networks of a problem.
    fn new(simd: S, problem: &Problem) -> Self;
    /// Puts a replicate into a slot; of the one before nothing stays.
    fn load(&mut self, problem: &Problem, lane: usize, job: &Job);
    /// The rate of a slot from its next step on.
    fn set_rate(&mut self, problem: &Problem, lane: usize, rate: f64);
    /// The effective weights of a slot, flat.
    fn weights(&self, problem: &Problem, lane: usize, to: &mut Vec<f64>);
    /// The weight of a point in a slot's mini-batch.
    fn put_in_batch(&mut self, lane: usize, point: usize, weight: f64);
    /// Activations of the present weights and ∂L/∂z of the outputs; the loss, and what success is
    /// judged by.
    fn forward(&mut self, problem: &Problem) -> (V, V);
    /// Gradient and step. Of the slots in `repeated`, those in which no bit of a weight changed.
    fn step(&mut self, problem: &Problem, repeated: u64) -> u64;
}

/// A kernel and the losses of its slots.
struct Lanes<V, K> {
    kernel: K,
    loss: V,
    /// What success is judged by.
    judged: V,
    before: V,
    best: V,
    limit: V,
}

/// What is trained in a lane.
struct Slot {
    job: Job,
    trained: Trained,
    /// The group's clock at the replicate's step 0.
    started_at: u64,
    /// Places in the problem's grid, the replicate's snapshots, the steps that it watches, its
    /// cuts, and the problem's schedule.
    grid_at: usize,
    snapshot_at: usize,
    watch_at: usize,
    cut_at: usize,
    schedule_at: usize,
    /// The replicate as a cut at this step hands it back.
    cut: Option<Trained>,
    /// The permutation of this epoch.
    order: Vec<usize>,
}

/// Trains replicates from the queue, so many at a time, until there are no more.
#[inline(always)]
pub(super) fn run<S: Simd, V: Lane<S>, K: Kernel<S, V>>(
    simd: S,
    problem: &Problem,
    queue: &dyn Queue,
    width: usize,
) {
    let mut lanes = Lanes::<V, K>::new(simd, problem);
    let mut slots: Vec<Option<Slot>> = (0..width.min(V::LEN)).map(|_| None).collect();
    let mut clock = 0u64;
    let all = u64::MAX >> (64 - slots.len());
    // The lanes that are taken, and those that want to be looked at after every step.
    let (mut active, mut always) = lanes.fill(problem, queue, &mut slots, clock);
    let mut due = next_due(&slots, problem);
    let threshold = V::of(simd, problem.success.below(problem.points));
    let mut made = 0;
    loop {
        if active == 0 {
            if !queue.wait() {
                return;
            }
            (active, always) = lanes.fill(problem, queue, &mut slots, clock);
            due = next_due(&slots, problem);
            continue;
        }
        if let Some(batch) = problem.batch {
            lanes.draw_batches(problem, &mut slots, clock, batch);
        }
        (lanes.loss, lanes.judged) = lanes.kernel.forward(problem);
        let reached = lanes.judged.simd_lt(threshold).to_bitmask();
        let diverged = !lanes.loss.simd_le(lanes.limit).to_bitmask();
        let better = lanes.loss.simd_lt(lanes.best);
        let improved = better.to_bitmask();
        lanes.best = better.select(lanes.loss, lanes.best);
        let mut work = reached | diverged | always;
        if clock >= due {
            work |= due_now(&slots, problem, clock);
        }
        work &= active;
        let mut ended = 0;
        while work != 0 {
            let lane = work.trailing_zeros() as usize;
            let bit = 1 << lane;
            work &= !bit;
            let (diverged, improved) = (diverged & bit != 0, improved & bit != 0);
            if lanes.judge(problem, &mut slots[lane], lane, clock, diverged, improved) {
                ended |= bit;
            }
            let Some(slot) = &mut slots[lane] else {
                continue;
            };
            if slot.job.keep_losses
                && let Some(&loss) = slot.trained.all_losses.last()
            {
                let step = clock - slot.started_at;
                queue.follow(slot.job.tag, slot.job.replicate, step, loss);
            }
            if let Some(cut) = slot.cut.take() {
                queue.cut(cut);
            }
        }
        if clock >= due {
            due = next_due(&slots, problem);
        }
        let repeated = lanes.loss.simd_eq(lanes.before).to_bitmask() & active & !ended;
        let mut motionless = lanes.kernel.step(problem, repeated) & !changing(&slots, problem);
        lanes.before = lanes.loss;
        made += u64::from(active.count_ones());
        ended |= motionless;
        while motionless != 0 {
            let lane = motionless.trailing_zeros() as usize;
            motionless &= motionless - 1;
            if let Some(slot) = &mut slots[lane] {
                let step = clock - slot.started_at;
                lanes.close(problem, &mut slot.trained, lane, step, true);
            }
        }
        clock += 1;
        let now_and_then = clock.is_multiple_of(256);
        if ended != 0 || (now_and_then && active != all) {
            for (lane, slot) in slots.iter_mut().enumerate() {
                if ended & 1 << lane != 0
                    && let Some(slot) = slot.take()
                {
                    queue.finish(slot.trained);
                }
            }
            // The step above went over the lanes that ended; the next replicates begin after it.
            (active, always) = lanes.fill(problem, queue, &mut slots, clock);
            due = next_due(&slots, problem);
        }
        if now_and_then || active == 0 {
            let room = 256 * slots.len() as u64;
            if !queue.progress(std::mem::take(&mut made), room) {
                return;
            }
        }
    }
}

/// A number in the arithmetic of the run.
#[inline(always)]
fn real<S: Simd, V: Lane<S>>(v: f64) -> V::Element {
    <V::Element as Real>::of(v)
}

/// The largest finite number in that arithmetic.
fn largest<S: Simd, V: Lane<S>>() -> f64 {
    if size_of::<V::Element>() == 4 {
        f64::from(f32::MAX)
    } else {
        f64::MAX
    }
}

impl Slot {
    /// The clock of the next recorded loss, snapshot, cut or change of the rate.
    fn due(&self, problem: &Problem) -> u64 {
        let grid = problem.grid.get(self.grid_at);
        let snapshot = self.job.snapshots.get(self.snapshot_at);
        let watch = self.job.watch.get(self.watch_at);
        let change = problem.schedule.get(self.schedule_at).map(|m| &m.step);
        let cut = self.job.cuts.get(self.cut_at);
        let asked = grid.into_iter().chain(snapshot).chain(watch).chain(cut);
        let steps = asked.chain(change);
        let step = steps.min();
        step.map_or(u64::MAX, |step| self.started_at + step)
    }
}

/// The lanes whose rate will change: a replicate that does not move at this one may at another.
#[inline(always)]
fn changing(slots: &[Option<Slot>], problem: &Problem) -> u64 {
    if problem.schedule.is_empty() {
        return 0;
    }
    let changing = |s: &Option<Slot>| (s.iter()).any(|s| s.schedule_at < problem.schedule.len());
    let lanes = slots.iter().enumerate().filter(|(_, s)| changing(s));
    lanes.fold(0, |m, (lane, _)| m | 1 << lane)
}

fn next_due(slots: &[Option<Slot>], problem: &Problem) -> u64 {
    slots
        .iter()
        .flatten()
        .map(|s| s.due(problem))
        .min()
        .unwrap_or(u64::MAX)
}

fn due_now(slots: &[Option<Slot>], problem: &Problem, clock: u64) -> u64 {
    let due = |s: &Option<Slot>| s.as_ref().is_some_and(|s| s.due(problem) <= clock);
    slots
        .iter()
        .enumerate()
        .filter(|(_, s)| due(s))
        .fold(0, |m, (lane, _)| m | 1 << lane)
}

impl<V, K> Lanes<V, K> {
    fn new<S: Simd>(simd: S, problem: &Problem) -> Self
    where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        let zero = V::of(simd, 0.0);
        Lanes {
            kernel: K::new(simd, problem),
            loss: zero,
            judged: zero,
            before: zero,
            best: zero,
            limit: zero,
        }
    }

    /// Puts the next replicates of the queue in the empty slots. The lanes that are taken, and
    /// those of them that want to be looked at after every step.
    #[inline(never)]
    fn fill<S: Simd>(
        &mut self,
        problem: &Problem,
        queue: &dyn Queue,
        slots: &mut [Option<Slot>],
        clock: u64,
    ) -> (u64, u64)
    where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        let (mut taken, mut always) = (0, 0);
        for (lane, slot) in slots.iter_mut().enumerate() {
            if slot.is_none() {
                *slot = queue
                    .next()
                    .map(|job| self.occupy(problem, job, lane, clock));
            }
            if let Some(slot) = slot {
                taken |= 1 << lane;
                always |= u64::from(slot.job.keep_best || slot.job.keep_losses) << lane;
            }
        }
        (taken, always)
    }

    fn occupy<S: Simd>(&mut self, problem: &Problem, job: Job, lane: usize, clock: u64) -> Slot
    where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        self.kernel.load(problem, lane, &job);
        self.before.as_mut_slice()[lane] = real::<S, V>(f64::NAN);
        self.best.as_mut_slice()[lane] = real::<S, V>(f64::INFINITY);
        self.limit.as_mut_slice()[lane] = real::<S, V>(f64::INFINITY);
        let trained = Trained::before(&job);
        Slot {
            job,
            trained,
            started_at: clock,
            grid_at: 0,
            snapshot_at: 0,
            schedule_at: 0,
            watch_at: 0,
            cut_at: 0,
            cut: None,
            order: Vec::new(),
        }
    }

    /// What the loss of one lane at this clock means; whether the replicate ended.
    #[inline(never)]
    fn judge<S: Simd>(
        &mut self,
        problem: &Problem,
        slot: &mut Option<Slot>,
        lane: usize,
        clock: u64,
        diverged: bool,
        improved: bool,
    ) -> bool
    where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        let Some(slot) = slot else {
            return false;
        };
        let step = clock - slot.started_at;
        let loss = self.loss.as_slice()[lane].to_f64();
        if step == 0 {
            let limit = (DIVERGED * loss.max(1.0)).min(largest::<S, V>());
            self.limit.as_mut_slice()[lane] = real::<S, V>(limit);
        }
        if problem.grid.get(slot.grid_at) == Some(&step) {
            slot.trained.losses.push(loss);
            slot.grid_at += 1;
        }
        if slot.job.watch.get(slot.watch_at) == Some(&step) {
            slot.trained.watched.push(loss);
            slot.watch_at += 1;
        }
        if slot.job.keep_losses {
            slot.trained.all_losses.push(loss);
        }
        if slot.job.snapshots.get(slot.snapshot_at) == Some(&step) {
            let snapshot = self.snapshot(problem, lane, step, Vec::new());
            slot.trained.snapshots.push(snapshot);
            slot.snapshot_at += 1;
        }
        if let Some(change) = problem.schedule.get(slot.schedule_at)
            && change.step == step
        {
            let rate = slot.job.rate * change.factor;
            self.kernel.set_rate(problem, lane, rate);
            slot.schedule_at += 1;
        }
        if slot.job.keep_best && improved {
            let room = slot.trained.best.take().map(|best| best.weights);
            let best = self.snapshot(problem, lane, step, room.unwrap_or_default());
            slot.trained.best = Some(best);
        }
        let diverged = diverged || !loss.is_finite();
        let reached = !diverged && self.succeeded(problem, lane);
        if reached && slot.trained.first_below.is_none() {
            slot.trained.first_below = Some(step);
        }
        let over = diverged || (reached && !problem.run_all) || step == problem.steps;
        if over {
            self.close(problem, &mut slot.trained, lane, step, false);
            if diverged {
                slot.trained.outcome = Outcome::Diverged { step };
            }
        } else if slot.job.cuts.get(slot.cut_at) == Some(&step) {
            let mut cut = slot.trained.clone();
            self.close(problem, &mut cut, lane, step, false);
            slot.cut = Some(cut);
            slot.cut_at += 1;
        }
        over
    }

    /// Whether a lane has what is asked for. The comparison is made in the arithmetic of the run.
    fn succeeded<S: Simd>(&self, problem: &Problem, lane: usize) -> bool
    where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        let below = problem.success.below(problem.points);
        self.judged.as_slice()[lane] < real::<S, V>(below)
    }

    /// Fills in how the replicate of a lane ended at a step.
    fn close<S: Simd>(
        &self,
        problem: &Problem,
        trained: &mut Trained,
        lane: usize,
        step: u64,
        fixed: bool,
    ) where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        trained.last = self.snapshot(problem, lane, step, Vec::new());
        trained.best_loss = self.best.as_slice()[lane].to_f64();
        trained.judged = match problem.success {
            Criterion::Loss { .. } => None,
            Criterion::Error { .. } | Criterion::Accuracy { .. } => {
                Some(self.judged.as_slice()[lane].to_f64())
            }
        };
        let reached = self.succeeded(problem, lane);
        trained.outcome = match trained.first_below {
            Some(first) if reached => Outcome::Below { step: first },
            _ if fixed => Outcome::Fixed { step },
            _ => Outcome::Spent,
        };
    }

    fn snapshot<S: Simd>(
        &self,
        problem: &Problem,
        lane: usize,
        step: u64,
        mut weights: Vec<f64>,
    ) -> Snapshot
    where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        self.kernel.weights(problem, lane, &mut weights);
        Snapshot {
            step,
            loss: self.loss.as_slice()[lane].to_f64(),
            weights,
        }
    }

    /// Sets the weight of every point in the mini-batch of this step.
    #[inline(never)]
    fn draw_batches<S: Simd>(
        &mut self,
        problem: &Problem,
        slots: &mut [Option<Slot>],
        clock: u64,
        batch: Batch,
    ) where
        V: Lane<S>,
        K: Kernel<S, V>,
    {
        let n = problem.points;
        let batches = batch.per_epoch(n);
        for (lane, slot) in slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            let step = clock - slot.started_at;
            if step.is_multiple_of(batches) {
                let epoch = step / batches;
                let mut random = stream(slot.job.seed, slot.job.replicate, Purpose::Noise, epoch);
                slot.order = random.permutation(n);
            }
            let chosen = &slot.order[batch.places(step, n)];
            let weight = if problem.loss.averages() {
                n as f64 / chosen.len() as f64
            } else {
                1.0
            };
            for i in 0..n {
                let weight = if chosen.contains(&i) { weight } else { 0.0 };
                self.kernel.put_in_batch(lane, i, weight);
            }
        }
    }
}

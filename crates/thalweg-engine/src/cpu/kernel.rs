//! Who sits in which lane, how long, and what its losses mean; the arithmetic is a [`Body`]'s.
//!
//! When a replicate ends, the next one takes its seat at once.

use fearless_simd::{Select, Simd, SimdMask};

use super::lane::{Lane, Real};
use crate::Method;
use crate::Outcome;
use crate::seed::{Purpose, stream};
use crate::{DIVERGED, End, Problem, Snapshot, Start, Supply};

/// The networks in training: the arithmetic of a step. Seats are lanes of the loss.
pub(super) trait Body<S: Simd, V: Lane<S>> {
    /// Room for the networks of a problem.
    fn new(simd: S, problem: &Problem) -> Self;
    /// Seats a replicate.
    fn load(&mut self, problem: &Problem, lane: usize, start: &Start);
    /// The effective weights of a seat, flat.
    fn weights(&self, problem: &Problem, lane: usize, to: &mut Vec<f64>);
    /// The weight of a point in a seat's mini-batch.
    fn put_in_batch(&mut self, lane: usize, point: usize, weight: f64);
    /// Activations and residuals of the present weights; the loss.
    fn forward(&mut self, problem: &Problem) -> V;
    /// Gradient and step. Of the seats in `repeated`, those in which no bit of a weight changed.
    fn step(&mut self, problem: &Problem, repeated: u64) -> u64;
}

/// A body and the losses of its seats.
struct Table<V, B> {
    body: B,
    loss: V,
    before: V,
    best: V,
    limit: V,
}

/// Who sits in a lane.
struct Seat {
    start: Start,
    end: End,
    /// The group's clock at the replicate's step 0.
    born: u64,
    /// Places in the problem's grid and the replicate's snapshots.
    grid_at: usize,
    snapshot_at: usize,
    /// The permutation of this epoch.
    order: Vec<usize>,
}

/// Trains replicates from the supply, so many at a time, until there is none left.
#[inline(always)]
pub(super) fn drive<S: Simd, V: Lane<S>, B: Body<S, V>>(
    simd: S,
    problem: &Problem,
    supply: &dyn Supply,
    width: usize,
) {
    let mut table = Table::<V, B>::new(simd, problem);
    let mut seats: Vec<Option<Seat>> = (0..width.min(V::LEN)).map(|_| None).collect();
    let mut clock = 0u64;
    // The lanes that are taken, and those that want to be looked at after every step.
    let (mut active, mut always) = table.fill(problem, supply, &mut seats, clock);
    let mut due = next_due(&seats, problem);
    let threshold = V::of(simd, problem.loss_below);
    let mut made = 0;
    while active != 0 {
        if let Method::Sgd { batch } = problem.method {
            table.draw_batches(problem, &mut seats, clock, batch);
        }
        table.loss = table.body.forward(problem);
        let below = table.loss.simd_lt(threshold).to_bitmask();
        let wild = !table.loss.simd_le(table.limit).to_bitmask();
        let better = table.loss.simd_lt(table.best);
        let improved = better.to_bitmask();
        table.best = better.select(table.loss, table.best);
        let mut work = below | wild | always;
        if clock >= due {
            work |= due_now(&seats, problem, clock);
        }
        work &= active;
        let mut ended = 0;
        while work != 0 {
            let lane = work.trailing_zeros() as usize;
            let bit = 1 << lane;
            work &= !bit;
            let (wild, improved) = (wild & bit != 0, improved & bit != 0);
            if table.judge(problem, &mut seats[lane], lane, clock, wild, improved) {
                ended |= bit;
            }
        }
        if clock >= due {
            due = next_due(&seats, problem);
        }
        let repeated = table.loss.simd_eq(table.before).to_bitmask() & active & !ended;
        let mut motionless = table.body.step(problem, repeated);
        table.before = table.loss;
        made += u64::from(active.count_ones());
        ended |= motionless;
        while motionless != 0 {
            let lane = motionless.trailing_zeros() as usize;
            motionless &= motionless - 1;
            if let Some(seat) = &mut seats[lane] {
                table.close(problem, seat, lane, clock, true);
            }
        }
        clock += 1;
        if ended != 0 {
            for (lane, seat) in seats.iter_mut().enumerate() {
                if ended & 1 << lane != 0
                    && let Some(seat) = seat.take()
                {
                    supply.done(seat.end);
                }
            }
            // The step above went over the lanes that ended; the next replicates begin after it.
            (active, always) = table.fill(problem, supply, &mut seats, clock);
            due = next_due(&seats, problem);
        }
        if clock.is_multiple_of(256) || active == 0 {
            let room = 256 * seats.len() as u64;
            if !supply.go_on(std::mem::take(&mut made), room) {
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

impl Seat {
    /// The clock of the next recorded loss or snapshot.
    fn due(&self, problem: &Problem) -> u64 {
        let grid = problem.grid.get(self.grid_at);
        let snapshot = self.start.snapshots.get(self.snapshot_at);
        let step = grid.into_iter().chain(snapshot).min();
        step.map_or(u64::MAX, |step| self.born + step)
    }
}

fn next_due(seats: &[Option<Seat>], problem: &Problem) -> u64 {
    seats
        .iter()
        .flatten()
        .map(|s| s.due(problem))
        .min()
        .unwrap_or(u64::MAX)
}

fn due_now(seats: &[Option<Seat>], problem: &Problem, clock: u64) -> u64 {
    let due = |s: &Option<Seat>| s.as_ref().is_some_and(|s| s.due(problem) <= clock);
    seats
        .iter()
        .enumerate()
        .filter(|(_, s)| due(s))
        .fold(0, |m, (lane, _)| m | 1 << lane)
}

impl<V, B> Table<V, B> {
    fn new<S: Simd>(simd: S, problem: &Problem) -> Self
    where
        V: Lane<S>,
        B: Body<S, V>,
    {
        let zero = V::of(simd, 0.0);
        Table {
            body: B::new(simd, problem),
            loss: zero,
            before: zero,
            best: zero,
            limit: zero,
        }
    }

    /// Puts the next replicates of the supply in the empty seats. The lanes that are taken, and those
    /// of them that want to be looked at after every step.
    #[inline(never)]
    fn fill<S: Simd>(
        &mut self,
        problem: &Problem,
        supply: &dyn Supply,
        seats: &mut [Option<Seat>],
        clock: u64,
    ) -> (u64, u64)
    where
        V: Lane<S>,
        B: Body<S, V>,
    {
        let (mut taken, mut always) = (0, 0);
        for (lane, seat) in seats.iter_mut().enumerate() {
            if seat.is_none() {
                *seat = supply
                    .next()
                    .map(|start| self.seat(problem, start, lane, clock));
            }
            if let Some(seat) = seat {
                taken |= 1 << lane;
                always |= u64::from(seat.start.keep_best || seat.start.keep_losses) << lane;
            }
        }
        (taken, always)
    }

    fn seat<S: Simd>(&mut self, problem: &Problem, start: Start, lane: usize, clock: u64) -> Seat
    where
        V: Lane<S>,
        B: Body<S, V>,
    {
        self.body.load(problem, lane, &start);
        self.before.as_mut_slice()[lane] = real::<S, V>(f64::NAN);
        self.best.as_mut_slice()[lane] = real::<S, V>(f64::INFINITY);
        self.limit.as_mut_slice()[lane] = real::<S, V>(f64::INFINITY);
        let end = End {
            replicate: start.replicate,
            rate: start.rate,
            outcome: Outcome::Spent,
            first_below: None,
            best_loss: f64::INFINITY,
            losses: Vec::new(),
            all_losses: Vec::new(),
            best: None,
            last: Snapshot {
                step: 0,
                loss: f64::NAN,
                weights: Vec::new(),
            },
            snapshots: Vec::new(),
        };
        Seat {
            start,
            end,
            born: clock,
            grid_at: 0,
            snapshot_at: 0,
            order: Vec::new(),
        }
    }

    /// What the loss of one lane at this clock means; whether the replicate ended.
    #[inline(never)]
    fn judge<S: Simd>(
        &mut self,
        problem: &Problem,
        seat: &mut Option<Seat>,
        lane: usize,
        clock: u64,
        wild: bool,
        improved: bool,
    ) -> bool
    where
        V: Lane<S>,
        B: Body<S, V>,
    {
        let Some(seat) = seat else {
            return false;
        };
        let step = clock - seat.born;
        let loss = self.loss.as_slice()[lane].to_f64();
        if step == 0 {
            let limit = (DIVERGED * loss.max(1.0)).min(largest::<S, V>());
            self.limit.as_mut_slice()[lane] = real::<S, V>(limit);
        }
        if problem.grid.get(seat.grid_at) == Some(&step) {
            seat.end.losses.push(loss);
            seat.grid_at += 1;
        }
        if seat.start.keep_losses {
            seat.end.all_losses.push(loss);
        }
        if seat.start.snapshots.get(seat.snapshot_at) == Some(&step) {
            let snapshot = self.snapshot(problem, lane, step, Vec::new());
            seat.end.snapshots.push(snapshot);
            seat.snapshot_at += 1;
        }
        if seat.start.keep_best && improved {
            let room = seat.end.best.take().map(|best| best.weights);
            let best = self.snapshot(problem, lane, step, room.unwrap_or_default());
            seat.end.best = Some(best);
        }
        // The comparison is made in the arithmetic of the run.
        let below = real::<S, V>(loss) < real::<S, V>(problem.loss_below);
        if below && seat.end.first_below.is_none() {
            seat.end.first_below = Some(step);
        }
        let wild = wild || !loss.is_finite();
        let over = wild || (below && !problem.run_all) || step == problem.steps;
        if over {
            self.close(problem, seat, lane, clock, false);
            if wild {
                seat.end.outcome = Outcome::Diverged { step };
            }
        }
        over
    }

    /// Fills in how the replicate of a lane ended.
    fn close<S: Simd>(
        &self,
        problem: &Problem,
        seat: &mut Seat,
        lane: usize,
        clock: u64,
        fixed: bool,
    ) where
        V: Lane<S>,
        B: Body<S, V>,
    {
        let step = clock - seat.born;
        seat.end.last = self.snapshot(problem, lane, step, Vec::new());
        seat.end.best_loss = self.best.as_slice()[lane].to_f64();
        let below = real::<S, V>(seat.end.last.loss) < real::<S, V>(problem.loss_below);
        seat.end.outcome = match seat.end.first_below {
            Some(first) if below => Outcome::Below { step: first },
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
        B: Body<S, V>,
    {
        self.body.weights(problem, lane, &mut weights);
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
        seats: &mut [Option<Seat>],
        clock: u64,
        batch: usize,
    ) where
        V: Lane<S>,
        B: Body<S, V>,
    {
        let n = problem.points;
        let batches = n.div_ceil(batch) as u64;
        for (lane, seat) in seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            let step = clock - seat.born;
            if step.is_multiple_of(batches) {
                let epoch = step / batches;
                let mut random =
                    stream(seat.start.seed, seat.start.replicate, Purpose::Noise, epoch);
                seat.order = random.permutation(n);
            }
            let from = (step % batches) as usize * batch;
            let chosen = &seat.order[from..(from + batch).min(n)];
            let weight = if problem.loss.averages() {
                n as f64 / chosen.len() as f64
            } else {
                1.0
            };
            for i in 0..n {
                let weight = if chosen.contains(&i) { weight } else { 0.0 };
                self.body.put_in_batch(lane, i, weight);
            }
        }
    }
}

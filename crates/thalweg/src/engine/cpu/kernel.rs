//! Forward pass, backward pass and step, written once over lanes; who sits in which lane.
//!
//! A vector holds the same number of every replicate in the group, so all three products are the
//! same loop with the roles of rows, columns and the summed index exchanged, and no width needs
//! padding. Each sum runs in increasing order of its index with one rounding a term, whatever the
//! tile: the bits do not depend on tile or lane count. When a replicate ends, the next one takes its
//! lane at once.

#![allow(
    clippy::needless_range_loop,
    reason = "tiles read like the formula; their lengths are constants"
)]

use fearless_simd::{Select, Simd, SimdMask};

use super::lane::{self, Activate, Lane, Real};
use crate::descent::Method;
use crate::engine::{DIVERGED, End, Problem, Snapshot, Start, Supply};
use crate::net::Activation;
use crate::record::Outcome;
use crate::seed::{Purpose, stream};

/// The numbers of a group of replicates. Arrays are row-major, the lane innermost.
struct Lanes<S: Simd, V: Lane<S>> {
    simd: S,
    /// Effective weights, flat.
    w: Vec<V>,
    /// Gradient over 2 s, flat; used where the step is not fused into the backward pass.
    g: Vec<V>,
    /// First and second running means of the rule, flat.
    first: Vec<V>,
    second: Vec<V>,
    /// −(rate · factor · multiplier² · 2 s) of each tensor; for Adam −(rate · factor · multiplier).
    pace: Vec<V>,
    /// β₁^t and β₂^t.
    decay: [V; 2],
    /// [N, d] and `[N]`.
    x: Vec<V>,
    y: Vec<V>,
    /// Activations and φ' of each hidden layer [N, h].
    a: Vec<Vec<V>>,
    slope: Vec<Vec<V>>,
    /// ∂L/∂z over 2 s of two neighbouring layers [N, h].
    delta: Vec<V>,
    below: Vec<V>,
    /// Residuals `[N]`.
    r: Vec<V>,
    /// Weight of each point in the mini-batch `[N]`.
    in_batch: Vec<V>,
    loss: V,
    loss_before: V,
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

/// Trains replicates from the supply until there is none left.
#[inline(always)]
pub(super) fn drive<S: Simd, V: Lane<S>>(simd: S, problem: &Problem, supply: &dyn Supply) {
    let width = V::LEN;
    let mut lanes = Lanes::<S, V>::new(simd, problem);
    let mut seats: Vec<Option<Seat>> = (0..width).map(|_| None).collect();
    let mut clock = 0u64;
    let mut active = 0u64;
    for (lane, seat) in seats.iter_mut().enumerate() {
        active |= lanes.seat(problem, supply, seat, lane, clock);
    }
    let threshold = V::of(simd, problem.loss_below);
    let mut due = next_due(&seats, problem);
    while active != 0 {
        if clock % 256 == 255 && !supply.go_on(256 * u64::from(active.count_ones())) {
            return;
        }
        if let Method::Sgd { batch } = problem.method {
            lanes.draw_batches(problem, &mut seats, clock, batch);
        }
        // The lanes that have not been judged at this clock.
        let mut fresh = active;
        loop {
            lanes.forward(problem);
            let below = lanes.loss.simd_lt(threshold).to_bitmask();
            let wild = !lanes.loss.simd_le(lanes.limit).to_bitmask();
            let better = lanes.loss.simd_lt(lanes.best);
            let improved = better.to_bitmask();
            lanes.best = better.select(lanes.loss, lanes.best);
            let scheduled = if clock >= due {
                due_now(&seats, problem, clock)
            } else {
                0
            };
            let mut work = (below | wild | scheduled | watched(&seats)) & fresh;
            fresh = 0;
            while work != 0 {
                let lane = work.trailing_zeros() as usize;
                work &= work - 1;
                let bit = 1 << lane;
                let (wild, improved) = (wild & bit != 0, improved & bit != 0);
                if lanes.judge(problem, &mut seats[lane], lane, clock, wild, improved) {
                    if let Some(seat) = seats[lane].take() {
                        supply.done(seat.end);
                    }
                    let taken = lanes.seat(problem, supply, &mut seats[lane], lane, clock);
                    active = active & !bit | taken;
                    fresh |= taken;
                }
            }
            if fresh == 0 {
                break;
            }
            due = clock;
            if let Method::Sgd { batch } = problem.method {
                lanes.draw_batches(problem, &mut seats, clock, batch);
            }
        }
        if clock >= due {
            due = next_due(&seats, problem);
        }
        let repeated = lanes.loss.simd_eq(lanes.loss_before).to_bitmask() & active;
        let mut motionless = 0;
        match problem.method {
            Method::Gd if repeated == 0 => lanes.backward::<true>(problem),
            Method::Gd => {
                lanes.backward::<false>(problem);
                motionless = repeated & !lanes.apply_descent(problem);
            }
            Method::Sgd { .. } => {
                let full = [lanes.r.as_mut_slice(), lanes.in_batch.as_mut_slice()];
                let [r, weights] = full;
                r.iter_mut().zip(weights.iter()).for_each(|(r, w)| *r *= *w);
                lanes.backward::<true>(problem);
            }
            Method::Momentum { .. } | Method::Nesterov { .. } | Method::Adam { .. } => {
                lanes.backward::<false>(problem);
                lanes.apply_rule(problem);
            }
        }
        lanes.loss_before = lanes.loss;
        let now = clock;
        clock += 1;
        while motionless != 0 {
            let lane = motionless.trailing_zeros() as usize;
            motionless &= motionless - 1;
            if let Some(mut seat) = seats[lane].take() {
                lanes.close(problem, &mut seat, lane, now, true);
                supply.done(seat.end);
            }
            active &= !(1 << lane);
            active |= lanes.seat(problem, supply, &mut seats[lane], lane, clock);
            due = clock;
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

/// Lanes that want to be looked at after every step.
fn watched(seats: &[Option<Seat>]) -> u64 {
    let wanted = |s: &&Option<Seat>| {
        s.as_ref()
            .is_some_and(|s| s.start.keep_best || s.start.keep_losses)
    };
    seats
        .iter()
        .enumerate()
        .filter(|(_, s)| wanted(s))
        .fold(0, |m, (lane, _)| m | 1 << lane)
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

impl<S: Simd, V: Lane<S>> Lanes<S, V> {
    fn new(simd: S, problem: &Problem) -> Self {
        let zero = V::of(simd, 0.0);
        let parameters = problem.tensors.last().map_or(0, |t| t.start + t.len());
        let hidden = &problem.sizes[1..problem.sizes.len() - 1];
        let n = problem.points;
        let widest = hidden.iter().copied().max().unwrap_or(0).max(1);
        let state = |wanted: bool| vec![zero; if wanted { parameters } else { 0 }];
        let adam = matches!(problem.method, Method::Adam { .. });
        let means = match problem.method {
            Method::Gd | Method::Sgd { .. } => false,
            Method::Momentum { .. } | Method::Nesterov { .. } | Method::Adam { .. } => true,
        };
        Lanes {
            simd,
            w: state(true),
            g: state(true),
            first: state(means),
            second: state(adam),
            pace: vec![zero; problem.tensors.len()],
            decay: [zero; 2],
            x: vec![zero; n * problem.sizes[0]],
            y: vec![zero; n],
            a: hidden.iter().map(|h| vec![zero; n * h]).collect(),
            slope: hidden.iter().map(|h| vec![zero; n * h]).collect(),
            delta: vec![zero; n * widest],
            below: vec![zero; n * widest],
            r: vec![zero; n],
            in_batch: vec![zero; n],
            loss: zero,
            loss_before: zero,
            best: zero,
            limit: zero,
        }
    }

    /// Puts the next replicate of the supply in an empty lane; the lane's bit if there was one.
    #[inline(never)]
    fn seat(
        &mut self,
        problem: &Problem,
        supply: &dyn Supply,
        seat: &mut Option<Seat>,
        lane: usize,
        clock: u64,
    ) -> u64 {
        let Some(start) = supply.next() else {
            return 0;
        };
        let load = |to: &mut [V], from: &[f64]| {
            to.iter_mut()
                .zip(from)
                .for_each(|(v, &value)| v.as_mut_slice()[lane] = real::<S, V>(value));
        };
        load(&mut self.w, &start.weights);
        load(&mut self.x, &start.x);
        load(&mut self.y, &start.y);
        for state in [&mut self.first, &mut self.second] {
            state
                .iter_mut()
                .for_each(|v| v.as_mut_slice()[lane] = real::<S, V>(0.0));
        }
        let s = problem.loss.factor(problem.points);
        for (i, pace) in self.pace.iter_mut().enumerate() {
            let (m, factor) = (problem.multipliers[i], problem.rate_factors[i]);
            let pace_of = match problem.method {
                Method::Adam { .. } => start.rate * factor * m,
                Method::Gd
                | Method::Momentum { .. }
                | Method::Nesterov { .. }
                | Method::Sgd { .. } => start.rate * factor * m * m * 2.0 * s,
            };
            pace.as_mut_slice()[lane] = real::<S, V>(-pace_of);
        }
        self.decay
            .iter_mut()
            .for_each(|d| d.as_mut_slice()[lane] = real::<S, V>(1.0));
        self.loss_before.as_mut_slice()[lane] = real::<S, V>(f64::NAN);
        self.best.as_mut_slice()[lane] = real::<S, V>(f64::INFINITY);
        self.limit.as_mut_slice()[lane] = real::<S, V>(f64::INFINITY);
        let end = End {
            replicate: start.replicate,
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
        *seat = Some(Seat {
            start,
            end,
            born: clock,
            grid_at: 0,
            snapshot_at: 0,
            order: Vec::new(),
        });
        1 << lane
    }

    /// What the loss of one lane at this clock means; whether the replicate ended.
    #[inline(never)]
    fn judge(
        &mut self,
        problem: &Problem,
        seat: &mut Option<Seat>,
        lane: usize,
        clock: u64,
        wild: bool,
        improved: bool,
    ) -> bool {
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
            seat.end.snapshots.push(self.snapshot(lane, step));
            seat.snapshot_at += 1;
        }
        if seat.start.keep_best && improved {
            seat.end.best = Some(self.snapshot(lane, step));
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
    fn close(&self, problem: &Problem, seat: &mut Seat, lane: usize, clock: u64, fixed: bool) {
        let step = clock - seat.born;
        seat.end.last = self.snapshot(lane, step);
        seat.end.best_loss = self.best.as_slice()[lane].to_f64();
        let below = real::<S, V>(seat.end.last.loss) < real::<S, V>(problem.loss_below);
        seat.end.outcome = match seat.end.first_below {
            Some(first) if below => Outcome::Below { step: first },
            _ if fixed => Outcome::Fixed { step },
            _ => Outcome::Spent,
        };
    }

    fn snapshot(&self, lane: usize, step: u64) -> Snapshot {
        Snapshot {
            step,
            loss: self.loss.as_slice()[lane].to_f64(),
            weights: self.w.iter().map(|v| v.as_slice()[lane].to_f64()).collect(),
        }
    }

    /// Sets the weight of every point in the mini-batch of this step.
    #[inline(never)]
    fn draw_batches(
        &mut self,
        problem: &Problem,
        seats: &mut [Option<Seat>],
        clock: u64,
        batch: usize,
    ) {
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
            self.in_batch
                .iter_mut()
                .for_each(|v| v.as_mut_slice()[lane] = real::<S, V>(0.0));
            chosen
                .iter()
                .for_each(|&i| self.in_batch[i].as_mut_slice()[lane] = real::<S, V>(weight));
        }
    }

    /// Activations, residuals and loss of the present weights.
    #[inline(always)]
    fn forward(&mut self, problem: &Problem) {
        let simd = self.simd;
        let n = problem.points;
        let per_layer = if problem.bias { 2 } else { 1 };
        let layers = problem.sizes.len() - 1;
        let zero = V::of(simd, 0.0);
        for l in 0..layers {
            let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
            let weights = &self.w[problem.tensors[per_layer * l].range()];
            let bias: &[V] = if problem.bias {
                &self.w[problem.tensors[per_layer * l + 1].range()]
            } else {
                &[]
            };
            let (before, after) = self.a.split_at_mut(l);
            let input = if l == 0 { &self.x } else { &before[l - 1] };
            let z = if l + 1 == layers {
                &mut self.r
            } else {
                &mut after[0]
            };
            cover(
                &mut Forward::<S, V> {
                    input,
                    weights,
                    bias,
                    simd,
                    fan_in,
                    fan_out,
                    z,
                },
                n,
                fan_out,
            );
            if l + 1 < layers {
                activate::<S, V>(problem.activation, &mut after[0], &mut self.slope[l]);
            }
        }
        let mut sum = zero;
        for (r, y) in self.r.iter_mut().zip(&self.y) {
            *r -= *y;
            sum = r.mul_add_precise(*r, sum);
        }
        self.loss = sum * V::of(simd, problem.loss.factor(n));
    }

    /// Backward pass. If `STEP`, gradient descent steps each weight as soon as its gradient is
    /// known; else the gradient over 2 s is left in `g`.
    #[inline(always)]
    fn backward<const STEP: bool>(&mut self, problem: &Problem) {
        let simd = self.simd;
        let n = problem.points;
        let per_layer = if problem.bias { 2 } else { 1 };
        let zero = V::of(simd, 0.0);
        self.delta[..n].copy_from_slice(&self.r);
        for l in (0..problem.sizes.len() - 1).rev() {
            let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
            let at = problem.tensors[per_layer * l].range();
            let delta = &self.delta[..n * fan_out];
            if l > 0 {
                // Before the step touches these weights.
                let slope = &self.slope[l - 1];
                let weights = &self.w[at.clone()];
                let below = &mut self.below[..n * fan_in];
                cover(
                    &mut Backward::<S, V> {
                        delta,
                        weights,
                        slope,
                        simd,
                        fan_in,
                        fan_out,
                        below,
                    },
                    n,
                    fan_in,
                );
            }
            let input = if l == 0 { &self.x } else { &self.a[l - 1] };
            let pace = self.pace[per_layer * l];
            let to = if STEP {
                &mut self.w[at]
            } else {
                &mut self.g[at]
            };
            cover(
                &mut Gradient::<S, V, STEP> {
                    delta,
                    input,
                    simd,
                    pace,
                    fan_in,
                    fan_out,
                    to,
                },
                fan_out,
                fan_in,
            );
            if problem.bias {
                let at = problem.tensors[per_layer * l + 1].range();
                let pace = self.pace[per_layer * l + 1];
                let to = if STEP {
                    &mut self.w[at]
                } else {
                    &mut self.g[at]
                };
                for (j, to) in to.iter_mut().enumerate() {
                    let mut g = zero;
                    for row in delta.chunks_exact(fan_out) {
                        g += row[j];
                    }
                    *to = if STEP {
                        pace.mul_add_precise(g, *to)
                    } else {
                        g
                    };
                }
            }
            std::mem::swap(&mut self.delta, &mut self.below);
        }
    }

    /// The step of gradient descent from `g`, the same bits as the fused one; the lanes in which a
    /// weight changed.
    #[inline(always)]
    fn apply_descent(&mut self, problem: &Problem) -> u64 {
        let mut moved = 0;
        for (tensor, pace) in problem.tensors.iter().zip(&self.pace) {
            for (w, g) in self.w[tensor.range()]
                .iter_mut()
                .zip(&self.g[tensor.range()])
            {
                let new = pace.mul_add_precise(*g, *w);
                moved |= !new.simd_eq(*w).to_bitmask();
                *w = new;
            }
        }
        moved
    }

    /// The step of a rule with memory, from `g`.
    #[inline(always)]
    fn apply_rule(&mut self, problem: &Problem) {
        let simd = self.simd;
        let of = |v: f64| V::of(simd, v);
        match problem.method {
            Method::Gd | Method::Sgd { .. } => {}
            Method::Momentum { beta } | Method::Nesterov { beta } => {
                let nesterov = matches!(problem.method, Method::Nesterov { .. });
                let beta = of(beta);
                for (tensor, pace) in problem.tensors.iter().zip(&self.pace) {
                    for p in tensor.range() {
                        let g = self.g[p];
                        let mean = beta.mul_add_precise(self.first[p], g);
                        self.first[p] = mean;
                        let step = if nesterov {
                            beta.mul_add_precise(mean, g)
                        } else {
                            mean
                        };
                        self.w[p] = pace.mul_add_precise(step, self.w[p]);
                    }
                }
            }
            Method::Adam { betas, eps } => {
                let s = problem.loss.factor(problem.points);
                let one = of(1.0);
                self.decay[0] *= of(betas[0]);
                self.decay[1] *= of(betas[1]);
                let to_mean = one / (one - self.decay[0]);
                let to_root = (one - self.decay[1]).sqrt();
                let (rest1, beta2, rest2, eps) = (
                    of(1.0 - betas[0]),
                    of(betas[1]),
                    of(1.0 - betas[1]),
                    of(eps),
                );
                for (i, tensor) in problem.tensors.iter().enumerate() {
                    let scale = of(2.0 * s * problem.multipliers[i]);
                    let pace = self.pace[i] * to_mean;
                    for p in tensor.range() {
                        let g = self.g[p] * scale;
                        let first = rest1.mul_add_precise(g - self.first[p], self.first[p]);
                        let second = beta2.mul_add_precise(self.second[p], rest2 * g * g);
                        self.first[p] = first;
                        self.second[p] = second;
                        let step = first / (second.sqrt() / to_root + eps);
                        self.w[p] = pace.mul_add_precise(step, self.w[p]);
                    }
                }
            }
        }
    }
}

/// A product of two matrices computed tile by tile: `P` rows and `Q` columns at (`row`, `column`).
trait Tiles {
    /// Bytes in a vector: decides how many accumulators fit the registers.
    const BYTES: usize;
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, column: usize);
}

/// Covers `rows` × `columns` with tiles: 5 × 4 on 32 registers of 64 bytes, else 5 × 2.
#[inline(always)]
fn cover<T: Tiles>(tiles: &mut T, rows: usize, columns: usize) {
    let mut row = 0;
    while row + 5 <= rows {
        across::<T, 5>(tiles, row, columns);
        row += 5;
    }
    while row + 2 <= rows {
        across::<T, 2>(tiles, row, columns);
        row += 2;
    }
    if row < rows {
        across::<T, 1>(tiles, row, columns);
    }
}

#[inline(always)]
fn across<T: Tiles, const P: usize>(tiles: &mut T, row: usize, columns: usize) {
    let mut column = 0;
    if T::BYTES == 64 {
        while column + 4 <= columns {
            tiles.tile::<P, 4>(row, column);
            column += 4;
        }
        if column + 3 == columns {
            tiles.tile::<P, 3>(row, column);
            column += 3;
        }
    }
    while column + 2 <= columns {
        tiles.tile::<P, 2>(row, column);
        column += 2;
    }
    if column < columns {
        tiles.tile::<P, 1>(row, column);
    }
}

/// z[n, j] = b[j] + Σ_k input[n, k] w[j, k].
struct Forward<'a, S: Simd, V: Lane<S>> {
    input: &'a [V],
    weights: &'a [V],
    bias: &'a [V],
    simd: S,
    fan_in: usize,
    fan_out: usize,
    z: &'a mut [V],
}

impl<S: Simd, V: Lane<S>> Tiles for Forward<'_, S, V> {
    const BYTES: usize = V::LEN * size_of::<V::Element>();

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, n: usize, j: usize) {
        let k = self.fan_in;
        let zero = V::of(self.simd, 0.0);
        let mut acc = [[zero; Q]; P];
        if !self.bias.is_empty() {
            for row in &mut acc {
                row.copy_from_slice(&self.bias[j..j + Q]);
            }
        }
        let mut inputs: [&[V]; P] = [&[]; P];
        for p in 0..P {
            inputs[p] = &self.input[(n + p) * k..][..k];
        }
        let mut weights: [&[V]; Q] = [&[]; Q];
        for q in 0..Q {
            weights[q] = &self.weights[(j + q) * k..][..k];
        }
        for i in 0..k {
            let mut w = [zero; Q];
            for q in 0..Q {
                w[q] = weights[q][i];
            }
            for p in 0..P {
                let a = inputs[p][i];
                for q in 0..Q {
                    acc[p][q] = a.mul_add_precise(w[q], acc[p][q]);
                }
            }
        }
        for p in 0..P {
            self.z[(n + p) * self.fan_out + j..][..Q].copy_from_slice(&acc[p]);
        }
    }
}

/// below[n, k] = φ'[n, k] Σ_j delta[n, j] w[j, k].
struct Backward<'a, S: Simd, V: Lane<S>> {
    delta: &'a [V],
    weights: &'a [V],
    slope: &'a [V],
    simd: S,
    fan_in: usize,
    fan_out: usize,
    below: &'a mut [V],
}

impl<S: Simd, V: Lane<S>> Tiles for Backward<'_, S, V> {
    const BYTES: usize = V::LEN * size_of::<V::Element>();

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, n: usize, k: usize) {
        let (j_len, k_len) = (self.fan_out, self.fan_in);
        let zero = V::of(self.simd, 0.0);
        let mut acc = [[zero; Q]; P];
        let mut deltas: [&[V]; P] = [&[]; P];
        for p in 0..P {
            deltas[p] = &self.delta[(n + p) * j_len..][..j_len];
        }
        for (j, row) in self.weights.chunks_exact(k_len).take(j_len).enumerate() {
            let w = &row[k..k + Q];
            for p in 0..P {
                let d = deltas[p][j];
                for q in 0..Q {
                    acc[p][q] = d.mul_add_precise(w[q], acc[p][q]);
                }
            }
        }
        for p in 0..P {
            let at = (n + p) * k_len + k;
            let slope = &self.slope[at..at + Q];
            let below = &mut self.below[at..at + Q];
            for q in 0..Q {
                below[q] = acc[p][q] * slope[q];
            }
        }
    }
}

/// g[j, k] = Σ_n delta[n, j] input[n, k]; w[j, k] += pace · g[j, k] if `STEP`.
struct Gradient<'a, S: Simd, V: Lane<S>, const STEP: bool> {
    delta: &'a [V],
    input: &'a [V],
    simd: S,
    pace: V,
    fan_in: usize,
    fan_out: usize,
    to: &'a mut [V],
}

impl<S: Simd, V: Lane<S>, const STEP: bool> Tiles for Gradient<'_, S, V, STEP> {
    const BYTES: usize = V::LEN * size_of::<V::Element>();

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, j: usize, k: usize) {
        let zero = V::of(self.simd, 0.0);
        let mut acc = [[zero; Q]; P];
        let rows = self
            .delta
            .chunks_exact(self.fan_out)
            .zip(self.input.chunks_exact(self.fan_in));
        for (delta, input) in rows {
            let (d, a) = (&delta[j..j + P], &input[k..k + Q]);
            for p in 0..P {
                for q in 0..Q {
                    acc[p][q] = d[p].mul_add_precise(a[q], acc[p][q]);
                }
            }
        }
        for p in 0..P {
            let to = &mut self.to[(j + p) * self.fan_in + k..][..Q];
            for q in 0..Q {
                to[q] = if STEP {
                    self.pace.mul_add_precise(acc[p][q], to[q])
                } else {
                    acc[p][q]
                };
            }
        }
    }
}

/// Replaces z by φ(z) and writes φ'(z). The choice is made outside the loop.
#[inline(always)]
fn activate<S: Simd, V: Lane<S>>(activation: Activation, z: &mut [V], slope: &mut [V]) {
    match activation {
        Activation::Identity => activate_with::<S, V, lane::Identity>(z, slope),
        Activation::Relu => activate_with::<S, V, lane::Relu>(z, slope),
        Activation::LeakyRelu => activate_with::<S, V, lane::LeakyRelu>(z, slope),
        Activation::Abs => activate_with::<S, V, lane::Abs>(z, slope),
        Activation::Tanh => activate_with::<S, V, lane::Tanh>(z, slope),
        Activation::Sigmoid => activate_with::<S, V, lane::Sigmoid>(z, slope),
        Activation::Erf => activate_with::<S, V, lane::Erf>(z, slope),
        Activation::Gelu => activate_with::<S, V, lane::Gelu>(z, slope),
        Activation::Silu => activate_with::<S, V, lane::Silu>(z, slope),
        Activation::Softplus => activate_with::<S, V, lane::Softplus>(z, slope),
        Activation::Sin => activate_with::<S, V, lane::Sin>(z, slope),
        Activation::Cos => activate_with::<S, V, lane::Cos>(z, slope),
    }
}

#[inline(always)]
fn activate_with<S: Simd, V: Lane<S>, A: Activate>(z: &mut [V], slope: &mut [V]) {
    for (z, slope) in z.iter_mut().zip(slope) {
        (*z, *slope) = A::value_and_slope::<S, V>(*z);
    }
}

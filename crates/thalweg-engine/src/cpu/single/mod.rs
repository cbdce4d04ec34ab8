//! One network at a time: a lane is a unit of a layer.
//!
//! For fewer replicates than half the lanes, and for networks of which a whole group would be too
//! large for the processor's caches. Every sum runs over the same terms in the same order as in a
//! group, so the bits are the same. The price is padding to whole vectors, and a transposed copy of
//! every inner weight matrix: the forward pass wants units of the layer above side by side, the
//! backward pass units of the layer below.

mod panels;
mod products;

use fearless_simd::Simd;

use self::panels::{Block, blocks, panel_of, transpose_panels, vectors};
use self::products::{Left, Product, outputs, product};
use super::kernel::Kernel;
use super::lane::{Lane, Real};
use super::loss::{gather, worth};
use super::rule::UpdateRule;
use super::slope::{Slope, activate};
use crate::{Clip, Criterion, Job, Method, Problem};

/// One network. Rows are padded with zeros to whole vectors; activations are row-major, weights in
/// panels.
pub(super) struct Single<S: Simd, V: Lane<S>> {
    simd: S,
    blocks: Vec<Block>,
    /// Effective weights, block after block.
    w: Vec<V>,
    rule: UpdateRule<V>,
    /// Transposed copies [fan_in, fan_out] of the inner weight matrices; empty for the first and
    /// last.
    transposed_weights: Vec<Vec<V>>,
    /// [N, d] and [N, k].
    x: Vec<V>,
    y: Vec<V>,
    /// Activations and φ' of each hidden layer [N, h].
    a: Vec<Vec<V>>,
    slope: Vec<Vec<V>>,
    slope_from: Slope,
    /// ∂L/∂z over 2 s of two neighbouring layers [N, h]; that of the outputs [N, k].
    delta: Vec<V>,
    grad_input: Vec<V>,
    r: Vec<V>,
    in_batch: Vec<V>,
    /// The vector and the lane of each parameter, in their order, if the norm of a gradient is
    /// asked for: its sum has the order that it has in a group.
    order: Vec<(usize, usize)>,
}

impl<S: Simd, V: Lane<S>> Kernel<S, V> for Single<S, V> {
    fn new(simd: S, problem: &Problem) -> Self {
        let zero = V::of(simd, 0.0);
        let blocks = blocks::<S, V>(problem);
        let parameters = blocks.last().map_or(0, |b| b.range().end);
        let mut real = vec![0; parameters];
        for block in &blocks {
            for row in 0..block.rows {
                for column in 0..block.columns {
                    let (at, _) = panel_of::<S, V>(block.rows, block.width, row, column / V::LEN);
                    real[block.start + at] |= 1 << (column % V::LEN);
                }
            }
        }
        let mut order = Vec::new();
        if let Some(Clip::Norm(_)) = problem.clip {
            order.resize(problem.parameters(), (0, 0));
            for (block, tensor) in blocks.iter().zip(&problem.tensors) {
                for row in 0..block.rows {
                    for column in 0..block.columns {
                        let vector = column / V::LEN;
                        let (at, _) = panel_of::<S, V>(block.rows, block.width, row, vector);
                        let from = if block.transposed {
                            column * block.rows + row
                        } else {
                            row * block.columns + column
                        };
                        order[tensor.start + from] = (block.start + at, column % V::LEN);
                    }
                }
            }
        }
        let slope_from = Slope::of(problem.activation);
        let sizes = &problem.sizes;
        let hidden = &sizes[1..sizes.len() - 1];
        let n = problem.points;
        let widest = hidden.iter().copied().max().unwrap_or(0).max(1);
        let layer = |wanted: bool| {
            let rows = hidden.iter().map(|&h| n * vectors::<S, V>(h));
            rows.map(|len| vec![zero; if wanted { len } else { 0 }])
                .collect()
        };
        let k = problem.outputs();
        let inner = |l: usize| l > 0 && (l + 2 < sizes.len() || k > 1);
        let transposed_weights = (0..sizes.len() - 1).map(|l| {
            let len = sizes[l] * vectors::<S, V>(sizes[l + 1]);
            vec![zero; if inner(l) { len } else { 0 }]
        });
        Single {
            simd,
            w: vec![zero; parameters],
            rule: UpdateRule::new(simd, problem, real),
            transposed_weights: transposed_weights.collect(),
            blocks,
            x: vec![zero; n * vectors::<S, V>(sizes[0])],
            y: vec![zero; n * vectors::<S, V>(k)],
            a: layer(true),
            slope: layer(slope_from == Slope::Kept),
            slope_from,
            delta: vec![zero; n * vectors::<S, V>(widest)],
            grad_input: vec![zero; n * vectors::<S, V>(widest)],
            r: vec![zero; n * vectors::<S, V>(k)],
            in_batch: vec![zero; n],
            order,
        }
    }

    fn load(&mut self, problem: &Problem, _lane: usize, job: &Job) {
        let put = |to: &mut [V], at: usize, value: f64| {
            to[at / V::LEN].as_mut_slice()[at % V::LEN] = Real::of(value);
        };
        // Of a predecessor nothing stays, in the padding neither.
        self.w.fill(V::of(self.simd, 0.0));
        for (block, tensor) in self.blocks.iter().zip(&problem.tensors) {
            let from = &job.weights[tensor.range()];
            let to = &mut self.w[block.range()];
            for row in 0..block.rows {
                for column in 0..block.columns {
                    let value = if block.transposed {
                        from[column * block.rows + row]
                    } else {
                        from[row * block.columns + column]
                    };
                    let (at, _) = panel_of::<S, V>(block.rows, block.width, row, column / V::LEN);
                    put(to, at * V::LEN + column % V::LEN, value);
                }
            }
        }
        let d = problem.sizes[0];
        for (row, from) in job.x.chunks_exact(d).enumerate() {
            let to = &mut self.x[row * vectors::<S, V>(d)..];
            from.iter().enumerate().for_each(|(i, &v)| put(to, i, v));
        }
        let k = problem.outputs();
        for (row, from) in job.y.chunks_exact(k).enumerate() {
            let to = &mut self.y[row * vectors::<S, V>(k)..];
            let from = from.iter().map(|y| problem.loss.target(*y));
            from.enumerate().for_each(|(i, v)| put(to, i, v));
        }
        self.rule.begin(problem, job.rate, 0..V::LEN);
        self.transpose_all(problem);
    }

    fn set_rate(&mut self, problem: &Problem, _lane: usize, rate: f64) {
        self.rule.set_rate(problem, rate, 0..V::LEN);
    }

    fn weights(&self, problem: &Problem, _lane: usize, to: &mut Vec<f64>) {
        to.clear();
        to.resize(problem.parameters(), 0.0);
        for (block, tensor) in self.blocks.iter().zip(&problem.tensors) {
            let to = &mut to[tensor.range()];
            let from = &self.w[block.range()];
            for row in 0..block.rows {
                for column in 0..block.columns {
                    let (at, _) = panel_of::<S, V>(block.rows, block.width, row, column / V::LEN);
                    let value = from[at].as_slice()[column % V::LEN].to_f64();
                    let at = if block.transposed {
                        column * block.rows + row
                    } else {
                        row * block.columns + column
                    };
                    to[at] = value;
                }
            }
        }
    }

    fn put_in_batch(&mut self, _lane: usize, point: usize, weight: f64) {
        self.in_batch[point].as_mut_slice().fill(Real::of(weight));
    }

    #[inline(always)]
    fn forward(&mut self, problem: &Problem) -> (V, V) {
        let simd = self.simd;
        let n = problem.points;
        let per_layer = if problem.bias { 2 } else { 1 };
        let layers = problem.sizes.len() - 1;
        for l in 0..layers {
            let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
            let weights = &self.w[self.blocks[per_layer * l].range()];
            let bias: &[V] = if problem.bias {
                &self.w[self.blocks[per_layer * l + 1].range()]
            } else {
                &[]
            };
            let (before, after) = self.a.split_at_mut(l);
            let input = if l == 0 { &self.x } else { &before[l - 1] };
            let is_output = l + 1 == layers;
            if is_output && fan_out == 1 {
                let r = &mut self.r;
                simd.vectorize(
                    #[inline(always)]
                    || outputs::<S, V>(input, weights, bias, fan_in, r),
                );
                break;
            }
            let z = match after.first_mut() {
                Some(hidden) => hidden,
                None => &mut self.r,
            };
            let width = vectors::<S, V>(fan_out);
            product(
                Product {
                    simd,
                    left: Left::Straight(input),
                    left_width: vectors::<S, V>(fan_in),
                    terms: fan_in,
                    right: if l == 0 {
                        weights
                    } else {
                        &self.transposed_weights[l]
                    },
                    start: bias,
                    width,
                    panels: None,
                    step_size: None,
                    out: z,
                },
                n,
            );
            if !is_output {
                activate(simd, problem.activation, z, &mut self.slope[l]);
            }
            if !fan_out.is_multiple_of(V::LEN) {
                // φ(0) need not be 0: nothing may reach the padding.
                for row in z.chunks_exact_mut(width) {
                    row[width - 1].as_mut_slice()[fan_out % V::LEN..].fill(Real::of(0.0));
                }
            }
        }
        self.judge(problem)
    }

    #[inline(always)]
    fn step(&mut self, problem: &Problem, repeated: u64) -> u64 {
        let batches = problem.batch.is_some();
        if batches {
            let width = vectors::<S, V>(problem.outputs());
            for (row, weight) in self.r.chunks_exact_mut(width).zip(&self.in_batch) {
                row.iter_mut().for_each(|r| *r *= *weight);
            }
        }
        let moved = match problem.method {
            // What does not move in one mini-batch moves in another.
            Method::Gd if !problem.changes_gradient() && (repeated == 0 || batches) => {
                self.backward::<true>(problem);
                true
            }
            Method::Gd => {
                self.backward::<false>(problem);
                self.change_gradient(problem);
                let spans = self.blocks.iter().map(Block::range);
                let moved = self.rule.descend(&mut self.w, spans);
                moved != 0 || batches
            }
            Method::Momentum { .. }
            | Method::Nesterov { .. }
            | Method::Adam { .. }
            | Method::AdamW { .. } => {
                self.backward::<false>(problem);
                self.change_gradient(problem);
                let spans = self.blocks.iter().map(Block::range);
                self.rule.step(self.simd, problem, &mut self.w, spans);
                true
            }
        };
        self.transpose_all(problem);
        if moved { 0 } else { repeated }
    }
}

impl<S: Simd, V: Lane<S>> Single<S, V> {
    /// Replaces the outputs by ∂L/∂z over 2 s; the loss, and what success is judged by.
    #[inline(always)]
    fn judge(&mut self, problem: &Problem) -> (V, V) {
        let simd = self.simd;
        let (k, zero) = (problem.outputs(), V::of(simd, 0.0));
        let width = vectors::<S, V>(k);
        let (y, r) = (&self.y, &mut self.r);
        let (sum, judged) = simd.vectorize(
            #[inline(always)]
            || {
                let mut sum = <V::Element as Real>::of(0.0);
                let mut judged = zero;
                for (r, y) in r.chunks_exact_mut(width).zip(y.chunks_exact(width)) {
                    let mut miss = zero;
                    for (i, (r, y)) in r.iter_mut().zip(y).enumerate() {
                        let worth = worth(simd, problem, *r, *y);
                        *r = worth.delta;
                        let [left, right] = worth.term;
                        let real = V::LEN.min(k - i * V::LEN);
                        for lane in 0..real {
                            sum = left.as_slice()[lane].fused(right.as_slice()[lane], sum);
                            // Of the outputs of a point, one lane has the largest of all.
                            let one = V::splat(simd, worth.miss.as_slice()[lane]);
                            miss = miss.max_precise(one);
                        }
                        r.as_mut_slice()[real..].fill(Real::of(0.0));
                    }
                    judged = gather(problem.success, judged, miss);
                }
                (V::splat(simd, sum), judged)
            },
        );
        let loss = sum * V::of(simd, problem.loss_factor());
        match problem.success {
            Criterion::Loss { .. } => (loss, loss),
            Criterion::Error { .. } | Criterion::Accuracy { .. } => (loss, judged),
        }
    }

    /// Clips the gradient and adds weight decay, where there is anything of that.
    #[inline(always)]
    fn change_gradient(&mut self, problem: &Problem) {
        if !problem.changes_gradient() {
            return;
        }
        let mut squares = Vec::new();
        if let Some(Clip::Norm(_)) = problem.clip {
            for tensor in &problem.tensors {
                let mut sum = <V::Element as Real>::of(0.0);
                for (vector, lane) in &self.order[tensor.range()] {
                    let g = self.rule.g[*vector].as_slice()[*lane];
                    sum = g.fused(g, sum);
                }
                squares.push(V::splat(self.simd, sum));
            }
        }
        let spans = self.blocks.iter().map(Block::range);
        self.rule
            .change_gradient(self.simd, problem, &self.w, spans, &squares);
    }

    /// Backward pass. If `STEP`, gradient descent steps each weight as soon as its gradient is
    /// known; else the gradient over 2 s is left with the rule.
    #[inline(always)]
    fn backward<const STEP: bool>(&mut self, problem: &Problem) {
        let simd = self.simd;
        let n = problem.points;
        let per_layer = if problem.bias { 2 } else { 1 };
        let last = problem.sizes.len() - 2;
        for l in (0..=last).rev() {
            let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
            let (wide_in, wide_out) = (vectors::<S, V>(fan_in), vectors::<S, V>(fan_out));
            let delta = if l == last { &self.r } else { &self.delta };
            let block = &self.blocks[per_layer * l];
            let input = if l == 0 { &self.x } else { &self.a[l - 1] };
            if l > 0 {
                product(
                    Product {
                        simd,
                        left: Left::Straight(delta),
                        left_width: wide_out,
                        terms: fan_out,
                        right: &self.w[block.range()],
                        start: &[],
                        width: wide_in,
                        panels: None,
                        step_size: None,
                        out: &mut self.grad_input,
                    },
                    n,
                );
                let grad_input = &mut self.grad_input[..n * wide_in];
                let from = self.slope_from.source(&self.a[l - 1], &self.slope[l - 1]);
                self.slope_from.apply(simd, grad_input, from);
            }
            let (left, left_width, right) = if block.transposed {
                (input, wide_in, delta)
            } else {
                (delta, wide_out, input)
            };
            product(
                Product {
                    simd,
                    left: Left::Transposed(left),
                    left_width,
                    terms: n,
                    right,
                    start: &[],
                    width: block.width,
                    panels: Some(block.rows),
                    step_size: STEP.then_some(self.rule.step_size[per_layer * l]),
                    out: if STEP {
                        &mut self.w[block.range()]
                    } else {
                        &mut self.rule.g[block.range()]
                    },
                },
                block.rows,
            );
            if problem.bias {
                let at = self.blocks[per_layer * l + 1].start;
                for i in 0..wide_out {
                    let mut g = V::of(simd, 0.0);
                    for point in 0..n {
                        g += delta[point * wide_out + i];
                    }
                    if STEP {
                        let step_size = self.rule.step_size[per_layer * l + 1];
                        self.w[at + i] = step_size.mul_add_precise(g, self.w[at + i]);
                    } else {
                        self.rule.g[at + i] = g;
                    }
                }
            }
            std::mem::swap(&mut self.delta, &mut self.grad_input);
        }
    }

    /// Brings the transposed copies up to date.
    #[inline(always)]
    fn transpose_all(&mut self, problem: &Problem) {
        let per_layer = if problem.bias { 2 } else { 1 };
        let simd = self.simd;
        for (l, to) in self.transposed_weights.iter_mut().enumerate() {
            if to.is_empty() {
                continue;
            }
            let block = &self.blocks[per_layer * l];
            let from = &self.w[block.range()];
            let (rows, columns) = (block.rows, block.columns);
            simd.vectorize(
                #[inline(always)]
                || match V::LEN {
                    16 => transpose_panels::<S, V, 16>(simd, from, rows, columns, to),
                    8 => transpose_panels::<S, V, 8>(simd, from, rows, columns, to),
                    4 => transpose_panels::<S, V, 4>(simd, from, rows, columns, to),
                    _ => transpose_panels::<S, V, 2>(simd, from, rows, columns, to),
                },
            );
        }
    }
}

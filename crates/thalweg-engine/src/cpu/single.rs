//! One network at a time: a lane is a unit of a layer.
//!
//! For fewer replicates than half the lanes, and for networks of which a whole group would be too
//! large for the processor's caches. Every sum runs over the same terms in the same order as in a
//! group, so the bits are the same. The price is padding to whole vectors, and a transposed copy of
//! every inner weight matrix: the forward pass wants units of the layer above side by side, the
//! backward pass units of the layer below.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    reason = "tiles read like the formula; their lengths are constants"
)]

use std::ops::Range;

use fearless_simd::Simd;

use super::kernel::Kernel;
use super::lane::{Lane, Real};
use super::rule::Rule;
use super::slope::{Slope, activate};
use crate::Method;
use crate::{Job, Problem};

/// Vectors that hold so many numbers.
fn vectors<S: Simd, V: Lane<S>>(numbers: usize) -> usize {
    numbers.div_ceil(V::LEN)
}

/// Vectors side by side that a tile of a product takes; weights are kept in panels of so many, each
/// with its rows one after the other, because rows of a wide matrix that lie a power of two apart
/// would fall into the same few sets of the nearest cache.
#[inline(always)]
fn panel<S: Simd, V: Lane<S>>() -> usize {
    if V::LEN * size_of::<V::Element>() == 64 {
        4
    } else {
        2
    }
}

/// Where a vector of a matrix in panels lies, and how far the one below it is.
#[inline(always)]
fn panel_of<S: Simd, V: Lane<S>>(
    rows: usize,
    width: usize,
    row: usize,
    column: usize,
) -> (usize, usize) {
    let first = column - column % panel::<S, V>();
    let step = panel::<S, V>().min(width - first);
    (first * rows + row * step + column - first, step)
}

/// Terms of a product that are summed before the next ones: the panel of their rows fits the
/// nearest cache and serves all rows of the left side.
const TERMS: usize = 96;

/// One network. Rows are padded with zeros to whole vectors; activations are row-major, weights in
/// panels.
pub(super) struct Single<S: Simd, V: Lane<S>> {
    simd: S,
    blocks: Vec<Block>,
    /// Effective weights, block after block.
    w: Vec<V>,
    rule: Rule<V>,
    /// Transposed copies [fan_in, fan_out] of the inner weight matrices; empty for the first and
    /// last.
    transposed_weights: Vec<Vec<V>>,
    /// [N, d], and `[N]` in the first lane.
    x: Vec<V>,
    y: Vec<V>,
    /// Activations and φ' of each hidden layer [N, h].
    a: Vec<Vec<V>>,
    slope: Vec<Vec<V>>,
    slope_from: Slope,
    /// ∂L/∂z over 2 s of two neighbouring layers [N, h]; the residuals, in the first lane.
    delta: Vec<V>,
    grad_input: Vec<V>,
    r: Vec<V>,
    in_batch: Vec<V>,
}

/// Where a tensor lies. The first weight matrix is kept transposed: nothing but its forward pass is
/// needed.
struct Block {
    start: usize,
    rows: usize,
    columns: usize,
    transposed: bool,
    /// Vectors a row.
    width: usize,
}

impl Block {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows * self.width
    }
}

fn blocks<S: Simd, V: Lane<S>>(problem: &Problem) -> Vec<Block> {
    let mut start = 0;
    let last = problem.sizes.len() - 2;
    let mut all = Vec::new();
    for tensor in &problem.tensors {
        let fan_in = tensor.shape.last().copied().unwrap_or(1).max(1);
        let fan_out = tensor.len() / fan_in;
        let transposed = !tensor.is_bias && tensor.layer == 0 && last > 0;
        let (rows, columns) = if transposed {
            (fan_in, fan_out)
        } else {
            (fan_out, fan_in)
        };
        let width = vectors::<S, V>(columns);
        all.push(Block {
            start,
            rows,
            columns,
            transposed,
            width,
        });
        start += rows * width;
    }
    all
}

/// The left side of a product: its entry for row and summed index.
#[derive(Clone, Copy)]
enum Left<'a, V> {
    /// Entry (row, m).
    Straight(&'a [V]),
    /// Entry (m, row).
    Transposed(&'a [V]),
}

/// sum[row, c] = start[c] + Σ_m left(row, m) right[m, c], `terms` of them; out = sum, or
/// out += step_size · sum.
struct Product<'a, S: Simd, V: Lane<S>> {
    simd: S,
    left: Left<'a, V>,
    /// Vectors a row of the left side.
    left_width: usize,
    terms: usize,
    right: &'a [V],
    start: &'a [V],
    /// Vectors a row of the right side and of `out`: the one of weights is in panels, that of
    /// activations row-major.
    width: usize,
    /// Of the rows of `out`, where it is the one in panels.
    panels: Option<usize>,
    step_size: Option<V>,
    out: &'a mut [V],
}

impl<S: Simd, V: Lane<S>> Product<'_, S, V> {
    #[inline(always)]
    fn all(mut self, rows: usize) {
        let wide = V::LEN * size_of::<V::Element>() == 64;
        let mut column = 0;
        while column < self.width {
            let left = self.width - column;
            // Whole vectors of the left side; one span unless sums are left in `out` between them.
            let span = match self.left {
                Left::Straight(_) => TERMS.max(V::LEN),
                Left::Transposed(_) => self.terms.max(1),
            };
            let mut taken = 1;
            for part in 0..self.terms.div_ceil(span).max(1) {
                let terms = part * span..self.terms.min((part + 1) * span);
                taken = if wide && left >= 4 {
                    self.down::<5, 4>(rows, column, terms)
                } else if wide && left == 3 {
                    self.down::<5, 3>(rows, column, terms)
                } else if left >= 2 && wide {
                    self.down::<10, 2>(rows, column, terms)
                } else if left >= 2 {
                    self.down::<5, 2>(rows, column, terms)
                } else {
                    self.down::<10, 1>(rows, column, terms)
                };
            }
            column += taken;
        }
    }

    #[inline(always)]
    fn down<const P: usize, const Q: usize>(
        &mut self,
        rows: usize,
        column: usize,
        terms: Range<usize>,
    ) -> usize {
        let mut row = 0;
        while row + P <= rows {
            self.tile::<P, Q>(row, column, terms.clone());
            row += P;
        }
        while row + 2 <= rows {
            self.tile::<2, Q>(row, column, terms.clone());
            row += 2;
        }
        if row < rows {
            self.tile::<1, Q>(row, column, terms);
        }
        Q
    }

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(
        &mut self,
        row: usize,
        column: usize,
        terms: Range<usize>,
    ) {
        // From one row to the next, and where the tile begins.
        let (out_stride, out_at) = match self.panels {
            Some(rows) => (Q, column * rows + row * Q),
            None => (self.width, row * self.width + column),
        };
        let mut acc = [[V::of(self.simd, 0.0); Q]; P];
        if terms.start > 0 {
            for p in 0..P {
                acc[p].copy_from_slice(&self.out[out_at + p * out_stride..][..Q]);
            }
        } else if !self.start.is_empty() {
            let start = &self.start[column..column + Q];
            for p in 0..P {
                for q in 0..Q {
                    acc[p][q] = start[q];
                }
            }
        }
        match self.left {
            Left::Straight(left) => {
                let mut right = &self.right[column * self.terms + terms.start * Q..];
                let mut rows: [&[V]; P] = [&[]; P];
                for p in 0..P {
                    rows[p] = &left[(row + p) * self.left_width..][..self.left_width];
                }
                let mut done = terms.start;
                while done < terms.end {
                    let block = done / V::LEN;
                    for lane in 0..V::LEN.min(terms.end - done) {
                        let mut w = [acc[0][0]; Q];
                        for q in 0..Q {
                            w[q] = right[q];
                        }
                        for p in 0..P {
                            let value = V::splat(self.simd, rows[p][block].as_slice()[lane]);
                            for q in 0..Q {
                                acc[p][q] = value.mul_add_precise(w[q], acc[p][q]);
                            }
                        }
                        right = right.get(Q..).unwrap_or(&[]);
                    }
                    done += V::LEN;
                }
            }
            Left::Transposed(left) => {
                let mut right = &self.right[column..];
                let mut left = left;
                for _ in terms {
                    let mut w = [acc[0][0]; Q];
                    for q in 0..Q {
                        w[q] = right[q];
                    }
                    for p in 0..P {
                        let at = row + p;
                        let value = left[at / V::LEN].as_slice()[at % V::LEN];
                        let value = V::splat(self.simd, value);
                        for q in 0..Q {
                            acc[p][q] = value.mul_add_precise(w[q], acc[p][q]);
                        }
                    }
                    right = right.get(self.width..).unwrap_or(&[]);
                    left = left.get(self.left_width..).unwrap_or(&[]);
                }
            }
        }
        let out = &mut self.out[out_at..];
        if let Some(step_size) = self.step_size {
            for p in 0..P {
                let out = &mut out[p * out_stride..][..Q];
                for q in 0..Q {
                    out[q] = step_size.mul_add_precise(acc[p][q], out[q]);
                }
            }
        } else {
            for p in 0..P {
                out[p * out_stride..][..Q].copy_from_slice(&acc[p]);
            }
        }
    }
}

/// The product as a function of its own: see [`super::layer::Forward::run`].
#[inline(always)]
fn product<S: Simd, V: Lane<S>>(product: Product<'_, S, V>, rows: usize) {
    let simd = product.simd;
    simd.vectorize(
        #[inline(always)]
        || product.all(rows),
    );
}

/// Rows become columns, by `log2 L` perfect shuffles.
#[inline(always)]
fn transpose<S: Simd, V: Lane<S>, const L: usize>(mut rows: [V; L]) -> [V; L] {
    let mut stage = 1;
    while stage < L {
        let old = rows;
        for i in 0..L / 2 {
            (rows[2 * i], rows[2 * i + 1]) = old[i].interleave(old[i + L / 2]);
        }
        stage *= 2;
    }
    rows
}

/// to[c, r] = from[r, c], whole vectors, both in panels.
#[inline(always)]
fn transpose_panels<S: Simd, V: Lane<S>, const L: usize>(
    simd: S,
    from: &[V],
    rows: usize,
    columns: usize,
    to: &mut [V],
) {
    let (across, down) = (vectors::<S, V>(columns), vectors::<S, V>(rows));
    for i in 0..down {
        for j in 0..across {
            let (source, step) = panel_of::<S, V>(rows, across, i * L, j);
            let (goal, stride) = panel_of::<S, V>(columns, down, j * L, i);
            let (from, to) = (&from[source..], &mut to[goal..]);
            let mut block = [V::of(simd, 0.0); L];
            // Of constant length where the block is whole, so that it stays in registers.
            if (i + 1) * L <= rows {
                for l in 0..L {
                    block[l] = from[l * step];
                }
            } else {
                for l in 0..rows - i * L {
                    block[l] = from[l * step];
                }
            }
            let block = transpose::<S, V, L>(block);
            if (j + 1) * L <= columns {
                for l in 0..L {
                    to[l * stride] = block[l];
                }
            } else {
                for l in 0..columns - j * L {
                    to[l * stride] = block[l];
                }
            }
        }
    }
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
        let inner = |l: usize| l > 0 && l + 2 < sizes.len();
        let transposed_weights = (0..sizes.len() - 1).map(|l| {
            let len = sizes[l] * vectors::<S, V>(sizes[l + 1]);
            vec![zero; if inner(l) { len } else { 0 }]
        });
        Single {
            simd,
            w: vec![zero; parameters],
            rule: Rule::new(simd, problem, real),
            transposed_weights: transposed_weights.collect(),
            blocks,
            x: vec![zero; n * vectors::<S, V>(sizes[0])],
            y: vec![zero; n],
            a: layer(true),
            slope: layer(slope_from == Slope::Kept),
            slope_from,
            delta: vec![zero; n * vectors::<S, V>(widest)],
            grad_input: vec![zero; n * vectors::<S, V>(widest)],
            r: vec![zero; n],
            in_batch: vec![zero; n],
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
        for (to, y) in self.y.iter_mut().zip(&job.y) {
            put(std::slice::from_mut(to), 0, *y);
        }
        self.rule.begin(problem, job, 0..V::LEN);
        self.transpose_all(problem);
    }

    fn weights(&self, problem: &Problem, _lane: usize, to: &mut Vec<f64>) {
        to.clear();
        to.resize(problem.tensors.last().map_or(0, |t| t.range().end), 0.0);
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
        self.in_batch[point].as_mut_slice()[0] = Real::of(weight);
    }

    #[inline(always)]
    fn forward(&mut self, problem: &Problem) -> V {
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
            if l + 1 == layers {
                let r = &mut self.r;
                simd.vectorize(
                    #[inline(always)]
                    || outputs::<S, V>(input, weights, bias, fan_in, r),
                );
                break;
            }
            let a = &mut after[0];
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
                    out: a,
                },
                n,
            );
            activate(simd, problem.activation, a, &mut self.slope[l]);
            if !fan_out.is_multiple_of(V::LEN) {
                // φ(0) need not be 0: nothing may reach the padding.
                for row in a.chunks_exact_mut(width) {
                    row[width - 1].as_mut_slice()[fan_out % V::LEN..].fill(Real::of(0.0));
                }
            }
        }
        let mut sum = <V::Element as Real>::of(0.0);
        for (r, y) in self.r.iter_mut().zip(&self.y) {
            let r = &mut r.as_mut_slice()[0];
            *r = r.minus(y.as_slice()[0]);
            sum = r.fused(*r, sum);
        }
        V::splat(simd, sum) * V::of(simd, problem.loss.factor(n))
    }

    #[inline(always)]
    fn step(&mut self, problem: &Problem, repeated: u64) -> u64 {
        let moved = match problem.method {
            Method::Gd if repeated == 0 => {
                self.backward::<true>(problem);
                true
            }
            Method::Gd => {
                self.backward::<false>(problem);
                let spans = self.blocks.iter().map(Block::range);
                self.rule.descend(&mut self.w, spans) != 0
            }
            Method::Sgd { .. } => {
                for (r, weight) in self.r.iter_mut().zip(&self.in_batch) {
                    *r *= *weight;
                }
                self.backward::<true>(problem);
                true
            }
            Method::Momentum { .. } | Method::Nesterov { .. } | Method::Adam { .. } => {
                self.backward::<false>(problem);
                let spans = self.blocks.iter().map(Block::range);
                self.rule.step(self.simd, problem, &mut self.w, spans);
                true
            }
        };
        self.transpose_all(problem);
        if moved { 0 } else { repeated }
    }
}

/// z[n] = b + Σ_k input[n, k] w[k], in the first lane of `z`.
#[inline(always)]
fn outputs<S: Simd, V: Lane<S>>(
    input: &[V],
    weights: &[V],
    bias: &[V],
    fan_in: usize,
    z: &mut [V],
) {
    let width = vectors::<S, V>(fan_in);
    let begin = bias
        .first()
        .map_or(Real::of(0.0), |bias| bias.as_slice()[0]);
    let (tens, rest) = z.as_chunks_mut::<10>();
    let (rows_of_tens, rows_of_rest) = input.split_at(tens.len() * 10 * width);
    for (z, rows) in tens.iter_mut().zip(rows_of_tens.chunks(10 * width)) {
        dots::<S, V, 10>(rows, weights, begin, fan_in, z);
    }
    for (z, row) in rest.iter_mut().zip(rows_of_rest.chunks(width)) {
        dots::<S, V, 1>(row, weights, begin, fan_in, std::array::from_mut(z));
    }
}

/// The sums of so many rows, independent of each other: ten hide the latency of an addition.
#[inline(always)]
fn dots<S: Simd, V: Lane<S>, const P: usize>(
    rows: &[V],
    weights: &[V],
    begin: V::Element,
    fan_in: usize,
    z: &mut [V; P],
) {
    let width = vectors::<S, V>(fan_in);
    let mut sums = [begin; P];
    for block in 0..width {
        let w = weights[block].as_slice();
        let row: [&[V::Element]; P] = std::array::from_fn(|p| rows[p * width + block].as_slice());
        for lane in 0..V::LEN.min(fan_in - block * V::LEN) {
            for p in 0..P {
                sums[p] = row[p][lane].fused(w[lane], sums[p]);
            }
        }
    }
    for p in 0..P {
        z[p].as_mut_slice()[0] = sums[p];
    }
}

impl<S: Simd, V: Lane<S>> Single<S, V> {
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

//! The products of a group of replicates, tile by tile, and the activations between them.
//!
//! A vector holds the same number of every replicate in the group, so all three products are the
//! same loop with the roles of rows, columns and the summed index exchanged. Each sum runs in
//! increasing order of its index with one rounding a term, whatever the tile: the bits do not
//! depend on tile or lane count.
//!
//! A matrix is kept in *panels* of four columns, each with its rows one after the other: then all that a
//! tile reads and writes lies side by side, whichever of the three roles the matrix plays.

#![allow(
    clippy::needless_range_loop,
    reason = "tiles read like the formula; their lengths are constants"
)]

use std::ops::Range;
use std::slice::ChunksExact;

use fearless_simd::{Select, Simd};

use super::lane::{self, Activate, Lane};
use crate::net::Activation;

/// Columns of a panel. The last panel of a matrix may use fewer; the rest of it is never read.
pub(super) const WIDTH: usize = 4;

/// A row of a panel.
pub(super) type Row<V> = [V; WIDTH];

/// Panels of a matrix with so many columns.
#[inline(always)]
pub(super) fn panels(columns: usize) -> usize {
    columns.div_ceil(WIDTH)
}

/// Rows from one panel to the next. Panels that are a multiple of 2 KiB apart would share a few sets of the
/// nearest cache, and push each other out.
#[inline(always)]
pub(super) fn stride(rows: usize) -> usize {
    if rows.is_multiple_of(8) {
        rows + 1
    } else {
        rows
    }
}

/// Where the slope of an activation comes from in the backward pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slope {
    /// It is one.
    One,
    /// From the value: one where positive, else zero; else the leak.
    Step,
    Leak,
    /// From the value: 1 − φ².
    Tanh,
    /// It was kept by the forward pass.
    Kept,
}

impl Slope {
    pub(super) fn of(activation: Activation) -> Slope {
        match activation {
            Activation::Identity => Slope::One,
            Activation::Relu => Slope::Step,
            Activation::LeakyRelu => Slope::Leak,
            Activation::Tanh => Slope::Tanh,
            Activation::Abs
            | Activation::Sigmoid
            | Activation::Erf
            | Activation::Gelu
            | Activation::Silu
            | Activation::Softplus
            | Activation::Sin
            | Activation::Cos => Slope::Kept,
        }
    }

    /// sum · φ', from the value of φ or the kept slope.
    #[inline(always)]
    pub(super) fn times<S: Simd, V: Lane<S>>(self, simd: S, sum: V, from: V) -> V {
        let (zero, one) = (V::of(simd, 0.0), V::of(simd, 1.0));
        match self {
            Slope::One => sum,
            Slope::Step => from.simd_gt(zero).select(sum, zero),
            Slope::Leak => sum * from.simd_gt(zero).select(one, V::of(simd, 0.01)),
            Slope::Tanh => sum * from.fnma(from, one),
            Slope::Kept => sum * from,
        }
    }

    /// The same for many; the choice is made outside the loop.
    #[inline(always)]
    pub(super) fn apply<S: Simd, V: Lane<S>>(self, simd: S, sums: &mut [V], from: &[V]) {
        let each = sums.iter_mut().zip(from);
        match self {
            Slope::One => {}
            Slope::Step => each.for_each(|(s, a)| *s = Slope::Step.times(simd, *s, *a)),
            Slope::Leak => each.for_each(|(s, a)| *s = Slope::Leak.times(simd, *s, *a)),
            Slope::Tanh => each.for_each(|(s, a)| *s = Slope::Tanh.times(simd, *s, *a)),
            Slope::Kept => each.for_each(|(s, a)| *s = Slope::Kept.times(simd, *s, *a)),
        }
    }
}

/// A product of two matrices computed tile by tile.
pub(super) trait Tiles {
    /// Rows and columns of a tile at most; columns divide a panel.
    const ROWS: usize;
    const COLUMNS: usize;
    /// Whether tiles are even, or as high as can be.
    const EVEN: bool;
    /// `P` rows from `row` on, `Q` columns from one of a panel's on.
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize, column: usize);
    /// These rows of a panel are done, and still in the nearest cache.
    #[inline(always)]
    fn complete(&mut self, rows: Range<usize>, panel: usize) {
        let _ = (rows, panel);
    }
}

/// Covers rows × panels with tiles, a panel after the other: each in two series of tiles of one height, so that
/// the choice of a shape is made outside the loop over tiles.
#[inline(always)]
fn cover<T: Tiles>(tiles: &mut T, rows: Range<usize>, columns: usize, panels: Range<usize>) {
    // So many tiles of one height, and the rest of another.
    let count = rows.len().div_ceil(T::ROWS).max(1);
    let (high, tall, low) = if T::EVEN {
        let low = rows.len() / count;
        (low + 1, rows.len() % count, low)
    } else {
        let tall = rows.len() / T::ROWS;
        (T::ROWS, tall, rows.len() - tall * T::ROWS)
    };
    for panel in panels {
        let width = WIDTH.min(columns - panel * WIDTH);
        let mut column = 0;
        while column < width {
            for (height, count, row) in [
                (high, tall, rows.start),
                (low, count - tall, rows.start + tall * high),
            ] {
                let at = (row, panel, column);
                match width - column {
                    4.. if T::COLUMNS >= 4 => series_of::<T, 4>(tiles, height, count, at),
                    3 if T::COLUMNS >= 3 => series_of::<T, 3>(tiles, height, count, at),
                    2.. => series_of::<T, 2>(tiles, height, count, at),
                    _ => series_of::<T, 1>(tiles, height, count, at),
                }
            }
            column += T::COLUMNS;
        }
        tiles.complete(rows.clone(), panel);
    }
}

#[inline(always)]
fn series_of<T: Tiles, const Q: usize>(
    tiles: &mut T,
    height: usize,
    count: usize,
    at: (usize, usize, usize),
) {
    match height {
        5 if T::ROWS >= 5 => series::<T, 5, Q>(tiles, count, at),
        4 => series::<T, 4, Q>(tiles, count, at),
        3 => series::<T, 3, Q>(tiles, count, at),
        2 => series::<T, 2, Q>(tiles, count, at),
        _ => series::<T, 1, Q>(tiles, count, at),
    }
}

#[inline(always)]
fn series<T: Tiles, const P: usize, const Q: usize>(
    tiles: &mut T,
    count: usize,
    (row, panel, column): (usize, usize, usize),
) {
    // Where a tile has the width of a panel, it begins where the panel does.
    let column = if T::COLUMNS == WIDTH { 0 } else { column };
    for i in 0..count {
        tiles.tile::<P, Q>(row + i * P, panel, column);
    }
}

/// Columns of a tile: with 32 registers as many as a panel has, with 16 half of them.
const fn columns_of_tile<S: Simd, V: Lane<S>>() -> usize {
    if V::LEN * size_of::<V::Element>() == 64 || cfg!(target_arch = "aarch64") {
        WIDTH
    } else {
        WIDTH / 2
    }
}

/// Bytes of one side of a product that stay in the nearest cache while the other side passes by.
const NEAR: usize = 28 << 10;

/// Cuts the left side of a product, so many rows and panels, in blocks that stay near: rows and panels of a block.
/// Blocks have at least four panels, or sums would be left in memory too often.
#[inline(always)]
fn block<V>(rows: usize, panels: usize) -> (usize, usize) {
    let most_rows = (NEAR / size_of::<[Row<V>; 4]>()).max(1);
    let height = rows.div_ceil(rows.div_ceil(most_rows).max(1)).max(1);
    let most_panels = (NEAR / (height * size_of::<Row<V>>())).max(1);
    let length = panels.div_ceil(panels.div_ceil(most_panels).max(1)).max(1);
    (height, length)
}

/// The parts of `0..length`, `each` long but for the last.
#[inline(always)]
fn parts(length: usize, each: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length)
        .step_by(each)
        .map(move |start| start..length.min(start + each))
}

#[inline(always)]
fn rows_at<V, const P: usize>(matrix: &[Row<V>], at: usize) -> &[Row<V>; P] {
    matrix[at..]
        .first_chunk()
        .expect("a tile lies inside its matrix")
}

/// `Q` columns.
#[inline(always)]
fn columns_from<V: Copy, const P: usize, const Q: usize>(
    rows: &[Row<V>; P],
    column: usize,
) -> [[V; Q]; P] {
    std::array::from_fn(|p| std::array::from_fn(|q| rows[p][column + q]))
}

#[inline(always)]
fn rows_at_mut<V, const P: usize>(matrix: &mut [Row<V>], at: usize) -> &mut [Row<V>; P] {
    matrix[at..]
        .first_chunk_mut()
        .expect("a tile lies inside its matrix")
}

/// Some panels of a matrix, those of full width and the last if it is narrow. All slices of a kind are equally
/// long, so whether a tile lies inside is asked once and not for every panel.
#[derive(Clone)]
struct Panels<'a, V> {
    full: ChunksExact<'a, Row<V>>,
    narrow: &'a [Row<V>],
}

impl<'a, V> Panels<'a, V> {
    #[inline(always)]
    fn of(matrix: &'a [Row<V>], rows: usize, columns: usize, panels: Range<usize>) -> Self {
        let (stride, whole) = (stride(rows), columns / WIDTH);
        let (full, narrow) = matrix[panels.start * stride..panels.end * stride]
            .split_at((panels.end.min(whole) - panels.start.min(whole)) * stride);
        Panels {
            full: full.chunks_exact(stride),
            narrow,
        }
    }
}

/// The place of the `i`-th of `n`: every other term goes over its tile from the end. Terms that go over it in
/// the same order leave the processor idle between one tile and the next, for a tenth of the time at twenty terms.
#[inline(always)]
const fn turning(term: usize, i: usize, n: usize) -> usize {
    if term.is_multiple_of(2) { i } else { n - 1 - i }
}

/// acc[p][q] += Σ_c a[p][c] w[q][c].
#[inline(always)]
fn rows_by_rows<S: Simd, V: Lane<S>, const P: usize, const Q: usize>(
    acc: &mut [[V; Q]; P],
    a: &[Row<V>; P],
    w: &[Row<V>; Q],
) {
    for c in 0..WIDTH {
        for p in 0..P {
            let p = turning(c, p, P);
            for q in 0..Q {
                let q = turning(c, q, Q);
                acc[p][q] = a[p][c].mul_add_precise(w[q][c], acc[p][q]);
            }
        }
    }
}

/// acc[p][q] += Σ_c a[p][c] w[c][column + q].
#[inline(always)]
fn rows_by_columns<S: Simd, V: Lane<S>, const P: usize, const Q: usize>(
    acc: &mut [[V; Q]; P],
    a: &[Row<V>; P],
    w: &[Row<V>; WIDTH],
    column: usize,
) {
    for c in 0..WIDTH {
        for p in 0..P {
            let p = turning(c, p, P);
            for q in 0..Q {
                let q = turning(c, q, Q);
                acc[p][q] = a[p][c].mul_add_precise(w[c][column + q], acc[p][q]);
            }
        }
    }
}

/// φ(b[j] + Σ_k input[n, k] w[j, k]).
pub(super) struct Forward<'a, S: Simd, V: Lane<S>> {
    pub(super) simd: S,
    pub(super) points: usize,
    pub(super) fan_in: usize,
    pub(super) fan_out: usize,
    /// [N, fan_in].
    pub(super) input: &'a [Row<V>],
    /// [fan_out, fan_in].
    pub(super) weights: &'a [Row<V>],
    /// [fan_out] or nothing.
    pub(super) bias: &'a [V],
    pub(super) activation: Activation,
    /// Room for φ', [N, fan_out], where it is kept.
    pub(super) slope: &'a mut [Row<V>],
    /// [N, fan_out].
    pub(super) z: &'a mut [Row<V>],
}

impl<S: Simd, V: Lane<S>> Forward<'_, S, V> {
    /// The whole product, as a function of its own: registers are assigned better, and sooner, than in one
    /// large function.
    #[inline(always)]
    pub(super) fn run(self) {
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || {
                let (n, fan_in, fan_out) = (self.points, self.fan_in, self.fan_out);
                let (height, length) = block::<V>(n, panels(fan_in));
                let (input, weights) = (self.input, self.weights);
                let mut layer = self;
                for rows in parts(n, height) {
                    for terms in parts(panels(fan_in), length) {
                        let mut tiles = Above {
                            layer: &mut layer,
                            first: terms.start == 0,
                            last: terms.end == panels(fan_in),
                            input: Panels::of(input, n, fan_in, terms.clone()),
                            weights: Panels::of(weights, fan_out, fan_in, terms),
                        };
                        cover(&mut tiles, rows.clone(), fan_out, 0..panels(fan_out));
                    }
                }
            },
        );
    }
}

/// The tiles of [`Forward`] for some of the terms.
struct Above<'l, 'a, S: Simd, V: Lane<S>> {
    layer: &'l mut Forward<'a, S, V>,
    /// Whether these are the first terms, the last ones.
    first: bool,
    last: bool,
    input: Panels<'a, V>,
    weights: Panels<'a, V>,
}

impl<S: Simd, V: Lane<S>> Tiles for Above<'_, '_, S, V> {
    const ROWS: usize = 5;
    const COLUMNS: usize = columns_of_tile::<S, V>();
    const EVEN: bool = true;

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize, column: usize) {
        let at = panel * stride(self.layer.points) + row;
        let mut acc = [[V::of(self.layer.simd, 0.0); Q]; P];
        if !self.first {
            acc = columns_from(rows_at(self.layer.z, at), column);
        } else if !self.layer.bias.is_empty() {
            let bias = self.layer.bias[panel * WIDTH + column..].first_chunk();
            acc = [*bias.expect("there is a bias for every unit"); P];
        }
        let unit = panel * WIDTH + column;
        for (a, w) in self.input.full.clone().zip(self.weights.full.clone()) {
            rows_by_rows(&mut acc, rows_at::<V, P>(a, row), rows_at::<V, Q>(w, unit));
        }
        if !self.input.narrow.is_empty() {
            let rest = self.layer.fan_in % WIDTH;
            let a = rows_at::<V, P>(self.input.narrow, row);
            let w = rows_at::<V, Q>(self.weights.narrow, unit);
            for c in 0..rest {
                for p in 0..P {
                    for q in 0..Q {
                        acc[p][q] = a[p][c].mul_add_precise(w[q][c], acc[p][q]);
                    }
                }
            }
        }
        if self.last && self.layer.activation == Activation::Relu {
            for row in &mut acc {
                for z in row {
                    *z = z.relu();
                }
            }
        }
        let z = rows_at_mut::<V, P>(self.layer.z, at);
        for p in 0..P {
            for q in 0..Q {
                z[p][column + q] = acc[p][q];
            }
        }
    }

    #[inline(always)]
    fn complete(&mut self, rows: Range<usize>, panel: usize) {
        let layer = &mut *self.layer;
        if !self.last || matches!(layer.activation, Activation::Identity | Activation::Relu) {
            return;
        }
        let width = WIDTH.min(layer.fan_out - panel * WIDTH);
        let (pieces, length) = if width == WIDTH {
            (1, rows.len() * WIDTH)
        } else {
            (rows.len(), width)
        };
        let start = (panel * stride(layer.points) + rows.start) * WIDTH;
        for piece in 0..pieces {
            let at = start + piece * WIDTH..start + piece * WIDTH + length;
            let slope = layer.slope.as_flattened_mut();
            let slope = slope.get_mut(at.clone()).unwrap_or_default();
            let z = &mut layer.z.as_flattened_mut()[at];
            activate(layer.simd, layer.activation, z, slope);
        }
    }
}

/// A layer on the way back: the layer below's ∂L/∂z, then the layer's own gradient.
pub(super) struct Backward<'a, S: Simd, V: Lane<S>> {
    pub(super) simd: S,
    pub(super) points: usize,
    pub(super) fan_in: usize,
    pub(super) fan_out: usize,
    /// ∂L/∂z over 2 s [N, fan_out].
    pub(super) delta: &'a [Row<V>],
    /// What the layer takes in [N, fan_in].
    pub(super) input: &'a [Row<V>],
    pub(super) slope_from: Slope,
    /// φ' [N, fan_in] where it was kept.
    pub(super) slope: &'a [Row<V>],
    /// Room for the layer below's ∂L/∂z [N, fan_in]; empty if there is none.
    pub(super) below: &'a mut [Row<V>],
    /// [fan_out, fan_in] and [fan_out] or nothing.
    pub(super) weights: &'a mut [Row<V>],
    pub(super) bias: &'a mut [V],
    /// Rooms for the gradient; if empty, the weights take their step: w += pace · g.
    pub(super) gradient: &'a mut [Row<V>],
    pub(super) bias_gradient: &'a mut [V],
    pub(super) pace: V,
    pub(super) bias_pace: V,
}

impl<S: Simd, V: Lane<S>> Backward<'_, S, V> {
    /// Both products. Where ∂L/∂z is one block, panel by panel: the weights are read, and stepped while still near.
    #[inline(always)]
    pub(super) fn run<const STEP: bool>(mut self) {
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || {
                let (n, fan_in, fan_out) = (self.points, self.fan_in, self.fan_out);
                let (height, length) = block::<V>(n, panels(fan_out));
                let one = height >= n && length >= panels(fan_out);
                let each = if one { 1 } else { panels(fan_in) };
                for some in parts(panels(fan_in), each) {
                    if !self.below.is_empty() {
                        for rows in parts(n, height) {
                            for terms in parts(panels(fan_out), length) {
                                self.below(rows.clone(), terms, some.clone());
                            }
                        }
                    }
                    self.gradient::<STEP>(some);
                }
            },
        );
    }

    #[inline(always)]
    fn below(&mut self, rows: Range<usize>, terms: Range<usize>, some: Range<usize>) {
        let mut tiles = Below {
            simd: self.simd,
            points: self.points,
            fan_out: self.fan_out,
            delta: Panels::of(self.delta, self.points, self.fan_out, terms.clone()),
            terms: terms.start * WIDTH..self.fan_out.min(terms.end * WIDTH),
            // Before the step touches them.
            weights: self.weights,
            slope_from: self.slope_from,
            slope: if self.slope_from == Slope::Kept {
                self.slope
            } else {
                self.input
            },
            below: self.below,
        };
        cover(&mut tiles, rows, self.fan_in, some);
    }

    #[inline(always)]
    fn gradient<const STEP: bool>(&mut self, some: Range<usize>) {
        let mut tiles = Gradient::<S, V, STEP> {
            simd: self.simd,
            points: self.points,
            fan_out: self.fan_out,
            delta: self.delta,
            input: self.input,
            pace: self.pace,
            bias_pace: self.bias_pace,
            to: if STEP { self.weights } else { self.gradient },
            bias: if STEP { self.bias } else { self.bias_gradient },
        };
        cover(&mut tiles, 0..self.fan_out, self.fan_in, some);
    }
}

/// below[n, k] = φ'[n, k] Σ_j delta[n, j] w[j, k].
struct Below<'a, S: Simd, V: Lane<S>> {
    simd: S,
    points: usize,
    fan_out: usize,
    delta: Panels<'a, V>,
    /// The terms j of `delta`.
    terms: Range<usize>,
    weights: &'a [Row<V>],
    slope_from: Slope,
    /// φ' if it was kept, else φ.
    slope: &'a [Row<V>],
    below: &'a mut [Row<V>],
}

impl<S: Simd, V: Lane<S>> Tiles for Below<'_, S, V> {
    const ROWS: usize = 5;
    const COLUMNS: usize = columns_of_tile::<S, V>();
    const EVEN: bool = true;

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize, column: usize) {
        let at = panel * stride(self.points) + row;
        let mut acc = [[V::of(self.simd, 0.0); Q]; P];
        if self.terms.start > 0 {
            acc = columns_from(rows_at(self.below, at), column);
        }
        let weights = &self.weights[panel * stride(self.fan_out)..][self.terms.clone()];
        let (terms, rest) = weights.as_chunks::<WIDTH>();
        for (d, w) in self.delta.full.clone().zip(terms) {
            rows_by_columns(&mut acc, rows_at::<V, P>(d, row), w, column);
        }
        if !rest.is_empty() {
            let d = rows_at::<V, P>(self.delta.narrow, row);
            for (c, w) in rest.iter().take(WIDTH).enumerate() {
                for p in 0..P {
                    for q in 0..Q {
                        acc[p][q] = d[p][c].mul_add_precise(w[column + q], acc[p][q]);
                    }
                }
            }
        }
        let below = rows_at_mut::<V, P>(self.below, at);
        let slope = rows_at::<V, P>(self.slope, at);
        let slope_from = if self.terms.end == self.fan_out {
            self.slope_from
        } else {
            Slope::One
        };
        for p in 0..P {
            for q in 0..Q {
                let (below, slope) = (&mut below[p][column + q], slope[p][column + q]);
                *below = slope_from.times(self.simd, acc[p][q], slope);
            }
        }
    }
}

/// g[j, k] = Σ_n delta[n, j] input[n, k]; w[j, k] += pace · g[j, k] if `STEP`. A bias is a column whose input
/// is one: its sum runs along with the first panel.
struct Gradient<'a, S: Simd, V: Lane<S>, const STEP: bool> {
    simd: S,
    points: usize,
    fan_out: usize,
    delta: &'a [Row<V>],
    input: &'a [Row<V>],
    pace: V,
    bias_pace: V,
    to: &'a mut [Row<V>],
    bias: &'a mut [V],
}

impl<S: Simd, V: Lane<S>, const STEP: bool> Tiles for Gradient<'_, S, V, STEP> {
    const ROWS: usize = WIDTH;
    const COLUMNS: usize = columns_of_tile::<S, V>();
    const EVEN: bool = false;

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize, column: usize) {
        if panel == 0 && column == 0 && !self.bias.is_empty() {
            self.sum::<P, Q, true>(row, panel, column);
        } else {
            self.sum::<P, Q, false>(row, panel, column);
        }
    }
}

impl<S: Simd, V: Lane<S>, const STEP: bool> Gradient<'_, S, V, STEP> {
    #[inline(always)]
    fn sum<const P: usize, const Q: usize, const BIAS: bool>(
        &mut self,
        row: usize,
        panel: usize,
        column: usize,
    ) {
        let zero = V::of(self.simd, 0.0);
        let (mut acc, mut ones) = ([[zero; Q]; P], [zero; P]);
        let down = stride(self.points);
        // The rows of a tile are the columns of a panel.
        let delta = &self.delta[row / WIDTH * down..][..self.points];
        let input = &self.input[panel * down..][..self.points];
        let (deltas, last_delta) = delta.as_chunks::<2>();
        let (inputs, last_input) = input.as_chunks::<2>();
        for (delta, input) in deltas.iter().zip(inputs) {
            for c in 0..2 {
                for p in 0..P {
                    let p = turning(c, p, P);
                    if BIAS {
                        ones[p] += delta[c][p];
                    }
                    for q in 0..Q {
                        let q = turning(c, q, Q);
                        acc[p][q] = delta[c][p].mul_add_precise(input[c][column + q], acc[p][q]);
                    }
                }
            }
        }
        if let ([delta], [input]) = (last_delta, last_input) {
            for p in 0..P {
                if BIAS {
                    ones[p] += delta[p];
                }
                for q in 0..Q {
                    acc[p][q] = delta[p].mul_add_precise(input[column + q], acc[p][q]);
                }
            }
        }
        let to = rows_at_mut::<V, P>(self.to, panel * stride(self.fan_out) + row);
        for p in 0..P {
            for q in 0..Q {
                let to = &mut to[p][column + q];
                *to = if STEP {
                    self.pace.mul_add_precise(acc[p][q], *to)
                } else {
                    acc[p][q]
                };
            }
        }
        if BIAS {
            let to = &mut self.bias[row..][..P];
            for p in 0..P {
                to[p] = if STEP {
                    self.bias_pace.mul_add_precise(ones[p], to[p])
                } else {
                    ones[p]
                };
            }
        }
    }
}

/// The one output of every network: z[n] = b + Σ_k input[n, k] w[k].
#[inline(always)]
pub(super) fn outputs<S: Simd, V: Lane<S>>(
    simd: S,
    input: &[Row<V>],
    fan_in: usize,
    weights: &[Row<V>],
    bias: &[V],
    z: &mut [V],
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let begin = bias.first().copied().unwrap_or(V::of(simd, 0.0));
            let down = stride(z.len());
            let mut row = 0;
            // Ten sums that do not depend on each other hide the latency of an addition.
            while row < z.len() {
                row += match z.len() - row {
                    10.. => dots::<S, V, 10>(input, fan_in, weights, begin, down, row, z),
                    5.. => dots::<S, V, 5>(input, fan_in, weights, begin, down, row, z),
                    _ => dots::<S, V, 1>(input, fan_in, weights, begin, down, row, z),
                };
            }
        },
    );
}

#[inline(always)]
fn dots<S: Simd, V: Lane<S>, const P: usize>(
    input: &[Row<V>],
    fan_in: usize,
    weights: &[Row<V>],
    begin: V,
    down: usize,
    row: usize,
    z: &mut [V],
) -> usize {
    let mut acc = [begin; P];
    for panel in 0..fan_in / WIDTH {
        let (a, w) = (rows_at::<V, P>(input, panel * down + row), &weights[panel]);
        for c in 0..WIDTH {
            for p in 0..P {
                acc[p] = a[p][c].mul_add_precise(w[c], acc[p]);
            }
        }
    }
    let (panel, rest) = (fan_in / WIDTH, fan_in % WIDTH);
    if rest > 0 {
        let (a, w) = (rows_at::<V, P>(input, panel * down + row), &weights[panel]);
        for c in 0..rest {
            for p in 0..P {
                acc[p] = a[p][c].mul_add_precise(w[c], acc[p]);
            }
        }
    }
    z[row..row + P].copy_from_slice(&acc);
    P
}

/// The output on the way back, from the residuals r [N]: the gradient of its weights, and the last hidden
/// layer's ∂L/∂z in the place of its activations.
pub(super) struct Outputs<'a, S: Simd, V: Lane<S>> {
    pub(super) simd: S,
    pub(super) fan_in: usize,
    pub(super) r: &'a [V],
    /// [N, fan_in].
    pub(super) input: &'a mut [Row<V>],
    /// Whether the input is a hidden layer.
    pub(super) hidden: bool,
    pub(super) slope_from: Slope,
    /// φ' [N, fan_in] where it was kept.
    pub(super) slope: &'a [Row<V>],
    /// `[fan_in]` and `[1]` or nothing.
    pub(super) weights: &'a mut [Row<V>],
    pub(super) bias: &'a mut [V],
    /// Rooms for the gradient; if `STEP` is false.
    pub(super) gradient: &'a mut [Row<V>],
    pub(super) bias_gradient: &'a mut [V],
    pub(super) pace: V,
    pub(super) bias_pace: V,
}

impl<S: Simd, V: Lane<S>> Outputs<'_, S, V> {
    #[inline(always)]
    pub(super) fn run<const STEP: bool>(mut self) {
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || {
                for panel in 0..panels(self.fan_in) {
                    match self.fan_in - panel * WIDTH {
                        4.. => self.panel::<STEP, 4>(panel),
                        3 => self.panel::<STEP, 3>(panel),
                        2 => self.panel::<STEP, 2>(panel),
                        _ => self.panel::<STEP, 1>(panel),
                    }
                }
                let mut sum = V::of(simd, 0.0);
                for r in self.r {
                    sum += *r;
                }
                if STEP {
                    for b in self.bias {
                        *b = self.bias_pace.mul_add_precise(sum, *b);
                    }
                } else {
                    self.bias_gradient.fill(sum);
                }
            },
        );
    }

    #[inline(always)]
    fn panel<const STEP: bool, const Q: usize>(&mut self, panel: usize) {
        let (simd, w) = (self.simd, self.weights[panel]);
        let start = panel * stride(self.r.len());
        let rows = &mut self.input[start..][..self.r.len()];
        let kept = self.slope.get(start..).unwrap_or_default();
        // The choice is made outside the loop over points.
        let g = if !self.hidden {
            output_rows::<S, V, Q>(simd, self.r, w, rows, None, |_, a| a)
        } else {
            match self.slope_from {
                Slope::Kept => output_rows(simd, self.r, w, rows, Some(kept), |sum, from| {
                    Slope::Kept.times(simd, sum, from)
                }),
                Slope::One => output_rows(simd, self.r, w, rows, None, |sum, _| sum),
                Slope::Step => output_rows(simd, self.r, w, rows, None, |sum, from| {
                    Slope::Step.times(simd, sum, from)
                }),
                Slope::Leak => output_rows(simd, self.r, w, rows, None, |sum, from| {
                    Slope::Leak.times(simd, sum, from)
                }),
                Slope::Tanh => output_rows(simd, self.r, w, rows, None, |sum, from| {
                    Slope::Tanh.times(simd, sum, from)
                }),
            }
        };
        for q in 0..Q {
            if STEP {
                self.weights[panel][q] = self.pace.mul_add_precise(g[q], w[q]);
            } else {
                self.gradient[panel][q] = g[q];
            }
        }
    }
}

/// Σ_n r[n] a[n, q] of the first `Q` columns of a panel; a[n, q] becomes f(r[n] w[q], a[n, q] or what was kept).
#[inline(always)]
fn output_rows<S: Simd, V: Lane<S>, const Q: usize>(
    simd: S,
    r: &[V],
    w: Row<V>,
    rows: &mut [Row<V>],
    kept: Option<&[Row<V>]>,
    f: impl Fn(V, V) -> V,
) -> [V; Q] {
    let mut g = [V::of(simd, 0.0); Q];
    let mut each = |row: &mut Row<V>, r: &V, from: Row<V>| {
        for q in 0..Q {
            g[q] = r.mul_add_precise(row[q], g[q]);
            row[q] = f(*r * w[q], from[q]);
        }
    };
    match kept {
        Some(kept) => {
            for ((row, r), kept) in rows.iter_mut().zip(r).zip(kept) {
                each(row, r, *kept);
            }
        }
        None => {
            for (row, r) in rows.iter_mut().zip(r) {
                let from = *row;
                each(row, r, from);
            }
        }
    }
    g
}

/// Replaces z by φ(z), and writes φ'(z) where there is room for it. A function of its own: its many constants
/// would take the products' registers.
#[inline(always)]
pub(super) fn activate<S: Simd, V: Lane<S>>(
    simd: S,
    activation: Activation,
    z: &mut [V],
    slope: &mut [V],
) {
    simd.vectorize(
        #[inline(always)]
        || match activation {
            Activation::Identity => {}
            Activation::Relu => value_only::<S, V, lane::Relu>(z),
            Activation::LeakyRelu => value_only::<S, V, lane::LeakyRelu>(z),
            Activation::Tanh => value_only::<S, V, lane::Tanh>(z),
            Activation::Abs => activate_with::<S, V, lane::Abs>(z, slope),
            Activation::Sigmoid => activate_with::<S, V, lane::Sigmoid>(z, slope),
            Activation::Erf => activate_with::<S, V, lane::Erf>(z, slope),
            Activation::Gelu => activate_with::<S, V, lane::Gelu>(z, slope),
            Activation::Silu => activate_with::<S, V, lane::Silu>(z, slope),
            Activation::Softplus => activate_with::<S, V, lane::Softplus>(z, slope),
            Activation::Sin => activate_with::<S, V, lane::Sin>(z, slope),
            Activation::Cos => activate_with::<S, V, lane::Cos>(z, slope),
        },
    );
}

#[inline(always)]
fn value_only<S: Simd, V: Lane<S>, A: Activate>(z: &mut [V]) {
    for z in z {
        *z = A::value_and_slope::<S, V>(*z).0;
    }
}

#[inline(always)]
fn activate_with<S: Simd, V: Lane<S>, A: Activate>(z: &mut [V], slope: &mut [V]) {
    for (z, slope) in z.iter_mut().zip(slope) {
        (*z, *slope) = A::value_and_slope::<S, V>(*z);
    }
}

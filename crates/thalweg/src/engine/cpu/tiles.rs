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
}

/// A product of two matrices computed tile by tile.
pub(super) trait Tiles {
    /// Rows of a tile at most.
    const ROWS: usize;
    /// Whether tiles are even, or as high as can be.
    const EVEN: bool;
    /// `P` rows from `row` on, the first `Q` columns of a panel.
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize);
    /// These rows of these panels are complete, and still in the nearest cache.
    #[inline(always)]
    fn complete(&mut self, rows: Range<usize>, panels: Range<usize>) {
        let _ = (rows, panels);
    }
}

/// Covers rows × panels with tiles: a panel after the other, or rows after rows. Either way in two series of
/// tiles of the same shape, so that the choice of a shape is made outside the loop over tiles.
#[inline(always)]
fn cover<T: Tiles>(
    tiles: &mut T,
    rows: usize,
    columns: usize,
    panels: Range<usize>,
    by_panel: bool,
) {
    // So many tiles of one height, and the rest of another.
    let (high, low, tall, count) = if T::EVEN {
        let count = rows.div_ceil(T::ROWS).max(1);
        (rows / count + 1, rows / count, rows % count, count)
    } else {
        let rest = rows % T::ROWS;
        let tall = rows / T::ROWS;
        (T::ROWS, rest, tall, tall + usize::from(rest > 0))
    };
    // Whole panels end here.
    let whole = panels.end.min(columns / WIDTH);
    let outer = if by_panel { panels.len() } else { count };
    for i in 0..outer {
        let at = if by_panel {
            (0, panels.start + i)
        } else {
            (
                i * high - i.saturating_sub(tall) * (high - low),
                panels.start,
            )
        };
        let height = if i < tall { high } else { low };
        for part in 0..2 {
            let series = match (by_panel, part) {
                (true, 0) => (at, high, tall, (high, 0)),
                (true, _) => ((tall * high, at.1), low, count - tall, (low, 0)),
                (false, 0) => (at, height, whole - panels.start, (0, 1)),
                (false, _) => ((at.0, whole), height, panels.end - whole, (0, 1)),
            };
            let width = WIDTH.min(columns - series.0.1 * WIDTH);
            match width {
                4 => series_of::<T, 4>(tiles, series),
                3 => series_of::<T, 3>(tiles, series),
                2 => series_of::<T, 2>(tiles, series),
                _ => series_of::<T, 1>(tiles, series),
            }
        }
        if by_panel {
            tiles.complete(0..rows, at.1..at.1 + 1);
        } else {
            tiles.complete(at.0..at.0 + height, panels.clone());
        }
    }
}

/// Where the first tile of a series lies (row and panel), its height, how many there are, and how far apart.
type Series = ((usize, usize), usize, usize, (usize, usize));

#[inline(always)]
fn series_of<T: Tiles, const Q: usize>(tiles: &mut T, (at, height, count, step): Series) {
    match height {
        5 if T::ROWS >= 5 => series::<T, 5, Q>(tiles, at, count, step),
        4 if T::ROWS >= 4 => series::<T, 4, Q>(tiles, at, count, step),
        3 if T::ROWS >= 3 => series::<T, 3, Q>(tiles, at, count, step),
        2 => series::<T, 2, Q>(tiles, at, count, step),
        _ => series::<T, 1, Q>(tiles, at, count, step),
    }
}

#[inline(always)]
fn series<T: Tiles, const P: usize, const Q: usize>(
    tiles: &mut T,
    (mut row, mut panel): (usize, usize),
    count: usize,
    step: (usize, usize),
) {
    for _ in 0..count {
        tiles.tile::<P, Q>(row, panel);
        row += step.0;
        panel += step.1;
    }
}

/// Whether there are 32 registers, which hold a tile of five rows; else there are 16.
const fn many_registers<S: Simd, V: Lane<S>>() -> bool {
    V::LEN * size_of::<V::Element>() == 64 || cfg!(target_arch = "aarch64")
}

/// Whether one side of a product stays in the nearest cache while the panels of the other side come and go.
#[inline(always)]
fn stays<V>(rows: usize, columns: usize) -> bool {
    rows * columns * size_of::<V>() <= 28 << 10
}

#[inline(always)]
fn rows_at<V, const P: usize>(matrix: &[Row<V>], at: usize) -> &[Row<V>; P] {
    matrix[at..]
        .first_chunk()
        .expect("a tile lies inside its matrix")
}

#[inline(always)]
fn rows_at_mut<V, const P: usize>(matrix: &mut [Row<V>], at: usize) -> &mut [Row<V>; P] {
    matrix[at..]
        .first_chunk_mut()
        .expect("a tile lies inside its matrix")
}

/// The panels of a matrix, those of full width and the last if it is narrow. All slices of a kind are equally
/// long, so whether a tile lies inside is asked once and not for every panel.
#[derive(Clone)]
struct Panels<'a, V> {
    full: ChunksExact<'a, Row<V>>,
    narrow: &'a [Row<V>],
}

impl<'a, V> Panels<'a, V> {
    #[inline(always)]
    fn of(matrix: &'a [Row<V>], rows: usize, columns: usize) -> Self {
        let stride = stride(rows);
        let (full, narrow) = matrix[..panels(columns) * stride].split_at(columns / WIDTH * stride);
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

/// acc[p][q] += Σ_c a[p][c] w[c][q].
#[inline(always)]
fn rows_by_columns<S: Simd, V: Lane<S>, const P: usize, const Q: usize>(
    acc: &mut [[V; Q]; P],
    a: &[Row<V>; P],
    w: &[Row<V>; WIDTH],
) {
    for c in 0..WIDTH {
        for p in 0..P {
            let p = turning(c, p, P);
            for q in 0..Q {
                let q = turning(c, q, Q);
                acc[p][q] = a[p][c].mul_add_precise(w[c][q], acc[p][q]);
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
                let (rows, columns) = (self.points, self.fan_out);
                let by_panel = stays::<V>(self.points, self.fan_in);
                let mut tiles = Above {
                    input: Panels::of(self.input, rows, self.fan_in),
                    weights: Panels::of(self.weights, columns, self.fan_in),
                    layer: self,
                };
                cover(&mut tiles, rows, columns, 0..panels(columns), by_panel);
            },
        );
    }
}

/// The tiles of [`Forward`].
struct Above<'a, S: Simd, V: Lane<S>> {
    layer: Forward<'a, S, V>,
    input: Panels<'a, V>,
    weights: Panels<'a, V>,
}

impl<S: Simd, V: Lane<S>> Tiles for Above<'_, S, V> {
    const ROWS: usize = if many_registers::<S, V>() { 5 } else { 3 };
    const EVEN: bool = true;

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize) {
        let mut acc = [[V::of(self.layer.simd, 0.0); Q]; P];
        if !self.layer.bias.is_empty() {
            let bias = self.layer.bias[panel * WIDTH..].first_chunk();
            acc = [*bias.expect("there is a bias for every unit"); P];
        }
        let unit = panel * WIDTH;
        for (a, w) in self.input.full.clone().zip(self.weights.full.clone()) {
            rows_by_rows(&mut acc, rows_at::<V, P>(a, row), rows_at::<V, Q>(w, unit));
        }
        let rest = self.layer.fan_in % WIDTH;
        if rest > 0 {
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
        if self.layer.activation == Activation::Relu {
            for row in &mut acc {
                for z in row {
                    *z = z.relu();
                }
            }
        }
        let at = panel * stride(self.layer.points) + row;
        let z = rows_at_mut::<V, P>(self.layer.z, at);
        for p in 0..P {
            for q in 0..Q {
                z[p][q] = acc[p][q];
            }
        }
    }

    #[inline(always)]
    fn complete(&mut self, rows: Range<usize>, panels: Range<usize>) {
        if matches!(
            self.layer.activation,
            Activation::Identity | Activation::Relu
        ) {
            return;
        }
        for panel in panels {
            let width = WIDTH.min(self.layer.fan_out - panel * WIDTH);
            let (pieces, length) = if width == WIDTH {
                (1, rows.len() * WIDTH)
            } else {
                (rows.len(), width)
            };
            let start = (panel * stride(self.layer.points) + rows.start) * WIDTH;
            for piece in 0..pieces {
                let at = start + piece * WIDTH..start + piece * WIDTH + length;
                let slope = self.layer.slope.as_flattened_mut();
                let slope = slope.get_mut(at.clone()).unwrap_or_default();
                activate(
                    self.layer.simd,
                    self.layer.activation,
                    &mut self.layer.z.as_flattened_mut()[at],
                    slope,
                );
            }
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
    /// Both products. Where ∂L/∂z stays in the nearest cache, panel by panel: each is read and stepped at once.
    #[inline(always)]
    pub(super) fn run<const STEP: bool>(mut self) {
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || {
                let delta = Panels::of(self.delta, self.points, self.fan_out);
                let count = panels(self.fan_in);
                let by_panel = stays::<V>(self.points, self.fan_out);
                let mut panel = 0;
                while panel < count {
                    let end = if by_panel { panel + 1 } else { count };
                    self.some::<STEP>(&delta, panel..end, by_panel);
                    panel = end;
                }
            },
        );
    }

    #[inline(always)]
    fn some<const STEP: bool>(
        &mut self,
        delta: &Panels<'_, V>,
        panels: Range<usize>,
        by_panel: bool,
    ) {
        let (simd, points, fan_in, fan_out) = (self.simd, self.points, self.fan_in, self.fan_out);
        if !self.below.is_empty() {
            let mut tiles = Below {
                simd,
                points,
                fan_out,
                delta: delta.clone(),
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
            cover(&mut tiles, points, fan_in, panels.clone(), by_panel);
        }
        let mut tiles = Gradient::<S, V, STEP> {
            simd,
            points,
            fan_out,
            delta: self.delta,
            input: self.input,
            pace: self.pace,
            bias_pace: self.bias_pace,
            to: if STEP { self.weights } else { self.gradient },
            bias: if STEP { self.bias } else { self.bias_gradient },
        };
        cover(&mut tiles, fan_out, fan_in, panels, true);
    }
}

/// below[n, k] = φ'[n, k] Σ_j delta[n, j] w[j, k].
struct Below<'a, S: Simd, V: Lane<S>> {
    simd: S,
    points: usize,
    fan_out: usize,
    delta: Panels<'a, V>,
    weights: &'a [Row<V>],
    slope_from: Slope,
    /// φ' if it was kept, else φ.
    slope: &'a [Row<V>],
    below: &'a mut [Row<V>],
}

impl<S: Simd, V: Lane<S>> Tiles for Below<'_, S, V> {
    const ROWS: usize = if many_registers::<S, V>() { 5 } else { 3 };
    const EVEN: bool = true;

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize) {
        let mut acc = [[V::of(self.simd, 0.0); Q]; P];
        let (down, up) = (stride(self.points), stride(self.fan_out));
        let (terms, rest) = self.weights[panel * up..][..self.fan_out].as_chunks::<WIDTH>();
        for (d, w) in self.delta.full.clone().zip(terms) {
            rows_by_columns(&mut acc, rows_at::<V, P>(d, row), w);
        }
        if !rest.is_empty() {
            let d = rows_at::<V, P>(self.delta.narrow, row);
            for (c, w) in rest.iter().take(WIDTH).enumerate() {
                for p in 0..P {
                    for q in 0..Q {
                        acc[p][q] = d[p][c].mul_add_precise(w[q], acc[p][q]);
                    }
                }
            }
        }
        let at = panel * down + row;
        let slope = rows_at::<V, P>(self.slope, at);
        let below = rows_at_mut::<V, P>(self.below, at);
        for p in 0..P {
            for q in 0..Q {
                below[p][q] = self.slope_from.times(self.simd, acc[p][q], slope[p][q]);
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
    const ROWS: usize = if many_registers::<S, V>() { 4 } else { 2 };
    const EVEN: bool = false;

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize) {
        if panel == 0 && !self.bias.is_empty() {
            self.sum::<P, Q, true>(row, panel);
        } else {
            self.sum::<P, Q, false>(row, panel);
        }
    }
}

impl<S: Simd, V: Lane<S>, const STEP: bool> Gradient<'_, S, V, STEP> {
    #[inline(always)]
    fn sum<const P: usize, const Q: usize, const BIAS: bool>(&mut self, row: usize, panel: usize) {
        let zero = V::of(self.simd, 0.0);
        let (mut acc, mut ones) = ([[zero; Q]; P], [zero; P]);
        // Where a tile has the height of a panel, its rows are one.
        let first = if Self::ROWS == WIDTH { 0 } else { row % WIDTH };
        let down = stride(self.points);
        let delta = &self.delta[row / WIDTH * down..][..self.points];
        let input = &self.input[panel * down..][..self.points];
        let (deltas, last_delta) = delta.as_chunks::<2>();
        let (inputs, last_input) = input.as_chunks::<2>();
        for (delta, input) in deltas.iter().zip(inputs) {
            for c in 0..2 {
                let delta = &delta[c][first..][..P];
                for p in 0..P {
                    let p = turning(c, p, P);
                    if BIAS {
                        ones[p] += delta[p];
                    }
                    for q in 0..Q {
                        let q = turning(c, q, Q);
                        acc[p][q] = delta[p].mul_add_precise(input[c][q], acc[p][q]);
                    }
                }
            }
        }
        if let ([delta], [input]) = (last_delta, last_input) {
            let delta = &delta[first..][..P];
            for p in 0..P {
                if BIAS {
                    ones[p] += delta[p];
                }
                for q in 0..Q {
                    acc[p][q] = delta[p].mul_add_precise(input[q], acc[p][q]);
                }
            }
        }
        let to = rows_at_mut::<V, P>(self.to, panel * stride(self.fan_out) + row);
        for p in 0..P {
            for q in 0..Q {
                to[p][q] = if STEP {
                    self.pace.mul_add_precise(acc[p][q], to[p][q])
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

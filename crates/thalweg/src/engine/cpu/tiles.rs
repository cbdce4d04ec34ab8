//! The three products of a group of replicates, tile by tile, and the activations between them.
//!
//! A vector holds the same number of every replicate in the group, so all three products are the
//! same loop with the roles of rows, columns and the summed index exchanged. Each sum runs in
//! increasing order of its index with one rounding a term, whatever the tile: the bits do not
//! depend on tile or lane count.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    reason = "tiles read like the formula; their lengths are constants"
)]

use fearless_simd::{Select, Simd};

use super::lane::{self, Activate, Lane};
use crate::net::Activation;

/// Vectors from one row to the next. Rows that are a multiple of 1 KiB apart would fall into the same few
/// sets of the nearest cache, and push each other out.
#[inline(always)]
pub(super) fn stride(columns: usize) -> usize {
    if columns.is_multiple_of(16) {
        columns + 1
    } else {
        columns
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
}

impl Slope {
    /// below ← below · φ', from the values `a` or the kept slopes.
    #[inline(always)]
    pub(super) fn apply<S: Simd, V: Lane<S>>(self, simd: S, below: &mut [V], a: &[V], slope: &[V]) {
        let (zero, one) = (V::of(simd, 0.0), V::of(simd, 1.0));
        let leak = V::of(simd, 0.01);
        let each = below.iter_mut().zip(a);
        match self {
            Slope::One => {}
            Slope::Step => each.for_each(|(b, a)| *b = a.simd_le(zero).select(zero, *b)),
            Slope::Leak => {
                each.for_each(|(b, a)| *b *= a.simd_gt(zero).select(one, leak));
            }
            Slope::Tanh => each.for_each(|(b, a)| *b *= a.fnma(*a, one)),
            Slope::Kept => below
                .iter_mut()
                .zip(slope)
                .for_each(|(b, slope)| *b *= *slope),
        }
    }
}

#[inline(always)]
fn bias_tile<S: Simd, V: Lane<S>, const STEP: bool, const Q: usize>(
    simd: S,
    delta: &[V],
    points: usize,
    pace: V,
    j: usize,
    to: &mut [V],
) {
    let stride = stride(to.len());
    let mut g = [V::of(simd, 0.0); Q];
    let mut rows = &delta[j..];
    for _ in 0..points {
        let row = &rows[..Q];
        for q in 0..Q {
            g[q] += row[q];
        }
        rows = rows.get(stride..).unwrap_or(&[]);
    }
    let to = &mut to[j..j + Q];
    for q in 0..Q {
        to[q] = if STEP {
            pace.mul_add_precise(g[q], to[q])
        } else {
            g[q]
        };
    }
}

/// A product of two matrices computed tile by tile: `P` rows and `Q` columns at (`row`, `column`).
pub(super) trait Tiles {
    /// Bytes in a vector: decides how many accumulators fit the registers.
    const BYTES: usize;
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, column: usize);
    /// Rows `row..row + count` are complete, and still in the nearest cache.
    #[inline(always)]
    fn complete(&mut self, row: usize, count: usize) {
        let _ = (row, count);
    }
}

/// Covers `rows` × `columns` with tiles: 5 × 4 on 32 registers of 64 bytes, else 5 × 2. A single row
/// or column is cut in tens: independent sums hide the latency of an addition.
#[inline(always)]
fn cover<T: Tiles>(tiles: &mut T, rows: usize, columns: usize) {
    if rows == 1 {
        let mut column = 0;
        while column + 10 <= columns {
            tiles.tile::<1, 10>(0, column);
            column += 10;
        }
        while column < columns {
            tiles.tile::<1, 1>(0, column);
            column += 1;
        }
        return;
    }
    let mut row = 0;
    while row < rows {
        let left = rows - row;
        let count = if columns == 1 {
            if left >= 10 {
                tiles.tile::<10, 1>(row, 0);
                10
            } else {
                tiles.tile::<1, 1>(row, 0);
                1
            }
        } else {
            match left {
                1 => across::<T, 1>(tiles, row, columns),
                2 => across::<T, 2>(tiles, row, columns),
                3 => across::<T, 3>(tiles, row, columns),
                4 => across::<T, 4>(tiles, row, columns),
                _ => across::<T, 5>(tiles, row, columns),
            }
        };
        tiles.complete(row, count);
        row += count;
    }
}

#[inline(always)]
fn across<T: Tiles, const P: usize>(tiles: &mut T, row: usize, columns: usize) -> usize {
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
    P
}

/// z[n, j] = b[j] + Σ_k input[n, k] w[j, k], or φ of it.
pub(super) struct Forward<'a, S: Simd, V: Lane<S>> {
    pub(super) input: &'a [V],
    pub(super) weights: &'a [V],
    pub(super) bias: &'a [V],
    pub(super) simd: S,
    pub(super) fan_in: usize,
    pub(super) fan_out: usize,
    pub(super) activation: Option<Activation>,
    pub(super) slope: &'a mut [V],
    pub(super) z: &'a mut [V],
}

impl<S: Simd, V: Lane<S>> Tiles for Forward<'_, S, V> {
    const BYTES: usize = V::LEN * size_of::<V::Element>();

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, n: usize, j: usize) {
        let k = self.fan_in;
        let zero = V::of(self.simd, 0.0);
        let mut acc = [[zero; Q]; P];
        if !self.bias.is_empty() {
            let bias = &self.bias[j..j + Q];
            for row in &mut acc {
                row.copy_from_slice(bias);
            }
        }
        let mut inputs: [&[V]; P] = [&[]; P];
        for p in 0..P {
            inputs[p] = &self.input[(n + p) * stride(k)..][..k];
        }
        let mut weights: [&[V]; Q] = [&[]; Q];
        for q in 0..Q {
            weights[q] = &self.weights[(j + q) * stride(k)..][..k];
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
        if self.activation == Some(Activation::Relu) {
            for row in &mut acc {
                for z in row {
                    *z = lane::Relu::value_and_slope::<S, V>(*z).0;
                }
            }
        }
        for p in 0..P {
            self.z[(n + p) * stride(self.fan_out) + j..][..Q].copy_from_slice(&acc[p]);
        }
    }

    #[inline(always)]
    fn complete(&mut self, row: usize, count: usize) {
        if let Some(activation) = self.activation
            && activation != Activation::Relu
        {
            for row in row..row + count {
                let at = row * stride(self.fan_out)..row * stride(self.fan_out) + self.fan_out;
                let slope = if self.slope.is_empty() {
                    &mut []
                } else {
                    &mut self.slope[at.clone()]
                };
                activate::<S, V>(activation, &mut self.z[at], slope);
            }
        }
    }
}

/// below[n, k] = φ'[n, k] Σ_j delta[n, j] w[j, k].
pub(super) struct Backward<'a, S: Simd, V: Lane<S>> {
    pub(super) delta: &'a [V],
    pub(super) weights: &'a [V],
    pub(super) slope_from: Slope,
    /// φ' if it was kept, else φ.
    pub(super) slope: &'a [V],
    pub(super) simd: S,
    pub(super) fan_in: usize,
    pub(super) fan_out: usize,
    pub(super) below: &'a mut [V],
}

impl<S: Simd, V: Lane<S>> Tiles for Backward<'_, S, V> {
    const BYTES: usize = V::LEN * size_of::<V::Element>();

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, n: usize, k: usize) {
        let (j_len, k_len) = (self.fan_out, self.fan_in);
        let (zero, one) = (V::of(self.simd, 0.0), V::of(self.simd, 1.0));
        let mut acc = [[zero; Q]; P];
        let mut deltas: [&[V]; P] = [&[]; P];
        for p in 0..P {
            deltas[p] = &self.delta[(n + p) * stride(j_len)..][..j_len];
        }
        for (j, row) in self
            .weights
            .chunks_exact(stride(k_len))
            .enumerate()
            .take(j_len)
        {
            let row = &row[k..k + Q];
            let mut w = [zero; Q];
            for q in 0..Q {
                w[q] = row[q];
            }
            for p in 0..P {
                let d = deltas[p][j];
                for q in 0..Q {
                    acc[p][q] = d.mul_add_precise(w[q], acc[p][q]);
                }
            }
        }
        let at = n * stride(k_len) + k;
        let (slope, below) = (&self.slope[at..], &mut self.below[at..]);
        let step = stride(k_len);
        let leak = V::of(self.simd, 0.01);
        // The choice is made outside the loops: they must unroll, or the sums leave the registers.
        match self.slope_from {
            Slope::One => times(acc, slope, below, step, |sum, _| sum),
            Slope::Step => times(acc, slope, below, step, |sum, a| {
                a.simd_gt(zero).select(sum, zero)
            }),
            Slope::Leak => times(acc, slope, below, step, |sum, a| {
                sum * a.simd_gt(zero).select(one, leak)
            }),
            Slope::Tanh => times(acc, slope, below, step, |sum, a| sum * a.fnma(a, one)),
            Slope::Kept => times(acc, slope, below, step, |sum, slope| sum * slope),
        }
    }
}

/// Writes f(sum, slope) for a tile.
#[inline(always)]
fn times<V: Copy, const P: usize, const Q: usize>(
    sums: [[V; Q]; P],
    slope: &[V],
    below: &mut [V],
    step: usize,
    f: impl Fn(V, V) -> V,
) {
    for p in 0..P {
        let (slope, below) = (&slope[p * step..][..Q], &mut below[p * step..][..Q]);
        for q in 0..Q {
            below[q] = f(sums[p][q], slope[q]);
        }
    }
}

/// g[j, k] = Σ_n delta[n, j] input[n, k]; w[j, k] += pace · g[j, k] if `STEP`.
pub(super) struct Gradient<'a, S: Simd, V: Lane<S>, const STEP: bool> {
    pub(super) delta: &'a [V],
    pub(super) input: &'a [V],
    pub(super) simd: S,
    pub(super) pace: V,
    pub(super) points: usize,
    pub(super) fan_in: usize,
    pub(super) fan_out: usize,
    pub(super) to: &'a mut [V],
}

impl<S: Simd, V: Lane<S>, const STEP: bool> Tiles for Gradient<'_, S, V, STEP> {
    const BYTES: usize = V::LEN * size_of::<V::Element>();

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, j: usize, k: usize) {
        let zero = V::of(self.simd, 0.0);
        let mut acc = [[zero; Q]; P];
        let deltas = self.delta.chunks_exact(stride(self.fan_out));
        let inputs = self.input.chunks_exact(stride(self.fan_in));
        for (d, row) in deltas.zip(inputs).take(self.points) {
            let (d, row) = (&d[j..j + P], &row[k..k + Q]);
            let mut a = [zero; Q];
            for q in 0..Q {
                a[q] = row[q];
            }
            for p in 0..P {
                let d = d[p];
                for q in 0..Q {
                    acc[p][q] = d.mul_add_precise(a[q], acc[p][q]);
                }
            }
        }
        for p in 0..P {
            let to = &mut self.to[(j + p) * stride(self.fan_in) + k..][..Q];
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

/// Replaces z by φ(z), and writes φ'(z) where there is room for it. The choice is made outside the loop.
#[inline(always)]
pub(super) fn activate<S: Simd, V: Lane<S>>(activation: Activation, z: &mut [V], slope: &mut [V]) {
    match activation {
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
    }
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

/// One product, compiled as a function of its own: registers are assigned better, and sooner, than in one
/// large function.
#[inline(always)]
pub(super) fn product<S: Simd, T: Tiles>(simd: S, mut tiles: T, rows: usize, columns: usize) {
    simd.vectorize(
        #[inline(always)]
        || cover(&mut tiles, rows, columns),
    );
}

/// g[j] = Σ_n delta[n, j]; b[j] += pace · g[j] if `STEP`.
#[inline(always)]
pub(super) fn bias_gradient<S: Simd, V: Lane<S>, const STEP: bool>(
    simd: S,
    delta: &[V],
    points: usize,
    pace: V,
    to: &mut [V],
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut j = 0;
            while j + 10 <= to.len() {
                bias_tile::<S, V, STEP, 10>(simd, delta, points, pace, j, to);
                j += 10;
            }
            while j + 4 <= to.len() {
                bias_tile::<S, V, STEP, 4>(simd, delta, points, pace, j, to);
                j += 4;
            }
            while j < to.len() {
                bias_tile::<S, V, STEP, 1>(simd, delta, points, pace, j, to);
                j += 1;
            }
        },
    );
}

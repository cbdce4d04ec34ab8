//! Products of one network's matrices, in tiles that stay in registers, and its outputs.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    reason = "tiles read like the formula; their lengths are constants"
)]

use std::ops::Range;

use fearless_simd::Simd;

use super::panels::vectors;
use crate::cpu::lane::{Lane, Real};

/// Terms of a product that are summed before the next ones: the panel of their rows fits the
/// nearest cache and serves all rows of the left side.
const TERMS: usize = 96;

/// The left side of a product: its entry for row and summed index.
#[derive(Clone, Copy)]
pub(super) enum Left<'a, V> {
    /// Entry (row, m).
    Straight(&'a [V]),
    /// Entry (m, row).
    Transposed(&'a [V]),
}

/// sum[row, c] = start[c] + Σ_m left(row, m) right[m, c], `terms` of them; out = sum, or
/// out += step_size · sum.
pub(super) struct Product<'a, S: Simd, V: Lane<S>> {
    pub(super) simd: S,
    pub(super) left: Left<'a, V>,
    /// Vectors a row of the left side.
    pub(super) left_width: usize,
    pub(super) terms: usize,
    pub(super) right: &'a [V],
    pub(super) start: &'a [V],
    /// Vectors a row of the right side and of `out`: the one of weights is in panels, that of
    /// activations row-major.
    pub(super) width: usize,
    /// Of the rows of `out`, where it is the one in panels.
    pub(super) panels: Option<usize>,
    pub(super) step_size: Option<V>,
    pub(super) out: &'a mut [V],
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

/// The product as a function of its own: see [`crate::cpu::layer::Forward::run`].
#[inline(always)]
pub(super) fn product<S: Simd, V: Lane<S>>(product: Product<'_, S, V>, rows: usize) {
    let simd = product.simd;
    simd.vectorize(
        #[inline(always)]
        || product.all(rows),
    );
}

/// z[n] = b + Σ_k input[n, k] w[k], in the first lane of `z`.
#[inline(always)]
pub(super) fn outputs<S: Simd, V: Lane<S>>(
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

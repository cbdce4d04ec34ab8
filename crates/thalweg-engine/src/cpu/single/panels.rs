//! How the weights of one network lie: in panels of whole vectors, and transposed.

#![allow(
    clippy::needless_range_loop,
    reason = "tiles read like the formula; their lengths are constants"
)]

use std::ops::Range;

use fearless_simd::Simd;

use crate::Problem;
use crate::cpu::lane::Lane;

/// Vectors that hold so many numbers.
#[inline(always)]
pub(super) fn vectors<S: Simd, V: Lane<S>>(numbers: usize) -> usize {
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
pub(super) fn panel_of<S: Simd, V: Lane<S>>(
    rows: usize,
    width: usize,
    row: usize,
    column: usize,
) -> (usize, usize) {
    let first = column - column % panel::<S, V>();
    let step = panel::<S, V>().min(width - first);
    (first * rows + row * step + column - first, step)
}

/// Where a tensor lies. The first weight matrix is kept transposed, but for a single output of no
/// hidden layer: nothing but its forward pass is needed.
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) transposed: bool,
    /// Vectors a row.
    pub(super) width: usize,
}

impl Block {
    #[inline]
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows * self.width
    }
}

pub(super) fn blocks<S: Simd, V: Lane<S>>(problem: &Problem) -> Vec<Block> {
    let mut start = 0;
    let last = problem.sizes.len() - 2;
    let mut all = Vec::new();
    for tensor in &problem.tensors {
        let fan_in = tensor.shape.last().copied().unwrap_or(1).max(1);
        let fan_out = tensor.len() / fan_in;
        let transposed =
            !tensor.is_bias && tensor.layer == 0 && (last > 0 || problem.outputs() > 1);
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
pub(super) fn transpose_panels<S: Simd, V: Lane<S>, const L: usize>(
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

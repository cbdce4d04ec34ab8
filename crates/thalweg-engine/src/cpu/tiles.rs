//! Products of the matrices of a group of replicates, tile by tile: panels, blocks, and the tiles
//! that cover them.
//!
//! A vector holds the same number of every replicate in the group, so all three products are the
//! same loop with the roles of rows, columns and the summed index exchanged. Each sum runs in
//! increasing order of its index with one rounding a term, whatever the tile: the bits do not
//! depend on tile or lane count.
//!
//! A matrix is kept in *panels* of four columns, each with its rows one after the other: then all
//! that a tile reads and writes lies side by side, whichever of the three roles the matrix plays.

#![allow(
    clippy::needless_range_loop,
    reason = "tiles read like the formula; their lengths are constants"
)]

use std::ops::Range;
use std::slice::ChunksExact;

use fearless_simd::Simd;

use super::lane::Lane;

/// Columns of a panel. The last panel of a matrix may use fewer; the rest of it is in no sum.
pub(super) const WIDTH: usize = 4;

/// A row of a panel.
pub(super) type Row<V> = [V; WIDTH];

/// Panels of a matrix with so many columns.
#[inline(always)]
pub(super) fn panels(columns: usize) -> usize {
    columns.div_ceil(WIDTH)
}

/// Rows from one panel to the next. Panels that are a multiple of 2 KiB apart would share a few
/// sets of the nearest cache, and push each other out.
#[inline(always)]
pub(super) fn stride(rows: usize) -> usize {
    if rows.is_multiple_of(8) {
        rows + 1
    } else {
        rows
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

/// Covers rows × panels with tiles, a panel after the other: each in two series of tiles of one
/// height, so that the choice of a shape is made outside the loop over tiles.
#[inline(always)]
pub(super) fn cover<T: Tiles>(
    tiles: &mut T,
    rows: Range<usize>,
    columns: usize,
    panels: Range<usize>,
) {
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
pub(super) const fn columns_of_tile<S: Simd, V: Lane<S>>() -> usize {
    if V::LEN * size_of::<V::Element>() == 64 || cfg!(target_arch = "aarch64") {
        WIDTH
    } else {
        WIDTH / 2
    }
}

/// Bytes of one side of a product that stay in the nearest cache while the other side passes by.
const NEAR: usize = 28 << 10;

/// Cuts the left side of a product, so many rows and panels, in blocks that stay near: rows and
/// panels of a block. Rows are cut until four panels fit: shorter blocks would leave their sums in
/// memory too often.
#[inline(always)]
pub(super) fn block<V>(rows: usize, panels: usize) -> (usize, usize) {
    let most_rows = (NEAR / size_of::<[Row<V>; 4]>()).max(1);
    let height = rows.div_ceil(rows.div_ceil(most_rows).max(1)).max(1);
    let most_panels = (NEAR / (height * size_of::<Row<V>>())).max(1);
    let length = panels.div_ceil(panels.div_ceil(most_panels).max(1)).max(1);
    (height, length)
}

/// The parts of `0..length`, `each` long but for the last.
#[inline(always)]
pub(super) fn parts(length: usize, each: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length)
        .step_by(each)
        .map(move |start| start..length.min(start + each))
}

#[inline(always)]
pub(super) fn rows_at<V, const P: usize>(matrix: &[Row<V>], at: usize) -> &[Row<V>; P] {
    matrix[at..]
        .first_chunk()
        .expect("a tile lies inside its matrix")
}

/// `Q` columns.
#[inline(always)]
pub(super) fn columns_from<V: Copy, const P: usize, const Q: usize>(
    rows: &[Row<V>; P],
    column: usize,
) -> [[V; Q]; P] {
    std::array::from_fn(|p| std::array::from_fn(|q| rows[p][column + q]))
}

#[inline(always)]
pub(super) fn rows_at_mut<V, const P: usize>(matrix: &mut [Row<V>], at: usize) -> &mut [Row<V>; P] {
    matrix[at..]
        .first_chunk_mut()
        .expect("a tile lies inside its matrix")
}

/// Some panels of a matrix, those of full width and the last if it is narrow. All slices of a kind
/// are equally long, so whether a tile lies inside is asked once and not for every panel.
#[derive(Clone)]
pub(super) struct Panels<'a, V> {
    pub(super) full: ChunksExact<'a, Row<V>>,
    pub(super) narrow: &'a [Row<V>],
}

impl<'a, V> Panels<'a, V> {
    #[inline(always)]
    pub(super) fn of(
        matrix: &'a [Row<V>],
        rows: usize,
        columns: usize,
        panels: Range<usize>,
    ) -> Self {
        let (stride, whole) = (stride(rows), columns / WIDTH);
        let (full, narrow) = matrix[panels.start * stride..panels.end * stride]
            .split_at((panels.end.min(whole) - panels.start.min(whole)) * stride);
        Panels {
            full: full.chunks_exact(stride),
            narrow,
        }
    }
}

/// The place of the `i`-th of `n`: every other term goes over its tile from the end. Terms that go
/// over it in the same order leave the processor idle between one tile and the next, for some
/// thirty cycles.
#[inline(always)]
pub(super) const fn zigzag(term: usize, i: usize, n: usize) -> usize {
    if term.is_multiple_of(2) { i } else { n - 1 - i }
}

/// acc[p][q] += Σ_c a[p][c] w[q][c].
#[inline(always)]
pub(super) fn rows_by_rows<S: Simd, V: Lane<S>, const P: usize, const Q: usize>(
    acc: &mut [[V; Q]; P],
    a: &[Row<V>; P],
    w: &[Row<V>; Q],
) {
    for c in 0..WIDTH {
        for p in 0..P {
            let p = zigzag(c, p, P);
            for q in 0..Q {
                let q = zigzag(c, q, Q);
                acc[p][q] = a[p][c].mul_add_precise(w[q][c], acc[p][q]);
            }
        }
    }
}

/// acc[p][q] += Σ_c a[p][c] w[c][column + q].
#[inline(always)]
pub(super) fn rows_by_columns<S: Simd, V: Lane<S>, const P: usize, const Q: usize>(
    acc: &mut [[V; Q]; P],
    a: &[Row<V>; P],
    w: &[Row<V>; WIDTH],
    column: usize,
) {
    for c in 0..WIDTH {
        for p in 0..P {
            let p = zigzag(c, p, P);
            for q in 0..Q {
                let q = zigzag(c, q, Q);
                acc[p][q] = a[p][c].mul_add_precise(w[c][column + q], acc[p][q]);
            }
        }
    }
}

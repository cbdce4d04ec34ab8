//! The output of a group of replicates: a product with one column, too narrow for tiles.

#![allow(
    clippy::needless_range_loop,
    reason = "tiles read like the formula; their lengths are constants"
)]

use fearless_simd::Simd;

use super::lane::Lane;
use super::layer::{Stepped, apply_gradient};
use super::slope::Slope;
use super::tiles::{Row, WIDTH, panels, rows_at, stride};

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

/// The output on the way back, from the residuals r [N]: the gradient of its weights, and the last
/// hidden layer's ∂L/∂z in the place of its activations.
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
    pub(super) stepped: Stepped<'a, V>,
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
                let stepped = self.stepped;
                let to = if STEP {
                    stepped.bias
                } else {
                    stepped.bias_gradient
                };
                for to in to {
                    apply_gradient::<S, V, STEP>(sum, stepped.bias_step_size, to);
                }
            },
        );
    }

    #[inline(always)]
    fn panel<const STEP: bool, const Q: usize>(&mut self, panel: usize) {
        let (simd, w) = (self.simd, self.stepped.weights[panel]);
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
        let to = if STEP {
            &mut self.stepped.weights[panel]
        } else {
            &mut self.stepped.gradient[panel]
        };
        for q in 0..Q {
            apply_gradient::<S, V, STEP>(g[q], self.stepped.step_size, &mut to[q]);
        }
    }
}

/// Σ_n r[n] a[n, q] of the first `Q` columns of a panel; a[n, q] becomes f(r[n] w[q], a[n, q] or
/// what was kept).
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

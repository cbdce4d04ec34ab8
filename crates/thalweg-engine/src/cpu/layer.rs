//! A hidden layer of a group of replicates: up, and back down with its step.

#![allow(
    clippy::needless_range_loop,
    reason = "tiles read like the formula; their lengths are constants"
)]

use std::ops::Range;

use fearless_simd::Simd;

use super::lane::Lane;
use super::slope::{Slope, activate};
use super::tiles::{
    Panels, Row, Tiles, WIDTH, block, columns_from, columns_of_tile, cover, panels, parts, rows_at,
    rows_at_mut, rows_by_columns, rows_by_rows, stride, zigzag,
};
use crate::Activation;

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
    /// The whole product, as a function of its own: registers are assigned better, and sooner, than
    /// in one large function.
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
                        let mut tiles = ForwardTiles {
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
struct ForwardTiles<'l, 'a, S: Simd, V: Lane<S>> {
    layer: &'l mut Forward<'a, S, V>,
    /// Whether these are the first terms, the last ones.
    first: bool,
    last: bool,
    input: Panels<'a, V>,
    weights: Panels<'a, V>,
}

impl<S: Simd, V: Lane<S>> Tiles for ForwardTiles<'_, '_, S, V> {
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

/// What a layer trains, and where its gradient goes: to the rule, or at once into a step.
pub(super) struct Stepped<'a, V> {
    /// [fan_out, fan_in], and [fan_out] or nothing.
    pub(super) weights: &'a mut [Row<V>],
    pub(super) bias: &'a mut [V],
    /// Rooms for the gradient, used unless `STEP`.
    pub(super) gradient: &'a mut [Row<V>],
    pub(super) bias_gradient: &'a mut [V],
    pub(super) step_size: V,
    pub(super) bias_step_size: V,
}

/// w += step_size · g if `STEP`, else the gradient is kept.
#[inline(always)]
pub(super) fn apply_gradient<S: Simd, V: Lane<S>, const STEP: bool>(
    g: V,
    step_size: V,
    to: &mut V,
) {
    *to = if STEP {
        step_size.mul_add_precise(g, *to)
    } else {
        g
    };
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
    pub(super) grad_input: &'a mut [Row<V>],
    pub(super) stepped: Stepped<'a, V>,
}

impl<S: Simd, V: Lane<S>> Backward<'_, S, V> {
    /// Both products. Where ∂L/∂z is one block, panel by panel: the weights are read, and stepped
    /// while still near.
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
                    if !self.grad_input.is_empty() {
                        for rows in parts(n, height) {
                            for terms in parts(panels(fan_out), length) {
                                self.input_gradient(rows.clone(), terms, some.clone());
                            }
                        }
                    }
                    self.gradient::<STEP>(some);
                }
            },
        );
    }

    #[inline(always)]
    fn input_gradient(&mut self, rows: Range<usize>, terms: Range<usize>, some: Range<usize>) {
        let mut tiles = InputGradient {
            simd: self.simd,
            points: self.points,
            fan_out: self.fan_out,
            delta: Panels::of(self.delta, self.points, self.fan_out, terms.clone()),
            terms: terms.start * WIDTH..self.fan_out.min(terms.end * WIDTH),
            // Before the step touches them.
            weights: self.stepped.weights,
            slope_from: self.slope_from,
            slope: self.slope_from.source(self.input, self.slope),
            grad_input: self.grad_input,
        };
        cover(&mut tiles, rows, self.fan_in, some);
    }

    #[inline(always)]
    fn gradient<const STEP: bool>(&mut self, some: Range<usize>) {
        let stepped = &mut self.stepped;
        let mut tiles = Gradient::<S, V, STEP> {
            simd: self.simd,
            points: self.points,
            fan_out: self.fan_out,
            delta: self.delta,
            input: self.input,
            step_size: stepped.step_size,
            bias_step_size: stepped.bias_step_size,
            to: if STEP {
                stepped.weights
            } else {
                stepped.gradient
            },
            bias: if STEP {
                stepped.bias
            } else {
                stepped.bias_gradient
            },
        };
        cover(&mut tiles, 0..self.fan_out, self.fan_in, some);
    }
}

/// grad_input[n, k] = φ'[n, k] Σ_j delta[n, j] w[j, k].
struct InputGradient<'a, S: Simd, V: Lane<S>> {
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
    grad_input: &'a mut [Row<V>],
}

impl<S: Simd, V: Lane<S>> Tiles for InputGradient<'_, S, V> {
    const ROWS: usize = 5;
    const COLUMNS: usize = columns_of_tile::<S, V>();
    const EVEN: bool = true;

    #[inline(always)]
    fn tile<const P: usize, const Q: usize>(&mut self, row: usize, panel: usize, column: usize) {
        let at = panel * stride(self.points) + row;
        let mut acc = [[V::of(self.simd, 0.0); Q]; P];
        if self.terms.start > 0 {
            acc = columns_from(rows_at(self.grad_input, at), column);
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
        let grad_input = rows_at_mut::<V, P>(self.grad_input, at);
        let slope = rows_at::<V, P>(self.slope, at);
        let slope_from = if self.terms.end == self.fan_out {
            self.slope_from
        } else {
            Slope::One
        };
        for p in 0..P {
            for q in 0..Q {
                let (grad_input, slope) = (&mut grad_input[p][column + q], slope[p][column + q]);
                *grad_input = slope_from.times(self.simd, acc[p][q], slope);
            }
        }
    }
}

/// g[j, k] = Σ_n delta[n, j] input[n, k]; w[j, k] += step_size · g[j, k] if `STEP`. A bias is a
/// column whose input is one: its sum runs along with the first panel.
struct Gradient<'a, S: Simd, V: Lane<S>, const STEP: bool> {
    simd: S,
    points: usize,
    fan_out: usize,
    delta: &'a [Row<V>],
    input: &'a [Row<V>],
    step_size: V,
    bias_step_size: V,
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
                    let p = zigzag(c, p, P);
                    if BIAS {
                        ones[p] += delta[c][p];
                    }
                    for q in 0..Q {
                        let q = zigzag(c, q, Q);
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
                apply_gradient::<S, V, STEP>(acc[p][q], self.step_size, &mut to[p][column + q]);
            }
        }
        if BIAS {
            let to = &mut self.bias[row..][..P];
            for p in 0..P {
                apply_gradient::<S, V, STEP>(ones[p], self.bias_step_size, &mut to[p]);
            }
        }
    }
}

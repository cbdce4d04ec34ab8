//! A group of networks trained side by side: a lane is a replicate.
//!
//! Any width is full, no padding is needed, and the kernel reads like the formula.

use std::ops::Range;

use fearless_simd::Simd;

use super::kernel::Body;
use super::lane::{Lane, Real};
use super::rule::Rule;
use super::tiles::{Backward, Forward, Gradient, Slope, bias_gradient, product, stride};
use crate::descent::Method;
use crate::engine::{Problem, Start};
use crate::net::Tensor;

/// The numbers of a group of replicates. Matrices are row-major, the lane innermost, rows
/// [`stride`] vectors apart.
pub(super) struct Group<S: Simd, V: Lane<S>> {
    simd: S,
    spans: Vec<Span>,
    /// Effective weights.
    w: Vec<V>,
    rule: Rule<V>,
    /// [N, d] and `[N]`.
    x: Vec<V>,
    y: Vec<V>,
    /// Activations of each hidden layer [N, h], and φ' where the activation does not tell it.
    a: Vec<Vec<V>>,
    slope: Vec<Vec<V>>,
    slope_from: Slope,
    /// ∂L/∂z over 2 s of two neighbouring layers [N, h].
    delta: Vec<V>,
    below: Vec<V>,
    /// Residuals `[N]`.
    r: Vec<V>,
    /// Weight of each point in the mini-batch `[N]`.
    in_batch: Vec<V>,
}

/// Where a tensor lies: its rows, `stride` vectors apart.
struct Span {
    start: usize,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl Span {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows * self.stride
    }
}

fn spans(problem: &Problem) -> Vec<Span> {
    let mut start = 0;
    let span = |tensor: &Tensor| {
        let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
        let rows = tensor.len() / columns;
        let stride = if tensor.is_bias {
            columns
        } else {
            stride(columns)
        };
        let span = Span {
            start,
            rows,
            columns,
            stride,
        };
        start += rows * stride;
        span
    };
    problem.tensors.iter().map(span).collect()
}

impl<S: Simd, V: Lane<S>> Body<S, V> for Group<S, V> {
    fn new(simd: S, problem: &Problem) -> Self {
        let zero = V::of(simd, 0.0);
        let spans = spans(problem);
        let parameters = spans.last().map_or(0, |s| s.range().end);
        let slope_from = Slope::of(problem.activation);
        let hidden = &problem.sizes[1..problem.sizes.len() - 1];
        let n = problem.points;
        let widest = hidden.iter().copied().max().unwrap_or(0).max(1);
        let layer = |wanted: bool| {
            let rows = hidden.iter().map(|&h| n * stride(h));
            rows.map(|len| vec![zero; if wanted { len } else { 0 }])
                .collect()
        };
        Group {
            simd,
            spans,
            w: vec![zero; parameters],
            rule: Rule::new(simd, problem, parameters),
            x: vec![zero; n * stride(problem.sizes[0])],
            y: vec![zero; n],
            a: layer(true),
            slope: layer(slope_from == Slope::Kept),
            slope_from,
            delta: vec![zero; n * stride(widest)],
            below: vec![zero; n * stride(widest)],
            r: vec![zero; n],
            in_batch: vec![zero; n],
        }
    }

    fn load(&mut self, problem: &Problem, lane: usize, start: &Start) {
        let load = |to: &mut [V], from: &[f64]| {
            to.iter_mut()
                .zip(from)
                .for_each(|(v, &value)| v.as_mut_slice()[lane] = Real::of(value));
        };
        for (span, tensor) in self.spans.iter().zip(&problem.tensors) {
            let from = &start.weights[tensor.range()];
            for (row, from) in from.chunks_exact(span.columns).enumerate() {
                load(&mut self.w[span.start + row * span.stride..], from);
            }
        }
        let d = problem.sizes[0];
        for (row, from) in start.x.chunks_exact(d).enumerate() {
            load(&mut self.x[row * stride(d)..], from);
        }
        load(&mut self.y, &start.y);
        self.rule.begin(problem, start, lane..lane + 1);
    }

    fn weights(&self, problem: &Problem, lane: usize, to: &mut Vec<f64>) {
        to.clear();
        to.reserve(problem.tensors.last().map_or(0, |t| t.range().end));
        for span in &self.spans {
            for row in self.w[span.range()].chunks_exact(span.stride) {
                let values = row[..span.columns].iter();
                to.extend(values.map(|v| v.as_slice()[lane].to_f64()));
            }
        }
    }

    fn put_in_batch(&mut self, lane: usize, point: usize, weight: f64) {
        self.in_batch[point].as_mut_slice()[lane] = Real::of(weight);
    }

    #[inline(always)]
    fn forward(&mut self, problem: &Problem) -> V {
        let simd = self.simd;
        let n = problem.points;
        let per_layer = if problem.bias { 2 } else { 1 };
        let layers = problem.sizes.len() - 1;
        for l in 0..layers {
            let (fan_in, fan_out) = (problem.sizes[l], problem.sizes[l + 1]);
            let weights = &self.w[self.spans[per_layer * l].range()];
            let bias: &[V] = if problem.bias {
                &self.w[self.spans[per_layer * l + 1].range()]
            } else {
                &[]
            };
            let (before, after) = self.a.split_at_mut(l);
            let hidden = l + 1 < layers;
            let tiles = Forward::<S, V> {
                input: if l == 0 { &self.x } else { &before[l - 1] },
                weights,
                bias,
                simd,
                fan_in,
                fan_out,
                activation: hidden.then_some(problem.activation),
                slope: if hidden && self.slope_from == Slope::Kept {
                    &mut self.slope[l]
                } else {
                    &mut []
                },
                z: if hidden { &mut after[0] } else { &mut self.r },
            };
            product(simd, tiles, n, fan_out);
        }
        let mut sum = V::of(simd, 0.0);
        for (r, y) in self.r.iter_mut().zip(&self.y) {
            *r -= *y;
            sum = r.mul_add_precise(*r, sum);
        }
        sum * V::of(simd, problem.loss.factor(n))
    }

    #[inline(always)]
    fn step(&mut self, problem: &Problem, repeated: u64) -> u64 {
        match problem.method {
            Method::Gd if repeated == 0 => self.backward::<true>(problem),
            Method::Gd => {
                self.backward::<false>(problem);
                let spans = self.spans.iter().map(Span::range);
                return repeated & !self.rule.descend(&mut self.w, spans);
            }
            Method::Sgd { .. } => {
                for (r, weight) in self.r.iter_mut().zip(&self.in_batch) {
                    *r *= *weight;
                }
                self.backward::<true>(problem);
            }
            Method::Momentum { .. } | Method::Nesterov { .. } | Method::Adam { .. } => {
                self.backward::<false>(problem);
                let spans = self.spans.iter().map(Span::range);
                self.rule.step(self.simd, problem, &mut self.w, spans);
            }
        }
        0
    }
}

impl<S: Simd, V: Lane<S>> Group<S, V> {
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
            let at = self.spans[per_layer * l].range();
            let delta = if l == last { &self.r } else { &self.delta };
            if l > 0 {
                // Before the step touches these weights.
                let tiles = Backward::<S, V> {
                    delta,
                    weights: &self.w[at.clone()],
                    slope_from: self.slope_from,
                    slope: if self.slope_from == Slope::Kept {
                        &self.slope[l - 1]
                    } else {
                        &self.a[l - 1]
                    },
                    simd,
                    fan_in,
                    fan_out,
                    below: &mut self.below,
                };
                product(simd, tiles, n, fan_in);
            }
            let to = if STEP { &mut self.w } else { &mut self.rule.g };
            let tiles = Gradient::<S, V, STEP> {
                delta,
                input: if l == 0 { &self.x } else { &self.a[l - 1] },
                simd,
                pace: self.rule.pace[per_layer * l],
                points: n,
                fan_in,
                fan_out,
                to: &mut to[at],
            };
            product(simd, tiles, fan_out, fan_in);
            if problem.bias {
                let at = self.spans[per_layer * l + 1].range();
                let pace = self.rule.pace[per_layer * l + 1];
                bias_gradient::<S, V, STEP>(simd, delta, n, pace, &mut to[at]);
            }
            std::mem::swap(&mut self.delta, &mut self.below);
        }
    }
}

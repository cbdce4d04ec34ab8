//! The update rules, element by element: weights and gradients may lie in any order.

use std::ops::Range;

use fearless_simd::{Select, Simd, SimdMask};

use super::lane::{Lane, Real};
use crate::Problem;
use crate::{Clip, Method};

/// What a rule remembers of the gradients, and its step_size.
pub(super) struct UpdateRule<V> {
    /// The lanes of each vector that hold a weight, as bits; the others are padding, of which no
    /// sum takes anything and which may hold what it likes.
    real: Vec<u64>,
    /// Gradient over 2 s; unused where the step is fused into the backward pass.
    pub(super) g: Vec<V>,
    /// First and second running means.
    first: Vec<V>,
    second: Vec<V>,
    /// −(rate · factor · multiplier² · 2 s) of each tensor; for Adam −(rate · factor · multiplier).
    pub(super) step_size: Vec<V>,
    /// −(rate · factor · λ) of each tensor: the decoupled weight decay.
    shrink: Vec<V>,
    /// β₁^t and β₂^t.
    decay: [V; 2],
}

impl<V: Copy> UpdateRule<V> {
    /// A rule for weights of which these lanes are real.
    pub(super) fn new<S: Simd>(simd: S, problem: &Problem, real: Vec<u64>) -> UpdateRule<V>
    where
        V: Lane<S>,
    {
        let (zero, parameters) = (V::of(simd, 0.0), real.len());
        let state = |wanted: bool| vec![zero; if wanted { parameters } else { 0 }];
        let (first, second) = match problem.method {
            Method::Gd => (false, false),
            Method::Momentum { .. } | Method::Nesterov { .. } => (true, false),
            Method::Adam { .. } | Method::AdamW { .. } => (true, true),
        };
        UpdateRule {
            real,
            g: state(true),
            first: state(first),
            second: state(second),
            step_size: vec![zero; problem.tensors.len()],
            shrink: vec![zero; problem.tensors.len()],
            decay: [zero; 2],
        }
    }

    /// Forgets what a replicate left in some lanes and takes the rate of the next one.
    pub(super) fn begin<S: Simd>(&mut self, problem: &Problem, rate: f64, lanes: Range<usize>)
    where
        V: Lane<S>,
    {
        let set = |v: &mut V, value: f64| {
            for lane in lanes.clone() {
                v.as_mut_slice()[lane] = Real::of(value);
            }
        };
        for state in [&mut self.g, &mut self.first, &mut self.second] {
            state.iter_mut().for_each(|v| set(v, 0.0));
        }
        self.decay.iter_mut().for_each(|v| set(v, 1.0));
        self.set_rate(problem, rate, lanes);
    }

    /// The rate of some lanes from now on; what is remembered of gradients stays.
    pub(super) fn set_rate<S: Simd>(&mut self, problem: &Problem, rate: f64, lanes: Range<usize>)
    where
        V: Lane<S>,
    {
        let each = self.step_size.iter_mut().zip(&mut self.shrink);
        for (i, (step_size, shrink)) in each.enumerate() {
            for lane in lanes.clone() {
                step_size.as_mut_slice()[lane] = Real::of(problem.step_size(i, rate));
                shrink.as_mut_slice()[lane] = Real::of(problem.shrink(i, rate));
            }
        }
    }

    /// What happens to the gradient in `g` before the rule has it: it is clipped, and λ θ is added
    /// unless the decay is decoupled. `squares` are the sums of g² over each tensor; nothing is
    /// asked of them but by a clipped norm.
    ///
    /// g is that of the effective weights over 2 s: 2 s m g is that of the trainable numbers w/m.
    #[inline(always)]
    pub(super) fn change_gradient<S: Simd>(
        &mut self,
        simd: S,
        problem: &Problem,
        w: &[V],
        spans: impl Iterator<Item = Range<usize>>,
        squares: &[V],
    ) where
        V: Lane<S>,
    {
        let of = |v: f64| V::of(simd, v);
        let two_s = 2.0 * problem.loss_factor();
        let decay = match problem.method {
            Method::AdamW { .. } => 0.0,
            Method::Gd
            | Method::Momentum { .. }
            | Method::Nesterov { .. }
            | Method::Adam { .. } => problem.weight_decay,
        };
        let mut factor = of(1.0);
        if let Some(Clip::Norm(bound)) = problem.clip {
            let mut sum = of(0.0);
            for (square, m) in squares.iter().zip(&problem.multipliers) {
                let scale = two_s * m;
                sum = of(scale * scale).mul_add_precise(*square, sum);
            }
            // A NaN stays one.
            let shorter = of(bound) / (sum.sqrt() + of(1e-6));
            factor = factor.simd_lt(shorter).select(factor, shorter);
        }
        for (i, span) in spans.enumerate() {
            let m = problem.multipliers[i];
            let weight = of(decay / (two_s * m * m));
            let each = w[span.clone()].iter().zip(&mut self.g[span]);
            for (w, g) in each {
                let clipped = match problem.clip {
                    None => *g,
                    Some(Clip::Norm(_)) => *g * factor,
                    Some(Clip::Value(bound)) => {
                        let (low, high) = (of(-bound / (two_s * m)), of(bound / (two_s * m)));
                        let below = g.simd_gt(high).select(high, *g);
                        below.simd_lt(low).select(low, below)
                    }
                };
                *g = if decay > 0.0 {
                    weight.mul_add_precise(*w, clipped)
                } else {
                    clipped
                };
            }
        }
    }

    /// The step of gradient descent from `g`; the lanes in which a weight changed. Padding that
    /// moves is no weight: there an infinite rate makes NaN, which differs from itself for ever.
    #[inline(always)]
    pub(super) fn descend<S: Simd>(
        &self,
        w: &mut [V],
        spans: impl Iterator<Item = Range<usize>>,
    ) -> u64
    where
        V: Lane<S>,
    {
        let mut moved = 0;
        for (span, step_size) in spans.zip(&self.step_size) {
            let real = &self.real[span.clone()];
            let each = w[span.clone()].iter_mut().zip(&self.g[span]);
            for ((w, g), real) in each.zip(real) {
                let new = step_size.mul_add_precise(*g, *w);
                moved |= !new.simd_eq(*w).to_bitmask() & real;
                *w = new;
            }
        }
        moved
    }

    /// The step of a rule with memory, from `g`.
    #[inline(always)]
    pub(super) fn step<S: Simd>(
        &mut self,
        simd: S,
        problem: &Problem,
        w: &mut [V],
        spans: impl Iterator<Item = Range<usize>>,
    ) where
        V: Lane<S>,
    {
        let of = |v: f64| V::of(simd, v);
        match problem.method {
            Method::Gd => {}
            Method::Momentum { beta } | Method::Nesterov { beta } => {
                let nesterov = matches!(problem.method, Method::Nesterov { .. });
                let beta = of(beta);
                for (span, step_size) in spans.zip(&self.step_size) {
                    for p in span {
                        let g = self.g[p];
                        let mean = beta.mul_add_precise(self.first[p], g);
                        self.first[p] = mean;
                        let step = if nesterov {
                            beta.mul_add_precise(mean, g)
                        } else {
                            mean
                        };
                        w[p] = step_size.mul_add_precise(step, w[p]);
                    }
                }
            }
            Method::Adam { betas, eps } | Method::AdamW { betas, eps } => {
                let decoupled =
                    matches!(problem.method, Method::AdamW { .. }) && problem.weight_decay > 0.0;
                let s = problem.loss_factor();
                let one = of(1.0);
                self.decay[0] *= of(betas[0]);
                self.decay[1] *= of(betas[1]);
                let to_mean = one / (one - self.decay[0]);
                let to_root = (one - self.decay[1]).sqrt();
                let (rest1, beta2, rest2, eps) = (
                    of(1.0 - betas[0]),
                    of(betas[1]),
                    of(1.0 - betas[1]),
                    of(eps),
                );
                for (i, span) in spans.enumerate() {
                    let scale = of(2.0 * s * problem.multipliers[i]);
                    let step_size = self.step_size[i] * to_mean;
                    let shrink = self.shrink[i];
                    for p in span {
                        let g = self.g[p] * scale;
                        let first = rest1.mul_add_precise(g - self.first[p], self.first[p]);
                        let second = beta2.mul_add_precise(self.second[p], rest2 * g * g);
                        self.first[p] = first;
                        self.second[p] = second;
                        let step = first / (second.sqrt() / to_root + eps);
                        if decoupled {
                            w[p] = shrink.mul_add_precise(w[p], w[p]);
                        }
                        w[p] = step_size.mul_add_precise(step, w[p]);
                    }
                }
            }
        }
    }
}

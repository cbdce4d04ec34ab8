//! What the outputs of a step are worth: the loss, its derivative, and what success is judged by.

use fearless_simd::prelude::*;

use super::activation::{self, Activate};
use super::lane::Lane;
use crate::{Criterion, Loss, Output, Problem};

/// What an output z is worth beside its target.
pub(super) struct Worth<V> {
    /// ∂L/∂z over 2 s.
    pub(super) delta: V,
    /// Its term of L over s, a product.
    pub(super) term: [V; 2],
    /// How far it is from success; of the outputs of a point the largest counts.
    pub(super) miss: V,
}

/// Of one output z and its target y, ±1 for the logistic loss.
#[inline(always)]
pub(super) fn worth<S: Simd, V: Lane<S>>(simd: S, problem: &Problem, z: V, y: V) -> Worth<V> {
    let of = |v: f64| V::of(simd, v);
    let (f, delta, term) = match problem.loss {
        Loss::Sum | Loss::Mean | Loss::HalfSum | Loss::HalfMean => {
            let (f, slope) = match problem.output {
                Output::Identity => (z, None),
                Output::Sigmoid => {
                    let (f, slope) = activation::Sigmoid::value_and_slope::<S, V>(z);
                    (f, Some(slope))
                }
                Output::Tanh => {
                    let (f, slope) = activation::Tanh::value_and_slope::<S, V>(z);
                    (f, Some(slope))
                }
            };
            let r = f - y;
            (f, slope.map_or(r, |slope| r * slope), [r, r])
        }
        // ln(1 + e^{−yz}), of which softplus and its slope are right however large z is.
        Loss::Logistic | Loss::MeanLogistic => {
            let (soft, s) = activation::Softplus::value_and_slope::<S, V>(-(y * z));
            (z, y * s * of(-0.5), [soft, of(1.0)])
        }
    };
    let miss = match problem.success {
        Criterion::Loss { .. } => of(0.0),
        Criterion::Error { .. } => (f - y).abs(),
        Criterion::Accuracy { boundary, .. } => {
            let side = (f - of(boundary)) * (y - of(boundary));
            side.simd_gt(of(0.0)).select(of(0.0), of(1.0))
        }
    };
    Worth { delta, term, miss }
}

/// What success is judged by, from the misses of one point after the other.
#[inline(always)]
pub(super) fn gather<S: Simd, V: Lane<S>>(success: Criterion, before: V, miss: V) -> V {
    match success {
        Criterion::Loss { .. } => before,
        Criterion::Error { .. } => before.max_precise(miss),
        Criterion::Accuracy { .. } => before + miss,
    }
}

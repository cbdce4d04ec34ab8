//! What activations do to many vectors, and where their slopes come from on the way back.

use fearless_simd::{Select, Simd};

use super::activation::{self, Activate};
use super::lane::Lane;
use crate::Activation;

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

    /// The values of φ or the kept slopes, whichever tell φ'.
    #[inline(always)]
    pub(super) fn source<'a, T>(self, values: &'a [T], kept: &'a [T]) -> &'a [T] {
        if self == Slope::Kept { kept } else { values }
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

    /// The same for many; the choice is made outside the loop.
    #[inline(always)]
    pub(super) fn apply<S: Simd, V: Lane<S>>(self, simd: S, sums: &mut [V], from: &[V]) {
        let each = sums.iter_mut().zip(from);
        match self {
            Slope::One => {}
            Slope::Step => each.for_each(|(s, a)| *s = Slope::Step.times(simd, *s, *a)),
            Slope::Leak => each.for_each(|(s, a)| *s = Slope::Leak.times(simd, *s, *a)),
            Slope::Tanh => each.for_each(|(s, a)| *s = Slope::Tanh.times(simd, *s, *a)),
            Slope::Kept => each.for_each(|(s, a)| *s = Slope::Kept.times(simd, *s, *a)),
        }
    }
}

/// Replaces z by φ(z), and writes φ'(z) where there is room for it. A function of its own: its many
/// constants would take the products' registers.
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
            Activation::Relu => value_only::<S, V, activation::Relu>(z),
            Activation::LeakyRelu => value_only::<S, V, activation::LeakyRelu>(z),
            Activation::Tanh => value_only::<S, V, activation::Tanh>(z),
            Activation::Abs => activate_with::<S, V, activation::Abs>(z, slope),
            Activation::Sigmoid => activate_with::<S, V, activation::Sigmoid>(z, slope),
            Activation::Erf => activate_with::<S, V, activation::Erf>(z, slope),
            Activation::Gelu => activate_with::<S, V, activation::Gelu>(z, slope),
            Activation::Silu => activate_with::<S, V, activation::Silu>(z, slope),
            Activation::Softplus => activate_with::<S, V, activation::Softplus>(z, slope),
            Activation::Sin => activate_with::<S, V, activation::Sin>(z, slope),
            Activation::Cos => activate_with::<S, V, activation::Cos>(z, slope),
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

//! Numbers of every magnitude and what functions on vectors make of them, for their tests.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};

use super::activation::Activate;
use super::elementary::Elementary;
use super::lane::{Lane, Real};

/// `e^z`, with itself as slope: not an activation function, but tested as one.
pub(super) struct Exp;

impl Activate for Exp {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let e = z.exp();
        (e, e)
    }
}

/// Values and slopes, one chunk of lanes after the other.
#[inline(always)]
pub(super) fn map<A: Activate, R: Real, S: Simd>(simd: S, x: &[R]) -> Vec<(R, R)> {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut out = Vec::with_capacity(x.len());
            let lanes = R::Native::<S>::LEN;
            for chunk in x.chunks(lanes) {
                let mut v = R::Native::<S>::splat(simd, R::of(0.0));
                v.as_mut_slice()[..chunk.len()].copy_from_slice(chunk);
                let (a, b) = A::value_and_slope(v);
                out.extend((0..chunk.len()).map(|i| (a[i], b[i])));
            }
            out
        },
    )
}

/// The same with the best instructions this processor has.
pub(super) fn apply<A: Activate, R: Real>(x: &[R]) -> Vec<(R, R)> {
    dispatch!(Level::new(), simd => map::<A, R, _>(simd, x))
}

/// `n` random numbers in `[low, high)`.
pub(super) fn uniform<R: Real>(low: f64, high: f64, n: usize) -> Vec<R> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        R::of(low + (high - low) * (state >> 11) as f64 / (1_u64 << 53) as f64)
    };
    (0..n).map(|_| next()).collect()
}

/// Numbers of both signs and every magnitude from the smallest subnormal to the largest.
pub(super) trait Sweep: Real {
    /// Distance to the next number.
    fn ulp(reference: f64) -> f64;
    fn every_magnitude(n: u64) -> Vec<Self>;
    fn bits(self) -> u64;
}

impl Sweep for f32 {
    fn ulp(reference: f64) -> f64 {
        let exponent = libm::ilogb(reference).clamp(-126, 127);
        libm::ldexp(1.0, exponent - 23)
    }

    fn every_magnitude(n: u64) -> Vec<Self> {
        let step = (2 * u64::from(f32::MAX.to_bits()) / n) as usize | 1;
        (1..=f32::MAX.to_bits())
            .step_by(step)
            .flat_map(|b| [f32::from_bits(b), -f32::from_bits(b)])
            .collect()
    }

    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Sweep for f64 {
    fn ulp(reference: f64) -> f64 {
        let exponent = libm::ilogb(reference).clamp(-1022, 1023);
        libm::ldexp(1.0, exponent - 52)
    }

    fn every_magnitude(n: u64) -> Vec<Self> {
        let step = (2 * (f64::MAX.to_bits() / n)) as usize | 1;
        (1..=f64::MAX.to_bits())
            .step_by(step)
            .flat_map(|b| [f64::from_bits(b), -f64::from_bits(b)])
            .collect()
    }

    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// `1/(1 + e^{-x})` in double precision.
pub(super) fn sigmoid(x: f64) -> f64 {
    if x < 0.0 {
        let e = libm::exp(x);
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + libm::exp(-x))
    }
}

/// `ln(1 + e^x)` in double precision.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

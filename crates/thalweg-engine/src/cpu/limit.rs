//! What the processor could do: the peak of fused multiply-adds, the cost of tanh.

use fearless_simd::Simd;

use super::elementary::Elementary;
use super::lane::Lane;

/// `rounds` × 20 (10 with 16 registers) fused multiply-adds of whole vectors, in registers; the
/// number of floating-point operations, and something that depends on all of them.
#[inline(always)]
pub(super) fn multiply_add<S: Simd, V: Lane<S>>(simd: S, rounds: u64) -> (f64, f64) {
    let flops = if V::LEN * size_of::<V::Element>() == 64 {
        chains::<S, V, 20>(simd, rounds)
    } else {
        chains::<S, V, 12>(simd, rounds)
    };
    (flops.0 * 2.0 * V::LEN as f64, flops.1)
}

#[inline(always)]
fn chains<S: Simd, V: Lane<S>, const Q: usize>(simd: S, rounds: u64) -> (f64, f64) {
    let (a, b) = (V::of(simd, 0.999_999), V::of(simd, 1e-9));
    let mut sums = [V::of(simd, 1.0); Q];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = sum.mul_add_precise(a, b);
        }
    }
    let mut all = V::of(simd, 0.0);
    for sum in sums {
        all += sum;
    }
    ((rounds * Q as u64) as f64, first(all))
}

/// tanh of a few vectors, again and again; the numbers taken, and something that depends on them.
#[inline(always)]
pub(super) fn tanh<S: Simd, V: Lane<S>>(simd: S, rounds: u64) -> (f64, f64) {
    let mut vectors = [V::of(simd, 0.5); 64];
    for _ in 0..rounds {
        for v in &mut vectors {
            *v = v.tanh();
        }
    }
    let mut all = V::of(simd, 0.0);
    for v in vectors {
        all += v;
    }
    ((rounds * 64 * V::LEN as u64) as f64, first(all))
}

fn first<S: Simd, V: Lane<S>>(v: V) -> f64 {
    use super::lane::Real;
    v.as_slice()[0].to_f64()
}

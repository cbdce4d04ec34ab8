//! Activation functions over a vector of replicates, each a type of its own.

use fearless_simd::prelude::*;

use super::elementary::Elementary;
use super::lane::{Lane, Real};

/// An activation function: what a unit makes of its input.
///
/// Each is a unit struct, so that a kernel generic over it is compiled once for each function.
/// A NaN gives the value NaN; the slope at a NaN is not specified.
pub(crate) trait Activate {
    /// `f(z)` and `f'(z)`.
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V);
}

/// `max(z, 0)`, with slope 0 at 0.
pub(crate) struct Relu;

impl Activate for Relu {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let zero = V::of(z.token(), 0.0);
        let one = V::of(z.token(), 1.0);
        (z.relu(), z.simd_le(zero).select(zero, one))
    }
}

/// `z` where positive, else `0.01 z`, with slope 0.01 at 0.
pub(crate) struct LeakyRelu;

impl Activate for LeakyRelu {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let leak = V::of(z.token(), 0.01);
        let on = z.simd_gt(V::of(z.token(), 0.0));
        (
            on.select(z, z * leak),
            on.select(V::of(z.token(), 1.0), leak),
        )
    }
}

/// `|z|`, with slope 0 at 0.
pub(crate) struct Abs;

impl Activate for Abs {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let zero = V::of(z.token(), 0.0);
        let sign = V::of(z.token(), 1.0).copysign(z);
        (z.abs(), z.simd_eq(zero).select(zero, sign))
    }
}

/// `tanh z`, with slope `1 - tanh^2 z`.
pub(crate) struct Tanh;

impl Activate for Tanh {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let t = z.tanh();
        (t, t.fnma(t, V::of(z.token(), 1.0)))
    }
}

/// `s = 1/(1 + e^{-z})`, with slope `s (1 - s)`.
pub(crate) struct Sigmoid;

impl Activate for Sigmoid {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let (s, complement, _) = z.sigmoid_parts();
        (s, s * complement)
    }
}

/// `erf z`, with slope `2/sqrt(pi) e^{-z^2}`.
pub(crate) struct Erf;

impl Activate for Erf {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let (erf, gauss) = z.erf_and_gauss();
        (
            erf,
            gauss * V::of(z.token(), std::f64::consts::FRAC_2_SQRT_PI),
        )
    }
}

/// `z F(z)` with `F` the normal distribution function, exactly; slope `F(z) + z F'(z)`.
///
/// The value is relatively accurate in the left tail too: 12 ulp (f32), 6 ulp (f64).
pub(crate) struct Gelu;

impl Activate for Gelu {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let simd = z.token();
        let (normal, gauss) = z.normal_and_gauss();
        // An infinite argument must not meet a factor of zero.
        let end = V::of(simd, V::Element::ERFC_END * std::f64::consts::SQRT_2);
        let value = z.clamp(-end, V::of(simd, f64::INFINITY)) * normal;
        let density = gauss * V::of(simd, 0.3989422804014327);
        (value, z.clamp(-end, end).fma(density, normal))
    }
}

/// `z s` with `s = 1/(1 + e^{-z})`; slope `s (1 + z (1 - s))`.
pub(crate) struct Silu;

impl Activate for Silu {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let simd = z.token();
        let (s, complement, _) = z.sigmoid_parts();
        // An infinite argument must not meet a factor of zero.
        let [low, _] = V::Element::EXP_RANGE;
        let low = V::of(simd, low);
        let value = z.clamp(low, V::of(simd, f64::INFINITY)) * s;
        let bounded = z.clamp(low, -low);
        (value, s * bounded.fma(complement, V::of(simd, 1.0)))
    }
}

/// `ln(1 + e^z)`, with slope `1/(1 + e^{-z})`.
pub(crate) struct Softplus;

impl Activate for Softplus {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let (s, _, e) = z.sigmoid_parts();
        (z.softplus_from(e), s)
    }
}

/// `sin z`, with slope `cos z`.
pub(crate) struct Sin;

impl Activate for Sin {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        z.sin_cos()
    }
}

/// `cos z`, with slope `-sin z`.
pub(crate) struct Cos;

impl Activate for Cos {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let (sin, cos) = z.sin_cos();
        (cos, -sin)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sweep::{Exp, apply, sigmoid, softplus, uniform};
    use super::*;
    use crate::Activation;

    /// What holds for every activation, whatever its type.
    trait Law {
        fn hold<A: Activate>(&self, name: &str);
    }

    /// Holds all of them to a law but the identity, which has no type: it does nothing.
    fn every(law: &impl Law) {
        for activation in Activation::ALL {
            let name = activation.name();
            match activation {
                Activation::Identity => {}
                Activation::Relu => law.hold::<Relu>(name),
                Activation::LeakyRelu => law.hold::<LeakyRelu>(name),
                Activation::Abs => law.hold::<Abs>(name),
                Activation::Tanh => law.hold::<Tanh>(name),
                Activation::Sigmoid => law.hold::<Sigmoid>(name),
                Activation::Erf => law.hold::<Erf>(name),
                Activation::Gelu => law.hold::<Gelu>(name),
                Activation::Silu => law.hold::<Silu>(name),
                Activation::Softplus => law.hold::<Softplus>(name),
                Activation::Sin => law.hold::<Sin>(name),
                Activation::Cos => law.hold::<Cos>(name),
            }
        }
    }

    fn normal(x: f64) -> f64 {
        0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
    }

    /// Each slope against its formula in double precision, relative to the larger of it and 1.
    #[test]
    fn values_and_slopes_are_those_of_the_formulas() {
        fn agree<A: Activate>(name: &str, f: fn(f64) -> f64, slope: fn(f64) -> f64) {
            let close = |a: f64, b: f64, e: f64| (a - b).abs() <= e * b.abs().max(1.0);
            let x: Vec<f64> = uniform(-12.0, 12.0, 50_000);
            for (&x, (y, d)) in x.iter().zip(apply::<A, f64>(&x)) {
                let (want, steep) = (f(x), slope(x));
                assert!(close(y, want, 2e-15), "{name}({x}): {y}, not {want}");
                assert!(close(d, steep, 4e-15), "{name}'({x}): {d}, not {steep}");
            }
            let x: Vec<f32> = uniform(-12.0, 12.0, 50_000);
            for (&x, (y, d)) in x.iter().zip(apply::<A, f32>(&x)) {
                let (want, steep) = (f(f64::from(x)), slope(f64::from(x)));
                assert!(
                    close(y.to_f64(), want, 8e-7),
                    "{name}({x}): {y}, not {want}"
                );
                assert!(
                    close(d.to_f64(), steep, 2e-6),
                    "{name}'({x}): {d}, not {steep}"
                );
            }
        }
        fn density(x: f64) -> f64 {
            libm::exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt()
        }
        fn step(x: f64) -> f64 {
            f64::from(x > 0.0)
        }
        let two_over_root_pi = |x: f64| std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-x * x);
        for activation in Activation::ALL {
            let name = activation.name();
            match activation {
                Activation::Identity => {}
                Activation::Relu => agree::<Relu>(name, |x| x.max(0.0), step),
                Activation::LeakyRelu => {
                    agree::<LeakyRelu>(name, |x| x.max(0.01 * x), |x| 0.01 + 0.99 * step(x))
                }
                Activation::Abs => agree::<Abs>(name, f64::abs, f64::signum),
                Activation::Tanh => {
                    agree::<Tanh>(name, libm::tanh, |x| 1.0 / libm::cosh(x).powi(2))
                }
                Activation::Sigmoid => {
                    agree::<Sigmoid>(name, sigmoid, |x| sigmoid(x) * sigmoid(-x))
                }
                Activation::Erf => agree::<Erf>(name, libm::erf, two_over_root_pi),
                Activation::Gelu => {
                    agree::<Gelu>(name, |x| x * normal(x), |x| normal(x) + x * density(x))
                }
                Activation::Silu => agree::<Silu>(
                    name,
                    |x| x * sigmoid(x),
                    |x| sigmoid(x) * (1.0 + x * sigmoid(-x)),
                ),
                Activation::Softplus => agree::<Softplus>(name, softplus, sigmoid),
                Activation::Sin => agree::<Sin>(name, libm::sin, libm::cos),
                Activation::Cos => agree::<Cos>(name, libm::cos, |x| -libm::sin(x)),
            }
        }
    }

    /// Far to the left the value is tiny and relatively right, not merely small.
    #[test]
    fn gelu_is_accurate_in_its_left_tail() {
        let x: Vec<f64> = uniform(-37.0, 0.0, 100_000);
        for (&x, (y, _)) in x.iter().zip(apply::<Gelu, f64>(&x)) {
            // The reference rounds x/sqrt 2, which costs it x^2 units in the last place.
            let want = x * normal(x);
            assert!(
                ((y - want) / want).abs() <= (x * x + 8.0) * f64::EPSILON,
                "at {x}: {y:e}, not {want:e}"
            );
        }
    }

    /// Zeros of either sign are equal, and so is every NaN.
    fn same(a: f64, b: f64) -> bool {
        (a + 0.0).to_bits() == (b + 0.0).to_bits() || a.is_nan() && b.is_nan()
    }

    /// Holds value and slope at one number to what they are, in f64 and f32.
    fn at<A: Activate>(x: f64, value: f64, slope: Option<f64>) {
        let double = apply::<A, f64>(&[x])[0];
        let single = apply::<A, f32>(&[x as f32])[0];
        for (y, d) in [double, (single.0.into(), single.1.into())] {
            assert!(same(y, value), "f({x}) = {y}");
            if let Some(slope) = slope {
                assert!(same(d, slope), "f'({x}) = {d}");
            }
        }
    }

    #[test]
    fn limits_are_exact_and_nan_is_kept() {
        struct KeepsNan;
        impl Law for KeepsNan {
            fn hold<A: Activate>(&self, _name: &str) {
                at::<A>(f64::NAN, f64::NAN, None);
            }
        }
        const INF: f64 = f64::INFINITY;
        at::<Relu>(0.0, 0.0, Some(0.0));
        at::<Relu>(INF, INF, Some(1.0));
        at::<Relu>(-INF, 0.0, Some(0.0));
        at::<LeakyRelu>(INF, INF, Some(1.0));
        at::<LeakyRelu>(-INF, -INF, None);
        at::<Abs>(0.0, 0.0, Some(0.0));
        at::<Abs>(-INF, INF, Some(-1.0));
        at::<Tanh>(0.0, 0.0, Some(1.0));
        at::<Tanh>(INF, 1.0, Some(0.0));
        at::<Tanh>(-INF, -1.0, Some(0.0));
        at::<Exp>(0.0, 1.0, None);
        at::<Exp>(INF, INF, None);
        at::<Exp>(-INF, 0.0, None);
        at::<Sigmoid>(0.0, 0.5, Some(0.25));
        at::<Sigmoid>(INF, 1.0, Some(0.0));
        at::<Sigmoid>(-INF, 0.0, Some(0.0));
        at::<Erf>(0.0, 0.0, None);
        at::<Erf>(INF, 1.0, Some(0.0));
        at::<Erf>(-INF, -1.0, Some(0.0));
        at::<Gelu>(0.0, 0.0, Some(0.5));
        at::<Gelu>(INF, INF, Some(1.0));
        at::<Gelu>(-INF, 0.0, Some(0.0));
        at::<Gelu>(-1e30, 0.0, Some(0.0));
        at::<Silu>(0.0, 0.0, Some(0.5));
        at::<Silu>(INF, INF, Some(1.0));
        at::<Silu>(-INF, 0.0, Some(0.0));
        at::<Silu>(-1e30, 0.0, Some(0.0));
        at::<Softplus>(INF, INF, Some(1.0));
        at::<Softplus>(-INF, 0.0, Some(0.0));
        at::<Sin>(0.0, 0.0, Some(1.0));
        at::<Sin>(INF, f64::NAN, Some(f64::NAN));
        at::<Cos>(-INF, f64::NAN, Some(f64::NAN));
        every(&KeepsNan);
        at::<Exp>(f64::NAN, f64::NAN, None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn same_bits_on_every_instruction_set() {
        use super::super::sweep::{Sweep, map};
        use fearless_simd::Level;

        fn same<A: Activate, R: Sweep>(name: &str) {
            let mut x = R::every_magnitude(20_000);
            x.extend(uniform::<R>(-110.0, 110.0, 10_000));
            x.extend(uniform::<R>(-4.0, 4.0, 10_000));
            x.extend([0.0, -0.0, f64::INFINITY, -f64::INFINITY, f64::NAN].map(R::of));
            // The payload of a NaN may differ, nothing else.
            let bits = |y: R| {
                if y.to_f64().is_nan() {
                    u64::MAX
                } else {
                    y.bits()
                }
            };
            let level = Level::new();
            let all = [
                level.as_sse2().map(|simd| map::<A, R, _>(simd, &x)),
                level.as_sse4_2().map(|simd| map::<A, R, _>(simd, &x)),
                level.as_avx2().map(|simd| map::<A, R, _>(simd, &x)),
                level.as_avx512().map(|simd| map::<A, R, _>(simd, &x)),
            ];
            let all: Vec<_> = all.into_iter().flatten().collect();
            for other in &all[1..] {
                for ((&x, a), b) in x.iter().zip(&all[0]).zip(other) {
                    let (a, b) = ((bits(a.0), bits(a.1)), (bits(b.0), bits(b.1)));
                    assert_eq!(a, b, "{name} at {x:e}, {} bits", R::BITS);
                }
            }
        }
        struct SameBits;
        impl Law for SameBits {
            fn hold<A: Activate>(&self, name: &str) {
                same::<A, f32>(name);
                same::<A, f64>(name);
            }
        }
        every(&SameBits);
        SameBits.hold::<Exp>("exp");
    }
}

//! Elementary functions over a vector of replicates: exponential, hyperbolic, error and sine.
//!
//! Error bounds are the largest errors seen, in units in the last place (ulp): f32 over every
//! number with `2^-13 <= |x| < 128`, f64 over at least 40,000 numbers against 30 digits or
//! more. The tests hold most functions to somewhat more.

use fearless_simd::prelude::*;

use super::lane::{Lane, Real};

/// The functions that activations are made of; every [`Lane`] has them.
///
/// NaN in gives NaN out throughout; every function takes every argument, infinite and subnormal
/// ones included.
pub(crate) trait Elementary<S: Simd>: Lane<S> {
    /// `e^x`. 1.01 ulp (f32), 1.0 ulp (f64).
    #[inline(always)]
    fn exp(self) -> Self {
        let simd = self.token();
        let of = |v| Self::of(simd, v);
        let [low, high] = Self::Element::EXP_RANGE;
        let x = self.clamp(of(low), of(high));
        // k = round(x / ln 2), kept as the integer k + 2 BIAS in the low bits of `sum`.
        let magic = Self::Element::MAGIC + 2.0 * Self::Element::BIAS;
        let sum = x.fma(of(std::f64::consts::LOG2_E), of(magic));
        let k = sum - of(magic);
        let [c0, c1] = Self::Element::LN_2;
        let r = k.fnma(of(c1), k.fnma(of(c0), x));
        let p = (r * r).fma(r.poly(Self::Element::EXP), r) + of(1.0);
        // Two factors, each a normal number, reach every subnormal with one rounding.
        let bits = sum.to_bits();
        let half = bits >> 1;
        let shift = Self::Element::MANTISSA;
        p * Self::from_bits(half << shift) * Self::from_bits((bits - half) << shift)
    }

    /// `e^{-(h + l)}`, for an `l` far below one; the second part makes `e^{-x^2}` accurate.
    #[inline(always)]
    fn exp_minus(h: Self, l: Self) -> Self {
        let e = (-h).exp();
        l.fnma(e, e)
    }

    /// The hyperbolic tangent. 2.50 ulp (f32), 2.50 ulp (f64).
    ///
    /// `tanh(-x)` and `-tanh x` may differ in the last places: folding the two sides together
    /// would cost a tenth to a quarter of the speed.
    #[inline(always)]
    fn tanh(self) -> Self {
        let simd = self.token();
        let of = |v| Self::of(simd, v);
        let end = Self::Element::TANH_END;
        let x = self.clamp(of(-end), of(end));
        // m = e^{2x} - 1 = 2^k e^{2r} - 1, and tanh x = m/(m + 2).
        let magic = Self::Element::MAGIC + Self::Element::BIAS;
        let sum = x.fma(of(2.0 * std::f64::consts::LOG2_E), of(magic));
        let k = sum - of(magic);
        // The first part is subtracted exactly. The second, far below the last place of r,
        // joins the polynomial, so that r is never rounded: p = e^{2r} - 1 - k c1.
        let [c0, c1] = Self::Element::LN_2;
        let r = k.fnma(of(0.5 * c0), x);
        let p = of(2.0).fma(r, (r * r).fma(r.poly(Self::Element::TANH), k * of(-c1)));
        let scale = Self::from_bits(sum.to_bits() << Self::Element::MANTISSA);
        let m = scale.fma(p, scale - of(1.0));
        m / (m + of(2.0))
    }

    /// `s = 1/(1 + e^{-x})` and `1 - s`, both to 3 ulp, and `e^{-|x|}`.
    #[inline(always)]
    fn sigmoid_parts(self) -> (Self, Self, Self) {
        let one = Self::of(self.token(), 1.0);
        let e = (-self.abs()).exp();
        let more = one / (e + one);
        let less = e * more;
        let positive = self.simd_ge(Self::of(self.token(), 0.0));
        let s = positive.select(more, less);
        let complement = positive.select(less, more);
        (s, complement, e)
    }

    /// `max(x, 0) + ln(1 + e)`, given `e = e^{-|x|}`.
    #[inline(always)]
    fn softplus_from(self, e: Self) -> Self {
        let simd = self.token();
        let zero = Self::of(simd, 0.0);
        // ln(1 + e) = 2 artanh(w/2).
        let w = (e + e) / (e + Self::of(simd, 2.0));
        let v = w * w;
        let ln_1p = (w * v).fma(v.poly(Self::Element::LN_1P), w);
        self.simd_gt(zero).select(self, zero) + ln_1p
    }

    /// `e^{a^2} erfc(a)` for `1 <= a <= ERFC_END`, and some finite number for smaller `a >= 0`.
    #[inline(always)]
    fn erfcx(self) -> Self {
        let simd = self.token();
        let one = Self::of(simd, 1.0);
        let c = Self::Element::ERFCX_SHIFT;
        let u = one / (self + Self::of(simd, c));
        let t = u.fnma(Self::of(simd, 2.0 * c), one);
        u * t.poly(Self::Element::ERFCX)
    }

    /// `erf x` and `e^{-x^2}`.
    #[inline(always)]
    fn erf_and_gauss(self) -> (Self, Self) {
        let simd = self.token();
        let one = Self::of(simd, 1.0);
        let end = Self::Element::ERFC_END;
        let x = self.clamp(Self::of(simd, -end), Self::of(simd, end));
        let a = x.abs();
        let square = x * x;
        let gauss = Self::exp_minus(square, x.mul_sub_precise(x, square));
        let near = x * square.poly(Self::Element::ERF);
        let far = gauss.fnma(a.erfcx(), one).copysign(x);
        (a.simd_lt(one).select(near, far), gauss)
    }

    /// The normal distribution function of `x` and `e^{-x^2/2}`. Accurate in the left tail too.
    #[inline(always)]
    fn normal_and_gauss(self) -> (Self, Self) {
        let simd = self.token();
        let of = |v| Self::of(simd, v);
        let end = Self::Element::ERFC_END * std::f64::consts::SQRT_2;
        let x = self.clamp(of(-end), of(end));
        let half = x * of(0.5);
        let h = half * x;
        let gauss = Self::exp_minus(h, half.mul_sub_precise(x, h));
        // The distribution function at -|x| is erfc(a)/2 with a = |x|/sqrt 2.
        let a = x.abs() * of(std::f64::consts::FRAC_1_SQRT_2);
        let near = (a * of(0.5)).fnma((a * a).poly(Self::Element::ERF), of(0.5));
        let far = gauss * of(0.5) * a.erfcx();
        let tail = a.simd_lt(of(1.0)).select(near, far);
        (x.simd_lt(of(0.0)).select(tail, of(1.0) - tail), gauss)
    }

    /// `sin x` and `cos x`. 1.6 ulp (f32), 1.5 ulp (f64), next to their zeros too.
    ///
    /// Beyond `|x| = 1e5` (f32) or `1e9` (f64) the lanes concerned are taken one by one through
    /// `libm`: as accurate, and far slower. Infinite arguments give NaN.
    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        let simd = self.token();
        let of = |v| Self::of(simd, v);
        // k = round(x / (pi/2)) in the low bits of `sum`; r = x - k pi/2. The first
        // subtraction is exact, so r is accurate relative to itself however small it comes out.
        let magic = of(Self::Element::MAGIC);
        let sum = self.fma(of(std::f64::consts::FRAC_2_PI), magic);
        let k = sum - magic;
        let [c0, c1, c2] = Self::Element::HALF_PI;
        let r = k.fnma(of(c2), k.fnma(of(c1), k.fnma(of(c0), self)));
        let v = r * r;
        let sin = (r * v).fma(v.poly(Self::Element::SIN), r);
        let cos = (v * v).fma(v.poly(Self::Element::COS), v.fnma(of(0.5), of(1.0)));
        // Odd quarters exchange the two; the quarter's two bits, moved to the top, are the signs.
        let top = Self::Element::BITS as u32 - 1;
        let bits = sum.to_bits();
        let odd = bits << top;
        let sign = of(-0.0).to_bits();
        let sin_sign = (bits << (top - 1)) & sign;
        let cos_sign = sin_sign ^ odd;
        let swap = Self::from_bits(odd | of(1.0).to_bits()).simd_lt(of(0.0));
        let s = Self::from_bits(swap.select(cos, sin).to_bits() ^ sin_sign);
        let c = Self::from_bits(swap.select(sin, cos).to_bits() ^ cos_sign);
        if self.abs().simd_gt(of(Self::Element::SIN_RANGE)).any_true() {
            // Copies: what has its address taken lives in memory on the common path too.
            let (mut far_s, mut far_c) = (s, c);
            sin_cos_far(self.as_slice(), far_s.as_mut_slice(), far_c.as_mut_slice());
            return (far_s, far_c);
        }
        (s, c)
    }
}

impl<S: Simd, V: Lane<S>> Elementary<S> for V {}

/// Sine and cosine of the lanes that are out of the vector code's range.
// Not inlined: it is hardly ever called and would fill every caller with libm's reduction.
#[cold]
#[inline(never)]
fn sin_cos_far<R: Real>(x: &[R], s: &mut [R], c: &mut [R]) {
    for ((&x, s), c) in x.iter().zip(s).zip(c) {
        let x = x.to_f64();
        if x.abs() > R::SIN_RANGE {
            *s = R::of(libm::sin(x));
            *c = R::of(libm::cos(x));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::activation::{Activate, Cos, Erf, Sigmoid, Sin, Softplus, Tanh};
    use super::super::sweep::{Exp, Sweep, apply, sigmoid, softplus, uniform};

    /// The largest error of `value` over `x`, in units in the last place.
    fn worst<A: Activate, R: Sweep>(x: &[R], exact: fn(f64) -> f64) -> (f64, f64) {
        let mut worst = (0.0, 0.0);
        for (&x, (y, _)) in x.iter().zip(apply::<A, R>(x)) {
            let (x, y) = (x.to_f64(), y.to_f64());
            let want = exact(x);
            let rounded = R::of(want).to_f64();
            if rounded.to_bits() == y.to_bits() {
                continue;
            }
            assert!(
                y.is_finite() && rounded.is_finite(),
                "at {x:e}: {y:e}, not {want:e}"
            );
            let error = (y - want).abs() / R::ulp(want);
            if error > worst.0 {
                worst = (error, x);
            }
        }
        worst
    }

    /// Holds `value` to `bound` in f32 and f64; f64 may have one ulp more, the reference's own
    /// error.
    fn check<A: Activate>(name: &str, range: f64, bound: [f64; 2], exact: fn(f64) -> f64) {
        let single = [
            f32::every_magnitude(1_000_000),
            uniform(-range, range, 1_000_000),
            uniform(-2.0, 2.0, 1_000_000),
        ];
        let single = worst::<A, f32>(&single.concat(), exact);
        // In double precision the exponential functions reach eight times as far.
        let range = if range > 50.0 { 8.0 * range } else { range };
        let double = [
            f64::every_magnitude(1_000_000),
            uniform(-range, range, 1_000_000),
            uniform(-2.0, 2.0, 1_000_000),
        ];
        let double = worst::<A, f64>(&double.concat(), exact);
        let found = format!("{name}: f32 {single:.3?}, f64 {double:.3?} (ulp, argument)");
        assert!(
            single.0 <= bound[0] && double.0 <= bound[1] + 1.0,
            "{found}"
        );
    }

    #[test]
    fn tanh_is_accurate() {
        // Here libm itself is off by two in double precision.
        check::<Tanh>("tanh", 21.0, [2.5, 3.5], libm::tanh);
    }

    #[test]
    fn exp_is_accurate() {
        check::<Exp>("exp", 110.0, [1.5, 1.5], libm::exp);
    }

    #[test]
    fn sigmoid_is_accurate() {
        check::<Sigmoid>("sigmoid", 110.0, [4.0, 4.0], sigmoid);
    }

    #[test]
    fn softplus_is_accurate() {
        check::<Softplus>("softplus", 110.0, [4.0, 4.0], softplus);
    }

    #[test]
    fn erf_is_accurate() {
        check::<Erf>("erf", 6.5, [4.0, 4.0], libm::erf);
    }

    #[test]
    fn sin_is_accurate() {
        check::<Sin>("sin", 1.1e5, [4.0, 4.0], libm::sin);
    }

    #[test]
    fn cos_is_accurate() {
        check::<Cos>("cos", 1.1e5, [4.0, 4.0], libm::cos);
    }

    /// Next to a multiple of pi/2 nearly all digits of the argument cancel.
    #[test]
    fn sine_is_accurate_next_to_its_zeros() {
        let near = |k: u32| f64::from(k) * std::f64::consts::FRAC_PI_2;
        let single: Vec<f32> = (0..60_000).map(|k| near(k) as f32).collect();
        let double: Vec<f64> = (0..600_000_000).step_by(6_007).map(near).collect();
        for worst in [
            worst::<Sin, f32>(&single, libm::sin),
            worst::<Cos, f32>(&single, libm::cos),
            worst::<Sin, f64>(&double, libm::sin),
            worst::<Cos, f64>(&double, libm::cos),
        ] {
            assert!(worst.0 <= 3.0, "{worst:?}");
        }
    }
}

//! Activation functions over a vector of replicates, with the same bits on every instruction set.
//!
//! A vector holds one floating-point number of each replicate. It has as many lanes as the
//! instruction set allows, so code here is written once over [`Lane`] and element type.
//! Every product that is added to something is fused explicitly, no function takes a
//! reciprocal estimate, and lanes never mix; hence a lane's result depends on nothing but the
//! lane's argument. Only the payload of a NaN may differ, and a zero may lose its sign.
//!
//! `fearless_simd` itself has what is not here: `+ - * /` (also with a scalar on the right),
//! `sqrt`, `abs`, `v[i]` to read or write one lane, `a.simd_lt(b).to_bitmask()` for the lanes
//! as bits of a `u64`, `mask.select(a, b)`, and `max_precise`/`min_precise`, which ignore a NaN
//! if the other operand is a number. Its `max`, `min` and `mul_add` are *not* the same on every
//! instruction set and must not be used.
//!
//! Error bounds are the largest errors seen, in units in the last place (ulp): f32 over every
//! number with `2^-13 <= |x| < 128`, f64 over at least 40,000 numbers against 30 digits or
//! more. The tests hold most functions to somewhat more.

use fearless_simd::prelude::*;

/// The scalar of a network, `f32` or `f64`, with the constants that its functions need.
///
/// `R::Native<S>` is the vector of `R` on instruction set `S`. The polynomials are weighted
/// minimax fits, lowest coefficient first.
pub(crate) trait Real: SimdFloatElement + 'static {
    /// `v` rounded to this type.
    fn of(v: f64) -> Self;
    /// The same number in double precision.
    fn to_f64(self) -> f64;
    /// `self * b + c`, rounded once.
    fn fused(self, b: Self, c: Self) -> Self;
    /// `self - b`.
    fn minus(self, b: Self) -> Self;

    /// Bits of the stored mantissa.
    const MANTISSA: u32;
    /// Exponent of 1 as stored.
    const BIAS: f64;
    /// `1.5 * 2^MANTISSA`: adding it rounds to an integer and leaves that in the low bits.
    const MAGIC: f64;

    /// `ln 2` in two parts.
    const LN_2: [f64; 2];
    /// `e^x` is 0 to the left of this interval and infinite to the right of it.
    const EXP_RANGE: [f64; 2];
    /// `e^r = 1 + r + r^2 p(r)` for `|r| <= ln(2)/2`.
    const EXP: &'static [f64];

    /// `tanh x` is 1 to the right of this.
    const TANH_END: f64;
    /// `e^{2r} - 1 = 2r + r^2 p(r)` for `|r| <= ln(2)/4`.
    const TANH: &'static [f64];

    /// `ln(1 + e) = w + w v p(v)` with `w = 2e/(2 + e)`, `v = w^2`, for `0 <= e <= 1`.
    const LN_1P: &'static [f64];

    /// `erf x = x p(x^2)` for `|x| < 1`.
    const ERF: &'static [f64];
    /// `e^{a^2} erfc(a) = u p(1 - 2cu)` with `u = 1/(a + c)`, for `1 <= a <= ERFC_END`.
    const ERFCX: &'static [f64];
    /// The `c` of `ERFCX`.
    const ERFCX_SHIFT: f64;
    /// `erfc a` is 0 to the right of this.
    const ERFC_END: f64;

    /// `pi/2` in three parts.
    const HALF_PI: [f64; 3];
    /// Up to here sine and cosine are reduced in vector arithmetic.
    const SIN_RANGE: f64;
    /// `sin r = r + r v p(v)` with `v = r^2`, for `|r| <= pi/4`.
    const SIN: &'static [f64];
    /// `cos r = 1 - v/2 + v^2 p(v)` with `v = r^2`, for `|r| <= pi/4`.
    const COS: &'static [f64];
}

impl Real for f32 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn minus(self, b: Self) -> Self {
        self - b
    }

    const MANTISSA: u32 = 23;
    const BIAS: f64 = 127.0;
    const MAGIC: f64 = 12582912.0;

    const LN_2: [f64; 2] = [0.6931471824645996, -1.9046542121259336e-09];
    const EXP_RANGE: [f64; 2] = [-105.0, 89.0];
    const EXP: &'static [f64] = &[
        0.4999999403953552,
        0.1666651964187622,
        0.04166840761899948,
        0.008368900045752525,
        0.0013814172707498074,
    ];

    const TANH_END: f64 = 9.02;
    const TANH: &'static [f64] = &[
        2.0,
        1.3333333730697632,
        0.666663646697998,
        0.266664981842041,
        0.08917717635631561,
        0.025485707446932793,
    ];

    const LN_1P: &'static [f64] = &[
        0.08333301544189453,
        0.01250678300857544,
        0.002187422476708889,
        0.0005473685450851917,
    ];

    const ERF: &'static [f64] = &[
        1.1283791065216064,
        -0.3761262595653534,
        0.11283600330352783,
        -0.026854446157813072,
        0.005189536605030298,
        -0.0008020845707505941,
        7.889119297033176e-05,
    ];
    const ERFCX: &'static [f64] = &[
        1.0215827226638794,
        -0.6871606111526489,
        0.2794736921787262,
        -0.036448005586862564,
        -0.021540537476539612,
        0.006592979189008474,
        0.003168184543028474,
        -0.001474016928113997,
    ];
    const ERFCX_SHIFT: f64 = 2.0;
    const ERFC_END: f64 = 11.0;

    const HALF_PI: [f64; 3] = [
        1.5707963705062866,
        -4.371138828673793e-08,
        -1.7151245100058819e-15,
    ];
    const SIN_RANGE: f64 = 1e5;
    const SIN: &'static [f64] = &[
        -0.16666653752326965,
        0.008332090452313423,
        -0.00019505246018525213,
    ];
    const COS: &'static [f64] = &[
        0.04166664555668831,
        -0.0013887252425774932,
        2.4424971343250945e-05,
    ];
}

impl Real for f64 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn minus(self, b: Self) -> Self {
        self - b
    }

    const MANTISSA: u32 = 52;
    const BIAS: f64 = 1023.0;
    const MAGIC: f64 = 6755399441055744.0;

    const LN_2: [f64; 2] = [std::f64::consts::LN_2, 2.3190468138462996e-17];
    const EXP_RANGE: [f64; 2] = [-746.0, 710.0];
    const EXP: &'static [f64] = &[
        0.5000000000000011,
        0.1666666666666641,
        0.0416666666665304,
        0.008333333333495308,
        0.0013888888943575895,
        0.00019841269504987263,
        2.480149315004083e-05,
        2.7557587643135198e-06,
        2.7630231231426397e-07,
        2.499969182245197e-08,
    ];

    const TANH_END: f64 = 20.0;
    const TANH: &'static [f64] = &[
        2.0000000000000004,
        1.3333333333333335,
        0.6666666666659756,
        0.26666666666656036,
        0.0888888890722451,
        0.025396825425028125,
        0.00634918932289861,
        0.001410932125331973,
        0.00028283215286546676,
        5.140596587686642e-05,
    ];

    const LN_1P: &'static [f64] = &[
        0.08333333333333288,
        0.012500000000049184,
        0.0022321428552995967,
        0.00043402781193297324,
        8.877804628652267e-05,
        1.8782423009724095e-05,
        4.059130825214001e-06,
        9.236296295089958e-07,
        1.5906518200231724e-07,
        8.115548450810671e-08,
    ];

    const ERF: &'static [f64] = &[
        std::f64::consts::FRAC_2_SQRT_PI,
        -0.3761263890318355,
        0.11283791670945253,
        -0.02686617064327622,
        0.005223977607423468,
        -0.0008548325989696758,
        0.00012055295320494294,
        -1.4924744663335489e-05,
        1.6447517677871873e-06,
        -1.6209175911748696e-07,
        1.3722976265924504e-08,
        -7.801188874097751e-10,
    ];
    const ERFCX: &'static [f64] = &[
        1.0740069070883398,
        -0.8833944531698842,
        0.5902283571041035,
        -0.31046726190048823,
        0.11952776128711538,
        -0.02682723462788909,
        -0.0012124166199244542,
        0.003034062065668795,
        -0.0005483098393467363,
        -0.0002767784662091601,
        0.00010756311077164815,
        3.0401238387159722e-05,
        -1.7480715694493763e-05,
        -4.755633911741763e-06,
        2.8011086430694693e-06,
        9.94524823755203e-07,
        -4.731859598415873e-07,
        -1.9279679112006942e-07,
        9.299151439612962e-08,
    ];
    const ERFCX_SHIFT: f64 = 3.0;
    const ERFC_END: f64 = 28.0;

    const HALF_PI: [f64; 3] = [
        std::f64::consts::FRAC_PI_2,
        6.123233995736766e-17,
        -1.4973849048591698e-33,
    ];
    const SIN_RANGE: f64 = 1e9;
    const SIN: &'static [f64] = &[
        -0.16666666666666632,
        0.008333333333322422,
        -0.00019841269829812302,
        2.7557313692971873e-06,
        -2.505075821058041e-08,
        1.5896797732371838e-10,
    ];
    const COS: &'static [f64] = &[
        0.0416666666666666,
        -0.0013888888888874127,
        2.4801587289484058e-05,
        -2.7557314352787595e-07,
        2.0875723324014024e-09,
        -1.1359649889155122e-11,
    ];
}

/// A vector of replicates: one floating-point number for each lane.
///
/// Implemented by `R::Native<S>` for every `R: Real` and every `S: Simd`. NaN in gives NaN out
/// throughout; every function takes every argument, infinite and subnormal ones included.
pub(crate) trait Lane<S: Simd>: SimdFloat<S, Element: Real> {
    /// `v`, rounded to the element type, in every lane.
    #[inline(always)]
    fn of(simd: S, v: f64) -> Self {
        Self::splat(simd, Real::of(v))
    }

    /// `self * b + c`, rounded once.
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add_precise(b, c)
    }

    /// `c - self * b`, rounded once. One instruction: the negation is part of it.
    #[inline(always)]
    fn fnma(self, b: Self, c: Self) -> Self {
        (-self).mul_add_precise(b, c)
    }

    /// `self` where it is not below zero, else zero; a NaN stays.
    #[inline(always)]
    fn relu(self) -> Self {
        let zero = Self::of(self.token(), 0.0);
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
            // One instruction, which gives a NaN in its second operand on.
            zero.max(self)
        } else {
            self.simd_le(zero).select(zero, self)
        }
    }

    /// `c[0] + c[1] x + c[2] x^2 + ...` by Horner's rule.
    #[inline(always)]
    fn poly(self, c: &[f64]) -> Self {
        let simd = self.token();
        let [rest @ .., last] = c else {
            return Self::of(simd, 0.0);
        };
        let mut sum = Self::of(simd, *last);
        for &c in rest.iter().rev() {
            sum = sum.fma(self, Self::of(simd, c));
        }
        sum
    }

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

impl<S: Simd, V: SimdFloat<S>> Lane<S> for V where V::Element: Real {}

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
    use super::*;
    use fearless_simd::{Level, dispatch};

    /// `e^z`, with itself as slope: not an activation function, but tested as one.
    struct Exp;

    impl Activate for Exp {
        #[inline(always)]
        fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
            let e = z.exp();
            (e, e)
        }
    }

    /// Values and slopes, one chunk of lanes after the other.
    #[inline(always)]
    fn map<A: Activate, R: Real, S: Simd>(simd: S, x: &[R]) -> Vec<(R, R)> {
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

    fn apply<A: Activate, R: Real>(x: &[R]) -> Vec<(R, R)> {
        dispatch!(Level::new(), simd => map::<A, R, _>(simd, x))
    }

    /// `n` random numbers in `[low, high)`.
    fn uniform<R: Real>(low: f64, high: f64, n: usize) -> Vec<R> {
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
    trait Sweep: Real {
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

    fn sigmoid(x: f64) -> f64 {
        if x < 0.0 {
            let e = libm::exp(x);
            e / (1.0 + e)
        } else {
            1.0 / (1.0 + libm::exp(-x))
        }
    }

    fn softplus(x: f64) -> f64 {
        x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
    }

    fn normal(x: f64) -> f64 {
        0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
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
        agree::<Relu>("relu", |x| x.max(0.0), step);
        agree::<LeakyRelu>("leaky_relu", |x| x.max(0.01 * x), |x| 0.01 + 0.99 * step(x));
        agree::<Abs>("abs", f64::abs, f64::signum);
        agree::<Tanh>("tanh", libm::tanh, |x| 1.0 / libm::cosh(x).powi(2));
        agree::<Sigmoid>("sigmoid", sigmoid, |x| sigmoid(x) * sigmoid(-x));
        agree::<Erf>("erf", libm::erf, two_over_root_pi);
        agree::<Gelu>("gelu", |x| x * normal(x), |x| normal(x) + x * density(x));
        agree::<Silu>(
            "silu",
            |x| x * sigmoid(x),
            |x| sigmoid(x) * (1.0 + x * sigmoid(-x)),
        );
        agree::<Softplus>("softplus", softplus, sigmoid);
        agree::<Sin>("sin", libm::sin, libm::cos);
        agree::<Cos>("cos", libm::cos, |x| -libm::sin(x));
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

    #[test]
    fn limits_are_exact_and_nan_is_kept() {
        const INF: f64 = f64::INFINITY;
        // Zeros of either sign are equal, and so is every NaN.
        fn same(a: f64, b: f64) -> bool {
            (a + 0.0).to_bits() == (b + 0.0).to_bits() || a.is_nan() && b.is_nan()
        }
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
        at::<Relu>(f64::NAN, f64::NAN, None);
        at::<LeakyRelu>(f64::NAN, f64::NAN, None);
        at::<Abs>(f64::NAN, f64::NAN, None);
        at::<Tanh>(f64::NAN, f64::NAN, None);
        at::<Exp>(f64::NAN, f64::NAN, None);
        at::<Sigmoid>(f64::NAN, f64::NAN, None);
        at::<Erf>(f64::NAN, f64::NAN, None);
        at::<Gelu>(f64::NAN, f64::NAN, None);
        at::<Silu>(f64::NAN, f64::NAN, None);
        at::<Softplus>(f64::NAN, f64::NAN, None);
        at::<Sin>(f64::NAN, f64::NAN, None);
        at::<Cos>(f64::NAN, f64::NAN, None);
    }

    #[test]
    fn fnma_rounds_once() {
        #[inline(always)]
        fn residue<S: Simd>(simd: S) -> f64 {
            let a = S::f64s::splat(simd, 1.0 + f64::EPSILON);
            a.fnma(a, S::f64s::splat(simd, 1.0 + 2.0 * f64::EPSILON))[0]
        }
        let left = dispatch!(Level::new(), simd => residue(simd));
        assert_eq!(left.to_bits(), (-f64::EPSILON * f64::EPSILON).to_bits());
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn same_bits_on_every_instruction_set() {
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
        fn both<A: Activate>(name: &str) {
            same::<A, f32>(name);
            same::<A, f64>(name);
        }
        both::<Relu>("relu");
        both::<LeakyRelu>("leaky_relu");
        both::<Abs>("abs");
        both::<Tanh>("tanh");
        both::<Exp>("exp");
        both::<Sigmoid>("sigmoid");
        both::<Erf>("erf");
        both::<Gelu>("gelu");
        both::<Silu>("silu");
        both::<Softplus>("softplus");
        both::<Sin>("sin");
        both::<Cos>("cos");
    }
}

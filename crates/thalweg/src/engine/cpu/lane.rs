//! Arithmetic and activation functions over a vector of replicates, with the same bits on every instruction set.
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
//! Error bounds are the largest errors seen in the tests below, in units in the last place.

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

    /// `ln(2)/2` in two parts; the first is short, so that its small multiples are exact.
    const HALF_LN_2: [f64; 2];
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

    const HALF_LN_2: [f64; 2] = [0.3465576171875, 1.5973092472654708e-05];
    const TANH_END: f64 = 9.02;
    const TANH: &'static [f64] = &[
        2.0,
        1.3333258705520676,
        0.666664801764882,
        0.26764076398097836,
        0.0891323303297402,
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

    const HALF_LN_2: [f64; 2] = [0.34657359027914936, 8.232974791448541e-13];
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
        1.1283791670955126,
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

    /// `e^x`. 1.1 ulp (f32), 1.1 ulp (f64).
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

    /// The hyperbolic tangent. 2.4 ulp (f32), 2.4 ulp (f64).
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
        let [c0, c1] = Self::Element::HALF_LN_2;
        let r = k.fnma(of(c1), k.fnma(of(c0), x));
        let p = (r * r).fma(r.poly(Self::Element::TANH), r + r);
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

    /// `1/(1 + e^{-x})`. 2.6 ulp (f32), 2.6 ulp (f64).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        self.sigmoid_parts().0
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

    /// `ln(1 + e^x)`. 2.9 ulp (f32), 2.9 ulp (f64).
    #[inline(always)]
    fn softplus(self) -> Self {
        self.softplus_from((-self.abs()).exp())
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

    /// `erf x = 2/sqrt(pi) * integral of e^{-t^2} from 0 to x`. 2 ulp (f32), 2 ulp (f64).
    #[inline(always)]
    fn erf(self) -> Self {
        self.erf_and_gauss().0
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

    /// `sin x` and `cos x`. 1.6 ulp (f32), 1.6 ulp (f64), next to their zeros too.
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
        let mut s = Self::from_bits(swap.select(cos, sin).to_bits() ^ sin_sign);
        let mut c = Self::from_bits(swap.select(sin, cos).to_bits() ^ cos_sign);
        if self.abs().simd_gt(of(Self::Element::SIN_RANGE)).any_true() {
            sin_cos_far(self.as_slice(), s.as_mut_slice(), c.as_mut_slice());
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

    /// `f(z)`.
    #[inline(always)]
    fn value<S: Simd, V: Lane<S>>(z: V) -> V {
        Self::value_and_slope(z).0
    }
}

/// `z`.
pub(crate) struct Identity;

impl Activate for Identity {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        (z, V::of(z.token(), 1.0))
    }
}

/// `max(z, 0)`, with slope 0 at 0.
pub(crate) struct Relu;

impl Activate for Relu {
    #[inline(always)]
    fn value_and_slope<S: Simd, V: Lane<S>>(z: V) -> (V, V) {
        let zero = V::of(z.token(), 0.0);
        let off = z.simd_le(zero);
        (
            off.select(zero, z),
            off.select(zero, V::of(z.token(), 1.0)),
        )
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

//! A vector of replicates and its arithmetic, with the same bits on every instruction set.
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

use fearless_simd::prelude::*;

use crate::Precision;

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

/// The constants of the elementary functions, as numbers: for an engine that writes the same
/// functions in another language. The trait `Real`, beside it, says what they are.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "they are those of `Real`")]
pub struct Constants {
    pub mantissa: u32,
    pub bias: f64,
    pub magic: f64,
    pub ln_2: [f64; 2],
    pub exp_range: [f64; 2],
    pub exp: &'static [f64],
    pub tanh_end: f64,
    pub tanh: &'static [f64],
    pub ln_1p: &'static [f64],
    pub erf: &'static [f64],
    pub erfcx: &'static [f64],
    pub erfcx_shift: f64,
    pub erfc_end: f64,
    pub half_pi: [f64; 3],
    pub sin_range: f64,
    pub sin: &'static [f64],
    pub cos: &'static [f64],
}

/// The constants in an arithmetic.
pub fn constants(precision: Precision) -> Constants {
    match precision {
        Precision::F32 => constants_of::<f32>(),
        Precision::F64 => constants_of::<f64>(),
    }
}

fn constants_of<R: Real>() -> Constants {
    Constants {
        mantissa: R::MANTISSA,
        bias: R::BIAS,
        magic: R::MAGIC,
        ln_2: R::LN_2,
        exp_range: R::EXP_RANGE,
        exp: R::EXP,
        tanh_end: R::TANH_END,
        tanh: R::TANH,
        ln_1p: R::LN_1P,
        erf: R::ERF,
        erfcx: R::ERFCX,
        erfcx_shift: R::ERFCX_SHIFT,
        erfc_end: R::ERFC_END,
        half_pi: R::HALF_PI,
        sin_range: R::SIN_RANGE,
        sin: R::SIN,
        cos: R::COS,
    }
}

/// A vector of replicates: one floating-point number for each lane.
///
/// Implemented by `R::Native<S>` for every `R: Real` and every `S: Simd`.
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
}

impl<S: Simd, V: SimdFloat<S>> Lane<S> for V where V::Element: Real {}

#[cfg(test)]
mod tests {
    use super::*;
    use fearless_simd::{Level, dispatch};

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
}

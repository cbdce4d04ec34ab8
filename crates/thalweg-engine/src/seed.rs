//! Random numbers: one counter-based stream for each seed, replicate, purpose and part.
//!
//! The generator is Philox4x64-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as
//! easy as 1, 2, 3"), the one behind `numpy.random.Philox`, so three lines of NumPy reproduce any
//! draw:
//!
//! ```python
//! raw = np.random.Philox(key=[seed, replicate], counter=[0, part, purpose, 0]).random_raw(n)
//! u = ((raw >> 12) + 0.5) * 2.0**-52        # uniform in (0, 1), both ends open
//! z = scipy.special.ndtri(u)                # standard normal, by inversion
//! ```
//!
//! | purpose | part | what is drawn, in this order |
//! |---|---|---|
//! | 0 data | 0 | targets `y[0..N]` that are drawn |
//! | 0 data | 1 + j | column j of the inputs, `x[0..N, j]`; then of inputs drawn again |
//! | 0 data | 2^32 + i | numbers of the random teacher, tensor i |
//! | 0 data | 2^33 | norms of the inputs of a `shell` |
//! | 0 data | 2^34 | noise of the targets, normal |
//! | 1 init | 2 l | weights of layer l, row-major `[out, in]` |
//! | 1 init | 2 l + 1 | biases of layer l |
//! | 2 noise | e | mini-batches of epoch e |
//!
//! Because inputs are drawn column by column, the training set of replicate r at d = 5 is the one
//! at d = 15 without its last ten columns: comparisons over the dimension are paired.

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Training sets.
    Data = 0,
    /// Initial weights.
    Init = 1,
    /// Mini-batches.
    Noise = 2,
}

/// A stream of random numbers; see the [module](self) for its definition.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u64; 2],
    counter: [u64; 4],
    block: [u64; 4],
    used: usize,
}

/// The stream of a study's seed, a replicate (or its training set), a purpose and a part.
pub fn stream(seed: u64, replicate: u64, purpose: Purpose, part: u64) -> Stream {
    Stream {
        key: [seed, replicate],
        counter: [0, part, purpose as u64, 0],
        block: [0; 4],
        used: 4,
    }
}

impl Stream {
    /// The next 64 random bits.
    pub fn word(&mut self) -> u64 {
        if self.used == 4 {
            // NumPy counts up before it draws.
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.block = philox(self.counter, self.key);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in (0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        ((self.word() >> 12) as f64 + 0.5) * 2f64.powi(-52)
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        normal_quantile(self.uniform())
    }

    /// A permutation of `0..n`, by Fisher and Yates from the top, j = ⌊u64 · (i + 1) / 2^64⌋.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = (u128::from(self.word()) * (i as u128 + 1)) >> 64;
            order.swap(i, j as usize);
        }
        order
    }
}

/// Ten rounds of Philox4x64.
fn philox(mut c: [u64; 4], mut k: [u64; 2]) -> [u64; 4] {
    for round in 0..10 {
        if round > 0 {
            k[0] = k[0].wrapping_add(0x9E37_79B9_7F4A_7C15);
            k[1] = k[1].wrapping_add(0xBB67_AE85_84CA_A73B);
        }
        let a = u128::from(c[0]) * 0xD2E7_470E_E14C_6C93;
        let b = u128::from(c[2]) * 0xCA5A_8263_9512_1157;
        c = [
            (b >> 64) as u64 ^ c[1] ^ k[0],
            b as u64,
            (a >> 64) as u64 ^ c[3] ^ k[1],
            a as u64,
        ];
    }
    c
}

/// Φ⁻¹(p), the standard normal quantile, to about 1e-15 relative.
///
/// Wichura 1988, "Algorithm AS 241: The percentage points of the normal distribution", routine
/// PPND16: a rational function of (p − 1/2)² in the middle, of √(−log min(p, 1 − p)) in the tails.
/// −∞ for p ≤ 0, ∞ for p ≥ 1, NaN for NaN. The normal random numbers are made by it, so a change
/// of its bits is a change of every study.
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ];
    const B: [f64; 8] = [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_545e3,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let horner = |c: &[f64; 8], r: f64| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
    if p.is_nan() {
        return f64::NAN;
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * horner(&A, r) / horner(&B, r);
    }
    let r = (-libm::log(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let size = if r <= 5.0 {
        horner(&C, r - 1.6) / horner(&D, r - 1.6)
    } else {
        horner(&E, r - 5.0) / horner(&F, r - 5.0)
    };
    if q < 0.0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.random.Philox(key=[2018, 7], counter=[0, 3, 1, 0]).random_raw(5)` in NumPy 2.4, and the
    /// first known answer of Random123's `kat_vectors` (counter and key zero).
    #[test]
    fn philox_is_that_of_numpy_and_random123() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [
                0x16554d9eca36314c,
                0xdb20fe9d672d0fdc,
                0xd7e772cee186176b,
                0x7e68b68aec7ba23b
            ]
        );
        let mut s = stream(2018, 7, Purpose::Init, 3);
        let words: Vec<u64> = (0..5).map(|_| s.word()).collect();
        assert_eq!(words, NUMPY);
    }

    const NUMPY: [u64; 5] = [
        0x33c5cdeb40870b9f,
        0x41ff0aa8a7c2725a,
        0x3360150aa88f8367,
        0xea3ba6295bfcd00d,
        0x9611a7a94fec876c,
    ];

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut p = stream(1, 2, Purpose::Noise, 3).permutation(20);
        p.sort_unstable();
        assert_eq!(p, (0..20).collect::<Vec<_>>());
    }

    /// Mean 0, variance 1, fourth moment 3, each within five standard errors.
    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let mut s = stream(1, 0, Purpose::Data, 0);
        let n = 200_000;
        let z: Vec<f64> = (0..n).map(|_| s.normal()).collect();
        let moment = |k: i32| z.iter().map(|z| z.powi(k)).sum::<f64>() / f64::from(n);
        let root = f64::from(n).sqrt();
        assert!(moment(1).abs() < 5.0 / root);
        assert!((moment(2) - 1.0).abs() < 5.0 * 2f64.sqrt() / root);
        assert!((moment(4) - 3.0).abs() < 5.0 * 96f64.sqrt() / root);
    }

    #[test]
    #[allow(clippy::float_cmp, clippy::excessive_precision)]
    fn normal_quantiles_are_right_to_1e_15() {
        // mpmath.findroot(lambda z: log(ncdf(z)/p), scipy.stats.norm.ppf(p)), 40 digits
        for (p, z) in [
            (1e-300, -37.047096299361199),
            (1e-20, -9.2623400897984076),
            (1e-09, -5.9978070150076869),
            (0.001, -3.0902323061678135),
            (0.02425, -1.9729610513118848),
            (0.0749, -1.4402382675279637),
            (0.1, -1.2815515655446004),
            (0.3, -0.52440051270804082),
            (0.49999, -2.5066282748960009e-5),
            (0.6, 0.25334710313579974),
            (0.925, 1.4395314709384562),
            (0.975, 1.9599639845400539),
            (0.9999, 3.7190164854557084),
            (0.9999999999999999, 8.2095361516013869),
        ] {
            assert!((normal_quantile(p) - z).abs() <= 1e-15 * z.abs(), "{p}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(f64::NAN).is_nan());
    }
}

//! The normal and the binomial distribution.

/// Φ(x) = erfc(−x/√2)/2, the standard normal distribution function; accurate in the lower tail too.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
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

/// P(X ≤ k) for X binomial with n trials of probability p, to about 1e-13 relative in the lower tail.
///
/// The largest term comes from [`binomial_pmf`], the others from the ratio of neighbours. Above 10¹²
/// trials it is the normal approximation with continuity correction. NaN for p outside [0, 1].
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    let (kf, nf, odds) = (k as f64, n as f64, p / (1.0 - p));
    if n > 1_000_000_000_000 {
        return normal_cdf((kf + 0.5 - nf * p) / (nf * p * (1.0 - p)).sqrt());
    }
    if kf <= nf * p {
        let (mut term, mut sum, mut i) = (binomial_pmf(k, n, p), 0.0, kf);
        while term > sum * 1e-18 {
            sum += term;
            term *= i / ((nf - i + 1.0) * odds);
            i -= 1.0;
        }
        sum.min(1.0)
    } else {
        let (mut term, mut sum, mut i) = (binomial_pmf(k + 1, n, p), 0.0, kf + 1.0);
        while term > sum * 1e-18 {
            sum += term;
            term *= (nf - i) * odds / (i + 1.0);
            i += 1.0;
        }
        (1.0 - sum).max(0.0)
    }
}

/// P(X = k) for X binomial, by the saddle-point expansion of Loader 2000, "Fast and accurate
/// computation of binomial probabilities": no difference of large log-gammas, so that millions of
/// trials keep their digits. Zero for k > n, NaN for p outside [0, 1].
pub fn binomial_pmf(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if k > n {
        return 0.0;
    }
    let (kf, nf, mf) = (k as f64, n as f64, (n - k) as f64);
    if k == 0 {
        return if n == 0 {
            1.0
        } else {
            libm::exp(nf * libm::log1p(-p))
        };
    }
    if k == n {
        return libm::exp(nf * libm::log(p));
    }
    if p <= 0.0 || p >= 1.0 {
        return 0.0;
    }
    let exponent = stirling_error(nf)
        - stirling_error(kf)
        - stirling_error(mf)
        - deviance(kf, nf * p)
        - deviance(mf, nf * (1.0 - p));
    (nf / (std::f64::consts::TAU * kf * mf)).sqrt() * libm::exp(exponent)
}

/// log n! − log(√(2πn) (n/e)ⁿ) for n ≥ 1.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let half_log_tau = 0.918_938_533_204_672_8;
        return libm::lgamma(n + 1.0) - (n + 0.5) * libm::log(n) + n - half_log_tau;
    }
    let s = 1.0 / (n * n);
    let series = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
    ];
    series.iter().rev().fold(0.0, |sum, c| sum * s + c) / n
}

/// x log(x/m) + m − x for x, m > 0, without cancellation where x is near m.
fn deviance(x: f64, m: f64) -> f64 {
    let v = (x - m) / (x + m);
    if v.abs() >= 0.1 {
        return x * libm::log(x / m) + m - x;
    }
    // log(x/m) = 2 (v + v³/3 + v⁵/5 + …)
    let (mut sum, mut power, mut odd) = ((x - m) * v, 2.0 * x * v, 1.0);
    loop {
        power *= v * v;
        odd += 2.0;
        let next = sum + power / odd;
        if (next - sum).abs() <= f64::EPSILON * 1e-3 * sum.abs() {
            return next;
        }
        sum = next;
    }
}

/// log ∫₀ˣ t^(a−1) (1 − t)^(b−1) dt for a, b > 0 and x in [0, 1]: the incomplete beta function, without
/// underflow. −∞ at x = 0.
///
/// Below the mean it is the continued fraction of DLMF 8.17.22 (by Lentz's recurrence), above it the
/// complement, which is then at most about half of the whole.
pub(super) fn log_lower_beta(a: f64, b: f64, x: f64) -> f64 {
    if x.is_nan() || !(a > 0.0 && b > 0.0) {
        return f64::NAN;
    }
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let whole = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    if x >= 1.0 {
        return whole;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        let rest = log_lower_beta_fraction(b, a, 1.0 - x);
        return whole + libm::log1p(-libm::exp((rest - whole).min(0.0)));
    }
    log_lower_beta_fraction(a, b, x)
}

fn log_lower_beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let keep = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (mut c, mut d) = (1.0, 1.0 / keep(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    // About √max(a, b) rounds are needed; the bound is never met below 1e12 draws.
    for m in 1..2_000_000 {
        let m = f64::from(m);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / keep(1.0 + term * d);
            c = keep(1.0 + term / c);
            value *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    a * libm::log(x) + b * libm::log1p(-x) - libm::log(a) + libm::log(value)
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;
    use crate::stats::support::close;

    #[test]
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
            close(normal_quantile(p), z, 1e-15);
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(f64::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_undoes_its_quantile() {
        for i in 1..1000 {
            let p = f64::from(i) / 1000.0;
            close(normal_cdf(normal_quantile(p)), p, 1e-14);
            let tail = libm::exp(-f64::from(i) * 0.6);
            close(normal_cdf(normal_quantile(tail)), tail, 1e-11);
        }
    }

    #[test]
    fn binomial_sums_are_those_of_scipy() {
        // scipy.stats.binom.cdf(k, n, p)
        close(binomial_cdf(310, 400, 0.8), 0.118420450236175, 1e-12);
        close(binomial_cdf(330, 400, 0.8), 0.9069927007778631, 1e-12);
        close(binomial_cdf(99, 1000, 0.2), 3.84296963744451e-18, 1e-12);
        assert_eq!(binomial_cdf(0, 0, 0.3), 1.0);
        assert!(binomial_cdf(1, 2, f64::NAN).is_nan());
    }

    #[test]
    fn binomial_probabilities_add_up_to_one() {
        for (n, p) in [(1, 0.3), (15, 0.01), (17, 0.5), (400, 0.8), (3000, 0.999)] {
            close((0..=n).map(|k| binomial_pmf(k, n, p)).sum(), 1.0, 1e-13);
        }
    }

    #[test]
    fn the_normal_limit_of_the_binomial_joins_on() {
        let n = 1_000_000_000_000;
        close(
            binomial_cdf(n / 2 - 1_000_000, n, 0.5),
            binomial_cdf(n / 2 - 1_000_000, n + 1, 0.5),
            1e-4,
        );
    }

    /// The incomplete beta function is a binomial tail: I_p(k, n − k + 1) = P(X ≥ k).
    #[test]
    fn the_incomplete_beta_function_is_a_binomial_tail() {
        for (k, n) in [
            (1u64, 1u64),
            (3, 7),
            (320, 400),
            (5, 4000),
            (99_000, 100_000),
        ] {
            for p in [1e-6, 0.01, 0.2, 0.5, 0.8, 0.99] {
                let (a, b) = (k as f64, (n - k + 1) as f64);
                let whole = log_lower_beta(a, b, 1.0);
                let tail = binomial_cdf(n - k, n, 1.0 - p);
                if tail > 1e-290 {
                    let ours = libm::exp(log_lower_beta(a, b, p) - whole);
                    assert!(
                        (ours - tail).abs() <= 1e-9 * tail,
                        "{k} {n} {p}: {ours:e} {tail:e}"
                    );
                }
            }
        }
        assert_eq!(log_lower_beta(2.0, 3.0, 0.0), f64::NEG_INFINITY);
        assert!(log_lower_beta(-1.0, 3.0, 0.5).is_nan());
    }
}

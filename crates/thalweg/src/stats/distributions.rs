//! The normal and the binomial distribution.

/// Φ(x) = erfc(−x/√2)/2, the standard normal distribution function; accurate in the lower tail too.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// P(X ≤ k) for X binomial with n trials of probability p, to about 1e-13 relative in the lower
/// tail.
///
/// The largest term comes from [`binomial_pmf`], the others from the ratio of neighbours. Above
/// 10¹² trials it is the normal approximation with continuity correction. NaN for p outside [0, 1].
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

/// log ∫₀ˣ t^(a−1) (1 − t)^(b−1) dt for a, b > 0 and x in [0, 1]: the incomplete beta function,
/// without underflow. −∞ at x = 0.
///
/// Below the mean it is the continued fraction of DLMF 8.17.22 (by Lentz's recurrence), above it
/// the complement, which is then at most about half of the whole.
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

/// The p-quantile of Student's law with ν degrees of freedom, for p up to 1/2, by bisection on
/// P(T ≤ −t) = I(ν/2, ½; ν/(ν + t²))/2. −∞ at 0, NaN for a senseless p.
pub(super) fn student_quantile(p: f64, nu: f64) -> f64 {
    if !(0.0..=0.5).contains(&p) || !(nu > 0.0) {
        return f64::NAN;
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let whole = log_lower_beta(0.5 * nu, 0.5, 1.0);
    let tail = |t: f64| 0.5 * libm::exp(log_lower_beta(0.5 * nu, 0.5, nu / (nu + t * t)) - whole);
    let (mut low, mut high) = (0.0, 1.0);
    while tail(high) > p {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if tail(middle) > p {
            low = middle;
        } else {
            high = middle;
        }
    }
    -f64::midpoint(low, high)
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
    use crate::stats::normal_quantile;
    use crate::stats::support::close;

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

    /// Cauchy's law for one degree of freedom, (2 p − 1)/√(2 p (1 − p)) for two, and the normal law
    /// for many.
    #[test]
    fn the_quantiles_of_student_have_their_closed_forms() {
        for p in [1e-6, 0.001, 0.025, 0.3, 0.49] {
            let cauchy = libm::tan(std::f64::consts::PI * (p - 0.5));
            let two = (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt();
            close(student_quantile(p, 1.0), cauchy, 1e-9);
            close(student_quantile(p, 2.0), two, 1e-9);
        }
        assert!((student_quantile(0.025, 1e7) - normal_quantile(0.025)).abs() < 1e-5);
        assert!(student_quantile(0.0, 3.0).is_infinite());
        assert!(student_quantile(0.7, 3.0).is_nan());
    }
}

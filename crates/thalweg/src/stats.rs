//! How sure a finding may be: intervals, tests and quantiles, in f64, without any data type of ours.
//!
//! Every function here is total: an empty or senseless input gives the answer that claims least
//! (the whole interval, p = 1, `None` or NaN), never a panic. Logarithms and gamma functions are
//! those of `libm`, so a verdict does not depend on the machine that reaches it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// A closed interval; its ends may be infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

// ---- The normal and the binomial distribution --------------------------------------------------

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

/// The probability left for one side outside an interval of this level; 0 for NaN.
fn side(level: f64) -> f64 {
    if level.is_nan() {
        0.0
    } else {
        0.5 * (1.0 - level).clamp(0.0, 1.0)
    }
}

// ---- Shares ------------------------------------------------------------------------------------

/// Wilson's score interval for a probability of which k successes in n were seen.
///
/// (k + z²/2 ± z √(k(n−k)/n + z²/4)) / (n + z²) with z = Φ⁻¹((1 + level)/2): the probabilities that
/// a score test would not reject (Wilson 1927, "Probable inference, the law of succession, and
/// statistical inference"). [0, 1] for n = 0; k above n counts as n.
pub fn wilson(k: u64, n: u64, level: f64) -> Interval {
    let whole = Interval {
        low: 0.0,
        high: 1.0,
    };
    let z = -normal_quantile(side(level));
    if n == 0 || !z.is_finite() {
        return whole;
    }
    let (kf, nf, square) = (k.min(n) as f64, n as f64, z * z);
    let centre = (kf + 0.5 * square) / (nf + square);
    let half = z * (kf * (nf - kf) / nf + 0.25 * square).sqrt() / (nf + square);
    Interval {
        low: if k == 0 {
            0.0
        } else {
            (centre - half).max(0.0)
        },
        high: if k >= n {
            1.0
        } else {
            (centre + half).min(1.0)
        },
    }
}

/// Two-sided p-value of McNemar's exact test: the sign test on the pairs that disagree.
///
/// Of n = `only_first` + `only_second` replicates that one of two settings alone solved, each side
/// has probability 1/2 when the settings are equally good: p = min(1, 2 P(X ≤ the smaller)), X
/// binomial (McNemar 1947). It is `scipy.stats.binomtest`. 1 if no pair disagrees.
pub fn mcnemar_exact(only_first: u64, only_second: u64) -> f64 {
    let n = only_first.saturating_add(only_second);
    (2.0 * binomial_cdf(only_first.min(only_second), n, 0.5)).min(1.0)
}

// ---- Quantiles ---------------------------------------------------------------------------------

/// Smallest k in 1..=n with k/n ≥ q; 0 for n = 0 or q NaN.
fn rank_of(n: usize, q: f64) -> usize {
    if n == 0 || q.is_nan() {
        return 0;
    }
    let enough = |k: usize| k as f64 / n as f64 >= q;
    let mut k = ((q.clamp(0.0, 1.0) * n as f64).ceil() as usize).clamp(1, n);
    // The product above is rounded: 0.55 · 100 is more than 55.
    while k > 1 && enough(k - 1) {
        k -= 1;
    }
    while k < n && !enough(k) {
        k += 1;
    }
    k
}

/// Ranks (l, u) with P(the l-th smallest ≤ q-quantile ≤ the u-th smallest) ≥ level, whatever the
/// distribution; l = 0 and u = n + 1 say that no order statistic of that side is safe.
fn order_interval(n: usize, q: f64, level: f64) -> (usize, usize) {
    let alpha = side(level);
    if q.is_nan() {
        return (0, n + 1);
    }
    let q = q.clamp(0.0, 1.0);
    // Of n draws, B ~ binomial(n, q) lie at or below the quantile: l is the largest with
    // P(B < l) ≤ α/2, u the smallest with P(B ≥ u) ≤ α/2.
    let low = |l: usize| l == 0 || binomial_cdf(l as u64 - 1, n as u64, q) <= alpha;
    let high = |u: usize| u > n || binomial_cdf((n - u) as u64, n as u64, 1.0 - q) <= alpha;
    // Both are monotone: bisect.
    let (mut l, mut above) = (0, n + 1);
    while above - l > 1 {
        let middle = l.midpoint(above);
        if low(middle) {
            l = middle
        } else {
            above = middle
        }
    }
    let (mut below, mut u) = (0, n + 1);
    while u - below > 1 {
        let middle = below.midpoint(u);
        if high(middle) {
            u = middle
        } else {
            below = middle
        }
    }
    (l, u)
}

/// NaN after everything else, whatever its sign.
fn nan_last(a: &f64, b: &f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then_with(|| a.total_cmp(b))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(nan_last);
    values
}

fn sorted_hits(hits: &[Option<u64>]) -> Vec<Option<u64>> {
    let mut hits = hits.to_vec();
    hits.sort_unstable_by_key(|hit| (hit.is_none(), *hit));
    hits
}

/// The middle value, or the mean of the two middle ones; NaN for no values.
///
/// Infinities are values. A NaN counts as larger than any number, so the median is NaN only if
/// half of the values are.
pub fn median(values: &[f64]) -> f64 {
    let values = sorted(values);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => {
            let (low, high) = (values[n / 2 - 1], values[n / 2]);
            // Equal infinities have no difference.
            if low >= high {
                low
            } else {
                0.5 * low + 0.5 * high
            }
        }
    }
}

/// The q-quantile as the inverse of the empirical distribution function: the smallest value v with
/// at least a share q of all values at or below v (Hyndman & Fan 1996, type 1).
///
/// q is clamped to [0, 1]; infinities are values and NaN counts as larger than any number; NaN for
/// no values or q NaN.
pub fn quantile_of(values: &[f64], q: f64) -> f64 {
    match rank_of(values.len(), q) {
        0 => f64::NAN,
        k => sorted(values)[k - 1],
    }
}

/// The q-quantile of hitting times of which some (`None`) lie beyond the budget: the smallest time
/// t with at least a share q of all replicates at or below t.
///
/// `None` if the quantile is censored itself (more than a share 1 − q never hit), if there are no
/// replicates, or if q is NaN.
pub fn quantile(hits: &[Option<u64>], q: f64) -> Option<u64> {
    match rank_of(hits.len(), q) {
        0 => None,
        k => sorted_hits(hits)[k - 1],
    }
}

/// Interval for the q-quantile of hitting times, whatever their distribution, by order statistics
/// (Conover 1999, *Practical Nonparametric Statistics*, 3.2): it covers with at least `level`.
///
/// An end that is `None` lies beyond the budget. With too few replicates for a lower end it is 0,
/// the first time there is.
pub fn quantile_interval(hits: &[Option<u64>], q: f64, level: f64) -> (Option<u64>, Option<u64>) {
    let sorted = sorted_hits(hits);
    let (l, u) = order_interval(sorted.len(), q, level);
    let low = if l == 0 { Some(0) } else { sorted[l - 1] };
    (low, sorted.get(u - 1).copied().flatten())
}

// ---- Censored times ----------------------------------------------------------------------------

/// A time at which something happened, or until which it had not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The time of the event, or the last time at which it was still waited for.
    pub time: f64,
    /// Whether the wait ended without the event.
    pub censored: bool,
}

/// The Kaplan–Meier estimate of P(time > t): for each distinct time of an event, in order, the
/// time, the survival after it, and Greenwood's standard error.
///
/// S(t) = Π (1 − dᵢ/nᵢ), standard error S √(Σ dᵢ/(nᵢ(nᵢ − dᵢ))) over event times tᵢ ≤ t with dᵢ
/// events among nᵢ still waiting (Kaplan & Meier 1958; Greenwood 1926). Whoever is censored at the
/// time of an event still counts as waiting. The point (0, 1, 0) before the first event is left
/// out; the error is 0 once S is 0. A NaN time is left out, an infinite one counts as censored.
pub fn kaplan_meier(hits: &[Hit]) -> Vec<(f64, f64, f64)> {
    let mut hits: Vec<Hit> = hits
        .iter()
        .copied()
        .filter(|hit| !hit.time.is_nan())
        .collect();
    hits.sort_unstable_by(|a, b| a.time.total_cmp(&b.time));
    let (mut survival, mut sum, mut curve) = (1.0, 0.0, Vec::new());
    let mut waiting = hits.len() as f64;
    // −0 and 0 are one time, so ties are found by comparison and not by bits.
    for tied in hits.chunk_by(|a, b| a.time >= b.time) {
        let time = tied[0].time;
        let events = tied
            .iter()
            .filter(|hit| !hit.censored && time.is_finite())
            .count() as f64;
        if events > 0.0 {
            survival *= 1.0 - events / waiting;
            let left = waiting - events;
            let error = if left > 0.0 {
                sum += events / (waiting * left);
                survival * f64::sqrt(sum)
            } else {
                survival = 0.0;
                0.0
            };
            curve.push((time, survival, error));
        }
        waiting -= tied.len() as f64;
    }
    curve
}

// ---- Pairs and families ------------------------------------------------------------------------

/// How many times longer `b` takes than `a`: the median of b/a over the replicates in which both
/// hit, and its interval.
///
/// The median of log(b/a), exponentiated, with the order-statistic interval that inverts the sign
/// test, which covers with at least `level` whatever the distribution. Two times 0 have ratio 1.
/// `None` for fewer than six pairs, the least for which 95 % can be had; an end that even so few
/// pairs cannot give is 0 or ∞. It says nothing of replicates that only one side solved: that is
/// [`mcnemar_exact`]'s.
pub fn paired_ratio(a: &[Option<u64>], b: &[Option<u64>], level: f64) -> Option<(f64, Interval)> {
    let mut logs: Vec<f64> = a
        .iter()
        .zip(b)
        .filter_map(|(a, b)| a.zip(*b))
        .map(|(a, b)| {
            if a == b {
                0.0
            } else {
                libm::log(b as f64 / a as f64)
            }
        })
        .collect();
    if logs.len() < 6 {
        return None;
    }
    logs.sort_unstable_by(f64::total_cmp);
    let (l, u) = order_interval(logs.len(), 0.5, level);
    let low = if l == 0 { 0.0 } else { libm::exp(logs[l - 1]) };
    let high = logs.get(u - 1).map_or(f64::INFINITY, |log| libm::exp(*log));
    Some((libm::exp(median(&logs)), Interval { low, high }))
}

/// Spearman's rank correlation: Pearson's correlation of the ranks, ties sharing their mean rank.
///
/// Infinities have a rank. `None` for unequal lengths, fewer than two points, a NaN, or a side
/// whose values are all the same.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 || x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    let (x, y) = (mid_ranks(x), mid_ranks(y));
    let mean = 0.5 * (x.len() as f64 + 1.0);
    let product = |a: &[f64], b: &[f64]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - mean) * (b - mean))
            .sum::<f64>()
    };
    let size = (product(&x, &x) * product(&y, &y)).sqrt();
    (size > 0.0).then(|| (product(&x, &y) / size).clamp(-1.0, 1.0))
}

/// Ranks from 1; equal values share their mean rank.
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    let (mut ranks, mut before) = (vec![0.0; values.len()], 0.0);
    for tied in order.chunk_by(|&i, &j| values[i] >= values[j]) {
        let count = tied.len() as f64;
        for &i in tied {
            ranks[i] = before + 0.5 * (count + 1.0);
        }
        before += count;
    }
    ranks
}

/// Holm's adjusted p-values, in the order given: to reject those at most α keeps the probability of
/// any false rejection at most α (Holm 1979, "A simple sequentially rejective multiple test
/// procedure").
///
/// With p₍₁₎ ≤ … ≤ p₍ₘ₎ the i-th is max over j ≤ i of min(1, (m − j + 1) p₍ⱼ₎). NaN is no test: it
/// stays NaN and does not count in m.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| !p[i].is_nan()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let (mut adjusted, mut largest) = (vec![f64::NAN; p.len()], 0.0f64);
    for (before, &i) in order.iter().enumerate() {
        largest = largest.max(p[i] * (order.len() - before) as f64).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

// ---- Sampling until it is decided --------------------------------------------------------------

/// On which side of a share the success probability lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The probability is above the share.
    Above,
    /// The probability is below the share.
    Below,
}

/// A confidence sequence for a success probability: an interval after every draw, all of which hold
/// the true probability together with probability at least `level`, so that one may look after
/// every draw and stop when one likes.
///
/// After s successes and f failures it is the set of p whose likelihood ratio against the
/// Beta(1/2, 1/2) mixture, B(s + 1/2, f + 1/2)/(π pˢ (1 − p)ᶠ), is below 1/(1 − level). At the true
/// p this ratio is a nonnegative martingale that starts at 1, and Ville's inequality bounds the
/// probability that it ever reaches 1/(1 − level) (Robbins 1970, "Statistical methods related to
/// the law of the iterated logarithm"). The state is the two counts, so their order is immaterial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceSequence {
    successes: u64,
    failures: u64,
    /// log 1/(1 − level)
    threshold: f64,
}

impl ConfidenceSequence {
    /// No draws yet. A level of 1 or more, or NaN, excludes nothing but the impossible.
    pub fn new(level: f64) -> ConfidenceSequence {
        ConfidenceSequence {
            successes: 0,
            failures: 0,
            threshold: -libm::log(2.0 * side(level)),
        }
    }

    /// One more draw.
    pub fn push(&mut self, success: bool) {
        let count = if success {
            &mut self.successes
        } else {
            &mut self.failures
        };
        *count = count.saturating_add(1);
    }

    /// The interval after the draws so far; [0, 1] before the first.
    pub fn interval(&self) -> Interval {
        let (s, f) = (self.successes as f64, self.failures as f64);
        if s + f < 1.0 {
            return Interval {
                low: 0.0,
                high: 1.0,
            };
        }
        // The ratio falls from p = 0 to the share seen, where it is at most 1, then rises.
        let mixture = self.log_mixture();
        let end = |mut outside: f64, mut inside: f64| {
            // Sixty halvings leave an error of 1e-18.
            for _ in 0..60 {
                let middle = outside.midpoint(inside);
                if mixture - self.log_likelihood(middle) < self.threshold {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            outside
        };
        let seen = s / (s + f);
        Interval {
            low: if s > 0.0 { end(0.0, seen) } else { 0.0 },
            high: if f > 0.0 { end(1.0, seen) } else { 1.0 },
        }
    }

    /// The side of `share` on which the probability lies, if the draws so far tell; `None` also for
    /// a NaN share.
    pub fn excludes(&self, share: f64) -> Option<Side> {
        if share.is_nan() {
            return None;
        }
        if share < 0.0 {
            return Some(Side::Above);
        }
        if share > 1.0 {
            return Some(Side::Below);
        }
        let (s, f) = (self.successes as f64, self.failures as f64);
        if self.log_mixture() - self.log_likelihood(share) < self.threshold {
            None
        } else if s > share * (s + f) {
            Some(Side::Above)
        } else if s < share * (s + f) {
            Some(Side::Below)
        } else {
            None
        }
    }

    /// log B(s + 1/2, f + 1/2) − log B(1/2, 1/2).
    fn log_mixture(&self) -> f64 {
        let (s, f) = (self.successes as f64, self.failures as f64);
        libm::lgamma(s + 0.5) + libm::lgamma(f + 0.5)
            - libm::lgamma(s + f + 1.0)
            - libm::log(std::f64::consts::PI)
    }

    /// log pˢ (1 − p)ᶠ with 0⁰ = 1.
    fn log_likelihood(&self, p: f64) -> f64 {
        let (s, f) = (self.successes as f64, self.failures as f64);
        let of_successes = if s > 0.0 { s * libm::log(p) } else { 0.0 };
        let of_failures = if f > 0.0 { f * libm::log1p(-p) } else { 0.0 };
        of_successes + of_failures
    }
}

#[cfg(test)]
// Exact equality is meant where it stands: limits, medians of given values, p-values of powers of two.
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;

    // Oracles: SciPy, statsmodels 0.14, lifelines 0.30, mpmath. The line above each gives its derivation.

    #[track_caller]
    fn close(ours: f64, theirs: f64, relative: f64) {
        assert!(
            (ours - theirs).abs() <= relative * theirs.abs(),
            "{ours:e} is not {theirs:e}"
        );
    }

    /// SplitMix64 (Steele, Lea & Flood 2014), so that these tests depend on nothing else.
    struct Draws(u64);

    impl Draws {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53)
        }
    }

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

    #[test]
    fn wilson_intervals_are_those_of_statsmodels() {
        // statsmodels.stats.proportion.proportion_confint(k, n, alpha=1 - level, method="wilson")
        for (k, n, level, low, high) in [
            (0, 10, 0.95, 0.0, 0.2775327998628892),
            (10, 10, 0.95, 0.7224672001371107, 1.0),
            (320, 400, 0.95, 0.758029683133299, 0.8362629402661231),
            (1, 400, 0.99, 0.0002935817387725581, 0.020941429503987388),
            (5, 7, 0.8, 0.47246281655659694, 0.8746640094625457),
            (3999, 4000, 0.95, 0.9985851689339011, 0.9999558674980424),
        ] {
            let ours = wilson(k, n, level);
            close(ours.low, low, 1e-12);
            close(ours.high, high, 1e-12);
        }
        assert_eq!(
            wilson(0, 0, 0.95),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
        assert_eq!(
            wilson(3, 5, f64::NAN),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
    }

    /// Exact, by summing over the binomial; at single p it oscillates, the mean over p does not.
    #[test]
    fn wilson_intervals_cover_as_often_as_they_say_on_average() {
        let n = 100;
        let (mut mean, count) = (0.0, 199);
        for i in 1..=count {
            let p = f64::from(i) / f64::from(count + 1);
            let covered: f64 = (0..=n)
                .filter(|&k| (wilson(k, n, 0.95).low..=wilson(k, n, 0.95).high).contains(&p))
                .map(|k| binomial_pmf(k, n, p))
                .sum();
            assert!(covered > 0.86, "{covered} at {p}");
            mean += covered / f64::from(count);
        }
        assert!((mean - 0.95).abs() < 0.006, "{mean}");
    }

    #[test]
    fn mcnemar_is_the_exact_two_sided_sign_test() {
        // scipy.stats.binomtest(a, a + b).pvalue; the large ones with mpmath, 30 digits
        for (a, b, p) in [
            (0, 0, 1.0),
            (5, 5, 1.0),
            (3, 11, 0.057373046875),
            (11, 3, 0.057373046875),
            (0, 6, 0.03125),
            (40, 12, 0.0001275387838557407),
            (1000, 1200, 2.1817026407914711e-05),
            (500_000, 502_000, 0.045824695263224316),
            (1_000_000, 1_003_000, 0.034088365079439383),
        ] {
            close(mcnemar_exact(a, b), p, 1e-12);
        }
        assert!(mcnemar_exact(u64::MAX, u64::MAX) > 0.9);
        assert!(mcnemar_exact(0, u64::MAX) < 1e-300);
    }

    /// P(p-value ≤ α) ≤ α, exactly, for a fair coin.
    #[test]
    fn mcnemar_rejects_equals_at_most_as_often_as_it_says() {
        for n in 1..200 {
            for alpha in [0.01, 0.05, 0.2] {
                let rejected: f64 = (0..=n)
                    .filter(|&k| mcnemar_exact(k, n - k) <= alpha)
                    .map(|k| binomial_pmf(k, n, 0.5))
                    .sum();
                assert!(rejected <= alpha * (1.0 + 1e-12));
            }
        }
    }

    #[test]
    fn a_quantile_is_the_first_time_that_enough_replicates_have_reached() {
        let hits = [Some(40), None, Some(10), Some(30), Some(20)];
        assert_eq!(quantile(&hits, 0.5), Some(30));
        assert_eq!(quantile(&hits, 0.6), Some(30));
        assert_eq!(quantile(&hits, 0.8), Some(40));
        assert_eq!(quantile(&hits, 0.81), None);
        assert_eq!(quantile(&hits, 0.0), Some(10));
        assert_eq!(quantile(&hits, f64::NAN), None);
        assert_eq!(quantile(&[], 0.5), None);
        // numpy.quantile(v, q, method="inverted_cdf") for the law below
        let many: Vec<Option<u64>> = (1..=100).rev().map(Some).collect();
        for k in 1..=100u64 {
            assert_eq!(quantile(&many, k as f64 / 100.0), Some(k));
        }
    }

    #[test]
    fn quantile_intervals_are_those_of_scipy() {
        // scipy.stats.quantile_test(range(1, 101), q=0, p=q).confidence_interval(0.95)
        let hits: Vec<Option<u64>> = (1..=100).map(Some).collect();
        assert_eq!(quantile_interval(&hits, 0.5, 0.95), (Some(40), Some(61)));
        assert_eq!(quantile_interval(&hits, 0.8, 0.95), (Some(72), Some(89)));
        assert_eq!(quantile_interval(&hits, 0.9, 0.95), (Some(84), Some(96)));
        assert_eq!(
            quantile_interval(&hits[..20], 0.5, 0.95),
            (Some(6), Some(15))
        );
    }

    #[test]
    fn a_quantile_interval_ends_beyond_the_budget_when_too_few_hit() {
        let half: Vec<Option<u64>> = (0..100).map(|i| (i < 50).then_some(i)).collect();
        assert_eq!(quantile_interval(&half, 0.5, 0.95), (Some(39), None));
        assert_eq!(quantile_interval(&half, 0.9, 0.95), (None, None));
        assert_eq!(quantile_interval(&[Some(3)], 0.5, 0.95), (Some(0), None));
        assert_eq!(quantile_interval(&[], 0.5, 0.95), (Some(0), None));
        assert_eq!(
            quantile_interval(&half, f64::NAN, f64::NAN),
            (Some(0), None)
        );
    }

    /// Also with ties: times are rounded to tens.
    #[test]
    fn quantile_intervals_cover_at_least_as_often_as_they_say() {
        let mut draws = Draws(1);
        for q in [0.5, 0.8] {
            let (mut covered, trials) = (0, 3000);
            for _ in 0..trials {
                let hits: Vec<Option<u64>> = (0..60)
                    .map(|_| (draws.uniform() * 1000.0) as u64 / 10 * 10)
                    .map(|t| (t < 850).then_some(t))
                    .collect();
                let (low, high) = quantile_interval(&hits, q, 0.9);
                // P(t ≤ 490) = 0.5 and P(t ≤ 790) = 0.8
                let truth = (q * 1000.0) as u64 - 10;
                let in_time = high.is_none_or(|high| truth <= high);
                covered += usize::from(low.is_some_and(|low| low <= truth) && in_time);
            }
            let slack = 3.0 * (0.9 * 0.1 / f64::from(trials)).sqrt();
            assert!(
                covered as f64 / f64::from(trials) >= 0.9 - slack,
                "{covered}"
            );
        }
    }

    #[test]
    fn kaplan_meier_is_that_of_statsmodels_and_lifelines() {
        // The 6-MP arm of Freireich et al. 1963: statsmodels SurvfuncRight(t, c).surv_prob and
        // .surv_prob_se; lifelines.KaplanMeierFitter().fit(t, c) gives the same survival.
        let events = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        let hits: Vec<Hit> = censored
            .iter()
            .map(|&t| Hit {
                time: f64::from(t),
                censored: true,
            })
            .chain(events.iter().map(|&t| Hit {
                time: f64::from(t),
                censored: false,
            }))
            .collect();
        let curve = kaplan_meier(&hits);
        let expected = [
            (6.0, 0.8571428571428572, 0.07636035483212125),
            (7.0, 0.8067226890756303, 0.0869352851800572),
            (10.0, 0.7529411764705883, 0.09634965299432052),
            (13.0, 0.6901960784313725, 0.10681470777500983),
            (16.0, 0.6274509803921567, 0.11405386525675254),
            (22.0, 0.5378151260504203, 0.12823375169303403),
            (23.0, 0.44817927170868355, 0.13459145675576048),
        ];
        assert_eq!(curve.len(), expected.len());
        for (ours, theirs) in curve.iter().zip(expected) {
            assert_eq!(ours.0, theirs.0);
            close(ours.1, theirs.1, 1e-13);
            close(ours.2, theirs.2, 1e-13);
        }
    }

    #[test]
    fn kaplan_meier_without_censoring_is_one_minus_the_empirical_distribution() {
        let mut draws = Draws(2);
        let hits: Vec<Hit> = (0..500)
            .map(|_| Hit {
                time: (draws.uniform() * 50.0).floor(),
                censored: false,
            })
            .collect();
        for (time, survival, error) in kaplan_meier(&hits) {
            let share = hits.iter().filter(|hit| hit.time > time).count() as f64 / 500.0;
            assert!((survival - share).abs() < 1e-12);
            // Greenwood's is then the binomial standard error.
            assert!((error - (share * (1.0 - share) / 500.0).sqrt()).abs() < 1e-12);
        }
        assert!(kaplan_meier(&[]).is_empty());
        let senseless = [f64::NAN, f64::INFINITY].map(|time| Hit {
            time,
            censored: false,
        });
        assert!(kaplan_meier(&senseless).is_empty());
    }

    #[test]
    fn a_paired_ratio_is_the_median_ratio_between_two_order_statistics() {
        // np.exp(np.median(np.log(b / a))); the second smallest and largest of eight ratios would
        // cover with 1 - 2 * binom.cdf(1, 8, .5) = 0.93 only, so the interval is the whole range.
        let a = [100, 120, 90, 200, 150, 80, 300, 110].map(Some);
        let b = [150, 110, 180, 260, 300, 100, 900, 111].map(Some);
        let (ratio, interval) = paired_ratio(&a, &b, 0.95).unwrap();
        close(ratio, 1.396424004376894, 1e-14);
        close(interval.low, 0.9166666666666666, 1e-14);
        close(interval.high, 3.0, 1e-14);
        let (_, interval) = paired_ratio(&a, &b, 0.9).unwrap();
        close(interval.low, 1.009090909090909, 1e-14);
        close(interval.high, 2.0, 1e-14);
        assert_eq!(paired_ratio(&a[..5], &b, 0.95), None);
        assert_eq!(paired_ratio(&a, &[None; 8], 0.95), None);
        let (_, interval) = paired_ratio(&a[..6], &b, 0.99).unwrap();
        assert_eq!(
            interval,
            Interval {
                low: 0.0,
                high: f64::INFINITY
            }
        );
        assert_eq!(
            paired_ratio(&[Some(0); 6], &[Some(0); 6], 0.95).unwrap().0,
            1.0
        );
        assert_eq!(
            paired_ratio(&[Some(0); 6], &[Some(1); 6], 0.95).unwrap().0,
            f64::INFINITY
        );
    }

    #[test]
    fn swapping_the_sides_inverts_a_paired_ratio() {
        let mut draws = Draws(3);
        let mut times = || {
            (0..41)
                .map(|_| Some((draws.uniform() * 1e5) as u64 + 1))
                .collect::<Vec<_>>()
        };
        let (a, b) = (times(), times());
        let (ratio, interval) = paired_ratio(&a, &b, 0.95).unwrap();
        let (inverse, swapped) = paired_ratio(&b, &a, 0.95).unwrap();
        close(ratio * inverse, 1.0, 1e-12);
        close(interval.low * swapped.high, 1.0, 1e-12);
        close(interval.high * swapped.low, 1.0, 1e-12);
    }

    #[test]
    fn rank_correlations_are_those_of_scipy() {
        // scipy.stats.spearmanr(x, y).statistic
        let x = [1.0, 2.0, 2.0, 3.0, 5.0, 8.0];
        let y = [2.0, 1.0, 4.0, 4.0, 4.0, 9.0];
        close(spearman(&x, &y).unwrap(), 0.8008534347238067, 1e-14);
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 6.0, 7.0, 8.0, 7.0]);
        close(spearman(&x, &y).unwrap(), 0.8207826816681233, 1e-14);
        assert_eq!(
            spearman(&[1.0, 2.0], &[f64::NEG_INFINITY, f64::INFINITY]),
            Some(1.0)
        );
        assert_eq!(spearman(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[3.0, f64::NAN]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[3.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }

    #[test]
    fn holm_adjusts_as_statsmodels_does() {
        // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
        let ours = holm(&[0.01, 0.04, 0.03, 0.005, 0.6]);
        for (ours, theirs) in ours.iter().zip([0.04, 0.09, 0.09, 0.025, 0.6]) {
            close(*ours, theirs, 1e-14);
        }
        let with_gap = holm(&[0.01, f64::NAN, 0.9]);
        assert!(with_gap[1].is_nan());
        close(with_gap[0], 0.02, 1e-15);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn medians_and_quantiles_take_infinities_and_put_nan_last() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[1.0, inf, inf, inf]), inf);
        assert_eq!(median(&[-nan, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[f64::MAX, f64::MAX]), f64::MAX);
        assert!(median(&[]).is_nan());
        assert_eq!(quantile_of(&[4.0, 3.0, 2.0, 1.0], 0.5), 2.0);
        assert_eq!(quantile_of(&[4.0, nan, 2.0, -inf], 0.75), 4.0);
        assert_eq!(quantile_of(&[4.0, nan, 2.0, -inf], -1.0), -inf);
        assert!(quantile_of(&[4.0, nan, 2.0, -inf], 1.0).is_nan());
        assert!(quantile_of(&[], 0.5).is_nan());
        assert!(quantile_of(&[1.0], nan).is_nan());
    }

    fn after(successes: u64, failures: u64, level: f64) -> ConfidenceSequence {
        ConfidenceSequence {
            successes,
            failures,
            ..ConfidenceSequence::new(level)
        }
    }

    #[test]
    fn confidence_sequences_end_where_the_mixture_ratio_crosses() {
        // scipy.optimize.brentq on scipy.special.betaln(s + .5, f + .5) - betaln(.5, .5)
        //     - xlogy(s, p) - xlogy(f, 1 - p) - log(1 / (1 - level))
        for (s, f, level, low, high) in [
            (80, 20, 0.95, 0.6483583961601775, 0.9089776689206757),
            (3, 0, 0.95, 0.25, 1.0),
            (330, 70, 0.99, 0.7419509463848123, 0.8913082812724648),
            (0, 50, 0.95, 0.0, 0.10464247710451557),
        ] {
            let interval = after(s, f, level).interval();
            close(interval.low, low, 1e-11);
            close(interval.high, high, 1e-11);
        }
        assert_eq!(
            after(0, 0, 0.95).interval(),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
    }

    #[test]
    fn a_confidence_sequence_excludes_what_lies_outside_its_interval() {
        for (s, f) in [(0, 0), (0, 9), (9, 0), (80, 20), (33, 67)] {
            let sequence = after(s, f, 0.95);
            let Interval { low, high } = sequence.interval();
            for i in 0..=100 {
                let share = f64::from(i) / 100.0;
                let side = if share < low {
                    Some(Side::Above)
                } else if share > high {
                    Some(Side::Below)
                } else {
                    None
                };
                // At 0 and 1 the ends may be equal to the share.
                if (share > 0.0 || s == 0) && (share < 1.0 || f == 0) {
                    assert_eq!(sequence.excludes(share), side, "{s} {f} {share}");
                }
            }
            assert_eq!(sequence.excludes(f64::NAN), None);
            assert_eq!(sequence.excludes(-0.1), Some(Side::Above));
            assert_eq!(sequence.excludes(1.1), Some(Side::Below));
        }
        assert_eq!(after(1, 0, 0.95).excludes(0.0), Some(Side::Above));
        assert_eq!(after(1000, 0, f64::NAN).excludes(0.5), None);
    }

    /// Ville's inequality by simulation: 2000 streams of 2000 draws at p = share, looked at after
    /// every draw.
    #[test]
    fn a_confidence_sequence_seldom_ever_excludes_the_truth() {
        let (level, streams) = (0.95, 2000);
        for share in [0.5, 0.8] {
            let mut draws = Draws(4);
            let mut wrong = 0;
            for _ in 0..streams {
                let mut sequence = ConfidenceSequence::new(level);
                wrong += u32::from((0..2000).any(|_| {
                    sequence.push(draws.uniform() < share);
                    sequence.excludes(share).is_some()
                }));
            }
            let slack = 3.0 * (level * (1.0 - level) / f64::from(streams)).sqrt();
            let rate = f64::from(wrong) / f64::from(streams);
            assert!(rate <= 1.0 - level + slack, "{rate}");
            assert!(rate > 0.005, "{rate}: so few that it decides nothing");
        }
    }

    #[test]
    fn a_confidence_sequence_decides_in_the_end() {
        let mut draws = Draws(5);
        for (p, side) in [(0.9, Side::Above), (0.7, Side::Below)] {
            let mut sequence = ConfidenceSequence::new(0.95);
            let decided = (0..4000).find_map(|_| {
                sequence.push(draws.uniform() < p);
                sequence.excludes(0.8)
            });
            assert_eq!(decided, Some(side));
        }
    }
}

//! Two settings on the same random draws, ranks, and families of tests.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::binomial_cdf;

/// Two-sided p-value of McNemar's exact test: the sign test on the pairs that disagree.
///
/// Of n = `only_first` + `only_second` replicates that one of two settings alone solved, each side
/// has probability 1/2 when the settings are equally good: p = min(1, 2 P(X ≤ the smaller)), X
/// binomial (McNemar 1947). It is `scipy.stats.binomtest`. 1 if no pair disagrees.
pub fn mcnemar_exact(only_first: u64, only_second: u64) -> f64 {
    let n = only_first.saturating_add(only_second);
    (2.0 * binomial_cdf(only_first.min(only_second), n, 0.5)).min(1.0)
}

/// On how many of the pairs each side is faster, and the exact two-sided sign test of that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Signs {
    /// Replicates that `a` brings below first, those that it alone brings below included.
    pub first: u64,
    /// Replicates that `b` brings below first.
    pub second: u64,
    /// Two-sided p of equal chances. It is 1 if all are ties.
    pub p: f64,
}

/// The sign test of paired hitting times: which of two settings is faster on most replicates.
///
/// A time beyond the budget (`None`) is later than any other, two of them are a tie, and ties count
/// for nobody; so no replicate is left out. Under equal
/// chances the p-value is exact whatever the distribution (Conover 1999, *Practical Nonparametric
/// Statistics*, 3.4).
pub fn sign_test(a: &[Option<u64>], b: &[Option<u64>]) -> Signs {
    let order = |a: &Option<u64>, b: &Option<u64>| (a.is_none(), *a).cmp(&(b.is_none(), *b));
    let count = |wanted: Ordering| {
        let pairs = a.iter().zip(b);
        pairs.filter(|(a, b)| order(a, b) == wanted).count() as u64
    };
    let (first, second) = (count(Ordering::Less), count(Ordering::Greater));
    Signs {
        first,
        second,
        p: mcnemar_exact(first, second),
    }
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

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::excessive_precision)]
mod tests {
    use super::*;
    use crate::stats::binomial_pmf;
    use crate::stats::support::close;

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
    fn a_sign_test_counts_censored_times_as_late_and_ties_for_nobody() {
        let a = [Some(1), Some(5), None, None, Some(7), Some(3)];
        let b = [Some(2), Some(4), Some(9), None, Some(7), None];
        let signs = sign_test(&a, &b);
        assert_eq!((signs.first, signs.second), (2, 2));
        assert_eq!(signs.p, 1.0);
        let swapped = sign_test(&b, &a);
        assert_eq!((swapped.first, swapped.second, swapped.p), (2, 2, 1.0));
        // Ten pairs on one side: 2 · 2⁻¹⁰.
        let times: Vec<Option<u64>> = (1..=10).map(Some).collect();
        close(sign_test(&times, &[None; 10]).p, 2.0 / 1024.0, 1e-13);
    }
}

//! How crowded points are in few dimensions: how near the nearest two lie, and of which degree
//! polynomials must be to tell all of them apart. The eigenvalues of a smooth kernel fall with
//! both.

/// The least degree k of which polynomials in `dim` variables take any values at `points` inputs in
/// general position: C(dim + k, k) terms, the `constant` among them or not, are at least as many as
/// the points.
///
/// With a constant it is 1, so that a linear fit is exact, from dim = points − 1 on; without, from
/// dim = points on. 0 for a single point with a constant, and without dimensions or points.
pub fn degree(points: usize, dim: usize, constant: bool) -> usize {
    if dim == 0 {
        return 0;
    }
    let wanted = points as u128 + u128::from(!constant);
    let (mut terms, mut k) = (1u128, 0usize);
    while terms < wanted {
        k += 1;
        // C(d + k, k) = C(d + k − 1, k − 1) (d + k)/k, without remainder.
        terms = terms * (dim + k) as u128 / k as u128;
    }
    k
}

/// The median distance of the nearest two of `points` independent standard normal inputs in `dim`
/// dimensions, as if their pairs were independent (the Poisson limit of Silverman & Brown 1978, J.
/// Appl. Prob. 15, 815; exact for two points); none below two points.
///
/// ‖x − x'‖²/2 of one pair is χ² with `dim` degrees of freedom, and near 0 its distribution grows
/// as the `dim`-th power of the distance: the nearest of N²/2 pairs is as near as N^(−2/dim).
pub fn nearest_pair(points: usize, dim: usize) -> Option<f64> {
    if points < 2 || dim == 0 {
        return None;
    }
    let pairs = 0.5 * points as f64 * (points - 1) as f64;
    // 1 − (1 − p)^pairs = ½.
    let p = -libm::expm1(-std::f64::consts::LN_2 / pairs);
    // χ² at most 4 (d + 40) holds all but nothing of one pair.
    let (mut low, mut high) = (0.0, (8.0 * (dim as f64 + 40.0)).sqrt());
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if chi_squared(0.5 * middle * middle, dim as f64) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(0.5 * (low + high))
}

/// P(χ² < x) with so many degrees of freedom, by the series of the incomplete gamma function
/// (Abramowitz & Stegun 6.5.29): only positive terms.
fn chi_squared(x: f64, freedom: f64) -> f64 {
    let (a, half) = (0.5 * freedom, 0.5 * x);
    if half <= 0.0 {
        return 0.0;
    }
    let first = libm::exp(a * libm::log(half) - half - libm::lgamma(a + 1.0));
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    while term > 1e-17 * sum {
        n += 1.0;
        term *= half / n;
        sum += term;
    }
    (first * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Data;
    use crate::stats::median;

    #[test]
    fn twenty_points_need_the_degrees_of_their_dimension() {
        let degrees = [30, 20, 19, 18, 15, 5, 3, 2, 1].map(|d| degree(20, d, true));
        assert_eq!(degrees, [1, 1, 1, 2, 2, 2, 3, 5, 19]);
        // Without a constant a linear fit needs one dimension more.
        assert_eq!([20, 19].map(|d| degree(20, d, false)), [1, 2]);
        assert_eq!(degree(1, 5, true), 0);
        assert_eq!(degree(100_000, 1, true), 99_999);
        assert_eq!(degree(100_000, 100_000, true), 1);
    }

    /// One pair in one dimension: |N(0, 2)|, whose median is √2 Φ⁻¹(¾). Two dimensions: the
    /// distance is below r with probability 1 − exp(−r²/4).
    #[test]
    fn the_nearest_pair_has_its_exact_law_where_that_is_known() {
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
        let one = nearest_pair(2, 1).expect("two points");
        close(one, 2.0f64.sqrt() * crate::stats::normal_quantile(0.75));
        for n in [2, 20, 1000] {
            let pairs = 0.5 * (n * (n - 1)) as f64;
            let exact = 2.0 * (std::f64::consts::LN_2 / pairs).sqrt();
            close(nearest_pair(n, 2).expect("two points"), exact);
        }
        assert_eq!(nearest_pair(1, 2), None);
    }

    #[test]
    fn the_nearest_pair_comes_nearer_as_the_number_to_minus_two_over_the_dimension() {
        for d in [1, 2, 3, 5] {
            let at = |n: usize| nearest_pair(n, d).expect("two points");
            let slope = (at(100_000) / at(50_000)).log2();
            assert!((slope + 2.0 / d as f64).abs() < 0.01, "d = {d}: {slope}");
        }
    }

    /// The median over 2000 training sets has a standard error of 3 % at d = 1, where the nearest
    /// distance is nearly exponential, and less elsewhere.
    #[test]
    fn drawn_training_sets_have_the_nearest_pair_of_the_law() {
        for dim in [1, 2, 5, 15, 30] {
            let data = Data {
                dim,
                ..Data::default()
            };
            let all: Vec<f64> = (0..2000)
                .filter_map(|r| Some(data.set(5, r, None).nearest_pair()?.distance))
                .collect();
            let law = nearest_pair(20, dim).expect("twenty points");
            let off = median(&all) / law - 1.0;
            // Pairs share points, which matters where they are not much nearer than the others.
            assert!(off.abs() < 0.1, "d = {dim}: {off}");
        }
    }
}

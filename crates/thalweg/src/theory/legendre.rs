//! Gauss–Legendre rules.

/// Nodes in (−1, 1), increasing, and weights that add up to 2: exact for polynomials of degree
/// 2 n − 1, and for analytic functions off by about ρ^(−2n), ρ the sum of the half axes of the
/// largest ellipse around ±1 without a singularity (Trefethen 2008, "Is Gauss quadrature better
/// than
/// Clenshaw–Curtis?").
///
/// Newton's method on P_n from Tricomi's guess.
pub(super) fn legendre(n: usize) -> Vec<(f64, f64)> {
    let mut all = vec![(0.0, 0.0); n];
    for i in 0..n.div_ceil(2) {
        let mut x = libm::cos(std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5));
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut before, mut now) = (1.0, x);
            for k in 2..=n {
                let k = k as f64;
                (before, now) = (now, ((2.0 * k - 1.0) * x * now - (k - 1.0) * before) / k);
            }
            slope = n as f64 * (x * now - before) / (x * x - 1.0);
            let by = now / slope;
            x -= by;
            if by.abs() <= 1e-16 {
                break;
            }
        }
        if 2 * i + 1 == n {
            x = 0.0;
        }
        let weight = 2.0 / ((1.0 - x * x) * slope * slope);
        all[i] = (-x, weight);
        all[n - 1 - i] = (x, weight);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ∫ x^k = 2/(k + 1) for even k up to degree 2 n − 1.
    #[test]
    fn a_rule_of_n_nodes_is_exact_to_its_degree() {
        for n in [1, 2, 3, 8, 20, 61, 200] {
            let rule = legendre(n);
            assert!(rule.windows(2).all(|p| p[0].0 < p[1].0), "{n}");
            for k in 0..2 * n as i32 {
                let sum: f64 = rule.iter().map(|(x, w)| w * x.powi(k)).sum();
                let exact = if k % 2 == 0 {
                    2.0 / f64::from(k + 1)
                } else {
                    0.0
                };
                assert!((sum - exact).abs() < 1e-14, "{n} {k}: {sum}");
            }
        }
    }
}

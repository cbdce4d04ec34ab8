//! Components of variance of a crossed design without repetition: every row factor with every
//! column factor once.

use serde::{Deserialize, Serialize};

use super::{Interval, normal_quantile, side};

/// How the variance of y_ij = μ + a_i + b_j + e_ij is shared out between rows, columns and what is
/// left, with a, b and e independent of mean 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// Var a, Var b and Var e.
    pub variances: [f64; 3],
    /// Each over their sum, with its interval.
    pub shares: [(f64, Interval); 3],
    /// Variance of the mean of all y: Var a/I + Var b/J + Var e/(I J).
    pub of_mean: f64,
}

/// The components of `values` [rows, columns], row-major; none for less than two rows or columns,
/// or values that are not finite or all equal.
///
/// Estimates are those of the analysis of variance, with negative ones set to 0 (Searle, Casella &
/// McCulloch 1992, "Variance Components", section 4.5). With MS the mean squares of rows, columns
/// and the rest, Var a = (MS_a − MS_e)/J, Var b = (MS_b − MS_e)/I, Var e = MS_e. Intervals are the
/// jackknife's of rows plus that of columns, which needs no normal law of the effects; the sum
/// counts the rest twice, so they are a little wide.
pub fn components(values: &[f64], rows: usize, columns: usize, level: f64) -> Option<Components> {
    let table = TwoWay {
        values,
        rows,
        columns,
    };
    if rows < 2 || columns < 2 || values.len() != rows * columns {
        return None;
    }
    let variances = table.variances(None, None);
    let shares = shares(variances)?;
    let mut spread = [0.0; 3];
    let mut jackknife = |n: usize, without: &dyn Fn(usize) -> [f64; 3]| {
        // Of two rows nothing is left to compare without one.
        let all: Vec<[f64; 3]> = (0..n).filter_map(|i| self::shares(without(i))).collect();
        for (k, spread) in spread.iter_mut().enumerate() {
            let mean = all.iter().map(|s| s[k]).sum::<f64>() / all.len() as f64;
            let square = all.iter().map(|s| (s[k] - mean).powi(2)).sum::<f64>();
            *spread += square * (n as f64 - 1.0) / n as f64;
        }
    };
    if rows > 2 {
        jackknife(rows, &|i| table.variances(Some(i), None));
    }
    if columns > 2 {
        jackknife(columns, &|j| table.variances(None, Some(j)));
    }
    let z = -normal_quantile(side(level));
    let with_interval = |k: usize| {
        let half = if rows > 2 && columns > 2 {
            z * spread[k].sqrt()
        } else {
            f64::INFINITY
        };
        let band = Interval {
            low: (shares[k] - half).max(0.0),
            high: (shares[k] + half).min(1.0),
        };
        (shares[k], band)
    };
    let [a, b, e] = variances;
    let (i, j) = (rows as f64, columns as f64);
    Some(Components {
        variances,
        shares: [0, 1, 2].map(with_interval),
        of_mean: a / i + b / j + e / (i * j),
    })
}

fn shares(variances: [f64; 3]) -> Option<[f64; 3]> {
    let total: f64 = variances.iter().sum();
    (total.is_finite() && total > 0.0).then(|| variances.map(|v| v / total))
}

struct TwoWay<'a> {
    values: &'a [f64],
    rows: usize,
    columns: usize,
}

impl TwoWay<'_> {
    /// The estimates without a row or a column.
    fn variances(&self, row: Option<usize>, column: Option<usize>) -> [f64; 3] {
        let is: Vec<usize> = (0..self.rows).filter(|&i| Some(i) != row).collect();
        let js: Vec<usize> = (0..self.columns).filter(|&j| Some(j) != column).collect();
        let (n, m) = (is.len() as f64, js.len() as f64);
        let at = |i: usize, j: usize| self.values[i * self.columns + j];
        let of_row: Vec<f64> = (is.iter())
            .map(|&i| js.iter().map(|&j| at(i, j)).sum::<f64>() / m)
            .collect();
        let of_column: Vec<f64> = (js.iter())
            .map(|&j| is.iter().map(|&i| at(i, j)).sum::<f64>() / n)
            .collect();
        let mean = of_row.iter().sum::<f64>() / n;
        let square = |v: &[f64]| v.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let mut rest = 0.0;
        for (p, &i) in is.iter().enumerate() {
            for (q, &j) in js.iter().enumerate() {
                rest += (at(i, j) - of_row[p] - of_column[q] + mean).powi(2);
            }
        }
        let rest = rest / ((n - 1.0) * (m - 1.0));
        let rows = m * square(&of_row) / (n - 1.0);
        let columns = n * square(&of_column) / (m - 1.0);
        [
            ((rows - rest) / m).max(0.0),
            ((columns - rest) / n).max(0.0),
            rest,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::normal_quantile;
    use super::super::support::{Draws, close};
    use super::components;

    fn drawn(random: &mut Draws, sd: [f64; 3], rows: usize, columns: usize) -> Vec<f64> {
        let mut normal = |sd: f64| sd * normal_quantile(random.uniform());
        let a: Vec<f64> = (0..rows).map(|_| normal(sd[0])).collect();
        let b: Vec<f64> = (0..columns).map(|_| normal(sd[1])).collect();
        let cells = (0..rows * columns).map(|k| a[k / columns] + b[k % columns] + normal(sd[2]));
        cells.collect()
    }

    /// By hand: row means 2, 4, 9; column means 4, 6; nothing is left over.
    #[test]
    fn an_additive_table_has_no_rest() {
        let c = components(&[1.0, 3.0, 3.0, 5.0, 8.0, 10.0], 3, 2, 0.95).expect("it varies");
        close(c.variances[0], 13.0, 1e-12);
        close(c.variances[1], 2.0, 1e-12);
        assert!(c.variances[2].abs() < 1e-12);
        close(c.of_mean, 13.0 / 3.0 + 1.0, 1e-12);
    }

    #[test]
    fn shares_do_not_depend_on_scale_shift_or_orientation() {
        let mut random = Draws(5);
        let (n, m) = (9, 6);
        let v = drawn(&mut random, [1.0, 0.5, 0.3], n, m);
        let moved: Vec<f64> = v.iter().map(|v| 7.0 - 3.0 * v).collect();
        let turned: Vec<f64> = (0..n * m).map(|k| v[(k % n) * m + k / n]).collect();
        let [a, b, c] = [(&v, n, m), (&moved, n, m), (&turned, m, n)]
            .map(|(v, n, m)| components(v, n, m, 0.95).expect("it varies").shares);
        for k in 0..3 {
            close(b[k].0, a[k].0, 1e-9);
            close(b[k].1.high, a[k].1.high, 1e-9);
            close(c[[1, 0, 2][k]].0, a[k].0, 1e-9);
        }
    }

    #[test]
    fn components_are_unbiased_and_their_intervals_cover() {
        let mut random = Draws(11);
        let sd = [1.0, 0.7, 0.5];
        let truth = sd.map(|s: f64| s * s);
        let total: f64 = truth.iter().sum();
        let (tries, mut covered, mut sums) = (300, [0; 3], [0.0; 3]);
        for _ in 0..tries {
            let c = components(&drawn(&mut random, sd, 20, 20), 20, 20, 0.95).expect("it varies");
            for k in 0..3 {
                sums[k] += c.variances[k] / f64::from(tries);
                let (_, band) = c.shares[k];
                covered[k] +=
                    usize::from(band.low <= truth[k] / total && truth[k] / total <= band.high);
            }
        }
        for k in 0..3 {
            // Five standard errors of the mean of 300 estimates with 19 degrees of freedom.
            assert!((sums[k] / truth[k] - 1.0).abs() < 5.0 * (2.0f64 / 19.0 / 300.0).sqrt());
            assert!(covered[k] >= 270, "{covered:?}");
        }
    }

    #[test]
    fn a_table_that_says_nothing_is_none() {
        assert_eq!(components(&[1.0; 6], 3, 2, 0.95), None);
        assert_eq!(components(&[1.0, 2.0], 1, 2, 0.95), None);
        assert_eq!(components(&[1.0, f64::NAN, 2.0, 3.0], 2, 2, 0.95), None);
        // Two rows have no jackknife: the interval claims nothing.
        let c = components(&[1.0, 2.0, 4.0, 3.0], 2, 2, 0.95).expect("it varies");
        assert!(c.shares.iter().all(|(_, b)| b.low <= 0.0 && b.high >= 1.0));
    }
}

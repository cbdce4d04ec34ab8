//! How sure a finding may be: intervals, tests and quantiles, in f64, without any data type of
//! ours.
//!
//! Every function here is total: an empty or senseless input gives the answer that claims least
//! (the whole interval, p = 1, `None` or NaN), never a panic. Logarithms and gamma functions are
//! those of `libm`, so a verdict does not depend on the machine that reaches it.

mod components;
mod distributions;
mod intervals;
mod paired;
mod quantiles;
mod ratio;
mod restart;
mod sequence;
mod survival;
mod threshold;

pub use components::{Components, components};
pub use distributions::{binomial_cdf, binomial_pmf, normal_cdf};
pub use intervals::{
    Agreement, clopper_pearson, difference_of_shares, mean_interval, wilson, wilson_share,
};
pub use paired::{Signs, holm, mcnemar_exact, sign_test, spearman};
pub use quantiles::{median, median_interval, quantile, quantile_interval, quantile_of};
pub use ratio::{BoundedMedian, PairedRatio, Wait, paired_ratio};
pub use restart::{Restart, RestartWithin, restart, restart_within};
pub use sequence::{SequentialTest, Side, anytime_bounds};
pub use survival::{Drop, Hit, Survival, kaplan_meier};
pub use thalweg_engine::seed::normal_quantile;
pub use threshold::{BinomialGroup, Logistic, NoFit, Threshold};

use std::fmt;

use serde::{Deserialize, Serialize};

/// A closed interval; its ends may be infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    #[serde(deserialize_with = "low")]
    pub low: f64,
    /// Upper end.
    #[serde(deserialize_with = "high")]
    pub high: f64,
}

/// Both ends, `[0.758, 0.836]`: to three digits, or with as many decimals as are asked for.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |value: f64| match f.precision() {
            Some(decimals) => format!("{value:.decimals$}"),
            None => short(value),
        };
        write!(f, "[{}, {}]", end(self.low), end(self.high))
    }
}

/// A number to three digits, without superfluous zeros.
pub(crate) fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if size.is_finite() && size != 0.0 && !(1e-4..1e7).contains(&size) {
        format!("{rounded:e}")
    } else {
        format!("{rounded}")
    }
}

/// JSON has no infinity and writes null for it.
fn low<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NEG_INFINITY))
}

fn high<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
}

/// The probability left for one side outside an interval of this level; 0 for NaN.
fn side(level: f64) -> f64 {
    if level.is_nan() {
        0.0
    } else {
        0.5 * (1.0 - level).clamp(0.0, 1.0)
    }
}

/// What the tests of this room share. Their oracles are SciPy, statsmodels, lifelines and mpmath;
/// the line above each number says how it was had.
#[cfg(test)]
mod support {
    #[track_caller]
    pub(super) fn close(ours: f64, theirs: f64, relative: f64) {
        assert!(
            (ours - theirs).abs() <= relative * theirs.abs(),
            "{ours:e} is not {theirs:e}"
        );
    }

    /// SplitMix64 (Steele, Lea & Flood 2014), so that these tests depend on nothing else.
    pub(super) struct Draws(pub(super) u64);

    impl Draws {
        pub(super) fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53)
        }
    }
}

//! Where a success probability crosses a share: logistic fits in one variable, with intervals.
//!
//! P(success) = 1/(1 + e^−(a + b x)), fitted to groups of trials by maximum likelihood. Where the
//! groups are separated (all failures on one side of all successes) the likelihood has no maximum;
//! then the fit penalised by Jeffreys' prior (Firth 1993, "Bias reduction of maximum likelihood
//! estimates"; Heinze & Schemper 2002, "A solution to the problem of separation in logistic
//! regression") still has one. Work with log x where the variable is a rate or a width.

use serde::{Deserialize, Serialize};

use super::{Interval, normal_cdf, normal_quantile, side};

/// Trials at one value of the variable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BinomialGroup {
    /// The variable.
    pub x: f64,
    /// Successes.
    pub successes: u64,
    /// Trials.
    pub trials: u64,
}

/// Why there is no maximum-likelihood fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoFit {
    /// Fewer than two values of x with trials, or a value that is not finite.
    TooFew,
    /// All trials succeeded, or none did: the threshold lies outside of what was tried.
    OneOutcome,
    /// All failures lie on one side of all successes, between these values: any threshold there and
    /// any slope, however steep, fits. [`Logistic::firth`] gives a finite one.
    Separated(Interval),
}

impl std::fmt::Display for NoFit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoFit::TooFew => f.write_str("fewer than two values with trials"),
            NoFit::OneOutcome => f.write_str("all trials ended alike: the threshold lies outside"),
            NoFit::Separated(Interval { low, high }) => write!(
                f,
                "successes and failures are separated: the threshold lies between {low} and {high}"
            ),
        }
    }
}

/// A fitted logistic curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// a.
    pub intercept: f64,
    /// b, in 1/x.
    pub slope: f64,
    /// Covariance of (a, b): the inverse of Fisher's information.
    pub covariance: [[f64; 2]; 2],
    /// The largest log-likelihood, binomial coefficients left out; penalised for Firth's.
    pub log_likelihood: f64,
    /// Whether the likelihood was penalised.
    pub penalised: bool,
    groups: Vec<BinomialGroup>,
}

/// Where a fitted curve crosses a probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The probability.
    pub probability: f64,
    /// The value of x.
    pub at: f64,
    /// Profile-likelihood interval; an end is infinite if the trials do not bound it.
    pub interval: Interval,
    /// The interval by the delta method, symmetric: for comparison with other programs.
    pub delta: Interval,
}

/// x moved and scaled to mean 0 and spread 1, so that Newton's steps are safe.
struct Scale {
    centre: f64,
    width: f64,
}

impl Logistic {
    /// The maximum-likelihood fit.
    ///
    /// # Errors
    ///
    /// [`NoFit`] where there is none.
    pub fn fit(groups: &[BinomialGroup]) -> Result<Logistic, NoFit> {
        let groups = usable(groups)?;
        let successes = groups.iter().filter(|g| g.successes > 0);
        let failures = groups.iter().filter(|g| g.successes < g.trials);
        let range = |of: &mut dyn Iterator<Item = &BinomialGroup>| {
            of.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), g| {
                (l.min(g.x), h.max(g.x))
            })
        };
        let (s, f) = (range(&mut successes.clone()), range(&mut failures.clone()));
        if s.0 > s.1 || f.0 > f.1 {
            return Err(NoFit::OneOutcome);
        }
        // Quasi-separated if they touch at one value only: the slope is infinite then too.
        if f.1 <= s.0 || s.1 <= f.0 {
            let (low, high) = if f.1 <= s.0 { (f.1, s.0) } else { (s.1, f.0) };
            return Err(NoFit::Separated(Interval { low, high }));
        }
        Ok(maximise(groups, false))
    }

    /// The fit penalised by Jeffreys' prior, finite also where the groups are separated.
    ///
    /// # Errors
    ///
    /// [`NoFit::TooFew`].
    pub fn firth(groups: &[BinomialGroup]) -> Result<Logistic, NoFit> {
        Ok(maximise(usable(groups)?, true))
    }

    /// The fitted probability at x.
    pub fn probability(&self, x: f64) -> f64 {
        logistic(self.intercept + self.slope * x)
    }

    /// Where the curve crosses a probability, with its profile-likelihood and delta intervals at
    /// `level`. None for a flat curve or a probability that is not strictly between 0 and 1.
    pub fn threshold(&self, probability: f64, level: f64) -> Option<Threshold> {
        self.threshold_with(probability, level, 1.0)
    }

    /// The same where the trials of different groups are not independent, because replicates enter
    /// several of them: `outcomes` has for each replicate the groups (places in those fitted) that
    /// it enters, and whether it succeeded there.
    ///
    /// The drop of the profile likelihood, and the delta interval, are widened by the variance of
    /// the threshold with replicates as clusters over that with independent trials, if that is
    /// larger (Liang & Zeger 1986, "Longitudinal data analysis using generalized linear models";
    /// Chandler & Bate 2007, "Inference for clustered data using the independence loglikelihood").
    pub fn clustered_threshold(
        &self,
        probability: f64,
        level: f64,
        outcomes: &[Vec<(usize, bool)>],
    ) -> Option<Threshold> {
        let independent = self.threshold_with(probability, level, 1.0)?;
        // ∂x₀/∂(a, b) times the covariance: what a unit of score moves the threshold by.
        let gradient = [-1.0 / self.slope, -independent.at / self.slope];
        let moved: Vec<f64> = (0..2)
            .map(|i| (0..2).map(|j| self.covariance[i][j] * gradient[j]).sum())
            .collect();
        let naive: f64 = (0..2).map(|i| gradient[i] * moved[i]).sum();
        let influence = |of: &Vec<(usize, bool)>| {
            let scores = of.iter().filter_map(|(place, success)| {
                let x = self.groups.get(*place)?.x;
                let rest = f64::from(u8::from(*success)) - self.probability(x);
                Some(rest * (moved[0] + moved[1] * x))
            });
            scores.sum::<f64>()
        };
        let robust: f64 = outcomes.iter().map(|of| influence(of).powi(2)).sum();
        let inflation = if naive > 0.0 { robust / naive } else { 1.0 };
        self.threshold_with(probability, level, inflation.max(1.0))
    }

    /// Whether the shares of the groups depart from the curve by more than chance would have it:
    /// the p-value of Pearson's χ² of the groups with groups − 2 degrees of freedom. 1 for two
    /// groups, through which every curve goes.
    pub fn lack_of_fit(&self) -> f64 {
        let one = |g: &BinomialGroup| {
            let (n, p) = (g.trials as f64, self.probability(g.x));
            let rest = g.successes as f64 - n * p;
            rest * rest / (n * p * (1.0 - p)).max(f64::MIN_POSITIVE)
        };
        let chi: f64 = self.groups.iter().map(one).sum();
        let freedom = self.groups.len() as f64 - 2.0;
        if freedom < 1.0 {
            return 1.0;
        }
        // Wilson & Hilferty 1931: the cube root of χ²/k is nearly normal.
        let spread = 2.0 / (9.0 * freedom);
        let cube = libm::cbrt(chi / freedom);
        normal_cdf((1.0 - spread - cube) / spread.sqrt())
    }

    fn threshold_with(&self, probability: f64, level: f64, inflation: f64) -> Option<Threshold> {
        let inside = probability > 0.0 && probability < 1.0;
        if !(inside && self.slope.abs() > 1e-12) {
            return None;
        }
        let logit = libm::log(probability / (1.0 - probability));
        let at = (logit - self.intercept) / self.slope;
        let z = -normal_quantile(side(level));
        // x₀ = (logit − a)/b: ∂/∂a = −1/b, ∂/∂b = −x₀/b.
        let [[va, cab], [_, vb]] = self.covariance;
        let variance = inflation * (va + 2.0 * at * cab + at * at * vb).max(0.0);
        let error = variance.sqrt() / self.slope.abs();
        let scale = Scale::of(&self.groups);
        let drop = 0.5 * inflation * z * z;
        let inside =
            |x: f64| self.log_likelihood - profile(&self.groups, self.penalised, logit, x) <= drop;
        let end = |direction: f64| {
            // Outwards in growing steps, then bisection.
            let (mut within, mut step) = (at, 0.01 * scale.width);
            loop {
                let next = within + direction * step;
                if (next - at).abs() > 1e6 * scale.width {
                    return direction * f64::INFINITY;
                }
                if !inside(next) {
                    let mut outside = next;
                    for _ in 0..60 {
                        let middle = within.midpoint(outside);
                        if inside(middle) {
                            within = middle;
                        } else {
                            outside = middle;
                        }
                    }
                    return within.midpoint(outside);
                }
                within = next;
                step *= 1.5;
            }
        };
        Some(Threshold {
            probability,
            at,
            interval: if z.is_finite() {
                Interval {
                    low: end(-1.0),
                    high: end(1.0),
                }
            } else {
                Interval {
                    low: f64::NEG_INFINITY,
                    high: f64::INFINITY,
                }
            },
            delta: Interval {
                low: at - z * error,
                high: at + z * error,
            },
        })
    }
}

impl Scale {
    fn of(groups: &[BinomialGroup]) -> Scale {
        let n = groups.len() as f64;
        let centre = groups.iter().map(|g| g.x).sum::<f64>() / n;
        let spread = groups.iter().map(|g| (g.x - centre) * (g.x - centre));
        Scale {
            centre,
            width: (spread.sum::<f64>() / n).sqrt().max(f64::MIN_POSITIVE),
        }
    }
}

fn usable(groups: &[BinomialGroup]) -> Result<Vec<BinomialGroup>, NoFit> {
    let mut groups: Vec<BinomialGroup> = groups
        .iter()
        .copied()
        .filter(|g| g.trials > 0)
        .map(|g| BinomialGroup {
            successes: g.successes.min(g.trials),
            ..g
        })
        .collect();
    groups.sort_by(|a, b| a.x.total_cmp(&b.x));
    let spread = groups.last().map_or(0.0, |last| last.x - groups[0].x);
    if !(spread > 0.0 && spread.is_finite()) {
        return Err(NoFit::TooFew);
    }
    Ok(groups)
}

fn logistic(t: f64) -> f64 {
    if t >= 0.0 {
        1.0 / (1.0 + libm::exp(-t))
    } else {
        let e = libm::exp(t);
        e / (1.0 + e)
    }
}

/// log(1 + eᵗ) without overflow.
fn softplus(t: f64) -> f64 {
    t.max(0.0) + libm::log1p(libm::exp(-t.abs()))
}

/// Log-likelihood, penalised by half the log determinant of the information if asked for, and the
/// information, of the curve a + b u; `u` is the scaled variable of each group.
fn objective(
    groups: &[BinomialGroup],
    u: &[f64],
    penalised: bool,
    a: f64,
    b: f64,
) -> (f64, [f64; 3]) {
    let (mut log, mut information) = (0.0, [0.0; 3]);
    for (g, u) in groups.iter().zip(u) {
        let (k, n) = (g.successes as f64, g.trials as f64);
        let t = a + b * u;
        log += k * t - n * softplus(t);
        let p = logistic(t);
        let w = n * p * (1.0 - p);
        information[0] += w;
        information[1] += w * u;
        information[2] += w * u * u;
    }
    if penalised {
        let [i, j, k] = information;
        log += 0.5 * libm::log((i * k - j * j).max(f64::MIN_POSITIVE));
    }
    (log, information)
}

fn maximise(groups: Vec<BinomialGroup>, penalised: bool) -> Logistic {
    let scale = Scale::of(&groups);
    let u: Vec<f64> = groups
        .iter()
        .map(|g| (g.x - scale.centre) / scale.width)
        .collect();
    let (mut a, mut b) = (0.0, 0.0);
    let (mut here, mut info) = objective(&groups, &u, penalised, a, b);
    for _ in 0..200 {
        let [i, j, k] = info;
        let det = i * k - j * j;
        if !(det > 0.0) {
            break;
        }
        let (mut ua, mut ub) = (0.0, 0.0);
        for (g, u) in groups.iter().zip(&u) {
            let p = logistic(a + b * u);
            let w = g.trials as f64 * p * (1.0 - p);
            // Firth's score: the leverage of the group's trials pulls towards 1/2.
            let leverage = w * (k - 2.0 * j * u + i * u * u) / det;
            let pull = if penalised { leverage * (0.5 - p) } else { 0.0 };
            let r = g.successes as f64 - g.trials as f64 * p + pull;
            ua += r;
            ub += r * u;
        }
        let (mut da, mut db) = ((k * ua - j * ub) / det, (i * ub - j * ua) / det);
        let size = da.abs().max(db.abs());
        let mut better = false;
        for _ in 0..60 {
            let (next, next_info) = objective(&groups, &u, penalised, a + da, b + db);
            if next >= here - 1e-13 * here.abs() {
                (here, info, better) = (next, next_info, true);
                break;
            }
            (da, db) = (0.5 * da, 0.5 * db);
        }
        if !better {
            break;
        }
        (a, b) = (a + da, b + db);
        if size < 1e-13 * (1.0 + a.abs() + b.abs()) {
            break;
        }
    }
    let [i, j, k] = info;
    let det = i * k - j * j;
    // Back to x: b' = b/w, a' = a − b c/w.
    let (w, c) = (scale.width, scale.centre);
    let (va, vab, vb) = (k / det, -j / det, i / det);
    let vb = vb / (w * w);
    let vab = vab / w;
    Logistic {
        intercept: a - b * c / w,
        slope: b / w,
        covariance: [
            [va - 2.0 * c * vab + c * c * vb, vab - c * vb],
            [vab - c * vb, vb],
        ],
        log_likelihood: here + shift(penalised, w),
        penalised,
        groups,
    }
}

/// The largest (penalised) log-likelihood of all curves through (x, logit).
fn profile(groups: &[BinomialGroup], penalised: bool, logit: f64, x: f64) -> f64 {
    let scale = Scale::of(groups);
    let u: Vec<f64> = groups.iter().map(|g| (g.x - x) / scale.width).collect();
    let value = |t: f64| objective(groups, &u, penalised, logit, libm::sinh(t)).0;
    // One-dimensional: bracket the best of a scan of slopes over many orders, then golden section.
    let (from, step) = (-12.0, 0.25);
    let best = (0..=96)
        .map(|i| from + step * f64::from(i))
        .max_by(|s, t| value(*s).total_cmp(&value(*t)))
        .unwrap_or(0.0);
    let golden = 0.618_033_988_749_894_9;
    let (mut low, mut high) = (best - step, best + step);
    let (mut s, mut t) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_s, mut at_t) = (value(s), value(t));
    for _ in 0..50 {
        if at_s > at_t {
            (high, t, at_t) = (t, s, at_s);
            s = high - golden * (high - low);
            at_s = value(s);
        } else {
            (low, s, at_s) = (s, t, at_t);
            t = low + golden * (high - low);
            at_t = value(t);
        }
    }
    at_s.max(at_t) + shift(penalised, scale.width)
}

/// Half the log determinant of the information changes with the unit of x; the unit is that of x.
fn shift(penalised: bool, width: f64) -> f64 {
    if penalised { libm::log(width) } else { 0.0 }
}

#[cfg(test)]
mod tests;

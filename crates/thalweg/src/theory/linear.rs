//! What a kernel implies: descent on a network linearised at its weights, mode by mode, exactly in
//! discrete time.
//!
//! With residual r, loss L = s Σ r² and kernel Θ = Σ λ_k v_k v_kᵀ, gradient descent is
//! r ← (1 − 2 s η Θ) r, so L(t) = s Σ c_k² (1 − 2 s η λ_k)^(2t) with c_k = v_kᵀ r(0) (Lee et al.
//! 2019, arXiv:1902.06720, in discrete time; Arora et al. 2019, arXiv:1901.08584).

use std::fmt;

use serde::Serialize;

use super::memory::{FAR, Mode, first_below};
use super::stages;
use crate::descent::{Descent, Method, Milestone};
use crate::stats::short;

/// A rule whose linearised dynamics are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Gradient descent.
    Descent,
    /// Heavy ball: v ← β v + g, θ ← θ − η v.
    Momentum(f64),
    /// Nesterov as PyTorch: v ← β v + g, θ ← θ − η (g + β v).
    Nesterov(f64),
}

impl Rule {
    /// The rule of a descent; none for Adam, on mini-batches, along a clipped gradient and for
    /// losses other than squares, whose steps are not linear in the residual, and none with weight
    /// decay, under which the residual does not determine its own next value: that is J θ's part
    /// too.
    pub fn of(descent: &Descent) -> Option<Rule> {
        let decays = descent.weight_decay > 0.0;
        let other = decays || descent.clip.is_some() || !descent.loss.is_squared();
        if descent.batch.is_some() || other {
            return None;
        }
        match descent.method {
            Method::Gd => Some(Rule::Descent),
            Method::Momentum { beta } => Some(Rule::Momentum(beta)),
            Method::Nesterov { beta } => Some(Rule::Nesterov(beta)),
            Method::Adam { .. } | Method::AdamW { .. } => None,
        }
    }

    /// By how much memory moves the limit of stability of gradient descent, as numerator and
    /// denominator.
    ///
    /// A mode of curvature h obeys a recursion of order two whose spectral radius reaches 1 at
    /// η h = 2 (1 + β) for heavy ball and at η h (1 + 2 β) = 2 (1 + β) for Nesterov; at η h = 2
    /// without memory.
    fn stretch(self) -> (f64, f64) {
        match self {
            Rule::Descent => (1.0, 1.0),
            Rule::Momentum(b) => (1.0 + b, 1.0),
            Rule::Nesterov(b) => (1.0 + b, 1.0 + 2.0 * b),
        }
    }

    /// The largest rate at which descent on the loss s Σ r² of a linearised network does not grow:
    /// 1/(s λmax(Θ)), times (1 + β) for heavy ball and (1 + β)/(1 + 2 β) for Nesterov.
    ///
    /// `loss_factor` is s, `largest` is λmax of Θ, whose columns carry the layer rates. The only
    /// place of this formula.
    pub fn largest_stable_rate(self, loss_factor: f64, largest: f64) -> f64 {
        let (more, less) = self.stretch();
        1.0 / (loss_factor * largest) * more / less
    }

    /// Steps in which a deviation along a direction of curvature −h grows e-fold: 1/ln(1 + η h) for
    /// gradient descent; with memory 1/ln z, z the largest root of
    /// z² − (1 + β + η h) z + β for heavy ball, of z² − (1 + β + (1 + β) η h) z + (1 + η h) β for
    /// Nesterov.
    pub fn steps_per_e_fold(self, rate: f64, h: f64) -> f64 {
        let (trace, determinant) = match self {
            Rule::Descent => (1.0 + rate * h, 0.0),
            Rule::Momentum(b) => (1.0 + b + rate * h, b),
            Rule::Nesterov(b) => (1.0 + b + (1.0 + b) * rate * h, b * (1.0 + rate * h)),
        };
        let root = 0.5 * (trace + (trace * trace - 4.0 * determinant).max(0.0).sqrt());
        // 1 is a root at h = 0: what is left of z − 1 must not be lost to rounding.
        1.0 / libm::log1p((root - 1.0).max(0.0))
    }

    /// The rate over the largest one that is stable at this sharpness: 1 is the edge of stability
    /// (Cohen et al. 2021, arXiv:2103.00065). η λ/2 for gradient descent, η λ/(2 (1 + β)) for heavy
    /// ball, η λ (1 + 2 β)/(2 (1 + β)) for Nesterov.
    ///
    /// `sharpness` is λmax of the Hessian of the loss, in the coordinates in which all layers have
    /// one rate; where every residual is 0 it is 2 s λmax(Θ), and then this is the rate over
    /// [`Rule::largest_stable_rate`].
    pub fn edge(self, rate: f64, sharpness: f64) -> f64 {
        let (more, less) = self.stretch();
        rate * sharpness * less / (2.0 * more)
    }
}

/// A linearised network.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear<'a> {
    /// The rule.
    pub rule: Rule,
    /// s of the loss s Σ r².
    pub loss_factor: f64,
    /// η at step 0.
    pub rate: f64,
    /// The changes of the rate, at increasing steps, as factors of η; empty if it is constant.
    pub schedule: Vec<Milestone>,
    /// λ_k of Θ `[N]`.
    pub eigenvalues: &'a [f64],
    /// c_k, the initial residual in the eigenbasis `[N]`.
    pub coefficients: &'a [f64],
}

/// What the linearised network does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    /// Gets below at this step first.
    At(u64),
    /// Not within so many steps, which is how far it was looked for.
    After(u64),
    /// Never: modes without kernel hold the loss at this floor.
    Never {
        /// s Σ c_k² over the modes with λ_k = 0 (to round-off).
        floor: f64,
    },
    /// The rate is above the limit of stability.
    Unstable,
}

/// The step: `175`, `more than 2000`, `never (the loss stays at 0.3)`, `never (unstable)`.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Steps::At(step) => write!(f, "{step}"),
            Steps::After(step) => write!(f, "more than {step}"),
            Steps::Never { floor } => write!(f, "never (the loss stays at {})", short(*floor)),
            Steps::Unstable => f.write_str("never (unstable)"),
        }
    }
}

impl Steps {
    /// The step as a number: infinite if it is not reached in the steps that were looked at, never
    /// reached, or the rate is unstable.
    pub fn as_number(self) -> f64 {
        match self {
            Steps::At(step) => step as f64,
            Steps::After(_) | Steps::Never { .. } | Steps::Unstable => f64::INFINITY,
        }
    }
}

impl Linear<'_> {
    /// [`Rule::largest_stable_rate`] of its rule, loss and kernel.
    pub fn largest_stable_rate(&self) -> f64 {
        let top = self.eigenvalues.iter().copied().fold(f64::NAN, f64::max);
        self.rule.largest_stable_rate(self.loss_factor, top)
    }

    /// Loss at each of increasing `steps`, in closed form.
    pub fn losses(&self, steps: &[u64]) -> Vec<f64> {
        if !self.schedule.is_empty() {
            return stages::losses(self, steps);
        }
        match self.rule {
            Rule::Descent => steps.iter().map(|&t| self.descent_loss(t)).collect(),
            Rule::Momentum(_) | Rule::Nesterov(_) => {
                let modes = self.modes();
                let square = |t: u64, (mode, w): &(Mode, f64)| w * mode.at(t).powi(2);
                let loss = |&t: &u64| modes.iter().map(|m| square(t, m)).sum();
                steps.iter().map(loss).collect()
            }
        }
    }

    /// −d ln L/dt per step at its first rate once the mode that shrinks most slowly is all that is
    /// left: −2 ln |1 − 2 s η λ| for gradient descent, which is 4 s η λmin if that is small.
    pub fn slowest_decay(&self) -> f64 {
        let x = |l: &f64| 2.0 * self.loss_factor * self.rate * l;
        let decays = (self.eigenvalues.iter()).map(|l| 2.0 * Mode::new(self.rule, x(l)).decay());
        decays.fold(f64::INFINITY, f64::min)
    }

    /// The modes of a rule with memory, each with s c².
    fn modes(&self) -> Vec<(Mode, f64)> {
        let of = |(l, c): (&f64, &f64)| {
            let mode = Mode::new(self.rule, 2.0 * self.loss_factor * self.rate * l);
            (mode, self.loss_factor * c * c)
        };
        self.eigenvalues
            .iter()
            .zip(self.coefficients)
            .map(of)
            .collect()
    }

    fn descent_loss(&self, t: u64) -> f64 {
        let modes = self.eigenvalues.iter().zip(self.coefficients);
        let of_mode = |(l, c): (&f64, &f64)| {
            let factor = (1.0 - 2.0 * self.loss_factor * self.rate * l).abs();
            c * c * libm::pow(factor, 2.0 * t as f64)
        };
        self.loss_factor * modes.map(of_mode).sum::<f64>()
    }

    /// The first step whose loss is below `threshold`, looked for up to 1e15: by bisection for
    /// gradient descent, whose loss never rises, and for rules with memory by jumps that pass over
    /// no step below (docs/theory.md). Under a schedule the last rate must be stable.
    ///
    /// ```
    /// use thalweg::theory::linear::{Linear, Rule, Steps};
    ///
    /// // Two modes; the slow one shrinks by 1 − 2 · 0.25 · 0.02 = 0.99 at every step.
    /// let linear = Linear {
    ///     rule: Rule::Descent,
    ///     loss_factor: 1.0,
    ///     rate: 0.25,
    ///     schedule: Vec::new(),
    ///     eigenvalues: &[0.02, 2.0],
    ///     coefficients: &[1.0, 1.0],
    /// };
    /// assert_eq!(linear.largest_stable_rate(), 0.5);
    /// assert_eq!(linear.steps_below(1e-8), Steps::At(917));
    /// let faster = Linear { rate: 0.6, ..linear };
    /// assert_eq!(faster.steps_below(1e-8), Steps::Unstable);
    /// ```
    pub fn steps_below(&self, threshold: f64) -> Steps {
        let top = self.eigenvalues.iter().copied().fold(0.0, f64::max);
        // Eigenvalues below round-off of the largest are not known to differ from 0.
        let noise = top * self.eigenvalues.len() as f64 * f64::EPSILON;
        let still = self
            .eigenvalues
            .iter()
            .zip(self.coefficients)
            .filter(|(l, _)| **l <= noise);
        let floor = self.loss_factor * still.map(|(_, c)| c * c).sum::<f64>();
        if self.schedule.is_empty() && !(self.rate < self.largest_stable_rate()) {
            return Steps::Unstable;
        }
        if !(floor < threshold) {
            return Steps::Never { floor };
        }
        if !self.schedule.is_empty() {
            return stages::steps_below(self, threshold);
        }
        match self.rule {
            Rule::Descent => self.bisect(threshold),
            Rule::Momentum(_) | Rule::Nesterov(_) => {
                first_below(&self.modes(), true, threshold, FAR)
            }
        }
    }

    /// The first step below of a stable descent: every factor is at most 1, so its loss never
    /// rises.
    fn bisect(&self, threshold: f64) -> Steps {
        let (mut low, mut high) = (0, FAR);
        if self.descent_loss(0) < threshold {
            return Steps::At(0);
        }
        if !(self.descent_loss(FAR) < threshold) {
            return Steps::After(FAR);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.descent_loss(middle) < threshold {
                high = middle;
            } else {
                low = middle;
            }
        }
        Steps::At(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const L: [f64; 3] = [0.5, 2.0, 7.0];
    const C: [f64; 3] = [1.0, -2.0, 0.5];

    fn linear(rule: Rule, rate: f64) -> Linear<'static> {
        Linear {
            rule,
            loss_factor: 1.0,
            rate,
            schedule: Vec::new(),
            eigenvalues: &L,
            coefficients: &C,
        }
    }

    /// The closed form against the recursion (β = 0 is gradient descent).
    #[test]
    fn closed_form_is_the_recursion() {
        let (a, b) = (linear(Rule::Descent, 0.1), linear(Rule::Momentum(0.0), 0.1));
        for (a, b) in a
            .losses(&[0, 1, 5, 50])
            .iter()
            .zip(b.losses(&[0, 1, 5, 50]))
        {
            assert!((a - b).abs() <= 1e-12 * b);
        }
        assert_eq!(a.steps_below(1e-8), b.steps_below(1e-8));
    }

    /// Each rule's loss stays bounded just below its limit and grows just above.
    #[test]
    fn the_largest_stable_rate_is_the_edge() {
        for rule in [Rule::Descent, Rule::Momentum(0.9), Rule::Nesterov(0.9)] {
            let limit = linear(rule, 0.1).largest_stable_rate();
            assert!(
                linear(rule, 0.99 * limit).losses(&[20_000])[0] < 1e-8,
                "{rule:?}"
            );
            // Not a number once it has overflowed.
            let far = linear(rule, 1.01 * limit).losses(&[20_000])[0];
            assert!(!(far <= 1e8), "{rule:?}");
            assert_eq!(
                linear(rule, 1.01 * limit).steps_below(1e-8),
                Steps::Unstable
            );
        }
    }

    /// Spectral radius of (r, v) → (r', v') at curvature h, from trace and determinant.
    fn radius(rule: Rule, rate: f64, h: f64) -> f64 {
        let [[a, b], [c, d]] = match rule {
            Rule::Descent => [[1.0 - rate * h, 0.0], [0.0, 0.0]],
            // v' = β v + h r, r' = r − η v'.
            Rule::Momentum(beta) => [[1.0 - rate * h, -rate * beta], [h, beta]],
            // v' = β v + h r, r' = r − η (h r + β v').
            Rule::Nesterov(beta) => [
                [1.0 - rate * h * (1.0 + beta), -rate * beta * beta],
                [h, beta],
            ],
        };
        let (trace, determinant) = (a + d, a * d - b * c);
        let discriminant = trace * trace - 4.0 * determinant;
        if discriminant >= 0.0 {
            0.5 * (trace.abs() + discriminant.sqrt())
        } else {
            determinant.sqrt()
        }
    }

    /// The edge is 1 where the recursion begins to grow, found by bisection of its spectral radius.
    #[test]
    fn the_edge_is_where_the_spectral_radius_is_one() {
        for i in 0..200 {
            let beta = (0.61803 * f64::from(i)).fract();
            let h = libm::exp(8.0 * (0.41421 * f64::from(i)).fract() - 4.0);
            for rule in [Rule::Descent, Rule::Momentum(beta), Rule::Nesterov(beta)] {
                let (mut stable, mut unstable) = (0.0, 8.0 / h);
                for _ in 0..100 {
                    let middle = 0.5 * (stable + unstable);
                    if radius(rule, middle, h) < 1.0 {
                        stable = middle;
                    } else {
                        unstable = middle;
                    }
                }
                let edge = rule.edge(stable, h);
                assert!((edge - 1.0).abs() < 1e-6, "{rule:?}, h = {h}: {edge}");
            }
        }
    }

    /// At zero residuals the sharpness is 2 s λmax(Θ), and both limits are one.
    #[test]
    fn the_largest_stable_rate_has_edge_one() {
        for i in 0..100 {
            let beta = (0.61803 * f64::from(i)).fract();
            let (s, top) = (1.0 / (1.0 + f64::from(i)), 0.3 + f64::from(i));
            for rule in [Rule::Descent, Rule::Momentum(beta), Rule::Nesterov(beta)] {
                let edge = rule.edge(rule.largest_stable_rate(s, top), 2.0 * s * top);
                assert!((edge - 1.0).abs() < 1e-14, "{rule:?}: {edge}");
            }
        }
    }

    /// Late in training the loss falls by the decay of the slowest mode: the one nearest to
    /// standing still, or to the edge of stability.
    #[test]
    fn the_slowest_decay_is_the_late_slope_of_the_loss() {
        for rule in [Rule::Descent, Rule::Momentum(0.9), Rule::Nesterov(0.5)] {
            for share in [0.1, 0.5, 0.98] {
                let limit = linear(rule, 0.1).largest_stable_rate();
                let linear = linear(rule, share * limit);
                let decay = linear.slowest_decay();
                let late = (150.0 / decay) as u64;
                // The largest of some: modes that turn go through 0.
                let largest = |from: u64| {
                    let steps: Vec<u64> = (from..from + 40).collect();
                    linear.losses(&steps).into_iter().fold(0.0, f64::max)
                };
                let slope = (largest(late) / largest(2 * late)).ln() / late as f64;
                assert!(
                    (slope / decay - 1.0).abs() < 0.05,
                    "{rule:?} {share}: {slope} {decay}"
                );
            }
        }
    }

    #[test]
    fn a_mode_without_kernel_holds_the_loss_at_its_floor() {
        let flat = Linear {
            eigenvalues: &[0.0, 1.0, 2.0],
            ..linear(Rule::Descent, 0.1)
        };
        assert_eq!(flat.steps_below(1e-8), Steps::Never { floor: 1.0 });
    }
}

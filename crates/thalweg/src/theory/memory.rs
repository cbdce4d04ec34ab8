//! Modes of a rule with memory, heavy ball or Nesterov, in closed form; and the first step at which
//! a sum of their squares is below a threshold.
//!
//! With x = 2 s η λ and r₀ = 1, both rules are r_{t+1} = T r_t − D r_{t−1} from r₁ = 1 − g:
//! g = x, D = β for heavy ball; g = (1 + β) x, D = β (1 − x) for Nesterov; T = 1 + β − g. The roots
//! of μ² = T μ − D are 1 − ν with ν² − (1 − β + g) ν + x = 0, which keeps all digits of slow modes.
//! With S_t = (μ₁^t − μ₂^t)/(μ₁ − μ₂), r_t = μ₁^t + (r₁ − μ₁) S_t; S_t is t μ^(t−1) where the roots
//! meet and ρ^(t−1) sin tθ/sin θ where they are ρ e^(±iθ) (Polyak 1964; O'Donoghue & Candès 2015,
//! arXiv:1204.3982, section 4).

use super::linear::{Rule, Steps};

/// The roots of a mode's recursion.
#[derive(Debug, Clone, Copy)]
enum Roots {
    /// Real: ν of the root that is larger in size, and μ₁ − μ₂.
    Real { first: f64, apart: f64 },
    /// ρ e^(±iθ): ln ρ, θ and 2 ρ sin θ.
    Complex {
        log_size: f64,
        angle: f64,
        width: f64,
    },
}

/// One mode of a stable rule with memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    roots: Roots,
    /// T.
    trace: f64,
    /// D.
    determinant: f64,
    /// r₀.
    start: f64,
    /// r₀ − r₁.
    first_step: f64,
    /// r_{t+1} − r_t at t = 0 and 1.
    change: [f64; 2],
    /// r_{t+1} + r_t at t = 0 and 1.
    sum: [f64; 2],
}

/// ln |1 − ν|.
fn log_root(nu: f64) -> f64 {
    if nu.abs() < 0.5 {
        libm::log1p(-nu)
    } else {
        libm::log((1.0 - nu).abs())
    }
}

/// (−1)^t if `negative`.
fn sign(negative: bool, t: u64) -> f64 {
    if negative && t % 2 == 1 { -1.0 } else { 1.0 }
}

impl Mode {
    /// The mode of x = 2 s η λ from r₀ = 1 and v = 0.
    pub(super) fn new(rule: Rule, x: f64) -> Mode {
        Mode::from(rule, x, 1.0, 0.0)
    }

    /// The mode of x = 2 s η λ, which counts as 0 below 0: kernels have no negative eigenvalues.
    /// It starts from r₀ with η β v of the steps before.
    pub(super) fn from(rule: Rule, x: f64, start: f64, memory: f64) -> Mode {
        let x = x.max(0.0);
        let (beta, g, determinant, first_step) = match rule {
            Rule::Descent => (0.0, x, 0.0, x * start),
            Rule::Momentum(b) => (b, x, b, x * start + memory),
            Rule::Nesterov(b) => {
                let g = x * (1.0 + b);
                (b, g, b * (1.0 - x), g * start + b * memory)
            }
        };
        let p = 1.0 - beta + g;
        let trace = 1.0 + beta - g;
        let discriminant = p * p - 4.0 * x;
        let roots = if discriminant >= 0.0 {
            let root = discriminant.sqrt();
            let (slow, fast) = (2.0 * x / (p + root), 0.5 * (p + root));
            if trace >= 0.0 {
                Roots::Real {
                    first: slow,
                    apart: root,
                }
            } else {
                Roots::Real {
                    first: fast,
                    apart: -root,
                }
            }
        } else {
            let width = (-discriminant).sqrt();
            Roots::Complex {
                log_size: 0.5 * libm::log(determinant),
                angle: libm::atan2(width, trace),
                width,
            }
        };
        Mode {
            roots,
            trace,
            determinant,
            start,
            first_step,
            change: [-first_step, -x * start - (trace - 1.0) * first_step],
            sum: [
                2.0 * start - first_step,
                (1.0 + trace) * (start - first_step) - determinant * start,
            ],
        }
    }

    /// r_t and η β v_t after t > 0 steps, from which the mode goes on at another rate.
    pub(super) fn end(&self, rule: Rule, x: f64, t: u64) -> (f64, f64) {
        let (before, end) = (self.at(t - 1), self.at(t));
        let memory = match rule {
            Rule::Descent => 0.0,
            // η v = r_{t−1} − r_t.
            Rule::Momentum(b) => b * (before - end),
            // η (g + β v) = r_{t−1} − r_t with g = 2 s λ r_{t−1}.
            Rule::Nesterov(_) => before - end - x.max(0.0) * before,
        };
        (end, memory)
    }

    /// r_t.
    pub(super) fn at(&self, t: u64) -> f64 {
        let (start, first_step, steps) = (self.start, self.first_step, t as f64);
        match (self.roots, t) {
            (_, 0) => start,
            (_, 1) => start - first_step,
            (Roots::Real { first, apart }, _) => {
                let root = 1.0 - first;
                if root.abs() <= 0.0 {
                    return 0.0;
                }
                // S_t = μ₁^(t−1) (1 − q^t)/(1 − q) with q = μ₂/μ₁.
                let short = apart / root;
                let q = 1.0 - short;
                let log = if q > 0.5 {
                    libm::log1p(-short)
                } else {
                    libm::log(q.abs())
                };
                let sum = if short.abs() <= 0.0 {
                    steps
                } else if q > 0.0 {
                    -libm::expm1(steps * log) / short
                } else {
                    (1.0 - sign(true, t) * libm::exp(steps * log)) / short
                };
                let power = sign(root < 0.0, t) * libm::exp(steps * log_root(first));
                power * (start + (first * start - first_step) / root * sum)
            }
            (
                Roots::Complex {
                    log_size,
                    angle,
                    width,
                },
                _,
            ) => {
                let slope = (2.0 * (start - first_step) - self.trace * start) / width;
                let turn = steps * angle;
                libm::exp(steps * log_size) * (start * libm::cos(turn) + slope * libm::sin(turn))
            }
        }
    }

    /// −ln |r| lost by a step in the long run: −ln of the larger root's size.
    pub(super) fn decay(&self) -> f64 {
        match self.roots {
            Roots::Real { first, .. } => -log_root(first),
            Roots::Complex { log_size, .. } => -log_size,
        }
    }

    /// A bound on |d_τ| for all τ ≥ t, of the solution d of the recursion that starts with `d`.
    fn bound(&self, d: [f64; 2], t: u64) -> f64 {
        let steps = t as f64;
        // d_τ = μ^τ d₀ + (d₁ − μ d₀) S_τ, |S_τ| ≤ τ |μ|^(τ−1): whatever the distance of the roots.
        let near = |log_size: f64, off: f64| {
            let (peak, at) = (-1.0 / log_size, steps);
            let most = at.max(peak);
            let sum = most * libm::exp((most - 1.0) * log_size);
            d[0].abs() * libm::exp(at * log_size) + off.abs() * sum
        };
        match self.roots {
            Roots::Real { first, apart } => {
                let (root, other) = (1.0 - first, 1.0 - first - apart);
                if root.abs() <= 0.0 {
                    return if t == 0 {
                        d[0].abs().max(d[1].abs())
                    } else {
                        d[1].abs()
                    };
                }
                let log_size = log_root(first);
                let (a, b) = ((d[1] - other * d[0]) / apart, (d[1] - root * d[0]) / apart);
                let rest = if other.abs() > 0.0 {
                    libm::exp(steps * libm::log(other.abs()))
                } else {
                    f64::from(u8::from(t == 0))
                };
                let far = a.abs() * libm::exp(steps * log_size) + b.abs() * rest;
                let near = near(log_size, d[1] - root * d[0]);
                // Not a number where the roots meet.
                if far < near { far } else { near }
            }
            Roots::Complex {
                log_size, width, ..
            } => {
                let off = d[1] - 0.5 * self.trace * d[0];
                let amplitude = libm::hypot(d[0], 2.0 * off / width);
                let far = amplitude * libm::exp(steps * log_size);
                far.min(near(log_size, off))
            }
        }
    }

    /// A bound on ||r_{τ+1}| − |r_τ|| for all τ ≥ t: what |r| can lose in a step.
    fn largest_change(&self, t: u64) -> f64 {
        // Near the edge of stability a mode changes its sign at every step, and hardly its size.
        self.bound(self.change, t).min(self.bound(self.sum, t))
    }
}

/// How far steps are looked for.
pub(super) const FAR: u64 = 1_000_000_000_000_000;

/// Steps that are made one by one between two looks at the closed form.
const WALK: u64 = 64;

/// Single steps after which the search gives up. Only modes that turn for ever without shrinking
/// cost as many: 1 − β below about 1e-6.
const MOST: u64 = 1 << 24;

/// The first step at which Σ w_k r_k(t)² is below `threshold`, by the modes and their weights,
/// looked for up to step `most`.
///
/// The loss may rise, so bisection is wrong. But √L is a norm: with e_k(t) a bound on what |r_k|
/// loses in any step from t on, √L falls by no more than E = √(Σ w_k e_k²) a step, and the next
/// (√L − √ε)/E steps cannot get below ε. They are jumped over: a slow mode takes a few dozen jumps,
/// however many steps that are. Where jumps would be short the recursion itself is walked; all of
/// it if the modes are not `stable`, which have no bound.
pub(super) fn first_below(modes: &[(Mode, f64)], stable: bool, threshold: f64, most: u64) -> Steps {
    let (mut t, mut walked) = (0u64, 0u64);
    let loss = |r: &[f64]| -> f64 {
        let terms = modes.iter().zip(r).map(|((_, w), r)| w * r * r);
        terms.sum()
    };
    loop {
        let mut now: Vec<f64> = modes.iter().map(|(m, _)| m.at(t)).collect();
        let here = loss(&now);
        if here < threshold {
            return Steps::At(t);
        }
        if t >= most || walked >= MOST {
            return Steps::After(t);
        }
        let squares = modes.iter().map(|(m, w)| w * m.largest_change(t).powi(2));
        let steepest = if stable {
            squares.sum::<f64>().sqrt()
        } else {
            f64::INFINITY
        };
        // The millionth is for rounding.
        let jump = (1.0 - 1e-6) * (here.sqrt() - threshold.sqrt()) / steepest;
        if jump >= WALK as f64 || !jump.is_finite() {
            t = t.saturating_add(jump.min(FAR as f64) as u64).min(most);
            continue;
        }
        let mut next: Vec<f64> = modes.iter().map(|(m, _)| m.at(t + 1)).collect();
        for _ in 0..WALK {
            t += 1;
            if loss(&next) < threshold {
                return Steps::At(t);
            }
            if t == most {
                return Steps::After(t);
            }
            for ((m, _), (now, next)) in modes.iter().zip(now.iter_mut().zip(&mut next)) {
                let then = m.trace * *next - m.determinant * *now;
                *now = *next;
                *next = then;
            }
        }
        walked += WALK;
    }
}

#[cfg(test)]
mod tests {
    use super::super::linear::Linear;
    use super::*;

    /// The rule as it is written, step by step.
    struct Walk {
        rule: Rule,
        rate: f64,
        curvatures: Vec<f64>,
        r: Vec<f64>,
        v: Vec<f64>,
    }

    impl Walk {
        fn of(linear: &Linear<'_>) -> Walk {
            let two_s = 2.0 * linear.loss_factor;
            Walk {
                rule: linear.rule,
                rate: linear.rate,
                curvatures: linear.eigenvalues.iter().map(|l| two_s * l).collect(),
                r: linear.coefficients.to_vec(),
                v: vec![0.0; linear.coefficients.len()],
            }
        }

        fn advance(&mut self) {
            let (beta, nesterov) = match self.rule {
                Rule::Descent => (0.0, false),
                Rule::Momentum(b) => (b, false),
                Rule::Nesterov(b) => (b, true),
            };
            for ((r, v), h) in self.r.iter_mut().zip(&mut self.v).zip(&self.curvatures) {
                let g = h * *r;
                *v = beta * *v + g;
                *r -= self.rate * if nesterov { g + beta * *v } else { *v };
            }
        }

        fn square(&self) -> f64 {
            self.r.iter().map(|r| r * r).sum()
        }
    }

    fn fraction(i: u32, by: f64) -> f64 {
        (by * f64::from(i)).fract()
    }

    /// Both rules at any β and any share of the largest stable rate; every fifth at critical
    /// damping, where both roots are one.
    fn settings() -> impl Iterator<Item = (Rule, f64)> {
        (1..400u32).flat_map(|i| {
            let beta = match i % 4 {
                0 => 1.0 - libm::pow(10.0, -4.0 * fraction(i, 0.754_877)),
                _ => fraction(i, 0.618_034),
            };
            let share = fraction(i, 0.414_214).max(1e-3);
            [Rule::Momentum(beta), Rule::Nesterov(beta)].map(|rule| {
                let limit = 2.0 * rule.largest_stable_rate(1.0, 1.0);
                let critical = match rule {
                    Rule::Momentum(b) => (1.0 - b.sqrt()).powi(2),
                    // (1 − β + (1 + β) x)² = 4 x.
                    Rule::Nesterov(b) => ((1.0 - b) / (1.0 + b)).powi(2),
                    Rule::Descent => unreachable!(),
                };
                let x = if i % 5 == 0 { critical } else { share * limit };
                (rule, x)
            })
        })
    }

    /// Real, complex and equal roots, of either sign: the closed form is the recursion.
    #[test]
    fn modes_with_memory_are_their_recursion() {
        for (rule, x) in settings() {
            let mode = Mode::new(rule, x);
            let mut walk = Walk {
                rule,
                rate: 1.0,
                curvatures: vec![x],
                r: vec![1.0],
                v: vec![0.0],
            };
            let mut largest: f64 = 1.0;
            for t in 0..600u64 {
                let (a, b) = (mode.at(t), walk.r[0]);
                largest = largest.max(b.abs());
                assert!(
                    (a - b).abs() <= 1e-10 * largest,
                    "{rule:?} x = {x} t = {t}: {a} {b}"
                );
                walk.advance();
            }
        }
    }

    /// No step loses more of |r| than the bound said at any step before it.
    #[test]
    fn no_step_is_longer_than_its_bound() {
        for (rule, x) in settings() {
            let mode = Mode::new(rule, x);
            let lost = |t: u64| (mode.at(t + 1).abs() - mode.at(t).abs()).abs();
            for start in [0, 1, 7, 50] {
                let bound = mode.largest_change(start);
                for t in start..start + 100 {
                    assert!(
                        lost(t) <= bound * (1.0 + 1e-9) + 1e-13,
                        "{rule:?} x = {x}, from {start}, t = {t}"
                    );
                }
            }
        }
    }

    /// The first step below is that of the recursion, though the loss rises in between.
    #[test]
    fn the_first_step_below_is_that_of_the_recursion() {
        let mut rises = 0;
        for (i, (rule, share)) in (0..).zip(settings()) {
            let eigenvalues: Vec<f64> = (0..5u32)
                .map(|k| libm::pow(10.0, -3.0 * fraction(7 * i + k, 0.324_718)))
                .collect();
            let coefficients: Vec<f64> = (0..5u32)
                .map(|k| fraction(5 * i + k, 0.569_84) - 0.5)
                .collect();
            let mut linear = Linear {
                rule,
                loss_factor: 0.5,
                rate: 1.0,
                schedule: Vec::new(),
                eigenvalues: &eigenvalues,
                coefficients: &coefficients,
            };
            linear.rate = share.clamp(0.01, 0.99) * linear.largest_stable_rate();
            let threshold = libm::pow(10.0, -9.0 * fraction(i, 0.2718));
            let mut walk = Walk::of(&linear);
            let (mut step, mut last) = (0, f64::INFINITY);
            while 0.5 * walk.square() >= threshold && step < 200_000 {
                rises += u32::from(walk.square() > last);
                last = walk.square();
                walk.advance();
                step += 1;
            }
            if step < 200_000 {
                let found = linear.steps_below(threshold);
                assert_eq!(found, Steps::At(step), "{linear:?} below {threshold}");
            }
            let at = linear.losses(&[10])[0];
            let mut again = Walk::of(&linear);
            (0..10).for_each(|_| again.advance());
            assert!((at - 0.5 * again.square()).abs() <= 1e-11 * (at + 1e-12));
        }
        assert!(rises > 1000, "{rises}");
    }

    /// What was "more than the budget" and printed as never: a mode of heavy ball with two real
    /// roots shrinks by 1 − x/(1 − β) a step, so it takes 1 − β times the steps of plain descent.
    #[test]
    fn far_steps_are_a_share_of_those_of_descent() {
        for beta in [0.5, 0.9, 0.99] {
            for smallest in [1e-6, 1e-9, 1e-12] {
                let eigenvalues = [smallest, 0.3, 1.0];
                let of = |rule| {
                    let linear = Linear {
                        rule,
                        loss_factor: 1.0,
                        rate: 1e-2,
                        schedule: Vec::new(),
                        eigenvalues: &eigenvalues,
                        coefficients: &[1.0, 1.0, 1.0],
                    };
                    linear.steps_below(1e-8).as_number()
                };
                let plain = of(Rule::Descent);
                for rule in [Rule::Momentum(beta), Rule::Nesterov(beta)] {
                    let ratio = of(rule) / plain / (1.0 - beta);
                    assert!((ratio - 1.0).abs() < 1e-3, "{rule:?} {smallest}: {ratio}");
                }
            }
        }
    }

    /// Without memory the search by jumps is the bisection of plain descent.
    #[test]
    fn without_memory_jumps_find_what_bisection_finds() {
        for i in 1..100u32 {
            let eigenvalues = [1.0, 0.1, libm::pow(10.0, -12.0 * fraction(i, 0.618_034))];
            let linear = |rule| Linear {
                rule,
                loss_factor: 1.0,
                rate: fraction(i, 0.414_214),
                schedule: Vec::new(),
                eigenvalues: &eigenvalues,
                coefficients: &[1.0, -2.0, 0.5],
            };
            let bisection = linear(Rule::Descent).steps_below(1e-8).as_number();
            let jumps = linear(Rule::Momentum(0.0)).steps_below(1e-8).as_number();
            assert!(
                (bisection - jumps).abs() <= 1e-3 * bisection.max(1.0) * f64::EPSILON.sqrt() + 1.0
                    || (bisection / jumps - 1.0).abs() < 1e-3,
                "{bisection} {jumps}"
            );
        }
    }
}

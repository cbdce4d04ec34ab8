//! A linearised network whose rate changes: each stage of one rate starts where the one before
//! ended.

use super::linear::{Linear, Steps};
use super::memory::{FAR, Mode, first_below};

/// Steps at one rate.
struct Stage {
    /// The step at which it begins.
    begin: u64,
    /// Its steps; those of the last one have no end.
    length: u64,
    rate: f64,
    is_last: bool,
    /// Each mode from where it is at `begin`.
    modes: Vec<(Mode, f64)>,
}

impl Stage {
    /// The stage after `before`, or the first one.
    fn next(of: &Linear<'_>, number: usize, before: Option<&Stage>) -> Option<Stage> {
        let milestone = match number.checked_sub(1) {
            None => None,
            Some(at) => Some(of.schedule.get(at)?),
        };
        let begin = milestone.map_or(0, |m| m.step);
        let rate = of.rate * milestone.map_or(1.0, |m| m.factor);
        let x = |rate: f64, l: f64| 2.0 * of.loss_factor * rate * l;
        let mode = |(k, (l, c)): (usize, (&f64, &f64))| {
            let (start, memory) = match before {
                None => (*c, 0.0),
                Some(stage) => {
                    let mode = &stage.modes[k].0;
                    let (r, memory) = mode.end(of.rule, x(stage.rate, *l), stage.length);
                    (r, memory * rate / stage.rate)
                }
            };
            (
                Mode::from(of.rule, x(rate, *l), start, memory),
                of.loss_factor,
            )
        };
        let end = of.schedule.get(number).map(|m| m.step);
        Some(Stage {
            begin,
            length: end.map_or(FAR, |end| end - begin),
            rate,
            is_last: end.is_none(),
            modes: (of.eigenvalues.iter().zip(of.coefficients))
                .enumerate()
                .map(mode)
                .collect(),
        })
    }
}

fn stages<'a>(of: &'a Linear<'a>) -> impl FnMut(Option<&Stage>) -> Option<Stage> + 'a {
    // A change before the first step is the rate at which it begins.
    let mut number = of.schedule.partition_point(|m| m.step == 0);
    move |before| {
        let stage = Stage::next(of, number, before);
        number += 1;
        stage
    }
}

/// Loss at each of increasing `steps`.
pub(super) fn losses(of: &Linear<'_>, steps: &[u64]) -> Vec<f64> {
    let mut next = stages(of);
    let mut stage = next(None);
    (steps.iter())
        .map(|&t| {
            while let Some(here) = &stage
                && !here.is_last
                && t >= here.begin + here.length
            {
                stage = next(Some(here));
            }
            stage.as_ref().map_or(f64::NAN, |here| {
                let square = |(mode, w): &(Mode, f64)| w * mode.at(t - here.begin).powi(2);
                here.modes.iter().map(square).sum()
            })
        })
        .collect()
}

/// The first step below of a network that no mode holds above `threshold`. While the rate is not
/// stable the steps are made one by one.
pub(super) fn steps_below(of: &Linear<'_>, threshold: f64) -> Steps {
    let limit = of.largest_stable_rate();
    let mut next = stages(of);
    let mut stage = next(None);
    while let Some(here) = stage {
        let stable = here.rate < limit;
        let far = |(mode, _): &(Mode, f64)| !mode.at(0).is_finite();
        if (here.is_last && !stable) || here.modes.iter().any(far) {
            return Steps::Unstable;
        }
        match first_below(&here.modes, stable, threshold, here.length) {
            Steps::At(t) => return Steps::At(here.begin + t),
            Steps::After(t) if here.is_last || t < here.length => {
                return Steps::After(here.begin + t);
            }
            Steps::After(_) | Steps::Never { .. } | Steps::Unstable => {}
        }
        stage = next(Some(&here));
    }
    Steps::After(FAR)
}

#[cfg(test)]
mod tests {
    use super::super::linear::Rule;
    use super::*;
    use crate::descent::Milestone;

    const L: [f64; 4] = [0.01, 0.5, 2.0, 7.0];
    const C: [f64; 4] = [0.3, 1.0, -2.0, 0.5];

    /// The rule as it is written, step by step.
    fn walked(linear: &Linear<'_>, steps: u64) -> Vec<f64> {
        let (mut r, mut v) = (linear.coefficients.to_vec(), vec![0.0; 4]);
        let mut losses = Vec::new();
        for t in 0..=steps {
            losses.push(linear.loss_factor * r.iter().map(|r| r * r).sum::<f64>());
            let change = linear.schedule.iter().rfind(|m| m.step <= t);
            let rate = linear.rate * change.map_or(1.0, |m| m.factor);
            let (beta, nesterov) = match linear.rule {
                Rule::Descent => (0.0, false),
                Rule::Momentum(b) => (b, false),
                Rule::Nesterov(b) => (b, true),
            };
            for ((r, v), l) in r.iter_mut().zip(&mut v).zip(linear.eigenvalues) {
                let g = 2.0 * linear.loss_factor * l * *r;
                *v = beta * *v + g;
                *r -= rate * if nesterov { g + beta * *v } else { *v };
            }
        }
        losses
    }

    fn cases() -> impl Iterator<Item = Linear<'static>> {
        let milestone = |(step, factor)| Milestone { step, factor };
        let schedules = [
            vec![(1, 0.5)],
            vec![(7, 0.3), (8, 0.03), (400, 1.0)],
            // Above the limit for a while.
            vec![(10, 1.2), (14, 0.5)],
            vec![(0, 0.5), (3000, 0.1)],
        ];
        let rules = [
            Rule::Descent,
            Rule::Momentum(0.0),
            Rule::Momentum(0.8),
            Rule::Nesterov(0.9),
        ];
        schedules.into_iter().flat_map(move |changes| {
            rules.map(|rule| {
                let mut linear = Linear {
                    rule,
                    loss_factor: 0.5,
                    rate: 1.0,
                    schedule: changes.iter().copied().map(milestone).collect(),
                    eigenvalues: &L,
                    coefficients: &C,
                };
                linear.rate = 0.9 * linear.largest_stable_rate();
                linear
            })
        })
    }

    #[test]
    fn losses_under_a_schedule_are_those_of_the_recursion() {
        let grid: Vec<u64> = (0..60).chain([399, 400, 401, 900]).collect();
        for linear in cases() {
            let walked = walked(&linear, 900);
            for (t, loss) in grid.iter().zip(linear.losses(&grid)) {
                let right = walked[*t as usize];
                assert!(
                    (loss - right).abs() <= 1e-9 * right + 1e-20,
                    "{linear:?}, {t}: {loss} {right}"
                );
            }
        }
    }

    #[test]
    fn the_first_step_below_under_a_schedule_is_that_of_the_recursion() {
        for linear in cases() {
            let walked = walked(&linear, 40_000);
            for threshold in [3.0, 1e-2, 1e-4, 1e-8] {
                let right = walked.iter().position(|loss| *loss < threshold);
                let right = right.expect("it gets below") as u64;
                assert_eq!(
                    linear.steps_below(threshold),
                    Steps::At(right),
                    "{linear:?}"
                );
            }
        }
    }

    /// A schedule that changes nothing changes no prediction; one that ends above the limit has
    /// none unless the loss was below before.
    #[test]
    fn the_last_rate_decides_whether_a_schedule_is_stable() {
        for linear in cases() {
            let plain = Linear {
                schedule: Vec::new(),
                ..linear.clone()
            };
            let same = Linear {
                schedule: vec![Milestone {
                    step: 50,
                    factor: 1.0,
                }],
                ..linear.clone()
            };
            assert_eq!(same.steps_below(1e-8), plain.steps_below(1e-8));
            let late = |step| Linear {
                schedule: vec![Milestone { step, factor: 2.0 }],
                ..linear.clone()
            };
            assert_eq!(late(20).steps_below(1e-8), Steps::Unstable);
            assert_eq!(late(100_000).steps_below(1e-8), plain.steps_below(1e-8));
        }
    }
}

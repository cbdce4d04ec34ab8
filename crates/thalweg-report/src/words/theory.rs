//! What is said of predictions, of published numbers, and of what one would not have expected.

use thalweg::analysis::Analysis;
use thalweg::analysis::bounds::Path;
use thalweg::analysis::findings::Verdict;
use thalweg::analysis::forecast::Forecast;
use thalweg::analysis::standing::{Calibration, Surprise};

use thalweg::theory::first::FirstLayer;

use super::along;
use super::numbers::{count, factor, few, list, many, number, percent, steps};

/// How the numbers fare that others published; none if the study claims none.
pub fn published(run: &Analysis) -> Option<String> {
    let of = |v: Verdict| {
        let claims = run.findings.iter().filter(|f| f.published());
        claims.filter(|f| f.verdict == v).count()
    };
    let (holds, fails) = (of(Verdict::Holds), of(Verdict::Fails));
    let open = of(Verdict::Underpowered);
    let all = holds + fails + open;
    let mut others = Vec::new();
    if fails > 0 {
        let verb = if fails == 1 { "is" } else { "are" };
        others.push(format!("{fails} {verb} not"));
    }
    if open > 0 {
        others.push(format!(
            "{open} cannot be told at this number of replicates"
        ));
    }
    (all > 0).then(|| {
        format!(
            "Of {}, {} {} found again here{}.",
            many(all, "published number", "published numbers"),
            count(holds as u64),
            if holds == 1 { "is" } else { "are" },
            if others.is_empty() {
                String::new()
            } else {
                format!("; {}", list(&others))
            }
        )
    })
}

/// How far theory carried, over all cells.
pub fn predictions(run: &Analysis) -> Vec<String> {
    let of = |v: Verdict| run.findings.iter().filter(|f| f.verdict == v).count();
    let mut all = vec![format!(
        "{} predictions were confronted: {} hold, {} fail, {} are out of the theory's domain, {} \
         have too few measurements.",
        run.findings.len(),
        of(Verdict::Holds),
        of(Verdict::Fails),
        of(Verdict::OutOfDomain),
        of(Verdict::Underpowered)
    )];
    if let Some(r) = &run.carried.regimes {
        all.push(format!(
            "Where the kernel moves by less than half of its norm ({}) the initial kernel's step \
             is off by a factor of {} in the median cell; where it moves more ({}), by {}.",
            many(r.lazy, "cell", "cells"),
            factor(r.lazy_off),
            many(r.rich, "cell", "cells"),
            factor(r.rich_off)
        ));
    }
    all.extend(calibration(run));
    let base = run.base();
    if let Some(f) = base.by_infinite() {
        all.push(format!(
            "Before any weight is drawn, the infinitely wide network expects of the base cell's \
             training sets a median of {} steps and {} success; observed is a median of {}.",
            number(f.median),
            percent(f.success),
            steps(base.steps.median.step, base.budget())
        ));
        let how = base.looked.as_ref().and_then(|l| l.first_layer);
        all.extend(how.and_then(first_layer));
    }
    all.extend(base.by_start().map(|f| initial_kernel(f, base.budget())));
    all
}

/// What theorems of convergence ask for of the base cell, and what it has.
pub fn bounds(run: &Analysis) -> Vec<String> {
    let (base, of) = (run.base(), &run.base().bounds);
    let points = base.setting.data.points as u64;
    let mut all = vec![format!(
        "Capacity: {} for {}, {} a point. {}",
        many(base.parameters, "parameter", "parameters"),
        many(points as usize, "point", "points"),
        number(of.parameters_a_point),
        if of.parameters_a_point < 1.0 {
            "Fewer than one: no choice of them fits every target."
        } else {
            "Counting does not forbid a fit."
        }
    )];
    if let (Some(asked), Some(width)) = (&of.asked, of.width) {
        let verdict = if !asked.width.is_finite() {
            "It says nothing where two inputs are parallel.".to_string()
        } else if asked.width > width as f64 {
            format!(
                "The narrowest layer here has {width}: the theorem is vacuous for it, by a factor \
                 of {}.",
                number(asked.width / width as f64)
            )
        } else {
            format!("The narrowest layer here has {width}, which is enough.")
        };
        all.push(format!(
            "For one hidden layer of ReLU on these inputs, scaled to length 1, gradient descent is \
             proven to converge with probability {} from a width of n⁶/(λ₀⁴ δ³) = {} on (Du et al. \
             2019, arXiv:1810.02054, theorem 4.1; λ₀ = {}, δ = {}, the constant that it leaves \
             open \
             set to 1). {verdict}",
            percent(1.0 - asked.failures),
            number(asked.width),
            number(asked.gram_smallest),
            number(asked.failures)
        ));
    }
    all.extend(of.path.as_ref().map(path));
    all
}

fn path(path: &Path) -> String {
    let stays = if path.kernel_moved <= 0.5 {
        "Such proofs need a kernel that moves by at most half of its λmin, and this one moves by"
    } else {
        "Such proofs need a kernel that moves by at most half of its λmin. They are vacuous here: \
         this one moves by"
    };
    let side = if path.moved <= path.bound {
        "within"
    } else {
        "beyond"
    };
    format!(
        "Gradient flow on which rᵀΘr stays above λmin(Θ₀) rᵀr goes no further than \
        ‖r₀‖/√λmin(Θ₀) = \
         {} (Liu, Zhu & Belkin 2020, arXiv:2003.00307); the network linearised at its start goes \
         {}. \
         Over the {} that got below the weights moved {}, {side} the bound (medians, ‖w − w₀‖ \
         without biases). {stays} {} times λmin.",
        number(path.bound),
        number(path.linear),
        many(path.replicates, "replicate", "replicates"),
        number(path.moved),
        number(path.kernel_moved)
    )
}

/// How the first layer of the infinitely wide network was computed; none where its preactivations
/// are normal.
pub fn first_layer(how: FirstLayer) -> Option<String> {
    match how {
        FirstLayer::Normal => None,
        FirstLayer::Exact => Some(
            "The first layer's initial weights are not normal: its kernel is that of their own \
             law, not the Gaussian one."
                .into(),
        ),
        FirstLayer::Sampled { error } => Some(format!(
            "The first layer's initial weights are not normal: its kernel is that of their own \
             law, by sampling (standard error {} of its norm).",
            percent_small(error)
        )),
        FirstLayer::NearlyNormal { excess } => Some(format!(
            "The first layer's initial weights are not normal, and its kernel is the Gaussian \
             approximation (the excess kurtosis of its preactivations is {}, at most).",
            number(excess)
        )),
    }
}

/// A small share, with two digits.
fn percent_small(share: f64) -> String {
    format!("{} %", number(100.0 * share))
}

fn initial_kernel(f: &Forecast, budget: u64) -> String {
    let regime = match f.ratio {
        Some((m, _)) if (0.8..=1.25).contains(&m) => {
            "agree: training is close to linear (the lazy regime)"
        }
        Some((m, _)) if m < 0.8 => {
            "disagree: the network learns features and is faster than its initial kernel"
        }
        Some(_) => "disagree: the network is slower than its initial kernel",
        None => "cannot be compared: too few replicates have both",
    };
    let ratio = f.ratio.map_or(String::new(), |(m, i)| {
        let rank = f.correlation;
        let rank = rank.map_or(String::new(), |c| format!(", rank correlation {c:.2}"));
        format!(
            " (observed/predicted {} [{}, {}]{rank})",
            factor(m),
            factor(i.low),
            factor(i.high)
        )
    });
    format!(
        "For the base cell the initial kernel predicts a median of {} steps and {} success within \
         {}; observed and predicted {regime}{ratio}.",
        number(f.median),
        percent(f.success),
        count(budget)
    )
}

/// How far predicted shares of success are from the observed ones, over all cells.
fn calibration(run: &Analysis) -> Option<String> {
    let own = run.carried.by_start?;
    let side = |c: &Calibration| {
        if c.bias.abs() < 0.005 {
            "on neither side".to_string()
        } else if c.bias < 0.0 {
            format!("too low by {} in the mean", percent(-c.bias))
        } else {
            format!("too high by {} in the mean", percent(c.bias))
        }
    };
    let infinite = run.carried.by_infinite.map_or(String::new(), |wide| {
        format!(
            "; infinitely wide networks by {} over {} ({})",
            percent(wide.off),
            many(wide.cells, "cell", "cells"),
            side(&wide)
        )
    });
    Some(format!(
        "The share of replicates that the networks' own initial kernels expect within the budget \
         is off by {} over {} ({}){infinite}.",
        percent(own.off),
        many(own.cells, "cell", "cells"),
        side(&own)
    ))
}

/// What the list of all predictions amounts to.
pub fn every(run: &Analysis, predictions: usize) -> String {
    let all = many(predictions, "finding", "findings");
    match run.carried.failing_off {
        None => format!("{all}; none of them is a failure."),
        Some(off) => format!(
            "{all}; where one fails, the measurement is off by a factor of {} in the median.",
            factor(off)
        ),
    }
}

/// What one would not have expected: of theory, of the order along the leading number, of restarts.
pub fn surprises(run: &Analysis) -> Vec<String> {
    let share = percent(run.base().setting.success.share);
    let mut all = Vec::new();
    for surprise in &run.surprises {
        let names: Vec<String> = match surprise {
            Surprise::Reversals(_) => Vec::new(),
            Surprise::ReliableAboveLimit(cells)
            | Surprise::BetterThanPredicted(cells)
            | Surprise::Restart(cells)
            | Surprise::WorseThanPredicted(cells) => (cells.iter())
                .map(|c| format!("`{}`", run.cells[*c].describe()))
                .collect(),
        };
        let names = few(&names);
        match surprise {
            Surprise::ReliableAboveLimit(_) => all.push(format!(
                "Above the largest stable rate of their initial kernels, and yet reliable: \
                 {names}. The kernel comes down to the rate instead."
            )),
            Surprise::BetterThanPredicted(_) => all.push(format!(
                "Better than their initial kernels predict (below {share} predicted, above it \
                 observed): {names}."
            )),
            Surprise::Restart(_) => all.push(format!(
                "Cheaper to give up and begin again than to go on, with the whole interval: \
                 {names}."
            )),
            Surprise::WorseThanPredicted(_) => all.push(format!(
                "Worse than their initial kernels predict (above {share} predicted, below it \
                 observed): {names}."
            )),
            Surprise::Reversals(which) => {
                let leading = run.along.iter();
                all.extend(leading.flat_map(|a| along::reversals(run, a, which)));
            }
        }
    }
    if all.is_empty() {
        let order = run.along.as_ref().map_or(String::new(), |a| {
            let noun = super::setting::noun(&a.key);
            format!(", and more of {noun} is nowhere worse")
        });
        all.push(format!(
            "None: no cell is reliable above its limit of stability, none crosses the asked share \
             against its prediction{order}."
        ));
    }
    all
}

//! What is said of predictions, of published numbers, and of what one would not have expected.

use thalweg::analysis::Analysis;
use thalweg::analysis::bounds::Path;
use thalweg::analysis::findings::{Finding, Question, Verdict};
use thalweg::analysis::forecast::Forecast;
use thalweg::analysis::standing::{Calibration, Surprise};

use thalweg::theory::first::FirstLayer;

use super::numbers::{count, factor, few, list, many, number, paired, percent, steps};
use super::{along, cell, setting};

/// How the numbers fare that others published; none if the study claims none.
pub fn published(run: &Analysis) -> Option<String> {
    let of = |v: Verdict| {
        let claims = run.findings.iter().filter(|f| f.published());
        claims.filter(|f| f.verdict == v).count()
    };
    let (holds, fails) = (of(Verdict::Holds), of(Verdict::Fails));
    let (open, unknown) = (of(Verdict::Open), of(Verdict::Underpowered));
    let all = holds + fails + open + unknown;
    let mut others = Vec::new();
    if fails > 0 {
        let verb = if fails == 1 { "is" } else { "are" };
        others.push(format!("{fails} {verb} not"));
    }
    if open > 0 {
        let verb = if open == 1 { "is" } else { "are" };
        others.push(format!(
            "{open} {verb} open, our interval being partly inside the accepted range"
        ));
    }
    if unknown > 0 {
        let verb = if unknown == 1 { "has" } else { "have" };
        others.push(format!("{unknown} {verb} too few measurements here"));
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
    let own: Vec<&Finding> = run.findings.iter().filter(|f| !f.published()).collect();
    let of = |v: Verdict| own.iter().filter(|f| f.verdict == v).count();
    let mut all = vec![format!(
        "{} were confronted with measurements, each of one cell: {} (the whole interval of the \
         measurement within the tolerance), {} (the whole interval outside), {} open (the interval \
         reaches from inside to outside), {} out of the theory's domain, {} with too few \
         measurements for an interval.",
        many(own.len(), "prediction", "predictions"),
        verb(of(Verdict::Holds), "holds", "hold"),
        verb(of(Verdict::Fails), "fails", "fail"),
        verb(of(Verdict::Open), "is", "are"),
        verb(of(Verdict::OutOfDomain), "is", "are"),
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
             training sets {} and {} success; observed is a median of {}.",
            median(f.median),
            percent(f.success),
            steps(base.steps.median.step, base.budget())
        ));
        let how = base.looked.as_ref().and_then(|l| l.first_layer);
        all.extend(how.and_then(first_layer));
    }
    all.extend(
        base.by_start()
            .map(|f| initial_kernel(run, f, base.budget())),
    );
    all
}

/// How fast the loss falls late in training, against the kernels of the end and of the start; none
/// where it was not seen.
pub fn late(run: &Analysis) -> Option<String> {
    let late = run.carried.late.as_ref()?;
    Some(format!(
        "Late in training the loss falls by {} times what the slowest mode of the kernel at the \
         end says, in the median of {}; for {} of them the two agree within 1 %. The kernel at \
         the start is off by a factor of {} in the median.",
        factor(late.ratio),
        many(
            late.decays.len(),
            "replicate looked at",
            "replicates looked at"
        ),
        count(late.near as u64),
        factor(late.start_off)
    ))
}

/// What theorems of convergence ask for of the base cell, and what it has.
pub fn bounds(run: &Analysis) -> Vec<String> {
    let (base, of) = (run.base(), &run.base().bounds);
    let points = base.setting.data.points as u64;
    let mut all = vec![format!(
        "Capacity: {} for {}, {} a point. {}",
        many(base.parameters, "parameter", "parameters"),
        many(points as usize, "point", "points"),
        number(of.parameters_a_target),
        if of.parameters_a_target < 1.0 {
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

fn verb(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

fn initial_kernel(run: &Analysis, f: &Forecast, budget: u64) -> String {
    let finding =
        (run.findings.iter()).find(|f| f.cell == 0 && f.question == Question::StepsByInitialKernel);
    let faster = f.ratio.is_some_and(|r| r.interval.high < 1.0);
    let regime = match (finding.map(|f| f.verdict), faster) {
        (Some(Verdict::Holds), _) => "agree within 25 %",
        (Some(Verdict::Fails), true) => {
            "disagree: the network is faster than its initial kernel by more than 25 %"
        }
        (Some(Verdict::Fails), false) => {
            "disagree: the network is slower than its initial kernel by more than 25 %"
        }
        (Some(Verdict::Open), _) => "are not told apart, nor shown to agree within 25 %",
        (Some(Verdict::OutOfDomain), _) => {
            "are not to agree: the rate is above the initial kernel's limit"
        }
        (Some(Verdict::Underpowered) | None, _) => "cannot be compared: too few replicates",
    };
    let ratio = f.ratio.as_ref().map_or(String::new(), |ratio| {
        let rank = f.correlation;
        let rank = rank.map_or(String::new(), |c| format!(", rank correlation {c:.2}"));
        format!(" (observed/predicted {}{rank})", paired(ratio))
    });
    format!(
        "For the base cell the initial kernel predicts {} and {} success within {}; observed and \
         predicted {regime}{ratio}.",
        median(f.median),
        percent(f.success),
        count(budget)
    )
}

/// A predicted median, where half of them get there.
fn median(steps: f64) -> String {
    if steps.is_finite() {
        format!("a median of {} steps", number(steps))
    } else {
        "that half of them never get there".into()
    }
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
            Surprise::Reversals(_) | Surprise::Restart(_) => Vec::new(),
            Surprise::ReliableAboveLimit(cells)
            | Surprise::BetterThanPredicted(cells)
            | Surprise::WorseThanPredicted(cells) => (cells.iter())
                .map(|c| setting::quoted(&setting::cell(run, *c)))
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
            Surprise::Restart(cells) => all.extend(restart(run, cells)),
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
            let noun = setting::noun(&a.key);
            format!(", and more of {noun} is nowhere shown to do worse than its neighbour")
        });
        all.push(format!(
            "None: no cell is reliable above its limit of stability, none crosses the asked share \
             against its prediction{order}."
        ));
    }
    all
}

/// The cells that are cheaper to begin again, a sentence for each thing that is drawn anew.
fn restart(run: &Analysis, cells: &[usize]) -> Vec<String> {
    let with = |cell: usize| run.cells[cell].restarts.as_ref().map(cell::redrawn);
    let mut all: Vec<(&str, Vec<String>)> = Vec::new();
    for &cell in cells {
        let Some(redrawn) = with(cell) else { continue };
        let name = setting::quoted(&setting::cell(run, cell));
        match all.iter_mut().find(|(of, _)| *of == redrawn) {
            Some((_, names)) => names.push(name),
            None => all.push((redrawn, vec![name])),
        }
    }
    let sentence = |(redrawn, names): (&str, Vec<String>)| {
        format!(
            "Cheaper to give up and begin again {redrawn} than to go on: {} (each cutoff judged on \
             replicates that did not choose it; corrected by Holm for the {} cells asked).",
            few(&names),
            count(run.families.restarts as u64)
        )
    };
    all.into_iter().map(sentence).collect()
}

//! What is said of one cell, and of where the base cell stands.

use thalweg::analysis::Analysis;
use thalweg::analysis::looked::Looked;
use thalweg::analysis::restarts::{Evidence, Redrawn, Restarts};
use thalweg::analysis::split::Split;
use thalweg::analysis::summary::{IntervalKind, Reaches, Summary};
use thalweg::descent::Stop;
use thalweg::stats::Interval;

use super::numbers::{
    agree, count, does, factor, interval, list, many, number, p_value, percent, ratio_interval,
    size, steps,
};
use super::{goal, setting};

/// Whether the share is reached, missed, or undecided at this many replicates.
pub fn verdict(s: &Summary) -> String {
    let lead = match s.reaches {
        Reaches::Yes => "Yes",
        Reaches::No => "No",
        Reaches::Undecided => "Undecided at this number of replicates",
    };
    let get = match s.setting.descent.stop {
        Stop::Below => [
            agree(s.replicates, "gets", "get"),
            agree(s.replicates, "ends", "end"),
        ],
        Stop::Never => [agree(s.replicates, "ends", "end"); 2],
    };
    let get = goal::arrive_there(&s.setting.success, get);
    format!(
        "{lead}: {} of {} {get} ({}, {} {}); the study asks for {}.",
        count(s.successes),
        many(s.replicates as usize, "replicate", "replicates"),
        percent(s.share),
        interval_name(s.interval_kind),
        interval(s.success),
        percent(s.setting.success.share)
    )
}

/// How a cell of one replicate ended.
pub fn one_run(s: &Summary) -> String {
    let success = &s.setting.success;
    match s.steps.median.step {
        Some(step) => format!(
            "This run {} at step {}.",
            goal::arrive(success, ["gets", "is"]),
            count(step)
        ),
        None => format!(
            "This run does not {} within {}; its loss ends at {}.",
            goal::arrive(success, ["get", "end"]),
            many(s.budget() as usize, "step", "steps"),
            size(s.final_loss)
        ),
    }
}

/// What the interval of a share is called.
pub fn interval_name(kind: IntervalKind) -> String {
    match kind {
        IntervalKind::Wilson => "95 % interval".into(),
        IntervalKind::Crossed => "95 % interval for the crossed design".into(),
        IntervalKind::Anytime(level) => format!(
            "bounds that hold whatever made it stop, each at {},",
            percent(level)
        ),
    }
}

/// Whose intervals those of several shares are, in a caption.
pub fn interval_makers(cells: &[&Summary]) -> String {
    let any = |of: fn(IntervalKind) -> bool| cells.iter().any(|s| of(s.interval_kind));
    let mut all = Vec::new();
    if any(|k| k == IntervalKind::Wilson) {
        all.push("Wilson 95 % intervals".to_string());
    }
    if any(|k| k == IntervalKind::Crossed) {
        all.push("95 % intervals for the crossed design".into());
    }
    if any(|k| matches!(k, IntervalKind::Anytime(_))) {
        all.push("bounds that hold although the outcomes decided when to stop".into());
    }
    list(&all)
}

/// Hitting times in a sentence.
pub fn times(s: &Summary) -> String {
    let budget = s.budget();
    let median = s.steps.median;
    if let Some(half) = median.step {
        // Of very few replicates any median is possible.
        let known = match (median.low, median.high) {
            (Some(0) | None, None) => String::new(),
            (low, high) => format!(
                " (95 % interval {}–{})",
                steps(low, budget),
                steps(high, budget)
            ),
        };
        return format!(
            "Half of the replicates are there by step {}{known}, 80 % by {}, 90 % by {}.",
            count(half),
            steps(s.steps.q80.step, budget),
            steps(s.steps.q90.step, budget)
        );
    }
    let some = match (s.setting.descent.stop, s.successes) {
        (Stop::Below, 0) => "None gets there within",
        (Stop::Below, _) => "Fewer than half get there within",
        (Stop::Never, 0) => "None is there after",
        (Stop::Never, _) => "Fewer than half are there after",
    };
    format!(
        "{some} {} steps; the median final loss is {}.{}",
        count(budget),
        if s.final_loss.is_nan() {
            "not a number".into()
        } else {
            size(s.final_loss)
        },
        left(s)
    )
}

/// Those that were there on the way; nothing where there are none.
pub(super) fn left(s: &Summary) -> String {
    match s.left {
        0 => String::new(),
        n => format!(
            " {} below on the way and left again.",
            many(n as usize, "replicate was", "replicates were")
        ),
    }
}

/// That giving a try up and beginning again is cheaper than going on, and which question that
/// answers; none where it is not shown.
pub fn restarts(run: &Analysis, s: &Summary) -> Option<String> {
    let restarts = s.restarts.as_ref().filter(|r| r.pays())?;
    let corrected = format!(
        "{}, corrected by Holm for the {} cells that were asked",
        p_value(restarts.p_adjusted),
        count(run.families.restarts as u64)
    );
    let found = match &restarts.evidence {
        Evidence::Tries(found) => format!(
            "Restarting is cheaper than going on: given up after {} steps and begun again {}, \
             success takes {} steps in the mean instead of {}, {} times less (95 % interval {}; \
             {corrected}). Every other replicate chose the cutoff, the {} others judged it.",
            number(found.cutoff),
            redrawn(restarts),
            number(found.expected),
            number(found.whole),
            factor(found.gain.0),
            ratio_interval(found.gain.1),
            count(found.judged_on)
        ),
        Evidence::Sets(found) => format!(
            "Restarting is cheaper than going on: given up after {} steps and begun again {}, \
             success takes fewer steps in the mean on {} of {} training sets, and more on {} \
             ({corrected}); on {} no weights got there by then. Every other set chose the cutoff, \
             these judged it.",
            number(found.cutoff),
            redrawn(restarts),
            count(found.cheaper),
            count(found.judged_on),
            count(found.costlier),
            count(found.stuck)
        ),
    };
    Some(format!("{found}{}", other_question(restarts)))
}

/// With what a try begins again.
pub fn redrawn(restarts: &Restarts) -> &'static str {
    match restarts.redrawn {
        Redrawn::SetAndWeights => "with a new training set and new weights",
        Redrawn::Set => "with a new training set",
        Redrawn::Weights | Redrawn::WeightsOfEachSet => "with new weights on the same training set",
        Redrawn::Batches => "with new mini-batches on the same training set",
    }
}

/// What it does not say of someone who has one training set.
fn other_question(restarts: &Restarts) -> &'static str {
    match restarts.redrawn {
        Redrawn::SetAndWeights | Redrawn::Set => {
            " Whether new weights on the same training set would do is another question, which a \
             crossed design answers."
        }
        Redrawn::Weights => " This is so for this training set.",
        Redrawn::WeightsOfEachSet | Redrawn::Batches => "",
    }
}

/// The most frequent cause of failure with its share of the failures looked at.
pub fn failures(s: &Summary) -> String {
    if s.successes == s.replicates {
        return "–".into();
    }
    s.main_failure()
        .map_or("not looked at".into(), |(main, all)| {
            format!(
                "{} ({} of {all} looked at)",
                main.cause.name(),
                main.replicates
            )
        })
}

/// The median that the networks' own initial kernels predict.
pub fn predicted_median(s: &Summary) -> String {
    s.by_start().map_or("–".into(), |f| number(f.median))
}

/// The median that infinitely wide networks predict.
pub fn infinite_median(s: &Summary) -> String {
    s.by_infinite().map_or("–".into(), |f| number(f.median))
}

/// What the kernel looks like at start and end.
pub fn kernel(l: &Looked) -> String {
    let start = format!(
        "The tangent kernel starts with λmin {} and λmax {}",
        number(l.start.smallest),
        number(l.start.largest)
    );
    if l.ended == 0 {
        return format!(
            "{start} (medians of {}, none of which was looked at at an end).",
            many(l.replicates, "replicate", "replicates")
        );
    }
    let motion = if l.kernel_moved < 0.1 {
        "hardly moves: training is close to linear"
    } else if l.kernel_moved < 0.5 {
        "moves noticeably"
    } else {
        "moves far: features are learned, and the initial kernel is not the one that finishes"
    };
    let edge = if l.edge.is_finite() {
        format!(
            " At the end η·sharpness is {} times that of the edge of stability.",
            factor(l.edge)
        )
    } else {
        String::new()
    };
    format!(
        "{start} and ends with {} and {} (medians of {}); it {motion} (relative change {}).{edge}",
        number(l.end.smallest),
        number(l.end.largest),
        many(l.ended, "replicate", "replicates"),
        number(l.kernel_moved),
    )
}

/// Where the base cell stands among all cells on data of the same law.
pub fn standing(run: &Analysis) -> Vec<String> {
    let Some(standing) = &run.standing else {
        return Vec::new();
    };
    let base = run.base();
    let cost = |s: &Summary| number(s.cost());
    let are = |n: usize| does(n as u64, "is", "are");
    let (reliable, failing) = (standing.reliable.len(), standing.failing);
    let mut all = vec![format!(
        "Of the {} settings of this page with training sets of this law and this loss asked for, \
         the base cell among them, {} reliable (the whole interval above {}), {} not, {} \
         undecided.",
        standing.peers.len(),
        are(reliable),
        percent(base.setting.success.share),
        are(failing),
        are(standing.peers.len() - reliable - failing)
    )];
    all.push(match (standing.rank, standing.reliable.first()) {
        (Some(0), _) => format!(
            "The base cell is the cheapest of the reliable ones: {} multiply-adds bring 80 % of \
             the replicates there.",
            cost(base)
        ),
        (Some(rank), Some(&cheapest)) => {
            let cheapest = &run.cells[cheapest];
            format!(
                "By the multiply-adds that bring 80 % of the replicates there, the base \
                 cell is number {} of the {reliable} reliable settings ({}); the cheapest is {} \
                 with {}, {} of the base cell's.",
                rank + 1,
                cost(base),
                setting::quoted(&setting::cell(run, cheapest.cell)),
                cost(cheapest),
                percent(cheapest.cost() / base.cost())
            )
        }
        (None, _) | (Some(_), None) => {
            "The base cell itself is not among the reliable settings.".into()
        }
    });
    if let Some(fastest) = standing.fastest.filter(|f| *f != base.cell) {
        let fastest = &run.cells[fastest];
        all.push(format!(
            "The fewest steps are taken by {}: median {} against {} of the base cell.",
            setting::quoted(&setting::cell(run, fastest.cell)),
            steps(fastest.steps.median.step, fastest.budget()),
            steps(base.steps.median.step, base.budget())
        ));
    }
    all
}

/// A share of the variance with its interval.
pub fn part((share, band): (f64, Interval)) -> String {
    format!("{} ({})", percent(share), interval(band))
}

/// What the spread of the steps comes from, in a crossed design.
pub fn split(name: &str, split: &Split) -> String {
    let design = format!(
        "{} training sets were crossed with {} initial weights",
        count(split.sets),
        count(split.weights)
    );
    let Some(steps) = &split.steps else {
        return format!(
            "{design}: in the cell “{name}” every pair takes the same number of steps, so there \
             is no spread to explain."
        );
    };
    let [set, weights, rest] = steps.shares;
    // One of them is larger only if its interval lies above the others.
    let above = |a: (f64, Interval), b: (f64, Interval)| a.1.low > b.1.high;
    let verdict = if above(set, weights) && above(set, rest) {
        "Mostly the data decide how long training takes."
    } else if above(weights, set) && above(weights, rest) {
        "Mostly the initial weights decide how long training takes."
    } else if above(rest, set) && above(rest, weights) {
        "Neither the data nor the initial weights decide on their own how long training takes: it \
         is the combination."
    } else if above(set, weights) {
        "The training set decides more than the initial weights; whether it decides more than \
         their combination is not told."
    } else if above(weights, set) {
        "The initial weights decide more than the training set; whether they decide more than \
         their combination is not told."
    } else {
        "No source is clearly larger than the others."
    };
    let cut = if split.cut == 0 {
        String::new()
    } else {
        format!(
            " {} of {} pairs did not get there and count with the budget.",
            count(split.cut),
            count(split.sets * split.weights)
        )
    };
    let ends = |[low, high]: [f64; 2]| format!("from {} to {}", percent(low), percent(high));
    format!(
        "{design}. In the cell “{name}” success goes {} over the training sets and {} over the \
         initial weights, each over all of the other. {} of the variance of the logarithm of the \
         steps is due to the training set, {} to the initial weights, {} to their combination \
         (95 % intervals). {verdict}{cut} For the success probability the design is worth {} \
         independent replicates; other intervals treat its replicates as independent, and are too \
         narrow.",
        ends(split.by_set),
        ends(split.by_weights),
        part(set),
        part(weights),
        part(rest),
        count(split.trials.round() as u64),
    )
}

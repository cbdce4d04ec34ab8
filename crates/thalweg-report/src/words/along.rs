//! What is said of the number that a study leads with: what changes along it, and what goes with it
//! in the kernels.

use std::cmp::Ordering;

use thalweg::analysis::Analysis;
use thalweg::analysis::along::{Agreement, Along, Change, Crowding, Kernels, Pace, Told};
use thalweg::stats::PairedRatio;

use super::numbers::{
    bounded, capital, count, difference, factor, interval, list, number, p_value, paired, percent,
    ratio_interval,
};
use super::setting::{at, to};

/// What happens from the base cell away: a headline, and a sentence for each cell that is told.
pub fn changes(run: &Analysis, along: &Along) -> Vec<String> {
    let Some(last) = along.told.last() else {
        return Vec::new();
    };
    let way = if last.number < along.base {
        "down to"
    } else {
        "up to"
    };
    let headline = format!(
        "From {} {way} {} it {}.",
        at(run, along, along.base),
        to(run, along, last.number),
        match along.change {
            Change::Worse => "gets worse",
            Change::Same => "is not shown to get better or worse",
            Change::Better => "gets better",
        }
    );
    let told = along.told.iter();
    let mut all: Vec<String> = told.map(|told| against(run, along, told)).collect();
    if let Some(first) = all.first_mut() {
        *first = format!("{headline} {first}");
    }
    all
}

/// How a cell does against the base cell.
fn against(run: &Analysis, along: &Along, told: &Told) -> String {
    let s = &run.cells[told.cell];
    let lead = match (told.apart, told.change) {
        (true, Change::Better) => "better",
        (true, Change::Worse | Change::Same) => "worse",
        (false, Change::Worse) => "success is not shown to differ, but it is slower",
        (false, Change::Better) => "success is not shown to differ, but it is faster",
        (false, Change::Same) => "not shown to differ",
    };
    let member = &run.comparisons[along.comparison].members[told.place];
    let paired = member.paired.as_ref();
    let difference = paired.map_or(String::new(), |paired| {
        format!(
            "; on the same draws a difference of {}, {}",
            difference(paired.difference),
            p_value(paired.p_adjusted)
        )
    });
    let ratio = paired.and_then(|p| p.ratio.as_ref());
    let slower = match (s.steps.median.step, ratio) {
        (Some(step), Some(ratio)) => {
            format!("the median takes {} steps, {}", count(step), times(ratio))
        }
        (None, Some(ratio)) => {
            let budget = count(s.budget());
            format!("the median is beyond {budget} steps, {}", times(ratio))
        }
        (_, None) => "there are too few pairs to compare steps".into(),
    };
    format!(
        "{} instead of {}: {lead}. {} of {} get there ({}, interval {}{difference}); {slower}.",
        capital(&at(run, along, told.number)),
        to(run, along, along.base),
        count(s.successes),
        count(s.replicates),
        percent(s.share),
        interval(s.success)
    )
}

/// A paired ratio in a sentence, after the steps it is about.
fn times(ratio: &PairedRatio) -> String {
    let pairs = count(ratio.pairs);
    let late = if ratio.one + ratio.neither == 0 {
        String::new()
    } else {
        format!(
            "; in {} one side does not get there, in {} neither",
            count(ratio.one),
            count(ratio.neither)
        )
    };
    let known = match bounded(ratio.median).as_str() {
        "never" => {
            return format!("and in the median of all {pairs} pairs it never gets there{late}");
        }
        // Nothing is known of it.
        "open" if ratio.interval.low <= 0.0 && !ratio.interval.high.is_finite() => {
            return format!("and nothing is known of the ratio over all {pairs} pairs{late}");
        }
        "open" => "any number of times".to_string(),
        known => format!("{known} times"),
    };
    format!(
        "{known} as many in the median of all {pairs} pairs (95 % interval {}{late})",
        ratio_interval(ratio.interval)
    )
}

/// What goes with it, in the kernels at both ends; none where they were not looked at.
pub fn kernels(run: &Analysis, along: &Along) -> Option<String> {
    let (kernels, last) = (along.kernels.as_ref()?, along.told.last()?);
    Some(explained(run, along, kernels, last))
}

fn explained(run: &Analysis, along: &Along, kernels: &Kernels, last: &Told) -> String {
    let way = way(run, along);
    if kernels.agreement == Agreement::SameKernels {
        return format!(
            "The kernels at the start do not explain it: {way} they are the same, so what differs \
             comes with training."
        );
    }
    let lead = match (kernels.agreement, along.crowding) {
        (Agreement::Explained, Crowding::Causes) => "Why",
        (Agreement::Explained, Crowding::NotAsked | Crowding::Mixed | Crowding::NotShown) => {
            "What goes with it"
        }
        (Agreement::NoChange, _) => "The kernels differ, the outcome is not shown to",
        (Agreement::Opposite | Agreement::SameKernels, _) => {
            "The initial kernel says the opposite of what happened"
        }
    };
    let shown = [(along.base, 0)].into_iter();
    let shown = shown.chain(along.told.iter().map(|t| (t.number, t.cell)));
    let pairs: Vec<String> = shown
        .filter_map(|(v, cell)| {
            let pair = number(run.cells[cell].nearest_pair?);
            Some(format!("{pair} at {}", at(run, along, v)))
        })
        .collect();
    let falls = kernels.smallest_falls_by > 1.0;
    let points = kernels.crowds.map_or(String::new(), |crowds| {
        format!(
            "the points {} (median distance of the nearest pair {}){}: ",
            if crowds { "crowd" } else { "do not crowd" },
            list(&pairs),
            apart(along, last)
        )
    });
    let (verb, by) = if falls {
        ("falls", kernels.smallest_falls_by)
    } else {
        ("rises", 1.0 / kernels.smallest_falls_by)
    };
    let at_least = if kernels.beyond_round_off {
        "at least "
    } else {
        ""
    };
    format!(
        "{lead}: {points}{way} the tangent kernel's smallest eigenvalue at the start {verb} by a \
         factor of {at_least}{} while the largest is multiplied by {}.{}",
        number(by),
        factor(kernels.largest_grows_by),
        pace(run, kernels, last)
    )
}

/// `from d = 15 to 2`, to the last cell told.
pub(super) fn way(run: &Analysis, along: &Along) -> String {
    let last = along.told.last().map_or(along.base, |last| last.number);
    format!(
        "from {} to {}",
        at(run, along, along.base),
        to(run, along, last)
    )
}

/// How well the kernels at both ends tell the two nearest points apart; empty where it was not
/// measured.
fn apart(along: &Along, last: &Told) -> String {
    let bound = |cell: usize| {
        let mut points = along.smallest.points.iter();
        points.find(|p| p.cell == cell)?.two_point
    };
    let (Some(a), Some(b)) = (bound(0), bound(last.cell)) else {
        return String::new();
    };
    format!(
        ", and the tangent kernel tells near points apart {} (½ min Θii + Θjj − 2 Θij is {} and \
         {})",
        match b.total_cmp(&a) {
            Ordering::Less => "less well",
            Ordering::Equal => "as well",
            Ordering::Greater => "better",
        },
        number(a),
        number(b)
    )
}

/// Whether λmin sets the pace, as far as the medians say.
fn pace(run: &Analysis, kernels: &Kernels, last: &Told) -> String {
    let Some(slower) = kernels.slower_by else {
        return String::new();
    };
    let censored = run.cells[last.cell].steps.median.step.is_none();
    let slower = format!(
        "the median takes {}{} times the steps",
        if censored { "more than " } else { "" },
        factor(slower)
    );
    match kernels.pace {
        Pace::Set => format!(" λmin sets the pace: {slower}."),
        Pace::NotSet => format!(
            " λmin does not set the pace: {slower}, not {}.",
            factor(kernels.smallest_falls_by)
        ),
        Pace::Open => String::new(),
    }
}

/// Neighbours in the other order than one would think.
pub fn reversals(run: &Analysis, along: &Along, which: &[usize]) -> Vec<String> {
    let found = which.iter().filter_map(|i| along.reversals.get(*i));
    found
        .map(|found| {
            let (below, above) = (at(run, along, found.low.0), at(run, along, found.high.0));
            if found.less_often {
                format!(
                    "{above} succeeds less often than {below}, by {} on the same draws ({}, \
                     corrected by Holm for the {} neighbours).",
                    difference(found.paired.difference),
                    p_value(found.paired.p_adjusted),
                    count(run.families.neighbours as u64)
                )
            } else {
                let ratio = found.paired.ratio.as_ref().map_or("–".into(), paired);
                format!("{above} is slower than {below} on the same draws: {ratio} in its steps.")
            }
        })
        .collect()
}

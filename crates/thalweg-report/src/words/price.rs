//! What is said of the price of a study.

use thalweg::plan::Plan;
use thalweg::price::{Basis, Price, savings};

use super::numbers::{bytes, duration, many, percent};

/// Comparisons that are named as dear.
const NAMED: usize = 3;

/// Share of the whole below which leaving something out is not worth a word.
const WORTH: f64 = 0.02;

/// How long training takes, first of all.
pub fn total(prices: &[Price], threads: usize) -> String {
    let sum = |of: fn(&Price) -> f64| prices.iter().map(of).sum::<f64>();
    let looks = sum(|p| p.looks) / sum(|p| p.estimate).max(f64::MIN_POSITIVE);
    format!(
        "Training takes about {} on {} (at most {}); {} of it are looks at kernels and sharpness.",
        duration(sum(|p| p.estimate)),
        many(threads, "thread", "threads"),
        duration(sum(|p| p.at_most)),
        percent(looks)
    )
}

/// How much memory it takes at one time; the cell that takes most says.
pub fn memory(prices: &[Price]) -> String {
    let most = |of: fn(&Price) -> f64| prices.iter().map(of).fold(0.0, f64::max);
    let kept = match most(|p| p.kept) {
        kept if kept > 1e8 => format!(
            ", and up to {} for losses, weights and looks that are kept",
            bytes(kept)
        ),
        _ => String::new(),
    };
    format!(
        "It takes about {} of memory{kept}.",
        bytes(most(|p| p.memory))
    )
}

/// What that rests on.
pub fn basis(prices: &[Price]) -> String {
    let of = |basis: Basis| prices.iter().filter(|p| p.basis == basis).count();
    let mut all = vec![format!(
        "of {} by the replicates that ended in a short while of training, whose results are \
         thrown away",
        many(of(Basis::Pilot), "cell", "cells")
    )];
    if of(Basis::Kernels) > 0 {
        all.push(format!(
            "of {} by what the initial kernels predict, which is often too much",
            of(Basis::Kernels)
        ));
    }
    if of(Basis::Budget) > 0 {
        all.push(format!("of {} by the budget", of(Basis::Budget)));
    }
    format!(
        "Estimated {}. The analysis and the page come on top.",
        all.join(", ")
    )
}

/// What would make it cheaper; empty where nothing stands out.
pub fn cheaper(plan: &Plan, prices: &[Price]) -> Vec<String> {
    let all: f64 = prices.iter().map(|p| p.estimate).sum();
    let worth = |(_, seconds): &(usize, f64)| *seconds > WORTH * all;
    let dear = savings(plan, prices).into_iter().filter(worth).take(NAMED);
    let mut said: Vec<String> = dear
        .map(|(at, seconds)| {
            let name = &plan.comparisons[at].name;
            format!(
                "Without the comparison `{name}`: {} less.",
                duration(seconds)
            )
        })
        .collect();
    let looks: f64 = prices.iter().map(|p| p.looks).sum();
    if looks > WORTH * all {
        said.push(format!(
            "Without looks (`--set look.replicates=0`): {} less, and no causes.",
            duration(looks)
        ));
    }
    said
}

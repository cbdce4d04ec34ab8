//! `thalweg plan`: what a study would cost, and what theory expects of it.

use anyhow::Result;
use thalweg::Plan;
use thalweg::lab::Event;
use thalweg::price::Price;
use thalweg_report::words::numbers::{count, duration, many, number, percent, si};
use thalweg_report::words::price as words;
use thalweg_report::words::setting::short;

use crate::ExitCode;
use crate::args;
use crate::interrupt::{clock, control};
use crate::memory;
use crate::progress::pricing;
use crate::source::{planned, renamed_weights};
use crate::terminal::{plain, print, say, table};

/// Cells that are shown unless all are asked for.
const DEAREST: usize = 10;

/// Replicates whose kernels are asked what they predict.
const DRAWS: u64 = 20;

/// Prices every cell of a study; nothing of what is trained for it is kept.
pub(crate) fn price(args: args::PlanArgs) -> Result<ExitCode> {
    let (_, plan) = planned(&args.study)?;
    let engine = args.engine.engine()?;
    let threads = args.engine.threads.count();
    memory::check(&plan, engine.as_ref(), threads)?;
    let progress = pricing(plan.cells.len());
    let tell = |_: Event<'_>| progress.inc(1);
    let told = control(&tell);
    let prices = thalweg::price::price(&plan, engine.as_ref(), threads, DRAWS, &clock, &told);
    progress.finish_and_clear();
    let prices = prices?;
    if args.json {
        print(&serde_json::to_string_pretty(&prices)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in renamed_weights(&plan) {
        say(&line, 2)?;
    }
    say(&words::total(&prices, threads), 0)?;
    say(&words::memory(&prices), 0)?;
    say(&words::basis(&prices), 0)?;
    for line in words::cheaper(&plan, &prices) {
        say(&line, 2)?;
    }
    let mut shown: Vec<&Price> = prices.iter().collect();
    let cells = many(plan.cells.len(), "cell", "cells");
    if args.cells || shown.len() <= DEAREST {
        say(&format!("\n{}: {cells}; nothing is kept.", plan.title), 0)?;
    } else {
        shown.sort_by(|a, b| b.estimate.total_cmp(&a.estimate));
        shown.truncate(DEAREST);
        let text = format!(
            "\n{}: the dearest {DEAREST} of {cells} (`--cells`: all); nothing is kept.",
            plan.title
        );
        say(&text, 0)?;
    }
    table(
        &HEADS,
        shown.into_iter().map(|p| row(&plan, p)).collect(),
        6,
    )?;
    say(
        "Median and success are what initial kernels predict of networks that stay close to \
         them; those that move are often faster.",
        0,
    )?;
    Ok(ExitCode::SUCCESS)
}

const HEADS: [&str; 10] = [
    "cell",
    "about",
    "at most",
    "looks",
    "replicates",
    "median",
    "success",
    "steps/s",
    "rate/limit",
    "parameters",
];

fn row(plan: &Plan, p: &Price) -> Vec<String> {
    let optional = |v: Option<f64>| v.map_or("–".into(), number);
    vec![
        plain(&short(&plan.cells[0].setting, &plan.cells[p.cell].setting)),
        duration(p.estimate),
        duration(p.at_most),
        duration(p.looks),
        count(p.replicates),
        optional(p.predicted_median),
        p.predicted_success.map_or("–".into(), percent),
        si(p.rate),
        optional(p.over_limit),
        count(p.parameters as u64),
    ]
}

//! `thalweg plan`: what a study would cost, and what theory expects of it.

use std::process::ExitCode;

use anyhow::Result;
use thalweg_report::words::numbers::{duration, number, percent};

use crate::args;
use crate::interrupt::{clock, control};
use crate::source::planned;
use crate::terminal::print;
use thalweg_report::words::numbers::si;

/// Prices every cell of a study; nothing is trained.
pub(crate) fn price(args: args::PlanArgs) -> Result<ExitCode> {
    let (_, plan) = planned(&args.study)?;
    let engine = args.engine.engine()?;
    let threads = args.engine.threads.count();
    let quiet = control(&|_| {});
    let prices = thalweg::price::price(&plan, engine.as_ref(), threads, 20, &clock, &quiet)?;
    if args.json {
        print(&serde_json::to_string_pretty(&prices)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "{}\n{} cells, {} threads; nothing is trained.\n",
        plan.title,
        plan.cells.len(),
        threads
    ))?;
    let label = prices
        .iter()
        .map(|p| p.label.chars().count())
        .max()
        .unwrap_or(4)
        .min(50);
    print(&format!(
        "  {:label$}  replicates  parameters  steps/s   at most  if theory is right  \
         predicted median  predicted success  rate/limit",
        "cell"
    ))?;
    for p in &prices {
        let text: String = p.label.chars().take(50).collect();
        let optional = |v: Option<f64>| v.map_or("–".into(), number);
        print(&format!(
            "  {text:label$}  {:>10}  {:>10}  {:>7}  {:>8}  {:>18}  {:>16}  {:>17}  {:>10}",
            p.replicates,
            p.parameters,
            si(p.rate),
            duration(p.at_most),
            p.expected.map_or("–".into(), duration),
            optional(p.predicted_median),
            p.predicted_success.map_or("–".into(), percent),
            optional(p.over_limit),
        ))?;
    }
    let total: f64 = prices.iter().map(|p| p.at_most).sum();
    let expected: f64 = prices.iter().map(|p| p.expected.unwrap_or(p.at_most)).sum();
    print(&format!(
        "\nTraining takes at most {} on this machine, {} if every network follows its initial \
         kernel.",
        duration(total),
        duration(expected)
    ))?;
    Ok(ExitCode::SUCCESS)
}

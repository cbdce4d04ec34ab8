//! Trains ensembles of networks in three dimensions and asks theory first: predicted and observed
//! success side by side.
//!
//! Fewer dimensions crowd the points, near points are hard to tell apart, and the slowest mode of
//! the tangent kernel gets slower. The infinitely wide network knows that before any weight is
//! drawn.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use thalweg::data::Data;
use thalweg::descent::{Descent, Rate};
use thalweg::net::{Init, Net};
use thalweg::study::{Compare, Replicates};
use thalweg::theory::expect::{Outlook, expect};
use thalweg::{Analysis, Control, Cpu, InMemory, Inputs, Plan, Setting, Study, lab};

fn main() -> Result<(), Box<dyn Error>> {
    let threads = std::thread::available_parallelism()?.get();
    let study = Study {
        title: "Does descent get there, and in how many steps?".into(),
        compare: vec![Compare::new("dimension").vary("data.dim", [10, 4, 2])],
        ..Study::of(Setting {
            replicates: Replicates::Fixed(100),
            data: Data {
                points: 8,
                dim: 10,
                ..Data::default()
            },
            net: Net {
                hidden: vec![64],
                init: Init::LecunNormal,
                ..Net::default()
            },
            descent: Descent {
                rate: Rate::OfLimit(0.5),
                steps: 2000,
                ..Descent::default()
            },
            ..Setting::default()
        })
    };
    let plan = Plan::new(&study, &Inputs::default())?;
    let records = lab::run(
        &plan,
        &Cpu::detect(),
        threads,
        &InMemory,
        &Control::default(),
    )?;
    let analysis = Analysis::of(&plan, &records, threads);

    println!("{}", analysis.title);
    println!("  d  success observed           predicted: at infinite width  by its own kernel");
    for (cell, summary) in plan.cells.iter().zip(&analysis.cells) {
        let wide = Outlook::new(&expect(cell, 100, threads)?, cell.setting.descent.steps);
        let own = summary.by_start().map_or(f64::NAN, |f| f.success);
        println!(
            "{:>3}  {:>3} of {} {:<16}  {:>28}  {own:>17.2}",
            summary.dim(),
            summary.successes,
            summary.replicates,
            summary.success.to_string(),
            format!("{:.2}", wide.successes as f64 / wide.sets as f64),
        );
    }
    println!("\n  d  median step observed       predicted: at infinite width  by its own kernel");
    for (cell, summary) in plan.cells.iter().zip(&analysis.cells) {
        let wide = Outlook::new(&expect(cell, 100, threads)?, cell.setting.descent.steps);
        let own = summary.by_start().map_or(f64::NAN, |f| f.median);
        println!(
            "{:>3}  {:<26} {:>28.0}  {own:>17.0}",
            summary.dim(),
            summary.steps.median.to_string(),
            wide.steps.q50,
        );
    }
    println!(
        "\nA step of – lies beyond the budget of {} steps.",
        study.setting.descent.steps
    );
    Ok(())
}

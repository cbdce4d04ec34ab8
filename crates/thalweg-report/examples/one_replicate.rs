//! Explains one replicate that fails: its cause in words, its loss beside theory, its slowest mode.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use thalweg::data::Data;
use thalweg::descent::{Descent, Rate};
use thalweg::net::{Init, Net};
use thalweg::study::Replicates;
use thalweg::{Control, Cpu, InMemory, Inputs, Plan, Setting, Study, explain, lab};
use thalweg_report::words::numbers::size;
use thalweg_report::words::replicate;

fn main() -> Result<(), Box<dyn Error>> {
    let study = Study::of(Setting {
        replicates: Replicates::Fixed(20),
        data: Data {
            points: 8,
            dim: 2,
            ..Data::default()
        },
        net: Net {
            hidden: vec![24],
            init: Init::LecunNormal,
            ..Net::default()
        },
        descent: Descent {
            rate: Rate::OfLimit(0.5),
            steps: 2000,
            ..Descent::default()
        },
        ..Setting::default()
    });
    let plan = Plan::new(&study, &Inputs::default())?;
    let (engine, control) = (Cpu::detect(), Control::default());
    let records = lab::run(&plan, &engine, 2, &InMemory, &control)?;
    let record = &records[0];
    let failed = record.rows.iter().find(|row| !row.reached());
    let number = failed.map_or(0, |row| row.replicate);

    // Trained again, to the same bits, with everything measured on the way.
    let told = explain(&plan.cells[0], &engine, number, Some(record), &control)?;
    let one = &told.replicate;
    println!(
        "replicate {number}: {} ({})",
        replicate::outcome(one),
        one.cause
    );
    for sentence in replicate::sentences(one) {
        println!("  {sentence}");
    }
    println!("\nits loss, beside that of the network linearised at its start");
    let every = told.losses.len().div_ceil(10).max(1);
    for at in told.losses.iter().step_by(every) {
        let predicted = at.predicted.map_or("–".into(), size);
        println!("{:>8}  {:>10}  {predicted:>10}", at.step, size(at.loss));
    }
    let Some(slow) = &told.slowest else {
        return Ok(());
    };
    println!("\nits slowest mode: λ = {}", size(slow.eigenvalue));
    println!("  holds {:.0} % of what is left", 100.0 * slow.share_end);
    for point in &slow.points {
        println!(
            "  point {:>2} has {:>2.0} % of its weight",
            point.point,
            100.0 * point.weight
        );
    }
    if let Some(pair) = slow.pair {
        println!(
            "  its two heaviest points are {:.2} apart, number {} of all pairs by distance",
            pair.distance, pair.rank
        );
    }
    Ok(())
}

//! Trains on arrays of one's own, without a file, and compares two initialisations on them.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use thalweg::data::{Data, Set};
use thalweg::descent::{Descent, Rate};
use thalweg::net::Net;
use thalweg::study::{Compare, Replicates};
use thalweg::{Analysis, Control, Cpu, InMemory, Inputs, Plan, Setting, Study, lab};

fn main() -> Result<(), Box<dyn Error>> {
    // Ten points on a circle [10, 2], and a wave along it [10].
    let angles: Vec<f64> = (0..10)
        .map(|i| std::f64::consts::TAU * f64::from(i) / 10.0)
        .collect();
    let x = angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect();
    let y = angles.iter().map(|a| (2.0 * a).sin()).collect();
    let inputs = Inputs::default().with_data("circle", Set { points: 10, x, y })?;

    let threads = std::thread::available_parallelism()?.get();
    let laws = ["pytorch", "kaiming_normal"];
    let study = Study {
        title: "Which initialisation learns a wave on a circle?".into(),
        compare: vec![Compare::new("initialisation").vary("net.init", laws)],
        ..Study::of(Setting {
            replicates: Replicates::Fixed(100),
            data: Data {
                file: Some("circle".into()),
                ..Data::default()
            },
            net: Net {
                hidden: vec![32],
                ..Net::default()
            },
            descent: Descent {
                rate: Rate::OfLimit(0.5),
                steps: 20_000,
                ..Descent::default()
            },
            ..Setting::default()
        })
    };
    let plan = Plan::new(&study, &inputs)?;
    let records = lab::run(
        &plan,
        &Cpu::detect(),
        threads,
        &InMemory,
        &Control::default(),
    )?;
    let analysis = Analysis::of(&plan, &records, threads);

    println!("{}", analysis.title);
    let comparison = &analysis.comparisons[0];
    for member in &comparison.members {
        let cell = &analysis.cells[member.cell];
        println!(
            "{:<16}  {:>3} of {} below 1e-8, probability {:.2}; median step {}",
            member.values.join(", "),
            cell.successes,
            cell.replicates,
            cell.success,
            cell.steps.median,
        );
        if let Some(paired) = &member.paired {
            println!(
                "  against the first on the same draws: {} succeed only here, {} only there (p = \
                 {:.1e})",
                paired.agreement.only_second, paired.agreement.only_first, paired.p_adjusted,
            );
            if let Some(ratio) = paired.ratio {
                println!(
                    "  steps over those of the first: {:.2}, interval {:.2}",
                    ratio.median, ratio.interval
                );
            }
        }
    }
    Ok(())
}

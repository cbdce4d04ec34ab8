//! The built-in studies at reduced size show what they were written to show.

use thalweg::confront::{Finding, Verdict};
use thalweg::engine::cpu::Cpu;
use thalweg::plan::Plan;
use thalweg::record::Record;
use thalweg::report::Confronted;
use thalweg::run::{Control, train};
use thalweg::study::{Replicates, Source};

use std::sync::atomic::AtomicBool;

/// A built-in study with so many replicates a cell.
fn reduced(name: &str, replicates: u64) -> (Plan, Vec<Record>) {
    let mut plan = Plan::new(&Source::open(name).expect("it is built in")).expect("it is right");
    let stop = AtomicBool::new(false);
    let control = Control {
        stop: &stop,
        tell: &|_| {},
    };
    let records = plan.cells.iter_mut().map(|cell| {
        cell.setting.replicates = Replicates::Fixed(replicates);
        cell.setting.look.replicates = replicates;
        train(cell, &Cpu::detect(), 2, &control).expect("nothing stops it")
    });
    let records = records.collect();
    (plan, records)
}

fn edges(plan: &Plan, records: &[Record]) -> Vec<Finding> {
    let run = Confronted::new(plan, records);
    let edge = |f: &Finding| f.source.contains("edge of stability");
    run.findings.into_iter().filter(edge).collect()
}

/// At rates 0.2 and 0.1 the sharpness ends at 2/η; at 0.01 it never gets there and nothing is claimed.
#[test]
fn the_sharpness_settles_at_the_edge_and_nowhere_else() {
    let (plan, mut records) = reduced("edge-of-stability", 3);
    let found = edges(&plan, &records);
    let base = found
        .iter()
        .find(|f| f.cell == 0)
        .expect("the base cell meets the edge");
    assert_eq!(base.verdict, Verdict::Holds, "{base:?}");
    assert!(base.band.low <= base.measured && base.measured <= base.band.high);
    let slow = plan
        .cells
        .iter()
        .find(|c| c.describe() == "rate = 0.01")
        .expect("it is compared");
    assert!(found.iter().all(|f| f.cell != slow.number), "{found:?}");
    assert!(found.len() >= 3, "{found:?}");
    // A sharpness that settles elsewhere is not called the edge.
    for look in &mut records[0].looks {
        look.sharpness = look.sharpness.map(|s| 1.1 * s);
    }
    let found = edges(&plan, &records);
    assert_eq!(
        found.iter().find(|f| f.cell == 0).map(|f| f.verdict),
        Some(Verdict::Fails)
    );
}

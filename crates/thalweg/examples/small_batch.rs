//! Trains one small batch on one thread and nothing else: what `benches/instructions/count` counts the
//! instructions of.
//!
//! The last losses are printed, so that no work can be optimised away.

use thalweg::engine::by_name;
use thalweg::error::Error;
use thalweg::lab::{Control, train};
use thalweg::plan::Plan;
use thalweg::study::Source;

#[expect(clippy::print_stdout, reason = "what was trained is the output")]
fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: &str| arguments.next().unwrap_or(default.into());
    let (activation, precision) = (next("relu"), next("f32"));
    let (units, replicates, steps) = (next("20"), next("16"), next("200"));
    let rate = next("0.001");
    let study = format!(
        "replicates = {replicates}\n[data]\npoints = 20\ndim = 15\n\
         [net]\nhidden = [{units}, {units}]\nactivation = \"{activation}\"\ninit = \"kaiming_normal\"\n\
         [descent]\nrate = {rate}\nsteps = {steps}\nprecision = \"{precision}\"\nstop = \"never\"\n\
         [look]\nreplicates = 0\n[keep]\nreplicates = 0\nweights = \"none\"\n"
    );
    let plan = Plan::new(&Source {
        name: "small batch".into(),
        text: study,
        folder: ".".into(),
    })?;
    let engine = by_name("cpu")?;
    let record = train(&plan.cells[0], engine.as_ref(), 1, &Control::default())?;
    let losses: Vec<f64> = record.rows.iter().map(|row| row.final_loss).collect();
    println!("{} replicate-steps, {losses:?}", record.tally.steps);
    Ok(())
}

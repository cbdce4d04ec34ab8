//! What it costs to keep lanes full: a sequential decision against a run of the same replicates,
//! and a grid of cells of one replicate each against one cell of as many. Processor time, so that a
//! shared machine says something; Linux alone.
//!
//! `cargo bench -p thalweg --bench lanes -- THREADS`

use thalweg::decide::{Draws, Terms, certify};
use thalweg::engine::cpu::Cpu;
use thalweg::lab::{self, Control, InMemory};
use thalweg::{Inputs, Plan, Source};

/// Rounds of each measurement.
const ROUNDS: usize = 3;

type Failed = Box<dyn std::error::Error>;

/// Processor seconds of this process.
fn clock() -> Result<f64, Failed> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<&str> = fields.split_whitespace().skip(11).take(2).collect();
    let [user, system] = ticks[..] else {
        return Err("no processor time in /proc/self/stat".into());
    };
    Ok((user.parse::<f64>()? + system.parse::<f64>()?) / 100.0)
}

fn plan(text: &str) -> Result<Plan, Failed> {
    let source = Source {
        name: "lanes".into(),
        text: text.into(),
        folder: ".".into(),
    };
    Ok(source.plan(&Inputs::default())?)
}

/// Processor time of a decision that stays open over that of a run of the same 640 replicates.
fn decision(threads: usize) -> Result<f64, Failed> {
    let plan = plan(
        "replicates = 640\ndata = { points = 20, dim = 2 }\n\
         net = { hidden = [16, 16], activation = \"sin\", init = \"kaiming_normal\" }\n\
         descent = { rate = 0.005, steps = 20000, precision = \"f64\" }\n\
         look = { replicates = 0 }\nkeep = { replicates = 0, weights = \"none\" }\n",
    )?;
    let (engine, control) = (Cpu::detect(), Control::default());
    let mut cell = plan.cells[0].clone();
    let begun = clock()?;
    let record = lab::train(&cell, &engine, threads, &control)?;
    let of_run = clock()? - begun;
    // The share that was found is the one that no number of replicates decides.
    let share = record.successes() as f64 / record.replicates() as f64;
    cell.setting.success.share = share.clamp(0.05, 0.95);
    let terms = Terms {
        level: 0.999_999,
        at_most: 640,
        draws: Draws::Own,
    };
    let begun = clock()?;
    let certificate = certify(&cell, &plan.title, &engine, threads, terms, &control)?;
    let of_decision = clock()? - begun;
    assert_eq!(certificate.replicates, 640, "it was decided early");
    Ok(of_decision / of_run)
}

/// The rate of 64 x 64 cells of one replicate over that of one cell of 4096.
fn grid(threads: usize) -> Result<f64, Failed> {
    let base = "data = { points = 20, dim = 15 }\n\
                net = { hidden = [16, 16], activation = \"tanh\", init = \"kaiming_normal\" }\n\
                descent = { rate = 0.001, steps = 1000, stop = \"never\" }\n\
                look = { replicates = 0 }\nkeep = { replicates = 0, weights = \"none\" }\n";
    let list = |of: &dyn Fn(u32) -> String| (0..64).map(of).collect::<Vec<_>>().join(", ");
    let starts = list(&|i| {
        let variance = 1.0 + 0.02 * f64::from(i);
        format!("{{ normal = {{ variance = {variance} }} }}")
    });
    let rates = list(&|i| format!("{}", 0.001 + 1e-5 * f64::from(i)));
    let many = format!(
        "replicates = 1\n{base}[[compare]]\nname = \"map\"\n\"net.init\" = [{starts}]\n\
         \"descent.rate\" = [{rates}]\n"
    );
    let rate = |text: &str| -> Result<f64, Failed> {
        let plan = plan(text)?;
        let begun = clock()?;
        let records = lab::run(
            &plan,
            &Cpu::detect(),
            threads,
            &InMemory,
            &Control::default(),
        )?;
        let steps: u64 = records.iter().map(|r| r.tally.steps).sum();
        Ok(steps as f64 / (clock()? - begun))
    };
    let one = rate(&format!("replicates = 4096\n{base}"))?;
    Ok(rate(&many)? / one)
}

#[expect(clippy::print_stdout, reason = "what was measured is the output")]
fn main() -> Result<(), Failed> {
    let threads = std::env::args().filter_map(|a| a.parse().ok()).next();
    let threads = threads.unwrap_or(1);
    for _ in 0..ROUNDS {
        println!(
            "a decision over a run {:.3}, a grid over a cell {:.3} ({threads} threads)",
            decision(threads)?,
            grid(threads)?
        );
    }
    Ok(())
}

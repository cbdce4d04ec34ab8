//! `thalweg bench`: the figures as a table, or as JSON.

mod measure;

use anyhow::Result;

use crate::ExitCode;
use crate::args;
use crate::terminal::{complain, print};

pub(crate) fn bench(args: args::Bench) -> Result<ExitCode> {
    let tell = |what: &str| {
        if !args.json {
            complain(what);
        }
    };
    let bench = measure::bench(usize::from(args.rounds), args.seconds, &tell)?;
    let code = if bench.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    };
    if args.json {
        print(&serde_json::to_string_pretty(&bench)?)?;
        return Ok(code);
    }
    print(&format!(
        "{}, one thread; peak of fused multiply-adds {:.0} (f32) and {:.0} (f64) GFLOP/s; \
         medians of {} rounds",
        bench.instructions, bench.peak[0], bench.peak[1], bench.rounds
    ))?;
    print(
        "N = 20, d = 15, two hidden layers, gradient descent; steps a second of processor time\n",
    )?;
    print(
        "units  type  activation  networks    k steps/s   GFLOP/s  of peak  ceiling  \
         × plain engine",
    )?;
    for row in &bench.rows {
        print(&format!(
            "{:5}  {:4}  {:10}  {:8}  {:11.1}  {:8.1}  {:6.0}%  {:6.0}%  {:14.1}",
            row.hidden,
            row.precision.name(),
            row.activation.name(),
            row.replicates,
            row.rate / 1e3,
            row.gflops,
            100.0 * row.of_peak,
            100.0 * row.ceiling,
            row.over_reference,
        ))?;
    }
    print(
        "\nlanes that trained a replicate: refilled at once, and in blocks that wait \
         for their slowest",
    )?;
    for row in &bench.refill {
        print(&format!(
            "{:40}  {:3.0}%  {:3.0}%  {:.2} times faster",
            row.name,
            100.0 * row.occupancy,
            100.0 * row.occupancy_in_blocks,
            row.gain
        ))?;
    }
    if let Some(ratio) = bench.two_threads {
        print(&format!("two threads are {ratio:.2} times as fast as one"))?;
    }
    for failed in &bench.failed {
        print(&format!("below its floor: {failed}"))?;
    }
    Ok(code)
}

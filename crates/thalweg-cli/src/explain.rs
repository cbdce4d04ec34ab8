//! `thalweg explain`: one replicate, replayed and explained.

use anyhow::Result;
use thalweg::Error;
use thalweg_report::words;
use thalweg_report::words::numbers::{count, size};

use crate::ExitCode;
use crate::args;
use crate::interrupt::control;
use crate::source::plan;
use crate::terminal::{print, say};

/// Replays a replicate of a run and says why it ended as it did.
pub(crate) fn explain(args: args::Explain) -> Result<ExitCode> {
    let plan = plan(&thalweg_store::load_source(&args.run)?)?;
    let engine = args.engine.engine_of_one()?;
    let cell = plan.cells.get(args.cell).ok_or(Error::NoSuchCell {
        cell: args.cell,
        cells: plan.cells.len(),
    })?;
    let record = thalweg_store::load(&args.run, cell, engine.name())?;
    // A replay leaves nothing behind, so that it may be ended at once.
    let told = thalweg::explain::explain(
        cell,
        engine.as_ref(),
        args.replicate,
        record.as_ref(),
        &control(&|_| {}),
    )?;
    if args.json {
        print(&serde_json::to_string_pretty(&told)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "cell {} ({}), replicate {}",
        args.cell,
        words::setting::short(&plan.cells[0].setting, &cell.setting),
        args.replicate
    ))?;
    print(match told.same_bits {
        Some(true) => "replayed: the same bits as recorded",
        Some(false) => {
            "replayed: NOT the bits that were recorded (another version of the program?)"
        }
        None => "trained now: this replicate is not in the record",
    })?;
    let r = &told.replicate;
    for line in words::replicate::rates(r) {
        print(&line)?;
    }
    print("\n      step          loss     predicted")?;
    // A dozen lines are enough to see the shape.
    let every = told.losses.len().div_ceil(12).max(1);
    for (i, at) in told.losses.iter().enumerate() {
        if i % every == 0 || i + 1 == told.losses.len() {
            let predicted = at.predicted.map_or("–".into(), size);
            print(&format!(
                "{:>10}  {:>12}  {predicted:>12}",
                count(at.step),
                size(at.loss)
            ))?;
        }
    }
    if let Some(spectra) = &r.spectra {
        for (name, spectrum) in [("start", &spectra.start), ("end", &spectra.end)] {
            let values: Vec<String> = spectrum.iter().rev().map(|v| size(*v)).collect();
            print(&format!("\nspectrum of the tangent kernel at the {name}:"))?;
            say(&values.join(" "), 0)?;
        }
    }
    print("\nwhy")?;
    for sentence in thalweg_report::words::replicate::explanation(&told) {
        say(&format!("- {sentence}"), 2)?;
    }
    Ok(ExitCode::SUCCESS)
}

//! What a notebook prints of a run: its loss every so often and its first step below, while it is
//! trained.

use std::collections::BTreeMap;
use std::sync::Mutex;

use thalweg::analysis::replicate::{Replicate, printed_every};
use thalweg::lab::Event;
use thalweg::plan::Cell;
use thalweg::record::Record;
use thalweg_report::words::goal;
use thalweg_report::words::numbers::count;

/// The replicates that were told of while they were trained, by cell and number, and whether they
/// got below.
#[derive(Default)]
pub(crate) struct History(Mutex<BTreeMap<(usize, u64), bool>>);

impl History {
    /// The lines that are due.
    pub(crate) fn tell(&self, event: Event<'_>) -> Option<String> {
        match event {
            Event::Loss {
                cell,
                replicate,
                step,
                loss,
            } if Replicate::printed(cell) => self.step(cell, replicate, step, loss),
            Event::Done { cell, record } if Replicate::printed(cell) => self.end(cell, record),
            _ => None,
        }
    }

    fn step(&self, cell: &Cell, replicate: u64, step: u64, loss: f64) -> Option<String> {
        let mut told = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let first = !told.contains_key(&(cell.number, replicate));
        let below = told.entry((cell.number, replicate)).or_insert(false);
        let mut lines = Vec::new();
        if first && cell.setting.replicates.at_most() == 1 {
            lines.push(heading(cell, replicate));
        }
        if step > 0 && step.is_multiple_of(printed_every(cell.setting.descent.steps)) {
            lines.push(at(cell, replicate, step, loss));
        }
        if !*below
            && cell
                .setting
                .success
                .by_loss()
                .is_some_and(|below| loss < below)
        {
            *below = true;
            lines.push(yeah(cell, replicate, step));
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// What is left to say of a cell: all of it, if it was trained before.
    fn end(&self, cell: &Cell, record: &Record) -> Option<String> {
        let told = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let mut lines = Vec::new();
        for row in &record.rows {
            // Whether there is something to print is known without the costly part.
            let mut kept = record.curves.iter();
            if !kept.any(|curve| curve.replicate == row.replicate) {
                continue;
            }
            if !told.contains_key(&(cell.number, row.replicate)) {
                if cell.setting.replicates.at_most() == 1 {
                    lines.push(heading(cell, row.replicate));
                }
                let looks = record.looks_at(row.replicate);
                let whole = Replicate::of(cell, record, row, looks);
                let losses = whole.milestones.into_iter().flatten();
                let mut below = row.first_below;
                for (step, loss) in losses {
                    if let Some(first) = below.take_if(|first| *first <= step) {
                        lines.push(yeah(cell, row.replicate, first));
                    }
                    lines.push(at(cell, row.replicate, step, loss));
                }
                lines.extend(below.map(|first| yeah(cell, row.replicate, first)));
            }
            if row.first_below.is_none() {
                let text = format!(
                    "never {}; best loss {:.6e}",
                    goal::state(&cell.setting.success),
                    row.best_loss
                );
                lines.push(line(cell, row.replicate, &text));
            }
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

fn heading(cell: &Cell, replicate: u64) -> String {
    format!("{}, replicate {replicate}:", cell.describe())
}

/// Replicates are trained at the same time, so each line says whose it is; a single one has a
/// heading.
fn line(cell: &Cell, replicate: u64, text: &str) -> String {
    if cell.setting.replicates.at_most() == 1 {
        format!("  {text}")
    } else {
        format!("{}, replicate {replicate}: {text}", cell.describe())
    }
}

fn at(cell: &Cell, replicate: u64, step: u64, loss: f64) -> String {
    let text = format!("step {:>9}  loss {loss:.6e}", count(step));
    line(cell, replicate, &text)
}

fn yeah(cell: &Cell, replicate: u64, step: u64) -> String {
    let text = format!(
        "step {:>9}  {} for the first time: yeah!",
        count(step),
        goal::state(&cell.setting.success)
    );
    line(cell, replicate, &text)
}

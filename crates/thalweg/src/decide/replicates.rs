//! Some replicates of one cell, trained for a decision.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::engine::{Engine, Trained};
use crate::error::Error;
use crate::lab::{Control, Hooks, Judge, Numbers, Wanted, row, train_wanted};
use crate::plan::Cell;
use crate::record::Row;

/// The rows of replicates, by number.
struct Rows(BTreeMap<u64, Row>);

impl Judge for Rows {
    type Ended = Row;

    fn judge(&mut self, row: Row) -> bool {
        self.0.insert(row.replicate, row);
        true
    }
}

/// Trains these replicates; their rows in the order of the numbers, and `look` is shown each of
/// them.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub(super) fn train_replicates(
    cell: &Cell,
    engine: &dyn Engine,
    threads: usize,
    numbers: Numbers<'_>,
    control: &Control<'_>,
    look: impl Fn(&Trained) + Sync,
) -> Result<Vec<Row>, Error> {
    let wanted = Wanted {
        cell,
        numbers,
        in_order: false,
        followed: false,
    };
    let take = |_: &Cell, trained: Trained| {
        look(&trained);
        row(&trained)
    };
    let rows = train_cell(
        wanted,
        Rows(BTreeMap::new()),
        engine,
        threads,
        &take,
        control,
    )?;
    Ok(rows.0.into_values().collect())
}

/// Trains what is wanted of one cell until its judge has seen enough.
pub(super) fn train_cell<J: Judge>(
    wanted: Wanted<'_>,
    judge: J,
    engine: &dyn Engine,
    threads: usize,
    take: &(dyn Fn(&Cell, Trained) -> J::Ended + Sync),
    control: &Control<'_>,
) -> Result<J, Error> {
    let complete = Mutex::new(None);
    let hooks = Hooks {
        take,
        complete: &|_, judge, _| {
            *complete.lock().unwrap_or_else(|e| e.into_inner()) = Some(judge);
            Ok(())
        },
    };
    let problem = wanted.cell.problem();
    let (with, alone) = ((engine, threads), vec![vec![(wanted, judge)]]);
    train_wanted(&problem, with, alone, &hooks, control)?;
    let judge = complete.into_inner().unwrap_or_else(|e| e.into_inner());
    judge.ok_or(Error::Stopped { done: 0, cells: 1 })
}

//! Pieces of a run: replicates that are trained anywhere, in any order and even twice, and make the
//! records of one process together.
//!
//! A replicate depends on its cell and its number alone, so nothing is shared between pieces but
//! the plan, from which every process makes the same one.

use serde::{Deserialize, Serialize};

use super::Keeper;
use super::take::{Ends, gather};
use crate::error::Error;
use crate::plan::{Cell, Plan};
use crate::record::Record;
use crate::study::Replicates;

/// Replicates of a cell, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The cell.
    pub cell: usize,
    /// The first.
    pub from: u64,
    /// The one after the last.
    pub until: u64,
}

impl Span {
    /// All replicates of a cell.
    pub fn whole(cell: &Cell) -> Span {
        Span {
            cell: cell.number,
            from: 0,
            until: cell.setting.replicates.at_most(),
        }
    }
}

/// What the replicates of a span leave behind. It holds the tally alone of those that have no
/// [`Row`](crate::record::Row), so its size does not grow with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Content hash of the cell.
    pub hash: String,
    /// The engine.
    pub engine: String,
    /// The first replicate.
    pub from: u64,
    /// The one after the last. Of a cell that stops when it is decided, the one after the last that
    /// might have been wanted.
    pub until: u64,
    /// Seconds of wall time it took.
    pub seconds: f64,
    pub(super) ends: Ends,
}

/// Cuts a plan into so many shards of about the same work and gives one of them, counted from 0:
/// as many replicates of each cell as of any other shard, or whole cells where there are more of
/// them than replicates. A cell that stops when it is decided is not cut.
///
/// ```
/// use thalweg::lab::{Span, shard};
/// use thalweg::study::{Compare, Replicates};
/// use thalweg::{Inputs, Plan, Setting, Study};
///
/// let study = Study {
///     compare: vec![Compare::new("dimension").vary("data.dim", [5])],
///     ..Study::of(Setting { replicates: Replicates::Fixed(100), ..Setting::default() })
/// };
/// let plan = Plan::new(&study, &Inputs::default())?;
/// let second = shard(&plan, 1, 4);
/// assert_eq!(second, [
///     Span { cell: 0, from: 25, until: 50 },
///     // The first replicates of a cell are looked at: no shard has those of all cells.
///     Span { cell: 1, from: 0, until: 25 },
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn shard(plan: &Plan, number: u64, of: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    // The shard that the first span of the next cell goes to.
    let mut first = 0;
    for cell in &plan.cells {
        let whole = Span::whole(cell);
        let parts = match cell.setting.replicates {
            Replicates::Fixed(replicates) => replicates.min(of),
            Replicates::UntilDecided { .. } => 1,
        };
        let part = (number + of - first) % of;
        if part < parts {
            let cut = |at: u64| {
                let before = u128::from(whole.until) * u128::from(at) / u128::from(parts);
                // At most all replicates.
                before as u64
            };
            spans.push(Span {
                from: cut(part),
                until: cut(part + 1),
                ..whole
            });
        }
        first = (first + if parts == of { 1 } else { parts }) % of;
    }
    spans
}

/// The spans of a cell that none of these pieces holds.
pub fn missing(cell: &Cell, pieces: &[Piece]) -> Vec<Span> {
    chosen(cell, pieces).1
}

/// What of these spans is neither in a record that is kept nor in a piece.
///
/// # Errors
///
/// What the keeper says.
pub fn unfinished(plan: &Plan, spans: &[Span], keeper: &dyn Keeper) -> Result<Vec<Span>, Error> {
    let mut left = Vec::new();
    for span in spans {
        let cell = &plan.cells[span.cell];
        if keeper.found(cell)?.is_some() {
            continue;
        }
        let gaps = missing(cell, &keeper.pieces(cell)?).into_iter();
        let within = gaps.map(|gap| Span {
            from: gap.from.max(span.from),
            until: gap.until.min(span.until),
            ..gap
        });
        left.extend(within.filter(|gap| gap.from < gap.until));
    }
    Ok(left)
}

/// Pieces that hold each replicate once, by their places, and what is missing between them.
fn chosen(cell: &Cell, pieces: &[Piece]) -> (Vec<usize>, Vec<Span>) {
    let whole = Span::whole(cell);
    let ours = |i: &usize| pieces[*i].hash == cell.hash && pieces[*i].from < pieces[*i].until;
    let mut order: Vec<usize> = (0..pieces.len()).filter(ours).collect();
    // The longest of those that begin at the same replicate.
    order.sort_by_key(|&i| (pieces[i].from, u64::MAX - pieces[i].until));
    let (mut at, mut taken, mut gaps) = (whole.from, Vec::new(), Vec::new());
    let gap = |from: u64, until: u64| Span {
        from,
        until,
        ..whole
    };
    for i in order {
        let Piece { from, until, .. } = pieces[i];
        // One that begins within another may be a second copy, or cut in another way.
        if from < at || until > whole.until {
            continue;
        }
        if from > at {
            gaps.push(gap(at, from));
        }
        taken.push(i);
        at = until;
    }
    if at < whole.until {
        gaps.push(gap(at, whole.until));
    }
    (taken, gaps)
}

/// The record of a cell of pieces that hold all its replicates, as of one process but for its
/// seconds, which are those of all pieces; none if some are missing ([`missing`]). Pieces of other
/// cells and second copies do not matter.
pub fn join(cell: &Cell, pieces: Vec<Piece>) -> Option<Record> {
    let (taken, gaps) = chosen(cell, &pieces);
    if !gaps.is_empty() {
        return None;
    }
    let engine = pieces[*taken.first()?].engine.clone();
    let seconds = taken.iter().map(|&i| pieces[i].seconds).sum();
    let mut ends = Ends::new(cell);
    let mut pieces: Vec<Option<Piece>> = pieces.into_iter().map(Some).collect();
    for i in taken {
        if let Some(piece) = pieces[i].take() {
            ends.join(piece.ends);
        }
    }
    Some(gather(cell, &cell.problem(), &engine, ends, seconds))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::descent::Descent;
    use crate::lab::{self, Control, InMemory, train_spans};
    use crate::net::Net;
    use crate::record::ROWS;
    use crate::study::{Compare, Setting};
    use crate::{Cpu, Inputs, Study, data};

    fn plan(replicates: Replicates, steps: u64) -> Plan {
        let study = Study {
            compare: vec![
                Compare::new("dimension").vary("data.dim", [2, 1]),
                Compare::new("rate").vary("descent.rate", [0.3, 10.0]),
            ],
            ..Study::of(Setting {
                replicates,
                data: data::Data {
                    points: 2,
                    dim: 3,
                    ..data::Data::default()
                },
                net: Net {
                    hidden: vec![4],
                    ..Net::default()
                },
                descent: Descent {
                    steps,
                    ..Descent::default()
                },
                ..Setting::default()
            })
        };
        Plan::new(&study, &Inputs::default()).expect("a study")
    }

    fn trained(plan: &Plan, spans: &[Span]) -> Vec<Piece> {
        let pieces = Mutex::new(Vec::new());
        let keep = |_: Span, piece| {
            pieces.lock().expect("no panic").push(piece);
            Ok(())
        };
        let engine = Cpu::detect();
        train_spans(plan, spans, &engine, 1, &keep, &Control::default()).expect("trains");
        pieces.into_inner().expect("no panic")
    }

    /// Whatever trains where, in which order and how often: the records are those of one process.
    #[test]
    fn pieces_make_the_records_of_one_process() {
        let decided = Replicates::UntilDecided {
            at_most: 50,
            level: 0.95,
        };
        for replicates in [Replicates::Fixed(23), Replicates::Fixed(1), decided] {
            same_in_shards(&plan(replicates, 500), &[2, 7, 64]);
        }
        // The last replicates of a large cell are counted only.
        let large = plan(Replicates::Fixed(ROWS + 9), 1);
        same_in_shards(&large.part(&[0]).expect("the base cell"), &[3]);
    }

    fn same_in_shards(plan: &Plan, numbers: &[u64]) {
        let engine = Cpu::detect();
        let alone = lab::run(plan, &engine, 1, &InMemory, &Control::default());
        let alone = alone.expect("a run of one process");
        for &of in numbers {
            let shards = (0..of).rev().map(|number| shard(plan, number, of));
            let mut pieces: Vec<Piece> = shards.flat_map(|spans| trained(plan, &spans)).collect();
            pieces.extend(pieces[..pieces.len() / 2].to_vec());
            for (cell, alone) in plan.cells.iter().zip(&alone) {
                let mut joined = join(cell, pieces.clone()).expect("nothing is missing");
                joined.seconds = alone.seconds;
                assert_eq!(&joined, alone, "{of} shards");
            }
        }
    }

    #[test]
    fn every_replicate_is_in_one_shard() {
        for replicates in [1, 2, 3, 64, 1000] {
            let plan = plan(Replicates::Fixed(replicates), 1);
            for of in [1, 3, 64, 100] {
                let all: Vec<Vec<Span>> = (0..of).map(|number| shard(&plan, number, of)).collect();
                let size = |spans: &Vec<Span>| spans.iter().map(|s| s.until - s.from).sum::<u64>();
                assert_eq!(all.iter().map(size).sum::<u64>(), 5 * replicates);
                let mut spans = all.concat();
                spans.sort();
                for pair in spans.windows(2) {
                    let follows = pair[0].cell == pair[1].cell && pair[0].until == pair[1].from;
                    assert!(follows || pair[1].from == 0, "{pair:?}");
                }
                let (least, most) = (all.iter().map(size).min(), all.iter().map(size).max());
                let (least, most) = (least.unwrap_or(0), most.unwrap_or(0));
                assert!(most - least <= 5, "{replicates} in {of}: {least} to {most}");
            }
        }
    }

    #[test]
    fn what_no_piece_holds_is_told() {
        let plan = plan(Replicates::Fixed(20), 100);
        let cell = &plan.cells[0];
        let span = |from, until| Span {
            cell: 0,
            from,
            until,
        };
        let pieces = trained(&plan, &[span(5, 10), span(8, 12), span(12, 14)]);
        // 8 to 12 overlaps what is there, and cannot be taken apart.
        let gaps = [span(0, 5), span(10, 12), span(14, 20)];
        assert_eq!(missing(cell, &pieces), gaps);
        assert_eq!(join(cell, pieces.clone()), None);
        let rest = trained(&plan, &gaps);
        assert!(join(cell, [pieces, rest].concat()).is_some());
        assert_eq!(missing(&plan.cells[1], &[]).len(), 1);
    }
}

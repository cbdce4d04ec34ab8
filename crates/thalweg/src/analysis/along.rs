//! The number that a study leads with (most often the input dimension): what changes along it, and
//! why.

use serde::Serialize;

use super::comparison::{Compared, Paired, adjust, pair, varies};
use super::summary::Summary;
use crate::plan::{Comparison, Plan};
use crate::record::Record;

/// The comparison along one number that the study leads with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Along {
    /// Its place among the comparisons.
    pub comparison: usize,
    /// The key that varies.
    pub key: String,
    /// Cells by the number, increasing.
    pub members: Vec<(f64, usize)>,
    /// The number of the base cell.
    pub base: f64,
    /// The cells that are told one by one, from the base cell's number away from it; not empty.
    pub told: Vec<Told>,
    /// What happens from the base cell to the last of them.
    pub change: Change,
    /// Why, by the kernels of both; none where they were not looked at.
    pub kernels: Option<Kernels>,
    /// Neighbours of which the one with the larger number does worse.
    pub reversals: Vec<Reversal>,
}

/// A cell against the base cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Told {
    /// Its number.
    pub number: f64,
    /// The cell.
    pub cell: usize,
    /// Its place among the members of the comparison, which hold the paired tests.
    pub place: usize,
    /// How it does.
    pub change: Change,
    /// Whether success differs ([`Paired::differs`]).
    pub apart: bool,
}

/// How one cell does against another on the same draws: by success if McNemar's test, corrected for
/// the comparison, tells the two apart, else by the paired ratio of hitting times if its interval
/// leaves out 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It succeeds less often, or takes longer.
    Worse,
    /// Neither is told.
    Same,
    /// It succeeds more often, or takes less long.
    Better,
}

/// The initial kernels of the base cell and of the last cell told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Kernels {
    /// Whether the nearest inputs come nearer; none if the training sets do not change, or have no
    /// pairs.
    pub crowds: Option<bool>,
    /// λmin of the base cell over that of the other.
    pub smallest_falls_by: f64,
    /// λmax of the other over that of the base cell.
    pub largest_grows_by: f64,
    /// Whether the outcome goes the way of the kernels.
    pub agreement: Agreement,
}

/// Whether the outcome goes the way of the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// A smaller λmin goes with a worse outcome, a larger one with a better.
    Explained,
    /// The kernels differ, the outcome does not.
    NoChange,
    /// The outcome goes the other way.
    Opposite,
    /// The kernels do not differ.
    SameKernels,
}

/// Two neighbours of which the one with the larger number does worse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reversal {
    /// Number and cell of the one that does better.
    pub low: (f64, usize),
    /// Number and cell of the one that does worse.
    pub high: (f64, usize),
    /// Whether it succeeds less often; else it is slower.
    pub less_often: bool,
    /// The second of them against the first.
    pub paired: Paired,
}

/// The comparison that a study leads with: the first over the input dimension of the base cell
/// alone, else the first over any one number that the base cell is part of.
pub(super) fn leading(plan: &Plan) -> Option<usize> {
    let of = |c: &Comparison| {
        let one_key = c.keys.len() == 1 && varies(c, 0);
        one_key && c.members.iter().any(|m| m.cell == 0) && c.numbers().is_some_and(|n| n.len() > 1)
    };
    let found = |test: &dyn Fn(&Comparison) -> bool| plan.comparisons.iter().position(test);
    found(&|c| of(c) && c.keys[0] == "data.dim").or_else(|| found(&of))
}

/// What happens along the leading comparison.
pub(super) fn along(
    plan: &Plan,
    records: &[Record],
    cells: &[Summary],
    comparisons: &[Compared],
) -> Option<Along> {
    let at = leading(plan)?;
    let comparison = &plan.comparisons[at];
    let members = comparison.numbers()?;
    let base = members.iter().find(|(_, cell)| *cell == 0)?.0;
    let told: Vec<Told> = told(&members, base, &comparison.highlight)
        .into_iter()
        .filter_map(|(number, cell)| {
            let mut members = comparisons[at].members.iter();
            let place = members.position(|m| m.cell == cell)?;
            let paired = comparisons[at].members[place].paired.as_ref()?;
            Some(Told {
                number,
                cell,
                place,
                change: change(paired),
                apart: paired.differs(),
            })
        })
        .collect();
    let last = told.last()?;
    let change = last.change;
    Some(Along {
        comparison: at,
        key: comparison.keys[0].clone(),
        base,
        change,
        kernels: kernels(&cells[0], &cells[last.cell], change),
        reversals: reversals(&members, records),
        told,
        members,
    })
}

/// The cells that are told: those asked for, else the farthest from the base cell and the one
/// between that is nearest to the geometric middle.
fn told(members: &[(f64, usize)], base: f64, asked: &[usize]) -> Vec<(f64, usize)> {
    let apart = |v: f64| v.to_bits() != base.to_bits();
    let others = || members.iter().copied().filter(move |(v, _)| apart(*v));
    let named: Vec<(f64, usize)> = (asked.iter())
        .filter_map(|asked| others().find(|(_, cell)| cell == asked))
        .collect();
    if !named.is_empty() {
        return named;
    }
    let far = |v: f64| (v / base).ln().abs();
    // Of two as far, the smaller number: members increase.
    let end = others().fold(None, |best: Option<(f64, usize)>, one| match best {
        Some(best) if far(best.0) >= far(one.0) => Some(best),
        Some(_) | None => Some(one),
    });
    let Some(end) = end else {
        return Vec::new();
    };
    let middle = (base * end.0).sqrt();
    let between = others().filter(|(v, _)| (*v - base) * (*v - end.0) < 0.0);
    let off = |v: f64| (v / middle).ln().abs();
    let between = between.min_by(|a, b| off(a.0).total_cmp(&off(b.0)));
    between.into_iter().chain([end]).collect()
}

/// How the second of a pair does.
fn change(paired: &Paired) -> Change {
    let ratio = paired.ratio.map(|r| r.interval);
    if paired.differs() {
        if paired.difference.0 < 0.0 {
            Change::Worse
        } else {
            Change::Better
        }
    } else if ratio.is_some_and(|r| r.low > 1.0) {
        Change::Worse
    } else if ratio.is_some_and(|r| r.high < 1.0) {
        Change::Better
    } else {
        Change::Same
    }
}

fn kernels(base: &Summary, other: &Summary, change: Change) -> Option<Kernels> {
    let (a, b) = (base.looked.as_ref()?, other.looked.as_ref()?);
    let same_data = base.setting.data == other.setting.data;
    let crowds = base.nearest_pair.zip(other.nearest_pair);
    let smallest_falls_by = a.start.smallest / b.start.smallest.max(f64::MIN_POSITIVE);
    let expected = if smallest_falls_by > 1.0 {
        Change::Worse
    } else {
        Change::Better
    };
    Some(Kernels {
        crowds: crowds.filter(|_| !same_data).map(|(a, b)| b < a),
        smallest_falls_by,
        largest_grows_by: b.start.largest / a.start.largest,
        agreement: if (smallest_falls_by - 1.0).abs() < 1e-9 {
            Agreement::SameKernels
        } else if change == expected {
            Agreement::Explained
        } else {
            match change {
                Change::Same => Agreement::NoChange,
                Change::Worse | Change::Better => Agreement::Opposite,
            }
        },
    })
}

/// Neighbours of which the one with the larger number does worse; their tests are a family.
fn reversals(members: &[(f64, usize)], records: &[Record]) -> Vec<Reversal> {
    let neighbours = members.windows(2);
    let mut pairs: Vec<Paired> = neighbours
        .map(|two| pair(&records[two[0].1], &records[two[1].1]))
        .collect();
    adjust(&mut pairs);
    let found = members.windows(2).zip(&pairs);
    found
        .filter(|(_, paired)| change(paired) == Change::Worse)
        .map(|(two, paired)| Reversal {
            low: two[0],
            high: two[1],
            less_often: paired.differs(),
            paired: paired.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::told;

    fn numbers(all: &[f64]) -> Vec<(f64, usize)> {
        all.iter().copied().zip(0..).collect()
    }

    fn of(all: &[f64], base: f64, asked: &[usize]) -> Vec<f64> {
        let told = told(&numbers(all), base, asked);
        told.into_iter().map(|(v, _)| v).collect()
    }

    #[test]
    fn the_end_and_the_geometric_middle_are_told() {
        assert_eq!(of(&[3.0, 6.0, 12.0], 12.0, &[]), [6.0, 3.0]);
        assert_eq!(of(&[2.0, 15.0], 15.0, &[]), [2.0]);
        assert_eq!(of(&[1.0, 10.0, 90.0, 1000.0], 1.0, &[]), [90.0, 1000.0]);
        assert_eq!(of(&[5.0], 5.0, &[]), [0.0; 0]);
    }

    #[test]
    fn a_study_may_name_the_cells_that_are_told() {
        let all = [1.0, 2.0, 3.0, 5.0, 8.0, 15.0, 30.0];
        assert_eq!(of(&all, 15.0, &[5, 3, 1]), [5.0, 2.0]);
        assert_eq!(of(&all, 15.0, &[]).last(), Some(&1.0));
    }
}

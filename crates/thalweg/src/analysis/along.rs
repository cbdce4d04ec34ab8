//! The number that a study leads with (most often the input dimension): what changes along it, and
//! why.

use serde::Serialize;

use super::comparison::{Compared, Paired, adjust, pair, varies};
use super::intervention::{
    Intervention, LargerRates, Nearness, Scheduled, larger_rates, scheduled,
};
use super::smallest::{SmallestAlong, smallest};
use super::summary::Summary;
use crate::plan::{Comparison, Plan};
use crate::record::Record;
use crate::stats::Interval;

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
    /// What goes with it, in the kernels of both; none where they were not looked at.
    pub kernels: Option<Kernels>,
    /// How λmin of the start goes along it.
    pub smallest: SmallestAlong,
    /// Whether nearness of the inputs causes the change.
    pub crowding: Crowding,
    /// Two cells of the same kind of network whose λmin at the start is much the same, and whose
    /// success is not: the better and the worse one. None without such.
    pub alike: Option<[usize; 2]>,
    /// What larger constant rates do at the last cell told; none where they were not tried.
    pub larger_rates: Option<LargerRates>,
    /// What rates that change on the way do there, comparison by comparison.
    pub scheduled: Vec<Scheduled>,
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

/// Whether the nearness of inputs causes what happens from the base cell to the last one told, by
/// the interventions of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Crowding {
    /// No intervention says.
    NotAsked,
    /// Interventions show that nearness does harm, and inputs come nearer where it gets worse.
    Causes,
    /// Some show it, others do not.
    Mixed,
    /// None shows it.
    NotShown,
}

/// The initial kernels of the base cell and of the last cell told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Kernels {
    /// Whether the nearest inputs come nearer; none if the training sets do not change, or have no
    /// pairs.
    pub crowds: Option<bool>,
    /// λmin of the base cell over that of the other; that of the smaller is at least round-off, N ε
    /// λmax.
    pub smallest_falls_by: f64,
    /// Whether one of them is below round-off, so that it changes by more.
    pub beyond_round_off: bool,
    /// The median number of steps of the other over that of the base cell; the budget where it is
    /// beyond. None without a median of the base cell.
    pub slower_by: Option<f64>,
    /// Whether λmin of the start sets the pace between the two.
    pub pace: Pace,
    /// λmax of the other over that of the base cell.
    pub largest_grows_by: f64,
    /// Whether the outcome goes the way of the kernels.
    pub agreement: Agreement,
}

/// Whether λmin of the start sets the pace: whether the median number of steps grows by as much as
/// λmin falls, by the intervals of the four medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// It does, to a factor of two.
    Set,
    /// It grows by another factor.
    NotSet,
    /// The intervals, a median beyond the budget, or λmin below round-off leave it open.
    Open,
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
        smallest: smallest(cells, &members),
        crowding: Crowding::NotAsked,
        alike: None,
        larger_rates: None,
        scheduled: Vec::new(),
        reversals: reversals(&members, records),
        told,
        members,
    })
}

impl Along {
    /// What the comparisons of the study say of it.
    pub(super) fn compare(
        &mut self,
        cells: &[Summary],
        records: &[Record],
        comparisons: &[Compared],
        interventions: &[Intervention],
    ) {
        self.crowding = crowding(self, interventions);
        self.alike = alike(self, cells, interventions);
        let last = self.told.last().map(|told| told.cell);
        self.larger_rates = last.and_then(|cell| larger_rates(cells, comparisons, cell));
        self.scheduled = last.map_or(Vec::new(), |cell| {
            scheduled(cells, records, comparisons, cell)
        });
    }
}

/// Factor up to which two λmin count as much the same.
const ALIKE: f64 = 1.5;

/// Of the cells along a number of the data and the interventions on them, the two whose success
/// differs most, with their intervals, though λmin of the start is much the same.
fn alike(along: &Along, cells: &[Summary], interventions: &[Intervention]) -> Option<[usize; 2]> {
    if !along.key.starts_with("data.") {
        return None;
    }
    let of = interventions.iter().filter(|i| i.number.is_some());
    let all = along.members.iter().map(|(_, cell)| *cell);
    let all: Vec<(usize, f64)> = (all.chain(of.map(|i| i.cell)))
        .filter_map(|cell| Some((cell, cells[cell].looked.as_ref()?.start.smallest)))
        .collect();
    let pairs = (all.iter()).flat_map(|a| all.iter().map(move |b| (a, b)));
    let apart = pairs.filter(|((a, x), (b, y))| {
        let same = *x <= ALIKE * y && *y <= ALIKE * x;
        same && cells[*a].success.low > cells[*b].success.high
    });
    let gap = |(a, _): &(usize, f64), (b, _): &(usize, f64)| cells[*a].share - cells[*b].share;
    let widest = apart.max_by(|(a, b), (c, d)| gap(a, b).total_cmp(&gap(c, d)));
    widest.map(|((a, _), (b, _))| [*a, *b])
}

/// Whether interventions along it show that nearness causes the change.
fn crowding(along: &Along, interventions: &[Intervention]) -> Crowding {
    let of = || interventions.iter().filter(|i| i.number.is_some());
    let crowds = along.kernels.and_then(|k| k.crowds);
    let way = match (crowds, along.change) {
        (Some(true), Change::Worse) | (Some(false), Change::Better) => true,
        (Some(_) | None, _) => false,
    };
    let harms = of().filter(|i| i.nearness == Nearness::Harms).count();
    match (of().count(), harms) {
        (0, _) => Crowding::NotAsked,
        (_, 0) => Crowding::NotShown,
        (all, harms) if way && all == harms => Crowding::Causes,
        (_, _) if way => Crowding::Mixed,
        (_, _) => Crowding::NotShown,
    }
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
pub(super) fn change(paired: &Paired) -> Change {
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
    let round_off = |s: &Summary, largest: f64| {
        (s.setting.data.points as f64 * f64::EPSILON * largest).max(f64::MIN_POSITIVE)
    };
    let noise = [
        round_off(base, a.start.largest),
        round_off(other, b.start.largest),
    ];
    let smallest_falls_by = a.start.smallest.max(noise[0]) / b.start.smallest.max(noise[1]);
    let beyond_round_off = a.start.smallest < noise[0] || b.start.smallest < noise[1];
    let steps = |s: &Summary| s.steps.median.step.map(|t| t.max(1) as f64);
    // What is beyond the budget may be as late as one likes, what is below round-off as small.
    let early = |s: &Summary| s.steps.median.low.unwrap_or(s.budget()).max(1) as f64;
    let late = |s: &Summary| {
        s.steps
            .median
            .high
            .map_or(f64::INFINITY, |t| t.max(1) as f64)
    };
    let slower = Interval {
        low: early(other) / late(base),
        high: late(other) / early(base),
    };
    let [x, y] = [a.smallest_start, b.smallest_start];
    let least = |low: f64, noise: f64| if low > noise { low } else { 0.0 };
    let falls = Interval {
        low: least(x.low, noise[0]) / y.high.max(noise[1]),
        high: x.high.max(noise[0]) / least(y.low, noise[1]),
    };
    let slower_by = steps(base).map(|t| steps(other).unwrap_or(other.budget() as f64) / t);
    let expected = if smallest_falls_by > 1.0 {
        Change::Worse
    } else {
        Change::Better
    };
    Some(Kernels {
        crowds: crowds.filter(|_| !same_data).map(|(a, b)| b < a),
        smallest_falls_by,
        beyond_round_off,
        slower_by,
        pace: pace(falls, slower),
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

/// Whether the steps grow by as much as λmin falls: whether the whole interval of their quotient
/// lies within a factor of two of 1, or outside.
fn pace(falls_by: Interval, slower_by: Interval) -> Pace {
    let off = Interval {
        low: slower_by.low / falls_by.high,
        high: slower_by.high / falls_by.low,
    };
    if off.low >= 0.5 && off.high <= 2.0 {
        Pace::Set
    } else if off.low > 2.0 || off.high < 0.5 {
        Pace::NotSet
    } else {
        Pace::Open
    }
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
    use super::{Interval, Pace, pace, told};

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

    /// The median grows by as much as λmin falls, by less, or by nobody knows how much.
    #[test]
    fn the_pace_is_set_only_by_what_grows_as_much() {
        let of = |falls: [f64; 2], slower: [f64; 2]| {
            let [falls, slower] = [falls, slower].map(|[low, high]| Interval { low, high });
            pace(falls, slower)
        };
        assert_eq!(of([90.0, 110.0], [75.0, 90.0]), Pace::Set);
        assert_eq!(of([1400.0, 15_500.0], [40.0, 66.0]), Pace::NotSet);
        assert_eq!(of([1400.0, 15_500.0], [51.0, f64::INFINITY]), Pace::Open);
        assert_eq!(of([9.0, 11.0], [51.0, f64::INFINITY]), Pace::NotSet);
        // λmin falls by at least 7000: 51 times the steps are fewer than that in any case.
        assert_eq!(of([7000.0, f64::INFINITY], [40.0, 66.0]), Pace::NotSet);
        assert_eq!(of([7000.0, f64::INFINITY], [9e3, 1e4]), Pace::Open);
        // Few replicates tell nothing.
        assert_eq!(of([0.26, 520.0], [1.0, 9.0]), Pace::Open);
        // The same law upwards: λmin rises by 100, the median falls to a hundredth.
        assert_eq!(of([0.009, 0.011], [0.009, 0.011]), Pace::Set);
    }

    #[test]
    fn a_study_may_name_the_cells_that_are_told() {
        let all = [1.0, 2.0, 3.0, 5.0, 8.0, 15.0, 30.0];
        assert_eq!(of(&all, 15.0, &[5, 3, 1]), [5.0, 2.0]);
        assert_eq!(of(&all, 15.0, &[]).last(), Some(&1.0));
    }
}

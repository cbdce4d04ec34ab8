//! A comparison of the study: its cells side by side, on the same draws.

use std::collections::HashMap;

use serde::Serialize;

use super::LEVEL;
use super::conditions::{Conditions, conditions};
use super::crossing::{Crossing, crossing};
use super::effect::{Effect, effect, effect_within};
use super::hitting_times::wait;
use super::summary::Summary;
use crate::plan::{Comparison, Plan};
use crate::record::Record;
use crate::stats::{
    Agreement, Interval, PairedRatio, difference_of_shares, holm, mcnemar_exact, paired_ratio,
};

/// Below this adjusted p-value a difference in success counts as one.
pub(super) const ALPHA: f64 = 0.05;

/// The key of an intervention on the inputs.
const NEAREST: &str = "data.nearest";

/// Members with different numbers from which on a threshold is looked for.
const FITTED: usize = 3;

/// A comparison, analysed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// The keys that vary; all of them if none does.
    pub keys: Vec<String>,
    /// The keys that hold one value, with it.
    pub held: Vec<(String, String)>,
    /// The cells, in the order written; the reference comes first if it is no member of its own.
    pub members: Vec<Member>,
    /// The cell that the others are compared with: the base cell, or the first member if the
    /// comparison holds some key at a single value away from the base cell.
    pub reference: usize,
    /// Its place among the members.
    pub base: usize,
    /// The keys within whose values members are held against each other: those of the data, where
    /// other keys vary beside them. A network at d = 2 is not held against one at d = 15 to learn
    /// what biases do. Empty if all are held against the reference.
    pub within: Vec<String>,
    /// What it is about.
    pub topic: Topic,
    /// The members (their places) by the number that the one varying key takes, increasing; none if
    /// it does not vary one key over numbers.
    pub numbers: Option<Vec<(f64, usize)>>,
    /// Where success crosses the asked share along these numbers.
    pub crossing: Option<Crossing>,
    /// Places of the members that succeed significantly more often than the reference on the same
    /// draws (adjusted p < 0.05).
    pub better: Vec<usize>,
    /// The same for less often.
    pub worse: Vec<usize>,
    /// The most that it shows.
    pub effect: Effect,
    /// The initial kernels of the members; of a comparison over layers or their gains.
    pub conditions: Option<Conditions>,
}

/// A cell in a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// The cell.
    pub cell: usize,
    /// The values of the varying keys, as written; empty for a reference that is no member of its
    /// own.
    pub values: Vec<String>,
    /// The place of the member that it is held against: the reference, or in a comparison
    /// [`within`](Compared::within) some keys the first member with the same values of them.
    pub against: usize,
    /// The same against that one; none for a reference itself, and in crossed designs, whose
    /// replicates are not independent.
    pub paired: Option<Paired>,
}

/// What a comparison is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// It varies the key that the study leads with, and nothing else.
    Leading,
    /// It changes how near inputs are, [`Nearest`], and nothing else varies but data.
    ///
    /// [`Nearest`]: crate::data::Nearest
    Intervention,
    /// It is made on other data than the base cell's: what holds there, as keys and values.
    Elsewhere(Vec<(String, String)>),
    /// It varies the choice.
    Choice,
}

/// A cell against the reference, replicate by replicate on common random draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paired {
    /// Replicates that both bring below, the reference (the first) alone, this cell alone, neither.
    pub agreement: Agreement,
    /// This cell's share of successes less the reference's on these replicates, with its interval.
    pub difference: (f64, Interval),
    /// McNemar's exact two-sided p for equal success.
    pub p: f64,
    /// The same, adjusted by Holm's procedure for the tests of the comparison.
    pub p_adjusted: f64,
    /// Median of this cell's hitting time over the reference's, over all pairs; none for fewer than
    /// six.
    pub ratio: Option<PairedRatio>,
}

/// Compares two cells on the replicates that both have; the p-value is not yet adjusted.
pub fn pair(reference: &Record, this: &Record) -> Paired {
    let both = || reference.rows.iter().zip(&this.rows);
    let count = |first: bool, second: bool| {
        let these = both().filter(|(a, b)| (a.reached(), b.reached()) == (first, second));
        these.count() as u64
    };
    let agreement = Agreement {
        both: count(true, true),
        only_first: count(true, false),
        only_second: count(false, true),
        neither: count(false, false),
    };
    let p = mcnemar_exact(agreement.only_first, agreement.only_second);
    let (first, second): (Vec<_>, Vec<_>) = both().map(|(a, b)| (wait(a), wait(b))).unzip();
    Paired {
        agreement,
        difference: difference_of_shares(agreement, LEVEL),
        p,
        p_adjusted: p,
        ratio: paired_ratio(&first, &second, LEVEL),
    }
}

impl Paired {
    /// Whether success differs: the adjusted p-value is below 0.05.
    pub fn differs(&self) -> bool {
        self.p_adjusted < ALPHA
    }
}

/// Adjusts the p-values of a family by Holm's procedure.
pub(super) fn adjust<'a>(family: impl IntoIterator<Item = &'a mut Paired>) {
    let mut family: Vec<&mut Paired> = family.into_iter().collect();
    let p: Vec<f64> = family.iter().map(|paired| paired.p).collect();
    for (paired, adjusted) in family.iter_mut().zip(holm(&p)) {
        paired.p_adjusted = adjusted;
    }
}

/// Whether the k-th key takes more than one value.
pub(super) fn varies(comparison: &Comparison, k: usize) -> bool {
    let mut values = comparison.members.iter().map(|m| &m.values[k]);
    let first = values.next();
    values.any(|v| Some(v) != first)
}

/// A comparison of the plan; `leading` is the key that the study leads with.
pub(super) fn compared(
    plan: &Plan,
    records: &[Record],
    cells: &[Summary],
    comparison: &Comparison,
    leading: Option<&str>,
) -> Compared {
    let (mut free, fixed): (Vec<usize>, Vec<usize>) =
        (0..comparison.keys.len()).partition(|&k| varies(comparison, k));
    let first = comparison.members.first();
    let value = |k: usize| first.map_or(String::new(), |m| m.values[k].clone());
    let mut held: Vec<(String, String)> = Vec::new();
    if free.is_empty() {
        // What all of them share says something where there is nothing else.
        free = fixed;
    } else {
        held.extend(
            fixed
                .iter()
                .map(|&k| (comparison.keys[k].clone(), value(k))),
        );
    }
    let reference = match first {
        Some(first) if held_away(comparison) => first.cell,
        Some(_) | None => 0,
    };
    let mut members: Vec<Member> = (comparison.members.iter())
        .map(|m| Member {
            cell: m.cell,
            values: free.iter().map(|&k| m.values[k].clone()).collect(),
            against: 0,
            paired: None,
        })
        .collect();
    if members.iter().all(|m| m.cell != reference) {
        let own = Member {
            cell: reference,
            values: Vec::new(),
            against: 0,
            paired: None,
        };
        members.insert(0, own);
    }
    let base = (members.iter().position(|m| m.cell == reference)).unwrap_or(0);
    let keys: Vec<String> = free.iter().map(|&k| comparison.keys[k].clone()).collect();
    let (within, against) =
        within(&keys, &members).unwrap_or_else(|| (Vec::new(), vec![base; members.len()]));
    let against: Vec<(usize, usize)> = (against.into_iter())
        .map(|place| (place, members[place].cell))
        .collect();
    for ((at, member), (place, cell)) in members.iter_mut().enumerate().zip(against) {
        let crossed = |cell: usize| cells[cell].split.is_some();
        member.against = place;
        member.paired = (at != place && !crossed(member.cell) && !crossed(cell))
            .then(|| pair(&records[cell], &records[member.cell]));
    }
    adjust(members.iter_mut().filter_map(|m| m.paired.as_mut()));
    let share = |place: usize| cells[members[place].cell].share;
    let significant = |m: &Member| m.paired.as_ref().is_some_and(Paired::differs);
    let apart: Vec<usize> = (0..members.len())
        .filter(|&i| significant(&members[i]))
        .collect();
    let effect = if within.is_empty() {
        effect(&members, base, &apart, cells)
    } else {
        effect_within(&members, &apart, cells)
    };
    let (better, worse) = apart
        .into_iter()
        .partition(|&i| share(i) > share(members[i].against));
    let numbers = comparison.numbers().map(|numbers| {
        let place = |cell: usize| members.iter().position(|m| m.cell == cell);
        (numbers.into_iter())
            .filter_map(|(v, cell)| Some((v, place(cell)?)))
            .collect::<Vec<_>>()
    });
    Compared {
        name: comparison.name.clone(),
        conditions: conditions(&keys, &members, cells),
        topic: topic(plan, comparison, leading),
        crossing: (numbers.as_ref())
            .filter(|numbers| numbers.len() >= FITTED)
            .and_then(|numbers| {
                let at: Vec<(f64, usize)> = (numbers.iter())
                    .map(|(v, place)| (*v, members[*place].cell))
                    .collect();
                let asked = plan.cells[0].setting.success.share;
                let key = &comparison.keys[free[0]];
                crossing(&at, key, plan, (records, cells), asked)
            }),
        within: within.iter().map(|&k| keys[k].clone()).collect(),
        keys,
        held,
        members,
        reference,
        base,
        numbers,
        better,
        worse,
        effect,
    }
}

/// Places of the keys of the data where others vary beside them, and for each member the place of
/// the first with the same values of these; none if each of their values is there but once.
fn within(keys: &[String], members: &[Member]) -> Option<(Vec<usize>, Vec<usize>)> {
    let of_data = |k: &usize| keys[*k].starts_with("data.") && keys[*k] != NEAREST;
    let (data, others): (Vec<usize>, Vec<usize>) = (0..keys.len()).partition(of_data);
    if data.is_empty() || others.is_empty() {
        return None;
    }
    // A reference that is no member of its own has no values, and so is the first of its kind.
    let mut first: HashMap<Vec<Option<&String>>, usize> = HashMap::new();
    let places = members.iter().enumerate().map(|(at, m)| {
        let values = data.iter().map(|&k| m.values.get(k)).collect();
        *first.entry(values).or_insert(at)
    });
    let places: Vec<usize> = places.collect();
    let shared = places.iter().enumerate().any(|(at, place)| at != *place);
    shared.then_some((data, places))
}

/// Whether a comparison of several cells holds some key at a single value.
fn held_away(comparison: &Comparison) -> bool {
    let several = comparison.members.len() > 1;
    several && (0..comparison.keys.len()).any(|k| !varies(comparison, k))
}

fn topic(plan: &Plan, comparison: &Comparison, leading: Option<&str>) -> Topic {
    let keys = || comparison.keys.iter().enumerate();
    let only =
        |(k, key): (usize, &String)| varies(comparison, k) == (Some(key.as_str()) == leading);
    if keys().all(only) && keys().any(|(k, _)| varies(comparison, k)) {
        return Topic::Leading;
    }
    let varied = || keys().filter(|(k, _)| varies(comparison, *k));
    if varied().any(|(_, key)| key == NEAREST) && varied().all(|(_, key)| key.starts_with("data."))
    {
        return Topic::Intervention;
    }
    let base = &plan.cells[0].setting.data;
    let away = (comparison.members.iter()).all(|m| plan.cells[m.cell].setting.data != *base);
    let first = comparison.members.first();
    let held: Vec<(String, String)> = keys()
        .filter(|(k, key)| key.starts_with("data.") && !varies(comparison, *k))
        .filter_map(|(k, key)| Some((key.clone(), first?.values[k].clone())))
        .collect();
    if away && !held.is_empty() {
        return Topic::Elsewhere(held);
    }
    Topic::Choice
}

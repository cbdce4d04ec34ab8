//! What follows when only one thing is changed: how near the inputs are to each other, or the
//! rate. Only here does the analysis speak of causes between cells.

use serde::Serialize;

use super::along::{Along, Change, change};
use super::cause::CauseKind;
use super::comparison::{Compared, Paired, Topic, pair};
use super::summary::Summary;
use crate::data::Nearest;
use crate::descent::Rate;
use crate::record::{Record, Row};
use crate::study::Setting;

/// A cell whose inputs were brought nearer, or kept apart, against the cell that is equal but for
/// that, replicate by replicate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Intervention {
    /// The comparison that holds it.
    pub comparison: usize,
    /// The cell.
    pub cell: usize,
    /// The same with inputs as drawn.
    pub reference: usize,
    /// The number of the reference along the leading number; none if it is no part of that.
    pub number: Option<f64>,
    /// The median distance of the nearest two inputs, of the reference and of the cell.
    pub nearest: [f64; 2],
    /// λmin at the start of both; none where one was not looked at.
    pub smallest: Option<[f64; 2]>,
    /// How the cell does against the reference.
    pub change: Change,
    /// The same in numbers; p is not adjusted.
    pub paired: Paired,
    /// What nearness does, by this intervention.
    pub nearness: Nearness,
    /// ln of λmin's change over that from the base cell to the last one told, where both are known:
    /// which part of the fall this intervention makes, or takes back.
    pub of_fall: Option<f64>,
    /// The same for the median number of steps.
    pub of_steps: Option<f64>,
}

/// What nearness of inputs does to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nearness {
    /// Nearer inputs do worse, or inputs kept apart better.
    Harms,
    /// The other way.
    Helps,
    /// Nothing is told.
    NotShown,
}

/// Whether two settings are the same but for what `free` makes equal, and for how many replicates
/// they have.
fn same_but_for(a: &Setting, b: &Setting, free: impl Fn(&mut Setting, &Setting)) -> bool {
    let mut a = a.clone();
    a.replicates = b.replicates;
    free(&mut a, b);
    a == *b
}

/// Every intervention of the comparisons, each against its own reference.
pub(super) fn interventions(
    cells: &[Summary],
    records: &[Record],
    comparisons: &[Compared],
    along: Option<&Along>,
) -> Vec<Intervention> {
    let mut all: Vec<Intervention> = Vec::new();
    for (comparison, compared) in comparisons.iter().enumerate() {
        if compared.topic != Topic::Intervention {
            continue;
        }
        for cell in compared.members.iter().map(|m| m.cell) {
            let this = &cells[cell];
            if this.setting.data.nearest == Nearest::AsDrawn || this.split.is_some() {
                continue;
            }
            let as_drawn = |other: &usize| {
                let other = &cells[*other].setting;
                let drawn = |s: &mut Setting, _: &Setting| s.data.nearest = Nearest::AsDrawn;
                same_but_for(&this.setting, other, drawn)
            };
            let mut members = compared.members.iter().map(|m| m.cell);
            if let Some(reference) = members.find(as_drawn)
                && all.iter().all(|i| i.cell != cell)
            {
                let paired = pair(&records[reference], &records[cell]);
                let pair = (&cells[reference], this);
                all.extend(intervention(comparison, pair, paired, cells, along));
            }
        }
    }
    all
}

fn intervention(
    comparison: usize,
    (reference, this): (&Summary, &Summary),
    paired: Paired,
    cells: &[Summary],
    along: Option<&Along>,
) -> Option<Intervention> {
    let nearest = [reference.nearest_pair?, this.nearest_pair?];
    let change = change(&paired);
    let nearer = nearest[1] < nearest[0];
    let smallest = |s: &Summary| Some(s.looked.as_ref()?.start.smallest).filter(|l| *l > 0.0);
    let steps = |s: &Summary| s.steps.median.step.filter(|t| *t > 0).map(|t| t as f64);
    let number = along.and_then(|along| {
        let same = |cell: usize| same_but_for(&cells[cell].setting, &reference.setting, |_, _| {});
        let found = along.members.iter().find(|(_, cell)| same(*cell));
        found.map(|(number, _)| *number)
    });
    // What an intervention makes of the way from the base cell to the last one told.
    let part = |of: &dyn Fn(&Summary) -> Option<f64>| {
        let last = along?.told.last()?.cell;
        let whole = (of(&cells[last])? / of(&cells[0])?).ln();
        let this = (of(this)? / of(reference)?).ln();
        number.map(|_| this.abs() / whole.abs())
    };
    Some(Intervention {
        comparison,
        cell: this.cell,
        reference: reference.cell,
        number,
        nearest,
        smallest: smallest(reference).zip(smallest(this)).map(|(a, b)| [a, b]),
        change,
        nearness: match (change, nearer) {
            (Change::Same, _) => Nearness::NotShown,
            (Change::Worse, true) | (Change::Better, false) => Nearness::Harms,
            (Change::Worse, false) | (Change::Better, true) => Nearness::Helps,
        },
        of_fall: part(&smallest),
        of_steps: part(&steps),
        paired,
    })
}

/// The order of cells of which the last is the best: by successes, then by the smaller median.
fn order(a: &Summary, b: &Summary) -> std::cmp::Ordering {
    let median = |s: &Summary| s.steps.median.step.unwrap_or(u64::MAX);
    let by_share = a.share.total_cmp(&b.share);
    by_share.then(median(b).cmp(&median(a)))
}

/// Larger constant rates at the last cell told, against its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LargerRates {
    /// The comparison that has them.
    pub comparison: usize,
    /// The cell with the rate of the cell told, on the same draws.
    pub reference: usize,
    /// Larger rates that were tried, increasing.
    pub rates: Vec<f64>,
    /// The best of them: the most successes, then the smallest median.
    pub best: usize,
    /// Its rate.
    pub rate: f64,
    /// How it does against the reference, with p adjusted for all rates of the comparison.
    pub change: Change,
    /// The same in numbers.
    pub paired: Paired,
    /// Sharpness at the end of the reference over that of the best; none where one is not known.
    pub sharpness_falls_by: Option<f64>,
}

/// What larger constant rates do at a cell: by the first comparison that changes only the rate of
/// its setting; none without one.
pub(super) fn larger_rates(
    cells: &[Summary],
    comparisons: &[Compared],
    cell: usize,
) -> Option<LargerRates> {
    let rate = |s: &Summary| match s.setting.descent.rate {
        Rate::Absolute(rate) => Some(rate),
        Rate::OfLimit(_) => None,
    };
    let told = &cells[cell];
    let of = |(comparison, compared): (usize, &Compared)| {
        let reference = &cells[compared.reference];
        if !same_but_for(&told.setting, &reference.setting, |_, _| {}) {
            return None;
        }
        let now = rate(reference)?;
        let only_rate = |s: &Summary| {
            let rate = |a: &mut Setting, b: &Setting| a.descent.rate = b.descent.rate;
            same_but_for(&s.setting, &reference.setting, rate)
        };
        let mut larger: Vec<(f64, &Summary, &Paired)> = (compared.members.iter())
            .filter_map(|m| Some((rate(&cells[m.cell])?, &cells[m.cell], m.paired.as_ref()?)))
            .filter(|(rate, s, _)| *rate > now && only_rate(s))
            .collect();
        larger.sort_by(|a, b| a.0.total_cmp(&b.0));
        let best = larger.iter().copied().max_by(|a, b| order(a.1, b.1));
        let (rate, best, paired) = best?;
        // The edge is reached by η times sharpness: their ratio to η is the sharpness.
        let sharpness = |s: &Summary| {
            let edge = Some(s.looked.as_ref()?.edge).filter(|e| *e > 0.0);
            Some(edge? / s.rate)
        };
        Some(LargerRates {
            comparison,
            reference: reference.cell,
            rates: larger.iter().map(|(rate, ..)| *rate).collect(),
            best: best.cell,
            rate,
            change: change(paired),
            paired: paired.clone(),
            sharpness_falls_by: sharpness(reference)
                .zip(sharpness(best))
                .map(|(a, b)| a / b),
        })
    };
    comparisons.iter().enumerate().find_map(of)
}

/// A rate that changes on the way at the last cell told, against the constant one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scheduled {
    /// The comparison that has it.
    pub comparison: usize,
    /// The cell with the constant rate, on the same draws.
    pub reference: usize,
    /// Schedules that were tried.
    pub tried: usize,
    /// The best of them: the most successes, then the smallest median.
    pub best: usize,
    /// How it does against the reference, with p adjusted for all schedules of the comparison.
    pub change: Change,
    /// The same in numbers.
    pub paired: Paired,
    /// Replicates looked at that bounce at the edge of stability at the end of the constant rate.
    pub bouncing: u64,
    /// How many of them get below with the best schedule.
    pub finished: u64,
}

/// What schedules do at a cell: by every comparison that changes only the schedule of its setting,
/// or of that setting at another rate.
pub(super) fn scheduled(
    cells: &[Summary],
    records: &[Record],
    comparisons: &[Compared],
    cell: usize,
) -> Vec<Scheduled> {
    let told = &cells[cell].setting;
    let rate = |a: &mut Setting, b: &Setting| a.descent.rate = b.descent.rate;
    let schedule = |a: &mut Setting, b: &Setting| a.descent.schedule = b.descent.schedule.clone();
    let of = |(comparison, compared): (usize, &Compared)| {
        let reference = &cells[compared.reference];
        if !same_but_for(told, &reference.setting, rate) {
            return None;
        }
        let tried: Vec<(&Summary, &Paired)> = (compared.members.iter())
            .filter_map(|m| Some((&cells[m.cell], m.paired.as_ref()?)))
            .filter(|(s, _)| same_but_for(&s.setting, &reference.setting, schedule))
            .collect();
        let best = tried.iter().copied().max_by(|a, b| order(a.0, b.0));
        let (best, paired) = best?;
        let bouncing = || {
            let judged = reference.judged.iter();
            judged.filter(|j| j.cause == CauseKind::AtTheEdge)
        };
        let rows = &records[best.cell].rows;
        let reached = |r: u64| rows.get(r as usize).is_some_and(Row::reached);
        Some(Scheduled {
            comparison,
            reference: reference.cell,
            tried: tried.len(),
            best: best.cell,
            change: change(paired),
            paired: paired.clone(),
            bouncing: bouncing().count() as u64,
            finished: bouncing().filter(|j| reached(j.replicate)).count() as u64,
        })
    };
    comparisons.iter().enumerate().filter_map(of).collect()
}

//! What a study asks first, and so what its page answers first.

use serde::Serialize;

use super::along::Along;
use super::comparison::{Compared, Topic};
use super::findings::Finding;
use super::summary::{Reaches, Summary};
use crate::plan::Plan;

/// Members of a comparison up to which each has its line.
const LINES: usize = 6;

/// What is answered. The rule is of the study alone, never of its title: what others published if
/// it claims something; the share if `success.share` is written in it; what its leading comparison,
/// or its only one, shows; else the share.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Whether published numbers are found again.
    Claims,
    /// What a comparison shows.
    Comparison(Lines),
    /// Whether the share is reached.
    Share(Share),
}

/// A comparison in a few lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lines {
    /// Its place among the comparisons.
    pub comparison: usize,
    /// Places of the members that have a line each, the reference first.
    pub places: Vec<usize>,
    /// The place of the member with the fewest steps in the median; none without a median.
    pub fastest: Option<usize>,
}

/// The share, at the base cell and where the study leads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The cell of the base setting: of several that differ in their number of replicates alone the
    /// one with most.
    pub base: usize,
    /// What repairs the last line; none where it needs none, or nothing that was tried does.
    pub repair: Option<Repair>,
}

/// A setting that reaches the share on the data on which the last one told does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// The cell: of those whose whole interval reaches the share the one with the fewest steps in
    /// the median.
    pub cell: usize,
    /// How many do.
    pub reaching: usize,
    /// Of how many that were tried.
    pub tried: usize,
}

/// What a study asks first.
pub(super) fn answer(
    plan: &Plan,
    cells: &[Summary],
    comparisons: &[Compared],
    along: Option<&Along>,
    findings: &[Finding],
) -> Answer {
    if findings.iter().any(Finding::published) {
        return Answer::Claims;
    }
    let leading = along.map(|a| a.comparison).or_else(|| only(comparisons));
    match leading.filter(|_| !plan.asks_share) {
        Some(at) => Answer::Comparison(lines(at, &comparisons[at], cells, along)),
        None => Answer::Share(share(cells, along)),
    }
}

/// The one comparison of a study around its base cell that varies more than how many replicates
/// there are.
fn only(comparisons: &[Compared]) -> Option<usize> {
    let [one] = comparisons else { return None };
    let asks = one.keys.iter().any(|key| key != "replicates");
    (one.topic == Topic::Choice && one.reference == 0 && asks).then_some(0)
}

fn lines(at: usize, of: &Compared, cells: &[Summary], along: Option<&Along>) -> Lines {
    let median = |place: usize| cells[of.members[place].cell].steps.median.step;
    let all = 0..of.members.len();
    let told = along.map_or(Vec::new(), |a| a.told.iter().map(|t| t.place).collect());
    let few = of.members.len() <= LINES || told.is_empty();
    let others = all.clone().filter(|p| *p != of.base);
    let others = others.filter(|p| few || told.contains(p)).take(LINES);
    let timed = all.filter_map(|p| Some((p, median(p)?)));
    Lines {
        comparison: at,
        fastest: timed.min_by_key(|(_, step)| *step).map(|(p, _)| p),
        places: std::iter::once(of.base).chain(others).collect(),
    }
}

fn share(cells: &[Summary], along: Option<&Along>) -> Share {
    let base = &cells[0];
    let same = |s: &&Summary| {
        let mut setting = s.setting.clone();
        setting.replicates = base.setting.replicates;
        setting == base.setting
    };
    let most = cells.iter().filter(same).max_by_key(|s| s.replicates);
    let last = along.and_then(|a| a.told.last()).map(|t| t.cell);
    Share {
        base: most.map_or(0, |s| s.cell),
        repair: last.and_then(|cell| repair(cells, &cells[cell])),
    }
}

/// The best of what was tried on the data of a cell that misses its share.
fn repair(cells: &[Summary], missed: &Summary) -> Option<Repair> {
    if missed.reaches == Reaches::Yes {
        return None;
    }
    let same = |s: &&Summary| {
        let here = s.setting.data == missed.setting.data;
        here && s.setting.success == missed.setting.success && s.cell != missed.cell
    };
    let tried = cells.iter().filter(same);
    let reaching: Vec<&Summary> = (tried.clone())
        .filter(|s| s.reaches == Reaches::Yes)
        .collect();
    let best = reaching.iter().min_by_key(|s| s.steps.median.step)?;
    Some(Repair {
        cell: best.cell,
        reaching: reaching.len(),
        tried: tried.count(),
    })
}

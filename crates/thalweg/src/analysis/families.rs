//! How many questions a page asks, and which of them were corrected for their number together.

use serde::Serialize;

use super::along::Along;
use super::comparison::Compared;
use super::findings::{Finding, Verdict};
use super::summary::{IntervalKind, Summary};

/// The families of tests and intervals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Families {
    /// Cells, each with an interval of its success.
    pub cells: usize,
    /// Cells whose number of replicates depended on their outcomes.
    pub sequential: usize,
    /// Comparisons with a test, each a family that is corrected by itself.
    pub comparisons: usize,
    /// Their tests of equal success, all together.
    pub tests: usize,
    /// Cells that were asked whether to restart: one family.
    pub restarts: usize,
    /// Neighbours along the leading number, tested for the other order: one family.
    pub neighbours: usize,
    /// Predictions that an interval was held against, not corrected.
    pub predictions: usize,
    /// Published numbers, likewise.
    pub claims: usize,
}

/// The families of a run.
pub(super) fn families(
    cells: &[Summary],
    comparisons: &[Compared],
    along: Option<&Along>,
    findings: &[Finding],
) -> Families {
    let tests = |c: &Compared| c.members.iter().filter(|m| m.paired.is_some()).count();
    let judged = |f: &&Finding| match f.verdict {
        Verdict::Holds | Verdict::Fails | Verdict::Open => f.band.low < f.band.high,
        Verdict::OutOfDomain | Verdict::Underpowered => false,
    };
    let confronted = |published: bool| {
        let of = findings.iter().filter(|f| f.published() == published);
        of.filter(judged).count()
    };
    let sequential = |s: &&Summary| matches!(s.interval_kind, IntervalKind::Anytime(_));
    Families {
        cells: cells.len(),
        sequential: cells.iter().filter(sequential).count(),
        comparisons: comparisons.iter().filter(|c| tests(c) > 0).count(),
        tests: comparisons.iter().map(tests).sum(),
        restarts: cells.iter().filter(|s| s.restarts.is_some()).count(),
        neighbours: along.map_or(0, |a| a.members.len().saturating_sub(1)),
        predictions: confronted(false),
        claims: confronted(true),
    }
}

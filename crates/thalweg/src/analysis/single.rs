//! A base cell of one replicate, and the cell of the study that has many of the same.

use serde::Serialize;

use super::summary::Summary;
use crate::study::{Replicates, Setting};

/// A base cell of a single run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Single {
    /// The first step below the loss asked for.
    pub first_below: Option<u64>,
    /// Whether the run counts as a success: it was below when it ended.
    pub reached: bool,
    /// The cell with most replicates whose setting is the same but for their number and for what is
    /// looked at and kept.
    pub many: Option<usize>,
}

/// What there is to say of a single run; none if the base cell has more.
pub(super) fn single(cells: &[Summary]) -> Option<Single> {
    let base = cells.first().filter(|s| s.replicates == 1)?;
    let alike = |s: &&Summary| s.replicates > 1 && law(&s.setting) == law(&base.setting);
    let many = cells.iter().filter(alike).max_by_key(|s| s.replicates);
    Some(Single {
        first_below: base.shown.first().and_then(|r| r.first_below),
        reached: base.successes == 1,
        many: many.map(|s| s.cell),
    })
}

/// What decides how a replicate ends.
fn law(setting: &Setting) -> Setting {
    let plain = Setting::default();
    Setting {
        replicates: Replicates::Fixed(1),
        look: plain.look,
        keep: plain.keep,
        ..setting.clone()
    }
}

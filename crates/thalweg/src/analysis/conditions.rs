//! Why depth and the first layer's scale help: the condition of the kernel that they start with.

use serde::Serialize;

use super::comparison::Member;
use super::summary::Summary;

/// How well the initial kernels of a comparison's members are conditioned, and whether that is what
/// tells the members apart: at a rate that is a share of the limit a run takes κ times a constant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conditions {
    /// Place, λmin and κ = λmax/λmin of each member that has kernels, medians at the start.
    pub members: Vec<(usize, f64, f64)>,
    /// Pairs of members whose intervals of success lie apart.
    pub apart: usize,
    /// Those of them of which the more successful one has the smaller κ.
    pub agree: usize,
}

/// The kernels of the members of a comparison over `net.hidden` or `net.gains`; none of any other,
/// or with fewer than two kernels.
pub(super) fn conditions(
    keys: &[String],
    members: &[Member],
    cells: &[Summary],
) -> Option<Conditions> {
    let [key] = keys else {
        return None;
    };
    if key != "net.hidden" && key != "net.gains" {
        return None;
    }
    let of = |(place, m): (usize, &Member)| {
        let start = cells[m.cell].looked.as_ref()?.start;
        (!m.values.is_empty()).then_some((place, start.smallest, start.condition))
    };
    let all: Vec<(usize, f64, f64)> = members.iter().enumerate().filter_map(of).collect();
    let pairs = || {
        let pair = |(i, a)| all[i + 1..].iter().map(move |b| (a, b));
        all.iter().enumerate().flat_map(pair)
    };
    let success = |one: &(usize, f64, f64)| cells[members[one.0].cell].success;
    let apart = || {
        pairs().filter(|(a, b)| {
            let (a, b) = (success(a), success(b));
            a.high < b.low || b.high < a.low
        })
    };
    let agree = |(a, b): &(&(usize, f64, f64), &(usize, f64, f64))| {
        (success(a).low > success(b).high) == (a.2 < b.2)
    };
    (all.len() > 1).then(|| Conditions {
        apart: apart().count(),
        agree: apart().filter(agree).count(),
        members: all.clone(),
    })
}

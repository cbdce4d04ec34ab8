//! How the smallest eigenvalue of the kernel at the start goes along the number that a study leads
//! with, beside what theory says of it.

use serde::Serialize;

use super::summary::Summary;
use crate::data::{InputLaw, Nearest};
use crate::stats::Interval;
use crate::theory::crowding;

/// λmin of the start at one number, and what bounds and predicts it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Smallest {
    /// The number.
    pub number: f64,
    /// The cell.
    pub cell: usize,
    /// The median over the replicates looked at; none below round-off.
    pub measured: Option<f64>,
    /// Its interval.
    pub band: Interval,
    /// The median of the infinitely wide network on the training sets of the first replicates; none
    /// below round-off.
    pub infinite: Option<f64>,
    /// The median of the upper bound by two points.
    pub two_point: Option<f64>,
    /// The median distance of the nearest two inputs.
    pub nearest: Option<f64>,
    /// What [`crowding::nearest_pair`] says of that; only of normal inputs.
    pub nearest_law: Option<f64>,
    /// The degree of polynomials that take any values at the inputs, [`crowding::degree`]; 1 where
    /// a linear fit is exact.
    pub degree: usize,
}

/// Along the cells of these numbers, those that were looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SmallestAlong {
    /// By the number, increasing; empty if the kernels at the start are the same everywhere.
    pub points: Vec<Smallest>,
    /// Least and largest measured median over the infinitely wide network's; none where it was
    /// asked of fewer than two.
    pub over_infinite: Option<[f64; 2]>,
    /// The numbers at which a linear fit is exact, if it is not at all of them.
    pub linear: Vec<f64>,
    /// The numbers at which λmin is below round-off, so that nothing is known of it.
    pub below_round_off: Vec<f64>,
}

/// What the entries of an infinitely wide network's kernel are right to, of its largest eigenvalue;
/// its reference tables agree to less.
const INFINITE_ERROR: f64 = 1e-13;

/// `value` if it is above an error of so much of the `largest` eigenvalue: below, it is not known
/// to differ from 0.
fn known(value: f64, largest: f64, error: f64) -> Option<f64> {
    (value > error * largest).then_some(value)
}

/// λmin of the start along the cells of these numbers.
pub(super) fn smallest(cells: &[Summary], members: &[(f64, usize)]) -> SmallestAlong {
    let points: Vec<Smallest> = (members.iter())
        .filter_map(|&(number, cell)| at(number, &cells[cell]))
        .collect();
    let same = |p: &Smallest| (p.measured, p.infinite) == (points[0].measured, points[0].infinite);
    if points.iter().all(same) {
        return SmallestAlong::default();
    }
    let ratios: Vec<f64> = (points.iter())
        .filter_map(|p| Some(p.measured? / p.infinite?))
        .collect();
    let over = |f: fn(f64, f64) -> f64| ratios.iter().copied().reduce(f);
    let numbers = |test: &dyn Fn(&Smallest) -> bool| -> Vec<f64> {
        let found = points.iter().filter(|p| test(p));
        found.map(|p| p.number).collect()
    };
    let linear = numbers(&|p| p.degree <= 1);
    SmallestAlong {
        over_infinite: (over(f64::min).zip(over(f64::max)))
            .filter(|_| ratios.len() > 1)
            .map(|(low, high)| [low, high]),
        linear: if linear.len() < points.len() {
            linear
        } else {
            Vec::new()
        },
        below_round_off: numbers(&|p| p.measured.is_none()),
        points,
    }
}

fn at(number: f64, s: &Summary) -> Option<Smallest> {
    let looked = s.looked.as_ref()?;
    let data = &s.setting.data;
    let normal = match data.inputs {
        InputLaw::Gaussian => data.file.is_none() && data.nearest == Nearest::AsDrawn,
        InputLaw::Sphere
        | InputLaw::Shell(_)
        | InputLaw::Grid(_)
        | InputLaw::Chebyshev
        | InputLaw::Circle
        | InputLaw::Hypercube
        | InputLaw::Corners
        | InputLaw::Bits
        | InputLaw::TwoSpirals => false,
    };
    let law = crowding::nearest_pair(data.points, data.dim);
    Some(Smallest {
        number,
        cell: s.cell,
        measured: looked.smallest_known.then_some(looked.start.smallest),
        band: looked.smallest_start,
        infinite: (looked.infinite).and_then(|e| known(e.smallest, e.largest, INFINITE_ERROR)),
        two_point: Some(looked.two_point_start).filter(|b| b.is_finite()),
        nearest: s.nearest_pair,
        nearest_law: law.filter(|_| normal),
        degree: crowding::degree(data.points, data.dim, s.setting.net.bias),
    })
}

//! The first replicates of a cell that were looked at often: curvature, kernel and motion against
//! the step.

use serde::Serialize;

use super::forecast::{edge, over_limit};
use crate::plan::Cell;
use crate::record::{Observation, Record};

/// Looks at a replicate from which on its training counts as followed.
pub const FOLLOWED: usize = 8;

/// Replicates of a cell that are shown one by one.
const SHOWN: usize = 6;

/// A replicate that was followed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Followed {
    /// Its number.
    pub replicate: u64,
    /// Its looks, by step.
    pub looks: Vec<Look>,
}

/// What one look at it shows; NaN where it was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Look {
    /// The step.
    pub step: u64,
    /// The loss.
    pub loss: f64,
    /// The rate over the largest that is stable at the sharpness: 1 is the edge of stability.
    pub edge: f64,
    /// The rate over the largest stable rate of the kernel.
    pub over_limit: f64,
    /// λmin of Θ.
    pub smallest: f64,
    /// λmax of Θ.
    pub largest: f64,
    /// ‖Θ − Θ₀‖/‖Θ₀‖.
    pub kernel_moved: f64,
    /// μ in ‖∇L‖² = 2 μ L: 2 s rᵀΘr/rᵀr.
    pub polyak_lojasiewicz: f64,
    /// The length of the way so far over the looks, at most that of the path itself:
    /// [`Observation::path_length`].
    pub path_length: f64,
}

/// The first few replicates of a cell that were followed.
pub(super) fn followed(cell: &Cell, record: &Record) -> Vec<Followed> {
    let s = cell.loss_factor();
    let squared = cell.setting.descent.loss.is_squared();
    let look = |rate: f64, look: &Observation| {
        let ends = look.eigenvalues.as_deref();
        let end = |end: Option<&f64>| end.copied().unwrap_or(f64::NAN);
        Look {
            step: look.step,
            loss: look.loss,
            edge: edge(cell, rate, look).unwrap_or(f64::NAN),
            over_limit: over_limit(cell, rate, look),
            smallest: end(ends.and_then(|e| e.first())),
            largest: end(ends.and_then(|e| e.last())),
            kernel_moved: look.kernel_moved.unwrap_or(f64::NAN),
            polyak_lojasiewicz: (look.rayleigh())
                .filter(|_| squared)
                .map_or(f64::NAN, |pull| 2.0 * s * pull),
            path_length: look.path_length.unwrap_or(f64::NAN),
        }
    };
    (record.looks.chunk_by(|a, b| a.replicate == b.replicate))
        .filter(|looks| looks.len() >= FOLLOWED)
        .take(SHOWN)
        .filter_map(|looks| {
            let replicate = looks.first()?.replicate;
            let rate = record.rows.get(replicate as usize)?.rate;
            Some(Followed {
                replicate,
                looks: looks.iter().map(|l| look(rate, l)).collect(),
            })
        })
        .collect()
}

//! One replicate, replayed bit for bit: its loss, its spectrum, its slowest mode, the points that
//! carry it, and why it ended as it did.

use serde::Serialize;

use crate::confront::{linear, predict};
use crate::data::Set;
use crate::engine::{Engine, Snapshot};
use crate::error::Error;
use crate::lab::{Control, replay, row};
use crate::linalg::eigen;
use crate::observe::{self, Curvature, Tangent};
use crate::plan::Cell;
use crate::record::{Look, Outcome, Record, Row};
use crate::study::{At, Observable};
use crate::theory::linear::Steps;
use crate::verdict::{Cause, Way, cause, impossible, way, without_heaviest};

/// Most parameters of a network whose Hessian is diagonalised whole: some seconds.
pub const EXACT: usize = 1500;

/// What is known about one replicate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The cell.
    pub cell: usize,
    /// The replicate.
    pub replicate: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Steps made.
    pub steps: u64,
    /// η.
    pub rate: f64,
    /// The largest stable rate by the kernel at start and end; none without a rule's theory.
    pub largest_stable_rate: [Option<f64>; 2],
    /// (step, loss, loss predicted by the initial kernel).
    pub losses: Vec<(u64, f64, Option<f64>)>,
    /// Eigenvalues of Θ at the start and at the end, increasing.
    pub spectrum: [Vec<f64>; 2],
    /// The step predicted by the initial kernel; infinite if never.
    pub predicted_steps: Option<f64>,
    /// λmax of the Hessian at the end times η over 2.
    pub edge: Option<f64>,
    /// The whole Hessian at the end; none above [`EXACT`] parameters, or if it diverged.
    pub curvature: Option<Curvature>,
    /// The slowest mode at the end.
    pub slowest: Mode,
    /// Why.
    pub cause: Cause,
    /// What looks at its steps 1, 2, 5, 10, … tell of its way; none without a linear theory.
    pub way: Option<Way>,
    /// The same in sentences.
    pub because: Vec<String>,
    /// Whether the replay ended in the recorded bits; none if the replicate is not in the record.
    pub same_bits: Option<bool>,
}

/// An eigenvector of the kernel, as the data see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mode {
    /// λmin.
    pub eigenvalue: f64,
    /// Share of the residual's square in it, at the start and at the end.
    pub share: [f64; 2],
    /// The points with the largest weight: index, weight (squared entry, all sum to 1), target.
    pub points: Vec<(usize, f64, f64)>,
    /// Distance of the two heaviest points, and its rank among all pairs (1 is the nearest).
    pub pair: Option<(f64, usize)>,
}

/// Replays a replicate.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub fn explain(
    cell: &Cell,
    engine: &dyn Engine,
    replicate: u64,
    record: Option<&Record>,
    control: &Control<'_>,
) -> Result<Explanation, Error> {
    let problem = cell.problem();
    // Looks change no bit of the training.
    let mut followed = cell.clone();
    followed.setting.look.at = vec![At::Start, At::Log, At::End];
    followed.setting.look.replicates = replicate.saturating_add(1);
    let (job, trained) = replay(&followed, engine, replicate, control)?;
    let row = row(&trained);
    let set = Set { x: job.x, y: job.y };
    let wanted = [
        Observable::Ntk,
        Observable::Hessian,
        Observable::DeadUnits,
        Observable::GradientNorm,
    ];
    let first = Snapshot {
        step: 0,
        loss: f64::NAN,
        weights: job.weights,
    };
    let diverged = matches!(trained.outcome, Outcome::Diverged { .. });
    let mut path = vec![first];
    path.extend(trained.snapshots);
    if !diverged && path.last().is_none_or(|p| p.step < trained.last.step) {
        path.push(trained.last.clone());
    }
    let looks = observe::look(&problem, &wanted, replicate, job.rate, &set, &path);
    let [first, ..] = &looks[..] else {
        unreachable!("every path has its start");
    };
    let last = looks.last().unwrap_or(first);
    let why = cause(cell, &row, Some((first, last)));
    let predicted =
        linear(cell, job.rate, first).map(|l| l.losses(&problem.grid[..trained.losses.len()]));
    let losses = trained
        .losses
        .iter()
        .enumerate()
        .map(|(i, l)| (problem.grid[i], *l, predicted.as_ref().map(|p| p[i])));
    let weights = path.pop().map(|p| p.weights).unwrap_or_default();
    let slowest = slowest(&problem, &weights, &set, last);
    let curvature = (!diverged && weights.len() <= EXACT).then(|| {
        let at = Tangent::new(&problem, &weights, &set.x);
        let r: Vec<f64> = (at.outputs.iter().zip(&set.y))
            .map(|(f, y)| f - y)
            .collect();
        observe::curvature(&problem, &weights, &at, &r)
    });
    let recorded = record.and_then(|r| r.rows.iter().find(|r| r.replicate == replicate));
    let before = predict(cell, job.rate, first);
    let after = predict(cell, job.rate, last);
    let mut out = Explanation {
        cell: cell.number,
        replicate,
        outcome: trained.outcome,
        steps: row.steps,
        rate: job.rate,
        largest_stable_rate: [before, after].map(|p| p.map(|p| p.largest_stable_rate)),
        losses: losses.collect(),
        spectrum: [first, last].map(|l| l.eigenvalues.clone().unwrap_or_default()),
        predicted_steps: before.map(|p| p.as_number()),
        edge: last
            .sharpness
            .map(|s| job.rate * s / 2.0)
            .filter(|_| !diverged),
        curvature,
        slowest,
        cause: why,
        way: way(cell, &row, &looks),
        because: Vec::new(),
        same_bits: recorded.map(|r| {
            r.outcome == row.outcome && r.final_loss.to_bits() == row.final_loss.to_bits()
        }),
    };
    out.because = because(cell, &row, first, last, &out);
    Ok(out)
}

fn slowest(problem: &crate::engine::Problem, weights: &[f64], set: &Set, last: &Look) -> Mode {
    let n = set.y.len();
    let kernel = observe::kernel(problem, &Tangent::new(problem, weights, &set.x));
    let e = eigen(&kernel, n);
    let share = |c: &Option<Vec<f64>>| {
        c.as_ref().map_or(f64::NAN, |c| {
            c[0] * c[0] / c.iter().map(|c| c * c).sum::<f64>()
        })
    };
    let mut points: Vec<(usize, f64, f64)> = (0..n)
        .map(|i| (i, e.vectors[i] * e.vectors[i], set.y[i]))
        .collect();
    points.sort_by(|a, b| b.1.total_cmp(&a.1));
    let d = set.x.len() / n;
    let distance = |i: usize, j: usize| {
        let pairs = set.x[i * d..(i + 1) * d]
            .iter()
            .zip(&set.x[j * d..(j + 1) * d]);
        pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    };
    let pair = (n > 1).then(|| {
        let here = distance(points[0].0, points[1].0);
        let nearer = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .filter(|(i, j)| distance(*i, *j) < here);
        (here, nearer.count() + 1)
    });
    points.truncate(4);
    Mode {
        eigenvalue: e.values[0],
        share: [share(&last.start_coefficients), share(&last.coefficients)],
        points,
        pair,
    }
}

fn because(cell: &Cell, row: &Row, first: &Look, last: &Look, e: &Explanation) -> Vec<String> {
    let mut all = vec![e.cause.evidence(cell, row)];
    all.extend(e.cause.counterfactual(row));
    if !e.cause.reached() {
        let known = impossible(cell, row.replicate).map(|i| i.sentence());
        all.extend(known.filter(|sentence| !all.contains(sentence)));
    }
    if let Some(p) = predict(cell, row.rate, first) {
        all.push(match p.steps {
            Steps::At(step) => {
                format!("Before training, its initial kernel predicted step {step}.")
            }
            Steps::After(step) => format!(
                "Before training, its initial kernel predicted no success within {step} steps."
            ),
            Steps::Never { floor } => {
                format!("Before training, its initial kernel predicted a floor of {floor:.3e}.")
            }
            Steps::Unstable => {
                "Before training, its initial kernel called this rate unstable.".into()
            }
        });
    }
    all.extend(e.way.as_ref().map(Way::sentence));
    if let (Some(moved), true) = (last.kernel_moved, last.step > 0) {
        all.push(format!(
            "The kernel moved by {:.0} % of its norm on the way.",
            100.0 * moved
        ));
    }
    if let Some(edge) = e.edge {
        let place = if edge > 0.95 {
            "at the edge of stability"
        } else {
            "below the edge of stability"
        };
        all.push(format!("At the end η·sharpness/2 = {edge:.3}: {place}."));
    }
    let untold = last.dead_units > Some(0) && !e.cause.tells_dead_units();
    if let (Some(dead), true) = (last.dead_units, untold) {
        all.push(format!(
            "{dead} hidden units have φ' = 0 on every training point."
        ));
    }
    if let [(a, wa, ya), (b, wb, yb), ..] = e.slowest.points[..] {
        let near = e.slowest.pair.map_or(String::new(), |(d, rank)| {
            format!("; they are {d:.3} apart, pair number {rank} by distance, and their targets differ by {:.3}", (ya - yb).abs())
        });
        all.push(format!(
            "The slowest mode (λ = {:.3e}) sits on points {a} ({:.0} %) and {b} ({:.0} %){near}. It holds {:.2} % of the residual's square.",
            e.slowest.eigenvalue, 100.0 * wa, 100.0 * wb, 100.0 * e.slowest.share[1]
        ));
    }
    if let Some((point, with, without)) = without_heaviest(cell, row, last).filter(|w| w.1 > w.2) {
        all.push(format!(
            "Without point {point} the kernel at the end would need {without} steps more instead of {with}."
        ));
    }
    if let Some(c) = &e.curvature {
        all.push(format!(
            "The Hessian at the end has {} negative eigenvalues of {}, from {:.3e} to {:.3e}; its Gauss–Newton part reaches {:.3e}, the part of the residuals {:.3e}.",
            c.negative(),
            c.eigenvalues.len(),
            c.eigenvalues.first().copied().unwrap_or(f64::NAN),
            c.eigenvalues.last().copied().unwrap_or(f64::NAN),
            c.gauss_newton,
            c.residual
        ));
    }
    all
}

//! One replicate, replayed bit for bit and analysed: its loss, its slowest mode and the points that
//! carry it, its curvature, and why it ended as it did.

use serde::Serialize;

use crate::analysis::cause::Cause;
use crate::analysis::forecast::linear;
use crate::analysis::points;
use crate::analysis::replicate::Replicate;
use crate::data::Set;
use crate::engine::{Engine, Job, Problem, Snapshot};
use crate::error::Error;
use crate::lab::{Control, replay, tested_row, train_one};
use crate::linalg::eigen;
use crate::observe::{self, Curvature, Tangent};
use crate::plan::Cell;
use crate::record::{Observation, Outcome, Record};
use crate::study::{At, Observable};

/// Most parameters of a network whose Hessian is diagonalised whole: some seconds.
pub const EXACT: usize = 1500;

/// What is known about one replicate that was trained again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Its analysis, followed with looks at its start, its steps 1, 2, 5, 10, … and its end.
    #[serde(flatten)]
    pub replicate: Replicate,
    /// Its loss on the grid of steps.
    pub losses: Vec<Loss>,
    /// What it would have needed, done: trained on, or again, with the change.
    pub tried: Vec<Tried>,
    /// The slowest mode at the end; none where several modes are as slow, as those without kernel
    /// are.
    pub slowest: Option<Mode>,
    /// The whole Hessian at the end; none above [`EXACT`] parameters, or if it diverged.
    pub curvature: Option<Curvature>,
    /// Whether the replay ended in the recorded bits; none if the replicate is not in the record.
    pub same_bits: Option<bool>,
}

/// A change that was made, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tried {
    /// Whether from the start; otherwise from the last weights.
    pub from_start: bool,
    /// The rate.
    pub rate: f64,
    /// How many steps it was given.
    pub steps: u64,
    /// How that ended, counted from there.
    pub outcome: Outcome,
    /// The loss at the end.
    pub loss: f64,
}

/// The loss at a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loss {
    /// The step.
    pub step: u64,
    /// The loss.
    pub loss: f64,
    /// The loss that the network linearised at its start has there; none without a linear theory.
    pub predicted: Option<f64>,
}

/// An eigenvector of the kernel, as the data see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mode {
    /// λmin.
    pub eigenvalue: f64,
    /// Share of the start's residual, squared, in it.
    pub share_start: f64,
    /// Share of the end's residual, squared, in it.
    pub share_end: f64,
    /// The points with the largest weight, heaviest first.
    pub points: Vec<ModePoint>,
    /// The two heaviest points as a pair; none for a single point.
    pub pair: Option<ModePair>,
}

/// A training point in an eigenvector of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModePoint {
    /// Its index.
    pub point: usize,
    /// Its squared entry; all of them sum to 1.
    pub weight: f64,
    /// Its target.
    pub target: f64,
}

/// How near the two heaviest points of a mode are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModePair {
    /// Their distance.
    pub distance: f64,
    /// Its place among all pairs: 1 is the nearest.
    pub rank: usize,
}

/// Replays a replicate.
///
/// ```
/// use thalweg::{Control, Cpu, Inputs, Plan, Setting, Study, data, explain};
///
/// let few = data::Data { points: 4, dim: 3, ..data::Data::default() };
/// let study = Study::of(Setting { data: few, ..Setting::default() });
/// let plan = Plan::new(&study, &Inputs::default())?;
/// let told = explain(&plan.cells[0], &Cpu::detect(), 0, None, &Control::default())?;
/// println!("{}, {}", told.replicate.cause, told.replicate.outcome);
/// println!("slowest mode: λ = {}", told.slowest.expect("it has one").eigenvalue);
/// # assert_eq!(told.replicate.spectra.unwrap().end.len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::NoSuchReplicate`]; [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub fn explain(
    cell: &Cell,
    engine: &dyn Engine,
    replicate: u64,
    record: Option<&Record>,
    control: &Control<'_>,
) -> Result<Explanation, Error> {
    let replicates = cell.setting.replicates.at_most();
    if replicate >= replicates {
        return Err(Error::NoSuchReplicate {
            cell: cell.number,
            replicate,
            replicates,
        });
    }
    let problem = cell.problem();
    // Looks change no bit of the training.
    let mut followed = cell.clone();
    followed.setting.look.at = vec![At::Start, At::Log, At::End];
    followed.setting.look.replicates = replicate.saturating_add(1);
    let (job, trained) = replay(&followed, engine, replicate, control)?;
    let row = tested_row(cell, &problem, &trained);
    // Without what is kept on the way.
    let again = Job {
        snapshots: Vec::new(),
        keep_best: false,
        keep_losses: false,
        watch: Vec::new(),
        ..job.clone()
    };
    let trained_last = trained.last.clone();
    let set = Set {
        points: problem.points,
        x: job.x,
        y: job.y,
    };
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
    let course = observe::course(&problem, &cell.watch_steps(), &trained);
    let mut path = vec![first];
    path.extend(trained.snapshots);
    if !diverged && path.last().is_none_or(|p| p.step < trained.last.step) {
        path.push(trained.last.clone());
    }
    let mut looks = observe::look(&problem, &wanted, replicate, job.rate, &set, &path);
    if let Some(last) = looks.last_mut() {
        last.course = Some(course);
    }
    // Every path has its start.
    let (first, last) = (&looks[0], &looks[looks.len() - 1]);
    let reached = &problem.grid[..trained.losses.len()];
    let predicted = linear(cell, job.rate, first).map(|l| l.losses(reached));
    let losses = reached.iter().zip(&trained.losses).enumerate();
    let losses = losses.map(|(i, (step, loss))| Loss {
        step: *step,
        loss: *loss,
        predicted: predicted.as_ref().map(|p| p[i]),
    });
    let weights = path.pop().map(|p| p.weights).unwrap_or_default();
    let slowest = slowest(&problem, &weights, &set, last);
    let curvature = (!diverged && weights.len() <= EXACT).then(|| {
        let at = Tangent::new(&problem, &weights, &set.x);
        let r = observe::pull(&problem, &at.outputs, &set.y);
        observe::curvature(&problem, &weights, &at, &r)
    });
    let replicate_told = Replicate::without_curve(cell, &row, &looks);
    let tried = try_changes(
        engine,
        &problem,
        (&again, &trained_last),
        &replicate_told,
        control,
    )?;
    let recorded = record.and_then(|r| r.rows.iter().find(|r| r.replicate == replicate));
    Ok(Explanation {
        losses: losses.collect(),
        slowest,
        curvature,
        same_bits: recorded.map(|r| {
            r.outcome == row.outcome && r.final_loss.to_bits() == row.final_loss.to_bits()
        }),
        replicate: replicate_told,
        tried,
    })
}

/// Trains with what the cause says would have been otherwise: with the budget of the run, from its
/// last weights, or from its start if it diverged. Of plain gradient descent alone, whose weights
/// are all that it remembers.
fn try_changes(
    engine: &dyn Engine,
    problem: &Problem,
    (again, last): (&Job, &Snapshot),
    told: &Replicate,
    control: &Control<'_>,
) -> Result<Vec<Tried>, Error> {
    if !problem.is_plain_descent() {
        return Ok(Vec::new());
    }
    let changes: Vec<(bool, f64)> = match told.cause {
        Cause::Diverged {
            over_limit_start, ..
        } if over_limit_start > 1.0 => vec![(true, 0.5 * told.rate / over_limit_start)],
        Cause::AtTheEdge { over_limit, .. } => vec![(false, 0.5 * told.rate_end / over_limit)],
        Cause::TooSlow { .. } | Cause::Plateau { .. } => vec![(false, told.rate_end)],
        Cause::Reached
        | Cause::Catapulted { .. }
        | Cause::Left { .. }
        | Cause::Diverged { .. }
        | Cause::Fluctuating { .. }
        | Cause::RankDeficient { .. }
        | Cause::Dead { .. }
        | Cause::Saturated { .. }
        | Cause::Stationary { .. }
        | Cause::PrecisionFloor { .. }
        | Cause::Undecided => Vec::new(),
    };
    // From the end on the rate is constant.
    let constant = Problem {
        schedule: [].into(),
        ..problem.clone()
    };
    let one = |(from_start, rate): (bool, f64)| {
        let problem = if from_start { problem } else { &constant };
        let job = Job {
            weights: if from_start {
                &again.weights
            } else {
                &last.weights
            }
            .clone(),
            rate,
            ..again.clone()
        };
        let trained = train_one(engine, problem, job, control)?;
        Ok(Tried {
            from_start,
            rate,
            steps: problem.steps,
            outcome: trained.outcome,
            loss: trained.last.loss,
        })
    };
    changes.into_iter().map(one).collect()
}

fn slowest(problem: &Problem, weights: &[f64], set: &Set, last: &Observation) -> Option<Mode> {
    let (n, k) = (set.points, set.outputs());
    let kernel = observe::kernel(problem, &Tangent::new(problem, weights, &set.x));
    let e = eigen(&kernel, n * k);
    if !observe::has_slowest(&e) {
        return None;
    }
    let share = |c: &Option<Vec<f64>>| {
        c.as_ref().map_or(f64::NAN, |c| {
            c[0] * c[0] / c.iter().map(|c| c * c).sum::<f64>()
        })
    };
    let mut heavy: Vec<ModePoint> = (0..n)
        .map(|i| {
            let entries = &e.vectors[i * k..(i + 1) * k];
            let heaviest = (0..k).max_by(|a, b| entries[*a].abs().total_cmp(&entries[*b].abs()));
            ModePoint {
                point: i,
                weight: entries.iter().map(|v| v * v).sum(),
                target: set.y[i * k + heaviest.unwrap_or(0)],
            }
        })
        .collect();
    heavy.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let pair = (n > 1).then(|| {
        let (i, j) = (heavy[0].point, heavy[1].point);
        ModePair {
            distance: set.distance(i, j),
            rank: points::rank(set, i, j),
        }
    });
    heavy.truncate(4);
    Some(Mode {
        eigenvalue: e.values[0],
        share_start: share(&last.start_coefficients),
        share_end: share(&last.coefficients),
        points: heavy,
        pair,
    })
}

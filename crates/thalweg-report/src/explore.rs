//! What a reader can look into: each cell's curves, and the first replicates of each one by one.

use serde::Serialize;
use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::Member;
use thalweg::analysis::replicate::{LossCurve, Replicate};
use thalweg::analysis::summary::Summary;
use thalweg::stats::Interval;

use super::words::{goal, replicate, setting};

/// A cell as the page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellView {
    /// Its number.
    pub number: usize,
    /// Its number in the study, by which files and commands know it.
    pub listed: usize,
    /// What tells it from the base cell.
    pub label: String,
    /// The comparisons it is in.
    pub comparisons: Vec<String>,
    /// Its setting in a sentence.
    pub setting: String,
    /// The most steps.
    pub budget: u64,
    /// The loss to get below; none where success is judged by something else.
    pub loss_below: Option<f64>,
    /// How runs are that succeed.
    pub there: String,
    /// Replicates.
    pub replicates: u64,
    /// Successes.
    pub successes: u64,
    /// Interval of the probability of success.
    pub success: Interval,
    /// 50, 80 and 90 % quantiles of the hitting time; none beyond the budget.
    pub steps: [Option<u64>; 3],
    /// The median that the networks' initial kernels predict; none without a theory or if never.
    pub predicted_median: Option<f64>,
    /// Replicates by cause, most frequent first.
    pub causes: Vec<(String, u64)>,
    /// Steps of the quantiles.
    pub grid: Vec<u64>,
    /// 10, 50 and 90 % quantiles of the loss over all replicates; none where it is infinite.
    pub quantiles: [Vec<Option<f64>>; 3],
    /// The first replicates.
    pub shown: Vec<ReplicateView>,
}

/// A replicate as the page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicateView {
    /// Its number.
    pub replicate: u64,
    /// How it ended.
    pub outcome: String,
    /// Why it ended so, in a word.
    pub cause: String,
    /// The evidence, a sentence each.
    pub evidence: Vec<String>,
    /// Steps made.
    pub steps: u64,
    /// The rate.
    pub rate: f64,
    /// The loss at the end.
    pub final_loss: f64,
    /// The step that its initial kernel predicts; none if never, or without a theory.
    pub predicted_steps: Option<f64>,
    /// Its loss; none if it was not kept.
    pub curve: Option<CurveView>,
    /// Eigenvalues of the tangent kernel at the start and at the end, largest first.
    pub spectrum: Option<[Vec<f64>; 2]>,
    /// The two nearest inputs: their indices and their distance.
    pub nearest_pair: Option<(usize, usize, f64)>,
    /// The points that carry the slowest mode, with their weight in it; none if not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_points: Option<Vec<(usize, f64)>>,
}

/// A loss curve beside its prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveView {
    /// Steps.
    pub steps: Vec<u64>,
    /// The loss at each.
    pub losses: Vec<Option<f64>>,
    /// Steps of the prediction; empty without one.
    pub predicted_steps: Vec<u64>,
    /// The loss that the network linearised at its start has there.
    pub predicted: Vec<Option<f64>>,
}

/// Every cell of a run.
pub fn cells(run: &Analysis) -> Vec<CellView> {
    run.cells.iter().map(|s| view(run, s)).collect()
}

fn finite(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}

fn finite_all(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(finite).collect()
}

fn view(run: &Analysis, s: &Summary) -> CellView {
    let comparisons = run.comparisons.iter();
    // A reference that is no member of its own is not in the comparison.
    let own = |m: &Member| m.cell == s.cell && !m.values.is_empty();
    let comparisons = comparisons.filter(|c| c.members.iter().any(own));
    CellView {
        number: s.cell,
        listed: s.listed,
        label: setting::cell(run, s.cell),
        comparisons: comparisons.map(|c| c.name.clone()).collect(),
        setting: setting::setting(&s.setting),
        budget: s.budget(),
        loss_below: s.setting.success.by_loss(),
        there: goal::there(&s.setting.success),
        replicates: s.replicates,
        successes: s.successes,
        success: s.success,
        steps: [s.steps.median, s.steps.q80, s.steps.q90].map(|q| q.step),
        predicted_median: s.by_start().and_then(|f| finite(f.median)),
        causes: (s.causes.iter())
            .map(|c| (c.cause.name().to_string(), c.replicates))
            .collect(),
        grid: s.loss.steps.clone(),
        quantiles: [&s.loss.q10, &s.loss.median, &s.loss.q90].map(|q| finite_all(q)),
        shown: s.shown.iter().map(replicate_view).collect(),
    }
}

fn replicate_view(r: &Replicate) -> ReplicateView {
    let falling = |values: &[f64]| values.iter().rev().copied().collect();
    ReplicateView {
        replicate: r.replicate,
        outcome: replicate::outcome(r),
        cause: r.cause.kind().name().to_string(),
        evidence: replicate::sentences(r),
        steps: r.steps,
        rate: r.rate,
        final_loss: r.final_loss,
        predicted_steps: r.predicted.and_then(|steps| finite(steps.as_number())),
        curve: r.curve.as_ref().map(curve_view),
        spectrum: (r.spectra.as_ref()).map(|s| [falling(&s.start), falling(&s.end)]),
        nearest_pair: r.nearest_pair.map(|p| (p.first, p.second, p.distance)),
        slow_points: r.slow_points.clone(),
    }
}

fn curve_view(curve: &LossCurve) -> CurveView {
    CurveView {
        steps: curve.steps.clone(),
        losses: finite_all(&curve.losses),
        predicted_steps: curve.predicted_steps.clone(),
        predicted: finite_all(&curve.predicted),
    }
}

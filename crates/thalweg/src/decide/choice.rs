//! What was chosen from a space, and why, as data.

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use crate::analysis::cause::CauseCount;
use crate::plan::Cell;
use crate::stats::Interval;
use crate::study::{Cost, Setting, Success};

/// What was chosen under one condition, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The condition, as `key = value`; empty if there is but one.
    pub condition: String,
    /// The dotted keys that the condition sets.
    #[serde(default)]
    pub keys: Vec<String>,
    /// What was to be cheap.
    pub cost: Cost,
    /// What training was to reach, and on which share of the training sets.
    #[serde(flatten)]
    pub success: Success,
    /// Level of the race, and of the certificates together.
    pub level: f64,
    /// Seed of the race.
    pub seed: u64,
    /// All candidates, in the order in which theory let them start.
    pub candidates: Vec<Candidate>,
    /// Which of them was certified.
    pub winner: Option<usize>,
    /// The certification of survivors, in order; the last one is the winner's.
    pub attempts: Vec<Attempt>,
    /// Candidates that no other beats in both cost and success, cheapest first.
    pub front: Vec<usize>,
    /// Spearman's correlation of predicted and measured cost over the candidates with both.
    pub theory: Option<f64>,
    /// What it took.
    pub work: Work,
}

impl Choice {
    /// Whether it answers the question that `cell` asks: with its seed, loss and share.
    pub fn answers(&self, cell: &Cell) -> bool {
        self.seed == cell.setting.seed && self.success == cell.setting.success
    }
}

/// One setting of the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it is; `as written` for the study's own setting.
    pub label: String,
    /// The setting; none in a choice of an older version.
    #[serde(default)]
    pub setting: Option<Box<Setting>>,
    /// Content hash of its cell.
    pub cell: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Cost of a step.
    pub price: f64,
    /// Cost predicted by the initial tangent kernel, median over a few draws; infinite if never,
    /// none for rules without a theory.
    pub predicted: Option<f64>,
    /// Replicates it ran in the race.
    pub replicates: u64,
    /// Successes among them.
    pub successes: u64,
    /// Bounds of the success probability, each at 95 % although the number of replicates depended
    /// on the race.
    pub success: Interval,
    /// Median cost over training sets, failures at their whole budget.
    pub median_cost: f64,
    /// Replicate-steps it made in the race.
    pub steps: u64,
    /// Why those replicates failed that were looked at, most frequent first.
    pub causes: Vec<CauseCount>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Certified: the cheapest that could be.
    Chosen,
    /// It reaches the loss on too few training sets.
    TooSeldom,
    /// Another is cheaper on most training sets.
    Costlier {
        /// The other one.
        than: usize,
        /// Training sets on which this one was cheaper.
        cheaper_here: u64,
        /// Training sets on which the other one was.
        cheaper_there: u64,
        /// Median of this one's cost over the other's where both reach the loss, with its interval.
        ratio: Option<(f64, Interval)>,
    },
    /// Nothing told it apart from the winner within the race; its median cost is larger.
    NotToldApart,
    /// Whether it reaches the loss often enough was open at the end of the race.
    Open,
    /// It survived the race and was not certified.
    NotCertified,
}

/// An attempt to certify a survivor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which candidate.
    pub candidate: usize,
    /// The level: attempts share what may go wrong, a half, a quarter, …
    pub level: f64,
    /// What came of it, on draws of a fresh seed.
    pub certificate: Certificate,
}

/// Multiply-adds of training, and what trying everything would have taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Replicate-steps of the race.
    pub steps: u64,
    /// Multiply-adds of the race.
    pub race: f64,
    /// Multiply-adds of the certificates.
    pub certificates: f64,
    /// Multiply-adds of running every candidate on `race` replicates: its own mean so far, times
    /// them.
    pub full: f64,
    /// `full` over `race`.
    pub saved: f64,
}

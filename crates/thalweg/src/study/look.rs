//! What counts as success, what is measured closely, and what is kept of a cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Mistake, mistake, positive};
use super::descent::Loss;

pub use thalweg_engine::Criterion;

/// What counts as success; the `[success]` table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Success {
    /// ε: a replicate succeeds if its loss gets below, unless another criterion is given.
    pub loss_below: f64,
    /// Instead of the loss: every |f(x) − y| of the training set must get below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_below: Option<f64>,
    /// Instead of the loss: at least this share of the training points must be on the side of their
    /// target, for targets of −1 and 1 or of 0 and 1; 1 is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The share of replicates that must.
    pub share: f64,
}

impl Default for Success {
    fn default() -> Self {
        Success {
            loss_below: 1e-8,
            error_below: None,
            accuracy: None,
            share: 0.8,
        }
    }
}

/// What is measured closely; the `[look]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Look {
    /// The steps at which the first replicates are looked at.
    pub at: Vec<At>,
    /// What is measured there.
    pub observables: Vec<Observable>,
    /// How many replicates of each cell are looked at.
    pub replicates: u64,
    /// How many of them, the first ones, are followed: looked at at log-spaced steps too.
    #[serde(skip_serializing_if = "nobody")]
    pub follow: u64,
}

/// Whether no replicate is followed.
fn nobody(follow: &u64) -> bool {
    *follow == 0
}

impl Default for Look {
    fn default() -> Self {
        use Observable::*;
        Look {
            at: vec![At::Start, At::End],
            observables: vec![Ntk, Hessian, WeightsMoved, DeadUnits, GradientNorm],
            replicates: 100,
            follow: 0,
        }
    }
}

/// A step, or several, to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// Step 0.
    Start,
    /// Where the replicate ended.
    End,
    /// 1, 2, 5, 10, 20, 50, …
    Log,
    /// Every so many steps.
    Every(u64),
}

/// A measurement on the weights at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observable {
    /// Spectrum of the empirical tangent kernel Θ = J Jᵀ, its distance to that of the start, and
    /// the residual in its eigenbasis.
    Ntk,
    /// Sharpness: λmax of the Hessian of the loss.
    Hessian,
    /// ‖W − W₀‖/‖W₀‖ of each weight layer.
    WeightsMoved,
    /// Hidden units whose φ' is 0 on every training point.
    DeadUnits,
    /// ‖∇L‖.
    GradientNorm,
}

/// What is kept of the first replicates of each cell; the `[keep]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// How many replicates.
    pub replicates: u64,
    /// Which losses of theirs.
    pub losses: Losses,
    /// Which weights of theirs, as safetensors.
    pub weights: Weights,
}

impl Default for Keep {
    fn default() -> Self {
        Keep {
            replicates: 3,
            losses: Losses::Log,
            weights: Weights::Best,
        }
    }
}

/// Which losses of a kept replicate are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Losses {
    /// About twenty in every decade of steps.
    Log,
    /// All.
    All,
}

/// Which weights of a kept replicate are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// Those with the smallest loss.
    Best,
    /// The last ones.
    Final,
    /// None.
    None,
}

impl Success {
    /// ε, where success is judged by the loss.
    pub fn by_loss(&self) -> Option<f64> {
        let other = self.error_below.is_some() || self.accuracy.is_some();
        (!other).then_some(self.loss_below)
    }

    /// Weights that succeed have no loss above this, in a squared loss s Σ r² of so many targets;
    /// infinite where success says nothing of the loss.
    pub fn loss_at_most(&self, loss: Loss, targets: usize) -> f64 {
        match (self.error_below, self.accuracy) {
            (None, None) => self.loss_below,
            (Some(error), _) => loss.factor(targets) * targets as f64 * error * error,
            (None, Some(_)) => f64::INFINITY,
        }
    }

    /// As engines take it; `boundary` lies between the classes of the targets.
    pub fn criterion(&self, boundary: f64) -> Criterion {
        match (self.error_below, self.accuracy) {
            (None, None) => Criterion::Loss {
                below: self.loss_below,
            },
            (Some(below), _) => Criterion::Error { below },
            (None, Some(least)) => Criterion::Accuracy { least, boundary },
        }
    }

    /// Everything that types cannot say.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check(&self) -> Result<(), Mistake> {
        if !positive(self.loss_below) {
            let message = format!("{} must be positive", self.loss_below);
            return mistake("success.loss_below", message, "");
        }
        if let (Some(_), Some(_)) = (self.error_below, self.accuracy) {
            return mistake(
                "success.accuracy",
                "`error_below` and `accuracy` are two criteria of success".into(),
                "keep one of them",
            );
        }
        if let Some(error) = self.error_below
            && !positive(error)
        {
            let message = format!("{error} must be positive and finite");
            return mistake("success.error_below", message, "0.05 is customary");
        }
        if let Some(accuracy) = self.accuracy
            && !(accuracy > 0.0 && accuracy <= 1.0)
        {
            return mistake(
                "success.accuracy",
                format!("the accuracy {accuracy} is not above 0 and at most 1"),
                "1.0 asks for all training points, 0.9 for nine in ten",
            );
        }
        // Nearer to 0 or 1 no number of replicates decides.
        const LEAST: f64 = 1e-6;
        if !(self.share >= LEAST && self.share <= 1.0 - LEAST) {
            return mistake(
                "success.share",
                format!(
                    "the share {} is not between 0 and 1, by 1e-6 at least",
                    self.share
                ),
                "0.8 is four in five",
            );
        }
        Ok(())
    }
}

impl Look {
    /// Everything that types cannot say.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check(&self) -> Result<(), Mistake> {
        if self.at.contains(&At::Every(0)) {
            return mistake("look.at", "every 0 steps is never".into(), "");
        }
        Ok(())
    }
}

impl Observable {
    /// All of them.
    pub const ALL: [Observable; 5] = [
        Observable::Ntk,
        Observable::Hessian,
        Observable::WeightsMoved,
        Observable::DeadUnits,
        Observable::GradientNorm,
    ];
}

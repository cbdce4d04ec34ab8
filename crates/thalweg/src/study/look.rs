//! What counts as success, what is measured closely, and what is kept of a cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Mistake, mistake, positive};

/// What counts as success; the `[success]` table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Success {
    /// ε: a replicate succeeds if its loss gets below.
    pub loss_below: f64,
    /// The share of replicates that must.
    pub share: f64,
}

impl Default for Success {
    fn default() -> Self {
        Success {
            loss_below: 1e-8,
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
        if !(self.share > 0.0 && self.share < 1.0) {
            return mistake(
                "success.share",
                format!("the share {} is not between 0 and 1", self.share),
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

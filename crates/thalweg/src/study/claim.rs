//! What others found: published numbers that a study is held against.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{DEEPEST, Mistake, mistake};

/// A published number; a `[[claim]]` table. Of one cell (`at`, the base cell without), or of a
/// comparison (`along`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What was measured.
    pub what: Quantity,
    /// The cell: what differs from the base cell, dotted keys and their values.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub at: toml::Table,
    /// The name of a comparison along numbers: the claim is then about the slope of the logarithm
    /// of the quantity against the logarithm of the number or, for `success`, about the number
    /// where it crosses `success.share`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub along: Option<String>,
    /// The published value.
    pub value: f64,
    /// From where to where our value may lie for the claim to hold.
    pub between: [f64; 2],
    /// Who found it, and how.
    pub source: String,
}

/// What can be claimed of a cell: a share, or a number for each replicate of which the median
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// The share of replicates that get below the loss.
    Success,
    /// The first step below the loss; infinite where it is not reached.
    Steps,
    /// The step at which the network linearised at its start gets below the loss.
    PredictedSteps,
    /// The first over the second, where both are finite.
    StepsOverPredicted,
    /// The loss at step 0.
    InitialLoss,
    /// The loss at the end.
    FinalLoss,
    /// η · sharpness over 2 (2 (1 + β) with momentum) at the end: 1 is the edge of stability.
    Edge,
    /// ‖Θ − Θ₀‖/‖Θ₀‖ at the end.
    KernelMoved,
    /// ‖W − W₀‖/‖W₀‖ at the end, of the weight layer of this number, from 1.
    WeightsMoved(usize),
    /// λmin of Θ at the end over that at the start.
    SmallestEigenvalueGrowth,
    /// λmax of Θ at the end over that at the start.
    LargestEigenvalueGrowth,
    /// After how many steps the loss repeats itself at the end; infinite if it does not within 64.
    /// Of replicates whose losses are all kept.
    Period,
    /// The largest distance of the product of a chain's weights from that of gradient flow
    /// ([`crate::theory::chain`]). Of replicates whose losses are all kept.
    FlowDistance,
    /// The Lyapunov exponent of a chain of two weights, over the last half of its looks.
    Lyapunov,
}

impl Quantity {
    /// In words.
    pub fn name(self) -> String {
        match self {
            Quantity::Success => "success".into(),
            Quantity::Steps => "median steps to the loss".into(),
            Quantity::PredictedSteps => "median steps predicted by the initial kernel".into(),
            Quantity::StepsOverPredicted => {
                "steps over those predicted by the initial kernel".into()
            }
            Quantity::InitialLoss => "initial loss".into(),
            Quantity::FinalLoss => "final loss".into(),
            Quantity::Edge => "η·sharpness/2 at the end".into(),
            Quantity::KernelMoved => "relative motion of the kernel".into(),
            Quantity::WeightsMoved(layer) => format!("relative motion of W{layer}"),
            Quantity::SmallestEigenvalueGrowth => "λmin(Θ), end over start".into(),
            Quantity::LargestEigenvalueGrowth => "λmax(Θ), end over start".into(),
            Quantity::Period => "period of the loss".into(),
            Quantity::FlowDistance => "largest distance from gradient flow".into(),
            Quantity::Lyapunov => "Lyapunov exponent".into(),
        }
    }
}

impl Claim {
    /// Everything that types cannot say of the claim of this index.
    pub(super) fn check(&self, index: usize) -> Result<(), Mistake> {
        let here = |key: &str, message: String, hint: &str| {
            mistake(&format!("claim.{index}.{key}"), message, hint)
        };
        let [low, high] = self.between;
        if !(low <= high) {
            return here(
                "between",
                format!("{low} to {high} is no range"),
                "the smaller number first",
            );
        }
        if !(low <= self.value && self.value <= high) {
            return here(
                "value",
                format!("the value {} is not between {low} and {high}", self.value),
                "`between` says which values of ours count as the same as `value`",
            );
        }
        if self.along.is_some() && !self.at.is_empty() {
            return here(
                "at",
                "a claim is of one cell (`at`) or of a comparison (`along`)".into(),
                "leave one of them out",
            );
        }
        if let Some(key) = self.at.keys().find(|key| !key.contains('.')) {
            return here(
                "at",
                format!("`{key}` is no dotted key"),
                "for instance `at = { \"data.dim\" = 5 }`, with quotes",
            );
        }
        if let Some(key) = self.at.keys().find(|key| key.split('.').count() > DEEPEST) {
            let short: String = key.chars().take(40).collect();
            return here(
                "at",
                format!("`{short}…` has more than {DEEPEST} parts"),
                "for instance `at = { \"data.dim\" = 5 }`",
            );
        }
        if self.what == Quantity::WeightsMoved(0) {
            return here("what", "weight layers count from 1".into(), "");
        }
        Ok(())
    }
}

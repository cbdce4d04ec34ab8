//! The words of a training rule that engines share with studies: update rule, loss, number format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The update rule, as PyTorch's optimiser of the same name; g is the gradient, η the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// θ ← θ − η g: full-batch gradient descent.
    Gd,
    /// v ← β v + g (v = g at first), θ ← θ − η v.
    Momentum {
        /// β.
        #[serde(default = "default_beta")]
        beta: f64,
    },
    /// v ← β v + g, θ ← θ − η (g + β v).
    Nesterov {
        /// β.
        #[serde(default = "default_beta")]
        beta: f64,
    },
    /// Adam (Kingma & Ba 2015): m, v exponential means of g and g², bias-corrected,
    /// θ ← θ − η m̂/(√v̂ + ε).
    Adam {
        /// β₁ and β₂.
        #[serde(default = "default_betas")]
        betas: [f64; 2],
        /// ε.
        #[serde(default = "default_eps")]
        eps: f64,
    },
    /// θ ← θ − η g on mini-batches: every epoch is a new permutation cut into batches. The recorded
    /// loss is that of the whole training set.
    Sgd {
        /// Points in a batch.
        batch: usize,
    },
}

fn default_beta() -> f64 {
    0.9
}

fn default_betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn default_eps() -> f64 {
    1e-8
}

/// The loss L = s Σ r², r = f(x) − y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// s = 1: PyTorch's `MSELoss(reduction='sum')`.
    Sum,
    /// s = 1/N: PyTorch's `MSELoss()`.
    Mean,
    /// s = 1/2.
    HalfSum,
    /// s = 1/(2N).
    HalfMean,
}

impl Loss {
    /// s, for N points.
    pub fn factor(self, points: usize) -> f64 {
        let n = points as f64;
        match self {
            Loss::Sum => 1.0,
            Loss::Mean => 1.0 / n,
            Loss::HalfSum => 0.5,
            Loss::HalfMean => 0.5 / n,
        }
    }

    /// Whether it averages over the points (of a batch).
    pub fn averages(self) -> bool {
        match self {
            Loss::Mean | Loss::HalfMean => true,
            Loss::Sum | Loss::HalfSum => false,
        }
    }
}

/// Number format of the training arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single.
    F32,
    /// Double.
    F64,
}

impl Precision {
    /// The name in study files.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        }
    }
}

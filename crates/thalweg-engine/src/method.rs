//! The words of a training rule that engines share with studies: update rule, loss, number format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Activation;

/// The update rule, as PyTorch's optimiser of the same name; g is the gradient, η the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// θ ← θ − η g: gradient descent; `"sgd"` is another spelling of it.
    #[serde(alias = "sgd")]
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
    /// Adam with the weight decay λ decoupled from the gradient (Loshchilov & Hutter 2019,
    /// arXiv:1711.05101): θ ← θ (1 − η λ) before Adam's step. Without weight decay it is Adam;
    /// PyTorch's default is 0.01 there.
    #[serde(rename = "adamw")]
    AdamW {
        /// β₁ and β₂.
        #[serde(default = "default_betas")]
        betas: [f64; 2],
        /// ε.
        #[serde(default = "default_eps")]
        eps: f64,
    },
}

impl Method {
    /// One of every kind, with PyTorch's customary constants.
    pub const ALL: [Method; 5] = [
        Method::Gd,
        Method::Momentum { beta: 0.9 },
        Method::Nesterov { beta: 0.9 },
        Method::Adam {
            betas: [0.9, 0.999],
            eps: 1e-8,
        },
        Method::AdamW {
            betas: [0.9, 0.999],
            eps: 1e-8,
        },
    ];
}

/// What the gradient of a step is clipped to, before anything is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Times min(1, c/(‖g‖ + 1e-6)), ‖g‖ over all trainable numbers: PyTorch's `clip_grad_norm_`
    /// (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063).
    Norm(f64),
    /// Every entry between −c and c: PyTorch's `clip_grad_value_`.
    Value(f64),
}

impl Clip {
    /// One of every kind.
    pub const ALL: [Clip; 2] = [Clip::Norm(1.0), Clip::Value(0.5)];

    /// c.
    pub fn bound(self) -> f64 {
        match self {
            Clip::Norm(bound) | Clip::Value(bound) => bound,
        }
    }
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

/// Mini-batches: every epoch is a new permutation of the points, cut into batches in its order.
/// A step's gradient is that of the loss of its batch, over the points of which the losses that
/// average do so; the recorded loss is that of the whole training set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Points in a batch.
    pub size: usize,
    /// Whether the last batch of an epoch is left out if it is smaller; else it is used as it is.
    pub drop_last: bool,
}

impl Batch {
    /// Batches in an epoch over so many points.
    pub fn per_epoch(self, points: usize) -> u64 {
        let batches = if self.drop_last {
            points / self.size
        } else {
            points.div_ceil(self.size)
        };
        batches as u64
    }

    /// The places in its epoch's permutation that the batch of a step has.
    pub(crate) fn places(self, step: u64, points: usize) -> std::ops::Range<usize> {
        let from = (step % self.per_epoch(points)) as usize * self.size;
        from..(from + self.size).min(points)
    }
}

/// A change of the rate: from this step on it is `factor` times what it was at the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Milestone {
    /// The first step that is made at the new rate; the first of all steps is step 0.
    pub step: u64,
    /// The rate over that of the start.
    pub factor: f64,
}

/// The loss, over all points and all outputs: L = s Σ r² with r = f(x) − y, or of classes
/// L = s Σ ln(1 + e^{−yf(x)}) with y = ±1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Σ r²: PyTorch's `MSELoss(reduction='sum')`.
    Sum,
    /// Σ r² over the number of targets, N times the outputs: PyTorch's `MSELoss()`.
    Mean,
    /// ½ Σ r².
    HalfSum,
    /// ½ Σ r² over the number of targets.
    HalfMean,
    /// Σ ln(1 + e^{−yf}) for targets ±1; targets 0 and 1 stand for −1 and 1. PyTorch's
    /// `SoftMarginLoss(reduction='sum')`, and for 0 and 1 `BCEWithLogitsLoss(reduction='sum')`.
    Logistic,
    /// The same over the number of targets: PyTorch's `BCEWithLogitsLoss()`.
    MeanLogistic,
}

/// The sign of a class, ±1, for targets of −1 and 1 or of 0 and 1.
pub fn class_sign(y: f64) -> f64 {
    if y > 0.5 { 1.0 } else { -1.0 }
}

impl Loss {
    /// Every one of them.
    pub const ALL: [Loss; 6] = [
        Loss::Sum,
        Loss::Mean,
        Loss::HalfSum,
        Loss::HalfMean,
        Loss::Logistic,
        Loss::MeanLogistic,
    ];

    /// The name in study files.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Sum => "sum",
            Loss::Mean => "mean",
            Loss::HalfSum => "half_sum",
            Loss::HalfMean => "half_mean",
            Loss::Logistic => "logistic",
            Loss::MeanLogistic => "mean_logistic",
        }
    }

    /// s, for so many targets: N times the number of outputs.
    pub fn factor(self, targets: usize) -> f64 {
        let n = targets as f64;
        match self {
            Loss::Sum | Loss::Logistic => 1.0,
            Loss::Mean | Loss::MeanLogistic => 1.0 / n,
            Loss::HalfSum => 0.5,
            Loss::HalfMean => 0.5 / n,
        }
    }

    /// A target as the arithmetic wants it: of two classes the sign.
    pub fn target(self, y: f64) -> f64 {
        if self.is_squared() { y } else { class_sign(y) }
    }

    /// Whether it averages over the points (of a batch).
    pub fn averages(self) -> bool {
        match self {
            Loss::Mean | Loss::HalfMean | Loss::MeanLogistic => true,
            Loss::Sum | Loss::HalfSum | Loss::Logistic => false,
        }
    }

    /// Whether it is a sum of squared residuals.
    pub fn is_squared(self) -> bool {
        match self {
            Loss::Sum | Loss::Mean | Loss::HalfSum | Loss::HalfMean => true,
            Loss::Logistic | Loss::MeanLogistic => false,
        }
    }
}

/// What the output layer makes of its sums z: f = h(z).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// f = z.
    #[default]
    Identity,
    /// f = 1/(1 + e^{−z}).
    Sigmoid,
    /// f = tanh z.
    Tanh,
}

impl Output {
    /// Every one of them.
    pub const ALL: [Output; 3] = [Output::Identity, Output::Sigmoid, Output::Tanh];

    /// The name in study files.
    pub fn name(self) -> &'static str {
        self.activation().name()
    }

    /// h, as the function that hidden layers know.
    pub fn activation(self) -> Activation {
        match self {
            Output::Identity => Activation::Identity,
            Output::Sigmoid => Activation::Sigmoid,
            Output::Tanh => Activation::Tanh,
        }
    }
}

/// When a replicate has succeeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// The loss is below.
    Loss {
        /// ε.
        below: f64,
    },
    /// Every |f − y| is below.
    Error {
        /// The error.
        below: f64,
    },
    /// At least this share of the points has every output on the side of its target.
    Accuracy {
        /// The share, in (0, 1].
        least: f64,
        /// Between the two sides, of outputs and targets.
        boundary: f64,
    },
}

impl Criterion {
    /// What it is judged by is below this: the loss, the largest error, or the number of points
    /// of `points` that are wrong.
    pub fn below(self, points: usize) -> f64 {
        match self {
            Criterion::Loss { below } | Criterion::Error { below } => below,
            // A share such as 0.9 of ten points allows one that is wrong, whatever its last bit.
            Criterion::Accuracy { least, .. } => {
                let wrong = (1.0 - least) * points as f64;
                libm::floor(wrong + 1e-9) + 0.5
            }
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
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Precision::F32 => size_of::<f32>(),
            Precision::F64 => size_of::<f64>(),
        }
    }

    /// Every one of them.
    pub const ALL: [Precision; 2] = [Precision::F32, Precision::F64];

    /// The name in study files.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that a study may use for a choice, by its schema.
    fn words<T: JsonSchema>() -> usize {
        let schema = schemars::schema_for!(T);
        let choices = schema.get("oneOf").or(schema.get("enum"));
        let count = |choice: &serde_json::Value| {
            let several = choice.get("enum").and_then(|e| e.as_array());
            several.map_or(1, Vec::len)
        };
        let choices = choices.and_then(|c| c.as_array()).expect("it is a choice");
        choices.iter().map(count).sum()
    }

    #[test]
    fn all_is_all() {
        assert_eq!(Activation::ALL.len(), words::<Activation>());
        assert_eq!(Method::ALL.len(), words::<Method>());
        assert_eq!(Clip::ALL.len(), words::<Clip>());
        assert_eq!(Loss::ALL.len(), words::<Loss>());
        assert_eq!(Precision::ALL.len(), words::<Precision>());
        assert_eq!(Output::ALL.len(), words::<Output>());
        for (i, a) in Activation::ALL.iter().enumerate() {
            assert!(Activation::ALL[..i].iter().all(|b| a != b), "{a:?}");
        }
        for loss in Loss::ALL {
            let word = serde_json::to_value(loss).expect("a word");
            assert_eq!(word, loss.name());
        }
    }
}

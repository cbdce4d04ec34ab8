//! How weights move: the update rule, the loss, the rate, when to stop.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

/// The training rule; the `[descent]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Descent {
    /// The update rule.
    pub method: Method,
    /// What is minimised.
    pub loss: Loss,
    /// η, absolute or relative to the largest stable rate.
    pub rate: Rate,
    /// Optional factors on the rate of each weight layer, one for each hidden layer and the output.
    pub layer_rates: Option<Vec<f64>>,
    /// The budget: steps after which a replicate is `spent`.
    pub steps: u64,
    /// The number format that weights, activations and losses are computed in.
    pub precision: Precision,
    /// When a replicate ends.
    pub stop: Stop,
}

impl Default for Descent {
    fn default() -> Self {
        Descent {
            method: Method::Gd,
            loss: Loss::Sum,
            rate: Rate::Absolute(0.01),
            layer_rates: None,
            steps: 100_000,
            precision: Precision::F32,
            stop: Stop::Below,
        }
    }
}

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

/// The learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// η itself.
    Absolute(f64),
    /// η as a multiple of 1/(s λmax(Θ)), the largest stable rate of gradient descent on the
    /// linearised network, from each replicate's own initial kernel Θ = J Jᵀ.
    OfLimit(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfLimit {
    of_limit: f64,
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Rate::Absolute(rate) => serializer.serialize_f64(rate),
            Rate::OfLimit(of_limit) => OfLimit { of_limit }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Rate;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or { of_limit = number }")
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Rate, E> {
                Ok(Rate::Absolute(v))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Rate, E> {
                Ok(Rate::Absolute(v as f64))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Rate, E> {
                Ok(Rate::Absolute(v as f64))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Rate, A::Error> {
                let limit = OfLimit::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Rate::OfLimit(limit.of_limit))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "η: a number, or { of_limit = c } for c times the largest stable rate \
                            of each replicate's own initial kernel.",
            "oneOf": [
                { "type": "number", "exclusiveMinimum": 0 },
                {
                    "type": "object",
                    "properties": { "of_limit": { "type": "number", "exclusiveMinimum": 0 } },
                    "required": ["of_limit"],
                    "additionalProperties": false
                }
            ]
        })
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

/// When a replicate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// At the first step whose loss is below `success.loss_below`.
    Below,
    /// After all steps; the final loss decides. The record also has the first step below.
    Never,
}

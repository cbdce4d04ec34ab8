//! How weights move: the update rule, the loss, the rate, when to stop.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

use super::check::{Mistake, mistake, positive};

pub use thalweg_engine::{Batch, Clip, Loss, Method, Milestone, Precision};

/// The training rule; the `[descent]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Descent {
    /// The update rule.
    #[serde(deserialize_with = "method")]
    pub method: Method,
    /// Points in a mini-batch, with any update rule: every epoch is a new permutation of the
    /// training set cut into batches. All points if absent. The recorded loss is that of the whole
    /// training set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Whether the last, smaller batch of an epoch is left out, as by PyTorch's
    /// `DataLoader(drop_last=True)`; else it is used, and a loss that averages does so over it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_last: bool,
    /// λ: λ θ is added to the gradient, as by `weight_decay` of PyTorch's optimisers; `adamw`
    /// shrinks θ by η λ instead. θ are the trainable numbers, biases among them. The recorded loss
    /// is that of the data alone.
    #[serde(skip_serializing_if = "is_nothing")]
    pub weight_decay: f64,
    /// What the gradient is clipped to, before weight decay is added; not at all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// What is minimised.
    pub loss: Loss,
    /// η, absolute or relative to the largest stable rate.
    pub rate: Rate,
    /// How η changes while a replicate trains.
    #[serde(skip_serializing_if = "Schedule::is_constant")]
    pub schedule: Schedule,
    /// Optional factors on the rate of each weight layer, one for each hidden layer and the output.
    pub layer_rates: Option<Vec<f64>>,
    /// The budget: steps after which a replicate is `spent`.
    pub steps: u64,
    /// The budget in passes over the training set, instead of `steps`: so many times the batches of
    /// an epoch. Without `batch` an epoch is a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// The number format that weights, activations and losses are computed in.
    pub precision: Precision,
    /// When a replicate ends.
    pub stop: Stop,
}

impl Default for Descent {
    fn default() -> Self {
        Descent {
            method: Method::Gd,
            batch: None,
            drop_last: false,
            weight_decay: 0.0,
            clip: None,
            loss: Loss::Sum,
            rate: Rate::Absolute(0.01),
            schedule: Schedule::Constant,
            layer_rates: None,
            steps: 100_000,
            epochs: None,
            precision: Precision::F32,
            stop: Stop::Below,
        }
    }
}

/// Whether a number is 0: then it is left out where a setting is written.
fn is_nothing(number: &f64) -> bool {
    number.abs() <= 0.0
}

/// The learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// η itself.
    Absolute(f64),
    /// η as a multiple of the largest rate at which the study's own rule is stable on the
    /// linearised network, from each replicate's own initial kernel Θ = J Jᵀ: 1/(s λmax(Θ)) for
    /// `gd`, (1 + β) times that for `momentum`, (1 + β)/(1 + 2 β) times that for `nesterov`
    /// ([`Rule::largest_stable_rate`](crate::theory::linear::Rule::largest_stable_rate)). Refused
    /// for `adam` and `adamw`, on mini-batches, with weight decay and with clipping, which have no
    /// such rate.
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
                let limit = OfLimit::deserialize(MapAccessDeserializer::new(map))?;
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
            "description": "η: a number, or { of_limit = c } for c times the largest rate at \
                            which the method is stable on each replicate's own initial kernel \
                            (gd, momentum, nesterov).",
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

/// How the rate changes while a replicate trains, as PyTorch's scheduler of the same kind, stepped
/// after every update: the first update is step 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Times `gamma` from each of these steps on: `MultiStepLR`.
    MultiStep {
        /// The first step at each new rate, increasing.
        milestones: Vec<u64>,
        /// The factor of each change.
        gamma: f64,
    },
    /// Times `gamma` after every so many steps: `StepLR`; after every single one, `ExponentialLR`.
    Step {
        /// Steps at one rate.
        every: u64,
        /// The factor of each change.
        gamma: f64,
    },
}

/// The most changes of the rate that a schedule may make within the budget.
const MOST_CHANGES: u64 = 100_000;

impl Schedule {
    /// One of every kind.
    pub const ALL: [Schedule; 3] = [
        Schedule::Constant,
        Schedule::MultiStep {
            milestones: Vec::new(),
            gamma: 0.1,
        },
        Schedule::Step {
            every: 1000,
            gamma: 0.5,
        },
    ];

    /// Whether it changes nothing: then it is left out where a setting is written.
    fn is_constant(&self) -> bool {
        *self == Schedule::Constant
    }

    /// The changes of the rate before step `steps`, in order.
    pub fn milestones(&self, steps: u64) -> Vec<Milestone> {
        let changes = |at: &mut dyn Iterator<Item = u64>, gamma: f64| {
            let mut factor = 1.0;
            at.take_while(|step| *step < steps)
                .map(|step| {
                    factor *= gamma;
                    Milestone { step, factor }
                })
                .collect()
        };
        match self {
            Schedule::Constant => Vec::new(),
            Schedule::MultiStep { milestones, gamma } => {
                changes(&mut milestones.iter().copied(), *gamma)
            }
            Schedule::Step { every, gamma } => {
                changes(&mut (1..).map_while(|i: u64| i.checked_mul(*every)), *gamma)
            }
        }
    }

    /// The rate at a step over that of the start.
    pub fn factor_at(&self, step: u64) -> f64 {
        let changes = self.milestones(step.saturating_add(1));
        changes.last().map_or(1.0, |change| change.factor)
    }

    fn check(&self, steps: u64) -> Result<(), Mistake> {
        let path = "descent.schedule";
        let (gamma, changes) = match self {
            Schedule::Constant => return Ok(()),
            Schedule::MultiStep { milestones, gamma } => {
                if milestones.first().is_none_or(|first| *first == 0)
                    || !milestones.is_sorted_by(|a, b| a < b)
                {
                    return mistake(
                        path,
                        format!("the milestones {milestones:?} are not increasing steps from 1 on"),
                        "`{ multi_step = { milestones = [5000, 10000], gamma = 0.5 } }`; \
                         without milestones it is `\"constant\"`",
                    );
                }
                (*gamma, milestones.len() as u64)
            }
            Schedule::Step { every: 0, .. } => {
                let message = "the rate cannot change after every 0 steps".into();
                return mistake(path, message, "`{ step = { every = 1000, gamma = 0.5 } }`");
            }
            Schedule::Step { every, gamma } => (*gamma, steps.saturating_sub(1) / every),
        };
        if !positive(gamma) {
            return mistake(
                path,
                format!("the factor gamma = {gamma} must be positive and finite"),
                "0.5 halves the rate at each change",
            );
        }
        if changes > MOST_CHANGES {
            return mistake(
                path,
                format!("the rate would change {changes} times, more than {MOST_CHANGES}"),
                "change it after more steps at a time, by a gamma to that power",
            );
        }
        Ok(())
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

impl Descent {
    /// Everything that types cannot say of a network with so many weight layers.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check(&self, layers: usize) -> Result<(), Mistake> {
        let (Rate::Absolute(rate) | Rate::OfLimit(rate)) = self.rate;
        if !positive(rate) {
            return mistake(
                "descent.rate",
                format!("the rate {rate} must be positive and finite"),
                "`0.01`, or `{ of_limit = 0.5 }` for half the largest stable rate",
            );
        }
        if let Some(rates) = &self.layer_rates {
            if rates.len() != layers {
                return mistake(
                    "descent.layer_rates",
                    format!("{} factors for {layers} weight layers", rates.len()),
                    "one number for each hidden layer and one for the output",
                );
            }
            if rates.iter().any(|r| !(*r >= 0.0 && r.is_finite())) {
                let message = "a factor must be finite and not negative".into();
                return mistake("descent.layer_rates", message, "");
            }
        }
        match self.batch {
            Some(0) => {
                let message = "a batch of 0 points".into();
                return mistake("descent.batch", message, "between 1 and data.points");
            }
            None if self.drop_last => {
                return mistake(
                    "descent.drop_last",
                    "there are no batches of which the last could be left out".into(),
                    "`batch = 5` beside it",
                );
            }
            Some(_) | None => {}
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return mistake(
                "descent.weight_decay",
                format!(
                    "the weight decay {} is negative or not finite",
                    self.weight_decay
                ),
                "`0.01`; without any leave it out",
            );
        }
        if let Some(clip) = self.clip.filter(|clip| !positive(clip.bound())) {
            return mistake(
                "descent.clip",
                format!(
                    "a gradient clipped to {}, which is not positive and finite",
                    clip.bound()
                ),
                "`{ norm = 1.0 }` or `{ value = 0.5 }`; without any leave it out",
            );
        }
        check_method(self.method)?;
        if !self.loss.is_squared() && matches!(self.rate, Rate::OfLimit(_)) {
            return mistake(
                "descent.rate",
                format!(
                    "`of_limit` is a share of the largest stable rate of a squared loss, and \
                     `{}` is none",
                    self.loss.name()
                ),
                "a rate of its own, as `rate = 0.1`",
            );
        }
        self.check_limit()
    }

    /// What depends on the number of training points.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub(super) fn check_size(&self, points: usize) -> Result<(), Mistake> {
        if let Some(batch) = self.batch.filter(|batch| *batch > points) {
            return mistake(
                "descent.batch",
                format!("a batch of {batch} from {points} points"),
                "between 1 and data.points",
            );
        }
        let steps = self.steps_on(points);
        if steps > 1_000_000_000_000 {
            let (key, message) = match self.epochs {
                Some(epochs) => (
                    "descent.epochs",
                    format!("{epochs} epochs are more than 1e12 steps"),
                ),
                None => ("descent.steps", format!("{steps} steps are more than 1e12")),
            };
            return mistake(key, message, "");
        }
        self.schedule.check(steps)
    }

    /// The mini-batches, if there are any.
    pub fn batches(&self) -> Option<Batch> {
        let drop_last = self.drop_last;
        self.batch.map(|size| Batch { size, drop_last })
    }

    /// The budget in steps on so many points.
    pub fn steps_on(&self, points: usize) -> u64 {
        let per_epoch = self.batches().map_or(1, |batch| batch.per_epoch(points));
        match self.epochs {
            Some(epochs) => epochs.saturating_mul(per_epoch),
            None => self.steps,
        }
    }

    /// Whether a rate that is a share of the largest stable one belongs to a rule that has one.
    fn check_limit(&self) -> Result<(), Mistake> {
        let Rate::OfLimit(_) = self.rate else {
            return Ok(());
        };
        let without = |what: &str, write: &str| {
            mistake(
                "descent.rate",
                format!(
                    "`of_limit` is a share of the method's largest stable rate, and {what} has none"
                ),
                write,
            )
        };
        if self.batch.is_some() {
            let write = "a rate of its own, as `rate = 0.01`; without `batch` there is a limit";
            return without("descent on mini-batches", write);
        }
        if self.weight_decay > 0.0 {
            let write =
                "a rate of its own, as `rate = 0.01`; without `weight_decay` there is a limit";
            return without("descent with weight decay", write);
        }
        if self.clip.is_some() {
            let write = "a rate of its own, as `rate = 0.01`; without `clip` there is a limit";
            return without("descent along a clipped gradient", write);
        }
        match self.method {
            Method::Adam { .. } => {
                without("`adam`", "a rate of its own: `rate = 0.001` is customary")
            }
            Method::AdamW { .. } => {
                without("`adamw`", "a rate of its own: `rate = 0.001` is customary")
            }
            Method::Gd | Method::Momentum { .. } | Method::Nesterov { .. } => Ok(()),
        }
    }
}

/// Reads a method; of one that holds its batch says where the batch stands.
fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Method;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the name of an update rule, or a table of that name with its settings")
        }
        fn visit_str<E: de::Error>(self, name: &str) -> Result<Method, E> {
            Method::deserialize(name.into_deserializer())
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Method, A::Error> {
            let name: Option<String> = map.next_key()?;
            if name.as_deref() == Some("sgd") {
                let of: toml::Table = map.next_value()?;
                let batch = of
                    .get("batch")
                    .and_then(toml::Value::as_integer)
                    .unwrap_or(5);
                let message = format!("{BATCH_INSIDE}`batch = {batch}`");
                return Err(de::Error::custom(message));
            }
            Method::deserialize(MapAccessDeserializer::new(Begun { name, map }))
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// A map whose first key has been read.
struct Begun<A> {
    name: Option<String>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Begun<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.name.take() {
            Some(name) => seed.deserialize(name.into_deserializer()).map(Some),
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// What is said of a method with a batch inside it, before what to write of the batch.
pub(super) const BATCH_INSIDE: &str = "mini-batches go with any method, by a key of their own, ";

fn check_method(method: Method) -> Result<(), Mistake> {
    let decay = |b: f64| (0.0..1.0).contains(&b);
    match method {
        Method::Momentum { beta } | Method::Nesterov { beta } if !decay(beta) => mistake(
            "descent.method",
            format!("beta = {beta} is not in [0, 1)"),
            "0.9 is customary",
        ),
        Method::Adam { betas, eps } | Method::AdamW { betas, eps }
            if !(betas.iter().all(|b| decay(*b)) && eps >= 0.0 && eps.is_finite()) =>
        {
            mistake(
                "descent.method",
                format!("betas = {betas:?}, eps = {eps}: betas are in [0, 1), eps is not negative"),
                "PyTorch's are betas = [0.9, 0.999], eps = 1e-8",
            )
        }
        Method::Gd
        | Method::Momentum { .. }
        | Method::Nesterov { .. }
        | Method::Adam { .. }
        | Method::AdamW { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors that PyTorch's `MultiStepLR` and `StepLR` have at every step.
    #[test]
    fn schedules_are_those_of_pytorch() {
        let multi = Schedule::MultiStep {
            milestones: vec![3, 5, 50],
            gamma: 0.5,
        };
        let step = Schedule::Step {
            every: 4,
            gamma: 0.5,
        };
        let factors = |schedule: &Schedule, steps: u64| -> Vec<f64> {
            let changes = schedule.milestones(steps);
            let at = |t: u64| {
                changes
                    .iter()
                    .rfind(|m| m.step <= t)
                    .map_or(1.0, |m| m.factor)
            };
            (0..steps).map(at).collect()
        };
        let right = [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25];
        assert_eq!(factors(&multi, 9), right);
        let right = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25];
        assert_eq!(factors(&step, 9), right);
        assert_eq!(factors(&Schedule::Constant, 2), [1.0, 1.0]);
        // A change that no step follows is none.
        assert_eq!(multi.milestones(3), []);
        assert_eq!(step.milestones(4), []);
    }
}

//! How many replicates a cell has: a number, or as many as a sequential test needs.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

use super::check::{Mistake, mistake};

/// How many replicates a cell has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Replicates {
    /// That many.
    Fixed(u64),
    /// As many, in the order of their numbers, as an anytime-valid sequential test
    /// ([`crate::stats::SequentialTest`]) needs to tell on which side of `success.share` the
    /// success probability lies.
    UntilDecided {
        /// Give up here.
        at_most: u64,
        /// Confidence level.
        level: f64,
    },
}

impl Replicates {
    /// The largest number that may be run.
    pub fn at_most(self) -> u64 {
        match self {
            Replicates::Fixed(n) => n,
            Replicates::UntilDecided { at_most, .. } => at_most,
        }
    }

    /// As many, and no more than these.
    pub(crate) fn capped(self, most: u64) -> Replicates {
        match self {
            Replicates::Fixed(n) => Replicates::Fixed(n.min(most)),
            Replicates::UntilDecided { at_most, level } => Replicates::UntilDecided {
                at_most: at_most.min(most),
                level,
            },
        }
    }

    /// Everything that types cannot say.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub(super) fn check(self) -> Result<(), Mistake> {
        let most = self.at_most();
        if most == 0 {
            let message = "a cell needs at least one replicate".into();
            return mistake("replicates", message, "");
        }
        match self {
            Replicates::UntilDecided { level, .. } if !(0.5..1.0).contains(&level) => {
                return mistake(
                    "replicates.until_decided.level",
                    format!("the level {level} is not between 0.5 and 1"),
                    "0.95 is customary",
                );
            }
            Replicates::Fixed(_) | Replicates::UntilDecided { .. } => {}
        }
        if most > 1_000_000_000 {
            let message = format!("{most} replicates are more than 1e9");
            return mistake("replicates", message, "");
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UntilDecided {
    until_decided: UntilDecidedFields,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UntilDecidedFields {
    at_most: u64,
    #[serde(default = "default_level")]
    level: f64,
}

pub(super) fn default_level() -> f64 {
    0.95
}

impl Serialize for Replicates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Replicates::Fixed(n) => serializer.serialize_u64(n),
            Replicates::UntilDecided { at_most, level } => UntilDecided {
                until_decided: UntilDecidedFields { at_most, level },
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Replicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Replicates;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number or { until_decided = { at_most = number } }")
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Replicates, E> {
                Ok(Replicates::Fixed(v))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Replicates, E> {
                u64::try_from(v)
                    .map(Replicates::Fixed)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(v), &self))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Replicates, A::Error> {
                let u = UntilDecided::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let UntilDecidedFields { at_most, level } = u.until_decided;
                Ok(Replicates::UntilDecided { at_most, level })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Replicates {
    fn schema_name() -> Cow<'static, str> {
        "Replicates".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Replicates of each cell: a number, or as many as a confidence sequence \
                            needs to decide whether the success probability is above the share.",
            "oneOf": [
                { "type": "integer", "minimum": 1 },
                {
                    "type": "object",
                    "properties": { "until_decided": {
                        "type": "object",
                        "properties": {
                            "at_most": { "type": "integer", "minimum": 1 },
                            "level": { "type": "number", "minimum": 0.5, "exclusiveMaximum": 1 }
                        },
                        "required": ["at_most"],
                        "additionalProperties": false
                    } },
                    "required": ["until_decided"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

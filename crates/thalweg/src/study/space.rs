//! The space that `thalweg choose` may choose from.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

use super::check::{Mistake, mistake};
use super::replicates::default_level;

/// What may be chosen: the product of lists of values, and what is to be cheap; the `[space]`
/// table.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// What is to be cheap.
    pub cost: Cost,
    /// Level of the certificate, and of every race decision.
    pub level: f64,
    /// Replicates of a candidate in the race, at most.
    pub race: u64,
    /// Replicates of a certificate, at most.
    pub at_most: u64,
    /// Conditions, dotted keys and their values: a choice is made for each of their product.
    pub each: Vec<(String, Vec<toml::Value>)>,
    /// Dotted keys of `net` and `descent` and the values they may take, in the order written.
    pub grid: Vec<(String, Vec<toml::Value>)>,
}

/// What a training costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Its steps.
    Steps,
    /// Its steps times the number of parameters.
    ParameterSteps,
    /// Its time on this machine, one network among many on one thread: steps over a measured rate.
    Seconds,
}

/// Lists of values by dotted key, in the order written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grid(pub Vec<(String, Vec<toml::Value>)>);

impl Grid {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Grid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, values)| (key, values)))
    }
}

impl JsonSchema for Grid {
    fn schema_name() -> Cow<'static, str> {
        "Grid".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Lists of values by dotted key.",
            "type": "object",
            "additionalProperties": { "type": "array", "minItems": 1 }
        })
    }
}

impl<'de> Deserialize<'de> for Grid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Grid;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table of lists of values: \"data.dim\" = [15, 5, 2]")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Grid, A::Error> {
                let mut grid = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    grid.push(entry);
                }
                Ok(Grid(grid))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl Serialize for Space {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("cost", &self.cost)?;
        map.serialize_entry("level", &self.level)?;
        map.serialize_entry("race", &self.race)?;
        map.serialize_entry("at_most", &self.at_most)?;
        for (key, values) in &self.grid {
            map.serialize_entry(key, values)?;
        }
        if !self.each.is_empty() {
            map.serialize_entry("each", &Grid(self.each.clone()))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Space {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Space;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "a table with a cost and lists of values: \"net.hidden\" = [[8], [8, 8]]",
                )
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Space, A::Error> {
                let mut space = Space {
                    cost: Cost::Steps,
                    level: default_level(),
                    race: 400,
                    at_most: 4000,
                    each: Vec::new(),
                    grid: Vec::new(),
                };
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "cost" => space.cost = map.next_value()?,
                        "level" => space.level = map.next_value()?,
                        "race" => space.race = map.next_value()?,
                        "at_most" => space.at_most = map.next_value()?,
                        "each" => space.each = map.next_value::<Grid>()?.0,
                        _ => space.grid.push((key, map.next_value()?)),
                    }
                }
                Ok(space)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl JsonSchema for Space {
    fn schema_name() -> Cow<'static, str> {
        "Space".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What `thalweg choose` may choose: lists of values for dotted keys of \
                            `net` and `descent`, and what is to be cheap.",
            "type": "object",
            "properties": {
                "cost": { "enum": ["steps", "parameter_steps", "seconds"] },
                "level": { "type": "number", "minimum": 0.5, "exclusiveMaximum": 1 },
                "race": { "type": "integer", "minimum": 1 },
                "at_most": { "type": "integer", "minimum": 1 },
                "each": {
                    "description": "Conditions: a choice is made for each.",
                    "type": "object",
                    "additionalProperties": { "type": "array", "minItems": 1 }
                }
            },
            "additionalProperties": { "type": "array", "minItems": 1 }
        })
    }
}

impl Space {
    /// Everything that types cannot say.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub(super) fn check(&self) -> Result<(), Mistake> {
        if !(0.5..1.0).contains(&self.level) {
            return mistake(
                "space.level",
                format!("the level {} is not between 0.5 and 1", self.level),
                "0.95 is customary",
            );
        }
        for (key, n) in [("race", self.race), ("at_most", self.at_most)] {
            if n == 0 || n > 1_000_000 {
                return mistake(
                    &format!("space.{key}"),
                    format!("{n} replicates: between 1 and 1e6"),
                    "",
                );
            }
        }
        if self.grid.is_empty() {
            return mistake(
                "space",
                "the space has nothing to choose from".into(),
                "for instance `\"net.hidden\" = [[8], [8, 8]]`",
            );
        }
        let here = |path: &[&str], message: String, hint: &str| {
            Err(Mistake {
                path: path.iter().map(|p| (*p).to_string()).collect(),
                message,
                hint: Some(hint.to_string()),
            })
        };
        let lists = self.grid.iter().map(|(key, values)| (key, values, false));
        let conditions = self.each.iter().map(|(key, values)| (key, values, true));
        for (key, values, condition) in lists.chain(conditions) {
            let path = if condition {
                vec!["space", "each", key]
            } else {
                vec!["space", key]
            };
            let known: &[&str] = if condition {
                &["data", "net", "descent", "success"]
            } else {
                &["net", "descent"]
            };
            let root = key.split('.').next().unwrap_or_default();
            let parts = key.split('.').count();
            if !known.contains(&root)
                || key.split('.').any(str::is_empty)
                || !(2..=8).contains(&parts)
            {
                return here(
                    &path,
                    format!("`{key}` is nothing that can be chosen"),
                    &format!(
                        "dotted keys of {}; `cost`, `level`, `race`, `at_most` and `each` say how",
                        known.join(", ")
                    ),
                );
            }
            if values.is_empty() {
                return here(&path, format!("`{key}` has no values"), "one at least");
            }
            if !condition && self.each.iter().any(|(each, _)| each == key) {
                return here(
                    &path,
                    format!("`{key}` is chosen and is a condition"),
                    "keep it in one of the two",
                );
            }
        }
        Ok(())
    }
}

//! Comparisons: lists of values around the base cell.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

pub use toml::Value;

use super::check::{Mistake, mistake};
use crate::error::nearest;

/// One comparison: the product of lists of values around the base cell; a `[[compare]]` table.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// Its name.
    pub name: String,
    /// Dotted keys of the study and the values they take, in the order written.
    pub grid: Vec<(String, Vec<Value>)>,
}

impl Serialize for Compare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = Value::String(self.name.clone());
        serializer.collect_map(
            std::iter::once(("name".to_string(), name)).chain(
                self.grid
                    .iter()
                    .map(|(k, v)| (k.clone(), Value::Array(v.clone()))),
            ),
        )
    }
}

impl<'de> Deserialize<'de> for Compare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Compare;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "a table with a name and lists of values: \"net.activation\" = [\"relu\"]",
                )
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Compare, A::Error> {
                let (mut name, mut grid) = (None, Vec::new());
                while let Some(key) = map.next_key::<String>()? {
                    if key == "name" {
                        name = Some(map.next_value()?);
                    } else {
                        grid.push((key, map.next_value()?));
                    }
                }
                Ok(Compare {
                    name: name.ok_or_else(|| de::Error::missing_field("name"))?,
                    grid,
                })
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl JsonSchema for Compare {
    fn schema_name() -> Cow<'static, str> {
        "Compare".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One comparison: a name, and lists of values for dotted keys of the \
                            study (\"net.activation\" = [\"relu\", \"tanh\"]); their product is \
                            run around the base cell.",
            "type": "object",
            "properties": { "name": { "type": "string" } },
            "required": ["name"],
            "additionalProperties": { "type": "array", "minItems": 1 }
        })
    }
}

impl Compare {
    /// A comparison that compares nothing yet.
    pub fn new(name: impl Into<String>) -> Compare {
        Compare {
            name: name.into(),
            grid: Vec::new(),
        }
    }

    /// The same with one more key and its values; cells are the product of all keys.
    pub fn vary<V: Into<Value>>(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Compare {
        let values = values.into_iter().map(Into::into).collect();
        self.grid.push((key.into(), values));
        self
    }

    /// Everything that types cannot say of the comparison of this index.
    pub(super) fn check(&self, index: usize) -> Result<(), Mistake> {
        if self.grid.is_empty() {
            return mistake(
                &format!("compare.{index}"),
                format!("the comparison `{}` compares nothing", self.name),
                "for instance `\"net.activation\" = [\"relu\", \"tanh\"]`",
            );
        }
        for (key, values) in &self.grid {
            let blame = |message: String, hint: Option<String>| Mistake {
                path: vec!["compare".into(), index.to_string(), key.clone()],
                message,
                hint,
            };
            let root = key.split('.').next().unwrap_or_default();
            // The deepest key of a study has four parts; nesting without end would overflow the
            // stack.
            let parts = key.split('.').count();
            if !COMPARED.contains(&root) || key.split('.').any(str::is_empty) || parts > 8 {
                let near = nearest(root, COMPARED).filter(|k| *k != root);
                let hint = near.map_or("keys are dotted, as `net.activation`".to_string(), |k| {
                    format!("did you mean `{k}`?")
                });
                let message = format!("`{key}` is no key that can be compared");
                return Err(blame(message, Some(hint)));
            }
            if values.is_empty() {
                return Err(blame(format!("`{key}` has no values to compare"), None));
            }
        }
        Ok(())
    }
}

/// What may differ between the cells of a comparison.
const COMPARED: [&str; 6] = ["data", "net", "descent", "success", "replicates", "look"];

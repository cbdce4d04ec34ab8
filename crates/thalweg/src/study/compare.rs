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
    /// Values of its one key that the answer tells one by one, in this order; empty to let the
    /// program choose the farthest from the base cell and one between.
    pub highlight: Vec<Value>,
}

impl Serialize for Compare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = ("name".to_string(), Value::String(self.name.clone()));
        let grid = self.grid.iter();
        let grid = grid.map(|(k, v)| (k.clone(), Value::Array(v.clone())));
        let highlight = (!self.highlight.is_empty()).then(|| {
            let values = Value::Array(self.highlight.clone());
            (HIGHLIGHT.to_string(), values)
        });
        serializer.collect_map(std::iter::once(name).chain(highlight).chain(grid))
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
                let (mut name, mut grid, mut highlight) = (None, Vec::new(), Vec::new());
                while let Some(key) = map.next_key::<String>()? {
                    if key == "name" {
                        name = Some(map.next_value()?);
                    } else if key == HIGHLIGHT {
                        highlight = map.next_value()?;
                    } else {
                        grid.push((key, map.next_value()?));
                    }
                }
                Ok(Compare {
                    name: name.ok_or_else(|| de::Error::missing_field("name"))?,
                    grid,
                    highlight,
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
            "properties": {
                "name": { "type": "string" },
                "highlight": {
                    "type": "array",
                    "description": "Values of its one key that the answer tells one by one."
                }
            },
            "required": ["name"],
            "additionalProperties": { "type": "array", "minItems": 1 }
        })
    }
}

/// The letters and digits of a name, small, with dashes between its words: what files are named by.
pub fn stem(name: &str) -> String {
    let small = name.to_ascii_lowercase();
    let words = small.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

impl Compare {
    /// A comparison that compares nothing yet.
    pub fn new(name: impl Into<String>) -> Compare {
        Compare {
            name: name.into(),
            grid: Vec::new(),
            highlight: Vec::new(),
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
        self.check_highlight(index)
    }

    /// What is highlighted are values of the one key.
    fn check_highlight(&self, index: usize) -> Result<(), Mistake> {
        let path = format!("compare.{index}.{HIGHLIGHT}");
        let [(key, values), ..] = &self.grid[..] else {
            return Ok(());
        };
        if !self.highlight.is_empty() && self.grid.len() > 1 {
            let message = "only a comparison over one key has values to highlight";
            return mistake(&path, message.into(), "leave it out, or the other keys");
        }
        match self.highlight.iter().find(|v| !values.contains(v)) {
            Some(other) => mistake(
                &path,
                format!("{other} is not among the values of `{key}`"),
                "highlight values that are compared",
            ),
            None => Ok(()),
        }
    }
}

/// The key of a comparison that is no key of a study.
const HIGHLIGHT: &str = "highlight";

/// What may differ between the cells of a comparison.
const COMPARED: [&str; 6] = ["data", "net", "descent", "success", "replicates", "look"];

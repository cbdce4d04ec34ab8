//! The study as written: its type, its file, its mistakes.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

use crate::claim::{Claim, Quantity};
use crate::data::{Data, Draw, Inputs, Targets};
use crate::descent::{Descent, Method, Rate};
use crate::error::{Error, Place, nearest};
use crate::net::{BiasInit, Init, Net, Parameterization};

/// A study file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Study {
    /// The question, one sentence.
    pub title: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// Replicates of each cell.
    pub replicates: Replicates,
    /// Training sets.
    pub data: Data,
    /// The network.
    pub net: Net,
    /// The training rule.
    pub descent: Descent,
    /// What counts as success.
    pub success: Success,
    /// What is measured closely, and when.
    pub look: Look,
    /// What is kept of the first replicates of each cell.
    pub keep: Keep,
    /// The comparisons around the base cell.
    pub compare: Vec<Compare>,
    /// What others found, to hold the study against.
    pub claim: Vec<Claim>,
    /// What may be chosen, for `thalweg choose`; it decides nothing of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
}

impl Default for Study {
    fn default() -> Self {
        Study {
            title: "Untitled study".into(),
            seed: 2018,
            replicates: Replicates::Fixed(400),
            data: Data::default(),
            net: Net::default(),
            descent: Descent::default(),
            success: Success::default(),
            look: Look::default(),
            keep: Keep::default(),
            compare: Vec::new(),
            claim: Vec::new(),
            space: None,
        }
    }
}

/// How many replicates a cell has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Replicates {
    /// That many.
    Fixed(u64),
    /// As many, in the order of their numbers, as an anytime-valid sequential test
    /// ([`crate::stats::SequentialTest`]) needs to tell on which side of `success.share` the success
    /// probability lies.
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

fn default_level() -> f64 {
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
}

impl Default for Look {
    fn default() -> Self {
        use Observable::*;
        Look {
            at: vec![At::Start, At::End],
            observables: vec![Ntk, Hessian, WeightsMoved, DeadUnits, GradientNorm],
            replicates: 100,
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
    /// Spectrum of the empirical tangent kernel Θ = J Jᵀ, its distance to that of the start, and the
    /// residual in its eigenbasis.
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

/// One comparison: the product of lists of values around the base cell; a `[[compare]]` table.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// Its name.
    pub name: String,
    /// Dotted keys of the study and the values they take, in the order written.
    pub grid: Vec<(String, Vec<toml::Value>)>,
}

impl Serialize for Compare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = toml::Value::String(self.name.clone());
        serializer.collect_map(
            std::iter::once(("name".to_string(), name)).chain(
                self.grid
                    .iter()
                    .map(|(k, v)| (k.clone(), toml::Value::Array(v.clone()))),
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
            "description": "One comparison: a name, and lists of values for dotted keys of the study \
                            (\"net.activation\" = [\"relu\", \"tanh\"]); their product is run around the base cell.",
            "type": "object",
            "properties": { "name": { "type": "string" } },
            "required": ["name"],
            "additionalProperties": { "type": "array", "minItems": 1 }
        })
    }
}

/// What may be chosen: the product of lists of values, and what is to be cheap; the `[space]` table.
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
struct Grid(Vec<(String, Vec<toml::Value>)>);

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
            let each: std::collections::BTreeMap<_, _> = self.each.iter().cloned().collect();
            map.serialize_entry("each", &each)?;
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
            "description": "What `thalweg choose` may choose: lists of values for dotted keys of `net` and \
                            `descent`, and what is to be cheap.",
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

/// A mistake found after parsing: the keys that lead to it, what is wrong, what to write.
pub(crate) struct Mistake {
    pub(crate) path: Vec<String>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// A study with the text it was read from.
#[derive(Debug, Clone)]
pub struct Source {
    /// File name, or the name of a built-in study.
    pub name: String,
    /// The text, with any `--set` applied.
    pub text: String,
    /// The folder that files named in it are relative to.
    pub folder: std::path::PathBuf,
}

impl Source {
    /// The text with `key = value` put in place of what it says; comments and order are kept.
    /// `value` is TOML; a bare word is taken as a string.
    ///
    /// # Errors
    ///
    /// [`Error::Study`] if `assignment` is not `key=value` or the text is no TOML.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let usage = || Error::Study {
            message: format!("`{assignment}` is not `key=value`"),
            hint: Some("for instance `--set data.dim=5`".into()),
            place: None,
        };
        let (key, value) = assignment.split_once('=').ok_or_else(usage)?;
        let value: toml_edit::Value = value
            .trim()
            .parse()
            .unwrap_or_else(|_| toml_edit::Value::from(value.trim()));
        let mut document: toml_edit::DocumentMut = self
            .text
            .parse()
            .map_err(|e: toml_edit::TomlError| self.toml_error(e.message(), e.span()))?;
        let keys: Vec<&str> = key.trim().split('.').collect();
        let (last, tables) = keys.split_last().ok_or_else(usage)?;
        if keys.iter().any(|k| k.is_empty()) {
            return Err(usage());
        }
        let mut at: &mut dyn toml_edit::TableLike = document.as_table_mut();
        for (depth, name) in tables.iter().enumerate() {
            let item = at.entry(name).or_insert_with(|| {
                // A header for a table of the study, braces for what is inside one.
                if depth == 0 {
                    toml_edit::table()
                } else {
                    toml_edit::value(toml_edit::InlineTable::new())
                }
            });
            if !item.is_table_like() {
                *item = toml_edit::value(toml_edit::InlineTable::new());
            }
            at = item.as_table_like_mut().ok_or_else(usage)?;
        }
        match at.get_mut(last) {
            // What stands around the old value stays: spaces and comments.
            Some(toml_edit::Item::Value(old)) => {
                let around = old.decor().clone();
                *old = value;
                *old.decor_mut() = around;
            }
            _ => {
                at.insert(last, toml_edit::Item::Value(value));
            }
        }
        self.text = document.to_string();
        Ok(())
    }

    /// Parses and checks the study.
    ///
    /// # Errors
    ///
    /// [`Error::Study`] with line and column.
    pub fn study(&self) -> Result<Study, Error> {
        let study: Study =
            toml::from_str(&self.text).map_err(|e| self.toml_error(e.message(), e.span()))?;
        check(&study).map_err(|mistake| self.mistake(mistake))?;
        Ok(study)
    }

    /// The error for a mistake, pointing at the deepest key of its path that is written.
    pub(crate) fn mistake(&self, mistake: Mistake) -> Error {
        let place = span_of(&self.text, &mistake.path)
            .map(|span| Box::new(Place::new(&self.name, &self.text, span)));
        Error::Study {
            message: mistake.message,
            hint: mistake.hint,
            place,
        }
    }

    fn toml_error(&self, message: &str, span: Option<std::ops::Range<usize>>) -> Error {
        let place = span.map(|span| Box::new(Place::new(&self.name, &self.text, span)));
        Error::Study {
            message: message.replace('\n', ", "),
            hint: hint_for(message),
            place,
        }
    }
}

/// What to write instead of what serde did not know.
pub(crate) fn hint_for(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.contains("unit variant") && message.contains("struct variant") {
        return Some(
            "this choice takes settings, if only an empty table: `method = { adam = {} }`".into(),
        );
    }
    let (wrong, known) = quoted.split_first()?;
    if !message.starts_with("unknown") {
        return None;
    }
    nearest(wrong, known.iter().copied()).map(|k| format!("did you mean `{k}`?"))
}

/// The bytes of the deepest item on `path` that is in the text.
fn span_of(text: &str, path: &[String]) -> Option<std::ops::Range<usize>> {
    use toml::de::{DeTable, DeValue};
    let table = DeTable::parse(text).ok()?;
    let mut span = None;
    let mut at: Option<&DeValue<'_>> = None;
    for (depth, key) in path.iter().enumerate() {
        let next = match (depth, at) {
            (0, _) => table.get_ref().get(key.as_str()),
            (_, Some(DeValue::Table(inner))) => inner.get(key.as_str()),
            (_, Some(DeValue::Array(items))) => {
                key.parse::<usize>().ok().and_then(|i| items.get(i))
            }
            _ => None,
        };
        match next {
            Some(value) => {
                span = Some(value.span());
                at = Some(value.get_ref());
            }
            None => break,
        }
    }
    span
}

fn mistake<T>(path: &str, message: String, hint: &str) -> Result<T, Mistake> {
    Err(Mistake {
        path: path.split('.').map(str::to_string).collect(),
        message,
        hint: (!hint.is_empty()).then(|| hint.to_string()),
    })
}

/// Everything that types cannot say. After this nothing is validated again.
pub(crate) fn check(study: &Study) -> Result<(), Mistake> {
    let Study {
        data,
        net,
        descent,
        success,
        look,
        ..
    } = study;
    let positive = |v: f64| v > 0.0 && v.is_finite();
    if i64::try_from(study.seed).is_err() {
        return mistake(
            "seed",
            format!("the seed {} does not fit in TOML", study.seed),
            "",
        );
    }
    match study.replicates {
        Replicates::Fixed(0) | Replicates::UntilDecided { at_most: 0, .. } => {
            return mistake(
                "replicates",
                "a cell needs at least one replicate".into(),
                "",
            );
        }
        Replicates::UntilDecided { level, .. } if !(0.5..1.0).contains(&level) => {
            return mistake(
                "replicates.until_decided.level",
                format!("the level {level} is not between 0.5 and 1"),
                "0.95 is customary",
            );
        }
        Replicates::Fixed(n) | Replicates::UntilDecided { at_most: n, .. } if n > 1_000_000_000 => {
            return mistake(
                "replicates",
                format!("{n} replicates are more than 1e9"),
                "",
            );
        }
        Replicates::Fixed(_) | Replicates::UntilDecided { .. } => {}
    }
    if let Draw::Crossed(of) = data.draw {
        let product = of.sets.checked_mul(of.weights);
        if !product.is_some_and(|n| (1..=1_000_000_000).contains(&n)) {
            return mistake(
                "data.draw",
                format!(
                    "{} training sets with {} initial weights each: their product is the number of replicates, \
                     between 1 and 1e9",
                    of.sets, of.weights
                ),
                "for instance `{ sets = 40, weights = 40 }`",
            );
        }
        if matches!(study.replicates, Replicates::UntilDecided { .. }) || study.space.is_some() {
            return mistake(
                "data.draw",
                "a sequential test needs independent replicates, and those of a crossed design share \
                 training sets and weights"
                    .into(),
                "`draw = \"each\"`, or no `until_decided` and no `[space]`",
            );
        }
    }
    if data.points == 0 || data.points > 100_000 {
        return mistake(
            "data.points",
            format!("{} training points: between 1 and 100000", data.points),
            "",
        );
    }
    if data.dim == 0 || data.dim > 100_000 {
        return mistake(
            "data.dim",
            format!("input dimension {}: between 1 and 100000", data.dim),
            "",
        );
    }
    let dims = match &data.inputs {
        Inputs::Shell([from, to]) if !(*from > 0.0 && from <= to && to.is_finite()) => {
            return mistake(
                "data.inputs",
                format!("the norms {from} to {to} of a shell are not positive and increasing"),
                "for instance `{ shell = [1.0, 2.0] }`",
            );
        }
        Inputs::Gaussian | Inputs::Sphere | Inputs::Shell(_) => None,
        Inputs::Grid(ends) if ends.iter().any(|e| !e.is_finite()) => {
            return mistake(
                "data.inputs",
                "the ends of the grid must be finite".into(),
                "",
            );
        }
        Inputs::Grid(_) => Some(("grid", 1)),
        Inputs::Chebyshev => Some(("chebyshev", 1)),
        Inputs::Circle => Some(("circle", 2)),
    };
    if let (Some((name, dim)), None) = (dims, &data.file)
        && data.dim != dim
    {
        return mistake(
            "data.inputs",
            format!(
                "inputs on a {name} have dimension {dim}, but data.dim is {}",
                data.dim
            ),
            &format!("write `dim = {dim}`"),
        );
    }
    match &data.targets {
        Targets::Teacher { hidden, .. } if hidden.contains(&0) => {
            return mistake(
                "data.targets",
                "a teacher's layer needs at least one unit".into(),
                "",
            );
        }
        Targets::Polynomial(c) if c.is_empty() || c.iter().any(|c| !c.is_finite()) => {
            return mistake(
                "data.targets",
                "a polynomial needs finite coefficients".into(),
                "",
            );
        }
        Targets::Signs([from, to]) if !(*from >= 0.0 && from <= to && to.is_finite()) => {
            return mistake(
                "data.targets",
                format!("the sizes {from} to {to} are negative or not increasing"),
                "for instance `{ signs = [1.0, 2.0] }`",
            );
        }
        Targets::Gaussian
        | Targets::Signs(_)
        | Targets::Teacher { .. }
        | Targets::Polynomial(_)
        | Targets::Chebyshev(_)
        | Targets::Cosine(_) => {}
    }
    if net.hidden.iter().any(|&n| n == 0 || n > 16_384) {
        return mistake(
            "net.hidden",
            "a hidden layer has between 1 and 16384 units".into(),
            "",
        );
    }
    let layers = net.hidden.len() + 1;
    if let Some(gains) = &net.gains {
        if gains.len() != layers {
            return mistake(
                "net.gains",
                format!("{} gains for {layers} weight layers", gains.len()),
                "one number for each hidden layer and one for the output",
            );
        }
        if gains.iter().any(|g| !g.is_finite()) {
            return mistake("net.gains", "a gain must be finite".into(), "");
        }
    }
    match &net.init {
        Init::Normal { variance } if !positive(*variance) => {
            return mistake(
                "net.init",
                format!("the variance {variance} must be positive"),
                "",
            );
        }
        Init::Constant(value) if !value.is_finite() => {
            return mistake(
                "net.init",
                format!("the constant {value} is not finite"),
                "",
            );
        }
        Init::File(_) if net.parameterization == Parameterization::Ntk => {
            return mistake(
                "net.init",
                "weights from a file are in the standard parameterization".into(),
                "write `parameterization = \"standard\"`",
            );
        }
        _ => {}
    }
    if let Some(BiasInit::Normal { std }) = net.bias_init
        && !(std >= 0.0 && std.is_finite())
    {
        return mistake(
            "net.bias_init",
            format!("the standard deviation {std} must not be negative"),
            "",
        );
    }
    match descent.rate {
        Rate::Absolute(rate) | Rate::OfLimit(rate) if !positive(rate) => {
            return mistake(
                "descent.rate",
                format!("the rate {rate} must be positive and finite"),
                "`0.01`, or `{ of_limit = 0.5 }` for half the largest stable rate",
            );
        }
        Rate::Absolute(_) | Rate::OfLimit(_) => {}
    }
    if let Some(rates) = &descent.layer_rates {
        if rates.len() != layers {
            return mistake(
                "descent.layer_rates",
                format!("{} factors for {layers} weight layers", rates.len()),
                "one number for each hidden layer and one for the output",
            );
        }
        if rates.iter().any(|r| !(*r >= 0.0 && r.is_finite())) {
            return mistake(
                "descent.layer_rates",
                "a factor must be finite and not negative".into(),
                "",
            );
        }
    }
    if descent.steps > 1_000_000_000_000 {
        return mistake(
            "descent.steps",
            format!("{} steps are more than 1e12", descent.steps),
            "",
        );
    }
    let decay = |b: f64| (0.0..1.0).contains(&b);
    match descent.method {
        Method::Momentum { beta } | Method::Nesterov { beta } if !decay(beta) => {
            return mistake(
                "descent.method",
                format!("beta = {beta} is not in [0, 1)"),
                "0.9 is customary",
            );
        }
        Method::Adam { betas, eps }
            if !(betas.iter().all(|b| decay(*b)) && eps >= 0.0 && eps.is_finite()) =>
        {
            return mistake(
                "descent.method",
                format!("betas = {betas:?}, eps = {eps}: betas are in [0, 1), eps is not negative"),
                "PyTorch's are betas = [0.9, 0.999], eps = 1e-8",
            );
        }
        Method::Sgd { batch } if batch == 0 || (batch > data.points && data.file.is_none()) => {
            return mistake(
                "descent.method",
                format!("a batch of {batch} from {} points", data.points),
                "between 1 and data.points",
            );
        }
        Method::Gd
        | Method::Momentum { .. }
        | Method::Nesterov { .. }
        | Method::Adam { .. }
        | Method::Sgd { .. } => {}
    }
    if !positive(success.loss_below) {
        return mistake(
            "success.loss_below",
            format!("{} must be positive", success.loss_below),
            "",
        );
    }
    if !(success.share > 0.0 && success.share < 1.0) {
        return mistake(
            "success.share",
            format!("the share {} is not between 0 and 1", success.share),
            "0.8 is four in five",
        );
    }
    if look.at.contains(&At::Every(0)) {
        return mistake("look.at", "every 0 steps is never".into(), "");
    }
    for (i, compare) in study.compare.iter().enumerate() {
        let at = format!("compare.{i}");
        if compare.grid.is_empty() {
            return mistake(
                &at,
                format!("the comparison `{}` compares nothing", compare.name),
                "for instance `\"net.activation\" = [\"relu\", \"tanh\"]`",
            );
        }
        if study.compare[..i].iter().any(|c| c.name == compare.name) {
            return mistake(
                &format!("{at}.name"),
                format!("two comparisons are called `{}`", compare.name),
                "give each its own name",
            );
        }
        for (key, values) in &compare.grid {
            let here = Mistake {
                path: vec!["compare".into(), i.to_string(), key.clone()],
                message: String::new(),
                hint: None,
            };
            let root = key.split('.').next().unwrap_or_default();
            let known = ["data", "net", "descent", "success", "replicates", "look"];
            // The deepest key of a study has four parts; nesting without end would overflow the stack.
            let parts = key.split('.').count();
            if !known.contains(&root) || key.split('.').any(str::is_empty) || parts > 8 {
                let near = nearest(root, known).filter(|k| *k != root);
                let hint = near.map_or("keys are dotted, as `net.activation`".to_string(), |k| {
                    format!("did you mean `{k}`?")
                });
                return Err(Mistake {
                    message: format!("`{key}` is no key that can be compared"),
                    hint: Some(hint),
                    ..here
                });
            }
            if values.is_empty() {
                return Err(Mistake {
                    message: format!("`{key}` has no values to compare"),
                    ..here
                });
            }
        }
    }
    for (i, claim) in study.claim.iter().enumerate() {
        check_claim(i, claim)?;
    }
    if let Some(space) = &study.space {
        check_space(space)?;
    }
    Ok(())
}

fn check_claim(index: usize, claim: &Claim) -> Result<(), Mistake> {
    let here = |key: &str, message: String, hint: &str| {
        mistake(&format!("claim.{index}.{key}"), message, hint)
    };
    let [low, high] = claim.between;
    if !(low <= high) {
        return here(
            "between",
            format!("{low} to {high} is no range"),
            "the smaller number first",
        );
    }
    if !(low <= claim.value && claim.value <= high) {
        return here(
            "value",
            format!("the value {} is not between {low} and {high}", claim.value),
            "`between` says which values of ours count as the same as `value`",
        );
    }
    if claim.along.is_some() && !claim.at.is_empty() {
        return here(
            "at",
            "a claim is of one cell (`at`) or of a comparison (`along`)".into(),
            "leave one of them out",
        );
    }
    if let Some(key) = claim.at.keys().find(|key| !key.contains('.')) {
        return here(
            "at",
            format!("`{key}` is no dotted key"),
            "for instance `at = { \"data.dim\" = 5 }`, with quotes",
        );
    }
    if claim.what == Quantity::WeightsMoved(0) {
        return here("what", "weight layers count from 1".into(), "");
    }
    Ok(())
}

fn check_space(space: &Space) -> Result<(), Mistake> {
    if !(0.5..1.0).contains(&space.level) {
        return mistake(
            "space.level",
            format!("the level {} is not between 0.5 and 1", space.level),
            "0.95 is customary",
        );
    }
    for (key, n) in [("race", space.race), ("at_most", space.at_most)] {
        if n == 0 || n > 1_000_000 {
            return mistake(
                &format!("space.{key}"),
                format!("{n} replicates: between 1 and 1e6"),
                "",
            );
        }
    }
    if space.grid.is_empty() {
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
    let lists = space.grid.iter().map(|(key, values)| (key, values, false));
    let conditions = space.each.iter().map(|(key, values)| (key, values, true));
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
        if !known.contains(&root) || key.split('.').any(str::is_empty) || !(2..=8).contains(&parts)
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
        if !condition && space.each.iter().any(|(each, _)| each == key) {
            return here(
                &path,
                format!("`{key}` is chosen and is a condition"),
                "keep it in one of the two",
            );
        }
    }
    Ok(())
}

/// The JSON schema (2020-12) of study files, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Study).to_value()
}

/// The built-in studies: name and text.
pub const BUILT_IN: [(&str, &str); 11] = [
    ("assignment", include_str!("../studies/assignment.toml")),
    ("notebook", include_str!("../studies/notebook.toml")),
    (
        "edge-of-stability",
        include_str!("../studies/edge-of-stability.toml"),
    ),
    ("dimension", include_str!("../studies/dimension.toml")),
    ("lazy", include_str!("../studies/lazy.toml")),
    ("deep-linear", include_str!("../studies/deep-linear.toml")),
    ("scalar-chaos", include_str!("../studies/scalar-chaos.toml")),
    (
        "signal-propagation",
        include_str!("../studies/signal-propagation.toml"),
    ),
    ("capacity", include_str!("../studies/capacity.toml")),
    ("frequency", include_str!("../studies/frequency.toml")),
    (
        "convergence-high-dimension",
        include_str!("../studies/convergence-high-dimension.toml"),
    ),
];

impl Source {
    /// A built-in study, or a study file.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] if there is no such file nor a built-in study of that name;
    /// [`Error::Io`] if the file cannot be read.
    pub fn open(name: &str) -> Result<Source, Error> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Ok(Source {
                name: (*name).into(),
                text: (*text).into(),
                folder: ".".into(),
            });
        }
        let path = std::path::Path::new(name);
        if !path.exists() {
            let near = nearest(name, BUILT_IN.iter().map(|(n, _)| *n));
            let names = BUILT_IN.map(|(n, _)| n).join(", ");
            return Err(Error::Unknown {
                message: format!("there is no file `{name}` and no built-in study of that name"),
                hint: near.map_or(format!("built-in studies: {names}"), |n| {
                    format!("did you mean `{n}`?")
                }),
            });
        }
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::Damaged {
            path: path.to_path_buf(),
            message: "is not text in UTF-8".into(),
            hint: "a study is a TOML file; `thalweg studies show assignment` prints one".into(),
        })?;
        let folder = path
            .parent()
            .unwrap_or(std::path::Path::new("."))
            .to_path_buf();
        Ok(Source {
            name: name.into(),
            text,
            folder,
        })
    }
}

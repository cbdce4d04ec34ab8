//! A map to be computed: two numbers of a setting that are varied together, and the cell of every
//! pair of their values.

use serde::Serialize;
use toml::Value;

use super::builder::{product, table};
use super::cell::Cell;
use crate::inputs::Inputs;
use crate::study::{Drawn, Map, MapAxis, Mistake, Scale, Setting, Study, every_key};

/// An axis: its key and the value of every pixel along it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// The dotted key.
    pub key: String,
    /// The values, increasing.
    pub values: Vec<f64>,
    /// Whether they lie at equal ratios.
    pub log: bool,
}

/// A map to be computed: its axes and the setting around which it is.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The values of the map's conditions, by their keys; empty if it has none.
    pub condition: Vec<(String, Value)>,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// What is drawn.
    pub draw: Vec<Drawn>,
    /// Pixels that are trained at most.
    pub budget: usize,
    /// Content hash of all that decides its pixels.
    pub hash: String,
    pub(crate) setting: Setting,
    table: toml::Table,
    inputs: Inputs,
}

/// A number at a dotted key of a table, be it in a list; the error is what is there instead.
fn put_number(at: &mut Value, key: &str, value: &Value) -> Result<(), String> {
    let (head, rest) = match key.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (key, None),
    };
    let next = |inner: &mut Value| match rest {
        Some(rest) => put_number(inner, rest, value),
        None => {
            *inner = value.clone();
            Ok(())
        }
    };
    match at {
        Value::Array(items) if head == "*" => items.iter_mut().try_for_each(next),
        Value::Array(items) => {
            let count = items.len();
            let place = head.parse::<usize>().ok();
            let found = place.and_then(|place| items.get_mut(place));
            found.map_or(
                Err(format!(
                    "the list has the places 0 to {}, not `{head}`",
                    count - 1
                )),
                next,
            )
        }
        Value::Table(table) => {
            let missing = || match rest {
                Some(_) => Value::Table(toml::Table::new()),
                None => value.clone(),
            };
            let inner = table.entry(head).or_insert_with(missing);
            // A rate that is a number becomes a table where its share of the limit is asked for.
            if rest.is_some() && !matches!(inner, Value::Table(_) | Value::Array(_)) {
                *inner = Value::Table(toml::Table::new());
            }
            next(inner)
        }
        other => Err(format!("`{head}` is asked of {other}")),
    }
}

/// The value at a dotted key, in a list the first for `*`.
fn value_at<'a>(table: &'a toml::Table, key: &str) -> Option<&'a Value> {
    let mut parts = key.split('.');
    let mut at = table.get(parts.next()?)?;
    for part in parts {
        at = match at {
            Value::Table(inner) => inner.get(part)?,
            Value::Array(items) if part == "*" => items.first()?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(at)
}

impl Sheet {
    /// The maps of a study: one for each of its conditions, none if it has no `[map]`.
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if an axis is no number of the setting, or a corner of a map is impossible.
    pub fn of(study: &Study, inputs: &Inputs) -> Result<Vec<Sheet>, Mistake> {
        let Some(map) = &study.map else {
            return Ok(Vec::new());
        };
        let table = table(&study.setting)?;
        let conditions = product(&map.each.0, &table);
        conditions
            .map(|(choice, table)| {
                let values = map.each.0.iter().zip(&choice);
                let condition = values.map(|((key, all), &c)| (key.clone(), all[c].clone()));
                Sheet::new(map, condition.collect(), table, inputs)
            })
            .collect()
    }

    fn new(
        map: &Map,
        condition: Vec<(String, Value)>,
        table: toml::Table,
        inputs: &Inputs,
    ) -> Result<Sheet, Mistake> {
        let blame = |part: &str, message: String, hint: Option<String>| Mistake {
            path: vec!["map".into(), part.into()],
            message,
            hint,
        };
        let known = every_key();
        let axis = |name: &str, axis: &MapAxis, count: usize| {
            let key = &axis.key;
            let there = value_at(&table, key);
            let there = there.or_else(|| value_at(known.as_ref()?, key));
            let whole = match there {
                Some(Value::Integer(_)) => true,
                Some(Value::Float(_)) => false,
                // A share of the limit in place of a rate.
                None if key == "descent.rate.of_limit" => false,
                Some(Value::Table(_)) if key == "descent.rate" => false,
                Some(other) => {
                    let hint = "a list has its places: `net.gains.0`, or `net.gains.*` for all";
                    let message = format!("`{key}` is {other}, not a number");
                    return Err(blame(name, message, Some(hint.into())));
                }
                None => {
                    let hint = "a number that the base cell has: `descent.rate`, `data.dim`, \
                                `net.hidden.*`, `net.gains.0`";
                    let message = format!("the base cell has no number `{key}`");
                    return Err(blame(name, message, Some(hint.into())));
                }
            };
            let values = axis.values(count, whole);
            if values.is_empty() {
                let message = format!("no whole number is between {} and {}", axis.from, axis.to);
                return Err(blame(name, message, None));
            }
            Ok(Axis {
                key: key.clone(),
                values,
                log: axis.scale == Scale::Log,
            })
        };
        let (x, y) = (
            axis("x", &map.x, map.size[0])?,
            axis("y", &map.y, map.size[1])?,
        );
        let setting: Setting = serde::Deserialize::deserialize(table.clone())
            .map_err(|e: toml::de::Error| blame("each", e.message().replace('\n', ", "), None))?;
        let mut sheet = Sheet {
            condition,
            budget: map.budget.unwrap_or(usize::MAX),
            draw: map.draw.clone(),
            hash: String::new(),
            x,
            y,
            setting,
            table,
            inputs: inputs.clone(),
        };
        let (right, top) = (sheet.x.values.len() - 1, sheet.y.values.len() - 1);
        for place in [0, right, top * (right + 1), (top + 1) * (right + 1) - 1] {
            sheet.cell(place)?;
        }
        sheet.hash = sheet.content()?;
        Ok(sheet)
    }

    pub(crate) fn draws_theory(&self) -> bool {
        self.draw.contains(&Drawn::Predicted)
    }

    fn content(&self) -> Result<String, Mistake> {
        let mut hasher = blake3::Hasher::new();
        let corner = self.cell(0)?;
        hasher.update(corner.hash.as_bytes());
        for axis in [&self.x, &self.y] {
            hasher.update(axis.key.as_bytes());
            for value in &axis.values {
                hasher.update(&value.to_le_bytes());
            }
        }
        hasher.update(&[u8::from(self.draws_theory())]);
        Ok(hasher.finalize().to_hex()[..16].to_string())
    }

    /// Pixels along each axis.
    pub fn size(&self) -> (usize, usize) {
        (self.x.values.len(), self.y.values.len())
    }

    /// The cell of a pixel.
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if its setting is impossible.
    pub fn cell(&self, place: usize) -> Result<Cell, Mistake> {
        let (width, _) = self.size();
        let mut table = Value::Table(self.table.clone());
        for (name, axis, i) in [("x", &self.x, place % width), ("y", &self.y, place / width)] {
            let number = axis.values[i];
            let whole = value_at(&self.table, &axis.key).is_some_and(Value::is_integer);
            let value = match whole {
                true => Value::Integer(number as i64),
                false => Value::Float(number),
            };
            put_number(&mut table, &axis.key, &value).map_err(|message| Mistake {
                path: vec!["map".into(), name.into()],
                message: format!("`{}`: {message}", axis.key),
                hint: None,
            })?;
        }
        let at = |message: String, hint: Option<String>| Mistake {
            path: vec!["map".into()],
            message: format!(
                "at {} = {} and {} = {}: {message}",
                self.x.key,
                self.x.values[place % width],
                self.y.key,
                self.y.values[place / width]
            ),
            hint,
        };
        let mut setting: Setting = serde::Deserialize::deserialize(table)
            .map_err(|e: toml::de::Error| at(e.message().replace('\n', ", "), None))?;
        // A pixel says how its replicates ended, nothing more.
        setting.look.replicates = 0;
        setting.keep.replicates = 0;
        setting.test = None;
        Cell::alone(setting, &self.inputs).map_err(|m| at(m.message, m.hint))
    }
}

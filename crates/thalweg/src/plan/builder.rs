//! A plan while it is made: products of lists become cells and comparisons.

use std::collections::HashMap;

use serde::Deserialize;

use super::cell::{Cell, hash, resolve};
use super::label::{label, show};
use super::{ClaimTarget, Comparison, Member, Plan};
use crate::claim::Claim;
use crate::error::nearest;
use crate::inputs::Inputs;
use crate::study::{Mistake, Setting, Value, hint_for};

/// The most cells of a study, those that comparisons have in common counted again.
pub(super) const MOST_CELLS: usize = 100_000;

/// A plan that is being made.
pub(super) struct Builder<'a> {
    pub(super) plan: Plan,
    inputs: &'a Inputs,
    /// The base cell as written, which comparisons change.
    table: toml::Table,
    /// The number of each cell by its hash.
    known: HashMap<String, usize>,
}

impl<'a> Builder<'a> {
    /// The plan of one setting.
    pub(super) fn new(
        title: String,
        setting: &Setting,
        inputs: &'a Inputs,
    ) -> Result<Builder<'a>, Mistake> {
        let mut builder = Builder {
            plan: Plan {
                title,
                why: None,
                author: None,
                asks_share: false,
                cells: Vec::new(),
                comparisons: Vec::new(),
                claims: Vec::new(),
            },
            inputs,
            table: table(setting)?,
            known: HashMap::new(),
        };
        builder.add(setting.clone(), String::new())?;
        Ok(builder)
    }

    /// Adds the cells of a product of lists as a comparison.
    pub(super) fn compare(&mut self, name: String, of: &Product<'_>) -> Result<(), Mistake> {
        let sizes: Vec<usize> = of.grid.iter().map(|(_, v)| v.len()).collect();
        let total = sizes
            .iter()
            .fold(1usize, |all, size| all.saturating_mul(*size));
        let listed: usize = self.plan.comparisons.iter().map(|c| c.members.len()).sum();
        if listed.saturating_add(total) > MOST_CELLS {
            let all = match listed {
                0 => ",".to_string(),
                _ => format!(", with those before it {},", listed.saturating_add(total)),
            };
            return Err(Mistake {
                path: of.path.clone(),
                message: format!(
                    "the {} has {total} cells{all} more than {MOST_CELLS}",
                    of.what
                ),
                hint: Some("shorten its lists".into()),
            });
        }
        if [STEPS, EPOCHS].map(|key| of.grid.iter().any(|(k, _)| k == key)) == [true; 2] {
            return Err(Mistake {
                path: of.path.clone(),
                message: format!("the {} varies both `{STEPS}` and `{EPOCHS}`", of.what),
                hint: Some("one of them says how long a replicate trains".into()),
            });
        }
        let base = self.table.clone();
        let mut members = Vec::new();
        for (choice, table) in product(of.grid, &base) {
            let setting = Setting::deserialize(table).map_err(|e| {
                let message = e.message().replace('\n', ", ");
                of.blame(&choice, &message, hint_for(e.message()))
            })?;
            let here = |m: Mistake| of.blame(&choice, &m.to_string(), m.hint);
            setting.check().map_err(here)?;
            let cell = self.add(setting, label(of.grid, &choice)).map_err(here)?;
            let written: Vec<Value> = values(of.grid, &choice).cloned().collect();
            members.push(Member {
                values: written.iter().map(show).collect(),
                written,
                cell,
            });
        }
        self.plan.comparisons.push(Comparison {
            name,
            keys: of.grid.iter().map(|(key, _)| key.clone()).collect(),
            highlight: (of.highlight.iter())
                .filter_map(|v| members.iter().find(|m| m.written.first() == Some(v)))
                .map(|m| m.cell)
                .collect(),
            members,
        });
        Ok(())
    }

    /// Adds a cell unless an equal one is there; its number.
    fn add(&mut self, setting: Setting, label: String) -> Result<usize, Mistake> {
        let (setting, files) = resolve(setting, self.inputs)?;
        let hash = hash(&setting, &files);
        if let Some(&number) = self.known.get(&hash) {
            return Ok(number);
        }
        let number = self.plan.cells.len();
        self.known.insert(hash.clone(), number);
        self.plan.cells.push(Cell {
            number,
            listed: number,
            hash,
            label,
            setting,
            files,
        });
        Ok(number)
    }

    /// What of the plan a claim is about.
    pub(super) fn place(&self, index: usize, claim: &Claim) -> Result<ClaimTarget, Mistake> {
        let blame = |key: &str, message: String, hint: Option<String>| Mistake {
            path: vec!["claim".into(), index.to_string(), key.into()],
            message,
            hint,
        };
        if let Some(name) = &claim.along {
            let comparisons = &self.plan.comparisons;
            let of = comparisons.iter().position(|c| c.name == *name);
            let at = of.ok_or_else(|| {
                let near = nearest(name, comparisons.iter().map(|c| c.name.as_str()));
                blame(
                    "along",
                    format!("there is no comparison `{name}`"),
                    near.map(|n| format!("did you mean `{n}`?")),
                )
            })?;
            return match comparisons[at].numbers() {
                Some(numbers) if numbers.len() >= 2 => Ok(ClaimTarget::Along(at)),
                Some(_) | None => Err(blame(
                    "along",
                    format!("the comparison `{name}` does not vary one key over numbers"),
                    Some("a slope needs one key with at least two positive numbers".into()),
                )),
            };
        }
        let mut table = self.table.clone();
        for (key, value) in &claim.at {
            vary(&mut table, key, value.clone());
        }
        let setting = Setting::deserialize(table)
            .map_err(|e| blame("at", e.message().replace('\n', ", "), hint_for(e.message())))?;
        let here = |m: Mistake| blame("at", m.message, m.hint);
        setting.check().map_err(here)?;
        let (setting, files) = resolve(setting, self.inputs).map_err(here)?;
        let cell = self.known.get(&hash(&setting, &files));
        cell.map(|&number| ClaimTarget::Cell(number))
            .ok_or_else(|| {
                blame(
                    "at",
                    "no cell of this study has these settings".into(),
                    Some("put them into a `[[compare]]`".into()),
                )
            })
    }
}

/// A setting as the table that a study file would hold.
pub(super) fn table(setting: &Setting) -> Result<toml::Table, Mistake> {
    toml::Table::try_from(setting).map_err(|e| Mistake {
        path: Vec::new(),
        message: format!("a setting cannot be written as TOML: {e}"),
        hint: Some("whole numbers are below 2^63".into()),
    })
}

/// A product of lists to be added to a plan.
pub(super) struct Product<'a> {
    /// For messages.
    pub(super) what: String,
    /// The keys that lead to its lists.
    pub(super) path: Vec<String>,
    /// The values of each key.
    pub(super) grid: &'a [(String, Vec<Value>)],
    /// The values of the first key that the answer tells one by one.
    pub(super) highlight: &'a [Value],
}

impl Product<'_> {
    /// The mistake of a point: of the key that the message names, or of the last one, for want of
    /// better.
    fn blame(&self, choice: &[usize], message: &str, hint: Option<String>) -> Mistake {
        let mut values = self.grid.iter().zip(choice);
        let named = values
            .clone()
            .find(|((key, _), _)| message.contains(key.as_str()));
        let mut path = self.path.clone();
        if let Some(((key, _), c)) = named.or_else(|| values.next_back()) {
            path.extend([key.clone(), c.to_string()]);
        }
        Mistake {
            path,
            message: format!("in the {}: {message}", self.what),
            hint,
        }
    }
}

/// Every point of a product: which value of each key, and the document with these values put in.
/// The last key varies fastest; an empty grid has one point.
pub(super) fn product<'a>(
    grid: &'a [(String, Vec<Value>)],
    document: &'a toml::Table,
) -> impl Iterator<Item = (Vec<usize>, toml::Table)> + 'a {
    let sizes = grid.iter().map(|(_, v)| v.len());
    let total = sizes.fold(1usize, |all, size| all.saturating_mul(size));
    (0..total).map(move |point| {
        let mut rest = point;
        let mut choice = vec![0; grid.len()];
        for (c, (_, values)) in choice.iter_mut().zip(grid).rev() {
            *c = rest % values.len();
            rest /= values.len();
        }
        let mut table = document.clone();
        for ((key, values), &c) in grid.iter().zip(&choice) {
            vary(&mut table, key, values[c].clone());
        }
        (choice, table)
    })
}

/// The values of a point, as written.
pub(super) fn values<'a>(
    grid: &'a [(String, Vec<Value>)],
    choice: &'a [usize],
) -> impl Iterator<Item = &'a Value> {
    grid.iter().zip(choice).map(|((_, v), &c)| &v[c])
}

/// The two keys that say how long a replicate trains.
const STEPS: &str = "descent.steps";
const EPOCHS: &str = "descent.epochs";

/// Changes a key of a setting: steps take the place of epochs, as epochs do of steps wherever both
/// are there.
fn vary(table: &mut toml::Table, key: &str, value: Value) {
    put(table, key, value);
    if key == STEPS
        && let Some(Value::Table(descent)) = table.get_mut("descent")
    {
        descent.remove("epochs");
    }
}

/// Puts `value` at a dotted key, making tables on the way.
pub(crate) fn put(table: &mut toml::Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_string(), value);
        }
        Some((head, rest)) => {
            let inner = table
                .entry(head)
                .or_insert_with(|| toml::Table::new().into());
            if !inner.is_table() {
                *inner = toml::Table::new().into();
            }
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

//! The study as text: read with the place of every mistake, changed with its comments kept.

use super::Study;
use super::check::{Mistake, mistake};
use super::descent::BATCH_INSIDE;
use super::names::meant;
use crate::error::{Error, Place, nearest};
use crate::inputs::Inputs;
use crate::plan::{Cell, Plan};

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
        // The budget is one number: the other way of saying it goes.
        let other = match key.trim() {
            "descent.epochs" => Some("steps"),
            "descent.steps" => Some("epochs"),
            _ => None,
        };
        let descent = document.get_mut("descent");
        if let (Some(other), Some(table)) = (other, descent.and_then(|d| d.as_table_like_mut())) {
            table.remove(other);
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
        let mut study: Study =
            toml::from_str(&self.text).map_err(|e| self.toml_error(e.message(), e.span()))?;
        // What is written, and not what is the default, is asked.
        let written: Option<toml::Table> = toml::from_str(&self.text).ok();
        let is_written = |table: &str, key: &str| {
            let table = written.as_ref().and_then(|all| all.get(table));
            table.and_then(|table| table.get(key)).is_some()
        };
        let share = is_written("success", "share");
        study.asks_share = study.asks_share.or(Some(share));
        if is_written("descent", "steps") && is_written("descent", "epochs") {
            let both = mistake::<()>(
                "descent.epochs",
                "`steps` and `epochs` both say how long a replicate trains".into(),
                "one of them: an epoch has a step for each batch",
            );
            both.map_err(|mistake| self.mistake(mistake))?;
        }
        study.check().map_err(|mistake| self.mistake(mistake))?;
        Ok(study)
    }

    /// The plan of the study.
    ///
    /// # Errors
    ///
    /// [`Error::Study`] with line and column.
    pub fn plan(&self, inputs: &Inputs) -> Result<Plan, Error> {
        Plan::new(&self.study()?, inputs).map_err(|mistake| self.mistake(mistake))
    }

    /// The base cell of the study, whatever its comparisons are.
    ///
    /// # Errors
    ///
    /// [`Error::Study`] with line and column.
    pub fn base(&self, inputs: &Inputs) -> Result<Cell, Error> {
        let study = Study::of(self.study()?.setting);
        let plan = Plan::new(&study, inputs).map_err(|mistake| self.mistake(mistake))?;
        // A plan has its base cell, first.
        let mut cells = plan.cells;
        Ok(cells.swap_remove(0))
    }

    /// The candidates of the study's `[space]`, as [`Plan::choices`].
    ///
    /// # Errors
    ///
    /// [`Error::Study`] with line and column.
    pub fn choices(&self, inputs: &Inputs) -> Result<Vec<(String, Plan)>, Error> {
        Plan::choices(&self.study()?, inputs).map_err(|mistake| self.mistake(mistake))
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
    if let Some(batch) = message.strip_prefix(BATCH_INSIDE) {
        return Some(format!("`method = \"sgd\"`, and beside it {batch}"));
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.contains("unit variant") && message.contains("struct variant") {
        return Some(
            "this choice takes settings, if only an empty table: `method = { adam = {} }`".into(),
        );
    }
    if message == "wanted string or table" {
        let hint = "a name in quotes, or a table with one: `method = \"gd\"`, `{ norm = 1.0 }`";
        return Some(hint.into());
    }
    let (wrong, known) = quoted.split_first()?;
    if message.starts_with("invalid type") && message.contains("expected a sequence") {
        return Some(format!("a list, `[{wrong}]`"));
    }
    if !message.starts_with("unknown") {
        return None;
    }
    // A name that differs in its capitals alone is that name; others may be known elsewhere.
    let same = known.iter().any(|k| k.eq_ignore_ascii_case(wrong));
    let elsewhere = if same { None } else { meant(wrong, known) };
    let near = || nearest(wrong, known.iter().copied()).map(|k| format!("did you mean `{k}`?"));
    elsewhere.or_else(near)
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

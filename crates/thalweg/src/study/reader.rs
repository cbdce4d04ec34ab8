//! The study as text: read with the place of every mistake, changed with its comments kept.

use super::Study;
use super::check::{DEEPEST, Mistake, mistake};
use super::descent::BATCH_INSIDE;
use super::names::meant;
use crate::error::{Error, Place, nearest};
use crate::inputs::Inputs;
use crate::plan::{Cell, Plan, Sheet};

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
        let short: String = assignment.chars().take(SHOWN).collect();
        let usage = || Error::Study {
            message: format!("`{short}` is not `key=value`"),
            hint: Some("for instance `--set data.dim=5`".into()),
            place: None,
        };
        let (key, value) = assignment.split_once('=').ok_or_else(usage)?;
        let value = value.trim();
        let value: toml_edit::Value = match value.parse() {
            Ok(value) => value,
            Err(_) if is_number(value) => {
                return Err(Error::Study {
                    message: format!("`{short}`: the number is too large"),
                    hint: Some("whole numbers are below 2^63, others below 1.8e308".into()),
                    place: None,
                });
            }
            Err(_) => toml_edit::Value::from(value),
        };
        let mut document: toml_edit::DocumentMut = self
            .text
            .parse()
            .map_err(|e: toml_edit::TomlError| self.toml_error(e.message(), e.span()))?;
        let keys: Vec<&str> = key.trim().split('.').collect();
        let (last, tables) = keys.split_last().ok_or_else(usage)?;
        if keys.iter().any(|k| k.is_empty()) || keys.len() > DEEPEST {
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

    /// The maps of the study's `[map]`, as [`Sheet::of`]; none if it has none.
    ///
    /// # Errors
    ///
    /// [`Error::Study`] with line and column.
    pub fn sheets(&self, inputs: &Inputs) -> Result<Vec<Sheet>, Error> {
        Sheet::of(&self.study()?, inputs).map_err(|mistake| self.mistake(mistake))
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

    /// An error about a file that the text names, at the place where it is named.
    pub fn at_its_name(&self, name: &str, error: &Error) -> Error {
        let quoted = toml_edit::Value::from(name).to_string();
        let quoted = quoted.trim();
        let found = self.text.find(quoted);
        let place = found.map(|at| {
            let span = at..at + quoted.len();
            Box::new(Place::new(&self.name, &self.text, span))
        });
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            message = format!("{message}: {inner}");
            cause = inner.source();
        }
        Error::Study {
            message,
            hint: error.hint(),
            place,
        }
    }

    fn toml_error(&self, message: &str, span: Option<std::ops::Range<usize>>) -> Error {
        let place = span.map(|span| Box::new(Place::new(&self.name, &self.text, span)));
        Error::Study {
            message: said(message),
            hint: hint_for(message),
            place,
        }
    }
}

/// Characters of an argument that are shown.
const SHOWN: usize = 200;

/// Whether a text is written as a number, be it one or not.
fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.parse::<f64>().is_ok()
}

/// What serde says of a type, in the words of a study file.
fn said(message: &str) -> String {
    const TYPES: [(&str, &str); 9] = [
        ("expected usize", "expected a whole number from 0 on"),
        ("expected u64", "expected a whole number from 0 on"),
        ("expected u32", "expected a whole number from 0 on"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected a string", "expected a text in quotes"),
        ("expected a boolean", "expected true or false"),
        ("expected struct ", "expected a table: "),
        ("expected enum ", "expected a name in quotes: "),
    ];
    let mut said = message.replace('\n', ", ");
    for (theirs, ours) in TYPES {
        // A longer word begins as a shorter one does.
        let whole = said.find(theirs).is_some_and(|at| {
            let next = said[at + theirs.len()..].chars().next();
            theirs.ends_with(' ') || next.is_none_or(|c| !c.is_alphanumeric())
        });
        if whole {
            said = said.replacen(theirs, ours, 1);
        }
    }
    said
}

/// What to write instead of what serde did not know.
pub(crate) fn hint_for(message: &str) -> Option<String> {
    if let Some(batch) = message.strip_prefix(BATCH_INSIDE) {
        return Some(format!("`method = \"sgd\"`, and beside it {batch}"));
    }
    if message.starts_with("invalid type")
        && let Some((_, name)) = message.rsplit_once("expected struct ")
        && !name.starts_with("variant")
    {
        let name = name.to_lowercase();
        return Some(format!("a table: `[{name}]`, and its keys below it"));
    }
    if message.contains("recursion limit") {
        return Some(format!("a dotted key has at most {DEEPEST} parts"));
    }
    if message.contains("unit variant, expected newtype variant") {
        let hint = "this choice takes a value: `init = { uniform = [-1.0, 1.0] }`";
        return Some(hint.into());
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
    if message.starts_with("invalid type: floating point") && message.contains("expected u") {
        return Some("whole numbers are written without point and exponent: `100_000`".into());
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

//! The plan: the study resolved into cells, each fully specified and hashed.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

use crate::claim::Claim;
use crate::data::{Draw, Set};
use crate::descent::{Rate, Stop};
use crate::engine::Problem;
use crate::error::nearest;
use crate::inputs::Inputs;
use crate::net::{self, Init};
use crate::study::{At, Mistake, Replicates, Setting, Study, Value, hint_for};

/// Raised when the meaning of a setting changes: records of another meaning are not taken for new ones.
const MEANING: &str = "thalweg cell 2";

/// What will be run. Nothing in it is validated again.
///
/// It is written and never read back: what it holds of the inputs is no part of its text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The study's title.
    pub title: String,
    /// Every distinct cell; the base cell is number 0.
    pub cells: Vec<Cell>,
    /// Which cells each comparison sets side by side.
    pub comparisons: Vec<Comparison>,
    /// What others found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Placed>,
}

/// A claim, and what of this study it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placed {
    /// The claim.
    pub claim: Claim,
    /// What it is about.
    pub place: Place,
}

/// What of a study a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The cell of this number.
    Cell(usize),
    /// The comparison at this place in [`Plan::comparisons`].
    Along(usize),
}

/// One setting, fully resolved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Its place in [`Plan::cells`].
    pub number: usize,
    /// Content hash of everything that decides its results.
    pub hash: String,
    /// What differs from the base cell, as `key = value` without the name of the table; empty for the
    /// base cell.
    pub label: String,
    /// The setting.
    pub setting: Setting,
    #[serde(skip)]
    files: Files,
}

/// What a cell takes from the inputs.
#[derive(Debug, Clone, PartialEq, Default)]
struct Files {
    set: Option<Arc<Set>>,
    weights: Option<Arc<Vec<f64>>>,
}

/// A comparison of the study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Its name.
    pub name: String,
    /// The keys that vary.
    pub keys: Vec<String>,
    /// Its cells, in the order written.
    pub members: Vec<Member>,
    /// The cells that the answer tells one by one; empty if the study does not say.
    pub highlight: Vec<usize>,
}

/// A cell in a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// The value of each key, as it is shown.
    pub values: Vec<String>,
    /// The value of each key, as it is written.
    pub written: Vec<Value>,
    /// The cell's number.
    pub cell: usize,
}

impl Plan {
    /// Resolves a study with the data sets and weights that it names.
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if the study says something impossible, in its own setting, in a comparison, in a
    /// claim, or about an input; [`Source::plan`](crate::study::Source::plan) points at it in the text.
    pub fn new(study: &Study, inputs: &Inputs) -> Result<Plan, Mistake> {
        study.check()?;
        let mut builder = Builder::new(study.title.clone(), &study.setting, inputs)?;
        for (index, compare) in study.compare.iter().enumerate() {
            let product = Product {
                what: format!("comparison `{}`", compare.name),
                path: vec!["compare".into(), index.to_string()],
                grid: &compare.grid,
                highlight: &compare.highlight,
            };
            builder.compare(compare.name.clone(), &product)?;
        }
        for (index, claim) in study.claim.iter().enumerate() {
            let place = builder.place(index, claim)?;
            builder.plan.claims.push(Placed {
                claim: claim.clone(),
                place,
            });
        }
        Ok(builder.plan)
    }

    /// The candidates of the study's `[space]`: for each of its conditions, in words (empty without
    /// any), a plan whose cell 0 is the study's own setting and whose one comparison is the space.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`]; a [`Mistake`] if the study has no space.
    pub fn choices(study: &Study, inputs: &Inputs) -> Result<Vec<(String, Plan)>, Mistake> {
        study.check()?;
        let space = study.space.as_ref().ok_or_else(|| Mistake {
            path: Vec::new(),
            message: "the study has no `[space]` to choose from".into(),
            hint: Some("for instance `[space]` with `\"net.hidden\" = [[8], [8, 8]]`".into()),
        })?;
        let conditions: f64 = space.each.iter().map(|(_, v)| v.len() as f64).product();
        if conditions > 1000.0 {
            return Err(Mistake {
                path: vec!["space".into(), "each".into()],
                message: format!("{conditions} conditions are more than 1000"),
                hint: Some("shorten its lists".into()),
            });
        }
        let table = table(&study.setting)?;
        let mut all = Vec::new();
        for (choice, table) in product(&space.each, &table) {
            let condition = label(&space.each, &choice);
            let blame = |at: String, message: String, hint: Option<String>| Mistake {
                path: vec!["space".into(), "each".into()],
                message: format!("for {condition}: {at}: {message}"),
                hint,
            };
            let setting = Setting::deserialize(table).map_err(|e| {
                let message = e.message().replace('\n', ", ");
                blame("space".into(), message, hint_for(e.message()))
            })?;
            setting
                .check()
                .map_err(|m| blame(m.path.join("."), m.message, m.hint))?;
            let mut builder = Builder::new(study.title.clone(), &setting, inputs)?;
            let product = Product {
                what: "space".into(),
                path: vec!["space".into()],
                grid: &space.grid,
                highlight: &[],
            };
            builder.compare("space".into(), &product)?;
            all.push((condition, builder.plan));
        }
        Ok(all)
    }
}

/// A plan that is being made.
struct Builder<'a> {
    plan: Plan,
    inputs: &'a Inputs,
    /// The base cell as written, which comparisons change.
    table: toml::Table,
    /// The number of each cell by its hash.
    known: HashMap<String, usize>,
}

impl<'a> Builder<'a> {
    /// The plan of one setting.
    fn new(title: String, setting: &Setting, inputs: &'a Inputs) -> Result<Builder<'a>, Mistake> {
        let mut builder = Builder {
            plan: Plan {
                title,
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
    fn compare(&mut self, name: String, of: &Product<'_>) -> Result<(), Mistake> {
        let sizes: Vec<usize> = of.grid.iter().map(|(_, v)| v.len()).collect();
        let total = sizes
            .iter()
            .fold(1usize, |all, size| all.saturating_mul(*size));
        if total > 100_000 {
            return Err(Mistake {
                path: of.path.clone(),
                message: format!("the {} has {total} cells, more than 1e5", of.what),
                hint: Some("shorten its lists".into()),
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
            hash,
            label,
            setting,
            files,
        });
        Ok(number)
    }

    /// What of the plan a claim is about.
    fn place(&self, index: usize, claim: &Claim) -> Result<Place, Mistake> {
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
                Some(numbers) if numbers.len() >= 2 => Ok(Place::Along(at)),
                Some(_) | None => Err(blame(
                    "along",
                    format!("the comparison `{name}` does not vary one key over numbers"),
                    Some("a slope needs one key with at least two positive numbers".into()),
                )),
            };
        }
        let mut table = self.table.clone();
        for (key, value) in &claim.at {
            put(&mut table, key, value.clone());
        }
        let setting = Setting::deserialize(table)
            .map_err(|e| blame("at", e.message().replace('\n', ", "), hint_for(e.message())))?;
        let here = |m: Mistake| blame("at", m.message, m.hint);
        setting.check().map_err(here)?;
        let (setting, files) = resolve(setting, self.inputs).map_err(here)?;
        let cell = self.known.get(&hash(&setting, &files));
        cell.map(|&number| Place::Cell(number)).ok_or_else(|| {
            blame(
                "at",
                "no cell of this study has these settings".into(),
                Some("put them into a `[[compare]]`".into()),
            )
        })
    }
}

/// A setting as the table that a study file would hold.
fn table(setting: &Setting) -> Result<toml::Table, Mistake> {
    toml::Table::try_from(setting).map_err(|e| Mistake {
        path: Vec::new(),
        message: format!("a setting cannot be written as TOML: {e}"),
        hint: Some("whole numbers are below 2^63".into()),
    })
}

/// A setting whose sizes and number of replicates are those that are run, and what it takes from the
/// inputs.
fn resolve(mut setting: Setting, inputs: &Inputs) -> Result<(Setting, Files), Mistake> {
    if let Draw::Crossed(of) = setting.data.draw {
        setting.replicates = Replicates::Fixed(of.sets * of.weights);
    }
    let mut files = Files::default();
    if let Some(name) = &setting.data.file {
        let set = inputs.data(name)?;
        setting.data.points = set.y.len();
        setting.data.dim = set.x.len() / set.y.len();
        setting.data.draw = Draw::Once;
        files.set = Some(set);
        setting.check_size()?;
    }
    if let Init::File(name) = &setting.net.init {
        let tensors = net::tensors(&setting.net, setting.data.dim);
        files.weights = Some(Arc::new(inputs.weights(name, &tensors)?));
    }
    Ok((setting, files))
}

impl Comparison {
    /// Its cells by the number that its one varying key takes, as [`Comparison::along`].
    pub fn numbers(&self) -> Option<Vec<(f64, usize)>> {
        let first = self.members.first()?;
        let varies = |k: &usize| (self.members.iter()).any(|m| m.written[*k] != first.written[*k]);
        let mut keys = (0..self.keys.len()).filter(varies);
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return None;
        };
        self.along(key)
    }

    /// Its cells by the positive number that the value of the key at this place is or holds
    /// (`{ cosine = 3 }`), or that all entries of a list are, or by its length if lists of the same
    /// entry differ in that; none if values are not of one kind (a rate and a share of the limit), or
    /// two are the same.
    pub fn along(&self, key: usize) -> Option<Vec<(f64, usize)>> {
        let all = self
            .members
            .iter()
            .map(|m| Some((amount(&m.written[key])?, m.cell)));
        let all = all.collect::<Option<Vec<_>>>()?;
        let first = all.first()?.0.clone();
        if all.iter().any(|(a, _)| a.kind != first.kind) {
            return None;
        }
        let one_length = all.iter().all(|(a, _)| a.length == first.length);
        let same = |a: &Amount| a.entry.to_bits() == first.entry.to_bits();
        let one_entry = all.iter().all(|(a, _)| same(a));
        let by = |of: fn(&Amount) -> f64| all.iter().map(|(a, m)| (of(a), *m)).collect();
        let mut at: Vec<(f64, usize)> = match (one_length, one_entry) {
            (true, _) => by(|a| a.entry),
            (false, true) => by(|a| a.length as f64),
            (false, false) => return None,
        };
        if at.iter().any(|(v, _)| *v <= 0.0) {
            return None;
        }
        at.sort_by(|a, b| a.0.total_cmp(&b.0));
        at.windows(2).all(|p| p[0].0 < p[1].0).then_some(at)
    }
}

/// The number in a value.
#[derive(Clone)]
struct Amount {
    /// The keys that lead to it, or that it is a list.
    kind: Vec<String>,
    entry: f64,
    /// Of a list of equal entries, else 1.
    length: usize,
}

fn amount(value: &Value) -> Option<Amount> {
    let single = |entry: f64| {
        Some(Amount {
            kind: Vec::new(),
            entry,
            length: 1,
        })
    };
    match value {
        Value::Integer(i) => single(*i as f64),
        Value::Float(v) => single(*v),
        Value::Table(of) => {
            let mut entries = of.iter();
            let (Some((key, inner)), None) = (entries.next(), entries.next()) else {
                return None;
            };
            let mut inner = amount(inner)?;
            inner.kind.insert(0, key.clone());
            Some(inner)
        }
        Value::Array(of) => {
            let all: Option<Vec<Amount>> = of.iter().map(amount).collect();
            let all = all?;
            let first = all.first()?;
            let alike =
                |a: &Amount| a.kind.is_empty() && a.entry.to_bits() == first.entry.to_bits();
            all.iter().all(alike).then(|| Amount {
                kind: vec!["[".into()],
                entry: first.entry,
                length: all.len(),
            })
        }
        Value::String(_) | Value::Boolean(_) | Value::Datetime(_) => None,
    }
}

/// The content hash of everything that decides a cell's results.
fn hash(setting: &Setting, files: &Files) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(MEANING.as_bytes());
    let set = files.set.iter().flat_map(|set| set.x.iter().chain(&set.y));
    let weights = files.weights.iter().flat_map(|weights| weights.iter());
    set.chain(weights).for_each(|v| {
        hasher.update(&v.to_le_bytes());
    });
    hasher.update(
        serde_json::to_string(setting)
            .unwrap_or_default()
            .as_bytes(),
    );
    hasher.finalize().to_hex()[..16].to_string()
}

/// A product of lists to be added to a plan.
struct Product<'a> {
    /// For messages.
    what: String,
    /// The keys that lead to its lists.
    path: Vec<String>,
    grid: &'a [(String, Vec<Value>)],
    highlight: &'a [Value],
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

/// Every point of a product: which value of each key, and the document with these values put in. The
/// last key varies fastest; an empty grid has one point.
fn product<'a>(
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
            put(&mut table, key, values[c].clone());
        }
        (choice, table)
    })
}

/// The values of a point, as written.
fn values<'a>(
    grid: &'a [(String, Vec<Value>)],
    choice: &'a [usize],
) -> impl Iterator<Item = &'a Value> {
    grid.iter().zip(choice).map(|((_, v), &c)| &v[c])
}

/// A point in words: `key = value` without the name of the table.
fn label(grid: &[(String, Vec<Value>)], choice: &[usize]) -> String {
    let parts: Vec<String> = grid
        .iter()
        .zip(values(grid, choice))
        .map(|((key, _), value)| {
            let last = key.rsplit('.').next().unwrap_or(key);
            format!("{last} = {}", show(value))
        })
        .collect();
    parts.join(", ")
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

/// A value as it is shown in tables: strings bare, the rest as TOML.
fn show(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Table(t) => {
            let parts: Vec<String> = t
                .iter()
                .map(|(k, v)| format!("{k} {}", show(v)).trim_end().to_string())
                .collect();
            parts.join(", ")
        }
        // Deep networks of one width would fill a table with it.
        Value::Array(all) if all.len() > 4 && all.windows(2).all(|p| p[0] == p[1]) => {
            format!("[{} × {}]", all.len(), show(&all[0]))
        }
        other => other.to_string(),
    }
}

impl Cell {
    /// Dimension of the inputs.
    pub fn dim(&self) -> usize {
        self.setting.data.dim
    }

    /// The same setting on the draws of another seed, with the hash that a plan gives it.
    pub fn reseeded(&self, seed: u64) -> Cell {
        let mut cell = self.clone();
        cell.setting.seed = seed;
        cell.hash = hash(&cell.setting, &cell.files);
        cell
    }

    /// The training set of a replicate.
    pub fn set(&self, replicate: u64) -> Set {
        self.setting
            .data
            .set(self.setting.seed, replicate, self.files.set.as_deref())
    }

    /// The initial effective weights of a replicate.
    pub fn weights(&self, replicate: u64) -> Vec<f64> {
        let file = self.files.weights.as_ref().map(|w| w.as_slice());
        let (_, index) = self.setting.data.draw.indices(replicate);
        self.setting
            .net
            .draw(self.dim(), self.setting.seed, index, file)
    }

    /// The training problem, as engines take it.
    pub fn problem(&self) -> Problem {
        let Setting {
            data,
            net,
            descent,
            success,
            ..
        } = &self.setting;
        let tensors = net::tensors(net, data.dim);
        let layer = |l: usize| descent.layer_rates.as_ref().map_or(1.0, |r| r[l]);
        Problem {
            sizes: net::sizes(net, data.dim),
            rate_factors: tensors.iter().map(|t| layer(t.layer)).collect(),
            multipliers: net.multipliers(data.dim),
            tensors,
            activation: net.activation,
            bias: net.bias,
            points: data.points,
            method: descent.method,
            loss: descent.loss,
            steps: descent.steps,
            run_all: descent.stop == Stop::Never,
            loss_below: success.loss_below,
            precision: descent.precision,
            grid: Arc::from(log_steps(descent.steps, 20)),
        }
    }

    /// The weight of each parameter's gradient in the tangent kernel: (rate factor) · (multiplier)².
    pub fn kernel_weights(&self) -> Vec<f64> {
        let problem = self.problem();
        let pairs = problem.rate_factors.iter().zip(&problem.multipliers);
        pairs.map(|(r, m)| r * m * m).collect()
    }

    /// Multiply-adds of one step: 3 N × weights, less the input layer's backward product.
    pub fn step_work(&self) -> f64 {
        let sizes = net::sizes(&self.setting.net, self.dim());
        let products: Vec<usize> = sizes.windows(2).map(|p| p[0] * p[1]).collect();
        let work = 3 * products.iter().sum::<usize>() - products[0];
        (self.setting.data.points * work) as f64
    }

    /// Whether the rate depends on the initial kernel.
    pub fn needs_limit(&self) -> bool {
        matches!(self.setting.descent.rate, Rate::OfLimit(_))
    }

    /// The steps between start and end at which a replicate is looked at, increasing.
    pub fn look_steps(&self) -> Vec<u64> {
        let steps = self.setting.descent.steps;
        let mut all = Vec::new();
        for at in &self.setting.look.at {
            match *at {
                At::Start | At::End => {}
                At::Log => all.extend(log_steps(steps, 3).into_iter().skip(1)),
                // A bound on memory: at most a thousand looks at one replicate.
                At::Every(n) => all.extend((1..=1000).map(|i| i * n).take_while(|&s| s <= steps)),
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a replicate is looked at.
    pub fn looks_at(&self, replicate: u64) -> bool {
        replicate < self.setting.look.replicates && !self.setting.look.at.is_empty()
    }

    /// One line that says what the cell is.
    pub fn describe(&self) -> String {
        if self.label.is_empty() {
            "base".to_string()
        } else {
            self.label.clone()
        }
    }
}

/// 0, then about `per_decade` steps in every decade, then `last`.
pub fn log_steps(last: u64, per_decade: u32) -> Vec<u64> {
    let mut all = vec![0];
    let mut i = 0;
    loop {
        let step = libm::round(libm::pow(10.0, f64::from(i) / f64::from(per_decade))) as u64;
        if step >= last {
            break;
        }
        if all.last() != Some(&step) {
            all.push(step);
        }
        i += 1;
    }
    if last > 0 {
        all.push(last);
    }
    all
}

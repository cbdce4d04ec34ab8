//! Data sets and initial weights by the names that a study gives them, wherever they come from.

mod table;
mod weights;

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::data::{Columns, Set};
use crate::engine::Tensor;
use crate::net::Init;
use crate::plan::put;
use crate::study::{Mistake, Setting, Study};

pub use table::{Field, Table};

/// What a study names and does not hold itself: the training sets of `data.file`, the initial
/// weights of `net.init.file`.
///
/// They are read from files by a front end, or made in memory:
///
/// ```
/// use thalweg::data::{Data, Set};
/// use thalweg::{Inputs, Plan, Setting, Study};
///
/// let set = Set { points: 3, x: vec![0.0, 0.5, 1.0], y: vec![1.0, 0.0, 1.0] };
/// let inputs = Inputs::default().with_data("mine", set)?;
/// let study = Study::of(Setting {
///     data: Data { file: Some("mine".into()), ..Data::default() },
///     ..Setting::default()
/// });
/// let plan = Plan::new(&study, &inputs)?;
/// assert_eq!(plan.cells[0].problem().points, 3);
/// # Ok::<(), thalweg::study::Mistake>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inputs {
    data: BTreeMap<String, Given>,
    weights: BTreeMap<String, Vec<Array>>,
}

/// What is given under a name.
#[derive(Debug, Clone, PartialEq)]
enum Given {
    /// One for all replicates, or one for each.
    Sets(Arc<[Set]>),
    /// Of which each cell chooses its columns.
    Table(Table),
}

/// The initial weights that a file gives a network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    /// Effective weights, flat: those of all replicates, or of one after the other.
    pub(crate) flat: Vec<Vec<f64>>,
    /// Arrays of other names than their tensors, and these tensors.
    pub(crate) renamed: Vec<(String, String)>,
}

/// A named array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its name, for instance `0.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, the last axis fastest.
    pub values: Vec<f64>,
}

/// The names that a study gives to what it does not hold itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Of training sets.
    pub data: BTreeSet<String>,
    /// Of initial weights.
    pub weights: BTreeSet<String>,
}

impl Names {
    /// All names in a study, those in its comparisons, claims and its space included.
    pub fn of(study: &Study) -> Names {
        let mut names = Names::default();
        names.add(&study.setting);
        let Ok(table) = toml::Table::try_from(&study.setting) else {
            return names;
        };
        let compared = study.compare.iter().flat_map(|c| &c.grid);
        let chosen = study
            .space
            .iter()
            .flat_map(|s| s.each.iter().chain(&s.grid));
        let lists = compared.chain(chosen);
        let claimed = study.claim.iter().flat_map(|c| &c.at);
        // A name is one value at one key, so values are tried one at a time, not their product.
        let values = lists.flat_map(|(key, values)| values.iter().map(move |v| (key, v)));
        for (key, value) in values.chain(claimed) {
            let mut table = table.clone();
            put(&mut table, key, value.clone());
            // What makes no sense here is a mistake of the plan, which says so.
            if let Ok(setting) = Setting::deserialize(table) {
                names.add(&setting);
            }
        }
        names
    }

    fn add(&mut self, setting: &Setting) {
        self.data.extend(setting.data.file.clone());
        self.data
            .extend(setting.test.iter().filter_map(|test| test.file.clone()));
        match &setting.net.init {
            Init::File(name) => {
                self.weights.insert(name.clone());
            }
            Init::Pytorch
            | Init::XavierUniform
            | Init::XavierNormal
            | Init::KaimingUniform
            | Init::KaimingNormal
            | Init::LecunNormal
            | Init::Orthogonal
            | Init::Normal { .. }
            | Init::Uniform(_)
            | Init::WeightStd(_)
            | Init::Constant(_) => {}
        }
    }
}

/// A mistake in what was handed over under a name.
fn wrong<T>(name: &str, message: &str, hint: &str) -> Result<T, Mistake> {
    Err(Mistake {
        path: vec![name.to_string()],
        message: message.into(),
        hint: Some(hint.into()),
    })
}

/// That a training set has points, x [N, d], y [N, k], and finite numbers.
fn check_set(name: &str, set: &Set) -> Result<(), Mistake> {
    for (numbers, what) in [(set.x.len(), "inputs"), (set.y.len(), "targets")] {
        let n = set.points;
        if numbers == 0 || n == 0 || numbers % n != 0 {
            let message = format!("{numbers} numbers are no {what} of {n} training points");
            return wrong(name, &message, "x is [N, d] row by row, y is [N] or [N, k]");
        }
    }
    let bad = |(x, y): (&[f64], &[f64])| x.iter().chain(y).any(|v| !v.is_finite());
    let rows = set.x.chunks_exact(set.dim());
    if let Some(row) = rows.zip(set.y.chunks_exact(set.outputs())).position(bad) {
        let message = format!("training point {} is not finite", row + 1);
        return wrong(name, &message, "all of x and y are finite numbers");
    }
    Ok(())
}

impl Inputs {
    /// With a training set under the name that `data.file` gives it.
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if it has no point, x is not [N, d], y not [N, k], or a number is not
    /// finite.
    pub fn with_data(self, name: impl Into<String>, set: Set) -> Result<Inputs, Mistake> {
        self.with_stack(name, vec![set])
    }

    /// With a training set for each replicate, all of the same shape, under the name that
    /// `data.file` gives them.
    ///
    /// # Errors
    ///
    /// As [`Inputs::with_data`]; if there is none, or their shapes differ.
    pub fn with_stack(
        mut self,
        name: impl Into<String>,
        sets: Vec<Set>,
    ) -> Result<Inputs, Mistake> {
        let name = name.into();
        for set in &sets {
            check_set(&name, set)?;
        }
        let shape = |set: &Set| (set.points, set.dim(), set.outputs());
        let shapes: BTreeSet<_> = sets.iter().map(shape).collect();
        if shapes.len() != 1 {
            let message = format!("{} training sets have not one shape", sets.len());
            return wrong(&name, &message, "x is [R, N, d], y is [R, N] or [R, N, k]");
        }
        self.data.insert(name, Given::Sets(sets.into()));
        Ok(self)
    }

    /// With a table under the name that `data.file` gives it, of which `data.columns` says what are
    /// inputs and what are targets.
    pub fn with_table(mut self, name: impl Into<String>, table: Table) -> Inputs {
        self.data.insert(name.into(), Given::Table(table));
        self
    }

    /// With initial weights under the name that `net.init.file` gives them: arrays with the shapes
    /// of PyTorch's `state_dict`. Their names are those of `nn.Sequential`, or are matched to them:
    /// a common prefix is left out, and layers are told apart by shapes and numbers.
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if an array does not have the numbers of its shape, or one that is not finite.
    pub fn with_weights(
        mut self,
        name: impl Into<String>,
        arrays: Vec<Array>,
    ) -> Result<Inputs, Mistake> {
        let name = name.into();
        for array in &arrays {
            let size = array
                .shape
                .iter()
                .try_fold(1usize, |n, k| n.checked_mul(*k));
            let (tensor, held) = (&array.name, array.values.len());
            if size != Some(held) {
                let shape = &array.shape;
                let message = format!("`{tensor}` of shape {shape:?} has {held} numbers");
                return wrong(&name, &message, "as many as its shape says");
            }
            if array.values.iter().any(|v| !v.is_finite()) {
                let message = format!("holds a value that is not finite in `{tensor}`");
                return wrong(&name, &message, "all weights are finite numbers");
            }
        }
        self.weights.insert(name, arrays);
        Ok(self)
    }

    /// The training set of these columns of what has this name.
    pub(crate) fn data(
        &self,
        name: &str,
        columns: Option<&Columns>,
    ) -> Result<Arc<[Set]>, Mistake> {
        self.sets("data", name, columns)
    }

    /// The same of the test set that has this name.
    pub(crate) fn test(&self, name: &str, columns: Option<&Columns>) -> Result<Arc<Set>, Mistake> {
        let sets = self.sets("test", name, columns)?;
        match &sets[..] {
            [one] => Ok(Arc::new(one.clone())),
            all => Err(Mistake {
                path: vec!["test".into(), "file".into()],
                message: format!("`{name}` holds {} sets of test points", all.len()),
                hint: Some("one set of test points is for all replicates".into()),
            }),
        }
    }

    fn sets(&self, of: &str, name: &str, columns: Option<&Columns>) -> Result<Arc<[Set]>, Mistake> {
        let wrong = |key: &str, message: String, hint: String| Mistake {
            path: match key {
                "file" => vec![of.into(), key.into()],
                _ => vec!["data".into(), key.into()],
            },
            message,
            hint: Some(hint),
        };
        match self.data.get(name) {
            Some(Given::Sets(sets)) if columns.is_none() => Ok(sets.clone()),
            Some(Given::Sets(_)) => Err(wrong(
                "columns",
                format!("`{name}` was given as x and y, without names of columns"),
                "leave `columns` out".into(),
            )),
            Some(Given::Table(table)) => {
                table
                    .choose(columns)
                    .map(Arc::from)
                    .map_err(|(message, hint)| {
                        let key = if columns.is_some() { "columns" } else { "file" };
                        wrong(key, format!("`{name}` {message}"), hint)
                    })
            }
            None => Err(wrong(
                "file",
                format!(
                    "no {} set `{name}` was given",
                    if of == "test" { "test" } else { "training" }
                ),
                format!("hand it over: `Inputs::with_data(\"{name}\", …)`"),
            )),
        }
    }

    /// The flat weights of this name for a network of these tensors, and the arrays that have
    /// another name than their tensor.
    pub(crate) fn weights(&self, name: &str, tensors: &[Tensor]) -> Result<Weights, Mistake> {
        let wrong = |message: String, hint: String| Mistake {
            path: vec!["net".into(), "init".into()],
            message,
            hint: Some(hint),
        };
        let arrays = self.weights.get(name).ok_or_else(|| {
            wrong(
                format!("no weights `{name}` were given"),
                format!("hand them over: `Inputs::with_weights(\"{name}\", …)`"),
            )
        })?;
        let stack = weights::unstacked(arrays).map_err(|message| {
            let hint = "arrays of a stack have one more axis, the first, of one length".into();
            wrong(format!("`{name}` {message}"), hint)
        })?;
        let arrays = &stack[0];
        let found = weights::matched(arrays, tensors).map_err(|message| {
            let wanted: Vec<String> = tensors
                .iter()
                .map(|t| format!("{} {:?}", t.name, t.shape))
                .collect();
            wrong(
                format!("`{name}` {message}"),
                format!("the network of the study needs {}", wanted.join(", ")),
            )
        })?;
        // All of a stack are ordered as the first.
        let places: Vec<usize> = found
            .iter()
            .filter_map(|a| arrays.iter().position(|b| a.name == b.name))
            .collect();
        let order = |of_one: &[Array]| -> Vec<f64> {
            let ordered = places.iter().flat_map(|&i| &of_one[i].values);
            ordered.copied().collect()
        };
        let renamed = found.iter().zip(tensors).filter(|(a, t)| a.name != t.name);
        Ok(Weights {
            renamed: renamed
                .map(|(a, t)| (a.name.clone(), t.name.clone()))
                .collect(),
            flat: stack.iter().map(|of_one| order(of_one)).collect(),
        })
    }
}

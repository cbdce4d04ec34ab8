//! Data sets and initial weights by the names that a study gives them, wherever they come from.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::data::Set;
use crate::engine::Tensor;
use crate::net::Init;
use crate::plan::put;
use crate::study::{Mistake, Setting, Study};

/// What a study names and does not hold itself: the training sets of `data.file`, the initial
/// weights of `net.init.file`.
///
/// They are read from files by a front end, or made in memory:
///
/// ```
/// use thalweg::data::{Data, Set};
/// use thalweg::{Inputs, Plan, Setting, Study};
///
/// let set = Set { x: vec![0.0, 0.5, 1.0], y: vec![1.0, 0.0, 1.0] };
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
    data: BTreeMap<String, Arc<Set>>,
    weights: BTreeMap<String, Vec<Array>>,
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

impl Inputs {
    /// With a training set under the name that `data.file` gives it.
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if it has no row or no column, x is not [N, d] for the N numbers of y, or a
    /// number is not finite.
    pub fn with_data(mut self, name: impl Into<String>, set: Set) -> Result<Inputs, Mistake> {
        let name = name.into();
        let (x, y) = (set.x.len(), set.y.len());
        if y == 0 || x == 0 || x % y != 0 {
            let message = format!("{x} numbers are no inputs of {y} training points");
            return wrong(&name, &message, "x is [N, d] row by row, y is [N]");
        }
        let d = x / y;
        let bad = |(row, y): (&[f64], &f64)| !y.is_finite() || row.iter().any(|v| !v.is_finite());
        if let Some(row) = set.x.chunks_exact(d).zip(&set.y).position(bad) {
            let message = format!("training point {} is not finite", row + 1);
            return wrong(&name, &message, "all of x and y are finite numbers");
        }
        self.data.insert(name, Arc::new(set));
        Ok(self)
    }

    /// With initial weights under the name that `net.init.file` gives them: arrays with the names
    /// and shapes of PyTorch's `state_dict`.
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

    /// The training set of this name.
    pub(crate) fn data(&self, name: &str) -> Result<Arc<Set>, Mistake> {
        self.data.get(name).cloned().ok_or_else(|| Mistake {
            path: vec!["data".into(), "file".into()],
            message: format!("no training set `{name}` was given"),
            hint: Some(format!("hand it over: `Inputs::with_data(\"{name}\", …)`")),
        })
    }

    /// The flat weights of this name for a network of these tensors.
    pub(crate) fn weights(&self, name: &str, tensors: &[Tensor]) -> Result<Vec<f64>, Mistake> {
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
        flat(arrays, tensors).map_err(|message| {
            let wanted: Vec<String> = tensors
                .iter()
                .map(|t| format!("{} {:?}", t.name, t.shape))
                .collect();
            wrong(
                format!("`{name}` {message}"),
                format!("the network of the study needs {}", wanted.join(", ")),
            )
        })
    }
}

/// The flat weights of exactly these tensors, or what does not fit.
fn flat(arrays: &[Array], tensors: &[Tensor]) -> Result<Vec<f64>, String> {
    let superfluous = |a: &&Array| tensors.iter().all(|t| t.name != a.name);
    if let Some(array) = arrays.iter().find(superfluous) {
        let name = &array.name;
        return Err(format!("holds `{name}`, which the network does not have"));
    }
    let mut all = Vec::new();
    for tensor in tensors {
        let name = &tensor.name;
        let array = arrays
            .iter()
            .find(|a| a.name == *name)
            .ok_or_else(|| format!("has no tensor `{name}`"))?;
        if array.shape != tensor.shape {
            return Err(format!("holds `{name}` of shape {:?}", array.shape));
        }
        all.extend(&array.values);
    }
    Ok(all)
}

//! A cell: one setting, fully resolved and hashed, and the draws of its replicates.

use std::sync::Arc;

use serde::Serialize;

use super::memory::{Memory, check_memory, memory};

use crate::data::{Draw, MANY_TARGETS, Scaling, Set};
use crate::descent::{Method, Rate, Stop};
use crate::engine::Problem;
use crate::error::Error;
use crate::inputs::{Inputs, Weights};
use crate::net::{self, Init, Output};
use crate::study::{At, Mistake, Replicates, Setting, TestSet, mistake};

/// Raised when the meaning of a setting changes: records of another meaning are not taken for new
/// ones.
const MEANING: &str = "thalweg cell 2";

/// The meaning of settings that meant something else under [`MEANING`]: `of_limit` beside a rule
/// with memory was a share of plain descent's limit. Records of all others stay what they are.
const MEANING_OF_LIMIT: &str = "thalweg cell 3";

/// The meaning of `of_limit` with many targets, since the largest eigenvalue is found without all
/// others: rates differ in the last digits.
const MEANING_OF_LIMIT_OF_MANY: &str = "thalweg cell 4";

/// What is hashed before a setting.
fn meaning(setting: &Setting) -> &'static str {
    let many = setting.data.targets_in_all() > MANY_TARGETS;
    if many && matches!(setting.descent.rate, Rate::OfLimit(_)) {
        return MEANING_OF_LIMIT_OF_MANY;
    }
    match (setting.descent.rate, setting.descent.method) {
        (Rate::OfLimit(_), Method::Momentum { .. } | Method::Nesterov { .. }) => MEANING_OF_LIMIT,
        (Rate::OfLimit(_), Method::Gd | Method::Adam { .. } | Method::AdamW { .. })
        | (
            Rate::Absolute(_),
            Method::Gd
            | Method::Momentum { .. }
            | Method::Nesterov { .. }
            | Method::Adam { .. }
            | Method::AdamW { .. },
        ) => MEANING,
    }
}

/// One setting, fully resolved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Its place in [`Plan::cells`](super::Plan::cells).
    pub number: usize,
    /// Its number in the study, by which files and commands know it: the same as `number`, but in
    /// a [`part`](super::Plan::part) of a plan.
    #[serde(skip)]
    pub listed: usize,
    /// Content hash of everything that decides its results.
    pub hash: String,
    /// What differs from the base cell, as `key = value` without the name of the table; empty for
    /// the base cell.
    pub label: String,
    /// The setting.
    pub setting: Setting,
    #[serde(skip)]
    pub(super) files: Files,
}

/// What a cell takes from the inputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Files {
    sets: Option<Arc<[Set]>>,
    test: Option<Arc<Set>>,
    weights: Option<Arc<Weights>>,
}

impl Cell {
    /// The cell of a setting, of no plan.
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if it says something impossible.
    pub(crate) fn alone(setting: Setting, inputs: &Inputs) -> Result<Cell, Mistake> {
        setting.check()?;
        let (setting, files) = resolve(setting, inputs)?;
        Ok(Cell {
            number: 0,
            listed: 0,
            hash: hash(&setting, &files),
            label: String::new(),
            setting,
            files,
        })
    }

    /// Dimension of the inputs.
    pub fn dim(&self) -> usize {
        self.setting.data.dim
    }

    /// Outputs of the network.
    pub fn outputs(&self) -> usize {
        self.setting.data.outputs
    }

    /// s of the loss.
    pub fn loss_factor(&self) -> f64 {
        let targets = self.setting.data.targets_in_all();
        self.setting.descent.loss.factor(targets)
    }

    /// No weights that succeed have a loss above this.
    pub fn loss_at_most(&self) -> f64 {
        let targets = self.setting.data.targets_in_all();
        let loss = self.setting.descent.loss;
        self.setting.success.loss_at_most(loss, targets)
    }

    /// Whether squared residuals of linear outputs are minimised, as most theorems have it.
    pub fn is_regression(&self) -> bool {
        self.setting.descent.loss.is_squared() && self.setting.net.output == Output::Identity
    }

    /// Bytes that this cell takes, from its sizes.
    pub fn memory(&self) -> Memory {
        memory(&self.setting)
    }

    /// Numbers in its network.
    pub fn parameters(&self) -> usize {
        net::parameters(&self.setting.net, self.dim(), self.outputs())
    }

    /// The same setting on the draws of another seed, with the hash that a plan gives it.
    pub fn reseeded(&self, seed: u64) -> Cell {
        let mut cell = self.clone();
        cell.setting.seed = seed;
        cell.hash = hash(&cell.setting, &cell.files);
        cell
    }

    /// How many training sets or initial weights were given, where each replicate has its own of
    /// them: there are no others. None where replicates can be drawn without end.
    pub fn given(&self) -> Option<u64> {
        let sets = self.files.sets.as_ref().map(|sets| sets.len());
        let weights = self.files.weights.as_ref().map(|w| w.flat.len());
        let many = [sets, weights].into_iter().flatten().filter(|n| *n > 1);
        many.min().map(|n| n as u64)
    }

    /// That replicates can be drawn without end.
    ///
    /// # Errors
    ///
    /// [`Error::Study`] if what they begin with was given for each.
    pub(crate) fn check_endless(&self, what: &str) -> Result<(), Error> {
        let Some(given) = self.given() else {
            return Ok(());
        };
        Err(Error::Study {
            message: format!(
                "{what} rests on draws without end, and there are {given} given training sets or \
                 initial weights"
            ),
            hint: Some("`thalweg run` trains those; or give one set, or a law".into()),
            place: None,
        })
    }

    /// The given training set of a replicate.
    fn given_set(&self, replicate: u64) -> Option<&Set> {
        let sets = self.files.sets.as_ref()?;
        let (index, _) = self.setting.data.draw.indices(replicate);
        Some(&sets[(index % sets.len() as u64) as usize])
    }

    /// The training set of a replicate.
    pub fn set(&self, replicate: u64) -> Set {
        let given = self.given_set(replicate);
        self.setting.data.set(self.setting.seed, replicate, given)
    }

    /// The test points that belong to the training set of a replicate; none if none are asked for.
    pub fn test_set(&self, replicate: u64) -> Option<TestSet> {
        let test = self.setting.test.as_ref()?;
        Some(self.setting.data.test_set(
            test,
            (self.setting.seed, replicate),
            self.given_set(replicate),
            self.files.test.as_deref(),
        ))
    }

    /// What lies between the two classes of its targets; none where they are no classes.
    pub fn boundary(&self) -> Option<f64> {
        self.setting.data.boundary(self.files.sets.as_deref())
    }

    /// How many test points there are.
    pub fn test_points(&self) -> usize {
        let test = self.setting.test.as_ref();
        test.map_or(0, |test| test.count(self.dim(), self.files.test.as_deref()))
    }

    /// What the training set of a replicate was scaled by; none if it was not.
    pub fn scaling(&self, replicate: u64) -> Option<Scaling> {
        let given = self.given_set(replicate);
        self.setting
            .data
            .scaling(self.setting.seed, replicate, given)
    }

    /// The initial effective weights of a replicate.
    pub fn weights(&self, replicate: u64) -> Vec<f64> {
        let (_, index) = self.setting.data.draw.indices(replicate);
        let file = self.files.weights.as_ref().map(|w| {
            let place = index % w.flat.len() as u64;
            w.flat[place as usize].as_slice()
        });
        self.setting
            .net
            .draw((self.dim(), self.outputs()), self.setting.seed, index, file)
    }

    /// The arrays of [`Init::File`] that have other names than the tensors they are taken for.
    pub fn renamed_weights(&self) -> &[(String, String)] {
        let weights = self.files.weights.as_ref();
        weights.map_or(&[], |weights| &weights.renamed)
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
        let tensors = net::tensors(net, data.dim, data.outputs);
        let boundary = data.boundary(self.files.sets.as_deref());
        let layer = |l: usize| descent.layer_rates.as_ref().map_or(1.0, |r| r[l]);
        Problem {
            sizes: net::sizes(net, data.dim, data.outputs),
            rate_factors: tensors.iter().map(|t| layer(t.layer)).collect(),
            multipliers: net.multipliers(data.dim, data.outputs),
            tensors,
            activation: net.activation,
            output: net.output,
            bias: net.bias,
            points: data.points,
            method: descent.method,
            batch: descent.batches(),
            weight_decay: descent.weight_decay,
            clip: descent.clip,
            schedule: descent.schedule.milestones(descent.steps).into(),
            loss: descent.loss,
            steps: descent.steps,
            run_all: descent.stop == Stop::Never,
            success: success.criterion(match descent.loss.is_squared() {
                true => boundary.unwrap_or(0.0),
                // The outputs of a logistic loss are logits, whatever the targets.
                false => 0.0,
            }),
            precision: descent.precision,
            grid: Arc::from(log_steps(descent.steps, 20)),
        }
    }

    /// Everything that decides the steps of its replicates and where they end, but for the budget:
    /// cells that agree in it train the same networks.
    pub(crate) fn training(&self) -> String {
        let mut setting = self.setting.clone();
        let same = Setting::default();
        // Their meaning for the steps stands in the problem.
        setting.descent.steps = 0;
        setting.descent.schedule = same.descent.schedule;
        setting.success = same.success;
        setting.replicates = same.replicates;
        setting.look = same.look;
        setting.keep = same.keep;
        setting.test = None;
        let files = Files {
            test: None,
            ..self.files.clone()
        };
        let problem = Problem {
            steps: 0,
            grid: [].into(),
            ..self.problem()
        };
        // Debug text has every field, and every number with all its digits.
        format!("{} {problem:?}", hash(&setting, &files))
    }

    /// Multiply-adds of one step: 3 N × weights, less the input layer's backward product.
    pub fn step_work(&self) -> f64 {
        let sizes = net::sizes(&self.setting.net, self.dim(), self.outputs());
        let products: Vec<usize> = sizes.windows(2).map(|p| p[0] * p[1]).collect();
        let work = 3 * products.iter().sum::<usize>() - products[0];
        (self.setting.data.points * work) as f64
    }

    /// The steps between start and end at which a replicate is looked at, increasing.
    pub fn look_steps(&self, replicate: u64) -> Vec<u64> {
        look_steps(&self.setting, replicate)
    }

    /// The steps at which the loss of a replicate that is looked at is recorded, besides the grid:
    /// the last half of the budget at even distances, and its last steps one by one.
    pub fn watch_steps(&self) -> Vec<u64> {
        const EVEN: u64 = 64;
        const LAST: u64 = 256;
        let steps = self.setting.descent.steps;
        let half = steps / 2;
        let rest = u128::from(steps - half);
        let even = (0..=EVEN).map(|i| half + (rest * u128::from(i) / u128::from(EVEN)) as u64);
        let mut all: Vec<u64> = even
            .chain(steps.saturating_sub(LAST).max(half)..=steps)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a replicate is looked at.
    pub fn looks_at(&self, replicate: u64) -> bool {
        looks_at(&self.setting, replicate)
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

/// The steps between start and end at which a replicate is looked at, increasing.
pub(super) fn look_steps(setting: &Setting, replicate: u64) -> Vec<u64> {
    let steps = setting.descent.steps;
    let mut all = Vec::new();
    if replicate < setting.look.follow {
        all.extend(log_steps(steps, 3).into_iter().skip(1));
    }
    for at in &setting.look.at {
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
pub(super) fn looks_at(setting: &Setting, replicate: u64) -> bool {
    replicate < setting.look.replicates && !setting.look.at.is_empty()
}

/// A setting whose sizes and number of replicates are those that are run, and what it takes from
/// the inputs.
pub(super) fn resolve(mut setting: Setting, inputs: &Inputs) -> Result<(Setting, Files), Mistake> {
    if let Draw::Crossed(of) = setting.data.draw {
        setting.replicates = Replicates::Fixed(of.sets * of.weights);
    }
    let mut files = Files::default();
    if let Some(name) = &setting.data.file {
        let sets = inputs.data(name, setting.data.columns.as_ref())?;
        setting.data.points = sets[0].points;
        setting.data.dim = sets[0].dim();
        setting.data.outputs = sets[0].outputs();
        match (sets.len(), setting.data.draw) {
            (1, _) => setting.data.draw = Draw::Once,
            (count, Draw::Each) => setting.replicates = setting.replicates.capped(count as u64),
            (count, Draw::Once | Draw::Crossed(_)) => {
                let message = format!("`{name}` holds {count} training sets, one a replicate");
                return mistake("data.draw", message, "leave `draw` out");
            }
        }
        setting.check_classes(Some(&sets))?;
        files.sets = Some(sets);
        setting.check_size()?;
    }
    if let Some(test) = &setting.test {
        let columns = setting.data.columns.as_ref();
        let set = test.file.as_ref();
        let set = set.map(|name| inputs.test(name, columns)).transpose()?;
        let resolved = test.resolved(&setting.data, set.as_deref())?;
        setting.test = Some(resolved);
        files.test = set;
    }
    setting.descent.steps = setting.descent.steps_on(setting.data.points);
    setting.descent.epochs = None;
    if let Init::File(name) = &setting.net.init {
        let tensors = net::tensors(&setting.net, setting.data.dim, setting.data.outputs);
        let weights = inputs.weights(name, &tensors)?;
        let count = weights.flat.len() as u64;
        if count > 1 {
            match setting.data.draw {
                Draw::Crossed(of) if of.weights > count => {
                    let message = format!(
                        "`{name}` holds the weights of {count} networks, and {} are crossed with \
                         every training set",
                        of.weights
                    );
                    return mistake("data.draw", message, &format!("`weights = {count}`"));
                }
                Draw::Crossed(_) => {}
                Draw::Each | Draw::Once => setting.replicates = setting.replicates.capped(count),
            }
        }
        files.weights = Some(Arc::new(weights));
    }
    check_memory(&setting)?;
    Ok((setting, files))
}

/// The content hash of everything that decides a cell's results.
pub(super) fn hash(setting: &Setting, files: &Files) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(meaning(setting).as_bytes());
    let sets = files.sets.iter().flat_map(|sets| sets.iter());
    let set = sets.flat_map(|set| set.x.iter().chain(&set.y));
    let weights = files.weights.iter().flat_map(|weights| &weights.flat);
    let weights = weights.flatten();
    let test = files.test.iter();
    let test = test.flat_map(|set| set.x.iter().chain(&set.y));
    set.chain(weights).chain(test).for_each(|v| {
        hasher.update(&v.to_le_bytes());
    });
    hasher.update(
        serde_json::to_string(setting)
            .unwrap_or_default()
            .as_bytes(),
    );
    hasher.finalize().to_hex()[..16].to_string()
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

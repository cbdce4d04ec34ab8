//! The training set: laws of inputs and targets, or a file.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::check::{Mistake, mistake};
use super::net::{self, Activation, Init, Net, WIDEST};
pub use super::points::{Nearest, Pair};
use crate::engine::activation::value_and_slope;
use crate::seed::{Purpose, Stream, stream};

/// Where training sets come from; the `[data]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// N, the number of training points.
    pub points: usize,
    /// d, the dimension of the inputs.
    pub dim: usize,
    /// k, the number of outputs of the network and of targets of a point; that of a file is as many
    /// as it has.
    #[serde(skip_serializing_if = "is_one")]
    pub outputs: usize,
    /// The law of the inputs.
    pub inputs: InputLaw,
    /// How near the inputs may be to each other.
    // Not written where nothing is said, so that older records are still found by their hash.
    #[serde(skip_serializing_if = "Nearest::is_as_drawn")]
    pub nearest: Nearest,
    /// The law of the targets.
    pub targets: Targets,
    /// How often a training set is drawn.
    pub draw: Draw,
    /// A file with columns `x0`, `x1`, …, `y` (csv, parquet, npz with arrays `x` and `y`, or npy
    /// with y in the last column), or the name of a set in [`Inputs`](crate::Inputs), instead of a
    /// law. Every replicate trains on it.
    pub file: Option<String>,
    /// Which columns of the file are inputs and which are targets, where they are not called `x0`,
    /// `x1`, …, `y`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// What each training set is scaled by before anything is trained on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standardise: Option<Standardise>,
}

/// Columns of a file, by their names or by their places from 0 on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Those of the inputs; without them all but the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<Vec<ColumnName>>,
    /// That of the target, or those of several outputs.
    #[serde(deserialize_with = "one_or_several")]
    #[schemars(with = "OneOrSeveral")]
    pub y: Vec<ColumnName>,
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected the name of a column, or its number from 0 on"
)]
pub enum ColumnName {
    /// By its name.
    Name(String),
    /// By its place, from 0 on.
    Place(usize),
}

/// One column, or a list.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a column, or a list of them")]
enum OneOrSeveral {
    One(ColumnName),
    Several(Vec<ColumnName>),
}

fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ColumnName>, D::Error> {
    OneOrSeveral::deserialize(from).map(|columns| match columns {
        OneOrSeveral::One(column) => vec![column],
        OneOrSeveral::Several(columns) => columns,
    })
}

/// What is scaled to mean 0 and standard deviation 1 over each training set, column by column; a
/// column that is constant is only brought to 0. The deviation is that of the N numbers
/// themselves, as NumPy's `std` and scikit-learn's `StandardScaler` have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standardise {
    /// The inputs.
    Inputs,
    /// Inputs and targets: losses are those of the scaled targets.
    Both,
}

impl Standardise {
    /// All of them.
    pub const ALL: [Standardise; 2] = [Standardise::Inputs, Standardise::Both];
}

/// What a training set was scaled by: scaled = (original − mean)/std, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// Means of the inputs `[d]`.
    pub x_mean: Vec<f64>,
    /// Their deviations `[d]`; 1 of a constant.
    pub x_std: Vec<f64>,
    /// Means of the targets `[k]`; 0 where they were not scaled.
    pub y_mean: Vec<f64>,
    /// Their deviations `[k]`; 1 where they were not scaled.
    pub y_std: Vec<f64>,
}

/// Means and deviations of the columns of v [N, width].
fn moments(v: &[f64], width: usize) -> (Vec<f64>, Vec<f64>) {
    let n = (v.len() / width.max(1)) as f64;
    let of = |column: usize| {
        let values = || v.iter().skip(column).step_by(width);
        let mean = values().sum::<f64>() / n;
        let square = values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        // What rounding leaves of a constant is none of its spread.
        let noise = values().fold(0.0f64, |most, v| most.max(v.abs())) * 4.0 * f64::EPSILON;
        let std = square.sqrt();
        (mean, if std > noise { std } else { 1.0 })
    };
    (0..width).map(of).unzip()
}

impl Scaling {
    /// Of a training set as it is.
    fn of(set: &Set, what: Standardise) -> Scaling {
        let (x_mean, x_std) = moments(&set.x, set.dim());
        let k = set.outputs();
        let (y_mean, y_std) = match what {
            Standardise::Inputs => (vec![0.0; k], vec![1.0; k]),
            Standardise::Both => moments(&set.y, k),
        };
        Scaling {
            x_mean,
            x_std,
            y_mean,
            y_std,
        }
    }

    /// Scales inputs [N, d].
    pub fn inputs(&self, x: &mut [f64]) {
        let scales = self.x_mean.iter().zip(&self.x_std).cycle();
        x.iter_mut()
            .zip(scales)
            .for_each(|(x, (m, s))| *x = (*x - m) / s);
    }

    /// Scales targets [N, k].
    pub fn targets(&self, y: &mut [f64]) {
        let scales = self.y_mean.iter().zip(&self.y_std).cycle();
        y.iter_mut()
            .zip(scales)
            .for_each(|(y, (m, s))| *y = (*y - m) / s);
    }

    /// Inputs [N, d] as they were.
    pub fn original_inputs(&self, x: &mut [f64]) {
        let scales = self.x_mean.iter().zip(&self.x_std).cycle();
        x.iter_mut()
            .zip(scales)
            .for_each(|(x, (m, s))| *x = *x * s + m);
    }

    /// Targets or outputs [N, k] in the units that targets had.
    pub fn original_outputs(&self, y: &mut [f64]) {
        let scales = self.y_mean.iter().zip(&self.y_std).cycle();
        y.iter_mut()
            .zip(scales)
            .for_each(|(y, (m, s))| *y = *y * s + m);
    }
}

impl Default for Data {
    fn default() -> Self {
        Data {
            points: 20,
            dim: 15,
            outputs: 1,
            inputs: InputLaw::Gaussian,
            nearest: Nearest::AsDrawn,
            targets: Targets::Gaussian,
            draw: Draw::Each,
            file: None,
            columns: None,
            standardise: None,
        }
    }
}

/// The law of the inputs x [N, d].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputLaw {
    /// N(0, 1), independent.
    Gaussian,
    /// Uniform on the sphere of radius √d.
    Sphere,
    /// A uniform direction, and a norm uniform between the two numbers.
    Shell([f64; 2]),
    /// N equally spaced numbers from the first to the second, ends included (d = 1).
    Grid([f64; 2]),
    /// The N Chebyshev nodes cos(π (2i + 1)/(2N)) in increasing order (d = 1).
    Chebyshev,
    /// N equally spaced angles on the unit circle (d = 2).
    Circle,
}

/// Whether there is one output, of which nothing is written.
fn is_one(outputs: &usize) -> bool {
    *outputs == 1
}

/// The law of the targets y [N, k].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// N(0, 1), independent of the inputs.
    Gaussian,
    /// A random sign, and a size uniform between the two numbers, independent of the inputs.
    Signs([f64; 2]),
    /// The outputs of a random network of the same input dimension: LeCun normal weights, normal
    /// biases of standard deviation 0.1, drawn anew for each training set.
    Teacher {
        /// Hidden layers of the teacher.
        hidden: Vec<usize>,
        /// Activation of the teacher.
        activation: Activation,
    },
    /// Σ c_k t^k of the first input coordinate t, coefficients from the constant upwards.
    Polynomial(Vec<f64>),
    /// The Chebyshev polynomial T_k of the first coordinate.
    Chebyshev(u32),
    /// cos(k θ) of the polar angle θ of the first two coordinates; cos(k t) if d = 1.
    Cosine(u32),
}

/// How often a training set is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Draw {
    /// One training set and one set of initial weights for each replicate.
    Each,
    /// One training set for all; only the initial weights are redrawn.
    Once,
    /// Every training set with every set of initial weights: a crossed design, which tells how much
    /// of the variance is due to which. Replicate r has training set r mod `sets` and initial
    /// weights ⌊r / sets⌋.
    #[serde(untagged)]
    Crossed(Crossed),
}

/// How many of each; a cell then has their product of replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crossed {
    /// Training sets.
    pub sets: u64,
    /// Initial weights.
    pub weights: u64,
}

// By hand, because serde tells of a failed untagged variant only that nothing fits.
impl<'de> Deserialize<'de> for Draw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Draw;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"each\", \"once\" or { sets = number, weights = number }")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Draw, E> {
                match v {
                    "each" => Ok(Draw::Each),
                    "once" => Ok(Draw::Once),
                    other => Err(E::unknown_variant(other, &["each", "once"])),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Draw, A::Error> {
                Crossed::deserialize(de::value::MapAccessDeserializer::new(map)).map(Draw::Crossed)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Draw {
    /// The numbers under which the training set and the initial weights of a replicate are drawn.
    pub fn indices(self, replicate: u64) -> (u64, u64) {
        match self {
            Draw::Each => (replicate, replicate),
            Draw::Once => (0, replicate),
            Draw::Crossed(of) => (replicate % of.sets, replicate / of.sets),
        }
    }
}

/// The largest number of training points, and of input dimensions.
const MOST: usize = 100_000;

/// The largest number of outputs, and of targets: the tangent kernel is [N k, N k].
const MOST_OUTPUTS: usize = 1000;

/// The highest degree of a Chebyshev polynomial.
const HIGHEST: u32 = 100_000;

/// A training set.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// N.
    pub points: usize,
    /// Inputs [N, d], row-major.
    pub x: Vec<f64>,
    /// Targets [N, k], row-major; k is the number of outputs.
    pub y: Vec<f64>,
}

impl Set {
    /// d.
    pub fn dim(&self) -> usize {
        self.x.len() / self.points.max(1)
    }

    /// k.
    pub fn outputs(&self) -> usize {
        self.y.len() / self.points.max(1)
    }
}

impl Data {
    /// Everything that types cannot say, but for the size.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check(&self) -> Result<(), Mistake> {
        if let Draw::Crossed(of) = self.draw {
            let product = of.sets.checked_mul(of.weights);
            if !product.is_some_and(|n| (1..=1_000_000_000).contains(&n)) {
                return mistake(
                    "data.draw",
                    format!(
                        "{} training sets with {} initial weights each: their product is the \
                         number of replicates, between 1 and 1e9",
                        of.sets, of.weights
                    ),
                    "for instance `{ sets = 40, weights = 40 }`",
                );
            }
        }
        if self.columns.is_some() && self.file.is_none() {
            let message = "`columns` are those of a file, and there is none".into();
            return mistake("data.columns", message, "`file = \"data.csv\"` beside it");
        }
        if let Some(Columns { y, .. }) = &self.columns
            && y.is_empty()
        {
            let message = "there is no column of targets".into();
            return mistake("data.columns", message, "`columns = { y = \"target\" }`");
        }
        self.check_inputs()?;
        self.check_nearest()?;
        self.check_targets()
    }

    /// That the numbers of points and dimensions are ones that can be worked with.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub(super) fn check_size(&self) -> Result<(), Mistake> {
        let key = |name: &str| match self.file {
            Some(_) => "data.file".to_string(),
            None => format!("data.{name}"),
        };
        if !(1..=MOST).contains(&self.points) {
            let message = format!("{} training points: between 1 and {MOST}", self.points);
            return mistake(&key("points"), message, "");
        }
        if !(1..=MOST).contains(&self.dim) {
            let message = format!("input dimension {}: between 1 and {MOST}", self.dim);
            return mistake(&key("dim"), message, "");
        }
        if !(1..=MOST_OUTPUTS).contains(&self.outputs) {
            let message = format!("{} outputs: between 1 and {MOST_OUTPUTS}", self.outputs);
            return mistake(&key("outputs"), message, "");
        }
        let targets = self.targets_in_all();
        if targets > MOST {
            let (n, k) = (self.points, self.outputs);
            let message =
                format!("{n} points with {k} outputs are {targets} targets, above {MOST}");
            return mistake(&key("outputs"), message, "fewer points, or fewer outputs");
        }
        Ok(())
    }

    /// N k.
    pub fn targets_in_all(&self) -> usize {
        self.points.saturating_mul(self.outputs)
    }

    /// What lies between the two classes of the targets: 0 for −1 and 1, ½ for 0 and 1. None for
    /// targets that are no classes; `file` holds those of [`Data::file`].
    pub fn boundary(&self, file: Option<&Set>) -> Option<f64> {
        if self.standardise == Some(Standardise::Both) {
            return None;
        }
        let Some(set) = file else {
            return match &self.targets {
                Targets::Signs([from, to]) if *from >= 1.0 && *to <= 1.0 => Some(0.0),
                Targets::Signs(_)
                | Targets::Gaussian
                | Targets::Teacher { .. }
                | Targets::Polynomial(_)
                | Targets::Chebyshev(_)
                | Targets::Cosine(_) => None,
            };
        };
        let all = |low: f64| set.y.iter().all(|y| same(*y, low) || same(*y, 1.0));
        if all(-1.0) {
            Some(0.0)
        } else {
            all(0.0).then_some(0.5)
        }
    }

    fn check_inputs(&self) -> Result<(), Mistake> {
        let wrong = |message: String, hint: &str| mistake("data.inputs", message, hint);
        let fixed = match &self.inputs {
            InputLaw::Shell([from, to]) if !(*from > 0.0 && from <= to && to.is_finite()) => {
                return wrong(
                    format!("the norms {from} to {to} of a shell are not positive and increasing"),
                    "for instance `{ shell = [1.0, 2.0] }`",
                );
            }
            InputLaw::Grid(ends) if ends.iter().any(|e| !e.is_finite()) => {
                return wrong("the ends of the grid must be finite".into(), "");
            }
            InputLaw::Gaussian | InputLaw::Sphere | InputLaw::Shell(_) => None,
            InputLaw::Grid(_) => Some(("grid", 1)),
            InputLaw::Chebyshev => Some(("chebyshev", 1)),
            InputLaw::Circle => Some(("circle", 2)),
        };
        match fixed {
            Some((name, dim)) if self.file.is_none() && self.dim != dim => wrong(
                format!(
                    "inputs on a {name} have dimension {dim}, but data.dim is {}",
                    self.dim
                ),
                &format!("write `dim = {dim}`"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    fn check_targets(&self) -> Result<(), Mistake> {
        let wrong = |message: String, hint: &str| mistake("data.targets", message, hint);
        let of_inputs = match &self.targets {
            Targets::Gaussian | Targets::Signs(_) | Targets::Teacher { .. } => false,
            Targets::Polynomial(_) | Targets::Chebyshev(_) | Targets::Cosine(_) => true,
        };
        if of_inputs && self.outputs > 1 && self.file.is_none() {
            return mistake(
                "data.outputs",
                format!(
                    "the targets are one function, and there are {} outputs",
                    self.outputs
                ),
                "`targets = \"gaussian\"`, `{ signs = … }` or `{ teacher = … }` have several, and \
                 a file as many as it holds",
            );
        }
        match &self.targets {
            Targets::Teacher { hidden, .. } if hidden.contains(&0) => {
                wrong("a teacher's layer needs at least one unit".into(), "")
            }
            Targets::Teacher { hidden, .. } if hidden.iter().any(|n| *n > WIDEST) => {
                wrong(format!("a teacher's layer has at most {WIDEST} units"), "")
            }
            Targets::Polynomial(c) if c.is_empty() || c.iter().any(|c| !c.is_finite()) => {
                wrong("a polynomial needs finite coefficients".into(), "")
            }
            Targets::Signs([from, to]) if !(*from >= 0.0 && from <= to && to.is_finite()) => wrong(
                format!("the sizes {from} to {to} are negative or not increasing"),
                "for instance `{ signs = [1.0, 2.0] }`",
            ),
            // Its recursion makes that many steps at every point.
            Targets::Chebyshev(degree) if *degree > HIGHEST => {
                wrong(format!("the degree {degree} is above {HIGHEST}"), "")
            }
            Targets::Gaussian
            | Targets::Signs(_)
            | Targets::Teacher { .. }
            | Targets::Polynomial(_)
            | Targets::Chebyshev(_)
            | Targets::Cosine(_) => Ok(()),
        }
    }

    /// The training set of replicate `replicate`; `file` holds that of [`Data::file`].
    ///
    /// [`Data::nearest`] changes the inputs first: targets that are a function of the inputs are
    /// that of the inputs as changed, all others stay.
    ///
    /// What is [`Data::standardise`]d is scaled last.
    pub fn set(&self, seed: u64, replicate: u64, file: Option<&Set>) -> Set {
        let mut set = self.original_set(seed, replicate, file);
        if let Some(what) = self.standardise {
            let scaling = Scaling::of(&set, what);
            scaling.inputs(&mut set.x);
            scaling.targets(&mut set.y);
        }
        set
    }

    /// What the training set of a replicate was scaled by; none if it was not.
    pub fn scaling(&self, seed: u64, replicate: u64, file: Option<&Set>) -> Option<Scaling> {
        let what = self.standardise?;
        Some(Scaling::of(&self.original_set(seed, replicate, file), what))
    }

    /// The training set of a replicate before it is scaled.
    fn original_set(&self, seed: u64, replicate: u64, file: Option<&Set>) -> Set {
        let (index, _) = self.draw.indices(replicate);
        let x = self.inputs_of(seed, index, file);
        let y = match file {
            Some(set) => set.y.clone(),
            None => self.targets_of(seed, index, &x),
        };
        let points = file.map_or(self.points, |set| set.points);
        Set { points, x, y }
    }

    /// The targets [N, k] of training set `index`, whose inputs are `x` [N, d].
    fn targets_of(&self, seed: u64, index: u64, x: &[f64]) -> Vec<f64> {
        let (n, d, k) = (self.points, self.dim, self.outputs);
        // A stream for each output: fewer of them are the first of more.
        let columns = |draw: &dyn Fn(&mut Stream) -> f64| -> Vec<f64> {
            let mut y = vec![0.0; n * k];
            for output in 0..k {
                let part = if output == 0 {
                    0
                } else {
                    (2 << 32) + output as u64
                };
                let mut random = stream(seed, index, Purpose::Data, part);
                let column = y.iter_mut().skip(output).step_by(k);
                column.for_each(|y| *y = draw(&mut random));
            }
            y
        };
        match &self.targets {
            Targets::Gaussian => columns(&|random| random.normal()),
            Targets::Signs([from, to]) => {
                // The sign is the half in which a uniform number lies, the size its place there.
                columns(&|random| {
                    let u = 2.0 * random.uniform() - 1.0;
                    (from + (to - from) * u.abs()).copysign(u)
                })
            }
            Targets::Teacher { hidden, activation } => {
                teacher(hidden, *activation, (d, k), (seed, index), x)
            }
            Targets::Polynomial(c) => x
                .chunks_exact(d)
                .map(|row| c.iter().rev().fold(0.0, |sum, c| sum * row[0] + c))
                .collect(),
            Targets::Chebyshev(degree) => x
                .chunks_exact(d)
                .map(|row| chebyshev(*degree, row[0]))
                .collect(),
            Targets::Cosine(k) => x
                .chunks_exact(d)
                .map(|row| {
                    let angle = if d == 1 {
                        row[0]
                    } else {
                        libm::atan2(row[1], row[0])
                    };
                    libm::cos(f64::from(*k) * angle)
                })
                .collect(),
        }
    }
}

/// Whether two numbers are equal; 0 and −0 are.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.0
}

/// T_k(t) by its recursion, right for |t| > 1 too.
fn chebyshev(k: u32, t: f64) -> f64 {
    let (mut before, mut now) = (1.0, t);
    if k == 0 {
        return 1.0;
    }
    for _ in 1..k {
        (before, now) = (now, 2.0 * t * now - before);
    }
    now
}

/// The outputs [N, k] of a random network on inputs x [N, d].
fn teacher(
    hidden: &[usize],
    act: Activation,
    (d, k): (usize, usize),
    (seed, index): (u64, u64),
    x: &[f64],
) -> Vec<f64> {
    let net = Net {
        hidden: hidden.to_vec(),
        init: Init::LecunNormal,
        ..Net::default()
    };
    let tensors = net::tensors(&net, d, k);
    let draws: Vec<Vec<f64>> = tensors
        .iter()
        .enumerate()
        .map(|(i, tensor)| {
            let mut random = stream(seed, index, Purpose::Data, (1 << 32) + i as u64);
            let fan_in = net::sizes(&net, d, k)[tensor.layer] as f64;
            let std = if tensor.is_bias {
                0.1
            } else {
                1.0 / fan_in.sqrt()
            };
            (0..tensor.len()).map(|_| std * random.normal()).collect()
        })
        .collect();
    x.chunks_exact(d)
        .flat_map(|row| {
            let mut a = row.to_vec();
            for (layer, pair) in draws.chunks_exact(2).enumerate() {
                let last = 2 * (layer + 1) == draws.len();
                a = pair[0]
                    .chunks_exact(a.len())
                    .zip(&pair[1])
                    .map(|(w, b)| {
                        let z = b + w.iter().zip(&a).map(|(w, a)| w * a).sum::<f64>();
                        if last { z } else { value_and_slope(act, z).0 }
                    })
                    .collect();
            }
            a
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_dimension_drops_columns_and_keeps_the_targets() {
        let large = Data::default().set(7, 3, None);
        let small = Data {
            dim: 5,
            ..Data::default()
        }
        .set(7, 3, None);
        assert_eq!(large.y, small.y);
        for i in 0..20 {
            assert_eq!(large.x[i * 15..i * 15 + 5], small.x[i * 5..i * 5 + 5]);
        }
    }

    /// T_k(cos θ) = cos kθ.
    #[test]
    fn chebyshev_targets_are_cosines_of_the_angle() {
        for k in 0..8 {
            let t = 0.3f64;
            assert!((chebyshev(k, t.cos()) - (f64::from(k) * t).cos()).abs() < 1e-14);
        }
    }

    #[test]
    fn points_on_the_sphere_have_radius_root_d() {
        let data = Data {
            inputs: InputLaw::Sphere,
            ..Data::default()
        };
        for row in data.set(1, 1, None).x.chunks_exact(15) {
            assert!((row.iter().map(|v| v * v).sum::<f64>() - 15.0).abs() < 1e-12);
        }
    }
}

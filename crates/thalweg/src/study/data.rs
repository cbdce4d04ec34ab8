//! The training set: laws of inputs and targets, or a file.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::check::{Mistake, mistake};
use super::net::{self, Activation, DEEPEST, Init, Net, WIDEST};
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
    /// σ: N(0, σ²), independent of all else, is added to every target.
    #[serde(skip_serializing_if = "is_nothing")]
    pub noise: f64,
    /// How often a training set is drawn.
    pub draw: Draw,
    /// A file with columns `x0`, `x1`, …, `y` (csv, parquet, npz with arrays `x` and `y`, or npy
    /// with y in the last column), or the name of a set in [`Inputs`](crate::Inputs), instead of a
    /// law. Every replicate trains on it, or on its own of a stack [R, N, d].
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

    /// Standard deviations of outputs [N, k] in the units that the targets had.
    pub fn original_deviations(&self, deviations: &mut [f64]) {
        let scales = self.y_std.iter().cycle();
        deviations.iter_mut().zip(scales).for_each(|(d, s)| *d *= s);
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
            noise: 0.0,
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
    /// Uniform on {−1, 1}^d, the corners of the hypercube: the signs of `gaussian`.
    Hypercube,
    /// All corners of the hypercube {−1, 1}^d, N = 2^d, the last coordinate changing fastest.
    Corners,
    /// All corners of {0, 1}^d in the same order, N = 2^d: the inputs of a truth table, with which
    /// `parity` and `xor` are 1 and 0.
    Bits,
    /// Two spirals that wind three times around the origin and each other (d = 2, N even): the
    /// benchmark of Lang & Witbrock (1988), which has 97 points on each. Point 2k is
    /// (r sin φ, r cos φ) with φ = π t/16, r = 6.5 (104 − t)/104, t going from 0 to 96 in equal
    /// steps, and point 2k + 1 its opposite. With `targets = "two_spirals"`.
    TwoSpirals,
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
    /// sin(k θ) of the same angle; sin(k t) if d = 1.
    Sine(u32),
    /// |t| of the first input coordinate t.
    Abs,
    /// The product of the signs of all coordinates, 1 or −1; that of 0 is 1.
    Parity,
    /// 1 where the signs of the two coordinates differ, −1 where they agree (d = 2): the truth
    /// table of the exclusive or, and the negative of `parity`.
    Xor,
    /// 1 on one of `inputs = "two_spirals"`, −1 on the other.
    TwoSpirals,
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

/// Targets beyond which the largest eigenvalue of a kernel is found without all others; the rates
/// of `of_limit` depend on it in the last digits.
pub(crate) const MANY_TARGETS: usize = 1024;

/// The largest number of training points, and of input dimensions.
pub(super) const MOST: usize = 100_000;

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
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return mistake(
                "data.noise",
                format!(
                    "noise of standard deviation {}, which is negative or not finite",
                    self.noise
                ),
                "`0.1`; without any leave it out",
            );
        }
        if self.noise > 0.0 && self.file.is_some() {
            return mistake(
                "data.noise",
                "the targets of a file are as they are".into(),
                "write the noise into the file, or leave it out",
            );
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
        if self.file.is_some() {
            return Ok(());
        }
        match self.inputs {
            InputLaw::Corners | InputLaw::Bits => {
                let corners = u32::try_from(self.dim)
                    .ok()
                    .and_then(|d| 2usize.checked_pow(d));
                match corners.filter(|n| *n <= MOST) {
                    None => mistake(
                        "data.inputs",
                        format!(
                            "a hypercube of dimension {} has more corners than {MOST}",
                            self.dim
                        ),
                        "`\"hypercube\"` draws some of them",
                    ),
                    Some(corners) if corners != self.points => mistake(
                        "data.inputs",
                        format!(
                            "the hypercube of dimension {} has {corners} corners, but data.points \
                             is {}",
                            self.dim, self.points
                        ),
                        &format!("write `points = {corners}`, or `\"hypercube\"`, which draws"),
                    ),
                    Some(_) => Ok(()),
                }
            }
            InputLaw::TwoSpirals if !self.points.is_multiple_of(2) => mistake(
                "data.inputs",
                format!(
                    "{} points are not as many on one spiral as on the other",
                    self.points
                ),
                "an even number; the benchmark has `points = 194`",
            ),
            InputLaw::Gaussian
            | InputLaw::Sphere
            | InputLaw::Shell(_)
            | InputLaw::Grid(_)
            | InputLaw::Chebyshev
            | InputLaw::Circle
            | InputLaw::Hypercube
            | InputLaw::TwoSpirals => Ok(()),
        }
    }

    /// N k.
    pub fn targets_in_all(&self) -> usize {
        self.points.saturating_mul(self.outputs)
    }

    /// What lies between the two classes of the targets: 0 for −1 and 1, ½ for 0 and 1. None for
    /// targets that are no classes; `file` holds the training sets of [`Data::file`].
    pub fn boundary(&self, file: Option<&[Set]>) -> Option<f64> {
        // Scaled or noisy targets are no classes any more.
        if self.standardise == Some(Standardise::Both) || self.noise > 0.0 {
            return None;
        }
        let Some(sets) = file else {
            return match &self.targets {
                Targets::Signs([from, to]) if *from >= 1.0 && *to <= 1.0 => Some(0.0),
                Targets::Parity | Targets::Xor if self.inputs == InputLaw::Bits => Some(0.5),
                Targets::Parity | Targets::Xor | Targets::TwoSpirals => Some(0.0),
                Targets::Signs(_)
                | Targets::Gaussian
                | Targets::Teacher { .. }
                | Targets::Polynomial(_)
                | Targets::Chebyshev(_)
                | Targets::Cosine(_)
                | Targets::Sine(_)
                | Targets::Abs => None,
            };
        };
        let class = |y: &f64, low: f64| same(*y, low) || same(*y, 1.0);
        let all = |low: f64| sets.iter().all(|set| set.y.iter().all(|y| class(y, low)));
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
            InputLaw::Gaussian
            | InputLaw::Sphere
            | InputLaw::Shell(_)
            | InputLaw::Hypercube
            | InputLaw::Corners
            | InputLaw::Bits => None,
            InputLaw::TwoSpirals => Some(("pair of spirals", 2)),
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
            Targets::Polynomial(_)
            | Targets::Chebyshev(_)
            | Targets::Cosine(_)
            | Targets::Sine(_)
            | Targets::Abs
            | Targets::Parity
            | Targets::Xor
            | Targets::TwoSpirals => true,
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
            Targets::Teacher { hidden, .. } if hidden.iter().any(|n| *n > WIDEST) => wrong(
                format!("a teacher's layer has at most {WIDEST} units"),
                "for instance `hidden = [4]`",
            ),
            Targets::Teacher { hidden, .. } if hidden.len() > DEEPEST => wrong(
                format!("a teacher has at most {DEEPEST} hidden layers"),
                "for instance `hidden = [4]`",
            ),
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
            Targets::Xor if self.file.is_none() && self.dim != 2 => wrong(
                format!(
                    "the exclusive or is of two inputs, but data.dim is {}",
                    self.dim
                ),
                "write `dim = 2`, or `targets = \"parity\"`, which is of any number",
            ),
            // Neither says anything without the other.
            targets
                if self.file.is_none()
                    && (*targets == Targets::TwoSpirals)
                        != (self.inputs == InputLaw::TwoSpirals) =>
            {
                let is_target = *targets == Targets::TwoSpirals;
                let key = if is_target {
                    "data.targets"
                } else {
                    "data.inputs"
                };
                mistake(
                    key,
                    "the two spirals are inputs and targets in one".into(),
                    "write `inputs = \"two_spirals\"` and `targets = \"two_spirals\"`",
                )
            }
            Targets::Gaussian
            | Targets::Signs(_)
            | Targets::Teacher { .. }
            | Targets::Polynomial(_)
            | Targets::Chebyshev(_)
            | Targets::Cosine(_)
            | Targets::Sine(_)
            | Targets::Abs
            | Targets::Parity
            | Targets::Xor
            | Targets::TwoSpirals => Ok(()),
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
            None => self.noisy(seed, index, self.targets_of(seed, index, &x)),
        };
        let points = file.map_or(self.points, |set| set.points);
        Set { points, x, y }
    }

    /// Targets with their noise.
    pub(super) fn noisy(&self, seed: u64, index: u64, mut y: Vec<f64>) -> Vec<f64> {
        if self.noise > 0.0 {
            let mut random = stream(seed, index, Purpose::Data, NOISE);
            y.iter_mut()
                .for_each(|y| *y += self.noise * random.normal());
        }
        y
    }

    /// The targets [N, k] of training set `index`, without noise, whose inputs are `x` [N, d].
    pub(super) fn targets_of(&self, seed: u64, index: u64, x: &[f64]) -> Vec<f64> {
        let (n, d, k) = (self.points, self.dim, self.outputs);
        let of_rows = |of: &dyn Fn(&[f64]) -> f64| x.chunks_exact(d).map(of).collect();
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
            Targets::Cosine(k) => of_rows(&|row| libm::cos(f64::from(*k) * angle(row))),
            Targets::Sine(k) => of_rows(&|row| libm::sin(f64::from(*k) * angle(row))),
            Targets::Abs => of_rows(&|row| row[0].abs()),
            Targets::Parity | Targets::Xor if self.inputs == InputLaw::Bits => {
                of_rows(&|row| row.iter().sum::<f64>() % 2.0)
            }
            Targets::Parity => of_rows(&parity),
            Targets::Xor => of_rows(&|row| -parity(row)),
            Targets::TwoSpirals => (0..n)
                .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
                .collect(),
        }
    }
}

/// Whether two numbers are equal; 0 and −0 are.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.0
}

/// The part of a training set's stream that the noise of its targets is drawn from.
const NOISE: u64 = 1 << 34;

/// Whether a number is 0: then it is left out where a setting is written.
fn is_nothing(number: &f64) -> bool {
    number.abs() <= 0.0
}

/// The polar angle of the first two coordinates, or the only one.
fn angle(row: &[f64]) -> f64 {
    match row {
        [t] => *t,
        _ => libm::atan2(row[1], row[0]),
    }
}

/// The product of the signs of all coordinates.
fn parity(row: &[f64]) -> f64 {
    let negative = row.iter().filter(|x| **x < 0.0).count();
    if negative.is_multiple_of(2) {
        1.0
    } else {
        -1.0
    }
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
#[allow(clippy::float_cmp)]
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

    fn of(inputs: InputLaw, targets: Targets, points: usize, dim: usize) -> Data {
        Data {
            points,
            dim,
            inputs,
            targets,
            ..Data::default()
        }
    }

    #[test]
    fn targets_of_the_first_coordinates_are_their_formulas() {
        let sine = |dim| of(InputLaw::Gaussian, Targets::Sine(3), 20, dim).set(1, 0, None);
        let abs = of(InputLaw::Gaussian, Targets::Abs, 20, 4).set(1, 0, None);
        for (row, y) in abs.x.chunks_exact(4).zip(&abs.y) {
            assert_eq!(*y, row[0].abs());
        }
        let line = sine(1);
        for (t, y) in line.x.iter().zip(&line.y) {
            assert!((y - (3.0 * t).sin()).abs() < 1e-14);
        }
        // Im (x₀ + i x₁)³ is r³ sin 3θ.
        let plane = sine(2);
        for (row, y) in plane.x.chunks_exact(2).zip(&plane.y) {
            let (a, b) = (row[0], row[1]);
            let cube = (a * a + b * b).powf(1.5);
            assert!((y - (3.0 * a * a * b - b * b * b) / cube).abs() < 1e-12);
        }
    }

    /// The truth table, every corner once and in order; parity is the product of the coordinates.
    #[test]
    fn corners_and_their_parities_are_the_truth_table() {
        let xor = of(InputLaw::Corners, Targets::Xor, 4, 2).set(1, 0, None);
        assert_eq!(xor.x, [-1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0]);
        assert_eq!(xor.y, [-1.0, 1.0, 1.0, -1.0]);
        for dim in 1..=6 {
            let set = of(InputLaw::Corners, Targets::Parity, 1 << dim, dim).set(1, 0, None);
            let rows: Vec<&[f64]> = set.x.chunks_exact(dim).collect();
            assert!(rows.is_sorted_by(|a, b| a < b));
            for (row, y) in rows.iter().zip(&set.y) {
                assert_eq!(*y, row.iter().product::<f64>());
                assert!(row.iter().all(|x| x.abs() == 1.0));
            }
            // Half of the corners are odd: y is orthogonal to every coordinate but in d = 1.
            assert_eq!(set.y.iter().sum::<f64>(), 0.0);
        }
    }

    /// The truth table in bits is that of signs: x = 2 b − 1, and 1 where an odd number is 1.
    #[test]
    fn truth_tables_in_bits_are_those_in_signs() {
        for dim in 1..=6 {
            let bits = of(InputLaw::Bits, Targets::Parity, 1 << dim, dim);
            let set = bits.set(1, 0, None);
            let signs = of(InputLaw::Corners, Targets::Parity, 1 << dim, dim).set(1, 0, None);
            let doubled: Vec<f64> = set.x.iter().map(|b| 2.0 * b - 1.0).collect();
            assert_eq!(doubled, signs.x);
            // Each −1 of the signs is a 0 of the bits: of d factors that many.
            let flip = if dim % 2 == 0 { -1.0 } else { 1.0 };
            for (bit, sign) in set.y.iter().zip(&signs.y) {
                assert_eq!(2.0 * bit - 1.0, flip * sign);
            }
            assert_eq!(bits.boundary(None), Some(0.5));
        }
        let xor = of(InputLaw::Bits, Targets::Xor, 4, 2).set(1, 0, None);
        assert_eq!(xor.x, [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(xor.y, [0.0, 1.0, 1.0, 0.0]);
    }

    /// The signs of the normal inputs of the same replicate, and about half of them 1.
    #[test]
    fn points_of_the_hypercube_are_signs_of_normal_ones() {
        let cube = of(InputLaw::Hypercube, Targets::Parity, 200, 5).set(1, 3, None);
        let normal = of(InputLaw::Gaussian, Targets::Parity, 200, 5).set(1, 3, None);
        assert!(cube.x.iter().zip(&normal.x).all(|(a, b)| *a == b.signum()));
        assert_eq!(cube.y, normal.y);
        let up = cube.x.iter().filter(|x| **x > 0.0).count();
        assert!((425..575).contains(&up), "{up} of 1000");
    }

    /// The first and last points of the benchmark's listing, whose spirals are each other's
    /// opposites and end half a unit from the origin.
    #[test]
    fn two_spirals_are_those_of_lang_and_witbrock() {
        let set = of(InputLaw::TwoSpirals, Targets::TwoSpirals, 194, 2).set(1, 0, None);
        let near = |i: usize, x: [f64; 2], y: f64| {
            let far = (set.x[2 * i] - x[0]).abs() + (set.x[2 * i + 1] - x[1]).abs();
            assert!(
                far < 1e-4 && set.y[i] == y,
                "{i}: {:?}",
                &set.x[2 * i..2 * i + 2]
            );
        };
        near(0, [0.0, 6.5], 1.0);
        near(1, [0.0, -6.5], -1.0);
        // i = 1: 6.4375 (sin π/16, cos π/16).
        near(2, [1.255_89, 6.313_81], 1.0);
        near(3, [-1.255_89, -6.313_81], -1.0);
        // i = 8: a quarter of a turn, at 6.5 · 96/104 = 6.
        near(16, [6.0, 0.0], 1.0);
        near(192, [0.0, 0.5], 1.0);
        // Fewer points go the same way.
        let few = of(InputLaw::TwoSpirals, Targets::TwoSpirals, 26, 2).set(1, 0, None);
        assert!((few.x[48] - set.x[384]).abs() + (few.x[49] - set.x[385]).abs() < 1e-12);
        assert!((few.x[4] - set.x[32]).abs() + (few.x[5] - set.x[33]).abs() < 1e-12);
    }

    /// Normal numbers of their own stream, on top of whatever the law says.
    #[test]
    fn noise_is_added_to_the_targets_of_every_law() {
        let laws = [
            (InputLaw::Gaussian, Targets::Gaussian, 20, 2),
            (InputLaw::Gaussian, Targets::Signs([1.0, 2.0]), 20, 2),
            (InputLaw::Corners, Targets::Parity, 8, 3),
            (InputLaw::TwoSpirals, Targets::TwoSpirals, 20, 2),
        ];
        for (inputs, targets, points, dim) in laws {
            let clean = of(inputs, targets, points, dim);
            let noisy = Data {
                noise: 0.25,
                ..clean.clone()
            };
            let (a, b) = (clean.set(9, 4, None), noisy.set(9, 4, None));
            assert_eq!(a.x, b.x);
            let mut random = stream(9, 4, Purpose::Data, 1 << 34);
            for (a, b) in a.y.iter().zip(&b.y) {
                assert_eq!(*b, a + 0.25 * random.normal());
            }
        }
    }
}

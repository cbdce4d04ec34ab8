//! Inputs beyond the training set, at which trained networks are measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Mistake, mistake};
use super::data::{Data, InputLaw, MOST, Set, Targets};
use super::points::Nearest;

/// Inputs beyond the training set, and what they are for; the `[test]` table. Fresh draws from the
/// law of the training set, unless a file or a grid is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TestData {
    /// M, the number of fresh points, 1000 unless it is given; of a grid, the places along each
    /// side, 200 of one input and 30 of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// A file with the columns of `data.file`, or the name of a set in [`Inputs`](crate::Inputs).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// From where to where a grid goes along each of at most two inputs, ends included. It has
    /// targets where those of the training set are a function of the inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<[f64; 2]>,
    /// λ, added to the diagonal of the kernels in the predictions of infinitely wide networks: the
    /// variance of the noise of a Gaussian process, the penalty of kernel ridge regression.
    #[serde(skip_serializing_if = "is_zero")]
    pub ridge: f64,
}

fn is_zero(number: &f64) -> bool {
    number.abs() <= 0.0
}

/// Inputs beyond a training set, and their targets where there are some.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSet {
    /// M.
    pub points: usize,
    /// Inputs [M, d], row-major.
    pub x: Vec<f64>,
    /// Targets [M, k].
    pub y: Option<Vec<f64>>,
}

/// Fresh draws are those of the training set of this number more: no replicate has it.
const FRESH: u64 = 1 << 63;

/// Fresh points unless another number is given.
const USUAL: usize = 1000;

/// Places along each side of a grid unless another number is given, of one input and of two.
const SIDES: [usize; 2] = [200, 30];

impl TestData {
    /// Everything that types cannot say, beside the training sets of `data`.
    pub(super) fn check(&self, data: &Data) -> Result<(), Mistake> {
        if !(self.ridge >= 0.0 && self.ridge.is_finite()) {
            return mistake(
                "test.ridge",
                format!("a ridge of {}, which is negative or not finite", self.ridge),
                "`0.01`; without any leave it out",
            );
        }
        if self.points == Some(0) {
            return mistake("test.points", "no test point".into(), "for instance 1000");
        }
        if self.file.is_some() && self.grid.is_some() {
            return mistake(
                "test.grid",
                "test points are of a file or of a grid".into(),
                "leave one of them out",
            );
        }
        if self.file.is_some() && self.points.is_some() {
            return mistake(
                "test.points",
                "a file has as many points as it has".into(),
                "leave `points` out",
            );
        }
        if let Some([from, to]) = self.grid
            && !(from < to && (to - from).is_finite())
        {
            return mistake(
                "test.grid",
                format!("a grid from {from} to {to}: the ends are not increasing"),
                "for instance `grid = [-3.0, 3.0]`",
            );
        }
        if self.file.is_some() || self.grid.is_some() {
            return Ok(());
        }
        if data.file.is_some() {
            return mistake(
                "test",
                "fresh points need the law that the training set is drawn from, and it is a file"
                    .into(),
                "`file = \"test.csv\"` with the same columns, or `grid = [-3.0, 3.0]`",
            );
        }
        match data.inputs {
            InputLaw::Gaussian | InputLaw::Sphere | InputLaw::Shell(_) | InputLaw::Hypercube => {
                Ok(())
            }
            InputLaw::Grid(_)
            | InputLaw::Chebyshev
            | InputLaw::Circle
            | InputLaw::Corners
            | InputLaw::Bits
            | InputLaw::TwoSpirals => mistake(
                "test",
                "the inputs of the training set are not drawn, so none can be drawn afresh".into(),
                "`grid = [-3.0, 3.0]`, or `file = \"test.csv\"`",
            ),
        }
    }

    /// The same with the number of points that it has in the end; `file` holds those of
    /// [`TestData::file`].
    pub(crate) fn resolved(&self, data: &Data, file: Option<&Set>) -> Result<TestData, Mistake> {
        let mut test = self.clone();
        if let Some(set) = file {
            let wrong = |what: &str, has: usize, needs: usize| {
                mistake(
                    "test.file",
                    format!("the test points have {has} {what}, the training points {needs}"),
                    "the same columns as in the training set",
                )
            };
            if set.dim() != data.dim {
                return wrong("inputs", set.dim(), data.dim);
            }
            if set.outputs() != data.outputs {
                return wrong("targets", set.outputs(), data.outputs);
            }
            if set.points > MOST {
                let message = format!("{} test points: at most {MOST}", set.points);
                return mistake("test.file", message, "fewer rows");
            }
            return Ok(test);
        }
        let all = match (self.grid, data.dim) {
            (Some(_), dim @ (1 | 2)) => {
                let side = self.points.unwrap_or(SIDES[dim - 1]);
                test.points = Some(side);
                side.saturating_pow(dim as u32)
            }
            (Some(_), dim) => {
                return mistake(
                    "test.grid",
                    format!("a grid is of one input or two, but there are {dim}"),
                    "`points = 1000` without `grid` draws from the law of the training set",
                );
            }
            (None, _) => *test.points.insert(self.points.unwrap_or(USUAL)),
        };
        if all > MOST || all.saturating_mul(data.outputs) > MOST {
            return mistake(
                "test.points",
                format!(
                    "{all} test points with {} outputs: at most {MOST}",
                    data.outputs
                ),
                "fewer of them",
            );
        }
        Ok(test)
    }

    /// How many points there are, once it is resolved.
    pub fn count(&self, dim: usize, file: Option<&Set>) -> usize {
        let points = self.points.unwrap_or(0);
        match (file, self.grid) {
            (Some(set), _) => set.points,
            (None, Some(_)) => points.saturating_pow(dim as u32),
            (None, None) => points,
        }
    }
}

impl Data {
    /// The test points that belong to the training set of a replicate, scaled as it is; `train`
    /// holds the set of [`Data::file`], `file` that of [`TestData::file`].
    ///
    /// Fresh inputs are those that replicate 2⁶³ + r has by the same law, but for
    /// [`Data::nearest`]; so are targets that do not depend on inputs, and noise. A teacher is that
    /// of the training set.
    pub fn test_set(
        &self,
        test: &TestData,
        (seed, replicate): (u64, u64),
        train: Option<&Set>,
        file: Option<&Set>,
    ) -> TestSet {
        let (index, _) = self.draw.indices(replicate);
        let law = Data {
            points: test.count(self.dim, file),
            nearest: Nearest::AsDrawn,
            ..self.clone()
        };
        let fresh = FRESH | index;
        let mut set = match (file, test.grid) {
            (Some(set), _) => TestSet {
                points: set.points,
                x: set.x.clone(),
                y: Some(set.y.clone()),
            },
            (None, Some(ends)) => {
                let x = grid(ends, test.points.unwrap_or(0), self.dim);
                let y = (train.is_none() && self.is_function())
                    .then(|| law.noisy(seed, fresh, law.targets_of(seed, index, &x)));
                TestSet {
                    points: law.points,
                    x,
                    y,
                }
            }
            (None, None) => {
                let x = law.inputs_of(seed, fresh, None);
                let of = if self.is_function() { index } else { fresh };
                let y = law.noisy(seed, fresh, law.targets_of(seed, of, &x));
                TestSet {
                    points: law.points,
                    x,
                    y: Some(y),
                }
            }
        };
        if let Some(scaling) = self.scaling(seed, replicate, train) {
            scaling.inputs(&mut set.x);
            if let Some(y) = &mut set.y {
                scaling.targets(y);
            }
        }
        set
    }

    /// Whether targets follow from the inputs, so that a grid has some.
    fn is_function(&self) -> bool {
        match self.targets {
            Targets::Gaussian | Targets::Signs(_) | Targets::TwoSpirals => false,
            Targets::Teacher { .. }
            | Targets::Polynomial(_)
            | Targets::Chebyshev(_)
            | Targets::Cosine(_)
            | Targets::Sine(_)
            | Targets::Abs
            | Targets::Parity
            | Targets::Xor => true,
        }
    }
}

/// The points of a grid of so many places along each side, the first input changing fastest.
fn grid([from, to]: [f64; 2], side: usize, dim: usize) -> Vec<f64> {
    let gaps = (side.max(2) - 1) as f64;
    let place = |i: usize| from + (to - from) * i as f64 / gaps;
    if dim == 1 {
        return (0..side).map(place).collect();
    }
    let rows = (0..side).flat_map(|row| (0..side).map(move |column| [column, row]));
    rows.flatten().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::data::Standardise;

    fn data(inputs: InputLaw, targets: Targets) -> Data {
        Data {
            points: 20,
            dim: 2,
            inputs,
            targets,
            ..Data::default()
        }
    }

    fn fresh(points: usize) -> TestData {
        TestData {
            points: Some(points),
            ..TestData::default()
        }
    }

    /// The laws are the same, the numbers are others, and more points begin with fewer.
    #[test]
    fn fresh_points_are_those_of_a_replicate_that_there_is_not() {
        let of = data(InputLaw::Gaussian, Targets::Gaussian);
        let test = of.test_set(&fresh(20), (7, 3), None, None);
        let other = of.set(7, (1 << 63) + 3, None);
        assert_eq!((test.x, test.y), (other.x, Some(other.y)));
        let more = of.test_set(&fresh(50), (7, 3), None, None);
        let few = of.test_set(&fresh(20), (7, 3), None, None);
        assert_eq!(more.x[..40], few.x[..]);
        let train = of.set(7, 3, None);
        assert!(train.x.iter().all(|x| !few.x.contains(x)));
    }

    /// What a function of the inputs says of the training set it says of the test set, a teacher's
    /// included: a training input that is a test input has one target.
    #[test]
    fn a_teacher_is_the_same_for_training_and_test() {
        let teacher = Targets::Teacher {
            hidden: vec![3],
            activation: crate::engine::Activation::Tanh,
        };
        for targets in [
            teacher,
            Targets::Cosine(3),
            Targets::Polynomial(vec![0.5, 2.0]),
        ] {
            let of = data(InputLaw::Gaussian, targets);
            let (train, test) = (
                of.set(7, 3, None),
                of.test_set(&fresh(20), (7, 3), None, None),
            );
            // The same inputs, by the law of the other index.
            let again = of.targets_of(7, 3, &test.x);
            assert_eq!(test.y, Some(again));
            assert_eq!(of.targets_of(7, 3, &train.x), train.y);
        }
    }

    /// Places from end to end, the first input fastest; targets of functions alone.
    #[test]
    fn a_grid_has_targets_where_they_follow_from_inputs() {
        let test = TestData {
            points: Some(3),
            grid: Some([-1.0, 1.0]),
            ..TestData::default()
        };
        let of = data(InputLaw::Gaussian, Targets::Polynomial(vec![0.0, 1.0]));
        let set = of.test_set(&test, (1, 0), None, None);
        assert_eq!(set.points, 9);
        assert_eq!(set.x[..8], [-1.0, -1.0, 0.0, -1.0, 1.0, -1.0, -1.0, 0.0]);
        let first: Vec<f64> = set.x.iter().step_by(2).copied().collect();
        assert_eq!(set.y, Some(first));
        let normal = data(InputLaw::Gaussian, Targets::Gaussian);
        assert_eq!(normal.test_set(&test, (1, 0), None, None).y, None);
    }

    /// The transformation is that of the training set: the two are measured with one rule.
    #[test]
    fn test_points_are_scaled_as_the_training_set_is() {
        let of = Data {
            standardise: Some(Standardise::Both),
            ..data(
                InputLaw::Shell([2.0, 5.0]),
                Targets::Polynomial(vec![3.0, 1.0]),
            )
        };
        let scaling = of.scaling(7, 3, None).expect("it is scaled");
        let scaled = of.test_set(&fresh(9), (7, 3), None, None);
        let plain = Data {
            standardise: None,
            ..of.clone()
        };
        let mut set = plain.test_set(&fresh(9), (7, 3), None, None);
        scaling.inputs(&mut set.x);
        let mut y = set.y.expect("a function");
        scaling.targets(&mut y);
        assert_eq!((scaled.x, scaled.y), (set.x, Some(y)));
    }
}

//! The inputs of a training set: how they are drawn, how near they are to each other, and how that
//! is changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Mistake, mistake, positive};
use super::data::{Data, InputLaw, Set};
use crate::seed::{Purpose, Stream, stream};

/// How near the inputs may be to each other: an intervention on the law of the inputs that leaves
/// everything else of a replicate as it was.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nearest {
    /// As the law of the inputs has it.
    #[default]
    AsDrawn,
    /// No two inputs are nearer than this. Input i is drawn again, by the same law, as long as one
    /// of the inputs 0 … i − 1 is nearer (random sequential addition: Widom 1966, J. Chem. Phys.
    /// 44, 3888); the draws are those that would follow in the streams of the law.
    AtLeast(f64),
    /// The second of the two nearest inputs is moved along the line through both until they are
    /// this far apart; all others stay. Where they were farther apart, no other pair is nearer
    /// then.
    MovedPair(f64),
}

impl Nearest {
    /// Whether the inputs stay as their law has them.
    pub(super) fn is_as_drawn(&self) -> bool {
        *self == Nearest::AsDrawn
    }
}

/// Two inputs of a training set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair {
    /// The smaller index.
    pub first: usize,
    /// The larger one.
    pub second: usize,
    /// ‖x_first − x_second‖.
    pub distance: f64,
}

impl Set {
    /// ‖xᵢ − xⱼ‖.
    pub fn distance(&self, i: usize, j: usize) -> f64 {
        between(&self.x, self.dim(), i, j)
    }

    /// All pairs of inputs, each once.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        all_pairs(&self.x, self.dim(), self.points)
    }

    /// The two nearest inputs; of several, the first; none with fewer than two.
    pub fn nearest_pair(&self) -> Option<Pair> {
        closest(self.pairs())
    }
}

fn between(x: &[f64], dim: usize, i: usize, j: usize) -> f64 {
    let row = |i: usize| &x[i * dim..(i + 1) * dim];
    let squares = row(i).iter().zip(row(j)).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

fn all_pairs(x: &[f64], dim: usize, n: usize) -> impl Iterator<Item = Pair> {
    (0..n).flat_map(move |second| {
        (0..second).map(move |first| Pair {
            first,
            second,
            distance: between(x, dim, first, second),
        })
    })
}

fn closest(pairs: impl Iterator<Item = Pair>) -> Option<Pair> {
    pairs.min_by(|a, b| a.distance.total_cmp(&b.distance))
}

// ---- Drawing -----------------------------------------------------------------------------------

/// The part of a training set's stream that norms of inputs are drawn from.
const NORMS: u64 = 1 << 33;

/// Inputs drawn again for each of the points, on average, after which all are drawn anew.
const AGAIN: usize = 100;

/// Times that all inputs are drawn anew before they are given up.
const ANEW: usize = 1000;

/// The same where a study is checked: what is found in so few is found in [`ANEW`], but for a
/// probability that nobody will see.
const ANEW_IN_CHECK: usize = 10;

/// Training sets that are drawn where a study is checked.
const CHECKED: u64 = 8;

/// Points up to which their distances are kept from falling below a number: all pairs are looked
/// at, and more than once.
const MOST_APART: usize = 1000;

/// The random rows of a law of inputs, without end: row i takes the i-th number of each stream.
struct Rows {
    columns: Vec<Stream>,
    shape: Shape,
}

/// What a row of normal numbers becomes.
enum Shape {
    /// What it is.
    Drawn,
    /// Its direction, with this norm.
    Norm(f64),
    /// Its direction, with a norm uniform between the two.
    NormBetween(Stream, [f64; 2]),
    /// The signs of its numbers.
    Signs,
}

impl Rows {
    /// None where the law draws nothing.
    fn new(law: &InputLaw, dim: usize, seed: u64, index: u64) -> Option<Rows> {
        let shape = match law {
            InputLaw::Gaussian => Shape::Drawn,
            InputLaw::Sphere => Shape::Norm((dim as f64).sqrt()),
            InputLaw::Shell(ends) => {
                Shape::NormBetween(stream(seed, index, Purpose::Data, NORMS), *ends)
            }
            InputLaw::Hypercube => Shape::Signs,
            InputLaw::Grid(_)
            | InputLaw::Chebyshev
            | InputLaw::Circle
            | InputLaw::Corners
            | InputLaw::Bits
            | InputLaw::TwoSpirals => return None,
        };
        let columns = (0..dim as u64).map(|j| stream(seed, index, Purpose::Data, 1 + j));
        Some(Rows {
            columns: columns.collect(),
            shape,
        })
    }

    /// Draws the next row into `row` [dim].
    fn next(&mut self, row: &mut [f64]) {
        let columns = self.columns.iter_mut();
        columns.zip(&mut *row).for_each(|(c, x)| *x = c.normal());
        let to = match &mut self.shape {
            Shape::Drawn => return,
            Shape::Signs => return row.iter_mut().for_each(|x| *x = 1f64.copysign(*x)),
            Shape::Norm(norm) => *norm,
            Shape::NormBetween(random, [from, to]) => *from + (*to - *from) * random.uniform(),
        };
        let now = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter_mut().for_each(|v| *v *= to / now);
    }
}

/// The inputs [N, dim] of a law that draws nothing.
fn placed(law: &InputLaw, n: usize, x: &mut [f64]) {
    match law {
        InputLaw::Gaussian | InputLaw::Sphere | InputLaw::Shell(_) | InputLaw::Hypercube => {}
        InputLaw::Corners | InputLaw::Bits => {
            let low = if *law == InputLaw::Bits { 0.0 } else { -1.0 };
            let dim = x.len() / n.max(1);
            for (i, row) in x.chunks_exact_mut(dim).enumerate() {
                for (j, x) in row.iter_mut().enumerate() {
                    let bit = i >> (dim - 1 - j) & 1;
                    *x = if bit == 1 { 1.0 } else { low };
                }
            }
        }
        InputLaw::TwoSpirals => {
            let gaps = (n / 2).max(2) - 1;
            for (k, both) in x.chunks_exact_mut(4).enumerate() {
                let t = 96.0 * k as f64 / gaps as f64;
                let (angle, radius) = (t * std::f64::consts::PI / 16.0, 6.5 * (104.0 - t) / 104.0);
                let (a, b) = (radius * libm::sin(angle), radius * libm::cos(angle));
                both.copy_from_slice(&[a, b, -a, -b]);
            }
        }
        InputLaw::Grid([from, to]) => {
            let gaps = (n.max(2) - 1) as f64;
            (0..n).for_each(|i| x[i] = from + (to - from) * i as f64 / gaps);
        }
        InputLaw::Chebyshev => {
            let step = std::f64::consts::PI / (2 * n) as f64;
            (0..n).for_each(|i| x[i] = -libm::cos(step * (2 * i + 1) as f64));
        }
        InputLaw::Circle => {
            for (i, row) in x.chunks_exact_mut(2).enumerate() {
                let angle = std::f64::consts::TAU * i as f64 / n as f64;
                row.copy_from_slice(&[libm::cos(angle), libm::sin(angle)]);
            }
        }
    }
}

/// Inputs [N, dim] of which no two are nearer than `least`, drawn anew at most so many times; the
/// last ones, and false, if there are none among these.
fn apart(rows: &mut Rows, x: &mut [f64], dim: usize, least: f64, anew: usize) -> bool {
    let n = x.len() / dim;
    for _ in 0..anew {
        x.chunks_exact_mut(dim).for_each(|row| rows.next(row));
        let (mut i, mut again) = (0, 0);
        while i < n && again <= AGAIN * n {
            if (0..i).any(|j| between(x, dim, j, i) < least) {
                rows.next(&mut x[i * dim..(i + 1) * dim]);
                again += 1;
            } else {
                i += 1;
            }
        }
        if i == n {
            return true;
        }
    }
    false
}

/// Moves the second of the two nearest inputs so that they are `distance` apart: along the line
/// through both, along the first axis if they are equal.
fn move_pair(x: &mut [f64], dim: usize, distance: f64) {
    let n = x.len() / dim.max(1);
    let Some(pair) = closest(all_pairs(x, dim, n)) else {
        return;
    };
    let (before, from) = x.split_at_mut(pair.second * dim);
    let fixed = &before[pair.first * dim..(pair.first + 1) * dim];
    let moved = &mut from[..dim];
    if pair.distance > 0.0 {
        let factor = distance / pair.distance;
        let both = moved.iter_mut().zip(fixed);
        both.for_each(|(m, f)| *m = f + (*m - f) * factor);
    } else {
        moved[0] = fixed[0] + distance;
    }
}

impl Data {
    /// The inputs of training set `index`, [N, dim]; `file` holds those of [`Data::file`].
    pub(super) fn inputs_of(&self, seed: u64, index: u64, file: Option<&Set>) -> Vec<f64> {
        let (mut x, dim) = match file {
            Some(set) => (set.x.clone(), set.dim()),
            None => (self.drawn(seed, index, ANEW).0, self.dim),
        };
        match self.nearest {
            Nearest::AsDrawn | Nearest::AtLeast(_) => {}
            Nearest::MovedPair(distance) => move_pair(&mut x, dim, distance),
        }
        x
    }

    /// Inputs by their law, and whether they are as far apart as they shall be.
    fn drawn(&self, seed: u64, index: u64, anew: usize) -> (Vec<f64>, bool) {
        let mut x = vec![0.0; self.points * self.dim];
        let Some(mut rows) = Rows::new(&self.inputs, self.dim, seed, index) else {
            placed(&self.inputs, self.points, &mut x);
            return (x, true);
        };
        let done = match self.nearest {
            Nearest::AsDrawn | Nearest::MovedPair(_) => {
                x.chunks_exact_mut(self.dim).for_each(|row| rows.next(row));
                true
            }
            Nearest::AtLeast(least) => apart(&mut rows, &mut x, self.dim, least, anew),
        };
        (x, done)
    }

    /// That distances are ones that these inputs can have, as far as the size does not decide it.
    pub(super) fn check_nearest(&self) -> Result<(), Mistake> {
        let wrong = |message: String, hint: &str| mistake("data.nearest", message, hint);
        match self.nearest {
            Nearest::AsDrawn => Ok(()),
            Nearest::MovedPair(to) if !(to >= 0.0 && to.is_finite()) => wrong(
                format!("two inputs at a distance of {to}"),
                "a number from 0 on, for instance `{ moved_pair = 0.1 }`",
            ),
            Nearest::AtLeast(least) if !positive(least) => wrong(
                format!("inputs at a distance of at least {least}"),
                "a number above 0, for instance `{ at_least = 0.5 }`",
            ),
            Nearest::AtLeast(_) if self.file.is_some() => wrong(
                "the inputs of a file are not drawn, so none can be drawn again".into(),
                "`{ moved_pair = 0.1 }` moves one of them",
            ),
            Nearest::AtLeast(_) => match &self.inputs {
                InputLaw::Gaussian
                | InputLaw::Sphere
                | InputLaw::Shell(_)
                | InputLaw::Hypercube => Ok(()),
                InputLaw::Grid(_)
                | InputLaw::Chebyshev
                | InputLaw::Circle
                | InputLaw::Corners
                | InputLaw::Bits
                | InputLaw::TwoSpirals => wrong(
                    "these inputs are not drawn, so none can be drawn again".into(),
                    "another law of `data.inputs`, or `{ moved_pair = 0.1 }`, which moves one",
                ),
            },
            Nearest::MovedPair(_) => Ok(()),
        }
    }

    /// The same, where the size is known: that a few training sets can be drawn.
    pub(super) fn check_apart(&self, seed: u64) -> Result<(), Mistake> {
        let wrong = |message: String, hint: &str| mistake("data.nearest", message, hint);
        match self.nearest {
            Nearest::AsDrawn => Ok(()),
            Nearest::MovedPair(_) if self.points < 2 => {
                wrong("a single point is no pair".into(), "`points = 2` or more")
            }
            Nearest::MovedPair(_) => Ok(()),
            Nearest::AtLeast(_) if self.points > MOST_APART => wrong(
                format!("{} points kept apart: at most {MOST_APART}", self.points),
                "fewer points, or `{ moved_pair = 0.1 }`",
            ),
            Nearest::AtLeast(least) => {
                let hard = (0..CHECKED).any(|set| !self.drawn(seed, set, ANEW_IN_CHECK).1);
                if !hard {
                    return Ok(());
                }
                wrong(
                    format!(
                        "{} points in dimension {} with no two nearer than {least}: not found in \
                         {} draws",
                        self.points,
                        self.dim,
                        ANEW_IN_CHECK * (1 + AGAIN) * self.points
                    ),
                    "a smaller distance, fewer points, or a wider law of `data.inputs`",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::data::{Draw, Targets};

    fn data(inputs: InputLaw, dim: usize, nearest: Nearest) -> Data {
        Data {
            inputs,
            dim,
            nearest,
            ..Data::default()
        }
    }

    fn row(set: &Set, i: usize) -> &[f64] {
        let d = set.dim();
        &set.x[i * d..(i + 1) * d]
    }

    fn nearest(set: &Set) -> f64 {
        set.nearest_pair().expect("there are pairs").distance
    }

    const DISTANCES: [(usize, f64); 4] = [(1, 0.02), (2, 0.45), (5, 1.5), (15, 3.5)];

    #[test]
    fn inputs_kept_apart_are_apart_and_change_nothing_else() {
        let shell = InputLaw::Shell([1.0, 3.0]);
        // A circle, and a shell, have less room.
        for (law, room) in [
            (InputLaw::Gaussian, 1.0),
            (InputLaw::Sphere, 0.4),
            (shell, 0.4),
        ] {
            for (dim, least) in DISTANCES.map(|(dim, least)| (dim, room * least)) {
                // Two points are all that there is of a sphere of dimension 1.
                if law == InputLaw::Sphere && dim == 1 {
                    continue;
                }
                for r in 0..20 {
                    let set = data(law.clone(), dim, Nearest::AtLeast(least)).set(7, r, None);
                    let drawn = data(law.clone(), dim, Nearest::AsDrawn).set(7, r, None);
                    assert!(nearest(&set) >= least, "{law:?}, d = {dim}, {r}");
                    assert_eq!(set.y, drawn.y);
                    assert_eq!(row(&set, 0), row(&drawn, 0));
                    let small = data(law.clone(), dim, Nearest::AtLeast(1e-9));
                    assert_eq!(small.set(7, r, None), drawn);
                }
            }
        }
    }

    /// The recipe of docs/study-file.md, with rows that are drawn beforehand.
    #[test]
    fn inputs_kept_apart_are_those_of_the_documented_recipe() {
        let (n, least) = (20, 0.45);
        for r in 0..20 {
            let mut columns: Vec<Stream> =
                (0..2).map(|j| stream(7, r, Purpose::Data, 1 + j)).collect();
            let mut rows = (0..2000).map(|_| [columns[0].normal(), columns[1].normal()]);
            let mut x: Vec<[f64; 2]> = (0..n).map(|_| rows.next().expect("enough")).collect();
            for i in 0..n {
                let near = |a: &[f64; 2], b: &[f64; 2]| {
                    ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt() < least
                };
                while x[..i].iter().any(|before| near(before, &x[i])) {
                    x[i] = rows.next().expect("enough");
                }
            }
            let set = data(InputLaw::Gaussian, 2, Nearest::AtLeast(least)).set(7, r, None);
            assert_eq!(set.x, x.concat());
        }
    }

    /// Points on a circle that come one after another fill 0.748 of it before no other one fits
    /// (Rényi 1958): of eleven that fill 0.754 some sets jam, and are drawn anew.
    #[test]
    fn inputs_that_jam_are_drawn_anew() {
        let crowded = Data {
            points: 11,
            ..data(InputLaw::Sphere, 2, Nearest::AtLeast(0.605))
        };
        crowded.check_apart(7).expect("it can be done");
        for r in 0..50 {
            let set = crowded.set(7, r, None);
            assert!(nearest(&set) >= 0.605, "{r}");
        }
    }

    #[test]
    fn one_input_is_moved_along_the_line_through_the_nearest_two() {
        for (dim, _) in DISTANCES {
            for r in 0..20 {
                let drawn = data(InputLaw::Gaussian, dim, Nearest::AsDrawn).set(7, r, None);
                let pair = drawn.nearest_pair().expect("there are pairs");
                let (i, j) = (pair.first, pair.second);
                for share in [0.0, 0.01, 0.5, 1.0, 3.0] {
                    let to = share * pair.distance;
                    let set = data(InputLaw::Gaussian, dim, Nearest::MovedPair(to)).set(7, r, None);
                    assert!((set.distance(i, j) - to).abs() < 1e-12, "d = {dim}, {r}");
                    assert_eq!(set.y, drawn.y);
                    let others = (0..20).filter(|k| *k != j);
                    others.for_each(|k| assert_eq!(row(&set, k), row(&drawn, k)));
                    for ((a, b), m) in row(&drawn, i).iter().zip(row(&drawn, j)).zip(row(&set, j)) {
                        assert!((a + share * (b - a) - m).abs() < 1e-12);
                    }
                    // Nearer than before, it is the nearest pair still.
                    if share <= 1.0 {
                        assert!((nearest(&set) - to).abs() < 1e-12, "d = {dim}, {r}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_pair_of_a_file_is_moved_and_its_targets_stay() {
        let file = Set {
            points: 3,
            x: vec![0.0, 0.0, 3.0, 4.0, 3.0, 4.0],
            y: vec![1.0, 2.0, 3.0],
        };
        let moved = Data {
            file: Some("own".into()),
            draw: Draw::Once,
            ..data(InputLaw::Gaussian, 15, Nearest::MovedPair(0.5))
        };
        let set = moved.set(7, 0, Some(&file));
        // Equal inputs part along the first axis.
        assert_eq!(set.x, [0.0, 0.0, 3.0, 4.0, 3.5, 4.0]);
        assert_eq!(set.y, file.y);
    }

    /// y = 2 t of the first coordinate, also of the input that was moved.
    #[test]
    fn targets_that_are_a_function_of_the_inputs_stay_that_function() {
        for nearest in [Nearest::MovedPair(0.1), Nearest::AtLeast(0.5)] {
            let data = Data {
                targets: Targets::Polynomial(vec![0.0, 2.0]),
                ..data(InputLaw::Gaussian, 2, nearest)
            };
            let set = data.set(7, 3, None);
            for (row, y) in set.x.chunks_exact(2).zip(&set.y) {
                assert!((y - 2.0 * row[0]).abs() < 1e-15);
            }
        }
    }
}

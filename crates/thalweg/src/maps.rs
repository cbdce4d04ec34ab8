//! Maps: what happens when two numbers of a setting are varied together, a pixel for every pair.
//!
//! Each pixel is a cell of its own; those whose problem is the same share the lanes of the engine,
//! so a map of 10⁵ pixels with a replicate each is trained as fast as one cell of 10⁵ replicates.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::analysis::LEVEL;
use crate::descent::Method;
use crate::engine::{Engine, Problem};
use crate::error::Error;
use crate::lab::{
    Control, Decision, Event, Hooks, Judge, Numbers, Wanted, grouped, job, problem_key, row,
    train_wanted,
};
use crate::observe;
use crate::plan::{Axis, Cell, Sheet};
use crate::record::{Outcome, Row};
use crate::stats::{Interval, anytime_bounds, mean_interval, quantile_of, wilson};
use crate::study::{Drawn, Mistake, Replicates, Setting};
use crate::theory::expect::expect;
use crate::theory::linear::Rule;
use crate::threads;

/// Pixels that are trained together; they are kept when all of them are finished.
const BATCH: usize = 8192;

/// Training sets of a pixel from which theory predicts.
const PREDICTED: u64 = 20;

/// Values of an axis at which a border is computed, and replicates of which it is the median.
const BORDER: usize = 33;
const BORDER_REPLICATES: u64 = 9;

/// What the replicates of a pixel did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pixel {
    /// Replicates trained.
    pub replicates: u64,
    /// Those that succeeded.
    pub below: u64,
    /// Those that diverged.
    pub diverged: u64,
    /// The median first step below the loss, later than the budget if NaN.
    pub steps: f64,
    /// The median loss at the end; infinite where half of them diverged.
    pub loss: f64,
    /// The median step at which those that diverged did; NaN where none did.
    pub diverged_at: f64,
    /// The share that infinitely wide networks predict; NaN where nothing is predicted.
    pub predicted: f64,
}

impl Pixel {
    fn of(rows: &[Row]) -> Pixel {
        let median = |of: &dyn Fn(&Row) -> f64| {
            let all: Vec<f64> = rows.iter().map(of).collect();
            quantile_of(&all, 0.5)
        };
        let at: Vec<f64> = (rows.iter())
            .filter_map(|row| match row.outcome {
                Outcome::Diverged { step } => Some(step as f64),
                Outcome::Below { .. } | Outcome::Spent | Outcome::Fixed { .. } => None,
            })
            .collect();
        let finite = |v: f64| if v.is_finite() { v } else { f64::NAN };
        Pixel {
            replicates: rows.len() as u64,
            below: rows.iter().filter(|row| row.reached()).count() as u64,
            diverged: at.len() as u64,
            steps: finite(median(&|row| {
                row.hit().map_or(f64::INFINITY, |step| step as f64)
            })),
            loss: median(&|row| match row.outcome {
                Outcome::Diverged { .. } => f64::INFINITY,
                _ => row.final_loss,
            }),
            diverged_at: match at.is_empty() {
                true => f64::NAN,
                false => quantile_of(&at, 0.5),
            },
            predicted: f64::NAN,
        }
    }

    /// The share that succeeded.
    pub fn share(&self) -> f64 {
        self.below as f64 / self.replicates as f64
    }

    /// What a picture shows of it; NaN where there is nothing.
    pub fn value(&self, drawn: Drawn) -> f64 {
        match drawn {
            Drawn::Success => self.share(),
            Drawn::Steps => self.steps,
            Drawn::Loss => self.loss,
            Drawn::Divergence => self.diverged_at,
            Drawn::Predicted => self.predicted,
        }
    }

    /// How much two neighbours differ: by their shares, by decades of steps, by ten decades of
    /// loss.
    fn difference(&self, other: &Pixel) -> f64 {
        let shares = (self.share() - other.share()).abs();
        let diverged = |p: &Pixel| p.diverged as f64 / p.replicates as f64;
        let decades = |a: f64, b: f64| match (a.is_finite(), b.is_finite()) {
            (true, true) => (libm::log10(a) - libm::log10(b)).abs(),
            (false, false) => 0.0,
            _ => 1.0,
        };
        [
            shares,
            (diverged(self) - diverged(other)).abs(),
            decades(self.steps, other.steps),
            0.1 * decades(self.loss, other.loss),
        ]
        .into_iter()
        .filter(|d| d.is_finite())
        .fold(0.0, f64::max)
    }
}

/// A line on a map that theory draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Border {
    /// What happens there.
    pub kind: BorderKind,
    /// Points (x, y) along it.
    pub points: Vec<(f64, f64)>,
}

/// What a border is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BorderKind {
    /// The largest stable rate of the network linearised at its start, in the median.
    LargestStableRate,
    /// Twice that of gradient descent, 4 over the largest eigenvalue of the Hessian: the end of
    /// the catapult (Lewkowycz et al. 2020, arXiv:2003.02218).
    Catapult,
    /// As many dimensions as training points less one: linear networks with biases fit above it.
    Interpolation,
    /// As many parameters as targets.
    Capacity,
}

/// A map that was computed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Picture {
    /// The values of the map's conditions, by their keys.
    pub condition: Vec<(String, Value)>,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// What is drawn.
    pub draw: Vec<Drawn>,
    /// The setting around which it is.
    pub setting: Setting,
    /// The pixels, row by row from the bottom; none where the budget did not reach.
    #[serde(skip)]
    pub pixels: Vec<Option<Pixel>>,
    /// For every pixel the place of the one that stands for it: itself where it was trained.
    #[serde(skip)]
    pub shown: Vec<usize>,
    /// Pixels that were trained.
    pub trained: usize,
    /// Lines that theory draws.
    pub borders: Vec<Border>,
    /// The dimension of the border between training and divergence; none where it is too short.
    pub dimension: Option<BoxDimension>,
}

/// How the number of boxes that a border crosses grows as they shrink.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxDimension {
    /// Minus the slope of log N(s) over log s.
    pub dimension: f64,
    /// Its 95 % interval, from the scatter of the slopes between one size of boxes and the next.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Sizes of boxes, in pixels, the largest first.
    pub sizes: usize,
}

/// Where finished pixels are kept.
pub trait PixelKeeper: Sync {
    /// The pixels of a sheet that were finished before, by their places.
    ///
    /// # Errors
    ///
    /// If there is something that cannot be read.
    fn found(&self, sheet: &Sheet) -> Result<Vec<(usize, Pixel)>, Error>;

    /// Keeps finished pixels.
    ///
    /// # Errors
    ///
    /// If they cannot be kept: then the map stops.
    fn keep(&self, sheet: &Sheet, pixels: &[(usize, Pixel)]) -> Result<(), Error>;
}

/// Collects the replicates of a pixel.
struct Collected {
    place: usize,
    rows: Vec<Row>,
    decision: Decision,
}

impl Judge for Collected {
    type Ended = Row;

    fn judge(&mut self, row: Row) -> bool {
        let reached = row.reached();
        self.rows.push(row);
        self.decision.judge(reached)
    }
}

/// That theory predicts what a map is to draw of it.
///
/// # Errors
///
/// [`Error::NoTheory`], as [`expect`].
pub fn check(sheet: &Sheet) -> Result<(), Error> {
    let (width, height) = sheet.size();
    for place in [0, width * height - 1] {
        if sheet.draws_theory() {
            expect(&sheet.cell(place)?, 1, 1)?;
        }
    }
    Ok(())
}

/// Computes a map, on so many threads. Where there is a budget, pixels on a coarse grid come first,
/// then those between neighbours that differ most.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped, with the batches that are kept; [`Error::Engine`];
/// [`Error::Study`] for a pixel whose setting is impossible; what the keeper says.
pub fn compute(
    sheet: &Sheet,
    engine: &dyn Engine,
    threads: usize,
    keeper: &dyn PixelKeeper,
    control: &Control<'_>,
) -> Result<Picture, Error> {
    check(sheet)?;
    let (width, height) = sheet.size();
    let mut pixels: Vec<Option<Pixel>> = vec![None; width * height];
    for (place, pixel) in keeper.found(sheet)? {
        if let Some(here) = pixels.get_mut(place) {
            *here = Some(pixel);
        }
    }
    let mut shown: Vec<usize> = (0..pixels.len()).collect();
    let mut left = sheet.budget;
    let mut stride = match sheet.budget < pixels.len() {
        // About an eighth of the budget goes into the first grid.
        true => {
            let share = (8 * pixels.len()).div_ceil(sheet.budget);
            (1..)
                .map(|k| 1usize << k)
                .find(|s| s * s >= share)
                .unwrap_or(1)
        }
        false => 1,
    };
    let mut grid: Vec<usize> = (0..pixels.len())
        .filter(|p| (p % width).is_multiple_of(stride) && (p / width).is_multiple_of(stride))
        .collect();
    loop {
        grid.truncate(left);
        left -= grid.len();
        train_pixels(
            sheet,
            &grid,
            &mut pixels,
            (engine, threads),
            keeper,
            control,
        )?;
        if stride == 1 {
            break;
        }
        let half = stride / 2;
        let mut next: Vec<(f64, usize)> = Vec::new();
        for place in 0..pixels.len() {
            let (i, j) = (place % width, place / width);
            let on = |s: usize| i.is_multiple_of(s) && j.is_multiple_of(s);
            if !on(half) || on(stride) {
                continue;
            }
            // The corners of the coarse square that it is in, or on the side of.
            let low = |k: usize| k - k % stride;
            let high = |k: usize, count: usize| {
                let above = low(k) + if k.is_multiple_of(stride) { 0 } else { stride };
                if above < count { above } else { low(k) }
            };
            let corners = [
                low(j) * width + low(i),
                low(j) * width + high(i, width),
                high(j, height) * width + low(i),
                high(j, height) * width + high(i, width),
            ]
            .map(|c| shown[c]);
            let known: Vec<&Pixel> = corners.iter().filter_map(|&c| pixels[c].as_ref()).collect();
            let pairs = known
                .iter()
                .flat_map(|a| known.iter().map(move |b| a.difference(b)));
            next.push((pairs.fold(0.0, f64::max), place));
            shown[place] = corners[0];
        }
        // Equal ones in the order of their places, so that a map is the same every time.
        next.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        grid = next
            .iter()
            .filter(|(d, _)| *d > 0.0)
            .map(|(_, p)| *p)
            .collect();
        for &place in grid.iter().take(left) {
            shown[place] = place;
        }
        stride = half;
    }
    let trained = pixels.iter().flatten().count();
    let mut picture = Picture {
        condition: sheet.condition.clone(),
        x: sheet.x.clone(),
        y: sheet.y.clone(),
        draw: sheet.draw.clone(),
        setting: sheet.setting.clone(),
        pixels,
        shown,
        trained,
        borders: borders(sheet, threads),
        dimension: None,
    };
    picture.dimension = box_dimension(&picture);
    Ok(picture)
}

fn train_pixels(
    sheet: &Sheet,
    wanted: &[usize],
    pixels: &mut [Option<Pixel>],
    (engine, threads): (&dyn Engine, usize),
    keeper: &dyn PixelKeeper,
    control: &Control<'_>,
) -> Result<(), Error> {
    let missing = wanted.iter().copied().filter(|&p| pixels[p].is_none());
    let mut left: Vec<usize> = missing.collect();
    left.sort_unstable();
    for (number, batch) in left.chunks(BATCH).enumerate() {
        let stopped = || Error::Stopped {
            done: number * BATCH,
            cells: left.len(),
        };
        let cells = threads::map(threads, batch.len(), |i| sheet.cell(batch[i]));
        let cells: Vec<Cell> = cells.into_iter().collect::<Result<_, Mistake>>()?;
        let mut finished = train_cells(batch, &cells, (engine, threads), control, stopped)?;
        if sheet.draws_theory() {
            // Both in the order of their places.
            let shares = threads::map(threads, cells.len(), |i| {
                let sets = cells[i].setting.replicates.at_most().min(PREDICTED);
                let all = expect(&cells[i], sets, 1).ok()?;
                let budget = cells[i].setting.descent.steps as f64;
                let there = all.iter().filter(|e| e.steps <= budget).count();
                Some(there as f64 / all.len() as f64)
            });
            for ((_, pixel), share) in finished.iter_mut().zip(shares) {
                pixel.predicted = share.unwrap_or(f64::NAN);
            }
        }
        keeper.keep(sheet, &finished)?;
        for (place, pixel) in finished {
            pixels[place] = Some(pixel);
        }
    }
    Ok(())
}

/// The pixels of these cells.
fn train_cells(
    places: &[usize],
    cells: &[Cell],
    (engine, threads): (&dyn Engine, usize),
    control: &Control<'_>,
    stopped: impl Fn() -> Error,
) -> Result<Vec<(usize, Pixel)>, Error> {
    let keyed = threads::map(threads, cells.len(), |i| {
        (problem_key(&cells[i].problem()), i)
    });
    let groups = grouped(keyed);
    let problems: Vec<Problem> = groups.iter().map(|g| cells[g[0]].problem()).collect();
    if !(control.stopped)() {
        engine.prepare(&problems, threads)?;
    }
    let finished = Mutex::new(Vec::with_capacity(cells.len()));
    let silent = |event: Event<'_>| match event {
        // Of thousands of cells each of a moment only their number is told.
        Event::Replicate { .. } | Event::Steps(_) => (control.listen)(event),
        Event::Cell { .. } | Event::Loss { .. } | Event::Done { .. } => {}
    };
    let control = Control {
        listen: &silent,
        ..*control
    };
    for (problem, members) in problems.iter().zip(&groups) {
        let parts = members.iter().map(|&i| {
            let cell = &cells[i];
            let decision = Decision::of(cell);
            let wanted = Wanted {
                cell,
                numbers: Numbers::Range(0, cell.setting.replicates.at_most()),
                in_order: decision.in_order(),
                followed: false,
            };
            let collected = Collected {
                place: places[i],
                rows: Vec::new(),
                decision,
            };
            vec![(wanted, collected)]
        });
        let hooks = Hooks {
            take: &|_, trained| row(&trained),
            complete: &|_, collected: Collected, _| {
                let pixel = (collected.place, Pixel::of(&collected.rows));
                finished
                    .lock()
                    .unwrap_or_else(|e| e.into_inner())
                    .push(pixel);
                Ok(())
            },
        };
        let parts = parts.collect();
        if !train_wanted(problem, (engine, threads), parts, &hooks, &control)? {
            return Err(stopped());
        }
    }
    let mut finished = finished.into_inner().unwrap_or_else(|e| e.into_inner());
    finished.sort_by_key(|(place, _)| *place);
    Ok(finished)
}

impl Picture {
    /// The pixel that is shown at a place.
    pub fn at(&self, place: usize) -> Option<&Pixel> {
        self.pixels[self.shown[place]].as_ref()
    }

    /// The 95 % interval of the probability of success of a pixel: at any time where its replicates
    /// were as many as a decision took.
    pub fn interval(&self, pixel: &Pixel) -> Interval {
        match self.setting.replicates {
            Replicates::Fixed(_) => wilson(pixel.below, pixel.replicates, LEVEL),
            Replicates::UntilDecided { .. } => anytime_bounds(pixel.below, pixel.replicates, LEVEL),
        }
    }
}

/// The median over replicates of the largest stable rate of a cell; none for a rule without one.
fn stable_rate(cell: &Cell) -> Option<f64> {
    let rule = Rule::of(&cell.setting.descent)?;
    let problem = cell.problem();
    let count = cell.setting.replicates.at_most().min(BORDER_REPLICATES);
    let rates: Vec<f64> = (0..count)
        .map(|replicate| {
            let job = job(cell, &problem, replicate);
            observe::largest_stable_rate(rule, &problem, &job.weights, &job.x)
        })
        .collect();
    Some(quantile_of(&rates, 0.5))
}

const RATE: &str = "descent.rate";
const SHARE: &str = "descent.rate.of_limit";
const DIM: &str = "data.dim";

/// What theory draws on a map.
fn borders(sheet: &Sheet, threads: usize) -> Vec<Border> {
    let (width, height) = sheet.size();
    let plain = sheet.setting.descent.method == Method::Gd;
    let mut all = Vec::new();
    for (axis, other, across) in [(&sheet.x, &sheet.y, true), (&sheet.y, &sheet.x, false)] {
        let count = other.values.len();
        let picked: Vec<usize> = (0..BORDER.min(count))
            .map(|i| i * (count - 1) / (BORDER.min(count) - 1).max(1))
            .collect();
        let place = |at: usize| if across { at * width } else { at };
        debug_assert!(picked.iter().all(|&at| place(at) < width * height));
        let mut add = |kind, of: &dyn Fn(usize) -> Option<f64>| {
            let points = (picked.iter().enumerate()).filter_map(|(i, &at)| {
                let (on, along) = (of(i)?, other.values[at]);
                Some(if across { (on, along) } else { (along, on) })
            });
            let points: Vec<(f64, f64)> = points.collect();
            let (from, to) = (axis.values[0], axis.values[axis.values.len() - 1]);
            let on = |p: &(f64, f64)| if across { p.0 } else { p.1 };
            // A border that is off the map is none of it.
            if points.iter().any(|p| (from..=to).contains(&on(p))) {
                all.push(Border { kind, points });
            }
        };
        if axis.key == RATE {
            let rates = threads::map(threads, picked.len(), |i| {
                stable_rate(&sheet.cell(place(picked[i])).ok()?)
            });
            add(BorderKind::LargestStableRate, &|i| rates[i]);
            if plain {
                add(BorderKind::Catapult, &|i| Some(2.0 * rates[i]?));
            }
        } else if axis.key == SHARE {
            add(BorderKind::LargestStableRate, &|_| Some(1.0));
            if plain {
                add(BorderKind::Catapult, &|_| Some(2.0));
            }
        } else if axis.key == DIM {
            let points = sheet.setting.data.points as f64;
            add(BorderKind::Interpolation, &|_| Some(points - 1.0));
        } else if axis.key.starts_with("net.hidden") {
            let smallest = threads::map(threads, picked.len(), |i| {
                let enough = |k: usize| {
                    let place = if across {
                        picked[i] * width + k
                    } else {
                        k * width + picked[i]
                    };
                    let cell = sheet.cell(place).ok()?;
                    let targets = cell.setting.data.targets_in_all();
                    Some(cell.parameters() >= targets)
                };
                (0..axis.values.len())
                    .find(|&k| enough(k) == Some(true))
                    .map(|k| axis.values[k])
            });
            add(BorderKind::Capacity, &|i| smallest[i]);
        }
    }
    all
}

/// Box counting on the border between pixels whose replicates mostly diverge and the others.
fn box_dimension(picture: &Picture) -> Option<BoxDimension> {
    let (width, height) = (picture.x.values.len(), picture.y.values.len());
    let diverges = |i: usize, j: usize| {
        let pixel = picture.at(j * width + i);
        pixel.map(|p| 2 * p.diverged > p.replicates)
    };
    let mut border = Vec::new();
    for j in 0..height.checked_sub(1)? {
        for i in 0..width.checked_sub(1)? {
            let here = diverges(i, j);
            if here != diverges(i + 1, j) || here != diverges(i, j + 1) {
                border.push((i, j));
            }
        }
    }
    // Boxes from a sixteenth of the map down to two pixels: single ones show the grid, not the
    // border.
    let mut sizes = Vec::new();
    let mut size = 2;
    while size <= width.min(height) / 16 {
        sizes.push(size);
        size *= 2;
    }
    let counts: Vec<f64> = (sizes.iter())
        .map(|size| {
            let mut boxes: Vec<(usize, usize)> =
                border.iter().map(|(i, j)| (i / size, j / size)).collect();
            boxes.sort_unstable();
            boxes.dedup();
            boxes.len() as f64
        })
        .collect();
    // A slope between each size and the next.
    let slopes: Vec<f64> = (counts.windows(2))
        .map(|n| libm::log2(n[0] / n[1]))
        .collect();
    if slopes.len() < 3 || counts.last().is_none_or(|n| *n < 8.0) {
        return None;
    }
    let (dimension, band) = mean_interval(&slopes, LEVEL);
    Some(BoxDimension {
        dimension,
        low: band.low,
        high: band.high,
        sizes: sizes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{self, InMemory};
    use crate::{Cpu, Inputs, Source};

    /// Keeps pixels in memory.
    #[derive(Default)]
    struct Kept(Mutex<Vec<(usize, Pixel)>>);

    impl Kept {
        fn all(&self) -> Vec<(usize, Pixel)> {
            self.0.lock().expect("no panic").clone()
        }
    }

    impl PixelKeeper for Kept {
        fn found(&self, _: &Sheet) -> Result<Vec<(usize, Pixel)>, Error> {
            Ok(self.all())
        }
        fn keep(&self, _: &Sheet, pixels: &[(usize, Pixel)]) -> Result<(), Error> {
            self.0.lock().expect("no panic").extend(pixels);
            Ok(())
        }
    }

    fn source(map: &str) -> Source {
        Source {
            name: "test.toml".into(),
            text: format!(
                "replicates = 4\n[data]\npoints = 3\ndim = 2\n[net]\nhidden = [3, 3]\n\
                 gains = [1.0, 1.0, 1.0]\n[descent]\nrate = 0.1\nsteps = 200\n[success]\n\
                 loss_below = 1e-3\n[map]\n{map}"
            ),
            folder: ".".into(),
        }
    }

    fn sheet(map: &str) -> Sheet {
        let sheets = source(map).sheets(&Inputs::default()).expect("a map");
        sheets.into_iter().next().expect("one")
    }

    const RATE_AND_GAIN: &str = "x = { key = \"descent.rate\", from = 0.01, to = 100.0, scale = \
                                 \"log\" }\ny = { key = \"net.gains.1\", from = 0.5, to = 4.0 \
                                 }\nsize = [9, 5]\n";

    fn computed(sheet: &Sheet, kept: &Kept, threads: usize) -> Picture {
        let control = Control::default();
        compute(sheet, &Cpu::detect(), threads, kept, &control).expect("a picture")
    }

    fn alike(a: &Picture, b: &Picture) -> bool {
        let bits = |p: &Picture| {
            let pixel = |p: &Pixel| {
                let reals = [p.steps, p.loss, p.diverged_at].map(f64::to_bits);
                ((p.replicates, p.below, p.diverged), reals)
            };
            let all = p.pixels.iter().map(|p| p.as_ref().map(pixel));
            all.collect::<Vec<_>>()
        };
        bits(a) == bits(b) && a.shown == b.shown
    }

    /// Pixels that share lanes are what cells are that are trained alone.
    #[test]
    fn a_pixel_is_a_cell() {
        let sheet = sheet(RATE_AND_GAIN);
        let picture = computed(&sheet, &Kept::default(), 2);
        assert_eq!((picture.trained, picture.pixels.len()), (45, 45));
        for place in [0, 8, 22, 44] {
            let cell = sheet.cell(place).expect("a cell");
            let gain = cell.setting.net.gains.as_ref().expect("gains")[1];
            assert_eq!(gain.to_bits(), picture.y.values[place / 9].to_bits());
            let record = lab::train(&cell, &Cpu::detect(), 1, &Control::default());
            let alone = Pixel::of(&record.expect("a record").rows);
            let pixel = picture.pixels[place].expect("a pixel");
            assert_eq!((alone.below, alone.diverged), (pixel.below, pixel.diverged));
            assert_eq!(alone.loss.to_bits(), pixel.loss.to_bits());
        }
        // Rates are at equal ratios, gains at equal differences, ends as written.
        assert_eq!(
            [0, 8].map(|i| picture.x.values[i].to_bits()),
            [0.01, 100.0].map(f64::to_bits)
        );
        assert!((picture.x.values[4] - 1.0).abs() < 1e-12);
        assert!((picture.y.values[2] - 2.25).abs() < 1e-12);
        // Small rates train nothing yet, large ones diverge: the map has both.
        assert!(picture.pixels[8].expect("a pixel").diverged > 0);
        assert_eq!(picture.pixels[0].expect("a pixel").diverged, 0);
        let limit = &picture.borders[0];
        assert_eq!(limit.kind, BorderKind::LargestStableRate);
        assert_eq!(limit.points.len(), 5);
        assert!(
            limit.points[0].0 > limit.points[4].0,
            "larger weights, smaller rates"
        );
    }

    #[test]
    fn a_budget_goes_where_neighbours_differ_and_is_the_same_on_any_threads() {
        let full = computed(&sheet(RATE_AND_GAIN), &Kept::default(), 2);
        let few = sheet(&format!("{RATE_AND_GAIN}budget = 20"));
        let picture = computed(&few, &Kept::default(), 2);
        assert!(picture.trained <= 20, "{}", picture.trained);
        assert!(alike(&picture, &computed(&few, &Kept::default(), 1)));
        for place in 0..45 {
            let there = picture.pixels[picture.shown[place]].expect("every pixel is shown");
            if picture.shown[place] == place {
                assert_eq!(there.below, full.pixels[place].expect("a pixel").below);
            }
        }
        // A budget beyond all pixels trains all.
        let all = sheet(&format!("{RATE_AND_GAIN}budget = 1000"));
        assert!(alike(&computed(&all, &Kept::default(), 1), &full));
    }

    #[test]
    fn what_is_kept_is_not_trained_again() {
        let sheet = sheet(&format!("{RATE_AND_GAIN}budget = 30"));
        let kept = Kept::default();
        let first = computed(&sheet, &kept, 2);
        assert_eq!(kept.all().len(), first.trained);
        let again = compute(
            &sheet,
            &Cpu::detect(),
            1,
            &kept,
            &Control {
                stopped: &|| true,
                ..Control::default()
            },
        );
        assert!(alike(&again.expect("nothing is left to train"), &first));
        let stopped = compute(
            &sheet,
            &Cpu::detect(),
            1,
            &Kept::default(),
            &Control {
                stopped: &|| true,
                ..Control::default()
            },
        );
        assert!(matches!(stopped, Err(Error::Stopped { .. })));
    }

    #[test]
    fn whole_numbers_have_a_pixel_each() {
        let sheet = sheet(
            "x = { key = \"data.dim\", from = 1, to = 4 }\n\
             y = { key = \"net.hidden.*\", from = 1, to = 9, scale = \"log\" }\n\
             size = [40, 40]\ndraw = [\"success\", \"predicted\"]",
        );
        assert_eq!(sheet.x.values, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            sheet.y.values,
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
        );
        let cell = sheet.cell(4 * 4 + 2).expect("a cell");
        assert_eq!((cell.dim(), &cell.setting.net.hidden[..]), (3, &[5, 5][..]));
        let picture = computed(&sheet, &Kept::default(), 2);
        assert!(
            picture
                .pixels
                .iter()
                .all(|p| p.expect("all").predicted.is_finite())
        );
        let kinds: Vec<BorderKind> = picture.borders.iter().map(|b| b.kind).collect();
        assert_eq!(kinds, [BorderKind::Interpolation, BorderKind::Capacity]);
    }

    #[test]
    fn each_condition_has_a_map() {
        let text = format!("{RATE_AND_GAIN}each = {{ \"data.dim\" = [5, 2] }}");
        let sheets = source(&text).sheets(&Inputs::default()).expect("maps");
        let dims = sheets.iter().map(|s| s.cell(0).expect("a cell").dim());
        assert_eq!(dims.collect::<Vec<_>>(), [5, 2]);
        assert_ne!(sheets[0].hash, sheets[1].hash);
    }

    #[test]
    fn a_mistake_of_a_map_is_told_where_it_is() {
        let x = "x = { key = \"descent.rate\", from = 0.01, to = 1.0 }\n";
        let y = "y = { key = \"net.gains.0\", from = 0.5, to = 4.0 }\n";
        for (map, said) in [
            (
                format!("{x}y = {{ key = \"net.gain\", from = 1, to = 2 }}"),
                "no number `net.gain`",
            ),
            (
                format!("{x}y = {{ key = \"net.gains\", from = 1, to = 2 }}"),
                "not a number",
            ),
            (
                format!("{x}y = {{ key = \"net.gains.7\", from = 1, to = 2 }}"),
                "`net.gains.7`",
            ),
            (
                format!("{x}y = {{ key = \"net.activation\", from = 1, to = 2 }}"),
                "not a number",
            ),
            (format!("{x}{}", x.replacen('x', "y", 1)), "both axes vary"),
            (
                format!("{x}y = {{ key = \"net.gains.0\", from = 2, to = 1 }}"),
                "no range",
            ),
            (
                format!("{x}y = {{ key = \"net.gains.0\", from = 0, to = 1, scale = \"log\" }}"),
                "logarithmic",
            ),
            (
                format!("{x}y = {{ key = \"data.dim\", from = 1.2, to = 1.8 }}"),
                "no whole number",
            ),
            (
                format!("{x}{y}each = {{ \"data.dim\" = [] }}"),
                "has no value",
            ),
            (
                format!("{x}{y}each = {{ \"descent.rate\" = [1.0] }}"),
                "is an axis",
            ),
            (format!("{x}{y}size = [1, 9]"), "pixels are not"),
            (format!("{x}{y}draw = []"), "nothing is drawn"),
            (format!("{x}{y}budget = 0"), "at least one pixel"),
            (
                format!("{x}y = {{ key = \"data.dim\", from = 0, to = 3 }}"),
                "data.dim = 0",
            ),
            (format!("{x}{y}colour = 3"), "unknown field `colour`"),
        ] {
            let found = source(&map).plan(&Inputs::default());
            let told = found.expect_err(&map).to_string();
            assert!(told.contains(said), "{map}: {told}");
            assert!(told.contains("test.toml:"), "{told}");
        }
        // A rule without a linear theory predicts nothing.
        let adam = source(&format!("{x}{y}draw = [\"predicted\"]"));
        let adam = Source {
            text: adam
                .text
                .replace("rate = 0.1", "rate = 0.1\nmethod = { adam = {} }"),
            ..adam
        };
        let sheets = adam.sheets(&Inputs::default()).expect("a map");
        assert!(matches!(check(&sheets[0]), Err(Error::NoTheory(_))));
        assert!(
            lab::run(
                &source(&format!("{x}{y}"))
                    .plan(&Inputs::default())
                    .expect("a plan"),
                &Cpu::detect(),
                1,
                &InMemory,
                &Control::default()
            )
            .is_ok()
        );
    }

    /// A picture whose pixels diverge where this says so.
    fn drawn(size: usize, diverges: impl Fn(usize, usize) -> bool) -> Picture {
        let axis = |key: &str| Axis {
            key: key.into(),
            values: (0..size).map(|i| i as f64).collect(),
            log: false,
        };
        let pixel = |place: usize| {
            let diverged = u64::from(diverges(place % size, place / size));
            Some(Pixel {
                replicates: 1,
                below: 1 - diverged,
                diverged,
                steps: 1.0,
                loss: 1.0,
                diverged_at: 1.0,
                predicted: f64::NAN,
            })
        };
        Picture {
            condition: Vec::new(),
            x: axis("a"),
            y: axis("b"),
            draw: Drawn::ALL.to_vec(),
            setting: Setting::default(),
            pixels: (0..size * size).map(pixel).collect(),
            shown: (0..size * size).collect(),
            trained: size * size,
            borders: Vec::new(),
            dimension: None,
        }
    }

    /// A line has the dimension 1, noise that of the plane, and a Cantor set of stripes that of its
    /// law.
    #[test]
    fn box_counting_finds_the_dimension_of_what_is_known() {
        let of = |picture: &Picture| box_dimension(picture).expect("a border is long enough");
        let line = of(&drawn(512, |i, j| 3 * j > 2 * i + 40));
        assert!((line.dimension - 1.0).abs() < 0.1, "{line:?}");
        assert!(line.low < 1.0 && 1.0 < line.high, "{line:?}");
        let mut random = 1u64;
        let noise: Vec<bool> = (0..512 * 512)
            .map(|_| {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                random >> 63 == 1
            })
            .collect();
        let noise = of(&drawn(512, |i, j| noise[j * 512 + i]));
        assert!((noise.dimension - 2.0).abs() < 0.1, "{noise:?}");
        // Of every four parts of a stripe the outer two are divided again: dimension 1 + ½.
        let cantor = |mut i: usize| {
            let mut inside = true;
            let mut size = 1024;
            while size > 4 {
                size /= 4;
                inside &= matches!(i / size, 0 | 3);
                i %= size;
            }
            inside
        };
        let stripes = of(&drawn(1024, |i, _| cantor(i)));
        assert!((stripes.dimension - 1.5).abs() < 0.2, "{stripes:?}");
        assert_eq!(box_dimension(&drawn(512, |_, _| true)), None);
    }
}

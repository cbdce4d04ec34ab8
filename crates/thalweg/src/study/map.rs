//! A map of a study: two numbers of its setting varied together, a picture of what happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Mistake, mistake};
use super::space::Grid;

/// Two numbers of the setting that are varied together, a pixel for every pair; the `[map]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// What varies from left to right.
    pub x: MapAxis,
    /// What varies from bottom to top.
    pub y: MapAxis,
    /// Pixels along each; a whole number has one for each of its values at most.
    #[serde(default = "default_size")]
    pub size: [usize; 2],
    /// What is drawn, a picture each.
    #[serde(default = "default_draw")]
    pub draw: Vec<Drawn>,
    /// At most so many pixels are trained, most where neighbours differ; all unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<usize>,
    /// Conditions, dotted keys and their values: a map is made for each of their product.
    #[serde(default, skip_serializing_if = "Grid::is_empty")]
    pub each: Grid,
}

/// One of the two numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapAxis {
    /// The dotted key of a number; in a list by its place from 0 on, or `*` for all of them:
    /// `descent.rate`, `descent.layer_rates.0`, `net.gains.*`.
    pub key: String,
    /// The first value.
    pub from: f64,
    /// The last value.
    pub to: f64,
    /// How values lie between them.
    #[serde(default)]
    pub scale: Scale,
}

/// How values lie between the ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// At equal differences.
    #[default]
    Linear,
    /// At equal ratios.
    Log,
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// The share of replicates that succeed.
    Success,
    /// The median first step below the loss.
    Steps,
    /// The median loss at the end.
    Loss,
    /// How fast replicates diverge: the median step at which they did.
    Divergence,
    /// The share that infinitely wide networks predict.
    Predicted,
}

impl Drawn {
    /// All of them.
    pub const ALL: [Drawn; 5] = [
        Drawn::Success,
        Drawn::Steps,
        Drawn::Loss,
        Drawn::Divergence,
        Drawn::Predicted,
    ];
}

fn default_size() -> [usize; 2] {
    [64, 64]
}

fn default_draw() -> Vec<Drawn> {
    vec![Drawn::Success]
}

/// Pixels along an axis at most.
const MOST: usize = 4096;

impl MapAxis {
    fn check(&self, name: &str) -> Result<(), Mistake> {
        let MapAxis { from, to, .. } = self;
        let path = format!("map.{name}");
        if !(from.is_finite() && to.is_finite() && from < to) {
            let message = format!("{from} to {to} is no range");
            return mistake(&path, message, "two numbers, the smaller one first");
        }
        if self.scale == Scale::Log && *from <= 0.0 {
            let message = format!("a logarithmic axis cannot begin at {from}");
            return mistake(&path, message, "a number above 0, or `scale = \"linear\"`");
        }
        Ok(())
    }

    /// So many values from the first to the last; of whole numbers each once, none if there is none
    /// between them.
    pub fn values(&self, count: usize, whole: bool) -> Vec<f64> {
        let (from, to) = match whole {
            true => (libm::ceil(self.from), libm::floor(self.to)),
            false => (self.from, self.to),
        };
        if from > to {
            return Vec::new();
        }
        let last = count.saturating_sub(1).max(1);
        let value = |i: usize| {
            let share = i as f64 / last as f64;
            match self.scale {
                // The last one is what was written.
                _ if i == last => to,
                Scale::Linear => from + share * (to - from),
                Scale::Log => from * libm::pow(to / from, share),
            }
        };
        let mut all: Vec<f64> = (0..count).map(value).collect();
        if whole {
            all.iter_mut().for_each(|v| *v = libm::round(*v));
            all.dedup();
        }
        all
    }
}

impl Map {
    /// Everything that types cannot say.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub(super) fn check(&self) -> Result<(), Mistake> {
        self.x.check("x")?;
        self.y.check("y")?;
        if self.x.key == self.y.key {
            let message = format!("both axes vary `{}`", self.x.key);
            return mistake("map.y", message, "two keys");
        }
        if !self.size.iter().all(|n| (2..=MOST).contains(n)) {
            let [w, h] = self.size;
            let message = format!("{w} × {h} pixels are not 2 to {MOST} along each axis");
            return mistake("map.size", message, "for instance `size = [64, 64]`");
        }
        for (key, values) in &self.each.0 {
            if values.is_empty() {
                let message = format!("`{key}` has no value");
                return mistake("map.each", message, "a list of values, or leave it out");
            }
            if [&self.x.key, &self.y.key].contains(&key) {
                let message = format!("`{key}` is an axis of the map");
                return mistake("map.each", message, "another key");
            }
        }
        if self.draw.is_empty() {
            return mistake(
                "map.draw",
                "nothing is drawn".into(),
                "`draw = [\"success\"]`",
            );
        }
        if self.budget == Some(0) {
            let message = "a map has at least one pixel".into();
            return mistake("map.budget", message, "");
        }
        Ok(())
    }
}

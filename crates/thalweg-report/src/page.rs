//! What a report shows, as plain data: a page of sections, each of text, tables, figures and code,
//! and the cells to look into.

use serde::Serialize;
use serde_json::Value;
use thalweg::analysis::summary::Reaches;

use super::explore::CellView;

/// A whole report: the question, the answer in the first screen, then the evidence.
///
/// In paragraphs (`question`, `answer`, [`Block::Text`], captions, `footer`) text between backticks
/// is shown as code; nothing else is interpreted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// Heading and window title.
    pub title: String,
    /// The run folder, as commands name it.
    pub run: String,
    /// What the study asked.
    pub question: String,
    /// The answer in one sentence, with its interval.
    pub answer: String,
    /// The other lines of the answer, one paragraph each.
    pub lines: Vec<String>,
    /// The choice in one line.
    pub choice: String,
    /// What else it found, one paragraph each.
    pub more: Vec<String>,
    /// The one picture that says most.
    pub picture: Option<Figure>,
    /// The story, in reading order: words and figures.
    pub sections: Vec<Section>,
    /// Everything else, to look up: every comparison and prediction, tables, the method.
    pub appendix: Vec<Section>,
    /// The cells to look into, by number.
    pub cells: Vec<CellView>,
    /// The study as it was written, to be taken away; empty if it is not known.
    pub study: String,
    /// Provenance: one line each.
    pub footer: Vec<String>,
}

impl Page {
    /// The page as JSON: what `--json` prints, and what the page's own script reads. Numbers have
    /// five significant digits; those that are not finite are null.
    pub fn json(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or(Value::Null);
        round(&mut value);
        value
    }
}

fn round(value: &mut Value) {
    match value {
        Value::Number(n) if n.is_f64() => {
            let short = n.as_f64().and_then(|v| format!("{v:.4e}").parse().ok());
            if let Some(short) = short.and_then(serde_json::Number::from_f64) {
                *n = short;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(round),
        Value::Object(all) => all.values_mut().for_each(round),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A titled part of the page, listed in its table of contents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// Contents, in reading order.
    pub blocks: Vec<Block>,
}

/// One thing in a section.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Items of a list, each a paragraph.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// A plot with its caption.
    Figure(Figure),
    /// Text shown as it is, in a fixed-width font.
    Code(String),
    /// A part that is opened where it is wanted.
    Part(Part),
}

/// A part of a section, closed at first: its title and what it says in a line are always seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Heading.
    pub title: String,
    /// What it shows, in a line.
    pub lead: String,
    /// Contents, in reading order.
    pub blocks: Vec<Block>,
}

/// A table whose cells are already formatted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// File stem of the table when it is written on its own; empty if it is not.
    pub name: String,
    /// What the rows are.
    pub caption: String,
    /// Headings; the first column names the row.
    pub columns: Vec<Heading>,
    /// Cells, one inner vector a row.
    pub rows: Vec<Vec<String>>,
    /// Index of the base row, drawn bold.
    pub base: Option<usize>,
    /// The same as numbers, which a csv file has instead of the formatted columns: a name and a
    /// value a row; none where nothing is known. Empty if the formatted columns are all there is.
    #[serde(skip)]
    pub numbers: Vec<(&'static str, Vec<Option<f64>>)>,
    /// The cell of each row, to look into; empty if rows are no cells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<usize>,
}

/// The heading of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heading {
    /// Heading.
    pub name: String,
    /// Whether cells are numbers, aligned right.
    pub numeric: bool,
}

/// A plot with a caption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// File stem of the figure when it is written on its own.
    pub name: String,
    /// What to see in it.
    pub caption: String,
    /// What is drawn.
    pub plot: Plot,
}

/// What a figure draws. Points that an axis cannot show (not finite; not positive on a logarithmic
/// axis) are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plot {
    /// A probability with its interval for each label, against a target.
    Intervals {
        /// One line each, top to bottom.
        rows: Vec<IntervalRow>,
        /// The share to reach, a vertical line.
        target: f64,
        /// What the probability is of.
        x_label: String,
    },
    /// A number of steps with its interval for each label (logarithmic).
    Times {
        /// One line each, top to bottom.
        rows: Vec<TimeRow>,
        /// What the steps are.
        x_label: String,
    },
    /// Share of runs not yet below the loss, against the step (logarithmic).
    Survival {
        /// `(step, share from this step on)`, a step function. Before its first point, or its last
        /// at a step of at most 0, a curve is 1.
        curves: Vec<Series>,
        /// What the steps are.
        x_label: String,
        /// Steps that are marked by vertical lines, each with its name: budgets.
        marks: Vec<(f64, String)>,
    },
    /// Lines with optional bands, usually loss against step.
    Curves {
        /// Up to about ten.
        lines: Vec<Line>,
        /// Name of the horizontal axis.
        x_label: String,
        /// Name of the vertical axis.
        y_label: String,
        /// Whether the horizontal axis is logarithmic.
        log_x: bool,
        /// Whether the vertical axis is logarithmic.
        log_y: bool,
        /// A horizontal line, for example the loss that counts as success.
        reference_y: Option<f64>,
        /// The values that were tried, with their names, which mark the horizontal axis; round
        /// numbers do if there are none.
        x_ticks: Vec<(f64, String)>,
    },
    /// Points, usually predicted against observed.
    Scatter {
        /// The points, group by group.
        groups: Vec<Series>,
        /// Name of the horizontal axis.
        x_label: String,
        /// Name of the vertical axis.
        y_label: String,
        /// Whether the horizontal axis is logarithmic.
        log_x: bool,
        /// Whether the vertical axis is logarithmic.
        log_y: bool,
        /// Whether to give both axes the same range and draw the line of equality.
        diagonal: bool,
    },
    /// How counts are shared out, a bar for each label.
    Shares {
        /// One bar each, top to bottom.
        rows: Vec<ShareRow>,
        /// What is counted.
        names: Vec<String>,
        /// The colour of each: its place in [`plot::CAUSES`](crate::plot::CAUSES).
        colours: Vec<usize>,
        /// What the shares are of.
        x_label: String,
    },
    /// A function over the plane, by shades, or along a line, with its training points.
    Fit {
        /// Places along the first input.
        first: Vec<f64>,
        /// Places along the second input; empty for a line.
        second: Vec<f64>,
        /// Values, all of the first input for each place of the second.
        outputs: Vec<f64>,
        /// The training points.
        points: Vec<FitPoint>,
        /// Mean and standard deviation of infinitely wide networks at the places of a line; empty
        /// where they are not drawn.
        wide: Vec<(f64, f64)>,
    },
    /// What every other choice costs: a row for each comparison, its members at their median steps
    /// (logarithmic), coloured by whether they reach the share.
    Overview {
        /// One row each, top to bottom.
        rows: Vec<OverviewRow>,
        /// The steps of the choice, a vertical line; none without a median.
        base: Option<f64>,
        /// What the choice is.
        base_label: String,
        /// What the steps are.
        x_label: String,
    },
    /// Candidates of a choice, their success against their cost (logarithmic), and the front that
    /// nothing beats in both.
    Front {
        /// The candidates.
        points: Vec<FrontPoint>,
        /// The share that was asked for, a horizontal line.
        share: f64,
        /// What the cost is.
        x_label: String,
    },
    /// A pixel for every pair of values of two keys.
    Map {
        /// Values along the horizontal axis.
        x: Vec<f64>,
        /// Values along the vertical axis.
        y: Vec<f64>,
        /// Name of the horizontal axis.
        x_label: String,
        /// Name of the vertical axis.
        y_label: String,
        /// Whether the horizontal axis is logarithmic.
        log_x: bool,
        /// Whether the vertical axis is logarithmic.
        log_y: bool,
        /// What the colours are.
        title: String,
        /// The pixels, row by row from the bottom. The page has them as a picture.
        #[serde(skip)]
        shades: Vec<Shade>,
        /// Some colours, and what they mean.
        marks: Vec<(Shade, String)>,
        /// Lines over it.
        lines: Vec<MapLine>,
    },
}

/// The colour of a pixel of [`Plot::Map`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shade {
    /// A place on the scale of colours, from 0 to 1.
    Value(f64),
    /// A place on one of two colours, from −1 to 1.
    Signed(f64),
    /// Most networks diverged.
    Diverged,
    /// Most networks are not there within the budget.
    Beyond,
    /// Nothing was trained.
    Nothing,
}

/// A line over a [`Plot::Map`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapLine {
    /// Its name.
    pub name: String,
    /// Its points, as values along both axes.
    pub points: Vec<(f64, f64)>,
}

/// A training point of [`Plot::Fit`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FitPoint {
    /// Its inputs; the second is 0 along a line.
    pub x: [f64; 2],
    /// Its target.
    pub target: f64,
    /// Whether it is one of the nearest two, which are ringed.
    pub near: bool,
}

/// A comparison in [`Plot::Overview`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverviewRow {
    /// Its name.
    pub label: String,
    /// Its members.
    pub dots: Vec<OverviewDot>,
}

/// A member of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverviewDot {
    /// Its name.
    pub label: String,
    /// The median of its steps; none beyond the budget.
    pub steps: Option<f64>,
    /// Whether it reaches the share.
    pub reaches: Reaches,
}

/// A candidate of [`Plot::Front`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrontPoint {
    /// Its name, shown on hover.
    pub name: String,
    /// Its cost.
    pub cost: f64,
    /// Its share of successes, 0 to 1.
    pub success: f64,
    /// Lower end of the interval of that.
    pub low: f64,
    /// Upper end of the same.
    pub high: f64,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Whether nothing beats it in both.
    pub front: bool,
}

/// Counts that add up to a bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShareRow {
    /// Name of the row.
    pub label: String,
    /// One count for each name.
    pub counts: Vec<u64>,
}

/// A probability with its interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntervalRow {
    /// Name of the row.
    pub label: String,
    /// The estimate, 0 to 1.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// What theory expects, 0 to 1; none where it says nothing.
    pub predicted: Option<f64>,
    /// Whether this is the base of the comparison, drawn bold.
    pub base: bool,
}

/// The colour of a series: a setting has the same one in every figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hue {
    /// One of its kind: its number among distinct colours, from 0 on.
    Distinct(usize),
    /// Its place among ordered settings, from 0 (dark) to 1 (light).
    Ordered(f64),
}

/// Named points of one colour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// `(x, y)`.
    pub points: Vec<(f64, f64)>,
    /// Its colour.
    pub hue: Hue,
}

/// A number of steps with its interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeRow {
    /// Name of the row.
    pub label: String,
    /// The median.
    pub median: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// The 90 % quantile; none beyond the budget.
    pub late: Option<f64>,
    /// Whether this is the base of the comparison, drawn bold.
    pub base: bool,
}

/// A named line of [`Plot::Curves`]. A prediction has the colour of its measurement, and is dashed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// `(x, y)`.
    pub points: Vec<(f64, f64)>,
    /// `(x, low, high)`, shaded; empty for none.
    pub band: Vec<(f64, f64, f64)>,
    /// Whether the line is a prediction.
    pub dashed: bool,
    /// Its colour.
    pub hue: Hue,
}

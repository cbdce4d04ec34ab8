//! The tables of a run, column by column: what every replicate did, its curves, the cells.

use serde_json::Value;

use super::Analysis;
use super::forecast::{edge, linear, over_limit, rate_at};
use super::looked::Looked;
use super::summary::{Judged, Summary};
use crate::plan::{Cell, Plan};
use crate::record::{Curve, Observation, Record, Row};

/// A column of a table; missing values are `None`.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Text.
    Text(Vec<Option<String>>),
}

impl Column {
    /// Whether every value is missing.
    fn is_empty(&self) -> bool {
        match self {
            Column::Int(v) => v.iter().all(Option::is_none),
            Column::Float(v) => v.iter().all(Option::is_none),
            Column::Text(v) => v.iter().all(Option::is_none),
        }
    }
}

/// Columns of equal length, by name.
pub type Columns = Vec<(String, Column)>;

/// Name and columns of every table: `replicates`, `curves`, `looks`, `cells`.
pub fn tables(
    analysis: &Analysis,
    plan: &Plan,
    records: &[Record],
) -> Vec<(&'static str, Columns)> {
    vec![
        ("replicates", replicates(analysis, plan, records)),
        ("curves", curves(plan, records)),
        ("looks", looks(plan, records)),
        ("cells", cells(analysis, plan)),
    ]
}

fn int<L>(lines: &[L], f: impl Fn(&L) -> Option<u64>) -> Column {
    let whole = |line| f(line).and_then(|v| i64::try_from(v).ok());
    Column::Int(lines.iter().map(whole).collect())
}

fn float<L>(lines: &[L], f: impl Fn(&L) -> Option<f64>) -> Column {
    Column::Float(lines.iter().map(f).collect())
}

fn text<L>(lines: &[L], f: impl Fn(&L) -> Option<String>) -> Column {
    Column::Text(lines.iter().map(f).collect())
}

fn named<const N: usize>(columns: [(&str, Column); N]) -> Columns {
    let all = columns.into_iter();
    all.map(|(name, column)| (name.to_string(), column))
        .collect()
}

/// The settings of each cell as columns `data.dim`, `net.hidden`, …; `of_row` repeats them.
fn settings(cells: &[Cell], of_row: &[usize]) -> Columns {
    let values: Vec<Value> = cells
        .iter()
        .map(|c| serde_json::to_value(&c.setting).unwrap_or(Value::Null))
        .collect();
    let mut columns = Vec::new();
    for section in ["data", "net", "descent", "success"] {
        // A key that is left out where it says nothing may be there in other cells.
        let mut keys: Vec<&String> = Vec::new();
        for object in values.iter().filter_map(|v| v[section].as_object()) {
            keys.extend(
                object
                    .keys()
                    .filter(|key| !keys.contains(key))
                    .collect::<Vec<_>>(),
            );
        }
        for key in keys {
            let each: Vec<&Value> = values.iter().map(|v| &v[section][key]).collect();
            let all = |test: fn(&Value) -> bool| each.iter().all(|v| v.is_null() || test(v));
            let column = if all(Value::is_null) {
                continue;
            } else if all(|v| v.is_i64() || v.is_u64()) {
                Column::Int(of_row.iter().map(|&c| each[c].as_i64()).collect())
            } else if all(Value::is_number) {
                Column::Float(of_row.iter().map(|&c| each[c].as_f64()).collect())
            } else {
                let text = |v: &Value| match v {
                    Value::Null => None,
                    Value::String(s) => Some(s.clone()),
                    other => Some(other.to_string()),
                };
                Column::Text(of_row.iter().map(|&c| text(each[c])).collect())
            };
            columns.push((format!("{section}.{key}"), column));
        }
    }
    columns
}

/// A replicate, its looks, and what was found of it.
struct Line<'a> {
    cell: &'a Cell,
    row: &'a Row,
    first: Option<&'a Observation>,
    last: Option<&'a Observation>,
    judged: Option<&'a Judged>,
}

fn replicates(analysis: &Analysis, plan: &Plan, records: &[Record]) -> Columns {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for ((cell, record), summary) in plan.cells.iter().zip(records).zip(&analysis.cells) {
        let mut looks = record.first_and_last_looks().into_iter().peekable();
        let mut judged = summary.judged.iter().peekable();
        for row in &record.rows {
            let both = looks.next_if(|(first, _)| first.replicate == row.replicate);
            lines.push(Line {
                cell,
                row,
                first: both.map(|(first, _)| first),
                last: both.map(|(_, last)| last),
                judged: judged.next_if(|j| j.replicate == row.replicate),
            });
        }
    }
    let mut columns = outcomes(&lines);
    columns.extend(observables(&lines));
    for layer in 0..layers(plan) {
        let moved = |l: &Line<'_>| l.last?.weights_moved.as_ref()?.get(layer).copied();
        columns.push((format!("weights_moved_{layer}"), float(&lines, moved)));
    }
    // Observables that were not asked for leave no empty column behind.
    let needed = ["first_below", "predicted_steps"];
    columns.retain(|(name, c)| needed.contains(&name.as_str()) || !c.is_empty());
    let of_line: Vec<usize> = lines.iter().map(|l| l.cell.number).collect();
    columns.extend(settings(&plan.cells, &of_line));
    columns
}

fn outcomes(lines: &[Line<'_>]) -> Columns {
    let prediction = |l: &Line<'_>| l.judged?.predicted;
    named([
        ("cell", int(lines, |l| Some(l.cell.listed as u64))),
        ("label", text(lines, |l| Some(l.cell.describe()))),
        ("replicate", int(lines, |l| Some(l.row.replicate))),
        (
            "outcome",
            text(lines, |l| Some(l.row.outcome.name().to_string())),
        ),
        ("steps", int(lines, |l| Some(l.row.steps))),
        ("first_below", int(lines, |l| l.row.first_below)),
        (
            "hitting_time",
            float(lines, |l| {
                Some(l.row.hit().map_or(f64::INFINITY, |step| step as f64))
            }),
        ),
        ("rate", float(lines, |l| Some(l.row.rate))),
        ("initial_loss", float(lines, |l| Some(l.row.initial_loss))),
        ("best_loss", float(lines, |l| Some(l.row.best_loss))),
        ("final_loss", float(lines, |l| Some(l.row.final_loss))),
        ("judged", float(lines, |l| l.row.judged)),
        ("test_loss", float(lines, |l| l.row.test_loss)),
        ("test_accuracy", float(lines, |l| l.row.test_accuracy)),
        // Infinite where theory says never, or that the rate is unstable.
        (
            "predicted_steps",
            float(lines, |l| Some(prediction(l)?.as_number())),
        ),
        (
            "largest_stable_rate",
            float(lines, |l| Some(prediction(l)?.largest_stable_rate)),
        ),
        (
            "cause",
            text(lines, |l| {
                let reached = || l.row.reached().then_some("reached");
                let cause = l.judged.map(|j| j.cause.name()).or_else(reached);
                cause.map(str::to_string)
            }),
        ),
    ])
}

fn observables(lines: &[Line<'_>]) -> Columns {
    let low = |l: &Observation| l.eigenvalues.as_ref()?.first().copied();
    let high = |l: &Observation| l.eigenvalues.as_ref()?.last().copied();
    named([
        ("lambda_min_start", float(lines, |l| low(l.first?))),
        (
            "two_point_bound_start",
            float(lines, |l| l.first?.two_point_bound),
        ),
        ("lambda_max_start", float(lines, |l| high(l.first?))),
        ("lambda_min_end", float(lines, |l| low(l.last?))),
        ("lambda_max_end", float(lines, |l| high(l.last?))),
        ("kernel_moved", float(lines, |l| l.last?.kernel_moved)),
        ("sharpness_start", float(lines, |l| l.first?.sharpness)),
        ("sharpness_end", float(lines, |l| l.last?.sharpness)),
        ("gradient_norm_end", float(lines, |l| l.last?.gradient_norm)),
        ("dead_units_end", int(lines, |l| l.last?.dead_units)),
        (
            "saturated_units_end",
            int(lines, |l| l.last?.saturated_units),
        ),
        ("lost_updates_end", float(lines, |l| l.last?.lost_updates)),
        (
            "lowest_curvature_end",
            float(lines, |l| l.last?.lowest_curvature),
        ),
        ("rank_end", int(lines, |l| Some(l.last?.rank()? as u64))),
        ("rayleigh_end", float(lines, |l| l.last?.rayleigh())),
    ])
}

/// A loss in the table of curves.
struct Point {
    cell: usize,
    kind: &'static str,
    quantile: Option<f64>,
    replicate: Option<u64>,
    step: u64,
    loss: f64,
}

fn curves(plan: &Plan, records: &[Record]) -> Columns {
    let mut points: Vec<Point> = Vec::new();
    for (cell, record) in plan.cells.iter().zip(records) {
        for (i, q) in [0.1, 0.5, 0.9].into_iter().enumerate() {
            let losses = record.quantiles.iter().map(|q| q[i]);
            points.extend(record.grid.iter().zip(losses).map(|(step, loss)| Point {
                cell: cell.listed,
                kind: "quantile",
                quantile: Some(q),
                replicate: None,
                step: *step,
                loss,
            }));
        }
        for curve in &record.curves {
            let of = |kind, step: u64, loss: f64| Point {
                cell: cell.listed,
                kind,
                quantile: None,
                replicate: Some(curve.replicate),
                step,
                loss,
            };
            let observed = curve.steps.iter().zip(&curve.losses);
            points.extend(observed.map(|(s, l)| of("observed", *s, *l)));
            let predicted = predicted(cell, record, curve).into_iter();
            points.extend(predicted.map(|(s, l)| of("predicted", s, l)));
        }
    }
    named([
        ("cell", int(&points, |p| Some(p.cell as u64))),
        ("kind", text(&points, |p| Some(p.kind.to_string()))),
        ("quantile", float(&points, |p| p.quantile)),
        ("replicate", int(&points, |p| p.replicate)),
        ("step", int(&points, |p| Some(p.step))),
        ("loss", float(&points, |p| Some(p.loss))),
    ])
}

/// What the initial kernel of a kept replicate says of its loss on the record's grid, up to its
/// end.
fn predicted(cell: &Cell, record: &Record, curve: &Curve) -> Vec<(u64, f64)> {
    let first = record.looks_at(curve.replicate).first();
    let first = first.filter(|look| look.step == 0);
    let row = record.rows.get(curve.replicate as usize);
    let linear = (first.zip(row)).and_then(|(look, row)| linear(cell, row.rate, look));
    let Some(linear) = linear else {
        return Vec::new();
    };
    let until = |step: &u64| curve.steps.last() >= Some(step);
    let grid: Vec<u64> = record.grid.iter().copied().filter(until).collect();
    let losses = linear.losses(&grid);
    grid.into_iter().zip(losses).collect()
}

/// Every look at every replicate.
fn looks(plan: &Plan, records: &[Record]) -> Columns {
    let all: Vec<(&Cell, &Row, &Observation)> = (plan.cells.iter().zip(records))
        .flat_map(|(cell, record)| {
            let row = |look: &Observation| record.rows.get(look.replicate as usize);
            (record.looks.iter()).filter_map(move |look| Some((cell, row(look)?, look)))
        })
        .collect();
    let ends = |look: &Observation| {
        let values = look.eigenvalues.as_ref()?;
        Some((*values.first()?, *values.last()?))
    };
    let finite = |v: f64| v.is_finite().then_some(v);
    let over = |cell: &Cell, row: &Row, look: &Observation| over_limit(cell, row.rate, look);
    let mut columns = named([
        ("cell", int(&all, |(cell, _, _)| Some(cell.listed as u64))),
        ("replicate", int(&all, |(_, row, _)| Some(row.replicate))),
        ("step", int(&all, |(_, _, look)| Some(look.step))),
        ("loss", float(&all, |(_, _, look)| Some(look.loss))),
        ("test_loss", float(&all, |(_, _, look)| look.test_loss)),
        (
            "rate",
            float(&all, |(cell, row, look)| {
                Some(rate_at(cell, row.rate, look.step))
            }),
        ),
        (
            "lambda_min",
            float(&all, |(_, _, look)| Some(ends(look)?.0)),
        ),
        (
            "lambda_max",
            float(&all, |(_, _, look)| Some(ends(look)?.1)),
        ),
        (
            "over_limit",
            float(&all, |(cell, row, look)| finite(over(cell, row, look))),
        ),
        ("sharpness", float(&all, |(_, _, look)| look.sharpness)),
        (
            "edge",
            float(&all, |(cell, row, look)| edge(cell, row.rate, look)),
        ),
        (
            "kernel_moved",
            float(&all, |(_, _, look)| look.kernel_moved),
        ),
        ("path_length", float(&all, |(_, _, look)| look.path_length)),
        (
            "gradient_norm",
            float(&all, |(_, _, look)| look.gradient_norm),
        ),
        ("rayleigh", float(&all, |(_, _, look)| look.rayleigh())),
        ("dead_units", int(&all, |(_, _, look)| look.dead_units)),
        (
            "saturated_units",
            int(&all, |(_, _, look)| look.saturated_units),
        ),
    ]);
    columns.extend((0..layers(plan)).map(|layer| {
        let moved = |look: &Observation| look.weights_moved.as_ref()?.get(layer).copied();
        let column = float(&all, |(_, _, look)| moved(look));
        (format!("weights_moved_{layer}"), column)
    }));
    let needed = ["cell", "replicate", "step", "loss"];
    columns.retain(|(name, c)| needed.contains(&name.as_str()) || !c.is_empty());
    columns
}

/// The weight layers of the deepest network.
fn layers(plan: &Plan) -> usize {
    let of = |c: &Cell| c.setting.net.hidden.len() + 1;
    plan.cells.iter().map(of).max().unwrap_or(0)
}

fn cells(analysis: &Analysis, plan: &Plan) -> Columns {
    let lines = &analysis.cells;
    let comparisons = |s: &Summary| {
        let of = (plan.comparisons.iter()).filter(|c| c.members.iter().any(|m| m.cell == s.cell));
        of.map(|c| c.name.clone()).collect::<Vec<_>>().join("; ")
    };
    let mut columns = named([
        ("cell", int(lines, |s| Some(s.cell as u64))),
        ("label", text(lines, |s| Some(s.describe().to_string()))),
        ("comparisons", text(lines, |s| Some(comparisons(s)))),
        ("replicates", int(lines, |s| Some(s.replicates))),
        ("successes", int(lines, |s| Some(s.successes))),
        ("success_low", float(lines, |s| Some(s.success.low))),
        ("success_high", float(lines, |s| Some(s.success.high))),
        ("spent", int(lines, |s| Some(s.tally.outcomes.spent))),
        ("diverged", int(lines, |s| Some(s.tally.outcomes.diverged))),
        ("fixed", int(lines, |s| Some(s.tally.outcomes.fixed))),
        ("steps_median", int(lines, |s| s.steps.median.step)),
        ("steps_80", int(lines, |s| s.steps.q80.step)),
        ("steps_90", int(lines, |s| s.steps.q90.step)),
        ("multiply_adds_per_step", float(lines, |s| Some(s.work))),
        ("parameters", int(lines, |s| Some(s.parameters as u64))),
        ("rate_median", float(lines, |s| Some(s.rate))),
        ("final_loss_median", float(lines, |s| Some(s.final_loss))),
    ]);
    columns.extend(kernels(lines));
    columns.push(("seconds".into(), float(lines, |s| Some(s.seconds))));
    let every: Vec<usize> = (0..lines.len()).collect();
    columns.extend(settings(&plan.cells, &every));
    columns
}

/// Kernels and what they predict; infinite width on the training sets of the first replicates,
/// before any weight is drawn.
fn kernels(lines: &[Summary]) -> Columns {
    let looked = |f: fn(&Looked) -> f64| {
        float(lines, move |s: &Summary| {
            let value = f(s.looked.as_ref()?);
            // What was looked at at the start alone has no end.
            (!value.is_nan()).then_some(value)
        })
    };
    named([
        ("lambda_min_start", looked(|l| l.start.smallest)),
        ("lambda_min_start_low", looked(|l| l.smallest_start.low)),
        ("lambda_min_start_high", looked(|l| l.smallest_start.high)),
        ("two_point_bound_start", looked(|l| l.two_point_start)),
        (
            "infinite_width_lambda_min",
            float(lines, |s| Some(s.looked.as_ref()?.infinite?.smallest)),
        ),
        ("nearest_pair", float(lines, |s| s.nearest_pair)),
        ("lambda_max_start", looked(|l| l.start.largest)),
        ("lambda_min_end", looked(|l| l.end.smallest)),
        ("lambda_max_end", looked(|l| l.end.largest)),
        ("kernel_moved", looked(|l| l.kernel_moved)),
        ("edge", looked(|l| l.edge)),
        (
            "predicted_median",
            float(lines, |s| Some(s.by_start()?.median)),
        ),
        (
            "predicted_success",
            float(lines, |s| Some(s.by_start()?.success)),
        ),
        (
            "infinite_width_median",
            float(lines, |s| Some(s.by_infinite()?.median)),
        ),
        (
            "infinite_width_success",
            float(lines, |s| Some(s.by_infinite()?.success)),
        ),
    ])
}

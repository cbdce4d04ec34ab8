//! The tables of a run folder: what every replicate did, its curves, the cells.

use serde_json::Value;

use crate::confront::{self, predict};
use crate::plan::Cell;
use crate::record::Look;
use crate::report::Confronted;
use crate::store::Column;
use crate::verdict::cause;

type Columns = Vec<(String, Column)>;

/// File name and columns of every table.
pub fn all(run: &Confronted<'_>) -> Vec<(&'static str, Columns)> {
    vec![
        ("replicates.parquet", replicates(run)),
        ("curves.parquet", curves(run)),
        ("cells.parquet", cells(run)),
    ]
}

/// The settings of each cell as columns `data.dim`, `net.hidden`, …; `of_row` repeats them.
fn settings(cells: &[Cell], of_row: &[usize]) -> Columns {
    let values: Vec<Value> = cells
        .iter()
        .map(|c| serde_json::to_value(&c.setting).unwrap_or(Value::Null))
        .collect();
    let mut columns = Vec::new();
    for section in ["data", "net", "descent", "success"] {
        let keys: Vec<&String> = values
            .first()
            .and_then(|v| v[section].as_object())
            .map(|o| o.keys().collect())
            .unwrap_or_default();
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

fn replicates(run: &Confronted<'_>) -> Columns {
    let rows: Vec<_> = run
        .plan
        .cells
        .iter()
        .zip(run.records)
        .flat_map(|(cell, record)| {
            let mut looks = record.first_and_last_looks().into_iter().peekable();
            record.rows.iter().map(move |row| {
                let looked = looks.next_if(|(first, _)| first.replicate == row.replicate);
                (cell, row, looked)
            })
        })
        .collect();
    let of_row: Vec<usize> = rows.iter().map(|(cell, ..)| cell.number).collect();
    let int = |f: &dyn Fn(usize) -> Option<u64>| {
        Column::Int(
            (0..rows.len())
                .map(|i| f(i).and_then(|v| i64::try_from(v).ok()))
                .collect(),
        )
    };
    let float = |f: &dyn Fn(usize) -> Option<f64>| Column::Float((0..rows.len()).map(f).collect());
    let text = |f: &dyn Fn(usize) -> Option<String>| Column::Text((0..rows.len()).map(f).collect());
    let first = |i: usize| rows[i].2.map(|(first, _)| first);
    let last = |i: usize| rows[i].2.map(|(_, last)| last);
    let low = |l: &Look| l.eigenvalues.as_ref()?.first().copied();
    let high = |l: &Look| l.eigenvalues.as_ref()?.last().copied();
    let prediction = |i: usize| predict(rows[i].0, rows[i].1.rate, first(i)?);
    let mut columns: Columns = vec![
        ("cell".into(), int(&|i| Some(of_row[i] as u64))),
        ("label".into(), text(&|i| Some(rows[i].0.describe()))),
        ("replicate".into(), int(&|i| Some(rows[i].1.replicate))),
        (
            "outcome".into(),
            text(&|i| Some(rows[i].1.outcome.name().into())),
        ),
        ("steps".into(), int(&|i| Some(rows[i].1.steps))),
        ("first_below".into(), int(&|i| rows[i].1.first_below)),
        ("rate".into(), float(&|i| Some(rows[i].1.rate))),
        (
            "initial_loss".into(),
            float(&|i| Some(rows[i].1.initial_loss)),
        ),
        ("best_loss".into(), float(&|i| Some(rows[i].1.best_loss))),
        ("final_loss".into(), float(&|i| Some(rows[i].1.final_loss))),
        // Infinite where theory says never, or that the rate is unstable.
        (
            "predicted_steps".into(),
            float(&|i| Some(prediction(i)?.as_number())),
        ),
        (
            "largest_stable_rate".into(),
            float(&|i| Some(prediction(i)?.largest_stable_rate)),
        ),
        (
            "cause".into(),
            text(&|i| {
                let (cell, row, looked) = rows[i];
                (looked.is_some() || row.reached())
                    .then(|| cause(cell, row, looked).name().to_string())
            }),
        ),
        ("lambda_min_start".into(), float(&|i| low(first(i)?))),
        ("lambda_max_start".into(), float(&|i| high(first(i)?))),
        ("lambda_min_end".into(), float(&|i| low(last(i)?))),
        ("lambda_max_end".into(), float(&|i| high(last(i)?))),
        ("kernel_moved".into(), float(&|i| last(i)?.kernel_moved)),
        ("sharpness_start".into(), float(&|i| first(i)?.sharpness)),
        ("sharpness_end".into(), float(&|i| last(i)?.sharpness)),
        (
            "gradient_norm_end".into(),
            float(&|i| last(i)?.gradient_norm),
        ),
        ("dead_units_end".into(), int(&|i| last(i)?.dead_units)),
        (
            "saturated_units_end".into(),
            int(&|i| last(i)?.saturated_units),
        ),
        ("lost_updates_end".into(), float(&|i| last(i)?.lost_updates)),
        (
            "lowest_curvature_end".into(),
            float(&|i| last(i)?.lowest_curvature),
        ),
        (
            "rank_end".into(),
            int(&|i| last(i)?.rank().map(|r| r as u64)),
        ),
        (
            "polyak_lojasiewicz_end".into(),
            float(&|i| last(i)?.polyak_lojasiewicz()),
        ),
    ];
    let layers = run
        .plan
        .cells
        .iter()
        .map(|c| c.setting.net.hidden.len() + 1)
        .max()
        .unwrap_or(0);
    for layer in 0..layers {
        let of = |i: usize| last(i)?.weights_moved.as_ref()?.get(layer).copied();
        columns.push((format!("weights_moved_{layer}"), float(&of)));
    }
    // Observables that were not asked for leave no empty column behind.
    let empty = |c: &Column| match c {
        Column::Int(v) => v.iter().all(Option::is_none),
        Column::Float(v) => v.iter().all(Option::is_none),
        Column::Text(v) => v.iter().all(Option::is_none),
    };
    let needed = ["first_below", "predicted_steps"];
    columns.retain(|(name, c)| needed.contains(&name.as_str()) || !empty(c));
    columns.extend(settings(&run.plan.cells, &of_row));
    columns
}

fn curves(run: &Confronted<'_>) -> Columns {
    let (mut cell_of, mut kind, mut level, mut replicate) = (vec![], vec![], vec![], vec![]);
    let (mut step, mut loss) = (vec![], vec![]);
    let mut push = |c: usize, k: &str, q: Option<f64>, r: Option<u64>, s: u64, l: f64| {
        cell_of.push(Some(c as i64));
        kind.push(Some(k.to_string()));
        level.push(q);
        replicate.push(r.and_then(|r| i64::try_from(r).ok()));
        step.push(i64::try_from(s).ok());
        loss.push(Some(l));
    };
    for (cell, record) in run.plan.cells.iter().zip(run.records) {
        for (i, q) in [0.1, 0.5, 0.9].into_iter().enumerate() {
            for (s, l) in record.grid.iter().zip(&record.quantiles) {
                push(cell.number, "quantile", Some(q), None, *s, l[i]);
            }
        }
        for curve in &record.curves {
            for (s, l) in curve.steps.iter().zip(&curve.losses) {
                push(cell.number, "observed", None, Some(curve.replicate), *s, *l);
            }
            // The same steps as predicted by the initial kernel of that replicate.
            let first = record
                .looks
                .iter()
                .find(|l| l.replicate == curve.replicate && l.step == 0);
            let rate = record.rows.get(curve.replicate as usize).map(|r| r.rate);
            let linear = first
                .zip(rate)
                .and_then(|(l, rate)| confront::linear(cell, rate, l));
            if let Some(linear) = linear {
                let grid: Vec<u64> = record
                    .grid
                    .iter()
                    .copied()
                    .filter(|s| curve.steps.last() >= Some(s))
                    .collect();
                for (s, l) in grid.iter().zip(linear.losses(&grid)) {
                    push(cell.number, "predicted", None, Some(curve.replicate), *s, l);
                }
            }
        }
    }
    vec![
        ("cell".into(), Column::Int(cell_of)),
        ("kind".into(), Column::Text(kind)),
        ("quantile".into(), Column::Float(level)),
        ("replicate".into(), Column::Int(replicate)),
        ("step".into(), Column::Int(step)),
        ("loss".into(), Column::Float(loss)),
    ]
}

fn cells(run: &Confronted<'_>) -> Columns {
    let n = run.summaries.len();
    let int = |f: &dyn Fn(usize) -> Option<u64>| {
        Column::Int(
            (0..n)
                .map(|i| f(i).and_then(|v| i64::try_from(v).ok()))
                .collect(),
        )
    };
    let float = |f: &dyn Fn(usize) -> Option<f64>| Column::Float((0..n).map(f).collect());
    let s = |i: usize| &run.summaries[i];
    let looked = |i: usize| run.summaries[i].looked.as_ref();
    let comparisons = |i: usize| {
        let of = run
            .plan
            .comparisons
            .iter()
            .filter(|c| c.members.iter().any(|m| m.cell == i));
        of.map(|c| c.name.clone()).collect::<Vec<_>>().join("; ")
    };
    let mut columns: Columns = vec![
        ("cell".into(), int(&|i| Some(i as u64))),
        (
            "label".into(),
            Column::Text(run.plan.cells.iter().map(|c| Some(c.describe())).collect()),
        ),
        (
            "comparisons".into(),
            Column::Text((0..n).map(|i| Some(comparisons(i))).collect()),
        ),
        ("replicates".into(), int(&|i| Some(s(i).replicates))),
        ("successes".into(), int(&|i| Some(s(i).successes))),
        ("success_low".into(), float(&|i| Some(s(i).success.low))),
        ("success_high".into(), float(&|i| Some(s(i).success.high))),
        ("spent".into(), int(&|i| Some(s(i).outcomes.spent))),
        ("diverged".into(), int(&|i| Some(s(i).outcomes.diverged))),
        ("fixed".into(), int(&|i| Some(s(i).outcomes.fixed))),
        ("steps_median".into(), int(&|i| s(i).steps[0])),
        ("steps_80".into(), int(&|i| s(i).steps[1])),
        ("steps_90".into(), int(&|i| s(i).steps[2])),
        ("multiply_adds_per_step".into(), float(&|i| Some(s(i).work))),
        ("parameters".into(), int(&|i| Some(s(i).parameters as u64))),
        ("rate_median".into(), float(&|i| Some(s(i).rate))),
        (
            "final_loss_median".into(),
            float(&|i| Some(s(i).final_loss)),
        ),
        (
            "lambda_min_start".into(),
            float(&|i| Some(looked(i)?.start[0])),
        ),
        (
            "lambda_max_start".into(),
            float(&|i| Some(looked(i)?.start[1])),
        ),
        ("lambda_min_end".into(), float(&|i| Some(looked(i)?.end[0]))),
        ("lambda_max_end".into(), float(&|i| Some(looked(i)?.end[1]))),
        (
            "kernel_moved".into(),
            float(&|i| Some(looked(i)?.kernel_moved)),
        ),
        ("edge".into(), float(&|i| Some(looked(i)?.edge))),
        (
            "predicted_median".into(),
            float(&|i| Some(looked(i)?.by_start.as_ref()?.steps[0])),
        ),
        (
            "predicted_success".into(),
            float(&|i| Some(looked(i)?.by_start.as_ref()?.success)),
        ),
        // On the training sets of the first replicates, before any weight is drawn.
        (
            "infinite_width_median".into(),
            float(&|i| Some(looked(i)?.by_infinite.as_ref()?.steps[0])),
        ),
        (
            "infinite_width_success".into(),
            float(&|i| Some(looked(i)?.by_infinite.as_ref()?.success)),
        ),
        ("seconds".into(), float(&|i| Some(run.records[i].seconds))),
    ];
    let every: Vec<usize> = (0..n).collect();
    columns.extend(settings(&run.plan.cells, &every));
    columns
}

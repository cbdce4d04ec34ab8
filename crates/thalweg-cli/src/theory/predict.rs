//! `thalweg theory predict`: what infinitely wide networks say at new inputs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::{MOST_INPUTS, describe, digits, extension, matrix, mistaken, wide};
use crate::args::Predict;
use crate::source::{base, open};
use crate::terminal::{print, say, table};
use thalweg::Error;
use thalweg::analysis::tested::Limit;
use thalweg::descent::Rate;
use thalweg::error::NoTheory;
use thalweg::linalg::eigen;
use thalweg::plan::Cell;
use thalweg::theory::linear::Rule;
use thalweg_report::words::tested::heading;
use thalweg_report::words::theory::first_layer;

/// Inputs that are printed.
const SHOWN: usize = 12;

/// What one limit says, in the units of the data.
struct Says {
    limit: Limit,
    /// Means [M, k].
    mean: Vec<f64>,
    /// Standard deviations [M, k].
    deviation: Vec<f64>,
    /// Mean over points and outputs of the expected (f − y)², where there are targets.
    square: Option<f64>,
}

/// Everything that is told.
struct Predicted {
    x: Vec<f64>,
    dim: usize,
    outputs: usize,
    y: Option<Vec<f64>>,
    rate: Option<f64>,
    steps: f64,
    ridge: f64,
    says: Vec<Says>,
}

pub(super) fn predict(args: &Predict) -> Result<()> {
    let cell = base(&open(&args.study)?)?;
    if !cell.setting.descent.loss.is_squared() {
        return Err(Error::NoTheory(NoTheory::NoLinearRule).into());
    }
    let found = predicted(args, &cell)?;
    if let Some(path) = &args.out {
        write(path, &found)?;
    }
    if args.json {
        return print(&serde_json::to_string_pretty(&json(&found))?);
    }
    let net = wide(&cell, cell.dim())?;
    say(&format!("{}.", describe(&cell, &net)), 0)?;
    if let Some(how) = first_layer(net.kernels(&found.x[..found.dim], found.dim).first_layer) {
        say(&how, 0)?;
    }
    say(&told(args, &cell, &found), 0)?;
    print("")?;
    rows(&found)?;
    if let Some(line) = squares(&found) {
        say(&line, 0)?;
    }
    match &args.out {
        Some(path) => print(&format!("\nPredictions: {}", path.display())),
        None if found.x.len() / found.dim > SHOWN => print(
            "\nMore inputs: `--out predicted.npz`, .csv or .json writes all, `--json` prints them.",
        ),
        None => Ok(()),
    }
}

/// The new inputs [M, d], and their targets where the study has some, in the units of the data.
fn asked(args: &Predict, cell: &Cell) -> Result<(Vec<f64>, Option<Vec<f64>>)> {
    let scaling = cell.scaling(args.replicate);
    let dim = cell.dim();
    let (x, y) = match &args.inputs {
        Some(path) => {
            let (x, other) = thalweg_store::read_points(path)?;
            if other != dim {
                let path = path.display();
                return Err(mistaken(
                    format!("`{path}` has inputs of dimension {other}, the study {dim}"),
                    "both need the same columns",
                )
                .into());
            }
            (x, None)
        }
        None => {
            let test = cell.test_set(args.replicate).ok_or_else(|| {
                mistaken(
                    "there are no inputs to predict at".into(),
                    "`--inputs x.csv`, or `[test]` in the study, as `--set test.points=10`",
                )
            })?;
            let (mut x, mut y) = (test.x, test.y);
            if let Some(scaling) = &scaling {
                scaling.original_inputs(&mut x);
                if let Some(y) = &mut y {
                    scaling.original_outputs(y);
                }
            }
            (x, y)
        }
    };
    let inputs = x.len() / dim;
    let pairs = inputs * cell.setting.data.points;
    if pairs > MOST_INPUTS * MOST_INPUTS || cell.setting.data.points > MOST_INPUTS {
        return Err(mistaken(
            format!(
                "kernels of {inputs} inputs with {} training points would not fit into memory",
                cell.setting.data.points
            ),
            "take fewer rows, or parts of them with `--inputs`",
        )
        .into());
    }
    Ok((x, y))
}

fn predicted(args: &Predict, cell: &Cell) -> Result<Predicted> {
    let (dim, outputs) = (cell.dim(), cell.outputs());
    let steps = args.steps.unwrap_or(cell.setting.descent.steps as f64);
    let ridge = cell.setting.test.as_ref().map_or(0.0, |test| test.ridge);
    let ridge = args.ridge.unwrap_or(ridge);
    for (name, value) in [("--steps", steps), ("--ridge", ridge)] {
        if !(value >= 0.0 && value.is_finite()) {
            let message = format!("`{name} {value}` is negative or not finite");
            return Err(mistaken(message, "a number from 0 on").into());
        }
    }
    let (x, y) = asked(args, cell)?;
    let set = cell.set(args.replicate);
    let scaling = cell.scaling(args.replicate);
    let mut scaled = x.clone();
    if let Some(scaling) = &scaling {
        scaling.inputs(&mut scaled);
    }
    let net = wide(cell, dim)?;
    let train = net.kernels(&set.x, dim).finite()?;
    let cross = net.cross(&scaled, &set.x, dim).finite()?;
    let rule = Rule::of(&cell.setting.descent);
    let rate = match cell.setting.descent.rate {
        Rate::Absolute(rate) => Some(rate),
        Rate::OfLimit(c) => rule.map(|rule| {
            let top = eigen(&train.ntk, train.rows).values[train.rows - 1];
            c * rule.largest_stable_rate(cell.loss_factor(), top)
        }),
    };
    let says = Limit::ALL.into_iter().filter_map(|limit| {
        let with = (rate.unwrap_or(f64::NAN), steps, ridge);
        let found = limit.predict(cell, with, (&train, &cross), &set.y)?;
        let mut deviation: Vec<f64> = (found.deviation().iter())
            .flat_map(|d| std::iter::repeat_n(*d, outputs))
            .collect();
        let mut mean = found.mean;
        if let Some(scaling) = &scaling {
            scaling.original_outputs(&mut mean);
            scaling.original_deviations(&mut deviation);
        }
        let square = y.as_ref().map(|y| {
            let each = mean.iter().zip(&deviation).zip(y);
            let sum: f64 = each.map(|((m, d), y)| (m - y) * (m - y) + d * d).sum();
            sum / y.len() as f64
        });
        Some(Says {
            limit,
            mean,
            deviation,
            square,
        })
    });
    Ok(Predicted {
        says: says.collect(),
        x,
        dim,
        outputs,
        y,
        rate,
        steps,
        ridge,
    })
}

/// What the columns are.
fn told(args: &Predict, cell: &Cell, found: &Predicted) -> String {
    let descent = match found.says.iter().any(|s| s.limit == Limit::Descent) {
        true => format!(
            "{}: gradient descent for {} steps at {}. ",
            heading(Limit::Descent),
            digits(found.steps),
            found.rate.map_or("–".into(), digits)
        ),
        false => "Of steps of another rule than plain gradient descent at a constant rate nothing \
                  is known. "
            .into(),
    };
    let ridge = match found.ridge > 0.0 {
        true => format!(", with ridge {}", digits(found.ridge)),
        false => String::new(),
    };
    format!(
        "Trained on the {} points of replicate {}; mean ± standard deviation over initial weights. \
         {descent}{}: until nothing moves{ridge}. {}: only the last layer{ridge}.",
        cell.setting.data.points,
        args.replicate,
        heading(Limit::Regression),
        heading(Limit::Process)
    )
}

/// The first inputs, a line each.
fn rows(found: &Predicted) -> Result<()> {
    let (d, k) = (found.dim, found.outputs);
    let mut heads: Vec<String> = match d {
        1..=3 => (0..d).map(|j| format!("x{j}")).collect(),
        _ => vec!["input".into()],
    };
    let named = |name: &str, output: usize| match k {
        1 => name.to_string(),
        _ => format!("{name} {output}"),
    };
    if found.y.is_some() {
        heads.extend((0..k).map(|output| named("y", output)));
    }
    for says in &found.says {
        heads.extend((0..k).map(|output| named(heading(says.limit), output)));
    }
    let line = |(at, x): (usize, &[f64])| {
        let mut row: Vec<String> = match d {
            1..=3 => x.iter().map(|x| digits(*x)).collect(),
            _ => vec![at.to_string()],
        };
        let of = |values: &[f64], output: usize| digits(values[at * k + output]);
        if let Some(y) = &found.y {
            row.extend((0..k).map(|output| of(y, output)));
        }
        for says in &found.says {
            row.extend((0..k).map(|output| {
                format!(
                    "{} ± {}",
                    of(&says.mean, output),
                    of(&says.deviation, output)
                )
            }));
        }
        row
    };
    let lines = found.x.chunks_exact(d).enumerate().take(SHOWN).map(line);
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    table(&heads, lines.collect(), 0)
}

/// The expected squared error at the inputs that have targets.
fn squares(found: &Predicted) -> Option<String> {
    let each: Option<Vec<String>> = (found.says.iter())
        .map(|s| Some(format!("{} {}", heading(s.limit), digits(s.square?))))
        .collect();
    let each = each.filter(|all| !all.is_empty())?;
    Some(format!(
        "Expected mean of (f − y)² over all {} inputs: {}.",
        found.x.len() / found.dim,
        each.join("; ")
    ))
}

/// As an array is called.
fn name(limit: Limit) -> &'static str {
    match limit {
        Limit::Descent => "ntk",
        Limit::Regression => "ntk_regression",
        Limit::Process => "nngp",
    }
}

fn json(found: &Predicted) -> Value {
    let k = found.outputs;
    let says = found.says.iter().map(|s| {
        let of = json!({
            "mean": matrix(&s.mean, k),
            "std": matrix(&s.deviation, k),
            "expected_square": s.square,
        });
        (name(s.limit).to_string(), of)
    });
    let mut all = json!({
        "x": matrix(&found.x, found.dim),
        "y": found.y.as_ref().map(|y| matrix(y, k)),
        "rate": found.rate,
        "steps": found.steps,
        "ridge": found.ridge,
    });
    if let Some(object) = all.as_object_mut() {
        object.extend(says);
    }
    all
}

fn write(path: &Path, found: &Predicted) -> Result<()> {
    let (d, k) = (found.dim, found.outputs);
    let m = found.x.len() / d;
    match extension(path).as_str() {
        "npz" => {
            let of_inputs = [m, d];
            let of_outputs: &[usize] = if k == 1 { &[m] } else { &[m, k] };
            let mut named: Vec<(String, &[usize], &[f64])> =
                vec![("x".into(), &of_inputs, &found.x)];
            if let Some(y) = &found.y {
                named.push(("y".into(), of_outputs, y));
            }
            for s in &found.says {
                named.push((format!("{}_mean", name(s.limit)), of_outputs, &s.mean));
                named.push((format!("{}_std", name(s.limit)), of_outputs, &s.deviation));
            }
            let arrays: Vec<(&str, &[usize], &[f64])> = (named.iter())
                .map(|(name, shape, values)| (name.as_str(), *shape, *values))
                .collect();
            thalweg_store::write_arrays(path, &arrays)?;
        }
        "csv" => {
            let several = |name: &str| -> Vec<String> {
                match k {
                    1 => vec![name.to_string()],
                    _ => (0..k).map(|output| format!("{name}_{output}")).collect(),
                }
            };
            let mut heads: Vec<String> = (0..d).map(|j| format!("x{j}")).collect();
            let mut columns: Vec<(&[f64], usize)> = vec![(&found.x, d)];
            if let Some(y) = &found.y {
                heads.extend(several("y"));
                columns.push((y, k));
            }
            for s in &found.says {
                for (what, values) in [("mean", &s.mean), ("std", &s.deviation)] {
                    heads.extend(several(&format!("{}_{what}", name(s.limit))));
                    columns.push((values, k));
                }
            }
            let mut text = heads.join(",") + "\n";
            for at in 0..m {
                let row = columns
                    .iter()
                    .flat_map(|(values, width)| &values[at * width..(at + 1) * width]);
                // The shortest digits that give the same number back.
                let row: Vec<String> = row.map(f64::to_string).collect();
                let _ = writeln!(text, "{}", row.join(","));
            }
            thalweg_store::write(path, text.as_bytes())?;
        }
        "json" => {
            let text = serde_json::to_string_pretty(&json(found))?;
            thalweg_store::write(path, text.as_bytes())?;
        }
        other => {
            return Err(Error::Unknown {
                message: format!("predictions cannot be written as `{other}`"),
                hint: "name the file .npz, .csv or .json".into(),
            }
            .into());
        }
    }
    Ok(())
}

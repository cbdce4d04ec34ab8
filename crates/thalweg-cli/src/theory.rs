//! `thalweg theory`: kernels, phases and expected steps of infinitely wide networks.

mod predict;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ExitCode;
use crate::args::{Kernel, Phase, Steps, Theory};
use crate::source::{base, open, plan};
use crate::terminal::{plain, print, say, table};
use thalweg::Error;
use thalweg::plan::Cell;
use thalweg::theory::expect::{Outlook, expect};
use thalweg::theory::first::FirstLayer;
use thalweg::theory::linear::Rule;
use thalweg::theory::ntk::{Kernels, Wide};
use thalweg::theory::phase::{LayerPhase, PhaseMap, Window};
use thalweg::theory::spectrum::Spectrum;
use thalweg_report::phase::{layer_name, phase_svg};
use thalweg_report::words::goal;
use thalweg_report::words::numbers::{interval, many, number};
use thalweg_report::words::setting;
use thalweg_report::words::theory::first_layer;

/// A full kernel of more inputs would not fit into memory beside its eigenproblem.
const MOST_INPUTS: usize = 8000;

pub(crate) fn theory(what: Theory) -> Result<ExitCode> {
    match what {
        Theory::Kernel(args) => kernel(&args)?,
        Theory::Phase(args) => phase(&args)?,
        Theory::Steps(args) => steps(&args)?,
        Theory::Predict(args) => predict::predict(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn wide(cell: &Cell, dim: usize) -> Result<Wide, Error> {
    let rates = cell.setting.descent.layer_rates.as_deref();
    Wide::new(&cell.setting.net, dim, cell.outputs(), rates)
}

fn mistaken(message: String, hint: &str) -> Error {
    Error::Study {
        message,
        hint: Some(hint.into()),
        place: None,
    }
}

// ---- kernel ------------------------------------------------------------------------------------

fn kernel(args: &Kernel) -> Result<()> {
    let cell = base(&open(&args.study)?)?;
    let (x, dim) = match &args.inputs {
        Some(path) => thalweg_store::read_points(path)?,
        None => (cell.set(args.replicate).x, cell.dim()),
    };
    let second = match &args.with {
        Some(path) => {
            let (z, other) = thalweg_store::read_points(path)?;
            if other != dim {
                return Err(mistaken(
                    format!(
                        "`{}` has inputs of dimension {other}, the first ones have {dim}",
                        path.display()
                    ),
                    "both lists need the same columns",
                )
                .into());
            }
            Some(z)
        }
        None => None,
    };
    let largest = x.len().max(second.as_ref().map_or(0, Vec::len)) / dim;
    if largest > MOST_INPUTS {
        return Err(mistaken(
            format!(
                "{largest} inputs are more than {MOST_INPUTS}: \
                 the kernels would not fit into memory"
            ),
            "take fewer rows, or parts of them with `--inputs` and `--with`",
        )
        .into());
    }
    let net = wide(&cell, dim)?;
    let kernels = match &second {
        Some(z) => net.cross(&x, z, dim),
        None => net.kernels(&x, dim),
    }
    .finite()?;
    let spectrum = second
        .is_none()
        .then(|| Spectrum::of(&kernels.ntk, kernels.rows));
    if let Some(path) = &args.out {
        write_kernels(path, &cell, &net, &kernels, &x, second.as_deref(), dim)?;
    }
    if args.json {
        return print(&serde_json::to_string_pretty(&kernel_json(
            &cell,
            &net,
            &kernels,
            spectrum.as_ref(),
        ))?);
    }
    say(&format!("{}.", describe(&cell, &net)), 0)?;
    print(&layer_table(&net))?;
    if let Some(how) = first_layer(kernels.first_layer) {
        say(&how, 0)?;
    }
    if let Some(s) = &spectrum {
        print(&format!(
            "λmin {}, λmax {}, κ {} of the NTK; {} of {} eigenvalues are above round-off",
            digits(s.smallest),
            digits(s.largest),
            digits(s.condition),
            s.rank,
            kernels.rows
        ))?;
        print(&format!(
            "largest stable rate for this loss: {}{}",
            digits(largest_rate(&cell, kernels.rows, s.largest)),
            match Rule::of(&cell.setting.descent) {
                Some(Rule::Descent) => "",
                Some(Rule::Momentum(_) | Rule::Nesterov(_)) => " (with momentum)",
                None => " (of plain descent)",
            }
        ))?;
    }
    for (name, matrix) in [("NNGP", &kernels.nngp), ("NTK", &kernels.ntk)] {
        if kernels.rows.max(kernels.columns) > 8 {
            break;
        }
        print(&format!("\n{name}"))?;
        for row in matrix.chunks(kernels.columns) {
            let numbers: Vec<String> = row.iter().map(|v| format!("{v:>16.10}")).collect();
            print(numbers.join("").trim_end())?;
        }
    }
    match &args.out {
        Some(path) => print(&format!("\nKernels: {}", path.display())),
        None if kernels.rows.max(kernels.columns) > 8 => print(&format!(
            "\nThe matrices are {} by {}: `--out kernels.npz`, .csv or .json writes them, \
             `--json` prints them.",
            kernels.rows, kernels.columns
        )),
        None => Ok(()),
    }
}

/// The largest stable rate on a kernel with this λmax; of plain descent where the study's method
/// has no linear theory.
fn largest_rate(cell: &Cell, points: usize, largest: f64) -> f64 {
    let descent = &cell.setting.descent;
    let rule = Rule::of(descent).unwrap_or(Rule::Descent);
    rule.largest_stable_rate(descent.loss.factor(points * cell.outputs()), largest)
}

/// How the name of a file ends, in small letters: what is to be written into it.
fn extension(path: &Path) -> String {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.unwrap_or_default().to_lowercase()
}

fn matrix(values: &[f64], columns: usize) -> Value {
    values
        .chunks(columns.max(1))
        .map(|row| json!(row))
        .collect()
}

fn kernel_json(cell: &Cell, net: &Wide, kernels: &Kernels, spectrum: Option<&Spectrum>) -> Value {
    json!({
        "network": describe(cell, net),
        "layers": net.layers,
        "first_layer": kernels.first_layer,
        "nngp": matrix(&kernels.nngp, kernels.columns),
        "ntk": matrix(&kernels.ntk, kernels.columns),
        "eigenvalues": spectrum.map(|s| &s.eigenvalues),
        "condition": spectrum.map(|s| s.condition),
        "rank": spectrum.map(|s| s.rank),
        "largest_stable_rate": spectrum.map(|s| largest_rate(cell, kernels.rows, s.largest)),
    })
}

fn write_kernels(
    path: &Path,
    cell: &Cell,
    net: &Wide,
    kernels: &Kernels,
    x: &[f64],
    z: Option<&[f64]>,
    dim: usize,
) -> Result<()> {
    match extension(path).as_str() {
        "npz" => {
            let shape = [kernels.rows, kernels.columns];
            let (rows, columns) = ([kernels.rows, dim], [kernels.columns, dim]);
            let mut arrays: Vec<(&str, &[usize], &[f64])> = vec![
                ("x", &rows, x),
                ("nngp", &shape, &kernels.nngp),
                ("ntk", &shape, &kernels.ntk),
            ];
            if let Some(z) = z {
                arrays.push(("z", &columns, z));
            }
            thalweg_store::write_arrays(path, &arrays)?;
        }
        "csv" => {
            let mut text = String::from("i,j,nngp,ntk\n");
            for (at, (nngp, ntk)) in kernels.nngp.iter().zip(&kernels.ntk).enumerate() {
                let (i, j) = (at / kernels.columns, at % kernels.columns);
                // The shortest digits that give the same number back.
                let _ = writeln!(text, "{i},{j},{nngp},{ntk}");
            }
            thalweg_store::write(path, text.as_bytes())?;
        }
        "json" => {
            let value = kernel_json(cell, net, kernels, None);
            thalweg_store::write(path, serde_json::to_string_pretty(&value)?.as_bytes())?;
        }
        other => {
            return Err(Error::Unknown {
                message: format!("kernels cannot be written as `{other}`"),
                hint: "name the file .npz, .csv or .json".into(),
            }
            .into());
        }
    }
    Ok(())
}

// ---- phase -------------------------------------------------------------------------------------

fn phase(args: &Phase) -> Result<()> {
    let cell = base(&open(&args.study)?)?;
    let net = wide(&cell, cell.dim())?;
    for (name, most) in [("--weights", args.weights), ("--biases", args.biases)] {
        if let Some(most) = most
            && !(most > 0.0 && most < 1e6)
        {
            return Err(mistaken(
                format!("`{name} {most}` is no end of a map"),
                "a positive variance, as 4",
            )
            .into());
        }
    }
    let drawn = args.json || args.out.is_some();
    let window = Window {
        weight_variance: args.weights,
        bias_variance: args.biases,
        points: if drawn { args.points.into() } else { 0 },
    };
    let threads = args.threads.count();
    let map = PhaseMap::new(&net, &cell.set(0).x, window, threads)?;
    if let Some(path) = &args.out {
        thalweg_store::write(path, phase_svg(&map).as_bytes())?;
    }
    if args.json {
        return print(&serde_json::to_string_pretty(&map)?);
    }
    say(&format!("{}.", describe(&cell, &net)), 0)?;
    phase_table(&map)?;
    match &args.out {
        Some(path) => print(&format!("\nMap: {}", path.display())),
        None => print("\n`--out phase.svg` draws the map."),
    }
}

/// Where the layers start, and where they would be critical.
fn phase_table(map: &PhaseMap) -> Result<()> {
    let heads = [
        "layers", "σw²", "σb²", "q*", "χ₁", "c*", "ξq", "ξc", "phase",
    ];
    let row = |layers: &LayerPhase| {
        let m = &layers.mean_field;
        let numbers = [
            m.weight_variance,
            m.bias_variance,
            m.q,
            m.chi,
            m.c,
            m.depth_q,
            m.depth_c,
        ];
        let first = [layer_name(layers)].into_iter();
        first
            .chain(numbers.map(digits))
            .chain([m.phase.name().to_string()])
            .collect()
    };
    print("")?;
    table(&heads, map.layers.iter().map(row).collect(), 0)?;
    print("")?;
    for layers in &map.layers {
        let (name, act) = (layer_name(layers), map.activation.name());
        let bias = digits(layers.mean_field.bias_variance);
        let at: Vec<String> = layers
            .critical
            .iter()
            .map(|c| digits(c.weight_variance))
            .collect();
        print(&if at.is_empty() {
            format!("{name}: with σb² = {bias} no σw² is critical for {act}")
        } else {
            let at = at.join(", ");
            format!("{name}: with σb² = {bias} {act} is critical at σw² = {at}")
        })?;
    }
    let legend = "q*, c*: where variance and correlation of preactivations go with depth; χ₁ below \
                  1: gradients vanish (order), above 1: they explode (chaos); ξ: layers in which \
                  the way there falls by e.";
    say(&format!("\n{legend}"), 0)
}

// ---- steps -------------------------------------------------------------------------------------

fn steps(args: &Steps) -> Result<()> {
    let source = open(&args.study)?;
    let mut cells: Vec<(String, Cell)> = Vec::new();
    if args.dim.is_empty() {
        let of = if args.cells {
            plan(&source)?.cells
        } else {
            vec![base(&source)?]
        };
        let base = of[0].setting.clone();
        let named = of
            .into_iter()
            .map(|c| (setting::short(&base, &c.setting), c));
        cells.extend(named);
    } else {
        for d in &args.dim {
            let mut source = source.clone();
            source.set(&format!("data.dim={d}"))?;
            cells.push((format!("d = {d}"), base(&source)?));
        }
    }
    let threads = args.threads.count();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (name, cell) in &cells {
        let outlook = expect(cell, args.sets, threads)
            .map(|all| Outlook::new(&all, cell.setting.descent.steps));
        rows.push((name.clone(), cell, outlook));
    }
    // One cell without a theory among many is a row that says so; alone, it is the answer.
    if rows.iter().all(|(_, _, o)| o.is_err())
        && let Some((_, _, Err(e))) = rows.pop()
    {
        return Err(e.into());
    }
    if args.json {
        let all: Vec<Value> = rows
            .iter()
            .map(|(name, cell, outlook)| match outlook {
                Ok(o) => json!({
                    "cell": cell.number,
                    "label": name,
                    "outlook": o,
                    "predicted_success": o.share(),
                }),
                Err(e) => json!({ "cell": cell.number, "label": name, "error": e.to_string() }),
            })
            .collect();
        return print(&serde_json::to_string_pretty(&all)?);
    }
    let (_, first) = &cells[0];
    say(
        &format!(
            "{}; {} of {}, {}.",
            describe(first, &wide(first, first.dim())?),
            match first.setting.data.file {
                Some(_) if first.given().is_none() => "the training set".to_string(),
                Some(_) => "the given training sets".to_string(),
                None => many(
                    args.sets as usize,
                    "random training set",
                    "random training sets"
                ),
            },
            many(first.setting.data.points, "point", "points"),
            goal::asked(&first.setting.success)
        ),
        0,
    )?;
    let computed = rows
        .iter()
        .filter_map(|(_, _, o)| Some(o.as_ref().ok()?.first_layer));
    if let Some(how) = computed.reduce(FirstLayer::worse).and_then(first_layer) {
        say(&how, 0)?;
    }
    steps_table(&rows)
}

/// A cell, what it is called, and what theory expects of it.
type Row<'a> = (String, &'a Cell, Result<Outlook, Error>);

fn steps_table(rows: &[Row<'_>]) -> Result<()> {
    let heads = [
        "cell",
        "steps",
        "80 %",
        "90 %",
        "budget",
        "success",
        "95 % interval",
        "η/limit",
        "κ",
        "λmin",
        "λmax",
    ];
    let row = |(name, _, outlook): &Row<'_>| match outlook {
        Err(e) => vec![format!("{}: {e}", plain(name))],
        Ok(o) => vec![
            plain(name),
            count(o.steps.q50),
            count(o.steps.q80),
            count(o.steps.q90),
            o.budget.to_string(),
            format!("{:.1} %", 100.0 * o.share()),
            interval(o.success),
            digits(o.over_limit.q50),
            digits(o.condition.q50),
            digits(o.smallest.q50),
            digits(o.largest.q50),
        ],
    };
    print("")?;
    table(&heads, rows.iter().map(row).collect(), 4)?;
    let legend = "Medians over training sets, and 80 % and 90 % quantiles of the steps. This is \
                  the infinitely wide network, whose kernel stays as it starts; where steps are \
                  many, finite networks move their kernel and are often faster.";
    say(&format!("\n{legend}"), 0)
}

// ---- words -------------------------------------------------------------------------------------

/// The network in a line.
fn describe(cell: &Cell, net: &Wide) -> String {
    let hidden = net.layers.len() - 1;
    let layers = match hidden {
        0 => "Linear regression".to_string(),
        1 => format!(
            "Infinitely wide, one hidden layer of {}",
            net.activation.name()
        ),
        n => format!(
            "Infinitely wide, {n} hidden layers of {}",
            net.activation.name()
        ),
    };
    let parameterization = match cell.setting.net.parameterization {
        thalweg::net::Parameterization::Standard => {
            "standard parameterization (its NTK keeps the study's widths as weights of the layers)"
        }
        thalweg::net::Parameterization::Ntk => "ntk parameterization",
    };
    format!("{layers}, {parameterization}")
}

fn layer_table(net: &Wide) -> String {
    let mut text = format!(
        "\n  {:>5}  {:>10}  {:>10}  {:>12}  {:>12}\n",
        "layer", "σw²", "σb²", "Θ: weights", "Θ: biases"
    );
    for (l, layer) in net.layers.iter().enumerate() {
        let _ = writeln!(
            text,
            "  {:>5}  {:>10}  {:>10}  {:>12}  {:>12}",
            l + 1,
            digits(layer.weight_variance),
            digits(layer.bias_variance),
            digits(layer.weight_share),
            digits(layer.bias_share)
        );
    }
    text
}

/// Three or four digits.
fn digits(v: f64) -> String {
    if v.is_nan() {
        "–".into()
    } else if v.is_infinite() {
        "∞".into()
    } else if v == 0.0 {
        "0".into()
    } else if v.abs() >= 1e5 || v.abs() < 1e-3 {
        format!("{v:.2e}")
    } else if v.abs() >= 100.0 {
        format!("{v:.0}")
    } else if v.abs() >= 10.0 {
        format!("{v:.2}")
    } else {
        format!("{v:.4}")
    }
}

/// A number of steps.
fn count(v: f64) -> String {
    if v < 1e6 {
        format!("{v:.0}")
    } else {
        number(v)
    }
}

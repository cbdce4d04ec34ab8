//! The report: what a run found, in tables, pictures and words computed from it.

mod axis;
pub mod front;
pub mod html;
pub mod page;
pub mod phase;
pub mod plot;
mod svg;
mod words;

use std::path::Path;

use crate::confront::{self, Finding, Summary, findings, pair, summarize};
use crate::error::Error;
use crate::plan::{Cell, Comparison, Plan};
use crate::record::Record;
use crate::stats::{Hit, holm, kaplan_meier};
use crate::store;
use page::{Block, Column, Figure, IntervalRow, Line, Page, Plot, Section, Table};
use words::{chance, count, factor, interval, list, number, percent, steps};

/// A run with everything that the report says of it.
pub struct Confronted<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The record of each cell.
    pub records: &'a [Record],
    /// Each cell in numbers.
    pub summaries: Vec<Summary>,
    /// Every prediction against its measurement.
    pub findings: Vec<Finding>,
}

impl<'a> Confronted<'a> {
    /// Confronts every cell.
    pub fn new(plan: &'a Plan, records: &'a [Record]) -> Self {
        let both = || plan.cells.iter().zip(records);
        let summaries: Vec<Summary> = both().map(|(c, r)| summarize(c, r)).collect();
        let findings = both()
            .zip(&summaries)
            .flat_map(|((c, r), s)| findings(c, r, s))
            .collect();
        Confronted {
            plan,
            records,
            summaries,
            findings,
        }
    }

    fn base(&self) -> (&Cell, &Summary) {
        (&self.plan.cells[0], &self.summaries[0])
    }

    /// What a comparison compares with: the base cell, or its own first member if it holds some key
    /// at a single value (as `data.dim = 2`) away from the base cell.
    fn reference(&self, comparison: &Comparison) -> usize {
        let held = (0..comparison.keys.len()).any(|k| {
            let mut values = comparison.members.iter().map(|m| &m.values[k]);
            let first = values.next();
            values.len() > 0 && values.all(|v| Some(v) == first)
        });
        match comparison.members.first() {
            Some(first) if held => first.cell,
            _ => 0,
        }
    }
}

/// The answer to the study's question, one sentence each.
pub fn answer(run: &Confronted<'_>) -> Vec<String> {
    let (cell, summary) = run.base();
    let share = cell.setting.success.share;
    let mut all = vec![words::verdict(summary, share)];
    all.push(format!(
        "{} {}",
        words::setting(cell),
        words::times(summary, cell)
    ));
    if let Some(comparison) = dimension(run.plan) {
        let mut parts = Vec::new();
        let base_dim = cell.dim();
        for member in &comparison.members {
            let d = run.plan.cells[member.cell].dim();
            if d < base_dim && [2, 5].contains(&d) {
                parts.push(words::against(run, member.cell));
            }
        }
        all.extend(parts);
        all.extend(words::why_dimension(run, comparison));
    }
    all
}

/// The comparison over the input dimension of the base cell, if there is one.
fn dimension(plan: &Plan) -> Option<&Comparison> {
    plan.comparisons
        .iter()
        .find(|c| c.keys == ["data.dim"] && c.members.len() > 1)
}

/// The whole report.
pub fn page(run: &Confronted<'_>, provenance: &[String]) -> Page {
    let (cell, _) = run.base();
    let success = cell.setting.success;
    let mut sections = vec![choice(run)];
    sections.extend(run.plan.comparisons.iter().map(|c| compared(run, c)));
    sections.push(theory(run));
    sections.push(method(run));
    Page {
        title: run.plan.title.clone(),
        question: format!(
            "Does training bring the loss below {} on at least {} of the draws, within {} steps?",
            number(success.loss_below),
            percent(success.share),
            count(cell.setting.descent.steps)
        ),
        answer: answer(run),
        sections,
        footer: provenance.to_vec(),
    }
}

/// The base cell: what it is, how it does, where it stands among the others on the same data.
fn choice(run: &Confronted<'_>) -> Section {
    let (cell, summary) = run.base();
    let mut blocks = vec![Block::Text(words::setting(cell))];
    blocks.push(Block::Text(words::verdict(
        summary,
        cell.setting.success.share,
    )));
    blocks.push(Block::Text(words::times(summary, cell)));
    blocks.extend(words::standing(run).into_iter().map(Block::Text));
    blocks.push(Block::Figure(Figure {
        name: "base-loss".into(),
        caption: format!(
            "Loss of the base cell: median and 10 to 90 % band over {} replicates. Dashed: the median of \
             what each network's own initial kernel predicts.",
            summary.replicates
        ),
        plot: losses(cell, &run.records[0]),
    }));
    if let Some(looked) = &summary.looked {
        blocks.push(Block::Text(words::spectrum(looked)));
    }
    Section {
        title: "The choice".into(),
        blocks,
    }
}

/// Observed quantiles of the loss beside the kernel's prediction.
fn losses(cell: &Cell, record: &Record) -> Plot {
    let at = |i: usize| record.grid[i] as f64;
    let range = 0..record.grid.len();
    let observed = Line {
        name: "observed".into(),
        points: range
            .clone()
            .map(|i| (at(i), record.quantiles[i][1]))
            .collect(),
        band: range
            .map(|i| (at(i), record.quantiles[i][0], record.quantiles[i][2]))
            .collect(),
        dashed: false,
    };
    let curves: Vec<Vec<f64>> = record
        .first_and_last_looks()
        .iter()
        .filter_map(|(first, _)| {
            let rate = record.rows.get(first.replicate as usize)?.rate;
            Some(confront::linear(cell, rate, first)?.losses(&record.grid))
        })
        .collect();
    let predicted = (0..record.grid.len()).map(|i| {
        let all: Vec<f64> = curves.iter().map(|c| c[i]).collect();
        (at(i), crate::stats::median(&all))
    });
    let mut lines = vec![observed];
    if !curves.is_empty() {
        let points = predicted.collect();
        lines.push(Line {
            name: "initial kernel".into(),
            points,
            band: Vec::new(),
            dashed: true,
        });
    }
    Plot::Curves {
        lines,
        x_label: "step".into(),
        y_label: "loss".into(),
        log_x: true,
        log_y: true,
        reference_y: Some(cell.setting.success.loss_below),
    }
}

fn column(name: &str, numeric: bool) -> Column {
    Column {
        name: name.into(),
        numeric,
    }
}

/// One comparison: table, intervals, survival, and what follows from them.
fn compared(run: &Confronted<'_>, comparison: &Comparison) -> Section {
    let reference = run.reference(comparison);
    let mut members: Vec<usize> = comparison.members.iter().map(|m| m.cell).collect();
    let mut labels: Vec<Vec<String>> = comparison
        .members
        .iter()
        .map(|m| m.values.clone())
        .collect();
    if !members.contains(&reference) {
        members.insert(0, reference);
        let mut values = vec!["(base)".to_string()];
        values.resize(comparison.keys.len(), String::new());
        labels.insert(0, values);
    }
    let base = members.iter().position(|&m| m == reference);
    let pairs: Vec<_> = members
        .iter()
        .map(|&m| pair(&run.records[reference], &run.records[m]))
        .collect();
    // The reference itself is no test.
    let tests: Vec<usize> = (0..members.len()).filter(|&i| Some(i) != base).collect();
    let adjusted = holm(&tests.iter().map(|&i| pairs[i].p).collect::<Vec<_>>());
    let p_of = |i: usize| tests.iter().position(|&t| t == i).map(|at| adjusted[at]);
    let name = |i: usize| {
        labels[i]
            .iter()
            .filter(|l| !l.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    };

    let mut columns: Vec<Column> = comparison.keys.iter().map(|k| column(k, false)).collect();
    for head in [
        "success",
        "95 % interval",
        "median steps",
        "80 %",
        "90 %",
        "multiply-adds to the median",
        "steps, paired",
        "p (success)",
        "predicted median",
        "most failures",
    ] {
        columns.push(column(head, head != "most failures"));
    }
    let rows = (0..members.len())
        .map(|i| {
            let s = &run.summaries[members[i]];
            let budget = run.plan.cells[members[i]].setting.descent.steps;
            let mut row = labels[i].clone();
            row.push(format!("{} of {}", s.successes, s.replicates));
            row.push(interval(s.success));
            row.extend(s.steps.iter().map(|q| steps(*q, budget)));
            row.push(s.steps[0].map_or("–".into(), |t| number(t as f64 * s.work)));
            row.push(pairs[i].ratio.filter(|_| Some(i) != base).map_or(
                "–".into(),
                |(m, band)| {
                    format!(
                        "× {} ({}–{})",
                        factor(m),
                        factor(band.low),
                        factor(band.high)
                    )
                },
            ));
            row.push(p_of(i).map_or("–".into(), chance));
            row.push(words::predicted_median(s));
            row.push(words::failures(s));
            row
        })
        .collect();
    let table = Table {
        caption: format!(
            "{}: success within the budget, hitting times over all replicates (`>` where censored), the \
             paired ratio of hitting times and Holm-corrected exact McNemar tests against {}.",
            comparison.name,
            base.map_or("the base cell".into(), name)
        ),
        columns,
        rows,
        base,
    };
    let intervals = Plot::Intervals {
        rows: (0..members.len())
            .map(|i| {
                let s = &run.summaries[members[i]];
                IntervalRow {
                    label: name(i),
                    value: s.successes as f64 / s.replicates as f64,
                    low: s.success.low,
                    high: s.success.high,
                    base: Some(i) == base,
                }
            })
            .collect(),
        target: run.plan.cells[reference].setting.success.share,
        x_label: "share of replicates below the loss".into(),
    };
    let stem = slug(&comparison.name);
    let mut blocks: Vec<Block> = words::comparison(run, &members, &name, reference, &|i| p_of(i))
        .into_iter()
        .map(Block::Text)
        .collect();
    blocks.push(Block::Figure(Figure {
        name: format!("{stem}-success"),
        caption: format!(
            "{}: success probability with Wilson 95 % intervals.",
            comparison.name
        ),
        plot: intervals,
    }));
    if let Some(plot) = against_number(run, comparison, &members, &labels) {
        blocks.push(Block::Figure(Figure {
            name: format!("{stem}-steps"),
            caption: format!(
                "{}: steps to the loss, median and 80 % quantile observed{}.",
                comparison.name,
                match &plot {
                    Plot::Curves { lines, .. } if lines.iter().any(|l| l.dashed) => {
                        "; dashed, the median that the networks' own initial kernels predict"
                    }
                    _ => "; these rules have no prediction, or it is never",
                }
            ),
            plot,
        }));
    }
    let curves = (0..members.len().min(10)).map(|i| {
        (
            name(i),
            survival(&run.plan.cells[members[i]], &run.records[members[i]]),
        )
    });
    blocks.push(Block::Figure(Figure {
        name: format!("{stem}-survival"),
        caption: format!(
            "{}: share of replicates not yet below the loss (Kaplan-Meier).",
            comparison.name
        ),
        plot: Plot::Survival {
            curves: curves.collect(),
            x_label: "step".into(),
        },
    }));
    blocks.push(Block::Table(table));
    if comparison.keys.iter().any(|k| k == "data.dim") {
        blocks.push(Block::Table(spectra(run, &members, &name)));
    }
    Section {
        title: comparison.name.clone(),
        blocks,
    }
}

/// Steps against a key whose values are numbers; none if they are not, or few.
fn against_number(
    run: &Confronted<'_>,
    comparison: &Comparison,
    members: &[usize],
    labels: &[Vec<String>],
) -> Option<Plot> {
    // The only key with more than one value.
    let mut varying = (0..comparison.keys.len()).filter(|&k| {
        comparison
            .members
            .iter()
            .any(|m| m.values[k] != comparison.members[0].values[k])
    });
    let key = varying.next().filter(|_| varying.next().is_none())?;
    let mut at: Vec<(f64, usize)> = labels
        .iter()
        .zip(members)
        .filter_map(|(l, &m)| {
            let text = l[key].trim_start_matches("of_limit ");
            let value: f64 = text
                .trim_matches(['[', ']'])
                .split(',')
                .next()?
                .trim()
                .parse()
                .ok()?;
            Some((value, m))
        })
        .collect();
    if at.len() < 4 || at.iter().any(|(v, _)| *v <= 0.0) {
        return None;
    }
    at.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = |name: &str, dashed: bool, of: &dyn Fn(&Summary) -> Option<f64>| Line {
        name: name.into(),
        points: at
            .iter()
            .map(|(v, m)| (*v, of(&run.summaries[*m]).unwrap_or(f64::NAN)))
            .collect(),
        band: Vec::new(),
        dashed,
    };
    let quantile = |i: usize| move |s: &Summary| s.steps[i].map(|t| t as f64);
    let mut lines = vec![
        line("median", false, &quantile(0)),
        line("predicted median", true, &|s| {
            Some(s.looked.as_ref()?.by_start.as_ref()?.steps[0])
        }),
        line("80 % quantile", false, &quantile(1)),
    ];
    lines.retain(|l| l.points.iter().any(|(_, y)| y.is_finite()));
    Some(Plot::Curves {
        lines,
        x_label: comparison.keys[key].clone(),
        y_label: "steps".into(),
        log_x: true,
        log_y: true,
        reference_y: None,
    })
}

fn survival(cell: &Cell, record: &Record) -> Vec<(f64, f64)> {
    let budget = cell.setting.descent.steps as f64;
    let hits: Vec<Hit> = record
        .rows
        .iter()
        .map(|row| match row.hit() {
            Some(step) => Hit {
                time: step as f64,
                censored: false,
            },
            // A run that has diverged or stopped moving will never get below.
            None => Hit {
                time: budget,
                censored: true,
            },
        })
        .collect();
    let mut curve: Vec<(f64, f64)> = kaplan_meier(&hits)
        .iter()
        .map(|(t, s, _)| (*t, *s))
        .collect();
    let last = curve.last().map_or(1.0, |(_, s)| *s);
    curve.push((budget, last));
    curve
}

/// The kernels behind a comparison over the dimension.
fn spectra(run: &Confronted<'_>, members: &[usize], name: &dyn Fn(usize) -> String) -> Table {
    let rows = members
        .iter()
        .enumerate()
        .map(|(i, &m)| {
            let (cell, s) = (&run.plan.cells[m], &run.summaries[m]);
            let mut row = vec![
                name(i),
                words::nearest_pair(cell, s.replicates).map_or("–".into(), number),
            ];
            match &s.looked {
                None => row.resize(9, "–".into()),
                Some(l) => {
                    row.extend(
                        [
                            l.start[0],
                            l.start[1],
                            l.end[0],
                            l.end[1],
                            l.kernel_moved,
                            l.edge,
                        ]
                        .map(number),
                    );
                    let by_end = l.by_end.as_ref().map_or(f64::NAN, |f| f.steps[0]);
                    row.push(number(by_end));
                }
            }
            row
        })
        .collect();
    Table {
        caption: "Why: medians over the replicates looked at. The nearest pair is the smallest distance \
                  between two inputs; λ are eigenvalues of the tangent kernel Θ; at the edge of stability η · sharpness/2 is 1; \
                  the last column is what the kernel of the end, known only afterwards, says of the whole run."
            .into(),
        columns: [
            ("cell", false), ("nearest pair", true), ("λmin start", true), ("λmax start", true), ("λmin end", true),
            ("λmax end", true), ("kernel moved", true), ("η·sharpness/2, end", true), ("steps by the end kernel", true),
        ]
        .map(|(n, numeric)| column(n, numeric))
        .to_vec(),
        rows,
        base: None,
    }
}

/// Predictions and measurements side by side.
fn theory(run: &Confronted<'_>) -> Section {
    let mut blocks: Vec<Block> = words::predictions(run)
        .into_iter()
        .map(Block::Text)
        .collect();
    let mut groups: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    let shown: Vec<usize> = match dimension(run.plan) {
        Some(c) => c.members.iter().map(|m| m.cell).collect(),
        None => (0..run.plan.cells.len().min(6)).collect(),
    };
    for m in shown.into_iter().take(7) {
        if let Some(f) = run.summaries[m]
            .looked
            .as_ref()
            .and_then(|l| l.by_start.as_ref())
            && !f.pairs.is_empty()
        {
            groups.push((run.plan.cells[m].describe(), f.pairs.clone()));
        }
    }
    blocks.push(Block::Figure(Figure {
        name: "predicted-observed".into(),
        caption: "Steps predicted by each network's own initial kernel against steps observed; the line is equality.".into(),
        plot: Plot::Scatter { groups, x_label: "predicted steps".into(), y_label: "observed steps".into(), diagonal: true },
    }));
    let rows = run
        .findings
        .iter()
        .map(|f| {
            vec![
                run.plan.cells[f.cell].describe(),
                f.name.clone(),
                number(f.measured),
                format!("{}–{}", number(f.band.low), number(f.band.high)),
                number(f.predicted),
                f.verdict.name().into(),
                f.source.into(),
            ]
        })
        .collect();
    blocks.push(Block::Table(Table {
        caption:
            "Every prediction against its measurement. A prediction that fails is shown as failed."
                .into(),
        columns: [
            ("cell", false),
            ("what", false),
            ("measured", true),
            ("interval", true),
            ("predicted", true),
            ("verdict", false),
            ("source and domain", false),
        ]
        .map(|(n, numeric)| column(n, numeric))
        .to_vec(),
        rows,
        base: None,
    }));
    Section {
        title: "Prediction and observation".into(),
        blocks,
    }
}

fn method(run: &Confronted<'_>) -> Section {
    let cell = &run.plan.cells[0];
    let seconds: f64 = run.records.iter().map(|r| r.seconds).sum();
    let total: u64 = run.records.iter().map(Record::steps).sum();
    let replicates: u64 = run.records.iter().map(|r| r.tally.replicates).sum();
    Section {
        title: "Method".into(),
        blocks: vec![
            Block::Text(format!(
                "{} cells, {} replicates, {} steps in {} s of training time (seed {}). Replicate r of every cell uses \
                 the same random draws wherever shapes allow, so comparisons are paired.",
                run.plan.cells.len(), count(replicates), number(total as f64), number(seconds), cell.setting.seed
            )),
            Block::Text(
                "The loss is L = s Σ r² with r = f − y. Linearised at the start, gradient descent is r ← (1 − 2sηΘ) r with the tangent \
                 kernel Θ = J Jᵀ; it is stable for η below 1/(s λmax(Θ)), the limit. The predicted step is the first t with \
                 s Σ c² (1 − 2sηλ)^(2t) below the threshold, exactly. Hitting times are censored at the budget; quantiles are over all replicates. \
                 Causes are computed from the kernel at the last step of each replicate looked at."
                    .into(),
            ),
            Block::Text(format!("The base cell, whole: `{}`", serde_json::to_string(&cell.setting).unwrap_or_default())),
        ],
    }
}

/// A file stem from a name.
fn slug(name: &str) -> String {
    let dashed: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    dashed
        .split('-')
        .filter(|p| !p.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// Writes `report.html`, `figures/*.svg` and the three tables.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write(folder: &Path, run: &Confronted<'_>, provenance: &[String]) -> Result<Page, Error> {
    let page = page(run, provenance);
    for block in page.sections.iter().flat_map(|s| &s.blocks) {
        if let Block::Figure(figure) = block {
            let path = folder.join("figures").join(format!("{}.svg", figure.name));
            store::write(&path, plot::svg_file(&figure.plot).as_bytes())?;
        }
    }
    for (name, columns) in crate::tables::all(run) {
        store::write_table(&folder.join(name), &columns)?;
    }
    for (cell, record) in run.plan.cells.iter().zip(run.records) {
        for kept in &record.kept {
            store::write_weights(folder, cell, kept)?;
        }
    }
    store::write(&folder.join("report.html"), html::render(&page).as_bytes())?;
    Ok(page)
}

/// The figures as one list, for tests and tools.
pub fn figures(page: &Page) -> Vec<&Figure> {
    let blocks = page.sections.iter().flat_map(|s| &s.blocks);
    blocks
        .filter_map(|b| {
            if let Block::Figure(f) = b {
                Some(f)
            } else {
                None
            }
        })
        .collect()
}

/// A compact table of all cells for a terminal.
pub fn overview(run: &Confronted<'_>) -> Vec<[String; 5]> {
    let row = |(cell, s): (&Cell, &Summary)| {
        let budget = cell.setting.descent.steps;
        [
            cell.describe(),
            format!("{}/{}", s.successes, s.replicates),
            interval(s.success),
            steps(s.steps[0], budget),
            list(&[words::failures(s)]),
        ]
    };
    run.plan.cells.iter().zip(&run.summaries).map(row).collect()
}

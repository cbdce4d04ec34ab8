//! Predictions beside measurements: the section of the page, its figures and its tables.

use thalweg::analysis::Analysis;
use thalweg::analysis::findings::{Finding, Question, Verdict};
use thalweg::analysis::forecast::Forecast;
use thalweg::analysis::summary::Summary;

use super::column;
use super::hue;
use super::page::{Block, Figure, Hue, Part, Plot, Series, Table};
use super::story::closed;
use super::words::numbers::{count, number, range};
use super::words::{setting, theory};

/// Sentences about all cells; what follows is of the base cell alone.
const TOLD: usize = 3;

/// Most groups of points in one figure.
const GROUPS: usize = 14;

/// Cells of a study without a leading comparison whose points are shown.
const FIRST: usize = 6;

/// Predictions and measurements side by side.
pub(super) fn blocks(run: &Analysis) -> Vec<Block> {
    let mut said = theory::predictions(run);
    let mut rest = said.split_off(said.len().min(TOLD));
    rest.extend(theory::bounds(run));
    let text = |all: Vec<String>| -> Vec<Block> { all.into_iter().map(Block::Text).collect() };
    let mut blocks = text(said);
    blocks.extend(closed(
        "The base cell, and what theorems ask for",
        text(rest),
    ));
    blocks.extend(theory::late(run).map(Block::Text));
    blocks.extend(predicted_observed(run).map(Block::Figure));
    blocks.extend(late(run).map(Block::Figure));
    let figure = calibration(run).map(Block::Figure);
    blocks.extend(closed(
        "Calibration of shares",
        figure.into_iter().collect(),
    ));
    blocks.extend(published(run).map(Block::Table));
    blocks.extend(findings(run));
    blocks
}

/// Steps predicted against steps observed; none without any.
fn predicted_observed(run: &Analysis) -> Option<Figure> {
    let shown: Vec<(usize, String)> = match &run.along {
        Some(along) => {
            let members = run.comparisons[along.comparison].members.iter();
            let number = |cell: usize| along.members.iter().find(|(_, c)| *c == cell);
            members
                .filter_map(|m| Some((m.cell, setting::at(run, along, number(m.cell)?.0))))
                .collect()
        }
        None => {
            let first = run.cells.iter().take(FIRST);
            first
                .map(|s| (s.cell, setting::cell(run, s.cell)))
                .collect()
        }
    };
    let all = shown.len();
    let left_out = if all > GROUPS {
        format!(" The first {GROUPS} of {all} are drawn.")
    } else {
        String::new()
    };
    let groups: Vec<Series> = (shown.into_iter().take(GROUPS).enumerate())
        .filter_map(|(at, (cell, name))| {
            Some(Series {
                name,
                points: run.cells[cell].by_start()?.pairs.clone(),
                hue: match run.along {
                    Some(_) => hue::cell(run, cell),
                    None => Hue::Distinct(at),
                },
            })
        })
        .filter(|group| !group.points.is_empty())
        .collect();
    (!groups.is_empty()).then(|| Figure {
        name: "predicted-observed".into(),
        caption: format!(
            "Steps predicted by each network's own initial kernel against steps observed; the line \
             is equality.{left_out}"
        ),
        plot: Plot::Scatter {
            groups,
            x_label: "predicted steps".into(),
            y_label: "observed steps".into(),
            log_x: true,
            log_y: true,
            diagonal: true,
        },
    })
}

/// The decay of the loss late in training against that of the slowest mode of the kernels at the
/// end and at the start; none without any.
fn late(run: &Analysis) -> Option<Figure> {
    run.carried.late.as_ref().map(|late| Figure {
        name: "late-decay".into(),
        caption: "Late in training: by how much of itself the loss falls at a step, as measured, \
                  against what the slowest mode of the tangent kernel says, of the kernel at the \
                  end and of the one at the start. A point for each replicate looked at; the line \
                  is equality."
            .into(),
        plot: Plot::Scatter {
            groups: vec![
                Series {
                    name: "kernel at the end".into(),
                    points: late.decays.iter().map(|l| (l.by_end, l.measured)).collect(),
                    hue: Hue::Distinct(0),
                },
                Series {
                    name: "kernel at the start".into(),
                    points: (late.decays.iter())
                        .map(|l| (l.by_start, l.measured))
                        .collect(),
                    hue: Hue::Distinct(1),
                },
            ],
            x_label: "predicted decay per step".into(),
            y_label: "measured decay per step".into(),
            log_x: true,
            log_y: true,
            diagonal: true,
        },
    })
}

/// Predicted against observed shares of success, a point for each cell; none without predictions.
fn calibration(run: &Analysis) -> Option<Figure> {
    let group = |hue: usize, name: &str, of: &dyn Fn(&Summary) -> Option<&Forecast>| {
        let point = |s: &Summary| Some((of(s)?.success, s.share));
        Series {
            name: name.to_string(),
            points: run.cells.iter().filter_map(point).collect(),
            hue: Hue::Distinct(hue),
        }
    };
    let mut groups = vec![
        group(0, "own initial kernels", &|s| s.by_start()),
        group(1, "infinite width", &|s| s.by_infinite()),
    ];
    groups.retain(|group| !group.points.is_empty());
    // One point is no calibration.
    (groups.iter().any(|group| group.points.len() > 1)).then(|| Figure {
        name: "calibration".into(),
        caption: "Calibration: the share of replicates that theory expects there within \
                  the budget (by the networks' own initial kernels, and by those of infinitely \
                  wide networks on the same data) against the share observed, a point for each \
                  cell; on the line the prediction is right."
            .into(),
        plot: Plot::Scatter {
            groups,
            x_label: "predicted share".into(),
            y_label: "observed share".into(),
            log_x: false,
            log_y: false,
            diagonal: true,
        },
    })
}

/// How each prediction fared over all cells, and every one of them in a part of its own.
fn findings(run: &Analysis) -> Vec<Block> {
    let own: Vec<&Finding> = run.findings.iter().filter(|f| !f.published()).collect();
    let mut questions: Vec<Question> = Vec::new();
    for f in &own {
        if !questions.contains(&f.question) {
            questions.push(f.question);
        }
    }
    if questions.is_empty() {
        return Vec::new();
    }
    let mut columns = vec![column("prediction", false)];
    columns.extend(Verdict::ALL.map(|v| column(v.name(), true)));
    columns.push(column("source and domain", false));
    let rows = questions.iter().filter_map(|question| {
        let of = || own.iter().filter(|f| f.question == *question);
        let first = of().next()?;
        let counts = Verdict::ALL.map(|v| of().filter(|f| f.verdict == v).count() as u64);
        let mut row = vec![first.name.clone()];
        row.extend(counts.map(count));
        row.push(first.source.to_string());
        Some(row)
    });
    let summary = Table {
        name: "predictions".into(),
        caption: "Cells in which each prediction holds (the whole interval of the measurement \
                  within the tolerance), fails (the whole interval outside) or is open (the \
                  interval reaches from inside to outside)."
            .into(),
        columns,
        rows: rows.collect(),
        base: None,
        numbers: Vec::new(),
        cells: Vec::new(),
    };
    let every = Table {
        name: "findings".into(),
        caption: "Every prediction against its measurement, – where censored replicates leave it \
             between two bounds; the interval then says what is known."
            .into(),
        ..table(run, &own, ["measured", "interval", "predicted"])
    };
    vec![
        Block::Table(summary),
        Block::Part(Part {
            title: "Every prediction".into(),
            lead: theory::every(run, own.len()),
            blocks: vec![Block::Table(every)],
        }),
    ]
}

/// Published numbers beside ours; none if the study claims none.
fn published(run: &Analysis) -> Option<Table> {
    let claims: Vec<&Finding> = run.findings.iter().filter(|f| f.published()).collect();
    (!claims.is_empty()).then(|| Table {
        name: "published".into(),
        caption: "Published numbers and ours. A number is found again (holds) if our whole 95 % \
                  interval lies in the accepted range, not found (fails) if it lies outside, else \
                  it is open."
            .into(),
        ..table(run, &claims, ["ours", "95 % interval", "published"])
    })
}

/// A row for each finding.
fn table(run: &Analysis, of: &[&Finding], [measured, band, predicted]: [&str; 3]) -> Table {
    let heads = [
        ("cell", false),
        ("what", false),
        (predicted, true),
        (measured, true),
        (band, true),
        ("accepted", true),
        ("verdict", false),
        ("source", false),
    ];
    let row = |f: &&Finding| {
        vec![
            setting::cell(run, f.cell),
            f.name.clone(),
            number(f.predicted),
            number(f.measured),
            range(f.band),
            range(f.accepted),
            f.verdict.name().into(),
            f.source.to_string(),
        ]
    };
    Table {
        name: String::new(),
        caption: String::new(),
        columns: heads.map(|(n, numeric)| column(n, numeric)).to_vec(),
        rows: of.iter().map(row).collect(),
        base: None,
        numbers: Vec::new(),
        cells: of.iter().map(|f| f.cell).collect(),
    }
}

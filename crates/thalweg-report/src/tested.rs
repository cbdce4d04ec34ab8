//! Networks at inputs that they were not trained on, as figures and a table.

use thalweg::analysis::Analysis;
use thalweg::analysis::summary::Summary;
use thalweg::analysis::tested::Limit;

use super::column;
use super::page::{Block, Figure, Hue, Line, Plot, Series, Table};
use super::pictures::wide_fits;
use super::words::numbers::{number, percent, range, size};
use super::words::setting;
use super::words::tested::{heading, limit, sentences};

/// Sentences, the course of the test loss, expected against observed, the pictures of infinitely
/// wide networks, and a table of all cells; nothing without test points.
pub(super) fn blocks(run: &Analysis) -> Vec<Block> {
    let mut blocks: Vec<Block> = sentences(run).into_iter().map(Block::Text).collect();
    blocks.extend(course(run.base()).map(Block::Figure));
    blocks.extend(expected(run.base()).map(Block::Figure));
    blocks.extend(wide_fits(run));
    blocks.extend(table(run).map(Block::Table));
    blocks
}

/// The loss at the test points and on the training set against the step.
fn course(base: &Summary) -> Option<Figure> {
    let tested = base.tested.as_ref().filter(|t| !t.course.is_empty())?;
    let line = |name: &str, hue: usize, of: fn(&(u64, f64, f64)) -> f64| Line {
        name: name.into(),
        points: (tested.course.iter())
            .map(|at| (at.0 as f64, of(at)))
            .collect(),
        band: Vec::new(),
        dashed: false,
        hue: Hue::Distinct(hue),
    };
    let mut lines = vec![
        line("test points", 1, |at| at.1),
        line("training set", 0, |at| at.2),
    ];
    if tested.constant.is_finite() {
        lines.push(Line {
            name: "mean of the targets".into(),
            points: (tested.course.iter())
                .map(|at| (at.0 as f64, tested.constant))
                .collect(),
            dashed: true,
            ..line("", 1, |at| at.1)
        });
    }
    Some(Figure {
        name: "test-loss".into(),
        caption: "The loss at the test points and on the training set against the step, medians \
                  over the replicates that are looked at; dashed, the test loss of the mean of the \
                  training targets."
            .into(),
        plot: Plot::Curves {
            lines,
            x_label: "step".into(),
            y_label: "loss".into(),
            log_x: true,
            log_y: true,
            reference_y: None,
            x_ticks: Vec::new(),
        },
    })
}

/// The test loss that infinitely wide networks have in expectation against that of each replicate.
fn expected(base: &Summary) -> Option<Figure> {
    let tested = base.tested.as_ref()?;
    let groups: Vec<Series> = (tested.limits.iter().enumerate())
        .filter(|(_, at)| at.pairs.len() > 1)
        .map(|(hue, at)| Series {
            name: heading(at.limit).into(),
            points: at.pairs.clone(),
            hue: Hue::Distinct(hue),
        })
        .collect();
    (!groups.is_empty()).then(|| Figure {
        name: "test-expected".into(),
        caption: "The test loss that infinitely wide networks on a replicate's training set have \
                  in expectation over initial weights, against that of the replicate; the line is \
                  equality."
            .into(),
        plot: Plot::Scatter {
            groups,
            x_label: "expected test loss".into(),
            y_label: "observed test loss".into(),
            log_x: true,
            log_y: true,
            diagonal: true,
        },
    })
}

/// Every cell with test points.
fn table(run: &Analysis) -> Option<Table> {
    let rows: Vec<(usize, Vec<String>)> = (run.cells.iter())
        .filter_map(|s| {
            let tested = s.tested.as_ref()?;
            let mut row = vec![
                setting::cell(run, s.cell),
                size(tested.loss[1]),
                range(tested.median),
                size(tested.training),
                number(tested.constant),
                tested.accuracy.map_or(String::new(), percent),
            ];
            row.extend(Limit::ALL.map(|limit| {
                let mut found = tested.limits.iter().filter(|at| at.limit == limit);
                let found = found.next();
                found.map_or(String::new(), |at| number(at.expected))
            }));
            Some((s.cell, row))
        })
        .collect();
    let mut columns = vec![column("cell", false)];
    columns.extend(
        [
            "test loss",
            "95 % interval",
            "training loss",
            "mean of targets",
            "accuracy",
        ]
        .map(|head| column(head, true)),
    );
    columns.extend(Limit::ALL.map(|limit| column(heading(limit), true)));
    let how = Limit::ALL.map(|l| format!("{}: {}", heading(l), limit(l)));
    (!rows.is_empty()).then(|| Table {
        name: "test-loss".into(),
        caption: format!(
            "Losses at the test points, medians over replicates at their end, as if there were as \
             many as training points; what the mean of the training targets has there; and what \
             infinitely wide networks on the first training sets have in expectation. {}.",
            how.join("; ")
        ),
        columns,
        cells: rows.iter().map(|(cell, _)| *cell).collect(),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        base: None,
        numbers: Vec::new(),
    })
}

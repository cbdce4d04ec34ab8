//! The smallest eigenvalue along the number that a study leads with, as figure and table.

use thalweg::analysis::Analysis;
use thalweg::analysis::along::Along;
use thalweg::analysis::smallest::Smallest;

use super::column;
use super::compare::decades;
use super::page::{Block, Figure, Hue, Line, Plot, Table};
use super::words::numbers::{count, number, range, steps};
use super::words::setting;

/// Numbers from which on there is something to draw.
const DRAWN: usize = 3;

/// A figure, and a table of the same; nothing where the kernels at the start are the same.
pub(super) fn blocks(run: &Analysis, along: &Along) -> Vec<Block> {
    let points = &along.smallest.points;
    if points.is_empty() {
        return Vec::new();
    }
    let mut all = Vec::new();
    if points.len() >= DRAWN {
        all.push(Block::Figure(figure(along, points)));
    }
    all.push(Block::Table(table(run, along, points)));
    all
}

fn figure(along: &Along, points: &[Smallest]) -> Figure {
    let line =
        |name: &str, (hue, dashed): (usize, bool), of: &dyn Fn(&Smallest) -> Option<f64>| Line {
            name: name.into(),
            points: (points.iter())
                .filter_map(|p| Some((p.number, of(p)?)))
                .collect(),
            band: Vec::new(),
            dashed,
            hue: Hue::Distinct(hue),
        };
    let measured = Line {
        band: (points.iter())
            .filter(|p| p.measured.is_some())
            .map(|p| (p.number, p.band.low, p.band.high))
            .collect(),
        ..line("λmin, measured", (0, false), &|p| p.measured)
    };
    let mut lines = vec![
        measured,
        line("λmin at infinite width", (0, true), &|p| p.infinite),
        line("bound by two points", (1, false), &|p| p.two_point),
    ];
    // What is the same everywhere says nothing of the way.
    let moves = points.iter().any(|p| p.nearest != points[0].nearest);
    if moves {
        lines.push(line("nearest pair", (2, false), &|p| p.nearest));
        lines.push(line("its law, as N^(−2/d)", (2, true), &|p| {
            p.nearest_law
        }));
    }
    let degrees = points.iter().any(|p| p.degree != points[0].degree);
    if degrees {
        let degree = |p: &Smallest| (p.degree > 0).then_some(p.degree as f64);
        lines.push(line("degree needed", (3, false), &degree));
    }
    lines.retain(|l| !l.points.is_empty());
    let numbers: Vec<(f64, usize)> = points.iter().map(|p| (p.number, p.cell)).collect();
    let with = |said: bool, text: &'static str| if said { text } else { "" };
    Figure {
        name: "smallest-eigenvalue".into(),
        caption: format!(
            "The smallest eigenvalue λmin of the tangent kernel at the start: median with its \
             95 % interval, the infinitely wide network's on the same training sets, and the bound \
             ½ min Θii + Θjj − 2 Θij by two points.{}{}",
            with(
                moves,
                " The distance of the nearest pair, and its median for independent normal points, \
                 which falls as N^(−2/d)."
            ),
            with(
                degrees,
                " The degree of which polynomials must be to take any values at the points: the \
                 first with at least N of C(d + k, k) terms."
            )
        ),
        plot: Plot::Curves {
            lines,
            x_label: setting::axis(&along.key),
            y_label: if moves {
                "eigenvalue, distance, degree".into()
            } else {
                "eigenvalue".into()
            },
            log_x: decades(&numbers),
            log_y: true,
            reference_y: None,
            x_ticks: numbers.iter().map(|(v, _)| (*v, number(*v))).collect(),
        },
    }
}

fn table(run: &Analysis, along: &Along, points: &[Smallest]) -> Table {
    let some = |v: Option<f64>| v.map_or("–".into(), number);
    let rows = points.iter().map(|p| {
        let s = &run.cells[p.cell];
        vec![
            number(p.number),
            p.measured.map_or("below round-off".into(), number),
            range(p.band),
            some(p.infinite),
            some(p.two_point),
            some(p.nearest),
            some(p.nearest_law),
            count(p.degree as u64),
            steps(s.steps.median.step, s.budget()),
        ]
    });
    let heading = setting::heading(&along.key);
    let heads = [
        (heading.as_str(), true),
        ("λmin start", true),
        ("its 95 % interval", true),
        ("at infinite width", true),
        ("bound by two points", true),
        ("nearest pair", true),
        ("its law", true),
        ("degree needed", true),
        ("median steps", true),
    ];
    let each = |of: &dyn Fn(&Smallest) -> Option<f64>| points.iter().map(of).collect();
    let numbers: Vec<(&'static str, Vec<Option<f64>>)> = vec![
        ("value", each(&|p| Some(p.number))),
        ("lambda_min_start", each(&|p| p.measured)),
        ("lambda_min_low", each(&|p| Some(p.band.low))),
        ("lambda_min_high", each(&|p| Some(p.band.high))),
        ("infinite_width", each(&|p| p.infinite)),
        ("two_point_bound", each(&|p| p.two_point)),
        ("nearest_pair", each(&|p| p.nearest)),
        ("nearest_pair_law", each(&|p| p.nearest_law)),
        ("degree", each(&|p| Some(p.degree as f64))),
        (
            "median_steps",
            each(&|p| run.cells[p.cell].steps.median.step.map(|t| t as f64)),
        ),
    ];
    Table {
        name: "smallest-eigenvalue".into(),
        caption: "The same in numbers, beside the median number of steps. Medians over the \
                  replicates looked at, and over training sets."
            .into(),
        columns: heads.map(|(n, numeric)| column(n, numeric)).to_vec(),
        rows: rows.collect(),
        base: points.iter().position(|p| p.cell == 0),
        numbers,
        cells: points.iter().map(|p| p.cell).collect(),
    }
}

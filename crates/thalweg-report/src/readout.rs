//! The numbers of a figure as a table, for those who do not see it.

use super::page::{Heading, Line, Plot, Series, Table};
use super::words::numbers::{number, percent};

/// Most rows of a table of lines.
const ROWS: usize = 12;

/// What the figure shows, in numbers: all of a few, a dozen points of a line.
pub(super) fn table(plot: &Plot) -> Table {
    match plot {
        Plot::Intervals { rows, x_label, .. } => {
            let predicted = rows.iter().any(|r| r.predicted.is_some());
            let mut heads = vec!["", "estimate", "from", "to"];
            heads.extend(predicted.then_some("predicted"));
            let rows = rows.iter().map(|r| {
                let mut row = vec![r.label.clone()];
                row.extend([r.value, r.low, r.high].map(percent));
                if predicted {
                    row.push(r.predicted.map_or("–".into(), percent));
                }
                row
            });
            build(x_label, &heads, rows.collect())
        }
        Plot::Times { rows, x_label } => {
            let rows = rows.iter().map(|r| {
                let mut row = vec![r.label.clone()];
                row.extend([r.median, r.low, r.high].map(number));
                row.push(r.late.map_or("–".into(), number));
                row
            });
            let heads = ["", "median", "from", "to", "90 %"];
            build(x_label, &heads, rows.collect())
        }
        Plot::Survival {
            curves, x_label, ..
        } => {
            let shares = [0.9, 0.5, 0.2, 0.1, 0.01];
            let rows = curves.iter().map(|Series { name, points, .. }| {
                let mut row = vec![name.clone()];
                // The first step from which at most this share is left.
                row.extend(shares.map(|share| {
                    let at = points.iter().find(|p| p.1 <= share);
                    at.map_or("–".into(), |p| number(p.0))
                }));
                row.push(points.last().map_or("–".into(), |p| percent(p.1)));
                row
            });
            let heads = ["", "90 %", "50 %", "20 %", "10 %", "1 %", "left at the end"];
            let caption =
                format!("The {x_label} from which at most this share is still above the loss");
            build(&caption, &heads, rows.collect())
        }
        Plot::Curves {
            lines,
            x_label,
            y_label,
            log_x,
            ..
        } => curves(lines, x_label, y_label, *log_x),
        Plot::Scatter {
            groups,
            x_label,
            y_label,
            ..
        } => {
            let middle = |of: &dyn Fn(&(f64, f64)) -> f64, points: &[(f64, f64)]| {
                number(thalweg::stats::median(
                    &points.iter().map(of).collect::<Vec<_>>(),
                ))
            };
            let rows = groups.iter().map(|Series { name, points, .. }| {
                vec![
                    name.clone(),
                    points.len().to_string(),
                    middle(&|p| p.0, points),
                    middle(&|p| p.1, points),
                ]
            });
            let (x, y) = (format!("median {x_label}"), format!("median {y_label}"));
            build("Points", &["", "points", &x, &y], rows.collect())
        }
        Plot::Shares {
            rows,
            names,
            x_label,
            ..
        } => {
            let mut heads = vec![""];
            heads.extend(names.iter().map(String::as_str));
            let rows = rows.iter().map(|r| {
                let mut row = vec![r.label.clone()];
                row.extend(r.counts.iter().map(u64::to_string));
                row
            });
            build(x_label, &heads, rows.collect())
        }
        Plot::Map {
            x_label,
            y_label,
            lines,
            ..
        } => {
            let rows = lines.iter().flat_map(|line| {
                let point = |(x, y): &(f64, f64)| vec![line.name.clone(), number(*x), number(*y)];
                line.points.iter().map(point)
            });
            build("Borders", &["", x_label, y_label], rows.collect())
        }
        Plot::Fit { points, second, .. } => {
            let plane = !second.is_empty();
            let rows = points.iter().map(|p| {
                let mut row = vec![number(p.x[0])];
                row.extend(plane.then(|| number(p.x[1])));
                row.push(number(p.target));
                row.push(if p.near { "nearest two" } else { "" }.into());
                row
            });
            let heads = ["x₁", "x₂", "target", ""];
            let heads = heads.iter().filter(|h| plane || **h != "x₂");
            let heads: Vec<&str> = heads.copied().collect();
            build("Training points", &heads, rows.collect())
        }
        Plot::Overview { rows, x_label, .. } => {
            let rows = rows.iter().flat_map(|r| {
                r.dots.iter().map(|d| {
                    let steps = d.steps.map_or("> budget".into(), number);
                    vec![
                        r.label.clone(),
                        d.label.clone(),
                        steps,
                        d.reaches.to_string(),
                    ]
                })
            });
            let heads = ["comparison", "choice", "steps", "share reached"];
            let mut table = build(x_label, &heads, rows.collect());
            table.columns[1].numeric = false;
            table
        }
        Plot::Front {
            points, x_label, ..
        } => {
            let mut front: Vec<_> = points.iter().filter(|p| p.front).collect();
            front.sort_by(|a, b| a.cost.total_cmp(&b.cost));
            let rows = front.iter().map(|p| {
                let mut row = vec![p.name.clone(), number(p.cost)];
                row.extend([p.success, p.low, p.high].map(percent));
                row
            });
            let heads = ["", x_label.as_str(), "success", "from", "to"];
            build("The front", &heads, rows.collect())
        }
    }
}

/// A dozen points of lines, one column each.
fn curves(lines: &[Line], x_label: &str, y_label: &str, log_x: bool) -> Table {
    let shown = |x: &f64| x.is_finite() && (!log_x || *x > 0.0);
    let mut xs: Vec<f64> = lines
        .iter()
        .flat_map(|l| l.points.iter().map(|p| p.0))
        .collect();
    xs.retain(shown);
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let stride = xs.len().saturating_sub(1).div_ceil(ROWS - 1).max(1);
    let last = xs.len().saturating_sub(1);
    let rows = xs
        .iter()
        .enumerate()
        .filter(|(i, _)| i % stride == 0 || *i == last);
    let rows = rows.map(|(_, &x)| {
        let mut row = vec![number(x)];
        row.extend(lines.iter().map(|l| {
            let at = l.points.iter().find(|p| p.0.total_cmp(&x).is_eq());
            at.map_or("–".into(), |p| number(p.1))
        }));
        row
    });
    let mut heads = vec![x_label];
    heads.extend(lines.iter().map(|l| l.name.as_str()));
    build(y_label, &heads, rows.collect())
}

fn build(caption: &str, heads: &[&str], rows: Vec<Vec<String>>) -> Table {
    Table {
        name: String::new(),
        caption: caption.into(),
        columns: (heads.iter().enumerate())
            .map(|(i, name)| Heading {
                name: (*name).into(),
                numeric: i > 0,
            })
            .collect(),
        rows,
        base: None,
        numbers: Vec::new(),
        cells: Vec::new(),
    }
}

//! Draws a plot as one self-contained SVG, the same bytes every time.

mod curves;
mod fit;
mod front;
mod intervals;
mod labels;
mod map;
mod overview;
mod scatter;
mod series;
mod shares;
mod survival;
mod times;

use crate::page::{IntervalRow, OverviewRow, Plot, ShareRow, TimeRow};
use crate::svg::{Canvas, Medium};
use crate::words::numbers::{many, number, percent};

pub(crate) use map::colour as map_colour;

/// The colours of causes, in the order of `CauseKind::ALL`: what reached is blue, what failed is
/// warm, green or violet, and what is not known grey.
pub const CAUSES: [&str; 16] = [
    "#0072B2", "#56B4E9", "#B22222", "#E69F00", "#D55E00", "#CC79A7", "#7B3F98", "#A0522D",
    "#C9A66B", "#F0A07A", "#B8860B", "#E8C547", "#5C4033", "#8F5A78", "#556B2F", "#8a8a8a",
];

/// The plot for a page: no background, axes and text in the page's own text colour.
pub fn svg(plot: &Plot) -> String {
    draw(plot, Medium::Page)
}

/// The same for a telephone.
pub fn phone(plot: &Plot) -> String {
    draw(plot, Medium::Phone)
}

/// The plot for a file of its own, as wide as a paper's column: dark on white, text as outlines.
pub fn svg_file(plot: &Plot) -> String {
    draw(plot, Medium::Column)
}

/// Whether it wants the whole width of a page: names along both axes.
pub fn broad(plot: &Plot) -> bool {
    match plot {
        Plot::Overview { .. } | Plot::Front { .. } => true,
        Plot::Intervals { .. }
        | Plot::Times { .. }
        | Plot::Survival { .. }
        | Plot::Curves { .. }
        | Plot::Scatter { .. }
        | Plot::Shares { .. }
        | Plot::Map { .. }
        | Plot::Fit { .. } => false,
    }
}

/// The plot in words, for those who do not see it.
pub fn describe(plot: &Plot) -> String {
    fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
        names.map(String::as_str).collect::<Vec<_>>().join("; ")
    }
    match plot {
        Plot::Intervals {
            rows,
            target,
            x_label,
        } => {
            let row = |r: &IntervalRow| {
                let [value, low, high] = [r.value, r.low, r.high].map(percent);
                format!("{} {value}, from {low} to {high}", r.label)
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            format!(
                "Intervals of {x_label}, target {}: {}.",
                percent(*target),
                rows.join("; ")
            )
        }
        Plot::Times { rows, x_label } => {
            let row = |r: &TimeRow| {
                let [value, low, high] = [r.median, r.low, r.high].map(number);
                format!("{} {value}, from {low} to {high}", r.label)
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            format!("Medians of {x_label}: {}.", rows.join("; "))
        }
        Plot::Survival {
            curves, x_label, ..
        } => {
            format!(
                "Share of runs still above the loss against {x_label}: {}.",
                list(curves.iter().map(|c| &c.name))
            )
        }
        Plot::Curves {
            lines,
            x_label,
            y_label,
            ..
        } => {
            format!(
                "Lines of {y_label} against {x_label}: {}.",
                list(lines.iter().map(|l| &l.name))
            )
        }
        Plot::Scatter {
            groups,
            x_label,
            y_label,
            ..
        } => {
            format!(
                "Points of {y_label} against {x_label}: {}.",
                list(groups.iter().map(|g| &g.name))
            )
        }
        Plot::Shares {
            rows,
            names,
            x_label,
            ..
        } => {
            let row = |r: &ShareRow| {
                let parts: Vec<_> = names
                    .iter()
                    .zip(&r.counts)
                    .filter(|(_, n)| **n > 0)
                    .map(|(name, n)| format!("{n} {name}"))
                    .collect();
                format!("{}: {}", r.label, parts.join(", "))
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            format!("Bars of {x_label}. {}.", rows.join("; "))
        }
        Plot::Fit { points, .. } => {
            let ringed = points.iter().filter(|p| p.near).count();
            if points.is_empty() {
                return "A function of two inputs.".into();
            }
            format!(
                "The outputs of a network around its {}; {ringed} are ringed.",
                many(points.len(), "training point", "training points")
            )
        }
        Plot::Overview {
            rows,
            base_label,
            x_label,
            ..
        } => {
            let row = |r: &OverviewRow| {
                let dots: Vec<&str> = r.dots.iter().map(|d| d.label.as_str()).collect();
                format!("{}: {}", r.label, dots.join(", "))
            };
            let rows: Vec<String> = rows.iter().map(row).collect();
            format!("{x_label}; the line is {base_label}. {}.", rows.join("; "))
        }
        Plot::Map {
            x_label,
            y_label,
            title,
            lines,
            ..
        } => {
            let over = match lines.is_empty() {
                true => String::new(),
                false => format!(" Lines over it: {}.", list(lines.iter().map(|l| &l.name))),
            };
            format!("A map of {title} over {x_label} and {y_label}.{over}")
        }
        Plot::Front {
            points, x_label, ..
        } => {
            format!(
                "Success against {x_label} of {} candidates; on the front: {}.",
                points.len(),
                list(points.iter().filter(|p| p.front).map(|p| &p.name))
            )
        }
    }
}

fn draw(plot: &Plot, medium: Medium) -> String {
    let mut canvas = Canvas::new(medium);
    let height = canvas.or_nothing(|canvas| match plot {
        Plot::Intervals {
            rows,
            target,
            x_label,
        } => intervals::draw(canvas, rows, *target, x_label),
        Plot::Times { rows, x_label } => times::draw(canvas, rows, x_label),
        Plot::Survival {
            curves,
            x_label,
            marks,
        } => survival::draw(canvas, curves, x_label, marks),
        Plot::Curves {
            lines,
            x_label,
            y_label,
            log_x,
            log_y,
            reference_y,
            x_ticks,
        } => curves::draw(
            canvas,
            lines,
            (x_label, y_label),
            (*log_x, *log_y),
            *reference_y,
            x_ticks,
        ),
        Plot::Scatter {
            groups,
            x_label,
            y_label,
            log_x,
            log_y,
            diagonal,
        } => scatter::draw(
            canvas,
            groups,
            (x_label, y_label),
            (*log_x, *log_y),
            *diagonal,
        ),
        Plot::Shares {
            rows,
            names,
            colours,
            x_label,
        } => shares::draw(canvas, rows, (names, colours), x_label),
        Plot::Fit {
            first,
            second,
            outputs,
            points,
            wide,
        } => fit::draw(canvas, (first, second, outputs), points, wide),
        Plot::Overview {
            rows,
            base,
            base_label,
            x_label,
        } => overview::draw(canvas, rows, (*base, base_label), x_label),
        Plot::Front {
            points,
            share,
            x_label,
        } => front::draw(canvas, points, *share, x_label),
        Plot::Map {
            x,
            y,
            x_label,
            y_label,
            log_x,
            log_y,
            title,
            shades,
            marks,
            lines,
        } => {
            let along = |label, values, log: &bool| map::Along {
                label,
                values,
                log: *log,
            };
            let axes = (along(x_label, x, log_x), along(y_label, y, log_y));
            map::draw(canvas, axes, shades, (title, marks), lines)
        }
    });
    let height = height.unwrap_or_else(|| {
        let width = canvas.width;
        let frame = " fill=\"none\" stroke=\"currentColor\" stroke-opacity=\"0.3\"";
        canvas.rect((0.5, 0.5), (width - 1.0, 119.0), frame);
        canvas.text(
            (width / 2.0, 64.0),
            "middle",
            " fill-opacity=\"0.7\"",
            "no data",
        );
        120.0
    });
    canvas.finish(height, &describe(plot))
}

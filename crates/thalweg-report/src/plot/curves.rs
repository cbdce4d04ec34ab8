//! Draws lines with the bands around them.

use super::labels::{self, Drawn};
use super::series::{legend, thin};
use crate::axis::{Axis, TARGET, marked_frame, place};
use crate::page::{Hue, Line};
use crate::svg::{Canvas, Mark, Style, escape, power};

/// Draws the lines, and how high that is; nothing if no point has a place.
pub(super) fn draw(
    canvas: &mut Canvas,
    lines: &[Line],
    labels: (&str, &str),
    (log_x, log_y): (bool, bool),
    reference: Option<f64>,
    x_ticks: &[(f64, String)],
) -> Option<f64> {
    let mut placed = Vec::new();
    for line in lines {
        let mut points: Vec<_> = line
            .points
            .iter()
            .filter_map(|p| Some((place(log_x, p.0)?, place(log_y, p.1)?)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // A lower end of zero on a logarithmic axis is below the picture, not missing.
        let shade =
            |b: &(f64, f64, f64)| match (place(log_x, b.0)?, place(log_y, b.1), place(log_y, b.2)?)
            {
                (x, low @ Some(_), high) => Some((x, low, high)),
                (x, None, high) => (log_y && b.1 <= 0.0).then_some((x, None, high)),
            };
        let mut band: Vec<_> = line.band.iter().filter_map(shade).collect();
        band.sort_by(|a, b| a.0.total_cmp(&b.0));
        placed.push((line, points, band));
    }
    let xs = placed
        .iter()
        .flat_map(|l| l.1.iter().map(|p| p.0).chain(l.2.iter().map(|b| b.0)));
    let x_axis = match x_ticks {
        [] => Axis::over(log_x, xs),
        _ => Axis::marked(log_x, xs),
    }?;
    let reference = reference.and_then(|r| Some((r, place(log_y, r)?)));
    let ys = placed.iter().flat_map(|l| {
        l.1.iter()
            .map(|p| p.1)
            .chain(l.2.iter().flat_map(|b| b.1.into_iter().chain([b.2])))
    });
    let y_axis = Axis::over(log_y, ys.chain(reference.map(|r| r.1)))?;
    let mark = |l: &Line| if l.dashed { Mark::Dashed } else { Mark::Solid };
    let entries = legend(lines.iter().map(|l| (&l.name, mark(l), l.hue)));
    let axes = (x_axis, y_axis);
    // Names on the lines if there is room; else in a legend, which moves the picture down.
    let named = on_lines(
        canvas,
        &placed,
        axes,
        labels,
        reference.map(|r| r.1),
        x_ticks,
    );
    let shown = named.as_ref().map_or(&entries, |n| &n.legend);
    let top = canvas.legend(0.0, shown);
    let (x, y, height) = marked_frame(canvas, top, HEIGHT, axes, labels, x_ticks);
    for ((_, _, band), (_, style)) in placed.iter().zip(&entries) {
        let highs = thin(band.iter().map(|b| (x.at(b.0), y.at(b.2))).collect());
        let lows = thin(
            band.iter()
                .map(|b| (x.at(b.0), b.1.map_or(y.ends().0, |low| y.at(low))))
                .collect(),
        );
        if band.len() > 1 {
            canvas.area(
                &highs
                    .into_iter()
                    .chain(lows.into_iter().rev())
                    .collect::<Vec<_>>(),
                *style,
            );
        }
    }
    if let Some((value, place)) = reference {
        let ((left, right), at) = (x.ends(), y.at(place));
        canvas.line((left, at), (right, at), TARGET);
        let exponent = value.log10().round();
        if log_y && (place - exponent).abs() < 1e-9 {
            canvas.text(
                (right + 4.0, at + 4.5),
                "start",
                "",
                &power(exponent as i32),
            );
        }
    }
    for ((line, points, _), (_, style)) in placed.iter().zip(&entries) {
        if !points.is_empty() {
            let crossed = reference.filter(|_| !line.dashed);
            let crossed = crossed.zip(points.last()).filter(|(r, end)| end.1 <= r.1);
            let points = thin(points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect());
            canvas.series(&points, *style, &line.name);
            if let Some((reference, end)) = crossed {
                let at = (x.at(end.0), y.at(reference.1));
                canvas.circle(at, 4.5, &style.paint("fill"));
            }
        }
    }
    for (name, (left, base)) in named.iter().flat_map(|n| &n.names) {
        canvas.text((*left, *base + top), "start", "", &escape(name));
    }
    Some(height)
}

/// Height of the plot without its legend and names.
const HEIGHT: f64 = 320.0;

/// A line, its points and its band, by their places on the axes.
type Placed<'a> = (&'a Line, Vec<(f64, f64)>, Vec<(f64, Option<f64>, f64)>);

/// A name and where it stands below a legend of no height.
type Name = (String, (f64, f64));

/// Names on the lines, and what is left to the legend.
struct OnLines {
    legend: Vec<(String, Style)>,
    names: Vec<Name>,
}

/// Puts names on the lines; none if there is no room.
fn on_lines(
    canvas: &Canvas,
    placed: &[Placed<'_>],
    axes: (Axis, Axis),
    labels: (&str, &str),
    reference: Option<f64>,
    x_ticks: &[(f64, String)],
) -> Option<OnLines> {
    let mut trial = canvas.blank();
    let (x, y, _) = marked_frame(&mut trial, 0.0, HEIGHT, axes, labels, x_ticks);
    let lines: Vec<&Line> = placed.iter().map(|p| p.0).collect();
    let Names { on_lines, legend } = split_names(&lines);
    let drawn: Vec<Drawn> = (placed.iter().zip(on_lines))
        .map(|((_, points, _), name)| Drawn {
            name,
            points: points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect(),
        })
        .collect();
    let frame = (x.ends().0, y.ends().1, canvas.width, y.ends().0);
    let places = labels::places(&drawn, frame, reference.map(|r| (y.at(r), x.ends().1)))?;
    let names = (drawn.into_iter().zip(places))
        .filter_map(|(line, at)| Some((line.name?, at?)))
        .collect();
    Some(OnLines { legend, names })
}

/// How lines are told apart: what stands on each, and what a legend says of all.
struct Names {
    on_lines: Vec<Option<String>>,
    legend: Vec<(String, Style)>,
}

/// A dashed line that follows a solid one of its colour is the same setting otherwise looked at:
/// the setting stands on the solid line, and the legend says once what solid and dashed are.
fn split_names(lines: &[&Line]) -> Names {
    let mut on_lines: Vec<Option<String>> = lines.iter().map(|l| Some(l.name.clone())).collect();
    let mut kinds: Vec<(String, Mark)> = Vec::new();
    for at in 1..lines.len() {
        let (solid, dashed) = (lines[at - 1], lines[at]);
        if solid.dashed || !dashed.dashed || solid.hue != dashed.hue {
            continue;
        }
        let common = (solid.name.chars().zip(dashed.name.chars()))
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a);
        let mut common: String = common.collect();
        if common != solid.name {
            common.truncate(common.rfind(", ").unwrap_or(0));
        }
        if common.is_empty() {
            continue;
        }
        let rest = |name: &str| {
            name[common.len()..]
                .trim_start_matches([',', ' '])
                .to_string()
        };
        for kind in [
            (rest(&solid.name), Mark::Solid),
            (rest(&dashed.name), Mark::Dashed),
        ] {
            if !kind.0.is_empty() && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        on_lines[at - 1] = Some(common);
        on_lines[at] = None;
    }
    // The plain colour of text: it is said of every line.
    let plain = |(name, mark)| {
        (
            name,
            Style {
                hue: Hue::Distinct(6),
                mark,
            },
        )
    };
    Names {
        on_lines,
        legend: kinds.into_iter().map(plain).collect(),
    }
}

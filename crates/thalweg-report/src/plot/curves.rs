//! Draws lines with the bands around them.

use super::series::{legend, thin};
use crate::axis::{Axis, TARGET, frame, place};
use crate::page::Line;
use crate::svg::{Canvas, Mark, Style, power};

/// Draws the lines, and how high that is; nothing if no point has a place.
pub(super) fn draw(
    canvas: &mut Canvas,
    lines: &[Line],
    labels: (&str, &str),
    (log_x, log_y): (bool, bool),
    reference: Option<f64>,
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
    let x_axis = Axis::over(log_x, xs)?;
    let reference = reference.and_then(|r| Some((r, place(log_y, r)?)));
    let ys = placed.iter().flat_map(|l| {
        l.1.iter()
            .map(|p| p.1)
            .chain(l.2.iter().flat_map(|b| b.1.into_iter().chain([b.2])))
    });
    let y_axis = Axis::over(log_y, ys.chain(reference.map(|r| r.1)))?;
    let mut entries = legend(
        lines
            .iter()
            .map(|l| (&l.name, if l.dashed { Mark::Dashed } else { Mark::Solid })),
    );
    pair(&mut entries);
    let top = canvas.legend(0.0, &entries);
    let (x, y, height) = frame(canvas, top, 320.0, (x_axis, y_axis), labels);
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
                let fill = format!(" fill=\"{}\"", style.colour());
                canvas.circle((x.at(end.0), y.at(reference.1)), 4.5, &fill);
            }
        }
    }
    Some(height)
}

/// Gives a dashed line the colour of the solid line just before it, and numbers the rest on.
fn pair(entries: &mut [(String, Style)]) {
    let (mut next, mut solid_before) = (0, false);
    for (_, style) in entries {
        let dashed = style.mark == Mark::Dashed;
        if dashed && solid_before {
            style.series = next - 1;
        } else {
            style.series = next;
            next += 1;
        }
        solid_before = !dashed;
    }
}

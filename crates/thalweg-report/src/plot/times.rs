//! Draws numbers of steps, one row each, with the intervals of their medians.

use super::series::{beside, row_names, ticks_below};
use crate::axis::{AXIS, Axis, place};
use crate::page::{Hue, TimeRow};
use crate::svg::{Canvas, Mark, Style, escape, shorten};
use crate::words::numbers::number;

/// Height of a row.
const ROW: f64 = 26.0;

/// Draws them, and how high that is; nothing if no median has a place.
pub(super) fn draw(canvas: &mut Canvas, rows: &[TimeRow], x_label: &str) -> Option<f64> {
    let ends = |r: &TimeRow| [Some(r.median), Some(r.low), Some(r.high), r.late];
    let all = rows.iter().flat_map(ends).flatten();
    let axis = Axis::over(true, all.filter_map(|v| place(true, v)))?;
    rows.iter().find(|r| place(true, r.median).is_some())?;
    let width = canvas.width;
    let labels = row_names(canvas, rows.iter().map(|r| r.label.as_str()));
    let left = beside(labels.iter());
    let x = axis.across(left, width - 70.0);
    let (top, bottom) = (6.0, 6.0 + ROW * rows.len() as f64);
    ticks_below(canvas, &x, (top, bottom));
    canvas.line((left, bottom), (x.ends().1, bottom), AXIS);
    let style = Style {
        hue: Hue::Distinct(0),
        mark: Mark::Dots,
    };
    for (i, (row, label)) in rows.iter().zip(&labels).enumerate() {
        let y = top + ROW * (i as f64 + 0.5);
        let weight = if row.base { " font-weight=\"700\"" } else { "" };
        if row.base {
            let shade = " fill-opacity=\"0.07\" rx=\"3\"";
            canvas.rect((0.0, y - ROW / 2.0), (width, ROW), shade);
        }
        canvas.text((left - 12.0, y + 4.5), "end", weight, &escape(label));
        canvas.text((width - 4.0, y + 4.5), "end", weight, &number(row.median));
        let Some(middle) = place(true, row.median).map(|p| x.at(p)) else {
            continue;
        };
        let end = |v: f64| place(true, v).map_or(middle, |p| x.at(p));
        let title = format!(
            "{}: {} steps, from {} to {}",
            row.label,
            number(row.median),
            number(row.low),
            number(row.high)
        );
        canvas.named(&title, |canvas| {
            let stroke = style.paint("stroke");
            let line = format!("{stroke} stroke-width=\"2.5\" stroke-linecap=\"round\"");
            canvas.line((end(row.low), y), (end(row.high), y), &line);
            canvas.circle((middle, y), 5.0, &style.paint("fill"));
            if let Some(late) = row.late.and_then(|v| place(true, v)) {
                let ring = format!(" fill=\"none\"{stroke} stroke-width=\"1.5\"");
                canvas.circle((x.at(late), y), 4.0, &ring);
            }
        });
    }
    let middle = (left + x.ends().1) / 2.0;
    let label = escape(&shorten(x_label, (width / 8.5) as usize));
    canvas.text((middle, bottom + 42.0), "middle", "", &label);
    Some(bottom + 50.0)
}

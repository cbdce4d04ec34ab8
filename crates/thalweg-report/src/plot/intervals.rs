//! Draws intervals, one row each, coloured by the side of a target they lie on.

use thalweg::analysis::summary::Reaches;

use super::overview::{colour, name};
use super::series::{beside, row_names, ticks_below};
use crate::axis::{AXIS, Axis, TARGET, place};
use crate::page::IntervalRow;
use crate::svg::{Canvas, escape, shorten, text_width};
use crate::words::numbers::percent;

const BOLD: &str = " font-weight=\"700\"";

/// Draws them, and how high that is; nothing if there is no row.
pub(super) fn draw(
    canvas: &mut Canvas,
    rows: &[IntervalRow],
    target: f64,
    x_label: &str,
) -> Option<f64> {
    const ROW: f64 = 26.0;
    if rows.is_empty() {
        return None;
    }
    let width = canvas.width;
    let labels = row_names(canvas, rows.iter().map(|r| r.label.as_str()));
    let left = beside(labels.iter());
    let x = Axis::share().across(left, width - 80.0);
    let target = place(false, target).map(|t| t.clamp(0.0, 1.0));
    let top = 26.0;
    let bottom = top + ROW * rows.len() as f64;
    for (i, _) in rows.iter().enumerate().filter(|(_, row)| row.base) {
        canvas.rect(
            (0.0, top + ROW * i as f64),
            (width, ROW),
            " fill-opacity=\"0.07\" rx=\"3\"",
        );
    }
    ticks_below(canvas, &x, (top, bottom));
    canvas.line((left, bottom), (x.ends().1, bottom), AXIS);
    if let Some(target) = target {
        canvas.line((x.at(target), top - 6.0), (x.at(target), bottom), TARGET);
        canvas.text(
            (x.at(target), top - 11.0),
            "middle",
            "",
            &escape(&format!("target {}", percent(target))),
        );
    }
    for (i, (row, label)) in rows.iter().zip(&labels).enumerate() {
        let y = top + ROW * (i as f64 + 0.5);
        let weight = if row.base { BOLD } else { "" };
        canvas.text((left - 12.0, y + 4.5), "end", weight, &escape(label));
        canvas.text(
            (width - 4.0, y + 4.5),
            "end",
            weight,
            &escape(&percent(row.value)),
        );
        interval(canvas, &x, row, (y, ROW), target);
    }
    canvas.text(
        ((left + x.ends().1) / 2.0, bottom + 42.0),
        "middle",
        "",
        &escape(&shorten(x_label, (width / 8.5) as usize)),
    );
    let predicted = rows.iter().any(|r| r.predicted.is_some());
    let at = if width < 500.0 { 0.0 } else { left };
    verdicts(canvas, (at, bottom + 62.0), target.is_some(), predicted);
    Some(bottom + if target.is_some() { 74.0 } else { 50.0 })
}

/// One interval at the height y of a row so high, coloured by the side of the target it lies on.
fn interval(
    canvas: &mut Canvas,
    x: &Axis,
    row: &IntervalRow,
    (y, height): (f64, f64),
    target: Option<f64>,
) {
    let [value, low, high] =
        [row.value, row.low, row.high].map(|v| place(false, v).map(|v| v.clamp(0.0, 1.0)));
    let Some(value) = value else { return };
    let (low, high) = (
        low.unwrap_or(value).min(value),
        high.unwrap_or(value).max(value),
    );
    let colour = colour(side(low, high, target));
    let width = if row.base { 4.0 } else { 2.5 };
    let stroke = format!(" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linecap=\"round\"");
    let predicted = row.predicted.and_then(|p| place(false, p));
    let mut name = format!(
        "{}: {}, from {} to {}",
        row.label,
        percent(row.value),
        percent(row.low),
        percent(row.high)
    );
    if let Some(p) = predicted {
        name.push_str(&format!("; predicted {}", percent(p)));
    }
    canvas.named(&name, |canvas| {
        // A target for the pointer as high as the row.
        let ends = (x.ends().0, x.ends().1 - x.ends().0);
        canvas.rect(
            (ends.0, y - height / 2.0),
            (ends.1, height),
            " fill-opacity=\"0\"",
        );
        canvas.line((x.at(low), y), (x.at(high), y), &stroke);
        let radius = if row.base { 6.5 } else { 5.0 };
        canvas.circle((x.at(value), y), radius, &format!(" fill=\"{colour}\""));
        if let Some(p) = predicted {
            canvas.diamond((x.at(p.clamp(0.0, 1.0)), y), 6.0);
        }
    });
}

/// What colours and diamonds mean, in a line from a place on.
fn verdicts(canvas: &mut Canvas, (mut at, y): (f64, f64), judged: bool, predicted: bool) {
    for verdict in [Reaches::Yes, Reaches::Undecided, Reaches::No]
        .into_iter()
        .filter(|_| judged)
    {
        canvas.circle(
            (at + 5.0, y),
            5.0,
            &format!(" fill=\"{}\"", colour(verdict)),
        );
        canvas.text((at + 16.0, y + 4.5), "start", "", name(verdict));
        at += 34.0 + text_width(name(verdict));
    }
    if predicted {
        canvas.diamond((at + 6.0, y), 6.0);
        canvas.text((at + 18.0, y + 4.5), "start", "", "predicted");
    }
}

/// What an interval says about the target.
fn side(low: f64, high: f64, target: Option<f64>) -> Reaches {
    match target {
        Some(target) if low >= target => Reaches::Yes,
        Some(target) if high < target => Reaches::No,
        Some(_) | None => Reaches::Undecided,
    }
}

//! Draws what every other choice costs: a row for each comparison, a dot for each member.

use thalweg::analysis::summary::Reaches;

use super::series::{beside, ticks_below};
use crate::axis::{AXIS, Axis, TARGET, place};
use crate::page::{OverviewDot, OverviewRow};
use crate::svg::{Canvas, TEXT, escape, shorten, text_width};

/// Height of a row: the dots, and names above and below them.
const ROW: f64 = 46.0;

/// Room between the widest axis and the triangles of what is beyond the budget.
const BEYOND: f64 = 34.0;

/// The colour of a judgement, the same in every figure.
pub(super) fn colour(reaches: Reaches) -> &'static str {
    match reaches {
        Reaches::Yes => "#0072B2",
        Reaches::Undecided => "#8a8a8a",
        Reaches::No => "#D55E00",
    }
}

/// What it is called in a legend.
pub(super) fn name(reaches: Reaches) -> &'static str {
    match reaches {
        Reaches::Yes => "reached",
        Reaches::Undecided => "undecided",
        Reaches::No => "missed",
    }
}

/// Draws them, and how high that is; nothing if no dot has a place.
pub(super) fn draw(
    canvas: &mut Canvas,
    rows: &[OverviewRow],
    (base, base_label): (Option<f64>, &str),
    x_label: &str,
) -> Option<f64> {
    let shown = |d: &OverviewDot| d.steps.is_none_or(|t| place(true, t).is_some());
    if !rows.iter().any(|r| r.dots.iter().any(shown)) {
        return None;
    }
    let steps = rows.iter().flat_map(|r| r.dots.iter().map(|d| d.steps));
    let places = steps.chain([base]).flatten().filter_map(|t| place(true, t));
    let axis = Axis::over(true, places)?;
    let most = (canvas.width / 22.0) as usize;
    let labels: Vec<Vec<String>> = rows.iter().map(|r| wrap(&r.label, most)).collect();
    let left = beside(labels.iter().flatten());
    let x = axis.across(left, canvas.width - 24.0 - BEYOND);
    let beyond = canvas.width - 24.0;
    let top = 30.0;
    let bottom = top + ROW * rows.len() as f64;
    ticks_below(canvas, &x, (top, bottom));
    canvas.line((left, bottom), (beyond + 8.0, bottom), AXIS);
    if let Some(at) = base.and_then(|t| place(true, t)).map(|p| x.at(p)) {
        canvas.line((at, top - 8.0), (at, bottom), TARGET);
        let label = escape(base_label);
        let anchor = if at > 0.5 * canvas.width {
            "end"
        } else {
            "start"
        };
        canvas.text((at, top - 13.0), anchor, "", &label);
    }
    for (i, (row, label)) in rows.iter().zip(&labels).enumerate() {
        let y = top + ROW * (i as f64 + 0.5);
        let first = y + 4.5 - 8.5 * (label.len() as f64 - 1.0);
        for (line, text) in label.iter().enumerate() {
            let at = (left - 12.0, first + 17.0 * line as f64);
            canvas.text(at, "end", "", &escape(text));
        }
        self::row(canvas, row, &x, (y, beyond));
    }
    let middle = (left + x.ends().1) / 2.0;
    let label = escape(&shorten(x_label, (canvas.width / 7.0) as usize));
    canvas.text((middle, bottom + 42.0), "middle", "", &label);
    let mut at = left.min(0.3 * canvas.width);
    for reaches in [Reaches::Yes, Reaches::Undecided, Reaches::No] {
        let fill = format!(" fill=\"{}\"", colour(reaches));
        canvas.circle((at + 5.0, bottom + 62.0), 5.0, &fill);
        canvas.text((at + 16.0, bottom + 66.5), "start", "", name(reaches));
        at += 36.0 + text_width(name(reaches));
    }
    Some(bottom + 76.0)
}

/// A name in at most two lines of about `most` characters, broken between words.
fn wrap(name: &str, most: usize) -> Vec<String> {
    let (mut first, mut second) = (String::new(), String::new());
    for word in name.split_whitespace() {
        let long = first.chars().count() + 1 + word.chars().count() > most;
        let line = if second.is_empty() && (first.is_empty() || !long) {
            &mut first
        } else {
            &mut second
        };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let lines = [first, second].into_iter().filter(|line| !line.is_empty());
    lines.map(|line| shorten(&line, most + 4)).collect()
}

/// The dots of a row, by place, each with its name where there is room for it.
fn row(canvas: &mut Canvas, row: &OverviewRow, x: &Axis, (y, beyond): (f64, f64)) {
    let at = |steps: Option<f64>| match steps.and_then(|t| place(true, t)) {
        Some(place) => x.at(place),
        None => beyond,
    };
    let dots = row.dots.iter();
    let dots = dots.filter(|d| d.steps.is_none_or(|t| place(true, t).is_some()));
    let mut dots: Vec<_> = dots.map(|d| (at(d.steps), d)).collect();
    dots.sort_by(|a, b| a.0.total_cmp(&b.0));
    // How far to the right names reach, above and below the dots.
    let mut taken = [f64::NEG_INFINITY; 2];
    for (at, dot) in dots {
        let fill = format!(" fill=\"{}\" fill-opacity=\"0.85\"", colour(dot.reaches));
        let steps = match dot.steps {
            Some(t) => format!("{} steps", crate::words::numbers::number(t)),
            None => "not within the budget by half".into(),
        };
        let title = format!(
            "{}, {}: {steps}, {}",
            row.label,
            dot.label,
            name(dot.reaches)
        );
        canvas.named(&title, |canvas| match dot.steps {
            Some(_) => canvas.circle((at, y), 5.0, &fill),
            None => canvas.triangle((at, y), 6.0, &fill),
        });
        let size = SMALL / TEXT;
        let label = shorten(&dot.label, 26);
        let half = 0.5 * size * text_width(&label);
        let from = (at - half).min(canvas.width - 2.0 * half);
        if let Some(side) = (0..2).find(|&side| taken[side] < from) {
            let height = [y - 10.0, y + 19.0][side];
            canvas.small((from + half, height), SMALL, &label);
            taken[side] = from + 2.0 * half + 4.0;
        }
    }
}

/// Size of the names of dots, in pixels.
const SMALL: f64 = 11.0;

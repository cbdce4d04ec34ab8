//! Draws the share of runs that are still above the loss, in steps.

use super::series::{legend, thin};
use crate::axis::{Axis, TARGET, frame, place};
use crate::page::Series;
use crate::svg::{Canvas, Mark, escape, text_width};

/// Draws the curves, and how high that is; nothing if no point has a place.
pub(super) fn draw(
    canvas: &mut Canvas,
    curves: &[Series],
    x_label: &str,
    marks: &[(f64, String)],
) -> Option<f64> {
    let mut placed = Vec::new();
    for curve in curves {
        let mut points: Vec<_> = (curve.points.iter())
            .filter(|p| p.0.is_finite() && p.1.is_finite())
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let start = points
            .iter()
            .rev()
            .find(|p| p.0 <= 0.0)
            .map_or(1.0, |p| p.1)
            .clamp(0.0, 1.0);
        let rest: Vec<_> = points
            .iter()
            .filter_map(|p| Some((place(true, p.0)?, p.1.clamp(0.0, 1.0))))
            .collect();
        placed.push((&curve.name, start, rest, curve.hue));
    }
    let reached = placed.iter().flat_map(|c| &c.2).map(|p| p.0);
    let marked = marks.iter().filter_map(|m| place(true, m.0));
    let axis = Axis::over(true, reached.chain(marked))?;
    let entries = legend(placed.iter().map(|c| (c.0, Mark::Solid, c.3)));
    // Of one curve there is nothing to tell apart.
    let named = if entries.len() > 1 { &*entries } else { &[] };
    let top = canvas.legend(0.0, named) + if marks.is_empty() { 0.0 } else { 40.0 };
    let (x, y, height) = frame(
        canvas,
        top,
        300.0,
        (axis, Axis::share()),
        (x_label, "share of runs still above the loss"),
    );
    let mut free = [f64::NEG_INFINITY; 2];
    for (step, name) in marks {
        let Some(at) = place(true, *step).map(|p| x.at(p)) else {
            continue;
        };
        canvas.line((at, y.ends().1), (at, y.ends().0), TARGET);
        // Names of neighbours stand in two rows.
        let half = 0.5 * text_width(name);
        let from = (at - half).clamp(70.0, (canvas.width - 2.0 * half).max(70.0));
        if let Some(row) = (0..2).find(|row| free[*row] < from) {
            let height = y.ends().1 - 8.0 - 18.0 * row as f64;
            canvas.text((from, height), "start", "", &escape(name));
            free[row] = from + 2.0 * half + 6.0;
        }
    }
    for ((name, start, rest, _), (_, style)) in placed.iter().zip(&entries) {
        let mut steps = vec![(x.ends().0, y.at(*start))];
        for p in thin(rest.iter().map(|p| (x.at(p.0), y.at(p.1))).collect()) {
            let before = steps.last().map_or(p.1, |s| s.1);
            steps.extend([(p.0, before), p]);
        }
        steps.dedup();
        if !rest.is_empty() {
            canvas.series(&steps, *style, name);
        }
    }
    Some(height)
}

//! Draws the share of runs that are still above the loss, in steps.

use super::series::{legend, thin};
use crate::axis::{Axis, frame, place};
use crate::svg::{Canvas, Mark};

/// Draws the curves, and how high that is; nothing if no point has a place.
pub(super) fn draw(
    canvas: &mut Canvas,
    curves: &[(String, Vec<(f64, f64)>)],
    x_label: &str,
) -> Option<f64> {
    let mut placed = Vec::new();
    for (name, points) in curves {
        let mut points: Vec<_> = points
            .iter()
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
        placed.push((name, start, rest));
    }
    let axis = Axis::over(true, placed.iter().flat_map(|c| &c.2).map(|p| p.0))?;
    let entries = legend(placed.iter().map(|c| (c.0, Mark::Solid)));
    let top = canvas.legend(0.0, &entries);
    let (x, y, height) = frame(
        canvas,
        top,
        300.0,
        (axis, Axis::share()),
        (x_label, "share of runs still above the loss"),
    );
    for ((name, start, rest), (_, style)) in placed.iter().zip(&entries) {
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

//! Draws points, group by group.

use super::series::legend;
use crate::axis::{Axis, frame, place};
use crate::page::Series;
use crate::svg::{Canvas, Mark};

/// Most points drawn of one series.
const MOST: usize = 800;

/// Draws the groups, and how high that is; nothing if no point has a place.
pub(super) fn draw(
    canvas: &mut Canvas,
    groups: &[Series],
    labels: (&str, &str),
    (log_x, log_y): (bool, bool),
    diagonal: bool,
) -> Option<f64> {
    let placed: Vec<Vec<(f64, f64)>> = groups
        .iter()
        .map(|g| {
            g.points
                .iter()
                .filter_map(|p| Some((place(log_x, p.0)?, place(log_y, p.1)?)))
                .collect()
        })
        .collect();
    let all = || placed.iter().flatten();
    let both = || Axis::over(log_x, all().flat_map(|p| [p.0, p.1]));
    let x_axis = if diagonal {
        both()
    } else {
        Axis::over(log_x, all().map(|p| p.0))
    }?;
    let y_axis = if diagonal {
        both()
    } else {
        Axis::over(log_y, all().map(|p| p.1))
    }?;
    let entries = legend(groups.iter().map(|g| (&g.name, Mark::Dots, g.hue)));
    let top = canvas.legend(0.0, &entries);
    let (x, y, height) = frame(
        canvas,
        top,
        if diagonal {
            (0.69 * canvas.width).max(330.0)
        } else {
            340.0
        },
        (x_axis, y_axis),
        labels,
    );
    for (points, (name, style)) in placed.iter().zip(&entries) {
        let mut dots: Vec<_> = points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
        // Dots within a pixel of another add nothing.
        dots.sort_by_key(|p| (p.0.round() as i64, p.1.round() as i64));
        dots.dedup_by_key(|p| (p.0.round() as i64, p.1.round() as i64));
        let stride = dots.len().div_ceil(MOST).max(1);
        let dots: Vec<_> = dots.into_iter().step_by(stride).collect();
        if !dots.is_empty() {
            canvas.series(&dots, *style, name);
        }
    }
    if diagonal {
        let ((left, right), (bottom, top)) = (x.ends(), y.ends());
        canvas.line(
            (left, bottom),
            (right, top),
            " stroke=\"currentColor\" stroke-width=\"1.5\"",
        );
    }
    Some(height)
}

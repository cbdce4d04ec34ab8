//! What kinds of plot share: the styles of their series, no more points than can be seen, and rows
//! with names at their left above a horizontal axis.

use crate::axis::{Axis, GRID};
use crate::page::Hue;
use crate::svg::{Canvas, Mark, Style, shorten, text_width};

/// Each series with its style, in order.
pub(super) fn legend<'a>(
    series: impl Iterator<Item = (&'a String, Mark, Hue)>,
) -> Vec<(String, Style)> {
    series
        .map(|(name, mark, hue)| (name.clone(), Style { hue, mark }))
        .collect()
}

/// The lowest and the highest point of every two pixels, in order: a few hundred, and no peak lost.
pub(super) fn thin(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let last = points.len().saturating_sub(1);
    let column = |p: &(f64, f64)| (p.0 / 2.0).floor() as i64;
    let mut keep = Vec::new();
    let mut start = 0;
    for run in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_height = |a: &usize, b: &usize| run[*a].1.total_cmp(&run[*b].1);
        let low = (0..run.len()).min_by(by_height).unwrap_or(0);
        let high = (0..run.len()).max_by(by_height).unwrap_or(0);
        keep.extend([start + low, start + high]);
        start += run.len();
    }
    keep.extend(if points.is_empty() {
        vec![]
    } else {
        vec![0, last]
    });
    keep.sort_unstable();
    keep.dedup();
    keep.into_iter().map(|i| points[i]).collect()
}

/// Names of rows, as long as there is room for.
pub(super) fn row_names<'a>(canvas: &Canvas, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let most = (canvas.width / 19.0) as usize;
    names.map(|name| shorten(name, most)).collect()
}

/// Where a plot begins that has these names at its left.
pub(super) fn beside<'a>(names: impl Iterator<Item = &'a String>) -> f64 {
    let widths = names.map(|name| 1.06 * text_width(name));
    14.0 + widths.fold(40.0, f64::max)
}

/// The grid and the ticks of an axis below rows, which reach from `top` to `bottom`.
pub(super) fn ticks_below(canvas: &mut Canvas, x: &Axis, (top, bottom): (f64, f64)) {
    for tick in x.ticks() {
        let at = x.at(tick.place);
        let Some(label) = tick.label else { continue };
        canvas.line((at, top), (at, bottom), GRID);
        canvas.text((at, bottom + 20.0), "middle", "", &label);
    }
}

//! Draws a map: a pixel for every pair of values of two keys, with theory's borders over it.

use std::collections::BTreeMap;

use crate::axis::{Axis, frame, place};
use crate::page::{Hue, MapLine, Shade};
use crate::svg::{Block, Canvas, Mark, Style, text_width};

/// Viridis (S. van der Walt, N. Smith 2015), whose lightness rises evenly.
const RAMP: [[f64; 3]; 9] = [
    [68.0, 1.0, 84.0],
    [71.0, 44.0, 122.0],
    [59.0, 81.0, 139.0],
    [44.0, 113.0, 142.0],
    [33.0, 144.0, 141.0],
    [39.0, 173.0, 129.0],
    [92.0, 200.0, 99.0],
    [170.0, 220.0, 50.0],
    [253.0, 231.0, 37.0],
];

/// Shades that are told apart.
const SHADES: f64 = 64.0;

/// What diverged, and what is not there within the budget: as the causes of these names.
const DIVERGED: [u8; 3] = [178, 34, 34];
const BEYOND: [u8; 3] = [201, 201, 201];

/// The colour of a pixel; none where there is nothing.
pub(crate) fn colour(shade: Shade) -> Option<[u8; 3]> {
    match shade {
        Shade::Nothing => None,
        Shade::Diverged => Some(DIVERGED),
        Shade::Beyond => Some(BEYOND),
        Shade::Signed(value) => {
            // Blue below 0, white at it, red above.
            let end: [f64; 3] = match value < 0.0 {
                true => [33.0, 102.0, 172.0],
                false => [178.0, 24.0, 43.0],
            };
            let size = (value.abs().min(1.0) * SHADES).round() / SHADES;
            Some(end.map(|c| (255.0 + (c - 255.0) * size).round() as u8))
        }
        Shade::Value(share) => {
            let share = (share.clamp(0.0, 1.0) * SHADES).round() / SHADES;
            let at = share * (RAMP.len() - 1) as f64;
            let below = (at.floor() as usize).min(RAMP.len() - 2);
            let rest = at - below as f64;
            Some(std::array::from_fn(|i| {
                let (a, b) = (RAMP[below][i], RAMP[below + 1][i]);
                (a + rest * (b - a)).round() as u8
            }))
        }
    }
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Columns and rows that are drawn at most: the pixels of larger maps are in the files beside.
const MOST: usize = 200;

/// The edges of pixels at these values, as places on an axis: half-way between them.
fn edges(values: &[f64], log: bool) -> Option<Vec<f64>> {
    let at: Vec<f64> = values.iter().filter_map(|v| place(log, *v)).collect();
    if at.len() < 2 || at.len() < values.len() {
        return None;
    }
    let mut all: Vec<f64> = at.windows(2).map(|p| 0.5 * (p[0] + p[1])).collect();
    let (first, last) = (all[0], all[all.len() - 1]);
    all.insert(0, 2.0 * at[0] - first);
    all.push(2.0 * at[at.len() - 1] - last);
    Some(all)
}

/// An axis of a map: its name, its values, and whether they lie at equal ratios.
pub(super) struct Along<'a> {
    pub(super) label: &'a str,
    pub(super) values: &'a [f64],
    pub(super) log: bool,
}

/// Draws it, and how high that is; nothing without two values along each axis.
pub(super) fn draw(
    canvas: &mut Canvas,
    (along, up): (Along<'_>, Along<'_>),
    shades: &[Shade],
    key: (&str, &[(Shade, String)]),
    lines: &[MapLine],
) -> Option<f64> {
    let (columns, rows) = (edges(along.values, along.log)?, edges(up.values, up.log)?);
    let axis = |log, edges: &[f64]| Axis::exact(log, edges[0], edges[edges.len() - 1]);
    let axes = (axis(along.log, &columns), axis(up.log, &rows));
    let mut legend = canvas.blank();
    let drawn = |(i, line): (usize, &MapLine)| {
        let style = Style {
            hue: Hue::Distinct(6),
            mark: if i == 0 { Mark::Solid } else { Mark::Dashed },
        };
        (line.name.clone(), style)
    };
    let styles: Vec<(String, Style)> = lines.iter().enumerate().map(drawn).collect();
    let below = legend.legend(0.0, &styles);
    canvas.group((0.0, 26.0), &legend);
    let labels = (along.label, up.label);
    let (x, y, height) = frame(canvas, 26.0 + below, 0.66 * canvas.width, axes, labels);
    let (width, count) = (along.values.len(), up.values.len());
    let step = |n: usize| n.div_ceil(MOST).max(1);
    let (across, upward) = (step(width), step(count));
    let mut blocks: BTreeMap<[u8; 3], Vec<Block>> = BTreeMap::new();
    for j in (0..count).step_by(upward) {
        let (bottom, top) = (y.at(rows[j]), y.at(rows[(j + upward).min(count)]));
        let mut i = 0;
        while i < width {
            let here = colour(shades[j * width + i]);
            // Neighbours of one shade are one block.
            let mut to = i + across;
            while to < width && colour(shades[j * width + to]) == here {
                to += across;
            }
            if let Some(here) = here {
                let (left, right) = (x.at(columns[i]), x.at(columns[to.min(width)]));
                // Overlapping a little, as edges between pixels show.
                let size = (right - left + 0.4, bottom - top + 0.4);
                blocks.entry(here).or_default().push(((left, top), size));
            }
            i = to;
        }
    }
    for (colour, blocks) in &blocks {
        let fill = format!(" fill=\"{}\" shape-rendering=\"crispEdges\"", hex(*colour));
        canvas.blocks(blocks, &fill);
    }
    for (line, (_, style)) in lines.iter().zip(&styles) {
        let on = |p: &(f64, f64)| {
            let (px, py) = (place(along.log, p.0)?, place(up.log, p.1)?);
            let inside = (columns[0]..=columns[width]).contains(&px)
                && (rows[0]..=rows[count]).contains(&py);
            inside.then(|| (x.at(px), y.at(py)))
        };
        let points: Vec<(f64, f64)> = line.points.iter().filter_map(on).collect();
        if points.len() > 1 {
            // Seen on dark and on light pixels.
            canvas.halo(&points);
            canvas.series(&points, *style, &line.name);
        }
    }
    scale(canvas, key, shades);
    Some(height)
}

/// What the colours mean, in a line at the top.
fn scale(canvas: &mut Canvas, (name, marks): (&str, &[(Shade, String)]), shades: &[Shade]) {
    let mut at = 0.0;
    canvas.text((at, 15.5), "start", "", &crate::svg::escape(name));
    at += text_width(name) + 10.0;
    let patch = |canvas: &mut Canvas, at: &mut f64, colour: [u8; 3], name: &str| {
        let fill = format!(" fill=\"{}\"", hex(colour));
        canvas.rect((*at, 3.0), (16.0, 15.0), &fill);
        canvas.text((*at + 20.0, 15.5), "start", "", name);
        *at += 30.0 + text_width(name);
    };
    // In a narrow picture there is no room for all.
    let step = if canvas.width < 500.0 && marks.len() > 3 {
        2
    } else {
        1
    };
    for (shade, name) in marks.iter().step_by(step) {
        if let Some(colour) = colour(*shade) {
            patch(canvas, &mut at, colour, name);
        }
    }
    if shades.contains(&Shade::Beyond) {
        patch(canvas, &mut at, BEYOND, "not there");
    }
    if shades.contains(&Shade::Diverged) {
        patch(canvas, &mut at, DIVERGED, "diverged");
    }
}

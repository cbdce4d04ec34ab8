//! Draws a fitted function over the plane, or along a line, with its training points.

use crate::axis::{Axis, frame, place};
use crate::page::{FitPoint, Hue};
use crate::svg::{Canvas, Mark, Style, text_width};
use crate::words::numbers;

/// Shades on each side of 0.
const SHADES: f64 = 6.0;

/// The shade of a value between −1 and 1: blue below 0, white at it, red above.
fn shade(value: f64) -> (String, i64) {
    let step = (value.clamp(-1.0, 1.0) * SHADES).round();
    let end: [f64; 3] = if step < 0.0 {
        [33.0, 102.0, 172.0]
    } else {
        [178.0, 24.0, 43.0]
    };
    let [r, g, b] = end.map(|c| (255.0 + (c - 255.0) * step.abs() / SHADES).round() as u8);
    (format!("#{r:02x}{g:02x}{b:02x}"), step as i64)
}

/// Draws it, and how high that is; nothing without values.
pub(super) fn draw(
    canvas: &mut Canvas,
    (first, second, outputs): (&[f64], &[f64], &[f64]),
    points: &[FitPoint],
    wide: &[(f64, f64)],
) -> Option<f64> {
    // What lies outside of the picture has no place in it.
    let within = |v: f64, places: &[f64]| {
        let ends = places.first().zip(places.last());
        ends.is_none_or(|(low, high)| (low.min(*high)..=high.max(*low)).contains(&v))
    };
    let known =
        |p: &&FitPoint| p.target.abs() < 1e150 && within(p.x[0], first) && within(p.x[1], second);
    let points: Vec<FitPoint> = points.iter().filter(known).cloned().collect();
    let points = points.as_slice();
    let mut places = first.iter().chain(second);
    if !places.all(|v| v.abs() < 1e150) {
        return None;
    }
    if second.is_empty() {
        return line(canvas, (first, outputs), points, wide);
    }
    let axis = |values: &[f64]| {
        let places = values.iter().filter_map(|v| place(false, *v));
        Axis::over(false, places)
    };
    let axes = (axis(first)?, axis(second)?);
    let (x, y, height) = frame(canvas, 28.0, 0.72 * canvas.width, axes, ("x₁", "x₂"));
    // The targets set the scale: beyond the largest of them a shade says no more.
    let largest: Vec<f64> = match points {
        [] => outputs.iter().map(|v| v.abs()).collect(),
        _ => points.iter().map(|p| p.target.abs()).collect(),
    };
    let largest = largest
        .into_iter()
        .filter(|t| t.is_finite())
        .fold(0.0, f64::max);
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let edges = |values: &[f64], at: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let last = values.len() - 1;
        let mut all = vec![at(values[0])];
        all.extend(values.windows(2).map(|p| at(0.5 * (p[0] + p[1]))));
        all.push(at(values[last]));
        all
    };
    let columns = edges(first, &|v| x.at(v));
    let heights = edges(second, &|v| y.at(v));
    for (row, values) in outputs.chunks_exact(first.len()).enumerate() {
        let (bottom, top) = (heights[row], heights[row + 1]);
        // Neighbours of one shade are one block.
        let mut from = 0;
        while from < values.len() {
            let (colour, step) = shade(values[from] / scale);
            let same = values[from..]
                .iter()
                .take_while(|v| shade(**v / scale).1 == step);
            let to = from + same.count().max(1);
            if step != 0 && values[from].is_finite() {
                let fill = format!(" fill=\"{colour}\" shape-rendering=\"crispEdges\"");
                let size = (columns[to] - columns[from] + 0.4, bottom - top + 0.4);
                canvas.rect((columns[from], top - 0.2), size, &fill);
            } else if values[from].is_finite() {
                let size = (columns[to] - columns[from] + 0.4, bottom - top + 0.4);
                canvas.rect((columns[from], top - 0.2), size, " fill=\"#ffffff\"");
            }
            from = to;
        }
    }
    for p in points {
        let at = (x.at(p.x[0]), y.at(p.x[1]));
        let fill = format!(
            " fill=\"{}\" stroke=\"#000\" stroke-width=\"1.5\"",
            shade(p.target / scale).0
        );
        canvas.named(&format!("target {}", numbers::number(p.target)), |canvas| {
            canvas.circle(at, 5.5, &fill);
        });
        if p.near {
            let ring = " fill=\"none\" stroke=\"#000\" stroke-width=\"2.5\"";
            canvas.circle(at, 10.0, ring);
        }
    }
    key(canvas, scale, points.is_empty());
    Some(height)
}

/// What the shades mean, in a line at the top.
fn key(canvas: &mut Canvas, scale: f64, bare: bool) {
    let mut at = 0.0;
    let words = if bare {
        "value:"
    } else if canvas.width < 500.0 {
        "output, target:"
    } else {
        "output, and target of a dot:"
    };
    canvas.text((at, 15.5), "start", "", words);
    at += text_width(words) + 8.0;
    let low = numbers::number(-scale);
    canvas.text((at, 15.5), "start", "", &low);
    at += text_width(&low) + 8.0;
    let shade_width = if canvas.width < 500.0 { 7.0 } else { 10.0 };
    for step in -(SHADES as i64)..=SHADES as i64 {
        let fill = format!(" fill=\"{}\"", shade(step as f64 / SHADES).0);
        canvas.rect((at, 5.0), (shade_width + 0.5, 13.0), &fill);
        at += shade_width;
    }
    canvas.text((at + 8.0, 15.5), "start", "", &numbers::number(scale));
}

/// A function of one input as a line, with its points.
fn line(
    canvas: &mut Canvas,
    (first, outputs): (&[f64], &[f64]),
    points: &[FitPoint],
    wide: &[(f64, f64)],
) -> Option<f64> {
    let placed: Vec<(f64, f64)> = (first.iter().zip(outputs))
        .filter_map(|(x, f)| Some((place(false, *x)?, place(false, *f)?)))
        .collect();
    let band: Vec<(f64, [f64; 3])> = (first.iter().zip(wide))
        .filter_map(|(x, (mean, deviation))| {
            let all = [mean - 2.0 * deviation, *mean, mean + 2.0 * deviation];
            let [low, middle, high] = all.map(|v| place(false, v));
            Some((place(false, *x)?, [low?, middle?, high?]))
        })
        .collect();
    let targets = || points.iter().filter_map(|p| place(false, p.target));
    let x = Axis::over(false, placed.iter().map(|p| p.0))?;
    let ends = band.iter().flat_map(|(_, all)| [all[0], all[2]]);
    let heights = placed.iter().map(|p| p.1).chain(targets()).chain(ends);
    let y = Axis::over(false, heights)?;
    let style = |hue: usize, mark: Mark| Style {
        hue: Hue::Distinct(hue),
        mark,
    };
    let (own, limit) = (style(0, Mark::Solid), style(1, Mark::Dashed));
    let names = ["the network", "infinitely wide: mean, ±2 deviations"];
    let top = if band.is_empty() {
        0.0
    } else {
        let entries = [(names[0].to_string(), own), (names[1].to_string(), limit)];
        canvas.legend(0.0, &entries)
    };
    let (x, y, height) = frame(
        canvas,
        top,
        300.0,
        (x, y),
        ("x", "output (line), target (dots)"),
    );
    let line: Vec<(f64, f64)> = placed.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
    let at = |which: usize| band.iter().map(move |(x, all)| (*x, all[which]));
    let drawn = |(v, f): (f64, f64)| (x.at(v), y.at(f));
    if band.len() > 1 {
        let (low, high) = (at(0).map(drawn), at(2).map(drawn));
        let mut around: Vec<(f64, f64)> = high.collect();
        around.extend(low.collect::<Vec<_>>().into_iter().rev());
        canvas.area(&around, limit);
        canvas.series(&at(1).map(drawn).collect::<Vec<_>>(), limit, names[1]);
    }
    canvas.series(&line, own, "output");
    for p in points {
        let Some(target) = place(false, p.target) else {
            continue;
        };
        let at = (x.at(p.x[0]), y.at(target));
        canvas.circle(at, 4.0, " fill=\"currentColor\"");
        if p.near {
            let ring = " fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"";
            canvas.circle(at, 9.0, ring);
        }
    }
    Some(height)
}

//! Draws a plot as one self-contained SVG, the same bytes every time.

use super::axis::{AXIS, Axis, GRID, frame, place};
use super::front;
use super::page::{IntervalRow, Line, Plot, ShareRow};
use super::svg::{Canvas, Mark, Medium, Style, escape, power, shorten, text_width};
use super::words::numbers::percent;

/// The plot for a page: no background, axes and text in the page's own text colour.
pub fn svg(plot: &Plot) -> String {
    draw(plot, Medium::Page)
}

/// The plot for a file of its own, as wide as a paper's column: dark on white, text as outlines.
pub fn svg_file(plot: &Plot) -> String {
    draw(plot, Medium::Column)
}

/// The plot in words, for those who do not see it.
pub fn describe(plot: &Plot) -> String {
    fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
        names.map(String::as_str).collect::<Vec<_>>().join("; ")
    }
    match plot {
        Plot::Intervals {
            rows,
            target,
            x_label,
        } => {
            let row = |r: &IntervalRow| {
                let [value, low, high] = [r.value, r.low, r.high].map(percent);
                format!("{} {value}, from {low} to {high}", r.label)
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            format!(
                "Intervals of {x_label}, target {}: {}.",
                percent(*target),
                rows.join("; ")
            )
        }
        Plot::Survival { curves, x_label } => {
            format!(
                "Share of runs still above the loss against {x_label}: {}.",
                list(curves.iter().map(|c| &c.0))
            )
        }
        Plot::Curves {
            lines,
            x_label,
            y_label,
            ..
        } => {
            format!(
                "Lines of {y_label} against {x_label}: {}.",
                list(lines.iter().map(|l| &l.name))
            )
        }
        Plot::Scatter {
            groups,
            x_label,
            y_label,
            ..
        } => {
            format!(
                "Points of {y_label} against {x_label}: {}.",
                list(groups.iter().map(|g| &g.0))
            )
        }
        Plot::Shares {
            rows,
            names,
            x_label,
        } => {
            let row = |r: &ShareRow| {
                let parts: Vec<_> = names
                    .iter()
                    .zip(&r.counts)
                    .filter(|(_, n)| **n > 0)
                    .map(|(name, n)| format!("{n} {name}"))
                    .collect();
                format!("{}: {}", r.label, parts.join(", "))
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            format!("Bars of {x_label}. {}.", rows.join("; "))
        }
        Plot::Front {
            points, x_label, ..
        } => {
            format!(
                "Success against {x_label} of {} candidates; on the front: {}.",
                points.len(),
                list(points.iter().filter(|p| p.front).map(|p| &p.name))
            )
        }
    }
}

fn draw(plot: &Plot, medium: Medium) -> String {
    let mut canvas = Canvas::new(medium);
    let height = canvas.or_nothing(|canvas| match plot {
        Plot::Intervals {
            rows,
            target,
            x_label,
        } => intervals(canvas, rows, *target, x_label),
        Plot::Survival { curves, x_label } => survival(canvas, curves, x_label),
        Plot::Curves {
            lines,
            x_label,
            y_label,
            log_x,
            log_y,
            reference_y,
        } => curves(
            canvas,
            lines,
            (x_label, y_label),
            (*log_x, *log_y),
            *reference_y,
        ),
        Plot::Scatter {
            groups,
            x_label,
            y_label,
            log_x,
            log_y,
            diagonal,
        } => scatter(
            canvas,
            groups,
            (x_label, y_label),
            (*log_x, *log_y),
            *diagonal,
        ),
        Plot::Shares {
            rows,
            names,
            x_label,
        } => shares(canvas, rows, names, x_label),
        Plot::Front {
            points,
            share,
            x_label,
        } => front::draw(canvas, points, *share, x_label),
    });
    let height = height.unwrap_or_else(|| {
        let width = canvas.width;
        let frame = " fill=\"none\" stroke=\"currentColor\" stroke-opacity=\"0.3\"";
        canvas.rect((0.5, 0.5), (width - 1.0, 119.0), frame);
        canvas.text(
            (width / 2.0, 64.0),
            "middle",
            " fill-opacity=\"0.7\"",
            "no data",
        );
        120.0
    });
    canvas.finish(height, &describe(plot))
}

const TARGET: &str = " stroke=\"currentColor\" stroke-width=\"1.5\" stroke-dasharray=\"2 3\"";
const BOLD: &str = " font-weight=\"700\"";

fn intervals(canvas: &mut Canvas, rows: &[IntervalRow], target: f64, x_label: &str) -> Option<f64> {
    const ROW: f64 = 26.0;
    if rows.is_empty() {
        return None;
    }
    let width = canvas.width;
    let most = (width / 19.0) as usize;
    let labels: Vec<String> = rows.iter().map(|r| shorten(&r.label, most)).collect();
    let left = 14.0
        + labels
            .iter()
            .map(|l| 1.06 * text_width(l))
            .fold(40.0, f64::max);
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
    for tick in x.ticks() {
        let at = x.at(tick.place);
        canvas.line((at, top), (at, bottom), GRID);
        canvas.text(
            (at, bottom + 20.0),
            "middle",
            "",
            &tick.label.unwrap_or_default(),
        );
    }
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
    let colour = Verdict::of(low, high, target).colour();
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
    for verdict in [Verdict::Above, Verdict::Open, Verdict::Below]
        .into_iter()
        .filter(|_| judged)
    {
        canvas.circle(
            (at + 5.0, y),
            5.0,
            &format!(" fill=\"{}\"", verdict.colour()),
        );
        canvas.text((at + 16.0, y + 4.5), "start", "", verdict.name());
        at += 34.0 + text_width(verdict.name());
    }
    if predicted {
        canvas.diamond((at + 6.0, y), 6.0);
        canvas.text((at + 18.0, y + 4.5), "start", "", "predicted");
    }
}

/// Bars of counts that add up, one row each.
fn shares(canvas: &mut Canvas, rows: &[ShareRow], names: &[String], x_label: &str) -> Option<f64> {
    const ROW: f64 = 26.0;
    let all = |row: &ShareRow| row.counts.iter().sum::<u64>();
    if rows.iter().all(|row| all(row) == 0) {
        return None;
    }
    let width = canvas.width;
    let most = (width / 19.0) as usize;
    let labels: Vec<String> = rows.iter().map(|r| shorten(&r.label, most)).collect();
    let widest = labels.iter().map(|l| 1.06 * text_width(l));
    let left = 14.0 + widest.fold(40.0, f64::max);
    let x = Axis::share().across(left, width - 50.0);
    let entries = legend(names.iter().map(|n| (n, Mark::Dots)));
    let top = canvas.legend(0.0, &entries) + 6.0;
    let bottom = top + ROW * rows.len() as f64;
    for (i, (row, label)) in rows.iter().zip(&labels).enumerate() {
        let y = top + ROW * i as f64;
        canvas.text(
            (left - 12.0, y + ROW / 2.0 + 4.5),
            "end",
            "",
            &escape(label),
        );
        let total = all(row);
        canvas.text(
            (width - 4.0, y + ROW / 2.0 + 4.5),
            "end",
            "",
            &total.to_string(),
        );
        let mut from = 0;
        for ((n, name), (_, style)) in row.counts.iter().zip(names).zip(&entries) {
            if *n == 0 {
                continue;
            }
            let at = |k: u64| x.at(k as f64 / total as f64);
            canvas.named(&format!("{}: {name} {n} of {total}", row.label), |canvas| {
                let fill = format!(" fill=\"{}\" fill-opacity=\"0.85\"", style.colour());
                let size = ((at(from + n) - at(from) - 1.0).max(0.5), ROW - 6.0);
                canvas.rect((at(from), y + 3.0), size, &fill);
            });
            from += n;
        }
    }
    for tick in x.ticks() {
        let at = x.at(tick.place);
        canvas.text(
            (at, bottom + 20.0),
            "middle",
            "",
            &tick.label.unwrap_or_default(),
        );
    }
    let middle = (left + x.ends().1) / 2.0;
    canvas.text(
        (middle, bottom + 42.0),
        "middle",
        "",
        &escape(&shorten(x_label, (width / 9.5) as usize)),
    );
    Some(bottom + 50.0)
}

/// What an interval says about the target.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Above,
    Open,
    Below,
}

impl Verdict {
    fn of(low: f64, high: f64, target: Option<f64>) -> Self {
        match target {
            Some(target) if low >= target => Self::Above,
            Some(target) if high < target => Self::Below,
            _ => Self::Open,
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Above => "#0072B2",
            Self::Open => "#8a8a8a",
            Self::Below => "#D55E00",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Above => "reached",
            Self::Open => "undecided",
            Self::Below => "missed",
        }
    }
}

fn survival(
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

fn curves(
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
            let points = thin(points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect());
            canvas.series(&points, *style, &line.name);
        }
    }
    Some(height)
}

fn scatter(
    canvas: &mut Canvas,
    groups: &[(String, Vec<(f64, f64)>)],
    labels: (&str, &str),
    (log_x, log_y): (bool, bool),
    diagonal: bool,
) -> Option<f64> {
    let placed: Vec<Vec<(f64, f64)>> = groups
        .iter()
        .map(|g| {
            g.1.iter()
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
    let entries = legend(groups.iter().map(|g| (&g.0, Mark::Dots)));
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

/// Most points drawn of one series.
const MOST: usize = 800;

fn legend<'a>(series: impl Iterator<Item = (&'a String, Mark)>) -> Vec<(String, Style)> {
    series
        .enumerate()
        .map(|(series, (name, mark))| (name.clone(), Style { series, mark }))
        .collect()
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

/// The lowest and the highest point of every two pixels, in order: a few hundred, and no peak lost.
fn thin(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
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

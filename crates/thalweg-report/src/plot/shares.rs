//! Draws bars of counts that add up, one row each.

use super::series::{beside, row_names};
use crate::axis::Axis;
use crate::page::{Hue, ShareRow};
use crate::plot::CAUSES;
use crate::svg::{Canvas, Mark, Style, escape, shorten};

/// Draws the rows, and how high that is; nothing if all counts are zero.
pub(super) fn draw(
    canvas: &mut Canvas,
    rows: &[ShareRow],
    (names, colours): (&[String], &[usize]),
    x_label: &str,
) -> Option<f64> {
    const ROW: f64 = 26.0;
    let all = |row: &ShareRow| row.counts.iter().sum::<u64>();
    if rows.iter().all(|row| all(row) == 0) {
        return None;
    }
    let width = canvas.width;
    let labels = row_names(canvas, rows.iter().map(|r| r.label.as_str()));
    let left = beside(labels.iter());
    let x = Axis::share().across(left, width - 50.0);
    let entries: Vec<(String, Style)> = (names.iter().enumerate())
        .map(|(at, name)| {
            let colour = colours.get(at).copied().unwrap_or(at) % CAUSES.len();
            let mark = Mark::Fill(CAUSES[colour]);
            (
                name.clone(),
                Style {
                    hue: Hue::Distinct(0),
                    mark,
                },
            )
        })
        .collect();
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
                let fill = format!("{} fill-opacity=\"0.85\"", style.paint("fill"));
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

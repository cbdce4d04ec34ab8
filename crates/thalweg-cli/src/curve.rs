//! The loss of one run as a picture of letters.

use thalweg::analysis::replicate::Replicate;
use thalweg_report::words::numbers::{count, number};

/// Rows of the picture.
const ROWS: usize = 9;

/// Eighths of a letter, from below.
const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The loss against the step, both on logarithmic axes, in lines of at most `width` columns; empty
/// where there is nothing to draw. The loss asked for is dotted.
pub(crate) fn curve(of: &Replicate, width: usize) -> Vec<String> {
    let Some(kept) = &of.curve else {
        return Vec::new();
    };
    let points: Vec<(f64, f64)> = (kept.steps.iter().zip(&kept.losses))
        .filter(|(step, loss)| **step > 0 && loss.is_finite() && **loss > 0.0)
        .map(|(step, loss)| ((*step as f64).ln(), loss.ln()))
        .collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let ends = |low: f64, p: &(f64, f64)| low.min(p.1);
    // Without a loss that is asked for the curve fills the height.
    let goal = of.success.by_loss().map(f64::ln);
    let low = points.iter().fold(goal.unwrap_or(f64::INFINITY), ends);
    let high = points
        .iter()
        .fold(goal.unwrap_or(f64::NEG_INFINITY), |high, p| high.max(p.1));
    let margin = 10;
    let columns = width.saturating_sub(margin + 1).min(72);
    if columns < 10 || last.0 <= first.0 || high <= low {
        return Vec::new();
    }
    // The value of every column, by the last point at or before it.
    let height = |column: usize| {
        let x = first.0 + (last.0 - first.0) * column as f64 / (columns - 1) as f64;
        let at = points.partition_point(|p| p.0 <= x + 1e-9).max(1) - 1;
        (points[at].1 - low) / (high - low) * ROWS as f64
    };
    let heights: Vec<f64> = (0..columns).map(height).collect();
    let asked = goal.map(|goal| {
        let height = (goal - low) / (high - low) * ROWS as f64;
        height.min(ROWS as f64 - 0.5) as usize
    });
    let label = |row: usize| {
        if row == ROWS - 1 {
            number(high.exp())
        } else if let (true, Some(below)) = (asked == Some(row), of.success.by_loss()) {
            number(below)
        } else if row == 0 {
            number(low.exp())
        } else {
            String::new()
        }
    };
    let mut all = Vec::new();
    for row in (0..ROWS).rev() {
        let letter = |h: &f64| {
            let eighths = ((h - row as f64) * 8.0).round();
            if eighths >= 1.0 {
                EIGHTHS[(eighths as usize).min(8) - 1]
            } else if asked == Some(row) {
                '·'
            } else {
                ' '
            }
        };
        let bars: String = heights.iter().map(letter).collect();
        all.push(format!("{:>margin$} {}", label(row), bars.trim_end()));
    }
    let (from, to) = (
        count(first.0.exp().round() as u64),
        count(last.0.exp().round() as u64),
    );
    let gap = columns.saturating_sub(from.chars().count() + to.chars().count());
    all.push(format!("{:>margin$} {from}{}{to}", "step", " ".repeat(gap)));
    all
}

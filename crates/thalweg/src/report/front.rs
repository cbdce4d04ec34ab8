//! Draws the candidates of a choice: cost against success, and the front that nothing beats.

use super::axis::{Axis, frame, place};
use super::svg::{Canvas, Mark, Medium, Style, percent};

/// A candidate, as drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its name, shown on hover.
    pub name: String,
    /// Its cost.
    pub cost: f64,
    /// Its share of successes.
    pub success: f64,
    /// The interval of that.
    pub interval: (f64, f64),
    /// Whether it was chosen.
    pub chosen: bool,
    /// Whether nothing beats it in both.
    pub front: bool,
}

/// The picture as a file of its own; points whose cost is not positive and finite are left out.
pub fn svg_file(points: &[Point], share: f64, cost: &str) -> String {
    let mut canvas = Canvas::new(Medium::Column);
    let placed: Vec<(f64, &Point)> = points
        .iter()
        .filter_map(|p| Some((place(true, p.cost)?, p)))
        .collect();
    let Some(axis) = Axis::over(true, placed.iter().map(|(x, _)| *x)) else {
        canvas.text((20.0, 40.0), "start", "", "no data");
        return canvas.finish(60.0, "Success against cost");
    };
    let kinds = [
        ("others", 5, Mark::Dots),
        ("nothing is both cheaper and surer", 0, Mark::Solid),
        ("chosen", 1, Mark::Dots),
    ]
    .map(|(name, series, mark)| (name.to_string(), Style { series, mark }));
    let top = canvas.legend(0.0, &kinds);
    let (x, y, height) = frame(
        &mut canvas,
        top,
        320.0,
        (axis, Axis::share()),
        (cost, "share of training sets that reach the loss"),
    );
    let dash = " stroke=\"currentColor\" stroke-width=\"1.5\" stroke-dasharray=\"2 3\"";
    canvas.line((x.ends().0, y.at(share)), (x.ends().1, y.at(share)), dash);
    let label = format!("asked: {}", percent(share));
    canvas.text((x.ends().1, y.at(share) - 5.0), "end", "", &label);
    let colour = |p: &Point| match (p.chosen, p.front) {
        (true, _) => kinds[2].1,
        (false, true) => Style {
            mark: Mark::Dots,
            ..kinds[1].1
        },
        (false, false) => kinds[0].1,
    };
    for (at, p) in &placed {
        let (low, high) = p.interval;
        let line = format!(
            " stroke=\"{}\" stroke-opacity=\"0.35\" stroke-width=\"2\"",
            colour(p).colour()
        );
        canvas.line((x.at(*at), y.at(low)), (x.at(*at), y.at(high)), &line);
    }
    let mut line: Vec<(f64, f64)> = placed
        .iter()
        .filter(|(_, p)| p.front)
        .map(|(at, p)| (x.at(*at), y.at(p.success)))
        .collect();
    line.sort_by(|a, b| a.0.total_cmp(&b.0));
    if line.len() > 1 {
        // A step: between two of them the surer one is not to be had.
        let mut steps = vec![line[0]];
        for pair in line.windows(2) {
            steps.extend([(pair[1].0, pair[0].1), pair[1]]);
        }
        canvas.series(&steps, kinds[1].1, &kinds[1].0);
    }
    // The chosen one last, on top.
    for chosen in [false, true] {
        for (at, p) in placed.iter().filter(|(_, p)| p.chosen == chosen) {
            canvas.series(&[(x.at(*at), y.at(p.success))], colour(p), &p.name);
        }
    }
    canvas.finish(height, "Success against cost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, cost: f64, success: f64) -> Point {
        Point {
            name: name.into(),
            cost,
            success,
            interval: (0.5 * success, 1.0),
            chosen: name == "best",
            front: true,
        }
    }

    /// Well-formed whatever the names, and every drawable candidate is in it.
    #[test]
    fn a_front_is_well_formed_and_names_its_candidates() {
        let points = [
            point("best", 10.0, 0.9),
            point("<&\">", 1e6, 1.0),
            point("never", f64::INFINITY, 0.2),
        ];
        let svg = svg_file(&points, 0.8, "steps");
        let tree = roxmltree::Document::parse(&svg).expect("it is XML");
        let titles: Vec<_> = tree
            .descendants()
            .filter(|n| n.has_tag_name("title"))
            .filter_map(|n| n.text())
            .collect();
        assert!(
            titles.contains(&"best") && titles.contains(&"<&\">"),
            "{titles:?}"
        );
        assert!(!titles.contains(&"never"));
        let empty = svg_file(&[], 0.8, "steps");
        assert!(roxmltree::Document::parse(&empty).is_ok() && !empty.contains("<circle"));
    }
}

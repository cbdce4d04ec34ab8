//! Draws the candidates of a choice: cost against success, and the front that nothing beats.

use crate::axis::{Axis, TARGET, frame, place};
use crate::page::{FrontPoint, Hue};
use crate::svg::{Canvas, Mark, Style, escape};
use crate::words::numbers::percent;

/// Draws them, and how high that is; points whose cost is not positive and finite are left out, and
/// if none is left there is nothing to draw.
pub(super) fn draw(
    canvas: &mut Canvas,
    points: &[FrontPoint],
    share: f64,
    cost: &str,
) -> Option<f64> {
    let placed: Vec<(f64, &FrontPoint)> = points
        .iter()
        .filter_map(|p| Some((place(true, p.cost)?, p)))
        .collect();
    let axis = Axis::over(true, placed.iter().map(|(x, _)| *x))?;
    let kinds = [
        ("others", 5, Mark::Dots),
        ("nothing is both cheaper and surer", 0, Mark::Solid),
        ("chosen", 1, Mark::Dots),
    ]
    .map(|(name, hue, mark)| (name.to_string(), style(hue, mark)));
    let top = canvas.legend(0.0, &kinds);
    let (x, y, height) = frame(
        canvas,
        top,
        320.0,
        (axis, Axis::share()),
        (cost, "share of training sets that reach the loss"),
    );
    canvas.line((x.ends().0, y.at(share)), (x.ends().1, y.at(share)), TARGET);
    let label = escape(&format!("asked: {}", percent(share)));
    canvas.text((x.ends().1, y.at(share) - 5.0), "end", "", &label);
    let colour = |p: &FrontPoint| match (p.chosen, p.front) {
        (true, _) => kinds[2].1,
        (false, true) => Style {
            mark: Mark::Dots,
            ..kinds[1].1
        },
        (false, false) => kinds[0].1,
    };
    for (at, p) in &placed {
        let (low, high) = (p.low, p.high);
        let line = format!(
            "{} stroke-opacity=\"0.35\" stroke-width=\"2\"",
            colour(p).paint("stroke")
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
    Some(height)
}

fn style(hue: usize, mark: Mark) -> Style {
    Style {
        hue: Hue::Distinct(hue),
        mark,
    }
}

#[cfg(test)]
mod tests {
    use crate::page::{FrontPoint, Plot};
    use crate::plot::svg_file;

    fn point(name: &str, cost: f64, success: f64) -> FrontPoint {
        FrontPoint {
            name: name.into(),
            cost,
            success,
            low: 0.5 * success,
            high: 1.0,
            chosen: name == "best",
            front: true,
        }
    }

    fn front(points: Vec<FrontPoint>) -> Plot {
        Plot::Front {
            points,
            share: 0.8,
            x_label: "steps".into(),
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
        let svg = svg_file(&front(points.to_vec()));
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
        let empty = svg_file(&front(Vec::new()));
        assert!(roxmltree::Document::parse(&empty).is_ok() && !empty.contains("<circle"));
    }
}

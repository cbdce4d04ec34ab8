//! Draws the order/chaos map of an activation: phases over the variances of weights and biases, the
//! critical line, and where a network starts.

use super::axis::{Axis, frame};
use super::svg::{Canvas, Mark, Medium, Style, escape, shorten, text_width};

/// A cell of the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shade {
    /// Gradients vanish with depth; ξc, layers in which a difference of inputs falls by e.
    Order(f64),
    /// Gradients explode with depth; ξc.
    Chaos(f64),
    /// The variance grows without bound.
    Unbounded,
}

/// The map as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseMap {
    /// What is shown, in a line.
    pub title: String,
    /// σw² of the columns, increasing.
    pub weights: Vec<f64>,
    /// σb² of the rows, increasing.
    pub biases: Vec<f64>,
    /// The cells, row by row.
    pub cells: Vec<Shade>,
    /// Pieces of the critical line, as (σw², σb²).
    pub line: Vec<Vec<(f64, f64)>>,
    /// Where layers of a network start: name, σw², σb².
    pub marks: Vec<(String, f64, f64)>,
}

/// Half a step below the first value and above the last, and half-way between the others.
fn edges(values: &[f64]) -> Vec<f64> {
    let mut all: Vec<f64> = values.windows(2).map(|p| 0.5 * (p[0] + p[1])).collect();
    if let ([first, ..], [.., last]) = (values, values) {
        let (low, high) = (
            all.first().map_or(first - 0.5, |e| 2.0 * first - e),
            all.last().map_or(last + 0.5, |e| 2.0 * last - e),
        );
        all.insert(0, low);
        all.push(high);
    }
    all
}

/// The map as an SVG of its own: dark on white, the same bytes every time.
pub fn phase_svg(map: &PhaseMap) -> String {
    let style = |series, mark| Style { series, mark };
    let (order, chaos) = (style(0, Mark::Solid), style(1, Mark::Solid));
    let (line, mark) = (style(6, Mark::Solid), style(2, Mark::Dots));
    let mut canvas = Canvas::new(Medium::Column);
    canvas.text(
        (0.0, 18.0),
        "start",
        " font-weight=\"700\"",
        &escape(&shorten(&map.title, 50)),
    );
    let (columns, rows) = (edges(&map.weights), edges(&map.biases));
    let over = |v: &[f64]| Axis::over(false, v.iter().copied());
    let (Some(x), Some(y)) = (over(&columns), over(&rows)) else {
        return canvas.finish(40.0, &map.title);
    };
    let (x, y, height) = frame(
        &mut canvas,
        68.0,
        380.0,
        (x, y),
        (
            "σw², variance of the weights times fan-in",
            "σb², variance of the biases",
        ),
    );
    for (at, shade) in map.cells.iter().enumerate() {
        let (i, j) = (at % map.weights.len(), at / map.weights.len());
        let (Some(right), Some(top)) = (columns.get(i + 1), rows.get(j + 1)) else {
            continue;
        };
        // The paler, the deeper signals go.
        let strength = |depth: f64| 0.12 + 0.6 / (1.0 + 0.15 * depth.clamp(0.0, 1e6));
        let (fill, opacity) = match shade {
            Shade::Order(depth) => (order.colour(), strength(*depth)),
            Shade::Chaos(depth) => (chaos.colour(), strength(*depth)),
            Shade::Unbounded => ("currentColor", 0.45),
        };
        canvas.rect(
            (x.at(columns[i]), y.at(*top)),
            (x.at(*right) - x.at(columns[i]), y.at(rows[j]) - y.at(*top)),
            &format!(
                " fill=\"{fill}\" fill-opacity=\"{opacity:.3}\" shape-rendering=\"crispEdges\""
            ),
        );
    }
    let pixels = |p: &(f64, f64)| (x.at(p.0), y.at(p.1));
    for piece in map.line.iter().filter(|p| !p.is_empty()) {
        let points: Vec<(f64, f64)> = piece.iter().map(pixels).collect();
        canvas.series(&points, line, "critical: χ₁ = 1");
    }
    for (name, w, b) in &map.marks {
        let (px, py) = pixels(&(*w, *b));
        let attributes = format!(
            " fill=\"{}\" stroke=\"#fff\" stroke-width=\"1.5\"",
            mark.colour()
        );
        canvas.circle((px, py), 6.0, &attributes);
        // Beside the dot, on the side where there is room.
        let right = px + 12.0 + text_width(name) < x.ends().1;
        let (at, anchor) = if right {
            (px + 10.0, "start")
        } else {
            (px - 10.0, "end")
        };
        canvas.text((at, py - 7.0), anchor, "", &escape(&shorten(name, 40)));
    }
    let mut legend = Canvas::new(Medium::Column);
    let named = |name: &str, style| (name.to_string(), style);
    let mut entries = vec![
        named("order: gradients vanish", order),
        named("chaos: they explode", chaos),
    ];
    if map.line.iter().any(|p| !p.is_empty()) {
        entries.push(named("critical", line));
    }
    if !map.marks.is_empty() {
        entries.push(named("this network", mark));
    }
    let _ = legend.legend(0.0, &entries);
    canvas.group((0.0, 32.0), &legend);
    canvas.text(
        (0.0, height + 14.0),
        "start",
        " fill-opacity=\"0.7\"",
        "Paler is deeper (larger ξc); grey: the variance grows without bound.",
    );
    canvas.finish(height + 26.0, &map.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hostile names, points off the grid, empty maps: still well-formed, and a cell for each point.
    #[test]
    fn a_map_is_well_formed_whatever_is_on_it() {
        let map = PhaseMap {
            title: "<&\"'".into(),
            weights: vec![0.5, 1.0, 1.5],
            biases: vec![0.0, 0.1],
            cells: vec![
                Shade::Order(2.0),
                Shade::Order(f64::INFINITY),
                Shade::Chaos(f64::NAN),
                Shade::Order(0.0),
                Shade::Chaos(3.0),
                Shade::Unbounded,
            ],
            line: vec![vec![(1.0, 0.0), (1.2, 0.1)], vec![], vec![(1.0, 0.0)]],
            marks: vec![("a </text> & b".into(), 40.0, -3.0)],
        };
        let text = phase_svg(&map);
        let document = roxmltree::Document::parse(&text).expect("well-formed");
        let cells = document
            .descendants()
            .filter(|n| n.attribute("shape-rendering").is_some());
        assert_eq!(cells.count(), 6);
        for (weights, biases) in [(vec![], vec![]), (vec![1.0], vec![0.0])] {
            let map = PhaseMap {
                weights,
                biases,
                cells: vec![Shade::Unbounded],
                ..map.clone()
            };
            roxmltree::Document::parse(&phase_svg(&map)).expect("well-formed");
        }
    }
}

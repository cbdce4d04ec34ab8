//! Draws the order/chaos map of an activation: phases over the variances of weights and biases, the
//! critical line, and where a network starts.

use super::axis::{Axis, frame};
use super::page::Hue;
use super::svg::{Canvas, Mark, Medium, Style, escape, text_width};
use thalweg::theory::mean_field::Phase;
use thalweg::theory::phase::{LayerPhase, PhaseMap};

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

/// How layers that start alike are called: `layer 2`, `layers 1–3`.
pub fn layer_name(layers: &LayerPhase) -> String {
    if layers.first == layers.last {
        format!("layer {}", layers.first)
    } else {
        format!("layers {}–{}", layers.first, layers.last)
    }
}

/// The map as an SVG of its own: dark on white, the same bytes every time.
pub fn phase_svg(map: &PhaseMap) -> String {
    let style = |hue, mark| Style {
        hue: Hue::Distinct(hue),
        mark,
    };
    let (order, chaos) = (style(0, Mark::Solid), style(1, Mark::Solid));
    let (line, mark) = (style(6, Mark::Solid), style(2, Mark::Dots));
    let mut canvas = Canvas::new(Medium::Column);
    let title = format!("Order and chaos of {}", map.activation.name());
    canvas.text((0.0, 18.0), "start", " font-weight=\"700\"", &title);
    let (columns, rows) = (edges(&map.weight_variances), edges(&map.bias_variances));
    let over = |v: &[f64]| Axis::over(false, v.iter().copied());
    let (Some(x), Some(y)) = (over(&columns), over(&rows)) else {
        return canvas.finish(40.0, &title);
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
    for (at, point) in map.map.iter().enumerate() {
        let wide = map.weight_variances.len();
        let (i, j) = (at % wide, at / wide);
        let (Some(right), Some(top)) = (columns.get(i + 1), rows.get(j + 1)) else {
            continue;
        };
        // The paler, the deeper signals go.
        let strength = |depth: f64| 0.12 + 0.6 / (1.0 + 0.15 * depth.clamp(0.0, 1e6));
        let (fill, opacity) = match point.phase {
            Phase::Ordered | Phase::Critical => (order.colour(), strength(point.depth_c)),
            Phase::Chaotic => (chaos.colour(), strength(point.depth_c)),
            Phase::Unbounded => ("currentColor".into(), 0.45),
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
    for piece in map.critical_line.iter().filter(|p| !p.is_empty()) {
        let points: Vec<(f64, f64)> = piece.iter().map(pixels).collect();
        canvas.series(&points, line, "critical: χ₁ = 1");
    }
    for layers in &map.layers {
        let (name, at) = (layer_name(layers), &layers.mean_field);
        let (px, py) = pixels(&(at.weight_variance, at.bias_variance));
        let attributes = format!(
            " fill=\"{}\" stroke=\"#fff\" stroke-width=\"1.5\"",
            mark.colour()
        );
        canvas.circle((px, py), 6.0, &attributes);
        // Beside the dot, on the side where there is room.
        let right = px + 12.0 + text_width(&name) < x.ends().1;
        let (at, anchor) = if right {
            (px + 10.0, "start")
        } else {
            (px - 10.0, "end")
        };
        canvas.text((at, py - 7.0), anchor, "", &escape(&name));
    }
    let mut legend = Canvas::new(Medium::Column);
    let named = |name: &str, style| (name.to_string(), style);
    let mut entries = vec![
        named("order: gradients vanish", order),
        named("chaos: they explode", chaos),
    ];
    if map.critical_line.iter().any(|p| !p.is_empty()) {
        entries.push(named("critical", line));
    }
    if !map.layers.is_empty() {
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
    canvas.finish(height + 26.0, &title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg::net::Activation;
    use thalweg::theory::mean_field::MeanField;

    fn point(q: f64, depth_c: f64, phase: Phase) -> MeanField {
        MeanField {
            weight_variance: 40.0,
            bias_variance: -3.0,
            q,
            chi: f64::NAN,
            c: f64::NAN,
            depth_q: f64::NAN,
            depth_c,
            phase,
        }
    }

    /// Layers off the grid, depths that are no numbers, empty maps: still well-formed, and a cell
    /// for each point.
    #[test]
    fn a_map_is_well_formed_whatever_is_on_it() {
        let map = PhaseMap {
            activation: Activation::Tanh,
            input_variance: 1.0,
            layers: vec![LayerPhase {
                first: 1,
                last: 3,
                mean_field: point(1.0, 2.0, Phase::Ordered),
                critical: vec![],
            }],
            critical_line: vec![vec![(1.0, 0.0), (1.2, 0.1)], vec![], vec![(1.0, 0.0)]],
            weight_variances: vec![0.5, 1.0, 1.5],
            bias_variances: vec![0.0, 0.1],
            map: vec![
                point(0.0, 2.0, Phase::Ordered),
                point(1.0, f64::INFINITY, Phase::Critical),
                point(1.0, f64::NAN, Phase::Chaotic),
                point(1.0, 0.0, Phase::Ordered),
                point(1.0, 3.0, Phase::Chaotic),
                point(f64::INFINITY, f64::NAN, Phase::Unbounded),
            ],
        };
        let text = phase_svg(&map);
        let document = roxmltree::Document::parse(&text).expect("well-formed");
        let cells = document
            .descendants()
            .filter(|n| n.attribute("shape-rendering").is_some());
        assert_eq!(cells.count(), 6);
        for (weight_variances, bias_variances) in [(vec![], vec![]), (vec![1.0], vec![0.0])] {
            let map = PhaseMap {
                weight_variances,
                bias_variances,
                map: vec![point(f64::INFINITY, f64::NAN, Phase::Unbounded)],
                ..map.clone()
            };
            roxmltree::Document::parse(&phase_svg(&map)).expect("well-formed");
        }
    }
}

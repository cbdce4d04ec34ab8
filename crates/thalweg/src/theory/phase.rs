//! The order/chaos map of an activation and where the layers of a network start on it, as data.

use serde::Serialize;

use super::mean_field::{self, Critical, MeanField, critical, critical_at, mean_field};
use super::ntk::{Layer, Wide};
use crate::error::{Error, NoTheory};
use crate::net::Activation;

/// Which part of the plane of variances is mapped, and how finely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The largest σw²; none: so that the network and the critical line on the axis are inside.
    pub weight_variance: Option<f64>,
    /// The largest σb²; none: so that the network is inside.
    pub bias_variance: Option<f64>,
    /// Columns and rows of the map; 0 leaves it empty.
    pub points: usize,
}

/// Neighbouring hidden layers that start alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerPhase {
    /// The first of them, from 1.
    pub first: usize,
    /// The last of them.
    pub last: usize,
    /// Where signals go through layers such as these.
    pub mean_field: MeanField,
    /// Critical points with their σb².
    pub critical: Vec<Critical>,
}

/// Order and chaos of an activation, and a network on the map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseMap {
    /// The activation.
    pub activation: Activation,
    /// The variance of the first preactivations, over units and inputs.
    pub input_variance: f64,
    /// The hidden layers, those that start alike in one.
    pub layers: Vec<LayerPhase>,
    /// Pieces of the critical line χ₁ = 1 inside the window, as (σw², σb²).
    pub critical_line: Vec<Vec<(f64, f64)>>,
    /// σw² of the columns, increasing.
    pub weight_variances: Vec<f64>,
    /// σb² of the rows, increasing.
    pub bias_variances: Vec<f64>,
    /// The theory at each point, row by row.
    pub map: Vec<MeanField>,
}

impl PhaseMap {
    /// The map of a network's activation, for `inputs` of its dimension (flat, row-major), computed
    /// on so many threads.
    ///
    /// # Errors
    ///
    /// [`NoTheory::NoHiddenLayer`] if it has no hidden layer.
    ///
    /// ```
    /// use thalweg::net::{Activation, Init, Net};
    /// use thalweg::theory::mean_field::Phase;
    /// use thalweg::theory::ntk::Wide;
    /// use thalweg::theory::phase::{PhaseMap, Window};
    ///
    /// let phase = |variance| {
    ///     let init = Init::Normal { variance };
    ///     let net = Net { init, activation: Activation::Tanh, bias: false, ..Net::default() };
    ///     let window = Window { weight_variance: None, bias_variance: None, points: 0 };
    ///     let map = PhaseMap::new(&Wide::new(&net, 3, 1, None)?, &[1.0, -1.0, 0.5], window, 1)?;
    ///     Ok::<Phase, thalweg::Error>(map.layers[0].mean_field.phase)
    /// };
    /// // Without biases, tanh is at the edge of chaos for fan_in Var W = 1.
    /// assert_eq!(phase(0.8)?, Phase::Ordered);
    /// assert_eq!(phase(1.5)?, Phase::Chaotic);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn new(
        net: &Wide,
        inputs: &[f64],
        window: Window,
        threads: usize,
    ) -> Result<PhaseMap, Error> {
        let [hidden @ .., _] = &net.layers[..] else {
            return Err(NoTheory::NoHiddenLayer.into());
        };
        let Some(first) = hidden.first() else {
            return Err(NoTheory::NoHiddenLayer.into());
        };
        let act = net.activation;
        let square = inputs.iter().map(|x| x * x).sum::<f64>() / inputs.len() as f64;
        let input_variance = first.weight_variance * square + first.bias_variance;
        let layers: Vec<LayerPhase> = alike(hidden)
            .into_iter()
            .map(|(first, last, layer)| LayerPhase {
                first,
                last,
                mean_field: mean_field(
                    act,
                    layer.weight_variance,
                    layer.bias_variance,
                    input_variance,
                ),
                critical: critical(act, layer.bias_variance),
            })
            .collect();
        let most = |of: &dyn Fn(&MeanField) -> f64| {
            layers.iter().map(|l| of(&l.mean_field)).fold(0.0, f64::max)
        };
        let on_axis = critical(act, 0.0)
            .into_iter()
            .map(|c| c.weight_variance)
            .fold(0.0, f64::max);
        let around = (1.4 * most(&|m| m.weight_variance)).max(1.6 * on_axis);
        let right = window.weight_variance.unwrap_or(around.clamp(3.0, 1e5));
        let above = 1.4 * most(&|m| m.bias_variance);
        let top = window.bias_variance.unwrap_or(above.clamp(1.0, 1e5));
        let n = window.points;
        let axis = |most: f64| -> Vec<f64> {
            (0..n).map(|i| most * (i as f64 + 0.5) / n as f64).collect()
        };
        let (weight_variances, bias_variances) = (axis(right), axis(top));
        Ok(PhaseMap {
            activation: act,
            input_variance,
            layers,
            critical_line: critical_line(act, right, top),
            map: mean_field::map(
                act,
                &weight_variances,
                &bias_variances,
                input_variance,
                threads,
            ),
            weight_variances,
            bias_variances,
        })
    }
}

/// Runs of neighbouring layers with the same variances: first and last number, from 1.
fn alike(hidden: &[Layer]) -> Vec<(usize, usize, Layer)> {
    let same = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs();
    let mut all: Vec<(usize, usize, Layer)> = Vec::new();
    for (number, layer) in (1..).zip(hidden) {
        match all.last_mut() {
            Some((_, last, known))
                if same(known.weight_variance, layer.weight_variance)
                    && same(known.bias_variance, layer.bias_variance) =>
            {
                *last = number;
            }
            _ => all.push((number, number, *layer)),
        }
    }
    all
}

/// The critical line up to σw² = `right` and σb² = `top`, in pieces of points that a picture can
/// tell apart.
pub fn critical_line(activation: Activation, right: f64, top: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for i in 0..=800 {
        let q = libm::pow(10.0, -6.0 + f64::from(i) / 100.0);
        let at = critical_at(activation, q)
            .map(|c| (c.weight_variance, c.bias_variance))
            .filter(|(w, b)| *w <= right && *b <= top);
        match (at, pieces.last_mut()) {
            (Some(at), Some(piece)) => {
                let apart = |p: &(f64, f64)| {
                    (p.0 - at.0).abs() > 2e-3 * right || (p.1 - at.1).abs() > 2e-3 * top
                };
                if piece.last().is_none_or(apart) {
                    piece.push(at);
                }
            }
            (None, Some(piece)) if !piece.is_empty() => pieces.push(Vec::new()),
            _ => {}
        }
    }
    pieces.retain(|p| !p.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::first::Laws;
    use super::*;

    fn layer(weight_variance: f64, bias_variance: f64) -> Layer {
        Layer {
            weight_variance,
            bias_variance,
            weight_share: 1.0,
            bias_share: 1.0,
        }
    }

    fn net(activation: Activation, layers: &[Layer]) -> Wide {
        Wide {
            activation,
            first: Laws::NORMAL,
            layers: layers.to_vec(),
        }
    }

    fn window(points: usize) -> Window {
        Window {
            weight_variance: None,
            bias_variance: None,
            points,
        }
    }

    fn map(activation: Activation, layers: &[Layer], points: usize, threads: usize) -> PhaseMap {
        let inputs = [0.6, -0.8, 1.2, 0.1];
        PhaseMap::new(&net(activation, layers), &inputs, window(points), threads)
            .expect("it has hidden layers")
    }

    #[test]
    fn on_the_critical_line_the_slope_is_one() {
        for activation in [Activation::Tanh, Activation::Erf, Activation::Relu] {
            let line = critical_line(activation, 6.0, 2.0);
            assert!(!line.is_empty(), "{activation:?}");
            for &(w, b) in line.iter().flatten() {
                assert!(w <= 6.0 && b <= 2.0);
                // Next to the axis the fixed point is reached too slowly to be known well.
                if b > 1e-2 || activation == Activation::Relu {
                    let chi = mean_field(activation, w, b, 1.0).chi;
                    assert!((chi - 1.0).abs() < 1e-6, "{activation:?} ({w}, {b}): {chi}");
                }
            }
        }
    }

    #[test]
    fn neighbouring_layers_that_start_alike_are_one() {
        let (a, b) = (layer(1.5, 0.1), layer(2.5, 0.0));
        let map = map(Activation::Tanh, &[a, a, b, a, a], 0, 1);
        let runs: Vec<_> = map.layers.iter().map(|l| (l.first, l.last)).collect();
        // The last layer is the output.
        assert_eq!(runs, [(1, 2), (3, 3), (4, 4)]);
        assert_eq!(map.layers[0].mean_field, map.layers[2].mean_field);
        assert!(map.map.is_empty());
    }

    /// The network lies inside its own map, and the map is the theory at its points.
    #[test]
    fn a_map_holds_its_network_and_the_theory_of_each_point() {
        let map = map(Activation::Tanh, &[layer(4.0, 1.5), layer(1.0, 0.0)], 6, 1);
        let last = |v: &[f64]| v[v.len() - 1];
        assert!(last(&map.weight_variances) > 4.0 && last(&map.bias_variances) > 1.2);
        for (at, point) in map.map.iter().enumerate() {
            let (w, b) = (map.weight_variances[at % 6], map.bias_variances[at / 6]);
            let alone = mean_field(Activation::Tanh, w, b, map.input_variance);
            assert_eq!(*point, alone);
        }
        assert_eq!(map.map.len(), 36);
    }

    #[test]
    fn threads_change_no_bit_of_a_map() {
        let layers = [layer(2.0, 0.1), layer(1.0, 0.0)];
        let one = map(Activation::Erf, &layers, 7, 1);
        for threads in [0, 2, 3, 50] {
            let many = map(Activation::Erf, &layers, 7, threads);
            let bits = |m: &PhaseMap| -> Vec<[u64; 3]> {
                let of = |f: &MeanField| [f.q, f.chi, f.c].map(f64::to_bits);
                m.map.iter().map(of).collect()
            };
            assert_eq!(bits(&one), bits(&many), "{threads} threads");
        }
    }

    #[test]
    fn a_network_without_hidden_layers_has_no_map() {
        for layers in [&[][..], &[layer(1.0, 0.0)]] {
            let none = PhaseMap::new(&net(Activation::Tanh, layers), &[1.0], window(3), 1);
            assert!(none.is_err());
        }
    }
}

//! Mean field: fixed points, depth scales, critical lines against published values, exact laws.

use thalweg::net::Activation;
use thalweg::theory::dual::{dual, moments};
use thalweg::theory::mean_field::{Phase, critical, critical_at, mean_field};

use crate::infinite::ALL;

use Activation::*;

fn near(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance, "{what}: {a} is not {b}");
}

/// tanh: q*, χ₁, c*, ξc, ξq (Schoenholz et al. 2017, numbers by independent quadrature).
#[test]
fn tanh_has_the_known_fixed_points_and_depths() {
    let table = [
        [
            1.0,
            0.05,
            0.1935925202,
            0.7590316472,
            1.0,
            3.626976,
            1.747626,
        ],
        [
            1.3,
            0.05,
            0.3153164775,
            0.8801635099,
            1.0,
            7.834069,
            1.785237,
        ],
        [
            1.7,
            0.05,
            0.5330756279,
            0.9867408090,
            1.0,
            74.918271,
            1.558254,
        ],
        [
            2.5,
            0.05,
            1.0639583774,
            1.1335156987,
            0.4468042323,
            11.795598,
            1.179873,
        ],
        [
            4.0,
            0.05,
            2.1954939280,
            1.3424024144,
            0.1650649620,
            6.980274,
            0.873293,
        ],
        [
            2.25,
            0.0025,
            0.7983871143,
            1.1367077841,
            0.0520862364,
            16.200642,
            1.450623,
        ],
        [
            1.69,
            0.0,
            0.4089832257,
            1.0643691710,
            0.0,
            33.990143,
            2.172344,
        ],
        [
            4.0,
            0.0,
            2.1214735682,
            1.3626733375,
            0.0,
            7.979633,
            0.904375,
        ],
    ];
    for [sw2, sb2, q, chi, c, xc, xq] in table {
        // Whatever the inputs: the fixed point is the only one.
        for start in [1e-3, 1.0, 30.0] {
            let m = mean_field(Tanh, sw2, sb2, start);
            let what = format!("{sw2} {sb2} from {start}");
            near(m.q, q, 6e-11, &what);
            near(m.chi, chi, 6e-11, &what);
            near(m.c, c, 6e-11, &what);
            near(m.depth_c, xc, 6e-7 * xc, &what);
            near(m.depth_q, xq, 6e-7, &what);
            assert_eq!(
                m.phase,
                if chi > 1.0 {
                    Phase::Chaotic
                } else {
                    Phase::Ordered
                }
            );
        }
    }
}

#[test]
fn critical_lines_have_the_known_points() {
    let tanh = [
        [1e-4, 1.08602629, 0.04570908],
        [0.0025, 1.26009382, 0.15369194],
        [0.01, 1.42420529, 0.27330091],
        [0.05, 1.76095464, 0.57004788],
        [0.1, 1.98607264, 0.80579918],
        [0.5, 2.84316746, 1.97103061],
        [1.0, 3.44321091, 3.03639639],
    ];
    for [sb2, sw2, q] in tanh {
        let all = critical(Tanh, sb2);
        assert_eq!(all.len(), 1, "{sb2}");
        near(all[0].weight_variance, sw2, 6e-9, "σw²");
        near(all[0].q, q, 6e-9, "q*");
    }
    near(
        critical(Tanh, 0.0)[0].weight_variance,
        1.0,
        1e-15,
        "tanh without biases",
    );
    near(
        critical(Erf, 0.0)[0].weight_variance,
        std::f64::consts::FRAC_PI_4,
        1e-15,
        "erf",
    );
    for (homogeneous, sw2) in [
        (Relu, 2.0),
        (LeakyRelu, 2.0 / 1.0001),
        (Abs, 1.0),
        (Identity, 1.0),
    ] {
        let point = critical(homogeneous, 0.0);
        assert_eq!(point.len(), 1);
        near(point[0].weight_variance, sw2, 1e-15, "He's variance");
        assert!(critical(homogeneous, 0.1).is_empty());
    }
}

/// Every point of every critical line is a fixed point with χ₁ = 1, and on its two sides there is
/// order and chaos.
#[test]
fn critical_points_separate_order_from_chaos() {
    for activation in ALL {
        for q in [0.01, 0.3, 1.0, 4.0] {
            let Some(at) = critical_at(activation, q) else {
                continue;
            };
            if at.q.is_nan() {
                continue;
            }
            let d = dual(activation, q, q, q);
            near(at.weight_variance * d.slope, 1.0, 1e-12, "χ₁");
            near(
                at.weight_variance * d.value + at.bias_variance,
                q,
                1e-12,
                "q*",
            );
            // For bounded odd activations q* is the only fixed point, so the sides are clear.
            if matches!(activation, Tanh | Erf) {
                let side = |f: f64| {
                    mean_field(activation, f * at.weight_variance, at.bias_variance, 1.0).phase
                };
                assert_eq!(
                    [side(0.98), side(1.02)],
                    [Phase::Ordered, Phase::Chaotic],
                    "{activation:?} {q}"
                );
            }
        }
    }
}

/// c' = (√(1 − c²) + (π − acos c) c)/π for ReLU: published iterates, and (1 − c) l² → 9π²/2.
#[test]
fn relu_correlations_go_to_one_as_the_inverse_square_of_depth() {
    let mut c = 0.0;
    let mut seen = std::collections::HashMap::new();
    for l in 1..=10_000 {
        c = 2.0 * dual(Relu, 1.0, 1.0, c).value;
        seen.insert(l, c);
    }
    for (l, known) in [
        (1, std::f64::consts::FRAC_1_PI),
        (2, 0.49373109020037),
        (3, 0.60482572011294),
        (5, 0.73594635062764),
        (10, 0.87153551602152),
        (100, 0.99642314668395),
    ] {
        near(seen[&l], known, 1e-13, "correlation");
    }
    near((1.0 - c) * 1e8, 44.2520, 1e-3, "(1 − c) l²");
    let he = mean_field(Relu, 2.0, 0.0, 0.7);
    assert_eq!((he.phase, he.q, he.c), (Phase::Critical, 0.7, 1.0));
    assert!(he.depth_c.is_infinite() && he.depth_q.is_infinite());
}

/// Variance and correlation found by going through the layers one by one.
#[test]
fn fixed_points_are_where_layers_lead() {
    for activation in ALL {
        for (sw2, sb2) in [(0.5, 0.2), (1.6, 0.05), (1.9, 0.3), (3.0, 0.1)] {
            let m = mean_field(activation, sw2, sb2, 1.0);
            let what = format!("{activation:?} {sw2} {sb2}: {m:?}");
            let mut q = 1.0;
            for _ in 0..400 {
                q = sw2 * moments(activation, q).square + sb2;
                if q > 1e6 {
                    break;
                }
            }
            if m.phase == Phase::Unbounded {
                assert!(q > 100.0, "{what}: {q}");
                continue;
            }
            near(q, m.q, 1e-6 * (1.0 + m.q), &what);
            let quadrature = matches!(activation, Tanh | Sigmoid | Silu | Softplus);
            let layers = if quadrature { 25 } else { 200 };
            let mut c = 0.3;
            for _ in 0..layers {
                c = (sw2 * dual(activation, m.q, m.q, m.q * c).value + sb2) / m.q;
            }
            // Exponentially near after a few ξc.
            let far = 2.0 * (-f64::from(layers) / m.depth_c).exp();
            near(c, m.c, 1e-10 + far.min(2.0), &what);
        }
    }
}

/// The distance to q* and c* falls by e in ξq and ξc layers.
#[test]
fn depth_scales_are_those_of_the_maps() {
    for (activation, sw2, sb2) in [
        (Tanh, 2.5, 0.05),
        (Erf, 1.4, 0.1),
        (Sin, 2.0, 0.2),
        (Tanh, 1.3, 0.05),
    ] {
        let m = mean_field(activation, sw2, sb2, 1.0);
        let v = |q: f64| sw2 * dual(activation, q, q, q).value + sb2;
        let r = |c: f64| (sw2 * dual(activation, m.q, m.q, m.q * c).value + sb2) / m.q;
        let h = 1e-5;
        let rate = (v(m.q + h) - v(m.q - h)) / (2.0 * h);
        near(-1.0 / rate.abs().ln(), m.depth_q, 1e-4 * m.depth_q, "ξq");
        let rate = if m.c < 1.0 {
            (r(m.c + h) - r(m.c - h)) / (2.0 * h)
        } else {
            (1.0 - r(1.0 - h)) / h
        };
        near(-1.0 / rate.ln(), m.depth_c, 1e-2 * m.depth_c, "ξc");
    }
}

//! Kernels of infinitely wide networks: known values, exact limits, and finite networks.

#![allow(clippy::needless_range_loop, reason = "loops over matrices")]

use std::f64::consts::PI;

use thalweg::linalg::eigen;
use thalweg::net::{Activation, BiasInit, Init, Net, Parameterization, Uniform};
use thalweg::observe::{self, Tangent};
use thalweg::seed::{Purpose, stream};
use thalweg::theory::dual::{dual, moments, quadrature};
use thalweg::theory::linear::{Linear, Rule};
use thalweg::theory::ntk::{Layer, Wide};
use thalweg::theory::regression::{Training, conditioned, conditioned_at, descended, descended_at};

use crate::plan;

use Activation::*;

pub(crate) const ALL: [Activation; 12] = Activation::ALL;

/// The network of Jacot, Gabriel & Hongler: unit-normal parameters.
fn ntk(activation: Activation, depth: usize, sw2: f64, sb2: f64) -> Net {
    Net {
        hidden: vec![64; depth],
        activation,
        bias: sb2 > 0.0,
        parameterization: Parameterization::Ntk,
        init: Init::Normal { variance: sw2 },
        bias_init: Some(BiasInit::Normal { std: sb2.sqrt() }),
        gains: None,
        ..Net::default()
    }
}

/// Theory computes from the law what engines multiply with, and comes to the same, whatever the
/// law.
#[test]
fn theory_and_engines_scale_every_law_alike() {
    let inits = [
        Init::Pytorch,
        Init::XavierUniform,
        Init::XavierNormal,
        Init::KaimingUniform,
        Init::KaimingNormal,
        Init::LecunNormal,
        Init::Orthogonal,
        Init::Normal { variance: 1.7 },
        Init::WeightStd(vec![1.7, 0.3, 2.0]),
        Init::Uniform(Uniform::Between([-0.7, 0.7])),
        Init::Uniform(Uniform::Std(0.4)),
    ];
    let biases = [
        None,
        Some(BiasInit::Pytorch),
        Some(BiasInit::Zeros),
        Some(BiasInit::Normal { std: 0.0 }),
        Some(BiasInit::Normal { std: 0.3 }),
        Some(BiasInit::Uniform(Uniform::Between([-0.2, 0.2]))),
    ];
    let rates = [0.5, 2.0, 0.0];
    for init in inits {
        for bias_init in biases {
            for parameterization in Parameterization::ALL {
                for bias in [true, false] {
                    let net = Net {
                        hidden: vec![6, 10],
                        bias,
                        parameterization,
                        init: init.clone(),
                        bias_init,
                        gains: Some(vec![1.0, 3.0, 1.0]),
                        ..Net::default()
                    };
                    let of = Wide::new(&net, 4, 1, Some(&rates)).expect("it has a law");
                    let tensors = thalweg::net::tensors(&net, 4, 1);
                    for (tensor, m) in tensors.iter().zip(net.multipliers(4, 1)) {
                        let layer = of.layers[tensor.layer];
                        let engine = rates[tensor.layer] * m * m;
                        let (theory, engine) = if tensor.is_bias {
                            (layer.bias_share, engine)
                        } else {
                            (layer.weight_share, engine * tensor.shape[1] as f64)
                        };
                        assert!(
                            (theory - engine).abs() <= 1e-14 * engine,
                            "{net:?} {}: {theory} {engine}",
                            tensor.name
                        );
                    }
                    assert!(bias || of.layers.iter().all(|l| l.bias_share.abs() < 1e-300));
                }
            }
        }
    }
}

fn wide(net: &Net, dim: usize) -> Wide {
    Wide::new(net, dim, 1, None).expect("it has a law")
}

fn near(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance, "{what}: {a} is not {b}");
}

fn normals(n: usize, part: u64) -> Vec<f64> {
    let mut random = stream(5, 0, Purpose::Data, part);
    (0..n).map(|_| random.normal()).collect()
}

/// The twelve-digit values of NNGP and NTK at depths 1, 2, 3 for the pairs aa, ab, ac, bc, cc of
/// a = (1, 0, 0), b = (0.6, 0.8, 0), c = (−0.5, 1, 2), `ntk` parameterization.
struct Reference {
    activation: Activation,
    weight_variance: f64,
    bias_variance: f64,
    values: [[[f64; 2]; 5]; 3],
}

/// By 30-digit quadrature of the polar form (relu) and trapezoid quadrature in two dimensions (the
/// others), independent of this program; relu, erf, gelu and sin also agree with neural-tangents.
const REFERENCES: [Reference; 8] = [
    Reference {
        activation: Relu,
        weight_variance: 2.0,
        bias_variance: 0.0,
        values: [
            [
                [0.666666666667, 1.333333333333],
                [0.451698378511, 0.733631484391],
                [0.331183144960, 0.187857927642],
                [0.664516478294, 0.854524594309],
                [3.500000000000, 7.000000000000],
            ],
            [
                [0.666666666667, 2.000000000000],
                [0.488955857217, 1.029610867118],
                [0.663291312120, 0.770288668066],
                [0.865264351590, 1.414947196223],
                [3.500000000000, 10.500000000000],
            ],
            [
                [0.666666666667, 2.666666666667],
                [0.516874956563, 1.301524456790],
                [0.864476422922, 1.359755172069],
                [0.999186405901, 1.977881305345],
                [3.500000000000, 14.000000000000],
            ],
        ],
    },
    Reference {
        activation: Relu,
        weight_variance: 2.0,
        bias_variance: 0.1,
        values: [
            [
                [0.866666666667, 1.633333333333],
                [0.648068824745, 1.011140232609],
                [0.517373836536, 0.411173331360],
                [0.863576019235, 1.116641901306],
                [3.700000000000, 7.300000000000],
            ],
            [
                [0.966666666667, 2.600000000000],
                [0.781449292285, 1.558890999147],
                [0.952649999777, 1.196597554195],
                [1.169457568583, 1.906643212979],
                [3.800000000000, 11.100000000000],
            ],
            [
                [1.066666666667, 3.666666666667],
                [0.906020796308, 2.152609578394],
                [1.263439937715, 2.059877033621],
                [1.412368318374, 2.763989243031],
                [3.900000000000, 15.000000000000],
            ],
        ],
    },
    Reference {
        activation: Erf,
        weight_variance: 1.5,
        bias_variance: 0.0,
        values: [
            [
                [0.500000000000, 1.051328895422],
                [0.290960052062, 0.591271536421],
                [-0.135501705903, -0.271920228553],
                [0.135501705903, 0.271920228553],
                [0.952335327019, 2.430700643914],
            ],
            [
                [0.500000000000, 1.659255997276],
                [0.281924027958, 0.872079720762],
                [-0.107597464793, -0.324438847051],
                [0.107597464793, 0.324438847051],
                [0.682913159958, 2.799763009800],
            ],
            [
                [0.500000000000, 2.329591552400],
                [0.272917838798, 1.140900856662],
                [-0.094625449225, -0.380887313929],
                [0.094625449225, 0.380887313929],
                [0.587698232758, 3.355736206133],
            ],
        ],
    },
    Reference {
        activation: Erf,
        weight_variance: 1.5,
        bias_variance: 0.1,
        values: [
            [
                [0.650928852514, 1.272388836557],
                [0.455394771058, 0.828161140435],
                [0.023868989293, -0.052423727495],
                [0.278488381222, 0.459084801849],
                [1.061129722265, 2.569800240400],
            ],
            [
                [0.674029384278, 1.954135535196],
                [0.488468879891, 1.236656468299],
                [0.117005313043, 0.079652405713],
                [0.299852570383, 0.634203028198],
                [0.813694967488, 2.956822008832],
            ],
            [
                [0.683962805023, 2.625220424130],
                [0.509770105343, 1.615927585097],
                [0.190102078857, 0.251622545721],
                [0.332865555195, 0.835388430720],
                [0.737865083557, 3.475578674414],
            ],
        ],
    },
    Reference {
        activation: Tanh,
        weight_variance: 1.5,
        bias_variance: 0.0,
        values: [
            [
                [0.410514461905, 0.854833806934],
                [0.240356583247, 0.486880357321],
                [-0.118233295390, -0.237132168384],
                [0.118233295390, 0.237132168384],
                [0.850684670522, 2.071672508415],
            ],
            [
                [0.363859479869, 1.170541586360],
                [0.208825504071, 0.640151670291],
                [-0.085420377416, -0.257267829030],
                [0.085420377416, 0.257267829030],
                [0.547605012363, 2.081426387777],
            ],
            [
                [0.336757436269, 1.480230195960],
                [0.189896508767, 0.781581229632],
                [-0.070762882429, -0.284347526155],
                [0.070762882429, 0.284347526155],
                [0.432923315428, 2.229397784471],
            ],
        ],
    },
    Reference {
        activation: Tanh,
        weight_variance: 1.5,
        bias_variance: 0.1,
        values: [
            [
                [0.555941999233, 1.058397820255],
                [0.396105811376, 0.703729183856],
                [0.033136793504, -0.033844800908],
                [0.256635249444, 0.414810227281],
                [0.960148896327, 2.206614659638],
            ],
            [
                [0.536696092415, 1.445702873724],
                [0.404516413038, 0.968101042654],
                [0.121603948512, 0.099534192702],
                [0.268275296636, 0.543473554021],
                [0.680365931996, 2.241580445525],
            ],
            [
                [0.527920454753, 1.783877635025],
                [0.416683334781, 1.209160862041],
                [0.188068384691, 0.260387439841],
                [0.295535828714, 0.698130099457],
                [0.588340410836, 2.386566528108],
            ],
        ],
    },
    Reference {
        activation: Gelu,
        weight_variance: 2.0,
        bias_variance: 0.1,
        values: [
            [
                [0.725952195325, 1.398305117489],
                [0.512288342991, 0.877480527956],
                [0.297314838781, 0.192268501072],
                [0.644923423779, 0.901930240434],
                [3.556355729354, 7.188396324116],
            ],
            [
                [0.687432048999, 1.903084060788],
                [0.515113153052, 1.170584967478],
                [0.551390383702, 0.660077566492],
                [0.761461899876, 1.342354724767],
                [3.512338817642, 10.761795005043],
            ],
            [
                [0.651218118992, 2.290991711537],
                [0.511767998835, 1.400480081832],
                [0.688611771388, 1.101670028495],
                [0.825344081762, 1.733305477157],
                [3.467945538422, 14.316605319095],
            ],
        ],
    },
    Reference {
        activation: Sin,
        weight_variance: 1.5,
        bias_variance: 0.1,
        values: [
            [
                [0.624104341066, 1.209641736426],
                [0.438138483930, 0.794121542205],
                [0.057165339753, 0.014009900414],
                [0.201619170536, 0.307354293931],
                [0.846777771482, 2.899308344194],
            ],
            [
                [0.634736141524, 1.802359591401],
                [0.463466726556, 1.163870958787],
                [0.141120895757, 0.151209649905],
                [0.245936349912, 0.471412435243],
                [0.712101533610, 3.286392966013],
            ],
            [
                [0.639265104628, 2.370854858095],
                [0.481843525379, 1.508433899909],
                [0.208308127156, 0.325128587765],
                [0.290029546399, 0.661593852033],
                [0.669474843489, 3.727546172544],
            ],
        ],
    },
];

#[test]
fn kernels_have_the_known_values() {
    let x = [1.0, 0.0, 0.0, 0.6, 0.8, 0.0, -0.5, 1.0, 2.0];
    for r in &REFERENCES {
        for (depth, values) in (1..).zip(&r.values) {
            let net = ntk(r.activation, depth, r.weight_variance, r.bias_variance);
            let k = wide(&net, 3).kernels(&x, 3);
            for (at, [nngp, ntk]) in [0, 1, 2, 5, 8].into_iter().zip(values) {
                let what = format!("{:?} depth {depth} entry {at}", r.activation);
                near(k.nngp[at], *nngp, 1e-11, &what);
                near(k.ntk[at], *ntk, 1e-11, &what);
            }
        }
    }
}

/// Twenty equispaced points on the unit circle, ReLU without biases: Θ is circulant, its
/// eigenvalues are a discrete Fourier transform. One hidden layer learns no odd frequency above 1,
/// two do.
#[test]
fn the_spectrum_on_the_circle_is_that_of_the_circulant() {
    let circle: Vec<f64> = (0..20)
        .flat_map(|i| {
            let t = 2.0 * PI * f64::from(i) / 20.0;
            [t.cos(), t.sin()]
        })
        .collect();
    let known: [[f64; 11]; 2] = [
        [
            12.19215069,
            10.0,
            3.18651862,
            0.0,
            0.37877556,
            0.0,
            0.16983872,
            0.0,
            0.11669853,
            0.0,
            0.10418646,
        ],
        [
            21.70894168,
            11.79798224,
            4.47726806,
            1.01893355,
            0.66511278,
            0.28991911,
            0.29862412,
            0.16823919,
            0.20473427,
            0.13337648,
            0.18267870,
        ],
    ];
    for (depth, known) in (1..).zip(known) {
        let k = wide(&ntk(Relu, depth, 2.0, 0.0), 2).kernels(&circle, 2);
        // Every row is the one before, turned.
        for i in 0..20 {
            for j in 0..20 {
                near(
                    k.ntk[i * 20 + j],
                    k.ntk[(20 + j - i) % 20],
                    1e-14,
                    "circulant",
                );
            }
        }
        let mut expected: Vec<f64> = (0..20).map(|i: usize| known[i.min(20 - i)]).collect();
        expected.sort_by(f64::total_cmp);
        for (value, expected) in eigen(&k.ntk, 20).values.iter().zip(&expected) {
            near(*value, *expected, 6e-9, "eigenvalue");
        }
    }
}

/// Orthogonal inputs of length √d, which random ones become as d grows.
#[test]
fn orthogonal_inputs_give_the_limit_of_many_dimensions() {
    let d = 20;
    let mut x = vec![0.0; d * d];
    (0..d).for_each(|i| x[i * d + i] = (d as f64).sqrt());
    let k = wide(&ntk(Relu, 2, 2.0, 0.0), d).kernels(&x, d);
    near(k.ntk[0], 6.0, 1e-14, "diagonal");
    near(k.ntk[1], 1.3714172726, 1e-10, "off the diagonal");
    let e = eigen(&k.ntk, d).values;
    near(e[0], 4.6285827274, 1e-9, "smallest");
    near(e[d - 1], 32.0569281788, 1e-9, "largest");
    for odd in [Tanh, Erf, Sin, Identity] {
        let k = wide(&ntk(odd, 3, 1.3, 0.0), d).kernels(&x, d);
        near(k.ntk[1], 0.0, 1e-16, "odd functions of independent inputs");
    }
}

const GRID: [(f64, f64); 6] = [
    (1.0, 1.0),
    (0.3, 2.7),
    (2.7, 0.3),
    (1e-6, 1.5),
    (0.0, 1.0),
    (9.0, 4.0),
];
const CORRELATIONS: [f64; 8] = [-1.0, -0.999, -0.6, 0.0, 0.3, 0.95, 0.999_999, 1.0];

/// Closed forms against two-dimensional quadrature of φ, from ρ = −1 to 1, variance 0 included.
#[test]
fn closed_forms_are_the_integrals() {
    for activation in [Identity, Erf, Gelu, Sin, Cos] {
        for (a, b) in GRID {
            for rho in CORRELATIONS {
                let c = rho * f64::sqrt(a * b);
                let (x, y) = (dual(activation, a, b, c), quadrature(activation, a, b, c));
                let what = format!("{activation:?} at {a}, {b}, {rho}");
                near(x.value, y.value, 1e-12 * (1.0 + (a * b).sqrt()), &what);
                near(x.slope, y.slope, 1e-12, &what);
            }
        }
    }
}

/// relu, leaky_relu, abs: E r² = 2 times the mean over the angle of a planar normal vector.
#[test]
fn piecewise_linear_duals_are_integrals_over_the_angle() {
    for (activation, alpha) in [(Relu, 0.0), (LeakyRelu, 0.01), (Abs, -1.0)] {
        let phi = |z: f64| if z > 0.0 { z } else { alpha * z };
        let slope = |z: f64| if z > 0.0 { 1.0 } else { alpha };
        for rho in CORRELATIONS {
            let (a, b) = (1.7, 0.4);
            let angle = f64::acos(rho);
            let n = 40_000;
            let (mut value, mut steep) = (0.0, 0.0);
            for i in 0..n {
                let t = 2.0 * PI * (f64::from(i) + 0.5) / f64::from(n);
                value += 2.0 * phi(t.cos()) * phi((t - angle).cos());
                steep += slope(t.cos()) * slope((t - angle).cos());
            }
            let d = dual(activation, a, b, rho * f64::sqrt(a * b));
            let what = format!("{activation:?} at {rho}");
            near(
                d.value,
                value / f64::from(n) * f64::sqrt(a * b),
                1e-7,
                &what,
            );
            near(d.slope, steep / f64::from(n), 2e-4, &what);
        }
    }
}

/// Price's theorem, by central differences, and the diagonal against one-dimensional moments.
#[test]
fn the_slope_is_the_derivative_of_the_value() {
    let h = 1e-4;
    for activation in ALL {
        for (a, b) in [(1.0, 1.0), (0.3, 2.7)] {
            for rho in [-0.7, 0.0, 0.4, 0.9] {
                let c = rho * f64::sqrt(a * b);
                let at = |c| dual(activation, a, b, c);
                let difference = (at(c + h).value - at(c - h).value) / (2.0 * h);
                near(
                    difference,
                    at(c).slope,
                    1e-6,
                    &format!("{activation:?} at {rho}"),
                );
            }
        }
        for q in [0.2, 1.0, 3.0] {
            let (m, d) = (moments(activation, q), dual(activation, q, q, q));
            near(
                m.square,
                d.value,
                1e-13 * (1.0 + q),
                &format!("{activation:?}"),
            );
            near(m.slope_square, d.slope, 1e-13, &format!("{activation:?}"));
            let (up, down) = (moments(activation, q + h), moments(activation, q - h));
            near(
                m.growth,
                (up.square - down.square) / (2.0 * h),
                1e-6,
                "growth",
            );
        }
    }
}

/// The Hermite series of a hidden layer against the two-dimensional integral of each pair: nearly
/// equal, opposite, zero and very long inputs.
#[test]
fn the_series_is_the_integral() {
    let x = [
        1.0, 0.2, 1.0, 0.2, 1.0, 0.200001, -1.0, -0.2, 0.0, 0.0, 0.3, -2.0, 14.0, 3.0, 13.9, 3.1,
    ];
    for activation in [Tanh, Sigmoid, Silu, Softplus] {
        let net = ntk(activation, 1, 1.0, 0.0);
        let k = wide(&net, 2).kernels(&x, 2);
        for i in 0..8 {
            for j in 0..8 {
                let dot =
                    |i: usize, j: usize| 0.5 * (x[2 * i] * x[2 * j] + x[2 * i + 1] * x[2 * j + 1]);
                let (a, b, c) = (dot(i, i), dot(j, j), dot(i, j));
                let d = dual(activation, a, b, c);
                let what = format!("{activation:?} {i} {j}");
                let scale = 1.0 + (a * b).sqrt();
                near(k.nngp[i * 8 + j], d.value, 2e-12 * scale, &what);
                near(
                    k.ntk[i * 8 + j],
                    d.value + d.slope * c,
                    4e-12 * scale,
                    &what,
                );
            }
        }
    }
}

/// Equal, opposite, nearly equal and zero inputs: no eigenvalue is below round-off of the largest,
/// and equal inputs have equal rows.
#[test]
fn kernels_are_positive_semidefinite_whatever_the_inputs() {
    let (n, d) = (12, 3);
    let mut x = normals(n * d, 40);
    for j in 0..d {
        x[d + j] = x[j];
        x[2 * d + j] = -x[j];
        x[3 * d + j] = x[j] * (1.0 + 1e-9);
        x[4 * d + j] = x[j] + 1e-8 * (j as f64);
        x[5 * d + j] = 0.0;
        x[6 * d + j] = 3.0 * x[j];
    }
    for activation in ALL {
        for depth in [1, 2, 4] {
            for sb2 in [0.0, 0.3] {
                let k = wide(&ntk(activation, depth, 1.7, sb2), d).kernels(&x, d);
                for (name, matrix) in [("nngp", &k.nngp), ("ntk", &k.ntk)] {
                    let e = eigen(matrix, n).values;
                    let what = format!("{name} {activation:?} depth {depth} σb² {sb2}");
                    assert!(e[0] >= -4e-15 * n as f64 * e[n - 1], "{what}: {}", e[0]);
                    for j in 0..n {
                        near(matrix[j], matrix[n + j], 1e-13 * e[n - 1], &what);
                    }
                }
            }
        }
    }
}

/// Pulling two points of a bias-free ReLU net together to the angle δ sends λmin to
/// (L(L+1)/π)(|x|²/d) δ. An arc cosine would leave nothing of it at δ = 1e-8.
#[test]
fn nearly_collinear_points_keep_their_small_eigenvalue() {
    for depth in [1, 2, 3] {
        let constant = (depth * (depth + 1)) as f64 / PI;
        for delta in [1e-4, 1e-6, 1e-8, 1e-10] {
            // |x|² = d = 2; not on an axis, so that nothing is exact.
            let x: Vec<f64> = [0.7, 0.7 + delta]
                .iter()
                .flat_map(|t: &f64| [2f64.sqrt() * t.cos(), 2f64.sqrt() * t.sin()])
                .collect();
            let k = wide(&ntk(Relu, depth, 2.0, 0.0), 2).kernels(&x, 2);
            let smallest = 0.5 * (k.ntk[0] + k.ntk[3]) - k.ntk[1];
            let slack = 5.0 * delta + 2e-14 / delta;
            near(
                smallest / (constant * delta),
                1.0,
                slack,
                &format!("depth {depth} δ {delta}"),
            );
        }
    }
    // A smooth activation is blind to δ already at first order: λmin ~ 0.9589 δ² for erf.
    let delta = 1e-3;
    let x: Vec<f64> = [0.7, 0.7 + delta]
        .iter()
        .flat_map(|t: &f64| [2f64.sqrt() * t.cos(), 2f64.sqrt() * t.sin()])
        .collect();
    let k = wide(&ntk(Erf, 2, 1.0, 0.0), 2).kernels(&x, 2);
    near((k.ntk[0] - k.ntk[1]) / delta.powi(2), 0.9589, 1e-3, "erf");
}

/// Bias-free ReLU nets at d = 1 see two directions only, and a linear net d of them.
#[test]
fn rank_is_that_of_the_functions_a_network_can_make() {
    let rank = |activation, d: usize| {
        let x = normals(20 * d, 60);
        let e = eigen(
            &wide(&ntk(activation, 2, 2.0, 0.0), d).kernels(&x, d).ntk,
            20,
        )
        .values;
        e.iter().filter(|l| **l > 1e-13 * e[19]).count()
    };
    assert_eq!(rank(Relu, 1), 2);
    assert_eq!([5, 15, 30].map(|d| rank(Identity, d)), [5, 15, 20]);
    assert_eq!(rank(Relu, 2), 20);
}

/// Θ = n K₂ + 1 + σw² K₂' ∘ (n K₁ + 1 + σw² K₁' ∘ (x·x' + 1)) with trained biases that start at 0,
/// from the duals of each pair.
#[test]
fn the_standard_parameterization_keeps_its_widths() {
    let (d, x) = (3, [0.3, -1.0, 0.4, 0.9, 0.2, -0.5]);
    for (activation, bias) in [(Relu, true), (Tanh, true), (Gelu, false), (Erf, true)] {
        let net = Net {
            hidden: vec![64, 32],
            activation,
            bias,
            parameterization: Parameterization::Standard,
            init: Init::Normal { variance: 1.5 },
            bias_init: None,
            gains: None,
            ..Net::default()
        };
        let k = wide(&net, d).kernels(&x, d);
        let one = f64::from(u8::from(bias));
        let dot = |i: usize, j: usize| (0..d).map(|l| x[i * d + l] * x[j * d + l]).sum::<f64>();
        let sigma = |i, j| 1.5 * dot(i, j) / d as f64;
        let (a, b, c) = (sigma(0, 0), sigma(1, 1), sigma(0, 1));
        let first = dual(activation, a, b, c);
        let own = |v| 1.5 * dual(activation, v, v, v).value;
        let second = dual(activation, own(a), own(b), 1.5 * first.value);
        let t1 = 64.0 * first.value + one + 1.5 * first.slope * (dot(0, 1) + one);
        let t2 = 32.0 * second.value + one + 1.5 * second.slope * t1;
        near(k.ntk[1], t2, 1e-10, &format!("{activation:?}"));
        near(
            k.nngp[1],
            1.5 * second.value,
            1e-12,
            &format!("{activation:?}"),
        );
    }
}

/// What init, gains and rates mean for a layer.
#[test]
fn a_study_is_read_as_variances_and_shares() {
    let text = |more: &str| {
        let cell = plan(&format!(
            "[data]\ndim = 10\n[net]\nhidden = [40, 20]\n{more}"
        ))
        .cells
        .remove(0);
        let rates = cell.setting.descent.layer_rates.clone();
        Wide::new(&cell.setting.net, 10, 1, rates.as_deref())
    };
    let layer = |weight_variance, bias_variance, weight_share, bias_share| Layer {
        weight_variance,
        bias_variance,
        weight_share,
        bias_share,
    };
    let close = |wide: Wide, expected: [Layer; 3]| {
        for (a, b) in wide.layers.iter().zip(expected) {
            for (a, b) in [
                (a.weight_variance, b.weight_variance),
                (a.bias_variance, b.bias_variance),
                (a.weight_share, b.weight_share),
                (a.bias_share, b.bias_share),
            ] {
                near(a, b, 1e-13 * b, &format!("{wide:?}"));
            }
        }
    };
    let third = 1.0 / 3.0;
    close(
        text("init = \"pytorch\"").expect("a law"),
        [
            layer(third, third / 10.0, 10.0, 1.0),
            layer(third, third / 40.0, 40.0, 1.0),
            layer(third, third / 20.0, 20.0, 1.0),
        ],
    );
    close(
        text(
            "init = \"xavier_normal\"\nbias = false\ngains = [6.0, 1.0, 0.5]\n[descent]\n\
              layer_rates = [1.0, 0.0, 2.0]",
        )
        .expect("a law"),
        [
            layer(36.0 * 20.0 / 50.0, 0.0, 10.0, 0.0),
            layer(80.0 / 60.0, 0.0, 0.0, 0.0),
            layer(0.25 * 40.0 / 21.0, 0.0, 40.0, 0.0),
        ],
    );
    // The multiplier of the ntk parameterization has no gain in it: gains change the start alone.
    close(
        text("init = \"orthogonal\"\nparameterization = \"ntk\"\ngains = [2.0, 1.0, 1.0]")
            .expect("a law"),
        [
            layer(4.0 * 0.25, 0.0, 0.25, 1.0),
            layer(1.0, 0.0, 1.0, 1.0),
            layer(1.0, 0.0, 1.0, 1.0),
        ],
    );
    let net = Net {
        init: Init::File("w.safetensors".into()),
        ..Net::default()
    };
    let error = Wide::new(&net, 3, 1, None).expect_err("a file has no law");
    assert!(error.to_string().contains("have no law"), "{error}");
    assert!(error.hint().is_some());
}

/// ReLU is homogeneous, a cross kernel is a block of the whole, a net without hidden layers is
/// linear.
#[test]
fn kernels_scale_and_nest() {
    let (n, d) = (6, 4);
    let x = normals(n * d, 80);
    let twice: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
    let relu = wide(&ntk(Relu, 3, 2.0, 0.0), d);
    for (a, b) in relu
        .kernels(&x, d)
        .ntk
        .iter()
        .zip(&relu.kernels(&twice, d).ntk)
    {
        near(4.0 * a, *b, 1e-13 * b.abs().max(1.0), "homogeneity");
    }
    for activation in ALL {
        let net = wide(&ntk(activation, 2, 1.2, 0.1), d);
        let (all, cross) = (net.kernels(&x, d), net.cross(&x[..2 * d], &x[2 * d..], d));
        assert_eq!((cross.rows, cross.columns), (2, 4));
        for i in 0..2 {
            for j in 0..4 {
                near(cross.ntk[i * 4 + j], all.ntk[i * n + 2 + j], 1e-12, "block");
                near(
                    cross.nngp[i * 4 + j],
                    all.nngp[i * n + 2 + j],
                    1e-12,
                    "block",
                );
            }
        }
    }
    let plain = Net {
        hidden: vec![],
        ..Net::default()
    };
    let k = wide(&plain, d).kernels(&x, d);
    let dot: f64 = (0..d).map(|l| x[l] * x[d + l]).sum();
    near(k.ntk[1], dot + 1.0, 1e-14, "linear regression");
}

/// Mean of Θ over finite networks goes to the infinite one, its scatter as 1/width: the mean square
/// of the relative difference has slope −1 in the width, for kinked and smooth activations, in both
/// parameterizations.
#[test]
fn finite_networks_approach_the_kernel_at_the_rate_of_the_width() {
    for (activation, parameterization, bias_init) in [
        ("relu", "ntk", "{ normal = { std = 0.3 } }"),
        ("tanh", "standard", "\"zeros\""),
        ("gelu", "ntk", "{ normal = { std = 0.5 } }"),
    ] {
        let widths = [16, 64, 256];
        let mut points = Vec::new();
        for width in widths {
            let cell = plan(&format!(
                "[data]\npoints = 4\ndim = 3\ndraw = \"once\"\n[net]\nhidden = [{width}, {width}]\n\
                 activation = \"{activation}\"\ninit = {{ normal = {{ variance = 1.5 }} }}\n\
                 bias_init = {bias_init}\nparameterization = \"{parameterization}\""
            ))
            .cells
            .remove(0);
            let (problem, set) = (cell.problem(), cell.set(0));
            let exact = wide(&cell.setting.net, 3).kernels(&set.x, 3).ntk;
            let nets = if width > 100 { 60 } else { 240 };
            let (mut scatter, mut mean) = (0.0, [0.0; 16]);
            let size: f64 = exact.iter().map(|k| k * k).sum();
            for r in 0..nets {
                let finite =
                    observe::kernel(&problem, &Tangent::new(&problem, &cell.weights(r), &set.x));
                for (at, (f, e)) in finite.iter().zip(&exact).enumerate() {
                    scatter += (f - e).powi(2) / size / nets as f64;
                    mean[at] += f / nets as f64;
                }
            }
            let off: f64 = mean
                .iter()
                .zip(&exact)
                .map(|(m, e)| (m - e).powi(2))
                .sum::<f64>()
                / size;
            // The mean's own noise, four standard errors, and a bias of order 1/width.
            let allowed = 4.0 * (scatter / nets as f64).sqrt() + 3.0 / f64::from(width);
            assert!(
                off.sqrt() < allowed,
                "{activation} {width}: mean off by {}",
                off.sqrt()
            );
            points.push((f64::from(width).ln(), scatter.ln()));
        }
        let slope = (points[2].1 - points[0].1) / (points[2].0 - points[0].0);
        assert!(
            (-1.25..-0.75).contains(&slope),
            "{activation}: slope {slope}"
        );
    }
}

/// Training from a zero mean: nothing at t = 0, the gradient at t = 1, interpolation at last; steps
/// of a small rate are gradient flow; the NNGP interpolates too.
#[test]
fn regression_has_its_limits() {
    let (n, m, d) = (8, 3, 4);
    let (x, z, y) = (normals(n * d, 90), normals(m * d, 91), normals(n, 92));
    let net = wide(&ntk(Erf, 2, 1.5, 0.1), d);
    let (train, cross, new) = (net.kernels(&x, d), net.cross(&z, &x, d), net.kernels(&z, d));
    let s = 0.5;
    let top = eigen(&train.ntk, n).values[n - 1];
    let limit = Rule::Descent.largest_stable_rate(s, top);
    let steps = |rate, steps| Training::Steps {
        loss_factor: s,
        rate,
        steps,
    };
    let go = |training| descended(&train, &cross, &new, &y, training);
    let start = go(steps(0.5 * limit, 0.0));
    for i in 0..m {
        near(start.mean[i], 0.0, 1e-15, "mean at the start");
    }
    for (a, b) in start.covariance.iter().zip(&new.nngp) {
        near(*a, *b, 1e-14, "covariance at the start");
    }
    let one = go(steps(0.3 * limit, 1.0));
    for i in 0..m {
        let gradient: f64 = (0..n).map(|j| cross.ntk[i * n + j] * y[j]).sum();
        near(
            one.mean[i],
            2.0 * s * 0.3 * limit * gradient,
            1e-12,
            "one step",
        );
    }
    let forever = go(Training::Forever);
    let long = go(steps(1.7 * limit / 2.0, 1e7));
    for i in 0..m {
        near(long.mean[i], forever.mean[i], 1e-9, "many steps");
    }
    // Steps of rate η against flow for the same time: the difference is of first order.
    let gap = |k: f64| {
        let (a, b) = (
            go(steps(0.1 * limit / k, 40.0 * k)),
            go(Training::Flow {
                loss_factor: s,
                time: 4.0 * limit,
            }),
        );
        a.mean
            .iter()
            .zip(&b.mean)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max)
    };
    let order = (gap(10.0) / gap(100.0)).log10();
    near(order, 1.0, 0.02, "order of Euler's method");
    // At the training points: the targets, and no variance.
    let own = descended(&train, &train, &train, &y, Training::Forever);
    let bayes = conditioned(&train, &train, &train, &y, 0.0);
    for i in 0..n {
        near(own.mean[i], y[i], 1e-9, "interpolation");
        near(bayes.mean[i], y[i], 1e-9, "interpolation");
        near(own.covariance[i * n + i], 0.0, 1e-9, "no variance is left");
        near(
            bayes.covariance[i * n + i],
            0.0,
            1e-9,
            "no variance is left",
        );
    }
    // A point at a time it is the same, of each of two outputs.
    let two: Vec<f64> = y.iter().flat_map(|y| [*y, 3.0 - *y]).collect();
    for training in [
        steps(0.3 * limit, 7.0),
        Training::Forever,
        Training::Ridge { penalty: 0.3 },
    ] {
        let (joint, each) = (go(training), descended_at(&train, &cross, &two, training));
        for i in 0..m {
            near(each.mean[2 * i], joint.mean[i], 1e-11, "mean of a point");
            let own = joint.covariance[i * m + i];
            near(each.variance[i], own, 1e-11, "variance of a point");
        }
    }
    let joint = conditioned(&train, &cross, &new, &y, 0.3);
    let each = conditioned_at(&train, &cross, &two, 0.3);
    for i in 0..m {
        near(each.mean[2 * i], joint.mean[i], 1e-11, "mean of a point");
        let own = joint.covariance[i * m + i];
        near(each.variance[i], own, 1e-11, "variance of a point");
    }
    // A ridge of 0 holds nothing back, a large one everything; of the process it is noise.
    let none = go(Training::Ridge { penalty: 0.0 });
    let much = go(Training::Ridge { penalty: 1e12 });
    for i in 0..m {
        near(none.mean[i], forever.mean[i], 1e-9, "no ridge");
        near(much.mean[i], 0.0, 1e-9, "a ridge that holds everything");
    }
    // The residual on the training set is that of the modal theory.
    let at = descended(&train, &train, &train, &y, steps(0.9 * limit, 25.0));
    let loss: f64 = s * at
        .mean
        .iter()
        .zip(&y)
        .map(|(f, y)| (f - y).powi(2))
        .sum::<f64>();
    let e = eigen(&train.ntk, n);
    let c: Vec<f64> = e
        .vectors
        .chunks_exact(n)
        .map(|v| v.iter().zip(&y).map(|(v, y)| v * y).sum())
        .collect();
    let linear = Linear {
        rule: Rule::Descent,
        loss_factor: s,
        rate: 0.9 * limit,
        schedule: Vec::new(),
        eigenvalues: &e.values,
        coefficients: &c,
    };
    near(loss, linear.losses(&[25])[0], 1e-11, "loss after 25 steps");
    near(linear.largest_stable_rate(), limit, 1e-14, "largest rate");
}

/// PyTorch's default law on layers of one fan-in is a uniform law with ends of its own: the same
/// draws, the same multipliers, the same kernels.
#[test]
fn a_uniform_law_with_the_ends_of_pytorch_s_is_pytorch_s() {
    let net = |init: Init, parameterization| Net {
        hidden: vec![4, 4],
        init,
        parameterization,
        ..Net::default()
    };
    let x = [0.3, -1.0, 0.5, 2.0, 1.0, 0.2, -0.4, 0.1];
    for parameterization in Parameterization::ALL {
        let pytorch = net(Init::Pytorch, parameterization);
        for own in [
            Uniform::Between([-0.5, 0.5]),
            Uniform::Std(0.5 / 3f64.sqrt()),
        ] {
            let own = net(Init::Uniform(own), parameterization);
            let pairs = [
                (
                    own.draw((4, 1), 1, 0, None),
                    pytorch.draw((4, 1), 1, 0, None),
                ),
                (own.multipliers(4, 1), pytorch.multipliers(4, 1)),
                {
                    let kernels = |net: &Net| {
                        let wide = Wide::new(net, 4, 1, None).expect("it has a law");
                        wide.kernels(&x, 4).ntk
                    };
                    (kernels(&own), kernels(&pytorch))
                },
            ];
            for (ours, theirs) in pairs {
                assert_eq!(ours.len(), theirs.len());
                for (a, b) in ours.iter().zip(&theirs) {
                    assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{a} {b}");
                }
            }
        }
    }
}

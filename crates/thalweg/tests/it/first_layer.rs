//! The first layer by the law of its own weights: against sums over a grid, against finite networks
//! drawn as studies draw them, and where it has to be the Gaussian one.

use thalweg::linalg::eigen;
use thalweg::net::{Activation, BiasInit, Init, Net, Parameterization};
use thalweg::observe::{self, Tangent};
use thalweg::seed::{Purpose, stream};
use thalweg::theory::first::{FirstLayer, Laws};
use thalweg::theory::ntk::{Kernels, Wide};

use crate::plan;

use Activation::*;

fn wide(net: &Net, dim: usize) -> Wide {
    Wide::new(net, dim, 1, None).expect("it has a law")
}

fn smallest(kernels: &Kernels) -> f64 {
    eigen(&kernels.ntk, kernels.rows).values[0]
}

/// Eight points from −1 to 1.
fn line() -> Vec<f64> {
    (0..8).map(|i| f64::from(i) / 3.5 - 1.0).collect()
}

/// E φ(z) φ(z') and E φ'(z) φ'(z') for z = w x + b with w, b uniform on ±1, by the midpoint rule.
fn by_cells(activation: Activation, x: f64, y: f64) -> (f64, f64) {
    let n = 2000;
    let at = |i: usize| (2 * i + 1) as f64 / n as f64 - 1.0;
    let jet = |z: f64| match activation {
        Tanh => (z.tanh(), 1.0 - z.tanh().powi(2)),
        Sin => (z.sin(), z.cos()),
        Relu => (z.max(0.0), f64::from(u8::from(z > 0.0))),
        Abs => (z.abs(), z.signum()),
        _ => panic!("not used here"),
    };
    let (mut value, mut slope) = (0.0, 0.0);
    for w in (0..n).map(at) {
        for b in (0..n).map(at) {
            let (u, v) = (jet(w * x + b), jet(w * y + b));
            value += u.0 * v.0;
            slope += u.1 * v.1;
        }
    }
    let cells = (n * n) as f64;
    (value / cells, slope / cells)
}

/// PyTorch's default in one dimension: w and b are both uniform on ±1, and the normal law of the
/// same variance says 180 times too large a λmin for tanh.
#[test]
fn uniform_weights_in_one_dimension_have_their_own_kernel() {
    // The known ones by Gauss–Legendre rules in NumPy, and by four million draws.
    for (activation, tolerance, known) in [
        (Tanh, 1e-6, Some((1.138e-6, 1e-3))),
        (Relu, 2e-3, Some((0.3056, 5e-3))),
        (Sin, 1e-6, None),
        (Abs, 2e-3, None),
    ] {
        let net = Net {
            hidden: vec![4096],
            activation,
            ..Net::default()
        };
        let x = line();
        let own = wide(&net, 1).kernels(&x, 1);
        assert_eq!(own.first_layer, FirstLayer::Exact);
        for (i, j) in [(0, 0), (0, 3), (2, 5), (7, 1), (3, 4)] {
            let (value, slope) = by_cells(activation, x[i], x[j]);
            let nngp = value / 3.0 + 1.0 / (3.0 * 4096.0);
            let ntk = 4096.0 * value + 1.0 + slope / 3.0 * (x[i] * x[j] + 1.0);
            let (k, t) = (own.nngp[i * 8 + j], own.ntk[i * 8 + j]);
            assert!(
                (k - nngp).abs() < tolerance,
                "{activation:?} {i} {j}: {k} {nngp}"
            );
            assert!(
                (t / ntk - 1.0).abs() < tolerance,
                "{activation:?} {i} {j}: {t} {ntk}"
            );
        }
        if let Some((known, off)) = known {
            let ratio = smallest(&own) / known;
            assert!(
                (ratio - 1.0).abs() < off,
                "{activation:?}: {ratio} of {known}"
            );
        }
    }
}

/// The mean of Θ over networks drawn as studies draw them, layer by layer: what each layer's
/// derivatives give is the kernel of its own law within five standard errors of that mean, and
/// where the normal law's is outside them, it is far outside.
#[test]
fn finite_networks_have_the_kernel_of_their_own_law() {
    let mut told_apart = 0;
    for (init, bias_init, dim, activation) in [
        ("\"pytorch\"", "\"pytorch\"", 1, "tanh"),
        ("\"pytorch\"", "\"pytorch\"", 2, "relu"),
        ("\"pytorch\"", "\"zeros\"", 3, "abs"),
        ("\"pytorch\"", "\"pytorch\"", 3, "tanh"),
        ("\"pytorch\"", "\"pytorch\"", 4, "relu"),
        ("\"pytorch\"", "\"pytorch\"", 5, "sin"),
        ("\"kaiming_uniform\"", "\"zeros\"", 1, "tanh"),
        ("\"kaiming_uniform\"", "\"zeros\"", 2, "gelu"),
        (
            "\"xavier_uniform\"",
            "{ normal = { std = 0.5 } }",
            1,
            "softplus",
        ),
        ("\"xavier_uniform\"", "\"zeros\"", 2, "sin"),
        ("\"kaiming_normal\"", "\"pytorch\"", 1, "erf"),
        ("\"orthogonal\"", "\"zeros\"", 1, "tanh"),
        ("\"orthogonal\"", "\"pytorch\"", 2, "sin"),
    ] {
        for rates in ["[1.0, 0.0]", "[0.0, 1.0]"] {
            let cell = plan(&format!(
                "[data]\npoints = 4\ndim = {dim}\ndraw = \"once\"\n[net]\nhidden = [4096]\n\
                 activation = \"{activation}\"\ninit = {init}\nbias_init = {bias_init}\n\
                 gains = [2.0, 1.0]\n[descent]\nlayer_rates = {rates}"
            ))
            .cells
            .remove(0);
            let (problem, set) = (cell.problem(), cell.set(0));
            let layer_rates = cell.setting.descent.layer_rates.as_deref();
            let law = Wide::new(&cell.setting.net, dim, 1, layer_rates).expect("a law");
            let own = law.kernels(&set.x, dim);
            let normal = Wide {
                first: Laws::NORMAL,
                ..law
            };
            let normal = normal.kernels(&set.x, dim);
            let nets = 40;
            let (mut sum, mut squares) = ([0.0; 16], [0.0; 16]);
            for r in 0..nets {
                let theta =
                    observe::kernel(&problem, &Tangent::new(&problem, &cell.weights(r), &set.x));
                for at in 0..16 {
                    sum[at] += theta[at];
                    squares[at] += theta[at] * theta[at];
                }
            }
            let n = nets as f64;
            let sampled = match own.first_layer {
                FirstLayer::Sampled { error } => error,
                FirstLayer::NearlyNormal { excess } => excess.abs(),
                FirstLayer::Normal | FirstLayer::Exact => 0.0,
            };
            for at in 0..16 {
                let mean = sum[at] / n;
                let error = ((squares[at] / n - mean * mean).max(0.0) / n).sqrt();
                let slack = 5.0 * error + 5.0 * sampled * own.ntk[at].abs() + 1e-12 * mean.abs();
                let off = (own.ntk[at] - mean).abs();
                assert!(
                    off <= slack,
                    "{init} d = {dim} {activation} {rates} {:?}, entry {at}: {} is not {mean} ± \
                     {slack}",
                    own.first_layer,
                    own.ntk[at]
                );
                told_apart += u32::from((normal.ntk[at] - mean).abs() > 3.0 * slack);
            }
        }
    }
    assert!(told_apart > 40, "{told_apart}");
}

/// Rows of orthonormal matrices as wide as the inputs lie on a sphere. A ReLU without bias sees
/// their direction, which is as uniform as a normal one's, and their square: its kernel is the
/// Gaussian one at any width. Others are told by their excess kurtosis, which goes as 1/width.
#[test]
fn orthogonal_rows_are_normal_only_as_the_width_grows() {
    let net = |activation, width: usize| Net {
        hidden: vec![width],
        activation,
        init: Init::Orthogonal,
        bias: false,
        ..Net::default()
    };
    let cell = plan(
        "[data]\npoints = 3\ndim = 2\ndraw = \"once\"\n[net]\nhidden = [2]\nactivation = \"relu\"\n\
         init = \"orthogonal\"\nbias = false\n",
    )
    .cells
    .remove(0);
    let (problem, set) = (cell.problem(), cell.set(0));
    let own = wide(&net(Relu, 2), 2).kernels(&set.x, 2);
    assert_eq!(own.first_layer, FirstLayer::Normal);
    let nets = 20_000;
    let (mut sum, mut squares) = ([0.0; 9], [0.0; 9]);
    for r in 0..nets {
        let theta = observe::kernel(&problem, &Tangent::new(&problem, &cell.weights(r), &set.x));
        for at in 0..9 {
            sum[at] += theta[at];
            squares[at] += theta[at] * theta[at];
        }
    }
    for at in 0..9 {
        let mean = sum[at] / nets as f64;
        let error = ((squares[at] / nets as f64 - mean * mean) / nets as f64).sqrt();
        assert!(
            (own.ntk[at] - mean).abs() <= 5.0 * error,
            "{at}: {} {mean} ± {error}",
            own.ntk[at]
        );
    }
    for (width, excess) in [(2, -1.5), (4, -1.0), (4096, -6.0 / 4098.0)] {
        let how = wide(&net(Tanh, width), 2).kernels(&set.x, 2).first_layer;
        let FirstLayer::NearlyNormal { excess: said } = how else {
            panic!("{how:?}");
        };
        assert!((said - excess).abs() < 1e-12, "{width}: {said}");
    }
}

/// Many inputs make a sum of uniform numbers normal: what tells the two kernels apart falls as 1/d.
#[test]
fn uniform_weights_of_many_inputs_are_nearly_normal() {
    let off = |dim: usize| {
        let net = Net {
            hidden: vec![64],
            activation: Sin,
            ..Net::default()
        };
        let mut random = stream(1, 0, Purpose::Data, dim as u64);
        let x: Vec<f64> = (0..40 * dim).map(|_| random.normal()).collect();
        let own = wide(&net, dim);
        let normal = Wide {
            first: Laws::NORMAL,
            ..own.clone()
        };
        let (a, b) = (own.kernels(&x, dim), normal.kernels(&x, dim));
        let trace = |k: &Kernels| (0..40).map(|i| k.nngp[41 * i]).sum::<f64>();
        ((trace(&a) / trace(&b) - 1.0).abs(), a.first_layer)
    };
    let (few, more) = (off(8), off(64));
    assert_eq!((few.1, more.1), (FirstLayer::Exact, FirstLayer::Exact));
    let ratio = few.0 / more.0;
    assert!((6.0..11.0).contains(&ratio), "{few:?} {more:?}");
    // Far enough, and it is said.
    let (apart, how) = off(400);
    assert!(matches!(how, FirstLayer::NearlyNormal { excess } if (-0.02..0.0).contains(&excess)));
    assert!(apart.abs() < 1e-300);
    // What is left out there: a share of K that goes as 1/d.
    assert!(more.0 * 64.0 / 240.0 < 2e-3, "{more:?}");
}

/// Blocks, symmetry, positive eigenvalues, and equal rows for equal inputs, whatever the law.
#[test]
fn kernels_of_other_laws_are_kernels() {
    for activation in Activation::ALL {
        for (dim, init) in [
            (1, Init::Pytorch),
            (2, Init::Pytorch),
            (3, Init::KaimingUniform),
            (4, Init::Pytorch),
            (2, Init::Orthogonal),
        ] {
            let net = Net {
                hidden: vec![32, 32],
                activation,
                init,
                ..Net::default()
            };
            let n = 6;
            let mut x: Vec<f64> = (0..n * dim)
                .map(|i| libm::sin(1.3 * (i * i + 1) as f64))
                .collect();
            for j in 0..dim {
                x[dim + j] = x[j];
                x[2 * dim + j] = -x[j];
                x[3 * dim + j] = 0.0;
            }
            let own = wide(&net, dim);
            let (all, cross) = (own.kernels(&x, dim), own.cross(&x[..dim], &x[dim..], dim));
            for (name, m) in [("nngp", &all.nngp), ("ntk", &all.ntk)] {
                let what = format!("{activation:?} {dim} {name}");
                let e = eigen(m, n).values;
                assert!(e[0] >= -1e-13 * e[n - 1], "{what}: {e:?}");
                for j in 0..n {
                    assert!((m[j] - m[n + j]).abs() < 1e-12 * e[n - 1], "{what}");
                    assert!((m[j] - m[j * n]).abs() <= 0.0, "{what}");
                }
            }
            for j in 1..n {
                let (a, b) = (cross.ntk[j - 1], all.ntk[j]);
                // Points of a lattice or a grid are chosen for the inputs at hand.
                assert!(
                    (a - b).abs() < 1e-11 * b.abs().max(1.0),
                    "{activation:?} {dim}"
                );
            }
        }
    }
}

/// Θ of the arc-cosine kernels with `W_std` from 1 to 15 (Cho & Saul 2009), as neural-tangents
/// writes the recursion: W_std multiplies the derivative too.
#[test]
fn weight_std_is_that_of_neural_tangents() {
    let (d, x) = (3, [0.3, -1.0, 0.4, 0.9, 0.2, -0.5]);
    let all: Vec<f64> = (1..=15).map(f64::from).chain([1.0]).collect();
    let net = |init, gains| Net {
        hidden: vec![64; 15],
        activation: Relu,
        bias: false,
        parameterization: Parameterization::Ntk,
        init,
        gains,
        bias_init: None,
        ..Net::default()
    };
    let k = wide(&net(Init::WeightStd(all.clone()), None), d).kernels(&x, d);
    let dot = |i: usize, j: usize| (0..d).map(|l| x[i * d + l] * x[j * d + l]).sum::<f64>();
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        let first = all[0] * all[0] / d as f64;
        let (mut a, mut b, mut c) = (first * dot(i, i), first * dot(j, j), first * dot(i, j));
        let mut theta = c;
        for w in &all[1..] {
            let root = (a * b).sqrt();
            let angle = (c / root).clamp(-1.0, 1.0).acos();
            let pi = std::f64::consts::PI;
            let value = root * (angle.sin() + (pi - angle) * angle.cos()) / (2.0 * pi);
            let slope = (pi - angle) / (2.0 * pi);
            theta = w * w * (value + slope * theta);
            (a, b, c) = (w * w * 0.5 * a, w * w * 0.5 * b, w * w * value);
        }
        // The arc cosine of equal numbers is right to half the digits only.
        let tolerance = if i == j { 1e-6 } else { 1e-12 };
        let (nngp, ntk) = (k.nngp[i * 2 + j], k.ntk[i * 2 + j]);
        assert!((nngp / c - 1.0).abs() < tolerance, "{i} {j}: {nngp} {c}");
        assert!(
            (ntk / theta - 1.0).abs() < tolerance,
            "{i} {j}: {ntk} {theta}"
        );
    }
    // Gains start the same network, and leave the derivatives as they were.
    let gains = net(Init::Normal { variance: 1.0 }, Some(all));
    let other = wide(&gains, d).kernels(&x, d);
    assert!((other.nngp[1] / k.nngp[1] - 1.0).abs() < 1e-12);
    assert!(k.ntk[1] / other.ntk[1] > 2.0);
}

/// The mean of Θ over finite networks is the infinite one's for one hidden ReLU layer, whatever its
/// width: W_std is in what training sees, not in the theory alone.
#[test]
fn networks_are_trained_with_their_weight_std() {
    let cell = plan(
        "[data]\npoints = 3\ndim = 2\ndraw = \"once\"\n[net]\nhidden = [64]\nactivation = \
        \"relu\"\n\
         parameterization = \"ntk\"\ninit = { weight_std = [3.0, 0.5] }\n\
         bias_init = { normal = { std = 0.3 } }\n",
    )
    .cells
    .remove(0);
    let (problem, set) = (cell.problem(), cell.set(0));
    let net = Net {
        bias_init: Some(BiasInit::Normal { std: 0.3 }),
        ..cell.setting.net.clone()
    };
    let exact = wide(&net, 2).kernels(&set.x, 2).ntk;
    let nets = 4000;
    let (mut sum, mut squares) = ([0.0; 9], [0.0; 9]);
    for r in 0..nets {
        let theta = observe::kernel(&problem, &Tangent::new(&problem, &cell.weights(r), &set.x));
        for at in 0..9 {
            sum[at] += theta[at];
            squares[at] += theta[at] * theta[at];
        }
    }
    for at in 0..9 {
        let mean = sum[at] / f64::from(nets as u32);
        let error = ((squares[at] / nets as f64 - mean * mean) / nets as f64).sqrt();
        assert!(
            (exact[at] - mean).abs() < 5.0 * error,
            "{at}: {} {mean}",
            exact[at]
        );
    }
}

/// Squares beyond f64 were written as NaN, and the program said that all was well.
#[test]
fn inputs_too_large_for_a_kernel_are_an_error() {
    for init in [Init::KaimingNormal, Init::Pytorch, Init::Orthogonal] {
        for activation in Activation::ALL {
            let net = Net {
                hidden: vec![8, 8],
                activation,
                init: init.clone(),
                ..Net::default()
            };
            let kernels = wide(&net, 1).kernels(&[1e160, 1.0, -3.0], 1);
            let error = kernels.finite().expect_err("a square overflows");
            assert!(error.to_string().contains("not a finite number"), "{error}");
            assert!(error.hint().is_some_and(|h| h.contains("scale")));
            let large = wide(&net, 1).kernels(&[1e30, 1.0, -3e20], 1);
            assert!(large.finite().is_ok(), "{activation:?} {init:?}");
        }
    }
}

//! φ, its slope and its curvature, plain: what the reference engine computes with.
//!
//! Functions of the engine, not of the word [`Activation`]: a theory that was to predict what they
//! do must write its own, or a wrong derivative would agree with itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// φ, applied to every hidden unit. φ'(0) of relu and abs is 0, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// z: the network is linear in its input.
    Identity,
    /// max(z, 0)
    Relu,
    /// z for z > 0, else 0.01 z
    LeakyRelu,
    /// |z|
    Abs,
    /// tanh z
    Tanh,
    /// 1/(1 + e^-z)
    Sigmoid,
    /// erf z
    Erf,
    /// z Φ(z), exact (not the tanh approximation)
    Gelu,
    /// z/(1 + e^-z)
    Silu,
    /// ln(1 + e^z)
    Softplus,
    /// sin z
    Sin,
    /// cos z
    Cos,
}

impl Activation {
    /// Every one of them.
    pub const ALL: [Activation; 12] = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Abs,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Erf,
        Activation::Gelu,
        Activation::Silu,
        Activation::Softplus,
        Activation::Sin,
        Activation::Cos,
    ];

    /// The name in the study file.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Identity => "identity",
            Activation::Relu => "relu",
            Activation::LeakyRelu => "leaky_relu",
            Activation::Abs => "abs",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::Erf => "erf",
            Activation::Gelu => "gelu",
            Activation::Silu => "silu",
            Activation::Softplus => "softplus",
            Activation::Sin => "sin",
            Activation::Cos => "cos",
        }
    }
}

/// (φ(z), φ'(z)) in double precision, by `libm`. Plain: for the reference engine, teachers and
/// tests; the fast engine has its own.
pub fn value_and_slope(activation: Activation, z: f64) -> (f64, f64) {
    let sigmoid = |z: f64| 1.0 / (1.0 + libm::exp(-z));
    match activation {
        Activation::Identity => (z, 1.0),
        Activation::Relu if z > 0.0 || z.is_nan() => (z, 1.0),
        Activation::Relu => (0.0, 0.0),
        Activation::LeakyRelu if z > 0.0 => (z, 1.0),
        Activation::LeakyRelu => (0.01 * z, 0.01),
        Activation::Abs if z == 0.0 => (0.0, 0.0),
        Activation::Abs => (z.abs(), z.signum()),
        Activation::Tanh => {
            let t = libm::tanh(z);
            (t, 1.0 - t * t)
        }
        Activation::Sigmoid => {
            let s = sigmoid(z);
            (s, s * (1.0 - s))
        }
        Activation::Erf => (
            libm::erf(z),
            std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-z * z),
        ),
        Activation::Gelu => {
            let cdf = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
            let pdf = libm::exp(-0.5 * z * z) / std::f64::consts::TAU.sqrt();
            (z * cdf, cdf + z * pdf)
        }
        Activation::Silu => {
            let s = sigmoid(z);
            (z * s, s * (1.0 + z * (1.0 - s)))
        }
        Activation::Softplus => (z.max(0.0) + libm::log1p(libm::exp(-z.abs())), sigmoid(z)),
        Activation::Sin => (libm::sin(z), libm::cos(z)),
        Activation::Cos => (libm::cos(z), -libm::sin(z)),
    }
}

/// sup |φ'|, the Lipschitz constant of φ.
pub fn lipschitz(activation: Activation) -> f64 {
    match activation {
        Activation::Identity
        | Activation::Relu
        | Activation::LeakyRelu
        | Activation::Abs
        | Activation::Tanh
        | Activation::Softplus
        | Activation::Sin
        | Activation::Cos => 1.0,
        Activation::Sigmoid => 0.25,
        Activation::Erf => std::f64::consts::FRAC_2_SQRT_PI,
        // At z = √2, and where z tanh(z/2) = 2.
        Activation::Gelu => 1.128_904_145,
        Activation::Silu => 1.099_839_320,
    }
}

/// φ''(z); 0 for the piecewise linear ones.
pub fn curvature(activation: Activation, z: f64) -> f64 {
    let sigmoid = |z: f64| 1.0 / (1.0 + libm::exp(-z));
    match activation {
        Activation::Identity | Activation::Relu | Activation::LeakyRelu | Activation::Abs => 0.0,
        Activation::Tanh => {
            let t = libm::tanh(z);
            -2.0 * t * (1.0 - t * t)
        }
        Activation::Sigmoid => {
            let s = sigmoid(z);
            s * (1.0 - s) * (1.0 - 2.0 * s)
        }
        Activation::Erf => -2.0 * z * std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-z * z),
        Activation::Gelu => (2.0 - z * z) * libm::exp(-0.5 * z * z) / std::f64::consts::TAU.sqrt(),
        Activation::Silu => {
            let s = sigmoid(z);
            s * (1.0 - s) * (2.0 + z * (1.0 - 2.0 * s))
        }
        Activation::Softplus => {
            let s = sigmoid(z);
            s * (1.0 - s)
        }
        Activation::Sin => -libm::sin(z),
        Activation::Cos => -libm::cos(z),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of φ.
    #[test]
    fn slopes_are_derivatives() {
        let h = 1e-5;
        for act in Activation::ALL {
            for z in [-3.0, -0.4, 0.2, 2.5] {
                let (below, above) = (value_and_slope(act, z - h), value_and_slope(act, z + h));
                let slope = (above.0 - below.0) / (2.0 * h);
                let here = value_and_slope(act, z).1;
                assert!((slope - here).abs() < 1e-9, "{act:?} at {z}");
                let bend = (above.1 - below.1) / (2.0 * h);
                assert!((bend - curvature(act, z)).abs() < 1e-8, "{act:?} at {z}");
            }
        }
    }

    /// On a fine grid the steepest slope is the constant, and none is above it.
    #[test]
    fn no_slope_is_above_the_lipschitz_constant() {
        for act in Activation::ALL {
            let slopes = (-80_000..80_000).map(|i| value_and_slope(act, f64::from(i) * 1e-4).1);
            let largest = slopes.fold(0.0, |most: f64, slope| most.max(slope.abs()));
            let gap = lipschitz(act) - largest;
            assert!((-1e-9..1e-3).contains(&gap), "{act:?}: {largest}");
        }
    }
}

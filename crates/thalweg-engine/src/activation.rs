//! φ, its slope and its curvature, plain: what the reference engine computes with.

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

impl Activation {
    /// (φ(z), φ'(z)) in double precision, by `libm`. Plain: for the reference engine, teachers and
    /// tests; the fast engine has its own.
    pub fn value_and_slope(self, z: f64) -> (f64, f64) {
        let sigmoid = |z: f64| 1.0 / (1.0 + libm::exp(-z));
        match self {
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

    /// sup |φ'|.
    pub fn steepest(self) -> f64 {
        match self {
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
    pub fn curvature(self, z: f64) -> f64 {
        let sigmoid = |z: f64| 1.0 / (1.0 + libm::exp(-z));
        match self {
            Activation::Identity | Activation::Relu | Activation::LeakyRelu | Activation::Abs => {
                0.0
            }
            Activation::Tanh => {
                let t = libm::tanh(z);
                -2.0 * t * (1.0 - t * t)
            }
            Activation::Sigmoid => {
                let s = sigmoid(z);
                s * (1.0 - s) * (1.0 - 2.0 * s)
            }
            Activation::Erf => -2.0 * z * std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-z * z),
            Activation::Gelu => {
                (2.0 - z * z) * libm::exp(-0.5 * z * z) / std::f64::consts::TAU.sqrt()
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of φ.
    #[test]
    fn slopes_are_derivatives() {
        use Activation::*;
        let h = 1e-5;
        for act in [
            Identity, Relu, LeakyRelu, Abs, Tanh, Sigmoid, Erf, Gelu, Silu, Softplus, Sin, Cos,
        ] {
            for z in [-3.0, -0.4, 0.2, 2.5] {
                let slope =
                    (act.value_and_slope(z + h).0 - act.value_and_slope(z - h).0) / (2.0 * h);
                assert!(
                    (slope - act.value_and_slope(z).1).abs() < 1e-9,
                    "{act:?} at {z}"
                );
                let bend =
                    (act.value_and_slope(z + h).1 - act.value_and_slope(z - h).1) / (2.0 * h);
                assert!((bend - act.curvature(z)).abs() < 1e-8, "{act:?} at {z}");
            }
        }
    }
}

//! The network: its layers, activation, parameterization and initial weights.

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::check::{Mistake, mistake, positive};
use crate::seed::{Purpose, normal_quantile, stream};

pub use thalweg_engine::{Activation, Output, Tensor};

/// A fully connected network; the `[net]` table.
///
/// Hidden layers apply the activation, the output layer is linear unless [`Net::output`] says
/// otherwise. Weights are counted as PyTorch's
/// `nn.Sequential(Linear, Activation, Linear, …)` does: layer l is module `2 l`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Net {
    /// Units of each hidden layer; `[]` is linear regression.
    pub hidden: Vec<usize>,
    /// Activation of every hidden layer.
    pub activation: Activation,
    /// What the output layer makes of its sums.
    #[serde(skip_serializing_if = "is_linear")]
    pub output: Output,
    /// Whether layers have trainable biases.
    pub bias: bool,
    /// How weights enter the network.
    pub parameterization: Parameterization,
    /// Law of the initial weights.
    pub init: Init,
    /// Law of the initial biases. Default: `"pytorch"` if `init` is, that of the weights if they
    /// are `uniform`, else `"zeros"`.
    pub bias_init: Option<BiasInit>,
    /// Factor on the initial weights of each layer, one for each hidden layer and the output.
    pub gains: Option<Vec<f64>>,
}

impl Default for Net {
    fn default() -> Self {
        Net {
            hidden: vec![16, 16],
            activation: Activation::Tanh,
            output: Output::Identity,
            bias: true,
            parameterization: Parameterization::Standard,
            init: Init::Pytorch,
            bias_init: None,
            gains: None,
        }
    }
}

/// Whether the output layer is linear, of which nothing is written.
fn is_linear(output: &Output) -> bool {
    *output == Output::Identity
}

/// How weights enter the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parameterization {
    /// z = W a + b.
    Standard,
    /// z = σw W a/√fan_in + σb b with W and b of unit variance (Jacot, Gabriel & Hongler 2018,
    /// arXiv:1806.07572). σw/√fan_in and σb are the standard deviations that `init` and `bias_init`
    /// have in the standard parameterization (σb = 1 if biases start at zero), so the network
    /// starts as the same function and only the effective rate of each layer differs.
    Ntk,
}

/// The law of the initial weights W [fan_out, fan_in] of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// `nn.Linear`'s default: U(±1/√fan_in).
    Pytorch,
    /// U(±√(6/(fan_in + fan_out))) (Glorot & Bengio 2010).
    XavierUniform,
    /// N(0, 2/(fan_in + fan_out)).
    XavierNormal,
    /// U(±√(6/fan_in)): `kaiming_uniform_` with `nonlinearity='relu'` (He et al. 2015).
    KaimingUniform,
    /// N(0, 2/fan_in).
    KaimingNormal,
    /// N(0, 1/fan_in), not truncated.
    LecunNormal,
    /// Uniform on matrices with orthonormal rows or columns (Saxe, McClelland & Ganguli 2013),
    /// computed as PyTorch does: QR of a normal matrix, signs of R's diagonal made positive.
    Orthogonal,
    /// N(0, variance/fan_in).
    Normal {
        /// σw², over fan_in.
        variance: f64,
    },
    /// N(0, w²/fan_in) with a w for each hidden layer and the output: the `W_std` of
    /// neural-tangents. In the `ntk` parameterization the network is z = w W a/√fan_in with W of
    /// unit variance, so w is in the derivatives too, where one of `gains` would not be.
    WeightStd(Vec<f64>),
    /// U(low, high), or U(±std √3) of `{ std = … }`, whatever the fan: every weight and, unless
    /// `bias_init` says otherwise, every bias.
    Uniform(Uniform),
    /// Every weight is this number: for chains of one unit a layer, whose theory is exact.
    Constant(f64),
    /// Weights read from a safetensors file with the names of PyTorch's `state_dict`: `0.weight`,
    /// `0.bias`, `2.weight`, … Every replicate starts there.
    File(String),
}

/// The law of the initial biases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BiasInit {
    /// U(±1/√fan_in).
    Pytorch,
    /// 0.
    Zeros,
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// U(low, high), or U(±std √3) of `{ std = … }`.
    Uniform(Uniform),
}

/// A uniform law of a weight: `[low, high]`, or `{ std = 0.5 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Uniform {
    /// U(±std √3), whose standard deviation this is.
    Std(f64),
    /// U(low, high).
    #[serde(untagged)]
    Between([f64; 2]),
}

// By hand, because serde tells of a failed untagged variant only that nothing fits.
impl<'de> Deserialize<'de> for Uniform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Std {
            std: f64,
        }
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Uniform;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("[low, high] or { std = number }")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Uniform, A::Error> {
                <[f64; 2]>::deserialize(SeqAccessDeserializer::new(seq)).map(Uniform::Between)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Uniform, A::Error> {
                let law = Std::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Uniform::Std(law.std))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Uniform {
    /// The interval.
    pub fn ends(self) -> [f64; 2] {
        match self {
            Uniform::Between(ends) => ends,
            Uniform::Std(std) => [-std * 3f64.sqrt(), std * 3f64.sqrt()],
        }
    }

    /// (high − low)²/12.
    pub fn variance(self) -> f64 {
        match self {
            Uniform::Between([low, high]) => (high - low) * (high - low) / 12.0,
            Uniform::Std(std) => std * std,
        }
    }

    /// Whether its mean is 0.
    pub fn is_centred(self) -> bool {
        let [low, high] = self.ends();
        (low + high).abs() <= 0.0
    }

    fn check(self, key: &str) -> Result<(), Mistake> {
        match self {
            Uniform::Between([low, high]) if !(low < high && (high - low).is_finite()) => mistake(
                key,
                format!("from {low} to {high} there is no finite interval"),
                "`{ uniform = [-1.0, 1.0] }`, the smaller end first",
            ),
            Uniform::Std(std) if !positive(std) => mistake(
                key,
                format!("the standard deviation {std} must be positive and finite"),
                "`{ uniform = { std = 0.5 } }`",
            ),
            Uniform::Between(_) | Uniform::Std(_) => Ok(()),
        }
    }
}

/// Units of the widest layer.
pub(super) const WIDEST: usize = 16_384;

/// The most hidden layers.
pub(super) const DEEPEST: usize = 1000;

impl Parameterization {
    /// All of them.
    pub const ALL: [Parameterization; 2] = [Parameterization::Standard, Parameterization::Ntk];
}

/// Units of every layer from inputs to output.
pub fn sizes(net: &Net, dim: usize, outputs: usize) -> Vec<usize> {
    std::iter::once(dim)
        .chain(net.hidden.iter().copied())
        .chain([outputs])
        .collect()
}

/// The tensors of the flat parameters, in the order of PyTorch's `state_dict`.
pub fn tensors(net: &Net, dim: usize, outputs: usize) -> Vec<Tensor> {
    Tensor::of_layers(&sizes(net, dim, outputs), net.bias)
}

/// Number of parameters.
pub fn parameters(net: &Net, dim: usize, outputs: usize) -> usize {
    tensors(net, dim, outputs)
        .last()
        .map_or(0, |t| t.start + t.len())
}

impl Net {
    /// The law of the initial biases, its default resolved.
    pub fn bias_law(&self) -> BiasInit {
        self.bias_init.unwrap_or(match self.init {
            Init::Pytorch => BiasInit::Pytorch,
            Init::Uniform(law) => BiasInit::Uniform(law),
            Init::XavierUniform
            | Init::XavierNormal
            | Init::KaimingUniform
            | Init::KaimingNormal
            | Init::LecunNormal
            | Init::Orthogonal
            | Init::Normal { .. }
            | Init::WeightStd(_)
            | Init::Constant(_)
            | Init::File(_) => BiasInit::Zeros,
        })
    }

    /// Everything that types cannot say.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check(&self) -> Result<(), Mistake> {
        if self.hidden.iter().any(|n| !(1..=WIDEST).contains(n)) {
            let message = format!("a hidden layer has between 1 and {WIDEST} units");
            return mistake("net.hidden", message, "for instance `hidden = [32, 32]`");
        }
        if self.hidden.len() > DEEPEST {
            let message = format!("{} hidden layers, more than {DEEPEST}", self.hidden.len());
            return mistake("net.hidden", message, "for instance `hidden = [32, 32]`");
        }
        let layers = self.hidden.len() + 1;
        if let Some(gains) = &self.gains {
            if gains.len() != layers {
                return mistake(
                    "net.gains",
                    format!("{} gains for {layers} weight layers", gains.len()),
                    "one number for each hidden layer and one for the output",
                );
            }
            if gains.iter().any(|g| !g.is_finite()) {
                return mistake("net.gains", "a gain must be finite".into(), "");
            }
        }
        self.check_init()?;
        match self.bias_init {
            Some(BiasInit::Normal { std }) if !(std >= 0.0 && std.is_finite()) => mistake(
                "net.bias_init",
                format!("the standard deviation {std} must not be negative"),
                "",
            ),
            Some(BiasInit::Uniform(law)) => law.check("net.bias_init"),
            Some(BiasInit::Normal { .. } | BiasInit::Pytorch | BiasInit::Zeros) | None => Ok(()),
        }
    }

    fn check_init(&self) -> Result<(), Mistake> {
        let wrong = |message: String, hint: &str| mistake("net.init", message, hint);
        let layers = self.hidden.len() + 1;
        match &self.init {
            Init::Normal { variance } if !positive(*variance) => {
                wrong(format!("the variance {variance} must be positive"), "")
            }
            Init::WeightStd(all) if all.len() != layers => wrong(
                format!(
                    "{} standard deviations for {layers} weight layers",
                    all.len()
                ),
                "one number for each hidden layer and one for the output",
            ),
            Init::WeightStd(all) if !all.iter().all(|w| positive(*w)) => wrong(
                "a standard deviation must be positive and finite".into(),
                "`layer_rates` of 0 freeze a layer",
            ),
            Init::Uniform(law) => law.check("net.init"),
            Init::Constant(value) if !value.is_finite() => {
                wrong(format!("the constant {value} is not finite"), "")
            }
            Init::File(_) if self.parameterization == Parameterization::Ntk => wrong(
                "weights from a file are in the standard parameterization".into(),
                "write `parameterization = \"standard\"`",
            ),
            Init::Pytorch
            | Init::XavierUniform
            | Init::XavierNormal
            | Init::KaimingUniform
            | Init::KaimingNormal
            | Init::LecunNormal
            | Init::Orthogonal
            | Init::Normal { .. }
            | Init::WeightStd(_)
            | Init::Constant(_)
            | Init::File(_) => Ok(()),
        }
    }

    /// The initial weights of replicate `index` as flat parameters, in the *effective* form
    /// z = W a + b whatever the parameterization. `file` holds the weights of [`Init::File`].
    pub fn draw(
        &self,
        (dim, outputs): (usize, usize),
        seed: u64,
        index: u64,
        file: Option<&[f64]>,
    ) -> Vec<f64> {
        let mut all = Vec::with_capacity(parameters(self, dim, outputs));
        for tensor in tensors(self, dim, outputs) {
            let part = 2 * tensor.layer as u64 + u64::from(tensor.is_bias);
            let mut random = stream(seed, index, Purpose::Init, part);
            let fan_in = sizes(self, dim, outputs)[tensor.layer] as f64;
            let fan_out = tensor.shape[0] as f64;
            let n = tensor.len();
            // One uniform number an entry, whatever the law: laws of one shape are paired.
            let draws: Vec<f64> = (0..n).map(|_| random.uniform()).collect();
            let uniform = |bound: f64| -> Vec<f64> {
                draws.iter().map(|u| bound * (2.0 * u - 1.0)).collect()
            };
            let between = |law: Uniform| -> Vec<f64> {
                let [low, high] = law.ends();
                draws.iter().map(|u| low + (high - low) * u).collect()
            };
            let normal = |std: f64| -> Vec<f64> {
                draws.iter().map(|&u| std * normal_quantile(u)).collect()
            };
            let mut values = if let Some(file) = file {
                file[tensor.range()].to_vec()
            } else if tensor.is_bias {
                match self.bias_law() {
                    BiasInit::Pytorch => uniform(1.0 / fan_in.sqrt()),
                    BiasInit::Zeros => vec![0.0; n],
                    BiasInit::Normal { std } => normal(std),
                    BiasInit::Uniform(law) => between(law),
                }
            } else {
                match &self.init {
                    Init::Pytorch => uniform(1.0 / fan_in.sqrt()),
                    Init::XavierUniform => uniform((6.0 / (fan_in + fan_out)).sqrt()),
                    Init::XavierNormal => normal((2.0 / (fan_in + fan_out)).sqrt()),
                    Init::KaimingUniform => uniform((6.0 / fan_in).sqrt()),
                    Init::KaimingNormal => normal((2.0 / fan_in).sqrt()),
                    Init::LecunNormal => normal((1.0 / fan_in).sqrt()),
                    Init::Orthogonal => orthogonal(tensor.shape[0], tensor.shape[1], &normal(1.0)),
                    Init::Normal { variance } => normal((variance / fan_in).sqrt()),
                    Init::WeightStd(all) => normal(all[tensor.layer] / fan_in.sqrt()),
                    Init::Uniform(law) => between(*law),
                    Init::Constant(value) => vec![*value; n],
                    Init::File(_) => vec![0.0; n],
                }
            };
            if let (Some(gains), false) = (&self.gains, tensor.is_bias) {
                values.iter_mut().for_each(|v| *v *= gains[tensor.layer]);
            }
            all.extend(values);
        }
        all
    }

    /// For each tensor the factor m with which its trainable numbers enter the network: effective
    /// weight = m · trainable weight. 1 in the standard parameterization.
    pub fn multipliers(&self, dim: usize, outputs: usize) -> Vec<f64> {
        let sizes = sizes(self, dim, outputs);
        tensors(self, dim, outputs)
            .iter()
            .map(|tensor| {
                let fan_in = sizes[tensor.layer] as f64;
                let fan_out = tensor.shape[0] as f64;
                match (self.parameterization, tensor.is_bias) {
                    (Parameterization::Standard, _) => 1.0,
                    (Parameterization::Ntk, true) => match self.bias_law() {
                        BiasInit::Pytorch => (1.0 / (3.0 * fan_in)).sqrt(),
                        BiasInit::Normal { std } if std > 0.0 => std,
                        BiasInit::Uniform(law) => law.variance().sqrt(),
                        BiasInit::Normal { .. } | BiasInit::Zeros => 1.0,
                    },
                    (Parameterization::Ntk, false) => match &self.init {
                        Init::Pytorch => (1.0 / (3.0 * fan_in)).sqrt(),
                        Init::XavierUniform | Init::XavierNormal => {
                            (2.0 / (fan_in + fan_out)).sqrt()
                        }
                        Init::KaimingUniform | Init::KaimingNormal => (2.0 / fan_in).sqrt(),
                        // An entry of a random matrix with orthonormal rows or columns.
                        Init::Orthogonal => (1.0 / fan_in.max(fan_out)).sqrt(),
                        Init::Normal { variance } => (variance / fan_in).sqrt(),
                        Init::WeightStd(all) => all[tensor.layer] / fan_in.sqrt(),
                        Init::Uniform(law) => law.variance().sqrt(),
                        Init::LecunNormal | Init::Constant(_) | Init::File(_) => {
                            (1.0 / fan_in).sqrt()
                        }
                    },
                }
            })
            .collect()
    }
}

/// The orthogonal factor of the normal matrix `z` [rows, cols], as `nn.init.orthogonal_`: columns
/// orthonormal if rows ≥ cols, else rows. Gram-Schmidt, twice for full accuracy; R's diagonal is
/// positive by construction.
fn orthogonal(rows: usize, cols: usize, z: &[f64]) -> Vec<f64> {
    let tall = rows >= cols;
    // Vectors to be made orthonormal: columns of a tall matrix, rows of a flat one. PyTorch draws
    // in the shape [rows, cols] in both cases.
    let (count, length) = if tall { (cols, rows) } else { (rows, cols) };
    let entry = |v: usize, i: usize| if tall { i * cols + v } else { v * cols + i };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for v in 0..count {
        let mut new: Vec<f64> = (0..length).map(|i| z[entry(v, i)]).collect();
        for _ in 0..2 {
            for old in &basis {
                let dot: f64 = old.iter().zip(&new).map(|(a, b)| a * b).sum();
                new.iter_mut().zip(old).for_each(|(n, o)| *n -= dot * o);
            }
        }
        let norm = new.iter().map(|n| n * n).sum::<f64>().sqrt();
        new.iter_mut().for_each(|n| *n /= norm);
        basis.push(new);
    }
    let mut out = vec![0.0; rows * cols];
    for (v, vector) in basis.iter().enumerate() {
        for (i, value) in vector.iter().enumerate() {
            out[entry(v, i)] = *value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// QᵀQ = 1 for tall, QQᵀ = 1 for flat matrices.
    #[test]
    fn orthogonal_weights_are_orthonormal() {
        for hidden in [vec![20, 4], vec![4, 20]] {
            let net = Net {
                hidden,
                init: Init::Orthogonal,
                ..Net::default()
            };
            let w = net.draw((7, 1), 1, 0, None);
            for t in tensors(&net, 7, 1).iter().filter(|t| !t.is_bias) {
                let (rows, cols, w) = (t.shape[0], t.shape[1], &w[t.range()]);
                for i in 0..rows.min(cols) {
                    for j in 0..rows.min(cols) {
                        let dot: f64 = if rows >= cols {
                            (0..rows).map(|r| w[r * cols + i] * w[r * cols + j]).sum()
                        } else {
                            (0..cols).map(|c| w[i * cols + c] * w[j * cols + c]).sum()
                        };
                        assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-14);
                    }
                }
            }
        }
    }

    /// The variance of each law, over 40 000 entries, within five standard errors of the formula.
    #[test]
    fn initial_weights_have_the_stated_variance() {
        let (i, o) = (200.0, 200.0);
        for (init, variance) in [
            (Init::Pytorch, 1.0 / (3.0 * i)),
            (Init::XavierUniform, 2.0 / (i + o)),
            (Init::XavierNormal, 2.0 / (i + o)),
            (Init::KaimingUniform, 2.0 / i),
            (Init::KaimingNormal, 2.0 / i),
            (Init::LecunNormal, 1.0 / i),
            (Init::Orthogonal, 1.0 / i),
            (Init::Normal { variance: 3.0 }, 3.0 / i),
            (Init::WeightStd(vec![1.5, 1.0]), 2.25 / i),
            (Init::Uniform(Uniform::Between([-0.6, 0.6])), 0.12),
            (Init::Uniform(Uniform::Std(0.5)), 0.25),
        ] {
            let ntk = Net {
                hidden: vec![200],
                init: init.clone(),
                parameterization: Parameterization::Ntk,
                ..Net::default()
            };
            let w = &ntk.draw((200, 1), 3, 1, None)[..40_000];
            let measured = w.iter().map(|w| w * w).sum::<f64>() / 40_000.0;
            assert!(
                (measured / variance - 1.0).abs() < 5.0 * (2.0f64 / 40_000.0).sqrt(),
                "{init:?}"
            );
            let multiplier = ntk.multipliers(200, 1)[0];
            assert!(
                (multiplier * multiplier / variance - 1.0).abs() < 1e-12,
                "{init:?}"
            );
        }
    }

    /// The draws of the documented stream, on the interval; biases as the weights, unless they have
    /// a law of their own.
    #[test]
    fn uniform_weights_are_the_stream_s_numbers_on_the_interval() {
        let net = |init: Uniform, bias_init: Option<BiasInit>| Net {
            hidden: vec![3],
            init: Init::Uniform(init),
            bias_init,
            ..Net::default()
        };
        let between = |[low, high]: [f64; 2], part: u64, n: usize| -> Vec<f64> {
            let mut random = stream(5, 2, Purpose::Init, part);
            (0..n)
                .map(|_| low + (high - low) * random.uniform())
                .collect()
        };
        let law = Uniform::Between([-0.5, 2.0]);
        let weights = net(law, None).draw((2, 1), 5, 2, None);
        assert_eq!(weights[..6], between([-0.5, 2.0], 0, 6));
        assert_eq!(weights[6..9], between([-0.5, 2.0], 1, 3));
        let own = net(law, Some(BiasInit::Uniform(Uniform::Std(0.1)))).draw((2, 1), 5, 2, None);
        assert_eq!(own[..6], weights[..6]);
        let end = 0.1 * 3f64.sqrt();
        assert_eq!(own[6..9], between([-end, end], 1, 3));
    }
}

//! Where each weight matrix and bias vector stands in the flat parameters.

/// One weight matrix or bias vector in the flat parameters of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The name in PyTorch's `state_dict`.
    pub name: String,
    /// `[out, in]` for weights, `[out]` for biases.
    pub shape: Vec<usize>,
    /// Weight layer, from 0.
    pub layer: usize,
    /// First index in the flat parameters.
    pub start: usize,
    /// Whether it is a bias.
    pub is_bias: bool,
}

impl Tensor {
    /// Those of fully connected layers of such sizes, in the order of PyTorch's `state_dict`.
    pub fn of_layers(sizes: &[usize], bias: bool) -> Vec<Tensor> {
        let mut start = 0;
        let mut all = Vec::new();
        for (layer, pair) in sizes.windows(2).enumerate() {
            let mut push = |kind: &str, shape: Vec<usize>, is_bias| {
                let tensor = Tensor {
                    name: format!("{}.{kind}", 2 * layer),
                    shape,
                    layer,
                    start,
                    is_bias,
                };
                start += tensor.len();
                all.push(tensor);
            };
            push("weight", vec![pair[1], pair[0]], false);
            if bias {
                push("bias", vec![pair[1]], true);
            }
        }
        all
    }

    /// Numbers in it.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its indices in the flat parameters.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len()
    }
}

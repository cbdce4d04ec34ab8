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

//! What the backward pass of a model gives.

use tch::Tensor;

/// The gradient of all trained weights.
#[derive(Debug)]
pub struct Gradients {
    /// If word embeddings are trained: the rows that the batch has used, each once, ascending, and their gradient
    /// `[words, hidden]`.
    pub words: Option<(Vec<i64>, Tensor)>,
    /// The gradients of all other trained weights, in the order of the weights.
    pub tensors: Vec<Tensor>,
    /// All of them are so many times larger than they should be.
    pub scale: f64,
}

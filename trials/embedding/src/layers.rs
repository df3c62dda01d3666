//! Which weights a trial trains, and how fast each layer learns.

use hpo_protocol::embedding::Parameters;

use crate::error::{Error, Result};
use crate::model::Weights;

/// Where a weight stands in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Embeddings,
    /// A layer of the encoder, from 0 at the bottom.
    Layer(u64),
    /// On top of the encoder.
    Top,
}

fn depth(name: &str) -> Depth {
    if name.starts_with("embeddings.") {
        return Depth::Embeddings;
    }
    let layer = name
        .strip_prefix("encoder.layer.")
        .and_then(|rest| rest.split_once('.'));
    match layer.and_then(|(layer, _)| layer.parse().ok()) {
        Some(layer) => Depth::Layer(layer),
        None => Depth::Top,
    }
}

/// Whether a trial with these parameters trains the weight of that name.
pub fn is_trained(parameters: &Parameters, name: &str) -> bool {
    match depth(name) {
        // Below a frozen layer nothing can be trained that would not have to pass it.
        Depth::Embeddings => !parameters.freeze_embeddings && parameters.frozen_layers == 0,
        Depth::Layer(layer) => layer >= parameters.frozen_layers,
        Depth::Top => true,
    }
}

/// The learning rate of each weight as a share of the whole, in the order of the weights: 1 for the highest of `layers`
/// layers and what stands on it, `layer_decay` times less for each layer below, and once more for the embeddings
/// (discriminative fine-tuning; Howard & Ruder, 2018, section 3.2; Zhang et al., 2021, section 6).
///
/// # Errors
/// If more layers are frozen than there are.
pub fn shares(parameters: &Parameters, weights: &Weights, layers: usize) -> Result<Vec<f64>> {
    let layers = layers as u64;
    if parameters.frozen_layers > layers {
        let frozen = parameters.frozen_layers;
        return Err(Error::Invalid(format!(
            "`frozen_layers` is {frozen}, but the model has {layers}; freeze {} or fewer",
            layers - 1
        )));
    }
    if !weights.iter().any(|(name, _)| is_trained(parameters, name)) {
        return Err(Error::Invalid(format!(
            "`frozen_layers` is {layers}: nothing is left to train; freeze {} or fewer",
            layers - 1
        )));
    }
    let below_top = |name: &str| match depth(name) {
        Depth::Embeddings => layers,
        Depth::Layer(layer) => layers - 1 - layer.min(layers - 1),
        Depth::Top => 0,
    };
    let share = |(name, _)| {
        parameters
            .layer_decay
            .powi(i32::try_from(below_top(name)).unwrap_or(i32::MAX))
    };
    Ok(weights.iter().map(share).collect())
}

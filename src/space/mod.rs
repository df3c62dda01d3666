//! The search space: which parameters there are and how a value of each is drawn.

mod distribution;
pub mod file;

pub use distribution::{Distribution, Value};

use serde::{Deserialize, Serialize};

/// The parameters of a study, in the order in which the study's file names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SearchSpace {
    /// No two have the same name.
    pub parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, as the trainer knows it.
    pub name: String,
    /// How its value is drawn.
    pub distribution: Distribution,
}

//! What the embedding trainer finds wrong with the base models of a study before there is a study.

use serde::{Deserialize, Serialize};

/// The argument with which the trainer examines base models instead of training: it reads [`Settings`](super::Settings) as JSON from its
/// standard input until that ends, and writes [`Examined`] to its standard output.
pub const EXAMINE: &str = "examine";

/// The answer of the trainer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// What [`release`](super::release) is.
    pub release: String,
    /// All that was found.
    pub flaws: Vec<Flaw>,
}

/// What would keep trials from being trained, or one from being better than another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// The value of the parameter that chooses the base model with which it was found, if trials choose.
    pub model: Option<String>,
    /// What it is in.
    pub of: Flawed,
    /// What is wrong; names the file, if one is at fault.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

/// What a flaw is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flawed {
    /// The base model.
    Model,
    /// The prompts of that name, or the study's.
    Prompts(Option<String>),
}

//! What can go wrong in the trainer.

use std::path::{Path, PathBuf};

use tch::TchError;

/// An error of the trainer, worded for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libtorch refused an operation.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
    /// A file could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write` …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A training or validation file is malformed.
    #[error("{0}; {help}", help = .0.help)]
    Data(#[from] hpo_data::DataError),
    /// A file of the model or a checkpoint is not what it should be.
    #[error("`{}`: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to fix it.
        message: String,
    },
    /// A prompt leaves no room for a text.
    #[error("the prompt {prompt:?} alone has {max_length} tokens or more, and `max_length` is {max_length}: {PROMPT}")]
    Prompt {
        /// The prompt.
        prompt: String,
        /// The tokens that it and a text may have together.
        max_length: usize,
    },
    /// Texts that differ are the same tokens to the model.
    #[error("{what}: {}", words(*max_length))]
    Alike {
        /// A sentence that says which.
        what: String,
        /// The tokens at which texts are cut.
        max_length: usize,
    },
    /// Memory is lacking.
    #[error("out of memory: {bytes} more bytes cannot be allocated")]
    Memory {
        /// How much was asked for.
        bytes: usize,
    },
    /// Settings or parameters are out of range.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// The error of `action` on `path`, as a closure for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether memory was lacking, on whatever device: a smaller batch may fit.
    pub fn is_out_of_memory(&self) -> bool {
        let text = match self {
            Self::Memory { .. } => return true,
            Self::Torch(error) => error.to_string(),
            Self::Io { .. }
            | Self::Data(_)
            | Self::File { .. }
            | Self::Prompt { .. }
            | Self::Alike { .. }
            | Self::Invalid(_) => {
                return false;
            }
        };
        ["out of memory", "can't allocate memory", "not enough memory"]
            .iter()
            .any(|sign| text.contains(sign))
    }

    /// The error that `path` is not what it should be.
    pub fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

/// How to fix a prompt that leaves no room.
pub const PROMPT: &str = "shorten it, or raise `max_length`";

/// How to fix that texts are alike which are cut at so many tokens.
pub fn words(max_length: usize) -> String {
    format!(
        "use a model that knows these words, or a `max_length` under `[trial]` above {max_length}, at which texts are cut, if they begin alike"
    )
}

/// The result of the trainer's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// libtorch puts a C++ backtrace after the first line.
fn first_line(error: &TchError) -> String {
    let text = if let TchError::Torch(message) = error {
        message.clone()
    } else {
        error.to_string()
    };
    text.lines().next().unwrap_or_default().to_owned()
}

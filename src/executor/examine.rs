//! Has the embedding trainer examine base models before there is a study.

use std::io::Write;
use std::process::{Command, Stdio};

use hpo_protocol::Values;
use hpo_protocol::embedding::{EXAMINE, Examined, Flaw, release};

use super::Own;
use super::gpu::Gpu;
use crate::diagnostic::visible;

/// Why the trainer has not examined base models.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// It is not on this machine.
    #[error("{} is neither beside hpo nor on the PATH", Own::Embedding.name())]
    Missing,
    /// It can't be started, or its answer can't be read.
    #[error("{program} can't be asked: {source}")]
    Unasked {
        /// The trainer.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It understands something else, as one of another release may.
    #[error("{0} is of another release than hpo")]
    Release(String),
    /// It has broken down.
    #[error("{program}, the trainer, could not examine the base model: {how}{said}")]
    Broken {
        /// The trainer.
        program: String,
        /// How it has ended.
        how: String,
        /// What it has printed last.
        said: String,
    },
}

/// All that the trainer on this machine finds wrong with the base models of a study that has these settings. It takes as long as loading
/// these models.
///
/// # Errors
/// If it does not say.
pub fn examine(settings: &Values) -> Result<Vec<Flaw>, ExamineError> {
    let words = Own::Embedding.command().ok_or(ExamineError::Missing)?;
    let program = words.first().cloned().unwrap_or_default();
    let unasked = |source| ExamineError::Unasked {
        program: program.clone(),
        source,
    };
    let mut command = Command::new(&program);
    // A GPU would be of no use for the moment that it takes.
    let command = command.arg(EXAMINE).env(Gpu::VISIBLE, "");
    let streams = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = streams.spawn().map_err(unasked)?;
    if let Some(mut input) = child.stdin.take() {
        let settings = serde_json::to_vec(settings).map_err(|error| unasked(error.into()))?;
        // One that does not read them says why.
        let _ = input.write_all(&settings);
    }
    let output = child.wait_with_output().map_err(unasked)?;
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        let last = printed.lines().rfind(|line| !line.trim().is_empty());
        return Err(ExamineError::Broken {
            program,
            how: hpo_script::describe(output.status),
            said: last.map_or(String::new(), |line| format!("; it said last: {}", visible(line))),
        });
    }
    match serde_json::from_slice::<Examined>(&output.stdout) {
        Ok(examined) if examined.release == release() => Ok(examined.flaws),
        Ok(_) | Err(_) => Err(ExamineError::Release(program)),
    }
}

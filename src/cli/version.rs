//! `hpo --version`.

use std::process::{Command, Stdio};

use crate::executor::Own;

/// The version, the commit if it is known, and what the embedding trainer says of itself.
pub(super) fn whole() -> String {
    let commit = commit().unwrap_or("unknown");
    format!(
        "{}\ncommit: {commit}\ntrainer: {}",
        env!("CARGO_PKG_VERSION"),
        trainer()
    )
}

/// The commit that the program was built from, if it is known.
pub(super) fn commit() -> Option<&'static str> {
    option_env!("HPO_COMMIT").filter(|commit| !commit.is_empty())
}

fn trainer() -> String {
    let command = Own::Embedding.command().unwrap_or_default();
    let Some(program) = command.first() else {
        return "not found beside hpo or on the PATH".into();
    };
    match trainer_says(program) {
        Ok(lines) => lines.join("\n  "),
        Err(why) => format!("{program} does not run: {why}"),
    }
}

/// What a trainer says of itself, a line each.
///
/// # Errors
/// Why it does not run.
pub(super) fn trainer_says(program: &str) -> Result<Vec<String>, String> {
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let answer = asked.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match answer.status.success() {
        true => Ok(text(&answer.stdout).lines().map(str::to_owned).collect()),
        false => Err(text(&answer.stderr)),
    }
}

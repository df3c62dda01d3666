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
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    match asked {
        Ok(answer) if answer.status.success() => String::from_utf8_lossy(&answer.stdout).trim().replace('\n', "\n  "),
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.stderr);
            format!("{program} does not run: {}", said.trim())
        }
        Err(error) => format!("{program} does not run: {error}"),
    }
}

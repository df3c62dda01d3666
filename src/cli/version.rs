//! `hpo --version`.

use std::process::{Command, Stdio};

use super::run::embedding_trainer;

/// The version, the commit if it is known, and what the embedding trainer says of itself.
pub(super) fn whole() -> String {
    let commit = option_env!("HPO_COMMIT").filter(|commit| !commit.is_empty());
    let commit = commit.unwrap_or("unknown");
    format!(
        "{}\ncommit: {commit}\ntrainer: {}",
        env!("CARGO_PKG_VERSION"),
        trainer()
    )
}

fn trainer() -> String {
    let Ok(program) = embedding_trainer() else {
        return "not found beside hpo or on the PATH".into();
    };
    let asked = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
    match asked {
        Ok(answer) if answer.status.success() => String::from_utf8_lossy(&answer.stdout).trim().replace('\n', "\n  "),
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.stderr);
            format!("{} does not run: {}", program.display(), said.trim())
        }
        Err(error) => format!("{} does not run: {error}", program.display()),
    }
}

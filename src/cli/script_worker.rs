//! The worker that trains with a script: `hpo` itself.

use super::CliError;

/// The name of its verb, which is no command for people.
pub(super) const NAME: &str = "script-worker";

/// The command that starts one.
///
/// # Errors
/// If this program can't be found.
pub(super) fn command() -> Result<Vec<String>, CliError> {
    let own = std::env::current_exe().map_err(|error| {
        let help = "start it by its whole path";
        CliError::usage(format!("hpo can't find its own program: {error}"), help)
    })?;
    Ok(vec![own.to_string_lossy().into_owned(), NAME.to_owned()])
}

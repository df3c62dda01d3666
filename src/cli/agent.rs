//! `hpo agent`.

use super::CliError;
use super::run::Private;
use crate::executor::agent;
use crate::signals::Signals;

/// The arguments of `hpo agent`: what it is started for comes as its input.
#[derive(Debug, clap::Args)]
pub(super) struct Agent {}

impl Agent {
    /// Does what an `hpo` on another machine asks for, and returns the exit code.
    ///
    /// # Errors
    /// If it can't begin.
    pub(super) fn run(&self) -> Result<u8, CliError> {
        let _private = Private::new();
        let failed = |error: std::io::Error| CliError::Failed(format!("the agent can't be started: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let code = runtime.block_on(async {
            let mut signals = Signals::listen()?;
            Ok(agent::serve(async move { signals.received().await }).await)
        });
        // It may be reading its input still.
        runtime.shutdown_background();
        code.map_err(failed)
    }
}

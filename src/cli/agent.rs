//! `hpo agent`.

use super::CliError;
use super::run::Private;
use crate::executor::{Leaving, agent};
use crate::signals::{Signals, Warning};

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
            let (mut signals, mut warning) = (Signals::listen()?, Warning::listen()?);
            let has_to_leave = async move {
                tokio::select! {
                    () = signals.received() => Leaving::Asked,
                    () = warning.received() => Leaving::TimeLimit,
                }
            };
            Ok(agent::serve(has_to_leave).await)
        });
        // It may be reading its input still.
        runtime.shutdown_background();
        code.map_err(failed)
    }
}

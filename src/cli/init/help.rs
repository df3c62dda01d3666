//! Has a training script print what options it has.

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, copy, sink};
use tokio::process::{Child, Command};

use crate::diagnostic::visible;
use crate::signals::Signals;

/// How long it may take: a script may import much before it looks at its arguments.
const LIMIT: Duration = Duration::from_secs(60);

/// So many bytes of what it prints are read.
const MOST: u64 = 1 << 20;

/// Why a script does not say what options it has.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelpError {
    /// It can't be run.
    #[error("can't be run: {0}")]
    Io(#[from] std::io::Error),
    /// It has failed.
    #[error("has failed ({how}){said}")]
    Failed {
        /// How it has ended.
        how: String,
        /// What it has printed last.
        said: String,
    },
    /// It goes on and on.
    #[error("had not ended after {} s and was killed: it does something else than to print its options", .0.as_secs())]
    TooLong(Duration),
    /// The user has stopped it.
    #[error("stopped")]
    Stopped,
}

/// A process and all in its group, who are killed with it.
struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // It may have gone by itself.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// What a command prints if `--help` is added to it, with these variables in its environment. Nothing else is run.
///
/// # Errors
/// If it fails, or does not end.
pub(super) fn ask(command: &[String], environment: &[(String, String)]) -> Result<String, HelpError> {
    ask_within(command, environment, LIMIT)
}

fn ask_within(command: &[String], environment: &[(String, String)], limit: Duration) -> Result<String, HelpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut group = start(command, environment)?;
        tokio::select! {
            said = finished(&mut group) => said,
            () = tokio::time::sleep(limit) => Err(HelpError::TooLong(limit)),
            () = signals.received() => Err(HelpError::Stopped),
        }
    })
}

fn start(command: &[String], environment: &[(String, String)]) -> Result<Group, HelpError> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| std::io::Error::from(ErrorKind::InvalidInput))?;
    let child = Command::new(program)
        .args(arguments)
        .arg("--help")
        // Lines as long as they want to be, and without colours.
        .envs([
            ("COLUMNS", "160"),
            ("TERMINAL_WIDTH", "160"),
            ("NO_COLOR", "1"),
            ("TERM", "dumb"),
        ])
        .env_remove("FORCE_COLOR")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    Ok(Group { child, id })
}

async fn finished(group: &mut Group) -> Result<String, HelpError> {
    let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
    let (out, err) = tokio::try_join!(read(out), read(err))?;
    let status = group.child.wait().await?;
    // Its number is free now.
    group.id = None;
    match status.success() {
        true => Ok(format!("{out}\n{err}")),
        false => Err(failed(status, if err.trim().is_empty() { &out } else { &err })),
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut text = Vec::new();
    if let Some(stream) = stream {
        let mut stream = stream.take(MOST);
        stream.read_to_end(&mut text).await?;
        copy(&mut stream.into_inner(), &mut sink()).await?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn failed(status: ExitStatus, printed: &str) -> HelpError {
    let last = printed.lines().rfind(|line| !line.trim().is_empty());
    HelpError::Failed {
        how: hpo_script::describe(status),
        said: last.map_or(String::new(), |line| {
            format!("; it said last: {}", visible(line.trim()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_goes_on_and_on_is_given_up() {
        let command = ["bash", "-c", "sleep 1000 & sleep 1000"].map(str::to_owned);
        let error = ask_within(&command, &[], Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, HelpError::TooLong(_)), "{error}");
    }
}

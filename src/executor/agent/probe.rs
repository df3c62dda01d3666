//! What a machine is found to be before trials run on it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ask::{Answer, AskError, ask};
use super::message::{Note, ProbeOrder, Probed, Request};
use crate::clock::now;
use crate::devices::{LaunchSettings, MachineSettings};
use crate::diagnostic::visible;
use crate::disk::{make_private, remove_abandoned};
use crate::executor::launcher::{CommandLauncher, LaunchError};
use crate::executor::slots::Site;
use crate::ids::Timestamp;
use crate::shell::command;
use crate::study::{Input, Trainer};

/// What must be the same on all machines.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// A directory that all have to see: that of the study, or that in which it will be.
    pub directory: &'a Path,
    /// The trainer.
    pub trainer: &'a Trainer,
    /// Of the files that the trainer's settings name, those whose content matters, by their roles.
    pub roles: Vec<String>,
}

/// A machine that can train.
#[derive(Debug)]
pub struct Found {
    /// The machine.
    pub site: Site,
    /// How far its clock is ahead of the one here at the least, in milliseconds; negative if it is behind.
    pub clock_ahead: i64,
    /// What the files there are, by their roles, or why they can't be read.
    pub inputs: Vec<(String, Result<Vec<Input>, String>)>,
}

/// Why a machine can't train.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing answers there.
    #[error("{0}")]
    NoAnswer(String),
    /// The launch command can't be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// `hpo` is of another version there; what it is, in words.
    #[error("{0}")]
    Version(String),
    /// The event loop that waits for it can't be started, or the files by which it is tested can't be written here.
    #[error("can't find out whether it sees the same files: {0}")]
    Here(#[from] io::Error),
    /// It does not see the study's directory.
    #[error("it does not see the same directory {} as this machine: {why}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with it there.
        why: String,
    },
    /// The trainer can't run there; why, in words.
    #[error("{0}")]
    Trainer(String),
}

impl ProbeError {
    /// What to do about it.
    pub fn help(&self, launch: &LaunchSettings) -> String {
        match self {
            Self::NoAnswer(_) | Self::Launch(_) => {
                let words = launch.command.iter().chain([&launch.hpo]).map(String::as_str);
                let by_hand = command(words.chain(["--version"]));
                format!(
                    "this must print the version of hpo, and ask for nothing such as a password: {by_hand}; an hpo that is not on the PATH \
                     there is named by its absolute path as `hpo`"
                )
            }
            Self::Version(_) => "install the same version on both machines, or name another one there as `hpo`".to_owned(),
            Self::Here(_) | Self::Directory { .. } => {
                "the study's directory must be on a file system that both machines mount at the same path, and the same user must be able \
                 to write to it; name another directory for studies with --studies"
                    .to_owned()
            }
            Self::Trainer(_) => "install it there, at the same path if the study's file names one".to_owned(),
        }
    }
}

impl From<AskError> for ProbeError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Launch(error) => Self::Launch(error),
            AskError::Ended { .. } | AskError::Silent { .. } => Self::NoAnswer(error.to_string()),
            AskError::Version { .. } => Self::Version(error.to_string()),
        }
    }
}

/// Looks at the machine that a launch command leads to; `number` is another one for each that is looked at. It takes as long as the
/// machine takes to answer, and must not be called on a thread that runs a tokio runtime.
///
/// # Errors
/// If no trial can run there.
pub fn probe(
    number: usize,
    settings: &MachineSettings,
    launch: &LaunchSettings,
    wanted: &Wanted<'_>,
) -> Result<Found, ProbeError> {
    let shared = Shared::write(wanted.directory, number)?;
    let request = Request::Probe(ProbeOrder {
        shared: shared.file.clone(),
        trainer: wanted.trainer.clone(),
        roles: wanted.roles.clone(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Answer { hello, between, note } = runtime.block_on(ask(launch, &request))?;
    runtime.shutdown_background();
    let probed = match note {
        Note::Probed(probed) => *probed,
        Note::Hello(_) | Note::Busy | Note::Ended { .. } | Note::Exited { .. } | Note::Leaving { .. } => {
            return Err(ProbeError::NoAnswer(
                "hpo answers there what it was not asked".to_owned(),
            ));
        }
    };
    let Probed {
        mut machine, inputs, ..
    } = shared.check(probed, wanted)?;
    let host = visible(&hello.host);
    for complaint in &mut machine.complaints {
        *complaint = format!("{host}: {}", visible(complaint));
    }
    Ok(Found {
        site: Site {
            machine,
            settings: settings.clone(),
            launcher: Arc::new(CommandLauncher::new(launch.clone())),
            host: Some(host),
        },
        clock_ahead: ahead(hello.clock, between),
        inputs,
    })
}

/// How far a clock that was read at some moment between two others is ahead of them at the least.
fn ahead(clock: Timestamp, (before, after): (Timestamp, Timestamp)) -> i64 {
    let difference = |from: Timestamp| i64::try_from(clock.0).unwrap_or(i64::MAX) - i64::try_from(from.0).unwrap_or(0);
    match (difference(before), difference(after)) {
        (late, _) if late < 0 => late,
        (_, early) => early.max(0),
    }
}

/// A file that the other machine has to see. It is removed when dropped, with the answer.
struct Shared {
    file: PathBuf,
    content: String,
}

impl Shared {
    fn write(directory: &Path, number: usize) -> io::Result<Self> {
        let process = std::process::id();
        // Processes of other machines have other numbers.
        let begins = format!(".machines.{}.", rustix::system::uname().nodename().to_string_lossy());
        remove_abandoned(directory, |name| name.strip_prefix(&begins));
        let own = directory.join(format!("{begins}{process}"));
        match make_private(&own) {
            // Another machine is looked at too.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let shared = Self {
            file: own.join(number.to_string()),
            content: format!("{process} {}", now().0),
        };
        fs::write(&shared.file, &shared.content)?;
        Ok(shared)
    }

    fn answer(&self) -> PathBuf {
        self.file.with_extension("answer")
    }

    /// What was found, if it was found where it should be.
    fn check(&self, probed: Probed, wanted: &Wanted<'_>) -> Result<Probed, ProbeError> {
        let another = || "what is there is another one".to_owned();
        let same = match (&probed.read, &probed.written) {
            (Err(why), _) => Err(format!("`{}` can't be read there: {why}", self.file.display())),
            (Ok(read), _) if *read != self.content => Err(another()),
            (Ok(_), Err(why)) => Err(format!("nothing can be written to it there: {why}")),
            (Ok(_), Ok(written)) => match fs::read_to_string(self.answer()) {
                Ok(answer) if answer == *written => Ok(()),
                Ok(_) | Err(_) => Err(another()),
            },
        };
        same.map_err(|why| ProbeError::Directory {
            directory: wanted.directory.to_owned(),
            why: visible(&why),
        })?;
        match &probed.trainer {
            Err(why) => Err(ProbeError::Trainer(
                why.lines().map(visible).collect::<Vec<_>>().join("\n    "),
            )),
            Ok(Some(said)) if !said.split_whitespace().any(|word| word == env!("CARGO_PKG_VERSION")) => {
                let (said, own) = (visible(said), env!("CARGO_PKG_VERSION"));
                Err(ProbeError::Version(format!(
                    "the trainer there is not of version {own} as hpo is: it says `{said}`"
                )))
            }
            Ok(_) => Ok(probed),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.answer());
        let _ = fs::remove_file(&self.file);
        if let Some(directory) = self.file.parent() {
            // It stays for as long as another machine is looked at.
            let _ = fs::remove_dir(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_only_if_the_time_that_the_answer_took_does_not_explain_it() {
        let of = |clock| ahead(Timestamp(clock), (Timestamp(1_000), Timestamp(3_000)));
        assert_eq!([0, 1_000, 2_000, 3_000, 10_000].map(of), [-1_000, 0, 0, 0, 7_000]);
    }
}

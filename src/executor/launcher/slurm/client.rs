//! What is asked of Slurm, by its own commands.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::getuid;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::words::{help, is_away};
use crate::devices::SlurmSettings;
use crate::diagnostic::visible;

/// How long a command may take. Those of Slurm give up by themselves on a controller that does not answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// What Slurm does not do.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// Its commands are not there.
    #[error("`{0}` can't be started: {1}")]
    Missing(&'static str, std::io::Error),
    /// Its controller does not answer, but may do so later.
    #[error("Slurm does not answer: {0}")]
    Away(String),
    /// It refuses; what it says, and what to do.
    #[error("Slurm refuses it: {said}")]
    Refused {
        /// What it says.
        said: String,
        /// What to do.
        help: &'static str,
    },
    /// The partition does not allow jobs to be as long.
    #[error("`time_limit` is {wanted} minutes, and the partition {partition} allows {longest} at most")]
    TooLong {
        /// The partition.
        partition: String,
        /// The time that is asked for, in minutes.
        wanted: u64,
        /// The time that it allows, as Slurm writes it.
        longest: String,
    },
}

impl SlurmError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Missing(..) => "run hpo on a machine that has the commands of Slurm",
            Self::Away(_) => "`sinfo` shows whether Slurm answers",
            Self::Refused { help, .. } => help,
            Self::TooLong { .. } => "lower `time_limit`: what is trained goes on in another job",
        }
    }
}

/// What has become of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, for this reason.
    Pending(String),
    /// It runs.
    Runs,
    /// It is suspended.
    Suspended,
    /// It has ended so; in Slurm's word.
    Ended(String),
}

/// A job as Slurm has it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) state: State,
}

/// The words that unset what a command would otherwise take from the job that it is started in.
pub(super) fn without_job() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let of_job = names.filter(|name| name.starts_with("SLURM_") && name != "SLURM_CONF");
    let unset: Vec<String> = of_job.flat_map(|name| ["-u".to_owned(), name]).collect();
    match unset.is_empty() {
        true => unset,
        false => ["env".to_owned()].into_iter().chain(unset).collect(),
    }
}

/// What `sbatch` is told, but for what makes one job differ from another.
pub(super) fn arguments(settings: &SlurmSettings) -> Vec<String> {
    let SlurmSettings {
        partition,
        account,
        minutes,
        ..
    } = settings;
    // Long enough before the end to save. Slurm looks twice a minute, and may be early.
    let seconds = if *minutes == Some(1) { 30 } else { 60 };
    let mut arguments = vec![
        "--nodes=1".to_owned(),
        "--ntasks=1".to_owned(),
        // One that was lost is submitted anew at once.
        "--no-requeue".to_owned(),
        format!("--signal=URG@{seconds}"),
    ];
    let named = [("partition", partition.clone()), ("account", account.clone())];
    let time = ("time", minutes.map(|minutes| minutes.to_string()));
    let named = named.into_iter().chain([time]);
    arguments.extend(named.filter_map(|(name, value)| Some(format!("--{name}={}", value?))));
    arguments.extend(resources(settings));
    arguments
}

/// What both jobs and steps are told.
pub(super) fn resources(settings: &SlurmSettings) -> Vec<String> {
    let SlurmSettings {
        gres,
        memory,
        cpus,
        arguments,
        ..
    } = settings;
    let named = [("gres", gres), ("mem", memory)];
    let named = named
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)));
    let always = ["--chdir=/".to_owned(), format!("--cpus-per-task={cpus}")];
    always
        .into_iter()
        .chain(named)
        .chain(arguments.iter().cloned())
        .collect()
}

/// Looks whether Slurm would take a job, without submitting it.
///
/// # Errors
/// If it does not answer, or would refuse it.
pub(super) async fn would_take(settings: &SlurmSettings) -> Result<(), SlurmError> {
    let mut words = vec!["--test-only".to_owned()];
    words.extend(arguments(settings));
    run("sbatch", &words, "#!/bin/sh\n").await?;
    let Some(wanted) = settings.minutes else { return Ok(()) };
    let mut words = vec!["show".to_owned(), "partition".to_owned(), "--oneliner".to_owned()];
    words.extend(
        settings
            .partition
            .iter()
            .flat_map(|names| names.split(','))
            .next()
            .map(str::to_owned),
    );
    let shown = run("scontrol", &words, "").await?;
    let own = |line: &&str| settings.partition.is_some() || line.contains(" Default=YES ");
    let Some(line) = shown.lines().find(own) else {
        return Ok(());
    };
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    match field("MaxTime=") {
        Some(longest) if in_minutes(longest).is_some_and(|most| wanted > most) => Err(SlurmError::TooLong {
            partition: field("PartitionName=").unwrap_or_default().to_owned(),
            wanted,
            longest: longest.to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// The minutes of a time as Slurm writes it: `days-hours:minutes:seconds`, the days only if there are any. None if it is no limit.
fn in_minutes(time: &str) -> Option<u64> {
    let (days, time) = time.split_once('-').unwrap_or(("0", time));
    let mut parts = time.split(':').map(str::parse::<u64>);
    let (hours, minutes) = (parts.next()?.ok()?, parts.next()?.ok()?);
    Some((days.parse::<u64>().ok()? * 24 + hours) * 60 + minutes)
}

/// Submits a job and returns its number.
///
/// # Errors
/// If Slurm does not take it.
pub(super) async fn submit(words: &[String], script: &str) -> Result<String, SlurmError> {
    let said = run("sbatch", words, script).await?;
    // With several clusters, the cluster stands behind it.
    let id = said.trim().split(';').next().unwrap_or_default().to_owned();
    match id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Err(SlurmError::Away(format!(
            "sbatch printed no number of a job but `{}`",
            visible(said.trim())
        ))),
        false => Ok(id),
    }
}

/// All jobs of the user that Slurm still knows, by their numbers.
///
/// # Errors
/// If Slurm does not answer.
pub(super) async fn list() -> Result<BTreeMap<String, Seen>, SlurmError> {
    let user = format!("--user={}", getuid().as_raw());
    let words = ["--noheader", "--states=all", &user, "--format=%i|%T|%j|%r"].map(str::to_owned);
    Ok(run("squeue", &words, "").await?.lines().filter_map(seen).collect())
}

fn seen(line: &str) -> Option<(String, Seen)> {
    let mut fields = line.splitn(4, '|').map(str::trim);
    let (id, state, name, reason) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let state = match state {
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" => {
            State::Pending(reason.to_owned())
        }
        "RUNNING" | "RESIZING" | "SIGNALING" => State::Runs,
        "SUSPENDED" | "STOPPED" => State::Suspended,
        ended => State::Ended(ended.to_owned()),
    };
    let name = name.to_owned();
    Some((id.to_owned(), Seen { name, state }))
}

/// Cancels jobs. Those that have ended are none of its business.
pub(super) async fn cancel(ids: &[String]) {
    if !ids.is_empty()
        && let Err(error) = run("scancel", ids, "").await
    {
        tracing::warn!(%error, ?ids, "jobs can't be cancelled");
    }
}

/// Runs one of the commands to its end, whoever waits for it, and returns what it has printed.
async fn run(program: &'static str, words: &[String], input: &str) -> Result<String, SlurmError> {
    let prefix = without_job();
    let mut all = prefix.iter().map(String::as_str).chain([program]);
    let mut command = Command::new(all.next().unwrap_or(program));
    command
        .args(all)
        .args(words)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C in the terminal is for hpo.
        .process_group(0);
    let missing = |error| SlurmError::Missing(program, error);
    let mut child = command.spawn().map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended already, and then says why.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let Ok(output) = timeout(PATIENCE, child.wait_with_output()).await else {
        let seconds = PATIENCE.as_secs();
        return Err(SlurmError::Away(format!(
            "`{program}` has not ended for {seconds} seconds"
        )));
    };
    let Output { status, stdout, stderr } = output.map_err(missing)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if status.success() {
        return Ok(text(&stdout));
    }
    let stderr = text(&stderr);
    let lines = stderr
        .lines()
        .map(|line| line.trim_start_matches(&format!("{program}: error: ")));
    let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).map(visible).collect();
    let said = match lines.is_empty() {
        true => format!("`{program}` ended with {status}"),
        false => lines.join("; "),
    };
    Err(match is_away(&said) {
        true => SlurmError::Away(said),
        false => SlurmError::Refused {
            help: help(&said),
            said,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_slurm_writes_them() {
        let minutes = ["01:00:00", "1-00:30:00", "UNLIMITED", "00:30:00"].map(in_minutes);
        assert_eq!(minutes, [Some(60), Some(24 * 60 + 30), None, Some(30)]);
    }

    #[test]
    fn a_line_of_the_queue_says_what_has_become_of_a_job() {
        let state = |line| seen(line).map(|(id, seen)| (id, seen.state));
        let of = |id: &str, state| Some((id.to_owned(), state));
        assert_eq!(
            state("7|PENDING|hpo-a-b-0|ReqNodeNotAvail, UnavailableNodes:n[0-3]"),
            of(
                "7",
                State::Pending("ReqNodeNotAvail, UnavailableNodes:n[0-3]".to_owned())
            )
        );
        assert_eq!(state("8|RUNNING|x|None"), of("8", State::Runs));
        assert_eq!(
            state("9|NODE_FAIL|x|None"),
            of("9", State::Ended("NODE_FAIL".to_owned()))
        );
        assert_eq!(state("slurm_load_jobs error"), None);
    }
}

//! Running a study to its end: what `search`, `resume` and `train` have in common.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hpo_protocol::embedding::release;
use rustix::fs::Mode;
use rustix::process::umask;
use tracing_subscriber::EnvFilter;

use super::dashboard::Beside;
use super::informed::Informed;
use super::machines::{Machines, Needs};
use super::study::{Studies, print};
use super::{CliError, limits, origin};
use crate::devices::{Devices, Reach, SlotSettings};
use crate::executor::{Inspection, Own, Program};
use crate::session::{Cancellation, Ended, Outcome, Session, WorkerProcesses};
use crate::shell::command;
use crate::signals::{Signals, Suspended};
use crate::store::{Store, StudyDirectory, StudyReader};
use crate::study::{Limits, Study, StudySpec, Trainer, TrialStatus, TrialSummary};
use crate::study_file::NotifySettings;
use crate::view::{self, Progress, Suspension, Verbosity, notify};
use crate::words::{self, counted};

/// How many trials the final table shows.
const SHOWN: usize = 10;

/// While it lives, all files that hpo and its workers create are accessible to the user only.
pub(super) struct Private {
    before: Mode,
}

impl Private {
    pub(super) fn new() -> Self {
        Self {
            before: umask(Mode::RWXG | Mode::RWXO),
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        umask(self.before);
    }
}

/// Where a study's trials run, and what is shown meanwhile.
#[derive(Debug, clap::Args)]
pub(super) struct SlotArguments {
    /// Where trials run: auto, cpu, or GPU numbers such as 0,1 [default: as the study's file says, or auto]
    #[arg(long, allow_negative_numbers = true)]
    devices: Option<Devices>,

    /// Serve a page that shows the search, as `hpo dashboard` does, until it ends; on this port [default: 8765, or the next one that is
    /// free]
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true)]
    dashboard: Option<Option<u16>>,

    /// Print only errors, warnings and the result
    #[arg(long, short)]
    quiet: bool,

    /// Print every report, not only those by which trials are compared
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
}

/// What happens around a search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// Who is told what happens.
    pub notified: Option<&'a NotifySettings>,
    /// Whether there is a dashboard, and its port if that was given.
    pub dashboard: Option<Option<u16>>,
    /// The command that resumes the search if the user stops it.
    pub again: &'a str,
    /// How much is said meanwhile.
    pub verbosity: Verbosity,
}

impl SlotArguments {
    /// The command that does the same again.
    pub(super) fn command<'w>(&self, words: impl IntoIterator<Item = &'w OsStr>, studies: &Studies) -> String {
        let devices = self.devices.iter();
        let devices = devices.flat_map(|devices| ["--devices".into(), devices.to_string().into()]);
        let dashboard = self.dashboard.map(|port| match port {
            Some(port) => format!("--dashboard={port}").into(),
            None => "--dashboard".into(),
        });
        let words = words.into_iter().map(OsStr::to_owned);
        command(
            ["hpo".into()]
                .into_iter()
                .chain(words)
                .chain(studies.option())
                .chain(devices)
                .chain(dashboard),
        )
    }

    /// What happens around the search, which this command resumes.
    pub(super) fn around<'a>(&self, notified: Option<&'a NotifySettings>, again: &'a str) -> Around<'a> {
        Around {
            notified,
            dashboard: self.dashboard,
            again,
            verbosity: self.verbosity(),
        }
    }

    pub(super) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Usual,
        }
    }

    /// The settings of the study's file, overridden by the arguments.
    ///
    /// # Errors
    /// If they do not say what of the settings they override.
    pub(super) fn over(&self, settings: &SlotSettings) -> Result<SlotSettings, CliError> {
        let mut settings = settings.clone();
        match (&self.devices, settings.machines.as_mut_slice()) {
            (None, _) => {}
            (Some(_), [machine]) if matches!(machine.reach, Reach::Slurm(_)) => {
                return Err(CliError::usage(
                    "--devices does not choose what Slurm gives",
                    "ask for it in the study's file: `gres = \"gpu:1\"`",
                ));
            }
            (Some(devices), [machine]) => machine.devices.clone_from(devices),
            (Some(_), machines) => {
                let tables = machines.iter().filter_map(|machine| machine.place.clone());
                return Err(CliError::usage(
                    format!(
                        "--devices does not say which of the {} machines it is for",
                        machines.len()
                    ),
                    format!(
                        "write `devices` in the tables: {}",
                        tables.collect::<Vec<_>>().join(", ")
                    ),
                ));
            }
        }
        Ok(settings)
    }
}

/// The trainer of a study. It is looked for before anything is written, unless it runs on other machines only.
///
/// # Errors
/// If the trainer that comes with `hpo` is not found.
pub(super) fn program(
    spec: &StudySpec,
    trainer: &Trainer,
    directory: &StudyDirectory,
    here: bool,
) -> Result<Program, CliError> {
    let own = match (&trainer.command, trainer.script) {
        (None, _) => Some(Own::Embedding),
        (Some(_), true) => Some(Own::Script),
        (Some(_), false) => None,
    };
    let command = match own {
        None => trainer.command.clone().unwrap_or_default(),
        Some(own) => match own.command() {
            Some(command) => command,
            None if !here => vec![own.name().to_owned()],
            None => {
                return Err(CliError::usage(
                    format!("can't find {}, the program that trains", own.name()),
                    "build and install both with `make install`, or put it next to hpo or on the PATH",
                ));
            }
        },
    };
    let settings = match &trainer.command {
        Some(command) if trainer.script => hpo_script::settings(command, &spec.objective.metric, &trainer.settings),
        Some(_) | None => trainer.settings.clone(),
    };
    Ok(Program {
        command,
        directory: trainer.directory.clone(),
        study: spec.name.clone(),
        settings,
        release: trainer.command.is_none().then(release),
        own,
        cache: directory.cache(),
        inspection: Inspection::default(),
    })
}

/// Takes over the study that was read, and [`run`]s it on the machines of these settings.
pub(super) fn go_on(
    directory: &StudyDirectory,
    reader: StudyReader,
    trainer: &Trainer,
    settings: &SlotSettings,
    limits: Option<Limits>,
    around: Around<'_>,
) -> Result<Ended, CliError> {
    origin::tell_changed_program(&reader, trainer);
    let origin = reader.origin().cloned();
    let store = reader.take_over(directory.lock()?)?;
    let needs = Needs {
        seen: directory.root(),
        name: &store.study.spec().name,
        trainer,
        origin: origin.as_ref(),
    };
    let machines = Machines::find(settings, &needs)?;
    run(directory, store, trainer, &machines, limits, around)
}

/// Runs the study in `directory` on these machines, with its trainer as its files are now, up to `limits`, or its own, until nothing is
/// left to train, and prints the outcome.
pub(super) fn run(
    directory: &StudyDirectory,
    store: Store,
    trainer: &Trainer,
    machines: &Machines,
    limits: Option<Limits>,
    around: Around<'_>,
) -> Result<Ended, CliError> {
    let spec = store.study.spec().clone();
    let mut program = program(&spec, trainer, directory, machines.has_this())?;
    program.inspection = origin::inspection(directory, trainer, &spec.name);
    let slots = machines.slots(Some(spec.threads))?;
    limits::Needs::of_search(slots.len()).check()?;
    log_to(directory)?;
    for complaint in machines.complaints() {
        notify(&format!("note: {complaint}"));
    }
    let names: Vec<String> = slots.iter().map(|slot| slot.name()).collect();
    let verb = if store.study.trials().is_empty() {
        "starts"
    } else {
        "resumes"
    };
    if around.verbosity > Verbosity::Quiet {
        notify(&format!(
            "study {} {verb} in {} on {} ({})",
            spec.name,
            directory.root().display(),
            counted(slots.len(), "slot"),
            words::listed(names.into_iter(), "; ")
        ));
    }

    let beside = around.dashboard.and_then(|port| Beside::start(directory, port));
    let progress = Progress::new(around.verbosity, directory.root(), slots.len());
    let cancellation = cancelled_by_signals(progress.suspension())?;
    let mut informed = Informed::new(progress, around.notified, beside, &store.study, directory);
    let session = Session::new(directory.clone(), store);
    let ended = session.run(WorkerProcesses { program, slots }, limits, &mut informed, &cancellation);
    informed.finish(&ended);
    let ended = ended?;
    match ended.outcome {
        Outcome::Stopped => {
            notify(&format!(
                "stopped; nothing recorded is lost. Resume with:\n  {}",
                around.again
            ));
            Err(CliError::Stopped)
        }
        Outcome::Finished | Outcome::Limited(_) => {
            if let Outcome::Limited(limit) = ended.outcome {
                notify(&view::limit_reached(ended.study.spec(), limit));
            }
            let ranked = ended.database.as_ref().and_then(|database| database.best(SHOWN).ok());
            let best = ranked.unwrap_or_else(|| {
                let best = ended.study.best().map(|best| ended.study.summary(best));
                best.into_iter().collect()
            });
            print_outcome(&ended.study, directory, best, ended.model.as_ref())?;
            Ok(ended)
        }
    }
}

/// A cancellation that is requested by every signal that asks the process to stop. Before one suspends it, the live lines are removed.
fn cancelled_by_signals(suspension: Suspension) -> Result<Cancellation, CliError> {
    let cancellation = Cancellation::new();
    let signals = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| {
            let listening =
                runtime.block_on(async { Ok::<_, std::io::Error>((Signals::listen()?, Suspended::listen()?)) });
            Ok((listening?, runtime))
        });
    let ((mut signals, mut suspended), runtime) =
        signals.map_err(|source| CliError::Failed(format!("can't listen for signals: {source}")))?;
    std::thread::spawn({
        let cancellation = cancellation.clone();
        move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        () = signals.received() => cancellation.cancel(),
                        () = suspended.received() => {
                            suspension.clear();
                            Suspended::suspend();
                        }
                    }
                }
            })
        }
    });
    Ok(cancellation)
}

/// Prints the outcome of a study that has nothing left to do, as [`run`] does at its end.
pub(super) fn print_finished(reader: &StudyReader) -> Result<(), CliError> {
    let study = reader.study();
    let objective = &study.spec().objective;
    let key = |row: &TrialSummary| {
        let cost = row.objective.map_or(f64::INFINITY, |value| objective.signed(value));
        (
            row.feasible == Some(false),
            row.state != TrialStatus::Completed,
            cost,
            row.trial,
        )
    };
    let mut rows = Vec::new();
    // In chunks: the rows of all trials together take as much memory as the study.
    for trials in study.trials().chunks(1000) {
        let more = trials.iter().map(|trial| study.summary(trial));
        rows.extend(more.filter(|row| row.objective.is_some() && row.confirms.is_none()));
        rows.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal));
        rows.truncate(SHOWN);
    }
    let model = reader.directory().best_model();
    let model = model.exists().then_some(Ok(model));
    match study.halted() {
        Some(limit) => notify(&view::limit_reached(study.spec(), limit)),
        None => notify(&format!("study {} is finished", study.spec().name)),
    }
    print_outcome(study, reader.directory(), rows, model.as_ref())
}

/// Prints the outcome of a finished study; it is an error if no trial has a result.
fn print_outcome(
    study: &Study,
    directory: &StudyDirectory,
    best: Vec<TrialSummary>,
    model: Option<&Result<PathBuf, String>>,
) -> Result<(), CliError> {
    let width = view::size_of_stdout().map(|(columns, _)| columns);
    print(&view::outcome(study, directory, best, model, width))?;
    match study.best() {
        None if study.is_finished() => Err(CliError::Failed(without_result(study, directory))),
        Some(_) | None => Ok(()),
    }
}

/// Why a finished study has no result: what failed last, in its own words.
fn without_result(study: &Study, directory: &StudyDirectory) -> String {
    let mut trials = study.trials().iter().rev();
    let last = trials.find_map(|trial| Some((trial.id, trial.state.failure()?)));
    let logs = directory.logs();
    let has_log = study.trials().iter().any(|trial| {
        let log = format!("{}.log", StudyDirectory::trial_checkpoints(trial.id));
        logs.join(log).exists()
    });
    let logs = match has_log {
        true => format!("; their logs are in {}", logs.display()),
        false => String::new(),
    };
    match last {
        Some((trial, message)) => {
            format!("every trial has failed or diverged{logs}; trial {trial} failed last: {message}")
        }
        None => {
            let metric = &study.spec().objective.metric;
            format!("every trial has diverged: none has reported a finite `{metric}`{logs}")
        }
    }
}

/// Sends tracing to the study's log, at the level that `RUST_LOG` sets [default: `info`].
fn log_to(directory: &StudyDirectory) -> Result<(), CliError> {
    let path: &Path = &directory.logs().join("hpo.log");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| CliError::Output {
            what: path.display().to_string(),
            source,
        })?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        // A full disk is reported where it matters.
        .log_internal_errors(false)
        .with_writer(Mutex::new(file));
    // A second study in the same process, as in tests of the library, keeps the first one's log.
    let _ = subscriber.try_init();
    Ok(())
}

//! `hpo export`.

use std::path::{Path, PathBuf};

use super::number::trial;
use super::study::{ask, print, read};
use super::{CliError, run};
use crate::devices::{Devices, SlotSettings};
use crate::executor::{self, Machine};
use crate::export::{self, Card, Format};
use crate::ids::TrialId;
use crate::signals::Signals;
use crate::store::StudyReader;
use crate::study::{Study, StudySpec, Tested, Trial, TrialSummary};
use crate::view::{metric, notify};

/// The arguments of `hpo export`.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The study: its name or its directory
    study: PathBuf,

    /// The format of the configuration
    #[arg(long, value_enum, default_value = "toml")]
    format: Format,

    /// Write the configuration to this file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write the fine-tuned model to this directory, for sentence-transformers; it must not exist
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// Export this trial instead of the best one; its model only if its checkpoint is kept, see `keep_checkpoints`
    #[arg(long, value_name = "TRIAL", allow_negative_numbers = true, value_parser = trial)]
    trial: Option<TrialId>,

    /// Write the best trial's model even if it is no better than the untrained one
    #[arg(long)]
    force: bool,
}

impl Export {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        let (trial, text) = ask(studies, Some(&self.study), |records, _| {
            let spec = records.spec();
            let trial = match self.trial {
                Some(id) => {
                    let trial = records.trial(id)?.ok_or_else(|| {
                        CliError::usage(format!("the study {} has no trial {id}", spec.name), "see hpo trials")
                    })?;
                    TrialSummary::new(&trial, &spec.objective)
                }
                None => records.best().ok_or_else(|| nothing_yet(spec))?,
            };
            let text = export::configuration(spec, &trial, self.format)
                .map_err(|error| CliError::Failed(format!("the configuration can't be written: {error}")))?;
            Ok((trial.trial, text))
        })?;
        if let Some(model) = &self.model {
            let reader = read(studies, Some(&self.study))?;
            if self.trial.is_none() && !self.force {
                refuse_untrained(reader.study())?;
            }
            write_model(&reader, trial, model)?;
            notify(&format!("model of trial {trial} written to {}", model.display()));
        }
        match &self.output {
            Some(path) => std::fs::write(path, text).map_err(|source| CliError::Output {
                what: path.display().to_string(),
                source,
            }),
            None => print(&text),
        }
    }
}

fn nothing_yet(spec: &StudySpec) -> CliError {
    CliError::usage(
        format!("the study {} has no result yet", spec.name),
        "wait for its first report: see hpo status",
    )
}

/// Of a trial whose model is gone, or has never been.
fn not_kept(reader: &StudyReader, trial: &Trial) -> CliError {
    let (id, study) = (trial.id, reader.directory().root().display());
    if trial.best().is_none() {
        let help = "trials that have one have a value in the table: see hpo trials";
        return CliError::usage(format!("trial {id} has no result, so it has no model"), help);
    }
    let kept = reader.study().spec().keep_checkpoints;
    let help = format!(
        "train it again with: hpo export {study} --trial {id} --output trial-{id}.toml && hpo train --config trial-{id}.toml --output \
         MODEL_DIRECTORY; or begin a study with a higher `keep_checkpoints` under `[study]`"
    );
    let models = if kept == 1 {
        "the best model is".into()
    } else {
        format!("the best {kept} models are")
    };
    CliError::usage(format!("the model of trial {id} was not kept: only {models}"), help)
}

/// A model directory is never overwritten.
pub(super) fn refuse_existing(directory: &Path) -> Result<(), CliError> {
    // A link counts too, whatever it points to.
    if directory.symlink_metadata().is_ok() {
        return Err(CliError::usage(
            format!("{} already exists", directory.display()),
            "name a directory that does not exist",
        ));
    }
    Ok(())
}

/// A model that is no better than the one that it was made of is not worth shipping.
fn refuse_untrained(study: &Study) -> Result<(), CliError> {
    let objective = &study.spec().objective;
    let untrained = study.baseline().and_then(|it| objective.measured(it));
    let best = study.best().and_then(|best| study.summary(best).objective);
    match untrained.zip(best) {
        Some((untrained, best)) if !objective.is_better(best, untrained) => Err(CliError::usage(
            format!(
                "the best trial is no better than the untrained model: {} {}, untrained {}",
                objective.metric,
                metric(best),
                metric(untrained)
            ),
            "use the untrained model, or write it nevertheless with --force",
        )),
        _ => Ok(()),
    }
}

/// Has the trainer write a trial's model to a new directory.
pub(super) fn write_model(reader: &StudyReader, trial: TrialId, directory: &Path) -> Result<(), CliError> {
    refuse_existing(directory)?;
    let study = reader.study();
    let trial = study.trial(trial).ok_or_else(|| nothing_yet(study.spec()))?;
    let checkpoint = trial.best_checkpoint().ok_or_else(|| not_kept(reader, trial))?;
    let program = run::program(study.spec(), reader.directory())?;
    // Copying weights needs no GPU, and the memory of those present may be full.
    let settings = SlotSettings {
        devices: Devices::Cpu,
        ..SlotSettings::default()
    };
    let slots = run::slots(&Machine::this(), &settings, Some(study.spec().threads))?;
    let slot = slots
        .into_iter()
        .next()
        .ok_or_else(|| CliError::Failed("there is no slot".into()))?;
    let failed = |reason: String| CliError::Failed(format!("the model can't be written: {reason}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    export::clear(directory);
    let partial = export::partial(directory);
    let written = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|error| failed(error.to_string()))?;
        let export = executor::export_model(slot, program, reader.directory(), checkpoint.clone(), partial);
        tokio::select! {
            written = export => written.map_err(|error| failed(error.to_string())),
            () = signals.received() => Err(CliError::Stopped),
        }
    });
    // This also ends the worker, if it is still running.
    runtime.shutdown_background();
    let placed = written.and_then(|(partial, [test, untrained])| {
        let id = trial.id;
        let tested = test.map(|measurement| Tested {
            trial: id,
            measurement,
            untrained,
        });
        let card = Card::of(study, trial, tested.as_ref());
        let written = card.map_or(Ok(()), |card| card.write(&partial));
        let placed = written.and_then(|()| export::place(&partial, directory));
        placed.map_err(|error| failed(error.to_string()))
    });
    if placed.is_err() {
        export::clear(directory);
    }
    placed
}

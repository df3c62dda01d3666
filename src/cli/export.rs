//! `hpo export`.

use std::path::{Path, PathBuf};

use super::machines::{self, Machines, Needs};
use super::number::trial;
use super::output::{check_output, refuse_existing, write};
use super::study::{Studies, ask, objective_named, print, read};
use super::{CliError, export_trials, origin, run};
use crate::executor;
use crate::export::{self, Card, Format, Output, TrialFormat, Unwritable};
use crate::ids::TrialId;
use crate::shell::about;
use crate::signals::Signals;
use crate::store::{Records, StudyDirectory, StudyReader};
use crate::study::{Study, StudySpec, Trial, TrialSummary};
use crate::view::{breaks, named_with_values, no_better_than, notify};
use crate::words::counted;

/// The arguments of `hpo export`.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The study: its name, its directory, or its file
    study: PathBuf,

    /// The format of the configuration [default: toml]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Write to this file, which must not exist [default: standard output]; with --trials, the directory or the address of its format
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write all trials in this format, instead of the best configuration
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["format", "model", "trial"])]
    trials: Option<TrialFormat>,

    /// Write a row for each report instead of for each trial; for csv and parquet
    #[arg(long, requires = "trials")]
    reports: bool,

    /// Go on writing what is new until the search ends
    #[arg(long, requires_all = ["trials", "output"])]
    follow: bool,

    /// Write the fine-tuned model to this directory, for sentence-transformers; it must not exist. The configuration is then written
    /// only if --format or --output is given
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// Export this trial instead of the best one; its model only if its checkpoint is kept, see `keep_checkpoints`
    #[arg(long, value_name = "TRIAL", allow_negative_numbers = true, value_parser = trial)]
    trial: Option<TrialId>,

    /// Of a study with several objectives, export the trial that is the best by this one
    #[arg(long, value_name = "METRIC", conflicts_with_all = ["trial", "trials"])]
    prefer: Option<String>,

    /// Write the best trial's model even if it is no better than the untrained one or breaks what the study requires, and replace what was written before
    #[arg(long)]
    force: bool,
}

impl Export {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        if let Some(format) = self.trials {
            let output = Output {
                target: self.output.clone(),
                reports: self.reports,
                force: self.force,
            };
            return export_trials::run(studies, &self.study, format, output, self.follow);
        }
        if let Some(path) = &self.output {
            check_output(path, self.force)?;
        }
        let (trial, text) = ask(studies, Some(&self.study), |records, directory| {
            let spec = records.spec();
            let trial = match self.trial {
                Some(id) => {
                    let trial = records.trial(id)?.ok_or_else(|| no_trial(spec, id, directory))?;
                    TrialSummary::new(&trial, spec)
                }
                None => self.chosen(records, directory)?,
            };
            let moved = origin::moved(spec, directory);
            let text =
                export::configuration(&moved, &trial, self.format.unwrap_or(Format::Toml)).map_err(unwritable)?;
            Ok((trial.trial, text))
        })?;
        if let Some(model) = &self.model {
            let reader = read(studies, Some(&self.study))?;
            if self.trial.is_none() && self.prefer.is_none() && !self.force {
                refuse_infeasible(reader.study())?;
                refuse_untrained(reader.study())?;
            }
            write_model(&reader, trial, model)?;
            notify(&format!("model of trial {trial} written to {}", model.display()));
            if self.format.is_none() && self.output.is_none() {
                return Ok(());
            }
        }
        match &self.output {
            Some(path) => {
                write(path, text.as_bytes(), self.force)?;
                notify(&format!("configuration of trial {trial} written to {}", path.display()));
                Ok(())
            }
            None => print(&text),
        }
    }
}

impl Export {
    /// The best trial, or of several that no other dominates the one that is preferred.
    fn chosen(&self, records: Records<'_>, directory: &StudyDirectory) -> Result<TrialSummary, CliError> {
        let spec = records.spec();
        let best = || records.best().ok_or_else(|| nothing_yet(spec, directory));
        let Some(metric) = &self.prefer else {
            let overview = records.overview();
            return match overview.front.as_slice() {
                [] | [_] => best(),
                front => Err(CliError::usage(
                    format!(
                        "the study {} has {} of which none dominates another: {}",
                        spec.name,
                        counted(front.len(), "trial"),
                        named_with_values(front)
                    ),
                    "choose one with --trial N, or the best by one objective with --prefer METRIC",
                )),
            };
        };
        if !spec.has_several() {
            return Err(CliError::usage(
                format!("the study {} has one objective, {}", spec.name, spec.objective.metric),
                "leave --prefer out",
            ));
        }
        let objective = objective_named(spec, metric)?;
        let cost = |row: &TrialSummary| {
            let value = row.objectives.get(metric);
            value.map_or(f64::INFINITY, |value| objective.signed(*value))
        };
        let overview = records.overview();
        let preferred = overview.front.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
        preferred.cloned().ok_or_else(|| nothing_yet(spec, directory))
    }
}

fn unwritable(error: Unwritable) -> CliError {
    match error {
        Unwritable::Value(_) => CliError::Failed(format!("the configuration can't be written: {error}")),
        Unwritable::Collision { .. } | Unwritable::Reserved { .. } | Unwritable::Help { .. } => CliError::usage(
            error.to_string(),
            "use --format json, yaml or toml, which have the parameters' own names",
        ),
        Unwritable::NotPassed => CliError::usage(error.to_string(), "use --format env or json"),
        Unwritable::NoScript => CliError::usage(error.to_string(), "use --format args, json, yaml or toml"),
    }
}

fn no_trial(spec: &StudySpec, id: TrialId, directory: &StudyDirectory) -> CliError {
    let trials = about(directory.root(), ["trials"]);
    CliError::usage(
        format!("the study {} has no trial {id}", spec.name),
        format!("list its trials: {trials}"),
    )
}

fn nothing_yet(spec: &StudySpec, directory: &StudyDirectory) -> CliError {
    let status = about(directory.root(), ["status"]);
    CliError::usage(
        format!("the study {} has no result yet", spec.name),
        format!("wait for its first report: {status}"),
    )
}

/// Of a trial whose model is gone, or has never been.
fn not_kept(reader: &StudyReader, trial: &Trial) -> CliError {
    let (id, study) = (trial.id, reader.directory().root());
    if trial.best().is_none() {
        let trials = about(study, ["trials"]);
        let help = format!("trials that have one have a value in the table: {trials}");
        return CliError::usage(format!("trial {id} has no result, so it has no model"), help);
    }
    let spec = reader.study().spec();
    if spec.trainer.script && reader.study().checkpoint_files().is_empty() {
        let help =
            "have it write what is worth keeping to {checkpoint_dir}, and search with another `name` under `[study]`";
        return CliError::usage("the script left nothing in its checkpoint directory to export", help);
    }
    let kept = spec.keep_checkpoints;
    let export = about(study, ["export"]);
    let help = format!(
        "train it again with: {export} --trial {id} --output trial-{id}.toml && hpo train --config trial-{id}.toml --output \
         model-{id}; or begin a study with a higher `keep_checkpoints` under `[study]`"
    );
    let models = match kept {
        1 => "the best model is".into(),
        kept => format!("the best {kept} models are"),
    };
    CliError::usage(format!("the model of trial {id} was not kept: only {models}"), help)
}

/// A model that breaks what the study requires is not worth shipping.
fn refuse_infeasible(study: &Study) -> Result<(), CliError> {
    let best = study.best().map(|best| study.summary(best));
    match best.and_then(|best| Some((best.trial, breaks(&best)?))) {
        None => Ok(()),
        Some((trial, breaks)) => Err(CliError::usage(
            format!("no trial fulfils what the study requires: the best, trial {trial}, {breaks}"),
            "search further or relax `require` in a new study, or write it nevertheless with --force",
        )),
    }
}

/// A model that is no better than one that was there before is not worth shipping.
fn refuse_untrained(study: &Study) -> Result<(), CliError> {
    if study.improves() != Some(false) {
        return Ok(());
    }
    let best = study.best().map(|best| study.summary(best)).zip(study.baseline());
    let values = best.and_then(|(best, untrained)| no_better_than(study.spec(), &best, untrained));
    Err(CliError::usage(
        format!("the best trial is no better than {}", values.unwrap_or_default()),
        "use the untrained model, or write it nevertheless with --force",
    ))
}

/// Has the trainer write a trial's model to a new directory.
pub(super) fn write_model(reader: &StudyReader, trial: TrialId, directory: &Path) -> Result<(), CliError> {
    refuse_existing(directory)?;
    let study = reader.study();
    let trial = (study.trial(trial)).ok_or_else(|| nothing_yet(study.spec(), reader.directory()))?;
    let checkpoint = trial.best_checkpoint().ok_or_else(|| not_kept(reader, trial))?;
    let trainer = origin::trainer(reader)?;
    let needs = Needs {
        seen: machines::parent(directory),
        name: &study.spec().name,
        trainer: &trainer,
        origin: None,
    };
    let settings = machines::for_export(&machines::latest(reader).unwrap_or_default());
    let machines = Machines::find(&settings, &needs)?;
    let program = run::program(study.spec(), &trainer, reader.directory(), machines.has_this())?;
    let slots = machines.slots(Some(study.spec().threads))?;
    let slot = slots
        .into_iter()
        .next()
        .ok_or_else(|| CliError::Failed("there is no slot".into()))?;
    let failed = |reason: String| CliError::Failed(format!("the model can't be written: {reason}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    export::prepare(directory).map_err(|source| CliError::Output {
        what: directory.display().to_string(),
        source,
    })?;
    let partial = export::partial(directory);
    let written = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|error| failed(error.to_string()))?;
        let known = (checkpoint.clone(), study.evaluated(trial));
        let export = executor::export_model(slot, program, reader.directory(), known, partial);
        tokio::select! {
            written = export => written.map_err(|error| failed(error.to_string())),
            () = signals.received() => Err(CliError::Stopped),
        }
    });
    // This also ends the worker, if it is still running.
    runtime.shutdown_background();
    let placed = written.and_then(|(partial, results)| {
        let card = Card::of(study, trial, &results);
        let written = card.map_or(Ok(()), |card| card.write(&partial));
        let placed = written.and_then(|()| export::place(&partial, directory));
        placed.map_err(|error| failed(error.to_string()))
    });
    if placed.is_err() {
        export::clear(directory);
    }
    placed
}

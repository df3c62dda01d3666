//! `hpo space`.

use std::path::PathBuf;

use clap::Subcommand;
use hpo_protocol::Values;
use serde_json::json;

use super::CliError;
use super::checked::check_files;
use super::machines::{self, Machines};
use super::study::{print, print_json};
use crate::clock::now;
use crate::ids::SlotId;
use crate::study::{Event, Study, StudySpec, Trial};
use crate::study_file::{self, StudyFile};
use crate::view::{self, notify};

/// How many configurations are shown.
const SAMPLES: usize = 5;

/// The verbs of `hpo space`.
#[derive(Debug, Subcommand)]
pub(super) enum Space {
    /// Check a study's file and the files that it names, and print its space, the size of the space, what stands before texts, and the first
    /// configurations
    Check(Check),
}

/// The arguments of `hpo space check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The study's file
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Space {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Self::Check(check) = self;
        let file = study_file::read(&check.file)?;
        let checked = check_files(&file)?;
        let data = &checked.data;
        let prompts = data
            .as_ref()
            .map_or(Vec::new(), |data| study_file::prompts_in_use(&file, data.kind));
        if let Some(data) = data {
            notify(&data.to_string());
        }
        machines::ask_slurm(&file.slots)?;
        checked.tell_unexamined();
        study_file::script_notes(&file).iter().for_each(|note| notify(note));
        let study = &file.study;
        let samples = samples(&file)?;
        if check.json {
            return print_json(&json!({
                "study": study.name,
                "space": study.space,
                "size": study.space.size(),
                "samples": samples,
                "prompts": prompts,
            }));
        }
        print(&view::space(&study.name, &study.space, &prompts, &samples))
    }
}

/// The configurations with which the search of a file begins on this machine, before there is any result. Other machines that it names
/// are not looked at.
fn samples(file: &StudyFile) -> Result<Vec<Values>, CliError> {
    let slots = Machines::assumed(&file.slots).slots(None)?;
    let threads = slots.first().map_or(1, |slot| slot.threads);
    let spec = file.study.spec(threads, file.study.brackets_for(slots.len()));
    // Asynchronous policies draw a configuration when a slot has nothing to do. What an adaptive sampler draws after the first results
    // is not known.
    let idle = match spec.sampler.is_adaptive() {
        true => slots.len().min(SAMPLES),
        false => SAMPLES,
    };
    Ok(first(spec, idle, SAMPLES)
        .into_iter()
        .map(|trial| trial.parameters)
        .collect())
}

/// The trials, at most so many, that are there once so many slots have nothing to do, before there is any result.
pub(super) fn first(spec: StudySpec, idle: usize, most: usize) -> Vec<Trial> {
    let mut study = Study::new(spec);
    let opened = Event::Opened {
        process: std::process::id(),
        slots: Vec::new(),
        limits: study.spec().limits(),
    };
    let idle = Event::Idle {
        slots: (0..idle as u32).map(SlotId).collect(),
    };
    for event in [opened, idle] {
        study.handle(now(), event);
    }
    study.trials().iter().take(most).cloned().collect()
}

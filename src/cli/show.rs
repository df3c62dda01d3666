//! `hpo show`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::CliError;
use super::number::trial;
use super::study::{print, print_json, read};
use crate::analysis::diagnosis::diagnose;
use crate::ids::TrialId;
use crate::study::TrialSummary;
use crate::view;
use crate::words::counted;

/// The arguments of `hpo show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The trial's number
    #[arg(allow_negative_numbers = true, value_parser = trial)]
    trial: TrialId,

    /// The study: its name or its directory [default: the most recently changed one]
    study: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(&self, studies: &Path) -> Result<(), CliError> {
        let reader = read(studies, self.study.as_deref())?;
        let study = reader.study();
        let trial = study.trial(self.trial).ok_or_else(|| {
            let count = counted(study.trials().len(), "trial");
            CliError::usage(
                format!("the study {} has no trial {}", study.spec().name, self.trial),
                format!("it has {count}, numbered from 0: see hpo trials"),
            )
        })?;
        if !self.json {
            return print(&view::trial_details(study, trial));
        }
        let reports = trial.reports.iter().map(|(resource, report)| {
            json!({
                "resource": resource,
                "at_ms": report.at,
                "loss": report.loss,
                "metrics": report.metrics,
                "checkpoint": report.checkpoint,
            })
        });
        let diagnosis = diagnose(trial, study.baseline());
        let unit = study.spec().policy.unit;
        print_json(&json!({
            "trial": TrialSummary::from(trial),
            "resource_unit": unit,
            "reports": reports.collect::<Vec<_>>(),
            "findings": diagnosis.findings.iter().map(|finding| finding.json(unit)).collect::<Vec<_>>(),
            "unknown": diagnosis.unknown().collect::<Vec<_>>(),
        }))
    }
}

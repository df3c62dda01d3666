//! `hpo show`.

use hpo_protocol::Baseline;
use serde_json::{Value, json};

use super::CliError;
use super::named::OneTrial;
use super::study::{Studies, as_json, ask, print};
use crate::analysis::diagnosis::diagnose;
use crate::ids::TrialId;
use crate::shell::about;
use crate::store::StudyDirectory;
use crate::study::{StudySpec, Trial, TrialSummary};
use crate::view;
use crate::words::counted;

/// The arguments of `hpo show`.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub(super) struct Show {
    #[command(flatten)]
    named: OneTrial,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let (study, id) = self.named.find(studies)?;
        let text = ask(studies, study, |records, directory| {
            let spec = records.spec();
            let trial = records
                .trial(id)?
                .ok_or_else(|| no_such_trial(directory, &spec.name, id, records.trials()))?;
            Ok(match self.json {
                true => as_json(&details(spec, records.baseline(), &trial)),
                false => view::trial_details(spec, records.baseline(), &trial),
            })
        })?;
        print(&text)
    }
}

/// That a study, which has so many trials, does not have this one.
pub(super) fn no_such_trial(directory: &StudyDirectory, study: &str, trial: TrialId, trials: usize) -> CliError {
    CliError::usage(
        format!("the study {study} has no trial {trial}"),
        format!(
            "it has {}, numbered from 0: {}",
            counted(trials, "trial"),
            about(directory.root(), ["trials"])
        ),
    )
}

/// Everything about a trial; `baseline` has the loss and metrics of the untrained models, if they were measured.
fn details(spec: &StudySpec, baseline: Option<&Baseline>, trial: &Trial) -> Value {
    let reports = trial.reports.iter().map(|(resource, report)| {
        json!({
            "resource": resource,
            "at_ms": report.at,
            "objective": report.cost.map(|cost| spec.objective.signed(cost)),
            "loss": report.loss,
            "metrics": report.metrics,
            "checkpoint": report.checkpoint,
        })
    });
    let untrained = baseline.and_then(|baseline| baseline.of(&trial.parameters));
    let diagnosis = diagnose(trial, untrained, &spec.objective);
    json!({
        "trial": TrialSummary::new(trial, spec),
        "resource_unit": spec.policy.unit,
        "reports": reports.collect::<Vec<_>>(),
        "findings": diagnosis.findings.iter().map(|finding| finding.json(spec)).collect::<Vec<_>>(),
        "unknown": diagnosis.unknown().collect::<Vec<_>>(),
    })
}

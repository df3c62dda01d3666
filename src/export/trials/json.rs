//! JSON.

use serde_json::{Value, json};

use super::table::WholeFile;
use super::{ExportError, Output, Sink, Trials};
use crate::clock::utc;
use crate::study::Trial;

pub(super) fn begin(output: Output) -> Result<Box<dyn Sink>, ExportError> {
    output.without_rows("json")?;
    Ok(WholeFile::begin(output, render))
}

/// A list of objects: what `hpo trials --json` has of a trial, when what happened to it, and its reports.
fn render(trials: Trials<'_>, _: bool) -> Result<Vec<u8>, ExportError> {
    let rows = trials.each().map(|(trial, times)| {
        let mut row = json!(trials.summary(trial));
        row["resource_unit"] = json!(trials.study.spec().policy.unit);
        row["created"] = json!(utc(times.created));
        row["started"] = json!(times.started.map(utc));
        row["ended"] = json!(times.ended.map(utc));
        row["reports"] = reports(trials, trial);
        row
    });
    Ok(format!("{:#}\n", Value::from_iter(rows)).into_bytes())
}

fn reports(trials: Trials<'_>, trial: &Trial) -> Value {
    let reports = trial.reports.iter().map(|(resource, report)| {
        json!({
            "resource": resource,
            "reported": utc(report.at),
            "objective": report.cost.map(|cost| trials.objective(cost)),
            "loss": report.loss,
            "metrics": report.metrics,
        })
    });
    Value::from_iter(reports)
}

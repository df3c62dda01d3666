//! The state and the outcome of a study, in words.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::confirmation::{confirmed, confirms};
use super::format::{duration, metric, number, value};
use super::table::{TrialTable, trial_table};
use crate::analysis::diagnosis::{Kind, diagnose, summarise};
use crate::analysis::{foresight, importance};
use crate::ids::Timestamp;
use crate::store::StudyDirectory;
use crate::study::{ConfirmationSpec, Study, Trial, TrialState, TrialSummary};
use crate::words::counted;

/// The state of the study: one line on what it is, one on how far it is, the rungs, the best trial.
pub fn status(study: &Study, directory: &StudyDirectory, running: bool, now: Timestamp) -> String {
    let spec = study.spec();
    let counts = counts(study);
    let (created, updated) = study.lifetime();
    let state = state(study, running);
    let mut text = format!("study {} in {}\n", spec.name, directory.root().display());
    text += &match (state, study.scheduler()) {
        ("running", Some(scheduler)) => format!(
            "running for {} as process {} on {} ({})\n",
            duration(now.since(scheduler.since)),
            scheduler.process,
            counted(scheduler.slots.len(), "slot"),
            scheduler.slots.join("; ")
        ),
        ("finished", _) => format!("finished after {}\n", duration(updated.since(created))),
        _ => format!("stopped; resume with: hpo resume {}\n", directory.root().display()),
    };
    let told: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    text += &format!(
        "{} of {}: {}\n",
        study.search_trials().count(),
        counted(spec.trials, "trial"),
        told.join(", ")
    );
    let rungs = study.rungs().into_iter();
    let rungs = rungs.filter(|rung| rung.reached > 0 || rung.planned.is_some());
    let unit = spec.policy.unit.one();
    let rungs = rungs.map(|rung| match rung.planned {
        Some(planned) => format!("{unit} {}: {} of {planned}", rung.resource, rung.reached),
        None => format!("{unit} {}: {}", rung.resource, rung.reached),
    });
    text += &format!("rungs: {}\n", rungs.collect::<Vec<_>>().join(", "));
    text += &foretold(study);
    text += &important(study);
    text += &compute(study);
    text += &to_be_confirmed(study);
    text += &confirmed(study);
    if let Some(best) = study.best() {
        text += &best_line(study, best);
        text += &tested(study, best);
    }
    text + &findings(study)
}

/// [`status`] for programs.
pub fn status_json(study: &Study, directory: &StudyDirectory, running: bool) -> Value {
    let (created, updated) = study.lifetime();
    let rungs = study
        .rungs()
        .into_iter()
        .map(|rung| json!({ "resource": rung.resource, "reached": rung.reached, "size": rung.planned }));
    json!({
        "study": study.spec().name,
        "directory": directory.root(),
        "state": state(study, running),
        "trials": study.spec().trials,
        "states": counts(study).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "rungs": rungs.collect::<Vec<_>>(),
        "resource_unit": study.spec().policy.unit,
        "trained_resource": study.trained_resource(),
        "full_resource": study.full_resource(),
        "created_ms": created,
        "updated_ms": updated,
        "untrained": study.baseline(),
        "best": study.best().map(TrialSummary::from),
        "confirmation": study.confirmation(),
        "test": study.test().map(|(trial, measurement)| json!({ "trial": trial, "measurement": measurement })),
        "foresight": foresight(study),
        "importance": importance(study),
        "findings": summarise(study),
    })
}

fn state(study: &Study, running: bool) -> &'static str {
    match (running, study.is_finished()) {
        (true, _) => "running",
        (false, true) => "finished",
        (false, false) => "stopped",
    }
}

/// How many trials of the search are in each state.
fn counts(study: &Study) -> Vec<(&'static str, usize)> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for trial in study.search_trials() {
        let word = trial.state.word();
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    counts
}

fn compute(study: &Study) -> String {
    let trained = study.trained_resource();
    let ms: u64 = study.trials().iter().map(|trial| trial.trained_ms).sum();
    if trained == 0 {
        return String::new();
    }
    let unit = study.spec().policy.unit;
    let units = if trained == 1 { unit.one() } else { unit.many() };
    let told = format!("{trained} {units} trained in {} of slot time", duration(ms));
    if !study.is_finished() {
        let planned = study.planned_resource();
        return told + &planned.map_or(String::new(), |planned| format!(", of {planned} planned")) + "\n";
    }
    let searched: u64 = study.search_trials().map(Trial::resource).sum();
    let confirming = match trained - searched {
        0 => String::new(),
        epochs => format!(", {epochs} of them to confirm"),
    };
    let full = study.search_trials().count() as u64 * study.spec().policy.max_resource;
    let saved = 100.0 * (1.0 - searched as f64 / full as f64);
    format!("{told}{confirming}; all trials to the end would have been {full}: pruning saved {saved:.0} %\n")
}

/// What comes after the search, before it has begun.
fn to_be_confirmed(study: &Study) -> String {
    match study.spec().confirmation.filter(|_| !study.is_search_over()) {
        Some(ConfirmationSpec { configurations, seeds }) => {
            let are = if configurations == 1 { "is" } else { "are" };
            format!("after the search: the best {configurations} {are} trained again with {seeds} fresh seeds each\n")
        }
        None => String::new(),
    }
}

/// How well rungs predict the next ones.
fn foretold(study: &Study) -> String {
    let unit = study.spec().policy.unit;
    foresight(study).iter().map(|one| one.text(unit) + "\n").collect()
}

/// Which parameters matter.
fn important(study: &Study) -> String {
    let Some(importances) = importance(study) else {
        return String::new();
    };
    let share = |share: f64| format!("{:.0} %", 100.0 * share);
    let parameters = importances.parameters.iter();
    let parameters =
        parameters.map(|one| format!("{} {} ({} alone)", one.parameter, share(one.total), share(one.alone)));
    format!(
        "what the loss depends on: {}\n",
        parameters.collect::<Vec<_>>().join(", ")
    )
}

/// The loss and metrics of the best trial's model on the test data.
fn tested(study: &Study, best: &Trial) -> String {
    let Some((_, measurement)) = study.test().filter(|(trial, _)| *trial == best.id) else {
        return String::new();
    };
    let metrics = measurement.metrics.iter().filter(|(name, _)| *name != "mean_cosine");
    let metrics = metrics.map(|(name, value)| format!("  {name} {}", metric(*value)));
    format!(
        "on the test data, which no decision has used: loss {}{}\n",
        metric(measurement.loss),
        metrics.collect::<String>()
    )
}

fn best_line(study: &Study, best: &Trial) -> String {
    let Some((resource, loss)) = best.best() else {
        return String::new();
    };
    let mut text = format!(
        "best: trial {}{} with validation loss {} at {} {resource}",
        best.id,
        confirms(best),
        metric(loss),
        study.spec().policy.unit.one()
    );
    if let Some(untrained) = study.baseline() {
        text += &format!(" (untrained {})", metric(untrained.loss));
    }
    text + "\n"
}

/// What the curves of all trials show together; empty if there is nothing to say.
fn findings(study: &Study) -> String {
    let lines = summarise(study).into_iter().map(|summary| {
        let advice = summary.advice.map_or(String::new(), |advice| format!("    {advice}\n"));
        format!("  {}\n{advice}", summary.text())
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        format!("what the curves show, among the trials with enough reports:\n{lines}")
    }
}

/// The outcome of a search: the best trials (in the order given), what pruning saved, what the
/// curves show, the outcome of confirmation, and where the best model is, or
/// its checkpoint if the trainer writes no models.
pub fn outcome(
    study: &Study,
    directory: &StudyDirectory,
    best: Vec<TrialSummary>,
    model: Option<&Result<PathBuf, String>>,
) -> String {
    let left_out = study.search_trials().count() - best.len();
    let mut text = format!("\n{}\n", trial_table(study, &TrialTable { rows: best, left_out }));
    text += &compute(study);
    text += &foretold(study);
    text += &important(study);
    text += &findings(study);
    text += &confirmed(study);
    let Some(best) = study.best() else {
        return text + "no trial has a validation loss\n";
    };
    text += &best_line(study, best);
    if let (Some(before), Some((resource, _))) = (study.baseline(), best.best())
        && let Some(report) = best.reports.get(&resource)
    {
        for (name, after) in &report.metrics {
            if let Some(before) = before.metrics.get(name) {
                text += &format!("  {name}: {} -> {}\n", metric(*before), metric(*after));
            }
        }
    }
    text += &tested(study, best);
    match model {
        Some(Ok(path)) => text += &format!("best model: {}\n", path.display()),
        Some(Err(reason)) => {
            let study = directory.root().display();
            text += &format!(
                "the best model could not be written: {reason}\ntry again with: hpo export {study} --model DIR\n"
            );
        }
        None => {
            if let Some(checkpoint) = best.best_checkpoint() {
                text += &format!(
                    "best checkpoint: {}\n",
                    directory.checkpoints().join(&checkpoint.file).display()
                );
            }
        }
    }
    text + &format!("its configuration: hpo export {}\n", directory.root().display())
}

/// Everything about one trial.
pub fn trial_details(study: &Study, trial: &Trial) -> String {
    let unit = study.spec().policy.unit;
    let one = unit.one();
    let mut text = format!(
        "trial {}{} of the study {}: {}\n",
        trial.id,
        confirms(trial),
        study.spec().name,
        trial.state.word()
    );
    match &trial.state {
        TrialState::Failed { message } => text += &format!("  {message}\n"),
        TrialState::Waiting { to } => text += &format!("  waits for a slot, to train to {one} {to}\n"),
        TrialState::Running { to, slot, .. } => text += &format!("  on slot {slot}, to {one} {to}\n"),
        TrialState::Ahead { rung, to, slot, .. } => {
            text += &format!("  at {one} {rung}, until its rung is decided; meanwhile on slot {slot}, to {one} {to}\n");
        }
        TrialState::Paused { rung } => text += &format!("  at {one} {rung}, until its rung is decided\n"),
        TrialState::Pruned { rung } => text += &format!("  at {one} {rung}: others were better\n"),
        TrialState::Diverged { resource } => text += &format!("  its loss was not finite at {one} {resource}\n"),
        TrialState::Completed => {}
    }
    text += &format!(
        "  {} segments begun, {} failed, {} of training; seed {}\n",
        trial.attempts,
        trial.failures,
        duration(trial.trained_ms),
        trial.seed
    );
    text += "parameters\n";
    for (name, of) in &trial.parameters {
        text += &format!("  {name} = {}\n", value(of));
    }
    if !trial.reports.is_empty() {
        text += "reports\n";
    }
    let best = trial.best().map(|(resource, _)| resource);
    for (resource, report) in &trial.reports {
        let loss = report.loss.map_or("not finite".into(), metric);
        let metrics: Vec<String> = report
            .metrics
            .iter()
            .map(|(name, m)| format!("{name} {}", number(*m)))
            .collect();
        let mark = if Some(*resource) == best { "  (best)" } else { "" };
        text += &format!("  {one} {resource}: loss {loss}  {}{mark}\n", metrics.join("  "));
    }
    let diagnosis = diagnose(trial, study.baseline());
    if !diagnosis.findings.is_empty() {
        text += "what the curves show\n";
    }
    for finding in &diagnosis.findings {
        text += &format!(
            "  {}: {}\n    {}\n",
            finding.kind().name(),
            finding.text(unit),
            finding.advice()
        );
    }
    let unknown: Vec<&str> = diagnosis.unknown().map(Kind::name).collect();
    if !trial.reports.is_empty() && !unknown.is_empty() {
        text += &format!("too few reports or metrics to check: {}\n", unknown.join(", "));
    }
    for checkpoint in trial.checkpoints() {
        text += &format!("checkpoint {} ({} MB)\n", checkpoint.file, checkpoint.bytes / 1_000_000);
    }
    text
}

//! The state and the outcome of a study, in words.

use std::path::PathBuf;

use hpo_protocol::{Baseline, Measurement};
use serde_json::{Value, json};

use super::columns::minor;
use super::confirmation::{confirmed, confirms, to_be_confirmed};
use super::earlier::earlier;
use super::effort::{compute, left};
use super::failures::{failed, see};
use super::format::{duration, metric, number, value};
use super::front::front;
use super::required::{breaks, fulfilled, nothing_fulfils, required};
use super::results::{compared, tested};
use super::state::{LIMITED, PAUSED, state};
use super::table::{TrialTable, trial_table};
use super::untrained::found_nothing;
use crate::analysis::Overview;
use crate::analysis::diagnosis::{Kind, diagnose};
use crate::ids::Timestamp;
use crate::shell::about;
use crate::store::StudyDirectory;
use crate::study::{Limit, Objective, StopSpec, Study, StudySpec, Trial, TrialState, TrialSummary};
use crate::words::counted;

/// The state of the study: one line on what it is, one on how far it is, the rungs, the best trial. Tables fit into so many columns of a
/// terminal.
pub fn status(
    overview: &Overview,
    directory: &StudyDirectory,
    running: bool,
    now: Timestamp,
    width: Option<usize>,
) -> String {
    let spec = &overview.spec;
    let mut text = nothing_fulfils(overview) + &found_nothing(overview);
    text += &format!("study {} in {}\n", spec.name, directory.root().display());
    text += &match (state(overview, running), &overview.scheduler) {
        (PAUSED, Some(scheduler)) => format!(
            "paused by the user, in process {}; it goes on with: {}\n",
            scheduler.process,
            about(directory.root(), ["resume"])
        ),
        ("running", Some(scheduler)) => format!(
            "running for {} as process {} on {} ({})\n",
            duration(now.since(scheduler.since)),
            scheduler.process,
            counted(scheduler.slots.len(), "slot"),
            scheduler.slots.join("; ")
        ),
        (LIMITED, _) => overview
            .halted
            .map_or(String::new(), |limit| limit_reached(spec, limit) + "\n"),
        ("finished", _) => format!(
            "finished after {}\n",
            duration(overview.updated.since(overview.created))
        ),
        (_, _) if overview.paused.is_some() => {
            let pause = overview.paused.iter().map(ToString::to_string).collect::<String>();
            let again = about(directory.root(), ["resume"]);
            format!("paused: {pause}\n{}fix that, and resume with: {again}\n", see(&pause))
        }
        _ => format!("stopped; resume with: {}\n", about(directory.root(), ["resume"])),
    };
    text += &overview
        .earlier
        .as_ref()
        .map_or_else(String::new, |known| earlier(spec, known));
    let states = overview.states.iter();
    let states: Vec<String> = states
        .map(|(status, count)| format!("{count} {}", status.word()))
        .collect();
    text += &format!(
        "{} of {}: {}\n",
        overview.searched(),
        counted(spec.trials, "trial"),
        states.join(", ")
    );
    let rungs = overview.rungs.iter();
    let rungs = rungs.filter(|rung| rung.reached > 0 || rung.planned.is_some());
    let unit = spec.policy.unit.one();
    let rungs = rungs.map(|rung| match rung.planned {
        Some(planned) => format!("{unit} {}: {} of {planned}", rung.resource, rung.reached),
        None => format!("{unit} {}: {}", rung.resource, rung.reached),
    });
    text += &format!("rungs: {}\n", rungs.collect::<Vec<_>>().join(", "));
    text += &required(overview);
    text += &foretold(overview);
    text += &important(overview);
    text += &failed(overview, directory);
    text += &compute(overview);
    text += &left(overview, running, now);
    text += &to_be_confirmed(overview);
    text += &confirmed(overview, width);
    let all = about(directory.root(), ["trials", "--non-dominated"]);
    text += &front(overview, overview.baseline.as_ref(), &all, width);
    if let Some(best) = &overview.best {
        text += &best_line(overview, best);
        text += &tested(overview, best);
    }
    text + &findings(overview, directory)
}

/// That a limit has ended a search, and how it goes on.
pub fn limit_reached(spec: &StudySpec, limit: Limit) -> String {
    let StopSpec {
        time_ms,
        resource,
        no_better,
    } = spec.stop;
    let (name, what) = match limit {
        Limit::Time => ("time_limit", duration(time_ms.unwrap_or_default())),
        Limit::Resource => {
            let most = resource.unwrap_or_default();
            ("resource_limit", format!("{most} {}", spec.policy.unit.many()))
        }
        Limit::NoBetter => {
            let trials = counted(no_better.unwrap_or_default(), "trial");
            ("stop_when", format!("{trials} without a better one"))
        }
    };
    format!(
        "study {} ends at its limit, {what}; raise `{name}` and run the same command again to continue",
        spec.name
    )
}

/// [`status`] for programs.
pub fn status_json(overview: &Overview, directory: &StudyDirectory, running: bool) -> Value {
    let states = overview.states.iter().map(|(status, count)| (status.word(), count));
    json!({
        "study": overview.spec.name,
        "directory": directory.root(),
        "state": state(overview, running),
        "paused": overview.paused,
        "trials": overview.spec.trials,
        "states": states.collect::<std::collections::BTreeMap<_, _>>(),
        "rungs": overview.rungs,
        "resource_unit": overview.spec.policy.unit,
        "failures": overview.failures,
        "trained_resource": overview.trained_resource,
        "full_resource": overview.full_resource,
        "left_ms": overview.left_ms,
        "created_ms": overview.created,
        "updated_ms": overview.updated,
        "from": overview.earlier.as_ref().map(|earlier| {
            let mut known = json!(earlier);
            known["taken"] = json!(earlier.taken());
            known
        }),
        "objective": overview.spec.objective,
        "untrained": overview.baseline,
        "better_than_untrained": overview.improves,
        "required": overview.required,
        "further_objectives": overview.spec.further,
        "non_dominated": overview.front,
        "best": overview.best,
        "confirmation": overview.confirmation,
        "test": overview.test,
        "foresight": overview.foresight,
        "importance": overview.importance,
        "findings": overview.findings,
    })
}

/// How well rungs predict the next ones.
pub(super) fn foretold(overview: &Overview) -> String {
    let unit = overview.spec.policy.unit;
    overview.foresight.iter().map(|one| one.text(unit) + "\n").collect()
}

/// Which parameters matter.
pub(super) fn important(overview: &Overview) -> String {
    let share = |share: f64| format!("{:.0} %", 100.0 * share);
    let each = overview.spec.objectives().filter_map(|objective| {
        let parameters = overview.importance_for(objective)?.parameters.iter();
        let parameters =
            parameters.map(|one| format!("{} {} ({} alone)", one.parameter, share(one.total), share(one.alone)));
        let parameters: Vec<String> = parameters.collect();
        Some(format!(
            "what {} depends on: {}\n",
            called(objective),
            parameters.join(", ")
        ))
    });
    each.collect()
}

/// An objective in a sentence.
fn called(objective: &Objective) -> &str {
    match objective.is_loss() {
        true => "the loss",
        false => &objective.metric,
    }
}

pub(super) fn best_line(overview: &Overview, best: &TrialSummary) -> String {
    let Some((resource, value)) = best.best_at.zip(best.objective) else {
        return String::new();
    };
    let objective = &overview.spec.objective;
    let by = match overview.spec.has_several() {
        true => format!(" by {}", objective.metric),
        false => String::new(),
    };
    let mut text = format!(
        "best{by}: trial {}{} with {} {} at {} {resource}",
        best.trial,
        confirms(best.confirms),
        if objective.is_loss() {
            "validation loss"
        } else {
            &objective.metric
        },
        metric(value),
        overview.spec.policy.unit.one()
    );
    let untrained = overview.baseline.as_ref().and_then(|it| it.of(&best.parameters));
    if let Some(untrained) = untrained.and_then(|it| objective.measured(it)) {
        text += &format!(" (untrained {})", metric(untrained));
    }
    if let Some(loss) = best.loss.filter(|_| !objective.is_loss()) {
        text += &format!("; its validation loss is {}", metric(loss));
    }
    text += &breaks(best).map_or_else(String::new, |breaks| format!("; it {breaks}"));
    text + "\n"
}

/// What the curves of all trials show together; empty if there is nothing to say.
pub(super) fn findings(overview: &Overview, directory: &StudyDirectory) -> String {
    let lines = overview.findings.iter().map(|summary| {
        let advice = summary.advice.as_ref();
        let advice = advice.map_or(String::new(), |advice| format!("    {advice}\n"));
        format!("  {}\n{advice}", summary.text(directory.root()))
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
/// its checkpoint if the trainer writes no models. The table fits into so many columns of a terminal.
pub fn outcome(
    study: &Study,
    directory: &StudyDirectory,
    best: Vec<TrialSummary>,
    model: Option<&Result<PathBuf, String>>,
    width: Option<usize>,
) -> String {
    let overview = Overview::of(study);
    let left_out = overview.searched() - best.len();
    let all = about(directory.root(), ["trials"]);
    let left_out = (left_out > 0).then(|| format!("and {left_out} more: {all}"));
    let table = TrialTable {
        rows: best,
        left_out,
        columns: None,
        width,
        wide: format!("{all} --wide"),
    };
    let mut text = nothing_fulfils(&overview) + &found_nothing(&overview);
    text += &format!("\n{}\n", trial_table(study.spec(), study.baseline(), &table));
    text += &compute(&overview);
    text += &failed(&overview, directory);
    text += &required(&overview);
    text += &foretold(&overview);
    text += &important(&overview);
    text += &findings(&overview, directory);
    text += &confirmed(&overview, width);
    let Some(best) = &overview.best else {
        return text + "no trial has a result\n";
    };
    text += &front(&overview, study.baseline(), &format!("{all} --non-dominated"), width);
    text += &best_line(&overview, best);
    let untrained = study.baseline().and_then(|it| it.of(&best.parameters));
    if let (Some(before), Some(_)) = (untrained, best.best_at) {
        let minor = minor(study.spec());
        // What evaluations measured of the exported model is shown as that.
        let tested = study.test().filter(|tested| tested.trial == best.trial);
        let again = |name: &String| tested.is_some_and(|tested| tested.results.evaluations.contains_key(name));
        let shown = |name: &String| !minor.contains(name) && !again(name);
        for (name, after) in best.metrics.iter().filter(|(name, _)| shown(name)) {
            if let Some(before) = before.metrics.get(name) {
                text += &compared(name, Some(*before), *after);
            }
        }
    }
    text += &tested(&overview, best);
    match model {
        Some(Ok(path)) => text += &format!("best model: {}\n", path.display()),
        Some(Err(reason)) => {
            let export = about(directory.root(), ["export"]);
            text += &format!("the best model could not be written: {reason}\n");
            if study.exportable().and_then(Trial::best_checkpoint).is_some() {
                text += &format!("try again with: {export} --model best-model\n");
            }
        }
        None => {
            let checkpoint = study.best().and_then(Trial::best_checkpoint);
            // What is only there so that its trial can go on is of no use to anybody.
            if let Some(checkpoint) = checkpoint.filter(|kept| !kept.file.ends_with(hpo_script::REPORTS)) {
                text += &format!(
                    "best checkpoint: {}\n",
                    directory.checkpoints().join(&checkpoint.file).display()
                );
            }
        }
    }
    let command = about(directory.root(), ["export", "--format", "command"]);
    let command = study.spec().trainer.script.then(|| format!("its command: {command}\n"));
    text += &format!("its configuration: {}\n", about(directory.root(), ["export"]));
    text + &command.unwrap_or_default()
}

/// Everything about one trial; `baseline` has the loss and metrics of the untrained models, if they were measured.
pub fn trial_details(spec: &StudySpec, baseline: Option<&Baseline>, trial: &Trial) -> String {
    let one = spec.policy.unit.one();
    let mut text = format!(
        "trial {}{} of the study {}: {}\n",
        trial.id,
        confirms(trial.confirms()),
        spec.name,
        trial.state.word()
    );
    text += &standing(&trial.state, one);
    text += &format!(
        "  {} begun, {} failed, {} of training; seed {}\n",
        counted(trial.attempts, "segment"),
        trial.failures,
        duration(trial.trained_ms),
        trial.seed
    );
    text += "parameters\n";
    for (name, of) in &trial.parameters {
        text += &format!("  {name} = {}\n", value(of));
    }
    text += &reports(spec, trial);
    text += &fulfilled(spec, trial);
    text += &diagnosed(spec, baseline.and_then(|it| it.of(&trial.parameters)), trial);
    for checkpoint in trial.checkpoints() {
        text += &format!("checkpoint {} ({} MB)\n", checkpoint.file, checkpoint.bytes / 1_000_000);
    }
    text
}

/// What its state says of a trial, beyond the word for it; `one` is the unit of its resource.
fn standing(state: &TrialState, one: &str) -> String {
    match state {
        TrialState::Failed { message } => format!("  {message}\n  {}", see(message)).trim_end().to_owned() + "\n",
        TrialState::Waiting { to } => format!("  waits for a slot, to train to {one} {to}\n"),
        TrialState::Running { to, slot, .. } => format!("  on slot {slot}, to {one} {to}\n"),
        TrialState::Ahead { rung, to, slot, .. } => {
            format!("  at {one} {rung}, until its rung is decided; meanwhile on slot {slot}, to {one} {to}\n")
        }
        TrialState::Paused { rung } => format!("  at {one} {rung}, until its rung is decided\n"),
        TrialState::Pruned { rung } => format!("  at {one} {rung}: others were better\n"),
        TrialState::Diverged { resource } => format!("  its objective was not finite at {one} {resource}\n"),
        TrialState::Completed => String::new(),
    }
}

fn reports(spec: &StudySpec, trial: &Trial) -> String {
    let (one, minor) = (spec.policy.unit.one(), minor(spec));
    let mut text = String::new();
    if !trial.reports.is_empty() {
        text += "reports\n";
    }
    let best = trial.best().map(|(resource, _)| resource);
    for (resource, report) in trial.reports.iter() {
        let loss = match (report.loss, report.cost) {
            (Some(loss), _) => format!("loss {}  ", metric(loss)),
            (None, Some(_)) => String::new(),
            (None, None) => "diverged  ".into(),
        };
        let metrics: Vec<String> = report
            .metrics
            .iter()
            .filter(|(name, _)| !minor.contains(*name))
            .map(|(name, m)| format!("{name} {}", number(*m)))
            .collect();
        let mark = if Some(*resource) == best { "  (best)" } else { "" };
        text += &format!("  {one} {resource}: {loss}{}{mark}\n", metrics.join("  "));
    }
    text
}

/// What the curves of a trial show.
fn diagnosed(spec: &StudySpec, untrained: Option<&Measurement>, trial: &Trial) -> String {
    let mut text = String::new();
    let diagnosis = diagnose(trial, untrained, &spec.objective);
    if !diagnosis.findings.is_empty() {
        text += "what the curves show\n";
    }
    for finding in &diagnosis.findings {
        text += &format!(
            "  {}: {}\n    {}\n",
            finding.kind().name(),
            finding.text(spec.policy.unit, &spec.objective),
            finding.advice()
        );
    }
    let unknown: Vec<&str> = diagnosis.unknown().map(Kind::name).collect();
    if !trial.reports.is_empty() && !unknown.is_empty() {
        text += &format!("too few reports or metrics to check: {}\n", unknown.join(", "));
    }
    text
}

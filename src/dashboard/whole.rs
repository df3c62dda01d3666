//! A study as a whole, as the JSON that pages get.

use hpo_protocol::embedding::METRICS;
use hpo_protocol::{Baseline, Measurement, Metrics};
use serde_json::{Value, json};

use super::rows::{Columns, fixed};
use crate::analysis::{Overview, Run, Segments};
use crate::shell::about;
use crate::space::{Distribution, Parameter};
use crate::store::StudyDirectory;
use crate::study::{Direction, LOSS, Objective, Study, StudySpec, Trainer, Trial, TrialStatus};
use crate::view::{self, data_of, kind_of, model_of, state_of};

/// What is known of a study beside its records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// Where it lies.
    pub directory: &'a StudyDirectory,
    /// Whether a process has it.
    pub running: bool,
    /// The version of `hpo` that created it.
    pub version: &'a str,
}

/// Why a study can't be read, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub text: String,
    pub fix: Option<String>,
}

impl Trouble {
    pub fn json(&self) -> Value {
        json!({ "text": self.text, "fix": self.fix })
    }
}

/// The state of a study whose records can't be read.
pub(super) const DAMAGED: &str = "damaged";

/// The word for the state of a study.
pub(super) fn state(study: &Study, running: bool) -> &'static str {
    match (running, study.trials().is_empty()) {
        (false, true) => "new",
        _ => state_of(study.is_finished(), study.is_held(), study.halted(), running),
    }
}

/// A study in the list of all, without what is known only of it as a whole.
pub(super) fn entry(study: &Study, of: Circumstances<'_>) -> Value {
    let spec = study.spec();
    let best = study.best().filter(|best| best.best().is_some());
    let value = |best: &Trial| best.best().map(|(_, cost)| spec.objective.signed(cost));
    let untrained = study.baseline().and_then(|it| spec.best_untrained(it));
    let (started, updated) = study.lifetime();
    json!({
        "name": of.directory.name(),
        "state": state(study, of.running),
        "running": of.running,
        "error": null,
        "objective": spec.objective,
        "further_objectives": spec.further,
        "best": best.map(|best| json!({ "trial": best.id, "value": value(best) })),
        "feasible": best.filter(|_| !spec.require.is_empty()).map(Trial::is_feasible),
        "non_dominated": spec.has_several().then(|| study.front().len()),
        "untrained": untrained.map(|untrained| untrained.value),
        "trials": study.search_trials().count(),
        "decided": decided(study),
        "failed": study.search_trials().filter(|one| one.state.status() == TrialStatus::Failed).count(),
        "planned": spec.trials,
        "model": model_of(&spec.trainer),
        "data": data_of(&spec.trainer),
        "started": started,
        "updated": updated,
        "unit": spec.policy.unit.one(),
        "resource_trained": study.trained_resource(),
        "slot_ms": slot_ms(study),
    })
}

/// A study that can't be read, in the list of all.
pub(super) fn unreadable(name: &str, running: bool, trouble: &Trouble) -> Value {
    json!({ "name": name, "state": DAMAGED, "running": running, "error": trouble.json() })
}

fn decided(study: &Study) -> usize {
    study.search_trials().filter(|one| one.state.is_final()).count()
}

fn slot_ms(study: &Study) -> u64 {
    study.trials().iter().map(|trial| trial.trained_ms).sum()
}

/// A study without its trials. What takes long to find out comes from an overview, which may be older.
pub(super) fn whole(
    study: &Study,
    segments: &Segments,
    columns: &Columns,
    of: Circumstances<'_>,
    overview: Option<&Overview>,
) -> Value {
    let mut whole = settings(study, columns, of);
    let spec = study.spec();
    let (started, updated) = study.lifetime();
    let runs = segments.runs();
    let slots = runs.last().map(|run| run.slots.clone()).unwrap_or_default();
    let progress = json!({
        "state": state(study, of.running),
        "running": of.running,
        "error": null,
        "rungs": study.rungs().iter().map(|rung| {
            json!({ "resource": rung.resource, "reached": rung.reached, "planned": rung.planned })
        }).collect::<Vec<_>>(),
        "untrained": study.baseline().map(|it| measured(best_untrained(spec, it), &spec.objective)),
        "untrained_models": study.baseline().and_then(|it| models(it, &spec.objective)),
        "best": study.best().map(|best| best.id),
        "non_dominated": study.front().iter().map(|trial| trial.id).collect::<Vec<_>>(),
        "limits": {
            "trials": spec.trials,
            "time_ms": spec.stop.time_ms,
            "resource": spec.stop.resource,
            "no_better": spec.stop.no_better,
            "confirmation": spec.confirmation,
        },
        "halted": study.halted(),
        "started": started,
        "updated": updated,
        "active_ms": segments.active_ms(updated),
        "slots": slots,
        "runs": spans(runs, of.running),
        "searched": study.search_trials().count(),
        "decided": decided(study),
        "planned": spec.trials,
        "resource_trained": study.trained_resource(),
        "resource_planned": study.planned_resource(),
        "slot_ms": slot_ms(study),
        "importance": overview.and_then(|overview| overview.importance.as_ref()),
        "further_importance": overview.map(|overview| &overview.further_importance),
        "findings": overview.map_or(Vec::new(), |overview| findings(overview, of.directory)),
        "messages": overview.map_or(Vec::new(), view::messages),
        "confirmation": study.confirmation(),
        "test": study.test(),
        "from": study.earlier().map(|earlier| &earlier.study),
    });
    extend(&mut whole, progress);
    whole
}

/// What of a study does not change.
fn settings(study: &Study, columns: &Columns, of: Circumstances<'_>) -> Value {
    let spec = study.spec();
    let policy = &spec.policy;
    let unit = policy.unit;
    let root = of.directory.root();
    let parameters = spec.space.parameters.iter();
    let searched = parameters.filter(|one| columns.parameters.contains(&one.name));
    json!({
        "name": of.directory.name(),
        "directory": root,
        "objective": spec.objective,
        "further_objectives": spec.further,
        "require": spec.require,
        "unit": { "one": unit.one(), "many": unit.many() },
        "max_resource": policy.max_resource,
        "eta": policy.eta(),
        "report_every": policy.report_every,
        "policy": kind_of(&policy),
        "sampler": kind_of(&spec.sampler),
        "seed": spec.seed,
        "threads": spec.threads,
        "metrics": columns.metrics.iter().map(|name| json!({
            "name": name,
            "direction": direction(name, spec),
        })).collect::<Vec<_>>(),
        "parameters": searched.map(parameter).collect::<Vec<_>>(),
        "fixed": fixed(study),
        "model": model_of(&spec.trainer),
        "data": data_of(&spec.trainer),
        "version": of.version,
        "resume": about(root, ["resume"]),
    })
}

/// Which values of a metric are better, if that is known.
fn direction(name: &str, spec: &StudySpec) -> Option<Direction> {
    let objective = spec.objectives().find(|objective| objective.metric == name);
    match (objective, name) {
        (Some(objective), _) => Some(objective.direction),
        (None, LOSS) => Some(Direction::Minimize),
        (None, name) => higher_is_better(name, &spec.trainer).then_some(Direction::Maximize),
    }
}

/// Whether it is a metric of the embedding trainer or of an evaluation, of all of which higher is better.
fn higher_is_better(name: &str, trainer: &Trainer) -> bool {
    let own = trainer.command.is_none() && METRICS.iter().any(|(metric, _)| *metric == name);
    own || trainer.evaluation_of(name).is_some()
}

fn parameter(parameter: &Parameter) -> Value {
    let distribution = &parameter.distribution;
    let (low, high, step) = distribution.range();
    let when = parameter.when.iter().map(|condition| {
        let values = condition.values.iter().map(|value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        });
        format!("{} = {}", condition.parameter, values.collect::<Vec<_>>().join(" or "))
    });
    let when: Vec<String> = when.collect();
    let choices = match distribution {
        Distribution::Choice { values } => Some(values.clone()),
        Distribution::Fixed { value } => Some(vec![value.clone()]),
        Distribution::Uniform { .. }
        | Distribution::LogUniform { .. }
        | Distribution::Integer { .. }
        | Distribution::LogInteger { .. }
        | Distribution::Normal { .. }
        | Distribution::LogNormal { .. } => None,
    };
    let kind = match &choices {
        Some(values) if values.iter().all(Value::is_boolean) => "bool",
        Some(_) => "choice",
        None if distribution.is_whole() => "integer",
        None => "float",
    };
    let bound = |bound: f64| (choices.is_none() && bound.is_finite()).then_some(bound);
    json!({
        "name": parameter.name,
        "kind": kind,
        "log": distribution.is_logarithmic(),
        "low": bound(low),
        "high": bound(high),
        "step": step.filter(|_| choices.is_none()),
        "choices": choices,
        "when": (!when.is_empty()).then(|| when.join(" and ")),
    })
}

/// The untrained model that has the best objective, or any if none has one.
fn best_untrained<'a>(spec: &StudySpec, baseline: &'a Baseline) -> Option<&'a Measurement> {
    let best = spec.best_untrained(baseline).map(|best| best.measurement);
    best.or_else(|| Some(baseline.each().first()?.1))
}

/// All that was measured of a model, by name.
fn measured(of: Option<&Measurement>, objective: &Objective) -> Metrics {
    let Some(of) = of else { return Metrics::new() };
    let own = objective.measured(of).map(|value| (objective.metric.clone(), value));
    let loss = of.loss.map(|loss| (LOSS.to_owned(), loss));
    let all = of.metrics.iter().map(|(name, value)| (name.clone(), *value));
    all.chain(loss).chain(own).collect()
}

fn models(baseline: &Baseline, objective: &Objective) -> Option<Value> {
    let Baseline::Models { models } = baseline else {
        return None;
    };
    let each = models.iter();
    let each = each.map(|(name, of)| (name.clone(), json!(measured(Some(of), objective))));
    Some(Value::Object(each.collect()))
}

/// When searches were at work; the last one has no end if it still is.
fn spans(runs: &[Run], running: bool) -> Vec<Value> {
    let last = runs.len().saturating_sub(1);
    let spans = runs.iter().enumerate();
    let span = |(place, run): (usize, &Run)| json!([run.from, (!running || place < last).then_some(run.to)]);
    spans.map(span).collect()
}

fn findings(overview: &Overview, directory: &StudyDirectory) -> Vec<Value> {
    let each = overview.findings.iter().map(|summary| {
        json!({
            "text": summary.text(directory.root()),
            "advice": summary.advice,
            "trials": summary.trials,
        })
    });
    each.collect()
}

/// Adds the members of one object to another.
pub(super) fn extend(object: &mut Value, with: Value) {
    if let (Value::Object(object), Value::Object(with)) = (object, with) {
        object.extend(with);
    }
}

//! `require` of `[study]`: bounds on metrics that a model must keep to.

use hpo_protocol::embedding::METRICS;

use super::constraints::place;
use super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean};
use super::trainer::{self, Evaluations};
use crate::keys::{Fallback, Key, Takes};
use crate::study::{LOSS, Requirement, RequirementError, Trainer};

pub(super) const KEY: Key = Key {
    name: "require",
    takes: Takes::TextOrTexts,
    default: Fallback::Nothing,
    about: "bounds on metrics that trials report, such as `[\"embed_ms <= 5\"]`: a trial that breaks one is never the best while another \
            fulfils all; see [What a model must fulfil](#what-a-model-must-fulfil)",
};

const EXAMPLE: &str = "write, for example, `require = [\"embed_ms <= 5\"]`";

/// What the embedding trainer reports beside its losses and [`METRICS`].
const OWN: [&str; 3] = ["train_loss", "mean_cosine", "micro_batch"];

/// Reads the requirements; `embedding` if the embedding trainer trains the study, with these evaluations, if they could be read.
pub(super) fn read(table: &Table, embedding: bool, evaluations: Option<&Evaluations>) -> Results<Vec<Requirement>> {
    let (mut requirements, mut problems) = (Vec::<Requirement>::new(), Problems::default());
    for item in items(table)? {
        let Some(requirement) = problems.keep(requirement(&item)) else {
            continue;
        };
        if embedding {
            problems.keep(known(&item, &requirement.metric, evaluations));
        }
        if let Some(other) = requirements.iter().find(|other| other.excludes(&requirement)) {
            let message = format!("no value fulfils both `{other}` and `{requirement}`");
            problems.0.push(Problem::new(
                item.span.clone(),
                message,
                "contradicts another",
                "remove one of them",
            ));
        }
        requirements.push(requirement);
    }
    problems.or(Some(requirements))
}

/// That a script has no pattern or column for a metric that is required.
pub(super) fn unknown_to_script(table: &Table, trainer: &Trainer) -> Vec<Problem> {
    let Some(names) = trainer::named_metrics(trainer) else {
        return Vec::new();
    };
    let items = items(table).unwrap_or_default().into_iter();
    let problem = |item: Item| {
        let metric = requirement(&item).ok()?.metric;
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let message = format!("`metrics` under `[trial]` does not say where `{metric}` is found");
        let help = format!(
            "add it there; or, if another one is meant: {}",
            did_you_mean(&metric, known.iter().copied())
        );
        (!known.contains(&metric.as_str()))
            .then(|| Problem::new(item.span.clone(), message, "not found by the script", help))
    };
    items.filter_map(problem).collect()
}

fn items<'a>(table: &Table<'a>) -> Result<Vec<Item<'a>>> {
    table.get(KEY.name).map_or(Ok(Vec::new()), |item| item.texts(EXAMPLE))
}

fn requirement(item: &Item) -> Result<Requirement> {
    let text = item.string()?;
    Requirement::try_from(text.to_owned())
        .map_err(|RequirementError { message, span, help }| Problem::new(place(item, span), message, "here", help))
}

/// Refuses a metric that the embedding trainer does not report.
fn known(item: &Item, metric: &str, evaluations: Option<&Evaluations>) -> Result<()> {
    let own = || METRICS.iter().map(|(name, _)| *name).chain([LOSS]).chain(OWN);
    if own().any(|name| name == metric) {
        return Ok(());
    }
    if metric.contains('.') {
        return trainer::direction(item, metric, evaluations).map(drop);
    }
    let message = format!("the embedding trainer reports no `{metric}`");
    let place = item.string().map_or(item.span.clone(), |text| {
        let start = text.find(metric).unwrap_or(0);
        place(item, start..start + metric.len())
    });
    Err(Problem::new(
        place,
        message,
        "unknown metric",
        did_you_mean(metric, own()),
    ))
}

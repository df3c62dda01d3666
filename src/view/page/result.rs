//! What a study has decided, in words, and what it is based on.

use hpo_protocol::Measurement;

use super::document::{Block, Table};
use super::{Reported, capital};
use crate::analysis::Overview;
use crate::study::{LOSS, Tested, Trial, TrialStatus};
use crate::view::columns::minor;
use crate::view::format::{duration, metric};
use crate::view::front::objectives;
use crate::view::report::best_line;
use crate::view::required::{nothing_fulfils, required};
use crate::view::state::state;
use crate::view::untrained::found_nothing;
use crate::words::counted;

/// The best configuration, what it comes to, and what there was without training.
pub(super) fn decision(of: &Reported<'_>, overview: &Overview) -> Vec<Block> {
    let nothing = nothing_fulfils(overview) + &found_nothing(overview);
    let mut blocks: Vec<Block> = nothing.lines().map(|line| Block::Notice(capital(line))).collect();
    blocks.push(Block::Text(standing(of, overview)));
    blocks.push(Block::Heading("Result"));
    let Some((best, trial)) = overview.best.as_ref().zip(of.study.best()) else {
        blocks.push(Block::Text(
            "No trial has a result yet, so there is no best configuration.".into(),
        ));
        return blocks;
    };
    blocks.push(Block::Text(capital(best_line(overview, best).trim_end())));
    blocks.extend(required(overview).lines().map(|line| Block::Text(capital(line))));
    let parameters = trial.parameters.iter();
    let parameters = parameters.map(|(name, value)| [name.clone(), exact(value)]);
    blocks.push(Table::pairs("The best configuration", parameters.collect()));
    blocks.extend(validation(of, overview, trial));
    blocks.extend(tested(overview, trial));
    blocks
}

/// How far the study is.
fn standing(of: &Reported<'_>, overview: &Overview) -> String {
    let spec = &overview.spec;
    let states = TrialStatus::ALL.into_iter().filter_map(|status| {
        let (_, count) = overview.states.iter().find(|(of, _)| *of == status)?;
        Some(format!("{count} {}", status.word()))
    });
    let states: Vec<String> = states.collect();
    let of_states = if states.is_empty() {
        String::new()
    } else {
        format!(": {}", states.join(", "))
    };
    let span = duration(of.segments.active_ms(overview.updated));
    let so_far = if overview.finished { "" } else { " so far" };
    format!(
        "{}, {span} of searching{so_far}. {} of {}{of_states}. The trials are compared by {}.",
        capital(state(overview, of.running)),
        overview.searched(),
        counted(spec.trials, "trial"),
        objectives(spec),
    )
}

/// A value of a parameter with all its digits.
fn exact(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the best trial reported when it was best, and the untrained model beside it.
fn validation(of: &Reported<'_>, overview: &Overview, trial: &Trial) -> Vec<Block> {
    let report = trial.best().and_then(|(at, _)| trial.reports.get(&at));
    let Some(report) = report else { return Vec::new() };
    let minor = minor(&overview.spec);
    let mut measured = Measurement {
        loss: report.loss,
        metrics: report.metrics.to_metrics(),
    };
    measured.metrics.retain(|name, _| !minor.contains(name));
    let text =
        "On the validation data. The search chose by these values, so they are better than what new data will show:";
    vec![
        Block::Text(text.into()),
        compared("Validation", &measured, of.study.untrained(trial)),
    ]
}

/// What the exported model comes to on data that no decision has used, and in evaluations.
fn tested(overview: &Overview, trial: &Trial) -> Vec<Block> {
    let mut blocks = Vec::new();
    let Some(Tested { results, .. }) = overview.test.as_ref().filter(|tested| tested.trial == trial.id) else {
        return blocks;
    };
    if let Some(measured) = &results.measurement {
        blocks.push(Block::Text("On the test data, which no decision has used:".into()));
        blocks.push(compared("Test", measured, results.untrained.as_ref()));
    }
    if !results.evaluations.is_empty() {
        let metrics = |all: &hpo_protocol::Metrics| Measurement {
            loss: None,
            metrics: all.clone(),
        };
        let untrained = metrics(&results.untrained_evaluations);
        blocks.push(Block::Text("The exported model in evaluations:".into()));
        blocks.push(compared(
            "Evaluations",
            &metrics(&results.evaluations),
            Some(&untrained),
        ));
    }
    blocks
}

fn compared(name: &'static str, measured: &Measurement, untrained: Option<&Measurement>) -> Block {
    let loss = measured
        .loss
        .map(|loss| (LOSS, untrained.and_then(|untrained| untrained.loss), loss));
    let metrics = measured.metrics.iter().map(|(name, &value)| {
        let before = untrained.and_then(|untrained| untrained.metrics.get(name));
        (name.as_str(), before.copied(), value)
    });
    let rows = loss.into_iter().chain(metrics);
    let rows =
        rows.map(|(name, before, after)| vec![name.to_owned(), before.map_or("-".into(), metric), metric(after)]);
    Block::Table(Table {
        name,
        head: ["", "untrained", "best"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        words: vec![0],
    })
}

//! What a study ran on and with, and how its best trial is trained again.

use std::collections::BTreeMap;

use hpo_script::REPORTS;
use serde::Serialize;
use serde_json::Value;

use super::Reported;
use super::document::{Block, Table};
use crate::analysis::Run;
use crate::clock::utc;
use crate::shell::{about, command};
use crate::study::StudySpec;

/// More runs of schedulers than this are only counted.
const RUNS: usize = 20;

/// The environment, the data, and the commands.
pub(super) fn environment(of: &Reported<'_>) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Environment"), Table::pairs("Environment", rows(of))];
    blocks.extend(data(of));
    if let Some(best) = of.study.best() {
        let root = of.directory.root();
        let id = best.id.to_string();
        let export = about(root, ["export", "--trial", &id, "--output", "best.toml"]);
        let train = ["hpo", "train", "--config", "best.toml", "--output", "best-model"];
        let kept = best.best_checkpoint();
        // A script may leave nothing that could be exported.
        let has_model = !of.study.spec().trainer.script || kept.is_some_and(|kept| !kept.file.ends_with(REPORTS));
        let train = command(&train[..if has_model { 6 } else { 4 }]);
        blocks.extend([
            Block::Heading("The best trial again"),
            Block::Text("These commands write its configuration and train it once more, with the same seed:".into()),
            Block::Lines(format!("{export}\n{train}\n")),
        ]);
    }
    blocks
}

fn rows(of: &Reported<'_>) -> Vec<[String; 2]> {
    let spec = of.study.spec();
    let own = env!("CARGO_PKG_VERSION");
    let commit = of.commit.map_or("unknown", |commit| commit);
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        row("study created with", format!("hpo {}", of.version)),
        row("report written with", format!("hpo {own}, commit {commit}")),
        row("trainer", trainer(spec)),
        row("threads per trial", spec.threads.to_string()),
        row("policy", kind_of(&spec.policy)),
        row("sampler", kind_of(&spec.sampler)),
        row("seed", spec.seed.to_string()),
        row("study", of.directory.root().display().to_string()),
    ];
    let runs = of.segments.runs();
    let searched = runs.iter().take(RUNS).map(|run| {
        let slots = if run.slots.is_empty() {
            String::new()
        } else {
            format!(" on {}", slots(run))
        };
        row("searched", format!("{} to {}{slots}", utc(run.from), utc(run.to)))
    });
    rows.extend(searched);
    if runs.len() > RUNS {
        rows.push(row("searched", format!("and {} times more", runs.len() - RUNS)));
    }
    // What is a table may have what nobody else is to know, such as the environment of a script.
    let settings = spec
        .trainer
        .settings
        .iter()
        .filter(|(_, value)| !value.is_object() && !value.is_array());
    rows.extend(
        settings.map(|(name, value)| row(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
    );
    rows
}

fn trainer(spec: &StudySpec) -> String {
    match &spec.trainer.command {
        None => "the embedding trainer of the same release".into(),
        Some(words) => command(words),
    }
}

/// The name of a kind of policy or sampler.
pub fn kind_of(of: &impl Serialize) -> String {
    let value = serde_json::to_value(of).ok();
    let name = value
        .as_ref()
        .and_then(|value| value.get("type")?.as_str())
        .or(value.as_ref().and_then(Value::as_str));
    name.unwrap_or("-").to_owned()
}

/// The slots of a run, each name once with how many there are.
fn slots(run: &Run) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for slot in &run.slots {
        *counts.entry(slot).or_default() += 1;
    }
    let named = counts.iter().map(|(name, count)| match count {
        1 => (*name).to_owned(),
        count => format!("{count} × {name}"),
    });
    named.collect::<Vec<_>>().join("; ")
}

/// The files that the study was created on, by their content.
fn data(of: &Reported<'_>) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Data")];
    let inputs = of.origin.map(|origin| origin.inputs.as_slice()).unwrap_or_default();
    if inputs.is_empty() {
        blocks.push(Block::Text("The study does not record the content of any file.".into()));
        return blocks;
    }
    let rows = inputs.iter().map(|input| {
        let file = input.file.as_deref().unwrap_or_default();
        vec![input.role.clone(), file.to_owned(), input.sha256.clone()]
    });
    blocks.push(Block::Table(Table {
        name: "The files that the study was created on",
        head: ["key", "file", "SHA-256"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        words: vec![0, 1, 2],
    }));
    blocks
}

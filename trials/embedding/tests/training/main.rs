//! Trials: what each parameter does, and that their segments come to the same bits however they are cut.

// clippy knows test functions, but not their helpers.
#![allow(clippy::unwrap_used)]

mod evaluators;
mod exact;
mod frozen_trials;
mod gradient;
mod kinds;
mod length;
mod negatives;
mod optimizer;
mod prompts;
#[path = "../common/study.rs"]
mod study;
#[path = "../common/tiny_model.rs"]
mod tiny_model;
mod trial;
mod validation;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use hpo_protocol::Metrics;
use hpo_trial_embedding::prepare::prepare;
use hpo_trial_embedding::shared::Shared;
use hpo_trial_embedding::worker::limit_threads;
use serde_json::{Value, json};
use study::{Study, Worker, report};
use tiny_model::WORDS;

/// Computes with one thread, as the workers of these studies do. A process sets that once, before anything else.
fn one_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| limit_threads(1).unwrap());
}

/// Prepares trials in this process, and keeps other tests from training while the guard is there: where precision `auto`
/// is not f32, dropout draws from libtorch's generator, of which a process has one.
fn prepared(study: &Study) -> (Rc<Shared>, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    one_thread();
    (prepare(&study.start).unwrap().shared(None, None).unwrap(), alone)
}

/// What two epochs report, and their checkpoint.
fn train(study: &Study, worker: &mut Worker, parameters: Value) -> (Vec<(u64, Metrics)>, PathBuf) {
    let lines = worker.train(&study.run("runs", parameters, 0, 2, None));
    let reports = lines[..2].iter().map(report);
    let reports = reports.map(|(_, loss, metrics, _)| (loss.to_bits(), metrics)).collect();
    (reports, report(&lines[1]).3)
}

/// Gives a study synonyms, of pairs of neighbours: `w0` and `w1`, `w2` and `w3` …
fn add_synonyms(study: &mut Study) {
    let path = study.path.join("synonyms.tsv");
    let groups = (0..WORDS / 2).map(|pair| format!("w{}\tw{}\n", 2 * pair, 2 * pair + 1));
    std::fs::write(&path, groups.collect::<String>()).unwrap();
    study.start.settings.insert("synonyms".to_owned(), json!(path));
}

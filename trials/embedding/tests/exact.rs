//! However a trial is cut into segments, it comes to the same bits.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::Study;
use hpo_protocol::{FromWorker, Run};
use hpo_trial_embedding::segment::{Talk, segment};
use hpo_trial_embedding::trial::Shared;
use hpo_trial_embedding::worker::prepare;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

const EPOCHS: u64 = 3;

/// Trains to the end of a segment, or stops after so many steps, with its state saved.
#[derive(Default)]
struct Pieces {
    left: Option<u64>,
    lines: Vec<FromWorker>,
}

impl Talk for Pieces {
    fn send(&mut self, line: FromWorker) {
        self.lines.push(line);
    }

    fn stop(&mut self) -> Option<bool> {
        let left = self.left.as_mut()?;
        *left = left.checked_sub(1)?;
        (*left == 0).then_some(true)
    }
}

/// All reports of a trial that is cut after these numbers of steps, and its last checkpoint.
fn train(shared: &Shared, study: &Study, parameters: &Value, cuts: &[u64]) -> (Vec<String>, Vec<u8>) {
    let mut said = Vec::new();
    let mut last = PathBuf::new();
    let mut from = (0, None);
    let mut cuts = cuts.iter();
    for attempt in 1.. {
        let mut talk = Pieces {
            left: cuts.next().copied(),
            ..Pieces::default()
        };
        let run = Run {
            attempt,
            ..study.run("exact", parameters.clone(), from.0, EPOCHS, from.1.take())
        };
        segment(shared, &run, &mut talk).unwrap();
        let mut ended = true;
        for line in talk.lines {
            match line {
                FromWorker::Report {
                    resource,
                    loss,
                    metrics,
                    checkpoint,
                    last: ends,
                    ..
                } => {
                    said.push(format!("{resource} {:?} {metrics:?} {ends}", loss.map(f64::to_bits)));
                    from.0 = resource;
                    last = checkpoint.unwrap_or_default();
                }
                FromWorker::Stopped { checkpoint, .. } => {
                    from.1 = checkpoint;
                    ended = false;
                }
                _ => {}
            }
        }
        if ended {
            break;
        }
    }
    (said, std::fs::read(last).unwrap_or_default())
}

fn parameters() -> impl Strategy<Value = Value> {
    let model = (0.0..0.4f64, 0..2u64, any::<bool>(), 0.5..1.0f64);
    let steps = (
        prop::sample::select(vec!["adamw", "adam", "sgd"]),
        prop::sample::select(vec!["constant", "linear", "cosine", "cosine_restarts", "plateau"]),
        1e-4..1e-2f64,
        5..30u64,
        1..12u64,
        0.0..0.5f64,
    );
    let loss = (
        prop::sample::select(vec!["triplet", "multiple_negatives"]),
        0.0..2.0f64,
        prop::sample::select(vec!["hardest", "semi_hard"]),
        0..3u64,
    );
    (model, steps, loss, any::<bool>()).prop_map(|(model, steps, loss, augments)| {
        let augmented = if augments { model.0 } else { 0.0 };
        json!({
            "dropout": model.0, "frozen_layers": model.1, "freeze_embeddings": model.2, "layer_decay": model.3,
            "optimizer": steps.0, "schedule": steps.1, "learning_rate": steps.2, "batch_size": steps.3,
            "micro_batch_size": steps.4, "warmup_ratio": steps.5,
            "synonym_replacement": augmented, "crop": augmented, "token_deletion": augmented / 2.0, "token_swap": augmented / 2.0,
            "loss": loss.0, "batch_negatives": loss.1, "mining": loss.2, "patience": loss.3,
        })
    })
}

#[test]
fn any_cuts_give_the_same_bits() {
    let mut study = Study::new("exact");
    study.synonyms();
    let shared = prepare(&study.start).unwrap();
    let mut runner = TestRunner::new(Config::with_cases(24));
    let cases = (parameters(), prop::collection::vec(1..15u64, 0..6));
    let outcome = runner.run(&cases, |(parameters, cuts)| {
        // As on a worker that has just been started; the parts run on one that has trained before.
        shared.frozen.borrow_mut().clear();
        let whole = train(&shared, &study, &parameters, &[]);
        let parts = train(&shared, &study, &parameters, &cuts);
        prop_assert_eq!(&whole.0, &parts.0);
        prop_assert!(whole.1 == parts.1, "the checkpoints differ");
        prop_assert!(!whole.0.is_empty());
        Ok(())
    });
    outcome.unwrap();
}

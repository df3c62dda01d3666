//! However a trial is cut into segments, it comes to the same bits.

use std::path::PathBuf;

use crate::study::{Study, of};
use crate::{add_synonyms, prepared};
use hpo_protocol::{FromWorker, Run, Unit};
use hpo_trial_embedding::segment::{Talk, segment};
use hpo_trial_embedding::shared::Shared;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// How far a trial is trained, and where it reports.
#[derive(Debug, Clone)]
struct Way {
    unit: Unit,
    report_every: u64,
    to: u64,
    max: u64,
}

impl Way {
    fn run(&self, run: Run) -> Run {
        Run {
            unit: self.unit,
            report_every: self.report_every,
            max: self.max,
            ..run
        }
    }
}

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

/// Where a trial is cut: in segments that end after so many reports, each of which is stopped after so many steps.
#[derive(Debug, Clone, Default)]
struct Cuts {
    reports: Vec<u64>,
    steps: Vec<u64>,
}

/// All reports of a trial that is cut, and its last checkpoint.
fn train(shared: &Shared, study: &Study, parameters: &Value, way: &Way, cuts: &Cuts) -> (Vec<String>, Vec<u8>) {
    let mut said = Vec::new();
    let mut last = PathBuf::new();
    let mut from = (0, None);
    let (mut steps, mut reports) = (cuts.steps.iter(), cuts.reports.iter());
    let mut next = |from: u64| {
        let end = reports
            .next()
            .map(|reports| (from / way.report_every + reports) * way.report_every);
        end.map_or(way.to, |end| end.min(way.to))
    };
    let mut to = next(0);
    for attempt in 1.. {
        let mut talk = Pieces {
            left: steps.next().copied(),
            ..Pieces::default()
        };
        let run = Run {
            segment: of(attempt),
            ..way.run(study.run("exact", parameters.clone(), from.0, to, from.1.take()))
        };
        segment(shared, &run, &mut talk).unwrap();
        let mut ended = false;
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
                    last = checkpoint.unwrap_or_default();
                    from = (resource, Some(last.clone()));
                    ended |= ends;
                }
                FromWorker::Stopped { checkpoint, .. } => {
                    from.1 = checkpoint;
                }
                _ => {}
            }
        }
        if ended || from.0 == way.to {
            break;
        }
        if from.0 == to {
            to = next(to);
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
    let length = prop::option::of(3..17u64);
    (model, steps, loss, length, any::<bool>()).prop_map(|(model, steps, loss, length, augments)| {
        let augmented = if augments { model.0 } else { 0.0 };
        let mut all = json!({
            "dropout": model.0, "frozen_layers": model.1, "freeze_embeddings": model.2, "layer_decay": model.3,
            "optimizer": steps.0, "schedule": steps.1, "learning_rate": steps.2, "batch_size": steps.3,
            "micro_batch_size": steps.4, "warmup_ratio": steps.5,
            "synonym_replacement": augmented, "crop": augmented, "token_deletion": augmented / 2.0, "token_swap": augmented / 2.0,
            "loss": loss.0, "batch_negatives": loss.1, "mining": loss.2, "patience": loss.3,
        });
        if let Some(length) = length {
            all["max_length"] = json!(length);
        }
        all
    })
}

fn ways() -> impl Strategy<Value = Way> {
    let units = prop_oneof![
        (Just(Unit::Epochs), 1..3u64, 1..3u64),
        (Just(Unit::Steps), 1..9u64, 1..4u64),
        // There are 49, and batches of 5 to 29: several reports may fall on one step.
        (Just(Unit::Examples), 1..90u64, 1..5u64),
    ];
    (units, 0..20u64, 0..3u64).prop_map(|((unit, report_every, reports), rest, further)| {
        let whole = report_every * reports;
        match rest % report_every {
            0 => Way {
                unit,
                report_every,
                to: whole,
                max: whole + further,
            },
            rest => Way {
                unit,
                report_every,
                to: whole + rest,
                max: whole + rest,
            },
        }
    })
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let reports = prop::collection::vec(1..4u64, 0..3);
    (reports, prop::collection::vec(1..15u64, 0..6)).prop_map(|(reports, steps)| Cuts { reports, steps })
}

#[test]
fn any_cuts_give_the_same_bits() {
    let mut study = Study::new("exact");
    add_synonyms(&mut study);
    let (shared, _alone) = prepared(&study);
    assert_eq!(shared.train.rows().len(), 49, "one of the rows recurs");
    steps_and_examples_are_reported_at_the_steps_that_reach_them(&shared, &study);
    reports_of_the_same_step_cost_no_patience(&shared, &study);
    let mut runner = TestRunner::new(Config::with_cases(48));
    let outcome = runner.run(&(parameters(), ways(), cuts()), |(parameters, way, cuts)| {
        // As on a worker that has just been started; the parts run on one that has trained before.
        shared.frozen.borrow_mut().clear();
        let whole = train(&shared, &study, &parameters, &way, &Cuts::default());
        let parts = train(&shared, &study, &parameters, &way, &cuts);
        prop_assert_eq!(&whole.0, &parts.0);
        prop_assert!(whole.1 == parts.1, "the checkpoints differ");
        prop_assert!(!whole.0.is_empty());
        Ok(())
    });
    outcome.unwrap();
}

/// 49 rows in batches of 16 are steps of 16, 16, 16 and 1: 20 examples come with the second step, 98 with the eighth.
fn steps_and_examples_are_reported_at_the_steps_that_reach_them(shared: &Shared, study: &Study) {
    let parameters = json!({ "batch_size": 16, "learning_rate": 1e-3, "schedule": "linear", "dropout": 0.0 });
    let reports = |unit, report_every, to| {
        let way = Way {
            unit,
            report_every,
            to,
            max: to,
        };
        train(shared, study, &parameters, &way, &Cuts::default()).0
    };
    let losses = |unit, report_every, to| {
        let loss = |report: String| report.split(' ').take(2).collect::<Vec<_>>().join(" ");
        reports(unit, report_every, to)
            .into_iter()
            .map(loss)
            .collect::<Vec<_>>()
    };
    let by_steps = losses(Unit::Steps, 1, 8);
    let loss_after = |steps: usize| by_steps[steps - 1].split_once(' ').unwrap().1;
    let expected = |places: &[(u64, usize)]| -> Vec<String> {
        let line = |&(resource, steps): &(u64, usize)| format!("{resource} {}", loss_after(steps));
        places.iter().map(line).collect()
    };
    assert_eq!(losses(Unit::Steps, 3, 8), expected(&[(3, 3), (6, 6), (8, 8)]));
    assert_eq!(
        losses(Unit::Epochs, 1, 2),
        expected(&[(1, 4), (2, 8)]),
        "the same horizon"
    );
    assert_eq!(
        losses(Unit::Examples, 20, 98),
        expected(&[(20, 2), (40, 3), (60, 5), (80, 6), (98, 8)])
    );
    assert_eq!(
        losses(Unit::Examples, 10, 98)[..3],
        expected(&[(10, 1), (20, 2), (30, 2)]),
        "two reports fall on the second step"
    );
    let train_losses = |report_every| -> Vec<f64> {
        let reports = reports(Unit::Steps, report_every, 8);
        let parts = reports
            .iter()
            .filter_map(|report| report.split("\"train_loss\": ").nth(1));
        let number = |part: &str| part.split([',', '}']).next().unwrap().parse().unwrap();
        parts.map(number).collect()
    };
    let (each, third) = (train_losses(1), train_losses(3));
    let mean = each[3..6].iter().sum::<f64>() / 3.0;
    // The fourth step has one row, the others have 16.
    let weighted = (each[3] + 16.0 * each[4] + 16.0 * each[5]) / 33.0;
    assert!(
        (third[1] - weighted).abs() < 1e-9 && (third[1] - mean).abs() > 1e-3,
        "{third:?} {each:?}"
    );
}

fn reports_of_the_same_step_cost_no_patience(shared: &Shared, study: &Study) {
    // At this rate the loss never falls below that of the first step.
    let parameters =
        json!({ "batch_size": 16, "learning_rate": 3.0, "optimizer": "sgd", "max_grad_norm": 0.0, "patience": 3 });
    let way = Way {
        unit: Unit::Examples,
        report_every: 4,
        to: 200,
        max: 200,
    };
    let (reports, _) = train(shared, study, &parameters, &way, &Cuts::default());
    let distinct: std::collections::BTreeSet<&str> =
        reports.iter().filter_map(|report| report.split(' ').nth(1)).collect();
    assert!(reports.last().unwrap().ends_with("true"), "{reports:?}");
    assert!(distinct.len() >= 4, "{reports:?}");
    let cut = Cuts {
        reports: vec![1; 30],
        steps: Vec::new(),
    };
    assert_eq!(train(shared, study, &parameters, &way, &cut).0, reports);
}

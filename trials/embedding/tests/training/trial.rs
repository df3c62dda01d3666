//! Training through the real binary: exact to resume, and moved by every parameter.

use std::path::{Path, PathBuf};

use crate::study::{Study, of, report, triplets};
use crate::{add_synonyms, prepared};
use hpo_protocol::embedding::PARAMETERS;
use hpo_protocol::{Baseline, FromWorker, Measurement, ToWorker};
use hpo_trial_embedding::segment::{Talk, segment};
use serde_json::{Value, json};

fn parameters() -> Value {
    json!({"learning_rate": 1e-3, "batch_size": 8, "dropout": 0.2, "weight_decay": 0.1, "batch_negatives": 0.5})
}

fn with(key: &str, value: Value) -> Value {
    let mut parameters = parameters();
    parameters[key] = value;
    parameters
}

/// Whether two checkpoints are the same file to the byte: weights, moments, position and header.
fn same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).unwrap() == std::fs::read(other).unwrap()
}

/// What a report says, without where its checkpoint is.
fn said(lines: &[FromWorker]) -> Vec<(u64, u64, String)> {
    let reports = lines
        .iter()
        .filter(|line| matches!(line, FromWorker::Report { .. }))
        .map(report);
    reports
        .map(|(resource, loss, metrics, _)| (resource, loss.to_bits(), format!("{metrics:?}")))
        .collect()
}

fn last_checkpoint(lines: &[FromWorker]) -> PathBuf {
    let reports = lines
        .iter()
        .rev()
        .find(|line| matches!(line, FromWorker::Report { .. }));
    report(reports.unwrap()).3
}

#[test]
fn a_restart_between_epochs_changes_no_bit() {
    let study = Study::new("restart");
    let whole = study.worker().train(&study.run("whole", parameters(), 0, 3, None));
    assert_eq!(whole.last(), Some(&FromWorker::Done { segment: of(1) }));
    assert_eq!(said(&whole).len(), 3);

    let mut parts = study.worker().train(&study.run("parts", parameters(), 0, 1, None));
    let checkpoint = last_checkpoint(&parts);
    let mut second = study.worker();
    // A trial before it on the same worker must not matter either.
    second.train(&study.run("other", with("dropout", json!(0.4)), 0, 1, None));
    parts.extend(second.train(&study.run("parts", parameters(), 1, 3, Some(checkpoint))));
    assert_eq!(said(&whole), said(&parts));
    assert!(same(&last_checkpoint(&whole), &last_checkpoint(&parts)));
}

/// Stops a segment after so many steps.
struct StopAfter {
    steps: u64,
    lines: Vec<FromWorker>,
}

impl Talk for StopAfter {
    fn send(&mut self, line: FromWorker) {
        self.lines.push(line);
    }

    fn stop(&mut self) -> Option<bool> {
        self.steps = self.steps.checked_sub(1)?;
        (self.steps == 0).then_some(true)
    }
}

#[test]
fn a_stop_within_an_epoch_changes_no_bit() {
    let study = Study::new("stop");
    let whole = study.worker().train(&study.run("whole", parameters(), 0, 2, None));

    // 50 triplets in batches of 8 are 7 steps an epoch: this is the second epoch's third.
    let mut talk = StopAfter {
        steps: 10,
        lines: Vec::new(),
    };
    let (shared, _alone) = prepared(&study);
    segment(&shared, &study.run("parts", parameters(), 0, 2, None), &mut talk).unwrap();
    let Some(FromWorker::Stopped {
        segment,
        checkpoint: Some(checkpoint),
    }) = talk.lines.pop()
    else {
        panic!("not stopped: {:?}", talk.lines);
    };
    assert_eq!(segment, of(1));
    let bytes = std::fs::read(&checkpoint).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["batch"], "2");

    let mut run = study.run("parts", parameters(), 1, 2, Some(checkpoint));
    run.segment.attempt = 2;
    talk.lines.extend(study.worker().train(&run));
    assert_eq!(said(&whole), said(&talk.lines));
    assert!(same(&last_checkpoint(&whole), &last_checkpoint(&talk.lines)));
}

#[test]
fn a_stop_without_saving_writes_nothing_and_frees_the_worker() {
    let study = Study::new("drop");
    triplets(&study.path.join("train.jsonl"), 1, 3000);
    let mut worker = study.worker();
    let run = study.run("runs", parameters(), 0, 100, None);
    worker.say(&ToWorker::Run(run.clone()));
    worker.say(&ToWorker::Stop {
        segment: of(1),
        save: false,
    });
    assert_eq!(
        worker.rest(),
        [FromWorker::Stopped {
            segment: of(1),
            checkpoint: None
        }]
    );
    assert_eq!(std::fs::read_dir(&run.checkpoints).unwrap().count(), 0);
    let lines = worker.train(&study.run("runs", parameters(), 0, 1, None));
    assert!(matches!(lines.last(), Some(FromWorker::Done { .. })), "{lines:?}");
}

/// A small margin must not look good by being small, nor a temperature by being high.
#[test]
fn the_validation_loss_does_not_know_the_loss_of_the_trial() {
    let mut study = Study::new("margin");
    let mut untrained = Vec::new();
    for chosen in [
        None,
        Some("triplet"),
        Some("auto"),
        Some("log_rank"),
        Some("cross_entropy"),
    ] {
        if let Some(chosen) = chosen {
            study.start.settings.insert("validation_loss".to_owned(), json!(chosen));
        }
        let mut worker = study.worker();
        worker.say(&ToWorker::Evaluate);
        let Some(FromWorker::Evaluated(Baseline::One(Measurement {
            loss: Some(loss),
            metrics,
        }))) = worker.next()
        else {
            panic!("not evaluated");
        };
        assert_eq!(
            metrics.keys().collect::<Vec<_>>(),
            ["mean_cosine", "mrr@10", "ndcg@10", "recall@10", "triplet_accuracy"]
        );
        untrained.push(loss);
        // At a vanishing rate nothing is learned, so all trials must stand where the untrained model stands.
        let mut frozen = |mut parameters: Value| {
            parameters["learning_rate"] = json!(1e-30);
            let lines = worker.train(&study.run("frozen", parameters, 0, 1, None));
            let (_, found, metrics, _) = report(&lines[0]);
            assert_eq!(found, loss, "{chosen:?}");
            metrics["train_loss"]
        };
        assert!(frozen(with("margin", json!(1.0))) > frozen(with("margin", json!(0.1))) + 0.5);
        let mut warm = |temperature: f64| {
            frozen(json!({"loss": "multiple_negatives", "temperature": temperature, "batch_size": 8, "dropout": 0.0}))
        };
        assert!((warm(1.0) - warm(0.01)).abs() > 0.5);
        let mut trained = |margin: f64| {
            let lines = worker.train(&study.run("trained", with("margin", json!(margin)), 0, 2, None));
            report(&lines[1]).1
        };
        assert_ne!(trained(1.0), trained(0.1));
    }
    // Without the setting it is what it was before there was one.
    let [none, triplet, auto, log_rank, cross_entropy] = untrained[..] else {
        panic!("{untrained:?}");
    };
    assert_eq!((none, auto), (triplet, log_rank));
    assert!(auto != triplet && auto != cross_entropy && triplet != cross_entropy);
}

#[test]
fn every_parameter_moves_the_result() {
    let mut study = Study::new("effect");
    add_synonyms(&mut study);
    let sets = json!({"own": {"anchor": "w1 "}});
    study.start.settings.insert("prompt_sets".to_owned(), sets);
    let mut worker = study.worker();
    let mut result = |parameters: Value| {
        let lines = worker.train(&study.run("runs", parameters, 0, 4, None));
        (lines.len(), report(&lines[lines.len() - 2]).1)
    };
    assert_eq!(result(parameters()), result(parameters()));
    let cases = [
        ("optimizer", json!("adam"), json!({})),
        ("learning_rate", json!(2e-3), json!({})),
        ("batch_size", json!(16), json!({})),
        ("micro_batch_size", json!(3), json!({})),
        ("dropout", json!(0.0), json!({})),
        ("weight_decay", json!(0.0), json!({})),
        ("beta1", json!(0.5), json!({})),
        ("beta2", json!(0.9), json!({})),
        ("epsilon", json!(1e-2), json!({})),
        ("momentum", json!(0.5), json!({"optimizer": "sgd"})),
        ("max_grad_norm", json!(0.0), json!({"optimizer": "sgd"})),
        ("layer_decay", json!(0.5), json!({})),
        ("precision", json!("bf16"), json!({})),
        ("frozen_layers", json!(1), json!({})),
        ("freeze_embeddings", json!(true), json!({})),
        ("schedule", json!("linear"), json!({})),
        ("warmup_steps", json!(5), json!({})),
        ("warmup_ratio", json!(0.2), json!({})),
        ("min_learning_rate_ratio", json!(0.5), json!({"schedule": "linear"})),
        ("restarts", json!(4), json!({"schedule": "cosine_restarts"})),
        // The validation loss rises in every epoch at this rate.
        (
            "plateau_factor",
            json!(0.1),
            json!({"schedule": "plateau", "learning_rate": 0.02}),
        ),
        (
            "plateau_patience",
            json!(2),
            json!({"schedule": "plateau", "learning_rate": 0.02}),
        ),
        ("patience", json!(1), json!({"learning_rate": 0.02})),
        ("loss", json!("multiple_negatives"), json!({})),
        ("margin", json!(0.3), json!({})),
        ("distance", json!("cosine"), json!({})),
        ("batch_negatives", json!(0.0), json!({})),
        ("mining", json!("semi_hard"), json!({})),
        ("temperature", json!(0.1), json!({"loss": "multiple_negatives"})),
        ("symmetric", json!(true), json!({"loss": "multiple_negatives"})),
        ("synonym_replacement", json!(0.3), json!({})),
        ("crop", json!(0.5), json!({})),
        ("token_deletion", json!(0.2), json!({})),
        ("token_swap", json!(0.2), json!({})),
        ("pooling", json!("cls"), json!({})),
        ("normalize", json!(false), json!({})),
        ("max_length", json!(5), json!({})),
        ("absolute_margin", json!(0.1), json!({})),
        ("relative_margin", json!(0.1), json!({})),
        ("prompts", json!("own"), json!({})),
    ];
    // Labelled texts alone have a head, and rows with several negatives another number of them: see the tests of both. Base models are
    // chosen in a study of several: see those of the worker.
    let known = PARAMETERS.iter().map(|parameter| parameter.name);
    let known: Vec<_> = known
        .filter(|name| !["head_dropout", "negatives_per_row", "model"].contains(name))
        .collect();
    assert_eq!(cases.each_ref().map(|case| case.0).to_vec(), known);
    for (key, value, needs) in cases {
        let mut usual = parameters();
        usual
            .as_object_mut()
            .unwrap()
            .extend(needs.as_object().unwrap().clone());
        let mut other = usual.clone();
        other[key] = value;
        assert_ne!(result(usual), result(other), "`{key}` does nothing");
    }
    // It learns: the first word distinguishes a positive from a negative.
    let (_, learned) = result(json!({"learning_rate": 3e-3, "batch_size": 8, "dropout": 0.0}));
    worker.say(&ToWorker::Evaluate);
    let Some(FromWorker::Evaluated(Baseline::One(Measurement { loss: Some(loss), .. }))) = worker.next() else {
        panic!("not evaluated");
    };
    assert!(learned < loss, "{learned} after training, {loss} before");
}

#[test]
fn synonyms_must_be_there_and_belong_to_the_trial() {
    let mut study = Study::new("synonyms");
    let replaced = with("synonym_replacement", json!(0.5));
    let lines = study.worker().train(&study.run("runs", replaced.clone(), 0, 1, None));
    let Some(FromWorker::Failed { message, .. }) = lines.last() else {
        panic!("{lines:?}");
    };
    assert!(message.contains("name a file of them with `synonyms`"), "{message}");

    add_synonyms(&mut study);
    let first = study.worker().train(&study.run("runs", replaced.clone(), 0, 1, None));
    std::fs::write(study.path.join("synonyms.tsv"), "w1\tw2\n").unwrap();
    let other = study
        .worker()
        .train(&study.run("runs", replaced, 1, 2, Some(last_checkpoint(&first))));
    let Some(FromWorker::Failed { message, .. }) = other.last() else {
        panic!("{other:?}");
    };
    assert!(message.contains("data"), "{message}");
}

#[test]
fn a_diverged_trial_says_so_and_ends() {
    let study = Study::new("diverged");
    let lines = study
        .worker()
        .train(&study.run("runs", with("learning_rate", json!(1e38)), 0, 3, None));
    let [
        FromWorker::Report {
            resource: 1,
            loss: None,
            checkpoint: None,
            ..
        },
    ] = lines.as_slice()
    else {
        panic!("{lines:?}");
    };
}

/// Lower precision is only lower precision: the first epochs come near to those in f32, and resume is as exact.
#[test]
fn other_precisions_train_alike() {
    let study = Study::new("precision");
    let mut worker = study.worker();
    let mut losses = Vec::new();
    for precision in ["fp32", "bf16", "fp16"] {
        let parameters = json!({"learning_rate": 1e-3, "batch_size": 8, "dropout": 0.1, "precision": precision});
        let whole = worker.train(&study.run("whole", parameters.clone(), 0, 2, None));
        let first = worker.train(&study.run("parts", parameters.clone(), 0, 1, None));
        let mut again = study.worker();
        let second = again.train(&study.run("parts", parameters, 1, 2, Some(last_checkpoint(&first))));
        assert!(same(&last_checkpoint(&whole), &last_checkpoint(&second)), "{precision}");
        losses.push(report(&whole[1]).1);
    }
    assert!(losses[0] != losses[1] && losses[1] != losses[2]);
    assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 0.02), "{losses:?}");
}

//! The worker's answers when something is wrong, and its end.

use std::path::PathBuf;
use std::time::Instant;

use crate::study::{Study, Worker, report, triplets, values};
use crate::tiny_model::tiny_model;
use hpo_protocol::{Baseline, Evaluated, FromWorker, Measure, Metrics, Run, ToWorker};
use hpo_trial_embedding::checkpoint::Saved;
use hpo_trial_embedding::model;
use hpo_trial_embedding::model::Base;
use hpo_trial_embedding::tokens::Tokens;
use safetensors::SafeTensors;
use serde_json::json;
use tch::Device;

/// The message of a worker that cannot start.
fn fatal(study: &Study) -> String {
    let mut worker = Worker::spawn();
    worker.say(&ToWorker::Start(study.start.clone()));
    match worker.next() {
        Some(FromWorker::Fatal { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

fn failure(lines: &[FromWorker]) -> &str {
    match lines {
        [FromWorker::Failed { message, .. }] => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_ends_with_its_input_in_the_middle_of_training() {
    let study = Study::new("end");
    triplets(&study.path.join("train.jsonl"), 1, 5000);
    for _ in 0..3 {
        let mut worker = study.worker();
        worker.say(&ToWorker::Run(study.run("runs", json!({}), 0, 1000, None)));
        assert!(matches!(
            worker.next(),
            Some(FromWorker::Report { .. } | FromWorker::Progress { .. })
        ));
        worker.close();
        assert!(worker.child.wait().unwrap().success());
    }
}

#[test]
fn a_study_that_cannot_run_is_reported_with_its_place() {
    let mut study = Study::new("fatal");
    let train = study.path.join("train.jsonl");
    let good = std::fs::read_to_string(&train).unwrap();
    std::fs::write(&train, format!("{good}{{\"anchor\": \"w1\", \"positive\": 3}}\n")).unwrap();
    let message = fatal(&study);
    assert!(message.contains("train.jsonl:51:"), "{message}");
    std::fs::write(&train, good).unwrap();

    let config = study.path.join("model/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"bert\"", "\"t5\"")).unwrap();
    let message = fatal(&study);
    assert!(message.contains("config.json") && message.contains("`t5`"), "{message}");
    std::fs::write(&config, text.replace("\"hidden_size\":32", "\"hidden_size\":16")).unwrap();
    let message = fatal(&study);
    assert!(
        message.contains("model.safetensors") && message.contains("word_embeddings"),
        "{message}"
    );
    std::fs::write(&config, text).unwrap();

    study.start.settings.insert("max_length".to_owned(), json!(25));
    assert_eq!(fatal(&study), "max_length is 25; this model takes at most 24");
    study.start.settings.insert("max_length".to_owned(), json!(2));
    assert_eq!(fatal(&study), "max_length is 2; it must be at least 3");
    study.start.settings.insert("model".to_owned(), json!("/nowhere"));
    assert!(fatal(&study).contains("`/nowhere`"));
    study.start.protocol += 1;
    assert!(fatal(&study).contains("version 2"));
}

/// Texts may differ, and not for the model: it does not know their words, or they are cut before they differ.
#[test]
fn texts_that_are_the_same_tokens_cannot_tell_models_apart() {
    let mut study = Study::new("alike");
    let usual = study.start.settings.clone();
    let file = study.path.join("alike.jsonl");
    for (anchor, max_length) in [("unknown", 16), ("w1 w2 w3 w4 w5 w6", 5)] {
        let row = |n: u32| json!({ "anchor": format!("{anchor} u{n}"), "positive": format!("w{n}"), "negative": format!("w{}", n + 9) });
        let rows: String = (0..9).map(|n| format!("{}\n", row(n))).collect();
        std::fs::write(&file, rows).unwrap();
        for what in ["validation", "test"] {
            study.start.settings = usual.clone();
            study.start.settings.insert(what.into(), json!(file));
            study.start.settings.insert("max_length".into(), json!(max_length));
            let message = fatal(&study);
            let said = format!("all 9 anchors of the {what} data are the same tokens to the model `");
            assert!(message.starts_with(&said), "{message}");
        }
    }
}

#[test]
fn a_wrong_checkpoint_or_parameter_fails_the_segment_only() {
    let study = Study::new("wrong");
    let mut worker = study.worker();
    let lines = worker.train(&study.run("runs", json!({}), 0, 1, None));
    let good = report(&lines[0]).3;
    let next = |checkpoint: PathBuf| study.run("runs", json!({}), 1, 2, Some(checkpoint));

    let bytes = std::fs::read(&good).unwrap();
    let cut = study.path.join("cut.safetensors");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let lines = worker.train(&next(cut));
    assert!(
        failure(&lines).contains("cut.safetensors") && failure(&lines).contains("damaged"),
        "{lines:?}"
    );
    let renamed = study.path.join("renamed.safetensors");
    let find = b"\"exp_avg.encoder.layer.0.output.dense.bias\"";
    let at = bytes.windows(find.len()).position(|window| window == find).unwrap();
    let mut altered = bytes.clone();
    altered[at + 1] = b'E';
    std::fs::write(&renamed, altered).unwrap();
    let lines = worker.train(&next(renamed));
    assert!(
        failure(&lines).contains("renamed.safetensors`: the checkpoint is damaged"),
        "{lines:?}"
    );
    let lines = worker.train(&next(study.path.join("model/model.safetensors")));
    assert!(
        failure(&lines).contains("model.safetensors`: this checkpoint has the format `pt`"),
        "{lines:?}"
    );
    let lines = worker.train(&next(study.path.join("none.safetensors")));
    assert!(failure(&lines).contains("none.safetensors"), "{lines:?}");

    let seeded = Run {
        seed: 1,
        ..next(good.clone())
    };
    assert!(failure(&worker.train(&seeded)).contains("another `seed` (12345)"));
    let other = Run {
        parameters: values(json!({"margin": 0.25})),
        ..next(good.clone())
    };
    assert!(failure(&worker.train(&other)).contains("another `parameters`"));
    let late = Run {
        from: 0,
        ..next(good.clone())
    };
    assert!(failure(&worker.train(&late)).contains("its checkpoint is of epoch 1"));
    let mut threaded = Study {
        path: study.path.clone(),
        start: study.start.clone(),
    };
    threaded.start.threads = 2;
    assert!(failure(&threaded.worker().train(&next(good.clone()))).contains("another `threads` (1)"));

    for (parameters, expected) in [
        (
            json!({"dropout": 1.0}),
            "`dropout` is 1.0; it must be a number from 0 to 0.9",
        ),
        (
            json!({"batch_size": 0}),
            "`batch_size` is 0; it must be a whole number of at least 1",
        ),
        (json!({"gamma": 0}), "wrong parameters: unknown field `gamma`"),
    ] {
        let lines = worker.train(&study.run("runs", parameters, 0, 1, None));
        assert!(failure(&lines).contains(expected), "{lines:?}");
    }
    let lines = worker.train(&next(good));
    assert!(matches!(lines.last(), Some(FromWorker::Done { .. })), "{lines:?}");
}

#[test]
fn what_a_trial_costs_is_measured_and_nothing_kept() {
    let study = Study::new("measure");
    let mut worker = study.worker();
    let run = study.run("runs", json!({ "batch_size": 8 }), 0, 1, None);
    let begun = Instant::now();
    worker.say(&ToWorker::Measure(Measure {
        run: run.clone(),
        seconds: 0.2,
    }));
    let Some(FromWorker::Measured { segment, cost }) = worker.next() else {
        panic!("it has not measured");
    };
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(segment, run.segment);
    assert_eq!(std::fs::read_dir(&run.checkpoints).unwrap().count(), 0);
    let step = cost.step_seconds.unwrap();
    // 50 rows in batches of 8.
    assert!((cost.resource_seconds / step - 7.0).abs() < 1e-6, "{cost:?}");
    assert!(
        0.0 < step && step < took && 0.0 < cost.report_seconds && cost.report_seconds < took,
        "{cost:?}"
    );
    assert_eq!(
        (cost.rung_seconds, cost.end_seconds),
        (0.0, 0.0),
        "there are no evaluations"
    );
    let lines = worker.train(&run);
    let written = std::fs::metadata(report(&lines[0]).3).unwrap().len();
    assert!(written.abs_diff(cost.checkpoint_bytes) < 64, "{written} {cost:?}");

    let wrong = study.run("runs", json!({ "batch_size": 0 }), 0, 1, None);
    worker.say(&ToWorker::Measure(Measure {
        run: wrong,
        seconds: 0.2,
    }));
    assert!(matches!(worker.next(), Some(FromWorker::Failed { message, .. }) if message.contains("batch_size")));
}

#[test]
fn an_export_embeds_as_the_checkpoint_does() {
    let study = Study::new("export");
    let source = study.path.join("model");
    std::fs::write(source.join("README.md"), "of the model").unwrap();
    std::fs::write(source.join("pytorch_model.bin"), "untuned").unwrap();
    std::fs::write(source.join(".hidden"), "").unwrap();
    std::fs::create_dir(source.join("onnx")).unwrap();
    std::fs::write(source.join("onnx/model.json"), "untuned").unwrap();
    let mut worker = study.worker();
    let lines = worker.train(&study.run("runs", json!({"learning_rate": 1e-3}), 0, 1, None));
    let checkpoint = report(&lines[0]).3;
    let directory = study.path.join("deep/best");
    worker.say(&ToWorker::Export {
        checkpoint: checkpoint.clone(),
        directory: directory.clone(),
        known: Evaluated::default(),
    });
    assert_eq!(
        worker.next(),
        Some(FromWorker::Exported {
            directory: directory.clone(),
            test: None,
            untrained: None,
            evaluations: Metrics::new(),
            untrained_evaluations: Metrics::new(),
        })
    );

    let base = Base::load(&source, Device::Cpu).unwrap();
    let exported = Base::load(&directory, Device::Cpu).unwrap();
    let trained = Saved::read(&checkpoint).unwrap().model(&base).unwrap();
    assert_eq!((trained.head, trained.max_length), (base.head, None));
    let tokens = Tokens::read(&directory, 16, 65).unwrap();
    let ids = tokens.encode(&["w1 w2 w3", "w4", "w5 w6 w7 w8 w9"]).unwrap();
    let ids: Vec<&[u32]> = ids.iter().map(|ids| ids.as_ref()).collect();
    let embed = |model: model::Model| model.embed(&ids).unwrap();
    let ours = embed(exported.model(&exported.weights).unwrap());
    assert!(ours.equal(&embed(base.model(&trained.weights).unwrap())));
    assert!(!ours.equal(&embed(base.model(&base.weights).unwrap())));

    let read = |directory: &PathBuf| std::fs::read(directory.join("model.safetensors")).unwrap();
    let (before, after) = (read(&source), read(&directory));
    let (before, after) = (
        SafeTensors::deserialize(&before).unwrap(),
        SafeTensors::deserialize(&after).unwrap(),
    );
    let names = |file: &SafeTensors<'_>| {
        file.names()
            .into_iter()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&before), names(&after));
    for kept in ["bert.pooler.dense.weight", "bert.embeddings.position_ids"] {
        assert_eq!(before.tensor(kept).unwrap().data(), after.tensor(kept).unwrap().data());
    }
    for there in ["README.md", "tokenizer.json", "modules.json", "1_Pooling/config.json"] {
        assert_eq!(
            std::fs::read(source.join(there)).unwrap(),
            std::fs::read(directory.join(there)).unwrap()
        );
    }
    for absent in ["pytorch_model.bin", ".hidden", "onnx", "model.tmp"] {
        assert!(!directory.join(absent).exists(), "{absent}");
    }
    // The tiny model says float16 of itself; what is written is not.
    assert!(
        std::fs::read_to_string(directory.join("config.json"))
            .unwrap()
            .contains("\"float32\"")
    );
}

#[test]
fn trials_that_choose_a_base_model_have_its_weights_and_its_baseline() {
    let mut study = Study::new("choice");
    let other = study.path.join("other");
    std::fs::create_dir_all(&other).unwrap();
    tiny_model(&other, "bert.");
    std::fs::write(
        other.join("1_Pooling/config.json"),
        r#"{"pooling_mode_cls_token": true}"#,
    )
    .unwrap();
    let alone = |study: &Study| {
        let mut worker = study.worker();
        worker.say(&ToWorker::Evaluate);
        let Some(FromWorker::Evaluated(Baseline::One(untrained))) = worker.next() else {
            panic!("no baseline");
        };
        let run = study.run("alone", json!({ "learning_rate": 1e-3 }), 0, 2, None);
        let lines = worker.train(&run);
        let reports: Vec<f64> = lines[..2].iter().map(|line| report(line).1).collect();
        (untrained, reports)
    };
    let model = study.path.join("model");
    let mean = alone(&study);
    study.start.settings.insert("model".to_owned(), json!(other));
    let cls = alone(&study);
    assert_ne!(mean, cls);

    let choice = json!({ "mean": model, "cls": other });
    study.start.settings.insert("model".to_owned(), choice);
    let mut worker = study.worker();
    worker.say(&ToWorker::Evaluate);
    let Some(FromWorker::Evaluated(Baseline::Models { models })) = worker.next() else {
        panic!("no baselines");
    };
    assert_eq!((&models["mean"], &models["cls"]), (&mean.0, &cls.0));
    // A segment each in turns, so that models change within the worker.
    let mut checkpoints = [None, None];
    for epoch in 0..2 {
        for (place, (name, (_, alone))) in [("mean", &mean), ("cls", &cls)].into_iter().enumerate() {
            let parameters = json!({ "learning_rate": 1e-3, "model": name });
            let run = study.run(name, parameters, epoch, epoch + 1, checkpoints[place].take());
            let (_, loss, _, checkpoint) = report(&worker.train(&run)[0]);
            assert_eq!(loss, alone[epoch as usize], "{name}");
            checkpoints[place] = Some(checkpoint);
        }
    }
    let wrong = study.run("wrong", json!({ "model": "cls" }), 1, 2, checkpoints[0].clone());
    assert!(failure(&worker.train(&wrong)).contains("another `"));
    for (parameters, message) in [
        (json!({}), "`model` is missing; it must be one of `cls`, `mean`"),
        (
            json!({ "model": "max" }),
            "`model` is `max`; it must be one of `cls`, `mean`",
        ),
        (json!({ "model": 3 }), "wrong parameters"),
    ] {
        let lines = worker.train(&study.run("wrong", parameters, 0, 1, None));
        assert!(failure(&lines).contains(message), "{lines:?}");
    }
}

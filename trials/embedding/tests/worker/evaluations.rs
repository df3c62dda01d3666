//! The user's own evaluations: when they are measured, and on what.

use std::path::Path;

use crate::study::{Study, Worker, report, triplets};
use hpo_protocol::embedding::{Evaluation, EvaluationKind};
use hpo_protocol::{Baseline, Evaluated, FromWorker, Metrics, ToWorker};
use serde_json::{Value, json};

fn write(path: &Path, rows: impl IntoIterator<Item = Value>) {
    let lines = rows.into_iter().map(|row| row.to_string() + "\n");
    std::fs::write(path, lines.collect::<String>()).unwrap();
}

/// A study with an evaluation of each kind: classifications at each report, retrieval at rungs, others at the end.
fn study(name: &str) -> Study {
    let mut study = Study::new(name);
    let file = |name: &str| study.path.join(name);
    triplets(&file("rows.jsonl"), 5, 120);
    let word = |n: usize| format!("w{} w{}", n % 7, n % 31);
    let scored = |n: usize| json!({ "sentence1": word(n), "sentence2": word(3 * n + 1), "score": n % 6 });
    write(&file("scored.jsonl"), (0..120).map(scored));
    let labelled = |n: usize| json!({ "text": word(n), "label": n % 3 });
    write(&file("labelled.jsonl"), (0..120).map(labelled));
    write(&file("fitted.jsonl"), (120..240).map(labelled));
    let evaluations = json!({
        "knn": { "type": "classification", "data": file("labelled.jsonl"), "train": file("fitted.jsonl"),
                 "classifier": "knn", "every": "report" },
        "labels": { "type": "classification", "data": file("labelled.jsonl"), "train": file("fitted.jsonl"),
                    "every": "report" },
        "search": { "type": "retrieval", "data": file("rows.jsonl") },
        "pairs": { "type": "similarity", "data": file("scored.jsonl"), "every": "end" },
        "nearer": { "type": "triplets", "data": file("rows.jsonl"), "every": "end" },
        "order": { "type": "reranking", "data": file("rows.jsonl"), "every": "end" },
    });
    study.start.settings.insert("evaluations".to_owned(), evaluations);
    study
}

/// The evaluations of which there are metrics. If there is one metric of an evaluation, there are all.
fn measured(study: &Study, metrics: &Metrics) -> Vec<String> {
    let tables = study.start.settings["evaluations"].as_object().unwrap();
    let is_measured = |(name, table): (&String, &Value)| {
        let table: Evaluation = serde_json::from_value(table.clone()).unwrap();
        let there = |metric: &&&str| metrics.contains_key(&Evaluation::metric(name, metric));
        let count = table.r#type.metrics().iter().filter(there).count();
        assert!(
            [0, table.r#type.metrics().len()].contains(&count),
            "{name}: {metrics:?}"
        );
        (count > 0).then(|| name.clone())
    };
    let mut names: Vec<String> = tables.iter().filter_map(is_measured).collect();
    names.sort();
    names
}

const ALL: [&str; 6] = ["knn", "labels", "nearer", "order", "pairs", "search"];
const AT_REPORTS: [&str; 2] = ["knn", "labels"];
const AT_RUNGS: [&str; 3] = ["knn", "labels", "search"];

#[test]
fn evaluations_are_measured_when_they_are_due() {
    let study = study("evaluations");
    let mut worker = study.worker();
    worker.say(&ToWorker::Evaluate);
    let Some(FromWorker::Evaluated(Baseline::One(untrained))) = worker.next() else {
        panic!("not evaluated");
    };
    assert_eq!(measured(&study, &untrained.metrics), ALL);
    assert!(untrained.metrics.contains_key("ndcg@10"), "the validation is there too");

    let parameters = json!({"learning_rate": 1e-3, "batch_size": 8});
    let lines = worker.train(&study.run("runs", parameters.clone(), 0, 2, None));
    let (first, rung) = (report(&lines[0]), report(&lines[1]));
    assert_eq!(measured(&study, &first.2), AT_REPORTS);
    assert_eq!(measured(&study, &rung.2), AT_RUNGS);
    assert_ne!(first.2["labels.accuracy"], untrained.metrics["labels.accuracy"]);
    // What is measured does not change what is trained.
    let mut without = Study::new("evaluations-without");
    without.start.settings.remove("evaluations");
    let plain = without
        .worker()
        .train(&without.run("runs", parameters.clone(), 0, 2, None));
    assert_eq!(report(&plain[1]).1, rung.1);
    assert!(std::fs::read(report(&plain[1]).3).unwrap() == std::fs::read(&rung.3).unwrap());

    let lines = worker.train(&study.run("runs", parameters, 2, 9, Some(rung.3)));
    let last = report(&lines[6]);
    assert_eq!(last.0, 9);
    assert_eq!(measured(&study, &report(&lines[5]).2), AT_REPORTS);
    assert_eq!(measured(&study, &last.2), ALL);

    let mut export = |name: &str, known| {
        worker.say(&ToWorker::Export {
            checkpoint: last.3.clone(),
            directory: study.path.join(name),
            known,
        });
        match worker.next() {
            Some(FromWorker::Exported {
                evaluations,
                untrained_evaluations,
                ..
            }) => (evaluations, untrained_evaluations),
            other => panic!("{other:?}"),
        }
    };
    let (evaluations, untrained_evaluations) = export("exported", Evaluated::default());
    let named = |metrics: &Metrics| -> Metrics {
        let named = metrics.iter().filter(|(name, _)| name.contains('.'));
        named.map(|(name, value)| (name.clone(), *value)).collect()
    };
    assert_eq!(evaluations, named(&last.2));
    assert_eq!(untrained_evaluations, named(&untrained.metrics));

    // Whatever is said to be known isn't measured again; of an evaluation that is known in part, all is.
    let known = |metrics: &Metrics| -> Metrics {
        let all = metrics.iter().filter(|(name, _)| !name.ends_with(".macro_f1"));
        all.map(|(name, value)| (name.clone(), value + 1.0)).collect()
    };
    let expected = |metrics: &Metrics| -> Metrics {
        let of_labels = |name: &str| AT_REPORTS.iter().any(|known| name.starts_with(known));
        let each = metrics.iter();
        each.map(|(name, value)| (name.clone(), value + f64::from(u8::from(!of_labels(name)))))
            .collect()
    };
    let found = export(
        "again",
        Evaluated {
            evaluations: known(&evaluations),
            untrained_evaluations: known(&untrained_evaluations),
        },
    );
    assert_eq!(found, (expected(&evaluations), expected(&untrained_evaluations)));
}

#[test]
fn a_trial_that_ends_by_itself_is_measured_by_all_evaluations() {
    let study = study("evaluations-patience");
    let parameters = json!({"learning_rate": 1e-12, "patience": 1, "batch_size": 8});
    let lines = study.worker().train(&study.run("runs", parameters, 0, 5, None));
    let Some(FromWorker::Report {
        last: true, resource, ..
    }) = lines.last()
    else {
        panic!("{:?}", lines.last());
    };
    assert!(*resource < 5, "{resource}");
    assert_eq!(measured(&study, &report(lines.last().unwrap()).2), ALL);
}

#[test]
fn several_reports_at_one_step_have_what_is_due_at_each() {
    let study = study("evaluations-one-step");
    let mut run = study.run("runs", json!({"batch_size": 40}), 0, 12, None);
    (run.unit, run.report_every, run.max) = (hpo_protocol::Unit::Examples, 4, 12);
    let lines = study.worker().train(&run);
    let resources: Vec<u64> = lines[..3].iter().map(|line| report(line).0).collect();
    assert_eq!(resources, [4, 8, 12]);
    assert_eq!(measured(&study, &report(&lines[1]).2), AT_REPORTS);
    let last = report(&lines[2]).2;
    assert_eq!(measured(&study, &last), ALL);
    assert_eq!(last["knn.accuracy"], report(&lines[0]).2["knn.accuracy"]);
}

#[test]
fn an_evaluation_that_cannot_be_read_is_reported_with_its_place() {
    let study = study("evaluations-wrong");
    let path = study.path.join("scored.jsonl");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        good + "{\"sentence1\": \"w1\", \"sentence2\": \"w2\", \"score\": \"high\"}\n",
    )
    .unwrap();
    let mut worker = Worker::spawn();
    worker.say(&ToWorker::Start(study.start.clone()));
    let Some(FromWorker::Fatal { message, .. }) = worker.next() else {
        panic!("it has started");
    };
    assert!(message.contains("scored.jsonl:121:"), "{message}");
    assert!(message.contains("`score` must be a finite number"), "{message}");
}

/// The most memory that a process has held, in KiB.
#[cfg(target_os = "linux")]
fn peak(worker: &Worker) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn not_all_cosines_are_held_in_memory() {
    const DOCUMENTS: usize = 20_000;
    const QUERIES: usize = 4_000;
    let mut study = Study::new("evaluations-memory");
    let mut untrained = |documents: usize, queries: usize| {
        // A text is the number in a system of the vocabulary's words.
        let text = |n: usize| format!("w{} w{} w{} w{}", n % 60, n / 60 % 60, n / 3600 % 60, n * 7 % 60);
        let row = |n: usize| json!({ "anchor": format!("{} w1 w2", text(n)), "positive": text(n) });
        let more = |n: usize| json!({ "anchor": format!("{} w1 w2", text(n % queries)), "positive": text(n) });
        let path = study.path.join("rows.jsonl");
        write(&path, (0..queries).map(row).chain((queries..documents).map(more)));
        let table = json!({ "search": { "type": EvaluationKind::Retrieval, "data": path } });
        study.start.settings.insert("evaluations".to_owned(), table);
        let mut worker = study.worker();
        worker.say(&ToWorker::Evaluate);
        let Some(FromWorker::Evaluated(Baseline::One(measured))) = worker.next() else {
            panic!("not evaluated");
        };
        assert!(measured.metrics["search.recall@100"] > 0.0);
        peak(&worker)
    };
    let (small, large) = (untrained(200, 100), untrained(DOCUMENTS, QUERIES));
    let cosines = DOCUMENTS * QUERIES * size_of::<f32>() / 1024;
    assert!(
        large - small < cosines / 3,
        "{small} and {large} KiB, with {cosines} KiB of cosines"
    );
}

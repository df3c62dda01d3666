//! Writes a large study as the scheduler would have: `big_journal DIRECTORY TRIALS REPORTS`.
//!
//! Every trial but the last one, which has not started, is trained to the end with a report at each resource, each with the
//! metrics that the embedding trainer has and a checkpoint. The trainer lets the last one diverge.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use hpo::ids::{SegmentId, SlotId, Timestamp};
use hpo::space::SearchSpace;
use hpo::store::{self, JournalReader, JournalWriter, StudyDirectory};
use hpo::study::{
    Checkpoint, Command, Event, PolicyKind, PolicySpec, Record, Reported, SamplerSpec, Study, StudySpec, Trainer,
};
use hpo_protocol::Unit;

/// Records that are made durable together.
const BATCH: usize = 20_000;

const METRICS: [&str; 6] = [
    "mean_cosine",
    "mrr@10",
    "ndcg@10",
    "recall@10",
    "train_loss",
    "triplet_accuracy",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, trials, reports] = arguments.as_slice() else {
        panic!("big_journal DIRECTORY TRIALS REPORTS");
    };
    write(Path::new(directory), trials.parse().unwrap(), reports.parse().unwrap());
}

fn spec(trials: u64, reports: u64) -> StudySpec {
    let range = |name: &str| serde_json::json!({ "name": name, "distribution": { "type": "log_uniform", "low": 1e-6, "high": 1.0 } });
    let names = ["learning_rate", "batch_size", "dropout", "weight_decay", "margin"];
    let space = serde_json::json!({ "parameters": names.map(range) });
    let space: SearchSpace = serde_json::from_value(space).unwrap();
    StudySpec {
        name: "big".into(),
        seed: 1,
        trials,
        retries: 2,
        objective: Default::default(),
        further: Vec::new(),
        require: Vec::new(),
        keep_checkpoints: 1,
        stop: Default::default(),
        policy: PolicySpec {
            kind: PolicyKind::None,
            speculation: true,
            parallel_brackets: 1,
            unit: Unit::Epochs,
            report_every: 1,
            min_resource: 1,
            max_resource: reports,
            reduction_factor: 3,
        },
        trainer: Trainer {
            command: Some(vec!["sh".into(), "-c".into(), trainer(trials - 1)]),
            directory: "/".into(),
            script: false,
            settings: Default::default(),
            seed: None,
        },
        threads: 1,
        sampler: SamplerSpec::Random,
        space,
        confirmation: None,
    }
}

fn trainer(trial: u64) -> String {
    let ready = r#"{"type":"ready","protocol":1,"trainer":"none"}"#;
    let segment = format!(r#""trial":{trial},"attempt":1"#);
    let diverged = format!(r#"{{"type":"report",{segment},"resource":1,"loss":null,"checkpoint":null}}"#);
    format!("read start; echo '{ready}'; read run && echo '{diverged}'; cat")
}

fn write(root: &Path, trials: u64, reports: u64) {
    let directory = StudyDirectory::new(root);
    let spec = spec(trials, reports);
    let limits = spec.limits();
    store::create(&directory, &spec, "", None, Vec::new(), Timestamp(0)).unwrap();
    let path = directory.journal();
    let mut reader = JournalReader::open(&path).unwrap();
    let first = reader.next_record().unwrap().unwrap();
    let mut study = Study::restore(spec, [&first]).unwrap();
    let mut journal = JournalWriter::resume(&path, &reader).unwrap();

    let mut now = 0;
    let mut pending: Vec<Record> = Vec::new();
    let mut handle = |study: &mut Study, event: Event| {
        now += 1000;
        let step = study.handle(Timestamp(now), event);
        pending.extend(step.records);
        if pending.len() >= BATCH {
            journal.append(&pending).unwrap();
            pending.clear();
        }
        step.commands
    };
    let slots = vec!["CPU".to_owned()];
    let process = 1;
    handle(&mut study, Event::Opened { process, slots, limits });
    for _ in 1..trials {
        let commands = handle(&mut study, Event::Idle { slots: vec![SlotId(0)] });
        let Some(Command::Run { segment, from, to, .. }) = commands.into_iter().next() else {
            panic!("nothing to train");
        };
        for resource in from + 1..=to {
            handle(&mut study, report(segment, resource));
        }
    }
    handle(&mut study, Event::Closed);
    journal.append(&pending).unwrap();
    assert!(!study.is_finished());
}

fn report(segment: SegmentId, resource: u64) -> Event {
    let SegmentId { trial, attempt } = segment;
    let loss = 1.0 / (2.0 + (trial.0 % 977) as f64 + resource as f64).sqrt();
    let metric = |(k, name): (usize, &&str)| ((*name).to_owned(), 1.0 - loss / (k as f64 + 1.5));
    Event::Reported(Reported {
        diverged: false,
        trial,
        attempt,
        resource,
        loss: Some(loss),
        metrics: METRICS.iter().enumerate().map(metric).collect(),
        checkpoint: Some(Checkpoint {
            file: format!(
                "{}/a{attempt}-e{resource}.safetensors",
                StudyDirectory::trial_checkpoints(trial)
            ),
            bytes: 271_000_000,
            sha256: format!("{:064x}", trial.0 * 31 + resource),
        }),
        last: false,
    })
}

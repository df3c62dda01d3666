//! A batch that does not fit into memory is taken in smaller parts.

use crate::study::{Study, Worker, report, triplets};
use crate::with_memory;
use hpo_protocol::FromWorker;
use serde_json::{Value, json};

/// More rows than fit into what the limited worker has left.
const ROWS: usize = 6000;

fn parameters(batch_size: usize) -> Value {
    json!({"learning_rate": 1e-3, "dropout": 0.0, "batch_size": batch_size, "batch_negatives": 0.0})
}

/// The most address space that a process has had, in KiB.
fn peak(worker: &Worker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_batch_that_does_not_fit_is_halved_and_the_result_is_the_same() {
    let study = Study::new("memory");
    triplets(&study.path.join("train.jsonl"), 1, ROWS);
    let mut free = study.worker();
    free.train(&study.run("small", parameters(100), 0, 1, None));
    let limit = peak(&free) + 64 * 1024;
    let whole = free.train(&study.run("whole", parameters(ROWS), 0, 2, None));

    let mut limited = study.ready(with_memory(limit));
    let first = limited.train(&study.run("parts", parameters(ROWS), 0, 1, None));
    let (_, loss, metrics, checkpoint) = report(&first[0]);
    let rows = metrics["micro_batch"];
    assert!(rows >= 1.0 && rows < ROWS as f64, "{rows}");
    assert!((loss - report(&whole[0]).1).abs() < 1e-4);
    // The slot remembers what fits: it never tries more again.
    let other = limited.train(&study.run("other", parameters(ROWS), 0, 1, None));
    assert!(report(&other[0]).2["micro_batch"] <= rows);

    // Where there is memory enough, the trial still goes on as it was: it would have other bits otherwise.
    let run = study.run("parts", parameters(ROWS), 1, 2, Some(checkpoint));
    let second = free.train(&run);
    let (_, loss, metrics, _) = report(&second[0]);
    assert_eq!(metrics["micro_batch"], rows);
    assert!((loss - report(&whole[1]).1).abs() < 1e-4);
    assert!(matches!(second.last(), Some(FromWorker::Done { .. })));
    assert!(!report(&whole[1]).2.contains_key("micro_batch"));
}

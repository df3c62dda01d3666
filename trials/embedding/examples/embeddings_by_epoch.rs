//! Trains one configuration and writes the embeddings of the validation and the test texts after some of its epochs: what
//! `benches/validation_losses.py` compares validation losses by.
//!
//! `cargo run --release -p hpo-trial-embedding --example embeddings_by_epoch < JSON`, an object with `start` (the first message
//! to a worker, with `test` among its settings), `parameters`, `seed`, `epochs` (in rising order; 0 is before training) and
//! `output`, an existing directory. `output` receives `validation.json` and `test.json` with the rows, as places of texts, and
//! `epoch-N.validation.f32` and `epoch-N.test.f32` with one embedding after the other, as little-endian numbers. Each
//! epoch is printed as one JSON object with the loss and the metrics that the worker would have reported.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hpo_data::Rows;
use hpo_protocol::{Start, Unit, Values};
use hpo_trial_embedding::prepare::prepare;
use hpo_trial_embedding::resource::Goal;
use hpo_trial_embedding::segment::parameters;
use hpo_trial_embedding::trial::Trial;
use hpo_trial_embedding::worker::limit_threads;
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Task {
    start: Start,
    parameters: Values,
    seed: u64,
    epochs: Vec<u64>,
    output: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let task: Task = serde_json::from_reader(std::io::stdin())?;
    limit_threads(task.start.threads)?;
    let shared = prepare(&task.start)?.shared(None, None)?;
    let test = shared.test.as_ref().ok_or("there are no test data")?;
    let sets = [("validation", &shared.validation), ("test", test)];
    for (name, set) in sets {
        let Rows::Triplets(rows) = set.examples().rows() else {
            return Err("the data are not triplets".into());
        };
        let rows = rows.iter().flat_map(|row| {
            row.negatives
                .iter()
                .map(|negative| [row.anchor, row.positive, *negative])
        });
        let rows: Vec<[u32; 3]> = rows.collect();
        fs::write(task.output.join(format!("{name}.json")), serde_json::to_vec(&rows)?)?;
    }
    let goal = Goal {
        unit: Unit::Epochs,
        report_every: 1,
        max: task.epochs.last().copied().unwrap_or(1).max(1),
    };
    let mut trial = Trial::new(&shared, task.seed, parameters(&task.parameters)?, goal)?;
    for &epoch in &task.epochs {
        while trial.steps() < trial.course().steps(epoch) {
            if !trial.step()? {
                println!("{}", serde_json::json!({ "epoch": epoch, "diverged": true }));
                return Ok(());
            }
        }
        let mut line = serde_json::json!({ "epoch": epoch });
        for (name, set) in sets {
            let embeddings = set.embeddings(trial.model(), shared.max_length)?;
            let measured = set.measure_embeddings(&embeddings, None)?;
            line[name] = serde_json::json!({ "loss": measured.loss, "metrics": measured.metrics });
            write(&task.output.join(format!("epoch-{epoch}.{name}.f32")), &embeddings)?;
        }
        println!("{line}");
    }
    Ok(())
}

fn write(path: &Path, embeddings: &Tensor) -> Result<(), Box<dyn Error>> {
    let mut numbers = vec![0f32; embeddings.numel()];
    let count = numbers.len();
    embeddings.f_contiguous()?.f_copy_data(&mut numbers, count)?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Ok(fs::write(path, bytes)?)
}

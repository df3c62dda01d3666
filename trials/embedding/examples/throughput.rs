//! Trains for some steps and prints how fast it was, as one JSON object: what `make bench` runs.
//!
//! `cargo run --release -p hpo-trial-embedding --example throughput -- <key>=<value> …` with the keys `model`, `train`
//! (a file of triplets), `threads`, `batch_size`, `max_length`, `dropout` and `seconds`.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hpo_protocol::embedding::Parameters;
use hpo_protocol::{Start, VERSION};
use hpo_trial_embedding::model::Config;
use hpo_trial_embedding::trial::Trial;
use hpo_trial_embedding::worker::prepare;
use tch::{Device, Kind, Tensor};

/// Numbers that a product of square matrices has a side of.
const SIDE: i64 = 1536;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let values: HashMap<&str, &str> = arguments.iter().filter_map(|pair| pair.split_once('=')).collect();
    let get = |key: &str| values.get(key).copied().ok_or_else(|| format!("`{key}=` is missing"));
    let train = get("train")?;
    let start = Start {
        protocol: VERSION,
        study: "throughput".to_owned(),
        threads: get("threads")?.parse()?,
        settings: serde_json::from_value(serde_json::json!({
            "model": get("model")?, "train": train, "validation": train,
            "max_length": get("max_length")?.parse::<u64>()?,
        }))?,
    };
    let batch_size = get("batch_size")?.parse()?;
    let seconds: f64 = get("seconds")?.parse()?;
    let shared = prepare(&start)?;
    let parameters = Parameters {
        batch_size,
        dropout: get("dropout")?.parse()?,
        ..Parameters::default()
    };
    let mut trial = Trial::new(&shared, 1, parameters, 1)?;
    trial.step()?;
    let first_step_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    // Memory that is used again has been allocated after some steps.
    for _ in 0..3 {
        trial.step()?;
    }
    let begin = Instant::now();
    let mut steps = 0;
    while begin.elapsed().as_secs_f64() < seconds {
        trial.step()?;
        steps += 1;
    }
    let elapsed = begin.elapsed().as_secs_f64();
    let texts = shared.train.rows().texts();
    let tokens: usize = texts.iter().map(|&text| shared.train.text(text).len()).sum();
    let report = serde_json::json!({
        "triplets_per_second": steps as f64 * batch_size as f64 / elapsed,
        "steps": steps,
        "tokens_per_text": tokens as f64 / texts.len() as f64,
        "gflop_per_triplet": 3.0 * tokens as f64 / texts.len() as f64 * operations(&shared.base.config) / 1e9,
        "first_step_at": first_step_at,
        "sgemm_gflops": peak(start.threads as i32),
        "peak_megabytes": peak_memory(),
    });
    println!("{report}");
    Ok(())
}

/// Operations in the matrix products for one token, forward and backward; without those of attention, which depend on the
/// length of the text and are few.
fn operations(config: &Config) -> f64 {
    let (hidden, inner) = (config.hidden_size as f64, config.intermediate_size as f64);
    // Four square matrices in attention; two operations a weight, forward, for the input's and the weight's gradient.
    6.0 * config.num_hidden_layers as f64 * (4.0 * hidden * hidden + 2.0 * hidden * inner)
}

/// The median speed of a large matrix product with that many threads, in 1e9 operations per second.
fn peak(threads: i32) -> f64 {
    tch::set_num_threads(threads);
    let matrix = || Tensor::rand([SIDE, SIDE], (Kind::Float, Device::Cpu));
    let (one, two) = (matrix(), matrix());
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let begin = Instant::now();
            let _ = one.mm(&two);
            begin.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    2.0 * (SIDE as f64).powi(3) / times[times.len() / 2] / 1e9
}

/// The most memory that the process has had, in 1e6 bytes, where the system tells it in this way.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

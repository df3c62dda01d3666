//! Trains for some steps and prints how fast it was, as one JSON object: what `make bench` runs.
//!
//! `cargo run --release -p hpo-trial-embedding --example throughput -- <key>=<value> …` with the keys `model`, `train`
//! (a file of triplets), `cache` (a directory for tokenised texts, as `hpo` gives its workers), `threads`, `batch_size`,
//! `max_length`, `dropout`, `seconds`, and `frozen_layers` and `precision` if they are not 0 and `fp32`.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hpo_protocol::embedding::{Parameters, PrecisionKind};
use hpo_protocol::{Start, Unit, VERSION};
use hpo_trial_embedding::model::Config;
use hpo_trial_embedding::prepare::prepare;
use hpo_trial_embedding::resource::Goal;
use hpo_trial_embedding::trial::Trial;
use hpo_trial_embedding::worker::limit_threads;
use tch::{Device, Kind, Tensor};

/// Numbers that a product of square matrices has a side of.
const SIDE: i64 = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let values: HashMap<&str, &str> = arguments.iter().filter_map(|pair| pair.split_once('=')).collect();
    let get = |key: &str| values.get(key).copied().ok_or_else(|| format!("`{key}=` is missing"));
    let start = Start {
        protocol: VERSION,
        study: "throughput".to_owned(),
        threads: get("threads")?.parse()?,
        settings: serde_json::from_value(serde_json::json!({
            "model": get("model")?, "train": get("train")?, "validation_share": 0.01,
            "max_length": get("max_length")?.parse::<u64>()?,
        }))?,
        cache: Some(get("cache")?.into()),
    };
    let batch_size = get("batch_size")?.parse()?;
    let seconds: f64 = get("seconds")?.parse()?;
    limit_threads(start.threads)?;
    let shared = prepare(&start)?.shared(None, None)?;
    let parameters = Parameters {
        batch_size,
        dropout: get("dropout")?.parse()?,
        precision: values.get("precision").map_or(Ok(PrecisionKind::Fp32), |name| {
            serde_json::from_value(serde_json::Value::from(*name))
        })?,
        frozen_layers: values.get("frozen_layers").map_or(Ok(0), |number| number.parse())?,
        ..Parameters::default()
    };
    let goal = Goal {
        unit: Unit::Epochs,
        report_every: 1,
        max: 1,
    };
    let mut trial = Trial::new(&shared, 1, parameters, goal)?;
    trial.step()?;
    let first_step_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    // Memory that is used again has been allocated after some steps.
    for _ in 0..3 {
        trial.step()?;
    }
    let memory = peak_memory();
    let mut products = Products::new(start.threads);
    let mut steps = 0;
    let mut elapsed = 0.0;
    // In turns, so that both meet the same disturbances.
    while elapsed < seconds {
        let begin = Instant::now();
        while begin.elapsed().as_secs_f64() < 1.0 {
            trial.step()?;
            steps += 1;
        }
        elapsed += begin.elapsed().as_secs_f64();
        products.run();
    }
    let texts = shared.train.rows().texts();
    let lengths = || texts.iter().map(|&text| shared.train.text(text).len() as f64);
    let tokens: f64 = lengths().sum();
    let operations: f64 = lengths().map(|length| operations(&shared.base.config, length)).sum();
    let report = serde_json::json!({
        "triplets_per_second": steps as f64 * batch_size as f64 / elapsed,
        "steps": steps,
        "tokens_per_text": tokens / texts.len() as f64,
        "gflop_per_triplet": 3.0 * operations / texts.len() as f64 / 1e9,
        "first_step_at": first_step_at,
        "sgemm_gflops": products.gflops(),
        "peak_megabytes": memory,
    });
    println!("{report}");
    Ok(())
}

/// Operations in the matrix products for a text of that many tokens, forward and backward.
fn operations(config: &Config, length: f64) -> f64 {
    let (hidden, inner) = (config.hidden_size as f64, config.intermediate_size as f64);
    let attention = 4.0 * hidden * hidden + 2.0 * length * hidden;
    // Two operations a product of numbers: forward, for the input's gradient, and for the weight's.
    6.0 * length * config.num_hidden_layers as f64 * (attention + 2.0 * hidden * inner)
}

/// Large matrix products with libtorch, on each thread its own, which is where they are fastest.
struct Products {
    threads: usize,
    rates: Vec<f64>,
}

impl Products {
    fn new(threads: usize) -> Self {
        Self {
            threads,
            rates: Vec::new(),
        }
    }

    /// Computes for a quarter of a second.
    fn run(&mut self) {
        let work = || {
            tch::set_num_threads(1);
            let matrix = || Tensor::rand([SIDE, SIDE], (Kind::Float, Device::Cpu));
            let (one, two, out) = (matrix(), matrix(), matrix());
            let _ = one.mm_out(&out, &two);
            let begin = Instant::now();
            let mut count = 0;
            while begin.elapsed().as_secs_f64() < 0.25 {
                let _ = one.mm_out(&out, &two);
                count += 1;
            }
            f64::from(count) / begin.elapsed().as_secs_f64()
        };
        let rate = std::thread::scope(|scope| {
            let running: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).sum()
        });
        self.rates.push(rate);
    }

    /// 1e9 operations per second of all threads together.
    fn gflops(&self) -> f64 {
        let mean = self.rates.iter().sum::<f64>() / self.rates.len() as f64;
        2.0 * (SIDE as f64).powi(3) * mean / 1e9
    }
}

/// The most memory that the process has had, in 1e6 bytes, where the system reports it in this way.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

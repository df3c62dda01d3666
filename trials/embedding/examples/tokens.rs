//! Prints the token ids that the trainer gives texts, one JSON array per model directory, or why it refuses the directory as a
//! string. Standard input has one JSON object per directory: `{"directory": …, "max_length": …, "texts": […]}`.
//! `make_tokens.py` compares them with those of Transformers.
//!
//! `cargo run --release -p hpo-trial-embedding --example tokens`

use std::path::PathBuf;

use hpo_trial_embedding::tokens::Tokens;
use serde::Deserialize;

#[derive(Deserialize)]
struct Job {
    directory: PathBuf,
    max_length: usize,
    texts: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let texts: Vec<&str> = job.texts.iter().map(String::as_str).collect();
        let read = Tokens::read(&job.directory, job.max_length, i64::MAX);
        let line = match read.and_then(|tokens| tokens.encode(&texts)) {
            Ok(ids) => serde_json::to_string(&ids)?,
            Err(error) => serde_json::to_string(&error.to_string())?,
        };
        println!("{line}");
    }
    Ok(())
}

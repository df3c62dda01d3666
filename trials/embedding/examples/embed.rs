//! Prints the embeddings of the lines of standard input as the trainer computes them: one JSON array per line.
//!
//! `cargo run --release -p hpo-trial-embedding --example embed -- <model directory> [max_length] [query|document]`
//!
//! Before each stands the prompt that the directory names for queries, for documents, or else for any text.

use std::io::Read;
use std::path::Path;

use hpo_trial_embedding::kept_tokens::KeptTokens;
use hpo_trial_embedding::model::Base;
use tch::Device;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("usage: embed <model directory> [max_length] [query|document] < texts")?;
    let max_length = arguments.next().map_or(Ok(128), |length| length.parse())?;
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let base = Base::load(Path::new(&directory), Device::Cpu)?;
    let roles = base.prompts.roles();
    let prompt = match arguments.next().as_deref() {
        Some("query") => roles.anchor,
        Some("document") => roles.positive,
        _ => roles.text,
    };
    let tokens = KeptTokens::new(&base.directory, max_length, base.config.vocab_size, None);
    let lines: Vec<&str> = input.lines().collect();
    let behind = tokens.behind(&prompt, &lines)?;
    let texts: Vec<_> = (0..lines.len()).map(|place| behind.cut(place, max_length)).collect();
    let embeddings = base.model(&base.weights)?.embed(&texts)?;
    for row in Vec::<Vec<f32>>::try_from(&embeddings)? {
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}

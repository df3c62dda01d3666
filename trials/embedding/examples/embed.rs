//! Prints the embeddings of the lines of standard input as the trainer computes them: one JSON array per line.
//!
//! `cargo run --release -p hpo-trial-embedding --example embed -- <model directory> [max_length]`

use std::io::Read;
use std::path::Path;

use hpo_trial_embedding::model::Base;
use hpo_trial_embedding::tokens::Tokens;
use tch::Device;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("usage: embed <model directory> [max_length] < texts")?;
    let max_length = arguments.next().map_or(Ok(128), |length| length.parse())?;
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let base = Base::load(Path::new(&directory), Device::Cpu)?;
    let tokens = Tokens::read(&base.directory, max_length, base.config.vocab_size)?;
    let texts = tokens.encode(&input.lines().collect::<Vec<_>>())?;
    let texts: Vec<&[u32]> = texts.iter().map(|text| text.as_ref()).collect();
    let embeddings = base.model(&base.weights)?.embed(&texts)?;
    for row in Vec::<Vec<f32>>::try_from(&embeddings)? {
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}

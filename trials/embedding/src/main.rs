//! The worker `hpo-trial-embedding`: it is started by `hpo` and speaks the protocol of `hpo_protocol`, or examines base models for it.

#![deny(clippy::wildcard_enum_match_arm)]

use hpo_protocol::embedding::EXAMINE;

fn main() {
    let argument = std::env::args_os().nth(1);
    match argument.as_ref().and_then(|argument| argument.to_str()) {
        Some("--version") => println!("{}", hpo_trial_embedding::version()),
        Some(EXAMINE) => hpo_trial_embedding::examine::serve(),
        Some(_) | None => hpo_trial_embedding::worker::serve(),
    }
}

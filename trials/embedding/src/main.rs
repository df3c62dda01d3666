//! The worker `hpo-trial-embedding`: it is started by `hpo` and speaks the protocol of `hpo_protocol`.

#![deny(clippy::wildcard_enum_match_arm)]

fn main() {
    hpo_trial_embedding::worker::serve()
}

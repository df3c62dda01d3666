//! The worker `hpo-trial-embedding`: it is started by `hpo` and speaks the protocol of `hpo_protocol`.

fn main() {
    hpo_trial_embedding::worker::serve()
}

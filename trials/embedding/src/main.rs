//! The worker `hpo-trial-embedding`: it is started by `hpo` and speaks the protocol of `hpo_protocol`.

#![deny(clippy::wildcard_enum_match_arm)]

fn main() {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == "--version")
    {
        println!("{}", hpo_trial_embedding::version());
        return;
    }
    hpo_trial_embedding::worker::serve()
}

//! Searches with a Rust function as the trainer: `cargo run --example function`.

use std::error::Error;

use hpo::session::{Cancellation, Function, Quiet, Segment, Session};
use hpo::study_file;

const STUDY: &str = r#"
study = { name = "function", trials = 27 }
policy = { max_resource = 9 }
trial = { command = ["a function"] }
space.rate = { type = "log_uniform", low = 1e-4, high = 1.0 }
space.momentum = { type = "uniform", low = 0.0, high = 0.99 }
"#;

/// Minimises a parabola by gradient descent with momentum, ten steps an epoch.
fn train(segment: &mut Segment) -> Result<(), Box<dyn Error>> {
    let number = |name: &str| segment.parameters()[name].as_f64().ok_or("not a number");
    let (rate, momentum) = (number("rate")?, number("momentum")?);
    let mut state = match segment.state() {
        Some(state) => serde_json::from_slice(state)?,
        None => (10.0, 0.0),
    };
    while segment.next_resource().is_some() {
        for _ in 0..10 {
            state.1 = momentum * state.1 - rate * 2.0 * state.0;
            state.0 += state.1;
        }
        segment.report(state.0 * state.0, &serde_json::to_vec(&state)?)?;
    }
    Ok(())
}

/// Runs the search.
///
/// # Errors
/// If the study can't be made or run.
pub fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let file = study_file::parse(STUDY, "function.toml".as_ref())?;
    let session = Session::create(directory.path().join("study"), &file.study.spec(1, 1), STUDY)?;
    let ended = session.run(Function::new(2, train), None, &mut Quiet, &Cancellation::new())?;
    let best = ended.study.best().ok_or("no trial has a loss")?;
    println!(
        "best of {}: trial {} {:?}",
        ended.study.trials().len(),
        best.id,
        best.parameters
    );
    Ok(())
}

//! Asks what to train next and reports the result, in a loop of its own: `cargo run --example ask_and_tell`.

use std::error::Error;

use hpo::session::{Asking, Session};
use hpo::study_file;

const STUDY: &str = r#"
study = { name = "ask-and-tell", trials = 20 }
policy = { type = "none", max_resource = 1 }
trial = { command = ["a loop"] }
space.x = { type = "uniform", low = -5.0, high = 5.0 }
space.y = { type = "uniform", low = -5.0, high = 5.0 }
"#;

/// Runs the search.
///
/// # Errors
/// If the study can't be made or run.
pub fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let file = study_file::parse(STUDY, "ask_and_tell.toml".as_ref())?;
    let session = Session::create(directory.path().join("study"), &file.study.spec(1, 1), STUDY)?;
    let mut search = Asking::new(session, 1)?;
    while let Some(mut segment) = search.ask() {
        let number = |name: &str| segment.parameters()[name].as_f64().unwrap_or(f64::NAN);
        let loss = (number("x") - 1.0).powi(2) + (number("y") + 2.0).powi(2);
        segment.report(loss, b"")?;
    }
    let ended = search.finish()?;
    let best = ended.study.best().ok_or("no trial has a loss")?;
    println!(
        "best of {}: trial {} {:?}",
        ended.study.trials().len(),
        best.id,
        best.parameters
    );
    Ok(())
}

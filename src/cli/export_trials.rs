//! `hpo export --trials`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::CliError;
use super::output::{check_output, refuse_existing};
use super::study::{Studies, find};
use crate::export::{ExportError, Output, Sink, Times, TrialFormat, Trials};
use crate::store::StudyReader;
use crate::view::notify;

/// How long it waits at least before it looks for what is new.
const INTERVAL: Duration = Duration::from_millis(500);
/// The longest share of the time in which it writes.
const SHARE: u32 = 10;

/// Writes all trials of a study, and with `follow` on until its search ends.
pub(super) fn run(
    studies: &Studies,
    study: &Path,
    format: TrialFormat,
    output: Output,
    follow: bool,
) -> Result<(), CliError> {
    if let Some(path) = &output.target {
        match format {
            TrialFormat::Csv | TrialFormat::Json | TrialFormat::Parquet | TrialFormat::Optuna => {
                check_output(path, output.force)?;
            }
            // A directory is never overwritten.
            TrialFormat::Tensorboard => refuse_existing(path)?,
            TrialFormat::Mlflow => {}
        }
    }
    let mut sink = format.begin(output)?;
    let mut times = Times::default();
    let directory = find(studies, Some(study))?;
    let mut reader = StudyReader::open_with(directory, |study, record| times.observe(study, &record))?;
    let mut took = update(&mut *sink, &reader, &times)?;
    let mut runs = follow;
    if runs {
        notify("what there is of the trials is written; what is new follows until the search ends");
    }
    while runs {
        std::thread::sleep(INTERVAL.max(took * SHARE));
        // It is looked at before the records are, so that its last ones are among them.
        runs = reader.is_running();
        let mut news = false;
        reader.refresh(|study, record| {
            news = true;
            times.observe(study, &record);
        })?;
        if news {
            took = update(&mut *sink, &reader, &times)?;
        }
    }
    if follow && !reader.study().is_over() {
        notify(&format!(
            "the study {} has not ended, but nothing runs it: what there is of it is written",
            reader.study().spec().name
        ));
    }
    Ok(())
}

/// Writes what is new, and returns how long that took.
fn update(sink: &mut dyn Sink, reader: &StudyReader, times: &Times) -> Result<Duration, CliError> {
    let began = Instant::now();
    sink.update(Trials {
        study: reader.study(),
        times,
    })?;
    Ok(began.elapsed())
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Usage { message, help } => Self::usage(message, help),
            ExportError::Output { what, source } => Self::Output { what, source },
            ExportError::Unwritable(_) | ExportError::Server { .. } => Self::Failed(error.to_string()),
        }
    }
}

//! A worker for the export of one model, beside whatever else the study is at.

use std::path::PathBuf;
use std::sync::Arc;

use hpo_protocol::{Evaluated, Feature};
use tokio::sync::mpsc::{Receiver, channel};

use super::launcher::{Leftovers, Purpose};
use super::news::{News, Order, SlotNews};
use super::program::Program;
use super::slots::Slot;
use super::worker::Worker;
use crate::store::StudyDirectory;
use crate::study::{Checkpoint, TestResults};

/// Why a model was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The trainer can't write models; its checkpoint's file, relative to the study's `checkpoints` directory.
    #[error("this trainer writes no models; the checkpoint is {0}")]
    NotSupported(String),
    /// What the worker or its end says, for the user.
    #[error("{0}")]
    Failed(String),
    /// The worker is no more, and nobody knows why.
    #[error("the worker has gone")]
    Gone,
}

/// Starts a worker for no other purpose than to write the model of a checkpoint, of which something may be `known`, to `directory`, and
/// returns that directory, and what the model comes to.
///
/// # Errors
/// If the trainer can't write models, or the worker has failed to.
pub async fn export_model(
    slot: Slot,
    program: Program,
    study: &StudyDirectory,
    (checkpoint, known): (Checkpoint, Evaluated),
    directory: PathBuf,
) -> Result<(PathBuf, TestResults), ExportError> {
    let launcher = Arc::clone(&slot.launcher);
    launcher.end_leftovers(study.root(), Leftovers::Exports);
    let (sender, news) = channel(1);
    let purpose = Purpose::Export(std::process::id());
    let worker = Worker::start_for(purpose, slot, program, study, sender);
    let exported = follow(&worker, news, (checkpoint, known), directory).await;
    drop(worker);
    launcher.vacate(study.root(), Some(purpose));
    exported
}

async fn follow(
    worker: &Worker,
    mut news: Receiver<SlotNews>,
    (checkpoint, known): (Checkpoint, Evaluated),
    directory: PathBuf,
) -> Result<(PathBuf, TestResults), ExportError> {
    let mut begun = false;
    while let Some(SlotNews { news, .. }) = news.recv().await {
        match news {
            News::Idle { features } if !features.contains(&Feature::Export) => {
                return Err(ExportError::NotSupported(checkpoint.file));
            }
            News::Idle { .. } => {
                begun = true;
                worker.order(Order::Export {
                    checkpoint: checkpoint.clone(),
                    directory: directory.clone(),
                    known: known.clone(),
                });
            }
            News::Exported { directory, results } => return Ok((directory, results)),
            // Nothing is lost where nothing has begun.
            News::Disconnected { excused: true, .. } if !begun => {}
            News::ExportFailed { message, .. } | News::Disconnected { message, .. } | News::Fatal { message } => {
                return Err(ExportError::Failed(message));
            }
            News::Measured { .. } | News::MeasureFailed { .. } => {}
            News::Happened(_) | News::Progress { .. } | News::NoSpace { .. } | News::Remark { .. } => {}
        }
    }
    Err(ExportError::Gone)
}

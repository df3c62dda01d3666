//! A worker for one model, beside whatever else the study is at.

use std::path::PathBuf;

use hpo_protocol::Feature;
use tokio::sync::mpsc::channel;

use super::family::{Role, kill_abandoned};
use super::news::{News, Order, SlotNews};
use super::process::Program;
use super::slots::Slot;
use super::worker::Worker;
use crate::store::StudyDirectory;
use crate::study::Checkpoint;

/// Starts a worker for no other purpose than to write the model of a checkpoint to `directory`.
///
/// # Errors
/// Says why it could not be written.
pub async fn export_once(
    slot: Slot,
    program: Program,
    study: &StudyDirectory,
    checkpoint: Checkpoint,
    directory: PathBuf,
) -> Result<PathBuf, String> {
    kill_abandoned(study.root());
    let (tell, mut news) = channel(1);
    let role = Role::Export(std::process::id());
    let worker = Worker::start_as(role, slot, program, study, tell);
    while let Some(SlotNews { news, .. }) = news.recv().await {
        match news {
            News::Idle { features } if !features.contains(&Feature::Export) => {
                return Err(format!(
                    "this trainer writes no models; the checkpoint is {}",
                    checkpoint.file
                ));
            }
            News::Idle { .. } => {
                let (checkpoint, directory) = (checkpoint.clone(), directory.clone());
                worker.order(Order::Export { checkpoint, directory });
            }
            News::Exported { directory, .. } => return Ok(directory),
            News::ExportFailed { message, .. } | News::Fatal { message } => return Err(message),
            _ => {}
        }
    }
    Err("the worker has gone".into())
}

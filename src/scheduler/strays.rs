//! Checkpoints that nothing needs.

use std::path::{Path, PathBuf};

use super::Scheduler;
use crate::store::StudyDirectory;
use crate::study::TrialId;

impl Scheduler<'_> {
    /// Deletes checkpoints that nobody knows of, of one trial or of all: left by a scheduler that was killed, or half-written.
    pub(super) fn delete_strays(&self, of: Option<TrialId>) {
        let kept = self.store.study.checkpoint_files();
        let root = self.directory.checkpoints();
        let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
        let directories: Vec<PathBuf> = match of {
            Some(trial) => vec![root.join(StudyDirectory::trial_checkpoints(trial))],
            None => entries(&root).map(|trial| trial.path()).collect(),
        };
        for file in directories.iter().flat_map(|trial| entries(trial)) {
            let path = file.path();
            let known = path.strip_prefix(&root).ok().and_then(Path::to_str);
            if known.is_none_or(|name| !kept.contains(name)) {
                self.delete(&path);
            }
        }
    }

    pub(super) fn delete(&self, checkpoint: &Path) {
        match std::fs::remove_file(checkpoint) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, file = %checkpoint.display(), "can't delete a checkpoint");
            }
            _ => {}
        }
        if let Some(directory) = checkpoint.parent() {
            // It stays for as long as the trial has other checkpoints.
            let _ = std::fs::remove_dir(directory);
        }
    }
}

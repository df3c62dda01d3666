//! The directory of checkpoints: names, and what point of a trial each file holds.

use std::collections::{BTreeMap, BTreeSet};

use hpo::ids::TrialId;
use hpo::study::{Checkpoint, Study};

#[derive(Debug, Default)]
pub struct Files {
    there: BTreeMap<String, u64>,
    /// Those that the disk has lost: nobody is to blame for their absence.
    lost: BTreeSet<String>,
}

impl Files {
    pub fn write(&mut self, trial: TrialId, name: &str, resource: u64) -> Checkpoint {
        let file = format!("trial-{trial:04}/{name}");
        self.there.insert(file.clone(), resource);
        Checkpoint {
            file,
            bytes: resource,
            sha256: String::new(),
        }
    }

    pub fn has(&self, file: &str) -> bool {
        self.there.contains_key(file)
    }

    pub fn resource(&self, file: &str) -> Option<u64> {
        self.there.get(file).copied()
    }

    pub fn delete(&mut self, file: &str) {
        self.there.remove(file);
    }

    /// Deletes what the study does not know of: of one trial, or of all.
    pub fn sweep(&mut self, study: &Study, trial: Option<TrialId>) {
        let kept = study.checkpoint_files();
        let prefix = trial.map_or("trial-".to_owned(), |trial| format!("trial-{trial:04}/"));
        self.there
            .retain(|file, _| !file.starts_with(&prefix) || kept.contains(file.as_str()));
    }

    pub fn lose(&mut self, file: &str) {
        self.there.remove(file);
        self.lost.insert(file.to_owned());
    }

    /// What the study needs is there.
    pub fn check_needed(&self, study: &Study) {
        for file in study.checkpoint_files() {
            assert!(
                self.has(file) || self.lost.contains(file),
                "{file} is needed but was deleted"
            );
        }
    }

    /// And nothing else is.
    pub fn check_nothing_else(&self, study: &Study) {
        self.check_needed(study);
        let kept = study.checkpoint_files();
        for file in self.there.keys() {
            assert!(
                kept.contains(file.as_str()),
                "nothing needs {file}, but it is still there"
            );
        }
    }
}

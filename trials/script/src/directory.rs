//! What a segment has on disk: the script's own directory, the file that says what it is to train, and the checkpoint that is left.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hpo_protocol::Run;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the name of a checkpoint ends that has no more than reports: the script has left nothing.
pub const REPORTS: &str = "-reports.json";

/// What a checkpoint of a script has that has left nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Reports {
    /// The objective by resource.
    reports: BTreeMap<u64, f64>,
}

/// The places of a segment.
#[derive(Debug)]
pub(crate) struct Place {
    /// The script's own directory.
    pub own: PathBuf,
    /// The file that has everything.
    pub config: PathBuf,
    /// The file of the reports, should the script leave nothing.
    reports: PathBuf,
    /// The directory that it goes on from.
    pub resume_from: Option<PathBuf>,
    /// The objective as it was reported before.
    pub known: BTreeMap<u64, f64>,
}

impl Place {
    /// Makes the places of a segment. Its directory begins with what was left in that of its checkpoint, if it is to `resume`.
    ///
    /// # Errors
    /// If that can't be done.
    pub fn new(run: &Run, resume: bool) -> io::Result<Self> {
        let name = format!("a{}", run.segment.attempt);
        let at = |end: &str| run.checkpoints.join(format!("{name}{end}"));
        let left = run.checkpoint.as_deref().filter(|checkpoint| checkpoint.is_dir());
        let known = run.checkpoint.as_deref().filter(|checkpoint| !checkpoint.is_dir());
        let known = known.and_then(|file| serde_json::from_slice::<Reports>(&fs::read(file).ok()?).ok());
        let place = Self {
            own: at(""),
            config: at(".json"),
            reports: at(REPORTS),
            resume_from: left.filter(|_| resume).map(Path::to_owned),
            known: known.unwrap_or_default().reports,
        };
        fs::create_dir(&place.own)?;
        if let Some(left) = &place.resume_from {
            copy_tree(left, &place.own)?;
        }
        Ok(place)
    }

    /// Writes the file that has everything.
    ///
    /// # Errors
    /// If that can't be done.
    pub fn write_config(&self, config: &Value) -> io::Result<()> {
        fs::write(&self.config, config.to_string())
    }

    /// Keeps what the script has left, and returns the checkpoint: its directory, or if that is empty and the trial may go on, a file of
    /// the reports, to which these belong. One that is over needs none.
    ///
    /// # Errors
    /// If that can't be done.
    pub fn keep(&mut self, reports: impl Iterator<Item = (u64, f64)>, goes_on: bool) -> io::Result<Option<PathBuf>> {
        if fs::read_dir(&self.own)?.next().is_some() {
            let _ = fs::remove_file(&self.config);
            return Ok(Some(self.own.clone()));
        }
        fs::remove_dir(&self.own)?;
        if !goes_on {
            fs::remove_file(&self.config)?;
            // Those of earlier segments may be there.
            let _ = self.own.parent().map(fs::remove_dir);
            return Ok(None);
        }
        let mut all = std::mem::take(&mut self.known);
        all.extend(reports.filter(|(_, value)| value.is_finite()));
        // A file that is there costs less than another one, of which short trials make many.
        fs::write(&self.config, serde_json::to_vec(&Reports { reports: all })?)?;
        fs::rename(&self.config, &self.reports)?;
        Ok(Some(self.reports.clone()))
    }

    /// Removes all of it.
    pub fn discard(&self) {
        // Whatever stays is swept later.
        let _ = fs::remove_file(&self.config);
        let _ = fs::remove_dir_all(&self.own);
    }
}

/// Copies what is in a directory into another one, which exists. Links are not followed.
///
/// # Errors
/// If something can't be read or written, or is neither a file nor a directory.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy_tree(&path, &target)?;
        } else if kind.is_file() {
            fs::copy(&path, &target)?;
        } else {
            return Err(io::Error::other(format!(
                "{} is neither a file nor a directory",
                path.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hpo_protocol::{SegmentId, TrialId, Unit, Values};

    use super::*;

    fn run(root: &Path, attempt: u32, checkpoint: Option<PathBuf>) -> Run {
        Run {
            segment: SegmentId {
                trial: TrialId(4),
                attempt,
            },
            seed: 7,
            parameters: Values::new(),
            unit: Unit::Epochs,
            report_every: 1,
            from: 0,
            to: 3,
            max: 9,
            checkpoint,
            checkpoints: root.to_owned(),
        }
    }

    #[test]
    fn what_a_script_leaves_is_where_the_next_segment_begins() {
        let root = tempfile::tempdir().unwrap();
        let mut first = Place::new(&run(root.path(), 1, None), true).unwrap();
        fs::create_dir(first.own.join("sub")).unwrap();
        fs::write(first.own.join("sub/weights"), "1").unwrap();
        let left = first.keep([(1, 0.5)].into_iter(), false).unwrap().unwrap();
        assert_eq!(left, root.path().join("a1"));
        let second = Place::new(&run(root.path(), 2, Some(left.clone())), true).unwrap();
        fs::write(second.own.join("sub/weights"), "2").unwrap();
        assert_eq!(
            fs::read_to_string(left.join("sub/weights")).unwrap(),
            "1",
            "a checkpoint never changes"
        );
        assert_eq!(second.resume_from.as_deref(), Some(left.as_path()));
        second.discard();
        let third = Place::new(&run(root.path(), 3, Some(left)), false).unwrap();
        assert_eq!(
            (fs::read_dir(&third.own).unwrap().count(), &third.resume_from),
            (0, &None)
        );
    }

    #[test]
    fn one_that_leaves_nothing_has_its_reports_as_a_checkpoint() {
        let root = tempfile::tempdir().unwrap();
        let mut first = Place::new(&run(root.path(), 1, None), true).unwrap();
        first.write_config(&Value::Null).unwrap();
        let left = first
            .keep([(1, 0.5), (2, f64::NAN)].into_iter(), true)
            .unwrap()
            .unwrap();
        assert_eq!(left, root.path().join("a1-reports.json"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        let second = Place::new(&run(root.path(), 2, Some(left)), true).unwrap();
        assert_eq!(
            (&second.known, &second.resume_from),
            (&BTreeMap::from([(1, 0.5)]), &None)
        );
        let mut last = Place::new(&run(root.path(), 3, None), true).unwrap();
        last.write_config(&Value::Null).unwrap();
        assert_eq!(
            last.keep([(9, 0.5)].into_iter(), false).unwrap(),
            None,
            "a trial that is over"
        );
        assert!(!last.own.exists() && !last.config.exists());
    }
}

//! Checkpoints as the scheduler sees them: files and directories that have a name, a size and a digest.

mod digest;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::digest::digest;
use crate::disk::{is_full, sync_directory};
use crate::ids::TrialId;
use crate::store::StudyDirectory;
use crate::study::Checkpoint;

/// Why a checkpoint can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A worker named a file outside its directory.
    #[error("the checkpoint {} is not in {}", file.display(), directory.display())]
    Outside {
        /// The file.
        file: PathBuf,
        /// Where it should be.
        directory: PathBuf,
    },
    /// The file can't be read or made durable.
    #[error("the checkpoint {} can't be read: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no space to make the file durable.
    #[error("the checkpoint {} can't be saved: {source}", file.display())]
    NoSpace {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what was recorded.
    #[error("the checkpoint {} has changed since it was written ({what})", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
        /// In what it differs.
        what: String,
    },
}

impl CheckpointError {
    /// What the system says of a checkpoint's file.
    pub(super) fn new(file: PathBuf, source: io::Error) -> Self {
        match is_full(source.kind()) {
            true => Self::NoSpace { file, source },
            false => Self::Io { file, source },
        }
    }

    /// Whether it comes of a full disk or quota.
    pub(super) fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace { .. } => true,
            Self::Outside { .. } | Self::Io { .. } | Self::Changed { .. } => false,
        }
    }
}

/// Accepts a checkpoint that a worker has written, a file or a directory: makes it durable and describes it. `root` is the study's
/// directory of checkpoints, `directory` the part of it that the worker may write to.
///
/// # Errors
/// If it is not in the directory, or can't be read within that time (it may have more bytes than there are on the
/// disk) or made durable.
pub fn accept(root: &Path, directory: &str, file: &Path, within: Duration) -> Result<Checkpoint, CheckpointError> {
    let own = root.join(directory);
    let name = file.strip_prefix(&own).ok().and_then(Path::to_str);
    let Some(name) = name.filter(|name| place(root, &format!("{directory}/{name}")).is_some()) else {
        return Err(CheckpointError::Outside {
            file: file.to_owned(),
            directory: own,
        });
    };
    let described = digest(file, Instant::now().checked_add(within)).and_then(|described| {
        sync_directory(&own)?;
        // The trial's directory may be new.
        sync_directory(root)?;
        Ok(described)
    });
    let (bytes, sha256) = described.map_err(|source| CheckpointError::new(file.to_owned(), source))?;
    Ok(Checkpoint {
        file: format!("{directory}/{name}"),
        bytes,
        sha256,
    })
}

/// Where a checkpoint of this name lies; none if the name, or a link in the place of its trial's directory, would lead out of
/// `root`.
fn place(root: &Path, name: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = name.split('/').collect();
    let [directory, file] = parts[..] else { return None };
    if ["", ".", ".."].iter().any(|other| [directory, file].contains(other)) {
        return None;
    }
    let directory = root.join(directory);
    let is_link = std::fs::symlink_metadata(&directory).is_ok_and(|found| !found.is_dir());
    (!is_link).then(|| directory.join(file))
}

/// The file or directory of a checkpoint, if it is still what was recorded.
///
/// # Errors
/// If it can't be read or has changed.
pub fn verify(root: &Path, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
    let file = place(root, &checkpoint.file).ok_or_else(|| CheckpointError::Outside {
        file: root.join(&checkpoint.file),
        directory: root.to_owned(),
    })?;
    // A changed size shows without reading the file. That of a directory says nothing of what is in it.
    let there = std::fs::symlink_metadata(&file).ok().filter(|there| !there.is_dir());
    let bytes = there.map(|there| there.len());
    let other_size = |bytes: u64| format!("{bytes} bytes instead of {}", checkpoint.bytes);
    if let Some(bytes) = bytes
        && bytes != checkpoint.bytes
    {
        let what = other_size(bytes);
        return Err(CheckpointError::Changed { file, what });
    }
    match digest(&file, None) {
        Err(source) => Err(CheckpointError::new(file, source)),
        Ok((bytes, _)) if bytes != checkpoint.bytes => {
            let what = other_size(bytes);
            Err(CheckpointError::Changed { file, what })
        }
        Ok((_, sha256)) if sha256 != checkpoint.sha256 => Err(CheckpointError::Changed {
            file,
            what: "its SHA-256 is another".into(),
        }),
        Ok(_) => Ok(file),
    }
}

/// Deletes a checkpoint, and its trial's directory with the last one. A name that would lead elsewhere is left alone.
pub fn delete(root: &Path, name: &str) {
    let Some(file) = place(root, name) else {
        return;
    };
    let removed = match std::fs::symlink_metadata(&file).is_ok_and(|there| there.is_dir()) {
        true => std::fs::remove_dir_all(&file),
        false => std::fs::remove_file(&file),
    };
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, file = %file.display(), "can't delete a checkpoint");
    }
    if let Some(directory) = file.parent() {
        // It stays for as long as the trial has other checkpoints.
        let _ = std::fs::remove_dir(directory);
    }
}

/// Deletes the checkpoints in `root`, of one trial or of all, that are not `kept`: left by a scheduler that was killed, or
/// half-written. What a link leads to is not the study's.
pub fn delete_unreferenced(root: &Path, of: Option<TrialId>, kept: &BTreeSet<&str>) {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let trials: Vec<PathBuf> = match of {
        Some(trial) => vec![root.join(StudyDirectory::trial_checkpoints(trial))],
        None => entries(root).map(|trial| trial.path()).collect(),
    };
    for file in trials.iter().flat_map(|trial| entries(trial)) {
        let path = file.path();
        if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str)
            && !kept.contains(name)
        {
            delete(root, name);
        }
    }
    for trial in trials {
        // Those that are not empty stay.
        let _ = std::fs::remove_dir(trial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    fn checkpoint(root: &Path) -> (PathBuf, Checkpoint) {
        std::fs::create_dir(root.join("trial-0001")).unwrap();
        let file = root.join("trial-0001/a1.bin");
        std::fs::write(&file, "weights").unwrap();
        let checkpoint = accept(root, "trial-0001", &file, SOON).unwrap();
        (file, checkpoint)
    }

    #[test]
    fn what_was_accepted_verifies_until_it_changes() {
        let root = tempfile::tempdir().unwrap();
        let (file, checkpoint) = checkpoint(root.path());
        assert_eq!(checkpoint.file, "trial-0001/a1.bin");
        assert_eq!(
            checkpoint.sha256,
            "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
        );
        assert_eq!(verify(root.path(), &checkpoint).unwrap(), file);
        std::fs::write(&file, "weighTs").unwrap();
        assert!(matches!(
            verify(root.path(), &checkpoint),
            Err(CheckpointError::Changed { .. })
        ));
        std::fs::write(&file, "weigh").unwrap();
        let error = verify(root.path(), &checkpoint).unwrap_err().to_string();
        assert!(error.ends_with("(5 bytes instead of 7)"), "{error}");
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(
            verify(root.path(), &checkpoint),
            Err(CheckpointError::Io { .. })
        ));
    }

    #[test]
    fn a_worker_can_name_no_file_but_its_own() {
        let root = tempfile::tempdir().unwrap();
        checkpoint(root.path());
        for name in [
            "/etc/passwd",
            "trial-0001",
            "trial-0001/../trial-0001/a1.bin",
            "trial-0002/a1.bin",
            "journal",
        ] {
            let accepted = accept(root.path(), "trial-0001", &root.path().join(name), SOON);
            assert!(matches!(accepted, Err(CheckpointError::Outside { .. })), "{name}");
        }
    }

    #[test]
    fn what_is_no_file_of_its_own_is_neither_read_nor_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let (_, checkpoint) = checkpoint(root.path());
        let own = root.path().join("trial-0001");
        std::fs::write(root.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(root.path().join("secret"), own.join("link")).unwrap();
        std::fs::create_dir(own.join("directory")).unwrap();
        std::os::unix::fs::symlink("../a1.bin", own.join("directory/link")).unwrap();
        let pipe = rustix::fs::CWD;
        rustix::fs::mknodat(
            pipe,
            own.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        for (name, expected) in [
            ("link", "it is a link"),
            ("pipe", "not a file"),
            ("directory", "`link` in it: it is a link, not a file"),
        ] {
            let error = accept(root.path(), "trial-0001", &own.join(name), SOON)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
        // A directory that has become a link leads out of the study too.
        std::fs::rename(&own, root.path().join("moved")).unwrap();
        std::os::unix::fs::symlink(root.path().join("moved"), &own).unwrap();
        let verified = verify(root.path(), &checkpoint);
        assert!(matches!(verified, Err(CheckpointError::Outside { .. })), "{verified:?}");
    }

    #[test]
    fn a_directory_is_what_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("trial-0001");
        let directory = own.join("a1");
        std::fs::create_dir_all(directory.join("sub/empty")).unwrap();
        std::fs::write(directory.join("sub/weights"), "weights").unwrap();
        std::fs::write(directory.join("b"), "").unwrap();
        let kept = accept(root.path(), "trial-0001", &directory, SOON).unwrap();
        assert_eq!((kept.file.as_str(), kept.bytes), ("trial-0001/a1", 7));
        assert_eq!(verify(root.path(), &kept).unwrap(), directory);
        let changes: [(&str, &dyn Fn()); 4] = [
            ("its SHA-256", &|| {
                std::fs::write(directory.join("sub/weights"), "weighTs").unwrap()
            }),
            ("5 bytes instead of 7", &|| {
                std::fs::write(directory.join("sub/weights"), "weigh").unwrap()
            }),
            ("its SHA-256", &|| {
                std::fs::write(directory.join("sub/weights"), "weights").unwrap();
                std::fs::rename(directory.join("b"), directory.join("c")).unwrap();
            }),
            ("its SHA-256", &|| {
                std::fs::rename(directory.join("c"), directory.join("b")).unwrap();
                std::fs::remove_dir(directory.join("sub/empty")).unwrap();
            }),
        ];
        for (what, change) in changes {
            change();
            let error = verify(root.path(), &kept).unwrap_err().to_string();
            assert!(
                error.contains("has changed since it was written") && error.contains(what),
                "{error}"
            );
        }
        delete(root.path(), &kept.file);
        assert!(!own.exists(), "with its trial's directory");
    }

    #[test]
    fn a_recorded_name_leads_nowhere_else() {
        let root = Path::new("/study/checkpoints");
        for name in [
            "/etc/passwd",
            "../journal.jsonl",
            "trial-0001/../../lock",
            "trial-0001",
            "trial-0001//a",
            "./a",
            "",
        ] {
            assert_eq!(place(root, name), None, "{name}");
        }
        assert_eq!(place(root, "trial-0001/a"), Some(root.join("trial-0001/a")));
    }
}

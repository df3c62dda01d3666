//! Checkpoint files as the scheduler sees them: a name, a size and a digest.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::{is_full, sha256_of, sync_directory};
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

/// Accepts a checkpoint that a worker has written: makes it durable and describes it. `root` is the study's directory
/// of checkpoints, `directory` the part of it that the worker may write to.
///
/// # Errors
/// If the file is not in the directory, or can't be read within that time (it may have more bytes than there are on the
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
    let described =
        digest(file, Instant::now().checked_add(within)).and_then(|described| sync_directory(&own).map(|()| described));
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

/// The file of a checkpoint, if it is still what was recorded.
///
/// # Errors
/// If it can't be read or has changed.
pub fn verify(root: &Path, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
    let file = place(root, &checkpoint.file).ok_or_else(|| CheckpointError::Outside {
        file: root.join(&checkpoint.file),
        directory: root.to_owned(),
    })?;
    let bytes = std::fs::symlink_metadata(&file).map(|there| there.len());
    if let Ok(bytes) = bytes
        && bytes != checkpoint.bytes
    {
        return Err(CheckpointError::Changed {
            file,
            what: format!("{bytes} bytes instead of {}", checkpoint.bytes),
        });
    }
    match digest(&file, None) {
        Err(source) => Err(CheckpointError::new(file, source)),
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
    if let Err(error) = std::fs::remove_file(&file)
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
}

/// A source that can be read until a moment; for ever if there is none.
struct Until<R> {
    from: R,
    due: Option<Instant>,
}

impl<R: io::Read> io::Read for Until<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.due.is_some_and(|due| Instant::now() >= due) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "reading it takes too long"));
        }
        self.from.read(buffer)
    }
}

/// Size and SHA-256 of a file, after it was synced, if it can be read until it is `due`. Links are not followed: they may
/// change, and lead anywhere.
fn digest(path: &Path, due: Option<Instant>) -> io::Result<(u64, String)> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    // Opening a pipe would wait for ever for somebody to write to it.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => wrong("it is a link, not a file"),
        _ => error,
    })?;
    if !file.metadata()?.is_file() {
        return Err(wrong("not a file"));
    }
    file.sync_all()?;
    let size = file.metadata()?.len();
    // A file that grows while it is read would have no end.
    let from = file.take(size.saturating_add(1));
    let (bytes, sha256) = sha256_of(Until { from, due })?;
    if bytes != size {
        return Err(wrong("it is still being written"));
    }
    Ok((bytes, sha256))
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
            ("directory", "not a file"),
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

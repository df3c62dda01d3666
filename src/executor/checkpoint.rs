//! Checkpoint files as the scheduler sees them: a name, a size and a digest.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::store::{sha256_of, sync_directory};
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
    /// The file can't be read.
    #[error("the checkpoint {} can't be read: {source}", file.display())]
    Io {
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

/// Takes in a checkpoint that a worker has written: makes it durable and describes it. `root` is the study's directory
/// of checkpoints, `directory` the part of it that the worker may write to.
///
/// # Errors
/// If the file is not in the directory or can't be read.
pub fn take_in(root: &Path, directory: &str, file: &Path) -> Result<Checkpoint, CheckpointError> {
    let own = root.join(directory);
    let inside = file.strip_prefix(&own).ok().filter(|rest| {
        let mut parts = rest.components();
        matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none()
    });
    let Some(name) = inside.and_then(Path::to_str) else {
        return Err(CheckpointError::Outside {
            file: file.to_owned(),
            directory: own,
        });
    };
    let described = digest(file).and_then(|described| sync_directory(&own).map(|()| described));
    let (bytes, sha256) = described.map_err(|source| CheckpointError::Io {
        file: file.to_owned(),
        source,
    })?;
    Ok(Checkpoint {
        file: format!("{directory}/{name}"),
        bytes,
        sha256,
    })
}

/// The file of a checkpoint, if it is still what was recorded.
///
/// # Errors
/// If it can't be read or has changed.
pub fn verify(root: &Path, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
    let file = root.join(&checkpoint.file);
    match digest(&file) {
        Err(source) => Err(CheckpointError::Io { file, source }),
        Ok((bytes, _)) if bytes != checkpoint.bytes => Err(CheckpointError::Changed {
            file,
            what: format!("{bytes} bytes instead of {}", checkpoint.bytes),
        }),
        Ok((_, sha256)) if sha256 != checkpoint.sha256 => Err(CheckpointError::Changed {
            file,
            what: "its SHA-256 is another".into(),
        }),
        Ok(_) => Ok(file),
    }
}

/// Size and SHA-256 of a file, after it was synced.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    file.sync_all()?;
    sha256_of(&mut file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(root: &Path) -> (PathBuf, Checkpoint) {
        std::fs::create_dir(root.join("trial-0001")).unwrap();
        let file = root.join("trial-0001/a1.bin");
        std::fs::write(&file, "weights").unwrap();
        let checkpoint = take_in(root, "trial-0001", &file).unwrap();
        (file, checkpoint)
    }

    #[test]
    fn what_was_taken_in_verifies_until_it_changes() {
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
            let taken = take_in(root.path(), "trial-0001", &root.path().join(name));
            assert!(matches!(taken, Err(CheckpointError::Outside { .. })), "{name}");
        }
    }
}

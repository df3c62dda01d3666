//! A study's directory: what lies where, and who may write.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{StoreError, absent, in_use};
use crate::disk::{create_directories, is_at, make_private, remove_abandoned, sync_directory};
use crate::ids::TrialId;
use crate::kill;

/// The directory of one study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyDirectory {
    root: PathBuf,
}

/// The right to write to a study. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct StudyLock {
    file: File,
}

impl Drop for StudyLock {
    /// A process that is just being started has a copy of every open file until it becomes another program, and a lock lasts as long as any
    /// copy: so it is given back instead of being closed.
    fn drop(&mut self) {
        // Closing the file, which comes next, gives it back too, if later.
        let _ = self.file.unlock();
    }
}

impl StudyDirectory {
    /// The directory at `root`, whether it exists or not.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The study's name: that of the directory.
    pub fn name(&self) -> String {
        let name = self.root.file_name().unwrap_or(self.root.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// The file the study was made from, word for word.
    pub fn study_file(&self) -> PathBuf {
        self.root.join("study.toml")
    }

    /// The records.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.jsonl")
    }

    /// What sled has of the study: the second copy of the journal, and in it the trial database.
    pub fn database(&self) -> PathBuf {
        self.root.join("db")
    }

    /// The trial database.
    pub(super) fn rows(&self) -> PathBuf {
        self.database().join("rows")
    }

    /// Where a part of what sled has is kept that could not be used.
    pub fn damaged_database(&self) -> PathBuf {
        self.root.join("db.damaged")
    }

    /// Where trials keep their checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Where one trial keeps its checkpoints, relative to [`checkpoints`](Self::checkpoints).
    pub fn trial_checkpoints(trial: TrialId) -> String {
        format!("trial-{trial:04}")
    }

    /// What trials and the scheduler say on the way.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The best trial's model, written when the study ends.
    pub fn best_model(&self) -> PathBuf {
        self.root.join("best-model")
    }

    /// Where the trainers of the studies beside this one keep what they can share; none if it is not known where that is.
    /// No study has this name.
    pub fn cache(&self) -> Option<PathBuf> {
        let root = fs::canonicalize(&self.root)
            .or_else(|_| std::path::absolute(&self.root))
            .ok()?;
        Some(root.parent()?.join(".cache"))
    }

    /// Where requests are left for the process that has the study. It need not exist.
    pub fn requests(&self) -> PathBuf {
        self.root.join("requests")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Whether a study has been made here.
    pub fn has_study(&self) -> bool {
        self.journal().exists()
    }

    /// Makes the directory with all that `fill` puts into it: whole, or not at all.
    ///
    /// # Errors
    /// If it can't be made, or exists already.
    pub fn create(&self, fill: impl FnOnce(&Self) -> io::Result<()>) -> io::Result<()> {
        let parent = self.root.parent().filter(|p| !p.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        create_directories(parent)?;
        let begins = format!(".{}.", self.name());
        remove_abandoned(parent, |name| name.strip_prefix(&begins));
        let unfinished = Self::new(self.unfinished());
        let made = make_private(&unfinished.root)
            .and_then(|()| make_private(&unfinished.checkpoints()))
            .and_then(|()| make_private(&unfinished.logs()))
            .and_then(|()| File::create(unfinished.lock_file()).map(drop))
            .and_then(|()| fill(&unfinished))
            .and_then(|()| sync_directory(&unfinished.root))
            .and_then(|()| {
                kill::point("study.create:filled");
                fs::rename(&unfinished.root, &self.root)
            })
            .and_then(|()| {
                kill::point("study.create:renamed");
                sync_directory(parent)
            });
        if made.is_err() {
            // The first error is the one that matters.
            let _ = fs::remove_dir_all(&unfinished.root);
        }
        made
    }

    /// Removes the study with all that is in it.
    ///
    /// # Errors
    /// If the file system says no; then all of it is there still, or nothing where it was.
    pub fn remove(&self, lock: StudyLock) -> io::Result<()> {
        // Half removed it would be a damaged study; so it is what a process has left that died while it made one.
        let unfinished = self.unfinished();
        fs::rename(&self.root, &unfinished)?;
        drop(lock);
        fs::remove_dir_all(unfinished)
    }

    /// Where this process makes the directory.
    fn unfinished(&self) -> PathBuf {
        let name = format!(".{}.{}", self.name(), std::process::id());
        self.root.with_file_name(name)
    }

    /// Makes what a study needs and can do without for a while: copies may lack it.
    pub(super) fn complete(&self) -> io::Result<()> {
        for directory in [self.checkpoints(), self.logs()] {
            match make_private(&directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        Ok(())
    }

    /// Takes the right to write to the study.
    ///
    /// # Errors
    /// If another process has it, or the lock file can't be opened.
    pub fn lock(&self) -> Result<StudyLock, StoreError> {
        let path = self.lock_file();
        let io = |source: io::Error| {
            if source.kind() == io::ErrorKind::NotFound {
                return absent(self);
            }
            StoreError::Io {
                path: path.clone(),
                source,
            }
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(io)?;
        let mut locked = file.try_lock();
        for _ in 0..5 {
            match locked {
                // Somebody who looks whether the study runs holds the lock for a moment.
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
                // A study that was removed meanwhile gives no right to the one in its place.
                Ok(()) if !is_at(&file, &path).map_err(io)? => file = options.open(&path).map_err(io)?,
                _ => break,
            }
            locked = file.try_lock();
        }
        match locked {
            Ok(()) if !is_at(&file, &path).map_err(io)? => Err(in_use(self, None)),
            Ok(()) => {
                file.set_len(0).map_err(io)?;
                file.rewind().map_err(io)?;
                write!(file, "{}", std::process::id()).map_err(io)?;
                Ok(StudyLock { file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.take(20).read_to_string(&mut holder).map_err(io)?;
                Err(in_use(self, holder.parse().ok()))
            }
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Keeps others from writing to the study, without writing to it: also on a file system that is read-only.
    ///
    /// # Errors
    /// If a process has the right to write.
    pub fn lock_shared(&self) -> Result<StudyLock, StoreError> {
        let path = self.lock_file();
        let io = |source| StoreError::Io {
            path: path.clone(),
            source,
        };
        // Without a lock file, nobody has ever had the right to write to it here.
        let path_to_lock = if path.exists() { &path } else { &self.root };
        let file = File::open(path_to_lock).map_err(io)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(StudyLock { file }),
            Err(TryLockError::WouldBlock) => Err(in_use(self, None)),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Whether a process has the right to write to the study.
    pub fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.lock_file()) else {
            return false;
        };
        match file.try_lock_shared() {
            Ok(()) => {
                drop(StudyLock { file });
                false
            }
            Err(error) => matches!(error, TryLockError::WouldBlock),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StudyDirectory;

    #[test]
    fn a_copy_of_the_lock_file_that_a_starting_process_has_does_not_keep_the_lock() {
        let root = tempfile::tempdir().unwrap();
        let directory = StudyDirectory::new(root.path());
        for lock in [StudyDirectory::lock, StudyDirectory::lock_shared] {
            let lock = lock(&directory).unwrap();
            let _copy = lock.file.try_clone().unwrap();
            drop(lock);
            assert!(!directory.is_locked());
            drop(directory.lock().unwrap());
        }
    }
}

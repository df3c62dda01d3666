//! Looking at a study that may be damaged, and repairing its journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::acknowledged::{Acknowledged, Known, known};
use super::database;
use super::directory::StudyDirectory;
use super::end::JournalEnd;
use super::engine::guarded;
use super::error::DatabaseError;
use super::journal::JournalError;
use super::lines::{Lines, salvage};
use super::salvage::{Salvaged, read_whole, salvage as salvage_journal};
use crate::disk::{make_private, remove_abandoned, sync_directory};
use crate::kill;

/// What the name of a copy of a database begins with.
const COPY: &str = "hpo-fsck-";

/// A copy of what sled has of a study, since sled writes to whatever it opens. It is deleted when this is dropped.
#[derive(Debug)]
pub struct Copy {
    path: PathBuf,
}

impl Copy {
    /// Copies the database, if there is one.
    ///
    /// # Errors
    /// If it can't be read, or there is no space for it in the directory of temporary files.
    pub fn of(directory: &StudyDirectory) -> io::Result<Self> {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let temporary = std::env::temp_dir();
        remove_abandoned(&temporary, |name| Some(name.strip_prefix(COPY)?.split_once('-')?.0));
        let copy = Self {
            path: temporary.join(format!("{COPY}{}-{number}", std::process::id())),
        };
        copy.clear();
        if directory.database().is_dir() {
            copy_tree(&directory.database(), &copy.path)?;
        }
        Ok(copy)
    }

    /// Whether the database says what the journal says; how many records it has to take in before it does.
    ///
    /// # Errors
    /// If it does not.
    pub fn compare(&self, directory: &StudyDirectory, salvaged: &Salvaged) -> Result<u64, DatabaseError> {
        let Some(study) = &salvaged.study else {
            return Err(DatabaseError::Disagrees);
        };
        let rows = self.path.join("rows");
        guarded(|| {
            let (lines, never) = (Lines::open(&self.path)?, AtomicBool::new(false));
            let (reached, records) = (lines.reached()?.unwrap_or(0), salvaged.tally.entries);
            let Some(behind) = records.checked_sub(reached) else {
                return Err(lines.beyond(records)?);
            };
            let journal = directory.journal();
            lines.catch_up(&journal, reached, records, &never)?;
            lines.check(salvaged.tally, study.trials().len() as u64, &never)?;
            drop(lines);
            if rows.exists() {
                database::compare(&rows, study, JournalEnd::of(&journal))?;
            }
            Ok(behind)
        })
    }

    fn clear(&self) {
        // There may be none.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.clear();
    }
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    make_private(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// What can be saved of a study's journal, also out of the copy of its database. What keeps the study from being read is damage.
///
/// # Errors
/// If the journal is there and can't be read, or another version wrote it.
pub fn salvage_study(directory: &StudyDirectory, copy: Option<&Copy>) -> Result<Salvaged, JournalError> {
    let journal = directory.journal();
    let known = known(&journal);
    let refused = match read_whole(&journal, known.records()) {
        // Where nothing else says how long it must be, the second copy may.
        Ok(Some(whole)) if matches!(known, Known::AtLeast(_)) => return Ok(whole),
        Ok(_) => None,
        Err(newer @ JournalError::Newer { .. }) => return Err(newer),
        Err(refused) => Some(refused),
    };
    let lines = copy.map(|copy| salvage(&copy.path)).unwrap_or_default();
    let salvaged = salvage_journal(&journal, known.records(), lines);
    let mut salvaged = salvaged.map_err(|source| JournalError::Io { path: journal, source })?;
    if salvaged.damage.is_empty() {
        salvaged.damage.extend(refused.map(|refused| refused.to_string()));
    }
    Ok(salvaged)
}

/// Whether what should say how many records there are is damaged itself.
pub fn end_is_damaged(directory: &StudyDirectory) -> bool {
    known(&directory.journal()) == Known::Damaged
}

/// Puts a journal of these lines, which need not be acknowledged again, in the place of the one that is there. That one is
/// kept under another name, which is returned.
///
/// # Errors
/// If it can't be written; then the old one is in its place still.
pub fn replace_journal(directory: &StudyDirectory, lines: &[Vec<u8>]) -> io::Result<Option<PathBuf>> {
    let journal = directory.journal();
    let new = directory.root().join(".journal.jsonl.new");
    let mut file = BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).open(&new)?);
    for line in lines {
        file.write_all(line)?;
        file.write_all(b"\n")?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    let kept = if journal.exists() {
        let kept = (1u32..)
            .map(|n| directory.root().join(format!("journal.jsonl.damaged-{n}")))
            .find(|kept| !kept.exists())
            .ok_or_else(|| io::Error::other("too many damaged journals"))?;
        fs::copy(&journal, &kept)?;
        File::open(&kept)?.sync_all()?;
        Some(kept)
    } else {
        None
    };
    sync_directory(directory.root())?;
    kill::point("repair.journal:before");
    fs::rename(&new, &journal)?;
    kill::point("repair.journal:renamed");
    sync_directory(directory.root())?;
    // Not before: until then a journal that is too short must be found out.
    Acknowledged::of(&journal).write(lines.len() as u64);
    Ok(kept)
}

//! What the studies of a directory teach, kept beside them in sled: whoever asks again reads only those that have changed since.
//!
//! It holds nothing that the studies do not: what is kept of a study counts for as long as its journal ends where it did, and a base
//! that is damaged, or of another version, is made anew. Whoever can't have it, since another process does or nothing can be written
//! there, reads the studies.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::directory::StudyDirectory;
use super::end::JournalEnd;
use super::engine::{self, guarded};
use super::error::DatabaseError;
use super::reader::StudyReader;
use crate::analysis::Experience;

/// The format of what is kept; to be raised when [`Experience`] changes, or what is seen in the same records.
const FORMAT: u32 = 1;

/// What is kept of a study, under the name of its directory.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    format: u32,
    /// The version of hpo that made it: another may see other things in the same records.
    version: String,
    /// The end of the journal it was made from.
    end: JournalEnd,
    experience: Experience,
}

/// The directory of what is kept for the studies of a directory.
pub fn experience_base(studies: &Path) -> PathBuf {
    studies.join(".experience")
}

/// What the studies teach, which all are in the directory `root`, each in its place.
pub fn experiences(root: &Path, studies: &[StudyDirectory]) -> Vec<Result<Experience, StoreError>> {
    let base = Base::open(root);
    let all = studies.iter().map(|study| of_study(base.as_ref(), study)).collect();
    if let Some(base) = base {
        base.close(studies);
    }
    all
}

/// Removes what is kept of a study, which is gone.
pub fn forget_experience(study: &StudyDirectory) {
    let root = study.root().parent().unwrap_or(Path::new("."));
    if !experience_base(root).is_dir() {
        return;
    }
    if let Some(base) = Base::open(root) {
        base.remove(study.name().as_bytes());
        base.flush();
    }
}

fn of_study(base: Option<&Base>, study: &StudyDirectory) -> Result<Experience, StoreError> {
    // Known before the journal is read: a study that runs goes on meanwhile.
    let end = JournalEnd::of(&study.journal());
    if let Some(kept) = base.zip(end).and_then(|(base, end)| base.get(&study.name(), end)) {
        return Ok(kept);
    }
    let reader = ManuallyDrop::new(StudyReader::open(study.clone())?);
    let experience = Experience::of(reader.study(), reader.origin());
    if let Some((base, end)) = base.zip(end) {
        base.put(&study.name(), end, &experience);
    }
    Ok(experience)
}

struct Base {
    db: ManuallyDrop<sled::Db>,
    /// Whether anything was written to it.
    changed: Cell<bool>,
}

impl Base {
    /// That of a directory of studies, made if there is none; none if it can't be had.
    fn open(root: &Path) -> Option<Self> {
        let path = experience_base(root);
        // To open it is to write to it, which nobody shall do but its owner.
        let owner = fs::metadata(path.join("db"))
            .or_else(|_| fs::metadata(root))
            .ok()?
            .uid();
        if owner != rustix::process::geteuid().as_raw() {
            return None;
        }
        let open = || guarded(|| engine::open(&path));
        let opened = match open() {
            Err(reason) if path.is_dir() && reason.is_its_own_fault() => {
                tracing::debug!(%reason, "the experience base is made anew");
                remove(&path).and_then(|()| open())
            }
            opened => opened,
        };
        match opened {
            Ok(db) => Some(Self {
                db: ManuallyDrop::new(db),
                changed: Cell::new(false),
            }),
            Err(reason) => {
                tracing::debug!(%reason, "the experience base is not used");
                None
            }
        }
    }

    /// What is kept of a study whose journal ends so.
    fn get(&self, study: &str, end: JournalEnd) -> Option<Experience> {
        let found = guarded(|| Ok(self.db.get(study)?)).ok()??;
        let (text, sum) = found.split_last_chunk::<4>()?;
        let whole = u32::from_le_bytes(*sum) == crc32c::crc32c(text);
        let kept: Kept = serde_json::from_slice(text).ok().filter(|_| whole)?;
        let current = kept.format == FORMAT && kept.version == env!("CARGO_PKG_VERSION") && kept.end == end;
        current.then_some(kept.experience)
    }

    /// Keeps it. If it can't, the study is read again the next time.
    fn put(&self, study: &str, end: JournalEnd, experience: &Experience) {
        let kept = Kept {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            end,
            experience: experience.clone(),
        };
        self.changed.set(true);
        let put = guarded(|| {
            let mut value = serde_json::to_vec(&kept)?;
            let sum = crc32c::crc32c(&value);
            value.extend(sum.to_le_bytes());
            Ok(self.db.insert(study, value).map(drop)?)
        });
        if let Err(reason) = put {
            tracing::debug!(%reason, study, "the experience base has not taken a study");
        }
    }

    /// Forgets all but these studies, and makes durable what was kept.
    fn close(self, studies: &[StudyDirectory]) {
        let known: BTreeSet<Vec<u8>> = studies.iter().map(|study| study.name().into_bytes()).collect();
        let gone = guarded(|| {
            let names = self.db.iter().keys().collect::<Result<Vec<_>, _>>()?;
            Ok(names
                .into_iter()
                .filter(|name| !known.contains(&name[..]))
                .collect::<Vec<_>>())
        });
        for name in gone.unwrap_or_default() {
            self.remove(&name);
        }
        self.flush();
    }

    fn flush(self) {
        // To close it takes sled a while, and there is nothing to be written if nothing has changed.
        if !self.changed.get() {
            return;
        }
        let Self { db, .. } = self;
        let flushed = guarded(|| {
            let db = ManuallyDrop::into_inner(db);
            Ok(db.flush().map(drop)?)
        });
        if let Err(reason) = flushed {
            tracing::debug!(%reason, "the experience base may not be whole");
        }
    }

    fn remove(&self, study: &[u8]) {
        self.changed.set(true);
        let removed = guarded(|| Ok(self.db.remove(study).map(drop)?));
        if let Err(reason) = removed {
            tracing::debug!(%reason, "the experience base has not forgotten a study");
        }
    }
}

/// Under another name first, so that nobody opens a half of it.
fn remove(path: &Path) -> Result<(), DatabaseError> {
    let leftover = path.with_extension(std::process::id().to_string());
    let removed = fs::rename(path, &leftover).and_then(|()| fs::remove_dir_all(&leftover));
    removed.map_err(|source| DatabaseError::Move {
        path: path.to_owned(),
        source,
    })
}

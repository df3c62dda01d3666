//! What studies take on the disk, and removing what nothing needs.
//!
//! Nothing is removed of a study that a process has, or that can't be read. Whatever is removed is of no use to anybody, so a process that
//! dies meanwhile leaves nothing but less of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use serde::Serialize;

use crate::disk::{has_ended, size_of};
use crate::kill;
use crate::store::{StoreError, StudyDirectory, StudyReader, experience_base};
use crate::study::Study;

/// What a study takes on the disk, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Its name.
    pub study: String,
    /// Checkpoints.
    pub checkpoints: u64,
    /// The best model.
    pub best_model: u64,
    /// Logs of trials and of the search.
    pub logs: u64,
    /// What sled has: the trial database, and the second copy of the journal.
    pub database: u64,
    /// The journal.
    pub journal: u64,
    /// All else.
    pub other: u64,
    /// How much of all that can go.
    pub removable: u64,
}

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waste {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why nothing needs it.
    pub why: &'static str,
}

/// A study that is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name.
    pub study: String,
    /// Why.
    pub why: String,
}

/// What was found in a directory of studies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Found {
    /// The studies.
    pub studies: Vec<Usage>,
    /// What trainers keep beside them, to read data faster, in bytes.
    pub cache: u64,
    /// What is kept of what they teach new ones, in bytes.
    pub experience: u64,
    /// What can go, or is gone.
    pub waste: Vec<Waste>,
    /// The studies that were left alone.
    pub left: Vec<Left>,
}

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Whether what is made again when it is needed goes too.
    pub all: bool,
    /// Whether all stays where it is, and it is only said what would go.
    pub dry: bool,
}

const STRAY: &str = "no decision can need this checkpoint";
const ASIDE: &str = "a damaged database that was set aside, and made anew since";
const LEFTOVER: &str = "left by a process that was killed";
const AGAIN: &str = "made again from the journal when it is needed";
const STUDIES: &str = "made again from the studies when it is needed";
const CACHE: &str = "made again from the data when it is needed";

/// Looks at the studies of a directory, and removes what nothing needs.
///
/// # Errors
/// If something can't be removed.
pub fn collect(root: &Path, studies: &[StudyDirectory], extent: Extent) -> io::Result<Found> {
    let mut found = Found::default();
    for directory in studies {
        let mut waste = Vec::new();
        let left = of_study(directory, extent, &mut waste).err();
        found.studies.push(usage(directory, &waste));
        let study = directory.name();
        found.left.extend(left.map(|why| Left {
            study,
            why: why.to_string(),
        }));
        found.waste.extend(waste);
    }
    let mut beside = leftovers(root);
    let cache = root.join(".cache");
    found.cache = size_of(&cache);
    // What a study that runs is about to read must stay.
    let quiet = !studies.iter().any(StudyDirectory::is_locked);
    if extent.all && quiet && cache.is_dir() {
        beside.push(Waste::new(cache, CACHE));
    }
    let base = experience_base(root);
    found.experience = size_of(&base);
    if extent.all && base.is_dir() {
        beside.push(Waste::new(base, STUDIES));
    }
    if !extent.dry {
        beside.iter().try_for_each(Waste::remove)?;
    }
    found.waste.extend(beside);
    Ok(found)
}

/// Adds what can go of a study, which is gone unless nothing is to be removed.
fn of_study(directory: &StudyDirectory, extent: Extent, gone: &mut Vec<Waste>) -> Result<(), StoreError> {
    // Whoever has the right to write may be about to need it.
    let _lock = match extent.dry {
        true => directory.lock_shared()?,
        false => directory.lock()?,
    };
    let reader = StudyReader::open(directory.clone())?;
    let mut waste = strays(directory, reader.study());
    let aside = directory.damaged_database();
    if aside.symlink_metadata().is_ok() {
        waste.push(Waste::new(aside, ASIDE));
    }
    waste.extend(leftovers(directory.root()));
    if extent.all && reader.study().is_over() && directory.database().is_dir() {
        waste.push(Waste::new(directory.database(), AGAIN));
    }
    for one in waste {
        if !extent.dry {
            one.remove().map_err(|source| StoreError::Io {
                path: one.path.clone(),
                source,
            })?;
        }
        gone.push(one);
    }
    Ok(())
}

impl Waste {
    fn new(path: PathBuf, why: &'static str) -> Self {
        let bytes = match path.symlink_metadata() {
            Ok(there) if there.is_dir() => size_of(&path),
            Ok(there) => there.len(),
            Err(_) => 0,
        };
        Self { path, bytes, why }
    }

    /// A directory gets the name of a leftover first, so that nobody takes a half of it for the whole.
    fn remove(&self) -> io::Result<()> {
        if !self.path.symlink_metadata()?.is_dir() {
            return fs::remove_file(&self.path);
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let leftover = self.path.with_file_name(format!(".{name}.{}", std::process::id()));
        fs::rename(&self.path, &leftover)?;
        kill::point("gc:renamed");
        fs::remove_dir_all(leftover)
    }
}

/// The checkpoints that nothing can need. What a link leads to is not the study's.
fn strays(directory: &StudyDirectory, study: &Study) -> Vec<Waste> {
    let root = directory.checkpoints();
    let kept = study.checkpoint_files();
    let is_directory = |path: &PathBuf| path.symlink_metadata().is_ok_and(|there| there.is_dir());
    let files = entries(&root)
        .into_iter()
        .filter(is_directory)
        .flat_map(|trial| entries(&trial));
    let is_stray = |path: &PathBuf| {
        let name = path.strip_prefix(&root).ok().and_then(Path::to_str);
        name.is_some_and(|name| !kept.contains(name))
    };
    files.filter(is_stray).map(|path| Waste::new(path, STRAY)).collect()
}

/// What processes have left that have died: hidden directories with their numbers at the end of the name.
fn leftovers(parent: &Path) -> Vec<Waste> {
    let is_leftover = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.and_then(|name| name.strip_prefix('.')).unwrap_or_default();
        let (_, process) = name
            .strip_suffix(".partial")
            .unwrap_or(name)
            .rsplit_once('.')
            .unwrap_or_default();
        let process = process.parse().ok().and_then(Pid::from_raw);
        path.is_dir() && process.is_some_and(has_ended)
    };
    let all = entries(parent).into_iter().filter(is_leftover);
    all.map(|path| Waste::new(path, LEFTOVER)).collect()
}

fn usage(directory: &StudyDirectory, waste: &[Waste]) -> Usage {
    let journal = fs::metadata(directory.journal()).map_or(0, |journal| journal.len());
    let [checkpoints, best_model, logs, database] = [
        directory.checkpoints(),
        directory.best_model(),
        directory.logs(),
        directory.database(),
    ]
    .map(|part| size_of(&part));
    let all = size_of(directory.root());
    Usage {
        study: directory.name(),
        other: all.saturating_sub(checkpoints + best_model + logs + database + journal),
        checkpoints,
        best_model,
        logs,
        database,
        journal,
        removable: waste.iter().map(|waste| waste.bytes).sum(),
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

//! The directory of studies that is served: what is in it, looked at by one thread for all who want to know.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::rows::json;
use super::watched::Watched;
use super::whole::{Trouble, extend};
use crate::store::StudyDirectory;

/// How often it is looked whether a study has changed.
const GLANCE: Duration = Duration::from_millis(250);

/// An entry of the list, as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    /// Grows with each change of the entry.
    pub revision: u64,
    pub json: Arc<str>,
}

/// All studies, those that have changed last first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct List {
    pub entries: Vec<Entry>,
    /// Why the directory can't be read.
    pub trouble: Option<Trouble>,
    /// Whether each of them has been looked at.
    pub is_whole: bool,
}

/// The studies of a directory.
#[derive(Debug)]
pub(super) struct Hub {
    root: PathBuf,
    studies: Mutex<BTreeMap<String, Arc<Watched>>>,
    list: watch::Sender<List>,
}

impl Hub {
    /// Starts to look at a directory, which need not be there yet.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(root: &Path) -> io::Result<Arc<Self>> {
        let hub = Arc::new(Self {
            root: absolute(root),
            studies: Mutex::default(),
            list: watch::Sender::default(),
        });
        let looked_after = Arc::downgrade(&hub);
        thread::Builder::new().name("dashboard".into()).spawn(move || {
            let mut revision = 0;
            while let Some(hub) = looked_after.upgrade() {
                hub.look(&mut revision);
                drop(hub);
                thread::sleep(GLANCE);
            }
        })?;
        Ok(hub)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The study of a name, which is never taken for a path: it is one that was found in the directory.
    pub fn study(&self, name: &str) -> Option<Arc<Watched>> {
        self.studies().get(name).cloned()
    }

    /// The list of all, from now on.
    pub fn list(&self) -> watch::Receiver<List> {
        self.list.subscribe()
    }

    fn studies(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Watched>>> {
        // A map is whole whenever it can be locked.
        self.studies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, revision: &mut u64) {
        let (found, trouble) = match names(&self.root) {
            Ok(found) => (found, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), None),
            Err(error) => {
                let text = format!("{}: {error}", self.root.display());
                let fix = Some("name a directory that you can read: hpo dashboard --studies DIR".to_owned());
                (Vec::new(), Some(Trouble { text, fix }))
            }
        };
        let mut all: Vec<Arc<Watched>> = {
            let mut studies = self.studies();
            studies.retain(|name, study| {
                let there = found.contains(name);
                if !there {
                    study.is_gone();
                }
                there
            });
            for name in found {
                let watched = || Arc::new(watched(&self.root, &name));
                studies.entry(name.clone()).or_insert_with(watched);
            }
            studies.values().cloned().collect()
        };
        all.sort_by_cached_key(|study| (std::cmp::Reverse(study.changed()), study.directory.name()));
        let names: Vec<String> = all.iter().map(|study| study.directory.name()).collect();
        self.list.send_if_modified(|list| list.begin(&names, trouble));
        for (name, study) in names.iter().zip(&all) {
            if let Some(entry) = study.look() {
                self.list.send_if_modified(|list| list.put(name, entry, revision));
            }
        }
        self.list
            .send_if_modified(|list| !std::mem::replace(&mut list.is_whole, true));
    }
}

impl List {
    /// Has these studies, in this order; whether that is another list.
    fn begin(&mut self, names: &[String], trouble: Option<Trouble>) -> bool {
        let mut known: BTreeMap<String, Entry> = self
            .entries
            .drain(..)
            .map(|entry| (entry.name.clone(), entry))
            .collect();
        let before: usize = known.len();
        self.entries = names.iter().filter_map(|name| known.remove(name)).collect();
        let changed = self.entries.len() != before || self.trouble != trouble;
        self.trouble = trouble;
        changed
    }

    /// Puts an entry in its place; whether it is another one than before.
    fn put(&mut self, name: &str, mut entry: Value, revision: &mut u64) -> bool {
        let place = self.entries.iter().position(|known| known.name == name);
        if let Some(known) = place.map(|place| &self.entries[place]) {
            extend(&mut entry, serde_json::json!({ "revision": known.revision }));
            if *known.json == *json(&entry) {
                return false;
            }
        }
        *revision += 1;
        extend(&mut entry, serde_json::json!({ "revision": *revision }));
        let entry = Entry {
            name: name.to_owned(),
            revision: *revision,
            json: json(&entry).into(),
        };
        match place {
            Some(place) => self.entries[place] = entry,
            None => self.entries.push(entry),
        }
        true
    }
}

/// Where a directory really is, as far as there is one.
fn absolute(root: &Path) -> PathBuf {
    fs::canonicalize(root)
        .or_else(|_| std::path::absolute(root))
        .unwrap_or_else(|_| root.to_owned())
}

/// The names of the studies in a directory. One that is not text can't be asked for.
fn names(root: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(root)?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_study = |name: &String| {
        let directory = StudyDirectory::new(root.join(name));
        !name.starts_with('.') && (directory.has_study() || directory.database().is_dir())
    };
    Ok(names.filter(is_study).collect())
}

/// A study that was found. What is reached by a link is outside, and not looked at.
fn watched(root: &Path, name: &str) -> Watched {
    let path = root.join(name);
    let within = fs::canonicalize(&path).is_ok_and(|real| real.parent() == Some(root) && !path.is_symlink());
    let refused = (!within).then(|| Trouble {
        text: "it is a link to another place, which the dashboard does not follow".to_owned(),
        fix: Some("serve the directory of studies that it leads to: hpo dashboard --studies DIR".to_owned()),
    });
    Watched::new(StudyDirectory::new(path), refused)
}

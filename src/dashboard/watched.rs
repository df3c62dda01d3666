//! A study that is watched: read once for all who look at it, and no longer kept once nobody does.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use super::live::Live;
use super::published::Published;
use super::whole::{Circumstances, Trouble, entry, unreadable};
use crate::analysis::Overview;
use crate::clock::now;
use crate::store::{StoreError, StudyDirectory, StudyReader};
use crate::view::store_help;

/// A study at which nobody has looked for so long is not kept in memory, unless it runs.
const KEPT: Duration = Duration::from_secs(120);

/// What takes long to find out takes at most one part in so many of the time.
const SHARE: u32 = 10;

/// What those who look at a study are shown.
#[derive(Debug, Clone, Default)]
pub(super) enum Shown {
    /// Nothing yet: it is read once somebody asks.
    #[default]
    Unread,
    /// It as it is.
    Study(Arc<Published>),
    /// That it is there no more.
    Gone,
}

/// A study in the directory that is served.
#[derive(Debug)]
pub(super) struct Watched {
    pub directory: StudyDirectory,
    /// Why it is not looked at.
    refused: Option<Trouble>,
    state: Mutex<State>,
    shown: watch::Sender<Shown>,
    /// When somebody has looked at it last, in milliseconds since 1970.
    wanted: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<Seen>,
    running: bool,
    kept: Option<Kept>,
    entry: Value,
    trouble: Option<Trouble>,
}

/// By which a journal that has changed is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    file: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Seen {
    /// Whether what was read of a journal still stands in it, and at most more behind that.
    fn goes_on(before: Option<Self>, now: Option<Self>) -> bool {
        match (before, now) {
            (Some(before), Some(now)) => before.file == now.file && before.bytes <= now.bytes,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// A study in memory.
#[derive(Debug)]
struct Kept {
    reader: StudyReader,
    live: Live,
    overview: Option<Overview>,
    /// Whether the study has changed since the overview was made.
    stale: bool,
    /// When another overview may be made.
    next: Option<Instant>,
}

impl Watched {
    /// One that was not looked at yet, or is not to be, for a reason.
    pub fn new(directory: StudyDirectory, refused: Option<Trouble>) -> Self {
        Self {
            directory,
            refused,
            state: Mutex::default(),
            shown: watch::Sender::default(),
            wanted: AtomicU64::new(0),
        }
    }

    /// What is shown of it now, once it was read.
    pub fn shown(&self) -> Shown {
        self.shown.borrow().clone()
    }

    /// What is shown of it, from now on.
    pub fn subscribe(&self) -> watch::Receiver<Shown> {
        self.want();
        self.shown.subscribe()
    }

    /// Somebody looks at it.
    pub fn want(&self) {
        self.wanted.store(now().0, Ordering::Relaxed);
    }

    /// Whether somebody has looked at it lately.
    fn is_wanted(&self) -> bool {
        now().0.saturating_sub(self.wanted.load(Ordering::Relaxed)) < KEPT.as_millis() as u64
    }

    /// That it is there no more.
    pub fn is_gone(&self) {
        self.shown.send_replace(Shown::Gone);
    }

    /// When its journal was written last, in seconds since 1970.
    pub fn changed(&self) -> i64 {
        seen(&self.directory).map_or(0, |seen| seen.changed.0)
    }

    /// Reads it, if nobody has, and answers a question about it; none if it can't be read.
    pub fn ask<T>(&self, question: impl FnOnce(&StudyReader, &Live) -> T) -> Option<T> {
        self.want();
        let mut state = self.lock();
        self.look_into(&mut state);
        state.kept.as_ref().map(|kept| question(&kept.reader, &kept.live))
    }

    /// Reads what is new, and returns its entry in the list; none if somebody else is at it.
    pub fn look(&self) -> Option<Value> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.look_into(&mut state);
        Some(state.entry.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever a panic has left behind is read anew.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_into(&self, state: &mut State) {
        let looked = catch_unwind(AssertUnwindSafe(|| self.read(state)));
        if looked.is_err() {
            state.kept = None;
            let text = "its records can't be made sense of, which is a mistake of hpo".to_owned();
            self.fail(state, Trouble { text, fix: None });
        }
    }

    fn read(&self, state: &mut State) {
        if let Some(refused) = &self.refused {
            return self.fail(state, refused.clone());
        }
        let running = self.directory.is_locked();
        let found = seen(&self.directory);
        let wanted = self.is_wanted();
        let changed = found != state.seen || running != state.running;
        if !running && !wanted && state.kept.take().is_some() {
            self.shown.send_replace(Shown::Unread);
        }
        let lacking = wanted && state.kept.is_none() && state.trouble.is_none();
        let due = wanted && state.kept.as_ref().is_some_and(Kept::is_due);
        if !changed && !lacking && !due {
            return;
        }
        if !Seen::goes_on(state.seen, found) {
            state.kept = None;
        }
        (state.seen, state.running) = (found, running);
        match self.bring_up(state, changed) {
            Ok(()) => state.trouble = None,
            Err(error) => {
                state.kept = None;
                let trouble = Trouble {
                    fix: store_help(&error),
                    text: error.to_string(),
                };
                return self.fail(state, trouble);
            }
        }
        if let Some(kept) = &mut state.kept {
            state.entry = entry(kept.reader.study(), circumstances(&kept.reader, running));
            // Whoever came while it was being read need not have it read again.
            match self.is_wanted() {
                true => self.publish(kept, running),
                false if !running => state.kept = None,
                false => {}
            }
        }
    }

    /// Has all in memory that the journal has.
    fn bring_up(&self, state: &mut State, changed: bool) -> Result<(), StoreError> {
        if let Some(kept) = &mut state.kept {
            if changed {
                let live = &mut kept.live;
                let mut any = false;
                kept.reader.refresh(|study, record| {
                    any = true;
                    live.observe(study, &record);
                })?;
                kept.stale |= any;
            }
            return Ok(());
        }
        let mut live = Live::new(revision());
        let reader = StudyReader::open_with(self.directory.clone(), |study, record| live.observe(study, &record))?;
        state.kept = Some(Kept {
            reader,
            live,
            overview: None,
            stale: true,
            next: None,
        });
        Ok(())
    }

    fn publish(&self, kept: &mut Kept, running: bool) {
        let is_shown = matches!(&*self.shown.borrow(), Shown::Study(_));
        // Whoever waits for the study gets it without what takes long.
        if kept.is_due() && is_shown {
            kept.look_over();
        }
        let Kept {
            reader, live, overview, ..
        } = kept;
        let published = live.publish(reader.study(), circumstances(reader, running), overview.as_ref());
        self.show(published);
    }

    fn show(&self, published: Arc<Published>) {
        self.shown.send_if_modified(|shown| match shown {
            Shown::Study(known) if known.revision == published.revision => false,
            Shown::Unread | Shown::Study(_) | Shown::Gone => {
                *shown = Shown::Study(published);
                true
            }
        });
    }

    /// That it can't be read, which is shown to those who look at it now and to whoever does later.
    fn fail(&self, state: &mut State, trouble: Trouble) {
        if state.trouble.as_ref() == Some(&trouble) {
            return;
        }
        let name = self.directory.name();
        state.entry = unreadable(&name, state.running, &trouble);
        self.show(Arc::new(Published::unreadable(
            revision(),
            &name,
            state.running,
            &trouble,
        )));
        state.trouble = Some(trouble);
    }
}

impl Kept {
    /// Whether another overview is to be made, and may be.
    fn is_due(&self) -> bool {
        self.stale && self.next.is_none_or(|next| Instant::now() >= next)
    }

    fn look_over(&mut self) {
        let began = Instant::now();
        self.overview = Some(Overview::of(self.reader.study()));
        self.stale = false;
        self.next = Some(Instant::now() + SHARE * began.elapsed());
    }
}

fn circumstances(reader: &StudyReader, running: bool) -> Circumstances<'_> {
    Circumstances {
        directory: reader.directory(),
        running,
        version: reader.version(),
    }
}

/// A revision above all of before: those of an earlier start of the server too.
fn revision() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = now().0 * 1000;
    let last = LAST.fetch_max(now, Ordering::Relaxed);
    match last < now {
        true => now,
        // Studies that are read within a millisecond are far apart still.
        false => LAST.fetch_add(1, Ordering::Relaxed) + 1,
    }
}

fn seen(directory: &StudyDirectory) -> Option<Seen> {
    let found = fs::metadata(directory.journal()).ok()?;
    Some(Seen {
        file: (found.dev(), found.ino()),
        bytes: found.len(),
        changed: (found.mtime(), found.mtime_nsec()),
    })
}

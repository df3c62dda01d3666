//! Asking for segments to train, in the caller's own loop.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::segment::{Segment, Segments};
use super::{Cancellation, Ended, Quiet, Session, SessionError, Trainer};
use crate::scheduler::Observer;
use crate::store::StudyDirectory;

/// A search that the caller asks what to train next. Dropping it stops the search, which resumes when it is opened again.
pub struct Asking {
    segments: Receiver<Segment>,
    cancellation: Cancellation,
    search: Option<JoinHandle<Result<Ended, SessionError>>>,
}

/// Hands out the segments of a search on request.
pub struct Asked {
    slots: u32,
    segments: Sender<Receiver<Segment>>,
}

impl Trainer for Asked {
    type Slots = Segments;

    fn start(self, study: &StudyDirectory, _: &mut dyn Observer) -> Segments {
        let (slots, segments) = Segments::new(self.slots, study);
        // The caller has gone; the search is cancelled then.
        let _ = self.segments.send(segments);
        slots
    }
}

impl Asking {
    /// Starts the search; at most `at_once` segments, at least 1, are out at the same time.
    ///
    /// # Errors
    /// If the search can't start.
    pub fn new(session: Session, at_once: u32) -> Result<Self, SessionError> {
        let (sender, started) = channel();
        let cancellation = Cancellation::new();
        let asked = Asked {
            slots: at_once.max(1),
            segments: sender,
        };
        let search = std::thread::spawn({
            let cancellation = cancellation.clone();
            move || session.run(asked, None, &mut Quiet, &cancellation)
        });
        match started.recv() {
            Ok(segments) => Ok(Self {
                segments,
                cancellation,
                search: Some(search),
            }),
            Err(_) => Err(join(search).err().unwrap_or(SessionError::Panicked)),
        }
    }

    /// What to train next; it waits if that depends on segments that are out, so these must be reported by other threads or
    /// before. `None` once nothing is left to train.
    pub fn ask(&mut self) -> Option<Segment> {
        self.segments.recv().ok()
    }

    /// Ends the search, or waits for its end if nothing is left to train.
    ///
    /// # Errors
    /// If it could not continue.
    pub fn finish(mut self) -> Result<Ended, SessionError> {
        match self.search.take() {
            Some(search) => {
                self.cancellation.cancel();
                join(search)
            }
            None => Err(SessionError::Panicked),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(search) = self.search.take() {
            self.cancellation.cancel();
            self.cancellation.cancel();
            let _ = join(search);
        }
    }
}

fn join(search: JoinHandle<Result<Ended, SessionError>>) -> Result<Ended, SessionError> {
    search.join().unwrap_or(Err(SessionError::Panicked))
}

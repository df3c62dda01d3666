//! Training with a function in this process.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::Trainer;
use super::segment::{Segment, Segments};
use crate::scheduler::Observer;
use crate::store::StudyDirectory;

/// Trains with a function, on a thread for each slot.
pub struct Function<F> {
    slots: u32,
    train: F,
}

impl<F> Function<F>
where
    F: Fn(&mut Segment) -> Result<(), Box<dyn Error>> + Send + Sync + 'static,
{
    /// Makes this number of slots, at least 1. The function trains one segment; an error or a panic fails it.
    pub fn new(slots: u32, train: F) -> Self {
        Self {
            slots: slots.max(1),
            train,
        }
    }
}

impl<F> Trainer for Function<F>
where
    F: Fn(&mut Segment) -> Result<(), Box<dyn Error>> + Send + Sync + 'static,
{
    type Slots = Segments;

    fn start(self, study: &StudyDirectory, _: &mut dyn Observer) -> Segments {
        let (slots, segments) = Segments::new(self.slots, study);
        let (segments, train) = (Arc::new(Mutex::new(segments)), Arc::new(self.train));
        for _ in 0..self.slots {
            let (segments, train) = (segments.clone(), train.clone());
            std::thread::spawn(move || {
                loop {
                    // Nothing can panic while it is locked.
                    let next = segments.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(mut segment) = next else { return };
                    match catch_unwind(AssertUnwindSafe(|| train(&mut segment))) {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => segment.fail(error.to_string()),
                        Err(_) => segment.fail("it panicked"),
                    }
                }
            });
        }
        slots
    }
}

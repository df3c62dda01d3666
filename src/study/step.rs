//! What follows from an event: records, and commands for after these.

use super::event::Record;
use super::trial::Checkpoint;
use crate::ids::{SegmentId, SlotId};

/// Something to be done, once the records of its step are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Train a segment on a slot.
    Run {
        /// The slot.
        slot: SlotId,
        /// The segment.
        segment: SegmentId,
        /// The resource it begins at.
        from: u64,
        /// The rung's resource.
        to: u64,
        /// Where to go on.
        checkpoint: Option<Checkpoint>,
    },
    /// Stop a segment.
    Stop {
        /// The slot.
        slot: SlotId,
        /// The segment.
        segment: SegmentId,
        /// Whether it may go on later from where it is.
        save: bool,
    },
    /// End the worker of a slot and start another: it does not keep to the protocol.
    Replace {
        /// The slot.
        slot: SlotId,
    },
    /// Delete checkpoints that no decision can need again.
    Delete {
        /// The files, relative to the study's `checkpoints` directory.
        files: Vec<String>,
    },
}

/// What follows from an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// To be made durable first, in this order.
    pub records: Vec<Record>,
    /// To be carried out then.
    pub commands: Vec<Command>,
}

impl Step {
    /// What follows from another event is made durable and carried out after this.
    pub fn append(&mut self, next: Self) {
        self.records.extend(next.records);
        self.commands.extend(next.commands);
    }
}

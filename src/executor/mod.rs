//! Where trials run: slots, the worker on each of them, and the checkpoints that workers write.

pub mod agent;
pub mod checkpoint;
mod connection;
mod examine;
mod failure;
mod gpu;
mod launcher;
mod liveness;
mod log;
mod measure;
mod message;
mod news;
mod program;
mod sanitize;
mod single_export;
mod slot_health;
mod slots;
mod supervisor;
mod worker;

pub use examine::{ExamineError, examine};
pub use gpu::{Gpu, GpuMemory};
pub use launcher::{
    CommandLauncher, Exit, ExitKind, Launch, LaunchError, Launched, Launcher, Leaving, Leftovers, LocalLauncher, Look,
    Place, Purpose, RunningWorker, Seek, SlurmError, SlurmLauncher, Unfit, Wait, step, would_take,
};
pub use measure::{Measured, Measurements, Measuring, Unmeasured};
pub use news::{MeasureSpec, News, Order, SegmentSpec, SlotNews};
pub use program::{Inspection, Own, Program, SCRIPT_WORKER};
pub use single_export::{ExportError, export_model};
pub use slot_health::SlotHealth;
pub use slots::{Machine, Site, Slot, SlotError, Threads, end_leftovers, slots};
pub use worker::Worker;

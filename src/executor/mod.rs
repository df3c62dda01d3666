//! Where trials run: slots, and the worker processes on them.

mod checkpoint;
mod gpu;
mod log;
mod process;
mod slots;
mod space;
mod worker;

pub use checkpoint::{CheckpointError, take_in, verify};
pub use gpu::{Found, Gpu, GpuDriver, find, list, visible};
pub use process::Program;
pub use slots::{Machine, Slot, SlotError};
pub use space::room;
pub use worker::{News, Order, SlotNews, Worker, export_once};

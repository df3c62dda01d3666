//! Where trials run: slots, and the worker processes on them.

mod checkpoint;
mod family;
mod gpu;
mod health;
mod log;
mod news;
mod once;
mod process;
mod pulse;
mod said;
mod slots;
mod watch;
mod worker;

pub use checkpoint::{CheckpointError, delete, delete_strays, take_in, verify};
pub use family::kill_strays;
pub use gpu::{Found, Gpu, GpuDriver, find, list, visible};
pub use health::Health;
pub use news::{News, Order, SlotNews};
pub use once::export_once;
pub use process::Program;
pub use slots::{Machine, Slot, SlotError};
pub use worker::Worker;

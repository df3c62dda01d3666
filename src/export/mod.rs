//! Exports of a study: the best configuration, in the formats that other tools read, its model, and all of its trials.

mod card;
mod configuration;
mod file;
mod model;
mod trials;

pub use card::Card;
pub use configuration::{Format, Unwritable, configuration};
pub use file::{print, write_whole};
pub use model::{broken, clear, partial, place, prepare, replace, seal, seal_of};
pub use trials::{ExportError, Output, Sink, Times, TrialFormat, Trials};

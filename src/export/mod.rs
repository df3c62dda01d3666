//! Exports of a study: the best configuration, in the formats that other tools read, and its model.

mod card;
mod configuration;
mod model;

pub use card::Card;
pub use configuration::{Format, Unwritable, configuration};
pub use model::{broken, clear, partial, place, replace, seal, seal_of};

//! What the records of a study show: numbers without words, each a pure function of the study.

pub mod diagnosis;
mod importance;
mod rungs;

pub use importance::{Importance, Importances, importance};
pub use rungs::{Foresight, foresight};

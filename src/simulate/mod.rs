//! Studies on virtual time: the same core, with learning curves in place of training.

mod formula;
mod objective;
mod table;
mod world;

pub use formula::{Formula, Missing};
pub use objective::Objective;
pub use table::Table;
pub use world::{Conditions, Moment, Simulated, simulate};

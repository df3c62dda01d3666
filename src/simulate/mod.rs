//! Studies on virtual time: the same core, with learning curves in place of training.

mod objective;
mod world;

pub use objective::{Curve, Missing, Objective};
pub use world::{Conditions, Moment, Simulated, simulate};

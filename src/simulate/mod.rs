//! Studies on virtual time: the same core, with learning curves in place of training.

mod edge;
mod evaluator;
mod foreseen;
mod formula;
mod objective;
mod run;
mod table;
mod world;

pub use evaluator::{Evaluator, EvaluatorError};
pub use foreseen::{CostOfKind, Costs, Foreseen, Winners};
pub use formula::{Formula, Missing};
pub use objective::{NoCurve, Objective};
pub use run::{Simulated, foresee, simulate};
pub use table::Table;
pub use world::{Conditions, Moment};

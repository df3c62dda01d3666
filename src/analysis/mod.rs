//! What the records of a study show: numbers without words, each a pure function of the study.

mod comparison;
pub mod diagnosis;
mod experience;
mod explanation;
mod failures;
mod importance;
mod overview;
mod pace_model;
mod paces;
mod remaining;
mod rungs;
mod segments;

pub use comparison::{Apart, Comparable, SharedInput, apart, comparable, shared_inputs};
pub use experience::{Content, Experience, Good, Likeness, Model, Useless, Wanted, also_searched};
pub use explanation::{Decided, Drawing, Explainer, Explanation, First, Happened, Opening, Outcome, Step};
pub use failures::Failures;
pub use importance::{Importance, Importances, importance};
pub use overview::{Overview, Required, spared};
pub use pace_model::{PaceModel, most_different_first};
pub use remaining::remaining_ms;
pub use rungs::{Foresight, foresight};
pub use segments::{Ending, Run, Segment, Segments};

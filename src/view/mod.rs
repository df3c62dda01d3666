//! Output for people: made from the records only, and never changing them.

mod audit;
mod comparison;
mod confirmation;
pub mod doctor;
mod earlier;
mod examination;
mod explanation;
mod findings;
mod format;
mod history;
mod page;
mod picture;
mod progress;
mod report;
mod results;
mod simulation;
mod space;
mod table;
mod untrained;
mod waste;

pub use audit::audit;
pub use comparison::{Compared, ComparedTrials, compared};
pub use earlier::{earlier, left_out};
pub use examination::examination;
pub use explanation::explanation;
pub use format::notify;
pub use history::{PastStudy, history};
pub use page::{Page, Reported};
pub use picture::{Kind as PictureKind, Picture, PngError, Scene};
pub use progress::Progress;
pub use report::{limit_reached, outcome, status, status_json, trial_details};
pub use simulation::simulation;
pub use space::space;
pub use table::{TrialTable, trial_table};
pub use untrained::no_better_than;
pub use waste::waste;

//! Output for people: made from the records only, and never changing them.

mod audit;
mod confirmation;
pub mod doctor;
mod earlier;
mod examination;
mod explanation;
mod findings;
mod format;
mod history;
mod messages;
mod page;
mod picture;
mod progress;
mod report;
mod results;
mod simulation;
mod space;
mod table;
mod trouble;
mod untrained;

pub use audit::audit;
pub use earlier::{earlier, left_out};
pub use examination::examination;
pub use explanation::explanation;
pub use format::{metric, notify};
pub use history::{PastStudy, data_of, history, model_of};
pub use messages::messages;
pub use page::{Page, Reported, kind_of};
pub use picture::{Kind as PictureKind, Picture, PngError, Scene};
pub use progress::Progress;
pub use report::{limit_reached, outcome, state_of, status, status_json, trial_details};
pub use simulation::simulation;
pub use space::space;
pub use table::{TrialTable, trial_table};
pub use trouble::{MISSING, store_help};
pub use untrained::no_better_than;

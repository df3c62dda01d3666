//! JSON.

use super::{Unwritable, facts};
use crate::study::{StudySpec, TrialSummary};

/// An object of all that is known of the trial.
pub(super) fn write(spec: &StudySpec, trial: &TrialSummary) -> Result<String, Unwritable> {
    Ok(format!("{:#}\n", facts(spec, trial)))
}

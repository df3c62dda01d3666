//! JSON.

use super::{Unwritable, facts};
use crate::study::{Study, Trial};

/// An object of all that is known of the trial.
pub(super) fn write(study: &Study, trial: &Trial) -> Result<String, Unwritable> {
    Ok(format!("{:#}\n", facts(study, trial)))
}

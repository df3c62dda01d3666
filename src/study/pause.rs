//! Why a study is paused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::TrialId;
use crate::words::counted;

/// Why a study is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// How many attempts have failed in the same way.
    pub failures: u32,
    /// The trial that has failed last.
    pub trial: TrialId,
    /// How, for the user.
    pub message: String,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            failures,
            trial,
            message,
        } = self;
        let failed = match failures {
            1 => "the only attempt has failed".to_owned(),
            _ => format!(
                "{} in a row have failed in the same way, and no trial has got through meanwhile",
                counted(*failures as usize, "attempt")
            ),
        };
        write!(f, "{failed}; trial {trial} failed last: {message}")
    }
}

//! Finding out what of a study is whole, and keeping all that is.

mod examine;
mod repair;

use std::path::PathBuf;

use serde::Serialize;

pub use examine::examine;
pub use repair::repair;

/// How a part of a study is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All is there.
    Whole,
    /// It is unknown, or there is something to know that takes nothing from the study.
    Note,
    /// Something is lost or wrong.
    Damaged,
}

/// One part of a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Which.
    pub part: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found, one sentence each.
    pub findings: Vec<String>,
}

impl Part {
    fn whole(part: &'static str, finding: impl Into<String>) -> Self {
        let (health, findings) = (Health::Whole, vec![finding.into()]);
        Self { part, health, findings }
    }

    fn note(part: &'static str, finding: impl Into<String>) -> Self {
        let health = Health::Note;
        Self {
            health,
            ..Self::whole(part, finding)
        }
    }

    fn damaged(part: &'static str, findings: Vec<String>) -> Self {
        let health = Health::Damaged;
        Self { part, health, findings }
    }
}

/// What a study looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Its directory.
    pub study: PathBuf,
    /// Its parts.
    pub parts: Vec<Part>,
    /// What was repaired just before, one sentence each.
    pub repaired: Vec<String>,
}

impl Examination {
    /// Whether nothing is lost or wrong.
    pub fn is_whole(&self) -> bool {
        self.parts.iter().all(|part| part.health != Health::Damaged)
    }
}

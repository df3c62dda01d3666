//! What pages get of a study: as it is, and what has changed since they last asked.

use std::sync::{Arc, OnceLock};

use serde_json::json;

use super::rows::json;
use super::whole::{DAMAGED, Trouble};

/// A part that is written once and sent often, with the revision that it is of.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub revision: u64,
    pub json: Arc<str>,
}

/// A study at a revision. It is made once for all who look at it.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Grows with each change, and from one start of the server to the next.
    pub revision: u64,
    /// That of the first publication that this one can be compared with.
    pub first: u64,
    /// The revision before this one.
    pub before: u64,
    /// The study without its trials.
    pub study: Arc<str>,
    /// By number.
    pub trials: Vec<Part>,
    /// By number.
    pub segments: Vec<Part>,
    /// In the order of time.
    pub decisions: Vec<Part>,
    /// Written once it is asked for.
    pub snapshot: OnceLock<Arc<str>>,
    /// What has changed since the revision before, likewise.
    pub latest: OnceLock<Arc<str>>,
}

/// What a page that has seen a revision needs.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// Nothing.
    Nothing,
    /// What has changed, as JSON.
    Delta(Arc<str>),
    /// All of it, as JSON.
    Snapshot(Arc<str>),
}

impl Published {
    /// A study of which nothing can be read.
    pub fn unreadable(revision: u64, name: &str, running: bool, trouble: &Trouble) -> Self {
        let study = json!({ "name": name, "state": DAMAGED, "running": running, "error": trouble.json() });
        Self {
            revision,
            first: revision,
            before: revision,
            study: json(&study).into(),
            ..Self::default()
        }
    }

    /// All of it, as JSON.
    pub fn snapshot(&self) -> Arc<str> {
        let write = || {
            let mut text = format!("{{\"revision\":{},\"study\":{}", self.revision, self.study);
            let all = |_: &&Part| true;
            list(&mut text, "trials", self.trials.iter().filter(all));
            list(&mut text, "segments", self.segments.iter().filter(all));
            list(&mut text, "decisions", self.decisions.iter().filter(all));
            text.push('}');
            text.into()
        };
        self.snapshot.get_or_init(write).clone()
    }

    /// What has changed since a revision.
    pub fn since(&self, seen: Option<u64>) -> News {
        match seen {
            Some(seen) if seen == self.revision => News::Nothing,
            // Nearly all who look have seen the one before.
            Some(seen) if seen == self.before => News::Delta(self.latest.get_or_init(|| self.delta(seen)).clone()),
            Some(seen) if (self.first..self.revision).contains(&seen) => News::Delta(self.delta(seen)),
            Some(_) | None => News::Snapshot(self.snapshot()),
        }
    }

    fn delta(&self, after: u64) -> Arc<str> {
        let known = self.decisions.partition_point(|decision| decision.revision <= after);
        let mut text = format!(
            "{{\"after\":{after},\"revision\":{},\"decisions_from\":{known},\"study\":{}",
            self.revision, self.study
        );
        let new = |part: &&Part| part.revision > after;
        list(&mut text, "trials", self.trials.iter().filter(new));
        list(&mut text, "segments", self.segments.iter().filter(new));
        list(&mut text, "decisions", self.decisions.iter().filter(new));
        text.push('}');
        text.into()
    }
}

/// Adds a member that is a list.
fn list<'a>(text: &mut String, name: &str, parts: impl Iterator<Item = &'a Part>) {
    *text += &format!(",\"{name}\":[");
    for (number, part) in parts.enumerate() {
        if number > 0 {
            text.push(',');
        }
        *text += &part.json;
    }
    text.push(']');
}

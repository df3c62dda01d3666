//! What the user should know of a worker though nothing has failed.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Supervisor;
use crate::executor::failure::AS_A_SCRIPT;
use crate::executor::news::News;
use crate::ids::TrialId;

/// How long a worker may take to be ready before there is a remark. It may only be loading; if it is not, nobody wants to wait.
const READY: Duration = Duration::from_secs(5);

/// How long a worker may train before its first message. An epoch may well take longer.
const REPORT: Duration = Duration::from_secs(60);

/// What is awaited from a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// That it is ready.
    Ready,
    /// Its first message about a trial that it was given.
    Report(TrialId),
    /// That it is done with a trial of which it has reported all.
    Done(TrialId),
}

impl Awaited {
    /// It is awaited from now on.
    pub(super) fn starting_now(self) -> Option<(Self, Instant)> {
        let patience = match self {
            Self::Ready => READY,
            Self::Report(_) | Self::Done(_) => REPORT,
        };
        Some((self, Instant::now() + patience))
    }
}

/// Returns once something has been awaited for long.
pub(super) async fn long_awaited(awaited: Option<(Awaited, Instant)>) -> Awaited {
    let Some((awaited, until)) = awaited else {
        return std::future::pending().await;
    };
    sleep_until(until).await;
    awaited
}

impl Supervisor {
    /// Says what is missing, what has come instead, and what that may come of.
    pub(super) async fn remark_on_silence(&self, awaited: Awaited) {
        if self.program.own.is_some() {
            return;
        }
        let slot = self.slot.id;
        let printed = self.log.tail();
        let (about, late, harmless) = match awaited {
            Awaited::Ready => (
                "ready",
                format!(
                    "the worker on slot {slot} has not sent `ready` for {} seconds",
                    READY.as_secs()
                ),
                "it is still loading",
            ),
            Awaited::Report(trial) => (
                "report",
                format!(
                    "the worker on slot {slot} has sent no message about trial {trial} for {} seconds",
                    REPORT.as_secs()
                ),
                "training takes that long",
            ),
            Awaited::Done(trial) => (
                "done",
                format!(
                    "the worker on slot {slot} has not sent `done` for {} seconds since the last report of trial {trial}",
                    REPORT.as_secs()
                ),
                "it still has something to finish",
            ),
        };
        let as_a_script = match awaited {
            Awaited::Ready => format!(". {AS_A_SCRIPT}"),
            Awaited::Report(_) | Awaited::Done(_) => String::new(),
        };
        let came = match printed.is_empty() {
            true => "It has printed nothing.",
            false => "What it has printed is no message.",
        };
        let text = format!(
            "{late}. {came} If {harmless}, all is well. Otherwise it may keep its output in a buffer (flush standard output after each \
             message, and end the message with a newline), or not speak the worker protocol (docs/trainers.md){as_a_script}{printed}"
        );
        self.remark(about, text).await;
    }

    pub(super) async fn remark(&self, about: &str, text: String) {
        let about = about.to_owned();
        self.report(News::Remark { about, text }).await;
    }
}

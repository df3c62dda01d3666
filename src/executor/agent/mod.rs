//! `hpo` on another machine: what a launch command starts there, and how it is asked.
//!
//! A launch command ends in `hpo agent`, whose words no shell changes; everything else is a line on its standard input. So `ssh`, which
//! gives its words to a shell, and `kubectl exec`, which does not, start the same.

mod ask;
mod hold;
mod message;
mod probe;
mod process;
mod relay;
mod serve;

pub(super) use ask::ask;
pub(super) use message::{HOLD, LaunchOrder, Note, Request};
pub use probe::{Found, ProbeError, Wanted, probe};
pub(super) use process::{Process, Streams, start};
pub use serve::serve;

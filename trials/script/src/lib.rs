//! Trains trials with scripts: programs that know nothing of `hpo`, take what they need as arguments or from the environment, and
//! print numbers.
//!
//! [`work`] is a worker in the sense of [`hpo_protocol`]. For each segment it starts the script once, in a process group of its own,
//! and makes reports of what it prints or writes to a file. What the script leaves in its directory is the checkpoint from which the
//! next segment goes on; a script that leaves nothing is trained anew up to the next rung.

#![deny(clippy::wildcard_enum_match_arm)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod collect;
mod context;
mod directory;
mod invocation;
mod ledger;
mod lines;
mod names;
mod process;
mod segment;
mod settings;
mod source;
mod tail;
mod template;
mod worker;

pub use context::settings;
pub use directory::REPORTS;
pub use invocation::{Passed, SEEDS, arguments_for, carries_value, passed};
pub use names::{CHECKPOINT_DIR, CONFIG, RESUME_FROM, SEED, THREADS, Taken, Variables, placeholders, variable};
pub use process::describe;
pub use settings::{Metrics, RESOURCE, Script};
pub use source::pattern::{PatternError, compile};
pub use template::{Template, TemplateError};
pub use worker::work;

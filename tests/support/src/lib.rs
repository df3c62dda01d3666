//! Runs the real `hpo` binary on studies that take a moment. It is a crate of its own, not a module of each test binary, so that it
//! is compiled once and that no binary has to use all of it.

#![allow(clippy::unwrap_used)]

mod model;
mod place;
mod process;

use std::path::Path;

pub use model::{bert, write_model, write_whole_model};
pub use place::{Place, copy_tree, hpo_alone};
pub use process::{Run, Running, is_gone, of_workers, wait_until_gone};

/// The example for a trainer of one's own.
pub const EXAMPLE: &str = "examples/trainer.py";

/// A trainer that goes wrong. See there for how.
pub const FAULTY: &str = "tests/trainers/faulty.py";

/// A trainer that writes more than messages. See there for how.
pub const WILD: &str = "tests/trainers/wild.py";

/// A trainer that speaks the whole protocol. See there for what it can be made to do.
pub const WHOLE: &str = "tests/trainers/whole.py";

/// The root of the repository.
pub fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap()
}

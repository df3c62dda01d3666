//! Models: their files, and what they compute, against references and on other ways to the same numbers.

// clippy knows test functions, but not their helpers.
#![allow(clippy::unwrap_used)]

mod families;
mod frozen;
mod losses;
mod model;
mod native;
mod prompts;
mod steps;
#[path = "../common/tiny_model.rs"]
mod tiny_model;
mod tokens;

use std::path::{Path, PathBuf};

/// The real model; `make setup` fetches it.
fn minilm() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/model/all-MiniLM-L6-v2");
    assert!(path.is_dir(), "{} is missing: run make setup", path.display());
    path
}

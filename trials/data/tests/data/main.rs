//! From files to sets of rows.

// clippy knows test functions, but not their helpers.
#![allow(clippy::unwrap_used)]

mod cleaning;
mod common;
mod evaluations;
mod formats;
mod informative;
mod tables;
mod values;

//! Hyperparameter search for fine-tuning text-embedding models.
//!
//! A pure decision core ([`study`]) inside a thin loop ([`scheduler`]) that makes the core's records durable
//! ([`store`]) and then carries out its commands on slots ([`executor`]). The output for people ([`view`], [`export`])
//! is made from the records only.

#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm, clippy::too_many_lines))]

pub mod analysis;
pub mod cli;
pub mod clock;
pub mod dashboard;
pub mod devices;
pub mod diagnostic;
mod disk;
pub mod executor;
pub mod export;
pub mod fsck;
pub mod gc;
pub mod ids;
pub mod import;
pub mod keys;
mod kill;
mod memory;
mod program;
pub mod scheduler;
pub mod session;
mod shell;
pub mod signals;
pub mod simulate;
pub mod space;
pub mod store;
pub mod study;
pub mod study_file;
pub mod view;
mod words;

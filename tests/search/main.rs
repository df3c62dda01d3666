//! Searching, looking at what was found, and simulating, mostly through the real binary.

#![allow(clippy::unwrap_used)]

mod base_models;
mod commands;
mod confirmation;
mod dashboard;
mod diagnosis;
mod dry_run;
mod embedding;
mod end_to_end;
mod evaluation;
mod examined;
mod export;
mod from;
mod generated;
mod history;
mod import;
mod library;
mod limits;
mod machines;
mod notify;
mod objective;
mod origin;
mod python;
mod report;
mod require;
mod script;
mod several;
mod simulate;
mod slurm;
mod spaces;
mod ssh;
mod terminal;
mod why;

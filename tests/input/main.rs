//! Input that is wrong, hostile or not meant for everybody's eyes.

#![allow(clippy::unwrap_used)]

mod bad_data;
mod bad_evaluation;
mod bad_input;
mod base_models;
mod doctor;
mod hostile;
mod init;
mod init_script;
mod learn;
mod releases;
mod security;

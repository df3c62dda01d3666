//! The worker that fine-tunes text-embedding models: a trainer behind the protocol of `hpo`.

#![deny(clippy::wildcard_enum_match_arm)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

pub mod alive;
pub mod augment;
pub mod cache;
pub mod checkpoint;
pub mod embed;
pub mod error;
pub mod evaluate;
pub mod examine;
pub mod examples;
pub mod export;
pub mod gradient;
pub mod hex;
pub mod kept_tokens;
pub mod layers;
pub mod loss;
pub mod measure;
pub mod model;
pub mod negatives;
pub mod optimizer;
pub mod precision;
pub mod prepare;
pub mod prompted;
pub mod ranks;
pub mod resource;
pub mod schedule;
pub mod seed;
pub mod segment;
pub mod shared;
pub mod tensors;
pub mod tokens;
pub mod trial;
pub mod validate;
mod version;
pub mod worker;

pub use version::version;

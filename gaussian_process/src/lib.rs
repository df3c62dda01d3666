//! Gaussian process regression over configurations and rungs: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006).
//!
//! A crate of its own, so that the linear algebra is optimised also where `hpo` is built to be debugged.

mod factor;
mod hyperparameters;
mod kernel;
mod prediction;
mod process;
mod quasi_newton;
#[cfg(test)]
mod tests;
mod vectors;

pub use hyperparameters::{Hyperparameters, Point, Search, evenly};
pub use prediction::Prediction;
pub use process::Process;

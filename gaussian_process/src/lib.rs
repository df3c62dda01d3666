//! Gaussian process regression over configurations and rungs: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006).
//!
//! A crate of its own, so that the linear algebra is optimised also where `hpo` is built to be debugged.

mod factor;
mod kernel;
mod model;

pub use model::{Hyperparameters, Point, Prediction, Process};

//! Slots on the nodes of a real Slurm.

mod cluster;
mod jobs;
mod steps;

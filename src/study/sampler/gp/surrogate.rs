//! The process as a model of the costs of a study, for whoever wants to know what it has learned.

use hpo_gaussian_process::{Hyperparameters, Process, Search, evenly};

use super::super::History;
use super::super::axis::Axis;
use super::REVISION;
use super::data::{Data, features};
use super::learned::LEARN_FROM;
use crate::space::SearchSpace;

/// A model of the cost at the last rung.
#[derive(Debug)]
pub struct Surrogate<'a> {
    space: &'a SearchSpace,
    process: Process,
    trials: usize,
    rung: usize,
    costs: Vec<f64>,
    axes: Vec<Axis>,
}

impl<'a> Surrogate<'a> {
    /// What the observations of a history say; none if there are none.
    pub fn new(history: &History<'a>) -> Option<Self> {
        let data = Data::new(history, REVISION);
        let rung = history.rungs.len().saturating_sub(1);
        let process = Process::new(
            &Hyperparameters::fit(&evenly(&data.points, LEARN_FROM), Search::QuasiNewton),
            &data.points,
            rung,
        )?;
        Some(Self {
            space: history.space,
            process,
            trials: data.trials,
            rung,
            costs: data.points.iter().map(|point| point.cost).collect(),
            axes: data.axes,
        })
    }

    /// How many trials it knows.
    pub fn trials(&self) -> usize {
        self.trials
    }

    /// The share of the variance of the costs, each left out in turn, that the others explain; none if all are the same.
    pub fn explained(&self) -> Option<f64> {
        let mean = self.costs.iter().sum::<f64>() / self.costs.len() as f64;
        let variance: f64 = self.costs.iter().map(|cost| (cost - mean).powi(2)).sum();
        let missed: f64 = self.process.left_out().iter().map(|error| error * error).sum();
        (variance > 0.0).then(|| 1.0 - missed / variance)
    }

    /// The costs, transformed, that it expects at points of the unit cube; none if the space does not allow one of them.
    pub fn costs(&self, points: &[Vec<f64>]) -> Option<Vec<f64>> {
        let place = |point: &Vec<f64>| {
            let configuration = self.space.configuration(point)?;
            Some(features(&self.axes, &self.space.point(&configuration)))
        };
        let places: Vec<Vec<f64>> = points.iter().map(place).collect::<Option<_>>()?;
        Some(self.process.means(&places, self.rung))
    }
}

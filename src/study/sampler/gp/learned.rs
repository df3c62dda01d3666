//! What losses teach: by what configurations are drawn, and how well rungs foretell the last one.

use hpo_gaussian_process::{Hyperparameters, Point, Search, evenly};

use super::super::History;
use super::GaussianProcess;
use super::data::Data;

/// Points from which hyperparameters are learned, which is the most work.
pub(super) const LEARN_FROM: usize = 100;
/// The same for the first revision.
const LEARN_FROM_BY_RPROP: usize = 150;
/// Trials beyond the first rung that must be known before correlations of rungs are.
const TO_COMPARE: usize = 3;
/// A rung whose costs are less correlated with those at the last one prunes too many of the good.
const TELLING: f64 = 0.85;

/// Losses, and the hyperparameters that explain them best.
#[derive(Debug)]
pub(super) struct Explained {
    /// The losses.
    pub points: Vec<Point>,
    /// What explains them.
    pub hyperparameters: Hyperparameters,
}

impl Explained {
    fn new(points: Vec<Point>, revision: u32) -> Self {
        let hyperparameters = if revision > 1 {
            Hyperparameters::fit(&evenly(&points, LEARN_FROM), Search::QuasiNewton)
        } else {
            Hyperparameters::fit(&evenly(&points, LEARN_FROM_BY_RPROP), Search::Rprop)
        };
        Self {
            points,
            hyperparameters,
        }
    }
}

/// What has been observed, and what explains it.
#[derive(Debug)]
pub(in crate::study::sampler) struct Learned {
    /// What has been observed.
    pub(super) data: Data,
    /// By what configurations are drawn.
    pub(super) explained: Explained,
    /// Of how many trials this has losses, or knows that they have failed.
    pub(super) trials: usize,
    /// How many trials there must be before the model is asked.
    pub(super) startup: usize,
    /// By which revision of the sampler.
    pub(super) revision: u32,
    rungs: usize,
}

impl Learned {
    /// What the observations of a history teach; none if they are too few for all that it is asked for.
    pub fn new(settings: GaussianProcess, history: &History<'_>) -> Option<Self> {
        let data = Data::new(history, settings.revision);
        let (revision, startup) = (settings.revision, settings.startup() as usize);
        if data.trials < startup && data.compared() < TO_COMPARE {
            return None;
        }
        let (points, trials) = if revision > 2 {
            data.of_high_rungs()
        } else {
            (data.points.clone(), data.trials)
        };
        Some(Self {
            explained: Explained::new(points, revision),
            trials,
            data,
            startup,
            revision,
            rungs: history.rungs.len(),
        })
    }

    /// The lowest rung that says enough of the last one, by what the model has learned of their correlation. Hyper-Tune (Li et al.,
    /// "Hyper-Tune: Towards Efficient Hyper-parameter Tuning at Scale", 2022, section 4.1) likewise chooses brackets by how well rungs
    /// foretell the last.
    pub fn first_rung(&self) -> Option<usize> {
        let agreement = self.agreement()?;
        let last = self.rungs - 1;
        (0..=last).find(|rung| agreement.powi((last - rung) as i32) >= TELLING)
    }

    /// The correlation of neighbouring rungs, 0 to 1, if enough trials have come beyond the first.
    pub fn agreement(&self) -> Option<f64> {
        if self.data.compared() < TO_COMPARE {
            return None;
        }
        Some(if self.explained.points.len() == self.data.points.len() {
            self.explained.hyperparameters.correlation()
        } else {
            let all = Explained::new(self.data.points.clone(), self.revision);
            all.hyperparameters.correlation()
        })
    }
}

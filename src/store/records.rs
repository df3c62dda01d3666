//! What can be asked of a study, whether its database answers or its journal.

use std::borrow::Cow;

use hpo_protocol::Baseline;

use super::database::Database;
use super::error::DatabaseError;
use crate::analysis::Overview;
use crate::ids::TrialId;
use crate::study::{Study, StudySpec, Trial, TrialSummary};

/// The records of a study. Both answer the same.
#[derive(Clone, Copy)]
pub enum Records<'a> {
    /// Those in its database.
    Database(&'a Database),
    /// Those that were read from its journal, which always answers.
    Journal(&'a Study),
}

impl<'a> Records<'a> {
    /// What the study is.
    pub fn spec(self) -> &'a StudySpec {
        match self {
            Self::Database(database) => &database.overview().spec,
            Self::Journal(study) => study.spec(),
        }
    }

    /// What the untrained model comes to, or each of those that trials choose from, once measured.
    pub fn baseline(self) -> Option<&'a Baseline> {
        match self {
            Self::Database(database) => database.overview().baseline.as_ref(),
            Self::Journal(study) => study.baseline(),
        }
    }

    /// How the study stands.
    pub fn overview(self) -> Cow<'a, Overview> {
        match self {
            Self::Database(database) => Cow::Borrowed(database.overview()),
            Self::Journal(study) => Cow::Owned(Overview::of(study)),
        }
    }

    /// How many trials there are.
    pub fn trials(self) -> usize {
        match self {
            Self::Database(database) => database.overview().trials,
            Self::Journal(study) => study.trials().len(),
        }
    }

    /// One trial; none if there is no such one.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn trial(self, id: TrialId) -> Result<Option<Cow<'a, Trial>>, DatabaseError> {
        Ok(match self {
            Self::Database(database) => database.trial(id)?.map(Cow::Owned),
            Self::Journal(study) => study.trial(id).map(Cow::Borrowed),
        })
    }

    /// The best trial; see [`Study::best`].
    pub fn best(self) -> Option<TrialSummary> {
        match self {
            Self::Database(database) => database.overview().best.clone(),
            Self::Journal(study) => study.best().map(|best| study.summary(best)),
        }
    }

    /// The rows of the first `count` trials by number.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn first(self, count: usize) -> Result<Vec<TrialSummary>, DatabaseError> {
        let ids: Vec<TrialId> = (0..self.trials().min(count) as u64).map(TrialId).collect();
        self.rows(&ids)
    }

    /// The rows of the first `count` trials by the value of the objective, the best first or, in reverse, the worst; those without a
    /// value come last either way. Equals are in the order of their numbers.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn by_objective(self, reverse: bool, count: usize) -> Result<Vec<TrialSummary>, DatabaseError> {
        let mut costs: Vec<(TrialId, Option<f64>)> = match self {
            Self::Database(database) => database.costs().collect(),
            Self::Journal(study) => {
                let trials = study.trials().iter();
                trials
                    .map(|trial| (trial.id, trial.best().map(|best| best.1)))
                    .collect()
            }
        };
        costs.sort_by(|(_, a), (_, b)| match (a, b) {
            // Adding zero makes -0.0 and 0.0 a tie.
            (Some(a), Some(b)) if reverse => (b + 0.0).total_cmp(&(a + 0.0)),
            (Some(a), Some(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        let ids: Vec<TrialId> = costs.into_iter().take(count).map(|(id, _)| id).collect();
        self.rows(&ids)
    }

    fn rows(self, ids: &[TrialId]) -> Result<Vec<TrialSummary>, DatabaseError> {
        match self {
            Self::Database(database) => database.summaries(ids.iter().copied()),
            Self::Journal(study) => {
                let trials = ids.iter().filter_map(|&id| study.trial(id));
                Ok(trials.map(|trial| study.summary(trial)).collect())
            }
        }
    }
}

//! What a trial's curves can show, in numbers.

use serde::{Deserialize, Serialize};

/// The kinds of findings, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Training destroys the model.
    Divergence,
    /// All embeddings have become alike.
    Collapse,
    /// The model memorises its training data.
    Overfitting,
    /// The objective gets better, but the ranking gets worse.
    RankingDecline,
    /// The objective was still getting better when the trial ended.
    SlowConvergence,
    /// The objective has stopped getting better.
    Plateau,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Divergence,
        Self::Collapse,
        Self::Overfitting,
        Self::RankingDecline,
        Self::SlowConvergence,
        Self::Plateau,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Divergence => "divergence",
            Self::Collapse => "collapse",
            Self::Overfitting => "overfitting",
            Self::RankingDecline => "ranking decline",
            Self::SlowConvergence => "slow convergence",
            Self::Plateau => "plateau",
        }
    }

    /// What trials with the finding did, to follow "3 of 9 trials".
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Divergence => "diverged",
            Self::Collapse => "collapsed",
            Self::Overfitting => "overfit",
            Self::RankingDecline => "lost ranking while the objective got better",
            Self::SlowConvergence => "converged slowly",
            Self::Plateau => "reached a plateau",
        }
    }
}

/// Something that a trial's curves show, with the numbers behind it. Values are those of the study's
/// objective; `at` is the resource of the last report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Finding {
    /// See [`Kind::Divergence`].
    Divergence {
        /// The last report.
        at: u64,
        /// The value there; `None` if it was not finite.
        value: Option<f64>,
        /// The untrained model's value, if measured.
        untrained: Option<f64>,
    },
    /// See [`Kind::Collapse`].
    Collapse {
        /// The first report from which on it held.
        since: u64,
        /// The last report.
        at: u64,
        /// The mean cosine between embeddings of different texts there, -1 to 1.
        mean_cosine: f64,
        /// That of the untrained model, if measured.
        untrained: Option<f64>,
    },
    /// See [`Kind::Overfitting`].
    Overfitting {
        /// The report with the best value.
        best_at: u64,
        /// The value there.
        best_value: f64,
        /// The training loss there, on a scale of its own.
        best_train_loss: f64,
        /// The last report.
        at: u64,
        /// The value there.
        value: f64,
        /// The training loss there.
        train_loss: f64,
    },
    /// See [`Kind::RankingDecline`].
    RankingDecline {
        /// The ranking metric that got worse.
        metric: String,
        /// The report since which it got worse; 0 is the untrained model.
        since: u64,
        /// The value there.
        value_before: f64,
        /// The metric there.
        metric_before: f64,
        /// The last report.
        at: u64,
        /// The value there.
        value: f64,
        /// The metric there.
        metric_after: f64,
    },
    /// See [`Kind::SlowConvergence`].
    SlowConvergence {
        /// The report before the steps looked at.
        since: u64,
        /// The value there.
        value_before: f64,
        /// The last report.
        at: u64,
        /// The value there.
        value: f64,
        /// Which share of the whole improvement these steps made up, 0 to 1.
        share: f64,
    },
    /// See [`Kind::Plateau`].
    Plateau {
        /// The first of the reports looked at.
        since: u64,
        /// The last report.
        at: u64,
        /// The lowest value of these reports.
        lowest: f64,
        /// The highest value of these reports.
        highest: f64,
        /// Where the plateau lies.
        level: Level,
    },
}

/// Where a plateau lies relative to the initial value: the untrained model's, or else that of the first report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// At better values: the trial has learned something.
    Better,
    /// At the same level.
    Same,
    /// At worse values.
    Worse,
}

impl Finding {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Divergence { .. } => Kind::Divergence,
            Self::Collapse { .. } => Kind::Collapse,
            Self::Overfitting { .. } => Kind::Overfitting,
            Self::RankingDecline { .. } => Kind::RankingDecline,
            Self::SlowConvergence { .. } => Kind::SlowConvergence,
            Self::Plateau { .. } => Kind::Plateau,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Divergence { .. } => "lower the learning rate",
            Self::Collapse { .. } => "lower the learning rate; more varied or less hard negatives, or a smaller margin",
            Self::Overfitting { .. } => "raise weight decay or dropout; more data or augmentation",
            Self::RankingDecline { .. } => "more varied negatives: from the batch, or from the whole corpus",
            Self::SlowConvergence { .. } => {
                "raise the learning rate or shorten its warm-up; otherwise train longer (a higher max_resource)"
            }
            Self::Plateau {
                level: Level::Better, ..
            } => "shorter training (a lower max_resource) would do; for a better result, more or other data",
            Self::Plateau { level: Level::Same, .. } => "it learns nothing: raise the learning rate",
            Self::Plateau {
                level: Level::Worse, ..
            } => "it only got worse: lower the learning rate",
        }
    }
}

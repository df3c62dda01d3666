//! All trials of a study in the formats that others read: each is a file of its own and a line of [`TrialFormat`].

mod csv;
mod error;
mod event;
mod json;
mod mlflow;
mod optuna;
mod parquet;
mod protobuf;
mod table;
mod tensorboard;
mod times;

use std::path::PathBuf;

pub use error::ExportError;
pub use times::{Times, TrialTimes};

use crate::study::{Study, Trial, TrialSummary};

/// A study whose trials are exported.
#[derive(Clone, Copy)]
pub struct Trials<'a> {
    /// The study.
    pub study: &'a Study,
    /// When what happened to its trials.
    pub times: &'a Times,
}

impl<'a> Trials<'a> {
    /// Each trial, and when what happened to it.
    fn each(self) -> impl Iterator<Item = (&'a Trial, TrialTimes)> {
        let times = self.times;
        self.study.trials().iter().map(|trial| (trial, times.of(trial.id)))
    }

    fn summary(self, trial: &Trial) -> TrialSummary {
        self.study.summary(trial)
    }

    /// The value of the objective that a cost stands for.
    fn objective(self, cost: f64) -> f64 {
        self.study.spec().objective.signed(cost)
    }
}

/// Where the trials are written.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The file, directory or address; none: standard output.
    pub target: Option<PathBuf>,
    /// Whether a table has a row for each report instead of for each trial.
    pub reports: bool,
    /// Whether what is there may be replaced.
    pub force: bool,
}

impl Output {
    /// The target of a format that is not written to standard output; `what` it is.
    fn required(&self, format: &str, what: &str) -> Result<PathBuf, ExportError> {
        self.target.clone().ok_or_else(|| ExportError::Usage {
            message: format!("--trials {format} needs {what}"),
            help: "name it with --output".into(),
        })
    }

    /// Refuses `--reports` for a format that has all reports anyway.
    fn without_rows(&self, format: &str) -> Result<(), ExportError> {
        match self.reports {
            true => Err(ExportError::Usage {
                message: format!(
                    "--reports chooses the rows of a table, and {format} is none: it has the reports of each trial anyway"
                ),
                help: "leave out --reports, or write csv or parquet".into(),
            }),
            false => Ok(()),
        }
    }
}

/// Where trials are written as their study goes on.
pub trait Sink {
    /// Writes what is not there yet.
    ///
    /// # Errors
    /// If it can't be written.
    fn update(&mut self, trials: Trials<'_>) -> Result<(), ExportError>;
}

/// Declares the formats, each with the function that begins to write it.
macro_rules! formats {
    ($($(#[doc = $about:literal])+ $format:ident => $begin:path,)+) => {
        /// A format for all trials of a study.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
        pub enum TrialFormat {
            $($(#[doc = $about])+ $format,)+
        }

        impl TrialFormat {
            /// Begins to write; nothing is written yet.
            ///
            /// # Errors
            /// If the format can't be written there.
            pub fn begin(self, output: Output) -> Result<Box<dyn Sink>, ExportError> {
                match self {
                    $(Self::$format => $begin(output),)+
                }
            }
        }
    };
}

formats! {
    /// A table with a row for each trial, or with --reports for each report.
    Csv => csv::begin,
    /// A list of all trials, each with its reports.
    Json => json::begin,
    /// The tables of `csv`, with types.
    Parquet => parquet::begin,
    /// The file of a journal storage of Optuna.
    Optuna => optuna::begin,
    /// Runs on an MLflow tracking server, whose address is the output [default: MLFLOW_TRACKING_URI].
    Mlflow => mlflow::begin,
    /// A directory of event files for TensorBoard, with hyperparameters.
    Tensorboard => tensorboard::begin,
}

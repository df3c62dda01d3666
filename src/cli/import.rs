//! `hpo import`.

use std::path::{Path, PathBuf};

use super::CliError;
use super::from::{common_models, taken};
use super::run::Private;
use super::search::create;
use super::study::Studies;
use crate::clock::now;
use crate::import::{self, ImportError, Imported};
use crate::shell::{about, path_word};
use crate::study::StudySpec;
use crate::study_file;
use crate::view::{Verbosity, notify};

/// Where the results come from.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Import {
    /// Take the rows of a table: a column for each parameter, one for the objective, and perhaps `resource` and `state`
    Csv {
        /// The table, with a header
        file: PathBuf,

        /// The file of the study to be created
        study: PathBuf,

        /// The column of the objective [default: the study's objective, objective, or value]
        #[arg(long, value_name = "COLUMN")]
        objective: Option<String>,
    },
    /// Take the trials of a study of Optuna
    Optuna {
        /// The file of a journal storage, or another storage such as sqlite:///optuna.db, which the Optuna of python3 reads
        #[arg(value_name = "FILE|URL")]
        file: PathBuf,

        /// The file of the study to be created
        study: PathBuf,

        /// The study of Optuna, if there are several
        #[arg(long = "study", value_name = "NAME")]
        named: Option<String>,
    },
}

impl Import {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        match self {
            Self::Csv { file, study, objective } => {
                begin(studies, study, |spec| import::csv(file, spec, objective.as_deref()))
            }
            Self::Optuna { file, study, named } => {
                begin(studies, study, |spec| import::optuna(file, spec, named.as_deref()))
            }
        }
    }
}

/// Creates the study of a file with what is read for it.
fn begin(
    studies: &Studies,
    path: &Path,
    read: impl FnOnce(&StudySpec) -> Result<Imported, ImportError>,
) -> Result<(), CliError> {
    let _private = Private::new();
    let file = study_file::read(path)?;
    let directory = studies.of(&file.path, &file.study.name);
    if directory.root().symlink_metadata().is_ok() {
        let status = about(directory.root(), ["status"]);
        return Err(CliError::usage(
            format!(
                "the study {} is there already, and results are taken when a study begins",
                file.study.name
            ),
            format!("give the new study another `name` under `[study]`; how the one that is there stands: {status}"),
        ));
    }
    create(
        &file,
        &directory,
        &file.slots,
        Verbosity::Usual,
        |spec, origin, kind| {
            if spec.has_several() {
                return Err(CliError::usage(
                    format!(
                        "{}: what is imported has values of one objective, and the study has several",
                        path.display()
                    ),
                    "import it into a study with one, or begin without it: `hpo search`",
                ));
            }
            // The names that results have of base models and prompts are the study's own.
            let own = (&spec.trainer, origin);
            let habits = study_file::habits(&spec.trainer, &spec.trainer, common_models(own, own), kind);
            let (earlier, results) = read(spec)?.for_study(spec, &habits, now());
            let help = "widen `[space]`, or name the parameters as they were named there".to_owned();
            taken(spec, earlier, results, help)
        },
    )?;
    let search = crate::shell::command(
        ["hpo".into(), "search".into(), path_word(path)]
            .into_iter()
            .chain(studies.option()),
    );
    notify(&format!(
        "study {} created in {}; search with:\n  {search}",
        file.study.name,
        directory.root().display()
    ));
    Ok(())
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Unreadable { .. } => Self::usage(error.to_string(), "check the path and its permissions"),
            ImportError::Unusable { ref help, .. } => {
                let help = help.clone();
                Self::usage(error.to_string(), help)
            }
        }
    }
}

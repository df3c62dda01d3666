//! Studies beside each other.

use std::path::{Path, PathBuf};

use hpo_protocol::BASE_MODEL;
use serde::Serialize;
use serde_json::Value;

use super::format::{bytes, duration, metric};
use super::line::cut;
use super::sheet::{Sheet, left_out};
use super::state::state;
use crate::analysis::Overview;
use crate::clock::local;
use crate::ids::{Timestamp, TrialId};
use crate::store::StudyDirectory;
use crate::study::{Objective, Trainer};
use crate::words::counted;

/// What is left of a study in a list of all.
#[derive(Debug, Clone, Serialize)]
pub struct PastStudy {
    /// The name of its directory, by which it is found.
    pub study: String,
    /// Where it is.
    pub directory: PathBuf,
    /// Whether it runs, has stopped or finished.
    pub state: &'static str,
    /// How many trials it has.
    pub trials: usize,
    /// What decides.
    pub objective: Objective,
    /// The best value.
    pub best: Option<f64>,
    /// The trial that has it.
    pub best_trial: Option<TrialId>,
    /// The value of the best of the untrained models.
    pub untrained: Option<f64>,
    /// The base models, or the program that trains.
    pub model: String,
    /// The training data, if the trainer is that of embeddings.
    pub data: Option<PathBuf>,
    /// Time spent training, summed over all slots, in milliseconds.
    pub trained_ms: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When it began.
    pub created_ms: Timestamp,
    /// When its last record was made.
    pub updated_ms: Timestamp,
}

impl PastStudy {
    /// That of a study in a directory of so many bytes.
    pub fn new(overview: &Overview, directory: &StudyDirectory, bytes: u64) -> Self {
        let spec = &overview.spec;
        let trainer = &spec.trainer;
        let untrained = overview
            .baseline
            .as_ref()
            .and_then(|untrained| spec.best_untrained(untrained));
        Self {
            study: directory.name(),
            directory: directory.root().to_owned(),
            state: state(overview, directory.is_locked()),
            trials: overview.trials,
            objective: spec.objective.clone(),
            best: overview.best.as_ref().and_then(|best| best.objective),
            best_trial: overview.best.as_ref().map(|best| best.trial),
            untrained: untrained.map(|untrained| untrained.value),
            model: model_of(trainer),
            data: data_of(trainer),
            trained_ms: overview.trained_ms,
            bytes,
            created_ms: overview.created,
            updated_ms: overview.updated,
        }
    }
}

/// The base models of a trainer, or the program that trains.
pub fn model_of(trainer: &Trainer) -> String {
    match (&trainer.command, trainer.settings.get(BASE_MODEL)) {
        (Some(command), _) => command.join(" "),
        (None, Some(Value::Object(models))) => models.keys().cloned().collect::<Vec<_>>().join(", "),
        (None, model) => {
            let path = model.and_then(Value::as_str).map(Path::new);
            let name = path.map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy());
            name.unwrap_or_default().into_owned()
        }
    }
}

/// The training data of the embedding trainer; none of another.
pub fn data_of(trainer: &Trainer) -> Option<PathBuf> {
    let embedding = trainer.command.is_none();
    let data = embedding.then(|| trainer.settings.get("train")?.as_str()).flatten();
    data.map(PathBuf::from)
}

/// The command of a script that takes more columns of a terminal is cut.
const LONGEST: usize = 40;

/// So many characters of a moment are its date and its time to the minute.
const MINUTES: usize = 16;

type Cell = fn(&PastStudy) -> String;

/// The names of the columns, whether they have words, and what stands in them.
const COLUMNS: [(&str, bool, Cell); 11] = [
    ("study", true, |study| study.study.clone()),
    ("state", true, |study| study.state.to_owned()),
    ("trials", false, |study| study.trials.to_string()),
    ("objective", true, |study| study.objective.metric.clone()),
    ("best", false, |study| study.best.map_or("-".to_owned(), metric)),
    ("untrained", false, |study| {
        study.untrained.map_or("-".to_owned(), metric)
    }),
    ("model", true, |study| cut(&study.model, LONGEST)),
    ("data", true, |study| study.data.as_deref().map_or("-".into(), short)),
    ("trained", false, |study| duration(study.trained_ms)),
    ("disk", false, |study| bytes(study.bytes)),
    ("changed", true, |study| {
        local(study.updated_ms).chars().take(MINUTES).collect()
    }),
];

/// The names of the columns that a list of studies has.
pub fn history_columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, _, _)| *name)
}

/// A table of them, in their order: the columns of these names, or all; as far as they fit into so many columns of a terminal.
pub fn history(studies: &[PastStudy], columns: Option<&[String]>, width: Option<usize>) -> String {
    let shown: Vec<_> = match columns {
        Some(chosen) => chosen
            .iter()
            .filter_map(|chosen| COLUMNS.iter().find(|(name, _, _)| name == chosen))
            .collect(),
        None => COLUMNS.iter().collect(),
    };
    let sheet = Sheet {
        head: shown.iter().map(|(name, _, _)| (*name).to_owned()).collect(),
        rows: studies
            .iter()
            .map(|study| shown.iter().map(|(_, _, cell)| cell(study)).collect())
            .collect(),
        words: (0..shown.len()).filter(|&place| shown[place].1).collect(),
    };
    let (text, hidden) = sheet.text(width);
    text + &left_out(hidden, "--wide")
}

/// The name of a study, its state, and how its trials stand, in one line.
pub fn in_short(overview: &Overview, running: bool) -> String {
    let spec = &overview.spec;
    let trials = counted(spec.trials, "trial");
    let states = overview
        .states
        .iter()
        .map(|(status, count)| format!("{count} {}", status.word()));
    let states = states.collect::<Vec<_>>().join(", ");
    format!(
        "study {}, {}: {} of {trials}: {states}\n",
        spec.name,
        state(overview, running),
        overview.searched()
    )
}

/// The last two parts of a path.
fn short(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .rev()
        .take(2)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

//! The study's file: TOML that a person writes.

mod conditions;
mod confirmation;
mod constraints;
mod distributions;
mod given;
mod grid;
mod notify;
mod objectives;
mod parameters;
mod path;
mod policy;
mod prior;
mod proposal;
mod reader;
mod require;
mod resource;
mod sampler;
mod schema;
mod settings;
mod slots;
mod slurm;
mod study;
mod tables;
#[cfg(test)]
mod tests;
mod trainer;
mod try_first;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use self::reader::{Problem, Problems, Results, Table};
use self::study::StudyTable;
use crate::devices::SlotSettings;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};
use crate::space::SearchSpace;
use crate::study::{ConfirmationSpec, Objective, PolicySpec, Requirement, SamplerSpec, StopSpec, StudySpec, Trainer};

pub use self::given::{Misgiven, given};
pub use self::notify::NotifySettings;
pub(crate) use self::path::{clean, relative};
pub use self::proposal::{
    DataFiles, Facts, Proposal, ScriptHelp, ScriptStart, Unproposed, propose, propose_script, read_help, usual_space,
};
pub(crate) use self::reader::similar;
pub use self::schema::schema;
pub use self::study::{SPAN, span_ms};
pub use self::trainer::{
    Look, NamedInput, PromptOrigin, PromptsInUse, about_input, check_files, habits, keeps_nothing, look, named_inputs,
    prompts_in_use, script_notes, settings_of_then, settings_of_today,
};
pub(crate) use self::trainer::{PROMPT_SETS, PROMPTS};

/// A study's file, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyFile {
    /// The text, without a byte-order mark.
    pub text: String,
    /// The path as it was given.
    pub path: PathBuf,
    /// What the study is.
    pub study: StudySettings,
    /// Where its trials run.
    pub slots: SlotSettings,
    /// The command to which is reported what happens.
    pub notify: Option<NotifySettings>,
}

impl StudyFile {
    /// Its absolute path.
    pub fn absolute_path(&self) -> PathBuf {
        // It was found out when the file was read.
        clean(&std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()))
    }
}

/// What a study is, but for the threads per trial, which may depend on the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct StudySettings {
    /// As in [`StudySpec`].
    pub name: String,
    /// As in [`StudySpec`].
    pub seed: u64,
    /// As in [`StudySpec`].
    pub trials: u64,
    /// As in [`StudySpec`].
    pub retries: u32,
    /// As in [`StudySpec`].
    pub objective: Objective,
    /// As in [`StudySpec`].
    pub further: Vec<Objective>,
    /// As in [`StudySpec`].
    pub require: Vec<Requirement>,
    /// As in [`StudySpec`].
    pub keep_checkpoints: u64,
    /// As in [`StudySpec`].
    pub stop: StopSpec,
    /// As in [`StudySpec`].
    pub policy: PolicySpec,
    /// How many brackets may be under way at once, if the file says so.
    pub parallel_brackets: Option<u64>,
    /// As in [`StudySpec`].
    pub sampler: SamplerSpec,
    /// As in [`StudySpec`].
    pub confirmation: Option<ConfirmationSpec>,
    /// As in [`StudySpec`].
    pub trainer: Trainer,
    /// As in [`StudySpec`].
    pub space: SearchSpace,
}

impl StudySettings {
    /// The study with what depends on the machine: a number of threads per trial, at least 1, and, unless the file has it, how many
    /// brackets are under way at once.
    pub fn spec(&self, threads: usize, parallel_brackets: u64) -> StudySpec {
        StudySpec {
            name: self.name.clone(),
            seed: self.seed,
            trials: self.trials,
            retries: self.retries,
            objective: self.objective.clone(),
            further: self.further.clone(),
            require: self.require.clone(),
            keep_checkpoints: self.keep_checkpoints,
            stop: self.stop,
            policy: PolicySpec {
                parallel_brackets: self.parallel_brackets.unwrap_or(parallel_brackets),
                ..self.policy
            },
            sampler: self.sampler.clone(),
            trainer: self.trainer.clone(),
            threads,
            confirmation: self.confirmation,
            space: self.space.clone(),
        }
    }

    /// How many brackets should be under way at once on so many slots: few learn more from each other, many leave no slot without
    /// work.
    pub fn brackets_for(&self, slots: usize) -> u64 {
        let learns = self.sampler.is_adaptive() && self.policy.is_synchronous();
        if learns { (slots as u64).max(1) } else { 1 }
    }
}

/// No study comes near it; a file of weights given by mistake does.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a study's file and checks all that can be checked without looking at other files.
///
/// # Errors
/// All that is wrong with it.
pub fn read(path: &Path) -> Result<StudyFile, Diagnostics> {
    const HELP: &str = "give the study's TOML file, such as those in `search_spaces/`";
    let shown = path.display();
    let unreadable = |error| Diagnostic::whole_file(path, format!("cannot read `{shown}`: {error}"), HELP);
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(Diagnostic::whole_file(path, format!("`{shown}` is a directory"), HELP).into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Diagnostic::whole_file(
            path,
            format!("`{shown}` is larger than 1 MiB, which no study's file is"),
            HELP,
        )
        .into());
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Diagnostic::whole_file(path, format!("`{shown}` is UTF-16"), "save it as UTF-8").into());
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(text, path),
        Err(error) => {
            // The replacement of the first bad byte stands where that byte stood.
            let at = error.valid_up_to();
            let problem = Problem::new(at..at + 3, "the file is not UTF-8", "not UTF-8", "save it as UTF-8");
            Err(diagnostic(problem, &String::from_utf8_lossy(&bytes), path).into())
        }
    }
}

/// Reads the text of a study's file that is, or would be, at `path`.
///
/// # Errors
/// All that is wrong with it, in the order of the file. What is missing comes last.
pub fn parse(text: &str, path: &Path) -> Result<StudyFile, Diagnostics> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    study_file(text, path).map_err(|Problems(mut problems)| {
        let place = |problem: &Problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start);
        problems.sort_by_key(|problem| (problem.missing, place(problem)));
        let all = problems.into_iter().map(|problem| diagnostic(problem, text, path));
        Diagnostics(all.collect())
    })
}

fn diagnostic(problem: Problem, text: &str, path: &Path) -> Diagnostic {
    let source = problem.span.map(|span| {
        Box::new(Source {
            text: text.to_owned(),
            line_start: 1,
            span,
        })
    });
    // With a place, the file is named there.
    let message = match source {
        Some(_) => problem.message,
        None => format!("`{}`: {}", path.display(), problem.message),
    };
    Diagnostic {
        message,
        file: path.to_owned(),
        source,
        label: problem.label,
        help: Some(problem.help),
    }
}

fn study_file(text: &str, path: &Path) -> Results<StudyFile> {
    const HELP: &str = "begin with a ready study from `search_spaces/`";
    if text.trim().is_empty() {
        return Err(Problem::missing(None, "the file is empty", HELP).into());
    }
    let directory = std::path::absolute(path).map_err(|error| {
        Problem::missing(
            None,
            format!("cannot find out where this file is: {error}"),
            "give it by an absolute path",
        )
    })?;
    let directory = path::clean(directory.parent().unwrap_or(&directory));
    let document = DeTable::parse(text).map_err(|error| syntax(&error))?;
    let mut problems = Problems::default();
    let file = parts(&Table::root(&document), text, path, &directory, &mut problems);
    problems.or(file)
}

/// Reads all tables, and what must hold of several together as far as these could be read; none if there is a problem.
fn parts(root: &Table, text: &str, path: &Path, directory: &Path, problems: &mut Problems) -> Option<StudyFile> {
    let unknown = tables::unknown_names(root);
    let misspelt = !unknown.is_empty();
    problems.0.extend(unknown);
    let mut required = |name: &str, keys: &str| match table(root, name, keys) {
        // Its name may only be misspelt.
        Err(problem) if problem.missing && misspelt => None,
        table => problems.keep(table),
    };
    let study = required("study", "`trials = 27`");
    let policy = required("policy", "`max_resource = 9`");
    let trial = required("trial", "`model` and `train`");
    let space = required("space", "the parameters");

    let command = trial.as_ref().map(|table| table.get(trainer::COMMAND.name).is_some());
    let embedding = command == Some(false);
    let evaluations = problems.keep(trainer::evaluations(root, directory, command == Some(true)));
    let sampler = optional(root, problems, "sampler", SamplerSpec::usual, sampler::read);
    let learns = sampler.as_ref().is_some_and(SamplerSpec::is_adaptive);
    let policy = policy.and_then(|table| known(problems, &table, |table| policy::read(table, learns)));
    let study = study.and_then(|table| {
        let policy = policy.as_ref().map(|(policy, _)| policy);
        known(problems, &table, |table| {
            study::read(table, path, policy, embedding, evaluations.as_ref())
        })
    });
    let trials = study.as_ref().map(|study| study.trials);
    let confirmed = |table: &Table| confirmation::read(table, trials).map(Some);
    let confirmation = optional(root, problems, "confirmation", || None, confirmed);
    let slots = slots::read(root, problems, text, path);
    let notified = |table: &Table| notify::read(table, directory).map(Some);
    let notify = optional(root, problems, "notify", || None, notified);
    let evaluations = evaluations.unwrap_or_default();
    let trainer = trial.and_then(|table| {
        let trainer = problems.keep(trained_by(root, &table, directory, &evaluations))?;
        problems.0.extend(unmeasured(root, &table, &trainer, study.as_ref()));
        Some(trainer)
    });
    let space = space.and_then(|table| {
        let trial = trainer.as_ref().map(|trainer| &trainer.settings);
        let space = parameters::read(table, embedding, trial);
        problems.keep(space.and_then(|space| whole_space(root, space, sampler.as_ref(), study.as_ref())))
    });
    let objectives = study.as_ref().map_or(1, |study| 1 + study.further.len());
    let kind = policy.as_ref().map(|(policy, _)| policy);
    problems.0.extend(objectives::refused(root, objectives, kind));
    let (policy, parallel_brackets) = policy?;
    let study = study?;
    Some(StudyFile {
        text: text.to_owned(),
        path: path.to_owned(),
        study: StudySettings {
            name: study.name,
            seed: study.seed,
            trials: study.trials,
            retries: study.retries,
            objective: study.objective,
            further: study.further,
            require: study.require,
            keep_checkpoints: study.keep_checkpoints,
            stop: study.stop,
            policy,
            parallel_brackets,
            sampler: sampler?,
            confirmation: confirmation?,
            trainer: trainer?,
            space: space?,
        },
        slots: slots?,
        notify: notify?,
    })
}

/// What the study compares and the trainer, by its settings, does not report.
fn unmeasured(root: &Table, trial: &Table, trainer: &Trainer, study: Option<&StudyTable>) -> Vec<Problem> {
    let objectives = study
        .into_iter()
        .flat_map(|study| [&study.objective].into_iter().chain(&study.further));
    let lacking = objectives.filter_map(|objective| trainer::lacks_objective(trial, trainer, objective));
    let of_study = root.get("study").and_then(|item| item.table().ok());
    let required = of_study.map(|of_study| require::unknown_to_script(&of_study, trainer));
    lacking.chain(required.into_iter().flatten()).collect()
}

/// The trainer, with what the space says of it.
fn trained_by(root: &Table, trial: &Table, directory: &Path, evaluations: &trainer::Evaluations) -> Results<Trainer> {
    let model = trainer::searched(root);
    let space = root.get("space").and_then(|item| item.table().ok());
    let parameters: Vec<reader::Item> = space.iter().flat_map(Table::items).collect();
    trainer::read(trial, model.as_ref(), &parameters, directory, evaluations)
}

/// The space with what other tables say of it.
fn whole_space(
    root: &Table,
    space: SearchSpace,
    sampler: Option<&SamplerSpec>,
    study: Option<&StudyTable>,
) -> Results<SearchSpace> {
    let grid = sampler == Some(&SamplerSpec::Grid);
    if let Some(sampler) = sampler {
        prior::check(root, &space, sampler)?;
    }
    let space = constraints::add(root, space, grid)?;
    if let Some(study) = study.filter(|_| grid) {
        grid::check(root, &space, study.trials)?;
    }
    match root.get("try_first") {
        Some(item) => try_first::read(&item, space, study, grid),
        None => Ok(space),
    }
}

/// What a table says that need not be there.
fn optional<T>(
    root: &Table,
    problems: &mut Problems,
    name: &str,
    usual: impl FnOnce() -> T,
    read: impl FnOnce(&Table) -> Results<T>,
) -> Option<T> {
    match root.get(name) {
        None => Some(usual()),
        Some(item) => {
            let table = problems.keep(item.table())?;
            known(problems, &table, read)
        }
    }
}

/// What a table says, all of whose keys must be known. Where one is not, what seems to be missing may only be misspelt.
fn known<T>(problems: &mut Problems, table: &Table, read: impl FnOnce(&Table) -> Results<T>) -> Option<T> {
    let unknown = tables::unknown_keys(table);
    let misspelt = !unknown.is_empty();
    problems.0.extend(unknown);
    let mut found = Problems::default();
    let value = found.keep(read(table));
    problems
        .0
        .extend(found.0.into_iter().filter(|problem| !(misspelt && problem.missing)));
    value
}

/// A table that must be there; `keys` is what to write in it.
fn table<'a>(root: &Table<'a>, name: &str, keys: &str) -> reader::Result<Table<'a>> {
    match root.get(name) {
        Some(item) => item.table(),
        None => {
            let help = format!("add a line `[{name}]` and below it {keys}");
            Err(Problem::missing(None, format!("there is no table `[{name}]`"), help))
        }
    }
}

fn syntax(error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    if error.message().starts_with("duplicate key") {
        return Problem::new(
            span,
            "the same key is there twice",
            "already set above",
            "keep one of the two",
        );
    }
    let message = format!("the file is not TOML: {}", error.message());
    let help = "texts stand in quotes, lists in brackets, and every key on a line of its own";
    Problem::new(span, message, "here", help)
}

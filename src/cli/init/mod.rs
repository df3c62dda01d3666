//! `hpo init`.

mod help;
mod script;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::CliError;
use super::checked::check_files;
use super::learn::{Taught, learn};
use super::machines::Machines;
use super::output::check_output;
use super::study::print;
use crate::devices::SlotSettings;
use crate::diagnostic::Diagnostics;
use crate::executor::Machine;
use crate::export;
use crate::shell::{command, path_word};
use crate::study_file::{self, DataFiles, Facts, Look, Proposal, StudyFile, clean, relative};
use crate::words::quoted;

/// The arguments of `hpo init`.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// The base model: a Hugging Face model directory
    #[arg(required_unless_present = "script")]
    model: Option<PathBuf>,

    /// Data to train on: a file; or several, or a directory of them, that say in their names whether they are for training, validation or
    /// test. A directory in BEIR's form (`corpus.jsonl`, `queries.jsonl`, `qrels`) becomes an evaluation
    #[arg(required_unless_present = "script")]
    data: Vec<PathBuf>,

    /// Write a file for a training script of your own instead, by what it says of its options: the command that starts it, such as
    /// "python3 train.py". It is run with `--help`, and not otherwise
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["model", "data", "columns", "learn_from"])]
    script: Option<String>,

    /// What the columns of the data are for, if their names do not say it: anchor, positive, negative, score, text, label or group, `=`, and
    /// the name of the column
    #[arg(long, value_name = "ROLE=NAME", value_delimiter = ',', value_parser = column)]
    columns: Vec<(String, String)>,

    /// The file to write [default: named after the model and the data, or the script, in the current directory]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Propose ranges, and configurations to begin with, by what was good in the studies of this directory that had the same model, or
    /// one of the same architecture and size
    #[arg(long, value_name = "DIR")]
    learn_from: Option<PathBuf>,

    /// Overwrite the file
    #[arg(long)]
    force: bool,
}

/// What a column is for, and its name.
fn column(text: &str) -> Result<(String, String), String> {
    let (role, name) = text
        .split_once('=')
        .ok_or("it must be what a column is for, `=`, and the column's name, such as anchor=question")?;
    Ok((role.trim().to_owned(), name.to_owned()))
}

/// The same as a study's file has it; none if nothing was said. Several columns may be for negatives.
fn columns(given: &[(String, String)]) -> Result<Option<String>, CliError> {
    let mut roles: Vec<(&str, Vec<String>)> = Vec::new();
    for (role, name) in given {
        match roles.iter_mut().find(|(known, _)| known == role) {
            Some((_, names)) => names.push(quoted(name)),
            None => roles.push((role, vec![quoted(name)])),
        }
    }
    let several = roles
        .iter()
        .find(|(role, names)| *role != "negative" && names.len() > 1);
    if let Some((role, names)) = several {
        return Err(CliError::usage(
            format!("--columns names {} columns for {role}", names.len()),
            "name one; only negatives may have several columns",
        ));
    }
    let entry = |(role, names): (&str, Vec<String>)| {
        let is_plain = !role.is_empty() && role.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let key = if is_plain { role.to_owned() } else { quoted(role) };
        match names.as_slice() {
            [name] => format!("{key} = {name}"),
            names => format!("{key} = [{}]", names.join(", ")),
        }
    };
    let entries: Vec<String> = roles.into_iter().map(entry).collect();
    Ok((!entries.is_empty()).then(|| format!("{{ {} }}", entries.join(", "))))
}

/// The help of a message about data, for whoever has no study's file yet.
fn without_file(help: &str) -> String {
    help.replace(
        "say it under `[trial]` with the file's own names:",
        "say it with the data's own names, such as `--columns anchor=…,positive=…`, which writes under `[trial]`",
    )
    .replace("`columns` under `[trial]`", "`--columns`")
}

/// The endings of files of data.
const ENDINGS: [&str; 5] = ["jsonl", "json", "csv", "tsv", "parquet"];

/// What a file of data is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Train,
    Validation,
    Test,
}

impl Role {
    /// What the name of a file says.
    fn of(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_string_lossy().to_lowercase();
        let mut words = stem.split(|c: char| !c.is_alphanumeric());
        words.find_map(|word| match word {
            "train" | "training" => Some(Self::Train),
            "validation" | "valid" | "val" | "dev" | "eval" => Some(Self::Validation),
            "test" => Some(Self::Test),
            _ => None,
        })
    }
}

/// The data that the user has named, by what they are for.
#[derive(Debug, Default)]
struct Data {
    train: Option<PathBuf>,
    validation: Option<PathBuf>,
    test: Option<PathBuf>,
    retrieval: Vec<PathBuf>,
}

impl Data {
    fn find(given: &[PathBuf]) -> Result<Self, CliError> {
        let mut files = Vec::new();
        let mut data = Self::default();
        for path in given {
            let is_beir = ["corpus.jsonl", "queries.jsonl"]
                .iter()
                .all(|name| path.join(name).is_file());
            match path.is_dir() {
                true if is_beir => data.retrieval.push(path.clone()),
                true => files.extend(in_directory(path)?),
                false => files.push(path.clone()),
            }
        }
        let alone = files.len() == 1;
        for file in files {
            let role = Role::of(&file).filter(|_| !alone).unwrap_or(Role::Train);
            let place = match role {
                Role::Train => &mut data.train,
                Role::Validation => &mut data.validation,
                Role::Test => &mut data.test,
            };
            if let Some(other) = place.replace(file.clone()) {
                return Err(CliError::usage(
                    format!(
                        "{} and {} would both be for {}",
                        other.display(),
                        file.display(),
                        role.what()
                    ),
                    "name the files that you want, and call them train, validation and test",
                ));
            }
        }
        Ok(data)
    }
}

impl Role {
    fn what(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "the test",
        }
    }
}

/// The files of data in a directory, in the order of their names.
fn in_directory(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let cannot = |source| {
        CliError::usage(
            format!("can't read {}: {source}", directory.display()),
            "check the path",
        )
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let ending = path
            .extension()
            .and_then(OsStr::to_str)
            .unwrap_or_default()
            .to_lowercase();
        if path.is_file() && ENDINGS.contains(&ending.as_str()) && Role::of(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(CliError::usage(
            format!(
                "{} has no files of data named train, validation or test",
                directory.display()
            ),
            format!("name the files; their endings are {}", ENDINGS.join(", ")),
        )),
        false => Ok(files),
    }
}

/// The characters of a name that a study can have.
pub(super) fn plain(name: &str) -> String {
    let plain = name
        .chars()
        .map(|c| match c.is_ascii_alphanumeric() || "._-".contains(c) {
            true => c,
            false => '-',
        });
    plain.collect::<String>().trim_matches(['.', '-']).to_owned()
}

fn last(path: &Path) -> String {
    let path = clean(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Init {
    pub(super) fn run(&self) -> Result<(), CliError> {
        match (&self.script, &self.model) {
            (Some(script), _) => self::script::init(script, self.output.as_deref(), self.force),
            (None, Some(model)) => self.for_model(model),
            (None, None) => Err(CliError::usage("no model is named", "hpo init MODEL DATA")),
        }
    }

    fn for_model(&self, model: &Path) -> Result<(), CliError> {
        if model.is_file() {
            return Err(CliError::usage(
                format!("{} is a file, not a model's directory", model.display()),
                "name the model first, and the data after it: hpo init MODEL DATA; or a training script of your own: hpo init --script \
                 \"python3 train.py\"",
            ));
        }
        let data = Data::find(&self.data)?;
        let Some(train) = &data.train else {
            return Err(CliError::usage(
                "no file is for training",
                "name one, or call one of them train",
            ));
        };
        let output = match &self.output {
            Some(path) => path.clone(),
            None => usual_output(model, train),
        };
        check_output(&output, self.force)?;
        let (facts, skeleton, look) = self.facts(model, train, &data, &output)?;
        let taught = match &self.learn_from {
            Some(directory) => learn(directory, &facts, &skeleton, &look)?,
            None => Taught::nothing(&facts),
        };
        let proposal = study_file::propose(&facts, &taught.learned, &taught.begins);
        let file = study_file::parse(&proposal.text, &output)?;
        let checked = check_files(&file)?;
        checked.tell_unexamined();
        export::write_whole(&output, proposal.text.as_bytes()).map_err(|source| CliError::Output {
            what: output.display().to_string(),
            source,
        })?;
        let report = checked
            .data
            .as_ref()
            .map_or(String::new(), |report| format!("{report}\n"));
        tell(&output, &(report + &taught.said), &proposal, "look at it")
    }

    /// What is found out about the model and the data, with a file that names them.
    fn facts(
        &self,
        model: &Path,
        train: &Path,
        data: &Data,
        output: &Path,
    ) -> Result<(Facts, StudyFile, Look), CliError> {
        let directory = output.parent().unwrap_or(Path::new(""));
        let named = |path: &Path| in_file(path, directory).map(|path| quoted(&path));
        let files = DataFiles {
            train: named(train)?,
            validation: data.validation.as_deref().map(named).transpose()?,
            test: data.test.as_deref().map(named).transpose()?,
            columns: columns(&self.columns)?,
            retrieval: (data.retrieval.iter())
                .map(|path| Ok((plain(&last(path)), named(path)?)))
                .collect::<Result<_, CliError>>()?,
        };
        let base = named(model)?;
        let mut skeleton = format!(
            "[study]\ntrials = 1\n[policy]\nmax_resource = 1\n[space]\nlearning_rate = 2e-5\n[trial]\nmodel = {base}\ntrain = {}\n",
            files.train
        );
        for (key, value) in [
            ("validation", &files.validation),
            ("test", &files.test),
            ("columns", &files.columns),
        ] {
            if let Some(value) = value {
                let _ = writeln!(skeleton, "{key} = {value}");
            }
        }
        // The file does not exist yet, so its lines say nothing.
        let placeless = |Diagnostics(mut all): Diagnostics| {
            for one in &mut all {
                one.help = one.help.take().map(|help| without_file(&help));
                if one.file == output {
                    one.source = None;
                }
            }
            Diagnostics(all)
        };
        let file = study_file::parse(&skeleton, output).map_err(placeless)?;
        let look = study_file::look(&file).map_err(placeless)?;
        let slots = Machines::assumed(&SlotSettings::default()).slots(None)?;
        let machine = Machine::this();
        let facts = Facts {
            name: last(model),
            model: base,
            sizes: look.sizes,
            weights: look.weights,
            prompts: (look.prompts.iter())
                .map(|(name, prompt)| format!("{name} = {}", quoted(prompt)))
                .collect(),
            files,
            kind: look.kind,
            rows: look.rows as u64,
            validation_rows: look.validation_rows as u64,
            tokens: look.tokens as u64,
            gpus: machine.gpus.iter().map(|gpu| gpu.name.clone()).collect(),
            cores: machine.cores as u64,
            slots: slots.len() as u64,
        };
        Ok((facts, file, look))
    }
}

/// The name of the model, and that of the data, or of the directory they are in if theirs says only what they are for.
fn usual_output(model: &Path, train: &Path) -> PathBuf {
    let data = match (Role::of(train), train.file_stem()) {
        (None, Some(stem)) => stem.to_string_lossy().into_owned(),
        _ => last(
            train
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        ),
    };
    PathBuf::from(format!("{}-{}.toml", plain(&last(model)), plain(&data)))
}

/// Says what was written, what is known before it, and what it takes for granted; `first` is what to do before a search.
pub(super) fn tell(output: &Path, known: &str, proposal: &Proposal, first: &str) -> Result<(), CliError> {
    let mut text = known.to_owned();
    let _ = writeln!(text, "assumed:");
    for assumed in &proposal.assumed {
        let _ = writeln!(text, "- {assumed}");
    }
    let word = path_word(output);
    let with = |verbs: &[&str]| {
        let verbs = verbs.iter().map(|verb| OsStr::new(*verb));
        command([OsStr::new("hpo")].into_iter().chain(verbs).chain([word.as_os_str()]))
    };
    let _ = writeln!(
        text,
        "wrote {}; {first}, then: {}\nwhat it searches: {}",
        output.display(),
        with(&["search"]),
        with(&["space", "check"])
    );
    print(&text)
}

/// A path as a file in `directory` names it: relative as the user gave it, if it was.
pub(super) fn in_file(path: &Path, directory: &Path) -> Result<String, CliError> {
    let absolute = |path: &Path| std::path::absolute(path).map(|path| clean(&path));
    let here = absolute(directory.to_owned().join(".").as_path());
    let seen = match (path.is_absolute(), absolute(path), here) {
        (false, Ok(path), Ok(directory)) => relative(&path, &directory),
        _ => path.to_owned(),
    };
    let text = seen
        .to_str()
        .ok_or_else(|| CliError::usage(format!("the path {} is not UTF-8", path.display()), "rename it"))?;
    Ok(text.to_owned())
}

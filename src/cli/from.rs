//! `--from`: a study that begins with the results of an earlier one.

use std::path::{Path, PathBuf};

use hpo_data::Kind;
use hpo_protocol::BASE_MODEL;
use serde_json::Value;

use super::study::{Studies, find};
use super::{CliError, origin, same};
use crate::ids::Timestamp;
use crate::shell::about;
use crate::store::{StudyDirectory, StudyReader};
use crate::study::{CommonNames, Earlier, EarlierResult, Fact, Habits, Origin, StudySpec, Trainer};
use crate::study_file::{self, StudyFile};
use crate::view::{self, notify};

/// The study that the user names.
pub(super) struct EarlierStudy {
    named: PathBuf,
    /// Where it is; a study that has its results already does not need it any more.
    found: Result<StudyDirectory, CliError>,
}

impl EarlierStudy {
    /// Looks for the earlier study, also beside the new one, which is to be in `own`.
    ///
    /// # Errors
    /// If they are the same.
    pub fn find(studies: &Studies, named: &Path, own: &StudyDirectory) -> Result<Self, CliError> {
        let beside = StudyDirectory::new(own.root().with_file_name(named));
        let found = match find(studies, Some(named)) {
            Err(_) if beside.has_study() => Ok(beside),
            found => found,
        };
        let place = |directory: &StudyDirectory| directory.root().canonicalize().ok();
        if let Ok(found) = &found
            && place(found).is_some_and(|found| Some(found) == place(own))
        {
            return Err(CliError::usage(
                format!("the study {} can't begin with its own results", own.name()),
                "give the new study another `name` under `[study]`; to go on with this one, leave out --from",
            ));
        }
        let named = named.to_owned();
        Ok(Self { named, found })
    }

    /// Whether it is the one with whose results a study has begun that is there already.
    ///
    /// # Errors
    /// If it is another, or there was none.
    pub fn check(&self, reader: &StudyReader) -> Result<(), CliError> {
        const HELP: &str = "results are taken when a study begins: leave out --from, or give the study another `name`";
        let name = &reader.study().spec().name;
        let Some(earlier) = reader.study().earlier() else {
            let message = format!("the study {name} was begun without the results of another one");
            return Err(CliError::usage(message, HELP));
        };
        let found = self.found.as_ref().ok();
        let is_same = match found.and_then(|directory| StudyReader::open(directory.clone()).ok()) {
            Some(found) => identity(&found) == (&earlier.study, earlier.created),
            None => self.named.file_stem() == Some(earlier.study.as_ref()) || self.named.ends_with(&earlier.study),
        };
        match is_same {
            true => Ok(()),
            false => Err(CliError::usage(
                format!(
                    "the study {name} was begun with the results of the study {}, not of {}",
                    earlier.study,
                    self.named.display()
                ),
                HELP,
            )),
        }
    }

    /// The facts with which the study of a file begins, whose inputs are those of `origin`, and whose data of a `kind`; says what was
    /// taken.
    ///
    /// # Errors
    /// If there is no such study, or nothing of it can be taken.
    pub fn take(
        self,
        file: &StudyFile,
        spec: &StudySpec,
        origin: &Origin,
        kind: Option<Kind>,
    ) -> Result<Vec<Fact>, CliError> {
        let reader = StudyReader::open(self.found?)?;
        let there = reader.study().spec();
        let export = about(reader.directory().root(), ["export"]);
        let help = format!("search without --from; what `{export}` prints may stand under `[[try_first]]`");
        let mut differences = same::incomparable(&reader, spec, file, kind);
        match reader.origin() {
            Some(was) => differences.extend(origin::differences(was, origin, file, &there.name)),
            None => differences.push("  the study does not record the content of its data".to_owned()),
        }
        if spec.has_several() {
            differences.push(
                "  [study] objective: what a study passes on has values of one, and this one has several".to_owned(),
            );
        }
        if !differences.is_empty() {
            let message = format!(
                "the results of the study {} can't be compared with those of {}:\n{}",
                there.name,
                file.path.display(),
                differences.join("\n")
            );
            return Err(CliError::usage(message, help));
        }
        let models = reader
            .origin()
            .map(|was| common_models((&there.trainer, was), (&spec.trainer, origin)));
        let mut habits = study_file::habits(&there.trainer, &spec.trainer, models.unwrap_or_default(), kind);
        let assumed = assume(there, spec, &mut habits);
        let (earlier, results) = Earlier::of(reader.study(), spec, &habits);
        let earlier = Earlier { assumed, ..earlier };
        taken(spec, earlier, results, help)
    }
}

/// The facts of results that were taken; says what they are. `help` is what to do if there are none.
///
/// # Errors
/// If there are none.
pub(super) fn taken(
    spec: &StudySpec,
    earlier: Earlier,
    results: Vec<EarlierResult>,
    help: String,
) -> Result<Vec<Fact>, CliError> {
    if results.is_empty() {
        let why = view::left_out(&earlier).map_or_else(String::new, |why| format!(": {why}"));
        let message = format!("no trial of the study {} can be taken{why}", earlier.study);
        return Err(CliError::usage(message, help));
    }
    notify(view::earlier(spec, &earlier).trim_end());
    Ok(Fact::of_earlier(earlier, results))
}

/// What identifies a study.
fn identity(reader: &StudyReader) -> (&String, Timestamp) {
    (&reader.study().spec().name, reader.study().lifetime().0)
}

/// The base models that two trainers have in common by their content: the parameter that chooses it there and here, if there is one.
pub(super) fn common_models((there, was): (&Trainer, &Origin), (here, now): (&Trainer, &Origin)) -> CommonNames {
    let models = |trainer: &Trainer| -> Vec<Option<String>> {
        match trainer.settings.get(BASE_MODEL) {
            Some(Value::Object(named)) => named.keys().cloned().map(Some).collect(),
            Some(_) | None => vec![None],
        }
    };
    let role = |name: &Option<String>| match name {
        Some(name) => format!("{BASE_MODEL}[{name}]"),
        None => BASE_MODEL.to_owned(),
    };
    let ours = models(here);
    let same = |theirs: Option<String>| {
        let of_theirs = was.content(&role(&theirs));
        // Of several with the same content the one of the same name.
        let same = |own: &&Option<String>| now.content(&role(own)) == of_theirs;
        let own = ours.iter().filter(same).max_by_key(|own| **own == theirs)?;
        Some((theirs, own.clone()))
    };
    models(there).into_iter().filter_map(same).collect()
}

/// What can only be taken for granted of a trainer of the user's own.
fn assume(there: &StudySpec, here: &StudySpec, habits: &mut Habits) -> Vec<String> {
    let mut assumed = Vec::new();
    if here.trainer.command.is_none() {
        return assumed;
    }
    let is_new = |name: &str| there.space.parameters.iter().all(|other| other.name != name);
    for parameter in here.space.parameters.iter().filter(|parameter| is_new(&parameter.name)) {
        if parameter.distribution.is_fixed() {
            let value = parameter.distribution.quantile(0.5);
            assumed.push(format!("their `{}` was {value}, which it is now", parameter.name));
            habits.defaults.insert(parameter.name.clone(), value);
        }
    }
    let [was, is] = [there, here].map(|spec| spec.policy.max_resource);
    if was != is {
        assumed.push(format!(
            "their results do not depend on `max_resource`, which was {was} and is {is}"
        ));
    }
    assumed
}

//! `hpo compare`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::CliError;
use super::layout::stdout_width;
use super::number::trial;
use super::same::{self, Differing};
use super::show::no_such_trial;
use super::study::{Studies, ask_of, find, print, print_json};
use crate::analysis::{Overview, apart, comparable, shared_inputs};
use crate::disk::size_of;
use crate::ids::TrialId;
use crate::store::{StudyDirectory, origin};
use crate::study::{Origin, Trainer, Trial};
use crate::study_file::named_inputs;
use crate::view::{self, Compared, ComparedTrials, PastStudy};

/// The arguments of `hpo compare`.
#[derive(Debug, clap::Args)]
pub(super) struct Compare {
    /// Studies, by name, directory or file; or one study and the numbers of trials
    #[arg(required = true, num_args = 2.., value_name = "STUDY")]
    named: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A study of the comparison.
struct One {
    directory: StudyDirectory,
    overview: Overview,
    origin: Option<Origin>,
}

impl Compare {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        match self.trials(studies) {
            Some(trials) => self.compare_trials(find(studies, Some(&self.named[0]))?, &trials),
            None => self.compare_studies(studies),
        }
    }

    /// The trials of the first study that are named behind it; none if these are studies.
    fn trials(&self, studies: &Studies) -> Option<Vec<TrialId>> {
        let number = |named: &PathBuf| {
            let is_study = find(studies, Some(named)).is_ok();
            trial(named.to_str()?).ok().filter(|_| !is_study)
        };
        self.named[1..].iter().map(number).collect()
    }

    fn compare_trials(&self, directory: StudyDirectory, ids: &[TrialId]) -> Result<(), CliError> {
        if ids.len() < 2 {
            return Err(CliError::usage(
                "one trial can't be compared with itself",
                "name several trials of the study, or another study",
            ));
        }
        let text = ask_of(directory, |records, directory| {
            let spec = records.spec();
            let mut trials: Vec<Trial> = Vec::new();
            for &id in ids {
                let found = records.trial(id)?;
                let found = found.ok_or_else(|| no_such_trial(directory, &spec.name, id, records.trials()))?;
                trials.push(found.into_owned());
            }
            let compared = ComparedTrials { spec, trials: &trials };
            Ok(match self.json {
                true => super::study::as_json(&compared.json()),
                false => compared.text(stdout_width()),
            })
        })?;
        print(&text)
    }

    fn compare_studies(&self, studies: &Studies) -> Result<(), CliError> {
        let mut all = Vec::new();
        for named in &self.named {
            let directory = find(studies, Some(named))?;
            let origin = origin(&directory)?;
            let overview = ask_of(directory.clone(), |records, _| Ok(records.overview().into_owned()))?;
            all.push(One {
                directory,
                overview,
                origin,
            });
        }
        let (first, others) = all.split_first().ok_or_else(|| CliError::Failed("no study".into()))?;
        let compared = Compared {
            studies: all
                .iter()
                .map(|one| PastStudy::new(&one.overview, &one.directory, size_of(one.directory.root())))
                .collect(),
            overviews: all.iter().map(|one| &one.overview).collect(),
            comparable: others
                .iter()
                .map(|other| comparable(first.parts(), other.parts()))
                .collect(),
            inputs: others.iter().map(|other| first.inputs(other)).collect(),
            differences: differences(first, others),
            apart: others
                .iter()
                .map(|other| apart(&first.overview, &other.overview))
                .collect(),
        };
        match self.json {
            true => print_json(&compared.json()),
            false => print(&view::compared(&compared, stdout_width())),
        }
    }
}

impl One {
    fn parts(&self) -> (&crate::study::StudySpec, Option<&Origin>) {
        (&self.overview.spec, self.origin.as_ref())
    }

    fn inputs(&self, other: &Self) -> Vec<crate::analysis::SharedInput> {
        match (&self.origin, &other.origin) {
            (Some(own), Some(theirs)) => shared_inputs(own, theirs),
            _ => Vec::new(),
        }
    }

    /// Its trainer with the names that another study has for files of the same content.
    fn trainer_as(&self, other: &Self) -> Trainer {
        let theirs = &other.overview.spec.trainer;
        let mut trainer = self.overview.spec.trainer.clone();
        let (Some(was), Some(is)) = (&self.origin, &other.origin) else {
            return trainer;
        };
        if trainer.command.is_none() && theirs.command.is_none() {
            trainer.directory.clone_from(&theirs.directory);
        }
        for named in named_inputs(theirs) {
            if was.has(&named.role) && was.content(&named.role) == is.content(&named.role) {
                named.copy_setting(theirs, &mut trainer);
            }
        }
        trainer
    }
}

/// The keys in which any study differs from the first, with the values of all.
fn differences(first: &One, others: &[One]) -> Vec<(String, Vec<Value>)> {
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (place, other) in others.iter().enumerate() {
        let trainer = other.trainer_as(first);
        let own = (&first.overview.spec, &first.overview.spec.trainer);
        for Differing { key, values } in same::between(own, (&other.overview.spec, &trainer)) {
            let (was, is) = values.unwrap_or_default();
            let row = rows.entry(key).or_insert_with(|| vec![was; others.len() + 1]);
            row[place + 1] = is;
        }
    }
    rows.into_iter().collect()
}

impl Compared<'_> {
    fn json(&self) -> Value {
        json!({
            "studies": self.studies,
            "trained_resource": self.overviews.iter().map(|one| one.trained_resource).collect::<Vec<_>>(),
            "best": self.overviews.iter().map(|one| &one.best).collect::<Vec<_>>(),
            "comparable": self.comparable,
            "inputs": self.inputs,
            "differences": self.differences.iter().map(|(key, values)| json!({"key": key, "values": values})).collect::<Vec<_>>(),
            "apart": self.apart,
        })
    }
}

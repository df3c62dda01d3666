//! `hpo audit`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::CliError;
use super::study::{Studies, find, print, print_json};
use crate::shell::about;
use crate::store::{StoreError, StudyDirectory, read_whole};
use crate::study::{Fact, Record, Replay};
use crate::view::{self, notify};

/// The arguments of `hpo audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Audit {
    /// The study: its name, its directory, or its file [default: the most recently changed one]
    study: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How often it is said how far it is.
const OFTEN: Duration = Duration::from_secs(5);

impl Audit {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let directory = find(studies, self.study.as_deref())?;
        let mut records: Vec<Record> = Vec::new();
        let damage = read_whole(&directory, |record| {
            records.push(record);
            Ok(())
        })?;
        let Some(Fact::StudyCreated { spec, version, .. }) = records.first().map(|first| &first.fact) else {
            return Err(StoreError::Missing {
                study: directory.root().to_owned(),
            }
            .into());
        };
        let mut replay = Replay::new((**spec).clone(), &records);
        let misfit = follow(&mut replay, records.len());
        let damage = misfit.or(damage.map(|damage| damage.to_string()));
        let agrees = replay.differences().is_empty();
        match self.json {
            true => print_json(&as_json(&directory, &replay, version, damage.as_deref()))?,
            false => print(&view::audit(&directory.name(), &replay, version))?,
        }
        if let Some(damage) = damage {
            let fsck = about(directory.root(), ["fsck"]);
            notify(&format!("error: {damage}; nothing behind that was compared ({fsck})"));
            return Err(CliError::Damaged);
        }
        match agrees {
            true => Ok(()),
            false => Err(CliError::Differs),
        }
    }
}

/// Goes through all records; returns what is wrong with one that can't follow those before it.
fn follow(replay: &mut Replay<'_>, records: usize) -> Option<String> {
    let mut said = Instant::now();
    loop {
        match replay.step() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(misfit) => return Some(format!("line {} of the journal: {misfit}", replay.at() + 1)),
        }
        if said.elapsed() >= OFTEN {
            notify(&format!("{} of {records} records compared", replay.at()));
            said = Instant::now();
        }
    }
}

fn as_json(directory: &StudyDirectory, replay: &Replay<'_>, version: &str, damage: Option<&str>) -> Value {
    let differences = replay.differences().iter().map(|difference| {
        json!({
            "line": difference.record + 1,
            "trial": difference.trial(),
            "stands": difference.stands,
            "would": difference.would,
        })
    });
    json!({
        "study": directory.name(),
        "created_by": version,
        "version": env!("CARGO_PKG_VERSION"),
        "records": replay.at(),
        "decisions": replay.decisions(),
        "agree": replay.agree(),
        "differences": differences.collect::<Vec<_>>(),
        "damage": damage,
    })
}

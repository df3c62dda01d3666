//! Keeping all of a study that is provably whole.

use super::examine::{look, lost, lost_checkpoints, salvage};
use super::{Examination, examine};
use crate::ids::Timestamp;
use crate::store::{Copy, JournalReader, JournalWriter, StoreError, StudyDirectory, StudyReader, replace_journal};
use crate::study::{Fact, Record};
use crate::words::counted;

/// Takes the study's lock and repairs what can be repaired: the journal, the trial database, and trials whose checkpoints are
/// lost. What is whole is left as it is, so that a second repair changes nothing.
///
/// # Errors
/// If there is no study, a process is at work on it, or it can't be written.
pub fn repair(directory: &StudyDirectory, now: Timestamp) -> Result<Examination, StoreError> {
    // Also finds out whether there is a study at all, before a lock file is made.
    let before = examine(directory)?;
    let lock = directory.lock()?;
    let io = |source| StoreError::Io {
        path: directory.root().to_owned(),
        source,
    };
    let mut repaired = Vec::new();
    {
        let copy = Copy::of(directory);
        let salvaged = salvage(directory, copy.as_ref().ok())?;
        if salvaged.study.is_none() {
            return Ok(before);
        }
        if !salvaged.damage.is_empty() {
            let kept = replace_journal(directory, &salvaged.lines).map_err(io)?;
            let lost = lost(&salvaged.lost).unwrap_or_else(|| "nothing is lost".into());
            let kept = kept.map_or_else(String::new, |kept| format!("; the damaged one is {}", kept.display()));
            repaired.push(format!(
                "a new journal holds {}: {lost}{kept}",
                counted(salvaged.records, "record")
            ));
        }
    }
    repaired.extend(forget_lost_checkpoints(directory, now)?);
    let (database, trouble) = StudyReader::open(directory.clone())?.complete()?;
    repaired.extend(trouble.map(|trouble| trouble.report(database.is_some())));
    drop(database);
    let examination = look(directory);
    drop(lock);
    Ok(Examination {
        repaired,
        ..examination?
    })
}

/// Records that checkpoints are lost, so that their trials go back to the ones before.
fn forget_lost_checkpoints(directory: &StudyDirectory, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let mut reader = StudyReader::open(directory.clone())?;
    let lost = lost_checkpoints(directory, reader.study());
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let records: Vec<Record> = lost
        .iter()
        .map(|(trial, checkpoint, _)| Record {
            at: now,
            fact: Fact::CheckpointLost {
                trial: *trial,
                file: checkpoint.file.clone(),
            },
        })
        .collect();
    let path = directory.journal();
    let mut journal = JournalReader::open(&path)?;
    while journal.skip()? {}
    let appended = JournalWriter::resume(&path, &journal).and_then(|mut writer| writer.append(&records));
    appended.map_err(|source| StoreError::Io { path, source })?;
    reader.refresh(|_, _| {})?;
    let consequences = lost.into_iter().filter_map(|(id, _, why)| {
        let trial = reader.study().trial(id)?;
        Some(match trial.state.is_final() {
            true => format!("trial {id} has no model any more: {why}"),
            false => format!("trial {id} goes back to resource {}: {why}", trial.resume_point().0),
        })
    });
    Ok(consequences.collect())
}

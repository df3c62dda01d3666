//! Looking at each part of a study, and writing to none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Examination, Part};
use crate::executor::checkpoint::verify;
use crate::export;
use crate::ids::TrialId;
use crate::shell::{about, path_word, shell_word};
use crate::store::{Copy, Lost, Salvaged, StoreError, StudyDirectory, absent, end_is_damaged, salvage_study};
use crate::study::{Checkpoint, Study};
use crate::words::{counted, there_are};

/// So many strays are named.
const NAMED: usize = 5;

/// Looks at a study that nobody writes to.
///
/// # Errors
/// If there is none, a process is at work on it, or its directory can't be read.
pub fn examine(directory: &StudyDirectory) -> Result<Examination, StoreError> {
    let traces = [directory.journal(), directory.database(), directory.study_file()];
    if !traces.iter().any(|trace| trace.exists()) {
        return Err(absent(directory));
    }
    let _lock = directory.lock_shared()?;
    look(directory)
}

/// Looks at a study whose lock is taken.
pub(super) fn look(directory: &StudyDirectory) -> Result<Examination, StoreError> {
    let copy = Copy::of(directory);
    let salvaged = salvage(directory, copy.as_ref().ok())?;
    let mut parts = vec![journal(directory, &salvaged)];
    if end_is_damaged(directory) {
        let finding = "damaged: it is written anew when the study goes on".into();
        parts.push(Part::damaged("journal.end", vec![finding]));
    }
    parts.push(match &copy {
        Ok(copy) => database(directory, copy, &salvaged),
        Err(error) => Part::note(
            "database",
            format!("it can't be copied, so it was not looked at: {error}"),
        ),
    });
    if let Some(study) = &salvaged.study {
        parts.push(checkpoints(directory, study));
        parts.push(best_model(directory, study));
        parts.extend(strays(directory, study));
    }
    parts.push(study_file(directory, salvaged.file_sha256.as_deref()));
    Ok(Examination {
        study: directory.root().to_owned(),
        parts,
        repaired: Vec::new(),
    })
}

pub(super) fn salvage(directory: &StudyDirectory, copy: Option<&Copy>) -> Result<Salvaged, StoreError> {
    Ok(salvage_study(directory, copy)?)
}

fn journal(directory: &StudyDirectory, salvaged: &Salvaged) -> Part {
    let records = counted(salvaged.records, "record");
    let trials = counted(salvaged.study.as_ref().map_or(0, |study| study.trials().len()), "trial");
    if salvaged.damage.is_empty() {
        return Part::whole("journal", format!("{records}, {trials}"));
    }
    let mut findings = salvaged.damage.clone();
    findings.extend(salvaged.saved.iter().cloned());
    findings.push(match (&salvaged.study, lost(&salvaged.lost)) {
        (None, _) => "what the study is is not known any more: it can't be repaired".into(),
        (_, None) => format!("{} repairs it without loss: {records}", repair(directory)),
        (_, Some(lost)) => format!("{} keeps the first {records}, with {trials}; {lost}", repair(directory)),
    });
    Part::damaged("journal", findings)
}

fn repair(directory: &StudyDirectory) -> String {
    about(directory.root(), ["fsck", "--repair"])
}

/// The command that writes the best model anew.
fn export_model(directory: &StudyDirectory) -> String {
    let model = path_word(&directory.best_model());
    about(directory.root(), ["export"]) + " --model " + &shell_word(model)
}

/// What is lost, in words.
pub(super) fn lost(lost: &Lost) -> Option<String> {
    let mut words = Vec::new();
    if lost.missing > 0 {
        words.push(there_are(lost.missing, "record") + " lost");
    }
    if lost.left_out > 0 {
        words.push(format!(
            "{} left out that would not follow on, about {}",
            there_are(lost.left_out, "whole record"),
            trials(&lost.trials)
        ));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

fn trials(trials: &BTreeSet<TrialId>) -> String {
    let numbers: Vec<String> = trials.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [] => "no trial".into(),
        [one] => format!("trial {one}"),
        several => format!("trials {}", several.join(", ")),
    }
}

fn database(directory: &StudyDirectory, copy: &Copy, salvaged: &Salvaged) -> Part {
    const PART: &str = "database";
    if !salvaged.damage.is_empty() {
        return Part::note(PART, "not compared: the journal must be repaired first");
    }
    if !directory.database().exists() {
        return Part::note(PART, "not there: it is made from the journal when the study goes on");
    }
    match copy.compare(directory, salvaged) {
        Ok(0) => Part::whole(PART, "it says what the journal says"),
        Ok(behind) => Part::whole(
            PART,
            format!(
                "it says what the journal says, but for the last {}, which it takes in when the study goes on",
                counted(behind, "record")
            ),
        ),
        Err(error) => Part::damaged(
            PART,
            vec![format!(
                "{error}; it is made anew when the study goes on, or by {}",
                repair(directory)
            )],
        ),
    }
}

/// The checkpoints that a trial may need and that can't be used, with the reasons.
pub(super) fn lost_checkpoints(directory: &StudyDirectory, study: &Study) -> Vec<(TrialId, Checkpoint, String)> {
    let root = directory.checkpoints();
    let all = study.trials().iter();
    let all = all.flat_map(|trial| trial.checkpoints().map(|checkpoint| (trial.id, checkpoint)));
    let lost = all.filter_map(|(trial, checkpoint)| {
        let error = verify(&root, checkpoint).err()?;
        Some((trial, checkpoint.clone(), error.to_string()))
    });
    lost.collect()
}

fn checkpoints(directory: &StudyDirectory, study: &Study) -> Part {
    const PART: &str = "checkpoints";
    let lost = lost_checkpoints(directory, study);
    if lost.is_empty() {
        let files = study.checkpoint_files().len();
        return Part::whole(PART, format!("{} needed and whole", there_are(files, "file")));
    }
    let findings = lost.into_iter().map(|(trial, _, why)| format!("trial {trial}: {why}"));
    Part::damaged(PART, findings.collect())
}

fn best_model(directory: &StudyDirectory, study: &Study) -> Part {
    const PART: &str = "best model";
    let model = directory.best_model();
    if !model.exists() {
        return match study.is_over() && export::seal_of(&model).exists() {
            true => Part::damaged(
                PART,
                vec![format!(
                    "{} is gone; write it anew: {}",
                    model.display(),
                    export_model(directory)
                )],
            ),
            false => Part::note(PART, "there is none yet"),
        };
    }
    match export::broken(&model) {
        Ok(None) => Part::note(PART, "what it should be is not recorded"),
        Ok(Some(broken)) if broken.is_empty() => Part::whole(PART, "each file is as it was written"),
        Ok(Some(mut broken)) => {
            broken.push(format!("remove it and write it anew: {}", export_model(directory)));
            Part::damaged(PART, broken)
        }
        Err(error) => Part::damaged(PART, vec![format!("{}: {error}", export::seal_of(&model).display())]),
    }
}

fn study_file(directory: &StudyDirectory, sha256: Option<&str>) -> Part {
    const PART: &str = "study.toml";
    let path = directory.study_file();
    let advice =
        "the journal has all that decides; hpo resume takes the slots from this file: copy it back from where it came";
    match (fs::read(&path), sha256) {
        (Err(error), _) => Part::damaged(PART, vec![format!("{}: {error}; {advice}", path.display())]),
        (Ok(_), None) => Part::note(PART, "what it should be is not recorded"),
        (Ok(text), Some(recorded)) if crate::disk::sha256(&text) == recorded => {
            Part::whole(PART, "it is what the study was made from")
        }
        (Ok(_), Some(_)) => Part::damaged(
            PART,
            vec![format!(
                "{} is not what the study was made from; {advice}",
                path.display()
            )],
        ),
    }
}

/// Files that nothing needs, if there are any.
fn strays(directory: &StudyDirectory, study: &Study) -> Option<Part> {
    let kept = study.checkpoint_files();
    let root = directory.checkpoints();
    let checkpoints = entries(&root).into_iter().flat_map(|trial| match trial.is_dir() {
        true => entries(&trial),
        false => vec![trial],
    });
    let unneeded = checkpoints.filter(|file| {
        let name = file.strip_prefix(&root).ok().and_then(Path::to_str);
        name.is_none_or(|name| !kept.contains(name))
    });
    let known = [
        "study.toml",
        "journal.jsonl",
        "journal.end",
        "db",
        "checkpoints",
        "logs",
        "lock",
        "best-model",
        "best-model.sha256",
    ];
    let foreign = entries(directory.root()).into_iter().filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_none_or(|name| !known.contains(&name))
    });
    let strays: Vec<PathBuf> = unneeded.chain(foreign).collect();
    let named = strays.iter().take(NAMED).map(|path| {
        let shown = path.strip_prefix(directory.root()).unwrap_or(path);
        format!("nothing needs {}", shown.display())
    });
    let mut findings: Vec<String> = named.collect();
    if strays.len() > NAMED {
        findings.push(format!("and {} more", strays.len() - NAMED));
    }
    (!findings.is_empty()).then_some(Part {
        part: "strays",
        health: super::Health::Note,
        findings,
    })
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

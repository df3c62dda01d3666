//! One trial with all that there is to know about it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use serde_json::json;

use super::live::Live;
use super::rows::json;
use crate::analysis::Explainer;
use crate::analysis::diagnosis::{Kind, diagnose};
use crate::export::{Format, configuration};
use crate::ids::TrialId;
use crate::shell::{about, command};
use crate::store::{StoreError, StudyDirectory, StudyReader, read_whole, version};
use crate::view::reasons;

/// So many bytes of the end of a log are shown.
const LOG: u64 = 64 << 10;

/// All about a trial, as JSON; none if there is no such trial.
pub(super) fn details(reader: &StudyReader, live: &Live, id: TrialId) -> Option<String> {
    let study = reader.study();
    let trial = study.trial(id)?;
    let spec = study.spec();
    let diagnosis = diagnose(trial, study.untrained(trial), &spec.objective);
    let findings = diagnosis.findings.iter().map(|finding| {
        json!({
            "finding": finding.kind().name(),
            "text": finding.text(spec.policy.unit, &spec.objective),
            "advice": finding.advice(),
        })
    });
    let summary = study.summary(trial);
    // What has no place in a study's file is shown by its values.
    let config = configuration(spec, &summary, Format::Toml).ok();
    let log = log(reader.directory(), id);
    let checkpoints = trial.checkpoints();
    let rest = json!({
        "diagnosis": findings.collect::<Vec<_>>(),
        "unknown": diagnosis.unknown().map(Kind::name).collect::<Vec<_>>(),
        "log": log.as_ref().map(|(text, _)| text),
        "log_cut": log.as_ref().is_some_and(|(_, cut)| *cut),
        "config": config,
        "command": again(reader.directory(), id),
        "parameters": summary.parameters,
        "metrics": summary.metrics,
        "checkpoints": checkpoints.map(|one| json!({ "file": one.file, "bytes": one.bytes })).collect::<Vec<_>>(),
    });
    let row = live.trial(study, trial);
    let text = json(&rest);
    Some(format!("{{\"trial\":{row},{}", text.strip_prefix('{')?))
}

/// The commands that train it once more.
fn again(directory: &StudyDirectory, id: TrialId) -> String {
    let file = format!("trial-{id}.toml");
    let export = about(
        directory.root(),
        ["export", "--trial", &id.to_string(), "--output", &file],
    );
    format!("{export}\n{}", command(["hpo", "train", "--config", &file]))
}

/// Why a trial was tried, and stopped or promoted, as `hpo explain` says it, as JSON; none if there is no such trial. All records are read
/// for it.
///
/// # Errors
/// If they can't be read.
pub(super) fn why(directory: &StudyDirectory, id: TrialId) -> Result<Option<String>, StoreError> {
    let mut explainer = Explainer::new(id);
    read_whole(directory, |record| explainer.take(&record))?;
    let (Some(study), Some(explanation)) = explainer.end() else {
        return Ok(None);
    };
    let Some(trial) = study.trial(id) else {
        return Ok(None);
    };
    let sections = reasons(&study, trial, &explanation, &version(directory)?);
    Ok(Some(json(&json!({ "explanation": explanation, "sections": sections }))))
}

/// The end of a trial's log, and whether there is more before it; none if there is no log. A link or a pipe that a trainer may have put
/// there is none.
fn log(directory: &StudyDirectory, id: TrialId) -> Option<(String, bool)> {
    let path = directory
        .logs()
        .join(format!("{}.log", StudyDirectory::trial_checkpoints(id)));
    let within = fs::canonicalize(&path)
        .ok()?
        .starts_with(fs::canonicalize(directory.root()).ok()?);
    let read = || -> io::Result<(String, bool)> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(&path)?;
        let there = file.metadata()?;
        if !there.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let from = there.len().saturating_sub(LOG);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LOG).read_to_end(&mut bytes)?;
        Ok((String::from_utf8_lossy(&bytes).into_owned(), from > 0))
    };
    within.then(read)?.ok()
}
